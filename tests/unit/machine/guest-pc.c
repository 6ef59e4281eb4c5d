/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The PC of the tests of saved state. */

#include "guest-pc.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum
{
  FLOPPY_SIZE = 1474560, DISK_SIZE = 4 << 20, ISO_SIZE = 64 * 2048,
  ISO_DESCRIPTOR = 16 * 2048, CPUS = 2
};

/* Reads sectors of the floppy and of the hard disk in turn, and says so after each round. */
static const uint8_t boot_sector[] = {
  0xfa, 0x31, 0xc0, 0x8e, 0xd0, 0xbc, 0x00, 0x7c, /* cli; ss:sp = 0:7c00h */
  0x8e, 0xd8, 0xb8, 0x00, 0x10, 0x8e, 0xc0, 0xfb, /* ds = 0; es = 1000h; sti */
  /* 10h: */
  0xb8, 0x05, 0x02, 0xb9, 0x01, 0x00, 0x31, 0xd2, 0x31, 0xdb, 0xcd, 0x13, /* floppy: five sectors from 1 on */
  0xb8, 0x09, 0x02, 0xb9, 0x01, 0x00, 0xba, 0x80, 0x00, 0x31, 0xdb, 0xcd, 0x13, /* disk: nine */
  0xba, 0x02, 0x04, 0xb0, 0x01, 0xee, /* 1 to the debug console: the firmware says no such thing */
  0xeb, 0xdf                          /* jmp 10h */
};

static void
said (void *opaque, const uint8_t *data, size_t length)
{
  Pc *pc = opaque;

  g_mutex_lock (&pc->lock);
  for (size_t i = 0; i < length; i++)
    pc->rounds += data[i] == 1;
  g_cond_signal (&pc->cond);
  g_mutex_unlock (&pc->lock);
}

static Disk *
memory_disk (int *fd, off_t size, const void *data, size_t length, off_t at, DiskOpenFlags flags)
{
  g_autofree char *path = NULL;
  g_autoptr (GError) error = NULL;
  Disk *disk;

  *fd = memfd_create ("disk", MFD_CLOEXEC);
  g_assert_cmpint (ftruncate (*fd, size), ==, 0);
  g_assert_cmpint (pwrite (*fd, data, length, at), ==, (ssize_t) length);
  path = g_strdup_printf ("/proc/self/fd/%d", *fd);
  disk = disk_open (path, flags, &error);
  g_assert_no_error (error);
  return disk;
}

void
pc_new (Pc *pc)
{
  MachineSerial debug = { said, pc };
  MachineConfig config = {
    .name = "state", .memory = PC_MEMORY, .cpus = CPUS, .accel = MACHINE_ACCEL_INTERP, .boot = { MACHINE_BOOT_FLOPPY },
    .floppy_present = { TRUE, TRUE }, .nics = { { .model = "e1000", .mac = { 2, 0, 0, 0, 0, 1 } } }, .debugcon = &debug
  };
  g_autoptr (GError) error = NULL;
  uint8_t sector[512] = { 0 };

  *pc = (Pc) { .rounds = 0 };
  g_mutex_init (&pc->lock);
  g_cond_init (&pc->cond);
  memcpy (sector, boot_sector, sizeof boot_sector);
  sector[510] = 0x55;
  sector[511] = 0xaa;
  pc->floppy = memory_disk (&pc->fds[0], FLOPPY_SIZE, sector, sizeof sector, 0, 0);
  pc->disk = memory_disk (&pc->fds[1], DISK_SIZE, "data", 4, 0, 0);
  pc->disc = memory_disk (&pc->fds[2], ISO_SIZE, "\1CD001\1", 7, ISO_DESCRIPTOR, DISK_OPEN_READ_ONLY);
  pc->virtio = memory_disk (&pc->fds[3], DISK_SIZE, "data", 4, 0, 0);
  config.floppy[0] = pc->floppy;
  config.ide[0] = (MachineSlot) { MACHINE_SLOT_DISK, pc->disk };
  config.ide[2] = (MachineSlot) { MACHINE_SLOT_CDROM, pc->disc };
  config.ide[3] = (MachineSlot) { MACHINE_SLOT_CDROM, NULL };
  config.ahci[1] = (MachineSlot) { MACHINE_SLOT_CDROM, NULL };
  config.virtio[0] = (MachineSlot) { MACHINE_SLOT_DISK, pc->virtio };
  pc->machine = machine_new (&config, &error);
  g_assert_no_error (error);
}

void
pc_free (Pc *pc)
{
  machine_free (pc->machine);
  disk_unref (pc->floppy);
  disk_unref (pc->disk);
  disk_unref (pc->disc);
  disk_unref (pc->virtio);
  for (unsigned i = 0; i < G_N_ELEMENTS (pc->fds); i++)
    close (pc->fds[i]);
  g_mutex_clear (&pc->lock);
  g_cond_clear (&pc->cond);
}

void
pc_wait (Pc *pc, unsigned rounds)
{
  g_mutex_lock (&pc->lock);
  while (pc->rounds < rounds)
    g_cond_wait (&pc->cond, &pc->lock);
  g_mutex_unlock (&pc->lock);
}
