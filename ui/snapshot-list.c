/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A machine's timeline as a list model; see the header. */

#include "ui/snapshot-list.h"

#include "ui/snapshot-change.h"
#include "ui/state-text.h"
#include "ui/thumbnail.h"

enum { THUMBNAIL_WIDTH = 2 * 96, THUMBNAIL_HEIGHT = 2 * 60 }; /* sharp on dense screens, too */

struct _BunshinSnapshotList
{
  GObject parent_instance;

  Library *library; /* borrowed */
  BunshinMachineItem *machine;
  GListStore *store;
  gboolean is_active, is_loading, is_outdated, is_loaded, has_changes, knows_changes, in_drive;
  guint64 size;
};

enum { LOADED, FAILED, N_SIGNALS };

static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (BunshinSnapshotList, bunshin_snapshot_list, G_TYPE_OBJECT)

/* What a thread is told, and what it brings back: first the tree, then what takes longer to find out. */
typedef struct
{
  char *home;
  LibraryMachine *machine;
  gboolean is_off;

  GPtrArray *snapshots;   /* those read, then those that have no thumbnail yet, and the current one */
  GHashTable *thumbnails; /* uuid → GdkTexture */
  gboolean has_changes, in_drive;
} Load;

static void
load_free (gpointer data)
{
  Load *load = data;

  g_free (load->home);
  library_machine_free (load->machine);
  g_hash_table_unref (load->thumbnails);
  g_clear_pointer (&load->snapshots, g_ptr_array_unref);
  g_free (load);
}

static Load *
load_new (BunshinSnapshotList *self)
{
  Load *load = g_new0 (Load, 1);

  load->home = g_strdup (library_home (self->library));
  load->machine = library_machine_copy (bunshin_machine_item_get_record (self->machine));
  load->is_off = state_can_start (bunshin_machine_item_get_state (self->machine));
  load->thumbnails = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_object_unref);
  return load;
}

static void
load_thread (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  Load *load = data;
  GError *error = NULL;
  g_autoptr (Library) library = library_open (load->home, &error);

  if (library != NULL)
    load->snapshots = snapshot_list (library, load->machine, FALSE, &error);
  if (load->snapshots == NULL)
    {
      g_task_return_error (task, error);
      return;
    }
  load->in_drive = snapshot_in_drive (library, load->machine->uuid);
  g_task_return_boolean (task, TRUE);
}

static void
load_thumbnail (Load *load, const Snapshot *snapshot)
{
  g_autoptr (GdkTexture) picture = NULL;

  if (snapshot->thumbnail_path == NULL)
    return;
  /* One that is missing or damaged is no reason not to show the snapshot. */
  picture = gdk_texture_new_from_filename (snapshot->thumbnail_path, NULL);
  if (picture != NULL)
    g_hash_table_insert (load->thumbnails, g_strdup (snapshot->uuid),
                         thumbnail_new (picture, THUMBNAIL_WIDTH, THUMBNAIL_HEIGHT));
}

static void
look_thread (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  Load *load = data;

  load->has_changes = TRUE;
  for (guint i = 0; i < load->snapshots->len; i++)
    {
      const Snapshot *snapshot = load->snapshots->pdata[i];

      load_thumbnail (load, snapshot);
      if (snapshot->is_current && load->is_off)
        load->has_changes = snapshot_change_exists (load->machine, snapshot);
    }
  g_task_return_boolean (task, TRUE);
}

GListModel *
bunshin_snapshot_list_get_model (BunshinSnapshotList *self)
{
  return G_LIST_MODEL (self->store);
}

BunshinSnapshotItem *
bunshin_snapshot_list_find (BunshinSnapshotList *self, const char *uuid)
{
  GListModel *model = G_LIST_MODEL (self->store);

  for (guint i = 0; i < g_list_model_get_n_items (model); i++)
    {
      g_autoptr (BunshinSnapshotItem) item = g_list_model_get_item (model, i);

      if (g_strcmp0 (bunshin_snapshot_item_get_uuid (item), uuid) == 0)
        return item; /* the store keeps it */
    }
  return NULL;
}

BunshinSnapshotItem *
bunshin_snapshot_list_get_current (BunshinSnapshotList *self)
{
  GListModel *model = G_LIST_MODEL (self->store);

  for (guint i = 0; i < g_list_model_get_n_items (model); i++)
    {
      g_autoptr (BunshinSnapshotItem) item = g_list_model_get_item (model, i);
      const Snapshot *snapshot = bunshin_snapshot_item_get_snapshot (item);

      if (snapshot != NULL && snapshot->is_current)
        return item;
    }
  return NULL;
}

char **
bunshin_snapshot_list_get_names (BunshinSnapshotList *self)
{
  GListModel *model = G_LIST_MODEL (self->store);
  g_autoptr (GStrvBuilder) names = g_strv_builder_new ();

  for (guint i = 0; i < g_list_model_get_n_items (model); i++)
    {
      g_autoptr (BunshinSnapshotItem) item = g_list_model_get_item (model, i);

      if (!bunshin_snapshot_item_is_present (item))
        g_strv_builder_add (names, bunshin_snapshot_item_get_name (item));
    }
  return g_strv_builder_end (names);
}

gboolean
bunshin_snapshot_list_is_loaded (BunshinSnapshotList *self)
{
  return self->is_loaded;
}

guint
bunshin_snapshot_list_get_count (BunshinSnapshotList *self)
{
  guint n_items = g_list_model_get_n_items (G_LIST_MODEL (self->store));

  return n_items > 0 ? n_items - 1 : 0;
}

guint64
bunshin_snapshot_list_get_size (BunshinSnapshotList *self)
{
  return self->size;
}

gboolean
bunshin_snapshot_list_has_changes (BunshinSnapshotList *self, gboolean *is_known)
{
  if (is_known != NULL)
    *is_known = self->knows_changes;
  return self->has_changes || !self->knows_changes;
}

gboolean
bunshin_snapshot_list_in_drive (BunshinSnapshotList *self)
{
  return self->in_drive;
}

/* Only what is new or moved is replaced: the rows of the others stay, with their selection and focus. */
static void
replace_items (BunshinSnapshotList *self, GPtrArray *items)
{
  GListModel *model = G_LIST_MODEL (self->store);
  guint old_count = g_list_model_get_n_items (model), common = MIN (old_count, items->len), head = 0, tail = 0;

  for (; head < common; head++)
    {
      g_autoptr (GObject) item = g_list_model_get_item (model, head);

      if (item != items->pdata[head])
        break;
    }
  for (; tail < common - head; tail++)
    {
      g_autoptr (GObject) item = g_list_model_get_item (model, old_count - tail - 1);

      if (item != items->pdata[items->len - tail - 1])
        break;
    }
  if (head < old_count || head < items->len)
    g_list_store_splice (self->store, head, old_count - head - tail, items->pdata + head, items->len - head - tail);
}

static void
show (BunshinSnapshotList *self, Load *load)
{
  g_autoptr (GArray) places = snapshot_tree_arrange (load->snapshots);
  g_autoptr (GPtrArray) items = g_ptr_array_new_with_free_func (g_object_unref);

  /* The items take them over. */
  g_ptr_array_set_free_func (load->snapshots, NULL);
  g_ptr_array_set_size (load->snapshots, 0);
  self->size = 0;
  for (guint i = 0; i < places->len; i++)
    {
      const SnapshotPlace *place = &g_array_index (places, SnapshotPlace, i);
      Snapshot *snapshot = (Snapshot *) place->snapshot;
      const char *uuid = snapshot != NULL ? snapshot->uuid : NULL;
      BunshinSnapshotItem *item = bunshin_snapshot_list_find (self, uuid);

      item = item != NULL ? g_object_ref (item) : bunshin_snapshot_item_new (uuid);
      g_ptr_array_add (items, item);
      bunshin_snapshot_item_set (item, snapshot, place);
      bunshin_snapshot_item_set_os_id (item, load->machine->os_id);
      if (snapshot != NULL)
        self->size += snapshot->size;
    }
  self->in_drive = load->in_drive;
  self->is_loaded = TRUE;
  replace_items (self, items);
}

static void start (BunshinSnapshotList *self);

/* Both parts end here. TRUE: it is of the machine that is shown. */
static gboolean
is_wanted (BunshinSnapshotList *self, const Load *load)
{
  return self->machine != NULL && g_str_equal (load->machine->uuid, bunshin_machine_item_get_uuid (self->machine));
}

static void
end (BunshinSnapshotList *self, gboolean was_wanted)
{
  self->is_loading = FALSE;
  /* Something changed meanwhile, if only what machine was chosen. */
  if (self->is_outdated || !was_wanted)
    start (self);
}

static void
on_looked (GObject *source, GAsyncResult *result, gpointer data)
{
  BunshinSnapshotList *self = BUNSHIN_SNAPSHOT_LIST (source);
  const Load *load = g_task_get_task_data (G_TASK (result));
  gboolean wanted = is_wanted (self, load);
  GHashTableIter iter;
  gpointer uuid, thumbnail;

  if (wanted)
    {
      g_hash_table_iter_init (&iter, load->thumbnails);
      while (g_hash_table_iter_next (&iter, &uuid, &thumbnail))
        {
          BunshinSnapshotItem *item = bunshin_snapshot_list_find (self, uuid);

          if (item != NULL)
            bunshin_snapshot_item_set_thumbnail (item, thumbnail);
        }
      self->has_changes = load->has_changes;
      self->knows_changes = TRUE;
      g_signal_emit (self, signals[LOADED], 0);
    }
  end (self, wanted);
}

/* A copy of what the thread needs of a snapshot that belongs to an item. */
static Snapshot *
copy_for_look (const Snapshot *snapshot)
{
  Snapshot *copy = g_new0 (Snapshot, 1);

  copy->uuid = g_strdup (snapshot->uuid);
  copy->state_path = g_strdup (snapshot->state_path);
  copy->thumbnail_path = g_strdup (snapshot->thumbnail_path);
  copy->settings = library_machine_copy (snapshot->settings);
  copy->is_current = snapshot->is_current;
  return copy;
}

static void
look (BunshinSnapshotList *self)
{
  GListModel *model = G_LIST_MODEL (self->store);
  g_autoptr (GTask) task = g_task_new (self, NULL, on_looked, NULL);
  Load *load = load_new (self);

  load->snapshots = g_ptr_array_new_with_free_func ((GDestroyNotify) snapshot_free);
  for (guint i = 0; i < g_list_model_get_n_items (model); i++)
    {
      g_autoptr (BunshinSnapshotItem) item = g_list_model_get_item (model, i);
      const Snapshot *snapshot = bunshin_snapshot_item_get_snapshot (item);

      if (snapshot != NULL && (snapshot->is_current || bunshin_snapshot_item_get_thumbnail (item) == NULL))
        g_ptr_array_add (load->snapshots, copy_for_look (snapshot));
    }
  g_task_set_task_data (task, load, load_free);
  g_task_run_in_thread (task, look_thread);
}

static void
on_loaded (GObject *source, GAsyncResult *result, gpointer data)
{
  BunshinSnapshotList *self = BUNSHIN_SNAPSHOT_LIST (source);
  Load *load = g_task_get_task_data (G_TASK (result));
  g_autoptr (GError) error = NULL;
  gboolean wanted = is_wanted (self, load);

  if (!g_task_propagate_boolean (G_TASK (result), &error))
    {
      /* A machine that was deleted meanwhile leaves the manager's list by itself. */
      if (wanted && !g_error_matches (error, LIBRARY_ERROR, LIBRARY_ERROR_NOT_FOUND))
        g_signal_emit (self, signals[FAILED], 0, error->message);
      end (self, wanted);
    }
  else if (!wanted)
    end (self, FALSE);
  else
    {
      show (self, load);
      g_signal_emit (self, signals[LOADED], 0);
      look (self);
    }
}

static void
start (BunshinSnapshotList *self)
{
  g_autoptr (GTask) task = NULL;

  self->is_outdated = self->machine != NULL && (!self->is_active || self->is_loading);
  if (self->machine == NULL || self->is_outdated)
    return;
  self->is_loading = TRUE;
  task = g_task_new (self, NULL, on_loaded, NULL);
  g_task_set_task_data (task, load_new (self), load_free);
  g_task_run_in_thread (task, load_thread);
}

void
bunshin_snapshot_list_reload (BunshinSnapshotList *self)
{
  start (self);
}

void
bunshin_snapshot_list_set_active (BunshinSnapshotList *self, gboolean active)
{
  self->is_active = active;
  if (active)
    start (self);
}

void
bunshin_snapshot_list_set_machine (BunshinSnapshotList *self, BunshinMachineItem *machine)
{
  if (self->machine == machine)
    return;
  if (self->machine != NULL)
    g_signal_handlers_disconnect_by_data (self->machine, self);
  g_set_object (&self->machine, machine);
  self->is_loaded = self->knows_changes = FALSE;
  self->size = 0;
  g_list_store_remove_all (self->store);
  if (machine == NULL)
    return;
  g_signal_connect_swapped (machine, "record-changed", G_CALLBACK (start), self);
  g_signal_connect_swapped (machine, "notify::state", G_CALLBACK (start), self);
  start (self);
}

static void
bunshin_snapshot_list_dispose (GObject *object)
{
  BunshinSnapshotList *self = BUNSHIN_SNAPSHOT_LIST (object);

  if (self->machine != NULL)
    g_signal_handlers_disconnect_by_data (self->machine, self);
  g_clear_object (&self->machine);
  g_clear_object (&self->store);
  G_OBJECT_CLASS (bunshin_snapshot_list_parent_class)->dispose (object);
}

static void
bunshin_snapshot_list_class_init (BunshinSnapshotListClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = bunshin_snapshot_list_dispose;
  signals[LOADED]
      = g_signal_new ("loaded", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
  signals[FAILED] = g_signal_new ("failed", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                                  G_TYPE_NONE, 1, G_TYPE_STRING);
}

static void
bunshin_snapshot_list_init (BunshinSnapshotList *self)
{
  self->store = g_list_store_new (BUNSHIN_TYPE_SNAPSHOT_ITEM);
}

BunshinSnapshotList *
bunshin_snapshot_list_new (Library *library)
{
  BunshinSnapshotList *self = g_object_new (BUNSHIN_TYPE_SNAPSHOT_LIST, NULL);

  self->library = library;
  return self;
}
