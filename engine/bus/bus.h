/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The port I/O space of a machine. Ranges are registered with their access
 * sizes; the bus splits and widens accesses so that handlers see only sizes
 * they asked for, as offsets from their base.
 */
#pragma once

#include <glib.h>
#include <stdint.h>

typedef struct Bus Bus;

typedef struct
{
  uint32_t (*read) (void *opaque, uint16_t offset, unsigned size);
  void (*write) (void *opaque, uint16_t offset, uint32_t value, unsigned size);
  uint8_t min_size; /* bytes: 1, 2 or 4; 0 counts as 1 */
  uint8_t max_size; /* bytes; 0 counts as 1: a wider access is split into consecutive ports */
} PioOps;

typedef struct
{
  uint16_t base, count;
} PortRange;

/* Posted writes: whoever runs the processors may keep writes to such ports, and to memory whose MmioOps say so, back, in
 * their order, until anything else is asked of a device. A device that is looked at from elsewhere has them carried out
 * first. */
typedef struct
{
  void (*ports_changed) (void *opaque, const PortRange *ranges, unsigned count); /* those there are now */
  void (*flush) (void *opaque);
} BusPoster;

Bus *bus_new (void);
void bus_free (Bus *bus);

/* Claims @count ports from @base. An overlap with another range is an error
 * that names both devices' ports. */
gboolean bus_add_pio (Bus *bus, uint16_t base, uint16_t count, const PioOps *ops, void *opaque, GError **error);
/* Lets go of the ranges that @opaque registered at @base. */
void bus_remove_pio (Bus *bus, uint16_t base, void *opaque);
/* For ranges that a guest places (PCI BARs): like bus_add_pio(), but lies over
 * whatever is there and uncovers it again when removed. */
void bus_map_pio (Bus *bus, uint16_t base, uint16_t count, const PioOps *ops, void *opaque);

/* Machine lock held. @opaque is the poster's. */
void bus_set_poster (Bus *bus, const BusPoster *poster, void *opaque);
/* Says of ports, always of the same ranges, that writes to them may be posted, or may not. */
void bus_set_posted (Bus *bus, uint16_t base, uint16_t count, gboolean is_posted);
void bus_flush_posted (Bus *bus);

/* Accesses of 1, 2 or 4 bytes with the machine lock held. Unclaimed ports read
 * all ones. */
uint32_t bus_pio_read (Bus *bus, uint16_t port, unsigned size);
void bus_pio_write (Bus *bus, uint16_t port, uint32_t value, unsigned size);
