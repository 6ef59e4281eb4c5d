/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Port forwards between the library's form and the network's. */

#include "app/forwards.h"

#include <arpa/inet.h>

char *
forward_describe (const LibraryForward *forward)
{
  return g_strdup_printf ("%s:%s%s%u:%s%s%u", forward->udp ? "udp" : "tcp",
                          forward->host_address ? forward->host_address : "", forward->host_address ? ":" : "",
                          forward->host_port, forward->guest_address ? forward->guest_address : "",
                          forward->guest_address ? ":" : "", forward->guest_port);
}

gboolean
forward_to_rule (const LibraryForward *forward, ForwardRule *rule, GError **error)
{
  g_autofree char *text = forward_describe (forward);

  return forward_rule_parse (text, rule, error);
}

/* NULL for @usual, the address that goes without saying. */
static char *
address_text (struct in_addr address, in_addr_t usual)
{
  char text[INET_ADDRSTRLEN];

  return address.s_addr == htonl (usual) ? NULL : g_strdup (inet_ntop (AF_INET, &address, text, sizeof text));
}

void
forward_add_to (LibraryAdapter *adapter, const ForwardRule *rule)
{
  g_autofree char *host = address_text (rule->host_address, INADDR_LOOPBACK);
  g_autofree char *guest = address_text (rule->guest_address, INADDR_ANY);

  library_adapter_add_forward (adapter, rule->protocol == FORWARD_UDP, host, rule->host_port, guest, rule->guest_port);
}

int
forward_find (const LibraryAdapter *adapter, const ForwardRule *rule)
{
  for (unsigned i = 0; i < adapter->forwards->len; i++)
    {
      ForwardRule other;

      if (forward_to_rule (g_ptr_array_index (adapter->forwards, i), &other, NULL) &&
          forward_rule_same_host_port (rule, &other))
        return (int) i;
    }
  return -1;
}
