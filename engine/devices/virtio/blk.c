/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The block device. Specification: OASIS virtio 1.2, section 5.2.
 *
 * The disk reads and writes the guest's memory itself, in parts that end in a bounded time, because a reset waits for
 * them. Where that memory is no plain RAM, data goes through a buffer of the request, in smaller parts, so that the driver
 * cannot make us hold more than a bound. What is under way when the state is saved is saved as the head of its chain, and
 * done again from the start after a load: doing any request twice comes to the same.
 */

#include "engine/devices/virtio/blk.h"

#include "engine/devices/virtio/take.h"

#include <gio/gio.h>
#include <string.h>

enum
{
  F_SEG_MAX = 2,
  F_GEOMETRY = 4,
  F_RO = 5,
  F_BLK_SIZE = 6,
  F_FLUSH = 9,
  F_TOPOLOGY = 10,
  F_CONFIG_WCE = 11,
  F_MQ = 12,
  F_DISCARD = 13,
  F_WRITE_ZEROES = 14,

  CONFIG_CAPACITY = 0,
  CONFIG_SEG_MAX = 12,
  CONFIG_CYLINDERS = 16,
  CONFIG_HEADS = 18,
  CONFIG_SECTORS = 19,
  CONFIG_BLK_SIZE = 20,
  CONFIG_PHYSICAL_BLOCK_EXP = 24,
  CONFIG_MIN_IO = 26,
  CONFIG_OPT_IO = 28,
  CONFIG_WRITEBACK = 32,
  CONFIG_QUEUES = 34,
  CONFIG_MAX_DISCARD = 36,
  CONFIG_MAX_DISCARD_SEGMENTS = 40,
  CONFIG_DISCARD_ALIGNMENT = 44,
  CONFIG_MAX_ZEROES = 48,
  CONFIG_MAX_ZEROES_SEGMENTS = 52,
  CONFIG_ZEROES_MAY_UNMAP = 56,
  CONFIG_SIZE = 60,

  T_IN = 0,
  T_OUT = 1,
  T_FLUSH = 4,
  T_GET_ID = 8,
  T_DISCARD = 11,
  T_WRITE_ZEROES = 13,
  STATUS_OK = 0,
  STATUS_IOERR = 1,
  STATUS_UNSUPPORTED = 2,
  STATUS_NONE = 255,

  SECTOR = 512,
  HEADER_SIZE = 16,
  ID_SIZE = 20,
  RANGE_SIZE = 16,
  RANGE_UNMAP = 1 << 0,
  RANGES_MAX = 16,
  RANGE_SECTORS_MAX = 1 << 22,
  PHYSICAL_BLOCK_EXP = 3,
  HEADS = 16,
  SECTORS = 63,
  CYLINDERS_MAX = 16383,
  QUEUE_SIZE = 128,
  PART_MAX = 4 << 20,
  BUFFER_MAX = 1 << 20,
  /* Bounds of what is under way: requests, and bytes of their buffers beyond which no more are begun. */
  REQUESTS_MAX = 256,
  BYTES_MAX = 16 << 20,
  TAKEN_MAX = REQUESTS_MAX + 2 * QUEUE_SIZE
};

typedef struct VirtioBlk VirtioBlk;

typedef struct
{
  VirtioBlk *dev;
  unsigned queue;
  VirtChain *chain;
  uint32_t type;
  uint64_t start, length; /* bytes of the disk, and of data */
  uint64_t done;          /* bytes; of ranges: how many */
  uint32_t ranges;
  size_t buffer_size;
  uint8_t *buffer; /* or NULL */
  DiskRequest request;
  GList link; /* in requests; or in orphans, with no data: the device was reset meanwhile */
  unsigned piece_count;
  struct iovec pieces[]; /* of the guest's memory that the disk works on */
} BlkRequest;

struct VirtioBlk
{
  VirtioPci parent;
  Disk *disk;
  unsigned queue_count;
  char serial[ID_SIZE + 1];
  GQueue requests;     /* BlkRequest under way, in the order they came */
  GQueue orphans;      /* those that outlived a reset */
  size_t bytes;        /* of their buffers, both queues' */
  gboolean starved;    /* queues may hold more than we took */
  unsigned next_queue; /* whose turn it is after that */
  uint32_t untold;     /* a bit for each queue whose driver is to be told; none while the lock is free */
  gboolean is_batch;   /* request_done() keeps the lock until it is called again */
  VirtioBlkCounters counters;
  uint32_t saved_count, saved_requests[REQUESTS_MAX]; /* queue << 16 | head */
};

static void begin (VirtioBlk *d, unsigned queue, VirtChain *chain);

static void
put_long (uint8_t *at, uint64_t value)
{
  pci_set_long (at, (uint32_t) value);
  pci_set_long (at + 4, (uint32_t) (value >> 32));
}

static uint64_t
get_long (const uint8_t *at)
{
  return pci_get_long (at) | (uint64_t) pci_get_long (at + 4) << 32;
}

/* Requests */

static void
request_free (BlkRequest *r)
{
  g_free (r->chain);
  disk_buffer_free (r->buffer);
  g_free (r);
}

/* How many may be needed; more only where memory is in pieces itself. */
static unsigned
pieces_max (const VirtChain *chain)
{
  return MAX (chain->out_count, chain->in_count) + 1;
}

/* The last byte of what the driver lets us write is the status; @written bytes before it have been. */
static void
complete (BlkRequest *r, uint8_t status, uint64_t written)
{
  VirtioBlk *d = r->dev;
  VirtQueue *q = &d->parent.queues[r->queue];

  virtq_write (q, r->chain, r->chain->in_length - 1, &status, 1);
  virtq_push (q, r->chain->head, (uint32_t) MIN (written + 1, G_MAXUINT32));
  g_queue_unlink (&d->requests, &r->link);
  d->bytes -= r->buffer_size;
  d->untold |= 1u << r->queue;
  request_free (r);
}

/* Before the machine lock is given up: one interrupt for all that was completed. */
static void
tell_driver (VirtioBlk *d)
{
  uint32_t untold = d->untold;

  d->untold = 0;
  for (; untold != 0; untold &= untold - 1)
    virtio_notify (&d->parent, &d->parent.queues[__builtin_ctz (untold)]);
}

/* Whether what is written must be durable at once: the driver has no way to ask for it, or does not want to. */
static gboolean
writes_through (const VirtioBlk *d)
{
  return !virtio_agreed (&d->parent, VIRTIO_FEATURE (F_FLUSH)) || !d->parent.config[CONFIG_WRITEBACK];
}

static void request_done (DiskRequest *request);

static void
submit (BlkRequest *r, DiskOp op, uint64_t offset, uint64_t length)
{
  r->request = (DiskRequest) { .op = op,
                               .offset = offset,
                               .length = length,
                               .buffer = r->buffer,
                               .vector = r->pieces,
                               .vector_count = r->piece_count,
                               .done = request_done,
                               .opaque = r->dev,
                               .force = (op == DISK_WRITE || op == DISK_ZERO) && writes_through (r->dev) };
  disk_submit (r->dev->disk, &r->request);
}

static void
get_buffer (BlkRequest *r, uint64_t size)
{
  r->buffer_size = size;
  r->buffer = disk_buffer_new (size);
  r->dev->bytes += size;
}

/* Once in a buffer, always in a buffer. */
static void
move_data (BlkRequest *r)
{
  VirtQueue *q = &r->dev->parent.queues[r->queue];
  gboolean reads = r->type == T_IN;
  uint64_t left = r->length - r->done, part = MIN (left, PART_MAX), at = r->done + (reads ? 0 : HEADER_SIZE);

  if (left == 0)
    {
      complete (r, STATUS_OK, reads ? r->length : 0);
      return;
    }
  r->piece_count = 0;
  if (r->buffer == NULL)
    r->piece_count = virtq_map (q, r->chain, reads, at, part, r->pieces, pieces_max (r->chain));
  if (r->piece_count == 0)
    {
      if (r->buffer == NULL)
        get_buffer (r, MIN (left, BUFFER_MAX));
      part = MIN (left, r->buffer_size);
      if (!reads && !virtq_read (q, r->chain, at, r->buffer, part))
        {
          complete (r, STATUS_IOERR, 0);
          return;
        }
    }
  submit (r, reads ? DISK_READ : DISK_WRITE, r->start + r->done, part);
}

/* Discards and zeroes range after range. */
static void
next_range (BlkRequest *r)
{
  const uint8_t *range = r->buffer + r->done * RANGE_SIZE;

  /* Zeroes become a hole whether the driver says that they may or not: room is a matter of the image's format. */
  if (r->done == r->ranges)
    complete (r, STATUS_OK, 0);
  else
    submit (r, r->type == T_DISCARD ? DISK_DISCARD : DISK_ZERO, get_long (range) * SECTOR,
            (uint64_t) pci_get_long (range + 8) * SECTOR);
}

static void
go_on (BlkRequest *r)
{
  switch (r->type)
    {
    case T_IN:
    case T_OUT:
      move_data (r);
      break;
    case T_FLUSH:
      if (r->done++ == 0)
        submit (r, DISK_FLUSH, 0, 0);
      else
        complete (r, STATUS_OK, 0);
      break;
    default:
      next_range (r);
      break;
    }
}

static void
part_done (BlkRequest *r, const GError *error)
{
  VirtQueue *q = &r->dev->parent.queues[r->queue];

  /* A failed read, too, may have written some. */
  if (r->type == T_IN && r->buffer == NULL)
    virtq_written (q, r->chain, r->done, r->request.length);
  if (error != NULL)
    {
      g_debug ("%s", error->message);
      complete (r, STATUS_IOERR, 0);
      return;
    }
  if (r->type == T_IN && r->buffer != NULL && !virtq_write (q, r->chain, r->done, r->buffer, r->request.length))
    {
      complete (r, STATUS_IOERR, 0);
      return;
    }
  if (r->type == T_IN || r->type == T_OUT)
    r->done += r->request.length;
  else if (r->type != T_FLUSH)
    r->done++;
  go_on (r);
}

static gboolean
may_begin (const VirtioPci *v)
{
  const VirtioBlk *d = (const VirtioBlk *) v;

  return d->requests.length < REQUESTS_MAX && d->bytes < BYTES_MAX;
}

static void
take_chain (VirtioPci *v, unsigned queue, VirtChain *chain)
{
  begin ((VirtioBlk *) v, queue, chain);
}

static const VirtioTaker taker = { may_begin, take_chain, TAKEN_MAX };

static void
feed (VirtioBlk *d)
{
  if (!d->starved || !may_begin (&d->parent))
    return;
  /* What is done at once calls us again. */
  d->starved = FALSE;
  if (!virtio_take_all (&d->parent, 0, d->queue_count, &d->next_queue, &taker))
    d->starved = TRUE;
}

static void
request_done (DiskRequest *request)
{
  BlkRequest *r = (BlkRequest *) ((uint8_t *) request - offsetof (BlkRequest, request));
  VirtioBlk *d = request->opaque;
  MachineLock *lock = d->parent.parent.parent.env.lock;
  gboolean more = request->more;

  /* Only this thread asks, and nothing else of it comes in between. */
  if (!d->is_batch)
    machine_lock_take (lock);
  d->is_batch = more;
  if (r->link.data == NULL)
    {
      g_queue_unlink (&d->orphans, &r->link);
      d->bytes -= r->buffer_size;
      request_free (r);
    }
  else
    part_done (r, request->error);
  if (more)
    return;
  feed (d);
  tell_driver (d);
  machine_lock_release (lock);
}

/* Beginning */

static gboolean
is_on_disk (const VirtioBlk *d, uint64_t sector, uint64_t length)
{
  uint64_t sectors = disk_size (d->disk) / SECTOR;

  return length % SECTOR == 0 && sector <= sectors && length / SECTOR <= sectors - sector;
}

static uint8_t
begin_data (BlkRequest *r, uint64_t sector, uint64_t length)
{
  VirtioBlk *d = r->dev;

  if (!is_on_disk (d, sector, length) || (r->type == T_OUT && disk_is_read_only (d->disk)))
    return STATUS_IOERR;
  r->start = sector * SECTOR;
  r->length = length;
  if (r->type == T_IN)
    {
      d->counters.reads++;
      d->counters.read_bytes += length;
    }
  else
    {
      d->counters.writes++;
      d->counters.write_bytes += length;
    }
  return STATUS_NONE;
}

static uint8_t
begin_ranges (BlkRequest *r)
{
  VirtioBlk *d = r->dev;
  uint64_t bytes = r->chain->out_length - HEADER_SIZE;
  uint32_t flags = r->type == T_DISCARD ? 0 : RANGE_UNMAP;

  if (bytes == 0 || bytes % RANGE_SIZE != 0 || bytes > RANGES_MAX * RANGE_SIZE || disk_is_read_only (d->disk))
    return STATUS_IOERR;
  get_buffer (r, bytes);
  if (!virtq_read (&d->parent.queues[r->queue], r->chain, HEADER_SIZE, r->buffer, bytes))
    return STATUS_IOERR;
  r->ranges = (uint32_t) (bytes / RANGE_SIZE);
  for (uint32_t i = 0; i < r->ranges; i++)
    {
      const uint8_t *range = r->buffer + i * RANGE_SIZE;
      uint32_t sectors = pci_get_long (range + 8);

      if (pci_get_long (range + 12) & ~flags)
        return STATUS_UNSUPPORTED;
      if (sectors > RANGE_SECTORS_MAX || !is_on_disk (d, get_long (range), (uint64_t) sectors * SECTOR))
        return STATUS_IOERR;
    }
  return STATUS_NONE;
}

static uint8_t
give_id (BlkRequest *r)
{
  uint8_t id[ID_SIZE] = { 0 };
  uint64_t length = MIN (r->chain->in_length - 1, ID_SIZE);

  memcpy (id, r->dev->serial, strlen (r->dev->serial));
  return virtq_write (&r->dev->parent.queues[r->queue], r->chain, 0, id, length) ? STATUS_OK : STATUS_IOERR;
}

/* What to answer at once, or STATUS_NONE: the disk is to work on it. */
static uint8_t
prepare (BlkRequest *r, const uint8_t header[HEADER_SIZE])
{
  uint64_t sector = get_long (header + 8);

  switch (r->type)
    {
    case T_IN:
      return begin_data (r, sector, r->chain->in_length - 1);
    case T_OUT:
      return begin_data (r, sector, r->chain->out_length - HEADER_SIZE);
    case T_FLUSH:
      return STATUS_NONE;
    case T_GET_ID:
      return give_id (r);
    case T_DISCARD:
    case T_WRITE_ZEROES:
      return begin_ranges (r);
    default:
      return STATUS_UNSUPPORTED;
    }
}

/* The chain is ours from here on. */
static void
begin (VirtioBlk *d, unsigned queue, VirtChain *chain)
{
  VirtQueue *q = &d->parent.queues[queue];
  uint8_t header[HEADER_SIZE], status;
  BlkRequest *r;

  if (chain->in_length < 1 || !virtq_read (q, chain, 0, header, sizeof header))
    {
      g_free (chain);
      virtio_break (&d->parent);
      return;
    }
  r = g_malloc0 (sizeof *r + pieces_max (chain) * sizeof *r->pieces);
  r->dev = d;
  r->queue = queue;
  r->chain = chain;
  r->type = pci_get_long (header);
  r->link.data = r;
  g_queue_push_tail_link (&d->requests, &r->link);
  status = prepare (r, header);
  if (status == STATUS_NONE)
    go_on (r);
  else
    complete (r, status, r->type == T_GET_ID ? MIN (chain->in_length - 1, ID_SIZE) : 0);
}

/* The device */

static void
blk_kicked (VirtioPci *v, unsigned queue)
{
  VirtioBlk *d = (VirtioBlk *) v;

  if (!virtio_take (&d->parent, queue, &taker))
    d->starved = TRUE;
  tell_driver (d);
}

static void
blk_stopped (VirtioPci *v)
{
  VirtioBlk *d = (VirtioBlk *) v;

  for (GList *l; (l = g_queue_pop_head_link (&d->requests)) != NULL;)
    {
      BlkRequest *r = l->data;

      l->data = NULL;
      g_queue_push_tail_link (&d->orphans, l);
      if (r->piece_count == 0)
        continue;
      /* The memory may become anything from now on; until now it may have been read into. */
      disk_recall (d->disk, &r->request);
      if (r->type == T_IN)
        virtq_written (&v->queues[r->queue], r->chain, r->done, r->request.length);
    }
  d->untold = 0;
  d->starved = FALSE;
  d->next_queue = 0;
  v->config[CONFIG_WRITEBACK] = 1;
}

static void
blk_config_written (VirtioPci *v, uint32_t offset, uint32_t value, unsigned size)
{
  if (offset == CONFIG_WRITEBACK && size == 1 && virtio_agreed (v, VIRTIO_FEATURE (F_CONFIG_WCE)))
    v->config[CONFIG_WRITEBACK] = value & 1;
}

static void
fill_config (const VirtioBlk *d, uint8_t config[CONFIG_SIZE])
{
  uint64_t sectors = disk_size (d->disk) / SECTOR;

  memset (config, 0, CONFIG_SIZE);
  put_long (config + CONFIG_CAPACITY, sectors);
  pci_set_long (config + CONFIG_SEG_MAX, QUEUE_SIZE - 2);
  pci_set_word (config + CONFIG_CYLINDERS, (uint16_t) MIN (sectors / (HEADS * SECTORS), CYLINDERS_MAX));
  config[CONFIG_HEADS] = HEADS;
  config[CONFIG_SECTORS] = SECTORS;
  pci_set_long (config + CONFIG_BLK_SIZE, SECTOR);
  config[CONFIG_PHYSICAL_BLOCK_EXP] = PHYSICAL_BLOCK_EXP;
  pci_set_word (config + CONFIG_MIN_IO, 1 << PHYSICAL_BLOCK_EXP);
  config[CONFIG_WRITEBACK] = 1;
  pci_set_word (config + CONFIG_QUEUES, (uint16_t) d->queue_count);
  pci_set_long (config + CONFIG_MAX_DISCARD, RANGE_SECTORS_MAX);
  pci_set_long (config + CONFIG_MAX_DISCARD_SEGMENTS, RANGES_MAX);
  pci_set_long (config + CONFIG_DISCARD_ALIGNMENT, 1 << PHYSICAL_BLOCK_EXP);
  pci_set_long (config + CONFIG_MAX_ZEROES, RANGE_SECTORS_MAX);
  pci_set_long (config + CONFIG_MAX_ZEROES_SEGMENTS, RANGES_MAX);
  config[CONFIG_ZEROES_MAY_UNMAP] = 1;
}

static const VirtioOps blk_ops = { .id = VIRTIO_ID_BLOCK,
                                   .transitional_id = 0x1001,
                                   .class_code = 0x0100,
                                   .config_size = CONFIG_SIZE,
                                   .config_written = blk_config_written,
                                   .stopped = blk_stopped,
                                   .kicked = blk_kicked };

static gboolean
blk_realize (Device *dev, const DeviceEnv *env, GError **error)
{
  VirtioBlk *d = (VirtioBlk *) dev;
  uint64_t features = VIRTIO_FEATURE (F_SEG_MAX) | VIRTIO_FEATURE (F_GEOMETRY) | VIRTIO_FEATURE (F_BLK_SIZE)
                      | VIRTIO_FEATURE (F_FLUSH) | VIRTIO_FEATURE (F_TOPOLOGY);

  g_assert (d->disk != NULL);
  if (disk_is_read_only (d->disk))
    features |= VIRTIO_FEATURE (F_RO);
  else
    features |= VIRTIO_FEATURE (F_CONFIG_WCE) | VIRTIO_FEATURE (F_DISCARD) | VIRTIO_FEATURE (F_WRITE_ZEROES);
  if (d->queue_count > 1)
    features |= VIRTIO_FEATURE (F_MQ);
  g_queue_init (&d->requests);
  g_queue_init (&d->orphans);
  if (!virtio_pci_init (&d->parent, env, &blk_ops, features, d->queue_count, QUEUE_SIZE, error))
    return FALSE;
  disk_set_context (d->disk, env->context);
  fill_config (d, d->parent.config);
  return TRUE;
}

static void
blk_reset (Device *dev)
{
  virtio_pci_reset (&((VirtioBlk *) dev)->parent);
}

static void
free_requests (VirtioBlk *d, GQueue *requests)
{
  for (GList *l; (l = g_queue_pop_head_link (requests)) != NULL;)
    {
      BlkRequest *r = (BlkRequest *) ((uint8_t *) l - offsetof (BlkRequest, link));

      disk_withdraw (d->disk, &r->request);
      request_free (r);
    }
}

static void
blk_unrealize (Device *dev)
{
  VirtioBlk *d = (VirtioBlk *) dev;

  /* Others may hold on to the disk; it must not work on the requests any more, those either that it could not carry out. */
  disk_drain (d->disk);
  free_requests (d, &d->requests);
  free_requests (d, &d->orphans);
  virtio_pci_exit (&d->parent);
  g_clear_pointer (&d->disk, disk_unref);
}

/* Saved state */

static void
blk_before_save (Device *dev)
{
  VirtioBlk *d = (VirtioBlk *) dev;

  virtio_pci_before_save (&d->parent);
  memset (d->saved_requests, 0, sizeof d->saved_requests);
  d->saved_count = 0;
  for (GList *l = d->requests.head; l != NULL; l = l->next)
    {
      const BlkRequest *r = l->data;

      d->saved_requests[d->saved_count++] = r->queue << 16 | r->chain->head;
    }
}

static gboolean
blk_before_load (Device *dev, GError **error)
{
  const VirtioBlk *d = (const VirtioBlk *) dev;

  if (d->requests.length + d->orphans.length == 0)
    return TRUE;
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_BUSY, "the disk “%s” is at work", disk_path (d->disk));
  return FALSE;
}

static gboolean
config_is_sound (const VirtioBlk *d)
{
  uint8_t config[CONFIG_SIZE];

  fill_config (d, config);
  config[CONFIG_WRITEBACK] = d->parent.config[CONFIG_WRITEBACK] & 1;
  return memcmp (config, d->parent.config, sizeof config) == 0;
}

static gboolean
blk_after_load (Device *dev, GError **error)
{
  VirtioBlk *d = (VirtioBlk *) dev;
  gboolean ok = config_is_sound (d) && d->saved_count <= REQUESTS_MAX;

  for (uint32_t i = 0; ok && i < d->saved_count; i++)
    ok = d->saved_requests[i] >> 16 < d->queue_count;
  if (!ok)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                   "saved state of %s: it is damaged, or of another disk than “%s”", dev->type->name,
                   disk_path (d->disk));
      return FALSE;
    }
  if (!virtio_pci_check_load (&d->parent, error))
    return FALSE;
  virtio_pci_after_load (&d->parent);
  for (uint32_t i = 0; i < d->saved_count && virtio_is_live (&d->parent); i++)
    {
      unsigned queue = d->saved_requests[i] >> 16;
      VirtChain *chain = virtq_chain_at (&d->parent.queues[queue], (uint16_t) d->saved_requests[i]);

      if (chain != NULL)
        begin (d, queue, chain);
      else
        virtio_break (&d->parent);
    }
  /* What waits in the queues beside them. */
  d->starved = TRUE;
  feed (d);
  tell_driver (d);
  return TRUE;
}

static const StateField blk_fields[] = { VIRTIO_PCI_STATE_FIELDS (VirtioBlk), STATE_U32 (VirtioBlk, saved_count),
                                         STATE_U32 (VirtioBlk, saved_requests), STATE_END };

const DeviceType virtio_blk_type = { .name = "virtio-blk",
                                     .size = sizeof (VirtioBlk),
                                     .version = 1,
                                     .fields = blk_fields,
                                     .realize = blk_realize,
                                     .reset = blk_reset,
                                     .before_save = blk_before_save,
                                     .before_load = blk_before_load,
                                     .after_load = blk_after_load,
                                     .unrealize = blk_unrealize };

void
virtio_blk_attach (Device *dev, Disk *disk, unsigned queues)
{
  VirtioBlk *d = (VirtioBlk *) dev;

  d->disk = disk_ref (disk);
  d->queue_count = CLAMP (queues, 1, VIRTIO_BLK_QUEUES_MAX);
}

void
virtio_blk_set_serial (Device *dev, const char *serial)
{
  VirtioBlk *d = (VirtioBlk *) dev;

  g_strlcpy (d->serial, serial, sizeof d->serial);
}

unsigned
virtio_blk_slot (Device *dev)
{
  return ((PciDevice *) dev)->devfn >> 3;
}

void
virtio_blk_counters (Device *dev, VirtioBlkCounters *counters)
{
  *counters = ((VirtioBlk *) dev)->counters;
}
