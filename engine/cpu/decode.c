/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Zydis, wrapped: machine code to a block of ops.
 * Specification: Intel SDM volume 2A, chapter 2 (Instruction Format).
 */

#include "engine/cpu/cpu-private.h"
#include "engine/cpu/decode-memo.h"
#include "engine/cpu/interp/interp.h"
#include "engine/cpu/lower.h"

enum { INSTRUCTION_MAX = 15 };

typedef struct X86Decoder
{
  ZydisDecoder zydis[3];                        /* by X86_MODE_CODE… */
  X86DecodeMemo *memo;
  const X86OpEntry **entries;                   /* by mnemonic */
  uint16_t first[ZYDIS_MNEMONIC_MAX_VALUE + 2]; /* into @entries */
} X86Decoder;

void
x86_decoder_init (X86Cpu *cpu)
{
  static const struct { ZydisMachineMode machine; ZydisStackWidth stack; } modes[3] = {
    [X86_MODE_CODE16] = { ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_STACK_WIDTH_16 },
    [X86_MODE_CODE32] = { ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32 },
    [X86_MODE_CODE64] = { ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64 },
  };
  X86Decoder *decoder = g_new0 (X86Decoder, 1);
  unsigned total = 0;

  decoder->memo = x86_decode_memo_new ();
  for (unsigned i = 0; i < 3; i++)
    {
      ZydisDecoder *zydis = &decoder->zydis[i];

      ZydisDecoderInit (zydis, modes[i].machine, modes[i].stack);
      ZydisDecoderEnableMode (zydis, ZYDIS_DECODER_MODE_MPX, ZYAN_FALSE);
      ZydisDecoderEnableMode (zydis, ZYDIS_DECODER_MODE_CET, ZYAN_FALSE);
      ZydisDecoderEnableMode (zydis, ZYDIS_DECODER_MODE_CLDEMOTE, ZYAN_FALSE);
      ZydisDecoderEnableMode (zydis, ZYDIS_DECODER_MODE_LZCNT, x86_has (cpu, X86_FEAT_ABM));
      ZydisDecoderEnableMode (zydis, ZYDIS_DECODER_MODE_TZCNT, x86_has (cpu, X86_FEAT_BMI1));
    }

  /* A counting sort keeps the order of entries within a mnemonic. */
  for (unsigned t = 0; x86_op_tables[t] != NULL; t++)
    for (const X86OpEntry *entry = x86_op_tables[t]; entry->lower != NULL; entry++)
      {
        decoder->first[entry->mnemonic + 1]++;
        total++;
      }
  for (unsigned i = 1; i < G_N_ELEMENTS (decoder->first); i++)
    decoder->first[i] += decoder->first[i - 1];
  decoder->entries = g_new (const X86OpEntry *, total);
  {
    g_autofree uint16_t *fill = g_memdup2 (decoder->first, sizeof decoder->first);

    for (unsigned t = 0; x86_op_tables[t] != NULL; t++)
      for (const X86OpEntry *entry = x86_op_tables[t]; entry->lower != NULL; entry++)
        decoder->entries[fill[entry->mnemonic]++] = entry;
  }
  cpu->decoder = decoder;
}

void
x86_decoder_free (X86Cpu *cpu)
{
  g_free (cpu->decoder->entries);
  x86_decode_memo_free (cpu->decoder->memo);
  g_free (cpu->decoder);
}

static void
clear_op (X86Op *op)
{
  uint16_t next = op->next;
  uint8_t len = op->len, n = op->n;

  *op = (X86Op) { .next = next, .len = len, .n = n, .base = X86_ZERO, .index = X86_ZERO, .seg = X86_ZERO,
                  .segno = X86_DS };
}

/* The handler that raises what the control registers ask for, or NULL when the unit may be used. */
static X86OpFn
unit_missing (const X86Lower *lw, unsigned flags)
{
  if ((flags & X86_ENTRY_PE) && (!(lw->mode & X86_MODE_PE) || (lw->mode & X86_MODE_VM86)))
    return x86_op_ud;
  if ((flags & X86_ENTRY_FPU) && !(lw->mode & X86_MODE_FPU))
    return x86_op_no_fpu;
  if ((flags & X86_ENTRY_MMX) && !(lw->mode & X86_MODE_FPU))
    return x86_op_no_mmx;
  if ((flags & X86_ENTRY_SSE) && !(lw->mode & X86_MODE_SSE))
    return x86_op_no_sse;
  if ((flags & X86_ENTRY_AVX) && !(lw->mode & X86_MODE_AVX))
    return x86_op_no_avx;
  return NULL;
}

/* Lowers lw->insn into @op and perhaps more ops after it; returns how many. */
static void
lower_one (X86Lower *lw, X86Op *op)
{
  const X86Decoder *decoder = lw->cpu->decoder;
  ZydisInstructionAttributes attributes = lw->insn.attributes;

  for (unsigned i = decoder->first[lw->insn.mnemonic]; i < decoder->first[lw->insn.mnemonic + 1]; i++)
    {
      const X86OpEntry *entry = decoder->entries[i];
      X86OpFn missing;

      if (!x86_has (lw->cpu, entry->feature))
        continue;
      clear_op (op);
      op->size = lw->insn.operand_width / 8;
      op->asize = lw->insn.address_width / 8;
      if (attributes & ZYDIS_ATTRIB_HAS_LOCK)
        {
          if (!(entry->flags & X86_ENTRY_LOCK) || !x86_is_mem (lw, 0))
            continue;
          op->flags |= X86_OPF_LOCK;
        }
      if (attributes & (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE))
        op->flags |= X86_OPF_REPE;
      if (attributes & ZYDIS_ATTRIB_HAS_REPNE)
        op->flags |= X86_OPF_REPNE;
      if (!entry->lower (lw, op, entry))
        continue;
      if (entry->flags & X86_ENTRY_END)
        lw->end = TRUE;
      missing = unit_missing (lw, entry->flags);
      if (missing != NULL)
        {
          op->fn = missing;
          lw->end = TRUE;
        }
      return;
    }
  clear_op (op);
  op->fn = x86_op_ud;
  lw->end = TRUE;
}

gboolean
x86_decode_instruction (X86Cpu *cpu, const uint8_t *bytes, unsigned available, uint32_t mode, ZydisDecodedInstruction *insn,
                        ZydisDecodedOperand *operands)
{
  unsigned code = mode & X86_MODE_CODE_MASK;

  return ZYAN_SUCCESS (x86_decode_memo (cpu->decoder->memo, &cpu->decoder->zydis[code], code, bytes,
                                        MIN (available, (unsigned) INSTRUCTION_MAX), insn, operands));
}

unsigned
x86_decode (X86Cpu *cpu, const uint8_t *bytes, unsigned available, gboolean in_page, uint32_t mode,
            unsigned max_instructions, X86Op *ops, unsigned *length)
{
  unsigned code = mode & X86_MODE_CODE_MASK;
  const ZydisDecoder *zydis = &cpu->decoder->zydis[code];
  unsigned count = 0, done = 0, n = 0;
  X86Lower lw;

  lw.cpu = cpu;
  lw.mode = mode;
  lw.end = FALSE;
  while (n < max_instructions && !lw.end && done < available)
    {
      unsigned room = MIN (available - done, INSTRUCTION_MAX);
      X86Op *op = &ops[count];
      ZyanStatus status = x86_decode_memo (cpu->decoder->memo, zydis, code, bytes + done, room, &lw.insn, lw.opr);

      if (ZYAN_SUCCESS (status))
        {
          lw.count = lw.insn.operand_count_visible;
          op->len = lw.insn.length;
        }
      else if (status == ZYDIS_STATUS_NO_MORE_DATA && room < INSTRUCTION_MAX && in_page)
        break; /* goes on in the next page */
      else
        op->len = (uint8_t) room; /* any of these bytes may have made it invalid */
      op->next = (uint16_t) (done + op->len);
      op->n = (uint8_t) ++n;
      if (ZYAN_SUCCESS (status))
        lower_one (&lw, op);
      else
        {
          clear_op (op);
          op->fn = status == ZYDIS_STATUS_INSTRUCTION_TOO_LONG || status == ZYDIS_STATUS_NO_MORE_DATA ? x86_op_gp0
                                                                                                  : x86_op_ud;
          lw.end = TRUE;
        }
      done += op->len;
      count++;
    }
  *length = done;
  if (count == 0)
    return 0;
  return x86_finish_block (cpu, bytes, in_page, mode, lw.end, ops, count);
}
