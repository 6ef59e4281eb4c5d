/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Operating systems: groups, order, search. */

#include "ui/os.h"
#include "ui/os-emblem-style.h"

static BunshinOs *
make (const char *id, const char *name, int year, OsGroup group)
{
  const OsFacts facts = { .id = id, .family = "linux", .year = year };

  return bunshin_os_new (&facts, name, group, "bookworm Debian Project");
}

static void
test_groups (void)
{
  g_assert_cmpint (os_group_for ("debian12", "linux", "debian"), ==, OS_GROUP_DEBIAN);
  g_assert_cmpint (os_group_for ("rocky9", "linux", "rocky"), ==, OS_GROUP_REDHAT);
  g_assert_cmpint (os_group_for ("voidlinux", "linux", "voidlinux"), ==, OS_GROUP_LINUX);
  g_assert_cmpint (os_group_for ("linux2022", "linux", NULL), ==, OS_GROUP_OTHER);
  g_assert_cmpint (os_group_for ("winxp", "winnt", "win"), ==, OS_GROUP_WINDOWS);
  g_assert_cmpint (os_group_for ("openbsd7", "openbsd", "openbsd"), ==, OS_GROUP_BSD);
  g_assert_cmpint (os_group_for ("haiku", "haiku", "haiku"), ==, OS_GROUP_REST);
  g_assert_cmpint (os_group_for ("unknown", NULL, NULL), ==, OS_GROUP_OTHER);
  for (int group = OS_GROUP_DEBIAN; group <= OS_GROUP_OTHER; group++)
    g_assert_cmpstr (os_group_name (group), !=, "");
}

static void
test_order (void)
{
  g_autoptr (BunshinOs) old = make ("debian9", "Debian 9", 2017, OS_GROUP_DEBIAN);
  g_autoptr (BunshinOs) fresh = make ("debian12", "Debian 12", 2023, OS_GROUP_DEBIAN);
  g_autoptr (BunshinOs) other = make ("ubuntu4.10", "Ubuntu 4.10", 2004, OS_GROUP_UBUNTU);
  g_autoptr (BunshinOs) heading = bunshin_os_new_heading (OS_GROUP_DEBIAN);

  g_assert_cmpint (bunshin_os_compare (fresh, old), <, 0);
  g_assert_cmpint (bunshin_os_compare (old, fresh), >, 0);
  g_assert_cmpint (bunshin_os_compare (old, other), <, 0);
  g_assert_true (bunshin_os_is_heading (heading));
  g_assert_false (bunshin_os_is_heading (old));
}

static void
test_search (void)
{
  static const char *const some[] = { "deb", "12", NULL }, *const codename[] = { "bookworm", NULL };
  static const char *const none[] = { NULL }, *const wrong[] = { "debian", "11", NULL };
  static const char *const within[] = { "worm", NULL }, *const id[] = { "debian12", NULL };
  g_autoptr (BunshinOs) os = make ("debian12", "Debian 12", 2023, OS_GROUP_DEBIAN);

  g_assert_true (bunshin_os_matches (os, some));
  g_assert_true (bunshin_os_matches (os, codename));
  g_assert_true (bunshin_os_matches (os, none));
  g_assert_false (bunshin_os_matches (os, wrong));
  /* From the beginning of a word on. */
  g_assert_false (bunshin_os_matches (os, within));
  g_assert_true (bunshin_os_matches (os, id));
}

static void
test_emblem (void)
{
  char letter[8];

  g_assert_cmpstr (os_emblem_style ("debian12", letter), ==, "debian");
  g_assert_cmpstr (letter, ==, "D");
  g_assert_cmpstr (os_emblem_style ("voidlinux", letter), ==, "linux");
  g_assert_cmpstr (letter, ==, "V");
  g_assert_cmpstr (os_emblem_style (NULL, letter), ==, "unknown");
  g_assert_cmpstr (letter, ==, "");
  g_assert_cmpstr (os_emblem_style ("unknown", letter), ==, "unknown");
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/ui/os/groups", test_groups);
  g_test_add_func ("/ui/os/order", test_order);
  g_test_add_func ("/ui/os/search", test_search);
  g_test_add_func ("/ui/os/emblem", test_emblem);
  return g_test_run ();
}
