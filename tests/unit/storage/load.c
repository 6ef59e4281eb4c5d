/* SPDX-License-Identifier: GPL-3.0-or-later */
/* See load.h. */

#include "tests/unit/storage/load.h"

#include <string.h>

enum
{
  SECTOR = 512,
  GRAIN = 40 * 1024, /* a thread's bytes in a row: no multiple of any image's unit */
  SYNCHRONOUS = 2,
  THREADS = SYNCHRONOUS + 1,
  DEPTH = 8
};

typedef struct
{
  DiskRequest request;
  uint8_t *buffer, *expected;
  gboolean busy;
} Slot;

typedef struct
{
  Load *load;
  unsigned index;
  GRand *random;
  GThread *thread;
} Guest;

struct Load
{
  uint64_t size;
  uint8_t *copy;
  Disk *disk;
  Guest guests[THREADS];
  int stop; /* atomic */
  GMutex lock;
  GCond cond;
  uint64_t done;
};

Load *
load_new (uint64_t size)
{
  Load *load = g_new0 (Load, 1);

  load->size = size;
  load->copy = g_malloc0 (size);
  g_mutex_init (&load->lock);
  g_cond_init (&load->cond);
  for (unsigned i = 0; i < THREADS; i++)
    load->guests[i]
        = (Guest) { .load = load, .index = i, .random = g_rand_new_with_seed ((guint32) g_test_rand_int ()) };
  return load;
}

void
load_free (Load *load)
{
  for (unsigned i = 0; i < THREADS; i++)
    g_rand_free (load->guests[i].random);
  g_mutex_clear (&load->lock);
  g_cond_clear (&load->cond);
  g_free (load->copy);
  g_free (load);
}

static uint64_t
below (Guest *g, uint64_t limit)
{
  return (uint64_t) g_rand_int_range (g->random, 0, (gint32) limit);
}

/* Some of the thread's own bytes; half of the time near the disk's beginning, so that they are met again. */
static void
choose (Guest *g, uint64_t *offset, size_t *length)
{
  uint64_t grains = g->load->size / GRAIN, grain, first, count;

  if (below (g, 2) == 0)
    grains /= 4;
  grain = below (g, grains) / THREADS * THREADS + g->index;
  first = below (g, GRAIN / SECTOR);
  count = 1 + below (g, below (g, 3) == 0 ? GRAIN / SECTOR : 8);
  *offset = grain * GRAIN + first * SECTOR;
  *length = (size_t) (MIN (count, GRAIN / SECTOR - first) * SECTOR);
  if (*offset + *length > g->load->size)
    choose (g, offset, length);
}

static void
count_done (Load *load)
{
  g_mutex_lock (&load->lock);
  load->done++;
  g_cond_broadcast (&load->cond);
  g_mutex_unlock (&load->lock);
}

static void
fill (Guest *g, uint8_t *buffer, size_t length)
{
  memset (buffer, (int) below (g, 256), length);
  for (size_t i = 0; i < length; i += SECTOR)
    buffer[i] = (uint8_t) below (g, 256);
}

/* What was discarded reads as before or as zeros, each sector by itself, and stays what it is. */
static void
discard (Guest *g, uint64_t offset, size_t length, uint8_t *buffer)
{
  static const uint8_t zeros[SECTOR];
  Load *load = g->load;
  g_autoptr (GError) error = NULL;

  disk_discard (load->disk, offset, length, &error);
  g_assert_no_error (error);
  disk_read (load->disk, offset, buffer, length, &error);
  g_assert_no_error (error);
  for (size_t i = 0; i < length; i += SECTOR)
    g_assert_true (memcmp (buffer + i, load->copy + offset + i, SECTOR) == 0
                   || memcmp (buffer + i, zeros, SECTOR) == 0);
  memcpy (load->copy + offset, buffer, length);
}

static gpointer
synchronous (gpointer data)
{
  Guest *g = data;
  Load *load = g->load;
  g_autofree uint8_t *buffer = g_malloc (GRAIN);
  g_autoptr (GError) error = NULL;

  while (!g_atomic_int_get (&load->stop))
    {
      uint64_t dice = below (g, 64), offset;
      size_t length;

      choose (g, &offset, &length);
      if (dice < 36)
        {
          fill (g, buffer, length);
          memcpy (load->copy + offset, buffer, length);
          disk_write (load->disk, offset, buffer, length, &error);
        }
      else if (dice < 40)
        {
          memset (load->copy + offset, 0, length);
          disk_zero (load->disk, offset, length, &error);
        }
      else if (dice < 44)
        discard (g, offset, length, buffer);
      else if (dice < 45)
        disk_flush (load->disk, &error);
      else
        {
          disk_read (load->disk, offset, buffer, length, &error);
          g_assert_cmpmem (buffer, length, load->copy + offset, length);
        }
      g_assert_no_error (error);
      count_done (load);
    }
  return NULL;
}

static void
on_done (DiskRequest *request)
{
  Slot *slot = request->opaque;

  g_assert_no_error (request->error);
  if (request->op == DISK_READ)
    g_assert_cmpmem (slot->buffer, request->length, slot->expected, request->length);
  slot->busy = FALSE;
}

static void
submit (Guest *g, Slot *slot)
{
  static const DiskOp ops[]
      = { DISK_WRITE, DISK_WRITE, DISK_WRITE, DISK_WRITE, DISK_WRITE, DISK_READ, DISK_READ, DISK_READ, DISK_ZERO };
  uint8_t *copy = g->load->copy;
  uint64_t offset;
  size_t length;

  choose (g, &offset, &length);
  slot->request = (DiskRequest) { .op = ops[below (g, G_N_ELEMENTS (ops))],
                                  .offset = offset,
                                  .length = length,
                                  .buffer = slot->buffer,
                                  .done = on_done,
                                  .opaque = slot };
  if (below (g, 40) == 0)
    slot->request = (DiskRequest) { .op = DISK_FLUSH, .done = on_done, .opaque = slot };
  if (slot->request.op == DISK_WRITE)
    {
      fill (g, slot->buffer, length);
      memcpy (copy + offset, slot->buffer, length);
      slot->request.force = below (g, 50) == 0;
    }
  else if (slot->request.op == DISK_ZERO)
    memset (copy + offset, 0, length);
  else if (slot->request.op == DISK_READ)
    memcpy (slot->expected, copy + offset, length);
  slot->busy = TRUE;
  disk_submit (g->load->disk, &slot->request);
}

static gpointer
asynchronous (gpointer data)
{
  Guest *g = data;
  g_autoptr (GMainContext) context = g_main_context_new ();
  Slot slots[DEPTH] = { 0 };
  unsigned busy;

  for (unsigned i = 0; i < DEPTH; i++)
    {
      slots[i].buffer = g_malloc (GRAIN);
      slots[i].expected = g_malloc (GRAIN);
    }
  disk_set_context (g->load->disk, context);
  do
    {
      busy = 0;
      for (unsigned i = 0; i < DEPTH; i++)
        {
          if (!slots[i].busy && !g_atomic_int_get (&g->load->stop))
            {
              submit (g, &slots[i]);
              count_done (g->load);
            }
          busy += slots[i].busy;
        }
      if (busy > 0)
        g_main_context_iteration (context, TRUE);
    }
  while (busy > 0);
  for (unsigned i = 0; i < DEPTH; i++)
    {
      g_free (slots[i].buffer);
      g_free (slots[i].expected);
    }
  return NULL;
}

void
load_start (Load *load, Disk *disk)
{
  g_assert_cmpuint (disk_size (disk), ==, load->size);
  load->disk = disk;
  g_atomic_int_set (&load->stop, FALSE);
  for (unsigned i = 0; i < THREADS; i++)
    load->guests[i].thread = g_thread_new ("guest", i < SYNCHRONOUS ? synchronous : asynchronous, &load->guests[i]);
}

void
load_stop (Load *load)
{
  g_atomic_int_set (&load->stop, TRUE);
  for (unsigned i = 0; i < THREADS; i++)
    g_thread_join (load->guests[i].thread);
}

void
load_wait (Load *load, unsigned requests)
{
  uint64_t until;

  g_mutex_lock (&load->lock);
  for (until = load->done + requests; load->done < until;)
    g_cond_wait (&load->cond, &load->lock);
  g_mutex_unlock (&load->lock);
}

void
load_write (Load *load, Disk *disk, uint64_t offset, size_t length)
{
  g_autoptr (GError) error = NULL;

  for (size_t i = 0; i < length; i++)
    load->copy[offset + i] = (uint8_t) g_rand_int (load->guests[0].random);
  disk_write (disk, offset, load->copy + offset, length, &error);
  g_assert_no_error (error);
}

void
load_check (Load *load, Disk *disk)
{
  g_autofree uint8_t *data = g_malloc (load->size);
  g_autoptr (GError) error = NULL;

  g_assert_cmpuint (disk_size (disk), ==, load->size);
  disk_read (disk, 0, data, load->size, &error);
  g_assert_no_error (error);
  for (uint64_t at = 0; at < load->size; at += SECTOR)
    if (memcmp (data + at, load->copy + at, SECTOR) != 0)
      g_error ("sector %" G_GUINT64_FORMAT " has %02x and not %02x", at / SECTOR, data[at + 1], load->copy[at + 1]);
}
