/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Task management, and events. Specification: OASIS virtio 1.2, sections 5.6.6.2 and 5.6.6.3. */

#include "engine/devices/virtio/scsi-private.h"

#include <string.h>

enum
{
  T_TASK_MANAGEMENT = 0,
  T_QUERY_NOTIFICATIONS = 1,
  T_SUBSCRIBE_NOTIFICATIONS = 2,
  TASK_MANAGEMENT_SIZE = 24,
  NOTIFICATIONS_SIZE = 16,
  NOTIFICATIONS_ANSWER = 5,
  ABORT_TASK = 0,
  ABORT_TASK_SET = 1,
  CLEAR_ACA = 2,
  CLEAR_TASK_SET = 3,
  I_T_NEXUS_RESET = 4,
  LOGICAL_UNIT_RESET = 5,
  QUERY_TASK = 6,
  QUERY_TASK_SET = 7
};

#define EVENTS_MISSED (1u << 31)

static gboolean
has_task (const VirtioScsi *d, unsigned target, const uint64_t *id)
{
  for (const GList *l = d->requests.head; l != NULL; l = l->next)
    {
      const ScsiRequest *r = l->data;

      if (r->target == target && (id == NULL || r->id == *id))
        return TRUE;
    }
  return FALSE;
}

static uint8_t
manage (VirtioScsi *d, const uint8_t request[TASK_MANAGEMENT_SIZE])
{
  unsigned target;
  gboolean is_unit;
  uint64_t id;

  memcpy (&id, request + 16, sizeof id);
  if (!scsi_parse_lun (request + 8, &target, &is_unit) || d->targets[target].kind == TARGET_NONE)
    return RESPONSE_BAD_TARGET;
  switch (pci_get_long (request + 4))
    {
    case ABORT_TASK:
      scsi_cancel (d, (int) target, &id, RESPONSE_ABORTED);
      break;
    case ABORT_TASK_SET:
    case CLEAR_TASK_SET:
      scsi_cancel (d, (int) target, NULL, RESPONSE_ABORTED);
      break;
    case LOGICAL_UNIT_RESET:
    case I_T_NEXUS_RESET:
      scsi_cancel (d, (int) target, NULL, RESPONSE_RESET);
      if (d->targets[target].kind == TARGET_DISK)
        d->targets[target].scsi.attention = SCSI_ASC_RESET;
      d->targets[target].mmc.locked = FALSE;
      break;
    case QUERY_TASK:
      return has_task (d, target, &id) ? RESPONSE_SUCCEEDED : RESPONSE_OK;
    case QUERY_TASK_SET:
      return has_task (d, target, NULL) ? RESPONSE_SUCCEEDED : RESPONSE_OK;
    case CLEAR_ACA:
      break;
    default:
      return RESPONSE_REJECTED;
    }
  return is_unit ? RESPONSE_OK : RESPONSE_INCORRECT_LUN;
}

/* One request of the control queue; FALSE: it is none. */
static gboolean
control (VirtioScsi *d, const VirtChain *chain)
{
  VirtQueue *q = &d->parent.queues[QUEUE_CONTROL];
  uint8_t request[TASK_MANAGEMENT_SIZE], answer[NOTIFICATIONS_ANSWER] = { 0 };
  uint32_t type;

  if (!virtq_read (q, chain, 0, request, 4))
    return FALSE;
  type = pci_get_long (request);
  if (type == T_TASK_MANAGEMENT)
    {
      if (chain->in_length < 1 || !virtq_read (q, chain, 0, request, TASK_MANAGEMENT_SIZE))
        return FALSE;
      answer[0] = manage (d, request);
      virtq_write (q, chain, 0, answer, 1);
      virtq_push (q, chain->head, 1);
      return TRUE;
    }
  if ((type != T_QUERY_NOTIFICATIONS && type != T_SUBSCRIBE_NOTIFICATIONS) || chain->in_length < NOTIFICATIONS_ANSWER
      || chain->out_length < NOTIFICATIONS_SIZE)
    return FALSE;
  /* There are no notifications to be had: none of those asked for. */
  virtq_write (q, chain, 0, answer, NOTIFICATIONS_ANSWER);
  virtq_push (q, chain->head, NOTIFICATIONS_ANSWER);
  return TRUE;
}

void
scsi_kicked_control (VirtioScsi *d)
{
  VirtQueue *q = &d->parent.queues[QUEUE_CONTROL];
  unsigned taken = 0;

  do
    {
      VirtChain *chain;
      VirtqResult result;
      unsigned before = taken;

      while (virtio_is_live (&d->parent) && (result = virtq_pop (q, &chain)) != VIRTQ_EMPTY)
        {
          gboolean ok = result == VIRTQ_CHAIN && ++taken <= TAKEN_MAX && control (d, chain);

          if (result == VIRTQ_CHAIN)
            g_free (chain);
          if (!ok)
            {
              virtio_break (&d->parent);
              return;
            }
        }
      if (taken > before)
        virtio_notify (&d->parent, q);
    }
  while (virtio_is_live (&d->parent) && virtq_wait (q));
}

/* Events */

/* Takes the oldest event, and that some were missed. */
static void
take_event (VirtioScsi *d, uint8_t event[EVENT_SIZE])
{
  const ScsiEvent *e = &d->events[0];

  memset (event, 0, EVENT_SIZE);
  if (d->event_count > 0)
    {
      pci_set_long (event, e->event);
      event[4] = 1;
      event[5] = (uint8_t) e->target;
      event[6] = 0x40;
      pci_set_long (event + 12, e->reason);
      d->event_count--;
      memmove (d->events, d->events + 1, d->event_count * sizeof *d->events);
    }
  if (d->events_missed)
    pci_set_long (event, pci_get_long (event) | EVENTS_MISSED);
  d->events_missed = FALSE;
}

/* Hands on what waits, as far as the driver has given buffers. */
void
scsi_kicked_event (VirtioScsi *d)
{
  VirtQueue *q = &d->parent.queues[QUEUE_EVENT];

  while ((d->event_count > 0 || d->events_missed) && virtio_is_live (&d->parent))
    {
      uint8_t event[EVENT_SIZE];
      VirtChain *chain;
      VirtqResult result = virtq_pop (q, &chain);

      if (result == VIRTQ_EMPTY && virtq_wait (q))
        continue;
      if (result == VIRTQ_EMPTY)
        break;
      if (result == VIRTQ_BROKEN || chain->in_length < EVENT_SIZE)
        {
          if (result == VIRTQ_CHAIN)
            g_free (chain);
          virtio_break (&d->parent);
          return;
        }
      take_event (d, event);
      virtq_write (q, chain, 0, event, sizeof event);
      virtq_push (q, chain->head, sizeof event);
      g_free (chain);
      virtio_notify (&d->parent, q);
    }
}

void
scsi_event (VirtioScsi *d, uint32_t event, unsigned target, uint32_t reason)
{
  if (!virtio_agreed (&d->parent, VIRTIO_FEATURE (event == EVENT_PARAM_CHANGE ? F_CHANGE : F_HOTPLUG)))
    return;
  if (d->event_count < EVENTS_MAX)
    d->events[d->event_count++] = (ScsiEvent) { event, target, reason };
  else
    d->events_missed = TRUE;
  scsi_kicked_event (d);
}
