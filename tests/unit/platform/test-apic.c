/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Local APICs and the I/O APIC on one bus: three processors. */

#include "tests/unit/platform/board.h"

#include "engine/devices/platform/ioapic.h"
#include "engine/devices/platform/lapic.h"

enum
{
  ID = 0x20, VERSION = 0x30, TPR = 0x80, PPR = 0xa0, EOI = 0xb0, LDR = 0xd0, DFR = 0xe0, SVR = 0xf0, ISR = 0x100,
  IRR = 0x200, ESR = 0x280, ICR_LOW = 0x300, ICR_HIGH = 0x310, LVT_TIMER = 0x320, LVT_LINT0 = 0x350,
  LVT_ERROR = 0x370, INITIAL = 0x380, CURRENT = 0x390, DIVIDE = 0x3e0, CPUS = 3
};

typedef struct
{
  Device *lapic;
  gboolean pending;
  unsigned nmis, inits, startups;
  uint8_t startup;
} Cpu;

typedef struct
{
  Board *board;
  ApicBus *bus;
  Device *ioapic;
  Cpu cpu[CPUS];
} Fixture;

static void cpu_interrupt (void *opaque, gboolean pending) { ((Cpu *) opaque)->pending = pending; }
static void cpu_nmi (void *opaque) { ((Cpu *) opaque)->nmis++; }
static int cpu_external_acknowledge (void *opaque) { return 0x08; }
static int64_t cpu_time_of_tsc (void *opaque, uint64_t tsc) { return (int64_t) tsc; }

static void
cpu_init (void *opaque)
{
  Cpu *cpu = opaque;

  cpu->inits++;
  lapic_init (cpu->lapic);
}

static void
cpu_startup (void *opaque, uint8_t vector)
{
  Cpu *cpu = opaque;

  cpu->startups++;
  cpu->startup = vector;
}

static const LapicCpuOps cpu_ops = {
  .interrupt = cpu_interrupt, .nmi = cpu_nmi, .init = cpu_init, .startup = cpu_startup,
  .external_acknowledge = cpu_external_acknowledge, .time_of_tsc = cpu_time_of_tsc
};

static void
setup (Fixture *f, gconstpointer unused)
{
  f->board = board_new ();
  f->bus = apic_bus_new ();
  for (unsigned i = 0; i < CPUS; i++)
    {
      f->cpu[i].lapic = device_new (&lapic_type);
      lapic_set_cpu (f->cpu[i].lapic, i, f->bus, &cpu_ops, &f->cpu[i]);
      board_add (f->board, f->cpu[i].lapic);
      lapic_write (f->cpu[i].lapic, SVR, 0x1ff);
    }
  f->ioapic = device_new (&ioapic_type);
  ioapic_set_bus (f->ioapic, f->bus);
  board_add (f->board, f->ioapic);
}

static void
teardown (Fixture *f, gconstpointer unused)
{
  board_free (f->board);
  apic_bus_free (f->bus);
}

static void
ipi (Fixture *f, unsigned from, uint32_t high, uint32_t low)
{
  lapic_write (f->cpu[from].lapic, ICR_HIGH, high);
  lapic_write (f->cpu[from].lapic, ICR_LOW, low);
}

static void
redirect (Fixture *f, unsigned pin, uint32_t high, uint32_t low)
{
  board_write (f->board, IOAPIC_BASE, 0x10 + 2 * pin + 1, 4);
  board_write (f->board, IOAPIC_BASE + 0x10, high, 4);
  board_write (f->board, IOAPIC_BASE, 0x10 + 2 * pin, 4);
  board_write (f->board, IOAPIC_BASE + 0x10, low, 4);
}

static uint32_t
redirection (Fixture *f, unsigned pin)
{
  board_write (f->board, IOAPIC_BASE, 0x10 + 2 * pin, 4);
  return (uint32_t) board_read (f->board, IOAPIC_BASE + 0x10, 4);
}

static void
test_reset (Fixture *f, gconstpointer unused)
{
  for (unsigned i = 0; i < CPUS; i++)
    {
      device_reset (f->cpu[i].lapic);
      g_assert_cmphex (lapic_read (f->cpu[i].lapic, ID), ==, i << 24);
      g_assert_cmphex (lapic_read (f->cpu[i].lapic, VERSION) & 0xff, ==, 0x14);
      g_assert_cmphex (lapic_read (f->cpu[i].lapic, SVR), ==, 0xff);
      g_assert_cmphex (lapic_base (f->cpu[i].lapic), ==, i == 0 ? 0xfee00900 : 0xfee00800);
      g_assert_cmphex (lapic_read (f->cpu[i].lapic, LVT_TIMER), ==, 0x10000);
    }
  g_assert_false (lapic_set_base (f->cpu[0].lapic, 0xfee00c00)); /* x2APIC */
  g_assert_true (lapic_set_base (f->cpu[0].lapic, 0xfee00000));
}

static void
test_fixed_ipi (Fixture *f, gconstpointer unused)
{
  ipi (f, 0, 1 << 24, 0x4040);
  g_assert_false (f->cpu[0].pending);
  g_assert_true (f->cpu[1].pending);
  g_assert_cmpint (lapic_acknowledge (f->cpu[1].lapic), ==, 0x40);
  g_assert_false (f->cpu[1].pending);
  g_assert_cmphex (lapic_read (f->cpu[1].lapic, ISR + 0x20), ==, 1);
  lapic_write (f->cpu[1].lapic, EOI, 0);
  g_assert_cmphex (lapic_read (f->cpu[1].lapic, ISR + 0x20), ==, 0);
  g_assert_cmpint (lapic_acknowledge (f->cpu[1].lapic), ==, -1);
}

static void
test_shorthands (Fixture *f, gconstpointer unused)
{
  ipi (f, 1, 0, 0x44050); /* self */
  g_assert_true (!f->cpu[0].pending && f->cpu[1].pending && !f->cpu[2].pending);
  lapic_acknowledge (f->cpu[1].lapic);
  lapic_write (f->cpu[1].lapic, EOI, 0);
  ipi (f, 1, 0, 0xc4051); /* all but self */
  g_assert_true (f->cpu[0].pending && !f->cpu[1].pending && f->cpu[2].pending);
  ipi (f, 1, 0, 0x84052); /* all */
  g_assert_true (f->cpu[1].pending);
  g_assert_cmpint (lapic_acknowledge (f->cpu[0].lapic), ==, 0x52);
}

static void
test_startup (Fixture *f, gconstpointer unused)
{
  ipi (f, 0, 1 << 24, 0xc500);  /* INIT, assert */
  ipi (f, 0, 1 << 24, 0x8500);  /* INIT, de-assert */
  g_assert_cmpuint (f->cpu[1].inits, ==, 1);
  ipi (f, 0, 1 << 24, 0x4608 | 0x90);
  g_assert_cmpuint (f->cpu[1].startups, ==, 1);
  g_assert_cmphex (f->cpu[1].startup, ==, 0x98);
  g_assert_cmpuint (f->cpu[2].inits + f->cpu[2].startups + f->cpu[0].inits, ==, 0);
  ipi (f, 0, 2 << 24, 0x4400);
  g_assert_cmpuint (f->cpu[2].nmis, ==, 1);
}

static void
test_logical (Fixture *f, gconstpointer unused)
{
  for (unsigned i = 0; i < CPUS; i++)
    lapic_write (f->cpu[i].lapic, LDR, 1u << (24 + i));
  ipi (f, 0, 6u << 24, 0x4860);
  g_assert_true (!f->cpu[0].pending && f->cpu[1].pending && f->cpu[2].pending);

  for (unsigned i = 0; i < CPUS; i++)
    {
      lapic_write (f->cpu[i].lapic, DFR, 0); /* clusters */
      lapic_write (f->cpu[i].lapic, LDR, (i == 0 ? 0x11u : i == 1 ? 0x12u : 0x21u) << 24);
    }
  ipi (f, 2, 0x13u << 24, 0x4870);
  g_assert_true (f->cpu[0].pending);
  g_assert_cmpint (lapic_acknowledge (f->cpu[1].lapic), ==, 0x70);
  g_assert_cmpint (lapic_acknowledge (f->cpu[2].lapic), ==, 0x60);
}

static void
test_lowest_priority (Fixture *f, gconstpointer unused)
{
  for (unsigned i = 0; i < CPUS; i++)
    lapic_write (f->cpu[i].lapic, LDR, 1u << (24 + i));
  lapic_write (f->cpu[0].lapic, TPR, 0x80);
  lapic_write (f->cpu[2].lapic, TPR, 0x90);
  ipi (f, 0, 7u << 24, 0x4900 | 0xa0);
  g_assert_true (!f->cpu[0].pending && f->cpu[1].pending && !f->cpu[2].pending);
}

static void
test_priorities (Fixture *f, gconstpointer unused)
{
  Device *lapic = f->cpu[0].lapic;

  lapic_set_task_priority (lapic, 4);
  g_assert_cmphex (lapic_read (lapic, TPR), ==, 0x40);
  ipi (f, 1, 0, 0x4000 | 0x45);
  g_assert_false (f->cpu[0].pending);
  ipi (f, 1, 0, 0x4000 | 0x50);
  g_assert_cmpint (lapic_acknowledge (lapic), ==, 0x50);
  g_assert_cmphex (lapic_read (lapic, PPR), ==, 0x50);
  ipi (f, 1, 0, 0x4000 | 0x5f);
  g_assert_false (f->cpu[0].pending); /* the same class waits */
  ipi (f, 1, 0, 0x4000 | 0x61);
  g_assert_cmpint (lapic_acknowledge (lapic), ==, 0x61);
  lapic_write (lapic, EOI, 0);
  lapic_write (lapic, EOI, 0);
  g_assert_cmpint (lapic_acknowledge (lapic), ==, 0x5f);
  lapic_write (lapic, EOI, 0);
  g_assert_false (f->cpu[0].pending);
  lapic_write (lapic, TPR, 0);
  g_assert_cmpint (lapic_acknowledge (lapic), ==, 0x45);
}

static void
test_errors (Fixture *f, gconstpointer unused)
{
  Device *lapic = f->cpu[0].lapic;

  lapic_write (lapic, LVT_ERROR, 0xe0);
  ipi (f, 0, 1 << 24, 0x4000 | 5);
  g_assert_cmpint (lapic_acknowledge (lapic), ==, 0xe0);
  g_assert_cmphex (lapic_read (lapic, ESR), ==, 0);
  lapic_write (lapic, ESR, 0);
  g_assert_cmphex (lapic_read (lapic, ESR), ==, 0x20);
  lapic_read (lapic, 0x3f0);
  lapic_write (lapic, ESR, 0);
  g_assert_cmphex (lapic_read (lapic, ESR), ==, 0x80);
  lapic_write (lapic, ESR, 0);
  g_assert_cmphex (lapic_read (lapic, ESR), ==, 0);
}

static void
test_timer (Fixture *f, gconstpointer unused)
{
  Device *lapic = f->cpu[0].lapic;

  lapic_write (lapic, DIVIDE, 0xb); /* by 1: a tick is 1 ns */
  lapic_write (lapic, LVT_TIMER, 0x31);
  lapic_write (lapic, INITIAL, 1000000);
  board_pass (f->board, 400000, 0);
  g_assert_cmpuint (lapic_read (lapic, CURRENT), ==, 600000);
  g_assert_false (f->cpu[0].pending);
  board_pass (f->board, 600000, 0);
  g_assert_cmpint (lapic_acknowledge (lapic), ==, 0x31);
  lapic_write (lapic, EOI, 0);
  g_assert_cmpuint (lapic_read (lapic, CURRENT), ==, 0);
  /* It has expired, and setting it up anew does not repeat that. */
  lapic_write (lapic, LVT_TIMER, 0x32);
  lapic_write (lapic, DIVIDE, 3);
  board_pass (f->board, 10 * CLOCK_NS_PER_MS, 0);
  g_assert_false (f->cpu[0].pending);
  lapic_write (lapic, INITIAL, 1000); /* by 16 */
  board_pass (f->board, 15999, 0);
  g_assert_false (f->cpu[0].pending);
  board_pass (f->board, 1, 0);
  g_assert_true (f->cpu[0].pending);
}

static void
test_timer_periodic (Fixture *f, gconstpointer unused)
{
  Device *lapic = f->cpu[0].lapic;
  unsigned count = 0;

  lapic_write (lapic, DIVIDE, 0xb);
  lapic_write (lapic, LVT_TIMER, 0x20031);
  lapic_write (lapic, INITIAL, CLOCK_NS_PER_MS);
  for (int i = 0; i < 100; i++)
    {
      board_pass (f->board, CLOCK_NS_PER_MS / 2, 0);
      if (lapic_acknowledge (lapic) == 0x31)
        {
          count++;
          lapic_write (lapic, EOI, 0);
        }
    }
  g_assert_cmpuint (count, ==, 50);
  lapic_write (lapic, LVT_TIMER, 0x30031); /* masked: runs on silently */
  board_pass (f->board, 10 * CLOCK_NS_PER_MS, 0);
  g_assert_false (f->cpu[0].pending);
  lapic_write (lapic, INITIAL, 0);
  lapic_write (lapic, LVT_TIMER, 0x20031);
  board_pass (f->board, 10 * CLOCK_NS_PER_MS, 0);
  g_assert_false (f->cpu[0].pending);
}

static void
test_timer_deadline (Fixture *f, gconstpointer unused)
{
  Device *lapic = f->cpu[0].lapic;

  lapic_set_tsc_deadline (lapic, 1000);
  g_assert_cmpuint (lapic_tsc_deadline (lapic), ==, 0); /* not in that mode */
  lapic_write (lapic, LVT_TIMER, 0x40031);
  lapic_set_tsc_deadline (lapic, 5000);
  board_pass (f->board, 4999, 0);
  g_assert_false (f->cpu[0].pending);
  g_assert_cmpuint (lapic_tsc_deadline (lapic), ==, 5000);
  board_pass (f->board, 1, 0);
  g_assert_cmpint (lapic_acknowledge (lapic), ==, 0x31);
  g_assert_cmpuint (lapic_tsc_deadline (lapic), ==, 0);
  lapic_write (lapic, EOI, 0);
  lapic_set_tsc_deadline (lapic, 9000);
  lapic_set_tsc_deadline (lapic, 0);
  board_pass (f->board, CLOCK_NS_PER_MS, 0);
  g_assert_false (f->cpu[0].pending);
}

/* Switched off by software it keeps what it has, and hears nothing but INIT, NMI and STARTUP. */
static void
test_software_disabled (Fixture *f, gconstpointer unused)
{
  Device *lapic = f->cpu[0].lapic;

  lapic_write (lapic, LVT_TIMER, 0x31);
  ipi (f, 1, 0, 0x4000 | 0x45);
  g_assert_true (f->cpu[0].pending);
  lapic_write (lapic, SVR, 0xff);
  g_assert_false (f->cpu[0].pending);
  g_assert_cmphex (lapic_read (lapic, LVT_TIMER), ==, 0x10031);
  lapic_write (lapic, LVT_TIMER, 0x32); /* masks stay set */
  g_assert_cmphex (lapic_read (lapic, LVT_TIMER), ==, 0x10032);
  ipi (f, 1, 0, 0x4000 | 0x46);
  ipi (f, 1, 0, 0x4400);
  g_assert_cmpuint (f->cpu[0].nmis, ==, 1);
  lapic_write (lapic, SVR, 0x1ff);
  g_assert_cmpint (lapic_acknowledge (lapic), ==, 0x45);
  g_assert_cmpint (lapic_acknowledge (lapic), ==, -1);
  lapic_write (lapic, EOI, 0);
  lapic_set_base (lapic, LAPIC_BASE);
  ipi (f, 1, 0, 0x4400);
  g_assert_cmpuint (f->cpu[0].nmis, ==, 1);
}

static void
test_registers (Fixture *f, gconstpointer unused)
{
  static const struct { unsigned offset; uint32_t written, read; } registers[] = {
    { TPR, 0x123456ff, 0xff }, { LDR, 0xffffffff, 0xff000000 }, { DFR, 0, 0x0fffffff }, { DFR, 0xffffffff, 0xffffffff },
    { LVT_TIMER, 0xffffffff, 0x700ff }, { 0x330, 0xffffffff, 0x107ff }, { 0x340, 0xffffffff, 0x107ff },
    { LVT_LINT0, 0xffffffff, 0x1a7ff }, { 0x360, 0xffffffff, 0x1a7ff }, { LVT_ERROR, 0xffffffff, 0x100ff },
    { ICR_HIGH, 0xffffffff, 0xff000000 }, { DIVIDE, 0xffffffff, 0xb }, { VERSION, 0, 0x50014 }, { PPR, 0x55, 0xff },
    { ISR, 0xffffffff, 0 }, { IRR, 0xffffffff, 0 }, { 0x180, 0xffffffff, 0 }, { CURRENT, 55, 0 },
    { ID, 0x07000000, 0x07000000 }
  };
  Device *lapic = f->cpu[0].lapic;

  for (unsigned i = 0; i < G_N_ELEMENTS (registers); i++)
    {
      lapic_write (lapic, registers[i].offset, registers[i].written);
      g_assert_cmphex (lapic_read (lapic, registers[i].offset), ==, registers[i].read);
    }
  ipi (f, 0, 1u << 24, 0xfff34040); /* reserved bits and the delivery status */
  g_assert_cmphex (lapic_read (lapic, ICR_LOW), ==, 0x4040);
  g_assert_cmphex (lapic_task_priority (lapic), ==, 15);
}

/* What waits and what is served, of edges and levels. */
static void
test_bits (Fixture *f, gconstpointer unused)
{
  Device *lapic = f->cpu[0].lapic;

  redirect (f, 16, 0, 0x8000 | 0x91);
  ioapic_input (f->ioapic, 16, 1);
  ipi (f, 1, 0, 0x4000 | 0x92);
  g_assert_cmphex (lapic_read (lapic, IRR + 0x40), ==, 0x60000);
  g_assert_cmphex (lapic_read (lapic, 0x180 + 0x40), ==, 0x20000);
  g_assert_cmpint (lapic_acknowledge (lapic), ==, 0x92);
  /* One of the same may wait while it is served, and no more. */
  ipi (f, 1, 0, 0x4000 | 0x92);
  ipi (f, 1, 0, 0x4000 | 0x92);
  g_assert_cmphex (lapic_read (lapic, ISR + 0x40), ==, 0x40000);
  lapic_write (lapic, EOI, 0);
  g_assert_cmpint (lapic_acknowledge (lapic), ==, 0x92);
  lapic_write (lapic, EOI, 0);
  g_assert_cmpint (lapic_acknowledge (lapic), ==, 0x91);
  ioapic_input (f->ioapic, 16, 0);
  lapic_write (lapic, EOI, 0);
  lapic_write (lapic, EOI, 0); /* one too many */
  g_assert_cmpint (lapic_acknowledge (lapic), ==, -1);
  /* A vector that is not allowed is an error at the receiver. */
  redirect (f, 17, 0, 0x05);
  ioapic_input (f->ioapic, 17, 1);
  lapic_write (lapic, ESR, 0);
  g_assert_cmphex (lapic_read (lapic, ESR), ==, 0x40);
}

/* Local inputs in modes other than the virtual wire. */
static void
test_local_inputs (Fixture *f, gconstpointer unused)
{
  Device *lapic = f->cpu[0].lapic;

  lapic_write (lapic, LVT_LINT0, 0x400);
  lapic_set_external (lapic, 1);
  g_assert_cmpuint (f->cpu[0].nmis, ==, 1);
  g_assert_false (f->cpu[0].pending);
  lapic_set_external (lapic, 0);
  lapic_write (lapic, LVT_LINT0, 0x55);
  lapic_set_external (lapic, 1);
  g_assert_cmpint (lapic_acknowledge (lapic), ==, 0x55);
  lapic_write (lapic, EOI, 0);
  lapic_set_external (lapic, 0);
  lapic_write (lapic, LVT_LINT0, 0x10055);
  lapic_set_external (lapic, 1);
  g_assert_false (f->cpu[0].pending);
}

static void
test_timer_reading (Fixture *f, gconstpointer unused)
{
  Device *lapic = f->cpu[0].lapic;
  static const unsigned dividers[16] = {
    [0] = 2, [1] = 4, [2] = 8, [3] = 16, [8] = 32, [9] = 64, [10] = 128, [11] = 1
  };

  lapic_write (lapic, LVT_TIMER, 0x30031);
  for (unsigned code = 0; code < 16; code++)
    {
      if (dividers[code] == 0)
        continue;
      lapic_write (lapic, DIVIDE, code);
      lapic_write (lapic, INITIAL, 1000);
      g_assert_cmpuint (lapic_read (lapic, INITIAL), ==, 1000);
      board_pass (f->board, 1300 * dividers[code], 0);
      g_assert_cmpuint (lapic_read (lapic, CURRENT), ==, 700); /* begun anew */
    }
}

/* The 8259s' way in: the virtual wire. */
static void
test_external (Fixture *f, gconstpointer unused)
{
  Device *lapic = f->cpu[0].lapic;

  lapic_write (lapic, LVT_LINT0, 0x700);
  lapic_set_external (lapic, 1);
  g_assert_true (f->cpu[0].pending);
  g_assert_cmpint (lapic_acknowledge (lapic), ==, 0x08);
  lapic_write (lapic, LVT_LINT0, 0x10700);
  g_assert_false (f->cpu[0].pending);
  lapic_set_base (lapic, LAPIC_BASE);
  g_assert_true (f->cpu[0].pending); /* an APIC that is off lets it through */
  lapic_set_external (lapic, 0);
  g_assert_false (f->cpu[0].pending);
}

static void
test_io_edge (Fixture *f, gconstpointer unused)
{
  redirect (f, 4, 2u << 24, 0x34);
  ioapic_input (f->ioapic, 4, 1);
  g_assert_true (f->cpu[2].pending);
  g_assert_cmpint (lapic_acknowledge (f->cpu[2].lapic), ==, 0x34);
  lapic_write (f->cpu[2].lapic, EOI, 0);
  g_assert_false (f->cpu[2].pending);
  ioapic_input (f->ioapic, 4, 0);
  /* An edge while masked is lost. */
  redirect (f, 4, 2u << 24, 0x10034);
  ioapic_input (f->ioapic, 4, 1);
  redirect (f, 4, 2u << 24, 0x34);
  g_assert_false (f->cpu[2].pending);
}

static void
test_io_level (Fixture *f, gconstpointer unused)
{
  redirect (f, 16, 0, 0x8000 | 0x90);
  ioapic_input (f->ioapic, 16, 1);
  g_assert_cmphex (redirection (f, 16), ==, 0xc090); /* remote IRR */
  g_assert_cmpint (lapic_acknowledge (f->cpu[0].lapic), ==, 0x90);
  ioapic_input (f->ioapic, 16, 1);
  g_assert_false (f->cpu[0].pending);
  lapic_write (f->cpu[0].lapic, EOI, 0);
  g_assert_true (f->cpu[0].pending); /* still asserted */
  lapic_acknowledge (f->cpu[0].lapic);
  ioapic_input (f->ioapic, 16, 0);
  lapic_write (f->cpu[0].lapic, EOI, 0);
  g_assert_false (f->cpu[0].pending);
  g_assert_cmphex (redirection (f, 16), ==, 0x8090);
  /* While masked a level waits. */
  redirect (f, 16, 0, 0x18000 | 0x90);
  ioapic_input (f->ioapic, 16, 1);
  g_assert_false (f->cpu[0].pending);
  redirect (f, 16, 0, 0x8000 | 0x90);
  g_assert_true (f->cpu[0].pending);
}

static void
test_io_registers (Fixture *f, gconstpointer unused)
{
  board_write (f->board, IOAPIC_BASE, 1, 4);
  g_assert_cmphex (board_read (f->board, IOAPIC_BASE + 0x10, 4), ==, 0x170020);
  board_write (f->board, IOAPIC_BASE, 0, 4);
  board_write (f->board, IOAPIC_BASE + 0x10, 0xffffffff, 4);
  g_assert_cmphex (board_read (f->board, IOAPIC_BASE + 0x10, 4), ==, 0x0f000000);
  for (unsigned i = 0; i < 256; i++)
    {
      board_write (f->board, IOAPIC_BASE, i, 4);
      board_read (f->board, IOAPIC_BASE + 0x10, 4);
      board_write (f->board, IOAPIC_BASE + 0x10, 0xffffffff, 4);
    }
  g_assert_cmphex (redirection (f, 23), ==, 0x1afff);
}

/* By its own register, for levels that no processor has told of. */
static void
test_io_eoi (Fixture *f, gconstpointer unused)
{
  redirect (f, 18, 0, 0x8000 | 0x90);
  ioapic_input (f->ioapic, 18, 1);
  g_assert_cmphex (board_read (f->board, IOAPIC_BASE, 4), ==, 0x10 + 2 * 18);
  board_write (f->board, IOAPIC_BASE + 0x40, 0x91, 4);
  g_assert_cmphex (redirection (f, 18), ==, 0xc090);
  ioapic_input (f->ioapic, 18, 0);
  board_write (f->board, IOAPIC_BASE + 0x40, 0x90, 4);
  g_assert_cmphex (redirection (f, 18), ==, 0x8090);
  /* Remote IRR is read-only, and goes with the trigger mode. */
  ioapic_input (f->ioapic, 18, 1);
  redirect (f, 18, 0, 0x18000 | 0x90);
  g_assert_cmphex (redirection (f, 18), ==, 0x1c090);
  redirect (f, 18, 0, 0x10090);
  redirect (f, 18, 0, 0x18090);
  g_assert_cmphex (redirection (f, 18), ==, 0x18090);
  /* Nothing beyond the pins, and nothing but the three registers. */
  ioapic_input (f->ioapic, 24, 1);
  ioapic_input (f->ioapic, -1, 1);
  g_assert_cmphex (board_read (f->board, IOAPIC_BASE + 0x20, 4), ==, 0);
}

static void
test_state (Fixture *f, gconstpointer unused)
{
  Fixture other = { 0 };

  setup (&other, NULL);
  ipi (f, 1, 0, 0x4000 | 0x55);
  board_check_state (other.board, f->cpu[0].lapic, other.cpu[0].lapic, 300);
  g_assert_true (other.cpu[0].pending);
  board_check_state (other.board, f->ioapic, other.ioapic, 300);
  teardown (&other, NULL);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(path, function) g_test_add (path, Fixture, NULL, setup, function, teardown)
  ADD ("/apic/reset", test_reset);
  ADD ("/apic/ipi/fixed", test_fixed_ipi);
  ADD ("/apic/ipi/shorthands", test_shorthands);
  ADD ("/apic/ipi/startup", test_startup);
  ADD ("/apic/ipi/logical", test_logical);
  ADD ("/apic/ipi/lowest-priority", test_lowest_priority);
  ADD ("/apic/priorities", test_priorities);
  ADD ("/apic/errors", test_errors);
  ADD ("/apic/timer/one-shot", test_timer);
  ADD ("/apic/timer/periodic", test_timer_periodic);
  ADD ("/apic/timer/deadline", test_timer_deadline);
  ADD ("/apic/external", test_external);
  ADD ("/apic/io/edge", test_io_edge);
  ADD ("/apic/io/level", test_io_level);
  ADD ("/apic/timer/reading", test_timer_reading);
  ADD ("/apic/software-disabled", test_software_disabled);
  ADD ("/apic/registers", test_registers);
  ADD ("/apic/bits", test_bits);
  ADD ("/apic/local-inputs", test_local_inputs);
  ADD ("/apic/io/eoi", test_io_eoi);
  ADD ("/apic/io/registers", test_io_registers);
  ADD ("/apic/state", test_state);
  return g_test_run ();
}
