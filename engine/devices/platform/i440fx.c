/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The 82441FX PCI and memory controller (440FX).
 * Specification: Intel 440FX PCIset data sheet (290549-001), chapter 3.
 */

#include "engine/devices/platform/i440fx.h"

enum
{
  PORT_CONFIG_ADDRESS = 0xcf8, PORT_CONFIG_DATA = 0xcfc,
  REG_PAM = 0x59, REG_PAM_LAST = 0x5f, REG_SMRAM = 0x72,
  PAM_READ = 1, PAM_WRITE = 2, SMRAM_OPEN = 1 << 6, SMRAM_LOCK = 1 << 4, SMRAM_WRITABLE = 0x78,
  SEGMENTS = 13, SEGMENT_SIZE = 0x4000, EXPANSION_BASE = 0xc0000, EXTENDED_BIOS = 0xe0000, BIOS_SEGMENT = 0xf0000,
  LEGACY_END = 0x100000, SMRAM_BASE = 0xa0000, SMRAM_SIZE = 0x20000,
  PRIORITY_PCI = 1, PRIORITY_SHADOW = 2, PRIORITY_SMRAM = 3
};

#define CONFIG_ENABLE (1u << 31)

typedef struct
{
  struct I440fx *bridge;
  uint32_t base, size;
  MemoryRegion *shadow;     /* RAM, perhaps read-only */
  MemoryRegion *write_only; /* reads from PCI, writes to RAM */
} Segment;

typedef struct I440fx
{
  PciDevice parent;
  RamBlock *ram, *bios;
  MemoryRegion *expansion, *rom, *smram;
  Segment segments[SEGMENTS];
  uint32_t config_address;
} I440fx;

/* What PCI shows at @address below 1 MiB: the BIOS, or nothing. */
static uint8_t
pci_byte (I440fx *d, uint32_t address)
{
  if (address < EXTENDED_BIOS)
    return 0xff;
  return ram_block_host (d->bios)[ram_block_size (d->bios) - (LEGACY_END - address)];
}

static uint64_t
write_only_read (void *opaque, uint64_t offset, unsigned size)
{
  Segment *s = opaque;

  return pci_byte (s->bridge, s->base + (uint32_t) offset);
}

static void
write_only_write (void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
  Segment *s = opaque;

  ram_block_host (s->bridge->ram)[s->base + offset] = (uint8_t) value;
  guest_memory_written (s->bridge->parent.parent.env.memory, s->base + offset, 1);
}

static uint64_t
nothing_read (void *opaque, uint64_t offset, unsigned size)
{
  return ~(uint64_t) 0;
}

static void
nothing_write (void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
}

static const MmioOps write_only_ops = { .read = write_only_read, .write = write_only_write, .min_size = 1, .max_size = 1 };
static const MmioOps nothing_ops = { .read = nothing_read, .write = nothing_write };

/* The attribute bits of segment @i: 0 is the BIOS segment, in the upper half of the first register. */
static unsigned
segment_attributes (const I440fx *d, int i)
{
  unsigned reg = REG_PAM + (unsigned) (i + 1) / 2;

  return d->parent.config[reg] >> (i & 1 ? 0 : 4) & 3;
}

static void
update_memory (I440fx *d)
{
  AddressSpace *memory = d->parent.parent.env.memory;

  address_space_begin (memory);
  for (int i = 0; i < SEGMENTS; i++)
    {
      Segment *s = &d->segments[i];
      unsigned attributes = segment_attributes (d, i);

      memory_region_set_enabled (s->shadow, attributes & PAM_READ);
      memory_region_set_readonly (s->shadow, !(attributes & PAM_WRITE));
      memory_region_set_enabled (s->write_only, attributes == PAM_WRITE);
    }
  memory_region_set_enabled (d->smram, d->parent.config[REG_SMRAM] & SMRAM_OPEN);
  address_space_commit (memory);
}

static void
config_written (PciDevice *dev, unsigned offset, unsigned size)
{
  I440fx *d = (I440fx *) dev;

  /* Once locked, SMRAM stays closed until reset. */
  if (dev->config[REG_SMRAM] & SMRAM_LOCK)
    {
      dev->config[REG_SMRAM] &= (uint8_t) ~SMRAM_OPEN;
      dev->wmask[REG_SMRAM] = 0;
    }
  if (offset + size > REG_PAM && offset <= REG_SMRAM)
    update_memory (d);
}

/* Configuration mechanism 1. The address register answers only to whole doublewords; CF9h belongs to another. */

static uint32_t
address_read (void *opaque, uint16_t offset, unsigned size)
{
  return ((I440fx *) opaque)->config_address;
}

static void
address_write (void *opaque, uint16_t offset, uint32_t value, unsigned size)
{
  ((I440fx *) opaque)->config_address = value;
}

static uint32_t
data_read (void *opaque, uint16_t offset, unsigned size)
{
  I440fx *d = opaque;
  uint32_t address = d->config_address;

  if (!(address & CONFIG_ENABLE))
    return 0xffffffff;
  return pci_config_read (d->parent.bus, (uint8_t) (address >> 16), (uint8_t) (address >> 8), (address & 0xfc) + offset, size);
}

static void
data_write (void *opaque, uint16_t offset, uint32_t value, unsigned size)
{
  I440fx *d = opaque;
  uint32_t address = d->config_address;

  if (address & CONFIG_ENABLE)
    pci_config_write (d->parent.bus, (uint8_t) (address >> 16), (uint8_t) (address >> 8), (address & 0xfc) + offset, value, size);
}

static const PioOps address_ops = { .read = address_read, .write = address_write, .min_size = 4, .max_size = 4 };
static const PioOps data_ops = { .read = data_read, .write = data_write, .min_size = 1, .max_size = 4 };

static void
add_segment (I440fx *d, int i, uint32_t base, uint32_t size)
{
  AddressSpace *memory = d->parent.parent.env.memory;
  Segment *s = &d->segments[i];

  s->bridge = d;
  s->base = base;
  s->size = size;
  s->shadow = address_space_add_ram (memory, base, size, PRIORITY_SHADOW, d->ram, base);
  s->write_only = address_space_add_mmio (memory, base, size, PRIORITY_SHADOW, &write_only_ops, s);
}

static gboolean
i440fx_realize (Device *dev, const DeviceEnv *env, GError **error)
{
  I440fx *d = (I440fx *) dev;
  uint64_t bios_size = ram_block_size (d->bios);

  if (!pci_device_init (&d->parent, env, 0, 0x8086, 0x1237, 0x0600, error))
    return FALSE;
  if (!bus_add_pio (env->bus, PORT_CONFIG_ADDRESS, 4, &address_ops, d, error) ||
      !bus_add_pio (env->bus, PORT_CONFIG_DATA, 4, &data_ops, d, error))
    {
      bus_remove_pio (env->bus, PORT_CONFIG_ADDRESS, d);
      pci_device_exit (&d->parent);
      return FALSE;
    }
  d->parent.config[PCI_REVISION_ID] = 2;
  d->parent.config_written = config_written;
  for (unsigned reg = REG_PAM; reg <= REG_PAM_LAST; reg++)
    d->parent.wmask[reg] = reg == REG_PAM ? 0x30 : 0x33;

  address_space_begin (env->memory);
  d->expansion = address_space_add_mmio (env->memory, EXPANSION_BASE, EXTENDED_BIOS - EXPANSION_BASE, PRIORITY_PCI,
                                         &nothing_ops, d);
  d->rom = address_space_add_rom (env->memory, EXTENDED_BIOS, LEGACY_END - EXTENDED_BIOS, PRIORITY_PCI, d->bios,
                                  bios_size - (LEGACY_END - EXTENDED_BIOS));
  add_segment (d, 0, BIOS_SEGMENT, LEGACY_END - BIOS_SEGMENT);
  for (int i = 1; i < SEGMENTS; i++)
    add_segment (d, i, EXPANSION_BASE + (uint32_t) (i - 1) * SEGMENT_SIZE, SEGMENT_SIZE);
  d->smram = address_space_add_ram (env->memory, SMRAM_BASE, SMRAM_SIZE, PRIORITY_SMRAM, d->ram, SMRAM_BASE);
  update_memory (d);
  address_space_commit (env->memory);
  return TRUE;
}

static void
i440fx_reset (Device *dev)
{
  I440fx *d = (I440fx *) dev;

  pci_device_reset (&d->parent);
  /* The bridge is always a master and always decodes memory. */
  pci_set_word (d->parent.config + PCI_COMMAND, PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY);
  for (unsigned reg = REG_PAM; reg <= REG_PAM_LAST; reg++)
    d->parent.config[reg] = 0;
  d->parent.config[REG_SMRAM] = 0x02;
  d->parent.wmask[REG_SMRAM] = SMRAM_WRITABLE;
  d->config_address = 0;
  update_memory (d);
}

static gboolean
i440fx_after_load (Device *dev, GError **error)
{
  I440fx *d = (I440fx *) dev;

  pci_device_loaded (&d->parent);
  d->parent.wmask[REG_SMRAM] = SMRAM_WRITABLE;
  config_written (&d->parent, REG_PAM, REG_SMRAM - REG_PAM + 1);
  return TRUE;
}

static void
i440fx_unrealize (Device *dev)
{
  I440fx *d = (I440fx *) dev;

  address_space_begin (dev->env.memory);
  for (int i = 0; i < SEGMENTS; i++)
    {
      memory_region_remove (d->segments[i].shadow);
      memory_region_remove (d->segments[i].write_only);
    }
  memory_region_remove (d->smram);
  memory_region_remove (d->expansion);
  memory_region_remove (d->rom);
  address_space_commit (dev->env.memory);
  bus_remove_pio (dev->env.bus, PORT_CONFIG_ADDRESS, d);
  bus_remove_pio (dev->env.bus, PORT_CONFIG_DATA, d);
  pci_device_exit (&d->parent);
}

static const StateField i440fx_fields[] = { PCI_STATE_FIELDS (I440fx), STATE_U32 (I440fx, config_address), STATE_END };

const DeviceType i440fx_type = {
  .name = "i440fx", .size = sizeof (I440fx), .version = 1, .fields = i440fx_fields,
  .realize = i440fx_realize, .reset = i440fx_reset, .after_load = i440fx_after_load, .unrealize = i440fx_unrealize
};

void
i440fx_set_memory (Device *dev, RamBlock *ram, RamBlock *bios)
{
  I440fx *d = (I440fx *) dev;

  d->ram = ram;
  d->bios = bios;
}
