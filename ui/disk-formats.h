/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The formats that new disks can have, in the order they are offered. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct
{
  const char *name;             /* "vdi": the block layer's word */
  const char *title;            /* what people choose; to be translated */
  gboolean can_be_dynamic, can_be_fixed;
} DiskFormatChoice;

/* Ended by one without a name. */
extern const DiskFormatChoice disk_format_choices[];

/* NULL when it is none of them. */
const DiskFormatChoice *disk_format_choice_find (const char *name);

G_END_DECLS
