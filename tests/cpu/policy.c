/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which instructions take part, and what of their results counts.
 * Specification: Intel SDM volume 1, appendix A (EFLAGS Cross-Reference); volume 2 (flags affected).
 */

#include "tests/cpu/case.h"

#include "engine/cpu/cpuid.h"

enum
{
  CF = ZYDIS_CPUFLAG_CF, PF = ZYDIS_CPUFLAG_PF, AF = ZYDIS_CPUFLAG_AF, ZF = ZYDIS_CPUFLAG_ZF, SF = ZYDIS_CPUFLAG_SF,
  OF = ZYDIS_CPUFLAG_OF, ARITHMETIC = CF | PF | AF | ZF | SF | OF, FLAG_AC = 1 << 18, EXC_SS = 12, EXC_GP = 13,
  EXC_PF = 14, EXC_AC = 17
};

void
policy_init (gboolean *allowed, CaseHasFeature has_feature, void *opaque)
{
  static const struct { uint8_t set; uint8_t feature; } sets[] = {
    { ZYDIS_ISA_SET_I86, X86_FEAT_NONE }, { ZYDIS_ISA_SET_I186, X86_FEAT_NONE },
    { ZYDIS_ISA_SET_I286PROTECTED, X86_FEAT_NONE }, { ZYDIS_ISA_SET_I286REAL, X86_FEAT_NONE },
    { ZYDIS_ISA_SET_I386, X86_FEAT_NONE }, { ZYDIS_ISA_SET_I486, X86_FEAT_NONE },
    { ZYDIS_ISA_SET_I486REAL, X86_FEAT_NONE }, { ZYDIS_ISA_SET_PENTIUMREAL, X86_FEAT_CX8 },
    { ZYDIS_ISA_SET_PPRO, X86_FEAT_CMOV }, { ZYDIS_ISA_SET_CMOV, X86_FEAT_CMOV },
    { ZYDIS_ISA_SET_FCMOV, X86_FEAT_CMOV },
    { ZYDIS_ISA_SET_FAT_NOP, X86_FEAT_CMOV }, { ZYDIS_ISA_SET_LAHF, X86_FEAT_LAHF64 },
    { ZYDIS_ISA_SET_LONGMODE, X86_FEAT_LM }, { ZYDIS_ISA_SET_PAUSE, X86_FEAT_NONE },
    { ZYDIS_ISA_SET_PREFETCH_NOP, X86_FEAT_PREFETCHW }, { ZYDIS_ISA_SET_POPCNT, X86_FEAT_POPCNT },
    { ZYDIS_ISA_SET_CMPXCHG16B, X86_FEAT_CX16 }, { ZYDIS_ISA_SET_CLFSH, X86_FEAT_CLFLUSH },
    { ZYDIS_ISA_SET_X87, X86_FEAT_FPU }, { ZYDIS_ISA_SET_PENTIUMMMX, X86_FEAT_MMX },
    { ZYDIS_ISA_SET_FXSAVE, X86_FEAT_FXSR }, { ZYDIS_ISA_SET_FXSAVE64, X86_FEAT_FXSR },
    { ZYDIS_ISA_SET_SSE, X86_FEAT_SSE }, { ZYDIS_ISA_SET_SSEMXCSR, X86_FEAT_SSE },
    { ZYDIS_ISA_SET_SSE_PREFETCH, X86_FEAT_SSE }, { ZYDIS_ISA_SET_SSE2, X86_FEAT_SSE2 },
    { ZYDIS_ISA_SET_SSE2MMX, X86_FEAT_SSE2 }, { ZYDIS_ISA_SET_SSE3, X86_FEAT_SSE3 },
    { ZYDIS_ISA_SET_SSE3X87, X86_FEAT_SSE3 }, { ZYDIS_ISA_SET_SSSE3, X86_FEAT_SSSE3 },
    { ZYDIS_ISA_SET_SSSE3MMX, X86_FEAT_SSSE3 }, { ZYDIS_ISA_SET_SSE4, X86_FEAT_SSE41 },
    { ZYDIS_ISA_SET_SSE42, X86_FEAT_SSE42 }, { ZYDIS_ISA_SET_AES, X86_FEAT_AES },
    { ZYDIS_ISA_SET_PCLMULQDQ, X86_FEAT_PCLMULQDQ }, { ZYDIS_ISA_SET_SHA, X86_FEAT_SHA },
    { ZYDIS_ISA_SET_AVX, X86_FEAT_AVX }, { ZYDIS_ISA_SET_AVX2, X86_FEAT_AVX2 },
    { ZYDIS_ISA_SET_AVX2GATHER, X86_FEAT_AVX2 }, { ZYDIS_ISA_SET_AVXAES, X86_FEAT_AVX },
    { ZYDIS_ISA_SET_VAES, X86_FEAT_VAES }, { ZYDIS_ISA_SET_VPCLMULQDQ, X86_FEAT_VPCLMULQDQ },
    { ZYDIS_ISA_SET_F16C, X86_FEAT_F16C }, { ZYDIS_ISA_SET_FMA, X86_FEAT_FMA },
    { ZYDIS_ISA_SET_BMI1, X86_FEAT_BMI1 }, { ZYDIS_ISA_SET_BMI2, X86_FEAT_BMI2 },
    { ZYDIS_ISA_SET_LZCNT, X86_FEAT_ABM }, { ZYDIS_ISA_SET_MOVBE, X86_FEAT_MOVBE },
    { ZYDIS_ISA_SET_ADOX_ADCX, X86_FEAT_ADX }, { ZYDIS_ISA_SET_RDWRFSGS, X86_FEAT_FSGSBASE },
  };

  for (unsigned i = 0; i <= ZYDIS_ISA_SET_MAX_VALUE; i++)
    allowed[i] = FALSE;
  for (unsigned i = 0; i < G_N_ELEMENTS (sets); i++)
    allowed[sets[i].set] = has_feature (opaque, sets[i].feature);
}

static gboolean
is_segment_register (const ZydisDecodedOperand *operand)
{
  return operand->type == ZYDIS_OPERAND_TYPE_REGISTER
         && ZydisRegisterGetClass (operand->reg.value) == ZYDIS_REGCLASS_SEGMENT;
}

static gboolean
has_prefix (const ZydisDecodedInstruction *insn, uint8_t prefix)
{
  for (unsigned i = 0; i < insn->raw.prefix_count; i++)
    if (insn->raw.prefixes[i].value == prefix)
      return TRUE;
  return FALSE;
}

gboolean
policy_uses_selector (const CaseStep *step)
{
  switch (step->insn.mnemonic)
    {
    case ZYDIS_MNEMONIC_LAR:
    case ZYDIS_MNEMONIC_LSL:
    case ZYDIS_MNEMONIC_VERR:
    case ZYDIS_MNEMONIC_VERW:
    case ZYDIS_MNEMONIC_LDS:
    case ZYDIS_MNEMONIC_LES:
    case ZYDIS_MNEMONIC_LFS:
    case ZYDIS_MNEMONIC_LGS:
    case ZYDIS_MNEMONIC_LSS:
    case ZYDIS_MNEMONIC_IRET:
    case ZYDIS_MNEMONIC_IRETD:
    case ZYDIS_MNEMONIC_IRETQ:
      return TRUE;
    case ZYDIS_MNEMONIC_MOV:
    case ZYDIS_MNEMONIC_POP:
      return is_segment_register (&step->opr[0]);
    default:
      return step->insn.meta.branch_type == ZYDIS_BRANCH_TYPE_FAR;
    }
}

gboolean
policy_is_branch (const CaseStep *step)
{
  return step->is_valid && step->insn.meta.branch_type != ZYDIS_BRANCH_TYPE_NONE;
}

gboolean
policy_stores_x87 (const CaseStep *step)
{
  switch (step->insn.mnemonic)
    {
    case ZYDIS_MNEMONIC_FNSAVE:
    case ZYDIS_MNEMONIC_FNSTENV:
    case ZYDIS_MNEMONIC_FNSTSW:
    case ZYDIS_MNEMONIC_FXSAVE:
    case ZYDIS_MNEMONIC_FXSAVE64:
      return TRUE;
    default:
      return FALSE;
    }
}

gboolean
policy_allows (const gboolean *allowed, const CaseStep *step, CaseMode mode)
{
  const ZydisDecodedInstruction *insn = &step->insn;

  if (!allowed[insn->meta.isa_set])
    return FALSE;
  /* Not all processors have 64-bit far pointers. */
  if (insn->raw.rex.W && policy_uses_selector (step))
    return FALSE;
  switch (insn->mnemonic)
    {
    /* They tell of this very processor or of the host's tables, or enter its kernel. */
    case ZYDIS_MNEMONIC_CPUID:
    case ZYDIS_MNEMONIC_RDTSC:
    case ZYDIS_MNEMONIC_SGDT:
    case ZYDIS_MNEMONIC_SIDT:
    case ZYDIS_MNEMONIC_SLDT:
    case ZYDIS_MNEMONIC_STR:
    case ZYDIS_MNEMONIC_SMSW:
    case ZYDIS_MNEMONIC_SYSCALL:
    case ZYDIS_MNEMONIC_SYSRET:
    case ZYDIS_MNEMONIC_SYSENTER:
    case ZYDIS_MNEMONIC_SYSEXIT:
      return FALSE;
    case ZYDIS_MNEMONIC_FSTPNCE: /* not documented */
      return FALSE;
    case ZYDIS_MNEMONIC_INT1: /* virtual machines have their own idea of where it ends */
      return FALSE;
    case ZYDIS_MNEMONIC_LOOPE: /* a repeat prefix inverts them on some */
    case ZYDIS_MNEMONIC_LOOPNE:
      if (has_prefix (insn, 0xf2) || has_prefix (insn, 0xf3))
        return FALSE;
      break;
    case ZYDIS_MNEMONIC_NOP: /* PREFETCHW of a register: undefined on some */
      if (insn->opcode_map == ZYDIS_OPCODE_MAP_0F && insn->opcode == 0x0d && insn->raw.modrm.mod == 3)
        return FALSE;
      break;
    case ZYDIS_MNEMONIC_INT:
      if (step->opr[0].imm.value.u == 0x80)
        return FALSE;
      break;
    case ZYDIS_MNEMONIC_BSWAP: /* of 16 bits: undefined */
      if (insn->operand_width == 16)
        return FALSE;
      break;
    case ZYDIS_MNEMONIC_SHLD: /* 16 bits by more than 16: undefined */
    case ZYDIS_MNEMONIC_SHRD:
      if (insn->operand_width == 16)
        return step->opr[2].type == ZYDIS_OPERAND_TYPE_IMMEDIATE && (step->opr[2].imm.value.u & 31) <= 16;
      break;
    default:
      break;
    }
  /* Processors differ in what an operand size prefix makes of near branches in 64-bit code. */
  if (mode == CASE_64 && policy_is_branch (step) && has_prefix (insn, 0x66))
    return FALSE;
  return TRUE;
}

/* In memory, more than 8 bytes. */
static gboolean
has_wide_operand (const CaseStep *step)
{
  for (unsigned i = 0; step->is_valid && i < step->insn.operand_count; i++)
    if (step->opr[i].type == ZYDIS_OPERAND_TYPE_MEMORY && step->opr[i].size > 64)
      return TRUE;
  return FALSE;
}

static gboolean
is_near (uint64_t address, uint32_t base)
{
  return (uint32_t) address - base < 0x1000 || base - (uint32_t) address <= 0x1000;
}

/* Outcomes of the step at the end that processors are free to differ in. */
gboolean
policy_may_differ (const Case *cs, const CaseStep *step, const Outcome *native, const Outcome *interp)
{
  gboolean both_fault = native->vector >= 0 && interp->vector >= 0;
  ZydisMnemonic mnemonic = step->is_valid ? step->insn.mnemonic : ZYDIS_MNEMONIC_UD2;

  if (native->vector == EXC_AC || interp->vector == EXC_AC)
    {
      /* Page faults come first or not; operands of more than 8 bytes need not be checked. */
      if (both_fault)
        return TRUE;
      if (has_wide_operand (step) || (step->is_valid && policy_uses_selector (step)))
        return TRUE;
    }
  /* What is first of a segment's limit, the alignment of an SSE operand and pages; x87 operands go piece by piece. */
  if (cs->mode != CASE_64 && both_fault && has_wide_operand (step))
    return TRUE;
  /* Which page of two forbidden ones the error tells of. */
  if (native->vector == EXC_PF && interp->vector == EXC_PF && native->cr2 == interp->cr2
      && native->cr2 > CASE_READONLY + 0xe00 && native->cr2 < CASE_READONLY + 0x1200)
    return TRUE;
  /* Accesses over the end of 32-bit segments of 4 GiB may fault or wrap. */
  if (cs->mode != CASE_64 && (native->vector == EXC_SS || native->vector == EXC_GP) && interp->vector == EXC_PF
      && (is_near (interp->cr2, 0) || is_near (interp->cr2, CASE_FS_BASE)))
    return TRUE;
  switch (mnemonic)
    {
    case ZYDIS_MNEMONIC_UD0: /* whether an operand must be there before the instruction is undefined */
    case ZYDIS_MNEMONIC_UD1:
    case ZYDIS_MNEMONIC_UD2:
      return cs->address + step->offset + ZYDIS_MAX_INSTRUCTION_LENGTH > CASE_CODE + CASE_CODE_SIZE;
    case ZYDIS_MNEMONIC_SHA1MSG1: /* whether the operand must be aligned */
    case ZYDIS_MNEMONIC_SHA1MSG2:
    case ZYDIS_MNEMONIC_SHA1NEXTE:
    case ZYDIS_MNEMONIC_SHA1RNDS4:
    case ZYDIS_MNEMONIC_SHA256MSG1:
    case ZYDIS_MNEMONIC_SHA256MSG2:
    case ZYDIS_MNEMONIC_SHA256RNDS2:
      return interp->vector == EXC_GP;
    case ZYDIS_MNEMONIC_MASKMOVQ: /* whether bytes that are not stored can fault, and MMX registers are in use by then */
    case ZYDIS_MNEMONIC_MASKMOVDQU:
    case ZYDIS_MNEMONIC_VMASKMOVDQU:
      return native->vector == EXC_PF || native->vector == EXC_GP || native->vector == EXC_SS;
    case ZYDIS_MNEMONIC_RET:   /* whether the stack of an outer ring is looked at before the selector */
      return native->vector == EXC_PF && both_fault;
    case ZYDIS_MNEMONIC_IRET:  /* what of the frame is looked at first */
    case ZYDIS_MNEMONIC_IRETD:
    case ZYDIS_MNEMONIC_IRETQ:
      return both_fault;
    case ZYDIS_MNEMONIC_FXRSTOR:
    case ZYDIS_MNEMONIC_FXRSTOR64:
    case ZYDIS_MNEMONIC_VLDMXCSR:
    case ZYDIS_MNEMONIC_LDMXCSR: /* processors may have more bits in MXCSR */
      return both_fault || interp->vector == EXC_GP;
    case ZYDIS_MNEMONIC_CVTPS2PI: /* whether MMX registers are in use by the time of the fault */
    case ZYDIS_MNEMONIC_CVTPD2PI:
    case ZYDIS_MNEMONIC_CVTTPS2PI:
    case ZYDIS_MNEMONIC_CVTTPD2PI:
    case ZYDIS_MNEMONIC_CVTPI2PS:
    case ZYDIS_MNEMONIC_CVTPI2PD:
      return both_fault && native->vector == interp->vector;
    case ZYDIS_MNEMONIC_FNSAVE: /* which byte of the image faults first */
    case ZYDIS_MNEMONIC_FNSTENV:
    case ZYDIS_MNEMONIC_FLDENV:
    case ZYDIS_MNEMONIC_FRSTOR:
    case ZYDIS_MNEMONIC_FXSAVE:
    case ZYDIS_MNEMONIC_FXSAVE64:
    case ZYDIS_MNEMONIC_CALL:  /* whether the target is looked at before the stack */
    case ZYDIS_MNEMONIC_DPPS:  /* which of its steps is the first to raise something */
    case ZYDIS_MNEMONIC_DPPD:
    case ZYDIS_MNEMONIC_VDPPS:
    case ZYDIS_MNEMONIC_VDPPD:
    case ZYDIS_MNEMONIC_MOVSB: /* which of the two operands faults first */
    case ZYDIS_MNEMONIC_MOVSW:
    case ZYDIS_MNEMONIC_MOVSD:
    case ZYDIS_MNEMONIC_MOVSQ:
    case ZYDIS_MNEMONIC_CMPSB:
    case ZYDIS_MNEMONIC_CMPSW:
    case ZYDIS_MNEMONIC_CMPSD:
    case ZYDIS_MNEMONIC_CMPSQ:
    case ZYDIS_MNEMONIC_POPA:  /* how many registers are loaded before one cannot be */
    case ZYDIS_MNEMONIC_POPAD:
      return both_fault;
    case ZYDIS_MNEMONIC_VPINSRD: /* whether VEX.W matters outside 64-bit code */
    case ZYDIS_MNEMONIC_VPEXTRD:
      return cs->mode != CASE_64 && step->insn.raw.vex.W && native->vector != interp->vector;
    case ZYDIS_MNEMONIC_ENTER: /* whether the new top of the stack must be aligned */
      return (native->state.rflags & FLAG_AC) && native->vector == EXC_AC;
    default:
      return FALSE;
    }
}

/* Bits of the x87 status word that are undefined after the instruction, or that processors leave alone. */
uint16_t
policy_undefined_status (const CaseStep *step)
{
  enum { C1 = 0x200 };

  switch (step->is_valid ? step->insn.mnemonic : ZYDIS_MNEMONIC_UD2)
    {
    case ZYDIS_MNEMONIC_FCMOVB:
    case ZYDIS_MNEMONIC_FCMOVBE:
    case ZYDIS_MNEMONIC_FCMOVE:
    case ZYDIS_MNEMONIC_FCMOVNB:
    case ZYDIS_MNEMONIC_FCMOVNBE:
    case ZYDIS_MNEMONIC_FCMOVNE:
    case ZYDIS_MNEMONIC_FCMOVNU:
    case ZYDIS_MNEMONIC_FCMOVU:
    case ZYDIS_MNEMONIC_FCOMI:
    case ZYDIS_MNEMONIC_FCOMIP:
    case ZYDIS_MNEMONIC_FUCOMI:
    case ZYDIS_MNEMONIC_FUCOMIP:
      return C1;
    default:
      return 0;
    }
}

/* The count of a shift, masked, or -1. */
static int
shift_count (const CaseStep *step, unsigned operand, int cl)
{
  const ZydisDecodedOperand *count = &step->opr[operand];
  int mask = step->opr[0].size == 64 ? 63 : 31;

  if (count->type == ZYDIS_OPERAND_TYPE_IMMEDIATE)
    return (int) count->imm.value.u & mask;
  return cl < 0 ? -1 : cl & mask;
}

uint32_t
policy_undefined_flags (const CaseStep *step, int cl)
{
  int count;

  if (!step->is_valid)
    return 0;
  switch (step->insn.mnemonic)
    {
    case ZYDIS_MNEMONIC_AND:
    case ZYDIS_MNEMONIC_OR:
    case ZYDIS_MNEMONIC_XOR:
    case ZYDIS_MNEMONIC_TEST:
      return AF;
    case ZYDIS_MNEMONIC_MUL:
    case ZYDIS_MNEMONIC_IMUL:
      return SF | ZF | AF | PF;
    case ZYDIS_MNEMONIC_DIV:
    case ZYDIS_MNEMONIC_IDIV:
      return ARITHMETIC;
    case ZYDIS_MNEMONIC_SHL:
    case ZYDIS_MNEMONIC_SHR:
    case ZYDIS_MNEMONIC_SAR:
      count = shift_count (step, 1, cl);
      if (count == 0)
        return 0;
      return AF | (count != 1 ? OF : 0)
             | (step->insn.mnemonic != ZYDIS_MNEMONIC_SAR && (count < 0 || count >= step->opr[0].size) ? CF : 0);
    case ZYDIS_MNEMONIC_ROL:
    case ZYDIS_MNEMONIC_ROR:
    case ZYDIS_MNEMONIC_RCL:
    case ZYDIS_MNEMONIC_RCR:
      count = shift_count (step, 1, cl);
      return count == 0 || count == 1 ? 0 : OF;
    case ZYDIS_MNEMONIC_SHLD:
    case ZYDIS_MNEMONIC_SHRD:
      count = shift_count (step, 2, cl);
      return count == 0 ? 0 : AF | (count != 1 ? OF : 0);
    case ZYDIS_MNEMONIC_BSF:
    case ZYDIS_MNEMONIC_BSR:
      return CF | OF | SF | AF | PF;
    case ZYDIS_MNEMONIC_BT:
    case ZYDIS_MNEMONIC_BTS:
    case ZYDIS_MNEMONIC_BTR:
    case ZYDIS_MNEMONIC_BTC:
      return OF | SF | AF | PF;
    case ZYDIS_MNEMONIC_TZCNT:
    case ZYDIS_MNEMONIC_LZCNT:
      return OF | SF | AF | PF;
    case ZYDIS_MNEMONIC_BEXTR:
      return SF | AF | PF;
    case ZYDIS_MNEMONIC_ANDN:
    case ZYDIS_MNEMONIC_BLSI:
    case ZYDIS_MNEMONIC_BLSMSK:
    case ZYDIS_MNEMONIC_BLSR:
    case ZYDIS_MNEMONIC_BZHI:
      return AF | PF;
    case ZYDIS_MNEMONIC_AAA:
    case ZYDIS_MNEMONIC_AAS:
      return OF | SF | ZF | PF;
    case ZYDIS_MNEMONIC_AAD:
    case ZYDIS_MNEMONIC_AAM:
      return OF | AF | CF;
    case ZYDIS_MNEMONIC_DAA:
    case ZYDIS_MNEMONIC_DAS:
      return OF;
    default:
      return 0;
    }
}

uint32_t
policy_defined_flags (const CaseStep *step)
{
  const ZydisAccessedFlags *flags = step->insn.cpu_flags;

  if (!step->is_valid || flags == NULL || (step->insn.attributes & (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE
                                                                    | ZYDIS_ATTRIB_HAS_REPNE)))
    return 0;
  switch (step->insn.mnemonic)
    {
    case ZYDIS_MNEMONIC_SHL:
    case ZYDIS_MNEMONIC_SHR:
    case ZYDIS_MNEMONIC_SAR:
    case ZYDIS_MNEMONIC_ROL:
    case ZYDIS_MNEMONIC_ROR:
    case ZYDIS_MNEMONIC_RCL:
    case ZYDIS_MNEMONIC_RCR:
    case ZYDIS_MNEMONIC_SHLD:
    case ZYDIS_MNEMONIC_SHRD:
      return 0;
    default:
      return (flags->modified | flags->set_0 | flags->set_1) & ARITHMETIC & ~policy_undefined_flags (step, -1);
    }
}
