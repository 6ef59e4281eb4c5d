/* SPDX-License-Identifier: GPL-3.0-or-later */
/* SMBIOS 2.8 tables. Specification: DMTF DSP0134, version 2.8, chapters 5 to 7. */

#include "engine/machine/smbios.h"

#include <string.h>

enum
{
  TYPE_BIOS = 0, TYPE_SYSTEM = 1, TYPE_CHASSIS = 3, TYPE_PROCESSOR = 4, TYPE_MEMORY_ARRAY = 16, TYPE_MEMORY_DEVICE = 17,
  TYPE_MEMORY_MAPPED = 19, TYPE_BOOT = 32, TYPE_END = 127,
  ANCHOR_LENGTH = 31, INTERMEDIATE_ANCHOR = 16
};

typedef struct
{
  GByteArray *out;
  GPtrArray *strings;   /* of the structure being written */
  guint start;
  unsigned count, largest;
} Writer;

static void
put (Writer *w, uint64_t value, unsigned bytes)
{
  for (unsigned i = 0; i < bytes; i++)
    {
      guint8 byte = (guint8) (value >> (8 * i));

      g_byte_array_append (w->out, &byte, 1);
    }
}

/* A string's number in the structure's list. */
static void
put_string (Writer *w, const char *text)
{
  g_ptr_array_add (w->strings, g_strdup (text));
  put (w, w->strings->len, 1);
}

static void
begin (Writer *w, uint8_t type)
{
  w->start = w->out->len;
  g_ptr_array_set_size (w->strings, 0);
  put (w, type, 1);
  put (w, 0, 1);
  put (w, (uint64_t) type << 8, 2); /* handle */
}

static void
end (Writer *w)
{
  w->out->data[w->start + 1] = (guint8) (w->out->len - w->start);
  for (guint i = 0; i < w->strings->len; i++)
    {
      const char *text = g_ptr_array_index (w->strings, i);

      g_byte_array_append (w->out, (const guint8 *) text, (guint) strlen (text) + 1);
    }
  if (w->strings->len == 0)
    put (w, 0, 1);
  put (w, 0, 1);
  w->count++;
  w->largest = MAX (w->largest, w->out->len - w->start);
}

/* The first three fields are little-endian, the rest as written. */
static void
put_uuid (Writer *w, const char *uuid)
{
  static const uint8_t order[16] = { 3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15 };
  uint8_t bytes[16] = { 0 };
  unsigned digits = 0;

  for (const char *p = uuid; p != NULL && *p != '\0' && digits < 32; p++)
    {
      int digit = g_ascii_xdigit_value (*p);

      if (digit < 0)
        continue;
      bytes[digits / 2] = (uint8_t) (bytes[digits / 2] << 4 | digit);
      digits++;
    }
  for (unsigned i = 0; i < 16; i++)
    put (w, bytes[order[i]], 1);
}

static void
mapped_range (Writer *w, uint64_t first, uint64_t length)
{
  if (length == 0)
    return;
  begin (w, TYPE_MEMORY_MAPPED);
  if ((first + length) >> 10 <= 0xffffffff)
    {
      put (w, first >> 10, 4);
      put (w, ((first + length) >> 10) - 1, 4);
      put (w, TYPE_MEMORY_ARRAY << 8, 2);
      put (w, 1, 1);
      put (w, 0, 8);
      put (w, 0, 8);
    }
  else
    {
      put (w, 0xffffffff, 4);
      put (w, 0xffffffff, 4);
      put (w, TYPE_MEMORY_ARRAY << 8, 2);
      put (w, 1, 1);
      put (w, first, 8);
      put (w, first + length - 1, 8);
    }
  end (w);
}

static void
build_tables (Writer *w, const SmbiosConfig *c)
{
  uint64_t memory = c->low_memory + c->high_memory;

  begin (w, TYPE_BIOS);
  put_string (w, "SeaBIOS");
  put_string (w, c->version);
  put (w, 0xe800, 2);
  put_string (w, "04/01/2014");
  put (w, 0, 1);
  put (w, 1 << 3, 8);   /* characteristics are not supported */
  put (w, 0, 1);
  put (w, 1 << 4 | 1 << 2, 1); /* a virtual machine; targeted content distribution */
  put (w, 0, 2);
  put (w, 0xffff, 2);
  end (w);

  begin (w, TYPE_SYSTEM);
  put_string (w, "Bunshin");
  put_string (w, "Bunshin PC (i440FX + PIIX3)");
  put_string (w, c->version);
  put (w, 0, 1);
  put_uuid (w, c->uuid);
  put (w, 6, 1);        /* wake-up: power switch */
  put (w, 0, 1);
  put (w, 0, 1);
  end (w);

  begin (w, TYPE_CHASSIS);
  put_string (w, "Bunshin");
  put (w, 1, 1);        /* other */
  put (w, 0, 3);
  put (w, 0x03030303, 4); /* states: safe; security: none */
  put (w, 0, 4);
  put (w, 0, 1);
  put (w, 0, 1);
  put (w, 0, 1);
  put (w, 0, 1);
  put (w, 0, 1);
  end (w);

  begin (w, TYPE_PROCESSOR);
  put_string (w, "CPU 0");
  put (w, 3, 1);        /* central processor */
  put (w, 1, 1);        /* family: other */
  put_string (w, "Bunshin");
  put (w, 0, 8);
  put_string (w, c->cpu_name);
  put (w, 0, 1);
  put (w, 0, 2 + 2 + 2);
  put (w, 0x41, 1);     /* populated, enabled */
  put (w, 1, 1);        /* upgrade: other */
  put (w, 0xffff, 2);
  put (w, 0xffff, 2);
  put (w, 0xffff, 2);
  put (w, 0, 3);
  put (w, c->cpus, 1);
  put (w, c->cpus, 1);
  put (w, c->cpus, 1);
  put (w, 1 << 2, 2);   /* 64 bits */
  put (w, 2, 2);        /* family 2: unknown */
  end (w);

  begin (w, TYPE_MEMORY_ARRAY);
  put (w, 1, 1);        /* location: other */
  put (w, 3, 1);        /* system memory */
  put (w, 3, 1);        /* no error correction */
  put (w, memory >> 10 < 0x80000000 ? memory >> 10 : 0x80000000, 4);
  put (w, 0xfffe, 2);
  put (w, 1, 2);
  put (w, memory >> 10 < 0x80000000 ? 0 : memory, 8);
  end (w);

  begin (w, TYPE_MEMORY_DEVICE);
  put (w, TYPE_MEMORY_ARRAY << 8, 2);
  put (w, 0xfffe, 2);
  put (w, 0xffff, 2);
  put (w, 0xffff, 2);
  put (w, memory >> 20 < 0x7fff ? memory >> 20 : 0x7fff, 2);
  put (w, 9, 1);        /* DIMM */
  put (w, 0, 1);
  put_string (w, "DIMM 0");
  put (w, 0, 1);
  put (w, 7, 1);        /* RAM */
  put (w, 1 << 1, 2);
  put (w, 0, 2);
  put_string (w, "Bunshin");
  put (w, 0, 3);
  put (w, 0, 1);
  put (w, memory >> 20 < 0x7fff ? 0 : memory >> 20, 4);
  put (w, 0, 2);
  put (w, 0, 6);
  end (w);

  mapped_range (w, 0, c->low_memory);
  mapped_range (w, (uint64_t) 1 << 32, c->high_memory);

  begin (w, TYPE_BOOT);
  put (w, 0, 6);
  put (w, 0, 1);        /* no errors */
  end (w);

  begin (w, TYPE_END);
  end (w);
}

static uint8_t
checksum (const uint8_t *data, unsigned length)
{
  uint8_t sum = 0;

  for (unsigned i = 0; i < length; i++)
    sum = (uint8_t) (sum + data[i]);
  return (uint8_t) -sum;
}

void
smbios_build (const SmbiosConfig *config, GByteArray **anchor, GByteArray **tables)
{
  Writer w = { .out = g_byte_array_new (), .strings = g_ptr_array_new_with_free_func (g_free) };
  Writer a = { .out = g_byte_array_new () };

  build_tables (&w, config);

  g_byte_array_append (a.out, (const guint8 *) "_SM_", 4);
  put (&a, 0, 1);
  put (&a, ANCHOR_LENGTH, 1);
  put (&a, 2, 1);
  put (&a, 8, 1);
  put (&a, w.largest, 2);
  put (&a, 0, 6);
  g_byte_array_append (a.out, (const guint8 *) "_DMI_", 5);
  put (&a, 0, 1);
  put (&a, w.out->len, 2);
  put (&a, 0, 4);
  put (&a, w.count, 2);
  put (&a, 0x28, 1);
  a.out->data[INTERMEDIATE_ANCHOR + 5] = checksum (a.out->data + INTERMEDIATE_ANCHOR, ANCHOR_LENGTH - INTERMEDIATE_ANCHOR);
  a.out->data[4] = checksum (a.out->data, ANCHOR_LENGTH);

  g_ptr_array_unref (w.strings);
  *anchor = a.out;
  *tables = w.out;
}
