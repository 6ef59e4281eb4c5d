/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What runs guest code: the interpreter, the translator, or the hardware.
 * Private to engine/cpu.
 *
 * X86Cpu holds the architectural state. An accelerator may keep the state of a
 * processor elsewhere while the machine runs; put_state() takes it there and
 * get_state() brings it back. Between get_state() and put_state() X86Cpu is all
 * there is, and the accelerator may be exchanged.
 */
#pragma once

#include "engine/cpu/cpu.h"

struct X86Accel
{
  const char *name;
  /* What the processors of a machine have in common. Optional. */
  gboolean (*open) (X86System *system, GError **error);
  void (*close) (X86System *system);
  /* What the accelerator keeps for one processor. Optional. */
  gboolean (*create) (X86Cpu *cpu, GError **error);
  void (*destroy) (X86Cpu *cpu);
  /* Runs guest code; on the processor's thread. */
  X86Exit (*run) (X86Cpu *cpu);
  /* Requests were raised: run() must look at them soon. Any thread; optional where cpu->attention is enough. */
  void (*kick) (X86Cpu *cpu);
  /* Both with the processor not running, on any thread; optional where X86Cpu is where the state is. */
  void (*put_state) (X86Cpu *cpu);
  void (*get_state) (X86Cpu *cpu);
  /* The general registers alone, while a port is accessed. Optional. */
  void (*put_general) (X86Cpu *cpu);
  void (*get_general) (X86Cpu *cpu);
  /* The topology of memory, or the A20 gate; machine lock held. By default the processors flush their TLBs. */
  void (*memory_changed) (X86System *system);
  /* Adds what it knows of pages that were written to the log of @block; machine lock held. Optional. */
  void (*collect_dirty) (X86System *system, RamBlock *block);
  /* Why run() returned X86_EXIT_FAILED. */
  const char *(*failure) (const X86System *system);
};

/* Of the hardware's two kinds, the second leaves the interrupt controllers to the board. */
extern const X86Accel x86_accel_interp, x86_accel_jit, x86_accel_kvm, x86_accel_kvm_user_irqchip, x86_accel_lockstep;
