/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Host memory that backs guest RAM, ROM and framebuffers, and its dirty log. */

#include "engine/memory/memory-private.h"
#include "engine/memory/ram-source.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib/gi18n-lib.h>
#include <sys/mman.h>
#include <unistd.h>

RamBlock *
ram_block_new (const char *name, uint64_t size, GError **error)
{
  RamBlock *block;
  void *host = MAP_FAILED;
  int fd = -1;

  g_assert (size > 0 && size % GUEST_PAGE_SIZE == 0);
  fd = memfd_create (name, MFD_CLOEXEC);
  if (fd >= 0 && ftruncate (fd, (off_t) size) == 0)
    host = mmap (NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
  if (host == MAP_FAILED)
    {
      int cause = errno;

      if (fd >= 0)
        close (fd);
      g_set_error (error, G_IO_ERROR, (int) g_io_error_from_errno (cause), _("cannot allocate %llu KiB for %s: %s"),
                   (unsigned long long) size / 1024, name, g_strerror (cause));
      return NULL;
    }
  block = g_new0 (RamBlock, 1);
  block->size = size;
  block->host = host;
  block->fd = fd;
  return block;
}

void
ram_block_free (RamBlock *block)
{
  if (block == NULL)
    return;
  ram_block_forget_source (block);
  munmap (block->host, block->size);
  close (block->fd);
  g_free (block->dirty);
  g_free (block->reported);
  g_free (block);
}

void
ram_block_discard (RamBlock *block)
{
  /* Where the host cannot, it is given back with the block. */
  if (fallocate (block->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, (off_t) block->size) != 0)
    g_debug ("memory is given back later: %s", g_strerror (errno));
}

uint8_t *
ram_block_host (RamBlock *block)
{
  return block->host;
}

uint64_t
ram_block_size (const RamBlock *block)
{
  return block->size;
}

void
ram_block_allow_dma (RamBlock *block, gboolean allow)
{
  block->has_dma = allow;
}

gboolean
ram_block_allows_dma (const RamBlock *block)
{
  return block->has_dma;
}

gboolean
ram_block_map (RamBlock *block, uint64_t offset, uint64_t length, void *address, gboolean writable)
{
  int protection = writable ? PROT_READ | PROT_WRITE : PROT_READ;

  g_assert (offset <= block->size && length <= block->size - offset);
  ram_block_fetch (block, offset, length);
  return mmap (address, length, protection, MAP_SHARED | MAP_FIXED | MAP_POPULATE, block->fd, (off_t) offset) != MAP_FAILED;
}

gboolean
ram_block_next_data (RamBlock *block, uint64_t offset, uint64_t *start, uint64_t *end)
{
  off_t data, hole;

  if (offset >= block->size)
    return FALSE;
  data = lseek (block->fd, (off_t) offset, SEEK_DATA);
  if (data < 0 && errno == ENXIO)
    return FALSE;
  hole = data < 0 ? -1 : lseek (block->fd, data, SEEK_HOLE);
  /* A host that does not tell has memory everywhere. */
  *start = hole < 0 ? offset : (uint64_t) data;
  *end = hole < 0 ? block->size : (uint64_t) hole;
  return TRUE;
}

void
ram_block_enable_dirty_log (RamBlock *block, AddressSpace *as, unsigned grain)
{
  if (block->dirty != NULL)
    return;
  block->reported = g_malloc0 (block->size >> GUEST_PAGE_SHIFT);
  block->dirty = g_malloc0 (block->size >> GUEST_PAGE_SHIFT);
  block->grain = grain;
  block->as = as;
  address_space_rebuild (as, TRUE);
}

void
ram_block_disable_dirty_log (RamBlock *block)
{
  g_autofree uint8_t *dirty = g_steal_pointer (&block->dirty);

  if (dirty == NULL)
    return;
  address_space_rebuild (block->as, TRUE);
  g_clear_pointer (&block->reported, g_free);
  block->as = NULL;
}

uint8_t *
ram_block_dirty (const RamBlock *block)
{
  return block->dirty;
}

unsigned
ram_block_dirty_grain (const RamBlock *block)
{
  return block->dirty != NULL ? block->grain : 0;
}

gboolean
ram_block_collect_dirty (RamBlock *block, uint64_t first, uint64_t count, uint8_t *pages)
{
  uint64_t total = block->size >> GUEST_PAGE_SHIFT;
  gboolean any = FALSE, fresh = FALSE;

  if (block->dirty == NULL || first >= total)
    return FALSE;
  count = MIN (count, total - first);
  address_space_collect_dirty (block->as, block);
  for (uint64_t i = 0; i < count; i++)
    {
      uint8_t now = __atomic_load_n (&block->dirty[first + i], __ATOMIC_RELAXED);

      if (now)
        __atomic_store_n (&block->dirty[first + i], 0, __ATOMIC_SEQ_CST);
      fresh |= now;
      if (now | block->reported[first + i])
        {
          pages[i] = 1;
          any = TRUE;
        }
      block->reported[first + i] = now;
    }
  if (fresh)
    address_space_notify_cleaned (block->as);
  return any;
}
