/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Executable memory, faults in windows, and how blocks get there and away. */

#include "engine/cpu/jit/jit-private.h"
#include "engine/cpu/jit/profile.h"
#include "engine/memory/fault.h"

#include <errno.h>
#include <gio/gio.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#ifndef SS_AUTODISARM
#define SS_AUTODISARM (1u << 31) /* linux/signal.h, which cannot stand beside signal.h */
#endif

enum
{
  HOT = 24,                                    /* runs after which a block is translated */
  CODE_RESERVE = 64 << 10,                     /* room that one translation surely fits into */
  SIGNAL_STACK = 64 << 10
};

/* --- Memory --- */

/* Shared memory without a file can be had a second time from mremap(), and perf takes it for a compiler's. */
static gboolean
map_code (struct X86Jit *jit, GError **error)
{
  void *write = mmap (NULL, jit->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  void *exec = write != MAP_FAILED ? mremap (write, 0, jit->size, MREMAP_MAYMOVE) : MAP_FAILED;

  if (exec == MAP_FAILED || mprotect (exec, jit->size, PROT_READ | PROT_EXEC) < 0)
    {
      g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (errno), "cannot get executable memory for translated code: %s",
                   g_strerror (errno));
      if (exec != MAP_FAILED)
        munmap (exec, jit->size);
      if (write != MAP_FAILED)
        munmap (write, jit->size);
      return FALSE;
    }
  jit->write = write;
  jit->exec = exec;
  return TRUE;
}

/* --- Faults of translated code: in windows, and of divisions --- */

static __thread struct X86Jit *running;
static struct sigaction outer_fault, outer_stack_fault, outer_arithmetic;

/* Runs on the thread that executes translated code, which waits: everything it reads stands still. */
static void
on_fault (int signal_number, siginfo_t *info, void *context)
{
  greg_t *rip = &((ucontext_t *) context)->uc_mcontext.gregs[REG_RIP];
  const struct X86Jit *jit = running;
  const struct sigaction *outer = signal_number == SIGFPE   ? &outer_arithmetic
                                  : signal_number == SIGBUS ? &outer_stack_fault
                                                            : &outer_fault;

  if (jit != NULL && (uint64_t) *rip - (uintptr_t) jit->exec < jit->size)
    {
      uint32_t at = (uint32_t) ((uint64_t) *rip - (uintptr_t) jit->exec);
      guint low = 0, high = jit->accesses->len;

      while (low < high)
        {
          guint middle = (low + high) / 2;
          const JitAccess *access = &g_array_index (jit->accesses, JitAccess, middle);

          if (at < access->start)
            high = middle;
          else if (at >= access->end)
            low = middle + 1;
          else
            {
              *rip = (greg_t) (uintptr_t) (jit->exec + access->slow);
              return;
            }
        }
    }
  fault_pass_on (outer, signal_number, info, context);
}

/* One handler serves all processors of the process. */
static gboolean
catch_faults (GError **error)
{
  static gsize once;

  if (g_once_init_enter (&once))
    {
      struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER };
      gboolean done;

      sigemptyset (&action.sa_mask);
      /* SIGBUS is for addresses that are not canonical, if their base is the stack pointer. */
      done = sigaction (SIGSEGV, &action, &outer_fault) == 0 && sigaction (SIGBUS, &action, &outer_stack_fault) == 0
             && sigaction (SIGFPE, &action, &outer_arithmetic) == 0;
      g_once_init_leave (&once, done ? 1 : 2);
    }
  if (once != 1)
    g_set_error_literal (error, G_FILE_ERROR, G_FILE_ERROR_FAILED, "cannot catch the faults of translated code");
  return once == 1;
}

/* The calling thread's, for which nobody else has to see. */
static void
free_signal_stack (gpointer stack)
{
  stack_t none = { .ss_flags = SS_DISABLE }, now;

  if (sigaltstack (NULL, &now) == 0 && now.ss_sp == stack)
    sigaltstack (&none, NULL);
  g_free (stack);
}

/* Signals cannot be taken on the stack while the stack pointer is the guest's, nor may it be taken for one into the signal
 * stack (SS_AUTODISARM). */
static void
make_signal_stack (void)
{
  static GPrivate own = G_PRIVATE_INIT (free_signal_stack);
  stack_t stack = { .ss_flags = (int) SS_AUTODISARM, .ss_size = MAX ((size_t) sysconf (_SC_SIGSTKSZ), SIGNAL_STACK) }, now;

  if (sigaltstack (NULL, &now) == 0 && !(now.ss_flags & SS_DISABLE))
    return; /* a sanitizer's or a test's */
  stack.ss_sp = g_malloc (stack.ss_size);
  if (sigaltstack (&stack, NULL) != 0)
    g_error ("cannot set a stack for signals: %m");
  g_private_set (&own, stack.ss_sp);
}

void
x86_jit_begin (X86Cpu *cpu)
{
  static __thread gboolean has_stack;

  if (cpu->jit != NULL && !has_stack)
    {
      make_signal_stack ();
      has_stack = TRUE;
    }
  running = cpu->jit;
  if (cpu->jit != NULL)
    cpu->jit->is_fresh = TRUE;
}

/* --- Windows --- */

static inline JitWindows *
windows_of (X86Cpu *cpu)
{
  return cpu->jit != NULL ? cpu->jit->windows : NULL;
}

void
x86_jit_set_window_delay (X86Cpu *cpu, int64_t delay)
{
  if (windows_of (cpu) != NULL)
    jit_windows_set_delay (windows_of (cpu), delay);
}

uint32_t
x86_jit_window_mode (X86Cpu *cpu)
{
  return windows_of (cpu) != NULL ? jit_windows_mode (windows_of (cpu)) : 0;
}

void
x86_jit_tlb_flushed (X86Cpu *cpu, gboolean user_only)
{
  if (windows_of (cpu) != NULL)
    jit_windows_flush_all (windows_of (cpu), user_only);
}

void
x86_jit_new_key (X86Cpu *cpu, unsigned key)
{
  if (windows_of (cpu) != NULL)
    jit_windows_new_key (windows_of (cpu), key);
}

void
x86_jit_key_flushed (X86Cpu *cpu, unsigned key)
{
  if (windows_of (cpu) != NULL)
    jit_windows_flush_key (windows_of (cpu), key);
}

void
x86_jit_page_flushed (X86Cpu *cpu, uint64_t lin)
{
  if (windows_of (cpu) != NULL)
    jit_windows_flush_page (windows_of (cpu), lin);
}

void
x86_jit_page_protected (X86Cpu *cpu, const uint8_t *host_page)
{
  if (windows_of (cpu) != NULL)
    jit_windows_protect (windows_of (cpu), host_page);
}

void
x86_jit_find_logs (X86Cpu *cpu)
{
  if (windows_of (cpu) != NULL)
    jit_windows_find_logs (windows_of (cpu));
}

void
x86_jit_protect_logged (X86Cpu *cpu)
{
  if (windows_of (cpu) != NULL)
    jit_windows_protect_logged (windows_of (cpu));
}

void
x86_jit_set_heat (X86Cpu *cpu, unsigned runs)
{
  cpu->jit->heat = (uint8_t) MIN (runs, 255);
}

void *
jit_alloc (struct X86Jit *jit, size_t size)
{
  void *result = jit->arena + jit->arena_used;

  size = (size + 15) & ~(size_t) 15;
  if (jit->arena_used + size > jit->arena_size)
    return NULL;
  jit->arena_used += size;
  return result;
}

/* Translated code names the state by an address of 31 bits. */
static gboolean
has_short_address (const X86Cpu *cpu, GError **error)
{
  if ((uintptr_t) (cpu + 1) <= G_MAXINT32)
    return TRUE;
  g_set_error_literal (error, G_FILE_ERROR, G_FILE_ERROR_NOMEM,
                       "cannot translate code: no room for the processor's state below 2 GiB in the address space");
  return FALSE;
}

gboolean
x86_jit_enable (X86Cpu *cpu, GError **error)
{
  struct X86Jit *jit;

  if (cpu->jit != NULL)
    return TRUE;
  jit = g_new0 (struct X86Jit, 1);
  /* Address space; memory comes as it fills. */
  jit->size = jit->arena_size = (x86_code_share (cpu->system) * 3 / 8) & X86_PAGE_MASK;
  jit->heat = HOT;
  if (!has_short_address (cpu, error) || !catch_faults (error) || !map_code (jit, error))
    {
      g_free (jit);
      return FALSE;
    }
  jit->arena = mmap (NULL, jit->arena_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (jit->arena == MAP_FAILED)
    g_error ("no address space for translated code");
  jit->emit = (Emit) { .at = jit->write, .end = jit->write + jit->size, .state = (int32_t) (uintptr_t) cpu };
  jit->has_avx = x86_has (cpu, X86_FEAT_AVX);
  jit_make_thunks (jit);
  jit_name_thunks (cpu, jit);
  cpu->jit = jit;
  cpu->jit_leave = jit->leave;
  jit->scratch = jit_scratch_new ();
  jit->accesses = g_array_new (FALSE, FALSE, sizeof (JitAccess));
  jit->windows = jit_windows_new (cpu);
  x86_block_cache_flush (cpu);
  return TRUE;
}

void
x86_jit_free (X86Cpu *cpu)
{
  struct X86Jit *jit = cpu->jit;

  if (jit == NULL)
    return;
  munmap (jit->write, jit->size);
  munmap (jit->exec, jit->size);
  munmap (jit->arena, jit->arena_size);
  jit_windows_free (jit->windows);
  g_free (jit->scratch);
  g_array_unref (jit->accesses);
  g_free (jit);
  cpu->jit = NULL;
  cpu->jit_leave = NULL;
  /* Blocks count and enter what is gone now. */
  x86_block_cache_flush (cpu);
}

void
x86_jit_flush (X86Cpu *cpu)
{
  struct X86Jit *jit = cpu->jit;

  if (jit == NULL)
    return;
  cpu->counters.emptied += jit->emit.at != jit->thunks_end;
  jit->emit.at = jit->thunks_end;
  jit->emit.is_full = FALSE;
  jit->arena_used = 0;
  g_array_set_size (jit->accesses, 0);
  jit->skip = NULL;
}

size_t
x86_jit_code_bytes (const X86Cpu *cpu)
{
  return cpu->jit == NULL ? 0 : (size_t) (cpu->jit->emit.at - cpu->jit->thunks_end);
}

/* --- Blocks --- */

/* A block's translation at @rip, made now if it is hot. NULL: it is to be interpreted, or there is no room
 * (is_flushed). */
static G_GNUC_NO_INLINE JitBlock *
translation_of (X86Cpu *cpu, X86Block *block, uint64_t rip)
{
  struct X86Jit *jit = cpu->jit;
  gboolean useless = FALSE;
  JitBlock *to;

  if (block->heat < jit->heat)
    {
      block->heat++;
      return NULL;
    }
  to = jit->emit.at + CODE_RESERVE > jit->emit.end ? NULL : jit_translate (cpu, block, rip, &useless);
  if (to == NULL)
    {
      if (useless)
        block->ops[0].fn = block->first;
      else
        jit->is_flushed = TRUE;
      return NULL;
    }
  to->next = block->translations;
  block->translations = to;
  cpu->counters.translated++;
  jit_profile_block (cpu, to, jit_exec (jit, jit->emit.at));
  return to;
}

static G_GNUC_NO_INLINE const X86Op *
run_translation (X86Cpu *cpu, const X86Op *op, const JitBlock *to)
{
  uint64_t lin = cpu->mode & X86_MODE_CODE64 ? to->rip : (uint32_t) (to->rip + cpu->r[X86_SEGBASE + X86_CS]);
  X86Jump *jump = x86_jump_entry (cpu, lin);
  const X86Op *next;

  if (jump->lin == lin && jump->ops == op && !cpu->system->is_solo)
    jump->native = to->code;
  cpu->counters.entered++;
  jit_flags_to_host (cpu);
  /* Whoever raises sets attention first; looking again loses nothing. */
  if (X86_UNLIKELY (__atomic_load_n (&cpu->guard, __ATOMIC_RELAXED) == NULL))
    {
      __atomic_store_n (&cpu->guard, &cpu->attention, __ATOMIC_SEQ_CST);
      if (__atomic_load_n (&cpu->attention, __ATOMIC_SEQ_CST))
        __atomic_store_n (&cpu->guard, NULL, __ATOMIC_SEQ_CST);
    }
  if (cpu->mode & X86_MODE_WINDOW)
    {
      jit_windows_enter (cpu->jit->windows, cpu->jit->is_fresh);
      cpu->jit->is_fresh = FALSE;
    }
  next = cpu->jit->enter (cpu, to->code);
  if (cpu->jit_x87_parked)
    jit_x87_from_image (cpu);
  jit_flags_from_host (cpu);
  return next;
}

/* The first op of blocks that may be translated. */
X86_HANDLER (op_translated)
{
  struct X86Jit *jit = cpu->jit;
  X86Block *block = jit_block_of (op);
  JitBlock *to = block->translations;

  while (to != NULL && to->rip != cpu->r[X86_RIP])
    to = to->next;
  if (to == NULL)
    to = translation_of (cpu, block, cpu->r[X86_RIP]);
  if (X86_UNLIKELY (jit->is_flushed))
    {
      jit->is_flushed = FALSE;
      x86_block_cache_flush (cpu);
      X86_LEAVE;
    }
  if (to == NULL || jit->skip == block)
    {
      jit->skip = NULL;
      return block->first (cpu, op);
    }
  return run_translation (cpu, op, to);
}

void
x86_jit_watch (X86Cpu *cpu, X86Block *block)
{
  if (cpu->jit == NULL || (block->mode & (X86_MODE_STEP | X86_MODE_ALIGN)))
    return;
  block->first = block->ops[0].fn;
  block->ops[0].fn = op_translated;
}
