/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A guest's driver of the NVMe controller on the test board, with the admin queues and one pair of I/O queues. */
#pragma once

#include "engine/devices/storage/nvme-private.h"
#include "tests/unit/platform/board.h"

enum
{
  DRIVER_BASE = 0xfe000000,
  DRIVER_MSIX = 0xfe010000,
  DRIVER_IRQ = 11,
  DRIVER_QUEUE_BASE = 0x10000, /* four pages a pair of queues */
  DRIVER_ENTRIES = 16,
  DRIVER_QUEUES = 3,
  ADMIN = 0,
  IO = 1,
  OP_DELETE_SQ = 0x00,
  OP_CREATE_SQ = 0x01,
  OP_GET_LOG = 0x02,
  OP_DELETE_CQ = 0x04,
  OP_CREATE_CQ = 0x05,
  OP_IDENTIFY = 0x06,
  OP_ABORT = 0x08,
  OP_SET_FEATURES = 0x09,
  OP_GET_FEATURES = 0x0a,
  OP_EVENT = 0x0c,
  OP_FLUSH = 0x00,
  OP_WRITE = 0x01,
  OP_READ = 0x02,
  OP_COMPARE = 0x05,
  OP_ZEROES = 0x08,
  OP_DSM = 0x09
};

typedef struct
{
  uint32_t tail, head;
  gboolean phase;
} DriverPair;

typedef struct
{
  Board *board;
  Device *dev;
  DriverPair pairs[DRIVER_QUEUES];
  uint16_t next_cid;
  unsigned messages; /* that came by MSI-X */
  uint32_t message_data;
} NvmeDriver;

typedef struct
{
  uint8_t opcode;
  uint32_t nsid, cdw10, cdw11, cdw12;
  uint64_t prp1, prp2;
} DriverCommand;

typedef struct
{
  uint32_t result;
  uint16_t cid, status, sq_head;
} DriverAnswer;

/* Puts the device on the board, and its BARs where the driver looks for them. */
void driver_add (NvmeDriver *g, Board *board, Device *dev);
uint32_t driver_get (NvmeDriver *g, uint32_t reg);
void driver_set (NvmeDriver *g, uint32_t reg, uint32_t value);
/* Enables the controller; with its admin queues it is ready. */
void driver_enable (NvmeDriver *g);
/* Creates I/O queues @pair with interrupt @vector, of which the statuses are to be success. */
void driver_create (NvmeDriver *g, unsigned pair, unsigned vector);
/* The bytes of guest memory at @address. */
uint8_t *driver_memory (NvmeDriver *g, uint32_t address);
/* Puts a command into the queue; its number. */
uint16_t driver_put (NvmeDriver *g, unsigned pair, const DriverCommand *command);
void driver_ring (NvmeDriver *g, unsigned pair);
/* FALSE: there is no completion. */
gboolean driver_poll (NvmeDriver *g, unsigned pair, DriverAnswer *answer);
/* Waits for one. */
DriverAnswer driver_wait (NvmeDriver *g, unsigned pair);
/* All of it: the status. */
uint16_t driver_run (NvmeDriver *g, unsigned pair, const DriverCommand *command, uint32_t *result);
