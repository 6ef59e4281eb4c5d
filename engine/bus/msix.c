/* SPDX-License-Identifier: GPL-3.0-or-later */
/* MSI-X. Specification: PCI Local Bus Specification 3.0, section 6.8.2. */

#include "engine/bus/msix.h"

#include <string.h>

enum
{
  CAP_ID = 0x11,
  CAP_CONTROL = 2,
  CAP_TABLE = 4,
  CAP_PENDING = 8,
  CONTROL_ENABLE = 1 << 15,
  CONTROL_MASK_ALL = 1 << 14,
  ENTRY_ADDRESS = 0,
  ENTRY_DATA = 8,
  ENTRY_CONTROL = 12,
  ENTRY_MASKED = 1 << 0,
  PENDING_OFFSET = 0x800
};

static uint16_t
control (const PciDevice *dev)
{
  return pci_get_word (dev->config + dev->msix->capability + CAP_CONTROL);
}

gboolean
pci_msix_is_enabled (const PciDevice *dev)
{
  return dev->msix != NULL && control (dev) & CONTROL_ENABLE;
}

static void
send_now (PciDevice *dev, unsigned vector)
{
  const uint8_t *entry = dev->msix->table + vector * PCI_MSIX_ENTRY_SIZE;

  dev->msix->pending &= ~((uint64_t) 1 << vector);
  if (pci_get_word (dev->config + PCI_COMMAND) & PCI_COMMAND_MASTER)
    pci_send_message (dev, pci_get_long (entry + ENTRY_ADDRESS) | (uint64_t) pci_get_long (entry + 4) << 32,
                      pci_get_long (entry + ENTRY_DATA));
}

static gboolean
is_masked (const PciDevice *dev, unsigned vector)
{
  return control (dev) & CONTROL_MASK_ALL
         || dev->msix->table[vector * PCI_MSIX_ENTRY_SIZE + ENTRY_CONTROL] & ENTRY_MASKED;
}

void
pci_msix_send (PciDevice *dev, unsigned vector)
{
  if (!pci_msix_is_enabled (dev) || vector >= dev->msix->vectors)
    return;
  if (is_masked (dev, vector))
    dev->msix->pending |= (uint64_t) 1 << vector;
  else
    send_now (dev, vector);
}

static void
send_unmasked (PciDevice *dev)
{
  if (!pci_msix_is_enabled (dev))
    return;
  for (unsigned vector = 0; vector < dev->msix->vectors; vector++)
    {
      if (dev->msix->pending >> vector & 1 && !is_masked (dev, vector))
        send_now (dev, vector);
    }
}

void
pci_msix_config_written (PciDevice *dev)
{
  send_unmasked (dev);
}

static uint64_t
table_read (void *opaque, uint64_t offset, unsigned size)
{
  const PciMsix *m = ((PciDevice *) opaque)->msix;

  offset &= ~(uint64_t) 3;
  if (offset < m->vectors * PCI_MSIX_ENTRY_SIZE)
    return pci_get_long (m->table + offset);
  if (offset == PENDING_OFFSET || offset == PENDING_OFFSET + 4)
    return (uint32_t) (m->pending >> (8 * (offset - PENDING_OFFSET)));
  return 0;
}

static void
table_write (void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
  PciMsix *m = ((PciDevice *) opaque)->msix;

  offset &= ~(uint64_t) 3;
  if (offset >= m->vectors * PCI_MSIX_ENTRY_SIZE)
    return;
  if (offset % PCI_MSIX_ENTRY_SIZE == ENTRY_CONTROL)
    value &= ENTRY_MASKED;
  else if (offset % PCI_MSIX_ENTRY_SIZE == ENTRY_ADDRESS)
    value &= ~(uint64_t) 3;
  pci_set_long (m->table + offset, (uint32_t) value);
  send_unmasked (opaque);
}

/* Whole registers: narrower accesses are widened, which is right for reads, and writes are always of 4 or 8 bytes. */
static const MmioOps table_ops = { .read = table_read, .write = table_write, .min_size = 4, .max_size = 4 };

void
pci_msix_reset (PciDevice *dev)
{
  PciMsix *m = dev->msix;

  pci_set_word (dev->config + m->capability + CAP_CONTROL, (uint16_t) (m->vectors - 1));
  memset (m->table, 0, sizeof m->table);
  for (unsigned vector = 0; vector < m->vectors; vector++)
    m->table[vector * PCI_MSIX_ENTRY_SIZE + ENTRY_CONTROL] = ENTRY_MASKED;
  m->pending = 0;
}

void
pci_msix_init (PciDevice *dev, PciMsix *msix, unsigned offset, uint8_t next, int bar, unsigned vectors)
{
  const PciBar table = { .kind = PCI_BAR_MEMORY, .size = PCI_MSIX_BAR_SIZE, .mmio = &table_ops };

  g_assert (vectors >= 1 && vectors <= PCI_MSIX_VECTORS_MAX && offset + PCI_MSIX_CAPABILITY_SIZE <= PCI_CONFIG_SIZE);
  dev->msix = msix;
  msix->capability = offset;
  msix->vectors = vectors;
  dev->config[offset] = CAP_ID;
  dev->config[offset + 1] = next;
  pci_set_word (dev->wmask + offset + CAP_CONTROL, CONTROL_ENABLE | CONTROL_MASK_ALL);
  pci_set_long (dev->config + offset + CAP_TABLE, (uint32_t) bar);
  pci_set_long (dev->config + offset + CAP_PENDING, PENDING_OFFSET | (uint32_t) bar);
  pci_register_bar (dev, bar, &table);
  pci_msix_reset (dev);
}
