/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Dirty logs of what windows show: a page whose log does not have it yet is closed
 * to stores, and the fault of the first one opens it. Pages stay where they are
 * laid in when a log comes and goes.
 */

#include "engine/cpu/jit/window-private.h"

#include <sys/mman.h>

/* A change of protection that neighbours may yet join, as each change is a system call. */
typedef struct
{
  uint8_t *start, *end;
  int protection;
  gboolean failed;
} Change;

static void
carry_out (Change *change)
{
  if (change->start != NULL && mprotect (change->start, (size_t) (change->end - change->start), change->protection) != 0)
    change->failed = TRUE;
  change->start = NULL;
}

static void
change_page (JitWindows *w, Change *change, Extent *extent, unsigned page, gboolean readonly)
{
  uint8_t *at = place_of (w, extent) + page * GUEST_PAGE_SIZE;
  int protection = readonly ? PROT_READ : PROT_READ | PROT_WRITE;

  set_readonly (extent, page, readonly);
  if (change->start != NULL && change->protection == protection && at == change->end)
    change->end += GUEST_PAGE_SIZE;
  else if (change->start != NULL && change->protection == protection && at + GUEST_PAGE_SIZE == change->start)
    change->start = at;
  else
    {
      carry_out (change);
      *change = (Change) { at, at + GUEST_PAGE_SIZE, protection, change->failed };
    }
}

/* What is not as it should be must not stay. */
static void
finish_changes (JitWindows *w, Change *change)
{
  carry_out (change);
  if (!change->failed)
    return;
  w->is_exhausted = TRUE;
  jit_windows_flush_all (w, FALSE);
}

static void
set_split (JitWindows *w, Extent *extent, gboolean split)
{
  w->split_count += split;
  w->split_count -= extent->is_split;
  extent->is_split = split;
}

/* A large page's part around @page, for the first store to it since its log was emptied: parts of all take too many mappings. */
gboolean
jit_windows_open_logged (JitWindows *w, Extent *extent, unsigned page)
{
  unsigned grain = ram_block_dirty_grain (extent->block), first = page & ~(grain - 1), end = first + grain;
  Change change = { 0 };

  if (!extent->is_split && w->split_count >= SPLIT_MAX / MAX (w->cpu->system->cpu_count, 1))
    {
      first = 0;
      end = extent->pages;
    }
  else
    set_split (w, extent, TRUE);
  for (unsigned i = first; i < end; i++)
    if (is_readonly (extent, i) && !x86_code_page_is_watched (w->cpu, extent->host + i * GUEST_PAGE_SIZE))
      {
        __atomic_store_n (&extent->dirty[i], 1, __ATOMIC_SEQ_CST);
        change_page (w, &change, extent, i, FALSE);
      }
  finish_changes (w, &change);
  return !change.failed;
}

void
jit_windows_protect_logged (JitWindows *w)
{
  Change change = { 0 };

  for (unsigned i = 0; i < WINDOW_COUNT; i++)
    for (Extent *e = w->window[i].extents; e != NULL; e = e->window_next)
      if (e->dirty != NULL && e->is_writable)
        {
          gboolean any = FALSE;

          for (unsigned page = 0; page < e->pages; page++)
            if (!is_readonly (e, page))
              {
                if (is_noticed (e->dirty + page))
                  any = TRUE;
                else
                  change_page (w, &change, e, page, TRUE);
              }
          if (e->is_split && !any)
            set_split (w, e, FALSE);
        }
  finish_changes (w, &change);
}

void
jit_windows_find_logs (JitWindows *w)
{
  Change change = { 0 };

  for (unsigned i = 0; i < WINDOW_COUNT; i++)
    for (Extent *e = w->window[i].extents; e != NULL; e = e->window_next)
      {
        uint8_t *log = ram_block_dirty (e->block);

        e->dirty = log != NULL ? log + ((uint64_t) (e->host - ram_block_host (e->block)) >> GUEST_PAGE_SHIFT) : NULL;
        set_split (w, e, FALSE);
        for (unsigned page = 0; e->is_writable && page < e->pages; page++)
          if (is_readonly (e, page) != (log != NULL)
              && (log != NULL || !x86_code_page_is_watched (w->cpu, e->host + page * GUEST_PAGE_SIZE)))
            change_page (w, &change, e, page, log != NULL);
      }
  finish_changes (w, &change);
}
