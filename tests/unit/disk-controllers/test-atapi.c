/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The CD drive of the IDE function: its packet commands, discs that come and go. */

#include "tests/unit/disk-controllers/drives.h"

#include <gio/gio.h>
#include <string.h>

enum { REPLY_MAX = 512 };

static void
sense (Drives *t, uint8_t key, uint8_t asc)
{
  uint8_t data[18];

  PACKET (t, 18, FALSE, 0x03, 0, 0, 0, 18);
  g_assert_cmphex (settle (t, 1), ==, DRDY | DSC | DRQ);
  read_data (t, 1, data, 18);
  g_assert_cmphex (data[2], ==, key);
  g_assert_cmphex (data[12], ==, asc);
  expect_done (t, 1);
}

static void
test_cd (Drives *t, gconstpointer unused)
{
  uint8_t capacity[8];

  PACKET (t, 8, FALSE, 0x25);
  g_assert_cmphex (settle (t, 1), ==, DRDY | DSC | DRQ);
  read_data (t, 1, capacity, 8);
  g_assert_cmphex (capacity[3], ==, CD_SECTORS - 1);
  g_assert_cmphex (capacity[6], ==, CD_SECTOR >> 8);
  expect_done (t, 1);

  /* By PIO in blocks of what the guest allows for. */
  PACKET (t, 3000, FALSE, 0x28, 0, 0, 0, 0, 20, 0, 0, 3);
  for (unsigned at = 0; at < 3 * CD_SECTOR; at += 3000)
    {
      unsigned bytes = MIN (3000, 3 * CD_SECTOR - at);

      settle (t, 1);
      g_assert_cmpuint (drives_in (t, 1, LBA_MID) | drives_in (t, 1, LBA_HIGH) << 8, ==, bytes);
      g_assert_cmphex (drives_in (t, 1, COUNT) & 3, ==, 2);
      expect_block (t, 1, 20, CD_SECTOR, at, bytes);
    }
  expect_done (t, 1);

  set_prds (t, 1, 130 * CD_SECTOR, 0x10000);
  PACKET (t, 0, TRUE, 0x28, 0, 0, 0, 0, 20, 0, 0, 130);
  bus_master (t, 1, BM_START | BM_TO_MEMORY);
  expect_done (t, 1);
  bus_master (t, 1, 0);
  expect_memory (t, 20, CD_SECTOR, 130 * CD_SECTOR);

  PACKET (t, 0, FALSE, 0x28, 0, 0, 0, 0, CD_SECTORS - 1, 0, 0, 2);
  expect_failed (t, 1, 0x54);
  sense (t, 5, 0x21);
  PACKET (t, 0, FALSE, 0xff);
  expect_failed (t, 1, 0x54);
  sense (t, 5, 0x20);
}

static void
test_disc_change (Drives *t, gconstpointer unused)
{
  g_autoptr (GError) error = NULL;

  PACKET (t, 0, FALSE, 0x1e, 0, 0, 0, 1);
  expect_done (t, 1);
  g_assert_false (piix3_ide_set_disc (t->ide, 2, NULL, FALSE, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_BUSY);

  /* Taken out by force between two parts of a read. */
  PACKET (t, 0xfffe, FALSE, 0x28, 0, 0, 0, 0, 20, 0, 0, 70);
  g_assert_cmphex (settle (t, 1), ==, DRDY | DSC | DRQ);
  g_assert_true (piix3_ide_set_disc (t->ide, 2, NULL, TRUE, NULL));
  for (unsigned at = 0; at < 64 * CD_SECTOR; at += 2)
    bus_pio_read (t->board->bus, 0x170, 2);
  expect_failed (t, 1, 0x20);
  sense (t, 2, 0x3a);
  PACKET (t, 0, FALSE, 0x00);
  expect_failed (t, 1, 0x20);

  /* A new one is announced once. */
  g_assert_true (piix3_ide_set_disc (t->ide, 2, t->disc, FALSE, NULL));
  PACKET (t, 0, FALSE, 0x00);
  expect_failed (t, 1, 0x60);
  PACKET (t, 0, FALSE, 0x00);
  expect_done (t, 1);
  /* The guest's own eject. */
  PACKET (t, 0, FALSE, 0x1b, 0, 0, 0, 2);
  expect_done (t, 1);
  PACKET (t, 0, FALSE, 0x00);
  expect_failed (t, 1, 0x20);
}

static void
test_device_reset (Drives *t, gconstpointer unused)
{
  PACKET (t, 0, FALSE, 0x28, 0, 0, 0, 0, 20, 0, 0, 3);
  g_assert_cmphex (drives_in (t, 1, CONTROL) & BSY, ==, BSY);
  drives_out (t, 1, COMMAND, 0x08);
  g_assert_cmphex (settle (t, 1), ==, 0);
  g_assert_cmphex (drives_in (t, 1, LBA_HIGH), ==, 0xeb);
  PACKET (t, 0, FALSE, 0x28, 0, 0, 0, 0, 20, 0, 0, 1);
  expect_block (t, 1, 20, CD_SECTOR, 0, CD_SECTOR);
  expect_done (t, 1);
}

/* Sends a packet whose reply comes in one block; returns its bytes. */
static unsigned
ask (Drives *t, uint8_t *data, const uint8_t cdb[12])
{
  unsigned bytes;

  packet (t, cdb, REPLY_MAX, FALSE);
  g_assert_cmphex (settle (t, 1), ==, DRDY | DSC | DRQ);
  bytes = drives_in (t, 1, LBA_MID) | (unsigned) drives_in (t, 1, LBA_HIGH) << 8;
  g_assert_cmpuint (bytes, <=, REPLY_MAX);
  memset (data, 0xee, REPLY_MAX);
  read_data (t, 1, data, bytes);
  expect_done (t, 1);
  return bytes;
}
#define ASK(t, data, ...) ask ((t), (data), (const uint8_t[12]) { __VA_ARGS__ })

static void
test_inquiry (Drives *t, gconstpointer unused)
{
  uint8_t data[REPLY_MAX];

  g_assert_cmpuint (ASK (t, data, 0x12, 0, 0, 0, 96), ==, 36);
  g_assert_cmphex (data[0], ==, 5);
  g_assert_cmphex (data[1], ==, 0x80);
  g_assert_cmphex (data[4], ==, 31);
  g_assert_cmpmem (data + 8, 8, "Bunshin ", 8);
  g_assert_cmpuint (ASK (t, data, 0x12, 0, 0, 0, 6), ==, 6);
  g_assert_cmphex (data[6], ==, 0xee);
  PACKET (t, 36, FALSE, 0x12, 1, 0, 0, 36); /* vital product data */
  expect_failed (t, 1, 0x54);
  sense (t, 5, 0x24);
  /* An allocation of nothing ends at once. */
  PACKET (t, 36, FALSE, 0x12);
  expect_done (t, 1);
}

static void
test_contents (Drives *t, gconstpointer unused)
{
  static const uint8_t toc[] = { 0, 18, 1, 1, 0, 0x14, 1, 0, 0, 0, 0, 0, 0, 0x14, 0xaa, 0, 0, 0, 0, CD_SECTORS };
  static const uint8_t msf[] = { 0, 10, 1, 1, 0, 0x14, 0xaa, 0, 0, 0, 4, (CD_SECTORS + 150) % 75 };
  static const uint8_t session[] = { 0, 10, 1, 1, 0, 0x14, 1, 0, 0, 0, 0, 0 };
  uint8_t data[REPLY_MAX];

  g_assert_cmpuint (ASK (t, data, 0x43, 0, 0, 0, 0, 0, 0, 1, 0), ==, sizeof toc);
  g_assert_cmpmem (data, sizeof toc, toc, sizeof toc);
  g_assert_cmpuint (ASK (t, data, 0x43, 2, 0, 0, 0, 0, 0xaa, 1, 0), ==, sizeof msf);
  g_assert_cmpmem (data, sizeof msf, msf, sizeof msf);
  g_assert_cmpuint (ASK (t, data, 0x43, 0, 0, 0, 0, 0, 0, 0, 4), ==, 4);
  g_assert_cmpuint (ASK (t, data, 0x43, 0, 1, 0, 0, 0, 0, 1, 0), ==, sizeof session);
  g_assert_cmpmem (data, sizeof session, session, sizeof session);
  g_assert_cmpuint (ASK (t, data, 0x43, 0, 0, 0, 0, 0, 0, 1, 0, 0x40), ==, sizeof session); /* as of old */
  g_assert_cmpuint (ASK (t, data, 0x43, 2, 2, 0, 0, 0, 0, 1, 0), ==, 48);
  g_assert_cmphex (data[4 + 22 + 3], ==, 0xa2);
  g_assert_cmphex (data[4 + 22 + 9], ==, 4); /* the lead-out at 0:04 */
  PACKET (t, 64, FALSE, 0x43, 0, 0, 0, 0, 0, 2, 1, 0); /* there is no track 2 */
  expect_failed (t, 1, 0x54);
  PACKET (t, 64, FALSE, 0x43, 0, 5, 0, 0, 0, 0, 1, 0);
  expect_failed (t, 1, 0x54);

  g_assert_cmpuint (ASK (t, data, 0x51, 0, 0, 0, 0, 0, 0, 1, 0), ==, 34);
  g_assert_cmphex (data[2], ==, 0x0e);
  g_assert_cmpuint (ASK (t, data, 0x52, 1, 0, 0, 0, 1, 0, 1, 0), ==, 36);
  g_assert_cmphex (data[27], ==, CD_SECTORS);
  g_assert_cmpuint (ASK (t, data, 0x23, 0, 0, 0, 0, 0, 0, 1, 0), ==, 12);
  g_assert_cmphex (data[7], ==, CD_SECTORS);
  g_assert_cmpuint (ASK (t, data, 0x42, 2, 0x40, 1, 0, 0, 0, 1, 0), ==, 4);
  PACKET (t, 64, FALSE, 0xad, 0, 0, 0, 0, 0, 0, 0, 8, 0); /* a CD has no DVD structures */
  expect_failed (t, 1, 0x54);
}

static void
test_modes (Drives *t, gconstpointer unused)
{
  uint8_t data[REPLY_MAX];

  g_assert_cmpuint (ASK (t, data, 0x5a, 0, 0x3f, 0, 0, 0, 0, 1, 0), ==, 8 + 12 + 22);
  g_assert_cmphex (data[1], ==, 8 + 12 + 22 - 2);
  g_assert_cmphex (data[8], ==, 0x01);
  g_assert_cmphex (data[20], ==, 0x2a);
  g_assert_cmphex (data[26] & 2, ==, 0);
  g_assert_cmpuint (ASK (t, data, 0x1a, 0, 0x2a, 0, 255), ==, 4 + 22);
  g_assert_cmphex (data[0], ==, 4 + 22 - 1);
  PACKET (t, 0, FALSE, 0x1e, 0, 0, 0, 1);
  expect_done (t, 1);
  ASK (t, data, 0x5a, 0, 0x2a, 0, 0, 0, 0, 1, 0);
  g_assert_cmphex (data[8 + 6] & 2, ==, 2); /* locked */
  PACKET (t, 64, FALSE, 0x5a, 0, 0xea, 0, 0, 0, 0, 1, 0); /* saved values */
  expect_failed (t, 1, 0x54);
  sense (t, 5, 0x39);
  PACKET (t, 64, FALSE, 0x5a, 0, 0x0e, 0, 0, 0, 0, 1, 0);
  expect_failed (t, 1, 0x54);
}

static void
test_configuration (Drives *t, gconstpointer unused)
{
  uint8_t data[REPLY_MAX];

  g_assert_cmpuint (ASK (t, data, 0x46, 0, 0, 0, 0, 0, 0, 1, 0), ==, 8 + 12 + 12 + 8);
  g_assert_cmphex (data[3], ==, 4 + 12 + 12 + 8);
  g_assert_cmphex (data[7], ==, 8); /* CD-ROM */
  g_assert_cmphex (data[8 + 3], ==, 8);
  g_assert_cmphex (data[20 + 1], ==, 1);
  g_assert_cmphex (data[32 + 1], ==, 3);
  /* From a feature on; one only; one that there is not. */
  g_assert_cmpuint (ASK (t, data, 0x46, 0, 0, 3, 0, 0, 0, 1, 0), ==, 8 + 8);
  g_assert_cmphex (data[8 + 1], ==, 3);
  g_assert_cmpuint (ASK (t, data, 0x46, 2, 0, 1, 0, 0, 0, 1, 0), ==, 8 + 12);
  g_assert_cmphex (data[8 + 1], ==, 1);
  g_assert_cmpuint (ASK (t, data, 0x46, 2, 0, 0x20, 0, 0, 0, 1, 0), ==, 8);
  g_assert_cmphex (data[3], ==, 4);
  PACKET (t, 64, FALSE, 0x46, 3, 0, 0, 0, 0, 0, 1, 0);
  expect_failed (t, 1, 0x54);
}

static void
test_events (Drives *t, gconstpointer unused)
{
  static const uint8_t present[] = { 0, 6, 4, 16, 0, 2, 0, 0 }, gone[] = { 0, 6, 4, 16, 3, 0, 0, 0 };
  static const uint8_t come[] = { 0, 6, 4, 16, 2, 2, 0, 0 }, none[] = { 0, 2, 0x80, 16 };
  uint8_t data[REPLY_MAX];

  g_assert_cmpuint (ASK (t, data, 0x4a, 1, 0, 0, 16, 0, 0, 1, 0), ==, 8);
  g_assert_cmpmem (data, 8, present, 8);
  g_assert_true (piix3_ide_set_disc (t->ide, 2, NULL, FALSE, NULL));
  ASK (t, data, 0x4a, 1, 0, 0, 16, 0, 0, 1, 0);
  g_assert_cmpmem (data, 8, gone, 8);
  g_assert_true (piix3_ide_set_disc (t->ide, 2, t->disc, FALSE, NULL));
  ASK (t, data, 0x4a, 1, 0, 0, 16, 0, 0, 1, 0);
  g_assert_cmpmem (data, 8, come, 8);
  ASK (t, data, 0x4a, 1, 0, 0, 16, 0, 0, 1, 0); /* told once */
  g_assert_cmpmem (data, 8, present, 8);
  g_assert_cmpuint (ASK (t, data, 0x4a, 1, 0, 0, 2, 0, 0, 1, 0), ==, 4);
  g_assert_cmpmem (data, 4, none, 4);
  PACKET (t, 64, FALSE, 0x4a, 0, 0, 0, 16, 0, 0, 1, 0); /* not by polling */
  expect_failed (t, 1, 0x54);

  PACKET (t, 64, FALSE, 0xbd, 0, 0, 0, 0, 0, 0, 0, 0, 8); /* the new disc is still to be told of */
  expect_failed (t, 1, 0x60);
  g_assert_cmpuint (ASK (t, data, 0xbd, 0, 0, 0, 0, 0, 0, 0, 0, 8), ==, 8);
  g_assert_cmphex (data[1], ==, 0);
}

/* READ (12) and READ CD, and what lies between blocks. */
static void
test_reads (Drives *t, gconstpointer unused)
{
  PACKET (t, 4096, FALSE, 0xa8, 0, 0, 0, 0, 30, 0, 0, 0, 2);
  expect_block (t, 1, 30, CD_SECTOR, 0, 2 * CD_SECTOR);
  expect_done (t, 1);
  PACKET (t, 4096, FALSE, 0xbe, 0, 0, 0, 0, 31, 0, 0, 2, 0x10);
  expect_block (t, 1, 31, CD_SECTOR, 0, 2 * CD_SECTOR);
  expect_done (t, 1);
  PACKET (t, 4096, FALSE, 0xbe, 0, 0, 0, 0, 31, 0, 0, 2, 0);
  expect_done (t, 1);
  PACKET (t, 4096, FALSE, 0xbe, 0, 0, 0, 0, 31, 0, 0, 2, 0xf8); /* raw sectors are not kept */
  expect_failed (t, 1, 0x54);
  PACKET (t, 4096, FALSE, 0x28, 0, 0, 0, 0, CD_SECTORS); /* none, from the end */
  expect_done (t, 1);
  PACKET (t, 4096, FALSE, 0xa8, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff);
  expect_failed (t, 1, 0x54);
  /* The smallest blocks there are. */
  PACKET (t, 1, FALSE, 0x28, 0, 0, 0, 0, 33, 0, 0, 1);
  for (unsigned at = 0; at < CD_SECTOR; at += 2)
    expect_block (t, 1, 33, CD_SECTOR, at, 2);
  expect_done (t, 1);
}

#define ADD(path, function) g_test_add ("/atapi/" path, Drives, NULL, drives_setup, function, drives_teardown)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("read", test_cd);
  ADD ("reads", test_reads);
  ADD ("disc-change", test_disc_change);
  ADD ("device-reset", test_device_reset);
  ADD ("inquiry", test_inquiry);
  ADD ("contents", test_contents);
  ADD ("modes", test_modes);
  ADD ("configuration", test_configuration);
  ADD ("events", test_events);
  return g_test_run ();
}
