/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The list of operating systems with a search entry above it. */

#include "ui/os-chooser.h"

#include "ui/os-emblem.h"

#include <glib/gi18n.h>

struct _BunshinOsChooser
{
  AdwBin parent_instance;

  /* template */
  GtkSearchEntry *search_entry;
  GtkStack *stack;
  GtkListView *view;

  /* owned */
  BunshinOsDatabase *database;
  GListStore *store;
  GtkSingleSelection *selection;
  char *selected_id;
  gboolean updating;            /* the program changes the selection */
};

enum { CHOSEN, ACTIVATED, N_SIGNALS };

static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (BunshinOsChooser, bunshin_os_chooser, ADW_TYPE_BIN)

static guint
find_position (BunshinOsChooser *self, const char *id)
{
  for (guint i = 0; id != NULL && i < g_list_model_get_n_items (G_LIST_MODEL (self->store)); i++)
    {
      g_autoptr (BunshinOs) os = g_list_model_get_item (G_LIST_MODEL (self->store), i);

      if (g_strcmp0 (bunshin_os_get_id (os), id) == 0)
        return i;
    }
  return GTK_INVALID_LIST_POSITION;
}

static void
show_selected (BunshinOsChooser *self)
{
  guint position = find_position (self, self->selected_id);

  self->updating = TRUE;
  gtk_single_selection_set_selected (self->selection, position);
  self->updating = FALSE;
  if (position != GTK_INVALID_LIST_POSITION)
    gtk_widget_activate_action (GTK_WIDGET (self->view), "list.scroll-to-item", "u", position);
}

static void
refill (BunshinOsChooser *self)
{
  if (self->database == NULL || !bunshin_os_database_is_loaded (self->database))
    return;
  self->updating = TRUE;
  bunshin_os_database_fill (self->database, self->store, gtk_editable_get_text (GTK_EDITABLE (self->search_entry)));
  self->updating = FALSE;
  gtk_stack_set_visible_child_name (self->stack, "list");
  show_selected (self);
}

static void
on_search_changed (BunshinOsChooser *self)
{
  refill (self);
}

static void
choose (BunshinOsChooser *self, BunshinOs *os)
{
  g_free (self->selected_id);
  self->selected_id = g_strdup (bunshin_os_get_id (os));
  g_signal_emit (self, signals[CHOSEN], 0);
}

/* Enter takes the first that was found, unless one of those found is selected already. Who types fast presses it before
 * the entry tells of its last change. */
static void
on_search_activate (BunshinOsChooser *self)
{
  refill (self);
  if (find_position (self, self->selected_id) == GTK_INVALID_LIST_POSITION)
    for (guint i = 0; i < g_list_model_get_n_items (G_LIST_MODEL (self->store)); i++)
      {
        g_autoptr (BunshinOs) os = g_list_model_get_item (G_LIST_MODEL (self->store), i);

        if (bunshin_os_is_heading (os))
          continue;
        choose (self, os);
        show_selected (self);
        break;
      }
  if (self->selected_id != NULL)
    g_signal_emit (self, signals[ACTIVATED], 0);
}

static void
on_selected_changed (BunshinOsChooser *self)
{
  BunshinOs *os = gtk_single_selection_get_selected_item (self->selection);

  if (self->updating || os == NULL)
    return;
  if (bunshin_os_is_heading (os))
    {
      show_selected (self);
      return;
    }
  choose (self, os);
}

static void
on_activate (BunshinOsChooser *self, guint position)
{
  g_autoptr (BunshinOs) os = g_list_model_get_item (G_LIST_MODEL (self->store), position);

  if (os != NULL && !bunshin_os_is_heading (os))
    g_signal_emit (self, signals[ACTIVATED], 0);
}

/* --- Rows --- */

static void
on_setup (GtkSignalListItemFactory *factory, GtkListItem *list_item, gpointer data)
{
  GtkWidget *box = gtk_box_new (GTK_ORIENTATION_HORIZONTAL, 12);
  GtkWidget *emblem = g_object_new (BUNSHIN_TYPE_OS_EMBLEM, "valign", GTK_ALIGN_CENTER, NULL);
  GtkWidget *label = gtk_label_new (NULL);

  gtk_widget_add_css_class (emblem, "small");
  gtk_label_set_xalign (GTK_LABEL (label), 0);
  gtk_label_set_ellipsize (GTK_LABEL (label), PANGO_ELLIPSIZE_END);
  gtk_box_append (GTK_BOX (box), emblem);
  gtk_box_append (GTK_BOX (box), label);
  gtk_list_item_set_child (list_item, box);
}

static void
on_bind (GtkSignalListItemFactory *factory, GtkListItem *list_item, gpointer data)
{
  BunshinOs *os = gtk_list_item_get_item (list_item);
  GtkWidget *box = gtk_list_item_get_child (list_item);
  GtkWidget *emblem = gtk_widget_get_first_child (box), *label = gtk_widget_get_next_sibling (emblem);
  gboolean is_heading = bunshin_os_is_heading (os);

  gtk_list_item_set_selectable (list_item, !is_heading);
  gtk_list_item_set_activatable (list_item, !is_heading);
  gtk_widget_set_visible (emblem, !is_heading);
  gtk_label_set_label (GTK_LABEL (label), bunshin_os_get_name (os));
  if (is_heading)
    {
      gtk_widget_add_css_class (label, "heading");
      gtk_widget_add_css_class (box, "os-heading");
      return;
    }
  gtk_widget_remove_css_class (label, "heading");
  gtk_widget_remove_css_class (box, "os-heading");
  bunshin_os_emblem_set_os_id (BUNSHIN_OS_EMBLEM (emblem), bunshin_os_get_id (os));
}

/* --- The widget --- */

void
bunshin_os_chooser_set_database (BunshinOsChooser *self, BunshinOsDatabase *database)
{
  g_set_object (&self->database, database);
  if (bunshin_os_database_is_loaded (database))
    refill (self);
  else
    {
      g_signal_connect_object (database, "loaded", G_CALLBACK (refill), self, G_CONNECT_SWAPPED);
      bunshin_os_database_load (database);
    }
}

BunshinOs *
bunshin_os_chooser_get_selected (BunshinOsChooser *self)
{
  return self->database != NULL ? bunshin_os_database_find (self->database, self->selected_id) : NULL;
}

void
bunshin_os_chooser_select (BunshinOsChooser *self, const char *id)
{
  char *copy = g_strdup (id);

  g_free (self->selected_id);
  self->selected_id = copy;
  if (id != NULL && find_position (self, id) == GTK_INVALID_LIST_POSITION
      && gtk_editable_get_text (GTK_EDITABLE (self->search_entry))[0] != '\0')
    {
      gtk_editable_set_text (GTK_EDITABLE (self->search_entry), "");
      refill (self);
    }
  show_selected (self);
}

void
bunshin_os_chooser_focus_search (BunshinOsChooser *self)
{
  gtk_widget_grab_focus (GTK_WIDGET (self->search_entry));
}

static void
bunshin_os_chooser_dispose (GObject *object)
{
  BunshinOsChooser *self = BUNSHIN_OS_CHOOSER (object);

  if (self->selection != NULL)
    g_signal_handlers_disconnect_by_data (self->selection, self);
  g_clear_object (&self->selection);
  g_clear_object (&self->store);
  g_clear_object (&self->database);
  g_clear_pointer (&self->selected_id, g_free);
  G_OBJECT_CLASS (bunshin_os_chooser_parent_class)->dispose (object);
}

static void
bunshin_os_chooser_class_init (BunshinOsChooserClass *klass)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);

  G_OBJECT_CLASS (klass)->dispose = bunshin_os_chooser_dispose;
  signals[CHOSEN] = g_signal_new ("chosen", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                                  G_TYPE_NONE, 0);
  signals[ACTIVATED] = g_signal_new ("activated", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                                     G_TYPE_NONE, 0);
  gtk_widget_class_set_template_from_resource (widget_class, "/org/bunshin/Bunshin/os-chooser.ui");
  gtk_widget_class_bind_template_child (widget_class, BunshinOsChooser, search_entry);
  gtk_widget_class_bind_template_child (widget_class, BunshinOsChooser, stack);
  gtk_widget_class_bind_template_child (widget_class, BunshinOsChooser, view);
  gtk_widget_class_bind_template_callback (widget_class, on_search_changed);
  gtk_widget_class_bind_template_callback (widget_class, on_search_activate);
  gtk_widget_class_bind_template_callback (widget_class, on_activate);
}

static void
bunshin_os_chooser_init (BunshinOsChooser *self)
{
  g_autoptr (GtkListItemFactory) factory = gtk_signal_list_item_factory_new ();

  gtk_widget_init_template (GTK_WIDGET (self));
  self->store = g_list_store_new (BUNSHIN_TYPE_OS);
  self->selection = gtk_single_selection_new (g_object_ref (G_LIST_MODEL (self->store)));
  gtk_single_selection_set_autoselect (self->selection, FALSE);
  gtk_single_selection_set_can_unselect (self->selection, TRUE);
  g_signal_connect_swapped (self->selection, "notify::selected-item", G_CALLBACK (on_selected_changed), self);
  g_signal_connect (factory, "setup", G_CALLBACK (on_setup), NULL);
  g_signal_connect (factory, "bind", G_CALLBACK (on_bind), NULL);
  gtk_list_view_set_factory (self->view, factory);
  gtk_list_view_set_model (self->view, GTK_SELECTION_MODEL (self->selection));
}
