/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One image in the list of media; see the header. */

#include "ui/medium-item.h"

#include "storage/disk/disk.h"

struct _BunshinMediumItem
{
  GObject parent_instance;

  LibraryMedium *medium;
  MediumInfo *info;
  GPtrArray *users;
  char *name;
  guint depth;
  gboolean is_listed, has_children, has_layers, is_running;
  char *work;
  double progress;
  GCancellable *cancellable;
};

enum { CHANGED, N_SIGNALS };

static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (BunshinMediumItem, bunshin_medium_item, G_TYPE_OBJECT)

static void
emit_changed (BunshinMediumItem *self)
{
  g_signal_emit (self, signals[CHANGED], 0);
}

const char *
bunshin_medium_item_get_path (BunshinMediumItem *self)
{
  return self->medium->path;
}

const char *
bunshin_medium_item_get_name (BunshinMediumItem *self)
{
  return self->name;
}

const LibraryMedium *
bunshin_medium_item_get_medium (BunshinMediumItem *self)
{
  return self->medium;
}

const MediumInfo *
bunshin_medium_item_get_info (BunshinMediumItem *self)
{
  return self->info;
}

guint
bunshin_medium_item_get_depth (BunshinMediumItem *self)
{
  return self->depth;
}

gboolean
bunshin_medium_item_is_running (BunshinMediumItem *self)
{
  return self->is_running;
}

MediumVerbs
bunshin_medium_item_get_verbs (BunshinMediumItem *self)
{
  const MediumFacts facts = {
    .kind = self->medium->kind,
    .is_listed = self->is_listed,
    .is_used = self->medium->users->len > 0,
    .is_running = self->is_running,
    .is_busy = self->work != NULL,
    .has_children = self->has_children,
    .info = self->info,
    .has_layers = self->has_layers,
  };

  return medium_verbs (&facts);
}

static gboolean
same_users (const GPtrArray *a, const GPtrArray *b)
{
  if (a->len != b->len)
    return FALSE;
  for (guint i = 0; i < a->len; i++)
    {
      const LibraryMediumUser *x = a->pdata[i], *y = b->pdata[i];

      if (!g_str_equal (x->uuid, y->uuid) || !g_str_equal (x->name, y->name))
        return FALSE;
    }
  return TRUE;
}

const GPtrArray *
bunshin_medium_item_get_users (BunshinMediumItem *self)
{
  return self->users;
}

static void
user_free (gpointer data)
{
  LibraryMediumUser *user = data;

  g_free (user->uuid);
  g_free (user->name);
  g_free (user);
}

void
bunshin_medium_item_set_users (BunshinMediumItem *self, const GPtrArray *users)
{
  if (same_users (self->users, users))
    return;
  g_ptr_array_set_size (self->users, 0);
  for (guint i = 0; i < users->len; i++)
    {
      const LibraryMediumUser *user = users->pdata[i];
      LibraryMediumUser *copy = g_new0 (LibraryMediumUser, 1);

      copy->uuid = g_strdup (user->uuid);
      copy->name = g_strdup (user->name);
      g_ptr_array_add (self->users, copy);
    }
  emit_changed (self);
}

void
bunshin_medium_item_update (BunshinMediumItem *self, LibraryMedium *medium, gboolean is_listed)
{
  gboolean is_same = self->is_listed == is_listed && self->medium->kind == medium->kind
                     && same_users (self->medium->users, medium->users);

  library_medium_free (self->medium);
  self->medium = medium;
  self->is_listed = is_listed;
  if (!is_same)
    emit_changed (self);
}

static gboolean
same_info (const MediumInfo *a, const MediumInfo *b)
{
  return a != NULL && a->is_missing == b->is_missing && g_strcmp0 (a->problem, b->problem) == 0
         && g_strcmp0 (a->format, b->format) == 0 && g_strcmp0 (a->variant, b->variant) == 0 && a->size == b->size
         && a->space == b->space && g_strcmp0 (a->base, b->base) == 0;
}

void
bunshin_medium_item_set_info (BunshinMediumItem *self, MediumInfo *info)
{
  gboolean is_same = same_info (self->info, info);

  g_clear_pointer (&self->info, medium_info_free);
  self->info = info;
  if (!is_same)
    emit_changed (self);
}

void
bunshin_medium_item_set_place (BunshinMediumItem *self, guint depth, gboolean has_children, gboolean has_layers,
                               gboolean is_running)
{
  if (self->depth == depth && self->has_children == has_children && self->has_layers == has_layers
      && self->is_running == is_running)
    return;
  self->depth = depth;
  self->has_children = has_children;
  self->has_layers = has_layers;
  self->is_running = is_running;
  emit_changed (self);
}

void
bunshin_medium_item_start (BunshinMediumItem *self, const char *text, GCancellable *cancellable)
{
  g_return_if_fail (self->work == NULL);
  self->work = g_strdup (text);
  self->progress = -1;
  g_set_object (&self->cancellable, cancellable);
  emit_changed (self);
}

void
bunshin_medium_item_set_progress (BunshinMediumItem *self, double fraction)
{
  self->progress = fraction;
  emit_changed (self);
}

void
bunshin_medium_item_end (BunshinMediumItem *self)
{
  g_clear_pointer (&self->work, g_free);
  g_clear_object (&self->cancellable);
  emit_changed (self);
}

const char *
bunshin_medium_item_get_work (BunshinMediumItem *self)
{
  return self->work;
}

double
bunshin_medium_item_get_progress (BunshinMediumItem *self)
{
  return self->progress;
}

void
bunshin_medium_item_cancel (BunshinMediumItem *self)
{
  g_cancellable_cancel (self->cancellable);
}

static void
bunshin_medium_item_finalize (GObject *object)
{
  BunshinMediumItem *self = BUNSHIN_MEDIUM_ITEM (object);

  library_medium_free (self->medium);
  g_clear_pointer (&self->info, medium_info_free);
  g_ptr_array_unref (self->users);
  g_free (self->name);
  g_free (self->work);
  g_clear_object (&self->cancellable);
  G_OBJECT_CLASS (bunshin_medium_item_parent_class)->finalize (object);
}

static void
bunshin_medium_item_class_init (BunshinMediumItemClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = bunshin_medium_item_finalize;
  signals[CHANGED]
      = g_signal_new ("changed", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
}

static void
bunshin_medium_item_init (BunshinMediumItem *self)
{
  self->users = g_ptr_array_new_with_free_func (user_free);
}

BunshinMediumItem *
bunshin_medium_item_new (LibraryMedium *medium, gboolean is_listed)
{
  BunshinMediumItem *self = g_object_new (BUNSHIN_TYPE_MEDIUM_ITEM, NULL);
  gboolean is_remote = disk_is_remote (medium->path);
  g_autofree char *name = is_remote ? disk_shown_path (medium->path) : g_path_get_basename (medium->path);

  self->medium = medium;
  self->is_listed = is_listed;
  self->name = g_filename_display_name (name);
  return self;
}
