/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The floppy controller's state, shared by its files: floppy.c has the
 * registers and commands, floppy-transfer.c moves data, floppy-media.c knows
 * what disks there are.
 * Specification: Intel 82077AA data sheet (290166-007).
 */
#pragma once

#include "engine/devices/platform/i8237.h"
#include "engine/devices/storage/floppy.h"

enum
{
  FLOPPY_SECTOR = 512, FLOPPY_UNITS = 4, FLOPPY_SECTORS_MAX = 36, FLOPPY_TRACK_MAX = FLOPPY_SECTORS_MAX * FLOPPY_SECTOR,
  FLOPPY_FIFO = 16, FLOPPY_DMA = 2, FLOPPY_SIZE_CODE = 2, /* 512 bytes */
  ST0_HEAD = 1 << 2, ST0_EQUIPMENT_CHECK = 1 << 4, ST0_SEEK_END = 1 << 5, ST0_ABNORMAL = 1 << 6, ST0_INVALID = 1 << 7,
  ST0_POLLING = 3 << 6,
  ST1_MISSING_ADDRESS = 1 << 0, ST1_NOT_WRITABLE = 1 << 1, ST1_NO_DATA = 1 << 2, ST1_DATA_ERROR = 1 << 5,
  ST1_END = 1 << 7,
  ST2_WRONG_CYLINDER = 1 << 4, ST2_DATA_ERROR = 1 << 5, ST2_CONTROL_MARK = 1 << 6,
  ST3_TWO_SIDE = 1 << 3, ST3_TRACK0 = 1 << 4, ST3_READY = 1 << 5, ST3_WRITE_PROTECT = 1 << 6,
  CONFIG_IMPLIED_SEEK = 1 << 6, CONFIG_NO_FIFO = 1 << 5, CONFIG_THRESHOLD = 15,
  SPECIFY2_NON_DMA = 1 << 0, DOR_SELECT = 3, DOR_NOT_RESET = 1 << 2, DOR_DMA_GATE = 1 << 3, DOR_MOTOR_SHIFT = 4
};

typedef enum { FLOPPY_RATE_500, FLOPPY_RATE_300, FLOPPY_RATE_250, FLOPPY_RATE_1000 } FloppyRate;

typedef struct
{
  uint32_t sectors;       /* on the disk, in all */
  uint8_t cylinders, heads, track; /* track: sectors of one */
  uint8_t cmos_type;      /* of the drive made for it */
} FloppyGeometry;

typedef struct Floppy Floppy;

typedef struct
{
  Floppy *controller;
  gboolean present;
  uint8_t cmos_type;
  Disk *disk;
  const FloppyGeometry *geometry; /* NULL: no disk */
  uint8_t cylinder, changed, seek_done, seek_status, id_sector;
  gboolean unflushed, flushing;
  DiskRequest flush;
} FloppyDrive;

typedef enum { FLOPPY_COMMAND, FLOPPY_EXECUTION, FLOPPY_RESULT } FloppyPhase;
typedef enum { FLOPPY_NONE, FLOPPY_READ, FLOPPY_WRITE, FLOPPY_FORMAT } FloppyTransfer;

struct Floppy
{
  Device parent;
  Device *dma;
  FloppyDrive drives[FLOPPY_DRIVES];

  uint8_t dor, tdr, rate, precompensation, config, specify[2], lock, perpendicular;
  uint8_t phase, irq_level, resets_to_sense;
  uint8_t fifo[FLOPPY_FIFO], fifo_at, fifo_length; /* a command coming in, or a result going out */

  /* The transfer under way. */
  uint8_t transfer, multi_track, deleted;
  uint8_t unit, cylinder, head, sector, size_code, last; /* where it is; @last: EOT */
  uint8_t side;                  /* the head in use; @head is already what the result will say */
  uint8_t fill;                  /* FORMAT */
  uint8_t data_wanted;           /* the buffer waits for, or holds, data that the guest is to move */
  uint32_t run;                  /* sectors in the buffer */
  uint32_t at, end;              /* bytes of the buffer */
  gboolean terminal_count;

  gboolean busy, cancelled;      /* a request is with the disk; a reset came in between */
  DiskRequest request;
  uint32_t request_op, request_length; /* what it asks for, to ask again after a load */
  uint64_t request_offset;
  FloppyCounters counters;
  uint8_t buffer[FLOPPY_TRACK_MAX];
};

/* floppy-media.c: the geometry of an image, or NULL when it is larger than any disk. */
const FloppyGeometry *floppy_geometry_for (uint64_t bytes);
gboolean floppy_rate_fits (const FloppyGeometry *geometry, FloppyRate rate);

/* floppy.c */
FloppyDrive *floppy_drive (Floppy *f, unsigned unit); /* NULL: there is none */
void floppy_raise_irq (Floppy *f);
void floppy_lower_irq (Floppy *f);
void floppy_result (Floppy *f, const uint8_t *bytes, unsigned count);
/* Moves the heads; FALSE when there is no such drive. */
gboolean floppy_seek (Floppy *f, unsigned unit, unsigned cylinder);
/* A reset that waited for the disk is complete. */
void floppy_reset_done (Floppy *f);
/* Whether data is moved by the DMA controller. */
gboolean floppy_uses_dma (const Floppy *f);

/* floppy-transfer.c: the commands with a data phase; parameters in the FIFO. */
void floppy_start_transfer (Floppy *f, FloppyTransfer transfer);
void floppy_start_format (Floppy *f);
void floppy_verify (Floppy *f);
void floppy_read_id (Floppy *f);
/* Sends the last request to the disk again. */
void floppy_resubmit (Floppy *f);
/* The disk was taken away from a transfer that waited for the guest. */
void floppy_media_lost (Floppy *f);
/* The DMA channel has become ready. */
void floppy_dma_granted (void *floppy);
/* The data port, during the execution phase. */
gboolean floppy_pio_ready (const Floppy *f);
uint8_t floppy_pio_read (Floppy *f);
void floppy_pio_write (Floppy *f, uint8_t value);
