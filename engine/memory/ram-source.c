/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Missing chunks of RAM, and the faults that bring them in. */

#include "engine/memory/ram-source.h"

#include "engine/memory/fault.h"
#include "engine/memory/memory-private.h"

#include <errno.h>
#include <gio/gio.h>
#include <glib/gi18n-lib.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum
{
  CHUNK_PRESENT, CHUNK_MISSING,
  RUNS_MAX = 8192 /* of missing chunks at first: each is a mapping of the host's, which allows 65,530 */
};

struct RamLoader
{
  RamLoader *next;        /* of all in the process */
  uint8_t *start, *end;   /* where faults are ours */
  RamBlock *block;
  const RamSource *source;
  void *opaque;
  uint8_t *hidden;        /* the same memory, writable while nobody sees it */
  uint8_t *state;         /* CHUNK_…, atomic */
  uint64_t chunks;
  pthread_mutex_t lock;   /* one chunk at a time */
};

/* Faults have no owner but their address: this list is the process's. It is read in signal handlers, so an entry stays
 * where it is; a loader that is done has an empty range and is used again. */
static RamLoader *loaders;
static pthread_mutex_t loaders_lock = PTHREAD_MUTEX_INITIALIZER;
static struct sigaction outer_fault;

/* Fills a chunk behind the scene; the loader's lock is held. */
static void
read_chunk (RamLoader *loader, uint64_t chunk)
{
  uint64_t offset = chunk * RAM_CHUNK;
  size_t length = (size_t) MIN (RAM_CHUNK, loader->block->size - offset);

  if (loader->source != NULL && loader->source->read (loader->opaque, offset, loader->hidden + offset, length))
    return;
  memset (loader->hidden + offset, 0, length);
  if (loader->source != NULL)
    loader->source->failed (loader->opaque);
}

/* Shows chunks that have been read. FALSE: the host's kernel has no room for one more mapping. */
static gboolean
show_chunks (RamLoader *loader, uint64_t first, uint64_t end)
{
  uint64_t start = first * RAM_CHUNK, stop = MIN (end * RAM_CHUNK, loader->block->size);

  if (mprotect (loader->block->host + start, stop - start, PROT_READ | PROT_WRITE) != 0)
    return FALSE;
  for (uint64_t chunk = first; chunk < end; chunk++)
    __atomic_store_n (&loader->state[chunk], CHUNK_PRESENT, __ATOMIC_RELEASE);
  return TRUE;
}

static void
fetch_chunk (RamLoader *loader, uint64_t chunk)
{
  uint64_t first = chunk, end = chunk + 1;

  if (__atomic_load_n (&loader->state[chunk], __ATOMIC_ACQUIRE) == CHUNK_PRESENT)
    return;
  pthread_mutex_lock (&loader->lock);
  if (loader->state[chunk] == CHUNK_MISSING)
    {
      read_chunk (loader, chunk);
      if (!show_chunks (loader, first, end))
        {
          /* The whole run of missing chunks around it takes no more mappings than before. */
          while (first > 0 && loader->state[first - 1] == CHUNK_MISSING)
            read_chunk (loader, --first);
          while (end < loader->chunks && loader->state[end] == CHUNK_MISSING)
            read_chunk (loader, end++);
          if (!show_chunks (loader, first, end))
            abort ();
        }
    }
  pthread_mutex_unlock (&loader->lock);
}

static void
on_fault (int signal_number, siginfo_t *info, void *context)
{
  uint8_t *at = info->si_addr;
  int saved_errno = errno;

  for (RamLoader *l = __atomic_load_n (&loaders, __ATOMIC_ACQUIRE); l != NULL; l = l->next)
    {
      if (at < __atomic_load_n (&l->start, __ATOMIC_ACQUIRE) || at >= __atomic_load_n (&l->end, __ATOMIC_ACQUIRE))
        continue;
      fetch_chunk (l, (uint64_t) (at - l->start) / RAM_CHUNK);
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
      pthread_mutex_init (&loader->lock, NULL);
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
  loader->hidden = mmap (NULL, block->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, block->fd, 0);
  if (loader->hidden == MAP_FAILED)
    {
      g_set_error (error, G_IO_ERROR, (int) g_io_error_from_errno (errno), _("cannot map memory a second time: %s"),
                   g_strerror (errno));
      loader_give_back (loader);
      return FALSE;
    }
  loader->source = source;
  loader->opaque = opaque;
  loader->chunks = (block->size + RAM_CHUNK - 1) / RAM_CHUNK;
  loader->state = g_malloc0 (loader->chunks);
  for (uint64_t i = 0; i < loader->chunks; i++)
    loader->state[i] = missing[i] != 0 ? CHUNK_MISSING : CHUNK_PRESENT;
  join_runs (loader);
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
ram_block_fetch (RamBlock *block, uint64_t offset, uint64_t length)
{
  if (block->loader == NULL || length == 0)
    return;
  g_assert (offset <= block->size && length <= block->size - offset);
  for (uint64_t chunk = offset / RAM_CHUNK; chunk <= (offset + length - 1) / RAM_CHUNK; chunk++)
    fetch_chunk (block->loader, chunk);
}

/* Zeros, without memory for them where the host can. */
static void
clear (uint8_t *memory, uint64_t length)
{
  if (madvise (memory, length, MADV_REMOVE) != 0)
    memset (memory, 0, length);
}

void
ram_block_forget_source (RamBlock *block)
{
  RamLoader *loader = block->loader;

  if (loader == NULL)
    return;
  mprotect (block->host, block->size, PROT_READ | PROT_WRITE);
  for (uint64_t i = 0, end; i < loader->chunks; i = end)
    {
      end = i + 1;
      if (loader->state[i] != CHUNK_MISSING)
        continue;
      while (end < loader->chunks && loader->state[end] == CHUNK_MISSING)
        end++;
      clear (loader->hidden + i * RAM_CHUNK, MIN (end * RAM_CHUNK, block->size) - i * RAM_CHUNK);
    }
  __atomic_store_n (&loader->start, NULL, __ATOMIC_RELEASE);
  __atomic_store_n (&loader->end, NULL, __ATOMIC_RELEASE);
  munmap (loader->hidden, block->size);
  block->loader = NULL;
  loader_give_back (loader);
}
