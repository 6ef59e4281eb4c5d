/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Asks for a snapshot's name and description; see the header. */

#include "ui/snapshot-dialog.h"

#include "storage/library/library.h"

#include <glib/gi18n.h>

struct _BunshinSnapshotDialog
{
  AdwWindow parent_instance;

  /* template */
  GtkButton *done_button;
  AdwEntryRow *name_row;
  GtkLabel *name_error, *hint;
  GtkTextView *description_view;
};

enum { DONE, N_SIGNALS };

static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (BunshinSnapshotDialog, bunshin_snapshot_dialog, ADW_TYPE_WINDOW)

static char *
get_name (BunshinSnapshotDialog *self)
{
  return g_strstrip (g_strdup (gtk_editable_get_text (GTK_EDITABLE (self->name_row))));
}

static void
on_name_changed (BunshinSnapshotDialog *self)
{
  g_autofree char *name = get_name (self);
  g_autoptr (GError) error = NULL;
  gboolean is_valid = library_name_validate (name, &error);

  /* An empty one needs no words. */
  gtk_widget_set_visible (GTK_WIDGET (self->name_error), !is_valid && name[0] != '\0');
  gtk_label_set_label (self->name_error, is_valid ? "" : error->message);
  gtk_widget_action_set_enabled (GTK_WIDGET (self), "dialog.done", is_valid);
}

static void
on_done (GtkWidget *widget, const char *action, GVariant *parameter)
{
  BunshinSnapshotDialog *self = BUNSHIN_SNAPSHOT_DIALOG (widget);
  g_autofree char *name = get_name (self), *description = NULL;

  g_object_get (gtk_text_view_get_buffer (self->description_view), "text", &description, NULL);
  g_strstrip (description);
  g_signal_emit (self, signals[DONE], 0, name, description);
  gtk_window_destroy (GTK_WINDOW (self));
}

static void
bunshin_snapshot_dialog_class_init (BunshinSnapshotDialogClass *klass)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);

  signals[DONE] = g_signal_new ("done", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE,
                                2, G_TYPE_STRING, G_TYPE_STRING);
  gtk_widget_class_install_action (widget_class, "dialog.done", NULL, on_done);
  gtk_widget_class_add_binding_action (widget_class, GDK_KEY_Escape, 0, "window.close", NULL);
  gtk_widget_class_add_binding_action (widget_class, GDK_KEY_Return, GDK_CONTROL_MASK, "dialog.done", NULL);
  gtk_widget_class_set_template_from_resource (widget_class, "/org/bunshin/Bunshin/snapshot-dialog.ui");
#define BIND(name) gtk_widget_class_bind_template_child (widget_class, BunshinSnapshotDialog, name)
  BIND (done_button);
  BIND (name_row);
  BIND (name_error);
  BIND (hint);
  BIND (description_view);
#undef BIND
  gtk_widget_class_bind_template_callback (widget_class, on_name_changed);
}

static void
bunshin_snapshot_dialog_init (BunshinSnapshotDialog *self)
{
  gtk_widget_init_template (GTK_WIDGET (self));
}

BunshinSnapshotDialog *
bunshin_snapshot_dialog_new (GtkWindow *parent, SnapshotDialogKind kind, const char *name, const char *description)
{
  static const struct
  {
    const char *title, *button, *hint;
  } texts[] = {
    [SNAPSHOT_DIALOG_TAKE_RUNNING]
    = { N_ ("Take Snapshot"), N_ ("_Take"),
        N_ ("Everything of this moment is kept: the disks, the settings, and all that runs. The machine goes on "
            "meanwhile.") },
    [SNAPSHOT_DIALOG_TAKE_OFF]
    = { N_ ("Take Snapshot"), N_ ("_Take"), N_ ("The disks and the settings are kept as they are now.") },
    [SNAPSHOT_DIALOG_KEEP_DRIVE]
    = { N_ ("Keep as Snapshot"), N_ ("_Keep"),
        N_ ("The test drive’s changes stay, and one can always come back to them.") },
    [SNAPSHOT_DIALOG_EDIT] = { N_ ("Edit Snapshot"), N_ ("_Save"), NULL },
  };
  BunshinSnapshotDialog *self = g_object_new (BUNSHIN_TYPE_SNAPSHOT_DIALOG, "transient-for", parent, NULL);

  gtk_window_set_title (GTK_WINDOW (self), _(texts[kind].title));
  gtk_button_set_label (self->done_button, _(texts[kind].button));
  gtk_widget_set_visible (GTK_WIDGET (self->hint), texts[kind].hint != NULL);
  if (texts[kind].hint != NULL)
    gtk_label_set_label (self->hint, _(texts[kind].hint));
  gtk_editable_set_text (GTK_EDITABLE (self->name_row), name);
  if (description != NULL)
    gtk_text_buffer_set_text (gtk_text_view_get_buffer (self->description_view), description, -1);
  on_name_changed (self);
  /* Enter takes the name as it is, typing replaces it. */
  gtk_widget_grab_focus (GTK_WIDGET (self->name_row));
  gtk_editable_select_region (GTK_EDITABLE (self->name_row), 0, -1);
  return self;
}
