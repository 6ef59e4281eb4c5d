/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The page of snapshots: its timeline, selection and states. */

#include "ui/snapshots-page-private.h"

#include "ui/accessible.h"
#include "ui/size-format.h"
#include "ui/snapshot-row.h"
#include "ui/state-text.h"
#include "ui/thumbnail.h"

#include <glib/gi18n.h>

enum
{
  REFRESH_SECONDS = 20,
  THUMBNAIL_WIDTH = 2 * 80,
  THUMBNAIL_HEIGHT = 2 * 50
};
enum
{
  TOAST,
  CLONED,
  DRIVE,
  N_SIGNALS
};

static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (BunshinSnapshotsPage, bunshin_snapshots_page, ADW_TYPE_BIN)

GtkWindow *
snapshots_page_window (BunshinSnapshotsPage *self)
{
  GtkRoot *root = gtk_widget_get_root (GTK_WIDGET (self));

  return root != NULL ? GTK_WINDOW (root) : NULL;
}

/* --- What is shown --- */

static SnapshotJob *
find_job (BunshinSnapshotsPage *self)
{
  return self->item != NULL ? g_hash_table_lookup (self->jobs, bunshin_machine_item_get_uuid (self->item)) : NULL;
}

static SnapshotVerbs
allowed_verbs (BunshinSnapshotsPage *self, BunshinSnapshotItem *item, const SnapshotJob *job)
{
  LibraryState state = bunshin_machine_item_get_state (self->item);
  gboolean is_busy = bunshin_machine_item_get_busy (self->item);
  gboolean can_change = !is_busy && (state_can_start (state) || state_is_up (state));
  SnapshotVerbs verbs = can_change ? SNAPSHOT_VERB_TAKE : 0;

  if (job != NULL && job->verb == BUNSHIN_SNAPSHOT_TAKE && bunshin_snapshot_item_is_present (item)
      && !g_cancellable_is_cancelled (job->cancellable))
    verbs |= SNAPSHOT_VERB_CANCEL;
  /* The present state changes while the machine runs. */
  if (self->program != NULL
      && (!bunshin_snapshot_item_is_present (item)
          || (state_can_start (state) && bunshin_snapshot_list_get_current (self->snapshots) != NULL)))
    verbs |= SNAPSHOT_VERB_CHANGES;
  if (bunshin_snapshot_item_is_present (item))
    return !is_busy && state_can_start (state) ? verbs | SNAPSHOT_VERB_CLONE : verbs;
  verbs |= SNAPSHOT_VERB_EDIT | SNAPSHOT_VERB_CLONE;
  if (!is_busy && state_can_start (state))
    verbs |= SNAPSHOT_VERB_DRIVE;
  return can_change ? verbs | SNAPSHOT_VERB_RESTORE | SNAPSHOT_VERB_DELETE : verbs;
}

/* What the machine does now, and whether that is more than its snapshot has. */
static char *
describe_present (BunshinSnapshotsPage *self)
{
  LibraryState state = bunshin_machine_item_get_state (self->item);
  BunshinSnapshotItem *current = bunshin_snapshot_list_get_current (self->snapshots);
  gboolean is_known, has_changes = bunshin_snapshot_list_has_changes (self->snapshots, &is_known);

  if (bunshin_snapshot_list_in_drive (self->snapshots))
    /* Translators: %s is the machine's state, "Running". */
    return g_strdup_printf (_("%s · test drive"), state_text (state));
  if (current == NULL || !is_known || !state_can_start (state))
    return g_strdup (state_text (state));
  if (has_changes)
    return g_strdup_printf (_("%s · changed since “%s”"), state_text (state),
                            bunshin_snapshot_item_get_name (current));
  return g_strdup_printf (_("%s · as in “%s”"), state_text (state), bunshin_snapshot_item_get_name (current));
}

static void
update_item (BunshinSnapshotsPage *self, BunshinSnapshotItem *item)
{
  const SnapshotJob *job = find_job (self);

  if (job != NULL && g_strcmp0 (job->snapshot, bunshin_snapshot_item_get_uuid (item)) == 0)
    bunshin_snapshot_item_set_work (
        item, snapshots_page_describe_job (job),
        bunshin_machine_control_get_progress (bunshin_machine_item_get_control (self->item)));
  else
    bunshin_snapshot_item_set_work (item, NULL, -1);
  bunshin_snapshot_item_set_verbs (item, allowed_verbs (self, item, job));
  if (bunshin_snapshot_item_is_present (item))
    {
      g_autofree char *summary = describe_present (self);

      bunshin_snapshot_item_set_summary (item, summary);
    }
}

static void
update_summary (BunshinSnapshotsPage *self)
{
  guint count = bunshin_snapshot_list_get_count (self->snapshots);
  guint64 bytes = bunshin_snapshot_list_get_size (self->snapshots);
  g_autofree char *size = size_format (bytes), *text = NULL;

  if (bytes == 0)
    text = g_strdup_printf (ngettext ("%u snapshot", "%u snapshots", count), count);
  else
    /* Translators: how many snapshots, and their size on disk together. */
    text = g_strdup_printf (ngettext ("%u snapshot · %s", "%u snapshots · %s", count), count, size);
  gtk_label_set_label (self->summary_label, text);
}

void
snapshots_page_update (BunshinSnapshotsPage *self)
{
  GListModel *model = bunshin_snapshot_list_get_model (self->snapshots);
  BunshinSnapshotItem *present = bunshin_snapshot_list_find (self->snapshots, NULL);

  if (self->item == NULL || !bunshin_snapshot_list_is_loaded (self->snapshots))
    {
      gtk_stack_set_visible_child_name (self->stack, "loading");
      gtk_widget_set_visible (GTK_WIDGET (self->drive_bar), FALSE);
      gtk_widget_action_set_enabled (GTK_WIDGET (self), "snapshots.take", FALSE);
      return;
    }
  for (guint i = 0; i < g_list_model_get_n_items (model); i++)
    {
      g_autoptr (BunshinSnapshotItem) item = g_list_model_get_item (model, i);

      update_item (self, item);
    }
  update_summary (self);
  gtk_widget_set_visible (GTK_WIDGET (self->drive_bar),
                          bunshin_snapshot_list_in_drive (self->snapshots)
                              && state_can_start (bunshin_machine_item_get_state (self->item)));
  gtk_widget_action_set_enabled (GTK_WIDGET (self), "snapshots.end-drive",
                                 !bunshin_machine_item_get_busy (self->item));
  gtk_widget_action_set_enabled (GTK_WIDGET (self), "snapshots.take",
                                 (bunshin_snapshot_item_get_verbs (present) & SNAPSHOT_VERB_TAKE) != 0);
  gtk_stack_set_visible_child_name (
      self->stack, bunshin_snapshot_list_get_count (self->snapshots) > 0 || find_job (self) != NULL ? "list" : "empty");
}

static void
update_thumbnail (BunshinSnapshotsPage *self)
{
  BunshinSnapshotItem *present = bunshin_snapshot_list_find (self->snapshots, NULL);
  GdkTexture *screen = bunshin_machine_item_get_thumbnail (self->item);
  g_autoptr (GdkTexture) thumbnail = NULL;

  if (present == NULL)
    return;
  if (screen != NULL)
    thumbnail = thumbnail_new (screen, THUMBNAIL_WIDTH, THUMBNAIL_HEIGHT);
  bunshin_snapshot_item_set_thumbnail (present, thumbnail);
}

static gboolean
on_refresh (gpointer data)
{
  BunshinSnapshotsPage *self = data;
  GListModel *model = bunshin_snapshot_list_get_model (self->snapshots);

  for (guint i = 0; i < g_list_model_get_n_items (model); i++)
    {
      g_autoptr (BunshinSnapshotItem) item = g_list_model_get_item (model, i);

      bunshin_snapshot_item_refresh (item);
    }
  return G_SOURCE_CONTINUE;
}

/* --- Selection: it stays with the snapshot, or where that was --- */

static GtkListBoxRow *
find_row (BunshinSnapshotsPage *self, const char *uuid)
{
  GtkListBoxRow *row;

  for (int i = 0; (row = gtk_list_box_get_row_at_index (self->timeline, i)) != NULL; i++)
    if (g_strcmp0 (bunshin_snapshot_item_get_uuid (bunshin_snapshot_row_get_item (BUNSHIN_SNAPSHOT_ROW (row))), uuid)
        == 0)
      return row;
  return NULL;
}

static void
before_items_change (BunshinSnapshotsPage *self)
{
  GtkRoot *root = gtk_widget_get_root (GTK_WIDGET (self));
  GtkWidget *focus = root != NULL ? gtk_root_get_focus (root) : NULL;

  self->had_focus = focus != NULL && gtk_widget_is_ancestor (focus, GTK_WIDGET (self->timeline));
}

static void
after_items_changed (BunshinSnapshotsPage *self)
{
  int last = (int) g_list_model_get_n_items (bunshin_snapshot_list_get_model (self->snapshots)) - 1;
  GtkListBoxRow *row = NULL;

  if (self->selected_index >= 0 && (row = find_row (self, self->selected)) == NULL)
    row = gtk_list_box_get_row_at_index (self->timeline, MIN (self->selected_index, last));
  if (row == NULL)
    row = gtk_list_box_get_row_at_index (self->timeline, 0);
  if (row == NULL)
    return;
  gtk_list_box_select_row (self->timeline, row);
  if (self->had_focus)
    gtk_widget_grab_focus (GTK_WIDGET (row));
}

static void
on_row_selected (BunshinSnapshotsPage *self, GtkListBoxRow *row)
{
  const char *uuid;

  /* Without one the list is being changed: what was selected is wanted again. */
  if (row == NULL)
    return;
  uuid = bunshin_snapshot_item_get_uuid (bunshin_snapshot_row_get_item (BUNSHIN_SNAPSHOT_ROW (row)));
  if (g_strcmp0 (uuid, self->selected) != 0)
    {
      g_free (self->selected);
      self->selected = g_strdup (uuid);
    }
  self->selected_index = gtk_list_box_row_get_index (row);
}

/* --- Rows --- */

static void
on_verb (BunshinSnapshotsPage *self, const char *verb, BunshinSnapshotRow *row)
{
  /* What is done may take the row away. */
  g_autoptr (BunshinSnapshotItem) item = g_object_ref (bunshin_snapshot_row_get_item (row));

  gtk_list_box_select_row (self->timeline, GTK_LIST_BOX_ROW (row));
  snapshots_page_verb (self, verb, item);
}

/* Enter and two clicks: back to it; of the present state, a snapshot. */
static void
on_row_activated (BunshinSnapshotsPage *self, GtkListBoxRow *row)
{
  BunshinSnapshotItem *item = bunshin_snapshot_row_get_item (BUNSHIN_SNAPSHOT_ROW (row));

  gtk_widget_activate_action (GTK_WIDGET (row),
                              bunshin_snapshot_item_is_present (item) ? "snapshot.take" : "snapshot.restore", NULL);
}

static GtkWidget *
create_row (gpointer item, gpointer data)
{
  GtkWidget *row = bunshin_snapshot_row_new (item);

  bunshin_snapshot_row_set_narrow (BUNSHIN_SNAPSHOT_ROW (row), ((BunshinSnapshotsPage *) data)->is_narrow);
  g_signal_connect_object (row, "verb", G_CALLBACK (on_verb), data, G_CONNECT_SWAPPED);
  return row;
}

void
bunshin_snapshots_page_set_narrow (BunshinSnapshotsPage *self, gboolean narrow)
{
  GtkListBoxRow *row;

  self->is_narrow = narrow;
  for (int i = 0; (row = gtk_list_box_get_row_at_index (self->timeline, i)) != NULL; i++)
    bunshin_snapshot_row_set_narrow (BUNSHIN_SNAPSHOT_ROW (row), narrow);
}

/* --- The page --- */

static void
on_take (GtkWidget *widget, const char *action, GVariant *parameter)
{
  bunshin_snapshots_page_take (BUNSHIN_SNAPSHOTS_PAGE (widget));
}

static void
on_end_drive (GtkWidget *widget, const char *action, GVariant *parameter)
{
  gboolean keeps = g_str_equal (g_variant_get_string (parameter, NULL), "keep");

  snapshots_page_end_drive (BUNSHIN_SNAPSHOTS_PAGE (widget), keeps ? SNAPSHOT_DRIVE_KEEP : SNAPSHOT_DRIVE_DISCARD);
}

static void
on_loaded (BunshinSnapshotsPage *self)
{
  snapshots_page_update (self);
  update_thumbnail (self);
}

static void
on_failed (BunshinSnapshotsPage *self, const char *message)
{
  g_autofree char *escaped = g_markup_escape_text (message, -1);
  g_autoptr (AdwToast) toast = adw_toast_new (escaped);

  g_signal_emit (self, signals[TOAST], 0, toast);
}

void
bunshin_snapshots_page_set_library (BunshinSnapshotsPage *self, Library *library, const char *program)
{
  GListModel *model;

  self->library = library;
  self->program = program;
  self->snapshots = bunshin_snapshot_list_new (library);
  model = bunshin_snapshot_list_get_model (self->snapshots);
  /* The list box changes its rows between the two. */
  g_signal_connect_swapped (model, "items-changed", G_CALLBACK (before_items_change), self);
  gtk_list_box_bind_model (self->timeline, model, create_row, self, NULL);
  g_signal_connect_swapped (model, "items-changed", G_CALLBACK (after_items_changed), self);
  g_signal_connect_swapped (self->snapshots, "loaded", G_CALLBACK (on_loaded), self);
  g_signal_connect_swapped (self->snapshots, "failed", G_CALLBACK (on_failed), self);
}

void
bunshin_snapshots_page_set_item (BunshinSnapshotsPage *self, BunshinMachineItem *item)
{
  if (self->item == item)
    return;
  if (self->item != NULL)
    {
      g_signal_handlers_disconnect_by_data (bunshin_machine_item_get_control (self->item), self);
      g_signal_handlers_disconnect_by_data (self->item, self);
    }
  g_set_object (&self->item, item);
  g_clear_pointer (&self->selected, g_free);
  self->selected_index = -1;
  bunshin_snapshot_list_set_machine (self->snapshots, item);
  if (item != NULL)
    {
      g_signal_connect_swapped (item, "notify::state", G_CALLBACK (snapshots_page_update), self);
      g_signal_connect_swapped (item, "notify::busy", G_CALLBACK (snapshots_page_update), self);
      g_signal_connect_swapped (item, "notify::thumbnail", G_CALLBACK (update_thumbnail), self);
      g_signal_connect_swapped (bunshin_machine_item_get_control (item), "notify::progress",
                                G_CALLBACK (snapshots_page_update), self);
    }
  snapshots_page_update (self);
}

static void
bunshin_snapshots_page_map (GtkWidget *widget)
{
  BunshinSnapshotsPage *self = BUNSHIN_SNAPSHOTS_PAGE (widget);

  GTK_WIDGET_CLASS (bunshin_snapshots_page_parent_class)->map (widget);
  bunshin_snapshot_list_set_active (self->snapshots, TRUE);
  self->timer = g_timeout_add_seconds (REFRESH_SECONDS, on_refresh, self);
}

static void
bunshin_snapshots_page_unmap (GtkWidget *widget)
{
  BunshinSnapshotsPage *self = BUNSHIN_SNAPSHOTS_PAGE (widget);

  g_clear_handle_id (&self->timer, g_source_remove);
  bunshin_snapshot_list_set_active (self->snapshots, FALSE);
  GTK_WIDGET_CLASS (bunshin_snapshots_page_parent_class)->unmap (widget);
}

static void
bunshin_snapshots_page_dispose (GObject *object)
{
  BunshinSnapshotsPage *self = BUNSHIN_SNAPSHOTS_PAGE (object);

  if (self->snapshots != NULL)
    {
      g_signal_handlers_disconnect_by_data (bunshin_snapshot_list_get_model (self->snapshots), self);
      g_signal_handlers_disconnect_by_data (self->snapshots, self);
      gtk_list_box_bind_model (self->timeline, NULL, NULL, NULL, NULL);
      bunshin_snapshots_page_set_item (self, NULL);
    }
  g_clear_object (&self->snapshots);
  G_OBJECT_CLASS (bunshin_snapshots_page_parent_class)->dispose (object);
}

static void
bunshin_snapshots_page_finalize (GObject *object)
{
  BunshinSnapshotsPage *self = BUNSHIN_SNAPSHOTS_PAGE (object);

  g_hash_table_unref (self->jobs);
  g_free (self->selected);
  G_OBJECT_CLASS (bunshin_snapshots_page_parent_class)->finalize (object);
}

static void
bunshin_snapshots_page_class_init (BunshinSnapshotsPageClass *klass)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);

  G_OBJECT_CLASS (klass)->dispose = bunshin_snapshots_page_dispose;
  G_OBJECT_CLASS (klass)->finalize = bunshin_snapshots_page_finalize;
  widget_class->map = bunshin_snapshots_page_map;
  widget_class->unmap = bunshin_snapshots_page_unmap;
  signals[TOAST] = g_signal_new ("toast", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                                 G_TYPE_NONE, 1, ADW_TYPE_TOAST);
  signals[CLONED] = g_signal_new ("cloned", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                                  G_TYPE_NONE, 1, G_TYPE_STRING);
  signals[DRIVE] = g_signal_new ("drive", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                                 G_TYPE_NONE, 1, G_TYPE_STRING);
  gtk_widget_class_install_action (widget_class, "snapshots.take", NULL, on_take);
  gtk_widget_class_install_action (widget_class, "snapshots.end-drive", "s", on_end_drive);
  gtk_widget_class_set_template_from_resource (widget_class, "/org/bunshin/Bunshin/snapshots-page.ui");
#define BIND(name) gtk_widget_class_bind_template_child (widget_class, BunshinSnapshotsPage, name)
  BIND (drive_bar);
  BIND (stack);
  BIND (timeline);
  BIND (summary_label);
#undef BIND
  gtk_widget_class_bind_template_callback (widget_class, on_row_selected);
  gtk_widget_class_bind_template_callback (widget_class, on_row_activated);
}

static void
bunshin_snapshots_page_init (BunshinSnapshotsPage *self)
{
  self->jobs = g_hash_table_new (g_str_hash, g_str_equal);
  self->selected_index = -1;
  gtk_widget_init_template (GTK_WIDGET (self));
  accessible_use_tooltips (GTK_WIDGET (self));
}
