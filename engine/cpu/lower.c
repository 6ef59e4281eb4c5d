/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Operand lowering shared by the ops files. */

#include "engine/cpu/cpu-private.h"
#include "engine/cpu/lower.h"

uint8_t
x86_lower_reg (ZydisRegister reg)
{
  if (reg >= ZYDIS_REGISTER_AL && reg <= ZYDIS_REGISTER_BL)
    return (uint8_t) ((reg - ZYDIS_REGISTER_AL) * 8);
  if (reg >= ZYDIS_REGISTER_AH && reg <= ZYDIS_REGISTER_BH)
    return (uint8_t) ((reg - ZYDIS_REGISTER_AH) * 8 + 1);
  if (reg >= ZYDIS_REGISTER_SPL && reg <= ZYDIS_REGISTER_R15B)
    return (uint8_t) ((reg - ZYDIS_REGISTER_SPL + 4) * 8);
  return (uint8_t) ZydisRegisterGetId (reg);
}

gboolean
x86_is_reg (const X86Lower *lw, unsigned n)
{
  return n < lw->count && lw->opr[n].type == ZYDIS_OPERAND_TYPE_REGISTER;
}

gboolean
x86_is_mem (const X86Lower *lw, unsigned n)
{
  return n < lw->count && lw->opr[n].type == ZYDIS_OPERAND_TYPE_MEMORY;
}

gboolean
x86_is_imm (const X86Lower *lw, unsigned n)
{
  return n < lw->count && lw->opr[n].type == ZYDIS_OPERAND_TYPE_IMMEDIATE;
}

unsigned
x86_operand_size (const X86Lower *lw, unsigned n)
{
  return lw->opr[n].size / 8;
}

static uint8_t
segment_number (ZydisRegister reg)
{
  switch (reg)
    {
    case ZYDIS_REGISTER_ES: return X86_ES;
    case ZYDIS_REGISTER_CS: return X86_CS;
    case ZYDIS_REGISTER_SS: return X86_SS;
    case ZYDIS_REGISTER_FS: return X86_FS;
    case ZYDIS_REGISTER_GS: return X86_GS;
    default: return X86_DS;
    }
}

static gboolean
segment_is_flat (uint32_t mode, unsigned seg)
{
  switch (seg)
    {
    case X86_CS: return FALSE; /* may not be readable */
    case X86_FS: return (mode & X86_MODE_FSFLAT) != 0;
    case X86_GS: return (mode & X86_MODE_GSFLAT) != 0;
    default: return (mode & X86_MODE_FLAT) != 0;
    }
}

/* How addresses of @asize bytes in @seg are formed in @mode. */
static uint8_t
address_kind (uint32_t mode, unsigned seg, unsigned asize)
{
  if (mode & X86_MODE_ALIGN)
    return X86_EA_GENERAL;
  if (mode & X86_MODE_CODE64)
    {
      if (asize == 8)
        return X86_EA_FLAT64;
      return seg == X86_FS || seg == X86_GS ? X86_EA_GENERAL : X86_EA_FLAT32;
    }
  return asize == 4 && segment_is_flat (mode, seg) ? X86_EA_FLAT32 : X86_EA_GENERAL;
}

void
x86_lower_segment (const X86Lower *lw, X86Op *op, unsigned seg)
{
  op->segno = (uint8_t) seg;
  op->ea = address_kind (lw->mode, seg, op->asize);
  op->seg = (uint8_t) ((lw->mode & X86_MODE_CODE64) && seg != X86_FS && seg != X86_GS ? X86_ZERO : X86_SEGBASE + seg);
}

gboolean
x86_lower_mem (X86Lower *lw, X86Op *op, unsigned n)
{
  const ZydisDecodedOperandMem *mem = &lw->opr[n].mem;
  int64_t disp = mem->disp.has_displacement ? mem->disp.value : 0;

  if (mem->type == ZYDIS_MEMOP_TYPE_VSIB)
    return FALSE;
  x86_lower_segment (lw, op, segment_number (mem->segment));
  op->base = op->index = X86_ZERO;
  op->scale = 0;
  if (mem->base == ZYDIS_REGISTER_R13D && lw->insn.raw.modrm.rm == 4 && lw->insn.raw.modrm.mod == 0)
    disp = (int32_t) lw->insn.raw.disp.value; /* there is no base: the decoder sees that of R13 and EBP only */
  else if (mem->base == ZYDIS_REGISTER_RIP || mem->base == ZYDIS_REGISTER_EIP)
    {
      op->base = X86_RIP;
      if ((int32_t) (disp + op->next) == disp + op->next)
        disp += op->next;
      else
        {
          op->flags |= X86_OPF_RIP_WIDE;
          op->ea = X86_EA_GENERAL;
        }
    }
  else if (mem->base != ZYDIS_REGISTER_NONE)
    op->base = x86_lower_reg (mem->base);
  if (mem->index != ZYDIS_REGISTER_NONE)
    {
      op->index = x86_lower_reg (mem->index);
      op->scale = mem->scale == 8 ? 3 : mem->scale == 4 ? 2 : mem->scale == 2 ? 1 : 0;
    }
  op->disp = (int32_t) disp;
  return TRUE;
}

unsigned
x86_lower_override (const X86Lower *lw)
{
  ZydisInstructionAttributes attributes = lw->insn.attributes;

  if (attributes & ZYDIS_ATTRIB_HAS_SEGMENT_FS)
    return X86_FS;
  if (attributes & ZYDIS_ATTRIB_HAS_SEGMENT_GS)
    return X86_GS;
  if (lw->mode & X86_MODE_CODE64)
    return X86_DS;
  if (attributes & ZYDIS_ATTRIB_HAS_SEGMENT_CS)
    return X86_CS;
  if (attributes & ZYDIS_ATTRIB_HAS_SEGMENT_SS)
    return X86_SS;
  if (attributes & ZYDIS_ATTRIB_HAS_SEGMENT_ES)
    return X86_ES;
  return X86_DS;
}

gboolean
x86_lower_plain (X86Lower *lw, X86Op *op, const X86OpEntry *entry)
{
  op->fn = entry->fns[0];
  if (entry->flags & X86_ENTRY_END)
    lw->end = TRUE;
  return TRUE;
}

gboolean
x86_lower_vec (X86Lower *lw, X86Op *op, const X86OpEntry *entry)
{
  op->size = (uint8_t) x86_operand_size (lw, 0);
  if (x86_is_mem (lw, 0))
    {
      if (lw->count > 1 && entry->fns[2] == NULL)
        return FALSE;
      op->fn = entry->fns[lw->count > 1 ? 2 : 1];
      if (!x86_lower_mem (lw, op, 0))
        return FALSE;
      if (x86_is_reg (lw, 1))
        op->src = x86_lower_reg (lw->opr[1].reg.value);
    }
  else
    {
      op->dst = x86_lower_reg (lw->opr[0].reg.value);
      if (x86_is_mem (lw, 1))
        {
          op->fn = entry->fns[1];
          if (!x86_lower_mem (lw, op, 1))
            return FALSE;
        }
      else
        {
          op->fn = entry->fns[0];
          if (x86_is_reg (lw, 1))
            op->src = x86_lower_reg (lw->opr[1].reg.value);
        }
    }
  for (unsigned n = 1; n < lw->count; n++)
    if (x86_is_imm (lw, n))
      op->imm = (int32_t) lw->opr[n].imm.value.s;
  if (entry->flags & X86_ENTRY_END)
    lw->end = TRUE;
  return op->fn != NULL;
}

uint64_t
x86_seg_linear (X86Cpu *cpu, const X86Op *op, unsigned segno, uint64_t offset, unsigned size, X86Access access)
{
  const X86Seg *seg = &cpu->seg[segno];
  uint8_t vector = segno == X86_SS ? X86_EXC_SS : X86_EXC_GP;
  uint64_t lin, last;

  if (x86_code64 (cpu))
    lin = offset + (segno == X86_FS || segno == X86_GS ? cpu->r[X86_SEGBASE + segno] : 0);
  else
    {
      offset = (uint32_t) offset;
      last = offset + size - 1;
      if (x86_protected (cpu) && !x86_vm86 (cpu))
        {
          if (seg->attr & X86_SEG_UNUSABLE)
            x86_raise_error (cpu, op, vector, 0);
          if (seg->attr & X86_SEG_CODE)
            {
              if (access == X86_ACCESS_WRITE || !(seg->attr & X86_SEG_READABLE))
                x86_raise_error (cpu, op, vector, 0);
            }
          else if (access == X86_ACCESS_WRITE && !(seg->attr & X86_SEG_WRITABLE))
            x86_raise_error (cpu, op, vector, 0);
        }
      if ((seg->attr & (X86_SEG_CODE | X86_SEG_EXPAND_DOWN)) == X86_SEG_EXPAND_DOWN)
        {
          if (offset <= seg->limit || last > ((seg->attr & X86_SEG_DB) ? 0xffffffffu : 0xffffu))
            x86_raise_error (cpu, op, vector, 0);
        }
      else if (last > seg->limit)
        x86_raise_error (cpu, op, vector, 0);
      lin = (uint32_t) (offset + cpu->r[X86_SEGBASE + segno]);
    }
  if ((cpu->mode & X86_MODE_ALIGN) && size <= 8 && (size & (size - 1)) == 0 && (lin & (size - 1)))
    {
      /* After the checks of the segment and before those of the page, as AMD's processors have it. */
      if (x86_code64 (cpu) && !x86_is_canonical (lin))
        x86_raise_error (cpu, op, vector, 0);
      x86_raise_error (cpu, op, X86_EXC_AC, 0);
    }
  return lin;
}

uint64_t
x86_ea_general (X86Cpu *cpu, const X86Op *op, uint64_t offset, unsigned size, X86Access access)
{
  if (op->flags & X86_OPF_RIP_WIDE)
    offset += op->next;
  if (op->asize == 4)
    offset = (uint32_t) offset;
  else if (op->asize == 2)
    offset = (uint16_t) offset;
  return x86_seg_linear (cpu, op, op->segno, offset, size, access);
}
