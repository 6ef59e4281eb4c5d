/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Implementation of the fixture of the disk controllers' tests. */

#include "tests/unit/disk-controllers/fixture.h"

#include <glib/gstdio.h>

static void
irq_changed (void *opaque, int line, int level)
{
  Fixture *f = opaque;

  f->raised[line] += level && !f->level[line];
  f->level[line] = level;
}

void
fixture_setup (Fixture *f, gconstpointer data)
{
  machine_lock_init (&f->lock);
  f->context = g_main_context_new ();
  f->bus = bus_new ();
  f->memory = address_space_new ();
  f->ram = ram_block_new ("RAM", FIXTURE_MEMORY, NULL);
  address_space_add_ram (f->memory, 0, FIXTURE_MEMORY, 0, f->ram, 0);
  f->pci = pci_bus_new (f->bus, f->memory);
  f->clock = clock_new (f->context, &f->lock);
  for (int i = 0; i < FIXTURE_IRQS; i++)
    f->irq[i] = (IrqLine) { irq_changed, f, i };
  f->env = (DeviceEnv) {
    .bus = f->bus, .memory = f->memory, .pci = f->pci, .clock = f->clock, .lock = &f->lock, .context = f->context,
    .isa_irq = f->irq
  };
  f->folder = g_dir_make_tmp ("bunshin-controllers-XXXXXX", NULL);
  g_assert_nonnull (f->folder);
}

void
fixture_teardown (Fixture *f, gconstpointer data)
{
  g_autoptr (GDir) dir = g_dir_open (f->folder, 0, NULL);

  for (const char *name; (name = g_dir_read_name (dir)) != NULL;)
    {
      g_autofree char *path = g_build_filename (f->folder, name, NULL);

      g_unlink (path);
    }
  g_rmdir (f->folder);
  g_free (f->folder);
  clock_free (f->clock);
  pci_bus_free (f->pci);
  bus_free (f->bus);
  address_space_free (f->memory);
  ram_block_free (f->ram);
  g_main_context_unref (f->context);
  machine_lock_clear (&f->lock);
}

uint8_t
fixture_in (Fixture *f, uint16_t port)
{
  return (uint8_t) bus_pio_read (f->bus, port, 1);
}

uint16_t
fixture_in16 (Fixture *f, uint16_t port)
{
  return (uint16_t) bus_pio_read (f->bus, port, 2);
}

void
fixture_out (Fixture *f, uint16_t port, uint32_t value)
{
  bus_pio_write (f->bus, port, value, 1);
}

void
fixture_out16 (Fixture *f, uint16_t port, uint32_t value)
{
  bus_pio_write (f->bus, port, value, 2);
}

void
fixture_out32 (Fixture *f, uint16_t port, uint32_t value)
{
  bus_pio_write (f->bus, port, value, 4);
}

uint8_t *
fixture_ram (Fixture *f, uint32_t gpa)
{
  return ram_block_host (f->ram) + gpa;
}

uint8_t
fixture_wait (Fixture *f, uint16_t port, uint8_t busy)
{
  uint8_t value;

  while ((value = fixture_in (f, port)) & busy)
    g_main_context_iteration (f->context, TRUE);
  return value;
}

char *
fixture_file (Fixture *f, const char *name, const uint8_t *contents, size_t length)
{
  char *path = g_build_filename (f->folder, name, NULL);

  g_assert_true (g_file_set_contents (path, (const char *) contents, (gssize) length, NULL));
  return path;
}

Disk *
fixture_disk (Fixture *f, const char *name, const uint8_t *contents, size_t length, DiskOpenFlags flags)
{
  g_autofree char *path = fixture_file (f, name, contents, length);
  g_autoptr (GError) error = NULL;
  Disk *disk = disk_open (path, flags, &error);

  g_assert_no_error (error);
  return disk;
}
