/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The library's media as a list model of BunshinMediumItem: by kind and name,
 * those that are based on another beneath it. It follows changes that machines
 * and other processes make while it is active.
 *
 * Signal: "failed" (string) when the library cannot be read.
 */
#pragma once

#include "ui/machine-list.h"
#include "ui/medium-item.h"

G_BEGIN_DECLS

#define BUNSHIN_TYPE_MEDIA_LIST (bunshin_media_list_get_type ())
G_DECLARE_FINAL_TYPE (BunshinMediaList, bunshin_media_list, BUNSHIN, MEDIA_LIST, GObject)

/* The library outlives the list. */
BunshinMediaList *bunshin_media_list_new (Library *library, BunshinMachineList *machines);
/* The items; belongs to the list. */
GListModel *bunshin_media_list_get_model (BunshinMediaList *self);
/* While it is not active it costs nothing. */
void bunshin_media_list_set_active (BunshinMediaList *self, gboolean active);
/* Reads the library and the files again. */
void bunshin_media_list_reload (BunshinMediaList *self);
/* Borrowed; NULL: there is none. */
BunshinMediumItem *bunshin_media_list_find (BunshinMediaList *self, const char *path);

G_END_DECLS
