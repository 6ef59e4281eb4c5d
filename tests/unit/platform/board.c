/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The board of the device tests: see board.h. */

#include "tests/unit/platform/board.h"

static void
line_changed (void *opaque, int line, int level)
{
  Board *board = opaque;

  board->rises[line] += level && !board->level[line];
  board->level[line] = level != 0;
}

static int
route (int slot, int pin)
{
  return 0;
}

Board *
board_new (void)
{
  Board *board = g_new0 (Board, 1);
  IrqLine pirq[4];
  g_autoptr (GError) error = NULL;

  machine_lock_init (&board->lock);
  board->context = g_main_context_new ();
  board->bus = bus_new ();
  board->memory = address_space_new ();
  board->ram = ram_block_new ("RAM", BOARD_RAM, &error);
  g_assert_no_error (error);
  ram_block_allow_dma (board->ram, TRUE);
  address_space_add_ram (board->memory, 0, BOARD_RAM, 0, board->ram, 0);
  board->clock = clock_new (board->context, &board->lock);
  board->devices = g_ptr_array_new ();
  for (int i = 0; i < 16; i++)
    board->isa_irq[i] = (IrqLine) { line_changed, board, i };
  for (int i = 0; i < 4; i++)
    pirq[i] = board->isa_irq[11];
  board->pci = pci_bus_new (board->bus, board->memory);
  pci_bus_set_routing (board->pci, route, pirq);
  return board;
}

void
board_free (Board *board)
{
  while (board->devices->len > 0)
    {
      device_free (g_ptr_array_index (board->devices, board->devices->len - 1));
      g_ptr_array_set_size (board->devices, (int) board->devices->len - 1);
    }
  g_ptr_array_unref (board->devices);
  clock_free (board->clock);
  pci_bus_free (board->pci);
  address_space_free (board->memory);
  ram_block_free (board->ram);
  bus_free (board->bus);
  g_main_context_unref (board->context);
  machine_lock_clear (&board->lock);
  g_free (board);
}

DeviceEnv
board_env (Board *board)
{
  return (DeviceEnv) {
    .bus = board->bus, .memory = board->memory, .pci = board->pci, .clock = board->clock, .lock = &board->lock,
    .context = board->context, .isa_irq = board->isa_irq
  };
}

Device *
board_add (Board *board, Device *dev)
{
  DeviceEnv env = board_env (board);
  g_autoptr (GError) error = NULL;

  g_assert_true (device_realize (dev, &env, &error));
  g_assert_no_error (error);
  g_ptr_array_add (board->devices, dev);
  return dev;
}

void
board_out (Board *board, uint16_t port, uint32_t value)
{
  bus_pio_write (board->bus, port, value, 1);
}

uint8_t
board_in (Board *board, uint16_t port)
{
  return (uint8_t) bus_pio_read (board->bus, port, 1);
}

uint64_t
board_read (Board *board, uint64_t address, unsigned size)
{
  return memory_section_read (address_space_lookup (board->memory, address), address, size);
}

void
board_write (Board *board, uint64_t address, uint64_t value, unsigned size)
{
  memory_section_write (address_space_lookup (board->memory, address), address, value, size);
}

void
board_pass (Board *board, int64_t ns, int64_t step)
{
  int64_t end = board->now + ns;

  while (board->now < end)
    {
      board->now = step > 0 ? MIN (board->now + step, end) : end;
      clock_set (board->clock, board->now);
    }
}

void
board_check_state (Board *board, Device *dev, Device *copy, unsigned rounds)
{
  g_autoptr (GByteArray) saved = g_byte_array_new (), again = g_byte_array_new ();
  g_autoptr (GRand) random = g_rand_new_with_seed ((guint32) rounds);
  g_autoptr (GError) error = NULL;
  size_t used = 0;

  device_save (dev, saved);
  g_assert_true (device_load (copy, saved->data, saved->len, &used, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (used, ==, saved->len);
  device_save (copy, again);
  g_assert_cmpmem (saved->data, saved->len, again->data, again->len);

  for (size_t length = 0; length < saved->len; length += 1 + length / 64)
    {
      g_autoptr (GError) cut_off = NULL;

      g_assert_false (device_load (copy, saved->data, length, &used, &cut_off));
      g_assert_nonnull (cut_off);
    }

  for (unsigned i = 0; i < rounds; i++)
    {
      g_autoptr (GByteArray) damaged = g_byte_array_new (), before = g_byte_array_new (), after = g_byte_array_new ();
      g_autoptr (GError) refused = NULL;
      unsigned bytes = (unsigned) g_rand_int_range (random, 1, 16);

      g_byte_array_append (damaged, saved->data, saved->len);
      while (bytes-- > 0)
        damaged->data[g_rand_int_range (random, 0, (gint32) damaged->len)] = (uint8_t) g_rand_int (random);
      device_save (copy, before);
      g_assert_true (device_load (copy, damaged->data, damaged->len, &used, &refused) == (refused == NULL));
      if (refused != NULL)
        {
          device_save (copy, after);
          g_assert_cmpmem (before->data, before->len, after->data, after->len);
        }
      board_pass (board, CLOCK_NS_PER_MS, 0);
    }
  /* A device that refused damage still takes what is good. */
  g_assert_true (device_load (copy, saved->data, saved->len, &used, NULL));
}
