/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Random instructions on the host's processor and in the interpreter: every register, flag and byte of memory must come
 * out the same, and every fault must be the same at the same place.
 *
 *   test-native                              a few thousand cases a mode
 *   test-native --count 5000000 --seed 1     many more
 *   test-native --filter imul                only cases with this instruction
 *   test-native --mode 32 --case 0x…         the one case a report named
 */

#include "tests/cpu/case.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct
{
  Generator generator;
  Interp *interp;
  uint64_t seed, count;
  const char *filter;
  unsigned max_failures, steps;
  gboolean is_brief;
} Session;

typedef struct
{
  uint64_t run, ended, faults[32], given_up;
  uint64_t by_set[ZYDIS_ISA_SET_MAX_VALUE + 2];
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
    result->by_set[cs->steps[n].is_valid ? cs->steps[n].insn.meta.isa_set : ZYDIS_ISA_SET_MAX_VALUE + 1]++;
}

/* Runs a case on both; FALSE when nothing could be compared. */
static gboolean
run_case (Session *session, const Case *cs, Result *result)
{
  Outcome native, interp;
  const char *name;
  g_autoptr (GString) report = NULL;

  native_run (&session->generator, cs, &native);
  if (native.vector == OUTCOME_TIMEOUT)
    {
      result->given_up++;
      return FALSE;
    }
  interp_run (session->interp, &session->generator, cs, &interp);
  count_case (result, cs, &native);
  if (compare_outcomes (cs, &native, &interp, NULL))
    return TRUE;

  name = case_mnemonic (cs, cs->count - 1);
  g_hash_table_insert (result->failures, (void *) name,
                       GUINT_TO_POINTER (GPOINTER_TO_UINT (g_hash_table_lookup (result->failures, name)) + 1));
  if (result->failed++ < session->max_failures)
    {
      report = g_string_new (NULL);
      describe_case (&session->generator, cs, report);
      if (session->is_brief)
        g_string_truncate (report, (gsize) (strstr (report->str, "#   rax") - report->str));
      compare_outcomes (cs, &native, &interp, report);
      fputs (report->str, stdout);
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
  g_free (cs);
  g_hash_table_unref (result.failures);
  return result.failed == 0;
}

int
main (int argc, char **argv)
{
  g_autofree char *seed = NULL, *filter = NULL, *mode = NULL, *only = NULL;
  gint64 count = 50000;
  int max_failures = 10, steps = CASE_STEPS;
  gboolean is_brief = FALSE, translates = FALSE, passed = TRUE;
  const GOptionEntry options[] = {
    { "seed", 0, 0, G_OPTION_ARG_STRING, &seed, "First of all random numbers; the time by default", "N" },
    { "count", 0, 0, G_OPTION_ARG_INT64, &count, "Cases a mode", "N" },
    { "filter", 0, 0, G_OPTION_ARG_STRING, &filter, "Only cases with this instruction", "MNEMONIC" },
    { "mode", 0, 0, G_OPTION_ARG_STRING, &mode, "Only this mode: 64, 32 or 16", "BITS" },
    { "case", 0, 0, G_OPTION_ARG_STRING, &only, "Only this case, with --mode", "SEED" },
    { "steps", 0, 0, G_OPTION_ARG_INT, &steps, "At most this many instructions a case", "N" },
    { "max-failures", 0, 0, G_OPTION_ARG_INT, &max_failures, "Cases to report in full", "N" },
    { "jit", 0, 0, G_OPTION_ARG_NONE, &translates, "Hold the translator against it, not the interpreter", NULL },
    { "brief", 0, 0, G_OPTION_ARG_NONE, &is_brief, "Leave inputs out of reports", NULL },
    { NULL, 0, 0, 0, NULL, NULL, NULL },
  };
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  g_autoptr (GError) error = NULL;
  Session *session;
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
  session->seed = seed != NULL ? g_ascii_strtoull (seed, NULL, 0) : (uint64_t) time (NULL) * 1000003;
  if (only != NULL)
    only_seed = g_ascii_strtoull (only, NULL, 0);

  printf ("1..%d\n# seed %" G_GUINT64_FORMAT "\n", CASE_MODES, session->seed);
  session->interp = interp_new (translates);
  generator_init (&session->generator, interp_has_feature, session->interp);
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
  interp_free (session->interp);
  g_free (session);
  return passed ? 0 : 1;
}
