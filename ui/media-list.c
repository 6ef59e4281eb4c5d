/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The library's media as a list model; see the header. */

#include "ui/media-list.h"

#include "ui/state-text.h"

#include <stdlib.h>
#include <string.h>

enum
{
  DEPTH_MAX = 256 /* as many images as can be based on one another */
};

struct _BunshinMediaList
{
  GObject parent_instance;

  Library *library; /* borrowed */
  BunshinMachineList *machines;
  GHashTable *items; /* path → BunshinMediumItem */
  GListStore *store;
  gboolean active;
  gboolean scanning; /* a thread looks at the files */
  gboolean again;    /* … and is to do it once more */
};

enum { FAILED, N_SIGNALS };

static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (BunshinMediaList, bunshin_media_list, G_TYPE_OBJECT)

BunshinMediumItem *
bunshin_media_list_find (BunshinMediaList *self, const char *path)
{
  return g_hash_table_lookup (self->items, path);
}

/* --- Order --- */

static BunshinMediumItem *
find_base (BunshinMediaList *self, BunshinMediumItem *item)
{
  const MediumInfo *info = bunshin_medium_item_get_info (item);

  return info != NULL && info->base != NULL ? bunshin_media_list_find (self, info->base) : NULL;
}

static gboolean
is_used_by_running (BunshinMediaList *self, BunshinMediumItem *item)
{
  const GPtrArray *users = bunshin_medium_item_get_medium (item)->users;

  for (guint i = 0; i < users->len; i++)
    {
      BunshinMachineItem *machine
          = bunshin_machine_list_find (self->machines, ((const LibraryMediumUser *) users->pdata[i])->uuid);

      if (machine != NULL && !state_is_off (bunshin_machine_item_get_state (machine)))
        return TRUE;
    }
  return FALSE;
}

/* Whether snapshots of a machine that has it lie over it. */
static gboolean
has_layers (BunshinMediaList *self, BunshinMediumItem *item)
{
  const GPtrArray *users = bunshin_medium_item_get_medium (item)->users;
  const char *path = bunshin_medium_item_get_path (item);

  for (guint i = 0; i < users->len; i++)
    {
      BunshinMachineItem *machine
          = bunshin_machine_list_find (self->machines, ((const LibraryMediumUser *) users->pdata[i])->uuid);
      const LibraryMachine *record = machine != NULL ? bunshin_machine_item_get_record (machine) : NULL;

      for (guint j = 0; record != NULL && j < record->attachments->len; j++)
        {
          const LibraryAttachment *drive = record->attachments->pdata[j];

          if (drive->chain != NULL && g_strv_contains ((const char *const *) drive->chain, path))
            return TRUE;
        }
    }
  return FALSE;
}

static int
compare_items (gconstpointer a, gconstpointer b)
{
  BunshinMediumItem *x = *(BunshinMediumItem *const *) a, *y = *(BunshinMediumItem *const *) b;
  int kinds = (int) bunshin_medium_item_get_medium (x)->kind - (int) bunshin_medium_item_get_medium (y)->kind;
  g_autofree char *key_x = g_utf8_collate_key_for_filename (bunshin_medium_item_get_name (x), -1);
  g_autofree char *key_y = g_utf8_collate_key_for_filename (bunshin_medium_item_get_name (y), -1);
  int names = strcmp (key_x, key_y);

  if (kinds != 0 || names != 0)
    return kinds != 0 ? kinds : names;
  return strcmp (bunshin_medium_item_get_path (x), bunshin_medium_item_get_path (y));
}

/* Those that are not there yet; borrowed. */
static void
add_users (GPtrArray *users, const GPtrArray *more)
{
  for (guint i = 0; i < more->len; i++)
    {
      const LibraryMediumUser *user = more->pdata[i];
      guint at = 0;

      while (at < users->len && !g_str_equal (((const LibraryMediumUser *) users->pdata[at])->uuid, user->uuid))
        at++;
      if (at == users->len)
        g_ptr_array_add (users, more->pdata[i]);
    }
}

/* Appends @item and, beneath it, what is based on it. TRUE when one of them is in use by a running machine. */
static gboolean
append_tree (BunshinMediaList *self, GPtrArray *sorted, BunshinMediumItem *item, guint depth, GPtrArray *ordered)
{
  gboolean running = is_used_by_running (self, item), has_children = FALSE;
  g_autoptr (GPtrArray) users = g_ptr_array_new ();

  add_users (users, bunshin_medium_item_get_medium (item)->users);

  g_ptr_array_add (ordered, item);
  for (guint i = 0; i < sorted->len && depth < DEPTH_MAX; i++)
    if (find_base (self, sorted->pdata[i]) == item)
      {
        has_children = TRUE;
        running |= append_tree (self, sorted, sorted->pdata[i], depth + 1, ordered);
        /* Who has that has what it is based on, too. */
        add_users (users, bunshin_medium_item_get_users (sorted->pdata[i]));
      }
  bunshin_medium_item_set_users (item, users);
  bunshin_medium_item_set_place (item, depth, has_children, has_layers (self, item), running);
  return running;
}

static gboolean
is_shown_so (GListModel *model, GPtrArray *ordered)
{
  if (g_list_model_get_n_items (model) != ordered->len)
    return FALSE;
  for (guint i = 0; i < ordered->len; i++)
    {
      g_autoptr (GObject) item = g_list_model_get_item (model, i);

      if (item != ordered->pdata[i])
        return FALSE;
    }
  return TRUE;
}

static void
arrange (BunshinMediaList *self)
{
  g_autoptr (GPtrArray) sorted = g_ptr_array_new (), ordered = g_ptr_array_new ();
  GHashTableIter iter;
  gpointer item;

  g_hash_table_iter_init (&iter, self->items);
  while (g_hash_table_iter_next (&iter, NULL, &item))
    g_ptr_array_add (sorted, item);
  g_ptr_array_sort (sorted, compare_items);
  for (guint i = 0; i < sorted->len; i++)
    if (find_base (self, sorted->pdata[i]) == NULL)
      append_tree (self, sorted, sorted->pdata[i], 0, ordered);
  /* New rows for what has not moved would take the focus away. */
  if (!is_shown_so (G_LIST_MODEL (self->store), ordered))
    g_list_store_splice (self->store, 0, g_list_model_get_n_items (G_LIST_MODEL (self->store)), ordered->pdata,
                         ordered->len);
}

/* --- Files --- */

typedef struct
{
  char *path;
  gboolean is_trusted;
  MediumInfo *info;
} Look;

static void
look_free (gpointer data)
{
  Look *look = data;

  g_free (look->path);
  g_clear_pointer (&look->info, medium_info_free);
  g_free (look);
}

/* NULL when there is none. */
static Look *
find_look (GPtrArray *looks, const char *path)
{
  for (guint i = 0; i < looks->len; i++)
    if (g_str_equal (((Look *) looks->pdata[i])->path, path))
      return looks->pdata[i];
  return NULL;
}

static Look *
add_look (GPtrArray *looks, const char *path, gboolean is_trusted)
{
  Look *look = g_new0 (Look, 1);

  look->path = g_strdup (path);
  look->is_trusted = is_trusted;
  g_ptr_array_add (looks, look);
  return look;
}

/* The base by the name that the list has for it: an image may name it by another way. */
static void
adopt_base (GPtrArray *looks, MediumInfo *info)
{
  g_autofree char *folder = NULL, *name = NULL;
  char *real;

  /* A disk of Parallels that is a folder. */
  name = g_path_get_basename (info->base);
  if (g_str_equal (name, "DiskDescriptor.xml"))
    {
      folder = g_path_get_dirname (info->base);
      g_free (info->base);
      info->base = g_steal_pointer (&folder);
    }
  if (find_look (looks, info->base) != NULL)
    return;
  real = realpath (info->base, NULL);
  for (guint i = 0; real != NULL && i < looks->len; i++)
    {
      const Look *look = looks->pdata[i];
      char *other = realpath (look->path, NULL);

      if (other != NULL && strcmp (real, other) == 0)
        {
          g_free (info->base);
          info->base = g_strdup (look->path);
        }
      free (other);
      if (find_look (looks, info->base) != NULL)
        break;
    }
  free (real);
}

/* Looks at the file, then at what it is based on, which nobody may have listed. A machine that trusts an image has what
 * that names opened likewise. */
static void
look_at (GPtrArray *looks, Look *look, guint depth)
{
  Look *base;

  g_clear_pointer (&look->info, medium_info_free);
  look->info = medium_info_read (look->path, look->is_trusted);
  if (look->info->base == NULL || depth == 0)
    return;
  adopt_base (looks, look->info);
  base = find_look (looks, look->info->base);
  if (base == NULL)
    base = add_look (looks, look->info->base, look->is_trusted);
  else if (!look->is_trusted || base->is_trusted)
    return;
  base->is_trusted = look->is_trusted;
  look_at (looks, base, depth - 1);
}

static void
scan_thread (GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
  GPtrArray *looks = task_data;

  for (guint i = 0; i < looks->len; i++)
    if (((Look *) looks->pdata[i])->info == NULL)
      look_at (looks, looks->pdata[i], DEPTH_MAX);
  g_task_return_boolean (task, TRUE);
}

static LibraryMedium *
unlisted_medium (const char *path)
{
  LibraryMedium *medium = g_new0 (LibraryMedium, 1);

  medium->path = g_strdup (path);
  medium->kind = LIBRARY_MEDIUM_DISK;
  medium->users = g_ptr_array_new ();
  return medium;
}

static void scan (BunshinMediaList *self);

static void
on_scanned (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (BunshinMediaList) self = data;
  GPtrArray *looks = g_task_get_task_data (G_TASK (result));

  self->scanning = FALSE;
  if (self->machines == NULL)
    return;
  for (guint i = 0; i < looks->len; i++)
    {
      Look *look = looks->pdata[i];
      BunshinMediumItem *item = bunshin_media_list_find (self, look->path);

      if (item == NULL)
        {
          item = bunshin_medium_item_new (unlisted_medium (look->path), FALSE);
          g_hash_table_insert (self->items, g_strdup (look->path), item);
        }
      bunshin_medium_item_set_info (item, g_steal_pointer (&look->info));
    }
  arrange (self);
  if (self->again)
    bunshin_media_list_reload (self);
}

static void
scan (BunshinMediaList *self)
{
  GPtrArray *looks;
  GHashTableIter iter;
  gpointer path, item;

  self->again = self->scanning;
  if (self->scanning)
    return;
  looks = g_ptr_array_new_with_free_func (look_free);
  g_hash_table_iter_init (&iter, self->items);
  while (g_hash_table_iter_next (&iter, &path, &item))
    add_look (looks, path, bunshin_medium_item_get_medium (item)->trusted);

  g_autoptr (GTask) task = g_task_new (NULL, NULL, on_scanned, g_object_ref (self));

  g_task_set_task_data (task, looks, (GDestroyNotify) g_ptr_array_unref);
  self->scanning = TRUE;
  g_task_run_in_thread (task, scan_thread);
}

/* --- The library --- */

static gboolean
is_listed (GPtrArray *media, const char *path)
{
  for (guint i = 0; i < media->len; i++)
    if (g_str_equal (((LibraryMedium *) media->pdata[i])->path, path))
      return TRUE;
  return FALSE;
}

/* What is neither in the library nor the base of something there goes; a base comes again with the next scan. */
static void
drop_others (BunshinMediaList *self, GPtrArray *media)
{
  g_autoptr (GHashTable) bases = g_hash_table_new (g_str_hash, g_str_equal);
  GHashTableIter iter;
  gpointer path, item;

  for (guint i = 0; i < media->len; i++)
    for (BunshinMediumItem *at = bunshin_media_list_find (self, ((LibraryMedium *) media->pdata[i])->path); at != NULL;
         at = find_base (self, at))
      if (!g_hash_table_add (bases, (gpointer) bunshin_medium_item_get_path (at)))
        break;
  g_hash_table_iter_init (&iter, self->items);
  while (g_hash_table_iter_next (&iter, &path, &item))
    if (!is_listed (media, path) && !g_hash_table_contains (bases, path))
      g_hash_table_iter_remove (&iter);
}

void
bunshin_media_list_reload (BunshinMediaList *self)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) media = NULL;
  GHashTableIter iter;
  gpointer path, item;

  if (!self->active)
    return;
  media = library_list_media (self->library, &error);
  if (media == NULL)
    {
      g_signal_emit (self, signals[FAILED], 0, error->message);
      return;
    }
  drop_others (self, media);
  g_hash_table_iter_init (&iter, self->items);
  while (g_hash_table_iter_next (&iter, &path, &item))
    if (!is_listed (media, path))
      bunshin_medium_item_update (item, unlisted_medium (path), FALSE);
  /* The items own them from here on. */
  g_ptr_array_set_free_func (media, NULL);
  for (guint i = 0; i < media->len; i++)
    {
      LibraryMedium *medium = media->pdata[i];

      item = bunshin_media_list_find (self, medium->path);
      if (item != NULL)
        bunshin_medium_item_update (item, medium, TRUE);
      else
        g_hash_table_insert (self->items, g_strdup (medium->path), bunshin_medium_item_new (medium, TRUE));
    }
  arrange (self);
  scan (self);
}

GListModel *
bunshin_media_list_get_model (BunshinMediaList *self)
{
  return G_LIST_MODEL (self->store);
}

void
bunshin_media_list_set_active (BunshinMediaList *self, gboolean active)
{
  self->active = active;
  bunshin_media_list_reload (self);
}

static void
bunshin_media_list_dispose (GObject *object)
{
  BunshinMediaList *self = BUNSHIN_MEDIA_LIST (object);

  self->active = FALSE;
  if (self->machines != NULL)
    g_signal_handlers_disconnect_by_data (self->machines, self);
  g_clear_object (&self->machines);
  g_clear_object (&self->store);
  G_OBJECT_CLASS (bunshin_media_list_parent_class)->dispose (object);
}

static void
bunshin_media_list_finalize (GObject *object)
{
  g_hash_table_unref (BUNSHIN_MEDIA_LIST (object)->items);
  G_OBJECT_CLASS (bunshin_media_list_parent_class)->finalize (object);
}

static void
bunshin_media_list_class_init (BunshinMediaListClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = bunshin_media_list_dispose;
  G_OBJECT_CLASS (klass)->finalize = bunshin_media_list_finalize;
  signals[FAILED] = g_signal_new ("failed", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                                  G_TYPE_NONE, 1, G_TYPE_STRING);
}

static void
bunshin_media_list_init (BunshinMediaList *self)
{
  self->items = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_object_unref);
  self->store = g_list_store_new (BUNSHIN_TYPE_MEDIUM_ITEM);
}

BunshinMediaList *
bunshin_media_list_new (Library *library, BunshinMachineList *machines)
{
  BunshinMediaList *self = g_object_new (BUNSHIN_TYPE_MEDIA_LIST, NULL);

  self->library = library;
  self->machines = g_object_ref (machines);
  g_signal_connect_swapped (machines, "changed", G_CALLBACK (bunshin_media_list_reload), self);
  return self;
}
