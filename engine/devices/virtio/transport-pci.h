/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A virtio device on PCI. A device model embeds VirtioPci as first member, describes itself with a VirtioOps, calls
 * virtio_pci_init() in its realize and the functions below in its other operations; it works on its queues when it is
 * kicked. A transitional device also has the registers of the time before virtio 1.0.
 */
#pragma once

#include "engine/bus/msix.h"
#include "engine/devices/virtio/queue.h"

enum
{
  VIRTIO_QUEUES_MAX = 20,
  VIRTIO_CONFIG_MAX = 256,
  VIRTIO_QUEUE_STATE = 8,

  VIRTIO_ID_NET = 1,
  VIRTIO_ID_BLOCK = 2,
  VIRTIO_ID_CONSOLE = 3,
  VIRTIO_ID_RNG = 4,
  VIRTIO_ID_BALLOON = 5,
  VIRTIO_ID_SCSI = 8,

  VIRTIO_STATUS_ACKNOWLEDGE = 1,
  VIRTIO_STATUS_DRIVER = 2,
  VIRTIO_STATUS_DRIVER_OK = 4,
  VIRTIO_STATUS_FEATURES_OK = 8,
  VIRTIO_STATUS_NEEDS_RESET = 64,
  VIRTIO_STATUS_FAILED = 128
};

#define VIRTIO_FEATURE(bit)      ((uint64_t) 1 << (bit))
#define VIRTIO_F_ANY_LAYOUT      VIRTIO_FEATURE (27) /* legacy */
#define VIRTIO_F_INDIRECT_DESC   VIRTIO_FEATURE (28)
#define VIRTIO_F_EVENT_IDX       VIRTIO_FEATURE (29)
#define VIRTIO_F_VERSION_1       VIRTIO_FEATURE (32)

typedef struct VirtioPci VirtioPci;

typedef struct
{
  uint16_t id;              /* VIRTIO_ID_… */
  uint16_t transitional_id; /* PCI device ID; 0: only virtio 1.0 and later */
  uint16_t class_code;      /* PCI class and subclass */
  uint32_t config_size;     /* bytes of the device's own configuration, at most VIRTIO_CONFIG_MAX */
  uint64_t features;        /* its own; the transport adds those of the rings */
  /* The driver wrote @size bytes (1, 2 or 4) within the configuration; v->config is left to the device. Optional. */
  void (*config_written) (VirtioPci *v, uint32_t offset, uint32_t value, unsigned size);
  /* The driver is ready, and the features are settled. Optional. */
  void (*started) (VirtioPci *v);
  /* All queues are dead: nothing of what was taken from them may be written or pushed any more. */
  void (*stopped) (VirtioPci *v);
  /* There may be chains in this queue; only called while the device is live. */
  void (*kicked) (VirtioPci *v, unsigned queue);
} VirtioOps;

struct VirtioPci
{
  PciDevice parent;
  const VirtioOps *ops;
  uint64_t offered; /* features */
  uint64_t agreed;  /* those that the driver took */
  uint8_t status, isr, generation;
  uint16_t config_vector, queue_select;
  uint32_t device_feature_select, driver_feature_select;
  uint8_t config[VIRTIO_CONFIG_MAX];
  unsigned queue_count;
  VirtQueue queues[VIRTIO_QUEUES_MAX];
  PciMsix msix;
  uint64_t saved_queues[VIRTIO_QUEUES_MAX * VIRTIO_QUEUE_STATE];
};

/* In realize. @features: those of @ops and what depends on the device's properties. */
gboolean virtio_pci_init (VirtioPci *v, const DeviceEnv *env, const VirtioOps *ops, uint64_t features,
                          unsigned queue_count, uint16_t queue_size, GError **error);
void virtio_pci_exit (VirtioPci *v);
/* In reset; calls stopped(). */
void virtio_pci_reset (VirtioPci *v);
/* In before_save and after_load. The check changes nothing; the rest of loading follows when all has been checked. */
void virtio_pci_before_save (VirtioPci *v);
gboolean virtio_pci_check_load (VirtioPci *v, GError **error);
void virtio_pci_after_load (VirtioPci *v);
#define VIRTIO_PCI_STATE_FIELDS(Type)                                                                                  \
  STATE_BYTES (Type, parent.parent.config), STATE_I32 (Type, parent.parent.irq_level),                                 \
      PCI_MSIX_STATE_FIELDS (Type, parent.msix), STATE_U64 (Type, parent.agreed), STATE_U8 (Type, parent.status),      \
      STATE_U8 (Type, parent.isr), STATE_U8 (Type, parent.generation), STATE_U16 (Type, parent.config_vector),         \
      STATE_U16 (Type, parent.queue_select), STATE_U32 (Type, parent.device_feature_select),                           \
      STATE_U32 (Type, parent.driver_feature_select), STATE_BYTES (Type, parent.config),                               \
      STATE_U64 (Type, parent.saved_queues)

static inline gboolean
virtio_agreed (const VirtioPci *v, uint64_t features)
{
  return (v->agreed & features) == features;
}

/* Whether queues may be worked on: the driver is ready, nothing is broken, and the device may reach memory. */
gboolean virtio_is_live (const VirtioPci *v);
/* Tells the driver of what was pushed, unless it does not want to know. */
void virtio_notify (VirtioPci *v, VirtQueue *q);
/* The driver did what must not be: the device does nothing more until it is reset. */
void virtio_break (VirtioPci *v);
/* The device changed v->config. */
void virtio_config_changed (VirtioPci *v);

/* transport-legacy.c: the registers of BAR 0. */
enum
{
  VIRTIO_LEGACY_SIZE = 64,
  VIRTIO_LEGACY_NOTIFY = 0x10
};
extern const PioOps virtio_legacy_ops;
/* Shared with it: what both kinds of registers do. */
void virtio_set_status (VirtioPci *v, uint8_t status);
uint8_t virtio_take_isr (VirtioPci *v);
void virtio_kick (VirtioPci *v, unsigned queue);
void virtio_config_write (VirtioPci *v, uint32_t offset, uint32_t value, unsigned size);
uint32_t virtio_config_read (VirtioPci *v, uint32_t offset, unsigned size);
void virtio_set_vector (VirtioPci *v, uint16_t *vector, uint16_t value);
