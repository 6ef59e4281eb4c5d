/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The registers of a transitional device. Specification: OASIS virtio 1.2, section 4.1.4.10 (legacy interfaces). */

#include "engine/devices/virtio/transport-pci.h"

enum
{
  REG_DEVICE_FEATURES = 0x00,
  REG_DRIVER_FEATURES = 0x04,
  REG_QUEUE_ADDRESS = 0x08,
  REG_QUEUE_SIZE = 0x0c,
  REG_QUEUE_SELECT = 0x0e,
  REG_QUEUE_NOTIFY = VIRTIO_LEGACY_NOTIFY,
  REG_STATUS = 0x12,
  REG_ISR = 0x13,
  REG_CONFIG_VECTOR = 0x14,
  REG_QUEUE_VECTOR = 0x16,
  CONFIG_WITH_MSIX = 0x18,
  CONFIG_WITHOUT_MSIX = 0x14,
  ADDRESS_SHIFT = 12
};

/* The device's own registers begin where those of MSI-X would be while it is off. */
static unsigned
config_start (const VirtioPci *v)
{
  return pci_msix_is_enabled (&v->parent) ? CONFIG_WITH_MSIX : CONFIG_WITHOUT_MSIX;
}

static VirtQueue *
selected (VirtioPci *v)
{
  return v->queue_select < v->queue_count ? &v->queues[v->queue_select] : NULL;
}

static uint32_t
legacy_read (void *opaque, uint16_t offset, unsigned size)
{
  VirtioPci *v = opaque;
  const VirtQueue *q = selected (v);

  if (offset >= config_start (v))
    return virtio_config_read (v, offset - config_start (v), size);
  switch (offset)
    {
    case REG_DEVICE_FEATURES:
      return (uint32_t) v->offered;
    case REG_DRIVER_FEATURES:
      return (uint32_t) v->agreed;
    case REG_QUEUE_ADDRESS:
      return q != NULL ? (uint32_t) (q->descriptors >> ADDRESS_SHIFT) : 0;
    case REG_QUEUE_SIZE:
      return q != NULL ? q->size_max : 0;
    case REG_QUEUE_SELECT:
      return v->queue_select;
    case REG_STATUS:
      return v->status;
    case REG_ISR:
      return virtio_take_isr (v);
    case REG_CONFIG_VECTOR:
      return v->config_vector;
    case REG_QUEUE_VECTOR:
      return q != NULL ? q->vector : VIRTQ_NO_VECTOR;
    default:
      return 0;
    }
}

static void
set_queue_address (VirtioPci *v, VirtQueue *q, uint32_t page)
{
  if (q == NULL)
    return;
  if (page == 0)
    {
      /* The driver takes its memory back: nothing may be under way. */
      virtio_set_status (v, 0);
      return;
    }
  q->size = q->size_max;
  virtq_set_legacy_address (q, (uint64_t) page << ADDRESS_SHIFT);
  q->enabled = TRUE;
}

static void
legacy_write (void *opaque, uint16_t offset, uint32_t value, unsigned size)
{
  VirtioPci *v = opaque;
  VirtQueue *q = selected (v);

  if (offset >= config_start (v))
    {
      virtio_config_write (v, offset - config_start (v), value, size);
      return;
    }
  switch (offset)
    {
    case REG_DRIVER_FEATURES:
      if (!(v->status & VIRTIO_STATUS_DRIVER_OK))
        v->agreed = value & v->offered & G_MAXUINT32;
      break;
    case REG_QUEUE_ADDRESS:
      set_queue_address (v, q, value);
      break;
    case REG_QUEUE_SELECT:
      v->queue_select = (uint16_t) value;
      break;
    case REG_QUEUE_NOTIFY:
      virtio_kick (v, (uint16_t) value);
      break;
    case REG_STATUS:
      virtio_set_status (v, (uint8_t) value);
      break;
    case REG_CONFIG_VECTOR:
      virtio_set_vector (v, &v->config_vector, (uint16_t) value);
      break;
    case REG_QUEUE_VECTOR:
      if (q != NULL)
        virtio_set_vector (v, &q->vector, (uint16_t) value);
      break;
    default:
      break;
    }
}

const PioOps virtio_legacy_ops = { .read = legacy_read, .write = legacy_write, .min_size = 1, .max_size = 4 };
