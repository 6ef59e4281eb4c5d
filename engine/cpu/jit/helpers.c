/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What translated code calls, through the thunks, everything saved. */

#include "engine/cpu/fp.h"
#include "engine/cpu/jit/jit-private.h"
#include "engine/cpu/jit/profile.h"

enum { MISSES = 8 /* of an instruction's memory in a window before it is looked up instead */ };

static const X86Op *
returned (X86Cpu *cpu, const X86Op *op)
{
  return op;
}

void
x86_jit_site_init (JitSite *site)
{
  site->ops[1] = (X86Op) { .fn = returned };
}

/* The unit's settings for translated code. FALSE: exceptions are unmasked, which only the interpreter sees to. */
static gboolean
prepare_sse (X86Cpu *cpu)
{
  if (cpu->sse_guard)
    x86_sse_prepare (cpu);
  return cpu->sse_guard == 0;
}

/* --- x87: the guest's registers in the host's unit, as FNSAVE and FRSTOR move them --- */

/* With an exception unmasked or pending the interpreter keeps the unit. */
static gboolean
x87_may_be_native (const X86Cpu *cpu)
{
  return (cpu->fpu.fcw & X86_FSW_FLAGS) == X86_FSW_FLAGS && !(cpu->fpu.fsw & X86_FSW_ES);
}

static void
x87_to_image (X86Cpu *cpu)
{
  uint32_t head[7] = { 0xffff0000 | cpu->fpu.fcw, 0xffff0000 | cpu->fpu.fsw, 0xffff0000 | x86_fpu_full_tags (cpu) };

  memcpy (cpu->jit_x87_image, head, sizeof head);
  for (unsigned i = 0; i < 8; i++)
    memcpy (cpu->jit_x87_image + sizeof head + i * 10, &cpu->fpu.st[(x86_fpu_top (cpu) + i) & 7], 10);
  cpu->jit_x87_rip = cpu->fpu.fip;
  cpu->jit_x87_rdp = cpu->fpu.fdp;
  cpu->jit_x87_op = cpu->fpu.fop;
  cpu->jit_x87_seg = X86_DS;
  cpu->jit_x87_parked = TRUE;
}

void
jit_x87_from_image (X86Cpu *cpu)
{
  uint32_t head[7];

  memcpy (head, cpu->jit_x87_image, sizeof head);
  cpu->fpu.fcw = (uint16_t) head[0];
  cpu->fpu.fsw = (uint16_t) head[1];
  cpu->fpu.ftag = x86_fpu_abridged_tags ((uint16_t) head[2]);
  cpu->fpu.fop = cpu->jit_x87_op;
  if (cpu->fpu.fip != cpu->jit_x87_rip)
    {
      cpu->fpu.fip = cpu->jit_x87_rip;
      cpu->fpu.fcs = cpu->seg[X86_CS].sel;
    }
  if (cpu->fpu.fdp != cpu->jit_x87_rdp)
    {
      cpu->fpu.fdp = cpu->jit_x87_rdp;
      cpu->fpu.fds = cpu->seg[cpu->jit_x87_seg].sel;
    }
  for (unsigned i = 0; i < 8; i++)
    memcpy (&cpu->fpu.st[(x86_fpu_top (cpu) + i) & 7], cpu->jit_x87_image + sizeof head + i * 10, 10);
  cpu->jit_x87_parked = FALSE;
}

static gboolean
prepare_x87 (X86Cpu *cpu)
{
  x86_fpu_release (cpu);
  if (!x87_may_be_native (cpu))
    return FALSE;
  x87_to_image (cpu);
  return TRUE;
}

/* What faults of the access are raised for. */
static const X86Op *
op_of_access (const JitSite *site)
{
  static const X86Op stack = { .segno = X86_SS };

  return site->is_stack ? &stack : &site->ops[0];
}

/* A fault in the window: lays in what is missing. FALSE: the instruction has to do without. */
static gboolean
fill_window (X86Cpu *cpu, JitSite *site, uint64_t lin)
{
  struct X86Jit *jit = cpu->jit;
  uint64_t second = (lin & X86_PAGE_MASK) + GUEST_PAGE_SIZE;
  gboolean done = FALSE, crosses = lin + site->size > second && (x86_code64 (cpu) || second == (uint32_t) second);
  const X86TlbInfo *info;

  /* What the instruction would raise before it looks for pages. */
  if (site->is_repeat && cpu->r[X86_RCX] == 0)
    return FALSE; /* it reaches no memory */
  if (site->is_copy)
    {
      uint64_t from = cpu->r[X86_RSI];

      done = jit_windows_fill (jit->windows, from, x86_translate (cpu, &site->ops[0], from, X86_ACCESS_READ, cpu->mmu_index));
    }
  if ((lin & site->aligned) || (crosses && !x86_is_canonical (second)))
    return FALSE;
  info = x86_translate (cpu, op_of_access (site), lin, (X86Access) site->access, cpu->mmu_index);
  done |= jit_windows_fill (jit->windows, lin, info);
  if (crosses)
    {
      info = x86_translate (cpu, op_of_access (site), second, (X86Access) site->access, cpu->mmu_index);
      done |= jit_windows_fill (jit->windows, second, info);
    }
  if (!done && ++site->misses >= MISSES)
    {
      site->window->looked_up |= (uint64_t) 1 << site->number;
      x86_jit_drop (cpu, site->window);
    }
  return done;
}

/* After an instruction that may have written the state's vector registers. */
static void
look_at_uppers (X86Cpu *cpu)
{
  uint64_t any = 0;

  if (cpu->jit_parked != JIT_VECTORS_ZERO)
    return;
  for (unsigned i = 0; i < G_N_ELEMENTS (cpu->vec); i++)
    any |= cpu->vec[i].q[2] | cpu->vec[i].q[3];
  if (any != 0)
    cpu->jit_parked = JIT_VECTORS_FULL;
}

static uint32_t
run_alone (X86Cpu *cpu, JitSite *site, uint64_t lin, uint32_t has_sse)
{
  struct X86Jit *jit = cpu->jit;
  const X86Op *next;

  jit_flags_from_host (cpu);
  cpu->r[X86_RIP] = site->rip;
  if (site->window != NULL && fill_window (cpu, site, lin))
    return JIT_RETRY;
  if (site->window == NULL && site->size > 0 && (lin & 0xfff) + site->size <= GUEST_PAGE_SIZE && !(lin & site->aligned))
    {
      const X86TlbEntry *entry = x86_tlb_entry (cpu, lin);

      x86_translate (cpu, op_of_access (site), lin, (X86Access) site->access, cpu->mmu_index);
      if ((site->access == X86_ACCESS_READ ? entry->tag_read : entry->tag_write) == ((lin & X86_PAGE_MASK) ^ cpu->tlb_key))
        {
          cpu->counters.refills++;
          return JIT_RETRY;
        }
    }
  jit_profile_site (jit, site);
  if (site->tail != NULL)
    {
      /* The op knows its place from the block's start. */
      cpu->r[X86_RIP] = site->rip - (site->tail->next - site->tail->len);
      if (site->tail->next == site->tail->len)
        jit->skip = jit_block_of (site->tail);
      cpu->jit_next = site->tail;
      return JIT_LEAVE;
    }
  next = site->ops[0].fn (cpu, &site->ops[0]);
  jit_flags_to_host (cpu);
  cpu->jit_next = NULL;
  if (next != &site->ops[1])
    {
      cpu->jit_next = next;
      return JIT_LEAVE;
    }
  cpu->r[X86_RIP] = site->next_rip;
  look_at_uppers (cpu);
  if (jit->is_dropped || (has_sse && !prepare_sse (cpu)))
    return JIT_LEAVE;
  return JIT_DONE;
}

uint32_t
jit_run_site (X86Cpu *cpu, JitSite *site, uint64_t lin, uint32_t has_sse)
{
  gboolean has_x87 = cpu->jit_x87_parked;
  uint32_t result;

  cpu->jit->is_dropped = FALSE;
  if (has_x87)
    jit_x87_from_image (cpu);
  result = run_alone (cpu, site, lin, has_sse);
  if (has_x87 && result != JIT_LEAVE && !prepare_x87 (cpu))
    {
      cpu->jit_next = NULL;
      return JIT_LEAVE;
    }
  return result;
}

/* Where a direct jump leads; NULL: to the interpreter. */
const uint8_t *
jit_link_edge (X86Cpu *cpu, JitEdge *edge)
{
  X86Block *block = x86_block_find (cpu, edge->host, edge->mode);

  cpu->r[X86_RIP] = edge->rip;
  if (block == NULL || cpu->system->is_solo)
    return NULL;
  for (JitBlock *to = block->translations; to != NULL; to = to->next)
    if (to->rip == edge->rip)
      {
        if (edge->host_jump != NULL && to->host_code != NULL)
          emit_patch (edge->host_jump, jit_write (cpu->jit, to->host_code));
        emit_patch (edge->jump, jit_write (cpu->jit, to->code));
        return to->code;
      }
  return NULL;
}

uint32_t
jit_enter_sse (X86Cpu *cpu)
{
  return prepare_sse (cpu);
}

uint32_t
jit_enter_x87 (X86Cpu *cpu)
{
  return prepare_x87 (cpu);
}
