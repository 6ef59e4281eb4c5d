/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The firmware configuration device, as SeaBIOS, OVMF and Linux know it.
 * Specification: QEMU, docs/specs/fw_cfg (ports, directory, DMA interface).
 */

#include "engine/devices/platform/fw-cfg.h"

#include <gio/gio.h>
#include <string.h>

enum
{
  PORT_SELECT = 0x510, PORT_DATA = 0x511, PORT_DMA = 0x514,
  ID_TRADITIONAL = 1 << 0, ID_DMA = 1 << 1,
  DMA_ERROR = 1 << 0, DMA_READ = 1 << 1, DMA_SKIP = 1 << 2, DMA_SELECT = 1 << 3, DMA_WRITE = 1 << 4,
  DMA_CHUNK = 4096, FILES_MAX = FW_CFG_KEY_COUNT - FW_CFG_FILE_FIRST
};

/* What the DMA address register reads as: “QEMU CFG”, big-endian. */
static const uint8_t dma_signature[8] = { 'Q', 'E', 'M', 'U', ' ', 'C', 'F', 'G' };

typedef struct
{
  Device parent;
  GBytes *items[FW_CFG_KEY_COUNT];
  GBytes *arch_items[FW_CFG_ARCH_COUNT];
  char *names[FILES_MAX];      /* of the files, in the order of their keys */
  unsigned file_count;

  uint16_t key;
  uint32_t position;
  uint32_t dma_high;
} FwCfg;

static GBytes *
selected (FwCfg *d)
{
  uint16_t key = d->key & 0xbfff; /* bit 14 once meant writing */

  if (key < FW_CFG_KEY_COUNT)
    return d->items[key];
  if (key >= FW_CFG_ARCH && key < FW_CFG_ARCH + FW_CFG_ARCH_COUNT)
    return d->arch_items[key - FW_CFG_ARCH];
  return NULL;
}

static void
select_key (FwCfg *d, uint16_t key)
{
  d->key = key;
  d->position = 0;
}

/* The unread rest of the selected item. */
static const uint8_t *
rest (FwCfg *d, size_t *length)
{
  GBytes *item = selected (d);
  const uint8_t *data;
  gsize size = 0;

  *length = 0;
  if (item == NULL)
    return NULL;
  data = g_bytes_get_data (item, &size);
  if (d->position >= size)
    return NULL;
  *length = size - d->position;
  return data + d->position;
}

static void
dma_read (FwCfg *d, uint64_t address, uint32_t length, uint32_t *control)
{
  static const uint8_t zeros[DMA_CHUNK];

  while (length > 0)
    {
      size_t available;
      const uint8_t *data = rest (d, &available);
      uint32_t chunk = (uint32_t) MIN (length, available != 0 ? available : DMA_CHUNK);

      /* Beyond the end of an item there are zeros. */
      if (!guest_memory_write (d->parent.env.memory, address, available != 0 ? data : zeros, chunk))
        {
          *control = DMA_ERROR;
          return;
        }
      if (available != 0)
        d->position += chunk;
      address += chunk;
      length -= chunk;
    }
}

static void
run_dma (FwCfg *d, uint64_t address)
{
  uint8_t descriptor[16];
  uint32_t control, length, result = 0;
  uint64_t target;

  if (!guest_memory_read (d->parent.env.memory, address, descriptor, sizeof descriptor))
    return;
  memcpy (&control, descriptor, 4);
  memcpy (&length, descriptor + 4, 4);
  memcpy (&target, descriptor + 8, 8);
  control = GUINT32_FROM_BE (control);
  length = GUINT32_FROM_BE (length);
  target = GUINT64_FROM_BE (target);

  if (control & DMA_SELECT)
    select_key (d, (uint16_t) (control >> 16));
  if (control & DMA_READ)
    dma_read (d, target, length, &result);
  else if (control & DMA_WRITE)
    result = DMA_ERROR; /* no item is writable */
  else if (control & DMA_SKIP)
    d->position = (uint32_t) MIN ((uint64_t) d->position + length, G_MAXUINT32);
  result = GUINT32_TO_BE (result);
  guest_memory_write (d->parent.env.memory, address, &result, sizeof result);
}

static uint32_t
select_read (void *opaque, uint16_t offset, unsigned size)
{
  return 0;
}

static void
select_write (void *opaque, uint16_t offset, uint32_t value, unsigned size)
{
  select_key (opaque, (uint16_t) value);
}

static uint32_t
data_read (void *opaque, uint16_t offset, unsigned size)
{
  FwCfg *d = opaque;
  size_t available;
  const uint8_t *data = rest (d, &available);

  if (available == 0)
    return 0;
  d->position++;
  return data[0];
}

static void
data_write (void *opaque, uint16_t offset, uint32_t value, unsigned size)
{
}

/* The selector is 16 bits wide at 510h and shares 511h with the data register. */
static uint32_t
port_read (void *opaque, uint16_t offset, unsigned size)
{
  return offset == 1 ? data_read (opaque, 0, 1) : select_read (opaque, 0, size);
}

static void
port_write (void *opaque, uint16_t offset, uint32_t value, unsigned size)
{
  if (offset == 0 && size == 2)
    select_write (opaque, 0, value, size);
  else if (offset == 1)
    data_write (opaque, 0, value, size);
}

static uint32_t
dma_port_read (void *opaque, uint16_t offset, unsigned size)
{
  uint32_t value = 0;

  for (unsigned i = 0; i < size; i++)
    value |= (uint32_t) dma_signature[(offset + i) & 7] << (8 * i);
  return value;
}

static void
dma_port_write (void *opaque, uint16_t offset, uint32_t value, unsigned size)
{
  FwCfg *d = opaque;
  uint64_t high = d->dma_high;

  value = GUINT32_SWAP_LE_BE (value);
  if (offset == 0)
    d->dma_high = value;
  else if (offset == 4)
    {
      d->dma_high = 0;
      run_dma (d, high << 32 | value);
    }
}

static const PioOps port_ops = { .read = port_read, .write = port_write, .min_size = 1, .max_size = 2 };
static const PioOps dma_ops = { .read = dma_port_read, .write = dma_port_write, .min_size = 4, .max_size = 4 };

static gboolean
fw_cfg_realize (Device *dev, const DeviceEnv *env, GError **error)
{
  g_autoptr (GBytes) signature = g_bytes_new_static ("QEMU", 4);

  if (!bus_add_pio (env->bus, PORT_SELECT, 2, &port_ops, dev, error))
    return FALSE;
  if (!bus_add_pio (env->bus, PORT_DMA, 8, &dma_ops, dev, error))
    {
      bus_remove_pio (env->bus, PORT_SELECT, dev);
      return FALSE;
    }
  fw_cfg_add_bytes (dev, FW_CFG_SIGNATURE, signature);
  fw_cfg_add_u32 (dev, FW_CFG_ID, ID_TRADITIONAL | ID_DMA);
  return TRUE;
}

static void
fw_cfg_reset (Device *dev)
{
  FwCfg *d = (FwCfg *) dev;

  select_key (d, 0);
  d->dma_high = 0;
}

static void
fw_cfg_unrealize (Device *dev)
{
  FwCfg *d = (FwCfg *) dev;

  bus_remove_pio (dev->env.bus, PORT_SELECT, dev);
  bus_remove_pio (dev->env.bus, PORT_DMA, dev);
  for (unsigned i = 0; i < FW_CFG_KEY_COUNT; i++)
    g_clear_pointer (&d->items[i], g_bytes_unref);
  for (unsigned i = 0; i < FW_CFG_ARCH_COUNT; i++)
    g_clear_pointer (&d->arch_items[i], g_bytes_unref);
  for (unsigned i = 0; i < d->file_count; i++)
    g_free (d->names[i]);
}

static const StateField fw_cfg_fields[] = {
  STATE_U16 (FwCfg, key), STATE_U32 (FwCfg, position), STATE_U32 (FwCfg, dma_high), STATE_END
};

const DeviceType fw_cfg_type = {
  .name = "fw-cfg", .size = sizeof (FwCfg), .version = 1, .fields = fw_cfg_fields,
  .realize = fw_cfg_realize, .reset = fw_cfg_reset, .unrealize = fw_cfg_unrealize
};

/* Contents */

void
fw_cfg_add_bytes (Device *dev, uint16_t key, GBytes *data)
{
  FwCfg *d = (FwCfg *) dev;
  GBytes **slot;

  g_assert (key < FW_CFG_KEY_COUNT || (key >= FW_CFG_ARCH && key < FW_CFG_ARCH + FW_CFG_ARCH_COUNT));
  slot = key < FW_CFG_KEY_COUNT ? &d->items[key] : &d->arch_items[key - FW_CFG_ARCH];
  g_bytes_ref (data);
  g_clear_pointer (slot, g_bytes_unref);
  *slot = data;
}

static void
add_copy (Device *dev, uint16_t key, const void *data, size_t length)
{
  g_autoptr (GBytes) bytes = g_bytes_new (data, length);

  fw_cfg_add_bytes (dev, key, bytes);
}

void
fw_cfg_add_u16 (Device *dev, uint16_t key, uint16_t value)
{
  value = GUINT16_TO_LE (value);
  add_copy (dev, key, &value, sizeof value);
}

void
fw_cfg_add_u32 (Device *dev, uint16_t key, uint32_t value)
{
  value = GUINT32_TO_LE (value);
  add_copy (dev, key, &value, sizeof value);
}

void
fw_cfg_add_u64 (Device *dev, uint16_t key, uint64_t value)
{
  value = GUINT64_TO_LE (value);
  add_copy (dev, key, &value, sizeof value);
}

static void
put_be (GByteArray *out, uint32_t value, unsigned bytes)
{
  while (bytes-- > 0)
    {
      guint8 byte = (guint8) (value >> (8 * bytes));

      g_byte_array_append (out, &byte, 1);
    }
}

static void
rebuild_directory (FwCfg *d)
{
  GByteArray *out = g_byte_array_new ();

  put_be (out, d->file_count, 4);
  for (unsigned i = 0; i < d->file_count; i++)
    {
      char name[FW_CFG_FILE_NAME_SIZE] = { 0 };

      g_strlcpy (name, d->names[i], sizeof name);
      put_be (out, (uint32_t) g_bytes_get_size (d->items[FW_CFG_FILE_FIRST + i]), 4);
      put_be (out, FW_CFG_FILE_FIRST + i, 2);
      put_be (out, 0, 2);
      g_byte_array_append (out, (const guint8 *) name, sizeof name);
    }
  add_copy (&d->parent, FW_CFG_FILE_DIR, out->data, out->len);
  g_byte_array_unref (out);
}

void
fw_cfg_add_file (Device *dev, const char *name, GBytes *data)
{
  FwCfg *d = (FwCfg *) dev;
  unsigned i = 0;

  g_assert (strlen (name) < FW_CFG_FILE_NAME_SIZE);
  while (i < d->file_count && !g_str_equal (d->names[i], name))
    i++;
  if (i == d->file_count)
    {
      g_assert (d->file_count < FILES_MAX);
      d->names[d->file_count++] = g_strdup (name);
    }
  fw_cfg_add_bytes (dev, (uint16_t) (FW_CFG_FILE_FIRST + i), data);
  rebuild_directory (d);
}
