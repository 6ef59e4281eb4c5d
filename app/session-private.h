/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the parts of a session share. */
#pragma once

#include "app/serial.h"
#include "app/session.h"
#include "app/typist.h"

/* Takes the session's job over, on the main thread; ends it with session_job_end() when it is done. @task is the caller's. */
typedef void (*SessionJobReady) (BunshinSession *session, GTask *task);

/* Long work on the machine; there is one at a time. */
typedef struct
{
  const char *what;          /* translated, for who comes second; NULL: there is none */
  GCancellable *cancellable; /* owned */
  gboolean is_background;    /* gives way to what the user asks for, and is begun again after it */
  gboolean holds_drives;     /* of one in the background: nothing may be plugged or inserted until it has given way */
} SessionJob;

/* One that comes when the background work has given way. */
typedef struct
{
  const char *what;
  GCancellable *cancellable;
  GTask *task;
  SessionJobReady ready;
} SessionWaiting;

/* How long the machine has run since its last snapshot. */
typedef struct
{
  guint timer;
  gboolean has_run;     /* it ran when it was last looked at, at the time */
  gint64 looked_at;     /* µs, monotonic */
  gint64 ran;           /* µs */
  uint64_t activity;    /* what it had done by then; see session-automatic.c */
  char *before;         /* what tells the disc from others that the last snapshot was taken for, or NULL */
} SessionAutomatic;

enum { SESSION_NO_PROGRESS = -1000 };

struct _BunshinSession
{
  GObject parent;

  /* Owned. */
  LibraryMachine *record;
  LibraryLock *lock;
  Machine *machine;          /* NULL: closed, or it is being put back to a snapshot */
  SerialPort *serial, *debugcon;
  Typist *typist;
  char *socket, *message;
  SessionOptions options;    /* strings are owned */

  /* Borrowed. */
  Library *library;
  BunshinPresent present;
  void *present_opaque;

  LibraryState state;
  gboolean is_saving;        /* the state is being written, to be powered off then */
  gboolean is_saved;
  gboolean is_kept;          /* there is a library it belongs to, and its disks keep what is written */

  SessionJob job;
  SessionWaiting waiting;    /* @task NULL: nobody waits */
  gboolean tidy_again;       /* snapshots, when the job is done */
  int permille;              /* atomic: of the job, or SESSION_NO_PROGRESS */
  int progress_is_told;      /* atomic: a notification is on its way */
  gboolean in_drive, drive_ended, drive_is_decided;
  int64_t last_pause, last_restore; /* µs; 0: there was none */
  SessionAutomatic automatic;
};

/* session.c */
/* The engine's state as others see it. */
void session_follow (BunshinSession *self);
/* What needs the machine to be there still. */
gboolean session_check_alive (BunshinSession *self, GError **error);
gboolean session_fail (GError **error, int code, const char *message);
/* The machine that @record describes, as the session's options say, with the saved state @state, or if that is NULL its own if
 * there is one. Any thread, while nothing else changes the session. */
Machine *session_build (BunshinSession *self, const LibraryMachine *record, const char *state, GError **error);
/* Makes @machine (consumed) the session's; and takes it away from everybody who uses it: the caller frees it then. */
void session_adopt (BunshinSession *self, Machine *machine);
Machine *session_detach (BunshinSession *self);
/* Starts it; the state that it was built with is used up. */
gboolean session_power_on (BunshinSession *self, GError **error);
/* The library's record is the session's from now on; pointers to the record itself stay good. */
void session_take_record (BunshinSession *self, LibraryMachine *record);
/* The machine has ended for a reason that it does not know itself; @message is consumed. */
void session_end (BunshinSession *self, char *message);

/* session-job.c */
/* Calls @ready with @task (consumed) when the session is free for it, perhaps at once; else @task gets the error. A background job
 * that finds it occupied is dropped. @cancellable may be NULL. */
void session_job_begin (BunshinSession *self, const char *what, gboolean is_background, GCancellable *cancellable, GTask *task,
                        SessionJobReady ready);
void session_job_end (BunshinSession *self);
/* Fails while there is one that the user asked for, or that needs the drives as they are. */
gboolean session_job_check (BunshinSession *self, GError **error);
/* Cancels what is under way, the background too. */
void session_job_cancel (BunshinSession *self);
/* Cancels it and waits until it has ended. */
void session_job_finish (BunshinSession *self);
/* Has @func run on a thread as part of the job, with the data of @task; then @done on the main thread, with @task as its own data
 * (and no source object). */
void session_job_thread (BunshinSession *self, GTask *task, GTaskThreadFunc func, GAsyncReadyCallback done);
/* Any thread: from 0 to 1; < 0: not known. */
void session_job_progress (BunshinSession *self, double fraction);

/* session-snapshot.c */
/* In the background: what was interrupted is finished, what is not needed any more goes. */
void session_tidy (BunshinSession *self);

/* session-drive.c */
/* Ends a test drive with what @task's data (a SessionSnapshot) says; consumes @task. */
void session_end_drive (BunshinSession *self, GCancellable *cancellable, GTask *task);
/* At the very end, the machine is freed: a test drive that nobody has decided on is thrown away. */
void session_discard_drive (BunshinSession *self);
/* The top layers of the machine's disks will be deleted: what the guest wrote into them is not waited for. */
void session_abandon_layers (Machine *machine, const LibraryMachine *record);

/* session-devices.c */
/* On the machine's I/O thread. */
void session_on_ejected (void *opaque, Machine *machine, const char *slot);
/* The drive at @slot that takes a medium out and in; or NULL with an error. */
LibraryAttachment *session_find_drive (BunshinSession *self, const char *slot, GError **error);
/* Puts @disk (NULL: nothing) into it, which @path is the name of, and the record follows. */
gboolean session_put (BunshinSession *self, LibraryAttachment *drive, const char *path, Disk *disk, gboolean force,
                      GError **error);

/* session-automatic.c */
/* When the machine has started, and when it is at its end. */
void session_automatic_begin (BunshinSession *self);
void session_automatic_end (BunshinSession *self);
/* A snapshot was taken: the time to the next one counts from now on. */
void session_automatic_taken (BunshinSession *self);
/* The machine has this disc from now on. */
void session_remember_disc (BunshinSession *self, const char *path);
/* Says what the user should know while the machine runs. */
void session_notice (BunshinSession *self, const char *text);

void session_control_init (BunshinMachineControlInterface *iface);
