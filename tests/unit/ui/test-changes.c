/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reading the list of changes, whole and damaged, and choosing from it. */

#include "ui/changes-list.h"

#include <string.h>

#define RECORD(kind, type, disk, volume, old, new, time, path)                                                         \
  "c\0" kind "\0" type "\0" disk "\0" volume "\0" old "\0" new "\0" time "\0" path "\0"

static const char list[] = "bunshin-changes-1\0p\0"
                           "500\0" RECORD ("0", "0", "ide0", "1", "0", "4096", "1700000000", "/usr/bin/Tool")
                               RECORD ("1", "1", "ide0", "1", "0", "0", "1600000000", "/var/old")
                                   RECORD ("2", "0", "ide0", "1", "3000", "1024", "-5", "/etc/m\xc3\x9cll")
                                       RECORD ("3", "2", "ahci0", "0", "9", "9", "1800000000",
                                               "/li\xffnk") "n\0ide0: partition 2 is \x1b[31mred\0e\0";

static gboolean
feed (ChangesData *data, const char *bytes, gsize length, gsize step, GError **error)
{
  for (gsize at = 0; at < length; at += step)
    if (!changes_data_feed (data, bytes + at, MIN (step, length - at), error))
      return FALSE;
  return changes_data_end (data, error);
}

static ChangesData *
read_list (gsize step)
{
  g_autoptr (GError) error = NULL;
  ChangesData *data = changes_data_new ();

  g_assert_true (feed (data, list, sizeof list - 1, step, &error));
  g_assert_no_error (error);
  return data;
}

static void
whole (void)
{
  /* However it comes in parts. */
  for (gsize step = 1; step < 40; step++)
    {
      g_autoptr (ChangesData) data = read_list (step);
      const ChangesRow *row = changes_data_get_row (data, 0);

      g_assert_cmpuint (changes_data_get_count (data), ==, 4);
      g_assert_cmpfloat (changes_data_get_progress (data), ==, 0.5);
      g_assert_cmpint (row->kind, ==, INSPECT_ADDED);
      g_assert_cmpuint (row->new_size, ==, 4096);
      g_assert_cmpint (row->modified, ==, 1700000000);
      g_assert_cmpuint (row->volume, ==, 1);
      g_assert_cmpstr (changes_data_get_path (data, row), ==, "/usr/bin/Tool");
      g_assert_cmpstr (changes_data_get_disk (data, changes_data_get_row (data, 3)), ==, "ahci0");
      g_assert_cmpint (changes_data_get_row (data, 2)->modified, ==, -5);
      g_assert_false (changes_data_is_one_volume (data));
      for (guint kind = 0; kind < CHANGES_KINDS; kind++)
        g_assert_cmpuint (changes_data_count_kind (data, kind), ==, 1);
      g_assert_cmpuint (changes_data_get_notes (data)->len, ==, 1);
      g_assert_cmpstr (changes_data_get_notes (data)->pdata[0], ==, "ide0: partition 2 is \\x1b[31mred");
    }
}

static void
assert_damaged (const char *bytes, gsize length)
{
  g_autoptr (ChangesData) data = changes_data_new ();
  g_autoptr (GError) error = NULL;

  g_assert_false (feed (data, bytes, length, 7, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA);
}

#define DAMAGED(text) assert_damaged ("bunshin-changes-1\0" text, sizeof ("bunshin-changes-1\0" text) - 1)

static void
damaged (void)
{
  g_autofree char *endless = g_malloc (1 << 20);

  /* Cut off anywhere. */
  for (gsize length = 0; length < sizeof list - 1; length++)
    assert_damaged (list, length);
  assert_damaged ("bunshin-changes-2\0e\0", 20);
  DAMAGED ("x\0e\0");
  DAMAGED ("e\0e\0");
  DAMAGED ("e\0rest");
  DAMAGED ("p\0"
           "1001\0e\0");
  DAMAGED ("p\0-1\0e\0");
  DAMAGED (RECORD ("4", "0", "ide0", "1", "0", "1", "0", "/a") "e\0");
  DAMAGED (RECORD ("-1", "0", "ide0", "1", "0", "1", "0", "/a") "e\0");
  DAMAGED (RECORD ("0", "4", "ide0", "1", "0", "1", "0", "/a") "e\0");
  DAMAGED (RECORD ("0", "0", "", "1", "0", "1", "0", "/a") "e\0");
  DAMAGED (RECORD ("0", "0", "ide0:0", "1", "0", "1", "0", "/a") "e\0");
  DAMAGED (RECORD ("0", "0", "ide0123456789abcdef", "1", "0", "1", "0", "/a") "e\0");
  DAMAGED (RECORD ("0", "0", "ide0", "65536", "0", "1", "0", "/a") "e\0");
  DAMAGED (RECORD ("0", "0", "ide0", "1", "99999999999999999999", "1", "0", "/a") "e\0");
  DAMAGED (RECORD ("0", "0", "ide0", "1", "0", "1 ", "0", "/a") "e\0");
  DAMAGED (RECORD ("0", "0", "ide0", "1", "0", "1", "now", "/a") "e\0");
  DAMAGED (RECORD ("0", "0", "ide0", "1", "0", "1", "0", "a") "e\0");
  DAMAGED (RECORD ("0", "0", "ide0", "1", "0", "1", "0", "") "e\0");
  memset (endless, 'a', 1 << 20);
  assert_damaged (endless, 1 << 20);
}

/* Random damage: read or refused, and whatever was read can be shown. */
static void
random_damage (void)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (5);
  guint refused = 0;

  for (guint i = 0; i < 3000; i++)
    {
      g_autofree char *bytes = g_memdup2 (list, sizeof list - 1);
      g_autoptr (ChangesData) data = changes_data_new ();
      const ChangesQuery query = { .search = "e", .kinds = 15, .order = CHANGES_BY_SIZE };

      for (guint j = 0; j < 3; j++)
        bytes[g_rand_int_range (rand, 0, sizeof list - 1)] = (char) g_rand_int_range (rand, 0, 256);
      refused += !feed (data, bytes, sizeof list - 1, 50, NULL);
      g_array_unref (changes_data_select (data, &query, NULL));
    }
  g_assert_cmpuint (refused, >, 100);
  g_assert_cmpuint (refused, <, 3000);
}

/* "/a /b" */
static char *
chosen (ChangesData *data, const char *search, guint kinds, ChangesOrder order)
{
  const ChangesQuery query = { .search = search, .kinds = kinds, .order = order };
  g_autoptr (GArray) rows = changes_data_select (data, &query, NULL);
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < rows->len; i++)
    g_string_append_printf (text, "%s%u", i > 0 ? " " : "", g_array_index (rows, guint32, i));
  return g_string_free (text, FALSE);
}

static void
choosing (void)
{
  static const struct
  {
    const char *search;
    guint kinds;
    ChangesOrder order;
    const char *expected;
  } cases[] = {
    { NULL, 15, CHANGES_BY_PATH, "0 1 2 3" },
    { NULL, 15, CHANGES_BY_SIZE, "0 2 1 3" },
    { NULL, 15, CHANGES_BY_TIME, "3 0 1 2" },
    { NULL, 1 << INSPECT_REMOVED | 1 << INSPECT_CHANGED, CHANGES_BY_PATH, "1 2" },
    { NULL, 0, CHANGES_BY_PATH, "" },
    { "TOOL", 15, CHANGES_BY_PATH, "0" },
    { "m\xc3\xbcLL", 15, CHANGES_BY_PATH, "2" },
    { "/li", 15, CHANGES_BY_PATH, "3" },
    { "old", 1 << INSPECT_ADDED, CHANGES_BY_PATH, "" },
    { "nowhere", 15, CHANGES_BY_PATH, "" },
  };
  g_autoptr (ChangesData) data = read_list (1000);

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *text = chosen (data, cases[i].search, cases[i].kinds, cases[i].order);

      g_assert_cmpstr (text, ==, cases[i].expected);
    }
}

static void
on_items_changed (GListModel *model, guint position, guint removed, guint added, gpointer data)
{
  g_assert_cmpuint (position, ==, 0);
  *(guint *) data = removed * 100 + added;
}

static void
model (void)
{
  g_autoptr (BunshinChangesList) changes = bunshin_changes_list_new ();
  const ChangesQuery query = { .kinds = 15, .order = CHANGES_BY_TIME };
  g_autoptr (ChangesData) data = read_list (1000);
  g_autoptr (BunshinChange) link = NULL, folder = NULL, file = NULL;
  g_autofree char *name = NULL, *place = NULL, *sizes = NULL, *folder_name = NULL, *folder_place = NULL, *both = NULL;
  guint seen = 0;

  g_signal_connect (changes, "items-changed", G_CALLBACK (on_items_changed), &seen);
  bunshin_changes_list_set (changes, changes_data_ref (data), changes_data_select (data, &query, NULL));
  g_assert_cmpuint (seen, ==, 4);
  link = g_list_model_get_item (G_LIST_MODEL (changes), 0);
  folder = g_list_model_get_item (G_LIST_MODEL (changes), 2);
  file = g_list_model_get_item (G_LIST_MODEL (changes), 3);
  g_assert_null (g_list_model_get_item (G_LIST_MODEL (changes), 4));
  /* What is looked at stays when the list has other rows. */
  bunshin_changes_list_set (changes, NULL, NULL);
  g_assert_cmpuint (seen, ==, 400);
  name = bunshin_change_get_name (link);
  place = bunshin_change_get_place (link);
  g_assert_cmpstr (name, ==, "li\xef\xbf\xbdnk");
  g_assert_cmpstr (place, ==, "ahci0: /");
  g_assert_cmpstr (bunshin_change_get_path (link), ==, "/li\xffnk");
  folder_name = bunshin_change_get_name (folder);
  folder_place = bunshin_change_get_place (folder);
  g_assert_cmpstr (folder_name, ==, "old/");
  g_assert_cmpstr (folder_place, ==, "ide0, partition 1: /var");
  g_assert_null (bunshin_change_get_sizes (folder));
  both = bunshin_change_get_sizes (file);
  g_assert_cmpstr (both, ==, "2.9 KiB → 1 KiB");
  sizes = bunshin_change_get_sizes (link);
  g_assert_cmpstr (sizes, ==, "9 bytes");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/changes/whole", whole);
  g_test_add_func ("/changes/damaged", damaged);
  g_test_add_func ("/changes/random-damage", random_damage);
  g_test_add_func ("/changes/choosing", choosing);
  g_test_add_func ("/changes/model", model);
  return g_test_run ();
}
