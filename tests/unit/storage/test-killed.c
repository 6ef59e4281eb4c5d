/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * kill -9. A process makes, converts, resizes, compacts or repairs an image, or
 * writes into one as a machine does, and is killed before (or within) one of the system calls
 * by which it changes something. Whichever that was: nothing that was flushed is lost, no half
 * file has the destination's name, and the next start says what it found and finishes or undoes it.
 *
 *   test-killed FORMAT[:VARIANT] [KILLS]
 */

#include "tests/unit/storage/fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum
{
  SECTOR = 512,
  SECTORS = 3 * 2048 + 5,
  GROWN = 5 * 2048,
  PAGE = 4096,
  WRITES = 120,
  WRITE_MAX = 200, /* sectors */
  KILLS = 12       /* of each verb */
};

/* What parent and child share. */
typedef struct
{
  int armed, left, steps;    /* @left: system calls until the end; @steps: how many there were */
  uint32_t written[SECTORS]; /* the last write of each sector that was begun, and the last that was flushed */
  uint32_t flushed[SECTORS];
} Shared;

typedef struct
{
  const char *format, *variant;
  char *folder, *source, *path; /* @source: a raw disk with what @path is to hold */
  unsigned kills;
  Shared *shared;
} Fixture;

typedef struct
{
  const char *name;
  void (*prepare) (Fixture *f);           /* what is there before */
  gboolean (*run) (Fixture *f, GError **error);
  void (*check) (Fixture *f, gboolean recovered); /* after a kill, before and after leftovers were dealt with */
  gboolean replaces;                      /* the image has its name already */
} Verb;

static Shared *shared;

/* TRUE: the process is to be killed now. */
static gboolean
is_last (void)
{
  if (shared == NULL || !g_atomic_int_get (&shared->armed))
    return FALSE;
  g_atomic_int_inc (&shared->steps);
  return g_atomic_int_dec_and_test (&shared->left);
}

static void
step (void)
{
  if (is_last ())
    kill (getpid (), SIGKILL);
}

/* The linker sends the block layer's calls here. */
ssize_t __real_pwrite64 (int fd, const void *data, size_t length, off_t at);
int __real_ftruncate64 (int fd, off_t length);
int __real_fallocate64 (int fd, int mode, off_t at, off_t length);
int __real_posix_fallocate64 (int fd, off_t at, off_t length);
int __real_rename (const char *from, const char *to);
int __real_renameat2 (int from_fd, const char *from, int to_fd, const char *to, unsigned flags);
int __real_g_unlink (const char *path);
int __real_g_rmdir (const char *path);
int __real_g_mkdir (const char *path, int mode);
ssize_t __wrap_pwrite64 (int fd, const void *data, size_t length, off_t at);
int __wrap_ftruncate64 (int fd, off_t length);
int __wrap_fallocate64 (int fd, int mode, off_t at, off_t length);
int __wrap_posix_fallocate64 (int fd, off_t at, off_t length);
int __wrap_fdatasync (int fd);
int __wrap_fsync (int fd);
int __wrap_rename (const char *from, const char *to);
int __wrap_renameat2 (int from_fd, const char *from, int to_fd, const char *to, unsigned flags);
int __wrap_g_unlink (const char *path);
int __wrap_g_rmdir (const char *path);
int __wrap_g_mkdir (const char *path, int mode);

/* The kernel heeds a kill between two pages. */
ssize_t
__wrap_pwrite64 (int fd, const void *data, size_t length, off_t at)
{
  if (is_last ())
    {
      size_t pages = (size_t) ((at + (off_t) length) / PAGE - at / PAGE);

      if (pages > 0)
        __real_pwrite64 (fd, data, (size_t) (at / PAGE * PAGE + (off_t) (pages / 2 + 1) * PAGE - at), at);
      kill (getpid (), SIGKILL);
    }
  return __real_pwrite64 (fd, data, length, at);
}

int
__wrap_ftruncate64 (int fd, off_t length)
{
  step ();
  return __real_ftruncate64 (fd, length);
}

int
__wrap_fallocate64 (int fd, int mode, off_t at, off_t length)
{
  step ();
  return __real_fallocate64 (fd, mode, at, length);
}

int
__wrap_posix_fallocate64 (int fd, off_t at, off_t length)
{
  step ();
  return __real_posix_fallocate64 (fd, at, length);
}

/* What was written survives a process's end, synced or not. */
int
__wrap_fdatasync (int fd)
{
  step ();
  return 0;
}

int
__wrap_fsync (int fd)
{
  step ();
  return 0;
}

int
__wrap_rename (const char *from, const char *to)
{
  step ();
  return __real_rename (from, to);
}

int
__wrap_renameat2 (int from_fd, const char *from, int to_fd, const char *to, unsigned flags)
{
  step ();
  return __real_renameat2 (from_fd, from, to_fd, to, flags);
}

int
__wrap_g_unlink (const char *path)
{
  step ();
  return __real_g_unlink (path);
}

int
__wrap_g_rmdir (const char *path)
{
  step ();
  return __real_g_rmdir (path);
}

int
__wrap_g_mkdir (const char *path, int mode)
{
  step ();
  return __real_g_mkdir (path, mode);
}

static gboolean
exists (const char *path)
{
  return g_file_test (path, G_FILE_TEST_EXISTS);
}

/* Folders in the fixture's whose name says that somebody was at work. */
static unsigned
count_leftovers (const Fixture *f)
{
  g_autoptr (GDir) dir = g_dir_open (f->folder, 0, NULL);
  const char *entry;
  unsigned count = 0;

  while ((entry = g_dir_read_name (dir)) != NULL)
    count += g_str_has_suffix (entry, ".bunshin-new");
  return count;
}

static unsigned
count_files (const Fixture *f)
{
  g_autoptr (GDir) dir = g_dir_open (f->folder, 0, NULL);
  unsigned count = 0;

  while (g_dir_read_name (dir) != NULL)
    count++;
  return count;
}

static void
empty_folder (Fixture *f)
{
  if (exists (f->folder))
    image_remove_folder (f->folder);
  g_assert_cmpint (g_mkdir (f->folder, 0700), ==, 0);
}

static void
make_source (const Fixture *f)
{
  g_autofree uint8_t *data = g_malloc0 (SECTORS * SECTOR);

  for (unsigned i = 0; i < 12; i++)
    {
      uint32_t first = (uint32_t) g_test_rand_int_range (0, SECTORS - WRITE_MAX);

      memset (data + first * SECTOR, 'a' + (int) i, WRITE_MAX * SECTOR);
    }
  g_assert_true (g_file_set_contents (f->source, (const char *) data, SECTORS * SECTOR, NULL));
}

/* The image holds what the source does, but for a first sector of another byte (-1: the same); and it is sound, or if it
 * was being changed in its place, can be repaired. */
static void
expect_source (const Fixture *f, const char *path, int first, gboolean in_place)
{
  g_autofree char *place = g_build_filename (f->folder, "sound", NULL),
                  *copy = in_place ? g_strconcat (place, "/image.", f->format, NULL) : NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (Disk) disk = disk_open (path, DISK_OPEN_READ_ONLY, &error);
  g_autofree char *wanted = NULL;
  g_autofree uint8_t *data = g_malloc (SECTORS * SECTOR);
  DiskReport report;

  g_assert_no_error (error);
  g_assert_true (g_file_get_contents (f->source, &wanted, NULL, NULL));
  if (first >= 0)
    memset (wanted, first, SECTOR);
  g_assert_cmpuint (disk_size (disk), >=, SECTORS * SECTOR);
  disk_read (disk, 0, data, SECTORS * SECTOR, &error);
  g_assert_no_error (error);
  g_assert_true (memcmp (data, wanted, SECTORS * SECTOR) == 0);
  g_clear_pointer (&disk, disk_unref);
  if (in_place)
    g_assert_cmpint (g_mkdir (place, 0700), ==, 0);
  disk_check (path, copy, &report, NULL, &error);
  g_assert_no_error (error);
  if (copy != NULL && exists (copy))
    {
      disk_report_clear (&report);
      expect_source (f, copy, first, FALSE);
      image_remove_folder (place);
      return;
    }
  if (in_place)
    g_assert_cmpint (g_rmdir (place), ==, 0);
  for (char **message = report.messages; message != NULL && *message != NULL; message++)
    g_test_message ("%s", *message);
  g_assert_cmpuint (report.errors, ==, 0);
  disk_report_clear (&report);
}

/* The verbs */

static gboolean
run_create (Fixture *f, GError **error)
{
  const DiskCreateOptions options
      = { .format = f->format, .variant = f->variant, .size = (uint64_t) SECTORS * SECTOR };

  return disk_create (f->path, &options, error);
}

static void
check_create (Fixture *f, gboolean recovered)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (Disk) disk = NULL;

  if (!exists (f->path))
    {
      g_assert_true (!recovered || count_files (f) == 0);
      return;
    }
  disk = disk_open (f->path, 0, &error);
  g_assert_no_error (error);
  image_write_sector (disk, (SECTORS - 1) * SECTOR, 7);
  image_expect_sector (disk, 0, 0);
}

static gboolean
run_convert (Fixture *f, GError **error)
{
  const DiskOpenOptions source = { 0 };
  const DiskCreateOptions options = { .format = f->format, .variant = f->variant };

  return disk_convert (f->source, &source, f->path, &options, NULL, error);
}

static void
check_convert (Fixture *f, gboolean recovered)
{
  if (exists (f->path))
    expect_source (f, f->path, -1, FALSE);
  else
    g_assert_true (!recovered || count_files (f) == 0);
}

static void
prepare_image (Fixture *f)
{
  g_autoptr (GError) error = NULL;

  run_convert (f, &error);
  g_assert_no_error (error);
}

static gboolean
is_refused (GError **error)
{
  if (!g_error_matches (*error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED))
    return FALSE;
  g_clear_error (error);
  return TRUE;
}

static gboolean
run_resize (Fixture *f, GError **error)
{
  return disk_resize (f->path, (uint64_t) GROWN * SECTOR, FALSE, NULL, error) || is_refused (error);
}

/* So much larger that its tables need another place. */
static gboolean
run_resize_far (Fixture *f, GError **error)
{
  gboolean fixed = f->variant != NULL && strstr (f->variant, "ixed") != NULL;

  if (fixed || (f->variant != NULL && strstr (f->variant, "lat") != NULL) || g_str_equal (f->format, "raw"))
    return TRUE;
  return disk_resize (f->path, (uint64_t) 900 << 30, FALSE, NULL, error) || is_refused (error);
}

static gboolean
run_compact (Fixture *f, GError **error)
{
  return disk_compact (f->path, NULL, error) || is_refused (error);
}

/* A qcow2 image whose counts of uses are wrong: of some clusters in use 0, of one that is not 5. */
static void
prepare_damaged (Fixture *f)
{
  static const uint8_t none[8], five[2] = { 0, 5 };

  prepare_image (f);
  if (g_str_equal (f->format, "qcow2"))
    {
      image_put (f->path, (2 << 16) + 20, none, sizeof none);
      image_put (f->path, (2 << 16) + 60000, five, sizeof five);
    }
}

static gboolean
run_repair (Fixture *f, GError **error)
{
  g_autofree char *copy = g_strconcat (f->folder, "/repaired.", f->format, NULL);
  DiskReport report = { 0 };
  gboolean ok = exists (copy) || disk_check (f->path, copy, &report, NULL, error);

  disk_report_clear (&report);
  return ok;
}

static void
check_repaired (Fixture *f, gboolean recovered)
{
  g_autofree char *copy = g_strconcat (f->folder, "/repaired.", f->format, NULL);
  uint8_t counts[8];

  image_get (f->path, (2 << 16) + 20, counts, sizeof counts);
  for (unsigned i = 0; i < sizeof counts; i++)
    g_assert_cmpuint (counts[i], ==, 0);
  if (exists (copy))
    expect_source (f, copy, -1, FALSE);
}

static void
check_image (Fixture *f, gboolean recovered)
{
  expect_source (f, f->path, -1, TRUE);
}

/* A machine that had the image before the next verb: what it wrote counts, not what the killed verb had made ready. */
static void
check_written_between (Fixture *f, gboolean recovered)
{
  g_autoptr (GError) error = NULL;

  if (!recovered)
    {
      g_autoptr (Disk) disk = disk_open (f->path, 0, &error);

      g_assert_no_error (error);
      image_write_sector (disk, 0, '!');
      g_assert_true (disk_flush (disk, NULL));
    }
  expect_source (f, f->path, '!', TRUE);
}

/* As a machine: one write after the other, and a flush now and then. */
static gboolean
run_writes (Fixture *f, GError **error)
{
  g_autoptr (Disk) disk = disk_open (f->path, 0, error);
  g_autofree uint32_t *data = g_malloc (WRITE_MAX * SECTOR);

  for (uint32_t i = 1; disk != NULL && i <= WRITES; i++)
    {
      uint32_t count = (uint32_t) g_test_rand_int_range (1, WRITE_MAX);
      uint32_t first = (uint32_t) g_test_rand_int_range (0, (gint32) (SECTORS - count));

      for (uint32_t word = 0; word < count * SECTOR / 4; word += 2)
        {
          data[word] = i;
          data[word + 1] = first + word / (SECTOR / 4);
        }
      for (uint32_t sector = first; sector < first + count; sector++)
        f->shared->written[sector] = i;
      if (!disk_write (disk, (uint64_t) first * SECTOR, data, (size_t) count * SECTOR, error))
        return FALSE;
      if (i % 6 == 0)
        {
          if (!disk_flush (disk, error))
            return FALSE;
          memcpy (f->shared->flushed, f->shared->written, sizeof f->shared->flushed);
        }
    }
  return disk != NULL;
}

static void
prepare_writes (Fixture *f)
{
  g_autoptr (GError) error = NULL;

  run_create (f, &error);
  g_assert_no_error (error);
  memset (f->shared->written, 0, sizeof f->shared->written);
  memset (f->shared->flushed, 0, sizeof f->shared->flushed);
}

static void
check_writes (Fixture *f, gboolean recovered)
{
  /* In a folder of its own: parts keep their names. */
  g_autofree char *place = g_build_filename (f->folder, "repaired", NULL), *copy = g_strconcat (place, "/image.", f->format, NULL);
  g_autofree uint32_t *data = g_malloc (SECTORS * SECTOR);
  g_autoptr (GError) error = NULL;
  g_autoptr (Disk) disk = NULL;
  DiskReport report;

  /* It can be made sound before anything is written to it, or is. */
  g_assert_cmpint (g_mkdir (place, 0700), ==, 0);
  disk_check (f->path, copy, &report, NULL, &error);
  g_assert_no_error (error);
  disk_report_clear (&report);
  image_remove_folder (place);
  disk = disk_open (f->path, 0, &error);
  g_assert_no_error (error);
  disk_read (disk, 0, data, SECTORS * SECTOR, &error);
  g_assert_no_error (error);
  for (uint32_t sector = 0; sector < SECTORS; sector++)
    {
      const uint32_t *words = data + (size_t) sector * SECTOR / 4;

      g_assert_cmpuint (words[0], >=, f->shared->flushed[sector]);
      g_assert_cmpuint (words[0], <=, f->shared->written[sector]);
      g_assert_cmpuint (words[1], ==, words[0] == 0 ? 0 : sector);
    }
}

static const Verb verbs[] = {
  { "create", NULL, run_create, check_create, FALSE },
  { "convert", NULL, run_convert, check_convert, FALSE },
  { "resize", prepare_image, run_resize, check_image, TRUE },
  { "resize-far", prepare_image, run_resize_far, check_image, TRUE },
  { "compact", prepare_image, run_compact, check_image, TRUE },
  { "compact, then write", prepare_image, run_compact, check_written_between, TRUE },
  { "repair", prepare_damaged, run_repair, check_repaired, TRUE },
  { "write", prepare_writes, run_writes, check_writes, TRUE },
};

/* In a process of its own, which is killed at system call number @at (0: not); whether it was. */
static gboolean
run_and_kill (Fixture *f, const Verb *verb, int at)
{
  int status;
  pid_t child;

  f->shared->left = at;
  f->shared->steps = 0;
  fflush (NULL);
  child = fork ();
  g_assert_cmpint (child, >=, 0);
  if (child == 0)
    {
      g_autoptr (GError) error = NULL;
      gboolean ok;

      g_atomic_int_set (&f->shared->armed, TRUE);
      ok = verb->run (f, &error);
      if (!ok)
        fprintf (stderr, "%s: %s\n", verb->name, error->message);
      _exit (ok ? 0 : 1);
    }
  g_assert_cmpint (waitpid (child, &status, 0), ==, child);
  f->shared->armed = FALSE;
  if (WIFSIGNALED (status))
    {
      g_assert_cmpint (WTERMSIG (status), ==, SIGKILL);
      return TRUE;
    }
  g_assert_cmpint (WEXITSTATUS (status), ==, 0);
  return FALSE;
}

static void
survive (Fixture *f, const Verb *verb, int at)
{
  g_auto (GStrv) said = NULL;
  g_autoptr (GError) error = NULL;
  unsigned leftovers;

  empty_folder (f);
  if (verb->prepare != NULL)
    verb->prepare (f);
  if (!run_and_kill (f, verb, at))
    return;
  g_test_message ("%s %s: killed at system call %d", verb->name, f->format, at);
  leftovers = count_leftovers (f);
  g_assert_true (exists (f->path) || !verb->replaces);
  /* Opening to write does what is to be done: to a log, to a mark that says “in use”. */
  if (verb->replaces)
    disk_unref (disk_open (f->path, 0, &error));
  g_assert_no_error (error);
  verb->check (f, FALSE);
  said = disk_recover (f->folder);
  g_assert_cmpuint (said != NULL ? g_strv_length (said) : 0, ==, leftovers);
  g_assert_cmpuint (count_leftovers (f), ==, 0);
  verb->check (f, TRUE);
  /* The same again goes well now. */
  if (verb->replaces || !exists (f->path))
    g_assert_false (run_and_kill (f, verb, 0));
}

static void
test_verb (gconstpointer data)
{
  const struct
  {
    Fixture *f;
    const Verb *verb;
  } *test = data;
  Fixture *f = test->f;
  int steps;

  make_source (f);
  empty_folder (f);
  if (test->verb->prepare != NULL)
    test->verb->prepare (f);
  g_assert_false (run_and_kill (f, test->verb, 0));
  steps = f->shared->steps;
  /* All of them, or some: the first, the last, and others between. */
  for (unsigned i = 0; i < MIN (f->kills, (unsigned) steps); i++)
    {
      gboolean all = (unsigned) steps <= f->kills;
      int last = steps - (int) i / 3;

      survive (f, test->verb, all ? (int) i + 1 : i % 3 == 0 ? last : g_test_rand_int_range (1, steps + 1));
    }
}

int
main (int argc, char **argv)
{
  g_auto (GStrv) words = g_strsplit (argc > 1 && argv[1][0] != '-' ? argv[1] : "vdi", ":", 2);
  g_autofree char *top = g_dir_make_tmp ("bunshin-killed-XXXXXX", NULL), *name = NULL;
  Fixture f = { .format = words[0], .variant = words[1], .kills = KILLS };
  struct
  {
    Fixture *f;
    const Verb *verb;
  } tests[G_N_ELEMENTS (verbs)];
  int status;

  if (argc > 2 && argv[2][0] != '-')
    f.kills = (unsigned) g_ascii_strtoull (argv[2], NULL, 10);
  g_test_init (&argc, &argv, NULL);
  f.folder = g_build_filename (top, "images", NULL);
  f.source = g_build_filename (top, "source.raw", NULL);
  name = g_strconcat ("image.", g_str_equal (f.format, "raw") ? "img" : f.format, NULL);
  f.path = g_build_filename (f.folder, name, NULL);
  f.shared = mmap (NULL, sizeof *f.shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  g_assert_true (f.shared != MAP_FAILED);
  shared = f.shared;
  for (unsigned i = 0; i < G_N_ELEMENTS (verbs); i++)
    {
      g_autofree char *path = g_strconcat ("/killed/", verbs[i].name, NULL);

      tests[i].f = &f;
      tests[i].verb = &verbs[i];
      g_test_add_data_func (path, &tests[i], test_verb);
    }
  status = g_test_run ();
  image_remove_folder (top);
  munmap (f.shared, sizeof *f.shared);
  g_free (f.folder);
  g_free (f.source);
  g_free (f.path);
  return status;
}
