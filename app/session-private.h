/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the parts of a session share. */
#pragma once

#include "app/serial.h"
#include "app/session.h"
#include "app/typist.h"

struct _BunshinSession
{
  GObject parent;

  /* Owned. */
  LibraryMachine *record;
  LibraryLock *lock;
  Machine *machine;
  SerialPort *serial, *debugcon;
  Typist *typist;
  char *socket, *message;

  /* Borrowed. */
  Library *library;
  BunshinPresent present;
  void *present_opaque;

  LibraryState state;
};

void session_control_init (BunshinMachineControlInterface *iface);
