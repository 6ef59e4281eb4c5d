/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Real, protected and virtual-8086 mode: segments, gates, tasks, debugging, self-modifying code. */

#include "tests/unit/cpu/guest.h"

#include <gio/gio.h>

#define REG(guest, n) ((guest)->cpu->r[X86_##n])
#define assert_reg(guest, n, value) g_assert_cmphex (REG (guest, n), ==, (uint64_t) (value))

/* Puts a piece of code.S elsewhere than at the entry. */
#define PLACE(guest, address, name)                                                                                     \
  do                                                                                                                   \
    {                                                                                                                  \
      extern const uint8_t name[], name##_end[];                                                                        \
      memcpy ((guest)->ram + (address), name, (size_t) (name##_end - name));                                            \
    }                                                                                                                  \
  while (0)

/* The frame in real mode and without privilege change has these slots after an optional error code. */
static void
assert_fault (Guest *guest, int vector, uint32_t error)
{
  g_assert_cmpint (guest_exception (guest), ==, vector);
  g_assert_cmphex (guest_frame (guest, 0), ==, error);
}

/* --- Real mode --- */

static void
test_reset (void)
{
  g_autoptr (Guest) guest = guest_new ();
  X86Cpu *cpu = guest->cpu;

  g_assert_cmphex (cpu->r[X86_RIP], ==, 0xfff0);
  g_assert_cmphex (cpu->r[X86_SEGBASE + X86_CS], ==, 0xffff0000u);
  g_assert_cmphex (cpu->seg[X86_CS].sel, ==, 0xf000);
  g_assert_cmphex (cpu->cr0, ==, 0x60000010);
  g_assert_cmphex (x86_get_eflags (cpu), ==, 2);
  g_assert_cmphex (cpu->dr[6], ==, 0xffff0ff0u);
  g_assert_cmphex (cpu->dr[7], ==, 0x400);
}

static void
test_real_wrap (void)
{
  g_autoptr (Guest) guest = guest_new ();

  guest_real_mode (guest);
  guest_catch_exceptions (guest);
  GUEST_SNIPPET (guest, real_wrap);
  guest->ram[GUEST_DATA + 0xffff] = 0x66;
  guest_run (guest);
  g_assert_cmphex (guest->ram[GUEST_DATA], ==, 0x5a);
  g_assert_cmphex (REG (guest, RCX) & 0xff, ==, 0x66);
  g_assert_cmpint (guest_exception (guest), ==, X86_EXC_GP);
}

static void
test_real_segment (void)
{
  g_autoptr (Guest) guest = guest_new ();

  guest_real_mode (guest);
  GUEST_SNIPPET (guest, real_segment);
  guest_run (guest);
  g_assert_cmphex (REG (guest, RBX) & 0xffff, ==, 0xfffe);
  g_assert_cmphex (REG (guest, RAX) & 0xffff, ==, 0x1234);
  g_assert_cmphex (REG (guest, RSP) & 0xffff, ==, 0);
  g_assert_cmphex (REG (guest, RCX) & 0xffff, ==, 9);
  g_assert_cmphex (REG (guest, RDX) & 0xffff, ==, 7);
}

static void
test_real_int (void)
{
  g_autoptr (Guest) guest = guest_new ();

  guest_real_mode (guest);
  GUEST_SNIPPET (guest, real_int);
  guest_put32 (guest, 0x40 * 4, 0x00000500);
  memcpy (guest->ram + 0x500, "\x9c\x59\xf8\xcf", 4); /* pushf; pop cx; clc; iret */
  guest_run (guest);
  g_assert_cmphex (REG (guest, RCX) & (X86_FLAG_IF | X86_FLAG_CF), ==, X86_FLAG_CF); /* IF is off inside */
  g_assert_cmphex (REG (guest, RAX) & 0xff, ==, 1);
  g_assert_cmphex (guest->cpu->eflags & X86_FLAG_IF, ==, X86_FLAG_IF);
}

static void
test_real_rep (void)
{
  g_autoptr (Guest) guest = guest_new ();

  guest_real_mode (guest);
  GUEST_SNIPPET (guest, real_rep);
  guest_run (guest);
  for (unsigned i = 0xfc; i <= 0x100; i++)
    g_assert_cmphex (guest->ram[GUEST_DATA + i], ==, 0x77);
  g_assert_cmphex (guest->ram[GUEST_DATA + 0xfb], ==, 0);
  g_assert_cmphex (REG (guest, RDI) & 0xffff, ==, 0xfb);
  g_assert_cmphex (REG (guest, RCX) & 0xffff, ==, 0);
}

static void
test_real_unreal (void)
{
  g_autoptr (Guest) guest = guest_new ();

  guest_protected_mode (guest); /* for its tables */
  guest_real_mode (guest);
  guest->cpu->gdtr = (X86Table) { .base = GUEST_GDT, .limit = 0x7ff };
  GUEST_SNIPPET (guest, real_unreal);
  guest_run (guest);
  g_assert_cmphex (guest_u32 (guest, 0x100000), ==, 0xcafe);
}

/* --- Protected mode: segments --- */

static void
run_segment_test (uint32_t attr, uint32_t limit, const uint8_t *code, size_t size, int vector, uint32_t error)
{
  g_autoptr (Guest) guest = guest_new ();

  guest_protected_mode (guest);
  guest_catch_exceptions (guest);
  guest_set_desc (guest, SEL_FREE, 0x20000, limit, attr);
  guest_code (guest, code, size);
  guest_run (guest);
  assert_fault (guest, vector, error);
  g_assert_cmphex (guest_frame (guest, 2), ==, SEL_CODE32);
  assert_reg (guest, RDX, 1);
}

#define SEGMENT_TEST(attr, limit, name, vector, error)                                                                  \
  do                                                                                                                   \
    {                                                                                                                  \
      extern const uint8_t name[], name##_end[];                                                                        \
      run_segment_test (attr, limit, name, (size_t) (name##_end - name), vector, error);                                \
    }                                                                                                                  \
  while (0)

static void
test_segments (void)
{
  SEGMENT_TEST (0x4093, 0xfff, prot_limit, X86_EXC_GP, 0);
  SEGMENT_TEST (0x4097, 0xfff, prot_expand_down, X86_EXC_GP, 0);
  SEGMENT_TEST (0x4091, 0xfff, prot_readonly, X86_EXC_GP, 0);
  SEGMENT_TEST (0x4013, 0xfff, prot_not_present, X86_EXC_NP, SEL_FREE);
  SEGMENT_TEST (0x4093, 0xfff, prot_null, X86_EXC_GP, 0);
}

/* --- Rings, gates, tasks --- */

static void
test_rings (void)
{
  g_autoptr (Guest) guest = guest_new ();

  if (guest_is_emulated (guest))
    return;
  guest_protected_mode (guest);
  guest_catch_exceptions (guest);
  guest_put32 (guest, GUEST_GDT + 0x60, SEL_CODE32 << 16 | 0x8000);
  guest_put32 (guest, GUEST_GDT + 0x64, 0x0001ec02); /* 32-bit call gate, DPL 3, two parameters, offset 0x18000 */
  PLACE (guest, 0x18000, gate_target);
  GUEST_SNIPPET (guest, prot_rings);
  guest_run (guest);
  assert_reg (guest, RSI, 0x2222);
  assert_reg (guest, RDI, 0x1111);
  assert_reg (guest, RCX, SEL_CODE32);
  assert_reg (guest, RBX, 5);
  /* The #GP came from ring 3 onto the stack of the TSS. */
  assert_fault (guest, X86_EXC_GP, 0);
  g_assert_cmphex (guest_frame (guest, 2), ==, SEL_UCODE32);
  g_assert_cmphex (guest_frame (guest, 4), ==, 0x80000);
  g_assert_cmphex (guest_frame (guest, 5), ==, SEL_UDATA);
  assert_reg (guest, RSP, GUEST_STACK - 0x8000 - 24);
}

static void
test_task (void)
{
  g_autoptr (Guest) guest = guest_new ();
  unsigned tss = 0x6000;

  guest_protected_mode (guest);
  guest_catch_exceptions (guest);
  guest_set_desc (guest, SEL_FREE, tss, 0x67, 0x89);
  guest_put32 (guest, tss + 32, 0x18000);
  guest_put32 (guest, tss + 36, 2);
  guest_put32 (guest, tss + 56, 0x88000); /* ESP */
  for (unsigned i = 0; i < 6; i++)
    guest_put32 (guest, tss + 72 + i * 4, i == X86_CS ? SEL_CODE32 : SEL_DATA);
  PLACE (guest, 0x18000, task_body);
  GUEST_SNIPPET (guest, prot_task);
  guest_run (guest);
  g_assert_cmpint (guest_exception (guest), ==, -1);
  g_assert_cmphex (guest_u32 (guest, GUEST_DATA), ==, 0x77);
  assert_reg (guest, RAX, 1);
  assert_reg (guest, RCX, 3);
  assert_reg (guest, RSP, GUEST_STACK);
  g_assert_cmphex (guest->cpu->tr.sel, ==, SEL_TSS);
  g_assert_cmphex (guest_u32 (guest, tss) & 0xffff, ==, SEL_TSS);          /* back link */
  g_assert_cmphex ((guest_u32 (guest, GUEST_GDT + SEL_FREE + 4) >> 8) & 0xf, ==, X86_SYS_TSS32); /* no longer busy */
  g_assert_true (guest->cpu->cr0 & X86_CR0_TS);
}

static void
test_vm86 (void)
{
  g_autoptr (Guest) guest = guest_new ();

  if (guest_is_emulated (guest))
    return;
  guest_protected_mode (guest);
  guest_catch_exceptions (guest);
  guest_put32 (guest, GUEST_TSS + 100, 104 << 16); /* I/O map base */
  memset (guest->ram + GUEST_TSS + 104, 0xff, 33);
  guest->ram[GUEST_TSS + 104 + 2] = 0xfe; /* port 0x10 is free */
  PLACE (guest, 0x10800, vm86_code);
  GUEST_SNIPPET (guest, prot_vm86);
  guest_run (guest);
  g_assert_cmphex (guest->ports[0x10], ==, 0x55);
  g_assert_cmphex (guest_u32 (guest, 0x20010) & 0xffff, ==, 0x1234);
  assert_fault (guest, X86_EXC_GP, 0);
  g_assert_cmphex (guest_frame (guest, 2), ==, 0x1000);                  /* CS */
  g_assert_cmphex (guest_frame (guest, 3) & X86_FLAG_VM, ==, X86_FLAG_VM);
  g_assert_cmphex (guest_frame (guest, 7), ==, 0x2000);                  /* DS, above SS:ESP and ES */
  g_assert_cmpuint (guest->outs, ==, 1);
  g_assert_cmphex (guest->cpu->seg[X86_DS].sel, ==, 0);
}

/* --- Debugging --- */

static void
debug_handler (Guest *guest)
{
  guest_catch_exceptions (guest);
  PLACE (guest, 0x18000, count_debug);
  guest_set_gate (guest, X86_EXC_DB, SEL_CODE32, 0x18000, 0x8e, 0);
}

static void
test_single_step (void)
{
  g_autoptr (Guest) guest = guest_new ();

  if (guest_is_emulated (guest))
    return;
  guest_protected_mode (guest);
  debug_handler (guest);
  GUEST_SNIPPET (guest, prot_step);
  guest_run (guest);
  assert_reg (guest, RAX, 2);
  /* After inc, mov, (mov ss: none), inc, pushf, andl, popf. */
  g_assert_cmpuint (guest_u32 (guest, 0x20100), ==, 6);
  g_assert_cmphex (guest_u32 (guest, 0x20104) & (1 << 14), ==, 1 << 14);
}

static void
test_data_breakpoint (void)
{
  g_autoptr (Guest) guest = guest_new ();

  if (guest_is_emulated (guest))
    return;
  guest_protected_mode (guest);
  debug_handler (guest);
  GUEST_SNIPPET (guest, prot_data_breakpoint);
  guest_run (guest);
  /* The byte store hits; the doubleword before and the load do not. */
  g_assert_cmpuint (guest_u32 (guest, 0x20100), ==, 1);
  g_assert_cmphex (guest_u32 (guest, 0x20104) & 15, ==, 2);
}

static void
test_code_breakpoint (void)
{
  g_autoptr (Guest) guest = guest_new ();

  guest_protected_mode (guest);
  guest_catch_exceptions (guest);
  GUEST_SNIPPET (guest, prot_code_breakpoint);
  guest_run (guest);
  g_assert_cmpint (guest_exception (guest), ==, X86_EXC_DB);
  assert_reg (guest, RCX, 0);
  g_assert_cmphex (guest->cpu->dr[6] & 15, ==, 1);
}

static void
test_self_modifying (void)
{
  g_autoptr (Guest) guest = guest_new ();

  guest_protected_mode (guest);
  guest_catch_exceptions (guest);
  GUEST_SNIPPET (guest, prot_self_modify);
  guest_run (guest);
  g_assert_cmpint (guest_exception (guest), ==, -1);
  assert_reg (guest, RDX, 1);
  assert_reg (guest, RAX, 1 + 2 + 3);
}

/* A device's write must reach decoded code too. */
static void
test_device_writes_code (void)
{
  g_autoptr (Guest) guest = guest_new ();
  const uint8_t patch = 0x42;

  guest_protected_mode (guest);
  GUEST_CODE (guest, 0x40, 0xf4); /* inc eax; hlt */
  guest_run (guest);
  assert_reg (guest, RAX, 1);
  g_assert_true (guest_memory_write (guest->memory, GUEST_ENTRY, &patch, 1)); /* inc edx */
  guest->cpu->halted = X86_HALT_NONE;
  REG (guest, RIP) = GUEST_ENTRY;
  REG (guest, RDX) = 0;
  guest_run (guest);
  assert_reg (guest, RAX, 1);
  assert_reg (guest, RDX, 1);
}

static void
test_triple_fault (void)
{
  g_autoptr (Guest) guest = guest_new ();

  guest_protected_mode (guest);
  guest->cpu->idtr.limit = 0;
  GUEST_CODE (guest, 0x0f, 0x0b); /* ud2 */
  g_assert_cmpint (guest_run (guest), ==, X86_EXIT_SHUTDOWN);
}

/* A #PF while a #PF is delivered is a double fault. */
static void
test_double_fault (void)
{
  g_autoptr (Guest) guest = guest_new ();

  if (guest_is_emulated (guest))
    return;
  guest_protected_mode (guest);
  guest_catch_exceptions (guest);
  guest_set_gate (guest, X86_EXC_GP, SEL_FREE, 0x18000, 0x8e, 0); /* no such segment: #GP again */
  GUEST_CODE (guest, 0x8e, 0xe0, 0xf4); /* mov fs, eax */
  REG (guest, RAX) = 0x700;
  guest_run (guest);
  assert_fault (guest, X86_EXC_DF, 0);
  g_assert_cmphex (guest_frame (guest, 1), ==, GUEST_ENTRY);
}

/* The saved state brings everything back into another processor. */
static void
test_save_load (void)
{
  g_autoptr (Guest) guest = guest_new ();
  g_autoptr (Guest) other = guest_new ();
  g_autoptr (GByteArray) state = g_byte_array_new ();
  g_autoptr (GError) error = NULL;
  size_t used = 0;

  guest_protected_mode (guest);
  GUEST_CODE (guest, 0xf9, 0xb8, 1, 2, 3, 4, 0xf4); /* stc; mov eax, …; hlt */
  guest_run (guest);
  x86_cpu_save (guest->cpu, state);
  g_assert_true (x86_cpu_load (other->cpu, state->data, state->len, &used, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (used, ==, state->len);
  assert_reg (other, RAX, 0x04030201);
  g_assert_cmphex (x86_get_eflags (other->cpu), ==, x86_get_eflags (guest->cpu));
  g_assert_cmpuint (other->cpu->mode, ==, guest->cpu->mode);
  g_assert_cmphex (other->cpu->gdtr.base, ==, GUEST_GDT);
  for (size_t cut = 0; cut < state->len; cut += 97)
    {
      g_autoptr (GError) cut_error = NULL;

      g_assert_false (x86_cpu_load (other->cpu, state->data, cut, &used, &cut_error));
      g_assert_error (cut_error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA);
    }
}

int
main (int argc, char **argv)
{
  if (guest_skip_all ())
    return 0;
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/cpu/reset", test_reset);
  g_test_add_func ("/cpu/real/wrap", test_real_wrap);
  g_test_add_func ("/cpu/real/segment", test_real_segment);
  g_test_add_func ("/cpu/real/int", test_real_int);
  g_test_add_func ("/cpu/real/rep", test_real_rep);
  g_test_add_func ("/cpu/real/unreal", test_real_unreal);
  g_test_add_func ("/cpu/protected/segments", test_segments);
  g_test_add_func ("/cpu/protected/rings", test_rings);
  g_test_add_func ("/cpu/protected/task", test_task);
  g_test_add_func ("/cpu/protected/vm86", test_vm86);
  g_test_add_func ("/cpu/debug/single-step", test_single_step);
  g_test_add_func ("/cpu/debug/data-breakpoint", test_data_breakpoint);
  g_test_add_func ("/cpu/debug/code-breakpoint", test_code_breakpoint);
  g_test_add_func ("/cpu/code/self-modifying", test_self_modifying);
  g_test_add_func ("/cpu/code/device-writes", test_device_writes_code);
  g_test_add_func ("/cpu/fault/double", test_double_fault);
  g_test_add_func ("/cpu/fault/triple", test_triple_fault);
  g_test_add_func ("/cpu/save-load", test_save_load);
  return g_test_run ();
}
