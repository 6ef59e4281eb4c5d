/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The words of the command line: what is understood, and that the rest is refused. */

#include "app/cli.h"

#include <string.h>

typedef struct
{
  gboolean flag;
  const char *text;
  GPtrArray *list;
  GPtrArray *words;
  GError *error;
} Parsed;

static gboolean
parse (Parsed *p, const char *line, int min, int max)
{
  g_auto (GStrv) args = g_strsplit (line, " ", -1);
  const Option options[] = {
    { "flag", OPTION_FLAG, &p->flag }, { "text", OPTION_STRING, &p->text }, { "list", OPTION_LIST, &p->list }, { NULL }
  };
  gboolean ok;

  memset (p, 0, sizeof *p);
  ok = options_parse (*line ? args : (char *[]) { NULL }, options, min, max, &p->words, &p->error);
  /* Compared by content later: keep what the words were. */
  p->text = g_intern_string (p->text);
  for (unsigned i = 0; p->list && i < p->list->len; i++)
    p->list->pdata[i] = (char *) g_intern_string (p->list->pdata[i]);
  for (unsigned i = 0; p->words && i < p->words->len; i++)
    p->words->pdata[i] = (char *) g_intern_string (p->words->pdata[i]);
  return ok;
}

static void
parsed_clear (Parsed *p)
{
  g_clear_pointer (&p->list, g_ptr_array_unref);
  g_clear_pointer (&p->words, g_ptr_array_unref);
  g_clear_error (&p->error);
}

static void
test_understood (void)
{
  Parsed p;

  g_assert_true (parse (&p, "one --flag --text value two --list a --list=b -- --three", 3, 3));
  g_assert_true (p.flag);
  g_assert_cmpstr (p.text, ==, "value");
  g_assert_cmpuint (p.list->len, ==, 2);
  g_assert_cmpstr (p.list->pdata[1], ==, "b");
  g_assert_cmpuint (p.words->len, ==, 4);
  g_assert_cmpstr (p.words->pdata[2], ==, "--three");
  g_assert_null (p.words->pdata[3]);
  parsed_clear (&p);

  g_assert_true (parse (&p, "--text=a=b", 0, 0));
  g_assert_cmpstr (p.text, ==, "a=b");
  parsed_clear (&p);
  g_assert_true (parse (&p, "-x -", 0, -1));
  g_assert_cmpuint (p.words->len, ==, 3);
  parsed_clear (&p);
}

static void
test_refused (void)
{
  static const char *const lines[]
      = { "--unknown", "--tex x", "--text", "--flag=1", "--text a --text b", "one two three", "", "--=x" };

  for (unsigned i = 0; i < G_N_ELEMENTS (lines); i++)
    {
      Parsed p;

      g_assert_false (parse (&p, lines[i], 1, 2));
      g_assert_error (p.error, CLI_USAGE_ERROR, 0);
      parsed_clear (&p);
    }
}

static void
test_net (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *param = NULL, *none = NULL;
  LibraryNetKind kind;

  g_assert_true (parse_net ("--nic", "nat:host-access", &kind, &param, NULL));
  g_assert_cmpint (kind, ==, LIBRARY_NET_NAT);
  g_assert_cmpstr (param, ==, "host-access");
  g_assert_true (parse_net ("--nic", "none", &kind, &none, NULL));
  g_assert_cmpint (kind, ==, LIBRARY_NET_NONE);
  g_assert_null (none);
  g_assert_false (parse_net ("--nic", "bridged:eth0", &kind, &none, &error));
  g_assert_nonnull (strstr (error->message, "bridged:eth0"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/options/understood", test_understood);
  g_test_add_func ("/options/refused", test_refused);
  g_test_add_func ("/options/net", test_net);
  return g_test_run ();
}
