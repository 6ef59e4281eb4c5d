/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The PCI bus with a device of the test's own: configuration space, BARs, interrupts, bus mastering. */

#include "tests/unit/platform/board.h"

#include <string.h>

enum
{
  BAR_IO = 0, BAR_MMIO = 1, BAR_RAM = 2, IO_SIZE = 32, MMIO_SIZE = 4096, RAM_SIZE = 65536, BARS = 0x10,
  IO_AT = 0xc100, MMIO_AT = 0xe0000000u, RAM_AT = 0xe1000000u, PIRQ = 11
};

typedef struct
{
  PciDevice parent;
  RamBlock *ram;
  uint32_t last;
  unsigned config_writes;
} Card;

static uint32_t
io_read (void *opaque, uint16_t offset, unsigned size)
{
  return 0xa0u + offset;
}

static void
io_write (void *opaque, uint16_t offset, uint32_t value, unsigned size)
{
  ((Card *) opaque)->last = value;
}

static uint64_t
mmio_read (void *opaque, uint64_t offset, unsigned size)
{
  return 0xb0 + offset;
}

static void
mmio_write (void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
  ((Card *) opaque)->last = (uint32_t) value;
}

static const PioOps io_ops = { .read = io_read, .write = io_write };
static const MmioOps mmio_ops = { .read = mmio_read, .write = mmio_write };

static void
config_written (PciDevice *dev, unsigned offset, unsigned size)
{
  ((Card *) dev)->config_writes++;
}

static gboolean
card_realize (Device *dev, const DeviceEnv *env, GError **error)
{
  Card *c = (Card *) dev;
  PciBar io = { .kind = PCI_BAR_IO, .size = IO_SIZE, .pio = &io_ops };
  PciBar mmio = { .kind = PCI_BAR_MEMORY, .size = MMIO_SIZE, .mmio = &mmio_ops };
  PciBar ram = { .kind = PCI_BAR_MEMORY_PREFETCH, .size = RAM_SIZE };

  if (!pci_device_init (&c->parent, env, -1, 0x1af4, 0x1234, 0x0200, error))
    return FALSE;
  c->ram = ram.ram = ram_block_new ("card", RAM_SIZE, error);
  c->parent.config[PCI_INTERRUPT_PIN] = 1;
  c->parent.config_written = config_written;
  pci_register_bar (&c->parent, BAR_IO, &io);
  pci_register_bar (&c->parent, BAR_MMIO, &mmio);
  pci_register_bar (&c->parent, BAR_RAM, &ram);
  return TRUE;
}

static void
card_reset (Device *dev)
{
  pci_device_reset ((PciDevice *) dev);
}

static gboolean
card_after_load (Device *dev, GError **error)
{
  pci_device_loaded ((PciDevice *) dev);
  return TRUE;
}

static void
card_unrealize (Device *dev)
{
  pci_device_exit ((PciDevice *) dev);
  ram_block_free (((Card *) dev)->ram);
}

static const StateField card_fields[] = { PCI_STATE_FIELDS (Card), STATE_END };

static const DeviceType card_type = {
  .name = "card", .size = sizeof (Card), .version = 1, .fields = card_fields, .realize = card_realize,
  .reset = card_reset, .after_load = card_after_load, .unrealize = card_unrealize
};

typedef struct
{
  Board *board;
  Card *card;
} Fixture;

static void
setup (Fixture *f, gconstpointer unused)
{
  f->board = board_new ();
  f->card = (Card *) board_add (f->board, device_new (&card_type));
}

static void
teardown (Fixture *f, gconstpointer unused)
{
  board_free (f->board);
}

static uint32_t
get (Fixture *f, unsigned offset, unsigned size)
{
  return pci_config_read (f->board->pci, 0, f->card->parent.devfn, offset, size);
}

static void
set (Fixture *f, unsigned offset, uint32_t value, unsigned size)
{
  pci_config_write (f->board->pci, 0, f->card->parent.devfn, offset, value, size);
}

static void
place (Fixture *f)
{
  set (f, BARS + 4 * BAR_IO, IO_AT, 4);
  set (f, BARS + 4 * BAR_MMIO, MMIO_AT, 4);
  set (f, BARS + 4 * BAR_RAM, RAM_AT, 4);
  set (f, PCI_COMMAND, PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
}

static void
test_config (Fixture *f, gconstpointer unused)
{
  g_assert_cmphex (get (f, PCI_VENDOR_ID, 4), ==, 0x12341af4);
  g_assert_cmphex (get (f, PCI_CLASS_DEVICE, 2), ==, 0x0200);
  set (f, PCI_VENDOR_ID, 0, 4);
  g_assert_cmphex (get (f, PCI_VENDOR_ID, 4), ==, 0x12341af4);
  set (f, PCI_INTERRUPT_LINE, 0xff0b, 2);
  g_assert_cmphex (get (f, PCI_INTERRUPT_LINE, 2), ==, 0x010b);
  g_assert_cmpuint (f->card->config_writes, ==, 2);
  /* Past the end, on another bus, in an empty slot. */
  g_assert_cmphex (get (f, 0xfe, 4), ==, 0xffffffff);
  set (f, 0xfe, 0, 4);
  g_assert_cmphex (pci_config_read (f->board->pci, 1, f->card->parent.devfn, 0, 2), ==, 0xffff);
  g_assert_cmphex (pci_config_read (f->board->pci, 0, 0xf8, 0, 1), ==, 0xff);
  pci_config_write (f->board->pci, 0, 0xf8, 0, 0, 4);
  /* Error bits of the status are cleared by writing ones. */
  pci_set_word (f->card->parent.config + PCI_STATUS, 0xf900);
  set (f, PCI_STATUS, 0x8000, 2);
  g_assert_cmphex (get (f, PCI_STATUS, 2), ==, 0x7900);
}

static void
test_sizes (Fixture *f, gconstpointer unused)
{
  static const uint32_t sizes[] = { 0xffffffe1, 0xfffff000, 0xffff0008, 0, 0, 0 };

  for (unsigned i = 0; i < G_N_ELEMENTS (sizes); i++)
    {
      set (f, BARS + 4 * i, 0xffffffff, 4);
      g_assert_cmphex (get (f, BARS + 4 * i, 4), ==, sizes[i]);
    }
  /* Nothing is placed by asking. */
  set (f, PCI_COMMAND, PCI_COMMAND_IO | PCI_COMMAND_MEMORY, 2);
  for (unsigned n = 0; n < 3; n++)
    g_assert_true (f->card->parent.bars[n].mapped == PCI_UNMAPPED);
}

static void
test_places (Fixture *f, gconstpointer unused)
{
  place (f);
  g_assert_cmphex (board_in (f->board, IO_AT + 3), ==, 0xa3);
  g_assert_cmphex (board_read (f->board, MMIO_AT + 8, 1), ==, 0xb8);
  board_out (f->board, IO_AT, 0x55);
  g_assert_cmphex (f->card->last, ==, 0x55);
  board_write (f->board, MMIO_AT, 0x66, 1);
  g_assert_cmphex (f->card->last, ==, 0x66);
  g_assert_true (guest_memory_write (f->board->memory, RAM_AT + 5, "ram", 4));
  g_assert_cmpstr ((const char *) ram_block_host (f->card->ram) + 5, ==, "ram");

  set (f, BARS + 4 * BAR_IO, IO_AT + 0x100, 4);
  g_assert_cmphex (board_in (f->board, IO_AT + 3), ==, 0xff);
  g_assert_cmphex (board_in (f->board, IO_AT + 0x103), ==, 0xa3);
  /* A byte at a time: in between the BAR is somewhere else, and that is all. */
  set (f, BARS + 4 * BAR_MMIO + 2, 0x34, 1);
  g_assert_cmphex (board_read (f->board, MMIO_AT + 0x340008, 1), ==, 0xb8);
  set (f, PCI_COMMAND, PCI_COMMAND_IO, 2);
  g_assert_cmphex (board_read (f->board, MMIO_AT + 0x340008, 1), ==, 0xff);
  g_assert_cmphex (board_in (f->board, IO_AT + 0x103), ==, 0xa3);
  device_reset ((Device *) f->card);
  g_assert_cmphex (board_in (f->board, IO_AT + 0x103), ==, 0xff);
  g_assert_cmphex (get (f, BARS + 4 * BAR_IO, 4), ==, 1);
}

/* Where a BAR must not go, and over memory, where it may. */
static void
test_odd_places (Fixture *f, gconstpointer unused)
{
  set (f, PCI_COMMAND, PCI_COMMAND_IO | PCI_COMMAND_MEMORY, 2);
  set (f, BARS + 4 * BAR_IO, 0xffffffe0, 4);
  g_assert_cmphex (board_in (f->board, 0xffe3), ==, 0xff);
  set (f, BARS + 4 * BAR_IO, 0xffe0, 4);
  g_assert_cmphex (board_in (f->board, 0xffe3), ==, 0xa3);
  set (f, BARS + 4 * BAR_MMIO, 0xfffff000, 4);
  g_assert_true (f->card->parent.bars[BAR_MMIO].mapped == PCI_UNMAPPED);
  set (f, BARS + 4 * BAR_MMIO, 0x1000, 4);
  g_assert_cmphex (board_read (f->board, 0x1008, 1), ==, 0xb8);
  set (f, BARS + 4 * BAR_MMIO, 0, 4);
  g_assert_true (guest_memory_write (f->board->memory, 0x1008, "x", 1));
}

static void
test_interrupt (Fixture *f, gconstpointer unused)
{
  Card *second = (Card *) board_add (f->board, device_new (&card_type));

  pci_set_irq (&f->card->parent, 1);
  g_assert_cmpint (f->board->level[PIRQ], ==, 1);
  g_assert_cmphex (get (f, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT, !=, 0);
  /* Shared: down when both are. */
  pci_set_irq (&second->parent, 1);
  pci_set_irq (&second->parent, 1);
  pci_set_irq (&f->card->parent, 0);
  g_assert_cmpint (f->board->level[PIRQ], ==, 1);
  pci_set_irq (&second->parent, 0);
  g_assert_cmpint (f->board->level[PIRQ], ==, 0);
  g_assert_cmphex (get (f, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT, ==, 0);
  /* Disabled it is seen in the status only. */
  set (f, PCI_COMMAND, PCI_COMMAND_INTX_DISABLE, 2);
  pci_set_irq (&f->card->parent, 1);
  g_assert_cmpint (f->board->level[PIRQ], ==, 0);
  g_assert_cmphex (get (f, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT, !=, 0);
  set (f, PCI_COMMAND, 0, 2);
  g_assert_cmpint (f->board->level[PIRQ], ==, 1);
  set (f, PCI_COMMAND, PCI_COMMAND_INTX_DISABLE, 2);
  g_assert_cmpint (f->board->level[PIRQ], ==, 0);
  device_reset ((Device *) f->card);
  set (f, PCI_COMMAND, 0, 2);
  g_assert_cmpint (f->board->level[PIRQ], ==, 0);
}

static void
test_master (Fixture *f, gconstpointer unused)
{
  char data[4] = "abc";

  g_assert_false (pci_dma_write (&f->card->parent, 0x1000, data, 4));
  g_assert_false (pci_dma_read (&f->card->parent, 0x1000, data, 4));
  g_assert_cmpstr (data, ==, "abc");
  set (f, PCI_COMMAND, PCI_COMMAND_MASTER, 2);
  g_assert_true (pci_dma_write (&f->card->parent, 0x1000, data, 4));
  g_assert_true (pci_dma_read (&f->card->parent, 0x1001, data, 3));
  g_assert_cmpstr (data, ==, "bc");
}

static void
test_slots (Fixture *f, gconstpointer unused)
{
  g_autoptr (GError) error = NULL;
  DeviceEnv env = board_env (f->board);
  Device *more;

  for (unsigned slot = 1; slot < 32; slot++)
    {
      Card *card = (Card *) board_add (f->board, device_new (&card_type));

      g_assert_cmphex (card->parent.devfn, ==, slot << 3);
    }
  more = device_new (&card_type);
  g_assert_false (device_realize (more, &env, &error));
  g_assert_nonnull (error);
  device_free (more);
}

/* Loaded over a state with the interrupt up: it goes down when it is let go. */
static void
test_state (Fixture *f, gconstpointer unused)
{
  Board *other = board_new ();
  Card *copy = (Card *) board_add (other, device_new (&card_type));
  g_autoptr (GByteArray) state = g_byte_array_new ();
  size_t used;

  place (f);
  pci_set_irq (&f->card->parent, 1);
  board_check_state (other, (Device *) f->card, (Device *) copy, 300);
  g_assert_cmpint (other->level[PIRQ], ==, 1);
  g_assert_cmphex (board_in (other, IO_AT + 3), ==, 0xa3);
  device_save ((Device *) f->card, state);
  g_assert_true (device_load ((Device *) copy, state->data, state->len, &used, NULL));
  pci_set_irq (&copy->parent, 0);
  g_assert_cmpint (other->level[PIRQ], ==, 0);
  board_free (other);
}

#define ADD(path, function) g_test_add (path, Fixture, NULL, setup, function, teardown)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("/pci/config", test_config);
  ADD ("/pci/bar/sizes", test_sizes);
  ADD ("/pci/bar/places", test_places);
  ADD ("/pci/bar/odd-places", test_odd_places);
  ADD ("/pci/interrupt", test_interrupt);
  ADD ("/pci/master", test_master);
  ADD ("/pci/slots", test_slots);
  ADD ("/pci/state", test_state);
  return g_test_run ();
}
