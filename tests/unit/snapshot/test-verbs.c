/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Taking, going back, deleting: settings, saved states, forecasts, names, and what is refused. */

#include "storage/snapshot/snapshot-private.h"
#include "tests/unit/snapshot/fixture.h"

#include <glib/gstdio.h>
#include <string.h>
#include <time.h>

static void
set_file (const char *path, const char *text)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (g_file_set_contents (path, text, -1, &error));
  g_assert_no_error (error);
}

static void
expect_file (const char *path, const char *text)
{
  g_autofree char *contents = NULL;

  if (!text)
    {
      g_assert_false (g_file_test (path, G_FILE_TEST_EXISTS));
      return;
    }
  g_assert_true (g_file_get_contents (path, &contents, NULL, NULL));
  g_assert_cmpstr (contents, ==, text);
}

static Snapshot *
find (Fixture *f, const char *name)
{
  g_autoptr (LibraryMachine) machine = fixture_machine (f, f->uuid);
  g_autoptr (GError) error = NULL;
  Snapshot *snapshot = snapshot_find (f->library, machine, name, &error);

  g_assert_no_error (error);
  return snapshot;
}

static void
restore (Fixture *f, const char *name)
{
  g_autoptr (Snapshot) snapshot = find (f, name);
  g_autoptr (GError) error = NULL;

  g_assert_true (snapshot_restore (f->library, f->uuid, snapshot->uuid, &error));
  g_assert_no_error (error);
}

static void
delete (Fixture *f, const char *name)
{
  g_autoptr (Snapshot) snapshot = find (f, name);
  g_autoptr (GError) error = NULL;

  g_assert_true (snapshot_delete (f->library, f->uuid, snapshot->uuid, &error));
  g_assert_no_error (error);
}

/* Everything that a record can say comes back. */
static void
test_settings (Fixture *f, gconstpointer data)
{
  g_autoptr (LibraryMachine) machine = fixture_machine (f, f->uuid), changed = NULL, back = NULL;
  g_autofree char *disc = g_build_filename (f->home, "x.iso", NULL), *gone = g_build_filename (f->home, "y.iso", NULL);
  g_autofree char *taken = NULL, *first_mac = NULL, *own_name = g_strdup ("renamed");
  g_autoptr (GError) error = NULL;
  LibraryAdapter *adapter;
  LibraryForward *forward;

  set_file (disc, "x");
  set_file (gone, "y");
  g_free (machine->description);
  machine->description = g_strdup ("a “quoted”\nline");
  machine->os_id = g_strdup ("debian12");
  machine->memory = 256 << 20;
  machine->cpus = 3;
  machine->cpu_model = g_strdup ("x86-64-v2");
  g_free (machine->accel);
  machine->accel = g_strdup ("interp");
  machine->code_cache = 32 << 20;
  machine->boot[0] = LIBRARY_BOOT_NETWORK;
  machine->boot[1] = LIBRARY_BOOT_NONE;
  machine->rtc_utc = FALSE;
  fixture_drive (machine)->no_cache = TRUE;
  fixture_drive (machine)->trusted = TRUE;
  library_attachment_set_path (library_machine_find_drive (machine, LIBRARY_MEDIUM_OPTICAL), disc, "raw");
  library_machine_add_attachment (machine, LIBRARY_CONTROLLER_AHCI, 7, LIBRARY_MEDIUM_OPTICAL, gone, NULL);
  adapter = library_machine_find_adapter (machine, 0);
  adapter->cable = FALSE;
  adapter->param = g_strdup ("host-access");
  library_adapter_add_forward (adapter, TRUE, "127.0.0.2", 53, "10.0.2.9", 5353);
  library_machine_add_adapter (machine, 5, LIBRARY_NET_NONE);
  g_assert_true (library_update_machine (f->library, machine, &error));
  g_assert_no_error (error);
  first_mac = g_strdup (adapter->mac);
  taken = fixture_take (f, f->uuid, "then");

  changed = fixture_machine (f, f->uuid);
  g_free (changed->name);
  changed->name = g_strdup (own_name);
  g_clear_pointer (&changed->description, g_free);
  g_clear_pointer (&changed->os_id, g_free);
  g_clear_pointer (&changed->cpu_model, g_free);
  changed->memory = 64 << 20;
  changed->cpus = 1;
  changed->rtc_utc = TRUE;
  g_ptr_array_set_size (changed->adapters, 0);
  library_machine_add_adapter (changed, 3, LIBRARY_NET_NAT);
  g_ptr_array_set_size (changed->attachments, 1);
  fixture_drive (changed)->no_cache = fixture_drive (changed)->trusted = FALSE;
  g_assert_true (library_update_machine (f->library, changed, &error));
  g_assert_no_error (error);
  g_unlink (gone);

  restore (f, "then");
  back = fixture_machine (f, f->uuid);
  g_assert_cmpstr (back->name, ==, "renamed");
  g_assert_cmpint (back->created, ==, machine->created);
  g_assert_cmpstr (back->description, ==, "a “quoted”\nline");
  g_assert_cmpstr (back->os_id, ==, "debian12");
  g_assert_cmpuint (back->memory, ==, 256 << 20);
  g_assert_cmpuint (back->cpus, ==, 3);
  g_assert_cmpstr (back->cpu_model, ==, "x86-64-v2");
  g_assert_cmpstr (back->accel, ==, "interp");
  g_assert_cmpstr (back->firmware, ==, "bios");
  g_assert_cmpstr (back->chipset, ==, "piix3");
  g_assert_cmpuint (back->code_cache, ==, 32 << 20);
  g_assert_cmpint (back->boot[0], ==, LIBRARY_BOOT_NETWORK);
  g_assert_cmpint (back->boot[1], ==, LIBRARY_BOOT_NONE);
  g_assert_false (back->rtc_utc);
  g_assert_cmpuint (back->attachments->len, ==, 3);
  g_assert_true (fixture_drive (back)->no_cache && fixture_drive (back)->trusted);
  g_assert_cmpstr (library_machine_find_attachment (back, LIBRARY_CONTROLLER_IDE, 2)->path, ==, disc);
  g_assert_cmpstr (library_machine_find_attachment (back, LIBRARY_CONTROLLER_IDE, 2)->format, ==, "raw");
  /* A disc that is not there any more is not in the drive. */
  g_assert_null (library_machine_find_attachment (back, LIBRARY_CONTROLLER_AHCI, 7)->path);
  g_assert_cmpuint (back->adapters->len, ==, 2);
  adapter = library_machine_find_adapter (back, 0);
  g_assert_cmpstr (adapter->mac, ==, first_mac);
  g_assert_cmpstr (adapter->model, ==, "e1000");
  g_assert_cmpstr (adapter->param, ==, "host-access");
  g_assert_false (adapter->cable);
  g_assert_cmpint (library_machine_find_adapter (back, 5)->kind, ==, LIBRARY_NET_NONE);
  g_assert_cmpuint (adapter->forwards->len, ==, 2);
  forward = adapter->forwards->pdata[1];
  g_assert_true (forward->udp);
  g_assert_cmpstr (forward->host_address, ==, "127.0.0.2");
  g_assert_cmpuint (forward->host_port, ==, 53);
  g_assert_cmpstr (forward->guest_address, ==, "10.0.2.9");
  g_assert_cmpuint (forward->guest_port, ==, 5353);
}

/* Text that somebody cut or changed gives an error, or other settings, and nothing worse. */
static void
test_damaged_settings (Fixture *f, gconstpointer data)
{
  g_autoptr (LibraryMachine) machine = fixture_machine (f, f->uuid), other = NULL;
  g_autofree char *text = snapshot_settings_format (machine);
  g_autoptr (GError) error = NULL;
  size_t length = strlen (text);
  unsigned refused = 0;

  other = snapshot_settings_parse ("{'boot': <'disk'>, 'attachments': <@aa{sv} []>, 'adapters': <@aa{sv} []>, "
                                   "'unknown': <42>, 'memory': <'much'>}", machine, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (other->memory, ==, UINT64_C (1) << 30);
  g_assert_cmpuint (other->attachments->len, ==, 0);
  for (size_t i = 0; i < length; i++)
    {
      g_autofree char *cut = g_strndup (text, i), *changed = g_strdup (text);
      g_autoptr (LibraryMachine) parsed = snapshot_settings_parse (cut, machine, &error);

      g_assert_null (parsed);
      g_assert_error (error, LIBRARY_ERROR, LIBRARY_ERROR_FAILED);
      g_clear_error (&error);
      changed[i] = "0<'{z"[i % 5];
      parsed = snapshot_settings_parse (changed, machine, &error);
      g_assert_true ((parsed == NULL) == (error != NULL));
      refused += parsed == NULL;
      g_clear_error (&error);
    }
  g_assert_cmpuint (refused, >, length / 4);
}

static void
test_tree (Fixture *f, gconstpointer data)
{
  g_autoptr (LibraryMachine) machine = fixture_machine (f, f->uuid);
  g_autofree char *a = fixture_take (f, f->uuid, "a"), *b = fixture_take (f, f->uuid, "b"), *c = NULL, *d = NULL;
  g_autofree char *before = NULL, *renamed = NULL, *after = NULL, *unnamed = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (Snapshot) found = NULL;
  const SnapshotOptions none = { 0 };
  Snapshot *missing;

  restore (f, "a");
  c = fixture_take (f, f->uuid, "c");
  d = fixture_take (f, f->uuid, "d");
  restore (f, "c");
  before = fixture_tree (f, f->uuid);
  g_assert_cmpstr (before, ==, "a a>b a>c* c>d");

  g_assert_true (snapshot_edit (f->library, f->uuid, c, "b", "why", &error));
  g_assert_true (snapshot_edit (f->library, f->uuid, d, NULL, "of d", &error));
  g_assert_false (snapshot_edit (f->library, f->uuid, d, "", NULL, &error));
  g_assert_error (error, LIBRARY_ERROR, LIBRARY_ERROR_INVALID);
  g_clear_error (&error);
  renamed = fixture_tree (f, f->uuid);
  g_assert_cmpstr (renamed, ==, "a a>b a>b* b>d");
  found = find (f, "d");
  g_assert_cmpstr (found->description, ==, "of d");
  g_assert_cmpstr (found->parent, ==, c);
  g_assert_cmpstr (found->settings->name, ==, "one");
  missing = snapshot_find (f->library, machine, "b", &error);
  g_assert_null (missing);
  g_assert_error (error, LIBRARY_ERROR, LIBRARY_ERROR_INVALID);
  g_clear_error (&error);
  missing = snapshot_find (f->library, machine, "nothing", &error);
  g_assert_null (missing);
  g_assert_error (error, LIBRARY_ERROR, LIBRARY_ERROR_NOT_FOUND);
  g_clear_error (&error);
  missing = snapshot_find (f->library, machine, b, &error);
  g_assert_nonnull (missing);
  snapshot_free (missing);

  delete (f, a);
  delete (f, c);
  after = fixture_tree (f, f->uuid);
  g_assert_cmpstr (after, ==, "b d");
  unnamed = snapshot_take_off (f->library, machine, &none, &error);
  g_assert_no_error (error);
  g_clear_pointer (&after, g_free);
  after = fixture_tree (f, f->uuid);
  g_assert_cmpstr (after, ==, "b d Snapshot 3*");
  g_assert_false (snapshot_delete (f->library, f->uuid, a, &error));
  g_assert_error (error, LIBRARY_ERROR, LIBRARY_ERROR_NOT_FOUND);
}

/* Of a machine with a saved state, whether that is of the present or of then. */
static void
test_states (Fixture *f, gconstpointer data)
{
  g_autoptr (LibraryMachine) machine = fixture_machine (f, f->uuid);
  g_autofree char *saved = library_saved_state_path (machine), *off = fixture_take (f, f->uuid, "off"), *with = NULL;
  g_autoptr (Snapshot) found = NULL, without = NULL;
  g_autofree char *other = g_build_filename (f->home, "other", NULL);

  set_file (saved, "state");
  with = fixture_take (f, f->uuid, "with");
  expect_file (saved, "state");
  found = find (f, "with");
  expect_file (found->state_path, "state");
  g_assert_cmpuint (found->size, >=, 4096);
  without = find (f, "off");
  g_assert_null (without->state_path);

  /* The next start replaces the file. */
  set_file (other, "another");
  g_assert_cmpint (g_rename (other, saved), ==, 0);
  restore (f, "with");
  expect_file (saved, "state");
  restore (f, "with");
  expect_file (saved, "state");
  g_assert_cmpuint (fixture_count (f->folder, ".state"), ==, 1);
  restore (f, "off");
  expect_file (saved, NULL);
  restore (f, "with");
  delete (f, "with");
  expect_file (saved, "state");
  g_assert_cmpuint (fixture_count (f->folder, ".state"), ==, 0);
}

/* Of a machine that goes on at once: it is told what from, and nothing is left that another start could go on from. */
static void
test_restore_running (Fixture *f, gconstpointer data)
{
  g_autoptr (LibraryMachine) machine = fixture_machine (f, f->uuid);
  g_autofree char *saved = library_saved_state_path (machine), *off = fixture_take (f, f->uuid, "off"), *with = NULL,
                  *state = NULL, *none = NULL, *tree = NULL;
  g_autoptr (Snapshot) found = NULL;
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) did = NULL;

  fixture_put (f, f->uuid, 7, 1);
  set_file (saved, "state");
  with = fixture_take (f, f->uuid, "with");
  found = find (f, "with");
  fixture_put (f, f->uuid, 7, 2);

  /* The saved state is there still: the machine cannot run. It goes all the same. */
  g_assert_true (snapshot_restore_running (f->library, f->uuid, with, &state, &error));
  g_assert_no_error (error);
  g_assert_cmpstr (state, ==, found->state_path);
  expect_file (state, "state");
  expect_file (saved, NULL);
  g_assert_cmpint (fixture_get (f, f->uuid, 7), ==, 1);

  fixture_put (f, f->uuid, 7, 3);
  g_clear_pointer (&state, g_free);
  g_assert_true (snapshot_restore_running (f->library, f->uuid, with, &state, &error));
  g_assert_no_error (error);
  g_assert_cmpstr (state, ==, found->state_path);
  expect_file (saved, NULL);
  g_assert_cmpint (fixture_get (f, f->uuid, 7), ==, 1);

  g_assert_true (snapshot_restore_running (f->library, f->uuid, off, &none, &error));
  g_assert_no_error (error);
  g_assert_null (none);
  g_assert_cmpint (fixture_get (f, f->uuid, 7), ==, 0);
  tree = fixture_tree (f, f->uuid);
  g_assert_cmpstr (tree, ==, "off* off>with");
  did = fixture_tidy (f, f->uuid);
  g_assert_null (did);

  g_assert_false (snapshot_restore_running (f->library, f->uuid, "nothing", &none, &error));
  g_assert_error (error, LIBRARY_ERROR, LIBRARY_ERROR_NOT_FOUND);
  g_assert_null (none);
}

static void
test_running (Fixture *f, gconstpointer data)
{
  static const uint8_t png[5000] = { 'p', 'n', 'g' };
  g_autoptr (LibraryMachine) machine = fixture_machine (f, f->uuid), after = NULL;
  g_autoptr (GBytes) thumbnail = g_bytes_new_static (png, sizeof png);
  const SnapshotOptions options = { .name = "live", .description = "", .kind = SNAPSHOT_AUTOMATIC, .thumbnail = thumbnail };
  g_autoptr (Disk) disk = fixture_open (fixture_drive (machine), 0);
  g_autoptr (GError) error = NULL;
  g_autoptr (SnapshotTake) take = NULL;
  g_autoptr (Snapshot) found = NULL;
  g_auto (GStrv) did = NULL;
  uint8_t data_then[512] = { 1 }, data_now[512] = { 2 }, data_read[512];
  GPtrArray *disks;
  DiskLayer *layer;
  const SnapshotDisk *first;

  g_assert_true (disk_write (disk, 0, data_then, sizeof data_then, &error));
  take = snapshot_take_begin (f->library, machine, &options, &error);
  g_assert_no_error (error);
  disks = snapshot_take_disks (take);
  g_assert_cmpuint (disks->len, ==, 1);
  first = disks->pdata[0];
  g_assert_cmpstr (first->slot, ==, "ide0");
  g_assert_cmpstr (first->base, ==, f->root);
  layer = disk_layer_prepare (disk, first->layer, &error);
  g_assert_no_error (error);
  g_assert_true (snapshot_take_commit (take, &error));
  disk_layer_push (disk, layer);
  g_assert_true (disk_write (disk, 0, data_now, sizeof data_now, &error));
  g_assert_true (disk_settle (disk, &error));
  /* Not finished: it is not to be seen yet, and nobody takes it for a leftover. */
  {
    g_autoptr (GPtrArray) list = snapshot_list (f->library, machine, FALSE, &error);
    g_autoptr (GPtrArray) all = snapshot_list (f->library, machine, TRUE, &error);

    g_assert_cmpuint (list->len, ==, 0);
    g_assert_cmpuint (all->len, ==, 1);
  }
  set_file (snapshot_take_state_path (take), "memory");
  g_assert_true (snapshot_tidy (f->library, f->uuid, &(SnapshotTidy){ 0 }, &did, &error));
  g_assert_no_error (error);
  g_assert_null (did);
  g_assert_true (snapshot_take_finish (take, TRUE, &error));
  g_assert_no_error (error);
  found = find (f, snapshot_take_uuid (take));
  g_assert_cmpint (found->kind, ==, SNAPSHOT_AUTOMATIC);
  g_assert_null (found->description);
  expect_file (found->state_path, "memory");
  g_assert_true (g_file_test (found->thumbnail_path, G_FILE_TEST_EXISTS));
  g_assert_true (found->is_current);
  g_clear_pointer (&disk, disk_unref);

  after = fixture_machine (f, f->uuid);
  g_assert_cmpstr (fixture_drive (after)->path, ==, first->layer);
  g_assert_cmpstr (fixture_drive (after)->chain[0], ==, f->root);
  disk = fixture_open (fixture_drive (found->settings), DISK_OPEN_READ_ONLY);
  g_assert_true (disk_read (disk, 0, data_read, sizeof data_read, &error));
  g_assert_cmpint (data_read[0], ==, 1);
}

/* One that is given up, before and after its transaction, leaves nothing. */
static void
test_given_up (Fixture *f, gconstpointer data)
{
  g_autoptr (LibraryMachine) machine = fixture_machine (f, f->uuid);
  const SnapshotOptions options = { .name = "x" };
  g_autofree char *tree = NULL;

  for (unsigned committed = 0; committed < 2; committed++)
    {
      g_autoptr (GError) error = NULL;
      SnapshotTake *take = snapshot_take_begin (f->library, machine, &options, &error);
      g_auto (GStrv) did = NULL;

      g_assert_no_error (error);
      set_file (snapshot_take_state_path (take), "half");
      g_assert_true (!committed || snapshot_take_commit (take, &error));
      snapshot_take_free (take);
      did = fixture_tidy (f, f->uuid);
      g_assert_null (did);
      g_assert_cmpuint (fixture_count (f->folder, ""), ==, 0);
      g_clear_pointer (&machine, library_machine_free);
      machine = fixture_machine (f, f->uuid);
      g_assert_cmpstr (fixture_drive (machine)->path, ==, f->root);
    }
  tree = fixture_tree (f, f->uuid);
  g_assert_cmpstr (tree, ==, "");
}

/* Merging while the machine runs: the disk that has the image in its chain does it, and is told of its new top. */
typedef struct
{
  Disk *disk;
  unsigned moves;
  char *path;
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

static void
on_moved (void *opaque, const char *slot, const char *path)
{
  Running *running = opaque;

  g_assert_cmpstr (slot, ==, "ide0");
  running->moves++;
  g_free (running->path);
  running->path = g_strdup (path);
}

static void
test_tidy_running (Fixture *f, gconstpointer data)
{
  g_autofree char *a = NULL, *b = NULL, *c = NULL, *side = NULL;
  g_autoptr (LibraryMachine) machine = NULL, after = NULL;
  g_autoptr (GError) error = NULL;
  Running running = { 0 };
  const SnapshotTidy options = { .find_disk = find_disk, .moved = on_moved, .opaque = &running };

  fixture_put (f, f->uuid, 1, 1);
  a = fixture_take (f, f->uuid, "a");
  fixture_put (f, f->uuid, 2, 2);
  side = fixture_take (f, f->uuid, "side");
  fixture_put (f, f->uuid, 2, 22);
  restore (f, "a");
  fixture_put (f, f->uuid, 3, 3);
  b = fixture_take (f, f->uuid, "b");
  fixture_put (f, f->uuid, 4, 4);
  c = fixture_take (f, f->uuid, "c");
  fixture_put (f, f->uuid, 5, 5);
  machine = fixture_machine (f, f->uuid);
  running.disk = fixture_open (fixture_drive (machine), 0);
  g_assert_cmpuint (disk_layer_count (running.disk), ==, 4);
  delete (f, "b");
  delete (f, "c");
  delete (f, "side");
  g_assert_true (snapshot_tidy (f->library, f->uuid, &options, NULL, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (disk_layer_count (running.disk), ==, 2);
  g_assert_cmpuint (running.moves, ==, 1);
  after = fixture_machine (f, f->uuid);
  g_assert_cmpstr (fixture_drive (after)->path, ==, running.path);
  g_assert_cmpstr (disk_path (running.disk), ==, running.path);
  g_assert_cmpuint (fixture_count (f->folder, ".qcow2"), ==, 1);
  disk_unref (running.disk);
  for (int i = 1; i <= 5; i++)
    g_assert_cmpint (fixture_get (f, f->uuid, (unsigned) i), ==, i == 2 ? 0 : i);
  g_assert_cmpint (fixture_get_then (f, f->uuid, "a", 3), ==, 0);
  g_free (running.path);
}

static void
fill (Fixture *f, uint64_t from, uint64_t length, int byte)
{
  g_autoptr (LibraryMachine) machine = fixture_machine (f, f->uuid);
  g_autoptr (Disk) disk = fixture_open (fixture_drive (machine), 0);
  g_autofree uint8_t *data = g_malloc (length);

  memset (data, byte, length);
  g_assert_true (disk_write (disk, from, data, length, NULL));
}

static uint64_t
files_size (Fixture *f)
{
  g_autofree char *folder = g_build_filename (f->folder, "Snapshots", NULL);
  const char *paths[] = { folder, f->root };
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  uint64_t size = 0;
  const char *name;
  GStatBuf info;

  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (folder, name, NULL);

      g_assert_cmpint (g_stat (path, &info), ==, 0);
      size += (uint64_t) info.st_blocks * 512;
    }
  g_assert_cmpint (g_stat (paths[1], &info), ==, 0);
  return size + (uint64_t) info.st_blocks * 512;
}

/* What is foretold comes true, within what a file's own tables take. */
static void
test_forecast (Fixture *f, gconstpointer data)
{
  static const char *const order[] = { "b", "a", "c" };
  enum { MIB = 1 << 20, SLACK = 600 << 10 };
  SnapshotForecast forecast;

  for (unsigned i = 0; i < 3; i++)
    {
      g_autofree char *uuid = NULL;

      fill (f, 0, MIB, 1 + (int) i);
      if (i > 0)
        fill (f, MIB, MIB / 2 * i, 100);
      uuid = fixture_take (f, f->uuid, (const char *[]){ "a", "b", "c" }[i]);
    }
  fill (f, 0, MIB, 9);
  for (unsigned i = 0; i < G_N_ELEMENTS (order); i++)
    {
      g_autoptr (Snapshot) snapshot = find (f, order[i]);
      g_autoptr (GError) error = NULL;
      uint64_t before = files_size (f), after;

      g_assert_true (snapshot_forecast_delete (f->library, f->uuid, snapshot->uuid, &forecast, &error));
      g_assert_no_error (error);
      delete (f, order[i]);
      g_strfreev (fixture_tidy (f, f->uuid));
      after = files_size (f);
      g_test_message ("%s: frees %llu, copies %llu; freed %lld", order[i], (unsigned long long) forecast.frees,
                      (unsigned long long) forecast.copies, (long long) (before - after));
      g_assert_false (forecast.waits);
      g_assert_cmpuint (forecast.copies, >=, MIB);
      g_assert_cmpuint (forecast.copies, <=, 2 * MIB + SLACK);
      g_assert_cmpuint (forecast.frees + SLACK, >, before - after);
      g_assert_cmpuint (forecast.frees, <, before - after + SLACK);
    }
}

/* A branch that other things need stays; a leaf frees its own layer. */
static void
test_forecast_branches (Fixture *f, gconstpointer data)
{
  g_autofree char *a = fixture_take (f, f->uuid, "a"), *b = NULL, *c = NULL;
  g_autoptr (GError) error = NULL;
  SnapshotForecast forecast;

  fill (f, 0, 1 << 20, 7);
  b = fixture_take (f, f->uuid, "b");
  restore (f, "a");
  fill (f, 0, 1 << 20, 8);
  c = fixture_take (f, f->uuid, "c");
  g_assert_true (snapshot_forecast_delete (f->library, f->uuid, a, &forecast, &error));
  g_assert_no_error (error);
  g_assert_true (forecast.waits);
  g_assert_cmpuint (forecast.copies, ==, 0);
  g_assert_cmpuint (forecast.frees, ==, 0);
  delete (f, "a");
  g_strfreev (fixture_tidy (f, f->uuid));
  /* Only one branch needs the image at the bottom then. */
  g_assert_true (snapshot_forecast_delete (f->library, f->uuid, b, &forecast, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (forecast.frees, >=, 1 << 20);
  g_assert_cmpuint (forecast.copies, >=, 1 << 20);
  g_assert_false (forecast.waits);
  delete (f, "b");
  g_strfreev (fixture_tidy (f, f->uuid));
  g_assert_cmpint (fixture_get (f, f->uuid, 0), ==, 8);
  g_assert_cmpint (fixture_get_then (f, f->uuid, "c", 0), ==, 8);
  g_assert_cmpuint (fixture_count (f->folder, ".qcow2"), ==, 1);
}

/* A hundred are listed in no time. */
static void
test_many (Fixture *f, gconstpointer data)
{
  g_autoptr (LibraryMachine) machine = fixture_machine (f, f->uuid);
  int64_t start, took;
  clock_t used;

  start = g_get_monotonic_time ();
  for (unsigned i = 0; i < 100; i++)
    g_free (fixture_take (f, f->uuid, NULL));
  g_test_message ("taking one took %lld µs", (long long) (g_get_monotonic_time () - start) / 100);
  start = g_get_monotonic_time ();
  restore (f, "Snapshot 100");
  g_test_message ("going back over 100 layers took %lld µs", (long long) (g_get_monotonic_time () - start));
  start = g_get_monotonic_time ();
  restore (f, "Snapshot 1");
  g_test_message ("going back to the first took %lld µs", (long long) (g_get_monotonic_time () - start));
  start = g_get_monotonic_time ();
  used = clock ();
  for (unsigned i = 0; i < 10; i++)
    {
      g_autoptr (GPtrArray) list = snapshot_list (f->library, machine, FALSE, NULL);

      g_assert_cmpuint (list->len, ==, 100);
      g_assert_cmpuint (((Snapshot *) list->pdata[99])->settings->attachments->len, ==, 2);
    }
  took = (g_get_monotonic_time () - start) / 10;
  used = (clock () - used) / 10;
  g_test_message ("listing 100 snapshots took %lld µs, %lld µs of the processor", (long long) took,
                  (long long) used * 1000000 / CLOCKS_PER_SEC);
  g_assert_cmpint ((long long) used * 1000000 / CLOCKS_PER_SEC, <, 50000);
}

static void
test_drive (Fixture *f, gconstpointer data)
{
  g_autofree char *a = NULL, *tree = NULL, *saved = NULL;
  g_autoptr (LibraryMachine) machine = fixture_machine (f, f->uuid), before = NULL, after = NULL;
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) did = NULL;

  saved = library_saved_state_path (machine);
  fixture_put (f, f->uuid, 0, 1);
  a = fixture_take (f, f->uuid, "a");
  fixture_put (f, f->uuid, 0, 2);
  set_file (saved, "of now");
  before = fixture_machine (f, f->uuid);
  g_assert_true (snapshot_drive_begin (f->library, f->uuid, a, &error));
  g_assert_no_error (error);
  g_assert_true (snapshot_in_drive (f->library, f->uuid));
  g_assert_cmpint (fixture_get (f, f->uuid, 0), ==, 1);
  expect_file (saved, NULL);
  g_assert_false (snapshot_drive_begin (f->library, f->uuid, NULL, &error));
  g_assert_error (error, LIBRARY_ERROR, LIBRARY_ERROR_EXISTS);
  g_clear_error (&error);
  fixture_put (f, f->uuid, 0, 3);
  tree = fixture_tree (f, f->uuid);
  g_assert_cmpstr (tree, ==, "a*");
  g_assert_true (snapshot_drive_end (f->library, f->uuid, SNAPSHOT_DRIVE_DISCARD, NULL, &error));
  g_assert_no_error (error);
  g_assert_cmpint (fixture_get (f, f->uuid, 0), ==, 2);
  expect_file (saved, "of now");
  g_assert_false (snapshot_in_drive (f->library, f->uuid));
  /* It is the same image again: nothing has to be merged. */
  after = fixture_machine (f, f->uuid);
  g_assert_cmpstr (fixture_drive (after)->path, ==, fixture_drive (before)->path);
  g_assert_cmpuint (fixture_count (f->folder, ""), ==, 1);
  g_assert_false (snapshot_drive_end (f->library, f->uuid, SNAPSHOT_DRIVE_KEEP, NULL, &error));
  g_assert_error (error, LIBRARY_ERROR, LIBRARY_ERROR_NOT_FOUND);
  g_clear_error (&error);

  /* One that was killed. */
  g_assert_true (snapshot_drive_begin (f->library, f->uuid, NULL, &error));
  fixture_put (f, f->uuid, 0, 4);
  did = fixture_tidy (f, f->uuid);
  g_assert_null (did);
  g_assert_cmpint (fixture_get (f, f->uuid, 0), ==, 4);
  fixture_kill_drive (f, f->uuid);
  did = fixture_tidy (f, f->uuid);
  g_assert_cmpuint (g_strv_length (did), ==, 1);
  g_assert_cmpint (fixture_get (f, f->uuid, 0), ==, 2);

  /* One that is kept, with a snapshot taken within it. */
  g_assert_true (snapshot_drive_begin (f->library, f->uuid, NULL, &error));
  fixture_put (f, f->uuid, 0, 5);
  g_free (fixture_take (f, f->uuid, "within"));
  fixture_put (f, f->uuid, 0, 6);
  g_assert_true (snapshot_drive_end (f->library, f->uuid, SNAPSHOT_DRIVE_KEEP_AS_SNAPSHOT, "kept", &error));
  g_assert_no_error (error);
  g_strfreev (fixture_tidy (f, f->uuid));
  g_clear_pointer (&tree, g_free);
  tree = fixture_tree (f, f->uuid);
  g_assert_cmpstr (tree, ==, "a a>within within>kept*");
  g_assert_cmpint (fixture_get_then (f, f->uuid, "within", 0), ==, 5);
  g_assert_cmpint (fixture_get_then (f, f->uuid, "kept", 0), ==, 6);

  /* One that is thrown away, with a snapshot in it that stays. */
  g_assert_true (snapshot_drive_begin (f->library, f->uuid, NULL, &error));
  fixture_put (f, f->uuid, 0, 7);
  g_free (fixture_take (f, f->uuid, "stays"));
  g_assert_true (snapshot_drive_end (f->library, f->uuid, SNAPSHOT_DRIVE_DISCARD, NULL, &error));
  g_assert_no_error (error);
  g_strfreev (fixture_tidy (f, f->uuid));
  g_clear_pointer (&tree, g_free);
  tree = fixture_tree (f, f->uuid);
  g_assert_cmpstr (tree, ==, "a a>within within>kept* kept>stays");
  g_assert_cmpint (fixture_get (f, f->uuid, 0), ==, 6);
  g_assert_cmpint (fixture_get_then (f, f->uuid, "stays", 0), ==, 7);
}

/* An image of the user's own that is based on another, out of its folder: followed if he trusts it, by every verb. */
static void
test_trusted (Fixture *f, gconstpointer data)
{
  g_autofree char *base = g_build_filename (f->home, "base.vdi", NULL), *over = g_build_filename (f->folder, "over.qcow2", NULL),
                  *a = NULL, *b = NULL;
  const DiskCreateOptions plain = { .format = "vdi", .size = DISK_SIZE }, based = { .format = "qcow2", .base = base };
  g_autoptr (LibraryMachine) machine = fixture_machine (f, f->uuid), after = NULL;
  g_autoptr (GError) error = NULL;
  SnapshotForecast forecast;

  g_assert_true (disk_create (base, &plain, &error) && disk_create (over, &based, &error));
  g_assert_no_error (error);
  library_attachment_set_path (fixture_drive (machine), over, NULL);
  fixture_drive (machine)->trusted = TRUE;
  g_assert_true (library_update_machine (f->library, machine, &error));
  a = fixture_take (f, f->uuid, "a");
  b = fixture_take (f, f->uuid, "b");
  snapshot_restore (f->library, f->uuid, a, &error);
  g_assert_no_error (error);
  g_assert_true (snapshot_forecast_delete (f->library, f->uuid, a, &forecast, &error));
  g_assert_true (snapshot_delete (f->library, f->uuid, b, &error) && snapshot_delete (f->library, f->uuid, a, &error));
  g_assert_no_error (error);
  g_strfreev (fixture_tidy (f, f->uuid));
  after = fixture_machine (f, f->uuid);
  g_assert_cmpstr (fixture_drive (after)->path, ==, over);
  g_assert_cmpstr (fixture_drive (after)->format, ==, "qcow2");
  g_assert_cmpuint (fixture_count (f->folder, ""), ==, 0);

  /* Without it going back is refused before anything is given up. */
  fixture_drive (after)->trusted = FALSE;
  g_assert_true (library_update_machine (f->library, after, &error));
  g_clear_pointer (&a, g_free);
  a = fixture_take (f, f->uuid, "a");
  g_assert_false (snapshot_restore (f->library, f->uuid, a, &error));
  g_assert_error (error, DISK_ERROR, DISK_ERROR_NOT_FOLLOWED);
  g_assert_cmpuint (fixture_count (f->folder, ""), ==, 1);
}

/* A machine may have no disk. */
static void
test_no_disk (Fixture *f, gconstpointer data)
{
  g_autoptr (LibraryMachine) machine = fixture_machine (f, f->uuid), back = NULL;
  g_autofree char *a = NULL, *tree = NULL;
  g_autoptr (GError) error = NULL;

  g_ptr_array_set_size (machine->attachments, 0);
  machine->cpus = 2;
  g_assert_true (library_update_machine (f->library, machine, &error));
  a = fixture_take (f, f->uuid, "a");
  machine->cpus = 4;
  g_assert_true (library_update_machine (f->library, machine, &error));
  g_assert_true (snapshot_restore (f->library, f->uuid, a, &error));
  g_assert_no_error (error);
  back = fixture_machine (f, f->uuid);
  g_assert_cmpuint (back->cpus, ==, 2);
  g_assert_cmpuint (back->attachments->len, ==, 0);
  tree = fixture_tree (f, f->uuid);
  g_assert_cmpstr (tree, ==, "a*");
  g_assert_true (snapshot_delete (f->library, f->uuid, a, &error));
  g_strfreev (fixture_tidy (f, f->uuid));
}

#define ADD(name, function)                                                                                            \
  g_test_add ("/snapshot/verbs/" name, Fixture, "vdi", fixture_set_up, function, fixture_tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("settings", test_settings);
  ADD ("damaged-settings", test_damaged_settings);
  ADD ("tree", test_tree);
  ADD ("states", test_states);
  ADD ("restore-running", test_restore_running);
  ADD ("running", test_running);
  ADD ("given-up", test_given_up);
  ADD ("tidy-running", test_tidy_running);
  ADD ("forecast", test_forecast);
  ADD ("forecast-branches", test_forecast_branches);
  ADD ("many", test_many);
  ADD ("drive", test_drive);
  ADD ("trusted", test_trusted);
  ADD ("no-disk", test_no_disk);
  return g_test_run ();
}
