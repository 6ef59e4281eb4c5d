/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Function 0 of the PIIX3: PCI-to-ISA bridge.
 * Specification: Intel 82371FB/82371SB data sheet (290550-002), section 2.2.
 */

#include "engine/devices/platform/piix3.h"

enum
{
  REG_XBCS = 0x4e, REG_PIRQ = 0x60, REG_TOM = 0x69, PIRQ_COUNT = 4, PIRQ_OFF = 1 << 7, PIRQ_LINE = 15,
  PORT_RESET = 0xcf9, RESET_CPU = 1 << 2, ISA_IRQS = 16,
  VALID_LINES = 0xdef8 /* 3-7, 9-12, 14, 15 */
};

typedef struct
{
  PciDevice parent;
  void (*reset) (void *opaque);
  void *reset_opaque;
  uint8_t pirq_level[PIRQ_COUNT];
  uint8_t isa_level[ISA_IRQS];
  uint8_t reset_control;
} Piix3;

/* Each ISA line is the or of the PIRQs routed to it. */
static void
update_lines (Piix3 *d)
{
  uint8_t level[ISA_IRQS] = { 0 };

  for (int i = 0; i < PIRQ_COUNT; i++)
    {
      uint8_t route = d->parent.config[REG_PIRQ + i];

      if (!(route & PIRQ_OFF) && VALID_LINES >> (route & PIRQ_LINE) & 1)
        level[route & PIRQ_LINE] |= d->pirq_level[i];
    }
  for (int line = 0; line < ISA_IRQS; line++)
    {
      if (level[line] == d->isa_level[line])
        continue;
      d->isa_level[line] = level[line];
      irq_set (&d->parent.parent.env.isa_irq[line], level[line]);
    }
}

static void
pirq_set (void *opaque, int line, int level)
{
  Piix3 *d = opaque;

  d->pirq_level[line] = level != 0;
  update_lines (d);
}

/* How the slots' pins are wired to PIRQA–D. */
static int
route (int slot, int pin)
{
  return (slot + pin - 1) & 3;
}

static void
config_written (PciDevice *dev, unsigned offset, unsigned size)
{
  if (offset < REG_PIRQ + PIRQ_COUNT && offset + size > REG_PIRQ)
    update_lines ((Piix3 *) dev);
}

static uint32_t
reset_read (void *opaque, uint16_t offset, unsigned size)
{
  return ((Piix3 *) opaque)->reset_control;
}

static void
reset_write (void *opaque, uint16_t offset, uint32_t value, unsigned size)
{
  Piix3 *d = opaque;

  d->reset_control = value & 0x02;
  if (value & RESET_CPU && d->reset != NULL)
    d->reset (d->reset_opaque);
}

static const PioOps reset_ops = { .read = reset_read, .write = reset_write };

static gboolean
piix3_realize (Device *dev, const DeviceEnv *env, GError **error)
{
  Piix3 *d = (Piix3 *) dev;
  IrqLine lines[PIRQ_COUNT];

  if (!pci_device_init (&d->parent, env, PIIX3_SLOT << 3, 0x8086, 0x7000, 0x0601, error))
    return FALSE;
  d->parent.config[PCI_HEADER_TYPE] = 0x80; /* more functions follow */
  d->parent.config_written = config_written;
  for (int i = 0; i < PIRQ_COUNT; i++)
    {
      d->parent.wmask[REG_PIRQ + i] = PIRQ_OFF | PIRQ_LINE;
      lines[i] = (IrqLine) { pirq_set, d, i };
    }
  pci_set_word (d->parent.wmask + REG_XBCS, 0x01ff);
  d->parent.wmask[REG_TOM] = 0xfe;
  /* Lies over the host bridge's address register, which takes doublewords only. */
  bus_map_pio (env->bus, PORT_RESET, 1, &reset_ops, d);
  pci_bus_set_routing (env->pci, route, lines);
  return TRUE;
}

static void
piix3_reset (Device *dev)
{
  Piix3 *d = (Piix3 *) dev;

  pci_device_reset (&d->parent);
  pci_set_word (d->parent.config + PCI_COMMAND, PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
  d->parent.config[0x4c] = 0x4d;
  d->parent.config[REG_XBCS] = 0x03;
  d->parent.config[REG_XBCS + 1] = 0x00;
  for (int i = 0; i < PIRQ_COUNT; i++)
    d->parent.config[REG_PIRQ + i] = PIRQ_OFF;
  d->parent.config[REG_TOM] = 0x02;
  d->reset_control = 0;
  update_lines (d);
}

static gboolean
piix3_after_load (Device *dev, GError **error)
{
  pci_device_loaded ((PciDevice *) dev);
  update_lines ((Piix3 *) dev);
  return TRUE;
}

static void
piix3_unrealize (Device *dev)
{
  bus_remove_pio (dev->env.bus, PORT_RESET, dev);
  pci_device_exit ((PciDevice *) dev);
}

static const StateField piix3_fields[] = {
  PCI_STATE_FIELDS (Piix3), STATE_U8 (Piix3, pirq_level), STATE_U8 (Piix3, isa_level), STATE_U8 (Piix3, reset_control), STATE_END
};

const DeviceType piix3_type = {
  .name = "piix3", .size = sizeof (Piix3), .version = 1, .fields = piix3_fields,
  .realize = piix3_realize, .reset = piix3_reset, .after_load = piix3_after_load, .unrealize = piix3_unrealize
};

void
piix3_set_reset (Device *dev, void (*reset) (void *opaque), void *opaque)
{
  ((Piix3 *) dev)->reset = reset;
  ((Piix3 *) dev)->reset_opaque = opaque;
}
