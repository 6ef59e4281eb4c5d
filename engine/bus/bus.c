/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The port I/O space: a table from port to range. */

#include "engine/bus/bus.h"

#include <gio/gio.h>

enum { PORT_COUNT = 65536 };

typedef struct
{
  uint16_t base;
  uint32_t count;
  const PioOps *ops;
  void *opaque;
  gboolean over;      /* placed by the guest: lies over others */
} PioRange;

struct Bus
{
  GPtrArray *ranges;            /* PioRange, owned; later ones lie over earlier ones */
  PioRange *port[PORT_COUNT];   /* what answers; NULL: nothing */
  GArray *posted;               /* PortRange */
  const BusPoster *poster;      /* or NULL */
  void *poster_opaque;
};

Bus *
bus_new (void)
{
  Bus *bus = g_new0 (Bus, 1);

  bus->ranges = g_ptr_array_new_with_free_func (g_free);
  bus->posted = g_array_new (FALSE, FALSE, sizeof (PortRange));
  return bus;
}

void
bus_free (Bus *bus)
{
  if (bus == NULL)
    return;
  g_ptr_array_unref (bus->ranges);
  g_array_unref (bus->posted);
  g_free (bus);
}

static void
add_range (Bus *bus, uint16_t base, uint16_t count, const PioOps *ops, void *opaque, gboolean over)
{
  PioRange *range = g_new (PioRange, 1);

  *range = (PioRange) { base, MIN (count, PORT_COUNT - base), ops, opaque, over };
  g_ptr_array_add (bus->ranges, range);
  for (uint32_t i = 0; i < range->count; i++)
    bus->port[base + i] = range;
}

gboolean
bus_add_pio (Bus *bus, uint16_t base, uint16_t count, const PioOps *ops, void *opaque, GError **error)
{
  for (guint i = 0; i < bus->ranges->len; i++)
    {
      const PioRange *r = g_ptr_array_index (bus->ranges, i);

      if (!r->over && base < r->base + r->count && r->base < (uint32_t) base + count)
        {
          g_set_error (error, G_IO_ERROR, G_IO_ERROR_EXISTS, "I/O ports %x–%x overlap ports %x–%x of another device", base,
                       base + count - 1u, r->base, r->base + r->count - 1u);
          return FALSE;
        }
    }
  add_range (bus, base, count, ops, opaque, FALSE);
  return TRUE;
}

void
bus_map_pio (Bus *bus, uint16_t base, uint16_t count, const PioOps *ops, void *opaque)
{
  add_range (bus, base, count, ops, opaque, TRUE);
}

void
bus_remove_pio (Bus *bus, uint16_t base, void *opaque)
{
  for (guint i = bus->ranges->len; i-- > 0;)
    {
      PioRange *r = g_ptr_array_index (bus->ranges, i);
      uint32_t count = r->count;

      if (r->base != base || r->opaque != opaque)
        continue;
      g_ptr_array_remove_index (bus->ranges, i);
      for (uint32_t p = base; p < base + count; p++)
        {
          bus->port[p] = NULL;
          for (guint j = bus->ranges->len; j-- > 0 && bus->port[p] == NULL;)
            {
              PioRange *under = g_ptr_array_index (bus->ranges, j);

              if (p >= under->base && p < under->base + under->count)
                bus->port[p] = under;
            }
        }
      return;
    }
}

void
bus_set_poster (Bus *bus, const BusPoster *poster, void *opaque)
{
  bus->poster = poster;
  bus->poster_opaque = opaque;
}

void
bus_set_posted (Bus *bus, uint16_t base, uint16_t count, gboolean is_posted)
{
  PortRange range = { base, count };
  guint at = 0;

  while (at < bus->posted->len && g_array_index (bus->posted, PortRange, at).base != base)
    at++;
  if (is_posted == (at < bus->posted->len))
    return;
  if (is_posted)
    g_array_append_val (bus->posted, range);
  else
    g_array_remove_index_fast (bus->posted, at);
  if (bus->poster != NULL)
    bus->poster->ports_changed (bus->poster_opaque, (const PortRange *) bus->posted->data, bus->posted->len);
}

void
bus_flush_posted (Bus *bus)
{
  if (bus->poster != NULL)
    bus->poster->flush (bus->poster_opaque);
}

static uint32_t
size_mask (unsigned size)
{
  return size >= 4 ? 0xffffffff : (1u << (8 * size)) - 1;
}

/* Whether the access lies wholly within @range, and within one of its units if it is narrower. */
static gboolean
holds (const PioRange *range, uint16_t port, unsigned size)
{
  unsigned offset = (unsigned) (port - range->base), min = MAX (range->ops->min_size, 1);

  return offset + size <= range->count && (size >= min || (offset & (min - 1)) + size <= min);
}

uint32_t
bus_pio_read (Bus *bus, uint16_t port, unsigned size)
{
  const PioRange *range = bus->port[port];
  uint16_t offset;
  unsigned min, max;

  if (range == NULL && size == 1)
    return 0xff;
  if (range == NULL || !holds (range, port, size))
    {
      uint32_t value = 0;

      for (unsigned i = 0; i < size; i++)
        value |= bus_pio_read (bus, (uint16_t) (port + i), 1) << (8 * i);
      return value;
    }
  offset = (uint16_t) (port - range->base);
  min = MAX (range->ops->min_size, 1);
  max = MAX (range->ops->max_size, 1);
  if (size < min)
    {
      unsigned within = offset & (min - 1);

      return range->ops->read (range->opaque, (uint16_t) (offset - within), min) >> (8 * within) & size_mask (size);
    }
  if (size <= max)
    return range->ops->read (range->opaque, offset, size) & size_mask (size);
  {
    uint32_t value = 0;

    for (unsigned done = 0; done < size; done += max)
      value |= bus_pio_read (bus, (uint16_t) (port + done), max) << (8 * done);
    return value;
  }
}

void
bus_pio_write (Bus *bus, uint16_t port, uint32_t value, unsigned size)
{
  const PioRange *range = bus->port[port];
  uint16_t offset;
  unsigned min, max;

  if (range == NULL && size == 1)
    return;
  if (range == NULL || !holds (range, port, size))
    {
      for (unsigned i = 0; i < size; i++)
        bus_pio_write (bus, (uint16_t) (port + i), value >> (8 * i) & 0xff, 1);
      return;
    }
  offset = (uint16_t) (port - range->base);
  min = MAX (range->ops->min_size, 1);
  max = MAX (range->ops->max_size, 1);
  if (size < min)
    {
      unsigned within = offset & (min - 1);

      range->ops->write (range->opaque, (uint16_t) (offset - within), (value & size_mask (size)) << (8 * within), min);
    }
  else if (size <= max)
    range->ops->write (range->opaque, offset, value & size_mask (size), size);
  else
    {
      for (unsigned done = 0; done < size; done += max)
        bus_pio_write (bus, (uint16_t) (port + done), value >> (8 * done) & size_mask (max), max);
    }
}
