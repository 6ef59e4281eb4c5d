/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ATA disks and ATAPI drives: task file, commands and their data, whatever the
 * drive hangs on. A channel of the IDE function and a port of an AHCI
 * controller give it a way to move data, and take its interrupts.
 * Specification: ATA/ATAPI-6 (T13 1410D); for SATA ATA8-ACS (T13 1699D).
 */
#pragma once

#include "engine/bus/pci.h"
#include "engine/devices/storage/disk-counters.h"
#include "engine/devices/storage/mmc.h"
#include "storage/disk/disk.h"

enum
{
  STATUS_ERR = 1 << 0, STATUS_DRQ = 1 << 3, STATUS_DSC = 1 << 4, STATUS_DF = 1 << 5, STATUS_DRDY = 1 << 6,
  STATUS_BSY = 1 << 7, ERROR_ABRT = 1 << 2, ERROR_IDNF = 1 << 4, ERROR_UNC = 1 << 6,
  DEVICE_UNIT = 1 << 4, DEVICE_LBA = 1 << 6, ATA_SECTOR = 512, MULTIPLE_MAX = 16,
  BUFFER_SECTORS = 256, BUFFER_SIZE = BUFFER_SECTORS * ATA_SECTOR, PACKET_SIZE = MMC_PACKET_SIZE, ATA_QUEUE = 32,
  ATA_HEADS_MAX = 16, ATA_SECTORS_MAX = 255
};

typedef struct AtaDrive AtaDrive;

typedef enum { ATA_NONE, ATA_DISK, ATA_CDROM } AtaKind;

/* What is to happen with the data in the buffer, or once there is some. */
typedef enum
{
  PHASE_IDLE,
  PHASE_PIO_IN,       /* the guest reads buffer[at … end) */
  PHASE_PIO_OUT,      /* the guest writes it */
  PHASE_PACKET,       /* the guest writes a command packet */
  PHASE_DMA_IN,       /* waits for, or is in, a bus-master transfer */
  PHASE_DMA_OUT,
} AtaPhase;

/* What follows when the disk is done with a request. */
typedef enum
{
  ATA_THEN_PIO_READ, ATA_THEN_DMA_READ, ATA_THEN_PIO_WRITTEN, ATA_THEN_DMA_WRITTEN, ATA_THEN_TRIM, ATA_THEN_COMPLETE,
  ATA_THEN_PACKET_DATA
} AtaThen;

/* What a drive hangs on. The machine lock is held. */
typedef struct
{
  void (*attention) (AtaDrive *drive);   /* INTRQ: a block of data is there or wanted, or the command has ended */
  gboolean (*dma_ready) (AtaDrive *drive); /* FALSE: ata_dma_started() will be called later */
  /* Moves the buffer's first @bytes; FALSE when the guest has not given room or data for as many. */
  gboolean (*dma_transfer) (AtaDrive *drive, uint32_t bytes, gboolean to_memory);
  void (*dma_end) (AtaDrive *drive, gboolean failed); /* the command's transfers are over */
  void (*diagnostic) (AtaDrive *drive);  /* EXECUTE DEVICE DIAGNOSTIC, which is for all drives of the cable */
  gboolean (*in_reset) (AtaDrive *drive); /* SRST is still set */
  void (*request_done) (AtaDrive *drive); /* after the drive has gone on with what the disk gave it */
  void (*ejected) (AtaDrive *drive);     /* the guest has ejected the disc */
} AtaHost;

struct AtaDrive
{
  const AtaHost *host;
  void *bus;               /* the host's: what the drive hangs on */
  MachineLock *lock;
  DiskCounters *counters;
  gboolean is_serial;      /* ATA over SATA */
  gboolean is_slave;
  AtaKind kind;
  Disk *disk;
  char serial[21];

  /* Task file; the second of each pair holds the value before the last (48-bit commands). */
  uint8_t feature[2], count[2], lba_low[2], lba_mid[2], lba_high[2], device, error, status;
  uint8_t command, multiple, write_cache, dma_mode;
  uint32_t heads, sectors; /* as INITIALIZE DEVICE PARAMETERS left them */

  /* The command under way. */
  AtaPhase phase;
  gboolean busy;           /* a request is with the disk */
  uint64_t lba;            /* next sector */
  uint32_t left;           /* sectors still to be moved */
  uint32_t chunk;          /* sectors in the buffer */
  uint32_t at, end;        /* bytes of the buffer */
  gboolean dma, lba48;
  uint32_t pio_block;      /* sectors a DRQ block */

  /* Where the IDE bus master is in the region descriptors. */
  uint32_t prd_next, prd_address, prd_left;
  gboolean prd_last;

  /* ATAPI. */
  uint8_t packet[PACKET_SIZE];
  MmcDrive mmc;
  uint16_t byte_limit;
  uint32_t reply;          /* bytes of a reply that is not read from the disc */
  gboolean from_disc;

  DiskRequest request;
  uint32_t request_op, request_length; /* what it asks for, to ask again after a load */
  uint64_t request_offset;
  AtaThen then;
  gboolean cancelled;      /* reset while a request was under way: drop its result */
  uint32_t saved_kind;
  uint8_t buffer[BUFFER_SIZE];
};

/* ata.c */

/* Before a drive is used; @number tells its serial number. */
void ata_drive_init (AtaDrive *drive, const AtaHost *host, MachineLock *lock, DiskCounters *counters, unsigned number);
/* Lets go of the disk, for good. */
void ata_drive_exit (AtaDrive *drive);
void ata_attention (AtaDrive *drive);
gboolean ata_dma_ready (AtaDrive *drive);
gboolean ata_dma_transfer (AtaDrive *drive, uint32_t bytes, gboolean to_memory);
void ata_dma_end (AtaDrive *drive, gboolean failed);
/* Carries out a command whose registers have been written. */
void ata_execute (AtaDrive *drive, uint8_t command);
/* The guest has read or written the buffer from @at to @end. */
void ata_block_done (AtaDrive *drive);
/* Ends the command: status DRDY, with an interrupt. */
void ata_complete (AtaDrive *drive);
void ata_abort (AtaDrive *drive, uint8_t error);
/* Hands the buffer to the guest, or asks it to fill it: @bytes from the start. */
void ata_pio (AtaDrive *drive, AtaPhase phase, uint32_t bytes);
/* Sends a request for the buffer to the disk; @then says what its completion goes on with. */
void ata_submit (AtaDrive *drive, DiskOp op, uint64_t offset, uint32_t length, AtaThen then);
/* Sends the last one again. */
void ata_resubmit (AtaDrive *drive);
/* What the guest sees of a reset, or of its end if the disk is still busy. */
void ata_reset_drive (AtaDrive *drive);
/* As it is when power comes on. */
void ata_power_on (AtaDrive *drive);
void ata_set_signature (AtaDrive *drive);
/* Puts a disc in or, with NULL, takes it out; refused while the guest has locked it (unless @force) and
 * (G_IO_ERROR_WOULD_BLOCK) while the drive reads. @name: in errors. */
gboolean ata_set_disc (AtaDrive *drive, Disk *disk, gboolean force, GMainContext *context, const char *name, GError **error);
/* Puts an ATA string: padded with spaces, bytes swapped in pairs. */
void ata_put_string (uint8_t *out, const char *text, unsigned length);

/* ata-disk.c */
void ata_disk_done (AtaDrive *drive, const GError *error);
void ata_command (AtaDrive *drive, uint8_t command);
void ata_pio_done (AtaDrive *drive);   /* the buffer has been read or written whole */
void ata_dma_started (AtaDrive *drive);

/* ata-packet.c */
void atapi_disk_done (AtaDrive *drive, const GError *error);
void atapi_command (AtaDrive *drive, uint8_t command);
void atapi_packet (AtaDrive *drive);
void atapi_pio_done (AtaDrive *drive);
void atapi_dma_started (AtaDrive *drive);
void atapi_identify (AtaDrive *drive, uint8_t out[512]);
