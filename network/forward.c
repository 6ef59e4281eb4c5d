/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Port forwards as text. */

#include "network/forward.h"

#include <arpa/inet.h>
#include <gio/gio.h>
#include <glib/gi18n-lib.h>

static gboolean
parse_port (const char *word, uint16_t *port)
{
  guint64 value;

  if (!g_ascii_string_to_unsigned (word, 10, 1, 65535, &value, NULL))
    return FALSE;
  *port = (uint16_t) value;
  return TRUE;
}

/* Takes “[ADDRESS:]PORT” from @words at *@at. */
static gboolean
parse_end (char **words, guint *at, struct in_addr *address, uint16_t *port)
{
  guint count = g_strv_length (words);

  if (*at < count && strchr (words[*at], '.') != NULL)
    {
      if (inet_pton (AF_INET, words[*at], address) != 1)
        return FALSE;
      (*at)++;
    }
  if (*at >= count || !parse_port (words[*at], port))
    return FALSE;
  (*at)++;
  return TRUE;
}

gboolean
forward_rule_parse (const char *text, ForwardRule *rule, GError **error)
{
  g_auto (GStrv) words = g_strsplit (text, ":", -1);
  guint at = 1;

  *rule = (ForwardRule) { .host_address.s_addr = htonl (INADDR_LOOPBACK) };
  if (words[0] != NULL && g_str_equal (words[0], "udp"))
    rule->protocol = FORWARD_UDP;
  else if (words[0] == NULL || !g_str_equal (words[0], "tcp"))
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                   _("“%s” begins neither with “tcp:” nor with “udp:”"), text);
      return FALSE;
    }
  if (!parse_end (words, &at, &rule->host_address, &rule->host_port) ||
      !parse_end (words, &at, &rule->guest_address, &rule->guest_port) || words[at] != NULL)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                   _("“%s” is not of the form tcp|udp:HOSTPORT:GUESTPORT with ports from 1 to 65535"), text);
      return FALSE;
    }
  return TRUE;
}

char *
forward_rule_format (const ForwardRule *rule)
{
  GString *text = g_string_new (rule->protocol == FORWARD_UDP ? "udp:" : "tcp:");
  char address[INET_ADDRSTRLEN];

  if (rule->host_address.s_addr != htonl (INADDR_LOOPBACK))
    g_string_append_printf (text, "%s:", inet_ntop (AF_INET, &rule->host_address, address, sizeof address));
  g_string_append_printf (text, "%u:", rule->host_port);
  if (rule->guest_address.s_addr != 0)
    g_string_append_printf (text, "%s:", inet_ntop (AF_INET, &rule->guest_address, address, sizeof address));
  g_string_append_printf (text, "%u", rule->guest_port);
  return g_string_free (text, FALSE);
}

gboolean
forward_rule_same_host_port (const ForwardRule *a, const ForwardRule *b)
{
  return a->protocol == b->protocol && a->host_port == b->host_port &&
         (a->host_address.s_addr == b->host_address.s_addr || a->host_address.s_addr == 0 || b->host_address.s_addr == 0);
}
