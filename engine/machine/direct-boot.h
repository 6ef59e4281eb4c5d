/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Direct boot: a kernel named on the command line is handed to the firmware
 * with an option ROM that starts it, so that it finds a machine which the
 * firmware has set up.
 */
#pragma once

#include <glib.h>
#include <stdint.h>

typedef struct
{
  uint32_t address; /* guest-physical */
  GBytes *data;     /* NULL: nothing to load */
} DirectBootPart;

typedef struct
{
  GBytes *rom;            /* to be the fw_cfg file genroms/… and first in the boot order */
  DirectBootPart setup, kernel, initrd, command_line;
  uint32_t entry;         /* multiboot: 32-bit entry point; 0: Linux */
} DirectBoot;

/* Reads a Linux bzImage (boot protocol 2.02 or later) or a multiboot 1 kernel. @initrd and @append may be NULL.
 * @low_memory: bytes of RAM below the PCI hole. The error names the file and what is wrong with it. */
DirectBoot *direct_boot_load (const char *kernel, const char *initrd, const char *append, uint64_t low_memory,
                              GError **error);
void direct_boot_free (DirectBoot *boot);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DirectBoot, direct_boot_free)
