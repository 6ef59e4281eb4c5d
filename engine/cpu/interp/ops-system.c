/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The flags that guard interrupts, and fast system calls.
 * Specification: Intel SDM volume 2; volume 3A, chapter 5.
 */

#include "engine/cpu/interp/alu.h"

/* --- Flags --- */

/* In virtual-8086 mode IOPL guards CLI, STI, PUSHF and POPF. */
static void
check_iopl (X86Cpu *cpu, const X86Op *op)
{
  if (x86_protected (cpu) && cpu->cpl > x86_iopl (cpu))
    x86_raise_error (cpu, op, X86_EXC_GP, 0);
}

X86_HANDLER (op_cli)
{
  check_iopl (cpu, op);
  cpu->eflags &= ~(u32) X86_FLAG_IF;
  X86_NEXT;
}

const X86Op *
x86_op_sti_shadow (X86Cpu *cpu, const X86Op *op)
{
  check_iopl (cpu, op);
  if (!(cpu->eflags & X86_FLAG_IF))
    {
      cpu->eflags |= X86_FLAG_IF;
      cpu->shadow = X86_SHADOW_STI;
    }
  x86_update_mode (cpu);
  return x86_end_block (cpu, op);
}

/* The shadow matters only when something is pending: nothing that comes later is looked at before the block ends. */
const X86Op *
x86_op_sti (X86Cpu *cpu, const X86Op *op)
{
  check_iopl (cpu, op);
  if (__atomic_load_n (&cpu->pending, __ATOMIC_RELAXED) || (cpu->mode & X86_MODE_STEP))
    return x86_op_sti_shadow (cpu, op);
  cpu->eflags |= X86_FLAG_IF;
  X86_NEXT;
}

static void
check_vm86 (X86Cpu *cpu, const X86Op *op)
{
  if (x86_vm86 (cpu) && x86_iopl (cpu) < 3)
    x86_raise_error (cpu, op, X86_EXC_GP, 0);
}

static G_GNUC_NO_INLINE void
push_flags (X86Cpu *cpu, const X86Op *op)
{
  X86Stack stack;

  check_vm86 (cpu, op);
  x86_stack_current (cpu, op, &stack);
  x86_stack_push (&stack, op->size, x86_get_eflags (cpu) & ~(u32) (X86_FLAG_VM | X86_FLAG_RF));
  x86_stack_commit (&stack);
}

static G_GNUC_NO_INLINE void
pop_flags (X86Cpu *cpu, const X86Op *op)
{
  u32 mask = X86_FLAGS_ARITH | X86_FLAG_TF | X86_FLAG_DF | X86_FLAG_NT, value;
  X86Stack stack;

  check_vm86 (cpu, op);
  x86_stack_current (cpu, op, &stack);
  value = (u32) x86_stack_pop (&stack, op->size);
  x86_stack_commit (&stack);
  if (op->size >= 4)
    mask |= X86_FLAG_AC | X86_FLAG_ID;
  if (!x86_protected (cpu))
    mask |= X86_FLAG_IF | X86_FLAG_IOPL;
  else
    {
      if (cpu->cpl <= x86_iopl (cpu))
        mask |= X86_FLAG_IF;
      if (cpu->cpl == 0)
        mask |= X86_FLAG_IOPL;
    }
  x86_set_eflags (cpu, value, mask);
}

X86_HANDLER (op_pushf) { push_flags (cpu, op); X86_NEXT; }

X86_HANDLER (op_popf)
{
  u32 old = cpu->eflags, changed;

  pop_flags (cpu, op);
  changed = old ^ cpu->eflags;
  if ((changed & (X86_FLAG_TF | X86_FLAG_AC)) || (cpu->mode & X86_MODE_STEP)
      || ((changed & X86_FLAG_IF) && __atomic_load_n (&cpu->pending, __ATOMIC_RELAXED)))
    {
      x86_update_mode (cpu);
      return x86_end_block (cpu, op);
    }
  X86_NEXT;
}

static void
set_ac (X86Cpu *cpu, const X86Op *op, uint32_t ac)
{
  if (cpu->cpl != 0)
    x86_raise (cpu, op, X86_EXC_UD);
  cpu->eflags = (cpu->eflags & ~(u32) X86_FLAG_AC) | ac;
  cpu->mmu_index = (uint8_t) x86_mmu_for (cpu, 0);
  cpu->tlb = cpu->tlbs + cpu->mmu_index * X86_TLB_SIZE;
}

X86_HANDLER (op_stac) { set_ac (cpu, op, X86_FLAG_AC); X86_NEXT; }
X86_HANDLER (op_clac) { set_ac (cpu, op, 0); X86_NEXT; }

/* --- Fast system calls --- */

static void
flat_segment (X86Cpu *cpu, unsigned seg, uint16_t sel, uint32_t attr)
{
  /* Code found through jump entries was checked against the old limit. */
  if (seg == X86_CS && (cpu->seg[X86_CS].limit != 0xffffffff || cpu->r[X86_SEGBASE + X86_CS] != 0))
    cpu->flush_count++;
  cpu->seg[seg] = (X86Seg) { .sel = sel, .limit = 0xffffffff,
                             .attr = attr | X86_SEG_P | X86_SEG_S | X86_SEG_G | (uint32_t) (sel & 3) << X86_SEG_DPL_SHIFT };
  cpu->r[X86_SEGBASE + seg] = 0;
}

enum
{
  CODE = X86_SEG_CODE | X86_SEG_READABLE | X86_SEG_ACCESSED,
  DATA = X86_SEG_WRITABLE | X86_SEG_ACCESSED | X86_SEG_DB
};

static const X86Op *
enter_system (X86Cpu *cpu, const X86Op *op, uint8_t cpl, uint64_t rip)
{
  cpu->cpl = cpl;
  cpu->r[X86_RIP] = rip;
  cpu->retired += op->n;
  x86_update_mode (cpu);
  return NULL;
}

X86_HANDLER (op_syscall)
{
  u16 sel = (u16) (cpu->msr.star >> 32) & 0xfffc;
  u32 flags = x86_get_eflags (cpu) & ~(u32) X86_FLAG_RF;
  u64 next = x86_next_rip (cpu, op);

  if (!(cpu->msr.efer & X86_EFER_SCE) || !x86_protected (cpu))
    x86_raise (cpu, op, X86_EXC_UD);
  if (x86_long_mode (cpu))
    {
      u64 rip = x86_code64 (cpu) ? cpu->msr.lstar : cpu->msr.cstar;

      cpu->r[X86_RCX] = next;
      cpu->r[X86_R11] = flags;
      x86_set_eflags (cpu, flags & ~(u32) cpu->msr.fmask, ~(u32) X86_FLAG_VM);
      cpu->eflags &= ~(u32) X86_FLAG_RF;
      flat_segment (cpu, X86_CS, sel, CODE | X86_SEG_L);
      flat_segment (cpu, X86_SS, (u16) (sel + 8), DATA);
      return enter_system (cpu, op, 0, rip);
    }
  cpu->r[X86_RCX] = next;
  cpu->eflags &= ~(u32) (X86_FLAG_IF | X86_FLAG_VM | X86_FLAG_RF);
  flat_segment (cpu, X86_CS, sel, CODE | X86_SEG_DB);
  flat_segment (cpu, X86_SS, (u16) (sel + 8), DATA);
  return enter_system (cpu, op, 0, (u32) cpu->msr.star);
}

X86_HANDLER (op_sysret)
{
  u16 sel = (u16) (cpu->msr.star >> 48) | 3;
  u64 rip = cpu->r[X86_RCX];

  if (!(cpu->msr.efer & X86_EFER_SCE) || !x86_protected (cpu))
    x86_raise (cpu, op, X86_EXC_UD);
  x86_require_cpl0 (cpu, op);
  if (x86_long_mode (cpu))
    {
      if (op->size == 8 && !x86_is_canonical (rip))
        x86_raise_error (cpu, op, X86_EXC_GP, 0);
      x86_set_eflags (cpu, (u32) cpu->r[X86_R11], ~(u32) (X86_FLAG_VM | X86_FLAG_RF));
      cpu->eflags &= ~(u32) X86_FLAG_RF;
      if (op->size == 8)
        flat_segment (cpu, X86_CS, (u16) (sel + 16), CODE | X86_SEG_L);
      else
        {
          flat_segment (cpu, X86_CS, sel, CODE | X86_SEG_DB);
          rip = (u32) rip;
        }
    }
  else
    {
      cpu->eflags |= X86_FLAG_IF;
      flat_segment (cpu, X86_CS, sel, CODE | X86_SEG_DB);
      rip = (u32) rip;
    }
  /* AMD leaves the hidden part of SS; a usable one is what systems expect to see. */
  flat_segment (cpu, X86_SS, (u16) (sel + 8), DATA);
  return enter_system (cpu, op, 3, rip);
}

X86_HANDLER (op_sysenter)
{
  u16 sel = (u16) cpu->msr.sysenter_cs & 0xfffc;
  gboolean is_long = x86_long_mode (cpu);

  if (!x86_protected (cpu) || sel == 0)
    x86_raise_error (cpu, op, X86_EXC_GP, 0);
  cpu->eflags &= ~(u32) (X86_FLAG_VM | X86_FLAG_IF | X86_FLAG_RF);
  flat_segment (cpu, X86_CS, sel, CODE | (is_long ? X86_SEG_L : X86_SEG_DB));
  flat_segment (cpu, X86_SS, (u16) (sel + 8), DATA);
  cpu->r[X86_RSP] = is_long ? cpu->msr.sysenter_esp : (u32) cpu->msr.sysenter_esp;
  return enter_system (cpu, op, 0, is_long ? cpu->msr.sysenter_eip : (u32) cpu->msr.sysenter_eip);
}

X86_HANDLER (op_sysexit)
{
  u16 sel = (u16) (cpu->msr.sysenter_cs & 0xfffc);
  gboolean to_64 = op->size == 8;
  u64 rip = cpu->r[X86_RDX], rsp = cpu->r[X86_RCX];

  if (!x86_protected (cpu) || sel == 0 || cpu->cpl != 0)
    x86_raise_error (cpu, op, X86_EXC_GP, 0);
  if (to_64 && (!x86_is_canonical (rip) || !x86_is_canonical (rsp)))
    x86_raise_error (cpu, op, X86_EXC_GP, 0);
  sel = (u16) ((sel + (to_64 ? 32 : 16)) | 3);
  flat_segment (cpu, X86_CS, sel, CODE | (to_64 ? X86_SEG_L : X86_SEG_DB));
  flat_segment (cpu, X86_SS, (u16) (sel + 8), DATA);
  cpu->r[X86_RSP] = to_64 ? rsp : (u32) rsp;
  return enter_system (cpu, op, 3, to_64 ? rip : (u32) rip);
}

X86_HANDLER (op_swapgs)
{
  u64 base = cpu->r[X86_SEGBASE + X86_GS];

  x86_require_cpl0 (cpu, op);
  cpu->r[X86_SEGBASE + X86_GS] = cpu->msr.kernel_gs_base;
  cpu->msr.kernel_gs_base = base;
  X86_NEXT;
}

static gboolean
lower_64 (X86Lower *lw, X86Op *op, const X86OpEntry *entry)
{
  return (lw->mode & X86_MODE_CODE64) && x86_lower_plain (lw, op, entry);
}

/* SYSRET and SYSEXIT go to 64-bit code with REX.W. */
static gboolean
lower_sysret (X86Lower *lw, X86Op *op, const X86OpEntry *entry)
{
  op->size = lw->insn.raw.rex.W ? 8 : 4;
  return x86_lower_plain (lw, op, entry);
}

#define FNS(name) static const X86OpFn fns_##name[] = { op_##name, NULL, NULL };
FNS (cli) FNS (pushf) FNS (popf) FNS (stac) FNS (clac) FNS (syscall) FNS (sysret) FNS (sysenter) FNS (sysexit)
FNS (swapgs)
static const X86OpFn fns_sti[] = { x86_op_sti };

const X86OpEntry x86_ops_system[] = {
  { ZYDIS_MNEMONIC_CLI, X86_FEAT_NONE, 0, x86_lower_plain, fns_cli },
  { ZYDIS_MNEMONIC_STI, X86_FEAT_NONE, 0, x86_lower_plain, fns_sti },
  { ZYDIS_MNEMONIC_PUSHF, X86_FEAT_NONE, 0, x86_lower_plain, fns_pushf },
  { ZYDIS_MNEMONIC_PUSHFD, X86_FEAT_NONE, 0, x86_lower_plain, fns_pushf },
  { ZYDIS_MNEMONIC_PUSHFQ, X86_FEAT_NONE, 0, x86_lower_plain, fns_pushf },
  { ZYDIS_MNEMONIC_POPF, X86_FEAT_NONE, 0, x86_lower_plain, fns_popf },
  { ZYDIS_MNEMONIC_POPFD, X86_FEAT_NONE, 0, x86_lower_plain, fns_popf },
  { ZYDIS_MNEMONIC_POPFQ, X86_FEAT_NONE, 0, x86_lower_plain, fns_popf },
  { ZYDIS_MNEMONIC_STAC, X86_FEAT_SMAP, 0, x86_lower_plain, fns_stac },
  { ZYDIS_MNEMONIC_CLAC, X86_FEAT_SMAP, 0, x86_lower_plain, fns_clac },
  { ZYDIS_MNEMONIC_SYSCALL, X86_FEAT_SYSCALL, X86_ENTRY_END, x86_lower_plain, fns_syscall },
  { ZYDIS_MNEMONIC_SYSRET, X86_FEAT_SYSCALL, X86_ENTRY_END, lower_sysret, fns_sysret },
  { ZYDIS_MNEMONIC_SYSENTER, X86_FEAT_SEP, X86_ENTRY_END, x86_lower_plain, fns_sysenter },
  { ZYDIS_MNEMONIC_SYSEXIT, X86_FEAT_SEP, X86_ENTRY_END, lower_sysret, fns_sysexit },
  { ZYDIS_MNEMONIC_SWAPGS, X86_FEAT_LM, 0, lower_64, fns_swapgs },
  { 0 }
};
