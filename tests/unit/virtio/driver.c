/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Implementation of the driver of the virtio tests. */

#include "tests/unit/virtio/driver.h"

enum
{
  CONFIG_BAR0 = 0x10,
  CONFIG_BAR1 = 0x14,
  CONFIG_BAR4 = 0x20,
  CONFIG_COMMAND = 4,
  FEATURE_SELECT = 0,
  FEATURE = 4,
  DRIVER_FEATURE_SELECT = 8,
  DRIVER_FEATURE = 12,
  STATUS = 0x14,
  QUEUE_SELECT = 0x16,
  QUEUE_SIZE = 0x18,
  QUEUE_ENABLE = 0x1c,
  QUEUE_DESC = 0x20,
  QUEUE_AVAIL = 0x28,
  QUEUE_USED = 0x30,
  IO_FEATURES = 0,
  IO_DRIVER_FEATURES = 4,
  IO_ADDRESS = 8,
  IO_SIZE = 12,
  IO_SELECT = 14,
  IO_NOTIFY = 16,
  IO_STATUS = 18,
  IO_ISR = 19,
  IO_CONFIG = 20
};

static void
config (Driver *g, unsigned offset, uint32_t value, unsigned size)
{
  pci_config_write (g->board->pci, 0, ((PciDevice *) g->dev)->devfn, offset, value, size);
}

static void
message (void *opaque, uint64_t address, uint32_t data)
{
  Driver *g = opaque;

  g->messages++;
  g->message_address = address;
  g->message_data = data;
}

void
driver_add (Driver *g, Board *board, Device *dev, gboolean legacy)
{
  *g = (Driver) { .board = board, .dev = dev, .legacy = legacy };
  pci_bus_set_messages (board->pci, message, g);
  board_add (board, dev);
  config (g, CONFIG_BAR0, DRIVER_IO, 4);
  config (g, CONFIG_BAR1, DRIVER_MSIX_BASE, 4);
  config (g, CONFIG_BAR4, DRIVER_BASE, 4);
  config (g, CONFIG_COMMAND, PCI_COMMAND_IO | PCI_COMMAND_MEMORY | (legacy ? 0 : PCI_COMMAND_MASTER), 2);
}

static uint32_t
io_read (Driver *g, unsigned reg, unsigned size)
{
  return bus_pio_read (g->board->bus, (uint16_t) (DRIVER_IO + reg), size);
}

static void
io_write (Driver *g, unsigned reg, uint32_t value, unsigned size)
{
  bus_pio_write (g->board->bus, (uint16_t) (DRIVER_IO + reg), value, size);
}

uint64_t
driver_offered (Driver *g)
{
  uint64_t features;

  if (g->legacy)
    return io_read (g, IO_FEATURES, 4);
  board_write (g->board, DRIVER_COMMON + FEATURE_SELECT, 0, 4);
  features = board_read (g->board, DRIVER_COMMON + FEATURE, 4);
  board_write (g->board, DRIVER_COMMON + FEATURE_SELECT, 1, 4);
  return features | board_read (g->board, DRIVER_COMMON + FEATURE, 4) << 32;
}

uint8_t
driver_status (Driver *g)
{
  return (uint8_t) (g->legacy ? io_read (g, IO_STATUS, 1) : board_read (g->board, DRIVER_COMMON + STATUS, 1));
}

void
driver_set_status (Driver *g, uint8_t status)
{
  if (g->legacy)
    io_write (g, IO_STATUS, status, 1);
  else
    board_write (g->board, DRIVER_COMMON + STATUS, status, 1);
}

uint8_t
driver_isr (Driver *g)
{
  return (uint8_t) (g->legacy ? io_read (g, IO_ISR, 1) : board_read (g->board, DRIVER_ISR, 1));
}

uint32_t
driver_config (Driver *g, unsigned offset, unsigned size)
{
  return g->legacy ? io_read (g, IO_CONFIG + offset, size)
                   : (uint32_t) board_read (g->board, DRIVER_CONFIG + offset, size);
}

void
driver_set_config (Driver *g, unsigned offset, uint32_t value, unsigned size)
{
  if (g->legacy)
    io_write (g, IO_CONFIG + offset, value, size);
  else
    board_write (g->board, DRIVER_CONFIG + offset, value, size);
}

static void
agree (Driver *g, uint64_t features)
{
  if (g->legacy)
    {
      io_write (g, IO_DRIVER_FEATURES, (uint32_t) features, 4);
      return;
    }
  for (unsigned half = 0; half < 2; half++)
    {
      board_write (g->board, DRIVER_COMMON + DRIVER_FEATURE_SELECT, half, 4);
      board_write (g->board, DRIVER_COMMON + DRIVER_FEATURE, (uint32_t) (features >> (32 * half)), 4);
    }
  driver_set_status (g, VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER | VIRTIO_STATUS_FEATURES_OK);
  g_assert_cmphex (driver_status (g) & VIRTIO_STATUS_FEATURES_OK, ==, VIRTIO_STATUS_FEATURES_OK);
}

static void
set_up_queue (Driver *g, unsigned queue)
{
  DriverQueue *q = &g->queues[queue];
  uint64_t base = DRIVER_RINGS + queue * DRIVER_RINGS_SIZE;

  for (unsigned i = 0; i < DRIVER_RINGS_SIZE; i += 8)
    driver_poke (g, base + i, 0, 8);
  *q = (DriverQueue) { .descriptors = base, .available = base + 16 * DRIVER_QUEUE_SIZE, .used = base + 0x1000 };
  if (g->legacy)
    {
      io_write (g, IO_SELECT, queue, 2);
      g_assert_cmpuint (io_read (g, IO_SIZE, 2), ==, DRIVER_QUEUE_SIZE);
      io_write (g, IO_ADDRESS, (uint32_t) (base >> 12), 4);
      g_assert_cmpuint (io_read (g, IO_ADDRESS, 4), ==, base >> 12);
      return;
    }
  board_write (g->board, DRIVER_COMMON + QUEUE_SELECT, queue, 2);
  g_assert_cmpuint (board_read (g->board, DRIVER_COMMON + QUEUE_SIZE, 2), ==, DRIVER_QUEUE_SIZE);
  board_write (g->board, DRIVER_COMMON + QUEUE_DESC, q->descriptors, 8);
  board_write (g->board, DRIVER_COMMON + QUEUE_AVAIL, q->available, 4);
  board_write (g->board, DRIVER_COMMON + QUEUE_AVAIL + 4, 0, 4);
  board_write (g->board, DRIVER_COMMON + QUEUE_USED, q->used, 8);
  board_write (g->board, DRIVER_COMMON + QUEUE_ENABLE, 1, 2);
  g_assert_cmpuint (board_read (g->board, DRIVER_COMMON + QUEUE_ENABLE, 2), ==, 1);
}

void
driver_start (Driver *g, uint64_t features, unsigned queues)
{
  driver_set_status (g, 0);
  g_assert_cmphex (driver_status (g), ==, 0);
  driver_set_status (g, VIRTIO_STATUS_ACKNOWLEDGE);
  driver_set_status (g, VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER);
  agree (g, driver_offered (g) & (features | VIRTIO_F_VERSION_1));
  for (unsigned i = 0; i < queues; i++)
    set_up_queue (g, i);
  driver_set_status (g, driver_status (g) | VIRTIO_STATUS_DRIVER_OK);
}

void
driver_poke (Driver *g, uint64_t address, uint64_t value, unsigned bytes)
{
  g_assert_true (guest_memory_write (g->board->memory, address, &value, bytes));
}

uint64_t
driver_peek (Driver *g, uint64_t address, unsigned bytes)
{
  uint64_t value = 0;

  g_assert_true (guest_memory_read (g->board->memory, address, &value, bytes));
  return value;
}

void
driver_descriptor (Driver *g, uint64_t table, unsigned index, uint64_t address, uint32_t length, unsigned flags,
                   unsigned next)
{
  driver_poke (g, table + 16 * index, address, 8);
  driver_poke (g, table + 16 * index + 8, length, 4);
  driver_poke (g, table + 16 * index + 12, flags, 2);
  driver_poke (g, table + 16 * index + 14, next, 2);
}

void
driver_offer (Driver *g, unsigned queue, unsigned head)
{
  DriverQueue *q = &g->queues[queue];

  driver_poke (g, q->available + 4 + 2 * (q->offered % DRIVER_QUEUE_SIZE), head, 2);
  q->offered++;
  driver_poke (g, q->available + 2, q->offered, 2);
}

void
driver_kick (Driver *g, unsigned queue)
{
  if (g->legacy)
    io_write (g, IO_NOTIFY, queue, 2);
  else
    board_write (g->board, DRIVER_NOTIFY + 4 * queue, queue, 2);
}

uint32_t
driver_wait (Driver *g, unsigned queue, uint32_t *written)
{
  DriverQueue *q = &g->queues[queue];
  uint64_t entry;

  while (driver_peek (g, q->used + 2, 2) == q->seen)
    g_main_context_iteration (g->board->context, TRUE);
  entry = q->used + 4 + 8 * (q->seen % DRIVER_QUEUE_SIZE);
  q->seen++;
  if (written != NULL)
    *written = (uint32_t) driver_peek (g, entry + 4, 4);
  return (uint32_t) driver_peek (g, entry, 4);
}
