/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a SCSI disk does with its commands, whatever they come by. Whoever has the disk moves the data, and reads and
 * writes it.
 * Specification: SPC-3 (T10 1416D), SBC-3 (T10 BSR INCITS 514).
 */
#pragma once

#include "storage/disk/disk.h"

enum
{
  SCSI_SECTOR = 512,
  SCSI_CDB_SIZE = 16,
  SCSI_REPLY_MAX = 512,
  SCSI_SENSE_SIZE = 18,
  SCSI_STATUS_GOOD = 0x00,
  SCSI_STATUS_CHECK = 0x02,
  SCSI_UNMAP_RANGES_MAX = 64,
  SCSI_UNMAP_SIZE_MAX = 8 + 16 * SCSI_UNMAP_RANGES_MAX,
  SCSI_TEST_UNIT_READY = 0x00,
  SCSI_REQUEST_SENSE = 0x03,
  SCSI_INQUIRY = 0x12,
  SCSI_REPORT_LUNS = 0xa0,
  SCSI_ABORTED_COMMAND = 0x0b, /* a sense key, as those of mmc.h */
  SCSI_ASC_RESET = 0x29,
  SCSI_ASC_WRITE_ERROR = 0x0c,
  SCSI_ASC_LUN_NOT_SUPPORTED = 0x25
};

/* To be saved: each is a byte. */
typedef struct
{
  uint8_t sense_key, asc, ascq; /* of the last command */
  uint8_t attention;            /* what the guest is to be told of first: an additional sense code, 0: nothing */
} ScsiDisk;

typedef enum
{
  SCSI_GOOD,
  SCSI_CHECK, /* it failed: the sense says why */
  SCSI_REPLY, /* with @length bytes of data */
  SCSI_READ,  /* @count sectors from @lba on, which are on the disk */
  SCSI_WRITE, /* the same; durable at once if @force */
  SCSI_FLUSH,
  SCSI_SAME,  /* a sector of data, if @length is not 0, is to be written @count times from @lba on; else zeroes are */
  SCSI_UNMAP  /* @length bytes of parameters are for scsi_disk_ranges() */
} ScsiOutcome;

typedef struct
{
  ScsiOutcome outcome;
  uint32_t length;
  uint64_t lba, count;
  gboolean force;
} ScsiAnswer;

/* A range of sectors. */
typedef struct
{
  uint64_t lba, count;
} ScsiRange;

/* Carries out a command. @serial: of the disk, up to 20 characters; @reply has room for SCSI_REPLY_MAX bytes. */
ScsiAnswer scsi_disk_command (ScsiDisk *scsi, const Disk *disk, const char *serial, const uint8_t cdb[SCSI_CDB_SIZE],
                              uint8_t *reply);
/* Takes UNMAP's parameters apart; FALSE: they make no sense, as the sense says. */
gboolean scsi_disk_ranges (ScsiDisk *scsi, const Disk *disk, const uint8_t *parameters, uint32_t length,
                           ScsiRange ranges[SCSI_UNMAP_RANGES_MAX], unsigned *count);
void scsi_disk_set_sense (ScsiDisk *scsi, uint8_t key, uint8_t asc);
/* Fixed-format sense data. */
void scsi_put_sense (uint8_t out[SCSI_SENSE_SIZE], uint8_t key, uint8_t asc, uint8_t ascq);
