/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A VDI image with anything in it, and a guest that uses it. The input is the
 * length of the file in sectors (2 bytes: the file is longer than the input
 * where that says so), how many requests there are (1, with how the image is
 * opened), the requests, and the bytes of the file. What was written must be
 * there when the image is opened again, which must succeed; or it must not, when
 * changes were to be discarded.
 */

#include "storage/disk/disk.h"
#include "tests/fuzz/input.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { SECTOR = 512, REQUESTS = 32, DISC = 64, LENGTH_MAX = 64 * SECTOR };

typedef struct
{
  uint64_t offset;
  size_t length; /* 0: nothing to look for */
  uint8_t pattern;
} Written;

static char *
make_file (FuzzInput *in, size_t sectors, int *fd)
{
  *fd = memfd_create ("vdi", MFD_CLOEXEC);
  g_assert_cmpint (*fd, >=, 0);
  g_assert_cmpint (pwrite (*fd, in->data, in->length, 0), ==, (ssize_t) in->length);
  if (sectors * SECTOR > in->length)
    g_assert_cmpint (ftruncate (*fd, (off_t) (sectors * SECTOR)), ==, 0);
  return g_strdup_printf ("/proc/self/fd/%d", *fd);
}

/* What came with the input, and the file's length. */
static void
expect_unchanged (const FuzzInput *in, size_t sectors, int fd)
{
  g_autofree uint8_t *bytes = g_malloc (in->length + 1);

  g_assert_cmpint (pread (fd, bytes, in->length, 0), ==, (ssize_t) in->length);
  g_assert_cmpmem (bytes, in->length, in->data, in->length);
  g_assert_cmpuint ((size_t) lseek (fd, 0, SEEK_END), ==, MAX (sectors * SECTOR, in->length));
}

static void
expect (Disk *disk, const Written *written)
{
  uint8_t buffer[LENGTH_MAX];

  g_assert_true (disk_read (disk, written->offset, buffer, written->length, NULL));
  for (size_t i = 0; i < written->length; i++)
    g_assert_cmphex (buffer[i], ==, written->pattern);
}

static gboolean
overlap (const Written *written, uint64_t offset, uint64_t length)
{
  return offset < written->offset + written->length && written->offset < offset + length;
}

static void
request_done (DiskRequest *request)
{
  *(gboolean *) request->opaque = TRUE;
}

static void
discard (Disk *disk, GMainContext *context, uint64_t offset, size_t length)
{
  gboolean done = FALSE;
  DiskRequest request = {
    .op = DISK_DISCARD, .offset = offset, .length = length, .done = request_done, .opaque = &done
  };

  disk_submit (disk, &request);
  while (!done)
    g_main_context_iteration (context, TRUE);
}

static void
use (Disk *disk, FuzzInput *in, Written *last)
{
  g_autoptr (GMainContext) context = g_main_context_new ();
  uint64_t sectors = disk_size (disk) / SECTOR;
  uint8_t buffer[LENGTH_MAX];

  disk_set_context (disk, context);
  while (in->length > 0)
    {
      uint32_t kind = take (in, 1), where = take (in, 3);
      uint64_t at = (kind & 8 ? sectors - MIN (sectors, where) : where), offset = at * SECTOR;
      Written written = { offset, (1 + (kind >> 4)) * SECTOR, (uint8_t) (1 + where % 255) };

      switch (kind & 7)
        {
        case 0:
        case 1:
          disk_read (disk, offset, buffer, written.length, NULL);
          break;
        case 2:
        case 3:
        case 4:
          if (kind & 1)
            written.pattern = 0;
          memset (buffer, written.pattern, written.length);
          if (overlap (last, offset, written.length))
            last->length = 0;
          if (!disk_write (disk, offset, buffer, written.length, NULL))
            break;
          expect (disk, &written);
          *last = written;
          break;
        case 5:
        case 6:
          if (overlap (last, offset, written.length))
            last->length = 0;
          discard (disk, context, offset, written.length);
          break;
        default:
          disk_flush (disk, NULL);
          break;
        }
    }
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t length)
{
  FuzzInput in = { data, length }, requests = { data, 0 };
  size_t sectors = take (&in, 2), mode = take (&in, 1), bytes = mode % REQUESTS * 4;
  DiskOpenFlags flags = mode & REQUESTS ? DISK_OPEN_DISCARD_CHANGES : 0;
  g_autofree char *path = NULL;
  Written last = { 0 };
  Disk *disk;
  int fd;

  requests.data = in.data;
  requests.length = MIN (bytes, in.length);
  in.data += requests.length;
  in.length -= requests.length;
  path = make_file (&in, sectors, &fd);
  disk = disk_open (path, mode & DISC ? DISK_OPEN_READ_ONLY | DISK_OPEN_DISC : flags, NULL);
  if (disk != NULL && (mode & DISC || g_str_equal (disk_format_name (disk), "vdi")))
    {
      use (disk, &requests, &last);
      disk_unref (disk);
      if (flags & DISK_OPEN_DISCARD_CHANGES)
        {
          expect_unchanged (&in, sectors, fd);
          last.length = 0;
        }
      disk = disk_open (path, DISK_OPEN_READ_ONLY, NULL);
      g_assert_nonnull (disk);
      if (last.length > 0)
        expect (disk, &last);
    }
  disk_unref (disk);
  close (fd);
  return 0;
}
