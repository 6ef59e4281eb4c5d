/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Whether the hardware is worth its name: a /dev/kvm that emulates exists, so a
 * short loop of kernel code is timed in it and under translation.
 */

#include "engine/cpu/cpuid.h"
#include "engine/cpu/kvm/kvm-private.h"

#include <gio/gio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

enum
{
  MEMORY = 1 << 20, CODE = 0x1000, DATA = 0x3000, COUNT = DATA + 8, TABLES = 0x10000, PORT = 0x10,
  PAGE_PRESENT = 1, PAGE_WRITABLE = 2, PAGE_LARGE = 1 << 7,
  FIRST_COUNT = 500, GROWTH = 4, LONG_ENOUGH_NS = 200000, LONG_ROUNDS = 3, PATIENCE_US = 300000
};

/* Rounds of a loop that computes, stores and loads; each ends with an access to PORT. */
static const uint8_t loop_code[] = {
  0x8b, 0x4b, COUNT - DATA, /* start: mov ecx, [rbx + COUNT - DATA] */
  0x01, 0xc8,               /* again: add eax, ecx */
  0x31, 0xc2,               /*        xor edx, eax */
  0x89, 0x03,               /*        mov [rbx], eax */
  0x03, 0x33,               /*        add esi, [rbx] */
  0x83, 0xe9, 0x01,         /*        sub ecx, 1 */
  0x75, 0xf3,               /*        jnz again */
  0xe6, PORT,               /*        out PORT, al */
  0xeb, 0xec,               /*        jmp start */
};

typedef struct
{
  AddressSpace *memory;
  RamBlock *block;
  X86System *system;
  X86Cpu *cpu;
  uint8_t *ram;
  int64_t begun;         /* ns of processor time; this round's start */
  unsigned long_rounds;
  double best;           /* ns an iteration; 0: no round was long enough yet */
  GMutex lock;
  GCond cond;
  gboolean is_done;
} Race;

static int64_t
processor_time (void)
{
  struct timespec now;

  clock_gettime (CLOCK_THREAD_CPUTIME_ID, &now);
  return (int64_t) now.tv_sec * 1000000000 + now.tv_nsec;
}

static uint32_t
nothing_read (void *opaque, uint16_t port, unsigned size)
{
  return ~(uint32_t) 0;
}

static void
round_ended (void *opaque, uint16_t port, uint32_t value, unsigned size)
{
  Race *race = opaque;
  int64_t took = processor_time () - race->begun;
  uint32_t count;

  memcpy (&count, race->ram + COUNT, sizeof count);
  if (race->begun != 0 && took >= LONG_ENOUGH_NS)
    {
      double each = (double) took / count;

      race->best = race->best == 0 ? each : MIN (race->best, each);
      if (++race->long_rounds == LONG_ROUNDS)
        x86_cpu_raise (race->cpu, X86_REQ_EXIT);
    }
  else if (race->begun != 0)
    count *= GROWTH;
  memcpy (race->ram + COUNT, &count, sizeof count);
  race->begun = processor_time ();
}

static uint64_t
no_time (void *opaque)
{
  return 0;
}

static const X86HostOps race_ops = { .pio_read = nothing_read, .pio_write = round_ended, .tsc = no_time };

/* A hardware that never comes back is called out. */
static gpointer
watch (gpointer data)
{
  Race *race = data;
  int64_t end = g_get_monotonic_time () + PATIENCE_US;

  g_mutex_lock (&race->lock);
  while (!race->is_done)
    if (!g_cond_wait_until (&race->cond, &race->lock, end))
      {
        x86_cpu_raise (race->cpu, X86_REQ_EXIT);
        end = g_get_monotonic_time () + PATIENCE_US;
      }
  g_mutex_unlock (&race->lock);
  return NULL;
}

static void
put64 (Race *race, uint64_t address, uint64_t value)
{
  memcpy (race->ram + address, &value, sizeof value);
}

/* Kernel code in long mode, the first 2 MiB mapped to themselves. */
static void
set_up (Race *race)
{
  X86Cpu *cpu = race->cpu;
  const uint32_t count = FIRST_COUNT, code = X86_SEG_P | X86_SEG_S | X86_SEG_CODE | X86_SEG_READABLE | X86_SEG_ACCESSED | X86_SEG_L | X86_SEG_G,
                 data = X86_SEG_P | X86_SEG_S | X86_SEG_WRITABLE | X86_SEG_ACCESSED | X86_SEG_G | X86_SEG_DB;

  memcpy (race->ram + CODE, loop_code, sizeof loop_code);
  memcpy (race->ram + COUNT, &count, sizeof count);
  put64 (race, TABLES, (TABLES + 0x1000) | PAGE_PRESENT | PAGE_WRITABLE);
  put64 (race, TABLES + 0x1000, (TABLES + 0x2000) | PAGE_PRESENT | PAGE_WRITABLE);
  put64 (race, TABLES + 0x2000, PAGE_PRESENT | PAGE_WRITABLE | PAGE_LARGE);
  cpu->cr3 = TABLES;
  cpu->cr4 = X86_CR4_PAE;
  cpu->msr.efer = X86_EFER_LME | X86_EFER_LMA;
  cpu->cr0 = X86_CR0_PE | X86_CR0_PG | X86_CR0_ET | X86_CR0_NE;
  for (unsigned i = 0; i < X86_SEG_COUNT; i++)
    {
      cpu->seg[i] = (X86Seg) { .sel = i == X86_CS ? 0x08 : 0x10, .attr = i == X86_CS ? code : data, .limit = 0xffffffff };
      cpu->r[X86_SEGBASE + i] = 0;
    }
  cpu->r[X86_RIP] = CODE;
  cpu->r[X86_RBX] = DATA;
  x86_state_changed (cpu);
}

/* A processor under @accel, without anything around it. FALSE with @error; to be closed in any case. */
static gboolean
open_race (Race *race, const X86Accel *accel, GError **error)
{
  *race = (Race) { .memory = address_space_new () };
  g_mutex_init (&race->lock);
  g_cond_init (&race->cond);
  race->block = ram_block_new ("probe", MEMORY, error);
  if (race->block == NULL)
    return FALSE;
  race->ram = ram_block_host (race->block);
  address_space_add_ram (race->memory, 0, MEMORY, 0, race->block, 0);
  race->system = x86_system_new (race->memory);
  race->cpu = x86_cpu_new (race->system, x86_cpu_model_find ("x86-64-v1", NULL), 0, &race_ops, race, error);
  return race->cpu != NULL && x86_system_set_accel (race->system, accel, error);
}

static void
close_race (Race *race)
{
  x86_cpu_free (race->cpu);
  x86_system_free (race->system);
  address_space_free (race->memory);
  ram_block_free (race->block);
  g_mutex_clear (&race->lock);
  g_cond_clear (&race->cond);
}

/* ns an iteration takes. */
static double
run_race (Race *race, GError **error)
{
  GThread *watcher;
  int64_t begun;

  set_up (race);
  x86_system_put_state (race->system);
  watcher = g_thread_new ("probe", watch, race);
  begun = processor_time ();
  x86_cpu_run (race->cpu);
  /* Out of patience: what has been done so far tells enough. */
  if (race->best == 0)
    race->best = (double) (processor_time () - begun) / FIRST_COUNT;
  g_mutex_lock (&race->lock);
  race->is_done = TRUE;
  g_cond_signal (&race->cond);
  g_mutex_unlock (&race->lock);
  g_thread_join (watcher);
  if (x86_system_failure (race->system) != NULL)
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED, "%s", x86_system_failure (race->system));
  return race->best;
}

static gboolean
time_loop (const X86Accel *accel, double *each, GError **error)
{
  GError *failure = NULL;
  Race race;

  if (open_race (&race, accel, &failure))
    *each = run_race (&race, &failure);
  close_race (&race);
  if (failure == NULL)
    return TRUE;
  g_propagate_error (error, failure);
  return FALSE;
}

gboolean
x86_hardware_look (X86Hardware *hardware, GError **error)
{
  Race race;
  gboolean is_there = open_race (&race, &x86_accel_kvm, error);

  *hardware = (X86Hardware) { .tsc_hz = 0 };
  if (is_there)
    {
      hardware->model = x86_cpu_model_of (race.system->kvm->features);
      if (!race.system->kvm->has_tsc_control)
        hardware->tsc_hz = (uint64_t) MAX (ioctl (race.cpu->kvm->fd, KVM_GET_TSC_KHZ, 0), 0) * 1000;
    }
  close_race (&race);
  return is_there;
}

gboolean
x86_hardware_slowdown (double *slowdown, GError **error)
{
  double hardware, translated;

  if (!time_loop (&x86_accel_kvm, &hardware, error))
    return FALSE;
  /* Where nothing can be translated, the hardware is the better choice however slow. */
  *slowdown = time_loop (&x86_accel_jit, &translated, NULL) ? hardware / translated : 0;
  return TRUE;
}
