/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The saved state of every device of a whole PC that has run firmware and a
 * boot sector: saved, loaded into another PC, and saved again, it is the same.
 * With the processors and memory that PC then runs on from there.
 */

#include "engine/machine/machine-private.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum
{
  MEMORY = 16 << 20, FLOPPY_SIZE = 1474560, DISK_SIZE = 4 << 20, ISO_SIZE = 64 * 2048,
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

typedef struct
{
  Machine *machine;
  Disk *floppy, *disk, *disc, *virtio;
  int fds[4];
  GMutex lock;
  GCond cond;
  unsigned rounds;
} Pc;

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

static void
pc_new (Pc *pc)
{
  MachineSerial debug = { said, pc };
  MachineConfig config = {
    .name = "state", .memory = MEMORY, .cpus = CPUS, .accel = MACHINE_ACCEL_INTERP, .boot = { MACHINE_BOOT_FLOPPY },
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

static void
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

/* Lets the guest run until it has said @rounds words in all. */
static void
run_until (Pc *pc, unsigned rounds)
{
  MachineInfo info;

  g_mutex_lock (&pc->lock);
  while (pc->rounds < rounds)
    g_cond_wait (&pc->cond, &pc->lock);
  g_mutex_unlock (&pc->lock);
  machine_pause (pc->machine);
  machine_info (pc->machine, &info);
  /* What was read before a state was loaded is not counted again. */
  g_assert_cmpuint (info.floppy_reads, >=, rounds - 1);
  g_assert_cmpuint (info.disk_reads, >=, rounds - 1);
}

static unsigned
device_count (Machine *m)
{
  return m->devices->len + m->cpu_count;
}

static Device *
device_at (Machine *m, unsigned i)
{
  return i < m->devices->len ? g_ptr_array_index (m->devices, i) : m->vcpus[i - m->devices->len].lapic;
}

/* The name of the field that holds byte @at of a state. */
static const char *
field_at (Device *dev, size_t at)
{
  size_t end = 1 + strlen (dev->type->name) + 2;

  for (const StateField *f = dev->type->fields; f != NULL && f->name != NULL; f++)
    {
      end += (size_t) f->size * f->count;
      if (at < end)
        return f->name;
    }
  return "head";
}

static void
expect_same (Device *dev, const GByteArray *a, const GByteArray *b)
{
  g_assert_cmpuint (a->len, ==, b->len);
  for (guint i = 0; i < a->len; i++)
    {
      if (a->data[i] != b->data[i])
        g_error ("%s: %s differs: %02x, %02x", dev->type->name, field_at (dev, i), a->data[i], b->data[i]);
    }
}

static GByteArray *
save (Device *dev)
{
  GByteArray *state = g_byte_array_new ();

  device_save (dev, state);
  return state;
}

static void
check (Pc *from, Pc *to)
{
  Machine *m = from->machine, *other = to->machine;

  g_assert_cmpuint (device_count (m), ==, device_count (other));
  machine_lock_take (&m->lock);
  machine_lock_take (&other->lock);
  clock_set (other->clock, clock_now (m->clock));
  for (unsigned i = 0; i < device_count (m); i++)
    {
      Device *dev = device_at (m, i), *copy = device_at (other, i);
      g_autoptr (GByteArray) state = save (dev), again = NULL;
      g_autoptr (GError) error = NULL;
      size_t used = 0;

      g_test_message ("%s: %u bytes", dev->type->name, state->len);
      g_assert_true (device_load (copy, state->data, state->len, &used, &error));
      g_assert_no_error (error);
      g_assert_cmpuint (used, ==, state->len);
      again = save (copy);
      expect_same (dev, state, again);
    }
  /* Loading one device has not changed another. */
  for (unsigned i = 0; i < device_count (m); i++)
    {
      g_autoptr (GByteArray) state = save (device_at (m, i)), again = save (device_at (other, i));

      expect_same (device_at (m, i), state, again);
    }
  machine_lock_release (&other->lock);
  machine_lock_release (&m->lock);
}

/* Processors and memory; the devices are there already. */
static void
move_rest (Machine *m, Machine *other)
{
  machine_lock_take (&other->lock);
  memcpy (ram_block_host (other->ram), ram_block_host (m->ram), MEMORY);
  for (unsigned i = 0; i < m->cpu_count; i++)
    {
      g_autoptr (GByteArray) state = g_byte_array_new ();
      g_autoptr (GError) error = NULL;
      size_t used;

      x86_cpu_save (m->vcpus[i].cpu, state);
      g_assert_true (x86_cpu_load (other->vcpus[i].cpu, state->data, state->len, &used, &error));
      g_assert_no_error (error);
    }
  machine_lock_release (&other->lock);
}

static void
test_all (void)
{
  Pc pc, fresh;
  g_autoptr (GError) error = NULL;

  pc_new (&pc);
  pc_new (&fresh);
  check (&pc, &fresh);
  pc_free (&fresh);

  machine_start (pc.machine, &error);
  g_assert_no_error (error);
  for (unsigned rounds = 1; rounds <= 3; rounds++)
    {
      run_until (&pc, rounds + 1);
      pc_new (&fresh);
      check (&pc, &fresh);
      move_rest (pc.machine, fresh.machine);
      machine_start (fresh.machine, &error);
      g_assert_no_error (error);
      run_until (&fresh, 3);
      pc_free (&fresh);
      machine_resume (pc.machine);
    }
  pc_free (&pc);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/machine/state", test_all);
  return g_test_run ();
}
