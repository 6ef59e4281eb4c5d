/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The run loop: finds and runs blocks, and deals with what comes between them.
 * Specification: Intel SDM volume 3A, section 6.9 (Priority among Concurrent Events), chapter 17 (Debug).
 */

#include "engine/cpu/accel.h"
#include "engine/cpu/fp.h"
#include "engine/cpu/interp/interp.h"
#include "engine/cpu/jit/jit.h"

/* --- Mode --- */

static gboolean
data_is_flat (const X86Seg *seg)
{
  return seg->limit == 0xffffffff
         && (seg->attr & (X86_SEG_UNUSABLE | X86_SEG_CODE | X86_SEG_EXPAND_DOWN | X86_SEG_WRITABLE)) == X86_SEG_WRITABLE;
}

static uint32_t
mode_of (const X86Cpu *cpu)
{
  gboolean pe = x86_protected (cpu), vm86 = x86_vm86 (cpu);
  const X86Seg *seg = cpu->seg;
  uint32_t mode = 0;

  if (pe && x86_long_mode (cpu) && (seg[X86_CS].attr & X86_SEG_L))
    mode = X86_MODE_CODE64 | X86_MODE_FLAT | X86_MODE_CSFLAT | X86_MODE_FSFLAT | X86_MODE_GSFLAT | X86_MODE_STACK32;
  else
    {
      mode = seg[X86_CS].attr & X86_SEG_DB && !vm86 ? X86_MODE_CODE32 : X86_MODE_CODE16;
      if (seg[X86_SS].attr & X86_SEG_DB)
        mode |= X86_MODE_STACK32;
      if (pe && !vm86)
        {
          if (data_is_flat (&seg[X86_DS]) && data_is_flat (&seg[X86_ES]) && data_is_flat (&seg[X86_SS]))
            mode |= X86_MODE_FLAT;
          if (data_is_flat (&seg[X86_FS]))
            mode |= X86_MODE_FSFLAT;
          if (data_is_flat (&seg[X86_GS]))
            mode |= X86_MODE_GSFLAT;
        }
      if (seg[X86_CS].limit == 0xffffffff)
        mode |= X86_MODE_CSFLAT;
    }
  if (pe)
    mode |= X86_MODE_PE;
  if (vm86)
    mode |= X86_MODE_VM86;
  if (cpu->cpl == 0)
    mode |= X86_MODE_CPL0;
  if ((mode & X86_MODE_CODE64) || cpu->r[X86_SEGBASE + X86_CS] == 0)
    mode |= X86_MODE_CSZERO;
  if (!(cpu->cr0 & (X86_CR0_EM | X86_CR0_TS)))
    {
      mode |= X86_MODE_FPU;
      if (cpu->cr4 & X86_CR4_OSFXSR)
        mode |= X86_MODE_SSE;
    }
  if (!(cpu->cr0 & X86_CR0_TS) && (cpu->cr4 & X86_CR4_OSXSAVE) && (cpu->xcr0 & 6) == 6)
    mode |= X86_MODE_AVX;
  if (cpu->cpl == 3 && (cpu->cr0 & X86_CR0_AM) && (cpu->eflags & X86_FLAG_AC))
    mode |= X86_MODE_ALIGN;
  if (cpu->is_stepped || cpu->shadow || (cpu->eflags & X86_FLAG_TF) || (cpu->dr[7] & 0xff))
    mode |= X86_MODE_STEP;
  return mode;
}

void
x86_attend (X86Cpu *cpu)
{
  __atomic_store_n (&cpu->attention, 1, __ATOMIC_SEQ_CST);
  __atomic_store_n (&cpu->guard, NULL, __ATOMIC_SEQ_CST);
}

void
x86_update_mode (X86Cpu *cpu)
{
  cpu->mode = mode_of (cpu);
  cpu->mmu_index = (uint8_t) x86_mmu_for (cpu, cpu->cpl);
  cpu->tlb = cpu->tlbs + cpu->mmu_index * X86_TLB_SIZE;
  x86_update_code_key (cpu);
  if ((cpu->mode & X86_MODE_STEP) || ((cpu->eflags & X86_FLAG_IF) && __atomic_load_n (&cpu->pending, __ATOMIC_ACQUIRE)))
    x86_attend (cpu);
}

void
x86_set_eflags (X86Cpu *cpu, uint32_t value, uint32_t mask)
{
  if (mask & X86_FLAGS_ARITH)
    x86_set_arith_flags (cpu, (value & mask) | (x86_get_arith_flags (cpu) & ~mask));
  mask &= X86_FLAG_TF | X86_FLAG_IF | X86_FLAG_DF | X86_FLAG_IOPL | X86_FLAG_NT | X86_FLAG_RF | X86_FLAG_VM
          | X86_FLAG_AC | X86_FLAG_VIF | X86_FLAG_VIP | X86_FLAG_ID;
  cpu->eflags = (cpu->eflags & ~mask) | (value & mask);
}

/* --- Finding code --- */

/* Gathers the bytes of the instruction at @lin, at most @limit of them; returns how many. *@is_guess: as many as the one had
 * that was there before. */
static unsigned
gather_odd (X86Cpu *cpu, uint64_t lin, unsigned limit, uint8_t *bytes, gboolean *is_guess)
{
  unsigned want = limit;
  X86Op decoded[X86_BLOCK_OPS];
  unsigned have = 0, length;

  while (have < want)
    {
      uint64_t at = lin + have;
      X86TlbInfo *info;
      unsigned chunk;

      if (!x86_long_mode (cpu))
        at = (uint32_t) at;
      /* The second page matters only when the first does not hold the whole instruction. */
      if (have > 0 && !x86_odd_goes_on (cpu, lin, cpu->mode, bytes, have, &want)
          && x86_decode (cpu, bytes, have, TRUE, cpu->mode | X86_MODE_STEP, 1, decoded, &length) != 0)
        break;
      info = x86_translate (cpu, NULL, at, X86_ACCESS_EXEC, cpu->mmu_index);
      chunk = MIN (want - have, GUEST_PAGE_SIZE - (unsigned) (at & 0xfff));
      if (info->host != NULL)
        memcpy (bytes + have, info->host + (at & 0xfff), chunk);
      else
        {
          uint64_t phys = info->phys | (at & 0xfff);

          for (unsigned i = 0; i < chunk; i++)
            {
              const uint8_t *ram = x86_phys_ram (cpu, phys + i, FALSE);

              if (ram != NULL)
                bytes[have + i] = *ram;
              else
                {
                  if (cpu->ops->lock != NULL)
                    cpu->ops->lock (cpu->opaque);
                  bytes[have + i] = (uint8_t) memory_section_read (address_space_lookup (cpu->memory, phys + i), phys + i, 1);
                  if (cpu->ops->unlock != NULL)
                    cpu->ops->unlock (cpu->opaque);
                }
            }
        }
      have += chunk;
    }
  *is_guess = want < limit;
  return have;
}

/* An instruction that no block can hold: it crosses into another page, lies in MMIO, or ends at the segment's limit. Its
 * bytes are gathered and compared each time. */
static const X86Op *
find_odd (X86Cpu *cpu, uint64_t lin)
{
  uint64_t rip = cpu->r[X86_RIP];
  unsigned limit = 15, have, length = 0;
  gboolean is_guess;
  uint8_t bytes[16];
  const X86Op *ops;
  X86Op *slot, decoded[X86_BLOCK_OPS];
  unsigned count;

  if (!(cpu->mode & X86_MODE_CSFLAT) && cpu->seg[X86_CS].limit - rip < 14)
    limit = (unsigned) (cpu->seg[X86_CS].limit - rip) + 1;
  have = gather_odd (cpu, lin, limit, bytes, &is_guess);
  ops = x86_odd_find (cpu, lin, cpu->mode, bytes, have, &slot);
  if (ops != NULL)
    return ops;
  /* Other bytes may mean a longer instruction. */
  if (is_guess)
    have = gather_odd (cpu, lin, limit, bytes, &is_guess);
  count = x86_decode (cpu, bytes, have, FALSE, cpu->mode, 1, decoded, &length);
  memcpy (slot, decoded, count * sizeof (X86Op));
  /* With more bytes, behind another limit, it might have been an instruction. */
  if (decoded[0].fn != x86_op_gp0)
    x86_odd_set (cpu, slot, cpu->mode, bytes, length);
  return slot;
}

const X86Op *
x86_find_ops (X86Cpu *cpu)
{
  uint64_t rip = cpu->r[X86_RIP], lin = rip + cpu->r[X86_SEGBASE + X86_CS];
  gboolean is_flat = (cpu->mode & X86_MODE_CSFLAT) != 0;
  unsigned available, length, count;
  const uint8_t *host;
  X86TlbInfo *info;
  X86Block *block;
  X86Jump *jump, other;

  if (!(cpu->mode & X86_MODE_CODE64))
    lin = (uint32_t) lin;
  jump = x86_jump_entry (cpu, lin);
  if (x86_jump_is_valid (cpu, jump, lin))
    return jump->ops;
  /* Address spaces that take turns have their entries side by side. */
  other = *x86_jump_second (jump);
  *x86_jump_second (jump) = *jump;
  if (x86_jump_is_valid (cpu, &other, lin) && !x86_ops_are_dropped (other.ops))
    {
      *jump = other;
      return jump->ops;
    }

  if (!is_flat && rip > cpu->seg[X86_CS].limit)
    x86_raise_error (cpu, NULL, X86_EXC_GP, 0);
  info = x86_translate (cpu, NULL, lin, X86_ACCESS_EXEC, cpu->mmu_index);
  if (X86_UNLIKELY (info->host == NULL))
    return find_odd (cpu, lin);
  host = info->host + (lin & 0xfff);

  block = x86_block_find (cpu, host, cpu->mode);
  if (block == NULL)
    {
      X86Op ops[X86_BLOCK_OPS];
      const uint8_t *bytes = cpu->code_copy + (lin & 0xfff);

      if (!x86_code_page_watch (cpu, info->host))
        return find_odd (cpu, lin);
      available = GUEST_PAGE_SIZE - (unsigned) (lin & 0xfff);
      if (!is_flat && cpu->seg[X86_CS].limit - rip < available)
        {
          available = (unsigned) (cpu->seg[X86_CS].limit - rip) + 1;
          if (available < 15)
            return find_odd (cpu, lin);
        }
      memcpy (cpu->code_copy + (lin & 0xfff), host, MIN (available, X86_BLOCK_MAX * 15u));
      count = x86_decode (cpu, bytes, available, TRUE, cpu->mode, cpu->mode & X86_MODE_STEP ? 1 : X86_BLOCK_MAX, ops,
                          &length);
      block = count != 0 ? x86_block_add (cpu, host, cpu->mode, bytes, length, ops, count) : NULL;
      if (block == NULL)
        return find_odd (cpu, lin);
    }
  if (!is_flat && rip + block->length - 1 > cpu->seg[X86_CS].limit)
    return find_odd (cpu, lin);
  jump->lin = lin;
  jump->key = info->is_global ? cpu->global_key : cpu->code_key;
  jump->ops = block->ops;
  jump->native = cpu->jit_leave;
  return block->ops;
}

const X86Op *
x86_link_slow (X86Cpu *cpu, const X86Op **link)
{
  uint32_t flush_count = cpu->flush_count;
  const X86Op *ops = x86_find_ops (cpu);

  /* Linked targets lie in the page of the branch, where odd instructions may be only at the end; and an emptied arena has
   * taken the link away. */
  if (cpu->flush_count == flush_count && x86_jump_entry (cpu, cpu->r[X86_RIP] + cpu->r[X86_SEGBASE + X86_CS])->ops == ops)
    *link = ops;
  return ops;
}

/* --- Raising handlers --- */

const X86Op *
x86_op_ud (X86Cpu *cpu, const X86Op *op)
{
  x86_raise (cpu, op, X86_EXC_UD);
}

const X86Op *
x86_op_gp0 (X86Cpu *cpu, const X86Op *op)
{
  x86_raise_error (cpu, op, X86_EXC_GP, 0);
}

const X86Op *
x86_op_no_fpu (X86Cpu *cpu, const X86Op *op)
{
  x86_raise (cpu, op, X86_EXC_NM);
}

const X86Op *
x86_op_no_mmx (X86Cpu *cpu, const X86Op *op)
{
  x86_raise (cpu, op, cpu->cr0 & X86_CR0_EM ? X86_EXC_UD : X86_EXC_NM);
}

const X86Op *
x86_op_no_sse (X86Cpu *cpu, const X86Op *op)
{
  x86_raise (cpu, op, (cpu->cr0 & X86_CR0_EM) || !(cpu->cr4 & X86_CR4_OSFXSR) ? X86_EXC_UD : X86_EXC_NM);
}

const X86Op *
x86_op_no_avx (X86Cpu *cpu, const X86Op *op)
{
  x86_raise (cpu, op, !(cpu->cr4 & X86_CR4_OSXSAVE) || (cpu->xcr0 & 6) != 6 ? X86_EXC_UD : X86_EXC_NM);
}

/* --- Events --- */

void
x86_cpu_raise (X86Cpu *cpu, uint32_t requests)
{
  __atomic_or_fetch (&cpu->pending, requests, __ATOMIC_SEQ_CST);
  x86_attend (cpu);
  if (cpu->system->accel->kick != NULL)
    cpu->system->accel->kick (cpu);
}

void
x86_cpu_lower (X86Cpu *cpu, uint32_t requests)
{
  __atomic_and_fetch (&cpu->pending, ~requests, __ATOMIC_SEQ_CST);
}

static gboolean
take (X86Cpu *cpu, uint32_t request)
{
  return (__atomic_fetch_and (&cpu->pending, ~request, __ATOMIC_SEQ_CST) & request) != 0;
}

gboolean
x86_cpu_has_work (X86Cpu *cpu)
{
  uint32_t pending = __atomic_load_n (&cpu->pending, __ATOMIC_SEQ_CST);

  if (pending & ~(uint32_t) (X86_REQ_INTR | X86_REQ_NMI))
    return TRUE;
  if (cpu->halted == X86_HALT_NONE)
    return TRUE;
  if (cpu->halted != X86_HALT_HLT)
    return FALSE;
  return ((pending & X86_REQ_NMI) && !cpu->nmi_masked) || ((pending & X86_REQ_INTR) && (cpu->eflags & X86_FLAG_IF));
}

/* What others did to memory and code. */
static void
take_cache_events (X86Cpu *cpu)
{
  if (take (cpu, X86_REQ_CODE))
    x86_code_take_events (cpu);
  if (take (cpu, X86_REQ_LOGGED))
    x86_tlb_find_logs (cpu);
  if (take (cpu, X86_REQ_CLEANED))
    x86_tlb_protect_logged (cpu);
  if (take (cpu, X86_REQ_TLB_FLUSH))
    {
      x86_forget_ram (cpu);
      x86_tlb_flush_all (cpu);
    }
}

/* Deals with everything pending. Returns TRUE when the loop shall leave, with *@why. */
static gboolean
handle_events (X86Cpu *cpu, X86Exit *why)
{
  uint32_t pending;

  __atomic_store_n (&cpu->guard, &cpu->attention, __ATOMIC_SEQ_CST);
  __atomic_store_n (&cpu->attention, 0, __ATOMIC_SEQ_CST);
  pending = __atomic_load_n (&cpu->pending, __ATOMIC_SEQ_CST);

  if (pending & X86_REQ_STOP)
    {
      take (cpu, X86_REQ_STOP);
      x86_alone_stop (cpu);
    }
  if (pending & (X86_REQ_CODE | X86_REQ_LOGGED | X86_REQ_CLEANED | X86_REQ_TLB_FLUSH))
    take_cache_events (cpu);
  if (cpu->halted == X86_HALT_SHUTDOWN)
    {
      *why = X86_EXIT_SHUTDOWN;
      return TRUE;
    }
  if (take (cpu, X86_REQ_EXIT))
    {
      x86_attend (cpu); /* look again at the rest next time */
      *why = X86_EXIT_KICKED;
      return TRUE;
    }
  if (take (cpu, X86_REQ_INIT))
    x86_take_init (cpu);
  if (take (cpu, X86_REQ_SIPI))
    x86_take_sipi (cpu);
  if (cpu->injection.kind != X86_INJECT_NONE)
    {
      cpu->halted = X86_HALT_NONE;
      x86_deliver_injection (cpu);
    }
  else if (cpu->halted != X86_HALT_SIPI && !cpu->shadow)
    {
      if ((pending & X86_REQ_NMI) && !cpu->nmi_masked)
        {
          take (cpu, X86_REQ_NMI);
          cpu->halted = X86_HALT_NONE;
          cpu->nmi_masked = TRUE;
          x86_deliver_event (cpu, X86_EXC_NMI, TRUE);
        }
      else if ((pending & X86_REQ_INTR) && (cpu->eflags & X86_FLAG_IF))
        {
          int vector;

          x86_fp_leave (cpu);
          vector = cpu->ops->interrupt_ack != NULL ? cpu->ops->interrupt_ack (cpu->opaque) : -1;

          if (vector >= 0)
            {
              cpu->halted = X86_HALT_NONE;
              cpu->counters.interrupts++;
              x86_deliver_event (cpu, (uint8_t) vector, TRUE);
            }
        }
    }
  if (cpu->halted != X86_HALT_NONE)
    {
      *why = X86_EXIT_HALTED;
      return TRUE;
    }
  return FALSE;
}

/* --- One instruction at a time --- */

static uint64_t
code_breakpoints (X86Cpu *cpu)
{
  uint64_t lin = cpu->r[X86_RIP] + cpu->r[X86_SEGBASE + X86_CS], hits = 0;

  if (!(cpu->mode & X86_MODE_CODE64))
    lin = (uint32_t) lin;
  for (unsigned i = 0; i < 4; i++)
    if (((cpu->dr[7] >> (i * 2)) & 3) && ((cpu->dr[7] >> (16 + i * 4)) & 3) == 0 && cpu->dr[i] == lin)
      hits |= (uint64_t) 1 << i;
  return hits;
}

static void
step (X86Cpu *cpu)
{
  uint64_t lin = cpu->r[X86_RIP] + cpu->r[X86_SEGBASE + X86_CS];
  const X86Op *op;

  if ((cpu->dr[7] & 0xff) && !(cpu->eflags & X86_FLAG_RF))
    {
      uint64_t hits = code_breakpoints (cpu);

      if (hits != 0)
        {
          cpu->dr[6] = (cpu->dr[6] & ~(uint64_t) 15) | hits;
          x86_raise (cpu, NULL, X86_EXC_DB);
        }
    }
  cpu->step_trap = (cpu->eflags & X86_FLAG_TF) != 0;
  cpu->shadow = 0;
  cpu->debug_hits = 0;
  cpu->eflags &= ~(uint32_t) X86_FLAG_RF;
  /* Attention stays on: no handler goes on to another block by itself. */
  x86_attend (cpu);
  op = x86_find_ops (cpu);
  if (x86_ops_are_dropped (op)) /* they would count as an instruction */
    {
      x86_jump_entry (cpu, cpu->mode & X86_MODE_CODE64 ? lin : (uint32_t) lin)->key = 0;
      op = x86_find_ops (cpu);
    }
  while (op != NULL)
    op = op->fn (cpu, op);

  x86_update_mode (cpu);
  /* After MOV SS the traps wait for the next instruction. */
  if (cpu->shadow != X86_SHADOW_MOV_SS && (cpu->debug_hits != 0 || cpu->step_trap))
    {
      uint64_t bits = cpu->debug_hits | (cpu->step_trap ? 1 << 14 : 0);

      cpu->halted = cpu->step_trap ? X86_HALT_NONE : cpu->halted;
      cpu->step_trap = FALSE;
      x86_debug_trap (cpu, bits);
    }
}

void
x86_interp_step (X86Cpu *cpu)
{
  x86_jit_begin (cpu);
  take_cache_events (cpu);
  cpu->is_stepped = TRUE;
  x86_update_mode (cpu);
  if (setjmp (cpu->fault_jump) == 0)
    {
      if (cpu->injection.kind != X86_INJECT_NONE)
        x86_deliver_injection (cpu);
      else
        step (cpu);
    }
  else
    {
      x86_fpu_discard (cpu);
      x86_deliver_fault (cpu);
    }
  cpu->is_stepped = FALSE;
  x86_update_mode (cpu);
  x86_fp_leave (cpu);
}

void
x86_interp_block (X86Cpu *cpu, gboolean attends)
{
  x86_jit_begin (cpu);
  take_cache_events (cpu);
  if (attends)
    x86_attend (cpu);
  else
    {
      __atomic_store_n (&cpu->guard, &cpu->attention, __ATOMIC_SEQ_CST);
      __atomic_store_n (&cpu->attention, 0, __ATOMIC_SEQ_CST);
    }
  switch (setjmp (cpu->fault_jump))
    {
    case 0:
      if (cpu->mode & X86_MODE_STEP)
        step (cpu);
      else
        for (const X86Op *op = x86_find_ops (cpu); op != NULL;)
          op = op->fn (cpu, op);
      break;
    case 2: /* x86_restart() */
      break;
    default:
      x86_fpu_discard (cpu);
      x86_deliver_fault (cpu);
      break;
    }
  x86_fp_leave (cpu);
}

void
x86_interp_interrupt (X86Cpu *cpu, uint8_t vector)
{
  cpu->halted = X86_HALT_NONE;
  take_cache_events (cpu);
  if (setjmp (cpu->fault_jump) == 0)
    x86_deliver_event (cpu, vector, TRUE);
  else
    x86_deliver_fault (cpu);
}

X86Exit
x86_interp_run (X86Cpu *cpu)
{
  X86Exit why = X86_EXIT_KICKED;

  __atomic_store_n (&cpu->is_running, 1, __ATOMIC_SEQ_CST);
  x86_attend (cpu);
  x86_jit_begin (cpu);
  switch (setjmp (cpu->fault_jump))
    {
    case 0:
    case 2: /* x86_restart() */
      break;
    default:
      x86_fpu_discard (cpu);
      x86_deliver_fault (cpu);
      break;
    }
  for (;;)
    {
      const X86Op *op;

      if (X86_UNLIKELY (__atomic_load_n (&cpu->attention, __ATOMIC_RELAXED)))
        {
          if (handle_events (cpu, &why))
            break;
          if (cpu->mode & X86_MODE_STEP)
            {
              step (cpu);
              continue;
            }
        }
      for (op = x86_find_ops (cpu); op != NULL;)
        op = op->fn (cpu, op);
    }
  x86_fp_leave (cpu);
  __atomic_store_n (&cpu->is_running, 0, __ATOMIC_SEQ_CST);
  x86_alone_left (cpu);
  return why;
}
