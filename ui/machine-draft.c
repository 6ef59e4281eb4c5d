/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A machine that is being thought up; see the header. */

#include "ui/machine-draft.h"

#include "ui/disk-formats.h"

#include <glib/gi18n.h>
#include <string.h>

enum { IDE_CDROM_UNIT = 2, AHCI_CDROM_UNIT = 1 };

MachineDraft *
machine_draft_new (void)
{
  MachineDraft *self = g_new0 (MachineDraft, 1);

  self->name = g_strdup ("");
  self->disk_format = g_strdup ("vdi");
  self->disk_variant = g_strdup ("dynamic");
  self->network = TRUE;
  self->rtc_utc = TRUE;
  return self;
}

void
machine_draft_free (MachineDraft *self)
{
  g_free (self->name);
  g_free (self->disc);
  g_free (self->os_id);
  g_free (self->disk_format);
  g_free (self->disk_variant);
  g_free (self->disk_folder);
  g_free (self->disk_path);
  g_free (self);
}

void
machine_draft_set_os (MachineDraft *self, const OsFacts *facts, const char *name, uint64_t host_memory)
{
  OsDefaults defaults;

  os_defaults (facts, host_memory, &defaults);
  if (self->os_id != facts->id)
    {
      g_free (self->os_id);
      self->os_id = g_strdup (facts->id);
    }
  if ((self->edited & DRAFT_MEMORY) == 0)
    self->memory = defaults.memory;
  if ((self->edited & DRAFT_CPUS) == 0)
    self->cpus = defaults.cpus;
  if ((self->edited & DRAFT_DISK_SIZE) == 0)
    self->disk_size = defaults.disk;
  if ((self->edited & DRAFT_NAME) == 0 && name != NULL)
    {
      g_free (self->name);
      self->name = g_strdup (name);
    }
  if ((self->edited & DRAFT_CONTROLLER) == 0)
    self->controller = defaults.controller;
  self->rtc_utc = defaults.rtc_utc;
  self->floppy = defaults.floppy;
}

static gboolean
is_taken (const char *name, const char *const *taken)
{
  for (gsize i = 0; taken != NULL && taken[i] != NULL; i++)
    if (g_str_equal (taken[i], name))
      return TRUE;
  return FALSE;
}

char *
machine_draft_free_name (const char *name, const char *const *taken)
{
  g_autofree char *candidate = g_strdup (name);

  /* One of the first so many numbers is free, or there would be as many names. */
  for (guint number = 2; is_taken (candidate, taken); number++)
    {
      g_free (candidate);
      candidate = g_strdup_printf ("%s %u", name, number);
    }
  return g_steal_pointer (&candidate);
}

gboolean
machine_draft_check_name (const char *name, const char *const *taken, GError **error)
{
  if (name[0] == '\0')
    {
      g_set_error_literal (error, LIBRARY_ERROR, LIBRARY_ERROR_INVALID, _("The machine needs a name"));
      return FALSE;
    }
  if (g_ascii_isspace (name[0]) || g_ascii_isspace (name[strlen (name) - 1]))
    {
      g_set_error_literal (error, LIBRARY_ERROR, LIBRARY_ERROR_INVALID,
                           _("A name cannot begin or end with a space"));
      return FALSE;
    }
  if (strlen (name) > LIBRARY_NAME_MAX)
    {
      g_set_error_literal (error, LIBRARY_ERROR, LIBRARY_ERROR_INVALID, _("This name is too long"));
      return FALSE;
    }
  if (is_taken (name, taken))
    {
      g_set_error_literal (error, LIBRARY_ERROR, LIBRARY_ERROR_EXISTS, _("Another machine has this name"));
      return FALSE;
    }
  return library_name_validate (name, error);
}

LibraryMachine *
machine_draft_to_record (const MachineDraft *self)
{
  LibraryMachine *record = library_machine_new (self->name);
  LibraryAdapter *adapter;

  g_free (record->os_id);
  record->os_id = g_strdup (self->os_id);
  record->memory = self->memory;
  record->cpus = self->cpus;
  record->rtc_utc = self->rtc_utc;
  if (self->disk == DRAFT_DISK_EXISTING)
    library_machine_add_drive (record, self->controller, LIBRARY_MEDIUM_DISK, self->disk_path, NULL);
  /* Discs go where the disk is, if they can: a system that has a driver for that needs no other. */
  if (self->controller == LIBRARY_CONTROLLER_AHCI)
    library_machine_add_attachment (record, LIBRARY_CONTROLLER_AHCI, AHCI_CDROM_UNIT, LIBRARY_MEDIUM_OPTICAL,
                                    self->disc, NULL);
  else
    library_machine_add_attachment (record, LIBRARY_CONTROLLER_IDE, IDE_CDROM_UNIT, LIBRARY_MEDIUM_OPTICAL, self->disc,
                                    NULL);
  if (self->floppy)
    library_machine_add_attachment (record, LIBRARY_CONTROLLER_FLOPPY, 0, LIBRARY_MEDIUM_FLOPPY, NULL, NULL);
  adapter = library_machine_add_adapter (record, 0, self->network ? LIBRARY_NET_NAT : LIBRARY_NET_NONE);
  g_assert (adapter != NULL);
  return record;
}

char *
machine_draft_disk_path (const MachineDraft *self, const LibraryMachine *record)
{
  g_autofree char *own = library_new_disk_path (record, self->disk_format), *name = NULL;

  if (self->disk_folder == NULL)
    return g_steal_pointer (&own);
  name = g_path_get_basename (own);
  name[strlen (name) - strlen (self->disk_format) - 1] = '\0';
  return disk_free_path (self->disk_folder, name, self->disk_format);
}
