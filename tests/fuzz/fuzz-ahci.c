/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A guest that does anything to the AHCI controller: registers, command lists,
 * FISes and regions, queued or not; and a user who plugs disks, and changes
 * discs, meanwhile. Port 0 has a disk, port 1 one that cannot be written to,
 * port 2 a CD drive, port 3 is empty. Each command is a byte of kind and a
 * fixed number of bytes.
 */

#include "engine/devices/storage/ahci-private.h"
#include "tests/fuzz/input.h"
#include "tests/unit/platform/board.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum
{
  DISK_SIZE = 300 * 1024, ISO_SIZE = 80 * 2048, ISO_DESCRIPTOR = 16 * 2048, ABAR = 0xe0000000, CONFIG_ABAR = 0x24,
  PORTS = 4, CD = 2, EMPTY = 3, LIST = 0x1000, TABLES = 0x8000, TABLE_SIZE = 0x100, REGIONS = 8, TARGET = 0x20000, RELOADS = 1
};

typedef struct
{
  Board *board;
  Device *dev;
  Disk *disk, *disc;
  int reloads;
} Target;

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

static void
set (Target *t, unsigned reg, uint32_t value)
{
  board_write (t->board, ABAR + reg, value, 4);
}

static void
port_set (Target *t, unsigned port, unsigned reg, uint32_t value)
{
  set (t, REG_PORTS + port * PORT_SIZE + reg, value);
}

static uint32_t
table_of (unsigned port, unsigned slot)
{
  return TABLES + (port * SLOTS + slot) * TABLE_SIZE;
}

static void
poke (Target *t, uint32_t address, const void *bytes, unsigned length)
{
  guest_memory_write (t->board->memory, address, bytes, length);
}

static void
put_region (Target *t, unsigned port, unsigned slot, unsigned region, uint32_t address, uint32_t high, uint32_t flags)
{
  uint8_t prd[PRD_SIZE] = { 0 };

  pci_set_long (prd, address);
  pci_set_long (prd + 4, high);
  pci_set_long (prd + 12, flags);
  poke (t, table_of (port, slot) + TABLE_PRDT + region * PRD_SIZE, prd, sizeof prd);
}

static void
put_header (Target *t, unsigned port, unsigned slot, uint32_t flags)
{
  uint8_t header[16] = { 0 };

  pci_set_long (header, flags);
  pci_set_long (header + 8, table_of (port, slot));
  poke (t, LIST * (port + 1) + slot * HEADER_SIZE, header, sizeof header);
}

static void
set_up (Target *t)
{
  /* Opened once: each has threads of its own. */
  static Disk *disk, *worn, *disc, *spare;
  static int disk_fd, fd;
  uint8_t devfn;

  if (disk == NULL)
    {
      disk = memory_disk (&disk_fd, DISK_SIZE, 0);
      worn = memory_disk (&fd, DISK_SIZE, 0);
      g_assert_cmpint (fcntl (fd, F_ADD_SEALS, F_SEAL_WRITE), ==, 0);
      disc = memory_disk (&fd, ISO_SIZE, DISK_OPEN_READ_ONLY);
      spare = memory_disk (&fd, DISK_SIZE, 0);
    }
  fallocate (disk_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, DISK_SIZE);
  *t = (Target) { .board = board_new (), .dev = device_new (&ahci_type), .disk = spare, .disc = disc, .reloads = RELOADS };
  ahci_attach_disk (t->dev, 0, disk);
  ahci_attach_disk (t->dev, 1, worn);
  ahci_attach_cdrom (t->dev, CD, disc);
  board_add (t->board, t->dev);
  devfn = ((PciDevice *) t->dev)->devfn;
  pci_config_write (t->board->pci, 0, devfn, CONFIG_ABAR, ABAR, 4);
  pci_config_write (t->board->pci, 0, devfn, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
  set (t, REG_GHC, GHC_AE | GHC_IE);
  for (unsigned port = 0; port < PORTS; port++)
    {
      for (unsigned slot = 0; slot < SLOTS; slot++)
        {
          put_header (t, port, slot, 5 | REGIONS << 16);
          for (unsigned region = 0; region < REGIONS; region++)
            put_region (t, port, slot, region, TARGET + slot * 0x4000 + region * 0x1000, 0, 0xfff);
        }
      port_set (t, port, PX_CLB, LIST * (port + 1));
      port_set (t, port, PX_FB, LIST * (port + 1) + 0x400);
      port_set (t, port, PX_IE, 0xffffffff);
      port_set (t, port, PX_CMD, CMD_FRE);
      port_set (t, port, PX_CMD, CMD_FRE | CMD_ST);
    }
}

static gboolean
is_busy (const Target *t)
{
  for (unsigned port = 0; port < PORTS; port++)
    {
      if (ahci_port_is_busy (&((Ahci *) t->dev)->port[port]))
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

/* A command with a FIS that is mostly sensible; @queued: by its tag. */
static void
issue (Target *t, FuzzInput *in, unsigned port, gboolean queued)
{
  uint8_t fis[20] = { FIS_H2D, FIS_IS_COMMAND };
  uint32_t slot = take (in, 1), code = take (in, 1), lba = take (in, 2), count = take (in, 2);

  fis[2] = (uint8_t) (queued ? NCQ_READ | (code & 1) : code);
  fis[4] = (uint8_t) lba;
  fis[5] = (uint8_t) (lba >> 8 & 3);
  fis[7] = 0x40;
  fis[queued ? 3 : 12] = (uint8_t) count;
  fis[queued ? 11 : 13] = (uint8_t) (count >> 12);
  if (queued)
    fis[12] = (uint8_t) ((slot & 31) << 3 | (slot & 128 ? 8 : 0));
  else
    fis[3] = (uint8_t) (slot >> 5);
  poke (t, table_of (port, slot & 31), fis, sizeof fis);
  if (queued)
    port_set (t, port, PX_SACT, 1u << (slot & 31));
  port_set (t, port, PX_CI, 1u << (slot & 31));
}

static void
packet (Target *t, FuzzInput *in)
{
  uint8_t fis[20] = { FIS_H2D, FIS_IS_COMMAND, 0xa0 }, cdb[PACKET_SIZE];
  uint32_t limit = take (in, 2), slot = take (in, 1) & 31;

  fis[3] = limit & 1;
  fis[5] = (uint8_t) limit;
  fis[6] = (uint8_t) (limit >> 8);
  for (unsigned i = 0; i < sizeof cdb; i++)
    cdb[i] = (uint8_t) take (in, 1);
  poke (t, table_of (CD, slot), fis, sizeof fis);
  poke (t, table_of (CD, slot) + TABLE_ACMD, cdb, sizeof cdb);
  port_set (t, CD, PX_CI, 1u << slot);
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
  uint32_t kind = take (in, 1), reg, value;
  unsigned port = kind >> 4 & 3;
  uint8_t bytes[4];

  switch (kind & 15)
    {
    case 0:
    case 1:
      reg = take (in, 1) & 0x3c;
      port_set (t, port, reg, take (in, 4));
      break;
    case 2:
      reg = take (in, 2);
      board_read (t->board, ABAR + reg % 0x400, 1u << (reg >> 14));
      break;
    case 3:
      reg = take (in, 2);
      board_write (t->board, ABAR + reg % 0x400, take (in, 4), 1u << (reg >> 14));
      break;
    case 4:
    case 5:
      issue (t, in, port, FALSE);
      break;
    case 6:
    case 7:
      issue (t, in, port & 1, TRUE);
      break;
    case 8:
    case 9:
      packet (t, in);
      break;
    case 10:
      reg = take (in, 1);
      put_header (t, port, reg & 31, take (in, 4));
      break;
    case 11:
      reg = take (in, 1);
      value = take (in, 4);
      put_region (t, port, reg & 31, reg >> 5, value, reg & 1 ? take (in, 1) : 0, take (in, 3));
      break;
    case 12: /* anywhere in what the controller reads, and what a disk is to write or discard */
      reg = take (in, 3);
      pci_set_long (bytes, take (in, 4));
      poke (t, reg % BOARD_RAM & ~3u, bytes, sizeof bytes);
      break;
    case 13: /* a port begins anew */
      port_set (t, port, PX_CMD, CMD_FRE);
      port_set (t, port, PX_SCTL, kind & 64 ? 1 : 0);
      port_set (t, port, PX_SCTL, 0);
      port_set (t, port, PX_IS, 0xffffffff);
      port_set (t, port, PX_CMD, CMD_FRE | CMD_ST);
      break;
    case 14:
      if (port == CD)
        ahci_set_disc (t->dev, CD, kind & 64 ? t->disc : NULL, TRUE, NULL);
      else if (kind & 64)
        ahci_plug_disk (t->dev, EMPTY, t->disk, NULL);
      else
        ahci_unplug_disk (t->dev, EMPTY, NULL);
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
