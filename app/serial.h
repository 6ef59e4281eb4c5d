/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Where a machine's serial port leads: a file, this process's standard streams,
 * a new pseudo-terminal, or a listening socket. The engine's side never blocks;
 * threads of the port's own do the reading and writing.
 */
#pragma once

#include "engine/machine/machine.h"

typedef struct SerialPort SerialPort;

/* @spec: “FILE”, “stdio”, “pty”, “unix:PATH”. The error names it. */
SerialPort *serial_port_new (const char *spec, GError **error);
/* For MachineConfig; valid while the port is. */
const MachineSerial *serial_port_backend (SerialPort *port);
/* What was read goes to the machine's port @number from now on; NULL: to nobody, which must come before the machine is
 * freed. @escaped (optional) is called, on the port's thread, when the user of a terminal types Ctrl-]. */
void serial_port_set_machine (SerialPort *port, Machine *machine, unsigned number, void (*escaped) (void *opaque),
                              void *opaque);
/* What the user should know, such as the pseudo-terminal's name, or NULL. */
const char *serial_port_notice (SerialPort *port);
/* Writes what is still queued, where somebody reads it, and closes. */
void serial_port_free (SerialPort *port);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (SerialPort, serial_port_free)
