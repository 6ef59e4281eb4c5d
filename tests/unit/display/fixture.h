/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A VGA with the little of a machine that it needs, driven as a guest would. */
#pragma once

#include "engine/bus/pci.h"
#include "engine/devices/display/vga-private.h"

enum { LFB = 0xe0000000, MMIO = 0xf0000000 };

typedef struct
{
  MachineLock lock;
  GMainContext *context;
  Clock *clock;
  AddressSpace *memory;
  Bus *bus;
  PciBus *pci;
  Display *display;
  Device *device;
  Vga *vga;
} Fixture;

/* Realized and reset, BARs mapped at LFB and MMIO. */
void fixture_set_up (Fixture *f, uint64_t vram_size);
void fixture_tear_down (Fixture *f);

void out8 (Fixture *f, uint16_t port, uint8_t value);
void out16 (Fixture *f, uint16_t port, uint16_t value);
uint8_t in8 (Fixture *f, uint16_t port);
void set_seq (Fixture *f, uint8_t index, uint8_t value);
void set_gr (Fixture *f, uint8_t index, uint8_t value);
void set_cr (Fixture *f, uint8_t index, uint8_t value);
void set_ar (Fixture *f, uint8_t index, uint8_t value);
void set_dac (Fixture *f, uint8_t index, uint8_t r, uint8_t g, uint8_t b);
void set_dispi (Fixture *f, uint16_t index, uint16_t value);
uint16_t get_dispi (Fixture *f, uint16_t index);
/* Guest-physical memory, whatever is there. */
void poke (Fixture *f, uint64_t gpa, uint64_t value, unsigned size);
uint64_t peek (Fixture *f, uint64_t gpa, unsigned size);

/* Registers as a BIOS sets them for the mode of this number: 03h, 04h, 06h, 12h, 13h. The DAC's first 16 entries
 * become the CGA colours, the others a ramp. */
void set_mode (Fixture *f, unsigned mode);
/* Loads a glyph of 16 lines into the font at @font of plane 2. */
void load_glyph (Fixture *f, unsigned font, uint8_t character, const uint8_t rows[16]);
void put_cell (Fixture *f, int column, int row, uint8_t character, uint8_t attribute);
void set_vbe (Fixture *f, int width, int height, int bpp);

/* Refreshes; XRGB8888 of one pixel, which must be on the screen. */
uint32_t pixel (Fixture *f, int x, int y);
/* Asserts the size of the frame. */
void assert_size (Fixture *f, int width, int height);
