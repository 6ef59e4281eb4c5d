/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The guest program of the benchmarks: runs natively, or as the first process of a virtual machine.
 *
 *     programs [SCALE] [NAME,NAME…]
 *
 * SCALE multiplies the work (1 by default). It prints “processors N TIME”, for each sub-benchmark “begin NAME”, then
 *
 *     NAME seconds processor-seconds checksum steps
 *
 * or “NAME absent” where the processor lacks what it needs, and at last “end TIME”. It rests a moment around each
 * line, so that who reads them can take the emulator's own processor time in between.
 */

#include "bench.h"

#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const Bench *const all_benches[] = { integer_benches, hash_benches, memory_benches, float_benches, simd_benches,
                                            system_benches,  code_benches, thread_benches, gzip_benches };

static void
power_off (void)
{
  sync ();
  reboot (RB_POWER_OFF);
  /* No power management: the machine has to stop somehow. */
  reboot (RB_AUTOBOOT);
}

void
bench_fail (const char *what)
{
  fflush (stdout);
  printf ("failed ");
  perror (what);
  fflush (stdout);
  if (getpid () == 1)
    power_off ();
  exit (1);
}

static double
wall_seconds (void)
{
  struct timespec now;

  clock_gettime (CLOCK_MONOTONIC, &now);
  return (double) now.tv_sec + (double) now.tv_nsec / 1e9;
}

/* Processor time of this process and of those it has waited for. */
static double
processor_seconds (void)
{
  struct timespec own;
  struct rusage children;

  clock_gettime (CLOCK_PROCESS_CPUTIME_ID, &own);
  getrusage (RUSAGE_CHILDREN, &children);
  return (double) own.tv_sec + (double) own.tv_nsec / 1e9 +
         (double) (children.ru_utime.tv_sec + children.ru_stime.tv_sec) +
         (double) (children.ru_utime.tv_usec + children.ru_stime.tv_usec) / 1e6;
}

static void
rest (void)
{
  static const struct timespec moment = { .tv_nsec = 30000000 };

  fflush (stdout);
  nanosleep (&moment, NULL);
}

/* Otherwise the two ends of a pipe sit on one processor in one run and on two in the next. */
static void
bind_to_one (cpu_set_t *all)
{
  cpu_set_t one;
  int cpu = sched_getcpu ();

  if (sched_getaffinity (0, sizeof *all, all) < 0)
    bench_fail ("sched_getaffinity");
  CPU_ZERO (&one);
  CPU_SET (cpu < 0 ? 0 : cpu, &one);
  sched_setaffinity (0, sizeof one, &one);
}

static void
measure (const Bench *bench, double scale)
{
  void *state = NULL;
  double wall, processor;
  uint64_t count, checksum;
  cpu_set_t all;

  if (bench->is_there != NULL && !bench->is_there ())
    {
      printf ("%s absent\n", bench->name);
      return;
    }
  count = (uint64_t) ((double) bench->count * scale + 0.5);
  if (count == 0)
    count = 1;
  if (bench->state_size > 0)
    {
      state = mmap (NULL, bench->state_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
      if (state == MAP_FAILED)
        bench_fail ("mmap");
    }
  bind_to_one (&all);
  if (bench->is_threaded)
    sched_setaffinity (0, sizeof all, &all);
  if (bench->setup != NULL)
    bench->setup (state);
  printf ("begin %s\n", bench->name);
  rest ();
  wall = wall_seconds ();
  processor = processor_seconds ();
  checksum = bench->run (state, count);
  wall = wall_seconds () - wall;
  processor = processor_seconds () - processor;
  printf ("%s %.6f %.6f %016" PRIx64 " %" PRIu64 "\n", bench->name, wall, processor, checksum, count);
  rest ();
  sched_setaffinity (0, sizeof all, &all);
  if (state != NULL)
    munmap (state, bench->state_size);
}

/* Whether LIST, names with commas between, is empty or has NAME. */
static bool
is_chosen (const char *list, const char *name)
{
  size_t size = strlen (name);

  if (list == NULL || *list == '\0')
    return true;
  for (const char *at = list; at != NULL; at = strchr (at, ','))
    {
      at += *at == ',';
      if (strncmp (at, name, size) == 0 && (at[size] == ',' || at[size] == '\0'))
        return true;
    }
  return false;
}

int
main (int argc, char **argv)
{
  double scale = argc > 1 ? strtod (argv[1], NULL) : 1;
  const char *names = argc > 2 ? argv[2] : NULL;

  if (argc > 1 && strcmp (argv[1], CHILD_WORD) == 0)
    return 7;
  if (!(scale > 0 && scale <= 1000))
    {
      fprintf (stderr, "usage: %s [SCALE] [NAME,NAME…]\n", argv[0]);
      return 2;
    }
  if (getpid () == 1)
    {
      mkdir ("/proc", 0755);
      mount ("proc", "/proc", "proc", 0, NULL);
      mkdir ("/sys", 0755);
      mount ("sys", "/sys", "sysfs", 0, NULL);
    }
  printf ("processors %ld %.6f\n", sysconf (_SC_NPROCESSORS_ONLN), wall_seconds ());
  rest ();
  for (size_t i = 0; i < sizeof all_benches / sizeof all_benches[0]; i++)
    for (const Bench *bench = all_benches[i]; bench->name != NULL; bench++)
      if (is_chosen (names, bench->name))
        measure (bench, scale);
  printf ("end %.6f\n", wall_seconds ());
  fflush (stdout);
  if (getpid () == 1)
    power_off ();
  return 0;
}
