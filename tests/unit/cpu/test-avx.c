/* SPDX-License-Identifier: GPL-3.0-or-later */
/* AVX as systems see it: enabling, saving, models. What its instructions compute is tests/cpu's affair. */

#include "tests/unit/cpu/guest.h"

#include <gio/gio.h>

#define REG(guest, n) ((guest)->cpu->r[X86_##n])
#define assert_reg(guest, n, value) g_assert_cmphex (REG (guest, n), ==, (uint64_t) (value))

enum { OSXSAVE = 1 << 27, AVX = 1 << 28, FMA = 1 << 12, MOVBE = 1 << 22, AVX2 = 1 << 5, BMI1 = 1 << 3, BMI2 = 1 << 8,
       ABM = 1 << 5 };

/* NULL after a skip where the host has no AVX. */
static Guest *
avx_guest (void)
{
  Guest *guest = guest_new_model ("host");

  if (!x86_has (guest->cpu, X86_FEAT_AVX2))
    {
      g_test_skip ("the host has no AVX2");
      guest_free (guest);
      return NULL;
    }
  guest_long_mode (guest);
  guest_catch_exceptions (guest);
  guest->cpu->cr4 |= X86_CR4_OSFXSR | X86_CR4_OSXSAVE;
  guest->cpu->xcr0 = 7;
  for (unsigned i = 0; i < 16; i++)
    for (unsigned n = 0; n < 4; n++)
      guest->cpu->vec[i].q[n] = (uint64_t) 0x1111111111111111 * (i + 1) + n;
  x86_update_mode (guest->cpu);
  return guest;
}

/* What the instruction raises under these registers; -1: nothing. */
static int
outcome_of_move (uint64_t cr0, uint64_t cr4, uint64_t xcr0)
{
  g_autoptr (Guest) guest = avx_guest ();

  if (guest == NULL)
    return -2;
  GUEST_SNIPPET (guest, avx_move);
  guest->cpu->cr0 |= cr0;
  guest->cpu->cr4 = (guest->cpu->cr4 & ~(uint64_t) X86_CR4_OSXSAVE) | cr4;
  guest->cpu->xcr0 = xcr0;
  x86_update_mode (guest->cpu);
  guest_run (guest);
  assert_reg (guest, RCX, guest_exception (guest) < 0 ? 2 : 1);
  return guest_exception (guest);
}

static void
test_enabling (void)
{
  if (outcome_of_move (0, X86_CR4_OSXSAVE, 7) == -2)
    return;
  g_assert_cmpint (outcome_of_move (0, X86_CR4_OSXSAVE, 7), ==, -1);
  g_assert_cmpint (outcome_of_move (X86_CR0_EM, X86_CR4_OSXSAVE, 7), ==, -1); /* of no concern to VEX */
  g_assert_cmpint (outcome_of_move (X86_CR0_TS, X86_CR4_OSXSAVE, 7), ==, X86_EXC_NM);
  g_assert_cmpint (outcome_of_move (0, 0, 7), ==, X86_EXC_UD);
  g_assert_cmpint (outcome_of_move (0, X86_CR4_OSXSAVE, 3), ==, X86_EXC_UD);
  g_assert_cmpint (outcome_of_move (X86_CR0_TS, X86_CR4_OSXSAVE, 3), ==, X86_EXC_UD);
}

static void
test_real_mode (void)
{
  g_autoptr (Guest) guest = guest_new_model ("host");

  guest_real_mode (guest);
  guest->cpu->cr4 |= X86_CR4_OSXSAVE;
  guest->cpu->xcr0 = x86_has (guest->cpu, X86_FEAT_AVX) ? 7 : 3;
  x86_update_mode (guest->cpu);
  guest_catch_exceptions (guest);
  GUEST_CODE (guest, 0xc5, 0xfc, 0x77, 0xf4); /* vzeroall; hlt */
  guest_run (guest);
  g_assert_cmpint (guest_exception (guest), ==, X86_EXC_UD);
}

static void
test_zero_all (void)
{
  g_autoptr (Guest) guest = avx_guest ();

  if (guest == NULL)
    return;
  guest_protected_mode (guest);
  guest_catch_exceptions (guest);
  guest->cpu->cr4 |= X86_CR4_OSFXSR | X86_CR4_OSXSAVE;
  guest->cpu->xcr0 = 7;
  for (unsigned i = 0; i < 16; i++)
    memset (&guest->cpu->vec[i], 0x5a, sizeof guest->cpu->vec[i]);
  x86_update_mode (guest->cpu);
  GUEST_SNIPPET (guest, avx_zero_all);
  guest_run (guest);
  g_assert_cmpint (guest_exception (guest), ==, -1);
  for (unsigned i = 0; i < 16; i++)
    for (unsigned n = 0; n < 4; n++)
      g_assert_cmphex (guest->cpu->vec[i].q[n], ==, i < 8 ? 0 : 0x5a5a5a5a5a5a5a5a);
}

static void
test_legacy (void)
{
  g_autoptr (Guest) guest = avx_guest ();

  if (guest == NULL)
    return;
  GUEST_SNIPPET (guest, avx_legacy);
  guest_run (guest);
  g_assert_cmphex (guest->cpu->vec[2].q[2], ==, 0x3333333333333335);
  g_assert_cmphex (guest->cpu->vec[2].q[0], ==, 0x5555555555555555);
  g_assert_cmphex (guest->cpu->vec[3].q[0], ==, 0x6666666666666666);
  g_assert_cmphex (guest->cpu->vec[3].q[2], ==, 0);
  g_assert_cmphex (guest->cpu->vec[3].q[3], ==, 0);
}

static void
test_save (void)
{
  g_autoptr (Guest) guest = avx_guest ();

  if (guest == NULL)
    return;
  GUEST_SNIPPET (guest, avx_save);
  guest_run (guest);
  g_assert_cmpint (guest_exception (guest), ==, -1);
  /* Standard form: XSTATE_BV, XCOMP_BV, YMM5's halves. */
  g_assert_cmphex (guest_u64 (guest, 0x20000 + 512), ==, 7);
  g_assert_cmphex (guest_u64 (guest, 0x20000 + 520), ==, 0);
  g_assert_cmphex (guest_u64 (guest, 0x20000 + 160 + 5 * 16), ==, 0x6666666666666666);
  g_assert_cmphex (guest_u64 (guest, 0x20000 + 576 + 5 * 16), ==, 0x6666666666666668);
  g_assert_cmphex (guest_u64 (guest, 0x20800 + 512), ==, 7);
  g_assert_cmphex (guest_u64 (guest, 0x20800 + 520), ==, 0x8000000000000007);
  g_assert_cmphex (guest_u64 (guest, 0x20800 + 576 + 5 * 16), ==, 0x6666666666666668);
  /* Initial: nothing is in use, and saving it says so. */
  assert_reg (guest, RBX, 0);
  for (unsigned n = 0; n < 4; n++)
    g_assert_cmphex (guest_u64 (guest, 0x21800 + n * 8), ==, 0);
  g_assert_cmphex (guest_u64 (guest, 0x21c00 + 512), ==, 0);
  /* And back. */
  for (unsigned n = 0; n < 4; n++)
    g_assert_cmphex (guest_u64 (guest, 0x21820 + n * 8), ==, 0x6666666666666666 + n);
  assert_reg (guest, RSI, 7);
  assert_reg (guest, RAX, 7);
}

static void
test_save_bad (void)
{
  g_autoptr (Guest) guest = avx_guest ();

  if (guest == NULL)
    return;
  GUEST_SNIPPET (guest, avx_save_bad);
  guest_run (guest);
  g_assert_cmpint (guest_exception (guest), ==, X86_EXC_GP);
}

/* Elements before the fault are there, and their masks are clear. */
static void
test_gather (void)
{
  g_autoptr (Guest) guest = avx_guest ();
  X86Vec *vec;

  if (guest == NULL)
    return;
  vec = guest->cpu->vec;
  guest_put64 (guest, 0x20008, 0x0123456789abcdef);
  vec[2].q[0] = 8;
  vec[2].q[1] = (uint64_t) GUEST_RAM; /* not mapped */
  GUEST_SNIPPET (guest, avx_gather);
  guest_run (guest);
  g_assert_cmpint (guest_exception (guest), ==, X86_EXC_PF);
  g_assert_cmphex (guest->cpu->cr2, ==, (uint64_t) GUEST_RAM + 0x20000);
  g_assert_cmphex (vec[3].q[0], ==, 0x0123456789abcdef);
  g_assert_cmphex (vec[3].q[1], ==, 0);
  g_assert_cmphex (vec[1].q[0], ==, 0);
  g_assert_cmphex (vec[1].q[1], ==, ~(uint64_t) 0);
}

static void
test_random (void)
{
  g_autoptr (Guest) guest = guest_new ();

  guest_long_mode (guest);
  guest_catch_exceptions (guest);
  GUEST_SNIPPET (guest, avx_random);
  guest_run (guest);
  g_assert_cmphex (REG (guest, RBX) & 0xffff, ==, 0x0101);
  g_assert_cmphex (REG (guest, RSI) & 0xff, ==, 1);
  g_assert_true (REG (guest, RAX) != REG (guest, RCX) && REG (guest, RAX) != REG (guest, RDX));
}

/* CPUID: what the model says, of what the host has. */
static void
test_models (void)
{
  static const struct { const char *name; gboolean has_v3, has_xsave; } models[] = {
    { "x86-64-v1", FALSE, FALSE }, { "x86-64-v2", FALSE, TRUE }, { "x86-64-v3", TRUE, TRUE }, { "i686", FALSE, FALSE },
    { "host", TRUE, TRUE },
  };
  g_autoptr (GError) error = NULL;
  const X86CpuModel *v3 = x86_cpu_model_find ("x86-64-v3", NULL);

  for (unsigned i = 0; i < G_N_ELEMENTS (models); i++)
    {
      g_autoptr (Guest) guest = NULL;
      gboolean expected = models[i].has_v3 && v3 != NULL;
      uint32_t out[4];

      if (strcmp (models[i].name, "x86-64-v3") == 0 && v3 == NULL)
        continue;
      guest = guest_new_model (models[i].name);
      x86_cpuid (guest->cpu, 1, 0, out);
      g_assert_cmphex (out[2] & (AVX | FMA | MOVBE), ==, expected ? AVX | FMA | MOVBE : 0);
      g_assert_cmphex (out[2] & OSXSAVE, ==, 0);
      x86_cpuid (guest->cpu, 7, 0, out);
      g_assert_cmphex (out[1] & (AVX2 | BMI1 | BMI2), ==, expected ? AVX2 | BMI1 | BMI2 : 0);
      x86_cpuid (guest->cpu, 0x80000001, 0, out);
      g_assert_cmphex (out[2] & ABM, ==, expected ? ABM : 0);
      x86_cpuid (guest->cpu, 0xd, 0, out);
      g_assert_cmphex (out[0] & 4, ==, expected ? 4 : 0);
      x86_cpuid (guest->cpu, 0, 0, out);
      g_assert_cmphex (out[0], ==, models[i].has_xsave ? 0xd : 7);
    }
  g_assert_null (x86_cpu_model_find ("pentium", &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT);
  for (unsigned i = 0; i < G_N_ELEMENTS (models); i++)
    g_assert_nonnull (strstr (error->message, models[i].name));
  g_assert_true (x86_cpu_model_find (NULL, NULL) == v3 || v3 == NULL);
}

/* A state names its model and needs its features. */
static void
test_state (void)
{
  g_autoptr (Guest) from = guest_new_model ("host"), to = guest_new_model ("host");
  g_autoptr (GByteArray) saved = g_byte_array_new ();
  g_autoptr (GError) error = NULL;
  size_t used = 0;

  from->cpu->vec[3].q[3] = 0x1234;
  x86_cpu_save (from->cpu, saved);
  g_assert_true (x86_cpu_load (to->cpu, saved->data, saved->len, &used, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (used, ==, saved->len);
  g_assert_cmphex (to->cpu->vec[3].q[3], ==, 0x1234);
  to->cpu->features[0] &= ~((uint64_t) 1 << X86_FEAT_SSE3);
  g_assert_false (x86_cpu_load (to->cpu, saved->data, saved->len, &used, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/cpu/avx/enabling", test_enabling);
  g_test_add_func ("/cpu/avx/real-mode", test_real_mode);
  g_test_add_func ("/cpu/avx/zero-all", test_zero_all);
  g_test_add_func ("/cpu/avx/legacy", test_legacy);
  g_test_add_func ("/cpu/avx/save", test_save);
  g_test_add_func ("/cpu/avx/save-bad", test_save_bad);
  g_test_add_func ("/cpu/avx/gather", test_gather);
  g_test_add_func ("/cpu/avx/random", test_random);
  g_test_add_func ("/cpu/avx/models", test_models);
  g_test_add_func ("/cpu/avx/state", test_state);
  return g_test_run ();
}
