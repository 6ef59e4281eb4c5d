/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A machine's record in memory: making, copying and changing it. */

#include "storage/library/library-private.h"

#include <string.h>

static void
attachment_free (LibraryAttachment *attachment)
{
  g_free (attachment->path);
  g_free (attachment->format);
  g_strfreev (attachment->chain);
  g_free (attachment);
}

void
library_forward_free (LibraryForward *forward)
{
  g_free (forward->host_address);
  g_free (forward->guest_address);
  g_free (forward);
}

static void
adapter_free (LibraryAdapter *adapter)
{
  g_free (adapter->model);
  g_free (adapter->param);
  g_ptr_array_unref (adapter->forwards);
  g_free (adapter);
}

LibraryMachine *
library_machine_new (const char *name)
{
  LibraryMachine *machine = g_new0 (LibraryMachine, 1);

  machine->name = g_strdup (name);
  machine->memory = UINT64_C (1) << 30;
  machine->cpus = 1;
  machine->accel = g_strdup ("auto");
  machine->code_cache = LIBRARY_CODE_CACHE;
  machine->firmware = g_strdup ("bios");
  machine->chipset = g_strdup ("piix3");
  machine->boot[0] = LIBRARY_BOOT_DISK;
  machine->boot[1] = LIBRARY_BOOT_CDROM;
  machine->boot[2] = LIBRARY_BOOT_FLOPPY;
  machine->boot[3] = LIBRARY_BOOT_NETWORK;
  machine->rtc_utc = TRUE;
  machine->automatic.keep = LIBRARY_AUTOMATIC_KEEP;
  machine->automatic.space = LIBRARY_AUTOMATIC_SPACE;
  machine->attachments = g_ptr_array_new_with_free_func ((GDestroyNotify) attachment_free);
  machine->adapters = g_ptr_array_new_with_free_func ((GDestroyNotify) adapter_free);
  return machine;
}

void
library_machine_free (LibraryMachine *machine)
{
  if (!machine)
    return;
  g_free (machine->uuid);
  g_free (machine->name);
  g_free (machine->folder);
  g_free (machine->description);
  g_free (machine->os_id);
  g_free (machine->cpu_model);
  g_free (machine->accel);
  g_free (machine->firmware);
  g_free (machine->chipset);
  g_ptr_array_unref (machine->attachments);
  g_ptr_array_unref (machine->adapters);
  g_free (machine);
}

static gpointer
attachment_copy (gconstpointer source, gpointer data)
{
  LibraryAttachment *copy = g_memdup2 (source, sizeof *copy);

  copy->path = g_strdup (copy->path);
  copy->format = g_strdup (copy->format);
  copy->chain = g_strdupv (copy->chain);
  return copy;
}

static gpointer
forward_copy (gconstpointer source, gpointer data)
{
  LibraryForward *copy = g_memdup2 (source, sizeof *copy);

  copy->host_address = g_strdup (copy->host_address);
  copy->guest_address = g_strdup (copy->guest_address);
  return copy;
}

static gpointer
adapter_copy (gconstpointer source, gpointer data)
{
  LibraryAdapter *copy = g_memdup2 (source, sizeof *copy);

  copy->model = g_strdup (copy->model);
  copy->param = g_strdup (copy->param);
  copy->forwards = g_ptr_array_copy (copy->forwards, forward_copy, NULL);
  return copy;
}

LibraryMachine *
library_machine_copy (const LibraryMachine *machine)
{
  LibraryMachine *copy = g_memdup2 (machine, sizeof *copy);

  copy->uuid = g_strdup (machine->uuid);
  copy->name = g_strdup (machine->name);
  copy->folder = g_strdup (machine->folder);
  copy->description = g_strdup (machine->description);
  copy->os_id = g_strdup (machine->os_id);
  copy->cpu_model = g_strdup (machine->cpu_model);
  copy->code_cache = machine->code_cache;
  copy->accel = g_strdup (machine->accel);
  copy->firmware = g_strdup (machine->firmware);
  copy->chipset = g_strdup (machine->chipset);
  copy->attachments = g_ptr_array_copy (machine->attachments, attachment_copy, NULL);
  copy->adapters = g_ptr_array_copy (machine->adapters, adapter_copy, NULL);
  return copy;
}

static int
compare_attachments (gconstpointer a, gconstpointer b)
{
  const LibraryAttachment *x = *(LibraryAttachment *const *) a, *y = *(LibraryAttachment *const *) b;

  return x->controller != y->controller ? (int) x->controller - (int) y->controller : (int) x->unit - (int) y->unit;
}

static int
compare_adapters (gconstpointer a, gconstpointer b)
{
  return (int) (*(LibraryAdapter *const *) a)->slot - (int) (*(LibraryAdapter *const *) b)->slot;
}

LibraryAttachment *
library_machine_add_attachment (LibraryMachine *machine, LibraryController controller, unsigned unit,
                                LibraryMediumKind kind, const char *path, const char *format)
{
  LibraryAttachment *attachment;

  if (library_machine_find_attachment (machine, controller, unit))
    return NULL;
  attachment = g_new0 (LibraryAttachment, 1);
  attachment->controller = controller;
  attachment->unit = unit;
  attachment->kind = kind;
  library_attachment_set_path (attachment, path, format);
  g_ptr_array_add (machine->attachments, attachment);
  g_ptr_array_sort (machine->attachments, compare_attachments);
  return attachment;
}

/* What a controller is called, and what fits it. */
static const struct
{
  const char *name;
  unsigned units, kinds; /* bits of LibraryMediumKind */
} controllers[] = {
  [LIBRARY_CONTROLLER_IDE] = { "ide", LIBRARY_IDE_UNITS, 1 << LIBRARY_MEDIUM_DISK | 1 << LIBRARY_MEDIUM_OPTICAL },
  [LIBRARY_CONTROLLER_FLOPPY] = { "floppy", LIBRARY_FLOPPY_UNITS, 1 << LIBRARY_MEDIUM_FLOPPY },
  [LIBRARY_CONTROLLER_AHCI] = { "ahci", LIBRARY_AHCI_UNITS, 1 << LIBRARY_MEDIUM_DISK | 1 << LIBRARY_MEDIUM_OPTICAL },
  [LIBRARY_CONTROLLER_VIRTIO] = { "virtio", LIBRARY_VIRTIO_UNITS, 1 << LIBRARY_MEDIUM_DISK },
  [LIBRARY_CONTROLLER_NVME] = { "nvme", LIBRARY_NVME_UNITS, 1 << LIBRARY_MEDIUM_DISK },
  [LIBRARY_CONTROLLER_SCSI] = { "scsi", LIBRARY_SCSI_UNITS, 1 << LIBRARY_MEDIUM_DISK | 1 << LIBRARY_MEDIUM_OPTICAL },
};

unsigned
library_controller_count (void)
{
  return G_N_ELEMENTS (controllers);
}

const char *
library_controller_name (LibraryController controller)
{
  return controllers[controller].name;
}

unsigned
library_controller_units (LibraryController controller)
{
  return controllers[controller].units;
}

gboolean
library_controller_takes (LibraryController controller, LibraryMediumKind kind)
{
  return (controllers[controller].kinds >> kind & 1) != 0;
}

gboolean
library_controller_parse (const char *name, LibraryController *controller)
{
  for (unsigned i = 0; i < G_N_ELEMENTS (controllers); i++)
    if (g_strcmp0 (controllers[i].name, name) == 0)
      {
        *controller = (LibraryController) i;
        return TRUE;
      }
  return FALSE;
}

gboolean
library_slot_parse (const char *slot, LibraryController *controller, unsigned *unit)
{
  size_t letters = strcspn (slot, "0123456789");
  g_autofree char *name = g_strndup (slot, letters), *again = NULL;
  guint64 number;

  if (!library_controller_parse (name, controller) ||
      !g_ascii_string_to_unsigned (slot + letters, 10, 0, controllers[*controller].units - 1, &number, NULL))
    return FALSE;
  *unit = (unsigned) number;
  /* One place, one name: not “ide00”. */
  again = g_strdup_printf ("%s%u", name, *unit);
  return strcmp (again, slot) == 0;
}

LibraryAttachment *
library_machine_add_drive (LibraryMachine *machine, LibraryController controller, LibraryMediumKind kind,
                           const char *path, const char *format)
{
  for (unsigned unit = 0; unit < library_controller_units (controller); unit++)
    if (!library_machine_find_attachment (machine, controller, unit))
      return library_machine_add_attachment (machine, controller, unit, kind, path, format);
  return NULL;
}

LibraryAdapter *
library_machine_add_adapter (LibraryMachine *machine, unsigned slot, LibraryNetKind kind)
{
  LibraryAdapter *adapter;

  if (slot >= LIBRARY_MAX_ADAPTERS || library_machine_find_adapter (machine, slot))
    return NULL;
  adapter = g_new0 (LibraryAdapter, 1);
  adapter->slot = slot;
  adapter->model = g_strdup ("e1000");
  adapter->kind = kind;
  adapter->cable = TRUE;
  adapter->forwards = g_ptr_array_new_with_free_func ((GDestroyNotify) library_forward_free);
  g_ptr_array_add (machine->adapters, adapter);
  g_ptr_array_sort (machine->adapters, compare_adapters);
  return adapter;
}

LibraryAttachment *
library_machine_find_attachment (const LibraryMachine *machine, LibraryController controller, unsigned unit)
{
  for (unsigned i = 0; i < machine->attachments->len; i++)
    {
      LibraryAttachment *attachment = g_ptr_array_index (machine->attachments, i);

      if (attachment->controller == controller && attachment->unit == unit)
        return attachment;
    }
  return NULL;
}

LibraryAttachment *
library_machine_find_drive (const LibraryMachine *machine, LibraryMediumKind kind)
{
  for (unsigned i = 0; i < machine->attachments->len; i++)
    {
      LibraryAttachment *attachment = g_ptr_array_index (machine->attachments, i);

      if (attachment->kind == kind)
        return attachment;
    }
  return NULL;
}

LibraryAdapter *
library_machine_find_adapter (const LibraryMachine *machine, unsigned slot)
{
  for (unsigned i = 0; i < machine->adapters->len; i++)
    {
      LibraryAdapter *adapter = g_ptr_array_index (machine->adapters, i);

      if (adapter->slot == slot)
        return adapter;
    }
  return NULL;
}

void
library_attachment_set_path (LibraryAttachment *attachment, const char *path, const char *format)
{
  char *new_path = g_strdup (path), *new_format = path ? g_strdup (format) : NULL;

  g_free (attachment->path);
  g_free (attachment->format);
  g_clear_pointer (&attachment->chain, g_strfreev);
  attachment->path = new_path;
  attachment->format = new_format;
}

char *
library_attachment_slot (const LibraryAttachment *attachment)
{
  return g_strdup_printf ("%s%u", library_controller_name (attachment->controller), attachment->unit);
}

LibraryForward *
library_adapter_add_forward (LibraryAdapter *adapter, gboolean udp, const char *host_address, uint16_t host_port,
                             const char *guest_address, uint16_t guest_port)
{
  LibraryForward *forward = g_new0 (LibraryForward, 1);

  forward->udp = udp;
  forward->host_address = g_strdup (host_address);
  forward->host_port = host_port;
  forward->guest_address = g_strdup (guest_address);
  forward->guest_port = guest_port;
  g_ptr_array_add (adapter->forwards, forward);
  return forward;
}
