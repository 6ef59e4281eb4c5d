/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The floppy controller with the DMA controller, driven through their ports. */

#include "engine/devices/platform/i8237.h"
#include "engine/devices/storage/floppy.h"
#include "tests/unit/disk-controllers/fixture.h"

#include <gio/gio.h>
#include <string.h>

enum
{
  DOR = 0x3f2, MSR = 0x3f4, FIFO = 0x3f5, DIR_CCR = 0x3f7, IRQ = 6,
  RQM = 0x80, DIO = 0x40, NON_DMA = 0x20, BUSY = 0x10,
  SECTORS_144 = 2880, BUFFER = 0x20000, TO_MEMORY = 0x46, FROM_MEMORY = 0x4a
};

typedef struct
{
  Fixture base;
  Device *dma, *floppy;
  uint8_t *contents;
  Disk *disk;
} Floppies;

static uint8_t
get (Floppies *t)
{
  uint8_t status = fixture_in (&t->base, MSR);

  while (!(status & RQM))
    {
      g_main_context_iteration (t->base.context, TRUE);
      status = fixture_in (&t->base, MSR);
    }
  g_assert_cmphex (status & DIO, ==, DIO);
  return fixture_in (&t->base, FIFO);
}

static void
put (Floppies *t, uint8_t byte)
{
  g_assert_cmphex (fixture_in (&t->base, MSR) & (RQM | DIO), ==, RQM);
  fixture_out (&t->base, FIFO, byte);
}

static void
command (Floppies *t, const uint8_t *bytes, unsigned count)
{
  for (unsigned i = 0; i < count; i++)
    put (t, bytes[i]);
}
#define COMMAND(t, ...) command ((t), (const uint8_t[]) { __VA_ARGS__ }, sizeof (uint8_t[]) { __VA_ARGS__ })

static void
result (Floppies *t, uint8_t *bytes, unsigned count)
{
  for (unsigned i = 0; i < count; i++)
    bytes[i] = get (t);
  g_assert_cmphex (fixture_in (&t->base, MSR) & (RQM | DIO | BUSY), ==, RQM);
}

static void
set_dma (Floppies *t, uint8_t mode, uint32_t address, uint32_t bytes)
{
  Fixture *f = &t->base;

  fixture_out (f, 0x0a, 0x06);
  fixture_out (f, 0x0c, 0);
  fixture_out (f, 0x0b, mode);
  fixture_out (f, 0x04, address & 0xff);
  fixture_out (f, 0x04, address >> 8 & 0xff);
  fixture_out (f, 0x81, address >> 16);
  fixture_out (f, 0x05, (bytes - 1) & 0xff);
  fixture_out (f, 0x05, (bytes - 1) >> 8);
  fixture_out (f, 0x0a, 0x02);
}

/* Out of reset, the four interrupts of polling sensed, 500 kbit/s, motor on. */
static void
start (Floppies *t)
{
  fixture_out (&t->base, DOR, 0x00);
  fixture_out (&t->base, DOR, 0x1c);
  g_assert_cmpint (t->base.level[IRQ], ==, 1);
  for (unsigned i = 0; i < 4; i++)
    {
      uint8_t bytes[2];

      COMMAND (t, 0x08);
      result (t, bytes, 2);
      g_assert_cmphex (bytes[0], ==, 0xc0 | i);
    }
  g_assert_cmpint (t->base.level[IRQ], ==, 0);
  fixture_out (&t->base, DIR_CCR, 0x00);
  COMMAND (t, 0x03, 0xaf, 0x02);
}

static void
seek (Floppies *t, uint8_t unit, uint8_t cylinder)
{
  uint8_t bytes[2];

  COMMAND (t, 0x0f, unit, cylinder);
  g_assert_cmpint (t->base.level[IRQ], ==, 1);
  g_assert_cmphex (fixture_in (&t->base, MSR) & 0x0f, ==, 1u << unit);
  COMMAND (t, 0x08);
  result (t, bytes, 2);
  g_assert_cmphex (bytes[0], ==, 0x20 | unit);
  g_assert_cmphex (bytes[1], ==, cylinder);
  g_assert_cmphex (fixture_in (&t->base, MSR) & 0x0f, ==, 0);
}

static void
setup_with (Floppies *t, unsigned sectors, DiskOpenFlags flags)
{
  g_autoptr (GError) error = NULL;

  fixture_setup (&t->base, NULL);
  t->contents = g_malloc (sectors * 512u);
  for (unsigned i = 0; i < sectors * 512u; i++)
    t->contents[i] = (uint8_t) (i * 7 + i / 512 * 13);
  t->disk = fixture_disk (&t->base, "a.img", t->contents, sectors * 512u, flags);
  t->dma = device_new (&i8237_type);
  g_assert_true (device_realize (t->dma, &t->base.env, &error));
  t->floppy = device_new (&floppy_type);
  floppy_set_dma (t->floppy, t->dma);
  g_assert_true (floppy_attach (t->floppy, 0, t->disk, &error));
  g_assert_true (floppy_attach (t->floppy, 1, NULL, &error));
  g_assert_true (device_realize (t->floppy, &t->base.env, &error));
  g_assert_no_error (error);
}

static void
setup (Floppies *t, gconstpointer data)
{
  setup_with (t, SECTORS_144, 0);
}

static void
teardown (Floppies *t, gconstpointer data)
{
  device_free (t->floppy);
  device_free (t->dma);
  disk_unref (t->disk);
  g_free (t->contents);
  fixture_teardown (&t->base, NULL);
}

static void
test_identity (Floppies *t, gconstpointer data)
{
  uint8_t bytes[10];

  start (t);
  COMMAND (t, 0x10);
  result (t, bytes, 1);
  g_assert_cmphex (bytes[0], ==, 0x90);
  COMMAND (t, 0x1f);
  result (t, bytes, 1);
  g_assert_cmphex (bytes[0], ==, 0x80);
  COMMAND (t, 0x08);
  result (t, bytes, 1);
  g_assert_cmphex (bytes[0], ==, 0x80);
  COMMAND (t, 0x13, 0, 0x57, 3);
  COMMAND (t, 0x94);
  result (t, bytes, 1);
  g_assert_cmphex (bytes[0], ==, 0x10);
  seek (t, 0, 5);
  COMMAND (t, 0x0e);
  result (t, bytes, 10);
  g_assert_cmphex (bytes[0], ==, 5);
  g_assert_cmphex (bytes[4], ==, 0xaf);
  g_assert_cmphex (bytes[7], ==, 0x80);
  g_assert_cmphex (bytes[8], ==, 0x57);
  COMMAND (t, 0x04, 0x00);
  result (t, bytes, 1);
  g_assert_cmphex (bytes[0], ==, 0x28);
  COMMAND (t, 0x07, 0x00);
  COMMAND (t, 0x08);
  result (t, bytes, 2);
  COMMAND (t, 0x04, 0x00);
  result (t, bytes, 1);
  g_assert_cmphex (bytes[0], ==, 0x38);
  g_assert_cmpuint (floppy_cmos_type (t->floppy, 0), ==, 4);
  g_assert_cmpuint (floppy_cmos_type (t->floppy, 1), ==, 4);
}

static void
test_read (Floppies *t, gconstpointer data)
{
  uint8_t bytes[7];

  start (t);
  seek (t, 0, 2);
  /* Sectors 5 to 8 of cylinder 2, head 1, ended by terminal count. */
  set_dma (t, TO_MEMORY, BUFFER, 4 * 512);
  COMMAND (t, 0xe6, 0x04, 2, 1, 5, 2, 18, 0x1b, 0xff);
  result (t, bytes, 7);
  g_assert_cmphex (bytes[0], ==, 0x04);
  g_assert_cmphex (bytes[1] | bytes[2], ==, 0);
  g_assert_cmphex (bytes[3], ==, 2);
  g_assert_cmphex (bytes[4], ==, 1);
  g_assert_cmphex (bytes[5], ==, 9);
  g_assert_cmpint (memcmp (fixture_ram (&t->base, BUFFER), t->contents + ((2 * 2 + 1) * 18 + 4) * 512, 4 * 512), ==, 0);
  g_assert_cmphex (fixture_in (&t->base, 0x08) & 0x0f, ==, 0x04);
  g_assert_cmpuint (t->base.raised[IRQ], >=, 3);

  /* Over both sides of the cylinder: 16 sectors. */
  set_dma (t, TO_MEMORY, BUFFER, 16 * 512);
  COMMAND (t, 0xe6, 0x00, 2, 0, 10, 2, 18, 0x1b, 0xff);
  result (t, bytes, 7);
  g_assert_cmphex (bytes[1] | bytes[2], ==, 0);
  g_assert_cmphex (bytes[4], ==, 1);
  g_assert_cmphex (bytes[5], ==, 8);
  g_assert_cmpint (memcmp (fixture_ram (&t->base, BUFFER), t->contents + (2 * 2 * 18 + 9) * 512, 16 * 512), ==, 0);

  /* Without terminal count the end of the track is an error. */
  set_dma (t, TO_MEMORY, BUFFER, 60 * 512);
  COMMAND (t, 0x46, 0x00, 2, 0, 17, 2, 18, 0x1b, 0xff);
  result (t, bytes, 7);
  g_assert_cmphex (bytes[0], ==, 0x40);
  g_assert_cmphex (bytes[1], ==, 0x80);
  g_assert_cmphex (bytes[3], ==, 3);
  g_assert_cmphex (bytes[5], ==, 1);
}

static void
test_dma_later (Floppies *t, gconstpointer data)
{
  uint8_t bytes[7];

  start (t);
  set_dma (t, TO_MEMORY, BUFFER, 512);
  fixture_out (&t->base, 0x0a, 0x06);
  COMMAND (t, 0x46, 0x00, 0, 0, 1, 2, 18, 0x1b, 0xff);
  /* The channel is masked: the request stands. */
  while (!(fixture_in (&t->base, 0x08) & 0x40))
    g_main_context_iteration (t->base.context, TRUE);
  g_assert_cmphex (fixture_in (&t->base, MSR) & (RQM | BUSY), ==, BUSY);
  g_assert_cmpint (t->base.level[IRQ], ==, 0);
  fixture_out (&t->base, 0x0a, 0x02);
  g_assert_cmpint (t->base.level[IRQ], ==, 1);
  result (t, bytes, 7);
  g_assert_cmphex (bytes[0] | bytes[1] | bytes[2], ==, 0);
  g_assert_cmpint (memcmp (fixture_ram (&t->base, BUFFER), t->contents, 512), ==, 0);
}

static void
test_errors (Floppies *t, gconstpointer data)
{
  uint8_t bytes[7];

  start (t);
  set_dma (t, TO_MEMORY, BUFFER, 512);
  /* The heads are elsewhere. */
  COMMAND (t, 0x46, 0x00, 7, 0, 1, 2, 18, 0x1b, 0xff);
  result (t, bytes, 7);
  g_assert_cmphex (bytes[0], ==, 0x40);
  g_assert_cmphex (bytes[2], ==, 0x10);
  /* No such sector, no such size. */
  COMMAND (t, 0x46, 0x00, 0, 0, 19, 2, 18, 0x1b, 0xff);
  result (t, bytes, 7);
  g_assert_cmphex (bytes[1], ==, 0x04);
  COMMAND (t, 0x46, 0x00, 0, 0, 1, 3, 18, 0x1b, 0xff);
  result (t, bytes, 7);
  g_assert_cmphex (bytes[1], ==, 0x04);
  /* The wrong data rate; an empty drive; no drive. */
  fixture_out (&t->base, DIR_CCR, 0x02);
  COMMAND (t, 0x4a, 0x00);
  result (t, bytes, 7);
  g_assert_cmphex (bytes[0], ==, 0x40);
  g_assert_cmphex (bytes[1], ==, 0x01);
  fixture_out (&t->base, DIR_CCR, 0x00);
  COMMAND (t, 0x4a, 0x00);
  result (t, bytes, 7);
  g_assert_cmphex (bytes[0] | bytes[1] | bytes[2], ==, 0);
  g_assert_cmphex (bytes[6], ==, 2);
  for (uint8_t unit = 1; unit < 4; unit++)
    {
      COMMAND (t, 0x4a, unit);
      result (t, bytes, 7);
      g_assert_cmphex (bytes[0], ==, 0x40 | unit);
      g_assert_cmphex (bytes[1], ==, 0x01);
    }
  COMMAND (t, 0x07, 0x02);
  COMMAND (t, 0x08);
  result (t, bytes, 1);
}

/* Disks by their sizes: layout, drive, and data rate; 2.88 MB is recorded perpendicularly. */
static void
test_formats (void)
{
  enum { RATE_500, RATE_300, RATE_250, RATE_1000 };
  static const struct
  {
    unsigned kib, cylinders, heads, track, cmos_type, rate;
  } formats[] = {
    { 360, 40, 2, 9, 1, RATE_250 },  { 720, 80, 2, 9, 4, RATE_250 },    { 1200, 80, 2, 15, 2, RATE_500 },
    { 1440, 80, 2, 18, 4, RATE_500 }, { 1680, 80, 2, 21, 4, RATE_500 }, { 2880, 80, 2, 36, 5, RATE_1000 },
  };

  for (unsigned i = 0; i < G_N_ELEMENTS (formats); i++)
    {
      Floppies t;
      uint8_t cylinder = (uint8_t) (formats[i].cylinders - 1), track = (uint8_t) formats[i].track, bytes[10];
      unsigned last = formats[i].kib * 2 - 1;

      setup_with (&t, formats[i].kib * 2, 0);
      g_assert_cmpuint (formats[i].cylinders * formats[i].heads * formats[i].track, ==, formats[i].kib * 2);
      g_assert_cmpuint (floppy_cmos_type (t.floppy, 0), ==, formats[i].cmos_type);
      start (&t);
      if (formats[i].rate == RATE_1000)
        {
          COMMAND (&t, 0x12, 0x84);
          COMMAND (&t, 0x0e);
          result (&t, bytes, 10);
          g_assert_cmphex (bytes[7] & 0x3f, ==, 0x04);
        }
      seek (&t, 0, cylinder);
      for (uint8_t rate = RATE_500; rate <= RATE_1000; rate++)
        {
          gboolean fits = rate == formats[i].rate || (formats[i].rate == RATE_250 && rate == RATE_300);

          fixture_out (&t.base, DIR_CCR, rate);
          set_dma (&t, TO_MEMORY, BUFFER, 512);
          COMMAND (&t, 0x46, 0x04, cylinder, 1, track, 2, track, 0x1b, 0xff);
          result (&t, bytes, 7);
          g_assert_cmphex (bytes[0], ==, fits ? 0x04 : 0x44);
          if (fits)
            g_assert_cmpint (memcmp (fixture_ram (&t.base, BUFFER), t.contents + last * 512, 512), ==, 0);
        }
      teardown (&t, NULL);
    }
}

static void
test_write (Floppies *t, gconstpointer data)
{
  uint8_t bytes[7], sectors[3 * 512];

  start (t);
  seek (t, 0, 79);
  memset (fixture_ram (&t->base, BUFFER), 0xa5, 3 * 512);
  set_dma (t, FROM_MEMORY, BUFFER, 3 * 512);
  COMMAND (t, 0xc5, 0x04, 79, 1, 16, 2, 18, 0x1b, 0xff);
  result (t, bytes, 7);
  g_assert_cmphex (bytes[0], ==, 0x04);
  g_assert_cmphex (bytes[1] | bytes[2], ==, 0);
  g_assert_cmphex (bytes[3], ==, 80);
  g_assert_cmphex (bytes[5], ==, 1);
  g_assert_true (disk_read (t->disk, (SECTORS_144 - 3) * 512, sectors, sizeof sectors, NULL));
  g_assert_cmpint (memcmp (fixture_ram (&t->base, BUFFER), sectors, sizeof sectors), ==, 0);
}

static void
test_format (Floppies *t, gconstpointer data)
{
  uint8_t bytes[7], sectors[18 * 512];

  start (t);
  for (unsigned i = 0; i < 18; i++)
    memcpy (fixture_ram (&t->base, BUFFER) + 4 * i, (uint8_t[]) { 0, 1, (uint8_t) (i + 1), 2 }, 4);
  set_dma (t, FROM_MEMORY, BUFFER, 18 * 4);
  COMMAND (t, 0x4d, 0x04, 2, 18, 0x50, 0xf6);
  result (t, bytes, 7);
  g_assert_cmphex (bytes[0], ==, 0x04);
  g_assert_cmphex (bytes[1] | bytes[2], ==, 0);
  g_assert_true (disk_read (t->disk, 18 * 512, sectors, sizeof sectors, NULL));
  for (unsigned i = 0; i < sizeof sectors; i++)
    g_assert_cmphex (sectors[i], ==, 0xf6);
  /* Other layouts than the image's are refused. */
  COMMAND (t, 0x4d, 0x00, 2, 9, 0x50, 0xf6);
  result (t, bytes, 7);
  g_assert_cmphex (bytes[0], ==, 0x40);
}

static void
test_pio (Floppies *t, gconstpointer data)
{
  uint8_t bytes[7], sector[512];

  start (t);
  COMMAND (t, 0x03, 0xaf, 0x03);
  COMMAND (t, 0x46, 0x00, 0, 0, 18, 2, 18, 0x1b, 0xff);
  for (unsigned i = 0; i < 512; i++)
    g_assert_cmphex (get (t), ==, t->contents[17 * 512 + i]);
  result (t, bytes, 7);
  g_assert_cmphex (bytes[0], ==, 0x40); /* nobody can say that it is enough */
  g_assert_cmphex (bytes[1], ==, 0x80);

  COMMAND (t, 0x45, 0x00, 0, 0, 18, 2, 18, 0x1b, 0xff);
  for (unsigned i = 0; i < 512; i++)
    put (t, (uint8_t) i);
  g_assert_cmphex (fixture_in (&t->base, MSR) & NON_DMA, ==, NON_DMA);
  result (t, bytes, 7);
  g_assert_cmphex (bytes[1], ==, 0x80);
  g_assert_true (disk_read (t->disk, 17 * 512, sector, sizeof sector, NULL));
  for (unsigned i = 0; i < 512; i++)
    g_assert_cmphex (sector[i], ==, i & 0xff);
}

static void
test_change (Floppies *t, gconstpointer data)
{
  g_autofree uint8_t *other = g_malloc0 (737280);
  g_autoptr (Disk) disk = NULL, huge = NULL;
  g_autoptr (GError) error = NULL;
  uint8_t bytes[7];

  memset (other, 0x5a, 512);
  disk = fixture_disk (&t->base, "b.img", other, 737280, DISK_OPEN_READ_ONLY);
  start (t);
  g_assert_cmphex (fixture_in (&t->base, DIR_CCR) & 0x80, ==, 0);
  g_assert_true (floppy_set_disk (t->floppy, 0, NULL, &error));
  g_assert_cmphex (fixture_in (&t->base, DIR_CCR) & 0x80, ==, 0x80);
  seek (t, 0, 1);
  g_assert_cmphex (fixture_in (&t->base, DIR_CCR) & 0x80, ==, 0x80);
  g_assert_true (floppy_set_disk (t->floppy, 0, disk, &error));
  g_assert_cmphex (fixture_in (&t->base, DIR_CCR) & 0x80, ==, 0x80);
  seek (t, 0, 0);
  g_assert_cmphex (fixture_in (&t->base, DIR_CCR) & 0x80, ==, 0);

  /* Double density, nine sectors a track, write-protected. */
  fixture_out (&t->base, DIR_CCR, 0x02);
  set_dma (t, TO_MEMORY, BUFFER, 512);
  COMMAND (t, 0x46, 0x00, 0, 0, 1, 2, 9, 0x1b, 0xff);
  result (t, bytes, 7);
  g_assert_cmphex (bytes[0] | bytes[1] | bytes[2], ==, 0);
  g_assert_cmphex (fixture_ram (&t->base, BUFFER)[511], ==, 0x5a);
  set_dma (t, FROM_MEMORY, BUFFER, 512);
  COMMAND (t, 0x45, 0x00, 0, 0, 1, 2, 9, 0x1b, 0xff);
  result (t, bytes, 7);
  g_assert_cmphex (bytes[0], ==, 0x40);
  g_assert_cmphex (bytes[1], ==, 0x02);

  huge = fixture_disk (&t->base, "c.img", fixture_ram (&t->base, 0), 4 << 20, DISK_OPEN_READ_ONLY);
  g_assert_false (floppy_set_disk (t->floppy, 0, huge, &error));
  g_assert_nonnull (strstr (error->message, "c.img"));
  g_clear_error (&error);
  g_assert_false (floppy_set_disk (t->floppy, 2, NULL, &error));
  g_assert_nonnull (error);
}

/* A transfer that waits for the guest ends when the disk is taken away. */
static void
test_taken_away (Floppies *t, gconstpointer data)
{
  uint8_t bytes[7];

  start (t);
  fixture_out (&t->base, 0x0a, 0x06);
  COMMAND (t, 0x45, 0x00, 0, 0, 1, 2, 18, 0x1b, 0xff);
  g_assert_true (floppy_set_disk (t->floppy, 0, NULL, NULL));
  result (t, bytes, 7);
  g_assert_cmphex (bytes[0], ==, 0x40);
  g_assert_cmphex (bytes[1], ==, 0x01);
  fixture_out (&t->base, 0x0a, 0x02);
}

static void
test_reset_while_reading (Floppies *t, gconstpointer data)
{
  start (t);
  set_dma (t, TO_MEMORY, BUFFER, 512);
  memset (fixture_ram (&t->base, BUFFER), 0x77, 512);
  COMMAND (t, 0x46, 0x00, 0, 0, 1, 2, 18, 0x1b, 0xff);
  fixture_out (&t->base, DOR, 0x18);
  fixture_out (&t->base, DOR, 0x1c);
  while (!t->base.level[IRQ])
    g_main_context_iteration (t->base.context, TRUE);
  for (unsigned i = 0; i < 4; i++)
    {
      uint8_t bytes[2];

      COMMAND (t, 0x08);
      result (t, bytes, 2);
    }
  g_assert_cmphex (fixture_ram (&t->base, BUFFER)[0], ==, 0x77);
}

static void
test_saved (Floppies *t, gconstpointer data)
{
  g_autoptr (GByteArray) state = g_byte_array_new ();
  g_autoptr (GError) error = NULL;
  uint8_t bytes[7];
  size_t used;

  start (t);
  seek (t, 0, 3);
  fixture_out (&t->base, 0x0a, 0x06);
  COMMAND (t, 0x45, 0x00, 3, 0, 1, 2, 18, 0x1b, 0xff);
  device_save (t->floppy, state);
  device_reset (t->floppy);
  g_assert_true (device_load (t->floppy, state->data, state->len, &used, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (used, ==, state->len);
  memset (fixture_ram (&t->base, BUFFER), 0x3c, 512);
  set_dma (t, FROM_MEMORY, BUFFER, 512);
  i8237_set_request (t->dma, 2, TRUE);
  fixture_out (&t->base, 0x0a, 0x02);
  result (t, bytes, 7);
  g_assert_cmphex (bytes[0] | bytes[1] | bytes[2], ==, 0);

  /* Damage is refused or harmless. */
  for (guint i = 20; i < 120; i++)
    {
      guint8 old = state->data[i];

      state->data[i] = 0xff;
      device_load (t->floppy, state->data, state->len, &used, NULL);
      device_reset (t->floppy);
      state->data[i] = old;
    }
}

/* While the disk works: what it was asked for is asked for again. */
static void
test_saved_busy (Floppies *t, gconstpointer data)
{
  g_autoptr (GByteArray) state = g_byte_array_new (), again = g_byte_array_new ();
  g_autoptr (GError) error = NULL;
  uint8_t bytes[7];
  size_t used;

  start (t);
  set_dma (t, TO_MEMORY, BUFFER, 1024);
  COMMAND (t, 0x46, 0x00, 0, 0, 4, 2, 18, 0x1b, 0xff);
  device_save (t->floppy, state);
  g_assert_false (device_load (t->floppy, state->data, state->len, &used, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_BUSY);
  g_clear_error (&error);
  result (t, bytes, 7);

  memset (fixture_ram (&t->base, BUFFER), 0, 1024);
  set_dma (t, TO_MEMORY, BUFFER, 1024);
  g_assert_true (device_load (t->floppy, state->data, state->len, &used, &error));
  g_assert_no_error (error);
  device_save (t->floppy, again);
  g_assert_cmpuint (again->len, ==, state->len);
  result (t, bytes, 7);
  g_assert_cmphex (bytes[0] | bytes[1] | bytes[2], ==, 0);
  g_assert_cmpmem (fixture_ram (&t->base, BUFFER), 1024, t->contents + 3 * 512, 1024);

  /* The same in a reset that waits for the disk. */
  set_dma (t, TO_MEMORY, BUFFER, 1024);
  COMMAND (t, 0x46, 0x00, 0, 0, 4, 2, 18, 0x1b, 0xff);
  fixture_out (&t->base, DOR, 0x18);
  fixture_out (&t->base, DOR, 0x1c);
  g_byte_array_set_size (state, 0);
  device_save (t->floppy, state);
  while (!t->base.level[IRQ])
    g_main_context_iteration (t->base.context, TRUE);
  g_assert_true (device_load (t->floppy, state->data, state->len, &used, &error));
  g_assert_no_error (error);
  g_assert_cmpint (t->base.level[IRQ], ==, 0);
  while (!t->base.level[IRQ])
    g_main_context_iteration (t->base.context, TRUE);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(path, function) g_test_add ("/floppy/" path, Floppies, NULL, setup, function, teardown)
  ADD ("identity", test_identity);
  ADD ("read", test_read);
  ADD ("dma-later", test_dma_later);
  ADD ("errors", test_errors);
  g_test_add_func ("/floppy/formats", test_formats);
  ADD ("write", test_write);
  ADD ("format", test_format);
  ADD ("pio", test_pio);
  ADD ("change", test_change);
  ADD ("taken-away", test_taken_away);
  ADD ("reset-while-reading", test_reset_while_reading);
  ADD ("saved", test_saved);
  ADD ("saved-busy", test_saved_busy);
  return g_test_run ();
}
