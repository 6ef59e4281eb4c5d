/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The lock-step accelerator: see lockstep-private.h. */

#include "engine/cpu/lockstep/lockstep-private.h"

#include "engine/cpu/jit/jit.h"

#include <gio/gio.h>
#include <stdarg.h>
#include <string.h>

enum
{
  SLICE_US = 300,             /* how long the first processor runs */
  BREATH_US = 50,
  FOLLOW_MAX = 100000000,     /* blocks in which the second must get there */
  ALL_EVERY = 512,            /* slices after which all memory is compared */
  TRACE_SHOWN = 12, CODE_SHOWN = 3,
};

/* --- Both processors --- */

void
lockstep_lost (Side *side, const char *format, ...)
{
  va_list words;

  va_start (words, format);
  g_free (side->lockstep->problem);
  side->lockstep->problem = g_strdup_vprintf (format, words);
  va_end (words);
  longjmp (side->out, 1);
}

static void
load (Side *side, const GByteArray *state)
{
  g_autoptr (GError) error = NULL;
  size_t used;

  if (!x86_cpu_load (side->cpu, state->data, state->len, &used, &error))
    g_error ("%s", error->message);
  /* The board's line is followed, and what the first takes comes to the second out of the log. */
  x86_cpu_lower (side->cpu, ~(uint32_t) 0);
  x86_forget_ram (side->cpu);
  x86_tlb_flush_all (side->cpu);
}

/* --- The second processor follows --- */

/* How many general registers differ. */
static unsigned
distance (const uint64_t *a, const uint64_t *b)
{
  unsigned n = 0;

  for (unsigned i = 0; i < 16; i++)
    n += a[i] != b[i] && !flags_alike (a[i], b[i]);
  return n;
}

/* If nothing comes nearer, this is what differs. */
static void
note_nearest (Lockstep *ls, X86Cpu *cpu, const Snapshot *target, unsigned away)
{
  if (away >= ls->nearest_away)
    return;
  ls->nearest_away = away;
  snapshot_take (cpu, &ls->nearest);
  ls->nearest_log = ls->interpreted.next;
  ls->nearest_target = *target;
}

/* Whether @side, the second processor, is where the first was in state @target, but for undefined flags. */
static gboolean
is_at (Side *side, const Snapshot *target)
{
  X86Cpu *cpu = side->cpu;
  unsigned away;
  Snapshot now;

  /* Most blocks end elsewhere. */
  if (cpu->r[X86_RIP] != target->r[X86_RIP])
    return FALSE;
  away = distance (cpu->r, target->r);
  note_nearest (side->lockstep, cpu, target, away);
  if (away > 0)
    return FALSE;
  snapshot_take (cpu, &now);
  memcpy (now.r, target->r, 16 * sizeof now.r[0]);
  now.eflags = (now.eflags & ~(uint32_t) FLAGS_FREE) | (target->eflags & FLAGS_FREE);
  return snapshot_equal (&now, target);
}

static const Event *
next_event (const Side *side)
{
  const GArray *log = side->lockstep->log;

  return side->next < log->len ? &g_array_index (log, Event, side->next) : NULL;
}

/* Keeps the least that ever differed, for the report. */
static gboolean
memory_agrees (Lockstep *ls)
{
  enum { LOOKED_AT = 1000 };
  g_autoptr (GString) text = NULL;

  if (mirror_compare (ls, FALSE, NULL))
    return TRUE;
  if (ls->misses++ < LOOKED_AT)
    {
      text = g_string_new (NULL);
      mirror_compare (ls, FALSE, text);
      if (ls->miss == NULL || text->len < strlen (ls->miss))
        {
          g_free (ls->miss);
          ls->miss = g_strdup (text->str);
        }
    }
  return FALSE;
}

/* The first may have stopped within a repeated instruction that the second has at hand: only as many iterations are run
 * as the first did. FALSE: there is no such instruction. */
static gboolean
repeat_until (X86Cpu *cpu, const Snapshot *target)
{
  uint64_t rip = cpu->r[X86_RIP], mask, left, zero;
  gboolean tests;
  unsigned length = repeated_at (cpu, &mask, &tests, &zero);

  left = target->r[X86_RCX] & mask;
  if (length == 0 || (cpu->r[X86_RCX] & mask) <= left)
    return FALSE;
  cpu->r[X86_RCX] -= left;
  x86_interp_step (cpu);
  /* It is not over, unless a comparison or a fault ended it. */
  if (cpu->r[X86_RIP] == rip + length && (cpu->r[X86_RCX] & mask) == 0
      && !(tests && (x86_get_eflags (cpu) & X86_FLAG_ZF) != zero))
    cpu->r[X86_RIP] = rip;
  cpu->r[X86_RCX] += left;
  return TRUE;
}

static void
run_block (X86Cpu *cpu, const Snapshot *target)
{
  if (cpu->r[X86_RIP] == target->r[X86_RIP] && repeat_until (cpu, target))
    return;
  /* The first may have stopped within a block of the second. */
  if (target->r[X86_RIP] - cpu->r[X86_RIP] - 1 < X86_BLOCK_MAX * 15)
    x86_interp_step (cpu);
  else
    x86_interp_block (cpu, TRUE);
}

/* Runs blocks until the log is used up and everything is as with @target; @max blocks at most. */
static gboolean
follow (Side *side, const Snapshot *target, uint64_t max)
{
  Lockstep *ls = side->lockstep;

  if (setjmp (side->out) != 0)
    return FALSE;
  /* So that blocks end wherever the first may have looked for an interrupt. */
  x86_cpu_raise (side->cpu, X86_REQ_INTR);
  log_follow (side);
  for (uint64_t n = 0; n < max; n++)
    {
      /* Registers alone may have been the same before. */
      if (is_at (side, target) && next_event (side) == NULL && memory_agrees (ls))
        {
          memcpy (side->cpu->r, target->r, 16 * sizeof target->r[0]);
          x86_set_eflags (side->cpu, target->eflags, FLAGS_FREE);
          return TRUE;
        }
      if (side->cpu->halted != X86_HALT_NONE)
        break;
      ls->trace[ls->trace_count++ % TRACE] = side->cpu->r[X86_RIP];
      ls->blocks++;
      run_block (side->cpu, target);
    }
  if (next_event (side) != NULL)
    {
      char text[160];

      g_free (ls->problem);
      ls->problem = g_strdup_printf ("the translated processor %s; the interpreted one does not get there",
                                     event_describe (next_event (side), text, sizeof text));
    }
  return FALSE;
}

/* --- A difference --- */

static void
describe_trace (Lockstep *ls, GString *out)
{
  uint64_t shown = MIN (ls->trace_count, TRACE_SHOWN);
  X86Cpu *cpu = ls->interpreted.cpu;

  g_string_append (out, "the interpreted processor's last blocks:\n");
  for (uint64_t i = shown; i-- > 0;)
    {
      uint64_t rip = ls->trace[(ls->trace_count - 1 - i) % TRACE];

      if (i >= CODE_SHOWN)
        g_string_append_printf (out, "  %016" G_GINT64_MODIFIER "x …\n", rip);
      else
        disassemble_block (cpu, rip, cpu->r[X86_SEGBASE + X86_CS], out);
    }
}

static void
begin_again (Lockstep *ls)
{
  g_clear_pointer (&ls->problem, g_free);
  ls->trace_count = 0;
  ls->translated.next = ls->interpreted.next = 0;
  side_set_view (&ls->translated, ls->begin_view);
  side_set_view (&ls->interpreted, ls->begin_view);
  mirror_roll_back (ls);
  load (&ls->translated, ls->begin);
  load (&ls->interpreted, ls->begin);
}

/* One block of the first processor, out of the log. FALSE when it asks for what is not there. */
static gboolean
repeat_block (Side *side)
{
  if (setjmp (side->out) != 0)
    return FALSE;
  x86_interp_block (side->cpu, FALSE);
  return TRUE;
}

/* Runs the slice again, each of the first's blocks by itself, and the second after it. Whether they come to differ. */
static gboolean
find_block (Lockstep *ls, GString *out)
{
  enum { BLOCKS_MAX = 20000000, BEHIND_MAX = 100000 };
  Side *first = &ls->translated, *second = &ls->interpreted;
  gboolean found = FALSE;

  begin_again (ls);
  first->replays = TRUE;
  first->system->is_solo = TRUE;
  x86_jit_set_heat (first->cpu, 0);
  log_follow (first);
  for (uint64_t n = 0; !found && n < BLOCKS_MAX; n++)
    {
      uint64_t rip = first->cpu->r[X86_RIP];
      Snapshot snapshot, other;
      guint log_length = ls->log->len;

      if (!repeat_block (first))
        break;
      snapshot_take (first->cpu, &snapshot);
      /* The second must not run ahead of what the first has used of the log. */
      ls->log->len = first->next;
      found = !follow (second, &snapshot, BEHIND_MAX) || !mirror_compare (ls, FALSE, NULL);
      ls->log->len = log_length;
      if (found)
        {
          g_string_append_printf (out, "block %" G_GUINT64_FORMAT " of the slice differs, which begins at:\n", n);
          disassemble_block (second->cpu, rip, second->cpu->r[X86_SEGBASE + X86_CS], out);
          snapshot_take (second->cpu, &other);
          snapshot_describe (&snapshot, &other, out);
          mirror_compare (ls, TRUE, out);
        }
      memset (ls->trace, 0, sizeof ls->trace);
    }
  first->replays = FALSE;
  first->system->is_solo = FALSE;
  return found;
}

static void
report (Lockstep *ls, gboolean is_there, GString *differences)
{
  g_autoptr (GString) out = g_string_new (NULL);
  Snapshot now;

  g_string_append_printf (out, "lock-step: difference in slice %" G_GUINT64_FORMAT ", after %" G_GUINT64_FORMAT " blocks\n", ls->slices,
                          ls->blocks);
  if (ls->problem != NULL)
    g_string_append_printf (out, "%s\n", ls->problem);
  if (!is_there && ls->nearest_away != G_MAXUINT)
    {
      g_string_append_printf (out, "the interpreted processor was nearest after %u of %u events, with %u other general registers:\n",
                              ls->nearest_log, ls->log->len, ls->nearest_away);
      snapshot_describe (&ls->nearest_target, &ls->nearest, out);
    }
  if (!is_there && ls->misses > 0)
    g_string_append_printf (out, "all registers were right %" G_GUINT64_FORMAT " times, but not memory:\n%s", ls->misses, ls->miss);
  if (!is_there)
    {
      g_string_append (out, "where both stopped:\n");
      snapshot_take (ls->interpreted.cpu, &now);
      snapshot_describe (&ls->target, &now, out);
    }
  g_string_append (out, differences->str);
  describe_trace (ls, out);
  g_string_append (out, "the slice again, block by block:\n");
  if (!find_block (ls, out))
    g_string_append (out, "no difference then: it needs chained blocks, older translations or an older TLB\n");
  g_printerr ("%s", out->str);
  ls->failure = g_strdup_printf ("the translator and the interpreter differ in slice %" G_GUINT64_FORMAT "; standard error has more",
                                 ls->slices);
}

/* --- Slices --- */

static void
begin_slice (Lockstep *ls)
{
  log_clear (ls);
  ls->interpreted.next = ls->translated.next = 0;
  ls->trace_count = 0;
  ls->nearest_away = G_MAXUINT;
  ls->misses = 0;
  g_clear_pointer (&ls->miss, g_free);
  g_clear_pointer (&ls->problem, g_free);
  g_byte_array_set_size (ls->begin, 0);
  x86_cpu_save (ls->translated.cpu, ls->begin);
  g_clear_pointer (&ls->begin_view, g_array_unref);
  ls->begin_view = g_array_ref (ls->view);
  ls->in_slice = TRUE;
}

/* Ends the first processor's stays. */
static gpointer
metronome (gpointer data)
{
  Lockstep *ls = data;

  g_mutex_lock (&ls->lock);
  while (!ls->quit)
    {
      if (!ls->is_running)
        g_cond_wait (&ls->cond, &ls->lock);
      else if (!g_cond_wait_until (&ls->cond, &ls->lock, ls->slice_end) && ls->is_running)
        {
          x86_cpu_raise (ls->translated.cpu, X86_REQ_EXIT);
          ls->is_running = FALSE;
        }
    }
  g_mutex_unlock (&ls->lock);
  return NULL;
}

static void
set_running (Lockstep *ls, gboolean is_running)
{
  g_mutex_lock (&ls->lock);
  ls->is_running = is_running;
  ls->slice_end = g_get_monotonic_time () + SLICE_US;
  x86_cpu_lower (ls->translated.cpu, X86_REQ_EXIT);
  g_cond_signal (&ls->cond);
  g_mutex_unlock (&ls->lock);
}

/* The first processor's part. Whether it ended because an interrupt can be taken. */
static gboolean
run_first (Lockstep *ls, X86Exit *why)
{
  X86Cpu *cpu = ls->translated.cpu;

  *why = X86_EXIT_KICKED;
  if (setjmp (ls->translated.out) == 0)
    {
      set_running (ls, TRUE);
      *why = x86_interp_run (cpu);
      set_running (ls, FALSE);
      return FALSE;
    }
  set_running (ls, FALSE);
  __atomic_store_n (&cpu->is_running, 0, __ATOMIC_SEQ_CST);
  return TRUE;
}

static void
interrupt_both (Lockstep *ls)
{
  int vector = ls->cpu->ops->interrupt_ack (ls->cpu->opaque);

  if (vector < 0)
    return;
  ls->cpu->counters.interrupts++;
  x86_interp_interrupt (ls->translated.cpu, (uint8_t) vector);
  x86_interp_interrupt (ls->interpreted.cpu, (uint8_t) vector);
}

/* Both processors through one slice. FALSE: they differ. */
static gboolean
run_slice (Lockstep *ls, X86Exit *why)
{
  g_autoptr (GString) differences = g_string_new (NULL);
  gboolean wants_interrupt, is_there, is_equal = TRUE;

  begin_slice (ls);
  wants_interrupt = run_first (ls, why);
  snapshot_take (ls->translated.cpu, &ls->target);
  is_there = follow (&ls->interpreted, &ls->target, FOLLOW_MAX);
  if (!is_there || ls->slices % ALL_EVERY == 0)
    is_equal = mirror_compare (ls, TRUE, differences);
  ls->in_slice = FALSE;
  if (!is_there || !is_equal)
    {
      report (ls, is_there, differences);
      return FALSE;
    }
  if (wants_interrupt)
    interrupt_both (ls);
  mirror_commit (ls);
  ls->slices++;
  return TRUE;
}

static gboolean
take (X86Cpu *cpu, uint32_t request)
{
  return (__atomic_fetch_and (&cpu->pending, ~request, __ATOMIC_SEQ_CST) & request) != 0;
}

static void
lock (X86Cpu *cpu, gboolean on)
{
  void (*operation) (void *opaque) = on ? cpu->ops->lock : cpu->ops->unlock;

  if (operation != NULL)
    operation (cpu->opaque);
}

static X86Exit
lockstep_run (X86Cpu *cpu)
{
  Lockstep *ls = cpu->system->lockstep;
  X86Exit why = X86_EXIT_FAILED;

  while (ls->failure == NULL)
    {
      if (take (cpu, X86_REQ_EXIT))
        return X86_EXIT_KICKED;
      x86_cpu_lower (cpu, ~(uint32_t) X86_REQ_INTR);
      /* Devices on other threads wait meanwhile. */
      lock (cpu, TRUE);
      if (__atomic_load_n (&cpu->pending, __ATOMIC_SEQ_CST) & X86_REQ_INTR)
        x86_cpu_raise (ls->translated.cpu, X86_REQ_INTR);
      else
        x86_cpu_lower (ls->translated.cpu, X86_REQ_INTR);
      run_slice (ls, &why);
      lock (cpu, FALSE);
      /* The lock is not fair: whoever waits for it would not get it before it is taken again. */
      g_usleep (BREATH_US);
      /* For x86_cpu_has_work(). */
      cpu->halted = ls->translated.cpu->halted;
      cpu->eflags = ls->translated.cpu->eflags;
      if (ls->failure == NULL && why != X86_EXIT_KICKED)
        return why;
    }
  return X86_EXIT_FAILED;
}

static void
lockstep_kick (X86Cpu *cpu)
{
  Lockstep *ls = cpu->system->lockstep;

  if (ls->translated.cpu != NULL && (__atomic_load_n (&cpu->pending, __ATOMIC_SEQ_CST) & X86_REQ_EXIT))
    x86_cpu_raise (ls->translated.cpu, X86_REQ_EXIT);
}

/* --- State --- */

static void
lockstep_put_state (X86Cpu *cpu)
{
  Lockstep *ls = cpu->system->lockstep;
  g_autoptr (GByteArray) state = g_byte_array_new ();

  x86_cpu_save (cpu, state);
  load (&ls->translated, state);
  load (&ls->interpreted, state);
  mirror_copy_all (ls);
}

static void
lockstep_get_state (X86Cpu *cpu)
{
  Lockstep *ls = cpu->system->lockstep;
  g_autoptr (GByteArray) state = g_byte_array_new ();
  uint32_t pending = __atomic_load_n (&cpu->pending, __ATOMIC_SEQ_CST);
  g_autoptr (GError) error = NULL;
  size_t used;

  x86_cpu_save (ls->translated.cpu, state);
  if (!x86_cpu_load (cpu, state->data, state->len, &used, &error))
    g_error ("%s", error->message);
  __atomic_store_n (&cpu->pending, pending, __ATOMIC_SEQ_CST);
}

static void
lockstep_get_general (X86Cpu *cpu)
{
  memcpy (cpu->r, cpu->system->lockstep->translated.cpu->r, 16 * sizeof cpu->r[0]);
}

static void
lockstep_put_general (X86Cpu *cpu)
{
  memcpy (cpu->system->lockstep->translated.cpu->r, cpu->r, 16 * sizeof cpu->r[0]);
}

/* --- Memory --- */

static void
lockstep_memory_changed (X86System *system)
{
  Lockstep *ls = system->lockstep;
  GArray *view = view_take (system->memory);

  if (ls->view != NULL && view_equal (view, ls->view))
    {
      g_array_unref (view);
      return;
    }
  g_clear_pointer (&ls->view, g_array_unref);
  ls->view = view;
  side_set_view (&ls->translated, view);
  if (ls->in_slice)
    log_add (ls, EVENT_VIEW, 0, 0, 0)->view = g_array_ref (view);
  else
    side_set_view (&ls->interpreted, view);
}

/* A device wrote the board's memory. */
static void
memory_written (void *opaque, uint64_t gpa, uint64_t length)
{
  Lockstep *ls = opaque;
  g_autofree uint8_t *data = g_malloc (length);

  guest_memory_read (ls->front->memory, gpa, data, length);
  guest_memory_written (ls->translated.memory, gpa, length);
  if (ls->in_slice)
    log_add (ls, EVENT_MEMORY, gpa, 0, 0)->data = g_bytes_new_take (g_steal_pointer (&data), length);
  else
    mirror_written (&ls->interpreted, gpa, data, length);
}

/* Who reads a dirty log of the board's memory wants to see the first processor's next writes. */
static void
memory_cleaned (void *opaque)
{
  x86_cpu_raise (((Lockstep *) opaque)->translated.cpu, X86_REQ_CLEANED);
}

static const AddressSpaceListener listener = { .written = memory_written, .cleaned = memory_cleaned };

/* --- Life --- */

/* What the front's board does not offer is not offered behind it either. */
static void
choose_ops (Lockstep *ls)
{
  const X86HostOps *front = ls->cpu->ops;
  X86HostOps *ops = &ls->ops;

  *ops = lockstep_ops;
#define OFFER(operation) (ops->operation = front->operation != NULL ? ops->operation : NULL)
  OFFER (interrupt_ack);
  OFFER (tsc);
  OFFER (tsc_hz);
  OFFER (apic_base_get);
  OFFER (apic_base_set);
  OFFER (tpr_get);
  OFFER (tpr_set);
  OFFER (tsc_deadline_get);
  OFFER (tsc_deadline_set);
  OFFER (fpu_error);
#undef OFFER
}

static gboolean
open_side (Lockstep *ls, Side *side, const char *name, gboolean replays, GError **error)
{
  *side = (Side) { .lockstep = ls, .name = name, .replays = replays, .memory = address_space_new (),
                   .regions = g_ptr_array_new (), .proxies = g_ptr_array_new_with_free_func (g_free) };
  side->system = x86_system_new (side->memory);
  side->system->is_compared = TRUE;
  x86_system_set_count (side->system, ls->front->told_count);
  side->cpu = x86_cpu_new (side->system, ls->cpu->model, ls->cpu->index, &ls->ops, side, error);
  if (side->cpu == NULL)
    return FALSE;
  memcpy (side->cpu->features, ls->cpu->features, sizeof side->cpu->features);
  return TRUE;
}

static void
close_side (Side *side)
{
  if (side->memory == NULL)
    return;
  x86_cpu_free (side->cpu);
  x86_system_free (side->system);
  address_space_free (side->memory);
  g_ptr_array_unref (side->regions);
  g_ptr_array_unref (side->proxies);
}

static void
lockstep_destroy (X86Cpu *cpu)
{
  Lockstep *ls = g_steal_pointer (&cpu->system->lockstep);

  if (ls == NULL)
    return;
  g_mutex_lock (&ls->lock);
  ls->quit = TRUE;
  g_cond_signal (&ls->cond);
  g_mutex_unlock (&ls->lock);
  if (ls->metronome != NULL)
    g_thread_join (ls->metronome);
  address_space_remove_listener (ls->front->memory, ls);
  log_clear (ls);
  close_side (&ls->translated);
  close_side (&ls->interpreted);
  mirror_free (ls);
  g_array_unref (ls->log);
  g_clear_pointer (&ls->view, g_array_unref);
  g_clear_pointer (&ls->begin_view, g_array_unref);
  g_byte_array_unref (ls->begin);
  g_mutex_clear (&ls->lock);
  g_cond_clear (&ls->cond);
  g_free (ls->problem);
  g_free (ls->miss);
  g_free (ls->failure);
  g_free (ls);
}

static gboolean
lockstep_create (X86Cpu *cpu, GError **error)
{
  Lockstep *ls;

  if (cpu->system->cpu_count != 1)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED, "only machines with one processor run in lock-step");
      return FALSE;
    }
  ls = g_new0 (Lockstep, 1);
  ls->front = cpu->system;
  ls->cpu = cpu;
  ls->mirrors = g_array_new (FALSE, TRUE, sizeof (Mirror));
  ls->log = g_array_new (FALSE, TRUE, sizeof (Event));
  ls->begin = g_byte_array_new ();
  g_mutex_init (&ls->lock);
  g_cond_init (&ls->cond);
  cpu->system->lockstep = ls;
  choose_ops (ls);
  address_space_add_listener (cpu->memory, &listener, ls);
  if (!open_side (ls, &ls->translated, "translated", FALSE, error) || !open_side (ls, &ls->interpreted, "interpreted", TRUE, error)
      || !x86_system_set_accel (ls->translated.system, &x86_accel_jit, error))
    {
      lockstep_destroy (cpu);
      return FALSE;
    }
  ls->metronome = g_thread_new ("metronome", metronome, ls);
  return TRUE;
}

static const char *
lockstep_failure (const X86System *system)
{
  return system->lockstep->failure;
}

const X86Accel x86_accel_lockstep = {
  .name = "lockstep", .create = lockstep_create, .destroy = lockstep_destroy, .run = lockstep_run, .kick = lockstep_kick,
  .put_state = lockstep_put_state, .get_state = lockstep_get_state, .put_general = lockstep_put_general,
  .get_general = lockstep_get_general, .memory_changed = lockstep_memory_changed, .failure = lockstep_failure
};
