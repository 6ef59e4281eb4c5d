/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What every device model is: a struct that begins with Device, a DeviceType
 * of constant operations, and a table of the fields that make up its saved
 * state. A device reaches the world only through its DeviceEnv and the back
 * ends (Disk, NetPort, Display, …) it is handed before realize.
 *
 * All operations and handlers run with the machine lock held.
 */
#pragma once

#include "engine/bus/bus.h"
#include "engine/bus/irq.h"
#include "engine/machine/clock.h"
#include "engine/machine/lock.h"
#include "engine/memory/address-space.h"

#include <glib.h>
#include <stddef.h>
#include <stdint.h>

typedef struct Device Device;
typedef struct PciBus PciBus;

typedef struct
{
  Bus *bus;              /* port I/O */
  AddressSpace *memory;  /* guest-physical memory: MMIO and DMA */
  PciBus *pci;           /* NULL before the host bridge exists */
  Clock *clock;          /* virtual time */
  MachineLock *lock;     /* to take in completions that arrive from outside the engine */
  GMainContext *context; /* the machine's I/O thread: completions and host fds go there */
  const IrqLine *isa_irq; /* 16 ISA interrupt lines */
} DeviceEnv;

/* One field of saved state. Integers are stored little-endian. */
typedef struct
{
  const char *name;
  size_t offset;
  uint32_t size;    /* bytes of one element: 1, 2, 4, 8 for integers */
  uint32_t count;   /* elements; bytes are size 1, count n */
  uint16_t since;   /* version that introduced it */
} StateField;

#define STATE_FIELD(Type, member, esize) \
  { #member, offsetof (Type, member), (esize), (uint32_t) (sizeof (((Type *) 0)->member) / (esize)), 1 }
#define STATE_U8(Type, member)    STATE_FIELD (Type, member, 1)
#define STATE_U16(Type, member)   STATE_FIELD (Type, member, 2)
#define STATE_U32(Type, member)   STATE_FIELD (Type, member, 4)
#define STATE_U64(Type, member)   STATE_FIELD (Type, member, 8)
#define STATE_I32(Type, member)   STATE_FIELD (Type, member, 4)
#define STATE_I64(Type, member)   STATE_FIELD (Type, member, 8)
#define STATE_BOOL(Type, member)  STATE_FIELD (Type, member, 4) /* gboolean */
#define STATE_BYTES(Type, member) STATE_FIELD (Type, member, 1)
#define STATE_END                 { NULL, 0, 0, 0, 0 }

typedef struct
{
  const char *name;          /* unique word: names the device in errors and in saved state */
  size_t size;               /* of the device's struct */
  uint16_t version;          /* of the saved state */
  const StateField *fields;  /* ends with STATE_END; NULL: nothing to save */
  gboolean (*realize) (Device *dev, const DeviceEnv *env, GError **error);
  void (*reset) (Device *dev);                             /* optional */
  void (*before_save) (Device *dev);                       /* optional: bring fields up to date (timers, …) */
  gboolean (*before_load) (Device *dev, GError **error);   /* optional: refuse while the state cannot be replaced */
  gboolean (*after_load) (Device *dev, GError **error);    /* optional: validate (!) fields, re-arm timers, re-drive irqs;
                                                              when it refuses it has done nothing else */
  void (*unrealize) (Device *dev);                         /* optional: release what realize took */
} DeviceType;

struct Device
{
  const DeviceType *type;
  DeviceEnv env;      /* copied at realize */
  gboolean realized;
};

/* Allocates a zeroed device; its properties are set next, then device_realize(). */
Device *device_new (const DeviceType *type);
gboolean device_realize (Device *dev, const DeviceEnv *env, GError **error);
void device_reset (Device *dev);
/* Unrealizes (if realized) and frees. */
void device_free (Device *dev);

/* Appends the device's state to @out. */
void device_save (Device *dev, GByteArray *out);
/* Reads what device_save() wrote from @data; *@used is set to the bytes taken. Every field is bounds-checked;
 * unknown versions are an error. What is refused leaves the device as it was. */
gboolean device_load (Device *dev, const uint8_t *data, size_t length, size_t *used, GError **error);
