/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A first machine with one click: the Debian installer out of Debian's own package. */

#include "ui/dialogs.h"
#include "ui/machine-creator.h"
#include "ui/manager-window-private.h"

#include <glib/gi18n.h>

#define DEMO_MEMORY (UINT64_C (1) << 30)
#define DEMO_DISK (UINT64_C (20) << 30)

/* What the script needs beyond what every Debian has. */
static const char *const tools[] = { "apt-get", "dpkg-deb", "grub-mkrescue", "xorriso" };

static gboolean
has_tools (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (tools); i++)
    {
      g_autofree char *path = g_find_program_in_path (tools[i]);

      if (path == NULL)
        return FALSE;
    }
  return TRUE;
}

void
manager_window_init_demo (BunshinManagerWindow *self)
{
  gboolean is_offered = self->env.demo_script != NULL && g_file_test (self->env.demo_script, G_FILE_TEST_EXISTS);

  gtk_widget_set_visible (self->demo_button, is_offered);
  if (!is_offered || has_tools ())
    return;
  gtk_widget_set_sensitive (self->demo_button, FALSE);
  gtk_actionable_set_action_name (GTK_ACTIONABLE (self->demo_button), NULL);
  gtk_label_set_label (GTK_LABEL (self->demo_hint),
                       _("To try it, install the packages grub-common, grub-pc-bin, xorriso and mtools first."));
  gtk_widget_set_visible (self->demo_hint, TRUE);
}

static void
show_progress (BunshinManagerWindow *self, gboolean busy)
{
  gtk_widget_set_visible (self->demo_progress, busy);
  gtk_widget_set_visible (self->demo_button, !busy);
}

static void
fail (BunshinManagerWindow *self, const GError *error)
{
  show_progress (self, FALSE);
  if (!g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    dialog_error (GTK_WINDOW (self), _("The Debian installer is not available"), error->message);
}

static void
on_created (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (BunshinManagerWindow) self = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (LibraryMachine) record = machine_creator_run_finish (result, &error);
  BunshinMachineItem *item;

  if (record == NULL)
    {
      fail (self, error);
      return;
    }
  show_progress (self, FALSE);
  if (self->machines == NULL)
    return;
  bunshin_machine_list_reload (self->machines);
  manager_window_select (self, record->uuid);
  item = bunshin_machine_list_find (self->machines, record->uuid);
  if (item != NULL)
    manager_window_run (self, item, BUNSHIN_VERB_START);
}

static void
create (BunshinManagerWindow *self, const char *disc)
{
  g_autoptr (MachineDraft) draft = machine_draft_new ();

  g_free (draft->name);
  draft->name = g_strdup (_("Debian installer"));
  draft->os_id = g_strdup ("debian12");
  draft->disc = g_strdup (disc);
  draft->memory = MIN (DEMO_MEMORY, library_host_memory () / 2);
  draft->cpus = 1;
  draft->disk_size = DEMO_DISK;
  machine_creator_run_async (self->env.library, draft, NULL, self->demo_cancellable, on_created, g_object_ref (self));
}

static void
on_script_done (GObject *source, GAsyncResult *result, gpointer data)
{
  GSubprocess *process = G_SUBPROCESS (source);
  g_autoptr (BunshinManagerWindow) self = data;
  g_autoptr (GError) error = NULL;
  g_autofree char *output = NULL, *complaint = NULL;

  if (!g_subprocess_communicate_utf8_finish (process, result, &output, &complaint, &error))
    {
      g_subprocess_force_exit (process);
      fail (self, error);
      return;
    }
  if (!g_subprocess_get_successful (process))
    {
      g_strstrip (complaint);
      g_set_error_literal (&error, G_IO_ERROR, G_IO_ERROR_FAILED,
                           complaint[0] != '\0' ? complaint : _("fetching the installer failed"));
      fail (self, error);
      return;
    }
  create (self, g_strstrip (output));
}

void
manager_window_start_demo (BunshinManagerWindow *self)
{
  g_autoptr (GSubprocess) process = NULL;
  g_autoptr (GError) error = NULL;

  process = g_subprocess_new (G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_PIPE, &error, "sh",
                              self->env.demo_script, NULL);
  if (process == NULL)
    {
      fail (self, error);
      return;
    }
  g_clear_object (&self->demo_cancellable);
  self->demo_cancellable = g_cancellable_new ();
  show_progress (self, TRUE);
  g_subprocess_communicate_utf8_async (process, NULL, self->demo_cancellable, on_script_done, g_object_ref (self));
}
