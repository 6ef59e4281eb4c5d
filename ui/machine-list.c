/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The library's machines as a list model; see the header. */

#include "ui/machine-list.h"

#include <gtk/gtk.h>

struct _BunshinMachineList
{
  GObject parent_instance;

  GListStore *store;
  Library *library;
  const BunshinMachineHost *host;
};

enum { CHANGED, FAILED, NOTICE, N_SIGNALS };

static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (BunshinMachineList, bunshin_machine_list, G_TYPE_OBJECT)

static int
compare_items (gconstpointer a, gconstpointer b, gpointer data)
{
  const char *name_a = bunshin_machine_item_get_name ((BunshinMachineItem *) a);
  const char *name_b = bunshin_machine_item_get_name ((BunshinMachineItem *) b);
  g_autofree char *key_a = g_utf8_collate_key_for_filename (name_a, -1);
  g_autofree char *key_b = g_utf8_collate_key_for_filename (name_b, -1);

  return strcmp (key_a, key_b);
}

static void
on_state_changed (BunshinMachineList *self)
{
  g_signal_emit (self, signals[CHANGED], 0);
}

static void
on_notice (BunshinMachineItem *item, const char *text, BunshinMachineList *self)
{
  g_signal_emit (self, signals[NOTICE], 0, item, text);
}

static guint
find_position (BunshinMachineList *self, const char *uuid)
{
  guint n_items = g_list_model_get_n_items (G_LIST_MODEL (self->store));

  for (guint i = 0; i < n_items; i++)
    {
      g_autoptr (BunshinMachineItem) item = g_list_model_get_item (G_LIST_MODEL (self->store), i);

      if (g_str_equal (bunshin_machine_item_get_uuid (item), uuid))
        return i;
    }
  return GTK_INVALID_LIST_POSITION;
}

BunshinMachineItem *
bunshin_machine_list_find (BunshinMachineList *self, const char *uuid)
{
  guint position = find_position (self, uuid);

  if (position == GTK_INVALID_LIST_POSITION)
    return NULL;

  g_autoptr (BunshinMachineItem) item = g_list_model_get_item (G_LIST_MODEL (self->store), position);

  return item; /* the store keeps it */
}

static gboolean
record_is_listed (GPtrArray *records, const char *uuid)
{
  for (guint i = 0; i < records->len; i++)
    if (g_str_equal (((LibraryMachine *) records->pdata[i])->uuid, uuid))
      return TRUE;
  return FALSE;
}

void
bunshin_machine_list_reload (BunshinMachineList *self)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) records = library_list_machines (self->library, &error);
  gboolean renamed = FALSE;

  if (records == NULL)
    {
      g_signal_emit (self, signals[FAILED], 0, error->message);
      return;
    }

  for (guint i = g_list_model_get_n_items (G_LIST_MODEL (self->store)); i > 0; i--)
    {
      g_autoptr (BunshinMachineItem) item = g_list_model_get_item (G_LIST_MODEL (self->store), i - 1);

      if (!record_is_listed (records, bunshin_machine_item_get_uuid (item)))
        g_list_store_remove (self->store, i - 1);
    }

  for (guint i = 0; i < records->len; i++)
    {
      LibraryMachine *record = library_machine_copy (records->pdata[i]);
      BunshinMachineItem *known = bunshin_machine_list_find (self, record->uuid);

      if (known != NULL)
        {
          renamed |= !g_str_equal (bunshin_machine_item_get_name (known), record->name);
          bunshin_machine_item_set_record (known, record);
        }
      else
        {
          BunshinMachineControl *control = self->host->control_for (self->host->opaque, record);
          g_autoptr (BunshinMachineItem) item = bunshin_machine_item_new (record, control);

          g_signal_connect_object (item, "notify::state", G_CALLBACK (on_state_changed), self, G_CONNECT_SWAPPED);
          g_signal_connect_object (item, "notice", G_CALLBACK (on_notice), self, 0);
          g_list_store_insert_sorted (self->store, item, compare_items, NULL);
        }
    }
  if (renamed)
    g_list_store_sort (self->store, compare_items, NULL);
  g_signal_emit (self, signals[CHANGED], 0);
}

static void
on_library_changed (Library *library, void *data)
{
  bunshin_machine_list_reload (data);
}

GListModel *
bunshin_machine_list_get_model (BunshinMachineList *self)
{
  return G_LIST_MODEL (self->store);
}

static void
bunshin_machine_list_dispose (GObject *object)
{
  BunshinMachineList *self = BUNSHIN_MACHINE_LIST (object);

  if (self->library != NULL)
    library_watch (self->library, NULL, NULL);
  self->library = NULL;
  g_clear_object (&self->store);
  G_OBJECT_CLASS (bunshin_machine_list_parent_class)->dispose (object);
}

static void
bunshin_machine_list_class_init (BunshinMachineListClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = bunshin_machine_list_dispose;
  signals[CHANGED]
      = g_signal_new ("changed", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
  signals[FAILED] = g_signal_new ("failed", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                                  G_TYPE_NONE, 1, G_TYPE_STRING);
  signals[NOTICE] = g_signal_new ("notice", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                                  G_TYPE_NONE, 2, BUNSHIN_TYPE_MACHINE_ITEM, G_TYPE_STRING);
}

static void
bunshin_machine_list_init (BunshinMachineList *self)
{
  self->store = g_list_store_new (BUNSHIN_TYPE_MACHINE_ITEM);
}

BunshinMachineList *
bunshin_machine_list_new (Library *library, const BunshinMachineHost *host)
{
  BunshinMachineList *self = g_object_new (BUNSHIN_TYPE_MACHINE_LIST, NULL);

  self->library = library;
  self->host = host;
  library_watch (library, on_library_changed, self);
  bunshin_machine_list_reload (self);
  return self;
}
