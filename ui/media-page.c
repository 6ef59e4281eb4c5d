/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The page of media: its lists, searching and adding. */

#include "ui/media-page-private.h"

#include "ui/accessible.h"
#include "ui/dialogs.h"
#include "ui/disk-dialog.h"
#include "ui/medium-properties.h"
#include "ui/medium-row.h"

#include <glib/gi18n.h>
#include <string.h>

enum { SHOW_MACHINE, CLOSE, N_SIGNALS };

static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (BunshinMediaPage, bunshin_media_page, ADW_TYPE_BIN)

GtkWindow *
media_page_window (BunshinMediaPage *self)
{
  return GTK_WINDOW (gtk_widget_get_root (GTK_WIDGET (self)));
}

void
media_page_toast (BunshinMediaPage *self, const char *text)
{
  g_autofree char *escaped = g_markup_escape_text (text, -1);

  adw_toast_overlay_add_toast (self->toasts, adw_toast_new (escaped));
}

/* --- Rows --- */

static void
on_show_machine (BunshinMediaPage *self, const char *uuid)
{
  g_signal_emit (self, signals[SHOW_MACHINE], 0, uuid);
}

static void
show_properties (BunshinMediaPage *self, BunshinMediumItem *item)
{
  GtkWindow *window = bunshin_medium_properties_new (media_page_window (self), item);

  g_signal_connect_object (window, "show-machine", G_CALLBACK (on_show_machine), self, G_CONNECT_SWAPPED);
  gtk_window_present (window);
}

static void
open_folder (BunshinMediaPage *self, BunshinMediumItem *item)
{
  g_autofree char *folder = g_path_get_dirname (bunshin_medium_item_get_path (item));
  g_autofree char *uri = g_filename_to_uri (folder, NULL, NULL);

  if (uri != NULL)
    gtk_show_uri (media_page_window (self), uri, GDK_CURRENT_TIME);
}

static void
on_verb (BunshinMediaPage *self, const char *verb, BunshinMediumRow *row)
{
  static const struct
  {
    const char *name;
    void (*run) (BunshinMediaPage *self, BunshinMediumItem *item);
  } verbs[] = {
    { "properties", show_properties },    { "open-folder", open_folder },   { "copy", media_page_copy },
    { "move", media_page_move },          { "resize", media_page_resize },  { "compact", media_page_compact },
    { "check", media_page_check },        { "release", media_page_release }, { "remove", media_page_remove },
    { "delete", media_page_delete },
  };
  /* What is done may take the row away. */
  g_autoptr (BunshinMediumItem) item = g_object_ref (bunshin_medium_row_get_item (row));

  for (gsize i = 0; i < G_N_ELEMENTS (verbs); i++)
    if (g_str_equal (verbs[i].name, verb))
      verbs[i].run (self, item);
}

static GtkWidget *
create_row (gpointer item, gpointer data)
{
  GtkWidget *row = bunshin_medium_row_new (item);

  g_signal_connect_object (row, "verb", G_CALLBACK (on_verb), data, G_CONNECT_SWAPPED);
  g_signal_connect_object (row, "show-machine", G_CALLBACK (on_show_machine), data, G_CONNECT_SWAPPED);
  return row;
}

/* --- Filters --- */

static gboolean
is_kept (gpointer item, gpointer data)
{
  return !media_page_is_being_deleted (data, bunshin_medium_item_get_path (item));
}

static gboolean
contains (const char *text, const char *needle)
{
  g_autofree char *folded = g_utf8_casefold (text, -1);

  return strstr (folded, needle) != NULL;
}

static gboolean
is_found (BunshinMediaPage *self, BunshinMediumItem *item)
{
  const GPtrArray *users = bunshin_medium_item_get_users (item);
  g_autofree char *needle = g_utf8_casefold (gtk_editable_get_text (GTK_EDITABLE (self->search_entry)), -1);

  if (contains (bunshin_medium_item_get_name (item), needle))
    return TRUE;
  for (guint i = 0; i < users->len; i++)
    if (contains (((const LibraryMediumUser *) users->pdata[i])->name, needle))
      return TRUE;
  return FALSE;
}

static gboolean
is_found_disk (gpointer item, gpointer data)
{
  return bunshin_medium_item_get_medium (item)->kind == LIBRARY_MEDIUM_DISK && is_found (data, item);
}

static gboolean
is_found_disc (gpointer item, gpointer data)
{
  return bunshin_medium_item_get_medium (item)->kind == LIBRARY_MEDIUM_OPTICAL && is_found (data, item);
}

static gboolean
is_found_floppy (gpointer item, gpointer data)
{
  return bunshin_medium_item_get_medium (item)->kind == LIBRARY_MEDIUM_FLOPPY && is_found (data, item);
}

static void
update_stack (BunshinMediaPage *self)
{
  AdwPreferencesGroup *groups[MEDIA_KINDS] = { self->disk_group, self->disc_group, self->floppy_group };
  guint total = 0;

  for (guint i = 0; i < MEDIA_KINDS; i++)
    {
      guint n_items = g_list_model_get_n_items (G_LIST_MODEL (self->found[i]));

      gtk_widget_set_visible (GTK_WIDGET (groups[i]), n_items > 0);
      total += n_items;
    }
  if (total > 0)
    gtk_stack_set_visible_child_name (self->stack, "media");
  else if (g_list_model_get_n_items (G_LIST_MODEL (self->kept)) == 0)
    gtk_stack_set_visible_child_name (self->stack, "empty");
  else
    gtk_stack_set_visible_child_name (self->stack, "nothing-found");
}

static void
on_search_changed (BunshinMediaPage *self)
{
  for (guint i = 0; i < MEDIA_KINDS; i++)
    gtk_filter_changed (gtk_filter_list_model_get_filter (self->found[i]), GTK_FILTER_CHANGE_DIFFERENT);
}

void
media_page_refilter (BunshinMediaPage *self)
{
  gtk_filter_changed (gtk_filter_list_model_get_filter (self->kept), GTK_FILTER_CHANGE_DIFFERENT);
}

void
bunshin_media_page_search (BunshinMediaPage *self)
{
  gtk_search_bar_set_search_mode (self->search_bar, TRUE);
  gtk_widget_grab_focus (GTK_WIDGET (self->search_entry));
}

/* --- Adding --- */

static gboolean
add (BunshinMediaPage *self, const char *path, LibraryMediumKind kind, const char *format)
{
  g_autoptr (GError) error = NULL;

  if (!library_add_medium (self->library, path, kind, format, &error))
    {
      dialog_error (media_page_window (self), _("The medium could not be added"), error->message);
      return FALSE;
    }
  bunshin_media_list_reload (self->media);
  return TRUE;
}

static void
on_made (BunshinDiskDialog *dialog, const char *path, const char *format, gpointer data)
{
  if (add (data, path, LIBRARY_MEDIUM_DISK, format))
    media_page_toast (data, _("The disk was created"));
}

static void
on_new (GtkWidget *widget, const char *action, GVariant *parameter)
{
  BunshinMediaPage *self = BUNSHIN_MEDIA_PAGE (widget);
  g_autofree char *folder = g_build_filename (library_home (self->library), "disks", NULL);
  /* Translators: the name of a new disk's file, without its ending. */
  BunshinDiskDialog *dialog = bunshin_disk_dialog_new (media_page_window (self), folder, _("New disk"));

  g_signal_connect_object (dialog, "made", G_CALLBACK (on_made), self, 0);
  gtk_window_present (GTK_WINDOW (dialog));
}

static void
on_file_chosen (const char *path, gpointer data)
{
  BunshinMediaPage *self = data;
  g_autoptr (GError) error = NULL;
  g_autofree char *format = NULL;
  LibraryMediumKind kind;

  if (!medium_info_find_kind (path, &kind, &format, &error))
    dialog_error (media_page_window (self), _("The medium could not be added"), error->message);
  else if (bunshin_media_list_find (self->media, path) != NULL)
    media_page_toast (self, _("This medium is in the list already"));
  else
    add (self, path, kind, format);
}

static void
on_add (GtkWidget *widget, const char *action, GVariant *parameter)
{
  BunshinMediaPage *self = BUNSHIN_MEDIA_PAGE (widget);

  dialog_choose_file (media_page_window (self), _("Choose a Disk, Disc or Floppy Image"), DIALOG_FILES_MEDIUM, NULL,
                      on_file_chosen, g_object_ref (self), g_object_unref);
}

/* What is dropped on the page is added to it. */
static gboolean
on_drop (BunshinMediaPage *self, const GValue *value)
{
  g_autofree char *path = g_file_get_path (g_value_get_object (value));

  if (path == NULL)
    return FALSE;
  on_file_chosen (path, self);
  return TRUE;
}

static void
on_close (GtkWidget *widget, const char *action, GVariant *parameter)
{
  g_signal_emit (widget, signals[CLOSE], 0);
}

/* --- Work --- */

gboolean
bunshin_media_page_is_busy (BunshinMediaPage *self)
{
  return self->works->len > 0;
}

void
bunshin_media_page_cancel (BunshinMediaPage *self)
{
  for (guint i = 0; i < self->works->len; i++)
    g_cancellable_cancel (self->works->pdata[i]);
}

/* --- The page --- */

static void
on_failed (BunshinMediaPage *self, const char *message)
{
  media_page_toast (self, message);
}

void
bunshin_media_page_set_library (BunshinMediaPage *self, Library *library, BunshinMachineList *machines)
{
  static const GtkCustomFilterFunc filters[MEDIA_KINDS] = { is_found_disk, is_found_disc, is_found_floppy };
  GtkListBox *lists[MEDIA_KINDS] = { self->disk_list, self->disc_list, self->floppy_list };

  self->library = library;
  self->media = bunshin_media_list_new (library, machines);
  g_signal_connect_swapped (self->media, "failed", G_CALLBACK (on_failed), self);
  self->kept = gtk_filter_list_model_new (g_object_ref (bunshin_media_list_get_model (self->media)),
                                          GTK_FILTER (gtk_custom_filter_new (is_kept, self, NULL)));
  for (guint i = 0; i < MEDIA_KINDS; i++)
    self->found[i] = gtk_filter_list_model_new (g_object_ref (G_LIST_MODEL (self->kept)),
                                                GTK_FILTER (gtk_custom_filter_new (filters[i], self, NULL)));
  g_signal_connect_swapped (self->kept, "items-changed", G_CALLBACK (update_stack), self);
  for (guint i = 0; i < MEDIA_KINDS; i++)
    {
      gtk_list_box_bind_model (lists[i], G_LIST_MODEL (self->found[i]), create_row, self, NULL);
      g_signal_connect_swapped (self->found[i], "items-changed", G_CALLBACK (update_stack), self);
    }
  update_stack (self);
}

static void
on_window_active (BunshinMediaPage *self)
{
  GtkWindow *window = media_page_window (self);

  /* Files may have changed while the user was somewhere else. */
  if (window != NULL && gtk_window_is_active (window))
    bunshin_media_list_reload (self->media);
}

static void
bunshin_media_page_map (GtkWidget *widget)
{
  BunshinMediaPage *self = BUNSHIN_MEDIA_PAGE (widget);

  GTK_WIDGET_CLASS (bunshin_media_page_parent_class)->map (widget);
  bunshin_media_list_set_active (self->media, TRUE);
  g_signal_connect_swapped (media_page_window (self), "notify::is-active", G_CALLBACK (on_window_active), self);
}

static void
bunshin_media_page_unmap (GtkWidget *widget)
{
  BunshinMediaPage *self = BUNSHIN_MEDIA_PAGE (widget);

  g_signal_handlers_disconnect_by_func (media_page_window (self), on_window_active, self);
  bunshin_media_list_set_active (self->media, FALSE);
  GTK_WIDGET_CLASS (bunshin_media_page_parent_class)->unmap (widget);
}

static void
bunshin_media_page_dispose (GObject *object)
{
  BunshinMediaPage *self = BUNSHIN_MEDIA_PAGE (object);
  GtkListBox *lists[MEDIA_KINDS] = { self->disk_list, self->disc_list, self->floppy_list };

  for (guint i = 0; i < MEDIA_KINDS; i++)
    {
      if (lists[i] != NULL)
        gtk_list_box_bind_model (lists[i], NULL, NULL, NULL, NULL);
      if (self->found[i] != NULL)
        g_signal_handlers_disconnect_by_data (self->found[i], self);
      g_clear_object (&self->found[i]);
    }
  if (self->kept != NULL)
    g_signal_handlers_disconnect_by_data (self->kept, self);
  if (self->media != NULL)
    g_signal_handlers_disconnect_by_data (self->media, self);
  g_clear_object (&self->kept);
  g_clear_object (&self->media);
  G_OBJECT_CLASS (bunshin_media_page_parent_class)->dispose (object);
}

static void
bunshin_media_page_finalize (GObject *object)
{
  BunshinMediaPage *self = BUNSHIN_MEDIA_PAGE (object);

  g_hash_table_unref (self->deletions);
  g_ptr_array_unref (self->works);
  G_OBJECT_CLASS (bunshin_media_page_parent_class)->finalize (object);
}

static void
bunshin_media_page_class_init (BunshinMediaPageClass *klass)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);

  G_OBJECT_CLASS (klass)->dispose = bunshin_media_page_dispose;
  G_OBJECT_CLASS (klass)->finalize = bunshin_media_page_finalize;
  widget_class->map = bunshin_media_page_map;
  widget_class->unmap = bunshin_media_page_unmap;
  signals[SHOW_MACHINE] = g_signal_new ("show-machine", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0, NULL, NULL,
                                        NULL, G_TYPE_NONE, 1, G_TYPE_STRING);
  signals[CLOSE]
      = g_signal_new ("close", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
  gtk_widget_class_install_action (widget_class, "media.new", NULL, on_new);
  gtk_widget_class_install_action (widget_class, "media.add", NULL, on_add);
  gtk_widget_class_install_action (widget_class, "media.close", NULL, on_close);
  gtk_widget_class_add_binding_action (widget_class, GDK_KEY_Left, GDK_ALT_MASK, "media.close", NULL);
  gtk_widget_class_set_template_from_resource (widget_class, "/org/bunshin/Bunshin/media-page.ui");
#define BIND(name) gtk_widget_class_bind_template_child (widget_class, BunshinMediaPage, name)
  BIND (toasts);
  BIND (stack);
  BIND (search_bar);
  BIND (search_entry);
  BIND (disk_group);
  BIND (disc_group);
  BIND (floppy_group);
  BIND (disk_list);
  BIND (disc_list);
  BIND (floppy_list);
#undef BIND
  gtk_widget_class_bind_template_callback (widget_class, on_search_changed);
}

static void
bunshin_media_page_init (BunshinMediaPage *self)
{
  GtkDropTarget *drop = gtk_drop_target_new (G_TYPE_FILE, GDK_ACTION_COPY);

  self->works = g_ptr_array_new_with_free_func (g_object_unref);
  media_page_init_deletions (self);
  gtk_widget_init_template (GTK_WIDGET (self));
  accessible_use_tooltips (GTK_WIDGET (self));
  g_signal_connect_swapped (drop, "drop", G_CALLBACK (on_drop), self);
  gtk_widget_add_controller (GTK_WIDGET (self), GTK_EVENT_CONTROLLER (drop));
  gtk_search_bar_connect_entry (self->search_bar, GTK_EDITABLE (self->search_entry));
  gtk_search_bar_set_key_capture_widget (self->search_bar, GTK_WIDGET (self));
}
