/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The window of changes: choosing states, comparing them, and the list. */

#include "ui/changes-window-private.h"

#include "ui/accessible.h"
#include "ui/changes-row.h"
#include "ui/snapshot-item.h"
#include "ui/snapshot-text.h"

#include <glib/gi18n.h>

enum
{
  TICK_MS = 100
};
enum
{
  PROP_0,
  PROP_ORDER,
  N_PROPS
};

static GParamSpec *properties[N_PROPS];

G_DEFINE_FINAL_TYPE (BunshinChangesWindow, bunshin_changes_window, ADW_TYPE_WINDOW)

/* What a thread works on, and for whom. */
typedef struct
{
  GWeakRef window;
  GCancellable *cancellable;
  ChangesData *data;
  ChangesQuery query;
  char *search;
} Work;

static Work *
work_new (BunshinChangesWindow *self, GCancellable *cancellable)
{
  Work *work = g_new0 (Work, 1);

  g_weak_ref_init (&work->window, self);
  work->cancellable = g_object_ref (cancellable);
  work->data = changes_data_ref (self->data);
  return work;
}

static void
work_free (gpointer data)
{
  Work *work = data;

  g_weak_ref_clear (&work->window);
  g_object_unref (work->cancellable);
  changes_data_unref (work->data);
  g_free (work->search);
  g_free (work);
}

ChangesSource
changes_window_source (const BunshinChangesWindow *self)
{
  return (ChangesSource) { .program = self->program, .home = self->home, .machine = self->machine };
}

static void
stop (GCancellable **cancellable)
{
  if (*cancellable != NULL)
    g_cancellable_cancel (*cancellable);
  g_clear_object (cancellable);
}

/* --- The rows --- */

static void
update_summary (BunshinChangesWindow *self)
{
  guint shown = g_list_model_get_n_items (G_LIST_MODEL (self->list)), all = changes_data_get_count (self->data);
  g_autofree char *text = NULL;

  if (shown == all)
    text = g_strdup_printf (ngettext ("%'u change", "%'u changes", all), all);
  else
    /* Translators: how many changes are shown, and how many there are. */
    text = g_strdup_printf (ngettext ("%'u of %'u change", "%'u of %'u changes", all), shown, all);
  gtk_label_set_label (self->summary_label, text);
  gtk_stack_set_visible_child_name (self->list_stack, shown > 0 ? "rows" : "none");
}

static void
choose_thread (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  Work *work = data;
  GArray *rows = changes_data_select (work->data, &work->query, cancellable);

  g_task_return_pointer (task, rows, (GDestroyNotify) g_array_unref);
}

/* What was selected is again, where it is still there. */
static void
set_rows (BunshinChangesWindow *self, ChangesData *data, GArray *rows)
{
  BunshinChange *change = gtk_single_selection_get_selected_item (self->selection);
  const ChangesRow *selected = change != NULL ? bunshin_change_get_row (change) : NULL;

  bunshin_changes_list_set (self->list, data, rows);
  if (selected != NULL)
    gtk_single_selection_set_selected (self->selection, bunshin_changes_list_find (self->list, selected));
}

static void
on_chosen (GObject *source, GAsyncResult *result, gpointer data)
{
  Work *work = g_task_get_task_data (G_TASK (result));
  g_autoptr (BunshinChangesWindow) self = g_weak_ref_get (&work->window);
  GArray *rows = g_task_propagate_pointer (G_TASK (result), NULL);

  if (rows == NULL || self == NULL || self->choosing != work->cancellable)
    {
      g_clear_pointer (&rows, g_array_unref);
      return;
    }
  g_clear_object (&self->choosing);
  set_rows (self, changes_data_ref (work->data), rows);
  update_summary (self);
  gtk_stack_set_visible_child_name (self->stack, "list");
}

/* Looks again what is to be shown, and how. */
static void
on_query_changed (BunshinChangesWindow *self)
{
  const char *search = gtk_editable_get_text (self->search_entry);
  g_autoptr (GTask) task = NULL;
  Work *work;

  if (self->data == NULL || self->comparing != NULL)
    return;
  stop (&self->choosing);
  self->choosing = g_cancellable_new ();
  work = work_new (self, self->choosing);
  work->search = search[0] != '\0' ? g_strdup (search) : NULL;
  work->query.search = work->search;
  for (guint kind = 0; kind < CHANGES_KINDS; kind++)
    if (gtk_toggle_button_get_active (self->kind_toggles[kind]))
      work->query.kinds |= 1u << kind;
  work->query.order = g_str_equal (self->order, "size")   ? CHANGES_BY_SIZE
                      : g_str_equal (self->order, "time") ? CHANGES_BY_TIME
                                                          : CHANGES_BY_PATH;
  task = g_task_new (NULL, self->choosing, on_chosen, NULL);
  g_task_set_task_data (task, work, work_free);
  g_task_run_in_thread (task, choose_thread);
}

/* --- Comparing --- */

static gboolean
on_tick (gpointer data)
{
  BunshinChangesWindow *self = data;
  double progress = changes_data_get_progress (self->data);

  gtk_widget_set_opacity (GTK_WIDGET (self->progress), progress >= 0 ? 1 : 0);
  gtk_progress_bar_set_fraction (self->progress, CLAMP (progress, 0, 1));
  return G_SOURCE_CONTINUE;
}

static void
show_notes (BunshinChangesWindow *self)
{
  const GPtrArray *notes = changes_data_get_notes (self->data);
  g_autofree char *heading = g_strdup_printf (
      ngettext ("%u thing could not be looked at", "%u things could not be looked at", notes->len), notes->len);
  g_autoptr (GString) text = g_string_new (NULL);

  for (guint i = 0; i < notes->len; i++)
    g_string_append_printf (text, "%s%s", i > 0 ? "\n" : "", (const char *) notes->pdata[i]);
  gtk_expander_set_label (self->notes_expander, heading);
  gtk_label_set_label (self->notes_label, text->str);
  gtk_widget_set_visible (GTK_WIDGET (self->notes_expander), notes->len > 0);
}

static void
show_kinds (BunshinChangesWindow *self)
{
  static const char *const labels[CHANGES_KINDS]
      = { N_("Added: %'u"), N_("Removed: %'u"), N_("Changed: %'u"), N_("Attributes: %'u") };

  for (guint kind = 0; kind < CHANGES_KINDS; kind++)
    {
      guint count = changes_data_count_kind (self->data, kind);
      g_autofree char *text = NULL;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
      text = g_strdup_printf (_ (labels[kind]), count);
#pragma GCC diagnostic pop
      gtk_button_set_label (GTK_BUTTON (self->kind_toggles[kind]), text);
      gtk_widget_set_sensitive (GTK_WIDGET (self->kind_toggles[kind]), count > 0);
    }
}

static void
set_busy (BunshinChangesWindow *self, gboolean busy)
{
  gtk_spinner_set_spinning (self->spinner, busy);
  gtk_widget_action_set_enabled (GTK_WIDGET (self), "changes.cancel", busy);
  g_clear_handle_id (&self->tick, g_source_remove);
  if (busy)
    {
      on_tick (self);
      self->tick = g_timeout_add (TICK_MS, on_tick, self);
    }
}

static void
set_has_list (BunshinChangesWindow *self, gboolean has_list)
{
  gtk_widget_set_sensitive (self->search_toggle, has_list);
  gtk_widget_set_sensitive (self->order_button, has_list);
  gtk_search_bar_set_key_capture_widget (self->search_bar, has_list ? GTK_WIDGET (self) : NULL);
}

static void
on_compared (GObject *source, GAsyncResult *result, gpointer data)
{
  Work *work = data;
  g_autoptr (BunshinChangesWindow) self = g_weak_ref_get (&work->window);
  g_autoptr (GError) error = NULL;
  gboolean worked = changes_run_finish (result, &error);

  if (self != NULL && self->comparing == work->cancellable)
    {
      g_clear_object (&self->comparing);
      set_busy (self, FALSE);
      if (!worked)
        {
          g_autofree char *escaped = g_markup_escape_text (error->message, -1);

          adw_status_page_set_description (self->failure_page, escaped);
          gtk_stack_set_visible_child_name (self->stack, "failed");
        }
      else
        {
          show_notes (self);
          show_kinds (self);
          set_has_list (self, changes_data_get_count (self->data) > 0);
          if (changes_data_get_count (self->data) > 0)
            on_query_changed (self);
          else
            gtk_stack_set_visible_child_name (self->stack, "same");
        }
    }
  work_free (work);
}

static const ChangesMoment *
chosen_moment (BunshinChangesWindow *self, GtkDropDown *drop)
{
  guint index = gtk_drop_down_get_selected (drop);

  if (index == GTK_INVALID_LIST_POSITION)
    return NULL;
  return self->moments->pdata[drop == self->from_drop ? index + 1 : index];
}

static void
compare (BunshinChangesWindow *self)
{
  const ChangesMoment *from = chosen_moment (self, self->from_drop), *to = chosen_moment (self, self->to_drop);
  ChangesSource source = changes_window_source (self);

  if (from == NULL || to == NULL)
    return;
  stop (&self->comparing);
  stop (&self->choosing);
  set_rows (self, NULL, NULL);
  g_clear_pointer (&self->data, changes_data_unref);
  self->data = changes_data_new ();
  self->comparing = g_cancellable_new ();
  g_free (self->from);
  self->from = g_strdup (from->uuid);
  g_free (self->to);
  self->to = g_strdup (to->uuid);
  gtk_widget_set_visible (GTK_WIDGET (self->notes_expander), FALSE);
  set_has_list (self, FALSE);
  set_busy (self, TRUE);
  gtk_stack_set_visible_child_name (self->stack, "working");
  changes_run_async (&source, self->from, self->to, self->data, self->comparing, on_compared,
                     work_new (self, self->comparing));
}

/* What takes the focus lies within. */
static void
name_drop (BunshinChangesWindow *self, GtkDropDown *drop)
{
  const ChangesMoment *moment = chosen_moment (self, drop);
  g_autofree char *name
      = g_strdup_printf ("%s: %s", gtk_widget_get_tooltip_text (GTK_WIDGET (drop)), moment != NULL ? moment->name : "");

  gtk_accessible_update_property (GTK_ACCESSIBLE (gtk_widget_get_first_child (GTK_WIDGET (drop))),
                                  GTK_ACCESSIBLE_PROPERTY_LABEL, name, -1);
}

static void
on_moment_chosen (BunshinChangesWindow *self)
{
  name_drop (self, self->from_drop);
  name_drop (self, self->to_drop);
  if (self->is_ready)
    compare (self);
}

static void
on_compare (GtkWidget *widget, const char *action, GVariant *parameter)
{
  compare (BUNSHIN_CHANGES_WINDOW (widget));
}

static void
on_cancel (GtkWidget *widget, const char *action, GVariant *parameter)
{
  BunshinChangesWindow *self = BUNSHIN_CHANGES_WINDOW (widget);

  stop (&self->comparing);
  set_busy (self, FALSE);
  gtk_stack_set_visible_child_name (self->stack, "waiting");
}

/* --- The file --- */

static void
on_copy (GtkWidget *widget, const char *action, GVariant *parameter)
{
  changes_window_ask_copy (BUNSHIN_CHANGES_WINDOW (widget), g_str_equal (action, "changes.copy-earlier"));
}

static void
on_stop_copy (GtkWidget *widget, const char *action, GVariant *parameter)
{
  BunshinChangesWindow *self = BUNSHIN_CHANGES_WINDOW (widget);

  stop (&self->copying);
  changes_window_update_copy (self);
}

/* Enter and two clicks. */
static void
on_activated (BunshinChangesWindow *self, guint position)
{
  gtk_single_selection_set_selected (self->selection, position);
  changes_window_ask_copy (self, FALSE);
}

/* --- Making and ending --- */

static void
on_setup (GtkSignalListItemFactory *factory, GtkListItem *item)
{
  gtk_list_item_set_child (item, bunshin_changes_row_new ());
}

static void
on_bind (GtkSignalListItemFactory *factory, GtkListItem *item)
{
  bunshin_changes_row_set_change (BUNSHIN_CHANGES_ROW (gtk_list_item_get_child (item)), gtk_list_item_get_item (item));
}

static void
on_setup_moment (GtkSignalListItemFactory *factory, GtkListItem *item)
{
  GtkWidget *label = gtk_label_new (NULL);

  gtk_label_set_xalign (GTK_LABEL (label), 0);
  gtk_label_set_ellipsize (GTK_LABEL (label), PANGO_ELLIPSIZE_END);
  gtk_list_item_set_child (item, label);
}

static void
on_bind_moment (GtkSignalListItemFactory *factory, GtkListItem *item)
{
  gtk_label_set_label (GTK_LABEL (gtk_list_item_get_child (item)),
                       gtk_string_object_get_string (gtk_list_item_get_item (item)));
}

static void
moment_free (gpointer data)
{
  ChangesMoment *moment = data;

  g_free (moment->uuid);
  g_free (moment->name);
  g_free (moment);
}

static gboolean
is_name_taken (GListModel *snapshots, guint index, const char *name)
{
  for (guint i = 0; i < g_list_model_get_n_items (snapshots); i++)
    {
      g_autoptr (BunshinSnapshotItem) item = g_list_model_get_item (snapshots, i);

      if (i != index && g_str_equal (bunshin_snapshot_item_get_name (item), name))
        return TRUE;
    }
  return FALSE;
}

static void
add_moment (BunshinChangesWindow *self, const char *uuid, const char *name)
{
  ChangesMoment *moment = g_new0 (ChangesMoment, 1);

  moment->uuid = g_strdup (uuid);
  moment->name = g_strdup (name);
  g_ptr_array_add (self->moments, moment);
}

static void
add_moments (BunshinChangesWindow *self, GListModel *snapshots)
{
  add_moment (self, NULL, _("Current State"));
  for (guint i = 0; i < g_list_model_get_n_items (snapshots); i++)
    {
      g_autoptr (BunshinSnapshotItem) item = g_list_model_get_item (snapshots, i);
      const Snapshot *snapshot = bunshin_snapshot_item_get_snapshot (item);
      g_autofree char *time = NULL, *name = NULL;

      if (snapshot == NULL)
        continue;
      if (is_name_taken (snapshots, i, snapshot->name))
        {
          time = snapshot_text_time (snapshot->created);
          name = g_strdup_printf (_("%s · %s"), snapshot->name, time);
        }
      add_moment (self, snapshot->uuid, name != NULL ? name : snapshot->name);
    }
}

static void
fill_drop (BunshinChangesWindow *self, GtkDropDown *drop, const char *selected)
{
  g_autoptr (GtkStringList) names = gtk_string_list_new (NULL);
  GtkListItemFactory *factory = gtk_signal_list_item_factory_new ();
  guint first = drop == self->from_drop ? 1 : 0, index = 0;

  for (guint i = first; i < self->moments->len; i++)
    {
      const ChangesMoment *moment = self->moments->pdata[i];

      gtk_string_list_append (names, moment->name);
      if (g_strcmp0 (moment->uuid, selected) == 0)
        index = i - first;
    }
  g_signal_connect (factory, "setup", G_CALLBACK (on_setup_moment), NULL);
  g_signal_connect (factory, "bind", G_CALLBACK (on_bind_moment), NULL);
  gtk_drop_down_set_factory (drop, factory);
  g_object_unref (factory);
  gtk_drop_down_set_model (drop, G_LIST_MODEL (names));
  gtk_drop_down_set_selected (drop, index);
}

static void
bunshin_changes_window_get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  g_value_set_string (value, BUNSHIN_CHANGES_WINDOW (object)->order);
}

static void
bunshin_changes_window_set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  BunshinChangesWindow *self = BUNSHIN_CHANGES_WINDOW (object);

  g_free (self->order);
  self->order = g_value_dup_string (value);
  on_query_changed (self);
}

static void
bunshin_changes_window_dispose (GObject *object)
{
  BunshinChangesWindow *self = BUNSHIN_CHANGES_WINDOW (object);

  stop (&self->comparing);
  stop (&self->choosing);
  stop (&self->copying);
  g_clear_handle_id (&self->tick, g_source_remove);
  if (self->selection != NULL)
    g_signal_handlers_disconnect_by_data (self->selection, self);
  g_clear_object (&self->selection);
  g_clear_object (&self->list);
  G_OBJECT_CLASS (bunshin_changes_window_parent_class)->dispose (object);
}

static void
bunshin_changes_window_finalize (GObject *object)
{
  BunshinChangesWindow *self = BUNSHIN_CHANGES_WINDOW (object);

  g_clear_pointer (&self->data, changes_data_unref);
  g_ptr_array_unref (self->moments);
  g_free (self->program);
  g_free (self->home);
  g_free (self->machine);
  g_free (self->from);
  g_free (self->to);
  g_free (self->order);
  G_OBJECT_CLASS (bunshin_changes_window_parent_class)->finalize (object);
}

static void
install_actions (GtkWidgetClass *widget_class)
{
  gtk_widget_class_install_action (widget_class, "changes.compare", NULL, on_compare);
  gtk_widget_class_install_action (widget_class, "changes.cancel", NULL, on_cancel);
  gtk_widget_class_install_action (widget_class, "changes.copy", NULL, on_copy);
  gtk_widget_class_install_action (widget_class, "changes.copy-earlier", NULL, on_copy);
  gtk_widget_class_install_action (widget_class, "changes.stop-copy", NULL, on_stop_copy);
  gtk_widget_class_install_property_action (widget_class, "changes.order", "order");
  gtk_widget_class_add_binding_action (widget_class, GDK_KEY_w, GDK_CONTROL_MASK, "window.close", NULL);
  gtk_widget_class_add_binding_action (widget_class, GDK_KEY_s, GDK_CONTROL_MASK, "changes.copy", NULL);
}

static void
bunshin_changes_window_class_init (BunshinChangesWindowClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);

  object_class->dispose = bunshin_changes_window_dispose;
  object_class->finalize = bunshin_changes_window_finalize;
  object_class->get_property = bunshin_changes_window_get_property;
  object_class->set_property = bunshin_changes_window_set_property;
  /* "path", "size" or "time". */
  properties[PROP_ORDER]
      = g_param_spec_string ("order", NULL, NULL, "path", G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS);
  g_object_class_install_properties (object_class, N_PROPS, properties);
  install_actions (widget_class);
  gtk_widget_class_set_template_from_resource (widget_class, "/org/bunshin/Bunshin/changes-window.ui");
#define BIND(name) gtk_widget_class_bind_template_child (widget_class, BunshinChangesWindow, name)
  BIND (toasts);
  BIND (title);
  BIND (search_toggle);
  BIND (order_button);
  BIND (copy_button);
  BIND (stop_copy_button);
  BIND (search_bar);
  BIND (search_entry);
  BIND (from_drop);
  BIND (to_drop);
  BIND (notes_expander);
  BIND (notes_label);
  BIND (summary_label);
  BIND (stack);
  BIND (list_stack);
  BIND (spinner);
  BIND (copy_spinner);
  BIND (progress);
  BIND (failure_page);
  BIND (kinds);
  BIND (list_view);
#undef BIND
  gtk_widget_class_bind_template_callback (widget_class, on_query_changed);
  gtk_widget_class_bind_template_callback (widget_class, on_moment_chosen);
  gtk_widget_class_bind_template_callback (widget_class, on_activated);
}

/* Two pairs: four in a line, or two and two. */
static void
add_toggles (BunshinChangesWindow *self)
{
  GtkWidget *pair = NULL;

  for (guint kind = 0; kind < CHANGES_KINDS; kind++)
    {
      GtkWidget *toggle = gtk_toggle_button_new ();

      self->kind_toggles[kind] = GTK_TOGGLE_BUTTON (toggle);
      gtk_toggle_button_set_active (self->kind_toggles[kind], TRUE);
      g_signal_connect_swapped (toggle, "toggled", G_CALLBACK (on_query_changed), self);
      if (kind % 2 == 0)
        {
          pair = gtk_box_new (GTK_ORIENTATION_HORIZONTAL, 6);
          gtk_box_set_homogeneous (GTK_BOX (pair), TRUE);
          gtk_flow_box_append (self->kinds, pair);
          /* The buttons are where the keyboard goes. */
          gtk_widget_set_focusable (gtk_widget_get_parent (pair), FALSE);
        }
      gtk_box_append (GTK_BOX (pair), toggle);
    }
}

static void
bunshin_changes_window_init (BunshinChangesWindow *self)
{
  GtkListItemFactory *factory = gtk_signal_list_item_factory_new ();

  self->order = g_strdup ("path");
  self->moments = g_ptr_array_new_with_free_func (moment_free);
  self->list = bunshin_changes_list_new ();
  self->selection = gtk_single_selection_new (g_object_ref (G_LIST_MODEL (self->list)));
  gtk_widget_init_template (GTK_WIDGET (self));
  accessible_use_tooltips (GTK_WIDGET (self));
  add_toggles (self);
  gtk_single_selection_set_autoselect (self->selection, FALSE);
  gtk_single_selection_set_can_unselect (self->selection, TRUE);
  g_signal_connect_swapped (self->selection, "notify::selected-item", G_CALLBACK (changes_window_update_copy), self);
  g_signal_connect (factory, "setup", G_CALLBACK (on_setup), NULL);
  g_signal_connect (factory, "bind", G_CALLBACK (on_bind), NULL);
  gtk_list_view_set_factory (self->list_view, factory);
  g_object_unref (factory);
  gtk_list_view_set_model (self->list_view, GTK_SELECTION_MODEL (self->selection));
  gtk_search_bar_connect_entry (self->search_bar, self->search_entry);
  set_busy (self, FALSE);
  set_has_list (self, FALSE);
  changes_window_update_copy (self);
}

BunshinChangesWindow *
bunshin_changes_window_new (GtkWindow *parent, const ChangesRequest *request)
{
  BunshinChangesWindow *self = g_object_new (BUNSHIN_TYPE_CHANGES_WINDOW, "transient-for", parent, NULL);

  self->program = g_strdup (request->source.program);
  self->home = g_strdup (request->source.home);
  self->machine = g_strdup (request->source.machine);
  adw_window_title_set_subtitle (self->title, request->name);
  add_moments (self, request->snapshots);
  fill_drop (self, self->from_drop, request->from);
  fill_drop (self, self->to_drop, request->to);
  on_moment_chosen (self);
  if (request->waits)
    gtk_widget_grab_focus (GTK_WIDGET (self->to_drop));
  else
    compare (self);
  self->is_ready = TRUE;
  return self;
}
