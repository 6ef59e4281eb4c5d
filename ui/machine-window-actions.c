/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a machine's window can do. */

#include "ui/about.h"
#include "ui/dialogs.h"
#include "ui/information.h"
#include "ui/key-combination.h"
#include "ui/machine-window-private.h"
#include "ui/shortcuts.h"
#include "ui/state-text.h"
#include "ui/type-dialog.h"

#include <glib/gi18n.h>
#include <linux/input-event-codes.h>

void
machine_window_toast (BunshinMachineWindow *self, const char *text)
{
  g_autofree char *escaped = g_markup_escape_text (text, -1);

  adw_toast_overlay_add_toast (self->toasts, adw_toast_new (escaped));
}

static void
activate (BunshinMachineWindow *self, const char *action)
{
  gtk_widget_activate_action (GTK_WIDGET (self), action, NULL);
}

/* --- Verbs --- */

static void
on_run_done (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (BunshinMachineWindow) self = data;
  g_autoptr (GError) error = NULL;

  if (!bunshin_machine_control_run_finish (BUNSHIN_MACHINE_CONTROL (source), result, &error)
      && gtk_widget_get_mapped (GTK_WIDGET (self)))
    dialog_error (GTK_WINDOW (self), _("This did not work"), error->message);
}

void
machine_window_run (BunshinMachineWindow *self, BunshinVerb verb)
{
  bunshin_machine_control_run_async (self->control, verb, NULL, on_run_done, g_object_ref (self));
}

static void
on_pause (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  machine_window_run (data, BUNSHIN_VERB_PAUSE);
}

static void
on_resume (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  machine_window_run (data, BUNSHIN_VERB_RESUME);
}

static void
on_save (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  machine_window_run (data, BUNSHIN_VERB_SAVE);
}

static void
on_power_button (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  machine_window_run (data, BUNSHIN_VERB_POWER_BUTTON);
  machine_window_toast (data, _("The power button was pressed. The guest decides what to do."));
}

static void
on_reset_confirmed (gpointer data)
{
  machine_window_run (data, BUNSHIN_VERB_RESET);
}

static void
on_reset (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  dialog_confirm (data, _("Reset the Machine?"),
                  _("This is like pressing the reset button of a computer: what the guest has not saved is lost."),
                  _("_Reset"), on_reset_confirmed, g_object_ref (data), g_object_unref);
}

static void
on_power_off_confirmed (gpointer data)
{
  machine_window_run (data, BUNSHIN_VERB_POWER_OFF);
}

static void
on_power_off (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  dialog_confirm (data, _("Power Off the Machine?"),
                  _("This is like pulling the plug of a computer: what the guest has not saved is lost."),
                  _("Power _Off"), on_power_off_confirmed, g_object_ref (data), g_object_unref);
}

/* --- Closing --- */

static void
on_close_response (AdwMessageDialog *dialog, const char *response, gpointer data)
{
  BunshinMachineWindow *self = data;

  if (g_str_equal (response, "off"))
    machine_window_run (self, BUNSHIN_VERB_POWER_OFF);
  else if (g_str_equal (response, "save"))
    machine_window_run (self, BUNSHIN_VERB_SAVE);
  else if (g_str_equal (response, "button"))
    {
      machine_window_run (self, BUNSHIN_VERB_POWER_BUTTON);
      machine_window_toast (self, _("The power button was pressed. The guest decides what to do."));
    }
  else if (g_str_equal (response, "background"))
    gtk_widget_set_visible (GTK_WIDGET (self), FALSE);
}

void
machine_window_ask_close (BunshinMachineWindow *self)
{
  LibraryState state = bunshin_machine_control_get_state (self->control);
  g_autofree char *heading = g_strdup_printf (_("Close “%s”?"), self->record->name);
  AdwMessageDialog *dialog;

  if (machine_window_close_drive (self))
    return;
  if (!state_is_up (state))
    {
      gtk_widget_set_visible (GTK_WIDGET (self), FALSE);
      return;
    }
  bunshin_display_view_let_go (self->view);
  dialog = ADW_MESSAGE_DIALOG (adw_message_dialog_new (GTK_WINDOW (self), heading, NULL));
  adw_message_dialog_set_body (dialog, _("The machine is still running.\n\n"
                                         "In the background it goes on without a window. With its state saved, the next "
                                         "start goes on from here. The power button asks the guest to shut down by "
                                         "itself. Powering off loses what the guest has not saved."));
  adw_message_dialog_add_responses (dialog, "cancel", _("_Cancel"), "background", _("Keep Running in _Background"),
                                    "save", _("_Save State"), "button", _("_Press Power Button"), "off", _("Power _Off"), NULL);
  adw_message_dialog_set_response_enabled (dialog, "save", self->library != NULL);
  adw_message_dialog_set_response_enabled (dialog, "button", state == LIBRARY_STATE_RUNNING);
  adw_message_dialog_set_response_appearance (dialog, "off", ADW_RESPONSE_DESTRUCTIVE);
  adw_message_dialog_set_default_response (dialog, "cancel");
  adw_message_dialog_set_close_response (dialog, "cancel");
  g_signal_connect_object (dialog, "response", G_CALLBACK (on_close_response), self, 0);
  dialog_present_question (GTK_WINDOW (dialog));
}

/* --- Keys and text --- */

static void
on_send_keys (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  BunshinMachineWindow *self = data;
  unsigned codes[KEY_COMBINATION_MAX];
  unsigned count = key_combination_parse (g_variant_get_string (parameter, NULL), codes);

  bunshin_display_view_send_keys (self->view, codes, count);
  gtk_widget_grab_focus (GTK_WIDGET (self->view));
}

static void
type_text (BunshinMachineWindow *self, const char *text)
{
  unsigned unknown = bunshin_display_view_type_text (self->view, text);

  gtk_widget_grab_focus (GTK_WIDGET (self->view));
  if (unknown > 0)
    {
      g_autofree char *message
          = g_strdup_printf (ngettext ("%u character was left out: a US keyboard has no key for it",
                                       "%u characters were left out: a US keyboard has no keys for them", unknown),
                             unknown);

      machine_window_toast (self, message);
    }
}

static void
on_text_given (BunshinTypeDialog *dialog, const char *text, gpointer data)
{
  type_text (data, text);
}

static void
on_type_text (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  BunshinTypeDialog *dialog = bunshin_type_dialog_new (data);

  g_signal_connect_object (dialog, "type", G_CALLBACK (on_text_given), data, 0);
  gtk_window_present (GTK_WINDOW (dialog));
}

static void
on_clipboard_text (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (BunshinMachineWindow) self = data;
  g_autofree char *text = gdk_clipboard_read_text_finish (GDK_CLIPBOARD (source), result, NULL);

  if (text == NULL || text[0] == '\0')
    machine_window_toast (self, _("The clipboard holds no text"));
  else
    type_text (self, text);
}

static void
on_type_clipboard (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  gdk_clipboard_read_text_async (gtk_widget_get_clipboard (data), NULL, on_clipboard_text, g_object_ref (data));
}

/* --- View --- */

static void
on_fullscreen (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  if (gtk_window_is_fullscreen (data))
    gtk_window_unfullscreen (data);
  else
    gtk_window_fullscreen (data);
}

static const char *const scale_names[] = { "fit", "integer", "native" };

static void
on_scale (GSimpleAction *action, GVariant *state, gpointer data)
{
  BunshinMachineWindow *self = data;

  for (gsize i = 0; i < G_N_ELEMENTS (scale_names); i++)
    if (g_str_equal (scale_names[i], g_variant_get_string (state, NULL)))
      {
        GtkPolicyType policy = i == DISPLAY_SCALE_NATIVE ? GTK_POLICY_AUTOMATIC : GTK_POLICY_NEVER;

        gtk_scrolled_window_set_policy (self->scroller, policy, policy);
        bunshin_display_view_set_scale_mode (self->view, i);
        g_simple_action_set_state (action, state);
        if (self->library != NULL)
          library_set_setting (self->library, "scale-mode", scale_names[i], NULL);
      }
}

static void
on_status_bar (GSimpleAction *action, GVariant *state, gpointer data)
{
  BunshinMachineWindow *self = data;

  g_simple_action_set_state (action, state);
  machine_window_update_status_bar (self);
  if (self->library != NULL)
    library_set_setting (self->library, "status-bar", g_variant_get_boolean (state) ? "shown" : "hidden", NULL);
}

static void
on_adapt (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  machine_window_adapt (data);
}

/* --- Screenshots --- */

static void
on_picture_saved (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (BunshinMachineWindow) self = data;
  g_autoptr (GError) error = NULL;
  g_autofree char *name = g_file_get_basename (G_FILE (source));
  g_autofree char *shown = g_filename_display_name (name);
  g_autofree char *message = NULL;

  if (!g_file_replace_contents_finish (G_FILE (source), result, NULL, &error))
    {
      dialog_error (GTK_WINDOW (self), _("The screenshot could not be saved"), error->message);
      return;
    }
  message = g_strdup_printf (_("Saved as “%s”"), shown);
  machine_window_toast (self, message);
}

typedef struct
{
  BunshinMachineWindow *window;
  GBytes *png;
} Picture;

static void
picture_free (gpointer data)
{
  Picture *picture = data;

  g_object_unref (picture->window);
  g_bytes_unref (picture->png);
  g_free (picture);
}

static void
on_picture_path (const char *path, gpointer data)
{
  Picture *picture = data;
  g_autoptr (GFile) file = g_file_new_for_path (path);

  g_file_replace_contents_bytes_async (file, picture->png, NULL, FALSE, G_FILE_CREATE_NONE, NULL, on_picture_saved,
                                       g_object_ref (picture->window));
}

static GBytes *
take_picture (BunshinMachineWindow *self)
{
  g_autoptr (GError) error = NULL;
  GBytes *png = NULL;

  if (self->machine == NULL)
    return NULL;
  png = display_get_png (machine_display (self->machine), &error);
  if (png == NULL)
    dialog_error (GTK_WINDOW (self), _("The screenshot could not be taken"), error->message);
  return png;
}

static void
on_screenshot (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  BunshinMachineWindow *self = data;
  GBytes *png = take_picture (self);
  g_autoptr (GDateTime) now = g_date_time_new_now_local ();
  g_autofree char *time = g_date_time_format (now, "%Y-%m-%d %H-%M-%S");
  g_autofree char *name = NULL;
  Picture *picture;

  if (png == NULL)
    return;
  name = g_strdup_printf ("%s %s.png", self->record->name, time);
  g_strdelimit (name, "/", '-');
  picture = g_new0 (Picture, 1);
  picture->window = g_object_ref (self);
  picture->png = png;
  dialog_choose_file (GTK_WINDOW (self), _("Save Screenshot"), DIALOG_FILES_PNG, name, on_picture_path, picture,
                      picture_free);
}

static void
on_copy_screenshot (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  BunshinMachineWindow *self = data;
  g_autoptr (GBytes) png = take_picture (self);
  g_autoptr (GdkTexture) texture = png != NULL ? gdk_texture_new_from_bytes (png, NULL) : NULL;

  if (texture == NULL)
    return;
  gdk_clipboard_set_texture (gtk_widget_get_clipboard (GTK_WIDGET (self)), texture);
  machine_window_toast (self, _("The screenshot is in the clipboard"));
}

/* --- Help --- */

static void
on_information (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  BunshinMachineWindow *self = data;

  information_show (GTK_WINDOW (self), self->control, self->record->name);
}

static void
on_shortcuts (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  shortcuts_show_machine (data);
}

static void
on_about (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  bunshin_about_show (data);
}

static const GActionEntry entries[] = {
  { .name = "pause", .activate = on_pause },
  { .name = "resume", .activate = on_resume },
  { .name = "reset", .activate = on_reset },
  { .name = "power-button", .activate = on_power_button },
  { .name = "power-off", .activate = on_power_off },
  { .name = "save", .activate = on_save },
  { .name = "send-keys", .activate = on_send_keys, .parameter_type = "s" },
  { .name = "type-text", .activate = on_type_text },
  { .name = "type-clipboard", .activate = on_type_clipboard },
  { .name = "fullscreen", .activate = on_fullscreen },
  { .name = "scale", .parameter_type = "s", .state = "'fit'", .change_state = on_scale },
  { .name = "status-bar", .state = "true", .change_state = on_status_bar },
  { .name = "adapt", .activate = on_adapt },
  { .name = "screenshot", .activate = on_screenshot },
  { .name = "copy-screenshot", .activate = on_copy_screenshot },
  { .name = "information", .activate = on_information },
  { .name = "shortcuts", .activate = on_shortcuts },
  { .name = "about", .activate = on_about },
};

void
machine_window_init_actions (BunshinMachineWindow *self)
{
  g_autoptr (GSimpleActionGroup) group = g_simple_action_group_new ();
  g_autofree char *scale = self->library != NULL ? library_get_setting (self->library, "scale-mode") : NULL;
  g_autofree char *bar = self->library != NULL ? library_get_setting (self->library, "status-bar") : NULL;

  g_action_map_add_action_entries (G_ACTION_MAP (group), entries, G_N_ELEMENTS (entries), self);
  gtk_widget_insert_action_group (GTK_WIDGET (self), "win", G_ACTION_GROUP (group));
  self->actions = G_ACTION_MAP (group);
  if (scale != NULL)
    g_action_group_change_action_state (G_ACTION_GROUP (group), "scale", g_variant_new_string (scale));
  if (g_strcmp0 (bar, "hidden") == 0)
    g_action_group_change_action_state (G_ACTION_GROUP (group), "status-bar", g_variant_new_boolean (FALSE));
}

static void
enable (BunshinMachineWindow *self, const char *name, gboolean enabled)
{
  g_simple_action_set_enabled (G_SIMPLE_ACTION (g_action_map_lookup_action (self->actions, name)), enabled);
}

void
machine_window_update_actions (BunshinMachineWindow *self)
{
  LibraryState state;

  if (self->control == NULL)
    return;
  state = bunshin_machine_control_get_state (self->control);
  enable (self, "pause", state == LIBRARY_STATE_RUNNING);
  enable (self, "resume", state == LIBRARY_STATE_PAUSED);
  enable (self, "reset", state_is_up (state));
  enable (self, "power-button", state == LIBRARY_STATE_RUNNING);
  enable (self, "power-off", state_is_up (state));
  enable (self, "save", state_is_up (state) && self->library != NULL);
  enable (self, "send-keys", state == LIBRARY_STATE_RUNNING);
  enable (self, "type-text", state == LIBRARY_STATE_RUNNING);
  enable (self, "type-clipboard", state == LIBRARY_STATE_RUNNING);
  enable (self, "adapt", !gtk_window_is_fullscreen (GTK_WINDOW (self)));
  machine_window_update_snapshots (self);
}

void
machine_window_command (BunshinMachineWindow *self, unsigned code)
{
  static const struct
  {
    unsigned code;
    const char *action;
  } commands[] = {
    { KEY_F, "win.fullscreen" }, { KEY_P, "win.pause" },        { KEY_R, "win.reset" },
    { KEY_H, "win.power-button" }, { KEY_E, "win.screenshot" }, { KEY_I, "win.information" },
    { KEY_A, "win.adapt" },      { KEY_V, "win.type-clipboard" }, { KEY_T, "win.take-snapshot" },
    { KEY_B, "win.back" },
  };
  unsigned codes[KEY_COMBINATION_MAX];

  switch (code)
    {
    case KEY_Q:
      gtk_window_close (GTK_WINDOW (self));
      return;
    case KEY_DELETE:
      bunshin_display_view_send_keys (self->view, codes, key_combination_parse ("ctrl-alt-delete", codes));
      return;
    case KEY_TAB:
    case KEY_HOME:
      /* The way out for those who do not use a mouse. */
      bunshin_display_view_let_go (self->view);
      if (gtk_window_is_fullscreen (GTK_WINDOW (self)))
        machine_window_reveal_header (self);
      gtk_widget_grab_focus (self->menu_button);
      return;
    case KEY_P:
      if (bunshin_machine_control_get_state (self->control) == LIBRARY_STATE_PAUSED)
        {
          activate (self, "win.resume");
          return;
        }
      break;
    default:
      break;
    }
  for (gsize i = 0; i < G_N_ELEMENTS (commands); i++)
    if (commands[i].code == code)
      activate (self, commands[i].action);
}
