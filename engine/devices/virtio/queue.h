/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Split virtqueues, as the device sees them. The rings lie in the guest's memory and are its to write: each index,
 * descriptor and length is looked at when it is taken, and what makes no sense breaks the queue, nothing else.
 * Machine lock held throughout.
 */
#pragma once

#include "engine/memory/address-space.h"

#include <sys/uio.h>

enum
{
  VIRTQ_SIZE_MAX = 1024, /* descriptors of a queue, and of one chain, tables included */
  VIRTQ_NO_VECTOR = 0xffff
};

/* One stretch of guest memory; it may be anywhere, also where there is no memory. */
typedef struct
{
  uint64_t address;
  uint32_t length;
} VirtSegment;

/* What the driver handed over at once: @out_count segments to be read, then @in_count to be written. */
typedef struct
{
  uint16_t head; /* names the chain in the used ring */
  unsigned out_count, in_count;
  uint64_t out_length, in_length; /* bytes, at most VIRTQ_SIZE_MAX * 4 GiB */
  VirtSegment segments[];
} VirtChain;

typedef struct
{
  AddressSpace *memory;
  uint16_t size_max; /* 0: there is no such queue */
  uint16_t size;     /* a power of two, at most size_max */
  gboolean enabled;
  gboolean event_index, indirect;        /* features that were agreed upon */
  uint64_t descriptors, available, used; /* guest-physical */
  uint16_t vector;                       /* MSI-X; VIRTQ_NO_VECTOR: none */
  uint16_t next_available, next_used;
  uint16_t told_used; /* next_used when the driver was last told, if told_valid */
  gboolean told_valid;
} VirtQueue;

typedef enum
{
  VIRTQ_EMPTY,
  VIRTQ_CHAIN,
  VIRTQ_BROKEN
} VirtqResult;

/* As after power-on. */
void virtq_reset (VirtQueue *q);
/* Whether the rings lie within the address space and are aligned. */
gboolean virtq_is_sound (const VirtQueue *q);
/* Rings of the time before virtio 1.0: all in one piece from @address on. */
void virtq_set_legacy_address (VirtQueue *q, uint64_t address);

/* Takes the next chain; the caller frees it with g_free(). */
VirtqResult virtq_pop (VirtQueue *q, VirtChain **chain);
/* The chain of which @head is the first descriptor, again; NULL when it makes no sense. */
VirtChain *virtq_chain_at (VirtQueue *q, uint16_t head);
/* Gives the chain back, with @written bytes of its in segments written from the first on. */
void virtq_push (VirtQueue *q, uint16_t head, uint32_t written);
/* Whether the driver wants to be told of what was pushed since it was told last; takes it for told. */
gboolean virtq_take_interrupt (VirtQueue *q);
/* Asks to be told of chains from here on; TRUE: there is one already. */
gboolean virtq_wait (VirtQueue *q);

/* Bytes [@offset, @offset + @length) of the out segments, or into the in segments. FALSE when there are fewer, or part
 * of them is no memory. */
gboolean virtq_read (VirtQueue *q, const VirtChain *chain, uint64_t offset, void *buffer, uint64_t length);
gboolean virtq_write (VirtQueue *q, const VirtChain *chain, uint64_t offset, const void *buffer, uint64_t length);
/* Where these bytes of the out segments (or of the in segments, if @in) lie, for who goes on without the machine lock: at
 * most @count pieces, each longer than 0. Returns how many; 0: not all of them are such memory, or there are too many. */
unsigned virtq_map (VirtQueue *q, const VirtChain *chain, gboolean in, uint64_t offset, uint64_t length,
                    struct iovec *pieces, unsigned count);
/* Bytes of the in segments were written there. */
void virtq_written (VirtQueue *q, const VirtChain *chain, uint64_t offset, uint64_t length);
