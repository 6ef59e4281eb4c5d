/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The operating systems that can be chosen; see the header. */

#include "ui/os-database.h"

#include <glib/gi18n.h>
#include <osinfo/osinfo.h>
#include <string.h>

struct _BunshinOsDatabase
{
  GObject parent_instance;

  OsinfoDb *db;
  GPtrArray *systems;           /* of BunshinOs, sorted */
  GHashTable *by_id;            /* borrowed id → borrowed BunshinOs */
  gboolean loading, loaded;
};

enum { LOADED, N_SIGNALS };

static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (BunshinOsDatabase, bunshin_os_database, G_TYPE_OBJECT)

#define MIB (UINT64_C (1) << 20)
#define GIB (UINT64_C (1) << 30)

/* Distributions release faster than the database: these are added where it does not have them. */
static const struct
{
  OsFacts facts;
  const char *name;
  const char *distribution;
  const char *volume;           /* how the names of its discs begin, or NULL */
} newer[] = {
  { { "debian12", "linux", 2023, 2 * GIB, 20 * GIB, 780 * MIB, 1 }, "Debian 12", "debian", "Debian 12" },
  { { "debian13", "linux", 2025, 2 * GIB, 20 * GIB, 780 * MIB, 1 }, "Debian 13", "debian", "Debian 13" },
  { { "ubuntu23.04", "linux", 2023, 4 * GIB, 25 * GIB, 2 * GIB, 2 }, "Ubuntu 23.04", "ubuntu", "Ubuntu 23.04" },
  { { "ubuntu23.10", "linux", 2023, 4 * GIB, 25 * GIB, 2 * GIB, 2 }, "Ubuntu 23.10", "ubuntu", "Ubuntu 23.10" },
  { { "ubuntu24.04", "linux", 2024, 4 * GIB, 25 * GIB, 2 * GIB, 2 }, "Ubuntu 24.04 LTS", "ubuntu", "Ubuntu 24.04" },
  { { "ubuntu24.10", "linux", 2024, 4 * GIB, 25 * GIB, 2 * GIB, 2 }, "Ubuntu 24.10", "ubuntu", "Ubuntu 24.10" },
  { { "fedora38", "linux", 2023, 2 * GIB, 20 * GIB, 2 * GIB, 2 }, "Fedora Linux 38", "fedora", "Fedora-WS-Live-38" },
  { { "fedora39", "linux", 2023, 2 * GIB, 20 * GIB, 2 * GIB, 2 }, "Fedora Linux 39", "fedora", "Fedora-WS-Live-39" },
  { { "fedora40", "linux", 2024, 2 * GIB, 20 * GIB, 2 * GIB, 2 }, "Fedora Linux 40", "fedora", "Fedora-WS-Live-40" },
  { { "fedora41", "linux", 2024, 2 * GIB, 20 * GIB, 2 * GIB, 2 }, "Fedora Linux 41", "fedora", "Fedora-WS-Live-41" },
  { { "freebsd14.0", "freebsd", 2023, 1 * GIB, 16 * GIB, 96 * MIB, 1 }, "FreeBSD 14.0", "freebsd", "14_0_RELEASE" },
};

const OsFacts *
os_newer_facts (const char *id)
{
  for (gsize i = 0; i < G_N_ELEMENTS (newer); i++)
    if (g_strcmp0 (newer[i].facts.id, id) == 0)
      return &newer[i].facts;
  return NULL;
}

const char *
os_for_volume_name (const char *volume)
{
  for (gsize i = 0; volume != NULL && i < G_N_ELEMENTS (newer); i++)
    if (newer[i].volume != NULL && g_str_has_prefix (volume, newer[i].volume))
      return newer[i].facts.id;
  return NULL;
}

static OsFacts
read_facts (OsinfoOs *os)
{
  OsFacts facts = { 0 };
  g_autoptr (OsinfoResourcesList) recommended = osinfo_os_get_recommended_resources (os);
  g_autoptr (OsinfoResourcesList) minimum = osinfo_os_get_minimum_resources (os);
  const char *date = osinfo_product_get_release_date_string (OSINFO_PRODUCT (os));

  facts.id = osinfo_product_get_short_id (OSINFO_PRODUCT (os));
  facts.family = osinfo_os_get_family (os);
  facts.year = date != NULL ? (int) g_ascii_strtoll (date, NULL, 10) : 0;
  for (int i = 0; i < osinfo_list_get_length (OSINFO_LIST (recommended)); i++)
    {
      OsinfoResources *resources = OSINFO_RESOURCES (osinfo_list_get_nth (OSINFO_LIST (recommended), i));
      gint64 memory = osinfo_resources_get_ram (resources), disk = osinfo_resources_get_storage (resources);
      int cpus = osinfo_resources_get_n_cpus (resources);

      facts.memory = MAX (facts.memory, (uint64_t) MAX (memory, 0));
      facts.disk = MAX (facts.disk, (uint64_t) MAX (disk, 0));
      facts.cpus = MAX (facts.cpus, (unsigned) MAX (cpus, 0));
    }
  for (int i = 0; i < osinfo_list_get_length (OSINFO_LIST (minimum)); i++)
    {
      gint64 memory = osinfo_resources_get_ram (OSINFO_RESOURCES (osinfo_list_get_nth (OSINFO_LIST (minimum), i)));

      facts.minimum_memory = MAX (facts.minimum_memory, (uint64_t) MAX (memory, 0));
    }
  return facts;
}

/* What the generic entries are called here; the others of their kind only differ by year. */
static const char *
own_name (const char *id, const char *name)
{
  if (g_str_equal (id, "linux2022"))
    return _("Other Linux");
  if (g_str_equal (id, "unknown"))
    return _("Other operating system");
  return name;
}

static gboolean
is_offered (const char *id)
{
  return !g_str_has_prefix (id, "linux20") || g_str_equal (id, "linux2022");
}

typedef struct
{
  OsinfoDb *db;
  GPtrArray *systems;
} Loaded;

static void
loaded_free (Loaded *loaded)
{
  g_clear_object (&loaded->db);
  g_clear_pointer (&loaded->systems, g_ptr_array_unref);
  g_free (loaded);
}

static int
compare_systems (gconstpointer a, gconstpointer b)
{
  return bunshin_os_compare (*(BunshinOs *const *) a, *(BunshinOs *const *) b);
}

static gboolean
has_id (GPtrArray *systems, const char *id)
{
  for (guint i = 0; i < systems->len; i++)
    if (g_str_equal (bunshin_os_get_id (systems->pdata[i]), id))
      return TRUE;
  return FALSE;
}

static void
add_generic (GPtrArray *systems, const char *id, const char *family)
{
  OsFacts facts = { .id = id, .family = family };

  if (!has_id (systems, id))
    g_ptr_array_add (systems, bunshin_os_new (&facts, own_name (id, id), OS_GROUP_OTHER, NULL));
}

static Loaded *
load_all (void)
{
  g_autoptr (OsinfoLoader) loader = osinfo_loader_new ();
  Loaded *loaded = g_new0 (Loaded, 1);
  g_autoptr (OsinfoOsList) list = NULL;
  g_autoptr (GError) error = NULL;

  osinfo_loader_process_default_path (loader, &error);
  if (error != NULL)
    g_message ("the database of operating systems cannot be read: %s", error->message);
  loaded->db = g_object_ref (osinfo_loader_get_db (loader));
  loaded->systems = g_ptr_array_new_with_free_func (g_object_unref);
  list = osinfo_db_get_os_list (loaded->db);
  for (int i = 0; i < osinfo_list_get_length (OSINFO_LIST (list)); i++)
    {
      OsinfoOs *os = OSINFO_OS (osinfo_list_get_nth (OSINFO_LIST (list), i));
      OsinfoProduct *product = OSINFO_PRODUCT (os);
      OsFacts facts = read_facts (os);
      const char *name = osinfo_product_get_name (product);
      const char *codename = osinfo_product_get_codename (product), *vendor = osinfo_product_get_vendor (product);

      if (facts.id == NULL || name == NULL || !is_offered (facts.id))
        continue;

      g_autofree char *search = g_strjoin (" ", codename != NULL ? codename : "", vendor != NULL ? vendor : "", NULL);

      g_ptr_array_add (loaded->systems,
                       bunshin_os_new (&facts, own_name (facts.id, name),
                                       os_group_for (facts.id, facts.family, osinfo_os_get_distro (os)), search));
    }
  for (gsize i = 0; i < G_N_ELEMENTS (newer); i++)
    if (!has_id (loaded->systems, newer[i].facts.id))
      g_ptr_array_add (loaded->systems,
                       bunshin_os_new (&newer[i].facts, newer[i].name,
                                       os_group_for (newer[i].facts.id, newer[i].facts.family, newer[i].distribution),
                                       NULL));
  add_generic (loaded->systems, "linux2022", "linux");
  add_generic (loaded->systems, "unknown", NULL);
  g_ptr_array_sort (loaded->systems, compare_systems);
  return loaded;
}

static void
load_thread (GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
  g_task_return_pointer (task, load_all (), (GDestroyNotify) loaded_free);
}

/* Takes @loaded over. */
static void
adopt (BunshinOsDatabase *self, Loaded *loaded)
{
  self->db = g_steal_pointer (&loaded->db);
  self->systems = g_steal_pointer (&loaded->systems);
  loaded_free (loaded);
  for (guint i = 0; i < self->systems->len; i++)
    g_hash_table_insert (self->by_id, (char *) bunshin_os_get_id (self->systems->pdata[i]), self->systems->pdata[i]);
  self->loaded = TRUE;
  g_signal_emit (self, signals[LOADED], 0);
}

static void
on_loaded (GObject *source, GAsyncResult *result, gpointer data)
{
  adopt (BUNSHIN_OS_DATABASE (source), g_task_propagate_pointer (G_TASK (result), NULL));
}

void
bunshin_os_database_load_now (BunshinOsDatabase *self)
{
  g_return_if_fail (!self->loading);
  self->loading = TRUE;
  adopt (self, load_all ());
}

void
bunshin_os_database_load (BunshinOsDatabase *self)
{
  g_autoptr (GTask) task = NULL;

  if (self->loading)
    return;
  self->loading = TRUE;
  task = g_task_new (self, NULL, on_loaded, NULL);
  g_task_run_in_thread (task, load_thread);
}

gboolean
bunshin_os_database_is_loaded (BunshinOsDatabase *self)
{
  return self->loaded;
}

BunshinOs *
bunshin_os_database_find (BunshinOsDatabase *self, const char *id)
{
  return id != NULL ? g_hash_table_lookup (self->by_id, id) : NULL;
}

const char *
bunshin_os_database_get_name (BunshinOsDatabase *self, const char *id)
{
  BunshinOs *os = bunshin_os_database_find (self, id);

  if (os != NULL)
    return bunshin_os_get_name (os);
  return id != NULL ? id : _("Unknown");
}

static GStrv
search_words (const char *text)
{
  g_autofree char *folded = g_utf8_casefold (text, -1);
  g_auto (GStrv) words = g_strsplit_set (folded, " \t", -1);
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();

  for (gsize i = 0; words[i] != NULL; i++)
    if (words[i][0] != '\0')
      g_strv_builder_add (builder, words[i]);
  return g_strv_builder_end (builder);
}

void
bunshin_os_database_fill (BunshinOsDatabase *self, GListStore *store, const char *text)
{
  g_auto (GStrv) words = search_words (text);
  g_autoptr (GPtrArray) items = g_ptr_array_new_with_free_func (g_object_unref);
  int group = -1;

  for (guint i = 0; self->systems != NULL && i < self->systems->len; i++)
    {
      BunshinOs *os = self->systems->pdata[i];
      OsGroup its_group = bunshin_os_get_group (os);

      if (its_group != OS_GROUP_OTHER && !bunshin_os_matches (os, (const char *const *) words))
        continue;
      if ((int) its_group != group)
        g_ptr_array_add (items, bunshin_os_new_heading (its_group));
      group = its_group;
      g_ptr_array_add (items, g_object_ref (os));
    }
  g_list_store_splice (store, 0, g_list_model_get_n_items (G_LIST_MODEL (store)), items->pdata, items->len);
}

/* --- Discs --- */

typedef struct
{
  char *path;
  gulong loaded_handler;
  char *id;                     /* what was found */
} Identify;

static void
identify_free (Identify *identify)
{
  g_free (identify->path);
  g_free (identify->id);
  g_free (identify);
}

static void
on_media_read (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  BunshinOsDatabase *self = g_task_get_source_object (task);
  Identify *identify = g_task_get_task_data (task);
  g_autoptr (OsinfoMedia) media = NULL;
  GError *error = NULL;
  OsinfoOs *os = NULL;
  const char *newer_id;

  media = osinfo_media_create_from_location_finish (result, &error);
  if (media == NULL)
    {
      /* A disc that cannot be started from is a disc all the same. */
      if (g_error_matches (error, OSINFO_MEDIA_ERROR, OSINFO_MEDIA_ERROR_NOT_BOOTABLE))
        {
          g_clear_error (&error);
          g_task_return_boolean (task, TRUE);
        }
      else if (error->domain == OSINFO_MEDIA_ERROR)
        {
          g_clear_error (&error);
          g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "%s", _("the file holds no disc"));
        }
      else
        g_task_return_error (task, error);
      return;
    }
  newer_id = os_for_volume_name (osinfo_media_get_volume_id (media));
  if (newer_id != NULL)
    identify->id = g_strdup (newer_id);
  else if (osinfo_db_identify_media (self->db, media))
    {
      os = osinfo_media_get_os (media);
      identify->id = os != NULL ? g_strdup (osinfo_product_get_short_id (OSINFO_PRODUCT (os))) : NULL;
      g_clear_object (&os);
    }
  g_task_return_boolean (task, TRUE);
}

static void
read_media (BunshinOsDatabase *self, GTask *task)
{
  Identify *identify = g_task_get_task_data (task);
  g_autoptr (GFile) file = g_file_new_for_path (identify->path);
  g_autofree char *uri = g_file_get_uri (file);

  g_clear_signal_handler (&identify->loaded_handler, self);
  osinfo_media_create_from_location_async (uri, G_PRIORITY_DEFAULT, g_task_get_cancellable (task), on_media_read,
                                           g_object_ref (task));
}

static void
task_unref_closure (gpointer task, GClosure *closure)
{
  g_object_unref (task);
}

void
bunshin_os_database_identify_async (BunshinOsDatabase *self, const char *path, GCancellable *cancellable,
                                    GAsyncReadyCallback callback, gpointer data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, data);
  Identify *identify = g_new0 (Identify, 1);

  identify->path = g_strdup (path);
  g_task_set_task_data (task, identify, (GDestroyNotify) identify_free);
  if (self->loaded)
    {
      read_media (self, task);
      return;
    }
  identify->loaded_handler = g_signal_connect_data (self, "loaded", G_CALLBACK (read_media), g_object_ref (task),
                                                    task_unref_closure, 0);
  bunshin_os_database_load (self);
}

BunshinOs *
bunshin_os_database_identify_finish (BunshinOsDatabase *self, GAsyncResult *result, GError **error)
{
  Identify *identify = g_task_get_task_data (G_TASK (result));

  if (!g_task_propagate_boolean (G_TASK (result), error))
    return NULL;
  return bunshin_os_database_find (self, identify->id);
}

/* --- The object --- */

static void
bunshin_os_database_finalize (GObject *object)
{
  BunshinOsDatabase *self = BUNSHIN_OS_DATABASE (object);

  g_hash_table_unref (self->by_id);
  g_clear_pointer (&self->systems, g_ptr_array_unref);
  g_clear_object (&self->db);
  G_OBJECT_CLASS (bunshin_os_database_parent_class)->finalize (object);
}

static void
bunshin_os_database_class_init (BunshinOsDatabaseClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = bunshin_os_database_finalize;
  signals[LOADED] = g_signal_new ("loaded", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                                  G_TYPE_NONE, 0);
}

static void
bunshin_os_database_init (BunshinOsDatabase *self)
{
  self->by_id = g_hash_table_new (g_str_hash, g_str_equal);
}

BunshinOsDatabase *
bunshin_os_database_new (void)
{
  return g_object_new (BUNSHIN_TYPE_OS_DATABASE, NULL);
}
