/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * x87 control: control and status words, the environment and the whole state
 * as FSTENV and FSAVE lay them out; how x87 instructions are lowered.
 * Specification: Intel SDM volume 1, sections 8.1.7 to 8.1.10; volume 2.
 */

#include "engine/cpu/interp/x87.h"

/* --- Words --- */

X86_HANDLER (op_fldcw)
{
  uint16_t value;

  x86_fpu_begin (cpu, op);
  value = x86_ld16 (cpu, op, x86_ea (cpu, op, 2, X86_ACCESS_READ));
  cpu->fpu.fcw = (uint16_t) ((value & X86_FCW_MASK) | X86_FCW_ONE);
  x86_fpu_update (cpu);
  X86_NEXT;
}

X86_HANDLER (op_fnstcw)
{
  x86_st16 (cpu, op, x86_ea (cpu, op, 2, X86_ACCESS_WRITE), cpu->fpu.fcw);
  X86_NEXT;
}

X86_HANDLER (op_fnstsw_m)
{
  x86_st16 (cpu, op, x86_ea (cpu, op, 2, X86_ACCESS_WRITE), cpu->fpu.fsw);
  X86_NEXT;
}

X86_HANDLER (op_fnstsw_ax)
{
  *x86_r16 (cpu, X86_RAX) = cpu->fpu.fsw;
  X86_NEXT;
}

X86_HANDLER (op_fnclex)
{
  cpu->fpu.fsw &= (uint16_t) ~(X86_FSW_FLAGS | X86_FSW_SF | X86_FSW_ES | X86_FSW_B);
  x86_fpu_update (cpu);
  X86_NEXT;
}

X86_HANDLER (op_fninit)
{
  x86_fpu_init (cpu);
  X86_NEXT;
}

/* FENI, FDISI and FSETPM of older coprocessors. */
X86_HANDLER (op_fignored)
{
  X86_NEXT;
}

X86_HANDLER (op_fwait)
{
  if ((cpu->cr0 & (X86_CR0_MP | X86_CR0_TS)) == (X86_CR0_MP | X86_CR0_TS))
    x86_raise (cpu, op, X86_EXC_NM);
  x86_fpu_begin (cpu, op);
  X86_NEXT;
}

/* --- Environment --- */

enum { ENV_MAX = 28, STATE_MAX = ENV_MAX + 80 };

static inline void
put16 (uint8_t *p, uint64_t value)
{
  uint16_t word = GUINT16_TO_LE ((uint16_t) value);

  memcpy (p, &word, sizeof word);
}

static inline void
put32 (uint8_t *p, uint64_t value)
{
  uint32_t word = GUINT32_TO_LE ((uint32_t) value);

  memcpy (p, &word, sizeof word);
}

static inline uint32_t
get16 (const uint8_t *p)
{
  return p[0] | (uint32_t) p[1] << 8;
}

static inline uint32_t
get32 (const uint8_t *p)
{
  return get16 (p) | get16 (p + 2) << 16;
}

static gboolean
env_is_real (const X86Cpu *cpu)
{
  return !x86_protected (cpu) || x86_vm86 (cpu);
}

static unsigned
env_size (const X86Op *op)
{
  return op->size == 2 ? 14 : 28;
}

/* The four layouts: 16 or 32 bits, real or protected mode. */
static void
put_env (X86Cpu *cpu, const X86Op *op, uint8_t *p)
{
  const X86Fpu *fpu = &cpu->fpu;
  uint16_t tags = x86_fpu_full_tags (cpu);
  gboolean is_real = env_is_real (cpu);
  uint64_t fip = fpu->fip + (is_real ? (uint64_t) fpu->fcs << 4 : 0), fdp = fpu->fdp + (is_real ? (uint64_t) fpu->fds << 4 : 0);

  if (op->size == 2)
    {
      put16 (p, fpu->fcw);
      put16 (p + 2, fpu->fsw);
      put16 (p + 4, tags);
      put16 (p + 6, fip);
      put16 (p + 8, is_real ? ((fip >> 4) & 0xf000) | (fpu->fop & 0x7ff) : fpu->fcs);
      put16 (p + 10, fdp);
      put16 (p + 12, is_real ? (fdp >> 4) & 0xf000 : fpu->fds);
      return;
    }
  put32 (p, 0xffff0000 | fpu->fcw);
  put32 (p + 4, 0xffff0000 | fpu->fsw);
  put32 (p + 8, 0xffff0000 | tags);
  if (is_real)
    {
      put32 (p + 12, 0xffff0000 | (fip & 0xffff));
      put32 (p + 16, ((fip >> 4) & 0x0ffff000) | (fpu->fop & 0x7ff));
      put32 (p + 20, 0xffff0000 | (fdp & 0xffff));
      put32 (p + 24, (fdp >> 4) & 0x0ffff000);
    }
  else
    {
      put32 (p + 12, fip);
      put32 (p + 16, fpu->fcs | (uint32_t) (fpu->fop & 0x7ff) << 16);
      put32 (p + 20, fdp);
      put32 (p + 24, 0xffff0000 | fpu->fds);
    }
}

static void
get_env (X86Cpu *cpu, const X86Op *op, const uint8_t *p)
{
  X86Fpu *fpu = &cpu->fpu;
  unsigned step = op->size == 2 ? 2 : 4;

  fpu->fcw = (uint16_t) ((get16 (p) & X86_FCW_MASK) | X86_FCW_ONE);
  fpu->fsw = (uint16_t) get16 (p + step);
  fpu->ftag = x86_fpu_abridged_tags ((uint16_t) get16 (p + 2 * step));
  fpu->fcs = fpu->fds = 0;
  if (env_is_real (cpu))
    {
      const uint8_t *fip = p + 3 * step, *fdp = p + 5 * step;

      fpu->fop = get16 (fip + step) & 0x7ff;
      if (op->size == 2)
        {
          fpu->fip = get16 (fip) | (get16 (fip + 2) & 0xf000) << 4;
          fpu->fdp = get16 (fdp) | (get16 (fdp + 2) & 0xf000) << 4;
        }
      else
        {
          fpu->fip = get16 (fip) | (get32 (fip + 4) & 0x0ffff000) << 4;
          fpu->fdp = get16 (fdp) | (get32 (fdp + 4) & 0x0ffff000) << 4;
        }
    }
  else if (op->size == 2)
    {
      fpu->fip = get16 (p + 6);
      fpu->fcs = (uint16_t) get16 (p + 8);
      fpu->fdp = get16 (p + 10);
      fpu->fds = (uint16_t) get16 (p + 12);
      fpu->fop = 0;
    }
  else
    {
      fpu->fip = get32 (p + 12);
      fpu->fcs = (uint16_t) get16 (p + 16);
      fpu->fop = get16 (p + 18) & 0x7ff;
      fpu->fdp = get32 (p + 20);
      fpu->fds = (uint16_t) get16 (p + 24);
    }
}

X86_HANDLER (op_fnstenv)
{
  uint8_t env[ENV_MAX];
  unsigned size = env_size (op);
  uint64_t lin = x86_ea (cpu, op, size, X86_ACCESS_WRITE);

  put_env (cpu, op, env);
  x86_st_bytes (cpu, op, lin, env, size);
  cpu->fpu.fcw |= X86_FSW_FLAGS;
  x86_fpu_update (cpu);
  X86_NEXT_LOOP;
}

X86_HANDLER (op_fldenv)
{
  uint8_t env[ENV_MAX];
  unsigned size = env_size (op);

  x86_fpu_begin (cpu, op);
  x86_ld_bytes (cpu, op, x86_ea (cpu, op, size, X86_ACCESS_READ), env, size);
  get_env (cpu, op, env);
  x86_fpu_update (cpu);
  X86_NEXT_LOOP;
}

X86_HANDLER (op_fnsave)
{
  uint8_t state[STATE_MAX];
  unsigned size = env_size (op);
  uint64_t lin = x86_ea (cpu, op, size + 80, X86_ACCESS_WRITE);

  put_env (cpu, op, state);
  for (unsigned i = 0; i < 8; i++)
    memcpy (state + size + i * 10, x87_st (cpu, i), 10);
  x86_st_bytes (cpu, op, lin, state, size + 80);
  x86_fpu_init (cpu);
  X86_NEXT_LOOP;
}

X86_HANDLER (op_frstor)
{
  uint8_t state[STATE_MAX];
  unsigned size = env_size (op);

  x86_fpu_begin (cpu, op);
  x86_ld_bytes (cpu, op, x86_ea (cpu, op, size + 80, X86_ACCESS_READ), state, size + 80);
  get_env (cpu, op, state);
  for (unsigned i = 0; i < 8; i++)
    memcpy (x87_st (cpu, i), state + size + i * 10, 10);
  x86_fpu_update (cpu);
  X86_NEXT_LOOP;
}

/* --- Lowering --- */

X86OpFn
x86_x87_control_fn (unsigned opcode, unsigned modrm)
{
  static const X86OpFn memory[8][8] = {
    [1] = { [4] = op_fldenv, [5] = op_fldcw, [6] = op_fnstenv, [7] = op_fnstcw },
    [5] = { [4] = op_frstor, [6] = op_fnsave, [7] = op_fnstsw_m },
  };

  if (modrm < 0xc0)
    return memory[opcode][(modrm >> 3) & 7];
  if (opcode == 7 && modrm == 0xe0)
    return op_fnstsw_ax;
  if (opcode == 3)
    switch (modrm)
      {
      case 0xe0: case 0xe1: case 0xe4: return op_fignored;
      case 0xe2: return op_fnclex;
      case 0xe3: return op_fninit;
      default: break;
      }
  return NULL;
}

/* All of D8 to DF: by opcode and ModR/M byte, since mnemonics have many forms. */
static gboolean
lower_x87 (X86Lower *lw, X86Op *op, const X86OpEntry *entry)
{
  unsigned opcode = lw->insn.opcode & 7, modrm = (unsigned) lw->insn.raw.modrm.mod << 6 | lw->insn.raw.modrm.reg << 3
                                                 | lw->insn.raw.modrm.rm;

  if (modrm < 0xc0)
    {
      unsigned n = 0;

      while (n < lw->count && !x86_is_mem (lw, n))
        n++;
      if (n == lw->count || !x86_lower_mem (lw, op, n))
        return FALSE;
    }
  op->fn = x86_x87_arith_fn (opcode, modrm);
  if (op->fn == NULL)
    op->fn = x86_x87_move_fn (opcode, modrm);
  if (op->fn == NULL)
    op->fn = x86_x87_transcendental_fn (opcode, modrm);
  if (op->fn == NULL)
    op->fn = x86_x87_control_fn (opcode, modrm);
  op->src = modrm & 7;
  op->imm = (int32_t) (opcode << 8 | modrm);
  op->size = (lw->insn.attributes & ZYDIS_ATTRIB_HAS_OPERANDSIZE) && !lw->insn.raw.rex.W ? 2 : 4;
  if ((lw->mode & X86_MODE_CODE_MASK) == X86_MODE_CODE16)
    op->size ^= 2 ^ 4;
  return op->fn != NULL;
}

static const X86OpFn fns_fwait[] = { op_fwait };

#define X87(mnemonic) { ZYDIS_MNEMONIC_##mnemonic, X86_FEAT_FPU, X86_ENTRY_FPU, lower_x87, NULL }
#define X87_CMOV(mnemonic) { ZYDIS_MNEMONIC_##mnemonic, X86_FEAT_CMOV, X86_ENTRY_FPU, lower_x87, NULL }

const X86OpEntry x86_ops_x87[] = {
  X87 (F2XM1), X87 (FABS), X87 (FADD), X87 (FADDP), X87 (FBLD), X87 (FBSTP), X87 (FCHS), X87 (FCOM), X87 (FCOMP),
  X87 (FCOMPP), X87 (FCOS), X87 (FDECSTP), X87 (FDISI8087_NOP), X87 (FDIV), X87 (FDIVP), X87 (FDIVR), X87 (FDIVRP),
  X87 (FENI8087_NOP), X87 (FFREE), X87 (FFREEP), X87 (FIADD), X87 (FICOM), X87 (FICOMP), X87 (FIDIV), X87 (FIDIVR),
  X87 (FILD), X87 (FIMUL), X87 (FINCSTP), X87 (FIST), X87 (FISTP), X87 (FISUB), X87 (FISUBR), X87 (FLD), X87 (FLD1),
  X87 (FLDCW), X87 (FLDENV), X87 (FLDL2E), X87 (FLDL2T), X87 (FLDLG2), X87 (FLDLN2), X87 (FLDPI), X87 (FLDZ),
  X87 (FMUL), X87 (FMULP), X87 (FNCLEX), X87 (FNINIT), X87 (FNOP), X87 (FNSAVE), X87 (FNSTCW), X87 (FNSTENV),
  X87 (FNSTSW), X87 (FPATAN), X87 (FPREM), X87 (FPREM1), X87 (FPTAN), X87 (FRNDINT), X87 (FRSTOR), X87 (FSCALE),
  X87 (FSETPM287_NOP), X87 (FSIN), X87 (FSINCOS), X87 (FSQRT), X87 (FST), X87 (FSTP), X87 (FSTPNCE), X87 (FSUB),
  X87 (FSUBP), X87 (FSUBR), X87 (FSUBRP), X87 (FTST), X87 (FUCOM), X87 (FUCOMP), X87 (FUCOMPP), X87 (FXAM), X87 (FXCH),
  X87 (FXTRACT), X87 (FYL2X), X87 (FYL2XP1),
  X87_CMOV (FCMOVB), X87_CMOV (FCMOVBE), X87_CMOV (FCMOVE), X87_CMOV (FCMOVNB), X87_CMOV (FCMOVNBE),
  X87_CMOV (FCMOVNE), X87_CMOV (FCMOVNU), X87_CMOV (FCMOVU), X87_CMOV (FCOMI), X87_CMOV (FCOMIP), X87_CMOV (FUCOMI),
  X87_CMOV (FUCOMIP),
  { ZYDIS_MNEMONIC_FISTTP, X86_FEAT_SSE3, X86_ENTRY_FPU, lower_x87, NULL },
  { ZYDIS_MNEMONIC_FWAIT, X86_FEAT_NONE, 0, x86_lower_plain, fns_fwait },
  { 0 }
};
