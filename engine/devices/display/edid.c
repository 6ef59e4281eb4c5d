/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A monitor's description. Specification: VESA E-EDID standard, release A2 (EDID 1.4), chapter 3. */

#include "engine/devices/display/vga-private.h"

#include <string.h>

enum { DPI = 100, REFRESH = 75 };

static void
put_name (uint8_t *block, const char *name)
{
  size_t length = strlen (name);

  block[3] = 0xfc;
  memset (block + 5, ' ', 13);
  memcpy (block + 5, name, length);
  block[5 + length] = '\n';
}

/* A detailed timing with blanking of a modern, reduced sort. */
static void
put_timing (uint8_t *block, unsigned width, unsigned height)
{
  unsigned hblank = 160, vblank = 35, hfront = 48, hsync = 32, vfront = 3, vsync = 6;
  unsigned clock = (unsigned) ((uint64_t) (width + hblank) * (height + vblank) * REFRESH / 10000);
  unsigned width_mm = width * 254 / (DPI * 10), height_mm = height * 254 / (DPI * 10);

  block[0] = (uint8_t) clock;
  block[1] = (uint8_t) (clock >> 8);
  block[2] = (uint8_t) width;
  block[3] = (uint8_t) hblank;
  block[4] = (uint8_t) ((width >> 8) << 4 | hblank >> 8);
  block[5] = (uint8_t) height;
  block[6] = (uint8_t) vblank;
  block[7] = (uint8_t) ((height >> 8) << 4 | vblank >> 8);
  block[8] = (uint8_t) hfront;
  block[9] = (uint8_t) hsync;
  block[10] = (uint8_t) ((vfront & 15) << 4 | (vsync & 15));
  block[11] = 0;
  block[12] = (uint8_t) width_mm;
  block[13] = (uint8_t) height_mm;
  block[14] = (uint8_t) ((width_mm >> 8) << 4 | height_mm >> 8);
  block[17] = 0x18; /* digital separate sync */
}

void
edid_build (uint8_t edid[EDID_SIZE], int width, int height)
{
  static const uint8_t header[8] = { 0, 255, 255, 255, 255, 255, 255, 0 };
  static const uint8_t chroma[10] = { 0xee, 0x91, 0xa3, 0x54, 0x4c, 0x99, 0x26, 0x0f, 0x50, 0x54 }; /* sRGB */
  /* 640 × 480, 800 × 600, 1024 × 768, 1280 × 1024, 1280 × 720, 1600 × 1200, 1680 × 1050, 1920 × 1080 */
  static const uint8_t standard[16] = { 0x31, 0x59, 0x45, 0x59, 0x61, 0x59, 0x81, 0x80,
                                        0x81, 0xc0, 0xa9, 0x40, 0xb3, 0x00, 0xd1, 0xc0 };
  unsigned w = (unsigned) CLAMP (width, 640, DISPI_MAX_XRES), h = (unsigned) CLAMP (height, 480, DISPI_MAX_YRES);
  uint8_t sum = 0;

  memset (edid, 0, EDID_SIZE);
  memcpy (edid, header, sizeof header);
  edid[8] = 0x09; /* “BNS” */
  edid[9] = 0xd3;
  edid[10] = 0x01;
  edid[16] = 1;
  edid[17] = 36;   /* 2026 */
  edid[18] = 1;
  edid[19] = 4;
  edid[20] = 0xa5; /* digital, 8 bits a colour, DisplayPort */
  edid[21] = (uint8_t) (w * 254 / (DPI * 100));
  edid[22] = (uint8_t) (h * 254 / (DPI * 100));
  edid[23] = 120;  /* gamma 2.2 */
  edid[24] = 0x06; /* sRGB; the first timing is the native one */
  memcpy (edid + 25, chroma, sizeof chroma);
  edid[35] = 0x21; /* 640×480, 800×600 at 60 Hz */
  edid[36] = 0x08; /* 1024×768 at 60 Hz */
  memcpy (edid + 38, standard, sizeof standard);
  put_timing (edid + 54, w, h);
  edid[72 + 3] = 0xfd; /* range limits */
  edid[72 + 5] = 50;
  edid[72 + 6] = 125;
  edid[72 + 7] = 30;
  edid[72 + 8] = 160;
  edid[72 + 9] = 60;
  edid[72 + 10] = 0x01;
  edid[72 + 11] = '\n';
  memset (edid + 72 + 12, ' ', 6);
  put_name (edid + 90, "Bunshin");
  edid[108 + 3] = 0x10; /* nothing */
  for (int i = 0; i < EDID_SIZE - 1; i++)
    sum = (uint8_t) (sum + edid[i]);
  edid[EDID_SIZE - 1] = (uint8_t) -sum;
}
