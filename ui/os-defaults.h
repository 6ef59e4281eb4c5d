/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a new machine gets for an operating system. */
#pragma once

#include "storage/library/library.h"

G_BEGIN_DECLS

/* What the database of operating systems knows; 0 and NULL where it knows nothing. */
typedef struct
{
  const char *id;               /* "debian12" */
  const char *family;           /* "linux", "winnt", … */
  int year;                     /* of release */
  uint64_t memory, disk;        /* recommended, bytes */
  uint64_t minimum_memory;
  unsigned cpus;
} OsFacts;

typedef struct
{
  uint64_t memory, disk;        /* bytes */
  unsigned cpus;
  gboolean rtc_utc;
  gboolean floppy;              /* wants a floppy drive */
  LibraryController controller; /* of disks: the fastest that its installer has a driver for */
} OsDefaults;

/* The recommendation, no less than our own floors, and no more memory than half of the host's (unless the system cannot
 * do with that). */
void os_defaults (const OsFacts *facts, uint64_t host_memory, OsDefaults *defaults);

/* How much memory a machine may have. */
typedef struct
{
  uint64_t minimum, maximum;    /* bytes; what may be chosen */
  uint64_t warn_above;          /* beyond it the host may run short */
} MemoryLimits;

void memory_limits (uint64_t host_memory, MemoryLimits *limits);
/* How many processors may be chosen, for a host of so many. */
unsigned cpu_limit (unsigned host_cpus);

G_END_DECLS
