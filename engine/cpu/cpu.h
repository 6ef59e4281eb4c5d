/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The x86 processor as the rest of the engine sees it: created from a model,
 * run until something needs the board, kicked from any thread.
 *
 * Threads: a processor is run by one thread, its vCPU thread. x86_cpu_raise()
 * and x86_cpu_lower() may be called from any thread; everything else either
 * from the vCPU thread or while the processor is not running.
 */
#pragma once

#include "engine/memory/address-space.h"

#include <glib.h>
#include <stdint.h>

typedef struct X86Cpu X86Cpu;
typedef struct X86System X86System;
typedef struct X86CpuModel X86CpuModel;
typedef struct X86Accel X86Accel;

/* What the board offers a processor. @opaque is the one given to
 * x86_cpu_new(). Optional operations may be NULL. No lock is held when they
 * are called; the board takes the machine lock itself. */
typedef struct
{
  uint32_t (*pio_read) (void *opaque, uint16_t port, unsigned size);               /* size: 1, 2, 4 bytes */
  void (*pio_write) (void *opaque, uint16_t port, uint32_t value, unsigned size);
  /* Takes and releases the machine lock: held around MMIO and around locked accesses that no host atomic can do.
   * Optional (tests). */
  void (*lock) (void *opaque);
  void (*unlock) (void *opaque);
  /* INTA: the vector of the highest pending interrupt (LAPIC or PIC), or -1 when there is none (any more). The line
   * X86_REQ_INTR is level-triggered: the board lowers it when nothing is pending. Optional. */
  int (*interrupt_ack) (void *opaque);
  /* Guest time-stamp counter without IA32_TSC_ADJUST: ticks at X86_TSC_HZ as told by tsc_hz. */
  uint64_t (*tsc) (void *opaque);
  uint64_t (*tsc_hz) (void *opaque); /* optional: 0 or absent means unknown */
  uint64_t (*random) (void *opaque); /* for RDRAND and RDSEED; optional: the host's */
  /* Local APIC; all optional: without them there is no APIC in CPUID. Bits as in IA32_APIC_BASE. */
  uint64_t (*apic_base_get) (void *opaque);
  gboolean (*apic_base_set) (void *opaque, uint64_t value); /* FALSE: #GP */
  uint8_t (*tpr_get) (void *opaque);                        /* CR8: task priority class, 0-15 */
  void (*tpr_set) (void *opaque, uint8_t priority_class);
  uint64_t (*tsc_deadline_get) (void *opaque);              /* with both, CPUID shows TSC_DEADLINE */
  void (*tsc_deadline_set) (void *opaque, uint64_t tsc);
  /* FERR#/IRQ13 for x87 errors with CR0.NE clear. Optional. */
  void (*fpu_error) (void *opaque, gboolean level);
} X86HostOps;

/* Requests to a processor. INTR is a level; the others are edges that the
 * processor takes when it gets to them. */
enum
{
  X86_REQ_INTR = 1 << 0,      /* an interrupt is pending at interrupt_ack() */
  X86_REQ_NMI = 1 << 1,
  X86_REQ_INIT = 1 << 3,
  X86_REQ_SIPI = 1 << 4,      /* raise through x86_cpu_sipi() */
  X86_REQ_EXIT = 1 << 5,      /* leave x86_cpu_run() with X86_EXIT_KICKED */
  X86_REQ_TLB_FLUSH = 1 << 6, /* internal: the memory topology changed */
  X86_REQ_CODE = 1 << 7,      /* internal: a device or another processor wrote code */
  X86_REQ_STOP = 1 << 8,      /* internal: another processor wants to be alone */
  X86_REQ_CLEANED = 1 << 9,   /* internal: stores to pages with a dirty log must be noticed again */
  X86_REQ_LOGGED = 1 << 10,   /* internal: other memory has a dirty log than before */
};

typedef enum
{
  X86_EXIT_KICKED,   /* X86_REQ_EXIT was raised */
  X86_EXIT_HALTED,   /* HLT or wait-for-SIPI: sleep until any request is raised, then run again */
  X86_EXIT_SHUTDOWN, /* triple fault: the board resets the machine */
  X86_EXIT_FAILED,   /* the host's fault: x86_system_failure() says which */
} X86Exit;

typedef struct
{
  uint64_t instructions; /* retired, approximate */
  uint64_t blocks;       /* decoded */
  uint64_t translated;   /* blocks that became host code */
  uint64_t dropped;      /* translations that writes to code made void */
  uint64_t renewed;      /* of these, such as are true again */
  uint64_t emptied;      /* how often all translations were thrown away, for want of room or on a reset */
  uint64_t longest_emptying; /* µs */
  uint64_t code_bytes;   /* of translations, now */
  uint64_t entered;      /* ways from the run loop into translated code */
  uint64_t refills;      /* accesses of translated code that found no entry in the TLB */
  uint64_t tlb_misses;
  uint64_t interrupts;   /* external interrupts delivered */
  uint64_t exceptions;
  uint64_t pio, mmio;    /* accesses that left for the board */
  uint64_t code_writes;  /* stores that hit cached code */
  /* Of the hardware alone. */
  uint64_t msrs;         /* accesses that it left for the board */
  uint64_t windows;      /* exits because an interrupt can be taken now */
  uint64_t kicks;        /* it was called out */
  uint64_t emulated;     /* instructions that the interpreter ran for it */
  uint64_t others;       /* exits that a signal or nothing in particular made */
  uint64_t halts;        /* HLT that it waited in itself */
  uint64_t posted;       /* writes to devices that it collected */
} X86Counters;

/* What all processors of a machine share. @memory is borrowed. */
X86System *x86_system_new (AddressSpace *memory);
void x86_system_free (X86System *system);

/* Accelerators by name: "kvm", "jit", "interp". NULL: there is none of this name. Static, not to be freed. */
const X86Accel *x86_accel_find (const char *name);
const char *x86_accel_name (const X86Accel *accel);
/* Has all processors, those there are and those to come, run under @accel from now on; none may be running, and their state
 * must have been got back. At first it is "interp". On failure nothing changes. */
gboolean x86_system_set_accel (X86System *system, const X86Accel *accel, GError **error);
const X86Accel *x86_system_accel (const X86System *system);
/* An accelerator may keep the processors' state elsewhere while they run: it is put there before the first
 * x86_cpu_run(), and must be got back, with all processors out of it, before anything here but the requests is used. */
void x86_system_put_state (X86System *system);
void x86_system_get_state (X86System *system);
/* Why the accelerator cannot go on, a sentence without a full stop, or NULL. Valid until the accelerator is exchanged. */
const char *x86_system_failure (const X86System *system);

/* What the hardware can do here, for "kvm". */
typedef struct
{
  uint64_t tsc_hz;          /* the only rate at which it can have a guest's time-stamp counter run; 0: any */
  const X86CpuModel *model; /* the default one */
} X86Hardware;

/* Whether the hardware can run guests here. Errors: G_IO_ERROR_NOT_FOUND, _PERMISSION_DENIED, or what it lacks. */
gboolean x86_hardware_look (X86Hardware *hardware, GError **error);
/* Times a loop of kernel code in the hardware and translated: how many times longer the first takes. Below 1 s. */
gboolean x86_hardware_slowdown (double *slowdown, GError **error);

/* Models are named feature sets; @name NULL is the default. Fails naming the
 * models there are. Static, not to be freed. */
const X86CpuModel *x86_cpu_model_find (const char *name, GError **error);
const char *x86_cpu_model_name (const X86CpuModel *model);

/* @index is the processor's number and initial APIC ID; 0 is the bootstrap
 * processor. Comes reset. @ops and @opaque are borrowed. */
X86Cpu *x86_cpu_new (X86System *system, const X86CpuModel *model, unsigned index, const X86HostOps *ops, void *opaque,
                     GError **error);
void x86_cpu_free (X86Cpu *cpu);
/* Names translated code in /tmp/perf-PID.map for the perf tools; before the accelerator is set. */
gboolean x86_system_open_perf_map (X86System *system, GError **error);
/* How many processors CPUID tells of; by default 1. */
void x86_system_set_count (X86System *system, unsigned count);
/* How many bytes decoded and translated code may take, before there are processors, which get equal shares; 256 MiB if it is
 * not called. Each gets what it needs to work at all. */
void x86_system_set_code_cache (X86System *system, uint64_t bytes);

/* Power-on state: real mode at f000:fff0. Application processors (index > 0) wait for a SIPI. */
void x86_cpu_reset (X86Cpu *cpu);
/* The INIT signal: like reset, but caches, FPU and MSRs keep their state. Takes effect when the processor gets to it. */
void x86_cpu_init (X86Cpu *cpu);
void x86_cpu_sipi (X86Cpu *cpu, uint8_t vector);

void x86_cpu_raise (X86Cpu *cpu, uint32_t requests);
void x86_cpu_lower (X86Cpu *cpu, uint32_t requests);
/* Whether x86_cpu_run() would do anything but return HALTED; any thread. */
gboolean x86_cpu_has_work (X86Cpu *cpu);
/* A20 masks address bit 20 of this processor's accesses when disabled; on at reset. */
void x86_cpu_set_a20 (X86Cpu *cpu, gboolean enabled);

/* Runs guest code until one of X86Exit. */
X86Exit x86_cpu_run (X86Cpu *cpu);

void x86_cpu_counters (const X86Cpu *cpu, X86Counters *counters);
/* Adds how often translated code left an instruction to the interpreter: from mnemonics (static strings) to uint64_t
 * (g_malloc()ed). A g_str_hash table with g_free() for its values. */
void x86_cpu_add_interpreted (const X86Cpu *cpu, GHashTable *counts);
unsigned x86_cpu_index (const X86Cpu *cpu);
/* Appends the registers as text, a few lines. */
void x86_cpu_dump (X86Cpu *cpu, GString *out);
/* Reads @length bytes at linear address @address as the guest would see them, without faults or side effects on guest
 * state; FALSE when part is not mapped to memory. */
gboolean x86_cpu_read_virt (X86Cpu *cpu, uint64_t address, void *buffer, size_t length);
/* Appends the whole architectural state, versioned; and takes it back (FALSE: damaged or of another model). */
void x86_cpu_save (X86Cpu *cpu, GByteArray *out);
gboolean x86_cpu_load (X86Cpu *cpu, const uint8_t *data, size_t length, size_t *used, GError **error);

/* For devices that talk through a processor's registers at a port: EAX, EBX, ECX, EDX, ESI, EDI, in this order. Only from
 * within pio_read() or pio_write(); what IN returns ends up in EAX all the same. */
void x86_cpu_get_io_registers (X86Cpu *cpu, uint32_t regs[6]);
void x86_cpu_set_io_registers (X86Cpu *cpu, const uint32_t regs[6]);
