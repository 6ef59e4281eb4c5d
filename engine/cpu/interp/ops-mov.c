/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Moves: MOV MOVZX MOVSX LEA XCHG BSWAP CMOVcc SETcc MOVBE XLAT CBW..CQO LAHF SAHF, and the stack.
 * Specification: Intel SDM volume 2.
 */

#include "engine/cpu/interp/alu.h"

/* --- MOV --- */

#define DEFINE_MOV(bits)                                                                                                \
  X86_HANDLER (op_mov_rr##bits) { SET_##bits (op->dst, GET_##bits (op->src)); X86_NEXT; }                               \
  X86_HANDLER (op_mov_ri##bits) { SET_##bits (op->dst, (s64) op->imm); X86_NEXT; }                                      \
  X86_HANDLER (op_mov_rm##bits)                                                                                         \
  {                                                                                                                    \
    u##bits v = x86_ld##bits (cpu, op, x86_ea (cpu, op, bits / 8, X86_ACCESS_READ));                                    \
    SET_##bits (op->dst, v);                                                                                            \
    X86_NEXT;                                                                                                          \
  }                                                                                                                    \
  X86_HANDLER (op_mov_mr##bits)                                                                                         \
  {                                                                                                                    \
    x86_st##bits (cpu, op, x86_ea (cpu, op, bits / 8, X86_ACCESS_WRITE), GET_##bits (op->src));                         \
    X86_NEXT;                                                                                                          \
  }                                                                                                                    \
  X86_HANDLER (op_mov_mi##bits)                                                                                         \
  {                                                                                                                    \
    x86_st##bits (cpu, op, x86_ea (cpu, op, bits / 8, X86_ACCESS_WRITE), (u##bits) (s64) op->imm);                      \
    X86_NEXT;                                                                                                          \
  }
DEFINE_MOV (8)
DEFINE_MOV (16)
DEFINE_MOV (32)
DEFINE_MOV (64)

/* The most frequent shape: one base register, no index, 64-bit flat. */
#define DEFINE_MOV_BASE(bits)                                                                                           \
  X86_HANDLER (op_mov_rb##bits)                                                                                         \
  {                                                                                                                    \
    u##bits v = x86_ld##bits (cpu, op, cpu->r[op->base] + (u64) (s64) op->disp);                                        \
    SET_##bits (op->dst, v);                                                                                            \
    X86_NEXT;                                                                                                          \
  }                                                                                                                    \
  X86_HANDLER (op_mov_br##bits)                                                                                         \
  {                                                                                                                    \
    x86_st##bits (cpu, op, cpu->r[op->base] + (u64) (s64) op->disp, GET_##bits (op->src));                              \
    X86_NEXT;                                                                                                          \
  }
DEFINE_MOV_BASE (32)
DEFINE_MOV_BASE (64)

X86_HANDLER (op_mov_imm64) { cpu->r[op->dst] = op->imm64; X86_NEXT; }

/* MOV with a 64-bit absolute address, which takes the place of displacement and immediate. */
static uint64_t
absolute (X86Cpu *cpu, const X86Op *op)
{
  uint64_t lin = op->imm64 + cpu->r[op->seg];

  if ((cpu->mode & X86_MODE_ALIGN) && (lin & (op->size - 1u)))
    x86_raise_error (cpu, op, X86_EXC_AC, 0);
  return lin;
}

X86_HANDLER (op_mov_ra)
{
  x86_reg_set (cpu, X86_RAX, op->size, x86_mem_get (cpu, op, absolute (cpu, op), op->size));
  X86_NEXT;
}

X86_HANDLER (op_mov_ar)
{
  x86_mem_set (cpu, op, absolute (cpu, op), op->size, cpu->r[X86_RAX]);
  X86_NEXT;
}

static gboolean
lower_mov (X86Lower *lw, X86Op *op, const X86OpEntry *entry)
{
  static const X86OpFn rr[] = { op_mov_rr8, op_mov_rr16, op_mov_rr32, op_mov_rr64 };
  static const X86OpFn ri[] = { op_mov_ri8, op_mov_ri16, op_mov_ri32, op_mov_ri64 };
  static const X86OpFn rm[] = { op_mov_rm8, op_mov_rm16, op_mov_rm32, op_mov_rm64 };
  static const X86OpFn mr[] = { op_mov_mr8, op_mov_mr16, op_mov_mr32, op_mov_mr64 };
  static const X86OpFn mi[] = { op_mov_mi8, op_mov_mi16, op_mov_mi32, op_mov_mi64 };
  unsigned size = x86_operand_size (lw, 0), w = size == 1 ? 0 : size == 2 ? 1 : size == 4 ? 2 : 3;
  gboolean base_only;

  for (unsigned i = 0; i < 2; i++)
    if (x86_is_reg (lw, i) && ZydisRegisterGetClass (lw->opr[i].reg.value) >= ZYDIS_REGCLASS_X87)
      return FALSE; /* segment, control and debug registers: ops-system.c */
  op->size = (uint8_t) size;
  for (unsigned i = 0; i < 2; i++)
    if (x86_is_mem (lw, i) && op->asize == 8 && lw->opr[i].mem.base == ZYDIS_REGISTER_NONE
        && lw->opr[i].mem.index == ZYDIS_REGISTER_NONE && !x86_is_imm (lw, 1)
        && lw->opr[i].mem.disp.value != (int32_t) lw->opr[i].mem.disp.value)
      {
        x86_lower_mem (lw, op, i);
        op->imm64 = (uint64_t) lw->opr[i].mem.disp.value;
        op->fn = i == 0 ? op_mov_ar : op_mov_ra;
        return TRUE;
      }

  if (x86_is_mem (lw, 0))
    {
      if (!x86_lower_mem (lw, op, 0))
        return FALSE;
      base_only = op->ea == X86_EA_FLAT64 && op->index == X86_ZERO && op->seg == X86_ZERO;
      if (x86_is_imm (lw, 1))
        {
          op->imm = (int32_t) lw->opr[1].imm.value.s;
          op->fn = mi[w];
        }
      else
        {
          op->src = x86_lower_reg (lw->opr[1].reg.value);
          op->fn = base_only && w >= 2 ? (w == 2 ? op_mov_br32 : op_mov_br64) : mr[w];
        }
      return TRUE;
    }
  op->dst = x86_lower_reg (lw->opr[0].reg.value);
  if (x86_is_mem (lw, 1))
    {
      if (!x86_lower_mem (lw, op, 1))
        return FALSE;
      base_only = op->ea == X86_EA_FLAT64 && op->index == X86_ZERO && op->seg == X86_ZERO;
      op->fn = base_only && w >= 2 ? (w == 2 ? op_mov_rb32 : op_mov_rb64) : rm[w];
    }
  else if (x86_is_imm (lw, 1))
    {
      int64_t value = lw->opr[1].imm.value.s;

      if (size == 8 && value != (int32_t) value)
        {
          op->imm64 = (uint64_t) value;
          op->fn = op_mov_imm64;
        }
      else
        {
          op->imm = (int32_t) value;
          op->fn = ri[w];
        }
    }
  else
    {
      op->src = x86_lower_reg (lw->opr[1].reg.value);
      op->fn = rr[w];
    }
  return TRUE;
}

/* --- MOVZX, MOVSX, MOVSXD --- */

#define DEFINE_EXTEND(name, from, to, type)                                                                             \
  X86_HANDLER (op_##name##_r##from##to) { SET_##to (op->dst, (type) GET_##from (op->src)); X86_NEXT; }                  \
  X86_HANDLER (op_##name##_m##from##to)                                                                                 \
  {                                                                                                                    \
    type v = (type) x86_ld##from (cpu, op, x86_ea (cpu, op, from / 8, X86_ACCESS_READ));                                \
    SET_##to (op->dst, v);                                                                                              \
    X86_NEXT;                                                                                                          \
  }
DEFINE_EXTEND (movzx, 8, 16, u8)
DEFINE_EXTEND (movzx, 8, 32, u8)
DEFINE_EXTEND (movzx, 8, 64, u8)
DEFINE_EXTEND (movzx, 16, 16, u16)
DEFINE_EXTEND (movzx, 16, 32, u16)
DEFINE_EXTEND (movzx, 16, 64, u16)
DEFINE_EXTEND (movsx, 8, 16, s8)
DEFINE_EXTEND (movsx, 8, 32, s8)
DEFINE_EXTEND (movsx, 8, 64, s8)
DEFINE_EXTEND (movsx, 16, 16, s16)
DEFINE_EXTEND (movsx, 16, 32, s16)
DEFINE_EXTEND (movsx, 16, 64, s16)
DEFINE_EXTEND (movsx, 32, 16, s32)
DEFINE_EXTEND (movsx, 32, 32, s32)
DEFINE_EXTEND (movsx, 32, 64, s32)

#define EXTEND_FNS(name, from)                                                                                          \
  op_##name##_r##from##16, op_##name##_m##from##16, op_##name##_r##from##32, op_##name##_m##from##32,                   \
    op_##name##_r##from##64, op_##name##_m##from##64
static const X86OpFn fns_movzx[] = { EXTEND_FNS (movzx, 8), EXTEND_FNS (movzx, 16) };
static const X86OpFn fns_movsx[] = { EXTEND_FNS (movsx, 8), EXTEND_FNS (movsx, 16), EXTEND_FNS (movsx, 32) };

static gboolean
lower_extend (X86Lower *lw, X86Op *op, const X86OpEntry *entry)
{
  unsigned to = x86_operand_size (lw, 0), from = x86_operand_size (lw, 1);
  unsigned i = (from == 1 ? 0 : from == 2 ? 6 : 12) + (to == 2 ? 0 : to == 4 ? 2 : 4);

  op->dst = x86_lower_reg (lw->opr[0].reg.value);
  op->fn = entry->fns[i + (x86_is_mem (lw, 1) ? 1 : 0)];
  if (x86_is_mem (lw, 1))
    return x86_lower_mem (lw, op, 1);
  op->src = x86_lower_reg (lw->opr[1].reg.value);
  return TRUE;
}

/* --- LEA --- */

X86_HANDLER (op_lea64) { cpu->r[op->dst] = x86_ea_offset (cpu, op); X86_NEXT; }
X86_HANDLER (op_lea64_base) { cpu->r[op->dst] = cpu->r[op->base] + (u64) (s64) op->disp; X86_NEXT; }
X86_HANDLER (op_lea32) { cpu->r[op->dst] = (u32) x86_ea_offset (cpu, op); X86_NEXT; }
X86_HANDLER (op_lea)
{
  u64 offset = x86_ea_offset (cpu, op) + (op->flags & X86_OPF_RIP_WIDE ? op->next : 0);

  if (op->asize == 4)
    offset = (u32) offset;
  else if (op->asize == 2)
    offset = (u16) offset;
  x86_reg_set (cpu, op->dst, op->size, offset);
  X86_NEXT;
}

static gboolean
lower_lea (X86Lower *lw, X86Op *op, const X86OpEntry *entry)
{
  op->size = (uint8_t) x86_operand_size (lw, 0);
  op->dst = x86_lower_reg (lw->opr[0].reg.value);
  if (!x86_lower_mem (lw, op, 1))
    return FALSE;
  if (op->size == 8 && op->asize == 8 && !(op->flags & X86_OPF_RIP_WIDE))
    op->fn = op->index == X86_ZERO ? op_lea64_base : op_lea64;
  else if (op->size == 4 && op->asize >= 4 && !(op->flags & X86_OPF_RIP_WIDE))
    op->fn = op_lea32;
  else
    op->fn = op_lea;
  return TRUE;
}

/* --- XCHG (locked by itself with memory) --- */

X86_HANDLER (op_xchg_rr)
{
  u64 a = x86_reg_get (cpu, op->dst, op->size), b = x86_reg_get (cpu, op->src, op->size);

  x86_reg_set (cpu, op->dst, op->size, b);
  x86_reg_set (cpu, op->src, op->size, a);
  X86_NEXT;
}

X86_HANDLER (op_xchg_mr)
{
  u64 lin = x86_ea (cpu, op, op->size, X86_ACCESS_WRITE), value = x86_reg_get (cpu, op->src, op->size), old;
  void *host = x86_lock_host (cpu, op, lin, op->size);

  if (X86_LIKELY (host != NULL))
    {
      switch (op->size)
        {
        case 1: old = __atomic_exchange_n ((u8 *) host, (u8) value, __ATOMIC_SEQ_CST); break;
        case 2: old = __atomic_exchange_n ((u16 *) host, (u16) value, __ATOMIC_SEQ_CST); break;
        case 4: old = __atomic_exchange_n ((u32 *) host, (u32) value, __ATOMIC_SEQ_CST); break;
        default: old = __atomic_exchange_n ((u64 *) host, value, __ATOMIC_SEQ_CST); break;
        }
      x86_lock_done (cpu, lin, host, op->size);
    }
  else
    {
      x86_lock_enter (cpu, op, lin, op->size);
      old = x86_lock_load (cpu, 0, op->size);
      x86_lock_store (cpu, 0, value, op->size);
      x86_lock_leave (cpu);
    }
  x86_reg_set (cpu, op->src, op->size, old);
  X86_NEXT;
}

static gboolean
lower_xchg (X86Lower *lw, X86Op *op, const X86OpEntry *entry)
{
  unsigned mem = x86_is_mem (lw, 1) ? 1 : 0;

  op->size = (uint8_t) x86_operand_size (lw, 0);
  if (x86_is_mem (lw, mem))
    {
      op->src = x86_lower_reg (lw->opr[1 - mem].reg.value);
      op->fn = op_xchg_mr;
      return x86_lower_mem (lw, op, mem);
    }
  op->dst = x86_lower_reg (lw->opr[0].reg.value);
  op->src = x86_lower_reg (lw->opr[1].reg.value);
  op->fn = op_xchg_rr;
  return TRUE;
}

/* --- BSWAP, MOVBE --- */

static uint64_t
swap_bytes (uint64_t value, unsigned size)
{
  return size == 2 ? __builtin_bswap16 ((u16) value) : size == 4 ? __builtin_bswap32 ((u32) value) : __builtin_bswap64 (value);
}

X86_HANDLER (op_bswap)
{
  /* With a 16-bit operand the result is undefined; processors clear it. */
  x86_reg_set (cpu, op->dst, op->size, op->size == 2 ? 0 : swap_bytes (cpu->r[op->dst], op->size));
  X86_NEXT;
}

X86_HANDLER (op_movbe_rm)
{
  u64 value = x86_mem_get (cpu, op, x86_ea (cpu, op, op->size, X86_ACCESS_READ), op->size);

  x86_reg_set (cpu, op->dst, op->size, swap_bytes (value, op->size));
  X86_NEXT;
}

X86_HANDLER (op_movbe_mr)
{
  x86_mem_set (cpu, op, x86_ea (cpu, op, op->size, X86_ACCESS_WRITE), op->size,
               swap_bytes (x86_reg_get (cpu, op->src, op->size), op->size));
  X86_NEXT;
}

static const X86OpFn fns_bswap[] = { op_bswap, NULL, NULL };
static const X86OpFn fns_movbe[] = { NULL, op_movbe_rm, op_movbe_mr };

/* --- CMOVcc, SETcc --- */

#define DEFINE_CONDITIONAL(cc)                                                                                          \
  X86_HANDLER (op_cmov_rr64_##cc)                                                                                       \
  {                                                                                                                    \
    if (x86_condition (cpu, cc))                                                                                        \
      cpu->r[op->dst] = cpu->r[op->src];                                                                                \
    X86_NEXT;                                                                                                          \
  }                                                                                                                    \
  X86_HANDLER (op_cmov_rr32_##cc)                                                                                       \
  {                                                                                                                    \
    cpu->r[op->dst] = x86_condition (cpu, cc) ? (u32) cpu->r[op->src] : (u32) cpu->r[op->dst];                          \
    X86_NEXT;                                                                                                          \
  }                                                                                                                    \
  X86_HANDLER (op_set_r_##cc) { *x86_r8 (cpu, op->dst) = (u8) x86_condition (cpu, cc); X86_NEXT; }
DEFINE_CONDITIONAL (0)
DEFINE_CONDITIONAL (1)
DEFINE_CONDITIONAL (2)
DEFINE_CONDITIONAL (3)
DEFINE_CONDITIONAL (4)
DEFINE_CONDITIONAL (5)
DEFINE_CONDITIONAL (6)
DEFINE_CONDITIONAL (7)
DEFINE_CONDITIONAL (8)
DEFINE_CONDITIONAL (9)
DEFINE_CONDITIONAL (10)
DEFINE_CONDITIONAL (11)
DEFINE_CONDITIONAL (12)
DEFINE_CONDITIONAL (13)
DEFINE_CONDITIONAL (14)
DEFINE_CONDITIONAL (15)
#define BY_CONDITION(name)                                                                                              \
  { name##0, name##1, name##2, name##3, name##4, name##5, name##6, name##7, name##8, name##9, name##10, name##11,       \
    name##12, name##13, name##14, name##15 }

X86_HANDLER (op_cmov_rm)
{
  /* The load happens, and a 32-bit destination is zero-extended, whatever the condition. */
  u64 value = x86_mem_get (cpu, op, x86_ea (cpu, op, op->size, X86_ACCESS_READ), op->size);

  if (!x86_condition (cpu, op->aux))
    value = x86_reg_get (cpu, op->dst, op->size);
  x86_reg_set (cpu, op->dst, op->size, value);
  X86_NEXT;
}

X86_HANDLER (op_cmov_rr16)
{
  if (x86_condition (cpu, op->aux))
    *x86_r16 (cpu, op->dst) = *x86_r16 (cpu, op->src);
  X86_NEXT;
}

X86_HANDLER (op_set_m)
{
  x86_st8 (cpu, op, x86_ea (cpu, op, 1, X86_ACCESS_WRITE), (u8) x86_condition (cpu, op->aux));
  X86_NEXT;
}

static gboolean
lower_cmov (X86Lower *lw, X86Op *op, const X86OpEntry *entry)
{
  static const X86OpFn rr64[16] = BY_CONDITION (op_cmov_rr64_), rr32[16] = BY_CONDITION (op_cmov_rr32_);

  op->size = (uint8_t) x86_operand_size (lw, 0);
  op->dst = x86_lower_reg (lw->opr[0].reg.value);
  op->aux = lw->insn.opcode & 15;
  if (x86_is_mem (lw, 1))
    {
      op->fn = op_cmov_rm;
      return x86_lower_mem (lw, op, 1);
    }
  op->src = x86_lower_reg (lw->opr[1].reg.value);
  op->fn = op->size == 8 ? rr64[op->aux] : op->size == 4 ? rr32[op->aux] : op_cmov_rr16;
  return TRUE;
}

static gboolean
lower_setcc (X86Lower *lw, X86Op *op, const X86OpEntry *entry)
{
  static const X86OpFn r[16] = BY_CONDITION (op_set_r_);

  op->aux = lw->insn.opcode & 15;
  if (x86_is_mem (lw, 0))
    {
      op->fn = op_set_m;
      return x86_lower_mem (lw, op, 0);
    }
  op->dst = x86_lower_reg (lw->opr[0].reg.value);
  op->fn = r[op->aux];
  return TRUE;
}

/* --- XLAT --- */

X86_HANDLER (op_xlat)
{
  u64 offset = cpu->r[X86_RBX] + (cpu->r[X86_RAX] & 0xff), lin;

  if (op->ea == X86_EA_FLAT64)
    lin = offset + cpu->r[op->seg];
  else
    lin = x86_ea_general (cpu, op, offset, 1, X86_ACCESS_READ);
  *x86_r8 (cpu, X86_RAX) = x86_ld8 (cpu, op, lin);
  X86_NEXT;
}

static gboolean
lower_xlat (X86Lower *lw, X86Op *op, const X86OpEntry *entry)
{
  x86_lower_segment (lw, op, x86_lower_override (lw));
  op->fn = op_xlat;
  return TRUE;
}

/* --- Sign extension within the accumulator --- */

X86_HANDLER (op_cbw) { *x86_r16 (cpu, X86_RAX) = (u16) (s8) cpu->r[X86_RAX]; X86_NEXT; }
X86_HANDLER (op_cwde) { cpu->r[X86_RAX] = (u32) (s16) cpu->r[X86_RAX]; X86_NEXT; }
X86_HANDLER (op_cdqe) { cpu->r[X86_RAX] = (u64) (s32) cpu->r[X86_RAX]; X86_NEXT; }
X86_HANDLER (op_cwd) { *x86_r16 (cpu, X86_RDX) = (s16) cpu->r[X86_RAX] < 0 ? 0xffff : 0; X86_NEXT; }
X86_HANDLER (op_cdq) { cpu->r[X86_RDX] = (s32) cpu->r[X86_RAX] < 0 ? 0xffffffff : 0; X86_NEXT; }
X86_HANDLER (op_cqo) { cpu->r[X86_RDX] = (s64) cpu->r[X86_RAX] < 0 ? ~(u64) 0 : 0; X86_NEXT; }

X86_HANDLER (op_lahf)
{
  *x86_r8 (cpu, X86_RAX * 8 + 1) = (u8) ((x86_get_arith_flags (cpu) & 0xd5) | X86_FLAG_ONE);
  X86_NEXT;
}

X86_HANDLER (op_sahf)
{
  u32 flags = (x86_get_of (cpu) ? X86_FLAG_OF : 0) | (*x86_r8 (cpu, X86_RAX * 8 + 1) & 0xd5);

  x86_set_arith_flags (cpu, flags);
  X86_NEXT;
}

/* --- The stack --- */

X86_HANDLER (op_push_r64)
{
  u64 lin = cpu->r[X86_RSP] - 8;

  x86_st64 (cpu, op, lin, cpu->r[op->src]);
  cpu->r[X86_RSP] = lin;
  X86_NEXT;
}

X86_HANDLER (op_pop_r64)
{
  u64 value = x86_ld64 (cpu, op, cpu->r[X86_RSP]);

  cpu->r[X86_RSP] += 8;
  cpu->r[op->dst] = value;
  X86_NEXT;
}

/* Flat 32-bit stack. */
X86_HANDLER (op_push_r32)
{
  u32 esp = (u32) cpu->r[X86_RSP] - 4;

  x86_st32 (cpu, op, (u32) (esp + cpu->r[X86_SEGBASE + X86_SS]), (u32) cpu->r[op->src]);
  cpu->r[X86_RSP] = esp;
  X86_NEXT;
}

X86_HANDLER (op_pop_r32)
{
  u32 esp = (u32) cpu->r[X86_RSP], value = x86_ld32 (cpu, op, (u32) (esp + cpu->r[X86_SEGBASE + X86_SS]));

  cpu->r[X86_RSP] = (u32) (esp + 4);
  cpu->r[op->dst] = value;
  X86_NEXT;
}

/* Out of line, so that handlers keep their tail calls. */
static G_GNUC_NO_INLINE void
push (X86Cpu *cpu, const X86Op *op, uint64_t value)
{
  X86Stack stack;

  x86_stack_current (cpu, op, &stack);
  x86_stack_push (&stack, op->size, value);
  x86_stack_commit (&stack);
}

X86_HANDLER (op_push_r) { push (cpu, op, x86_reg_get (cpu, op->src, op->size)); X86_NEXT; }
X86_HANDLER (op_push_i) { push (cpu, op, (u64) (s64) op->imm); X86_NEXT; }
X86_HANDLER (op_push_s) { push (cpu, op, cpu->seg[op->src].sel); X86_NEXT; }
X86_HANDLER (op_push_m)
{
  push (cpu, op, x86_mem_get (cpu, op, x86_ea (cpu, op, op->size, X86_ACCESS_READ), op->size));
  X86_NEXT;
}

X86_HANDLER (op_pop_r)
{
  X86Stack stack;
  u64 value;

  x86_stack_current (cpu, op, &stack);
  value = x86_stack_pop (&stack, op->size);
  x86_stack_commit (&stack);
  x86_reg_set (cpu, op->dst, op->size, value);
  X86_NEXT_LOOP;
}

X86_HANDLER (op_pop_m)
{
  X86Stack stack;
  u64 value, old = cpu->r[X86_RSP], lin;

  x86_stack_current (cpu, op, &stack);
  value = x86_stack_pop (&stack, op->size);
  /* An address based on the stack pointer sees it already popped; a fault must not. */
  cpu->r[X86_RSP] = (old & ~stack.mask) | (stack.sp & stack.mask);
  lin = x86_ea_offset (cpu, op);
  cpu->r[X86_RSP] = old;
  lin = op->ea == X86_EA_FLAT64   ? lin + cpu->r[op->seg]
        : op->ea == X86_EA_FLAT32 ? (u32) (lin + cpu->r[op->seg])
                                  : x86_ea_general (cpu, op, lin, op->size, X86_ACCESS_WRITE);
  x86_mem_set (cpu, op, lin, op->size, value);
  x86_stack_commit (&stack);
  X86_NEXT_LOOP;
}

X86_HANDLER (op_pusha)
{
  X86Stack stack;

  x86_stack_current (cpu, op, &stack);
  for (unsigned i = X86_RAX; i <= X86_RDI; i++)
    x86_stack_push (&stack, op->size, cpu->r[i]);
  x86_stack_commit (&stack);
  X86_NEXT_LOOP;
}

X86_HANDLER (op_popa)
{
  X86Stack stack;
  u64 value[8];

  x86_stack_current (cpu, op, &stack);
  for (int i = X86_RDI; i >= X86_RAX; i--)
    value[i] = x86_stack_pop (&stack, op->size);
  x86_stack_commit (&stack);
  for (unsigned i = X86_RAX; i <= X86_RDI; i++)
    if (i != X86_RSP)
      x86_reg_set (cpu, i, op->size, value[i]);
  X86_NEXT_LOOP;
}

X86_HANDLER (op_enter)
{
  unsigned level = op->aux & 31, size = op->size;
  u64 frame, old_rbp = cpu->r[X86_RBP], mask;
  X86Stack stack, frames;

  x86_stack_current (cpu, op, &stack);
  frames = stack;
  mask = stack.mask;
  x86_stack_push (&stack, size, old_rbp);
  frame = (stack.sp & mask) | (cpu->r[X86_RSP] & ~mask); /* whole: a 32-bit EBP may go with a 16-bit stack */
  if (level > 0)
    {
      frames.sp = old_rbp;
      for (unsigned i = 1; i < level; i++)
        {
          frames.sp = (frames.sp - size) & mask;
          {
            X86Stack one = frames;

            x86_stack_push (&stack, size, x86_stack_pop (&one, size));
          }
        }
      x86_stack_push (&stack, size, frame);
    }
  stack.sp -= (u16) op->imm;
  /* The new top must be writable. */
  {
    X86Stack probe = stack;
    u64 lin;

    probe.sp &= mask;
    lin = probe.base + probe.sp;
    x86_sys_probe_write (cpu, op, x86_long_mode (cpu) ? lin : (u32) lin, size, probe.mmu);
  }
  x86_stack_commit (&stack);
  x86_reg_set (cpu, X86_RBP, size, frame);
  X86_NEXT_LOOP;
}

X86_HANDLER (op_leave)
{
  X86Stack stack;
  u64 value;

  x86_stack_current (cpu, op, &stack);
  stack.sp = cpu->r[X86_RBP] & stack.mask;
  value = x86_stack_pop (&stack, op->size);
  x86_stack_commit (&stack);
  x86_reg_set (cpu, X86_RBP, op->size, value);
  X86_NEXT_LOOP;
}

X86_HANDLER (op_leave64)
{
  u64 rsp = cpu->r[X86_RBP], value = x86_ld64 (cpu, op, rsp);

  cpu->r[X86_RSP] = rsp + 8;
  cpu->r[X86_RBP] = value;
  X86_NEXT;
}

/* In 64-bit mode and on flat 32-bit stacks the fast forms serve. */
static gboolean
stack_is_fast (const X86Lower *lw, unsigned size)
{
  if (lw->mode & X86_MODE_ALIGN)
    return FALSE;
  if (lw->mode & X86_MODE_CODE64)
    return size == 8;
  return size == 4 && (lw->mode & X86_MODE_FLAT) && (lw->mode & X86_MODE_STACK32);
}

static gboolean
lower_push (X86Lower *lw, X86Op *op, const X86OpEntry *entry)
{
  op->segno = X86_SS;
  if (x86_is_mem (lw, 0))
    {
      op->fn = op_push_m;
      return x86_lower_mem (lw, op, 0);
    }
  if (x86_is_imm (lw, 0))
    {
      op->imm = (int32_t) lw->opr[0].imm.value.s;
      op->fn = op_push_i;
      return TRUE;
    }
  op->src = x86_lower_reg (lw->opr[0].reg.value);
  if (ZydisRegisterGetClass (lw->opr[0].reg.value) == ZYDIS_REGCLASS_SEGMENT)
    op->fn = op_push_s;
  else if (stack_is_fast (lw, op->size))
    op->fn = op->size == 8 ? op_push_r64 : op_push_r32;
  else
    op->fn = op_push_r;
  return TRUE;
}

static gboolean
lower_pop (X86Lower *lw, X86Op *op, const X86OpEntry *entry)
{
  op->segno = X86_SS;
  if (x86_is_mem (lw, 0))
    {
      op->fn = op_pop_m;
      return x86_lower_mem (lw, op, 0);
    }
  if (ZydisRegisterGetClass (lw->opr[0].reg.value) == ZYDIS_REGCLASS_SEGMENT)
    return FALSE; /* ops-system.c */
  op->dst = x86_lower_reg (lw->opr[0].reg.value);
  op->fn = !stack_is_fast (lw, op->size) ? op_pop_r : op->size == 8 ? op_pop_r64 : op_pop_r32;
  return TRUE;
}

static gboolean
lower_leave (X86Lower *lw, X86Op *op, const X86OpEntry *entry)
{
  op->segno = X86_SS;
  if ((lw->mode & X86_MODE_CODE64) && (lw->insn.attributes & ZYDIS_ATTRIB_HAS_OPERANDSIZE) && !lw->insn.raw.rex.W)
    op->size = 2; /* the decoder says 8 */
  op->fn = stack_is_fast (lw, op->size) && op->size == 8 ? op_leave64 : op_leave;
  return TRUE;
}

static gboolean
lower_enter (X86Lower *lw, X86Op *op, const X86OpEntry *entry)
{
  op->segno = X86_SS;
  op->imm = (int32_t) (lw->opr[0].imm.value.u & 0xffff);
  op->aux = (uint8_t) lw->opr[1].imm.value.u;
  op->fn = op_enter;
  return TRUE;
}

static const X86OpFn fns_cbw[] = { op_cbw }, fns_cwde[] = { op_cwde }, fns_cdqe[] = { op_cdqe }, fns_cwd[] = { op_cwd },
                     fns_cdq[] = { op_cdq }, fns_cqo[] = { op_cqo }, fns_lahf[] = { op_lahf }, fns_sahf[] = { op_sahf },
                     fns_pusha[] = { op_pusha }, fns_popa[] = { op_popa };

static gboolean
lower_ahf (X86Lower *lw, X86Op *op, const X86OpEntry *entry)
{
  return (!(lw->mode & X86_MODE_CODE64) || x86_has (lw->cpu, X86_FEAT_LAHF64)) && x86_lower_plain (lw, op, entry);
}

const X86OpEntry x86_ops_mov[] = {
  { ZYDIS_MNEMONIC_MOV, X86_FEAT_NONE, 0, lower_mov, NULL },
  { ZYDIS_MNEMONIC_MOVZX, X86_FEAT_NONE, 0, lower_extend, fns_movzx },
  { ZYDIS_MNEMONIC_MOVSX, X86_FEAT_NONE, 0, lower_extend, fns_movsx },
  { ZYDIS_MNEMONIC_MOVSXD, X86_FEAT_NONE, 0, lower_extend, fns_movsx },
  { ZYDIS_MNEMONIC_LEA, X86_FEAT_NONE, 0, lower_lea, NULL },
  { ZYDIS_MNEMONIC_XCHG, X86_FEAT_NONE, X86_ENTRY_LOCK, lower_xchg, NULL },
  { ZYDIS_MNEMONIC_BSWAP, X86_FEAT_NONE, 0, x86_lower_vec, fns_bswap },
  { ZYDIS_MNEMONIC_MOVBE, X86_FEAT_MOVBE, 0, x86_lower_vec, fns_movbe },
#define CMOV(cc) { ZYDIS_MNEMONIC_CMOV##cc, X86_FEAT_CMOV, 0, lower_cmov, NULL },
#define SETCC(cc) { ZYDIS_MNEMONIC_SET##cc, X86_FEAT_NONE, 0, lower_setcc, NULL },
#define ALL_CONDITIONS(m) m (O) m (NO) m (B) m (NB) m (Z) m (NZ) m (BE) m (NBE) m (S) m (NS) m (P) m (NP) m (L) m (NL) m (LE) m (NLE)
  ALL_CONDITIONS (CMOV)
  ALL_CONDITIONS (SETCC)
  { ZYDIS_MNEMONIC_XLAT, X86_FEAT_NONE, 0, lower_xlat, NULL },
  { ZYDIS_MNEMONIC_CBW, X86_FEAT_NONE, 0, x86_lower_plain, fns_cbw },
  { ZYDIS_MNEMONIC_CWDE, X86_FEAT_NONE, 0, x86_lower_plain, fns_cwde },
  { ZYDIS_MNEMONIC_CDQE, X86_FEAT_NONE, 0, x86_lower_plain, fns_cdqe },
  { ZYDIS_MNEMONIC_CWD, X86_FEAT_NONE, 0, x86_lower_plain, fns_cwd },
  { ZYDIS_MNEMONIC_CDQ, X86_FEAT_NONE, 0, x86_lower_plain, fns_cdq },
  { ZYDIS_MNEMONIC_CQO, X86_FEAT_NONE, 0, x86_lower_plain, fns_cqo },
  { ZYDIS_MNEMONIC_LAHF, X86_FEAT_NONE, 0, lower_ahf, fns_lahf },
  { ZYDIS_MNEMONIC_SAHF, X86_FEAT_NONE, 0, lower_ahf, fns_sahf },
  { ZYDIS_MNEMONIC_PUSH, X86_FEAT_NONE, 0, lower_push, NULL },
  { ZYDIS_MNEMONIC_POP, X86_FEAT_NONE, 0, lower_pop, NULL },
  { ZYDIS_MNEMONIC_PUSHA, X86_FEAT_NONE, 0, x86_lower_plain, fns_pusha },
  { ZYDIS_MNEMONIC_PUSHAD, X86_FEAT_NONE, 0, x86_lower_plain, fns_pusha },
  { ZYDIS_MNEMONIC_POPA, X86_FEAT_NONE, 0, x86_lower_plain, fns_popa },
  { ZYDIS_MNEMONIC_POPAD, X86_FEAT_NONE, 0, x86_lower_plain, fns_popa },
  { ZYDIS_MNEMONIC_ENTER, X86_FEAT_NONE, 0, lower_enter, NULL },
  { ZYDIS_MNEMONIC_LEAVE, X86_FEAT_NONE, 0, lower_leave, NULL },
  { 0 }
};
