/* SPDX-License-Identifier: GPL-3.0-or-later */
/* NTFS, through libntfs-3g. */

#include "storage/inspect/filesystem.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n-lib.h>
#include <ntfs-3g/attrib.h>
#include <ntfs-3g/device.h>
#include <ntfs-3g/dir.h>
#include <ntfs-3g/inode.h>
#include <ntfs-3g/logging.h>
#include <ntfs-3g/volume.h>
#include <string.h>
#include <sys/stat.h>

/* 100 ns since 1601 to ns since 1970. */
#define NTFS_EPOCH INT64_C (116444736000000000)

enum
{
  NTFS_NAME_DOS = 2, /* the short twin of another name */
  NTFS_FIRST_USER = 16
};

typedef struct
{
  VolumeReader *reader;
  int64_t position;
  struct ntfs_device *device;
  ntfs_volume *volume;
  /* The file that was read last. */
  ntfs_inode *inode;
  ntfs_attr *data;
  uint64_t id;
} Ntfs;

/* --- The library's input --- */

static int
device_open (struct ntfs_device *dev, int flags)
{
  if ((flags & O_ACCMODE) != O_RDONLY)
    {
      errno = EROFS;
      return -1;
    }
  NDevSetReadOnly (dev);
  NDevSetOpen (dev);
  return 0;
}

static int
device_close (struct ntfs_device *dev)
{
  NDevClearOpen (dev);
  return 0;
}

static s64
device_pread (struct ntfs_device *dev, void *buffer, s64 count, s64 offset)
{
  Ntfs *ntfs = dev->d_private;
  int64_t length = (int64_t) volume_reader_length (ntfs->reader), part;

  if (count < 0 || offset < 0)
    {
      errno = EINVAL;
      return -1;
    }
  part = offset < length ? MIN (count, length - offset) : 0;
  if (volume_reader_read (ntfs->reader, (uint64_t) MIN (offset, length), buffer, (size_t) part, NULL))
    return part;
  errno = EIO;
  return -1;
}

static s64
device_seek (struct ntfs_device *dev, s64 offset, int whence)
{
  Ntfs *ntfs = dev->d_private;
  int64_t from = whence == SEEK_CUR ? ntfs->position : whence == SEEK_END ? (int64_t) volume_reader_length (ntfs->reader) : 0;

  if (offset < -from || offset > INT64_MAX - from)
    {
      errno = EINVAL;
      return -1;
    }
  return ntfs->position = from + offset;
}

static s64
device_read (struct ntfs_device *dev, void *buffer, s64 count)
{
  Ntfs *ntfs = dev->d_private;
  s64 got = device_pread (dev, buffer, count, ntfs->position);

  if (got > 0)
    ntfs->position += got;
  return got;
}

static s64
device_write (struct ntfs_device *dev, const void *buffer, s64 count)
{
  errno = EROFS;
  return -1;
}

static s64
device_pwrite (struct ntfs_device *dev, const void *buffer, s64 count, s64 offset)
{
  errno = EROFS;
  return -1;
}

static int
device_sync (struct ntfs_device *dev)
{
  return 0;
}

static int
device_stat (struct ntfs_device *dev, struct stat *out)
{
  const Ntfs *ntfs = dev->d_private;

  memset (out, 0, sizeof *out);
  out->st_mode = S_IFREG | 0400;
  out->st_size = (off_t) volume_reader_length (ntfs->reader);
  return 0;
}

static int
device_ioctl (struct ntfs_device *dev, unsigned long request, void *argument)
{
  errno = ENOTTY;
  return -1;
}

static struct ntfs_device_operations device_ops = { .open = device_open,
                                                    .close = device_close,
                                                    .seek = device_seek,
                                                    .read = device_read,
                                                    .write = device_write,
                                                    .pread = device_pread,
                                                    .pwrite = device_pwrite,
                                                    .sync = device_sync,
                                                    .stat = device_stat,
                                                    .ioctl = device_ioctl };

/* --- The file system --- */

static gboolean
ntfs_error (GError **error)
{
  g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, g_strerror (errno));
  return FALSE;
}

static gboolean
ntfs_probe (const uint8_t head[FILE_SYSTEM_HEAD])
{
  return memcmp (head + 3, "NTFS    ", 8) == 0;
}

static void
ntfs_close (gpointer state)
{
  Ntfs *ntfs = state;

  if (ntfs->data != NULL)
    ntfs_attr_close (ntfs->data);
  if (ntfs->inode != NULL)
    ntfs_inode_close (ntfs->inode);
  if (ntfs->volume != NULL)
    ntfs_umount (ntfs->volume, TRUE); /* takes the device with it */
  else if (ntfs->device != NULL)
    ntfs_device_free (ntfs->device);
  g_free (ntfs);
}

static gpointer
ntfs_open (VolumeReader *reader, GError **error)
{
  Ntfs *ntfs = g_new0 (Ntfs, 1);

  ntfs_log_set_handler (ntfs_log_handler_null);
  ntfs->reader = reader;
  ntfs->device = ntfs_device_alloc ("volume", 0, &device_ops, ntfs);
  if (ntfs->device != NULL)
    ntfs->volume = ntfs_device_mount (ntfs->device, NTFS_MNT_RDONLY | NTFS_MNT_FORENSIC | NTFS_MNT_IGNORE_HIBERFILE);
  if (ntfs->volume != NULL)
    return ntfs;
  ntfs_error (error);
  ntfs_close (ntfs);
  return NULL;
}

static uint64_t
ntfs_root (gpointer state)
{
  return FILE_root;
}

static uint64_t
ntfs_count (gpointer state)
{
  const ntfs_volume *volume = ((Ntfs *) state)->volume;

  return (uint64_t) (volume->mft_na->initialized_size >> volume->mft_record_size_bits);
}

static int64_t
ntfs_ns (ntfs_time time)
{
  int64_t ticks = sle64_to_cpu (time) - NTFS_EPOCH, ns;

  return __builtin_mul_overflow (ticks, 100, &ns) ? 0 : ns;
}

static int
on_name (void *data, const ntfschar *name, const int length, const int name_type, const s64 position, const MFT_REF reference,
         const unsigned type)
{
  GPtrArray *entries = data;
  g_autofree char *text = NULL;
  FileEntry *entry;

  if (name_type == NTFS_NAME_DOS || MREF (reference) < NTFS_FIRST_USER)
    return 0;
  text = g_utf16_to_utf8 ((const gunichar2 *) name, length, NULL, NULL, NULL);
  if (text == NULL || strchr (text, '/') != NULL)
    return 0;
  if (strcmp (text, ".") == 0 || strcmp (text, "..") == 0)
    return 0;
  entry = g_new0 (FileEntry, 1);
  entry->name = g_steal_pointer (&text);
  entry->id = reference;
  g_ptr_array_add (entries, entry);
  return 0;
}

static void
fill (Ntfs *ntfs, FileEntry *entry)
{
  ntfs_inode *inode = ntfs_inode_open (ntfs->volume, entry->id);

  /* A name that leads nowhere is no reason not to show the others of its folder. */
  entry->type = INSPECT_OTHER;
  if (inode == NULL)
    return;
  entry->type = inode->mrec->flags & MFT_RECORD_IS_DIRECTORY ? INSPECT_FOLDER
                : inode->flags & FILE_ATTR_REPARSE_POINT     ? INSPECT_LINK
                                                             : INSPECT_FILE;
  entry->size = entry->type == INSPECT_FILE ? (uint64_t) MAX (inode->data_size, 0) : 0;
  entry->mode = le32_to_cpu (inode->flags);
  entry->modified = ntfs_ns (inode->last_data_change_time);
  entry->changed = ntfs_ns (inode->last_mft_change_time);
  ntfs_inode_close (inode);
}

static gboolean
ntfs_list (gpointer state, uint64_t folder, GPtrArray *entries, GError **error)
{
  Ntfs *ntfs = state;
  ntfs_inode *inode = ntfs_inode_open (ntfs->volume, folder);
  guint first = entries->len;
  s64 position = 0;
  int result;

  if (inode == NULL)
    return ntfs_error (error);
  result = ntfs_readdir (inode, &position, entries, on_name);
  if (result != 0)
    ntfs_error (error);
  ntfs_inode_close (inode);
  for (guint i = first; result == 0 && i < entries->len; i++)
    fill (ntfs, g_ptr_array_index (entries, i));
  return result == 0;
}

/* Makes the file the one that is read. */
static gboolean
turn_to (Ntfs *ntfs, uint64_t id, GError **error)
{
  if (ntfs->inode != NULL && ntfs->id == id)
    return TRUE;
  g_clear_pointer (&ntfs->data, ntfs_attr_close);
  if (ntfs->inode != NULL)
    ntfs_inode_close (ntfs->inode);
  ntfs->id = id;
  ntfs->inode = ntfs_inode_open (ntfs->volume, id);
  if (ntfs->inode == NULL)
    return ntfs_error (error);
  ntfs->data = ntfs_attr_open (ntfs->inode, AT_DATA, AT_UNNAMED, 0);
  return TRUE;
}

static gboolean
ntfs_read (gpointer state, uint64_t id, uint64_t offset, void *buffer, size_t length, size_t *got, GError **error)
{
  Ntfs *ntfs = state;
  s64 count = 0;

  *got = 0;
  if (!turn_to (ntfs, id, error))
    return FALSE;
  if (ntfs->data != NULL && offset <= INT64_MAX)
    count = ntfs_attr_pread (ntfs->data, (s64) offset, (s64) MIN (length, INT64_MAX), buffer);
  if (count < 0)
    return ntfs_error (error);
  *got = (size_t) count;
  return TRUE;
}

const FileSystemType ntfs_file_system = { .name = "NTFS",
                                          .probe = ntfs_probe,
                                          .open = ntfs_open,
                                          .close = ntfs_close,
                                          .root = ntfs_root,
                                          .count = ntfs_count,
                                          .list = ntfs_list,
                                          .read = ntfs_read };
