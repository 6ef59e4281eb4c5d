/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A guest that does anything to the IDE function: task files, data ports, ATA
 * commands, ATAPI packets, the bus master and its region descriptors; and a
 * user who changes discs meanwhile. Drive 0 is a disk, drive 1 one that cannot
 * be written to, drive 2 a CD drive, drive 3 is not there. Each command is a byte of kind and a fixed number of bytes.
 */

#include "engine/devices/storage/ide-private.h"
#include "tests/fuzz/input.h"
#include "tests/unit/platform/board.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum
{
  DISK_SIZE = 300 * 1024, ISO_SIZE = 80 * 2048, DVD_SIZE = 1 << 30, ISO_DESCRIPTOR = 16 * 2048,
  PRDS = 0x2000, PRD_COUNT = 16, PRD_SIZE = 8, DMA_TARGET = 0x10000, BM_BASE = 0xc000, CONFIG_COMMAND = 4,
  CONFIG_BAR4 = 0x20, COMMAND_IO_MEMORY_MASTER = 7,
  REG_FEATURE = 1, REG_COUNT = 2, REG_LBA_LOW = 3, REG_DEVICE = 6, REG_COMMAND = 7, CONTROL = 0x206,
  CMD_PACKET = 0xa0, RELOADS = 1, TRANSFER_MAX = 2048
};

typedef struct
{
  Board *board;
  Device *dev;
  Disk *discs[2]; /* a CD and a DVD */
  int reloads;
} Target;

static const uint16_t ports[IDE_CHANNELS] = { 0x1f0, 0x170 };

static Disk *
memory_disk (int *fd, off_t size, DiskOpenFlags flags)
{
  g_autofree char *path = NULL;
  g_autoptr (GError) error = NULL;
  Disk *disk;

  *fd = memfd_create ("disk", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  g_assert_cmpint (ftruncate (*fd, size), ==, 0);
  if (flags & DISK_OPEN_READ_ONLY)
    g_assert_cmpint (pwrite (*fd, "\1CD001\1", 7, ISO_DESCRIPTOR), ==, 7);
  path = g_strdup_printf ("/proc/self/fd/%d", *fd);
  disk = disk_open (path, flags, &error);
  g_assert_no_error (error);
  return disk;
}

static unsigned
config (const Target *t)
{
  return ((PciDevice *) t->dev)->devfn;
}

static void
out (Target *t, unsigned channel, unsigned reg, uint32_t value, unsigned size)
{
  bus_pio_write (t->board->bus, (uint16_t) (ports[channel & 1] + reg), value, size);
}

static void
guest_poke (Target *t, uint32_t address, uint32_t low, uint32_t high)
{
  uint8_t bytes[8];

  pci_set_long (bytes, low);
  pci_set_long (bytes + 4, high);
  guest_memory_write (t->board->memory, address, bytes, sizeof bytes);
}

static void
put_prd (Target *t, unsigned index, uint32_t address, uint32_t flags)
{
  guest_poke (t, PRDS + index * PRD_SIZE, address, flags);
}

static void
set_up (Target *t)
{
  /* Opened once: each has a thread of its own. */
  static Disk *disk, *worn, *cd, *dvd;
  static int disk_fd, fd;

  if (disk == NULL)
    {
      disk = memory_disk (&disk_fd, DISK_SIZE, 0);
      worn = memory_disk (&fd, DISK_SIZE, 0);
      g_assert_cmpint (fcntl (fd, F_ADD_SEALS, F_SEAL_WRITE), ==, 0);
      cd = memory_disk (&fd, ISO_SIZE, DISK_OPEN_READ_ONLY);
      dvd = memory_disk (&fd, DVD_SIZE, DISK_OPEN_READ_ONLY);
    }
  fallocate (disk_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, DISK_SIZE);
  *t = (Target) {
    .board = board_new (), .dev = device_new (&piix3_ide_type), .discs = { cd, dvd }, .reloads = RELOADS
  };
  piix3_ide_attach_disk (t->dev, 0, 0, disk);
  piix3_ide_attach_disk (t->dev, 0, 1, worn);
  piix3_ide_attach_cdrom (t->dev, 1, 0, cd);
  board_add (t->board, t->dev);
  pci_config_write (t->board->pci, 0, config (t), CONFIG_BAR4, BM_BASE, 4);
  pci_config_write (t->board->pci, 0, config (t), CONFIG_COMMAND, COMMAND_IO_MEMORY_MASTER, 2);
  for (unsigned i = 0; i < PRD_COUNT; i++)
    put_prd (t, i, DMA_TARGET + i * 0x4000, 0x4000 | (i == PRD_COUNT - 1 ? 0x80000000 : 0));
  for (unsigned i = 0; i < IDE_CHANNELS; i++)
    bus_pio_write (t->board->bus, (uint16_t) (BM_BASE + 8 * i + 4), PRDS, 4);
}

static gboolean
is_busy (const Target *t)
{
  for (unsigned i = 0; i < IDE_CHANNELS * IDE_UNITS; i++)
    {
      if (((Ide *) t->dev)->channels[i / IDE_UNITS].drives[i % IDE_UNITS].busy)
        return TRUE;
    }
  return FALSE;
}

/* Lets the disks do what they have been asked for. */
static void
settle (Target *t)
{
  while (is_busy (t))
    g_main_context_iteration (t->board->context, TRUE);
}

static void
ata (Target *t, FuzzInput *in, unsigned channel)
{
  uint32_t count = take (in, 1), lba = take (in, 3), code = take (in, 1);

  out (t, channel, REG_DEVICE, 0xe0 | (lba >> 20 & 15) | (code & 1 ? lba >> 19 & 16 : 0), 1);
  out (t, channel, REG_FEATURE, lba >> 16 & 0xff, 1);
  out (t, channel, REG_COUNT, count, 1);
  for (unsigned i = 0; i < 3; i++)
    out (t, channel, REG_LBA_LOW + i, lba >> (8 * i) & (i == 2 ? 0 : 0xff), 1);
  out (t, channel, REG_COMMAND, code, 1);
}

static void
packet (Target *t, FuzzInput *in, gboolean dma)
{
  uint32_t limit = take (in, 2);

  out (t, 1, REG_DEVICE, 0xa0, 1);
  out (t, 1, REG_FEATURE, dma, 1);
  out (t, 1, REG_LBA_LOW + 1, limit & 0xff, 1);
  out (t, 1, REG_LBA_LOW + 2, limit >> 8, 1);
  out (t, 1, REG_COMMAND, CMD_PACKET, 1);
  for (unsigned i = 0; i < PACKET_SIZE; i += 2)
    out (t, 1, 0, take (in, 2), 2);
}

/* Moves data through the port; the disks may have to work in between. */
static void
move (Target *t, FuzzInput *in, unsigned channel, gboolean write)
{
  uint32_t count = take (in, 2) % TRANSFER_MAX, value = write ? take (in, 1) * 0x01010101u : 0;
  unsigned size = count & 1 ? 2 : 4;

  for (uint32_t i = 0; i < count; i++)
    {
      if (write)
        out (t, channel, 0, value, size);
      else
        bus_pio_read (t->board->bus, ports[channel], size);
      settle (t);
    }
}

static void
reload (Target *t, FuzzInput *in)
{
  g_autoptr (GByteArray) state = g_byte_array_new ();
  unsigned at = take (in, 2), value = take (in, 1);
  size_t used;

  if (--t->reloads < 0)
    return;
  device_save (t->dev, state);
  settle (t);
  state->data[at % state->len] ^= (uint8_t) value;
  device_load (t->dev, state->data, state->len, &used, NULL);
}

static void
command (Target *t, FuzzInput *in)
{
  uint32_t kind = take (in, 1), reg;
  unsigned channel = kind >> 4 & 1;

  switch (kind & 15)
    {
    case 0:
      reg = take (in, 1);
      out (t, channel, 1 + reg % 7, take (in, 1), 1);
      break;
    case 1:
      reg = take (in, 1);
      bus_pio_read (t->board->bus, (uint16_t) (reg & 16 ? BM_BASE + reg % 16 : ports[channel] + reg % 8), 1);
      break;
    case 2:
      move (t, in, channel, TRUE);
      break;
    case 3:
    case 4:
      move (t, in, channel, FALSE);
      break;
    case 5:
    case 6:
    case 7:
      ata (t, in, channel);
      break;
    case 8:
    case 9:
      packet (t, in, channel);
      break;
    case 10:
      bus_pio_write (t->board->bus, (uint16_t) (BM_BASE + 8 * channel), take (in, 1) & 9, 1);
      break;
    case 11:
      reg = take (in, 1);
      bus_pio_write (t->board->bus, (uint16_t) (BM_BASE + reg % 16), take (in, 4), 1u << (kind >> 5) % 3);
      break;
    case 12:
      reg = take (in, 1) % PRD_COUNT;
      if (kind & 32) /* what a disk is to write, or to discard */
        guest_poke (t, DMA_TARGET + reg * 8, take (in, 4), take (in, 4));
      else
        put_prd (t, reg, take (in, 3) << 1, take (in, 2) | (kind & 16 ? 0x80000000 : 0));
      break;
    case 13:
      bus_pio_write (t->board->bus, (uint16_t) (ports[channel] + CONTROL), take (in, 1), 1);
      break;
    case 14:
      if (kind & 16)
        piix3_ide_set_disc (t->dev, 2, kind & 32 ? t->discs[take (in, 1) & 1] : NULL, kind & 64, NULL);
      else
        {
          reg = take (in, 1);
          pci_config_write (t->board->pci, 0, config (t), reg & 0xfc, take (in, 4), 4);
        }
      break;
    default:
      reload (t, in);
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
