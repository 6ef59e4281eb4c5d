/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The translator's figures: what was left to the interpreter, and the map of translated code. */

#include "tests/unit/cpu/guest.h"
#include "engine/cpu/jit/jit.h"

#include <glib/gstdio.h>
#include <unistd.h>

enum { ROUNDS = 200 };

static char *
map_path (void)
{
  return g_strdup_printf ("/tmp/perf-%d.map", (int) getpid ());
}

static Guest *
translated_guest (void)
{
  Guest *guest = guest_new ();
  g_autoptr (GError) error = NULL;

  g_assert_true (x86_system_open_perf_map (guest->system, &error));
  g_assert_no_error (error);
  g_assert_true (x86_system_set_accel (guest->system, x86_accel_find ("jit"), &error));
  g_assert_no_error (error);
  x86_jit_set_heat (guest->cpu, 0);
  guest_long_mode (guest);
  guest->cpu->r[X86_R8] = ROUNDS;
  guest->cpu->r[X86_RSI] = GUEST_DATA;
  /* 1: xor eax, eax; cpuid; add [rsi], r8; dec r8; jnz 1b; hlt */
  GUEST_CODE (guest, 0x31, 0xc0, 0x0f, 0xa2, 0x4c, 0x01, 0x06, 0x49, 0xff, 0xc8, 0x75, 0xf4, 0xf4);
  return guest;
}

static void
test_counters (void)
{
  g_autoptr (GHashTable) counts = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, g_free);
  g_autoptr (Guest) guest = translated_guest ();
  g_autofree char *path = map_path ();
  const uint64_t *count;
  X86Counters counters;

  g_unlink (path);
  guest_run (guest);
  g_assert_cmpuint (guest_u64 (guest, GUEST_DATA), ==, ROUNDS * (ROUNDS + 1) / 2);
  x86_cpu_counters (guest->cpu, &counters);
  g_assert_cmpuint (counters.translated, >, 0);
  g_assert_cmpuint (counters.entered, >, 0);
  g_assert_cmpuint (counters.code_bytes, >, 0);
  x86_cpu_add_interpreted (guest->cpu, counts);
  count = g_hash_table_lookup (counts, "cpuid");
  g_assert_nonnull (count);
  g_assert_cmpuint (*count, <=, ROUNDS);
  g_assert_cmpuint (*count, >, ROUNDS / 2);
  /* Plain instructions are no work for the interpreter; an access may be, until the TLB knows its page. */
  g_assert_null (g_hash_table_lookup (counts, "dec"));
  count = g_hash_table_lookup (counts, "add");
  g_assert_true (count == NULL || *count < 3);

  x86_block_cache_flush (guest->cpu);
  x86_cpu_counters (guest->cpu, &counters);
  g_assert_cmpuint (counters.code_bytes, ==, 0);
  g_assert_cmpuint (counters.emptied, >, 0);
}

static void
test_map (void)
{
  g_autofree char *path = map_path (), *text = NULL;
  g_autoptr (Guest) guest = translated_guest ();
  g_auto (GStrv) lines = NULL;
  unsigned blocks = 0;
  GStatBuf status;

  guest_run (guest);
  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  g_assert_cmpint (g_stat (path, &status), ==, 0);
  g_assert_cmphex (status.st_mode & 0777, ==, 0600);
  g_unlink (path);
  lines = g_strsplit (text, "\n", -1);
  for (unsigned i = 0; lines[i][0] != '\0'; i++)
    {
      uint64_t start, size, rip;
      char *at;

      start = g_ascii_strtoull (lines[i], &at, 16);
      size = g_ascii_strtoull (at, &at, 16);
      g_assert_cmpuint (start, >, 0);
      g_assert_cmpuint (size, >, 0);
      if (!g_str_has_prefix (at, " guest_"))
        {
          g_assert_true (g_str_has_prefix (at, " jit_"));
          continue;
        }
      blocks++;
      rip = g_ascii_strtoull (at + strlen (" guest_"), &at, 16);
      g_assert_cmphex (rip, >=, GUEST_ENTRY);
      g_assert_cmphex (rip, <, GUEST_ENTRY + 16);
      g_assert_cmpstr (at, ==, "_cpl0");
    }
  g_assert_cmpuint (blocks, >, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/cpu/profile/counters", test_counters);
  g_test_add_func ("/cpu/profile/map", test_map);
  return g_test_run ();
}
