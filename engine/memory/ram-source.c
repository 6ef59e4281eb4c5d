/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Missing chunks of RAM, and the faults that bring them in. */

#include "engine/memory/ram-source.h"

#include "engine/memory/fault.h"
#include "engine/memory/memory-private.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib/gi18n-lib.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What becomes of a chunk, in this order. */
enum { CHUNK_MISSING, CHUNK_READING, CHUNK_READ, CHUNK_PRESENT };

enum
{
  READER_NOW, READER_AHEAD, /* < RAM_READERS */
  CLEAN_UNIT = 16 * 1024,   /* what is zeros in such a piece of a chunk takes no memory */
  RUNS_MAX = 8192           /* of missing chunks at first: each is a mapping of the host's, which allows 65,530 */
};

typedef struct
{
  pthread_mutex_t lock;   /* one chunk at a time */
  uint8_t *buffer;        /* a chunk */
} Reader;

struct RamLoader
{
  RamLoader *next;        /* of all in the process */
  uint8_t *start, *end;   /* where faults are ours */
  RamBlock *block;
  const RamSource *source;
  void *opaque;
  uint8_t *state;         /* CHUNK_…, atomic */
  uint64_t chunks;
  Reader readers[RAM_READERS];
  pthread_mutex_t wide_lock; /* who shows more than one chunk */
  uint32_t changes;       /* atomic, a futex: counts chunks that have been read or shown, and */
  uint32_t waiting;       /* atomic: who waits for such */
};

/* Faults have no owner but their address: this list is the process's. It is read in signal handlers, so an entry stays
 * where it is; a loader that is done has an empty range and is used again. */
static RamLoader *loaders;
static pthread_mutex_t loaders_lock = PTHREAD_MUTEX_INITIALIZER;
static struct sigaction outer_fault;

/* --- Chunks --- */

static uint8_t
state_of (const RamLoader *loader, uint64_t chunk)
{
  return __atomic_load_n (&loader->state[chunk], __ATOMIC_SEQ_CST);
}

static gboolean
claim (RamLoader *loader, uint64_t chunk)
{
  uint8_t missing = CHUNK_MISSING;

  return __atomic_compare_exchange_n (&loader->state[chunk], &missing, CHUNK_READING, FALSE, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

static void
set_state (RamLoader *loader, uint64_t first, uint64_t end, uint8_t state)
{
  for (uint64_t chunk = first; chunk < end; chunk++)
    __atomic_store_n (&loader->state[chunk], state, __ATOMIC_SEQ_CST);
  __atomic_add_fetch (&loader->changes, 1, __ATOMIC_SEQ_CST);
  if (__atomic_load_n (&loader->waiting, __ATOMIC_SEQ_CST) > 0)
    syscall (SYS_futex, &loader->changes, FUTEX_WAKE_PRIVATE, G_MAXINT, NULL, NULL, 0);
}

/* Until the chunk's state is @least or later. */
static void
wait_for (RamLoader *loader, uint64_t chunk, uint8_t least)
{
  __atomic_add_fetch (&loader->waiting, 1, __ATOMIC_SEQ_CST);
  for (;;)
    {
      uint32_t changes = __atomic_load_n (&loader->changes, __ATOMIC_SEQ_CST);

      if (state_of (loader, chunk) >= least)
        break;
      syscall (SYS_futex, &loader->changes, FUTEX_WAIT_PRIVATE, changes, NULL, NULL, 0);
    }
  __atomic_sub_fetch (&loader->waiting, 1, __ATOMIC_SEQ_CST);
}

static gboolean
is_zero (const uint8_t *data, size_t length)
{
  return data[0] == 0 && memcmp (data, data + 1, length - 1) == 0;
}

/* Behind the scene: through the file, as nobody can write to the memory itself yet, and without a fault for each page. */
static gboolean
write_behind (RamLoader *loader, uint64_t offset, const uint8_t *data, size_t length)
{
  for (size_t at = 0, end; at < length; at = end)
    {
      ssize_t done;

      end = MIN (at + CLEAN_UNIT, length);
      if (is_zero (data + at, end - at))
        continue;
      while (end < length && !is_zero (data + end, MIN (CLEAN_UNIT, length - end)))
        end = MIN (end + CLEAN_UNIT, length);
      for (size_t from = at; from < end; from += (size_t) done)
        {
          done = pwrite (loader->block->fd, data + from, end - from, (off_t) (offset + from));
          if (done < 0 && errno == EINTR)
            done = 0;
          else if (done <= 0)
            return FALSE;
        }
    }
  return TRUE;
}

/* Fills a chunk that the caller has claimed; the reader's lock is held. */
static void
read_chunk (RamLoader *loader, unsigned reader, uint64_t chunk)
{
  uint64_t offset = chunk * RAM_CHUNK;
  size_t length = (size_t) MIN (RAM_CHUNK, loader->block->size - offset);
  uint8_t *buffer = loader->readers[reader].buffer;

  if (!loader->source->read (loader->opaque, reader, offset, buffer, length) || !write_behind (loader, offset, buffer, length))
    loader->source->failed (loader->opaque);
}

/* Shows chunks that have been read. FALSE: the host's kernel has no room for one more mapping. */
static gboolean
show_chunks (RamLoader *loader, uint64_t first, uint64_t end)
{
  uint64_t start = first * RAM_CHUNK, stop = MIN (end * RAM_CHUNK, loader->block->size);

  if (mprotect (loader->block->host + start, stop - start, PROT_READ | PROT_WRITE) != 0)
    return FALSE;
  set_state (loader, first, end, CHUNK_PRESENT);
  return TRUE;
}

/* A chunk that is not present yet has been read when this returns. */
static void
have_read (RamLoader *loader, unsigned reader, uint64_t chunk)
{
  if (claim (loader, chunk))
    read_chunk (loader, reader, chunk);
  else
    wait_for (loader, chunk, CHUNK_READ);
}

/* Shows the whole run of hidden chunks around one that has been read, which takes no more mappings than before. */
static void
show_run (RamLoader *loader, unsigned reader, uint64_t chunk)
{
  uint64_t first = chunk, end = chunk + 1;

  /* Whoever waits for this lock has read his chunk, and waits for no other. */
  set_state (loader, chunk, chunk + 1, CHUNK_READ);
  pthread_mutex_lock (&loader->wide_lock);
  if (state_of (loader, chunk) != CHUNK_PRESENT)
    {
      while (first > 0 && state_of (loader, first - 1) != CHUNK_PRESENT)
        have_read (loader, reader, --first);
      while (end < loader->chunks && state_of (loader, end) != CHUNK_PRESENT)
        have_read (loader, reader, end++);
      if (!show_chunks (loader, first, end))
        abort ();
    }
  pthread_mutex_unlock (&loader->wide_lock);
}

static void
fetch_chunk (RamLoader *loader, unsigned reader, uint64_t chunk)
{
  if (state_of (loader, chunk) == CHUNK_MISSING)
    {
      pthread_mutex_lock (&loader->readers[reader].lock);
      if (claim (loader, chunk))
        {
          read_chunk (loader, reader, chunk);
          if (!show_chunks (loader, chunk, chunk + 1))
            show_run (loader, reader, chunk);
        }
      pthread_mutex_unlock (&loader->readers[reader].lock);
    }
  if (state_of (loader, chunk) != CHUNK_PRESENT)
    wait_for (loader, chunk, CHUNK_PRESENT);
}

static void
fetch_range (RamBlock *block, unsigned reader, uint64_t offset, uint64_t length)
{
  if (block->loader == NULL || length == 0)
    return;
  g_assert (offset <= block->size && length <= block->size - offset);
  for (uint64_t chunk = offset / RAM_CHUNK; chunk <= (offset + length - 1) / RAM_CHUNK; chunk++)
    fetch_chunk (block->loader, reader, chunk);
}

void
ram_block_fetch (RamBlock *block, uint64_t offset, uint64_t length)
{
  fetch_range (block, READER_NOW, offset, length);
}

void
ram_block_fetch_ahead (RamBlock *block, uint64_t offset, uint64_t length)
{
  fetch_range (block, READER_AHEAD, offset, length);
}

gboolean
ram_block_is_present (const RamBlock *block, uint64_t offset, uint64_t length)
{
  if (block->loader == NULL || length == 0)
    return TRUE;
  g_assert (offset <= block->size && length <= block->size - offset);
  for (uint64_t chunk = offset / RAM_CHUNK; chunk <= (offset + length - 1) / RAM_CHUNK; chunk++)
    if (state_of (block->loader, chunk) != CHUNK_PRESENT)
      return FALSE;
  return TRUE;
}

/* --- Faults --- */

static void
on_fault (int signal_number, siginfo_t *info, void *context)
{
  uint8_t *at = info->si_addr;
  int saved_errno = errno;

  for (RamLoader *l = __atomic_load_n (&loaders, __ATOMIC_ACQUIRE); l != NULL; l = l->next)
    {
      if (at < __atomic_load_n (&l->start, __ATOMIC_ACQUIRE) || at >= __atomic_load_n (&l->end, __ATOMIC_ACQUIRE))
        continue;
      fetch_chunk (l, READER_NOW, (uint64_t) (at - l->start) / RAM_CHUNK);
      errno = saved_errno;
      return;
    }
  fault_pass_on (&outer_fault, signal_number, info, context);
}

static gboolean
catch_faults (GError **error)
{
  static gsize once;

  if (g_once_init_enter (&once))
    {
      struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER };
      gboolean done;

      sigemptyset (&action.sa_mask);
      done = sigaction (SIGSEGV, &action, &outer_fault) == 0;
      g_once_init_leave (&once, done ? 1 : 2);
    }
  if (once != 1)
    g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_FAILED, _("cannot catch accesses to memory that is still to be read"));
  return once == 1;
}

/* --- Loaders --- */

static RamLoader *
loader_take (RamBlock *block)
{
  RamLoader *loader;

  pthread_mutex_lock (&loaders_lock);
  for (loader = loaders; loader != NULL && loader->block != NULL; loader = loader->next)
    ;
  if (loader == NULL)
    {
      loader = g_new0 (RamLoader, 1);
      for (unsigned i = 0; i < RAM_READERS; i++)
        pthread_mutex_init (&loader->readers[i].lock, NULL);
      pthread_mutex_init (&loader->wide_lock, NULL);
      loader->next = loaders;
      __atomic_store_n (&loaders, loader, __ATOMIC_RELEASE);
    }
  loader->block = block;
  pthread_mutex_unlock (&loaders_lock);
  return loader;
}

static void
loader_give_back (RamLoader *loader)
{
  g_clear_pointer (&loader->state, g_free);
  for (unsigned i = 0; i < RAM_READERS; i++)
    g_clear_pointer (&loader->readers[i].buffer, g_free);
  pthread_mutex_lock (&loaders_lock);
  loader->block = NULL;
  pthread_mutex_unlock (&loaders_lock);
}

/* Joins runs of missing chunks by calling what lies between them missing, too, until there are few enough. */
static void
join_runs (RamLoader *loader)
{
  for (uint64_t group = 1;; group *= 2)
    {
      uint64_t runs = 0;

      for (uint64_t i = 0; i < loader->chunks; i++)
        runs += loader->state[i] == CHUNK_MISSING && (i == 0 || loader->state[i - 1] != CHUNK_MISSING);
      if (runs <= RUNS_MAX)
        return;
      for (uint64_t i = 0; i < loader->chunks; i += 2 * group)
        {
          size_t count = (size_t) MIN (2 * group, loader->chunks - i);

          if (memchr (loader->state + i, CHUNK_MISSING, count) != NULL)
            memset (loader->state + i, CHUNK_MISSING, count);
        }
    }
}

/* Zeros, without memory for them where the host can. */
static void
clear (RamBlock *block, uint64_t offset, uint64_t length)
{
  if (fallocate (block->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t) offset, (off_t) length) != 0)
    memset (block->host + offset, 0, length);
}

static void
clear_missing (RamLoader *loader)
{
  for (uint64_t first = 0, end; first < loader->chunks; first = end)
    {
      for (end = first + 1; end < loader->chunks && loader->state[end] == loader->state[first]; end++)
        ;
      if (loader->state[first] == CHUNK_MISSING)
        clear (loader->block, first * RAM_CHUNK, MIN (end * RAM_CHUNK, loader->block->size) - first * RAM_CHUNK);
    }
}

static gboolean
hide_missing (RamLoader *loader)
{
  for (uint64_t first = 0, end; first < loader->chunks; first = end)
    {
      uint64_t start = first * RAM_CHUNK;

      for (end = first + 1; end < loader->chunks && loader->state[end] == loader->state[first]; end++)
        ;
      if (loader->state[first] == CHUNK_MISSING &&
          mprotect (loader->block->host + start, MIN (end * RAM_CHUNK, loader->block->size) - start, PROT_NONE) != 0)
        return FALSE;
    }
  return TRUE;
}

gboolean
ram_block_set_source (RamBlock *block, const RamSource *source, void *opaque, const uint8_t *missing, GError **error)
{
  RamLoader *loader;

  g_assert (block->loader == NULL);
  if (!catch_faults (error))
    return FALSE;
  loader = loader_take (block);
  loader->source = source;
  loader->opaque = opaque;
  loader->chunks = (block->size + RAM_CHUNK - 1) / RAM_CHUNK;
  loader->state = g_malloc (loader->chunks);
  for (unsigned i = 0; i < RAM_READERS; i++)
    loader->readers[i].buffer = g_malloc (RAM_CHUNK);
  for (uint64_t i = 0; i < loader->chunks; i++)
    loader->state[i] = missing[i] != 0 ? CHUNK_MISSING : CHUNK_PRESENT;
  join_runs (loader);
  clear_missing (loader);
  block->loader = loader;
  __atomic_store_n (&loader->end, block->host + block->size, __ATOMIC_RELEASE);
  __atomic_store_n (&loader->start, block->host, __ATOMIC_RELEASE);
  if (hide_missing (loader))
    return TRUE;
  g_set_error (error, G_IO_ERROR, (int) g_io_error_from_errno (errno), _("cannot protect memory that is still to be read: %s"),
               g_strerror (errno));
  ram_block_forget_source (block);
  return FALSE;
}

void
ram_block_forget_source (RamBlock *block)
{
  RamLoader *loader = block->loader;

  if (loader == NULL)
    return;
  /* What is missing has been nothing but zeros all the time. */
  mprotect (block->host, block->size, PROT_READ | PROT_WRITE);
  __atomic_store_n (&loader->start, NULL, __ATOMIC_RELEASE);
  __atomic_store_n (&loader->end, NULL, __ATOMIC_RELEASE);
  block->loader = NULL;
  loader_give_back (loader);
}
