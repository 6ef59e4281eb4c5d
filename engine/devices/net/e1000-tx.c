/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The 82540EM's transmitter: legacy, context and data descriptors, checksum
 * insertion, TCP segmentation.
 * Specification: Software Developer's Manual 317453, sections 3.3 to 3.5.
 */

#include "engine/devices/net/e1000-private.h"

#include <string.h>

enum
{
  TXD_CMD_EOP = 1 << 0, TXD_CMD_IC = 1 << 2, TXD_CMD_TSE = 1 << 2, TXD_CMD_RS = 1 << 3, TXD_CMD_RPS = 1 << 4,
  TXD_CMD_DEXT = 1 << 5, TXD_CMD_VLE = 1 << 6, TXD_CMD_IDE = 1 << 7,
  TXD_DTYP_CONTEXT = 0, TXD_DTYP_DATA = 1,
  TXD_TUCMD_TCP = 1 << 0, TXD_TUCMD_IP = 1 << 1,
  TXD_POPTS_IXSM = 1 << 0, TXD_POPTS_TXSM = 1 << 1,
  TXD_STATUS_DD = 1 << 0,
  TCP_FIN = 1 << 0, TCP_PSH = 1 << 3,
  /* Descriptors and frames worked off without letting others have the machine lock, and how long they have it then. */
  TX_BUDGET = 512, TX_PAUSE_NS = 20 * CLOCK_NS_PER_US,
  /* Smaller segments serve nobody but one who wants to keep us busy. */
  TX_MSS_MIN = 16
};

static void
count_sent (E1000 *d, const uint8_t *frame, size_t length)
{
  static const unsigned limits[5] = { 64, 127, 255, 511, 1023 };
  unsigned bucket = 0;
  size_t on_wire = MAX (length, 60) + 4;

  while (bucket < 5 && on_wire > limits[bucket])
    bucket++;
  d->reg[REG_PTC64 / 4 + bucket]++;
  REG (d, REG_GPTC)++;
  REG (d, REG_TPT)++;
  if (frame[0] & 1)
    REG (d, (frame[0] & frame[1] & frame[2] & frame[3] & frame[4] & frame[5]) == 0xff ? REG_BPTC : REG_MPTC)++;
  e1000_count64 (d, REG_GOTCL, on_wire);
  e1000_count64 (d, REG_TOTL, on_wire);
}

/* Sends d->tx_frame[0 … length), with a VLAN tag where asked for. */
static void
send_frame (E1000 *d, size_t length)
{
  uint8_t tagged[TX_FRAME_MAX + 4];
  const uint8_t *data = d->tx_frame;
  NetFrame frame;

  if (length < NET_FRAME_MIN)
    return;
  if (d->tx_vlan)
    {
      memcpy (tagged, data, 12);
      e1000_put_be16 (tagged + 12, (uint16_t) REG (d, REG_VET));
      e1000_put_be16 (tagged + 14, d->tx_tag);
      memcpy (tagged + 16, data + 12, length - 12);
      data = tagged;
      length += 4;
    }
  count_sent (d, data, length);
  d->tx_budget--;
  if (REG (d, REG_RCTL) & RCTL_LBM)
    {
      if (REG (d, REG_RCTL) & RCTL_EN)
        e1000_receive_frame (d, data, length);
      return;
    }
  if (d->port == NULL || !(REG (d, REG_STATUS) & STATUS_LU))
    return;
  frame = (NetFrame) { data, length };
  net_port_send (d->port, &frame, 1);
}

/* Puts the checksum of [start, end] (end 0: to the frame's end) at @offset. */
static void
insert_sum (E1000 *d, size_t length, unsigned start, unsigned offset, unsigned end)
{
  size_t stop = end != 0 && end + 1u < length ? end + 1u : length;
  uint16_t sum;

  if (start >= stop || offset + 2u > length)
    return;
  sum = (uint16_t) ~e1000_fold (e1000_sum (0, d->tx_frame + start, stop - start));
  e1000_put_be16 (d->tx_frame + offset, sum);
}

static void
insert_sums (E1000 *d, const E1000TxContext *context, size_t length)
{
  if (d->tx_options & TXD_POPTS_TXSM)
    insert_sum (d, length, context->tucss, context->tucso, context->tucse);
  if (d->tx_options & TXD_POPTS_IXSM)
    insert_sum (d, length, context->ipcss, context->ipcso, context->ipcse);
}

/* Sends one segment: the prototype header and what payload has gathered behind it. */
static void
send_segment (E1000 *d, gboolean last)
{
  const E1000TxContext *c = &d->tso_context;
  uint8_t prototype[TX_HEADER_MAX], *frame = d->tx_frame;
  size_t header = c->header_length, length = d->tx_length, payload;

  if (length <= header || c->ipcss + 20u > header || c->tucss + 8u > header || c->tucso + 2u > header ||
      (c->is_tcp && c->tucss + 14u > header))
    {
      d->tx_length = 0;
      return;
    }
  payload = length - header;
  memcpy (prototype, frame, header);

  if (c->is_ip)
    {
      e1000_put_be16 (frame + c->ipcss + 2, (uint16_t) (length - c->ipcss));
      e1000_put_be16 (frame + c->ipcss + 4, d->tso_ip_id++);
      e1000_put_be16 (frame + c->ipcss + 10, 0);
    }
  else
    e1000_put_be16 (frame + c->ipcss + 4, (uint16_t) (length - c->ipcss - 40));
  if (c->is_tcp)
    {
      pci_set_long (frame + c->tucss + 4, GUINT32_SWAP_LE_BE (d->tso_sequence + d->tso_sent));
      if (!last)
        frame[c->tucss + 13] &= (uint8_t) ~(TCP_FIN | TCP_PSH);
    }
  else
    e1000_put_be16 (frame + c->tucss + 4, (uint16_t) (length - c->tucss));
  if (d->tx_options & TXD_POPTS_TXSM)
    {
      /* The driver left the pseudo-header's sum there, without the length. */
      uint32_t sum = e1000_be16 (frame + c->tucso) + (uint32_t) (length - c->tucss);

      e1000_put_be16 (frame + c->tucso, e1000_fold (sum));
    }
  insert_sums (d, c, length);
  send_frame (d, length);
  REG (d, REG_TSCTC) += last;

  d->tso_sent += (uint32_t) payload;
  memcpy (frame, prototype, header);
  d->tx_length = (uint32_t) header;
}

static void
finish_packet (E1000 *d)
{
  if (!d->tx_bad && d->tx_length > 0)
    {
      if (d->tx_tso)
        {
          if (d->tx_length > d->tso_context.header_length)
            send_segment (d, TRUE);
        }
      else
        {
          insert_sums (d, &d->context, d->tx_length);
          send_frame (d, d->tx_length);
        }
    }
  d->tx_length = 0;
  d->tx_bad = d->tx_tso = d->tx_vlan = d->tx_options = 0;
  d->tso_sent = 0;
}

/* Gathers @length bytes at guest address @from into the packet, sending full segments on the way. */
static void
gather (E1000 *d, uint64_t from, uint32_t length)
{
  while (length > 0 && !d->tx_bad)
    {
      const E1000TxContext *c = &d->tso_context;
      uint32_t limit = d->tx_tso ? (uint32_t) c->header_length + c->mss : TX_FRAME_MAX, chunk;

      if (d->tx_tso && d->tx_length < c->header_length)
        limit = c->header_length;
      if (limit > TX_FRAME_MAX || d->tx_length >= limit || (d->tx_tso && c->header_length < NET_FRAME_MIN))
        {
          d->tx_bad = TRUE;
          return;
        }
      chunk = MIN (length, limit - d->tx_length);
      pci_dma_read (&d->parent, from, d->tx_frame + d->tx_length, chunk);
      d->tx_length += chunk;
      from += chunk;
      length -= chunk;
      if (!d->tx_tso || d->tx_length < c->header_length)
        continue;
      if (d->tx_length == c->header_length)
        {
          /* The prototype is complete. */
          d->tso_sent = 0;
          if (c->is_ip && c->ipcss + 6u <= c->header_length)
            d->tso_ip_id = e1000_be16 (d->tx_frame + c->ipcss + 4);
          if (c->tucss + 8u <= c->header_length)
            d->tso_sequence = GUINT32_SWAP_LE_BE (pci_get_long (d->tx_frame + c->tucss + 4));
          if (c->mss < TX_MSS_MIN)
            d->tx_bad = TRUE;
        }
      else if (d->tx_length == (uint32_t) c->header_length + c->mss && d->tso_sent + c->mss < c->payload_length)
        send_segment (d, FALSE);
    }
}

static void
load_context (E1000 *d, const uint8_t *descriptor)
{
  uint32_t command = pci_get_long (descriptor + 8);
  E1000TxContext context = {
    .ipcss = descriptor[0], .ipcso = descriptor[1], .ipcse = pci_get_word (descriptor + 2),
    .tucss = descriptor[4], .tucso = descriptor[5], .tucse = pci_get_word (descriptor + 6),
    .payload_length = command & 0xfffff,
    .header_length = descriptor[13], .mss = pci_get_word (descriptor + 14),
    .is_tcp = (command >> 24 & TXD_TUCMD_TCP) != 0, .is_ip = (command >> 24 & TXD_TUCMD_IP) != 0,
  };

  if (command >> 24 & TXD_CMD_TSE)
    d->tso_context = context;
  else
    d->context = context;
}

static void
process_descriptor (E1000 *d, const uint8_t *descriptor)
{
  uint32_t lower = pci_get_long (descriptor + 8);
  uint8_t command = (uint8_t) (lower >> 24);
  gboolean first = d->tx_length == 0 && !d->tx_bad;
  uint32_t length = lower & 0xffff;

  if (command & TXD_CMD_DEXT)
    {
      if ((lower >> 20 & 15) == TXD_DTYP_CONTEXT)
        {
          load_context (d, descriptor);
          return;
        }
      length = lower & 0xfffff;
      if (first)
        {
          d->tx_options = descriptor[13];
          d->tx_tso = (command & TXD_CMD_TSE) != 0;
        }
    }
  else if (first)
    d->tx_options = d->tx_tso = 0;

  gather (d, e1000_le64 (descriptor), length);
  if (!(command & TXD_CMD_EOP))
    return;
  if (!(command & TXD_CMD_DEXT) && command & TXD_CMD_IC)
    insert_sum (d, d->tx_length, descriptor[13], descriptor[10], 0);
  d->tx_vlan = command & TXD_CMD_VLE && REG (d, REG_CTRL) & CTRL_VME;
  d->tx_tag = pci_get_word (descriptor + 14);
  finish_packet (d);
}

void
e1000_transmit (E1000 *d)
{
  uint64_t ring = ((uint64_t) REG (d, REG_TDBAH) << 32 | REG (d, REG_TDBAL)) & ~(uint64_t) 15;
  uint32_t count = REG (d, REG_TDLEN) / DESCRIPTOR_SIZE;
  gboolean report = FALSE, report_later = FALSE;

  if (!(REG (d, REG_TCTL) & TCTL_EN) || REG (d, REG_TDH) >= count || REG (d, REG_TDT) >= count)
    return;
  for (d->tx_budget = TX_BUDGET; REG (d, REG_TDH) != REG (d, REG_TDT); d->tx_budget--)
    {
      uint64_t at = ring + (uint64_t) REG (d, REG_TDH) * DESCRIPTOR_SIZE;
      uint8_t descriptor[DESCRIPTOR_SIZE];

      if (d->tx_budget <= 0)
        {
          clock_timer_arm (d->tx_timer, clock_now (d->parent.parent.env.clock) + TX_PAUSE_NS);
          break;
        }
      if (!pci_dma_read (&d->parent, at, descriptor, sizeof descriptor))
        break;
      process_descriptor (d, descriptor);
      if (descriptor[11] & (TXD_CMD_RS | TXD_CMD_RPS))
        {
          descriptor[12] |= TXD_STATUS_DD;
          pci_dma_write (&d->parent, at + 12, descriptor + 12, 1);
          if (descriptor[11] & TXD_CMD_IDE)
            report_later = TRUE;
          else
            report = TRUE;
        }
      REG (d, REG_TDH) = REG (d, REG_TDH) + 1 >= count ? 0 : REG (d, REG_TDH) + 1;
    }
  if (REG (d, REG_TDH) == REG (d, REG_TDT))
    e1000_raise (d, ICR_TXQE);
  if (report)
    e1000_raise_now (d, &d->tx_delay);
  else if (report_later)
    e1000_raise_later (d, &d->tx_delay, REG_TIDV, REG_TADV);
}
