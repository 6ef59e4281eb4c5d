/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A virtio block device on the test board, over a raw disk in memory, and a driver that makes requests of it. */
#pragma once

#include "engine/devices/virtio/blk.h"
#include "tests/unit/virtio/driver.h"

enum
{
  SECTORS = 8192,
  SECTOR = 512,
  HEADERS = 0x20000,
  STATUSES = 0x21000,
  TABLE = 0x24000,
  DATA = 0x40000,
  READ = 0,
  WRITE = 1,
  FLUSH = 4,
  GET_ID = 8,
  DISCARD = 11,
  ZEROES = 13,
  OK = 0,
  IOERR = 1,
  UNSUPPORTED = 2,
  F_RO = 5,
  F_FLUSH = 9,
  F_WCE = 11,
  F_MQ = 12,
  F_DISCARD = 13,
  F_ZEROES = 14,
  WRITEBACK = 32,
  UNTOUCHED = 0xee
};

#define ALL   G_MAXUINT64
#define PLAIN (G_MAXUINT64 & ~(VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX))

typedef struct
{
  Board *board;
  Driver g;
  Device *dev;
  Disk *disk;
  int fd;
} Blk;

/* What the disk holds at first. */
uint8_t blk_content (uint64_t at);
Device *blk_new_device (Disk *disk);
/* For g_test_add(). @legacy: not NULL for the way of the time before virtio 1.0. */
void blk_setup (Blk *t, gconstpointer legacy);
void blk_setup_read_only (Blk *t, gconstpointer legacy);
void blk_teardown (Blk *t, gconstpointer unused);

/* Prepares request @n, with one segment of data, in three descriptors, and offers it. */
void blk_offer (Blk *t, unsigned queue, unsigned n, uint32_t type, uint64_t sector, uint64_t data, uint32_t length);
unsigned blk_status (Blk *t, unsigned n);
/* Makes one and waits for it: its status. */
unsigned blk_request (Blk *t, uint32_t type, uint64_t sector, uint64_t data, uint32_t length, uint32_t *written);
void blk_expect (Blk *t, uint64_t address, uint64_t at, uint64_t length);
/* Lets the disk do what it was asked for, and the device tell of it. */
void blk_settle (Blk *t);
