/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * State of the VGA, shared by its files.
 *
 * Video memory keeps the four planes interleaved: byte 4 n + p is offset n of
 * plane p. Chain-4 and linear frame buffers then are plain byte addresses, a
 * text cell is one doubleword (character, attribute, font), and the planar
 * modes read eight pixels from one.
 */
#pragma once

#include "engine/bus/pci.h"
#include "engine/devices/display/vga.h"

enum
{
  SEQ_RESET, SEQ_CLOCKING, SEQ_MAP_MASK, SEQ_FONT, SEQ_MEMORY_MODE, SEQ_COUNT = 8,
  SEQ_CLOCKING_8_DOTS = 1 << 0, SEQ_CLOCKING_HALF = 1 << 3, SEQ_CLOCKING_OFF = 1 << 5, SEQ_MEMORY_CHAIN4 = 1 << 3,
  GR_SET_RESET = 0, GR_ENABLE_SET_RESET, GR_COMPARE, GR_ROTATE, GR_READ_MAP, GR_MODE, GR_MISC, GR_DONT_CARE, GR_BIT_MASK, GR_COUNT = 16,
  GR_MODE_READ1 = 1 << 3, GR_MODE_ODD_EVEN = 1 << 4, GR_MISC_GRAPHICS = 1 << 0,
  CR_HDISP = 1, CR_OVERFLOW = 7, CR_PRESET = 8, CR_MAX_SCAN = 9, CR_CURSOR_START = 0xa, CR_CURSOR_END = 0xb, CR_START_HIGH = 0xc,
  CR_START_LOW = 0xd, CR_CURSOR_HIGH = 0xe, CR_CURSOR_LOW = 0xf, CR_VSYNC_END = 0x11, CR_VDISP = 0x12, CR_OFFSET = 0x13,
  CR_UNDERLINE = 0x14, CR_MODE = 0x17, CR_COMPARE = 0x18, CR_COUNT = 0x19,
  AR_MODE = 0x10, AR_OVERSCAN = 0x11, AR_PLANES = 0x12, AR_PANNING = 0x13, AR_COLOR_SELECT = 0x14, AR_COUNT = 0x15,
  AR_INDEX_VIDEO = 1 << 5, AR_MODE_LINE_GRAPHICS = 1 << 2, AR_MODE_BLINK = 1 << 3, AR_MODE_PAN_SPLIT = 1 << 5,
  AR_MODE_256 = 1 << 6, AR_MODE_SELECT = 1 << 7,
  MISC_COLOR = 1 << 0
};

enum
{
  DISPI_ID, DISPI_XRES, DISPI_YRES, DISPI_BPP, DISPI_ENABLE, DISPI_BANK, DISPI_VIRT_WIDTH, DISPI_VIRT_HEIGHT, DISPI_X_OFFSET,
  DISPI_Y_OFFSET, DISPI_MEMORY, DISPI_COUNT,
  DISPI_ENABLED = 1 << 0, DISPI_GET_CAPS = 1 << 1, DISPI_8BIT_DAC = 1 << 5, DISPI_LFB = 1 << 6, DISPI_NO_CLEAR = 1 << 7,
  DISPI_MAX_XRES = 2560, DISPI_MAX_YRES = 1600, DISPI_MAX_BPP = 32, EDID_SIZE = 256
};

typedef struct
{
  PciDevice parent;
  Display *display;
  char *rom;
  uint64_t vram_size;
  RamBlock *vram_block;
  uint8_t *vram;
  MemoryRegion *legacy, *direct;    /* A0000h: handlers, and memory itself where that is all the handlers would do */
  uint64_t direct_offset;
  uint8_t *dirty_pages;

  uint8_t misc, feature, seq_index, gr_index, cr_index, ar_index, ar_flip_flop;
  uint8_t seq[SEQ_COUNT], gr[GR_COUNT], cr[CR_COUNT], ar[AR_COUNT];
  uint8_t dac_mask, dac_state, dac_read, dac_write, dac_component, dac_cache[3];
  uint8_t palette[768];
  uint8_t latch[4];
  uint16_t dispi_index, dispi[DISPI_COUNT];
  uint8_t edid[EDID_SIZE];

  gboolean memory_dirty, registers_dirty;
  unsigned blink_phase;
  uint32_t line[DISPI_MAX_XRES];
} Vga;

/* vga-regs.c: ports 3B0h–3DFh. */
extern const PioOps vga_pio_ops;
uint8_t vga_port_read (Vga *d, uint16_t port);
void vga_port_write (Vga *d, uint16_t port, uint8_t value);

/* vga-memory.c: A0000h–BFFFFh. */
extern const MmioOps vga_legacy_ops;
/* Maps memory directly where the registers allow it; after every change of them. */
void vga_update_mapping (Vga *d);

/* vga-dispi.c */
extern const PioOps vga_dispi_pio_ops;
gboolean vga_dispi_enabled (const Vga *d);
uint16_t vga_dispi_read (Vga *d, unsigned index);
void vga_dispi_write (Vga *d, unsigned index, uint16_t value);
unsigned vga_dispi_pitch (const Vga *d);
void vga_dispi_draw (Vga *d, gboolean full);

/* vga-draw.c: text and the planar, CGA and 256-colour modes. */
void vga_draw (Vga *d);
char *vga_text (Vga *d);
/* XRGB8888 of DAC entry @index. */
uint32_t vga_dac_color (const Vga *d, uint8_t index);
/* Puts d->line at row @y of the frame, and tells of damage where it differs. */
void vga_put_line (Vga *d, uint32_t *frame, int stride, int y, int width);

/* edid.c: an EDID 1.4 block of 128 bytes whose preferred mode has this size. */
void edid_build (uint8_t edid[128], int width, int height);
