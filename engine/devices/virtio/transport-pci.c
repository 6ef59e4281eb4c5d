/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Virtio on PCI. Specification: OASIS virtio 1.2, sections 2.1 to 2.6, 3.1 and 4.1. */

#include "engine/devices/virtio/transport-pci.h"

#include <gio/gio.h>
#include <string.h>

enum
{
  VENDOR = 0x1af4,
  MODERN_DEVICE_BASE = 0x1040,
  MODERN_REVISION = 1,
  CAP_VENDOR = 0x09,
  CAP_COMMON = 1,
  CAP_NOTIFY = 2,
  CAP_ISR = 3,
  CAP_DEVICE = 4,
  CAP_PCI_CONFIG = 5,
  CAP_SIZE = 16,
  CAP_NOTIFY_SIZE = 20,
  CAP_WINDOW_SIZE = 20,
  CAP_BAR = 4,
  CAP_OFFSET = 8,
  CAP_LENGTH = 12,
  CAP_WINDOW_DATA = 16,
  /* Where each capability lies in the configuration space. */
  AT_COMMON = 0x40,
  AT_ISR = 0x50,
  AT_DEVICE = 0x60,
  AT_NOTIFY = 0x70,
  AT_WINDOW = 0x84,
  AT_MSIX = 0x98,
  LEGACY_BAR = 0,
  MSIX_BAR = 1,
  MODERN_BAR = 4,
  MODERN_SIZE = 0x4000,
  PART_SIZE = 0x1000,
  PART_COMMON = 0,
  PART_ISR,
  PART_DEVICE,
  PART_NOTIFY,
  NOTIFY_MULTIPLIER = 4,

  REG_DEVICE_FEATURE_SELECT = 0x00,
  REG_DEVICE_FEATURE = 0x04,
  REG_DRIVER_FEATURE_SELECT = 0x08,
  REG_DRIVER_FEATURE = 0x0c,
  REG_CONFIG_VECTOR = 0x10,
  REG_QUEUE_COUNT = 0x12,
  REG_STATUS = 0x14,
  REG_GENERATION = 0x15,
  REG_QUEUE_SELECT = 0x16,
  REG_QUEUE_SIZE = 0x18,
  REG_QUEUE_VECTOR = 0x1a,
  REG_QUEUE_ENABLE = 0x1c,
  REG_QUEUE_NOTIFY_OFFSET = 0x1e,
  REG_QUEUE_DESCRIPTORS = 0x20,
  REG_QUEUE_DRIVER = 0x28,
  REG_QUEUE_DEVICE = 0x30,
  COMMON_SIZE = 0x38,

  ISR_QUEUE = 1 << 0,
  ISR_CONFIG = 1 << 1
};

static PciDevice *
pci_of (const VirtioPci *v)
{
  return (PciDevice *) &v->parent;
}

/* Interrupts */

/* @vector speaks for it when the guest uses MSI-X. */
static void
interrupt (VirtioPci *v, uint8_t cause, uint16_t vector)
{
  if (pci_msix_is_enabled (&v->parent))
    {
      pci_msix_send (pci_of (v), vector);
      return;
    }
  v->isr |= cause;
  pci_set_irq (pci_of (v), 1);
}

uint8_t
virtio_take_isr (VirtioPci *v)
{
  uint8_t isr = v->isr;

  v->isr = 0;
  pci_set_irq (pci_of (v), 0);
  return isr;
}

void
virtio_notify (VirtioPci *v, VirtQueue *q)
{
  if (virtq_take_interrupt (q))
    interrupt (v, ISR_QUEUE, q->vector);
}

void
virtio_config_changed (VirtioPci *v)
{
  v->generation++;
  if (v->status & VIRTIO_STATUS_DRIVER_OK)
    interrupt (v, ISR_CONFIG, v->config_vector);
}

void
virtio_break (VirtioPci *v)
{
  if (v->status & VIRTIO_STATUS_NEEDS_RESET)
    return;
  g_debug ("%s: the driver left the protocol", v->parent.parent.type->name);
  v->status |= VIRTIO_STATUS_NEEDS_RESET;
  if (virtio_agreed (v, VIRTIO_F_VERSION_1) && v->status & VIRTIO_STATUS_DRIVER_OK)
    interrupt (v, ISR_CONFIG, v->config_vector);
}

void
virtio_set_vector (VirtioPci *v, uint16_t *vector, uint16_t value)
{
  *vector = value < v->msix.vectors ? value : VIRTQ_NO_VECTOR;
}

/* The device's life */

gboolean
virtio_is_live (const VirtioPci *v)
{
  /* Drivers of the time before 1.0 may leave bus-mastering off. */
  return (v->status & (VIRTIO_STATUS_DRIVER_OK | VIRTIO_STATUS_NEEDS_RESET)) == VIRTIO_STATUS_DRIVER_OK
         && (!virtio_agreed (v, VIRTIO_F_VERSION_1)
             || pci_get_word (v->parent.config + PCI_COMMAND) & PCI_COMMAND_MASTER);
}

static void
power_on (VirtioPci *v)
{
  v->agreed = 0;
  v->status = v->isr = 0;
  v->config_vector = VIRTQ_NO_VECTOR;
  v->queue_select = 0;
  v->device_feature_select = v->driver_feature_select = 0;
  for (unsigned i = 0; i < v->queue_count; i++)
    virtq_reset (&v->queues[i]);
  pci_set_irq (pci_of (v), 0);
  v->ops->stopped (v);
}

/* What both sides agreed on holds for every queue. A driver that skipped FEATURES_OK may have asked for more. */
static void
settle_features (VirtioPci *v)
{
  v->agreed &= v->offered;
  for (unsigned i = 0; i < v->queue_count; i++)
    {
      v->queues[i].event_index = virtio_agreed (v, VIRTIO_F_EVENT_IDX);
      v->queues[i].indirect = virtio_agreed (v, VIRTIO_F_INDIRECT_DESC);
    }
}

void
virtio_set_status (VirtioPci *v, uint8_t status)
{
  uint8_t added = (uint8_t) (status & ~v->status);

  if (status == 0)
    {
      power_on (v);
      return;
    }
  /* Without FEATURES_OK the driver sees that we do not go along. */
  if (added & VIRTIO_STATUS_FEATURES_OK && (!virtio_agreed (v, VIRTIO_F_VERSION_1) || v->agreed & ~v->offered))
    status &= (uint8_t) ~VIRTIO_STATUS_FEATURES_OK;
  v->status = (uint8_t) ((status & ~VIRTIO_STATUS_NEEDS_RESET) | (v->status & VIRTIO_STATUS_NEEDS_RESET));
  if (!(added & VIRTIO_STATUS_DRIVER_OK))
    return;
  settle_features (v);
  if (v->ops->started != NULL)
    v->ops->started (v);
  /* Drivers may have filled queues, and kicked, before. */
  for (unsigned i = 0; i < v->queue_count; i++)
    virtio_kick (v, i);
}

void
virtio_kick (VirtioPci *v, unsigned queue)
{
  if (queue < v->queue_count && v->queues[queue].enabled && virtio_is_live (v))
    v->ops->kicked (v, queue);
}

/* The device's own configuration */

uint32_t
virtio_config_read (VirtioPci *v, uint32_t offset, unsigned size)
{
  uint32_t value = 0;

  for (unsigned i = 0; i < size && offset + i < v->ops->config_size; i++)
    value |= (uint32_t) v->config[offset + i] << (8 * i);
  return value;
}

void
virtio_config_write (VirtioPci *v, uint32_t offset, uint32_t value, unsigned size)
{
  if (v->ops->config_written != NULL && offset < v->ops->config_size && size <= v->ops->config_size - offset)
    v->ops->config_written (v, offset, value, size);
}

/* The common configuration */

static uint32_t
feature_word (uint64_t features, uint32_t select)
{
  return select < 2 ? (uint32_t) (features >> (32 * select)) : 0;
}

static uint64_t *
ring_address (VirtQueue *q, uint32_t reg)
{
  return reg < REG_QUEUE_DRIVER ? &q->descriptors : reg < REG_QUEUE_DEVICE ? &q->available : &q->used;
}

static uint32_t
queue_read (VirtioPci *v, uint32_t reg)
{
  VirtQueue *q = v->queue_select < v->queue_count ? &v->queues[v->queue_select] : NULL;

  if (q == NULL)
    return reg == REG_QUEUE_VECTOR ? VIRTQ_NO_VECTOR : 0;
  switch (reg)
    {
    case REG_QUEUE_SIZE:
      return q->size;
    case REG_QUEUE_VECTOR:
      return q->vector;
    case REG_QUEUE_ENABLE:
      return q->enabled;
    case REG_QUEUE_NOTIFY_OFFSET:
      return v->queue_select;
    case REG_QUEUE_DESCRIPTORS ... COMMON_SIZE - 1:
      return (uint32_t) (*ring_address (q, reg) >> (8 * (reg & 7)));
    default:
      return 0;
    }
}

static uint32_t
common_read (VirtioPci *v, uint32_t reg)
{
  switch (reg)
    {
    case REG_DEVICE_FEATURE_SELECT:
      return v->device_feature_select;
    case REG_DEVICE_FEATURE:
      return feature_word (v->offered, v->device_feature_select);
    case REG_DRIVER_FEATURE_SELECT:
      return v->driver_feature_select;
    case REG_DRIVER_FEATURE:
      return feature_word (v->agreed, v->driver_feature_select);
    case REG_CONFIG_VECTOR:
      return v->config_vector;
    case REG_QUEUE_COUNT:
      return v->queue_count;
    case REG_STATUS:
      return v->status;
    case REG_GENERATION:
      return v->generation;
    case REG_QUEUE_SELECT:
      return v->queue_select;
    default:
      return queue_read (v, reg);
    }
}

static void
set_driver_feature (VirtioPci *v, uint32_t value)
{
  unsigned shift = 32 * v->driver_feature_select;

  if (v->driver_feature_select < 2 && !(v->status & VIRTIO_STATUS_FEATURES_OK))
    v->agreed = (v->agreed & ~((uint64_t) G_MAXUINT32 << shift)) | (uint64_t) value << shift;
}

static void
set_ring_address (VirtQueue *q, uint32_t reg, uint64_t value, unsigned size)
{
  uint64_t *address = ring_address (q, reg);
  unsigned shift = 8 * (reg & 4);
  uint64_t mask = size == 8 ? G_MAXUINT64 : (uint64_t) G_MAXUINT32 << shift;

  if (size >= 4 && (size == 8 ? reg & 7 : reg & 3) == 0)
    *address = (*address & ~mask) | (value << shift & mask);
}

static void
queue_write (VirtioPci *v, uint32_t reg, uint64_t value, unsigned size)
{
  VirtQueue *q = v->queue_select < v->queue_count ? &v->queues[v->queue_select] : NULL;

  if (q == NULL)
    return;
  if (reg == REG_QUEUE_VECTOR)
    {
      virtio_set_vector (v, &q->vector, (uint16_t) value);
      return;
    }
  /* Where the rings are does not change while they are in use. */
  if (q->enabled)
    return;
  switch (reg)
    {
    case REG_QUEUE_SIZE:
      q->size = (uint16_t) value;
      break;
    case REG_QUEUE_ENABLE:
      if (value != 1)
        break;
      if (virtq_is_sound (q))
        q->enabled = TRUE;
      else
        virtio_break (v);
      break;
    case REG_QUEUE_DESCRIPTORS ... COMMON_SIZE - 1:
      set_ring_address (q, reg, value, size);
      break;
    default:
      break;
    }
}

static void
common_write (VirtioPci *v, uint32_t reg, uint64_t value, unsigned size)
{
  switch (reg)
    {
    case REG_DEVICE_FEATURE_SELECT:
      v->device_feature_select = (uint32_t) value;
      break;
    case REG_DRIVER_FEATURE_SELECT:
      v->driver_feature_select = (uint32_t) value;
      break;
    case REG_DRIVER_FEATURE:
      set_driver_feature (v, (uint32_t) value);
      break;
    case REG_CONFIG_VECTOR:
      virtio_set_vector (v, &v->config_vector, (uint16_t) value);
      break;
    case REG_STATUS:
      virtio_set_status (v, (uint8_t) value);
      break;
    case REG_QUEUE_SELECT:
      v->queue_select = (uint16_t) value;
      break;
    default:
      queue_write (v, reg, value, size);
      break;
    }
}

/* The memory BAR: one page for each part */

static uint64_t
modern_read (void *opaque, uint64_t offset, unsigned size)
{
  VirtioPci *v = opaque;
  uint32_t reg = (uint32_t) offset % PART_SIZE;

  switch (offset / PART_SIZE)
    {
    case PART_COMMON:
      /* The 64-bit registers may be read as such, or in halves. */
      return common_read (v, reg) | (size == 8 ? (uint64_t) common_read (v, reg + 4) << 32 : 0);
    case PART_ISR:
      return reg == 0 ? virtio_take_isr (v) : 0;
    case PART_DEVICE:
      return virtio_config_read (v, reg, MIN (size, 4))
             | (size == 8 ? (uint64_t) virtio_config_read (v, reg + 4, 4) << 32 : 0);
    default:
      return 0;
    }
}

static void
modern_write (void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
  VirtioPci *v = opaque;
  uint32_t reg = (uint32_t) offset % PART_SIZE;

  switch (offset / PART_SIZE)
    {
    case PART_COMMON:
      common_write (v, reg, value, size);
      break;
    case PART_DEVICE:
      virtio_config_write (v, reg, (uint32_t) value, MIN (size, 4));
      break;
    case PART_NOTIFY:
      virtio_kick (v, reg / NOTIFY_MULTIPLIER);
      break;
    default:
      break;
    }
}

static const MmioOps modern_ops = { .read = modern_read, .write = modern_write, .min_size = 1, .max_size = 8 };

/* The window: a capability through which the memory BAR is reached by configuration cycles. */

static gboolean
window_target (const VirtioPci *v, uint32_t *offset, unsigned *size)
{
  const uint8_t *cap = v->parent.config + AT_WINDOW;

  *offset = pci_get_long (cap + CAP_OFFSET);
  *size = pci_get_long (cap + CAP_LENGTH);
  return cap[CAP_BAR] == MODERN_BAR && (*size == 1 || *size == 2 || *size == 4) && *offset % *size == 0
         && *offset < MODERN_SIZE;
}

static gboolean
reaches_window (unsigned offset, unsigned size)
{
  return offset < AT_WINDOW + CAP_WINDOW_DATA + 4 && offset + size > AT_WINDOW + CAP_WINDOW_DATA;
}

static void
config_reading (PciDevice *dev, unsigned offset, unsigned size)
{
  VirtioPci *v = (VirtioPci *) dev;
  uint32_t target;
  unsigned target_size;

  if (reaches_window (offset, size) && window_target (v, &target, &target_size))
    pci_set_long (dev->config + AT_WINDOW + CAP_WINDOW_DATA, (uint32_t) modern_read (v, target, target_size));
}

static void
config_written (PciDevice *dev, unsigned offset, unsigned size)
{
  VirtioPci *v = (VirtioPci *) dev;
  uint32_t target;
  unsigned target_size;

  pci_msix_config_written (dev);
  if (reaches_window (offset, size) && window_target (v, &target, &target_size))
    modern_write (v, target,
                  pci_get_long (dev->config + AT_WINDOW + CAP_WINDOW_DATA) & G_MAXUINT32 >> (32 - 8 * target_size),
                  target_size);
}

static void
add_capability (VirtioPci *v, unsigned at, unsigned next, uint8_t type, uint8_t size, unsigned part, uint32_t length)
{
  uint8_t *cap = v->parent.config + at;

  cap[0] = CAP_VENDOR;
  cap[1] = (uint8_t) next;
  cap[2] = size;
  cap[3] = type;
  cap[CAP_BAR] = MODERN_BAR;
  pci_set_long (cap + CAP_OFFSET, part * PART_SIZE);
  pci_set_long (cap + CAP_LENGTH, length);
}

static void
add_capabilities (VirtioPci *v)
{
  PciDevice *dev = pci_of (v);

  pci_set_word (dev->config + PCI_STATUS, PCI_STATUS_CAP_LIST);
  dev->config[PCI_CAPABILITY_LIST] = AT_COMMON;
  add_capability (v, AT_COMMON, AT_ISR, CAP_COMMON, CAP_SIZE, PART_COMMON, COMMON_SIZE);
  add_capability (v, AT_ISR, AT_DEVICE, CAP_ISR, CAP_SIZE, PART_ISR, 1);
  add_capability (v, AT_DEVICE, AT_NOTIFY, CAP_DEVICE, CAP_SIZE, PART_DEVICE, v->ops->config_size);
  add_capability (v, AT_NOTIFY, AT_WINDOW, CAP_NOTIFY, CAP_NOTIFY_SIZE, PART_NOTIFY,
                  v->queue_count * NOTIFY_MULTIPLIER);
  pci_set_long (dev->config + AT_NOTIFY + CAP_SIZE, NOTIFY_MULTIPLIER);
  add_capability (v, AT_WINDOW, AT_MSIX, CAP_PCI_CONFIG, CAP_WINDOW_SIZE, 0, 0);
  dev->config[AT_WINDOW + CAP_BAR] = 0;
  dev->wmask[AT_WINDOW + CAP_BAR] = 0xff;
  memset (dev->wmask + AT_WINDOW + CAP_OFFSET, 0xff, CAP_WINDOW_SIZE - CAP_OFFSET);
  /* A vector for each queue, and one for changes of the configuration. */
  pci_msix_init (dev, &v->msix, AT_MSIX, 0, MSIX_BAR, v->queue_count + 1);
}

static void
bell_rung (void *dev, unsigned which)
{
  virtio_kick (dev, which);
}

gboolean
virtio_pci_init (VirtioPci *v, const DeviceEnv *env, const VirtioOps *ops, uint64_t features, unsigned queue_count,
                 uint16_t queue_size, GError **error)
{
  const PciBar modern = { .kind = PCI_BAR_MEMORY, .size = MODERN_SIZE, .mmio = &modern_ops,
                          .bells = { .offset = PART_NOTIFY * PART_SIZE, .stride = NOTIFY_MULTIPLIER,
                                     .count = queue_count, .size = 2, .ring = bell_rung } },
               legacy = { .kind = PCI_BAR_IO,
                          .size = ops->config_size + 0x18 > VIRTIO_LEGACY_SIZE ? 128 : VIRTIO_LEGACY_SIZE,
                          .pio = &virtio_legacy_ops,
                          .bells = { .offset = VIRTIO_LEGACY_NOTIFY, .count = queue_count, .size = 2,
                                     .ring = bell_rung } };
  gboolean transitional = ops->transitional_id != 0;
  PciDevice *dev = pci_of (v);

  g_assert (queue_count >= 1 && queue_count <= VIRTIO_QUEUES_MAX && queue_size <= VIRTQ_SIZE_MAX
            && (queue_size & (queue_size - 1)) == 0 && ops->config_size <= VIRTIO_CONFIG_MAX);
  if (!pci_device_init (dev, env, -1, VENDOR,
                        transitional ? ops->transitional_id : (uint16_t) (MODERN_DEVICE_BASE + ops->id),
                        ops->class_code, error))
    return FALSE;
  v->ops = ops;
  v->offered = features | VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX | VIRTIO_F_VERSION_1
               | (transitional ? VIRTIO_F_ANY_LAYOUT : 0);
  v->queue_count = queue_count;
  for (unsigned i = 0; i < queue_count; i++)
    {
      v->queues[i].memory = env->memory;
      v->queues[i].size_max = queue_size;
    }
  dev->config[PCI_REVISION_ID] = transitional ? 0 : MODERN_REVISION;
  pci_set_word (dev->config + PCI_SUBSYSTEM_VENDOR_ID, VENDOR);
  pci_set_word (dev->config + PCI_SUBSYSTEM_ID, transitional ? ops->id : (uint16_t) (MODERN_DEVICE_BASE + ops->id));
  dev->config[PCI_INTERRUPT_PIN] = 1;
  if (transitional)
    pci_register_bar (dev, LEGACY_BAR, &legacy);
  pci_register_bar (dev, MODERN_BAR, &modern);
  add_capabilities (v);
  dev->config_reading = config_reading;
  dev->config_written = config_written;
  return TRUE;
}

void
virtio_pci_exit (VirtioPci *v)
{
  pci_device_exit (pci_of (v));
}

void
virtio_pci_reset (VirtioPci *v)
{
  pci_device_reset (pci_of (v));
  pci_msix_reset (pci_of (v));
  v->generation = 0;
  power_on (v);
}

/* Saved state */

enum
{
  SAVED_DESCRIPTORS,
  SAVED_AVAILABLE,
  SAVED_USED,
  SAVED_SIZE,
  SAVED_VECTOR,
  SAVED_INDICES,
  SAVED_FLAGS
};
enum
{
  FLAG_ENABLED = 1 << 0,
  FLAG_EVENT_INDEX = 1 << 1,
  FLAG_INDIRECT = 1 << 2,
  FLAG_TOLD = 1 << 3,
  FLAGS = 15
};

G_STATIC_ASSERT ((int) SAVED_FLAGS < (int) VIRTIO_QUEUE_STATE);

void
virtio_pci_before_save (VirtioPci *v)
{
  memset (v->saved_queues, 0, sizeof v->saved_queues);
  for (unsigned i = 0; i < v->queue_count; i++)
    {
      const VirtQueue *q = &v->queues[i];
      uint64_t *s = &v->saved_queues[i * VIRTIO_QUEUE_STATE];

      s[SAVED_DESCRIPTORS] = q->descriptors;
      s[SAVED_AVAILABLE] = q->available;
      s[SAVED_USED] = q->used;
      s[SAVED_SIZE] = q->size;
      s[SAVED_VECTOR] = q->vector;
      s[SAVED_INDICES] = q->next_available | (uint64_t) q->next_used << 16 | (uint64_t) q->told_used << 32;
      s[SAVED_FLAGS] = (q->enabled ? FLAG_ENABLED : 0) | (q->event_index ? FLAG_EVENT_INDEX : 0)
                       | (q->indirect ? FLAG_INDIRECT : 0) | (q->told_valid ? FLAG_TOLD : 0);
    }
}

static void
restore_queue (const VirtioPci *v, unsigned i, VirtQueue *q)
{
  const uint64_t *s = &v->saved_queues[i * VIRTIO_QUEUE_STATE];

  *q = v->queues[i];
  q->descriptors = s[SAVED_DESCRIPTORS];
  q->available = s[SAVED_AVAILABLE];
  q->used = s[SAVED_USED];
  q->size = (uint16_t) s[SAVED_SIZE];
  q->vector = (uint16_t) s[SAVED_VECTOR];
  q->next_available = (uint16_t) s[SAVED_INDICES];
  q->next_used = (uint16_t) (s[SAVED_INDICES] >> 16);
  q->told_used = (uint16_t) (s[SAVED_INDICES] >> 32);
  q->enabled = (s[SAVED_FLAGS] & FLAG_ENABLED) != 0;
  q->event_index = (s[SAVED_FLAGS] & FLAG_EVENT_INDEX) != 0;
  q->indirect = (s[SAVED_FLAGS] & FLAG_INDIRECT) != 0;
  q->told_valid = (s[SAVED_FLAGS] & FLAG_TOLD) != 0;
}

gboolean
virtio_pci_check_load (VirtioPci *v, GError **error)
{
  gboolean ok = TRUE;

  for (unsigned i = 0; i < v->queue_count; i++)
    {
      VirtQueue q;

      restore_queue (v, i, &q);
      ok = ok && (!q.enabled || virtq_is_sound (&q)) && (q.vector < v->msix.vectors || q.vector == VIRTQ_NO_VECTOR);
    }
  if (v->status & (VIRTIO_STATUS_FEATURES_OK | VIRTIO_STATUS_DRIVER_OK))
    ok = ok && (v->agreed & ~v->offered) == 0;
  if (v->config_vector >= v->msix.vectors && v->config_vector != VIRTQ_NO_VECTOR)
    ok = FALSE;
  if (!ok)
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "saved state of %s: its queues make no sense",
                 v->parent.parent.type->name);
  return ok;
}

void
virtio_pci_after_load (VirtioPci *v)
{
  for (unsigned i = 0; i < v->queue_count; i++)
    {
      VirtQueue q;

      restore_queue (v, i, &q);
      v->queues[i] = q;
    }
  pci_device_loaded (pci_of (v));
}
