/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Disk images: creating, reading back, locking, throw-away changes, damage, and the asynchronous interface. */

#include "storage/disk/format.h"

#include <fcntl.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum
{
  GROW_ROUNDS = 10000
};

typedef struct
{
  char *folder, *path;
} Fixture;

static void
setup (Fixture *f, gconstpointer name)
{
  f->folder = g_dir_make_tmp ("bunshin-disk-XXXXXX", NULL);
  f->path = g_build_filename (f->folder, name, NULL);
}

static void
teardown (Fixture *f, gconstpointer name)
{
  g_unlink (f->path);
  g_assert_cmpint (g_rmdir (f->folder), ==, 0); /* nothing else was left behind */
  g_free (f->path);
  g_free (f->folder);
}

static Disk *
open_or_fail (const char *path, DiskOpenFlags flags)
{
  g_autoptr (GError) error = NULL;
  Disk *disk = disk_open (path, flags, &error);

  g_assert_no_error (error);
  return disk;
}

static gboolean
make (const char *path, const char *format, const char *variant, uint64_t size, GError **error)
{
  const DiskCreateOptions options = { .format = format, .variant = variant, .size = size };

  return disk_create (path, &options, error);
}

/* Random writes against a copy in memory; reopened in between. */
static void
test_round_trip (Fixture *f, gconstpointer name)
{
  enum
  {
    SIZE = 7 * 1024 * 1024 + 512
  };
  g_autoptr (GError) error = NULL;
  g_autofree uint8_t *copy = g_malloc0 (SIZE), *read_back = g_malloc (SIZE);
  const char *variant = strstr (name, "fixed") != NULL ? "fixed" : "dynamic";

  g_assert_true (make (f->path, NULL, variant, SIZE - 100, &error));
  g_assert_no_error (error);
  for (int round = 0; round < 4; round++)
    {
      Disk *disk = open_or_fail (f->path, 0);

      g_assert_cmpuint (disk_size (disk), ==, SIZE);
      g_assert_cmpstr (disk_format_name (disk), ==,
                       strstr (name, ".vdi") != NULL     ? "vdi"
                       : strstr (name, ".qcow2") != NULL ? "qcow2"
                                                         : "raw");
      for (int i = 0; i < 40; i++)
        {
          size_t length = 512 * (size_t) g_test_rand_int_range (1, 300);
          uint64_t offset = 512 * (uint64_t) g_test_rand_int_range (0, (gint32) ((SIZE - length) / 512));

          memset (copy + offset, i % 5 == 0 ? 0 : g_test_rand_int_range (0, 256), length);
          g_assert_true (disk_write (disk, offset, copy + offset, length, &error));
        }
      if (round % 2 == 0)
        g_assert_true (disk_flush (disk, &error));
      g_assert_true (disk_read (disk, 0, read_back, SIZE, &error));
      g_assert_true (memcmp (copy, read_back, SIZE) == 0);
      g_assert_false (disk_read (disk, SIZE - 512, read_back, 1024, &error));
      g_assert_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT);
      g_clear_error (&error);
      disk_unref (disk);
    }
  {
    g_autoptr (Disk) disk = open_or_fail (f->path, DISK_OPEN_READ_ONLY);

    g_assert_true (disk_read (disk, 0, read_back, SIZE, &error));
    g_assert_true (memcmp (copy, read_back, SIZE) == 0);
    g_assert_false (disk_write (disk, 0, copy, 512, &error));
    g_assert_error (error, G_IO_ERROR, G_IO_ERROR_READ_ONLY);
  }
}

static void
test_dynamic_is_small (Fixture *f, gconstpointer name)
{
  struct stat stat_buffer;
  uint8_t sector[512] = { 1 };

  g_assert_true (make (f->path, NULL, "dynamic", (uint64_t) 1 << 40, NULL));
  g_assert_cmpint (stat (f->path, &stat_buffer), ==, 0);
  g_assert_cmpint (stat_buffer.st_blocks * 512, <, 8 << 20);
  {
    g_autoptr (Disk) disk = open_or_fail (f->path, 0);

    g_assert_true (disk_write (disk, ((uint64_t) 1 << 40) - 512, sector, 512, NULL));
  }
  g_assert_cmpint (stat (f->path, &stat_buffer), ==, 0);
  g_assert_cmpint (stat_buffer.st_blocks * 512, <, 9 << 20);
}

static void
test_never_overwrites (Fixture *f, gconstpointer name)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *contents = NULL;

  g_assert_true (g_file_set_contents (f->path, "mine", 4, NULL));
  g_assert_false (make (f->path, NULL, "dynamic", 1 << 20, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_EXISTS);
  g_assert_nonnull (strstr (error->message, f->path));
  g_assert_true (g_file_get_contents (f->path, &contents, NULL, NULL));
  g_assert_cmpstr (contents, ==, "mine");
  g_clear_error (&error);
  g_assert_false (make ("/nowhere/x.vdi", NULL, "dynamic", 1 << 20, &error));
  g_assert_nonnull (strstr (error->message, "/nowhere/x.vdi"));
  g_clear_error (&error);
  g_assert_false (make ("x.foo", "foo", "dynamic", 1 << 20, &error));
  g_assert_nonnull (strstr (error->message, "foo"));
}

static void
test_locks (Fixture *f, gconstpointer name)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (make (f->path, NULL, "dynamic", 1 << 20, NULL));
  {
    g_autoptr (Disk) writer = open_or_fail (f->path, 0);

    g_assert_null (disk_open (f->path, 0, &error));
    g_assert_error (error, G_IO_ERROR, G_IO_ERROR_BUSY);
    g_assert_nonnull (strstr (error->message, "in use"));
    g_clear_error (&error);
    g_assert_null (disk_open (f->path, DISK_OPEN_READ_ONLY, &error));
    g_clear_error (&error);
  }
  {
    g_autoptr (Disk) one = open_or_fail (f->path, DISK_OPEN_READ_ONLY);
    g_autoptr (Disk) two = open_or_fail (f->path, DISK_OPEN_DISCARD_CHANGES);

    g_assert_null (disk_open (f->path, 0, &error));
    g_assert_nonnull (error);
  }
}

static void
test_discard_changes (Fixture *f, gconstpointer name)
{
  g_autofree uint8_t *before = g_malloc (200000), *data = g_malloc (200000);

  memset (before, 0x11, 200000);
  g_assert_true (make (f->path, NULL, "dynamic", 1 << 20, NULL));
  {
    g_autoptr (Disk) disk = open_or_fail (f->path, 0);

    g_assert_true (disk_write (disk, 0, before, 199680, NULL));
  }
  {
    g_autoptr (Disk) disk = open_or_fail (f->path, DISK_OPEN_DISCARD_CHANGES);
    uint8_t sector[512];

    memset (sector, 0x22, sizeof sector);
    g_assert_false (disk_is_read_only (disk));
    g_assert_true (disk_write (disk, 70000 / 512 * 512, sector, 512, NULL));
    g_assert_true (disk_read (disk, 0, data, 199680, NULL));
    memcpy (before + 70000 / 512 * 512, sector, 512);
    g_assert_true (memcmp (data, before, 199680) == 0);
  }
  {
    g_autoptr (Disk) disk = open_or_fail (f->path, DISK_OPEN_READ_ONLY);

    g_assert_true (disk_read (disk, 69632, data, 512, NULL));
    g_assert_cmphex (data[0], ==, 0x11);
  }
}

/* Each byte of a VDI's header in turn takes some wrong values: an error or a disk, never a crash. */
static void
test_damaged (Fixture *f, gconstpointer name)
{
  g_autofree char *contents = NULL;
  gsize length;
  unsigned refused = 0;

  g_assert_true (make (f->path, NULL, "dynamic", 3 << 20, NULL));
  g_assert_true (g_file_get_contents (f->path, &contents, &length, NULL));
  for (gsize i = 0x40; i < 0x1c8; i++)
    {
      static const uint8_t values[] = { 0x00, 0x01, 0x7f, 0x80, 0xff };

      for (unsigned v = 0; v < sizeof values; v++)
        {
          g_autoptr (GError) error = NULL;
          char saved = contents[i];
          int fd = open (f->path, O_WRONLY);
          Disk *disk;
          uint8_t sector[512];

          contents[i] = (char) values[v];
          g_assert_cmpint (pwrite (fd, contents, 0x200, 0), ==, 0x200);
          close (fd);
          contents[i] = saved;
          disk = disk_open (f->path, DISK_OPEN_READ_ONLY, &error);
          if (disk == NULL)
            {
              g_assert_nonnull (strstr (error->message, f->path));
              refused++;
              continue;
            }
          disk_read (disk, 0, sector, sizeof sector, NULL);
          disk_unref (disk);
        }
    }
  g_assert_cmpuint (refused, >, 100);
}

static void
done (DiskRequest *request)
{
  ++*(unsigned *) request->opaque;
  g_assert_no_error (request->error);
}

static void
test_asynchronous (Fixture *f, gconstpointer name)
{
  enum
  {
    COUNT = 64
  };
  GMainContext *context = g_main_context_new ();
  DiskRequest requests[COUNT];
  uint8_t buffers[COUNT][512];
  unsigned completed = 0;
  Disk *disk;

  g_assert_true (make (f->path, NULL, "dynamic", 4 << 20, NULL));
  disk = open_or_fail (f->path, 0);
  disk_set_context (disk, context);
  for (unsigned pass = 0; pass < 2; pass++)
    {
      for (unsigned i = 0; i < COUNT; i++)
        {
          if (pass == 0)
            memset (buffers[i], (int) i, 512);
          else
            memset (buffers[i], 0xee, 512);
          requests[i] = (DiskRequest) { .op = pass == 0 ? DISK_WRITE : DISK_READ,
                                        .offset = i * 65536ull,
                                        .buffer = buffers[i],
                                        .length = 512,
                                        .done = done,
                                        .opaque = &completed };
          disk_submit (disk, &requests[i]);
        }
      while (completed < (pass + 1) * COUNT)
        g_main_context_iteration (context, TRUE);
    }
  for (unsigned i = 0; i < COUNT; i++)
    g_assert_cmphex (buffers[i][511], ==, i);
  disk_unref (disk);
  g_main_context_unref (context);
}

/* What is done but not told yet is told on the new context. */
static void
test_another_context (Fixture *f, gconstpointer name)
{
  GMainContext *first = g_main_context_new (), *second = g_main_context_new ();
  unsigned completed = 0;
  DiskRequest request = { .op = DISK_FLUSH, .done = done, .opaque = &completed };
  Disk *disk;

  g_assert_true (make (f->path, NULL, "dynamic", 4 << 20, NULL));
  disk = open_or_fail (f->path, 0);
  disk_set_context (disk, first);
  disk_submit (disk, &request);
  disk_drain (disk);
  disk_set_context (disk, second);
  while (g_main_context_iteration (second, FALSE))
    ;
  g_assert_cmpuint (completed, ==, 1);
  disk_unref (disk);
  g_main_context_unref (first);
  g_main_context_unref (second);
}

static void
on_stall (Disk *disk, const GError *error, void *opaque)
{
  *(gboolean *) opaque = TRUE;
}

/* Requests that are withdrawn are told of no more, and may go away: one that is done, one that has stalled, one behind it.
 * What came after these goes on. */
static void
test_withdraw (Fixture *f, gconstpointer name)
{
  enum
  {
    DONE,
    STALLED,
    BEHIND,
    LAST,
    REQUESTS
  };
  GMainContext *context = g_main_context_new ();
  uint8_t data[512] = { 1 }, back[512];
  struct rlimit old, limit;
  gboolean stalled = FALSE;
  unsigned completed = 0;
  DiskRequest *requests[REQUESTS];
  Disk *disk;

  g_assert_true (make (f->path, NULL, "dynamic", 4 << 20, NULL));
  disk = open_or_fail (f->path, 0);
  disk_set_stall_handler (disk, on_stall, &stalled);
  for (unsigned i = 0; i < REQUESTS; i++)
    {
      requests[i] = g_new0 (DiskRequest, 1);
      *requests[i] = (DiskRequest) { .op = i == DONE ? DISK_READ : DISK_WRITE,
                                     .offset = i == LAST ? 0 : 2 << 20,
                                     .buffer = i == DONE ? back : data,
                                     .length = sizeof data,
                                     .done = done,
                                     .opaque = &completed };
    }
  disk_set_context (disk, context);
  disk_submit (disk, requests[DONE]);
  disk_drain (disk);
  disk_withdraw (disk, requests[DONE]);
  signal (SIGXFSZ, SIG_IGN);
  getrlimit (RLIMIT_FSIZE, &old);
  limit = old;
  limit.rlim_cur = 1 << 20;
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &limit), ==, 0);
  for (unsigned i = STALLED; i < REQUESTS; i++)
    disk_submit (disk, requests[i]);
  while (!stalled)
    g_main_context_iteration (context, TRUE);
  g_assert_cmpuint (completed, <=, 1);
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &old), ==, 0);
  for (unsigned i = 0; i < LAST; i++)
    {
      disk_withdraw (disk, requests[i]);
      g_free (requests[i]);
    }
  disk_retry (disk);
  while (completed == 0)
    g_main_context_iteration (context, TRUE);
  disk_drain (disk);
  while (g_main_context_iteration (context, FALSE))
    ;
  g_assert_cmpuint (completed, ==, 1);
  g_assert_true (disk_read (disk, 0, back, sizeof back, NULL));
  g_assert_cmpmem (back, sizeof back, data, sizeof data);
  g_assert_true (disk_read (disk, 2 << 20, back, sizeof back, NULL));
  g_assert_true (image_is_zero (back, sizeof back));
  g_free (requests[LAST]);
  disk_unref (disk);
  g_main_context_unref (context);
}

/* What goes into a CD drive: whole sectors, and a file system that the file holds to its end. */
static void
test_discs (Fixture *f, gconstpointer name)
{
  enum
  {
    SECTOR = 2048,
    DESCRIPTOR = 16 * SECTOR,
    SIZE = 400 * SECTOR
  };
  static const struct
  {
    size_t length;
    uint32_t blocks;
    uint16_t block_size;
    uint8_t type;
    gboolean fits;
  } cases[] = { { SIZE, 400, SECTOR, 1, TRUE },
                { SIZE - 100 * SECTOR, 400, SECTOR, 1, TRUE },
                { SIZE, 1600, 512, 1, TRUE },
                { SIZE - 151 * SECTOR, 400, SECTOR, 1, FALSE },
                { SIZE, 0xffffffff, 0xffff, 1, FALSE },
                { SIZE, 0xffffffff, 0xffff, 0, TRUE },
                { DESCRIPTOR + SECTOR, 0, SECTOR, 1, TRUE },
                { DESCRIPTOR + SECTOR - 1, 0, SECTOR, 1, FALSE } };
  g_autofree uint8_t *image = g_malloc0 (SIZE);

  for (unsigned i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (Disk) disk = NULL;
      uint8_t *descriptor = image + DESCRIPTOR;

      descriptor[0] = cases[i].type;
      memcpy (descriptor + 1, "CD001\1", 6);
      for (unsigned byte = 0; byte < 4; byte++)
        descriptor[80 + byte] = (uint8_t) (cases[i].blocks >> (8 * byte));
      descriptor[128] = (uint8_t) cases[i].block_size;
      descriptor[129] = (uint8_t) (cases[i].block_size >> 8);
      g_assert_true (g_file_set_contents (f->path, (const char *) image, (gssize) cases[i].length, NULL));
      disk = disk_open (f->path, DISK_OPEN_READ_ONLY | DISK_OPEN_DISC, &error);
      g_assert_true ((disk != NULL) == cases[i].fits);
      if (disk == NULL)
        {
          g_assert_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA);
          g_assert_nonnull (strstr (error->message, f->path));
        }
    }
  /* Without a file system it may be anything, of whole sectors. */
  memset (image, 0x55, SIZE);
  for (size_t length = SECTOR - 1; length <= SECTOR + 1; length++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (Disk) disk = NULL;

      g_assert_true (g_file_set_contents (f->path, (const char *) image, (gssize) length, NULL));
      disk = disk_open (f->path, DISK_OPEN_READ_ONLY | DISK_OPEN_DISC, &error);
      g_assert_true ((disk != NULL) == (length == SECTOR));
    }
}

/* Nobody may ever write into a pipe. */
static void
test_no_file (Fixture *f, gconstpointer name)
{
  for (unsigned i = 0; i < 2; i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_cmpint (i == 0 ? mkfifo (f->path, 0600) : g_mkdir (f->path, 0700), ==, 0);
      g_assert_null (disk_open (f->path, i == 0 ? DISK_OPEN_READ_ONLY : 0, &error));
      g_assert_nonnull (strstr (error->message, f->path));
      g_assert_cmpint (g_remove (f->path), ==, 0);
    }
}

/* Past the host's cache, what is aligned and what is not go together. */
static void
test_no_cache (Fixture *f, gconstpointer name)
{
  enum
  {
    SIZE = 6 * 1024 * 1024 + 512,
    PAGE = 4096
  };
  g_autoptr (GError) error = NULL;
  g_autofree uint8_t *copy = g_malloc0 (SIZE), *back = g_malloc (SIZE);
  uint8_t *aligned = g_aligned_alloc (65, PAGE, PAGE);

  g_assert_true (make (f->path, NULL, "dynamic", SIZE, &error));
  for (int round = 0; round < 2; round++)
    {
      Disk *disk = open_or_fail (f->path, DISK_OPEN_NO_CACHE);

      for (int i = 0; i < 200; i++)
        {
          gboolean whole = i % 2 == 0;
          size_t length
              = whole ? PAGE * (size_t) g_test_rand_int_range (1, 64) : 512 * (size_t) g_test_rand_int_range (1, 100);
          uint64_t offset = 512 * (uint64_t) g_test_rand_int_range (0, (gint32) ((SIZE - length) / 512));
          uint8_t *data = aligned + (i % 4 == 2 ? 16 : 0);

          if (whole)
            offset &= ~(uint64_t) (PAGE - 1);
          memset (data, 1 + i, length);
          g_assert_true (disk_write (disk, offset, data, length, &error));
          memcpy (copy + offset, data, length);
          memset (data, 0, length);
          g_assert_true (disk_read (disk, offset, data, length, &error));
          g_assert_cmpmem (data, length, copy + offset, length);
        }
      g_assert_true (disk_read (disk, 0, back, SIZE, &error));
      g_assert_true (memcmp (back, copy, SIZE) == 0);
      disk_unref (disk);
    }
  g_aligned_free (aligned);
  {
    g_autoptr (Disk) disk = open_or_fail (f->path, DISK_OPEN_READ_ONLY);

    g_assert_true (disk_read (disk, 0, back, SIZE, &error));
    g_assert_true (memcmp (back, copy, SIZE) == 0);
  }
}

typedef struct
{
  ImageFile *file;
  int asked, written; /* sectors behind the zeros */
} Grower;

static gpointer
write_behind (gpointer data)
{
  Grower *g = data;
  g_autoptr (GError) error = NULL;

  for (int i = 0; i < GROW_ROUNDS; i++)
    {
      while (g_atomic_int_get (&g->asked) <= i)
        g_thread_yield ();
      image_file_write (g->file, (uint64_t) (2 * i + 1) * SECTOR_SIZE, "behind", 7, &error);
      g_assert_no_error (error);
      g_atomic_int_inc (&g->written);
    }
  return NULL;
}

/* A file that is made longer for zeros keeps what is written behind them at the same time. */
static void
test_grow (Fixture *f, gconstpointer name)
{
  g_autoptr (GError) error = NULL;
  Grower g = { .file = image_file_create (f->path, &error) };
  GThread *thread;
  char found[7];

  g_assert_no_error (error);
  thread = g_thread_new ("behind", write_behind, &g);
  for (int i = 0; i < GROW_ROUNDS; i++)
    {
      g_atomic_int_inc (&g.asked);
      image_file_zero (g.file, (uint64_t) (2 * i) * SECTOR_SIZE, SECTOR_SIZE, &error);
      g_assert_no_error (error);
      while (g_atomic_int_get (&g.written) <= i)
        g_thread_yield ();
      image_file_read (g.file, (uint64_t) (2 * i + 1) * SECTOR_SIZE, found, sizeof found, &error);
      g_assert_no_error (error);
      g_assert_cmpstr (found, ==, "behind");
    }
  g_thread_join (thread);
  image_file_close (g.file);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(path, name, function) g_test_add (path, Fixture, name, setup, function, teardown)
  ADD ("/disk/round-trip/vdi", "a.vdi", test_round_trip);
  ADD ("/disk/round-trip/vdi-fixed", "fixed.vdi", test_round_trip);
  ADD ("/disk/round-trip/qcow2", "a.qcow2", test_round_trip);
  ADD ("/disk/round-trip/qcow2-fixed", "fixed.qcow2", test_round_trip);
  ADD ("/disk/round-trip/raw", "a.raw", test_round_trip);
  ADD ("/disk/round-trip/raw-fixed", "fixed.img", test_round_trip);
  ADD ("/disk/dynamic-is-small/vdi", "a.vdi", test_dynamic_is_small);
  ADD ("/disk/dynamic-is-small/qcow2", "a.qcow2", test_dynamic_is_small);
  ADD ("/disk/no-cache/raw", "a.raw", test_no_cache);
  ADD ("/disk/no-cache/vdi", "a.vdi", test_no_cache);
  ADD ("/disk/no-cache/qcow2", "a.qcow2", test_no_cache);
  ADD ("/disk/never-overwrites", "a.vdi", test_never_overwrites);
  ADD ("/disk/locks", "a.vdi", test_locks);
  ADD ("/disk/discard-changes", "a.vdi", test_discard_changes);
  ADD ("/disk/damaged", "a.vdi", test_damaged);
  ADD ("/disk/discs", "a.iso", test_discs);
  ADD ("/disk/no-file", "a.vdi", test_no_file);
  ADD ("/disk/asynchronous", "a.vdi", test_asynchronous);
  ADD ("/disk/another-context", "a.vdi", test_another_context);
  ADD ("/disk/withdraw", "a.raw", test_withdraw);
  ADD ("/disk/grow", "a.bin", test_grow);
  return g_test_run ();
}
