/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * VEX-coded instructions as host code: vector registers are in themselves, general ones and memory elsewhere.
 * Specification: Intel SDM volume 2A, section 2.3 (AVX).
 */

#include "engine/cpu/jit/translation.h"

/* --- Which ones --- */

/* What takes memory piece by piece, or the unit as a whole. */
static gboolean
is_for_interpreter (ZydisMnemonic mnemonic)
{
  switch (mnemonic)
    {
    case ZYDIS_MNEMONIC_VMASKMOVPS: case ZYDIS_MNEMONIC_VMASKMOVPD: case ZYDIS_MNEMONIC_VPMASKMOVD:
    case ZYDIS_MNEMONIC_VPMASKMOVQ: case ZYDIS_MNEMONIC_VMASKMOVDQU: case ZYDIS_MNEMONIC_VLDMXCSR:
    case ZYDIS_MNEMONIC_VSTMXCSR:
      return TRUE;
    default:
      return FALSE;
    }
}

static gboolean
is_known_set (ZydisISASet set)
{
  switch (set)
    {
    case ZYDIS_ISA_SET_AVX: case ZYDIS_ISA_SET_AVX2: case ZYDIS_ISA_SET_AVXAES: case ZYDIS_ISA_SET_F16C:
    case ZYDIS_ISA_SET_FMA: case ZYDIS_ISA_SET_VAES: case ZYDIS_ISA_SET_VPCLMULQDQ: case ZYDIS_ISA_SET_BMI1:
    case ZYDIS_ISA_SET_BMI2:
      return TRUE;
    default:
      return FALSE;
    }
}

static gboolean
is_bmi (const JitInsn *insn)
{
  return insn->z.meta.isa_set == ZYDIS_ISA_SET_BMI1 || insn->z.meta.isa_set == ZYDIS_ISA_SET_BMI2;
}

gboolean
jit_vex_is_zero (const JitInsn *insn)
{
  return insn->z.mnemonic == ZYDIS_MNEMONIC_VZEROUPPER || insn->z.mnemonic == ZYDIS_MNEMONIC_VZEROALL;
}

gboolean
jit_vex_fits (JitInsn *insn)
{
  if (insn->z.encoding != ZYDIS_INSTRUCTION_ENCODING_VEX || !is_known_set (insn->z.meta.isa_set)
      || is_for_interpreter (insn->z.mnemonic) || jit_vex_is_zero (insn))
    return FALSE;
  insn->uses_sse = insn->uses_avx = !is_bmi (insn);
  for (unsigned i = 0; i < insn->z.operand_count_visible; i++)
    {
      const ZydisDecodedOperand *o = &insn->opr[i];

      switch (o->type)
        {
        case ZYDIS_OPERAND_TYPE_REGISTER:
          switch (ZydisRegisterGetClass (o->reg.value))
            {
            case ZYDIS_REGCLASS_YMM:
              insn->is_256 = TRUE;
              /* fall through */
            case ZYDIS_REGCLASS_XMM:
            case ZYDIS_REGCLASS_GPR32:
            case ZYDIS_REGCLASS_GPR64:
              break;
            default:
              return FALSE;
            }
          break;
        case ZYDIS_OPERAND_TYPE_MEMORY:
          if (insn->mem >= 0 || o->mem.type != ZYDIS_MEMOP_TYPE_MEM || insn->op.ea == X86_EA_GENERAL)
            return FALSE;
          insn->mem = (int) i;
          break;
        case ZYDIS_OPERAND_TYPE_IMMEDIATE:
          break;
        default:
          return FALSE;
        }
    }
  return TRUE;
}

unsigned
jit_vex_alignment (const JitInsn *insn)
{
  switch (insn->z.mnemonic)
    {
    case ZYDIS_MNEMONIC_VMOVAPS: case ZYDIS_MNEMONIC_VMOVAPD: case ZYDIS_MNEMONIC_VMOVDQA: case ZYDIS_MNEMONIC_VMOVNTPS:
    case ZYDIS_MNEMONIC_VMOVNTPD: case ZYDIS_MNEMONIC_VMOVNTDQ: case ZYDIS_MNEMONIC_VMOVNTDQA:
      return insn->opr[insn->mem].size / 8u - 1;
    default:
      return 0;
    }
}

/* --- Their code --- */

/* Outside 64-bit code VEX.W does not widen general registers and what stands for them. */
static gboolean
is_wide (const Translation *t, const JitInsn *insn)
{
  if (!insn->z.raw.vex.W || t->is_64)
    return insn->z.raw.vex.W;
  switch (insn->z.mnemonic)
    {
    case ZYDIS_MNEMONIC_VMOVD: case ZYDIS_MNEMONIC_VMOVQ: case ZYDIS_MNEMONIC_VCVTSI2SS: case ZYDIS_MNEMONIC_VCVTSI2SD:
    case ZYDIS_MNEMONIC_VCVTSS2SI: case ZYDIS_MNEMONIC_VCVTSD2SI: case ZYDIS_MNEMONIC_VCVTTSS2SI:
    case ZYDIS_MNEMONIC_VCVTTSD2SI: case ZYDIS_MNEMONIC_VPCMPESTRI: case ZYDIS_MNEMONIC_VPCMPESTRM:
      return FALSE;
    default:
      return !is_bmi (insn);
    }
}

void
jit_put_vex (Translation *t, const JitInsn *insn, unsigned reg, unsigned second, const EmitMem *mem, unsigned rm)
{
  Emit *e = t->e;
  const ZydisDecodedInstruction *z = &insn->z;
  unsigned base = mem != NULL ? mem->base : rm, index = mem != NULL ? mem->index : NO_REG;

  if (insn->is_256 && t->are_uppers_clean)
    {
      jit_set_vectors (t, JIT_VECTORS_FULL);
      t->are_uppers_clean = FALSE;
    }
  emit_vex (e, z->raw.vex.pp, z->raw.vex.m_mmmm, is_wide (t, insn), z->raw.vex.L, reg, second, index, base);
  emit8 (e, z->opcode);
  if (mem != NULL)
    emit_mem (e, reg, *mem);
  else
    emit8 (e, 0xc0 | (reg & 7) << 3 | (rm & 7));
  if (z->raw.imm[0].size != 0)
    {
      unsigned imm = insn->bytes[z->raw.imm[0].offset];

      /* A register there has three bits in such code. */
      if (!t->is_64 && (z->mnemonic == ZYDIS_MNEMONIC_VBLENDVPS || z->mnemonic == ZYDIS_MNEMONIC_VBLENDVPD
                        || z->mnemonic == ZYDIS_MNEMONIC_VPBLENDVB))
        imm &= 0x7f;
      emit8 (e, imm);
    }
}

void
jit_emit_vzero (Translation *t, const JitInsn *insn)
{
  emit_bytes (t->e, insn->bytes, insn->z.length);
  jit_set_vectors (t, JIT_VECTORS_ZERO);
  t->are_uppers_clean = TRUE;
}
