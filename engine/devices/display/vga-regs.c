/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The VGA's registers.
 * Specification: IBM VGA Technical Reference (PS/2 Video Subsystem), register
 * descriptions; FreeVGA's summary of them.
 */

#include "engine/devices/display/vga-private.h"

enum
{
  PORT_BASE = 0x3b0, AR_ADDRESS = 0x3c0, AR_READ = 0x3c1, MISC_WRITE = 0x3c2, SEQ_ADDRESS = 0x3c4, SEQ_DATA = 0x3c5, DAC_MASK = 0x3c6,
  DAC_READ_INDEX = 0x3c7, DAC_WRITE_INDEX = 0x3c8, DAC_DATA = 0x3c9, FEATURE_READ = 0x3ca, MISC_READ = 0x3cc, GR_ADDRESS = 0x3ce,
  GR_DATA = 0x3cf, CR_ADDRESS_MONO = 0x3b4, CR_DATA_MONO = 0x3b5, STATUS1_MONO = 0x3ba, CR_ADDRESS = 0x3d4, CR_DATA = 0x3d5,
  STATUS1 = 0x3da,
  STATUS1_BLANK = 1 << 0, STATUS1_RETRACE = 1 << 3, CR_PROTECT = 1 << 7, CR_PROTECTED_OVERFLOW = 1 << 4,
  DAC_WRITING = 0, DAC_READING = 3,
  /* 70 frames a second of 449 lines, 400 of them shown; a fifth of each line is blanked. */
  FRAME_NS = 14268000, LINES = 449, LINES_SHOWN = 400, RETRACE_FIRST = 412, RETRACE_LAST = 414
};

static const uint8_t seq_mask[SEQ_COUNT] = { 0x03, 0x3d, 0x0f, 0x3f, 0x0e, 0x00, 0x00, 0xff };
static const uint8_t gr_mask[GR_COUNT] = { 0x0f, 0x0f, 0x0f, 0x1f, 0x03, 0x7b, 0x0f, 0x0f, 0xff };

static uint8_t
input_status1 (Vga *d)
{
  int64_t in_frame = clock_now (d->parent.parent.env.clock) % FRAME_NS, line_ns = FRAME_NS / LINES;
  int64_t line = in_frame / line_ns;
  uint8_t status = 0;

  d->ar_flip_flop = 0;
  if (line >= LINES_SHOWN || in_frame % line_ns > line_ns * 4 / 5)
    status |= STATUS1_BLANK;
  if (line >= RETRACE_FIRST && line <= RETRACE_LAST)
    status |= STATUS1_RETRACE | STATUS1_BLANK;
  return status;
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
    d->palette[d->dac_write * 3 + i] = d->dispi[DISPI_ENABLE] & DISPI_8BIT_DAC ? d->dac_cache[i] : d->dac_cache[i] & 0x3f;
  d->dac_write++;
  d->registers_dirty = TRUE;
}

static void
attribute_write (Vga *d, uint8_t value)
{
  unsigned index = d->ar_index & 0x1f;

  d->ar_flip_flop ^= 1;
  if (d->ar_flip_flop)
    {
      d->ar_index = value & 0x3f;
      d->registers_dirty = TRUE;
      return;
    }
  if (index < AR_COUNT)
    d->ar[index] = index < 16 ? value & 0x3f : value;
  d->registers_dirty = TRUE;
}

static void
crtc_write (Vga *d, uint8_t value)
{
  if (d->cr_index >= CR_COUNT)
    return;
  if (d->cr[CR_VSYNC_END] & CR_PROTECT && d->cr_index <= CR_OVERFLOW)
    {
      /* One bit of the protected registers stays writable: bit 8 of line compare. */
      if (d->cr_index == CR_OVERFLOW)
        d->cr[CR_OVERFLOW] = (uint8_t) ((d->cr[CR_OVERFLOW] & ~CR_PROTECTED_OVERFLOW) | (value & CR_PROTECTED_OVERFLOW));
    }
  else
    d->cr[d->cr_index] = value;
  d->registers_dirty = TRUE;
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
      return d->ar_flip_flop ? 0 : d->ar_index;
    case AR_READ:
      return (d->ar_index & 0x1f) < AR_COUNT ? d->ar[d->ar_index & 0x1f] : 0;
    case MISC_WRITE:
      return 0x10; /* input status 0: a monitor is there */
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
      return d->cr_index < CR_COUNT ? d->cr[d->cr_index] : 0;
    case STATUS1_MONO:
    case STATUS1:
      return input_status1 (d);
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
      d->misc = value & ~0x10;
      d->registers_dirty = TRUE;
      vga_update_mapping (d);
      break;
    case SEQ_ADDRESS:
      d->seq_index = value & 7;
      break;
    case SEQ_DATA:
      d->seq[d->seq_index] = value & seq_mask[d->seq_index];
      d->registers_dirty = TRUE;
      vga_update_mapping (d);
      break;
    case DAC_MASK:
      d->dac_mask = value;
      d->registers_dirty = TRUE;
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
      d->gr[d->gr_index] = value & gr_mask[d->gr_index];
      d->registers_dirty = TRUE;
      vga_update_mapping (d);
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
