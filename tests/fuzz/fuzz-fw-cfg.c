/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A guest that does anything to fw_cfg: selector, data port, DMA descriptors in memory, saved state. Each command is a
 * byte of kind and a fixed number of bytes. */

#include "engine/devices/platform/fw-cfg.h"
#include "tests/fuzz/input.h"
#include "tests/unit/platform/board.h"

#include <string.h>

enum
{
  PORT_SELECT = 0x510, PORT_DATA = 0x511, PORT_DMA = 0x514, DESCRIPTORS = 0x1000, DESCRIPTOR_SIZE = 16, READS = 64,
  FILES = 3, FILE_SIZE = 5000
};

static Device *
add_device (Board *board)
{
  Device *dev = board_add (board, device_new (&fw_cfg_type));

  for (unsigned i = 0; i < FILES; i++)
    {
      g_autofree uint8_t *contents = g_malloc (FILE_SIZE * i + 1);
      g_autofree char *name = g_strdup_printf ("etc/file%u", i);
      g_autoptr (GBytes) bytes = NULL;

      memset (contents, (int) i + 1, FILE_SIZE * i);
      bytes = g_bytes_new (contents, FILE_SIZE * i);
      fw_cfg_add_file (dev, name, bytes);
    }
  fw_cfg_add_u16 (dev, FW_CFG_NB_CPUS, 4);
  fw_cfg_add_u64 (dev, FW_CFG_RAM_SIZE, BOARD_RAM);
  fw_cfg_add_u32 (dev, FW_CFG_IRQ0_OVERRIDE, 1);
  return dev;
}

static void
put_descriptor (Board *board, FuzzInput *in)
{
  uint8_t descriptor[DESCRIPTOR_SIZE];
  uint32_t at = DESCRIPTORS + take (in, 1) % 16 * DESCRIPTOR_SIZE;

  for (unsigned i = 0; i < sizeof descriptor; i++)
    descriptor[i] = (uint8_t) take (in, 1);
  guest_memory_write (board->memory, at, descriptor, sizeof descriptor);
}

/* After a transfer the control field of its descriptor says how it ended, and nothing else: even if the data was to go
 * over the descriptor, the control field is written last. */
static void
run_descriptor (Board *board, uint32_t address)
{
  uint8_t control[4];

  bus_pio_write (board->bus, PORT_DMA, 0, 4);
  bus_pio_write (board->bus, PORT_DMA + 4, GUINT32_SWAP_LE_BE (address), 4);
  if (!guest_memory_read (board->memory, address, control, sizeof control))
    return;
  g_assert_true (control[0] == 0 && control[1] == 0 && control[2] == 0 && control[3] <= 1);
}

static void
reload (Board *board, Device *dev, FuzzInput *in)
{
  g_autoptr (GByteArray) state = g_byte_array_new ();
  unsigned at = take (in, 1), value = take (in, 1);
  size_t used;

  device_save (dev, state);
  state->data[at % state->len] ^= (uint8_t) value;
  device_load (dev, state->data, state->len, &used, NULL);
}

static void
command (Board *board, Device *dev, FuzzInput *in)
{
  uint32_t kind = take (in, 1);

  switch (kind & 7)
    {
    case 0:
      bus_pio_write (board->bus, PORT_SELECT, take (in, 2), 2);
      break;
    case 1:
      for (unsigned i = 0; i <= (kind >> 3) % READS; i++)
        bus_pio_read (board->bus, PORT_DATA, 1);
      break;
    case 2:
      put_descriptor (board, in);
      break;
    case 3:
      run_descriptor (board, DESCRIPTORS + (kind >> 3) % 16 * DESCRIPTOR_SIZE);
      break;
    case 4:
      bus_pio_write (board->bus, PORT_DMA + (kind & 8 ? 4 : 0), take (in, 4), 4);
      break;
    case 5:
      bus_pio_write (board->bus, (uint16_t) (PORT_SELECT + kind % 12), take (in, 4), 1u << (kind >> 3) % 3);
      break;
    case 6:
      bus_pio_read (board->bus, (uint16_t) (PORT_SELECT + kind % 12), 1u << (kind >> 3) % 3);
      break;
    default:
      reload (board, dev, in);
      break;
    }
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t length)
{
  FuzzInput in = { data, length };
  Board *board = board_new ();
  Device *dev = add_device (board);

  while (in.length > 0)
    command (board, dev, &in);
  board_free (board);
  return 0;
}
