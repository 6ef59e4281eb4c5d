/* SPDX-License-Identifier: GPL-3.0-or-later */
/* PNG by libpng. */

#include "engine/devices/display/png-writer.h"

#include <gio/gio.h>
#include <png.h>

static void
append (png_structp png, png_bytep data, size_t length)
{
  g_byte_array_append (png_get_io_ptr (png), data, (guint) length);
}

static void
flush (png_structp png)
{
}

GBytes *
png_write (const uint32_t *pixels, int width, int height, int stride, GError **error)
{
  GByteArray *out = g_byte_array_new ();
  png_structp png = png_create_write_struct (PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
  png_infop info = png != NULL ? png_create_info_struct (png) : NULL;
  uint8_t *row = g_malloc (3 * (gsize) width);

  if (info == NULL || setjmp (png_jmpbuf (png)))
    {
      png_destroy_write_struct (&png, &info);
      g_byte_array_unref (out);
      g_free (row);
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED, "cannot encode a picture of %d × %d pixels as PNG",
                   width, height);
      return NULL;
    }
  png_set_write_fn (png, out, append, flush);
  png_set_compression_level (png, 3);
  png_set_IHDR (png, info, (png_uint_32) width, (png_uint_32) height, 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
                PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_write_info (png, info);
  for (int y = 0; y < height; y++)
    {
      const uint32_t *line = pixels + (gsize) y * (gsize) stride;

      for (int x = 0; x < width; x++)
        {
          row[3 * x] = (uint8_t) (line[x] >> 16);
          row[3 * x + 1] = (uint8_t) (line[x] >> 8);
          row[3 * x + 2] = (uint8_t) line[x];
        }
      png_write_row (png, row);
    }
  png_write_end (png, info);
  png_destroy_write_struct (&png, &info);
  g_free (row);
  return g_byte_array_free_to_bytes (out);
}
