/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What every process that runs a machine does: show its window, obey signals, wait for its end. */
#pragma once

#include "app/session.h"

typedef struct MachineLoop MachineLoop;

/* Needed before anything else. @with_window: opens the display; the error says what to do without one. */
gboolean machine_loop_prepare (gboolean with_window, GError **error);
/* @library may be NULL. The window shows when the loop runs, or when somebody asks for it. */
MachineLoop *machine_loop_new (BunshinSession *session, Library *library, gboolean with_window);
/* Returns when the machine has ended, or machine_loop_quit() was called. The window is gone then. */
void machine_loop_run (MachineLoop *loop);
void machine_loop_quit (MachineLoop *loop);
void machine_loop_free (MachineLoop *loop);
