/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A guest's driver of a virtio device on the test board, in the way of virtio 1.x or of the time before. */
#pragma once

#include "engine/devices/virtio/transport-pci.h"
#include "tests/unit/platform/board.h"

enum
{
  DRIVER_QUEUES = 2,
  DRIVER_QUEUES_MAX = 3,
  DRIVER_MSIX_BASE = 0xfe000000,
  DRIVER_BASE = 0xfe010000,
  DRIVER_IO = 0xc000,
  DRIVER_IRQ = 11,
  DRIVER_COMMON = DRIVER_BASE,
  DRIVER_ISR = DRIVER_BASE + 0x1000,
  DRIVER_CONFIG = DRIVER_BASE + 0x2000,
  DRIVER_NOTIFY = DRIVER_BASE + 0x3000,
  DRIVER_RINGS = 0x10000,
  DRIVER_RINGS_SIZE = 0x4000,
  DRIVER_QUEUE_SIZE = 128,
  D_NEXT = 1,
  D_WRITE = 2,
  D_INDIRECT = 4
};

typedef struct
{
  uint64_t descriptors, available, used;
  uint16_t offered, seen; /* indices of the available and the used ring */
} DriverQueue;

typedef struct
{
  Board *board;
  Device *dev;
  gboolean legacy;
  DriverQueue queues[DRIVER_QUEUES_MAX];
  unsigned messages; /* that came by MSI-X */
  uint64_t message_address;
  uint32_t message_data;
} Driver;

/* Puts the device on the board, and its BARs where the driver looks for them. */
void driver_add (Driver *g, Board *board, Device *dev, gboolean legacy);
/* Resets the device, agrees on what it offers of @features, and sets up its queues. */
void driver_start (Driver *g, uint64_t features, unsigned queues);
uint64_t driver_offered (Driver *g);
uint8_t driver_status (Driver *g);
void driver_set_status (Driver *g, uint8_t status);
uint8_t driver_isr (Driver *g);
uint32_t driver_config (Driver *g, unsigned offset, unsigned size);
void driver_set_config (Driver *g, unsigned offset, uint32_t value, unsigned size);

void driver_poke (Driver *g, uint64_t address, uint64_t value, unsigned bytes);
uint64_t driver_peek (Driver *g, uint64_t address, unsigned bytes);
void driver_descriptor (Driver *g, uint64_t table, unsigned index, uint64_t address, uint32_t length, unsigned flags,
                        unsigned next);
/* Makes the chain at @head available; then the kick. */
void driver_offer (Driver *g, unsigned queue, unsigned head);
void driver_kick (Driver *g, unsigned queue);
/* Waits for the next used entry; returns the chain's head, and the bytes written in *@written (may be NULL). */
uint32_t driver_wait (Driver *g, unsigned queue, uint32_t *written);
