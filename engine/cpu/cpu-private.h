/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the parts of the processor call of each other. Specification: see
 * x86-state.h.
 */
#pragma once

#include "engine/cpu/op.h"
#include "engine/cpu/posted.h"

#include <stdio.h>

/* --- mmu.c, mmu-walk.c --- */

typedef struct
{
  uint64_t phys;       /* of the page */
  uint64_t size;       /* of the mapping: 4 KiB, 2 or 4 MiB, 1 GiB */
  uint8_t rights;      /* 1 << X86_ACCESS_… */
  uint8_t is_global;
  uint8_t is_accessed; /* A was set before */
  uint32_t error;      /* #PF error code when the walk failed */
} X86Walk;

/* Walks the tables for an access; sets A and D unless @peek. Returns FALSE with out->error on a fault. */
gboolean x86_walk (X86Cpu *cpu, uint64_t lin, X86Access access, unsigned mmu, gboolean peek, X86Walk *out);
/* Reads the PAE page-directory pointers at CR3; FALSE: a reserved bit is set (#GP). */
gboolean x86_load_pdptes (X86Cpu *cpu, uint64_t cr3);
/* Host address of @length bytes of RAM at @gpa that do not cross a page, or NULL. */
uint8_t *x86_phys_ram (X86Cpu *cpu, uint64_t gpa, gboolean write);
/* The translation of @lin for @access, filled if need be. Raises #PF, or #GP/#SS when @lin is not canonical. */
X86TlbInfo *x86_translate (X86Cpu *cpu, const X86Op *op, uint64_t lin, X86Access access, unsigned mmu);
/* The same for all of [lin, lin + size), which may lie in two pages: returns how many, with copies in @page. */
unsigned x86_translate_pages (X86Cpu *cpu, const X86Op *op, uint64_t lin, unsigned size, X86Access access, X86TlbInfo page[2]);
/* Accesses through a translation, none of which goes beyond its page; only the low 12 bits of @lin count. */
uint64_t x86_page_read (X86Cpu *cpu, const X86TlbInfo *info, uint64_t lin, unsigned size);
void x86_page_write (X86Cpu *cpu, const X86TlbInfo *info, uint64_t lin, uint64_t value, unsigned size);

/* Recomputes what validates jump entries from mode, privilege and address space. */
void x86_update_code_key (X86Cpu *cpu);
void x86_tlb_init (X86Cpu *cpu);
void x86_tlb_free (X86Cpu *cpu);
void x86_tlb_flush_all (X86Cpu *cpu);
void x86_tlb_flush_page (X86Cpu *cpu, uint64_t lin);
/* After CR3 was written: takes up the address space of the new CR3, keeping what PCIDs allow. */
void x86_tlb_switch (X86Cpu *cpu, gboolean keep);
/* INVPCID of one process-context identifier. */
void x86_tlb_flush_pcid (X86Cpu *cpu, unsigned pcid);
/* Stores to pages with a dirty log take the slow path once. */
void x86_tlb_protect_logged (X86Cpu *cpu);
/* Other pages have a log than before: stores to those that have one are noticed, translations stay. */
void x86_tlb_find_logs (X86Cpu *cpu);
/* Stores to this host page take the slow path from now on. */
void x86_tlb_protect_host (X86Cpu *cpu, const uint8_t *host_page);
/* Empties cpu->ram_…, after the topology changed. */
void x86_forget_ram (X86Cpu *cpu);

/* Supervisor accesses by the processor itself: descriptor tables, TSS, interrupt frames on an inner stack (@mmu says
 * as whom). They fault like any other. */
uint64_t x86_sys_read (X86Cpu *cpu, const X86Op *op, uint64_t lin, unsigned size, unsigned mmu);
void x86_sys_write (X86Cpu *cpu, const X86Op *op, uint64_t lin, uint64_t value, unsigned size, unsigned mmu);
void x86_sys_probe_write (X86Cpu *cpu, const X86Op *op, uint64_t lin, unsigned size, unsigned mmu);

static inline gboolean
x86_is_canonical (uint64_t lin)
{
  return ((int64_t) (lin << 16)) >> 16 == (int64_t) lin;
}

static inline gboolean x86_long_mode (const X86Cpu *cpu) { return (cpu->msr.efer & X86_EFER_LMA) != 0; }
static inline gboolean x86_code64 (const X86Cpu *cpu) { return (cpu->mode & X86_MODE_CODE64) != 0; }
static inline gboolean x86_protected (const X86Cpu *cpu) { return (cpu->cr0 & X86_CR0_PE) != 0; }
static inline gboolean x86_vm86 (const X86Cpu *cpu) { return (cpu->eflags & X86_FLAG_VM) != 0; }
static inline unsigned x86_iopl (const X86Cpu *cpu) { return (cpu->eflags >> 12) & 3; }

/* --- cpu.c --- */

/* Bytes for one processor's decoded and translated code. */
uint64_t x86_code_share (const X86System *system);

/* --- cache.c: decoded blocks --- */

struct X86Block
{
  X86Block *hash_next;
  X86Block *page_next;
  const uint8_t *host;  /* of its first byte */
  uint32_t mode;
  uint16_t length;      /* bytes of code */
  uint8_t op_count;
  uint8_t is_dead;
  uint8_t heat;             /* how often it ran before it was translated */
  const X86Op *(*first) (X86Cpu *cpu, const X86Op *op); /* of ops[0], while the translator counts */
  struct JitBlock *translations;
  X86OpFn *saved;           /* handlers of the ops while it is dead; NULL: it was never dropped */
  uint16_t peek_start, peek_end; /* of the page: what translations looked at, empty if both are 0 */
  uint64_t looked_up;       /* instructions, by number, whose memory is no good in a window */
  X86Op ops[];
};

enum { X86_BLOCK_MAX = 48 /* instructions */, X86_BLOCK_OPS = X86_BLOCK_MAX + 3 };

/* After a branch that may be chained: where it goes, once known. Takes the place of an op. */
typedef struct
{
  const X86Op *taken;
  const X86Op *not_taken;
} X86Link;

/* A page's 64 chunks, each known to hold code or not. */
enum { X86_CODE_CHUNK_SHIFT = 6, X86_CODE_CHUNK = 1 << X86_CODE_CHUNK_SHIFT, X86_CODE_CHUNKS = GUEST_PAGE_SIZE >> X86_CODE_CHUNK_SHIFT };

/* Those of [host, host + length), which ends in the same page. */
static inline uint64_t
x86_code_chunks (const uint8_t *host, uint64_t length)
{
  unsigned first = ((uintptr_t) host & 0xfff) >> X86_CODE_CHUNK_SHIFT;
  uint64_t last = (((uintptr_t) host & 0xfff) + length - 1) >> X86_CODE_CHUNK_SHIFT;

  return (~(uint64_t) 0 << first) & (~(uint64_t) 0 >> (63 - MIN (last, 63)));
}

/* @size: bytes for blocks. */
X86BlockCache *x86_block_cache_new (uint64_t size);
void x86_block_cache_free (X86BlockCache *cache);
void x86_block_cache_flush (X86Cpu *cpu);
/* The live block at this host address, perhaps one that was dropped and is true again; or NULL. */
X86Block *x86_block_find (X86Cpu *cpu, const uint8_t *host, uint32_t mode);
/* Keeps a block of @op_count ops, decoded from @length @bytes that were read at @host, and the bytes; takes care that
 * later stores to them are seen. NULL when there have been other ones in the meantime. */
X86Block *x86_block_add (X86Cpu *cpu, const uint8_t *host, uint32_t mode, const uint8_t *bytes, unsigned length,
                         const X86Op *ops, unsigned op_count);
/* What the block was decoded from. Other processors may be writing to the original. */
static inline const uint8_t *
x86_block_bytes (const X86Block *block)
{
  return (const uint8_t *) (block->ops + block->op_count);
}
/* A translation is going to look at @length bytes at @host, in the page of its block. */
void x86_code_peek (X86Cpu *cpu, const uint8_t *host, uint64_t length);

/* It depends on these. */
void x86_block_peeked (X86Cpu *cpu, X86Block *block, const uint8_t *host, uint64_t length);

/* --- renew.c --- */

/* Brings the dead @block back to life if it stands for @bytes, but for constants that are put right. FALSE: it stays dead. */
gboolean x86_block_renew (X86Cpu *cpu, X86Block *block, const uint8_t *bytes);

/* --- cache.c --- */

/* Announces that code of this page is about to be decoded: all processors watch it from now on. FALSE when some may
 * still be storing to it unseen: nothing that is decoded may be kept yet. */
gboolean x86_code_page_watch (X86Cpu *cpu, const uint8_t *host_page);
/* Drops all that was decoded from these bytes. */
void x86_code_drop (X86Cpu *cpu, const uint8_t *host, uint64_t length);
/* Whether @cpu may have code in these chunks of a page; any thread. */
gboolean x86_code_may_have (const X86Cpu *cpu, const uint8_t *host_page, uint64_t chunks);

/* --- code-watch.c: pages with code, and stores to them, across processors --- */

X86Watch *x86_watch_new (void);
void x86_watch_free (X86Watch *watch);
/* Whether any processor of the machine has code from this page. */
gboolean x86_code_page_is_watched (X86Cpu *cpu, const uint8_t *host_page);
/* @cpu has code from this page from now on. FALSE: it is not known yet that all processors know; then @ticket is to be
 * shown to x86_watch_is_known(). */
gboolean x86_watch_add (X86Cpu *cpu, const uint8_t *host_page, uint32_t *ticket);
gboolean x86_watch_is_known (X86Cpu *cpu, const uint8_t *host_page, uint32_t ticket);
void x86_watch_remove (X86Cpu *cpu, const uint8_t *host_page);
/* After a store of this processor to a watched page. */
void x86_code_stored (X86Cpu *cpu, const uint8_t *host, uint64_t length);
/* The address space listener's part: a device wrote RAM (any thread, machine lock held). */
void x86_code_device_wrote (X86System *system, uint64_t gpa, uint64_t length);
/* Takes what others told. */
void x86_code_take_events (X86Cpu *cpu);

/* --- cache.c: instructions that no block holds --- */

/* A place for a decoded instruction that no page stands for: it crosses pages, lies in MMIO or at the segment limit.
 * Returns its ops when these very bytes were decoded there, else NULL and *@slot to be filled. */
const X86Op *x86_odd_find (X86Cpu *cpu, uint64_t lin, uint32_t mode, const uint8_t *bytes, unsigned available,
                           X86Op **slot);
/* Whether the instruction there was longer than the @have bytes that are there again, and no longer than *@want; its length is
 * then *@want. */
gboolean x86_odd_goes_on (X86Cpu *cpu, uint64_t lin, uint32_t mode, const uint8_t *bytes, unsigned have, unsigned *want);
void x86_odd_set (X86Cpu *cpu, const X86Op *slot, uint32_t mode, const uint8_t *bytes, unsigned length);

/* Whether the block of which @ops are the first was dropped since: running them only leads out of the loop. */
gboolean x86_ops_are_dropped (const X86Op *ops);

/* System-wide registry of processors. */
struct X86System
{
  AddressSpace *memory;
  const X86Accel *accel;
  struct X86Kvm *kvm;      /* while the hardware runs the processors */
  gboolean lends_chips;    /* the board's interrupt controllers may be exchanged for the hardware's */
  struct X86Lockstep *lockstep; /* while two processors of ours run what one shows */
  gboolean is_compared;    /* with another: translations keep all flags, page faults of stale translations are not taken */
  gboolean is_solo;        /* translated blocks do not lead to one another */
  gboolean is_started;     /* the guest may have looked at CPUID */
  X86Cpu *cpus[64];
  unsigned cpu_count;      /* registered */
  uint64_t code_cache;     /* bytes for decoded and translated code, of all processors */
  X86Watch *watch;
  uint32_t watch_asked;    /* how often all processors were asked to look through their TLBs (atomic) */
  GMutex alone_lock;       /* guards alone_owner and the processors' stands_still */
  GCond alone_cond;
  X86Cpu *alone_owner;     /* for whom all others stand still (written atomically) */
  unsigned told_count;     /* what CPUID tells */
  PortRange posted[X86_POSTED_MAX]; /* ports to which writes may wait */
  unsigned posted_count;
  FILE *perf_map;          /* where translations are named, or NULL */
};

/* --- kvm/stats.c --- */

/* Adds what the kernel counts of @cpu, if it runs it. */
void x86_kvm_add_counters (const X86Cpu *cpu, X86Counters *counters);

/* --- decode.c --- */

/* Decodes from @bytes until a branch, the limit of a block or the end of the bytes. @in_page: they lie at their place in
 * a page and end with it. Returns the ops written to @ops
   (room for X86_BLOCK_OPS) and the bytes taken; 0 when not even one instruction is complete. */
unsigned x86_decode (X86Cpu *cpu, const uint8_t *bytes, unsigned available, gboolean in_page, uint32_t mode,
                     unsigned max_instructions, X86Op *ops, unsigned *length);
void x86_decoder_init (X86Cpu *cpu);
void x86_decoder_free (X86Cpu *cpu);

/* --- run.c --- */

/* Decoded blocks, and translations of those that are hot. */
X86Exit x86_interp_run (X86Cpu *cpu);
/* One instruction, with the faults and traps that come of it. */
void x86_interp_step (X86Cpu *cpu);
/* What x86_interp_run() does between two looks at events: one block if it @attends to them at the block's end, else
 * until translated code comes back. */
void x86_interp_block (X86Cpu *cpu, gboolean attends);
/* Delivers an external interrupt. */
void x86_interp_interrupt (X86Cpu *cpu, uint8_t vector);
/* The ops at the current rip; raises what the fetch raises. */
const X86Op *x86_find_ops (X86Cpu *cpu);
/* Looks the target up, remembers it in *@link, returns it; NULL when there is something else to do first. */
const X86Op *x86_link_slow (X86Cpu *cpu, const X86Op **link);

/* All jump entries of a page are in one group, so that INVLPG finds them. */
enum { X86_JUMP_GROUP_BITS = 7, X86_JUMP_GROUP = 1 << X86_JUMP_GROUP_BITS };

static inline X86Jump *
x86_jump_group (const X86Cpu *cpu, uint64_t lin)
{
  return &cpu->jumps[(((lin >> 12) ^ (lin >> 18)) % (X86_JUMP_SIZE / X86_JUMP_GROUP)) * X86_JUMP_GROUP];
}

/* Where an address's entry is looked for first. */
static inline X86Jump *
x86_jump_entry (const X86Cpu *cpu, uint64_t lin)
{
  return x86_jump_group (cpu, lin) + ((lin ^ (lin >> 6)) % X86_JUMP_GROUP);
}

/* The other place that it may be in: what the first place held before. */
static inline X86Jump *
x86_jump_second (X86Jump *first)
{
  return (X86Jump *) ((uintptr_t) first ^ sizeof (X86Jump));
}

static inline gboolean
x86_jump_is_valid (const X86Cpu *cpu, const X86Jump *jump, uint64_t lin)
{
  return jump->lin == lin && (jump->key == cpu->code_key || jump->key == cpu->global_key);
}

/* --- accel.c --- */

/* What the machine's accelerator keeps for a processor that comes or goes. */
gboolean x86_accel_add_cpu (X86Cpu *cpu, GError **error);
void x86_accel_remove_cpu (X86Cpu *cpu);

/* --- alone.c --- */

/* Returns when no other processor runs guest code, and until x86_alone_end() none does. Without the machine lock. */
void x86_alone_begin (X86Cpu *cpu);
void x86_alone_end (X86Cpu *cpu);
/* X86_REQ_STOP: stands still while another wants to be alone. */
void x86_alone_stop (X86Cpu *cpu);
/* is_running was cleared. */
void x86_alone_left (X86Cpu *cpu);

/* --- spin.c --- */

/* PAUSE. A processor that does nothing else leaves the host's to others now and then. */
void x86_pause (X86Cpu *cpu);

/* --- cpu.c --- */

/* INIT, on the processor's own thread. */
void x86_take_init (X86Cpu *cpu);
/* A start-up IPI, when the processor waits for one. */
void x86_take_sipi (X86Cpu *cpu);

/* --- state.c --- */

/* After the architectural state was replaced: everything that follows from it is made anew. */
void x86_state_changed (X86Cpu *cpu);

/* --- exception.c --- */

/* Software interrupts: INT n, INT3, INTO, and #DB by ICEBP; r[X86_RIP] is the instruction's, @next what is pushed. */
void x86_software_interrupt (X86Cpu *cpu, const X86Op *op, uint8_t vector, uint64_t next);
void x86_deliver_fault (X86Cpu *cpu);
/* External interrupt or NMI, or a trap (#DB) between instructions. */
void x86_deliver_event (X86Cpu *cpu, uint8_t vector, gboolean is_external);
/* Delivers cpu->injection. */
void x86_deliver_injection (X86Cpu *cpu);
/* Reports DR6 @bits as a trap between instructions. */
void x86_debug_trap (X86Cpu *cpu, uint64_t bits);

/* --- seg.c: descriptors and segment registers --- */

typedef struct
{
  uint32_t lo, hi;
  uint64_t addr; /* linear */
} X86Desc;

static inline uint64_t
x86_desc_base (const X86Desc *d)
{
  return (d->lo >> 16) | (d->hi & 0xff) << 16 | (d->hi & 0xff000000);
}
static inline uint32_t
x86_desc_limit (const X86Desc *d)
{
  uint32_t limit = (d->lo & 0xffff) | (d->hi & 0xf0000);
  return (d->hi & (1 << 23)) ? limit << 12 | 0xfff : limit;
}
static inline uint32_t x86_desc_attr (const X86Desc *d) { return (d->hi >> 8) & 0xf0ff; }
static inline unsigned x86_desc_dpl (const X86Desc *d) { return (d->hi >> 13) & 3; }
static inline unsigned x86_desc_type (const X86Desc *d) { return (d->hi >> 8) & 15; }
static inline gboolean x86_desc_is_system (const X86Desc *d) { return !(d->hi & (1 << 12)); }
static inline gboolean x86_desc_present (const X86Desc *d) { return (d->hi & (1 << 15)) != 0; }

enum
{
  X86_SYS_TSS16 = 1, X86_SYS_LDT = 2, X86_SYS_TSS16_BUSY = 3, X86_SYS_CALL16 = 4, X86_SYS_TASK_GATE = 5,
  X86_SYS_INT16 = 6, X86_SYS_TRAP16 = 7, X86_SYS_TSS32 = 9, X86_SYS_TSS32_BUSY = 11, X86_SYS_CALL32 = 12,
  X86_SYS_INT32 = 14, X86_SYS_TRAP32 = 15
};

/* Reads the descriptor of @sel from GDT or LDT; FALSE when it lies beyond the limit. */
gboolean x86_desc_read (X86Cpu *cpu, const X86Op *op, uint16_t sel, X86Desc *desc);
/* Sets the accessed bit in memory. */
void x86_desc_set_accessed (X86Cpu *cpu, const X86Op *op, X86Desc *desc);
/* Reads and raises @vector (selector) when it lies beyond the table. */
void x86_desc_fetch (X86Cpu *cpu, const X86Op *op, uint16_t sel, X86Desc *desc, uint8_t vector);
/* Puts a checked descriptor into a segment register. */
void x86_seg_commit (X86Cpu *cpu, unsigned seg, uint16_t sel, const X86Desc *desc);
void x86_seg_commit_null (X86Cpu *cpu, unsigned seg, uint16_t sel);
/* Real-mode and virtual-8086 load: base = selector * 16. */
void x86_seg_commit_real (X86Cpu *cpu, unsigned seg, uint16_t sel);
/* MOV/POP/LxS to a data segment or SS, in any mode, with all checks. */
void x86_seg_load (X86Cpu *cpu, const X86Op *op, unsigned seg, uint16_t sel);
void x86_lldt (X86Cpu *cpu, const X86Op *op, uint16_t sel);
void x86_ltr (X86Cpu *cpu, const X86Op *op, uint16_t sel);
/* SS and the stack pointer for ring @ring from the TSS. */
void x86_tss_stack (X86Cpu *cpu, const X86Op *op, unsigned ring, uint16_t *ss, uint32_t *esp);
uint64_t x86_tss_stack64 (X86Cpu *cpu, const X86Op *op, unsigned slot); /* byte offset in the TSS: RSPn, ISTn */
/* Checks SS @sel for ring @ring with @vector (#TS for inner stacks) and reads its descriptor. */
void x86_ss_check (X86Cpu *cpu, const X86Op *op, uint16_t sel, unsigned ring, uint8_t vector, X86Desc *desc);

/* A stack being written or read before any register changes. */
typedef struct
{
  X86Cpu *cpu;
  const X86Op *op;
  uint64_t base, sp, mask;
  uint32_t limit, attr;
  unsigned mmu;
  gboolean is_flat;  /* 64-bit: no limit */
  uint16_t error;    /* selector for #SS */
} X86Stack;
void x86_stack_current (X86Cpu *cpu, const X86Op *op, X86Stack *stack);
void x86_stack_push (X86Stack *stack, unsigned size, uint64_t value);
uint64_t x86_stack_pop (X86Stack *stack, unsigned size);
/* Writes the pointer back, keeping the bits above the stack size. */
void x86_stack_commit (X86Stack *stack);
/* The MMU index of accesses at privilege @cpl. */
unsigned x86_mmu_for (const X86Cpu *cpu, unsigned cpl);

/* --- far.c, task.c --- */

void x86_far_jump (X86Cpu *cpu, const X86Op *op, uint16_t sel, uint64_t offset, unsigned size);
void x86_far_call (X86Cpu *cpu, const X86Op *op, uint16_t sel, uint64_t offset, unsigned size);
void x86_far_ret (X86Cpu *cpu, const X86Op *op, unsigned size, unsigned release);
void x86_iret (X86Cpu *cpu, const X86Op *op, unsigned size);

typedef enum { X86_TASK_JUMP, X86_TASK_CALL, X86_TASK_IRET } X86TaskSwitch;
/* @desc is the TSS descriptor of @sel. @next: the offset to save. */
void x86_task_switch (X86Cpu *cpu, const X86Op *op, uint16_t sel, X86Desc *desc, X86TaskSwitch how, uint64_t next,
                      const uint32_t *error);

/* --- flags, control registers, MSRs (system.c, msr.c) --- */

/* Writes the bits of @mask into EFLAGS. */
void x86_set_eflags (X86Cpu *cpu, uint32_t value, uint32_t mask);
void x86_set_cr0 (X86Cpu *cpu, const X86Op *op, uint64_t value);
void x86_set_cr3 (X86Cpu *cpu, const X86Op *op, uint64_t value);
void x86_set_cr4 (X86Cpu *cpu, const X86Op *op, uint64_t value);
void x86_set_dr (X86Cpu *cpu, unsigned n, uint64_t value);
uint64_t x86_tsc (X86Cpu *cpu);
void x86_rdmsr (X86Cpu *cpu, const X86Op *op, uint32_t index, uint64_t *value);
void x86_wrmsr (X86Cpu *cpu, const X86Op *op, uint32_t index, uint64_t value);
void x86_msr_reset (X86Cpu *cpu);
/* Enabled state components that are not in their initial configuration: XGETBV of XINUSE (ops-xsave.c). */
uint64_t x86_xinuse (const X86Cpu *cpu);
/* XSETBV of XCR0: FALSE when the value is not allowed (#GP). */
gboolean x86_set_xcr0 (X86Cpu *cpu, uint64_t value);

/* --- port I/O (ops-io.c) --- */

/* Raises #GP unless IOPL or the I/O permission map allows @size bytes at @port. */
void x86_io_check (X86Cpu *cpu, const X86Op *op, uint16_t port, unsigned size);
uint32_t x86_pio_in (X86Cpu *cpu, uint16_t port, unsigned size);
void x86_pio_out (X86Cpu *cpu, uint16_t port, uint32_t value, unsigned size);
/* Debug registers: data (rw 1 write, 3 read/write) and I/O (rw 2) breakpoints. */
void x86_check_data_breakpoint (X86Cpu *cpu, uint64_t lin, unsigned size, X86Access access);
