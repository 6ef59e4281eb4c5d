/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Kernels for direct boot: what is laid out where, and files that are none. */

#include "engine/machine/direct-boot.h"

#include <gio/gio.h>
#include <glib/gstdio.h>
#include <string.h>

typedef struct
{
  char *folder, *kernel, *initrd;
} Fixture;

static void
setup (Fixture *f, gconstpointer unused)
{
  f->folder = g_dir_make_tmp ("bunshin-boot-XXXXXX", NULL);
  f->kernel = g_build_filename (f->folder, "kernel", NULL);
  f->initrd = g_build_filename (f->folder, "initrd", NULL);
}

static void
teardown (Fixture *f, gconstpointer unused)
{
  g_unlink (f->kernel);
  g_unlink (f->initrd);
  g_rmdir (f->folder);
  g_free (f->kernel);
  g_free (f->initrd);
  g_free (f->folder);
}

static void
put32 (uint8_t *p, uint32_t v)
{
  v = GUINT32_TO_LE (v);
  memcpy (p, &v, 4);
}

static uint32_t
get32 (GBytes *bytes, size_t at)
{
  uint32_t v;

  memcpy (&v, (const uint8_t *) g_bytes_get_data (bytes, NULL) + at, 4);
  return GUINT32_FROM_LE (v);
}

/* A bzImage of two set-up sectors and 4 KiB of kernel. */
static void
write_linux (const char *path, unsigned version)
{
  uint8_t image[3 * 512 + 4096] = { 0 };

  image[0x1f1] = 2;
  put32 (image + 0x202, 0x53726448);
  image[0x206] = (uint8_t) version;
  image[0x207] = (uint8_t) (version >> 8);
  image[0x211] = 1;
  put32 (image + 0x22c, 0x7fffffff);
  put32 (image + 0x238, 2047);
  put32 (image + 0x258, 0x1000000);
  put32 (image + 0x260, 0x800000);
  memset (image + 3 * 512, 0x5a, 4096);
  g_assert_true (g_file_set_contents (path, (const char *) image, sizeof image, NULL));
}

static void
test_linux (Fixture *f, gconstpointer unused)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DirectBoot) boot = NULL;
  const uint8_t *rom;
  gsize length;
  uint8_t sum = 0;

  write_linux (f->kernel, 0x20f);
  g_assert_true (g_file_set_contents (f->initrd, "initrd contents", -1, NULL));
  boot = direct_boot_load (f->kernel, f->initrd, "quiet", 64 << 20, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (boot->entry, ==, 0);
  g_assert_cmphex (boot->kernel.address, ==, 0x100000);
  g_assert_cmpuint (g_bytes_get_size (boot->kernel.data), ==, 4096);
  g_assert_cmphex (get32 (boot->kernel.data, 0), ==, 0x5a5a5a5a);
  g_assert_cmphex (get32 (boot->setup.data, 0x218), ==, boot->initrd.address);
  g_assert_cmpuint (get32 (boot->setup.data, 0x21c), ==, 15);
  g_assert_cmphex (get32 (boot->setup.data, 0x228), ==, boot->command_line.address);
  g_assert_cmpuint (boot->initrd.address % 4096, ==, 0);
  g_assert_cmphex (boot->initrd.address, >=, 0x1800000);
  g_assert_cmphex (boot->initrd.address + 15, <=, 63 << 20);
  g_assert_cmpstr (g_bytes_get_data (boot->command_line.data, NULL), ==, "quiet");

  rom = g_bytes_get_data (boot->rom, &length);
  g_assert_cmphex (rom[0], ==, 0x55);
  g_assert_cmphex (rom[1], ==, 0xaa);
  g_assert_cmpuint (length, ==, rom[2] * 512u);
  for (gsize i = 0; i < length; i++)
    sum = (uint8_t) (sum + rom[i]);
  g_assert_cmpuint (sum, ==, 0);
}

static void
expect_failure (Fixture *f, const char *initrd, const char *append, uint64_t memory, const char *word)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (direct_boot_load (f->kernel, initrd, append, memory, &error));
  g_assert_nonnull (error);
  if (strstr (error->message, word) == NULL)
    g_error ("“%s” is not in “%s”", word, error->message);
}

static void
test_refused (Fixture *f, gconstpointer unused)
{
  g_autofree char *append = g_strnfill (3000, 'x'), *large = g_malloc0 (48 << 20);

  expect_failure (f, NULL, NULL, 64 << 20, "No such file");
  g_assert_true (g_file_set_contents (f->kernel, "hello", -1, NULL));
  expect_failure (f, NULL, NULL, 64 << 20, "multiboot");
  write_linux (f->kernel, 0x201);
  expect_failure (f, NULL, NULL, 64 << 20, "2.01");
  write_linux (f->kernel, 0x20f);
  expect_failure (f, NULL, append, 64 << 20, "3000");
  expect_failure (f, NULL, NULL, 16 << 20, "16 MiB");
  expect_failure (f, "/nowhere/initrd", NULL, 64 << 20, "/nowhere/initrd");
  g_assert_true (g_file_set_contents (f->initrd, large, 48 << 20, NULL));
  expect_failure (f, f->initrd, NULL, 64 << 20, "initrd");
}

/* A multiboot header with addresses; @load may be nonsense. */
static void
write_multiboot (const char *path, uint32_t load, uint32_t load_end, uint32_t bss_end, uint32_t entry)
{
  uint8_t image[4096] = { 0 };

  put32 (image + 0x100, 0x1badb002);
  put32 (image + 0x104, 0x10003);
  put32 (image + 0x108, -(0x1badb002u + 0x10003));
  put32 (image + 0x10c, load + 0x100);
  put32 (image + 0x110, load);
  put32 (image + 0x114, load_end);
  put32 (image + 0x118, bss_end);
  put32 (image + 0x11c, entry);
  g_assert_true (g_file_set_contents (path, (const char *) image, sizeof image, NULL));
}

static void
test_multiboot (Fixture *f, gconstpointer unused)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DirectBoot) boot = NULL;

  write_multiboot (f->kernel, 0x200000, 0x200800, 0x202000, 0x200120);
  boot = direct_boot_load (f->kernel, NULL, "a b", 64 << 20, &error);
  g_assert_no_error (error);
  g_assert_cmphex (boot->entry, ==, 0x200120);
  g_assert_cmphex (boot->kernel.address, ==, 0x200000);
  g_assert_cmpuint (g_bytes_get_size (boot->kernel.data), ==, 0x2000);
  g_assert_true (g_str_has_suffix (g_bytes_get_data (boot->command_line.data, NULL), "/kernel a b"));
  g_assert_cmphex (get32 (boot->setup.data, 16), ==, boot->command_line.address);

  write_multiboot (f->kernel, 0x200000, 0x300000, 0, 0x200120);
  expect_failure (f, NULL, NULL, 64 << 20, "more bytes");
  write_multiboot (f->kernel, 0x7fff0000, 0, 0, 0x200120);
  expect_failure (f, NULL, NULL, 64 << 20, "memory");
  write_multiboot (f->kernel, 0x200000, 0, 0, 0);
  expect_failure (f, NULL, NULL, 64 << 20, "entry");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add ("/direct-boot/linux", Fixture, NULL, setup, test_linux, teardown);
  g_test_add ("/direct-boot/refused", Fixture, NULL, setup, test_refused, teardown);
  g_test_add ("/direct-boot/multiboot", Fixture, NULL, setup, test_multiboot, teardown);
  return g_test_run ();
}
