/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Hardware task switches through 16- and 32-bit TSSs.
 * Specification: Intel SDM volume 3A, chapter 7 (Task Management).
 */

#include "engine/cpu/cpu-private.h"

/* Offsets in a 32-bit TSS. */
enum
{
  TSS32_LINK = 0, TSS32_CR3 = 28, TSS32_EIP = 32, TSS32_EFLAGS = 36, TSS32_EAX = 40, TSS32_ES = 72, TSS32_LDT = 96,
  TSS32_TRAP = 100, TSS32_LIMIT = 103
};
/* In a 16-bit TSS. */
enum { TSS16_LINK = 0, TSS16_IP = 14, TSS16_FLAGS = 16, TSS16_AX = 18, TSS16_ES = 34, TSS16_LDT = 42, TSS16_LIMIT = 43 };

typedef struct
{
  uint32_t cr3, eip, eflags, gpr[8];
  uint16_t seg[X86_SEG_COUNT], ldt;
  gboolean trap;
} TaskState;

static uint32_t
get (X86Cpu *cpu, const X86Op *op, uint64_t base, unsigned offset, unsigned size)
{
  return (uint32_t) x86_sys_read (cpu, op, base + offset, size, X86_MMU_KERNEL);
}

static void
put (X86Cpu *cpu, const X86Op *op, uint64_t base, unsigned offset, uint32_t value, unsigned size)
{
  x86_sys_write (cpu, op, base + offset, value, size, X86_MMU_KERNEL);
}

static void
read_state (X86Cpu *cpu, const X86Op *op, uint64_t base, gboolean wide, TaskState *state)
{
  memset (state, 0, sizeof *state);
  if (wide)
    {
      state->cr3 = get (cpu, op, base, TSS32_CR3, 4);
      state->eip = get (cpu, op, base, TSS32_EIP, 4);
      state->eflags = get (cpu, op, base, TSS32_EFLAGS, 4);
      for (unsigned i = 0; i < 8; i++)
        state->gpr[i] = get (cpu, op, base, TSS32_EAX + i * 4, 4);
      for (unsigned i = 0; i < X86_SEG_COUNT; i++)
        state->seg[i] = (uint16_t) get (cpu, op, base, TSS32_ES + i * 4, 2);
      state->ldt = (uint16_t) get (cpu, op, base, TSS32_LDT, 2);
      state->trap = get (cpu, op, base, TSS32_TRAP, 2) & 1;
    }
  else
    {
      state->eip = get (cpu, op, base, TSS16_IP, 2);
      state->eflags = get (cpu, op, base, TSS16_FLAGS, 2);
      for (unsigned i = 0; i < 8; i++)
        state->gpr[i] = get (cpu, op, base, TSS16_AX + i * 2, 2) | 0xffff0000;
      for (unsigned i = 0; i < 4; i++)
        state->seg[i] = (uint16_t) get (cpu, op, base, TSS16_ES + i * 2, 2);
      state->ldt = (uint16_t) get (cpu, op, base, TSS16_LDT, 2);
    }
}

static void
write_state (X86Cpu *cpu, const X86Op *op, uint64_t base, gboolean wide, uint32_t eip, uint32_t eflags)
{
  if (wide)
    {
      put (cpu, op, base, TSS32_EIP, eip, 4);
      put (cpu, op, base, TSS32_EFLAGS, eflags, 4);
      for (unsigned i = 0; i < 8; i++)
        put (cpu, op, base, TSS32_EAX + i * 4, (uint32_t) cpu->r[i], 4);
      for (unsigned i = 0; i < X86_SEG_COUNT; i++)
        put (cpu, op, base, TSS32_ES + i * 4, cpu->seg[i].sel, 2);
    }
  else
    {
      put (cpu, op, base, TSS16_IP, eip, 2);
      put (cpu, op, base, TSS16_FLAGS, eflags, 2);
      for (unsigned i = 0; i < 8; i++)
        put (cpu, op, base, TSS16_AX + i * 2, (uint32_t) cpu->r[i], 2);
      for (unsigned i = 0; i < 4; i++)
        put (cpu, op, base, TSS16_ES + i * 2, cpu->seg[i].sel, 2);
    }
}

static void
set_busy (X86Cpu *cpu, const X86Op *op, uint16_t sel, gboolean busy)
{
  X86Desc desc;

  if (!x86_desc_read (cpu, op, sel, &desc))
    return;
  desc.hi = busy ? desc.hi | 1 << 9 : desc.hi & ~(1u << 9);
  x86_sys_write (cpu, op, desc.addr + 4, desc.hi, 4, X86_MMU_KERNEL);
}

/* Segments of the new task, checked with #TS; the new task is already current, so faults are its own. */
static void
load_segments (X86Cpu *cpu, const TaskState *state)
{
  static const uint8_t data[] = { X86_ES, X86_DS, X86_FS, X86_GS };
  uint16_t cs = state->seg[X86_CS], ss = state->seg[X86_SS];
  X86Desc desc;

  if (cpu->eflags & X86_FLAG_VM)
    {
      for (unsigned i = 0; i < X86_SEG_COUNT; i++)
        x86_seg_commit_real (cpu, i, state->seg[i]);
      cpu->cpl = 3;
      return;
    }

  /* Until loaded, a segment holds nothing. */
  for (unsigned i = 0; i < X86_SEG_COUNT; i++)
    x86_seg_commit_null (cpu, i, state->seg[i]);
  cpu->cpl = cs & 3;
  x86_lldt (cpu, NULL, state->ldt);

  if ((cs & 0xfffc) == 0)
    x86_raise_error (cpu, NULL, X86_EXC_TS, 0);
  x86_desc_fetch (cpu, NULL, cs, &desc, X86_EXC_TS);
  if (x86_desc_is_system (&desc) || !(x86_desc_type (&desc) & X86_SEG_CODE)
      || (x86_desc_type (&desc) & X86_SEG_CONFORMING ? x86_desc_dpl (&desc) > (cs & 3u) : x86_desc_dpl (&desc) != (cs & 3u)))
    x86_raise_error (cpu, NULL, X86_EXC_TS, cs & 0xfffc);
  if (!x86_desc_present (&desc))
    x86_raise_error (cpu, NULL, X86_EXC_NP, cs & 0xfffc);
  x86_desc_set_accessed (cpu, NULL, &desc);
  x86_seg_commit (cpu, X86_CS, cs, &desc);

  x86_ss_check (cpu, NULL, ss, cs & 3, X86_EXC_TS, &desc);
  x86_desc_set_accessed (cpu, NULL, &desc);
  x86_seg_commit (cpu, X86_SS, ss, &desc);

  for (unsigned i = 0; i < G_N_ELEMENTS (data); i++)
    {
      uint16_t sel = state->seg[data[i]];

      if ((sel & 0xfffc) == 0)
        continue;
      x86_desc_fetch (cpu, NULL, sel, &desc, X86_EXC_TS);
      if (x86_desc_is_system (&desc) || (x86_desc_type (&desc) & (X86_SEG_CODE | X86_SEG_READABLE)) == X86_SEG_CODE
          || ((x86_desc_type (&desc) & (X86_SEG_CODE | X86_SEG_CONFORMING)) != (X86_SEG_CODE | X86_SEG_CONFORMING)
              && (x86_desc_dpl (&desc) < (sel & 3u) || x86_desc_dpl (&desc) < cpu->cpl)))
        x86_raise_error (cpu, NULL, X86_EXC_TS, sel & 0xfffc);
      if (!x86_desc_present (&desc))
        x86_raise_error (cpu, NULL, X86_EXC_NP, sel & 0xfffc);
      x86_desc_set_accessed (cpu, NULL, &desc);
      x86_seg_commit (cpu, data[i], sel, &desc);
    }
}

void
x86_task_switch (X86Cpu *cpu, const X86Op *op, uint16_t sel, X86Desc *desc, X86TaskSwitch how, uint64_t next,
                 const uint32_t *error)
{
  gboolean wide = (x86_desc_type (desc) & 8) != 0, old_wide = (cpu->tr.attr & 8) != 0;
  uint64_t base = x86_desc_base (desc), old_base = cpu->tr.base;
  uint32_t limit = x86_desc_limit (desc), old_eflags = x86_get_eflags (cpu);
  uint16_t old_sel = cpu->tr.sel;
  TaskState state;

  if (limit < (wide ? TSS32_LIMIT : TSS16_LIMIT))
    x86_raise_error (cpu, op, X86_EXC_TS, sel & 0xfffc);
  if ((cpu->tr.attr & X86_SEG_UNUSABLE) || cpu->tr.limit < (old_wide ? TSS32_LIMIT : TSS16_LIMIT))
    x86_raise_error (cpu, op, X86_EXC_TS, old_sel & 0xfffc);

  read_state (cpu, op, base, wide, &state);
  x86_sys_probe_write (cpu, op, old_base, old_wide ? 104 : 44, X86_MMU_KERNEL);
  if (how == X86_TASK_CALL)
    x86_sys_probe_write (cpu, op, base, 4, X86_MMU_KERNEL);

  if (how == X86_TASK_IRET)
    old_eflags &= ~(uint32_t) X86_FLAG_NT;
  write_state (cpu, op, old_base, old_wide, (uint32_t) next, old_eflags);
  if (how != X86_TASK_CALL)
    set_busy (cpu, op, old_sel, FALSE);
  if (how != X86_TASK_IRET)
    {
      desc->hi |= 1 << 9;
      x86_sys_write (cpu, op, desc->addr + 4, desc->hi, 4, X86_MMU_KERNEL);
    }
  if (how == X86_TASK_CALL)
    {
      put (cpu, op, base, 0, old_sel, wide ? 4 : 2);
      state.eflags |= X86_FLAG_NT;
    }

  /* From here on the new task runs. */
  cpu->tr = (X86Table) { .sel = sel, .attr = x86_desc_attr (desc) | 2, .limit = limit, .base = base };
  if (wide && (cpu->cr0 & X86_CR0_PG) && state.cr3 != cpu->cr3)
    {
      cpu->cr3 = state.cr3;
      if (cpu->cr4 & X86_CR4_PAE)
        x86_load_pdptes (cpu, cpu->cr3);
      x86_tlb_switch (cpu, FALSE);
    }
  for (unsigned i = 0; i < 8; i++)
    cpu->r[i] = state.gpr[i];
  cpu->r[X86_RIP] = state.eip;
  x86_set_eflags (cpu, state.eflags, wide ? ~(uint32_t) 0 : 0xffff);
  cpu->cr0 |= X86_CR0_TS;
  cpu->dr[7] &= ~(uint64_t) 0x155; /* local breakpoints */
  cpu->flush_count++;
  x86_update_mode (cpu);
  load_segments (cpu, &state);
  x86_update_mode (cpu);

  if (error != NULL)
    {
      X86Stack stack;

      x86_stack_current (cpu, NULL, &stack);
      x86_stack_push (&stack, wide ? 4 : 2, *error);
      x86_stack_commit (&stack);
    }
  if (cpu->r[X86_RIP] > cpu->seg[X86_CS].limit)
    x86_raise_error (cpu, NULL, X86_EXC_GP, 0);
  if (state.trap)
    {
      cpu->dr[6] |= 1 << 15; /* BT */
      x86_deliver_event (cpu, X86_EXC_DB, FALSE);
    }
}
