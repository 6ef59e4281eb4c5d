/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Conventional PCI. Specification: PCI Local Bus Specification 3.0, chapters 3 and 6. */

#include "engine/bus/pci.h"

#include <gio/gio.h>
#include <string.h>

enum { DEVFN_COUNT = 256, PIN_COUNT = 4, ROM_ENABLE = 1, BAR_PRIORITY = 10 };

struct PciBus
{
  Bus *pio;
  AddressSpace *memory;
  PciDevice *device[DEVFN_COUNT];
  int (*route) (int slot, int pin);
  IrqLine lines[PIN_COUNT];
  int asserted[PIN_COUNT];   /* devices that drive the line now */
  void (*send) (void *opaque, uint64_t address, uint32_t data);
  void *send_opaque;
  const DoorbellOps *bells;  /* or NULL */
  void *bells_opaque;
};

PciBus *
pci_bus_new (Bus *pio, AddressSpace *memory)
{
  PciBus *bus = g_new0 (PciBus, 1);

  bus->pio = pio;
  bus->memory = memory;
  return bus;
}

void
pci_bus_free (PciBus *bus)
{
  g_free (bus);
}

void
pci_bus_set_routing (PciBus *bus, int (*route) (int slot, int pin), const IrqLine lines[4])
{
  bus->route = route;
  memcpy (bus->lines, lines, sizeof bus->lines);
}

/* Interrupts */

static void
assert_line (PciBus *bus, unsigned line, int change)
{
  bus->asserted[line] += change;
  irq_set (&bus->lines[line], bus->asserted[line] > 0);
}

/* What INTA# really shows: nothing while the guest has disabled it. */
static void
drive (PciDevice *dev)
{
  PciBus *bus = dev->bus;
  int pin = dev->config[PCI_INTERRUPT_PIN] - 1;
  unsigned driven = 0;

  if (bus->route == NULL)
    return;
  if (dev->irq_level && pin >= 0 && pin < PIN_COUNT &&
      !(pci_get_word (dev->config + PCI_COMMAND) & PCI_COMMAND_INTX_DISABLE))
    driven = 1 + ((unsigned) bus->route (dev->devfn >> 3, pin) & (PIN_COUNT - 1));
  if (driven == dev->driven)
    return;
  if (dev->driven != 0)
    assert_line (bus, dev->driven - 1, -1);
  dev->driven = driven;
  if (driven != 0)
    assert_line (bus, driven - 1, 1);
}

void
pci_set_irq (PciDevice *dev, int level)
{
  dev->irq_level = level != 0;
  if (dev->irq_level)
    dev->config[PCI_STATUS] |= PCI_STATUS_INTERRUPT;
  else
    dev->config[PCI_STATUS] &= (uint8_t) ~PCI_STATUS_INTERRUPT;
  drive (dev);
}

void
pci_bus_set_messages (PciBus *bus, void (*send) (void *opaque, uint64_t address, uint32_t data), void *opaque)
{
  bus->send = send;
  bus->send_opaque = opaque;
}

void
pci_send_message (PciDevice *dev, uint64_t address, uint32_t data)
{
  if (dev->bus->send != NULL)
    dev->bus->send (dev->bus->send_opaque, address, data);
}

void
pci_bus_set_doorbells (PciBus *bus, const DoorbellOps *ops, void *opaque)
{
  bus->bells = ops;
  bus->bells_opaque = opaque;
}

/* Those of BAR @n, where it is mapped now. */
static void
announce_bells (PciDevice *dev, int n, gboolean are_there)
{
  const struct PciBarState *state = &dev->bars[n];
  const PciDoorbells *bells = &state->bar.bells;
  PciBus *bus = dev->bus;

  for (unsigned i = 0; bus->bells != NULL && i < bells->count; i++)
    {
      const Doorbell bell = {
        .is_port = state->bar.kind == PCI_BAR_IO, .address = state->mapped + bells->offset + (uint64_t) i * bells->stride,
        .size = bells->size, .has_value = bells->stride == 0, .value = bells->stride == 0 ? i : 0, .ring = bells->ring,
        .opaque = dev, .which = i
      };

      (are_there ? bus->bells->add : bus->bells->remove) (bus->bells_opaque, &bell);
    }
}

/* Base address registers */

static unsigned
bar_offset (int n)
{
  return n == PCI_ROM_SLOT ? PCI_ROM_ADDRESS : PCI_BASE_ADDRESS_0 + 4u * (unsigned) n;
}

/* Where BAR @n is to be mapped under the present registers. */
static uint64_t
bar_address (PciDevice *dev, int n)
{
  const PciBar *bar = &dev->bars[n].bar;
  uint32_t value = pci_get_long (dev->config + bar_offset (n));
  uint16_t command = pci_get_word (dev->config + PCI_COMMAND);
  uint64_t address;

  if (bar->size == 0)
    return PCI_UNMAPPED;
  if (bar->kind == PCI_BAR_IO)
    {
      address = value & ~3u & ~(uint32_t) (bar->size - 1);
      return command & PCI_COMMAND_IO && address != 0 && address + bar->size <= 0x10000 ? address : PCI_UNMAPPED;
    }
  if (n == PCI_ROM_SLOT && !(value & ROM_ENABLE))
    return PCI_UNMAPPED;
  address = value & ~15u & ~(uint32_t) (bar->size - 1);
  /* All ones is a size probe, and 0 the state after reset. */
  if (!(command & PCI_COMMAND_MEMORY) || address == 0 || address + bar->size > 0xffffffff)
    return PCI_UNMAPPED;
  return address;
}

static void
unmap_bar (PciDevice *dev, int n)
{
  struct PciBarState *state = &dev->bars[n];

  if (state->mapped == PCI_UNMAPPED)
    return;
  announce_bells (dev, n, FALSE);
  if (state->bar.kind == PCI_BAR_IO)
    bus_remove_pio (dev->bus->pio, (uint16_t) state->mapped, dev);
  else
    memory_region_remove (g_steal_pointer (&state->region));
  state->mapped = PCI_UNMAPPED;
}

static void
map_bar (PciDevice *dev, int n, uint64_t address)
{
  struct PciBarState *state = &dev->bars[n];
  const PciBar *bar = &state->bar;

  state->mapped = address;
  if (address == PCI_UNMAPPED)
    return;
  if (bar->kind == PCI_BAR_IO)
    bus_map_pio (dev->bus->pio, (uint16_t) address, (uint16_t) bar->size, bar->pio, dev);
  else if (bar->ram == NULL)
    state->region = address_space_add_mmio (dev->bus->memory, address, bar->size, BAR_PRIORITY, bar->mmio, dev);
  else if (n == PCI_ROM_SLOT)
    state->region = address_space_add_rom (dev->bus->memory, address, bar->size, BAR_PRIORITY, bar->ram, 0);
  else
    state->region = address_space_add_ram (dev->bus->memory, address, bar->size, BAR_PRIORITY, bar->ram, 0);
  announce_bells (dev, n, TRUE);
}

static void
update_bars (PciDevice *dev)
{
  address_space_begin (dev->bus->memory);
  for (int n = 0; n <= PCI_ROM_SLOT; n++)
    {
      uint64_t address = bar_address (dev, n);

      if (address == dev->bars[n].mapped)
        continue;
      unmap_bar (dev, n);
      map_bar (dev, n, address);
    }
  address_space_commit (dev->bus->memory);
}

void
pci_register_bar (PciDevice *dev, int n, const PciBar *bar)
{
  unsigned offset = bar_offset (n);

  g_assert (n >= 0 && n <= PCI_ROM_SLOT && bar->size >= 4 && (bar->size & (bar->size - 1)) == 0);
  dev->bars[n].bar = *bar;
  dev->bars[n].mapped = PCI_UNMAPPED;
  if (n == PCI_ROM_SLOT)
    pci_set_long (dev->wmask + offset, (~(uint32_t) (bar->size - 1) & ~0x7ffu) | ROM_ENABLE);
  else if (bar->kind == PCI_BAR_IO)
    {
      pci_set_long (dev->config + offset, 1);
      pci_set_long (dev->wmask + offset, ~(uint32_t) (bar->size - 1) & ~3u);
    }
  else
    {
      pci_set_long (dev->config + offset, bar->kind == PCI_BAR_MEMORY_PREFETCH ? 8 : 0);
      pci_set_long (dev->wmask + offset, ~(uint32_t) (bar->size - 1) & ~15u);
    }
}

/* Devices */

gboolean
pci_device_init (PciDevice *dev, const DeviceEnv *env, int slot_fn, uint16_t vendor, uint16_t device, uint16_t class_code,
                 GError **error)
{
  PciBus *bus = env->pci;

  g_assert (bus != NULL);
  if (slot_fn < 0)
    {
      slot_fn = 0;
      while (slot_fn < DEVFN_COUNT && bus->device[slot_fn] != NULL)
        slot_fn += 8;
    }
  if (slot_fn >= DEVFN_COUNT || bus->device[slot_fn] != NULL)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_NO_SPACE, "there is no PCI slot for %s", dev->parent.type->name);
      return FALSE;
    }
  dev->bus = bus;
  dev->devfn = (uint8_t) slot_fn;
  memset (dev->config, 0, sizeof dev->config);
  memset (dev->wmask, 0, sizeof dev->wmask);
  for (int n = 0; n <= PCI_ROM_SLOT; n++)
    dev->bars[n].mapped = PCI_UNMAPPED;
  pci_set_word (dev->config + PCI_VENDOR_ID, vendor);
  pci_set_word (dev->config + PCI_DEVICE_ID, device);
  pci_set_word (dev->config + PCI_CLASS_DEVICE, class_code);
  pci_set_word (dev->wmask + PCI_COMMAND,
                PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE | 0x140);
  dev->wmask[0x0c] = 0xff; /* cache line size */
  dev->wmask[0x0d] = 0xf8; /* latency timer */
  dev->wmask[PCI_INTERRUPT_LINE] = 0xff;
  bus->device[slot_fn] = dev;
  return TRUE;
}

void
pci_device_exit (PciDevice *dev)
{
  if (dev->bus == NULL)
    return;
  pci_set_irq (dev, 0);
  for (int n = 0; n <= PCI_ROM_SLOT; n++)
    unmap_bar (dev, n);
  dev->bus->device[dev->devfn] = NULL;
  dev->bus = NULL;
  g_clear_pointer (&dev->rom, ram_block_free);
}

void
pci_device_reset (PciDevice *dev)
{
  pci_set_irq (dev, 0);
  pci_set_word (dev->config + PCI_COMMAND, 0);
  dev->config[PCI_STATUS + 1] &= 0x06; /* the error bits; DEVSEL timing stays */
  dev->config[PCI_INTERRUPT_LINE] = 0;
  for (int n = 0; n <= PCI_ROM_SLOT; n++)
    {
      uint8_t *reg = dev->config + bar_offset (n);

      if (dev->bars[n].bar.size != 0)
        pci_set_long (reg, pci_get_long (reg) & ~pci_get_long (dev->wmask + bar_offset (n)));
    }
  update_bars (dev);
}

void
pci_device_loaded (PciDevice *dev)
{
  update_bars (dev);
  pci_set_irq (dev, dev->irq_level);
}

gboolean
pci_dma_read (PciDevice *dev, uint64_t gpa, void *buffer, uint64_t length)
{
  if (!(pci_get_word (dev->config + PCI_COMMAND) & PCI_COMMAND_MASTER))
    return FALSE;
  return guest_memory_read (dev->bus->memory, gpa, buffer, length);
}

gboolean
pci_dma_write (PciDevice *dev, uint64_t gpa, const void *buffer, uint64_t length)
{
  if (!(pci_get_word (dev->config + PCI_COMMAND) & PCI_COMMAND_MASTER))
    return FALSE;
  return guest_memory_write (dev->bus->memory, gpa, buffer, length);
}

/* Configuration cycles */

uint32_t
pci_config_read (PciBus *bus, uint8_t bus_number, uint8_t devfn, unsigned offset, unsigned size)
{
  PciDevice *dev = bus_number == 0 ? bus->device[devfn] : NULL;
  uint32_t value = 0;

  if (dev == NULL || size > 4 || offset > PCI_CONFIG_SIZE - size)
    return 0xffffffffu >> (32 - 8 * MIN (size, 4));
  if (dev->config_reading != NULL)
    dev->config_reading (dev, offset, size);
  for (unsigned i = 0; i < size; i++)
    value |= (uint32_t) dev->config[offset + i] << (8 * i);
  return value;
}

void
pci_config_write (PciBus *bus, uint8_t bus_number, uint8_t devfn, unsigned offset, uint32_t value, unsigned size)
{
  PciDevice *dev = bus_number == 0 ? bus->device[devfn] : NULL;

  if (dev == NULL || size > 4 || offset > PCI_CONFIG_SIZE - size)
    return;
  for (unsigned i = 0; i < size; i++)
    {
      uint8_t byte = (uint8_t) (value >> (8 * i)), mask = dev->wmask[offset + i];

      /* The status register's error bits are cleared by writing 1. */
      if (offset + i == PCI_STATUS + 1)
        dev->config[offset + i] &= (uint8_t) ~(byte & 0xf9);
      else
        dev->config[offset + i] = (uint8_t) ((dev->config[offset + i] & ~mask) | (byte & mask));
    }
  drive (dev);
  if (offset < PCI_ROM_ADDRESS + 4)
    update_bars (dev);
  if (dev->config_written != NULL)
    dev->config_written (dev, offset, size);
}
