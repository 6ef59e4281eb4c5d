/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The caller's side of a running machine's control interface: starting its process, and talking to it. Blocking. */
#pragma once

#include "storage/library/library.h"

typedef struct
{
  gboolean headless;
  const char *serial;      /* as in “bunshin start --serial”, or NULL */
  gboolean perf_map;       /* as in MachineConfig */
  gboolean is_drive;       /* a test drive, and */
  gboolean no_network;     /* one without a network */
  const char *snapshot;    /* of a test drive: the UUID of which it begins, or NULL */
} SpawnOptions;

/* Starts the machine's own process, detached, and waits until the machine runs. @notice (optional) is what the
 * process has to say, such as the name of a pseudo-terminal, or NULL; @did (optional) sentences about what an earlier run had
 * left, or NULL. The error is the process's own. */
gboolean client_spawn (const LibraryMachine *machine, const SpawnOptions *options, char **notice, char ***did, GError **error);

/* The words after the program's name that make it the machine's process; @report_fd < 0: it reports to nobody. */
GPtrArray *client_machine_arguments (const LibraryMachine *machine, const SpawnOptions *options, int report_fd);

/* A connection to the machine's process; LIBRARY_ERROR_RUNNING when it is powered off. */
GDBusConnection *client_connect (const LibraryMachine *machine, GError **error);
/* Calls a method of org.bunshin.Machine; waits as long as it takes. @arguments is consumed, may be NULL. The error is
 * the remote one, without D-Bus's decoration. */
GVariant *client_call (GDBusConnection *connection, const char *method, GVariant *arguments, GError **error);
/* Connects and calls. */
GVariant *client_call_machine (const LibraryMachine *machine, const char *method, GVariant *arguments, GError **error);
/* Waits until the machine's state is @state; FALSE after @timeout_ms (< 0: never). @asks (optional): whether it ended
 * since the guest is off and a window asks what becomes of the test drive; NULL: that is no end. */
gboolean client_wait_state (const LibraryMachine *machine, LibraryState state, gint64 timeout_ms, gboolean *asks);
/* Likewise until it does not run: after a test drive it may have its saved state again. */
gboolean client_wait_off (const LibraryMachine *machine, gint64 timeout_ms, gboolean *asks);
