/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the parts of the page of media share. */
#pragma once

#include "ui/media-list.h"
#include "ui/media-page.h"

enum
{
  MEDIA_KINDS = 3
};

struct _BunshinMediaPage
{
  AdwBin parent_instance;

  /* template */
  AdwToastOverlay *toasts;
  GtkStack *stack;
  GtkSearchBar *search_bar;
  GtkSearchEntry *search_entry;
  AdwPreferencesGroup *disk_group, *disc_group, *floppy_group;
  GtkListBox *disk_list, *disc_list, *floppy_list;

  /* owned */
  BunshinMediaList *media;
  GtkFilterListModel *kept;                /* without those about to be deleted */
  GtkFilterListModel *found[MEDIA_KINDS];  /* of each kind, those that the search finds */
  GHashTable *deletions;                   /* path → Deletion */
  GPtrArray *works;                        /* GCancellable, of what is under way */

  /* borrowed */
  Library *library;
};

GtkWindow *media_page_window (BunshinMediaPage *self);
void media_page_toast (BunshinMediaPage *self, const char *text);
/* After the set of media that are about to be deleted changed. */
void media_page_refilter (BunshinMediaPage *self);

/* media-page-tools.c: work on images. */
void media_page_copy (BunshinMediaPage *self, BunshinMediumItem *item);
void media_page_move (BunshinMediaPage *self, BunshinMediumItem *item);
void media_page_resize (BunshinMediaPage *self, BunshinMediumItem *item);
void media_page_compact (BunshinMediaPage *self, BunshinMediumItem *item);
void media_page_check (BunshinMediaPage *self, BunshinMediumItem *item);
/* What they do when a place was chosen. */
void media_page_move_to (BunshinMediaPage *self, BunshinMediumItem *item, const char *path);
void media_page_repair_to (BunshinMediaPage *self, BunshinMediumItem *item, const char *path);

/* media-page-remove.c: taking images out of machines, of the list, and away; with undo. */
void media_page_init_deletions (BunshinMediaPage *self);
gboolean media_page_is_being_deleted (BunshinMediaPage *self, const char *path);
void media_page_release (BunshinMediaPage *self, BunshinMediumItem *item);
void media_page_remove (BunshinMediaPage *self, BunshinMediumItem *item);
void media_page_delete (BunshinMediaPage *self, BunshinMediumItem *item);
