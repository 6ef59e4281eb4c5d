/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Blocks whose code was stored to and came back: with the same bytes, or with
 * the same instructions and other constants, as programs that write code leave
 * behind all the time. What was decoded and translated is kept and mended.
 */

#include "engine/cpu/cpu-private.h"
#include "engine/cpu/jit/jit.h"
#include "engine/cpu/lower.h"

/* @op, of the instruction that was changed to @bytes, as it is now in *@renewed. FALSE: more than a constant differs. */
static gboolean
renew_op (X86Cpu *cpu, const X86Block *block, const X86Op *op, const uint8_t *bytes, X86Op *renewed)
{
  X86OpFn fn = block->saved[op - block->ops];
  ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
  ZydisDecodedInstruction insn;
  X86Op ops[X86_BLOCK_OPS];
  unsigned length;

  /* What is relative to the instruction was lowered relative to the block. */
  if (!x86_decode_instruction (cpu, bytes, op->len, block->mode, &insn, operands)
      || insn.meta.branch_type != ZYDIS_BRANCH_TYPE_NONE || op->base == X86_RIP)
    return FALSE;
  if (x86_decode (cpu, bytes, op->len, FALSE, block->mode, 1, ops, &length) == 0 || length != op->len)
    return FALSE;
  if (ops[0].fn != fn && (op != block->ops || ops[0].fn != block->first))
    return FALSE;
  *renewed = *op;
  renewed->imm64 = ops[0].imm64;
  ops[0].fn = op->fn;
  ops[0].next = op->next;
  ops[0].n = op->n;
  return memcmp (&ops[0], renewed, sizeof *renewed) == 0;
}

gboolean
x86_block_renew (X86Cpu *cpu, X86Block *block, const uint8_t *bytes)
{
  uint8_t *old = (uint8_t *) (block->ops + block->op_count);
  X86Op renewed[X86_BLOCK_OPS];
  uint8_t number[X86_BLOCK_OPS];
  unsigned count = 0;

  if (memcmp (old, bytes, block->length) != 0)
    for (unsigned i = 0; i < block->op_count; i++)
      {
        const X86Op *op = &block->ops[i];
        unsigned at = op->next - op->len;

        if (op->len == 0 || memcmp (old + at, bytes + at, op->len) == 0)
          continue;
        if (!renew_op (cpu, block, op, bytes + at, &renewed[count]))
          return FALSE;
        number[count++] = (uint8_t) i;
      }
  x86_jit_renew (cpu, block, bytes);
  while (count-- > 0)
    block->ops[number[count]] = renewed[count];
  memcpy (old, bytes, block->length);
  for (unsigned i = 0; i < block->op_count; i++)
    if (block->ops[i].len != 0)
      block->ops[i].fn = block->saved[i];
  block->is_dead = FALSE;
  return TRUE;
}
