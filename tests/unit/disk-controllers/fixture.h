/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The part of a PC that disk controllers need: ports, PCI, 16 MiB of memory, interrupt lines, and image files. */
#pragma once

#include "engine/bus/pci.h"
#include "engine/devices/device.h"
#include "storage/disk/disk.h"

enum { FIXTURE_MEMORY = 16 << 20, FIXTURE_IRQS = 16 };

typedef struct
{
  MachineLock lock;
  GMainContext *context;
  Bus *bus;
  AddressSpace *memory;
  RamBlock *ram;
  PciBus *pci;
  Clock *clock;
  IrqLine irq[FIXTURE_IRQS];
  int level[FIXTURE_IRQS];
  unsigned raised[FIXTURE_IRQS]; /* rising edges */
  DeviceEnv env;
  char *folder;
} Fixture;

void fixture_setup (Fixture *f, gconstpointer data);
void fixture_teardown (Fixture *f, gconstpointer data);

uint8_t fixture_in (Fixture *f, uint16_t port);
uint16_t fixture_in16 (Fixture *f, uint16_t port);
void fixture_out (Fixture *f, uint16_t port, uint32_t value);
void fixture_out16 (Fixture *f, uint16_t port, uint32_t value);
void fixture_out32 (Fixture *f, uint16_t port, uint32_t value);
/* Memory of the guest, host side. */
uint8_t *fixture_ram (Fixture *f, uint32_t gpa);
/* Lets the disks work until reads of @port show none of the bits @busy. */
uint8_t fixture_wait (Fixture *f, uint16_t port, uint8_t busy);

/* A file in the fixture's folder, which teardown removes. Caller frees the path. */
char *fixture_file (Fixture *f, const char *name, const uint8_t *contents, size_t length);
Disk *fixture_disk (Fixture *f, const char *name, const uint8_t *contents, size_t length, DiskOpenFlags flags);
