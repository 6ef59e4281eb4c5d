/* SPDX-License-Identifier: GPL-3.0-or-later */
/* See interrupted.h. */

#include "tests/unit/snapshot/interrupted.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* The sectors say which state a disk is of: 1 to 4 are those of a, b, c and now. Of the guest's writes the last is known. */
enum { MARK = 4, COUNTER = 8, BULK = 100, BULK_STEP = 131, BULK_SECTORS = 40, SECTOR = 512 };

#define PICTURE "picture"

static char *
saved_state (const Setting *s)
{
  return g_build_filename (s->f.folder, "saved.state", NULL);
}

static void
set_saved (const Setting *s, const char *text)
{
  g_autofree char *path = saved_state (s);

  if (text)
    g_assert_true (g_file_set_contents (path, text, -1, NULL));
  else
    g_unlink (path);
}

static unsigned
bulk_sector (unsigned i)
{
  return BULK + BULK_STEP * (i % BULK_SECTORS);
}

/* What mark() of the states up to this one has left there. */
static int
bulk_byte (unsigned i, int state)
{
  return state == 2 && i % 2 != 0 ? 1 : MIN (state, 3);
}

static char *
mark (Setting *s, const char *name, int byte, gboolean has_state)
{
  g_autoptr (LibraryMachine) machine = fixture_machine (&s->f, s->f.uuid);
  g_autoptr (Disk) disk = fixture_open (fixture_drive (machine), 0);
  uint8_t data[SECTOR];

  memset (data, byte, sizeof data);
  for (unsigned i = 0; i < BULK_SECTORS; i++)
    g_assert_true (disk_write (disk, (uint64_t) bulk_sector (i * (unsigned) byte) * SECTOR, data, sizeof data, NULL));
  g_assert_true (disk_flush (disk, NULL));
  g_clear_pointer (&disk, disk_unref);
  fixture_put (&s->f, s->f.uuid, MARK, byte);
  set_saved (s, has_state ? name : NULL);
  return fixture_take (&s->f, s->f.uuid, name);
}

static void
run_command (const char *command, const char *from, const char *to)
{
  const char *argv[] = { command, "-a", from, to, NULL };
  int status;

  g_assert_true (g_spawn_sync (NULL, (char **) argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, &status, NULL));
  g_assert_true (g_spawn_check_wait_status (status, NULL));
}

void
setting_set_up (Setting *s, gconstpointer format)
{
  g_autoptr (GError) error = NULL;

  s->progress = mmap (NULL, sizeof *s->progress, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  g_assert_true (s->progress != MAP_FAILED);
  fixture_set_up (&s->f, format);
  s->a = mark (s, "a", 1, TRUE);
  s->b = mark (s, "b", 2, FALSE);
  g_assert_true (snapshot_restore (s->f.library, s->f.uuid, s->a, &error));
  s->c = mark (s, "c", 3, TRUE);
  fixture_put (&s->f, s->f.uuid, MARK, 4);
  set_saved (s, "now");
  g_clear_pointer (&s->f.library, library_close);
  s->copy = g_strconcat (s->f.home, ".copy", NULL);
  run_command ("cp", s->f.home, s->copy);
}

void
setting_put_back (Setting *s)
{
  g_clear_pointer (&s->f.library, library_close);
  fixture_remove_folder (s->f.home);
  run_command ("cp", s->copy, s->f.home);
}

void
setting_tear_down (Setting *s, gconstpointer format)
{
  if (!s->f.library)
    s->f.library = library_open (s->f.home, NULL);
  fixture_remove_folder (s->copy);
  g_free (s->copy);
  g_free (s->a);
  g_free (s->b);
  g_free (s->c);
  munmap (s->progress, sizeof *s->progress);
  fixture_tear_down (&s->f, format);
}

/* --- Verbs, in the child --- */

static gboolean
run_take (Setting *s, Library *library, const LibraryMachine *machine, GError **error)
{
  g_autoptr (GBytes) picture = g_bytes_new_static (PICTURE, strlen (PICTURE));
  const SnapshotOptions options = { .name = "new", .thumbnail = picture };
  g_autofree char *taken = snapshot_take_off (library, machine, &options, error);

  return taken != NULL;
}

static gboolean
run_take_live (Setting *s, Library *library, const LibraryMachine *machine, GError **error)
{
  const SnapshotOptions options = { .name = "new" };
  g_autoptr (SnapshotTake) take = snapshot_take_begin (library, machine, &options, error);
  int fd;
  gboolean ok;

  if (!take || !snapshot_take_commit (take, error))
    return FALSE;
  fd = open (snapshot_take_state_path (take), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
  ok = write (fd, "live", 4) == 4;
  close (fd);
  return ok && snapshot_take_finish (take, TRUE, error);
}

/* The guest writes the next number. */
static gboolean
guest_write (Setting *s, Disk *disk, GError **error)
{
  uint8_t data[SECTOR];

  memset (data, (int) ++s->progress->begun, sizeof data);
  return disk_write (disk, COUNTER * SECTOR, data, sizeof data, error);
}

static gboolean
guest_flush (Setting *s, Disk *disk, GError **error)
{
  unsigned number = s->progress->begun;

  if (!disk_flush (disk, error))
    return FALSE;
  s->progress->flushed = number;
  return TRUE;
}

/* As the process of a running machine takes one. */
static gboolean
take_running (Setting *s, SnapshotTake *take, Disk *disk, GError **error)
{
  const SnapshotDisk *layer = g_ptr_array_index (snapshot_take_disks (take), 0);
  DiskLayer *prepared = disk_layer_prepare (disk, layer->layer, error);
  int fd;
  gboolean ok;

  if (!prepared || !guest_write (s, disk, error) || !guest_flush (s, disk, error) || !guest_write (s, disk, error))
    return FALSE;
  fd = open (snapshot_take_state_path (take), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
  ok = write (fd, "live", 4) == 4;
  close (fd);
  if (!ok || !snapshot_take_commit (take, error))
    return FALSE;
  disk_layer_push (disk, prepared);
  return guest_write (s, disk, error) && guest_flush (s, disk, error) && guest_write (s, disk, error)
         && disk_settle (disk, error) && snapshot_take_finish (take, TRUE, error);
}

static gboolean
run_take_running (Setting *s, Library *library, const LibraryMachine *machine, GError **error)
{
  const SnapshotOptions options = { .name = "new" };
  g_autoptr (Disk) disk = fixture_open (fixture_drive ((LibraryMachine *) machine), 0);
  g_autoptr (SnapshotTake) take = NULL;

  if (!guest_write (s, disk, error) || !guest_flush (s, disk, error) || !guest_write (s, disk, error))
    return FALSE;
  take = snapshot_take_begin (library, machine, &options, error);
  if (!take || !take_running (s, take, disk, error))
    return FALSE;
  s->progress->reached = 1;
  return guest_write (s, disk, error) && guest_flush (s, disk, error);
}

static gboolean
run_restore (Setting *s, Library *library, const LibraryMachine *machine, GError **error)
{
  return snapshot_restore (library, s->f.uuid, s->a, error);
}

static gboolean
run_restore_off (Setting *s, Library *library, const LibraryMachine *machine, GError **error)
{
  return snapshot_restore (library, s->f.uuid, s->b, error);
}

/* What session-restore.c does: the guest has used its saved state up, its disk is given up, and another goes on. */
static gboolean
run_restore_running (Setting *s, Library *library, const LibraryMachine *machine, GError **error)
{
  g_autoptr (Disk) before = fixture_open (fixture_drive ((LibraryMachine *) machine), 0), after = NULL;
  g_autoptr (LibraryMachine) now = NULL;
  g_autofree char *state = NULL;

  if (!library_remove_saved_state (machine, error))
    return FALSE;
  s->progress->reached = 1;
  if (!guest_write (s, before, error))
    return FALSE;
  disk_abandon (before);
  if (!snapshot_restore_running (library, s->f.uuid, s->a, &state, error)
      || !(now = library_find (library, s->f.uuid, error)))
    return FALSE;
  s->progress->reached = 2;
  g_assert_true (g_file_test (state, G_FILE_TEST_EXISTS));
  after = fixture_open (fixture_drive (now), 0);
  return guest_write (s, after, error) && guest_flush (s, after, error) && guest_write (s, after, error);
}

/* A leaf, and then the root, which has one child left. */
static gboolean
run_delete (Setting *s, Library *library, const LibraryMachine *machine, GError **error)
{
  if (!snapshot_delete (library, s->f.uuid, s->b, error))
    return FALSE;
  s->progress->reached = 1;
  if (!snapshot_delete (library, s->f.uuid, s->a, error))
    return FALSE;
  s->progress->reached = 2;
  return snapshot_tidy (library, s->f.uuid, NULL, NULL, error);
}

/* The root has two children, so that nothing is merged with it before one of them is gone, too. */
static gboolean
run_delete_root (Setting *s, Library *library, const LibraryMachine *machine, GError **error)
{
  if (!snapshot_delete (library, s->f.uuid, s->a, error))
    return FALSE;
  s->progress->reached = 1;
  if (!snapshot_tidy (library, s->f.uuid, NULL, NULL, error) || !snapshot_delete (library, s->f.uuid, s->b, error))
    return FALSE;
  s->progress->reached = 2;
  return snapshot_tidy (library, s->f.uuid, NULL, NULL, error);
}

/* One that the present state lies over, and that lies over another. */
static gboolean
run_delete_inner (Setting *s, Library *library, const LibraryMachine *machine, GError **error)
{
  if (!snapshot_delete (library, s->f.uuid, s->c, error))
    return FALSE;
  s->progress->reached = 1;
  return snapshot_tidy (library, s->f.uuid, NULL, NULL, error);
}

typedef struct
{
  Setting *s;
  Disk *disk;
  unsigned calls;
} Running;

static Disk *
find_disk (void *opaque, const char *path)
{
  Running *running = opaque;

  for (unsigned i = 0; i < disk_layer_count (running->disk); i++)
    if (g_str_equal (disk_layer_path (running->disk, i), path))
      return disk_ref (running->disk);
  return NULL;
}

/* The guest goes on. */
static void
on_merging (uint64_t done, uint64_t total, void *opaque)
{
  Running *running = opaque;
  g_autoptr (GError) error = NULL;

  if (running->calls++ % 8 != 0 || running->s->progress->begun > 200)
    return;
  g_assert_true (guest_write (running->s, running->disk, &error));
  if (running->calls % 3 == 0)
    g_assert_true (guest_flush (running->s, running->disk, &error));
}

static gboolean
run_delete_running (Setting *s, Library *library, const LibraryMachine *machine, GError **error)
{
  g_autoptr (Disk) disk = fixture_open (fixture_drive ((LibraryMachine *) machine), 0);
  Running running = { s, disk, 0 };
  const DiskTask task = { .progress = on_merging, .opaque = &running };
  const SnapshotTidy options = { .find_disk = find_disk, .opaque = &running, .task = &task };

  if (!guest_write (s, disk, error) || !guest_flush (s, disk, error) || !guest_write (s, disk, error)
      || !snapshot_delete (library, s->f.uuid, s->c, error))
    return FALSE;
  s->progress->reached = 1;
  return snapshot_tidy (library, s->f.uuid, &options, NULL, error) && guest_write (s, disk, error)
         && guest_flush (s, disk, error);
}

static gboolean
run_drive_discard (Setting *s, Library *library, const LibraryMachine *machine, GError **error)
{
  return snapshot_drive_begin (library, s->f.uuid, s->a, error)
         && snapshot_drive_end (library, s->f.uuid, SNAPSHOT_DRIVE_DISCARD, NULL, error);
}

static gboolean
run_drive_keep (Setting *s, Library *library, const LibraryMachine *machine, GError **error)
{
  return snapshot_drive_begin (library, s->f.uuid, NULL, error)
         && snapshot_drive_end (library, s->f.uuid, SNAPSHOT_DRIVE_KEEP_AS_SNAPSHOT, "new", error);
}

static gboolean
run_clone (Setting *s, Library *library, const LibraryMachine *machine, GError **error)
{
  g_autoptr (LibraryMachine) linked = NULL, whole = NULL;

  return snapshot_clone (library, machine, s->a, "linked", TRUE, FALSE, NULL, &linked, error)
         && snapshot_clone (library, machine, s->b, "whole", FALSE, FALSE, NULL, &whole, error);
}

/* What session_power_on() does: the guest goes on from its saved state, which then is of another time than the disks. */
static gboolean
run_resume (Setting *s, Library *library, const LibraryMachine *machine, GError **error)
{
  g_autoptr (Disk) disk = fixture_open (fixture_drive ((LibraryMachine *) machine), 0);

  if (!library_remove_saved_state (machine, error))
    return FALSE;
  s->progress->reached = 1;
  return guest_write (s, disk, error) && guest_flush (s, disk, error) && guest_write (s, disk, error);
}

static gboolean
run_discard_state (Setting *s, Library *library, const LibraryMachine *machine, GError **error)
{
  return library_discard_saved_state (machine, error);
}

static gboolean
run_create (Setting *s, Library *library, const LibraryMachine *machine, GError **error)
{
  s->f.library = library;
  library_machine_free (fixture_add (&s->f, "created", s->f.format));
  s->f.library = NULL;
  return TRUE;
}

#define BEFORE { "a a>b a>c*", 4, "now" }

const Verb interrupted_verbs[] = {
  { "take", run_take, { BEFORE, { "a a>b a>c c>new*", 4, "now" } } },
  { "take-live", run_take_live, { BEFORE, { "a a>b a>c c>new*", 4, "now" } } },
  { "take-running", run_take_running, { BEFORE, { "a a>b a>c c>new*", 4, "now" } } },
  { "restore", run_restore, { BEFORE, { "a* a>b a>c", 1, "a" } } },
  { "restore-running",
    run_restore_running,
    { BEFORE, { "a a>b a>c*", 4, NULL }, { "a* a>b a>c", 1, NULL } } },
  { "restore-off", run_restore_off, { BEFORE, { "a a>b* a>c", 2, NULL } } },
  { "delete", run_delete, { BEFORE, { "a a>c*", 4, "now" }, { "c*", 4, "now" } } },
  { "delete-root", run_delete_root, { BEFORE, { "b c*", 4, "now" }, { "c*", 4, "now" } } },
  { "delete-inner", run_delete_inner, { BEFORE, { "a* a>b", 4, "now" } } },
  { "delete-running", run_delete_running, { BEFORE, { "a* a>b", 4, "now" } } },
  { "drive-discard", run_drive_discard, { BEFORE, BEFORE } },
  { "drive-keep", run_drive_keep, { BEFORE, { "a a>b a>c c>new*", 4, "now" } } },
  { "clone", run_clone, { BEFORE, BEFORE } },
  { "resume", run_resume, { BEFORE, { "a a>b a>c*", 4, NULL } } },
  { "discard-state", run_discard_state, { BEFORE, { "a a>b a>c*", 4, NULL } } },
  { "create", run_create, { BEFORE, BEFORE } },
  { NULL }
};

static unsigned
last_outcome (const Verb *verb)
{
  unsigned last = 0;

  while (last + 1 < G_N_ELEMENTS (verb->outcomes) && verb->outcomes[last + 1].tree)
    last++;
  return last;
}

int
setting_run (Setting *s, const Verb *verb, void (*begin) (void), void (*end) (void))
{
  int status;
  pid_t child;

  *s->progress = (Progress){ 0 };
  g_clear_pointer (&s->f.library, library_close);
  fflush (NULL);
  child = fork ();
  g_assert_cmpint (child, >=, 0);
  if (child == 0)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (LibraryMachine) machine = NULL;
      Library *library;
      gboolean ok;

      begin ();
      library = library_open (s->f.home, &error);
      machine = library ? library_find (library, s->f.uuid, &error) : NULL;
      /* From here on the database syncs no folder: its log is there. */
      ok = machine && library_set_setting (library, "interrupted", verb->name, &error) && verb->run (s, library, machine, &error);
      if (ok)
        s->progress->reached = last_outcome (verb);
      else
        fprintf (stderr, "%s: %s\n", verb->name, error->message);
      library_close (library);
      end ();
      _exit (ok ? 0 : 1);
    }
  g_assert_cmpint (waitpid (child, &status, 0), ==, child);
  return status;
}


/* --- Afterwards --- */

static int64_t
ask (Setting *s, const char *sql)
{
  g_autofree char *path = g_build_filename (s->f.home, "bunshin.db", NULL);
  sqlite3 *db;
  sqlite3_stmt *statement;
  int64_t value;

  g_assert_cmpint (sqlite3_open_v2 (path, &db, SQLITE_OPEN_READWRITE, NULL), ==, SQLITE_OK);
  g_assert_cmpint (sqlite3_prepare_v2 (db, sql, -1, &statement, NULL), ==, SQLITE_OK);
  g_assert_cmpint (sqlite3_step (statement), ==, SQLITE_ROW);
  value = sqlite3_column_int64 (statement, 0);
  sqlite3_finalize (statement);
  sqlite3_close (db);
  return value;
}

/* Whether the verb left something that is to be finished or undone, as the files and the library say. */
static gboolean
is_left (Setting *s)
{
  g_autofree char *machines = g_build_filename (s->f.home, "machines", NULL),
                  *own = g_path_get_basename (s->f.folder);
  g_autoptr (GDir) dir = g_dir_open (machines, 0, NULL);
  int64_t files = fixture_count (s->f.folder, "");
  const char *entry;

  while ((entry = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *mark_path = g_build_filename (machines, entry, ".unfinished-clone", NULL);
      g_autofree char *sql = g_strdup_printf ("SELECT count(*) FROM machine WHERE folder = '%s'", entry);

      if (!g_str_equal (entry, own) && g_file_test (mark_path, G_FILE_TEST_EXISTS) && ask (s, sql) == 0)
        return TRUE;
    }
  return files > ask (s, "SELECT (SELECT count(*) FROM medium WHERE base IS NOT NULL "
                         "AND owner = (SELECT min(id) FROM machine)) + (SELECT sum(state + thumbnail) FROM snapshot)")
         || ask (s, "SELECT count(*) FROM snapshot_work") > 0
         || ask (s, "SELECT count(*) FROM snapshot WHERE NOT finished OR kind = 'drive'") > 0;
}

/* One that is off. */
static void
check_disk (const LibraryAttachment *drive, int state)
{
  g_autoptr (Disk) disk = fixture_open (drive, DISK_OPEN_READ_ONLY);

  for (unsigned i = 0; i <= BULK_SECTORS; i++)
    {
      unsigned sector = i < BULK_SECTORS ? bulk_sector (i) : MARK;
      int byte = i < BULK_SECTORS ? bulk_byte (i, state) : state;
      uint8_t data[SECTOR];

      g_assert_true (disk_read (disk, (uint64_t) sector * SECTOR, data, sizeof data, NULL));
      for (unsigned at = 0; at < SECTOR; at++)
        if (data[at] != byte)
          g_error ("%s: sector %u has %d at %u, but should have %d", drive->path, sector, data[at], at, byte);
    }
}

static void
check_outcome (Setting *s, const Verb *verb, const Progress *progress)
{
  g_autofree char *tree = fixture_tree (&s->f, s->f.uuid), *path = saved_state (s), *saved = NULL;
  g_autoptr (LibraryMachine) machine = fixture_machine (&s->f, s->f.uuid);
  int now = fixture_get (&s->f, s->f.uuid, MARK), written;

  g_file_get_contents (path, &saved, NULL, NULL);
  for (unsigned i = progress->reached;; i++)
    {
      if (i > last_outcome (verb))
        g_error ("%s: “%s”, %d, “%s”", verb->name, tree, now, saved ? saved : "");
      if (g_str_equal (verb->outcomes[i].tree, tree) && verb->outcomes[i].now == now
          && g_strcmp0 (verb->outcomes[i].saved, saved) == 0)
        break;
    }
  check_disk (fixture_drive (machine), now);
  written = fixture_get (&s->f, s->f.uuid, COUNTER);
  g_assert_cmpint (written, >=, progress->flushed);
  g_assert_cmpint (written, <=, progress->begun);
}

/* The snapshots that there are hold what they held. */
static void
check_snapshots (Setting *s)
{
  static const struct
  {
    const char *name;
    int mark;
    const char *state;
  } all[] = { { "a", 1, "a" }, { "b", 2, NULL }, { "c", 3, "c" }, { "new", 4, NULL } };
  g_autoptr (LibraryMachine) machine = fixture_machine (&s->f, s->f.uuid);
  g_autoptr (GPtrArray) list = snapshot_list (s->f.library, machine, FALSE, NULL);

  for (unsigned i = 0; i < list->len; i++)
    {
      const Snapshot *snapshot = list->pdata[i];

      for (unsigned j = 0; j < G_N_ELEMENTS (all); j++)
        if (g_str_equal (snapshot->name, all[j].name))
          {
            g_autofree char *state = NULL, *picture = NULL;

            check_disk (fixture_drive (snapshot->settings), all[j].mark);
            if (snapshot->state_path)
              g_assert_true (g_file_get_contents (snapshot->state_path, &state, NULL, NULL));
            if (!g_str_equal (all[j].name, "new"))
              g_assert_cmpstr (state, ==, all[j].state);
            else if (g_strcmp0 (state, "live") != 0)
              g_assert_cmpstr (state, ==, "now");
            if (snapshot->thumbnail_path)
              g_assert_true (g_file_get_contents (snapshot->thumbnail_path, &picture, NULL, NULL));
            g_assert_true (!picture || g_str_equal (picture, PICTURE));
          }
    }
}

/* A clone, or a new machine, whose disk may not be its own yet. */
static void
check_other (const LibraryMachine *machine)
{
  g_assert_true (g_file_test (machine->folder, G_FILE_TEST_IS_DIR));
  if (!g_str_equal (machine->name, "created"))
    check_disk (fixture_drive ((LibraryMachine *) machine), g_str_equal (machine->name, "linked") ? 1 : 2);
  else if (machine->attachments->len > 0)
    g_assert_cmpint (fixture_get_drive (fixture_drive ((LibraryMachine *) machine), MARK), ==, 0);
}

/* Without snapshots and clones the disk is one image again, and no file is left. */
static void
check_end (Setting *s)
{
  g_autoptr (LibraryMachine) machine = fixture_machine (&s->f, s->f.uuid), after = NULL;
  g_autoptr (GPtrArray) machines = library_list_machines (s->f.library, NULL), list = NULL;
  int now = fixture_get (&s->f, s->f.uuid, MARK);
  g_autoptr (GError) error = NULL;

  for (unsigned i = 0; i < machines->len; i++)
    {
      const LibraryMachine *other = machines->pdata[i];
      g_auto (GStrv) disks = NULL;

      if (g_str_equal (other->uuid, s->f.uuid))
        continue;
      check_other (other);
      g_assert_true (library_delete_machine (s->f.library, other->uuid, &disks, &error));
      for (char **disk = disks; *disk; disk++)
        g_assert_true (disk_delete (*disk, &error));
      g_assert_true (library_delete_files (other, NULL, &error));
      /* A file that is not yet the new one's disk stays, as would any that the user keeps there. */
      g_assert_true (g_str_equal (other->name, "created") || !g_file_test (other->folder, G_FILE_TEST_EXISTS));
    }
  list = snapshot_list (s->f.library, machine, FALSE, NULL);
  for (unsigned i = 0; i < list->len; i++)
    g_assert_true (snapshot_delete (s->f.library, s->f.uuid, ((Snapshot *) list->pdata[i])->uuid, &error));
  g_strfreev (fixture_tidy (&s->f, s->f.uuid));
  after = fixture_machine (&s->f, s->f.uuid);
  g_assert_cmpstr (fixture_drive (after)->path, ==, s->f.root);
  g_assert_cmpint (fixture_get (&s->f, s->f.uuid, MARK), ==, now);
  g_assert_cmpuint (fixture_count (s->f.folder, ""), ==, 0);
}

char **
setting_survive (Setting *s, const Verb *verb, const Progress *progress)
{
  g_autofree char *next = g_strconcat (s->f.folder, "/saved.state.next", NULL);
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) again = NULL;
  char **did;
  gboolean left;

  s->f.library = library_open (s->f.home, &error);
  g_assert_no_error (error);
  left = is_left (s);
  check_snapshots (s);
  did = fixture_tidy (&s->f, s->f.uuid);
  g_assert_true ((did != NULL) == left);
  check_outcome (s, verb, progress);
  check_snapshots (s);
  g_assert_false (is_left (s));
  again = fixture_tidy (&s->f, s->f.uuid);
  g_assert_null (again);
  g_assert_false (g_file_test (next, G_FILE_TEST_EXISTS));
  check_end (s);
  return did;
}
