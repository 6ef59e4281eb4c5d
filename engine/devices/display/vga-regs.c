/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The VGA's registers.
 * Specification: IBM VGA Technical Reference (PS/2 Video Subsystem), register
 * descriptions; FreeVGA's summary of them.
 */

#include "engine/devices/display/vga-private.h"

enum
{
  PORT_BASE = 0x3b0, AR_ADDRESS = 0x3c0, AR_READ = 0x3c1, MISC_WRITE = 0x3c2, SEQ_ADDRESS = 0x3c4, SEQ_DATA = 0x3c5,
  DAC_MASK = 0x3c6, DAC_READ_INDEX = 0x3c7, DAC_WRITE_INDEX = 0x3c8, DAC_DATA = 0x3c9, FEATURE_READ = 0x3ca,
  MISC_READ = 0x3cc, GR_ADDRESS = 0x3ce, GR_DATA = 0x3cf, CR_ADDRESS_MONO = 0x3b4, CR_DATA_MONO = 0x3b5,
  STATUS1_MONO = 0x3ba, CR_ADDRESS = 0x3d4, CR_DATA = 0x3d5, STATUS1 = 0x3da
};

enum
{
  STATUS0_SENSE = 1 << 4, MISC_RESERVED = 1 << 4, CR_PROTECT = 1 << 7, CR_OVERFLOW_COMPARE = 1 << 4,
  DAC_WRITING = 0, DAC_READING = 3, AR_INDEX_MASK = 0x1f
};

static const uint8_t seq_mask[SEQ_COUNT] = { 0x03, 0x3d, 0x0f, 0x3f, 0x0e, 0x00, 0x00, 0xff };
static const uint8_t gr_mask[GR_COUNT] = { 0x0f, 0x0f, 0x0f, 0x1f, 0x03, 0x7b, 0x0f, 0x0f, 0xff };

/* Sets a register of what is shown. */
static void
set_shown (Vga *d, uint8_t *reg, uint8_t value)
{
  if (*reg == value)
    return;
  *reg = value;
  d->redraw = TRUE;
}

static uint8_t
dac_data_read (Vga *d)
{
  uint8_t value = d->palette[d->dac_read * 3 + d->dac_component];

  if (++d->dac_component == 3)
    {
      d->dac_component = 0;
      d->dac_read++;
    }
  return value;
}

static void
dac_data_write (Vga *d, uint8_t value)
{
  d->dac_cache[d->dac_component] = value;
  if (++d->dac_component < 3)
    return;
  d->dac_component = 0;
  for (int i = 0; i < 3; i++)
    set_shown (d, &d->palette[d->dac_write * 3 + i],
               d->dispi[DISPI_ENABLE] & DISPI_8BIT_DAC ? d->dac_cache[i] : d->dac_cache[i] & 0x3f);
  d->dac_write++;
}

/* Index and data by turns, at one port. */
static void
attribute_write (Vga *d, uint8_t value)
{
  unsigned index = d->ar_index & AR_INDEX_MASK;

  d->ar_flip_flop ^= 1;
  if (d->ar_flip_flop)
    {
      if ((d->ar_index ^ value) & AR_INDEX_VIDEO)
        d->redraw = TRUE;
      d->ar_index = value & (AR_INDEX_MASK | AR_INDEX_VIDEO);
    }
  else if (index < AR_COUNT)
    set_shown (d, &d->ar[index], index < 16 ? value & 0x3f : value);
}

static void
sequencer_write (Vga *d, uint8_t value)
{
  value &= seq_mask[d->seq_index];
  if (d->seq_index == SEQ_CLOCKING || d->seq_index == SEQ_FONT)
    set_shown (d, &d->seq[d->seq_index], value);
  else
    d->seq[d->seq_index] = value;
  vga_update_mapping (d);
}

static void
graphics_write (Vga *d, uint8_t value)
{
  value &= gr_mask[d->gr_index];
  if (d->gr_index == GR_MISC || (d->gr_index == GR_MODE && (d->gr[GR_MODE] ^ value) & GR_MODE_SHIFT))
    set_shown (d, &d->gr[d->gr_index], value);
  else
    d->gr[d->gr_index] = value;
  vga_update_mapping (d);
}

static void
crtc_write (Vga *d, uint8_t value)
{
  uint8_t *reg;

  if (d->cr_index >= CR_COUNT)
    return;
  reg = &d->cr[d->cr_index];
  if (d->cr[CR_VSYNC_END] & CR_PROTECT && d->cr_index <= CR_OVERFLOW)
    {
      /* One bit of the protected registers stays writable: bit 8 of line compare. */
      if (d->cr_index == CR_OVERFLOW)
        set_shown (d, reg, (uint8_t) ((*reg & ~CR_OVERFLOW_COMPARE) | (value & CR_OVERFLOW_COMPARE)));
      return;
    }
  switch (d->cr_index)
    {
    case CR_START_HIGH:
    case CR_START_LOW:
      /* Text that scrolls is compared cell by cell. */
      if (d->gr[GR_MISC] & GR_MISC_GRAPHICS)
        set_shown (d, reg, value);
      else
        d->changed |= *reg != value;
      break;
    case CR_CURSOR_HIGH:
    case CR_CURSOR_LOW:
      d->changed |= *reg != value;
      break;
    default:
      set_shown (d, reg, value);
      return;
    }
  *reg = value;
}

static uint8_t
crtc_read (const Vga *d)
{
  switch (d->cr_index)
    {
    case CR_LATCH:
      return (uint8_t) (d->latch >> (8 * (d->gr[GR_READ_MAP] & 3)));
    case CR_FLIP_FLOP:
      return d->ar_flip_flop ? 0x80 : 0;
    default:
      return d->cr_index < CR_COUNT ? d->cr[d->cr_index] : 0;
    }
}

/* The CRTC and status ports answer at 3Bxh or 3Dxh, as the miscellaneous register says. */
static gboolean
is_hidden (const Vga *d, uint16_t port)
{
  if (port >= 0x3b0 && port <= 0x3bf)
    return (d->misc & MISC_COLOR) != 0;
  if (port >= 0x3d0 && port <= 0x3df)
    return !(d->misc & MISC_COLOR);
  return FALSE;
}

uint8_t
vga_port_read (Vga *d, uint16_t port)
{
  if (is_hidden (d, port))
    return 0xff;
  switch (port)
    {
    case AR_ADDRESS:
      return d->ar_index;
    case AR_READ:
      return (d->ar_index & AR_INDEX_MASK) < AR_COUNT ? d->ar[d->ar_index & AR_INDEX_MASK] : 0;
    case MISC_WRITE:
      return STATUS0_SENSE; /* a monitor is there */
    case SEQ_ADDRESS:
      return d->seq_index;
    case SEQ_DATA:
      return d->seq[d->seq_index];
    case DAC_MASK:
      return d->dac_mask;
    case DAC_READ_INDEX:
      return d->dac_state;
    case DAC_WRITE_INDEX:
      return d->dac_write;
    case DAC_DATA:
      return dac_data_read (d);
    case FEATURE_READ:
      return d->feature;
    case MISC_READ:
      return d->misc;
    case GR_ADDRESS:
      return d->gr_index;
    case GR_DATA:
      return d->gr[d->gr_index];
    case CR_ADDRESS_MONO:
    case CR_ADDRESS:
      return d->cr_index;
    case CR_DATA_MONO:
    case CR_DATA:
      return crtc_read (d);
    case STATUS1_MONO:
    case STATUS1:
      d->ar_flip_flop = 0;
      return vga_input_status1 (d, clock_now (d->parent.parent.env.clock));
    default:
      return 0xff;
    }
}

void
vga_port_write (Vga *d, uint16_t port, uint8_t value)
{
  if (is_hidden (d, port))
    return;
  switch (port)
    {
    case AR_ADDRESS:
      attribute_write (d, value);
      break;
    case MISC_WRITE:
      d->misc = value & (uint8_t) ~MISC_RESERVED;
      vga_update_mapping (d);
      break;
    case SEQ_ADDRESS:
      d->seq_index = value & 7;
      break;
    case SEQ_DATA:
      sequencer_write (d, value);
      break;
    case DAC_MASK:
      set_shown (d, &d->dac_mask, value);
      break;
    case DAC_READ_INDEX:
      d->dac_read = value;
      d->dac_component = 0;
      d->dac_state = DAC_READING;
      break;
    case DAC_WRITE_INDEX:
      d->dac_write = value;
      d->dac_component = 0;
      d->dac_state = DAC_WRITING;
      break;
    case DAC_DATA:
      dac_data_write (d, value);
      break;
    case GR_ADDRESS:
      d->gr_index = value & 0xf;
      break;
    case GR_DATA:
      graphics_write (d, value);
      break;
    case CR_ADDRESS_MONO:
    case CR_ADDRESS:
      d->cr_index = value;
      break;
    case CR_DATA_MONO:
    case CR_DATA:
      crtc_write (d, value);
      break;
    case STATUS1_MONO:
    case STATUS1:
      d->feature = value & 0x10;
      break;
    default:
      break;
    }
}

static uint32_t
pio_read (void *opaque, uint16_t offset, unsigned size)
{
  return vga_port_read (opaque, PORT_BASE + offset);
}

static void
pio_write (void *opaque, uint16_t offset, uint32_t value, unsigned size)
{
  vga_port_write (opaque, PORT_BASE + offset, (uint8_t) value);
}

const PioOps vga_pio_ops = { .read = pio_read, .write = pio_write };
