/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A list of changes; see the header. */

#include "ui/changes-data.h"

#include <glib/gi18n.h>
#include <string.h>

#define HEAD "bunshin-changes-1"

enum
{
  ROWS_MAX = 1000000,
  PATHS_MAX = 512 << 20, /* bytes */
  FIELD_MAX = 256 << 10,
  DISKS_MAX = 64,
  DISK_NAME_MAX = 16,
  NOTES_MAX = 10000,
  CANCEL_CHECK = 4096 /* rows */
};

/* What comes next. */
typedef enum
{
  EXPECT_HEAD,
  EXPECT_RECORD,
  EXPECT_PERMILLE,
  EXPECT_NOTE,
  EXPECT_KIND,
  EXPECT_TYPE,
  EXPECT_DISK,
  EXPECT_VOLUME,
  EXPECT_OLD_SIZE,
  EXPECT_NEW_SIZE,
  EXPECT_MODIFIED,
  EXPECT_PATH,
  EXPECT_NOTHING
} Expect;

struct _ChangesData
{
  gatomicrefcount references;
  GArray *rows;      /* of ChangesRow */
  GByteArray *paths; /* each with its NUL */
  GPtrArray *disks, *notes;
  guint counts[CHANGES_KINDS];
  gboolean has_several; /* file systems */
  int permille;         /* atomic; negative: not known */

  GString *field; /* so far */
  Expect expect;
  ChangesRow row; /* so far */
};

ChangesData *
changes_data_new (void)
{
  ChangesData *self = g_new0 (ChangesData, 1);

  g_atomic_ref_count_init (&self->references);
  self->rows = g_array_new (FALSE, FALSE, sizeof (ChangesRow));
  self->paths = g_byte_array_new ();
  self->disks = g_ptr_array_new_with_free_func (g_free);
  self->notes = g_ptr_array_new_with_free_func (g_free);
  self->field = g_string_new (NULL);
  self->permille = -1;
  return self;
}

ChangesData *
changes_data_ref (ChangesData *self)
{
  g_atomic_ref_count_inc (&self->references);
  return self;
}

void
changes_data_unref (ChangesData *self)
{
  if (!g_atomic_ref_count_dec (&self->references))
    return;
  g_array_unref (self->rows);
  g_byte_array_unref (self->paths);
  g_ptr_array_unref (self->disks);
  g_ptr_array_unref (self->notes);
  g_string_free (self->field, TRUE);
  g_free (self);
}

/* --- Reading --- */

static gboolean
damaged (GError **error)
{
  g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, _("the list of changes is damaged"));
  return FALSE;
}

static gboolean
read_uint (const char *text, guint64 max, guint64 *value)
{
  return g_ascii_string_to_unsigned (text, 10, 0, max, value, NULL);
}

static gboolean
take_record (ChangesData *self, const char *name)
{
  static const struct
  {
    char name;
    Expect expect;
  } records[] = { { 'p', EXPECT_PERMILLE }, { 'c', EXPECT_KIND }, { 'n', EXPECT_NOTE }, { 'e', EXPECT_NOTHING } };

  for (gsize i = 0; i < G_N_ELEMENTS (records); i++)
    if (name[0] == records[i].name && name[1] == '\0')
      {
        self->expect = records[i].expect;
        return TRUE;
      }
  return FALSE;
}

static gboolean
take_disk (ChangesData *self, const char *name)
{
  gsize length = strlen (name);
  guint i;

  for (i = 0; i < self->disks->len; i++)
    if (strcmp (self->disks->pdata[i], name) == 0)
      break;
  if (i == self->disks->len)
    {
      if (i == DISKS_MAX || length == 0 || length > DISK_NAME_MAX)
        return FALSE;
      for (gsize j = 0; j < length; j++)
        if (!g_ascii_isalnum (name[j]))
          return FALSE;
      g_ptr_array_add (self->disks, g_strdup (name));
    }
  self->row.disk = (guint8) i;
  return TRUE;
}

static gboolean
is_ascii (const char *text)
{
  while (*text != '\0' && (guchar) *text < 0x80)
    text++;
  return *text == '\0';
}

static gboolean
take_path (ChangesData *self, const char *path)
{
  const ChangesRow *first;
  gsize length = strlen (path) + 1;

  if (path[0] != '/' || self->rows->len == ROWS_MAX || self->paths->len + length > PATHS_MAX)
    return FALSE;
  self->row.path = self->paths->len;
  self->row.is_ascii = is_ascii (path);
  g_byte_array_append (self->paths, (const guint8 *) path, (guint) length);
  g_array_append_val (self->rows, self->row);
  self->counts[self->row.kind]++;
  first = &g_array_index (self->rows, ChangesRow, 0);
  if (first->disk != self->row.disk || first->volume != self->row.volume)
    self->has_several = TRUE;
  self->expect = EXPECT_RECORD;
  return TRUE;
}

/* A whole field. */
static gboolean
take (ChangesData *self, const char *text)
{
  guint64 value = 0;
  gboolean ok = TRUE;

  switch (self->expect)
    {
    case EXPECT_HEAD:
      self->expect = EXPECT_RECORD;
      return strcmp (text, HEAD) == 0;
    case EXPECT_RECORD:
      return take_record (self, text);
    case EXPECT_PERMILLE:
      ok = read_uint (text, 1000, &value);
      g_atomic_int_set (&self->permille, (int) value);
      self->expect = EXPECT_RECORD;
      return ok;
    case EXPECT_NOTE:
      if (self->notes->len == NOTES_MAX)
        return FALSE;
      g_ptr_array_add (self->notes, inspect_shown_path (text));
      self->expect = EXPECT_RECORD;
      return TRUE;
    case EXPECT_KIND:
      ok = read_uint (text, CHANGES_KINDS - 1, &value);
      self->row.kind = (guint8) value;
      break;
    case EXPECT_TYPE:
      ok = read_uint (text, INSPECT_OTHER, &value);
      self->row.type = (guint8) value;
      break;
    case EXPECT_DISK:
      ok = take_disk (self, text);
      break;
    case EXPECT_VOLUME:
      ok = read_uint (text, G_MAXUINT16, &value);
      self->row.volume = (guint16) value;
      break;
    case EXPECT_OLD_SIZE:
      ok = read_uint (text, G_MAXUINT64, &self->row.old_size);
      break;
    case EXPECT_NEW_SIZE:
      ok = read_uint (text, G_MAXUINT64, &self->row.new_size);
      break;
    case EXPECT_MODIFIED:
      ok = g_ascii_string_to_signed (text, 10, G_MININT64, G_MAXINT64, &self->row.modified, NULL);
      break;
    case EXPECT_PATH:
      return take_path (self, text);
    case EXPECT_NOTHING:
      return FALSE;
    }
  self->expect++;
  return ok;
}

gboolean
changes_data_feed (ChangesData *self, const char *bytes, gsize length, GError **error)
{
  while (length > 0)
    {
      const char *end = memchr (bytes, '\0', length);
      gsize part = end != NULL ? (gsize) (end - bytes) : length;

      if (self->field->len + part > FIELD_MAX)
        return damaged (error);
      g_string_append_len (self->field, bytes, (gssize) part);
      if (end == NULL)
        return TRUE;
      if (!take (self, self->field->str))
        return damaged (error);
      g_string_truncate (self->field, 0);
      bytes += part + 1;
      length -= part + 1;
    }
  return TRUE;
}

gboolean
changes_data_end (ChangesData *self, GError **error)
{
  return (self->expect == EXPECT_NOTHING && self->field->len == 0) || damaged (error);
}

double
changes_data_get_progress (ChangesData *self)
{
  int permille = g_atomic_int_get (&self->permille);

  return permille < 0 ? -1 : permille / 1000.0;
}

/* --- What was read --- */

guint
changes_data_get_count (ChangesData *self)
{
  return self->rows->len;
}

guint
changes_data_count_kind (ChangesData *self, InspectChangeKind kind)
{
  return self->counts[kind];
}

const ChangesRow *
changes_data_get_row (ChangesData *self, guint index)
{
  return &g_array_index (self->rows, ChangesRow, index);
}

const char *
changes_data_get_path (ChangesData *self, const ChangesRow *row)
{
  return (const char *) self->paths->data + row->path;
}

const char *
changes_data_get_disk (ChangesData *self, const ChangesRow *row)
{
  return self->disks->pdata[row->disk];
}

gboolean
changes_data_is_one_volume (ChangesData *self)
{
  return !self->has_several;
}

const GPtrArray *
changes_data_get_notes (ChangesData *self)
{
  return self->notes;
}

/* --- Choosing --- */

static gboolean
matches (ChangesData *self, const ChangesRow *row, const char *search, gboolean search_is_ascii)
{
  const char *path = changes_data_get_path (self, row);
  g_autofree char *valid = NULL, *folded = NULL;

  /* Nearly all: these need no copy. */
  if (row->is_ascii)
    return search_is_ascii && strcasestr (path, search) != NULL;
  valid = g_utf8_make_valid (path, -1);
  folded = g_utf8_casefold (valid, -1);
  return strstr (folded, search) != NULL;
}

static guint64
size_difference (const ChangesRow *row)
{
  return row->old_size > row->new_size ? row->old_size - row->new_size : row->new_size - row->old_size;
}

static int
by_size (gconstpointer a, gconstpointer b, gpointer data)
{
  guint32 one = *(const guint32 *) a, other = *(const guint32 *) b;
  guint64 x = size_difference (changes_data_get_row (data, one)),
          y = size_difference (changes_data_get_row (data, other));

  return x != y ? (x < y ? 1 : -1) : one < other ? -1 : one > other;
}

static int
by_time (gconstpointer a, gconstpointer b, gpointer data)
{
  guint32 one = *(const guint32 *) a, other = *(const guint32 *) b;
  gint64 x = changes_data_get_row (data, one)->modified, y = changes_data_get_row (data, other)->modified;

  return x != y ? (x < y ? 1 : -1) : one < other ? -1 : one > other;
}

GArray *
changes_data_select (ChangesData *self, const ChangesQuery *query, GCancellable *cancellable)
{
  g_autoptr (GArray) chosen = g_array_new (FALSE, FALSE, sizeof (guint32));
  g_autofree char *search = query->search != NULL ? g_utf8_casefold (query->search, -1) : NULL;
  gboolean search_is_ascii = search != NULL && is_ascii (search);

  for (guint32 i = 0; i < self->rows->len; i++)
    {
      const ChangesRow *row = changes_data_get_row (self, i);

      if (i % CANCEL_CHECK == 0 && g_cancellable_is_cancelled (cancellable))
        return NULL;
      if ((query->kinds >> row->kind & 1) == 0)
        continue;
      if (search == NULL || matches (self, row, search, search_is_ascii))
        g_array_append_val (chosen, i);
    }
  if (query->order == CHANGES_BY_SIZE)
    g_array_sort_with_data (chosen, by_size, self);
  else if (query->order == CHANGES_BY_TIME)
    g_array_sort_with_data (chosen, by_time, self);
  return g_steal_pointer (&chosen);
}
