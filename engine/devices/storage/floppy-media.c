/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The floppy disks of the PC: what an image's size says about its layout, and at which data rates a disk can be read.
 * */

#include "engine/devices/storage/floppy-private.h"

/* Ascending; an image that is shorter than a disk lies at its start. */
static const FloppyGeometry geometries[] = {
  { 320, 40, 1, 8, 1 },
  { 360, 40, 1, 9, 1 },
  { 640, 40, 2, 8, 1 },
  { 720, 40, 2, 9, 1 },
  { 1440, 80, 2, 9, 4 },
  { 1600, 80, 2, 10, 4 },
  { 2400, 80, 2, 15, 2 },
  { 2880, 80, 2, 18, 4 },
  { 3360, 80, 2, 21, 4 },
  { 3444, 82, 2, 21, 4 },
  { 5760, 80, 2, 36, 5 },
};

const FloppyGeometry *
floppy_geometry_for (uint64_t bytes)
{
  for (unsigned i = 0; i < G_N_ELEMENTS (geometries); i++)
    {
      if (bytes <= (uint64_t) geometries[i].sectors * FLOPPY_SECTOR)
        return &geometries[i];
    }
  return NULL;
}

gboolean
floppy_rate_fits (const FloppyGeometry *geometry, FloppyRate rate)
{
  if (geometry->track <= 10)
    return rate == FLOPPY_RATE_250 || rate == FLOPPY_RATE_300; /* 300: in a drive that turns faster */
  return rate == (geometry->track <= 21 ? FLOPPY_RATE_500 : FLOPPY_RATE_1000);
}
