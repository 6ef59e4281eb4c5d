/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A row of the timeline; see the header. */

#include "ui/snapshot-row.h"

#include "ui/accessible.h"
#include "ui/os-emblem.h"
#include "ui/size-format.h"
#include "ui/snapshot-graph.h"
#include "ui/snapshot-text.h"

#include <glib/gi18n.h>

struct _BunshinSnapshotRow
{
  GtkListBoxRow parent_instance;

  /* template */
  BunshinSnapshotGraph *graph;
  GtkStack *picture_stack;
  BunshinOsEmblem *emblem;
  GtkPicture *thumbnail;
  GtkLabel *name_label, *detail_label, *description_label;
  GtkWidget *running_badge, *off_badge, *automatic_badge;
  GtkProgressBar *progress;
  GtkSpinner *spinner;
  GtkWidget *restore_button, *menu_button, *cancel_button;
  GMenuModel *snapshot_menu, *present_menu;

  BunshinSnapshotItem *item;
  gboolean is_narrow;
};

enum { VERB, N_SIGNALS };

static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (BunshinSnapshotRow, bunshin_snapshot_row, GTK_TYPE_LIST_BOX_ROW)

static const struct
{
  const char *action, *name;
  SnapshotVerbs verb;
} verbs[] = {
  { "snapshot.take", "take", SNAPSHOT_VERB_TAKE },       { "snapshot.restore", "restore", SNAPSHOT_VERB_RESTORE },
  { "snapshot.delete", "delete", SNAPSHOT_VERB_DELETE }, { "snapshot.edit", "edit", SNAPSHOT_VERB_EDIT },
  { "snapshot.clone", "clone", SNAPSHOT_VERB_CLONE },    { "snapshot.cancel", "cancel", SNAPSHOT_VERB_CANCEL },
  { "snapshot.changes", "changes", SNAPSHOT_VERB_CHANGES }, { "snapshot.compare", "compare", SNAPSHOT_VERB_CHANGES },
  { "snapshot.drive", "drive", SNAPSHOT_VERB_DRIVE },
};

BunshinSnapshotItem *
bunshin_snapshot_row_get_item (BunshinSnapshotRow *self)
{
  return self->item;
}

/* When it was taken and what it takes, or what is being done. */
static char *
describe (BunshinSnapshotRow *self)
{
  const Snapshot *snapshot = bunshin_snapshot_item_get_snapshot (self->item);
  const char *work = bunshin_snapshot_item_get_work (self->item);
  g_autofree char *age = NULL, *size = NULL;

  if (work != NULL)
    return g_strdup (work);
  if (snapshot == NULL)
    return g_strdup (bunshin_snapshot_item_get_summary (self->item));
  age = snapshot_text_age (snapshot->created, g_get_real_time () / G_USEC_PER_SEC);
  /* Of the first one all is in the machine's own disks. */
  if (snapshot->size == 0)
    return g_steal_pointer (&age);
  size = size_format (snapshot->size);
  /* Translators: when a snapshot was taken, and its size on disk: "5 minutes ago · 1.2 GiB". */
  return g_strdup_printf (_("%s · %s"), age, size);
}

static void
show_badges (BunshinSnapshotRow *self)
{
  const Snapshot *snapshot = bunshin_snapshot_item_get_snapshot (self->item);

  gtk_widget_set_visible (self->running_badge, snapshot != NULL && snapshot->state_path != NULL);
  gtk_widget_set_visible (self->off_badge, snapshot != NULL && snapshot->state_path == NULL);
  gtk_widget_set_visible (self->automatic_badge, snapshot != NULL && snapshot->kind == SNAPSHOT_AUTOMATIC);
}

static void
show_work (BunshinSnapshotRow *self)
{
  gboolean works = bunshin_snapshot_item_get_work (self->item) != NULL;
  double progress = bunshin_snapshot_item_get_progress (self->item);

  gtk_widget_set_visible (GTK_WIDGET (self->progress), works && progress >= 0);
  gtk_progress_bar_set_fraction (self->progress, MAX (progress, 0));
  gtk_widget_set_visible (GTK_WIDGET (self->spinner), works && progress < 0);
  gtk_spinner_set_spinning (self->spinner, works && progress < 0);
  gtk_widget_set_visible (self->cancel_button,
                          (bunshin_snapshot_item_get_verbs (self->item) & SNAPSHOT_VERB_CANCEL) != 0);
  gtk_widget_set_visible (self->menu_button, !works);
  gtk_widget_set_visible (self->restore_button,
                          !works && !self->is_narrow && !bunshin_snapshot_item_is_present (self->item));
}

/* All that the row shows, in one sentence. */
static void
name_for_screen_readers (BunshinSnapshotRow *self, const char *detail)
{
  const Snapshot *snapshot = bunshin_snapshot_item_get_snapshot (self->item);
  g_autoptr (GString) text = g_string_new (bunshin_snapshot_item_get_name (self->item));

  if (detail != NULL)
    g_string_append_printf (text, ", %s", detail);
  if (snapshot != NULL)
    g_string_append_printf (text, ", %s", snapshot->state_path != NULL ? _("Running") : _("Off"));
  if (snapshot != NULL && snapshot->kind == SNAPSHOT_AUTOMATIC)
    g_string_append_printf (text, ", %s", _("Automatic"));
  if (snapshot != NULL && snapshot->description != NULL)
    g_string_append_printf (text, ", %s", snapshot->description);
  gtk_accessible_update_property (GTK_ACCESSIBLE (self), GTK_ACCESSIBLE_PROPERTY_LABEL, text->str,
                                  GTK_ACCESSIBLE_PROPERTY_LEVEL,
                                  (int) bunshin_snapshot_item_get_place (self->item)->column + 1, -1);
}

static void
update (BunshinSnapshotRow *self)
{
  const Snapshot *snapshot = bunshin_snapshot_item_get_snapshot (self->item);
  gboolean has_description = snapshot != NULL && snapshot->description != NULL && snapshot->description[0] != '\0';
  GdkTexture *thumbnail = bunshin_snapshot_item_get_thumbnail (self->item);
  SnapshotVerbs allowed = bunshin_snapshot_item_get_verbs (self->item);
  g_autofree char *detail = describe (self);
  g_autofree char *time = snapshot != NULL ? snapshot_text_time (snapshot->created) : NULL;

  bunshin_snapshot_graph_set_place (self->graph, bunshin_snapshot_item_get_place (self->item));
  gtk_label_set_label (self->name_label, bunshin_snapshot_item_get_name (self->item));
  gtk_label_set_label (self->detail_label, detail != NULL ? detail : "");
  gtk_widget_set_tooltip_text (GTK_WIDGET (self->detail_label), time);
  gtk_label_set_label (self->description_label, has_description ? snapshot->description : "");
  gtk_widget_set_tooltip_text (GTK_WIDGET (self->description_label), has_description ? snapshot->description : NULL);
  gtk_widget_set_visible (GTK_WIDGET (self->description_label), has_description);
  bunshin_os_emblem_set_os_id (self->emblem, bunshin_snapshot_item_get_os_id (self->item));
  gtk_picture_set_paintable (self->thumbnail, GDK_PAINTABLE (thumbnail));
  gtk_stack_set_visible_child_name (self->picture_stack, thumbnail != NULL ? "thumbnail" : "emblem");
  show_badges (self);
  show_work (self);
  name_for_screen_readers (self, detail);
  for (gsize i = 0; i < G_N_ELEMENTS (verbs); i++)
    gtk_widget_action_set_enabled (GTK_WIDGET (self), verbs[i].action, (allowed & verbs[i].verb) != 0);
}

void
bunshin_snapshot_row_set_narrow (BunshinSnapshotRow *self, gboolean narrow)
{
  self->is_narrow = narrow;
  gtk_widget_set_visible (GTK_WIDGET (self->picture_stack), !narrow);
  show_work (self);
}

static void
on_verb (GtkWidget *widget, const char *action, GVariant *parameter)
{
  for (gsize i = 0; i < G_N_ELEMENTS (verbs); i++)
    if (g_str_equal (verbs[i].action, action))
      g_signal_emit (widget, signals[VERB], 0, verbs[i].name);
}

static void
on_menu (GtkWidget *widget, const char *action, GVariant *parameter)
{
  GtkWidget *button = BUNSHIN_SNAPSHOT_ROW (widget)->menu_button;

  if (gtk_widget_get_visible (button))
    gtk_menu_button_popup (GTK_MENU_BUTTON (button));
}

static void
on_secondary_click (BunshinSnapshotRow *self)
{
  gtk_list_box_select_row (GTK_LIST_BOX (gtk_widget_get_parent (GTK_WIDGET (self))), GTK_LIST_BOX_ROW (self));
  on_menu (GTK_WIDGET (self), NULL, NULL);
}

static void
bunshin_snapshot_row_dispose (GObject *object)
{
  BunshinSnapshotRow *self = BUNSHIN_SNAPSHOT_ROW (object);

  if (self->item != NULL)
    g_signal_handlers_disconnect_by_data (self->item, self);
  g_clear_object (&self->item);
  G_OBJECT_CLASS (bunshin_snapshot_row_parent_class)->dispose (object);
}

static void
bunshin_snapshot_row_class_init (BunshinSnapshotRowClass *klass)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);

  G_OBJECT_CLASS (klass)->dispose = bunshin_snapshot_row_dispose;
  signals[VERB] = g_signal_new ("verb", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE,
                                1, G_TYPE_STRING);
  g_type_ensure (BUNSHIN_TYPE_OS_EMBLEM);
  g_type_ensure (BUNSHIN_TYPE_SNAPSHOT_GRAPH);
  for (gsize i = 0; i < G_N_ELEMENTS (verbs); i++)
    gtk_widget_class_install_action (widget_class, verbs[i].action, NULL, on_verb);
  gtk_widget_class_install_action (widget_class, "snapshot.menu", NULL, on_menu);
  gtk_widget_class_add_binding_action (widget_class, GDK_KEY_Menu, 0, "snapshot.menu", NULL);
  gtk_widget_class_add_binding_action (widget_class, GDK_KEY_F10, GDK_SHIFT_MASK, "snapshot.menu", NULL);
  gtk_widget_class_add_binding_action (widget_class, GDK_KEY_Delete, 0, "snapshot.delete", NULL);
  gtk_widget_class_add_binding_action (widget_class, GDK_KEY_F2, 0, "snapshot.edit", NULL);
  /* The last one is the one that the menu shows. */
  gtk_widget_class_add_binding_action (widget_class, GDK_KEY_KP_Enter, GDK_SHIFT_MASK, "snapshot.drive", NULL);
  gtk_widget_class_add_binding_action (widget_class, GDK_KEY_Return, GDK_SHIFT_MASK, "snapshot.drive", NULL);
  gtk_widget_class_set_template_from_resource (widget_class, "/org/bunshin/Bunshin/snapshot-row.ui");
#define BIND(name) gtk_widget_class_bind_template_child (widget_class, BunshinSnapshotRow, name)
  BIND (graph);
  BIND (picture_stack);
  BIND (emblem);
  BIND (thumbnail);
  BIND (name_label);
  BIND (detail_label);
  BIND (description_label);
  BIND (running_badge);
  BIND (off_badge);
  BIND (automatic_badge);
  BIND (progress);
  BIND (spinner);
  BIND (restore_button);
  BIND (menu_button);
  BIND (cancel_button);
  BIND (snapshot_menu);
  BIND (present_menu);
#undef BIND
}

static void
bunshin_snapshot_row_init (BunshinSnapshotRow *self)
{
  GtkGesture *click = gtk_gesture_click_new ();

  gtk_widget_init_template (GTK_WIDGET (self));
  accessible_use_tooltips (GTK_WIDGET (self));
  gtk_gesture_single_set_button (GTK_GESTURE_SINGLE (click), GDK_BUTTON_SECONDARY);
  g_signal_connect_swapped (click, "pressed", G_CALLBACK (on_secondary_click), self);
  gtk_widget_add_controller (GTK_WIDGET (self), GTK_EVENT_CONTROLLER (click));
}

GtkWidget *
bunshin_snapshot_row_new (BunshinSnapshotItem *item)
{
  BunshinSnapshotRow *self = g_object_new (BUNSHIN_TYPE_SNAPSHOT_ROW, NULL);

  self->item = g_object_ref (item);
  gtk_menu_button_set_menu_model (GTK_MENU_BUTTON (self->menu_button), bunshin_snapshot_item_is_present (item)
                                                                           ? self->present_menu
                                                                           : self->snapshot_menu);
  g_signal_connect_swapped (item, "changed", G_CALLBACK (update), self);
  update (self);
  return GTK_WIDGET (self);
}
