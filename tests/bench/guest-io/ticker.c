/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ticker DEVICE MIB: fills MIB MiB of memory with words, writes 4 KiB blocks to random places of the device past the guest's
 * cache, and says “tick” every 2 ms on its standard output, until it is ended. Who reads them sees when the guest stood still.
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { BLOCK = 4096, TICK_NS = 2000000 };

static const char *device;

static void
fail (const char *what)
{
  printf ("failed: %s: %s\n", what, strerror (errno));
  exit (1);
}

static uint64_t
next_random (uint64_t *seed)
{
  *seed ^= *seed << 13;
  *seed ^= *seed >> 7;
  *seed ^= *seed << 17;
  return *seed;
}

static void *
write_blocks (void *unused)
{
  uint64_t size, seed = 88172645463325252u;
  char *block = aligned_alloc (BLOCK, BLOCK);
  int file = open (device, O_RDWR | O_DIRECT);

  if (file < 0 || block == NULL || ioctl (file, BLKGETSIZE64, &size) != 0)
    fail (device);
  for (;;)
    {
      memset (block, (int) next_random (&seed), BLOCK);
      if (pwrite (file, block, BLOCK, (off_t) (next_random (&seed) % (size / BLOCK) * BLOCK)) != BLOCK)
        fail (device);
    }
  return NULL;
}

int
main (int argc, char **argv)
{
  const struct timespec pause = { .tv_nsec = TICK_NS };
  pthread_t thread;
  uint64_t *words, count, seed = 1;

  if (argc != 3)
    return 2;
  device = argv[1];
  count = strtoull (argv[2], NULL, 10) << 17;
  words = malloc (count * sizeof *words);
  if (words == NULL)
    fail ("memory");
  /* About half of it is what a compressor finds. */
  for (uint64_t i = 0; i < count; i++)
    words[i] = i % 2 ? next_random (&seed) : i;
  if (pthread_create (&thread, NULL, write_blocks, NULL) != 0)
    fail ("thread");
  for (;;)
    {
      puts ("tick");
      fflush (stdout);
      nanosleep (&pause, NULL);
    }
}
