/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The life of a device, and its saved state by field table. */

#include "engine/devices/device.h"

#include <gio/gio.h>
#include <string.h>

Device *
device_new (const DeviceType *type)
{
  Device *dev = g_malloc0 (type->size);

  dev->type = type;
  return dev;
}

gboolean
device_realize (Device *dev, const DeviceEnv *env, GError **error)
{
  dev->env = *env;
  if (!dev->type->realize (dev, env, error))
    {
      g_prefix_error (error, "%s: ", dev->type->name);
      return FALSE;
    }
  dev->realized = TRUE;
  device_reset (dev);
  return TRUE;
}

void
device_reset (Device *dev)
{
  if (dev->type->reset != NULL)
    dev->type->reset (dev);
}

void
device_free (Device *dev)
{
  if (dev == NULL)
    return;
  if (dev->realized && dev->type->unrealize != NULL)
    dev->type->unrealize (dev);
  g_free (dev);
}

/* Saved state: the name's length and the name, the version (16 bits), then the
 * fields, all little-endian. The host is little-endian as well. */
G_STATIC_ASSERT (G_BYTE_ORDER == G_LITTLE_ENDIAN);

void
device_save (Device *dev, GByteArray *out)
{
  guint8 name_length = (guint8) strlen (dev->type->name);
  guint16 version = dev->type->version;

  if (dev->type->before_save != NULL)
    dev->type->before_save (dev);
  g_byte_array_append (out, &name_length, 1);
  g_byte_array_append (out, (const guint8 *) dev->type->name, name_length);
  g_byte_array_append (out, (const guint8 *) &version, sizeof version);
  for (const StateField *f = dev->type->fields; f != NULL && f->name != NULL; f++)
    g_byte_array_append (out, (const guint8 *) dev + f->offset, f->size * f->count);
}

static gboolean
fail (Device *dev, const char *cause, GError **error)
{
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "saved state of %s: %s", dev->type->name, cause);
  return FALSE;
}

static size_t
fields_size (const Device *dev, uint16_t version)
{
  size_t size = 0;

  for (const StateField *f = dev->type->fields; f != NULL && f->name != NULL; f++)
    size += f->since <= version ? (size_t) f->size * f->count : 0;
  return size;
}

/* Exchanges the fields of @version with the bytes at @data. */
static void
swap_fields (Device *dev, uint16_t version, uint8_t *data)
{
  for (const StateField *f = dev->type->fields; f != NULL && f->name != NULL; f++)
    {
      uint8_t *field = (uint8_t *) dev + f->offset;

      if (f->since > version)
        continue;
      for (size_t i = 0; i < (size_t) f->size * f->count; i++)
        {
          uint8_t old = field[i];

          field[i] = *data;
          *data++ = old;
        }
    }
}

gboolean
device_load (Device *dev, const uint8_t *data, size_t length, size_t *used, GError **error)
{
  g_autofree uint8_t *fields = NULL;
  size_t name_length = strlen (dev->type->name), at = 1 + name_length + 2, end = at;
  uint16_t version;

  if (length < at || data[0] != name_length || memcmp (data + 1, dev->type->name, name_length) != 0)
    return fail (dev, "it is missing", error);
  memcpy (&version, data + 1 + name_length, sizeof version);
  if (version == 0 || version > dev->type->version)
    return fail (dev, "its version is not known", error);
  end += fields_size (dev, version);
  if (end > length)
    return fail (dev, "it is cut off", error);
  if (dev->type->before_load != NULL && !dev->type->before_load (dev, error))
    return FALSE;
  fields = g_memdup2 (data + at, end - at);
  swap_fields (dev, version, fields);
  *used = end;
  if (dev->type->after_load == NULL || dev->type->after_load (dev, error))
    return TRUE;
  /* All or nothing. */
  swap_fields (dev, version, fields);
  return FALSE;
}
