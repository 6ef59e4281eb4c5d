/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Port forwards as text: what is accepted, what is refused, and that formatting gives the same rule again. */

#include "network/forward.h"

#include <arpa/inet.h>

static void
test_valid (void)
{
  static const struct { const char *text, *formatted, *host; uint16_t host_port, guest_port; } cases[] = {
    { "tcp:2222:22", "tcp:2222:22", "127.0.0.1", 2222, 22 },
    { "udp:53:5353", "udp:53:5353", "127.0.0.1", 53, 5353 },
    { "tcp:0.0.0.0:80:80", "tcp:0.0.0.0:80:80", "0.0.0.0", 80, 80 },
    { "tcp:127.0.0.1:1:10.0.2.16:65535", "tcp:1:10.0.2.16:65535", "127.0.0.1", 1, 65535 },
  };

  for (size_t i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      ForwardRule rule, again;
      g_autoptr (GError) error = NULL;
      g_autofree char *formatted = NULL;

      g_assert_true (forward_rule_parse (cases[i].text, &rule, &error));
      g_assert_no_error (error);
      g_assert_cmpuint (rule.host_port, ==, cases[i].host_port);
      g_assert_cmpuint (rule.guest_port, ==, cases[i].guest_port);
      g_assert_cmpstr (inet_ntoa (rule.host_address), ==, cases[i].host);
      formatted = forward_rule_format (&rule);
      g_assert_cmpstr (formatted, ==, cases[i].formatted);
      g_assert_true (forward_rule_parse (formatted, &again, &error));
      g_assert_true (forward_rule_same_host_port (&rule, &again));
    }
}

static void
test_invalid (void)
{
  static const char *const cases[] = {
    "", "tcp", "tcp:", "tcp:22", "tcp:0:22", "tcp:22:0", "tcp:65536:22", "tcp:22:22:22", "icmp:1:1", "tcp:a:b",
    "tcp:999.0.0.1:1:1", "tcp:-1:1", "tcp: 1:1", "udp:1:1:10.0.2.15",
  };

  for (size_t i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      ForwardRule rule;
      g_autoptr (GError) error = NULL;

      g_assert_false (forward_rule_parse (cases[i], &rule, &error));
      g_assert_nonnull (error);
      g_assert_nonnull (strstr (error->message, cases[i]));
    }
}

static void
test_same_port (void)
{
  ForwardRule any, local, udp, other;

  g_assert_true (forward_rule_parse ("tcp:0.0.0.0:80:80", &any, NULL));
  g_assert_true (forward_rule_parse ("tcp:80:81", &local, NULL));
  g_assert_true (forward_rule_parse ("udp:80:80", &udp, NULL));
  g_assert_true (forward_rule_parse ("tcp:127.0.0.2:80:80", &other, NULL));
  g_assert_true (forward_rule_same_host_port (&any, &local));
  g_assert_true (forward_rule_same_host_port (&other, &any));
  g_assert_false (forward_rule_same_host_port (&local, &udp));
  g_assert_false (forward_rule_same_host_port (&local, &other));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/forward/valid", test_valid);
  g_test_add_func ("/forward/invalid", test_invalid);
  g_test_add_func ("/forward/same-port", test_same_port);
  return g_test_run ();
}
