/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the windows know of a machine that may run: its state, and the verbs.
 * The application implements it twice: over the engine in the machine's own
 * process, and over its control socket in the manager. Everything happens on
 * the main thread; results come by the usual async/finish pairs.
 *
 * Properties: "uuid" (string), "state" (int, a LibraryState), "message" (string
 * or NULL: why the machine stopped by itself), "machine" (pointer: what
 * bunshin_machine_control_get_machine() returns; it changes when a running
 * machine is put back to a snapshot, and is NULL for a moment before: whoever
 * uses the machine, its display or its input lets go of them then), "progress"
 * (double: of the snapshot work under way, from 0 to 1; -1: there is none),
 * "drive-ended" (boolean: a test drive's machine is off, and its process waits
 * to hear by BUNSHIN_SNAPSHOT_END_DRIVE what becomes of it, but only when
 * somebody listens to this property; else it is thrown away). All notify.
 *
 * Signal "notice" (string): what the user should know, while the machine runs on;
 * in the manager also what an earlier run had left, and what became of that.
 */
#pragma once

#include "engine/machine/machine.h"
#include "storage/library/library.h"
#include "storage/snapshot/snapshot.h"

#include <gio/gio.h>

G_BEGIN_DECLS

#define BUNSHIN_TYPE_MACHINE_CONTROL (bunshin_machine_control_get_type ())
G_DECLARE_INTERFACE (BunshinMachineControl, bunshin_machine_control, BUNSHIN, MACHINE_CONTROL, GObject)

typedef enum
{
  BUNSHIN_VERB_START,        /* spawns the machine's process with its window; done when the machine runs */
  BUNSHIN_VERB_START_HEADLESS,
  BUNSHIN_VERB_START_DRIVE_OFFLINE, /* like START_DRIVE, without a network */
  BUNSHIN_VERB_START_DRIVE,  /* like START, as a test drive: at its end what was changed is thrown away, or kept */
  BUNSHIN_VERB_PAUSE,
  BUNSHIN_VERB_RESUME,
  BUNSHIN_VERB_RESET,
  BUNSHIN_VERB_POWER_BUTTON,
  BUNSHIN_VERB_POWER_OFF,
  BUNSHIN_VERB_SHOW_WINDOW,
  BUNSHIN_VERB_SAVE,         /* writes the state and powers off; done when both are. May be cancelled */
  BUNSHIN_VERB_DISCARD_STATE /* of a machine that does not run */
} BunshinVerb;

typedef enum
{
  BUNSHIN_SNAPSHOT_TAKE,
  BUNSHIN_SNAPSHOT_RESTORE,
  BUNSHIN_SNAPSHOT_DELETE,
  BUNSHIN_SNAPSHOT_END_DRIVE /* DISCARD powers a running machine off; after the other two it runs on as usual */
} BunshinSnapshotVerb;

typedef struct
{
  BunshinSnapshotVerb verb;
  const char *snapshot;    /* RESTORE, DELETE: UUID; RESTORE NULL: the one the present state descends from */
  const char *name;        /* TAKE and END_DRIVE KEEP_AS_SNAPSHOT: NULL: one is made up. RESTORE: a snapshot of the
                            * present state is taken first under this name, unless NULL */
  const char *description; /* of a snapshot that is taken, or NULL */
  SnapshotDriveEnd how;    /* END_DRIVE */
} BunshinSnapshotRequest;

struct _BunshinMachineControlInterface
{
  GTypeInterface parent;

  LibraryState (*get_state) (BunshinMachineControl *self);
  const char *(*get_message) (BunshinMachineControl *self);
  const char *(*get_uuid) (BunshinMachineControl *self);
  Machine *(*get_machine) (BunshinMachineControl *self);
  void (*run_async) (BunshinMachineControl *self, BunshinVerb verb, GCancellable *cancellable,
                     GAsyncReadyCallback callback, gpointer data);
  gboolean (*run_finish) (BunshinMachineControl *self, GAsyncResult *result, GError **error);
  /* NULL: a machine's own process, which starts none. */
  void (*drive_async) (BunshinMachineControl *self, const char *snapshot, GCancellable *cancellable,
                       GAsyncReadyCallback callback, gpointer data);
  void (*insert_async) (BunshinMachineControl *self, const char *slot, const char *path, gboolean force,
                        GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data);
  gboolean (*insert_finish) (BunshinMachineControl *self, GAsyncResult *result, GError **error);
  void (*screenshot_async) (BunshinMachineControl *self, GCancellable *cancellable, GAsyncReadyCallback callback,
                            gpointer data);
  GBytes *(*screenshot_finish) (BunshinMachineControl *self, GAsyncResult *result, GError **error);
  void (*info_async) (BunshinMachineControl *self, GCancellable *cancellable, GAsyncReadyCallback callback,
                      gpointer data);
  GVariant *(*info_finish) (BunshinMachineControl *self, GAsyncResult *result, GError **error);
  void (*snapshot_async) (BunshinMachineControl *self, const BunshinSnapshotRequest *request,
                          GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data);
  gboolean (*snapshot_finish) (BunshinMachineControl *self, GAsyncResult *result, GError **error);
};

LibraryState bunshin_machine_control_get_state (BunshinMachineControl *self);
/* NULL when there is nothing to say. */
const char *bunshin_machine_control_get_message (BunshinMachineControl *self);
const char *bunshin_machine_control_get_uuid (BunshinMachineControl *self);
/* The engine's machine, in its own process; NULL in the manager. */
Machine *bunshin_machine_control_get_machine (BunshinMachineControl *self);

void bunshin_machine_control_run_async (BunshinMachineControl *self, BunshinVerb verb, GCancellable *cancellable,
                                        GAsyncReadyCallback callback, gpointer data);
gboolean bunshin_machine_control_run_finish (BunshinMachineControl *self, GAsyncResult *result, GError **error);
/* BUNSHIN_VERB_START_DRIVE that begins at the snapshot of this UUID; its end is bunshin_machine_control_run_finish(). */
void bunshin_machine_control_drive_async (BunshinMachineControl *self, const char *snapshot, GCancellable *cancellable,
                                          GAsyncReadyCallback callback, gpointer data);
/* @slot as in machine_insert(); @path NULL ejects; @force: even when the guest locked the drive. The library's record
 * follows. Works on a running machine only. */
void bunshin_machine_control_insert_async (BunshinMachineControl *self, const char *slot, const char *path,
                                           gboolean force, GCancellable *cancellable, GAsyncReadyCallback callback,
                                           gpointer data);
gboolean bunshin_machine_control_insert_finish (BunshinMachineControl *self, GAsyncResult *result, GError **error);
/* The screen as PNG. */
void bunshin_machine_control_screenshot_async (BunshinMachineControl *self, GCancellable *cancellable,
                                               GAsyncReadyCallback callback, gpointer data);
GBytes *bunshin_machine_control_screenshot_finish (BunshinMachineControl *self, GAsyncResult *result, GError **error);
/* Live figures, a{sv}: "accel" s, "guest-time" x (ns), the counters of MachineInfo t with dashes for underscores. */
void bunshin_machine_control_info_async (BunshinMachineControl *self, GCancellable *cancellable,
                                         GAsyncReadyCallback callback, gpointer data);
GVariant *bunshin_machine_control_info_finish (BunshinMachineControl *self, GAsyncResult *result, GError **error);

/* Of the properties of these names. */
double bunshin_machine_control_get_progress (BunshinMachineControl *self);
gboolean bunshin_machine_control_get_drive_ended (BunshinMachineControl *self);
/* Snapshots of the machine, running or not. One at a time: a second one is an error. @request is copied. Cancelled, a
 * snapshot that is being taken is not there, and the machine what it was; merges go on later. */
void bunshin_machine_control_snapshot_async (BunshinMachineControl *self, const BunshinSnapshotRequest *request,
                                             GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data);
gboolean bunshin_machine_control_snapshot_finish (BunshinMachineControl *self, GAsyncResult *result, GError **error);

/* Where the manager gets the controls of machines that run in processes of their own. */
typedef struct
{
  /* A control that follows the machine of this UUID from now on, running or not. Transfer full; never NULL. */
  BunshinMachineControl *(*control_for) (gpointer opaque, const LibraryMachine *machine);
  gpointer opaque;
} BunshinMachineHost;

G_END_DECLS
