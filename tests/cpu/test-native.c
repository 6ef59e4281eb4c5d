/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Random instructions on the host's processor, in the interpreter and in the translator: every register, flag and byte of
 * memory must come out the same, and every fault must be the same at the same place.
 *
 *   test-native                              some ten thousand cases a mode
 *   test-native --count 5000000 --seed 1     many more
 *   test-native --filter imul                only cases with this instruction
 *   test-native --mode 32 --case 0x…         the one case a report named
 *   test-native --coverage                   tell which instructions came up, and how often
 */

#include "tests/cpu/case.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char *const side_names[SIDES] = { "interp", "jit", "jit-lookup" };

typedef struct
{
  Generator generator;
  Interp *sides[SIDES];            /* NULL: not asked for */
  uint64_t seed, count;
  const char *filter;
  unsigned max_failures, steps;
  gboolean is_brief, shows_coverage;
} Session;

typedef struct
{
  uint64_t run, ended, faults[32], given_up;
  uint64_t by_set[ZYDIS_ISA_SET_MAX_VALUE + 2], by_mnemonic[ZYDIS_MNEMONIC_MAX_VALUE + 1];
  GHashTable *failures; /* mnemonic → count */
  unsigned failed;
} Result;

static gboolean
matches (const Session *session, const Case *cs)
{
  if (cs->count > session->steps)
    return FALSE;
  if (session->filter == NULL)
    return TRUE;
  for (unsigned n = 0; n < cs->count; n++)
    if (strcmp (case_mnemonic (cs, n), session->filter) == 0)
      return TRUE;
  return FALSE;
}

static void
count_case (Result *result, const Case *cs, const Outcome *native)
{
  result->run++;
  if (native->vector == OUTCOME_END)
    result->ended++;
  else
    result->faults[native->vector & 31]++;
  for (unsigned n = 0; n < cs->count; n++)
    {
      result->by_set[cs->steps[n].is_valid ? cs->steps[n].insn.meta.isa_set : ZYDIS_ISA_SET_MAX_VALUE + 1]++;
      if (cs->steps[n].is_valid)
        result->by_mnemonic[cs->steps[n].insn.mnemonic]++;
    }
}

typedef struct
{
  Session *session;
  unsigned side;
} Comparison;

/* Whether native and one side differ. */
static gboolean
differs (void *opaque, const Case *cs)
{
  Comparison *comparison = opaque;
  Session *session = comparison->session;
  Outcome native, other;

  native_run (&session->generator, cs, &native);
  if (native.vector == OUTCOME_TIMEOUT)
    return FALSE;
  interp_run (session->sides[comparison->side], &session->generator, cs, &other);
  return !compare_outcomes (cs, &native, &other, NULL);
}

static void
report_difference (Session *session, unsigned side, const Case *cs)
{
  g_autoptr (GString) report = g_string_new (NULL);
  g_autofree Case *small = g_memdup2 (cs, sizeof *cs);
  Comparison comparison = { session, side };
  Outcome native, other;

  shrink_case (&session->generator, small, differs, &comparison);
  native_run (&session->generator, small, &native);
  interp_run (session->sides[side], &session->generator, small, &other);
  g_string_append_printf (report, "# %s differs:\n", side_names[side]);
  describe_case (&session->generator, small, report);
  if (session->is_brief)
    g_string_truncate (report, (gsize) (strstr (report->str, "#   rax") - report->str));
  compare_outcomes (small, &native, &other, report);
  fputs (report->str, stdout);
}

/* Runs a case everywhere; FALSE when nothing could be compared. */
static gboolean
run_case (Session *session, const Case *cs, Result *result)
{
  gboolean same = TRUE;
  Outcome native;

  native_run (&session->generator, cs, &native);
  if (native.vector == OUTCOME_TIMEOUT)
    {
      result->given_up++;
      return FALSE;
    }
  count_case (result, cs, &native);
  for (unsigned side = 0; side < SIDES; side++)
    {
      Outcome other;

      if (session->sides[side] == NULL)
        continue;
      interp_run (session->sides[side], &session->generator, cs, &other);
      if (compare_outcomes (cs, &native, &other, NULL))
        continue;
      same = FALSE;
      if (result->failed < session->max_failures)
        {
          report_difference (session, side, cs);
          native_run (&session->generator, cs, &native);
        }
    }
  if (!same)
    {
      const char *name = case_mnemonic (cs, cs->count - 1);

      result->failed++;
      g_hash_table_insert (result->failures, (void *) name,
                           GUINT_TO_POINTER (GPOINTER_TO_UINT (g_hash_table_lookup (result->failures, name)) + 1));
    }
  return TRUE;
}

static int
by_count (const void *a, const void *b, void *failures)
{
  const char *const *left = a, *const *right = b;
  int left_count = GPOINTER_TO_INT (g_hash_table_lookup (failures, *left));

  return GPOINTER_TO_INT (g_hash_table_lookup (failures, *right)) - left_count;
}

static void
print_result (const Result *result, CaseMode mode)
{
  g_autofree const char **keys = (const char **) g_hash_table_get_keys_as_array (result->failures, NULL);
  unsigned n = g_hash_table_size (result->failures);

  printf ("# %s-bit: %" G_GUINT64_FORMAT " cases, %" G_GUINT64_FORMAT " to their end, %" G_GUINT64_FORMAT
          " given up; faults:", case_mode_name (mode), result->run, result->ended, result->given_up);
  for (unsigned i = 0; i < G_N_ELEMENTS (result->faults); i++)
    if (result->faults[i] != 0)
      printf (" %u: %" G_GUINT64_FORMAT, i, result->faults[i]);
  printf ("\n# instructions:");
  for (unsigned i = 0; i < G_N_ELEMENTS (result->by_set); i++)
    if (result->by_set[i] != 0)
      printf (" %s %" G_GUINT64_FORMAT,
              i <= ZYDIS_ISA_SET_MAX_VALUE ? ZydisISASetGetString ((ZydisISASet) i) : "invalid", result->by_set[i]);
  printf ("\n");
  if (n == 0)
    return;
  g_qsort_with_data (keys, (int) n, sizeof *keys, by_count, result->failures);
  printf ("# differences by last instruction:");
  for (unsigned i = 0; i < n; i++)
    printf (" %s %u", keys[i], GPOINTER_TO_UINT (g_hash_table_lookup (result->failures, keys[i])));
  printf ("\n");
}

static void
print_coverage (const Session *session, const Result *result, CaseMode mode)
{
  const Catalog *catalog = &session->generator.catalog[mode];
  unsigned missing = 0;

  printf ("# mnemonics:");
  for (unsigned i = 0; i < catalog->mnemonics; i++)
    {
      unsigned mnemonic = catalog->encodings[catalog->first[i]].mnemonic;

      if (session->shows_coverage && result->by_mnemonic[mnemonic] != 0)
        printf (" %s %" G_GUINT64_FORMAT, ZydisMnemonicGetString ((ZydisMnemonic) mnemonic), result->by_mnemonic[mnemonic]);
      missing += result->by_mnemonic[mnemonic] == 0;
    }
  printf (" %u of %u\n", catalog->mnemonics - missing, catalog->mnemonics);
  if (missing == 0 || !session->shows_coverage)
    return;
  printf ("# not exercised:");
  for (unsigned i = 0; i < catalog->mnemonics; i++)
    if (result->by_mnemonic[catalog->encodings[catalog->first[i]].mnemonic] == 0)
      printf (" %s", ZydisMnemonicGetString ((ZydisMnemonic) catalog->encodings[catalog->first[i]].mnemonic));
  printf ("\n");
}

static gboolean
run_mode (Session *session, CaseMode mode, const uint64_t *only)
{
  Result result = { .failures = g_hash_table_new (g_str_hash, g_str_equal) };
  Random seeds = { session->seed + mode };
  Case *cs = g_new0 (Case, 1);

  if (only != NULL)
    {
      if (generator_make (&session->generator, *only, mode, cs))
        run_case (session, cs, &result);
    }
  else
    while (result.run < session->count)
      if (generator_make (&session->generator, random_next (&seeds), mode, cs) && matches (session, cs))
        run_case (session, cs, &result);
  print_result (&result, mode);
  if (only == NULL && session->filter == NULL)
    print_coverage (session, &result, mode);
  g_free (cs);
  g_hash_table_unref (result.failures);
  return result.failed == 0;
}

int
main (int argc, char **argv)
{
  g_autofree char *seed = NULL, *filter = NULL, *mode = NULL, *only = NULL, *side = NULL, *model = NULL;
  gint64 count = 50000;
  int max_failures = 10, steps = CASE_STEPS;
  gboolean is_brief = FALSE, shows_coverage = FALSE, passed = TRUE;
  const GOptionEntry options[] = {
    { "seed", 0, 0, G_OPTION_ARG_STRING, &seed, "First of all random numbers; the time by default", "N" },
    { "count", 0, 0, G_OPTION_ARG_INT64, &count, "Cases a mode", "N" },
    { "filter", 0, 0, G_OPTION_ARG_STRING, &filter, "Only cases with this instruction", "MNEMONIC" },
    { "mode", 0, 0, G_OPTION_ARG_STRING, &mode, "Only this mode: 64, 32 or 16", "BITS" },
    { "case", 0, 0, G_OPTION_ARG_STRING, &only, "Only this case, with --mode", "SEED" },
    { "steps", 0, 0, G_OPTION_ARG_INT, &steps, "At most this many instructions a case", "N" },
    { "max-failures", 0, 0, G_OPTION_ARG_INT, &max_failures, "Cases to report in full", "N" },
    { "only", 0, 0, G_OPTION_ARG_STRING, &side, "Hold only this against it", "interp|jit|jit-lookup" },
    { "model", 0, 0, G_OPTION_ARG_STRING, &model, "Of the emulated processor; host by default", "MODEL" },
    { "coverage", 0, 0, G_OPTION_ARG_NONE, &shows_coverage, "Tell how often each instruction came up", NULL },
    { "brief", 0, 0, G_OPTION_ARG_NONE, &is_brief, "Leave inputs out of reports", NULL },
    { NULL, 0, 0, 0, NULL, NULL, NULL },
  };
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  g_autoptr (GError) error = NULL;
  Session *session;
  Interp *any = NULL;
  const char *why;
  uint64_t only_seed = 0;

  setlocale (LC_ALL, "");
  g_option_context_add_main_entries (context, options, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error))
    {
      fprintf (stderr, "%s\n", error->message);
      return 2;
    }
  session = g_new0 (Session, 1);
  session->count = (uint64_t) count;
  session->filter = filter;
  session->max_failures = (unsigned) max_failures;
  session->steps = (unsigned) steps;
  session->is_brief = is_brief;
  session->shows_coverage = shows_coverage;
  session->seed = seed != NULL ? g_ascii_strtoull (seed, NULL, 0) : (uint64_t) time (NULL) * 1000003;
  if (only != NULL)
    only_seed = g_ascii_strtoull (only, NULL, 0);

  printf ("1..%d\n# seed %" G_GUINT64_FORMAT "\n", CASE_MODES, session->seed);
  for (unsigned i = 0; i < SIDES; i++)
    if (side == NULL || strcmp (side, side_names[i]) == 0)
      any = session->sides[i] = interp_new ((Side) i, model != NULL ? model : "host");
  if (any == NULL)
    {
      fprintf (stderr, "--only takes interp, jit or jit-lookup\n");
      g_free (session);
      return 2;
    }
  generator_init (&session->generator, interp_has_feature, any);
  why = native_init ();
  session->generator.with_segments = why == NULL && native_init_mode (CASE_16) == NULL;
  for (CaseMode i = CASE_64; i < CASE_MODES; i++)
    {
      const char *bits = case_mode_name (i), *reason = why != NULL ? why : native_init_mode (i);
      gboolean ok;

      if (reason == NULL && mode != NULL && strcmp (mode, bits) != 0)
        reason = "not asked for";
      if (reason != NULL)
        {
          printf ("ok %u %s-bit # SKIP %s\n", i + 1, bits, reason);
          continue;
        }
      ok = run_mode (session, i, only != NULL ? &only_seed : NULL);
      printf ("%s %u %s-bit\n", ok ? "ok" : "not ok", i + 1, bits);
      passed &= ok;
    }
  for (unsigned i = 0; i < SIDES; i++)
    if (session->sides[i] != NULL)
      interp_free (session->sides[i]);
  generator_clear (&session->generator);
  g_free (session);
  return passed ? 0 : 1;
}
