/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What every process that runs a machine does; see the header. */

#include "app/machine-loop.h"
#include "ui/ui.h"

#include <glib-unix.h>
#include <glib/gi18n.h>
#include <signal.h>

struct MachineLoop
{
  BunshinSession *session;
  Library *library;             /* borrowed, may be NULL */
  GMainLoop *loop;
  gboolean has_display;
  GtkWindow *window;            /* NULL: not wanted yet */
  guint signals[3], end_source;
};

gboolean
machine_loop_prepare (gboolean with_window, GError **error)
{
  /* Both come back as errors of the write that met them. */
  signal (SIGPIPE, SIG_IGN);
  signal (SIGXFSZ, SIG_IGN);
  return !with_window || ui_init (error);
}

static gboolean
on_decided_idle (gpointer data)
{
  MachineLoop *loop = data;

  loop->end_source = 0;
  g_main_loop_quit (loop->loop);
  return G_SOURCE_REMOVE;
}

/* What becomes of the test drive is known. Who said it hears that it is done, before the loop ends. */
static void
on_drive_ended (MachineLoop *loop)
{
  if (!bunshin_machine_control_get_drive_ended (BUNSHIN_MACHINE_CONTROL (loop->session)) && !loop->end_source)
    loop->end_source = g_idle_add (on_decided_idle, loop);
}

/* The machine has ended; its window may have something to ask before the end of the process. */
static void
end (MachineLoop *loop)
{
  if (loop->window && bunshin_session_wait_drive (loop->session))
    g_signal_connect_swapped (loop->session, "notify::drive-ended", G_CALLBACK (on_drive_ended), loop);
  else
    g_main_loop_quit (loop->loop);
}

static gboolean
on_end_idle (gpointer data)
{
  MachineLoop *loop = data;

  loop->end_source = 0;
  end (loop);
  return G_SOURCE_REMOVE;
}

/* In the loop: whoever ended it is still at it. */
static void
on_state (MachineLoop *loop)
{
  if (bunshin_session_has_ended (loop->session) && !loop->end_source)
    loop->end_source = g_idle_add_full (G_PRIORITY_DEFAULT, on_end_idle, loop, NULL);
}

/* A polite request to end is the power plug: the guest's disks are flushed, its own shutdown takes too long. */
static gboolean
on_signal (gpointer data)
{
  MachineLoop *loop = data;

  if (bunshin_machine_control_get_drive_ended (BUNSHIN_MACHINE_CONTROL (loop->session)))
    g_main_loop_quit (loop->loop); /* nobody answers any more */
  else
    bunshin_session_verb (loop->session, BUNSHIN_VERB_POWER_OFF, NULL);
  return G_SOURCE_CONTINUE;
}

/* A machine that was started without a window gets one when somebody wants it. */
static gboolean
present (void *opaque, GError **error)
{
  MachineLoop *loop = opaque;

  if (!loop->has_display && !ui_init (NULL))
    {
      g_set_error_literal (error, LIBRARY_ERROR, LIBRARY_ERROR_FAILED,
                           _("the machine was started where there is no display: power it off and start it here"));
      return FALSE;
    }
  loop->has_display = TRUE;
  if (!loop->window)
    loop->window = ui_machine_window_new (BUNSHIN_MACHINE_CONTROL (loop->session),
                                          bunshin_session_get_record (loop->session), loop->library);
  gtk_window_present (loop->window);
  return TRUE;
}

MachineLoop *
machine_loop_new (BunshinSession *session, Library *library, gboolean with_window)
{
  static const int numbers[] = { SIGINT, SIGTERM, SIGHUP };
  MachineLoop *loop = g_new0 (MachineLoop, 1);

  loop->session = g_object_ref (session);
  loop->loop = g_main_loop_new (NULL, FALSE);
  for (unsigned i = 0; i < G_N_ELEMENTS (numbers); i++)
    loop->signals[i] = g_unix_signal_add (numbers[i], on_signal, loop);
  g_signal_connect_swapped (session, "notify::state", G_CALLBACK (on_state), loop);
  loop->library = library;
  loop->has_display = with_window;
  if (with_window)
    loop->window = ui_machine_window_new (BUNSHIN_MACHINE_CONTROL (session), bunshin_session_get_record (session),
                                          library);
  bunshin_session_set_window (session, present, loop);
  return loop;
}

void
machine_loop_run (MachineLoop *loop)
{
  if (loop->window)
    gtk_window_present (loop->window);
  if (!bunshin_session_has_ended (loop->session))
    g_main_loop_run (loop->loop);
  bunshin_session_set_window (loop->session, NULL, NULL);
  g_clear_pointer (&loop->window, gtk_window_destroy);
}

void
machine_loop_quit (MachineLoop *loop)
{
  g_main_loop_quit (loop->loop);
}

void
machine_loop_free (MachineLoop *loop)
{
  for (unsigned i = 0; i < G_N_ELEMENTS (loop->signals); i++)
    g_source_remove (loop->signals[i]);
  g_clear_handle_id (&loop->end_source, g_source_remove);
  g_signal_handlers_disconnect_by_data (loop->session, loop);
  g_clear_pointer (&loop->window, gtk_window_destroy);
  g_main_loop_unref (loop->loop);
  g_object_unref (loop->session);
  g_free (loop);
}
