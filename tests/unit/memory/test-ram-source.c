/* SPDX-License-Identifier: GPL-3.0-or-later */
/* RAM whose contents come when they are touched. */

#include "engine/memory/ram-source.h"

#include <string.h>
#include <sys/mman.h>

enum { CHUNKS = 40, LAST = 5 * GUEST_PAGE_SIZE, SIZE = (CHUNKS - 1) * RAM_CHUNK + LAST };

typedef struct
{
  unsigned reads[CHUNKS]; /* atomic */
  unsigned failures;      /* atomic */
  int broken;             /* chunk that cannot be read, or -1 */
  int slow;               /* chunk that takes until its turn comes, or -1 */
  GMutex lock;
  GCond cond;
  gboolean is_slow, has_turn;
} Source;

static uint8_t
byte_of (uint64_t chunk)
{
  return (uint8_t) (chunk * 5 + 1);
}

static gboolean
read_chunk (void *opaque, unsigned reader, uint64_t offset, void *to, size_t length)
{
  Source *source = opaque;
  uint64_t chunk = offset / RAM_CHUNK;

  __atomic_fetch_add (&source->reads[chunk], 1, __ATOMIC_RELAXED);
  if ((int) chunk == source->slow)
    {
      g_mutex_lock (&source->lock);
      source->is_slow = TRUE;
      g_cond_broadcast (&source->cond);
      while (!source->has_turn)
        g_cond_wait (&source->cond, &source->lock);
      g_mutex_unlock (&source->lock);
    }
  memset (to, byte_of (chunk), length);
  return (int) chunk != source->broken;
}

static void
failed (void *opaque)
{
  __atomic_fetch_add (&((Source *) opaque)->failures, 1, __ATOMIC_RELAXED);
}

static const RamSource ops = { read_chunk, failed };

static RamBlock *
new_block (Source *source, const uint8_t *missing)
{
  g_autoptr (GError) error = NULL;
  RamBlock *block = ram_block_new ("test", SIZE, &error);

  g_assert_no_error (error);
  *source = (Source) { .broken = -1, .slow = -1 };
  ram_block_set_source (block, &ops, source, missing, &error);
  g_assert_no_error (error);
  return block;
}

/* Odd chunks are missing; each is read once, when it is touched, and keeps what is written to it then. */
static void
test_touch (void)
{
  uint8_t missing[CHUNKS];
  Source source;
  RamBlock *block;
  uint8_t *host;

  for (unsigned i = 0; i < CHUNKS; i++)
    missing[i] = i % 2;
  block = new_block (&source, missing);
  host = ram_block_host (block);
  for (unsigned i = 0; i < CHUNKS; i++)
    {
      volatile uint8_t *at = host + i * RAM_CHUNK + 100;

      g_assert_cmpuint (source.reads[i], ==, 0);
      if (i % 3 == 0)
        *at = 77;
      else
        g_assert_cmpuint (*at, ==, i % 2 ? byte_of (i) : 0);
    }
  for (unsigned i = 0; i < CHUNKS; i++)
    {
      g_assert_cmpuint (source.reads[i], ==, i % 2);
      g_assert_cmpuint (host[i * RAM_CHUNK + 100], ==, i % 3 == 0 ? 77 : i % 2 ? byte_of (i) : 0);
      g_assert_cmpuint (host[i * RAM_CHUNK + 99], ==, i % 2 ? byte_of (i) : 0);
    }
  g_assert_cmpuint (host[SIZE - 1], ==, byte_of (CHUNKS - 1));
  ram_block_free (block);
}

/* What the kernel gets to see has been brought in; what is never touched is zeros once the source is gone. */
static void
test_map (void)
{
  uint8_t missing[CHUNKS];
  AddressSpace *as = address_space_new ();
  Source source;
  RamBlock *block;
  uint64_t length = 3 * RAM_CHUNK;
  uint8_t *window;

  memset (missing, 1, sizeof missing);
  block = new_block (&source, missing);
  address_space_add_ram (as, 0, SIZE, 0, block, 0);
  g_assert_nonnull (guest_memory_map (as, 5 * RAM_CHUNK + 8, &length, FALSE));
  for (unsigned i = 0; i < CHUNKS; i++)
    g_assert_cmpuint (source.reads[i], ==, i >= 5 && i <= 8);
  window = mmap (NULL, RAM_CHUNK, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  g_assert_true (ram_block_map (block, 20 * RAM_CHUNK, RAM_CHUNK, window, TRUE));
  g_assert_cmpuint (window[RAM_CHUNK - 1], ==, byte_of (20));
  munmap (window, RAM_CHUNK);
  ram_block_forget_source (block);
  g_assert_cmpuint (ram_block_host (block)[6 * RAM_CHUNK], ==, byte_of (6));
  g_assert_cmpuint (ram_block_host (block)[30 * RAM_CHUNK], ==, 0);
  address_space_free (as);
  ram_block_free (block);
}

static void
test_failure (void)
{
  uint8_t missing[CHUNKS];
  Source source;
  RamBlock *block;

  memset (missing, 1, sizeof missing);
  block = new_block (&source, missing);
  source.broken = 7;
  g_assert_cmpuint (ram_block_host (block)[7 * RAM_CHUNK + 3], ==, 0);
  g_assert_cmpuint (ram_block_host (block)[8 * RAM_CHUNK + 3], ==, byte_of (8));
  g_assert_cmpuint (source.failures, ==, 1);
  ram_block_free (block);
}

static gpointer
touch_all (gpointer data)
{
  const volatile uint8_t *host = ram_block_host (data);

  for (uint64_t at = 0; at < SIZE; at += GUEST_PAGE_SIZE)
    g_assert_cmpuint (host[at], ==, byte_of (at / RAM_CHUNK));
  return NULL;
}

static void
test_threads (void)
{
  enum { THREADS = 4, ROUNDS = 20 };
  uint8_t missing[CHUNKS];

  memset (missing, 1, sizeof missing);
  for (unsigned round = 0; round < ROUNDS; round++)
    {
      Source source;
      RamBlock *block = new_block (&source, missing);
      GThread *threads[THREADS];

      for (unsigned i = 0; i < THREADS; i++)
        threads[i] = g_thread_new ("touch", touch_all, block);
      for (unsigned i = 0; i < THREADS; i++)
        g_thread_join (threads[i]);
      for (unsigned i = 0; i < CHUNKS; i++)
        g_assert_cmpuint (source.reads[i], ==, 1);
      ram_block_free (block);
    }
}

static gpointer
fetch_ahead (gpointer data)
{
  ram_block_fetch_ahead (data, 0, SIZE);
  return NULL;
}

/* While a chunk is being fetched ahead, whoever touches another one gets that. */
static void
test_ahead (void)
{
  enum { SLOW = 2 };
  uint8_t missing[CHUNKS];
  Source source;
  RamBlock *block;
  GThread *ahead, *touching;

  memset (missing, 1, sizeof missing);
  block = new_block (&source, missing);
  source.slow = SLOW;
  ahead = g_thread_new ("ahead", fetch_ahead, block);
  g_mutex_lock (&source.lock);
  while (!source.is_slow)
    g_cond_wait (&source.cond, &source.lock);
  g_mutex_unlock (&source.lock);
  g_assert_true (ram_block_is_present (block, 0, SLOW * RAM_CHUNK));
  for (unsigned i = CHUNKS; i-- > SLOW + 1;)
    {
      g_assert_false (ram_block_is_present (block, (i - 1) * RAM_CHUNK, RAM_CHUNK + 1));
      g_assert_cmpuint (ram_block_host (block)[i * RAM_CHUNK], ==, byte_of (i));
      g_assert_true (ram_block_is_present (block, i * RAM_CHUNK, 1));
    }
  touching = g_thread_new ("touch", touch_all, block);
  g_mutex_lock (&source.lock);
  source.has_turn = TRUE;
  g_cond_broadcast (&source.cond);
  g_mutex_unlock (&source.lock);
  g_thread_join (ahead);
  g_thread_join (touching);
  g_assert_true (ram_block_is_present (block, 0, SIZE));
  for (unsigned i = 0; i < CHUNKS; i++)
    g_assert_cmpuint (source.reads[i], ==, 1);
  ram_block_free (block);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/memory/ram-source/touch", test_touch);
  g_test_add_func ("/memory/ram-source/map", test_map);
  g_test_add_func ("/memory/ram-source/failure", test_failure);
  g_test_add_func ("/memory/ram-source/threads", test_threads);
  g_test_add_func ("/memory/ram-source/ahead", test_ahead);
  return g_test_run ();
}
