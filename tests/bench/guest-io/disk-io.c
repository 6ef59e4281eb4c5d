/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * disk-io DEVICE SECONDS [PATTERN…]: how many reads and writes a block device takes, past the guest's cache. For each
 * pattern a line “io NAME BYTES-A-SECOND REQUESTS-A-SECOND”; queue depths are kept up with the kernel's asynchronous I/O.
 * SECONDS is for each pattern, of those that begin with a PATTERN.
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/fs.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { DEPTH_MAX = 32, SEQUENTIAL = 256 << 10, RANDOM = 4 << 10 };

typedef struct
{
  const char *name;
  int write, random, depth;
} Pattern;

static const Pattern patterns[] = {
  { "sequential-read-1", 0, 0, 1 }, { "sequential-read-32", 0, 0, 32 },
  { "sequential-write-1", 1, 0, 1 }, { "sequential-write-32", 1, 0, 32 },
  { "random-read-1", 0, 1, 1 }, { "random-read-32", 0, 1, 32 },
  { "random-write-1", 1, 1, 1 }, { "random-write-32", 1, 1, 32 },
};

static void
fail (const char *what)
{
  printf ("failed: %s: %s\n", what, strerror (errno));
  exit (1);
}

static double
now (void)
{
  struct timespec t;

  clock_gettime (CLOCK_MONOTONIC, &t);
  return (double) t.tv_sec + (double) t.tv_nsec / 1e9;
}

static uint64_t
next_random (uint64_t *seed)
{
  *seed ^= *seed << 13;
  *seed ^= *seed >> 7;
  *seed ^= *seed << 17;
  return *seed;
}

static void
run (const Pattern *p, int file, uint64_t size, double seconds, char *buffers)
{
  uint64_t block = p->random ? RANDOM : SEQUENTIAL, blocks = size / block, position = 0, seed = 88172645463325252u, done = 0;
  struct iocb requests[DEPTH_MAX], *list[DEPTH_MAX];
  struct io_event events[DEPTH_MAX];
  aio_context_t context = 0;
  double start, end;
  int ready = p->depth, under_way = 0;

  if (syscall (SYS_io_setup, DEPTH_MAX, &context) != 0)
    fail ("io_setup");
  memset (requests, 0, sizeof requests);
  for (int i = 0; i < p->depth; i++)
    {
      requests[i].aio_data = (uint64_t) i;
      requests[i].aio_lio_opcode = p->write ? IOCB_CMD_PWRITE : IOCB_CMD_PREAD;
      requests[i].aio_fildes = (uint32_t) file;
      requests[i].aio_buf = (uintptr_t) (buffers + (size_t) i * SEQUENTIAL);
      requests[i].aio_nbytes = block;
      list[i] = &requests[i];
    }
  start = now ();
  do
    {
      long count;

      for (int i = 0; i < ready; i++)
        list[i]->aio_offset = (int64_t) ((p->random ? next_random (&seed) % blocks : position++ % blocks) * block);
      if (ready > 0 && syscall (SYS_io_submit, context, (long) ready, list) != ready)
        fail ("io_submit");
      under_way += ready;
      count = syscall (SYS_io_getevents, context, 1L, (long) DEPTH_MAX, events, NULL);
      if (count < 1)
        fail ("io_getevents");
      for (long i = 0; i < count; i++)
        {
          if (events[i].res != (int64_t) block)
            fail (p->name);
          list[i] = &requests[events[i].data];
        }
      done += (uint64_t) count;
      under_way -= (int) count;
      ready = (int) count;
      end = now ();
    }
  while (end - start < seconds);
  while (under_way > 0)
    {
      long count = syscall (SYS_io_getevents, context, 1L, (long) DEPTH_MAX, events, NULL);

      if (count < 1)
        fail ("io_getevents");
      under_way -= (int) count;
    }
  syscall (SYS_io_destroy, context);
  printf ("io %s %.0f %.0f\n", p->name, (double) (done * block) / (end - start), (double) done / (end - start));
  fflush (stdout);
}

static int
is_wanted (const char *name, char **wanted)
{
  if (*wanted == NULL)
    return 1;
  for (; *wanted != NULL; wanted++)
    if (strncmp (name, *wanted, strlen (*wanted)) == 0)
      return 1;
  return 0;
}

int
main (int argc, char **argv)
{
  uint64_t size;
  char *buffers;
  int file;

  if (argc < 3)
    return 2;
  file = open (argv[1], O_RDWR | O_DIRECT);
  if (file < 0 || ioctl (file, BLKGETSIZE64, &size) != 0)
    fail (argv[1]);
  buffers = aligned_alloc (4096, (size_t) DEPTH_MAX * SEQUENTIAL);
  if (buffers == NULL)
    fail ("memory");
  memset (buffers, 0x5a, (size_t) DEPTH_MAX * SEQUENTIAL);
  for (unsigned i = 0; i < sizeof patterns / sizeof *patterns; i++)
    if (is_wanted (patterns[i].name, argv + 3))
      run (&patterns[i], file, size, atof (argv[2]), buffers);
  puts ("io-done");
  return 0;
}
