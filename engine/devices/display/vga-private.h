/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * State of the VGA, shared by its files.
 *
 * Video memory keeps the four planes interleaved: byte 4 n + p is offset n of
 * plane p. Chain-4 and linear frame buffers then are plain byte addresses, a
 * text cell is one doubleword (character, attribute, font), and the planar
 * modes read eight pixels from one. The host is little-endian, as is a
 * doubleword of planes: plane p is byte p.
 */
#pragma once

#include "engine/bus/pci.h"
#include "engine/devices/display/vga.h"

enum
{
  SEQ_RESET, SEQ_CLOCKING, SEQ_MAP_MASK, SEQ_FONT, SEQ_MEMORY_MODE, SEQ_COUNT = 8,
  SEQ_CLOCKING_8_DOTS = 1 << 0, SEQ_CLOCKING_HALF = 1 << 3, SEQ_CLOCKING_OFF = 1 << 5,
  SEQ_MEMORY_PLANAR = 1 << 2, SEQ_MEMORY_CHAIN4 = 1 << 3
};

enum
{
  GR_SET_RESET, GR_ENABLE_SET_RESET, GR_COMPARE, GR_ROTATE, GR_READ_MAP, GR_MODE, GR_MISC, GR_DONT_CARE, GR_BIT_MASK,
  GR_COUNT = 16,
  GR_MODE_WRITE = 3, GR_MODE_READ1 = 1 << 3, GR_MODE_ODD_EVEN = 1 << 4, GR_MODE_SHIFT = 3 << 5,
  GR_MODE_SHIFT_256 = 1 << 6, GR_MODE_SHIFT_CGA = 1 << 5, GR_MISC_GRAPHICS = 1 << 0, GR_MISC_MAP_SHIFT = 2
};

enum
{
  CR_HTOTAL = 0, CR_HDISP = 1, CR_VTOTAL = 6, CR_OVERFLOW = 7, CR_PRESET = 8, CR_MAX_SCAN = 9, CR_CURSOR_START = 0xa,
  CR_CURSOR_END = 0xb, CR_START_HIGH = 0xc, CR_START_LOW = 0xd, CR_CURSOR_HIGH = 0xe, CR_CURSOR_LOW = 0xf,
  CR_VSYNC_START = 0x10, CR_VSYNC_END = 0x11, CR_VDISP = 0x12, CR_OFFSET = 0x13, CR_UNDERLINE = 0x14, CR_MODE = 0x17,
  CR_COMPARE = 0x18, CR_COUNT = 0x19, CR_LATCH = 0x22, CR_FLIP_FLOP = 0x24,
  CR_MAX_SCAN_DOUBLE = 1 << 7, CR_MODE_SCAN0 = 1 << 0, CR_MODE_SCAN1 = 1 << 1, CR_MODE_DOUBLE_LINES = 1 << 2,
  CR_MODE_BYTE = 1 << 6
};

enum
{
  AR_MODE = 0x10, AR_OVERSCAN = 0x11, AR_PLANES = 0x12, AR_PANNING = 0x13, AR_COLOR_SELECT = 0x14, AR_COUNT = 0x15,
  AR_INDEX_VIDEO = 1 << 5, AR_MODE_LINE_GRAPHICS = 1 << 2, AR_MODE_BLINK = 1 << 3, AR_MODE_PAN_SPLIT = 1 << 5,
  AR_MODE_256 = 1 << 6, AR_MODE_SELECT = 1 << 7
};

enum { MISC_COLOR = 1 << 0, MISC_RAM_ENABLE = 1 << 1, MISC_CLOCK_SHIFT = 2 };

enum
{
  DISPI_ID, DISPI_XRES, DISPI_YRES, DISPI_BPP, DISPI_ENABLE, DISPI_BANK, DISPI_VIRT_WIDTH, DISPI_VIRT_HEIGHT,
  DISPI_X_OFFSET, DISPI_Y_OFFSET, DISPI_MEMORY, DISPI_COUNT,
  DISPI_ENABLED = 1 << 0, DISPI_GET_CAPS = 1 << 1, DISPI_8BIT_DAC = 1 << 5, DISPI_LFB = 1 << 6, DISPI_NO_CLEAR = 1 << 7,
  DISPI_MAX_XRES = 2560, DISPI_MAX_YRES = 1600, DISPI_MAX_BPP = 32
};

enum
{
  VGA_MEMORY_SIZE = 256 << 10, /* what an IBM VGA has: addresses of its own modes wrap there */
  EDID_SIZE = 128
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

  uint8_t misc, feature, seq_index, gr_index, cr_index, ar_index, ar_flip_flop;
  uint8_t seq[SEQ_COUNT], gr[GR_COUNT], cr[CR_COUNT], ar[AR_COUNT];
  uint8_t dac_mask, dac_state, dac_read, dac_write, dac_component, dac_cache[3];
  uint8_t palette[768];
  uint8_t big_endian;               /* order of the bytes of a pixel of 15 bits and more */
  uint32_t latch;                   /* a byte a plane */
  uint16_t dispi_index, dispi[DISPI_COUNT];
  uint8_t edid[EDID_SIZE];

  /* What the next refresh has to do. */
  gboolean redraw;                  /* registers changed what is shown */
  gboolean changed;                 /* something in memory or the cursor did */
  gboolean fonts_changed;
  uint8_t *dirty_pages;             /* of video memory, a byte each */
  unsigned blink_phase;
  uint32_t *cells;                  /* text as it was drawn, see vga-text.c */
  size_t cell_count;
  uint32_t line[DISPI_MAX_XRES];
  uint8_t wrapped[4 * DISPI_MAX_XRES];
} Vga;

/* How the CRTC scans memory out. */
typedef struct
{
  int width, height;      /* dots and lines as shown */
  unsigned dots;          /* of a character, or of a doubleword of planes */
  unsigned scale;         /* dots a pixel: 2 with half the dot clock */
  unsigned columns;       /* characters, or doublewords of planes */
  unsigned pitch;         /* bytes of video memory a row */
  uint64_t start;         /* byte address of the first row */
  uint64_t wrap;          /* mask of byte addresses */
  unsigned max_scan;      /* scan lines a row, less one */
  unsigned doubling;      /* times that each scan line is shown */
  int compare;            /* line after which memory starts over at 0 */
  unsigned preset;        /* scan line of the first row that is shown first */
  unsigned pan;           /* dots, left to go */
  gboolean pan_split;     /* the part below the split does not pan */
  unsigned byte_pan;      /* doublewords */
} VgaGeometry;

/* vga-regs.c: ports 3B0h–3DFh. */
extern const PioOps vga_pio_ops;
uint8_t vga_port_read (Vga *d, uint16_t port);
void vga_port_write (Vga *d, uint16_t port, uint8_t value);

/* vga-timing.c: input status register 1 without the flip-flop's side of it. */
uint8_t vga_input_status1 (const Vga *d, int64_t now);

/* vga-memory.c: A0000h–BFFFFh. */
extern const MmioOps vga_legacy_ops;
/* Maps memory directly where the registers allow it; after every change of them. */
void vga_update_mapping (Vga *d);

/* vga-dispi.c */
extern const PioOps vga_dispi_pio_ops;
gboolean vga_dispi_enabled (const Vga *d);
/* A VBE mode of 8 bits a pixel or more: memory is linear, and the VGA's own circuits are bypassed. */
gboolean vga_dispi_is_linear (const Vga *d);
/* Whether the registers are ones that the guest could have set. */
gboolean vga_dispi_is_sane (const Vga *d);
uint16_t vga_dispi_read (Vga *d, unsigned index);
void vga_dispi_write (Vga *d, unsigned index, uint16_t value);
unsigned vga_dispi_pitch (const Vga *d);
/* Byte address of the first pixel shown. */
uint64_t vga_dispi_start (const Vga *d);
/* Draws the lines that lie in dirty pages, or all. */
void vga_dispi_draw (Vga *d, uint32_t *frame, int stride, gboolean full);

/* vga-draw.c */
/* Brings the display up to date. */
void vga_refresh (Vga *d, gboolean full);
void vga_get_geometry (const Vga *d, VgaGeometry *g);
/* XRGB8888 of DAC entry @index. */
uint32_t vga_dac_color (const Vga *d, uint8_t index);
/* Puts d->line at row @y of the frame, and tells of damage where it differs. */
void vga_put_line (Vga *d, uint32_t *frame, int stride, int y, int width);
/* Whether a page of [@from, @from + @length) is dirty; addresses wrap with @wrap. */
gboolean vga_is_dirty (const Vga *d, uint64_t from, uint64_t length, uint64_t wrap);

/* vga-text.c: draws the cells that changed, or all. @colors are those of the attribute controller. */
void vga_draw_text (Vga *d, const VgaGeometry *g, const uint32_t colors[16], uint32_t *frame, int stride,
                    gboolean full);

/* vga-graphics.c: planar 16 colours, CGA's 4 and 2, and 256 colours. */
void vga_draw_graphics (Vga *d, const VgaGeometry *g, const uint32_t colors[16], uint32_t *frame, int stride,
                        gboolean full);

/* vga-text-dump.c: the cells of a text mode as UTF-8 lines, or NULL in a graphics mode. */
char *vga_dump_text (Vga *d);

/* edid.c: an EDID 1.4 block whose preferred mode has this size, within what VBE modes reach. */
void edid_build (uint8_t edid[EDID_SIZE], int width, int height);
