/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A guest that runs anything: its bytes as code in every mode of the processor,
 * with page tables, descriptors and control registers that it changes at will,
 * interrupted, with its memory moved and written under it by the board. All is
 * done three times: interpreted, translated, and translated with windows. The
 * first byte chooses the mode; each command is a byte of kind and a fixed number
 * of bytes. Runs are bounded: the processor is asked to stop after a millisecond
 * and has to.
 */

#include "engine/cpu/cpu-private.h"
#include "engine/cpu/cpuid.h"
#include "engine/cpu/fp.h"
#include "engine/cpu/jit/jit.h"
#include "tests/fuzz/input.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Physical addresses. All 256 KiB are mapped at 0, at the top of 32 bits and, in long mode, in the upper half. */
enum
{
  GDT = 0x1000, IDT = 0x2000, LDT = 0x3000, TSS = 0x3400, TSS16 = 0x3600, TASK = 0x3800, STUBS = 0x4000, VECTORS = 256,
  STACK = 0x9000, DATA = 0xa000, CODE = 0x10000, TABLES = 0x20000, PAGE = 0x1000, RAM = 0x40000,
  PML4 = TABLES, PDPT = TABLES + PAGE, PD = TABLES + 2 * PAGE, PT = TABLES + 3 * PAGE, PD32 = TABLES + 4 * PAGE,
  PT32 = TABLES + 5 * PAGE, PDPT_PAE = TABLES + 6 * PAGE,
  HOLE = 0x30000, HOLE_SIZE = 0x2000 /* may turn into ROM, or go away */, MMIO = 0xe0000, PORT_BOARD = 0x80
};

enum { PRESENT = 1, ALL = 7 /* present, writable, user */, LARGE = 0x80 };

/* Selectors. */
enum
{
  SEL_CODE32 = 0x08, SEL_DATA = 0x10, SEL_CODE16 = 0x18, SEL_DATA16 = 0x20, SEL_CODE64 = 0x28, SEL_UCODE32 = 0x33,
  SEL_UDATA = 0x3b, SEL_UCODE64 = 0x43, SEL_TSS = 0x48 /* two slots */, SEL_TASK = 0x58, SEL_TASK_GATE = 0x60,
  SEL_CALL = 0x68 /* two slots */, SEL_UCODE16 = 0x7b, SEL_LDT = 0x80 /* two slots */, SEL_TSS16 = 0x90, SEL_LAST = 0x98
};

/* Of the first byte, over the mode. */
enum { USER = 8, NO_AVX = 16 };
enum { MODE_REAL, MODE_VM86, MODE_16, MODE_32, MODE_PAGED, MODE_PAE, MODE_COMPAT, MODE_LONG, MODES };
/* How a guest's code is run. */
enum { INTERPRETED, TRANSLATED, WINDOWS, WAYS };
enum { BUDGET_NS = 1000000, RUNS = 8, RELOADS = 4 };

typedef struct
{
  AddressSpace *memory;
  RamBlock *block;
  uint8_t *ram;
  MemoryRegion *hole;
  X86System *system;
  X86Cpu *cpu;
  uint64_t ticks, apic_base, deadline;
  uint8_t tpr;
  int vector;
  uint32_t cursor;   /* where the next code goes */
  int runs, reloads;
} Guest;

/* --- The board --- */

static uint64_t
scramble (uint64_t n)
{
  n *= 0x9e3779b97f4a7c15u;
  return n ^ n >> 29;
}

static uint64_t
mmio_read (void *opaque, uint64_t offset, unsigned size)
{
  return scramble (offset + size);
}

/* What boards do while a processor waits for its access: moving memory, writing to it, the A20 gate. */
static void
mmio_write (void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
  Guest *g = opaque;

  switch (value >> 4 & 7)
    {
    case 0:
      memory_region_set_readonly (g->hole, value & 1);
      break;
    case 1:
      memory_region_set_enabled (g->hole, value & 1);
      break;
    case 2:
      guest_memory_write (g->memory, value >> 8 & 0x3ffff, &value, sizeof value);
      break;
    case 3:
      x86_cpu_set_a20 (g->cpu, value & 1);
      break;
    case 4:
      ram_block_enable_dirty_log (g->block, g->memory, 1);
      break;
    case 5:
      {
        uint8_t pages[RAM / PAGE];

        ram_block_collect_dirty (g->block, 0, RAM / PAGE, pages);
      }
      break;
    default:
      x86_cpu_raise (g->cpu, (value & 7) == 7 ? X86_REQ_NMI : X86_REQ_INTR);
      break;
    }
}

static uint32_t
pio_read (void *opaque, uint16_t port, unsigned size)
{
  return (uint32_t) scramble (port);
}

static void
pio_write (void *opaque, uint16_t port, uint32_t value, unsigned size)
{
  uint32_t regs[6];

  if (port == PORT_BOARD)
    mmio_write (opaque, 0, value, size);
  x86_cpu_get_io_registers (((Guest *) opaque)->cpu, regs);
  regs[1] ^= value;
  if (port & 1)
    x86_cpu_set_io_registers (((Guest *) opaque)->cpu, regs);
}

static int
interrupt_ack (void *opaque)
{
  Guest *g = opaque;

  x86_cpu_lower (g->cpu, X86_REQ_INTR);
  return g->vector;
}

static uint64_t
tsc (void *opaque)
{
  return ((Guest *) opaque)->ticks += 1000;
}

static uint64_t apic_base_get (void *opaque) { return ((Guest *) opaque)->apic_base; }
static uint8_t tpr_get (void *opaque) { return ((Guest *) opaque)->tpr; }
static void tpr_set (void *opaque, uint8_t priority_class) { ((Guest *) opaque)->tpr = priority_class; }
static uint64_t tsc_deadline_get (void *opaque) { return ((Guest *) opaque)->deadline; }
static void tsc_deadline_set (void *opaque, uint64_t tsc) { ((Guest *) opaque)->deadline = tsc; }

static gboolean
apic_base_set (void *opaque, uint64_t value)
{
  ((Guest *) opaque)->apic_base = value;
  return (value & 0xff) == 0;
}

static void fpu_error (void *opaque, gboolean level) {}

/* --- The budget --- */

static X86Cpu *volatile running;

static void
time_is_over (int signal)
{
  if (running != NULL)
    x86_cpu_raise (running, X86_REQ_EXIT);
}

static X86Exit
run (Guest *g, timer_t timer)
{
  const struct itimerspec budget = { .it_value.tv_nsec = BUDGET_NS }, none = { { 0, 0 }, { 0, 0 } };
  X86Exit why;

  running = g->cpu;
  timer_settime (timer, 0, &budget, NULL);
  why = x86_cpu_run (g->cpu);
  timer_settime (timer, 0, &none, NULL);
  running = NULL;
  x86_cpu_lower (g->cpu, X86_REQ_EXIT);
  address_space_collect (g->memory);
  return why;
}

/* --- The machine as a run finds it --- */

static void
put (Guest *g, uint32_t at, uint64_t value, unsigned size)
{
  memcpy (g->ram + at, &value, size);
}

static void
set_descriptor (Guest *g, unsigned sel, uint32_t base, uint32_t limit, uint32_t attr)
{
  put (g, GDT + (sel & 0xfff8), (limit & 0xffff) | base << 16, 4);
  put (g, GDT + (sel & 0xfff8) + 4, (base >> 16 & 0xff) | attr << 8 | (limit & 0xf0000) | (base & 0xff000000), 4);
}

static void
set_tables (Guest *g, gboolean is_long)
{
  set_descriptor (g, SEL_CODE32, 0, 0xfffff, 0xc09b);
  set_descriptor (g, SEL_DATA, 0, 0xfffff, 0xc093);
  set_descriptor (g, SEL_CODE16, CODE, 0xffff, 0x009b);
  set_descriptor (g, SEL_DATA16, 0, 0xffff, 0x0093);
  set_descriptor (g, SEL_CODE64, 0, 0xfffff, 0xa09b);
  set_descriptor (g, SEL_UCODE32, 0, 0xfffff, 0xc0fb);
  set_descriptor (g, SEL_UDATA, 0, 0xfffff, 0xc0f3);
  set_descriptor (g, SEL_UCODE64, 0, 0xfffff, 0xa0fb);
  set_descriptor (g, SEL_UCODE16, CODE, 0xffff, 0x00fb);
  set_descriptor (g, SEL_TSS, TSS, 0x1ff, 0x8b);
  set_descriptor (g, SEL_LDT, LDT, 0x3ff, 0x82);
  if (!is_long)
    {
      set_descriptor (g, SEL_TASK, TASK, 0x67, 0x89);
      set_descriptor (g, SEL_TSS16, TSS16, 0x2b, 0x81);
      put (g, GDT + SEL_TASK_GATE, SEL_TASK << 16 | (uint64_t) 0xe500 << 32, 8);
    }
  put (g, GDT + SEL_CALL, (CODE & 0xffff) | (is_long ? SEL_CODE64 : SEL_CODE32) << 16, 4);
  put (g, GDT + SEL_CALL + 4, (CODE & 0xffff0000) | 0xec01, 4);
  memcpy (g->ram + LDT, g->ram + GDT, SEL_TSS);
}

/* A task that goes on with the code. */
static void
set_tasks (Guest *g)
{
  static const uint16_t sels[] = { SEL_DATA, SEL_CODE32, SEL_DATA, SEL_DATA, SEL_DATA, SEL_DATA, SEL_LDT };

  put (g, TASK + 28, PD32, 4);
  put (g, TASK + 32, CODE, 4);
  put (g, TASK + 36, 2, 4);
  put (g, TASK + 56, STACK, 4);
  for (unsigned i = 0; i < G_N_ELEMENTS (sels); i++)
    {
      put (g, TASK + 72 + i * 4, sels[i], 4);
      put (g, TSS16 + 34 + i * 2, i == 1 ? SEL_CODE16 : sels[i], 2);
    }
  put (g, TSS16 + 26, 0x8000, 2);
}

/* Traps and most interrupts come back; faults, which would come again, halt. */
static void
set_vectors (Guest *g, unsigned mode)
{
  static const uint8_t halt[4] = { 0xf4 }, iret[4] = { 0xcf }, iretq[4] = { 0x48, 0xcf };

  for (unsigned i = 0; i < VECTORS; i++)
    {
      uint32_t at = STUBS + i * 4;
      gboolean halts = i < 32 ? i != X86_EXC_DB && i != X86_EXC_BP && i != X86_EXC_OF : i % 8 == 7;

      memcpy (g->ram + at, halts ? halt : mode >= MODE_COMPAT ? iretq : iret, 4);
      if (mode == MODE_REAL || mode == MODE_VM86)
        put (g, i * 4, (uint32_t) STUBS << 12 | i * 4, 4);
      if (mode >= MODE_COMPAT)
        put (g, IDT + i * 16, at | SEL_CODE64 << 16 | (uint64_t) (i % 3 ? 0xee00 : 0xef01) << 32, 8);
      else if (mode != MODE_REAL)
        put (g, IDT + i * 8, at | SEL_CODE32 << 16 | (uint64_t) (i % 3 ? 0xee00 : 0xef00) << 32, 8);
    }
  if (mode != MODE_REAL && mode < MODE_COMPAT)
    put (g, IDT + X86_EXC_TS * 8, SEL_TASK << 16 | (uint64_t) 0xe500 << 32, 8);
}

static void
set_page_tables (Guest *g)
{
  static const unsigned upper[] = { 0, 256, 511 };

  for (unsigned i = 0; i < G_N_ELEMENTS (upper); i++)
    put (g, PML4 + upper[i] * 8, PDPT | ALL, 8);
  for (unsigned i = 0; i < 4; i++)
    {
      put (g, PDPT + i * 8, PD | ALL, 8);
      put (g, PDPT_PAE + i * 8, PD | PRESENT, 8);
    }
  put (g, PDPT + 4 * 8, ALL | LARGE, 8);
  put (g, PD, PT | ALL, 8);
  put (g, PD + 511 * 8, PT | ALL, 8);
  put (g, PD + 8, ALL | LARGE, 8);
  put (g, PD32, PT32 | ALL, 4);
  put (g, PD32 + 1023 * 4, PT32 | ALL, 4);
  put (g, PD32 + 4, ALL | LARGE, 4);
  for (uint32_t i = 0; i < 256; i++)
    {
      put (g, PT + i * 8, i * PAGE | ALL, 8);
      put (g, PT32 + i * 4, i * PAGE | ALL, 4);
    }
}

static void
set_segments (Guest *g, unsigned mode, gboolean user)
{
  static const uint16_t code[MODES][2] = {
    [MODE_16] = { SEL_CODE16, SEL_UCODE16 }, [MODE_32] = { SEL_CODE32, SEL_UCODE32 },
    [MODE_PAGED] = { SEL_CODE32, SEL_UCODE32 }, [MODE_PAE] = { SEL_CODE32, SEL_UCODE32 },
    [MODE_COMPAT] = { SEL_CODE32, SEL_UCODE32 }, [MODE_LONG] = { SEL_CODE64, SEL_UCODE64 }
  };

  for (unsigned seg = 0; seg < X86_SEG_COUNT; seg++)
    {
      uint16_t sel = seg == X86_CS ? code[mode][user] : user ? SEL_UDATA : mode == MODE_16 ? SEL_DATA16 : SEL_DATA;
      X86Desc desc;

      if (mode == MODE_REAL || mode == MODE_VM86)
        {
          x86_seg_commit_real (g->cpu, seg, seg == X86_CS ? CODE >> 4 : 0);
          continue;
        }
      memcpy (&desc.lo, g->ram + GDT + (sel & 0xfff8), 4);
      memcpy (&desc.hi, g->ram + GDT + (sel & 0xfff8) + 4, 4);
      x86_seg_commit (g->cpu, seg, sel, &desc);
    }
}

static void
set_registers (Guest *g, unsigned mode, gboolean user, gboolean avx)
{
  X86Cpu *cpu = g->cpu;

  for (unsigned i = 0; i < 16; i++)
    cpu->r[i] = i == X86_RSP ? STACK : DATA + i * 64;
  cpu->r[X86_RIP] = mode <= MODE_16 ? 0 : CODE;
  cpu->cr0 = X86_CR0_ET | X86_CR0_NE | X86_CR0_WP | X86_CR0_MP | (mode == MODE_REAL ? 0 : X86_CR0_PE);
  cpu->cr4 = X86_CR4_OSFXSR | X86_CR4_OSXMMEXCPT | X86_CR4_PGE | X86_CR4_PSE | (user ? X86_CR4_VME | X86_CR4_PVI : 0);
  if (mode != MODE_REAL)
    {
      cpu->gdtr = (X86Table) { .base = GDT, .limit = SEL_LAST - 1 };
      cpu->idtr = (X86Table) { .base = IDT, .limit = VECTORS * (mode >= MODE_COMPAT ? 16 : 8) - 1 };
      cpu->tr = (X86Table) { .sel = SEL_TSS, .base = TSS, .limit = 0x1ff, .attr = 0x8b };
      cpu->ldtr = (X86Table) { .sel = SEL_LDT, .base = LDT, .limit = 0x3ff, .attr = 0x82 };
    }
  if (mode >= MODE_PAGED)
    {
      cpu->cr0 |= X86_CR0_PG;
      cpu->cr3 = mode == MODE_PAGED ? PD32 : mode == MODE_PAE ? PDPT_PAE : PML4;
      cpu->msr.efer = X86_EFER_NXE | X86_EFER_SCE | (mode >= MODE_COMPAT ? X86_EFER_LME | X86_EFER_LMA : 0);
      if (mode >= MODE_PAE)
        cpu->cr4 |= X86_CR4_PAE;
      for (unsigned i = 0; i < 4; i++)
        cpu->pdpte[i] = PD | PRESENT;
    }
  if (avx && x86_has (cpu, X86_FEAT_AVX))
    {
      cpu->cr4 |= X86_CR4_OSXSAVE;
      cpu->xcr0 = 7;
    }
  cpu->msr.lstar = cpu->msr.cstar = cpu->msr.sysenter_eip = CODE;
  cpu->msr.star = (uint64_t) SEL_CODE32 << 32 | (uint64_t) SEL_UCODE32 << 48;
  cpu->msr.sysenter_cs = SEL_CODE32;
  cpu->msr.sysenter_esp = STACK;
  x86_set_eflags (cpu, (mode == MODE_VM86 ? X86_FLAG_VM | X86_FLAG_IOPL : user ? 0 : X86_FLAG_IOPL) | X86_FLAG_IF, ~0u);
}

static void
start (Guest *g, unsigned flags)
{
  unsigned mode = flags % MODES;
  gboolean user = mode == MODE_VM86 || (mode != MODE_REAL && (flags & USER) != 0);

  g->vector = 0x40;
  g->ticks = g->deadline = g->tpr = 0;
  g->apic_base = 0xfee00900;
  g->cursor = CODE;
  g->runs = RUNS;
  g->reloads = RELOADS;
  memory_region_set_enabled (g->hole, TRUE);
  memory_region_set_readonly (g->hole, FALSE);
  memset (g->ram, 0, RAM);
  memset (g->ram + CODE, 0xf4, TABLES - CODE);
  x86_cpu_reset (g->cpu);
  set_tables (g, mode >= MODE_COMPAT);
  set_tasks (g);
  set_page_tables (g);
  set_vectors (g, mode);
  if (mode >= MODE_COMPAT)
    {
      put (g, TSS + 4, STACK - 0x800, 8);
      put (g, TSS + 36, STACK - 0x1000, 8);
    }
  else
    {
      put (g, TSS + 4, STACK - 0x800, 4);
      put (g, TSS + 8, SEL_DATA, 4);
    }
  put (g, TSS + 100, (uint32_t) 0x88 << 16, 4);
  set_registers (g, mode, user, !(flags & NO_AVX));
  set_segments (g, mode, user);
  g->cpu->cpl = user ? 3 : 0;
  x86_fp_update (g->cpu);
  x86_tlb_flush_all (g->cpu);
  x86_update_mode (g->cpu);
}

static Guest *
guest_new (unsigned way)
{
  static const X86HostOps ops = {
    .pio_read = pio_read, .pio_write = pio_write, .interrupt_ack = interrupt_ack, .tsc = tsc, .fpu_error = fpu_error,
    .apic_base_get = apic_base_get, .apic_base_set = apic_base_set, .tpr_get = tpr_get, .tpr_set = tpr_set,
    .tsc_deadline_get = tsc_deadline_get, .tsc_deadline_set = tsc_deadline_set
  };
  static const MmioOps mmio = { .read = mmio_read, .write = mmio_write };
  Guest *g = g_new0 (Guest, 1);
  g_autoptr (GError) error = NULL;

  g->memory = address_space_new ();
  g->block = ram_block_new ("fuzz", RAM, &error);
  g_assert_no_error (error);
  g->ram = ram_block_host (g->block);
  address_space_add_ram (g->memory, 0, HOLE, 0, g->block, 0);
  g->hole = address_space_add_ram (g->memory, HOLE, HOLE_SIZE, 0, g->block, HOLE);
  address_space_add_ram (g->memory, HOLE + HOLE_SIZE, RAM - HOLE - HOLE_SIZE, 0, g->block, HOLE + HOLE_SIZE);
  address_space_add_mmio (g->memory, MMIO, PAGE, 0, &mmio, g);
  g->system = x86_system_new (g->memory);
  g->cpu = x86_cpu_new (g->system, x86_cpu_model_find (NULL, NULL), 0, &ops, g, &error);
  g_assert_no_error (error);
  if (way != INTERPRETED)
    {
      x86_system_set_accel (g->system, x86_accel_find ("jit"), &error);
      g_assert_no_error (error);
      x86_jit_set_heat (g->cpu, 0);
      if (way == WINDOWS)
        x86_jit_set_window_delay (g->cpu, 0);
    }
  return g;
}

/* --- Commands --- */

static uint64_t
take64 (FuzzInput *in)
{
  uint64_t low = take (in, 4);

  return low | (uint64_t) take (in, 4) << 32;
}

/* A saved state with a change, which need not be one that a processor can be in. */
static void
reload (Guest *g, FuzzInput *in)
{
  g_autoptr (GByteArray) state = g_byte_array_new ();
  uint32_t at = take (in, 2);
  uint64_t change = take64 (in);
  size_t used;

  if (--g->reloads < 0)
    return;
  x86_cpu_save (g->cpu, state);
  at %= state->len;
  for (unsigned i = 0; i < 8 && at + i < state->len; i++)
    state->data[at + i] ^= (uint8_t) (change >> (8 * i));
  x86_cpu_load (g->cpu, state->data, state->len - (change == 0), &used, NULL);
}

static void
poke (Guest *g, FuzzInput *in, unsigned where)
{
  static const uint32_t bases[] = { PML4, PDPT, PD, PT, PD32, PT32, PDPT_PAE, GDT, IDT, LDT, TSS, TASK, STACK - 256, DATA };
  uint32_t at = (bases[where % G_N_ELEMENTS (bases)] + take (in, 1) * 8) % (RAM - 8);

  put (g, at, take64 (in), 8);
  x86_code_stored (g->cpu, g->ram + at, 8);
}

static void
event (Guest *g, FuzzInput *in, unsigned which)
{
  switch (which)
    {
    case 0:
    case 1:
      g->vector = (int) take (in, 1);
      x86_cpu_raise (g->cpu, X86_REQ_INTR);
      break;
    case 2:
      x86_cpu_raise (g->cpu, X86_REQ_NMI);
      break;
    case 3:
      x86_cpu_init (g->cpu);
      break;
    case 4:
      x86_cpu_sipi (g->cpu, (uint8_t) take (in, 1));
      break;
    default:
      mmio_write (g, 0, take (in, 3), 4);
      break;
    }
}

/* FALSE: the machine is off. */
static gboolean
command (Guest *g, FuzzInput *in, timer_t timer)
{
  uint32_t kind = take (in, 1), count;

  switch (kind & 7)
    {
    case 0:
    case 1:
    case 2: /* code, where the last ended */
      count = (uint32_t) MIN (1 + (kind >> 3), in->length);
      if (g->cursor + count > TABLES)
        g->cursor = CODE;
      memcpy (g->ram + g->cursor, in->data, count);
      x86_code_stored (g->cpu, g->ram + g->cursor, count);
      g->cursor += count;
      in->data += count;
      in->length -= count;
      break;
    case 3:
      poke (g, in, kind >> 3);
      break;
    case 4:
      if (kind & 0x80)
        g->cpu->r[kind >> 3 & 15] = take64 (in);
      else
        g->cpu->r[kind >> 3 & 15] = (uint64_t) (int64_t) (int16_t) take (in, 2);
      break;
    case 5:
      reload (g, in);
      break;
    case 6:
      event (g, in, kind >> 3 & 7);
      break;
    default: /* from there, unless it goes on where it stopped */
      count = take (in, 1);
      if (kind & 8)
        {
          g->cursor = CODE + count * 64 % (TABLES - CODE);
          break;
        }
      return --g->runs >= 0 && run (g, timer) != X86_EXIT_SHUTDOWN;
    }
  return TRUE;
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t length)
{
  static Guest *guests[WAYS];
  static timer_t timer;

  if (guests[0] == NULL)
    {
      struct sigevent notify = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGRTMIN };
      struct sigaction action = { .sa_handler = time_is_over, .sa_flags = SA_RESTART | SA_ONSTACK };
      sigset_t alarm;

      /* The fuzzer's own handler has no stack but the one it finds, which in translated code is the guest's. */
      sigemptyset (&alarm);
      sigaddset (&alarm, SIGALRM);
      pthread_sigmask (SIG_BLOCK, &alarm, NULL);
      notify._sigev_un._tid = gettid ();
      g_assert_cmpint (sigaction (SIGRTMIN, &action, NULL), ==, 0);
      g_assert_cmpint (timer_create (CLOCK_MONOTONIC, &notify, &timer), ==, 0);
      for (unsigned i = 0; i < G_N_ELEMENTS (guests); i++)
        guests[i] = guest_new (i);
    }
  for (unsigned i = 0; i < G_N_ELEMENTS (guests); i++)
    {
      FuzzInput in = { data, length };
      gboolean is_on = TRUE;

      start (guests[i], take (&in, 1));
      while (is_on && in.length > 0)
        is_on = command (guests[i], &in, timer);
      if (is_on)
        run (guests[i], timer);
    }
  return 0;
}
