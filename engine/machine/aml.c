/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The AML writer. Specification: ACPI 6.4, chapters 6.4 (resources) and 20. */

#include "engine/machine/aml.h"

#include <string.h>

enum
{
  OP_NAME = 0x08, OP_BYTE = 0x0a, OP_WORD = 0x0b, OP_DWORD = 0x0c, OP_STRING = 0x0d, OP_QWORD = 0x0e, OP_SCOPE = 0x10,
  OP_BUFFER = 0x11, OP_PACKAGE = 0x12, OP_METHOD = 0x14, OP_DUAL_NAME = 0x2e, OP_MULTI_NAME = 0x2f, OP_EXT = 0x5b,
  OP_EXT_REGION = 0x80, OP_EXT_FIELD = 0x81, OP_EXT_DEVICE = 0x82, OP_EXT_PROCESSOR = 0x83, OP_IF = 0xa0, OP_ELSE = 0xa1,
  /* Every package's length is written in the four-byte form. */
  PKG_LENGTH_BYTES = 4
};

static void
put (GByteArray *out, uint64_t value, unsigned bytes)
{
  for (unsigned i = 0; i < bytes; i++)
    {
      guint8 byte = (guint8) (value >> (8 * i));

      g_byte_array_append (out, &byte, 1);
    }
}

void
aml_op (GByteArray *out, uint8_t opcode)
{
  put (out, opcode, 1);
}

void
aml_path (GByteArray *out, const char *name)
{
  g_auto (GStrv) segments = NULL;
  guint count;

  for (; *name == '\\' || *name == '^'; name++)
    put (out, (guint8) *name, 1);
  segments = g_strsplit (name, ".", -1);
  count = g_strv_length (segments);
  if (count == 0)
    {
      put (out, 0, 1);
      return;
    }
  if (count == 2)
    put (out, OP_DUAL_NAME, 1);
  else if (count > 2)
    {
      put (out, OP_MULTI_NAME, 1);
      put (out, count, 1);
    }
  for (guint i = 0; i < count; i++)
    {
      gsize length = strlen (segments[i]);

      g_assert (length >= 1 && length <= 4);
      g_byte_array_append (out, (const guint8 *) segments[i], (guint) length);
      g_byte_array_append (out, (const guint8 *) "____", (guint) (4 - length));
    }
}

static AmlMark
begin (GByteArray *out)
{
  AmlMark mark = out->len;

  put (out, 0, PKG_LENGTH_BYTES);
  return mark;
}

void
aml_end (GByteArray *out, AmlMark mark)
{
  guint length = out->len - mark;

  out->data[mark] = (guint8) (0xc0 | (length & 0xf));
  out->data[mark + 1] = (guint8) (length >> 4);
  out->data[mark + 2] = (guint8) (length >> 12);
  out->data[mark + 3] = (guint8) (length >> 20);
}

static AmlMark
begin_named (GByteArray *out, const char *name)
{
  AmlMark mark = begin (out);

  aml_path (out, name);
  return mark;
}

AmlMark
aml_begin_scope (GByteArray *out, const char *name)
{
  aml_op (out, OP_SCOPE);
  return begin_named (out, name);
}

AmlMark
aml_begin_device (GByteArray *out, const char *name)
{
  aml_op (out, OP_EXT);
  aml_op (out, OP_EXT_DEVICE);
  return begin_named (out, name);
}

AmlMark
aml_begin_method (GByteArray *out, const char *name, unsigned arguments, gboolean serialized)
{
  AmlMark mark;

  aml_op (out, OP_METHOD);
  mark = begin_named (out, name);
  put (out, arguments | (serialized ? 8 : 0), 1);
  return mark;
}

AmlMark
aml_begin_processor (GByteArray *out, const char *name, uint8_t id)
{
  AmlMark mark;

  aml_op (out, OP_EXT);
  aml_op (out, OP_EXT_PROCESSOR);
  mark = begin_named (out, name);
  put (out, id, 1);
  put (out, 0, 4); /* no processor block */
  put (out, 0, 1);
  return mark;
}

AmlMark
aml_begin_package (GByteArray *out, uint8_t count)
{
  AmlMark mark;

  aml_op (out, OP_PACKAGE);
  mark = begin (out);
  put (out, count, 1);
  return mark;
}

AmlMark
aml_begin_if (GByteArray *out)
{
  aml_op (out, OP_IF);
  return begin (out);
}

AmlMark
aml_begin_else (GByteArray *out)
{
  aml_op (out, OP_ELSE);
  return begin (out);
}

AmlMark
aml_begin_field (GByteArray *out, const char *region, uint8_t flags)
{
  AmlMark mark;

  aml_op (out, OP_EXT);
  aml_op (out, OP_EXT_FIELD);
  mark = begin_named (out, region);
  put (out, flags, 1);
  return mark;
}

void
aml_field_unit (GByteArray *out, const char *name, unsigned bits)
{
  g_assert (strlen (name) == 4 && bits < 64);
  g_byte_array_append (out, (const guint8 *) name, 4);
  put (out, bits, 1); /* the one-byte form of a package length */
}

void
aml_name (GByteArray *out, const char *name)
{
  aml_op (out, OP_NAME);
  aml_path (out, name);
}

void
aml_integer (GByteArray *out, uint64_t value)
{
  if (value <= 1)
    aml_op (out, (guint8) value);
  else if (value <= 0xff)
    {
      aml_op (out, OP_BYTE);
      put (out, value, 1);
    }
  else if (value <= 0xffff)
    {
      aml_op (out, OP_WORD);
      put (out, value, 2);
    }
  else if (value <= 0xffffffff)
    {
      aml_op (out, OP_DWORD);
      put (out, value, 4);
    }
  else
    {
      aml_op (out, OP_QWORD);
      put (out, value, 8);
    }
}

void
aml_name_integer (GByteArray *out, const char *name, uint64_t value)
{
  aml_name (out, name);
  aml_integer (out, value);
}

void
aml_string (GByteArray *out, const char *text)
{
  aml_op (out, OP_STRING);
  g_byte_array_append (out, (const guint8 *) text, (guint) strlen (text) + 1);
}

void
aml_eisaid (GByteArray *out, const char *id)
{
  uint32_t value = (uint32_t) (id[0] - 0x40) << 26 | (uint32_t) (id[1] - 0x40) << 21 | (uint32_t) (id[2] - 0x40) << 16 |
                   (uint32_t) g_ascii_strtoull (id + 3, NULL, 16);

  aml_op (out, OP_DWORD);
  put (out, GUINT32_SWAP_LE_BE (value), 4);
}

void
aml_region (GByteArray *out, const char *name, uint8_t space, uint64_t offset, uint64_t length)
{
  aml_op (out, OP_EXT);
  aml_op (out, OP_EXT_REGION);
  aml_path (out, name);
  put (out, space, 1);
  aml_integer (out, offset);
  aml_integer (out, length);
}

/* Resource templates: a buffer whose size is patched at the end. */

AmlMark
aml_begin_resources (GByteArray *out, const char *name)
{
  AmlMark mark;

  aml_name (out, name);
  aml_op (out, OP_BUFFER);
  mark = begin (out);
  aml_op (out, OP_WORD);
  put (out, 0, 2);
  return mark;
}

void
aml_end_resources (GByteArray *out, AmlMark mark)
{
  guint start = mark + PKG_LENGTH_BYTES + 3, length;

  put (out, 0x79, 1); /* end tag */
  put (out, 0, 1);    /* no checksum */
  length = out->len - start;
  out->data[start - 2] = (guint8) length;
  out->data[start - 1] = (guint8) (length >> 8);
  aml_end (out, mark);
}

void
aml_io (GByteArray *out, uint16_t base, uint8_t length)
{
  put (out, 0x47, 1);
  put (out, 1, 1); /* decodes 16 bits */
  put (out, base, 2);
  put (out, base, 2);
  put (out, 1, 1);
  put (out, length, 1);
}

void
aml_irq (GByteArray *out, unsigned irq)
{
  put (out, 0x22, 1);
  put (out, 1u << irq, 2);
}

void
aml_dma (GByteArray *out, unsigned channel)
{
  put (out, 0x2a, 1);
  put (out, 1u << channel, 1);
  put (out, 0, 1); /* compatibility timing, 8 bits */
}

void
aml_extended_irq (GByteArray *out, const uint32_t *irqs, uint8_t count)
{
  put (out, 0x89, 1);
  put (out, 2u + 4u * count, 2);
  put (out, 0x09, 1); /* consumer, level, active high, shared */
  put (out, count, 1);
  for (unsigned i = 0; i < count; i++)
    put (out, irqs[i], 4);
}

void
aml_memory32_fixed (GByteArray *out, uint32_t base, uint32_t length)
{
  put (out, 0x86, 1);
  put (out, 9, 2);
  put (out, 0, 1); /* read only: the registers are no memory to allocate */
  put (out, base, 4);
  put (out, length, 4);
}

/* An address space descriptor: producer, minimum and maximum fixed, positive decode. */
static void
address_space (GByteArray *out, uint8_t tag, unsigned bytes, uint8_t type, uint8_t type_flags, uint64_t first, uint64_t last)
{
  put (out, tag, 1);
  put (out, 3 + 5 * bytes, 2);
  put (out, type, 1);
  put (out, 0x0c, 1);
  put (out, type_flags, 1);
  put (out, 0, bytes);
  put (out, first, bytes);
  put (out, last, bytes);
  put (out, 0, bytes);
  put (out, last - first + 1, bytes);
}

void
aml_word_bus (GByteArray *out, uint16_t first, uint16_t last)
{
  address_space (out, 0x88, 2, 2, 0, first, last);
}

void
aml_word_io (GByteArray *out, uint16_t first, uint16_t last)
{
  address_space (out, 0x88, 2, 1, 3 /* entire range */, first, last);
}

void
aml_dword_memory (GByteArray *out, uint32_t first, uint32_t last, gboolean cacheable)
{
  address_space (out, 0x87, 4, 0, cacheable ? 3 : 1, first, last);
}

void
aml_qword_memory (GByteArray *out, uint64_t first, uint64_t last)
{
  address_space (out, 0x8a, 8, 0, 3, first, last);
}
