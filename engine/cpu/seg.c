/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Segment descriptors and registers, and stacks.
 * Specification: Intel SDM volume 3A, chapters 3 (Protected-Mode Memory Management) and 5 (Protection).
 */

#include "engine/cpu/cpu-private.h"

unsigned
x86_mmu_for (const X86Cpu *cpu, unsigned cpl)
{
  if (cpl == 3)
    return X86_MMU_USER;
  return (cpu->cr4 & X86_CR4_SMAP) && (cpu->eflags & X86_FLAG_AC) ? X86_MMU_KERNEL_AC : X86_MMU_KERNEL;
}

/* --- Descriptors --- */

gboolean
x86_desc_read (X86Cpu *cpu, const X86Op *op, uint16_t sel, X86Desc *desc)
{
  const X86Table *table = sel & 4 ? &cpu->ldtr : &cpu->gdtr;
  unsigned offset = sel & 0xfff8u;
  uint64_t raw;

  if ((sel & 4) && (cpu->ldtr.attr & X86_SEG_UNUSABLE))
    return FALSE;
  if (offset + 7 > table->limit)
    return FALSE;
  desc->addr = table->base + offset;
  if (!x86_long_mode (cpu))
    desc->addr = (uint32_t) desc->addr;
  raw = x86_sys_read (cpu, op, desc->addr, 8, X86_MMU_KERNEL);
  desc->lo = (uint32_t) raw;
  desc->hi = (uint32_t) (raw >> 32);
  return TRUE;
}

void
x86_desc_fetch (X86Cpu *cpu, const X86Op *op, uint16_t sel, X86Desc *desc, uint8_t vector)
{
  if (!x86_desc_read (cpu, op, sel, desc))
    x86_raise_error (cpu, op, vector, sel & 0xfffc);
}

void
x86_desc_set_accessed (X86Cpu *cpu, const X86Op *op, X86Desc *desc)
{
  if (desc->hi & (1 << 8))
    return;
  desc->hi |= 1 << 8;
  x86_sys_write (cpu, op, desc->addr + 5, (desc->hi >> 8) & 0xff, 1, X86_MMU_KERNEL);
}

void
x86_seg_commit (X86Cpu *cpu, unsigned seg, uint16_t sel, const X86Desc *desc)
{
  uint64_t base = x86_desc_base (desc);
  uint32_t limit = x86_desc_limit (desc);

  /* Code found through jump entries was checked against the old limit. */
  if (seg == X86_CS && (cpu->seg[X86_CS].limit != limit || cpu->r[X86_SEGBASE + X86_CS] != base))
    cpu->flush_count++;
  cpu->seg[seg].sel = sel;
  cpu->seg[seg].attr = x86_desc_attr (desc);
  cpu->seg[seg].limit = limit;
  cpu->r[X86_SEGBASE + seg] = base;
  if (seg == X86_CS && x86_long_mode (cpu) && (cpu->seg[seg].attr & X86_SEG_L))
    cpu->r[X86_SEGBASE + X86_CS] = 0;
}

void
x86_seg_commit_null (X86Cpu *cpu, unsigned seg, uint16_t sel)
{
  cpu->seg[seg].sel = sel;
  cpu->seg[seg].attr = X86_SEG_UNUSABLE | (seg == X86_SS ? (uint32_t) (sel & 3) << X86_SEG_DPL_SHIFT : 0);
  cpu->seg[seg].limit = 0;
  cpu->r[X86_SEGBASE + seg] = 0;
}

/* Real mode keeps limit and attributes, so that a limit loaded in protected mode stays ("unreal" mode); virtual-8086
 * mode sets them. */
void
x86_seg_commit_real (X86Cpu *cpu, unsigned seg, uint16_t sel)
{
  uint64_t base = (uint64_t) sel << 4;

  if (seg == X86_CS && cpu->r[X86_SEGBASE + X86_CS] != base)
    cpu->flush_count++;
  cpu->seg[seg].sel = sel;
  cpu->r[X86_SEGBASE + seg] = base;
  if (x86_vm86 (cpu))
    {
      cpu->seg[seg].limit = 0xffff;
      cpu->seg[seg].attr = X86_SEG_P | X86_SEG_S | X86_SEG_DPL | X86_SEG_WRITABLE | X86_SEG_ACCESSED;
    }
  else
    {
      cpu->seg[seg].attr &= ~(uint32_t) (X86_SEG_UNUSABLE | X86_SEG_DPL);
      if (seg == X86_CS)
        cpu->seg[seg].attr = (cpu->seg[seg].attr & ~(uint32_t) 0x1f) | X86_SEG_P | X86_SEG_S | X86_SEG_WRITABLE | X86_SEG_ACCESSED;
    }
}

void
x86_ss_check (X86Cpu *cpu, const X86Op *op, uint16_t sel, unsigned ring, uint8_t vector, X86Desc *desc)
{
  uint32_t error = sel & 0xfffc;

  if ((sel & 0xfffc) == 0)
    x86_raise_error (cpu, op, vector, error);
  x86_desc_fetch (cpu, op, sel, desc, vector);
  if ((sel & 3u) != ring || x86_desc_is_system (desc) || (x86_desc_type (desc) & (X86_SEG_CODE | X86_SEG_WRITABLE)) != X86_SEG_WRITABLE
      || x86_desc_dpl (desc) != ring)
    x86_raise_error (cpu, op, vector, error);
  if (!x86_desc_present (desc))
    x86_raise_error (cpu, op, X86_EXC_SS, error);
}

void
x86_seg_load (X86Cpu *cpu, const X86Op *op, unsigned seg, uint16_t sel)
{
  uint32_t error = sel & 0xfffc;
  X86Desc desc;

  if (!x86_protected (cpu) || x86_vm86 (cpu))
    {
      x86_seg_commit_real (cpu, seg, sel);
      return;
    }
  if (seg == X86_SS)
    {
      if (error == 0 && x86_code64 (cpu) && cpu->cpl < 3 && (sel & 3u) == cpu->cpl)
        {
          x86_seg_commit_null (cpu, seg, sel);
          return;
        }
      x86_ss_check (cpu, op, sel, cpu->cpl, X86_EXC_GP, &desc);
      x86_desc_set_accessed (cpu, op, &desc);
      x86_seg_commit (cpu, seg, sel, &desc);
      return;
    }
  if (error == 0)
    {
      x86_seg_commit_null (cpu, seg, sel);
      return;
    }
  x86_desc_fetch (cpu, op, sel, &desc, X86_EXC_GP);
  if (x86_desc_is_system (&desc) || (x86_desc_type (&desc) & (X86_SEG_CODE | X86_SEG_READABLE)) == X86_SEG_CODE)
    x86_raise_error (cpu, op, X86_EXC_GP, error);
  if ((x86_desc_type (&desc) & (X86_SEG_CODE | X86_SEG_CONFORMING)) != (X86_SEG_CODE | X86_SEG_CONFORMING)
      && (x86_desc_dpl (&desc) < (sel & 3u) || x86_desc_dpl (&desc) < cpu->cpl))
    x86_raise_error (cpu, op, X86_EXC_GP, error);
  if (!x86_desc_present (&desc))
    x86_raise_error (cpu, op, X86_EXC_NP, error);
  x86_desc_set_accessed (cpu, op, &desc);
  x86_seg_commit (cpu, seg, sel, &desc);
}

/* Base of a 16-byte system descriptor in long mode. */
static uint64_t
system_base (X86Cpu *cpu, const X86Op *op, const X86Desc *desc, uint16_t sel)
{
  uint64_t base = x86_desc_base (desc), high;

  if (!x86_long_mode (cpu))
    return base;
  if ((sel & 0xfff8u) + 15 > (sel & 4 ? cpu->ldtr.limit : cpu->gdtr.limit))
    x86_raise_error (cpu, op, X86_EXC_GP, sel & 0xfffc);
  high = x86_sys_read (cpu, op, desc->addr + 8, 8, X86_MMU_KERNEL);
  base |= high << 32;
  if (((high >> 40) & 0x1f) != 0 || !x86_is_canonical (base))
    x86_raise_error (cpu, op, X86_EXC_GP, sel & 0xfffc);
  return base;
}

void
x86_lldt (X86Cpu *cpu, const X86Op *op, uint16_t sel)
{
  uint32_t error = sel & 0xfffc;
  X86Desc desc;
  uint64_t base;

  if (error == 0)
    {
      cpu->ldtr = (X86Table) { .sel = sel, .attr = X86_SEG_UNUSABLE };
      return;
    }
  if (sel & 4)
    x86_raise_error (cpu, op, X86_EXC_GP, error);
  x86_desc_fetch (cpu, op, sel, &desc, X86_EXC_GP);
  if (!x86_desc_is_system (&desc) || x86_desc_type (&desc) != X86_SYS_LDT)
    x86_raise_error (cpu, op, X86_EXC_GP, error);
  if (!x86_desc_present (&desc))
    x86_raise_error (cpu, op, X86_EXC_NP, error);
  base = system_base (cpu, op, &desc, sel);
  cpu->ldtr = (X86Table) { .sel = sel, .attr = x86_desc_attr (&desc), .limit = x86_desc_limit (&desc), .base = base };
}

void
x86_ltr (X86Cpu *cpu, const X86Op *op, uint16_t sel)
{
  uint32_t error = sel & 0xfffc;
  X86Desc desc;
  uint64_t base;

  if (error == 0 || (sel & 4))
    x86_raise_error (cpu, op, X86_EXC_GP, error);
  x86_desc_fetch (cpu, op, sel, &desc, X86_EXC_GP);
  if (!x86_desc_is_system (&desc)
      || !(x86_desc_type (&desc) == X86_SYS_TSS32 || (x86_desc_type (&desc) == X86_SYS_TSS16 && !x86_long_mode (cpu))))
    x86_raise_error (cpu, op, X86_EXC_GP, error);
  if (!x86_desc_present (&desc))
    x86_raise_error (cpu, op, X86_EXC_NP, error);
  base = system_base (cpu, op, &desc, sel);
  desc.hi |= 1 << 9; /* busy */
  x86_sys_write (cpu, op, desc.addr + 4, desc.hi, 4, X86_MMU_KERNEL);
  cpu->tr = (X86Table) { .sel = sel, .attr = x86_desc_attr (&desc), .limit = x86_desc_limit (&desc), .base = base };
}

/* --- Stacks of inner rings --- */

void
x86_tss_stack (X86Cpu *cpu, const X86Op *op, unsigned ring, uint16_t *ss, uint32_t *esp)
{
  gboolean wide = (cpu->tr.attr & 8) != 0;
  uint32_t offset = wide ? 4 + ring * 8 : 2 + ring * 4;

  if ((cpu->tr.attr & X86_SEG_UNUSABLE) || offset + (wide ? 5 : 3) > cpu->tr.limit)
    x86_raise_error (cpu, op, X86_EXC_TS, cpu->tr.sel & 0xfffc);
  if (wide)
    {
      *esp = (uint32_t) x86_sys_read (cpu, op, cpu->tr.base + offset, 4, X86_MMU_KERNEL);
      *ss = (uint16_t) x86_sys_read (cpu, op, cpu->tr.base + offset + 4, 2, X86_MMU_KERNEL);
    }
  else
    {
      *esp = (uint32_t) x86_sys_read (cpu, op, cpu->tr.base + offset, 2, X86_MMU_KERNEL);
      *ss = (uint16_t) x86_sys_read (cpu, op, cpu->tr.base + offset + 2, 2, X86_MMU_KERNEL);
    }
}

uint64_t
x86_tss_stack64 (X86Cpu *cpu, const X86Op *op, unsigned slot)
{
  uint64_t rsp;

  if ((cpu->tr.attr & X86_SEG_UNUSABLE) || slot + 7 > cpu->tr.limit)
    x86_raise_error (cpu, op, X86_EXC_TS, cpu->tr.sel & 0xfffc);
  rsp = x86_sys_read (cpu, op, cpu->tr.base + slot, 8, X86_MMU_KERNEL);
  if (!x86_is_canonical (rsp))
    x86_raise_error (cpu, op, X86_EXC_SS, 0);
  return rsp;
}

/* --- Pushing and popping --- */

void
x86_stack_current (X86Cpu *cpu, const X86Op *op, X86Stack *stack)
{
  const X86Seg *ss = &cpu->seg[X86_SS];

  stack->cpu = cpu;
  stack->op = op;
  stack->sp = cpu->r[X86_RSP];
  stack->mmu = cpu->mmu_index;
  stack->error = 0;
  stack->is_flat = x86_code64 (cpu);
  if (stack->is_flat)
    {
      stack->base = 0;
      stack->mask = ~(uint64_t) 0;
    }
  else
    {
      stack->base = cpu->r[X86_SEGBASE + X86_SS];
      stack->mask = ss->attr & X86_SEG_DB ? 0xffffffff : 0xffff;
      stack->limit = ss->limit;
      stack->attr = ss->attr;
    }
}

static uint64_t
stack_linear (X86Stack *stack, uint64_t offset, unsigned size)
{
  X86Cpu *cpu = stack->cpu;
  uint64_t lin, last = offset + size - 1;

  if (stack->is_flat)
    {
      if (!x86_is_canonical (offset) || !x86_is_canonical (last))
        x86_raise_error (cpu, stack->op, X86_EXC_SS, stack->error);
      lin = offset;
    }
  else
    {
      if (stack->attr & X86_SEG_UNUSABLE)
        x86_raise_error (cpu, stack->op, X86_EXC_SS, stack->error);
      if ((stack->attr & (X86_SEG_CODE | X86_SEG_EXPAND_DOWN)) == X86_SEG_EXPAND_DOWN)
        {
          if (offset <= stack->limit || last > (stack->attr & X86_SEG_DB ? 0xffffffffu : 0xffffu))
            x86_raise_error (cpu, stack->op, X86_EXC_SS, stack->error);
        }
      else if (last > stack->limit)
        x86_raise_error (cpu, stack->op, X86_EXC_SS, stack->error);
      lin = (uint32_t) (stack->base + offset);
    }
  if ((cpu->mode & X86_MODE_ALIGN) && stack->mmu == X86_MMU_USER && (lin & (size - 1)))
    x86_raise_error (cpu, stack->op, X86_EXC_AC, 0);
  return lin;
}

void
x86_stack_push (X86Stack *stack, unsigned size, uint64_t value)
{
  uint64_t sp = (stack->sp - size) & stack->mask;

  x86_sys_write (stack->cpu, stack->op, stack_linear (stack, sp, size), value, size, stack->mmu);
  stack->sp = sp;
}

uint64_t
x86_stack_pop (X86Stack *stack, unsigned size)
{
  uint64_t sp = stack->sp & stack->mask, value;

  value = x86_sys_read (stack->cpu, stack->op, stack_linear (stack, sp, size), size, stack->mmu);
  stack->sp = (sp + size) & stack->mask;
  return value;
}

void
x86_stack_commit (X86Stack *stack)
{
  X86Cpu *cpu = stack->cpu;

  if (stack->mask == 0xffff)
    cpu->r[X86_RSP] = (cpu->r[X86_RSP] & ~(uint64_t) 0xffff) | (stack->sp & 0xffff);
  else
    cpu->r[X86_RSP] = stack->sp & stack->mask;
}
