/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The page of media: disks, discs and floppies that machines have or that were
 * added by hand, and the tools for them.
 *
 * Signals: "show-machine" (string uuid); "close" when the user goes back.
 */
#pragma once

#include "ui/machine-list.h"

#include <adwaita.h>

G_BEGIN_DECLS

#define BUNSHIN_TYPE_MEDIA_PAGE (bunshin_media_page_get_type ())
G_DECLARE_FINAL_TYPE (BunshinMediaPage, bunshin_media_page, BUNSHIN, MEDIA_PAGE, AdwBin)

/* Once, before it is shown. The library outlives the page. */
void bunshin_media_page_set_library (BunshinMediaPage *self, Library *library, BunshinMachineList *machines);
/* Whether work on images is under way; and stops it all. */
gboolean bunshin_media_page_is_busy (BunshinMediaPage *self);
void bunshin_media_page_cancel (BunshinMediaPage *self);
/* Carries out what could still be undone: the window closes. */
void bunshin_media_page_finish (BunshinMediaPage *self);
void bunshin_media_page_search (BunshinMediaPage *self);

G_END_DECLS
