/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Port I/O: IN OUT INS OUTS and their protection.
 * Specification: Intel SDM volume 1, chapter 19 (Input/Output).
 */

#include "engine/cpu/fp.h"
#include "engine/cpu/interp/string.h"

void
x86_io_check (X86Cpu *cpu, const X86Op *op, uint16_t port, unsigned size)
{
  uint32_t base, bits;

  if (!x86_protected (cpu) || (!x86_vm86 (cpu) && cpu->cpl <= x86_iopl (cpu)))
    return;
  /* The map is in a 32- or 64-bit TSS; one byte beyond the last port's must exist. */
  if ((cpu->tr.attr & X86_SEG_UNUSABLE) || !(cpu->tr.attr & 8) || cpu->tr.limit < 103)
    x86_raise_error (cpu, op, X86_EXC_GP, 0);
  base = (uint32_t) x86_sys_read (cpu, op, cpu->tr.base + 102, 2, X86_MMU_KERNEL) + port / 8;
  if (base + 1 > cpu->tr.limit)
    x86_raise_error (cpu, op, X86_EXC_GP, 0);
  bits = (uint32_t) x86_sys_read (cpu, op, cpu->tr.base + base, 2, X86_MMU_KERNEL) >> (port & 7);
  if (bits & ((1u << size) - 1))
    x86_raise_error (cpu, op, X86_EXC_GP, 0);
}

static void
check_breakpoint (X86Cpu *cpu, uint16_t port, unsigned size)
{
  static const uint8_t lengths[4] = { 1, 2, 8, 4 };

  if (!(cpu->cr4 & X86_CR4_DE))
    return;
  for (unsigned i = 0; i < 4; i++)
    {
      unsigned control = (cpu->dr[7] >> (16 + i * 4)) & 15;
      uint64_t length = lengths[control >> 2], start = cpu->dr[i] & ~(length - 1);

      if (((cpu->dr[7] >> (i * 2)) & 3) && (control & 3) == 2 && port < start + length && start < port + size)
        cpu->debug_hits |= (uint64_t) 1 << i;
    }
}

/* Devices may have moved memory about, or want the processor's attention: see x86_cpu_raise(). */
uint32_t
x86_pio_in (X86Cpu *cpu, uint16_t port, unsigned size)
{
  uint32_t value;

  cpu->counters.pio++;
  x86_fp_leave (cpu);
  value = cpu->ops->pio_read (cpu->opaque, port, size);
  if (X86_UNLIKELY (cpu->dr[7] & 0xff))
    check_breakpoint (cpu, port, size);
  return size == 1 ? (u8) value : size == 2 ? (u16) value : value;
}

void
x86_pio_out (X86Cpu *cpu, uint16_t port, uint32_t value, unsigned size)
{
  cpu->counters.pio++;
  x86_fp_leave (cpu);
  cpu->ops->pio_write (cpu->opaque, port, size == 1 ? (u8) value : size == 2 ? (u16) value : value, size);
  if (X86_UNLIKELY (cpu->dr[7] & 0xff))
    check_breakpoint (cpu, port, size);
}

/* Port accesses end their block, so that what they caused (A20, memory maps, interrupts) is seen at once. */
static inline uint16_t
port_of (X86Cpu *cpu, const X86Op *op)
{
  return op->aux ? (u8) op->imm : (u16) cpu->r[X86_RDX];
}

X86_HANDLER (op_in)
{
  u16 port = port_of (cpu, op);

  x86_io_check (cpu, op, port, op->size);
  x86_reg_set (cpu, X86_RAX, op->size, x86_pio_in (cpu, port, op->size));
  return x86_end_block (cpu, op);
}

X86_HANDLER (op_out)
{
  u16 port = port_of (cpu, op);

  x86_io_check (cpu, op, port, op->size);
  x86_pio_out (cpu, port, (u32) cpu->r[X86_RAX], op->size);
  return x86_end_block (cpu, op);
}

static gboolean
lower_in (X86Lower *lw, X86Op *op, const X86OpEntry *entry)
{
  op->size = (uint8_t) x86_operand_size (lw, 0);
  op->fn = op_in;
  op->aux = x86_is_imm (lw, 1);
  if (op->aux)
    op->imm = (int32_t) (lw->opr[1].imm.value.u & 0xff);
  return TRUE;
}

static gboolean
lower_out (X86Lower *lw, X86Op *op, const X86OpEntry *entry)
{
  op->size = (uint8_t) x86_operand_size (lw, 1);
  op->fn = op_out;
  op->aux = x86_is_imm (lw, 0);
  if (op->aux)
    op->imm = (int32_t) (lw->opr[0].imm.value.u & 0xff);
  return TRUE;
}

/* --- Strings --- */

static void
in_one (X86Cpu *cpu, const X86Op *op, uint16_t port)
{
  uint64_t to = x86_string_target (cpu, op, X86_ACCESS_WRITE);

  x86_probe_write (cpu, op, to, op->size); /* before the port is read */
  x86_mem_set (cpu, op, to, op->size, x86_pio_in (cpu, port, op->size));
  x86_string_advance (cpu, op, X86_RDI, op->size);
}

/* Reads as many elements as go to host memory at once, with the board locked once, up to where the processor's attention is
 * asked for; returns how many. */
static G_GNUC_NO_INLINE uint64_t
in_run (X86Cpu *cpu, const X86Op *op, uint16_t port)
{
  uint64_t to, elements, done = 0;
  gboolean is_code;
  uint8_t *target;

  if ((cpu->eflags & X86_FLAG_DF) || (cpu->mode & X86_MODE_STEP) || (cpu->dr[7] & 0xff) || cpu->ops->lock == NULL)
    return 0;
  to = x86_string_target (cpu, op, X86_ACCESS_WRITE);
  target = x86_string_run_target (cpu, op, to, &is_code);
  if (target == NULL)
    return 0;
  elements = MIN (x86_string_run_length (cpu, op, to, X86_RDI, X86_ES), x86_string_count (cpu, op));
  x86_fp_leave (cpu);
  cpu->ops->lock (cpu->opaque);
  while (done < elements)
    {
      uint32_t value = cpu->ops->pio_read (cpu->opaque, port, op->size);

      memcpy (target + done * op->size, &value, op->size);
      done++;
      if (X86_UNLIKELY (__atomic_load_n (&cpu->attention, __ATOMIC_RELAXED)))
        break;
    }
  cpu->ops->unlock (cpu->opaque);
  cpu->counters.pio += done;
  if (is_code && done > 0)
    x86_code_stored (cpu, target, done * op->size);
  x86_string_advance (cpu, op, X86_RDI, done * op->size);
  return done;
}

static void
out_one (X86Cpu *cpu, const X86Op *op, uint16_t port)
{
  uint32_t value = (uint32_t) x86_mem_get (cpu, op, x86_string_source (cpu, op), op->size);

  x86_pio_out (cpu, port, value, op->size);
  x86_string_advance (cpu, op, X86_RSI, op->size);
}

/* A repeated instruction is given up between iterations when the processor's attention is asked for. @run tells how many
 * elements it has done at once; 0: none. */
#define REPEAT(one, run)                                                                                               \
  u16 port = (u16) cpu->r[X86_RDX];                                                                                    \
  x86_io_check (cpu, op, port, op->size);                                                                              \
  if (!x86_string_repeats (op))                                                                                        \
    {                                                                                                                  \
      one (cpu, op, port);                                                                                             \
      return x86_end_block (cpu, op);                                                                                  \
    }                                                                                                                  \
  for (u64 left = x86_string_count (cpu, op); left != 0;)                                                              \
    {                                                                                                                  \
      u64 done = (run);                                                                                                \
                                                                                                                       \
      if (done == 0)                                                                                                   \
        {                                                                                                              \
          one (cpu, op, port);                                                                                         \
          done = 1;                                                                                                    \
        }                                                                                                              \
      left -= done;                                                                                                    \
      x86_reg_set (cpu, X86_RCX, op->asize, left);                                                                     \
      if (left != 0 && X86_UNLIKELY (__atomic_load_n (&cpu->attention, __ATOMIC_RELAXED)))                             \
        {                                                                                                              \
          cpu->r[X86_RIP] = x86_op_rip (cpu, op);                                                                      \
          X86_LEAVE;                                                                                                   \
        }                                                                                                              \
    }                                                                                                                  \
  return x86_end_block (cpu, op)

X86_HANDLER (op_ins) { REPEAT (in_one, in_run (cpu, op, port)); }
X86_HANDLER (op_outs) { REPEAT (out_one, 0); }

static const X86OpFn fns_ins[] = { op_ins, op_ins }, fns_outs[] = { op_outs, op_outs };

/* There is no 64-bit port access. */
static gboolean
lower_string_io (X86Lower *lw, X86Op *op, const X86OpEntry *entry)
{
  if (!x86_lower_string (lw, op, entry))
    return FALSE;
  op->size = MIN (op->size, 4);
  return TRUE;
}

const X86OpEntry x86_ops_io[] = {
  { ZYDIS_MNEMONIC_IN, X86_FEAT_NONE, X86_ENTRY_END, lower_in, NULL },
  { ZYDIS_MNEMONIC_OUT, X86_FEAT_NONE, X86_ENTRY_END, lower_out, NULL },
  { ZYDIS_MNEMONIC_INSB, X86_FEAT_NONE, X86_ENTRY_END, lower_string_io, fns_ins },
  { ZYDIS_MNEMONIC_INSW, X86_FEAT_NONE, X86_ENTRY_END, lower_string_io, fns_ins },
  { ZYDIS_MNEMONIC_INSD, X86_FEAT_NONE, X86_ENTRY_END, lower_string_io, fns_ins },
  { ZYDIS_MNEMONIC_OUTSB, X86_FEAT_NONE, X86_ENTRY_END, lower_string_io, fns_outs },
  { ZYDIS_MNEMONIC_OUTSW, X86_FEAT_NONE, X86_ENTRY_END, lower_string_io, fns_outs },
  { ZYDIS_MNEMONIC_OUTSD, X86_FEAT_NONE, X86_ENTRY_END, lower_string_io, fns_outs },
  { 0 }
};
