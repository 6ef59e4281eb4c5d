/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A machine's window: its screen, and what can be done with the machine while it runs. */
#pragma once

#include "ui/machine-control.h"

#include <adwaita.h>

G_BEGIN_DECLS

#define BUNSHIN_TYPE_MACHINE_WINDOW (bunshin_machine_window_get_type ())
G_DECLARE_FINAL_TYPE (BunshinMachineWindow, bunshin_machine_window, BUNSHIN, MACHINE_WINDOW, AdwWindow)

/* As ui_machine_window_new(). */
BunshinMachineWindow *bunshin_machine_window_new (BunshinMachineControl *control, const LibraryMachine *record,
                                                  Library *library);

G_END_DECLS
