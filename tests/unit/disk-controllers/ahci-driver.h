/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A guest's driver of the AHCI controller on the test board, with a disk at port 0 and a CD drive at port 1. */
#pragma once

#include "engine/devices/storage/ahci-private.h"
#include "tests/unit/disk-controllers/media.h"
#include "tests/unit/platform/board.h"

enum
{
  ABAR = 0xe0000000,
  CONFIG_ABAR = 0x24,
  DISK = 0,
  CD = 1,
  EMPTY = 2,
  IRQ = 11,
  TARGET = 0x40000,
  TABLES = 0x10000,
  TABLE_SIZE = 0x400,
  SOURCE = 0xe0000,
  WRITE = 1 << 6,
  LBA = 0x40,
  STATE_ROUNDS = 60,
  TAGS = SLOTS - 1,
  OUTSIDE = 0x8000000
};
#define ALL 0xffffffffu

typedef struct
{
  Board *board;
  Device *ahci;
  Disk *disk, *disc;
  int disk_fd, disc_fd;
} Sata;

uint32_t sata_get (Sata *t, unsigned reg);
void sata_set (Sata *t, unsigned reg, uint32_t value);
uint32_t sata_port_get (Sata *t, unsigned port, unsigned reg);
void sata_port_set (Sata *t, unsigned port, unsigned reg, uint32_t value);
uint8_t *sata_memory (Sata *t, uint32_t address);
uint32_t sata_list_of (unsigned port);
uint32_t sata_received (unsigned port, unsigned where);
uint32_t sata_table_of (unsigned port, unsigned slot);
/* What a driver does to a port first. */
void sata_start_port (Sata *t, unsigned port);
void sata_setup (Sata *t, gconstpointer unused);
void sata_setup_started (Sata *t, gconstpointer unused);
void sata_teardown (Sata *t, gconstpointer unused);
/* A command's table with regions of @each bytes from @address on; it is not issued yet. */
uint8_t *
sata_prepare (Sata *t, unsigned port, unsigned slot, uint32_t flags, uint32_t address, uint32_t bytes, uint32_t each);
void sata_put_fis (uint8_t *fis, uint8_t command, uint64_t lba, unsigned count);
void sata_put_queued (uint8_t *fis, uint8_t command, unsigned tag, uint64_t lba, unsigned count);
/* Lets the disks work until the slots and tags are free, or the port has stopped at an error. */
void sata_settle (Sata *t, unsigned port);
/* Issues one command and waits for its end. */
void sata_finish (Sata *t, unsigned port, unsigned slot);
void sata_ata (Sata *t, uint8_t command, uint32_t flags, uint64_t lba, unsigned count, uint32_t bytes, uint32_t each);
void sata_expect_good (Sata *t, unsigned port, uint32_t cause);
/* The port has stopped with @error; then it is started anew. */
void sata_expect_bad (Sata *t, unsigned port, uint8_t error);
void sata_expect_contents (Sata *t, uint32_t address, unsigned sector, unsigned sector_size, unsigned bytes);
uint32_t sata_moved (Sata *t, unsigned port, unsigned slot);
