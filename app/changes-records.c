/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The list of changes for the interface; see the header. */

#include "app/changes-records.h"

#include <stdio.h>

enum
{
  PROGRESS_US = 100000
};

static void
put (const char *field)
{
  fputs (field, stdout);
  putchar ('\0');
}

static void
put_uint (uint64_t value)
{
  printf ("%" G_GUINT64_FORMAT "%c", value, '\0');
}

void
changes_records_begin (void)
{
  put ("bunshin-changes-1");
}

void
changes_records_progress (uint64_t done, uint64_t total, void *opaque)
{
  gint64 *shown = opaque, now = g_get_monotonic_time ();

  if (total == 0 || now - *shown < PROGRESS_US)
    return;
  *shown = now;
  put ("p");
  put_uint ((uint64_t) ((double) MIN (done, total) / (double) total * 1000));
  fflush (stdout);
}

void
changes_records_change (const char *slot, const InspectChange *change)
{
  put ("c");
  put_uint (change->kind);
  put_uint (change->type);
  put (slot);
  put_uint (change->volume);
  put_uint (change->old_size);
  put_uint (change->new_size);
  printf ("%" G_GINT64_FORMAT "%c", change->modified, '\0');
  put (change->path);
}

void
changes_records_note (const char *text)
{
  put ("n");
  put (text);
}

void
changes_records_end (void)
{
  put ("e");
}
