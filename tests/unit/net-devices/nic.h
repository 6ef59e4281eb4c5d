/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A network adapter on a bare board, with a cable whose other end the test holds. */
#pragma once

#include "engine/devices/net/e1000.h"
#include "tests/unit/platform/board.h"

enum { NIC_MMIO = 0xf0000000u, NIC_IO = 0xc000 };

typedef struct
{
  Board *board;
  Device *dev;
  NetPort port;
  GPtrArray *sent;      /* GBytes that the adapter sent */
  unsigned resumed;
} Nic;

extern const uint8_t nic_mac[6];

/* An 82540EM with its BARs mapped and bus-mastering on. */
Nic *nic_new (void);
void nic_free (Nic *nic);

uint32_t nic_read (Nic *nic, uint32_t reg);
void nic_write (Nic *nic, uint32_t reg, uint32_t value);
/* What the adapter sent as frame @n; fails when it did not. */
const uint8_t *nic_sent (Nic *nic, guint n, size_t *length);
/* A frame arrives; whether the adapter took it. */
gboolean nic_arrive (Nic *nic, const void *data, size_t length);

void nic_poke (Nic *nic, uint64_t address, const void *data, size_t length);
void nic_peek (Nic *nic, uint64_t address, void *data, size_t length);
