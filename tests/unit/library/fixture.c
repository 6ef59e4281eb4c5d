/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A library in a temporary folder. */

#include "tests/unit/library/fixture.h"

#include <glib/gstdio.h>

void
remove_tree (const char *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const char *name;

  while (dir && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *child = g_build_filename (path, name, NULL);

      if (g_file_test (child, G_FILE_TEST_IS_DIR) && !g_file_test (child, G_FILE_TEST_IS_SYMLINK))
        remove_tree (child);
      else
        g_unlink (child);
    }
  g_rmdir (path);
}

void
fixture_set_up (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  fixture->home = g_dir_make_tmp ("bunshin-library-XXXXXX", &error);
  g_assert_no_error (error);
  fixture->library = library_open (fixture->home, &error);
  g_assert_no_error (error);
  g_assert_nonnull (fixture->library);
}

void
fixture_tear_down (Fixture *fixture, gconstpointer data)
{
  library_close (fixture->library);
  remove_tree (fixture->home);
  g_free (fixture->home);
}

LibraryMachine *
fixture_add (Fixture *fixture, const char *name)
{
  g_autoptr (GError) error = NULL;
  LibraryMachine *machine = library_machine_new (name);
  LibraryAdapter *adapter;

  library_machine_add_drive (machine, LIBRARY_CONTROLLER_IDE, LIBRARY_MEDIUM_OPTICAL, NULL, NULL);
  adapter = library_machine_add_adapter (machine, 0, LIBRARY_NET_NAT);
  library_adapter_add_forward (adapter, FALSE, NULL, 2222, NULL, 22);
  g_assert_true (library_add_machine (fixture->library, machine, &error));
  g_assert_no_error (error);
  return machine;
}
