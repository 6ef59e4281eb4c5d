/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Partition tables. Spec: UEFI 2.10, chapter 5 (GUID partition table and legacy MBR); extended partitions as
 * Linux's block/partitions/msdos.c documents them: a chain of boot records, positions relative to the first.
 */

#include "storage/inspect/volumes.h"

#include <string.h>

enum
{
  SECTOR = 512,
  MBR_TABLE = 446,
  MBR_ENTRY = 16,
  MBR_ENTRIES = 4,
  MBR_SIGNATURE = 510,
  TYPE_EXTENDED = 0x05,
  TYPE_EXTENDED_LBA = 0x0f,
  TYPE_LINUX_EXTENDED = 0x85,
  TYPE_PROTECTIVE = 0xee,
  FIRST_LOGICAL = 5,
  LOGICAL_MAX = 128,
  GPT_ENTRY_MIN = 128,
  GPT_ENTRY_MAX = 4096,
  GPT_ENTRIES_MAX = 1024
};

static uint32_t
get_le32 (const uint8_t *p)
{
  uint32_t value;

  memcpy (&value, p, sizeof value);
  return GUINT32_FROM_LE (value);
}

static uint64_t
get_le64 (const uint8_t *p)
{
  uint64_t value;

  memcpy (&value, p, sizeof value);
  return GUINT64_FROM_LE (value);
}

/* In sectors. What lies outside of the disk is left out, or cut off. */
static void
add (GArray *volumes, Disk *disk, unsigned number, uint64_t first, uint64_t count)
{
  uint64_t sectors = disk_size (disk) / SECTOR;
  Volume volume = { .number = number };

  if (first >= sectors || count == 0)
    return;
  volume.start = first * SECTOR;
  volume.length = MIN (count, sectors - first) * SECTOR;
  g_array_append_val (volumes, volume);
}

static gboolean
is_extended (uint8_t type)
{
  return type == TYPE_EXTENDED || type == TYPE_EXTENDED_LBA || type == TYPE_LINUX_EXTENDED;
}

/* Each record has one logical partition, relative to itself, and the next record, relative to the first. */
static gboolean
find_logical (Disk *disk, uint64_t first, GArray *volumes, GError **error)
{
  uint64_t at = first;
  uint8_t sector[SECTOR];

  for (unsigned i = 0; i < LOGICAL_MAX; i++)
    {
      uint64_t next = 0;

      if (at >= disk_size (disk) / SECTOR)
        return TRUE;
      if (!disk_read (disk, at * SECTOR, sector, SECTOR, error))
        return FALSE;
      if (sector[MBR_SIGNATURE] != 0x55 || sector[MBR_SIGNATURE + 1] != 0xaa)
        return TRUE;
      for (unsigned j = 0; j < 2; j++)
        {
          const uint8_t *entry = sector + MBR_TABLE + j * MBR_ENTRY;

          if (is_extended (entry[4]))
            next = first + get_le32 (entry + 8);
          else if (entry[4] != 0)
            add (volumes, disk, FIRST_LOGICAL + i, at + get_le32 (entry + 8), get_le32 (entry + 12));
        }
      /* Forwards only, so that a damaged chain ends. */
      if (next <= at)
        return TRUE;
      at = next;
    }
  return TRUE;
}

static gboolean
find_gpt (Disk *disk, GArray *volumes, GError **error)
{
  uint8_t header[SECTOR], entry[GPT_ENTRY_MIN];
  static const uint8_t unused[16];
  uint64_t table;
  uint32_t count, size;

  if (disk_size (disk) < 2 * SECTOR)
    return TRUE;
  if (!disk_read (disk, SECTOR, header, SECTOR, error))
    return FALSE;
  if (memcmp (header, "EFI PART", 8) != 0)
    return TRUE;
  table = get_le64 (header + 72);
  count = MIN (get_le32 (header + 80), GPT_ENTRIES_MAX);
  size = get_le32 (header + 84);
  if (size < GPT_ENTRY_MIN || size > GPT_ENTRY_MAX)
    return TRUE;
  for (uint32_t i = 0; i < count; i++)
    {
      uint64_t first, last;

      if (table > disk_size (disk) / SECTOR || (uint64_t) (i + 1) * size > disk_size (disk) - table * SECTOR)
        return TRUE;
      if (!disk_read (disk, table * SECTOR + (uint64_t) i * size, entry, sizeof entry, error))
        return FALSE;
      first = get_le64 (entry + 32);
      last = get_le64 (entry + 40);
      if (memcmp (entry, unused, sizeof unused) != 0 && last >= first && last != G_MAXUINT64)
        add (volumes, disk, i + 1, first, last - first + 1);
    }
  return TRUE;
}

static gboolean
find_mbr (Disk *disk, const uint8_t *sector, GArray *volumes, GError **error)
{
  for (unsigned i = 0; i < MBR_ENTRIES; i++)
    {
      const uint8_t *entry = sector + MBR_TABLE + i * MBR_ENTRY;
      uint64_t first = get_le32 (entry + 8);

      if (entry[4] == TYPE_PROTECTIVE)
        return find_gpt (disk, volumes, error);
      if (is_extended (entry[4]) ? !find_logical (disk, first, volumes, error) : FALSE)
        return FALSE;
      if (entry[4] != 0 && !is_extended (entry[4]))
        add (volumes, disk, i + 1, first, get_le32 (entry + 12));
    }
  return TRUE;
}

static int
by_number (gconstpointer a, gconstpointer b)
{
  const Volume *one = a, *other = b;

  return one->number < other->number ? -1 : one->number > other->number;
}

/* A boot sector of FAT or NTFS has the same signature as a boot record. */
static gboolean
is_boot_record (const uint8_t *sector)
{
  if (sector[MBR_SIGNATURE] != 0x55 || sector[MBR_SIGNATURE + 1] != 0xaa || memcmp (sector + 3, "NTFS    ", 8) == 0)
    return FALSE;
  for (unsigned i = 0; i < MBR_ENTRIES; i++)
    if ((sector[MBR_TABLE + i * MBR_ENTRY] & 0x7f) != 0)
      return FALSE;
  return TRUE;
}

GArray *
volumes_find (Disk *disk, GError **error)
{
  g_autoptr (GArray) volumes = g_array_new (FALSE, FALSE, sizeof (Volume));
  uint8_t sector[SECTOR];

  if (disk_size (disk) < SECTOR)
    return g_steal_pointer (&volumes);
  if (!disk_read (disk, 0, sector, SECTOR, error)
      || (is_boot_record (sector) && !find_mbr (disk, sector, volumes, error)))
    return NULL;
  g_array_sort (volumes, by_number);
  if (volumes->len == 0)
    add (volumes, disk, 0, 0, disk_size (disk) / SECTOR);
  return g_steal_pointer (&volumes);
}
