/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Guest-physical memory: priorities, read-only and disabled regions, listeners, the dirty log, access widths. */

#include "engine/memory/address-space.h"

#include <string.h>

static unsigned views, written_length;

static unsigned cleanings;

static void
cleaned (void *opaque)
{
  cleanings++;
}

static void
changed (void *opaque)
{
  ++*(unsigned *) opaque;
}

static void
written (void *opaque, uint64_t gpa, uint64_t length)
{
  written_length += (unsigned) length;
}

static uint64_t
mmio_read (void *opaque, uint64_t offset, unsigned size)
{
  return offset + size * 0x1000;
}

static void
mmio_write (void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
  uint64_t *log = opaque;

  log[offset / 4] = value | (uint64_t) size << 56;
}

static void
test_priorities (void)
{
  AddressSpace *as = address_space_new ();
  RamBlock *low = ram_block_new ("low", 0x10000, NULL), *high = ram_block_new ("high", 0x1000, NULL);
  MemoryRegion *over;
  const MemorySection *s;
  uint32_t value = 0;

  memset (ram_block_host (low), 0x11, 0x10000);
  memset (ram_block_host (high), 0x22, 0x1000);
  address_space_add_ram (as, 0, 0x10000, 0, low, 0);
  over = address_space_add_ram (as, 0x4000, 0x1000, 1, high, 0);

  s = address_space_lookup (as, 0x4abc);
  g_assert_true (s->host == ram_block_host (high));
  g_assert_cmphex (s->base, ==, 0x4000);
  g_assert_cmphex (s->size, ==, 0x1000);
  s = address_space_lookup (as, 0x5000);
  g_assert_true (s->host == ram_block_host (low) + 0x5000);
  g_assert_true (guest_memory_read (as, 0x4ffe, &value, 4));
  g_assert_cmphex (value, ==, 0x11112222);

  memory_region_set_enabled (over, FALSE);
  s = address_space_lookup (as, 0x4abc);
  g_assert_cmphex (s->base, ==, 0);
  g_assert_cmphex (s->size, ==, 0x10000);
  memory_region_set_enabled (over, TRUE);
  memory_region_set_base (over, 0x8000);
  g_assert_true (address_space_lookup (as, 0x8000)->host == ram_block_host (high));
  memory_region_set_readonly (over, TRUE);
  g_assert_cmpint (address_space_lookup (as, 0x8000)->kind, ==, MEMORY_ROM);
  value = 0;
  g_assert_true (guest_memory_write (as, 0x8000, &value, 4));
  g_assert_cmphex (*(uint32_t *) ram_block_host (high), ==, 0x22222222);

  g_assert_false (guest_memory_read (as, 0xfffe, &value, 4));
  g_assert_cmphex (value, ==, 0xffff1111);
  g_assert_false (guest_memory_read (as, G_MAXUINT64 - 1, &value, 1));
  address_space_collect (as);
  address_space_free (as);
  ram_block_free (low);
  ram_block_free (high);
}

static void
test_listeners_and_dirty_log (void)
{
  static const AddressSpaceListener listener = { .changed = changed, .cleaned = cleaned, .written = written };
  AddressSpace *as = address_space_new ();
  RamBlock *block = ram_block_new ("block", 0x4000, NULL);
  uint8_t pages[4] = { 0 };
  unsigned before;

  views = written_length = 0;
  address_space_add_listener (as, &listener, &views);
  address_space_begin (as);
  address_space_add_ram (as, 0x1000, 0x4000, 0, block, 0);
  g_assert_cmpuint (views, ==, 0);
  address_space_commit (as);
  g_assert_cmpuint (views, ==, 1);
  g_assert_null (address_space_lookup (as, 0x1000)->dirty);
  ram_block_enable_dirty_log (block, as, 1);
  g_assert_nonnull (address_space_lookup (as, 0x1000)->dirty);

  g_assert_false (ram_block_collect_dirty (block, 0, 4, pages));
  g_assert_true (guest_memory_write (as, 0x2ffe, "abcd", 4));
  g_assert_cmpuint (written_length, ==, 4);
  before = views;
  cleanings = 0;
  g_assert_true (ram_block_collect_dirty (block, 0, 4, pages));
  g_assert_cmpmem (pages, 4, "\0\1\1\0", 4);
  g_assert_cmpuint (cleanings, ==, 1);
  g_assert_cmpuint (views, ==, before);
  memset (pages, 0, sizeof pages);
  g_assert_true (ram_block_collect_dirty (block, 0, 4, pages)); /* once more, for racing writers */
  g_assert_cmpmem (pages, 4, "\0\1\1\0", 4);
  g_assert_false (ram_block_collect_dirty (block, 0, 4, pages));
  g_assert_false (ram_block_collect_dirty (block, 9, 4, pages));

  address_space_remove_listener (as, &views);
  before = views;
  address_space_add_ram (as, 0x10000, 0x1000, 0, block, 0);
  g_assert_cmpuint (views, ==, before);
  address_space_free (as);
  ram_block_free (block);
}

static void
test_mmio_widths (void)
{
  static const MmioOps words = { .read = mmio_read, .write = mmio_write, .min_size = 4, .max_size = 4 };
  AddressSpace *as = address_space_new ();
  uint64_t log[4] = { 0 };
  const MemorySection *s;
  uint32_t value = 5;

  address_space_add_mmio (as, 0x1000, 0x1000, 0, &words, log);
  s = address_space_lookup (as, 0x1004);
  g_assert_cmphex (memory_section_read (s, 0x1004, 4), ==, 0x4004);
  g_assert_cmphex (memory_section_read (s, 0x1005, 1), ==, 0x40);
  g_assert_cmphex (memory_section_read (s, 0x1008, 8), ==, 0x0000400c00004008);
  memory_section_write (s, 0x1000, 0x1122334455667788, 8);
  g_assert_cmphex (log[0], ==, (uint64_t) 4 << 56 | 0x55667788);
  g_assert_cmphex (log[1], ==, (uint64_t) 4 << 56 | 0x11223344);
  memory_section_write (s, 0x100a, 0xab, 1);
  g_assert_cmphex (log[2], ==, (uint64_t) 4 << 56 | 0xab0000);
  g_assert_cmphex (memory_section_read (address_space_lookup (as, 0), 0, 2), ==, 0xffff);

  /* Devices reach memory only. */
  g_assert_false (guest_memory_write (as, 0x100c, &value, 4));
  g_assert_cmphex (log[3], ==, 0);
  address_space_free (as);
}

static void
test_map (void)
{
  AddressSpace *as = address_space_new ();
  RamBlock *block = ram_block_new ("block", 0x2000, NULL);
  uint64_t length = 0x10000;

  address_space_add_ram (as, 0x1000, 0x1000, 0, block, 0x1000);
  g_assert_true (guest_memory_map (as, 0x1800, &length, TRUE) == ram_block_host (block) + 0x1800);
  g_assert_cmphex (length, ==, 0x800);
  length = 1;
  g_assert_null (guest_memory_map (as, 0x2000, &length, FALSE));
  address_space_free (as);
  ram_block_free (block);
}

/* Addresses come from guests: the end of the space is one they can name. */
static void
test_end (void)
{
  AddressSpace *as = address_space_new ();
  RamBlock *block = ram_block_new ("RAM", 0x1000, NULL);
  uint8_t data[32] = { 0 };

  address_space_add_ram (as, 0, 0x1000, 0, block, 0);
  for (uint64_t back = 0; back < sizeof data; back++)
    {
      g_assert_false (guest_memory_read (as, ~back, data, sizeof data));
      g_assert_false (guest_memory_write (as, ~back, data, sizeof data));
    }
  guest_memory_written (as, ~(uint64_t) 0, 2);
  address_space_free (as);
  ram_block_free (block);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/address-space/priorities", test_priorities);
  g_test_add_func ("/address-space/listeners-and-dirty-log", test_listeners_and_dirty_log);
  g_test_add_func ("/address-space/mmio-widths", test_mmio_widths);
  g_test_add_func ("/address-space/map", test_map);
  g_test_add_func ("/address-space/end", test_end);
  return g_test_run ();
}
