/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A whole PC whose guest reads sectors of its floppy and hard disk in turn, and says so after each round. */
#pragma once

#include "engine/machine/machine-private.h"

enum { PC_MEMORY = 16 << 20, PC_DISKS = 4 };

typedef struct
{
  Machine *machine;
  Disk *floppy, *disk, *disc, *virtio;
  int fds[PC_DISKS];
  GMutex lock;
  GCond cond;
  unsigned rounds;
} Pc;

/* Assembled, not started. */
void pc_new (Pc *pc);
void pc_free (Pc *pc);
/* Waits until the guest has said @rounds words in all. */
void pc_wait (Pc *pc, unsigned rounds);
