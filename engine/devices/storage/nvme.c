/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The NVMe controller: its registers, queues and interrupts. Specification: see nvme-private.h. */

#include "engine/devices/storage/nvme-private.h"

#include <gio/gio.h>
#include <string.h>

enum
{
  PCI_VENDOR = 0x80ee, /* as VirtualBox's, which guests know */
  PCI_DEVICE = 0x4e56,
  PCI_CLASS_NVM = 0x0108,
  PROG_IF_NVME = 2,
  REGISTER_BAR = 0,
  REGISTER_SIZE = 0x2000,
  MSIX_BAR = 4,
  AT_MSIX = 0x40,
  CAP_CONTIGUOUS = 1 << 16,
  CAP_TIMEOUT = 20, /* units of 500 ms */
  CAP_TIMEOUT_SHIFT = 24,
  INVALID_DOORBELL = 0, /* asynchronous events: errors */
  INVALID_DOORBELL_VALUE = 1
};

#define CAP_NVM_COMMANDS ((uint64_t) 1 << 37)

Disk *
nvme_disk (const Nvme *n, uint32_t nsid)
{
  return nsid >= 1 && nsid <= n->namespaces ? n->disks[nsid - 1] : NULL;
}

/* Interrupts */

void
nvme_update_irq (Nvme *n)
{
  gboolean level = FALSE;

  for (unsigned i = 0; i < NVME_QUEUES; i++)
    {
      const NvmeCq *q = &n->cq[i];

      level |= q->exists && q->interrupts && q->head != q->tail && (q->vector > 31 || !(n->intms >> q->vector & 1));
    }
  pci_set_irq (&n->parent, level && !pci_msix_is_enabled (&n->parent));
}

static void
fail (Nvme *n)
{
  n->csts |= CSTS_CFS;
}

static gboolean
is_running (const Nvme *n)
{
  return (n->csts & (CSTS_RDY | CSTS_CFS)) == CSTS_RDY;
}

/* Completions */

static uint32_t
free_entries (const NvmeCq *q)
{
  return q->entries - 1 - (q->tail + q->entries - q->head) % q->entries;
}

static void
post (Nvme *n, unsigned sq, unsigned cq, uint16_t cid, uint32_t result, uint16_t status)
{
  NvmeCq *q = &n->cq[cq];
  uint8_t entry[COMPLETION_SIZE] = { 0 };

  pci_set_long (entry, result);
  pci_set_word (entry + 8, (uint16_t) n->sq[sq].head);
  pci_set_word (entry + 10, (uint16_t) sq);
  pci_set_word (entry + 12, cid);
  pci_set_word (entry + 14, (uint16_t) (status << 1 | (q->phase ? 1 : 0)));
  if (!pci_dma_write (&n->parent, q->base + q->tail * COMPLETION_SIZE, entry, sizeof entry))
    {
      fail (n);
      return;
    }
  if (++q->tail == q->entries)
    {
      q->tail = 0;
      q->phase = !q->phase;
    }
  if (!q->interrupts)
    return;
  if (pci_msix_is_enabled (&n->parent))
    pci_msix_send (&n->parent, q->vector);
  else
    nvme_update_irq (n);
}

void
nvme_complete (Nvme *n, unsigned sq, unsigned cq, uint16_t cid, uint32_t result, uint16_t status)
{
  g_assert (n->cq[cq].outstanding > 0);
  n->cq[cq].outstanding--;
  post (n, sq, cq, cid, result, status);
}

/* Events */

void
nvme_send_events (Nvme *n)
{
  static const uint8_t log_pages[EVENT_TYPES] = { 1, 2 };
  NvmeCq *q = &n->cq[0];

  for (unsigned type = 0; type < EVENT_TYPES; type++)
    {
      if (!n->event_pending[type] || n->event_masked[type] || n->event_count == 0 || !is_running (n)
          || free_entries (q) <= q->outstanding)
        continue;
      n->event_count--;
      post (n, 0, 0, n->event_cid[n->event_count],
            type | (uint32_t) (n->event_pending[type] - 1) << 8 | (uint32_t) log_pages[type] << 16, STATUS_OK);
      n->event_pending[type] = 0;
      n->event_masked[type] = TRUE;
    }
}

void
nvme_event (Nvme *n, unsigned type, uint8_t information)
{
  if (n->event_masked[type])
    return;
  n->event_pending[type] = (uint8_t) (information + 1);
  nvme_send_events (n);
}

void
nvme_log_error (Nvme *n, unsigned sq, const NvmeCommand *command, uint16_t status, uint64_t lba)
{
  n->errors++;
  n->last_error.sq = (uint16_t) sq;
  n->last_error.cid = command->cid;
  n->last_error.status = (uint16_t) (status << 1);
  n->last_error.nsid = command->nsid;
  n->last_error.lba = lba;
}

/* Commands */

void
nvme_decode (NvmeCommand *c, const uint8_t raw[COMMAND_SIZE])
{
  *c = (NvmeCommand) { .opcode = raw[0],
                       .cid = pci_get_word (raw + 2),
                       .fused = (raw[1] & 3) != 0,
                       .sgl = raw[1] >> 6 != 0,
                       .nsid = pci_get_long (raw + 4),
                       .prp1 = pci_get_long (raw + 24) | (uint64_t) pci_get_long (raw + 28) << 32,
                       .prp2 = pci_get_long (raw + 32) | (uint64_t) pci_get_long (raw + 36) << 32,
                       .cdw10 = pci_get_long (raw + 40),
                       .cdw11 = pci_get_long (raw + 44),
                       .cdw12 = pci_get_long (raw + 48),
                       .cdw13 = pci_get_long (raw + 52) };
  memcpy (c->raw, raw, COMMAND_SIZE);
}

static void
run_admin (Nvme *n, const NvmeCommand *c)
{
  uint32_t result = 0;
  uint16_t status = nvme_admin (n, c, &result);

  /* An event request keeps no room: its completion waits for it. */
  if (status == STATUS_LATER)
    n->cq[0].outstanding--;
  else
    nvme_complete (n, 0, 0, c->cid, result, status);
  nvme_send_events (n);
}

/* Takes one command; FALSE: there is none, or it has to wait. */
static gboolean
take (Nvme *n, unsigned index)
{
  NvmeSq *q = &n->sq[index];
  NvmeCq *cq = &n->cq[q->cq];
  uint8_t raw[COMMAND_SIZE];
  NvmeCommand c;

  if (!q->exists || q->head == q->tail || free_entries (cq) <= cq->outstanding
      || (index > 0 && (n->requests.length + n->orphans.length >= REQUESTS_MAX || n->bytes >= BYTES_MAX)))
    return FALSE;
  if (!pci_dma_read (&n->parent, q->base + q->head * COMMAND_SIZE, raw, sizeof raw))
    {
      fail (n);
      return FALSE;
    }
  q->head = (q->head + 1) % q->entries;
  cq->outstanding++;
  nvme_decode (&c, raw);
  if (index == 0)
    run_admin (n, &c);
  else
    nvme_io (n, index, &c);
  return TRUE;
}

void
nvme_process (Nvme *n)
{
  unsigned idle = 0;

  /* Round robin; a queue that is emptied cannot be filled meanwhile, for doorbells wait for us. */
  while (is_running (n) && idle < NVME_QUEUES)
    {
      idle = take (n, n->next_queue) ? 0 : idle + 1;
      n->next_queue = (n->next_queue + 1) % NVME_QUEUES;
    }
}

/* Doorbells */

static void
ring (Nvme *n, uint32_t offset, uint32_t value)
{
  unsigned index = offset / 8;
  NvmeSq *sq = index < NVME_QUEUES ? &n->sq[index] : NULL;
  NvmeCq *cq = index < NVME_QUEUES ? &n->cq[index] : NULL;

  if (!is_running (n))
    return;
  if (sq == NULL || !(offset & 4 ? cq->exists : sq->exists))
    nvme_event (n, EVENT_ERROR, INVALID_DOORBELL);
  else if (offset & 4)
    {
      /* The head follows the tail, and does not pass it. */
      if (value >= cq->entries
          || (value + cq->entries - cq->head) % cq->entries > (cq->tail + cq->entries - cq->head) % cq->entries)
        {
          nvme_event (n, EVENT_ERROR, INVALID_DOORBELL_VALUE);
          return;
        }
      cq->head = value;
      nvme_update_irq (n);
      nvme_send_events (n);
      nvme_process (n);
    }
  else if (value >= sq->entries)
    nvme_event (n, EVENT_ERROR, INVALID_DOORBELL_VALUE);
  else
    {
      sq->tail = value;
      nvme_process (n);
    }
}

/* The controller's life */

static void
disable (Nvme *n)
{
  nvme_cancel (n, -1, FALSE);
  memset (n->sq, 0, sizeof n->sq);
  memset (n->cq, 0, sizeof n->cq);
  n->csts &= ~(uint32_t) (CSTS_RDY | CSTS_CFS | CSTS_SHST);
  n->intms = 0;
  n->next_queue = 0;
  n->event_count = 0;
  memset (n->event_pending, 0, sizeof n->event_pending);
  memset (n->event_masked, 0, sizeof n->event_masked);
  nvme_reset_features (n);
  nvme_update_irq (n);
}

static void
enable (Nvme *n)
{
  uint32_t sq_entries = (n->aqa & 0xfff) + 1, cq_entries = (n->aqa >> 16 & 0xfff) + 1;

  /* One page size, the NVM command set, round robin. */
  if (n->cc >> CC_MPS_SHIFT & 15 || n->cc >> CC_CSS_SHIFT & 7 || n->cc >> CC_AMS_SHIFT & 7 || sq_entries < 2
      || cq_entries < 2)
    {
      fail (n);
      return;
    }
  n->sq[0] = (NvmeSq) { .exists = TRUE, .base = n->asq, .entries = sq_entries };
  n->cq[0] = (NvmeCq) { .exists = TRUE, .interrupts = TRUE, .base = n->acq, .entries = cq_entries, .phase = TRUE };
  n->csts |= CSTS_RDY;
}

static void
write_cc (Nvme *n, uint32_t value)
{
  uint32_t old = n->cc;

  n->cc = value & CC_WRITABLE;
  if (n->cc & CC_EN && !(old & CC_EN))
    enable (n);
  else if (!(n->cc & CC_EN) && old & CC_EN)
    disable (n);
  if (n->cc >> CC_SHN_SHIFT & 3 && !(old >> CC_SHN_SHIFT & 3))
    nvme_begin_shutdown (n);
  else if (!(n->cc >> CC_SHN_SHIFT & 3) && n->flushing == 0)
    n->csts &= ~(uint32_t) CSTS_SHST;
}

/* Registers */

static uint32_t
register_read (const Nvme *n, uint32_t reg)
{
  const uint64_t cap = (QUEUE_ENTRIES_MAX - 1) | CAP_CONTIGUOUS | CAP_TIMEOUT << CAP_TIMEOUT_SHIFT | CAP_NVM_COMMANDS;

  switch (reg)
    {
    case REG_CAP:
      return (uint32_t) cap;
    case REG_CAP + 4:
      return (uint32_t) (cap >> 32);
    case REG_VS:
      return VERSION_1_4;
    case REG_INTMS:
    case REG_INTMC:
      return n->intms;
    case REG_CC:
      return n->cc;
    case REG_CSTS:
      return n->csts;
    case REG_AQA:
      return n->aqa;
    case REG_ASQ:
      return (uint32_t) n->asq;
    case REG_ASQ + 4:
      return (uint32_t) (n->asq >> 32);
    case REG_ACQ:
      return (uint32_t) n->acq;
    case REG_ACQ + 4:
      return (uint32_t) (n->acq >> 32);
    default:
      return 0;
    }
}

/* Half of the address of an admin queue, which begins a page. */
static void
set_half (uint64_t *address, gboolean high, uint32_t value)
{
  if (high)
    *address = (*address & G_MAXUINT32) | (uint64_t) value << 32;
  else
    *address = (*address & ~(uint64_t) G_MAXUINT32) | (value & ~(uint32_t) (NVME_PAGE - 1));
}

static void
register_write (Nvme *n, uint32_t reg, uint32_t value)
{
  gboolean enabled = n->cc & CC_EN;

  switch (reg)
    {
    case REG_INTMS:
      n->intms |= value;
      nvme_update_irq (n);
      break;
    case REG_INTMC:
      n->intms &= ~value;
      nvme_update_irq (n);
      break;
    case REG_CC:
      write_cc (n, value);
      break;
    case REG_AQA:
      if (!enabled)
        n->aqa = value & 0x0fff0fff;
      break;
    case REG_ASQ:
    case REG_ASQ + 4:
      if (!enabled)
        set_half (&n->asq, reg != REG_ASQ, value);
      break;
    case REG_ACQ:
    case REG_ACQ + 4:
      if (!enabled)
        set_half (&n->acq, reg != REG_ACQ, value);
      break;
    default:
      break;
    }
}

static uint64_t
nvme_read (void *opaque, uint64_t offset, unsigned size)
{
  const Nvme *n = opaque;
  uint32_t reg = (uint32_t) offset;

  if (reg >= REG_DOORBELLS)
    return 0;
  return register_read (n, reg) | (size == 8 ? (uint64_t) register_read (n, reg + 4) << 32 : 0);
}

static void
nvme_write (void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
  Nvme *n = opaque;
  uint32_t reg = (uint32_t) offset;

  if (reg >= REG_DOORBELLS)
    {
      ring (n, reg - REG_DOORBELLS, (uint32_t) value);
      return;
    }
  register_write (n, reg, (uint32_t) value);
  if (size == 8)
    register_write (n, reg + 4, (uint32_t) (value >> 32));
}

static const MmioOps nvme_ops = { .read = nvme_read, .write = nvme_write, .min_size = 4, .max_size = 8 };

/* The device */

static void
config_written (PciDevice *dev, unsigned offset, unsigned size)
{
  pci_msix_config_written (dev);
  nvme_update_irq ((Nvme *) dev);
}

static gboolean
nvme_realize (Device *dev, const DeviceEnv *env, GError **error)
{
  Nvme *n = (Nvme *) dev;
  const PciBar bar = { .kind = PCI_BAR_MEMORY, .size = REGISTER_SIZE, .mmio = &nvme_ops };

  if (!pci_device_init (&n->parent, env, -1, PCI_VENDOR, PCI_DEVICE, PCI_CLASS_NVM, error))
    return FALSE;
  n->parent.config[PCI_CLASS_PROG] = PROG_IF_NVME;
  n->parent.config[PCI_INTERRUPT_PIN] = 1;
  pci_set_word (n->parent.config + PCI_SUBSYSTEM_VENDOR_ID, PCI_VENDOR);
  pci_set_word (n->parent.config + PCI_SUBSYSTEM_ID, PCI_DEVICE);
  pci_set_word (n->parent.config + PCI_STATUS, PCI_STATUS_CAP_LIST);
  n->parent.config[PCI_CAPABILITY_LIST] = AT_MSIX;
  pci_register_bar (&n->parent, REGISTER_BAR, &bar);
  pci_msix_init (&n->parent, &n->msix, AT_MSIX, 0, MSIX_BAR, NVME_QUEUES);
  n->parent.config_written = config_written;
  g_queue_init (&n->requests);
  g_queue_init (&n->orphans);
  for (unsigned i = 0; i < n->namespaces; i++)
    {
      if (n->disks[i] != NULL)
        disk_set_context (n->disks[i], env->context);
    }
  return TRUE;
}

static void
nvme_reset (Device *dev)
{
  Nvme *n = (Nvme *) dev;

  pci_device_reset (&n->parent);
  pci_msix_reset (&n->parent);
  disable (n);
  n->cc = n->csts = n->aqa = 0;
  n->asq = n->acq = 0;
}

static void
nvme_unrealize (Device *dev)
{
  Nvme *n = (Nvme *) dev;

  /* Others may hold on to the disks; they must not work on our requests any more, those either that could not be
   * carried out. */
  for (unsigned i = 0; i < NVME_NAMESPACES; i++)
    {
      if (n->disks[i] != NULL)
        disk_drain (n->disks[i]);
    }
  nvme_free_requests (n);
  for (unsigned i = 0; i < NVME_NAMESPACES; i++)
    g_clear_pointer (&n->disks[i], disk_unref);
  pci_device_exit (&n->parent);
}

const DeviceType nvme_type = { .name = "nvme",
                               .size = sizeof (Nvme),
                               .version = 1,
                               .fields = nvme_state_fields,
                               .realize = nvme_realize,
                               .reset = nvme_reset,
                               .before_save = nvme_before_save,
                               .before_load = nvme_before_load,
                               .after_load = nvme_after_load,
                               .unrealize = nvme_unrealize };

void
nvme_attach_disk (Device *dev, unsigned unit, Disk *disk)
{
  Nvme *n = (Nvme *) dev;

  g_assert (unit < NVME_NAMESPACES && n->disks[unit] == NULL);
  n->disks[unit] = disk_ref (disk);
  n->namespaces = MAX (n->namespaces, unit + 1);
}

unsigned
nvme_slot (Device *dev)
{
  return ((PciDevice *) dev)->devfn >> 3;
}

void
nvme_counters (Device *dev, DiskCounters *counters)
{
  *counters = ((Nvme *) dev)->counters;
}
