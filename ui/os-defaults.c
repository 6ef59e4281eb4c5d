/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a new machine gets for an operating system. */

#include "ui/os-defaults.h"

#include <string.h>

enum { MIB = 1 << 20, DEFAULT_YEAR = 2020 };

typedef struct
{
  const char *prefix;           /* of the id; the longest that matches counts */
  uint16_t memory;              /* MiB */
  uint32_t disk;                /* MiB */
  uint8_t cpus;
  gboolean is_release;          /* one system, not a family that grew over the years */
} Floor;

/* Of families, what the releases of the last ten years or so need. */
static const Floor floors[] = {
  { "debian", 2048, 20480, 1 },
  { "ubuntu", 2048, 25600, 1 },
  { "fedora", 2048, 15360, 1 },
  { "archlinux", 1024, 8192, 1 },
  { "linux", 512, 8192, 1 },
  { "freebsd", 1024, 16384, 1 },
  { "win7", 2048, 32768, 1, TRUE },
  { "win8", 2048, 40960, 1, TRUE },
  { "win10", 2048, 51200, 1, TRUE },
  { "win11", 4096, 81920, 2, TRUE },
  { "win2k16", 2048, 51200, 1, TRUE },
  { "win2k19", 2048, 51200, 1, TRUE },
  { "win2k22", 2048, 51200, 1, TRUE },
  { "winxp", 192, 10240, 1, TRUE },
  { "msdos", 32, 500, 1, TRUE },
  { "freedos", 32, 500, 1 },
};

static const Floor family_floors[] = {
  { "linux", 1024, 8192, 1 },   { "winnt", 512, 20480, 1 },      { "win9x", 64, 2048, 1 },
  { "win16", 32, 500, 1 },      { "msdos", 32, 500, 1 },         { "freebsd", 512, 8192, 1 },
  { "openbsd", 512, 8192, 1 },  { "netbsd", 256, 8192, 1 },      { "dragonflybsd", 1024, 16384, 1 },
  { "haiku", 512, 8192, 1 },    { "solaris", 2048, 20480, 1 },   { "darwin", 2048, 32768, 1 },
};

static const Floor any_floor = { "", 64, 2048, 1 };

static const Floor *
find_floor (const OsFacts *facts)
{
  const Floor *best = NULL;

  for (gsize i = 0; facts->id != NULL && i < G_N_ELEMENTS (floors); i++)
    if (g_str_has_prefix (facts->id, floors[i].prefix)
        && (best == NULL || strlen (floors[i].prefix) > strlen (best->prefix)))
      best = &floors[i];
  if (best != NULL)
    return best;
  for (gsize i = 0; i < G_N_ELEMENTS (family_floors); i++)
    if (g_strcmp0 (facts->family, family_floors[i].prefix) == 0)
      return &family_floors[i];
  return &any_floor;
}

/* A distribution of the nineties does not need what its newest release does. */
static Floor
floor_of_its_time (const OsFacts *facts)
{
  Floor floor = *find_floor (facts);
  int year = facts->year > 0 ? facts->year : DEFAULT_YEAR;

  if (floor.is_release)
    return floor;
  if (year < 2004)
    {
      floor.memory = MIN (floor.memory, 192);
      floor.disk = MIN (floor.disk, 10240);
    }
  else if (year < 2013)
    {
      floor.memory = MIN (floor.memory, 1024);
      floor.disk = MIN (floor.disk, 20480);
    }
  return floor;
}

/* Which year's systems bring a driver along. */
static const struct
{
  const char *family;
  int virtio, ahci; /* 0: none does */
} drivers[] = {
  { "linux", 2009, 2006 },   { "freebsd", 2013, 2009 },      { "openbsd", 2013, 2008 }, { "netbsd", 2012, 2009 },
  { "winnt", 0, 2006 },      { "dragonflybsd", 2013, 2009 }, { "haiku", 0, 2010 },      { "darwin", 0, 2006 },
  { "solaris", 0, 2008 },
};

static LibraryController
find_controller (const OsFacts *facts)
{
  int year = facts->year > 0 ? facts->year : DEFAULT_YEAR;

  for (gsize i = 0; i < G_N_ELEMENTS (drivers); i++)
    if (g_strcmp0 (drivers[i].family, facts->family) == 0)
      {
        if (drivers[i].virtio != 0 && year >= drivers[i].virtio)
          return LIBRARY_CONTROLLER_VIRTIO;
        if (drivers[i].ahci != 0 && year >= drivers[i].ahci)
          return LIBRARY_CONTROLLER_AHCI;
      }
  return LIBRARY_CONTROLLER_IDE;
}

void
os_defaults (const OsFacts *facts, uint64_t host_memory, OsDefaults *defaults)
{
  Floor floor = floor_of_its_time (facts);
  uint64_t half = host_memory / 2 / MIB * MIB;
  MemoryLimits limits;

  memory_limits (host_memory, &limits);
  defaults->memory = MAX (facts->memory, (uint64_t) floor.memory * MIB);
  if (half >= limits.minimum && defaults->memory > half)
    defaults->memory = MAX (half, facts->minimum_memory);
  defaults->memory = CLAMP (defaults->memory, limits.minimum, limits.maximum);
  defaults->disk = MAX (facts->disk, (uint64_t) floor.disk * MIB);
  defaults->cpus = MAX (MAX (facts->cpus, floor.cpus), 1);
  /* Windows and DOS keep local time in the clock. */
  defaults->rtc_utc = facts->family != NULL && !g_str_has_prefix (facts->family, "win")
                      && !g_str_equal (facts->family, "msdos");
  defaults->floppy = facts->family == NULL || g_str_equal (facts->family, "msdos")
                     || g_str_equal (facts->family, "win16") || g_str_equal (facts->family, "win9x");
  defaults->controller = find_controller (facts);
}

void
memory_limits (uint64_t host_memory, MemoryLimits *limits)
{
  limits->minimum = LIBRARY_MIN_MEMORY;
  limits->maximum = MAX (host_memory / MIB * MIB, limits->minimum);
  /* A small host needs a larger share for itself. */
  limits->warn_above = host_memory < UINT64_C (8) << 30 ? host_memory / 2 : host_memory / 10 * 7;
  limits->warn_above = CLAMP (limits->warn_above / MIB * MIB, limits->minimum, limits->maximum);
}

unsigned
cpu_limit (unsigned host_cpus)
{
  return CLAMP (host_cpus * 2, 1, LIBRARY_MAX_CPUS);
}
