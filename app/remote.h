/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A machine of the library seen from outside its process: its state follows
 * the machine's lock file, verbs go through its control socket, on threads, so
 * that a process that is slow or gone never holds up the caller.
 */
#pragma once

#include "ui/machine-control.h"

#define BUNSHIN_TYPE_REMOTE (bunshin_remote_get_type ())
G_DECLARE_FINAL_TYPE (BunshinRemote, bunshin_remote, BUNSHIN, REMOTE, GObject)

/* Follows @machine (copied) from now on, whether it runs or not. */
BunshinMachineControl *bunshin_remote_new (const LibraryMachine *machine);
