/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the translator's files share.
 *
 * In translated code R14 and R15 are scratch; the guest's stay in the state,
 * which has an address of 31 bits, so that no register leads to it. All other
 * general registers are in themselves, the stack pointer, too: there is no
 * stack, and signals have one of their own. Vector registers are the guest's
 * while jit_sse is not 0 (JIT_VECTORS_…), x87 registers while jit_x87 is.
 * Arithmetic flags are in the host's, or in jit_flags (AX as LAHF and SETO AL
 * make it); between blocks always in the latter, if anything still needs them.
 */
#pragma once

#include "engine/cpu/interp/interp.h"
#include "engine/cpu/jit/emit.h"
#include "engine/cpu/jit/jit.h"
#include "engine/cpu/jit/window.h"

#include <Zydis/Zydis.h>

enum { S1 = R14, S2 = R15, HOST_REGS = 14 /* of the guest that have one of the host */ };

#define STATE_FIELD(field) MEM (STATE, (int32_t) (G_STRUCT_OFFSET (X86Cpu, field)))

/* An instruction that the interpreter runs, because it is not translated or its memory is not plain. */
typedef struct
{
  X86Op ops[2];      /* alone, and where it returns to */
  uint64_t rip, next_rip;
  const uint8_t *resume; /* executable address */
  const X86Op *tail; /* of a branch: the op of its block, with which the run loop goes on */
  uint8_t size;      /* of the memory access; 0: always interpreted */
  uint8_t access;    /* X86_ACCESS_… */
  uint8_t aligned;   /* mask of address bits that must be 0 */
  uint16_t mnemonic; /* Zydis's */
  uint8_t number;    /* in its block */
  uint8_t is_stack;  /* its memory is the stack, whatever else the instruction reaches */
  uint8_t is_repeat; /* its memory is at RDI, RCX times */
  uint8_t is_copy;   /* and at RSI, too */
  uint8_t uses_sse;  /* the block needs vector registers back after it */
  uint8_t misses;    /* of a window, in vain */
  X86Block *window;  /* its block, if it reaches memory through the window */
} JitSite;

/* Where translated code that a window may fault in goes on; by address. */
typedef struct
{
  uint32_t start, end, slow; /* from the start of executable memory */
} JitAccess;

/* A constant of the guest's code that the translation has, too. */
typedef struct
{
  uint32_t at;       /* from the start of code memory */
  uint16_t offset;   /* in the block's bytes */
  uint8_t size, host_size;
} JitConstant;

/* Bytes outside of the block that its translation depends on. */
typedef struct
{
  uint16_t offset;   /* in the page */
  uint8_t length, bytes[15];
} JitPeek;

enum { JIT_ENTRY_SIZE = 5 /* bytes that a jump overwrites */ };

typedef struct JitBlock JitBlock;
struct JitBlock
{
  JitBlock *next;    /* other addresses of the same code */
  uint64_t rip;
  uint8_t *code;     /* executable address */
  uint8_t *leave;    /* code that leaves with RIP at this block */
  uint8_t *host_code, *host_leave; /* the same for who brings flags in the host's; NULL: there is no such way in */
  JitConstant *constants;
  JitPeek *peeks;
  uint8_t constant_count, peek_count;
  gboolean is_renewable;
  uint8_t entry[JIT_ENTRY_SIZE], host_entry[JIT_ENTRY_SIZE]; /* while it is disabled: what the jumps out took the place of */
};

/* A direct jump within a page, not linked yet. */
typedef struct
{
  uint64_t rip;
  const uint8_t *host;
  uint32_t mode;
  uint8_t *jump;     /* writable address of its displacement */
  uint8_t *host_jump;/* of the one that is taken with flags in the host's, or NULL */
} JitEdge;

struct X86Jit
{
  uint8_t *write, *exec;  /* the same memory, mapped twice */
  size_t size;
  Emit emit;              /* at the writable mapping */
  uint8_t *thunks_end;
  uint8_t *arena;         /* sites, edges, blocks */
  size_t arena_size, arena_used;
  const X86Op *(*enter) (X86Cpu *cpu, const uint8_t *code);
  /* Executable addresses. */
  const uint8_t *leave, *leave_to_op, *lookup, *indirect, *site, *link, *prepare_sse, *prepare_avx, *prepare_x87;
  const X86Block *skip;   /* to be interpreted once */
  gboolean has_avx;       /* the guest's model, and so the host */
  gboolean is_dropped;    /* a translation was dropped since the flag was cleared */
  JitWindows *windows;    /* NULL: the host cannot */
  struct Translation *scratch;
  GArray *accesses;       /* JitAccess */
  gboolean is_fresh;      /* a thread begins */
  uint8_t heat;           /* runs after which a block is translated */
  gboolean is_flushed;    /* there is no room: everything must go */
  uint64_t interpreted[ZYDIS_MNEMONIC_MAX_VALUE + 1]; /* instructions of translated code that the interpreter ran */
};

enum { JIT_RETRY, JIT_DONE, JIT_LEAVE };

/* jit_sse: which of the host's vector registers are the guest's. Upper halves of YMM registers are in the state until a block
 * with AVX needs them; after VZEROUPPER they are known to be 0, and the state's may be old. */
enum { JIT_VECTORS_NONE = 0, JIT_VECTORS_XMM = 1, JIT_VECTORS_UPPER = 2 /* a bit of the following */,
       JIT_VECTORS_FULL = 3, JIT_VECTORS_ZERO = 7 };

static inline uint8_t *
jit_exec (const struct X86Jit *jit, const uint8_t *write)
{
  return jit->exec + (write - jit->write);
}

static inline uint8_t *
jit_write (const struct X86Jit *jit, const uint8_t *exec)
{
  return jit->write + (exec - jit->exec);
}

/* What jit_translate() works in; g_free(). */
struct Translation *jit_scratch_new (void);
/* NULL when the arena is full. */
void *jit_alloc (struct X86Jit *jit, size_t size);
/* Translates @block at @rip. NULL: no room, or nothing to gain (*@useless). */
/* Makes ops[1] the end of ops[0]. */
void x86_jit_site_init (JitSite *site);
JitBlock *jit_translate (X86Cpu *cpu, X86Block *block, uint64_t rip, gboolean *useless);

/* What a guest's register number is on the host; NO_REG: it stays in the state. */
static inline unsigned
jit_host_reg (unsigned guest)
{
  return guest < HOST_REGS ? guest : NO_REG;
}

static inline EmitMem
jit_guest_mem (unsigned guest)
{
  return MEM (STATE, (int32_t) (guest * 8));
}

/* EFLAGS' SF ZF AF PF CF are AH's after LAHF. */
enum { LAHF_MASK = X86_FLAG_SF | X86_FLAG_ZF | X86_FLAG_AF | X86_FLAG_PF | X86_FLAG_CF };

static inline void
jit_flags_to_host (X86Cpu *cpu)
{
  uint32_t flags = x86_get_arith_flags (cpu);

  cpu->jit_flags = (uint16_t) ((flags & LAHF_MASK) << 8 | (flags & X86_FLAG_OF ? 1 : 0));
}

static inline void
jit_flags_from_host (X86Cpu *cpu)
{
  x86_set_arith_flags (cpu, ((cpu->jit_flags >> 8) & LAHF_MASK) | (cpu->jit_flags & 1 ? X86_FLAG_OF : 0));
}

/* @op is its block's first. */
static inline X86Block *
jit_block_of (const X86Op *op)
{
  return (X86Block *) (uintptr_t) ((const uint8_t *) op - G_STRUCT_OFFSET (X86Block, ops));
}

/* helpers.c: called through thunks. */
uint32_t jit_run_site (X86Cpu *cpu, JitSite *site, uint64_t lin, uint32_t has_sse);
const uint8_t *jit_link_edge (X86Cpu *cpu, JitEdge *edge);
uint32_t jit_enter_sse (X86Cpu *cpu);
uint32_t jit_enter_x87 (X86Cpu *cpu);
/* The guest's x87 unit is the state's again. */
void jit_x87_from_image (X86Cpu *cpu);

/* thunks.c */
void jit_make_thunks (struct X86Jit *jit);
void jit_name_thunks (X86Cpu *cpu, const struct X86Jit *jit);
