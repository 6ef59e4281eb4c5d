/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A running PC saved to a file and loaded into others, which run on; and files that are not what they should be. */

#include "guest-pc.h"

#include "engine/memory/ram-source.h"

#include <glib/gstdio.h>
#include <string.h>

typedef struct
{
  char *folder, *path;
} Place;

static void
place_init (Place *place)
{
  g_autoptr (GError) error = NULL;

  place->folder = g_dir_make_tmp ("bunshin-state-XXXXXX", &error);
  g_assert_no_error (error);
  place->path = g_build_filename (place->folder, "state", NULL);
}

/* Nothing but the state may be there. */
static void
place_clear (Place *place)
{
  g_unlink (place->path);
  g_assert_cmpint (g_rmdir (place->folder), ==, 0);
  g_free (place->path);
  g_free (place->folder);
}

static void
start (Pc *pc)
{
  g_autoptr (GError) error = NULL;

  machine_start (pc->machine, &error);
  g_assert_no_error (error);
}

static void
save (Pc *pc, const char *path, gboolean stop)
{
  const MachineSave options = { .stop = stop };
  g_autoptr (GError) error = NULL;

  machine_save (pc->machine, path, &options, &error);
  g_assert_no_error (error);
}

static void
load (Pc *pc, const char *path)
{
  g_autoptr (GError) error = NULL;

  pc_new (pc);
  machine_load (pc->machine, path, &error);
  g_assert_no_error (error);
}

/* Saved again and again, each time by the machine that the last state made. */
static void
test_chain (void)
{
  enum { LINKS = 12 };
  const MachineAccel accels[] = { MACHINE_ACCEL_JIT, MACHINE_ACCEL_INTERP };
  Place place;
  Pc pcs[2];
  Pc *pc = &pcs[0], *next = &pcs[1];

  place_init (&place);
  pc_new (pc);
  start (pc);
  pc_wait (pc, 2);
  for (unsigned i = 0; i < LINKS; i++)
    {
      MachineStateInfo info;
      g_autoptr (GError) error = NULL;
      Pc *last = pc;

      save (pc, place.path, i % 2 == 0);
      g_assert_cmpint (machine_state (pc->machine), ==, i % 2 == 0 ? MACHINE_STATE_PAUSED : MACHINE_STATE_RUNNING);
      if (i % 2 != 0)
        pc_wait (pc, pc->rounds + 1);
      machine_state_read_info (place.path, &info, &error);
      g_assert_no_error (error);
      g_assert_cmpuint (info.memory, ==, PC_MEMORY);
      load (next, place.path);
      machine_set_accel (next->machine, accels[i % G_N_ELEMENTS (accels)], &error);
      g_assert_no_error (error);
      pc_free (last);
      start (next);
      pc_wait (next, 2);
      pc = next;
      next = last;
    }
  pc_free (pc);
  place_clear (&place);
}

/* What is loaded is what was saved, and takes little room. */
static void
test_paused (void)
{
  const MachineSave options = { .stop = TRUE };
  g_autoptr (GError) error = NULL;
  g_autofree char *data = NULL;
  Place place;
  Pc pc, other;
  gsize length;

  place_init (&place);
  pc_new (&pc);
  start (&pc);
  pc_wait (&pc, 2);
  machine_pause (pc.machine);
  save (&pc, place.path, TRUE);
  g_assert_cmpint (machine_state (pc.machine), ==, MACHINE_STATE_PAUSED);
  g_file_get_contents (place.path, &data, &length, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (length, <, PC_MEMORY / 4);
  load (&other, place.path);
  g_assert_cmpmem (ram_block_host (pc.machine->ram), PC_MEMORY, ram_block_host (other.machine->ram), PC_MEMORY);
  g_assert_cmpint (clock_now (pc.machine->clock), ==, clock_now (other.machine->clock));
  /* A machine that has not been started has nothing to save. */
  g_assert_false (machine_save (other.machine, place.path, &options, &error));
  g_assert_nonnull (error);
  pc_free (&other);
  pc_free (&pc);
  place_clear (&place);
}

/* Of one that has ended files are free at once, and its memory is given back whenever that is asked for; so it is of one that is
 * still being read. */
static void
test_retired (void)
{
  Place place;
  Pc pc, other;

  place_init (&place);
  pc_new (&pc);
  start (&pc);
  pc_wait (&pc, 2);
  save (&pc, place.path, FALSE);
  machine_end (pc.machine);
  g_assert_cmpint (machine_state (pc.machine), ==, MACHINE_STATE_OFF);
  load (&other, place.path);
  start (&other);
  pc_wait (&other, 2);
  machine_end (pc.machine);
  machine_retire (g_steal_pointer (&pc.machine));
  pc_wait (&other, other.rounds + 1);
  machine_retire (g_steal_pointer (&other.machine));
  pc_free (&other);
  load (&other, place.path);
  machine_end (other.machine);
  pc_free (&other);
  pc_free (&pc);
  place_clear (&place);
}

static gboolean
refuse_instant (void *opaque, GError **error)
{
  *(unsigned *) opaque += 1;
  g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_NO_SPACE, "no room for a layer");
  return FALSE;
}

/* A save that fails leaves no file, and the machine as it was. */
static void
test_failures (void)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  unsigned instants = 0;
  const MachineSave cancelled = { .stop = TRUE, .cancellable = cancellable };
  const MachineSave refused = { .stop = TRUE, .at_instant = refuse_instant, .opaque = &instants };
  g_autoptr (GError) error = NULL;
  Place place;
  Pc pc;

  place_init (&place);
  pc_new (&pc);
  start (&pc);
  pc_wait (&pc, 2);
  g_cancellable_cancel (cancellable);
  g_assert_false (machine_save (pc.machine, place.path, &cancelled, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_clear_error (&error);
  pc_wait (&pc, pc.rounds + 1);
  g_assert_false (machine_save (pc.machine, place.path, &refused, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_NO_SPACE);
  g_clear_error (&error);
  g_assert_cmpuint (instants, ==, 1);
  pc_wait (&pc, pc.rounds + 1);
  g_assert_false (machine_save (pc.machine, "/nonexistent/state", &cancelled, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND);
  g_assert_nonnull (strstr (error->message, "/nonexistent/state"));
  g_assert_cmpint (machine_state (pc.machine), ==, MACHINE_STATE_RUNNING);
  pc_free (&pc);
  place_clear (&place);
}

/* What is damaged is refused by name, or, in memory that is read later, tells so then; nothing crashes. What does no harm
 * (some bytes of a file are nobody's) leaves the memory as it was. */
static void
expect_refused (const char *path, const char *data, gsize length, const uint8_t *memory)
{
  g_autoptr (GError) error = NULL;
  Pc pc;

  g_file_set_contents (path, data, (gssize) length, &error);
  g_assert_no_error (error);
  pc_new (&pc);
  if (machine_load (pc.machine, path, &error))
    {
      g_autofree char *message = NULL;

      ram_block_fetch (pc.machine->ram, 0, PC_MEMORY);
      message = machine_message (pc.machine);
      if (message != NULL)
        g_assert_nonnull (strstr (message, path));
      else
        g_assert_cmpmem (ram_block_host (pc.machine->ram), PC_MEMORY, memory, PC_MEMORY);
    }
  else
    g_assert_nonnull (error);
  pc_free (&pc);
}

static void
test_damage (void)
{
  enum { FLIPS = 40, CUTS = 12 };
  g_autoptr (GRand) random = g_rand_new_with_seed (5);
  g_autofree char *data = NULL;
  g_autofree uint8_t *memory = NULL;
  g_autoptr (GError) error = NULL;
  gsize length;
  Place place;
  Pc pc;

  place_init (&place);
  pc_new (&pc);
  start (&pc);
  pc_wait (&pc, 2);
  save (&pc, place.path, TRUE);
  memory = g_memdup2 (ram_block_host (pc.machine->ram), PC_MEMORY);
  pc_free (&pc);
  g_file_get_contents (place.path, &data, &length, &error);
  g_assert_no_error (error);
  for (unsigned i = 0; i < FLIPS; i++)
    {
      /* The header's page has room that nobody reads, but for its beginning. */
      gsize at = i < 8 ? i * 6 : 4096 + (gsize) g_rand_int_range (random, 0, (gint32) length - 4096);

      data[at] = (char) (data[at] ^ (1 << (i % 8)));
      expect_refused (place.path, data, length, memory);
      data[at] = (char) (data[at] ^ (1 << (i % 8)));
    }
  for (unsigned i = 0; i < CUTS; i++)
    {
      Pc cut;

      g_file_set_contents (place.path, data, (gssize) (length * i / CUTS), &error);
      g_assert_no_error (error);
      pc_new (&cut);
      g_assert_false (machine_load (cut.machine, place.path, &error));
      g_assert_nonnull (strstr (error->message, place.path));
      g_clear_error (&error);
      pc_free (&cut);
    }
  place_clear (&place);
}

static void
test_other_machine (void)
{
  MachineConfig config = { .name = "other", .memory = 2 * PC_MEMORY, .cpus = 2, .accel = MACHINE_ACCEL_INTERP };
  g_autoptr (GError) error = NULL;
  Machine *other;
  Place place;
  Pc pc;

  place_init (&place);
  pc_new (&pc);
  start (&pc);
  pc_wait (&pc, 2);
  save (&pc, place.path, TRUE);
  pc_free (&pc);
  other = machine_new (&config, &error);
  g_assert_false (machine_load (other, place.path, &error));
  g_assert_nonnull (strstr (error->message, "16 MiB"));
  machine_free (other);
  g_clear_error (&error);
  config.memory = PC_MEMORY;
  other = machine_new (&config, &error);
  g_assert_false (machine_load (other, place.path, &error));
  g_assert_nonnull (error);
  machine_free (other);
  place_clear (&place);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/machine/saved-state/chain", test_chain);
  g_test_add_func ("/machine/saved-state/paused", test_paused);
  g_test_add_func ("/machine/saved-state/retired", test_retired);
  g_test_add_func ("/machine/saved-state/failures", test_failures);
  g_test_add_func ("/machine/saved-state/damage", test_damage);
  g_test_add_func ("/machine/saved-state/other-machine", test_other_machine);
  return g_test_run ();
}
