/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Writing the file of a saved state. */

#include "engine/machine/state-file-private.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib/gi18n-lib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

enum
{
  /* Levels of compression. The quick one takes about half as long and packs some memory as well, but files in the guest's cache
   * by a third less. Which it is here a unit now and then tells. */
  LEVEL = 1, QUICK_LEVEL = -4, TRIAL = 16,
  WORKERS = 2, JOBS = 8,
  NICE = 5,  /* the guest comes first */
  STRIDE = 8 << 20 /* bytes of the file that go to the disk together */
};

/* A unit on its way into the file. */
typedef struct
{
  unsigned memory;
  uint64_t unit;
  size_t length;
  ZSTD_CCtx *compressor;
  uint8_t *data, *packed;
} Job;

typedef struct
{
  char name[STATE_NAME_SIZE];
  uint64_t size, count;
  StateUnit *units;
} WriterMemory;

typedef struct
{
  uint64_t offset, length;
} Hole;

struct StateWriter
{
  char *path, *part;
  int fd;
  uint64_t end;         /* of what is written */
  uint64_t sent;        /* up to where the host was told to write it to the disk */
  GArray *entries;      /* StateEntry */
  GArray *memories;     /* WriterMemory */
  GArray *holes;        /* Hole: where units were that have grown since */
  int turns, is_quick;  /* atomic: units so far; the quick level is as good */
  GMutex lock;          /* of what is above, and of the error */
  GError *error;        /* the first that a worker met */
  Job jobs[JOBS];
  GAsyncQueue *idle;    /* of them */
  GThreadPool *workers;
};

static gboolean
fail (const StateWriter *w, int cause, GError **error)
{
  g_set_error (error, G_IO_ERROR, (int) g_io_error_from_errno (cause), _("cannot write the saved state “%s”: %s"), w->path,
               g_strerror (cause));
  return FALSE;
}

static gboolean
write_at (StateWriter *w, uint64_t offset, const void *data, size_t length, GError **error)
{
  const uint8_t *bytes = data;

  while (length > 0)
    {
      ssize_t done = pwrite (w->fd, bytes, length, (off_t) offset);

      if (done < 0 && errno == EINTR)
        continue;
      if (done < 0)
        return fail (w, errno, error);
      bytes += done;
      offset += (uint64_t) done;
      length -= (size_t) done;
    }
  return TRUE;
}

StateWriter *
state_writer_new (const char *path, GError **error)
{
  StateWriter *w = g_new0 (StateWriter, 1);

  w->path = g_strdup (path);
  w->part = g_strconcat (path, ".part", NULL);
  w->entries = g_array_new (FALSE, TRUE, sizeof (StateEntry));
  w->memories = g_array_new (FALSE, TRUE, sizeof (WriterMemory));
  w->holes = g_array_new (FALSE, FALSE, sizeof (Hole));
  w->end = STATE_HEADER_SIZE;
  g_mutex_init (&w->lock);
  w->idle = g_async_queue_new ();
  for (unsigned i = 0; i < JOBS; i++)
    {
      w->jobs[i].compressor = ZSTD_createCCtx ();
      w->jobs[i].data = g_malloc (STATE_UNIT);
      w->jobs[i].packed = g_malloc (ZSTD_compressBound (STATE_UNIT));
      g_async_queue_push (w->idle, &w->jobs[i]);
    }
  /* What is in guest memory is the user's secret. */
  w->fd = open (w->part, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (w->fd < 0)
    {
      fail (w, errno, error);
      g_clear_pointer (&w->part, g_free);
      state_writer_free (w);
      return NULL;
    }
  return w;
}

void
state_writer_free (StateWriter *w)
{
  if (w == NULL)
    return;
  if (w->workers != NULL)
    g_thread_pool_free (w->workers, FALSE, TRUE);
  if (w->fd >= 0)
    close (w->fd);
  if (w->part != NULL)
    g_unlink (w->part);
  for (unsigned i = 0; i < JOBS; i++)
    {
      ZSTD_freeCCtx (w->jobs[i].compressor);
      g_free (w->jobs[i].data);
      g_free (w->jobs[i].packed);
    }
  g_async_queue_unref (w->idle);
  g_clear_error (&w->error);
  g_mutex_clear (&w->lock);
  for (guint i = 0; i < w->memories->len; i++)
    g_free (g_array_index (w->memories, WriterMemory, i).units);
  g_array_unref (w->memories);
  g_array_unref (w->entries);
  g_array_unref (w->holes);
  g_free (w->part);
  g_free (w->path);
  g_free (w);
}

unsigned
state_writer_add_memory (StateWriter *w, const char *name, uint64_t size)
{
  WriterMemory memory = { .size = size, .count = (size + STATE_UNIT - 1) / STATE_UNIT };

  g_assert (size <= STATE_MEMORY_MAX);
  g_snprintf (memory.name, sizeof memory.name, STATE_MEMORY_PREFIX "%s", name);
  memory.units = g_new0 (StateUnit, memory.count);
  g_mutex_lock (&w->lock);
  g_array_append_val (w->memories, memory);
  g_mutex_unlock (&w->lock);
  return w->memories->len - 1;
}

/* A place for @length bytes: the first hole that has room, or the end. */
static uint64_t
take_place (StateWriter *w, uint32_t length)
{
  uint64_t offset;

  for (guint i = 0; i < w->holes->len; i++)
    {
      Hole *hole = &g_array_index (w->holes, Hole, i);

      if (hole->length < length)
        continue;
      offset = hole->offset;
      hole->offset += length;
      hole->length -= length;
      if (hole->length == 0)
        g_array_remove_index_fast (w->holes, i);
      return offset;
    }
  offset = w->end;
  w->end += length;
  return offset;
}

static void
give_back (StateWriter *w, uint64_t offset, uint64_t length)
{
  /* Slivers are of no use and would make the search long. */
  enum { LEAST = 512 };
  Hole hole = { offset, length };

  if (length >= LEAST)
    g_array_append_val (w->holes, hole);
}

static gboolean
is_zero (const uint8_t *data, size_t length)
{
  return data[0] == 0 && memcmp (data, data + 1, length - 1) == 0;
}

/* Where @length bytes of the unit go, which had another place, or the same, before. */
static uint64_t
move_unit (StateWriter *w, const Job *job, uint32_t length, uint32_t crc)
{
  StateUnit *unit = &g_array_index (w->memories, WriterMemory, job->memory).units[job->unit], old;

  g_mutex_lock (&w->lock);
  old = *unit;
  *unit = (StateUnit) { 0, length, crc };
  if (length > old.length)
    {
      give_back (w, old.offset, old.length);
      unit->offset = take_place (w, length);
    }
  else
    {
      unit->offset = length > 0 ? old.offset : 0;
      give_back (w, old.offset + length, old.length - length);
    }
  g_mutex_unlock (&w->lock);
  return unit->offset;
}

/* The disk is at work while there is more to come: else all of it would be waited for at the end, and whoever flushes something
 * else meanwhile would wait for it, too. */
static void
send_ahead (StateWriter *w)
{
  uint64_t from = 0, to = 0;

  g_mutex_lock (&w->lock);
  /* Of the last piece something may still be on its way. */
  if (w->end - w->sent >= 2 * (uint64_t) STRIDE)
    {
      from = w->sent;
      to = w->sent += STRIDE;
    }
  g_mutex_unlock (&w->lock);
  if (to > from)
    (void) !sync_file_range (w->fd, (off_t) from, (off_t) (to - from), SYNC_FILE_RANGE_WRITE);
}

static size_t
pack_at (Job *job, int level)
{
  return ZSTD_compressCCtx (job->compressor, job->packed, ZSTD_compressBound (STATE_UNIT), job->data, job->length, level);
}

static size_t
pack (StateWriter *w, Job *job)
{
  size_t quick, packed;

  if (g_atomic_int_add (&w->turns, 1) % TRIAL != 0)
    return pack_at (job, g_atomic_int_get (&w->is_quick) ? QUICK_LEVEL : LEVEL);
  quick = pack_at (job, QUICK_LEVEL);
  packed = pack_at (job, LEVEL);
  g_atomic_int_set (&w->is_quick, !ZSTD_isError (quick) && !ZSTD_isError (packed) && quick <= packed + packed / TRIAL);
  return packed;
}

static gboolean
write_unit (StateWriter *w, Job *job, GError **error)
{
  const uint8_t *bytes = job->packed;
  size_t packed;

  if (is_zero (job->data, job->length))
    {
      move_unit (w, job, 0, 0);
      return TRUE;
    }
  packed = pack (w, job);
  if (ZSTD_isError (packed) || packed >= job->length)
    {
      bytes = job->data;
      packed = job->length;
    }
  if (!write_at (w, move_unit (w, job, (uint32_t) packed, (uint32_t) crc32 (0, bytes, (uInt) packed)), bytes, packed, error))
    return FALSE;
  send_ahead (w);
  return TRUE;
}

static void
work (gpointer data, gpointer opaque)
{
  static __thread gboolean is_nice;
  StateWriter *w = opaque;
  GError *error = NULL;

  if (!is_nice)
    setpriority (PRIO_PROCESS, (id_t) syscall (SYS_gettid), NICE);
  is_nice = TRUE;
  if (!write_unit (w, data, &error))
    {
      g_mutex_lock (&w->lock);
      if (w->error == NULL)
        w->error = g_steal_pointer (&error);
      g_mutex_unlock (&w->lock);
      g_clear_error (&error);
    }
  g_async_queue_push (w->idle, data);
}

static gboolean
check_workers (StateWriter *w, GError **error)
{
  gboolean ok;

  g_mutex_lock (&w->lock);
  ok = w->error == NULL;
  if (!ok)
    g_propagate_error (error, g_error_copy (w->error));
  g_mutex_unlock (&w->lock);
  return ok;
}

gboolean
state_writer_put_unit (StateWriter *w, unsigned number, uint64_t unit, const uint8_t *data, size_t length, GError **error)
{
  const WriterMemory *memory = &g_array_index (w->memories, WriterMemory, number);
  Job *job;

  g_assert (unit < memory->count && length == MIN (STATE_UNIT, memory->size - unit * STATE_UNIT));
  if (!check_workers (w, error))
    return FALSE;
  if (w->workers == NULL && (w->workers = g_thread_pool_new (work, w, WORKERS, TRUE, error)) == NULL)
    return FALSE;
  job = g_async_queue_pop (w->idle);
  job->memory = number;
  job->unit = unit;
  job->length = length;
  memcpy (job->data, data, length);
  g_thread_pool_push (w->workers, job, NULL);
  return TRUE;
}

gboolean
state_writer_settle (StateWriter *w, GError **error)
{
  Job *jobs[JOBS];

  for (unsigned i = 0; i < JOBS; i++)
    jobs[i] = g_async_queue_pop (w->idle);
  for (unsigned i = 0; i < JOBS; i++)
    g_async_queue_push (w->idle, jobs[i]);
  return check_workers (w, error);
}

gboolean
state_writer_sync (StateWriter *w, GError **error)
{
  return state_writer_settle (w, error) && (fdatasync (w->fd) == 0 || fail (w, errno, error));
}

gboolean
state_writer_add_section (StateWriter *w, const char *name, const void *data, size_t length, GError **error)
{
  StateEntry entry = { .length = length };

  g_assert (strlen (name) < STATE_NAME_SIZE && w->entries->len < STATE_SECTIONS_MAX);
  memcpy (entry.name, name, strlen (name));
  entry.crc = (uint32_t) crc32_z (0, data, length);
  g_mutex_lock (&w->lock);
  entry.offset = w->end;
  w->end += length;
  g_mutex_unlock (&w->lock);
  if (!write_at (w, entry.offset, data, length, error))
    return FALSE;
  g_array_append_val (w->entries, entry);
  return TRUE;
}

/* Not an error where the file system cannot: the room is only not given back. */
static void
punch_holes (StateWriter *w)
{
  for (guint i = 0; i < w->holes->len; i++)
    {
      const Hole *hole = &g_array_index (w->holes, Hole, i);

      (void) !fallocate (w->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t) hole->offset, (off_t) hole->length);
    }
}

static gboolean
sync_folder_of (StateWriter *w, GError **error)
{
  g_autofree char *folder = g_path_get_dirname (w->path);
  int fd = open (folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  gboolean ok;

  if (fd < 0)
    return fail (w, errno, error);
  ok = fsync (fd) == 0 || errno == EINVAL || fail (w, errno, error);
  close (fd);
  return ok;
}

gboolean
state_writer_finish (StateWriter *w, GError **error)
{
  StateHeader header = { .magic = STATE_MAGIC, .version = STATE_VERSION };

  if (!state_writer_settle (w, error))
    return FALSE;
  for (guint i = 0; i < w->memories->len; i++)
    {
      const WriterMemory *memory = &g_array_index (w->memories, WriterMemory, i);

      if (!state_writer_add_section (w, memory->name, memory->units, memory->count * sizeof (StateUnit), error))
        return FALSE;
    }
  header.directory_offset = w->end;
  header.directory_count = w->entries->len;
  header.directory_crc = (uint32_t) crc32_z (0, (const uint8_t *) w->entries->data, w->entries->len * sizeof (StateEntry));
  header.file_size = w->end + w->entries->len * sizeof (StateEntry);
  header.crc = (uint32_t) crc32_z (0, (const uint8_t *) &header, sizeof header);
  if (!write_at (w, header.directory_offset, w->entries->data, w->entries->len * sizeof (StateEntry), error) ||
      !write_at (w, 0, &header, sizeof header, error))
    return FALSE;
  punch_holes (w);
  if (fsync (w->fd) != 0 || rename (w->part, w->path) != 0)
    return fail (w, errno, error);
  g_clear_pointer (&w->part, g_free);
  return sync_folder_of (w, error);
}
