/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Plans: what they are made of, and how the files that a description names are found. */

#include "storage/appliance/appliance-private.h"

#include <errno.h>
#include <glib/gi18n-lib.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

gboolean
appliance_error (GError **error, const char *name, const char *format, ...)
{
  va_list args;
  g_autofree char *cause = NULL;

  va_start (args, format);
  cause = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, _ ("“%s”: %s"), name, cause);
  return FALSE;
}

void
appliance_note (ApplianceSystem *system, const char *format, ...)
{
  va_list args;
  char *note;

  va_start (args, format);
  note = g_strdup_vprintf (format, args);
  va_end (args);
  /* Two drives may have the same to say. */
  if (g_ptr_array_find_with_equal_func (system->notes, note, g_str_equal, NULL))
    g_free (note);
  else
    g_ptr_array_add (system->notes, note);
}

static void
file_free (gpointer data)
{
  ApplianceFile *file = data;

  g_free (file->id);
  g_free (file->href);
  g_free (file->path);
  g_free (file->member);
  g_free (file->format);
  g_strfreev (file->chain);
  g_free (file);
}

static void
disk_free (gpointer data)
{
  ApplianceDisk *disk = data;

  g_free (disk->id);
  g_free (disk->interface);
  g_free (disk);
}

static void
drive_free (gpointer data)
{
  g_free (((ApplianceDrive *) data)->controller);
  g_free (data);
}

static void
adapter_free (gpointer data)
{
  ApplianceAdapter *adapter = data;

  g_free (adapter->model);
  g_free (adapter->mac);
  g_free (adapter->name);
  g_free (adapter);
}

ApplianceSystem *
appliance_system_new (const char *name)
{
  ApplianceSystem *system = g_new0 (ApplianceSystem, 1);

  system->name = g_strdup (name);
  system->licences = g_ptr_array_new_with_free_func (g_free);
  system->drives = g_ptr_array_new_with_free_func (drive_free);
  system->adapters = g_ptr_array_new_with_free_func (adapter_free);
  system->notes = g_ptr_array_new_with_free_func (g_free);
  return system;
}

void
appliance_system_free (ApplianceSystem *system)
{
  if (system == NULL)
    return;
  g_free (system->id);
  g_free (system->name);
  g_free (system->description);
  g_free (system->product);
  g_free (system->vendor);
  g_free (system->version);
  g_free (system->os_id);
  g_free (system->os_text);
  g_ptr_array_unref (system->licences);
  g_ptr_array_unref (system->drives);
  g_ptr_array_unref (system->adapters);
  g_ptr_array_unref (system->notes);
  g_free (system);
}

AppliancePlan *
appliance_plan_new (ApplianceKind kind)
{
  AppliancePlan *plan = g_new0 (AppliancePlan, 1);

  plan->kind = kind;
  plan->systems = g_ptr_array_new_with_free_func ((GDestroyNotify) appliance_system_free);
  plan->disks = g_ptr_array_new_with_free_func (disk_free);
  plan->files = g_ptr_array_new_with_free_func (file_free);
  return plan;
}

void
appliance_plan_free (AppliancePlan *plan)
{
  if (plan == NULL)
    return;
  g_free (plan->path);
  g_free (plan->description);
  g_ptr_array_unref (plan->systems);
  g_ptr_array_unref (plan->disks);
  g_ptr_array_unref (plan->files);
  g_free (plan->manifest);
  g_free (plan->text);
  g_clear_pointer (&plan->source, g_bytes_unref);
  g_clear_pointer (&plan->archive, ova_close);
  g_free (plan);
}

ApplianceSystem *
appliance_plan_add_system (AppliancePlan *plan, const char *name)
{
  ApplianceSystem *system = appliance_system_new (name);

  g_ptr_array_add (plan->systems, system);
  return system;
}

int
appliance_plan_add_file (AppliancePlan *plan, const char *path, uint64_t size)
{
  ApplianceFile *file = g_new0 (ApplianceFile, 1);

  file->path = g_strdup (path);
  file->href = g_path_get_basename (path);
  file->size = size;
  g_ptr_array_add (plan->files, file);
  return (int) plan->files->len - 1;
}

int
appliance_add_disk (AppliancePlan *plan, int file, uint64_t capacity)
{
  ApplianceDisk *disk = g_new0 (ApplianceDisk, 1);

  disk->file = file;
  disk->parent = -1;
  disk->capacity = capacity;
  g_ptr_array_add (plan->disks, disk);
  return (int) plan->disks->len - 1;
}

int
appliance_plan_add_disk (AppliancePlan *plan, const char *path, const DiskOpenOptions *options, uint64_t capacity)
{
  int index = appliance_plan_add_file (plan, path, 0);
  ApplianceFile *file = g_ptr_array_index (plan->files, index);

  if (options != NULL)
    {
      file->format = g_strdup (options->format);
      file->chain = g_strdupv ((char **) options->chain);
    }
  return appliance_add_disk (plan, index, capacity);
}

ApplianceDrive *
appliance_system_add_drive (ApplianceSystem *system, ApplianceBus bus, unsigned channel, unsigned unit,
                            ApplianceDriveKind kind, int disk, int file)
{
  ApplianceDrive *drive = g_new0 (ApplianceDrive, 1);

  drive->bus = bus;
  drive->channel = channel;
  drive->unit = unit;
  drive->kind = kind;
  drive->disk = disk;
  drive->file = file;
  g_ptr_array_add (system->drives, drive);
  return drive;
}

ApplianceAdapter *
appliance_system_add_adapter (ApplianceSystem *system)
{
  ApplianceAdapter *adapter = g_new0 (ApplianceAdapter, 1);

  adapter->connected = TRUE;
  g_ptr_array_add (system->adapters, adapter);
  return adapter;
}

char *
appliance_clean_name (const char *name, const char *otherwise)
{
  enum
  {
    LONGEST = 200
  };
  GString *clean = g_string_new (NULL);

  for (const char *p = name != NULL && g_utf8_validate (name, -1, NULL) ? name : ""; *p != '\0';
       p = g_utf8_next_char (p))
    {
      gunichar c = g_utf8_get_char (p);

      if (clean->len > LONGEST)
        break;
      g_string_append_unichar (clean, g_unichar_iscntrl (c) || c == 0x2028 || c == 0x2029 ? ' ' : c);
    }
  g_strstrip (clean->str);
  if (*clean->str != '\0')
    return g_string_free (clean, FALSE);
  g_string_free (clean, TRUE);
  return g_strdup (otherwise);
}

char *
appliance_clean_mac (const char *text)
{
  char digits[13] = { 0 };
  unsigned count = 0;

  for (const char *p = text != NULL ? text : ""; *p != '\0'; p++)
    if (g_ascii_isxdigit (*p) && count < 12)
      digits[count++] = g_ascii_tolower (*p);
    else if (*p != ':' && *p != '-')
      return NULL;
  /* A multicast address is nobody's own. */
  if (count != 12 || (g_ascii_xdigit_value (digits[1]) & 1) != 0 || strcmp (digits, "000000000000") == 0)
    return NULL;
  return g_strdup_printf ("%.2s:%.2s:%.2s:%.2s:%.2s:%.2s", digits, digits + 2, digits + 4, digits + 6, digits + 8,
                          digits + 10);
}

uint64_t
appliance_multiply (uint64_t count, uint64_t unit)
{
  return unit != 0 && count <= G_MAXINT64 / unit ? count * unit : 0;
}

/* Programmatic units of DSP0004, of which "byte * 2^n" and "byte * 10^n" occur, and the words of older writers. */
uint64_t
appliance_unit (const char *text)
{
  static const struct
  {
    const char *word;
    unsigned shift;
  } words[] = { { "byte", 0 },       { "bytes", 0 },     { "kb", 10 },        { "kilobyte", 10 }, { "kilobytes", 10 },
                { "mb", 20 },        { "megabyte", 20 }, { "megabytes", 20 }, { "gb", 30 },       { "gigabyte", 30 },
                { "gigabytes", 30 }, { "tb", 40 },       { "terabyte", 40 },  { "terabytes", 40 } };
  g_autofree char *lower = text != NULL ? g_ascii_strdown (text, -1) : g_strdup ("");
  GString *squeezed = g_string_new (NULL);
  g_autofree char *word = NULL;
  uint64_t unit = 1;
  guint64 exponent;

  for (const char *p = lower; *p != '\0'; p++)
    if (!g_ascii_isspace (*p))
      g_string_append_c (squeezed, *p);
  word = g_string_free (squeezed, FALSE);
  for (unsigned i = 0; i < G_N_ELEMENTS (words); i++)
    if (strcmp (word, words[i].word) == 0)
      return UINT64_C (1) << words[i].shift;
  if (g_str_has_prefix (word, "byte*2^") && g_ascii_string_to_unsigned (word + 7, 10, 0, 62, &exponent, NULL))
    return UINT64_C (1) << exponent;
  if (!g_str_has_prefix (word, "byte*10^") || !g_ascii_string_to_unsigned (word + 8, 10, 0, 18, &exponent, NULL))
    return 0;
  while (exponent-- > 0)
    unit *= 10;
  return unit;
}

/* --- Files --- */

static gboolean
is_below (const char *path, const char *folder)
{
  size_t length = strlen (folder);

  return strncmp (path, folder, length) == 0 && (path[length] == '/' || g_str_has_suffix (folder, "/"));
}

char *
appliance_locate (const char *folder, const char *href, gboolean *outside)
{
  g_autofree char *plain = g_path_is_absolute (href) ? g_strdup (href) : g_build_filename (folder, href, NULL);
  g_autofree char *found = realpath (plain, NULL), *home = NULL;

  if (found == NULL || (home = realpath (folder, NULL)) == NULL)
    return NULL;
  *outside = !is_below (found, home);
  return g_strdup (found);
}

/* Windows programs write backslashes. */
static char *
with_slashes (const char *href)
{
  return strchr (href, '/') == NULL ? g_strdelimit (g_strdup (href), "\\", '/') : g_strdup (href);
}

static int
find_file (const AppliancePlan *plan, const char *path)
{
  for (unsigned i = 0; i < plan->files->len; i++)
    if (g_strcmp0 (((ApplianceFile *) g_ptr_array_index (plan->files, i))->path, path) == 0)
      return (int) i;
  return -1;
}

int
appliance_add_reference (AppliancePlan *plan, const char *name, const char *id, const char *href, const char *folder,
                         ApplianceFlags flags, GError **error)
{
  g_autofree char *slashes = with_slashes (href), *path = NULL;
  gboolean outside = FALSE;
  struct stat info = { 0 };
  ApplianceFile *file;

  if (plan->files->len >= APPLIANCE_MAX_FILES)
    {
      appliance_error (error, name, _ ("it names more than %d files"), APPLIANCE_MAX_FILES);
      return -1;
    }
  if (folder != NULL)
    {
      path = appliance_locate (folder, slashes, &outside);
      if (path == NULL || stat (path, &info) != 0)
        {
          g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, _ ("“%s” names the file “%s”: %s"), name, href,
                       g_strerror (errno));
          return -1;
        }
      if (outside && !(flags & APPLIANCE_TRUST))
        {
          g_set_error (error, G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED,
                       _ ("“%s” names the file “%s”, which is not in its folder"), name, href);
          return -1;
        }
      if (find_file (plan, path) >= 0)
        return find_file (plan, path);
    }
  file = g_new0 (ApplianceFile, 1);
  file->id = g_strdup (id);
  file->href = g_strdup (href);
  file->path = g_steal_pointer (&path);
  file->outside = outside;
  file->size = (uint64_t) info.st_size;
  g_ptr_array_add (plan->files, file);
  return (int) plan->files->len - 1;
}

int
appliance_add_image (AppliancePlan *plan, const char *name, const char *href, const char *folder, ApplianceFlags flags,
                     GError **error)
{
  int file = appliance_add_reference (plan, name, NULL, href, folder, flags, error);

  for (unsigned i = 0; file >= 0 && i < plan->disks->len; i++)
    if (((ApplianceDisk *) g_ptr_array_index (plan->disks, i))->file == file)
      return (int) i;
  return file >= 0 ? appliance_add_disk (plan, file, 0) : -1;
}

int
appliance_add_medium (AppliancePlan *plan, ApplianceSystem *system, const char *name, const char *href,
                      const char *folder, ApplianceFlags flags)
{
  g_autoptr (GError) error = NULL;
  int file = appliance_add_reference (plan, name, NULL, href, folder, flags, &error);

  if (file < 0)
    appliance_note (system, _ ("a drive will be empty: %s"), error->message);
  return file;
}
