/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Clones, and disks that several machines or snapshots need: nothing that something needs is ever removed or written to. */

#include "tests/unit/snapshot/fixture.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

static gboolean
exists (const char *path)
{
  return g_file_test (path, G_FILE_TEST_EXISTS);
}

static LibraryMachine *
make_clone (Fixture *f, const char *uuid, const char *snapshot, const char *name, gboolean linked, gboolean keep_macs)
{
  g_autoptr (LibraryMachine) machine = fixture_machine (f, uuid);
  g_autoptr (GError) error = NULL;
  LibraryMachine *made = NULL;

  snapshot_clone (f->library, machine, snapshot, name, linked, keep_macs, NULL, &made, &error);
  g_assert_no_error (error);
  g_assert_nonnull (made);
  return made;
}

/* Deletes a machine as the manager does. */
static void
delete_machine (Fixture *f, const char *uuid, gboolean keep_disks)
{
  g_autoptr (LibraryMachine) machine = fixture_machine (f, uuid);
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) disks = NULL;

  g_assert_true (library_delete_machine (f->library, uuid, &disks, &error));
  g_assert_no_error (error);
  for (char **disk = disks; *disk; disk++)
    {
      if (keep_disks)
        g_assert_true (library_add_medium (f->library, *disk, LIBRARY_MEDIUM_DISK, NULL, &error));
      else
        g_assert_true (disk_delete (*disk, &error));
      g_assert_no_error (error);
    }
  g_assert_true (library_delete_files (machine, NULL, &error));
}

static const char *
mac (const LibraryMachine *machine)
{
  return library_machine_find_adapter (machine, 0)->mac;
}

static unsigned
count_media (Fixture *f, const char *part)
{
  g_autoptr (GPtrArray) media = library_list_media (f->library, NULL);
  unsigned count = 0;

  for (unsigned i = 0; i < media->len; i++)
    count += strstr (((LibraryMedium *) media->pdata[i])->path, part) != NULL;
  return count;
}

static void
test_full (Fixture *f, gconstpointer data)
{
  g_autoptr (LibraryMachine) machine = fixture_machine (f, f->uuid), made = NULL, then = NULL, plain = NULL;
  g_autofree char *a = NULL;

  fixture_put (f, f->uuid, 5, 1);
  plain = make_clone (f, f->uuid, NULL, "plain", FALSE, FALSE);
  g_assert_true (g_str_has_suffix (fixture_drive (plain)->path, ".vdi"));
  a = fixture_take (f, f->uuid, "a");
  fixture_put (f, f->uuid, 5, 2);
  made = make_clone (f, f->uuid, NULL, "now", FALSE, FALSE);
  then = make_clone (f, f->uuid, a, "then", FALSE, TRUE);
  g_assert_null (fixture_drive (made)->chain);
  g_assert_true (g_str_has_prefix (fixture_drive (made)->path, made->folder));
  g_assert_true (g_str_has_suffix (fixture_drive (made)->path, ".vdi"));
  g_assert_cmpint (fixture_get (f, made->uuid, 5), ==, 2);
  g_assert_cmpint (fixture_get (f, then->uuid, 5), ==, 1);
  g_assert_cmpstr (mac (made), !=, mac (machine));
  g_assert_cmpstr (mac (then), ==, mac (machine));
  g_assert_cmpuint (library_machine_find_adapter (then, 0)->forwards->len, ==, 1);
  /* One that shares an address can still be changed. */
  then->memory = 64 << 20;
  g_assert_true (library_update_machine (f->library, then, NULL));
  g_assert_cmpuint (fixture_count (made->folder, ""), ==, 0);
  /* They are whole: nothing of the original is needed. */
  delete_machine (f, f->uuid, FALSE);
  g_assert_false (exists (f->folder));
  g_assert_cmpint (fixture_get (f, made->uuid, 5), ==, 2);
}

typedef struct
{
  GCancellable *cancellable;
  uint64_t done, total; /* when it was stopped; 0: not yet */
} Stop;

static void
stop_at_two_thirds (uint64_t done, uint64_t total, void *opaque)
{
  Stop *stop = opaque;

  if (stop->total > 0 || done * 3 < total * 2)
    return;
  *stop = (Stop) { stop->cancellable, done, total };
  g_cancellable_cancel (stop->cancellable);
}

static unsigned
count_folders (Fixture *f)
{
  g_autofree char *machines = g_build_filename (f->home, "machines", NULL);
  g_autoptr (GDir) dir = g_dir_open (machines, 0, NULL);
  unsigned folders = 0;

  while (g_dir_read_name (dir))
    folders++;
  return folders;
}

/* In the middle of the second disk: of the first one, which was whole, nothing is left either. */
static void
test_stopped (Fixture *f, gconstpointer data)
{
  enum
  {
    SECOND = 64 << 20
  };
  g_autoptr (LibraryMachine) machine = fixture_machine (f, f->uuid), made = NULL, again = NULL;
  g_autofree char *path = library_new_disk_path (machine, "vdi"), *before = NULL, *after = NULL;
  const DiskCreateOptions create = { .format = "vdi", .size = SECOND };
  g_autofree char *contents = g_malloc (SECOND);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  Stop stop = { .cancellable = cancellable };
  const DiskTask task = { .cancellable = cancellable, .progress = stop_at_two_thirds, .opaque = &stop };
  g_autoptr (GPtrArray) machines = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (Disk) disk = NULL;

  fixture_put (f, f->uuid, 5, 1);
  g_assert_true (disk_create (path, &create, &error));
  disk = disk_open (path, 0, &error);
  g_assert_no_error (error);
  memset (contents, 'x', SECOND);
  g_assert_true (disk_write (disk, 0, contents, SECOND, &error));
  g_clear_pointer (&disk, disk_unref);
  library_machine_add_attachment (machine, LIBRARY_CONTROLLER_IDE, 1, LIBRARY_MEDIUM_DISK, path, "vdi");
  g_assert_true (library_update_machine (f->library, machine, &error));
  before = fixture_tree (f, f->uuid);

  g_assert_false (snapshot_clone (f->library, machine, NULL, "two", FALSE, FALSE, &task, &made, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_null (made);
  g_assert_cmpuint (stop.done, <, stop.total);
  g_clear_error (&error);
  g_assert_cmpuint (count_folders (f), ==, 1);
  g_assert_cmpuint (count_media (f, ""), ==, 2);
  after = fixture_tree (f, f->uuid);
  g_assert_cmpstr (after, ==, before);
  machines = library_list_machines (f->library, &error);
  g_assert_cmpuint (machines->len, ==, 1);
  g_assert_cmpint (fixture_get (f, f->uuid, 5), ==, 1);
  again = make_clone (f, f->uuid, NULL, "two", FALSE, FALSE);
  g_assert_cmpuint (count_folders (f), ==, 2);
}

static void
test_refused (Fixture *f, gconstpointer data)
{
  g_autoptr (LibraryMachine) machine = fixture_machine (f, f->uuid), made = NULL;
  g_autofree char *tree = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GCancellable) cancelled = g_cancellable_new ();
  const DiskTask task = { .cancellable = cancelled };

  g_assert_false (snapshot_clone (f->library, machine, NULL, "one", TRUE, FALSE, NULL, &made, &error));
  g_assert_error (error, LIBRARY_ERROR, LIBRARY_ERROR_EXISTS);
  g_clear_error (&error);
  g_assert_false (snapshot_clone (f->library, machine, "nothing", "two", TRUE, FALSE, NULL, &made, &error));
  g_assert_error (error, LIBRARY_ERROR, LIBRARY_ERROR_NOT_FOUND);
  g_clear_error (&error);
  g_cancellable_cancel (cancelled);
  g_assert_false (snapshot_clone (f->library, machine, NULL, "two", FALSE, FALSE, &task, &made, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_clear_error (&error);
  /* Nothing of it is left. */
  tree = fixture_tree (f, f->uuid);
  g_assert_cmpstr (tree, ==, "");
  g_assert_cmpuint (fixture_count (f->folder, ""), ==, 0);
  g_assert_cmpuint (count_folders (f), ==, 1);
}

static void
test_linked (Fixture *f, gconstpointer data)
{
  g_autoptr (LibraryMachine) made = NULL, after = NULL, other = NULL;
  g_autofree char *tree = NULL, *inner = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) list = NULL;
  g_auto (GStrv) users = NULL;
  SnapshotForecast forecast;

  fixture_put (f, f->uuid, 5, 1);
  made = make_clone (f, f->uuid, NULL, "two", TRUE, FALSE);
  tree = fixture_tree (f, f->uuid);
  g_assert_cmpstr (tree, ==, "Base of “two”*");
  g_assert_cmpstr (fixture_drive (made)->chain[0], ==, f->root);
  fixture_put (f, f->uuid, 5, 2);
  fixture_put (f, made->uuid, 5, 3);
  inner = fixture_take (f, made->uuid, "inner");
  fixture_put (f, made->uuid, 5, 4);
  users = library_medium_users (f->library, f->root, NULL);
  g_assert_cmpuint (g_strv_length (users), ==, 2);
  g_assert_cmpuint (count_media (f, "Snapshots"), ==, 0);
  g_assert_cmpuint (count_media (f, ".vdi"), ==, 1);

  /* The snapshot goes, but what the clone needs of it stays. */
  list = snapshot_list (f->library, made, FALSE, &error);
  g_assert_cmpuint (list->len, ==, 1);
  {
    g_autoptr (LibraryMachine) machine = fixture_machine (f, f->uuid);
    g_autoptr (Snapshot) base = snapshot_find (f->library, machine, "Base of “two”", &error);

    g_assert_true (snapshot_forecast_delete (f->library, f->uuid, base->uuid, &forecast, &error));
    g_assert_true (forecast.waits);
    g_assert_true (snapshot_delete (f->library, f->uuid, base->uuid, &error));
    g_assert_no_error (error);
  }
  g_strfreev (fixture_tidy (f, f->uuid));
  g_strfreev (fixture_tidy (f, made->uuid));
  g_assert_cmpint (fixture_get (f, f->uuid, 5), ==, 2);
  g_assert_cmpint (fixture_get (f, made->uuid, 5), ==, 4);
  g_assert_cmpint (fixture_get_then (f, made->uuid, "inner", 5), ==, 3);

  /* The original goes, with its disk as far as the user can tell; the clone has what it needs, and takes it over. */
  delete_machine (f, f->uuid, FALSE);
  g_assert_true (exists (f->root));
  g_assert_cmpint (fixture_get (f, made->uuid, 5), ==, 4);
  g_assert_true (snapshot_delete (f->library, made->uuid, inner, &error));
  g_strfreev (fixture_tidy (f, made->uuid));
  after = fixture_machine (f, made->uuid);
  g_assert_cmpstr (fixture_drive (after)->path, ==, f->root);
  g_assert_null (fixture_drive (after)->chain);
  g_assert_cmpint (fixture_get (f, made->uuid, 5), ==, 4);
  /* It is the last one that needs it. */
  delete_machine (f, made->uuid, FALSE);
  g_assert_false (exists (f->root));
  g_assert_cmpuint (count_media (f, ""), ==, 0);
  /* Where it was goes later on, as a folder that is empty may be that of a machine to come. */
  other = fixture_add (f, "other", "raw");
  g_strfreev (fixture_tidy (f, other->uuid));
  g_assert_true (exists (f->folder));
  g_assert_cmpint (utimes (f->folder, (const struct timeval[2]){ { 1000, 0 }, { 1000, 0 } }), ==, 0);
  g_strfreev (fixture_tidy (f, other->uuid));
  g_assert_false (exists (f->folder));
}

/* A clone goes before what it was made from: the layers under it are only that machine's again. */
static void
test_clone_first (Fixture *f, gconstpointer data)
{
  g_autofree char *a = NULL;
  g_autoptr (LibraryMachine) made = NULL, second = NULL;
  g_autoptr (GError) error = NULL;

  fixture_put (f, f->uuid, 5, 1);
  a = fixture_take (f, f->uuid, "a");
  fixture_put (f, f->uuid, 5, 2);
  made = make_clone (f, f->uuid, a, "two", TRUE, FALSE);
  g_assert_cmpint (fixture_get (f, made->uuid, 5), ==, 1);
  second = make_clone (f, made->uuid, NULL, "three", TRUE, FALSE);
  fixture_put (f, second->uuid, 5, 7);
  g_assert_true (snapshot_delete (f->library, f->uuid, a, &error));
  g_strfreev (fixture_tidy (f, f->uuid));
  /* The middle one goes: its layer is needed still. */
  delete_machine (f, made->uuid, FALSE);
  g_assert_cmpint (fixture_get (f, second->uuid, 5), ==, 7);
  g_assert_true (exists (made->folder));
  delete_machine (f, second->uuid, FALSE);
  g_assert_false (exists (second->folder));
  g_strfreev (fixture_tidy (f, f->uuid));
  g_assert_false (exists (made->folder));
  g_assert_cmpint (fixture_get (f, f->uuid, 5), ==, 2);
  g_assert_cmpuint (fixture_count (f->folder, ""), ==, 0);
}

/* A merge that would take from a running clone what it reads waits until that is off. */
static void
test_clone_runs (Fixture *f, gconstpointer data)
{
  g_autofree char *a = fixture_take (f, f->uuid, "a"), *b = NULL;
  g_autoptr (LibraryMachine) made = NULL;
  g_autoptr (Disk) disk = NULL;
  g_autoptr (GError) error = NULL;

  fixture_put (f, f->uuid, 5, 2);
  b = fixture_take (f, f->uuid, "b");
  made = make_clone (f, f->uuid, b, "two", TRUE, FALSE);
  disk = fixture_open (fixture_drive (made), 0);
  g_assert_true (snapshot_delete (f->library, f->uuid, a, &error));
  g_assert_false (snapshot_tidy (f->library, f->uuid, NULL, NULL, &error));
  g_assert_nonnull (error);
  g_clear_error (&error);
  g_assert_cmpuint (fixture_count (f->folder, ".qcow2"), ==, 2);
  g_assert_cmpint (fixture_get (f, f->uuid, 5), ==, 2);
  g_clear_pointer (&disk, disk_unref);
  g_assert_cmpint (fixture_get (f, made->uuid, 5), ==, 2);
  g_strfreev (fixture_tidy (f, f->uuid));
  g_assert_cmpuint (fixture_count (f->folder, ".qcow2"), ==, 1);
  g_assert_cmpint (fixture_get (f, made->uuid, 5), ==, 2);
  g_assert_cmpint (fixture_get_then (f, f->uuid, "b", 5), ==, 2);
}

static void
expect_refusal (Fixture *f, LibraryMachine *record, const char *named)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (library_update_machine (f->library, record, &error));
  g_assert_error (error, LIBRARY_ERROR, LIBRARY_ERROR_INVALID);
  g_assert_nonnull (strstr (error->message, named));
}

/* Nobody gets a disk that snapshots need as it is, under whatever name. */
static void
test_attach (Fixture *f, gconstpointer data)
{
  g_autoptr (LibraryMachine) before = fixture_machine (f, f->uuid), other = fixture_add (f, "other", "raw"), fresh = NULL;
  g_autoptr (LibraryMachine) sharing = NULL, remote = NULL;
  g_autofree char *a = fixture_take (f, f->uuid, "a"), *link = g_build_filename (f->home, "link.vdi", NULL);
  g_autoptr (GError) error = NULL;
  LibraryAttachment *drive;
  SnapshotTake *take;

  drive = library_machine_add_attachment (other, LIBRARY_CONTROLLER_IDE, 1, LIBRARY_MEDIUM_DISK, f->root, "vdi");
  expect_refusal (f, other, "one");
  library_attachment_set_path (drive, fixture_drive (before)->path, "vdi");
  expect_refusal (f, other, "one");
  fresh = fixture_machine (f, f->uuid);
  library_attachment_set_path (drive, fixture_drive (fresh)->path, "qcow2");
  expect_refusal (f, other, "one");
  g_assert_cmpint (symlink (f->root, link), ==, 0);
  library_attachment_set_path (drive, link, NULL);
  expect_refusal (f, other, "one");
  g_assert_false (library_forget_medium (f->library, f->root, &error));
  g_assert_error (error, LIBRARY_ERROR, LIBRARY_ERROR_INVALID);
  g_clear_error (&error);
  g_assert_null (library_release_medium (f->library, f->root, &error));
  g_assert_error (error, LIBRARY_ERROR, LIBRARY_ERROR_INVALID);
  g_clear_error (&error);

  /* A disk on a server has no layers, whatever else the machine has. */
  remote = fixture_machine (f, f->uuid);
  library_machine_add_attachment (remote, LIBRARY_CONTROLLER_AHCI, 1, LIBRARY_MEDIUM_DISK, "nbd://user:secret@x/y", NULL);
  g_assert_true (library_update_machine (f->library, remote, &error));
  take = snapshot_take_begin (f->library, remote, &(SnapshotOptions){ 0 }, &error);
  g_assert_null (take);
  g_assert_error (error, LIBRARY_ERROR, LIBRARY_ERROR_INVALID);
  g_assert_nonnull (strstr (error->message, "ahci1"));
  g_assert_null (strstr (error->message, "secret"));
  g_assert_cmpuint (fixture_count (f->folder, ".qcow2"), ==, 1);
  g_clear_error (&error);

  /* A disk that two machines have cannot be snapshotted: the other would be left without it. */
  sharing = fixture_machine (f, other->uuid);
  library_machine_add_attachment (before, LIBRARY_CONTROLLER_AHCI, 0, LIBRARY_MEDIUM_DISK, fixture_drive (sharing)->path,
                                  NULL);
  g_assert_true (library_update_machine (f->library, before, &error));
  g_assert_no_error (error);
  take = snapshot_take_begin (f->library, before, &(SnapshotOptions){ 0 }, &error);
  g_assert_null (take);
  g_assert_error (error, LIBRARY_ERROR, LIBRARY_ERROR_INVALID);
  g_assert_nonnull (strstr (error->message, "other"));
}

/* A record that was read before means what is there now. */
static void
test_stale (Fixture *f, gconstpointer data)
{
  g_autoptr (LibraryMachine) first = fixture_machine (f, f->uuid), second = NULL, after = NULL;
  g_autofree char *a = NULL, *top = NULL;
  g_autoptr (GError) error = NULL;

  fixture_put (f, f->uuid, 5, 1);
  a = fixture_take (f, f->uuid, "a");
  fixture_put (f, f->uuid, 5, 2);
  second = fixture_machine (f, f->uuid);
  top = g_strdup (fixture_drive (second)->path);
  first->cpus = 2;
  g_assert_true (library_update_machine (f->library, first, &error));
  g_assert_no_error (error);
  g_assert_cmpstr (fixture_drive (first)->path, ==, top);
  g_assert_cmpstr (fixture_drive (first)->chain[0], ==, f->root);
  g_assert_cmpint (fixture_get (f, f->uuid, 5), ==, 2);

  g_assert_true (snapshot_delete (f->library, f->uuid, a, &error));
  g_strfreev (fixture_tidy (f, f->uuid));
  second->cpus = 3;
  g_assert_true (library_update_machine (f->library, second, &error));
  g_assert_no_error (error);
  after = fixture_machine (f, f->uuid);
  g_assert_cmpstr (fixture_drive (after)->path, ==, f->root);
  g_assert_cmpuint (after->cpus, ==, 3);
  g_assert_cmpint (fixture_get (f, f->uuid, 5), ==, 2);
}

/* A disk that is detached, or moved to another controller, while snapshots have it. */
static void
test_detach (Fixture *f, gconstpointer data)
{
  g_autoptr (LibraryMachine) machine = NULL, without = NULL, back = NULL;
  g_autofree char *a = NULL, *top = NULL, *tree = NULL;
  g_autoptr (GError) error = NULL;

  fixture_put (f, f->uuid, 5, 1);
  a = fixture_take (f, f->uuid, "a");
  fixture_put (f, f->uuid, 5, 2);
  machine = fixture_machine (f, f->uuid);
  top = g_strdup (fixture_drive (machine)->path);
  g_ptr_array_remove (machine->attachments, fixture_drive (machine));
  g_assert_true (library_update_machine (f->library, machine, &error));
  g_assert_no_error (error);
  g_strfreev (fixture_tidy (f, f->uuid));
  g_assert_true (exists (top));
  g_assert_cmpuint (count_media (f, top), ==, 1);

  /* Elsewhere. */
  library_machine_add_attachment (machine, LIBRARY_CONTROLLER_AHCI, 3, LIBRARY_MEDIUM_DISK, top, "qcow2");
  g_assert_true (library_update_machine (f->library, machine, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (count_media (f, top), ==, 0);
  without = fixture_machine (f, f->uuid);
  g_assert_cmpint (
      fixture_get_drive (library_machine_find_attachment (without, LIBRARY_CONTROLLER_AHCI, 3), 5), ==, 2);
  g_assert_cmpint (fixture_get_then (f, f->uuid, "a", 5), ==, 1);

  /* Thrown away for good. */
  g_ptr_array_set_size (machine->attachments, 0);
  g_assert_true (library_update_machine (f->library, machine, &error));
  g_assert_true (library_forget_medium (f->library, top, &error));
  g_assert_no_error (error);
  g_strfreev (fixture_tidy (f, f->uuid));
  g_assert_false (exists (top));
  g_assert_true (snapshot_restore (f->library, f->uuid, a, &error));
  g_assert_no_error (error);
  back = fixture_machine (f, f->uuid);
  g_assert_cmpuint (back->attachments->len, ==, 2);
  g_assert_cmpint (fixture_get (f, f->uuid, 5), ==, 1);
}

/* A disk of the user's own that was added after the snapshot stays his, in the list of media. */
static void
test_added_disk (Fixture *f, gconstpointer data)
{
  const DiskCreateOptions options = { .format = "raw", .size = DISK_SIZE };
  g_autofree char *a = fixture_take (f, f->uuid, "a"), *extra = g_build_filename (f->home, "extra.img", NULL), *b = NULL;
  g_autoptr (LibraryMachine) machine = fixture_machine (f, f->uuid), after = NULL, both = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_true (disk_create (extra, &options, &error));
  library_machine_add_attachment (machine, LIBRARY_CONTROLLER_AHCI, 0, LIBRARY_MEDIUM_DISK, extra, NULL);
  g_assert_true (library_update_machine (f->library, machine, &error));
  b = fixture_take (f, f->uuid, "b");
  g_assert_true (snapshot_restore (f->library, f->uuid, a, &error));
  after = fixture_machine (f, f->uuid);
  g_assert_null (library_machine_find_attachment (after, LIBRARY_CONTROLLER_AHCI, 0));
  g_assert_true (snapshot_restore (f->library, f->uuid, b, &error));
  both = fixture_machine (f, f->uuid);
  g_assert_cmpstr (library_machine_find_attachment (both, LIBRARY_CONTROLLER_AHCI, 0)->chain[0], ==, extra);
  /* Found to be raw when the layer was made, it is never taken for anything else. */
  g_assert_true (snapshot_delete (f->library, f->uuid, b, &error));
  g_assert_true (snapshot_restore (f->library, f->uuid, a, &error));
  g_assert_no_error (error);
  g_strfreev (fixture_tidy (f, f->uuid));
  g_assert_true (exists (extra));
}

/* Disks that are kept when the machine goes: what they hold now can be attached elsewhere. */
static void
test_keep_disks (Fixture *f, gconstpointer data)
{
  g_autoptr (LibraryMachine) machine = NULL, other = fixture_add (f, "other", "raw");
  g_autofree char *a = NULL, *b = NULL, *top = NULL;
  g_autoptr (GError) error = NULL;

  fixture_put (f, f->uuid, 5, 1);
  a = fixture_take (f, f->uuid, "a");
  fixture_put (f, f->uuid, 5, 2);
  b = fixture_take (f, f->uuid, "b");
  fixture_put (f, f->uuid, 5, 3);
  g_assert_true (snapshot_restore (f->library, f->uuid, a, &error));
  fixture_put (f, f->uuid, 6, 4);
  machine = fixture_machine (f, f->uuid);
  top = g_strdup (fixture_drive (machine)->path);
  g_assert_cmpuint (fixture_count (f->folder, ".qcow2"), ==, 2);
  delete_machine (f, f->uuid, TRUE);
  g_assert_cmpuint (fixture_count (f->folder, ".qcow2"), ==, 1);
  g_assert_true (exists (f->root));
  g_strfreev (fixture_tidy (f, other->uuid));
  g_assert_cmpuint (count_media (f, top), ==, 1);

  library_attachment_set_path (fixture_drive (other), top, NULL);
  g_assert_true (library_update_machine (f->library, other, &error));
  g_assert_no_error (error);
  g_assert_cmpint (fixture_get (f, other->uuid, 5), ==, 1);
  g_assert_cmpint (fixture_get (f, other->uuid, 6), ==, 4);
}

/* The user's image is moved: what lies over it finds it by what the library says. */
static void
test_move (Fixture *f, gconstpointer data)
{
  g_autofree char *to = g_build_filename (f->home, "moved.vdi", NULL), *a = NULL;
  g_autoptr (Disk) disk = NULL;
  g_autoptr (LibraryMachine) machine = NULL;
  g_autoptr (GError) error = NULL;

  fixture_put (f, f->uuid, 5, 1);
  a = fixture_take (f, f->uuid, "a");
  machine = fixture_machine (f, f->uuid);
  g_assert_false (library_move_medium (f->library, fixture_drive (machine)->path, to, &error));
  g_assert_error (error, LIBRARY_ERROR, LIBRARY_ERROR_INVALID);
  g_clear_error (&error);
  g_assert_true (library_move_medium (f->library, f->root, to, &error));
  g_assert_no_error (error);
  g_assert_cmpint (g_rename (f->root, to), ==, 0);
  g_assert_cmpint (fixture_get (f, f->uuid, 5), ==, 1);
  g_assert_cmpint (fixture_get_then (f, f->uuid, "a", 5), ==, 1);
  fixture_put (f, f->uuid, 5, 2);
  /* Other programs find it, too, when the machine was tidied. */
  g_strfreev (fixture_tidy (f, f->uuid));
  disk = disk_open (fixture_drive (machine)->path, DISK_OPEN_READ_ONLY | DISK_OPEN_TRUST, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (disk_layer_path (disk, 1), ==, to);
  g_clear_pointer (&disk, disk_unref);
  g_assert_true (snapshot_delete (f->library, f->uuid, a, &error));
  g_strfreev (fixture_tidy (f, f->uuid));
  g_clear_pointer (&machine, library_machine_free);
  machine = fixture_machine (f, f->uuid);
  g_assert_cmpstr (fixture_drive (machine)->path, ==, to);
  g_assert_cmpint (fixture_get (f, f->uuid, 5), ==, 2);
}

/* An image that may not be written to takes nothing in. */
static void
test_read_only_root (Fixture *f, gconstpointer data)
{
  g_autofree char *a = NULL, *b = NULL;
  g_autoptr (GError) error = NULL;

  if (geteuid () == 0)
    {
      g_test_skip ("root may write to every file");
      return;
    }
  a = fixture_take (f, f->uuid, "a");
  fixture_put (f, f->uuid, 5, 2);
  b = fixture_take (f, f->uuid, "b");
  g_assert_cmpint (g_chmod (f->root, 0400), ==, 0);
  g_assert_true (snapshot_delete (f->library, f->uuid, a, &error));
  g_strfreev (fixture_tidy (f, f->uuid));
  g_assert_cmpuint (fixture_count (f->folder, ".qcow2"), ==, 2);
  g_assert_cmpint (fixture_get_then (f, f->uuid, "b", 5), ==, 2);
}

#define ADD(name, function)                                                                                            \
  g_test_add ("/snapshot/clone/" name, Fixture, "vdi", fixture_set_up, function, fixture_tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("full", test_full);
  ADD ("refused", test_refused);
  ADD ("stopped", test_stopped);
  ADD ("linked", test_linked);
  ADD ("clone-first", test_clone_first);
  ADD ("clone-runs", test_clone_runs);
  ADD ("attach", test_attach);
  ADD ("stale", test_stale);
  ADD ("detach", test_detach);
  ADD ("added-disk", test_added_disk);
  ADD ("keep-disks", test_keep_disks);
  ADD ("move", test_move);
  ADD ("read-only-root", test_read_only_root);
  return g_test_run ();
}
