/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Registers of the VGA: what is stored, protected, relocated and saved. */

#include "fixture.h"

#include <gio/gio.h>
#include <string.h>

enum { VRAM = 1 << 20 };

static void
test_masks (void)
{
  Fixture f;

  fixture_set_up (&f, VRAM);
  set_seq (&f, SEQ_MAP_MASK, 0xff);
  out8 (&f, 0x3c4, SEQ_MAP_MASK);
  g_assert_cmphex (in8 (&f, 0x3c5), ==, 0x0f);
  set_gr (&f, GR_ROTATE, 0xff);
  out8 (&f, 0x3ce, GR_ROTATE);
  g_assert_cmphex (in8 (&f, 0x3cf), ==, 0x1f);
  out8 (&f, 0x3c2, 0xff);
  g_assert_cmphex (in8 (&f, 0x3cc), ==, 0xef);
  /* An index beyond the last register reads 0 and stores nothing. */
  set_cr (&f, 0x40, 0x55);
  g_assert_cmphex (in8 (&f, 0x3d5), ==, 0);
  fixture_tear_down (&f);
}

static void
test_crtc_protect (void)
{
  Fixture f;

  fixture_set_up (&f, VRAM);
  set_cr (&f, CR_HDISP, 0x4f);
  set_cr (&f, CR_OVERFLOW, 0x00);
  set_cr (&f, CR_VSYNC_END, 0x80);
  set_cr (&f, CR_HDISP, 0x12);
  g_assert_cmphex (in8 (&f, 0x3d5), ==, 0x4f);
  set_cr (&f, CR_OVERFLOW, 0xff);
  g_assert_cmphex (in8 (&f, 0x3d5), ==, 0x10);
  set_cr (&f, CR_CURSOR_LOW, 0x12);
  g_assert_cmphex (in8 (&f, 0x3d5), ==, 0x12);
  set_cr (&f, CR_VSYNC_END, 0x00);
  set_cr (&f, CR_HDISP, 0x12);
  g_assert_cmphex (in8 (&f, 0x3d5), ==, 0x12);
  fixture_tear_down (&f);
}

static void
test_attribute_flip_flop (void)
{
  Fixture f;

  fixture_set_up (&f, VRAM);
  in8 (&f, 0x3da);
  out8 (&f, 0x3d4, CR_FLIP_FLOP);
  g_assert_cmphex (in8 (&f, 0x3d5), ==, 0x00);
  out8 (&f, 0x3c0, 0x03);
  g_assert_cmphex (in8 (&f, 0x3d5), ==, 0x80);
  out8 (&f, 0x3c0, 0x2a);
  out8 (&f, 0x3c0, 0x04);
  /* Reading the status starts over with an index. */
  in8 (&f, 0x3da);
  out8 (&f, 0x3c0, 0x03);
  g_assert_cmphex (in8 (&f, 0x3c0), ==, 0x03);
  g_assert_cmphex (in8 (&f, 0x3c1), ==, 0x2a);
  out8 (&f, 0x3c0, 0xff);
  g_assert_cmphex (in8 (&f, 0x3c1), ==, 0x3f);
  /* An index without a register. */
  out8 (&f, 0x3c0, 0x1f);
  out8 (&f, 0x3c0, 0x55);
  g_assert_cmphex (in8 (&f, 0x3c1), ==, 0);
  fixture_tear_down (&f);
}

static void
test_dac (void)
{
  Fixture f;

  fixture_set_up (&f, VRAM);
  out8 (&f, 0x3c8, 0xfe);
  g_assert_cmphex (in8 (&f, 0x3c7), ==, 0);
  for (uint8_t i = 0; i < 9; i++)
    out8 (&f, 0x3c9, 0x40 | i);
  /* FEh, FFh and, the index wrapping, 0; six bits each. */
  out8 (&f, 0x3c7, 0xff);
  g_assert_cmphex (in8 (&f, 0x3c7), ==, 3);
  for (uint8_t i = 3; i < 9; i++)
    g_assert_cmphex (in8 (&f, 0x3c9), ==, i);
  g_assert_cmphex (vga_dac_color (f.vga, 0xff), ==, 0x0c1014);

  set_dispi (&f, DISPI_ENABLE, DISPI_8BIT_DAC);
  set_dac (&f, 1, 0xff, 0x80, 0x01);
  g_assert_cmphex (vga_dac_color (f.vga, 1), ==, 0xff8001);
  set_dispi (&f, DISPI_ENABLE, 0);
  /* What six bits cannot hold does not spill into other colours. */
  g_assert_cmphex (vga_dac_color (f.vga, 1), ==, 0xff0004);
  out8 (&f, 0x3c6, 0xfe);
  g_assert_cmphex (vga_dac_color (f.vga, 1), ==, vga_dac_color (f.vga, 0));
  fixture_tear_down (&f);
}

static void
test_relocation (void)
{
  Fixture f;

  fixture_set_up (&f, VRAM);
  set_cr (&f, CR_CURSOR_LOW, 0x11);
  g_assert_cmphex (in8 (&f, 0x3b5), ==, 0xff);
  out8 (&f, 0x3c2, 0);
  g_assert_cmphex (in8 (&f, 0x3d5), ==, 0xff);
  g_assert_cmphex (in8 (&f, 0x3b4), ==, CR_CURSOR_LOW);
  g_assert_cmphex (in8 (&f, 0x3b5), ==, 0x11);
  set_cr (&f, CR_CURSOR_LOW, 0x22);
  g_assert_cmphex (in8 (&f, 0x3b5), ==, 0x11);
  out16 (&f, 0x3b4, CR_CURSOR_LOW | 0x33 << 8);
  g_assert_cmphex (in8 (&f, 0x3b5), ==, 0x33);
  fixture_tear_down (&f);
}

/* Over a second: how often retrace begins, and how much of the time is blanked. */
static void
watch_beam (Fixture *f, int *retraces, int *blanked)
{
  uint8_t last = 0;

  *retraces = *blanked = 0;
  for (int i = 0; i < 100000; i++)
    {
      uint8_t status = vga_input_status1 (f->vga, (int64_t) i * 10000);

      *retraces += status & 8 && !(last & 8);
      *blanked += status & 1;
      g_assert_true (!(status & 8) || status & 1);
      last = status;
    }
}

static void
test_beam (void)
{
  Fixture f;
  int retraces, blanked;

  fixture_set_up (&f, VRAM);
  set_mode (&f, 0x03);
  watch_beam (&f, &retraces, &blanked);
  g_assert_cmpint (retraces, >=, 69);
  g_assert_cmpint (retraces, <=, 71);
  /* 80 of 100 columns in 400 of 449 lines are shown. */
  g_assert_cmpint (blanked, >, 25000);
  g_assert_cmpint (blanked, <, 33000);
  set_mode (&f, 0x12);
  watch_beam (&f, &retraces, &blanked);
  g_assert_cmpint (retraces, >=, 59);
  g_assert_cmpint (retraces, <=, 61);
  /* Guests wait for retrace with any registers. */
  for (int i = 0; i < 50; i++)
    {
      set_cr (&f, CR_VSYNC_END, 0);
      for (uint8_t r = 0; r < CR_COUNT; r++)
        set_cr (&f, r, r == CR_VSYNC_END ? 0 : (uint8_t) g_test_rand_int ());
      watch_beam (&f, &retraces, &blanked);
      g_assert_cmpint (retraces, >, 5);
      g_assert_cmpint (blanked, <, 100000);
    }
  fixture_tear_down (&f);
}

static void
test_mmio (void)
{
  Fixture f;

  fixture_set_up (&f, VRAM);
  /* Index and data in one. */
  poke (&f, MMIO + 0x400 + 0x14, CR_CURSOR_LOW | 0x5a << 8, 2);
  out8 (&f, 0x3d4, CR_CURSOR_LOW);
  g_assert_cmphex (in8 (&f, 0x3d5), ==, 0x5a);
  g_assert_cmphex (peek (&f, MMIO + 0x415, 1), ==, 0x5a);
  g_assert_cmphex (peek (&f, MMIO + 0x414, 2), ==, CR_CURSOR_LOW | 0x5a << 8);
  g_assert_cmphex (peek (&f, MMIO + 0x500, 2), ==, 0xb0c5);
  poke (&f, MMIO + 0x500 + 2 * DISPI_XRES, 800, 2);
  g_assert_cmpuint (get_dispi (&f, DISPI_XRES), ==, 800);
  g_assert_cmpuint (peek (&f, MMIO + 0x600, 4), ==, 8);
  g_assert_cmphex (peek (&f, MMIO + 0x604, 4), ==, 0x1e1e1e1e);
  poke (&f, MMIO + 0x604, 0xbebebebe, 4);
  g_assert_cmphex (peek (&f, MMIO + 0x604, 4), ==, 0xbebebebe);
  poke (&f, MMIO + 0x604, 0x12345678, 4);
  g_assert_cmphex (peek (&f, MMIO + 0x604, 4), ==, 0xbebebebe);
  fixture_tear_down (&f);
}

static void
test_identity (void)
{
  Fixture f;

  fixture_set_up (&f, VRAM);
  g_assert_cmphex (pci_config_read (f.pci, 0, 16, PCI_VENDOR_ID, 4), ==, 0x11111234);
  g_assert_cmphex (pci_config_read (f.pci, 0, 16, PCI_CLASS_DEVICE, 2), ==, 0x0300);
  /* Memory that may be prefetched. */
  g_assert_cmphex (pci_config_read (f.pci, 0, 16, PCI_BASE_ADDRESS_0, 4), ==, LFB | 8);
  fixture_tear_down (&f);
}

static void
test_state (void)
{
  Fixture a, b;
  g_autoptr (GByteArray) state = g_byte_array_new ();
  g_autoptr (GError) error = NULL;
  gsize used;
  uint16_t xres = 0xffff;

  fixture_set_up (&a, VRAM);
  fixture_set_up (&b, VRAM);
  set_mode (&a, 0x12);
  set_vbe (&a, 320, 200, 16);
  set_dispi (&a, DISPI_Y_OFFSET, 7);
  poke (&a, LFB + 7 * 640, 0xf800, 2);
  device_save (a.device, state);
  g_assert_true (device_load (b.device, state->data, state->len, &used, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (used, ==, state->len);
  memcpy (b.vga->vram, a.vga->vram, VRAM);
  assert_size (&b, 320, 200);
  g_assert_cmphex (pixel (&b, 0, 0), ==, 0xff0000);
  g_assert_cmphex (peek (&b, LFB + 7 * 640, 2), ==, 0xf800);

  /* A state that no guest could have brought about is refused. */
  a.vga->dispi[DISPI_XRES] = xres;
  g_byte_array_set_size (state, 0);
  device_save (a.device, state);
  g_assert_false (device_load (b.device, state->data, state->len, &used, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA);
  fixture_tear_down (&a);
  fixture_tear_down (&b);
}

static void
test_life (void)
{
  Fixture f;
  g_autoptr (GError) error = NULL;
  Device *second = device_new (&vga_type), *no_rom;
  DeviceEnv env;

  fixture_set_up (&f, VRAM);
  /* Its ports are taken; what it claimed before that is let go of. */
  env = f.device->env;
  vga_set_rom (second, "/nonexistent/vgabios.bin");
  g_assert_false (device_realize (second, &env, &error));
  g_assert_nonnull (error);
  device_free (second);
  assert_size (&f, 720, 400);
  device_free (f.device);

  g_clear_error (&error);
  no_rom = device_new (&vga_type);
  vga_set_rom (no_rom, "/nonexistent/vgabios.bin");
  g_assert_false (device_realize (no_rom, &env, &error));
  g_assert_error (error, G_FILE_ERROR, G_FILE_ERROR_NOENT);
  device_free (no_rom);

  g_clear_error (&error);
  f.device = device_new (&vga_type);
  g_assert_true (device_realize (f.device, &env, &error));
  g_assert_no_error (error);
  fixture_tear_down (&f);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/vga/regs/masks", test_masks);
  g_test_add_func ("/vga/regs/crtc-protect", test_crtc_protect);
  g_test_add_func ("/vga/regs/attribute-flip-flop", test_attribute_flip_flop);
  g_test_add_func ("/vga/regs/dac", test_dac);
  g_test_add_func ("/vga/regs/relocation", test_relocation);
  g_test_add_func ("/vga/regs/beam", test_beam);
  g_test_add_func ("/vga/regs/mmio", test_mmio);
  g_test_add_func ("/vga/regs/identity", test_identity);
  g_test_add_func ("/vga/regs/state", test_state);
  g_test_add_func ("/vga/regs/life", test_life);
  return g_test_run ();
}
