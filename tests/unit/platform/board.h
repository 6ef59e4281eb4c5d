/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A board with nothing on it: buses, a clock that tests set by hand, and interrupt lines that are watched. */
#pragma once

#include "engine/bus/pci.h"
#include "engine/devices/device.h"

typedef struct
{
  MachineLock lock;
  GMainContext *context;
  Bus *bus;
  PciBus *pci;           /* all interrupt pins go to ISA line 11 */
  AddressSpace *memory;
  RamBlock *ram;
  Clock *clock;
  int64_t now;
  GPtrArray *devices;
  IrqLine isa_irq[16];
  int level[16];         /* of each ISA line */
  unsigned rises[16];    /* edges seen on it */
} Board;

enum { BOARD_RAM = 1 << 20 };

Board *board_new (void);
void board_free (Board *board);
DeviceEnv board_env (Board *board);
/* Realizes @dev, which the board owns from now on. */
Device *board_add (Board *board, Device *dev);

void board_out (Board *board, uint16_t port, uint32_t value);
uint8_t board_in (Board *board, uint16_t port);
uint64_t board_read (Board *board, uint64_t address, unsigned size);
void board_write (Board *board, uint64_t address, uint64_t value, unsigned size);
/* Lets @ns of virtual time pass in steps of @step (0: in one), firing timers on the way. */
void board_pass (Board *board, int64_t ns, int64_t step);

/* Saves @dev and loads it into @copy, whose saved state must then be the same; then loads every truncation, which must
 * fail, and @rounds random corruptions, which must be survived. Both devices are realized. */
void board_check_state (Board *board, Device *dev, Device *copy, unsigned rounds);
