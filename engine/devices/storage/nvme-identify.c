/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the NVMe controller says of itself and of its namespaces. Specification: NVM Express 1.4, section 5.15. */

#include "engine/devices/storage/nvme-private.h"

#include <string.h>

enum
{
  CNS_NAMESPACE = 0,
  CNS_CONTROLLER = 1,
  CNS_ACTIVE = 2,
  CNS_DESCRIPTORS = 3,
  NIDT_UUID = 3,
  UUID_SIZE = 16,
  SECTOR_SHIFT = 9,
  /* Writes and discards of this many blocks, at such places, suit the images. */
  PREFERRED_BLOCKS = 8,
  OPTIMAL_BLOCKS = 128
};

static const char model[] = "Bunshin NVMe", revision[] = "1.0", serial[] = "BNN00001";

static void
put_text (uint8_t *at, const char *text, size_t size)
{
  memset (at, ' ', size);
  memcpy (at, text, MIN (strlen (text), size));
}

static void
put_blocks (uint8_t *at, uint64_t value)
{
  pci_set_long (at, (uint32_t) value);
  pci_set_long (at + 4, (uint32_t) (value >> 32));
}

static void
put_controller (const Nvme *n, uint8_t b[NVME_PAGE])
{
  pci_set_word (b, pci_get_word (n->parent.config + PCI_VENDOR_ID));
  pci_set_word (b + 2, pci_get_word (n->parent.config + PCI_SUBSYSTEM_VENDOR_ID));
  put_text (b + 4, serial, 20);
  put_text (b + 24, model, 40);
  put_text (b + 64, revision, 8);
  b[72] = 4; /* arbitration burst, a power of two */
  b[77] = MDTS;
  pci_set_long (b + 80, VERSION_1_4);
  b[111] = 1;                                   /* an I/O controller */
  b[258] = 3;                                   /* aborts at once, less one */
  b[259] = EVENTS_MAX - 1;
  b[260] = 1 << 1 | 1;                          /* one firmware, not to be changed */
  b[261] = 1 << 2;                              /* long log pages */
  b[263] = 0;                                   /* power states, less one */
  pci_set_word (b + 266, TEMPERATURE_WARNING);
  pci_set_word (b + 268, TEMPERATURE_WARNING + 20);
  b[512] = SQ_ENTRY_SHIFT << 4 | SQ_ENTRY_SHIFT;
  b[513] = CQ_ENTRY_SHIFT << 4 | CQ_ENTRY_SHIFT;
  pci_set_long (b + 516, n->namespaces);
  pci_set_word (b + 520, 1 << 0 | 1 << 2 | 1 << 3); /* COMPARE, DATASET MANAGEMENT, WRITE ZEROES */
  b[525] = 2 << 1 | 1;                          /* a write cache, each namespace is flushed by itself */
  g_strlcpy ((char *) b + 768, "nqn.2026-11.bunshin:nvme", 256);
  pci_set_word (b + 2048, 500); /* the power state: 5 W */
}

static void
put_namespace (const Disk *disk, uint8_t b[NVME_PAGE])
{
  uint64_t blocks = disk_size (disk) / NVME_SECTOR;

  put_blocks (b, blocks);
  put_blocks (b + 8, blocks);
  put_blocks (b + 16, blocks);
  b[24] = 1 << 4 | 1;                           /* the preferred sizes below; thin provisioning */
  b[33] = 1 << 3;                               /* WRITE ZEROES may deallocate */
  put_blocks (b + 48, disk_size (disk));
  pci_set_word (b + 64, PREFERRED_BLOCKS - 1);
  pci_set_word (b + 66, PREFERRED_BLOCKS - 1);
  pci_set_word (b + 68, PREFERRED_BLOCKS - 1);
  pci_set_word (b + 70, PREFERRED_BLOCKS - 1);
  pci_set_word (b + 72, OPTIMAL_BLOCKS - 1);
  b[99] = disk_is_read_only (disk);
  b[128 + 2] = SECTOR_SHIFT;                    /* the one format */
}

/* One controller's namespaces differ; other controllers are other machines'. */
static void
put_descriptors (uint32_t nsid, uint8_t b[NVME_PAGE])
{
  static const uint8_t uuid[UUID_SIZE] = { 0x6f, 0x4b, 0x1d, 0x52, 0x9a, 0x0e, 0x4c, 0x63,
                                           0x8e, 0x21, 0x42, 0x4e, 0x4e, 0x56, 0x4d, 0x00 };

  b[0] = NIDT_UUID;
  b[1] = UUID_SIZE;
  memcpy (b + 4, uuid, UUID_SIZE);
  b[4 + UUID_SIZE - 1] = (uint8_t) nsid;
}

static void
put_active (const Nvme *n, uint32_t above, uint8_t b[NVME_PAGE])
{
  for (uint32_t nsid = 1; nsid <= n->namespaces; nsid++)
    {
      if (nsid <= above || nvme_disk (n, nsid) == NULL)
        continue;
      pci_set_long (b, nsid);
      b += 4;
    }
}

uint16_t
nvme_identify (Nvme *n, const NvmeCommand *c)
{
  uint8_t b[NVME_PAGE] = { 0 };
  const Disk *disk = nvme_disk (n, c->nsid);
  gboolean exists = c->nsid >= 1 && c->nsid <= n->namespaces;

  switch (c->cdw10 & 0xff)
    {
    case CNS_NAMESPACE:
      if (!exists)
        return STATUS_INVALID_NAMESPACE;
      /* Of one that is not active: zeroes. */
      if (disk != NULL)
        put_namespace (disk, b);
      break;
    case CNS_CONTROLLER:
      put_controller (n, b);
      break;
    case CNS_ACTIVE:
      if (c->nsid >= 0xfffffffe)
        return STATUS_INVALID_NAMESPACE;
      put_active (n, c->nsid, b);
      break;
    case CNS_DESCRIPTORS:
      if (disk == NULL)
        return STATUS_INVALID_NAMESPACE;
      put_descriptors (c->nsid, b);
      break;
    default:
      return STATUS_INVALID_FIELD;
    }
  return nvme_reply (n, c, b, sizeof b);
}
