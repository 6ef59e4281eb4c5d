/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The architectural state of an x86-64 processor and the caches that the
 * accelerators keep beside it. Private to engine/cpu and its tests.
 * Specification: Intel 64 and IA-32 Architectures Software Developer's Manual,
 * volumes 1 and 3A; AMD64 Architecture Programmer's Manual, volume 2.
 */
#pragma once

#include "engine/cpu/cpu.h"

#include <setjmp.h>
#include <stdint.h>

typedef struct X86Op X86Op;
typedef struct X86Block X86Block;
typedef struct X86BlockCache X86BlockCache;
typedef struct X86Watch X86Watch;

/* General registers by their encoding, then pseudo registers that make every
 * effective address a plain sum over one file. */
enum
{
  X86_RAX, X86_RCX, X86_RDX, X86_RBX, X86_RSP, X86_RBP, X86_RSI, X86_RDI,
  X86_R8, X86_R9, X86_R10, X86_R11, X86_R12, X86_R13, X86_R14, X86_R15,
  X86_RIP,     /* inside a block: the offset in CS of the block's first byte; between blocks: of the next instruction */
  X86_ZERO,    /* always 0 */
  X86_SEGBASE, /* six segment bases, in the order of X86_ES … */
  X86_REG_COUNT = X86_SEGBASE + 8
};

enum { X86_ES, X86_CS, X86_SS, X86_DS, X86_FS, X86_GS, X86_SEG_COUNT };

enum
{
  X86_FLAG_CF = 1 << 0, X86_FLAG_ONE = 1 << 1, X86_FLAG_PF = 1 << 2, X86_FLAG_AF = 1 << 4, X86_FLAG_ZF = 1 << 6,
  X86_FLAG_SF = 1 << 7, X86_FLAG_TF = 1 << 8, X86_FLAG_IF = 1 << 9, X86_FLAG_DF = 1 << 10, X86_FLAG_OF = 1 << 11,
  X86_FLAG_IOPL = 3 << 12, X86_FLAG_NT = 1 << 14, X86_FLAG_RF = 1 << 16, X86_FLAG_VM = 1 << 17, X86_FLAG_AC = 1 << 18,
  X86_FLAG_VIF = 1 << 19, X86_FLAG_VIP = 1 << 20, X86_FLAG_ID = 1 << 21,
  X86_FLAGS_ARITH = X86_FLAG_CF | X86_FLAG_PF | X86_FLAG_AF | X86_FLAG_ZF | X86_FLAG_SF | X86_FLAG_OF
};

enum
{
  X86_CR0_PE = 1 << 0, X86_CR0_MP = 1 << 1, X86_CR0_EM = 1 << 2, X86_CR0_TS = 1 << 3, X86_CR0_ET = 1 << 4,
  X86_CR0_NE = 1 << 5, X86_CR0_WP = 1 << 16, X86_CR0_AM = 1 << 18, X86_CR0_NW = 1 << 29, X86_CR0_CD = 1 << 30,
};
#define X86_CR0_PG (1u << 31)

enum
{
  X86_CR4_VME = 1 << 0, X86_CR4_PVI = 1 << 1, X86_CR4_TSD = 1 << 2, X86_CR4_DE = 1 << 3, X86_CR4_PSE = 1 << 4,
  X86_CR4_PAE = 1 << 5, X86_CR4_MCE = 1 << 6, X86_CR4_PGE = 1 << 7, X86_CR4_PCE = 1 << 8, X86_CR4_OSFXSR = 1 << 9,
  X86_CR4_OSXMMEXCPT = 1 << 10, X86_CR4_UMIP = 1 << 11, X86_CR4_FSGSBASE = 1 << 16, X86_CR4_PCIDE = 1 << 17,
  X86_CR4_OSXSAVE = 1 << 18, X86_CR4_SMEP = 1 << 20, X86_CR4_SMAP = 1 << 21
};

enum
{
  X86_EFER_SCE = 1 << 0, X86_EFER_LME = 1 << 8, X86_EFER_LMA = 1 << 10, X86_EFER_NXE = 1 << 11,
  X86_EFER_FFXSR = 1 << 14
};

enum
{
  X86_EXC_DE = 0, X86_EXC_DB = 1, X86_EXC_NMI = 2, X86_EXC_BP = 3, X86_EXC_OF = 4, X86_EXC_BR = 5, X86_EXC_UD = 6,
  X86_EXC_NM = 7, X86_EXC_DF = 8, X86_EXC_TS = 10, X86_EXC_NP = 11, X86_EXC_SS = 12, X86_EXC_GP = 13, X86_EXC_PF = 14,
  X86_EXC_MF = 16, X86_EXC_AC = 17, X86_EXC_MC = 18, X86_EXC_XM = 19
};

/* Segment attributes: bits 8-23 of a descriptor's high doubleword, shifted down by 8. */
enum
{
  X86_SEG_TYPE = 0xf, X86_SEG_ACCESSED = 1 << 0, X86_SEG_WRITABLE = 1 << 1 /* data */, X86_SEG_READABLE = 1 << 1 /* code */,
  X86_SEG_EXPAND_DOWN = 1 << 2 /* data */, X86_SEG_CONFORMING = 1 << 2 /* code */, X86_SEG_CODE = 1 << 3,
  X86_SEG_S = 1 << 4, X86_SEG_DPL_SHIFT = 5, X86_SEG_DPL = 3 << 5, X86_SEG_P = 1 << 7, X86_SEG_AVL = 1 << 12,
  X86_SEG_L = 1 << 13, X86_SEG_DB = 1 << 14, X86_SEG_G = 1 << 15,
  X86_SEG_UNUSABLE = 1 << 16 /* loaded with a null selector */
};

/* The cached part of a segment; bases live in r[X86_SEGBASE + …]. */
typedef struct
{
  uint16_t sel;
  uint32_t attr;
  uint32_t limit; /* in bytes, last valid offset */
} X86Seg;

/* LDTR, TR, GDTR, IDTR (selector and attributes of the latter two are unused). */
typedef struct
{
  uint16_t sel;
  uint32_t attr;
  uint32_t limit;
  uint64_t base;
} X86Table;

/* Mode bits: what decoding depends on. They are part of every block's key. */
enum
{
  X86_MODE_CODE16 = 0, X86_MODE_CODE32 = 1, X86_MODE_CODE64 = 2, X86_MODE_CODE_MASK = 3,
  X86_MODE_STACK32 = 1 << 2,   /* SS.B (16/32-bit code) */
  X86_MODE_FLAT = 1 << 3,      /* DS, ES, SS: read/write, no limit below 4 GiB; always set in 64-bit code */
  X86_MODE_CSFLAT = 1 << 4,    /* CS limit 4 GiB, or 64-bit code */
  X86_MODE_FSFLAT = 1 << 5,
  X86_MODE_GSFLAT = 1 << 6,
  X86_MODE_PE = 1 << 7,
  X86_MODE_VM86 = 1 << 8,
  X86_MODE_STEP = 1 << 9,      /* blocks of one instruction: single-step, interrupt shadow, code breakpoints */
  X86_MODE_FPU = 1 << 10,      /* CR0.EM and CR0.TS clear: x87 and MMX may run */
  X86_MODE_SSE = 1 << 11,      /* as FPU, and CR4.OSFXSR set */
  X86_MODE_AVX = 1 << 12,      /* CR0.TS clear, CR4.OSXSAVE and XCR0 enable AVX */
  X86_MODE_ALIGN = 1 << 13,    /* CR0.AM, EFLAGS.AC and CPL 3: alignment checks */
  X86_MODE_WINDOW = 1 << 14,   /* translated code reaches memory through the window of the address space */
  X86_MODE_CPL0 = 1 << 15,
  X86_MODE_CSZERO = 1 << 16,   /* CS has base 0: instruction pointers are linear addresses */
  X86_MODE_BITS = 17
};

/* Lazy flags: cc_res is the sign-extended result (ZF, SF, PF), and cc_op says
 * how CF, AF and OF come from the sign-extended operands. */
enum
{
  X86_CC_FLAGS, /* cc_b holds all six flags; cc_res is 0 exactly when ZF is set */
  X86_CC_CO,    /* cc_b holds CF, AF and OF; logic operations have it 0 */
  X86_CC_ADD,   /* cc_res = cc_a + cc_b (+ carry) */
  X86_CC_SUB,   /* cc_res = cc_a - cc_b (- borrow) */
};

/* Software TLB. A tag is the linear page with the key of the address space xor'ed onto the bits that choose the entry:
 * they say nothing new there. One compare then checks both: lin ^ tag ^ key is the offset in the page when both are
 * right. An address that another key makes look like the tag's page chooses another entry, canonical or not. */
enum { X86_TLB_BITS = 10, X86_TLB_SIZE = 1 << X86_TLB_BITS };
#define X86_TLB_NONE (~(uint64_t) 0)
#define X86_PAGE_MASK (~(uint64_t) 0xfff)
enum { X86_TLB_KEY_SHIFT = 12, X86_TLB_FOLD = 9 };

typedef struct
{
  uint64_t tag_read, tag_write;
  uint64_t addend;   /* host address = linear address + addend */
  uint8_t *host;     /* of the page */
} X86TlbEntry;

/* The slow half of a TLB entry: what is known of the translation even when the
 * fast tags may not match (MMIO, code pages, watchpoints, globals of another
 * address space). */
typedef struct
{
  uint64_t page;     /* linear page, with the key in the low bits; X86_TLB_NONE when empty */
  uint64_t phys;     /* guest-physical page */
  uint8_t *host;     /* NULL: MMIO */
  uint8_t *dirty;    /* dirty-log byte, or NULL */
  uint8_t rights;    /* 1 << X86_ACCESS_…: what the walk allowed (write only once D is set) */
  uint8_t is_global;
  uint8_t is_rom;    /* writes are dropped */
  uint8_t is_watched;/* a data breakpoint lies in it */
} X86TlbInfo;

/* Which of the TLBs an access uses. */
enum { X86_MMU_KERNEL, X86_MMU_KERNEL_AC /* SMAP suspended */, X86_MMU_USER, X86_MMU_COUNT };

typedef enum { X86_ACCESS_READ, X86_ACCESS_WRITE, X86_ACCESS_EXEC } X86Access;

typedef struct
{
  uint64_t lin, key;
  const X86Op *ops;
  const uint8_t *native; /* translated code, or how it leaves to the run loop */
} X86Jump;
enum { X86_JUMP_BITS = 16, X86_JUMP_SIZE = 1 << X86_JUMP_BITS };

/* 80-bit x87 register. */
typedef struct
{
  uint64_t mant;
  uint16_t se; /* sign and exponent */
} __attribute__ ((aligned (16))) X86Fp80;

typedef union
{
  uint8_t b[32];
  uint16_t w[16];
  uint32_t d[8];
  uint64_t q[4];
  int8_t sb[32];
  int16_t sw[16];
  int32_t sd[8];
  int64_t sq[4];
  float f[8];
  double lf[4];
} X86Vec;

typedef struct
{
  X86Fp80 st[8];     /* physical registers R0-R7: ST(i) is st[(top + i) & 7]; MMi is st[i].mant */
  uint16_t fcw;
  uint16_t fsw;      /* with TOP in bits 11-13 */
  uint8_t ftag;      /* abridged tags as FXSAVE has them: bit i set when physical register i is not empty */
  uint16_t fop;
  uint64_t fip, fdp;
  uint16_t fcs, fds;
} X86Fpu;

/* An event whose delivery has been decided on and not begun: the hardware may be left in this state. */
enum { X86_INJECT_NONE, X86_INJECT_INTERRUPT, X86_INJECT_NMI, X86_INJECT_EXCEPTION };
typedef struct
{
  uint8_t kind, vector, has_error;
  uint32_t error;
} X86Injection;

enum { X86_MTRR_VARIABLE = 8 };

typedef struct
{
  uint64_t efer, star, lstar, cstar, fmask, kernel_gs_base;
  uint64_t sysenter_cs, sysenter_esp, sysenter_eip;
  uint64_t tsc_offset, tsc_adjust, tsc_aux;
  uint64_t pat, misc_enable, mcg_status, mcg_ctl;
  uint64_t mtrr_def_type, mtrr_fixed[11], mtrr_base[X86_MTRR_VARIABLE], mtrr_mask[X86_MTRR_VARIABLE];
  uint64_t apic_base; /* when the board has no APIC */
  uint64_t hwcr;
  uint64_t spec_ctrl;
} X86Msrs;

/* A locked access that no host atomic can do. */
typedef struct
{
  uint64_t lin;
  unsigned size, room;   /* room: bytes in the first page */
  gboolean is_alone, has_lock;
  X86TlbInfo page[2];
} X86Locked;

struct X86Cpu
{
  /* Hot: what every handler touches. */
  uint64_t r[X86_REG_COUNT];
  uint32_t attention;    /* non-zero: leave the block loop (atomic; any thread sets it) */
  uint32_t cc_op;
  const uint32_t *guard; /* &attention, or NULL when that is set: to look at it without touching flags */
  uint64_t cc_res, cc_a, cc_b;
  X86TlbEntry *tlb;      /* of the current privilege */
  uint64_t tlb_key;      /* of the address space, in the place it has in the TLB's tags */
  uint64_t code_key;     /* validates jump entries: mode, privilege, address space, flush generation */
  uint64_t global_key;   /* the same for code in global pages, whatever the address space */
  X86Jump *jumps;
  uint64_t retired;
  uint32_t eflags;       /* all but the arithmetic flags */
  uint32_t mode;         /* X86_MODE_… */
  uint8_t cpl;
  uint8_t mmu_index;

  X86Vec vec[16] __attribute__ ((aligned (64)));
  uint32_t mxcsr;        /* its status bits may be the host's while X86_FP_SSE is live: x86_mxcsr() */
  uint8_t sse_guard;     /* non-zero: x86_sse_prepare() before floating-point SSE operations */
  uint8_t fpu_guard;     /* non-zero: x86_fpu_prepare() before waiting x87 instructions */
  uint8_t fp_live;       /* X86_FP_…: what of the host's units holds the guest's settings */
  uint8_t sse_pass;      /* how often the current operation has run (fp.c) */
  uint8_t sse_flags;     /* what its first run raised */
  uint8_t fpu_ferr;      /* FERR# is asserted */
  uint16_t host_fcw;
  uint32_t host_mxcsr;
  X86Vec scratch __attribute__ ((aligned (32))); /* operands for the host's instructions */
  X86Fpu fpu;

  X86Seg seg[X86_SEG_COUNT];
  X86Table ldtr, tr, gdtr, idtr;
  uint64_t cr0, cr2, cr3, cr4, cr8;
  uint64_t xcr0;
  uint64_t dr[8];
  X86Msrs msr;
  uint64_t pdpte[4];     /* PAE page-directory pointers, loaded with CR3 */
  uint64_t a20_mask;

  /* Events. */
  uint32_t pending;      /* X86_REQ_… (atomic) */
  uint8_t sipi_vector;
  uint8_t shadow;        /* X86_SHADOW_…: the next instruction runs with interrupts held off */
  uint8_t halted;        /* X86_HALT_… */
  uint8_t nmi_masked;
  X86Injection injection;
  uint8_t is_stepped;    /* run in blocks of one instruction */
  uint8_t step_trap;     /* a #DB for single-step is due after this instruction */
  uint8_t delivering;    /* an event is being delivered: its vector + 1, or 0xff for external interrupts */
  uint8_t gathered;      /* the instruction has loaded elements: a trap that is due comes before a fault of the rest */
  uint8_t event_vector;  /* the fault that longjmp brought */
  uint32_t event_error;
  uint64_t debug_hits;   /* DR6 bits to report after this instruction */
  uint64_t ram_base, ram_size; /* the RAM section that physical accesses hit last, and where it is */
  uint8_t *ram_host, *ram_dirty;
  jmp_buf fault_jump;

  /* MMU. */
  X86TlbEntry *tlbs;     /* X86_MMU_COUNT × X86_TLB_SIZE */
  X86TlbInfo *tlb_info;
  uint16_t *pcid_key;    /* PCID → TLB key; 0: none yet */
  uint16_t next_key;
  uint32_t flush_count;  /* of code_key */
  uint64_t large_2m[64]; /* for INVLPG: by hash of the linear address, where larger pages have been seen */
  uint64_t large_1g[4];
  uint64_t phys_mask;    /* bits of a physical address that a page table may hold */

  /* The rest of the world. */
  X86System *system;
  AddressSpace *memory;
  const X86HostOps *ops;
  void *opaque;
  const X86CpuModel *model;
  uint64_t features[2];  /* X86_FEAT_… bits in effect */
  unsigned index;
  X86BlockCache *cache;
  struct X86KvmCpu *kvm; /* NULL: not in the hardware's hands */
  struct X86Jit *jit;    /* NULL: everything is interpreted */
  const uint8_t *jit_leave;
  uint64_t jit_stack;    /* the host's stack pointer while translated code runs */
  const X86Op *jit_next; /* what the run loop goes on with after translated code */
  uint32_t jit_returns[256]; /* where calls return to: offsets in @jumps of what is looked at first; a guess */
  uint8_t jit_return_top;/* the last one's number */
  uint64_t jit_target;   /* of an indirect call whose return address is being pushed */
  uint16_t jit_flags;    /* arithmetic flags as LAHF and SETO AL leave them in AX */
  uint8_t jit_sse;       /* JIT_VECTORS_…: which of the host's vector registers are the guest's */
  uint8_t jit_parked;    /* the same, before they were put into the state */
  uint8_t jit_x87;       /* the host's x87 registers are the guest's */
  uint8_t jit_x87_parked;/* they are in jit_x87_image */
  uint8_t jit_x87_image[108]; /* as FNSAVE writes it */
  uint64_t jit_x87_rip;  /* of the last x87 instruction; its memory operand and opcode */
  uint64_t jit_x87_rdp;
  uint16_t jit_x87_op;
  uint8_t jit_x87_seg;
  struct X86Decoder *decoder;
  X86Counters counters;
  unsigned place;        /* in system->cpus */
  GMutex code_lock;      /* guards what others tell of pages with code: */
  GHashTable *code_stored;    /* host page → chunks written */
  GHashTable *code_protected; /* host pages to which stores must no longer be fast */
  uint32_t watch_done;   /* system->watch_asked when that was last taken (atomic) */
  uint32_t is_running;   /* inside x86_cpu_run() (atomic) */
  uint32_t spin_pauses;  /* since spin_since */
  int64_t spin_since;    /* host time, µs */
  uint32_t stands_still; /* under system->alone_lock */
  X86Locked locked;      /* the locked access that is being made */
  uint8_t *code_copy;    /* one page: what is being decoded, safe from other processors */
};

enum { X86_FP_SSE = 1 << 0, X86_FP_X87 = 1 << 1 };
enum { X86_SHADOW_NONE, X86_SHADOW_STI, X86_SHADOW_MOV_SS };
enum { X86_HALT_NONE, X86_HALT_HLT, X86_HALT_SIPI, X86_HALT_SHUTDOWN };
