/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The life of a processor: creation, reset, INIT, SIPI, and looking into it.
 * Specification: Intel SDM volume 3A, chapter 9 (Processor Management and Initialization).
 */

#include "engine/cpu/accel.h"
#include "engine/cpu/cpu-private.h"
#include "engine/cpu/cpuid.h"
#include "engine/cpu/fp.h"
#include "engine/cpu/jit/jit.h"

#include <gio/gio.h>
#include <sys/mman.h>

/* --- What the processors of a machine share --- */

enum { SHARE_MIN = 4 << 20 /* bytes for a processor's code */ };
#define CODE_CACHE ((uint64_t) 256 << 20)

static void
memory_changed (void *opaque)
{
  X86System *system = opaque;

  if (system->accel->memory_changed != NULL)
    {
      system->accel->memory_changed (system);
      return;
    }
  for (unsigned i = 0; i < system->cpu_count; i++)
    x86_cpu_raise (system->cpus[i], X86_REQ_TLB_FLUSH);
}

/* Of those that look after memory by themselves each has a log of its own. */
static void
memory_logged (void *opaque)
{
  X86System *system = opaque;

  if (system->accel->memory_changed != NULL)
    system->accel->memory_changed (system);
  for (unsigned i = 0; system->accel->memory_changed == NULL && i < system->cpu_count; i++)
    x86_cpu_raise (system->cpus[i], X86_REQ_LOGGED);
}

static void
memory_cleaned (void *opaque)
{
  X86System *system = opaque;

  /* Who looks after memory by itself has no TLB here. */
  for (unsigned i = 0; system->accel->memory_changed == NULL && i < system->cpu_count; i++)
    x86_cpu_raise (system->cpus[i], X86_REQ_CLEANED);
}

static void
memory_written (void *opaque, uint64_t gpa, uint64_t length)
{
  x86_code_device_wrote (opaque, gpa, length);
}

static void
collect_dirty (void *opaque, RamBlock *block)
{
  X86System *system = opaque;

  if (system->accel->collect_dirty != NULL)
    system->accel->collect_dirty (system, block);
}

X86System *
x86_system_new (AddressSpace *memory)
{
  static const AddressSpaceListener listener = { .changed = memory_changed, .logged = memory_logged, .cleaned = memory_cleaned,
                                                 .written = memory_written, .collect_dirty = collect_dirty };
  X86System *system = g_new0 (X86System, 1);

  system->memory = memory;
  system->told_count = 1;
  system->code_cache = CODE_CACHE;
  system->watch = x86_watch_new ();
  g_mutex_init (&system->alone_lock);
  g_cond_init (&system->alone_cond);
  system->accel = &x86_accel_interp;
  address_space_add_listener (memory, &listener, system);
  return system;
}

void
x86_system_free (X86System *system)
{
  if (system == NULL)
    return;
  address_space_remove_listener (system->memory, system);
  if (system->accel->close != NULL)
    system->accel->close (system);
  x86_watch_free (system->watch);
  g_cond_clear (&system->alone_cond);
  g_mutex_clear (&system->alone_lock);
  if (system->perf_map != NULL)
    fclose (system->perf_map);
  g_free (system);
}

void
x86_system_set_count (X86System *system, unsigned count)
{
  system->told_count = count;
}

void
x86_system_set_code_cache (X86System *system, uint64_t bytes)
{
  system->code_cache = bytes;
}

uint64_t
x86_code_share (const X86System *system)
{
  return MAX (system->code_cache / MAX (system->told_count, 1), SHARE_MIN) & X86_PAGE_MASK;
}

/* --- Creation --- */

#if defined __has_feature
#define IS_SANITIZED __has_feature (address_sanitizer)
#elif defined __SANITIZE_ADDRESS__
#define IS_SANITIZED 1
#else
#define IS_SANITIZED 0
#endif
#if IS_SANITIZED
#include <sanitizer/lsan_interface.h>
#endif

/* The leak sanitizer looks for pointers in what malloc() gave only. */
static void
show_to_sanitizer (void *cpu)
{
#if IS_SANITIZED
  __lsan_register_root_region (cpu, sizeof (X86Cpu));
#endif
}

static void
hide_from_sanitizer (void *cpu)
{
#if IS_SANITIZED
  __lsan_unregister_root_region (cpu, sizeof (X86Cpu));
#endif
}

/* Below 2 GiB if there is room, as the translator wants it. */
static X86Cpu *
allocate (void)
{
  void *cpu = mmap (NULL, sizeof (X86Cpu), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);

  if (cpu == MAP_FAILED)
    cpu = mmap (NULL, sizeof (X86Cpu), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (cpu == MAP_FAILED)
    g_error ("no memory for a processor");
  show_to_sanitizer (cpu);
  return cpu;
}

X86Cpu *
x86_cpu_new (X86System *system, const X86CpuModel *model, unsigned index, const X86HostOps *ops, void *opaque,
             GError **error)
{
  X86Cpu *cpu;

  if (system->cpu_count == G_N_ELEMENTS (system->cpus))
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_NO_SPACE, "processor %u: a machine has at most %u processors", index,
                   (unsigned) G_N_ELEMENTS (system->cpus));
      return NULL;
    }
  cpu = allocate ();
  cpu->system = system;
  cpu->memory = system->memory;
  cpu->model = model;
  cpu->index = index;
  cpu->ops = ops;
  cpu->opaque = opaque;
  cpu->a20_mask = ~(uint64_t) 0;
  g_mutex_init (&cpu->code_lock);
  cpu->code_stored = g_hash_table_new (NULL, NULL);
  cpu->code_protected = g_hash_table_new (NULL, NULL);
  cpu->code_copy = g_aligned_alloc (1, GUEST_PAGE_SIZE, GUEST_PAGE_SIZE);
  x86_cpuid_setup (cpu);
  cpu->cache = x86_block_cache_new (x86_code_share (system) / 4);
  x86_tlb_init (cpu);
  x86_decoder_init (cpu);
  cpu->place = system->cpu_count++;
  system->cpus[cpu->place] = cpu;
  x86_cpu_reset (cpu);
  if (!x86_accel_add_cpu (cpu, error))
    {
      x86_cpu_free (cpu);
      return NULL;
    }
  return cpu;
}

void
x86_cpu_free (X86Cpu *cpu)
{
  X86System *system;
  X86Cpu *last;

  if (cpu == NULL)
    return;
  system = cpu->system;
  last = system->cpus[system->cpu_count - 1];
  x86_block_cache_flush (cpu);
  if (last != cpu)
    {
      /* It watches code under its old number. */
      x86_block_cache_flush (last);
      last->place = cpu->place;
      system->cpus[last->place] = last;
    }
  system->cpu_count--;
  x86_accel_remove_cpu (cpu);
  x86_decoder_free (cpu);
  x86_tlb_free (cpu);
  x86_block_cache_free (cpu->cache);
  g_hash_table_unref (cpu->code_stored);
  g_hash_table_unref (cpu->code_protected);
  g_aligned_free (cpu->code_copy);
  g_mutex_clear (&cpu->code_lock);
  hide_from_sanitizer (cpu);
  munmap (cpu, sizeof *cpu);
}

/* --- Reset, INIT, SIPI --- */

static void
reset_common (X86Cpu *cpu)
{
  uint32_t out[4];

  for (unsigned i = 0; i < X86_REG_COUNT; i++)
    cpu->r[i] = 0;
  x86_cpuid (cpu, 1, 0, out);
  cpu->r[X86_RDX] = out[0];
  cpu->r[X86_RIP] = 0xfff0;
  cpu->eflags = 0;
  x86_set_arith_flags (cpu, 0);
  for (unsigned i = 0; i < X86_SEG_COUNT; i++)
    cpu->seg[i] = (X86Seg) { .sel = 0, .limit = 0xffff,
                             .attr = X86_SEG_P | X86_SEG_S | X86_SEG_WRITABLE | X86_SEG_ACCESSED };
  cpu->seg[X86_CS].sel = 0xf000;
  cpu->r[X86_SEGBASE + X86_CS] = 0xffff0000u;
  cpu->gdtr = cpu->idtr = (X86Table) { .limit = 0xffff };
  cpu->ldtr = (X86Table) { .limit = 0xffff, .attr = X86_SEG_P | X86_SYS_LDT };
  cpu->tr = (X86Table) { .limit = 0xffff, .attr = X86_SEG_P | X86_SYS_TSS32_BUSY };
  cpu->cr0 = (cpu->cr0 & (X86_CR0_CD | X86_CR0_NW)) | X86_CR0_ET;
  cpu->cr2 = cpu->cr3 = cpu->cr4 = cpu->cr8 = 0;
  cpu->msr.efer = 0;
  memset (cpu->dr, 0, sizeof cpu->dr);
  cpu->dr[6] = 0xffff0ff0u;
  cpu->dr[7] = 0x400;
  cpu->cpl = 0;
  cpu->shadow = cpu->nmi_masked = cpu->delivering = 0;
  cpu->injection.kind = X86_INJECT_NONE;
  cpu->halted = cpu->index == 0 ? X86_HALT_NONE : X86_HALT_SIPI;
  x86_forget_ram (cpu);
  x86_tlb_flush_all (cpu);
  x86_update_mode (cpu);
}

void
x86_cpu_reset (X86Cpu *cpu)
{
  x86_msr_reset (cpu);
  cpu->cr0 = X86_CR0_CD | X86_CR0_NW;
  cpu->xcr0 = 1;
  memset (cpu->vec, 0, sizeof cpu->vec);
  cpu->mxcsr = 0x1f80;
  memset (&cpu->fpu, 0, sizeof cpu->fpu);
  cpu->fpu.fcw = 0x40;
  x86_fp_update (cpu);
  cpu->a20_mask = ~(uint64_t) 0;
  __atomic_store_n (&cpu->pending, 0, __ATOMIC_SEQ_CST);
  reset_common (cpu);
  x86_block_cache_flush (cpu);
}

void
x86_cpu_init (X86Cpu *cpu)
{
  x86_cpu_raise (cpu, X86_REQ_INIT);
}

void
x86_take_init (X86Cpu *cpu)
{
  reset_common (cpu);
}

void
x86_take_sipi (X86Cpu *cpu)
{
  if (cpu->halted != X86_HALT_SIPI)
    return;
  x86_seg_commit_real (cpu, X86_CS, (uint16_t) (cpu->sipi_vector << 8));
  cpu->r[X86_RIP] = 0;
  cpu->halted = X86_HALT_NONE;
  x86_update_mode (cpu);
}

void
x86_cpu_sipi (X86Cpu *cpu, uint8_t vector)
{
  __atomic_store_n (&cpu->sipi_vector, vector, __ATOMIC_SEQ_CST);
  x86_cpu_raise (cpu, X86_REQ_SIPI);
}

void
x86_cpu_set_a20 (X86Cpu *cpu, gboolean enabled)
{
  uint64_t mask = enabled ? ~(uint64_t) 0 : ~((uint64_t) 1 << 20);

  if (__atomic_exchange_n (&cpu->a20_mask, mask, __ATOMIC_SEQ_CST) != mask)
    {
      x86_cpu_raise (cpu, X86_REQ_TLB_FLUSH);
      if (cpu->system->accel->memory_changed != NULL)
        cpu->system->accel->memory_changed (cpu->system);
    }
}

/* --- Looking into it --- */

void
x86_cpu_counters (const X86Cpu *cpu, X86Counters *counters)
{
  *counters = cpu->counters;
  counters->instructions = cpu->retired;
  counters->code_bytes = x86_jit_code_bytes (cpu);
  x86_kvm_add_counters (cpu, counters);
}

unsigned
x86_cpu_index (const X86Cpu *cpu)
{
  return cpu->index;
}

void
x86_cpu_dump (X86Cpu *cpu, GString *out)
{
  static const char *const names[16] = { "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                         "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15" };
  static const char *const segs[X86_SEG_COUNT] = { "es", "cs", "ss", "ds", "fs", "gs" };

  g_string_append_printf (out, "cpu %u: rip %016" G_GINT64_MODIFIER "x eflags %08x cpl %u mode %04x%s\n", cpu->index,
                          cpu->r[X86_RIP], x86_get_eflags (cpu), cpu->cpl, cpu->mode,
                          cpu->halted == X86_HALT_NONE ? "" : " halted");
  for (unsigned i = 0; i < 16; i++)
    g_string_append_printf (out, "%s %016" G_GINT64_MODIFIER "x%c", names[i], cpu->r[i], i % 4 == 3 ? '\n' : ' ');
  for (unsigned i = 0; i < X86_SEG_COUNT; i++)
    g_string_append_printf (out, "%s %04x base %016" G_GINT64_MODIFIER "x limit %08x attr %05x\n", segs[i],
                            cpu->seg[i].sel, cpu->r[X86_SEGBASE + i], cpu->seg[i].limit, cpu->seg[i].attr);
  g_string_append_printf (out,
                          "gdt %016" G_GINT64_MODIFIER "x %04x idt %016" G_GINT64_MODIFIER
                          "x %04x ldt %04x tr %04x base %016" G_GINT64_MODIFIER "x\n",
                          cpu->gdtr.base, cpu->gdtr.limit, cpu->idtr.base, cpu->idtr.limit, cpu->ldtr.sel, cpu->tr.sel,
                          cpu->tr.base);
  g_string_append_printf (out,
                          "cr0 %08" G_GINT64_MODIFIER "x cr2 %016" G_GINT64_MODIFIER "x cr3 %016" G_GINT64_MODIFIER
                          "x cr4 %08" G_GINT64_MODIFIER "x efer %04" G_GINT64_MODIFIER "x\n",
                          cpu->cr0, cpu->cr2, cpu->cr3, cpu->cr4, cpu->msr.efer);
}
