/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Conventional PCI: configuration space, BARs, INTx routing, bus-mastering.
 * Specification: PCI Local Bus Specification 3.0, chapters 3 and 6.
 */
#pragma once

#include "engine/bus/bus.h"
#include "engine/bus/doorbell.h"
#include "engine/bus/irq.h"
#include "engine/devices/device.h"
#include "engine/memory/address-space.h"

typedef struct PciBus PciBus;
typedef struct PciDevice PciDevice;
typedef struct PciMsix PciMsix;

enum
{
  PCI_VENDOR_ID = 0x00, PCI_DEVICE_ID = 0x02, PCI_COMMAND = 0x04, PCI_STATUS = 0x06, PCI_REVISION_ID = 0x08,
  PCI_CLASS_PROG = 0x09, PCI_CLASS_DEVICE = 0x0a, PCI_HEADER_TYPE = 0x0e, PCI_BASE_ADDRESS_0 = 0x10,
  PCI_SUBSYSTEM_VENDOR_ID = 0x2c, PCI_SUBSYSTEM_ID = 0x2e, PCI_ROM_ADDRESS = 0x30, PCI_CAPABILITY_LIST = 0x34,
  PCI_INTERRUPT_LINE = 0x3c, PCI_INTERRUPT_PIN = 0x3d,
  PCI_COMMAND_IO = 1 << 0, PCI_COMMAND_MEMORY = 1 << 1, PCI_COMMAND_MASTER = 1 << 2,
  PCI_COMMAND_INTX_DISABLE = 1 << 10, PCI_STATUS_INTERRUPT = 1 << 3, PCI_STATUS_CAP_LIST = 1 << 4,
  PCI_CONFIG_SIZE = 256, PCI_BAR_COUNT = 6, PCI_ROM_SLOT = 6
};

typedef enum { PCI_BAR_IO, PCI_BAR_MEMORY, PCI_BAR_MEMORY_PREFETCH } PciBarKind;

/* Doorbells in a BAR. */
typedef struct
{
  uint32_t offset;  /* of the first */
  uint32_t stride;  /* from one to the next; 0: all are one register, and each is rung by its number */
  unsigned count;   /* 0: there are none */
  unsigned size;    /* bytes of a write that rings; others reach the handler */
  void (*ring) (void *dev, unsigned which);
} PciDoorbells;

/* A BAR's size is a power of two. Its content is either PIO ops, MMIO ops or a
 * RAM block (a framebuffer). */
typedef struct
{
  PciBarKind kind;
  uint64_t size;
  const PioOps *pio;
  const MmioOps *mmio;
  RamBlock *ram;
  PciDoorbells bells;
} PciBar;

/* Embeds Device as first member; device models embed PciDevice as first member
 * and fill config[] (vendor, device, class, …) in realize before the guest
 * sees it, after pci_device_init(). */
struct PciDevice
{
  Device parent;
  PciBus *bus;
  uint8_t devfn;
  uint8_t config[PCI_CONFIG_SIZE];
  uint8_t wmask[PCI_CONFIG_SIZE]; /* bits the guest may write */
  struct PciBarState
  {
    PciBar bar;
    uint64_t mapped;              /* where it is mapped now; PCI_UNMAPPED when it is not */
    MemoryRegion *region;
  } bars[PCI_BAR_COUNT + 1];
  int irq_level;
  unsigned driven;                /* 1 + the line that it asserts on the bus; 0: none */
  RamBlock *rom;                  /* owned: pci_register_rom() */
  /* Optional: called after the guest wrote [offset, offset + size) of config. */
  void (*config_written) (PciDevice *dev, unsigned offset, unsigned size);
  /* Optional: called before the guest reads that range, to bring config up to date. */
  void (*config_reading) (PciDevice *dev, unsigned offset, unsigned size);
  PciMsix *msix;                  /* part of the device model: engine/bus/msix.h; NULL: it has none */
};

#define PCI_UNMAPPED (~(uint64_t) 0)

/* @slot_fn: device number << 3 | function; -1 takes the next free slot. Call
 * at the start of realize. Fails when the slot is taken. */
gboolean pci_device_init (PciDevice *dev, const DeviceEnv *env, int slot_fn, uint16_t vendor, uint16_t device,
                          uint16_t class_code, GError **error);
/* Takes the device off the bus and unmaps its BARs: for unrealize. */
void pci_device_exit (PciDevice *dev);
/* Registers BAR @n (PCI_ROM_SLOT: expansion ROM, kind MEMORY, ram set). Handlers get the PciDevice as opaque. */
void pci_register_bar (PciDevice *dev, int n, const PciBar *bar);
/* Configuration registers, BAR mappings and INTx to their reset values: device models call it in their reset. */
void pci_device_reset (PciDevice *dev);
/* Drives INTA# of the device. */
void pci_set_irq (PciDevice *dev, int level);
/* Writes a message to the interrupt controllers, as MSI and MSI-X do. */
void pci_send_message (PciDevice *dev, uint64_t address, uint32_t data);
/* DMA; nothing happens (FALSE) while bus-mastering is off. */
gboolean pci_dma_read (PciDevice *dev, uint64_t gpa, void *buffer, uint64_t length);
gboolean pci_dma_write (PciDevice *dev, uint64_t gpa, const void *buffer, uint64_t length);
/* After loading saved config: maps BARs accordingly. */
void pci_device_loaded (PciDevice *dev);
/* Field table entries shared by all PCI devices: put them first in a device's fields. */
#define PCI_STATE_FIELDS(Type) \
  STATE_BYTES (Type, parent.config), STATE_I32 (Type, parent.irq_level)

static inline uint16_t pci_get_word (const uint8_t *p) { return (uint16_t) (p[0] | p[1] << 8); }
static inline uint32_t pci_get_long (const uint8_t *p)
{ return (uint32_t) p[0] | (uint32_t) p[1] << 8 | (uint32_t) p[2] << 16 | (uint32_t) p[3] << 24; }
static inline void pci_set_word (uint8_t *p, uint16_t v) { p[0] = (uint8_t) v; p[1] = (uint8_t) (v >> 8); }
static inline void pci_set_long (uint8_t *p, uint32_t v)
{ pci_set_word (p, (uint16_t) v); pci_set_word (p + 2, (uint16_t) (v >> 16)); }

/* The bus itself: made by the host bridge. */
PciBus *pci_bus_new (Bus *pio, AddressSpace *memory);
void pci_bus_free (PciBus *bus);
/* @route maps (slot, pin 0..3) to a line index 0..3 (PIRQA..D); @lines are then driven with the or of their users. */
void pci_bus_set_routing (PciBus *bus, int (*route) (int slot, int pin), const IrqLine lines[4]);
/* Where interrupt messages go. */
void pci_bus_set_messages (PciBus *bus, void (*send) (void *opaque, uint64_t address, uint32_t data), void *opaque);
/* Who answers doorbells in the place of their handlers. */
void pci_bus_set_doorbells (PciBus *bus, const DoorbellOps *ops, void *opaque);
uint32_t pci_config_read (PciBus *bus, uint8_t bus_number, uint8_t devfn, unsigned offset, unsigned size);
void pci_config_write (PciBus *bus, uint8_t bus_number, uint8_t devfn, unsigned offset, uint32_t value, unsigned size);
