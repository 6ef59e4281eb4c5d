/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Drives, channels and transfers of the IDE function, shared by its files.
 * Specification: ATA/ATAPI-6 (T13 1410D); SFF-8038i, bus-master programming;
 * Intel 82371SB data sheet, chapter 2.3.
 */
#pragma once

#include "engine/bus/pci.h"
#include "engine/devices/storage/ide.h"

enum
{
  STATUS_ERR = 1 << 0, STATUS_DRQ = 1 << 3, STATUS_DSC = 1 << 4, STATUS_DF = 1 << 5, STATUS_DRDY = 1 << 6,
  STATUS_BSY = 1 << 7, ERROR_ABRT = 1 << 2, ERROR_IDNF = 1 << 4, ERROR_UNC = 1 << 6,
  DEVICE_UNIT = 1 << 4, DEVICE_LBA = 1 << 6, CONTROL_NIEN = 1 << 1, CONTROL_SRST = 1 << 2, CONTROL_HOB = 1 << 7,
  IDE_SECTOR = 512, CD_SECTOR = 2048, MULTIPLE_MAX = 16, BUFFER_SECTORS = 256,
  BUFFER_SIZE = BUFFER_SECTORS * IDE_SECTOR, PACKET_SIZE = 12, SENSE_SIZE = 18,
  BM_COMMAND_START = 1 << 0, BM_COMMAND_TO_MEMORY = 1 << 3, BM_STATUS_ACTIVE = 1 << 0, BM_STATUS_ERROR = 1 << 1,
  BM_STATUS_IRQ = 1 << 2, BM_STATUS_DMA_CAPABLE = 3 << 5
};

typedef struct IdeChannel IdeChannel;
typedef struct IdeDrive IdeDrive;
typedef struct Ide Ide;

typedef enum { IDE_NONE, IDE_DISK, IDE_CDROM } IdeKind;

/* What is to happen with the data in the buffer, or once there is some. */
typedef enum
{
  PHASE_IDLE,
  PHASE_PIO_IN,       /* the guest reads buffer[at … end) */
  PHASE_PIO_OUT,      /* the guest writes it */
  PHASE_PACKET,       /* the guest writes a command packet */
  PHASE_DMA_IN,       /* waits for, or is in, a bus-master transfer */
  PHASE_DMA_OUT,
} IdePhase;

/* What follows when the disk is done with a request. */
typedef enum
{
  IDE_THEN_PIO_READ, IDE_THEN_DMA_READ, IDE_THEN_PIO_WRITTEN, IDE_THEN_DMA_WRITTEN, IDE_THEN_TRIM, IDE_THEN_COMPLETE,
  IDE_THEN_PACKET_DATA
} IdeThen;

struct IdeDrive
{
  IdeChannel *channel;
  IdeKind kind;
  Disk *disk;
  char serial[21];

  /* Task file; the second of each pair holds the value before the last (48-bit commands). */
  uint8_t feature[2], count[2], lba_low[2], lba_mid[2], lba_high[2], device, error, status;
  uint8_t command, multiple, write_cache, dma_mode;
  uint32_t heads, sectors; /* as INITIALIZE DEVICE PARAMETERS left them */

  /* The command under way. */
  IdePhase phase;
  gboolean busy;           /* a request is with the disk */
  uint64_t lba;            /* next sector */
  uint32_t left;           /* sectors still to be moved */
  uint32_t chunk;          /* sectors in the buffer */
  uint32_t at, end;        /* bytes of the buffer */
  gboolean dma, lba48;
  uint32_t pio_block;      /* sectors a DRQ block */

  /* Where the bus master is in the region descriptors. */
  uint32_t prd_next, prd_address, prd_left;
  gboolean prd_last;

  /* ATAPI. */
  uint8_t packet[PACKET_SIZE], sense_key, asc, ascq;
  uint16_t byte_limit;
  uint32_t reply;          /* bytes of a reply that is not read from the disc */
  gboolean from_disc;
  uint8_t locked, tray_open, unit_attention, media_event;

  DiskRequest request;
  uint32_t request_op, request_length; /* what it asks for, to ask again after a load */
  uint64_t request_offset;
  IdeThen then;
  gboolean cancelled;      /* reset while a request was under way: drop its result */
  uint32_t saved_kind;
  uint8_t buffer[BUFFER_SIZE];
};

struct IdeChannel
{
  Ide *ide;
  unsigned index;
  IdeDrive drives[IDE_UNITS];
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
  IdeCounters counters;
};

/* ide.c */
void ide_set_irq (IdeDrive *drive);
void ide_clear_irq (IdeChannel *channel);
/* Ends the command: status DRDY, with an interrupt. */
void ide_complete (IdeDrive *drive);
void ide_abort (IdeDrive *drive, uint8_t error);
/* Hands the buffer to the guest, or asks it to fill it: @bytes from the start. */
void ide_pio (IdeDrive *drive, IdePhase phase, uint32_t bytes);
/* Sends a request for the buffer to the disk; @then says what its completion goes on with. */
void ide_submit (IdeDrive *drive, DiskOp op, uint64_t offset, uint32_t length, IdeThen then);
/* Sends the last one again. */
void ide_resubmit (IdeDrive *drive);
/* What the guest sees of a reset, or of its end if the disk is still busy. */
void ide_reset_drive (IdeDrive *drive);
void ide_drive_irq (IdeChannel *channel);
void ide_execute_diagnostic (IdeChannel *channel);
void ide_set_signature (IdeDrive *drive);

/* ide-bmdma.c: moves the buffer's @bytes when the guest has started the bus master; TRUE when they have been moved. */
gboolean ide_dma_ready (IdeChannel *channel);
gboolean ide_dma_transfer (IdeDrive *drive, uint32_t bytes, gboolean to_memory);
/* The command's transfer is over. */
void ide_dma_end (IdeChannel *channel);
extern const PioOps ide_bmdma_ops;

/* ide-state.c */
extern const StateField ide_state_fields[];
void ide_before_save (Device *dev);
gboolean ide_before_load (Device *dev, GError **error);
gboolean ide_after_load (Device *dev, GError **error);

/* ide-ata.c */
void ata_disk_done (IdeDrive *drive, const GError *error);
void ata_command (IdeDrive *drive, uint8_t command);
void ata_pio_done (IdeDrive *drive);   /* the buffer has been read or written whole */
void ata_dma_started (IdeDrive *drive);

/* ide-atapi.c */
void atapi_disk_done (IdeDrive *drive, const GError *error);
void atapi_command (IdeDrive *drive, uint8_t command);
void atapi_packet (IdeDrive *drive);
void atapi_pio_done (IdeDrive *drive);
void atapi_dma_started (IdeDrive *drive);
void atapi_identify (IdeDrive *drive, uint8_t out[512]);
void atapi_disc_changed (IdeDrive *drive);

/* Puts an ATA string: padded with spaces, bytes swapped in pairs. */
void ide_put_string (uint8_t *out, const char *text, unsigned length);
