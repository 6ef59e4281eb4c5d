/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The translator beside the interpreter: they agree, and if they do not, it is found out. */

#include "engine/cpu/lockstep/lockstep-private.h"
#include "tests/unit/cpu/guest.h"

#include <string.h>

#define REG(guest, n) ((guest)->cpu->r[X86_##n])

static Guest *
lockstep_guest (void)
{
  Guest *guest = guest_new ();
  g_autoptr (GError) error = NULL;

  x86_system_set_accel (guest->system, x86_accel_find ("lockstep"), &error);
  g_assert_no_error (error);
  return guest;
}

static X86Exit
run (Guest *guest)
{
  X86Exit why;

  do
    why = x86_cpu_run (guest->cpu);
  while (why == X86_EXIT_KICKED);
  return why;
}

enum { COUNT = 0x30000, TABLE = 0x400000, COPY = 0x600000 };

/* Sums a table that it fills, reads a port each round, moves the table by a repeated instruction. */
static const uint8_t work[] = {
  0xb9, 0x00, 0x00, 0x03, 0x00,             /*        mov ecx, COUNT */
  0xe4, 0x10,                               /* round: in al, 10 */
  0x01, 0xc8,                               /*        add eax, ecx */
  0x89, 0x04, 0x8d, 0x00, 0x00, 0x40, 0x00, /*        mov [ecx * 4 + TABLE], eax */
  0x03, 0x1c, 0x8d, 0x00, 0x00, 0x40, 0x00, /*        add ebx, [ecx * 4 + TABLE] */
  0xff, 0xc9,                               /*        dec ecx */
  0x75, 0xea,                               /*        jnz round */
  0xbe, 0x00, 0x00, 0x40, 0x00,             /*        mov esi, TABLE */
  0xbf, 0x00, 0x00, 0x60, 0x00,             /*        mov edi, COPY */
  0xb9, 0x00, 0x00, 0x03, 0x00,             /*        mov ecx, COUNT */
  0xf3, 0xa5,                               /*        rep movsd */
  0xf4,                                     /*        hlt */
};

static void
start_work (Guest *guest)
{
  guest->ports[0x10] = 3;
  guest_protected_mode (guest);
  guest_code (guest, work, sizeof work);
  x86_system_put_state (guest->system);
}

static void
test_agreement (void)
{
  g_autoptr (Guest) guest = lockstep_guest ();

  start_work (guest);
  g_assert_cmpint (run (guest), ==, X86_EXIT_HALTED);
  g_assert_cmpuint (guest->system->lockstep->slices, >, 1);
  x86_system_get_state (guest->system);
  g_assert_cmphex (REG (guest, RIP), ==, GUEST_ENTRY + sizeof work);
  g_assert_cmpmem (guest->ram + COPY, COUNT * 4, guest->ram + TABLE, COUNT * 4);
}

/* An interrupt is taken by both, at the same place. */
static void
test_interrupt (void)
{
  g_autoptr (Guest) guest = lockstep_guest ();

  guest_protected_mode (guest);
  guest_set_gate (guest, 0x50, SEL_CODE32, 0x18000, 0x8e, 0);
  memcpy (guest->ram + 0x18000, "\xff\xc3\xcf", 3); /* inc ebx; iret */
  /* sti; again: test ebx, ebx; je again; cli; hlt */
  GUEST_CODE (guest, 0xfb, 0x85, 0xdb, 0x74, 0xfc, 0xfa, 0xf4);
  guest->interrupt = 0x50;
  x86_cpu_raise (guest->cpu, X86_REQ_INTR);
  x86_system_put_state (guest->system);
  g_assert_cmpint (run (guest), ==, X86_EXIT_HALTED);
  x86_system_get_state (guest->system);
  g_assert_cmphex (REG (guest, RBX), ==, 1);
}

/* What a device writes comes to both memories. */
static void
test_device_writes (void)
{
  g_autoptr (Guest) guest = lockstep_guest ();
  const uint32_t value = 0xfeed;

  guest_protected_mode (guest);
  GUEST_CODE (guest, 0xa1, 0x00, 0x00, 0x02, 0x00, 0xf4); /* mov eax, [20000]; hlt */
  x86_system_put_state (guest->system);
  guest_memory_write (guest->memory, GUEST_DATA, &value, sizeof value);
  g_assert_cmpint (run (guest), ==, X86_EXIT_HALTED);
  x86_system_get_state (guest->system);
  g_assert_cmphex (REG (guest, RAX), ==, value);
}

/* A translated processor that computes with something else. */
static void
test_difference (void)
{
  g_autoptr (Guest) guest = lockstep_guest ();

  start_work (guest);
  guest->system->lockstep->translated.cpu->r[X86_RBX] ^= 0x100;
  g_assert_cmpint (run (guest), ==, X86_EXIT_FAILED);
  g_assert_nonnull (strstr (x86_system_failure (guest->system), "differ"));
}

/* One that is right itself, over memory that is wrong. */
static void
test_memory_difference (void)
{
  g_autoptr (Guest) guest = lockstep_guest ();

  start_work (guest);
  guest->ram[TABLE - 0x10000] ^= 1; /* the first processor's alone: no device says so */
  g_assert_cmpint (run (guest), ==, X86_EXIT_FAILED);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/lockstep/agreement", test_agreement);
  g_test_add_func ("/lockstep/interrupt", test_interrupt);
  g_test_add_func ("/lockstep/device-writes", test_device_writes);
  g_test_add_func ("/lockstep/difference", test_difference);
  g_test_add_func ("/lockstep/memory-difference", test_memory_difference);
  return g_test_run ();
}
