/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Short questions and answers. */

#include "ui/dialogs.h"

#include <adwaita.h>
#include <glib/gi18n.h>

char *
dialog_as_sentence (const char *text)
{
  g_autofree char *first = g_utf8_substring (text, 0, text[0] != '\0' ? 1 : 0);
  g_autofree char *capital = g_utf8_strup (first, -1);
  gboolean ends = g_str_has_suffix (text, ".") || g_str_has_suffix (text, "!") || g_str_has_suffix (text, "?");

  return g_strconcat (capital, text + strlen (first), ends ? "" : ".", NULL);
}

void
dialog_error (GtkWindow *parent, const char *heading, const char *body)
{
  GtkWidget *dialog = adw_message_dialog_new (parent, heading, NULL);
  g_autofree char *sentence = dialog_as_sentence (body);

  adw_message_dialog_set_body (ADW_MESSAGE_DIALOG (dialog), sentence);
  adw_message_dialog_add_response (ADW_MESSAGE_DIALOG (dialog), "close", _("_Close"));
  gtk_window_present (GTK_WINDOW (dialog));
}

/* The dialog has its buttons twice, for when it is narrow, and makes the visible one the default. */
static void
focus_default (GtkWindow *dialog)
{
  GtkWidget *button = gtk_window_get_default_widget (dialog);

  if (button != NULL)
    gtk_widget_grab_focus (button);
}

void
dialog_present_question (GtkWindow *dialog)
{
  g_signal_connect (dialog, "notify::default-widget", G_CALLBACK (focus_default), NULL);
  gtk_window_present (dialog);
  focus_default (dialog);
}

typedef struct
{
  DialogConfirmed confirmed;
  DialogFileChosen chosen;
  gpointer data;
  GDestroyNotify data_free;
} Closure;

static Closure *
closure_new (gpointer data, GDestroyNotify data_free)
{
  Closure *closure = g_new0 (Closure, 1);

  closure->data = data;
  closure->data_free = data_free;
  return closure;
}

static void
closure_free (gpointer data, GClosure *unused)
{
  Closure *closure = data;

  if (closure->data_free != NULL)
    closure->data_free (closure->data);
  g_free (closure);
}

static void
on_confirm_response (AdwMessageDialog *dialog, const char *response, gpointer data)
{
  Closure *closure = data;

  if (g_str_equal (response, "confirm"))
    closure->confirmed (closure->data);
}

void
dialog_confirm (GtkWindow *parent, const char *heading, const char *body, const char *confirm,
                DialogConfirmed confirmed, gpointer data, GDestroyNotify data_free)
{
  AdwMessageDialog *dialog = ADW_MESSAGE_DIALOG (adw_message_dialog_new (parent, heading, NULL));
  Closure *closure = closure_new (data, data_free);

  closure->confirmed = confirmed;
  adw_message_dialog_set_body (dialog, body);
  adw_message_dialog_add_responses (dialog, "cancel", _("_Cancel"), "confirm", confirm, NULL);
  adw_message_dialog_set_response_appearance (dialog, "confirm", ADW_RESPONSE_DESTRUCTIVE);
  adw_message_dialog_set_default_response (dialog, "cancel");
  adw_message_dialog_set_close_response (dialog, "cancel");
  g_signal_connect_data (dialog, "response", G_CALLBACK (on_confirm_response), closure, closure_free, 0);
  dialog_present_question (GTK_WINDOW (dialog));
}

static void
add_filter (GtkFileChooser *chooser, const char *name, const char *const *patterns)
{
  g_autoptr (GtkFileFilter) filter = gtk_file_filter_new ();

  gtk_file_filter_set_name (filter, name);
  for (gsize i = 0; patterns[i] != NULL; i++)
    gtk_file_filter_add_pattern (filter, patterns[i]);
  gtk_file_chooser_add_filter (chooser, filter);
}

static void
add_filters (GtkFileChooser *chooser, DialogFiles kind)
{
  static const char *const discs[] = { "*.iso", "*.ISO", "*.img", "*.cdr", NULL };
  static const char *const floppies[] = { "*.img", "*.IMG", "*.ima", "*.flp", "*.vfd", "*.dsk", NULL };
  static const char *const disks[] = { "*.vdi", "*.VDI", "*.vmdk", "*.VMDK", "*.vhd", "*.VHD", "*.vhdx", "*.VHDX",
                                       "*.hdd", "*.HDD", "*.hds", "*.qcow2", "*.qcow", "*.img", "*.raw", NULL };
  static const char *const pictures[] = { "*.png", NULL };
  static const char *const appliances[] = { "*.ova", "*.OVA", "*.ovf", "*.OVF", "*.vbox", "*.vmx", "*.pvs", NULL };
  static const char *const all[] = { "*", NULL };

  switch (kind)
    {
    case DIALOG_FILES_DISC:
      add_filter (chooser, _("Disc images"), discs);
      break;
    case DIALOG_FILES_FLOPPY:
      add_filter (chooser, _("Floppy images"), floppies);
      break;
    case DIALOG_FILES_DISK:
      add_filter (chooser, _("Disk images"), disks);
      break;
    case DIALOG_FILES_MEDIUM:
      add_filter (chooser, _("All files"), all);
      add_filter (chooser, _("Disk images"), disks);
      add_filter (chooser, _("Disc images"), discs);
      add_filter (chooser, _("Floppy images"), floppies);
      return;
    case DIALOG_FILES_APPLIANCE:
      add_filter (chooser, _("Appliances and machines"), appliances);
      break;
    case DIALOG_FILES_FOLDER:
    case DIALOG_FILES_PLACE:
      return;
    case DIALOG_FILES_PNG:
      add_filter (chooser, _("PNG pictures"), pictures);
      break;
    }
  add_filter (chooser, _("All files"), all);
}

static void
on_file_response (GtkNativeDialog *native, int response, gpointer data)
{
  Closure *closure = data;

  if (response == GTK_RESPONSE_ACCEPT)
    {
      g_autoptr (GFile) file = gtk_file_chooser_get_file (GTK_FILE_CHOOSER (native));
      g_autofree char *path = file != NULL ? g_file_get_path (file) : NULL;

      if (path != NULL)
        closure->chosen (path, closure->data);
    }
  gtk_native_dialog_destroy (native);
  g_object_unref (native);
}

/* Where the chooser begins. */
static void
propose (GtkFileChooser *chooser, DialogFiles kind, const char *name)
{
  g_autofree char *base = name != NULL ? g_path_get_basename (name) : NULL;
  g_autofree char *shown = base != NULL ? g_filename_display_name (base) : NULL;
  g_autofree char *folder = NULL;

  if (kind == DIALOG_FILES_PLACE)
    folder = g_path_get_dirname (name);
  else if (kind == DIALOG_FILES_PNG)
    folder = g_strdup (g_get_user_special_dir (G_USER_DIRECTORY_PICTURES));
  if (shown != NULL)
    gtk_file_chooser_set_current_name (chooser, shown);
  if (folder != NULL)
    {
      g_autoptr (GFile) file = g_file_new_for_path (folder);

      gtk_file_chooser_set_current_folder (chooser, file, NULL);
    }
}

void
dialog_choose_file (GtkWindow *parent, const char *title, DialogFiles kind, const char *name,
                    DialogFileChosen chosen, gpointer data, GDestroyNotify data_free)
{
  gboolean saves = kind == DIALOG_FILES_PNG || kind == DIALOG_FILES_PLACE;
  GtkFileChooserAction action = saves                         ? GTK_FILE_CHOOSER_ACTION_SAVE
                                : kind == DIALOG_FILES_FOLDER ? GTK_FILE_CHOOSER_ACTION_SELECT_FOLDER
                                                              : GTK_FILE_CHOOSER_ACTION_OPEN;
  GtkFileChooserNative *native
      = gtk_file_chooser_native_new (title, parent, action, saves ? _("_Save") : _("_Open"), _("_Cancel"));
  Closure *closure = closure_new (data, data_free);

  closure->chosen = chosen;
  gtk_native_dialog_set_modal (GTK_NATIVE_DIALOG (native), TRUE);
  add_filters (GTK_FILE_CHOOSER (native), kind);
  propose (GTK_FILE_CHOOSER (native), kind, name);
  g_signal_connect_data (native, "response", G_CALLBACK (on_file_response), closure, closure_free, 0);
  gtk_native_dialog_show (GTK_NATIVE_DIALOG (native));
}
