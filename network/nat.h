/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Network address translation in user space (libslirp): the guest gets an
 * address by DHCP, reaches the outside through the host's sockets, and is
 * reached through port forwards. Needs no privilege.
 */
#pragma once

#include "network/forward.h"
#include "network/netport.h"

typedef struct
{
  unsigned index;                /* adapter number n: the network is 10.0.(n+2).0/24 and fd17:625c:f037:(n+2)::/64;
                                    gateway .2, DNS .3, guest .15 */
  gboolean allow_host_access;    /* whether the gateway's address reaches servers on the host's loopback */
  const char *tftp_folder;       /* served at .4 by TFTP, or NULL */
  const char *boot_file;         /* named by DHCP for network boot, or NULL */
  const char *host_name;         /* given to the guest by DHCP, or NULL */
} NatConfig;

/* A NAT network with one port, living on @context (a reference is taken), which some thread has to run. */
NetPort *nat_new (const NatConfig *config, GMainContext *context, GError **error);

/* Forwards may be changed at any time from any thread that does not hold a lock which the adapter's receive
 * handler takes. Errors name the port and the cause. */
gboolean nat_add_forward (NetPort *port, const ForwardRule *rule, GError **error);
gboolean nat_remove_forward (NetPort *port, const ForwardRule *rule, GError **error);
/* A GArray of ForwardRule, in the order they were added. */
GArray *nat_list_forwards (NetPort *port);
/* Whether @port is one of nat_new(). */
gboolean net_port_is_nat (const NetPort *port);
