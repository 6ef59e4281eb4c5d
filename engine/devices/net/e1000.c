/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Intel 82540EM gigabit Ethernet controller: registers and reset.
 * Specification: Intel PCI/PCI-X Family of Gigabit Ethernet Controllers
 * Software Developer's Manual (317453), chapter 13.
 */

#include "engine/devices/net/e1000-private.h"

#include "engine/bus/pci-rom.h"

#include <gio/gio.h>
#include <string.h>

enum { MMIO_SIZE = 0x20000, IO_SIZE = 0x40, IO_ADDRESS = 0, IO_DATA = 4 };

void
e1000_count64 (E1000 *d, unsigned low, uint64_t bytes)
{
  uint64_t value = ((uint64_t) REG (d, low + 4) << 32 | REG (d, low)) + bytes;

  REG (d, low) = (uint32_t) value;
  REG (d, low + 4) = (uint32_t) (value >> 32);
}

static void
transmit_on (void *opaque)
{
  e1000_transmit (opaque);
}

/* What the EEPROM loads into the registers after power-on or CTRL.RST. */
static void
reset_registers (E1000 *d)
{
  clock_timer_cancel (d->tx_timer);
  memset (d->reg, 0, sizeof d->reg);
  REG (d, REG_CTRL) = CTRL_FD | CTRL_SPEED_1000 | 1u << 20 /* advertised D3 wake-up */;
  REG (d, REG_STATUS) = STATUS_FD | STATUS_SPEED_1000 | STATUS_ASDV_1000;
  REG (d, REG_PBA) = 0x00100030;
  REG (d, REG_LEDCTL) = 0x07068302;
  REG (d, REG_VET) = 0x8100;
  REG (d, REG_RA) = (uint32_t) d->eeprom[1] << 16 | d->eeprom[0];
  REG (d, REG_RA + 4) = RAH_AV | d->eeprom[2];
  e1000_phy_set_link (d, d->port != NULL && d->port->connected);
  d->tx_length = d->tx_options = d->tx_tso = d->tx_vlan = d->tx_bad = 0;
  d->tso_sent = 0;
  memset (&d->context, 0, sizeof d->context);
  memset (&d->tso_context, 0, sizeof d->tso_context);
  e1000_interrupt_reset (d);
}

static uint32_t
read_register (E1000 *d, uint32_t offset)
{
  uint32_t value;

  if (offset >= REG_KEPT)
    return 0;
  if (offset >= REG_STATS_FIRST && offset <= REG_STATS_LAST)
    {
      value = REG (d, offset);
      REG (d, offset) = 0;
      return value;
    }
  switch (offset)
    {
    case REG_ICR:
      value = REG (d, REG_ICR);
      REG (d, REG_ICR) = 0;
      e1000_update_interrupt (d);
      return value;
    case REG_EECD:
      return e1000_eecd_read (d);
    case REG_EERD:
      return e1000_eerd_read (d);
    case REG_ICS:
    case REG_IMC:
      return 0;
    default:
      return REG (d, offset);
    }
}

static void
write_control (E1000 *d, uint32_t value)
{
  if (value & CTRL_RST)
    {
      reset_registers (d);
      return;
    }
  REG (d, REG_CTRL) = value & ~(uint32_t) CTRL_RST;
}

static void
network_may_go_on (E1000 *d)
{
  if (d->port != NULL)
    net_port_resume (d->port);
}

static void
write_register (E1000 *d, uint32_t offset, uint32_t value)
{
  if (offset >= REG_KEPT || (offset >= REG_STATS_FIRST && offset <= REG_STATS_LAST))
    return;
  switch (offset)
    {
    case REG_CTRL:
    case REG_CTRL + 4: /* shadow */
      write_control (d, value);
      break;
    case REG_STATUS:
    case REG_RXCW:
      break;
    case REG_EECD:
      e1000_eecd_write (d, value);
      break;
    case REG_MDIC:
      e1000_mdic_write (d, value);
      break;
    case REG_ICR:
      REG (d, REG_ICR) &= ~value;
      e1000_update_interrupt (d);
      break;
    case REG_ICS:
      e1000_raise (d, value);
      break;
    case REG_IMS:
      REG (d, REG_IMS) |= value & ICR_ALL;
      e1000_update_interrupt (d);
      break;
    case REG_IMC:
      REG (d, REG_IMS) &= ~value;
      e1000_update_interrupt (d);
      break;
    case REG_RCTL:
      REG (d, REG_RCTL) = value;
      network_may_go_on (d);
      break;
    case REG_RDT:
      REG (d, REG_RDT) = value & 0xffff;
      network_may_go_on (d);
      break;
    case REG_RDTR:
      REG (d, REG_RDTR) = value & 0xffff;
      if (value & RDTR_FPD)
        e1000_interrupt_flush (d);
      break;
    case REG_RDH:
    case REG_TDH:
    case REG_ITR:
    case REG_RADV:
    case REG_TIDV:
    case REG_TADV:
      REG (d, offset) = value & 0xffff;
      break;
    case REG_RDLEN:
    case REG_TDLEN:
      REG (d, offset) = value & 0xfff80;
      break;
    case REG_RDBAL:
    case REG_TDBAL:
      REG (d, offset) = value & ~15u;
      break;
    case REG_TCTL:
      REG (d, REG_TCTL) = value;
      e1000_transmit (d);
      break;
    case REG_TDT:
      REG (d, REG_TDT) = value & 0xffff;
      e1000_transmit (d);
      break;
    default:
      REG (d, offset) = value;
      break;
    }
}

/* The registers are 32 bits wide; narrower accesses are undefined and see their part. */
static uint64_t
mmio_read (void *opaque, uint64_t offset, unsigned size)
{
  return read_register (opaque, (uint32_t) offset & ~3u);
}

static void
mmio_write (void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
  write_register (opaque, (uint32_t) offset & ~3u, (uint32_t) value);
}

static const MmioOps mmio_ops = { .read = mmio_read, .write = mmio_write, .min_size = 4, .max_size = 4 };

static uint32_t
io_read (void *opaque, uint16_t offset, unsigned size)
{
  E1000 *d = opaque;

  switch (offset & ~3)
    {
    case IO_ADDRESS:
      return d->io_address;
    case IO_DATA:
      return d->io_address < MMIO_SIZE ? read_register (d, d->io_address & ~3u) : 0;
    default:
      return 0;
    }
}

static void
io_write (void *opaque, uint16_t offset, uint32_t value, unsigned size)
{
  E1000 *d = opaque;

  switch (offset & ~3)
    {
    case IO_ADDRESS:
      d->io_address = value;
      break;
    case IO_DATA:
      if (d->io_address < MMIO_SIZE)
        write_register (d, d->io_address & ~3u, value);
      break;
    default:
      break;
    }
}

static const PioOps io_ops = { .read = io_read, .write = io_write, .min_size = 4, .max_size = 4 };

static gboolean
e1000_realize (Device *dev, const DeviceEnv *env, GError **error)
{
  E1000 *d = (E1000 *) dev;
  PciBar mmio = { .kind = PCI_BAR_MEMORY, .size = MMIO_SIZE, .mmio = &mmio_ops };
  PciBar io = { .kind = PCI_BAR_IO, .size = IO_SIZE, .pio = &io_ops };

  if (!pci_device_init (&d->parent, env, -1, 0x8086, 0x100e, 0x0200, error))
    return FALSE;
  d->parent.config[PCI_REVISION_ID] = 3;
  d->parent.config[PCI_INTERRUPT_PIN] = 1;
  pci_set_word (d->parent.config + PCI_SUBSYSTEM_VENDOR_ID, 0x8086);
  pci_set_word (d->parent.config + PCI_SUBSYSTEM_ID, 0x001e);
  pci_register_bar (&d->parent, 0, &mmio);
  pci_register_bar (&d->parent, 2, &io);
  if (d->rom != NULL && !pci_register_rom (&d->parent, d->rom, error))
    {
      pci_device_exit (&d->parent);
      return FALSE;
    }
  e1000_interrupt_init (d);
  d->tx_timer = clock_timer_new (env->clock, transmit_on, d);
  e1000_eeprom_init (d);
  if (d->port != NULL)
    net_port_set_receiver (d->port, e1000_receive, d);
  return TRUE;
}

static void
e1000_reset (Device *dev)
{
  E1000 *d = (E1000 *) dev;

  pci_device_reset (&d->parent);
  reset_registers (d);
  e1000_phy_reset (d);
  d->io_address = 0;
  d->eeprom_in = d->eeprom_in_bits = d->eeprom_out = d->eeprom_out_bits = 0;
  d->eeprom_write_enabled = FALSE;
}

static void
e1000_before_save (Device *dev)
{
  e1000_interrupt_flush ((E1000 *) dev);
}

static gboolean
e1000_after_load (Device *dev, GError **error)
{
  E1000 *d = (E1000 *) dev;

  if (d->tx_length > TX_FRAME_MAX || d->eeprom_out_bits > 17 || d->eeprom_in_bits > 25)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "saved state of %s is damaged", dev->type->name);
      return FALSE;
    }
  pci_device_loaded (&d->parent);
  d->next_interrupt = 0;
  e1000_update_interrupt (d);
  e1000_transmit (d);
  return TRUE;
}

static void
e1000_unrealize (Device *dev)
{
  E1000 *d = (E1000 *) dev;

  if (d->port != NULL)
    net_port_set_receiver (d->port, NULL, NULL);
  e1000_interrupt_exit (d);
  clock_timer_free (d->tx_timer);
  pci_device_exit (&d->parent);
  g_free (d->rom);
}

static const StateField e1000_fields[] = {
  PCI_STATE_FIELDS (E1000),
  STATE_U32 (E1000, reg), STATE_U16 (E1000, phy), STATE_U16 (E1000, eeprom), STATE_U32 (E1000, io_address),
  STATE_U32 (E1000, eeprom_in), STATE_U32 (E1000, eeprom_in_bits), STATE_U32 (E1000, eeprom_out),
  STATE_U32 (E1000, eeprom_out_bits), STATE_U8 (E1000, eeprom_write_enabled),
  STATE_BYTES (E1000, context), STATE_BYTES (E1000, tso_context), STATE_U32 (E1000, tx_length),
  STATE_U8 (E1000, tx_options), STATE_U8 (E1000, tx_tso), STATE_U8 (E1000, tx_vlan), STATE_U8 (E1000, tx_bad),
  STATE_U16 (E1000, tx_tag), STATE_U32 (E1000, tso_sequence), STATE_U32 (E1000, tso_sent), STATE_U16 (E1000, tso_ip_id),
  STATE_BYTES (E1000, tx_frame),
  STATE_END
};

const DeviceType e1000_type = {
  .name = "e1000", .size = sizeof (E1000), .version = 1, .fields = e1000_fields,
  .realize = e1000_realize, .reset = e1000_reset, .before_save = e1000_before_save,
  .after_load = e1000_after_load, .unrealize = e1000_unrealize
};

void
e1000_set_port (Device *dev, NetPort *port)
{
  ((E1000 *) dev)->port = port;
}

void
e1000_set_mac (Device *dev, const uint8_t mac[6])
{
  memcpy (((E1000 *) dev)->mac, mac, 6);
}

void
e1000_set_rom (Device *dev, const char *path)
{
  E1000 *d = (E1000 *) dev;

  g_free (d->rom);
  d->rom = g_strdup (path);
}

void
e1000_set_link (Device *dev, gboolean up)
{
  E1000 *d = (E1000 *) dev;

  if (d->port != NULL)
    net_port_set_connected (d->port, up);
  e1000_phy_set_link (d, up && d->port != NULL);
  e1000_raise (d, ICR_LSC);
  network_may_go_on (d);
}
