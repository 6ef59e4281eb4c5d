/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * MSI-X of a PCI device: a table of messages, one a vector, that the guest fills and masks. A device embeds a PciMsix
 * and saves it with PCI_MSIX_STATE_FIELDS. Machine lock held throughout.
 */
#pragma once

#include "engine/bus/pci.h"

enum
{
  PCI_MSIX_VECTORS_MAX = 64,
  PCI_MSIX_ENTRY_SIZE = 16,
  PCI_MSIX_CAPABILITY_SIZE = 12,
  PCI_MSIX_BAR_SIZE = 0x1000 /* the table, and from 0x800 on the pending bits */
};

struct PciMsix
{
  unsigned capability, vectors;
  uint8_t table[PCI_MSIX_VECTORS_MAX * PCI_MSIX_ENTRY_SIZE];
  uint64_t pending; /* a bit a vector */
};

/* In realize: puts the capability at @offset of the configuration space, before the one at @next (0: none), and takes
 * memory BAR @bar. @msix is embedded in @dev. */
void pci_msix_init (PciDevice *dev, PciMsix *msix, unsigned offset, uint8_t next, int bar, unsigned vectors);
void pci_msix_reset (PciDevice *dev);
/* Whether the guest uses it; INTA# is silent then. */
gboolean pci_msix_is_enabled (const PciDevice *dev);
/* Sends the message of @vector, now or when it is unmasked. There may be no such vector. */
void pci_msix_send (PciDevice *dev, unsigned vector);
/* For the device's config_written(): the guest may have unmasked all. */
void pci_msix_config_written (PciDevice *dev);

#define PCI_MSIX_STATE_FIELDS(Type, member) STATE_BYTES (Type, member.table), STATE_U64 (Type, member.pending)
