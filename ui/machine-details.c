/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the manager shows of the selected machine. */

#include "ui/machine-details.h"

#include "storage/disk/disk.h"
#include "ui/accessible.h"
#include "ui/os-emblem.h"
#include "ui/record-text.h"
#include "ui/size-format.h"
#include "ui/state-text.h"
#include "ui/thumbnail.h"

#include <glib/gi18n.h>
#include <glib/gstdio.h>

enum { PREVIEW_WIDTH = 320, PREVIEW_HEIGHT = 200 };

struct _BunshinMachineDetails
{
  AdwBin parent_instance;

  /* template */
  GtkInfoBar *message_bar;
  GtkLabel *message_label;
  GtkStack *preview_stack;
  BunshinOsEmblem *emblem;
  GtkPicture *preview;
  GtkWidget *preview_button;
  GtkLabel *name_label, *state_label, *os_value, *memory_value, *cpus_value, *boot_value;
  AdwActionRow *os_row, *description_row;
  GtkWidget *start_button, *drive_button, *show_button, *running_verbs, *pause_button, *resume_button;
  AdwPreferencesGroup *storage_group, *network_group;

  /* owned */
  BunshinMachineItem *item;
  BunshinOsDatabase *database;
  GPtrArray *storage_rows, *network_rows; /* borrowed widgets: those to take out again */
  const char *style;
};

G_DEFINE_FINAL_TYPE (BunshinMachineDetails, bunshin_machine_details, ADW_TYPE_BIN)

static void
remove_rows (AdwPreferencesGroup *group, GPtrArray *rows)
{
  for (guint i = 0; i < rows->len; i++)
    adw_preferences_group_remove (group, rows->pdata[i]);
  g_ptr_array_set_size (rows, 0);
}

static GtkWidget *
add_row (AdwPreferencesGroup *group, GPtrArray *rows, const char *title, const char *value)
{
  GtkWidget *row = adw_action_row_new (), *label = gtk_label_new (value);

  adw_preferences_row_set_title (ADW_PREFERENCES_ROW (row), title);
  adw_preferences_row_set_use_markup (ADW_PREFERENCES_ROW (row), FALSE);
  gtk_label_set_ellipsize (GTK_LABEL (label), PANGO_ELLIPSIZE_MIDDLE);
  gtk_widget_add_css_class (label, "dim-label");
  adw_action_row_add_suffix (ADW_ACTION_ROW (row), label);
  adw_preferences_group_add (group, row);
  g_ptr_array_add (rows, row);
  return row;
}

/* How large its files are, and whether they are there at all. */
static char *
describe_file (const LibraryAttachment *attachment)
{
  GStatBuf status;
  guint64 total = 0;
  g_autofree char *size = NULL;

  if (disk_is_remote (attachment->path))
    return g_strdup (_("On a server"));
  if (g_stat (attachment->path, &status) != 0)
    return g_strdup (_("The file is missing"));
  total = (guint64) status.st_size;
  for (char **below = attachment->chain; below != NULL && *below != NULL; below++)
    {
      if (g_stat (*below, &status) != 0)
        return g_strdup (_("The file is missing"));
      total += (guint64) status.st_size;
    }
  size = size_format (total);
  if (attachment->chain != NULL && attachment->chain[0] != NULL)
    return g_strdup_printf (_("%s on this computer, with what snapshots keep"), size);
  /* Translators: %s is a size like "1.5 GiB". */
  return g_strdup_printf (_("%s on this computer"), size);
}

static void
fill_storage (BunshinMachineDetails *self, const LibraryMachine *record)
{
  remove_rows (self->storage_group, self->storage_rows);
  for (guint i = 0; i < record->attachments->len; i++)
    {
      const LibraryAttachment *attachment = record->attachments->pdata[i];
      g_autofree char *medium = record_text_medium (attachment);
      GtkWidget *row = add_row (self->storage_group, self->storage_rows, record_text_medium_kind (attachment->kind),
                                medium);

      adw_action_row_add_prefix (ADW_ACTION_ROW (row),
                                 gtk_image_new_from_icon_name (record_text_medium_icon (attachment->kind)));
      if (attachment->path != NULL)
        {
          g_autofree char *path = disk_shown_path (record_text_file (attachment)), *shown = g_filename_display_name (path);

          gtk_widget_set_tooltip_text (row, shown);
        }
      if (attachment->path != NULL && attachment->kind == LIBRARY_MEDIUM_DISK)
        {
          g_autofree char *file = describe_file (attachment);

          adw_action_row_set_subtitle (ADW_ACTION_ROW (row), file);
        }
    }
  if (record->attachments->len == 0)
    add_row (self->storage_group, self->storage_rows, _("No drives"), NULL);
}

static void
fill_network (BunshinMachineDetails *self, const LibraryMachine *record)
{
  remove_rows (self->network_group, self->network_rows);
  for (guint i = 0; i < record->adapters->len; i++)
    {
      const LibraryAdapter *adapter = record->adapters->pdata[i];
      g_autofree char *title = record_text_adapter (adapter);
      g_autoptr (GString) subtitle = g_string_new (record_text_adapter_model (adapter->model));
      GtkWidget *row = add_row (self->network_group, self->network_rows, title, record_text_network (adapter->kind));

      for (guint j = 0; j < adapter->forwards->len; j++)
        {
          g_autofree char *forward = record_text_forward (adapter->forwards->pdata[j]);

          g_string_append_printf (subtitle, "\n%s", forward);
        }
      adw_action_row_set_subtitle_lines (ADW_ACTION_ROW (row), 0);
      adw_action_row_set_subtitle (ADW_ACTION_ROW (row), subtitle->str);
      adw_action_row_add_prefix (ADW_ACTION_ROW (row),
                                 gtk_image_new_from_icon_name ("network-wired-symbolic"));
    }
  if (record->adapters->len == 0)
    add_row (self->network_group, self->network_rows, _("No network adapters"), NULL);
}

static void
update_os_name (BunshinMachineDetails *self)
{
  const LibraryMachine *record;
  gboolean is_known;

  if (self->item == NULL)
    return;
  record = bunshin_machine_item_get_record (self->item);
  /* Ids are nothing to show while the names are on their way. */
  is_known = self->database != NULL && bunshin_os_database_is_loaded (self->database);
  gtk_label_set_label (self->os_value,
                       is_known ? bunshin_os_database_get_name (self->database, record->os_id) : "");
}

static void
update_record (BunshinMachineDetails *self)
{
  const LibraryMachine *record = bunshin_machine_item_get_record (self->item);
  g_autofree char *memory = size_format (record->memory);
  g_autofree char *cpus = g_strdup_printf ("%u", record->cpus);
  g_autofree char *boot = record_text_boot (record->boot);
  gboolean has_description = record->description != NULL && record->description[0] != '\0';

  gtk_label_set_label (self->name_label, record->name);
  gtk_label_set_label (self->memory_value, memory);
  gtk_label_set_label (self->cpus_value, cpus);
  gtk_label_set_label (self->boot_value, boot);
  bunshin_os_emblem_set_os_id (self->emblem, record->os_id);
  gtk_widget_set_visible (GTK_WIDGET (self->description_row), has_description);
  adw_preferences_row_set_use_markup (ADW_PREFERENCES_ROW (self->description_row), FALSE);
  adw_action_row_set_subtitle (self->description_row, has_description ? record->description : "");
  update_os_name (self);
  fill_storage (self, record);
  fill_network (self, record);
}

static void
update_state (BunshinMachineDetails *self)
{
  LibraryState state = bunshin_machine_item_get_state (self->item);
  const char *message = bunshin_machine_item_get_message (self->item);
  gboolean is_up = state_is_up (state);

  if (self->style != NULL)
    gtk_widget_remove_css_class (GTK_WIDGET (self->state_label), self->style);
  self->style = state_style (state);
  gtk_widget_add_css_class (GTK_WIDGET (self->state_label), self->style);
  gtk_label_set_label (self->state_label, message != NULL && state_is_off (state) ? message : state_text (state));
  gtk_button_set_icon_name (GTK_BUTTON (self->preview_button),
                            is_up ? "view-fullscreen-symbolic" : "media-playback-start-symbolic");
  accessible_set_tooltip (self->preview_button, is_up ? _("Show Window") : _("Start"));
  gtk_widget_set_visible (self->start_button, !is_up);
  gtk_widget_set_visible (self->drive_button, !is_up);
  gtk_widget_set_visible (self->show_button, is_up);
  gtk_widget_set_visible (self->running_verbs, is_up);
  gtk_widget_set_visible (self->pause_button, state == LIBRARY_STATE_RUNNING);
  gtk_widget_set_visible (self->resume_button, state == LIBRARY_STATE_PAUSED);
  gtk_label_set_label (self->message_label, message != NULL ? message : "");
  gtk_info_bar_set_revealed (self->message_bar, message != NULL && state == LIBRARY_STATE_PAUSED);
  gtk_widget_set_visible (GTK_WIDGET (self->message_bar), message != NULL && state == LIBRARY_STATE_PAUSED);
}

/* The preview keeps the screen's shape within a fixed height. */
static void
update_thumbnail (BunshinMachineDetails *self)
{
  GdkTexture *screen = bunshin_machine_item_get_thumbnail (self->item);
  int width = PREVIEW_WIDTH, scale = gtk_widget_get_scale_factor (GTK_WIDGET (self));
  g_autoptr (GdkTexture) thumbnail = NULL;

  if (screen != NULL)
    {
      width = CLAMP (PREVIEW_HEIGHT * gdk_texture_get_width (screen) / gdk_texture_get_height (screen),
                     PREVIEW_HEIGHT / 2, 2 * PREVIEW_HEIGHT);
      thumbnail = thumbnail_new (screen, width * scale, PREVIEW_HEIGHT * scale);
    }
  gtk_widget_set_size_request (GTK_WIDGET (self->preview_stack), width, PREVIEW_HEIGHT);
  gtk_picture_set_paintable (self->preview, GDK_PAINTABLE (thumbnail));
  gtk_stack_set_visible_child_name (self->preview_stack, thumbnail != NULL ? "screen" : "off");
}

void
bunshin_machine_details_set_item (BunshinMachineDetails *self, BunshinMachineItem *item)
{
  if (self->item == item)
    return;
  if (self->item != NULL)
    g_signal_handlers_disconnect_by_data (self->item, self);
  g_set_object (&self->item, item);
  if (item == NULL)
    return;
  g_signal_connect_swapped (item, "notify::state", G_CALLBACK (update_state), self);
  g_signal_connect_swapped (item, "notify::message", G_CALLBACK (update_state), self);
  g_signal_connect_swapped (item, "notify::thumbnail", G_CALLBACK (update_thumbnail), self);
  g_signal_connect_swapped (item, "record-changed", G_CALLBACK (update_record), self);
  update_record (self);
  update_state (self);
  update_thumbnail (self);
}

void
bunshin_machine_details_set_os_database (BunshinMachineDetails *self, BunshinOsDatabase *database)
{
  g_set_object (&self->database, database);
  g_signal_connect_object (database, "loaded", G_CALLBACK (update_os_name), self, G_CONNECT_SWAPPED);
}

static void
bunshin_machine_details_dispose (GObject *object)
{
  BunshinMachineDetails *self = BUNSHIN_MACHINE_DETAILS (object);

  bunshin_machine_details_set_item (self, NULL);
  g_clear_object (&self->database);
  g_clear_pointer (&self->storage_rows, g_ptr_array_unref);
  g_clear_pointer (&self->network_rows, g_ptr_array_unref);
  G_OBJECT_CLASS (bunshin_machine_details_parent_class)->dispose (object);
}

static void
bunshin_machine_details_class_init (BunshinMachineDetailsClass *klass)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);

  G_OBJECT_CLASS (klass)->dispose = bunshin_machine_details_dispose;
  g_type_ensure (BUNSHIN_TYPE_OS_EMBLEM);
  gtk_widget_class_set_template_from_resource (widget_class, "/org/bunshin/Bunshin/machine-details.ui");
#define BIND(name) gtk_widget_class_bind_template_child (widget_class, BunshinMachineDetails, name)
  BIND (message_bar);
  BIND (message_label);
  BIND (preview_stack);
  BIND (emblem);
  BIND (preview);
  BIND (preview_button);
  BIND (name_label);
  BIND (state_label);
  BIND (os_value);
  BIND (memory_value);
  BIND (cpus_value);
  BIND (boot_value);
  BIND (os_row);
  BIND (description_row);
  BIND (start_button);
  BIND (drive_button);
  BIND (show_button);
  BIND (running_verbs);
  BIND (pause_button);
  BIND (resume_button);
  BIND (storage_group);
  BIND (network_group);
#undef BIND
}

static void
bunshin_machine_details_init (BunshinMachineDetails *self)
{
  self->storage_rows = g_ptr_array_new ();
  self->network_rows = g_ptr_array_new ();
  gtk_widget_init_template (GTK_WIDGET (self));
  accessible_use_tooltips (GTK_WIDGET (self));
}
