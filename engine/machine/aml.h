/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Writes ACPI Machine Language. Terms nest by begin and end: aml_begin_…
 * returns a mark that aml_end() needs to fill in the package's length.
 * Specification: ACPI 6.4, chapter 20.
 */
#pragma once

#include <glib.h>
#include <stdint.h>

typedef guint AmlMark;

/* Names are paths as in ASL: “\\_SB”, “PCI0”, “^ISA.PRQ0”; segments are padded with “_”. */
AmlMark aml_begin_scope (GByteArray *out, const char *name);
AmlMark aml_begin_device (GByteArray *out, const char *name);
AmlMark aml_begin_method (GByteArray *out, const char *name, unsigned arguments, gboolean serialized);
AmlMark aml_begin_processor (GByteArray *out, const char *name, uint8_t id);
AmlMark aml_begin_package (GByteArray *out, uint8_t count);
AmlMark aml_begin_if (GByteArray *out);
AmlMark aml_begin_else (GByteArray *out);
AmlMark aml_begin_field (GByteArray *out, const char *region, uint8_t flags);
void aml_end (GByteArray *out, AmlMark mark);

void aml_name (GByteArray *out, const char *name);     /* NameOp NAME; the object follows */
void aml_path (GByteArray *out, const char *name);     /* a reference */
void aml_op (GByteArray *out, uint8_t opcode);
void aml_integer (GByteArray *out, uint64_t value);
void aml_string (GByteArray *out, const char *text);
void aml_eisaid (GByteArray *out, const char *id);     /* “PNP0A03” */
void aml_region (GByteArray *out, const char *name, uint8_t space, uint64_t offset, uint64_t length);
void aml_field_unit (GByteArray *out, const char *name, unsigned bits);
void aml_name_integer (GByteArray *out, const char *name, uint64_t value);

/* Resource templates: Name (@name, ResourceTemplate () { … }). */
AmlMark aml_begin_resources (GByteArray *out, const char *name);
void aml_end_resources (GByteArray *out, AmlMark mark);
void aml_io (GByteArray *out, uint16_t base, uint8_t length);
void aml_irq (GByteArray *out, unsigned irq);           /* edge, exclusive */
void aml_dma (GByteArray *out, unsigned channel);
void aml_extended_irq (GByteArray *out, const uint32_t *irqs, uint8_t count); /* level, active high, shared */
void aml_memory32_fixed (GByteArray *out, uint32_t base, uint32_t length);
void aml_word_bus (GByteArray *out, uint16_t first, uint16_t last);
void aml_word_io (GByteArray *out, uint16_t first, uint16_t last);
void aml_dword_memory (GByteArray *out, uint32_t first, uint32_t last, gboolean cacheable);
void aml_qword_memory (GByteArray *out, uint64_t first, uint64_t last);

enum
{
  AML_ZERO = 0x00, AML_ONE = 0x01, AML_LOCAL0 = 0x60, AML_ARG0 = 0x68, AML_STORE = 0x70, AML_AND = 0x7b, AML_OR = 0x7d,
  AML_CREATE_DWORD_FIELD = 0x8a, AML_RETURN = 0xa4,
  AML_SPACE_IO = 1, AML_SPACE_PCI_CONFIG = 2,
  AML_FIELD_BYTE = 1 /* byte access, no lock, preserve */
};
