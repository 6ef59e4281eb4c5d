/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Interrupt controllers and timer of a whole machine, whoever runs them: ours under each accelerator, or the kernel's. The
 * guest is tests/guest/chips; it counts, and nothing may stand still when the accelerator is exchanged.
 */

#include "engine/cpu/chips.h"
#include "engine/cpu/posted.h"
#include "engine/machine/machine-private.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum
{
  COUNTS = 0x600, WISH = 0x700, DOORBELL = 0x704, RINGS = 0x708, PAINT = 0x710, PAINTED = 64, IMAGE = 0x20000, GUEST_SIZE = 0x10000, MEMORY = 4 << 20,
  LEVEL_PIN = 20, MESSAGE_VECTOR = 0x43, MESSAGE_ADDRESS = 0xfee00000
};

typedef enum { COUNT_PIC, COUNT_PIN, COUNT_TIMER, COUNT_IPI, COUNT_MESSAGE, COUNT_WRONG, COUNT_RUNG, COUNT_WOKEN, COUNT_LEVEL } Count;

typedef struct
{
  Machine *machine;
  char *image;
  Disk *disk;
} Pc;

static uint32_t
count_of (const Pc *pc, Count which)
{
  return __atomic_load_n ((uint32_t *) (ram_block_host (pc->machine->ram) + COUNTS) + which, __ATOMIC_SEQ_CST);
}

static Pc *
pc_new (MachineAccel accel)
{
  Pc *pc = g_new0 (Pc, 1);
  MachineConfig config = { .name = "chips", .memory = MEMORY, .cpus = 2, .accel = accel };
  g_autofree char *disk = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *guest = NULL, *bytes = g_malloc0 (IMAGE);
  gsize length;
  int fd;

  g_file_get_contents (g_getenv ("BUNSHIN_CHIPS_GUEST"), &guest, &length, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (length, ==, GUEST_SIZE);
  memcpy (bytes + IMAGE - GUEST_SIZE, guest, GUEST_SIZE);
  fd = g_file_open_tmp ("chips-XXXXXX", &pc->image, &error);
  g_assert_no_error (error);
  close (fd);
  g_file_set_contents (pc->image, bytes, IMAGE, &error);
  g_assert_no_error (error);
  config.bios = pc->image;
  fd = memfd_create ("disk", MFD_CLOEXEC);
  g_assert_cmpint (ftruncate (fd, MEMORY), ==, 0);
  disk = g_strdup_printf ("/proc/self/fd/%d", fd);
  pc->disk = disk_open (disk, 0, &error);
  g_assert_no_error (error);
  close (fd);
  config.virtio[0] = (MachineSlot) { MACHINE_SLOT_DISK, pc->disk };
  pc->machine = machine_new (&config, &error);
  g_assert_no_error (error);
  machine_start (pc->machine, &error);
  g_assert_no_error (error);
  return pc;
}

static void
pc_free (Pc *pc)
{
  machine_free (pc->machine);
  disk_unref (pc->disk);
  unlink (pc->image);
  g_free (pc->image);
  g_free (pc);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Pc, pc_free)

/* Waits until so many more have come. */
static void
await (Pc *pc, Count which, uint32_t first, uint32_t more)
{
  gint64 end = g_get_monotonic_time () + 20 * G_USEC_PER_SEC;

  while (count_of (pc, which) - first < more)
    {
      if (g_get_monotonic_time () > end)
        {
          g_autofree char *registers = NULL;

          machine_pause (pc->machine);
          registers = machine_dump_registers (pc->machine);
          for (unsigned i = 0; i <= COUNT_LEVEL; i++)
            g_test_message ("count %u is %u", i, count_of (pc, (Count) i));
          g_error ("count %u stands at %u under %s\n%s", which, count_of (pc, which),
                   x86_accel_name (x86_system_accel (pc->machine->cpu_system)), registers);
        }
      g_usleep (200);
    }
}

static void
await_new (Pc *pc, Count which, uint32_t more)
{
  await (pc, which, count_of (pc, which), more);
}

/* Everything that the guest counts by itself goes on. */
static void
await_all (Pc *pc)
{
  uint8_t *wish = ram_block_host (pc->machine->ram) + WISH;
  uint32_t timer = count_of (pc, COUNT_TIMER), ipi = count_of (pc, COUNT_IPI), woken = count_of (pc, COUNT_WOKEN);

  await_new (pc, *wish == 0 ? COUNT_PIC : COUNT_PIN, 3);
  await (pc, COUNT_TIMER, timer, 3);
  await (pc, COUNT_IPI, ipi, 3);
  await (pc, COUNT_WOKEN, woken, 3);
  g_assert_cmpuint (count_of (pc, COUNT_WRONG), ==, 0);
  g_assert_cmpint (machine_state (pc->machine), ==, MACHINE_STATE_RUNNING);
}

static void
wish (Pc *pc, uint8_t controller)
{
  __atomic_store_n (ram_block_host (pc->machine->ram) + WISH, controller, __ATOMIC_SEQ_CST);
}

static void
send_message (Pc *pc)
{
  machine_lock_take (&pc->machine->lock);
  chips_send_message (pc->machine, MESSAGE_ADDRESS, MESSAGE_VECTOR);
  machine_lock_release (&pc->machine->lock);
}

/* Skips the running test where the hardware cannot be had. */
static gboolean
lacks_hardware (void)
{
  g_autoptr (GError) error = NULL;
  X86Hardware hardware;

  if (x86_hardware_look (&hardware, &error))
    return FALSE;
  g_test_skip (error->message);
  return TRUE;
}

/* Under one accelerator: both controllers, messages, a pause, a reset. */
static void
test_alone (gconstpointer data)
{
  MachineAccel accel = (MachineAccel) GPOINTER_TO_INT (data);
  g_autoptr (Pc) pc = NULL;
  uint32_t timer;

  if (accel != MACHINE_ACCEL_INTERP && accel != MACHINE_ACCEL_JIT && lacks_hardware ())
    return;
  pc = pc_new (accel);

  for (uint8_t controller = 0; controller < 3; controller++)
    {
      wish (pc, controller & 1);
      await_all (pc);
      for (unsigned i = 1; i <= 3; i++)
        {
          uint32_t messages = count_of (pc, COUNT_MESSAGE);

          send_message (pc);
          await (pc, COUNT_MESSAGE, messages, 1);
          await_new (pc, COUNT_TIMER, 1);
          g_assert_cmpuint (count_of (pc, COUNT_MESSAGE), ==, messages + 1);
        }
    }
  machine_pause (pc->machine);
  timer = count_of (pc, COUNT_TIMER);
  /* What comes while everything stands still comes then. */
  send_message (pc);
  g_usleep (20000);
  g_assert_cmpuint (count_of (pc, COUNT_TIMER), ==, timer);
  timer = count_of (pc, COUNT_MESSAGE);
  machine_resume (pc->machine);
  await (pc, COUNT_MESSAGE, timer, 1);
  await_all (pc);
  machine_reset (pc->machine);
  /* The guest begins with zeros. */
  while (count_of (pc, COUNT_MESSAGE) != 0)
    g_usleep (200);
  await_all (pc);
}

static void
test_exchange (void)
{
  static const MachineAccel accels[] = { MACHINE_ACCEL_KVM, MACHINE_ACCEL_INTERP, MACHINE_ACCEL_KVM, MACHINE_ACCEL_JIT,
                                         MACHINE_ACCEL_KVM_USER_IRQCHIP, MACHINE_ACCEL_KVM, MACHINE_ACCEL_KVM_USER_IRQCHIP,
                                         MACHINE_ACCEL_JIT, MACHINE_ACCEL_INTERP };
  enum { ROUNDS = 4 };
  g_autoptr (Pc) pc = NULL;

  if (lacks_hardware ())
    return;
  pc = pc_new (MACHINE_ACCEL_KVM);
  await_all (pc);
  for (unsigned i = 0; i < ROUNDS * G_N_ELEMENTS (accels); i++)
    {
      g_autoptr (GError) error = NULL;
      uint32_t messages;

      machine_set_accel (pc->machine, accels[i % G_N_ELEMENTS (accels)], &error);
      g_assert_no_error (error);
      g_assert_cmpint (pc->machine->chips_are_lent, ==, accels[i % G_N_ELEMENTS (accels)] == MACHINE_ACCEL_KVM);
      await_all (pc);
      if (i % 4 == 3)
        wish (pc, (uint8_t) (i / 4 & 1));
      messages = count_of (pc, COUNT_MESSAGE);
      send_message (pc);
      await (pc, COUNT_MESSAGE, messages, 1);
    }
}

/* From one to another as fast as can be: nothing that has an edge may get lost between. */
static void
test_haste (void)
{
  static const MachineAccel accels[] = { MACHINE_ACCEL_KVM, MACHINE_ACCEL_INTERP, MACHINE_ACCEL_KVM_USER_IRQCHIP };
  enum { EXCHANGES = 90 };
  g_autoptr (Pc) pc = NULL;
  uint32_t messages;

  if (lacks_hardware ())
    return;
  pc = pc_new (MACHINE_ACCEL_KVM);
  await_all (pc);
  for (unsigned i = 0; i < EXCHANGES; i++)
    {
      g_autoptr (GError) error = NULL;

      messages = count_of (pc, COUNT_MESSAGE);
      send_message (pc);
      machine_set_accel (pc->machine, accels[i % G_N_ELEMENTS (accels)], &error);
      g_assert_no_error (error);
      await (pc, COUNT_MESSAGE, messages, 1);
    }
  await_all (pc);
}

static void
set_pin (Pc *pc, int level)
{
  machine_lock_take (&pc->machine->lock);
  chips_pin (pc->machine, LEVEL_PIN, level);
  machine_lock_release (&pc->machine->lock);
}

/* A level stays one, whoever looks at it. */
static void
test_level (void)
{
  static const MachineAccel accels[] = { MACHINE_ACCEL_KVM, MACHINE_ACCEL_JIT, MACHINE_ACCEL_KVM_USER_IRQCHIP, MACHINE_ACCEL_KVM,
                                         MACHINE_ACCEL_INTERP, MACHINE_ACCEL_KVM };
  g_autoptr (Pc) pc = NULL;

  if (lacks_hardware ())
    return;
  pc = pc_new (MACHINE_ACCEL_KVM);
  await_all (pc);
  for (unsigned i = 0; i < 2 * G_N_ELEMENTS (accels); i++)
    {
      g_autoptr (GError) error = NULL;
      uint32_t count;

      if (i % 4 == 0)
        set_pin (pc, TRUE);
      machine_set_accel (pc->machine, accels[i % G_N_ELEMENTS (accels)], &error);
      g_assert_no_error (error);
      if (i % 4 < 2)
        await_new (pc, COUNT_LEVEL, 5);
      set_pin (pc, i % 4 < 1);
      if (i % 4 < 1)
        continue;
      /* One may be on its way. */
      await_all (pc);
      count = count_of (pc, COUNT_LEVEL);
      await_all (pc);
      g_assert_cmpuint (count_of (pc, COUNT_LEVEL), ==, count);
    }
}

/* While processors are started: whoever has got the second one's INIT or startup message must pass it on. */
static void
test_start (void)
{
  static const MachineAccel accels[] = { MACHINE_ACCEL_INTERP, MACHINE_ACCEL_KVM, MACHINE_ACCEL_KVM_USER_IRQCHIP };
  enum { STARTS = 30, STEP_US = 100 };
  g_autoptr (Pc) pc = NULL;

  if (lacks_hardware ())
    return;
  pc = pc_new (MACHINE_ACCEL_KVM);
  for (unsigned i = 0; i < STARTS; i++)
    {
      g_autoptr (GError) error = NULL;

      machine_reset (pc->machine);
      g_usleep (i * STEP_US);
      machine_set_accel (pc->machine, accels[i % G_N_ELEMENTS (accels)], &error);
      g_assert_no_error (error);
      await_new (pc, COUNT_IPI, 1);
      g_assert_cmpuint (count_of (pc, COUNT_WRONG), ==, 0);
    }
}

/* --- Doorbells --- */

/* Where the test puts a virtio disk, and its queue. Specification: OASIS virtio 1.2, sections 2.7, 4.1 and 5.2. */
enum
{
  COMMON = 0xe0000000, NOTIFY = COMMON + 0x3000, MSIX_TABLE = 0xe0010000, LEGACY_PORT = 0xc000, LEGACY_NOTIFY = LEGACY_PORT + 0x10,
  DESCRIPTORS = 0x100000, AVAILABLE = 0x101000, USED = 0x102000, HEADER = 0x103000, ID = 0x104000, ID_SIZE = 20, STATUS = 0x105000,
  QUEUE_SIZE = 8, GET_ID = 8, DESCRIPTOR_NEXT = 1, DESCRIPTOR_WRITE = 2, MSIX_CONTROL = 0x98, ROUNDS = 70
};

static void
poke (Pc *pc, uint64_t address, uint64_t value, unsigned size)
{
  memory_section_write (address_space_lookup (pc->machine->memory, address), address, value, size);
}

static void
put (Pc *pc, uint64_t address, uint64_t value, unsigned size)
{
  memcpy (ram_block_host (pc->machine->ram) + address, &value, size);
}

static void
put_descriptor (Pc *pc, unsigned i, uint64_t address, uint32_t length, unsigned flags)
{
  put (pc, DESCRIPTORS + 16 * i, address, 8);
  put (pc, DESCRIPTORS + 16 * i + 8, length, 4);
  put (pc, DESCRIPTORS + 16 * i + 12, flags | (uint64_t) (i + 1) << 16, 4);
}

/* What a firmware and a driver do, for one queue with one request: what is the disk's serial number? */
static void
set_up_disk (Pc *pc)
{
  PciDevice *dev = (PciDevice *) pc->machine->virtio_disks[0];
  PciBus *pci = pc->machine->pci;

  machine_lock_take (&pc->machine->lock);
  pci_config_write (pci, 0, dev->devfn, PCI_BASE_ADDRESS_0, LEGACY_PORT, 4);
  pci_config_write (pci, 0, dev->devfn, PCI_BASE_ADDRESS_0 + 4, MSIX_TABLE, 4);
  pci_config_write (pci, 0, dev->devfn, PCI_BASE_ADDRESS_0 + 16, COMMON, 4);
  pci_config_write (pci, 0, dev->devfn, PCI_COMMAND, PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
  pci_config_write (pci, 0, dev->devfn, MSIX_CONTROL + 2, 1 << 15, 2);
  poke (pc, MSIX_TABLE, MESSAGE_ADDRESS, 4);
  poke (pc, MSIX_TABLE + 8, MESSAGE_VECTOR, 4);
  poke (pc, MSIX_TABLE + 12, 0, 4);
  poke (pc, COMMON + 0x14, 1 | 2, 1);
  poke (pc, COMMON + 0x08, 1, 4);
  poke (pc, COMMON + 0x0c, 1, 4); /* VERSION_1 */
  poke (pc, COMMON + 0x14, 1 | 2 | 8, 1);
  poke (pc, COMMON + 0x16, 0, 2);
  poke (pc, COMMON + 0x18, QUEUE_SIZE, 2);
  poke (pc, COMMON + 0x1a, 0, 2);
  poke (pc, COMMON + 0x20, DESCRIPTORS, 8);
  poke (pc, COMMON + 0x28, AVAILABLE, 8);
  poke (pc, COMMON + 0x30, USED, 8);
  poke (pc, COMMON + 0x1c, 1, 2);
  poke (pc, COMMON + 0x14, 1 | 2 | 4 | 8, 1);
  machine_lock_release (&pc->machine->lock);
  put (pc, HEADER, GET_ID, 8);
  put (pc, HEADER + 8, 0, 8);
  put_descriptor (pc, 0, HEADER, 16, DESCRIPTOR_NEXT);
  put_descriptor (pc, 1, ID, ID_SIZE, DESCRIPTOR_NEXT | DESCRIPTOR_WRITE);
  put_descriptor (pc, 2, STATUS, 1, DESCRIPTOR_WRITE);
}

/* The guest rings, the disk works, and its message comes back to the guest. */
static void
ask_disk (Pc *pc, uint32_t bell)
{
  uint8_t *ram = ram_block_host (pc->machine->ram);
  uint32_t messages = count_of (pc, COUNT_MESSAGE), rings = count_of (pc, COUNT_RUNG);
  uint16_t available, used;

  memset (ram + ID, 0, ID_SIZE);
  ram[STATUS] = 0xff;
  memcpy (&available, ram + AVAILABLE + 2, sizeof available);
  put (pc, AVAILABLE + 4 + 2 * (available % QUEUE_SIZE), 0, 2);
  put (pc, AVAILABLE + 2, ++available, 2);
  put (pc, DOORBELL, bell, 4);
  __atomic_store_n ((uint32_t *) (ram + RINGS), rings + 1, __ATOMIC_SEQ_CST);
  await (pc, COUNT_MESSAGE, messages, 1);
  /* A disk that is still at work on the request before sees this one without being told. */
  await (pc, COUNT_RUNG, rings, 1);
  memcpy (&used, ram + USED + 2, sizeof used);
  g_assert_cmpuint (used, ==, available);
  g_assert_cmpuint (ram[STATUS], ==, 0);
  g_assert_cmpmem (ram + ID, 8, "BNV00001", 8);
}

/* What was rung without an exit is heard on another thread. */
static void
expect_rung (Pc *pc, uint64_t count)
{
  gint64 end = g_get_monotonic_time () + 20 * G_USEC_PER_SEC;
  uint64_t rung;

  do
    {
      machine_lock_take (&pc->machine->lock);
      rung = pc->machine->bells_rung;
      machine_lock_release (&pc->machine->lock);
    }
  while (rung < count && g_get_monotonic_time () < end);
  g_assert_cmpuint (rung, ==, count);
}

static unsigned
count_eventfds (void)
{
  g_autoptr (GDir) folder = g_dir_open ("/proc/self/fd", 0, NULL);
  const char *name;
  unsigned count = 0;

  while ((name = g_dir_read_name (folder)) != NULL)
    {
      g_autofree char *path = g_build_filename ("/proc/self/fd", name, NULL), *target = g_file_read_link (path, NULL);

      count += target != NULL && strstr (target, "[eventfd]") != NULL;
    }
  return count;
}

static void
test_doorbell (gconstpointer data)
{
  MachineAccel accel = (MachineAccel) GPOINTER_TO_INT (data);
  gboolean is_hardware = accel != MACHINE_ACCEL_INTERP;
  g_autoptr (Pc) pc = NULL;
  g_autoptr (GError) error = NULL;
  unsigned descriptors;

  if (is_hardware && lacks_hardware ())
    return;
  pc = pc_new (accel);
  await_all (pc);
  set_up_disk (pc);
  descriptors = count_eventfds ();
  /* A message that comes again and again gets a descriptor of its own. */
  for (unsigned i = 0; i < ROUNDS; i++)
    ask_disk (pc, i % 2 == 0 ? NOTIFY : LEGACY_NOTIFY);
  expect_rung (pc, is_hardware ? ROUNDS : 0);
  g_assert_cmpuint (count_eventfds () - descriptors, ==, accel == MACHINE_ACCEL_KVM);
  /* Another place. */
  machine_lock_take (&pc->machine->lock);
  pci_config_write (pc->machine->pci, 0, ((PciDevice *) pc->machine->virtio_disks[0])->devfn, PCI_BASE_ADDRESS_0 + 16, COMMON + 0x100000, 4);
  machine_lock_release (&pc->machine->lock);
  ask_disk (pc, NOTIFY + 0x100000);
  /* Others answer by the handler. */
  machine_set_accel (pc->machine, MACHINE_ACCEL_JIT, &error);
  g_assert_no_error (error);
  ask_disk (pc, NOTIFY + 0x100000);
  ask_disk (pc, LEGACY_NOTIFY);
  expect_rung (pc, is_hardware ? ROUNDS + 1 : 0);
  if (!is_hardware)
    return;
  machine_set_accel (pc->machine, accel, &error);
  g_assert_no_error (error);
  ask_disk (pc, NOTIFY + 0x100000);
  expect_rung (pc, ROUNDS + 2);
  machine_reset (pc->machine);
  await_all (pc);
}

/* --- Posted writes --- */

static void
test_posted (gconstpointer data)
{
  enum { READ_MAP_SELECT = 4, GRAPHICS = 0x3ce };
  MachineAccel accel = (MachineAccel) GPOINTER_TO_INT (data);
  gboolean is_hardware = accel != MACHINE_ACCEL_INTERP;
  g_autoptr (Pc) pc = NULL;
  uint8_t *wanted;
  MachineInfo info;

  if (is_hardware && lacks_hardware ())
    return;
  pc = pc_new (accel);
  await_all (pc);
  wanted = ram_block_host (pc->machine->ram) + PAINT;
  __atomic_store_n (wanted, 1, __ATOMIC_SEQ_CST);
  while (__atomic_load_n (wanted, __ATOMIC_SEQ_CST) != 0)
    g_usleep (200);
  machine_lock_take (&pc->machine->lock);
  bus_flush_posted (pc->machine->bus);
  for (unsigned plane = 0; plane < 2; plane++)
    {
      bus_pio_write (pc->machine->bus, GRAPHICS, READ_MAP_SELECT | plane << 8, 2);
      for (unsigned i = 0; i < PAINTED; i++)
        {
          uint64_t byte = memory_section_read (address_space_lookup (pc->machine->memory, 0xa0000 + i), 0xa0000 + i, 1);

          g_assert_cmphex (byte, ==, plane == 0 ? i : (uint8_t) ~i);
        }
    }
  machine_lock_release (&pc->machine->lock);
  machine_info (pc->machine, &info);
  /* All but the one that the window depends on, and what found the ring full. */
  if (is_hardware)
    g_assert_cmpuint (info.posted, >, 3 * PAINTED);
  else
    g_assert_cmpuint (info.posted, ==, 0);
}

static void
add (const char *name, MachineAccel accel)
{
  g_autofree char *path = g_strdup_printf ("/chips/alone/%s", name), *bell = g_strdup_printf ("/chips/doorbell/%s", name),
                  *posted = g_strdup_printf ("/chips/posted/%s", name);

  g_test_add_data_func (path, GINT_TO_POINTER (accel), test_alone);
  if (accel == MACHINE_ACCEL_JIT)
    return;
  g_test_add_data_func (bell, GINT_TO_POINTER (accel), test_doorbell);
  g_test_add_data_func (posted, GINT_TO_POINTER (accel), test_posted);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  add ("interp", MACHINE_ACCEL_INTERP);
  add ("jit", MACHINE_ACCEL_JIT);
  add ("kvm", MACHINE_ACCEL_KVM);
  add ("kvm-user-irqchip", MACHINE_ACCEL_KVM_USER_IRQCHIP);
  g_test_add_func ("/chips/exchange", test_exchange);
  g_test_add_func ("/chips/haste", test_haste);
  g_test_add_func ("/chips/level", test_level);
  g_test_add_func ("/chips/start", test_start);
  return g_test_run ();
}
