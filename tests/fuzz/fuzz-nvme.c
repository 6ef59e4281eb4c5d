/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A guest that does anything to an NVMe controller: registers, doorbells, configuration cycles, commands that are nearly
 * right or anything, lists of pages. Saved state is loaded as it was, and damaged. Each command is a byte of kind and a
 * fixed number of bytes.
 */

#include "tests/fuzz/input.h"
#include "tests/fuzz/memory-disk.h"
#include "tests/unit/disk-controllers/nvme-driver.h"

#include <string.h>

enum
{
  DISK_SIZE = 1 << 20,
  LISTS = 0x30000,
  DATA = 0x40000,
  RELOADS = 4
};

typedef struct
{
  NvmeDriver g;
  Board *board;
  Disk *disk;
  int reloads;
} Target;

static void
set_up (Target *t)
{
  Device *dev = device_new (&nvme_type);
  Disk *disk = memory_disk (DISK_SIZE);

  *t = (Target) { .board = board_new (), .disk = disk, .reloads = RELOADS };
  nvme_attach_disk (dev, 0, disk);
  driver_add (&t->g, t->board, dev);
  driver_enable (&t->g);
  driver_create (&t->g, IO, 1);
}

/* Lets the disk do what it has been asked for. */
static void
settle (Target *t)
{
  do
    disk_drain (t->disk);
  while (g_main_context_iteration (t->board->context, FALSE));
}

static uint64_t
take_address (FuzzInput *in)
{
  return (uint64_t) take (in, 2) << 4 | (uint64_t) (take (in, 1) & 0x81) << 56;
}

/* One with its fields in their places, of which something may be wrong. */
static void
put_command (Target *t, FuzzInput *in, unsigned pair)
{
  static const uint8_t io_codes[] = { OP_READ, OP_WRITE, OP_FLUSH, OP_COMPARE, OP_ZEROES, OP_DSM, OP_READ, 0x42 };
  uint8_t code = (uint8_t) take (in, 1);
  DriverCommand c = { .opcode = pair == ADMIN ? code & 15 : io_codes[code & 7], .nsid = 1 + (code >> 6) };
  uint8_t *at;

  c.prp1 = pair == ADMIN ? DATA + (take (in, 1) << 12) : DATA + (take (in, 2) << 2);
  c.prp2 = code & 16 ? LISTS + (take (in, 1) << 4) : take_address (in);
  c.cdw10 = take (in, 2) | (pair == ADMIN ? take (in, 1) << 16 : 0);
  c.cdw11 = pair == ADMIN ? take (in, 1) | take (in, 1) << 16 : 0;
  c.cdw12 = take (in, 1) << (code >> 5 & 1);
  driver_put (&t->g, pair, &c);
  if (code != 0xff)
    return;
  /* Anything. */
  at = driver_memory (&t->g, DRIVER_QUEUE_BASE + pair * 4 * NVME_PAGE)
       + (t->g.pairs[pair].tail + DRIVER_ENTRIES - 1) % DRIVER_ENTRIES * COMMAND_SIZE;
  for (unsigned i = 0; i < COMMAND_SIZE; i++)
    at[i] = (uint8_t) take (in, 1);
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
  unsigned pair = kind >> 4 & 1;
  uint8_t devfn = ((PciDevice *) t->g.dev)->devfn;
  DriverAnswer answer;

  switch (kind % 16)
    {
    case 0:
      reg = take (in, 1) % 0x40 & ~3u;
      driver_set (&t->g, reg, take (in, 4));
      break;
    case 1:
      driver_set (&t->g, REG_DOORBELLS + (take (in, 1) & ~3u), take (in, 2));
      break;
    case 2:
      reg = take (in, 1);
      pci_config_write (t->board->pci, 0, devfn, reg, take (in, 4), 1u << (kind >> 5 & 1));
      pci_config_read (t->board->pci, 0, devfn, reg & 0xfc, 4);
      break;
    case 3:
      reg = take (in, 2);
      board_write (t->board, DRIVER_MSIX + (reg & 0xffc), take (in, 4), 4);
      break;
    case 4:
      {
        uint32_t at = take (in, 1) << 3;
        uint64_t value = take_address (in);

        memcpy (driver_memory (&t->g, LISTS + at), &value, 8);
        break;
      }
    case 5:
      reload (t, in);
      break;
    case 6:
      /* A range, or what a list may hold. */
      {
        uint32_t at = take (in, 1) << 4, words[4] = { 0, take (in, 2), take (in, 2), 0 };

        memcpy (driver_memory (&t->g, DATA + at), words, sizeof words);
        break;
      }
    case 7:
      for (unsigned i = 0; i < 4 && driver_poll (&t->g, pair, &answer); i++)
        ;
      break;
    case 8:
      driver_enable (&t->g);
      break;
    case 9:
      board_read (t->board, DRIVER_BASE + (take (in, 1) & ~7u), 8);
      break;
    case 10:
    case 11:
      driver_ring (&t->g, pair);
      break;
    default:
      put_command (t, in, pair);
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
