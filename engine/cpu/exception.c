/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Raising and delivering exceptions and interrupts in every mode.
 * Specification: Intel SDM volume 3A, chapter 6 (Interrupt and Exception Handling), chapter 20 (8086 Emulation).
 */

#include "engine/cpu/cpu-private.h"

enum { CLASS_BENIGN, CLASS_CONTRIBUTORY, CLASS_PAGE_FAULT };
/* cpu->delivering: the vector being delivered plus one, or this for external interrupts. */
enum { DELIVERING_EXTERNAL = 0xff };

static gboolean
has_error_code (uint8_t vector)
{
  return vector == X86_EXC_DF || (vector >= X86_EXC_TS && vector <= X86_EXC_PF) || vector == X86_EXC_AC;
}

static unsigned
class_of (uint8_t vector)
{
  if (vector == X86_EXC_PF)
    return CLASS_PAGE_FAULT;
  if (vector == X86_EXC_DE || (vector >= X86_EXC_TS && vector <= X86_EXC_GP))
    return CLASS_CONTRIBUTORY;
  return CLASS_BENIGN;
}

void
x86_raise_error (X86Cpu *cpu, const X86Op *op, uint8_t vector, uint32_t error)
{
  if (op != NULL)
    cpu->r[X86_RIP] = x86_op_rip (cpu, op);
  cpu->event_vector = vector;
  cpu->event_error = error;
  longjmp (cpu->fault_jump, 1);
}

void
x86_raise (X86Cpu *cpu, const X86Op *op, uint8_t vector)
{
  x86_raise_error (cpu, op, vector, 0);
}

void
x86_restart (X86Cpu *cpu, const X86Op *op)
{
  cpu->r[X86_RIP] = x86_op_rip (cpu, op);
  longjmp (cpu->fault_jump, 2);
}

/* --- What is pushed --- */

typedef struct
{
  uint8_t vector;
  gboolean is_soft;       /* INT n, INT3, INTO: gate privilege counts */
  gboolean has_error;
  uint32_t error;
  uint32_t ext;           /* EXT bit of faults on the way */
  uint64_t rip;           /* to return to */
  uint32_t eflags;        /* image to push */
} Event;

static void
deliver_real (X86Cpu *cpu, const Event *event)
{
  uint32_t entry;
  X86Stack stack;

  if (event->vector * 4u + 3 > cpu->idtr.limit)
    x86_raise_error (cpu, NULL, X86_EXC_GP, 0);
  entry = (uint32_t) x86_sys_read (cpu, NULL, (uint32_t) (cpu->idtr.base + event->vector * 4u), 4, X86_MMU_KERNEL);
  x86_stack_current (cpu, NULL, &stack);
  x86_stack_push (&stack, 2, event->eflags);
  x86_stack_push (&stack, 2, cpu->seg[X86_CS].sel);
  x86_stack_push (&stack, 2, event->rip);
  x86_stack_commit (&stack);
  cpu->eflags &= ~(uint32_t) (X86_FLAG_IF | X86_FLAG_TF | X86_FLAG_AC | X86_FLAG_RF);
  x86_seg_commit_real (cpu, X86_CS, (uint16_t) (entry >> 16));
  cpu->r[X86_RIP] = entry & 0xffff;
}

/* A stack of the ring an event or call goes to. */
static void
inner_stack (X86Cpu *cpu, X86Stack *stack, uint16_t ss, const X86Desc *desc, uint64_t sp, unsigned ring)
{
  stack->cpu = cpu;
  stack->op = NULL;
  stack->base = x86_desc_base (desc);
  stack->limit = x86_desc_limit (desc);
  stack->attr = x86_desc_attr (desc);
  stack->mask = stack->attr & X86_SEG_DB ? 0xffffffff : 0xffff;
  stack->sp = sp;
  stack->is_flat = FALSE;
  stack->error = ss & 0xfffc;
  stack->mmu = ring == 3 ? X86_MMU_USER : X86_MMU_KERNEL;
}

/* The code segment of a gate: checked, returned with the ring to run in. */
static unsigned
gate_code (X86Cpu *cpu, const Event *event, uint16_t sel, X86Desc *desc)
{
  uint32_t error = (sel & 0xfffc) | event->ext;

  if ((sel & 0xfffc) == 0)
    x86_raise_error (cpu, NULL, X86_EXC_GP, event->ext);
  if (!x86_desc_read (cpu, NULL, sel, desc))
    x86_raise_error (cpu, NULL, X86_EXC_GP, error);
  if (x86_desc_is_system (desc) || !(x86_desc_type (desc) & X86_SEG_CODE) || x86_desc_dpl (desc) > cpu->cpl)
    x86_raise_error (cpu, NULL, X86_EXC_GP, error);
  if (!x86_desc_present (desc))
    x86_raise_error (cpu, NULL, X86_EXC_NP, error);
  return x86_desc_type (desc) & X86_SEG_CONFORMING ? cpu->cpl : x86_desc_dpl (desc);
}

static void
enter_handler (X86Cpu *cpu, uint16_t sel, X86Desc *code, unsigned ring, uint64_t rip, gboolean masks)
{
  cpu->eflags &= ~(uint32_t) (X86_FLAG_TF | X86_FLAG_NT | X86_FLAG_RF | X86_FLAG_VM | (masks ? X86_FLAG_IF : 0));
  x86_seg_commit (cpu, X86_CS, (uint16_t) ((sel & 0xfffc) | ring), code);
  cpu->cpl = (uint8_t) ring;
  cpu->r[X86_RIP] = rip;
}

static void
deliver_protected (X86Cpu *cpu, const Event *event)
{
  uint32_t idt_error = event->vector * 8u | 2 | event->ext, lo, hi, offset;
  unsigned type, ring, size;
  gboolean from_vm86 = x86_vm86 (cpu);
  uint16_t sel;
  uint64_t raw;
  X86Desc code, ss_desc;
  X86Stack stack;
  uint16_t ss = 0;
  uint32_t esp = 0;

  if (event->vector * 8u + 7 > cpu->idtr.limit)
    x86_raise_error (cpu, NULL, X86_EXC_GP, idt_error);
  raw = x86_sys_read (cpu, NULL, (uint32_t) (cpu->idtr.base + event->vector * 8u), 8, X86_MMU_KERNEL);
  lo = (uint32_t) raw;
  hi = (uint32_t) (raw >> 32);
  type = (hi >> 8) & 0x1f;
  if (type != X86_SYS_TASK_GATE && type != X86_SYS_INT16 && type != X86_SYS_TRAP16 && type != X86_SYS_INT32
      && type != X86_SYS_TRAP32)
    x86_raise_error (cpu, NULL, X86_EXC_GP, idt_error);
  if (event->is_soft && ((hi >> 13) & 3) < cpu->cpl)
    x86_raise_error (cpu, NULL, X86_EXC_GP, idt_error);
  if (!(hi & (1 << 15)))
    x86_raise_error (cpu, NULL, X86_EXC_NP, idt_error);
  sel = (uint16_t) (lo >> 16);

  if (type == X86_SYS_TASK_GATE)
    {
      X86Desc tss;

      if (sel & 4)
        x86_raise_error (cpu, NULL, X86_EXC_GP, (sel & 0xfffc) | event->ext);
      x86_desc_fetch (cpu, NULL, sel, &tss, X86_EXC_GP);
      if (!x86_desc_is_system (&tss)
          || (x86_desc_type (&tss) != X86_SYS_TSS16 && x86_desc_type (&tss) != X86_SYS_TSS32))
        x86_raise_error (cpu, NULL, X86_EXC_GP, (sel & 0xfffc) | event->ext);
      if (!x86_desc_present (&tss))
        x86_raise_error (cpu, NULL, X86_EXC_NP, (sel & 0xfffc) | event->ext);
      x86_task_switch (cpu, NULL, sel, &tss, X86_TASK_CALL, event->rip, event->has_error ? &event->error : NULL);
      return;
    }

  ring = gate_code (cpu, event, sel, &code);
  size = type & 8 ? 4 : 2;
  offset = size == 4 ? (lo & 0xffff) | (hi & 0xffff0000) : lo & 0xffff;
  if (from_vm86 && ring != 0)
    x86_raise_error (cpu, NULL, X86_EXC_GP, (sel & 0xfffc) | event->ext);

  if (ring < cpu->cpl)
    {
      x86_tss_stack (cpu, NULL, ring, &ss, &esp);
      x86_ss_check (cpu, NULL, ss, ring, X86_EXC_TS, &ss_desc);
      inner_stack (cpu, &stack, ss, &ss_desc, esp, ring);
      if (from_vm86)
        {
          x86_stack_push (&stack, size, cpu->seg[X86_GS].sel);
          x86_stack_push (&stack, size, cpu->seg[X86_FS].sel);
          x86_stack_push (&stack, size, cpu->seg[X86_DS].sel);
          x86_stack_push (&stack, size, cpu->seg[X86_ES].sel);
        }
      x86_stack_push (&stack, size, cpu->seg[X86_SS].sel);
      x86_stack_push (&stack, size, cpu->r[X86_RSP]);
    }
  else
    x86_stack_current (cpu, NULL, &stack);
  x86_stack_push (&stack, size, event->eflags);
  x86_stack_push (&stack, size, cpu->seg[X86_CS].sel);
  x86_stack_push (&stack, size, event->rip);
  if (event->has_error)
    x86_stack_push (&stack, size, event->error);
  if (offset > x86_desc_limit (&code))
    x86_raise_error (cpu, NULL, X86_EXC_GP, event->ext);

  x86_desc_set_accessed (cpu, NULL, &code);
  if (ring < cpu->cpl)
    {
      x86_desc_set_accessed (cpu, NULL, &ss_desc);
      if (from_vm86)
        for (unsigned seg = 0; seg < X86_SEG_COUNT; seg++)
          if (seg == X86_ES || seg == X86_DS || seg == X86_FS || seg == X86_GS)
            x86_seg_commit_null (cpu, seg, 0);
      x86_seg_commit (cpu, X86_SS, ss, &ss_desc);
      cpu->r[X86_RSP] = esp;
    }
  x86_stack_commit (&stack);
  enter_handler (cpu, sel, &code, ring, offset, !(type & 1));
}

static void
deliver_long (X86Cpu *cpu, const Event *event)
{
  uint32_t idt_error = event->vector * 8u | 2 | event->ext;
  uint64_t raw, offset, rsp;
  unsigned type, ring, ist;
  uint16_t sel;
  X86Desc code;
  X86Stack stack;

  if (event->vector * 16u + 15 > cpu->idtr.limit)
    x86_raise_error (cpu, NULL, X86_EXC_GP, idt_error);
  raw = x86_sys_read (cpu, NULL, cpu->idtr.base + event->vector * 16u, 8, X86_MMU_KERNEL);
  type = (raw >> 40) & 0x1f;
  if (type != X86_SYS_INT32 && type != X86_SYS_TRAP32)
    x86_raise_error (cpu, NULL, X86_EXC_GP, idt_error);
  if (event->is_soft && ((raw >> 45) & 3) < cpu->cpl)
    x86_raise_error (cpu, NULL, X86_EXC_GP, idt_error);
  if (!((raw >> 47) & 1))
    x86_raise_error (cpu, NULL, X86_EXC_NP, idt_error);
  sel = (uint16_t) (raw >> 16);
  ist = (raw >> 32) & 7;
  offset = (raw & 0xffff) | ((raw >> 32) & 0xffff0000)
           | x86_sys_read (cpu, NULL, cpu->idtr.base + event->vector * 16u + 8, 4, X86_MMU_KERNEL) << 32;

  ring = gate_code (cpu, event, sel, &code);
  if ((x86_desc_attr (&code) & (X86_SEG_L | X86_SEG_DB)) != X86_SEG_L)
    x86_raise_error (cpu, NULL, X86_EXC_GP, (sel & 0xfffc) | event->ext);
  if (ist != 0)
    rsp = x86_tss_stack64 (cpu, NULL, 36 + (ist - 1) * 8);
  else if (ring < cpu->cpl)
    rsp = x86_tss_stack64 (cpu, NULL, 4 + ring * 8);
  else
    rsp = cpu->r[X86_RSP];
  if (!x86_is_canonical (offset))
    x86_raise_error (cpu, NULL, X86_EXC_GP, event->ext);

  stack = (X86Stack) { .cpu = cpu, .mask = ~(uint64_t) 0, .sp = rsp & ~(uint64_t) 15, .is_flat = TRUE,
                       .mmu = ring == 3 ? X86_MMU_USER : X86_MMU_KERNEL };
  x86_stack_push (&stack, 8, cpu->seg[X86_SS].sel);
  x86_stack_push (&stack, 8, cpu->r[X86_RSP]);
  x86_stack_push (&stack, 8, event->eflags);
  x86_stack_push (&stack, 8, cpu->seg[X86_CS].sel);
  x86_stack_push (&stack, 8, event->rip);
  if (event->has_error)
    x86_stack_push (&stack, 8, event->error);

  x86_desc_set_accessed (cpu, NULL, &code);
  if (ring < cpu->cpl)
    x86_seg_commit_null (cpu, X86_SS, (uint16_t) ring);
  cpu->r[X86_RSP] = stack.sp;
  enter_handler (cpu, sel, &code, ring, offset, !(type & 1));
}

static void
deliver (X86Cpu *cpu, const Event *event)
{
  if (!x86_protected (cpu))
    deliver_real (cpu, event);
  else if (x86_long_mode (cpu))
    deliver_long (cpu, event);
  else
    deliver_protected (cpu, event);
  cpu->shadow = 0;
  x86_update_mode (cpu);
}

static uint64_t
cut_rip (const X86Cpu *cpu, uint64_t rip)
{
  return rip & x86_rip_mask (cpu);
}

enum { PF_WRITE = 1 << 1, PF_USER = 1 << 2, PF_FETCH = 1 << 4 };

/* Whether the tables allow what the TLB's old translation did not. */
static gboolean
is_stale_fault (X86Cpu *cpu)
{
  X86Access access = cpu->event_error & PF_FETCH ? X86_ACCESS_EXEC : cpu->event_error & PF_WRITE ? X86_ACCESS_WRITE : X86_ACCESS_READ;
  X86Walk walk;

  return cpu->event_vector == X86_EXC_PF && x86_walk (cpu, cpu->cr2, access, x86_mmu_for (cpu, cpu->event_error & PF_USER ? 3 : 0), TRUE, &walk);
}

/* The fault in event_vector: delivered, or turned into a double fault or a shutdown. */
void
x86_deliver_fault (X86Cpu *cpu)
{
  Event event = { .vector = cpu->event_vector, .error = cpu->event_error };
  unsigned first = cpu->delivering;

  /* A processor may have forgotten the translation, too; the one that it is compared with perhaps has. */
  if (X86_UNLIKELY (cpu->system->is_compared) && first == 0 && is_stale_fault (cpu))
    {
      x86_tlb_flush_page (cpu, cpu->cr2);
      return;
    }
  if (cpu->gathered)
    {
      uint64_t bits = cpu->mode & X86_MODE_STEP ? cpu->debug_hits | (cpu->step_trap ? 1 << 14 : 0) : 0;

      cpu->gathered = FALSE;
      if (bits != 0)
        {
          /* The rest of the gather is to run without its breakpoint. */
          cpu->step_trap = FALSE;
          cpu->eflags |= X86_FLAG_RF;
          x86_debug_trap (cpu, bits);
          return;
        }
    }
  if (first != 0)
    {
      uint8_t old = (uint8_t) (first - 1);

      if (first != DELIVERING_EXTERNAL)
        {
          if (old == X86_EXC_DF)
            {
              cpu->halted = X86_HALT_SHUTDOWN;
              cpu->delivering = 0;
              x86_attend (cpu);
              return;
            }
          if ((class_of (old) == CLASS_CONTRIBUTORY && class_of (event.vector) == CLASS_CONTRIBUTORY)
              || (class_of (old) == CLASS_PAGE_FAULT && class_of (event.vector) != CLASS_BENIGN))
            {
              event.vector = X86_EXC_DF;
              event.error = 0;
            }
        }
    }
  cpu->counters.exceptions++;
  event.has_error = has_error_code (event.vector) && x86_protected (cpu);
  event.rip = cut_rip (cpu, cpu->r[X86_RIP]);
  event.eflags = x86_get_eflags (cpu);
  event.ext = 1;
  /* Faults resume with RF set, so that a code breakpoint on the instruction does not fire again. */
  if (event.vector != X86_EXC_DB)
    event.eflags |= X86_FLAG_RF;
  cpu->delivering = (uint8_t) (event.vector + 1);
  deliver (cpu, &event);
  cpu->delivering = 0;
}

void
x86_deliver_event (X86Cpu *cpu, uint8_t vector, gboolean is_external)
{
  Event event = { .vector = vector, .ext = 1, .rip = cut_rip (cpu, cpu->r[X86_RIP]), .eflags = x86_get_eflags (cpu) };

  cpu->delivering = is_external ? DELIVERING_EXTERNAL : (uint8_t) (vector + 1);
  deliver (cpu, &event);
  cpu->delivering = 0;
}

void
x86_deliver_injection (X86Cpu *cpu)
{
  X86Injection injection = cpu->injection;

  cpu->injection.kind = X86_INJECT_NONE;
  switch (injection.kind)
    {
    case X86_INJECT_INTERRUPT:
      x86_deliver_event (cpu, injection.vector, TRUE);
      break;
    case X86_INJECT_NMI:
      cpu->nmi_masked = TRUE;
      x86_deliver_event (cpu, X86_EXC_NMI, TRUE);
      break;
    case X86_INJECT_EXCEPTION:
      cpu->event_vector = injection.vector;
      cpu->event_error = injection.error;
      x86_deliver_fault (cpu);
      break;
    default:
      break;
    }
}

void
x86_debug_trap (X86Cpu *cpu, uint64_t bits)
{
  cpu->dr[6] = (cpu->dr[6] & ~(uint64_t) 15) | bits;
  cpu->dr[7] &= ~(uint64_t) (1 << 13); /* GD */
  x86_deliver_event (cpu, X86_EXC_DB, FALSE);
}

void
x86_software_interrupt (X86Cpu *cpu, const X86Op *op, uint8_t vector, uint64_t next)
{
  gboolean is_int_n = !op->aux;
  Event event = { .vector = vector, .is_soft = vector != X86_EXC_DB || !op->aux, .rip = next,
                  .eflags = x86_get_eflags (cpu) };

  /* INT n in virtual-8086 mode needs IOPL 3; INT3 and INTO do not. */
  if (x86_vm86 (cpu) && is_int_n && x86_iopl (cpu) < 3)
    x86_raise_error (cpu, op, X86_EXC_GP, 0);
  cpu->r[X86_RIP] = x86_op_rip (cpu, op);
  /* A fault on the way is a plain fault of the instruction: nothing counts as being delivered. */
  deliver (cpu, &event);
  cpu->step_trap = FALSE; /* TF is off before the instruction ends */
}
