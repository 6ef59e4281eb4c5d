/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Sizes, port forwards and JSON as text. */

#include "app/forwards.h"
#include "app/json.h"
#include "app/sizes.h"

static void
test_sizes (void)
{
  static const struct { const char *text; guint64 bytes; const char *formatted;
  } good[] = {
    { "0", 0, "0" },
    { "512", 512, "512" },
    { "1K", 1024, "1K" },
    { "1024K", 1 << 20, "1M" },
    { "20G", G_GUINT64_CONSTANT (20) << 30, "20G" },
    { "20g", G_GUINT64_CONSTANT (20) << 30, "20G" },
    { "1536M", G_GUINT64_CONSTANT (1536) << 20, "1536M" },
    { "16777215T", G_GUINT64_CONSTANT (16777215) << 40, "16777215T" },
    { "18446744073709551615", G_MAXUINT64, "18446744073709551615" },
  };
  static const char *const bad[] = { "", "K", "-1", "+1", " 1", "1 ", "1KB", "1.5G", "0x10", "12Q", "16777216T",
                                     "18446744073709551616", "99999999999999999999999" };
  guint64 bytes;

  for (unsigned i = 0; i < G_N_ELEMENTS (good); i++)
    {
      g_autofree char *formatted = NULL;

      g_assert_true (cli_size_parse (good[i].text, &bytes));
      g_assert_cmpuint (bytes, ==, good[i].bytes);
      formatted = cli_size_format (bytes);
      g_assert_cmpstr (formatted, ==, good[i].formatted);
    }
  for (unsigned i = 0; i < G_N_ELEMENTS (bad); i++)
    g_assert_false (cli_size_parse (bad[i], &bytes));
}

static void
test_forwards (void)
{
  static const char *const rules[] = { "tcp:2222:22", "udp:0.0.0.0:53:10.0.2.16:5353", "tcp:80:10.0.2.16:8080" };
  g_autoptr (LibraryMachine) machine = library_machine_new ("m");
  LibraryAdapter *adapter = library_machine_add_adapter (machine, 0, LIBRARY_NET_NAT);

  for (unsigned i = 0; i < G_N_ELEMENTS (rules); i++)
    {
      g_autofree char *described = NULL;
      ForwardRule rule;

      g_assert_true (forward_rule_parse (rules[i], &rule, NULL));
      g_assert_cmpint (forward_find (adapter, &rule), ==, -1);
      forward_add_to (adapter, &rule);
      g_assert_cmpint (forward_find (adapter, &rule), ==, (int) i);
      described = forward_describe (g_ptr_array_index (adapter->forwards, i));
      g_assert_cmpstr (described, ==, rules[i]);
    }
}

static void
test_json (void)
{
  g_autofree char *text = NULL;
  Json json;

  json_begin (&json);
  json_open (&json, NULL, '{');
  json_string (&json, "quo\"te", "a\\b\n\001\xc3\xa9\xff");
  json_string (&json, "none", NULL);
  json_open (&json, "empty", '[');
  json_close (&json, ']');
  json_open (&json, "list", '[');
  json_uint (&json, NULL, G_MAXUINT64);
  json_int (&json, NULL, -1);
  json_bool (&json, NULL, TRUE);
  json_close (&json, ']');
  json_close (&json, '}');
  text = json_end (&json);
  g_assert_cmpstr (
      text, ==,
      "{\n  \"quo\\\"te\": \"a\\\\b\\n\\u0001\xc3\xa9\xef\xbf\xbd\",\n  \"none\": null,\n  \"empty\": [],\n"
      "  \"list\": [\n    18446744073709551615,\n    -1,\n    true\n  ]\n}\n");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/text/sizes", test_sizes);
  g_test_add_func ("/text/forwards", test_forwards);
  g_test_add_func ("/text/json", test_json);
  return g_test_run ();
}
