/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The list of media: who has what, keeping, releasing and returning, moving, and what a running machine forbids. */

#include "fixture.h"

#include <string.h>

static LibraryMedium *
find (GPtrArray *media, const char *path)
{
  for (unsigned i = 0; i < media->len; i++)
    if (g_str_equal (((LibraryMedium *) media->pdata[i])->path, path))
      return media->pdata[i];
  return NULL;
}

static GPtrArray *
list (Fixture *fixture)
{
  g_autoptr (GError) error = NULL;
  GPtrArray *media = library_list_media (fixture->library, &error);

  g_assert_no_error (error);
  return media;
}

static void
attach (Fixture *fixture, LibraryMachine *machine, const char *path)
{
  g_autoptr (GError) error = NULL;

  library_machine_add_drive (machine, LIBRARY_CONTROLLER_AHCI, LIBRARY_MEDIUM_DISK, path, "vdi");
  g_assert_true (library_update_machine (fixture->library, machine, &error));
  g_assert_no_error (error);
}

static void
test_list (Fixture *fixture, gconstpointer data)
{
  g_autoptr (LibraryMachine) b = fixture_add (fixture, "b"), a = fixture_add (fixture, "a");
  g_autoptr (GPtrArray) media = NULL, after = NULL;
  g_autoptr (GError) error = NULL;
  LibraryMedium *medium;

  attach (fixture, b, "/shared.vdi");
  attach (fixture, a, "/shared.vdi");
  attach (fixture, a, "/own.vdi");
  g_assert_true (library_set_medium (fixture->library, a->uuid, LIBRARY_CONTROLLER_IDE, 0, "/x.iso", &error));
  g_assert_true (library_add_medium (fixture->library, "/by-hand.img", LIBRARY_MEDIUM_FLOPPY, "raw", &error));
  g_assert_no_error (error);
  media = list (fixture);
  g_assert_cmpuint (media->len, ==, 4);
  medium = find (media, "/shared.vdi");
  g_assert_cmpstr (medium->format, ==, "vdi");
  g_assert_cmpuint (medium->users->len, ==, 2);
  g_assert_cmpstr (((LibraryMediumUser *) medium->users->pdata[0])->name, ==, "a");
  g_assert_cmpstr (((LibraryMediumUser *) medium->users->pdata[1])->uuid, ==, b->uuid);
  g_assert_cmpint (find (media, "/x.iso")->kind, ==, LIBRARY_MEDIUM_OPTICAL);
  medium = find (media, "/by-hand.img");
  g_assert_true (medium->kept);
  g_assert_cmpuint (medium->users->len, ==, 0);

  /* A kept disk outlives its machines' interest, another does not. */
  g_assert_true (library_add_medium (fixture->library, "/own.vdi", LIBRARY_MEDIUM_DISK, NULL, &error));
  g_assert_true (library_delete_machine (fixture->library, a->uuid, NULL, &error));
  g_assert_true (library_delete_machine (fixture->library, b->uuid, NULL, &error));
  after = list (fixture);
  g_assert_null (find (after, "/shared.vdi"));
  g_assert_cmpstr (find (after, "/own.vdi")->format, ==, "vdi");
}

static void
test_forget (Fixture *fixture, gconstpointer data)
{
  g_autoptr (LibraryMachine) machine = fixture_add (fixture, "one");
  g_autoptr (GPtrArray) media = NULL;
  g_autoptr (GError) error = NULL;

  attach (fixture, machine, "/used.vdi");
  g_assert_true (library_add_medium (fixture->library, "/unused.vdi", LIBRARY_MEDIUM_DISK, NULL, &error));
  g_assert_false (library_forget_medium (fixture->library, "/used.vdi", &error));
  g_assert_error (error, LIBRARY_ERROR, LIBRARY_ERROR_INVALID);
  g_assert_nonnull (strstr (error->message, "one"));
  g_clear_error (&error);
  g_assert_true (library_forget_medium (fixture->library, "/unused.vdi", &error));
  g_assert_no_error (error);
  media = list (fixture);
  g_assert_cmpuint (media->len, ==, 1);
}

static void
test_release (Fixture *fixture, gconstpointer data)
{
  g_autoptr (LibraryMachine) one = fixture_add (fixture, "one"), two = fixture_add (fixture, "two");
  g_autoptr (LibraryMachine) after = NULL, back = NULL, blocked = NULL;
  g_autoptr (GPtrArray) released = NULL, again = NULL, media = NULL;
  g_autoptr (GError) error = NULL;

  attach (fixture, one, "/x.vdi");
  attach (fixture, two, "/y.vdi");
  attach (fixture, two, "/x.vdi");
  library_machine_find_attachment (two, LIBRARY_CONTROLLER_AHCI, 1)->no_cache = TRUE;
  library_machine_find_attachment (two, LIBRARY_CONTROLLER_AHCI, 1)->trusted = TRUE;
  g_assert_true (library_update_machine (fixture->library, two, &error));
  released = library_release_medium (fixture->library, "/x.vdi", &error);
  g_assert_no_error (error);
  g_assert_cmpuint (released->len, ==, 2);
  after = library_find (fixture->library, "two", NULL);
  g_assert_null (library_machine_find_attachment (after, LIBRARY_CONTROLLER_AHCI, 1));
  g_assert_nonnull (library_machine_find_attachment (after, LIBRARY_CONTROLLER_AHCI, 0));
  media = list (fixture);
  g_assert_true (find (media, "/x.vdi")->kept);

  g_assert_true (library_return_medium (fixture->library, "/x.vdi", released, &error));
  g_assert_no_error (error);
  back = library_find (fixture->library, "two", NULL);
  g_assert_cmpstr (library_machine_find_attachment (back, LIBRARY_CONTROLLER_AHCI, 1)->path, ==, "/x.vdi");
  g_assert_cmpstr (library_machine_find_attachment (back, LIBRARY_CONTROLLER_AHCI, 1)->format, ==, "vdi");
  g_assert_true (library_machine_find_attachment (back, LIBRARY_CONTROLLER_AHCI, 1)->no_cache);
  g_assert_true (library_machine_find_attachment (back, LIBRARY_CONTROLLER_AHCI, 1)->trusted);

  /* Where one place is taken meanwhile none gets it back. */
  again = library_release_medium (fixture->library, "/x.vdi", &error);
  g_assert_no_error (error);
  library_machine_free (g_steal_pointer (&back));
  back = library_find (fixture->library, "two", NULL);
  attach (fixture, back, "/z.vdi");
  g_assert_false (library_return_medium (fixture->library, "/x.vdi", again, &error));
  g_assert_error (error, LIBRARY_ERROR, LIBRARY_ERROR_EXISTS);
  blocked = library_find (fixture->library, "one", NULL);
  g_assert_null (library_machine_find_attachment (blocked, LIBRARY_CONTROLLER_AHCI, 0));
}

static void
test_eject (Fixture *fixture, gconstpointer data)
{
  g_autoptr (LibraryMachine) machine = fixture_add (fixture, "one");
  g_autoptr (LibraryMachine) after = NULL, back = NULL;
  g_autoptr (GPtrArray) released = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_true (library_set_medium (fixture->library, machine->uuid, LIBRARY_CONTROLLER_IDE, 0, "/x.iso", &error));
  released = library_release_medium (fixture->library, "/x.iso", &error);
  g_assert_no_error (error);
  after = library_find (fixture->library, "one", NULL);
  g_assert_null (library_machine_find_attachment (after, LIBRARY_CONTROLLER_IDE, 0)->path);
  g_assert_true (library_return_medium (fixture->library, "/x.iso", released, &error));
  back = library_find (fixture->library, "one", NULL);
  g_assert_cmpstr (library_machine_find_attachment (back, LIBRARY_CONTROLLER_IDE, 0)->path, ==, "/x.iso");
}

static void
test_move (Fixture *fixture, gconstpointer data)
{
  g_autoptr (LibraryMachine) one = fixture_add (fixture, "one"), two = fixture_add (fixture, "two");
  g_autoptr (LibraryMachine) after = NULL;
  g_autoptr (GPtrArray) media = NULL;
  g_autoptr (GError) error = NULL;

  attach (fixture, one, "/x.vdi");
  attach (fixture, two, "/x.vdi");
  attach (fixture, two, "/y.vdi");
  g_assert_false (library_move_medium (fixture->library, "/x.vdi", "/y.vdi", &error));
  g_assert_error (error, LIBRARY_ERROR, LIBRARY_ERROR_EXISTS);
  g_clear_error (&error);
  g_assert_false (library_move_medium (fixture->library, "/none.vdi", "/new.vdi", &error));
  g_assert_error (error, LIBRARY_ERROR, LIBRARY_ERROR_NOT_FOUND);
  g_clear_error (&error);
  g_assert_true (library_move_medium (fixture->library, "/x.vdi", "/new.vdi", &error));
  g_assert_no_error (error);
  after = library_find (fixture->library, "two", NULL);
  g_assert_cmpstr (library_machine_find_attachment (after, LIBRARY_CONTROLLER_AHCI, 0)->path, ==, "/new.vdi");
  media = list (fixture);
  g_assert_null (find (media, "/x.vdi"));
  g_assert_cmpuint (find (media, "/new.vdi")->users->len, ==, 2);
}

/* What a running machine has stays as it is. */
static void
test_running (Fixture *fixture, gconstpointer data)
{
  g_autoptr (LibraryMachine) machine = fixture_add (fixture, "one");
  g_autoptr (LibraryLock) lock = NULL;
  g_autoptr (GError) error = NULL;

  attach (fixture, machine, "/x.vdi");
  lock = library_lock_machine (machine, &error);
  g_assert_no_error (error);
  g_assert_null (library_release_medium (fixture->library, "/x.vdi", &error));
  g_assert_error (error, LIBRARY_ERROR, LIBRARY_ERROR_RUNNING);
  g_clear_error (&error);
  g_assert_false (library_move_medium (fixture->library, "/x.vdi", "/y.vdi", &error));
  g_assert_error (error, LIBRARY_ERROR, LIBRARY_ERROR_RUNNING);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, function)                                                                                            \
  g_test_add ("/library/media/" name, Fixture, NULL, fixture_set_up, function, fixture_tear_down)
  ADD ("list", test_list);
  ADD ("forget", test_forget);
  ADD ("release", test_release);
  ADD ("eject", test_eject);
  ADD ("move", test_move);
  ADD ("running", test_running);
#undef ADD
  return g_test_run ();
}
