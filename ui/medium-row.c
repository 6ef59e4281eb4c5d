/* SPDX-License-Identifier: GPL-3.0-or-later */
/* An image in the list of media; see the header. */

#include "ui/medium-row.h"

#include "storage/disk/disk.h"
#include "ui/accessible.h"
#include "ui/record-text.h"

#include <glib/gi18n.h>

enum
{
  INDENT = 28 /* pixels, for each image that it is based on */
};

struct _BunshinMediumRow
{
  AdwActionRow parent_instance;

  /* template */
  GtkImage *icon;
  GtkWidget *branch, *cancel_button, *user_button, *menu_button;
  GtkLabel *badge, *user_label;
  GtkProgressBar *progress;

  BunshinMediumItem *item;
};

enum { VERB, SHOW_MACHINE, N_SIGNALS };

static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (BunshinMediumRow, bunshin_medium_row, ADW_TYPE_ACTION_ROW)

/* What the name of a verb stands for; 0: it may always be done. */
static const struct
{
  const char *action, *name;
  MediumVerbs verb;
} verbs[] = {
  { "medium.properties", "properties", 0 },
  { "medium.open-folder", "open-folder", 0 },
  { "medium.copy", "copy", MEDIUM_COPY },
  { "medium.move", "move", MEDIUM_MOVE },
  { "medium.resize", "resize", MEDIUM_RESIZE },
  { "medium.compact", "compact", MEDIUM_COMPACT },
  { "medium.check", "check", MEDIUM_CHECK },
  { "medium.release", "release", MEDIUM_RELEASE },
  { "medium.remove", "remove", MEDIUM_REMOVE },
  { "medium.delete", "delete", MEDIUM_DELETE },
};

BunshinMediumItem *
bunshin_medium_row_get_item (BunshinMediumRow *self)
{
  return self->item;
}

/* A line about the file, and one about what is wrong. */
static char *
describe (BunshinMediumRow *self)
{
  const MediumInfo *info = bunshin_medium_item_get_info (self->item);
  const char *work = bunshin_medium_item_get_work (self->item), *path = bunshin_medium_item_get_path (self->item);
  LibraryMediumKind kind = bunshin_medium_item_get_medium (self->item)->kind;
  g_autofree char *format = NULL, *size = NULL, *folder = NULL, *shown = NULL;

  if (work != NULL)
    return g_strdup (work);
  if (info != NULL && info->problem != NULL)
    return g_strdup (info->problem);
  if (info == NULL || info->is_missing)
    {
      folder = g_path_get_dirname (path);
      shown = g_filename_display_name (folder);
      return g_steal_pointer (&shown);
    }
  format = medium_info_describe (info, kind);
  size = medium_info_describe_size (info, kind);
  if (size == NULL)
    return g_steal_pointer (&format);
  /* Translators: an image's format and its sizes: "VDI, grows as needed — 20 GiB, 1.2 GiB on disk". */
  return g_strdup_printf (_("%s — %s"), format, size);
}

static void
set_badge (BunshinMediumRow *self, const char *text, const char *style)
{
  static const char *const styles[] = { "error", "warning", "success" };

  gtk_label_set_label (self->badge, text != NULL ? text : "");
  gtk_widget_set_visible (GTK_WIDGET (self->badge), text != NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (styles); i++)
    if (g_strcmp0 (styles[i], style) == 0)
      gtk_widget_add_css_class (GTK_WIDGET (self->badge), styles[i]);
    else
      gtk_widget_remove_css_class (GTK_WIDGET (self->badge), styles[i]);
}

static void
show_badge (BunshinMediumRow *self)
{
  const MediumInfo *info = bunshin_medium_item_get_info (self->item);

  if (info != NULL && info->is_missing)
    set_badge (self, _("Missing"), "error");
  else if (info != NULL && info->problem != NULL)
    set_badge (self, _("Unusable"), "error");
  else if (bunshin_medium_item_is_running (self->item))
    set_badge (self, _("In Use"), "success");
  else
    set_badge (self, NULL, NULL);
}

static void
show_users (BunshinMediumRow *self)
{
  const GPtrArray *users = bunshin_medium_item_get_users (self->item);
  const LibraryMediumUser *first = users->len > 0 ? users->pdata[0] : NULL;
  g_autofree char *text = NULL, *tooltip = NULL;

  gtk_widget_set_visible (self->user_button, first != NULL && bunshin_medium_item_get_work (self->item) == NULL);
  if (first == NULL)
    return;
  text = users->len == 1
             ? g_strdup (first->name)
             /* Translators: of several machines one's name, and how many others: "Debian + 2". */
             : g_strdup_printf (_("%s + %u"), first->name, users->len - 1);
  tooltip = g_strdup_printf (_("Used by “%s”: show it"), first->name);
  gtk_label_set_label (self->user_label, text);
  gtk_widget_set_tooltip_text (self->user_button, tooltip);
  gtk_accessible_update_property (GTK_ACCESSIBLE (self->user_button), GTK_ACCESSIBLE_PROPERTY_LABEL, tooltip, -1);
}

static void
show_work (BunshinMediumRow *self)
{
  gboolean works = bunshin_medium_item_get_work (self->item) != NULL;
  double progress = bunshin_medium_item_get_progress (self->item);

  gtk_widget_set_visible (GTK_WIDGET (self->progress), works);
  gtk_widget_set_visible (self->cancel_button, works);
  gtk_widget_set_visible (self->menu_button, !works);
  if (!works)
    return;
  if (progress < 0)
    gtk_progress_bar_pulse (self->progress);
  else
    gtk_progress_bar_set_fraction (self->progress, progress);
}

static void
update (BunshinMediumRow *self)
{
  const char *name = bunshin_medium_item_get_name (self->item);
  guint depth = bunshin_medium_item_get_depth (self->item);
  MediumVerbs allowed = bunshin_medium_item_get_verbs (self->item);
  g_autofree char *subtitle = describe (self);
  g_autofree char *shown = disk_shown_path (bunshin_medium_item_get_path (self->item));
  g_autofree char *path = g_filename_display_name (shown);

  adw_preferences_row_set_title (ADW_PREFERENCES_ROW (self), name);
  adw_action_row_set_subtitle (ADW_ACTION_ROW (self), subtitle);
  gtk_widget_set_tooltip_text (GTK_WIDGET (self), path);
  gtk_image_set_from_icon_name (self->icon,
                                record_text_medium_icon (bunshin_medium_item_get_medium (self->item)->kind));
  gtk_widget_set_margin_start (self->branch, depth > 0 ? (int) (depth - 1) * INDENT : 0);
  gtk_widget_set_visible (self->branch, depth > 0);
  show_badge (self);
  show_users (self);
  show_work (self);
  for (gsize i = 0; i < G_N_ELEMENTS (verbs); i++)
    gtk_widget_action_set_enabled (GTK_WIDGET (self), verbs[i].action,
                                   verbs[i].verb == 0 || (allowed & verbs[i].verb) != 0);
  gtk_widget_action_set_enabled (GTK_WIDGET (self), "medium.open-folder",
                                 !disk_is_remote (bunshin_medium_item_get_path (self->item)));
}

static void
on_verb (GtkWidget *widget, const char *action, GVariant *parameter)
{
  for (gsize i = 0; i < G_N_ELEMENTS (verbs); i++)
    if (g_str_equal (verbs[i].action, action))
      g_signal_emit (widget, signals[VERB], 0, verbs[i].name);
}

static void
on_cancel (GtkWidget *widget, const char *action, GVariant *parameter)
{
  bunshin_medium_item_cancel (BUNSHIN_MEDIUM_ROW (widget)->item);
}

/* One machine is shown; of several the properties tell. */
static void
on_show_machine (GtkWidget *widget, const char *action, GVariant *parameter)
{
  BunshinMediumRow *self = BUNSHIN_MEDIUM_ROW (widget);
  const GPtrArray *users = bunshin_medium_item_get_users (self->item);

  if (users->len == 1)
    g_signal_emit (self, signals[SHOW_MACHINE], 0, ((const LibraryMediumUser *) users->pdata[0])->uuid);
  else
    g_signal_emit (self, signals[VERB], 0, "properties");
}

static void
on_menu (GtkWidget *widget, const char *action, GVariant *parameter)
{
  GtkWidget *button = BUNSHIN_MEDIUM_ROW (widget)->menu_button;

  if (gtk_widget_get_visible (button))
    gtk_menu_button_popup (GTK_MENU_BUTTON (button));
}

static void
bunshin_medium_row_activate (AdwActionRow *row)
{
  g_signal_emit (row, signals[VERB], 0, "properties");
}

static void
on_secondary_click (BunshinMediumRow *self)
{
  on_menu (GTK_WIDGET (self), NULL, NULL);
}

static void
bunshin_medium_row_dispose (GObject *object)
{
  BunshinMediumRow *self = BUNSHIN_MEDIUM_ROW (object);

  if (self->item != NULL)
    g_signal_handlers_disconnect_by_data (self->item, self);
  g_clear_object (&self->item);
  G_OBJECT_CLASS (bunshin_medium_row_parent_class)->dispose (object);
}

static void
bunshin_medium_row_class_init (BunshinMediumRowClass *klass)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);

  G_OBJECT_CLASS (klass)->dispose = bunshin_medium_row_dispose;
  ADW_ACTION_ROW_CLASS (klass)->activate = bunshin_medium_row_activate;
  signals[VERB] = g_signal_new ("verb", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE,
                                1, G_TYPE_STRING);
  signals[SHOW_MACHINE] = g_signal_new ("show-machine", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0, NULL, NULL,
                                        NULL, G_TYPE_NONE, 1, G_TYPE_STRING);
  for (gsize i = 0; i < G_N_ELEMENTS (verbs); i++)
    gtk_widget_class_install_action (widget_class, verbs[i].action, NULL, on_verb);
  gtk_widget_class_install_action (widget_class, "medium.cancel", NULL, on_cancel);
  gtk_widget_class_install_action (widget_class, "medium.show-machine", NULL, on_show_machine);
  gtk_widget_class_install_action (widget_class, "medium.menu", NULL, on_menu);
  gtk_widget_class_add_binding_action (widget_class, GDK_KEY_Menu, 0, "medium.menu", NULL);
  gtk_widget_class_add_binding_action (widget_class, GDK_KEY_F10, GDK_SHIFT_MASK, "medium.menu", NULL);
  gtk_widget_class_add_binding_action (widget_class, GDK_KEY_Delete, 0, "medium.remove", NULL);
  gtk_widget_class_set_template_from_resource (widget_class, "/org/bunshin/Bunshin/medium-row.ui");
#define BIND(name) gtk_widget_class_bind_template_child (widget_class, BunshinMediumRow, name)
  BIND (icon);
  BIND (branch);
  BIND (badge);
  BIND (progress);
  BIND (cancel_button);
  BIND (user_button);
  BIND (user_label);
  BIND (menu_button);
#undef BIND
}

static void
bunshin_medium_row_init (BunshinMediumRow *self)
{
  GtkGesture *click = gtk_gesture_click_new ();

  gtk_widget_init_template (GTK_WIDGET (self));
  accessible_use_tooltips (GTK_WIDGET (self));
  adw_preferences_row_set_use_markup (ADW_PREFERENCES_ROW (self), FALSE);
  gtk_gesture_single_set_button (GTK_GESTURE_SINGLE (click), GDK_BUTTON_SECONDARY);
  g_signal_connect_swapped (click, "pressed", G_CALLBACK (on_secondary_click), self);
  gtk_widget_add_controller (GTK_WIDGET (self), GTK_EVENT_CONTROLLER (click));
}

GtkWidget *
bunshin_medium_row_new (BunshinMediumItem *item)
{
  BunshinMediumRow *self = g_object_new (BUNSHIN_TYPE_MEDIUM_ROW, NULL);

  self->item = g_object_ref (item);
  g_signal_connect_swapped (item, "changed", G_CALLBACK (update), self);
  update (self);
  return GTK_WIDGET (self);
}
