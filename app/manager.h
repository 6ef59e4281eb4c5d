/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Opens the manager. */
#pragma once

#include <glib.h>

/* Returns the exit status when the manager has been closed; the error says what to do without a display. */
int manager_run (GError **error);
