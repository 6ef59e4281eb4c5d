/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Port forwards between the library's form and the network's. */
#pragma once

#include "network/forward.h"
#include "storage/library/library.h"

/* “tcp:2222:22”. Caller frees. */
char *forward_describe (const LibraryForward *forward);
gboolean forward_to_rule (const LibraryForward *forward, ForwardRule *rule, GError **error);
void forward_add_to (LibraryAdapter *adapter, const ForwardRule *rule);
/* The index of the adapter's forward from the same port of the host, or -1. */
int forward_find (const LibraryAdapter *adapter, const ForwardRule *rule);
