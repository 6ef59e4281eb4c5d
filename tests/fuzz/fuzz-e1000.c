/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A guest and a network that do anything to the e1000: registers, descriptors
 * in memory, arriving frames, the cable, saved state. Each command is a byte of
 * kind and a fixed number of bytes.
 */

#include "engine/bus/pci.h"
#include "tests/fuzz/input.h"
#include "tests/unit/net-devices/nic.h"

#include <string.h>

enum
{
  TX_RING = 0x1000, RX_RING = 0x2000, RING_COUNT = 16, DESCRIPTOR_SIZE = 16, RX_DATA = 0x20000, RX_BUFFER = 2048,
  TDBAL = 0x3800, TDLEN = 0x3808, TCTL = 0x400, RDBAL = 0x2800, RDLEN = 0x2808, RDT = 0x2818, RCTL = 0x100, IMS = 0xd0,
  FRAME_MAX = 20000, RELOADS = 4
};

/* As a driver leaves it: both rings in place and on. */
static Nic *
start (void)
{
  Nic *nic = nic_new ();

  for (unsigned i = 0; i < RING_COUNT; i++)
    {
      uint8_t descriptor[DESCRIPTOR_SIZE] = { 0 };

      pci_set_long (descriptor, RX_DATA + i * RX_BUFFER);
      nic_poke (nic, RX_RING + i * DESCRIPTOR_SIZE, descriptor, sizeof descriptor);
    }
  nic_write (nic, TDBAL, TX_RING);
  nic_write (nic, TDLEN, RING_COUNT * DESCRIPTOR_SIZE);
  nic_write (nic, TCTL, 2);
  nic_write (nic, RDBAL, RX_RING);
  nic_write (nic, RDLEN, RING_COUNT * DESCRIPTOR_SIZE);
  nic_write (nic, RDT, RING_COUNT - 1);
  nic_write (nic, RCTL, 0x801a);
  nic_write (nic, IMS, 0xffff);
  return nic;
}

static void
put_descriptor (Nic *nic, FuzzInput *in)
{
  uint8_t descriptor[DESCRIPTOR_SIZE] = { 0 }, which = (uint8_t) take (in, 1);
  uint64_t at = (which & 0x80 ? RX_RING : TX_RING) + (which & (RING_COUNT - 1)) * DESCRIPTOR_SIZE;

  for (unsigned i = 0; i < sizeof descriptor; i++)
    descriptor[i] = (uint8_t) take (in, 1);
  nic_poke (nic, at, descriptor, sizeof descriptor);
}

static void
arrive (Nic *nic, FuzzInput *in)
{
  size_t length = take (in, 2) % FRAME_MAX, head = take (in, 1) & 63;
  g_autofree uint8_t *frame = g_malloc (length + 1);

  memset (frame, (int) length, length);
  memcpy (frame, nic_mac, MIN (length, 6));
  for (size_t i = 0; i < MIN (head, length); i++)
    frame[i] = (uint8_t) take (in, 1);
  nic_arrive (nic, frame, length);
}

static void
reload (Nic *nic, FuzzInput *in, int *left)
{
  g_autoptr (GByteArray) state = g_byte_array_new ();
  unsigned at = take (in, 2), value = take (in, 1);
  size_t used;

  if (--*left < 0)
    return;
  device_save (nic->dev, state);
  state->data[at % state->len] ^= (uint8_t) value;
  device_load (nic->dev, state->data, state->len, &used, NULL);
}

static void
command (Nic *nic, FuzzInput *in, int *reloads)
{
  uint32_t kind = take (in, 1), address;

  switch (kind & 7)
    {
    case 0:
    case 1:
      address = take (in, 2) * 4;
      if (kind & 8)
        bus_pio_write (nic->board->bus, (uint16_t) (NIC_IO + (kind >> 4 & 7)), address, 4);
      else
        nic_write (nic, address & 0x1fffc, take (in, 4));
      break;
    case 2:
      if (kind & 8)
        bus_pio_read (nic->board->bus, (uint16_t) (NIC_IO + (kind >> 4 & 7)), 4);
      else
        nic_read (nic, take (in, 2) * 4 & 0x1fffc);
      break;
    case 3:
      put_descriptor (nic, in);
      break;
    case 4:
      arrive (nic, in);
      break;
    case 5:
      board_pass (nic->board, (int64_t) take (in, 1) * 10 * CLOCK_NS_PER_US + 1, 0);
      break;
    case 6:
      address = take (in, 1);
      if (kind & 8)
        e1000_set_link (nic->dev, address & 1);
      else
        pci_config_write (nic->board->pci, 0, ((PciDevice *) nic->dev)->devfn, address & 0xfc, take (in, 4), 4);
      break;
    default:
      reload (nic, in, reloads);
      break;
    }
  for (guint i = 0; i < nic->sent->len; i++)
    g_assert_cmpuint (g_bytes_get_size (g_ptr_array_index (nic->sent, i)), <=, NET_FRAME_MAX);
  g_ptr_array_set_size (nic->sent, 0);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t length)
{
  FuzzInput in = { data, length };
  int reloads = RELOADS;
  Nic *nic = start ();

  while (in.length > 0)
    command (nic, &in, &reloads);
  nic_free (nic);
  return 0;
}
