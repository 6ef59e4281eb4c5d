/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The file of a saved state with anything in it. The input is the directory's entries (a byte: how many; each an offset, a
 * length and a name by number) and the bytes that follow the header; checksums are right but where the input says otherwise.
 */

#include "engine/machine/state-file-private.h"
#include "tests/fuzz/input.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

enum { ENTRIES = 8, BODY_MAX = 4096, MEMORY = 5 * STATE_UNIT + 4096, UNITS = 6 };

static const char *const names[] = { "machine", "processor:0", "device:vga:0", STATE_MEMORY_PREFIX "ram" };

static uint32_t
sum (const void *bytes, size_t length)
{
  return (uint32_t) crc32_z (0, bytes, length);
}

/* Gives units that lie in the body their sums, too. */
static void
seal_units (uint8_t *body, size_t length, uint64_t offset, uint64_t size)
{
  for (uint64_t at = offset; size >= sizeof (StateUnit) && at <= offset + size - sizeof (StateUnit); at += sizeof (StateUnit))
    {
      StateUnit unit;

      memcpy (&unit, body + at - STATE_HEADER_SIZE, sizeof unit);
      if (unit.offset < STATE_HEADER_SIZE || unit.offset - STATE_HEADER_SIZE > length ||
          unit.length > length - (unit.offset - STATE_HEADER_SIZE))
        continue;
      unit.crc = sum (body + unit.offset - STATE_HEADER_SIZE, unit.length);
      memcpy (body + at - STATE_HEADER_SIZE, &unit, sizeof unit);
    }
}

static int
make_file (FuzzInput *in)
{
  StateHeader header = { .magic = STATE_MAGIC, .version = STATE_VERSION };
  StateEntry entries[ENTRIES] = { 0 };
  uint8_t body[BODY_MAX];
  int fd = memfd_create ("state", MFD_CLOEXEC);
  unsigned count = take (in, 1) % (ENTRIES + 1), spoilt = take (in, 1);
  size_t length;

  for (unsigned i = 0; i < count; i++)
    {
      const char *name = names[take (in, 1) % G_N_ELEMENTS (names)];

      memcpy (entries[i].name, name, strlen (name));
      entries[i].offset = STATE_HEADER_SIZE + take (in, 2);
      entries[i].length = take (in, 2);
    }
  length = MIN (in->length, sizeof body);
  memcpy (body, in->data, length);
  for (unsigned pass = 0; pass < 2; pass++)
    for (unsigned i = 0; i < count; i++)
      {
        uint64_t at = entries[i].offset - STATE_HEADER_SIZE;

        if (at > length || entries[i].length > length - at)
          continue;
        if (pass == 0 && g_str_has_prefix (entries[i].name, STATE_MEMORY_PREFIX))
          seal_units (body, length, entries[i].offset, entries[i].length);
        entries[i].crc = sum (body + at, entries[i].length);
      }
  header.directory_offset = STATE_HEADER_SIZE + length;
  header.directory_count = count;
  header.directory_crc = sum (entries, count * sizeof *entries);
  header.file_size = header.directory_offset + count * sizeof *entries;
  if (spoilt < sizeof header)
    ((uint8_t *) &header)[spoilt] ^= 0x41;
  header.crc = 0;
  header.crc = sum (&header, sizeof header);
  g_assert (pwrite (fd, &header, sizeof header, 0) == sizeof header);
  g_assert (pwrite (fd, body, length, STATE_HEADER_SIZE) == (ssize_t) length);
  g_assert (pwrite (fd, entries, count * sizeof *entries, (off_t) (STATE_HEADER_SIZE + length)) >= 0);
  return fd;
}

static void
use (const char *path)
{
  g_autoptr (StateReader) reader = state_reader_new (path, NULL);
  int memory;

  if (reader == NULL)
    return;
  for (unsigned i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autoptr (GBytes) bytes = state_reader_section (reader, names[i], NULL);
    }
  memory = state_reader_open_memory (reader, "ram", MEMORY, NULL);
  for (unsigned unit = 0; memory >= 0 && unit < UNITS; unit++)
    {
      uint8_t bytes[STATE_UNIT];

      if (state_reader_get_unit (reader, memory, unit % STATE_LANES, unit, bytes) && state_reader_unit_is_zero (reader, memory, unit))
        g_assert (bytes[0] == 0 && memcmp (bytes, bytes + 1, unit == UNITS - 1 ? 4095 : STATE_UNIT - 1) == 0);
    }
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t length)
{
  FuzzInput in = { data, length };
  int fd = make_file (&in);
  g_autofree char *path = g_strdup_printf ("/proc/self/fd/%d", fd);

  use (path);
  close (fd);
  return 0;
}
