/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The I/O APIC. Specification: Intel 82093AA data sheet (290566-001). */

#include "engine/devices/platform/ioapic.h"

#include <string.h>

enum
{
  REGSEL = 0x00, WINDOW = 0x10, EOI = 0x40, WINDOW_SIZE = 0x1000,
  IOAPICID = 0, IOAPICVER = 1, IOAPICARB = 2, IOREDTBL = 0x10,
  VERSION = 0x20 /* with the EOI register */
};

#define RED_VECTOR 0xffull
#define RED_LOGICAL (1ull << 11)
#define RED_STATUS (1ull << 12)
#define RED_REMOTE_IRR (1ull << 14)
#define RED_LEVEL (1ull << 15)
#define RED_MASKED (1ull << 16)
#define RED_READ_ONLY (RED_STATUS | RED_REMOTE_IRR)

typedef struct
{
  Device parent;
  ApicBus *bus;
  MemoryRegion *region;
  uint8_t select, id;
  uint32_t lines;       /* pins that are asserted */
  uint32_t irr;         /* edge: seen and not yet sent; what comes while masked is lost */
  uint64_t table[IOAPIC_PINS];
} IoApic;

G_STATIC_ASSERT ((int) IOAPIC_PINS == (int) CHIPS_IOAPIC_PINS);

static void
service (IoApic *d, int pin)
{
  uint64_t *entry = &d->table[pin];
  uint32_t bit = 1u << pin;
  gboolean level = (*entry & RED_LEVEL) != 0;
  ApicMessage message;

  if (*entry & RED_MASKED || !((level ? d->lines : d->irr) & bit) || (level && *entry & RED_REMOTE_IRR))
    return;
  message = (ApicMessage) {
    .destination = (uint8_t) (*entry >> 56), .logical = (*entry & RED_LOGICAL) != 0, .delivery = *entry >> 8 & 7,
    .vector = (uint8_t) *entry, .level = level,
  };
  d->irr &= ~bit;
  if (level)
    *entry |= RED_REMOTE_IRR;
  apic_bus_send (d->bus, &message);
}

void
ioapic_input (void *dev, int pin, int level)
{
  IoApic *d = dev;
  uint32_t bit;

  if (pin < 0 || pin >= IOAPIC_PINS)
    return;
  bit = 1u << pin;
  /* The board's lines are all active high inside; polarity is what the wiring outside would be. */
  if (level && !(d->lines & bit) && !(d->table[pin] & (RED_LEVEL | RED_MASKED)))
    d->irr |= bit;
  if (level)
    d->lines |= bit;
  else
    d->lines &= ~bit;
  if (level)
    service (d, pin);
}

void
ioapic_eoi (Device *dev, uint8_t vector)
{
  IoApic *d = (IoApic *) dev;

  for (int pin = 0; pin < IOAPIC_PINS; pin++)
    {
      if ((d->table[pin] & (RED_LEVEL | RED_REMOTE_IRR | RED_VECTOR)) != (RED_LEVEL | RED_REMOTE_IRR | vector))
        continue;
      d->table[pin] &= ~RED_REMOTE_IRR;
      service (d, pin);
    }
}

static uint64_t
ioapic_read (void *opaque, uint64_t offset, unsigned size)
{
  IoApic *d = opaque;
  unsigned index = d->select;

  if ((offset & ~3ull) == REGSEL)
    return d->select;
  if ((offset & ~3ull) != WINDOW)
    return 0;
  switch (index)
    {
    case IOAPICID:
    case IOAPICARB:
      return (uint64_t) d->id << 24;
    case IOAPICVER:
      return VERSION | (IOAPIC_PINS - 1) << 16;
    default:
      if (index < IOREDTBL || index >= IOREDTBL + 2 * IOAPIC_PINS)
        return 0;
      return (uint32_t) (d->table[(index - IOREDTBL) / 2] >> (index & 1 ? 32 : 0));
    }
}

static void
write_window (IoApic *d, uint32_t value)
{
  unsigned index = d->select;
  uint64_t *entry;
  int pin;

  if (index == IOAPICID)
    {
      d->id = value >> 24 & 15;
      return;
    }
  if (index < IOREDTBL || index >= IOREDTBL + 2 * IOAPIC_PINS)
    return;
  pin = (int) (index - IOREDTBL) / 2;
  entry = &d->table[pin];
  if (index & 1)
    *entry = (*entry & 0xffffffff) | (uint64_t) value << 32;
  else
    {
      *entry = (*entry & (0xffffffff00000000 | RED_READ_ONLY)) | (value & ~RED_READ_ONLY & 0x1ffff);
      /* An edge-triggered entry has no remote IRR: systems without EOI register clear it that way. */
      if (!(*entry & RED_LEVEL))
        *entry &= ~RED_REMOTE_IRR;
    }
  service (d, pin);
}

static void
ioapic_write (void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
  IoApic *d = opaque;

  switch (offset & ~3ull)
    {
    case REGSEL:
      d->select = (uint8_t) value;
      break;
    case WINDOW:
      write_window (d, (uint32_t) value);
      break;
    case EOI:
      ioapic_eoi (&d->parent, (uint8_t) value);
      break;
    default:
      break;
    }
}

static const MmioOps ioapic_ops = { .read = ioapic_read, .write = ioapic_write, .min_size = 4, .max_size = 4 };

static gboolean
ioapic_realize (Device *dev, const DeviceEnv *env, GError **error)
{
  IoApic *d = (IoApic *) dev;

  d->region = address_space_add_mmio (env->memory, IOAPIC_BASE, WINDOW_SIZE, 20, &ioapic_ops, d);
  apic_bus_set_io (d->bus, dev);
  return TRUE;
}

static void
ioapic_reset (Device *dev)
{
  IoApic *d = (IoApic *) dev;

  d->select = d->id = 0;
  d->irr = 0;
  for (int pin = 0; pin < IOAPIC_PINS; pin++)
    d->table[pin] = RED_MASKED;
}

static void
ioapic_unrealize (Device *dev)
{
  IoApic *d = (IoApic *) dev;

  apic_bus_set_io (d->bus, NULL);
  memory_region_remove (d->region);
}

static const StateField ioapic_fields[] = {
  STATE_U8 (IoApic, select), STATE_U8 (IoApic, id), STATE_U32 (IoApic, lines), STATE_U32 (IoApic, irr), STATE_U64 (IoApic, table),
  STATE_END
};

const DeviceType ioapic_type = {
  .name = "ioapic", .size = sizeof (IoApic), .version = 1, .fields = ioapic_fields,
  .realize = ioapic_realize, .reset = ioapic_reset, .unrealize = ioapic_unrealize
};

void
ioapic_get_registers (Device *dev, IoApicRegisters *out)
{
  const IoApic *d = (IoApic *) dev;

  *out = (IoApicRegisters) { .select = d->select, .id = d->id, .lines = d->lines, .irr = d->irr };
  memcpy (out->table, d->table, sizeof out->table);
}

void
ioapic_set_registers (Device *dev, const IoApicRegisters *in)
{
  IoApic *d = (IoApic *) dev;

  d->select = in->select;
  d->id = in->id & 15;
  d->lines = in->lines;
  memcpy (d->table, in->table, sizeof d->table);
  d->irr = 0;
  for (int pin = 0; pin < IOAPIC_PINS; pin++)
    if (!(d->table[pin] & (RED_LEVEL | RED_MASKED)))
      d->irr |= in->irr & 1u << pin;
  for (int pin = 0; pin < IOAPIC_PINS; pin++)
    service (d, pin);
}

void
ioapic_set_bus (Device *dev, ApicBus *bus)
{
  ((IoApic *) dev)->bus = bus;
}
