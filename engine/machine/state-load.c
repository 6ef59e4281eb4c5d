/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Loading a saved state into a machine that was assembled like the one it was
 * saved from. Memory is brought in when it is touched, and by a thread that goes
 * through all of it while the guest runs.
 */

#include "engine/machine/state-private.h"

#include "engine/memory/ram-source.h"

#include <gio/gio.h>
#include <glib/gi18n-lib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

struct MachineSource
{
  Machine *machine;
  StateReader *reader;
  int memory;           /* number of the RAM in it */
  GThread *thread;
  int is_stopped;       /* atomic */
};

static gboolean
refuse (const StateReader *reader, GError **error, const char *format, ...)
{
  va_list arguments;
  g_autofree char *cause = NULL;

  va_start (arguments, format);
  cause = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, _("the saved state “%s” cannot be used: %s"),
               state_reader_path (reader), cause);
  return FALSE;
}

/* --- What it is of --- */

static gboolean
read_info (StateReader *reader, MachineStateInfo *info, GError **error)
{
  g_autoptr (GBytes) bytes = state_reader_section (reader, STATE_SECTION_MACHINE, error);
  g_autoptr (GVariant) value = NULL, dictionary = NULL;
  const char *model;

  if (bytes == NULL)
    return FALSE;
  value = g_variant_ref_sink (g_variant_new_from_bytes (G_VARIANT_TYPE_VARDICT, bytes, FALSE));
  dictionary = g_variant_get_normal_form (value);
  if (!g_variant_lookup (dictionary, "memory", "t", &info->memory) ||
      !g_variant_lookup (dictionary, "processors", "u", &info->cpus) ||
      !g_variant_lookup (dictionary, "cpu-model", "&s", &model) || !g_variant_lookup (dictionary, "tsc-hz", "t", &info->tsc_hz) ||
      !g_variant_lookup (dictionary, "clock", "x", &info->clock) || !g_variant_lookup (dictionary, "saved-at", "x", &info->saved_at) ||
      info->tsc_hz == 0 || info->clock < 0)
    return refuse (reader, error, _("“%s” in it is damaged"), STATE_SECTION_MACHINE);
  g_strlcpy (info->cpu_model, model, sizeof info->cpu_model);
  return TRUE;
}

gboolean
machine_state_read_info (const char *path, MachineStateInfo *info, GError **error)
{
  g_autoptr (StateReader) reader = state_reader_new (path, error);

  return reader != NULL && read_info (reader, info, error);
}

static gboolean
is_of (Machine *m, const StateReader *reader, const MachineStateInfo *info, GError **error)
{
  if (info->memory != ram_block_size (m->ram))
    return refuse (reader, error, _("it is of a machine with %llu MiB of memory"), (unsigned long long) info->memory >> 20);
  if (info->cpus != m->cpu_count)
    return refuse (reader, error, _("it is of a machine with %u processors"), info->cpus);
  if (!g_str_equal (info->cpu_model, m->cpu_model))
    return refuse (reader, error, _("it needs processors of the model “%s”"), info->cpu_model);
  return TRUE;
}

/* --- Memory --- */

static gboolean
read_chunk (void *opaque, unsigned reader, uint64_t offset, void *to, size_t length)
{
  const MachineSource *source = opaque;

  for (size_t at = 0; at < length; at += STATE_UNIT)
    if (!state_reader_get_unit (source->reader, source->memory, reader, (offset + at) / STATE_UNIT, (uint8_t *) to + at))
      return FALSE;
  return TRUE;
}

/* The guest cannot go on without its memory; what it has on its disks is not touched. */
static void
chunk_failed (void *opaque)
{
  const MachineSource *source = opaque;
  Machine *m = source->machine;
  char message[512];

  g_snprintf (message, sizeof message, _("the saved state “%s” can no longer be read"), state_reader_path (source->reader));
  machine_request_off (m, MACHINE_OFF_ERROR, message);
  vcpus_kick (m);
}

G_STATIC_ASSERT ((int) STATE_LANES >= (int) RAM_READERS);
static const RamSource ram_source = { read_chunk, chunk_failed };

static gpointer
fetch_all (gpointer data)
{
  MachineSource *source = data;
  uint64_t size = ram_block_size (source->machine->ram);

  /* The guest's own accesses come first. */
  setpriority (PRIO_PROCESS, (id_t) syscall (SYS_gettid), 5);
  for (uint64_t at = 0; at < size && !__atomic_load_n (&source->is_stopped, __ATOMIC_RELAXED); at += RAM_CHUNK)
    ram_block_fetch_ahead (source->machine->ram, at, MIN (RAM_CHUNK, size - at));
  return NULL;
}

void
state_forget_source (Machine *m)
{
  MachineSource *source = m->source;

  if (source == NULL)
    return;
  __atomic_store_n (&source->is_stopped, TRUE, __ATOMIC_RELAXED);
  if (source->thread != NULL)
    g_thread_join (source->thread);
  ram_block_forget_source (m->ram);
  state_reader_free (source->reader);
  g_clear_pointer (&m->source, g_free);
}

static gboolean
attach_ram (Machine *m, GError **error)
{
  MachineSource *source = m->source;
  uint64_t units = (ram_block_size (m->ram) + STATE_UNIT - 1) / STATE_UNIT;
  g_autofree uint8_t *missing = g_malloc0 (units / (RAM_CHUNK / STATE_UNIT) + 1);

  source->memory = state_reader_open_memory (source->reader, "ram", ram_block_size (m->ram), error);
  if (source->memory < 0)
    return FALSE;
  for (uint64_t unit = 0; unit < units; unit++)
    missing[unit / (RAM_CHUNK / STATE_UNIT)] |= !state_reader_unit_is_zero (source->reader, source->memory, unit);
  return ram_block_set_source (m->ram, &ram_source, source, missing, error);
}

/* Whether the host has memory for anything of it; else it is zeros. */
static gboolean
has_data (RamBlock *block, uint64_t offset, uint64_t length)
{
  uint64_t start, end;

  return ram_block_next_data (block, offset, &start, &end) && start < offset + length;
}

static gboolean
read_memory (StateReader *reader, const StateMemory *memory, GError **error)
{
  uint64_t size = ram_block_size (memory->block), units = (size + STATE_UNIT - 1) / STATE_UNIT;
  int number = state_reader_open_memory (reader, memory->name, size, error);

  if (number < 0)
    return FALSE;
  /* Zeros that are there already are not written: that would take memory, and time to get it. */
  for (uint64_t unit = 0; unit < units; unit++)
    if ((!state_reader_unit_is_zero (reader, number, unit) || has_data (memory->block, unit * STATE_UNIT, STATE_UNIT)) &&
        !state_reader_get_unit (reader, number, 0, unit, ram_block_host (memory->block) + unit * STATE_UNIT))
      return refuse (reader, error, _("“%s” in it is damaged"), memory->name);
  return TRUE;
}

static gboolean
load_memories (Machine *m, GError **error)
{
  StateMemory memories[STATE_MEMORY_COUNT];

  state_memories (m, memories);
  for (unsigned i = 0; i < STATE_MEMORY_COUNT; i++)
    if (i == STATE_MEMORY_RAM ? !attach_ram (m, error) : !read_memory (m->source->reader, &memories[i], error))
      return FALSE;
  return TRUE;
}

/* --- Processors and devices --- */

static gboolean
load_processor (Machine *m, unsigned i, GError **error)
{
  char name[64];
  g_autoptr (GBytes) bytes = NULL;
  size_t used;

  g_snprintf (name, sizeof name, STATE_SECTION_PROCESSOR "%u", i);
  bytes = state_reader_section (m->source->reader, name, error);
  return bytes != NULL
         && x86_cpu_load (m->vcpus[i].cpu, g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), &used, error);
}

static gboolean
load_device (Machine *m, guint i, GError **error)
{
  char name[64];
  g_autoptr (GBytes) bytes = NULL;
  size_t used;

  state_device_section (m, i, name, sizeof name);
  bytes = state_reader_section (m->source->reader, name, error);
  return bytes != NULL
         && device_load (g_ptr_array_index (m->devices, i), g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), &used,
                         error);
}

static gboolean
load_parts (Machine *m, GError **error)
{
  for (unsigned i = 0; i < m->cpu_count; i++)
    if (!load_processor (m, i, error))
      return FALSE;
  for (guint i = 0; i < m->devices->len; i++)
    if (!load_device (m, i, error))
      return FALSE;
  return TRUE;
}

static gboolean
load (Machine *m, GError **error)
{
  MachineStateInfo info;
  gboolean ok;

  if (!read_info (m->source->reader, &info, error) || !is_of (m, m->source->reader, &info, error))
    return FALSE;
  machine_lock_take (&m->lock);
  m->tsc_hz = info.tsc_hz;
  clock_restore (m->clock, info.clock);
  ok = load_memories (m, error) && load_parts (m, error);
  machine_lock_release (&m->lock);
  return ok;
}

gboolean
machine_load (Machine *m, const char *path, GError **error)
{
  StateReader *reader;
  gboolean ok;

  g_mutex_lock (&m->control);
  g_assert (m->state == MACHINE_STATE_OFF && m->off_reason == MACHINE_OFF_NOT && m->source == NULL);
  reader = state_reader_new (path, error);
  ok = reader != NULL;
  if (ok)
    {
      m->source = g_new0 (MachineSource, 1);
      m->source->machine = m;
      m->source->reader = reader;
      ok = load (m, error);
    }
  if (ok && m->accel == MACHINE_ACCEL_KVM)
    /* The hardware does not fault to us. */
    ram_block_fetch (m->ram, 0, ram_block_size (m->ram));
  else if (ok)
    m->source->thread = g_thread_new ("memory", fetch_all, m->source);
  g_mutex_unlock (&m->control);
  return ok;
}
