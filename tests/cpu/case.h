/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A case: some instructions of user code with everything they start from, and what a processor makes of it. Most have up
 * to four of any kind; others are longer sequences for the vector units.
 * Everything follows from the seed.
 */
#pragma once

#include "tests/cpu/layout.h"
#include "tests/cpu/random.h"

#include <Zydis/Zydis.h>

enum { CASE_STEPS = 16, CASE_SHORT = 4, CASE_CODE_MAX = 256, CASE_PATCHES = 8, CASE_POOL = 0x10000,
       CASE_OPERANDS = ZYDIS_MAX_OPERAND_COUNT };
enum { OUTCOME_END = -1 /* reached CASE_EXIT */, OUTCOME_TIMEOUT = -2 };
enum { FX_FCW = 0, FX_FSW = 2, FX_FTW = 4, FX_FOP = 6, FX_FIP = 8, FX_FDP = 16, FX_MXCSR = 24, FX_ST = 32, FX_XMM = 160,
       FX_SIZE = 512 };

/* 16-bit code is that of protected mode, with segments of 64 KiB that do not start at 0. */
typedef enum { CASE_64, CASE_32, CASE_16, CASE_MODES } CaseMode;

typedef struct
{
  uint64_t r[16];                                   /* by encoding: RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8 … */
  uint64_t rip /* linear */, rflags;
  uint16_t sels[6];                                 /* by encoding: ES, CS, SS, DS, FS, GS; only afterwards */
  uint8_t fx[FX_SIZE] __attribute__ ((aligned (16))); /* as FXSAVE64 stores it */
  uint8_t ymm[16][16];                              /* upper halves of YMM registers */
} CpuState;

typedef struct
{
  unsigned offset;                 /* from the first */
  gboolean is_valid;               /* the decoder knows it; else it must raise #UD or #GP */
  ZydisDecodedInstruction insn;
  ZydisDecodedOperand opr[CASE_OPERANDS];
} CaseStep;

typedef struct
{
  uint64_t seed;
  CaseMode mode;
  uint64_t address;                /* of the first instruction, linear */
  uint8_t code[CASE_CODE_MAX];
  unsigned length;                 /* with the jump to CASE_EXIT */
  unsigned end;                    /* offset of that jump */
  CaseStep steps[CASE_STEPS];
  unsigned count;
  uint32_t undefined[CASE_STEPS + 1]; /* flags that are undefined before each step and in the end */
  uint16_t undefined_status;       /* the same in the x87 status word */
  CpuState in;
  unsigned pool_offset;            /* of the data window's contents */
  struct { unsigned offset, size; uint8_t bytes[16]; } patches[CASE_PATCHES]; /* over that */
  unsigned patch_count;
} Case;

typedef struct
{
  int vector;                      /* or OUTCOME_… */
  uint32_t error;
  uint64_t cr2;                    /* #PF */
  CpuState state;
  const uint8_t *data;             /* the window afterwards */
  gboolean is_translated;
} Outcome;

/* Which instructions the host and the interpreter have, by X86Feature number. */
typedef gboolean (*CaseHasFeature) (void *opaque, unsigned feature);

enum { DRAWN_MAX = 40 /* bytes drawn for an instruction */ };

/* An encoding of an instruction: @prefix is a mandatory one in the order of VEX.pp, @modrm gives this very mnemonic. */
typedef struct
{
  uint16_t mnemonic;
  uint8_t is_vex, map, prefix, w, l, vvvv, opcode, modrm;
  uint8_t is_vector;
} Encoding;

/* All encodings that take part, by mnemonic: those of the i-th are first[i] … first[i + 1] - 1. */
typedef struct
{
  Encoding *encodings;
  unsigned *first, mnemonics;
} Catalog;

typedef struct
{
  ZydisDecoder decoder[CASE_MODES];
  Catalog catalog[CASE_MODES];
  uint8_t pool[CASE_POOL + CASE_DATA_SIZE];
  gboolean allowed[ZYDIS_ISA_SET_MAX_VALUE + 1];
  gboolean with_ymm;               /* the host's registers have the upper halves */
  gboolean with_segments;          /* segment registers may be loaded: all segments of layout.h are there */
} Generator;

/* generate.c */
void generator_init (Generator *generator, CaseHasFeature has_feature, void *opaque);
/* FALSE: nothing came of this seed. */
gboolean generator_make (const Generator *generator, uint64_t seed, CaseMode mode, Case *out);
/* The data window as the case starts. */
void case_fill_data (const Generator *generator, const Case *cs, uint8_t *data);

void generator_clear (Generator *generator);
/* After @code or inputs were changed by hand: FALSE when the steps are no longer what they were. */
gboolean case_refresh (const Generator *generator, Case *cs);

/* draw.c */
typedef enum { DRAW_ANY, DRAW_VECTOR } DrawKind;
void draw_instruction (const Generator *generator, Random *random, CaseMode mode, DrawKind kind, uint8_t bytes[DRAWN_MAX]);

/* catalog.c */
void catalog_init (Generator *generator);
void catalog_clear (Generator *generator);
const Encoding *catalog_draw (const Generator *generator, CaseMode mode, Random *random);

/* policy.c */
/* What may run: unprivileged, harmless to the host, the same on every processor. */
void policy_init (gboolean *allowed, CaseHasFeature has_feature, void *opaque);
gboolean policy_allows (const gboolean *allowed, const CaseStep *step, CaseMode mode);
/* Whether it loads a segment register or looks at a descriptor. */
gboolean policy_uses_selector (const CaseStep *step);
/* Flags that the instruction may leave undefined. @count: CL if it is known, or -1. */
uint32_t policy_undefined_flags (const CaseStep *step, int count);
uint16_t policy_undefined_status (const CaseStep *step);
/* Flags that it sets to something defined whatever the operands. */
uint32_t policy_defined_flags (const CaseStep *step);
gboolean policy_is_branch (const CaseStep *step);
/* Whether it stores status or pointers of the x87 unit, of which processors keep different ones. */
gboolean policy_stores_x87 (const CaseStep *step);
gboolean policy_may_differ (const Case *cs, const CaseStep *step, const Outcome *native, const Outcome *interp);

/* operands.c */
uint64_t operand_integer (Random *random);
void operand_vector (Random *random, uint8_t value[16]);
void operand_extended (Random *random, uint8_t value[10]);
void operand_state (Random *random, CpuState *state);
void operand_pool (uint8_t *pool, size_t size);

/* shrink.c */
typedef gboolean (*CaseFails) (void *opaque, const Case *cs);
/* Makes @cs, which fails, as plain as it can be and still fail. */
void shrink_case (const Generator *generator, Case *cs, CaseFails fails, void *opaque);

/* native.c: the host's processor. Returns NULL, or why it cannot be used. */
const char *native_init (void);
const char *native_init_mode (CaseMode mode);
void native_run (const Generator *generator, const Case *cs, Outcome *out);

/* interp.c: what is held against it. Translated is everything, before it first runs; memory is reached through windows, or
 * through the software TLB. */
typedef enum { SIDE_INTERP, SIDE_JIT, SIDE_JIT_LOOKUP, SIDES } Side;
typedef struct Interp Interp;
/* @model: a processor model's name. */
Interp *interp_new (Side side, const char *model);
void interp_free (Interp *interp);
gboolean interp_has_feature (void *interp, unsigned feature);
void interp_run (Interp *interp, const Generator *generator, const Case *cs, Outcome *out);

/* compare.c */
/* Appends what differs to @report when it is not NULL. */
gboolean compare_outcomes (const Case *cs, const Outcome *native, const Outcome *interp, GString *report);
void describe_case (const Generator *generator, const Case *cs, GString *report);
const char *case_mode_name (CaseMode mode);
const char *case_mnemonic (const Case *cs, unsigned step);
