/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Machines in the library: what is stored comes back, what is out of range does not get in. */

#include "tests/unit/library/fixture.h"

#include <glib/gstdio.h>
#include <sqlite3.h>
#include <string.h>

GResource *library_resources_get_resource (void);

static void
test_round_trip (Fixture *fixture, gconstpointer data)
{
  g_autoptr (LibraryMachine) machine = library_machine_new ("Debian 12");
  g_autoptr (LibraryMachine) found = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *disk = NULL, *boot = NULL;
  LibraryAttachment *attachment;
  LibraryAdapter *adapter;
  LibraryForward *forward;

  machine->memory = UINT64_C (512) << 20;
  machine->code_cache = UINT64_C (32) << 20;
  machine->cpus = 2;
  machine->os_id = g_strdup ("debian12");
  machine->description = g_strdup ("line one\nline two");
  machine->rtc_utc = FALSE;
  machine->automatic = (LibraryAutomatic) { .before_disc = TRUE, .every = 90, .keep = 7, .space = UINT64_C (3) << 40 };
  g_assert_true (library_boot_parse ("network,cdrom", machine->boot, &error));
  g_assert_true (library_add_machine (fixture->library, machine, &error));
  g_assert_no_error (error);
  g_assert_true (g_file_test (machine->folder, G_FILE_TEST_IS_DIR));

  disk = library_new_disk_path (machine, "vdi");
  g_assert_true (g_str_has_prefix (disk, machine->folder));
  library_machine_add_drive (machine, LIBRARY_CONTROLLER_IDE, LIBRARY_MEDIUM_DISK, disk, "vdi");
  library_machine_add_attachment (machine, LIBRARY_CONTROLLER_IDE, 2, LIBRARY_MEDIUM_OPTICAL, "/a b/c.iso", NULL);
  library_machine_add_drive (machine, LIBRARY_CONTROLLER_FLOPPY, LIBRARY_MEDIUM_FLOPPY, NULL, NULL);
  library_machine_add_attachment (machine, LIBRARY_CONTROLLER_AHCI, 29, LIBRARY_MEDIUM_OPTICAL, NULL, NULL);
  library_machine_add_attachment (machine, LIBRARY_CONTROLLER_VIRTIO, 15, LIBRARY_MEDIUM_DISK, "/v.qcow2", "qcow2");
  adapter = library_machine_add_adapter (machine, 3, LIBRARY_NET_NAT);
  adapter->param = g_strdup ("host-access");
  adapter->cable = FALSE;
  library_adapter_add_forward (adapter, TRUE, "0.0.0.0", 53, "10.0.2.16", 5353);
  library_machine_add_adapter (machine, 1, LIBRARY_NET_NONE);
  g_assert_true (library_update_machine (fixture->library, machine, &error));
  g_assert_no_error (error);

  found = library_find (fixture->library, machine->uuid, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (found->name, ==, "Debian 12");
  g_assert_cmpstr (found->folder, ==, machine->folder);
  g_assert_cmpstr (found->description, ==, "line one\nline two");
  g_assert_cmpstr (found->os_id, ==, "debian12");
  g_assert_cmpuint (found->memory, ==, UINT64_C (512) << 20);
  g_assert_cmpuint (found->code_cache, ==, UINT64_C (32) << 20);
  g_assert_cmpuint (found->cpus, ==, 2);
  g_assert_false (found->rtc_utc);
  g_assert_true (found->automatic.before_disc);
  g_assert_cmpuint (found->automatic.every, ==, 90);
  g_assert_cmpuint (found->automatic.keep, ==, 7);
  g_assert_cmpuint (found->automatic.space, ==, UINT64_C (3) << 40);
  boot = library_boot_format (found->boot);
  g_assert_cmpstr (boot, ==, "network,cdrom");
  g_assert_cmpuint (found->attachments->len, ==, 5);
  attachment = g_ptr_array_index (found->attachments, 0);
  g_assert_cmpstr (attachment->path, ==, disk);
  g_assert_cmpstr (attachment->format, ==, "vdi");
  attachment = g_ptr_array_index (found->attachments, 1);
  g_assert_cmpuint (attachment->unit, ==, 2);
  g_assert_cmpstr (attachment->path, ==, "/a b/c.iso");
  attachment = g_ptr_array_index (found->attachments, 2);
  g_assert_cmpint (attachment->controller, ==, LIBRARY_CONTROLLER_FLOPPY);
  g_assert_null (attachment->path);
  attachment = library_machine_find_attachment (found, LIBRARY_CONTROLLER_AHCI, 29);
  g_assert_cmpint (attachment->kind, ==, LIBRARY_MEDIUM_OPTICAL);
  attachment = library_machine_find_attachment (found, LIBRARY_CONTROLLER_VIRTIO, 15);
  g_assert_cmpstr (attachment->path, ==, "/v.qcow2");
  g_assert_cmpuint (found->adapters->len, ==, 2);
  adapter = library_machine_find_adapter (found, 3);
  g_assert_cmpstr (adapter->param, ==, "host-access");
  g_assert_false (adapter->cable);
  g_assert_true (g_str_has_prefix (adapter->mac, "08:00:27:"));
  g_assert_cmpuint (adapter->forwards->len, ==, 1);
  forward = g_ptr_array_index (adapter->forwards, 0);
  g_assert_true (forward->udp);
  g_assert_cmpstr (forward->host_address, ==, "0.0.0.0");
  g_assert_cmpuint (forward->host_port, ==, 53);
  g_assert_cmpstr (forward->guest_address, ==, "10.0.2.16");
  g_assert_cmpuint (forward->guest_port, ==, 5353);

  /* What was stored once keeps its address. */
  {
    g_autofree char *mac = g_strdup (adapter->mac);
    g_autoptr (LibraryMachine) again = NULL;

    g_assert_true (library_update_machine (fixture->library, found, &error));
    again = library_find (fixture->library, "Debian 12", &error);
    g_assert_cmpstr (library_machine_find_adapter (again, 3)->mac, ==, mac);
  }
}

static void
test_copy (Fixture *fixture, gconstpointer data)
{
  g_autoptr (LibraryMachine) machine = fixture_add (fixture, "one");
  g_autoptr (LibraryMachine) copy = library_machine_copy (machine);
  LibraryAdapter *adapter = library_machine_find_adapter (copy, 0);

  g_assert_true (adapter != library_machine_find_adapter (machine, 0));
  g_ptr_array_set_size (adapter->forwards, 0);
  g_assert_cmpuint (library_machine_find_adapter (machine, 0)->forwards->len, ==, 1);
  library_attachment_set_path (library_machine_find_drive (copy, LIBRARY_MEDIUM_OPTICAL), "/x.iso", NULL);
  g_assert_null (library_machine_find_drive (machine, LIBRARY_MEDIUM_OPTICAL)->path);
}

static void
test_names (Fixture *fixture, gconstpointer data)
{
  static const char *const good[] = { "a", "Windows XP", "a/b", "../../etc/passwd", "/", "..", ".", "🥷 影分身",
                                      "-rf", "CON", "a\\b", "%s%n", "'; DROP TABLE machine; --" };
  g_autofree char *longest = g_strnfill (255, 'x'), *too_long = g_strnfill (256, 'x');
  const char *const bad[] = { "", " a", "a ", "a\nb", "\x7f", "a\tb", "\xff\xfe", too_long };
  g_autofree char *machines = g_build_filename (fixture->home, "machines", NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) all = NULL;

  for (unsigned i = 0; i < G_N_ELEMENTS (good); i++)
    {
      g_autoptr (LibraryMachine) machine = fixture_add (fixture, good[i]);
      g_autofree char *parent = g_path_get_dirname (machine->folder);
      g_autoptr (LibraryMachine) found = library_find (fixture->library, good[i], &error);

      g_assert_no_error (error);
      g_assert_cmpstr (found->uuid, ==, machine->uuid);
      g_assert_cmpstr (parent, ==, machines);
      g_assert_true (g_file_test (machine->folder, G_FILE_TEST_IS_DIR));
    }
  library_machine_free (fixture_add (fixture, longest));

  for (unsigned i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (LibraryMachine) machine = library_machine_new (bad[i]);

      g_assert_false (library_add_machine (fixture->library, machine, &error));
      g_assert_error (error, LIBRARY_ERROR, LIBRARY_ERROR_INVALID);
      g_clear_error (&error);
    }
  {
    g_autoptr (LibraryMachine) twin = library_machine_new ("a");

    g_assert_false (library_add_machine (fixture->library, twin, &error));
    g_assert_error (error, LIBRARY_ERROR, LIBRARY_ERROR_EXISTS);
    g_clear_error (&error);
  }
  all = library_list_machines (fixture->library, &error);
  g_assert_cmpuint (all->len, ==, G_N_ELEMENTS (good) + 1);
}

static void
test_limits (Fixture *fixture, gconstpointer data)
{
  g_autoptr (LibraryMachine) machine = library_machine_new ("m");
  g_autoptr (GError) error = NULL;
  LibraryAdapter *adapter;
  LibraryBoot boot[LIBRARY_MAX_BOOT];

#define REFUSED(word)                                                                                                  \
  g_assert_false (library_machine_validate (machine, &error));                                                         \
  g_assert_error (error, LIBRARY_ERROR, LIBRARY_ERROR_INVALID);                                                        \
  g_assert_nonnull (strstr (error->message, word));                                                                    \
  g_clear_error (&error)

  g_assert_true (library_machine_validate (machine, &error));
  machine->memory = 1 << 20;
  REFUSED ("memory");
  machine->memory = (UINT64_C (8) << 20) + 4096;
  REFUSED ("memory");
  machine->memory = (library_host_memory () >> 20 << 20) + (1 << 20);
  REFUSED ("more than this computer's");
  machine->memory = 4 << 20;
  machine->code_cache = 1 << 20;
  REFUSED ("code");
  machine->code_cache = LIBRARY_CODE_CACHE;
  {
    static const LibraryAutomatic wrong[] = {
      { .every = LIBRARY_AUTOMATIC_EVERY_MAX + 1, .keep = 1, .space = LIBRARY_AUTOMATIC_SPACE },
      { .keep = 0, .space = LIBRARY_AUTOMATIC_SPACE }, { .keep = 101, .space = LIBRARY_AUTOMATIC_SPACE },
      { .keep = 1, .space = 4096 }, { .keep = 1, .space = UINT64_MAX },
    };
    const LibraryAutomatic right = machine->automatic;

    for (unsigned i = 0; i < G_N_ELEMENTS (wrong); i++)
      {
        machine->automatic = wrong[i];
        g_assert_false (library_machine_validate (machine, NULL));
      }
    machine->automatic = right;
    g_assert_true (library_machine_validate (machine, NULL));
  }
  machine->cpus = 0;
  REFUSED ("processors");
  machine->cpus = 65;
  REFUSED ("processors");
  machine->cpus = 1;
  library_machine_add_attachment (machine, LIBRARY_CONTROLLER_IDE, 4, LIBRARY_MEDIUM_OPTICAL, NULL, NULL);
  REFUSED ("ide4");
  g_ptr_array_set_size (machine->attachments, 0);
  library_machine_add_attachment (machine, LIBRARY_CONTROLLER_AHCI, 30, LIBRARY_MEDIUM_OPTICAL, NULL, NULL);
  REFUSED ("ahci30");
  g_ptr_array_set_size (machine->attachments, 0);
  library_machine_add_attachment (machine, LIBRARY_CONTROLLER_VIRTIO, 0, LIBRARY_MEDIUM_OPTICAL, NULL, NULL);
  REFUSED ("virtio0");
  g_ptr_array_set_size (machine->attachments, 0);
  library_machine_add_attachment (machine, LIBRARY_CONTROLLER_FLOPPY, 0, LIBRARY_MEDIUM_DISK, "/d.vdi", NULL);
  REFUSED ("floppy0");
  g_ptr_array_set_size (machine->attachments, 0);
  library_machine_add_attachment (machine, LIBRARY_CONTROLLER_IDE, 0, LIBRARY_MEDIUM_DISK, NULL, NULL);
  REFUSED ("needs an image");
  g_ptr_array_set_size (machine->attachments, 0);
  library_machine_add_attachment (machine, LIBRARY_CONTROLLER_IDE, 0, LIBRARY_MEDIUM_DISK, "d.vdi", NULL);
  REFUSED ("absolute");
  g_ptr_array_set_size (machine->attachments, 0);
  library_machine_add_drive (machine, LIBRARY_CONTROLLER_IDE, LIBRARY_MEDIUM_DISK, "/d.vdi", NULL);
  library_machine_add_drive (machine, LIBRARY_CONTROLLER_IDE, LIBRARY_MEDIUM_DISK, "/d.vdi", NULL);
  REFUSED ("already");
  g_ptr_array_set_size (machine->attachments, 0);
  adapter = library_machine_add_adapter (machine, 0, LIBRARY_NET_NAT);
  strcpy (adapter->mac, "01:00:00:00:00:01");
  REFUSED ("MAC");
  strcpy (adapter->mac, "02:00:00:00:00:0g");
  REFUSED ("MAC");
  strcpy (adapter->mac, "02:00:00:00:00:01");
  g_assert_true (library_machine_validate (machine, &error));
  g_assert_null (library_machine_add_adapter (machine, 0, LIBRARY_NET_NAT));
  g_assert_null (library_machine_add_adapter (machine, 8, LIBRARY_NET_NAT));
#undef REFUSED

  g_assert_false (library_boot_parse ("disk,usb", boot, &error));
  g_assert_nonnull (strstr (error->message, "usb"));
  g_clear_error (&error);
  g_assert_false (library_boot_parse ("disk,disk", boot, NULL));
  g_assert_false (library_boot_parse ("", boot, NULL));
}

static void
test_mac_taken (Fixture *fixture, gconstpointer data)
{
  g_autoptr (LibraryMachine) one = fixture_add (fixture, "one");
  g_autoptr (LibraryMachine) two = fixture_add (fixture, "two");
  g_autoptr (LibraryMachine) kept = NULL;
  g_autoptr (GError) error = NULL;

  strcpy (library_machine_find_adapter (two, 0)->mac, library_machine_find_adapter (one, 0)->mac);
  two->memory = 64 << 20;
  g_assert_false (library_update_machine (fixture->library, two, &error));
  g_assert_error (error, LIBRARY_ERROR, LIBRARY_ERROR_INVALID);
  /* The refused change left nothing behind. */
  kept = library_find (fixture->library, "two", NULL);
  g_assert_cmpuint (kept->memory, ==, UINT64_C (1) << 30);
  g_assert_cmpuint (kept->adapters->len, ==, 1);
}

static void
test_delete (Fixture *fixture, gconstpointer data)
{
  g_autoptr (LibraryMachine) one = fixture_add (fixture, "one");
  g_autoptr (LibraryMachine) two = fixture_add (fixture, "two");
  g_autofree char *own = g_build_filename (one->folder, "own.vdi", NULL);
  g_autofree char *shared = g_build_filename (one->folder, "shared.vdi", NULL);
  g_autofree char *outside = g_build_filename (fixture->home, "outside.vdi", NULL);
  g_autofree char *disc = g_build_filename (one->folder, "own.iso", NULL);
  g_autofree char *ejected = g_build_filename (one->folder, "ejected.iso", NULL);
  g_autofree char *floppy = g_build_filename (one->folder, "shared.img", NULL);
  g_autofree char *listed = g_build_filename (one->folder, "listed.iso", NULL);
  g_autofree char *elsewhere = g_build_filename (fixture->home, "elsewhere.iso", NULL);
  const char *const discs[] = { ejected, listed, elsewhere, disc };
  g_auto (GStrv) disks = NULL, users = NULL;
  g_autoptr (GError) error = NULL;

  library_machine_add_drive (one, LIBRARY_CONTROLLER_IDE, LIBRARY_MEDIUM_DISK, own, NULL);
  library_machine_add_drive (one, LIBRARY_CONTROLLER_IDE, LIBRARY_MEDIUM_DISK, shared, NULL);
  library_machine_add_drive (one, LIBRARY_CONTROLLER_IDE, LIBRARY_MEDIUM_DISK, outside, NULL);
  library_machine_add_drive (two, LIBRARY_CONTROLLER_IDE, LIBRARY_MEDIUM_DISK, shared, NULL);
  library_machine_add_drive (one, LIBRARY_CONTROLLER_FLOPPY, LIBRARY_MEDIUM_FLOPPY, floppy, NULL);
  library_machine_add_drive (two, LIBRARY_CONTROLLER_FLOPPY, LIBRARY_MEDIUM_FLOPPY, floppy, NULL);
  g_assert_true (library_update_machine (fixture->library, one, &error));
  g_assert_true (library_update_machine (fixture->library, two, &error));
  /* Each disc takes the place of the one before. */
  for (unsigned i = 0; i < G_N_ELEMENTS (discs); i++)
    g_assert_true (library_set_medium (fixture->library, one->uuid, LIBRARY_CONTROLLER_IDE, 0, discs[i], &error));
  g_assert_true (library_add_medium (fixture->library, listed, LIBRARY_MEDIUM_OPTICAL, NULL, &error));
  g_assert_true (g_file_set_contents (own, "x", 1, NULL) && g_file_set_contents (shared, "x", 1, NULL) &&
                 g_file_set_contents (outside, "x", 1, NULL));
  users = library_medium_users (fixture->library, shared, one->uuid);
  g_assert_cmpuint (g_strv_length (users), ==, 1);
  g_assert_cmpstr (users[0], ==, "two");

  g_assert_true (library_delete_machine (fixture->library, one->uuid, &disks, &error));
  g_assert_no_error (error);
  /* Its disk, and the discs that lie in its folder, have not been listed by hand and nobody else has. */
  g_assert_cmpuint (g_strv_length (disks), ==, 3);
  g_assert_cmpstr (disks[0], ==, own);
  g_assert_true (g_strv_contains ((const char *const *) disks, disc));
  g_assert_true (g_strv_contains ((const char *const *) disks, ejected));
  g_assert_true (library_forget_medium (fixture->library, disc, &error));
  g_assert_true (library_forget_medium (fixture->library, own, &error));
  g_assert_true (library_delete_files (one, disks, &error));
  g_assert_false (g_file_test (own, G_FILE_TEST_EXISTS));
  g_assert_true (g_file_test (shared, G_FILE_TEST_EXISTS));
  g_assert_true (g_file_test (outside, G_FILE_TEST_EXISTS));
  g_assert_null (library_find (fixture->library, "one", &error));
  g_assert_error (error, LIBRARY_ERROR, LIBRARY_ERROR_NOT_FOUND);
}

static void
test_media (Fixture *fixture, gconstpointer data)
{
  g_autoptr (LibraryMachine) machine = fixture_add (fixture, "one");
  g_autoptr (GPtrArray) forwards = g_ptr_array_new ();
  g_autoptr (LibraryMachine) found = NULL, emptied = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_true (library_set_medium (fixture->library, machine->uuid, LIBRARY_CONTROLLER_IDE, 0, "/x.iso", &error));
  g_assert_no_error (error);
  found = library_find (fixture->library, "one", NULL);
  g_assert_cmpstr (library_machine_find_drive (found, LIBRARY_MEDIUM_OPTICAL)->path, ==, "/x.iso");
  g_assert_true (library_set_medium (fixture->library, machine->uuid, LIBRARY_CONTROLLER_IDE, 0, NULL, &error));
  g_assert_false (library_set_medium (fixture->library, machine->uuid, LIBRARY_CONTROLLER_IDE, 1, NULL, &error));
  g_assert_error (error, LIBRARY_ERROR, LIBRARY_ERROR_NOT_FOUND);
  g_clear_error (&error);
  g_assert_true (library_set_forwards (fixture->library, machine->uuid, 0, forwards, &error));
  g_assert_false (library_set_forwards (fixture->library, machine->uuid, 1, forwards, &error));
  emptied = library_find (fixture->library, "one", NULL);
  g_assert_null (library_machine_find_drive (emptied, LIBRARY_MEDIUM_OPTICAL)->path);
  g_assert_cmpuint (library_machine_find_adapter (emptied, 0)->forwards->len, ==, 0);
}

static void
test_settings (Fixture *fixture, gconstpointer data)
{
  g_autofree char *value = NULL;

  g_assert_null (library_get_setting (fixture->library, "k"));
  g_assert_true (library_set_setting (fixture->library, "k", "one", NULL));
  g_assert_true (library_set_setting (fixture->library, "k", "two", NULL));
  value = library_get_setting (fixture->library, "k");
  g_assert_cmpstr (value, ==, "two");
  g_assert_true (library_set_setting (fixture->library, "k", NULL, NULL));
  g_assert_null (library_get_setting (fixture->library, "k"));
}

/* The bytes of the database file, after @sql was run on it by other means. */
static GBytes *
alter (Fixture *fixture, const char *sql)
{
  g_autofree char *path = g_build_filename (fixture->home, "bunshin.db", NULL);
  sqlite3 *db;
  char *bytes;
  gsize length;

  g_clear_pointer (&fixture->library, library_close);
  g_assert_cmpint (sqlite3_open (path, &db), ==, SQLITE_OK);
  g_assert_cmpint (sqlite3_exec (db, sql, NULL, NULL, NULL), ==, SQLITE_OK);
  sqlite3_close (db);
  g_assert_true (g_file_get_contents (path, &bytes, &length, NULL));
  return g_bytes_new_take (bytes, length);
}

static void
test_newer_schema (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GBytes) before = alter (fixture, "PRAGMA user_version = 1000; PRAGMA journal_mode = DELETE");
  g_autofree char *path = g_build_filename (fixture->home, "bunshin.db", NULL), *after = NULL;
  g_autoptr (GError) error = NULL;
  gsize length;

  g_assert_null (library_open (fixture->home, &error));
  g_assert_error (error, LIBRARY_ERROR, LIBRARY_ERROR_NEWER_SCHEMA);
  g_assert_nonnull (strstr (error->message, "1000"));
  g_assert_true (g_file_get_contents (path, &after, &length, NULL));
  g_assert_cmpmem (after, length, g_bytes_get_data (before, NULL), g_bytes_get_size (before));
}

/* A library of the first version keeps its drives, and learns of new controllers. */
static void
test_old_schema (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GBytes) schema = g_resource_lookup_data (library_resources_get_resource (),
                                                      "/org/bunshin/library/schema/1.sql", 0, NULL);
  g_autofree char *path = g_build_filename (fixture->home, "bunshin.db", NULL), *sql = NULL;
  g_autoptr (LibraryMachine) machine = NULL, again = NULL;
  LibraryAttachment *drive;
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (GError) error = NULL;

  g_clear_pointer (&fixture->library, library_close);
  g_assert_cmpint (g_unlink (path), ==, 0);
  sql = g_strdup_printf ("%s; INSERT INTO machine VALUES (1, '00000000-0000-4000-8000-000000000001', 'old', 'old', NULL, "
                         "NULL, 67108864, 1, NULL, 'auto', 'bios', 'piix3', 'disk', 1, 0);"
                         "INSERT INTO medium VALUES (7, '00000000-0000-4000-8000-000000000002', '/old.vdi', 'disk', 'vdi');"
                         "INSERT INTO attachment VALUES (1, 1, 'ide', 3, 'disk', 7); PRAGMA user_version = 1",
                         (const char *) g_bytes_get_data (schema, NULL));
  bytes = alter (fixture, sql);

  fixture->library = library_open (fixture->home, &error);
  g_assert_no_error (error);
  machine = library_find (fixture->library, "old", &error);
  g_assert_no_error (error);
  g_assert_cmpstr (library_machine_find_attachment (machine, LIBRARY_CONTROLLER_IDE, 3)->path, ==, "/old.vdi");
  library_machine_add_drive (machine, LIBRARY_CONTROLLER_AHCI, LIBRARY_MEDIUM_OPTICAL, NULL, NULL);
  drive = library_machine_find_attachment (machine, LIBRARY_CONTROLLER_IDE, 3);
  g_assert_false (drive->no_cache);
  g_assert_false (drive->trusted);
  drive->no_cache = drive->trusted = TRUE;
  g_assert_true (library_update_machine (fixture->library, machine, &error));
  g_assert_no_error (error);
  again = library_find (fixture->library, "old", &error);
  g_assert_no_error (error);
  drive = library_machine_find_attachment (again, LIBRARY_CONTROLLER_IDE, 3);
  g_assert_true (drive->no_cache);
  g_assert_true (drive->trusted);
}

/* A library of the version before snapshots keeps adapters and what is forwarded to them. */
static void
test_schema_5 (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GString) sql = g_string_new (NULL);
  g_autofree char *path = g_build_filename (fixture->home, "bunshin.db", NULL);
  g_autoptr (LibraryMachine) machine = NULL, second = NULL;
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (GError) error = NULL;
  LibraryAdapter *adapter;

  g_clear_pointer (&fixture->library, library_close);
  g_assert_cmpint (g_unlink (path), ==, 0);
  for (unsigned version = 1; version <= 5; version++)
    {
      g_autofree char *name = g_strdup_printf ("/org/bunshin/library/schema/%u.sql", version);
      g_autoptr (GBytes) schema = g_resource_lookup_data (library_resources_get_resource (), name, 0, NULL);

      g_string_append (sql, g_bytes_get_data (schema, NULL));
    }
  g_string_append (sql, "INSERT INTO machine VALUES (1, '00000000-0000-4000-8000-000000000001', 'old', 'old', NULL, NULL, "
                        "67108864, 1, NULL, 'auto', 'bios', 'piix3', 'disk', 1, 0, 268435456);"
                        "INSERT INTO medium VALUES (7, '00000000-0000-4000-8000-000000000002', '/old.vdi', 'disk', 'vdi', 1);"
                        "INSERT INTO attachment VALUES (1, 1, 'nvme', 3, 'disk', 7, 'none', 1);"
                        "INSERT INTO adapter VALUES (4, 1, 2, 'e1000', '08:00:27:00:00:01', 'nat', 'host-access', 1);"
                        "INSERT INTO adapter VALUES (9, 1, 5, 'e1000', '08:00:27:00:00:02', 'none', NULL, 0);"
                        "INSERT INTO forward VALUES (1, 4, 'tcp', NULL, 2222, NULL, 22); PRAGMA user_version = 5");
  bytes = alter (fixture, sql->str);

  fixture->library = library_open (fixture->home, &error);
  g_assert_no_error (error);
  machine = library_find (fixture->library, "old", &error);
  g_assert_no_error (error);
  g_assert_cmpuint (machine->adapters->len, ==, 2);
  adapter = library_machine_find_adapter (machine, 2);
  g_assert_cmpstr (adapter->mac, ==, "08:00:27:00:00:01");
  g_assert_cmpstr (adapter->param, ==, "host-access");
  g_assert_cmpuint (adapter->forwards->len, ==, 1);
  g_assert_cmpuint (((LibraryForward *) adapter->forwards->pdata[0])->host_port, ==, 2222);
  g_assert_false (library_machine_find_adapter (machine, 5)->cable);
  g_assert_cmpstr (library_machine_find_attachment (machine, LIBRARY_CONTROLLER_NVME, 3)->path, ==, "/old.vdi");
  g_assert_null (library_machine_find_attachment (machine, LIBRARY_CONTROLLER_NVME, 3)->chain);
  /* What is forwarded still goes with its adapter, and addresses are still one machine's. */
  g_ptr_array_set_size (machine->adapters, 0);
  g_assert_true (library_update_machine (fixture->library, machine, &error));
  second = fixture_add (fixture, "second");
  strcpy (library_machine_find_adapter (second, 0)->mac, "08:00:27:00:00:01");
  g_assert_true (library_update_machine (fixture->library, second, &error));
  g_assert_no_error (error);
  strcpy (library_machine_add_adapter (machine, 0, LIBRARY_NET_NAT)->mac, "08:00:27:00:00:01");
  g_assert_false (library_update_machine (fixture->library, machine, &error));
  g_assert_error (error, LIBRARY_ERROR, LIBRARY_ERROR_INVALID);
}

/* A library of the version before automatic snapshots: none are taken, and no disc is known. */
static void
test_schema_6 (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GString) sql = g_string_new (NULL);
  g_autofree char *path = g_build_filename (fixture->home, "bunshin.db", NULL);
  g_autoptr (LibraryMachine) machine = NULL;
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (GError) error = NULL;
  LibraryAutomatic automatic;

  g_clear_pointer (&fixture->library, library_close);
  g_assert_cmpint (g_unlink (path), ==, 0);
  for (unsigned version = 1; version <= 6; version++)
    {
      g_autofree char *name = g_strdup_printf ("/org/bunshin/library/schema/%u.sql", version);
      g_autoptr (GBytes) schema = g_resource_lookup_data (library_resources_get_resource (), name, 0, NULL);

      g_string_append (sql, g_bytes_get_data (schema, NULL));
    }
  g_string_append (sql, "INSERT INTO machine VALUES (1, '00000000-0000-4000-8000-000000000001', 'old', 'old', NULL, NULL, "
                        "67108864, 1, NULL, 'auto', 'bios', 'piix3', 'disk', 1, 0, 268435456, NULL);"
                        "PRAGMA user_version = 6");
  bytes = alter (fixture, sql->str);

  fixture->library = library_open (fixture->home, &error);
  g_assert_no_error (error);
  machine = library_find (fixture->library, "old", &error);
  g_assert_no_error (error);
  g_assert_false (machine->automatic.before_disc);
  g_assert_cmpuint (machine->automatic.every, ==, 0);
  g_assert_cmpuint (machine->automatic.keep, ==, 5);
  g_assert_cmpuint (machine->automatic.space, ==, UINT64_C (10) << 30);
  machine->automatic.every = 30;
  g_assert_true (library_update_machine (fixture->library, machine, &error));
  g_assert_true (library_get_automatic (fixture->library, machine->uuid, &automatic, &error));
  g_assert_cmpuint (automatic.every, ==, 30);
  g_assert_cmpuint (automatic.keep, ==, 5);
}

/* Which discs a machine has had, is each machine's own, and goes with it. */
static void
test_discs (Fixture *fixture, gconstpointer data)
{
  g_autoptr (LibraryMachine) one = fixture_add (fixture, "one"), two = fixture_add (fixture, "two");
  g_autoptr (GError) error = NULL;
  LibraryAutomatic automatic;
  gboolean known = TRUE;

  g_assert_true (library_knows_disc (fixture->library, one->uuid, "d1", &known, &error) && !known);
  g_assert_true (library_remember_disc (fixture->library, one->uuid, "d1", &error));
  g_assert_true (library_remember_disc (fixture->library, one->uuid, "d1", &error));
  g_assert_true (library_knows_disc (fixture->library, one->uuid, "d1", &known, &error) && known);
  g_assert_true (library_knows_disc (fixture->library, one->uuid, "d2", &known, &error) && !known);
  g_assert_true (library_knows_disc (fixture->library, two->uuid, "d1", &known, &error) && !known);
  g_assert_true (library_delete_machine (fixture->library, one->uuid, NULL, &error));
  g_assert_true (library_knows_disc (fixture->library, one->uuid, "d1", &known, &error) && !known);
  g_assert_false (library_get_automatic (fixture->library, one->uuid, &automatic, &error));
  g_assert_error (error, LIBRARY_ERROR, LIBRARY_ERROR_NOT_FOUND);
}

/* Images that a damaged library has lie over each other in a circle. */
static void
test_loop (Fixture *fixture, gconstpointer data)
{
  g_autoptr (LibraryMachine) machine = fixture_add (fixture, "one");
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (GError) error = NULL;

  library_machine_add_drive (machine, LIBRARY_CONTROLLER_IDE, LIBRARY_MEDIUM_DISK, "/a.vdi", NULL);
  library_machine_add_drive (machine, LIBRARY_CONTROLLER_IDE, LIBRARY_MEDIUM_DISK, "/b.vdi", NULL);
  g_assert_true (library_update_machine (fixture->library, machine, &error));
  bytes = alter (fixture, "UPDATE medium SET base = (SELECT id FROM medium m WHERE m.id <> medium.id)");
  fixture->library = library_open (fixture->home, &error);
  g_assert_no_error (error);
  /* It can be looked at. */
  g_clear_pointer (&machine, library_machine_free);
  machine = library_find (fixture->library, "one", &error);
  g_assert_no_error (error);
  g_assert_false (library_update_machine (fixture->library, machine, &error));
  g_assert_error (error, LIBRARY_ERROR, LIBRARY_ERROR_FAILED);
  g_assert_nonnull (strstr (error->message, "itself"));
}

static void
test_foreign_database (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GBytes) bytes = alter (fixture, "PRAGMA user_version = 0");
  g_autofree char *path = g_build_filename (fixture->home, "bunshin.db", NULL);
  g_autoptr (GError) error = NULL;

  g_assert_null (library_open (fixture->home, &error));
  g_assert_nonnull (strstr (error->message, "another program"));
  g_clear_error (&error);

  g_assert_true (g_file_set_contents (path, "this is no database, and it is long enough to tell; it says so at length.",
                                      -1, NULL));
  g_assert_null (library_open (fixture->home, &error));
  g_assert_nonnull (strstr (error->message, "bunshin.db"));
}

static void
test_bad_home (Fixture *fixture, gconstpointer data)
{
  g_autofree char *file = g_build_filename (fixture->home, "file", NULL);
  g_autofree char *beneath = g_build_filename (file, "home", NULL);
  g_autoptr (GError) error = NULL;

  g_assert_true (g_file_set_contents (file, "", 0, NULL));
  g_assert_null (library_open (beneath, &error));
  g_assert_nonnull (strstr (error->message, beneath));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, function) g_test_add ("/library/" name, Fixture, NULL, fixture_set_up, function, fixture_tear_down)
  ADD ("round-trip", test_round_trip);
  ADD ("copy", test_copy);
  ADD ("names", test_names);
  ADD ("limits", test_limits);
  ADD ("mac-taken", test_mac_taken);
  ADD ("delete", test_delete);
  ADD ("media", test_media);
  ADD ("settings", test_settings);
  ADD ("newer-schema", test_newer_schema);
  ADD ("old-schema", test_old_schema);
  ADD ("schema-5", test_schema_5);
  ADD ("schema-6", test_schema_6);
  ADD ("discs", test_discs);
  ADD ("loop", test_loop);
  ADD ("foreign-database", test_foreign_database);
  ADD ("bad-home", test_bad_home);
  return g_test_run ();
}
