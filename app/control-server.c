/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The control interface of a running machine: peer-to-peer D-Bus. Spec: D-Bus Specification, Authentication Protocol.
 */

#include "app/control-server.h"
#include "app/org.bunshin.Machine.h"

#include <glib/gi18n.h>
#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>

struct ControlServer
{
  BunshinSession *session;
  GDBusServer *server;
  GDBusAuthObserver *observer;
  BunshinDBusMachine *skeleton;
  GPtrArray *connections;
  char *path;
};

/* Completes @invocation without a result, or with @error. */
static gboolean
answer (GDBusMethodInvocation *invocation, gboolean ok, GError *error)
{
  if (ok)
    g_dbus_method_invocation_return_value (invocation, NULL);
  else
    g_dbus_method_invocation_take_error (invocation, error);
  return TRUE;
}

static gboolean
run_verb (ControlServer *server, GDBusMethodInvocation *invocation, BunshinVerb verb)
{
  GError *error = NULL;
  gboolean ok = bunshin_session_verb (server->session, verb, &error);

  return answer (invocation, ok, error);
}

#define VERB_HANDLER(name, verb)                                                                                       \
  static gboolean on_##name (BunshinDBusMachine *skeleton, GDBusMethodInvocation *invocation, gpointer data)           \
  {                                                                                                                    \
    return run_verb (data, invocation, verb);                                                                          \
  }
VERB_HANDLER (pause, BUNSHIN_VERB_PAUSE)
VERB_HANDLER (resume, BUNSHIN_VERB_RESUME)
VERB_HANDLER (reset, BUNSHIN_VERB_RESET)
VERB_HANDLER (power_button, BUNSHIN_VERB_POWER_BUTTON)
VERB_HANDLER (power_off, BUNSHIN_VERB_POWER_OFF)
VERB_HANDLER (show_window, BUNSHIN_VERB_SHOW_WINDOW)

static void
on_saved (GObject *source, GAsyncResult *result, gpointer data)
{
  GError *error = NULL;
  gboolean ok = bunshin_session_save_finish (BUNSHIN_SESSION (source), result, &error);

  answer (data, ok, error);
}

static gboolean
on_save (BunshinDBusMachine *skeleton, GDBusMethodInvocation *invocation, gpointer data)
{
  bunshin_session_save_async (((ControlServer *) data)->session, NULL, on_saved, invocation);
  return TRUE;
}

static void
on_snapshot_done (GObject *source, GAsyncResult *result, gpointer data)
{
  GError *error = NULL;
  gboolean ok = bunshin_session_snapshot_finish (BUNSHIN_SESSION (source), result, &error);

  answer (data, ok, error);
}

/* An empty text stands for none. */
static const char *
text_or_null (const char *text)
{
  return *text != '\0' ? text : NULL;
}

static gboolean
on_take_snapshot (BunshinDBusMachine *skeleton, GDBusMethodInvocation *invocation, const char *name,
                  const char *description, gpointer data)
{
  const BunshinSnapshotRequest request = { .verb = BUNSHIN_SNAPSHOT_TAKE, .name = text_or_null (name),
                                           .description = text_or_null (description) };

  bunshin_session_snapshot_async (((ControlServer *) data)->session, &request, NULL, on_snapshot_done, invocation);
  return TRUE;
}

static gboolean
on_restore_snapshot (BunshinDBusMachine *skeleton, GDBusMethodInvocation *invocation, const char *snapshot, const char *keep,
                     const char *description, gpointer data)
{
  const BunshinSnapshotRequest request = { .verb = BUNSHIN_SNAPSHOT_RESTORE, .snapshot = text_or_null (snapshot),
                                           .name = text_or_null (keep), .description = text_or_null (description) };

  bunshin_session_snapshot_async (((ControlServer *) data)->session, &request, NULL, on_snapshot_done, invocation);
  return TRUE;
}

static gboolean
on_delete_snapshot (BunshinDBusMachine *skeleton, GDBusMethodInvocation *invocation, const char *snapshot, gpointer data)
{
  const BunshinSnapshotRequest request = { .verb = BUNSHIN_SNAPSHOT_DELETE, .snapshot = snapshot };

  bunshin_session_snapshot_async (((ControlServer *) data)->session, &request, NULL, on_snapshot_done, invocation);
  return TRUE;
}

static gboolean
on_end_drive (BunshinDBusMachine *skeleton, GDBusMethodInvocation *invocation, const char *how, const char *name,
              const char *description, gpointer data)
{
  static const char *const words[] = { [SNAPSHOT_DRIVE_DISCARD] = "discard", [SNAPSHOT_DRIVE_KEEP] = "keep",
                                       [SNAPSHOT_DRIVE_KEEP_AS_SNAPSHOT] = "keep-as" };
  BunshinSnapshotRequest request = { .verb = BUNSHIN_SNAPSHOT_END_DRIVE, .name = text_or_null (name),
                                     .description = text_or_null (description) };

  for (unsigned i = 0; i < G_N_ELEMENTS (words); i++)
    if (strcmp (how, words[i]) == 0)
      {
        request.how = i;
        bunshin_session_snapshot_async (((ControlServer *) data)->session, &request, NULL, on_snapshot_done, invocation);
        return TRUE;
      }
  g_dbus_method_invocation_return_error (invocation, LIBRARY_ERROR, LIBRARY_ERROR_INVALID,
                                         _("“%s” must be discard, keep or keep-as"), how);
  return TRUE;
}

static gboolean
on_cancel_snapshot (BunshinDBusMachine *skeleton, GDBusMethodInvocation *invocation, gpointer data)
{
  bunshin_session_snapshot_cancel (((ControlServer *) data)->session);
  return answer (invocation, TRUE, NULL);
}

static void
on_inserted (GObject *source, GAsyncResult *result, gpointer data)
{
  GError *error = NULL;
  gboolean ok = bunshin_session_insert_finish (BUNSHIN_SESSION (source), result, &error);

  answer (data, ok, error);
}

static gboolean
on_insert_medium (BunshinDBusMachine *skeleton, GDBusMethodInvocation *invocation, const char *slot, const char *path,
                  gboolean force, gpointer data)
{
  bunshin_session_insert_async (((ControlServer *) data)->session, slot, text_or_null (path), force, NULL, on_inserted,
                                invocation);
  return TRUE;
}

static gboolean
on_plug_disk (BunshinDBusMachine *skeleton, GDBusMethodInvocation *invocation, const char *slot, const char *path,
              gpointer data)
{
  ControlServer *server = data;
  GError *error = NULL;
  gboolean ok = bunshin_session_plug (server->session, slot, *path != '\0' ? path : NULL, &error);

  return answer (invocation, ok, error);
}

static gboolean
on_screenshot (BunshinDBusMachine *skeleton, GDBusMethodInvocation *invocation, const char *format, gpointer data)
{
  ControlServer *server = data;
  GError *error = NULL;
  g_autoptr (GBytes) bytes = bunshin_session_screenshot (server->session, format, &error);

  if (!bytes)
    return answer (invocation, FALSE, error);
  bunshin_dbus_machine_complete_screenshot (skeleton, invocation,
                                            g_variant_new_from_bytes (G_VARIANT_TYPE_BYTESTRING, bytes, TRUE));
  return TRUE;
}

static void
on_played (gboolean is_complete, void *opaque)
{
  if (is_complete)
    g_dbus_method_invocation_return_value (opaque, NULL);
  else
    g_dbus_method_invocation_return_error (opaque, LIBRARY_ERROR, LIBRARY_ERROR_RUNNING,
                                           _("the machine was powered off before all was typed"));
}

static gboolean
on_type (BunshinDBusMachine *skeleton, GDBusMethodInvocation *invocation, const char *text, gpointer data)
{
  ControlServer *server = data;
  GError *error = NULL;

  return bunshin_session_type (server->session, text, on_played, invocation, &error) ||
         answer (invocation, FALSE, error);
}

static gboolean
on_key (BunshinDBusMachine *skeleton, GDBusMethodInvocation *invocation, const char *name, gpointer data)
{
  ControlServer *server = data;
  GError *error = NULL;

  return bunshin_session_key (server->session, name, on_played, invocation, &error) ||
         answer (invocation, FALSE, error);
}

static gboolean
on_mouse (BunshinDBusMachine *skeleton, GDBusMethodInvocation *invocation, guint x, guint y, const char *action,
          gpointer data)
{
  ControlServer *server = data;
  GError *error = NULL;

  return bunshin_session_mouse (server->session, x, y, action, on_played, invocation, &error) ||
         answer (invocation, FALSE, error);
}

static gboolean
on_info (BunshinDBusMachine *skeleton, GDBusMethodInvocation *invocation, gpointer data)
{
  ControlServer *server = data;

  bunshin_dbus_machine_complete_info (skeleton, invocation, bunshin_session_info (server->session));
  return TRUE;
}

static gboolean
on_set_accelerator (BunshinDBusMachine *skeleton, GDBusMethodInvocation *invocation, const char *name, gpointer data)
{
  ControlServer *server = data;
  GError *error = NULL;
  gboolean ok = bunshin_session_set_accel (server->session, name, &error);

  return answer (invocation, ok, error);
}

static gboolean
on_add_forward (BunshinDBusMachine *skeleton, GDBusMethodInvocation *invocation, guint slot, const char *rule,
                gpointer data)
{
  ControlServer *server = data;
  GError *error = NULL;
  gboolean ok = bunshin_session_forward (server->session, slot, rule, TRUE, &error);

  return answer (invocation, ok, error);
}

static gboolean
on_remove_forward (BunshinDBusMachine *skeleton, GDBusMethodInvocation *invocation, guint slot, const char *rule,
                   gpointer data)
{
  ControlServer *server = data;
  GError *error = NULL;
  gboolean ok = bunshin_session_forward (server->session, slot, rule, FALSE, &error);

  return answer (invocation, ok, error);
}

static gboolean
on_set_cable (BunshinDBusMachine *skeleton, GDBusMethodInvocation *invocation, guint slot, gboolean connected,
              gpointer data)
{
  ControlServer *server = data;
  GError *error = NULL;
  gboolean ok = bunshin_session_set_cable (server->session, slot, connected, &error);

  return answer (invocation, ok, error);
}

static void
on_session_changed (BunshinMachineControl *control, GParamSpec *pspec, gpointer data)
{
  ControlServer *server = data;
  const char *message = bunshin_machine_control_get_message (control);

  bunshin_dbus_machine_set_state (server->skeleton,
                                  library_state_name (bunshin_machine_control_get_state (control)));
  bunshin_dbus_machine_set_progress (server->skeleton, bunshin_machine_control_get_progress (control));
  bunshin_dbus_machine_set_message (server->skeleton, message ? message : "");
}

static void
on_closed (GDBusConnection *connection, gboolean remote_vanished, GError *error, gpointer data)
{
  ControlServer *server = data;

  g_dbus_interface_skeleton_unexport_from_connection (G_DBUS_INTERFACE_SKELETON (server->skeleton), connection);
  g_signal_handlers_disconnect_by_data (connection, server);
  g_ptr_array_remove_fast (server->connections, connection);
}

static gboolean
on_connection (GDBusServer *dbus_server, GDBusConnection *connection, gpointer data)
{
  ControlServer *server = data;

  if (!g_dbus_interface_skeleton_export (G_DBUS_INTERFACE_SKELETON (server->skeleton), connection,
                                         "/org/bunshin/Machine", NULL))
    return FALSE;
  g_ptr_array_add (server->connections, g_object_ref (connection));
  g_signal_connect (connection, "closed", G_CALLBACK (on_closed), server);
  return TRUE;
}

/* Only the kernel's word on who the peer is counts. */
static gboolean
on_allow_mechanism (GDBusAuthObserver *observer, const char *mechanism, gpointer data)
{
  return g_strcmp0 (mechanism, "EXTERNAL") == 0;
}

static BunshinDBusMachine *
make_skeleton (ControlServer *server)
{
  static const struct { const char *signal; GCallback handler; } handlers[] = {
    { "handle-pause", G_CALLBACK (on_pause) }, { "handle-resume", G_CALLBACK (on_resume) },
    { "handle-reset", G_CALLBACK (on_reset) }, { "handle-power-button", G_CALLBACK (on_power_button) },
    { "handle-power-off", G_CALLBACK (on_power_off) }, { "handle-show-window", G_CALLBACK (on_show_window) },
    { "handle-save", G_CALLBACK (on_save) },
    { "handle-take-snapshot", G_CALLBACK (on_take_snapshot) },
    { "handle-restore-snapshot", G_CALLBACK (on_restore_snapshot) },
    { "handle-delete-snapshot", G_CALLBACK (on_delete_snapshot) }, { "handle-end-drive", G_CALLBACK (on_end_drive) },
    { "handle-cancel-snapshot", G_CALLBACK (on_cancel_snapshot) },
    { "handle-insert-medium", G_CALLBACK (on_insert_medium) }, { "handle-plug-disk", G_CALLBACK (on_plug_disk) },
    { "handle-screenshot", G_CALLBACK (on_screenshot) },
    { "handle-type", G_CALLBACK (on_type) }, { "handle-key", G_CALLBACK (on_key) },
    { "handle-mouse", G_CALLBACK (on_mouse) }, { "handle-info", G_CALLBACK (on_info) },
    { "handle-set-accelerator", G_CALLBACK (on_set_accelerator) },
    { "handle-add-forward", G_CALLBACK (on_add_forward) },
    { "handle-remove-forward", G_CALLBACK (on_remove_forward) }, { "handle-set-cable", G_CALLBACK (on_set_cable) },
  };
  BunshinDBusMachine *skeleton = bunshin_dbus_machine_skeleton_new ();

  for (unsigned i = 0; i < G_N_ELEMENTS (handlers); i++)
    g_signal_connect (skeleton, handlers[i].signal, handlers[i].handler, server);
  bunshin_dbus_machine_set_uuid (skeleton,
                                 bunshin_machine_control_get_uuid (BUNSHIN_MACHINE_CONTROL (server->session)));
  return skeleton;
}

ControlServer *
control_server_new (BunshinSession *session, const char *path, GError **error)
{
  g_autofree char *escaped = g_dbus_address_escape_value (path), *address = g_strconcat ("unix:path=", escaped, NULL);
  g_autofree char *guid = g_dbus_generate_guid ();
  ControlServer *server = g_new0 (ControlServer, 1);

  server->session = g_object_ref (session);
  server->path = g_strdup (path);
  server->connections = g_ptr_array_new_with_free_func (g_object_unref);
  server->observer = g_dbus_auth_observer_new ();
  g_signal_connect (server->observer, "allow-mechanism", G_CALLBACK (on_allow_mechanism), server);
  server->skeleton = make_skeleton (server);
  g_signal_connect (session, "notify", G_CALLBACK (on_session_changed), server);
  on_session_changed (BUNSHIN_MACHINE_CONTROL (session), NULL, server);

  g_unlink (path);
  /* Its folder is this user's alone, so nobody meets the socket before its mode is set. */
  server->server = g_dbus_server_new_sync (address, G_DBUS_SERVER_FLAGS_AUTHENTICATION_REQUIRE_SAME_USER, guid,
                                           server->observer, NULL, error);
  if (!server->server || g_chmod (path, 0600) != 0)
    {
      g_prefix_error (error, "cannot serve the control socket “%s”: ", path);
      if (server->server && error && !*error)
        g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (errno),
                     _("cannot protect the control socket “%s”: %s"), path, g_strerror (errno));
      control_server_free (server);
      return NULL;
    }
  g_signal_connect (server->server, "new-connection", G_CALLBACK (on_connection), server);
  g_dbus_server_start (server->server);
  return server;
}

void
control_server_free (ControlServer *server)
{
  if (!server)
    return;
  g_signal_handlers_disconnect_by_data (server->session, server);
  if (server->server)
    {
      g_signal_handlers_disconnect_by_data (server->server, server);
      g_dbus_server_stop (server->server);
      g_object_unref (server->server);
      g_unlink (server->path);
    }
  for (unsigned i = 0; i < server->connections->len; i++)
    {
      GDBusConnection *connection = g_ptr_array_index (server->connections, i);

      g_signal_handlers_disconnect_by_data (connection, server);
      g_dbus_interface_skeleton_unexport_from_connection (G_DBUS_INTERFACE_SKELETON (server->skeleton), connection);
      /* What was answered still goes out. */
      g_dbus_connection_flush_sync (connection, NULL, NULL);
      g_dbus_connection_close_sync (connection, NULL, NULL);
    }
  g_ptr_array_unref (server->connections);
  g_signal_handlers_disconnect_by_data (server->skeleton, server);
  g_object_unref (server->skeleton);
  g_object_unref (server->observer);
  g_object_unref (server->session);
  g_free (server->path);
  g_free (server);
}
