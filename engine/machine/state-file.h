/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The file of a saved state: named sections of bytes, and images of memory in
 * units that are compressed one by one, so that each can be read by itself.
 *
 * Layout, little-endian: a header of 4 KiB (magic, version, where the directory is,
 * checksums); units and sections anywhere; the directory last, a list of sections.
 * A memory image's table is a section as well: for each unit where it lies, how
 * long it is (0: zeros; a whole unit: not compressed) and its checksum. Checksums
 * are CRC-32 (ISO 3309), compression is Zstandard (RFC 8878).
 */
#pragma once

#include <glib.h>
#include <stdint.h>

enum { STATE_UNIT = 64 * 1024 /* bytes of memory that are compressed together */ };

typedef struct StateWriter StateWriter;

/* Writes to “PATH.part”, which becomes @path when it is whole. */
StateWriter *state_writer_new (const char *path, GError **error);
/* Begins a memory image of @size bytes, all zeros so far; returns its number. */
unsigned state_writer_add_memory (StateWriter *writer, const char *name, uint64_t size);
/* The contents of unit @unit of it, which are copied, to be compressed and written by threads; the last call counts when
 * state_writer_settle() lies between. @length is STATE_UNIT, or less for the last unit. An error may be of a unit before. */
gboolean state_writer_put_unit (StateWriter *writer, unsigned memory, uint64_t unit, const uint8_t *data, size_t length,
                                GError **error);
/* All units so far are in the file. */
gboolean state_writer_settle (StateWriter *writer, GError **error);
/* And on the disk, which has nothing to do then. */
gboolean state_writer_sync (StateWriter *writer, GError **error);
gboolean state_writer_add_section (StateWriter *writer, const char *name, const void *data, size_t length, GError **error);
/* The file is complete, durable, and has its name, in place of what had it before. */
gboolean state_writer_finish (StateWriter *writer, GError **error);
/* Without state_writer_finish() nothing is left of the file. */
void state_writer_free (StateWriter *writer);

typedef struct StateReader StateReader;

/* Checks header and directory. Errors name the file and what is wrong with it. */
StateReader *state_reader_new (const char *path, GError **error);
void state_reader_free (StateReader *reader);
const char *state_reader_path (const StateReader *reader);
/* A section's bytes; NULL when there is none of this name, or it is damaged. */
GBytes *state_reader_section (StateReader *reader, const char *name, GError **error);
/* Opens a memory image that has to be @size bytes long; returns its number, or -1. */
int state_reader_open_memory (StateReader *reader, const char *name, uint64_t size, GError **error);
gboolean state_reader_unit_is_zero (const StateReader *reader, int memory, uint64_t unit);
enum { STATE_LANES = 2 };
/* Reads one unit to @to. FALSE when it is damaged or cannot be read. Allocates nothing and takes no lock; one call at a
 * time for each @lane (< STATE_LANES) of each memory image. */
gboolean state_reader_get_unit (const StateReader *reader, int memory, unsigned lane, uint64_t unit, uint8_t *to);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (StateWriter, state_writer_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (StateReader, state_reader_free)
