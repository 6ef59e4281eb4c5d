/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * remote-helper URL write|survive: writes to a disk on a server through the block
 * layer, many requests at a time, and checks what it reads back. “survive” goes
 * on through stalls: it tells of one with a line, and waits for a line before it
 * tries again.
 */

#include "storage/disk/disk.h"

#include <stdio.h>
#include <string.h>

enum
{
  PIECE = 64 * 1024,
  PIECES = 400,
  IN_FLIGHT = 8
};

typedef struct
{
  Disk *disk;
  guint next, done, failed; /* pieces */
} Work;

typedef struct
{
  DiskRequest request;
  guint8 *data;
} Write;

static void
fill (guint8 *data, guint n)
{
  for (guint i = 0; i < PIECE; i += 4)
    memcpy (data + i, &(guint32) { n * 2654435761u + i }, 4);
}

static void on_written (DiskRequest *request);

static void
write_next (Work *work)
{
  Write *w = g_new0 (Write, 1);

  w->data = g_malloc (PIECE);
  fill (w->data, work->next);
  w->request = (DiskRequest) { .op = DISK_WRITE,
                               .offset = (guint64) work->next * PIECE,
                               .length = PIECE,
                               .buffer = w->data,
                               .done = on_written,
                               .opaque = work };
  work->next++;
  disk_submit (work->disk, &w->request);
}

static void
on_written (DiskRequest *request)
{
  Write *w = (Write *) request;
  Work *work = request->opaque;

  if (request->error != NULL)
    {
      fprintf (stderr, "%s\n", request->error->message);
      work->failed++;
    }
  work->done++;
  g_free (w->data);
  g_free (w);
  if (work->next < PIECES)
    write_next (work);
}

static void
on_stalled (Disk *disk, const GError *error, void *opaque)
{
  char line[64];

  printf ("stalled: %s\n", error->message);
  fflush (stdout);
  if (fgets (line, sizeof line, stdin) != NULL)
    disk_retry (disk);
}

static gboolean
check (Disk *disk, GError **error)
{
  g_autofree guint8 *wanted = g_malloc (PIECE), *found = g_malloc (PIECE);

  for (guint n = 0; n < PIECES; n++)
    {
      fill (wanted, n);
      if (!disk_read (disk, (guint64) n * PIECE, found, PIECE, error))
        return FALSE;
      if (memcmp (wanted, found, PIECE) != 0)
        {
          g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED, "piece %u differs", n);
          return FALSE;
        }
    }
  /* What is zeroed reads as zeros, also where only part of it can be given back. */
  if (!disk_zero (disk, 512, 3 * PIECE, error) || !disk_flush (disk, error)
      || !disk_read (disk, PIECE, found, PIECE, error))
    return FALSE;
  for (guint i = 0; i < PIECE; i++)
    if (found[i] != 0)
      {
        g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_FAILED, "zeros do not read as zeros");
        return FALSE;
      }
  return TRUE;
}

int
main (int argc, char *argv[])
{
  g_autoptr (GError) error = NULL;
  g_autoptr (Disk) disk = argc == 3 ? disk_open (argv[1], 0, &error) : NULL;
  Work work = { .disk = disk };

  if (disk == NULL)
    {
      fprintf (stderr, "%s\n", error != NULL ? error->message : "usage: remote-helper URL write|survive");
      return 1;
    }
  disk_set_context (disk, NULL);
  if (g_str_equal (argv[2], "survive"))
    disk_set_stall_handler (disk, on_stalled, NULL);
  printf ("writing\n");
  fflush (stdout);
  /* Until something happened to the server, when that is awaited: the writes go around. */
  for (gint64 end = g_get_monotonic_time () + (argv[2][0] == 's' ? 3 * G_USEC_PER_SEC : 0);;)
    {
      work.next = work.done = 0;
      for (guint i = 0; i < IN_FLIGHT; i++)
        write_next (&work);
      while (work.done < PIECES)
        g_main_context_iteration (NULL, TRUE);
      if (work.failed > 0 || g_get_monotonic_time () > end)
        break;
    }
  if (work.failed > 0 || !disk_flush (disk, &error) || !check (disk, &error))
    {
      fprintf (stderr, "%s\n", error != NULL ? error->message : "a write failed");
      return 1;
    }
  printf ("the same\n");
  return 0;
}
