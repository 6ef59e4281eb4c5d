/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The virtio SCSI host: the device, and its targets. Target N is addressed as channel 0, target N, LUN 0. What is under
 * way when the state is saved is saved as the head of its chain, and done again from the start after a load: doing any
 * request twice comes to the same. Specification: see scsi-private.h.
 */

#include "engine/devices/virtio/scsi-private.h"

#include <gio/gio.h>
#include <glib/gi18n-lib.h>
#include <string.h>

uint32_t
scsi_cdb_size (const VirtioScsi *d)
{
  return pci_get_long (d->parent.config + CONFIG_CDB_SIZE);
}

uint32_t
scsi_sense_size (const VirtioScsi *d)
{
  return pci_get_long (d->parent.config + CONFIG_SENSE_SIZE);
}

gboolean
scsi_parse_lun (const uint8_t lun[LUN_SIZE], unsigned *target, gboolean *is_unit)
{
  *target = lun[1];
  *is_unit = ((lun[2] & 0x3f) | lun[3]) == 0 && (lun[2] >> 6) <= 1;
  return lun[0] == 1 && *target < VIRTIO_SCSI_TARGETS;
}

/* The device */

static void
fill_config (const VirtioScsi *d, uint8_t config[CONFIG_SIZE])
{
  memset (config, 0, CONFIG_SIZE);
  pci_set_long (config + CONFIG_QUEUES, d->queue_count);
  pci_set_long (config + CONFIG_SEG_MAX, QUEUE_SIZE - 2);
  pci_set_long (config + CONFIG_MAX_SECTORS, 0xffff);
  pci_set_long (config + CONFIG_CMD_PER_LUN, QUEUE_SIZE);
  pci_set_long (config + CONFIG_EVENT_INFO_SIZE, EVENT_SIZE);
  pci_set_long (config + CONFIG_SENSE_SIZE, SENSE_SIZE_DEFAULT);
  pci_set_long (config + CONFIG_CDB_SIZE, CDB_SIZE_DEFAULT);
  pci_set_word (config + CONFIG_MAX_TARGET, VIRTIO_SCSI_TARGETS - 1);
}

static gboolean
sizes_are_sound (uint32_t sense, uint32_t cdb)
{
  return sense <= SENSE_SIZE_MAX && cdb > 0 && cdb <= CDB_SIZE_MAX;
}

static void
scsi_config_written (VirtioPci *v, uint32_t offset, uint32_t value, unsigned size)
{
  const VirtioScsi *d = (const VirtioScsi *) v;

  /* What is under way has the sizes that it came with. */
  if (size != 4 || d->requests.length > 0)
    return;
  if ((offset == CONFIG_SENSE_SIZE && sizes_are_sound (value, 1)) || (offset == CONFIG_CDB_SIZE && sizes_are_sound (0, value)))
    pci_set_long (v->config + offset, value);
}

static void
scsi_stopped (VirtioPci *v)
{
  VirtioScsi *d = (VirtioScsi *) v;

  scsi_cancel (d, -1, NULL, -1);
  fill_config (d, v->config);
  d->starved = FALSE;
  d->next_queue = 0;
  d->event_count = d->events_missed = 0;
}

static void
scsi_kicked (VirtioPci *v, unsigned queue)
{
  VirtioScsi *d = (VirtioScsi *) v;

  if (queue == QUEUE_CONTROL)
    scsi_kicked_control (d);
  else if (queue == QUEUE_EVENT)
    scsi_kicked_event (d);
  else
    scsi_kicked_request (d, queue);
}

static const VirtioOps scsi_ops = { .id = VIRTIO_ID_SCSI,
                                    .transitional_id = 0x1004,
                                    .class_code = 0x0100,
                                    .config_size = CONFIG_SIZE,
                                    .config_written = scsi_config_written,
                                    .stopped = scsi_stopped,
                                    .kicked = scsi_kicked };

static gboolean
scsi_realize (Device *dev, const DeviceEnv *env, GError **error)
{
  VirtioScsi *d = (VirtioScsi *) dev;

  g_queue_init (&d->requests);
  g_queue_init (&d->orphans);
  d->queue_count = MAX (d->queue_count, 1);
  if (!virtio_pci_init (&d->parent, env, &scsi_ops, VIRTIO_FEATURE (F_INOUT) | VIRTIO_FEATURE (F_HOTPLUG) | VIRTIO_FEATURE (F_CHANGE),
                        QUEUE_REQUEST + d->queue_count, QUEUE_SIZE, error))
    return FALSE;
  for (unsigned i = 0; i < VIRTIO_SCSI_TARGETS; i++)
    {
      if (d->targets[i].disk != NULL)
        disk_set_context (d->targets[i].disk, env->context);
    }
  fill_config (d, d->parent.config);
  return TRUE;
}

static void
scsi_reset (Device *dev)
{
  VirtioScsi *d = (VirtioScsi *) dev;

  virtio_pci_reset (&d->parent);
  for (unsigned i = 0; i < VIRTIO_SCSI_TARGETS; i++)
    {
      Target *t = &d->targets[i];

      t->scsi = (ScsiDisk) { .attention = t->kind == TARGET_DISK ? SCSI_ASC_RESET : 0 };
      t->mmc = (MmcDrive) { .tray_open = t->mmc.tray_open };
    }
}

static void
scsi_unrealize (Device *dev)
{
  VirtioScsi *d = (VirtioScsi *) dev;

  /* Others may hold on to the disks; they must not work on our requests any more, those either that could not be
   * carried out. */
  for (unsigned i = 0; i < VIRTIO_SCSI_TARGETS; i++)
    {
      if (d->targets[i].disk != NULL)
        disk_drain (d->targets[i].disk);
    }
  scsi_free_requests (d);
  virtio_pci_exit (&d->parent);
  for (unsigned i = 0; i < VIRTIO_SCSI_TARGETS; i++)
    g_clear_pointer (&d->targets[i].disk, disk_unref);
}

/* Saved state */

G_STATIC_ASSERT (sizeof (ScsiDisk) == 4 && sizeof (MmcDrive) == 7 && 1 + 4 + 7 <= TARGET_STATE);

static void
scsi_before_save (Device *dev)
{
  VirtioScsi *d = (VirtioScsi *) dev;

  virtio_pci_before_save (&d->parent);
  memset (d->saved_requests, 0, sizeof d->saved_requests);
  memset (d->saved_events, 0, sizeof d->saved_events);
  d->saved_count = 0;
  for (GList *l = d->requests.head; l != NULL; l = l->next)
    {
      const ScsiRequest *r = l->data;

      d->saved_requests[d->saved_count++] = r->queue << 16 | r->chain->head;
    }
  for (uint32_t i = 0; i < d->event_count; i++)
    {
      d->saved_events[3 * i] = d->events[i].event;
      d->saved_events[3 * i + 1] = d->events[i].target;
      d->saved_events[3 * i + 2] = d->events[i].reason;
    }
  for (unsigned i = 0; i < VIRTIO_SCSI_TARGETS; i++)
    {
      const Target *t = &d->targets[i];
      uint8_t *s = &d->saved_targets[i * TARGET_STATE];

      memset (s, 0, TARGET_STATE);
      s[0] = (uint8_t) t->kind;
      memcpy (s + 1, &t->scsi, sizeof t->scsi);
      memcpy (s + 1 + sizeof t->scsi, &t->mmc, sizeof t->mmc);
    }
}

static gboolean
scsi_before_load (Device *dev, GError **error)
{
  const VirtioScsi *d = (const VirtioScsi *) dev;

  if (d->requests.length + d->orphans.length == 0)
    return TRUE;
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_BUSY, "a disk of %s is at work", dev->type->name);
  return FALSE;
}

static gboolean
config_is_sound (const VirtioScsi *d)
{
  uint8_t config[CONFIG_SIZE];

  if (!sizes_are_sound (scsi_sense_size (d), scsi_cdb_size (d)))
    return FALSE;
  fill_config (d, config);
  memcpy (config + CONFIG_SENSE_SIZE, d->parent.config + CONFIG_SENSE_SIZE, CONFIG_MAX_CHANNEL - CONFIG_SENSE_SIZE);
  return memcmp (config, d->parent.config, sizeof config) == 0;
}

static gboolean
state_is_sound (const VirtioScsi *d)
{
  gboolean ok = config_is_sound (d) && d->saved_count <= REQUESTS_MAX && d->event_count <= EVENTS_MAX;

  for (unsigned i = 0; i < VIRTIO_SCSI_TARGETS; i++)
    ok = ok && d->saved_targets[i * TARGET_STATE] == d->targets[i].kind;
  for (uint32_t i = 0; ok && i < d->saved_count; i++)
    ok = d->saved_requests[i] >> 16 >= QUEUE_REQUEST && d->saved_requests[i] >> 16 < d->parent.queue_count;
  for (uint32_t i = 0; ok && i < d->event_count; i++)
    ok = d->saved_events[3 * i + 1] < VIRTIO_SCSI_TARGETS;
  return ok;
}

static gboolean
scsi_after_load (Device *dev, GError **error)
{
  VirtioScsi *d = (VirtioScsi *) dev;

  if (!state_is_sound (d))
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                   "saved state of %s: it is damaged, or of a machine with other drives", dev->type->name);
      return FALSE;
    }
  if (!virtio_pci_check_load (&d->parent, error))
    return FALSE;
  virtio_pci_after_load (&d->parent);
  for (unsigned i = 0; i < VIRTIO_SCSI_TARGETS; i++)
    {
      Target *t = &d->targets[i];
      const uint8_t *s = &d->saved_targets[i * TARGET_STATE];

      memcpy (&t->scsi, s + 1, sizeof t->scsi);
      memcpy (&t->mmc, s + 1 + sizeof t->scsi, sizeof t->mmc);
    }
  for (uint32_t i = 0; i < d->event_count; i++)
    d->events[i] = (ScsiEvent) { d->saved_events[3 * i], d->saved_events[3 * i + 1], d->saved_events[3 * i + 2] };
  for (uint32_t i = 0; i < d->saved_count && virtio_is_live (&d->parent); i++)
    {
      unsigned queue = d->saved_requests[i] >> 16;
      VirtChain *chain = virtq_chain_at (&d->parent.queues[queue], (uint16_t) d->saved_requests[i]);

      if (chain != NULL)
        scsi_begin (d, queue, chain);
      else
        virtio_break (&d->parent);
    }
  /* What waits in the queues beside them. */
  d->starved = TRUE;
  scsi_feed (d);
  return TRUE;
}

static const StateField scsi_fields[] = { VIRTIO_PCI_STATE_FIELDS (VirtioScsi),
                                          STATE_U32 (VirtioScsi, saved_count),
                                          STATE_U32 (VirtioScsi, saved_requests),
                                          STATE_U32 (VirtioScsi, event_count),
                                          STATE_U32 (VirtioScsi, events_missed),
                                          STATE_U32 (VirtioScsi, saved_events),
                                          STATE_BYTES (VirtioScsi, saved_targets),
                                          STATE_END };

const DeviceType virtio_scsi_type = { .name = "virtio-scsi",
                                      .size = sizeof (VirtioScsi),
                                      .version = 1,
                                      .fields = scsi_fields,
                                      .realize = scsi_realize,
                                      .reset = scsi_reset,
                                      .before_save = scsi_before_save,
                                      .before_load = scsi_before_load,
                                      .after_load = scsi_after_load,
                                      .unrealize = scsi_unrealize };

/* Targets */

static void
attach (Device *dev, unsigned target, TargetKind kind, Disk *disk)
{
  Target *t = &((VirtioScsi *) dev)->targets[target];

  g_assert (target < VIRTIO_SCSI_TARGETS && t->kind == TARGET_NONE);
  t->kind = kind;
  t->disk = disk != NULL ? disk_ref (disk) : NULL;
  t->scsi = (ScsiDisk) { 0 };
  t->mmc = (MmcDrive) { 0 };
  g_snprintf (t->serial, sizeof t->serial, "BNS%05u", target + 1);
}

void
virtio_scsi_attach_disk (Device *dev, unsigned target, Disk *disk)
{
  attach (dev, target, TARGET_DISK, disk);
}

void
virtio_scsi_attach_cdrom (Device *dev, unsigned target, Disk *disc)
{
  attach (dev, target, TARGET_CDROM, disc);
}

void
virtio_scsi_set_queues (Device *dev, unsigned queues)
{
  ((VirtioScsi *) dev)->queue_count = CLAMP (queues, 1, VIRTIO_SCSI_QUEUES_MAX);
}

void
virtio_scsi_set_ejected (Device *dev, void (*ejected) (void *opaque, unsigned target), void *opaque)
{
  ((VirtioScsi *) dev)->ejected = ejected;
  ((VirtioScsi *) dev)->ejected_opaque = opaque;
}

unsigned
virtio_scsi_slot (Device *dev)
{
  return ((PciDevice *) dev)->devfn >> 3;
}

void
virtio_scsi_counters (Device *dev, DiskCounters *counters)
{
  *counters = ((VirtioScsi *) dev)->counters;
}

Disk *
virtio_scsi_disk (Device *dev, unsigned target)
{
  const Target *t = target < VIRTIO_SCSI_TARGETS ? &((VirtioScsi *) dev)->targets[target] : NULL;

  return t != NULL && t->kind != TARGET_CDROM ? t->disk : NULL;
}

gboolean
virtio_scsi_set_disc (Device *dev, unsigned target, Disk *disc, gboolean force, GError **error)
{
  VirtioScsi *d = (VirtioScsi *) dev;
  Target *t = target < VIRTIO_SCSI_TARGETS ? &d->targets[target] : NULL;
  g_autofree char *name = g_strdup_printf ("scsi%u", target);

  if (t == NULL || t->kind != TARGET_CDROM)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, _("drive %s is no CD drive"), name);
      return FALSE;
    }
  if (t->mmc.locked && t->disk != NULL && !force)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_BUSY, _("the guest has locked the disc in drive %s"), name);
      return FALSE;
    }
  if (scsi_target_is_busy (d, target))
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK, _("drive %s is reading: try again"), name);
      return FALSE;
    }
  g_clear_pointer (&t->disk, disk_unref);
  if (disc != NULL)
    {
      t->disk = disk_ref (disc);
      disk_set_context (disc, dev->env.context);
    }
  t->mmc.locked = FALSE;
  mmc_disc_changed (&t->mmc, disc != NULL);
  return TRUE;
}

gboolean
virtio_scsi_plug_disk (Device *dev, unsigned target, Disk *disk, GError **error)
{
  VirtioScsi *d = (VirtioScsi *) dev;
  g_autofree char *name = g_strdup_printf ("scsi%u", target);

  if (target >= VIRTIO_SCSI_TARGETS || d->targets[target].kind != TARGET_NONE || d->targets[target].disk != NULL)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_EXISTS, _("there is a drive at %s already, or no such place"), name);
      return FALSE;
    }
  attach (dev, target, TARGET_DISK, disk);
  disk_set_context (disk, dev->env.context);
  scsi_event (d, EVENT_TRANSPORT_RESET, target, REASON_RESCAN);
  return TRUE;
}

gboolean
virtio_scsi_unplug_disk (Device *dev, unsigned target, GError **error)
{
  VirtioScsi *d = (VirtioScsi *) dev;
  Target *t = target < VIRTIO_SCSI_TARGETS ? &d->targets[target] : NULL;
  g_autofree char *name = g_strdup_printf ("scsi%u", target);

  /* One that has been called for before has no kind any more, but its disk. */
  if (t == NULL || t->kind == TARGET_CDROM || t->disk == NULL)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, _("there is no disk at %s"), name);
      return FALSE;
    }
  if (t->kind == TARGET_DISK)
    {
      t->kind = TARGET_NONE;
      scsi_cancel (d, (int) target, NULL, RESPONSE_BAD_TARGET);
      scsi_event (d, EVENT_TRANSPORT_RESET, target, REASON_REMOVED);
    }
  if (scsi_target_is_busy (d, target))
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK, _("disk %s is at work: try again"), name);
      return FALSE;
    }
  g_clear_pointer (&t->disk, disk_unref);
  return TRUE;
}
