/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * NVM commands: what the disks are asked for. They read and write the guest's memory themselves; where that is no plain
 * RAM, a command has its data in a buffer of its own in between. Specification: NVM Express 1.4, chapter 6.
 */

#include "engine/devices/storage/nvme-private.h"

#include <string.h>

enum
{
  FLUSH = 0x00,
  WRITE = 0x01,
  READ = 0x02,
  COMPARE = 0x05,
  WRITE_ZEROES = 0x08,
  DATASET_MANAGEMENT = 0x09,
  CDW12_FUA = 1 << 30,
  DSM_DEALLOCATE = 1 << 2
};

static void
request_free (NvmeRequest *r)
{
  r->nvme->bytes -= r->buffer != NULL ? r->length : 0;
  g_free (r->segments);
  guest_pieces_free (&r->pieces);
  disk_buffer_free (r->buffer);
  g_free (r);
}

/* The end of a command that was begun. */
static void
finish (NvmeRequest *r, uint16_t status)
{
  Nvme *n = r->nvme;

  if ((status & 0x700) == 0x200)
    {
      n->media_errors++;
      nvme_log_error (n, r->sq, &r->command, status, r->command.cdw10 | (uint64_t) r->command.cdw11 << 32);
    }
  g_queue_unlink (&n->requests, &r->link);
  nvme_complete (n, r->sq, r->cq, r->command.cid, 0, status);
  request_free (r);
}

/* What has been read, against the guest's data. */
static uint16_t
compare (NvmeRequest *r)
{
  const uint8_t *at = r->buffer;
  uint8_t piece[NVME_PAGE];

  for (unsigned i = 0; i < r->segment_count; i++)
    {
      const NvmeSegment *s = &r->segments[i];

      for (uint32_t done = 0; done < s->length;)
        {
          uint32_t length = MIN (s->length - done, NVME_PAGE);

          if (!pci_dma_read (&r->nvme->parent, s->address + done, piece, length))
            return STATUS_DATA_TRANSFER;
          if (memcmp (piece, at, length) != 0)
            return STATUS_COMPARE_FAILED;
          at += length;
          done += length;
        }
    }
  return STATUS_OK;
}

static void request_done (DiskRequest *request);

static void
submit (NvmeRequest *r, DiskOp op, uint64_t offset, uint64_t length)
{
  const Nvme *n = r->nvme;
  gboolean changes = op == DISK_WRITE || op == DISK_ZERO;

  r->request = (DiskRequest) {
    .op = op, .offset = offset, .length = length, .buffer = r->buffer, .vector = r->pieces.pieces,
    .vector_count = r->pieces.count, .done = request_done, .opaque = r->nvme,
    .force = changes && (r->command.cdw12 & CDW12_FUA || !(n->feature[FEATURE_WRITE_CACHE] & 1))
  };
  disk_submit (r->disk, &r->request);
}

/* Discards the ranges one after the other. */
static void
next_range (NvmeRequest *r)
{
  while (r->range < r->ranges)
    {
      const uint8_t *at = r->buffer + r->range++ * DSM_RANGE_SIZE;
      uint64_t lba = pci_get_long (at + 8) | (uint64_t) pci_get_long (at + 12) << 32;

      if (pci_get_long (at + 4) == 0)
        continue;
      submit (r, DISK_DISCARD, lba * NVME_SECTOR, (uint64_t) pci_get_long (at + 4) * NVME_SECTOR);
      return;
    }
  finish (r, STATUS_OK);
}

static void
go_on (NvmeRequest *r, const GError *error)
{
  gboolean reads = r->command.opcode == READ || r->command.opcode == COMPARE;

  /* A failed read, too, may have written some. */
  guest_pieces_written (&r->pieces, &r->nvme->parent);
  if (error != NULL)
    {
      g_debug ("%s", error->message);
      finish (r, reads ? STATUS_READ_ERROR : STATUS_WRITE_FAULT);
    }
  else if (r->command.opcode == READ && r->buffer != NULL)
    finish (r, nvme_copy_out (r->nvme, r->segments, r->segment_count, r->buffer) ? STATUS_OK : STATUS_DATA_TRANSFER);
  else if (r->command.opcode == COMPARE)
    finish (r, compare (r));
  else if (r->command.opcode == DATASET_MANAGEMENT)
    next_range (r);
  else
    finish (r, STATUS_OK);
}

static void
forgotten_done (NvmeRequest *r)
{
  Nvme *n = r->nvme;

  g_queue_unlink (&n->orphans, &r->link);
  if (r->shutdown && --n->flushing == 0 && (n->csts & CSTS_SHST) == CSTS_SHST_BUSY)
    n->csts = (n->csts & ~(uint32_t) CSTS_SHST) | CSTS_SHST_DONE;
  request_free (r);
}

static void
request_done (DiskRequest *request)
{
  NvmeRequest *r = (NvmeRequest *) ((uint8_t *) request - offsetof (NvmeRequest, request));
  Nvme *n = request->opaque;
  MachineLock *lock = n->parent.parent.env.lock;
  gboolean more = request->more;

  /* Only this thread asks, and nothing else of it comes in between. */
  if (!n->is_batch)
    machine_lock_take (lock);
  n->is_batch = more;
  if (r->link.data == NULL)
    forgotten_done (r);
  else
    go_on (r, request->error);
  if (more)
    return;
  nvme_process (n);
  machine_lock_release (lock);
}

/* Beginning */

static gboolean
is_on_disk (const Disk *disk, uint64_t lba, uint64_t blocks)
{
  uint64_t size = disk_size (disk) / NVME_SECTOR;

  return lba <= size && blocks <= size - lba;
}

static void
get_buffer (NvmeRequest *r, uint32_t length)
{
  r->length = length;
  r->buffer = disk_buffer_new (length);
  r->nvme->bytes += length;
}

static gboolean
map_pieces (NvmeRequest *r, gboolean writable)
{
  for (unsigned i = 0; i < r->segment_count; i++)
    {
      const NvmeSegment *s = &r->segments[i];

      if (!guest_pieces_add (&r->pieces, &r->nvme->parent, s->address, s->length, writable))
        {
          guest_pieces_empty (&r->pieces);
          return FALSE;
        }
    }
  return TRUE;
}

static uint16_t
begin_data (NvmeRequest *r)
{
  Nvme *n = r->nvme;
  const NvmeCommand *c = &r->command;
  uint64_t lba = c->cdw10 | (uint64_t) c->cdw11 << 32, length = ((uint64_t) (c->cdw12 & 0xffff) + 1) * NVME_SECTOR;
  gboolean writes = c->opcode == WRITE;
  uint16_t status;

  if (length > TRANSFER_MAX)
    return STATUS_INVALID_FIELD;
  if (!is_on_disk (r->disk, lba, length / NVME_SECTOR))
    return STATUS_LBA_RANGE;
  if (writes && disk_is_read_only (r->disk))
    return STATUS_READ_ONLY;
  status = nvme_map (n, c, (uint32_t) length, &r->segments, &r->segment_count);
  if (status != STATUS_OK)
    return status;
  if (c->opcode == COMPARE || !map_pieces (r, !writes))
    {
      get_buffer (r, (uint32_t) length);
      if (writes && !nvme_copy_in (n, r->segments, r->segment_count, r->buffer))
        return STATUS_DATA_TRANSFER;
    }
  n->commands[writes]++;
  n->units[writes] += length / NVME_SECTOR;
  *(writes ? &n->counters.writes : &n->counters.reads) += 1;
  *(writes ? &n->counters.write_bytes : &n->counters.read_bytes) += length;
  submit (r, writes ? DISK_WRITE : DISK_READ, lba * NVME_SECTOR, length);
  return STATUS_LATER;
}

static uint16_t
begin_zeroes (NvmeRequest *r)
{
  const NvmeCommand *c = &r->command;
  uint64_t lba = c->cdw10 | (uint64_t) c->cdw11 << 32, blocks = (uint64_t) (c->cdw12 & 0xffff) + 1;

  if (!is_on_disk (r->disk, lba, blocks))
    return STATUS_LBA_RANGE;
  if (disk_is_read_only (r->disk))
    return STATUS_READ_ONLY;
  /* Zeroes become a hole whether it may be deallocated or not: room is a matter of the image's format. */
  submit (r, DISK_ZERO, lba * NVME_SECTOR, blocks * NVME_SECTOR);
  return STATUS_LATER;
}

static uint16_t
begin_ranges (NvmeRequest *r)
{
  Nvme *n = r->nvme;
  const NvmeCommand *c = &r->command;
  uint32_t count = (c->cdw10 & 0xff) + 1;
  uint16_t status;

  status = nvme_map (n, c, count * DSM_RANGE_SIZE, &r->segments, &r->segment_count);
  if (status != STATUS_OK)
    return status;
  get_buffer (r, count * DSM_RANGE_SIZE);
  if (!nvme_copy_in (n, r->segments, r->segment_count, r->buffer))
    return STATUS_DATA_TRANSFER;
  for (uint32_t i = 0; i < count; i++)
    {
      const uint8_t *at = r->buffer + i * DSM_RANGE_SIZE;

      if (!is_on_disk (r->disk, pci_get_long (at + 8) | (uint64_t) pci_get_long (at + 12) << 32, pci_get_long (at + 4)))
        return STATUS_LBA_RANGE;
    }
  /* The rest of what it may say are hints. */
  if (!(c->cdw11 & DSM_DEALLOCATE))
    return STATUS_OK;
  if (disk_is_read_only (r->disk))
    return STATUS_READ_ONLY;
  r->ranges = count;
  next_range (r);
  return STATUS_LATER;
}

/* What to answer at once, or STATUS_LATER: the disk works on it, or it has ended. */
static uint16_t
begin (NvmeRequest *r)
{
  const NvmeCommand *c = &r->command;

  if (c->fused)
    return STATUS_INVALID_FIELD;
  if (r->disk == NULL)
    return STATUS_INVALID_NAMESPACE;
  switch (c->opcode)
    {
    case READ:
    case WRITE:
    case COMPARE:
      return begin_data (r);
    case FLUSH:
      submit (r, DISK_FLUSH, 0, 0);
      return STATUS_LATER;
    case WRITE_ZEROES:
      return begin_zeroes (r);
    case DATASET_MANAGEMENT:
      return begin_ranges (r);
    default:
      return STATUS_INVALID_OPCODE;
    }
}

void
nvme_io (Nvme *n, unsigned sq, const NvmeCommand *command)
{
  NvmeRequest *r = g_new0 (NvmeRequest, 1);
  uint16_t status;

  r->nvme = n;
  r->sq = sq;
  r->cq = n->sq[sq].cq;
  r->command = *command;
  r->disk = nvme_disk (n, command->nsid);
  r->link.data = r;
  g_queue_push_tail_link (&n->requests, &r->link);
  status = begin (r);
  if (status != STATUS_LATER)
    finish (r, status);
}

void
nvme_cancel (Nvme *n, int sq, gboolean answer)
{
  for (GList *l = n->requests.head, *next; l != NULL; l = next)
    {
      NvmeRequest *r = l->data;

      next = l->next;
      if (sq >= 0 && r->sq != (unsigned) sq)
        continue;
      /* The memory may become anything from now on; until now it may have been read into. */
      if (r->pieces.count > 0)
        {
          disk_recall (r->disk, &r->request);
          guest_pieces_written (&r->pieces, &n->parent);
          guest_pieces_empty (&r->pieces);
        }
      if (answer)
        nvme_complete (n, r->sq, r->cq, r->command.cid, 0, STATUS_SQ_DELETED);
      g_queue_unlink (&n->requests, l);
      l->data = NULL;
      g_queue_push_tail_link (&n->orphans, l);
    }
}

static void
free_all (GQueue *requests)
{
  for (GList *l; (l = g_queue_pop_head_link (requests)) != NULL;)
    {
      NvmeRequest *r = (NvmeRequest *) ((uint8_t *) l - offsetof (NvmeRequest, link));

      disk_withdraw (r->disk, &r->request);
      request_free (r);
    }
}

void
nvme_free_requests (Nvme *n)
{
  free_all (&n->requests);
  free_all (&n->orphans);
}

void
nvme_begin_shutdown (Nvme *n)
{
  n->csts = (n->csts & ~(uint32_t) CSTS_SHST) | CSTS_SHST_BUSY;
  for (unsigned i = 0; i < n->namespaces; i++)
    {
      NvmeRequest *r;

      if (n->disks[i] == NULL)
        continue;
      r = g_new0 (NvmeRequest, 1);
      r->nvme = n;
      r->disk = n->disks[i];
      r->shutdown = TRUE;
      g_queue_push_tail_link (&n->orphans, &r->link);
      n->flushing++;
      submit (r, DISK_FLUSH, 0, 0);
    }
}
