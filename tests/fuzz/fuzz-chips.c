/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A guest that does anything to the chips of the board: interrupt controllers,
 * timers, clock, keyboard controller, serial port, DMA, floppy, power
 * management, the host bridge with its shadow memory. Each command is a byte of kind and a fixed number of bytes. Saved
 * state is loaded as it was, and damaged.
 */

#include "engine/devices/input/vmmouse.h"
#include "engine/devices/platform/hpet.h"
#include "engine/devices/platform/i8042.h"
#include "engine/devices/platform/i440fx.h"
#include "engine/devices/platform/i8237.h"
#include "engine/devices/platform/ioapic.h"
#include "engine/devices/platform/lapic.h"
#include "engine/devices/platform/pic.h"
#include "engine/devices/platform/piix3.h"
#include "engine/devices/platform/piix4-pm.h"
#include "engine/devices/platform/pit.h"
#include "engine/devices/platform/rtc.h"
#include "engine/devices/platform/uart16550.h"
#include "engine/devices/storage/floppy.h"
#include "tests/fuzz/input.h"
#include "tests/unit/platform/board.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

enum { BIOS_SIZE = 256 * 1024 };
enum { FLOPPY_SIZE = 2880 * 512, CPUS = 2, RELOADS = 8, SETTLE = 64, KEYS = 256, PM = 0x600, WALL = 1772711937 };

typedef struct
{
  Board *board;
  ApicBus *apics;
  Input *input;
  Device *pic, *ioapic, *lapics[CPUS], *uart, *floppy, *dma;
  RamBlock *bios;
  VmPortRegisters regs;
  int reloads;
} Target;

static void interrupt (void *opaque, gboolean pending) {}
static void nothing (void *opaque) {}
static void startup (void *opaque, uint8_t vector) {}
static int64_t time_of_tsc (void *opaque, uint64_t tsc) { return (int64_t) (tsc & G_MAXINT64); }
static void get_registers (void *opaque, VmPortRegisters *regs) { *regs = ((Target *) opaque)->regs; }
static void set_registers (void *opaque, const VmPortRegisters *regs) { ((Target *) opaque)->regs = *regs; }
static void set_a20 (void *opaque, gboolean enabled) {}
static void set_legacy (void *opaque, gboolean on) {}
static void write_out (void *opaque, const uint8_t *data, size_t length) {}
static int external (void *opaque) { return pic_acknowledge (((Target *) opaque)->pic); }

static void
isa_line (void *opaque, int line, int level)
{
  Target *t = opaque;

  pic_input (t->pic, line, level);
  ioapic_input (t->ioapic, line == 0 ? 2 : line, level);
}

static void
set_pin (void *opaque, int pin, int level)
{
  ioapic_input (((Target *) opaque)->ioapic, pin, level);
}

static void
set_intr (void *opaque, int line, int level)
{
  lapic_set_external (((Target *) opaque)->lapics[0], level);
}

static const LapicCpuOps cpu_ops = {
  .interrupt = interrupt, .nmi = nothing, .init = nothing, .startup = startup, .external_acknowledge = external,
  .time_of_tsc = time_of_tsc
};

static Disk *
floppy_disk_of_this_run (void)
{
  static Disk *disk;
  static int fd;

  if (disk == NULL)
    {
      g_autofree char *path = NULL;

      fd = memfd_create ("floppy", MFD_CLOEXEC);
      g_assert_cmpint (ftruncate (fd, FLOPPY_SIZE), ==, 0);
      path = g_strdup_printf ("/proc/self/fd/%d", fd);
      disk = disk_open (path, 0, NULL);
      g_assert_nonnull (disk);
    }
  fallocate (fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, FLOPPY_SIZE);
  return disk;
}

static void
add_bridges (Target *t)
{
  Device *bridge = device_new (&i440fx_type), *isa = device_new (&piix3_type);

  t->bios = ram_block_new ("firmware", BIOS_SIZE, NULL);
  g_assert_nonnull (t->bios);
  i440fx_set_memory (bridge, t->board->ram, t->bios);
  board_add (t->board, bridge);
  piix3_set_reset (isa, nothing, t);
  board_add (t->board, isa);
}

static void
add_timers (Target *t)
{
  Board *b = t->board;
  Device *pit = device_new (&pit_type), *rtc = device_new (&rtc_type), *hpet = device_new (&hpet_type);
  Device *pm = device_new (&piix4_pm_type);

  pit_set_output (pit, b->isa_irq[0]);
  board_add (b, pit);
  rtc_set_output (rtc, b->isa_irq[8]);
  board_add (b, rtc);
  hpet_set_outputs (hpet, set_pin, isa_line, set_legacy, t);
  board_add (b, hpet);
  piix4_pm_set_outputs (pm, b->isa_irq[9], nothing, t);
  board_add (b, pm);
  pci_config_write (b->pci, 0, ((PciDevice *) pm)->devfn, 0x40, PM, 4);
  pci_config_write (b->pci, 0, ((PciDevice *) pm)->devfn, 0x80, 1, 1);
}

static void
add_input (Target *t)
{
  Board *b = t->board;
  Device *i8042 = device_new (&i8042_type), *vmmouse = device_new (&vmmouse_type);

  t->input = input_new (&b->lock);
  i8042_set_input (i8042, t->input);
  i8042_set_a20 (i8042, set_a20, t);
  i8042_set_reset (i8042, nothing, t);
  board_add (b, i8042);
  vmmouse_set_input (vmmouse, t->input);
  vmmouse_set_registers (vmmouse, get_registers, set_registers, t);
  board_add (b, vmmouse);
}

static void
set_up (Target *t)
{
  Board *b = board_new ();

  *t = (Target) { .board = b, .apics = apic_bus_new (), .reloads = RELOADS };
  clock_set_wall (b->clock, WALL * (int64_t) 1000000);
  t->pic = device_new (&pic_type);
  t->ioapic = device_new (&ioapic_type);
  ioapic_set_bus (t->ioapic, t->apics);
  for (unsigned i = 0; i < CPUS; i++)
    {
      t->lapics[i] = device_new (&lapic_type);
      lapic_set_cpu (t->lapics[i], i, t->apics, &cpu_ops, t);
      board_add (b, t->lapics[i]);
    }
  pic_set_output (t->pic, (IrqLine) { set_intr, t, 0 });
  board_add (b, t->pic);
  board_add (b, t->ioapic);
  for (int i = 0; i < 16; i++)
    b->isa_irq[i] = (IrqLine) { isa_line, t, i };
  add_bridges (t);
  add_timers (t);
  add_input (t);
  t->uart = device_new (&uart16550_type);
  uart16550_set_port (t->uart, 0x3f8, b->isa_irq[4]);
  uart16550_set_output (t->uart, write_out, t);
  board_add (b, t->uart);
  t->dma = board_add (b, device_new (&i8237_type));
  t->floppy = device_new (&floppy_type);
  floppy_set_dma (t->floppy, t->dma);
  g_assert_true (floppy_attach (t->floppy, 0, floppy_disk_of_this_run (), NULL));
  board_add (b, t->floppy);
}

static void
tear_down (Target *t)
{
  board_free (t->board);
  ram_block_free (t->bios);
  input_free (t->input);
  apic_bus_free (t->apics);
}

static void
settle (Target *t)
{
  disk_drain (floppy_disk (t->floppy, 0));
  for (unsigned i = 0; i < SETTLE && g_main_context_iteration (t->board->context, FALSE); i++)
    disk_drain (floppy_disk (t->floppy, 0));
}

static void
reload (Target *t, FuzzInput *in)
{
  g_autoptr (GByteArray) state = g_byte_array_new ();
  unsigned which = take (in, 1), at = take (in, 2), value = take (in, 1);
  Device *dev = g_ptr_array_index (t->board->devices, which % t->board->devices->len);
  size_t used;

  if (--t->reloads < 0)
    return;
  device_save (dev, state);
  settle (t);
  state->data[at % state->len] ^= (uint8_t) value;
  device_load (dev, state->data, state->len, &used, NULL);
}

/* Ports that a chip answers at, by their numbers in the input. */
static uint16_t
port (unsigned number)
{
  static const struct { uint16_t base, count; } ranges[] = {
    { 0x00, 0x10 }, { 0x20, 2 }, { 0x40, 4 }, { 0x60, 5 }, { 0x70, 2 }, { 0x81, 15 }, { 0x92, 1 }, { 0xa0, 2 },
    { 0xb2, 2 }, { 0xc0, 0x20 }, { 0x3f0, 8 }, { 0x3f8, 8 }, { 0x4d0, 2 }, { PM, 16 }, { 0x5658, 4 }, { 0xafe0, 4 },
    { 0xcf8, 8 }
  };

  for (unsigned i = 0;; i = (i + 1) % G_N_ELEMENTS (ranges))
    {
      if (number < ranges[i].count)
        return (uint16_t) (ranges[i].base + number);
      number -= ranges[i].count;
    }
}

/* IA32_APIC_BASE, CR8 and IA32_TSC_DEADLINE. */
static void
processor_register (Device *lapic, uint32_t which, uint32_t value)
{
  switch (which & 3)
    {
    case 0:
      lapic_set_base (lapic, lapic_base (lapic) ^ value);
      break;
    case 1:
      lapic_set_task_priority (lapic, which >> 4);
      g_assert_cmpuint (lapic_task_priority (lapic), ==, which >> 4);
      break;
    case 2:
      lapic_set_tsc_deadline (lapic, (uint64_t) value << (which >> 3));
      break;
    default:
      lapic_tsc_deadline (lapic);
      lapic_processor_priority (lapic);
      break;
    }
}

/* A register of the bridges, with a look at memory where it may have moved. */
static void
config (Target *t, FuzzInput *in, unsigned size)
{
  uint32_t at = take (in, 2);
  uint8_t bytes[64];

  bus_pio_write (t->board->bus, 0xcf8, 0x80000000 | (at & 0x18fc), 4);
  bus_pio_write (t->board->bus, (uint16_t) (0xcfc + (at & 3 & (4 - size))), take (in, size), size);
  at = 0xa0000 + (at >> 8) * 0x600;
  guest_memory_read (t->board->memory, at ^ 0x8000, bytes, sizeof bytes);
  guest_memory_write (t->board->memory, at - sizeof bytes / 2, bytes, sizeof bytes);
}

static void
command (Target *t, FuzzInput *in)
{
  uint32_t kind = take (in, 1), at;
  Device *lapic = t->lapics[kind >> 4 & 1];
  unsigned size = 1u << (kind >> 4) % 3;

  switch (kind & 15)
    {
    case 0:
    case 1:
    case 2:
      at = take (in, 1);
      bus_pio_write (t->board->bus, port (at), take (in, size), size);
      break;
    case 3:
    case 4:
      bus_pio_read (t->board->bus, port (take (in, 1)), size);
      break;
    case 5:
      at = take (in, 1) * 16;
      lapic_write (lapic, at & 0x3ff, take (in, 4));
      break;
    case 6:
      at = take (in, 1);
      if (kind & 0x80)
        processor_register (lapic, at, kind & 0x40 ? take (in, 4) : 0);
      else
        lapic_read (lapic, at * 16 & 0x3ff);
      lapic_acknowledge (lapic);
      break;
    case 7:
      at = take (in, 1);
      board_write (t->board, IOAPIC_BASE, at & 0x3f, 4);
      if (at & 0x80)
        board_read (t->board, IOAPIC_BASE + (kind >> 4), 4);
      else
        board_write (t->board, IOAPIC_BASE + (at & 0x40 ? 0x40 : 0x10), take (in, 4), 4);
      break;
    case 8:
      at = take (in, 1) * 4 & 0x3fc;
      if (kind & 0x80)
        board_read (t->board, HPET_BASE + (at & ~7u), kind & 0x40 ? 8 : 4);
      else
        board_write (t->board, HPET_BASE + (kind & 0x40 ? at & ~7u : at), take (in, 4), kind & 0x40 ? 8 : 4);
      break;
    case 9:
      board_pass (t->board, (int64_t) (take (in, 2) + 1) << (kind >> 4), 0);
      break;
    case 10:
      input_key (t->input, take (in, 1), kind & 16);
      break;
    case 11:
      at = take (in, 1);
      if (kind & 16)
        input_button (t->input, at % 5, kind & 32);
      else
        input_relative (t->input, (int8_t) at, (int8_t) take (in, 1), (int) (kind >> 5) - 4);
      break;
    case 12:
      {
        uint8_t bytes[4] = { (uint8_t) take (in, 1), 1, 2, 3 };

        uart16550_input (t->uart, bytes, 1 + (kind >> 4 & 3));
      }
      break;
    case 13:
      t->regs = (VmPortRegisters) { .eax = 0x564d5868, .ebx = take (in, 4), .ecx = take (in, 1) };
      bus_pio_read (t->board->bus, 0x5658, 4);
      break;
    case 14:
      if (kind & 0x80)
        config (t, in, size);
      else
        settle (t);
      break;
    default:
      reload (t, in);
      break;
    }
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
  tear_down (&t);
  return 0;
}
