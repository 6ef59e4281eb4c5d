/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Laying out Linux and multiboot 1 kernels for the option ROM in boot-rom.S.
 * Specifications: Linux Documentation/x86/boot; Multiboot 0.6.96; ELF 1.2.
 */

#include "engine/machine/direct-boot.h"

#include <elf.h>
#include <gio/gio.h>
#include <glib/gi18n-lib.h>
#include <string.h>

enum
{
  LINUX_SETUP_ADDRESS = 0x10000, LINUX_COMMAND_LINE_ADDRESS = 0x20000, LINUX_KERNEL_ADDRESS = 0x100000,
  LINUX_HEAP_END = 0xfe00, LINUX_COMMAND_LINE_MAX = 0xffff, LINUX_SETUP_MAX = 64 * 512,
  HDR_SETUP_SECTS = 0x1f1, HDR_MAGIC = 0x202, HDR_VERSION = 0x206, HDR_TYPE_OF_LOADER = 0x210, HDR_LOADFLAGS = 0x211,
  HDR_RAMDISK_IMAGE = 0x218, HDR_RAMDISK_SIZE = 0x21c, HDR_HEAP_END = 0x224, HDR_CMD_LINE_PTR = 0x228,
  HDR_INITRD_ADDR_MAX = 0x22c, HDR_CMDLINE_SIZE = 0x238, HDR_PREF_ADDRESS = 0x258, HDR_INIT_SIZE = 0x260, HDR_END = 0x268,
  LOADED_HIGH = 1 << 0, CAN_USE_HEAP = 1 << 7, LOADER_UNREGISTERED = 0xff,
  MULTIBOOT_SEARCH = 8192, MULTIBOOT_INFO_ADDRESS = 0x9000, MULTIBOOT_COMMAND_LINE_ADDRESS = 0x20000,
  MULTIBOOT_ADDRESSES = 1 << 16, MULTIBOOT_MANDATORY = 0xfffc, MULTIBOOT_HAS_PAGE_ALIGN_OR_MEMORY = 3,
  INFO_LENGTH = 0x90, INFO_MEMORY = 1 << 0, INFO_COMMAND_LINE = 1 << 2, INFO_MODULES = 1 << 3, INFO_LOADER = 1 << 9,
  /* The firmware keeps its tables at the top of RAM. */
  FIRMWARE_RESERVE = 1 << 20
};

#define MULTIBOOT_MAGIC 0x1badb002u
#define LINUX_MAGIC 0x53726448u /* “HdrS” */

extern const uint8_t boot_rom_start[], boot_rom_end[];

static uint32_t
get32 (const uint8_t *p)
{
  uint32_t value;

  memcpy (&value, p, 4);
  return GUINT32_FROM_LE (value);
}

static uint16_t
get16 (const uint8_t *p)
{
  return (uint16_t) (p[0] | p[1] << 8);
}

static void
put32 (uint8_t *p, uint32_t value)
{
  value = GUINT32_TO_LE (value);
  memcpy (p, &value, 4);
}

G_GNUC_PRINTF (3, 4) static gboolean
fail (GError **error, const char *path, const char *format, ...)
{
  va_list arguments;
  g_autofree char *cause = NULL;

  va_start (arguments, format);
  cause = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, _("cannot boot “%s”: %s"), path, cause);
  return FALSE;
}

/* The ROM with its two checksums completed. */
static GBytes *
complete_rom (void)
{
  enum { PNP_POINTER = 0x1a, PNP_CHECKSUM = 9, PNP_LENGTH = 32 };
  size_t length = (size_t) (boot_rom_end - boot_rom_start);
  uint8_t *rom = g_memdup2 (boot_rom_start, length), *pnp = rom + get16 (rom + PNP_POINTER), sum = 0;

  for (size_t i = 0; i < PNP_LENGTH; i++)
    sum = (uint8_t) (sum + pnp[i]);
  pnp[PNP_CHECKSUM] = (uint8_t) -sum;
  sum = 0;
  for (size_t i = 0; i < length; i++)
    sum = (uint8_t) (sum + rom[i]);
  rom[length - 1] = (uint8_t) (rom[length - 1] - sum);
  return g_bytes_new_take (rom, length);
}

static GBytes *
read_file (const char *path, GError **error)
{
  char *contents;
  gsize length;

  if (!g_file_get_contents (path, &contents, &length, error))
    return NULL;
  return g_bytes_new_take (contents, length);
}

/* Places the initrd as high as @limit (exclusive) and RAM allow, not below @floor. */
static gboolean
place_initrd (DirectBoot *boot, const char *path, uint64_t limit, uint64_t floor, uint64_t low_memory, GError **error)
{
  GBytes *data;
  uint64_t top = MIN (limit, low_memory > FIRMWARE_RESERVE ? low_memory - FIRMWARE_RESERVE : 0), size;

  if (path == NULL)
    return TRUE;
  data = read_file (path, error);
  if (data == NULL)
    return FALSE;
  boot->initrd.data = data;
  size = g_bytes_get_size (data);
  if (size > top || ((top - size) & ~(uint64_t) 4095) < floor)
    return fail (error, path, _("it has %llu KiB, and with the kernel that is more than the machine's memory of "
                 "%llu MiB holds"), (unsigned long long) size / 1024, (unsigned long long) low_memory >> 20);
  boot->initrd.address = (uint32_t) ((top - size) & ~(uint64_t) 4095);
  return TRUE;
}

static gboolean
load_linux (DirectBoot *boot, const char *path, const uint8_t *image, size_t length, const char *initrd, const char *append,
            uint64_t low_memory, GError **error)
{
  uint16_t version = get16 (image + HDR_VERSION);
  size_t setup_size = ((image[HDR_SETUP_SECTS] != 0 ? image[HDR_SETUP_SECTS] : 4) + 1u) * 512, maximum = 255;
  uint64_t initrd_limit = 0x38000000, kernel_end;
  uint8_t *setup;

  if (version < 0x202 || !(image[HDR_LOADFLAGS] & LOADED_HIGH))
    return fail (error, path, _("it speaks version %x.%02x of the Linux boot protocol, 2.02 is the oldest known here"),
                 version >> 8, version & 0xff);
  if (setup_size > LINUX_SETUP_MAX + 512 || setup_size >= length)
    return fail (error, path, _("its set-up code is said to be longer than the file (%zu of %zu bytes)"), setup_size,
                 length);
  if (version >= 0x206)
    maximum = MIN (get32 (image + HDR_CMDLINE_SIZE), LINUX_COMMAND_LINE_MAX - 1);
  if (strlen (append) > maximum)
    return fail (error, path, _("the command line has %zu bytes, the kernel takes %zu"), strlen (append), maximum);

  kernel_end = LINUX_KERNEL_ADDRESS + (uint64_t) (length - setup_size);
  if (version >= 0x20a)
    kernel_end = MAX (kernel_end, get32 (image + HDR_PREF_ADDRESS) + (uint64_t) get32 (image + HDR_INIT_SIZE));
  if (kernel_end > low_memory)
    return fail (error, path, _("it needs %llu MiB to unpack itself, the machine has %llu MiB"),
                 (unsigned long long) (kernel_end >> 20) + 1, (unsigned long long) low_memory >> 20);
  if (version >= 0x203)
    initrd_limit = (uint64_t) get32 (image + HDR_INITRD_ADDR_MAX) + 1;
  if (!place_initrd (boot, initrd, initrd_limit, kernel_end, low_memory, error))
    return FALSE;

  setup = g_memdup2 (image, setup_size);
  setup[HDR_TYPE_OF_LOADER] = LOADER_UNREGISTERED;
  setup[HDR_LOADFLAGS] |= CAN_USE_HEAP;
  setup[HDR_HEAP_END] = (uint8_t) (LINUX_HEAP_END - 0x200);
  setup[HDR_HEAP_END + 1] = (LINUX_HEAP_END - 0x200) >> 8;
  put32 (setup + HDR_CMD_LINE_PTR, LINUX_COMMAND_LINE_ADDRESS);
  if (boot->initrd.data != NULL)
    {
      put32 (setup + HDR_RAMDISK_IMAGE, boot->initrd.address);
      put32 (setup + HDR_RAMDISK_SIZE, (uint32_t) g_bytes_get_size (boot->initrd.data));
    }
  boot->setup = (DirectBootPart) { LINUX_SETUP_ADDRESS, g_bytes_new_take (setup, setup_size) };
  boot->kernel = (DirectBootPart) { LINUX_KERNEL_ADDRESS, g_bytes_new (image + setup_size, length - setup_size) };
  boot->command_line = (DirectBootPart) { LINUX_COMMAND_LINE_ADDRESS, g_bytes_new (append, strlen (append) + 1) };
  return TRUE;
}

/* Gathers the loadable segments of a 32-bit ELF file into one block. */
static gboolean
load_elf (DirectBoot *boot, const char *path, const uint8_t *image, size_t length, uint64_t low_memory, uint64_t *end,
          GError **error)
{
  const Elf32_Ehdr *header = (const Elf32_Ehdr *) image;
  uint64_t first = G_MAXUINT64;
  uint8_t *block;

  *end = 0;
  if (length < sizeof *header || memcmp (image, ELFMAG, SELFMAG) != 0 || header->e_ident[EI_CLASS] != ELFCLASS32 ||
      header->e_phentsize != sizeof (Elf32_Phdr) || header->e_phoff > length ||
      (uint64_t) header->e_phnum * sizeof (Elf32_Phdr) > length - header->e_phoff)
    return fail (error, path, _("its multiboot header gives no addresses and it is no 32-bit ELF file"));
  for (unsigned i = 0; i < header->e_phnum; i++)
    {
      Elf32_Phdr segment;

      memcpy (&segment, image + header->e_phoff + i * sizeof segment, sizeof segment);
      if (segment.p_type != PT_LOAD || segment.p_memsz == 0)
        continue;
      if (segment.p_offset > length || segment.p_filesz > length - segment.p_offset || segment.p_filesz > segment.p_memsz)
        return fail (error, path, _("ELF segment %u reaches beyond the end of the file"), i);
      first = MIN (first, segment.p_paddr);
      *end = MAX (*end, (uint64_t) segment.p_paddr + segment.p_memsz);
    }
  if (first >= *end || *end > low_memory || first < LINUX_KERNEL_ADDRESS - 0x1000)
    return fail (error, path, _("its segments do not lie between 1 MiB and the end of the machine's memory"));
  block = g_try_malloc0 (*end - first);
  if (block == NULL)
    return fail (error, path, _("there is no memory for its %llu bytes"), (unsigned long long) (*end - first));
  for (unsigned i = 0; i < header->e_phnum; i++)
    {
      Elf32_Phdr segment;

      memcpy (&segment, image + header->e_phoff + i * sizeof segment, sizeof segment);
      if (segment.p_type == PT_LOAD && segment.p_memsz != 0)
        memcpy (block + (segment.p_paddr - first), image + segment.p_offset, segment.p_filesz);
    }
  boot->kernel = (DirectBootPart) { (uint32_t) first, g_bytes_new_take (block, *end - first) };
  boot->entry = header->e_entry;
  return TRUE;
}

/* The “a.out kludge”: the header itself says what goes where. */
static gboolean
load_addressed (DirectBoot *boot, const char *path, const uint8_t *image, size_t length, size_t header_at,
                uint64_t low_memory, uint64_t *end, GError **error)
{
  const uint8_t *header = image + header_at;
  uint32_t header_address = get32 (header + 12), load = get32 (header + 16), load_end = get32 (header + 20),
           bss_end = get32 (header + 24);
  uint64_t offset, size;
  uint8_t *block;

  if (header_address < load || header_address - load > header_at)
    return fail (error, path, _("its multiboot header gives impossible addresses"));
  offset = header_at - (header_address - load);
  size = load_end != 0 && load_end >= load ? load_end - load : length - offset;
  if (size > length - offset)
    return fail (error, path, _("its multiboot header speaks of more bytes than the file has"));
  *end = MAX ((uint64_t) load + size, bss_end);
  if (load < LINUX_KERNEL_ADDRESS || *end > low_memory)
    return fail (error, path, _("it wants to be loaded outside the machine's memory"));
  block = g_try_malloc0 (*end - load);
  if (block == NULL)
    return fail (error, path, _("there is no memory for its %llu bytes"), (unsigned long long) (*end - load));
  memcpy (block, image + offset, size);
  boot->kernel = (DirectBootPart) { load, g_bytes_new_take (block, *end - load) };
  boot->entry = get32 (header + 28);
  return TRUE;
}

static gboolean
load_multiboot (DirectBoot *boot, const char *path, const uint8_t *image, size_t length, size_t header_at,
                const char *initrd, const char *append, uint64_t low_memory, GError **error)
{
  uint32_t flags = get32 (image + header_at + 4), info_flags = INFO_MEMORY | INFO_COMMAND_LINE | INFO_LOADER;
  uint8_t *info;
  g_autofree char *line = NULL;
  static const char loader[] = "Bunshin";
  uint64_t end = 0;

  enum { LOADER_NAME_AT = 0x70, MODULE_AT = 0x80, MODULE_LENGTH = 16 };

  if (flags & MULTIBOOT_MANDATORY & ~MULTIBOOT_HAS_PAGE_ALIGN_OR_MEMORY)
    return fail (error, path, _("its multiboot header asks for features that are not known here (flags %x)"), flags);
  if (flags & MULTIBOOT_ADDRESSES)
    {
      if (header_at + 32 > length)
        return fail (error, path, _("its multiboot header is cut off"));
      if (!load_addressed (boot, path, image, length, header_at, low_memory, &end, error))
        return FALSE;
    }
  else if (!load_elf (boot, path, image, length, low_memory, &end, error))
    return FALSE;
  if (boot->entry == 0)
    return fail (error, path, _("it has no entry point"));
  if (!place_initrd (boot, initrd, G_MAXUINT32, end, low_memory, error))
    return FALSE;

  line = g_strdup_printf ("%s %s", path, append);
  if (strlen (line) > LINUX_COMMAND_LINE_MAX - 1)
    return fail (error, path, _("the command line has %zu bytes, which is too long"), strlen (line));

  info = g_malloc0 (INFO_LENGTH);
  put32 (info + 4, 639);
  put32 (info + 8, (uint32_t) ((low_memory - LINUX_KERNEL_ADDRESS) / 1024));
  put32 (info + 16, MULTIBOOT_COMMAND_LINE_ADDRESS);
  put32 (info + 64, MULTIBOOT_INFO_ADDRESS + LOADER_NAME_AT);
  memcpy (info + LOADER_NAME_AT, loader, sizeof loader);
  if (boot->initrd.data != NULL)
    {
      info_flags |= INFO_MODULES;
      put32 (info + 20, 1);
      put32 (info + 24, MULTIBOOT_INFO_ADDRESS + MODULE_AT);
      put32 (info + MODULE_AT, boot->initrd.address);
      put32 (info + MODULE_AT + 4, boot->initrd.address + (uint32_t) g_bytes_get_size (boot->initrd.data));
      put32 (info + MODULE_AT + 8, MULTIBOOT_COMMAND_LINE_ADDRESS);
    }
  put32 (info, info_flags);
  boot->setup = (DirectBootPart) { MULTIBOOT_INFO_ADDRESS, g_bytes_new_take (info, INFO_LENGTH) };
  boot->command_line = (DirectBootPart) { MULTIBOOT_COMMAND_LINE_ADDRESS, g_bytes_new (line, strlen (line) + 1) };
  return TRUE;
}

static gboolean
find_multiboot_header (const uint8_t *image, size_t length, size_t *at)
{
  for (size_t i = 0; i + 12 <= MIN (length, MULTIBOOT_SEARCH); i += 4)
    {
      if (get32 (image + i) == MULTIBOOT_MAGIC && get32 (image + i) + get32 (image + i + 4) + get32 (image + i + 8) == 0)
        {
          *at = i;
          return TRUE;
        }
    }
  return FALSE;
}

DirectBoot *
direct_boot_load (const char *kernel, const char *initrd, const char *append, uint64_t low_memory, GError **error)
{
  g_autoptr (DirectBoot) boot = g_new0 (DirectBoot, 1);
  g_autoptr (GBytes) file = read_file (kernel, error);
  const uint8_t *image;
  gsize length;
  size_t header_at;
  gboolean ok;

  if (file == NULL)
    return NULL;
  image = g_bytes_get_data (file, &length);
  if (append == NULL)
    append = "";
  if (find_multiboot_header (image, length, &header_at))
    ok = load_multiboot (boot, kernel, image, length, header_at, initrd, append, low_memory, error);
  else if (length > HDR_END && get32 (image + HDR_MAGIC) == LINUX_MAGIC)
    ok = load_linux (boot, kernel, image, length, initrd, append, low_memory, error);
  else
    ok = fail (error, kernel, _("it is neither a Linux kernel (bzImage) nor a multiboot 1 kernel"));
  if (!ok)
    return NULL;
  boot->rom = complete_rom ();
  return g_steal_pointer (&boot);
}

void
direct_boot_free (DirectBoot *boot)
{
  if (boot == NULL)
    return;
  g_clear_pointer (&boot->rom, g_bytes_unref);
  g_clear_pointer (&boot->setup.data, g_bytes_unref);
  g_clear_pointer (&boot->kernel.data, g_bytes_unref);
  g_clear_pointer (&boot->initrd.data, g_bytes_unref);
  g_clear_pointer (&boot->command_line.data, g_bytes_unref);
  g_free (boot);
}
