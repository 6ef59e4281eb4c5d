/* SPDX-License-Identifier: GPL-3.0-or-later */
/* See fixture.h. */

#include "fixture.h"

enum { VGA_DEVFN = 2 << 3 };

typedef struct
{
  uint8_t misc, seq[5], cr[CR_COUNT], gr[9], mode, planes;
} ModeRegisters;

/* IBM VGA Technical Reference, the BIOS' video parameter table. */
static const ModeRegisters mode_03 = {
  0x67, { 0x03, 0x00, 0x03, 0x00, 0x02 },
  { 0x5f, 0x4f, 0x50, 0x82, 0x55, 0x81, 0xbf, 0x1f, 0x00, 0x4f, 0x0d, 0x0e, 0x00, 0x00, 0x00, 0x00,
    0x9c, 0x8e, 0x8f, 0x28, 0x1f, 0x96, 0xb9, 0xa3, 0xff },
  { 0x00, 0x00, 0x00, 0x00, 0x00, 0x10, 0x0e, 0x00, 0xff }, 0x0c, 0x0f
};
static const ModeRegisters mode_04 = {
  0x63, { 0x03, 0x09, 0x03, 0x00, 0x02 },
  { 0x2d, 0x27, 0x28, 0x90, 0x2b, 0x80, 0xbf, 0x1f, 0x00, 0xc1, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x9c, 0x8e, 0x8f, 0x14, 0x00, 0x96, 0xb9, 0xa2, 0xff },
  { 0x00, 0x00, 0x00, 0x00, 0x00, 0x30, 0x0f, 0x00, 0xff }, 0x01, 0x03
};
static const ModeRegisters mode_06 = {
  0x63, { 0x03, 0x01, 0x01, 0x00, 0x06 },
  { 0x5f, 0x4f, 0x50, 0x82, 0x54, 0x80, 0xbf, 0x1f, 0x00, 0xc1, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x9c, 0x8e, 0x8f, 0x28, 0x00, 0x96, 0xb9, 0xc2, 0xff },
  { 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x0d, 0x00, 0xff }, 0x01, 0x01
};
static const ModeRegisters mode_12 = {
  0xe3, { 0x03, 0x01, 0x0f, 0x00, 0x06 },
  { 0x5f, 0x4f, 0x50, 0x82, 0x54, 0x80, 0x0b, 0x3e, 0x00, 0x40, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0xea, 0x8c, 0xdf, 0x28, 0x00, 0xe7, 0x04, 0xe3, 0xff },
  { 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x05, 0x0f, 0xff }, 0x01, 0x0f
};
static const ModeRegisters mode_13 = {
  0x63, { 0x03, 0x01, 0x0f, 0x00, 0x0e },
  { 0x5f, 0x4f, 0x50, 0x82, 0x54, 0x80, 0xbf, 0x1f, 0x00, 0x41, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x9c, 0x8e, 0x8f, 0x28, 0x40, 0x96, 0xb9, 0xa3, 0xff },
  { 0x00, 0x00, 0x00, 0x00, 0x00, 0x40, 0x05, 0x0f, 0xff }, 0x41, 0x0f
};

void
fixture_set_up (Fixture *f, uint64_t vram_size)
{
  g_autoptr (GError) error = NULL;
  DeviceEnv env = { 0 };

  machine_lock_init (&f->lock);
  f->context = g_main_context_new ();
  f->clock = clock_new (f->context, &f->lock);
  f->memory = address_space_new ();
  f->bus = bus_new ();
  f->pci = pci_bus_new (f->bus, f->memory);
  f->display = display_new (&f->lock);
  f->device = device_new (&vga_type);
  f->vga = (Vga *) f->device;
  vga_set_display (f->device, f->display);
  vga_set_memory_size (f->device, vram_size);
  env.bus = f->bus;
  env.memory = f->memory;
  env.pci = f->pci;
  env.clock = f->clock;
  env.lock = &f->lock;
  env.context = f->context;
  device_realize (f->device, &env, &error);
  g_assert_no_error (error);
  device_reset (f->device);
  pci_config_write (f->pci, 0, VGA_DEVFN, PCI_BASE_ADDRESS_0, LFB, 4);
  pci_config_write (f->pci, 0, VGA_DEVFN, PCI_BASE_ADDRESS_0 + 8, MMIO, 4);
  pci_config_write (f->pci, 0, VGA_DEVFN, PCI_COMMAND, PCI_COMMAND_IO | PCI_COMMAND_MEMORY, 2);
}

void
fixture_tear_down (Fixture *f)
{
  device_free (f->device);
  display_free (f->display);
  pci_bus_free (f->pci);
  bus_free (f->bus);
  address_space_free (f->memory);
  clock_free (f->clock);
  g_main_context_unref (f->context);
  machine_lock_clear (&f->lock);
}

void
out8 (Fixture *f, uint16_t port, uint8_t value)
{
  bus_pio_write (f->bus, port, value, 1);
}

void
out16 (Fixture *f, uint16_t port, uint16_t value)
{
  bus_pio_write (f->bus, port, value, 2);
}

uint8_t
in8 (Fixture *f, uint16_t port)
{
  return (uint8_t) bus_pio_read (f->bus, port, 1);
}

void
set_seq (Fixture *f, uint8_t index, uint8_t value)
{
  out16 (f, 0x3c4, (uint16_t) (index | value << 8));
}

void
set_gr (Fixture *f, uint8_t index, uint8_t value)
{
  out16 (f, 0x3ce, (uint16_t) (index | value << 8));
}

void
set_cr (Fixture *f, uint8_t index, uint8_t value)
{
  out16 (f, 0x3d4, (uint16_t) (index | value << 8));
}

void
set_ar (Fixture *f, uint8_t index, uint8_t value)
{
  in8 (f, 0x3da);
  out8 (f, 0x3c0, index | AR_INDEX_VIDEO);
  out8 (f, 0x3c0, value);
}

void
set_dac (Fixture *f, uint8_t index, uint8_t r, uint8_t g, uint8_t b)
{
  out8 (f, 0x3c8, index);
  out8 (f, 0x3c9, r);
  out8 (f, 0x3c9, g);
  out8 (f, 0x3c9, b);
}

void
set_dispi (Fixture *f, uint16_t index, uint16_t value)
{
  out16 (f, 0x1ce, index);
  out16 (f, 0x1cf, value);
}

uint16_t
get_dispi (Fixture *f, uint16_t index)
{
  out16 (f, 0x1ce, index);
  return (uint16_t) bus_pio_read (f->bus, 0x1d0, 2);
}

void
poke (Fixture *f, uint64_t gpa, uint64_t value, unsigned size)
{
  const MemorySection *section = address_space_lookup (f->memory, gpa);

  if (section->kind == MEMORY_MMIO)
    memory_section_write (section, gpa, value, size);
  else
    g_assert_true (guest_memory_write (f->memory, gpa, &value, size));
}

uint64_t
peek (Fixture *f, uint64_t gpa, unsigned size)
{
  const MemorySection *section = address_space_lookup (f->memory, gpa);
  uint64_t value = 0;

  if (section->kind == MEMORY_MMIO)
    return memory_section_read (section, gpa, size);
  g_assert_true (guest_memory_read (f->memory, gpa, &value, size));
  return value;
}

void
set_mode (Fixture *f, unsigned mode)
{
  const ModeRegisters *r = mode == 0x03 ? &mode_03 : mode == 0x04 ? &mode_04 : mode == 0x06 ? &mode_06
                         : mode == 0x12 ? &mode_12 : &mode_13;

  out8 (f, 0x3c2, r->misc);
  for (uint8_t i = 0; i < G_N_ELEMENTS (r->seq); i++)
    set_seq (f, i, r->seq[i]);
  set_cr (f, CR_VSYNC_END, 0);
  for (uint8_t i = 0; i < CR_COUNT; i++)
    set_cr (f, i, r->cr[i]);
  for (uint8_t i = 0; i < G_N_ELEMENTS (r->gr); i++)
    set_gr (f, i, r->gr[i]);
  for (uint8_t i = 0; i < 16; i++)
    set_ar (f, i, i);
  set_ar (f, AR_MODE, r->mode);
  set_ar (f, AR_OVERSCAN, 0);
  set_ar (f, AR_PLANES, r->planes);
  set_ar (f, AR_PANNING, r->mode & AR_MODE_LINE_GRAPHICS ? 8 : 0);
  set_ar (f, AR_COLOR_SELECT, 0);
  out8 (f, 0x3c6, 0xff);
  for (unsigned i = 0; i < 256; i++)
    {
      uint8_t light = i & 8 ? 0x15 : 0;

      if (i == 6)
        set_dac (f, 6, 0x2a, 0x15, 0);
      else if (i < 16)
        set_dac (f, (uint8_t) i, (i & 4 ? 0x2a : 0) + light, (i & 2 ? 0x2a : 0) + light, (i & 1 ? 0x2a : 0) + light);
      else
        set_dac (f, (uint8_t) i, i >> 2, i >> 2, 63 - (i >> 2));
    }
}

void
load_glyph (Fixture *f, unsigned font, uint8_t character, const uint8_t rows[16])
{
  set_seq (f, SEQ_MAP_MASK, 4);
  set_seq (f, SEQ_MEMORY_MODE, 6);
  set_gr (f, GR_MODE, 0);
  set_gr (f, GR_MISC, 4);
  for (unsigned i = 0; i < 16; i++)
    poke (f, 0xa0000 + font + character * 32u + i, rows[i], 1);
  set_seq (f, SEQ_MAP_MASK, 3);
  set_seq (f, SEQ_MEMORY_MODE, 2);
  set_gr (f, GR_MODE, 0x10);
  set_gr (f, GR_MISC, 0xe);
}

void
put_cell (Fixture *f, int column, int row, uint8_t character, uint8_t attribute)
{
  poke (f, 0xb8000 + 2u * (unsigned) (row * 80 + column), (uint64_t) (character | attribute << 8), 2);
}

void
set_vbe (Fixture *f, int width, int height, int bpp)
{
  set_dispi (f, DISPI_ENABLE, 0);
  set_dispi (f, DISPI_XRES, (uint16_t) width);
  set_dispi (f, DISPI_YRES, (uint16_t) height);
  set_dispi (f, DISPI_BPP, (uint16_t) bpp);
  set_dispi (f, DISPI_ENABLE, DISPI_ENABLED | DISPI_LFB);
}

uint32_t
pixel (Fixture *f, int x, int y)
{
  int width, height, stride;
  const uint32_t *pixels;
  uint32_t value;

  display_refresh (f->display);
  pixels = display_lock (f->display, &width, &height, &stride);
  g_assert_nonnull (pixels);
  g_assert_true (x >= 0 && x < width && y >= 0 && y < height);
  value = pixels[y * stride + x];
  display_unlock (f->display);
  return value;
}

void
assert_size (Fixture *f, int width, int height)
{
  int w, h, stride;

  display_refresh (f->display);
  display_lock (f->display, &w, &h, &stride);
  display_unlock (f->display);
  g_assert_cmpint (w, ==, width);
  g_assert_cmpint (h, ==, height);
}
