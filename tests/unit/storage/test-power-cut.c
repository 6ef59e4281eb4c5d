/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Power cuts. What a random workload does to an image's files is recorded, each
 * write, change of length, hole and sync. Then the power fails at many points of it: what was
 * synced is there, and of what came after, any part in any order, writes torn
 * between sectors too. Each time the image must open, be sound, hold all that the
 * guest had flushed, and nothing that it never wrote.
 *
 * Of layers, some are laid over the image and merged into it while the guest works; the
 * library's part, which file lies over which, changes at once.
 *
 *   test-power-cut FORMAT[:VARIANT[:over-base|:layers]] [CUTS]
 */

#include "storage/disk/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum
{
  SECTOR = 512,
  SECTORS = 5 * 2048 + 3,
  GROWN = 7 * 2048,
  OPERATIONS = 260,
  LENGTH_MAX = 300, /* sectors */
  LAYERS = 9,
  STEP = 14, /* operations between changes of the layers */
  WHILE_MERGING = 5,
  CUTS = 500,
};

/* What happened to a file. */
typedef enum
{
  EVENT_WRITE,
  EVENT_LENGTH,
  EVENT_ZERO,
  EVENT_SYNC
} EventKind;

typedef struct
{
  EventKind kind;
  unsigned file;
  unsigned operation; /* of the workload, during which it happened */
  uint64_t at, length;
  uint8_t *data; /* WRITE */
} Event;

/* What the guest did. Each sector that it writes says which operation that was. */
typedef enum
{
  GUEST_WRITE,
  GUEST_ZERO,
  GUEST_DISCARD,
  GUEST_FLUSH,
  GUEST_GROW
} GuestKind;

typedef struct
{
  GuestKind kind;
  uint32_t first, count; /* sectors */
  size_t done;           /* events that there were when it was over */
} Operation;

/* The files of the disk, from the top. */
typedef struct
{
  size_t done; /* events that there were when it became so */
  char **names;
} Stack;

typedef struct
{
  ino_t inode;
  char *name;          /* below the folder */
  GByteArray *durable; /* what a cut cannot take away any more */
} File;

typedef struct
{
  char *folder, *path; /* of the image */
  const char *format;
  GMutex lock;
  GPtrArray *files; /* File */
  GArray *events;
  GArray *operations;
  GPtrArray *stacks; /* Stack */
  gboolean recording;
} Recording;

static Recording rec;

static File *
file_of (int fd, unsigned *index)
{
  struct stat info;

  if (fstat (fd, &info) != 0)
    return NULL;
  for (*index = 0; *index < rec.files->len; ++*index)
    {
      File *file = g_ptr_array_index (rec.files, *index);

      if (file->inode == info.st_ino)
        return file;
    }
  return NULL;
}

static void
record (EventKind kind, int fd, uint64_t at, uint64_t length, const void *data)
{
  Event event = { .kind = kind, .operation = rec.operations->len, .at = at, .length = length };

  g_mutex_lock (&rec.lock);
  if (rec.recording && file_of (fd, &event.file) != NULL)
    {
      event.data = data != NULL ? g_memdup2 (data, length) : NULL;
      g_array_append_val (rec.events, event);
    }
  g_mutex_unlock (&rec.lock);
}

/* The linker sends the block layer's calls here. */
ssize_t __real_pwrite64 (int fd, const void *data, size_t length, off_t at);
int __real_ftruncate64 (int fd, off_t length);
int __real_fallocate64 (int fd, int mode, off_t at, off_t length);
int __real_posix_fallocate64 (int fd, off_t at, off_t length);
int __real_fdatasync (int fd);
int __real_fsync (int fd);
ssize_t __wrap_pwrite64 (int fd, const void *data, size_t length, off_t at);
int __wrap_ftruncate64 (int fd, off_t length);
int __wrap_fallocate64 (int fd, int mode, off_t at, off_t length);
int __wrap_posix_fallocate64 (int fd, off_t at, off_t length);
int __wrap_fdatasync (int fd);
int __wrap_fsync (int fd);

ssize_t
__wrap_pwrite64 (int fd, const void *data, size_t length, off_t at)
{
  record (EVENT_WRITE, fd, (uint64_t) at, length, data);
  return __real_pwrite64 (fd, data, length, at);
}

int
__wrap_ftruncate64 (int fd, off_t length)
{
  record (EVENT_LENGTH, fd, (uint64_t) length, 0, NULL);
  return __real_ftruncate64 (fd, length);
}

int
__wrap_fallocate64 (int fd, int mode, off_t at, off_t length)
{
  int result = __real_fallocate64 (fd, mode, at, length);

  if (result == 0 && mode & FALLOC_FL_PUNCH_HOLE)
    record (EVENT_ZERO, fd, (uint64_t) at, (uint64_t) length, NULL);
  return result;
}

int
__wrap_posix_fallocate64 (int fd, off_t at, off_t length)
{
  off_t end = lseek (fd, 0, SEEK_END);

  if (at + length > end)
    record (EVENT_LENGTH, fd, (uint64_t) (at + length), 0, NULL);
  return __real_posix_fallocate64 (fd, at, length);
}

int
__wrap_fdatasync (int fd)
{
  record (EVENT_SYNC, fd, 0, 0, NULL);
  return 0;
}

int
__wrap_fsync (int fd)
{
  record (EVENT_SYNC, fd, 0, 0, NULL);
  return 0;
}

static int
add_file (const char *path, const struct stat *info, int type, struct FTW *where)
{
  if (type == FTW_F)
    {
      File *file = g_new0 (File, 1);
      char *contents;
      gsize length;

      g_assert_true (g_file_get_contents (path, &contents, &length, NULL));
      file->inode = info->st_ino;
      file->name = g_strdup (path + strlen (rec.folder) + 1);
      file->durable = g_byte_array_new_take ((guint8 *) contents, length);
      g_ptr_array_add (rec.files, file);
    }
  return 0;
}

static int
remove_file (const char *path, const struct stat *info, int type, struct FTW *where)
{
  return remove (path);
}

static uint32_t
between (uint32_t low, uint32_t high)
{
  return (uint32_t) g_test_rand_int_range ((gint32) low, (gint32) high);
}

static void
stamp (uint32_t *data, uint32_t first, uint32_t count, uint32_t operation)
{
  for (uint32_t i = 0; i < count * SECTOR / 4; i += 2)
    {
      data[i] = operation;
      data[i + 1] = first + i / (SECTOR / 4);
    }
}

/* One thing that a guest does; it is number operations->len + 1, so that 0 can mean zeros. */
static void
operate (Disk *disk, uint32_t *data, GuestKind kind)
{
  g_autoptr (GError) error = NULL;
  Operation op = { .kind = kind, .count = between (1, LENGTH_MAX) };

  op.first = between (0, SECTORS - op.count + 1);
  if (between (0, 2))
    op.first &= ~7u;
  switch (kind)
    {
    case GUEST_WRITE:
      stamp (data, op.first, op.count, rec.operations->len + 1);
      disk_write (disk, (uint64_t) op.first * SECTOR, data, op.count * SECTOR, &error);
      break;
    case GUEST_ZERO:
      disk_zero (disk, (uint64_t) op.first * SECTOR, (uint64_t) op.count * SECTOR, &error);
      break;
    case GUEST_DISCARD:
      disk_discard (disk, (uint64_t) op.first * SECTOR, (uint64_t) op.count * SECTOR, &error);
      break;
    default:
      disk_flush (disk, &error);
      break;
    }
  g_assert_no_error (error);
  op.done = rec.events->len;
  g_array_append_val (rec.operations, op);
}

static void
make_image (const char *path, const char *format, const char *variant, const char *base)
{
  g_autoptr (GError) error = NULL;
  const DiskCreateOptions options
      = { .format = format, .variant = variant, .size = (uint64_t) SECTORS * SECTOR, .base = base };

  disk_create (path, &options, &error);
  g_assert_no_error (error);
}

static char *
layer_path (unsigned number)
{
  return g_strdup_printf ("%s/layer%u.qcow2", rec.folder, number);
}

static void
note_stack (char **names)
{
  Stack *stack = g_new (Stack, 1);

  *stack = (Stack) { .done = rec.events->len, .names = names };
  g_ptr_array_add (rec.stacks, stack);
}

static char **
present_stack (void)
{
  return ((Stack *) g_ptr_array_index (rec.stacks, rec.stacks->len - 1))->names;
}

static Disk *
open_stack (const char *folder, char **names, GError **error)
{
  g_autoptr (GPtrArray) paths = g_ptr_array_new_with_free_func (g_free);
  DiskOpenOptions options = { 0 };

  for (unsigned i = 0; names[i] != NULL; i++)
    g_ptr_array_add (paths, g_build_filename (folder, names[i], NULL));
  g_ptr_array_add (paths, NULL);
  options.chain = (const char *const *) paths->pdata + 1;
  return disk_open_with (paths->pdata[0], &options, error);
}

static void
push (Disk *disk, unsigned number)
{
  g_autofree char *path = layer_path (number);
  g_autoptr (GStrvBuilder) names = g_strv_builder_new ();
  g_autofree char *name = g_path_get_basename (path);
  g_autoptr (GError) error = NULL;
  DiskLayer *layer = disk_layer_prepare (disk, path, &error);

  g_assert_no_error (error);
  g_strv_builder_add (names, name);
  g_strv_builder_addv (names, (const char **) present_stack ());
  note_stack (g_strv_builder_end (names));
  disk_layer_push (disk, layer);
}

typedef struct
{
  Disk *disk;
  uint32_t *data;
  unsigned depth;
  gboolean begun;
} Merging;

/* The guest goes on. */
static void
on_merging (uint64_t done, uint64_t total, void *opaque)
{
  Merging *m = opaque;

  for (unsigned i = 0; !m->begun && i < WHILE_MERGING; i++)
    operate (m->disk, m->data, i + 1 < WHILE_MERGING ? GUEST_WRITE : GUEST_FLUSH);
  m->begun = TRUE;
}

static gboolean
on_merged (void *opaque, GError **error)
{
  const Merging *m = opaque;
  g_autoptr (GStrvBuilder) names = g_strv_builder_new ();
  char **present = present_stack ();

  for (unsigned i = 0; present[i] != NULL; i++)
    if (i != m->depth)
      g_strv_builder_add (names, present[i]);
  note_stack (g_strv_builder_end (names));
  return TRUE;
}

static void
change_layers (Disk *disk, uint32_t *data, unsigned *pushed)
{
  unsigned layers = g_strv_length (present_stack ()) - 1;
  g_autoptr (GError) error = NULL;

  if (*pushed < LAYERS && (layers == 0 || (layers < 4 && between (0, 2) == 0)))
    push (disk, (*pushed)++);
  else if (layers > 0)
    {
      Merging m = { .disk = disk, .data = data, .depth = between (0, layers) };
      const DiskTask task = { .progress = on_merging, .opaque = &m };
      const DiskMerge options = { .task = &task, .commit = on_merged, .opaque = &m };

      disk_merge_layer (disk, m.depth, &options, &error);
    }
  if (error == NULL && between (0, 3) == 0)
    disk_settle (disk, &error);
  g_assert_no_error (error);
}

/* Those that will be needed: only files that are there from the beginning are watched. */
static void
make_layers (void)
{
  for (unsigned i = 0; i < LAYERS; i++)
    {
      g_autofree char *path = layer_path (i);
      g_autoptr (GError) error = NULL;
      const DiskCreateOptions options = {
        .format = "qcow2", .size = (uint64_t) SECTORS * SECTOR, .base = rec.path, .base_format = rec.format
      };

      disk_create (path, &options, &error);
      g_assert_no_error (error);
    }
}

static void
work (const char *variant, gboolean over_base, gboolean layers)
{
  unsigned pushed = 0;
  g_autofree char *base = g_strdup_printf ("%s/base.%s", rec.folder, rec.format);
  g_autofree uint32_t *data = g_malloc (LENGTH_MAX * SECTOR);
  g_autoptr (GError) error = NULL;
  Operation grow = { .kind = GUEST_GROW };
  Disk *disk;

  if (over_base)
    make_image (base, rec.format, NULL, NULL);
  make_image (rec.path, rec.format, variant, over_base ? base : NULL);
  if (layers)
    make_layers ();
  g_assert_cmpint (nftw (rec.folder, add_file, 8, FTW_PHYS), ==, 0);
  disk = open_stack (rec.folder, present_stack (), &error);
  g_assert_no_error (error);
  rec.recording = TRUE;
  for (unsigned i = 0; i < OPERATIONS; i++)
    {
      unsigned dice = between (0, 16);

      operate (disk, data, dice < 10 ? GUEST_WRITE : dice < 11 ? GUEST_ZERO : dice < 13 ? GUEST_DISCARD : GUEST_FLUSH);
      if (layers && i % STEP == STEP - 1)
        change_layers (disk, data, &pushed);
      /* Closing and opening are a part of life. */
      if (i % 97 == 96)
        {
          disk_unref (disk);
          disk = open_stack (rec.folder, present_stack (), &error);
          g_assert_no_error (error);
        }
    }
  disk_unref (disk);
  /* In place, where the format can: another file would not be one of those that are watched. */
  if (!layers)
    disk_resize (rec.path, (uint64_t) GROWN * SECTOR, FALSE, NULL, &error);
  /* Some formats have none. */
  if (!g_error_matches (error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED))
    g_assert_no_error (error);
  rec.recording = FALSE;
  grow.done = rec.events->len;
  g_array_append_val (rec.operations, grow);
}

static void
set_length (GByteArray *bytes, uint64_t length)
{
  guint old = bytes->len;

  g_byte_array_set_size (bytes, (guint) length);
  if (length > old)
    memset (bytes->data + old, 0, length - old);
}

/* @torn: each sector makes it or not by itself. */
static void
apply (const Event *event, GByteArray *bytes, gboolean torn)
{
  uint64_t end = event->at + event->length;

  switch (event->kind)
    {
    case EVENT_WRITE:
      if (end > bytes->len)
        set_length (bytes, end);
      for (uint64_t at = event->at; at < end;)
        {
          uint64_t chunk = MIN (end - at, torn ? SECTOR - at % SECTOR : end - at);

          if (!torn || between (0, 2))
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

/* Makes what a sync covers durable; @pending is what has happened since. */
static void
advance (GArray *pending, const Event *event)
{
  File *file = g_ptr_array_index (rec.files, event->file);

  if (event->kind != EVENT_SYNC)
    {
      g_array_append_val (pending, *event);
      return;
    }
  for (unsigned i = 0; i < pending->len;)
    {
      const Event *one = &g_array_index (pending, Event, i);

      if (one->file != event->file)
        {
          i++;
          continue;
        }
      apply (one, file->durable, FALSE);
      g_array_remove_index (pending, i);
    }
}

/* The files as the power cut leaves them. */
static void
write_files (const char *folder, GArray *pending)
{
  unsigned mode = between (0, 4); /* 0: all came through; 1: nothing did; else some */

  for (unsigned i = 0; i < rec.files->len; i++)
    {
      const File *file = g_ptr_array_index (rec.files, i);
      g_autofree char *path = g_build_filename (folder, file->name, NULL), *parent = g_path_get_dirname (path);
      g_autoptr (GByteArray) bytes = g_byte_array_sized_new (file->durable->len);

      g_byte_array_append (bytes, file->durable->data, file->durable->len);
      for (unsigned j = 0; j < pending->len; j++)
        {
          const Event *event = &g_array_index (pending, Event, j);

          if (event->file == i && (mode == 0 || (mode > 1 && between (0, 3))))
            apply (event, bytes, mode > 1 && between (0, 3) == 0);
        }
      g_mkdir_with_parents (parent, 0700);
      /* What is written over an older file would keep that one's end where it was longer. */
      g_unlink (path);
      g_assert_true (g_file_set_contents_full (path, (const char *) bytes->data, (gssize) bytes->len,
                                               G_FILE_SET_CONTENTS_NONE, 0600, NULL));
    }
}

/* What the guest may find in a sector: of the operations up to the last flush, the last that met it (and, if a discard
 * came later, zeros); of those after it, any. */
typedef struct
{
  uint32_t value;
  gboolean zeros;
} Expected;

static void
expect (Expected *expected, size_t cut, unsigned *flushed, unsigned *begun)
{
  *flushed = 0;
  for (*begun = 0; *begun < rec.operations->len; ++*begun)
    {
      const Operation *op = &g_array_index (rec.operations, Operation, *begun);

      if (op->done > cut)
        break;
      if (op->kind == GUEST_FLUSH)
        *flushed = *begun + 1;
    }
  memset (expected, 0, SECTORS * sizeof *expected);
  for (unsigned i = 0; i < *flushed; i++)
    {
      const Operation *op = &g_array_index (rec.operations, Operation, i);

      for (uint32_t s = op->first; s < op->first + op->count && op->kind < GUEST_FLUSH; s++)
        {
          if (op->kind == GUEST_DISCARD)
            expected[s].zeros = TRUE;
          else
            expected[s] = (Expected) { op->kind == GUEST_WRITE ? i + 1 : 0, FALSE };
        }
    }
}

static gboolean
is_allowed (const Expected *expected, uint32_t sector, uint32_t value, unsigned flushed, unsigned begun)
{
  if (value == expected[sector].value || (value == 0 && expected[sector].zeros))
    return TRUE;
  for (unsigned i = flushed; i <= begun && i < rec.operations->len; i++)
    {
      const Operation *op = &g_array_index (rec.operations, Operation, i);

      if (op->kind < GUEST_FLUSH && sector >= op->first && sector - op->first < op->count
          && value == (op->kind == GUEST_WRITE ? i + 1 : 0))
        return TRUE;
    }
  return FALSE;
}

static void
check_contents (Disk *disk, size_t cut)
{
  static Expected expected[SECTORS];
  g_autofree uint32_t *data = g_malloc (disk_size (disk)), *want = g_malloc (SECTOR);
  g_autoptr (GError) error = NULL;
  unsigned flushed, begun;

  expect (expected, cut, &flushed, &begun);
  disk_read (disk, 0, data, disk_size (disk), &error);
  g_assert_no_error (error);
  for (uint32_t s = 0; s < disk_size (disk) / SECTOR; s++)
    {
      const uint32_t *sector = data + (size_t) s * SECTOR / 4;
      uint32_t value = sector[0];

      memset (want, 0, SECTOR);
      if (value != 0)
        stamp (want, s, 1, value);
      if (memcmp (sector, want, SECTOR) != 0)
        g_error ("cut %zu: sector %u is torn or of another place", cut, s);
      if (s >= SECTORS ? value != 0 : !is_allowed (expected, s, value, flushed, begun))
        g_error ("cut %zu: sector %u has what operation %u wrote, and operation %u was flushed", cut, s, value,
                 s < SECTORS ? expected[s].value : 0);
    }
}

/* What is not sound can be made so, and nothing is lost by it. */
static void
check_repaired (const char *below, char **names, unsigned which, size_t cut, gboolean changed, const char *fault)
{
  g_autofree char *folder = g_strconcat (rec.folder, ".repaired", NULL);
  g_autofree char *path = g_build_filename (below, names[which], NULL),
                  *copy = g_build_filename (folder, names[which], NULL);
  g_autofree char *base = g_strdup_printf ("%s/base.%s", below, rec.format);
  g_autoptr (GPtrArray) paths = g_ptr_array_new_with_free_func (g_free);
  DiskOpenOptions options = { .base = g_file_test (base, G_FILE_TEST_EXISTS) ? base : NULL };
  g_autoptr (GError) error = NULL;
  DiskReport report;
  Disk *disk;

  g_assert_cmpint (g_mkdir (folder, 0700), ==, 0);
  if (!disk_check (path, copy, &report, NULL, &error))
    g_error ("cut %zu: %s: %s", cut, fault, error->message);
  disk_report_clear (&report);
  for (unsigned i = 0; names[i] != NULL; i++)
    g_ptr_array_add (paths, g_build_filename (i == which ? folder : below, names[i], NULL));
  g_ptr_array_add (paths, NULL);
  if (paths->len > 2)
    options.chain = (const char *const *) paths->pdata + 1;
  disk = disk_open_with (paths->pdata[0], &options, &error);
  g_assert_no_error (error);
  if (!changed)
    check_contents (disk, cut);
  disk_unref (disk);
  nftw (folder, remove_file, 8, FTW_PHYS | FTW_DEPTH);
}

/* @again: afterwards the guest goes on, which must not make it worse. */
static void
check_image (const char *folder, size_t cut, gboolean again)
{
  g_autoptr (GError) error = NULL;
  const Stack *stack;
  Disk *disk;

  for (unsigned i = rec.stacks->len - 1;; i--)
    if ((stack = g_ptr_array_index (rec.stacks, i))->done <= cut)
      break;
  disk = open_stack (folder, stack->names, &error);

  if (disk == NULL)
    g_error ("cut %zu: %s", cut, error->message);
  g_assert_true (disk_size (disk) == (uint64_t) SECTORS * SECTOR || disk_size (disk) == (uint64_t) GROWN * SECTOR);
  check_contents (disk, cut);
  if (again)
    {
      g_autofree uint32_t *data = g_malloc0 (LENGTH_MAX * SECTOR), *back = g_malloc (LENGTH_MAX * SECTOR);

      for (uint32_t s = 0; s + LENGTH_MAX < SECTORS; s += 4 * LENGTH_MAX)
        {
          stamp (data, s, LENGTH_MAX, 1);
          g_assert_true (disk_write (disk, (uint64_t) s * SECTOR, data, LENGTH_MAX * SECTOR, NULL));
        }
      for (uint32_t s = 0; s + LENGTH_MAX < SECTORS; s += 4 * LENGTH_MAX)
        {
          stamp (data, s, LENGTH_MAX, 1);
          g_assert_true (disk_read (disk, (uint64_t) s * SECTOR, back, LENGTH_MAX * SECTOR, NULL));
          g_assert_cmpmem (back, LENGTH_MAX * SECTOR, data, LENGTH_MAX * SECTOR);
        }
    }
  disk_unref (disk);
  for (unsigned i = 0; stack->names[i] != NULL; i++)
    {
      g_autofree char *path = g_build_filename (folder, stack->names[i], NULL);
      DiskReport report;

      disk_check (path, NULL, &report, NULL, &error);
      g_assert_no_error (error);
      if (report.errors > 0)
        check_repaired (folder, stack->names, i, cut, again, report.messages[0]);
      disk_report_clear (&report);
    }
}

static void
cut_power (unsigned cuts)
{
  g_autoptr (GArray) pending = g_array_new (FALSE, FALSE, sizeof (Event));
  g_autofree char *folder = g_strconcat (rec.folder, ".cut", NULL);
  uint64_t events = rec.events->len;
  uint64_t made = 0;

  for (uint64_t i = 0; i <= events; i++)
    {
      /* Spread evenly; with more cuts than events, several at each. */
      for (; made < cuts && made * (events + 1) / cuts <= i; made++)
        {
          write_files (folder, pending);
          check_image (folder, i, made % 4 == 0);
        }
      if (i < events)
        advance (pending, &g_array_index (rec.events, Event, i));
    }
  nftw (folder, remove_file, 8, FTW_PHYS | FTW_DEPTH);
  g_test_message ("%" G_GUINT64_FORMAT " cuts of %" G_GUINT64_FORMAT " events", made, events);
}

static void
test_cuts (gconstpointer data)
{
  char *const *arguments = (char *const *) data;
  g_auto (GStrv) words = g_strsplit (arguments[1], ":", 3);
  unsigned count = g_strv_length (words);
  g_autofree char *name = g_strdup_printf ("disk.%s", words[0]);

  rec.folder = g_dir_make_tmp ("bunshin-power-XXXXXX", NULL);
  rec.path = g_build_filename (rec.folder, name, NULL);
  rec.format = words[0];
  rec.files = g_ptr_array_new ();
  rec.events = g_array_new (FALSE, FALSE, sizeof (Event));
  rec.operations = g_array_new (FALSE, FALSE, sizeof (Operation));
  rec.stacks = g_ptr_array_new ();
  note_stack (g_strsplit (name, "/", 0));
  work (count > 1 && words[1][0] != '\0' ? words[1] : NULL, count > 2 && g_str_equal (words[2], "over-base"),
        count > 2 && g_str_equal (words[2], "layers"));
  g_assert_cmpuint (rec.events->len, >, OPERATIONS / 2);
  cut_power (arguments[2] != NULL ? (unsigned) atoi (arguments[2]) : CUTS);
  nftw (rec.folder, remove_file, 8, FTW_PHYS | FTW_DEPTH);
  for (unsigned i = 0; i < rec.files->len; i++)
    {
      File *file = g_ptr_array_index (rec.files, i);

      g_byte_array_unref (file->durable);
      g_free (file->name);
      g_free (file);
    }
  for (unsigned i = 0; i < rec.events->len; i++)
    g_free (g_array_index (rec.events, Event, i).data);
  for (unsigned i = 0; i < rec.stacks->len; i++)
    {
      Stack *stack = g_ptr_array_index (rec.stacks, i);

      g_strfreev (stack->names);
      g_free (stack);
    }
  g_ptr_array_unref (rec.stacks);
  g_ptr_array_unref (rec.files);
  g_array_unref (rec.events);
  g_array_unref (rec.operations);
  g_free (rec.folder);
  g_free (rec.path);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  if (argc < 2)
    {
      g_printerr ("usage: %s FORMAT[:VARIANT[:over-base|:layers]] [CUTS]\n", argv[0]);
      return 2;
    }
  g_test_add_data_func ("/power-cut", argv, test_cuts);
  return g_test_run ();
}
