/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A bare board with the IDE function, a disk as drive 0 and a CD drive as drive 2, and what drives them. */
#pragma once

#include "engine/devices/storage/ide.h"
#include "tests/unit/disk-controllers/media.h"
#include "tests/unit/platform/board.h"

enum
{
  SECTOR = 512, CD_SECTOR = 2048,
  DATA = 0, ERROR, COUNT, LBA_LOW, LBA_MID, LBA_HIGH, DEVICE, STATUS, FEATURE = ERROR, COMMAND = STATUS,
  CONTROL = 0x206,
  BSY = 0x80, DRDY = 0x40, DSC = 0x10, DRQ = 0x08, ERR = 0x01, SRST = 4, NIEN = 2, HOB = 0x80,
  ABRT = 4, IDNF = 0x10, IRQ_DISK = 14, IRQ_CD = 15,
  BM = 0xc000, BM_STATUS = 2, BM_TABLE = 4, BM_START = 1, BM_TO_MEMORY = 8, BM_ACTIVE = 1, BM_ERROR = 2, BM_IRQ = 4,
  CONFIG_BM = 0x20, PRDS = 0x1000, TARGET = 0x10000, STATE_ROUNDS = 60
};

typedef struct
{
  Board *board;
  Device *ide;
  Disk *disk, *disc;
  int disk_fd, disc_fd;
} Drives;

void drives_setup (Drives *t, gconstpointer unused);
void drives_teardown (Drives *t, gconstpointer unused);

/* Task file registers of channel 0 (the disk) and 1 (the CD drive). */
uint8_t drives_in (Drives *t, unsigned channel, unsigned reg);
void drives_out (Drives *t, unsigned channel, unsigned reg, uint32_t value);
/* Lets the drive work and returns its alternate status, which leaves the interrupt alone. */
uint8_t settle (Drives *t, unsigned channel);
/* The command has ended well, or with @error, and with an interrupt. */
void expect_done (Drives *t, unsigned channel);
void expect_failed (Drives *t, unsigned channel, uint8_t error);

/* An ATA command with a 28-bit address. */
void ata (Drives *t, uint8_t code, uint32_t lba, unsigned count);
/* A packet command; @limit: the largest block by PIO. */
void packet (Drives *t, const uint8_t cdb[12], unsigned limit, gboolean dma);
#define PACKET(t, limit, dma, ...) packet ((t), (const uint8_t[12]) { __VA_ARGS__ }, (limit), (dma))

/* The data port. */
void read_data (Drives *t, unsigned channel, uint8_t *data, unsigned bytes);
void write_data (Drives *t, unsigned channel, const uint8_t *data, unsigned bytes);
/* A block is there that holds what lies @from bytes after the begin of @sector. */
void expect_block (Drives *t, unsigned channel, unsigned sector, unsigned sector_size, unsigned from, unsigned bytes);

void bus_master (Drives *t, unsigned channel, uint32_t value);
uint8_t bus_master_status (Drives *t, unsigned channel);
/* Region descriptors for @bytes from TARGET on, regions of @each bytes. */
void set_prds (Drives *t, unsigned channel, unsigned bytes, unsigned each);
void poke (Drives *t, uint64_t at, uint64_t value, unsigned size);
void expect_memory (Drives *t, unsigned sector, unsigned sector_size, unsigned bytes);
