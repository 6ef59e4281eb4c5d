/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A guest that does anything to a virtio disk: registers of both kinds, configuration cycles, descriptors, rings and
 * tables, requests that are nearly right. Saved state is loaded as it was, and damaged. Each command is a byte of kind
 * and a fixed number of bytes.
 */

#include "engine/devices/virtio/blk.h"
#include "tests/fuzz/memory-disk.h"
#include "tests/fuzz/virtio-guest.h"

enum
{
  DISK_SIZE = 1 << 20,
  HEADERS = 0x20000,
  TABLE = 0x24000,
  DATA = 0x40000,
  RELOADS = 4
};

typedef struct
{
  Driver g;
  Board *board;
  Disk *disk;
  int reloads;
} Target;

static void
set_up (Target *t)
{
  Device *dev = device_new (&virtio_blk_type);
  Disk *disk = memory_disk (DISK_SIZE);

  *t = (Target) { .board = board_new (), .disk = disk, .reloads = RELOADS };
  virtio_blk_attach (dev, disk, DRIVER_QUEUES);
  driver_add (&t->g, t->board, dev, FALSE);
  driver_start (&t->g, G_MAXUINT64, DRIVER_QUEUES);
}

/* Lets the disk do what it has been asked for. */
static void
settle (Target *t)
{
  do
    disk_drain (t->disk);
  while (g_main_context_iteration (t->board->context, FALSE));
}

/* A request with its header, data and status in their places, of which something may be wrong. */
static void
put_request (Target *t, FuzzInput *in)
{
  static const uint8_t types[] = { 0, 1, 4, 8, 11, 13, 2, 0 };
  unsigned queue = take (in, 1) % DRIVER_QUEUES, n = take (in, 1) % 32, type = types[take (in, 1) % 8];
  uint64_t header = HEADERS + 16 * n, table = t->g.queues[queue].descriptors, sector = take (in, 2);
  uint32_t length = take (in, 2) * 16;

  driver_poke (&t->g, header, type, 8);
  driver_poke (&t->g, header + 8, sector, 8);
  driver_descriptor (&t->g, table, 3 * n, header, 16, D_NEXT, 3 * n + 1);
  driver_descriptor (&t->g, table, 3 * n + 1, DATA + n * 0x1000, length,
                     type == 0 || type == 8 ? D_NEXT | D_WRITE : D_NEXT, 3 * n + 2);
  driver_descriptor (&t->g, table, 3 * n + 2, header + 0x1000, 1, D_WRITE, 0);
  driver_offer (&t->g, queue, 3 * n);
}

static void
reload (Target *t, FuzzInput *in)
{
  g_autoptr (GByteArray) state = g_byte_array_new ();
  unsigned at = take (in, 2), value = take (in, 1);
  size_t used;

  if (--t->reloads < 0)
    return;
  device_save (t->g.dev, state);
  settle (t);
  state->data[at % state->len] ^= (uint8_t) value;
  device_load (t->g.dev, state->data, state->len, &used, NULL);
}

static void
command (Target *t, FuzzInput *in)
{
  uint32_t kind = take (in, 1), reg;
  unsigned queue = kind >> 4 & 1, size = 1u << (kind >> 5 & 3);
  uint8_t devfn = ((PciDevice *) t->g.dev)->devfn;

  switch (kind % 16)
    {
    case 0:
      put_descriptor (&t->g, in, t->g.queues[queue].descriptors);
      break;
    case 1:
      put_descriptor (&t->g, in, TABLE);
      break;
    case 2:
      reg = take (in, 1);
      driver_poke (&t->g, t->g.queues[queue].available + 2 * (reg % 140), take (in, 2), 2);
      break;
    case 3:
    case 4:
      driver_kick (&t->g, queue);
      break;
    case 5:
      reg = take (in, 1);
      board_write (t->board, DRIVER_COMMON + reg % 64 / size * size, take (in, 4), size);
      break;
    case 6:
      reg = take (in, 1);
      bus_pio_write (t->board->bus, (uint16_t) (DRIVER_IO + reg % 80), take (in, 4), MIN (size, 4));
      break;
    case 7:
      reg = take (in, 1);
      pci_config_write (t->board->pci, 0, devfn, reg, take (in, 4), MIN (size, 4));
      pci_config_read (t->board->pci, 0, devfn, reg & 0xfc, 4);
      break;
    case 8:
      reg = take (in, 2);
      board_read (t->board, DRIVER_COMMON + reg / size * size, size);
      break;
    case 9:
      reg = take (in, 2);
      board_write (t->board, DRIVER_MSIX_BASE + (reg & 0xfff) / size * size, take (in, 4), size);
      break;
    case 10:
      driver_poke (&t->g, DATA + (take (in, 1) << 4), take (in, 4), 8);
      break;
    case 11:
      reload (t, in);
      break;
    default:
      put_request (t, in);
      break;
    }
  if (!(kind & 128))
    settle (t);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t length)
{
  FuzzInput in = { data, length };
  Target t;

  set_up (&t);
  while (in.length > 0)
    command (&t, &in);
  settle (&t);
  board_free (t.board);
  return 0;
}
