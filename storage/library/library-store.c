/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Machines in the database: reading, adding, changing and deleting them, each change one transaction. */

#include "storage/library/library-private.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n-lib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

static const char *const medium_names[] = { "disk", "optical", "floppy" };
static const char *const cache_names[] = { "writeback", "none" }; /* by LibraryAttachment.no_cache */
static const char *const net_names[] = { "none", "nat" };

/* A word that is not known here: the library is of another making. */
static gboolean
wrong_word (Library *library, const char *word, const char *expected, GError **error)
{
  g_set_error (error, LIBRARY_ERROR, LIBRARY_ERROR_FAILED,
               _("cannot read the library “%s”: it says “%s” where %s belongs"), library->path, word ? word : "",
               expected);
  return FALSE;
}

/* The index of @word in @words. */
static gboolean
lookup (Library *library, const char *const *words, unsigned count, const char *word, unsigned *index, GError **error)
{
  for (unsigned i = 0; i < count; i++)
    if (g_strcmp0 (words[i], word) == 0)
      {
        *index = i;
        return TRUE;
      }
  return wrong_word (library, word, words[0], error);
}

#define LOOKUP(names, statement, column, variable)                                                                     \
  lookup (library, names, G_N_ELEMENTS (names), (const char *) sqlite3_column_text (statement, column), variable, error)

gboolean
library_parse_controller (Library *library, const char *word, LibraryController *controller, GError **error)
{
  if (library_controller_parse (word, controller))
    return TRUE;
  return wrong_word (library, word, library_controller_name (LIBRARY_CONTROLLER_IDE), error);
}

gboolean
library_load_chain (Library *library, int64_t base, char ***chain, GError **error)
{
  g_autoptr (sqlite3_stmt) statement = NULL;
  g_autoptr (GPtrArray) paths = g_ptr_array_new_with_free_func (g_free);
  int more;

  *chain = NULL;
  if (base == 0)
    return TRUE;
  /* UNION, not UNION ALL: a library that somebody damaged must not keep it going round. */
  statement = library_sql_prepare (library, error,
                                   "WITH RECURSIVE below (id, path, base) AS ("
                                   "SELECT id, path, base FROM medium WHERE id = ? UNION "
                                   "SELECT m.id, m.path, m.base FROM medium m JOIN below b ON m.id = b.base) "
                                   "SELECT path FROM below", "i", base);
  if (!statement)
    return FALSE;
  while ((more = library_sql_step (library, statement, error)) > 0)
    g_ptr_array_add (paths, library_sql_text (statement, 0));
  if (more < 0)
    return FALSE;
  g_ptr_array_add (paths, NULL);
  *chain = (char **) g_ptr_array_steal (paths, NULL);
  return TRUE;
}

static gboolean
load_attachments (Library *library, int64_t id, LibraryMachine *machine, GError **error)
{
  g_autoptr (sqlite3_stmt) statement = NULL;
  int more;

  statement = library_sql_prepare (library, error,
                                   "SELECT a.controller, a.unit, a.kind, m.path, m.format, a.cache, a.trust, m.base "
                                   "FROM attachment a "
                                   "LEFT JOIN medium m ON m.id = a.medium WHERE a.machine = ?", "i", id);
  if (!statement)
    return FALSE;
  while ((more = library_sql_step (library, statement, error)) > 0)
    {
      LibraryController controller;
      LibraryAttachment *drive;
      unsigned kind, cache;

      if (!library_parse_controller (library, (const char *) sqlite3_column_text (statement, 0), &controller, error) ||
          !LOOKUP (medium_names, statement, 2, &kind) || !LOOKUP (cache_names, statement, 5, &cache))
        return FALSE;
      drive = library_machine_add_attachment (machine, controller, sqlite3_column_int (statement, 1), kind,
                                              (const char *) sqlite3_column_text (statement, 3),
                                              (const char *) sqlite3_column_text (statement, 4));
      if (!drive)
        continue;
      drive->no_cache = cache;
      drive->trusted = sqlite3_column_int (statement, 6);
      if (!library_load_chain (library, sqlite3_column_int64 (statement, 7), &drive->chain, error))
        return FALSE;
    }
  return more == 0;
}

static gboolean
load_forwards (Library *library, int64_t id, LibraryAdapter *adapter, GError **error)
{
  g_autoptr (sqlite3_stmt) statement = NULL;
  int more;

  statement = library_sql_prepare (library, error,
                                   "SELECT protocol, host_address, host_port, guest_address, guest_port FROM forward "
                                   "WHERE adapter = ? ORDER BY id", "i", id);
  if (!statement)
    return FALSE;
  while ((more = library_sql_step (library, statement, error)) > 0)
    library_adapter_add_forward (adapter, g_strcmp0 ((const char *) sqlite3_column_text (statement, 0), "udp") == 0,
                                 (const char *) sqlite3_column_text (statement, 1),
                                 sqlite3_column_int (statement, 2),
                                 (const char *) sqlite3_column_text (statement, 3),
                                 sqlite3_column_int (statement, 4));
  return more == 0;
}

static gboolean
load_adapters (Library *library, int64_t id, LibraryMachine *machine, GError **error)
{
  g_autoptr (sqlite3_stmt) statement = NULL;
  int more;

  statement = library_sql_prepare (library, error,
                                   "SELECT id, slot, model, mac, kind, param, cable FROM adapter WHERE machine = ?",
                                   "i", id);
  if (!statement)
    return FALSE;
  while ((more = library_sql_step (library, statement, error)) > 0)
    {
      unsigned kind;
      LibraryAdapter *adapter;

      if (!LOOKUP (net_names, statement, 4, &kind))
        return FALSE;
      adapter = library_machine_add_adapter (machine, sqlite3_column_int (statement, 1), kind);
      if (!adapter)
        continue;
      g_free (adapter->model);
      adapter->model = library_sql_text (statement, 2);
      g_strlcpy (adapter->mac, (const char *) sqlite3_column_text (statement, 3), sizeof adapter->mac);
      adapter->param = library_sql_text (statement, 5);
      adapter->cable = sqlite3_column_int (statement, 6);
      if (!load_forwards (library, sqlite3_column_int64 (statement, 0), adapter, error))
        return FALSE;
    }
  return more == 0;
}

static LibraryMachine *
load_machine (Library *library, sqlite3_stmt *row, GError **error)
{
  g_autoptr (LibraryMachine) machine = library_machine_new (NULL);
  int64_t id = sqlite3_column_int64 (row, 0);
  g_autofree char *folder = library_sql_text (row, 3);
  g_autofree char *boot = library_sql_text (row, 12);

  machine->uuid = library_sql_text (row, 1);
  machine->name = library_sql_text (row, 2);
  machine->folder = g_build_filename (library->home, "machines", folder, NULL);
  machine->description = library_sql_text (row, 4);
  machine->os_id = library_sql_text (row, 5);
  machine->memory = sqlite3_column_int64 (row, 6);
  machine->cpus = sqlite3_column_int (row, 7);
  machine->cpu_model = library_sql_text (row, 8);
  g_free (machine->accel);
  machine->accel = library_sql_text (row, 9);
  g_free (machine->firmware);
  machine->firmware = library_sql_text (row, 10);
  g_free (machine->chipset);
  machine->chipset = library_sql_text (row, 11);
  machine->rtc_utc = sqlite3_column_int (row, 13);
  machine->created = sqlite3_column_int64 (row, 14);
  machine->code_cache = (uint64_t) sqlite3_column_int64 (row, 15);
  library_load_automatic (row, 16, &machine->automatic);

  if (!library_boot_parse (boot, machine->boot, error) || !load_attachments (library, id, machine, error) ||
      !load_adapters (library, id, machine, error))
    return NULL;
  return g_steal_pointer (&machine);
}

const char *
library_cache_name (gboolean no_cache)
{
  return cache_names[no_cache != FALSE];
}

const char *
library_net_kind_name (LibraryNetKind kind)
{
  return net_names[kind];
}

gboolean
library_net_kind_parse (const char *word, LibraryNetKind *kind)
{
  for (unsigned i = 0; i < G_N_ELEMENTS (net_names); i++)
    if (g_strcmp0 (net_names[i], word) == 0)
      {
        *kind = i;
        return TRUE;
      }
  return FALSE;
}

const char *
library_medium_kind_name (LibraryMediumKind kind)
{
  return medium_names[kind];
}

gboolean
library_medium_kind_parse (Library *library, const char *word, LibraryMediumKind *kind, GError **error)
{
  unsigned index;

  if (!lookup (library, medium_names, G_N_ELEMENTS (medium_names), word, &index, error))
    return FALSE;
  *kind = index;
  return TRUE;
}

#define SELECT_MACHINE                                                                                                 \
  "SELECT id, uuid, name, folder, description, os_id, memory, cpus, cpu_model, accel, firmware, chipset, boot, "      \
  "rtc_utc, created, code_cache, " LIBRARY_AUTOMATIC_COLUMNS " FROM machine "

GPtrArray *
library_list_machines (Library *library, GError **error)
{
  g_autoptr (GPtrArray) machines = g_ptr_array_new_with_free_func ((GDestroyNotify) library_machine_free);
  g_autoptr (sqlite3_stmt) statement = NULL;
  int more;

  /* One read transaction: machines and their parts as of the same moment. */
  if (!library_sql_run (library, error, "BEGIN", ""))
    return NULL;
  statement = library_sql_prepare (library, error, SELECT_MACHINE "ORDER BY name COLLATE NOCASE, name", "");
  more = statement ? 1 : -1;
  while (more > 0 && (more = library_sql_step (library, statement, error)) > 0)
    {
      LibraryMachine *machine = load_machine (library, statement, error);

      if (machine)
        g_ptr_array_add (machines, machine);
      else
        more = -1;
    }
  g_clear_pointer (&statement, sqlite3_finalize);
  if (!library_sql_end (library, more == 0, error))
    return NULL;
  return g_steal_pointer (&machines);
}

LibraryMachine *
library_load_machine (Library *library, const char *uuid, GError **error)
{
  g_autoptr (sqlite3_stmt) statement = library_sql_prepare (library, error, SELECT_MACHINE "WHERE uuid = ?", "s", uuid);
  int more = statement ? library_sql_step (library, statement, error) : -1;

  if (more > 0)
    return load_machine (library, statement, error);
  if (more == 0)
    g_set_error (error, LIBRARY_ERROR, LIBRARY_ERROR_NOT_FOUND, _("there is no machine “%s”"), uuid);
  return NULL;
}

LibraryMachine *
library_find (Library *library, const char *name_or_uuid, GError **error)
{
  g_autoptr (sqlite3_stmt) statement = NULL;
  LibraryMachine *machine = NULL;
  int more;

  if (!library_sql_run (library, error, "BEGIN", ""))
    return NULL;
  /* A name wins over a UUID: nobody can hide a machine by naming another after it. */
  statement = library_sql_prepare (
      library, error, SELECT_MACHINE "WHERE name = ?1 OR uuid = ?1 ORDER BY name = ?1 DESC", "s", name_or_uuid);
  more = statement ? library_sql_step (library, statement, error) : -1;
  if (more > 0)
    machine = load_machine (library, statement, error);
  else if (more == 0)
    g_set_error (error, LIBRARY_ERROR, LIBRARY_ERROR_NOT_FOUND, _("there is no machine “%s”"), name_or_uuid);
  g_clear_pointer (&statement, sqlite3_finalize);
  library_sql_end (library, FALSE, NULL);
  return machine;
}

gboolean
library_machine_id (Library *library, const char *uuid, int64_t *id, GError **error)
{
  *id = -1;
  if (!library_sql_int (library, error, id, "SELECT id FROM machine WHERE uuid = ?", "s", uuid))
    return FALSE;
  if (*id >= 0)
    return TRUE;
  g_set_error (error, LIBRARY_ERROR, LIBRARY_ERROR_NOT_FOUND, _("there is no machine “%s”"), uuid);
  return FALSE;
}

/* An address of the range that VirtualBox also uses for guests, not in the library yet. */
static gboolean
pick_mac (Library *library, char mac[18], GError **error)
{
  for (;;)
    {
      uint32_t random = g_random_int ();
      int64_t taken = 0;

      g_snprintf (mac, 18, "08:00:27:%02x:%02x:%02x", random & 0xff, (random >> 8) & 0xff, (random >> 16) & 0xff);
      if (!library_sql_int (library, error, &taken, "SELECT count(*) FROM adapter WHERE mac = ?", "s", mac))
        return FALSE;
      if (!taken)
        return TRUE;
    }
}

static gboolean
store_forwards (Library *library, int64_t adapter, GPtrArray *forwards, GError **error)
{
  for (unsigned i = 0; i < forwards->len; i++)
    {
      const LibraryForward *forward = g_ptr_array_index (forwards, i);

      if (!library_sql_run (
              library, error,
              "INSERT INTO forward (adapter, protocol, host_address, host_port, guest_address, guest_port) "
              "VALUES (?, ?, ?, ?, ?, ?)",
              "issisi", adapter, forward->udp ? "udp" : "tcp", forward->host_address, (int64_t)forward->host_port,
              forward->guest_address, (int64_t)forward->guest_port))
        return FALSE;
    }
  return TRUE;
}

/* Whether an adapter may have the address. A machine may keep one that another has, too: it is a clone, then. */
static gboolean
check_mac (Library *library, const char *mac, GPtrArray *own, GError **error)
{
  int64_t taken = 0;

  if (g_ptr_array_find_with_equal_func (own, mac, g_str_equal, NULL))
    return TRUE;
  if (!library_sql_int (library, error, &taken, "SELECT count(*) FROM adapter WHERE mac = ?", "s", mac))
    return FALSE;
  if (taken)
    g_set_error (error, LIBRARY_ERROR, LIBRARY_ERROR_INVALID, _("another network adapter has the MAC address %s"), mac);
  return !taken;
}

/* The addresses that the machine's adapters have. */
static GPtrArray *
load_macs (Library *library, int64_t machine, GError **error)
{
  g_autoptr (GPtrArray) macs = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (sqlite3_stmt) statement = NULL;
  int more;

  statement = library_sql_prepare (library, error, "SELECT mac FROM adapter WHERE machine = ?", "i", machine);
  if (!statement)
    return NULL;
  while ((more = library_sql_step (library, statement, error)) > 0)
    g_ptr_array_add (macs, library_sql_text (statement, 0));
  return more == 0 ? g_steal_pointer (&macs) : NULL;
}

/* @exact: their addresses may be others' already. */
static gboolean
store_adapters (Library *library, int64_t machine, GPtrArray *adapters, gboolean exact, GError **error)
{
  g_autoptr (GPtrArray) own = load_macs (library, machine, error);

  if (!own || !library_sql_run (library, error, "DELETE FROM adapter WHERE machine = ?", "i", machine))
    return FALSE;
  for (unsigned i = 0; i < adapters->len; i++)
    {
      LibraryAdapter *adapter = g_ptr_array_index (adapters, i);

      if (adapter->mac[0] == '\0' && !pick_mac (library, adapter->mac, error))
        return FALSE;
      if (!exact && !check_mac (library, adapter->mac, own, error))
        return FALSE;
      /* Within one machine each goes to one adapter. */
      for (unsigned j = 0; j < i; j++)
        if (g_ascii_strcasecmp (((LibraryAdapter *) adapters->pdata[j])->mac, adapter->mac) == 0)
          {
            g_set_error (error, LIBRARY_ERROR, LIBRARY_ERROR_INVALID,
                         _("another network adapter has the MAC address %s"), adapter->mac);
            return FALSE;
          }
      if (!library_sql_run (library, error,
                            "INSERT INTO adapter (machine, slot, model, mac, kind, param, cable) "
                            "VALUES (?, ?, ?, ?, ?, ?, ?)", "iissssi", machine, (int64_t) adapter->slot,
                            adapter->model, adapter->mac, net_names[adapter->kind], adapter->param,
                            (int64_t) !!adapter->cable) ||
          !store_forwards (library, sqlite3_last_insert_rowid (library->db), adapter->forwards, error))
        return FALSE;
    }
  return TRUE;
}

gboolean
library_forget_unused_disks (Library *library, GError **error)
{
  return library_sql_run (library, error,
                          "DELETE FROM medium AS m WHERE kind = 'disk' AND kept = 0 AND base IS NULL "
                          "AND NOT EXISTS (SELECT * FROM attachment WHERE medium = m.id) "
                          "AND NOT EXISTS (SELECT * FROM snapshot_disk WHERE medium = m.id) "
                          "AND NOT EXISTS (SELECT * FROM medium WHERE base = m.id)", "");
}

gboolean
library_check_name_free (Library *library, const LibraryMachine *machine, GError **error)
{
  int64_t taken = 0;

  if (!library_sql_int (library, error, &taken, "SELECT count(*) FROM machine WHERE name = ? AND uuid IS NOT ?", "ss",
                        machine->name, machine->uuid))
    return FALSE;
  if (taken)
    g_set_error (error, LIBRARY_ERROR, LIBRARY_ERROR_EXISTS, _("there is a machine “%s” already"), machine->name);
  return !taken;
}

gboolean
library_sync_folder (const char *path, GError **error)
{
  int fd = open (path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  gboolean ok;

  /* Some file systems cannot, and say so. */
  ok = fd >= 0 && (fsync (fd) == 0 || errno == EINVAL);
  if (!ok)
    g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (errno), _("cannot write “%s”: %s"), path, g_strerror (errno));
  if (fd >= 0)
    close (fd);
  return ok;
}

gboolean
library_make_folder (Library *library, LibraryMachine *machine, GError **error)
{
  g_autofree char *safe = library_safe_name (machine->name), *base = NULL;
  g_autofree char *parent = g_build_filename (library->home, "machines", NULL);

  if (!machine->uuid)
    machine->uuid = g_uuid_string_random ();
  base = g_strdup_printf ("%s-%s", safe, machine->uuid);
  machine->folder = g_build_filename (parent, base, NULL);
  if (g_mkdir_with_parents (parent, 0700) != 0 || g_mkdir (machine->folder, 0700) != 0)
    g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (errno), _("cannot create the machine's folder “%s”: %s"),
                 machine->folder, g_strerror (errno));
  else if (library_sync_folder (parent, error))
    return TRUE;
  else
    g_rmdir (machine->folder);
  g_clear_pointer (&machine->folder, g_free);
  return FALSE;
}

gboolean
library_insert_machine (Library *library, LibraryMachine *machine, gboolean exact, GError **error)
{
  g_autofree char *folder = g_path_get_basename (machine->folder);
  g_autofree char *boot = library_boot_format (machine->boot);
  const LibraryAutomatic *automatic = &machine->automatic;
  int64_t id;

  if (!library_sql_run (library, error,
                        "INSERT INTO machine (uuid, name, folder, description, os_id, memory, cpus, cpu_model, accel, "
                        "firmware, chipset, boot, rtc_utc, created, code_cache, " LIBRARY_AUTOMATIC_COLUMNS ") "
                        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                        "sssssiisssssiiiiiii", machine->uuid, machine->name, folder, machine->description, machine->os_id,
                        (int64_t) machine->memory, (int64_t) machine->cpus, machine->cpu_model, machine->accel,
                        machine->firmware, machine->chipset, boot, (int64_t) !!machine->rtc_utc, machine->created,
                        (int64_t) machine->code_cache, (int64_t) !!automatic->before_disc, (int64_t) automatic->every,
                        (int64_t) automatic->keep, (int64_t) automatic->space))
    return FALSE;
  id = sqlite3_last_insert_rowid (library->db);
  return library_store_attachments (library, id, machine, exact, error) &&
         store_adapters (library, id, machine->adapters, exact, error);
}

gboolean
library_add_machine (Library *library, LibraryMachine *machine, GError **error)
{
  gboolean ok, new_folder = FALSE;

  if (!library_machine_validate (machine, error))
    return FALSE;
  if (!machine->uuid)
    machine->uuid = g_uuid_string_random ();
  if (machine->created == 0)
    machine->created = g_get_real_time () / G_USEC_PER_SEC;

  if (!library_sql_begin (library, error))
    return FALSE;
  ok = library_check_name_free (library, machine, error);
  if (ok && !machine->folder)
    ok = new_folder = library_make_folder (library, machine, error);
  ok = ok && library_insert_machine (library, machine, FALSE, error);
  ok = library_sql_end (library, ok, error);
  if (!ok && new_folder)
    {
      g_rmdir (machine->folder);
      g_clear_pointer (&machine->folder, g_free);
    }
  return ok;
}

gboolean
library_store_machine (Library *library, LibraryMachine *machine, gboolean exact, GError **error)
{
  g_autofree char *boot = library_boot_format (machine->boot);
  const LibraryAutomatic *automatic = &machine->automatic;
  int64_t id;

  return library_machine_id (library, machine->uuid, &id, error) && library_check_name_free (library, machine, error) &&
         library_sql_run (library, error,
                          "UPDATE machine SET name = ?, description = ?, os_id = ?, memory = ?, cpus = ?, "
                          "cpu_model = ?, accel = ?, firmware = ?, chipset = ?, boot = ?, rtc_utc = ?, code_cache = ?, "
                          "auto_disc = ?, auto_every = ?, auto_keep = ?, auto_space = ? WHERE id = ?",
                          "sssiisssssiiiiiii", machine->name, machine->description, machine->os_id,
                          (int64_t) machine->memory, (int64_t) machine->cpus, machine->cpu_model, machine->accel,
                          machine->firmware, machine->chipset, boot, (int64_t) !!machine->rtc_utc,
                          (int64_t) machine->code_cache, (int64_t) !!automatic->before_disc, (int64_t) automatic->every,
                          (int64_t) automatic->keep, (int64_t) automatic->space, id) &&
         library_store_attachments (library, id, machine, exact, error) &&
         store_adapters (library, id, machine->adapters, exact, error) && library_forget_unused_disks (library, error);
}

gboolean
library_update_machine (Library *library, LibraryMachine *machine, GError **error)
{
  if (!library_machine_validate (machine, error) || !library_sql_begin (library, error))
    return FALSE;
  return library_sql_end (library, library_store_machine (library, machine, FALSE, error), error);
}

gboolean
library_set_medium (Library *library, const char *uuid, LibraryController controller, unsigned unit, const char *path,
                    GError **error)
{
  LibraryMediumKind kind = controller == LIBRARY_CONTROLLER_FLOPPY ? LIBRARY_MEDIUM_FLOPPY : LIBRARY_MEDIUM_OPTICAL;
  int64_t id, medium = 0;
  gboolean ok;

  if (!library_sql_begin (library, error))
    return FALSE;
  ok = library_machine_id (library, uuid, &id, error) && (!path || library_medium_id (library, path, kind, NULL, &medium, error))
       && library_sql_run (
           library, error,
           "UPDATE attachment SET medium = nullif (?, 0) WHERE machine = ? AND controller = ? AND unit = ? "
           "AND kind <> 'disk'",
           "iisi", medium, id, library_controller_name (controller), (int64_t)unit);
  if (ok && sqlite3_changes (library->db) == 0)
    {
      g_set_error (error, LIBRARY_ERROR, LIBRARY_ERROR_NOT_FOUND, _("%s%u is no drive for changeable media"),
                   library_controller_name (controller), unit);
      ok = FALSE;
    }
  return library_sql_end (library, ok, error);
}

gboolean
library_set_forwards (Library *library, const char *uuid, unsigned slot, GPtrArray *forwards, GError **error)
{
  int64_t id, adapter = -1;
  gboolean ok;

  if (!library_sql_begin (library, error))
    return FALSE;
  ok = library_machine_id (library, uuid, &id, error) &&
       library_sql_int (library, error, &adapter, "SELECT id FROM adapter WHERE machine = ? AND slot = ?", "ii", id,
                        (int64_t) slot);
  if (ok && adapter < 0)
    {
      g_set_error (error, LIBRARY_ERROR, LIBRARY_ERROR_NOT_FOUND, _("there is no network adapter %u"), slot + 1);
      ok = FALSE;
    }
  ok = ok && library_sql_run (library, error, "DELETE FROM forward WHERE adapter = ?", "i", adapter) &&
       store_forwards (library, adapter, forwards, error);
  return library_sql_end (library, ok, error);
}

char *
library_new_disk_path (const LibraryMachine *machine, const char *extension)
{
  g_autofree char *safe = library_safe_name (machine->name);

  for (unsigned i = 1;; i++)
    {
      g_autofree char *base = i == 1 ? g_strdup_printf ("%s.%s", safe, extension)
                                     : g_strdup_printf ("%s-%u.%s", safe, i, extension);
      g_autofree char *path = g_build_filename (machine->folder, base, NULL);

      if (!g_file_test (path, G_FILE_TEST_EXISTS) && !g_file_test (path, G_FILE_TEST_IS_SYMLINK))
        return g_steal_pointer (&path);
    }
}
