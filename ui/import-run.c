/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Importing. A machine's folder is made first and marked; its disks are made
 * there; when all are there the machines are added to the library, and the marks
 * go. The mark is locked as long as its process lives: a folder with a mark that
 * nobody has locked is what a killed import left. If its machine is in the
 * library it had only forgotten to remove the mark; else all of it goes.
 */

#include "ui/import-run.h"

#include "ui/size-format.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define MARK     ".importing"
#define MARK_NEW ".importing-new"

typedef struct
{
  LibraryMachine *record;
  int mark;       /* open and locked, or -1 */
  gboolean added; /* to the library */
} Made;

typedef struct
{
  const ImportDraft *draft;
  Library *library;
  const DiskTask *task;
  GPtrArray *machines;  /* of Made */
  uint64_t done, total; /* of progress */
  uint64_t needed;      /* bytes: the least, as far as the appliance tells */
  uint64_t most;        /* bytes, were its disks full */
} Import;

static void
made_free (gpointer data)
{
  Made *made = data;

  if (made->mark >= 0)
    close (made->mark);
  library_machine_free (made->record);
  g_free (made);
}

/* Only what lies in the folder; links are removed, not followed. */
static void
remove_tree (const char *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const char *entry;

  while (dir != NULL && (entry = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *inner = g_build_filename (path, entry, NULL);

      if (g_file_test (inner, G_FILE_TEST_IS_DIR) && !g_file_test (inner, G_FILE_TEST_IS_SYMLINK))
        remove_tree (inner);
      else
        g_unlink (inner);
    }
  g_rmdir (path);
}

/* It has its name only when it is locked: nobody finds it unlocked while we live. */
static gboolean
make_mark (Made *made, GError **error)
{
  g_autofree char *path = g_build_filename (made->record->folder, MARK, NULL),
                  *first = g_build_filename (made->record->folder, MARK_NEW, NULL);

  made->mark = open (first, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (made->mark >= 0 && flock (made->mark, LOCK_EX | LOCK_NB) == 0 && rename (first, path) == 0)
    return TRUE;
  g_set_error (error, G_IO_ERROR, (int) g_io_error_from_errno (errno), _ ("cannot create “%s”: %s"), path,
               g_strerror (errno));
  return FALSE;
}

static void
remove_mark (const char *folder)
{
  g_autofree char *path = g_build_filename (folder, MARK, NULL);

  g_unlink (path);
}

static void
undo (Import *import)
{
  for (unsigned i = 0; i < import->machines->len; i++)
    {
      Made *made = g_ptr_array_index (import->machines, i);
      g_autoptr (GError) error = NULL;

      if (made->added && !library_delete_machine (import->library, made->record->uuid, NULL, &error))
        g_warning ("“%s” could not be removed again: %s", made->record->name, error->message);
      if (made->record->folder != NULL && error == NULL)
        remove_tree (made->record->folder);
    }
}

/* --- Sizes --- */

static uint64_t
weight (const Import *import, const ImportDrive *drive)
{
  return MAX (import_drive_size (import->draft, drive), 1 << 20);
}

/* What the file takes where it lies: its holes will be holes here as well. */
static uint64_t
occupied (const ApplianceFile *file)
{
  struct stat info;

  if (file->path == NULL || file->chunk_size > 0)
    return file->size;
  return stat (file->path, &info) == 0 ? (uint64_t) info.st_blocks * 512 : 0;
}

/* What the file of the appliance has: the least that its contents take here. */
static uint64_t
file_size (const ImportDraft *draft, const ImportDrive *drive, uint64_t *unpacked)
{
  const ApplianceDisk *disk = drive->disk >= 0 ? g_ptr_array_index (draft->plan->disks, drive->disk) : NULL;
  int file = disk != NULL ? disk->file : drive->file;

  *unpacked = 0;
  if (file < 0)
    return 0;
  if (disk != NULL)
    *unpacked = appliance_unpacked_size (draft->plan, file);
  return MAX (occupied (g_ptr_array_index (draft->plan->files, file)), disk != NULL ? disk->populated : 0);
}

static void
add_up (Import *import)
{
  uint64_t largest = 0;

  import->total = appliance_verify_bytes (import->draft->plan);
  for (unsigned i = 0; i < import->draft->machines->len; i++)
    {
      const ImportMachine *machine = g_ptr_array_index (import->draft->machines, i);

      for (unsigned j = 0; machine->chosen && j < machine->drives->len; j++)
        {
          const ImportDrive *drive = g_ptr_array_index (machine->drives, j);
          uint64_t unpacked, size;

          if (!drive->chosen)
            continue;
          size = file_size (import->draft, drive, &unpacked);
          import->total += weight (import, drive);
          import->most = MIN (import->most, G_MAXINT64 / 2) + MIN (MAX (weight (import, drive), size), G_MAXINT64 / 4);
          import->needed = size < G_MAXINT64 - import->needed ? import->needed + size : G_MAXINT64;
          largest = MAX (largest, unpacked);
        }
    }
  import->needed = largest < G_MAXINT64 - import->needed ? import->needed + largest : G_MAXINT64;
  import->most = MIN (import->most, G_MAXINT64 / 2) + MIN (largest, G_MAXINT64 / 4);
}

static gboolean
free_space (const char *folder, uint64_t *bytes)
{
  struct statvfs info;

  if (statvfs (folder, &info) != 0)
    return FALSE;
  *bytes = (uint64_t) info.f_bavail * info.f_frsize;
  return TRUE;
}

static gboolean
no_space (const Import *import, uint64_t available, GError **error)
{
  g_autofree char *needed = size_format (import->needed), *has = size_format (available);

  g_set_error (error, G_IO_ERROR, G_IO_ERROR_NO_SPACE,
               _ ("the disk of “%s” is too full: about %s are needed, and %s are free"), library_home (import->library),
               needed, has);
  return FALSE;
}

static gboolean
check_space (const Import *import, GError **error)
{
  uint64_t available;

  return !free_space (library_home (import->library), &available) || import->needed <= available
         || no_space (import, available, error);
}

/* --- One machine --- */

/* The settings as they were chosen, of a machine of its own. */
static LibraryMachine *
make_record (const Import *import, const ImportMachine *machine)
{
  LibraryMachine *record = library_machine_copy (machine->record);

  for (unsigned i = 0; import->draft->keep_macs && i < record->adapters->len && i < machine->macs->len; i++)
    {
      LibraryAdapter *adapter = g_ptr_array_index (record->adapters, i);
      const char *mac = g_ptr_array_index (machine->macs, i);

      if (mac != NULL)
        g_strlcpy (adapter->mac, mac, sizeof adapter->mac);
    }
  return record;
}

static gboolean
check_name (const Import *import, const LibraryMachine *record, GError **error)
{
  g_autoptr (LibraryMachine) other = library_find (import->library, record->name, NULL);

  if (other != NULL && strcmp (other->name, record->name) == 0)
    {
      g_set_error (error, LIBRARY_ERROR, LIBRARY_ERROR_EXISTS, _ ("there is a machine “%s” already"), record->name);
      return FALSE;
    }
  return TRUE;
}

static gboolean
fetch_drive (Import *import, Made *made, const ImportDrive *drive, GError **error)
{
  const AppliancePlan *plan = import->draft->plan;
  const char *format = NULL;
  g_autofree char *path = NULL;
  uint64_t base = import->done, span = weight (import, drive);
  ApplianceStep step;
  gboolean ok;

  appliance_step (&step, import->task, base, span, import->total);
  import->done += span;
  if (drive->disk >= 0)
    {
      const DiskCreateOptions options = { .format = import->draft->disk_format };

      format = import->draft->disk_format;
      path = library_new_disk_path (made->record, format);
      ok = appliance_fetch_disk (plan, drive->disk, path, &options, import->draft->flags, &step.task, error);
    }
  else
    {
      const ApplianceFile *file = g_ptr_array_index (plan->files, drive->file);

      /* Discs of this computer's own machines stay where they are; what an appliance brings along is copied. */
      ok = TRUE;
      if (plan->kind == APPLIANCE_KIND_OVF || plan->kind == APPLIANCE_KIND_OVA)
        {
          path = library_new_disk_path (made->record, drive->kind == LIBRARY_MEDIUM_OPTICAL ? "iso" : "img");
          ok = appliance_fetch_file (plan, drive->file, path, &step.task, error);
        }
      else
        path = g_strdup (file->path);
    }
  if (ok)
    library_machine_add_attachment (made->record, drive->controller, drive->unit, drive->kind, path, format);
  return ok;
}

static gboolean
make_machine (Import *import, const ImportMachine *machine, GError **error)
{
  Made *made = g_new0 (Made, 1);

  made->mark = -1;
  made->record = make_record (import, machine);
  g_ptr_array_add (import->machines, made);
  if (!library_make_folder (import->library, made->record, error) || !make_mark (made, error))
    return FALSE;
  for (unsigned i = 0; i < machine->drives->len; i++)
    {
      const ImportDrive *drive = g_ptr_array_index (machine->drives, i);

      if (drive->chosen && !fetch_drive (import, made, drive, error))
        return FALSE;
    }
  return library_machine_validate (made->record, error);
}

/* All that can be known to fail before anything is made. */
static gboolean
check (Import *import, GError **error)
{
  g_autoptr (GHashTable) names = g_hash_table_new (g_str_hash, g_str_equal);
  const ImportDraft *draft = import->draft;
  unsigned count = 0;

  for (unsigned i = 0; i < draft->machines->len; i++)
    {
      const ImportMachine *machine = g_ptr_array_index (draft->machines, i);
      g_autoptr (LibraryMachine) record = NULL;

      if (!machine->chosen)
        continue;
      count++;
      record = make_record (import, machine);
      if (!library_machine_validate (record, error) || !check_name (import, record, error))
        return FALSE;
      if (!g_hash_table_add (names, machine->record->name))
        {
          g_set_error (error, LIBRARY_ERROR, LIBRARY_ERROR_EXISTS, _ ("two machines would be called “%s”"),
                       machine->record->name);
          return FALSE;
        }
    }
  if (count > 0)
    return check_space (import, error);
  g_set_error (error, LIBRARY_ERROR, LIBRARY_ERROR_INVALID, _ ("no machine is chosen"));
  return FALSE;
}

static gboolean
verify (Import *import, GError **error)
{
  uint64_t span = appliance_verify_bytes (import->draft->plan);
  ApplianceStep step;

  appliance_step (&step, import->task, 0, span, import->total);
  import->done = span;
  return appliance_verify (import->draft->plan, &step.task, error);
}

static gboolean
store (Import *import, GError **error)
{
  if (import->task != NULL && g_cancellable_set_error_if_cancelled (import->task->cancellable, error))
    return FALSE;
  for (unsigned i = 0; i < import->machines->len; i++)
    {
      Made *made = g_ptr_array_index (import->machines, i);

      if (!library_add_machine (import->library, made->record, error))
        return FALSE;
      made->added = TRUE;
    }
  for (unsigned i = 0; i < import->machines->len; i++)
    remove_mark (((Made *) g_ptr_array_index (import->machines, i))->record->folder);
  return TRUE;
}

/* What would have been enough is worth more than where it ran out. What had been made is gone by now. */
static void
explain (const Import *import, GError **error)
{
  g_autofree char *most = size_format (import->most), *has = NULL;
  uint64_t available;

  if (!g_error_matches (*error, G_IO_ERROR, G_IO_ERROR_NO_SPACE)
      || !free_space (library_home (import->library), &available) || import->needed > available)
    return;
  has = size_format (available);
  g_clear_error (error);
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_NO_SPACE,
               _("the disk of “%s” is too full: up to %s are needed, and %s are free"), library_home (import->library),
               most, has);
}

char **
import_run (const ImportDraft *draft, const char *home, const DiskTask *task, GError **error)
{
  g_autoptr (Library) library = library_open (home, error);
  g_autoptr (GPtrArray) machines = g_ptr_array_new_with_free_func (made_free);
  g_autoptr (GStrvBuilder) uuids = NULL;
  g_autoptr (GError) cause = NULL;
  Import import = { .draft = draft, .library = library, .task = task, .machines = machines };
  gboolean ok;

  if (library == NULL)
    return NULL;
  add_up (&import);
  ok = check (&import, &cause) && verify (&import, &cause);
  for (unsigned i = 0; ok && i < draft->machines->len; i++)
    {
      const ImportMachine *machine = g_ptr_array_index (draft->machines, i);

      ok = !machine->chosen || make_machine (&import, machine, &cause);
    }
  ok = ok && store (&import, &cause);
  if (!ok)
    {
      undo (&import);
      explain (&import, &cause);
      g_propagate_error (error, g_steal_pointer (&cause));
      return NULL;
    }
  uuids = g_strv_builder_new ();
  for (unsigned i = 0; i < machines->len; i++)
    g_strv_builder_add (uuids, ((Made *) g_ptr_array_index (machines, i))->record->uuid);
  return g_strv_builder_end (uuids);
}

/* --- After a kill --- */

static gboolean
is_in_library (const GPtrArray *machines, const char *folder)
{
  for (unsigned i = 0; i < machines->len; i++)
    if (strcmp (((LibraryMachine *) g_ptr_array_index (machines, i))->folder, folder) == 0)
      return TRUE;
  return FALSE;
}

/* What became of the folder, or NULL: nothing was to do. */
static char *
recover_one (Library *library, const char *folder)
{
  g_autofree char *path = g_build_filename (folder, MARK, NULL);
  g_autoptr (GPtrArray) machines = NULL;
  char *sentence = NULL;
  int mark = open (path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);

  if (mark < 0)
    return NULL;
  /* Only when it is locked is it certain that the list is not about to change. */
  if (flock (mark, LOCK_EX | LOCK_NB) == 0 && (machines = library_list_machines (library, NULL)) != NULL)
    {
      if (is_in_library (machines, folder))
        g_unlink (path);
      else
        {
          remove_tree (folder);
          sentence = g_strdup_printf (_ ("removed what an interrupted import had left in “%s”"), folder);
        }
    }
  close (mark);
  return sentence;
}

char **
import_recover (Library *library)
{
  g_autofree char *parent = g_build_filename (library_home (library), "machines", NULL);
  g_autoptr (GDir) dir = g_dir_open (parent, 0, NULL);
  g_autoptr (GPtrArray) sentences = g_ptr_array_new ();
  const char *entry;

  while (dir != NULL && (entry = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *folder = g_build_filename (parent, entry, NULL);
      char *sentence = recover_one (library, folder);

      if (sentence != NULL)
        g_ptr_array_add (sentences, sentence);
    }
  if (sentences->len == 0)
    return NULL;
  g_ptr_array_add (sentences, NULL);
  return (char **) g_ptr_array_steal (sentences, NULL);
}
