/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A machine's live figures, a{sv}, as people and programs read them. */
#pragma once

#include <glib.h>

/* A line a figure; a dictionary's entries follow, indented. Caller frees. */
char *figures_to_text (GVariant *figures);
/* One JSON object. Caller frees. */
char *figures_to_json (GVariant *figures);
