/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Work on images: copying, moving, resizing, compacting, checking. It shows in the image's row and can be stopped. */

#include "ui/dialogs.h"
#include "ui/disk-dialog.h"
#include "ui/disk-formats.h"
#include "ui/disk-work.h"
#include "ui/media-page-private.h"
#include "ui/record-text.h"
#include "ui/resize-dialog.h"

#include <glib/gi18n.h>
#include <string.h>

enum
{
  FAULTS_SHOWN = 5
};

typedef struct Job Job;
struct Job
{
  BunshinMediaPage *page;
  BunshinMediumItem *item;
  GCancellable *cancellable;
  const char *failure; /* the heading when it did not work */
  void (*done) (Job *job);

  char *path, *other; /* the image, and the second file of work that has one */
  char *top, **chain;    /* of a disk with snapshots: what lies over all that it is made of now, and that; or NULL */
  char *format, *variant;
  guint64 size;
  gboolean shrinks, is_trusted;
  DiskReport report;
  DiskMove *move;
};

static Job *
job_new (BunshinMediaPage *page, BunshinMediumItem *item, const char *failure, void (*done) (Job *job))
{
  Job *job = g_new0 (Job, 1);

  job->page = g_object_ref (page);
  job->item = g_object_ref (item);
  job->cancellable = g_cancellable_new ();
  job->failure = failure;
  job->done = done;
  job->path = g_strdup (bunshin_medium_item_get_path (item));
  job->is_trusted = bunshin_medium_item_get_info (item) != NULL && bunshin_medium_item_get_info (item)->is_trusted;
  return job;
}

static void
job_free (Job *job)
{
  disk_report_clear (&job->report);
  g_object_unref (job->page);
  g_object_unref (job->item);
  g_object_unref (job->cancellable);
  g_free (job->path);
  g_free (job->other);
  g_free (job->top);
  g_strfreev (job->chain);
  g_free (job->format);
  g_free (job->variant);
  g_free (job);
}

static void
job_failed (Job *job, const GError *error)
{
  /* The page may be gone: then there is nobody to tell. */
  if (media_page_window (job->page) == NULL)
    return;
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    media_page_toast (job->page, _("Stopped: nothing was changed"));
  else
    dialog_error (media_page_window (job->page), job->failure, error->message);
}

static void
on_progress (double fraction, gpointer data)
{
  bunshin_medium_item_set_progress (((Job *) data)->item, fraction);
}

static void
job_end (Job *job)
{
  bunshin_medium_item_end (job->item);
  g_ptr_array_remove (job->page->works, job->cancellable);
  if (job->page->media != NULL)
    bunshin_media_list_reload (job->page->media);
}

static void
on_done (GObject *source, GAsyncResult *result, gpointer data)
{
  Job *job = data;
  g_autoptr (GError) error = NULL;

  if (disk_work_run_finish (result, &error))
    {
      job->done (job);
      return;
    }
  job_failed (job, error);
  job_end (job);
  job_free (job);
}

static void
job_run (Job *job, const char *text, DiskWork work)
{
  bunshin_medium_item_start (job->item, text, job->cancellable);
  g_ptr_array_add (job->page->works, g_object_ref (job->cancellable));
  disk_work_run_async (work, job, on_progress, job->cancellable, on_done, job);
}

/* A new image takes its place in the list. */
static gboolean
list_new (Job *job, const char *path)
{
  g_autoptr (GError) error = NULL;

  if (library_add_medium (job->page->library, path, LIBRARY_MEDIUM_DISK, job->format, &error))
    return TRUE;
  job_failed (job, error);
  return FALSE;
}

static void
finish_with_toast (Job *job, const char *text)
{
  if (media_page_window (job->page) != NULL)
    media_page_toast (job->page, text);
  job_end (job);
  job_free (job);
}

/* --- Copying --- */

static gboolean
copy_work (const DiskTask *task, gpointer data, GError **error)
{
  const Job *job = data;
  const DiskOpenOptions open = { .flags = job->is_trusted ? DISK_OPEN_TRUST : 0,
                                 .chain = (const char *const *) job->chain };
  const DiskCreateOptions create = { .format = job->format, .variant = job->variant };

  return disk_convert (job->top != NULL ? job->top : job->path, &open, job->other, &create, task, error);
}

static void
copy_done (Job *job)
{
  list_new (job, job->other);
  finish_with_toast (job, _("The disk was copied"));
}

/* With snapshots the disk itself is only what it was when the first was taken: what its machine has is wanted. */
static void
find_top (Job *job)
{
  g_autoptr (GPtrArray) machines = library_list_machines (job->page->library, NULL);

  for (guint i = 0; machines != NULL && i < machines->len; i++)
    {
      const LibraryMachine *machine = machines->pdata[i];

      for (guint j = 0; j < machine->attachments->len; j++)
        {
          const LibraryAttachment *drive = machine->attachments->pdata[j];

          if (job->top != NULL || drive->chain == NULL || g_strcmp0 (record_text_file (drive), job->path) != 0)
            continue;
          job->top = g_strdup (drive->path);
          job->chain = g_strdupv (drive->chain);
        }
    }
}

typedef struct
{
  BunshinMediaPage *page;
  BunshinMediumItem *item;
} Subject;

static Subject *
subject_new (BunshinMediaPage *page, BunshinMediumItem *item)
{
  Subject *subject = g_new0 (Subject, 1);

  subject->page = g_object_ref (page);
  subject->item = g_object_ref (item);
  return subject;
}

static void
subject_free (gpointer data)
{
  Subject *subject = data;

  g_object_unref (subject->page);
  g_object_unref (subject->item);
  g_free (subject);
}

static void
subject_closure_free (gpointer data, GClosure *closure)
{
  subject_free (data);
}

static void
on_copy (BunshinDiskDialog *dialog, const char *path, const char *format, const char *variant, gpointer data)
{
  Subject *subject = data;
  Job *job = job_new (subject->page, subject->item, _("The disk could not be copied"), copy_done);

  job->other = g_strdup (path);
  job->format = g_strdup (format);
  job->variant = g_strdup (variant);
  find_top (job);
  job_run (job, _("Copying…"), copy_work);
}

void
media_page_copy (BunshinMediaPage *self, BunshinMediumItem *item)
{
  const char *path = bunshin_medium_item_get_path (item);
  /* A copy of what lies on a server goes where new disks go. */
  g_autofree char *source = disk_is_remote (path) ? g_build_filename (library_home (self->library), "disks",
                                                                     _("Copy from a server"), NULL)
                                                  : g_strdup (path);
  BunshinDiskDialog *dialog = bunshin_disk_dialog_new_copy (media_page_window (self), source);

  g_signal_connect_data (dialog, "copy", G_CALLBACK (on_copy), subject_new (self, item), subject_closure_free, 0);
  gtk_window_present (GTK_WINDOW (dialog));
}

/* --- Moving --- */

static gboolean
move_work (const DiskTask *task, gpointer data, GError **error)
{
  Job *job = data;

  job->move = disk_move_begin (job->path, job->other, task, error);
  return job->move != NULL;
}

static gboolean
move_end_work (const DiskTask *task, gpointer data, GError **error)
{
  return disk_move_finish (((Job *) data)->move, error);
}

static void
on_move_ended (GObject *source, GAsyncResult *result, gpointer data)
{
  Job *job = data;
  g_autoptr (GError) error = NULL;

  /* It works in the new place; only the old file is still there, too. */
  if (!disk_work_run_finish (result, &error))
    {
      job_failed (job, error);
      job_end (job);
      job_free (job);
      return;
    }
  finish_with_toast (job, _("The medium was moved"));
}

/* The image is in both places: first all machines learn of the new one, then the old one goes. */
static void
move_done (Job *job)
{
  g_autoptr (GError) error = NULL;

  if (library_move_medium (job->page->library, job->path, job->other, &error))
    {
      disk_work_run_async (move_end_work, job, NULL, NULL, on_move_ended, job);
      return;
    }
  disk_move_undo (job->move);
  job_failed (job, error);
  job_end (job);
  job_free (job);
}

void
media_page_move_to (BunshinMediaPage *self, BunshinMediumItem *item, const char *path)
{
  Job *job;

  /* A machine may have started while the place was chosen. */
  if (g_str_equal (path, bunshin_medium_item_get_path (item))
      || (bunshin_medium_item_get_verbs (item) & MEDIUM_MOVE) == 0)
    return;
  job = job_new (self, item, _("The medium could not be moved"), move_done);
  job->other = g_strdup (path);
  job_run (job, _("Moving…"), move_work);
}

static void
on_place_chosen (const char *path, gpointer data)
{
  Subject *subject = data;

  media_page_move_to (subject->page, subject->item, path);
}

void
media_page_move (BunshinMediaPage *self, BunshinMediumItem *item)
{
  dialog_choose_file (media_page_window (self), _("Move or Rename"), DIALOG_FILES_PLACE,
                      bunshin_medium_item_get_path (item), on_place_chosen, subject_new (self, item), subject_free);
}

/* --- Resizing --- */

static gboolean
resize_work (const DiskTask *task, gpointer data, GError **error)
{
  const Job *job = data;

  return disk_resize (job->path, job->size, job->shrinks, task, error);
}

static void
resize_done (Job *job)
{
  finish_with_toast (job, _("The disk’s size was changed"));
}

static void
on_resize (BunshinResizeDialog *dialog, guint64 size, gpointer data)
{
  Subject *subject = data;
  Job *job = job_new (subject->page, subject->item, _("The disk’s size could not be changed"), resize_done);

  job->size = size;
  job->shrinks = size < bunshin_medium_item_get_info (subject->item)->size;
  job_run (job, job->shrinks ? _("Shrinking…") : _("Growing…"), resize_work);
}

void
media_page_resize (BunshinMediaPage *self, BunshinMediumItem *item)
{
  BunshinResizeDialog *dialog
      = bunshin_resize_dialog_new (media_page_window (self), bunshin_medium_item_get_name (item),
                                   bunshin_medium_item_get_info (item)->size);

  g_signal_connect_data (dialog, "resize", G_CALLBACK (on_resize), subject_new (self, item), subject_closure_free, 0);
  gtk_window_present (GTK_WINDOW (dialog));
}

/* --- Compacting --- */

static gboolean
compact_work (const DiskTask *task, gpointer data, GError **error)
{
  return disk_compact (((Job *) data)->path, task, error);
}

static void
compact_done (Job *job)
{
  finish_with_toast (job, _("The disk was compacted"));
}

void
media_page_compact (BunshinMediaPage *self, BunshinMediumItem *item)
{
  Job *job = job_new (self, item, _("The disk could not be compacted"), compact_done);

  job_run (job, _("Compacting…"), compact_work);
}

/* --- Checking --- */

static gboolean
check_work (const DiskTask *task, gpointer data, GError **error)
{
  Job *job = data;

  return disk_check (job->path, job->other, &job->report, task, error);
}

static void
repair_done (Job *job)
{
  list_new (job, job->other);
  finish_with_toast (job, _("A repaired copy was made"));
}

void
media_page_repair_to (BunshinMediaPage *self, BunshinMediumItem *item, const char *path)
{
  Job *job;

  if ((bunshin_medium_item_get_verbs (item) & MEDIUM_CHECK) == 0)
    return;
  job = job_new (self, item, _("The disk could not be repaired"), repair_done);
  job->other = g_strdup (path);
  job_run (job, _("Repairing…"), check_work);
}

static void
on_repair_place_chosen (const char *path, gpointer data)
{
  Subject *subject = data;

  media_page_repair_to (subject->page, subject->item, path);
}

/* “x repaired.vdi” beside “x.vdi”. Caller frees. */
static char *
repaired_path (const char *path)
{
  g_autofree char *folder = g_path_get_dirname (path), *base = g_path_get_basename (path), *name = NULL;
  char *ending = strrchr (base, '.');

  if (ending == NULL || ending == base)
    return g_strconcat (path, "-repaired", NULL);
  *ending = '\0';
  /* Translators: the name of a disk's repaired copy, without its ending. */
  name = g_strdup_printf (_("%s repaired"), base);
  return disk_free_path (folder, name, ending + 1);
}

static void
on_check_response (AdwMessageDialog *dialog, const char *response, gpointer data)
{
  Subject *subject = data;
  g_autofree char *proposed = NULL;

  if (!g_str_equal (response, "repair"))
    return;
  proposed = repaired_path (bunshin_medium_item_get_path (subject->item));
  dialog_choose_file (media_page_window (subject->page), _("Repair Into a Copy"), DIALOG_FILES_PLACE, proposed,
                      on_repair_place_chosen, subject_new (subject->page, subject->item), subject_free);
}

static char *
describe_faults (const DiskReport *report)
{
  GString *text = g_string_new (NULL);

  if (report->errors > 0)
    g_string_append_printf (text,
                            ngettext ("%llu fault puts data at risk.", "%llu faults put data at risk.", report->errors),
                            (unsigned long long) report->errors);
  if (report->leaks > 0)
    g_string_append_printf (text, text->len > 0 ? " %s" : "%s", _("Some space of the file is not used by anything."));
  for (guint i = 0; report->messages != NULL && report->messages[i] != NULL && i < FAULTS_SHOWN; i++)
    g_string_append_printf (text, "\n• %s", report->messages[i]);
  return g_string_free (text, FALSE);
}

static void
show_faults (Job *job)
{
  g_autofree char *heading
      = g_strdup_printf (_("“%s” Has Faults"), bunshin_medium_item_get_name (job->item));
  g_autofree char *body = describe_faults (&job->report);
  AdwMessageDialog *dialog
      = ADW_MESSAGE_DIALOG (adw_message_dialog_new (media_page_window (job->page), heading, body));

  adw_message_dialog_add_responses (dialog, "close", _("_Close"), "repair", _("_Repair Into a Copy…"), NULL);
  adw_message_dialog_set_response_appearance (dialog, "repair", ADW_RESPONSE_SUGGESTED);
  adw_message_dialog_set_default_response (dialog, "close");
  adw_message_dialog_set_close_response (dialog, "close");
  g_signal_connect_data (dialog, "response", G_CALLBACK (on_check_response), subject_new (job->page, job->item),
                         subject_closure_free, 0);
  dialog_present_question (GTK_WINDOW (dialog));
}

static void
check_done (Job *job)
{
  const DiskReport *report = &job->report;

  if (media_page_window (job->page) != NULL && report->errors + report->leaks > 0)
    show_faults (job);
  else if (media_page_window (job->page) != NULL)
    media_page_toast (job->page, report->has_check ? _("No faults were found")
                                                   : _("In this format there is nothing that could be wrong"));
  job_end (job);
  job_free (job);
}

void
media_page_check (BunshinMediaPage *self, BunshinMediumItem *item)
{
  Job *job = job_new (self, item, _("The disk could not be checked"), check_done);

  job_run (job, _("Checking…"), check_work);
}
