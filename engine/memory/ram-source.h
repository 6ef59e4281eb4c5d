/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Contents of RAM that are brought in when they are first touched, so that a
 * saved machine runs before its memory has been read.
 *
 * A block with a source is inaccessible where a chunk is missing. Whoever touches
 * it, processor or device, faults, and the fault brings the chunk in. The kernel
 * does not fault for us: memory that is handed to system calls or to the
 * hardware has to be made present first (guest_memory_map() and ram_block_map() do).
 */
#pragma once

#include "engine/memory/address-space.h"

enum
{
  RAM_CHUNK = 256 * 1024, /* bytes that come and go together; the last chunk of a block may be shorter */
  RAM_READERS = 2         /* that may be at work at the same time: one for who waits, one for what is fetched ahead */
};

typedef struct
{
  /* Writes what belongs to [@offset, @offset + @length), one chunk, to @to. One call at a time for each @reader
   * (< RAM_READERS), on any thread, in a signal handler as well: it allocates nothing and takes no lock. FALSE: it cannot be
   * had; the chunk becomes zeros, and failed() is called, under the same conditions. */
  gboolean (*read) (void *opaque, unsigned reader, uint64_t offset, void *to, size_t length);
  void (*failed) (void *opaque);
} RamSource;

/* From now on chunks with a byte other than 0 in @missing (a byte a chunk, copied) come from @source, and some others near
 * them when there are many. What they held is lost. Nothing may run that reaches the block. @opaque has to live until
 * ram_block_forget_source(). */
gboolean ram_block_set_source (RamBlock *block, const RamSource *source, void *opaque, const uint8_t *missing,
                               GError **error);
/* Brings in what is missing of the range (bytes); any thread. */
void ram_block_fetch (RamBlock *block, uint64_t offset, uint64_t length);
/* Likewise, for when it is needed: who touches memory meanwhile waits for no more than one chunk of it, his own. */
void ram_block_fetch_ahead (RamBlock *block, uint64_t offset, uint64_t length);
/* Whether nothing of the range (bytes) is missing; any thread. */
gboolean ram_block_is_present (const RamBlock *block, uint64_t offset, uint64_t length);
/* Lets go of the source; what is missing still becomes zeros. Nothing may reach the block meanwhile. */
void ram_block_forget_source (RamBlock *block);
