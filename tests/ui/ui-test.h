/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the interface's tests share: a library in a folder of its own, machines
 * that only pretend to run, hands that find and use widgets, and a camera.
 */
#pragma once

#include "ui/ui.h"

#include <adwaita.h>

/* --- Machines that pretend --- */

#define TEST_TYPE_CONTROL (test_control_get_type ())
G_DECLARE_FINAL_TYPE (TestControl, test_control, TEST, CONTROL, GObject)

void test_control_set_state (TestControl *self, LibraryState state, const char *message);
/* The next verb fails with this. */
void test_control_fail_next (TestControl *self, GIOErrorEnum code, const char *message);
/* The engine's machine it hands out; NULL unless set. Borrowed. */
void test_control_set_machine (TestControl *self, Machine *machine);
TestControl *test_control_new (const char *uuid);
/* Snapshots are real ones of this library from now on; it outlives the control. */
void test_control_set_library (TestControl *self, Library *library);
/* The next snapshot work is under way until it is let go; nothing is done then. */
void test_control_hold_snapshots (TestControl *self);
void test_control_let_go (TestControl *self);
void test_control_set_progress (TestControl *self, double progress);
void test_control_set_drive_ended (TestControl *self, gboolean ended);
/* What the last snapshot work was: "restore UUID NAME HOW", or "drive UUID"; NULL: there was none. */
const char *test_control_get_request (TestControl *self);

/* --- The stage --- */

typedef struct
{
  char *home;
  Library *library;
  BunshinMachineHost host;      /* hands out TestControls */
  GHashTable *controls;         /* uuid → TestControl */
} TestStage;

/* g_test_init() and the display; skips the program (status 77) where there is none. */
void test_ui_init (int *argc, char ***argv);
TestStage *test_stage_new (void);
/* Every window. One that lives on is kept by something that forgot to let go: the test fails. */
void test_destroy_windows (void);
void test_stage_free (TestStage *stage);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TestStage, test_stage_free)
/* A machine in the library with a CD drive and NAT; the record belongs to the caller. */
LibraryMachine *test_stage_add_machine (TestStage *stage, const char *name, const char *os_id);
TestControl *test_stage_control (TestStage *stage, const char *uuid);

/* --- Hands --- */

/* Runs the main loop until @condition holds; fails the test after some seconds. */
#define test_wait_until(condition)                                                                                     \
  G_STMT_START                                                                                                         \
    {                                                                                                                  \
      gint64 test_deadline_ = g_get_monotonic_time () + 20 * G_USEC_PER_SEC;                                           \
      while (!(condition))                                                                                             \
        {                                                                                                              \
          g_main_context_iteration (NULL, FALSE);                                                                      \
          g_usleep (500);                                                                                              \
          g_assert_cmpint (g_get_monotonic_time (), <, test_deadline_);                                                \
        }                                                                                                              \
    }                                                                                                                  \
  G_STMT_END
/* Until every window has drawn what it has now. */
void test_settle (void);
/* For what must not happen within some time. */
void test_pass_time (guint milliseconds);
/* The template's child of this id, or any widget below @root whose buildable id or name it is; it has to be there. */
GtkWidget *test_find (gpointer root, const char *id);
/* The first visible button or row below @root with this label or title, or its translation; it has to be there. */
GtkWidget *test_find_label (gpointer root, const char *label);
void test_click (GtkWidget *button);
void test_activate_row (GtkWidget *row);
void test_type (GtkWidget *editable, const char *text);
/* The topmost other window than @except, or NULL. */
GtkWindow *test_find_window (GType type);
void test_respond (const char *response);
/* The message dialog that is shown, once the button Enter would press has the focus. */
AdwMessageDialog *test_wait_for_dialog (void);

/* --- Hands that press real keys and buttons --- */

/* By its hardware code: xdotool finds several keys for the name. */
#define TEST_HOST_KEY "105"
/* Whether there is xdotool; skips the test else. */
gboolean test_has_hands (void);
/* Without a window manager nobody else does. */
void test_focus_window (gpointer window);
/* Runs xdotool with these words; the interface goes on meanwhile. The last one is NULL. */
void test_xdotool (const char *first, ...) G_GNUC_NULL_TERMINATED;

/* Starts a window manager, or skips the test where there is none; NULL then. */
GSubprocess *test_start_window_manager (void);
void test_stop_window_manager (GSubprocess *manager);

/* A picture of the screen: <build>/ui-screenshots/NAME.png. All it shows must have names for screen readers. */
void test_screenshot (const char *name);
