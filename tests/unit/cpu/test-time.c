/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The time-stamp counter and the timer that goes by it, as the guest moves the counter about. */

#include "tests/unit/cpu/guest.h"

enum { MSR_TSC = 0x10, MSR_TSC_ADJUST = 0x3b, MSR_TSC_DEADLINE = 0x6e0 };

typedef struct
{
  Guest *guest;
  X86Cpu *cpu;
  uint64_t now, deadline; /* the board's */
} Fixture;

static uint64_t board_tsc (void *opaque) { return ((Fixture *) opaque)->now; }
static uint64_t board_deadline (void *opaque) { return ((Fixture *) opaque)->deadline; }
static void set_board_deadline (void *opaque, uint64_t tsc) { ((Fixture *) opaque)->deadline = tsc; }
static uint64_t apic_base (void *opaque) { return 0xfee00900; }

static void
setup (Fixture *f, gconstpointer unused)
{
  static const X86HostOps ops = { .tsc = board_tsc, .tsc_deadline_get = board_deadline, .tsc_deadline_set = set_board_deadline,
                                  .apic_base_get = apic_base };
  g_autoptr (GError) error = NULL;

  f->guest = guest_new ();
  f->cpu = x86_cpu_new (f->guest->system, x86_cpu_model_find (NULL, NULL), 1, &ops, f, &error);
  g_assert_no_error (error);
  f->now = 1000;
}

static void
teardown (Fixture *f, gconstpointer unused)
{
  x86_cpu_free (f->cpu);
  guest_free (f->guest);
}

static uint64_t
read_msr (Fixture *f, uint32_t index)
{
  uint64_t value;

  x86_rdmsr (f->cpu, NULL, index, &value);
  return value;
}

static void
write_msr (Fixture *f, uint32_t index, uint64_t value)
{
  x86_wrmsr (f->cpu, NULL, index, value);
}

static void
test_counter (Fixture *f, gconstpointer unused)
{
  g_assert_cmpuint (read_msr (f, MSR_TSC), ==, 1000);
  write_msr (f, MSR_TSC, 5000);
  g_assert_cmpuint (read_msr (f, MSR_TSC), ==, 5000);
  g_assert_cmpuint (read_msr (f, MSR_TSC_ADJUST), ==, 4000);
  f->now = 1500;
  g_assert_cmpuint (read_msr (f, MSR_TSC), ==, 5500);
  write_msr (f, MSR_TSC_ADJUST, -(uint64_t) 500);
  g_assert_cmpuint (read_msr (f, MSR_TSC), ==, 1000);
}

static void
test_deadline (Fixture *f, gconstpointer unused)
{
  write_msr (f, MSR_TSC_DEADLINE, 3000);
  g_assert_cmpuint (f->deadline, ==, 3000);
  /* Setting the counter takes the deadline along: it is when the counter gets there. */
  write_msr (f, MSR_TSC, 2500);
  g_assert_cmpuint (read_msr (f, MSR_TSC_DEADLINE), ==, 3000);
  g_assert_cmpuint (f->deadline, ==, 1500);
  write_msr (f, MSR_TSC_ADJUST, 0);
  g_assert_cmpuint (f->deadline, ==, 3000);
  write_msr (f, MSR_TSC_DEADLINE, 0);
  g_assert_cmpuint (f->deadline, ==, 0);
  g_assert_cmpuint (read_msr (f, MSR_TSC_DEADLINE), ==, 0);
}

/* Deadlines that have passed are due at once, even those from before the machine was switched on. */
static void
test_passed (Fixture *f, gconstpointer unused)
{
  write_msr (f, MSR_TSC, 1000000);
  write_msr (f, MSR_TSC_DEADLINE, 1);
  g_assert_cmpuint (f->deadline, >, 0);
  g_assert_cmpuint (f->deadline, <=, f->now);
  write_msr (f, MSR_TSC_DEADLINE, 2000000);
  g_assert_cmpuint (f->deadline, ==, f->now + 1000000);
  write_msr (f, MSR_TSC, 3000000);
  g_assert_cmpuint (f->deadline, >, 0);
  g_assert_cmpuint (f->deadline, <=, f->now);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add ("/cpu/time/counter", Fixture, NULL, setup, test_counter, teardown);
  g_test_add ("/cpu/time/deadline", Fixture, NULL, setup, test_deadline, teardown);
  g_test_add ("/cpu/time/passed", Fixture, NULL, setup, test_passed, teardown);
  return g_test_run ();
}
