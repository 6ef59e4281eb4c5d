/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A processor with 16 MiB of RAM and nothing else, for tests: code is put into memory, run until it halts, and the
 * registers are looked at.
 */
#pragma once

#include "engine/cpu/cpu-private.h"
#include "engine/cpu/cpuid.h"

enum
{
  GUEST_RAM = 16 << 20,
  GUEST_ENTRY = 0x10000,     /* where code goes */
  GUEST_STACK = 0x90000,     /* initial stack pointer, grows down */
  GUEST_DATA = 0x20000,
  GUEST_GDT = 0x1000, GUEST_IDT = 0x2000, GUEST_TSS = 0x3000, GUEST_TABLES = 0x200000 /* page tables */,
  /* Selectors of the flat GDT. */
  SEL_CODE32 = 0x08, SEL_DATA = 0x10, SEL_CODE16 = 0x18, SEL_DATA16 = 0x20, SEL_CODE64 = 0x28, SEL_UCODE32 = 0x33,
  SEL_UDATA = 0x3b, SEL_UCODE64 = 0x43, SEL_TSS = 0x48 /* two slots */, SEL_FREE = 0x58
};

typedef struct
{
  AddressSpace *memory;
  RamBlock *block;
  uint8_t *ram;
  X86System *system;
  X86Cpu *cpu;
  uint8_t ports[65536];      /* what port reads return and port writes leave */
  uint32_t last_out;
  unsigned outs;
  int interrupt;             /* vector that INTA returns once, or -1 */
} Guest;

/* $BUNSHIN_TEST_ACCEL names the accelerator; by default it is the interpreter. $BUNSHIN_TEST_HEAT is after how many runs it
 * translates. */
Guest *guest_new (void);
/* Of a processor model by name; it must exist. */
Guest *guest_new_model (const char *model);
/* Reports all tests of a program skipped when that accelerator cannot be had here. */
gboolean guest_skip_all (void);
/* Skip the running test: because the processor lacks a feature; because the hardware is only emulated here, and the
 * emulation is known to be wrong in what the test looks at. */
#define guest_lacks(guest, feature) guest_lacks_feature (guest, feature, #feature)
gboolean guest_lacks_feature (Guest *guest, X86Feature feature, const char *name);
gboolean guest_is_emulated (Guest *guest);
void guest_free (Guest *guest);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Guest, guest_free)

/* Processor modes with flat segments, paging off but in long mode; stack at GUEST_STACK, code to run at GUEST_ENTRY. */
void guest_real_mode (Guest *guest);
void guest_protected_mode (Guest *guest);
void guest_long_mode (Guest *guest);
/* Puts @size bytes at GUEST_ENTRY. */
void guest_code (Guest *guest, const void *code, size_t size);
#define GUEST_CODE(guest, ...)                                                                                          \
  do                                                                                                                   \
    {                                                                                                                  \
      static const uint8_t code_[] = { __VA_ARGS__ };                                                                   \
      guest_code (guest, code_, sizeof code_);                                                                          \
    }                                                                                                                  \
  while (0)
/* The code between the labels NAME and NAME_end of a .S file. */
#define GUEST_SNIPPET(guest, name)                                                                                      \
  do                                                                                                                   \
    {                                                                                                                  \
      extern const uint8_t name[], name##_end[];                                                                        \
      guest_code (guest, name, (size_t) (name##_end - name));                                                           \
    }                                                                                                                  \
  while (0)
/* Runs until HLT or shutdown. */
X86Exit guest_run (Guest *guest);

void guest_set_desc (Guest *guest, unsigned sel, uint32_t base, uint32_t limit, uint32_t attr);
/* A gate of the current mode's IDT. @attr: type and P/DPL byte, e.g. 0x8e. */
void guest_set_gate (Guest *guest, unsigned vector, uint16_t sel, uint64_t offset, uint8_t attr, unsigned ist);
uint32_t guest_u32 (Guest *guest, uint64_t address);
uint64_t guest_u64 (Guest *guest, uint64_t address);
void guest_put32 (Guest *guest, uint64_t address, uint32_t value);
void guest_put64 (Guest *guest, uint64_t address, uint64_t value);
/* Handlers that leave vector, error code and address behind: all 32 exceptions are pointed at code that stores the
 * vector at GUEST_DATA + 0xf00, the top of the stack frame at + 0xf08 …, and halts. */
void guest_catch_exceptions (Guest *guest);
int guest_exception (Guest *guest);      /* vector of the first exception caught, -1 when none */
uint64_t guest_frame (Guest *guest, unsigned slot); /* word @slot of its stack frame */
