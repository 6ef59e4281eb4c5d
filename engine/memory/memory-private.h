/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the files of engine/memory share. */
#pragma once

#include "engine/memory/address-space.h"

typedef struct RamLoader RamLoader;

struct RamBlock
{
  uint64_t size;
  uint8_t *host;
  int fd;
  AddressSpace *as;   /* whose processors write it, once the dirty log is on */
  uint8_t *dirty;     /* a byte a page; NULL: no log */
  unsigned grain;
  uint8_t *reported;  /* what the last collection found */
  RamLoader *loader;  /* NULL: everything is here */
  gboolean has_dma;
};

/* Makes a new view from the regions and publishes it; @only_logs differ from the one before. */
void address_space_rebuild (AddressSpace *as, gboolean only_logs);
void address_space_notify_cleaned (AddressSpace *as);
/* Has what is logged elsewhere of writes to @block entered in its log. */
void address_space_collect_dirty (AddressSpace *as, RamBlock *block);
