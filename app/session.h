/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A machine in this process: the engine's Machine made from a record, its
 * disks, network and serial port, and what windows and the control socket may
 * do with it (it implements BunshinMachineControl). Lives on the main thread.
 */
#pragma once

#include "app/typist.h"
#include "ui/machine-control.h"

#define BUNSHIN_TYPE_SESSION (bunshin_session_get_type ())
G_DECLARE_FINAL_TYPE (BunshinSession, bunshin_session, BUNSHIN, SESSION, GObject)

/* What a record does not say. All may be zero; strings are copied. */
typedef struct
{
  const char *bios, *kernel, *initrd, *append;
  const char *serial;        /* as for serial_port_new() */
  const char *debugcon;      /* a file */
  gboolean debug_exit;
  gboolean perf_map;         /* as in MachineConfig */
  gboolean discard_changes;  /* disks stay as they are */
  gboolean no_network;       /* all cables are out, whatever the record says */
  const char *cpu_model;     /* instead of the record's */
} SessionOptions;

/* Assembles the machine, powered off. @library and @lock: NULL for a machine that is not kept; @library is borrowed,
 * @lock is taken on success and released when the session closes. @record is copied. */
BunshinSession *bunshin_session_new (Library *library, LibraryLock *lock, const LibraryMachine *record,
                                     const SessionOptions *options, GError **error);
/* Goes on from the saved state when there is one. A state that cannot be used stays where it is, and is an error. */
gboolean bunshin_session_start (BunshinSession *self, GError **error);
/* Ends the machine, closes its disks and releases the lock. Nothing may use the Machine afterwards. */
void bunshin_session_close (BunshinSession *self);

const LibraryMachine *bunshin_session_get_record (BunshinSession *self);
/* What the control socket's path is, for others to find. */
void bunshin_session_set_socket (BunshinSession *self, const char *socket);
/* Whether the machine has ended; "state" then says “stopping” until the session is closed. */
gboolean bunshin_session_has_ended (BunshinSession *self);
/* What the user should know after the start, or NULL. */
const char *bunshin_session_get_notice (BunshinSession *self);
/* What shows the window; without it there is none. */
typedef gboolean (*BunshinPresent) (void *opaque, GError **error);
void bunshin_session_set_window (BunshinSession *self, BunshinPresent present, void *opaque);

gboolean bunshin_session_verb (BunshinSession *self, BunshinVerb verb, GError **error);
/* Writes the machine's state to its folder while it runs on, then powers it off. Cancelled, or when it fails, the machine is
 * what it was. */
void bunshin_session_save_async (BunshinSession *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data);
gboolean bunshin_session_save_finish (BunshinSession *self, GAsyncResult *result, GError **error);
/* The machine may run or be paused; see bunshin_machine_control_snapshot_async(). */
void bunshin_session_snapshot_async (BunshinSession *self, const BunshinSnapshotRequest *request, GCancellable *cancellable,
                                     GAsyncReadyCallback callback, gpointer data);
gboolean bunshin_session_snapshot_finish (BunshinSession *self, GAsyncResult *result, GError **error);
/* Cancels the snapshot work under way, if there is any. */
void bunshin_session_snapshot_cancel (BunshinSession *self);
/* After the machine has ended: whether this was a test drive and a window asks what becomes of it. “drive-ended” then turns FALSE
 * when that is known. */
gboolean bunshin_session_wait_drive (BunshinSession *self);
/* See bunshin_machine_control_insert_async(): done at once, or after an automatic snapshot. When that fails, the user is told
 * so (signal "notice") and the medium is inserted all the same; when it is cancelled, nothing is. */
void bunshin_session_insert_async (BunshinSession *self, const char *slot, const char *path, gboolean force,
                                   GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data);
gboolean bunshin_session_insert_finish (BunshinSession *self, GAsyncResult *result, GError **error);
/* At the time @now (µs, monotonic): takes the snapshot that is due, if one is. The session calls it now and then by itself. */
void bunshin_session_look_at_clock (BunshinSession *self, gint64 now);
/* Of a machine that is about to be started, whose lock the caller holds: takes the snapshot that comes before discs it has not
 * had. Adds a sentence to @did (NULL-terminated or NULL) when that was not possible. */
void bunshin_session_before_start (Library *library, const LibraryMachine *record, char ***did);
/* @slot: "ahci0" …, "scsi0" …. Connects a disk's image or, with NULL, takes the disk there away. */
gboolean bunshin_session_plug (BunshinSession *self, const char *slot, const char *path, GError **error);
/* @format: "png" or "text". */
GBytes *bunshin_session_screenshot (BunshinSession *self, const char *format, GError **error);
GVariant *bunshin_session_info (BunshinSession *self);
/* For developers: @name as in the settings, but not "auto". */
gboolean bunshin_session_set_accel (BunshinSession *self, const char *name, GError **error);
/* These play events; @done is called when they have been played, or the session closes before. */
gboolean bunshin_session_type (BunshinSession *self, const char *text, TypistDone done, void *opaque,
                               GError **error);
gboolean bunshin_session_key (BunshinSession *self, const char *name, TypistDone done, void *opaque,
                              GError **error);
gboolean bunshin_session_mouse (BunshinSession *self, unsigned x, unsigned y, const char *action,
                                TypistDone done, void *opaque, GError **error);
/* After the machine ended: drops what is still to be typed and cancels what is under way; whoever waits for it gets an answer. */
void bunshin_session_stop_work (BunshinSession *self);
gboolean bunshin_session_forward (BunshinSession *self, unsigned slot, const char *rule, gboolean add, GError **error);
gboolean bunshin_session_set_cable (BunshinSession *self, unsigned slot, gboolean connected, GError **error);
