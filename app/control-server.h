/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Serves a session's control interface on a Unix socket, to this user's processes only. */
#pragma once

#include "app/session.h"

typedef struct ControlServer ControlServer;

/* @path is replaced if it exists: the machine's lock says that nobody serves it. */
ControlServer *control_server_new (BunshinSession *session, const char *path, GError **error);
/* Ends the service and every connection, and removes the socket. */
void control_server_free (ControlServer *server);
