/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a CD/DVD drive does with its command packets, whatever they come by: ATAPI or SCSI. Whoever has the drive moves
 * the data, reads the disc and takes it out.
 * Specification: MMC-3 (T10 1363D) and SPC-2 (T10 1236D).
 */
#pragma once

#include "storage/disk/disk.h"

enum
{
  CD_SECTOR = 2048,
  MMC_PACKET_SIZE = 12,
  MMC_REPLY_MAX = 2052,
  SENSE_NONE = 0,
  SENSE_NOT_READY = 2,
  SENSE_MEDIUM_ERROR = 3,
  SENSE_ILLEGAL_REQUEST = 5,
  SENSE_UNIT_ATTENTION = 6,
  ASC_READ_ERROR = 0x11,
  ASC_NO_MEDIUM = 0x3a
};

/* To be saved: each is a byte. */
typedef struct
{
  uint8_t sense_key, asc, ascq; /* of the last command */
  uint8_t locked, tray_open, unit_attention, media_event;
} MmcDrive;

typedef enum
{
  MMC_GOOD,
  MMC_CHECK, /* it failed: the drive's sense says why */
  MMC_REPLY, /* with @length bytes of data */
  MMC_READ,  /* @count sectors from @lba on are to be read; they are on the disc */
  MMC_EJECT  /* good, and the disc, if there is one, is to be taken out */
} MmcOutcome;

typedef struct
{
  MmcOutcome outcome;
  uint32_t length;
  uint64_t lba;
  uint32_t count;
} MmcAnswer;

/* Carries out a packet; @disc NULL: the drive is empty. @reply has room for MMC_REPLY_MAX bytes. */
MmcAnswer mmc_command (MmcDrive *drive, const Disk *disc, const uint8_t packet[MMC_PACKET_SIZE], uint8_t *reply);
/* The command fails, or went well after all. */
void mmc_set_sense (MmcDrive *drive, uint8_t key, uint8_t asc);
/* A disc was put in, or the drive is empty now. */
void mmc_disc_changed (MmcDrive *drive, gboolean present);
