/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Commands to the units of the virtio SCSI host. Disks read and write the guest's memory themselves, in parts that end in
 * a bounded time, because a reset waits for them. Where that memory is no plain RAM, data move in smaller parts through a
 * buffer of the request's own, so that the driver cannot make us hold more than a bound. Specification: OASIS virtio 1.2,
 * section 5.6.6.1.
 */

#include "engine/devices/virtio/scsi-private.h"

#include <string.h>

enum
{
  LUNS_REPLY = 16,
  START_STOP_UNIT = 0x1b,
  ASC_NOT_READY = 0x04,
  ASCQ_IN_PROGRESS = 0x07,
  INQUIRY_NO_UNIT = 0x7f
};

static Target *
target_of (const ScsiRequest *r)
{
  return &r->dev->targets[r->target];
}

static VirtQueue *
queue_of (const ScsiRequest *r)
{
  return &r->dev->parent.queues[r->queue];
}

static uint64_t
data_start (const VirtioScsi *d)
{
  return RESPONSE_HEADER + scsi_sense_size (d);
}

static void
request_free (ScsiRequest *r)
{
  r->dev->bytes -= r->buffer_size;
  g_free (r->chain);
  disk_buffer_free (r->buffer);
  g_free (r->pieces);
  g_free (r->ranges);
  g_free (r);
}

/* Endings */

static void
answer (ScsiRequest *r, uint8_t response, uint8_t status, const uint8_t sense[SCSI_SENSE_SIZE])
{
  VirtioScsi *d = r->dev;
  VirtQueue *q = queue_of (r);
  uint32_t sense_size = scsi_sense_size (d), sense_length = sense != NULL ? MIN (sense_size, SCSI_SENSE_SIZE) : 0;
  uint64_t expected = r->in_length + r->out_length,
           moved = r->in_length > 0 ? r->written : r->work == SCSI_WRITE ? r->done : r->out_length;
  uint8_t head[RESPONSE_HEADER + SENSE_SIZE_MAX] = { 0 };

  pci_set_long (head, sense_length);
  pci_set_long (head + 4, (uint32_t) MIN (expected - MIN (moved, expected), G_MAXUINT32));
  head[10] = status;
  head[11] = response;
  if (sense != NULL)
    memcpy (head + RESPONSE_HEADER, sense, sense_length);
  virtq_write (q, r->chain, 0, head, RESPONSE_HEADER + sense_size);
  virtq_push (q, r->chain->head, (uint32_t) MIN (data_start (d) + r->written, G_MAXUINT32));
  virtio_notify (&d->parent, q);
}

static void
finish (ScsiRequest *r, uint8_t response, uint8_t status, const uint8_t sense[SCSI_SENSE_SIZE])
{
  answer (r, response, status, sense);
  g_queue_unlink (&r->dev->requests, &r->link);
  request_free (r);
}

static void
good (ScsiRequest *r)
{
  finish (r, RESPONSE_OK, SCSI_STATUS_GOOD, NULL);
}

static void
check (ScsiRequest *r, uint8_t key, uint8_t asc, uint8_t ascq)
{
  uint8_t sense[SCSI_SENSE_SIZE];

  scsi_put_sense (sense, key, asc, ascq);
  finish (r, RESPONSE_OK, SCSI_STATUS_CHECK, sense);
}

/* With the sense that the unit has. */
static void
check_unit (ScsiRequest *r)
{
  const Target *t = target_of (r);

  if (t->kind == TARGET_CDROM)
    check (r, t->mmc.sense_key, t->mmc.asc, t->mmc.ascq);
  else
    check (r, t->scsi.sense_key, t->scsi.asc, t->scsi.ascq);
}

static void
reply (ScsiRequest *r, const uint8_t *data, uint64_t length)
{
  r->written = MIN (length, r->in_length);
  if (virtq_write (queue_of (r), r->chain, data_start (r->dev), data, r->written))
    good (r);
  else
    finish (r, RESPONSE_TRANSPORT_FAILURE, 0, NULL);
}

/* Work for the disk */

static void request_done (DiskRequest *request);

static void
submit (ScsiRequest *r, DiskOp op, uint64_t offset, uint64_t length)
{
  r->request = (DiskRequest) { .op = op, .offset = offset, .length = length, .buffer = r->buffer, .vector = r->pieces,
                               .vector_count = r->piece_count, .done = request_done, .opaque = r->dev, .force = r->force };
  disk_submit (target_of (r)->disk, &r->request);
}

/* Where the driver's data begin among what it lets us read. */
static uint64_t
out_start (const VirtioScsi *d)
{
  return REQUEST_HEADER + scsi_cdb_size (d);
}

static gboolean
take_data (ScsiRequest *r, uint64_t offset, uint64_t length)
{
  return virtq_read (queue_of (r), r->chain, out_start (r->dev) + offset, r->buffer, length);
}

static void
get_buffer (ScsiRequest *r, uint64_t size)
{
  r->buffer_size = size;
  r->buffer = disk_buffer_new (size);
  r->dev->bytes += size;
}

/* The next part of a transfer. Once in a buffer, always in a buffer. */
static void
move_data (ScsiRequest *r)
{
  gboolean reads = r->work == SCSI_READ;
  uint64_t left = r->length - r->done, part = MIN (left, PART_MAX),
           at = (reads ? data_start (r->dev) : out_start (r->dev)) + r->done;

  r->piece_count = 0;
  if (r->buffer == NULL)
    r->piece_count = virtq_map (queue_of (r), r->chain, reads, at, part, r->pieces, r->piece_room);
  if (r->piece_count == 0)
    {
      if (r->buffer == NULL)
        get_buffer (r, MIN (left, BUFFER_MAX));
      part = MIN (left, r->buffer_size);
      if (!reads && !take_data (r, r->done, part))
        {
          finish (r, RESPONSE_TRANSPORT_FAILURE, 0, NULL);
          return;
        }
    }
  submit (r, reads ? DISK_READ : DISK_WRITE, r->start + r->done, part);
}

/* What was read into the guest's memory is seen by who watches that, though not all of it may have been. */
static void
note_read (ScsiRequest *r)
{
  if (r->work == SCSI_READ && r->piece_count > 0)
    virtq_written (queue_of (r), r->chain, data_start (r->dev) + r->done, r->request.length);
}

/* Begins with the next part of the command, or ends it. */
static void
go_on (ScsiRequest *r)
{
  uint64_t left = r->length - r->done;

  if (left == 0)
    good (r);
  else
    switch (r->work)
      {
      case SCSI_READ:
      case SCSI_WRITE:
        move_data (r);
        break;
      case SCSI_SAME:
        if (r->buffer != NULL)
          submit (r, DISK_WRITE, r->start + r->done, MIN (left, r->buffer_size));
        else
          submit (r, DISK_ZERO, r->start, r->length);
        break;
      case SCSI_UNMAP:
        submit (r, DISK_DISCARD, r->ranges[r->done].lba * SCSI_SECTOR, r->ranges[r->done].count * SCSI_SECTOR);
        break;
      default:
        submit (r, DISK_FLUSH, 0, 0);
        break;
      }
}

static void
part_done (ScsiRequest *r, const GError *error)
{
  Target *t = target_of (r);
  uint64_t length = r->request.length;

  note_read (r);
  if (error != NULL)
    {
      uint8_t asc = r->work == SCSI_READ ? (uint8_t) ASC_READ_ERROR : (uint8_t) SCSI_ASC_WRITE_ERROR;

      g_debug ("%s", error->message);
      if (t->kind == TARGET_CDROM)
        mmc_set_sense (&t->mmc, SENSE_MEDIUM_ERROR, asc);
      else
        scsi_disk_set_sense (&t->scsi, SENSE_MEDIUM_ERROR, asc);
      check_unit (r);
      return;
    }
  if (r->work == SCSI_READ)
    {
      if (r->piece_count == 0
          && !virtq_write (queue_of (r), r->chain, data_start (r->dev) + r->done, r->buffer, length))
        {
          finish (r, RESPONSE_TRANSPORT_FAILURE, 0, NULL);
          return;
        }
      r->written += length;
    }
  r->done += r->work == SCSI_UNMAP || r->work == SCSI_FLUSH ? 1 : length;
  go_on (r);
}

static void
request_done (DiskRequest *request)
{
  ScsiRequest *r = (ScsiRequest *) ((uint8_t *) request - offsetof (ScsiRequest, request));
  VirtioScsi *d = request->opaque;
  MachineLock *lock = d->parent.parent.parent.env.lock;
  gboolean more = request->more;

  /* Only this thread asks, and nothing else of it comes in between. */
  if (!d->is_batch)
    machine_lock_take (lock);
  d->is_batch = more;
  if (r->link.data == NULL)
    {
      g_queue_unlink (&d->orphans, &r->link);
      request_free (r);
    }
  else
    part_done (r, request->error);
  if (more)
    return;
  scsi_feed (d);
  machine_lock_release (lock);
}

/* Commands */

static void
begin_transfer (ScsiRequest *r, ScsiOutcome work, uint64_t start, uint64_t length)
{
  DiskCounters *counters = &r->dev->counters;

  /* The driver has to give as much room or data as it asks for. */
  if (length > (work == SCSI_READ ? r->in_length : r->out_length))
    {
      finish (r, RESPONSE_OVERRUN, 0, NULL);
      return;
    }
  r->work = work;
  r->start = start;
  r->length = length;
  /* How many may be needed; more only where memory is in pieces itself. */
  r->piece_room = MAX (r->chain->out_count, r->chain->in_count) + 1;
  r->pieces = g_new (struct iovec, r->piece_room);
  if (target_of (r)->kind == TARGET_CDROM)
    counters->cd_reads++;
  else if (work == SCSI_READ)
    {
      counters->reads++;
      counters->read_bytes += length;
    }
  else
    {
      counters->writes++;
      counters->write_bytes += length;
    }
  go_on (r);
}

/* One sector many times; zeroes are left to the image. */
static void
begin_same (ScsiRequest *r, const ScsiAnswer *a)
{
  uint8_t sector[SCSI_SECTOR] = { 0 };
  uint64_t length = a->count * SCSI_SECTOR;
  gboolean is_zero = TRUE;

  if (a->length > r->out_length)
    {
      finish (r, RESPONSE_OVERRUN, 0, NULL);
      return;
    }
  if (a->length > 0
      && !virtq_read (queue_of (r), r->chain, out_start (r->dev), sector, sizeof sector))
    {
      finish (r, RESPONSE_TRANSPORT_FAILURE, 0, NULL);
      return;
    }
  for (unsigned i = 0; i < sizeof sector; i++)
    is_zero = is_zero && sector[i] == 0;
  r->work = SCSI_SAME;
  r->start = a->lba * SCSI_SECTOR;
  r->length = length;
  if (!is_zero)
    {
      get_buffer (r, MIN (length, BUFFER_MAX));
      for (size_t at = 0; at < r->buffer_size; at += sizeof sector)
        memcpy (r->buffer + at, sector, sizeof sector);
    }
  go_on (r);
}

static void
begin_unmap (ScsiRequest *r, uint32_t length)
{
  Target *t = target_of (r);
  unsigned count;

  if (length > r->out_length)
    {
      finish (r, RESPONSE_OVERRUN, 0, NULL);
      return;
    }
  get_buffer (r, length);
  r->ranges = g_new (ScsiRange, SCSI_UNMAP_RANGES_MAX);
  if (!take_data (r, 0, length))
    finish (r, RESPONSE_TRANSPORT_FAILURE, 0, NULL);
  else if (!scsi_disk_ranges (&t->scsi, t->disk, r->buffer, length, r->ranges, &count))
    check_unit (r);
  else
    {
      r->work = SCSI_UNMAP;
      r->length = count;
      go_on (r);
    }
}

static void
command_disk (ScsiRequest *r, const uint8_t cdb[SCSI_CDB_SIZE])
{
  Target *t = target_of (r);
  uint8_t buffer[SCSI_REPLY_MAX];
  ScsiAnswer a = scsi_disk_command (&t->scsi, t->disk, t->serial, cdb, buffer);

  r->force = a.force;
  switch (a.outcome)
    {
    case SCSI_CHECK:
      check_unit (r);
      break;
    case SCSI_REPLY:
      reply (r, buffer, a.length);
      break;
    case SCSI_READ:
    case SCSI_WRITE:
      begin_transfer (r, a.outcome, a.lba * SCSI_SECTOR, a.count * SCSI_SECTOR);
      break;
    case SCSI_SAME:
      begin_same (r, &a);
      break;
    case SCSI_UNMAP:
      begin_unmap (r, a.length);
      break;
    case SCSI_FLUSH:
      r->work = SCSI_FLUSH;
      r->length = 1;
      go_on (r);
      break;
    case SCSI_GOOD:
    default:
      good (r);
      break;
    }
}

/* Whether the disk of @target works on requests other than @but. */
static gboolean
is_at_work_on (const VirtioScsi *d, unsigned target, const ScsiRequest *but)
{
  const GQueue *queues[] = { &d->requests, &d->orphans };

  for (unsigned i = 0; i < G_N_ELEMENTS (queues); i++)
    {
      for (const GList *l = queues[i]->head; l != NULL; l = l->next)
        {
          const ScsiRequest *r = (const ScsiRequest *) ((const uint8_t *) l - offsetof (ScsiRequest, link));

          if (r->target == target && r != but)
            return TRUE;
        }
    }
  return FALSE;
}

gboolean
scsi_target_is_busy (const VirtioScsi *d, unsigned target)
{
  return is_at_work_on (d, target, NULL);
}

static void
command_cdrom (ScsiRequest *r, const uint8_t cdb[SCSI_CDB_SIZE])
{
  VirtioScsi *d = r->dev;
  Target *t = target_of (r);
  uint8_t buffer[MMC_REPLY_MAX];
  MmcAnswer a;

  /* The disc stays as long as it is being read. */
  if (cdb[0] == START_STOP_UNIT && is_at_work_on (d, r->target, r))
    {
      check (r, SENSE_NOT_READY, ASC_NOT_READY, ASCQ_IN_PROGRESS);
      return;
    }
  a = mmc_command (&t->mmc, t->disk, cdb, buffer);
  switch (a.outcome)
    {
    case MMC_CHECK:
      check_unit (r);
      break;
    case MMC_REPLY:
      /* As a SCSI unit it is of SPC-3, not of the ATAPI that the drive's packets are. */
      if (cdb[0] == SCSI_INQUIRY && a.length > 3)
        {
          buffer[2] = 5;
          buffer[3] = 2;
        }
      reply (r, buffer, a.length);
      break;
    case MMC_READ:
      begin_transfer (r, SCSI_READ, a.lba * CD_SECTOR, (uint64_t) a.count * CD_SECTOR);
      break;
    case MMC_EJECT:
      g_clear_pointer (&t->disk, disk_unref);
      if (d->ejected != NULL)
        d->ejected (d->ejected_opaque, r->target);
      good (r);
      break;
    case MMC_GOOD:
    default:
      good (r);
      break;
    }
}

/* To a unit that there is not. */
static void
command_nobody (ScsiRequest *r, const uint8_t cdb[SCSI_CDB_SIZE])
{
  uint8_t b[36] = { INQUIRY_NO_UNIT, 0, 5, 2, 31 };

  if (cdb[0] == SCSI_INQUIRY)
    reply (r, b, MIN (sizeof b, (size_t) cdb[3] << 8 | cdb[4]));
  else if (cdb[0] == SCSI_REQUEST_SENSE)
    {
      scsi_put_sense (b, SENSE_ILLEGAL_REQUEST, SCSI_ASC_LUN_NOT_SUPPORTED, 0);
      reply (r, b, MIN (SCSI_SENSE_SIZE, cdb[4]));
    }
  else
    check (r, SENSE_ILLEGAL_REQUEST, SCSI_ASC_LUN_NOT_SUPPORTED, 0);
}

static void
report_luns (ScsiRequest *r, const uint8_t cdb[SCSI_CDB_SIZE])
{
  const uint8_t luns[LUNS_REPLY] = { 0, 0, 0, LUN_SIZE };

  reply (r, luns, MIN (sizeof luns, (size_t) GUINT32_FROM_BE (pci_get_long (cdb + 6))));
}

static void
run (ScsiRequest *r, const uint8_t *head, const uint8_t cdb[SCSI_CDB_SIZE])
{
  gboolean is_unit;

  if (!scsi_parse_lun (head, &r->target, &is_unit) || target_of (r)->kind == TARGET_NONE)
    {
      r->target = 0;
      finish (r, RESPONSE_BAD_TARGET, 0, NULL);
    }
  else if (cdb[0] == SCSI_REPORT_LUNS)
    report_luns (r, cdb);
  else if (!is_unit)
    command_nobody (r, cdb);
  else if (target_of (r)->kind == TARGET_CDROM)
    command_cdrom (r, cdb);
  else
    command_disk (r, cdb);
}

void
scsi_begin (VirtioScsi *d, unsigned queue, VirtChain *chain)
{
  VirtQueue *q = &d->parent.queues[queue];
  uint64_t out = out_start (d), in = data_start (d);
  uint8_t head[REQUEST_HEADER + CDB_SIZE_MAX], cdb[SCSI_CDB_SIZE] = { 0 };
  ScsiRequest *r;

  if (chain->in_length < in || !virtq_read (q, chain, 0, head, out))
    {
      g_free (chain);
      virtio_break (&d->parent);
      return;
    }
  memcpy (cdb, head + REQUEST_HEADER, MIN (scsi_cdb_size (d), SCSI_CDB_SIZE));
  r = g_new0 (ScsiRequest, 1);
  r->dev = d;
  r->queue = queue;
  r->chain = chain;
  memcpy (&r->id, head + LUN_SIZE, sizeof r->id);
  r->in_length = chain->in_length - in;
  r->out_length = chain->out_length - out;
  r->link.data = r;
  g_queue_push_tail_link (&d->requests, &r->link);
  run (r, head, cdb);
}

/* Queues */

static gboolean
may_begin (const VirtioPci *v)
{
  const VirtioScsi *d = (const VirtioScsi *) v;

  return d->requests.length + d->orphans.length < REQUESTS_MAX && d->bytes < BYTES_MAX;
}

static void
begin (VirtioPci *v, unsigned queue, VirtChain *chain)
{
  scsi_begin ((VirtioScsi *) v, queue, chain);
}

static const VirtioTaker taker = { may_begin, begin, TAKEN_MAX };

void
scsi_feed (VirtioScsi *d)
{
  if (!d->starved || !may_begin (&d->parent))
    return;
  /* What is done at once calls us again. */
  d->starved = FALSE;
  if (!virtio_take_all (&d->parent, QUEUE_REQUEST, d->queue_count, &d->next_queue, &taker))
    d->starved = TRUE;
}

void
scsi_kicked_request (VirtioScsi *d, unsigned queue)
{
  if (!virtio_take (&d->parent, queue, &taker))
    d->starved = TRUE;
}

/* Forgetting */

void
scsi_cancel (VirtioScsi *d, int target, const uint64_t *id, int response)
{
  for (GList *l = d->requests.head, *next; l != NULL; l = next)
    {
      ScsiRequest *r = l->data;

      next = l->next;
      if ((target >= 0 && r->target != (unsigned) target) || (id != NULL && r->id != *id))
        continue;
      /* The memory may become anything from now on; until now it may have been read into. */
      if (r->piece_count > 0)
        {
          disk_recall (target_of (r)->disk, &r->request);
          note_read (r);
          r->piece_count = 0;
        }
      if (response >= 0)
        answer (r, (uint8_t) response, 0, NULL);
      g_queue_unlink (&d->requests, l);
      l->data = NULL;
      g_queue_push_tail_link (&d->orphans, l);
    }
}

static void
free_all (GQueue *requests)
{
  for (GList *l; (l = g_queue_pop_head_link (requests)) != NULL;)
    {
      ScsiRequest *r = (ScsiRequest *) ((uint8_t *) l - offsetof (ScsiRequest, link));

      disk_withdraw (target_of (r)->disk, &r->request);
      request_free (r);
    }
}

void
scsi_free_requests (VirtioScsi *d)
{
  free_all (&d->requests);
  free_all (&d->orphans);
}
