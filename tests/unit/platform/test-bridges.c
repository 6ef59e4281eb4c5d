/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The 440FX and the PIIX3: configuration cycles, shadow memory, interrupt routing, reset; and the debug ports. */

#include "engine/devices/platform/debug-ports.h"
#include "engine/devices/platform/i440fx.h"
#include "engine/devices/platform/piix3.h"
#include "tests/unit/platform/board.h"

#include <string.h>

enum
{
  ADDRESS = 0xcf8, DATA = 0xcfc, RESET = 0xcf9, BIOS_SIZE = 256 * 1024, PAM = 0x59, SMRAM = 0x72, PIRQ = 0x60,
  PAM_OFF = 0, PAM_READ = 1, PAM_WRITE = 2, PAM_BOTH = 3
};

/* Only its pins count. */
typedef struct
{
  PciDevice parent;
} Card;

static gboolean
card_realize (Device *dev, const DeviceEnv *env, GError **error)
{
  PciDevice *pci = (PciDevice *) dev;

  if (!pci_device_init (pci, env, -1, 0x1af4, 0x1234, 0x0200, error))
    return FALSE;
  pci->config[PCI_INTERRUPT_PIN] = 1;
  return TRUE;
}

static void
card_unrealize (Device *dev)
{
  pci_device_exit ((PciDevice *) dev);
}

static const DeviceType card_type = {
  .name = "card", .size = sizeof (Card), .version = 1, .realize = card_realize, .unrealize = card_unrealize
};

typedef struct
{
  Board *board;
  RamBlock *bios;
  Device *bridge, *isa;
  unsigned resets;
  GString *log;
  int status;
} Fixture;

static void
count_reset (void *opaque)
{
  ((Fixture *) opaque)->resets++;
}

static void
add_bridges (Board *board, Fixture *f, Device **bridge, Device **isa)
{
  *bridge = device_new (&i440fx_type);
  i440fx_set_memory (*bridge, board->ram, f->bios);
  board_add (board, *bridge);
  *isa = device_new (&piix3_type);
  piix3_set_reset (*isa, count_reset, f);
  board_add (board, *isa);
}

static void
setup (Fixture *f, gconstpointer unused)
{
  *f = (Fixture) { .board = board_new (), .bios = ram_block_new ("BIOS", BIOS_SIZE, NULL), .log = g_string_new (NULL) };
  memset (ram_block_host (f->bios), 0xb1, BIOS_SIZE);
  memset (ram_block_host (f->board->ram) + 0xa0000, 0x5a, 0x60000);
  add_bridges (f->board, f, &f->bridge, &f->isa);
}

static void
teardown (Fixture *f, gconstpointer unused)
{
  board_free (f->board);
  ram_block_free (f->bios);
  g_string_free (f->log, TRUE);
}

static void
configure (Fixture *f, unsigned slot, unsigned offset, uint32_t value, unsigned size)
{
  bus_pio_write (f->board->bus, ADDRESS, 0x80000000 | slot << 11 | (offset & 0xfc), 4);
  bus_pio_write (f->board->bus, (uint16_t) (DATA + (offset & 3)), value, size);
}

static uint8_t
peek (Fixture *f, uint32_t address)
{
  uint8_t byte = 0;
  const MemorySection *section = address_space_lookup (f->board->memory, address);

  if (section->kind == MEMORY_MMIO)
    return (uint8_t) memory_section_read (section, address, 1);
  guest_memory_read (f->board->memory, address, &byte, 1);
  return byte;
}

static void
poke (Fixture *f, uint32_t address, uint8_t value)
{
  const MemorySection *section = address_space_lookup (f->board->memory, address);

  if (section->kind == MEMORY_MMIO)
    memory_section_write (section, address, value, 1);
  else
    guest_memory_write (f->board->memory, address, &value, 1);
}

static void
test_config_cycles (Fixture *f, gconstpointer unused)
{
  Bus *bus = f->board->bus;

  bus_pio_write (bus, ADDRESS, 0x80000000, 4);
  g_assert_cmphex (bus_pio_read (bus, ADDRESS, 4), ==, 0x80000000);
  g_assert_cmphex (bus_pio_read (bus, DATA, 4), ==, 0x12378086);
  g_assert_cmphex (bus_pio_read (bus, DATA + 2, 2), ==, 0x1237);
  g_assert_cmphex (bus_pio_read (bus, DATA + 1, 1), ==, 0x80);
  bus_pio_write (bus, ADDRESS, 0x80000800, 4);
  g_assert_cmphex (bus_pio_read (bus, DATA, 4), ==, 0x70008086);
  bus_pio_write (bus, ADDRESS, 0x80010000, 4); /* another bus */
  g_assert_cmphex (bus_pio_read (bus, DATA, 4), ==, 0xffffffff);
  bus_pio_write (bus, ADDRESS, 0x00000000, 4); /* not enabled */
  g_assert_cmphex (bus_pio_read (bus, DATA, 4), ==, 0xffffffff);
}

static void
test_shadow (Fixture *f, gconstpointer unused)
{
  /* Segment, register, shift. */
  static const struct { uint32_t base; unsigned reg, shift; } segments[] = {
    { 0xf0000, 0, 4 }, { 0xc0000, 1, 0 }, { 0xc4000, 1, 4 }, { 0xc8000, 2, 0 }, { 0xcc000, 2, 4 }, { 0xd0000, 3, 0 },
    { 0xd4000, 3, 4 }, { 0xd8000, 4, 0 }, { 0xdc000, 4, 4 }, { 0xe0000, 5, 0 }, { 0xe4000, 5, 4 }, { 0xe8000, 6, 0 },
    { 0xec000, 6, 4 }
  };

  for (unsigned i = 0; i < G_N_ELEMENTS (segments); i++)
    {
      uint32_t at = segments[i].base + 0x123;
      uint8_t pci = at < 0xe0000 ? 0xff : 0xb1, *ram = ram_block_host (f->board->ram) + at;
      unsigned reg = PAM + segments[i].reg, shift = segments[i].shift;

      g_assert_cmphex (peek (f, at), ==, pci);
      poke (f, at, 1);
      g_assert_cmphex (*ram, ==, 0x5a);

      configure (f, 0, reg, PAM_WRITE << shift, 1);
      g_assert_cmphex (peek (f, at), ==, pci);
      poke (f, at, 2);
      g_assert_cmphex (*ram, ==, 2);

      configure (f, 0, reg, PAM_READ << shift, 1);
      g_assert_cmphex (peek (f, at), ==, 2);
      poke (f, at, 3);
      g_assert_cmphex (*ram, ==, 2);

      configure (f, 0, reg, PAM_BOTH << shift, 1);
      poke (f, at, 4);
      g_assert_cmphex (peek (f, at), ==, 4);
      /* The neighbours are as they were. */
      g_assert_cmphex (peek (f, at - 0x4000), ==, at - 0x4000 < 0xc0000 ? 0x5a : at - 0x4000 < 0xe0000 ? 0xff : 0xb1);
      configure (f, 0, reg, PAM_OFF, 1);
      g_assert_cmphex (peek (f, at), ==, pci);
    }
}

/* SMRAM lies under the VGA's window; another region plays the VGA. */
static void
test_smram (Fixture *f, gconstpointer unused)
{
  static const MmioOps nothing = { .read = NULL };
  MemoryRegion *vga = address_space_add_mmio (f->board->memory, 0xa0000, 0x20000, 2, &nothing, NULL);

  g_assert_cmpint (address_space_lookup (f->board->memory, 0xa0000)->kind, ==, MEMORY_MMIO);
  configure (f, 0, SMRAM, 0x4a, 1);
  g_assert_cmpint (address_space_lookup (f->board->memory, 0xa0000)->kind, ==, MEMORY_RAM);
  configure (f, 0, SMRAM, 0x0a, 1);
  g_assert_cmpint (address_space_lookup (f->board->memory, 0xbffff)->kind, ==, MEMORY_MMIO);
  configure (f, 0, SMRAM, 0x5a, 1); /* locked */
  g_assert_cmpint (address_space_lookup (f->board->memory, 0xa0000)->kind, ==, MEMORY_MMIO);
  configure (f, 0, SMRAM, 0x4a, 1);
  g_assert_cmpint (address_space_lookup (f->board->memory, 0xa0000)->kind, ==, MEMORY_MMIO);
  device_reset (f->bridge);
  configure (f, 0, SMRAM, 0x4a, 1);
  g_assert_cmpint (address_space_lookup (f->board->memory, 0xa0000)->kind, ==, MEMORY_RAM);
  memory_region_remove (vga);
}

static void
test_routing (Fixture *f, gconstpointer unused)
{
  PciDevice *cards[4];

  for (unsigned i = 0; i < 4; i++)
    cards[i] = (PciDevice *) board_add (f->board, device_new (&card_type));
  for (unsigned i = 0; i < 4; i++)
    {
      unsigned slot = cards[i]->devfn >> 3, pirq = (slot - 1) & 3;

      pci_set_irq (cards[i], 1);
      for (int line = 0; line < 16; line++)
        g_assert_cmpint (f->board->level[line], ==, 0);
      configure (f, PIIX3_SLOT, PIRQ + pirq, 10, 1);
      g_assert_cmpint (f->board->level[10], ==, 1);
      configure (f, PIIX3_SLOT, PIRQ + pirq, 5, 1);
      g_assert_cmpint (f->board->level[10], ==, 0);
      g_assert_cmpint (f->board->level[5], ==, 1);
      configure (f, PIIX3_SLOT, PIRQ + pirq, 13, 1); /* the coprocessor's: cannot be */
      g_assert_cmpint (f->board->level[5] | f->board->level[13], ==, 0);
      pci_set_irq (cards[i], 0);
      configure (f, PIIX3_SLOT, PIRQ + pirq, 0x80, 1);
    }

  /* Two on one line. */
  for (unsigned i = 0; i < 4; i++)
    configure (f, PIIX3_SLOT, PIRQ + i, 11, 1);
  pci_set_irq (cards[0], 1);
  pci_set_irq (cards[1], 1);
  pci_set_irq (cards[0], 0);
  g_assert_cmpint (f->board->level[11], ==, 1);
  pci_set_irq (cards[1], 0);
  g_assert_cmpint (f->board->level[11], ==, 0);
}

static void
test_reset (Fixture *f, gconstpointer unused)
{
  bus_pio_write (f->board->bus, ADDRESS, 0x80000040, 4);
  board_out (f->board, RESET, 0x02);
  g_assert_cmpuint (f->resets, ==, 0);
  g_assert_cmphex (board_in (f->board, RESET), ==, 0x02);
  /* It lies in the address register, which it leaves alone. */
  g_assert_cmphex (bus_pio_read (f->board->bus, ADDRESS, 4), ==, 0x80000040);
  board_out (f->board, RESET, 0x06);
  g_assert_cmpuint (f->resets, ==, 1);
}

static void
log_text (void *opaque, const uint8_t *data, size_t length)
{
  g_string_append_len (((Fixture *) opaque)->log, (const char *) data, (gssize) length);
}

static void
note_status (void *opaque, int status)
{
  ((Fixture *) opaque)->status = status;
}

static void
test_debug_ports (Fixture *f, gconstpointer unused)
{
  Device *ports = device_new (&debug_ports_type);
  Board *silent = board_new ();

  debug_ports_set_log (ports, log_text, f);
  debug_ports_set_exit (ports, note_status, f);
  board_add (f->board, ports);
  g_assert_cmphex (board_in (f->board, 0x402), ==, 0xe9);
  board_out (f->board, 0x402, 'h');
  board_out (f->board, 0x402, 'i');
  board_out (f->board, 0x80, 0);
  board_out (f->board, 0x80, 0x4d);
  board_out (f->board, 0x80, 0x4d);
  g_assert_cmphex (board_in (f->board, 0x80), ==, 0x4d);
  g_assert_cmpstr (f->log->str, ==, "hipost 00\npost 4d\n");
  bus_pio_write (f->board->bus, 0xf4, 0x10, 4);
  g_assert_cmpint (f->status, ==, 0x21);

  board_add (silent, device_new (&debug_ports_type));
  g_assert_cmphex (board_in (silent, 0x402), ==, 0xff);
  board_out (silent, 0x402, 'x');
  board_out (silent, 0x80, 1);
  bus_pio_write (silent->bus, 0xf4, 1, 4);
  board_free (silent);
}

static void
test_state (Fixture *f, gconstpointer unused)
{
  Board *other = board_new ();
  Device *bridge, *isa;
  uint8_t byte;

  add_bridges (other, f, &bridge, &isa);
  configure (f, 0, PAM, 0x30, 1);
  configure (f, 0, SMRAM, 0x0a, 1);
  configure (f, PIIX3_SLOT, PIRQ + 2, 11, 1);
  board_check_state (other, f->bridge, bridge, 300);
  board_check_state (other, f->isa, isa, 300);
  g_assert_true (guest_memory_write (other->memory, 0xf1234, "x", 1));
  g_assert_true (guest_memory_read (other->memory, 0xf1234, &byte, 1));
  g_assert_cmphex (byte, ==, 'x');
  board_free (other);
}

#define ADD(path, function) g_test_add (path, Fixture, NULL, setup, function, teardown)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("/bridges/config-cycles", test_config_cycles);
  ADD ("/bridges/shadow", test_shadow);
  ADD ("/bridges/smram", test_smram);
  ADD ("/bridges/routing", test_routing);
  ADD ("/bridges/reset", test_reset);
  ADD ("/bridges/debug-ports", test_debug_ports);
  ADD ("/bridges/state", test_state);
  return g_test_run ();
}
