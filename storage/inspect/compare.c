/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What differs between two states of a disk: both trees of files are walked side by side. */

#include "storage/inspect/side.h"

#include <glib/gi18n-lib.h>
#include <string.h>

enum
{
  DEPTH_MAX = 256,       /* of folders: deeper ones are noted and left out, as a damaged tree may be its own child */
  CHANGES_MAX = 1000000,
  PATHS_MAX = 256 << 20, /* bytes of all paths together */
  NOTES_MAX = 100,
  BLOCK = 1 << 20
};

typedef struct
{
  Side before, after;
  unsigned volume;
  GString *path; /* of the folder that is being compared, without a '/' at its end */
  unsigned depth;
  InspectChanges *out;
  const DiskTask *task;
  uint64_t done, total; /* files, about */
  size_t path_bytes;    /* of all that was found */
  gboolean is_full;     /* more differences than can be told */
  uint8_t *blocks[2];
} Compare;

static void
change_free (gpointer data)
{
  InspectChange *change = data;

  g_free (change->path);
  g_free (change);
}

void
inspect_changes_clear (InspectChanges *changes)
{
  g_clear_pointer (&changes->changes, g_ptr_array_unref);
  g_clear_pointer (&changes->notes, g_ptr_array_unref);
}

G_GNUC_PRINTF (2, 3) static void
note (Compare *c, const char *format, ...)
{
  g_autofree char *text = NULL;
  va_list arguments;

  if (c->out->notes->len >= NOTES_MAX)
    return;
  va_start (arguments, format);
  text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  /* Names in it are the guest's. */
  g_ptr_array_add (c->out->notes, g_utf8_make_valid (text, -1));
}

static void
add (Compare *c, InspectChangeKind kind, const FileEntry *before, const FileEntry *after)
{
  const FileEntry *there = after != NULL ? after : before;
  InspectChange *change;

  if (c->is_full)
    return;
  if (c->out->changes->len == CHANGES_MAX || c->path_bytes > PATHS_MAX)
    {
      note (c, _("there are more than %u differences: the rest is left out"), c->out->changes->len);
      c->is_full = TRUE;
      return;
    }
  change = g_new0 (InspectChange, 1);
  change->kind = kind;
  change->volume = c->volume;
  change->path = g_strconcat (c->path->str, "/", there->name, NULL);
  c->path_bytes += strlen (change->path);
  change->type = there->type;
  change->old_size = before != NULL ? before->size : 0;
  change->new_size = after != NULL ? after->size : 0;
  change->modified = there->modified / 1000000000;
  g_ptr_array_add (c->out->changes, change);
}

/* FALSE: cancelled. */
static gboolean
go_on (Compare *c, GError **error)
{
  c->done++;
  if (c->task == NULL)
    return TRUE;
  if (g_cancellable_set_error_if_cancelled (c->task->cancellable, error))
    return FALSE;
  if (c->task->progress != NULL && c->done % 256 == 0)
    c->task->progress (MIN (c->done, c->total), c->total, c->task->opaque);
  return TRUE;
}

/* The names in a folder. NULL: it cannot be read, and that is noted. */
static GPtrArray *
list (Compare *c, const Side *side, uint64_t folder)
{
  g_autoptr (GError) error = NULL;
  GPtrArray *entries = side_list (side, folder, &error);

  if (entries != NULL)
    return entries;
  note (c, _("the folder “%s” cannot be read: %s"), c->path->len > 0 ? c->path->str : "/", error->message);
  return NULL;
}

static gboolean
enter (Compare *c, const char *name, gsize *length)
{
  *length = c->path->len;
  g_string_append_printf (c->path, "/%s", name);
  if (++c->depth <= DEPTH_MAX)
    return TRUE;
  note (c, _("the folder “%s” is too deep: it is left out"), c->path->str);
  return FALSE;
}

static void
leave (Compare *c, gsize length)
{
  g_string_truncate (c->path, length);
  c->depth--;
}

/* All that is in a folder that only one side has. */
static gboolean
add_tree (Compare *c, const Side *side, const FileEntry *entry, GError **error)
{
  gboolean is_new = side == &c->after, ok = TRUE;
  g_autoptr (GPtrArray) entries = NULL;
  gsize length;

  add (c, is_new ? INSPECT_ADDED : INSPECT_REMOVED, is_new ? NULL : entry, is_new ? entry : NULL);
  if (!go_on (c, error))
    return FALSE;
  if (entry->type != INSPECT_FOLDER || c->is_full)
    return TRUE;
  if (enter (c, entry->name, &length))
    {
      entries = list (c, side, entry->id);
      for (guint i = 0; ok && entries != NULL && i < entries->len && !c->is_full; i++)
        ok = add_tree (c, side, g_ptr_array_index (entries, i), error);
    }
  leave (c, length);
  return ok;
}

/* What cannot be read counts as different, and is noted. */
static gboolean
same_contents (Compare *c, const FileEntry *before, const FileEntry *after, GError **error)
{
  g_autoptr (GError) own = NULL;

  for (uint64_t offset = 0; offset < before->size;)
    {
      size_t want = (size_t) MIN (before->size - offset, BLOCK), got[2] = { 0 };

      if (!c->before.type->read (c->before.state, before->id, offset, c->blocks[0], want, &got[0], &own)
          || !c->after.type->read (c->after.state, after->id, offset, c->blocks[1], want, &got[1], &own))
        {
          note (c, _("the file “%s/%s” cannot be read: %s"), c->path->str, after->name, own->message);
          return FALSE;
        }
      if (got[0] != got[1] || memcmp (c->blocks[0], c->blocks[1], got[0]) != 0)
        return FALSE;
      if (got[0] < want)
        break;
      offset += got[0];
      if (c->task != NULL && g_cancellable_is_cancelled (c->task->cancellable))
        return TRUE; /* go_on() tells */
    }
  return TRUE;
}

static void
compare_entries (Compare *c, const FileEntry *before, const FileEntry *after, GError **error)
{
  gboolean same_rights = before->mode == after->mode && before->owner == after->owner && before->group == after->group;

  if (before->type == INSPECT_FOLDER || before->type == INSPECT_OTHER)
    {
      if (!same_rights)
        add (c, INSPECT_ATTRIBUTES, before, after);
    }
  else if (same_rights && before->id == after->id && before->size == after->size && before->modified == after->modified
           && before->changed == after->changed)
    return;
  else if (before->size != after->size || !same_contents (c, before, after, error))
    add (c, INSPECT_CHANGED, before, after);
  else if (!same_rights || before->modified != after->modified)
    add (c, INSPECT_ATTRIBUTES, before, after);
}

static gboolean
compare_folders (Compare *c, uint64_t before, uint64_t after, GError **error)
{
  g_autoptr (GPtrArray) old = list (c, &c->before, before), new = list (c, &c->after, after);
  guint i = 0, j = 0;

  /* Of one that only one side can read nothing is said to have come or gone. */
  if (old == NULL || new == NULL)
    return TRUE;
  while ((i < old->len || j < new->len) && !c->is_full)
    {
      const FileEntry *a = i < old->len ? g_ptr_array_index (old, i) : NULL;
      const FileEntry *b = j < new->len ? g_ptr_array_index (new, j) : NULL;
      int order = a == NULL ? 1 : b == NULL ? -1 : strcmp (a->name, b->name);
      gboolean ok = TRUE;
      gsize length;

      i += order <= 0;
      j += order >= 0;
      if (order < 0 || (order == 0 && a->type != b->type))
        ok = add_tree (c, &c->before, a, error);
      if (ok && (order > 0 || (order == 0 && a->type != b->type)))
        ok = add_tree (c, &c->after, b, error);
      if (!ok)
        return FALSE;
      if (order != 0 || a->type != b->type)
        continue;
      compare_entries (c, a, b, error);
      if (!go_on (c, error))
        return FALSE;
      if (a->type != INSPECT_FOLDER)
        continue;
      if (enter (c, a->name, &length))
        ok = compare_folders (c, a->id, b->id, error);
      leave (c, length);
      if (!ok)
        return FALSE;
    }
  return TRUE;
}

/* A whole volume that only one side has, or that has another file system there. */
static gboolean
add_volume (Compare *c, const Side *side, GError **error)
{
  g_autoptr (GPtrArray) entries = list (c, side, side->type->root (side->state));

  for (guint i = 0; entries != NULL && i < entries->len; i++)
    if (!add_tree (c, side, g_ptr_array_index (entries, i), error))
      return FALSE;
  return TRUE;
}

/* As people say it: “partition 2”. Caller frees. */
static char *
volume_name (unsigned number)
{
  return number == 0 ? g_strdup (_("the disk")) : g_strdup_printf (_("partition %u"), number);
}

/* FALSE: an I/O error. A file system that cannot be opened is noted. */
static gboolean
open_side (Compare *c, Side *side, Disk *disk, const Volume *volume)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *name = volume != NULL ? volume_name (volume->number) : NULL;

  if (volume == NULL)
    return TRUE;
  if (side_open (side, disk, volume, &error))
    return TRUE;
  note (c, _("%s cannot be read: %s"), name, error->message);
  return FALSE;
}

static gboolean
is_behind (const Side *side)
{
  return side->type != NULL && side->type->is_behind != NULL && side->type->is_behind (side->state);
}

static gboolean
compare_volumes (Compare *c, Disk *before, const Volume *old, Disk *after, const Volume *new, GError **error)
{
  gboolean is_readable = open_side (c, &c->before, before, old) && open_side (c, &c->after, after, new), ok = TRUE;
  g_autofree char *name = NULL;

  c->volume = old != NULL ? old->number : new->number;
  name = volume_name (c->volume);
  c->done = 0;
  c->total = MAX (c->before.type != NULL ? c->before.type->count (c->before.state) : 0,
                  c->after.type != NULL ? c->after.type->count (c->after.state) : 0);
  if (is_behind (&c->before) || is_behind (&c->after))
    note (c, _("%s was in use: what only its journal has is not seen"), name);
  if (is_readable && c->before.type != NULL && c->before.type == c->after.type)
    ok = compare_folders (c, c->before.type->root (c->before.state), c->after.type->root (c->after.state), error);
  else if (is_readable)
    {
      if (c->before.type == NULL && c->after.type == NULL)
        note (c, _("%s has no file system that is known here"), name);
      if (c->before.type != NULL)
        ok = add_volume (c, &c->before, error);
      if (ok && c->after.type != NULL)
        ok = add_volume (c, &c->after, error);
    }
  side_close (&c->before);
  side_close (&c->after);
  return ok;
}

gboolean
inspect_compare (Disk *before, Disk *after, InspectChanges *changes, const DiskTask *task, GError **error)
{
  g_autoptr (GArray) old = NULL, new = NULL;
  Compare c = { .out = changes, .task = task };
  guint i = 0, j = 0;
  gboolean ok = TRUE;

  changes->changes = g_ptr_array_new_with_free_func (change_free);
  changes->notes = g_ptr_array_new_with_free_func (g_free);
  if (!(old = volumes_find (before, error)) || !(new = volumes_find (after, error)))
    return FALSE;
  c.path = g_string_new (NULL);
  for (unsigned k = 0; k < 2; k++)
    c.blocks[k] = disk_buffer_new (BLOCK);
  while (ok && !c.is_full && (i < old->len || j < new->len))
    {
      const Volume *a = i < old->len ? &g_array_index (old, Volume, i) : NULL;
      const Volume *b = j < new->len ? &g_array_index (new, Volume, j) : NULL;

      if (a != NULL && b != NULL && a->number < b->number)
        b = NULL;
      else if (a != NULL && b != NULL && b->number < a->number)
        a = NULL;
      i += a != NULL;
      j += b != NULL;
      ok = compare_volumes (&c, before, a, after, b, error);
    }
  for (unsigned k = 0; k < 2; k++)
    disk_buffer_free (c.blocks[k]);
  g_string_free (c.path, TRUE);
  return ok;
}
