/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The graphical interface: what app/ calls to open the manager, and to show a
 * machine's window in the machine's own process. Everything runs on the main
 * thread.
 */
#pragma once

#include "ui/machine-control.h"

#include <gtk/gtk.h>

G_BEGIN_DECLS

#define UI_APP_ID "org.bunshin.Bunshin"

/* Binds the message catalogues, those of a build folder when it runs from there. Needs no display; call it first. */
void ui_init_translations (void);
/* Opens the display and loads the interface's resources. FALSE (with an error that says what to do) without a display. */
gboolean ui_init (GError **error);

typedef struct
{
  Library *library;                /* outlives the manager; its watch is taken by the manager */
  const BunshinMachineHost *host;
  const char *demo_script;         /* prints the path of an installer's disc image; NULL hides the offer */
  const char *program;             /* whose command line looks into disks; NULL: nothing does */
  const char *const *notices;      /* what the user should know at once, each a sentence; NULL: nothing */
} UiManagerEnv;

/* Runs the manager until its last window closes; the exit status. ui_init() is not needed. */
int ui_run_manager (const UiManagerEnv *env);

/* The window of a running machine; needs ui_init() and a main loop. @control is the one of this process, which stops
 * the machine when the user asks for it. @record tells name and drives (copied). @library may be NULL: a machine that
 * is not kept. Closing only hides the window ("keep running in the background"), or powers off by @control; the
 * caller destroys it when the machine is off. */
GtkWindow *ui_machine_window_new (BunshinMachineControl *control, const LibraryMachine *record, Library *library);

G_END_DECLS
