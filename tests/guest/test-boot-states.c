/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A Linux boots from a CD through SeaBIOS and GRUB in a machine that has every device, and reads its disks. At random
 * points of that it is saved and loaded into a new machine: what that would save before it runs is the same, byte for byte.
 * Then the new machine goes on in place of the old one, to the end.
 *
 *   test-boot-states [POINTS]
 *
 * BUNSHIN_GUESTS is the folder of guests. “--seed” repeats the same points, as far as a guest with several processors does
 * the same again.
 */

#include "engine/machine/state-private.h"

#include "engine/memory/ram-source.h"
#include "storage/disk/disk-private.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum
{
  POINTS = 8,
  A_BOOT = 48, /* points of one boot, at most */
  CPUS = 2,
  DISKS = 6,
  POLL_US = 1000
};

#define MEMORY      ((uint64_t) 128 << 20)
#define DISK_SIZE   ((off_t) 4 << 20)
#define FLOPPY_SIZE ((off_t) 1474560)
/* It says so when all of them are read; what the shell echoes does not. */
#define READ_ALL \
  "for d in /dev/sd? /dev/vd? /dev/nvme?n? /dev/sr0 /dev/fd0; do " \
  "dd if=$d of=/dev/null bs=32k count=120 2>/dev/null & dd if=/dev/zero of=$d bs=4k count=40 2>/dev/null & done; wait; " \
  "sync; echo read-$((40 + 2))\n"

typedef struct
{
  Disk *floppy, *disc, *disks[DISKS];
} Media;

typedef struct
{
  GMutex lock;
  GString *text;       /* what the guest has said */
  const char *iso;
  Media media;
  char *folder, *path; /* of the state */
} Board;

static unsigned points = POINTS;

static void
said (void *opaque, const uint8_t *data, size_t length)
{
  Board *board = opaque;

  g_mutex_lock (&board->lock);
  g_string_append_len (board->text, (const char *) data, (gssize) length);
  g_mutex_unlock (&board->lock);
}

static gboolean
has_said (Board *board, const char *text)
{
  gboolean found;

  g_mutex_lock (&board->lock);
  found = strstr (board->text->str, text) != NULL;
  if (strstr (board->text->str, "Kernel panic") || strstr (board->text->str, "BUG:"))
    g_error ("the guest failed:\n%s", board->text->str);
  g_mutex_unlock (&board->lock);
  return found;
}

static Disk *
memory_disk (off_t size)
{
  int fd = memfd_create ("disk", MFD_CLOEXEC);
  g_autofree char *path = g_strdup_printf ("/proc/self/fd/%d", fd);
  g_autoptr (GError) error = NULL;
  Disk *disk;

  g_assert_cmpint (ftruncate (fd, size), ==, 0);
  disk = disk_open (path, 0, &error);
  g_assert_no_error (error);
  close (fd);
  return disk;
}

static void
media_each (const Media *media, void (*function) (Disk *disk))
{
  function (media->floppy);
  function (media->disc);
  for (unsigned i = 0; i < DISKS; i++)
    function (media->disks[i]);
}

static void
media_init (Media *media, const char *iso)
{
  g_autoptr (GError) error = NULL;

  media->floppy = memory_disk (FLOPPY_SIZE);
  for (unsigned i = 0; i < DISKS; i++)
    media->disks[i] = memory_disk (DISK_SIZE);
  media->disc = disk_open (iso, DISK_OPEN_READ_ONLY, &error);
  g_assert_no_error (error);
}

static void
board_set_up (Board *board, const char *iso)
{
  g_autoptr (GError) error = NULL;

  g_mutex_init (&board->lock);
  board->text = g_string_new (NULL);
  board->iso = iso;
  media_init (&board->media, iso);
  board->folder = g_dir_make_tmp ("bunshin-boot-states-XXXXXX", &error);
  g_assert_no_error (error);
  board->path = g_build_filename (board->folder, "state", NULL);
}

static void
board_tear_down (Board *board)
{
  g_unlink (board->path);
  g_assert_cmpint (g_rmdir (board->folder), ==, 0);
  g_free (board->path);
  g_free (board->folder);
  media_each (&board->media, disk_unref);
  g_string_free (board->text, TRUE);
  g_mutex_clear (&board->lock);
}

static Machine *
new_machine (Board *board, const Media *media)
{
  MachineSerial serial = { said, board };
  MachineConfig config = {
    .name = "boot",
    .memory = MEMORY,
    .cpus = CPUS,
    .accel = MACHINE_ACCEL_JIT,
    .boot = { MACHINE_BOOT_CDROM },
    .floppy_present = { TRUE, TRUE },
    .floppy = { media->floppy },
    .nics = { { .model = "e1000", .mac = { 2, 0, 0, 0, 0, 1 } } },
    .serial = { &serial },
    .ide = { { MACHINE_SLOT_DISK, media->disks[0] }, { MACHINE_SLOT_EMPTY }, { MACHINE_SLOT_CDROM, media->disc },
             { MACHINE_SLOT_CDROM } },
    .ahci = { { MACHINE_SLOT_DISK, media->disks[1] }, { MACHINE_SLOT_CDROM } },
    .virtio = { { MACHINE_SLOT_DISK, media->disks[2] } },
    .nvme = { { MACHINE_SLOT_DISK, media->disks[3] }, { MACHINE_SLOT_DISK, media->disks[4] } },
    .scsi = { { MACHINE_SLOT_DISK, media->disks[5] }, { MACHINE_SLOT_CDROM } },
  };
  g_autoptr (GError) error = NULL;
  Machine *machine = machine_new (&config, &error);

  g_assert_no_error (error);
  return machine;
}

/* --- Comparing --- */

static void
compare (const char *what, const char *name, const uint8_t *saved, size_t length, const uint8_t *again, size_t again_length)
{
  if (length == again_length && memcmp (saved, again, length) == 0)
    return;
  if (length != again_length)
    g_error ("%s: %s has %zu bytes, and %zu when it is saved again", what, name, length, again_length);
  for (size_t i = 0;; i++)
    if (saved[i] != again[i])
      g_error ("%s: %s differs at byte %zu of %zu: %02x, and %02x when it is saved again", what, name, i, length, saved[i],
               again[i]);
}

static GBytes *
section (StateReader *reader, const char *name)
{
  g_autoptr (GError) error = NULL;
  GBytes *bytes = state_reader_section (reader, name, &error);

  g_assert_no_error (error);
  return bytes;
}

/* The name of the section of a processor or, behind those, a device. */
static void
part_name (Machine *machine, unsigned i, char *name, size_t size)
{
  if (i < machine->cpu_count)
    g_snprintf (name, size, STATE_SECTION_PROCESSOR "%u", i);
  else
    state_device_section (machine, i - machine->cpu_count, name, size);
}

static void
load_part (StateReader *reader, Machine *machine, unsigned i, const char *what)
{
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (GError) error = NULL;
  const uint8_t *data;
  gsize length;
  size_t used;
  char name[64];

  part_name (machine, i, name, sizeof name);
  bytes = section (reader, name);
  data = g_bytes_get_data (bytes, &length);
  if (!(i < machine->cpu_count
          ? x86_cpu_load (machine->vcpus[i].cpu, data, length, &used, &error)
          : device_load (g_ptr_array_index (machine->devices, i - machine->cpu_count), data, length, &used, &error)))
    g_error ("%s: %s", what, error->message);
  g_assert_cmpuint (used, ==, length);
}

static void
compare_part (StateReader *reader, Machine *machine, unsigned i, const char *what)
{
  g_autoptr (GByteArray) again = g_byte_array_new ();
  g_autoptr (GBytes) bytes = NULL;
  const uint8_t *data;
  gsize length;
  char name[64];

  part_name (machine, i, name, sizeof name);
  bytes = section (reader, name);
  data = g_bytes_get_data (bytes, &length);
  if (i < machine->cpu_count)
    x86_cpu_save (machine->vcpus[i].cpu, again);
  else
    device_save (g_ptr_array_index (machine->devices, i - machine->cpu_count), again);
  compare (what, name, data, length, again->data, again->len);
}

/* What is in the file, loaded into a machine and saved again before anything can happen there, is the same. What was under
 * way begins anew when it is loaded: that machine has disks of its own, and they wait. */
static void
compare_parts (Board *board, StateReader *reader, Machine *from, const MachineStateInfo *info, const char *what)
{
  StateMemory old[STATE_MEMORY_COUNT], new[STATE_MEMORY_COUNT];
  Media media;
  Machine *to;
  unsigned count;

  media_init (&media, board->iso);
  to = new_machine (board, &media);
  count = to->cpu_count + to->devices->len;
  ram_block_fetch (from->ram, 0, MEMORY);
  state_memories (from, old);
  state_memories (to, new);
  media_each (&media, disk_hold);
  machine_lock_take (&to->lock);
  for (unsigned i = 0; i < STATE_MEMORY_COUNT; i++)
    memcpy (ram_block_host (new[i].block), ram_block_host (old[i].block), ram_block_size (new[i].block));
  to->tsc_hz = info->tsc_hz;
  clock_restore (to->clock, info->clock);
  for (unsigned i = 0; i < count; i++)
    load_part (reader, to, i, what);
  /* All of them after that: loading one has not changed another. */
  for (unsigned i = 0; i < count; i++)
    compare_part (reader, to, i, what);
  machine_lock_release (&to->lock);
  media_each (&media, disk_release);
  machine_free (to);
  media_each (&media, disk_unref);
}

/* What is in the file is what the machine has. */
static void
compare_memories (StateReader *reader, Machine *from, const char *what)
{
  g_autofree uint8_t *unit = g_malloc (STATE_UNIT);
  StateMemory memories[STATE_MEMORY_COUNT];

  state_memories (from, memories);
  for (unsigned i = 0; i < STATE_MEMORY_COUNT; i++)
    {
      uint64_t size = ram_block_size (memories[i].block);
      g_autoptr (GError) error = NULL;
      int number = state_reader_open_memory (reader, memories[i].name, size, &error);

      g_assert_no_error (error);
      for (uint64_t at = 0; at < size; at += STATE_UNIT)
        {
          size_t length = MIN (STATE_UNIT, size - at);
          g_autofree char *name = g_strdup_printf ("%s from %" G_GUINT64_FORMAT " on", memories[i].name, at);

          g_assert_true (state_reader_get_unit (reader, number, 0, at / STATE_UNIT, unit));
          compare (what, name, ram_block_host (memories[i].block) + at, length, unit, length);
        }
    }
}

/* The machine that goes on in place of @machine. */
static Machine *
go_through_file (Board *board, Machine *machine, const char *what)
{
  const MachineSave options = { .stop = TRUE };
  g_autoptr (StateReader) reader = NULL;
  g_autoptr (GError) error = NULL;
  MachineStateInfo info;
  Machine *next = new_machine (board, &board->media);

  machine_save (machine, board->path, &options, &error);
  g_assert_no_error (error);
  machine_state_read_info (board->path, &info, &error);
  g_assert_no_error (error);
  g_assert_cmpint (clock_now (machine->clock), ==, info.clock);
  reader = state_reader_new (board->path, &error);
  g_assert_no_error (error);
  compare_memories (reader, machine, what);
  compare_parts (board, reader, machine, &info, what);
  machine_load (next, board->path, &error);
  g_assert_no_error (error);
  g_assert_cmpint (clock_now (next->clock), ==, info.clock);
  machine_free (machine);
  machine_start (next, &error);
  g_assert_no_error (error);
  return next;
}

/* --- The guest --- */

/* A part of the boot, and how much happens in it: about so much, or more. */
typedef struct
{
  const char *end; /* what the guest says then */
  unsigned share;  /* of the points, in quarters */
  gboolean polled; /* firmware asks its devices, */
  uint64_t work;   /* and what comes later is interrupted by them */
} Stage;

static const Stage stages[] = {
  { "Linux version", 1, TRUE, 3500000 },
  { "serial-shell-ready", 2, FALSE, 1500 },
  { "read-42", 1, FALSE, 400 },
};

static uint64_t
work_done (const Stage *stage, Machine *machine)
{
  MachineInfo info;

  machine_info (machine, &info);
  return stage->polled ? info.exits_pio + info.exits_mmio : info.interrupts;
}

static int
compare_numbers (gconstpointer a, gconstpointer b)
{
  const uint64_t *x = a, *y = b;

  return *x < *y ? -1 : *x > *y;
}

/* Until the stage's end; @machine goes through the file @count times meanwhile. What the guest does not live to see is left
 * out. */
static Machine *
go_through (Board *board, Machine *machine, const Stage *stage, unsigned count, unsigned *made)
{
  g_autofree uint64_t *at = g_new0 (uint64_t, count + 1);
  uint64_t done = 0, before = work_done (stage, machine);
  unsigned next = 0;

  for (unsigned i = 0; i < count; i++)
    at[i] = (uint64_t) (g_test_rand_double () * (double) stage->work);
  qsort (at, count, sizeof *at, compare_numbers);
  while (!has_said (board, stage->end))
    {
      uint64_t now = done + work_done (stage, machine) - before;

      if (next < count && now >= at[next])
        {
          g_autofree char *what = g_strdup_printf ("point %u, before “%s”, after %" G_GUINT64_FORMAT " %s", *made + 1,
                                                   stage->end, now, stage->polled ? "accesses" : "interrupts");

          g_test_message ("%s", what);
          machine = go_through_file (board, machine, what);
          done = now;
          before = work_done (stage, machine);
          next++;
          ++*made;
        }
      else
        g_usleep (POLL_US);
      if (machine_state (machine) != MACHINE_STATE_RUNNING)
        {
          g_autofree char *message = machine_message (machine);

          g_error ("the machine stopped: %s\n%s", message ? message : "", board->text->str);
        }
    }
  g_test_message ("“%s” after %" G_GUINT64_FORMAT, stage->end, done + work_done (stage, machine) - before);
  return machine;
}

static void
type (Machine *machine, const char *text)
{
  size_t length = strlen (text);

  while (length > 0)
    {
      size_t taken = machine_serial_input (machine, 0, (const uint8_t *) text, length);

      text += taken;
      length -= taken;
      if (taken == 0)
        g_usleep (POLL_US);
    }
}

/* Once, with @count points; how many of them there were. */
static unsigned
boot (const char *disc, unsigned count)
{
  g_autoptr (GError) error = NULL;
  Board board = { 0 };
  Machine *machine;
  unsigned made = 0;

  board_set_up (&board, disc);
  machine = new_machine (&board, &board.media);
  machine_start (machine, &error);
  g_assert_no_error (error);
  for (unsigned i = 0; i < G_N_ELEMENTS (stages); i++)
    {
      if (i == G_N_ELEMENTS (stages) - 1)
        type (machine, READ_ALL);
      machine = go_through (&board, machine, &stages[i], (count * stages[i].share + 3) / 4, &made);
    }
  machine_free (machine);
  board_tear_down (&board);
  return made;
}

static void
test_boot (void)
{
  const char *guests = g_getenv ("BUNSHIN_GUESTS");
  g_autofree char *disc = guests ? g_build_filename (guests, "grub-linux.iso", NULL) : NULL;

  if (!disc || !g_file_test (disc, G_FILE_TEST_EXISTS))
    {
      g_test_skip ("the guests were not fetched (sh tests/run.sh guest does)");
      return;
    }
  for (unsigned made = 0; made < points;)
    {
      unsigned more = boot (disc, MIN (points - made, A_BOOT));

      g_assert_cmpuint (more, >, 0);
      made += more;
    }
}

int
main (int argc, char **argv)
{
  if (argc > 1 && argv[1][0] != '-')
    points = (unsigned) g_ascii_strtoull (argv[1], NULL, 10);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/guest/boot-states", test_boot);
  return g_test_run ();
}
