/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One image in the list of media: what the library knows of it, what its file
 * says, and what is being done with it.
 *
 * Signal: "changed".
 */
#pragma once

#include "ui/medium-info.h"

#include <gio/gio.h>

G_BEGIN_DECLS

#define BUNSHIN_TYPE_MEDIUM_ITEM (bunshin_medium_item_get_type ())
G_DECLARE_FINAL_TYPE (BunshinMediumItem, bunshin_medium_item, BUNSHIN, MEDIUM_ITEM, GObject)

/* @medium is taken over. One that is not listed is there because others are based on it. */
BunshinMediumItem *bunshin_medium_item_new (LibraryMedium *medium, gboolean is_listed);

const char *bunshin_medium_item_get_path (BunshinMediumItem *self);
/* The file's name, to be shown. */
const char *bunshin_medium_item_get_name (BunshinMediumItem *self);
const LibraryMedium *bunshin_medium_item_get_medium (BunshinMediumItem *self);
/* NULL: not read yet. */
const MediumInfo *bunshin_medium_item_get_info (BunshinMediumItem *self);
/* How many others it is based on that are shown above it. */
guint bunshin_medium_item_get_depth (BunshinMediumItem *self);
gboolean bunshin_medium_item_is_running (BunshinMediumItem *self);
/* Of LibraryMediumUser: the machines that have it, and those that have others which are based on it. */
const GPtrArray *bunshin_medium_item_get_users (BunshinMediumItem *self);
/* What may be done with it now. */
MediumVerbs bunshin_medium_item_get_verbs (BunshinMediumItem *self);

/* For the list of media. @medium and @info are taken over; "changed" is emitted when something did. */
void bunshin_medium_item_update (BunshinMediumItem *self, LibraryMedium *medium, gboolean is_listed);
void bunshin_medium_item_set_info (BunshinMediumItem *self, MediumInfo *info);
void bunshin_medium_item_set_place (BunshinMediumItem *self, guint depth, gboolean has_children, gboolean has_layers,
                                    gboolean is_running);
/* @users: as above; copied. */
void bunshin_medium_item_set_users (BunshinMediumItem *self, const GPtrArray *users);

/* Work on it: @text is what is done ("Copying…"). It ends with NULL. */
void bunshin_medium_item_start (BunshinMediumItem *self, const char *text, GCancellable *cancellable);
void bunshin_medium_item_set_progress (BunshinMediumItem *self, double fraction);
void bunshin_medium_item_end (BunshinMediumItem *self);
/* NULL: nothing is done with it. */
const char *bunshin_medium_item_get_work (BunshinMediumItem *self);
/* 0 … 1; negative: not known. */
double bunshin_medium_item_get_progress (BunshinMediumItem *self);
void bunshin_medium_item_cancel (BunshinMediumItem *self);

G_END_DECLS
