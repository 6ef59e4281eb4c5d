/* SPDX-License-Identifier: GPL-3.0-or-later */
/* SMBIOS tables: what dmidecode shows. */
#pragma once

#include <glib.h>
#include <stdint.h>

typedef struct
{
  const char *uuid;      /* 36 characters, or NULL for none */
  const char *version;   /* of Bunshin */
  const char *cpu_name;  /* the processor's brand string */
  uint64_t low_memory;   /* bytes below 4 GiB */
  uint64_t high_memory;  /* bytes from 4 GiB */
  unsigned cpus;
} SmbiosConfig;

/* Contents of the fw_cfg files etc/smbios/smbios-anchor and etc/smbios/smbios-tables; the firmware fills in the tables'
 * address. The caller owns both. */
void smbios_build (const SmbiosConfig *config, GByteArray **anchor, GByteArray **tables);
