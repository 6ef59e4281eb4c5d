/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The saved state of every device of a whole PC that has run firmware and a
 * boot sector: saved, loaded into another PC, and saved again, it is the same.
 * With the processors and memory that PC then runs on from there.
 */

#include "guest-pc.h"

#include <string.h>

/* Lets the guest run until it has said @rounds words in all. */
static void
run_until (Pc *pc, unsigned rounds)
{
  MachineInfo info;

  pc_wait (pc, rounds);
  machine_pause (pc->machine);
  machine_info (pc->machine, &info);
  /* What was read before a state was loaded is not counted again. */
  g_assert_cmpuint (info.floppy_reads, >=, rounds - 1);
  g_assert_cmpuint (info.disk_reads, >=, rounds - 1);
}

static unsigned
device_count (Machine *m)
{
  return m->devices->len + m->cpu_count;
}

static Device *
device_at (Machine *m, unsigned i)
{
  return i < m->devices->len ? g_ptr_array_index (m->devices, i) : m->vcpus[i - m->devices->len].lapic;
}

/* The name of the field that holds byte @at of a state. */
static const char *
field_at (Device *dev, size_t at)
{
  size_t end = 1 + strlen (dev->type->name) + 2;

  for (const StateField *f = dev->type->fields; f != NULL && f->name != NULL; f++)
    {
      end += (size_t) f->size * f->count;
      if (at < end)
        return f->name;
    }
  return "head";
}

static void
expect_same (Device *dev, const GByteArray *a, const GByteArray *b)
{
  g_assert_cmpuint (a->len, ==, b->len);
  for (guint i = 0; i < a->len; i++)
    {
      if (a->data[i] != b->data[i])
        g_error ("%s: %s differs: %02x, %02x", dev->type->name, field_at (dev, i), a->data[i], b->data[i]);
    }
}

static GByteArray *
save (Device *dev)
{
  GByteArray *state = g_byte_array_new ();

  device_save (dev, state);
  return state;
}

static void
check (Pc *from, Pc *to)
{
  Machine *m = from->machine, *other = to->machine;

  g_assert_cmpuint (device_count (m), ==, device_count (other));
  machine_lock_take (&m->lock);
  machine_lock_take (&other->lock);
  clock_set (other->clock, clock_now (m->clock));
  for (unsigned i = 0; i < device_count (m); i++)
    {
      Device *dev = device_at (m, i), *copy = device_at (other, i);
      g_autoptr (GByteArray) state = save (dev), again = NULL;
      g_autoptr (GError) error = NULL;
      size_t used = 0;

      g_test_message ("%s: %u bytes", dev->type->name, state->len);
      g_assert_true (device_load (copy, state->data, state->len, &used, &error));
      g_assert_no_error (error);
      g_assert_cmpuint (used, ==, state->len);
      again = save (copy);
      expect_same (dev, state, again);
    }
  /* Loading one device has not changed another. */
  for (unsigned i = 0; i < device_count (m); i++)
    {
      g_autoptr (GByteArray) state = save (device_at (m, i)), again = save (device_at (other, i));

      expect_same (device_at (m, i), state, again);
    }
  machine_lock_release (&other->lock);
  machine_lock_release (&m->lock);
}

/* Processors and memory; the devices are there already. */
static void
move_rest (Machine *m, Machine *other)
{
  machine_lock_take (&other->lock);
  memcpy (ram_block_host (other->ram), ram_block_host (m->ram), PC_MEMORY);
  for (unsigned i = 0; i < m->cpu_count; i++)
    {
      g_autoptr (GByteArray) state = g_byte_array_new ();
      g_autoptr (GError) error = NULL;
      size_t used;

      x86_cpu_save (m->vcpus[i].cpu, state);
      g_assert_true (x86_cpu_load (other->vcpus[i].cpu, state->data, state->len, &used, &error));
      g_assert_no_error (error);
    }
  machine_lock_release (&other->lock);
}

static void
test_all (void)
{
  Pc pc, fresh;
  g_autoptr (GError) error = NULL;

  pc_new (&pc);
  pc_new (&fresh);
  check (&pc, &fresh);
  pc_free (&fresh);

  machine_start (pc.machine, &error);
  g_assert_no_error (error);
  for (unsigned rounds = 1; rounds <= 3; rounds++)
    {
      run_until (&pc, rounds + 1);
      pc_new (&fresh);
      check (&pc, &fresh);
      move_rest (pc.machine, fresh.machine);
      machine_start (fresh.machine, &error);
      g_assert_no_error (error);
      run_until (&fresh, 3);
      pc_free (&fresh);
      machine_resume (pc.machine);
    }
  pc_free (&pc);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/machine/state", test_all);
  return g_test_run ();
}
