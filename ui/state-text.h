/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A machine's state in words and colours. */
#pragma once

#include "storage/library/library.h"

G_BEGIN_DECLS

/* "Running"; translated. */
const char *state_text (LibraryState state);
/* The style class of labels that show it. */
const char *state_style (LibraryState state);
/* Which verbs make sense. */
gboolean state_is_off (LibraryState state);
/* Off, with a saved state or without. */
gboolean state_can_start (LibraryState state);
gboolean state_is_up (LibraryState state);

G_END_DECLS
