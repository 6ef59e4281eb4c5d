/* SPDX-License-Identifier: GPL-3.0-or-later */
/* See record.h. Functions of a program go before those of the libraries that it uses, for these libraries, too. */

#include "tests/unit/snapshot/record.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SECTOR = 512, PAGE = 4096, EVENTS = 1 << 16 };

/* Only what is used of it is there. */
#define ARENA ((size_t) 512 << 20)

typedef enum
{
  EVENT_WRITE,
  EVENT_LENGTH,
  EVENT_ZERO,
  EVENT_SYNC,
  EVENT_SYNC_FOLDER,
  /* Of names: */
  EVENT_MAKE,
  EVENT_MAKE_FOLDER,
  EVENT_LINK,
  EVENT_MOVE,
  EVENT_REMOVE
} EventKind;

/* What it points to is in the arena, too, which is at the same place for both processes. */
typedef struct
{
  EventKind kind;
  unsigned file;       /* MAKE, and of contents */
  uint64_t at, length; /* LENGTH: @at */
  const uint8_t *data; /* WRITE */
  const char *name, *to;
  Progress progress;
} Event;

typedef struct
{
  unsigned count;
  size_t used;
  Progress end;
  Event events[EVENTS];
  uint8_t bytes[];
} Arena;

/* A file, by whatever name. */
typedef struct
{
  ino_t inode;
  unsigned made;       /* changes of names after which it is there */
  GByteArray *durable; /* what a cut cannot take away any more, and */
  GPtrArray *pending;  /* Event: what has happened to it since */
} File;

struct Record
{
  char *folder;
  size_t prefix; /* its length and that of a slash */
  dev_t device;
  const Progress *progress;
  GMutex lock;
  gboolean is_on;
  Arena *arena;
  GPtrArray *files;      /* File; those that are new only in the process that records, until they are replayed */
  GHashTable *inodes;    /* of that process: to the number of the file, plus one */
  GHashTable *first;     /* the names as they were: to a file's number plus one; 0: a folder */
  GPtrArray *names;      /* Event: the changes of names up to now */
  unsigned durable;      /* of which so many are */
  unsigned at;           /* the next event */
};

static Record *rec;

/* --- Recording --- */

static void *
arena_add (const void *data, size_t length)
{
  Arena *arena = rec->arena;
  uint8_t *at = arena->bytes + arena->used;

  g_assert_cmpuint (length, <, ARENA - sizeof *arena - arena->used);
  memcpy (at, data, length);
  arena->used += length;
  return at;
}

static void
add (Event event)
{
  Arena *arena = rec->arena;

  g_assert_cmpuint (arena->count, <, EVENTS);
  event.progress = *rec->progress;
  arena->events[arena->count++] = event;
}

static gboolean
is_left_out (const char *name)
{
  return g_str_has_suffix (name, "-shm");
}

/* The name below the folder, in the arena, or NULL: it is not one of ours. */
static const char *
name_of (const char *path)
{
  if (strncmp (path, rec->folder, rec->prefix - 1) != 0 || path[rec->prefix - 1] != '/' || is_left_out (path))
    return NULL;
  return arena_add (path + rec->prefix, strlen (path + rec->prefix) + 1);
}

static gboolean
begin (void)
{
  if (!rec || !rec->is_on)
    return FALSE;
  g_mutex_lock (&rec->lock);
  return TRUE;
}

static void
end (void)
{
  int saved = errno;

  g_mutex_unlock (&rec->lock);
  errno = saved;
}

/* Whether the descriptor's file is one of ours. */
static gboolean
find (int fd, unsigned *number, gboolean *is_folder)
{
  struct stat info;
  gpointer found;

  if (fstat (fd, &info) != 0 || info.st_dev != rec->device)
    return FALSE;
  *is_folder = S_ISDIR (info.st_mode);
  found = g_hash_table_lookup (rec->inodes, GSIZE_TO_POINTER ((gsize) info.st_ino));
  if (!found)
    return FALSE;
  *number = GPOINTER_TO_UINT (found) - 1;
  return TRUE;
}

/* A file or folder that is there now. */
static unsigned
add_file (ino_t inode)
{
  File *file = g_new0 (File, 1);

  file->inode = inode;
  file->durable = g_byte_array_new ();
  file->pending = g_ptr_array_new ();
  g_ptr_array_add (rec->files, file);
  g_hash_table_insert (rec->inodes, GSIZE_TO_POINTER ((gsize) inode), GUINT_TO_POINTER (rec->files->len));
  return rec->files->len - 1;
}

/* What was just made. Numbers of files that are gone come back, also for those that are none of ours. */
static void
add_new (EventKind kind, const char *path, ino_t inode)
{
  Event event = { .kind = kind, .name = name_of (path) };

  g_hash_table_remove (rec->inodes, GSIZE_TO_POINTER ((gsize) inode));
  if (!event.name)
    return;
  event.file = add_file (inode);
  add (event);
}

static void
add_contents (EventKind kind, int fd, uint64_t at, uint64_t length, const void *data)
{
  Event event = { .kind = kind, .at = at, .length = length };
  gboolean is_folder;

  if (!find (fd, &event.file, &is_folder))
    return;
  if (kind == EVENT_SYNC && is_folder)
    event.kind = EVENT_SYNC_FOLDER;
  if (data)
    event.data = arena_add (data, length);
  add (event);
}

static void
add_change (EventKind kind, const char *name, const char *to)
{
  Event event = { .kind = kind, .name = name_of (name), .to = to ? name_of (to) : NULL };

  /* Nothing comes from elsewhere, or goes there. */
  g_assert_true (!to || (event.name == NULL) == (event.to == NULL));
  if (event.name)
    add (event);
}

/* --- The functions --- */

int
open (const char *path, int flags, ...)
{
  mode_t mode = 0;
  gboolean was_there;
  struct stat info;
  va_list args;
  int fd;

  va_start (args, flags);
  if (flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE)
    mode = va_arg (args, mode_t);
  va_end (args);
  if (!(flags & (O_CREAT | O_TRUNC)) || !begin ())
    return (int) syscall (SYS_openat, AT_FDCWD, path, flags, mode);
  was_there = lstat (path, &info) == 0;
  fd = (int) syscall (SYS_openat, AT_FDCWD, path, flags, mode);
  if (fd >= 0 && was_there && flags & O_TRUNC)
    add_contents (EVENT_LENGTH, fd, 0, 0, NULL);
  else if (fd >= 0 && !was_there && fstat (fd, &info) == 0)
    add_new (EVENT_MAKE, path, info.st_ino);
  end ();
  return fd;
}

ssize_t
pwrite (int fd, const void *data, size_t length, off_t at)
{
  gboolean is_on = begin ();
  ssize_t put = syscall (SYS_pwrite64, fd, data, length, at);

  if (is_on && put > 0)
    add_contents (EVENT_WRITE, fd, (uint64_t) at, (uint64_t) put, data);
  if (is_on)
    end ();
  return put;
}

ssize_t
write (int fd, const void *data, size_t length)
{
  gboolean is_on = begin ();
  ssize_t put = syscall (SYS_write, fd, data, length);

  /* Where that ended, also of a file that is only added to; of a pipe nowhere. */
  if (is_on && put > 0)
    {
      off_t after = lseek (fd, 0, SEEK_CUR);

      if (after >= put)
        add_contents (EVENT_WRITE, fd, (uint64_t) (after - put), (uint64_t) put, data);
    }
  if (is_on)
    end ();
  return put;
}

int
ftruncate (int fd, off_t length)
{
  gboolean is_on = begin ();
  int result = (int) syscall (SYS_ftruncate, fd, length);

  if (is_on && result == 0)
    add_contents (EVENT_LENGTH, fd, (uint64_t) length, 0, NULL);
  if (is_on)
    end ();
  return result;
}

int
fallocate (int fd, int mode, off_t at, off_t length)
{
  gboolean is_on = begin ();
  struct stat info = { 0 };
  int result;

  fstat (fd, &info);
  result = (int) syscall (SYS_fallocate, fd, mode, at, length);
  if (is_on && result == 0 && mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE))
    add_contents (EVENT_ZERO, fd, (uint64_t) at, (uint64_t) length, NULL);
  if (is_on && result == 0 && !(mode & FALLOC_FL_KEEP_SIZE) && at + length > info.st_size)
    add_contents (EVENT_LENGTH, fd, (uint64_t) (at + length), 0, NULL);
  if (is_on)
    end ();
  return result;
}

int
posix_fallocate (int fd, off_t at, off_t length)
{
  struct stat info;

  if (fallocate (fd, 0, at, length) == 0)
    return 0;
  if (errno != EOPNOTSUPP || fstat (fd, &info) != 0)
    return errno;
  return info.st_size >= at + length || ftruncate (fd, at + length) == 0 ? 0 : errno;
}

/* The file system of the test has nothing to wait for. */
int
fsync (int fd)
{
  if (begin ())
    {
      add_contents (EVENT_SYNC, fd, 0, 0, NULL);
      end ();
    }
  return 0;
}

int
fdatasync (int fd)
{
  return fsync (fd);
}

int
rename (const char *from, const char *to)
{
  return renameat2 (AT_FDCWD, from, AT_FDCWD, to, 0);
}

int
renameat2 (int from_fd, const char *from, int to_fd, const char *to, unsigned flags)
{
  gboolean is_on = begin ();
  struct stat old, new;
  /* Of two names for the same file a renaming keeps both. */
  gboolean is_same = is_on && lstat (from, &old) == 0 && lstat (to, &new) == 0 && old.st_ino == new.st_ino;
  int result = (int) syscall (SYS_renameat2, from_fd, from, to_fd, to, flags);

  if (is_on && result == 0 && !is_same)
    add_change (EVENT_MOVE, from, to);
  if (is_on)
    end ();
  return result;
}

int
link (const char *from, const char *to)
{
  gboolean is_on = begin ();
  int result = (int) syscall (SYS_linkat, AT_FDCWD, from, AT_FDCWD, to, 0);

  if (is_on && result == 0)
    add_change (EVENT_LINK, from, to);
  if (is_on)
    end ();
  return result;
}

static int
remove_name (const char *path, int flags)
{
  gboolean is_on = begin ();
  int result = (int) syscall (SYS_unlinkat, AT_FDCWD, path, flags);

  if (is_on && result == 0)
    add_change (EVENT_REMOVE, path, NULL);
  if (is_on)
    end ();
  return result;
}

int
unlink (const char *path)
{
  return remove_name (path, 0);
}

int
rmdir (const char *path)
{
  return remove_name (path, AT_REMOVEDIR);
}

int
mkdir (const char *path, mode_t mode)
{
  gboolean is_on = begin ();
  int result = (int) syscall (SYS_mkdirat, AT_FDCWD, path, mode);
  struct stat info;

  if (is_on && result == 0 && lstat (path, &info) == 0)
    add_new (EVENT_MAKE_FOLDER, path, info.st_ino);
  if (is_on)
    end ();
  return result;
}

/* --- The folder as it is --- */

static void
set_length (GByteArray *bytes, uint64_t length)
{
  guint old = bytes->len;

  g_byte_array_set_size (bytes, (guint) length);
  if (length > old)
    memset (bytes->data + old, 0, length - old);
}

static void
read_file (const char *path, GByteArray *bytes)
{
  g_autofree char *data = NULL;
  gsize length;

  g_assert_true (g_file_get_contents (path, &data, &length, NULL));
  g_byte_array_set_size (bytes, 0);
  g_byte_array_append (bytes, (const uint8_t *) data, (guint) length);
}

/* Names to the numbers of files, or 0 for folders; new files are added. */
static void
scan (const char *below, GHashTable *names)
{
  g_autofree char *folder = g_build_filename (rec->folder, below, NULL);
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *entry;

  while (dir && (entry = g_dir_read_name (dir)) != NULL)
    {
      char *name = *below ? g_build_filename (below, entry, NULL) : g_strdup (entry);
      g_autofree char *path = g_build_filename (rec->folder, name, NULL);
      struct stat info;
      gpointer known;

      g_assert_cmpint (lstat (path, &info), ==, 0);
      known = g_hash_table_lookup (rec->inodes, GSIZE_TO_POINTER ((gsize) info.st_ino));
      if (!known)
        {
          known = GUINT_TO_POINTER (add_file (info.st_ino) + 1);
          if (S_ISREG (info.st_mode))
            read_file (path, ((File *) g_ptr_array_index (rec->files, rec->files->len - 1))->durable);
        }
      g_hash_table_insert (names, name, S_ISDIR (info.st_mode) ? NULL : known);
      if (S_ISDIR (info.st_mode))
        scan (name, names);
    }
}

static void
file_free (gpointer data)
{
  File *file = data;

  g_byte_array_unref (file->durable);
  g_ptr_array_unref (file->pending);
  g_free (file);
}

Record *
record_new (const char *folder, const Progress *progress)
{
  g_assert_null (rec);
  rec = g_new0 (Record, 1);
  rec->folder = g_strdup (folder);
  rec->prefix = strlen (folder) + 1;
  rec->progress = progress;
  g_mutex_init (&rec->lock);
  rec->arena = mmap (NULL, ARENA, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  g_assert_true (rec->arena != MAP_FAILED);
  rec->files = g_ptr_array_new_with_free_func (file_free);
  rec->inodes = g_hash_table_new (NULL, NULL);
  rec->first = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  rec->names = g_ptr_array_new ();
  return rec;
}

void
record_free (Record *record)
{
  g_assert_true (record == rec);
  munmap (record->arena, ARENA);
  g_ptr_array_unref (record->files);
  g_ptr_array_unref (record->names);
  g_hash_table_unref (record->inodes);
  g_hash_table_unref (record->first);
  g_mutex_clear (&record->lock);
  g_free (record->folder);
  g_clear_pointer (&rec, g_free);
}

void
record_reset (void)
{
  struct stat info;

  g_assert_cmpint (stat (rec->folder, &info), ==, 0);
  rec->device = info.st_dev;
  rec->arena->count = 0;
  rec->arena->used = 0;
  rec->durable = rec->at = 0;
  g_ptr_array_set_size (rec->names, 0);
  g_ptr_array_set_size (rec->files, 0);
  g_hash_table_remove_all (rec->inodes);
  g_hash_table_remove_all (rec->first);
  /* The folder itself is one that can be synced. */
  add_file (info.st_ino);
  scan ("", rec->first);
}

void
record_begin (void)
{
  rec->is_on = TRUE;
}

void
record_end (void)
{
  rec->is_on = FALSE;
  rec->arena->end = *rec->progress;
}

/* --- Replaying --- */

unsigned
record_length (const Record *record)
{
  return record->arena->count;
}

unsigned
record_pick (const Record *record)
{
  const Arena *arena = record->arena;
  gboolean any = g_test_rand_bit ();

  for (;;)
    {
      unsigned at = (unsigned) g_test_rand_int_range (0, (int) arena->count + 1);

      if (any || at == arena->count)
        return at;
      if (arena->events[at].kind >= EVENT_SYNC)
        return at + (unsigned) g_test_rand_bit ();
    }
}

const Progress *
record_progress (const Record *record, unsigned at)
{
  return at < record->arena->count ? &record->arena->events[at].progress : &record->arena->end;
}

/* @torn: each sector makes it or not by itself. */
static void
apply (const Event *event, GByteArray *bytes, gboolean torn)
{
  uint64_t end_at = event->at + event->length;

  switch (event->kind)
    {
    case EVENT_WRITE:
      if (end_at > bytes->len)
        set_length (bytes, end_at);
      for (uint64_t at = event->at; at < end_at;)
        {
          uint64_t chunk = MIN (end_at - at, torn ? SECTOR - at % SECTOR : end_at - at);

          if (!torn || g_test_rand_bit ())
            memcpy (bytes->data + at, event->data + (at - event->at), chunk);
          at += chunk;
        }
      break;
    case EVENT_LENGTH:
      set_length (bytes, event->at);
      break;
    case EVENT_ZERO:
      if (event->at < bytes->len)
        memset (bytes->data + event->at, 0, MIN (event->length, bytes->len - event->at));
      break;
    default:
      break;
    }
}

static void
advance (const Event *event)
{
  File *file = event->file < rec->files->len ? g_ptr_array_index (rec->files, event->file) : NULL;

  switch (event->kind)
    {
    case EVENT_MAKE:
    case EVENT_MAKE_FOLDER:
      /* The process that recorded has counted them as they come here. */
      g_assert_cmpuint (event->file, ==, rec->files->len);
      add_file (0);
      g_ptr_array_add (rec->names, (gpointer) event);
      file = g_ptr_array_index (rec->files, event->file);
      file->made = rec->names->len;
      break;
    case EVENT_LINK:
    case EVENT_MOVE:
    case EVENT_REMOVE:
      g_ptr_array_add (rec->names, (gpointer) event);
      break;
    case EVENT_SYNC_FOLDER:
      rec->durable = rec->names->len;
      break;
    case EVENT_SYNC:
      for (unsigned i = 0; i < file->pending->len; i++)
        apply (g_ptr_array_index (file->pending, i), file->durable, FALSE);
      g_ptr_array_set_size (file->pending, 0);
      rec->durable = MAX (rec->durable, file->made);
      break;
    default:
      g_ptr_array_add (file->pending, (gpointer) event);
      break;
    }
}

void
record_go_to (Record *record, unsigned at)
{
  g_assert_cmpuint (at, >=, record->at);
  for (; record->at < at; record->at++)
    advance (&record->arena->events[record->at]);
}

static void
move (GHashTable *names, const char *from, const char *to)
{
  g_autofree char *below = g_strconcat (from, "/", NULL);
  g_autoptr (GPtrArray) moved = g_ptr_array_new ();
  GHashTableIter iter;
  gpointer key;

  /* First: what is there under the new name goes, and with it that key. */
  g_hash_table_iter_init (&iter, names);
  while (g_hash_table_iter_next (&iter, &key, NULL))
    if (g_str_equal (key, from) || g_str_has_prefix (key, below))
      g_ptr_array_add (moved, key);
  for (guint i = 0; i < moved->len; i++)
    {
      char *name = g_strconcat (to, (const char *) moved->pdata[i] + strlen (from), NULL);
      gpointer value = g_hash_table_lookup (names, moved->pdata[i]);

      g_hash_table_remove (names, moved->pdata[i]);
      g_hash_table_replace (names, name, value);
    }
}

static void
change (GHashTable *names, const Event *event)
{
  switch (event->kind)
    {
    case EVENT_MAKE:
      g_hash_table_replace (names, g_strdup (event->name), GUINT_TO_POINTER (event->file + 1));
      break;
    case EVENT_MAKE_FOLDER:
      g_hash_table_replace (names, g_strdup (event->name), NULL);
      break;
    case EVENT_LINK:
      g_hash_table_replace (names, g_strdup (event->to), g_hash_table_lookup (names, event->name));
      break;
    case EVENT_MOVE:
      move (names, event->name, event->to);
      break;
    default:
      g_assert_true (g_hash_table_remove (names, event->name));
      break;
    }
}

/* Pages of zeros are holes. */
static void
write_file (const char *path, const GByteArray *bytes)
{
  static const uint8_t zeros[PAGE];
  int fd = open (path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

  g_assert_cmpint (fd, >=, 0);
  g_assert_cmpint (ftruncate (fd, bytes->len), ==, 0);
  for (guint at = 0; at < bytes->len; at += PAGE)
    {
      guint length = MIN (PAGE, bytes->len - at);

      if (memcmp (bytes->data + at, zeros, length) != 0)
        g_assert_cmpint (pwrite (fd, bytes->data + at, length, at), ==, length);
    }
  close (fd);
}

typedef enum { KEEP_ALL, KEEP_NONE, KEEP_SOME, KEEP_COUNT } Keep;

static GByteArray *
contents_of (const File *file, Keep keep)
{
  GByteArray *bytes = g_byte_array_sized_new (file->durable->len);

  g_byte_array_append (bytes, file->durable->data, file->durable->len);
  for (unsigned i = 0; i < file->pending->len; i++)
    if (keep == KEEP_ALL || (keep == KEEP_SOME && g_test_rand_int_range (0, 3) > 0))
      apply (g_ptr_array_index (file->pending, i), bytes, keep == KEEP_SOME && g_test_rand_int_range (0, 3) == 0);
  return bytes;
}

static Keep
choose (gboolean whole)
{
  return whole ? KEEP_ALL : (Keep) g_test_rand_int_range (0, KEEP_COUNT);
}

/* @made: by the files' numbers, the path of those that have one. */
static void
make_entry (const char *name, unsigned number, Keep keep, GPtrArray *made)
{
  g_autofree char *path = g_build_filename (rec->folder, name, NULL);

  if (number == 0)
    g_assert_cmpint (mkdir (path, 0700), ==, 0);
  else if (made->pdata[number])
    g_assert_cmpint (link (made->pdata[number], path), ==, 0);
  else
    {
      g_autoptr (GByteArray) bytes = contents_of (g_ptr_array_index (rec->files, number - 1), keep);

      write_file (path, bytes);
      made->pdata[number] = g_steal_pointer (&path);
    }
}

static int
compare (gconstpointer a, gconstpointer b)
{
  return strcmp (a, b);
}

char *
record_rebuild (Record *record, gboolean whole)
{
  static const char *const words[] = { "all", "nothing", "some" };
  g_autoptr (GHashTable) names = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr (GPtrArray) made = g_ptr_array_new_with_free_func (g_free);
  unsigned kept = record->names->len, pending = 0;
  /* Of all files the same, or of each another. */
  Keep keep_names = choose (whole), keep = choose (whole);
  g_autoptr (GList) sorted = NULL;
  GHashTableIter iter;
  gpointer name, value;

  if (keep_names == KEEP_NONE)
    kept = record->durable;
  else if (keep_names == KEEP_SOME)
    kept = (unsigned) g_test_rand_int_range ((int) record->durable, (int) record->names->len + 1);
  g_hash_table_iter_init (&iter, record->first);
  while (g_hash_table_iter_next (&iter, &name, &value))
    g_hash_table_insert (names, g_strdup (name), value);
  for (unsigned i = 0; i < kept; i++)
    change (names, g_ptr_array_index (record->names, i));
  for (unsigned i = 0; i < record->files->len; i++)
    pending += ((File *) g_ptr_array_index (record->files, i))->pending->len;

  g_ptr_array_set_size (made, (int) record->files->len + 1);
  fixture_remove_folder (record->folder);
  g_assert_cmpint (mkdir (record->folder, 0700), ==, 0);
  /* Folders before what is in them. */
  sorted = g_list_sort (g_hash_table_get_keys (names), compare);
  for (GList *l = sorted; l; l = l->next)
    make_entry (l->data, GPOINTER_TO_UINT (g_hash_table_lookup (names, l->data)),
                keep == KEEP_SOME ? choose (FALSE) : keep, made);
  return g_strdup_printf ("%u of %u changes of names (%u durable), %s of %u writes", kept, record->names->len,
                          record->durable, words[keep], pending);
}
