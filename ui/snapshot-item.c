/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A row of the timeline; see the header. */

#include "ui/snapshot-item.h"

#include <glib/gi18n.h>

struct _BunshinSnapshotItem
{
  GObject parent_instance;

  char *uuid;
  Snapshot *snapshot;
  SnapshotPlace place;
  GdkTexture *thumbnail;
  char *summary, *os_id, *work;
  double progress;
  SnapshotVerbs verbs;
};

enum { CHANGED, N_SIGNALS };

static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (BunshinSnapshotItem, bunshin_snapshot_item, G_TYPE_OBJECT)

void
bunshin_snapshot_item_refresh (BunshinSnapshotItem *self)
{
  g_signal_emit (self, signals[CHANGED], 0);
}

const char *
bunshin_snapshot_item_get_uuid (BunshinSnapshotItem *self)
{
  return self->uuid;
}

gboolean
bunshin_snapshot_item_is_present (BunshinSnapshotItem *self)
{
  return self->uuid == NULL;
}

void
bunshin_snapshot_item_set (BunshinSnapshotItem *self, Snapshot *snapshot, const SnapshotPlace *place)
{
  snapshot_free (self->snapshot);
  self->snapshot = snapshot;
  self->place = *place;
  self->place.snapshot = snapshot;
  bunshin_snapshot_item_refresh (self);
}

const Snapshot *
bunshin_snapshot_item_get_snapshot (BunshinSnapshotItem *self)
{
  return self->snapshot;
}

const SnapshotPlace *
bunshin_snapshot_item_get_place (BunshinSnapshotItem *self)
{
  return &self->place;
}

const char *
bunshin_snapshot_item_get_name (BunshinSnapshotItem *self)
{
  return self->snapshot != NULL ? self->snapshot->name : _("Current State");
}

GdkTexture *
bunshin_snapshot_item_get_thumbnail (BunshinSnapshotItem *self)
{
  return self->thumbnail;
}

void
bunshin_snapshot_item_set_thumbnail (BunshinSnapshotItem *self, GdkTexture *thumbnail)
{
  if (g_set_object (&self->thumbnail, thumbnail))
    bunshin_snapshot_item_refresh (self);
}

static void
set_string (BunshinSnapshotItem *self, char **string, const char *value)
{
  if (g_strcmp0 (*string, value) == 0)
    return;
  g_free (*string);
  *string = g_strdup (value);
  bunshin_snapshot_item_refresh (self);
}

const char *
bunshin_snapshot_item_get_summary (BunshinSnapshotItem *self)
{
  return self->summary;
}

void
bunshin_snapshot_item_set_summary (BunshinSnapshotItem *self, const char *summary)
{
  set_string (self, &self->summary, summary);
}

const char *
bunshin_snapshot_item_get_os_id (BunshinSnapshotItem *self)
{
  return self->os_id;
}

void
bunshin_snapshot_item_set_os_id (BunshinSnapshotItem *self, const char *os_id)
{
  set_string (self, &self->os_id, os_id);
}

const char *
bunshin_snapshot_item_get_work (BunshinSnapshotItem *self)
{
  return self->work;
}

double
bunshin_snapshot_item_get_progress (BunshinSnapshotItem *self)
{
  return self->progress;
}

void
bunshin_snapshot_item_set_work (BunshinSnapshotItem *self, const char *work, double progress)
{
  gboolean moved = work != NULL && progress != self->progress;

  self->progress = progress;
  if (moved && g_strcmp0 (self->work, work) == 0)
    bunshin_snapshot_item_refresh (self);
  else
    set_string (self, &self->work, work);
}

SnapshotVerbs
bunshin_snapshot_item_get_verbs (BunshinSnapshotItem *self)
{
  return self->verbs;
}

void
bunshin_snapshot_item_set_verbs (BunshinSnapshotItem *self, SnapshotVerbs verbs)
{
  if (self->verbs == verbs)
    return;
  self->verbs = verbs;
  bunshin_snapshot_item_refresh (self);
}

static void
bunshin_snapshot_item_finalize (GObject *object)
{
  BunshinSnapshotItem *self = BUNSHIN_SNAPSHOT_ITEM (object);

  g_free (self->uuid);
  snapshot_free (self->snapshot);
  g_clear_object (&self->thumbnail);
  g_free (self->summary);
  g_free (self->os_id);
  g_free (self->work);
  G_OBJECT_CLASS (bunshin_snapshot_item_parent_class)->finalize (object);
}

static void
bunshin_snapshot_item_class_init (BunshinSnapshotItemClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = bunshin_snapshot_item_finalize;
  signals[CHANGED]
      = g_signal_new ("changed", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
}

static void
bunshin_snapshot_item_init (BunshinSnapshotItem *self)
{
}

BunshinSnapshotItem *
bunshin_snapshot_item_new (const char *uuid)
{
  BunshinSnapshotItem *self = g_object_new (BUNSHIN_TYPE_SNAPSHOT_ITEM, NULL);

  self->uuid = g_strdup (uuid);
  return self;
}
