/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Channels and transfers of the IDE function, shared by its files.
 * Specification: ATA/ATAPI-6 (T13 1410D); SFF-8038i, bus-master programming;
 * Intel 82371SB data sheet, chapter 2.3.
 */
#pragma once

#include "engine/devices/storage/ata.h"
#include "engine/devices/storage/ide.h"

enum
{
  CONTROL_NIEN = 1 << 1, CONTROL_SRST = 1 << 2, CONTROL_HOB = 1 << 7,
  BM_COMMAND_START = 1 << 0, BM_COMMAND_TO_MEMORY = 1 << 3, BM_STATUS_ACTIVE = 1 << 0, BM_STATUS_ERROR = 1 << 1,
  BM_STATUS_IRQ = 1 << 2, BM_STATUS_DMA_CAPABLE = 3 << 5
};

typedef struct IdeChannel IdeChannel;
typedef struct Ide Ide;

struct IdeChannel
{
  Ide *ide;
  unsigned index;
  AtaDrive drives[IDE_UNITS];
  unsigned selected;
  uint8_t control;
  int irq_level;
  uint8_t bm_command, bm_status;
  uint32_t bm_table;       /* physical region descriptors */
};

struct Ide
{
  PciDevice parent;
  IdeChannel channels[IDE_CHANNELS];
  void (*ejected) (void *opaque, unsigned drive);
  void *ejected_opaque;
  DiskCounters counters;
};

/* ide.c */
IdeChannel *ide_channel_of (AtaDrive *drive);
void ide_drive_irq (IdeChannel *channel);

/* ide-bmdma.c: moves the buffer's @bytes when the guest has started the bus master; TRUE when they have been moved. */
gboolean ide_dma_ready (AtaDrive *drive);
gboolean ide_dma_transfer (AtaDrive *drive, uint32_t bytes, gboolean to_memory);
/* The command's transfer is over. */
void ide_dma_end (AtaDrive *drive, gboolean failed);
extern const PioOps ide_bmdma_ops;

/* ide-state.c */
extern const StateField ide_state_fields[];
void ide_before_save (Device *dev);
gboolean ide_before_load (Device *dev, GError **error);
gboolean ide_after_load (Device *dev, GError **error);
