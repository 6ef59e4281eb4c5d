/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A running session's drives and network adapters: what is put in, taken out, plugged and forwarded; the library's record follows. */

#include "app/forwards.h"
#include "app/machine-build.h"
#include "app/session-private.h"
#include "network/nat.h"

#include <glib/gi18n.h>
#include <string.h>

typedef struct
{
  BunshinSession *session;
  char *slot;
} Ejected;

static void
ejected_free (gpointer data)
{
  Ejected *ejected = data;

  g_object_unref (ejected->session);
  g_free (ejected->slot);
  g_free (ejected);
}

static LibraryAttachment *
find_slot (BunshinSession *self, const char *slot)
{
  for (unsigned i = 0; i < self->record->attachments->len; i++)
    {
      LibraryAttachment *drive = g_ptr_array_index (self->record->attachments, i);
      g_autofree char *name = library_attachment_slot (drive);

      if (strcmp (name, slot) == 0)
        return drive;
    }
  return NULL;
}

/* The record follows what is in the drive. */
static gboolean
store_medium (BunshinSession *self, LibraryAttachment *drive, const char *path, GError **error)
{
  library_attachment_set_path (drive, path, NULL);
  return !self->library || library_set_medium (self->library, self->record->uuid, drive->controller, drive->unit, path,
                                               error);
}

static gboolean
on_ejected_idle (gpointer data)
{
  Ejected *ejected = data;
  LibraryAttachment *drive = find_slot (ejected->session, ejected->slot);
  g_autoptr (GError) error = NULL;

  if (drive && !store_medium (ejected->session, drive, NULL, &error))
    g_message ("%s", error->message);
  return G_SOURCE_REMOVE;
}

void
session_on_ejected (void *opaque, Machine *machine, const char *slot)
{
  Ejected *ejected = g_new (Ejected, 1);

  ejected->session = g_object_ref (opaque);
  ejected->slot = g_strdup (slot);
  g_idle_add_full (G_PRIORITY_DEFAULT, on_ejected_idle, ejected, ejected_free);
}

LibraryAttachment *
session_find_drive (BunshinSession *self, const char *slot, GError **error)
{
  LibraryAttachment *drive = find_slot (self, slot);

  if (drive && drive->kind != LIBRARY_MEDIUM_DISK)
    return drive;
  g_set_error (error, LIBRARY_ERROR, LIBRARY_ERROR_NOT_FOUND, _("%s is no drive for changeable media"), slot);
  return NULL;
}

gboolean
session_put (BunshinSession *self, LibraryAttachment *drive, const char *path, Disk *disk, gboolean force, GError **error)
{
  g_autofree char *slot = library_attachment_slot (drive);

  if (!machine_insert (self->machine, slot, disk, force, error))
    return FALSE;
  if (path && drive->kind == LIBRARY_MEDIUM_OPTICAL)
    session_remember_disc (self, path);
  return store_medium (self, drive, path, error);
}

static void
set_disk (LibraryMachine *record, LibraryController controller, unsigned unit, const char *path, const char *format)
{
  LibraryAttachment *old = library_machine_find_attachment (record, controller, unit);

  if (old)
    g_ptr_array_remove (record->attachments, old);
  if (path)
    library_machine_add_attachment (record, controller, unit, LIBRARY_MEDIUM_DISK, path, format);
}

/* The library may have changed since the machine was started: only this drive is ours to change. */
static gboolean
store_disk (BunshinSession *self, LibraryController controller, unsigned unit, const char *path, const char *format,
            GError **error)
{
  g_autoptr (LibraryMachine) stored = NULL;

  set_disk (self->record, controller, unit, path, format);
  if (!self->library)
    return TRUE;
  stored = library_find (self->library, self->record->uuid, error);
  if (!stored)
    return FALSE;
  set_disk (stored, controller, unit, path, format);
  return library_update_machine (self->library, stored, error);
}

gboolean
bunshin_session_plug (BunshinSession *self, const char *slot, const char *path, GError **error)
{
  LibraryController controller;
  unsigned unit;
  Disk *disk = NULL;
  gboolean ok;

  if (!session_check_alive (self, error) || !session_job_check (self, error))
    return FALSE;
  if (!library_slot_parse (slot, &controller, &unit) || !library_controller_takes (controller, LIBRARY_MEDIUM_DISK))
    {
      g_set_error (error, LIBRARY_ERROR, LIBRARY_ERROR_NOT_FOUND, _("there is no disk at %s"), slot);
      return FALSE;
    }
  if (path && !(disk = machine_build_open_medium (LIBRARY_MEDIUM_DISK, path, FALSE, error)))
    return FALSE;
  ok = machine_plug (self->machine, slot, disk, error)
       && store_disk (self, controller, unit, path, disk ? disk_format_name (disk) : NULL, error);
  g_clear_pointer (&disk, disk_unref);
  return ok;
}

static NetPort *
find_port (BunshinSession *self, unsigned slot, GError **error)
{
  NetPort *port = NULL;

  if (!session_check_alive (self, error))
    return NULL;
  if (slot < MACHINE_MAX_NICS)
    port = machine_net_port (self->machine, slot);
  if (!port)
    g_set_error (error, LIBRARY_ERROR, LIBRARY_ERROR_NOT_FOUND, _("there is no network adapter %u"), slot + 1);
  return port;
}

gboolean
bunshin_session_forward (BunshinSession *self, unsigned slot, const char *rule, gboolean add, GError **error)
{
  NetPort *port = find_port (self, slot, error);
  ForwardRule parsed;

  if (!port || !forward_rule_parse (rule, &parsed, error))
    return FALSE;
  if (!net_port_is_nat (port))
    {
      g_set_error (error, LIBRARY_ERROR, LIBRARY_ERROR_INVALID, _("network adapter %u has no NAT"), slot + 1);
      return FALSE;
    }
  return add ? nat_add_forward (port, &parsed, error) : nat_remove_forward (port, &parsed, error);
}

gboolean
bunshin_session_set_cable (BunshinSession *self, unsigned slot, gboolean connected, GError **error)
{
  LibraryAdapter *adapter;

  if (!session_job_check (self, error) || !find_port (self, slot, error))
    return FALSE;
  machine_set_cable (self->machine, slot, connected);
  adapter = library_machine_find_adapter (self->record, slot);
  if (!adapter)
    return TRUE;
  adapter->cable = connected;
  if (!self->library)
    return TRUE;
  {
    /* Others may have changed the record meanwhile: only the cable is ours. */
    g_autoptr (LibraryMachine) stored = library_find (self->library, self->record->uuid, error);
    LibraryAdapter *stored_adapter = stored ? library_machine_find_adapter (stored, slot) : NULL;

    if (!stored_adapter)
      return stored != NULL;
    stored_adapter->cable = connected;
    return library_update_machine (self->library, stored, error);
  }
}
