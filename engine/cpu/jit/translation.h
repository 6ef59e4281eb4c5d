/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One block on its way through the translator. */
#pragma once

#include "engine/cpu/jit/jit-private.h"
#include "engine/cpu/lower.h"

enum { ARITH = X86_FLAGS_ARITH };

typedef enum
{
  KIND_SITE,      /* the interpreter runs it */
  KIND_TAIL,      /* the interpreter goes on from here */
  KIND_NOTHING,
  KIND_MODRM,     /* the same instruction with other registers */
  KIND_COPY,      /* byte for byte */
  KIND_VZERO,     /* so, too */
  KIND_LEA, KIND_MOVE_IMM, KIND_PUSH, KIND_PUSH_IMM, KIND_POP, KIND_EXCHANGE_RAX, KIND_BSWAP, KIND_INC_DEC, KIND_LEAVE, KIND_LODS, KIND_STOS,
  KIND_REPEAT_MOVS, KIND_REPEAT_STOS,
  KIND_PUSH_MEM, KIND_PUSH_FLAGS, KIND_DIVIDE, KIND_STORE_SELECTOR, KIND_CLI, KIND_STI, KIND_STAC, KIND_CLAC, KIND_SWAPGS,
  KIND_JUMP, KIND_JCC, KIND_CALL, KIND_JUMP_INDIRECT, KIND_CALL_INDIRECT, KIND_RETURN
} JitKind;

typedef struct
{
  ZydisDecodedInstruction z;
  ZydisDecodedOperand opr[ZYDIS_MAX_OPERAND_COUNT];
  const uint8_t *bytes;
  X86Op op;            /* lowered alone: its address */
  uint64_t rip, next_rip;
  JitKind kind;
  int mem;             /* the operand in memory, or -1 */
  uint32_t reads, writes; /* flags; @writes: surely */
  gboolean may_write;  /* flags, besides @writes */
  uint32_t live;       /* after it */
  gboolean uses_sse, uses_x87;
  gboolean uses_avx, is_256; /* as well */
} JitInsn;

/* Where an instruction's slow path begins and ends. */
typedef struct
{
  const JitInsn *insn;
  JitSite *site;
  uint8_t *jumps[2];
  uint8_t *refused[2]; /* by the segment */
  uint8_t *retry, *done;
  EmitMem stack;       /* of pushes and pops: the address; base NO_REG: the instruction's operand */
  EmitMem at;          /* the host's address; may use S1 and S2 */
  uint8_t *end;        /* of what may fault in the window; NULL without one */
  uint8_t *start;      /* of what repeats */
  gboolean in_window;
  uint8_t held_at_retry, dirty_at_retry, held_at_done; /* Translation's, there */
  gboolean is_fault;   /* of the instruction itself, not of its memory */
  gboolean is_repeat, copies; /* pointers are the host's when it faults: RDI, and RSI if it @copies */
  gboolean was_in_host, was_in_state; /* flags, at @retry */
  gboolean restore;    /* flags to the host's */
} JitSlow;

/* The way to the run loop that a jump takes until it is linked; it lies behind the block. */
typedef struct
{
  JitEdge *edge;
  uint8_t *jump;       /* displacement */
  gboolean in_host;    /* flags are: they go to the state on this way */
} JitStub;

typedef struct Translation
{
  X86Cpu *cpu;
  struct X86Jit *jit;
  X86Block *block;
  uint64_t rip;
  gboolean is_64, is_16;
  gboolean is_chained;        /* instruction pointers are linear addresses, none is beyond the segment: blocks lead on to others */
  gboolean has_flat_stack;
  gboolean is_global;         /* the code lies in a global page, and so do, most likely, its neighbours */
  Emit *e;
  unsigned count, slow_count;
  const JitInsn *x87;         /* the last one whose place is not in the state yet */
  gboolean in_host, in_state; /* where the flags are */
  uint8_t held;               /* HELD (…) of guest registers that have no host register, and are in scratch registers now */
  uint8_t dirty;              /* of those, which the state does not have yet */
  gboolean are_uppers_clean;  /* jit_sse may tell that the upper halves of YMM registers are 0 */
  gboolean failed;            /* no room */
  gboolean uses_sse;
  uint32_t live_in;           /* flags that the block needs when it begins */
  JitConstant constants[16];
  JitPeek peeks[32];
  unsigned constant_count, peek_count;
  gboolean has_peeked_far;    /* more than that */
  JitStub stubs[2];
  unsigned stub_count;
  uint8_t *start, *leave, *host_start, *host_guard_end, *host_leave;
  JitInsn insns[X86_BLOCK_MAX]; /* @count of them; nothing is cleared from here on */
  JitSlow slow[X86_BLOCK_MAX * 2];
} Translation;

#define HELD(guest) (1u << ((guest) - HOST_REGS))

/* Decodes and classifies the instruction at @bytes. */
gboolean jit_decode (Translation *t, const uint8_t *bytes, unsigned length, uint64_t rip, JitInsn *insn);
/* Flags that the code at @rip, at @host in the block's page, may read before it sets them. */
uint32_t jit_live_at (Translation *t, const uint8_t *host, uint64_t rip);
/* The host address of @rip if it lies in the block's page, or NULL. */
const uint8_t *jit_in_page (const Translation *t, uint64_t rip);

/* --- emit-insn.c --- */

void jit_emit_insn (Translation *t, const JitInsn *insn);
/* Number of the general register; bytes' belong to theirs. */
unsigned jit_guest_of (ZydisRegister reg);
/* The register that becomes @guest's value: it, or S2, which jit_finish_register() stores. */
unsigned jit_begin_register (unsigned guest);
void jit_finish_register (Translation *t, unsigned guest, unsigned host);
/* The register that has @guest's value: its own, or @temp. */
unsigned jit_load_register (Translation *t, unsigned guest, unsigned temp);
/* Between accesses to memory, R14 and R15, scratch otherwise, may hold the guest's. The host register that has @guest's
 * value. Leaves flags alone. */
unsigned jit_use (Translation *t, unsigned guest);
/* The same, for a new value. */
unsigned jit_define (Translation *t, unsigned guest);
/* Makes @scratch, S1 or S2, free. Leaves flags alone. */
void jit_release (Translation *t, unsigned scratch);
void jit_release_both (Translation *t);
/* Bytes that a push moves the stack by. */
int jit_stack_step (const Translation *t);
void jit_move_stack (Translation *t, int32_t by);
/* The slot that a push will fill; what follows stores to it, moves the stack and ends the look-up. */
JitSlow *jit_begin_push (Translation *t, const JitInsn *insn);
void jit_store_wide (Translation *t, JitSlow *slow, unsigned host);
void jit_store_constant (Translation *t, JitSlow *slow, uint64_t value);

/* Flags whose value before @insn matters. */
uint32_t jit_needed_before (const JitInsn *insn);
/* Has them in the host's. */
void jit_need_flags (Translation *t);
/* Has them in the state, too. */
void jit_save_flags (Translation *t);
/* The code of it alone, whatever is known of where they are. */
void jit_store_flags (Translation *t);
void jit_load_flags (Translation *t);
/* Has the interpreter run the block once. */
void jit_emit_skip (Translation *t);
/* Notes where the last x87 instruction was, before somebody may look. */
void jit_note_x87 (Translation *t);

/* --- emit-memory.c --- */

/* The linear address into S1; uses S2. Leaves flags alone but for segment bases. */
void jit_emit_address (Translation *t, const X86Op *op, uint64_t rip, gboolean with_segment);
gboolean jit_is_in_window (const Translation *t, const JitInsn *insn);
/* Whether the address is one register and a displacement. */
gboolean jit_is_base_alone (const Translation *t, const JitInsn *insn);
/* Frees what the look-up of @insn's memory through the window needs. */
void jit_make_way (Translation *t, const JitInsn *insn);
/* The host's address of the operand into ->at, for jit_end_lookup() after the access. Through the window, flags stay and the
 * access itself may fault: nothing of the guest's may have changed before. Otherwise the host's flags are lost, and what is
 * needed of them goes to the state. */
JitSlow *jit_emit_lookup (Translation *t, const JitInsn *insn, EmitMem stack, unsigned size, X86Access access, unsigned aligned);
/* Frees S2, and S1 but for the address. */
void jit_settle_address (Translation *t, JitSlow *slow);
void jit_end_lookup (Translation *t, JitSlow *slow);
/* The slow way of what follows, which may fault: the interpreter runs @insn instead. */
JitSlow *jit_begin_fault (Translation *t, const JitInsn *insn);
/* What the window adds to linear addresses near @reg, into @to. Leaves flags alone. */
void jit_emit_region (Translation *t, unsigned to, unsigned reg);
/* The slow way of a repeated MOVS (@copies) or STOS through the window, whose refused[] are to be filled in. */
JitSlow *jit_begin_repeat (Translation *t, const JitInsn *insn, gboolean copies);
/* After it: its pointers, to which S2, and S1 if it @copies, were added, are the guest's again. */
void jit_leave_window (Translation *t, gboolean copies);
void jit_emit_slow (Translation *t, const JitSlow *slow);
JitSite *jit_make_site (Translation *t, const JitInsn *insn, unsigned size, X86Access access, unsigned aligned);
/* The interpreter runs @site's instruction and comes back. */
void jit_call_site (Translation *t, JitSite *site);
void jit_emit_site (Translation *t, const JitInsn *insn);

/* --- emit-string.c --- */

/* Of LODS, STOS and MOVS. */
JitKind jit_string_kind (const Translation *t, const JitInsn *insn);
void jit_emit_string (Translation *t, const JitInsn *insn);

/* --- emit-branch.c --- */

uint64_t jit_target_of (const Translation *t, const JitInsn *insn);
/* To the run loop, which goes on at @rip. */
void jit_emit_leave (Translation *t, uint64_t rip);
/* On to @rip: the end of the block, or one of its ends. */
void jit_emit_exit (Translation *t, uint64_t rip);
/* The ways of near jumps that are not linked. */
void jit_emit_stubs (Translation *t);
void jit_emit_jcc (Translation *t, const JitInsn *insn);
void jit_emit_call (Translation *t, const JitInsn *insn);
void jit_emit_jump_indirect (Translation *t, const JitInsn *insn);
void jit_emit_call_indirect (Translation *t, const JitInsn *insn);
void jit_emit_return (Translation *t, const JitInsn *insn);
/* The run loop goes on with @insn. */
void jit_emit_tail (Translation *t, const JitInsn *insn);

/* --- emit-system.c --- */

/* The kind that is emitted there, or KIND_SITE. */
JitKind jit_system_kind (const Translation *t, const JitInsn *insn);
void jit_emit_system (Translation *t, const JitInsn *insn);

/* --- renew.c --- */

/* The @size bytes at @offset in @insn are at @at, too, all or the lowest @host_size of them. */
void jit_note_constant (Translation *t, const JitInsn *insn, unsigned offset, unsigned size, const uint8_t *at, unsigned host_size);
/* The translation depends on an instruction that is not, or not only, its block's. */
void jit_note_peek (Translation *t, const uint8_t *host, const uint8_t *bytes, unsigned length);
/* FALSE: the arena is full. */
gboolean jit_keep_notes (Translation *t, JitBlock *to);

/* --- emit-vex.c --- */

gboolean jit_vex_is_zero (const JitInsn *insn);
/* Whether it is VEX-coded and can be done with other registers and memory; notes what it uses. */
gboolean jit_vex_fits (JitInsn *insn);
/* Mask of address bits that must be 0. */
unsigned jit_vex_alignment (const JitInsn *insn);
/* The instruction with these registers; @second is what VEX.vvvv names, or NO_REG; @mem or @rm. */
void jit_put_vex (Translation *t, const JitInsn *insn, unsigned reg, unsigned second, const EmitMem *mem, unsigned rm);
void jit_emit_vzero (Translation *t, const JitInsn *insn);

/* What translated code knows of the vector registers from here on. */
static inline void
jit_set_vectors (Translation *t, unsigned level)
{
  emit_rm (t->e, 0, FALSE, MAP_1, 0xc6, 0, STATE_FIELD (jit_sse));
  emit8 (t->e, level);
}
