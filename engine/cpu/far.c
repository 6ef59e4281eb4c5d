/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Far jumps, calls and returns, and IRET.
 * Specification: Intel SDM volume 2 (CALL, IRET, JMP, RET); volume 3A, sections 5.8 and 20.
 */

#include "engine/cpu/cpu-private.h"

static void
check_offset (X86Cpu *cpu, const X86Op *op, const X86Desc *code, uint64_t offset)
{
  if (x86_long_mode (cpu) && (x86_desc_attr (code) & X86_SEG_L))
    {
      if (!x86_is_canonical (offset))
        x86_raise_error (cpu, op, X86_EXC_GP, 0);
    }
  else if (offset > x86_desc_limit (code))
    x86_raise_error (cpu, op, X86_EXC_GP, 0);
}

/* A code segment that is a direct target of JMP or CALL. */
static void
check_code (X86Cpu *cpu, const X86Op *op, uint16_t sel, X86Desc *desc)
{
  uint32_t error = sel & 0xfffc;

  if (x86_desc_type (desc) & X86_SEG_CONFORMING)
    {
      if (x86_desc_dpl (desc) > cpu->cpl)
        x86_raise_error (cpu, op, X86_EXC_GP, error);
    }
  else if ((sel & 3u) > cpu->cpl || x86_desc_dpl (desc) != cpu->cpl)
    x86_raise_error (cpu, op, X86_EXC_GP, error);
  if (!x86_desc_present (desc))
    x86_raise_error (cpu, op, X86_EXC_NP, error);
  if (x86_long_mode (cpu) && (x86_desc_attr (desc) & (X86_SEG_L | X86_SEG_DB)) == (X86_SEG_L | X86_SEG_DB))
    x86_raise_error (cpu, op, X86_EXC_GP, error);
}

static void
enter_code (X86Cpu *cpu, const X86Op *op, uint16_t sel, X86Desc *desc, unsigned ring, uint64_t offset)
{
  x86_desc_set_accessed (cpu, op, desc);
  x86_seg_commit (cpu, X86_CS, (uint16_t) ((sel & 0xfffc) | ring), desc);
  cpu->cpl = (uint8_t) ring;
  cpu->r[X86_RIP] = offset;
  x86_update_mode (cpu);
}

static gboolean
is_code (const X86Desc *desc)
{
  return !x86_desc_is_system (desc) && (x86_desc_type (desc) & X86_SEG_CODE);
}

/* A call gate's target and its checked code segment. */
static void
read_gate (X86Cpu *cpu, const X86Op *op, uint16_t sel, const X86Desc *gate, uint16_t *code_sel, uint64_t *offset,
           X86Desc *code)
{
  uint32_t error = sel & 0xfffc;
  gboolean wide = x86_long_mode (cpu);

  if (x86_desc_dpl (gate) < cpu->cpl || x86_desc_dpl (gate) < (sel & 3u))
    x86_raise_error (cpu, op, X86_EXC_GP, error);
  if (!x86_desc_present (gate))
    x86_raise_error (cpu, op, X86_EXC_NP, error);
  *code_sel = (uint16_t) (gate->lo >> 16);
  *offset = (gate->lo & 0xffff) | (x86_desc_type (gate) & 8 ? gate->hi & 0xffff0000 : 0);
  if (wide)
    {
      uint64_t high;

      if ((sel & 0xfff8u) + 15 > (sel & 4 ? cpu->ldtr.limit : cpu->gdtr.limit))
        x86_raise_error (cpu, op, X86_EXC_GP, error);
      high = x86_sys_read (cpu, op, gate->addr + 8, 8, X86_MMU_KERNEL);
      if ((high >> 40) & 0x1f)
        x86_raise_error (cpu, op, X86_EXC_GP, error);
      *offset |= high << 32;
    }
  error = *code_sel & 0xfffc;
  if (error == 0)
    x86_raise_error (cpu, op, X86_EXC_GP, 0);
  x86_desc_fetch (cpu, op, *code_sel, code, X86_EXC_GP);
  if (!is_code (code) || x86_desc_dpl (code) > cpu->cpl
      || (wide && (x86_desc_attr (code) & (X86_SEG_L | X86_SEG_DB)) != X86_SEG_L))
    x86_raise_error (cpu, op, X86_EXC_GP, error);
  if (!x86_desc_present (code))
    x86_raise_error (cpu, op, X86_EXC_NP, error);
}

/* JMP or CALL to a TSS or a task gate. */
static void
to_task (X86Cpu *cpu, const X86Op *op, uint16_t sel, X86Desc *desc, X86TaskSwitch how)
{
  if (x86_long_mode (cpu) || x86_desc_dpl (desc) < cpu->cpl || x86_desc_dpl (desc) < (sel & 3u))
    x86_raise_error (cpu, op, X86_EXC_GP, sel & 0xfffc);
  if (!x86_desc_present (desc))
    x86_raise_error (cpu, op, X86_EXC_NP, sel & 0xfffc);
  if (x86_desc_type (desc) == X86_SYS_TASK_GATE)
    {
      sel = (uint16_t) (desc->lo >> 16);
      if (sel & 4)
        x86_raise_error (cpu, op, X86_EXC_GP, sel & 0xfffc);
      x86_desc_fetch (cpu, op, sel, desc, X86_EXC_GP);
    }
  if (!x86_desc_is_system (desc) || (x86_desc_type (desc) != X86_SYS_TSS16 && x86_desc_type (desc) != X86_SYS_TSS32))
    x86_raise_error (cpu, op, X86_EXC_GP, sel & 0xfffc);
  if (!x86_desc_present (desc))
    x86_raise_error (cpu, op, X86_EXC_NP, sel & 0xfffc);
  x86_task_switch (cpu, op, sel, desc, how, x86_next_rip (cpu, op), NULL);
}

void
x86_far_jump (X86Cpu *cpu, const X86Op *op, uint16_t sel, uint64_t offset, unsigned size)
{
  X86Desc desc;

  if (!x86_protected (cpu) || x86_vm86 (cpu))
    {
      if (offset > cpu->seg[X86_CS].limit)
        x86_raise_error (cpu, op, X86_EXC_GP, 0);
      x86_seg_commit_real (cpu, X86_CS, sel);
      cpu->r[X86_RIP] = offset;
      x86_update_mode (cpu);
      return;
    }
  if ((sel & 0xfffc) == 0)
    x86_raise_error (cpu, op, X86_EXC_GP, 0);
  x86_desc_fetch (cpu, op, sel, &desc, X86_EXC_GP);
  if (is_code (&desc))
    {
      check_code (cpu, op, sel, &desc);
      check_offset (cpu, op, &desc, offset);
      enter_code (cpu, op, sel, &desc, cpu->cpl, offset);
      return;
    }
  if (!x86_desc_is_system (&desc))
    x86_raise_error (cpu, op, X86_EXC_GP, sel & 0xfffc);
  switch (x86_desc_type (&desc))
    {
    case X86_SYS_TSS16:
    case X86_SYS_TSS32:
    case X86_SYS_TASK_GATE:
      to_task (cpu, op, sel, &desc, X86_TASK_JUMP);
      return;
    case X86_SYS_CALL16:
    case X86_SYS_CALL32:
      {
        X86Desc code;
        uint16_t code_sel;

        if (x86_long_mode (cpu) && x86_desc_type (&desc) == X86_SYS_CALL16)
          break;
        read_gate (cpu, op, sel, &desc, &code_sel, &offset, &code);
        if (!(x86_desc_type (&code) & X86_SEG_CONFORMING) && x86_desc_dpl (&code) != cpu->cpl)
          x86_raise_error (cpu, op, X86_EXC_GP, code_sel & 0xfffc);
        check_offset (cpu, op, &code, offset);
        enter_code (cpu, op, code_sel, &code, cpu->cpl, offset);
        return;
      }
    default:
      break;
    }
  x86_raise_error (cpu, op, X86_EXC_GP, sel & 0xfffc);
}

/* Through a call gate to an inner ring: a new stack with the old one and the parameters on it. */
static void
call_inner (X86Cpu *cpu, const X86Op *op, const X86Desc *gate, uint16_t code_sel, X86Desc *code, uint64_t offset)
{
  unsigned ring = x86_desc_dpl (code), size = x86_long_mode (cpu) ? 8 : x86_desc_type (gate) & 8 ? 4 : 2;
  X86Stack stack = { .cpu = cpu, .op = op, .mmu = X86_MMU_KERNEL };
  X86Desc ss_desc = { 0 };
  uint16_t ss = (uint16_t) ring;
  uint32_t esp = 0;

  if (size == 8)
    {
      stack.mask = ~(uint64_t) 0;
      stack.is_flat = TRUE;
      stack.sp = x86_tss_stack64 (cpu, op, 4 + ring * 8);
      x86_stack_push (&stack, 8, cpu->seg[X86_SS].sel);
      x86_stack_push (&stack, 8, cpu->r[X86_RSP]);
    }
  else
    {
      unsigned parameters = gate->hi & 31;
      uint32_t copy[31];
      X86Stack old;

      x86_tss_stack (cpu, op, ring, &ss, &esp);
      x86_ss_check (cpu, op, ss, ring, X86_EXC_TS, &ss_desc);
      stack.base = x86_desc_base (&ss_desc);
      stack.limit = x86_desc_limit (&ss_desc);
      stack.attr = x86_desc_attr (&ss_desc);
      stack.mask = stack.attr & X86_SEG_DB ? 0xffffffff : 0xffff;
      stack.sp = esp;
      stack.error = ss & 0xfffc;
      x86_stack_current (cpu, op, &old);
      for (unsigned i = 0; i < parameters; i++)
        copy[i] = (uint32_t) x86_stack_pop (&old, size);
      x86_stack_push (&stack, size, cpu->seg[X86_SS].sel);
      x86_stack_push (&stack, size, cpu->r[X86_RSP]);
      for (unsigned i = parameters; i > 0; i--)
        x86_stack_push (&stack, size, copy[i - 1]);
    }
  x86_stack_push (&stack, size, cpu->seg[X86_CS].sel);
  x86_stack_push (&stack, size, x86_next_rip (cpu, op));
  check_offset (cpu, op, code, offset);

  if (size == 8)
    {
      x86_seg_commit_null (cpu, X86_SS, ss);
      cpu->r[X86_RSP] = stack.sp;
    }
  else
    {
      x86_desc_set_accessed (cpu, op, &ss_desc);
      x86_seg_commit (cpu, X86_SS, ss, &ss_desc);
      cpu->r[X86_RSP] = esp;
      x86_stack_commit (&stack);
    }
  enter_code (cpu, op, code_sel, code, ring, offset);
}

void
x86_far_call (X86Cpu *cpu, const X86Op *op, uint16_t sel, uint64_t offset, unsigned size)
{
  X86Stack stack;
  X86Desc desc;

  if (!x86_protected (cpu) || x86_vm86 (cpu))
    {
      x86_stack_current (cpu, op, &stack);
      if (offset > cpu->seg[X86_CS].limit)
        x86_raise_error (cpu, op, X86_EXC_GP, 0);
      x86_stack_push (&stack, size, cpu->seg[X86_CS].sel);
      x86_stack_push (&stack, size, x86_next_rip (cpu, op));
      x86_stack_commit (&stack);
      x86_seg_commit_real (cpu, X86_CS, sel);
      cpu->r[X86_RIP] = offset;
      x86_update_mode (cpu);
      return;
    }
  if ((sel & 0xfffc) == 0)
    x86_raise_error (cpu, op, X86_EXC_GP, 0);
  x86_desc_fetch (cpu, op, sel, &desc, X86_EXC_GP);
  if (is_code (&desc))
    {
      check_code (cpu, op, sel, &desc);
      x86_stack_current (cpu, op, &stack);
      x86_stack_push (&stack, size, cpu->seg[X86_CS].sel);
      x86_stack_push (&stack, size, x86_next_rip (cpu, op));
      check_offset (cpu, op, &desc, offset);
      x86_stack_commit (&stack);
      enter_code (cpu, op, sel, &desc, cpu->cpl, offset);
      return;
    }
  if (!x86_desc_is_system (&desc))
    x86_raise_error (cpu, op, X86_EXC_GP, sel & 0xfffc);
  switch (x86_desc_type (&desc))
    {
    case X86_SYS_TSS16:
    case X86_SYS_TSS32:
    case X86_SYS_TASK_GATE:
      to_task (cpu, op, sel, &desc, X86_TASK_CALL);
      return;
    case X86_SYS_CALL16:
    case X86_SYS_CALL32:
      {
        X86Desc code;
        uint16_t code_sel;

        if (x86_long_mode (cpu) && x86_desc_type (&desc) == X86_SYS_CALL16)
          break;
        read_gate (cpu, op, sel, &desc, &code_sel, &offset, &code);
        if (!(x86_desc_type (&code) & X86_SEG_CONFORMING) && x86_desc_dpl (&code) < cpu->cpl)
          {
            call_inner (cpu, op, &desc, code_sel, &code, offset);
            return;
          }
        size = x86_long_mode (cpu) ? 8 : x86_desc_type (&desc) & 8 ? 4 : 2;
        x86_stack_current (cpu, op, &stack);
        x86_stack_push (&stack, size, cpu->seg[X86_CS].sel);
        x86_stack_push (&stack, size, x86_next_rip (cpu, op));
        check_offset (cpu, op, &code, offset);
        x86_stack_commit (&stack);
        enter_code (cpu, op, code_sel, &code, cpu->cpl, offset);
        return;
      }
    default:
      break;
    }
  x86_raise_error (cpu, op, X86_EXC_GP, sel & 0xfffc);
}

/* Data segments that the outer ring may not use are emptied. */
static void
drop_inner_segments (X86Cpu *cpu)
{
  static const uint8_t segs[] = { X86_ES, X86_DS, X86_FS, X86_GS };

  for (unsigned i = 0; i < G_N_ELEMENTS (segs); i++)
    {
      X86Seg *seg = &cpu->seg[segs[i]];
      gboolean conforming = (seg->attr & (X86_SEG_CODE | X86_SEG_CONFORMING)) == (X86_SEG_CODE | X86_SEG_CONFORMING);

      if (!(seg->attr & X86_SEG_UNUSABLE) && !conforming && ((seg->attr >> X86_SEG_DPL_SHIFT) & 3) < cpu->cpl)
        {
          uint64_t base = cpu->r[X86_SEGBASE + segs[i]];

          x86_seg_commit_null (cpu, segs[i], 0);
          if (x86_long_mode (cpu)) /* processors keep the hidden base of FS and GS */
            cpu->r[X86_SEGBASE + segs[i]] = base;
        }
    }
}

/* The tail of RET and IRET in protected mode: @stack stands behind CS (and EFLAGS). */
static void
return_to (X86Cpu *cpu, const X86Op *op, X86Stack *stack, uint16_t sel, uint64_t rip, unsigned size, unsigned release,
           const uint32_t *eflags)
{
  uint32_t error = sel & 0xfffc;
  unsigned ring = sel & 3, old = cpu->cpl;
  gboolean is_iret = eflags != NULL, to_64;
  X86Desc code, ss_desc = { 0 };
  gboolean outer;
  uint64_t rsp = 0;
  uint16_t ss = 0;

  if (error == 0)
    x86_raise_error (cpu, op, X86_EXC_GP, 0);
  x86_desc_fetch (cpu, op, sel, &code, X86_EXC_GP);
  if (!is_code (&code) || ring < old)
    x86_raise_error (cpu, op, X86_EXC_GP, error);
  if (x86_desc_type (&code) & X86_SEG_CONFORMING ? x86_desc_dpl (&code) > ring : x86_desc_dpl (&code) != ring)
    x86_raise_error (cpu, op, X86_EXC_GP, error);
  if (!x86_desc_present (&code))
    x86_raise_error (cpu, op, X86_EXC_NP, error);
  to_64 = x86_long_mode (cpu) && (x86_desc_attr (&code) & X86_SEG_L);
  if (to_64 && (x86_desc_attr (&code) & X86_SEG_DB))
    x86_raise_error (cpu, op, X86_EXC_GP, error);

  stack->sp = (stack->sp + release) & stack->mask;
  outer = ring > old;
  if (outer || (is_iret && x86_code64 (cpu)))
    {
      rsp = x86_stack_pop (stack, size);
      ss = (uint16_t) x86_stack_pop (stack, size);
      if ((ss & 0xfffc) == 0)
        {
          if (!to_64 || ring == 3 || (ss & 3u) != ring)
            x86_raise_error (cpu, op, X86_EXC_GP, 0);
        }
      else
        x86_ss_check (cpu, op, ss, ring, X86_EXC_GP, &ss_desc);
      check_offset (cpu, op, &code, rip);

      x86_desc_set_accessed (cpu, op, &code);
      if ((ss & 0xfffc) != 0)
        {
          x86_desc_set_accessed (cpu, op, &ss_desc);
          x86_seg_commit (cpu, X86_SS, ss, &ss_desc);
        }
      else
        x86_seg_commit_null (cpu, X86_SS, ss);
      if (to_64)
        cpu->r[X86_RSP] = rsp + (is_iret ? 0 : release);
      else if (cpu->seg[X86_SS].attr & X86_SEG_DB)
        cpu->r[X86_RSP] = (uint32_t) (rsp + (is_iret ? 0 : release));
      else
        cpu->r[X86_RSP] = (cpu->r[X86_RSP] & ~(uint64_t) 0xffff) | (uint16_t) (rsp + (is_iret ? 0 : release));
    }
  else
    {
      check_offset (cpu, op, &code, rip);
      x86_stack_commit (stack);
    }

  if (is_iret)
    {
      uint32_t mask = X86_FLAGS_ARITH | X86_FLAG_TF | X86_FLAG_DF | X86_FLAG_NT;

      if (size >= 4)
        mask |= X86_FLAG_RF | X86_FLAG_AC | X86_FLAG_ID;
      if (old <= x86_iopl (cpu))
        mask |= X86_FLAG_IF;
      if (old == 0)
        mask |= X86_FLAG_IOPL | (size >= 4 ? X86_FLAG_VIF | X86_FLAG_VIP : 0);
      x86_set_eflags (cpu, *eflags, mask);
    }
  x86_desc_set_accessed (cpu, op, &code);
  x86_seg_commit (cpu, X86_CS, sel, &code);
  cpu->cpl = (uint8_t) ring;
  cpu->r[X86_RIP] = rip;
  if (outer)
    drop_inner_segments (cpu);
  x86_update_mode (cpu);
}

void
x86_far_ret (X86Cpu *cpu, const X86Op *op, unsigned size, unsigned release)
{
  X86Stack stack;
  uint64_t rip;
  uint16_t sel;

  x86_stack_current (cpu, op, &stack);
  rip = x86_stack_pop (&stack, size);
  sel = (uint16_t) x86_stack_pop (&stack, size);
  if (!x86_protected (cpu) || x86_vm86 (cpu))
    {
      if (rip > cpu->seg[X86_CS].limit)
        x86_raise_error (cpu, op, X86_EXC_GP, 0);
      stack.sp += release;
      x86_stack_commit (&stack);
      x86_seg_commit_real (cpu, X86_CS, sel);
      cpu->r[X86_RIP] = rip;
      x86_update_mode (cpu);
      return;
    }
  return_to (cpu, op, &stack, sel, rip, size, release, NULL);
}

/* Back into virtual-8086 mode: six more words are on the stack. */
static void
return_to_vm86 (X86Cpu *cpu, X86Stack *stack, uint16_t cs, uint32_t eip, uint32_t eflags)
{
  static const uint8_t order[] = { X86_ES, X86_DS, X86_FS, X86_GS };
  uint32_t esp = (uint32_t) x86_stack_pop (stack, 4);
  uint16_t ss = (uint16_t) x86_stack_pop (stack, 4), sel[4];

  for (unsigned i = 0; i < 4; i++)
    sel[i] = (uint16_t) x86_stack_pop (stack, 4);
  x86_set_eflags (cpu, eflags, X86_FLAGS_ARITH | X86_FLAG_TF | X86_FLAG_IF | X86_FLAG_DF | X86_FLAG_IOPL | X86_FLAG_NT
                                 | X86_FLAG_RF | X86_FLAG_VM | X86_FLAG_AC | X86_FLAG_VIF | X86_FLAG_VIP | X86_FLAG_ID);
  x86_seg_commit_real (cpu, X86_CS, cs);
  x86_seg_commit_real (cpu, X86_SS, ss);
  for (unsigned i = 0; i < 4; i++)
    x86_seg_commit_real (cpu, order[i], sel[i]);
  cpu->flush_count++; /* the limit of CS changed */
  cpu->cpl = 3;
  cpu->r[X86_RIP] = eip & 0xffff;
  cpu->r[X86_RSP] = esp;
  x86_update_mode (cpu);
}

void
x86_iret (X86Cpu *cpu, const X86Op *op, unsigned size)
{
  X86Stack stack;
  uint64_t rip;
  uint32_t eflags;
  uint16_t sel;

  if (x86_vm86 (cpu) && x86_iopl (cpu) < 3)
    x86_raise_error (cpu, op, X86_EXC_GP, 0);
  if (x86_protected (cpu) && !x86_vm86 (cpu) && (cpu->eflags & X86_FLAG_NT))
    {
      X86Desc desc;

      if (x86_long_mode (cpu))
        x86_raise_error (cpu, op, X86_EXC_GP, 0);
      sel = (uint16_t) x86_sys_read (cpu, op, cpu->tr.base, 2, X86_MMU_KERNEL);
      if (sel & 4)
        x86_raise_error (cpu, op, X86_EXC_TS, sel & 0xfffc);
      x86_desc_fetch (cpu, op, sel, &desc, X86_EXC_TS);
      if (!x86_desc_is_system (&desc)
          || (x86_desc_type (&desc) != X86_SYS_TSS16_BUSY && x86_desc_type (&desc) != X86_SYS_TSS32_BUSY))
        x86_raise_error (cpu, op, X86_EXC_TS, sel & 0xfffc);
      if (!x86_desc_present (&desc))
        x86_raise_error (cpu, op, X86_EXC_NP, sel & 0xfffc);
      x86_task_switch (cpu, op, sel, &desc, X86_TASK_IRET, x86_next_rip (cpu, op), NULL);
      cpu->nmi_masked = FALSE;
      return;
    }

  x86_stack_current (cpu, op, &stack);
  rip = x86_stack_pop (&stack, size);
  sel = (uint16_t) x86_stack_pop (&stack, size);
  eflags = (uint32_t) x86_stack_pop (&stack, size);
  if (!x86_protected (cpu) || x86_vm86 (cpu))
    {
      uint32_t mask = X86_FLAGS_ARITH | X86_FLAG_TF | X86_FLAG_IF | X86_FLAG_DF | X86_FLAG_NT;

      if (rip > cpu->seg[X86_CS].limit)
        x86_raise_error (cpu, op, X86_EXC_GP, 0);
      if (!x86_vm86 (cpu))
        mask |= X86_FLAG_IOPL;
      if (size == 4)
        mask |= X86_FLAG_RF | X86_FLAG_AC | X86_FLAG_ID;
      x86_stack_commit (&stack);
      x86_set_eflags (cpu, eflags, mask);
      x86_seg_commit_real (cpu, X86_CS, sel);
      cpu->r[X86_RIP] = rip;
      x86_update_mode (cpu);
    }
  else if ((eflags & X86_FLAG_VM) && size == 4 && cpu->cpl == 0 && !x86_long_mode (cpu))
    return_to_vm86 (cpu, &stack, sel, (uint32_t) rip, eflags);
  else
    return_to (cpu, op, &stack, sel, rip, size, 0, &eflags);
  cpu->nmi_masked = FALSE;
  x86_attend (cpu);
}
