/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The 82540EM's Microwire EEPROM (93C46, 64 words) and its copper PHY.
 * Specification: Software Developer's Manual 317453, chapters 5 and 13.4;
 * PHY registers: IEEE 802.3 clause 22 and the manual's chapter 11.
 */

#include "engine/devices/net/e1000-private.h"

enum
{
  PHY_CONTROL = 0, PHY_STATUS = 1, PHY_ID1 = 2, PHY_ID2 = 3, PHY_ADVERTISE = 4, PHY_PARTNER = 5, PHY_EXPANSION = 6,
  PHY_1000T_CONTROL = 9, PHY_1000T_STATUS = 10, PHY_EXTENDED_STATUS = 15, PHY_SPECIFIC_CONTROL = 16,
  PHY_SPECIFIC_STATUS = 17, PHY_EXTENDED_SPECIFIC_CONTROL = 20
};

enum
{
  PHY_CONTROL_RESET = 1 << 15, PHY_CONTROL_RESTART = 1 << 9,
  PHY_STATUS_LINK = 1 << 2, PHY_STATUS_ANEG_DONE = 1 << 5,
  PHY_SPECIFIC_LINK = 1 << 10,
  MDIC_PHY_ADDRESS = 1
};

enum { EEPROM_OP_EXTENDED = 0, EEPROM_OP_WRITE = 1, EEPROM_OP_READ = 2, EEPROM_OP_ERASE = 3, EEPROM_COMMAND_BITS = 9 };

static const uint16_t eeprom_template[EEPROM_WORDS] = {
  [0x04] = 0xffff, [0x05] = 0xffff, [0x06] = 0xffff, [0x07] = 0xffff,
  [0x08] = 0xffff, [0x09] = 0xffff,        /* printed board assembly: none */
  [0x0a] = 0x4408,                         /* initialization control 1: subsystem and vendor IDs from here */
  [0x0b] = 0x001e, [0x0c] = 0x8086,        /* subsystem */
  [0x0d] = 0x100e, [0x0e] = 0x8086,        /* device */
  [0x0f] = 0x3040,                         /* initialization control 2 */
  [0x10 ... 0x20] = 0xffff, [0x21] = 0x7863, [0x22] = 0xffff, [0x23] = 0x280c, [0x25 ... 0x3e] = 0xffff,
};

void
e1000_eeprom_init (E1000 *d)
{
  uint16_t sum = 0;

  memcpy (d->eeprom, eeprom_template, sizeof d->eeprom);
  for (int i = 0; i < 3; i++)
    d->eeprom[i] = (uint16_t) (d->mac[2 * i] | d->mac[2 * i + 1] << 8);
  for (int i = 0; i < EEPROM_WORDS - 1; i++)
    sum = (uint16_t) (sum + d->eeprom[i]);
  d->eeprom[EEPROM_WORDS - 1] = (uint16_t) (0xbaba - sum);
}

uint32_t
e1000_eecd_read (E1000 *d)
{
  uint32_t value = REG (d, REG_EECD) | EECD_PRES;

  if (value & EECD_REQ)
    value |= EECD_GNT;
  /* Idle and while a command is clocked in, the line floats high. */
  if (d->eeprom_out_bits == 0 || (d->eeprom_out >> (d->eeprom_out_bits - 1) & 1))
    value |= EECD_DO;
  return value;
}

/* A whole command, start bit first, has arrived. */
static void
eeprom_command (E1000 *d)
{
  unsigned opcode = d->eeprom_in >> 6 & 3, address = d->eeprom_in & 63;

  switch (opcode)
    {
    case EEPROM_OP_READ:
      /* A zero precedes the data. */
      d->eeprom_out = d->eeprom[address];
      d->eeprom_out_bits = 17;
      break;
    case EEPROM_OP_EXTENDED:
      if (address >> 4 == 3)
        d->eeprom_write_enabled = TRUE;
      else if (address >> 4 == 0)
        d->eeprom_write_enabled = FALSE;
      break;
    case EEPROM_OP_ERASE:
      if (d->eeprom_write_enabled)
        d->eeprom[address] = 0xffff;
      break;
    default:
      break; /* a write waits for its data */
    }
}

static void
eeprom_clock (E1000 *d, unsigned bit)
{
  if (d->eeprom_out_bits > 0)
    {
      if (--d->eeprom_out_bits > 0)
        return;
      /* Reading on gives the next word. */
      d->eeprom_in = (d->eeprom_in & ~63u) | ((d->eeprom_in + 1) & 63);
      d->eeprom_out = d->eeprom[d->eeprom_in & 63];
      d->eeprom_out_bits = 16;
      return;
    }
  if (d->eeprom_in_bits == 0 && bit == 0)
    return; /* waits for the start bit */
  d->eeprom_in = d->eeprom_in << 1 | bit;
  d->eeprom_in_bits++;
  if (d->eeprom_in_bits == EEPROM_COMMAND_BITS)
    eeprom_command (d);
  else if (d->eeprom_in_bits == EEPROM_COMMAND_BITS + 16)
    {
      if ((d->eeprom_in >> 22 & 3) == EEPROM_OP_WRITE && d->eeprom_write_enabled)
        d->eeprom[d->eeprom_in >> 16 & 63] = (uint16_t) d->eeprom_in;
      d->eeprom_in_bits = 0;
      d->eeprom_in = 0;
    }
}

void
e1000_eecd_write (E1000 *d, uint32_t value)
{
  uint32_t old = REG (d, REG_EECD);

  REG (d, REG_EECD) = value & (EECD_SK | EECD_CS | EECD_DI | EECD_REQ | 0x30);
  if (!(value & EECD_CS))
    {
      d->eeprom_in = d->eeprom_in_bits = d->eeprom_out = d->eeprom_out_bits = 0;
      return;
    }
  if (!(old & EECD_SK) && (value & EECD_SK))
    eeprom_clock (d, (value & EECD_DI) != 0);
}

uint32_t
e1000_eerd_read (E1000 *d)
{
  uint32_t value = REG (d, REG_EERD);
  unsigned address = value >> 8 & 0xff;

  if (!(value & EERD_START))
    return value;
  return (uint32_t) (address < EEPROM_WORDS ? d->eeprom[address] : 0xffff) << 16 | EERD_DONE | (value & 0xff00);
}

/* PHY */

void
e1000_phy_reset (E1000 *d)
{
  static const uint16_t defaults[PHY_COUNT] = {
    [PHY_CONTROL] = 0x1140, [PHY_STATUS] = 0x7949, [PHY_ID1] = 0x0141, [PHY_ID2] = 0x0c20, [PHY_ADVERTISE] = 0x0de1,
    [PHY_1000T_CONTROL] = 0x0e00, [PHY_EXTENDED_STATUS] = 0x3000, [PHY_SPECIFIC_CONTROL] = 0x0360,
    [PHY_EXTENDED_SPECIFIC_CONTROL] = 0x0d60,
  };

  memcpy (d->phy, defaults, sizeof d->phy);
  e1000_phy_set_link (d, d->port != NULL && d->port->connected);
}

void
e1000_phy_set_link (E1000 *d, gboolean up)
{
  if (up)
    {
      d->phy[PHY_STATUS] |= PHY_STATUS_LINK | PHY_STATUS_ANEG_DONE;
      d->phy[PHY_PARTNER] = 0xcde1;
      d->phy[PHY_EXPANSION] = 0x000f;
      d->phy[PHY_1000T_STATUS] = 0x7c00;
      d->phy[PHY_SPECIFIC_STATUS] = 0xac00;
      REG (d, REG_STATUS) |= STATUS_LU;
    }
  else
    {
      d->phy[PHY_STATUS] &= (uint16_t) ~(PHY_STATUS_LINK | PHY_STATUS_ANEG_DONE);
      d->phy[PHY_PARTNER] = 0;
      d->phy[PHY_EXPANSION] = 0x0004;
      d->phy[PHY_1000T_STATUS] = 0;
      d->phy[PHY_SPECIFIC_STATUS] &= (uint16_t) ~PHY_SPECIFIC_LINK;
      REG (d, REG_STATUS) &= ~(uint32_t) STATUS_LU;
    }
}

static void
phy_write (E1000 *d, unsigned reg, uint16_t value)
{
  switch (reg)
    {
    case PHY_CONTROL:
      if (value & PHY_CONTROL_RESET)
        {
          e1000_phy_reset (d);
          return;
        }
      d->phy[reg] = (uint16_t) (value & ~(PHY_CONTROL_RESTART | 0x3f));
      /* Negotiation with our end of the cable is done at once. */
      if (value & PHY_CONTROL_RESTART && d->phy[PHY_STATUS] & PHY_STATUS_LINK)
        e1000_raise (d, ICR_LSC);
      break;
    case PHY_STATUS:
    case PHY_ID1:
    case PHY_ID2:
    case PHY_PARTNER:
    case PHY_EXPANSION:
    case PHY_1000T_STATUS:
    case PHY_EXTENDED_STATUS:
    case PHY_SPECIFIC_STATUS:
      break;
    default:
      d->phy[reg] = value;
      break;
    }
}

void
e1000_mdic_write (E1000 *d, uint32_t value)
{
  unsigned reg = value >> 16 & 31, phy = value >> 21 & 31, operation = value >> 26 & 3;
  uint32_t result = value & ~(uint32_t) (MDIC_ERROR | MDIC_READY);

  if (phy != MDIC_PHY_ADDRESS || (operation != MDIC_OP_READ && operation != MDIC_OP_WRITE))
    result |= MDIC_ERROR;
  else if (operation == MDIC_OP_READ)
    result = (result & ~0xffffu) | d->phy[reg];
  else
    phy_write (d, reg, (uint16_t) value);
  REG (d, REG_MDIC) = result | MDIC_READY;
  if (value & MDIC_INTERRUPT)
    e1000_raise (d, ICR_MDAC);
}
