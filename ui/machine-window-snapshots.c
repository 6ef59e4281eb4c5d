/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Snapshots in a machine's window: taking them, going back, and the end of a test drive. */

#include "ui/dialogs.h"
#include "ui/machine-window-private.h"
#include "ui/snapshot-dialog.h"
#include "ui/snapshot-questions.h"
#include "ui/snapshot-text.h"
#include "ui/state-text.h"

#include <glib/gi18n.h>

/* --- What is known of them --- */

/* With the one where a test drive began. */
static GPtrArray *
list_snapshots (BunshinMachineWindow *self)
{
  return self->library != NULL ? snapshot_list (self->library, self->record, TRUE, NULL) : NULL;
}

/* The one that the present state descends from; borrowed from the list. */
static const Snapshot *
find_current (const GPtrArray *snapshots)
{
  for (guint i = 0; snapshots != NULL && i < snapshots->len; i++)
    if (((const Snapshot *) snapshots->pdata[i])->is_current)
      return snapshots->pdata[i];
  return NULL;
}

static char *
propose_name (const GPtrArray *snapshots)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  g_auto (GStrv) names = NULL;

  for (guint i = 0; snapshots != NULL && i < snapshots->len; i++)
    if (((const Snapshot *) snapshots->pdata[i])->kind != SNAPSHOT_DRIVE)
      g_strv_builder_add (builder, ((const Snapshot *) snapshots->pdata[i])->name);
  names = g_strv_builder_end (builder);
  return snapshot_text_new_name ((const char *const *) names);
}

static gboolean
has_ended (BunshinMachineWindow *self)
{
  return bunshin_machine_control_get_drive_ended (self->control);
}

/* --- Work --- */

typedef struct
{
  BunshinMachineWindow *window;
  const char *failure;     /* a heading */
  char *success;           /* a toast, or NULL */
  BunshinSnapshotVerb verb;
  SnapshotDriveEnd how;
  gboolean closes;         /* the window is to be closed then */
} Work;

static void
work_free (Work *work)
{
  g_object_unref (work->window);
  g_free (work->success);
  g_free (work);
}

static void
show_progress (BunshinMachineWindow *self)
{
  double progress = bunshin_machine_control_get_progress (self->control);

  gtk_widget_set_visible (GTK_WIDGET (self->work_progress), progress >= 0);
  gtk_progress_bar_set_fraction (self->work_progress, MAX (progress, 0));
}

static void
on_work_done (GObject *source, GAsyncResult *result, gpointer data)
{
  Work *work = data;
  BunshinMachineWindow *self = work->window;
  g_autoptr (GError) error = NULL;
  gboolean worked = bunshin_machine_control_snapshot_finish (BUNSHIN_MACHINE_CONTROL (source), result, &error);
  gboolean keeps = work->verb == BUNSHIN_SNAPSHOT_END_DRIVE && work->how != SNAPSHOT_DRIVE_DISCARD;

  g_clear_object (&self->snapshot_work);
  machine_window_update_actions (self);
  /* The window may be gone by now, with the machine. */
  if (gtk_widget_get_mapped (GTK_WIDGET (self)))
    {
      if (worked && work->success != NULL)
        machine_window_toast (self, work->success);
      else if (!worked && !g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        dialog_error (GTK_WINDOW (self), work->failure, error->message);
      if (worked && keeps && work->closes)
        gtk_window_close (GTK_WINDOW (self));
    }
  work_free (work);
}

/* @success (taken over) may be NULL. */
static void
run (BunshinMachineWindow *self, const BunshinSnapshotRequest *request, const char *text, const char *failure,
     char *success, gboolean closes)
{
  Work *work = g_new0 (Work, 1);

  work->window = g_object_ref (self);
  work->failure = failure;
  work->success = success;
  work->verb = request->verb;
  work->how = request->how;
  work->closes = closes;
  g_clear_object (&self->snapshot_work);
  self->snapshot_work = g_cancellable_new ();
  gtk_label_set_label (self->work_label, text);
  gtk_widget_set_visible (self->work_stop, request->verb == BUNSHIN_SNAPSHOT_TAKE);
  show_progress (self);
  machine_window_update_actions (self);
  bunshin_machine_control_snapshot_async (self->control, request, self->snapshot_work, on_work_done, work);
}

static void
on_stop_work (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  BunshinMachineWindow *self = data;

  if (self->snapshot_work != NULL)
    g_cancellable_cancel (self->snapshot_work);
}

/* --- Taking --- */

static void
on_take_done (BunshinMachineWindow *self, const char *name, const char *description)
{
  const BunshinSnapshotRequest request = { .verb = BUNSHIN_SNAPSHOT_TAKE,
                                           .name = name,
                                           .description = description[0] != '\0' ? description : NULL };

  if (self->snapshot_work == NULL)
    run (self, &request, _("Taking the snapshot…"), _("The Snapshot Could Not Be Taken"),
         g_strdup_printf (_("“%s” taken"), name), FALSE);
}

static void
on_take (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  BunshinMachineWindow *self = data;
  g_autoptr (GPtrArray) snapshots = list_snapshots (self);
  g_autofree char *name = propose_name (snapshots);
  BunshinSnapshotDialog *dialog
      = bunshin_snapshot_dialog_new (GTK_WINDOW (self), SNAPSHOT_DIALOG_TAKE_RUNNING, name, NULL);

  bunshin_display_view_let_go (self->view);
  g_signal_connect_object (dialog, "done", G_CALLBACK (on_take_done), self, G_CONNECT_SWAPPED);
  gtk_window_present (GTK_WINDOW (dialog));
}

/* --- Going back --- */

typedef struct
{
  BunshinMachineWindow *window;
  char *uuid, *name;
} Target;

static void
target_free (gpointer data)
{
  Target *target = data;

  g_object_unref (target->window);
  g_free (target->uuid);
  g_free (target->name);
  g_free (target);
}

static void
on_back_confirmed (gboolean keeps, gpointer data)
{
  Target *target = data;
  g_autofree char *kept = keeps ? snapshot_text_kept_name (target->name) : NULL;
  const BunshinSnapshotRequest request = { .verb = BUNSHIN_SNAPSHOT_RESTORE, .snapshot = target->uuid, .name = kept };

  if (target->window->snapshot_work == NULL)
    run (target->window, &request, _("Going back…"), _("The Machine Could Not Go Back"),
         g_strdup_printf (_("Back at “%s”"), target->name), FALSE);
}

/* Nobody asked for the changes of a test drive to be kept: it begins anew at once. */
static void
restart_drive (BunshinMachineWindow *self)
{
  const BunshinSnapshotRequest request = { .verb = BUNSHIN_SNAPSHOT_RESTORE };

  run (self, &request, _("Going back…"), _("The Machine Could Not Go Back"),
       g_strdup (_("Back at the start of the test drive")), FALSE);
}

static void
on_back (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  BunshinMachineWindow *self = data;
  g_autoptr (GPtrArray) snapshots = list_snapshots (self);
  const Snapshot *current = find_current (snapshots);
  Target *target;

  if (current == NULL)
    {
      machine_window_toast (self, _("There is no snapshot to go back to"));
      return;
    }
  if (current->kind == SNAPSHOT_DRIVE)
    {
      restart_drive (self);
      return;
    }
  bunshin_display_view_let_go (self->view);
  target = g_new0 (Target, 1);
  target->window = g_object_ref (self);
  target->uuid = g_strdup (current->uuid);
  target->name = g_strdup (current->name);
  snapshot_ask_restore (GTK_WINDOW (self), current, TRUE, TRUE, on_back_confirmed, target, target_free);
}

/* --- The end of a test drive --- */

static void
end_drive (BunshinMachineWindow *self, SnapshotDriveEnd how, const char *name, gboolean closes)
{
  const BunshinSnapshotRequest request = { .verb = BUNSHIN_SNAPSHOT_END_DRIVE, .how = how, .name = name };
  const char *success = how == SNAPSHOT_DRIVE_DISCARD ? NULL : _("The changes of the test drive are kept");

  if (self->snapshot_work != NULL)
    return;
  run (self, &request,
       how == SNAPSHOT_DRIVE_DISCARD ? _("Throwing the changes away…") : _("Keeping the changes…"),
       _("The Test Drive Could Not Be Ended"), g_strdup (success), closes);
}

static void
on_keep_as_done (BunshinMachineWindow *self, const char *name, const char *description)
{
  end_drive (self, SNAPSHOT_DRIVE_KEEP_AS_SNAPSHOT, name, self->closes_after_drive);
}

static void
keep_as (BunshinMachineWindow *self, gboolean closes)
{
  g_autoptr (GPtrArray) snapshots = list_snapshots (self);
  g_autofree char *name = propose_name (snapshots);
  BunshinSnapshotDialog *dialog
      = bunshin_snapshot_dialog_new (GTK_WINDOW (self), SNAPSHOT_DIALOG_KEEP_DRIVE, name, NULL);

  self->closes_after_drive = closes;
  g_signal_connect_object (dialog, "done", G_CALLBACK (on_keep_as_done), self, G_CONNECT_SWAPPED);
  gtk_window_present (GTK_WINDOW (dialog));
}

static void
respond (BunshinMachineWindow *self, const char *response, gboolean closes)
{
  if (g_str_equal (response, "discard"))
    end_drive (self, SNAPSHOT_DRIVE_DISCARD, NULL, closes);
  else if (g_str_equal (response, "keep"))
    end_drive (self, SNAPSHOT_DRIVE_KEEP, NULL, closes);
  else if (g_str_equal (response, "keep-as"))
    keep_as (self, closes);
  else if (g_str_equal (response, "background"))
    gtk_widget_set_visible (GTK_WIDGET (self), FALSE);
}

static void
on_close_response (BunshinMachineWindow *self, const char *response)
{
  respond (self, response, TRUE);
}

static void
on_end_response (BunshinMachineWindow *self, const char *response)
{
  respond (self, response, FALSE);
}

static void
ask_end (BunshinMachineWindow *self, gboolean closes)
{
  AdwMessageDialog *dialog
      = ADW_MESSAGE_DIALOG (adw_message_dialog_new (GTK_WINDOW (self), _("End the Test Drive?"), NULL));

  bunshin_display_view_let_go (self->view);
  adw_message_dialog_set_body (dialog, _("Discarding powers the machine off and makes it what it was before the test "
                                         "drive. Keeping leaves it as it is now, and it runs on."));
  adw_message_dialog_add_responses (dialog, "cancel", _("_Cancel"), NULL);
  if (closes)
    adw_message_dialog_add_response (dialog, "background", _("Keep Running in _Background"));
  adw_message_dialog_add_responses (dialog, "keep-as", _("Keep as _Snapshot…"), "keep", _("_Keep"), "discard",
                                    _("_Discard"), NULL);
  adw_message_dialog_set_response_appearance (dialog, "discard", ADW_RESPONSE_DESTRUCTIVE);
  /* What a test drive is for; the banner has said so all the time. */
  adw_message_dialog_set_default_response (dialog, "discard");
  adw_message_dialog_set_close_response (dialog, "cancel");
  g_signal_connect_object (dialog, "response", G_CALLBACK (closes ? on_close_response : on_end_response), self,
                           G_CONNECT_SWAPPED);
  dialog_present_question (GTK_WINDOW (dialog));
}

gboolean
machine_window_close_drive (BunshinMachineWindow *self)
{
  if (has_ended (self))
    {
      /* Whoever closes the window does not want to be asked a second time. */
      end_drive (self, SNAPSHOT_DRIVE_DISCARD, NULL, TRUE);
      return TRUE;
    }
  if (!self->in_drive || !state_is_up (bunshin_machine_control_get_state (self->control)))
    return FALSE;
  ask_end (self, TRUE);
  return TRUE;
}

static void
on_end_drive (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  ask_end (data, FALSE);
}

static void
on_panel (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  respond (data, g_variant_get_string (parameter, NULL), FALSE);
}

/* The guest has powered off: the window comes back to ask. */
static void
on_drive_ended (BunshinMachineWindow *self)
{
  machine_window_update_actions (self);
  if (!has_ended (self))
    return;
  gtk_window_present (GTK_WINDOW (self));
  gtk_widget_grab_focus (self->drive_discard);
}

/* --- Menu and states --- */

static char *
escape_mnemonic (const char *text)
{
  g_autoptr (GString) escaped = g_string_new (text);

  g_string_replace (escaped, "_", "__", 0);
  return g_string_free (g_steal_pointer (&escaped), FALSE);
}

static void
fill_menu (BunshinMachineWindow *self)
{
  g_autoptr (GPtrArray) snapshots = list_snapshots (self);
  const Snapshot *current = find_current (snapshots);

  g_menu_remove_all (self->snapshot_section);
  g_menu_append (self->snapshot_section, _("Take S_napshot…"), "win.take-snapshot");
  if (current != NULL && current->kind == SNAPSHOT_DRIVE)
    g_menu_append (self->snapshot_section, _("_Go Back to the Start of the Test Drive"), "win.back");
  else if (current != NULL)
    {
      g_autofree char *name = escape_mnemonic (current->name);
      g_autofree char *label = g_strdup_printf (_("_Go Back to “%s”…"), name);

      g_menu_append (self->snapshot_section, label, "win.back");
    }
  if (self->in_drive)
    g_menu_append (self->snapshot_section, _("En_d Test Drive…"), "win.end-drive");
}

static void
enable (BunshinMachineWindow *self, const char *name, gboolean enabled)
{
  g_simple_action_set_enabled (G_SIMPLE_ACTION (g_action_map_lookup_action (self->actions, name)), enabled);
}

void
machine_window_update_snapshots (BunshinMachineWindow *self)
{
  LibraryState state = bunshin_machine_control_get_state (self->control);
  gboolean is_free = self->library != NULL && self->snapshot_work == NULL && state_is_up (state);
  gboolean ended = has_ended (self), is_full = gtk_window_is_fullscreen (GTK_WINDOW (self));
  gboolean has_bar = gtk_widget_get_visible (GTK_WIDGET (self->drive_bar));
  gboolean is_adapted = gtk_widget_get_width (GTK_WIDGET (self->scroller)) == self->wanted_width
                        && gtk_widget_get_height (GTK_WIDGET (self->scroller)) == self->wanted_height;

  self->in_drive = self->library != NULL && snapshot_in_drive (self->library, self->record->uuid);
  enable (self, "take-snapshot", is_free);
  enable (self, "back", is_free);
  enable (self, "end-drive", is_free && self->in_drive);
  enable (self, "answer-drive", self->snapshot_work == NULL && ended);
  gtk_widget_set_visible (GTK_WIDGET (self->drive_bar), self->in_drive && !ended && !is_full);
  /* The guest's screen stays as large as it was. */
  if (is_adapted && has_bar != gtk_widget_get_visible (GTK_WIDGET (self->drive_bar)))
    machine_window_adapt (self);
  gtk_widget_set_visible (self->drive_panel, ended);
  gtk_widget_set_visible (self->work_panel, self->snapshot_work != NULL);
  if (ended)
    {
      gtk_widget_add_css_class (GTK_WIDGET (self->scroller), "dimmed");
      adw_window_title_set_subtitle (self->title, state_text (LIBRARY_STATE_POWERED_OFF));
    }
  if (state == LIBRARY_STATE_RUNNING)
    adw_window_title_set_subtitle (self->title, self->in_drive ? _("Test drive") : "");
}

int
machine_window_drive_bar_height (BunshinMachineWindow *self)
{
  int minimum = 0, natural = 0;

  if (gtk_widget_get_visible (GTK_WIDGET (self->drive_bar)))
    gtk_widget_measure (GTK_WIDGET (self->drive_bar), GTK_ORIENTATION_VERTICAL, -1, &minimum, &natural, NULL, NULL);
  return natural;
}

static const GActionEntry entries[] = {
  { .name = "take-snapshot", .activate = on_take },
  { .name = "back", .activate = on_back },
  { .name = "end-drive", .activate = on_end_drive },
  { .name = "answer-drive", .activate = on_panel, .parameter_type = "s" },
  { .name = "stop-work", .activate = on_stop_work },
};

void
machine_window_init_snapshots (BunshinMachineWindow *self)
{
  g_action_map_add_action_entries (self->actions, entries, G_N_ELEMENTS (entries), self);
  g_signal_connect_object (gtk_menu_button_get_popover (GTK_MENU_BUTTON (self->menu_button)), "show",
                           G_CALLBACK (fill_menu), self, G_CONNECT_SWAPPED);
  g_signal_connect_swapped (self->control, "notify::progress", G_CALLBACK (show_progress), self);
  g_signal_connect_swapped (self->control, "notify::drive-ended", G_CALLBACK (on_drive_ended), self);
  fill_menu (self);
}
