/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A guest that writes anything to the VGA: ports, the window at A0000h, the
 * registers in BAR 2, its configuration space and video memory, with refreshes
 * in between. Saved state is loaded as it was, and damaged. Each command is a
 * byte of kind and a fixed number of bytes.
 */

#include "tests/fuzz/input.h"
#include "tests/unit/display/fixture.h"

#include <stdint.h>
#include <string.h>

enum { VRAM = 1 << 20, REFRESHES = 3, PHASE_NS = 266666667 };

static void
reload (Fixture *f, unsigned at, uint8_t change)
{
  g_autoptr (GByteArray) state = g_byte_array_new ();
  gsize used;

  device_save (f->device, state);
  state->data[at % state->len] ^= change;
  g_assert_true (device_load (f->device, state->data, state->len, &used, NULL) || change != 0);
}

static void
look (Fixture *f, int *left)
{
  g_autofree char *text = NULL;

  if (--*left < 0)
    return;
  display_refresh (f->display);
  text = display_get_text (f->display);
  g_assert_true (text == NULL || g_utf8_validate (text, -1, NULL));
}

static void
command (Fixture *f, FuzzInput *in, int *refreshes)
{
  uint8_t kind = (uint8_t) take (in, 1);
  unsigned size = 1u << (kind >> 4 & 3);
  uint32_t at;

  switch (kind & 15)
    {
    case 0:
    case 1:
      at = take (in, 1);
      bus_pio_write (f->bus, (uint16_t) (0x3b0 + at % 0x30), take (in, 2), MIN (size, 4));
      break;
    case 2:
      bus_pio_read (f->bus, (uint16_t) (0x3b0 + take (in, 1) % 0x30), MIN (size, 4));
      break;
    case 3:
    case 4:
      at = take (in, 1) % DISPI_COUNT;
      set_dispi (f, (uint16_t) at, (uint16_t) take (in, 2));
      break;
    case 5:
    case 6:
      at = take (in, 3) % 0x20000 & ~7u;
      poke (f, 0xa0000 + at, take (in, 2) * 0x10001u, size);
      break;
    case 7:
      peek (f, 0xa0000 + (take (in, 3) % 0x20000 & ~7u), size);
      break;
    case 8:
      at = take (in, 2) % (0x1000 - 8);
      poke (f, MMIO + at, take (in, 4), MIN (size, 4));
      break;
    case 9:
      peek (f, MMIO + take (in, 2) % (0x1000 - 8), MIN (size, 4));
      break;
    case 10:
      at = take (in, 3) % VRAM & ~7u;
      poke (f, LFB + at, take (in, 4), size);
      break;
    case 11:
      at = take (in, 1) % CR_COUNT;
      set_cr (f, (uint8_t) at, (uint8_t) take (in, 1));
      break;
    case 12:
      at = take (in, 1) % AR_COUNT;
      set_ar (f, (uint8_t) at, (uint8_t) take (in, 1));
      break;
    case 13:
      clock_set (f->clock, clock_now (f->clock) + PHASE_NS);
      look (f, refreshes);
      break;
    case 14:
      look (f, refreshes);
      break;
    default:
      at = take (in, 2);
      if (kind & 16)
        reload (f, at, (uint8_t) take (in, 1));
      else if (kind & 32)
        pci_config_write (f->pci, 0, ((PciDevice *) f->device)->devfn, at & 0xfc, take (in, 4), size & 6 ? 2 : 4);
      else if (kind & 64)
        display_set_ui_size (f->display, (int) at, (int) take (in, 2));
      else
        reload (f, 0, 0);
      break;
    }
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  Fixture f;
  FuzzInput in = { data, size };
  int refreshes = REFRESHES;
  static const uint8_t modes[] = { 0x03, 0x04, 0x06, 0x12, 0x13 };

  fixture_set_up (&f, VRAM);
  set_mode (&f, modes[take (&in, 1) % G_N_ELEMENTS (modes)]);
  while (in.length > 0)
    command (&f, &in, &refreshes);
  display_refresh (f.display);
  fixture_tear_down (&f);
  return 0;
}
