/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the files of the hardware accelerator share. It is Linux's KVM.
 * Specification: the kernel's Documentation/virt/kvm/api.rst.
 */
#pragma once

#include "engine/cpu/accel.h"
#include "engine/cpu/cpu-private.h"
#include "engine/cpu/posted.h"

#include <linux/kvm.h>

/* What gets a thread out of the hardware: a signal that does nothing else. */
#define KVM_KICK_SIGNAL (SIGRTMIN + 3)

/* A stretch of guest-physical memory that the hardware maps by itself. */
typedef struct
{
  uint64_t base, size;
  uint8_t *host;
  uint8_t *dirty;        /* flag byte of the first page; NULL: not logged */
  RamBlock *block;
  gboolean is_readonly;
  uint32_t id;
} KvmSlot;

/* What the processors of a machine share. */
typedef struct X86Kvm
{
  int kvm, vm;           /* file descriptors */
  size_t run_size;       /* of a processor's shared page */
  gboolean has_xsave, has_xcrs, has_sregs2, has_debugregs, has_tsc_control, has_tsc_deadline, has_msr_exits;
  gboolean has_chips;    /* the kernel's interrupt controllers and timer run, not the board's */
  uint64_t features[2];  /* what CPUID may show, as in X86Cpu */
  GArray *msrs;          /* uint32_t: what KVM_GET_MSRS and KVM_SET_MSRS take */
  gboolean has_irqfd, has_ioeventfd, has_posted_ports;
  unsigned ring_page;    /* of a processor's shared ones: where posted writes are; 0: nowhere */
  GArray *zones;         /* struct kvm_coalesced_mmio_zone; machine lock */
  GArray *messages;      /* of eventfd.c; machine lock */
  GArray *slots;         /* KvmSlot; machine lock */
  guint slot_max;
  uint8_t *slot_used;    /* a flag per id */

  /* Memory is changed while no processor is inside. */
  int gate;              /* closed (atomic) */
  char *failure;         /* atomic */
  GMutex gate_lock;
  GCond gate_cond;
} X86Kvm;

/* What belongs to one processor. */
typedef struct X86KvmCpu
{
  int fd;
  struct kvm_run *run;
  int tid;               /* the thread that is, or was last, inside */
  int inside;            /* about to enter the hardware, or in it (atomic) */
  gboolean ready;        /* an interrupt can be injected */
  int stats;             /* the kernel's figures; -1: there are none */
  off_t halts_at, interrupts_at;
  gboolean runs_chips;   /* between putting and getting the state, if the kernel's chips are used */
  uint64_t apic_base;    /* of the kernel's local APIC, as last read or written */
  gboolean needs_completion; /* the last access to a device ends with the next entry */
} X86KvmCpu;

/* --- kvm.c --- */

/* ioctl() that is repeated when a signal interrupts it. */
int kvm_ioctl (int fd, unsigned long request, void *argument);
/* The machine cannot go on, for this reason; the first one counts. Any thread. */
void kvm_fail (X86System *system, const char *format, ...) G_GNUC_PRINTF (2, 3);

/* --- vcpu.c --- */

X86Exit kvm_run (X86Cpu *cpu);
void kvm_kick (X86Cpu *cpu);
/* Gets the processor out of the hardware, for as long as the gate is closed. */
void kvm_close_gate (X86System *system);
void kvm_open_gate (X86System *system);

/* --- state.c --- */

void kvm_put_state (X86Cpu *cpu);
void kvm_get_state (X86Cpu *cpu);
/* The same without what goes on by itself: time, and interrupts on their way. */
void kvm_put_registers (X86Cpu *cpu);
void kvm_get_registers (X86Cpu *cpu);
void kvm_get_general (X86Cpu *cpu);
void kvm_put_general (X86Cpu *cpu);
/* The distance of the hardware's time-stamp counter from the board's. */
void kvm_get_tsc_offset (X86Cpu *cpu);

/* What a processor does without running: halted, or waiting to be started. Of the kernel's chips. */
void kvm_put_activity (X86Cpu *cpu);
void kvm_get_activity (X86Cpu *cpu);
gboolean kvm_get_msr (X86Cpu *cpu, uint32_t index, uint64_t *value);
void kvm_put_msr (X86Cpu *cpu, uint32_t index, uint64_t value);

/* --- irqchip.c --- */

/* FALSE: this kernel has not all of them, and the machine is not to be used. */
gboolean kvm_create_chips (X86Kvm *kvm);
/* Wires, and messages that have a descriptor. */
gboolean kvm_set_routes (const X86Kvm *kvm);

/* --- eventfd.c --- */

void kvm_open_events (X86Kvm *kvm);
void kvm_close_events (X86Kvm *kvm);
void kvm_add_message_routes (const X86Kvm *kvm, GArray *routes);

/* --- coalesced.c --- */

void kvm_open_coalesced (X86Kvm *kvm);
void kvm_close_coalesced (X86Kvm *kvm);
/* The topology of memory, or ports to which writes may be posted; machine lock held. */
void kvm_update_zones (X86System *system);
/* Whether writes are waiting; no lock needed by a processor that asks about its own. */
gboolean kvm_has_posted (const X86System *system);

/* --- stats.c --- */

void kvm_open_stats (X86KvmCpu *cpu);

/* --- cpuid.c --- */

/* What of the features the kernel and the hardware support. */
gboolean kvm_read_features (X86Kvm *kvm, GError **error);
/* FALSE names what @cpu has shown its guest and @kvm lacks. */
gboolean kvm_check_features (X86Cpu *cpu, GError **error);
gboolean kvm_put_cpuid (X86Cpu *cpu, GError **error);

/* --- memslots.c --- */

void kvm_memory_changed (X86System *system);

void kvm_collect_dirty (X86System *system, RamBlock *block);
