/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Layers of a disk in use: laid on top and merged while a guest writes, and opened by a chain that others tell. */

#include "tests/unit/storage/fixture.h"
#include "tests/unit/storage/load.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum
{
  SIZE = 8 * 1024 * 1024,
  PUSHES = 4,
  STEPS = 16
};

typedef struct
{
  char *folder, *root;
  GPtrArray *files; /* char *: from the top to the root, NULL-terminated */
  uint64_t size;
} Fixture;

/* @kind: FORMAT[:VARIANT[:over-base]]. */
static void
setup (Fixture *f, gconstpointer kind)
{
  g_auto (GStrv) words = g_strsplit (kind, ":", 3);
  unsigned count = g_strv_length (words);
  g_autoptr (GError) error = NULL;
  g_autofree char *base = NULL;
  DiskCreateOptions options = { .format = words[0], .size = SIZE };

  f->folder = g_dir_make_tmp ("bunshin-layers-XXXXXX", NULL);
  f->root = g_strdup_printf ("%s/root.%s", f->folder, words[0]);
  f->files = g_ptr_array_new_with_free_func (g_free);
  if (count > 2)
    {
      base = g_strdup_printf ("%s/base.%s", f->folder, words[0]);
      disk_create (base, &options, &error);
      g_assert_no_error (error);
      options.base = base;
    }
  options.variant = count > 1 && words[1][0] != '\0' ? words[1] : NULL;
  disk_create (f->root, &options, &error);
  g_assert_no_error (error);
  g_ptr_array_add (f->files, g_strdup (f->root));
  g_ptr_array_add (f->files, NULL);
  {
    g_autoptr (Disk) disk = image_must_open (f->root);

    f->size = disk_size (disk);
  }
}

static void
teardown (Fixture *f, gconstpointer kind)
{
  g_ptr_array_unref (f->files);
  image_remove_folder (f->folder);
  g_free (f->folder);
  g_free (f->root);
}

/* A new file for a layer over what is the disk's top. */
static char *
make_layer (Fixture *f, Disk *disk, uint64_t size)
{
  static unsigned number;
  char *path = g_strdup_printf ("%s/layer%u.qcow2", f->folder, number++);
  const DiskCreateOptions options
      = { .format = "qcow2", .size = size, .base = disk_path (disk), .base_format = disk_format_name (disk) };
  g_autoptr (GError) error = NULL;

  disk_create (path, &options, &error);
  g_assert_no_error (error);
  return path;
}

static void
push (Fixture *f, Disk *disk)
{
  char *path = make_layer (f, disk, disk_size (disk));
  g_autoptr (GError) error = NULL;
  DiskLayer *layer = disk_layer_prepare (disk, path, &error);

  g_assert_no_error (error);
  disk_layer_push (disk, layer);
  g_ptr_array_insert (f->files, 0, path);
  g_assert_cmpstr (disk_path (disk), ==, path);
}

static Disk *
open_top (Fixture *f, DiskOpenFlags flags)
{
  const DiskOpenOptions options = { .flags = flags, .chain = (const char *const *) f->files->pdata + 1 };
  g_autoptr (GError) error = NULL;
  Disk *disk = disk_open_with (f->files->pdata[0], &options, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (disk_layer_count (disk), >=, f->files->len - 1);
  for (unsigned i = 0; i + 1 < f->files->len; i++)
    g_assert_cmpstr (disk_layer_path (disk, i), ==, f->files->pdata[i]);
  return disk;
}

/* All files are sound, and together they hold what they should. */
static void
check_all (Fixture *f, Load *load)
{
  g_autoptr (Disk) disk = open_top (f, DISK_OPEN_READ_ONLY);

  load_check (load, disk);
  for (unsigned i = 0; i + 1 < f->files->len; i++)
    {
      g_autoptr (GError) error = NULL;
      DiskReport report;

      disk_check (f->files->pdata[i], NULL, &report, NULL, &error);
      g_assert_no_error (error);
      if (report.errors + report.leaks > 0)
        g_error ("%s: %s", (char *) f->files->pdata[i], report.messages[0]);
      disk_report_clear (&report);
    }
}

/* Its name alone would not do. */
static void
check_copy (Fixture *f, Load *load)
{
  g_autofree char *path = g_strconcat (f->folder, "/copy.vdi", NULL), *away = g_strconcat (f->folder, "/away", NULL);
  g_autoptr (GPtrArray) chain = g_ptr_array_new ();
  DiskOpenOptions options = { 0 };
  const DiskCreateOptions create = { .format = "vdi" };
  g_autoptr (GError) error = NULL;
  Disk *disk;

  for (unsigned i = 1; i < f->files->len; i++)
    g_ptr_array_add (chain, f->files->pdata[i]);
  chain->pdata[0] = away;
  options.chain = (const char *const *) chain->pdata;
  g_assert_cmpint (g_rename (f->files->pdata[1], away), ==, 0);
  disk_convert (f->files->pdata[0], &options, path, &create, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpint (g_rename (away, f->files->pdata[1]), ==, 0);
  disk = image_must_open (path);
  load_check (load, disk);
  disk_unref (disk);
  g_unlink (path);
}

/* The guest writes on and on while layers are laid on top. */
static void
test_push (Fixture *f, gconstpointer kind)
{
  Disk *disk = open_top (f, 0);
  Load *load = load_new (f->size);
  g_autoptr (GError) error = NULL;

  load_start (load, disk);
  for (unsigned i = 0; i < PUSHES; i++)
    {
      load_wait (load, 100);
      push (f, disk);
      if (i % 2 == 1)
        {
          disk_settle (disk, &error);
          g_assert_no_error (error);
        }
    }
  load_wait (load, 100);
  load_stop (load);
  load_check (load, disk);
  disk_unref (disk);
  check_all (f, load);
  check_copy (f, load);
  /* As it is found anew, it goes on in the same way. */
  disk = open_top (f, 0);
  load_start (load, disk);
  load_wait (load, 60);
  push (f, disk);
  load_wait (load, 100);
  load_stop (load);
  disk_unref (disk);
  check_all (f, load);
  load_free (load);
}

typedef struct
{
  Fixture *f;
  unsigned depth;
  gboolean refuses;
} Commit;

/* The library's part. */
static gboolean
commit (void *opaque, GError **error)
{
  Commit *c = opaque;

  if (c->refuses)
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_FAILED, "the library is full");
      return FALSE;
    }
  g_free (g_ptr_array_steal_index (c->f->files, c->depth));
  return TRUE;
}

static gboolean
merge (Fixture *f, Disk *disk, unsigned depth, GError **error)
{
  g_autofree char *path = g_strdup (f->files->pdata[depth]), *below = g_strdup (f->files->pdata[depth + 1]);
  unsigned count = disk_layer_count (disk);
  Commit c = { .f = f, .depth = depth };
  const DiskMerge options = { .commit = commit, .opaque = &c };

  if (!disk_merge_layer (disk, depth, &options, error))
    {
      g_assert_cmpuint (disk_layer_count (disk), ==, count);
      g_assert_cmpstr (disk_layer_path (disk, depth), ==, path);
      return FALSE;
    }
  g_assert_cmpuint (disk_layer_count (disk), ==, count - 1);
  g_assert_cmpstr (disk_layer_path (disk, depth), ==, below);
  g_assert_cmpint (g_unlink (path), ==, 0);
  return TRUE;
}

static void
must_merge (Fixture *f, Disk *disk, unsigned depth)
{
  g_autoptr (GError) error = NULL;

  merge (f, disk, depth, &error);
  g_assert_no_error (error);
}

/* Layers come and go, the top one and those within, while the guest writes on and on. */
static void
test_merge (Fixture *f, gconstpointer kind)
{
  /* That takes its time. */
  gboolean past_cache = g_str_equal (kind, "vdi") || g_str_equal (kind, "qcow2");
  Disk *disk = open_top (f, 0);
  Load *load = load_new (f->size);

  load_start (load, disk);
  for (unsigned step = 0; step < STEPS; step++)
    {
      unsigned layers = f->files->len - 2;

      load_wait (load, 60);
      if (layers == 0 || (layers < 5 && g_test_rand_int_range (0, 5) < 2))
        push (f, disk);
      else
        must_merge (f, disk, (unsigned) g_test_rand_int_range (0, (gint32) layers));
      if (step == STEPS / 2)
        {
          load_stop (load);
          load_check (load, disk);
          disk_unref (disk);
          check_all (f, load);
          disk = open_top (f, past_cache ? DISK_OPEN_NO_CACHE : 0);
          load_start (load, disk);
        }
    }
  load_stop (load);
  load_check (load, disk);
  disk_unref (disk);
  check_all (f, load);
  /* At rest, to the last one. */
  disk = open_top (f, 0);
  while (f->files->len > 2)
    must_merge (f, disk, f->files->len - 3);
  load_check (load, disk);
  disk_unref (disk);
  check_all (f, load);
  load_free (load);
}

/* What goes wrong on the way leaves all as it was, and the guest notices nothing. */
static void
test_refused (Fixture *f, gconstpointer kind)
{
  Disk *disk = open_top (f, 0), *other;
  Load *load = load_new (f->size);
  g_autoptr (GError) error = NULL;
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  const DiskTask task = { .cancellable = cancellable };
  const DiskMerge cancelled = { .task = &task };
  Commit refusal = { .refuses = TRUE };
  const DiskMerge refused = { .commit = commit, .opaque = &refusal };

  g_cancellable_cancel (cancellable);
  load_start (load, disk);
  load_wait (load, 100);
  push (f, disk);
  load_wait (load, 100);
  push (f, disk);
  load_wait (load, 100);
  for (unsigned depth = 0; depth < 2; depth++)
    {
      g_assert_false (disk_merge_layer (disk, depth, &refused, &error));
      g_assert_nonnull (strstr (error->message, "the library is full"));
      g_clear_error (&error);
      g_assert_false (disk_merge_layer (disk, depth, &cancelled, &error));
      g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
      g_clear_error (&error);
      load_wait (load, 50);
    }
  g_assert_false (disk_merge_layer (disk, disk_layer_count (disk) - 1, &refused, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT);
  g_clear_error (&error);
  /* Somebody else reads the root. */
  other = disk_open (f->root, DISK_OPEN_READ_ONLY, &error);
  g_assert_no_error (error);
  g_assert_false (merge (f, disk, 1, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_BUSY);
  g_assert_nonnull (strstr (error->message, f->root));
  g_clear_error (&error);
  must_merge (f, disk, 0);
  disk_unref (other);
  if (geteuid () != 0)
    {
      g_assert_cmpint (g_chmod (f->root, 0444), ==, 0);
      g_assert_false (merge (f, disk, 0, &error));
      g_assert_error (error, G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED);
      g_clear_error (&error);
      g_assert_cmpint (g_chmod (f->root, 0644), ==, 0);
    }
  /* ... and nobody writes to it after a merge that failed. */
  g_assert_null (disk_open (f->root, 0, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_BUSY);
  g_clear_error (&error);
  load_wait (load, 50);
  load_stop (load);
  load_check (load, disk);
  disk_unref (disk);
  check_all (f, load);
  load_free (load);
}

typedef struct
{
  Fixture *f;
  Disk *disk;
  GError *error;
  int begun, ended; /* atomic */
} Merging;

static void
on_progress (uint64_t done, uint64_t total, void *opaque)
{
  g_assert_cmpuint (done, <=, total);
  g_atomic_int_set (&((Merging *) opaque)->begun, TRUE);
}

static gpointer
merge_first (gpointer data)
{
  Merging *m = data;
  const DiskTask task = { .progress = on_progress, .opaque = m };
  const DiskMerge options = { .task = &task };

  disk_merge_layer (m->disk, 0, &options, &m->error);
  g_atomic_int_set (&m->ended, TRUE);
  return NULL;
}

/* A snapshot is taken while the layer that was the top is being merged. */
static void
test_push_while_merging (Fixture *f, gconstpointer kind)
{
  Load *load = load_new (f->size);
  Merging m = { .f = f, .disk = open_top (f, 0) };
  g_autofree char *merged = NULL;
  g_autoptr (GError) error = NULL;
  GThread *thread;

  load_start (load, m.disk);
  load_wait (load, 300);
  push (f, m.disk);
  load_wait (load, 300);
  merged = g_strdup (f->files->pdata[0]);
  thread = g_thread_new ("merge", merge_first, &m);
  while (!g_atomic_int_get (&m.begun) && !g_atomic_int_get (&m.ended))
    g_thread_yield ();
  push (f, m.disk);
  disk_settle (m.disk, &error);
  g_assert_no_error (error);
  g_thread_join (thread);
  g_assert_no_error (m.error);
  for (unsigned i = 0; i + 1 < f->files->len; i++)
    if (g_str_equal (f->files->pdata[i], merged))
      g_free (g_ptr_array_steal_index (f->files, i));
  load_wait (load, 50);
  load_stop (load);
  load_check (load, m.disk);
  for (unsigned i = 0; i + 1 < f->files->len; i++)
    g_assert_cmpstr (disk_layer_path (m.disk, i), ==, f->files->pdata[i]);
  disk_unref (m.disk);
  check_all (f, load);
  load_free (load);
}

/* What was written after a flush is in the files, however far the disk has come with closing them. */
static void
test_killed (Fixture *f, gconstpointer kind)
{
  Disk *disk = open_top (f, 0), *copy;
  Load *load = load_new (f->size);
  g_autoptr (GError) error = NULL;
  g_autofree char *folder = g_dir_make_tmp ("bunshin-killed-XXXXXX", NULL);
  g_autoptr (GPtrArray) files = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GDir) dir = g_dir_open (f->folder, 0, NULL);
  DiskOpenOptions options = { 0 };
  const char *name;

  load_start (load, disk);
  load_wait (load, 200);
  push (f, disk);
  load_wait (load, 100);
  load_stop (load);
  disk_flush (disk, &error);
  g_assert_no_error (error);
  g_dir_rewind (dir);
  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autoptr (GFile) from = g_file_new_build_filename (f->folder, name, NULL),
                        to = g_file_new_build_filename (folder, name, NULL);

      g_assert_true (g_file_copy (from, to, G_FILE_COPY_NONE, NULL, NULL, NULL, &error));
    }
  for (unsigned i = 0; i + 1 < f->files->len; i++)
    {
      g_autofree char *base = g_path_get_basename (f->files->pdata[i]);

      g_ptr_array_add (files, g_build_filename (folder, base, NULL));
    }
  g_ptr_array_add (files, NULL);
  options.chain = (const char *const *) files->pdata + 1;
  copy = disk_open_with (files->pdata[0], &options, &error);
  g_assert_no_error (error);
  load_check (load, copy);
  disk_unref (copy);
  image_remove_folder (folder);
  disk_unref (disk);
  load_free (load);
}

/* A layer that is larger than its base: behind that there are zeros, and a merge makes the base larger if it can be. */
static void
test_larger (Fixture *f, gconstpointer kind)
{
  const uint64_t larger = 2 * f->size;
  Disk *disk = open_top (f, 0);
  Load *load = load_new (larger);
  g_autoptr (GError) error = NULL;

  g_ptr_array_insert (f->files, 0, make_layer (f, disk, larger));
  disk_unref (disk);
  disk = open_top (f, 0);
  load_start (load, disk);
  load_wait (load, 300);
  if (!merge (f, disk, 0, &error))
    {
      g_print ("# %s: %s\n", (char *) kind, error->message);
      g_assert_error (error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED);
      g_assert_nonnull (strstr (error->message, f->root));
    }
  load_wait (load, 100);
  load_stop (load);
  load_check (load, disk);
  disk_unref (disk);
  check_all (f, load);
  load_free (load);
}

/* Writing beyond a file's greatest length fails, as on a full disk. */
static void
test_full (Fixture *f, gconstpointer kind)
{
  struct rlimit old, limit;
  Disk *disk = open_top (f, 0);
  Load *load = load_new (f->size);
  g_autofree char *root = g_build_filename (f->folder, "root", NULL);
  g_autoptr (GError) error = NULL;

  load_write (load, disk, 0, SIZE / 4);
  push (f, disk);
  load_write (load, disk, SIZE / 2, SIZE / 4);
  signal (SIGXFSZ, SIG_IGN);
  getrlimit (RLIMIT_FSIZE, &old);
  limit = old;
  limit.rlim_cur = SIZE / 2 - 65536;
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &limit), ==, 0);
  g_assert_false (merge (f, disk, 0, &error));
  if (strstr (error->message, root) == NULL)
    g_error ("%s", error->message);
  g_clear_error (&error);
  load_check (load, disk);
  load_write (load, disk, SIZE / 8, SIZE / 8);
  disk_flush (disk, &error);
  g_assert_no_error (error);
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &old), ==, 0);
  load_check (load, disk);
  disk_unref (disk);
  check_all (f, load);
  disk = open_top (f, 0);
  must_merge (f, disk, 0);
  disk_unref (disk);
  check_all (f, load);
  load_free (load);
}

static void
on_stall (Disk *disk, const GError *error, void *opaque)
{
  *(gboolean *) opaque = TRUE;
}

static void
on_written (DiskRequest *request)
{
  g_assert_no_error (request->error);
  *(gboolean *) request->opaque = TRUE;
}

/* A guest whose layer is full waits; when that has been merged it goes on in the image below, and another layer may
 * come first. */
static void
test_stalled (Fixture *f, gconstpointer kind)
{
  struct rlimit old, limit;
  Disk *disk = open_top (f, 0);
  g_autoptr (GMainContext) context = g_main_context_new ();
  g_autofree uint8_t *data = g_malloc (SIZE / 4), *back = g_malloc (SIZE / 4);
  gboolean stalled = FALSE, written = FALSE;
  DiskRequest request
      = { .op = DISK_WRITE, .buffer = data, .length = SIZE / 4, .done = on_written, .opaque = &written };
  g_autoptr (GError) error = NULL;

  memset (data, 1, SIZE / 4);
  push (f, disk);
  disk_set_context (disk, context);
  disk_set_stall_handler (disk, on_stall, &stalled);
  signal (SIGXFSZ, SIG_IGN);
  getrlimit (RLIMIT_FSIZE, &old);
  limit = old;
  limit.rlim_cur = SIZE / 4;
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &limit), ==, 0);
  disk_submit (disk, &request);
  while (!stalled)
    g_main_context_iteration (context, TRUE);
  g_assert_false (written);
  must_merge (f, disk, 0);
  g_assert_cmpuint (disk_layer_count (disk), ==, 1);
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &old), ==, 0);
  push (f, disk);
  must_merge (f, disk, 0);
  g_assert_false (written);
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &limit), ==, 0);
  disk_retry (disk);
  while (!written)
    g_main_context_iteration (context, TRUE);
  disk_read (disk, 0, back, SIZE / 4, &error);
  g_assert_no_error (error);
  g_assert_cmpmem (back, SIZE / 4, data, SIZE / 4);
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &old), ==, 0);
  disk_unref (disk);
}

/* The guest writes the header of an image onto its raw disk: that is data, with a layer over it, too. */
static void
test_posing (Fixture *f, gconstpointer kind)
{
  g_autofree char *other = g_strconcat (f->folder, "/other.qcow2", NULL), *header = NULL;
  const DiskCreateOptions options = { .format = "qcow2", .size = SIZE };
  g_autofree uint8_t *back = g_malloc (65536);
  g_autoptr (GError) error = NULL;
  Disk *disk;

  disk_create (other, &options, &error);
  g_assert_no_error (error);
  g_assert_true (g_file_get_contents (other, &header, NULL, NULL));
  disk = open_top (f, 0);
  push (f, disk);
  push (f, disk);
  disk_write (disk, 0, header, 65536, &error);
  g_assert_no_error (error);
  must_merge (f, disk, 1);
  must_merge (f, disk, 0);
  push (f, disk);
  disk_unref (disk);
  disk = open_top (f, 0);
  g_assert_cmpuint (disk_layer_count (disk), ==, 2);
  g_assert_cmpuint (disk_size (disk), ==, f->size);
  disk_read (disk, 0, back, 65536, &error);
  g_assert_no_error (error);
  g_assert_cmpmem (back, 65536, header, 65536);
  disk_unref (disk);
}

static void
expect_usage (Disk *disk, unsigned depth, uint64_t held, uint64_t shared)
{
  uint64_t found_held, found_shared;
  g_autoptr (GError) error = NULL;

  disk_layer_usage (disk, depth, &found_held, &found_shared, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (found_held, ==, held);
  g_assert_cmpuint (found_shared, ==, shared);
}

static void
test_usage (Fixture *f, gconstpointer kind)
{
  enum
  {
    MIB = 1 << 20
  };
  Disk *disk = open_top (f, 0);
  Load *load = load_new (f->size);
  g_autoptr (GError) error = NULL;
  uint64_t held, shared;

  load_write (load, disk, 0, 2 * MIB);
  push (f, disk);
  load_write (load, disk, MIB, 2 * MIB);
  push (f, disk);
  expect_usage (disk, 0, 0, 0);
  load_write (load, disk, 5 * MIB, MIB);
  disk_zero (disk, 2 * MIB, MIB, &error);
  g_assert_no_error (error);
  /* Zeros take no room, and a merge gives back what they hide. */
  expect_usage (disk, 0, MIB, MIB);
  expect_usage (disk, 1, 2 * MIB, MIB);
  expect_usage (disk, 2, 2 * MIB, 0);
  g_assert_false (disk_layer_usage (disk, 3, &held, &shared, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT);
  load_free (load);
  disk_unref (disk);
}

/* Who else may open which file, and when. */
static void
test_locks (Fixture *f, gconstpointer kind)
{
  Disk *disk = open_top (f, 0);
  g_autoptr (GError) error = NULL;

  push (f, disk);
  g_assert_null (disk_open (f->root, DISK_OPEN_READ_ONLY, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_BUSY);
  g_clear_error (&error);
  disk_settle (disk, &error);
  g_assert_no_error (error);
  disk_unref (disk_open (f->root, DISK_OPEN_READ_ONLY, &error));
  g_assert_no_error (error);
  g_assert_null (disk_open (f->root, 0, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_BUSY);
  g_clear_error (&error);
  g_assert_false (disk_set_base (f->files->pdata[0], f->root, "raw", &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_BUSY);
  g_clear_error (&error);
  must_merge (f, disk, 0);
  g_assert_null (disk_open (f->root, DISK_OPEN_READ_ONLY, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_BUSY);
  g_assert_false (disk_is_read_only (disk));
  disk_unref (disk);
}

/* Of a chain, too, changes may be forgotten; nothing is laid over those, and nothing merged below. */
static void
test_discarded (Fixture *f, gconstpointer kind)
{
  Disk *disk = open_top (f, 0);
  Load *load = load_new (f->size);
  g_autofree char *path = make_layer (f, disk, f->size);
  const DiskMerge options = { 0 };
  uint8_t sector[512] = { 1 };
  g_autoptr (GError) error = NULL;

  load_write (load, disk, 0, SIZE / 8);
  push (f, disk);
  load_write (load, disk, SIZE / 16, SIZE / 8);
  disk_unref (disk);
  for (DiskOpenFlags flags = DISK_OPEN_READ_ONLY; flags <= DISK_OPEN_DISCARD_CHANGES; flags++)
    {
      disk = open_top (f, flags);
      load_check (load, disk);
      g_assert_null (disk_layer_prepare (disk, path, &error));
      g_assert_error (error, G_IO_ERROR, G_IO_ERROR_READ_ONLY);
      g_clear_error (&error);
      g_assert_false (disk_merge_layer (disk, 0, &options, &error));
      g_assert_error (error, G_IO_ERROR, G_IO_ERROR_READ_ONLY);
      g_clear_error (&error);
      if (flags == DISK_OPEN_DISCARD_CHANGES)
        disk_write (disk, 0, sector, sizeof sector, &error);
      g_assert_no_error (error);
      disk_unref (disk);
    }
  check_all (f, load);
  load_free (load);
}

/* Layers of other formats know their base by its state, and stay. */
static void
test_foreign (Fixture *f, gconstpointer kind)
{
  Disk *disk = open_top (f, 0);
  const DiskMerge options = { 0 };
  g_autoptr (GError) error = NULL;

  push (f, disk);
  g_assert_false (disk_merge_layer (disk, 1, &options, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED);
  g_assert_nonnull (strstr (error->message, f->root));
  must_merge (f, disk, 0);
  disk_unref (disk);
  disk_unref (image_must_open (f->root));
}

/* What cannot be laid on top is not. */
static void
test_unfit (Fixture *f, gconstpointer kind)
{
  Disk *disk = open_top (f, 0);
  g_autofree char *larger = make_layer (f, disk, 2 * f->size), *used = make_layer (f, disk, f->size);
  g_autofree char *alone = g_strconcat (f->folder, "/alone.qcow2", NULL);
  const DiskCreateOptions options = { .format = "qcow2", .size = f->size },
                          unknown = { .format = "qcow2", .size = f->size, .base = f->root, .base_format = "no such" };
  const char *const unfit[] = { larger, used, alone, f->root };
  static const char *const words[] = { "16777216", "not empty", "not based", "in use" };
  g_autoptr (GError) error = NULL;

  disk_unref (disk);
  disk = image_must_open (used);
  image_write_sector (disk, 4096, 1);
  disk_unref (disk);
  disk = open_top (f, 0);
  disk_create (alone, &options, &error);
  g_assert_no_error (error);
  for (unsigned i = 0; i < G_N_ELEMENTS (unfit); i++)
    {
      g_assert_null (disk_layer_prepare (disk, unfit[i], &error));
      if (strstr (error->message, words[i]) == NULL || strstr (error->message, unfit[i]) == NULL)
        g_error ("%s", error->message);
      g_clear_error (&error);
    }
  g_assert_false (disk_create (used, &unknown, &error));
  g_assert_nonnull (strstr (error->message, "no such"));
  g_assert_cmpuint (disk_layer_count (disk), ==, 1);
  disk_unref (disk);
}

int
main (int argc, char **argv)
{
  static const char *const kinds[]
      = { "raw",  "raw:fixed", "vdi",   "vdi:fixed",       "vmdk", "vmdk:twoGbMaxExtentSparse", "vhd",
          "vhdx", "hdd",       "qcow2", "qcow2::over-base" };

  g_test_init (&argc, &argv, NULL);
  for (unsigned i = 0; i < G_N_ELEMENTS (kinds); i++)
    {
      static const struct
      {
        const char *name;
        void (*run) (Fixture *f, gconstpointer kind);
      } tests[] = {
        { "push", test_push },       { "merge", test_merge },
        { "refused", test_refused }, { "push-while-merging", test_push_while_merging },
        { "killed", test_killed },   { "larger", test_larger },
      };

      for (unsigned j = 0; j < G_N_ELEMENTS (tests); j++)
        {
          g_autofree char *path = g_strdup_printf ("/layers/%s/%s", tests[j].name, kinds[i]);

          g_test_add (path, Fixture, kinds[i], setup, tests[j].run, teardown);
        }
      /* What has all its room cannot want more. */
      if (strstr (kinds[i], "fixed") == NULL)
        {
          g_autofree char *path = g_strdup_printf ("/layers/full/%s", kinds[i]);

          g_test_add (path, Fixture, kinds[i], setup, test_full, teardown);
        }
    }
  g_test_add ("/layers/stalled", Fixture, "raw:fixed", setup, test_stalled, teardown);
  g_test_add ("/layers/posing", Fixture, "raw", setup, test_posing, teardown);
  g_test_add ("/layers/usage", Fixture, "vdi", setup, test_usage, teardown);
  g_test_add ("/layers/locks", Fixture, "vmdk:twoGbMaxExtentSparse", setup, test_locks, teardown);
  g_test_add ("/layers/discarded", Fixture, "vdi", setup, test_discarded, teardown);
  g_test_add ("/layers/foreign", Fixture, "vdi::over-base", setup, test_foreign, teardown);
  g_test_add ("/layers/unfit", Fixture, "vhdx", setup, test_unfit, teardown);
  return g_test_run ();
}
