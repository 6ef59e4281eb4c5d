/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Saving a machine while it runs. Memory is written in rounds, each time what the
 * guest has changed since the round before, until that is little; then the guest
 * stands still for as long as it takes to copy the rest aside and to save
 * processors and devices. All that is written is of that instant.
 */

#include "engine/machine/state-private.h"

#include "engine/devices/display/vga.h"
#include "engine/memory/ram-source.h"

#include <gio/gio.h>
#include <glib/gi18n-lib.h>
#include <string.h>

enum
{
  ROUNDS_MAX = 8,
  /* Units that may be left over for the pause: 16 MiB are copied in a few milliseconds. */
  LEFT_MAX = (16 << 20) / STATE_UNIT,
  /* And those that may come along until then. */
  LEFT_MIN = (1 << 20) / STATE_UNIT,
};

/* More than this is not copied aside: the guest waits until it is written. */
#define ASIDE_MAX ((uint64_t) 2 << 30)

typedef struct
{
  StateMemory source;
  unsigned number;      /* in the file */
  uint64_t size, units;
  uint8_t *todo;        /* a byte a unit */
  uint8_t *pages;       /* a byte a page: what the dirty log told */
  uint64_t left;        /* units to do */
} Image;

typedef struct
{
  Machine *machine;
  const MachineSave *options;
  StateWriter *writer;
  Image images[STATE_MEMORY_COUNT];
  uint8_t *aside;       /* what is put aside at the instant, or NULL, and */
  uint64_t aside_units; /* how much it holds */
  GPtrArray *sections;  /* GBytes, and */
  GPtrArray *names;     /* their names */
} Saving;

static uint64_t
unit_length (const Image *image, uint64_t unit)
{
  return MIN (STATE_UNIT, image->size - unit * STATE_UNIT);
}

void
state_memories (Machine *m, StateMemory memories[STATE_MEMORY_COUNT])
{
  memories[STATE_MEMORY_RAM] = (StateMemory) { "ram", m->ram };
  memories[STATE_MEMORY_VIDEO] = (StateMemory) { "video", vga_memory (m->vga) };
  memories[STATE_MEMORY_FIRMWARE] = (StateMemory) { "firmware", m->bios };
}

void
state_device_section (Machine *m, guint index, char *name, size_t size)
{
  const DeviceType *type = ((Device *) g_ptr_array_index (m->devices, index))->type;
  unsigned number = 0;

  for (guint i = 0; i < index; i++)
    number += ((Device *) g_ptr_array_index (m->devices, i))->type == type;
  g_snprintf (name, size, STATE_SECTION_DEVICE "%s:%u", type->name, number);
}

/* --- What is to be written --- */

/* Everything that the host has memory for; the rest is zeros. */
static void
want_all (Image *image)
{
  uint64_t start, end = 0;

  memset (image->todo, 0, image->units);
  image->left = 0;
  while (ram_block_next_data (image->source.block, end, &start, &end))
    for (uint64_t unit = start / STATE_UNIT; unit <= (end - 1) / STATE_UNIT; unit++)
      image->todo[unit] = 1;
  for (uint64_t unit = 0; unit < image->units; unit++)
    image->left += image->todo[unit];
}

static void
want_dirty (Image *image)
{
  const uint64_t pages = image->size >> GUEST_PAGE_SHIFT, unit_pages = STATE_UNIT >> GUEST_PAGE_SHIFT;

  memset (image->pages, 0, pages);
  ram_block_collect_dirty (image->source.block, 0, pages, image->pages);
  image->left = 0;
  for (uint64_t unit = 0; unit < image->units; unit++)
    {
      const uint8_t *first = image->pages + unit * unit_pages;

      image->todo[unit] |= memchr (first, 1, (size_t) MIN (unit_pages, pages - unit * unit_pages)) != NULL;
      image->left += image->todo[unit];
    }
}

/* --- Writing --- */

static gboolean
tell_progress (Saving *s, double fraction, GError **error)
{
  if (g_cancellable_set_error_if_cancelled (s->options->cancellable, error))
    return FALSE;
  if (s->options->progress != NULL)
    s->options->progress (fraction, s->options->opaque);
  return TRUE;
}

/* Writes what is to be written of @image from memory, or, when it was put aside, from @aside. */
static gboolean
write_units (Saving *s, Image *image, const uint8_t *aside, double from, double to, GError **error)
{
  const uint8_t *memory = ram_block_host (image->source.block);
  uint64_t done = 0, all = MAX (image->left, 1);

  for (uint64_t unit = 0; unit < image->units; unit++)
    {
      size_t length = (size_t) unit_length (image, unit);

      if (!image->todo[unit])
        continue;
      if (!state_writer_put_unit (s->writer, image->number, unit, aside != NULL ? aside + done * STATE_UNIT : memory + unit * STATE_UNIT,
                                  length, error))
        return FALSE;
      image->todo[unit] = 0;
      if (done++ % 64 == 0 && !tell_progress (s, from + (to - from) * (double) done / (double) all, error))
        return FALSE;
    }
  image->left = 0;
  return state_writer_settle (s->writer, error);
}

/* --- The machine itself --- */

static void
add_section (Saving *s, const char *name, const void *data, size_t length)
{
  g_ptr_array_add (s->names, g_strdup (name));
  g_ptr_array_add (s->sections, g_bytes_new (data, length));
}

static void
save_machine (Saving *s)
{
  Machine *m = s->machine;
  GVariantBuilder builder;
  g_autoptr (GVariant) value = NULL;

  g_variant_builder_init (&builder, G_VARIANT_TYPE_VARDICT);
  g_variant_builder_add (&builder, "{sv}", "memory", g_variant_new_uint64 (ram_block_size (m->ram)));
  g_variant_builder_add (&builder, "{sv}", "processors", g_variant_new_uint32 (m->cpu_count));
  g_variant_builder_add (&builder, "{sv}", "cpu-model", g_variant_new_string (m->cpu_model));
  g_variant_builder_add (&builder, "{sv}", "tsc-hz", g_variant_new_uint64 (m->tsc_hz));
  g_variant_builder_add (&builder, "{sv}", "clock", g_variant_new_int64 (clock_now (m->clock)));
  g_variant_builder_add (&builder, "{sv}", "saved-at", g_variant_new_int64 (g_get_real_time ()));
  value = g_variant_ref_sink (g_variant_builder_end (&builder));
  add_section (s, STATE_SECTION_MACHINE, g_variant_get_data (value), g_variant_get_size (value));
}

/* With the machine lock held and all processors standing still. */
static void
save_parts (Saving *s)
{
  Machine *m = s->machine;
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  char name[64];

  save_machine (s);
  for (unsigned i = 0; i < m->cpu_count; i++)
    {
      g_byte_array_set_size (bytes, 0);
      x86_cpu_save (m->vcpus[i].cpu, bytes);
      g_snprintf (name, sizeof name, STATE_SECTION_PROCESSOR "%u", i);
      add_section (s, name, bytes->data, bytes->len);
    }
  for (guint i = 0; i < m->devices->len; i++)
    {
      g_byte_array_set_size (bytes, 0);
      device_save (g_ptr_array_index (m->devices, i), bytes);
      state_device_section (m, i, name, sizeof name);
      add_section (s, name, bytes->data, bytes->len);
    }
}

/* --- The order of things --- */

static void
saving_init (Saving *s, Machine *m, const MachineSave *options)
{
  StateMemory memories[STATE_MEMORY_COUNT];

  *s = (Saving) { .machine = m, .options = options };
  s->sections = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
  s->names = g_ptr_array_new_with_free_func (g_free);
  state_memories (m, memories);
  for (unsigned i = 0; i < STATE_MEMORY_COUNT; i++)
    {
      Image *image = &s->images[i];

      image->source = memories[i];
      image->size = ram_block_size (memories[i].block);
      image->units = (image->size + STATE_UNIT - 1) / STATE_UNIT;
      image->todo = g_malloc0 (image->units);
      image->pages = g_malloc0 (image->size >> GUEST_PAGE_SHIFT);
    }
}

static void
saving_clear (Saving *s)
{
  for (unsigned i = 0; i < STATE_MEMORY_COUNT; i++)
    {
      g_free (s->images[i].todo);
      g_free (s->images[i].pages);
    }
  g_ptr_array_unref (s->sections);
  g_ptr_array_unref (s->names);
  g_free (s->aside);
  state_writer_free (s->writer);
}

/* The log is switched on and off while no processor is between looking a page up and writing to it. */
static gboolean
set_log (Machine *m, gboolean on, GError **error)
{
  gboolean is_running;

  g_mutex_lock (&m->control);
  is_running = m->state == MACHINE_STATE_RUNNING;
  if (m->state != MACHINE_STATE_OFF || !on)
    {
      if (is_running)
        machine_halt (m);
      machine_lock_take (&m->lock);
      if (on)
        ram_block_enable_dirty_log (m->ram, m->memory, STATE_UNIT >> GUEST_PAGE_SHIFT);
      else
        ram_block_disable_dirty_log (m->ram);
      machine_lock_release (&m->lock);
      if (is_running)
        machine_go (m);
    }
  else
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED, _("machine “%s” does not run"), m->name);
  is_running = m->state != MACHINE_STATE_OFF;
  g_mutex_unlock (&m->control);
  return is_running;
}

static uint64_t
units_left (const Saving *s)
{
  uint64_t units = 0;

  for (unsigned i = 0; i < STATE_MEMORY_COUNT; i++)
    units += s->images[i].left;
  return units;
}

static gboolean
reserve (Saving *s, uint64_t units)
{
  if (units <= s->aside_units)
    return TRUE;
  g_clear_pointer (&s->aside, g_free);
  s->aside_units = 0;
  if (units * STATE_UNIT > ASIDE_MAX || (s->aside = g_try_malloc (units * STATE_UNIT)) == NULL)
    return FALSE;
  s->aside_units = units;
  return TRUE;
}

/* About as much as will be needed, and touched: while the guest stands still there is no time to fetch memory from the host. */
static void
reserve_ahead (Saving *s)
{
  want_all (&s->images[STATE_MEMORY_VIDEO]);
  want_all (&s->images[STATE_MEMORY_FIRMWARE]);
  if (reserve (s, MIN (units_left (s) + s->images[STATE_MEMORY_RAM].left + LEFT_MIN, LEFT_MAX * 2)))
    memset (s->aside, 0, s->aside_units * STATE_UNIT);
}

/* Copies what is left aside, so that the guest can go on before it is written. FALSE: there is no room. */
static gboolean
put_aside (Saving *s)
{
  uint64_t done = 0;

  if (!reserve (s, units_left (s)))
    return FALSE;
  for (unsigned i = 0; i < STATE_MEMORY_COUNT; i++)
    {
      const Image *image = &s->images[i];
      const uint8_t *memory = ram_block_host (image->source.block);

      for (uint64_t unit = 0; unit < image->units; unit++)
        if (image->todo[unit])
          memcpy (s->aside + done++ * STATE_UNIT, memory + unit * STATE_UNIT, (size_t) unit_length (image, unit));
    }
  return TRUE;
}

static gboolean
write_rest (Saving *s, const uint8_t *aside, GError **error)
{
  for (unsigned i = 0; i < STATE_MEMORY_COUNT; i++)
    {
      uint64_t units = s->images[i].left;

      if (!write_units (s, &s->images[i], aside, 0.9, 1, error))
        return FALSE;
      if (aside != NULL)
        aside += units * STATE_UNIT;
    }
  return TRUE;
}

/* The instant that is saved. Returns with the machine running again if it ran and is not to stop. */
static gboolean
save_instant (Saving *s, gboolean *was_running, GError **error)
{
  Machine *m = s->machine;
  gboolean ok = TRUE;
  gint64 begin;

  g_mutex_lock (&m->control);
  begin = g_get_monotonic_time ();
  *was_running = m->state == MACHINE_STATE_RUNNING;
  if (m->state == MACHINE_STATE_OFF)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED, _("machine “%s” was powered off meanwhile"), m->name);
      g_mutex_unlock (&m->control);
      return FALSE;
    }
  if (*was_running)
    machine_halt (m);
  machine_lock_take (&m->lock);
  /* Nothing is submitted while we hold the lock. What was, is done or will be done again: a request whose end the guest has
   * not seen is saved as one to be made. */
  for (guint i = 0; i < m->writable_disks->len; i++)
    disk_drain (g_ptr_array_index (m->writable_disks, i));
  want_dirty (&s->images[STATE_MEMORY_RAM]);
  want_all (&s->images[STATE_MEMORY_VIDEO]);
  want_all (&s->images[STATE_MEMORY_FIRMWARE]);
  save_parts (s);
  if (!put_aside (s))
    ok = write_rest (s, NULL, error);
  if (ok && s->options->at_instant != NULL)
    ok = s->options->at_instant (s->options->opaque, error);
  ram_block_disable_dirty_log (m->ram);
  machine_lock_release (&m->lock);
  if (*was_running && s->options->stop && ok)
    machine_stay (m);
  else if (*was_running)
    machine_go (m);
  if (s->options->pause != NULL)
    *s->options->pause = g_get_monotonic_time () - begin;
  g_mutex_unlock (&m->control);
  return ok;
}

static gboolean
write_sections (Saving *s, GError **error)
{
  for (guint i = 0; i < s->sections->len; i++)
    {
      gsize length;
      const void *data = g_bytes_get_data (g_ptr_array_index (s->sections, i), &length);

      if (!state_writer_add_section (s->writer, g_ptr_array_index (s->names, i), data, length, error))
        return FALSE;
    }
  return TRUE;
}

/* Returns when no processor still writes to a page as if its log had not been emptied: the log tells of such once more, but
 * of later ones not. */
static void
settle_log (Machine *m)
{
  g_mutex_lock (&m->control);
  if (m->state == MACHINE_STATE_RUNNING)
    {
      machine_halt (m);
      machine_go (m);
    }
  g_mutex_unlock (&m->control);
}

static gboolean
write_rounds (Saving *s, GError **error)
{
  Image *ram = &s->images[STATE_MEMORY_RAM];
  uint64_t before = G_MAXUINT64;

  ram_block_fetch_ahead (ram->source.block, 0, ram->size);
  want_all (ram);
  for (unsigned round = 0; round < ROUNDS_MAX; round++)
    {
      /* A guest that writes faster than we do is not waited for. */
      if (round > 0 && (ram->left <= LEFT_MAX || ram->left > before / 4 * 3))
        break;
      before = ram->left;
      if (!write_units (s, ram, NULL, round == 0 ? 0 : 0.8, round == 0 ? 0.8 : 0.9, error))
        return FALSE;
      /* What is made durable while the guest stands still does not wait behind all of that. */
      if (round == 0 && !state_writer_sync (s->writer, error))
        return FALSE;
      machine_lock_take (&s->machine->lock);
      want_dirty (ram);
      machine_lock_release (&s->machine->lock);
      settle_log (s->machine);
    }
  return TRUE;
}

gboolean
machine_save (Machine *m, const char *path, const MachineSave *options, GError **error)
{
  Saving saving;
  gboolean ok, is_logged, was_running = FALSE;

  g_mutex_lock (&m->saving);
  saving_init (&saving, m, options);
  saving.writer = state_writer_new (path, error);
  is_logged = saving.writer != NULL && set_log (m, TRUE, error);
  ok = is_logged;
  for (unsigned i = 0; ok && i < STATE_MEMORY_COUNT; i++)
    saving.images[i].number = state_writer_add_memory (saving.writer, saving.images[i].source.name, saving.images[i].size);
  ok = ok && write_rounds (&saving, error);
  if (ok)
    reserve_ahead (&saving);
  ok = ok && save_instant (&saving, &was_running, error);
  if (ok)
    {
      ok = write_rest (&saving, saving.aside, error) && write_sections (&saving, error) && state_writer_finish (saving.writer, error);
      if (!ok && was_running && options->stop)
        machine_resume (m);
    }
  else if (is_logged)
    set_log (m, FALSE, NULL);
  saving_clear (&saving);
  g_mutex_unlock (&m->saving);
  return ok;
}
