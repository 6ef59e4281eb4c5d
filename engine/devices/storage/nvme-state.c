/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The saved state of the NVMe controller. Commands that are under way are saved as they came, for the guest may have
 * reused their entries, and begin again after a load: doing any of them twice comes to the same.
 */

#include "engine/devices/storage/nvme-private.h"

#include <gio/gio.h>
#include <string.h>

enum
{
  SQ_BASE,
  SQ_PLACE, /* entries, head and tail, 16 bits each; then the completion queue */
  SQ_EXISTS,
  CQ_BASE,
  CQ_PLACE, /* entries, head and tail; then the vector */
  CQ_FLAGS,
  WORDS = 8,
  CQ_EXISTS = 1 << 0,
  CQ_PHASE = 1 << 1,
  CQ_INTERRUPTS = 1 << 2
};

const StateField nvme_state_fields[] = {
  PCI_STATE_FIELDS (Nvme), PCI_MSIX_STATE_FIELDS (Nvme, msix), STATE_U32 (Nvme, intms), STATE_U32 (Nvme, cc),
  STATE_U32 (Nvme, csts), STATE_U32 (Nvme, aqa), STATE_U64 (Nvme, asq), STATE_U64 (Nvme, acq),
  STATE_U32 (Nvme, feature), STATE_U32 (Nvme, temperature_under), STATE_U16 (Nvme, event_cid),
  STATE_U32 (Nvme, event_count), STATE_BYTES (Nvme, event_pending), STATE_BYTES (Nvme, event_masked),
  STATE_U64 (Nvme, errors), STATE_U64 (Nvme, media_errors), STATE_U64 (Nvme, units), STATE_U64 (Nvme, commands),
  STATE_U16 (Nvme, last_error.sq), STATE_U16 (Nvme, last_error.cid), STATE_U16 (Nvme, last_error.status),
  STATE_U32 (Nvme, last_error.nsid), STATE_U64 (Nvme, last_error.lba), STATE_U64 (Nvme, saved_queues),
  STATE_U32 (Nvme, saved_count), STATE_U32 (Nvme, saved_sq), STATE_BYTES (Nvme, saved_commands),
  STATE_U32 (Nvme, saved_namespaces), STATE_END
};

static uint64_t
place (uint32_t entries, uint32_t head, uint32_t tail, uint32_t more)
{
  return entries | (uint64_t) head << 16 | (uint64_t) tail << 32 | (uint64_t) more << 48;
}

static uint32_t
namespaces (const Nvme *n)
{
  uint32_t mask = 0;

  for (unsigned i = 0; i < n->namespaces; i++)
    mask |= n->disks[i] != NULL ? 1u << i : 0;
  return mask;
}

void
nvme_before_save (Device *dev)
{
  Nvme *n = (Nvme *) dev;

  for (unsigned i = 0; i < NVME_QUEUES; i++)
    {
      const NvmeSq *sq = &n->sq[i];
      const NvmeCq *cq = &n->cq[i];
      uint64_t *s = &n->saved_queues[i * WORDS];

      s[SQ_BASE] = sq->base;
      s[SQ_PLACE] = place (sq->entries, sq->head, sq->tail, sq->cq);
      s[SQ_EXISTS] = sq->exists;
      s[CQ_BASE] = cq->base;
      s[CQ_PLACE] = place (cq->entries, cq->head, cq->tail, cq->vector);
      s[CQ_FLAGS] = (cq->exists ? CQ_EXISTS : 0) | (cq->phase ? CQ_PHASE : 0) | (cq->interrupts ? CQ_INTERRUPTS : 0);
    }
  memset (n->saved_sq, 0, sizeof n->saved_sq);
  memset (n->saved_commands, 0, sizeof n->saved_commands);
  n->saved_count = 0;
  for (GList *l = n->requests.head; l != NULL; l = l->next)
    {
      const NvmeRequest *r = l->data;

      n->saved_sq[n->saved_count] = r->sq;
      memcpy (n->saved_commands + n->saved_count * COMMAND_SIZE, r->command.raw, COMMAND_SIZE);
      n->saved_count++;
    }
  n->saved_namespaces = namespaces (n);
}

gboolean
nvme_before_load (Device *dev, GError **error)
{
  const Nvme *n = (const Nvme *) dev;

  if (n->requests.length + n->orphans.length == 0)
    return TRUE;
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_BUSY, "a disk of %s is at work", dev->type->name);
  return FALSE;
}

/* One that does not exist is all zeros, as when it was deleted, whatever was saved of it. */
static void
restore_queue (const Nvme *n, unsigned i, NvmeSq *sq, NvmeCq *cq)
{
  const uint64_t *s = &n->saved_queues[i * WORDS];

  *sq = (NvmeSq) { 0 };
  *cq = (NvmeCq) { 0 };
  if (s[SQ_EXISTS] & 1)
    *sq = (NvmeSq) { .exists = TRUE, .base = s[SQ_BASE], .entries = s[SQ_PLACE] & 0xffff,
                     .head = s[SQ_PLACE] >> 16 & 0xffff, .tail = s[SQ_PLACE] >> 32 & 0xffff,
                     .cq = (unsigned) (s[SQ_PLACE] >> 48) };
  if (s[CQ_FLAGS] & CQ_EXISTS)
    *cq = (NvmeCq) { .exists = TRUE, .phase = (s[CQ_FLAGS] & CQ_PHASE) != 0,
                     .interrupts = (s[CQ_FLAGS] & CQ_INTERRUPTS) != 0, .base = s[CQ_BASE],
                     .entries = s[CQ_PLACE] & 0xffff, .head = s[CQ_PLACE] >> 16 & 0xffff,
                     .tail = s[CQ_PLACE] >> 32 & 0xffff, .vector = (unsigned) (s[CQ_PLACE] >> 48) };
}

static gboolean
place_is_sound (unsigned i, uint64_t base, uint32_t entries, uint32_t head, uint32_t tail)
{
  return entries >= 2 && entries <= (i == 0 ? ADMIN_ENTRIES_MAX : QUEUE_ENTRIES_MAX) && head < entries && tail < entries
         && base % NVME_PAGE == 0;
}

static gboolean
queues_are_sound (const Nvme *n)
{
  gboolean running = (n->csts & CSTS_RDY) != 0;
  uint32_t room[NVME_QUEUES] = { 0 };
  unsigned target[NVME_QUEUES] = { 0 };
  NvmeSq sq;
  NvmeCq cq;

  for (unsigned i = 0; i < NVME_QUEUES; i++)
    {
      restore_queue (n, i, &sq, &cq);
      if (((sq.exists || cq.exists) && !running) || (i == 0 && (sq.exists != running || cq.exists != running)))
        return FALSE;
      if (!cq.exists)
        continue;
      if (!place_is_sound (i, cq.base, cq.entries, cq.head, cq.tail) || cq.vector >= n->msix.vectors)
        return FALSE;
      room[i] = cq.entries - 1 - (cq.tail + cq.entries - cq.head) % cq.entries;
    }
  for (unsigned i = 0; i < NVME_QUEUES; i++)
    {
      restore_queue (n, i, &sq, &cq);
      if (!sq.exists)
        continue;
      if (!place_is_sound (i, sq.base, sq.entries, sq.head, sq.tail) || sq.cq >= NVME_QUEUES || (sq.cq == 0) != (i == 0))
        return FALSE;
      target[i] = sq.cq;
      restore_queue (n, sq.cq, &sq, &cq);
      if (!cq.exists)
        return FALSE;
    }
  /* There was room for the completions of what was under way. */
  for (uint32_t i = 0; i < n->saved_count; i++)
    {
      unsigned from = n->saved_sq[i];

      if (from == 0 || from >= NVME_QUEUES || target[from] == 0 || room[target[from]]-- == 0)
        return FALSE;
    }
  return TRUE;
}

gboolean
nvme_after_load (Device *dev, GError **error)
{
  Nvme *n = (Nvme *) dev;

  if (n->saved_count > REQUESTS_MAX || n->event_count > EVENTS_MAX || n->saved_namespaces != namespaces (n)
      || !queues_are_sound (n))
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                   "saved state of %s: it is damaged, or of a machine with other disks", dev->type->name);
      return FALSE;
    }
  pci_device_loaded (&n->parent);
  n->next_queue = 0;
  for (unsigned i = 0; i < NVME_QUEUES; i++)
    {
      NvmeSq sq;
      NvmeCq cq;

      restore_queue (n, i, &sq, &cq);
      n->sq[i] = sq;
      n->cq[i] = cq;
    }
  for (uint32_t i = 0; i < n->saved_count; i++)
    {
      NvmeCommand c;

      nvme_decode (&c, n->saved_commands + i * COMMAND_SIZE);
      n->cq[n->sq[n->saved_sq[i]].cq].outstanding++;
      nvme_io (n, n->saved_sq[i], &c);
    }
  if ((n->csts & CSTS_SHST) == CSTS_SHST_BUSY)
    nvme_begin_shutdown (n);
  nvme_process (n);
  nvme_update_irq (n);
  return TRUE;
}
