/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Clones. Their disks are made first, in the new machine's folder, which says so as long as nobody knows the machine; then
 * one transaction makes it. What a killed run left of one is known by that, and by nobody holding it.
 */

#include "storage/snapshot/snapshot-private.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n-lib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DEAD_SECONDS = 3600 };

typedef struct
{
  Library *library;
  SnapshotTree *tree;        /* of what is cloned */
  LibrarySnapshot *snapshot; /* borrowed; NULL: what the machine is now */
  LibraryMachine *record;    /* the clone's */
  GPtrArray *layers;         /* of SnapshotLayer: of a linked one */
  GPtrArray *copies;         /* paths: of a whole one */
  const DiskTask *task;
  uint64_t copied, total; /* bytes, as the guest sees the disks */
  char *mark;
  int hold;
} Clone;

static void
report_progress (uint64_t done, uint64_t total, void *opaque)
{
  Clone *self = opaque;

  if (self->task && self->task->progress)
    self->task->progress (MIN (self->copied + done, self->total), self->total, self->task->opaque);
}

static DiskOpenOptions
options_for (const LibraryAttachment *drive, const char *const *chain, DiskOpenFlags flags)
{
  return (DiskOpenOptions){ .flags = flags | (drive->trusted ? DISK_OPEN_TRUST : 0),
                            .format = drive->format,
                            .chain = chain };
}

/* Whether the snapshot still has the image, which then holds what it did: one that a snapshot has is only read. Otherwise
 * its machine may have merged other layers into it since the tree was read. */
static gboolean
check_same (const Clone *self, LibraryController controller, unsigned unit, int64_t image, GError **error)
{
  int64_t is_same = 0;

  if (!self->snapshot)
    return TRUE; /* the machine's present disks: the caller has locked it */
  if (!library_sql_int (self->library, error, &is_same,
                        "SELECT count(*) FROM snapshot s JOIN snapshot_disk d ON d.snapshot = s.id "
                        "WHERE s.uuid = ? AND d.controller = ? AND d.unit = ? AND d.medium = ?", "ssii",
                        self->snapshot->uuid, library_controller_name (controller), (int64_t) unit, image))
    return FALSE;
  if (!is_same)
    g_set_error (error, LIBRARY_ERROR, LIBRARY_ERROR_NOT_FOUND, _("the snapshot was changed while it was being cloned"));
  return is_same;
}

/* How large the disks are, together. */
static gboolean
measure (Clone *self, GError **error)
{
  for (unsigned i = 0; i < self->record->attachments->len; i++)
    {
      const LibraryAttachment *drive = self->record->attachments->pdata[i];
      DiskOpenOptions look = options_for (drive, (const char *const *) drive->chain, DISK_OPEN_LOOK);
      Disk *disk;

      if (drive->kind != LIBRARY_MEDIUM_DISK)
        continue;
      disk = disk_open_with (drive->path, &look, error);
      if (!disk)
        return FALSE;
      self->total += disk_size (disk);
      disk_unref (disk);
    }
  return TRUE;
}

/* The format of the user's own image at the bottom, if that can be made. */
static const char *
copy_format (const Clone *self, const char *path, const Disk *disk)
{
  const LibraryImage *image = snapshot_tree_image (self->tree, path);
  const char *format;

  while (image && image->base)
    image = image->base;
  format = image && image->format ? image->format : disk_format_name (disk);
  return g_strv_contains (disk_creatable_formats (), format) ? format : "qcow2";
}

static gboolean
copy_disk (Clone *self, LibraryAttachment *drive, GError **error)
{
  DiskOpenOptions options = options_for (drive, (const char *const *) drive->chain, DISK_OPEN_READ_ONLY);
  DiskCreateOptions create = { 0 };
  DiskTask task = { self->task ? self->task->cancellable : NULL, report_progress, self };
  const LibraryImage *image = snapshot_tree_image (self->tree, drive->path);
  g_autofree char *path = NULL;
  /* Held open meanwhile: nobody can write to it. */
  g_autoptr (Disk) disk = disk_open_with (drive->path, &options, error);

  if (!disk || !check_same (self, drive->controller, drive->unit, image->id, error))
    return FALSE;
  create.format = copy_format (self, drive->path, disk);
  create.size = disk_size (disk);
  path = library_new_disk_path (self->record, g_str_equal (create.format, "raw") ? "img" : create.format);
  if (!disk_convert (drive->path, &options, path, &create, &task, error))
    return FALSE;
  g_ptr_array_add (self->copies, g_strdup (path));
  self->copied += create.size;
  library_attachment_set_path (drive, path, create.format);
  drive->trusted = FALSE;
  return TRUE;
}

static gboolean
link_disk (Clone *self, LibraryAttachment *drive, GError **error)
{
  g_autofree char *folder = library_snapshots_folder (self->record);
  const LibraryImage *image = snapshot_tree_image (self->tree, drive->path);
  SnapshotLayer *layer = snapshot_layer_create (folder, drive, image, TRUE, error);

  if (!layer)
    return FALSE;
  g_ptr_array_add (self->layers, layer);
  library_attachment_set_path (drive, layer->disk.layer, "qcow2");
  return TRUE;
}

static gboolean
make_disks (Clone *self, gboolean linked, GError **error)
{
  if (linked ? !snapshot_make_folder (self->record, error) : !measure (self, error))
    return FALSE;
  for (unsigned i = 0; i < self->record->attachments->len; i++)
    {
      LibraryAttachment *drive = self->record->attachments->pdata[i];

      if (drive->kind == LIBRARY_MEDIUM_DISK
          && !(linked ? link_disk (self, drive, error) : copy_disk (self, drive, error)))
        return FALSE;
    }
  return TRUE;
}

static gboolean
insert_layers (Clone *self, GError **error)
{
  for (unsigned i = 0; i < self->layers->len; i++)
    {
      const SnapshotLayer *layer = self->layers->pdata[i];

      if (!check_same (self, layer->disk.controller, layer->disk.unit, layer->base_id, error)
          || !library_insert_layer (self->library, layer->uuid, layer->disk.layer, layer->base_id, 0, error))
        return FALSE;
    }
  return TRUE;
}

/* The transaction. */
static gboolean
add (Clone *self, GError **error)
{
  gboolean ok;

  if (!library_sync_folder (self->record->folder, error) || !library_sql_begin (self->library, error))
    return FALSE;
  ok = library_check_name_free (self->library, self->record, error) && insert_layers (self, error)
       && library_insert_machine (self->library, self->record, TRUE, error);
  return library_sql_end (self->library, ok, error);
}

static void
undo (Clone *self)
{
  g_autofree char *layers = self->record->folder ? library_snapshots_folder (self->record) : NULL;

  if (!layers)
    return;
  for (unsigned i = 0; i < self->layers->len; i++)
    g_unlink (((SnapshotLayer *) self->layers->pdata[i])->disk.layer);
  for (unsigned i = 0; i < self->copies->len; i++)
    disk_delete (self->copies->pdata[i], NULL);
  if (self->mark)
    g_unlink (self->mark);
  g_rmdir (layers);
  g_rmdir (self->record->folder);
}

static gboolean
begin (Clone *self, GError **error)
{
  g_autoptr (GBytes) nothing = g_bytes_new_static ("", 0);

  if (!library_make_folder (self->library, self->record, error))
    return FALSE;
  self->hold = snapshot_hold_folder (self->record->folder, FALSE);
  self->mark = g_build_filename (self->record->folder, SNAPSHOT_CLONE_MARK, NULL);
  return snapshot_write_file (self->mark, nothing, error);
}

/* What the clone will be, with the disks of what it is made from. */
static LibraryMachine *
make_record (const SnapshotTree *tree, const LibrarySnapshot *snapshot, const char *name, gboolean keep_macs, GError **error)
{
  LibraryMachine *record = snapshot ? snapshot_tree_settings (tree, snapshot, error) : library_machine_copy (tree->machine);

  if (!record)
    return NULL;
  g_clear_pointer (&record->uuid, g_free);
  g_clear_pointer (&record->folder, g_free);
  g_free (record->name);
  record->name = g_strdup (name);
  record->created = g_get_real_time () / G_USEC_PER_SEC;
  for (unsigned i = 0; i < record->adapters->len && !keep_macs; i++)
    ((LibraryAdapter *) record->adapters->pdata[i])->mac[0] = '\0';
  return record;
}

static gboolean
check_disks (const LibraryMachine *record, gboolean linked, GError **error)
{
  for (unsigned i = 0; i < record->attachments->len && linked; i++)
    {
      const LibraryAttachment *drive = record->attachments->pdata[i];
      g_autofree char *slot = library_attachment_slot (drive), *shown = NULL;

      if (drive->kind != LIBRARY_MEDIUM_DISK || !disk_is_remote (drive->path))
        continue;
      shown = disk_shown_path (drive->path);
      g_set_error (error, LIBRARY_ERROR, LIBRARY_ERROR_INVALID,
                   _("%s: “%s” is on a server: there are no snapshots of such a disk"), slot, shown);
      return FALSE;
    }
  return TRUE;
}

static gboolean
carry_out (Clone *self, const char *snapshot_uuid, const char *name, gboolean linked, gboolean keep_macs, GError **error)
{
  gboolean ok;

  self->snapshot = snapshot_uuid ? snapshot_tree_find (self->tree, snapshot_uuid, error) : NULL;
  if (snapshot_uuid && !self->snapshot)
    return FALSE;
  self->record = make_record (self->tree, self->snapshot, name, keep_macs, error);
  if (!self->record || !library_name_validate (name, error) || !library_check_name_free (self->library, self->record, error)
      || !check_disks (self->record, linked, error))
    return FALSE;
  ok = begin (self, error) && make_disks (self, linked, error) && add (self, error);
  if (ok)
    g_unlink (self->mark);
  else
    undo (self);
  return ok;
}

static LibraryMachine *
clone_tree (Library *library, const char *machine_uuid, const char *snapshot_uuid, const char *name, gboolean linked,
            gboolean keep_macs, const DiskTask *task, GError **error)
{
  Clone self = { .library = library, .task = task, .hold = -1 };
  gboolean ok;

  self.tree = snapshot_tree_load (library, machine_uuid, error);
  if (!self.tree)
    return NULL;
  self.layers = g_ptr_array_new_with_free_func ((GDestroyNotify) snapshot_layer_free);
  self.copies = g_ptr_array_new_with_free_func (g_free);
  ok = carry_out (&self, snapshot_uuid, name, linked, keep_macs, error);
  if (self.hold >= 0)
    close (self.hold);
  g_free (self.mark);
  g_ptr_array_unref (self.layers);
  g_ptr_array_unref (self.copies);
  snapshot_tree_free (self.tree);
  if (!ok)
    g_clear_pointer (&self.record, library_machine_free);
  return self.record;
}

/* A name for the snapshot that a linked clone of “as it is now” lies over. */
static char *
take_for_clone (Library *library, const LibraryMachine *machine, const char *name, GError **error)
{
  g_autofree char *title = g_strdup_printf (_("Base of “%s”"), name);
  const SnapshotOptions options = { .name = title, .kind = SNAPSHOT_USER };

  /* A long name of the clone makes no valid one of the snapshot. */
  if (!snapshot_name_validate (title, NULL))
    g_clear_pointer (&title, g_free);
  return snapshot_take_off (library, machine,
                            title ? &options : &(SnapshotOptions){ .kind = SNAPSHOT_USER }, error);
}

gboolean
snapshot_clone (Library *library, const LibraryMachine *machine, const char *snapshot_uuid, const char *name,
                gboolean linked, gboolean keep_macs, const DiskTask *task, LibraryMachine **clone, GError **error)
{
  g_autofree char *taken = NULL;

  *clone = NULL;
  if (!library_name_validate (name, error))
    return FALSE;
  if (linked && !snapshot_uuid)
    {
      g_autoptr (LibraryMachine) stored = library_find (library, machine->uuid, error);

      if (!stored || !(taken = take_for_clone (library, stored, name, error)))
        return FALSE;
    }
  *clone = clone_tree (library, machine->uuid, taken ? taken : snapshot_uuid, name, linked, keep_macs, task, error);
  if (!*clone && taken && snapshot_delete (library, machine->uuid, taken, NULL))
    snapshot_tidy (library, machine->uuid, NULL, NULL, NULL);
  return *clone != NULL;
}

/* Deletes a folder and what is in it. */
static void
remove_folder (const char *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const char *entry;

  while (dir && (entry = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *inner = g_build_filename (path, entry, NULL);

      if (g_file_test (inner, G_FILE_TEST_IS_DIR) && !g_file_test (inner, G_FILE_TEST_IS_SYMLINK))
        remove_folder (inner);
      else
        g_unlink (inner);
    }
  g_rmdir (path);
}

void
snapshot_recover_clones (Library *library, GPtrArray *did)
{
  g_autofree char *all = g_build_filename (library->home, "machines", NULL);
  g_autoptr (GDir) dir = g_dir_open (all, 0, NULL);
  const char *entry;

  while (dir && (entry = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *folder = g_build_filename (all, entry, NULL),
                      *mark = g_build_filename (folder, SNAPSHOT_CLONE_MARK, NULL);
      int64_t known = 1;
      struct stat info;
      int hold;

      /* Of machines that are gone, or were never made. A new one's folder is empty at first, too. */
      if (g_stat (folder, &info) == 0 && g_get_real_time () / G_USEC_PER_SEC - info.st_mtime > DEAD_SECONDS)
        library_remove_dead_folder (library, folder);
      if (access (mark, F_OK) != 0 || (hold = snapshot_hold_folder (folder, TRUE)) < 0)
        continue;
      /* It was held until the machine was known, if it ever was: this is the truth. */
      if (library_sql_int (library, NULL, &known, "SELECT count(*) FROM machine WHERE folder = ?", "s", entry))
        {
          if (known)
            g_unlink (mark);
          else
            {
              remove_folder (folder);
              if (did)
                g_ptr_array_add (did, g_strdup_printf (_("removed “%s”, an unfinished clone of a machine"), folder));
            }
        }
      close (hold);
    }
}
