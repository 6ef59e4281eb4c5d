/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the files of the lock-step accelerator share.
 *
 * It is for those who work on the translator: the same guest runs translated
 * and interpreted, and stops at the first difference. The machine's processor
 * is only the front. Behind it two processors run with memories of their own.
 * is only the front. Behind it two processors run with memories of their own.
 * The first, translated, meets the board: its memory is the board's, and what
 * it is told (ports, registers of devices, time, memory that devices write) is
 * logged. The second, interpreted, is told the same out of the log, until it is
 * where the first stopped. There both take an interrupt, if there is one.
 *
 * A slice is what the first does between two stops. Its beginning is kept, so
 * that a slice that ended differently is run again block by block.
 */
#pragma once

#include "engine/cpu/accel.h"
#include "engine/cpu/cpu-private.h"

typedef struct X86Lockstep Lockstep;

/* --- compare.c --- */

/* The architectural state at one moment. */
typedef struct
{
  uint64_t r[X86_REG_COUNT];
  uint32_t eflags, mode;
  uint8_t cpl, halted, shadow, nmi_masked;
  X86Seg seg[X86_SEG_COUNT];
  X86Table ldtr, tr, gdtr, idtr;
  uint64_t cr0, cr2, cr3, cr4, cr8, xcr0, dr[8];
  X86Vec vec[16];
  uint32_t mxcsr;
  X86Fpu fpu;
  X86Msrs msr;
} Snapshot;

/* Whether two words are EFLAGS that differ only where that may be. Many instructions leave some flags undefined, and events,
 * system calls and PUSHF put them where they are compared; RF goes after an instruction only where someone could tell. */
enum { FLAGS_FREE = X86_FLAGS_ARITH | X86_FLAG_RF };

static inline gboolean
flags_alike (uint64_t a, uint64_t b)
{
  const uint64_t zero = ~(uint64_t) 0x3f7fd7, one = 2;

  return ((a ^ b) & ~(uint64_t) FLAGS_FREE) == 0 && (a & zero) == 0 && (a & one) != 0;
}

void snapshot_take (X86Cpu *cpu, Snapshot *snapshot);
gboolean snapshot_equal (const Snapshot *a, const Snapshot *b);
/* A line for each part that differs. */
void snapshot_describe (const Snapshot *translated, const Snapshot *interpreted, GString *out);
/* The length of the repeated string instruction at RIP, or 0; *@mask is of its count, *@tests whether it ends when ZF
 * is not *@zero. */
unsigned repeated_at (X86Cpu *cpu, uint64_t *mask, gboolean *tests, uint64_t *zero);
/* The block at @rip as the guest sees it, a line an instruction. */
void disassemble_block (X86Cpu *cpu, uint64_t rip, uint64_t base, GString *out);

/* --- log.c --- */

typedef enum
{
  EVENT_PORT_READ, EVENT_PORT_WRITE, EVENT_MMIO_READ, EVENT_MMIO_WRITE, EVENT_TSC, EVENT_RANDOM, EVENT_APIC_BASE_READ,
  EVENT_APIC_BASE_WRITE, EVENT_TPR_READ, EVENT_TPR_WRITE, EVENT_DEADLINE_READ, EVENT_DEADLINE_WRITE, EVENT_FPU_ERROR,
  /* The processor did not ask for these. */
  EVENT_MEMORY,      /* a device wrote @data at @address */
  EVENT_VIEW,        /* memory looks like @view now */
  EVENT_REGISTERS,   /* a device changed registers while a port was accessed */
} EventKind;

typedef struct
{
  EventKind kind;
  unsigned size;
  uint64_t address, value;
  union
  {
    GBytes *data;
    GArray *view;
    uint64_t *registers; /* 16 */
  };
} Event;

/* One of the two processors. */
typedef struct
{
  Lockstep *lockstep;
  const char *name;
  AddressSpace *memory;
  GPtrArray *regions;   /* MemoryRegion of the view */
  GPtrArray *proxies;   /* Proxy */
  X86System *system;
  X86Cpu *cpu;
  gboolean replays;     /* out of the log, from @next on; else it meets the board and writes the log */
  guint next;
  jmp_buf out;          /* for what ends the stay: an interrupt, or a question that is not in the log */
} Side;

extern const X86HostOps lockstep_ops;
extern const MmioOps lockstep_mmio;

Event *log_add (Lockstep *ls, EventKind kind, uint64_t address, unsigned size, uint64_t value);
void log_clear (Lockstep *ls);
/* Does what the log says of events that no processor asks for. */
void log_follow (Side *side);
const char *event_describe (const Event *event, char *text, size_t size);

/* --- mirror.c --- */

/* A block of the board's memory, what the second processor has in its place, and how both were when the slice began. */
typedef struct
{
  RamBlock *real, *mirror;
  uint8_t *begin;
  uint8_t *written;     /* a flag per page: by the second processor, in this slice */
  gboolean is_compared; /* no device writes it unseen */
  gboolean had_dma;     /* see ram_block_allow_dma() */
} Mirror;

/* What the guest's memory looks like: an array of MemorySection. */
GArray *view_take (AddressSpace *memory);
gboolean view_equal (const GArray *a, const GArray *b);
/* What @side has in place of the block that @section of the board shows. */
RamBlock *mirror_block (Side *side, const MemorySection *section);
/* Makes @side see @view. */
void side_set_view (Side *side, const GArray *view);

/* A device wrote the board's memory. */
void mirror_written (Side *side, uint64_t gpa, const void *data, uint64_t length);
/* The second processor's memory, and the slice's beginning, become the board's. */
void mirror_copy_all (Lockstep *ls);
/* Both memories become what they were when the slice began. */
void mirror_roll_back (Lockstep *ls);
/* Compares what the second processor has written, or everything. Appends to @out what differs; FALSE if anything does. */
gboolean mirror_compare (Lockstep *ls, gboolean all, GString *out);
/* The slice is right: the next begins here. */
void mirror_commit (Lockstep *ls);
void mirror_free (Lockstep *ls);

/* --- lockstep.c --- */

enum { TRACE = 64 };

struct X86Lockstep
{
  X86System *front;
  X86Cpu *cpu;           /* the front */
  X86HostOps ops;        /* of both */
  Side translated, interpreted;
  GArray *mirrors;       /* Mirror */
  GArray *view;          /* as the board has it */
  GArray *log;           /* Event, of this slice */
  gboolean in_slice, has_vram_changed;

  GByteArray *begin;     /* the processors' state at the slice's beginning */
  GArray *begin_view;
  Snapshot target;       /* where the first processor stopped */
  Snapshot nearest, nearest_target; /* the second's state that was most like the target */
  unsigned nearest_away; /* general registers that differed */
  guint nearest_log;     /* events used up then */
  uint64_t misses;       /* how often all registers were right, but not memory */
  char *miss;            /* the least that was not */
  uint64_t trace[TRACE]; /* where the second's last blocks began */
  uint64_t trace_count;
  uint64_t slices, blocks;
  char *problem;         /* what the log did not have */
  char *failure;

  GThread *metronome;    /* ends slices */
  GMutex lock;
  GCond cond;
  gboolean quit, is_running;
  gint64 slice_end;
};

/* Whoever asks for something that is not in the log. */
G_NORETURN void lockstep_lost (Side *side, const char *format, ...) G_GNUC_PRINTF (2, 3);
