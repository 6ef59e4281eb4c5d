/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Turns a draft into a machine of the library. The machine is added first,
 * since the disk goes to its folder; until the disk is there the machine's
 * lock keeps others from starting it.
 */

#include "ui/machine-creator.h"

#include "ui/disk-maker.h"

#include <glib/gi18n.h>

typedef struct
{
  Library *library;             /* borrowed */
  LibraryMachine *record;
  LibraryLock *lock;
  char *disk;                   /* path of the new disk, once it may exist */
  char *format;
  LibraryController controller;
  DiskWorkProgress progress;
  gpointer data;
} Creation;

static void
creation_free (gpointer data)
{
  Creation *creation = data;

  g_clear_pointer (&creation->lock, library_lock_release);
  g_clear_pointer (&creation->record, library_machine_free);
  g_free (creation->disk);
  g_free (creation->format);
  g_free (creation);
}

/* Nothing of the machine stays. What cannot be undone is worth a line in the log; the user hears of the first error. */
static void
undo (Creation *creation)
{
  g_autoptr (GError) error = NULL;
  char *disks[] = { NULL };

  g_clear_pointer (&creation->lock, library_lock_release);
  if (creation->disk != NULL && !disk_delete (creation->disk, &error))
    g_clear_error (&error);
  if (!library_delete_machine (creation->library, creation->record->uuid, NULL, &error)
      || !library_delete_files (creation->record, disks, &error))
    g_warning ("“%s” could not be removed again: %s", creation->record->name, error->message);
}

static void
fail (GTask *task, GError *error)
{
  undo (g_task_get_task_data (task));
  g_task_return_error (task, error);
}

static void
on_disk_made (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  Creation *creation = g_task_get_task_data (task);
  GError *error = NULL;

  if (!disk_maker_run_finish (result, &error))
    {
      fail (task, error);
      return;
    }
  library_machine_add_drive (creation->record, creation->controller, LIBRARY_MEDIUM_DISK, creation->disk,
                             creation->format);
  g_clear_pointer (&creation->lock, library_lock_release);
  if (!library_update_machine (creation->library, creation->record, &error))
    {
      fail (task, error);
      return;
    }
  g_task_return_pointer (task, g_steal_pointer (&creation->record), (GDestroyNotify) library_machine_free);
}

static void
on_progress (double fraction, gpointer data)
{
  Creation *creation = g_task_get_task_data (data);

  creation->progress (fraction, creation->data);
}

void
machine_creator_run_async (Library *library, const MachineDraft *draft,
                           DiskWorkProgress progress, GCancellable *cancellable,
                           GAsyncReadyCallback callback, gpointer data)
{
  g_autoptr (GTask) task = g_task_new (NULL, cancellable, callback, data);
  Creation *creation = g_new0 (Creation, 1);
  GError *error = NULL;

  creation->library = library;
  creation->record = machine_draft_to_record (draft);
  creation->format = g_strdup (draft->disk_format);
  creation->controller = draft->controller;
  creation->progress = progress;
  creation->data = data;
  g_task_set_task_data (task, creation, creation_free);
  g_task_set_check_cancellable (task, FALSE);

  if (!library_machine_validate (creation->record, &error)
      || !library_add_machine (library, creation->record, &error))
    {
      g_task_return_error (task, error);
      return;
    }
  if (draft->disk != DRAFT_DISK_NEW)
    {
      g_task_return_pointer (task, g_steal_pointer (&creation->record), (GDestroyNotify) library_machine_free);
      return;
    }
  creation->lock = library_lock_machine (creation->record, &error);
  if (creation->lock == NULL)
    {
      fail (task, error);
      return;
    }
  creation->disk = machine_draft_disk_path (draft, creation->record);
  disk_maker_run_async (creation->disk, draft->disk_format, draft->disk_variant, draft->disk_size,
                        progress != NULL ? on_progress : NULL, cancellable, on_disk_made, g_object_ref (task));
}

LibraryMachine *
machine_creator_run_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}
