/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Expansion ROMs of PCI devices. */
#pragma once

#include "engine/bus/pci.h"

/* Loads the file at @path into the device's expansion ROM BAR; freed by pci_device_exit(). The error names the file.
 * At most 1 MiB. */
gboolean pci_register_rom (PciDevice *dev, const char *path, GError **error);
