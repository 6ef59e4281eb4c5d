/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The virtio block device, driven as a guest does, and as no guest should. */

#include "tests/unit/virtio/blk-driver.h"

#include <string.h>
#include <unistd.h>

static void
test_negotiation (Blk *t, gconstpointer legacy)
{
  Driver *g = &t->g;
  uint64_t offered = driver_offered (g);
  const PciDevice *pci = (const PciDevice *) t->dev;

  g_assert_cmphex (pci_get_long (pci->config), ==, 0x10011af4);
  g_assert_cmphex (pci_get_word (pci->config + PCI_SUBSYSTEM_ID), ==, VIRTIO_ID_BLOCK);
  g_assert_true (offered & VIRTIO_FEATURE (F_FLUSH) && offered & VIRTIO_FEATURE (F_MQ));
  g_assert_false (offered & VIRTIO_FEATURE (F_RO));
  g_assert_cmpint ((offered & VIRTIO_F_VERSION_1) != 0, ==, legacy == NULL);
  g_assert_cmpuint (driver_config (g, 0, 4), ==, SECTORS);
  g_assert_cmpuint (driver_config (g, 20, 4), ==, SECTOR);
  g_assert_cmpuint (driver_config (g, 34, 2), ==, DRIVER_QUEUES);
  driver_start (g, ALL, DRIVER_QUEUES);
  g_assert_cmphex (driver_status (g) & VIRTIO_STATUS_NEEDS_RESET, ==, 0);
  /* Only what may be written is. */
  driver_set_config (g, 0, 1, 4);
  g_assert_cmpuint (driver_config (g, 0, 4), ==, SECTORS);
  driver_set_config (g, WRITEBACK, 0, 1);
  g_assert_cmpuint (driver_config (g, WRITEBACK, 1), ==, 0);
}

/* What was not offered is not taken: FEATURES_OK does not stick. */
static void
test_bad_features (Blk *t, gconstpointer legacy)
{
  Driver *g = &t->g;

  for (unsigned half = 0; half < 2; half++)
    {
      board_write (t->board, DRIVER_COMMON + 8, half, 4);
      board_write (t->board, DRIVER_COMMON + 12, 0xffffffff, 4);
    }
  driver_set_status (g, 11);
  g_assert_cmphex (driver_status (g), ==, 3);
  /* Nor without VERSION_1. */
  driver_set_status (g, 0);
  driver_set_status (g, 11);
  g_assert_cmphex (driver_status (g), ==, 3);
}

static void
test_read_write (Blk *t, gconstpointer legacy)
{
  uint8_t back[SECTOR];
  uint32_t written;

  driver_start (&t->g, PLAIN, DRIVER_QUEUES);
  g_assert_cmpuint (blk_request (t, READ, 3, DATA, 8 * SECTOR, &written), ==, OK);
  g_assert_cmpuint (written, ==, 8 * SECTOR + 1);
  blk_expect (t, DATA, 3 * SECTOR, 8 * SECTOR);
  g_assert_cmpuint (t->board->rises[DRIVER_IRQ], ==, 1);
  g_assert_cmpuint (driver_isr (&t->g), ==, 1);
  g_assert_cmpuint (driver_isr (&t->g), ==, 0);
  g_assert_cmpint (t->board->level[DRIVER_IRQ], ==, 0);

  for (unsigned i = 0; i < SECTOR; i++)
    driver_poke (&t->g, DATA + i, i ^ 0x5a, 1);
  g_assert_cmpuint (blk_request (t, WRITE, 100, DATA, SECTOR, &written), ==, OK);
  g_assert_cmpuint (written, ==, 1);
  g_assert_cmpint (pread (t->fd, back, SECTOR, 100 * SECTOR), ==, SECTOR);
  for (unsigned i = 0; i < SECTOR; i++)
    g_assert_cmphex (back[i], ==, (uint8_t) (i ^ 0x5a));
  g_assert_cmpuint (blk_request (t, FLUSH, 0, 0, 0, NULL), ==, OK);

  g_assert_cmpuint (blk_request (t, GET_ID, 0, DATA, 20, &written), ==, OK);
  g_assert_cmpuint (written, ==, 21);
  g_assert_cmpmem (ram_block_host (t->board->ram) + DATA, 10, "BN-serial", 10);
}

static void
test_refusals (Blk *t, gconstpointer legacy)
{
  driver_start (&t->g, PLAIN, DRIVER_QUEUES);
  g_assert_cmpuint (blk_request (t, READ, SECTORS - 1, DATA, 2 * SECTOR, NULL), ==, IOERR);
  g_assert_cmpuint (blk_request (t, READ, G_MAXUINT64, DATA, 2 * SECTOR, NULL), ==, IOERR);
  g_assert_cmpuint (blk_request (t, WRITE, G_MAXUINT64 / SECTOR, DATA, SECTOR, NULL), ==, IOERR);
  g_assert_cmpuint (blk_request (t, READ, 0, DATA, SECTOR - 1, NULL), ==, IOERR);
  g_assert_cmpuint (blk_request (t, READ, 0, DATA, 0, NULL), ==, OK);
  g_assert_cmpuint (blk_request (t, READ, 0, 0x80000000, 0xfffffe00, NULL), ==, IOERR);
  g_assert_cmpuint (blk_request (t, READ, 0, BOARD_RAM - SECTOR, 2 * SECTOR, NULL), ==, IOERR);
  g_assert_cmpuint (blk_request (t, WRITE, 0, BOARD_RAM - SECTOR, 2 * SECTOR, NULL), ==, IOERR);
  g_assert_cmpuint (blk_request (t, 2, 0, DATA, SECTOR, NULL), ==, UNSUPPORTED);
  g_assert_cmpuint (blk_request (t, 0xffffffff, 0, DATA, SECTOR, NULL), ==, UNSUPPORTED);
  g_assert_cmpuint (blk_request (t, READ, SECTORS - 2, DATA, 2 * SECTOR, NULL), ==, OK);
}

static void
put_range (Blk *t, unsigned index, uint64_t sector, uint32_t sectors, uint32_t flags)
{
  driver_poke (&t->g, DATA + 16 * index, sector, 8);
  driver_poke (&t->g, DATA + 16 * index + 8, sectors, 4);
  driver_poke (&t->g, DATA + 16 * index + 12, flags, 4);
}

static void
test_ranges (Blk *t, gconstpointer legacy)
{
  uint8_t back[4 * SECTOR];

  driver_start (&t->g, PLAIN, DRIVER_QUEUES);
  put_range (t, 0, 1, 1, 0);
  put_range (t, 1, 3, 1, 1);
  g_assert_cmpuint (blk_request (t, ZEROES, 0, DATA, 32, NULL), ==, OK);
  g_assert_cmpint (pread (t->fd, back, sizeof back, 0), ==, sizeof back);
  for (unsigned i = 0; i < sizeof back; i++)
    g_assert_cmphex (back[i], ==, i / SECTOR % 2 == 1 ? 0 : blk_content (i));
  /* A discard may keep what was there; it must not touch what lies beside. */
  put_range (t, 0, 16, 16, 0);
  g_assert_cmpuint (blk_request (t, DISCARD, 0, DATA, 16, NULL), ==, OK);
  g_assert_cmpuint (blk_request (t, READ, 15, DATA, SECTOR, NULL), ==, OK);
  blk_expect (t, DATA, 15 * SECTOR, SECTOR);
  g_assert_cmpuint (blk_request (t, READ, 32, DATA, SECTOR, NULL), ==, OK);
  blk_expect (t, DATA, 32 * SECTOR, SECTOR);

  put_range (t, 0, 0, 1, 1);
  g_assert_cmpuint (blk_request (t, DISCARD, 0, DATA, 16, NULL), ==, UNSUPPORTED);
  put_range (t, 0, SECTORS, 1, 0);
  g_assert_cmpuint (blk_request (t, DISCARD, 0, DATA, 16, NULL), ==, IOERR);
  g_assert_cmpuint (blk_request (t, ZEROES, 0, DATA, 16, NULL), ==, IOERR);
  put_range (t, 0, 0, 0xffffffff, 0);
  g_assert_cmpuint (blk_request (t, ZEROES, 0, DATA, 16, NULL), ==, IOERR);
  g_assert_cmpuint (blk_request (t, ZEROES, 0, DATA, 8, NULL), ==, IOERR);
  g_assert_cmpuint (blk_request (t, ZEROES, 0, DATA, 0, NULL), ==, IOERR);
  g_assert_cmpuint (blk_request (t, ZEROES, 0, DATA, 17 * 16, NULL), ==, IOERR);
}

static void
test_read_only (Blk *t, gconstpointer legacy)
{
  g_assert_true (driver_offered (&t->g) & VIRTIO_FEATURE (F_RO));
  g_assert_false (driver_offered (&t->g) & (VIRTIO_FEATURE (F_DISCARD) | VIRTIO_FEATURE (F_ZEROES)));
  driver_start (&t->g, PLAIN, DRIVER_QUEUES);
  put_range (t, 0, 0, 1, 0);
  g_assert_cmpuint (blk_request (t, WRITE, 0, DATA, SECTOR, NULL), ==, IOERR);
  g_assert_cmpuint (blk_request (t, DISCARD, 0, DATA, 16, NULL), ==, IOERR);
  g_assert_cmpuint (blk_request (t, ZEROES, 0, DATA, 16, NULL), ==, IOERR);
  g_assert_cmpuint (blk_request (t, FLUSH, 0, 0, 0, NULL), ==, OK);
  g_assert_cmpuint (blk_request (t, READ, 5, DATA, SECTOR, NULL), ==, OK);
  blk_expect (t, DATA, 5 * SECTOR, SECTOR);
}

/* Forty requests in each of two queues at once, with one kick each. */
static void
test_many (Blk *t, gconstpointer legacy)
{
  enum
  {
    COUNT = 40
  };
  gboolean seen[COUNT] = { FALSE };

  driver_start (&t->g, PLAIN, DRIVER_QUEUES);
  for (unsigned i = 0; i < COUNT; i++)
    blk_offer (t, i % 2, i, READ, 10 * i, DATA + i * SECTOR, SECTOR);
  driver_kick (&t->g, 1);
  driver_kick (&t->g, 0);
  for (unsigned i = 0; i < COUNT; i++)
    {
      unsigned n = driver_wait (&t->g, i % 2, NULL) / 3;

      g_assert_cmpuint (n, <, COUNT);
      g_assert_cmpuint (n % 2, ==, i % 2);
      g_assert_false (seen[n]);
      seen[n] = TRUE;
      g_assert_cmpuint (blk_status (t, n), ==, OK);
      blk_expect (t, DATA + n * SECTOR, 10 * n * SECTOR, SECTOR);
    }
}

static void
test_event_index (Blk *t, gconstpointer legacy)
{
  Driver *g = &t->g;
  uint64_t used_event, avail_event;

  driver_start (g, ALL, DRIVER_QUEUES);
  used_event = g->queues[0].available + 4 + 2 * DRIVER_QUEUE_SIZE;
  avail_event = g->queues[0].used + 4 + 8 * DRIVER_QUEUE_SIZE;
  blk_request (t, READ, 0, DATA, SECTOR, NULL); /* the first is told of in any case */
  g_assert_cmpuint (t->board->rises[DRIVER_IRQ], ==, 1);
  driver_isr (g);
  g_assert_cmpuint (driver_peek (g, avail_event, 2), ==, 1);
  driver_poke (g, used_event, 3, 2);
  for (unsigned i = 2; i <= 3; i++)
    {
      blk_request (t, READ, 0, DATA, SECTOR, NULL);
      g_assert_cmpint (t->board->level[DRIVER_IRQ], ==, 0);
    }
  blk_request (t, READ, 0, DATA, SECTOR, NULL);
  g_assert_cmpint (t->board->level[DRIVER_IRQ], ==, 1);
  g_assert_cmpuint (driver_peek (g, avail_event, 2), ==, 4);
}

static void
test_no_interrupt (Blk *t, gconstpointer legacy)
{
  driver_start (&t->g, PLAIN, DRIVER_QUEUES);
  driver_poke (&t->g, t->g.queues[0].available, 1, 2);
  blk_request (t, READ, 0, DATA, SECTOR, NULL);
  g_assert_cmpuint (t->board->rises[DRIVER_IRQ], ==, 0);
}

static void
test_msix (Blk *t, gconstpointer unused)
{
  enum
  {
    CAPABILITY = 0x98,
    ENABLE = 0x8000,
    MASK_ALL = 0x4000,
    QUEUE_VECTOR = 0x1a,
    QUEUE_SELECT = 0x16,
    VECTOR = 2
  };
  Driver *g = &t->g;
  uint8_t devfn = ((PciDevice *) t->dev)->devfn;
  uint64_t entry = DRIVER_MSIX_BASE + 16 * VECTOR;

  g_assert_cmphex (pci_config_read (t->board->pci, 0, devfn, CAPABILITY, 1), ==, 0x11);
  pci_config_write (t->board->pci, 0, devfn, CAPABILITY + 2, ENABLE, 2);
  driver_start (g, PLAIN, DRIVER_QUEUES);
  board_write (t->board, DRIVER_COMMON + QUEUE_SELECT, 0, 2);
  board_write (t->board, DRIVER_COMMON + QUEUE_VECTOR, 9, 2);
  g_assert_cmphex (board_read (t->board, DRIVER_COMMON + QUEUE_VECTOR, 2), ==, VIRTQ_NO_VECTOR);
  board_write (t->board, DRIVER_COMMON + QUEUE_VECTOR, VECTOR, 2);
  g_assert_cmphex (board_read (t->board, DRIVER_COMMON + QUEUE_VECTOR, 2), ==, VECTOR);
  board_write (t->board, entry, 0xfee01000, 4);
  board_write (t->board, entry + 8, 0x41, 4);
  g_assert_cmphex (board_read (t->board, entry + 12, 4), ==, 1);

  blk_request (t, READ, 0, DATA, SECTOR, NULL);
  g_assert_cmpuint (g->messages, ==, 0);
  g_assert_cmphex (board_read (t->board, DRIVER_MSIX_BASE + 0x800, 8), ==, 1 << VECTOR);
  pci_config_write (t->board->pci, 0, devfn, CAPABILITY + 2, ENABLE | MASK_ALL, 2);
  board_write (t->board, entry + 12, 0, 4);
  g_assert_cmpuint (g->messages, ==, 0);
  pci_config_write (t->board->pci, 0, devfn, CAPABILITY + 2, ENABLE, 2);
  g_assert_cmpuint (g->messages, ==, 1);
  g_assert_cmphex (g->message_address, ==, 0xfee01000);
  g_assert_cmphex (g->message_data, ==, 0x41);
  g_assert_cmphex (board_read (t->board, DRIVER_MSIX_BASE + 0x800, 8), ==, 0);
  blk_request (t, READ, 0, DATA, SECTOR, NULL);
  g_assert_cmpuint (g->messages, ==, 2);
  g_assert_cmpuint (t->board->rises[DRIVER_IRQ], ==, 0);
}

/* The memory BAR by way of configuration cycles. */
static void
test_window (Blk *t, gconstpointer unused)
{
  enum
  {
    WINDOW = 0x84,
    STATUS_REG = 0x14,
    CONFIG_PART = 0x2000
  };
  PciBus *pci = t->board->pci;
  uint8_t devfn = ((PciDevice *) t->dev)->devfn;

  g_assert_cmphex (pci_config_read (pci, 0, devfn, WINDOW, 1), ==, 9);
  g_assert_cmphex (pci_config_read (pci, 0, devfn, WINDOW + 3, 1), ==, 5);
  pci_config_write (pci, 0, devfn, WINDOW + 4, 4, 1);
  pci_config_write (pci, 0, devfn, WINDOW + 8, STATUS_REG, 4);
  pci_config_write (pci, 0, devfn, WINDOW + 12, 1, 4);
  pci_config_write (pci, 0, devfn, WINDOW + 16, 3, 1);
  g_assert_cmphex (driver_status (&t->g), ==, 3);
  g_assert_cmphex (pci_config_read (pci, 0, devfn, WINDOW + 16, 1), ==, 3);
  pci_config_write (pci, 0, devfn, WINDOW + 8, CONFIG_PART, 4);
  pci_config_write (pci, 0, devfn, WINDOW + 12, 4, 4);
  g_assert_cmpuint (pci_config_read (pci, 0, devfn, WINDOW + 16, 4), ==, SECTORS);
  /* Outside of the BAR, and in odd sizes, there is nothing. */
  pci_config_write (pci, 0, devfn, WINDOW + 8, 0xfffffffc, 4);
  pci_config_write (pci, 0, devfn, WINDOW + 16, 0xffffffff, 4);
  pci_config_write (pci, 0, devfn, WINDOW + 12, 0x80000001, 4);
  pci_config_write (pci, 0, devfn, WINDOW + 16, 0xffffffff, 4);
  g_assert_cmphex (driver_status (&t->g), ==, 3);
}

/* Chains that no driver makes: the device says that it needs a reset, does nothing more, and works after one. */
typedef void (*Spoil) (Blk *t);

static void
loop (Blk *t)
{
  uint64_t table = t->g.queues[0].descriptors;

  driver_descriptor (&t->g, table, 0, HEADERS, 16, D_NEXT, 1);
  driver_descriptor (&t->g, table, 1, DATA, SECTOR, D_NEXT, 0);
}

static void
loop_on_itself (Blk *t)
{
  driver_descriptor (&t->g, t->g.queues[0].descriptors, 0, DATA, 0, D_NEXT | D_WRITE, 0);
}

static void
next_outside (Blk *t)
{
  driver_descriptor (&t->g, t->g.queues[0].descriptors, 0, HEADERS, 16, D_NEXT, DRIVER_QUEUE_SIZE);
}

static void
read_after_write (Blk *t)
{
  driver_descriptor (&t->g, t->g.queues[0].descriptors, 0, HEADERS, 16, D_NEXT | D_WRITE, 1);
}

static void
short_header (Blk *t)
{
  driver_descriptor (&t->g, t->g.queues[0].descriptors, 0, HEADERS, 15, D_NEXT, 2);
}

static void
header_nowhere (Blk *t)
{
  driver_descriptor (&t->g, t->g.queues[0].descriptors, 0, 0x90000000, 16, D_NEXT, 1);
}

static void
no_status (Blk *t)
{
  driver_descriptor (&t->g, t->g.queues[0].descriptors, 0, HEADERS, 16, 0, 0);
}

static void
address_wraps (Blk *t)
{
  driver_descriptor (&t->g, t->g.queues[0].descriptors, 1, G_MAXUINT64 - 8, SECTOR, D_NEXT | D_WRITE, 2);
}

static void
table_in_table (Blk *t)
{
  driver_descriptor (&t->g, t->g.queues[0].descriptors, 0, TABLE, 32, D_INDIRECT, 0);
  driver_descriptor (&t->g, TABLE, 0, TABLE, 32, D_INDIRECT, 0);
}

static void
table_of_odd_size (Blk *t)
{
  driver_descriptor (&t->g, t->g.queues[0].descriptors, 0, TABLE, 24, D_INDIRECT, 0);
}

static void
table_nowhere (Blk *t)
{
  driver_descriptor (&t->g, t->g.queues[0].descriptors, 0, 0xa0000000, 0xfffffff0, D_INDIRECT, 0);
}

static void
table_loops (Blk *t)
{
  driver_descriptor (&t->g, t->g.queues[0].descriptors, 0, TABLE, 0xf0000, D_INDIRECT, 0);
  driver_descriptor (&t->g, TABLE, 0, DATA, 16, D_NEXT, 0);
}

static void
index_runs_away (Blk *t)
{
  driver_poke (&t->g, t->g.queues[0].available + 2, DRIVER_QUEUE_SIZE + 1, 2);
}

static void
head_outside (Blk *t)
{
  driver_poke (&t->g, t->g.queues[0].available + 4, 0xffff, 2);
}

static void
test_hostile (Blk *t, gconstpointer unused)
{
  static const Spoil spoils[] = { loop,           loop_on_itself, next_outside,    read_after_write, short_header,
                                  header_nowhere, no_status,      address_wraps,   table_in_table,   table_of_odd_size,
                                  table_nowhere,  table_loops,    index_runs_away, head_outside };

  for (unsigned i = 0; i < G_N_ELEMENTS (spoils); i++)
    {
      driver_start (&t->g, ALL & ~VIRTIO_F_EVENT_IDX, DRIVER_QUEUES);
      g_assert_cmpuint (blk_request (t, READ, i, DATA, SECTOR, NULL), ==, OK);
      blk_expect (t, DATA, i * SECTOR, SECTOR);

      driver_start (&t->g, ALL & ~VIRTIO_F_EVENT_IDX, DRIVER_QUEUES);
      blk_offer (t, 0, 0, READ, 0, DATA, SECTOR);
      spoils[i](t);
      driver_kick (&t->g, 0);
      g_assert_cmphex (driver_status (&t->g) & VIRTIO_STATUS_NEEDS_RESET, ==, VIRTIO_STATUS_NEEDS_RESET);
      /* Not even what is right. */
      blk_offer (t, 1, 1, READ, 0, DATA, SECTOR);
      driver_kick (&t->g, 1);
      g_main_context_iteration (t->board->context, FALSE);
      g_assert_cmpuint (driver_peek (&t->g, t->g.queues[0].used + 2, 2), ==, 0);
      g_assert_cmpuint (driver_peek (&t->g, t->g.queues[1].used + 2, 2), ==, 0);
    }
}

/* Rings where there is no memory, odd queue sizes, queues that are not there. */
static void
test_hostile_registers (Blk *t, gconstpointer legacy)
{
  Driver *g = &t->g;

  if (legacy)
    {
      driver_start (g, PLAIN, 0);
      bus_pio_write (t->board->bus, DRIVER_IO + 14, 0xffff, 2);
      bus_pio_write (t->board->bus, DRIVER_IO + 8, 0x10, 4);
      g_assert_cmpuint (bus_pio_read (t->board->bus, DRIVER_IO + 12, 2), ==, 0);
      bus_pio_write (t->board->bus, DRIVER_IO + 14, 0, 2);
      bus_pio_write (t->board->bus, DRIVER_IO + 8, 0xffffffff, 4);
      driver_kick (g, 0);
      driver_kick (g, 0xffff);
    }
  else
    {
      static const struct
      {
        uint16_t size;
        uint64_t descriptors, available, used;
      } rings[] = { { 0, 0x1000, 0x2000, 0x3000 },
                    { 3, 0x1000, 0x2000, 0x3000 },
                    { 256, 0x1000, 0x2000, 0x3000 },
                    { 128, 0x1008, 0x2000, 0x3000 },
                    { 128, 0x1000, 0x2001, 0x3000 },
                    { 128, 0x1000, 0x2000, 0x3002 },
                    { 128, G_MAXUINT64 - 15, 0x2000, 0x3000 },
                    { 128, 0x1000, G_MAXUINT64 - 1, 0x3000 },
                    { 128, 0x1000, 0x2000, G_MAXUINT64 - 3 } };

      for (unsigned i = 0; i < G_N_ELEMENTS (rings); i++)
        {
          driver_start (g, PLAIN, 0);
          board_write (t->board, DRIVER_COMMON + 0x16, 0, 2);
          board_write (t->board, DRIVER_COMMON + 0x18, rings[i].size, 2);
          board_write (t->board, DRIVER_COMMON + 0x20, rings[i].descriptors, 8);
          board_write (t->board, DRIVER_COMMON + 0x28, rings[i].available, 8);
          board_write (t->board, DRIVER_COMMON + 0x30, rings[i].used, 8);
          board_write (t->board, DRIVER_COMMON + 0x1c, 1, 2);
          g_assert_cmpuint (board_read (t->board, DRIVER_COMMON + 0x1c, 2), ==, 0);
          driver_kick (g, 0);
        }
      board_write (t->board, DRIVER_COMMON + 0x16, 500, 2);
      board_write (t->board, DRIVER_COMMON + 0x1c, 1, 2);
      driver_kick (g, 500);
    }
  driver_start (g, PLAIN, DRIVER_QUEUES);
  g_assert_cmpuint (blk_request (t, READ, 1, DATA, SECTOR, NULL), ==, OK);
}

static void
test_state (Blk *t, gconstpointer legacy)
{
  enum
  {
    COUNT = 8,
    ROUNDS = 300
  };
  Device *copy = blk_new_device (t->disk);
  Driver other;
  g_autoptr (GByteArray) state = g_byte_array_new (), again = g_byte_array_new ();
  g_autoptr (GError) error = NULL;
  size_t used;

  board_add (t->board, copy);
  driver_start (&t->g, ALL & ~VIRTIO_F_EVENT_IDX, DRIVER_QUEUES);
  blk_request (t, READ, 1, DATA, SECTOR, NULL);

  /* Requests under way go on in the copy; the one they came from is gone. */
  for (unsigned i = 0; i < COUNT; i++)
    blk_offer (t, 1, i, i % 2 ? WRITE : READ, 10 * i, DATA + i * SECTOR, SECTOR);
  driver_kick (&t->g, 1);
  device_save (t->dev, state);
  g_assert_false (device_load (t->dev, state->data, state->len, &used, NULL));
  device_reset (t->dev);
  g_assert_true (device_load (copy, state->data, state->len, &used, &error));
  g_assert_no_error (error);
  device_save (copy, again);
  g_assert_cmpmem (state->data, state->len, again->data, again->len);
  for (unsigned i = 0; i < COUNT; i++)
    driver_wait (&t->g, 1, NULL);
  for (unsigned i = 0; i < COUNT; i++)
    {
      g_assert_cmpuint (blk_status (t, i), ==, OK);
      if (i % 2 == 0)
        blk_expect (t, DATA + i * SECTOR, 10 * i * SECTOR, SECTOR);
    }
  blk_settle (t);

  /* With rings that ask for nothing, damage cannot make it begin anything. */
  driver_add (&other, t->board, blk_new_device (t->disk), legacy != NULL);
  driver_start (&other, ALL, DRIVER_QUEUES);
  board_check_state (t->board, other.dev, copy, ROUNDS);
}

static void
add (const char *name, gconstpointer legacy, void (*set_up) (Blk *, gconstpointer), void (*test) (Blk *, gconstpointer))
{
  g_autofree char *path = g_strdup_printf ("/virtio-blk/%s/%s", legacy != NULL ? "legacy" : "modern", name);

  g_test_add (path, Blk, legacy, set_up, test, blk_teardown);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (unsigned i = 0; i < 2; i++)
    {
      gconstpointer legacy = i == 0 ? NULL : "legacy";

      add ("negotiation", legacy, blk_setup, test_negotiation);
      add ("read-write", legacy, blk_setup, test_read_write);
      add ("refusals", legacy, blk_setup, test_refusals);
      add ("ranges", legacy, blk_setup, test_ranges);
      add ("read-only", legacy, blk_setup_read_only, test_read_only);
      add ("many", legacy, blk_setup, test_many);
      add ("event-index", legacy, blk_setup, test_event_index);
      add ("no-interrupt", legacy, blk_setup, test_no_interrupt);
      add ("hostile", legacy, blk_setup, test_hostile);
      add ("hostile-registers", legacy, blk_setup, test_hostile_registers);
      add ("state", legacy, blk_setup, test_state);
    }
  add ("bad-features", NULL, blk_setup, test_bad_features);
  add ("msix", NULL, blk_setup, test_msix);
  add ("window", NULL, blk_setup, test_window);
  return g_test_run ();
}
