/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A machine's settings in words. */

#include "ui/record-text.h"

#include "storage/disk/disk.h"

#include <glib/gi18n.h>
#include <math.h>

const char *
record_text_medium_kind (LibraryMediumKind kind)
{
  switch (kind)
    {
    case LIBRARY_MEDIUM_DISK:
      return _("Disk");
    case LIBRARY_MEDIUM_OPTICAL:
      return _("CD/DVD drive");
    case LIBRARY_MEDIUM_FLOPPY:
      return _("Floppy drive");
    }
  g_assert_not_reached ();
}

const char *
record_text_medium_icon (LibraryMediumKind kind)
{
  switch (kind)
    {
    case LIBRARY_MEDIUM_DISK:
      return "drive-harddisk-symbolic";
    case LIBRARY_MEDIUM_OPTICAL:
      return "media-optical-symbolic";
    case LIBRARY_MEDIUM_FLOPPY:
      return "media-floppy-symbolic";
    }
  g_assert_not_reached ();
}

const char *
record_text_controller (LibraryController controller)
{
  switch (controller)
    {
    case LIBRARY_CONTROLLER_IDE:
      return _("IDE");
    case LIBRARY_CONTROLLER_FLOPPY:
      return _("Floppy");
    case LIBRARY_CONTROLLER_AHCI:
      return _("SATA (AHCI)");
    case LIBRARY_CONTROLLER_VIRTIO:
      return _("Virtio");
    case LIBRARY_CONTROLLER_NVME:
      return _("NVMe");
    case LIBRARY_CONTROLLER_SCSI:
      return _("SCSI (virtio)");
    default:
      return library_controller_name (controller);
    }
}

char *
record_text_place (LibraryController controller, unsigned unit)
{
  static const char *const places[LIBRARY_IDE_UNITS] = {
    N_ ("IDE primary master"), N_ ("IDE primary slave"), N_ ("IDE secondary master"), N_ ("IDE secondary slave"),
  };

  switch (controller)
    {
    case LIBRARY_CONTROLLER_IDE:
      return g_strdup (_(places[unit % LIBRARY_IDE_UNITS]));
    case LIBRARY_CONTROLLER_FLOPPY:
      /* Translators: the letter of a floppy drive, "Drive A". */
      return g_strdup_printf (_("Drive %c"), 'A' + (int) unit);
    case LIBRARY_CONTROLLER_AHCI:
      return g_strdup_printf (_("SATA port %u"), unit);
    case LIBRARY_CONTROLLER_VIRTIO:
      return g_strdup_printf (_("Virtio %u"), unit);
    case LIBRARY_CONTROLLER_NVME:
      return g_strdup_printf (_("NVMe %u"), unit);
    case LIBRARY_CONTROLLER_SCSI:
      return g_strdup_printf (_("SCSI %u"), unit);
    default:
      return g_strdup_printf ("%s %u", library_controller_name (controller), unit);
    }
}

const char *
record_text_file (const LibraryAttachment *attachment)
{
  guint layers = attachment->chain != NULL ? g_strv_length (attachment->chain) : 0;

  return layers > 0 ? attachment->chain[layers - 1] : attachment->path;
}

char *
record_text_medium (const LibraryAttachment *attachment)
{
  const char *path = record_text_file (attachment);
  g_autofree char *name = NULL;

  if (path == NULL)
    return g_strdup (_("Empty"));
  if (disk_is_remote (path))
    return disk_shown_path (path);
  name = g_path_get_basename (path);
  return g_filename_display_name (name);
}

const char *
record_text_boot_device (LibraryBoot device)
{
  switch (device)
    {
    case LIBRARY_BOOT_NONE:
      return _("None");
    case LIBRARY_BOOT_FLOPPY:
      return _("Floppy");
    case LIBRARY_BOOT_DISK:
      return _("Disk");
    case LIBRARY_BOOT_CDROM:
      return _("CD/DVD");
    case LIBRARY_BOOT_NETWORK:
      return _("Network");
    }
  g_assert_not_reached ();
}

char *
record_text_boot (const LibraryBoot boot[LIBRARY_MAX_BOOT])
{
  g_autoptr (GString) text = g_string_new (NULL);

  for (unsigned i = 0; i < LIBRARY_MAX_BOOT && boot[i] != LIBRARY_BOOT_NONE; i++)
    {
      if (text->len > 0)
        /* Translators: between the devices a machine starts from, "Disk, CD/DVD". */
        g_string_append (text, _(", "));
      g_string_append (text, record_text_boot_device (boot[i]));
    }
  if (text->len == 0)
    g_string_append (text, _("Nothing"));
  return g_string_free (g_steal_pointer (&text), FALSE);
}

const char *
record_text_network (LibraryNetKind kind)
{
  switch (kind)
    {
    case LIBRARY_NET_NONE:
      return _("Not connected");
    case LIBRARY_NET_NAT:
      return _("NAT");
    }
  g_assert_not_reached ();
}

char *
record_text_forward (const LibraryForward *forward)
{
  const char *host = forward->host_address != NULL ? forward->host_address : "127.0.0.1";

  if (forward->guest_address != NULL)
    return g_strdup_printf ("%s %s:%u → %s:%u", forward->udp ? "UDP" : "TCP", host, forward->host_port,
                            forward->guest_address, forward->guest_port);
  return g_strdup_printf ("%s %s:%u → %u", forward->udp ? "UDP" : "TCP", host, forward->host_port,
                          forward->guest_port);
}

char *
record_text_adapter (const LibraryAdapter *adapter)
{
  return g_strdup_printf (_("Adapter %u"), adapter->slot + 1);
}

const char *
record_text_adapter_model (const char *model)
{
  return g_strcmp0 (model, "e1000") == 0 ? _("Intel 82540EM") : model;
}

const char *
record_text_accel (const char *accel)
{
  if (g_strcmp0 (accel, "interp") == 0)
    return _("Interpreter");
  if (g_strcmp0 (accel, "jit") == 0)
    return _("Translator");
  return g_strcmp0 (accel, "kvm") == 0 ? _("Hardware (KVM)") : accel;
}

/* More than a short measurement tells would be a lie. */
static double
two_digits (double value)
{
  double unit = pow (10, floor (log10 (value)) - 1);

  return round (value / unit) * unit;
}

char *
record_text_accel_reason (const MachineInfo *info)
{
  switch (info->accel_reason)
    {
    case MACHINE_WHY_CHOSEN:
      return g_strdup (_("chosen in the settings"));
    case MACHINE_WHY_FASTEST:
      return g_strdup (_("the fastest here"));
    case MACHINE_WHY_NO_KVM:
      return g_strdup (_("this host has no /dev/kvm"));
    case MACHINE_WHY_KVM_DENIED:
      return g_strdup (_("KVM is there but you may not open /dev/kvm"));
    case MACHINE_WHY_KVM_SLOW:
      /* Translators: KVM is the name of Linux's access to the processor's virtualisation. */
      return g_strdup_printf (_("KVM is there but this host emulates it: %.*f × slower than translation"),
                              info->accel_slowdown < 10 ? 1 : 0, two_digits (info->accel_slowdown));
    case MACHINE_WHY_KVM_UNFIT:
      return g_strdup_printf (_("KVM is there but cannot be used: %s"), info->accel_detail);
    case MACHINE_WHY_NO_CODE_MEMORY:
      return g_strdup (_("this host gives no executable memory for translated code"));
    case MACHINE_WHY_SWITCHED:
      return g_strdup (_("switched to by a developer"));
    default:
      g_assert_not_reached ();
    }
}
