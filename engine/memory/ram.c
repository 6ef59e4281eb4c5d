/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Host memory that backs guest RAM, ROM and framebuffers, and its dirty log. */

#include "engine/memory/memory-private.h"

#include <errno.h>
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
  munmap (block->host, block->size);
  close (block->fd);
  g_free (block->dirty);
  g_free (block->reported);
  g_free (block);
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

gboolean
ram_block_map (RamBlock *block, uint64_t offset, uint64_t length, void *address, gboolean writable)
{
  int protection = writable ? PROT_READ | PROT_WRITE : PROT_READ;

  g_assert (offset <= block->size && length <= block->size - offset);
  return mmap (address, length, protection, MAP_SHARED | MAP_FIXED | MAP_POPULATE, block->fd, (off_t) offset) != MAP_FAILED;
}

void
ram_block_enable_dirty_log (RamBlock *block, AddressSpace *as)
{
  if (block->dirty != NULL)
    return;
  block->reported = g_malloc0 (block->size >> GUEST_PAGE_SHIFT);
  block->dirty = g_malloc0 (block->size >> GUEST_PAGE_SHIFT);
  block->as = as;
  address_space_rebuild (as);
}

const uint8_t *
ram_block_dirty (const RamBlock *block)
{
  return block->dirty;
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
