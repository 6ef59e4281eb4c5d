/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * OVA archives, read by libarchive. Specification: DSP0243 1.1.0, 5.3; POSIX ustar.
 * An archive is looked through once when it is opened: what is no plain file with a
 * harmless name of its own makes it unusable.
 */

#include "storage/appliance/ova-private.h"

#include <archive_entry.h>
#include <glib/gi18n-lib.h>
#include <string.h>

enum
{
  BLOCK = 64 << 10
};

static void
member_free (gpointer data)
{
  g_free (((OvaMember *) data)->name);
  g_free (data);
}

struct archive *
ova_reader (const char *path, GError **error)
{
  struct archive *reader = archive_read_new ();

  /* No compression of the whole: the specification has none, and it would have to be unpacked to look into it. */
  archive_read_support_filter_none (reader);
  archive_read_support_format_tar (reader);
  if (archive_read_open_filename (reader, path, BLOCK) == ARCHIVE_OK)
    return reader;
  ova_failed (error, path, reader);
  archive_read_free (reader);
  return NULL;
}

gboolean
ova_failed (GError **error, const char *path, struct archive *reader)
{
  const char *cause = archive_error_string (reader);

  return appliance_error (error, path, _ ("cannot read the archive: %s"), cause != NULL ? cause : "?");
}

gboolean
ova_name_is_safe (const char *name)
{
  g_auto (GStrv) parts = NULL;

  if (name == NULL || *name == '\0' || *name == '/' || strlen (name) > 1024 || !g_utf8_validate (name, -1, NULL))
    return FALSE;
  for (const char *p = name; *p != '\0'; p++)
    if (g_ascii_iscntrl (*p) || *p == '\\')
      return FALSE;
  parts = g_strsplit (name, "/", -1);
  for (char **part = parts; *part != NULL; part++)
    if (**part == '\0' || strcmp (*part, ".") == 0 || strcmp (*part, "..") == 0)
      return FALSE;
  return TRUE;
}

/* “./x” is written by some programs for “x”. */
const char *
ova_entry_name (struct archive_entry *entry)
{
  const char *name = archive_entry_pathname_utf8 (entry);

  if (name == NULL)
    name = archive_entry_pathname (entry);
  while (name != NULL && name[0] == '.' && name[1] == '/')
    name += 2;
  return name;
}

static gboolean
add_member (Ova *archive, struct archive_entry *entry, GError **error)
{
  const char *name = ova_entry_name (entry);
  g_autofree char *shown = name != NULL ? g_utf8_make_valid (name, -1) : g_strdup ("");
  gint64 size = archive_entry_size (entry);
  OvaMember *member;

  if (archive_entry_filetype (entry) == AE_IFDIR && archive_entry_hardlink (entry) == NULL)
    return TRUE;
  if (archive->members->len >= APPLIANCE_MAX_FILES)
    return appliance_error (error, archive->path, _ ("it has more than %d members"), APPLIANCE_MAX_FILES);
  if (!ova_name_is_safe (name))
    return appliance_error (error, archive->path, _ ("its member “%s” has a name that leads elsewhere"), shown);
  if (archive_entry_filetype (entry) != AE_IFREG || archive_entry_hardlink (entry) != NULL
      || archive_entry_symlink (entry) != NULL)
    return appliance_error (error, archive->path, _ ("its member “%s” is no plain file"), shown);
  if (!archive_entry_size_is_set (entry) || size < 0)
    return appliance_error (error, archive->path, _ ("its member “%s” has an impossible size"), shown);
  if (ova_find (archive, name) != NULL)
    return appliance_error (error, archive->path, _ ("its member “%s” is there twice"), shown);
  member = g_new0 (OvaMember, 1);
  member->name = g_strdup (name);
  member->size = (uint64_t) size;
  g_ptr_array_add (archive->members, member);
  g_hash_table_insert (archive->by_name, member->name, member);
  return TRUE;
}

Ova *
ova_open (const char *path, GError **error)
{
  struct archive *reader = ova_reader (path, error);
  g_autoptr (Ova) archive = NULL;
  struct archive_entry *entry;
  gboolean ok = TRUE;
  int result;

  if (reader == NULL)
    return NULL;
  archive = g_new0 (Ova, 1);
  archive->path = g_strdup (path);
  archive->members = g_ptr_array_new_with_free_func (member_free);
  archive->by_name = g_hash_table_new (g_str_hash, g_str_equal);
  while (ok && (result = archive_read_next_header (reader, &entry)) != ARCHIVE_EOF)
    if (result != ARCHIVE_OK && result != ARCHIVE_WARN)
      ok = ova_failed (error, path, reader);
    else
      ok = add_member (archive, entry, error);
  archive_read_free (reader);
  return ok ? g_steal_pointer (&archive) : NULL;
}

void
ova_close (Ova *archive)
{
  if (archive == NULL)
    return;
  g_hash_table_unref (archive->by_name);
  g_ptr_array_unref (archive->members);
  g_free (archive->path);
  g_free (archive);
}

const GPtrArray *
ova_members (const Ova *archive)
{
  return archive->members;
}

const OvaMember *
ova_find (const Ova *archive, const char *name)
{
  return g_hash_table_lookup (archive->by_name, name);
}

struct archive *
ova_reader_at (const Ova *archive, const char *name, GError **error)
{
  struct archive *reader = ova_reader (archive->path, error);
  struct archive_entry *entry;
  int result;

  if (reader == NULL)
    return NULL;
  while ((result = archive_read_next_header (reader, &entry)) == ARCHIVE_OK || result == ARCHIVE_WARN)
    if (g_strcmp0 (ova_entry_name (entry), name) == 0)
      return reader;
  if (result == ARCHIVE_EOF)
    appliance_error (error, archive->path, _ ("its member “%s” is gone"), name);
  else
    ova_failed (error, archive->path, reader);
  archive_read_free (reader);
  return NULL;
}

char *
ova_read_text (const Ova *archive, const OvaMember *member, size_t *length, GError **error)
{
  struct archive *reader;
  g_autofree char *text = NULL;
  size_t done = 0;

  if (member->size > APPLIANCE_MAX_TEXT)
    {
      appliance_error (error, archive->path, _ ("its member “%s” is too long"), member->name);
      return NULL;
    }
  reader = ova_reader_at (archive, member->name, error);
  if (reader == NULL)
    return NULL;
  text = g_malloc0 ((size_t) member->size + 1);
  while (done < member->size)
    {
      la_ssize_t some = archive_read_data (reader, text + done, (size_t) member->size - done);

      if (some <= 0)
        {
          if (some < 0)
            ova_failed (error, archive->path, reader);
          else
            appliance_error (error, archive->path, _ ("its member “%s” is cut off"), member->name);
          archive_read_free (reader);
          return NULL;
        }
      done += (size_t) some;
    }
  archive_read_free (reader);
  *length = done;
  return g_steal_pointer (&text);
}
