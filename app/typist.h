/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Plays keys and pointer events at a pace a guest can follow, one after the
 * other, on the default main context.
 */
#pragma once

#include "engine/devices/display/display.h"
#include "engine/devices/input/input.h"

typedef struct Typist Typist;
/* @is_complete: all was played; FALSE when the typist went before. */
typedef void (*TypistDone) (gboolean is_complete, void *opaque);

Typist *typist_new (Input *input, Display *display);
/* What is still to come is dropped, and its @done called; keys that are down are let go. */
void typist_free (Typist *typist);
/* Each of these queues events; @done (may be NULL) is called when they have been played. */
void typist_chords (Typist *typist, const GArray *chords, TypistDone done, void *opaque);
/* To a pixel of the screen, then @action: "", "click", "double" or "right". FALSE when that is outside the screen. */
gboolean typist_pointer (Typist *typist, unsigned x, unsigned y, const char *action, TypistDone done,
                         void *opaque, GError **error);
