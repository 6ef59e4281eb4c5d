/* SPDX-License-Identifier: GPL-3.0-or-later */
/* From a library's record to the engine's machine: opens the images, connects the network. */
#pragma once

#include "app/session.h"
#include "storage/disk/disk.h"

/* The serial ports are the caller's, NULL where unconnected. NULL with an error that names the file or setting. */
Machine *machine_build (const LibraryMachine *record, const SessionOptions *options, const MachineSerial *serial,
                        const MachineSerial *debugcon, GError **error);
/* “auto”, or an accelerator by name. */
gboolean machine_build_parse_accel (const char *name, MachineAccel *accel, GError **error);
/* An image for a drive of this kind. */
Disk *machine_build_open_medium (LibraryMediumKind kind, const char *path, gboolean discard_changes, GError **error);
