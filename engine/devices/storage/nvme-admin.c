/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Admin commands: queues, features, events. Specification: NVM Express 1.4, chapter 5. */

#include "engine/devices/storage/nvme-private.h"

#include <string.h>

enum
{
  DELETE_SQ = 0x00,
  CREATE_SQ = 0x01,
  GET_LOG_PAGE = 0x02,
  DELETE_CQ = 0x04,
  CREATE_CQ = 0x05,
  IDENTIFY = 0x06,
  ABORT = 0x08,
  SET_FEATURES = 0x09,
  GET_FEATURES = 0x0a,
  ASYNC_EVENT_REQUEST = 0x0c,
  QUEUE_CONTIGUOUS = 1 << 0,
  CQ_INTERRUPTS = 1 << 1,
  FEATURE_SAVE = 1u << 31,
  TEMPERATURE_UNDER = 1 /* which threshold */
};

void
nvme_reset_features (Nvme *n)
{
  memset (n->feature, 0, sizeof n->feature);
  n->feature[FEATURE_TEMPERATURE] = TEMPERATURE_WARNING;
  n->temperature_under = 0;
  n->feature[FEATURE_WRITE_CACHE] = 1;
  n->feature[FEATURE_QUEUES] = (NVME_IO_QUEUES - 1) << 16 | (NVME_IO_QUEUES - 1);
}

/* Queues */

/* What both kinds have in common: number and size in dword 10, an address that begins a page. */
static uint16_t
check_new_queue (const Nvme *n, const NvmeCommand *c, gboolean exists, unsigned entry_shift, unsigned expected_shift)
{
  uint32_t id = c->cdw10 & 0xffff, entries = (c->cdw10 >> 16) + 1;

  if (id == 0 || id >= NVME_QUEUES || exists)
    return STATUS_QUEUE_ID;
  if (entries < 2 || entries > QUEUE_ENTRIES_MAX || (n->cc >> entry_shift & 15) != expected_shift)
    return STATUS_QUEUE_SIZE;
  if (!(c->cdw11 & QUEUE_CONTIGUOUS))
    return STATUS_INVALID_FIELD;
  return c->prp1 % NVME_PAGE == 0 ? STATUS_OK : STATUS_PRP_OFFSET;
}

static uint16_t
create_sq (Nvme *n, const NvmeCommand *c)
{
  uint32_t id = c->cdw10 & 0xffff, cq = c->cdw11 >> 16;
  uint16_t status = check_new_queue (n, c, id < NVME_QUEUES && n->sq[id].exists, CC_IOSQES_SHIFT, SQ_ENTRY_SHIFT);

  if (status != STATUS_OK)
    return status;
  if (cq == 0 || cq >= NVME_QUEUES || !n->cq[cq].exists)
    return STATUS_CQ_INVALID;
  n->sq[id] = (NvmeSq) { .exists = TRUE, .cq = cq, .base = c->prp1, .entries = (c->cdw10 >> 16) + 1 };
  return STATUS_OK;
}

static uint16_t
create_cq (Nvme *n, const NvmeCommand *c)
{
  uint32_t id = c->cdw10 & 0xffff, vector = c->cdw11 >> 16;
  uint16_t status = check_new_queue (n, c, id < NVME_QUEUES && n->cq[id].exists, CC_IOCQES_SHIFT, CQ_ENTRY_SHIFT);

  if (status != STATUS_OK)
    return status;
  if (vector >= n->msix.vectors)
    return STATUS_VECTOR;
  n->cq[id] = (NvmeCq) { .exists = TRUE,
                         .interrupts = (c->cdw11 & CQ_INTERRUPTS) != 0,
                         .base = c->prp1,
                         .entries = (c->cdw10 >> 16) + 1,
                         .phase = TRUE,
                         .vector = vector };
  return STATUS_OK;
}

static uint16_t
delete_sq (Nvme *n, const NvmeCommand *c)
{
  uint32_t id = c->cdw10 & 0xffff;

  if (id == 0 || id >= NVME_QUEUES || !n->sq[id].exists)
    return STATUS_QUEUE_ID;
  nvme_cancel (n, (int) id, TRUE);
  n->sq[id] = (NvmeSq) { 0 };
  return STATUS_OK;
}

static uint16_t
delete_cq (Nvme *n, const NvmeCommand *c)
{
  uint32_t id = c->cdw10 & 0xffff;

  if (id == 0 || id >= NVME_QUEUES || !n->cq[id].exists)
    return STATUS_QUEUE_ID;
  for (unsigned i = 1; i < NVME_QUEUES; i++)
    {
      if (n->sq[i].exists && n->sq[i].cq == id)
        return STATUS_QUEUE_DELETION;
    }
  n->cq[id] = (NvmeCq) { 0 };
  nvme_update_irq (n);
  return STATUS_OK;
}

/* Features */

static gboolean
has_io_queues (const Nvme *n)
{
  for (unsigned i = 1; i < NVME_QUEUES; i++)
    {
      if (n->sq[i].exists || n->cq[i].exists)
        return TRUE;
    }
  return FALSE;
}

static uint16_t
set_temperature (Nvme *n, uint32_t value)
{
  uint32_t kelvins = value & 0xffff, sensor = value >> 16 & 15, which = value >> 20 & 3;

  /* There is no sensor but the composite one; 15 means all. */
  if (which > TEMPERATURE_UNDER || (sensor != 0 && sensor != 15))
    return STATUS_INVALID_FIELD;
  *(which == TEMPERATURE_UNDER ? &n->temperature_under : &n->feature[FEATURE_TEMPERATURE]) = kelvins;
  if ((TEMPERATURE > n->feature[FEATURE_TEMPERATURE] || TEMPERATURE < n->temperature_under)
      && n->feature[FEATURE_EVENTS] & 1 << 1)
    nvme_event (n, EVENT_SMART, 1);
  return STATUS_OK;
}

static uint16_t
set_features (Nvme *n, const NvmeCommand *c, uint32_t *result)
{
  uint32_t id = c->cdw10 & 0xff;

  if (c->cdw10 & FEATURE_SAVE)
    return STATUS_NOT_SAVEABLE;
  switch (id)
    {
    case FEATURE_QUEUES:
      if (has_io_queues (n))
        return STATUS_SEQUENCE;
      if ((c->cdw11 & 0xffff) == 0xffff || c->cdw11 >> 16 == 0xffff)
        return STATUS_INVALID_FIELD;
      *result = n->feature[FEATURE_QUEUES];
      return STATUS_OK;
    case FEATURE_TEMPERATURE:
      return set_temperature (n, c->cdw11);
    case FEATURE_POWER:
      return (c->cdw11 & 31) == 0 ? STATUS_OK : STATUS_INVALID_FIELD;
    case FEATURE_WRITE_CACHE:
      n->feature[id] = c->cdw11 & 1;
      return STATUS_OK;
    case FEATURE_VECTOR:
      return (c->cdw11 & 0xffff) < n->msix.vectors ? STATUS_OK : STATUS_INVALID_FIELD;
    case FEATURE_ERROR_RECOVERY:
      n->feature[id] = c->cdw11 & 0xffff;
      return STATUS_OK;
    case FEATURE_ARBITRATION:
    case FEATURE_COALESCING:
    case FEATURE_ATOMICITY:
    case FEATURE_EVENTS:
      n->feature[id] = c->cdw11;
      return STATUS_OK;
    default:
      return STATUS_INVALID_FIELD;
    }
}

static uint16_t
get_features (const Nvme *n, const NvmeCommand *c, uint32_t *result)
{
  uint32_t id = c->cdw10 & 0xff;

  /* Current values only: there are none that were saved. */
  if (c->cdw10 >> 8 & 7)
    return STATUS_INVALID_FIELD;
  switch (id)
    {
    case FEATURE_TEMPERATURE:
      if ((c->cdw11 >> 16 & 15) != 0 || (c->cdw11 >> 20 & 3) > TEMPERATURE_UNDER)
        return STATUS_INVALID_FIELD;
      *result = c->cdw11 >> 20 & 3 ? n->temperature_under : n->feature[id];
      return STATUS_OK;
    case FEATURE_VECTOR:
      if ((c->cdw11 & 0xffff) >= n->msix.vectors)
        return STATUS_INVALID_FIELD;
      *result = c->cdw11 & 0xffff;
      return STATUS_OK;
    case FEATURE_ARBITRATION:
    case FEATURE_POWER:
    case FEATURE_ERROR_RECOVERY:
    case FEATURE_WRITE_CACHE:
    case FEATURE_QUEUES:
    case FEATURE_COALESCING:
    case FEATURE_ATOMICITY:
    case FEATURE_EVENTS:
      *result = n->feature[id];
      return STATUS_OK;
    default:
      return STATUS_INVALID_FIELD;
    }
}

uint16_t
nvme_admin (Nvme *n, const NvmeCommand *c, uint32_t *result)
{
  if (c->fused || c->sgl)
    return STATUS_INVALID_FIELD;
  switch (c->opcode)
    {
    case CREATE_SQ:
      return create_sq (n, c);
    case CREATE_CQ:
      return create_cq (n, c);
    case DELETE_SQ:
      return delete_sq (n, c);
    case DELETE_CQ:
      return delete_cq (n, c);
    case IDENTIFY:
      return nvme_identify (n, c);
    case GET_LOG_PAGE:
      return nvme_get_log (n, c);
    case SET_FEATURES:
      return set_features (n, c, result);
    case GET_FEATURES:
      return get_features (n, c, result);
    case ABORT:
      /* What has been begun is not called back. */
      *result = 1;
      return STATUS_OK;
    case ASYNC_EVENT_REQUEST:
      if (n->event_count == EVENTS_MAX)
        return STATUS_EVENT_LIMIT;
      n->event_cid[n->event_count++] = c->cid;
      return STATUS_LATER;
    default:
      return STATUS_INVALID_OPCODE;
    }
}
