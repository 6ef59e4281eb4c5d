/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What may be done with media, and how they are described. */

#include "storage/disk/disk.h"
#include "ui/medium-info.h"

#include <glib/gstdio.h>

static void
test_verbs (void)
{
  const MediumInfo whole = { .format = (char *) "vdi", .size = 1 << 20 };
  const MediumInfo missing = { .is_missing = TRUE };
  const MediumInfo damaged = { .problem = (char *) "damaged" };
  const MediumInfo remote = { .is_remote = TRUE, .format = (char *) "nbd" };
  const MediumVerbs tools = MEDIUM_COPY | MEDIUM_MOVE | MEDIUM_RESIZE | MEDIUM_COMPACT | MEDIUM_CHECK;
  const struct
  {
    MediumFacts facts;
    MediumVerbs verbs;
  } cases[] = {
    { { LIBRARY_MEDIUM_DISK, TRUE, FALSE, FALSE, FALSE, FALSE, &whole }, tools | MEDIUM_REMOVE | MEDIUM_DELETE },
    /* A machine has it: it has to be released first. */
    { { LIBRARY_MEDIUM_DISK, TRUE, TRUE, FALSE, FALSE, FALSE, &whole }, tools | MEDIUM_RELEASE },
    /* Nothing while a machine runs on it, or something is done with it. */
    { { LIBRARY_MEDIUM_DISK, TRUE, TRUE, TRUE, FALSE, FALSE, &whole }, 0 },
    { { LIBRARY_MEDIUM_DISK, TRUE, FALSE, FALSE, TRUE, FALSE, &whole }, 0 },
    /* With snapshots a machine sees the size of these. */
    { { LIBRARY_MEDIUM_DISK, TRUE, TRUE, FALSE, FALSE, FALSE, &whole, TRUE },
      (tools & ~MEDIUM_RESIZE) | MEDIUM_RELEASE },
    /* What others are based on stays where and as it is. */
    { { LIBRARY_MEDIUM_DISK, TRUE, FALSE, FALSE, FALSE, TRUE, &whole }, MEDIUM_COPY | MEDIUM_COMPACT | MEDIUM_CHECK },
    { { LIBRARY_MEDIUM_DISK, FALSE, FALSE, FALSE, FALSE, TRUE, &whole }, MEDIUM_COPY | MEDIUM_COMPACT | MEDIUM_CHECK },
    { { LIBRARY_MEDIUM_DISK, TRUE, FALSE, FALSE, FALSE, FALSE, &missing }, MEDIUM_REMOVE },
    { { LIBRARY_MEDIUM_DISK, TRUE, TRUE, FALSE, FALSE, FALSE, &missing }, MEDIUM_RELEASE },
    { { LIBRARY_MEDIUM_DISK, TRUE, FALSE, FALSE, FALSE, FALSE, &damaged },
      MEDIUM_CHECK | MEDIUM_REMOVE | MEDIUM_DELETE },
    { { LIBRARY_MEDIUM_DISK, TRUE, FALSE, FALSE, FALSE, FALSE, NULL }, MEDIUM_REMOVE },
    /* What lies on a server can be copied from there. */
    { { LIBRARY_MEDIUM_DISK, TRUE, FALSE, FALSE, FALSE, FALSE, &remote }, MEDIUM_COPY | MEDIUM_REMOVE },
    { { LIBRARY_MEDIUM_DISK, TRUE, TRUE, FALSE, FALSE, FALSE, &remote }, MEDIUM_COPY | MEDIUM_RELEASE },
    { { LIBRARY_MEDIUM_OPTICAL, TRUE, FALSE, FALSE, FALSE, FALSE, &whole },
      MEDIUM_MOVE | MEDIUM_REMOVE | MEDIUM_DELETE },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    g_assert_cmphex (medium_verbs (&cases[i].facts), ==, cases[i].verbs);
}

static void
test_read (void)
{
  g_autofree char *folder = g_dir_make_tmp ("bunshin-media-XXXXXX", NULL);
  g_autofree char *base = g_build_filename (folder, "base.qcow2", NULL);
  g_autofree char *child = g_build_filename (folder, "child.qcow2", NULL);
  const DiskCreateOptions plain = { .size = 8 << 20 }, over = { .base = base };
  g_autofree char *format = NULL, *text = NULL, *sizes = NULL;
  g_autoptr (GError) error = NULL;
  LibraryMediumKind kind;
  MediumInfo *info;

  info = medium_info_read ("iscsi://joe%secret@nowhere.invalid/iqn/1", FALSE);
  g_assert_true (info->is_remote);
  g_assert_false (info->is_missing);
  g_assert_null (medium_info_describe_size (info, LIBRARY_MEDIUM_DISK));
  medium_info_free (info);
  g_assert_true (disk_create (base, &plain, &error) && disk_create (child, &over, &error));
  g_assert_true (medium_info_find_kind (child, &kind, &format, &error));
  g_assert_cmpint (kind, ==, LIBRARY_MEDIUM_DISK);
  g_assert_cmpstr (format, ==, "qcow2");
  {
    /* Also while somebody is at work on it. */
    g_autoptr (Disk) user = disk_open (child, 0, &error);

    info = medium_info_read (child, FALSE);
    g_assert_cmpstr (info->base, ==, base);
    g_assert_null (info->problem);
    text = medium_info_describe (info, LIBRARY_MEDIUM_DISK);
    sizes = medium_info_describe_size (info, LIBRARY_MEDIUM_DISK);
    g_assert_cmpstr (text, ==, "QCOW2, changes to another disk");
    g_assert_true (g_str_has_prefix (sizes, "8 MiB, "));
    medium_info_free (info);
  }
  /* Without its base it is told of all the same. */
  g_assert_cmpint (g_unlink (base), ==, 0);
  info = medium_info_read (child, FALSE);
  g_assert_cmpstr (info->format, ==, "qcow2");
  g_assert_nonnull (info->problem);
  g_assert_false (info->is_missing);
  medium_info_free (info);
  info = medium_info_read (base, FALSE);
  g_assert_true (info->is_missing);
  g_assert_null (info->problem);
  medium_info_free (info);
  g_unlink (child);
  g_rmdir (folder);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/ui/media/verbs", test_verbs);
  g_test_add_func ("/ui/media/read", test_read);
  return g_test_run ();
}
