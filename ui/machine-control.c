/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The interface by which windows drive machines; see the header. */

#include "ui/machine-control.h"

G_DEFINE_INTERFACE (BunshinMachineControl, bunshin_machine_control, G_TYPE_OBJECT)

static void
bunshin_machine_control_default_init (BunshinMachineControlInterface *iface)
{
  const GParamFlags flags = G_PARAM_READABLE | G_PARAM_EXPLICIT_NOTIFY | G_PARAM_STATIC_STRINGS;

  g_object_interface_install_property (iface, g_param_spec_string ("uuid", NULL, NULL, NULL, flags));
  g_object_interface_install_property (iface, g_param_spec_int ("state", NULL, NULL, LIBRARY_STATE_POWERED_OFF,
                                                                LIBRARY_STATE_LAST, LIBRARY_STATE_POWERED_OFF,
                                                                flags));
  g_object_interface_install_property (iface, g_param_spec_string ("message", NULL, NULL, NULL, flags));
  g_object_interface_install_property (iface, g_param_spec_pointer ("machine", NULL, NULL, flags));
  g_object_interface_install_property (iface, g_param_spec_double ("progress", NULL, NULL, -1, 1, -1, flags));
  g_object_interface_install_property (iface, g_param_spec_boolean ("drive-ended", NULL, NULL, FALSE, flags));
  g_signal_new ("notice", BUNSHIN_TYPE_MACHINE_CONTROL, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1, G_TYPE_STRING);
}

LibraryState
bunshin_machine_control_get_state (BunshinMachineControl *self)
{
  return BUNSHIN_MACHINE_CONTROL_GET_IFACE (self)->get_state (self);
}

const char *
bunshin_machine_control_get_message (BunshinMachineControl *self)
{
  return BUNSHIN_MACHINE_CONTROL_GET_IFACE (self)->get_message (self);
}

const char *
bunshin_machine_control_get_uuid (BunshinMachineControl *self)
{
  return BUNSHIN_MACHINE_CONTROL_GET_IFACE (self)->get_uuid (self);
}

Machine *
bunshin_machine_control_get_machine (BunshinMachineControl *self)
{
  return BUNSHIN_MACHINE_CONTROL_GET_IFACE (self)->get_machine (self);
}

void
bunshin_machine_control_run_async (BunshinMachineControl *self, BunshinVerb verb, GCancellable *cancellable,
                                   GAsyncReadyCallback callback, gpointer data)
{
  BUNSHIN_MACHINE_CONTROL_GET_IFACE (self)->run_async (self, verb, cancellable, callback, data);
}

gboolean
bunshin_machine_control_run_finish (BunshinMachineControl *self, GAsyncResult *result, GError **error)
{
  return BUNSHIN_MACHINE_CONTROL_GET_IFACE (self)->run_finish (self, result, error);
}

void
bunshin_machine_control_drive_async (BunshinMachineControl *self, const char *snapshot, GCancellable *cancellable,
                                     GAsyncReadyCallback callback, gpointer data)
{
  BUNSHIN_MACHINE_CONTROL_GET_IFACE (self)->drive_async (self, snapshot, cancellable, callback, data);
}

void
bunshin_machine_control_insert_async (BunshinMachineControl *self, const char *slot, const char *path,
                                      gboolean force, GCancellable *cancellable, GAsyncReadyCallback callback,
                                      gpointer data)
{
  BUNSHIN_MACHINE_CONTROL_GET_IFACE (self)->insert_async (self, slot, path, force, cancellable, callback, data);
}

gboolean
bunshin_machine_control_insert_finish (BunshinMachineControl *self, GAsyncResult *result, GError **error)
{
  return BUNSHIN_MACHINE_CONTROL_GET_IFACE (self)->insert_finish (self, result, error);
}

void
bunshin_machine_control_screenshot_async (BunshinMachineControl *self, GCancellable *cancellable,
                                          GAsyncReadyCallback callback, gpointer data)
{
  BUNSHIN_MACHINE_CONTROL_GET_IFACE (self)->screenshot_async (self, cancellable, callback, data);
}

GBytes *
bunshin_machine_control_screenshot_finish (BunshinMachineControl *self, GAsyncResult *result, GError **error)
{
  return BUNSHIN_MACHINE_CONTROL_GET_IFACE (self)->screenshot_finish (self, result, error);
}

void
bunshin_machine_control_info_async (BunshinMachineControl *self, GCancellable *cancellable,
                                    GAsyncReadyCallback callback, gpointer data)
{
  BUNSHIN_MACHINE_CONTROL_GET_IFACE (self)->info_async (self, cancellable, callback, data);
}

GVariant *
bunshin_machine_control_info_finish (BunshinMachineControl *self, GAsyncResult *result, GError **error)
{
  return BUNSHIN_MACHINE_CONTROL_GET_IFACE (self)->info_finish (self, result, error);
}

double
bunshin_machine_control_get_progress (BunshinMachineControl *self)
{
  double progress;

  g_object_get (self, "progress", &progress, NULL);
  return progress;
}

gboolean
bunshin_machine_control_get_drive_ended (BunshinMachineControl *self)
{
  gboolean ended;

  g_object_get (self, "drive-ended", &ended, NULL);
  return ended;
}

void
bunshin_machine_control_snapshot_async (BunshinMachineControl *self, const BunshinSnapshotRequest *request,
                                        GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data)
{
  BUNSHIN_MACHINE_CONTROL_GET_IFACE (self)->snapshot_async (self, request, cancellable, callback, data);
}

gboolean
bunshin_machine_control_snapshot_finish (BunshinMachineControl *self, GAsyncResult *result, GError **error)
{
  return BUNSHIN_MACHINE_CONTROL_GET_IFACE (self)->snapshot_finish (self, result, error);
}
