/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Split virtqueues. Specification: OASIS virtio 1.2, chapter 2.7; legacy layout, 2.7.2. */

#include "engine/devices/virtio/queue.h"

#include <string.h>

enum
{
  DESCRIPTOR_SIZE = 16,
  DESC_NEXT = 1 << 0,
  DESC_WRITE = 1 << 1,
  DESC_INDIRECT = 1 << 2,
  AVAIL_FLAGS = 0,
  AVAIL_INDEX = 2,
  AVAIL_RING = 4,
  AVAIL_NO_INTERRUPT = 1 << 0,
  USED_FLAGS = 0,
  USED_INDEX = 2,
  USED_RING = 4,
  USED_ENTRY_SIZE = 8,
  LEGACY_ALIGN = 4096
};

typedef struct
{
  uint64_t address;
  uint32_t length;
  uint16_t flags, next;
} Descriptor;

G_STATIC_ASSERT (sizeof (Descriptor) == DESCRIPTOR_SIZE && G_BYTE_ORDER == G_LITTLE_ENDIAN);

static uint64_t
available_bytes (const VirtQueue *q)
{
  return AVAIL_RING + 2 * (uint64_t) q->size + 2;
}

static uint64_t
used_bytes (const VirtQueue *q)
{
  return USED_RING + USED_ENTRY_SIZE * (uint64_t) q->size + 2;
}

void
virtq_reset (VirtQueue *q)
{
  q->size = q->size_max;
  q->enabled = q->event_index = q->indirect = FALSE;
  q->descriptors = q->available = q->used = 0;
  q->vector = VIRTQ_NO_VECTOR;
  q->next_available = q->next_used = q->told_used = 0;
  q->told_valid = FALSE;
}

static gboolean
ring_fits (uint64_t address, uint64_t bytes, uint64_t align)
{
  return address % align == 0 && bytes <= G_MAXUINT64 - address;
}

gboolean
virtq_is_sound (const VirtQueue *q)
{
  return q->size > 0 && q->size <= q->size_max && (q->size & (q->size - 1)) == 0
         && ring_fits (q->descriptors, DESCRIPTOR_SIZE * (uint64_t) q->size, 16)
         && ring_fits (q->available, available_bytes (q), 2) && ring_fits (q->used, used_bytes (q), 4);
}

void
virtq_set_legacy_address (VirtQueue *q, uint64_t address)
{
  q->descriptors = address;
  q->available = address + DESCRIPTOR_SIZE * (uint64_t) q->size;
  q->used = (q->available + available_bytes (q) + LEGACY_ALIGN - 1) & ~(uint64_t) (LEGACY_ALIGN - 1);
}

/* The rings' 16-bit words, which the driver reads and writes meanwhile: each in one access. What is not memory reads as
 * 0 and swallows writes. */
static uint16_t
load_word (const VirtQueue *q, uint64_t gpa)
{
  uint64_t length = 2;
  const uint16_t *host = guest_memory_map (q->memory, gpa, &length, FALSE);

  return host != NULL && length == 2 ? __atomic_load_n (host, __ATOMIC_ACQUIRE) : 0;
}

static void
store_word (const VirtQueue *q, uint64_t gpa, uint16_t value)
{
  uint64_t length = 2;
  uint16_t *host = guest_memory_map (q->memory, gpa, &length, TRUE);

  if (host == NULL || length != 2)
    return;
  __atomic_store_n (host, value, __ATOMIC_RELEASE);
  guest_memory_written (q->memory, gpa, 2);
}

/* Chains */

typedef struct
{
  VirtSegment segments[VIRTQ_SIZE_MAX];
  unsigned out_count, in_count;
  uint64_t out_length, in_length;
} Walk;

/* Appends a segment; what is to be written comes after what is to be read. */
static gboolean
add_segment (Walk *walk, const Descriptor *d)
{
  unsigned count = walk->out_count + walk->in_count;

  if (count == VIRTQ_SIZE_MAX || d->length > G_MAXUINT64 - d->address)
    return FALSE;
  walk->segments[count] = (VirtSegment) { d->address, d->length };
  if (d->flags & DESC_WRITE)
    {
      walk->in_count++;
      walk->in_length += d->length;
      return TRUE;
    }
  if (walk->in_count > 0)
    return FALSE;
  walk->out_count++;
  walk->out_length += d->length;
  return TRUE;
}

/* Follows a chain in a table of @count descriptors. It has no more links than the table has entries, so a loop ends. */
static gboolean
walk_table (VirtQueue *q, uint64_t table, uint32_t count, uint16_t index, gboolean may_nest, Walk *walk)
{
  for (uint32_t links = 0; links < count; links++)
    {
      Descriptor d;

      if (index >= count || !guest_memory_read (q->memory, table + DESCRIPTOR_SIZE * (uint64_t) index, &d, sizeof d))
        return FALSE;
      if (d.flags & DESC_INDIRECT)
        {
          /* It ends the chain. */
          if (!may_nest || d.flags & DESC_NEXT || d.length == 0 || d.length % DESCRIPTOR_SIZE != 0
              || d.length > G_MAXUINT64 - d.address)
            return FALSE;
          return walk_table (q, d.address, MIN (d.length / DESCRIPTOR_SIZE, VIRTQ_SIZE_MAX), 0, FALSE, walk);
        }
      if (!add_segment (walk, &d))
        return FALSE;
      if (!(d.flags & DESC_NEXT))
        return TRUE;
      index = d.next;
    }
  return FALSE;
}

VirtChain *
virtq_chain_at (VirtQueue *q, uint16_t head)
{
  Walk walk;
  VirtChain *chain;
  unsigned count;

  walk.out_count = walk.in_count = 0;
  walk.out_length = walk.in_length = 0;
  if (!walk_table (q, q->descriptors, q->size, head, q->indirect, &walk))
    return NULL;
  count = walk.out_count + walk.in_count;
  chain = g_malloc (sizeof *chain + count * sizeof *chain->segments);
  *chain = (VirtChain) { .head = head,
                         .out_count = walk.out_count,
                         .in_count = walk.in_count,
                         .out_length = walk.out_length,
                         .in_length = walk.in_length };
  memcpy (chain->segments, walk.segments, count * sizeof *chain->segments);
  return chain;
}

VirtqResult
virtq_pop (VirtQueue *q, VirtChain **chain)
{
  uint16_t waiting, head;

  if (!q->enabled)
    return VIRTQ_EMPTY;
  waiting = (uint16_t) (load_word (q, q->available + AVAIL_INDEX) - q->next_available);
  if (waiting == 0)
    return VIRTQ_EMPTY;
  if (waiting > q->size)
    return VIRTQ_BROKEN;
  head = load_word (q, q->available + AVAIL_RING + 2 * (uint64_t) (q->next_available & (q->size - 1)));
  *chain = virtq_chain_at (q, head);
  if (*chain == NULL)
    return VIRTQ_BROKEN;
  q->next_available++;
  return VIRTQ_CHAIN;
}

void
virtq_push (VirtQueue *q, uint16_t head, uint32_t written)
{
  const uint32_t entry[2] = { head, written };

  guest_memory_write (q->memory, q->used + USED_RING + USED_ENTRY_SIZE * (uint64_t) (q->next_used & (q->size - 1)),
                      entry, sizeof entry);
  q->next_used++;
  store_word (q, q->used + USED_INDEX, q->next_used);
}

gboolean
virtq_take_interrupt (VirtQueue *q)
{
  uint16_t told = q->told_used, event;
  gboolean valid = q->told_valid;

  q->told_used = q->next_used;
  q->told_valid = TRUE;
  if (valid && told == q->next_used)
    return FALSE;
  /* The driver asks to be told, then looks once more; so we show what there is, then look whether it asks. */
  __atomic_thread_fence (__ATOMIC_SEQ_CST);
  if (!q->event_index)
    return !(load_word (q, q->available + AVAIL_FLAGS) & AVAIL_NO_INTERRUPT);
  event = load_word (q, q->available + AVAIL_RING + 2 * (uint64_t) q->size);
  return !valid || (uint16_t) (q->next_used - event - 1) < (uint16_t) (q->next_used - told);
}

gboolean
virtq_wait (VirtQueue *q)
{
  if (!q->enabled)
    return FALSE;
  if (q->event_index)
    {
      store_word (q, q->used + USED_RING + USED_ENTRY_SIZE * (uint64_t) q->size, q->next_available);
      __atomic_thread_fence (__ATOMIC_SEQ_CST);
    }
  return load_word (q, q->available + AVAIL_INDEX) != q->next_available;
}

/* Data */

/* The way through bytes of segments that follow each other. */
typedef struct
{
  const VirtSegment *segment, *end;
  uint64_t offset, left; /* in @segment; bytes to go */
} DataWalk;

static DataWalk
data_walk (const VirtChain *chain, gboolean in, uint64_t offset, uint64_t length)
{
  const VirtSegment *first = chain->segments + (in ? chain->out_count : 0);

  return (DataWalk) { first, first + (in ? chain->in_count : chain->out_count), offset, length };
}

/* The next of them that lie in a row in the guest's memory. FALSE: there are no more, or no more are wanted. */
static gboolean
data_next (DataWalk *w, uint64_t *address, uint64_t *length)
{
  while (w->segment < w->end && w->offset >= w->segment->length)
    w->offset -= w->segment++->length;
  if (w->segment == w->end || w->left == 0)
    return FALSE;
  *address = w->segment->address + w->offset;
  *length = MIN (w->left, w->segment->length - w->offset);
  w->offset += *length;
  w->left -= *length;
  return TRUE;
}

gboolean
virtq_read (VirtQueue *q, const VirtChain *chain, uint64_t offset, void *buffer, uint64_t length)
{
  DataWalk w = data_walk (chain, FALSE, offset, length);
  uint64_t address, run;
  uint8_t *to = buffer;
  gboolean ok = TRUE;

  for (; data_next (&w, &address, &run); to += run)
    ok = guest_memory_read (q->memory, address, to, run) && ok;
  return ok && w.left == 0;
}

gboolean
virtq_write (VirtQueue *q, const VirtChain *chain, uint64_t offset, const void *buffer, uint64_t length)
{
  DataWalk w = data_walk (chain, TRUE, offset, length);
  uint64_t address, run;
  const uint8_t *from = buffer;
  gboolean ok = TRUE;

  for (; data_next (&w, &address, &run); from += run)
    ok = guest_memory_write (q->memory, address, from, run) && ok;
  return ok && w.left == 0;
}

unsigned
virtq_map (VirtQueue *q, const VirtChain *chain, gboolean in, uint64_t offset, uint64_t length, struct iovec *pieces,
           unsigned count)
{
  DataWalk w = data_walk (chain, in, offset, length);
  uint64_t address, left, run;
  unsigned used = 0;

  while (data_next (&w, &address, &left))
    for (; left > 0; address += run, left -= run)
      {
        uint8_t *host;

        run = left;
        host = guest_memory_map_dma (q->memory, address, &run, in);
        if (host == NULL)
          return 0;
        if (used > 0 && (uint8_t *) pieces[used - 1].iov_base + pieces[used - 1].iov_len == host)
          pieces[used - 1].iov_len += run;
        else if (used == count)
          return 0;
        else
          pieces[used++] = (struct iovec) { host, run };
      }
  return w.left == 0 ? used : 0;
}

void
virtq_written (VirtQueue *q, const VirtChain *chain, uint64_t offset, uint64_t length)
{
  DataWalk w = data_walk (chain, TRUE, offset, length);
  uint64_t address, run;

  while (data_next (&w, &address, &run))
    guest_memory_written (q->memory, address, run);
}
