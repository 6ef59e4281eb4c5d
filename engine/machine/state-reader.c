/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reading the file of a saved state, which may be damaged, or made to harm. */

#include "engine/machine/state-file-private.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib/gi18n-lib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

typedef struct
{
  uint64_t size, count;
  GBytes *table;
  const StateUnit *units;
  ZSTD_DCtx *decompressor[STATE_LANES];
  uint8_t *packed[STATE_LANES]; /* a unit as it is in the file */
} ReaderMemory;

struct StateReader
{
  char *path;
  int fd;
  uint64_t size;
  StateEntry *entries;
  guint entry_count;
  GArray *memories;     /* ReaderMemory */
};

static gboolean
damaged (const StateReader *r, const char *cause, GError **error)
{
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, _("the saved state “%s” cannot be used: %s"), r->path, cause);
  return FALSE;
}

static gboolean
read_at (const StateReader *r, uint64_t offset, void *data, size_t length)
{
  uint8_t *bytes = data;

  while (length > 0)
    {
      ssize_t done = pread (r->fd, bytes, length, (off_t) offset);

      if (done < 0 && errno == EINTR)
        continue;
      if (done <= 0)
        return FALSE;
      bytes += done;
      offset += (uint64_t) done;
      length -= (size_t) done;
    }
  return TRUE;
}

static gboolean
lies_inside (const StateReader *r, uint64_t offset, uint64_t length)
{
  return offset >= STATE_HEADER_SIZE && offset <= r->size && length <= r->size - offset;
}

static gboolean
read_directory (StateReader *r, const StateHeader *header, GError **error)
{
  uint64_t length = (uint64_t) header->directory_count * sizeof (StateEntry);

  if (header->directory_count > STATE_SECTIONS_MAX || !lies_inside (r, header->directory_offset, length))
    return damaged (r, _("its directory lies outside of the file"), error);
  r->entries = g_malloc (length);
  r->entry_count = header->directory_count;
  if (!read_at (r, header->directory_offset, r->entries, length))
    return damaged (r, _("its directory cannot be read"), error);
  if (crc32_z (0, (const uint8_t *) r->entries, length) != header->directory_crc)
    return damaged (r, _("its directory is damaged"), error);
  for (guint i = 0; i < r->entry_count; i++)
    if (r->entries[i].name[STATE_NAME_SIZE - 1] != '\0' || !lies_inside (r, r->entries[i].offset, r->entries[i].length))
      return damaged (r, _("its directory is damaged"), error);
  return TRUE;
}

static gboolean
read_header (StateReader *r, GError **error)
{
  StateHeader header;
  uint32_t crc;
  struct stat status;

  if (fstat (r->fd, &status) != 0 || !S_ISREG (status.st_mode) || status.st_size < STATE_HEADER_SIZE ||
      !read_at (r, 0, &header, sizeof header) || memcmp (header.magic, STATE_MAGIC, sizeof header.magic) != 0)
    return damaged (r, _("it is no saved state"), error);
  r->size = (uint64_t) status.st_size;
  if (header.version != STATE_VERSION)
    return damaged (r, _("it was made by another version of Bunshin"), error);
  crc = header.crc;
  header.crc = 0;
  if (crc32_z (0, (const uint8_t *) &header, sizeof header) != crc)
    return damaged (r, _("its header is damaged"), error);
  if (header.file_size > r->size)
    return damaged (r, _("it is cut off"), error);
  return read_directory (r, &header, error);
}

StateReader *
state_reader_new (const char *path, GError **error)
{
  StateReader *r = g_new0 (StateReader, 1);

  r->path = g_strdup (path);
  r->memories = g_array_new (FALSE, TRUE, sizeof (ReaderMemory));
  r->fd = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (r->fd < 0)
    {
      int cause = errno;

      g_set_error (error, G_IO_ERROR, (int) g_io_error_from_errno (cause), _("cannot open the saved state “%s”: %s"), path,
                   g_strerror (cause));
    }
  if (r->fd < 0 || !read_header (r, error))
    {
      state_reader_free (r);
      return NULL;
    }
  return r;
}

void
state_reader_free (StateReader *r)
{
  if (r == NULL)
    return;
  for (guint i = 0; i < r->memories->len; i++)
    {
      ReaderMemory *memory = &g_array_index (r->memories, ReaderMemory, i);

      g_bytes_unref (memory->table);
      for (unsigned lane = 0; lane < STATE_LANES; lane++)
        {
          ZSTD_freeDCtx (memory->decompressor[lane]);
          g_free (memory->packed[lane]);
        }
    }
  g_array_unref (r->memories);
  if (r->fd >= 0)
    close (r->fd);
  g_free (r->entries);
  g_free (r->path);
  g_free (r);
}

const char *
state_reader_path (const StateReader *r)
{
  return r->path;
}

static GBytes *
read_section (StateReader *r, const char *name, uint64_t most, GError **error)
{
  const StateEntry *entry = NULL;
  g_autofree uint8_t *data = NULL;
  g_autofree char *cause = NULL;

  for (guint i = 0; i < r->entry_count && entry == NULL; i++)
    if (g_str_equal (r->entries[i].name, name))
      entry = &r->entries[i];
  if (entry == NULL)
    cause = g_strdup_printf (_("it lacks “%s”"), name);
  else if (entry->length > most)
    cause = g_strdup_printf (_("“%s” in it is too long"), name);
  else
    {
      data = g_malloc (MAX (entry->length, 1));
      if (!read_at (r, entry->offset, data, entry->length) || crc32_z (0, data, entry->length) != entry->crc)
        cause = g_strdup_printf (_("“%s” in it is damaged"), name);
    }
  if (cause != NULL)
    {
      damaged (r, cause, error);
      return NULL;
    }
  return g_bytes_new_take (g_steal_pointer (&data), entry->length);
}

GBytes *
state_reader_section (StateReader *r, const char *name, GError **error)
{
  return read_section (r, name, STATE_SECTION_MAX, error);
}

static size_t
unit_length (const ReaderMemory *memory, uint64_t unit)
{
  return (size_t) MIN (STATE_UNIT, memory->size - unit * STATE_UNIT);
}

static gboolean
units_are_sound (const StateReader *r, const ReaderMemory *memory)
{
  for (uint64_t i = 0; i < memory->count; i++)
    if (memory->units[i].length > unit_length (memory, i) ||
        (memory->units[i].length > 0 && !lies_inside (r, memory->units[i].offset, memory->units[i].length)))
      return FALSE;
  return TRUE;
}

int
state_reader_open_memory (StateReader *r, const char *name, uint64_t size, GError **error)
{
  g_autofree char *section = g_strconcat (STATE_MEMORY_PREFIX, name, NULL);
  ReaderMemory memory = { .size = size, .count = (size + STATE_UNIT - 1) / STATE_UNIT };
  g_autofree char *cause = NULL;

  memory.table = read_section (r, section, memory.count * sizeof (StateUnit), error);
  if (memory.table == NULL)
    return -1;
  memory.units = g_bytes_get_data (memory.table, NULL);
  if (g_bytes_get_size (memory.table) != memory.count * sizeof (StateUnit))
    cause = g_strdup_printf (_("“%s” in it has another size"), name);
  else if (!units_are_sound (r, &memory))
    cause = g_strdup_printf (_("“%s” in it is damaged"), name);
  if (cause != NULL)
    {
      g_bytes_unref (memory.table);
      damaged (r, cause, error);
      return -1;
    }
  for (unsigned lane = 0; lane < STATE_LANES; lane++)
    {
      memory.decompressor[lane] = ZSTD_createDCtx ();
      memory.packed[lane] = g_malloc (STATE_UNIT);
    }
  g_array_append_val (r->memories, memory);
  return (int) r->memories->len - 1;
}

gboolean
state_reader_unit_is_zero (const StateReader *r, int number, uint64_t unit)
{
  return g_array_index (r->memories, ReaderMemory, number).units[unit].length == 0;
}

gboolean
state_reader_get_unit (const StateReader *r, int number, unsigned lane, uint64_t index, uint8_t *to)
{
  const ReaderMemory *memory = &g_array_index (r->memories, ReaderMemory, number);
  const StateUnit *unit = &memory->units[index];
  size_t length = unit_length (memory, index);
  uint8_t *packed = memory->packed[lane];

  if (unit->length == 0)
    {
      memset (to, 0, length);
      return TRUE;
    }
  if (!read_at (r, unit->offset, packed, unit->length) || crc32 (0, packed, unit->length) != unit->crc)
    return FALSE;
  if (unit->length == length)
    {
      memcpy (to, packed, length);
      return TRUE;
    }
  return ZSTD_decompressDCtx (memory->decompressor[lane], to, length, packed, unit->length) == length;
}
