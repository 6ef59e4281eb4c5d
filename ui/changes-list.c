/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Rows of a list of changes; see the header. */

#include "ui/changes-list.h"

#include "ui/size-format.h"

#include <glib/gi18n.h>
#include <string.h>

/* --- One row --- */

struct _BunshinChange
{
  GObject parent_instance;

  ChangesData *data;
  const ChangesRow *row;
};

G_DEFINE_FINAL_TYPE (BunshinChange, bunshin_change, G_TYPE_OBJECT)

static void
bunshin_change_finalize (GObject *object)
{
  changes_data_unref (BUNSHIN_CHANGE (object)->data);
  G_OBJECT_CLASS (bunshin_change_parent_class)->finalize (object);
}

static void
bunshin_change_class_init (BunshinChangeClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = bunshin_change_finalize;
}

static void
bunshin_change_init (BunshinChange *self)
{
}

static BunshinChange *
change_new (ChangesData *data, guint32 index)
{
  BunshinChange *self = g_object_new (BUNSHIN_TYPE_CHANGE, NULL);

  self->data = changes_data_ref (data);
  self->row = changes_data_get_row (data, index);
  return self;
}

const ChangesRow *
bunshin_change_get_row (BunshinChange *self)
{
  return self->row;
}

const char *
bunshin_change_get_path (BunshinChange *self)
{
  return changes_data_get_path (self->data, self->row);
}

const char *
bunshin_change_get_disk (BunshinChange *self)
{
  return changes_data_get_disk (self->data, self->row);
}

char *
bunshin_change_get_name (BunshinChange *self)
{
  g_autofree char *name = inspect_shown_path (strrchr (bunshin_change_get_path (self), '/') + 1);

  return self->row->type == INSPECT_FOLDER ? g_strconcat (name, "/", NULL) : g_steal_pointer (&name);
}

char *
bunshin_change_get_place (BunshinChange *self)
{
  const char *path = bunshin_change_get_path (self), *disk = bunshin_change_get_disk (self);
  gsize length = MAX ((gsize) (strrchr (path, '/') - path), 1);
  g_autofree char *bytes = g_strndup (path, length), *folder = inspect_shown_path (bytes);

  if (changes_data_is_one_volume (self->data))
    return g_steal_pointer (&folder);
  if (self->row->volume == 0)
    /* Translators: a disk, and a folder on it: "ide0: /etc". */
    return g_strdup_printf (_("%s: %s"), disk, folder);
  /* Translators: a disk, the number of a partition, and a folder there. */
  return g_strdup_printf (_("%s, partition %u: %s"), disk, (guint) self->row->volume, folder);
}

char *
bunshin_change_get_sizes (BunshinChange *self)
{
  const ChangesRow *row = self->row;
  g_autofree char *old_size = size_format (row->old_size), *new_size = size_format (row->new_size);

  if (row->type == INSPECT_FOLDER || row->type == INSPECT_OTHER)
    return NULL;
  if (row->kind == INSPECT_REMOVED)
    return g_steal_pointer (&old_size);
  if (row->kind == INSPECT_ADDED || row->old_size == row->new_size)
    return g_steal_pointer (&new_size);
  /* Translators: a file's size before and after. */
  return g_strdup_printf (_("%s → %s"), old_size, new_size);
}

const char *
bunshin_change_get_kind_name (BunshinChange *self)
{
  static const char *const names[CHANGES_KINDS] = { N_("Added"), N_("Removed"), N_("Changed"), N_("Attributes") };

  return _ (names[self->row->kind]);
}

char *
bunshin_change_get_time (BunshinChange *self)
{
  g_autoptr (GDateTime) time = g_date_time_new_from_unix_local (self->row->modified);

  /* Translators: date and time, short; see the manual of strftime(). */
  return time != NULL && self->row->modified != 0 ? g_date_time_format (time, _("%x, %H:%M")) : g_strdup ("");
}

/* --- The list --- */

struct _BunshinChangesList
{
  GObject parent_instance;

  ChangesData *data;
  GArray *rows;
};

static GType
get_item_type (GListModel *model)
{
  return BUNSHIN_TYPE_CHANGE;
}

static guint
get_n_items (GListModel *model)
{
  const GArray *rows = BUNSHIN_CHANGES_LIST (model)->rows;

  return rows != NULL ? rows->len : 0;
}

static gpointer
get_item (GListModel *model, guint position)
{
  BunshinChangesList *self = BUNSHIN_CHANGES_LIST (model);

  return position < get_n_items (model) ? change_new (self->data, g_array_index (self->rows, guint32, position)) : NULL;
}

static void
model_init (GListModelInterface *iface)
{
  iface->get_item_type = get_item_type;
  iface->get_n_items = get_n_items;
  iface->get_item = get_item;
}

G_DEFINE_FINAL_TYPE_WITH_CODE (BunshinChangesList, bunshin_changes_list, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (G_TYPE_LIST_MODEL, model_init))

void
bunshin_changes_list_set (BunshinChangesList *self, ChangesData *data, GArray *rows)
{
  guint before = get_n_items (G_LIST_MODEL (self));

  g_clear_pointer (&self->data, changes_data_unref);
  g_clear_pointer (&self->rows, g_array_unref);
  /* In two steps: else views look for the objects of the old rows among those of all the new ones. */
  if (before > 0)
    g_list_model_items_changed (G_LIST_MODEL (self), 0, before, 0);
  self->data = data;
  self->rows = rows;
  if (get_n_items (G_LIST_MODEL (self)) > 0)
    g_list_model_items_changed (G_LIST_MODEL (self), 0, 0, get_n_items (G_LIST_MODEL (self)));
}

guint
bunshin_changes_list_find (BunshinChangesList *self, const ChangesRow *row)
{
  for (guint i = 0; i < get_n_items (G_LIST_MODEL (self)); i++)
    if (changes_data_get_row (self->data, g_array_index (self->rows, guint32, i)) == row)
      return i;
  return G_MAXUINT;
}

static void
bunshin_changes_list_finalize (GObject *object)
{
  BunshinChangesList *self = BUNSHIN_CHANGES_LIST (object);

  g_clear_pointer (&self->data, changes_data_unref);
  g_clear_pointer (&self->rows, g_array_unref);
  G_OBJECT_CLASS (bunshin_changes_list_parent_class)->finalize (object);
}

static void
bunshin_changes_list_class_init (BunshinChangesListClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = bunshin_changes_list_finalize;
}

static void
bunshin_changes_list_init (BunshinChangesList *self)
{
}

BunshinChangesList *
bunshin_changes_list_new (void)
{
  return g_object_new (BUNSHIN_TYPE_CHANGES_LIST, NULL);
}
