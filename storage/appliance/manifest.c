/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Manifests: what every file of an appliance must be. Specification: DSP0243
 * 1.1.0, 5.1 (SHA-1) and 2.1.1, 6.1 (SHA-256 as well).
 */

#include "storage/appliance/appliance-private.h"

#include <glib/gi18n-lib.h>
#include <string.h>

enum
{
  BUFFER = 256 << 10
};

char *
manifest_format (ApplianceManifest kind, const char *name, const char *digest)
{
  return g_strdup_printf ("%s(%s)= %s\n", kind == APPLIANCE_MANIFEST_SHA1 ? "SHA1" : "SHA256", name, digest);
}

GChecksumType
manifest_checksum (ApplianceManifest kind)
{
  return kind == APPLIANCE_MANIFEST_SHA1 ? G_CHECKSUM_SHA1 : G_CHECKSUM_SHA256;
}

typedef struct
{
  char *name, *digest;
  GChecksumType type;
} Line;

static void
line_free (gpointer data)
{
  Line *line = data;

  g_free (line->name);
  g_free (line->digest);
  g_free (line);
}

/* “SHA256(name)= digest”, with blanks where writers put them. NULL: it is no such line. */
static Line *
read_line (const char *text)
{
  static const struct
  {
    const char *word;
    GChecksumType type;
    size_t digits;
  } kinds[] = { { "SHA1", G_CHECKSUM_SHA1, 40 },
                { "SHA256", G_CHECKSUM_SHA256, 64 },
                { "SHA384", G_CHECKSUM_SHA384, 96 },
                { "SHA512", G_CHECKSUM_SHA512, 128 } };
  const char *open = strchr (text, '('), *end = strrchr (text, ')');
  g_autofree char *word = NULL, *digest = NULL;
  Line *line;

  if (open == NULL || end == NULL || end < open)
    return NULL;
  word = g_strstrip (g_strndup (text, (gsize) (open - text)));
  digest = g_strstrip (g_strdup (end + 1));
  if (*digest != '=')
    return NULL;
  g_strstrip (memmove (digest, digest + 1, strlen (digest)));
  for (unsigned i = 0; i < G_N_ELEMENTS (kinds); i++)
    if (g_ascii_strcasecmp (word, kinds[i].word) == 0 && strlen (digest) == kinds[i].digits
        && strspn (digest, "0123456789abcdefABCDEF") == kinds[i].digits)
      {
        line = g_new0 (Line, 1);
        line->name = g_strndup (open + 1, (gsize) (end - open - 1));
        line->digest = g_steal_pointer (&digest);
        line->type = kinds[i].type;
        return line;
      }
  return NULL;
}

static GPtrArray *
read_lines (const AppliancePlan *plan, GError **error)
{
  g_autoptr (GPtrArray) lines = g_ptr_array_new_with_free_func (line_free);
  g_autoptr (GHashTable) names = g_hash_table_new (g_str_hash, g_str_equal);
  g_auto (GStrv) texts = g_strsplit (plan->text != NULL ? plan->text : "", "\n", 2 * APPLIANCE_MAX_FILES);

  for (char **text = texts; *text != NULL; text++)
    {
      Line *line;

      g_strstrip (*text);
      if (**text == '\0')
        continue;
      line = read_line (*text);
      if (line == NULL)
        {
          g_autofree char *shown = g_utf8_make_valid (*text, (gssize) MIN (strlen (*text), 200));

          appliance_error (error, plan->manifest, _ ("“%s” is no line of a manifest"), shown);
          return NULL;
        }
      g_ptr_array_add (lines, line);
      if (!g_hash_table_add (names, line->name))
        {
          appliance_error (error, plan->manifest, _ ("“%s” is in it twice"), line->name);
          return NULL;
        }
    }
  return g_steal_pointer (&lines);
}

static gboolean
is_description (const AppliancePlan *plan, const char *name)
{
  g_autofree char *base = g_path_get_basename (plan->description);

  return strcmp (base, name) == 0 || strcmp (plan->description, name) == 0;
}

/* What a line is about; the member or path that has it. NULL: nothing of it is used. */
static char *
find_named (const AppliancePlan *plan, const char *name)
{
  for (unsigned i = 0; i < plan->files->len; i++)
    {
      const ApplianceFile *file = g_ptr_array_index (plan->files, i);
      const char *place = file->member != NULL ? file->member : file->path;

      if (strcmp (file->href, name) == 0 && file->chunk_size == 0)
        return g_strdup (place);
      /* The pieces have lines of their own. */
      if (file->chunk_size > 0 && g_str_has_prefix (name, file->href))
        for (unsigned n = 0; (uint64_t) n * file->chunk_size < file->size; n++)
          {
            g_autofree char *piece = stream_chunk_name (file->href, n);

            if (strcmp (piece, name) == 0)
              return stream_chunk_name (place, n);
          }
    }
  return NULL;
}

static gboolean
digest_of (const AppliancePlan *plan, const Line *line, char **digest, uint64_t *done, uint64_t total,
           const DiskTask *task, GError **error)
{
  g_autoptr (GChecksum) sum = g_checksum_new (line->type);
  g_autofree char *place = NULL;
  g_autofree uint8_t *buffer = NULL;
  g_autoptr (Stream) stream = NULL;
  gssize some;

  *digest = NULL;
  if (is_description (plan, line->name))
    {
      gsize length;
      const void *bytes = g_bytes_get_data (plan->source, &length);

      /* As it was read: what is checked is what the plan is made of. */
      g_checksum_update (sum, bytes, (gssize) length);
      *digest = g_strdup (g_checksum_get_string (sum));
      return TRUE;
    }
  place = find_named (plan, line->name);
  if (place == NULL)
    return TRUE;
  stream = plan->archive != NULL ? stream_open_member (plan, place, error) : stream_open_path (place, error);
  if (stream == NULL)
    return FALSE;
  buffer = g_malloc (BUFFER);
  while ((some = stream_read (stream, buffer, BUFFER, error)) > 0)
    {
      g_checksum_update (sum, buffer, some);
      *done += (uint64_t) some;
      if (task != NULL && task->progress != NULL)
        task->progress (MIN (*done, total), total, task->opaque);
      if (appliance_is_cancelled (task, error))
        return FALSE;
    }
  if (some < 0)
    return FALSE;
  *digest = g_strdup (g_checksum_get_string (sum));
  return TRUE;
}

uint64_t
appliance_verify_bytes (const AppliancePlan *plan)
{
  uint64_t total = 0;

  for (unsigned i = 0; plan->manifest != NULL && i < plan->files->len; i++)
    {
      uint64_t size = ((const ApplianceFile *) g_ptr_array_index (plan->files, i))->size;

      total = size < G_MAXINT64 - total ? total + size : G_MAXINT64;
    }
  return total;
}

static gboolean
is_listed (const GPtrArray *lines, const char *name)
{
  for (unsigned i = 0; i < lines->len; i++)
    if (strcmp (((const Line *) g_ptr_array_index (lines, i))->name, name) == 0)
      return TRUE;
  return FALSE;
}

/* A file that the manifest leaves out could be anything. */
static gboolean
check_complete (const AppliancePlan *plan, const GPtrArray *lines, GError **error)
{
  for (unsigned i = 0; i < plan->files->len; i++)
    {
      const ApplianceFile *file = g_ptr_array_index (plan->files, i);
      g_autofree char *first = file->chunk_size > 0 ? stream_chunk_name (file->href, 0) : g_strdup (file->href);

      if (!is_listed (lines, first))
        return appliance_error (error, plan->manifest, _ ("the file “%s” of the appliance is not in it"), file->href);
    }
  return TRUE;
}

gboolean
appliance_verify (const AppliancePlan *plan, const DiskTask *task, GError **error)
{
  g_autoptr (GPtrArray) lines = NULL;
  uint64_t done = 0, total = appliance_verify_bytes (plan);

  if (plan->manifest == NULL)
    return TRUE;
  lines = read_lines (plan, error);
  if (lines == NULL || !check_complete (plan, lines, error))
    return FALSE;
  for (unsigned i = 0; i < lines->len; i++)
    {
      const Line *line = g_ptr_array_index (lines, i);
      g_autofree char *digest = NULL;

      if (!digest_of (plan, line, &digest, &done, total, task, error))
        return FALSE;
      if (digest != NULL && g_ascii_strcasecmp (digest, line->digest) != 0)
        return appliance_error (error, plan->path, _ ("“%s” is not what the manifest says: it is damaged or changed"),
                                line->name);
    }
  return TRUE;
}
