/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The 82540EM's receiver: address and VLAN filters, checksum offload, the
 * descriptor ring.
 * Specification: Software Developer's Manual 317453, section 3.2.
 */

#include "engine/devices/net/e1000-private.h"

#include <string.h>
#include <zlib.h>

enum
{
  RXD_STATUS_DD = 1 << 0, RXD_STATUS_EOP = 1 << 1, RXD_STATUS_IXSM = 1 << 2, RXD_STATUS_VP = 1 << 3,
  RXD_STATUS_TCPCS = 1 << 5, RXD_STATUS_IPCS = 1 << 6, RXD_STATUS_PIF = 1 << 7,
  RXD_ERROR_TCPE = 1 << 5, RXD_ERROR_IPE = 1 << 6,
  ETHERNET_MINIMUM = 60, ETHERNET_MAXIMUM = 1518, ETHERNET_LONG_MAXIMUM = 16384, FCS_LENGTH = 4, VLAN_LENGTH = 4
};

uint32_t
e1000_sum (uint32_t sum, const uint8_t *data, size_t length)
{
  for (; length > 1; data += 2, length -= 2)
    sum += e1000_be16 (data);
  if (length)
    sum += (uint32_t) data[0] << 8;
  return sum;
}

uint16_t
e1000_fold (uint32_t sum)
{
  while (sum >> 16)
    sum = (sum & 0xffff) + (sum >> 16);
  return (uint16_t) sum;
}

static size_t
buffer_size (E1000 *d)
{
  uint32_t rctl = REG (d, REG_RCTL);
  size_t size = (size_t) 2048 >> (rctl >> 16 & 3);

  return rctl & RCTL_BSEX && size != 2048 ? size * 16 : size;
}

static gboolean
is_vlan (E1000 *d, const uint8_t *frame, size_t length)
{
  return length >= 18 && e1000_be16 (frame + 12) == (REG (d, REG_VET) & 0xffff);
}

/* Whether the filters let @frame in; *@inexact is set when only the multicast hash said so. */
static gboolean
passes_filters (E1000 *d, const uint8_t *frame, size_t length, gboolean *inexact)
{
  static const uint8_t broadcast[6] = { 255, 255, 255, 255, 255, 255 };
  static const uint8_t hash_shift[4] = { 4, 3, 2, 0 };
  uint32_t rctl = REG (d, REG_RCTL);

  if (rctl & RCTL_VFE && is_vlan (d, frame, length))
    {
      unsigned id = e1000_be16 (frame + 14) & 0xfff;

      if (!(d->reg[REG_VFTA / 4 + (id >> 5)] >> (id & 31) & 1))
        return FALSE;
    }
  if (memcmp (frame, broadcast, 6) == 0)
    return (rctl & RCTL_BAM) != 0;
  if (frame[0] & 1 ? rctl & RCTL_MPE : rctl & RCTL_UPE)
    return TRUE;
  for (unsigned r = REG_RA; r <= REG_RA_LAST; r += 8)
    {
      uint32_t low = REG (d, r), high = REG (d, r + 4);

      if (high & RAH_AV && pci_get_long (frame) == low && pci_get_word (frame + 4) == (high & 0xffff))
        return TRUE;
    }
  if (frame[0] & 1)
    {
      unsigned hash = (unsigned) (frame[4] | frame[5] << 8) >> hash_shift[rctl >> 12 & 3] & 0xfff;

      *inexact = TRUE;
      return d->reg[REG_MTA / 4 + (hash >> 5)] >> (hash & 31) & 1;
    }
  return FALSE;
}

/* Verifies the checksums that the driver wants verified. */
static void
check_sums (E1000 *d, const uint8_t *frame, size_t length, uint8_t *status, uint8_t *errors)
{
  const uint8_t *ip = frame + 14;
  size_t header, total;
  uint8_t protocol;

  if (is_vlan (d, frame, length))
    ip += VLAN_LENGTH;
  if (length < (size_t) (ip - frame) + 20 || e1000_be16 (ip - 2) != 0x0800 || ip[0] >> 4 != 4)
    {
      *status |= RXD_STATUS_IXSM;
      return;
    }
  header = (size_t) (ip[0] & 15) * 4;
  total = e1000_be16 (ip + 2);
  if (header < 20 || total < header || total > length - (size_t) (ip - frame))
    {
      *status |= RXD_STATUS_IXSM;
      return;
    }
  if (REG (d, REG_RXCSUM) & RXCSUM_IPOFL)
    {
      *status |= RXD_STATUS_IPCS;
      if (e1000_fold (e1000_sum (0, ip, header)) != 0xffff)
        *errors |= RXD_ERROR_IPE;
    }
  protocol = ip[9];
  if (REG (d, REG_RXCSUM) & RXCSUM_TUOFL && (e1000_be16 (ip + 6) & 0x3fff) == 0 && (protocol == 6 || protocol == 17) &&
      total - header >= 8)
    {
      uint32_t sum = e1000_sum (protocol + (uint32_t) (total - header), ip + 12, 8);

      if (protocol == 17 && e1000_be16 (ip + header + 6) == 0)
        return; /* sent without one */
      *status |= RXD_STATUS_TCPCS;
      if (e1000_fold (e1000_sum (sum, ip + header, total - header)) != 0xffff)
        *errors |= RXD_ERROR_TCPE;
    }
}

static void
count_received (E1000 *d, const uint8_t *frame, size_t length)
{
  static const unsigned limits[5] = { 64, 127, 255, 511, 1023 };
  unsigned bucket = 0;

  while (bucket < 5 && length + FCS_LENGTH > limits[bucket])
    bucket++;
  d->reg[REG_PRC64 / 4 + bucket]++;
  REG (d, REG_GPRC)++;
  REG (d, REG_TPR)++;
  if (frame[0] & 1)
    REG (d, (frame[0] & frame[1] & frame[2] & frame[3] & frame[4] & frame[5]) == 0xff ? REG_BPRC : REG_MPRC)++;
  e1000_count64 (d, REG_GORCL, length + FCS_LENGTH);
  e1000_count64 (d, REG_TORL, length + FCS_LENGTH);
}

/* Descriptors that belong to the hardware. */
static uint32_t
free_descriptors (E1000 *d)
{
  uint32_t count = REG (d, REG_RDLEN) / DESCRIPTOR_SIZE, head = REG (d, REG_RDH), tail = REG (d, REG_RDT);

  if (head >= count || tail > count)
    return 0;
  return tail >= head ? tail - head : count - head + tail;
}

gboolean
e1000_receive_frame (E1000 *d, const uint8_t *data, size_t length)
{
  uint8_t padded[ETHERNET_MINIMUM], stripped[ETHERNET_LONG_MAXIMUM], fcs[FCS_LENGTH], status = 0, errors = 0;
  uint64_t ring = ((uint64_t) REG (d, REG_RDBAH) << 32 | REG (d, REG_RDBAL)) & ~(uint64_t) 15;
  uint32_t count = REG (d, REG_RDLEN) / DESCRIPTOR_SIZE, available, threshold;
  size_t size = buffer_size (d), total, done = 0;
  gboolean inexact = FALSE, crc = !(REG (d, REG_RCTL) & RCTL_SECRC);
  uint16_t tag = 0, packet_sum;

  if (length < 14)
    return TRUE;
  if (length < ETHERNET_MINIMUM)
    {
      memset (padded, 0, sizeof padded);
      memcpy (padded, data, length);
      data = padded;
      length = sizeof padded;
    }
  if (length > ETHERNET_LONG_MAXIMUM - FCS_LENGTH ||
      (length > ETHERNET_MAXIMUM - FCS_LENGTH + (is_vlan (d, data, length) ? VLAN_LENGTH : 0) &&
       !(REG (d, REG_RCTL) & (RCTL_LPE | RCTL_SBP))))
    {
      REG (d, REG_ROC)++;
      return TRUE;
    }
  if (!passes_filters (d, data, length, &inexact))
    return TRUE;

  total = length + (crc ? FCS_LENGTH : 0);
  available = free_descriptors (d);
  if (available < (total + size - 1) / size)
    {
      e1000_raise (d, ICR_RXO);
      return FALSE;
    }

  count_received (d, data, length);
  check_sums (d, data, length, &status, &errors);
  if (inexact)
    status |= RXD_STATUS_PIF;
  if (REG (d, REG_CTRL) & CTRL_VME && is_vlan (d, data, length))
    {
      tag = e1000_be16 (data + 14);
      status |= RXD_STATUS_VP;
      memcpy (stripped, data, 12);
      memcpy (stripped + 12, data + 16, length - 16);
      data = stripped;
      length -= VLAN_LENGTH;
      total -= VLAN_LENGTH;
    }
  {
    size_t start = MIN (REG (d, REG_RXCSUM) & 0xff, length);

    packet_sum = e1000_fold (e1000_sum (0, data + start, length - start));
    pci_set_long (fcs, (uint32_t) crc32 (crc32 (0, NULL, 0), data, (uInt) length));
  }

  while (done < total)
    {
      uint32_t head = REG (d, REG_RDH);
      uint64_t at = ring + (uint64_t) head * DESCRIPTOR_SIZE;
      size_t chunk = MIN (size, total - done), from_frame = done < length ? MIN (chunk, length - done) : 0;
      uint8_t descriptor[DESCRIPTOR_SIZE];
      uint64_t buffer;

      pci_dma_read (&d->parent, at, descriptor, sizeof descriptor);
      buffer = e1000_le64 (descriptor);
      if (buffer != 0)
        {
          pci_dma_write (&d->parent, buffer, data + done, from_frame);
          if (from_frame < chunk)
            pci_dma_write (&d->parent, buffer + from_frame, fcs + (done + from_frame - length), chunk - from_frame);
        }
      done += chunk;
      pci_set_word (descriptor + 8, (uint16_t) chunk);
      pci_set_word (descriptor + 10, packet_sum);
      descriptor[12] = (uint8_t) (status | RXD_STATUS_DD | (done == total ? RXD_STATUS_EOP : 0));
      descriptor[13] = errors;
      pci_set_word (descriptor + 14, tag);
      pci_dma_write (&d->parent, at + 8, descriptor + 8, 8);
      REG (d, REG_RDH) = head + 1 >= count ? 0 : head + 1;
    }

  threshold = count >> ((REG (d, REG_RCTL) >> 8 & 3) + 1);
  if (free_descriptors (d) <= threshold)
    e1000_raise (d, ICR_RXDMT0);
  e1000_raise_later (d, &d->rx_delay, REG_RDTR, REG_RADV);
  return TRUE;
}

unsigned
e1000_receive (void *opaque, const NetFrame *frames, unsigned count)
{
  E1000 *d = opaque;
  MachineLock *lock = d->parent.parent.env.lock;
  unsigned taken = 0;

  machine_lock_take (lock);
  /* A receiver that is off loses what arrives; one without descriptors makes the network wait. */
  if (!(REG (d, REG_RCTL) & RCTL_EN) || !(REG (d, REG_STATUS) & STATUS_LU) || REG (d, REG_RCTL) & RCTL_LBM)
    taken = count;
  else
    {
      while (taken < count && e1000_receive_frame (d, frames[taken].data, frames[taken].length))
        taken++;
    }
  machine_lock_release (lock);
  return taken;
}
