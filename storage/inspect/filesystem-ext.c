/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ext2, ext3 and ext4, through libext2fs. Its journal is not replayed: what is there only is not seen. */

#include "storage/inspect/filesystem.h"

#include <ext2fs/ext2fs.h>
#include <et/com_err.h>
#include <glib/gi18n-lib.h>
#include <inttypes.h>
#include <string.h>

enum
{
  SUPERBLOCK = 1024,
  MAGIC_AT = SUPERBLOCK + 56
};

typedef struct
{
  ext2_filsys fs;
  /* The file that was read last. */
  ext2_file_t file;
  ext2_ino_t file_inode;
} Ext;

/* --- The library's input, from a VolumeReader; the name it opens is the reader's address --- */

static struct struct_io_manager ext_io;

static errcode_t
io_open (const char *name, int flags, io_channel *channel)
{
  uintptr_t address = 0;
  io_channel io;

  if (sscanf (name, "%" SCNxPTR, &address) != 1 || address == 0)
    return EXT2_ET_BAD_DEVICE_NAME;
  io = g_new0 (struct struct_io_channel, 1);
  io->magic = EXT2_ET_MAGIC_IO_CHANNEL;
  io->manager = &ext_io;
  io->name = g_strdup (name);
  io->block_size = 1024;
  io->refcount = 1;
  io->private_data = (void *) address;
  *channel = io;
  return 0;
}

static errcode_t
io_close (io_channel io)
{
  if (--io->refcount > 0)
    return 0;
  g_free (io->name);
  g_free (io);
  return 0;
}

static errcode_t
io_set_block_size (io_channel io, int size)
{
  io->block_size = size;
  return 0;
}

/* A negative count is of bytes. */
static errcode_t
io_read64 (io_channel io, unsigned long long block, int count, void *data)
{
  size_t length = count < 0 ? (size_t) -(int64_t) count : (size_t) count * (size_t) io->block_size;
  uint64_t at;

  if (__builtin_mul_overflow (block, (uint64_t) io->block_size, &at)
      || !volume_reader_read (io->private_data, at, data, length, NULL))
    return EXT2_ET_SHORT_READ;
  return 0;
}

static errcode_t
io_read (io_channel io, unsigned long block, int count, void *data)
{
  return io_read64 (io, block, count, data);
}

static errcode_t
io_write64 (io_channel io, unsigned long long block, int count, const void *data)
{
  return EXT2_ET_RO_FILSYS;
}

static errcode_t
io_write (io_channel io, unsigned long block, int count, const void *data)
{
  return EXT2_ET_RO_FILSYS;
}

static errcode_t
io_flush (io_channel io)
{
  return 0;
}

static struct struct_io_manager ext_io = { .magic = EXT2_ET_MAGIC_IO_MANAGER,
                                           .name = "disk",
                                           .open = io_open,
                                           .close = io_close,
                                           .set_blksize = io_set_block_size,
                                           .read_blk = io_read,
                                           .write_blk = io_write,
                                           .flush = io_flush,
                                           .read_blk64 = io_read64,
                                           .write_blk64 = io_write64 };

/* --- The file system --- */

static gboolean
ext_error (GError **error, errcode_t code)
{
  g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, error_message (code));
  return FALSE;
}

static gboolean
ext_probe (const uint8_t head[FILE_SYSTEM_HEAD])
{
  return head[MAGIC_AT] == (EXT2_SUPER_MAGIC & 0xff) && head[MAGIC_AT + 1] == EXT2_SUPER_MAGIC >> 8;
}

static gpointer
ext_open (VolumeReader *reader, GError **error)
{
  static gsize is_ready;
  char name[2 * sizeof (uintptr_t) + 3];
  ext2_filsys fs;
  errcode_t code;
  Ext *ext;

  if (g_once_init_enter (&is_ready))
    {
      initialize_ext2_error_table ();
      g_once_init_leave (&is_ready, 1);
    }
  g_snprintf (name, sizeof name, "%" PRIxPTR, (uintptr_t) reader);
  /* A running guest may be in the middle of anything: sums may be wrong. */
  code = ext2fs_open2 (name, NULL, EXT2_FLAG_64BITS | EXT2_FLAG_IGNORE_CSUM_ERRORS, 0, 0, &ext_io, &fs);
  if (code != 0)
    {
      ext_error (error, code);
      return NULL;
    }
  ext = g_new0 (Ext, 1);
  ext->fs = fs;
  return ext;
}

static void
ext_close (gpointer state)
{
  Ext *ext = state;

  if (ext->file != NULL)
    ext2fs_file_close (ext->file);
  ext2fs_close_free (&ext->fs);
  g_free (ext);
}

static uint64_t
ext_root (gpointer state)
{
  return EXT2_ROOT_INO;
}

static uint64_t
ext_count (gpointer state)
{
  const struct ext2_super_block *super = ((Ext *) state)->fs->super;

  return super->s_inodes_count - MIN (super->s_free_inodes_count, super->s_inodes_count);
}

static gboolean
ext_is_behind (gpointer state)
{
  return ext2fs_has_feature_journal_needs_recovery (((Ext *) state)->fs->super);
}

/* The number of an inode, and in the upper half which of those that had it. */
static ext2_ino_t
inode_of (uint64_t id)
{
  return (ext2_ino_t) id;
}

/* Seconds in 34 bits, nanoseconds in 30: the extra field has the upper bits and the latter. */
static int64_t
ext_time (uint32_t seconds, uint32_t extra)
{
  return ((int64_t) (int32_t) seconds + ((int64_t) (extra & 3) << 32)) * 1000000000 + (extra >> 2);
}

static InspectType
ext_type (uint16_t mode)
{
  if (LINUX_S_ISREG (mode))
    return INSPECT_FILE;
  if (LINUX_S_ISDIR (mode))
    return INSPECT_FOLDER;
  return LINUX_S_ISLNK (mode) ? INSPECT_LINK : INSPECT_OTHER;
}

typedef struct
{
  GPtrArray *entries;
} Listing;

static int
on_name (ext2_ino_t folder, int is_entry, struct ext2_dir_entry *dirent, int offset, int block_size, char *block, void *data)
{
  const Listing *listing = data;
  int length = ext2fs_dirent_name_len (dirent);
  FileEntry *entry;

  if (dirent->inode == 0 || is_entry != DIRENT_OTHER_FILE || memchr (dirent->name, '\0', (size_t) length) != NULL
      || memchr (dirent->name, '/', (size_t) length) != NULL)
    return 0;
  entry = g_new0 (FileEntry, 1);
  entry->name = g_strndup (dirent->name, (gsize) length);
  entry->id = dirent->inode;
  g_ptr_array_add (listing->entries, entry);
  return 0;
}

static void
fill (Ext *ext, FileEntry *entry)
{
  struct ext2_inode_large inode = { 0 };

  /* A name that leads nowhere is no reason not to show the others of its folder. */
  entry->type = INSPECT_OTHER;
  if (ext2fs_read_inode_full (ext->fs, inode_of (entry->id), (struct ext2_inode *) &inode, sizeof inode) != 0)
    return;
  entry->id |= (uint64_t) inode.i_generation << 32;
  entry->type = ext_type (inode.i_mode);
  entry->size = entry->type == INSPECT_FOLDER ? 0 : EXT2_I_SIZE (&inode);
  entry->mode = inode.i_mode;
  entry->owner = inode_uid (inode);
  entry->group = inode_gid (inode);
  entry->modified = ext_time (inode.i_mtime, inode.i_mtime_extra);
  entry->changed = ext_time (inode.i_ctime, inode.i_ctime_extra);
}

static gboolean
ext_list (gpointer state, uint64_t folder, GPtrArray *entries, GError **error)
{
  Ext *ext = state;
  Listing listing = { entries };
  guint first = entries->len;
  errcode_t code = ext2fs_dir_iterate2 (ext->fs, inode_of (folder), 0, NULL, on_name, &listing);

  if (code != 0)
    return ext_error (error, code);
  for (guint i = first; i < entries->len; i++)
    fill (ext, g_ptr_array_index (entries, i));
  return TRUE;
}

static gboolean
ext_read (gpointer state, uint64_t id, uint64_t offset, void *buffer, size_t length, size_t *got, GError **error)
{
  Ext *ext = state;
  ext2_ino_t number = inode_of (id);
  struct ext2_inode inode;
  unsigned int part = 0;
  errcode_t code = 0;

  *got = 0;
  if (ext->file_inode != number)
    {
      code = ext2fs_read_inode (ext->fs, number, &inode);
      if (code == 0 && ext2fs_is_fast_symlink (&inode))
        {
          uint64_t size = MIN (inode.i_size, sizeof inode.i_block);

          *got = (size_t) (offset < size ? MIN (length, size - offset) : 0);
          memcpy (buffer, (const char *) inode.i_block + MIN (offset, size), *got);
          return TRUE;
        }
      if (ext->file != NULL)
        ext2fs_file_close (ext->file);
      ext->file = NULL;
      ext->file_inode = 0;
      code = code != 0 ? code : ext2fs_file_open2 (ext->fs, number, NULL, 0, &ext->file);
      if (code != 0)
        return ext_error (error, code);
      ext->file_inode = number;
    }
  code = ext2fs_file_llseek (ext->file, offset, EXT2_SEEK_SET, NULL);
  while (code == 0 && *got < length)
    {
      code = ext2fs_file_read (ext->file, (char *) buffer + *got, (unsigned int) MIN (length - *got, 1u << 30), &part);
      if (part == 0)
        break;
      *got += part;
    }
  return code == 0 || ext_error (error, code);
}

const FileSystemType ext_file_system = { .name = "ext4",
                                         .probe = ext_probe,
                                         .open = ext_open,
                                         .close = ext_close,
                                         .root = ext_root,
                                         .count = ext_count,
                                         .is_behind = ext_is_behind,
                                         .list = ext_list,
                                         .read = ext_read };
