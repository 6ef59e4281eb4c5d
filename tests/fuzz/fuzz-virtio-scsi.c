/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A guest that does anything to a virtio SCSI host: registers of both kinds, configuration cycles, descriptors, rings and
 * tables, requests that are nearly right. Saved state is loaded as it was, and damaged. Each command is a byte of kind
 * and a fixed number of bytes.
 */

#include "engine/devices/virtio/scsi-private.h"
#include "tests/fuzz/memory-disk.h"
#include "tests/fuzz/virtio-guest.h"

enum
{
  DISK_SIZE = 1 << 20,
  HEADERS = 0x20000, /* 256 bytes each: the request and, behind it, the response */
  RESPONSE = 0x60,
  DISK = 1,
  CD = 2,
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
} Guest;

static void
set_up (Guest *t)
{
  Device *dev = device_new (&virtio_scsi_type);
  Disk *disk = memory_disk (DISK_SIZE);

  *t = (Guest) { .board = board_new (), .disk = disk, .reloads = RELOADS };
  virtio_scsi_attach_disk (dev, DISK, disk);
  virtio_scsi_attach_cdrom (dev, CD, disk);
  driver_add (&t->g, t->board, dev, FALSE);
  driver_start (&t->g, G_MAXUINT64, DRIVER_QUEUES_MAX);
}

/* Lets the disk do what it has been asked for. */
static void
settle (Guest *t)
{
  do
    disk_drain (t->disk);
  while (g_main_context_iteration (t->board->context, FALSE));
}

/* A request with its parts in their places, of which something may be wrong. */
static void
put_request (Guest *t, FuzzInput *in)
{
  static const uint8_t codes[] = { 0x28, 0x2a, 0x12, 0x42, 0x93, 0x41, 0x35, 0x5a, 0x1a, 0x9e, 0x88, 0x8a, 0x25, 0xa0,
                                   0x43, 0x46, 0x4a, 0x1b, 0xad, 0xbe, 0x51, 0x08, 0x03, 0x00 };
  unsigned n = take (in, 1) % 32, code = take (in, 1), flags = take (in, 1);
  uint64_t request = HEADERS + 256 * n, table = t->g.queues[QUEUE_REQUEST].descriptors;
  uint32_t length = take (in, 2) * 16;
  gboolean out = (flags & 1) != 0;

  driver_poke (&t->g, request, 1 | (flags & 6 ? (flags >> 1 & 3) : DISK) << 8 | (flags & 8 ? 1 << 24 : 0), 8);
  driver_poke (&t->g, request + 8, n, 8);
  driver_poke (&t->g, request + REQUEST_HEADER, code < 128 ? codes[code % G_N_ELEMENTS (codes)] : code, 1);
  for (unsigned i = 1; i < 16; i++)
    driver_poke (&t->g, request + REQUEST_HEADER + i, flags & 16 || i == 5 || i == 8 || i == 9 ? take (in, 1) : 0, 1);
  driver_descriptor (&t->g, table, 3 * n, request, REQUEST_HEADER + CDB_SIZE_DEFAULT, D_NEXT, 3 * n + 1);
  driver_descriptor (&t->g, table, 3 * n + (out ? 1 : 2), DATA + n * 0x1000, length, out ? D_NEXT : D_WRITE, 3 * n + 2);
  driver_descriptor (&t->g, table, 3 * n + (out ? 2 : 1), request + RESPONSE, RESPONSE_HEADER + SENSE_SIZE_DEFAULT,
                     out ? D_WRITE : D_NEXT | D_WRITE, 3 * n + 2);
  driver_offer (&t->g, QUEUE_REQUEST, 3 * n);
}

/* A request to the control queue, or a buffer for an event. */
static void
put_control (Guest *t, FuzzInput *in)
{
  unsigned queue = take (in, 1) % 2;
  uint64_t table = t->g.queues[queue].descriptors;

  driver_poke (&t->g, HEADERS, take (in, 1), 4);
  driver_poke (&t->g, HEADERS + 4, take (in, 1), 4);
  driver_poke (&t->g, HEADERS + 8, 1 | DISK << 8, 8);
  driver_poke (&t->g, HEADERS + 16, take (in, 1), 8);
  if (queue == QUEUE_EVENT)
    driver_descriptor (&t->g, table, 0, DATA, EVENT_SIZE, D_WRITE, 0);
  else
    {
      driver_descriptor (&t->g, table, 0, HEADERS, 24, D_NEXT, 1);
      driver_descriptor (&t->g, table, 1, HEADERS + 64, 5, D_WRITE, 0);
    }
  driver_offer (&t->g, queue, 0);
  driver_kick (&t->g, queue);
}

/* What the user does meanwhile. */
static void
plug (Guest *t, FuzzInput *in)
{
  switch (take (in, 1) % 4)
    {
    case 0:
      virtio_scsi_plug_disk (t->g.dev, 3, t->disk, NULL);
      break;
    case 1:
      virtio_scsi_unplug_disk (t->g.dev, 3, NULL);
      break;
    case 2:
      virtio_scsi_set_disc (t->g.dev, CD, NULL, TRUE, NULL);
      break;
    default:
      virtio_scsi_set_disc (t->g.dev, CD, t->disk, FALSE, NULL);
      break;
    }
}

static void
reload (Guest *t, FuzzInput *in)
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
command (Guest *t, FuzzInput *in)
{
  uint32_t kind = take (in, 1), reg;
  unsigned queue = (kind >> 4 & 1) * QUEUE_REQUEST, size = 1u << (kind >> 5 & 3);
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
    case 12:
      put_control (t, in);
      break;
    case 13:
      plug (t, in);
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
  Guest t;

  set_up (&t);
  while (in.length > 0)
    command (&t, &in);
  settle (&t);
  board_free (t.board);
  return 0;
}
