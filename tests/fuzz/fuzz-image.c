/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * An image of format FUZZ_FORMAT with anything in it, and a guest that uses it. The
 * input is the length of the file in sectors (2 bytes), how many requests there are
 * (1), the requests, and the bytes of the file, to which checksums are added so that
 * more of it is looked at. What check() finds sound must hold what was written when it
 * is opened again, which must succeed.
 */

#include "storage/disk/vhdx-private.h"
#include "tests/fuzz/input.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum
{
  REQUESTS = 32,
  LENGTH_MAX = 64 * SECTOR_SIZE
};

typedef struct
{
  uint64_t offset;
  size_t length; /* 0: nothing to look for */
  uint8_t pattern;
} Written;

/* Sums of parts of the file that would otherwise be refused; by what the file begins with. */
static void
seal (uint8_t *bytes, size_t length, unsigned at, unsigned size, unsigned sum_at)
{
  uint32_t sum = 0;

  if (at + size > length)
    return;
  memset (bytes + at + sum_at, 0, 4);
  for (unsigned i = 0; i < size; i++)
    sum += bytes[at + i];
  sum = GUINT32_TO_BE (~sum);
  memcpy (bytes + at + sum_at, &sum, 4);
}

static void
prepare (uint8_t *bytes, size_t length)
{
  if (length > 8 && memcmp (bytes, "conectix", 8) == 0)
    {
      seal (bytes, length, 0, 512, 64);
      seal (bytes, length, 512, 1024, 36);
    }
}

/* The parts of a VHDX lie far apart: the input is dealt out to them, and what has a CRC gets the right one. */
static size_t
spread_vhdx (FuzzInput *in, int fd)
{
  static const struct
  {
    unsigned at, length, sealed; /* @sealed: bytes that the CRC at 4 is of, or 0 */
  } parts[] = { { VHDX_HEADER_1, 80, 4096 },
                { VHDX_REGIONS_1, 112, VHDX_REGIONS_SIZE },
                { 2 << 20, 224, 0 },
                { (2 << 20) + VHDX_METADATA_TABLE, 192, 0 },
                { 3 << 20, 128, 0 },
                { 1 << 20, 4096, 8192 },
                { (1 << 20) + 8192, 4096, 8192 } };
  g_autofree uint8_t *buffer = g_malloc (VHDX_REGIONS_SIZE);

  for (unsigned i = 0; i < G_N_ELEMENTS (parts); i++)
    {
      size_t some = MIN (in->length, parts[i].length), size = MAX (parts[i].length, parts[i].sealed);
      uint32_t crc;

      memset (buffer, 0, size);
      memcpy (buffer, in->data, some);
      in->data += some;
      in->length -= some;
      if (parts[i].sealed > 0 && some > 0)
        {
          crc = vhdx_checksum (buffer, parts[i].sealed, 4);
          memcpy (buffer + 4, &crc, 4);
        }
      g_assert_cmpint (pwrite (fd, buffer, size, parts[i].at), ==, (ssize_t) size);
    }
  g_assert_cmpint (pwrite (fd, "vhdxfile", 8, 0), ==, 8);
  return 5 << 20;
}

static char *
make_file (FuzzInput *in, size_t sectors, int *fd)
{
  g_autofree uint8_t *bytes = g_memdup2 (in->data, in->length);
  size_t length = in->length;

  *fd = memfd_create ("image", MFD_CLOEXEC);
  g_assert_cmpint (*fd, >=, 0);
  if (strcmp (FUZZ_FORMAT, "vhdx") == 0)
    length = spread_vhdx (in, *fd);
  else
    {
      prepare (bytes, in->length);
      g_assert_cmpint (pwrite (*fd, bytes, in->length, 0), ==, (ssize_t) in->length);
    }
  if (sectors * SECTOR_SIZE > length)
    g_assert_cmpint (ftruncate (*fd, (off_t) (sectors * SECTOR_SIZE)), ==, 0);
  return g_strdup_printf ("/proc/self/fd/%d", *fd);
}

static gboolean
is_sound (const char *path)
{
  Image *img = image_open (path, IMAGE_OPEN_READ_ONLY | IMAGE_OPEN_CHECKING, FUZZ_FORMAT, NULL, NULL);
  ImageReport report = { 0 };
  gboolean sound;

  if (img == NULL)
    return FALSE;
  sound = img->format->check == NULL || (img->format->check (img, FALSE, &report, NULL) && report.errors == 0);
  image_report_clear (&report);
  image_close (img);
  return sound;
}

static void
expect (Image *img, const Written *written)
{
  uint8_t buffer[LENGTH_MAX];

  g_assert_true (img->format->read (img, written->offset, buffer, written->length, NULL));
  for (size_t i = 0; i < written->length; i++)
    g_assert_cmphex (buffer[i], ==, written->pattern);
}

static gboolean
overlap (const Written *written, uint64_t offset, uint64_t length)
{
  return offset < written->offset + written->length && written->offset < offset + length;
}

static void
use (Image *img, gboolean sound, FuzzInput *in, Written *last)
{
  uint64_t sectors = img->size / SECTOR_SIZE;
  uint8_t buffer[LENGTH_MAX];

  while (in->length > 0)
    {
      uint32_t kind = take (in, 1), where = take (in, 3);
      uint64_t at = (kind & 8 ? sectors - MIN (sectors, where) : MIN (where, sectors)), offset = at * SECTOR_SIZE;
      Written written
          = { offset, (size_t) MIN (1 + (kind >> 4), sectors - at) * SECTOR_SIZE, (uint8_t) (1 + where % 255) };
      ImageExtent extent;

      if (written.length == 0)
        continue;
      switch (kind & 7)
        {
        case 0:
        case 1:
          img->format->read (img, offset, buffer, written.length, NULL);
          break;
        case 2:
        case 3:
        case 4:
          memset (buffer, written.pattern, written.length);
          if (overlap (last, offset, written.length))
            last->length = 0;
          if (!img->format->write (img, offset, buffer, written.length, NULL) || !sound)
            break;
          expect (img, &written);
          *last = written;
          break;
        case 5:
          if (overlap (last, offset, written.length))
            last->length = 0;
          if (image_zero (img, offset, written.length, NULL) && sound)
            {
              written.pattern = 0;
              expect (img, &written);
            }
          break;
        case 6:
          image_resolve (img, offset, written.length, &extent, NULL, NULL);
          break;
        default:
          img->format->flush (img, NULL);
          break;
        }
    }
  img->format->flush (img, NULL);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t length)
{
  FuzzInput in = { data, length }, requests = { 0 };
  size_t sectors = take (&in, 2), mode = take (&in, 1), bytes = mode % REQUESTS * 4;
  g_autofree char *path = NULL;
  Written last = { 0 };
  gboolean sound;
  Image *img;
  int fd;

  requests.data = in.data;
  requests.length = MIN (bytes, in.length);
  in.data += requests.length;
  in.length -= requests.length;
  path = make_file (&in, sectors, &fd);
  sound = is_sound (path);
  img = image_open (path, mode & REQUESTS ? IMAGE_OPEN_NO_BASE : 0, FUZZ_FORMAT, NULL, NULL);
  if (img != NULL)
    {
      ImageOpenFlags again = IMAGE_OPEN_READ_ONLY | (mode & REQUESTS ? IMAGE_OPEN_NO_BASE : 0);

      use (img, sound, &requests, &last);
      image_close (img);
      img = image_open (path, again, FUZZ_FORMAT, NULL, NULL);
      g_assert_true (img != NULL || !sound);
      if (img != NULL && sound && last.length > 0)
        expect (img, &last);
      image_close (img);
    }
  /* Repairing copes with anything too. */
  img = image_open (path, IMAGE_OPEN_CHECKING | IMAGE_OPEN_NO_BASE, FUZZ_FORMAT, NULL, NULL);
  if (img != NULL && img->format->check != NULL)
    {
      ImageReport report = { 0 };

      img->format->check (img, TRUE, &report, NULL);
      image_report_clear (&report);
    }
  image_close (img);
  close (fd);
  return 0;
}
