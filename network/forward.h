/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A port forward: connections to a port of the host reach a port of the guest. */
#pragma once

#include <glib.h>
#include <netinet/in.h>
#include <stdint.h>

typedef enum { FORWARD_TCP, FORWARD_UDP } ForwardProtocol;

typedef struct
{
  ForwardProtocol protocol;
  struct in_addr host_address;  /* network byte order; 127.0.0.1 unless asked otherwise */
  uint16_t host_port;           /* host byte order, 1 … 65535 */
  struct in_addr guest_address; /* 0.0.0.0: the first address that NAT's DHCP gives */
  uint16_t guest_port;
} ForwardRule;

/* Reads “tcp|udp:[HOSTADDRESS:]HOSTPORT:[GUESTADDRESS:]GUESTPORT”. The error quotes @text and says what is wrong. */
gboolean forward_rule_parse (const char *text, ForwardRule *rule, GError **error);
/* The same form again, addresses only where they are not the defaults. Caller frees. */
char *forward_rule_format (const ForwardRule *rule);
/* Whether both claim the same port of the host. */
gboolean forward_rule_same_host_port (const ForwardRule *a, const ForwardRule *b);
