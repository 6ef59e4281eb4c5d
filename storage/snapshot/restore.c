/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Going back to a snapshot. The transaction puts the machine's settings and disks back, and says what the saved state is to
 * be; that file follows it. A run that is killed between the two leaves it to the next one. A machine that goes on at once
 * needs no saved state, as it reads the snapshot's: there the transaction is all.
 */

#include "storage/snapshot/snapshot-private.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n-lib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

typedef struct
{
  Library *library;
  SnapshotTree *tree;
  LibrarySnapshot *row;
  gboolean remove;          /* the snapshot goes, too */
  gboolean goes_on;         /* the machine, at once */
  gboolean has_work;        /* there is something to do after the transaction */
  char *state;              /* file name of what is to become the saved state, or NULL */
  LibraryMachine *settings; /* as they will be */
  GPtrArray *layers;        /* of SnapshotLayer */
  GPtrArray *gone;          /* paths that nothing needs after the transaction */
  int hold;
} Restore;

/* Whether anything needs what lies over @image, but for the disks that the machine has now. */
static gboolean
is_needed_above (const SnapshotTree *tree, const LibraryImage *image)
{
  for (unsigned i = 0; i < image->children->len; i++)
    {
      const LibraryImage *child = image->children->pdata[i];
      unsigned own = 0;

      for (unsigned j = 0; j < tree->machine->attachments->len; j++)
        own += g_strcmp0 (((LibraryAttachment *) tree->machine->attachments->pdata[j])->path, child->path) == 0;
      if (child->kept || child->snapshots > 0 || child->attachments > own || child->owner != tree->id
          || is_needed_above (tree, child))
        return TRUE;
    }
  return FALSE;
}

/* Whether the disk can be what it was itself, as nobody will refer to that any more. */
static gboolean
needs_no_layer (const Restore *self, const LibraryImage *image)
{
  return self->remove && image->snapshots == 1 && image->attachments == 0 && !is_needed_above (self->tree, image);
}

/* What each drive will hold. */
static gboolean
prepare_drives (Restore *self, GError **error)
{
  for (unsigned i = 0; i < self->settings->attachments->len; i++)
    {
      LibraryAttachment *drive = self->settings->attachments->pdata[i];
      LibraryImage *image;
      SnapshotLayer *layer;

      if (drive->kind != LIBRARY_MEDIUM_DISK)
        {
          if (drive->path && !g_file_test (drive->path, G_FILE_TEST_EXISTS))
            library_attachment_set_path (drive, NULL, NULL);
          continue;
        }
      image = snapshot_tree_image (self->tree, drive->path);
      if (needs_no_layer (self, image))
        continue;
      layer = snapshot_layer_create (self->tree->folder, drive, image, TRUE, error);
      if (!layer)
        return FALSE;
      g_ptr_array_add (self->layers, layer);
      library_attachment_set_path (drive, layer->disk.layer, "qcow2");
    }
  return TRUE;
}

/* Disks of the user's that no snapshot has are detached: they stay in the list of media. */
static gboolean
keep_disks (Restore *self, GError **error)
{
  for (unsigned i = 0; i < self->tree->machine->attachments->len; i++)
    {
      const LibraryAttachment *drive = self->tree->machine->attachments->pdata[i];

      if (drive->kind == LIBRARY_MEDIUM_DISK
          && !library_sql_run (self->library, error,
                               "UPDATE medium AS m SET kept = 1 WHERE path = ? AND base IS NULL "
                               "AND NOT EXISTS (SELECT * FROM snapshot_disk WHERE medium = m.id) "
                               "AND NOT EXISTS (SELECT * FROM medium WHERE base = m.id)", "s", drive->path))
        return FALSE;
    }
  return TRUE;
}

static gboolean
insert_layers (Restore *self, GError **error)
{
  for (unsigned i = 0; i < self->layers->len; i++)
    if (!snapshot_layer_insert (self->library, self->layers->pdata[i], self->tree->id, error))
      return FALSE;
  return TRUE;
}

/* Within the transaction. */
static gboolean
change (Restore *self, GError **error)
{
  const char *name = strcmp (self->row->kind, "drive") == 0 ? "" : self->row->name;
  Library *library = self->library;
  int64_t count = 0;

  if (!library_sql_int (library, error, &count, "SELECT count(*) FROM snapshot WHERE id = ?", "i", self->row->id))
    return FALSE;
  if (!count)
    {
      g_set_error (error, LIBRARY_ERROR, LIBRARY_ERROR_NOT_FOUND, _("the machine “%s” has no snapshot “%s”"),
                   self->tree->machine->name, self->row->name);
      return FALSE;
    }
  if ((self->has_work && !library_insert_work (library, self->tree->id, "restore", name, self->state, error))
      || !library_sql_run (library, error, "UPDATE machine SET current = ? WHERE id = ?", "ii", self->row->id,
                           self->tree->id)
      || (self->remove && !library_remove_snapshot (library, self->row, error)))
    return FALSE;
  return keep_disks (self, error) && insert_layers (self, error)
         && library_store_machine (library, self->settings, TRUE, error)
         && library_prune_layers (library, self->tree->id, self->gone, error);
}

static gboolean
prepare (Restore *self, const char *snapshot_uuid, GError **error)
{
  self->row = snapshot_tree_find (self->tree, snapshot_uuid, error);
  if (!self->row)
    return FALSE;
  self->settings = snapshot_tree_settings (self->tree, self->row, error);
  if (!self->settings || !snapshot_make_folder (self->tree->machine, error)
      || !snapshot_check_space (self->tree->folder, SNAPSHOT_LAYER_SPACE * (1 + self->row->disks->len), error))
    return FALSE;
  self->hold = snapshot_hold_folder (self->tree->folder, FALSE);
  return prepare_drives (self, error);
}

/* Not the name under which a state is written: who writes one must not write into a snapshot's. */
static char *
next_state_path (const SnapshotTree *tree)
{
  g_autofree char *saved = library_saved_state_path (tree->machine);

  return g_strconcat (saved, ".next", NULL);
}

void
snapshot_forget_next_state (const SnapshotTree *tree)
{
  g_autofree char *next = next_state_path (tree);

  g_unlink (next);
}

/* The state that is to be the saved one stands beside it, whole, before anything is changed: a full disk is found now. */
static gboolean
prepare_state (const SnapshotTree *tree, const char *state, GError **error)
{
  g_autofree char *next = next_state_path (tree), *from = state ? g_build_filename (tree->folder, state, NULL) : NULL;

  g_unlink (next);
  return !from || snapshot_link_file (from, next, error);
}

static gboolean
finish_state (const SnapshotTree *tree, const char *state, GError **error)
{
  g_autofree char *saved = library_saved_state_path (tree->machine), *next = next_state_path (tree);

  if (state ? g_rename (next, saved) != 0 : g_unlink (saved) != 0 && errno != ENOENT)
    {
      g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (errno), _("cannot write “%s”: %s"), saved,
                   g_strerror (errno));
      return FALSE;
    }
  /* Of two names for the same file a renaming keeps both. */
  g_unlink (next);
  return library_sync_folder (tree->machine->folder, error);
}

gboolean
snapshot_finish_work (Library *library, const SnapshotTree *tree, const LibraryWork *work, GError **error)
{
  g_autofree char *from = work->state ? g_build_filename (tree->folder, work->state, NULL) : NULL;
  const char *state = work->state;

  if (strcmp (work->verb, "restore") == 0)
    {
      /* Somebody removed the file: the machine starts from its disks. */
      if (from && !g_file_test (from, G_FILE_TEST_EXISTS))
        state = NULL;
      if (!prepare_state (tree, state, error) || !finish_state (tree, state, error))
        return FALSE;
    }
  return library_remove_work (library, work->id, error);
}

static gboolean
carry_out (Restore *self, GError **error)
{
  g_autofree char *saved = library_saved_state_path (self->tree->machine);
  gboolean ok;

  if (self->row->has_state && !self->goes_on)
    self->state = g_strconcat (self->row->uuid, ".state", NULL);
  /* One that runs has none, but nothing may resume with other disks. */
  self->has_work = !self->goes_on || g_file_test (saved, G_FILE_TEST_EXISTS);
  if ((self->has_work && !prepare_state (self->tree, self->state, error)) || !library_sql_begin (self->library, error))
    return FALSE;
  ok = change (self, error);
  return library_sql_end (self->library, ok, error);
}

static gpointer
close_all (gpointer data)
{
  g_autoptr (GArray) files = data;

  for (guint i = 0; i < files->len; i++)
    close (g_array_index (files, int, i));
  return NULL;
}

/* The names are gone when it returns. A file system takes a while for what was in large files: nobody waits for that. */
static void
remove_files (const GPtrArray *paths)
{
  g_autoptr (GArray) files = g_array_new (FALSE, FALSE, sizeof (int));
  GThread *thread;

  for (unsigned i = 0; i < paths->len; i++)
    {
      int fd = open (paths->pdata[i], O_PATH | O_CLOEXEC | O_NOFOLLOW);

      g_unlink (paths->pdata[i]);
      if (fd >= 0)
        g_array_append_val (files, fd);
    }
  thread = g_thread_try_new ("removed files", close_all, files, NULL);
  if (thread)
    {
      g_steal_pointer (&files);
      g_thread_unref (thread);
    }
  else
    close_all (g_steal_pointer (&files));
}

/* After the transaction: what fails now is for the next tidying. */
static void
clean_up (Restore *self)
{
  g_autoptr (GPtrArray) all = NULL;
  g_autoptr (GError) error = NULL;

  if (self->has_work)
    all = library_load_work (self->library, self->tree->id, &error);
  for (unsigned i = 0; all && i < all->len; i++)
    if (strcmp (((LibraryWork *) all->pdata[i])->verb, "restore") == 0
        && !snapshot_finish_work (self->library, self->tree, all->pdata[i], &error))
      break;
  if (error)
    g_debug ("the rest of going back is left for the next tidying: %s", error->message);
  remove_files (self->gone);
  if (self->remove && !error)
    snapshot_delete_files (self->tree, self->row);
}

static gboolean
put_back (Restore *self, const char *machine_uuid, const char *snapshot_uuid, GError **error)
{
  gboolean ok;

  self->hold = -1;
  self->tree = snapshot_tree_load (self->library, machine_uuid, error);
  if (!self->tree)
    return FALSE;
  self->layers = g_ptr_array_new_with_free_func ((GDestroyNotify) snapshot_layer_free);
  self->gone = g_ptr_array_new_with_free_func (g_free);
  ok = prepare (self, snapshot_uuid, error) && carry_out (self, error);
  if (ok)
    clean_up (self);
  else
    snapshot_forget_next_state (self->tree);
  for (unsigned i = 0; !ok && i < self->layers->len; i++)
    g_unlink (((SnapshotLayer *) self->layers->pdata[i])->disk.layer);
  return ok;
}

static void
restore_clear (Restore *self)
{
  if (!self->tree)
    return;
  if (self->hold >= 0)
    close (self->hold);
  g_ptr_array_unref (self->layers);
  g_ptr_array_unref (self->gone);
  g_clear_pointer (&self->settings, library_machine_free);
  g_free (self->state);
  snapshot_tree_free (self->tree);
}

gboolean
snapshot_put_back (Library *library, const char *machine_uuid, const char *snapshot_uuid, gboolean remove, GError **error)
{
  Restore self = { .library = library, .remove = remove };
  gboolean ok = put_back (&self, machine_uuid, snapshot_uuid, error);

  restore_clear (&self);
  return ok;
}

gboolean
snapshot_restore (Library *library, const char *machine_uuid, const char *snapshot_uuid, GError **error)
{
  return snapshot_recover (library, machine_uuid, NULL, error)
         && snapshot_put_back (library, machine_uuid, snapshot_uuid, FALSE, error);
}

gboolean
snapshot_restore_running (Library *library, const char *machine_uuid, const char *snapshot_uuid, char **state,
                          GError **error)
{
  Restore self = { .library = library, .goes_on = TRUE };
  gboolean ok = snapshot_recover (library, machine_uuid, NULL, error)
                && put_back (&self, machine_uuid, snapshot_uuid, error);

  *state = ok && self.row->has_state ? snapshot_tree_file (self.tree, self.row->uuid, "state") : NULL;
  restore_clear (&self);
  return ok;
}
