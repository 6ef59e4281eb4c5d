/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The window at A0000h beside a model of the graphics controller that works bit
 * by bit on four separate planes.
 */

#include "fixture.h"

#include <string.h>

enum { VRAM = 1 << 20, OFFSETS = 64, ROUNDS = 20000 };

typedef struct
{
  uint8_t plane[4][OFFSETS * 4];
  uint8_t latch[4];
  uint8_t set_reset, enable, compare, rotate, function, read_map, write_mode, read_mode, dont_care, mask, map_mask;
  gboolean chain4, odd_even;
} Model;

/* Where this adapter keeps what a processor addresses with @at: a doubleword of planes, and which planes. */
static unsigned
model_index (const Model *m, unsigned at)
{
  return m->chain4 ? at / 4 : m->odd_even ? at / 2 : at;
}

static gboolean
model_is_written (const Model *m, unsigned at, unsigned plane)
{
  if (!(m->map_mask >> plane & 1))
    return FALSE;
  return m->chain4 ? plane == at % 4 : m->odd_even ? plane % 2 == at % 2 : TRUE;
}

static void
model_write (Model *m, unsigned at, uint8_t value)
{
  unsigned n = model_index (m, at);

  for (unsigned plane = 0; plane < 4; plane++)
    {
      uint8_t result = 0;

      if (!model_is_written (m, at, plane))
        continue;
      for (unsigned bit = 0; bit < 8; bit++)
        {
          unsigned rotated = value >> (bit + m->rotate) % 8 & 1, latched = m->latch[plane] >> bit & 1;
          unsigned sr = m->set_reset >> plane & 1, data, enabled = m->mask >> bit & 1;

          if (m->write_mode == 1)
            {
              result |= (uint8_t) (latched << bit);
              continue;
            }
          if (m->write_mode == 0)
            data = m->enable >> plane & 1 ? sr : rotated;
          else if (m->write_mode == 2)
            data = value >> plane & 1;
          else
            {
              data = sr;
              enabled &= rotated;
            }
          if (m->function == 1)
            data &= latched;
          else if (m->function == 2)
            data |= latched;
          else if (m->function == 3)
            data ^= latched;
          result |= (uint8_t) ((enabled ? data : latched) << bit);
        }
      m->plane[plane][n] = result;
    }
}

static uint8_t
model_read (Model *m, unsigned at)
{
  unsigned n = model_index (m, at), plane = m->read_map;
  uint8_t result = 0;

  for (unsigned p = 0; p < 4; p++)
    m->latch[p] = m->plane[p][n];
  if (m->read_mode == 0)
    {
      if (m->chain4)
        plane = at % 4;
      else if (m->odd_even)
        plane = (plane & 2) | at % 2;
      return m->latch[plane];
    }
  for (unsigned bit = 0; bit < 8; bit++)
    {
      gboolean equal = TRUE;

      for (unsigned p = 0; p < 4; p++)
        equal &= !(m->dont_care >> p & 1) || (m->latch[p] >> bit & 1) == (m->compare >> p & 1);
      result |= (uint8_t) (equal << bit);
    }
  return result;
}

static void
randomize (Fixture *f, Model *m)
{
  uint32_t r = g_test_rand_int (), s = g_test_rand_int ();

  m->set_reset = r & 15;
  m->enable = r >> 4 & 15;
  m->compare = r >> 8 & 15;
  m->rotate = r >> 12 & 7;
  m->function = r >> 15 & 3;
  m->read_map = r >> 17 & 3;
  m->write_mode = r >> 19 & 3;
  m->read_mode = r >> 21 & 1;
  m->dont_care = r >> 22 & 15;
  m->mask = s & 1 ? 0xff : (uint8_t) (s >> 8);
  m->map_mask = s & 2 ? 15 : s >> 16 & 15;
  m->chain4 = (s >> 20 & 7) == 0;
  m->odd_even = !m->chain4 && (s >> 20 & 7) == 1;
  set_gr (f, GR_SET_RESET, m->set_reset);
  set_gr (f, GR_ENABLE_SET_RESET, m->enable);
  set_gr (f, GR_COMPARE, m->compare);
  set_gr (f, GR_ROTATE, (uint8_t) (m->rotate | m->function << 3));
  set_gr (f, GR_READ_MAP, m->read_map);
  set_gr (f, GR_MODE, (uint8_t) (m->write_mode | m->read_mode << 3 | (m->odd_even ? GR_MODE_ODD_EVEN : 0)));
  set_gr (f, GR_DONT_CARE, m->dont_care);
  set_gr (f, GR_BIT_MASK, m->mask);
  set_seq (f, SEQ_MAP_MASK, m->map_mask);
  set_seq (f, SEQ_MEMORY_MODE,
           (uint8_t) (2 | (m->chain4 ? SEQ_MEMORY_CHAIN4 : 0) | (m->odd_even ? 0 : SEQ_MEMORY_PLANAR)));
}

static void
test_model (void)
{
  Fixture f;
  Model m = { 0 };

  fixture_set_up (&f, VRAM);
  set_mode (&f, 0x12);
  for (int round = 0; round < ROUNDS; round++)
    {
      unsigned at = (unsigned) g_test_rand_int_range (0, OFFSETS);

      if (round % 8 == 0)
        randomize (&f, &m);
      if (g_test_rand_bit ())
        {
          uint8_t value = (uint8_t) g_test_rand_int ();

          model_write (&m, at, value);
          poke (&f, 0xa0000 + at, value, 1);
        }
      else
        g_assert_cmphex (peek (&f, 0xa0000 + at, 1), ==, model_read (&m, at));
      /* A window that is plain memory does not load the latches: bring both to the same ones. */
      if (f.vga->direct != NULL)
        memcpy (m.latch, &f.vga->latch, sizeof m.latch);
    }
  for (unsigned n = 0; n < OFFSETS; n++)
    {
      for (unsigned p = 0; p < 4; p++)
        g_assert_cmphex (f.vga->vram[4 * n + p], ==, m.plane[p][n]);
    }
  fixture_tear_down (&f);
}

static void
test_maps (void)
{
  Fixture f;

  fixture_set_up (&f, VRAM);
  set_mode (&f, 0x12);
  /* 64 KiB at A0000h. */
  poke (&f, 0xa0010, 0x5a, 1);
  g_assert_cmphex (peek (&f, 0xa0010, 1), ==, 0x5a);
  poke (&f, 0xb0010, 0x77, 1);
  g_assert_cmphex (peek (&f, 0xb0010, 1), ==, 0xff);
  /* 32 KiB at B0000h. */
  set_gr (&f, GR_MISC, 0x09);
  g_assert_cmphex (peek (&f, 0xb0010, 1), ==, 0x5a);
  g_assert_cmphex (peek (&f, 0xa0010, 1), ==, 0xff);
  g_assert_cmphex (peek (&f, 0xb8010, 1), ==, 0xff);
  /* 32 KiB at B8000h. */
  set_gr (&f, GR_MISC, 0x0d);
  g_assert_cmphex (peek (&f, 0xb8010, 1), ==, 0x5a);
  g_assert_cmphex (peek (&f, 0xb0010, 1), ==, 0xff);
  /* 128 KiB, of which the planes repeat after 64. */
  set_gr (&f, GR_MISC, 0x01);
  g_assert_cmphex (peek (&f, 0xb0010, 1), ==, 0x5a);
  /* Off. */
  out8 (&f, 0x3c2, 0xe3 & ~MISC_RAM_ENABLE);
  g_assert_cmphex (peek (&f, 0xa0010, 1), ==, 0xff);
  fixture_tear_down (&f);
}

static void
test_direct (void)
{
  Fixture f;

  fixture_set_up (&f, VRAM);
  set_mode (&f, 0x13);
  g_assert_cmpint (address_space_lookup (f.memory, 0xa0000)->kind, ==, MEMORY_RAM);
  poke (&f, 0xa1234, 0x11223344, 4);
  g_assert_cmphex (peek (&f, 0xa1234, 4), ==, 0x11223344);
  g_assert_cmphex (peek (&f, LFB + 0x1234, 4), ==, 0x11223344);
  /* Whatever the handlers would do besides takes the memory away. */
  set_seq (&f, SEQ_MAP_MASK, 7);
  g_assert_cmpint (address_space_lookup (f.memory, 0xa0000)->kind, ==, MEMORY_MMIO);
  poke (&f, 0xa1234, 0x55667788, 4);
  g_assert_cmphex (peek (&f, 0xa1234, 4), ==, 0x11667788);
  set_seq (&f, SEQ_MAP_MASK, 15);
  g_assert_cmpint (address_space_lookup (f.memory, 0xa0000)->kind, ==, MEMORY_RAM);
  set_gr (&f, GR_BIT_MASK, 0x0f);
  g_assert_cmpint (address_space_lookup (f.memory, 0xa0000)->kind, ==, MEMORY_MMIO);
  set_gr (&f, GR_BIT_MASK, 0xff);
  set_gr (&f, GR_MODE, 0x41);
  g_assert_cmpint (address_space_lookup (f.memory, 0xa0000)->kind, ==, MEMORY_MMIO);
  device_reset (f.device);
  g_assert_cmpint (address_space_lookup (f.memory, 0xa0000)->kind, ==, MEMORY_MMIO);
  fixture_tear_down (&f);
}

static void
test_banks (void)
{
  Fixture f;

  fixture_set_up (&f, VRAM);
  set_mode (&f, 0x13);
  set_vbe (&f, 640, 400, 32);
  for (uint16_t bank = 0; bank < 16; bank++)
    {
      set_dispi (&f, DISPI_BANK, bank);
      g_assert_cmpint (address_space_lookup (f.memory, 0xa0000)->kind, ==, MEMORY_RAM);
      poke (&f, 0xa0008, bank + 100u, 4);
    }
  for (unsigned bank = 0; bank < 16; bank++)
    g_assert_cmpuint (peek (&f, LFB + 0x10000 * bank + 8, 4), ==, bank + 100);
  /* Banks beyond memory wrap. */
  set_dispi (&f, DISPI_BANK, 16 + 3);
  g_assert_cmpuint (peek (&f, 0xa0008, 4), ==, 103);
  fixture_tear_down (&f);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/vga/memory/model", test_model);
  g_test_add_func ("/vga/memory/maps", test_maps);
  g_test_add_func ("/vga/memory/direct", test_direct);
  g_test_add_func ("/vga/memory/banks", test_banks);
  return g_test_run ();
}
