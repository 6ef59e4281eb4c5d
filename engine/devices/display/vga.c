/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The VGA adapter as a PCI device.
 * Specification: QEMU docs/specs/standard-vga (IDs, BARs, registers by MMIO);
 * the VGA itself: vga-regs.c.
 */

#include "engine/devices/display/vga-private.h"

#include "engine/bus/pci-rom.h"

#include <gio/gio.h>
#include <string.h>

enum
{
  VRAM_DEFAULT = 16 << 20, VRAM_MIN = 1 << 20, VRAM_MAX = 256 << 20, PORT_VGA = 0x3b0, PORT_VGA_COUNT = 0x30,
  PORT_DISPI = 0x1ce, PORT_DISPI_COUNT = 4, LEGACY_BASE = 0xa0000, LEGACY_SIZE = 0x20000, LEGACY_PRIORITY = 1,
  EDID_WIDTH = 1280, EDID_HEIGHT = 800, VGA_SLOT = 2
};

/* Layout of BAR 2; the EDID is at its start. */
enum
{
  MMIO_PORTS = 0x400, MMIO_PORTS_SIZE = 0x20, PORT_MMIO_BASE = 0x3c0, MMIO_DISPI = 0x500, MMIO_EXTENSION = 0x600,
  MMIO_ENDIAN = 0x604, EXTENSION_SIZE = 8, MMIO_SIZE = 0x1000
};

#define LITTLE_ENDIAN_MARK 0x1e1e1e1e
#define BIG_ENDIAN_MARK    0xbebebebe

/* Registers by MMIO (BAR 2). */

static uint64_t
mmio_read (void *opaque, uint64_t offset, unsigned size)
{
  Vga *d = opaque;
  uint64_t value = 0;

  if (offset >= MMIO_PORTS && offset < MMIO_PORTS + MMIO_PORTS_SIZE)
    {
      for (unsigned i = 0; i < size && offset + i < MMIO_PORTS + MMIO_PORTS_SIZE; i++)
        value |= (uint64_t) vga_port_read (d, (uint16_t) (PORT_MMIO_BASE + offset + i - MMIO_PORTS)) << (8 * i);
    }
  else if (offset >= MMIO_DISPI && offset < MMIO_DISPI + 2 * DISPI_COUNT)
    {
      value = vga_dispi_read (d, (unsigned) (offset - MMIO_DISPI) / 2);
      if (size == 4)
        value |= (uint64_t) vga_dispi_read (d, (unsigned) (offset - MMIO_DISPI) / 2 + 1) << 16;
      value >>= 8 * (offset & 1);
    }
  else if (offset == MMIO_EXTENSION)
    value = EXTENSION_SIZE;
  else if (offset == MMIO_ENDIAN)
    value = d->big_endian ? BIG_ENDIAN_MARK : LITTLE_ENDIAN_MARK;
  else
    {
      for (unsigned i = 0; i < size && offset + i < EDID_SIZE; i++)
        value |= (uint64_t) d->edid[offset + i] << (8 * i);
    }
  return value;
}

static void
mmio_write (void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
  Vga *d = opaque;

  if (offset >= MMIO_PORTS && offset < MMIO_PORTS + MMIO_PORTS_SIZE)
    {
      for (unsigned i = 0; i < size && offset + i < MMIO_PORTS + MMIO_PORTS_SIZE; i++)
        vga_port_write (d, (uint16_t) (PORT_MMIO_BASE + offset + i - MMIO_PORTS), (uint8_t) (value >> (8 * i)));
    }
  else if (offset >= MMIO_DISPI && offset < MMIO_DISPI + 2 * DISPI_COUNT && offset % 2 == 0)
    {
      vga_dispi_write (d, (unsigned) (offset - MMIO_DISPI) / 2, (uint16_t) value);
      if (size == 4)
        vga_dispi_write (d, (unsigned) (offset - MMIO_DISPI) / 2 + 1, (uint16_t) (value >> 16));
    }
  else if (offset == MMIO_ENDIAN && (value == BIG_ENDIAN_MARK || value == LITTLE_ENDIAN_MARK))
    {
      d->big_endian = value == BIG_ENDIAN_MARK;
      d->redraw = TRUE;
    }
}

static const MmioOps mmio_ops = { .read = mmio_read, .write = mmio_write, .min_size = 1, .max_size = 4 };

/* The display's side */

static void
refresh (void *opaque, gboolean full)
{
  bus_flush_posted (((Vga *) opaque)->parent.parent.env.bus);
  vga_refresh (opaque, full);
}

static char *
text (void *opaque)
{
  bus_flush_posted (((Vga *) opaque)->parent.parent.env.bus);
  return vga_dump_text (opaque);
}

static void
set_ui_size (void *opaque, int width, int height)
{
  edid_build (((Vga *) opaque)->edid, width, height);
}

static const DisplaySource display_source = { .refresh = refresh, .text = text, .set_ui_size = set_ui_size };

static gboolean
vga_realize (Device *dev, const DeviceEnv *env, GError **error)
{
  Vga *d = (Vga *) dev;
  PciBar framebuffer = { .kind = PCI_BAR_MEMORY_PREFETCH };
  PciBar mmio = { .kind = PCI_BAR_MEMORY, .size = MMIO_SIZE, .mmio = &mmio_ops };

  if (d->vram_size == 0)
    d->vram_size = VRAM_DEFAULT;
  d->vram_block = ram_block_new ("video memory", d->vram_size, error);
  if (d->vram_block == NULL)
    goto fail;
  d->vram = ram_block_host (d->vram_block);
  d->dirty_pages = g_malloc0 (d->vram_size >> GUEST_PAGE_SHIFT);
  if (!pci_device_init (&d->parent, env, VGA_SLOT << 3, 0x1234, 0x1111, 0x0300, error))
    goto fail;
  if (!bus_add_pio (env->bus, PORT_VGA, PORT_VGA_COUNT, &vga_pio_ops, d, error) ||
      !bus_add_pio (env->bus, PORT_DISPI, PORT_DISPI_COUNT, &vga_dispi_pio_ops, d, error) ||
      (d->rom != NULL && !pci_register_rom (&d->parent, d->rom, error)))
    goto fail_bus;
  d->parent.config[PCI_REVISION_ID] = 2;
  framebuffer.size = d->vram_size;
  framebuffer.ram = d->vram_block;
  pci_register_bar (&d->parent, 0, &framebuffer);
  pci_register_bar (&d->parent, 2, &mmio);
  d->legacy = address_space_add_mmio (env->memory, LEGACY_BASE, LEGACY_SIZE, LEGACY_PRIORITY, &vga_legacy_ops, d);
  ram_block_enable_dirty_log (d->vram_block, env->memory, 1);
  edid_build (d->edid, EDID_WIDTH, EDID_HEIGHT);
  if (d->display != NULL)
    display_set_source (d->display, &display_source, d);
  return TRUE;

fail_bus:
  bus_remove_pio (env->bus, PORT_VGA, d);
  bus_remove_pio (env->bus, PORT_DISPI, d);
  pci_device_exit (&d->parent);
fail:
  g_clear_pointer (&d->vram_block, ram_block_free);
  g_clear_pointer (&d->dirty_pages, g_free);
  g_clear_pointer (&d->rom, g_free);
  return FALSE;
}

static void
vga_reset (Device *dev)
{
  Vga *d = (Vga *) dev;

  pci_device_reset (&d->parent);
  d->feature = d->seq_index = d->gr_index = d->cr_index = d->ar_index = d->ar_flip_flop = 0;
  memset (d->seq, 0, sizeof d->seq);
  memset (d->gr, 0, sizeof d->gr);
  memset (d->cr, 0, sizeof d->cr);
  memset (d->ar, 0, sizeof d->ar);
  memset (d->palette, 0, sizeof d->palette);
  d->latch = 0;
  d->big_endian = FALSE;
  memset (d->vram, 0, d->vram_size);
  d->misc = MISC_COLOR;
  /* 80 × 25 until a BIOS says otherwise: front ends have something to show. */
  d->cr[CR_HDISP] = 79;
  d->cr[CR_VDISP] = 0x8f;
  d->cr[CR_OVERFLOW] = 0x02;
  d->cr[CR_OFFSET] = 40;
  d->cr[CR_MAX_SCAN] = 15;
  d->dac_mask = 0xff;
  d->dac_state = d->dac_read = d->dac_write = d->dac_component = 0;
  memset (d->dispi, 0, sizeof d->dispi);
  d->dispi[DISPI_ID] = 0xb0c5;
  d->dispi[DISPI_BPP] = 8;
  d->dispi_index = 0;
  d->redraw = TRUE;
  vga_update_mapping (d);
}

static gboolean
vga_after_load (Device *dev, GError **error)
{
  Vga *d = (Vga *) dev;

  if (d->seq_index >= SEQ_COUNT || d->gr_index >= GR_COUNT || d->dac_component > 2 ||
      !vga_dispi_is_sane (d))
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "saved state of %s is damaged", dev->type->name);
      return FALSE;
    }
  pci_device_loaded (&d->parent);
  d->redraw = TRUE;
  vga_update_mapping (d);
  return TRUE;
}

static void
vga_unrealize (Device *dev)
{
  Vga *d = (Vga *) dev;

  if (d->display != NULL)
    display_set_source (d->display, NULL, NULL);
  g_clear_pointer (&d->direct, memory_region_remove);
  memory_region_remove (d->legacy);
  bus_remove_pio (dev->env.bus, PORT_VGA, d);
  bus_remove_pio (dev->env.bus, PORT_DISPI, d);
  pci_device_exit (&d->parent);
  ram_block_free (d->vram_block);
  g_free (d->dirty_pages);
  g_free (d->cells);
  g_free (d->rom);
}

static const StateField vga_fields[] = {
  PCI_STATE_FIELDS (Vga), STATE_U8 (Vga, misc), STATE_U8 (Vga, feature), STATE_U8 (Vga, seq_index),
  STATE_U8 (Vga, gr_index), STATE_U8 (Vga, cr_index), STATE_U8 (Vga, ar_index), STATE_U8 (Vga, ar_flip_flop),
  STATE_U8 (Vga, seq), STATE_U8 (Vga, gr), STATE_U8 (Vga, cr), STATE_U8 (Vga, ar), STATE_U8 (Vga, dac_mask),
  STATE_U8 (Vga, dac_state), STATE_U8 (Vga, dac_read), STATE_U8 (Vga, dac_write), STATE_U8 (Vga, dac_component),
  STATE_U8 (Vga, dac_cache), STATE_U8 (Vga, palette), STATE_U8 (Vga, big_endian), STATE_U32 (Vga, latch),
  STATE_U16 (Vga, dispi_index), STATE_U16 (Vga, dispi), STATE_U8 (Vga, edid), STATE_END
};

const DeviceType vga_type = {
  .name = "vga", .size = sizeof (Vga), .version = 1, .fields = vga_fields,
  .realize = vga_realize, .reset = vga_reset, .after_load = vga_after_load, .unrealize = vga_unrealize
};

void
vga_set_display (Device *dev, Display *display)
{
  ((Vga *) dev)->display = display;
}

void
vga_set_rom (Device *dev, const char *path)
{
  Vga *d = (Vga *) dev;

  g_free (d->rom);
  d->rom = g_strdup (path);
}

void
vga_set_memory_size (Device *dev, uint64_t bytes)
{
  g_assert (bytes >= VRAM_MIN && bytes <= VRAM_MAX && (bytes & (bytes - 1)) == 0);
  ((Vga *) dev)->vram_size = bytes;
}

RamBlock *
vga_memory (Device *dev)
{
  return ((Vga *) dev)->vram_block;
}
