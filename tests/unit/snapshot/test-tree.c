/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Trees of snapshots against a model: every snapshot's disks, and the present ones, are kept in memory, too. The disk is
 * written to, snapshots are taken, gone back to and deleted, and test drives made, in any order; after each step all
 * disks hold what the model says.
 *
 *   test-tree FORMAT [STEPS]
 */

#include "tests/unit/snapshot/fixture.h"

#include <string.h>

enum { STEPS = 60, SECTOR = 512, RUN_MAX = 700, SNAPSHOTS_MAX = 9 };

typedef struct Node Node;
struct Node
{
  char *uuid;
  Node *parent;
  uint8_t *disk;
  gboolean is_drive;
};

typedef struct
{
  Fixture *f;
  GPtrArray *nodes;
  Node *current;
  uint8_t *disk; /* as it is now: the first disk, and behind it the second */
  uint64_t size; /* of each */
  int stamp;
} Model;

static unsigned steps = STEPS;
static const char *format = "raw";

static void
node_free (gpointer data)
{
  Node *node = data;

  g_free (node->uuid);
  g_free (node->disk);
  g_free (node);
}

static Node *
find_drive (const Model *model)
{
  for (unsigned i = 0; i < model->nodes->len; i++)
    if (((Node *) model->nodes->pdata[i])->is_drive)
      return model->nodes->pdata[i];
  return NULL;
}

static Node *
pick (const Model *model)
{
  Node *node = model->nodes->len > 0 ? model->nodes->pdata[g_test_rand_int_range (0, (int) model->nodes->len)] : NULL;

  return node && !node->is_drive ? node : NULL;
}

static LibraryAttachment *
drive_number (LibraryMachine *machine, unsigned number)
{
  return number == 0 ? fixture_drive (machine)
                     : library_machine_find_attachment (machine, LIBRARY_CONTROLLER_AHCI, 4);
}

/* --- Steps --- */

static void
write_some (Model *model)
{
  g_autoptr (LibraryMachine) machine = fixture_machine (model->f, model->f->uuid);
  unsigned number = (unsigned) g_test_rand_int_range (0, 2);
  g_autoptr (Disk) disk = fixture_open (drive_number (machine, number), 0);
  uint8_t *expected = model->disk + number * model->size;
  g_autoptr (GError) error = NULL;

  for (int i = g_test_rand_int_range (1, 8); i > 0; i--)
    {
      uint64_t sectors = (uint64_t) g_test_rand_int_range (1, RUN_MAX);
      uint64_t at = (uint64_t) g_test_rand_int_range (0, (int) (model->size / SECTOR - sectors)) * SECTOR;
      uint64_t length = sectors * SECTOR;

      if (g_test_rand_int_range (0, 4) == 0)
        {
          memset (expected + at, 0, length);
          g_assert_true (disk_zero (disk, at, length, &error));
        }
      else
        {
          memset (expected + at, ++model->stamp, length);
          g_assert_true (disk_write (disk, at, expected + at, length, &error));
        }
      g_assert_no_error (error);
    }
}

static void
add_node (Model *model, char *uuid, gboolean is_drive)
{
  Node *node = g_new0 (Node, 1);

  node->uuid = uuid;
  node->parent = model->current;
  node->disk = g_memdup2 (model->disk, 2 * model->size);
  node->is_drive = is_drive;
  g_ptr_array_add (model->nodes, node);
  model->current = node;
}

static void
take (Model *model)
{
  unsigned shown = model->nodes->len - (find_drive (model) != NULL);

  if (shown < SNAPSHOTS_MAX)
    add_node (model, fixture_take (model->f, model->f->uuid, "s"), FALSE);
}

static void
become (Model *model, Node *node)
{
  memcpy (model->disk, node->disk, 2 * model->size);
  model->current = node;
}

static void
forget (Model *model, Node *node)
{
  for (unsigned i = 0; i < model->nodes->len; i++)
    if (((Node *) model->nodes->pdata[i])->parent == node)
      ((Node *) model->nodes->pdata[i])->parent = node->parent;
  if (model->current == node)
    model->current = node->parent;
  g_ptr_array_remove (model->nodes, node);
}

static void
restore (Model *model)
{
  Node *node = pick (model);
  g_autoptr (GError) error = NULL;

  if (!node)
    return;
  g_assert_true (snapshot_restore (model->f->library, model->f->uuid, node->uuid, &error));
  g_assert_no_error (error);
  become (model, node);
}

static void
delete (Model *model)
{
  Node *node = pick (model);
  g_autoptr (GError) error = NULL;
  SnapshotForecast forecast;

  if (!node)
    return;
  g_assert_true (snapshot_forecast_delete (model->f->library, model->f->uuid, node->uuid, &forecast, &error));
  g_assert_no_error (error);
  g_assert_true (snapshot_delete (model->f->library, model->f->uuid, node->uuid, &error));
  g_assert_no_error (error);
  forget (model, node);
}

/* A drive goes on, unless whoever began it is gone. */
static void
tidy_after (Model *model, gboolean is_killed)
{
  Node *drive = is_killed ? find_drive (model) : NULL;
  g_auto (GStrv) did = NULL;

  if (is_killed)
    fixture_kill_drive (model->f, model->f->uuid);
  did = fixture_tidy (model->f, model->f->uuid);
  g_assert_cmpuint (did ? g_strv_length (did) : 0, ==, drive ? 1 : 0);
  if (drive)
    {
      become (model, drive);
      forget (model, drive);
    }
}

static void
tidy (Model *model)
{
  tidy_after (model, g_test_rand_bit ());
}

static void
begin_drive (Model *model)
{
  Node *node = g_test_rand_bit () ? pick (model) : NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) all = NULL;
  g_autoptr (LibraryMachine) machine = NULL;

  g_assert_true (snapshot_drive_begin (model->f->library, model->f->uuid, node ? node->uuid : NULL, &error));
  g_assert_no_error (error);
  machine = fixture_machine (model->f, model->f->uuid);
  all = snapshot_list (model->f->library, machine, TRUE, &error);
  for (unsigned i = 0; i < all->len; i++)
    if (((Snapshot *) all->pdata[i])->kind == SNAPSHOT_DRIVE)
      add_node (model, g_strdup (((Snapshot *) all->pdata[i])->uuid), TRUE);
  g_assert_nonnull (find_drive (model));
  if (node)
    become (model, node);
}

static void
drive (Model *model)
{
  Node *node = find_drive (model);
  SnapshotDriveEnd how = g_test_rand_int_range (0, 3);
  g_autoptr (GError) error = NULL;

  if (!node)
    {
      begin_drive (model);
      return;
    }
  g_assert_true (snapshot_drive_end (model->f->library, model->f->uuid, how, "kept", &error));
  g_assert_no_error (error);
  if (how == SNAPSHOT_DRIVE_DISCARD)
    become (model, node);
  if (how == SNAPSHOT_DRIVE_KEEP_AS_SNAPSHOT)
    {
      g_autoptr (LibraryMachine) machine = fixture_machine (model->f, model->f->uuid);
      g_autoptr (GPtrArray) list = snapshot_list (model->f->library, machine, FALSE, &error);

      for (unsigned i = 0; i < list->len; i++)
        if (((Snapshot *) list->pdata[i])->is_current)
          add_node (model, g_strdup (((Snapshot *) list->pdata[i])->uuid), FALSE);
    }
  forget (model, node);
}

/* --- Comparing --- */

static void
compare_drive (const Model *model, const LibraryAttachment *drive, const uint8_t *expected, const char *what)
{
  g_autoptr (Disk) disk = fixture_open (drive, DISK_OPEN_READ_ONLY);
  g_autofree uint8_t *data = g_malloc (model->size);
  g_autoptr (GError) error = NULL;

  g_assert_cmpuint (disk_size (disk), ==, model->size);
  g_assert_true (disk_read (disk, 0, data, model->size, &error));
  g_assert_no_error (error);
  for (uint64_t at = 0; at < model->size; at += SECTOR)
    if (memcmp (data + at, expected + at, SECTOR) != 0)
      g_error ("%s: sector %llu has %u where %u belongs", what, (unsigned long long) at / SECTOR, data[at], expected[at]);
}

static void
compare_drives (const Model *model, LibraryMachine *machine, const uint8_t *expected, const char *what)
{
  for (unsigned number = 0; number < 2; number++)
    compare_drive (model, drive_number (machine, number), expected + number * model->size, what);
}

static Node *
shown (Node *node)
{
  while (node && node->is_drive)
    node = node->parent;
  return node;
}

static void
compare (Model *model)
{
  g_autoptr (LibraryMachine) machine = fixture_machine (model->f, model->f->uuid);
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) list = snapshot_list (model->f->library, machine, FALSE, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (list->len, ==, model->nodes->len - (find_drive (model) != NULL));
  g_assert_true (snapshot_in_drive (model->f->library, model->f->uuid) == (find_drive (model) != NULL));
  compare_drives (model, machine, model->disk, "now");
  for (unsigned i = 0; i < model->nodes->len; i++)
    {
      Node *node = model->nodes->pdata[i];
      const Snapshot *found = NULL;

      for (unsigned j = 0; j < list->len; j++)
        if (g_str_equal (((Snapshot *) list->pdata[j])->uuid, node->uuid))
          found = list->pdata[j];
      g_assert_true ((found == NULL) == node->is_drive);
      if (!found)
        continue;
      g_assert_cmpstr (found->parent, ==, shown (node->parent) ? shown (node->parent)->uuid : NULL);
      g_assert_true (found->is_current == (shown (model->current) == node));
      compare_drives (model, found->settings, node->disk, node->uuid);
    }
}

static void
(*const verbs[]) (Model *model) = { write_some, write_some, write_some, take, take, restore, delete, delete, tidy, drive };
static const char *const names[]
    = { "write", "write", "write", "take", "take", "restore", "delete", "delete", "tidy", "drive" };

static void
test_random (Fixture *f, gconstpointer data)
{
  g_autoptr (LibraryMachine) machine = fixture_machine (f, f->uuid), after = NULL;
  g_autoptr (GPtrArray) nodes = g_ptr_array_new_with_free_func (node_free);
  Model model = { .f = f, .nodes = nodes };
  DiskCreateOptions create = { .format = "raw" };
  g_autofree char *second = NULL;
  Disk *disk = fixture_open (fixture_drive (machine), 0);

  model.size = disk_size (disk);
  model.disk = g_malloc0 (2 * model.size);
  disk_unref (disk);
  create.size = model.size;
  second = library_new_disk_path (machine, "img");
  g_assert_true (disk_create (second, &create, NULL));
  library_machine_add_attachment (machine, LIBRARY_CONTROLLER_AHCI, 4, LIBRARY_MEDIUM_DISK, second, NULL);
  g_assert_true (library_update_machine (f->library, machine, NULL));
  for (unsigned i = 0; i < steps; i++)
    {
      int verb = g_test_rand_int_range (0, G_N_ELEMENTS (verbs));

      g_test_message ("%u: %s (%u snapshots)", i, names[verb], model.nodes->len);
      verbs[verb](&model);
      compare (&model);
    }

  /* Without snapshots the disk is the image that it was in the beginning, and that alone. */
  while (model.nodes->len > 0)
    {
      if (find_drive (&model))
        tidy_after (&model, TRUE);
      delete (&model);
    }
  tidy (&model);
  compare (&model);
  after = fixture_machine (f, f->uuid);
  g_assert_cmpstr (fixture_drive (after)->path, ==, f->root);
  g_assert_null (fixture_drive (after)->chain);
  g_assert_cmpstr (drive_number (after, 1)->path, ==, second);
  g_assert_cmpuint (fixture_count (f->folder, ""), ==, 0);
  g_free (model.disk);
}

/* Three levels with branches, of which the inner nodes go in every order. */
static void
test_orders (Fixture *f, gconstpointer data)
{
  /* r > a > a1, a2; r > b > b1: the tops of the chains are a1, a2, b1 and now. */
  static const char *const inner[] = { "r", "a", "b" };

  for (unsigned order = 0; order < 6; order++)
    {
      g_autoptr (LibraryMachine) machine = NULL;
      g_autoptr (GHashTable) uuids = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, g_free);
      const char *names_taken[] = { "r", "a", "a1", "a2", "b", "b1" };
      const char *back_to[] = { NULL, NULL, NULL, "a", "r", NULL };
      unsigned picked[3] = { order / 2, 0, 0 };
      g_autoptr (GError) error = NULL;

      picked[1] = (picked[0] + 1 + order % 2) % 3;
      picked[2] = 3 - picked[0] - picked[1];
      for (unsigned i = 0; i < G_N_ELEMENTS (names_taken); i++)
        {
          if (back_to[i])
            g_assert_true (snapshot_restore (f->library, f->uuid, g_hash_table_lookup (uuids, back_to[i]), &error));
          fixture_put (f, f->uuid, i, 10 + (int) i);
          fixture_put (f, f->uuid, 1000, 10 + (int) i);
          g_hash_table_insert (uuids, (char *) names_taken[i], fixture_take (f, f->uuid, names_taken[i]));
        }
      fixture_put (f, f->uuid, 1000, 99);
      for (unsigned i = 0; i < 3; i++)
        {
          g_auto (GStrv) did = NULL;

          g_assert_true (snapshot_delete (f->library, f->uuid, g_hash_table_lookup (uuids, inner[picked[i]]), &error));
          g_assert_no_error (error);
          did = fixture_tidy (f, f->uuid);
          g_assert_null (did);
          g_assert_cmpint (fixture_get_then (f, f->uuid, "a1", 1000), ==, 12);
          g_assert_cmpint (fixture_get_then (f, f->uuid, "a2", 1000), ==, 13);
          g_assert_cmpint (fixture_get_then (f, f->uuid, "b1", 1000), ==, 15);
          g_assert_cmpint (fixture_get_then (f, f->uuid, "a1", 1), ==, 11);
          g_assert_cmpint (fixture_get_then (f, f->uuid, "a2", 1), ==, 11);
          g_assert_cmpint (fixture_get_then (f, f->uuid, "b1", 1), ==, 0);
          g_assert_cmpint (fixture_get (f, f->uuid, 0), ==, 10);
          g_assert_cmpint (fixture_get (f, f->uuid, 4), ==, 14);
          g_assert_cmpint (fixture_get (f, f->uuid, 1000), ==, 99);
        }
      for (unsigned i = 0; i < G_N_ELEMENTS (names_taken); i++)
        if (!g_strv_contains ((const char *const[]){ "r", "a", "b", NULL }, names_taken[i]))
          g_assert_true (snapshot_delete (f->library, f->uuid, g_hash_table_lookup (uuids, names_taken[i]), &error));
      g_assert_no_error (error);
      g_strfreev (fixture_tidy (f, f->uuid));
      machine = fixture_machine (f, f->uuid);
      g_assert_cmpstr (fixture_drive (machine)->path, ==, f->root);
      g_assert_cmpint (fixture_get (f, f->uuid, 1000), ==, 99);
      g_assert_cmpuint (fixture_count (f->folder, ""), ==, 0);
      for (unsigned i = 0; i < 10; i++)
        fixture_put (f, f->uuid, i, 0);
    }
}

int
main (int argc, char **argv)
{
  if (argc > 1 && argv[1][0] != '-')
    format = argv[1];
  if (argc > 2 && argv[2][0] != '-')
    steps = (unsigned) g_ascii_strtoull (argv[2], NULL, 10);
  g_test_init (&argc, &argv, NULL);
  g_test_add ("/snapshot/tree/random", Fixture, format, fixture_set_up, test_random, fixture_tear_down);
  g_test_add ("/snapshot/tree/orders", Fixture, format, fixture_set_up, test_orders, fixture_tear_down);
  return g_test_run ();
}
