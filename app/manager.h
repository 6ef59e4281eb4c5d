/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Opens the manager. */
#pragma once

#include <glib.h>

/* Returns the exit status when the manager has been closed. */
int manager_run (GError **error);
