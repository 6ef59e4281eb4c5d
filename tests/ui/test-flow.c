/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The whole way of a first machine: the wizard makes it from a disc, it
 * starts, its screen shows in its window, and what is typed there reaches the
 * guest, which answers.
 */

#include "tests/ui/ui-test.h"

#include "app/session.h"
#include "ui/machine-window-private.h"
#include "ui/wizard-private.h"

#include <linux/input-event-codes.h>

enum { BOOT_SECONDS = 90 };

static gboolean
run (const char *const *argv)
{
  int status;

  return g_spawn_sync (NULL, (char **) argv, NULL,
                       G_SPAWN_SEARCH_PATH | G_SPAWN_STDOUT_TO_DEV_NULL | G_SPAWN_STDERR_TO_DEV_NULL, NULL, NULL, NULL,
                       NULL, &status, NULL)
         && g_spawn_check_wait_status (status, NULL);
}

static void
on_created (BunshinWizard *wizard, const char *uuid, gboolean start, gpointer data)
{
  *(char **) data = g_strdup (uuid);
}

static void
next (BunshinWizard *wizard)
{
  WizardPage before = wizard->page;

  gtk_widget_activate_default (GTK_WIDGET (wizard));
  test_wait_until (wizard->page != before);
  test_settle ();
}

static char *
make_with_wizard (TestStage *stage, const char *disc)
{
  g_autoptr (BunshinOsDatabase) systems = bunshin_os_database_new ();
  BunshinWizard *wizard = bunshin_wizard_new (NULL, stage->library, systems);
  GtkWidget *search;
  char *uuid = NULL;

  g_signal_connect (wizard, "created", G_CALLBACK (on_created), &uuid);
  gtk_window_present (GTK_WINDOW (wizard));
  test_wait_until (bunshin_os_database_is_loaded (systems));
  test_type (wizard->name_row, "First machine");
  bunshin_wizard_set_disc (wizard, disc);
  test_wait_until (!gtk_spinner_get_spinning (GTK_SPINNER (wizard->disc_spinner)));
  next (wizard);
  search = test_find (wizard->chooser, "search_entry");
  test_type (search, "other linux");
  g_signal_emit_by_name (search, "activate");
  test_type (test_find (wizard->memory_row, "entry"), "64 MiB");
  next (wizard);
  test_type (test_find (wizard->disk_size_row, "entry"), "64 MiB");
  next (wizard);
  next (wizard);
  test_screenshot ("flow-1-summary");
  next (wizard);
  test_wait_until (uuid != NULL);
  test_destroy_windows ();
  return uuid;
}

static gboolean
wait_for_text (BunshinMachineWindow *window, const char *text)
{
  gint64 deadline = g_get_monotonic_time () + BOOT_SECONDS * G_USEC_PER_SEC;

  while (g_get_monotonic_time () < deadline)
    {
      g_autofree char *screen = display_get_text (machine_display (window->machine));

      if (screen != NULL && strstr (screen, text) != NULL)
        return TRUE;
      test_settle ();
    }
  return FALSE;
}

static void
test_first_machine (void)
{
  g_autoptr (TestStage) stage = test_stage_new ();
  g_autofree char *disc = g_build_filename (stage->home, "grub.iso", NULL), *uuid = NULL;
  const char *const make_disc[] = { "grub-mkrescue", "-d", "/usr/lib/grub/i386-pc", "-o", disc, NULL };
  g_autoptr (LibraryMachine) record = NULL;
  g_autoptr (LibraryLock) lock = NULL;
  g_autoptr (BunshinSession) session = NULL;
  g_autoptr (GError) error = NULL;
  BunshinMachineWindow *window;

  if (!test_has_hands ())
    return;
  if (!run (make_disc))
    {
      g_test_skip ("grub-mkrescue or its parts are not installed");
      return;
    }
  uuid = make_with_wizard (stage, disc);
  record = library_find (stage->library, uuid, &error);
  g_assert_no_error (error);
  lock = library_lock_machine (record, &error);
  g_assert_no_error (error);
  session = bunshin_session_new (stage->library, lock, record, &(SessionOptions) { 0 }, &error);
  g_assert_no_error (error);
  g_steal_pointer (&lock);

  window = BUNSHIN_MACHINE_WINDOW (ui_machine_window_new (BUNSHIN_MACHINE_CONTROL (session), record, stage->library));
  gtk_window_present (GTK_WINDOW (window));
  g_assert_true (bunshin_session_start (session, &error));
  g_assert_no_error (error);
  g_assert_true (wait_for_text (window, "grub>"));
  test_screenshot ("flow-2-grub");

  test_focus_window (window);
  g_assert_true (gtk_window_get_focus (GTK_WINDOW (window)) == GTK_WIDGET (window->view));
  test_xdotool ("type", "--delay", "120", "echo Hello from $grub_platform", NULL);
  test_xdotool ("key", "Return", NULL);
  g_assert_true (wait_for_text (window, "Hello from pc"));
  test_screenshot ("flow-3-typed");

  /* Pausing stops the guest, and its window says so. */
  gtk_widget_activate_action (GTK_WIDGET (window), "win.pause", NULL);
  test_wait_until (machine_state (window->machine) == MACHINE_STATE_PAUSED);
  test_wait_until (gtk_widget_get_visible (window->paused_panel));
  gtk_widget_activate_action (GTK_WIDGET (window), "win.resume", NULL);
  test_wait_until (machine_state (window->machine) == MACHINE_STATE_RUNNING);

  gtk_window_close (GTK_WINDOW (window));
  test_respond ("off");
  test_wait_until (bunshin_session_has_ended (session));
  test_destroy_windows ();
  bunshin_session_close (session);
}

int
main (int argc, char *argv[])
{
  test_ui_init (&argc, &argv);
  g_test_add_func ("/ui/flow/first-machine", test_first_machine);
  return g_test_run ();
}
