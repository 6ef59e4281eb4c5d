/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The two memories, and how they were when the slice began. */

#include "engine/cpu/lockstep/lockstep-private.h"

#include <gio/gio.h>
#include <string.h>

enum { PAGE_ACCESSED_DIRTY = 0x60, TEXT_MAX = 2000 };

/* --- Views --- */

GArray *
view_take (AddressSpace *memory)
{
  GArray *view = g_array_new (FALSE, FALSE, sizeof (MemorySection));
  const MemorySection *section;

  for (uint64_t at = 0;; at = section->base + section->size)
    {
      section = address_space_lookup (memory, at);
      /* What nothing answers to answers the same way everywhere. */
      if (section->kind != MEMORY_MMIO || section->opaque != NULL)
        g_array_append_vals (view, section, 1);
      if (section->base + section->size == G_MAXUINT64)
        return view;
    }
}

gboolean
view_equal (const GArray *a, const GArray *b)
{
  return a->len == b->len && memcmp (a->data, b->data, a->len * sizeof (MemorySection)) == 0;
}

/* --- Blocks --- */

static Mirror *
mirror_of (Lockstep *ls, RamBlock *real)
{
  for (guint i = 0; i < ls->mirrors->len; i++)
    if (g_array_index (ls->mirrors, Mirror, i).real == real)
      return &g_array_index (ls->mirrors, Mirror, i);
  return NULL;
}

RamBlock *
mirror_block (Side *side, const MemorySection *section)
{
  Lockstep *ls = side->lockstep;
  RamBlock *real = section->block;
  Mirror *mirror = mirror_of (ls, real);

  if (side == &ls->translated)
    return real;
  if (mirror == NULL)
    {
      g_autoptr (GError) error = NULL;
      Mirror added = { .real = real, .mirror = ram_block_new ("mirror", ram_block_size (real), &error),
                       .begin = g_malloc (ram_block_size (real)),
                       .written = g_malloc0 (ram_block_size (real) >> GUEST_PAGE_SHIFT), .is_compared = section->dirty == NULL,
                       .had_dma = ram_block_allows_dma (real) };

      if (added.mirror == NULL)
        g_error ("%s", error->message);
      memcpy (ram_block_host (added.mirror), ram_block_host (real), ram_block_size (real));
      memcpy (added.begin, ram_block_host (real), ram_block_size (real));
      ram_block_enable_dirty_log (added.mirror, side->memory, 1);
      ram_block_allow_dma (real, FALSE);
      g_array_append_val (ls->mirrors, added);
      mirror = mirror_of (ls, real);
    }
  return mirror->mirror;
}

void
mirror_free (Lockstep *ls)
{
  for (guint i = 0; i < ls->mirrors->len; i++)
    {
      Mirror *mirror = &g_array_index (ls->mirrors, Mirror, i);

      /* Other blocks may be gone. */
      if (mirror->had_dma)
        ram_block_allow_dma (mirror->real, TRUE);
      ram_block_free (mirror->mirror);
      g_free (mirror->begin);
      g_free (mirror->written);
    }
  g_array_unref (ls->mirrors);
}

void
mirror_written (Side *side, uint64_t gpa, const void *data, uint64_t length)
{
  Lockstep *ls = side->lockstep;

  guest_memory_write (side->memory, gpa, data, length);
  if (ls->in_slice)
    return;
  /* Between slices it belongs to the next one's beginning. */
  for (uint64_t done = 0; done < length;)
    {
      const MemorySection *section = address_space_lookup (side->memory, gpa + done);
      uint64_t run = MIN (length - done, section->size - (gpa + done - section->base));

      for (guint i = 0; i < ls->mirrors->len; i++)
        {
          Mirror *mirror = &g_array_index (ls->mirrors, Mirror, i);

          if (section->block == mirror->mirror)
            memcpy (mirror->begin + (section->host - ram_block_host (mirror->mirror)) + (gpa + done - section->base),
                    (const uint8_t *) data + done, run);
        }
      done += run;
    }
}

static void
copy_all (Mirror *mirror, gboolean back)
{
  uint64_t size = ram_block_size (mirror->real);

  if (!back)
    memcpy (mirror->begin, ram_block_host (mirror->real), size);
  else
    memcpy (ram_block_host (mirror->real), mirror->begin, size);
  memcpy (ram_block_host (mirror->mirror), mirror->begin, size);
}

void
mirror_copy_all (Lockstep *ls)
{
  for (guint i = 0; i < ls->mirrors->len; i++)
    copy_all (&g_array_index (ls->mirrors, Mirror, i), FALSE);
}

void
mirror_roll_back (Lockstep *ls)
{
  for (guint i = 0; i < ls->mirrors->len; i++)
    copy_all (&g_array_index (ls->mirrors, Mirror, i), TRUE);
}

/* --- Comparison --- */

/* Page tables: when a processor notes an access depends on what its TLB held. */
static gboolean
entries_alike (uint64_t a, uint64_t b)
{
  return ((a ^ b) & ~(uint64_t) PAGE_ACCESSED_DIRTY) == 0 && (a & 1) && a >> GUEST_PAGE_SHIFT != 0;
}

/* Whether two quadwords differ only where the architecture leaves processors free. */
static gboolean
words_alike (uint64_t a, uint64_t b)
{
  if (entries_alike (a, b) || flags_alike (a, b))
    return TRUE;
  for (unsigned shift = 0; shift < 64; shift += 32)
    if ((uint32_t) (a >> shift) != (uint32_t) (b >> shift) && !entries_alike ((uint32_t) (a >> shift), (uint32_t) (b >> shift))
        && !flags_alike ((uint32_t) (a >> shift), (uint32_t) (b >> shift)))
      break;
    else if (shift == 32)
      return TRUE;
  for (unsigned shift = 0; shift < 64; shift += 16)
    if ((uint16_t) (a >> shift) != (uint16_t) (b >> shift) && !flags_alike ((uint16_t) (a >> shift), (uint16_t) (b >> shift)))
      return FALSE;
  return TRUE;
}

static gboolean
compare_page (Mirror *mirror, uint64_t at, GString *out)
{
  uint8_t *translated = ram_block_host (mirror->real) + at, *interpreted = ram_block_host (mirror->mirror) + at;
  gboolean equal = TRUE;

  if (memcmp (translated, interpreted, GUEST_PAGE_SIZE) == 0)
    return TRUE;
  for (unsigned i = 0; i < GUEST_PAGE_SIZE; i += 8)
    {
      uint64_t a, b;

      memcpy (&a, translated + i, 8);
      memcpy (&b, interpreted + i, 8);
      if (a == b)
        continue;
      if (words_alike (a, b))
        continue;
      equal = FALSE;
      if (out != NULL)
        g_string_append_printf (out, "memory %" G_GINT64_MODIFIER "x: translated %016" G_GINT64_MODIFIER "x interpreted %016" G_GINT64_MODIFIER "x\n",
                                at + i, a, b);
      if (out != NULL && out->len > TEXT_MAX)
        break;
    }
  return equal;
}

/* From @page on: the next that was written in this slice, or just the next. */
static uint64_t
next_page (const Mirror *mirror, uint64_t page, uint64_t pages, gboolean all)
{
  const uint8_t *dirty = ram_block_dirty (mirror->mirror), *at;

  if (all)
    return page;
  at = memchr (dirty + page, 1, pages - page);
  return at != NULL ? (uint64_t) (at - dirty) : pages;
}

gboolean
mirror_compare (Lockstep *ls, gboolean all, GString *out)
{
  gboolean equal = TRUE;

  for (guint i = 0; i < ls->mirrors->len; i++)
    {
      Mirror *mirror = &g_array_index (ls->mirrors, Mirror, i);
      uint64_t pages = ram_block_size (mirror->real) >> GUEST_PAGE_SHIFT;

      if (!mirror->is_compared)
        continue;
      for (uint64_t page = next_page (mirror, 0, pages, all); page < pages; page = next_page (mirror, page + 1, pages, all))
        {
          equal &= compare_page (mirror, page << GUEST_PAGE_SHIFT, out);
          if (!equal && out == NULL)
            return FALSE;
        }
    }
  return equal;
}

void
mirror_commit (Lockstep *ls)
{
  for (guint i = 0; i < ls->mirrors->len; i++)
    {
      Mirror *mirror = &g_array_index (ls->mirrors, Mirror, i);
      uint64_t size = ram_block_size (mirror->real), pages = size >> GUEST_PAGE_SHIFT;
      uint8_t *at = mirror->written;

      ram_block_collect_dirty (mirror->mirror, 0, pages, mirror->written);
      /* Devices write it unseen. */
      if (!mirror->is_compared && ls->has_vram_changed)
        memcpy (ram_block_host (mirror->mirror), ram_block_host (mirror->real), MIN (size, 1 << 18));
      while ((at = memchr (at, 1, pages - (uint64_t) (at - mirror->written))) != NULL)
        {
          uint64_t offset = (uint64_t) (at - mirror->written) << GUEST_PAGE_SHIFT;

          /* Also where they may differ they agree from now on. */
          if (memcmp (ram_block_host (mirror->mirror) + offset, ram_block_host (mirror->real) + offset, GUEST_PAGE_SIZE) != 0)
            memcpy (ram_block_host (mirror->mirror) + offset, ram_block_host (mirror->real) + offset, GUEST_PAGE_SIZE);
          memcpy (mirror->begin + offset, ram_block_host (mirror->real) + offset, GUEST_PAGE_SIZE);
          *at = 0;
        }
    }
  ls->has_vram_changed = FALSE;
}
