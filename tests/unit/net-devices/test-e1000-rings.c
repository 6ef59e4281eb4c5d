/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The 82540EM: frames out and in through the descriptor rings. */

#include "engine/devices/net/e1000-private.h"
#include "tests/unit/net-devices/nic.h"

#include <string.h>

enum
{
  TX_RING = 0x1000, RX_RING = 0x2000, RING_COUNT = 8, TX_DATA = 0x10000, RX_DATA = 0x40000, RX_BUFFER = 2048,
  CMD_EOP = 1, CMD_IFCS = 2, CMD_TSE = 4, CMD_RS = 8, CMD_DEXT = 0x20, CMD_VLE = 0x40, CMD_IDE = 0x80
};

static void
put_be32 (uint8_t *p, uint32_t value)
{
  e1000_put_be16 (p, (uint16_t) (value >> 16));
  e1000_put_be16 (p + 2, (uint16_t) value);
}

static Nic *
start (void)
{
  Nic *nic = nic_new ();

  nic_write (nic, REG_TDBAL, TX_RING);
  nic_write (nic, REG_TDLEN, RING_COUNT * DESCRIPTOR_SIZE);
  nic_write (nic, REG_TCTL, TCTL_EN);
  for (uint32_t i = 0; i < RING_COUNT; i++)
    {
      uint8_t descriptor[DESCRIPTOR_SIZE] = { 0 };

      pci_set_long (descriptor, RX_DATA + i * RX_BUFFER);
      nic_poke (nic, RX_RING + i * DESCRIPTOR_SIZE, descriptor, sizeof descriptor);
    }
  nic_write (nic, REG_RDBAL, RX_RING);
  nic_write (nic, REG_RDLEN, RING_COUNT * DESCRIPTOR_SIZE);
  nic_write (nic, REG_RDT, RING_COUNT - 1);
  nic_write (nic, REG_RCTL, RCTL_EN | RCTL_BAM | RCTL_SECRC);
  nic_read (nic, REG_ICR);
  return nic;
}

static void
put_descriptor (Nic *nic, uint32_t n, uint64_t buffer, uint32_t lower, uint32_t upper)
{
  uint8_t d[DESCRIPTOR_SIZE];

  pci_set_long (d, (uint32_t) buffer);
  pci_set_long (d + 4, (uint32_t) (buffer >> 32));
  pci_set_long (d + 8, lower);
  pci_set_long (d + 12, upper);
  nic_poke (nic, TX_RING + n % RING_COUNT * DESCRIPTOR_SIZE, d, sizeof d);
}

static unsigned
tx_status (Nic *nic, uint32_t n)
{
  uint8_t status;

  nic_peek (nic, TX_RING + n * DESCRIPTOR_SIZE + 12, &status, 1);
  return status;
}

static void
fill (uint8_t *frame, size_t length, const uint8_t *to)
{
  for (size_t i = 12; i < length; i++)
    frame[i] = (uint8_t) i;
  memcpy (frame, to, 6);
  memcpy (frame + 6, nic_mac, 6);
  e1000_put_be16 (frame + 12, 0x88b5);
}

static const uint8_t other_mac[6] = { 2, 0, 0, 0, 0, 1 };
static const uint8_t broadcast[6] = { 255, 255, 255, 255, 255, 255 };

static void
test_send (void)
{
  Nic *nic = start ();
  uint8_t frame[100];
  const uint8_t *sent;
  size_t length;

  fill (frame, sizeof frame, other_mac);
  nic_poke (nic, TX_DATA, frame, sizeof frame);
  put_descriptor (nic, 0, TX_DATA, 40 | (uint32_t) CMD_IFCS << 24, 0);
  put_descriptor (nic, 1, TX_DATA + 40, 60 | (uint32_t) (CMD_IFCS | CMD_EOP | CMD_RS) << 24, 0);
  nic_write (nic, REG_TDT, 2);
  sent = nic_sent (nic, 0, &length);
  g_assert_cmpmem (sent, length, frame, sizeof frame);
  g_assert_cmpuint (tx_status (nic, 0), ==, 0);
  g_assert_cmpuint (tx_status (nic, 1), ==, 1);
  g_assert_cmpuint (nic_read (nic, REG_TDH), ==, 2);
  g_assert_cmphex (nic_read (nic, REG_ICR), ==, ICR_TXDW | ICR_TXQE);
  g_assert_cmpuint (nic_read (nic, REG_GPTC), ==, 1);
  g_assert_cmpuint (nic_read (nic, REG_GPTC), ==, 0); /* cleared by reading */
  g_assert_cmpuint (nic_read (nic, REG_GOTCL), ==, 104);
  nic_free (nic);
}

static void
test_send_wraps (void)
{
  Nic *nic = start ();
  uint8_t frame[60];

  fill (frame, sizeof frame, other_mac);
  nic_poke (nic, TX_DATA, frame, sizeof frame);
  for (uint32_t i = 0; i < 20; i++)
    {
      put_descriptor (nic, i, TX_DATA, sizeof frame | (uint32_t) (CMD_EOP | CMD_RS) << 24, 0);
      nic_write (nic, REG_TDT, (i + 1) % RING_COUNT);
      g_assert_cmpuint (nic->sent->len, ==, i + 1);
    }
  nic_free (nic);
}

static void
test_send_delayed (void)
{
  Nic *nic = start ();
  uint8_t frame[60];

  fill (frame, sizeof frame, other_mac);
  nic_poke (nic, TX_DATA, frame, sizeof frame);
  nic_write (nic, REG_TIDV, 100);
  nic_write (nic, REG_TADV, 150);
  put_descriptor (nic, 0, TX_DATA, sizeof frame | (uint32_t) (CMD_EOP | CMD_RS | CMD_IDE) << 24, 0);
  put_descriptor (nic, 1, TX_DATA, sizeof frame | (uint32_t) (CMD_EOP | CMD_RS | CMD_IDE) << 24, 0);
  nic_write (nic, REG_TDT, 1);
  g_assert_cmphex (nic_read (nic, REG_ICR) & ICR_TXDW, ==, 0);
  board_pass (nic->board, 90 * 1024, 0);
  nic_write (nic, REG_TDT, 2); /* begins the delay anew, but not the absolute one */
  board_pass (nic->board, 59 * 1024, 0);
  g_assert_cmphex (nic_read (nic, REG_ICR) & ICR_TXDW, ==, 0);
  board_pass (nic->board, 1024, 0);
  g_assert_cmphex (nic_read (nic, REG_ICR) & ICR_TXDW, ==, ICR_TXDW);
  nic_free (nic);
}

/* Ethernet, IPv4 and TCP headers: 54 bytes; the checksum fields as a driver leaves them for offload. */
static void
tcp_headers (uint8_t *frame, size_t payload, gboolean segmented)
{
  uint8_t *ip = frame + 14, *tcp = frame + 34;
  uint32_t pseudo;

  memset (frame, 0, 54);
  memcpy (frame, other_mac, 6);
  memcpy (frame + 6, nic_mac, 6);
  e1000_put_be16 (frame + 12, 0x0800);
  ip[0] = 0x45;
  e1000_put_be16 (ip + 2, segmented ? 0 : (uint16_t) (40 + payload));
  e1000_put_be16 (ip + 4, 0xfffe);
  ip[8] = 64;
  ip[9] = 6;
  put_be32 (ip + 12, 0x0a00020f);
  put_be32 (ip + 16, 0x0a000202);
  e1000_put_be16 (tcp, 1234);
  e1000_put_be16 (tcp + 2, 80);
  put_be32 (tcp + 4, 0xfffffff0);
  tcp[12] = 5 << 4;
  tcp[13] = 0x19; /* ACK, PSH, FIN */
  pseudo = e1000_sum (6, ip + 12, 8);
  if (!segmented)
    pseudo += (uint32_t) (20 + payload);
  e1000_put_be16 (tcp + 16, e1000_fold (pseudo));
}

static void
put_tcp_context (Nic *nic, uint32_t n, uint32_t payload, unsigned mss, uint32_t extra)
{
  put_descriptor (nic, n, 14 | 24 << 8 | 33 << 16 | (uint64_t) (34 | 50 << 8) << 32,
                  payload | 3u << 24 | (uint32_t) CMD_DEXT << 24 | extra, 54u << 8 | mss << 16);
}

static void
check_tcp_sums (const uint8_t *frame, size_t length)
{
  const uint8_t *ip = frame + 14;
  size_t tcp_length = length - 34;

  g_assert_cmpuint (e1000_be16 (ip + 2), ==, length - 14);
  g_assert_cmphex (e1000_fold (e1000_sum (0, ip, 20)), ==, 0xffff);
  g_assert_cmphex (e1000_fold (e1000_sum (e1000_sum (6 + (uint32_t) tcp_length, ip + 12, 8), frame + 34, tcp_length)), ==,
                   0xffff);
}

static void
test_checksum_offload (void)
{
  Nic *nic = start ();
  uint8_t frame[54 + 101];
  const uint8_t *sent;
  size_t length;

  tcp_headers (frame, 101, FALSE);
  for (int i = 0; i < 101; i++)
    frame[54 + i] = (uint8_t) (i * 3);
  nic_poke (nic, TX_DATA, frame, sizeof frame);
  put_tcp_context (nic, 0, 0, 0, 0);
  put_descriptor (nic, 1, TX_DATA, sizeof frame | 1 << 20 | (uint32_t) (CMD_DEXT | CMD_EOP | CMD_RS) << 24, 3 << 8);
  nic_write (nic, REG_TDT, 2);
  g_assert_cmpuint (nic->sent->len, ==, 1);
  sent = nic_sent (nic, 0, &length);
  g_assert_cmpuint (length, ==, sizeof frame);
  check_tcp_sums (sent, length);
  nic_free (nic);
}

static void
test_segmentation (void)
{
  enum { PAYLOAD = 3000, MSS = 1000 };
  Nic *nic = start ();
  uint8_t frame[54 + PAYLOAD];

  tcp_headers (frame, PAYLOAD, TRUE);
  for (int i = 0; i < PAYLOAD; i++)
    frame[54 + i] = (uint8_t) (i * 5);
  nic_poke (nic, TX_DATA, frame, sizeof frame);
  put_tcp_context (nic, 0, PAYLOAD, MSS, (uint32_t) CMD_TSE << 24);
  /* The headers apart, and a payload in pieces that do not match the segments. */
  put_descriptor (nic, 1, TX_DATA, 54 | 1 << 20 | (uint32_t) (CMD_DEXT | CMD_TSE) << 24, 3 << 8);
  put_descriptor (nic, 2, TX_DATA + 54, 700 | 1 << 20 | (uint32_t) (CMD_DEXT | CMD_TSE) << 24, 0);
  put_descriptor (nic, 3, TX_DATA + 754, 2300 | 1 << 20 | (uint32_t) (CMD_DEXT | CMD_TSE | CMD_EOP | CMD_RS) << 24, 0);
  nic_write (nic, REG_TDT, 4);
  g_assert_cmpuint (nic->sent->len, ==, 3);
  for (guint i = 0; i < 3; i++)
    {
      size_t length;
      const uint8_t *sent = nic_sent (nic, i, &length);

      g_assert_cmpuint (length, ==, 54 + MSS);
      check_tcp_sums (sent, length);
      g_assert_cmpmem (sent + 54, MSS, frame + 54 + i * MSS, MSS);
      g_assert_cmphex (e1000_be16 (sent + 18), ==, (uint16_t) (0xfffe + i)); /* IP's identification */
      g_assert_cmphex ((uint32_t) e1000_be16 (sent + 38) << 16 | e1000_be16 (sent + 40), ==, 0xfffffff0u + i * MSS);
      g_assert_cmphex (sent[47], ==, i == 2 ? 0x19 : 0x10); /* FIN and PSH in the last only */
    }
  g_assert_cmpuint (nic_read (nic, REG_TSCTC), ==, 1);
  nic_free (nic);
}

static void
test_vlan_out (void)
{
  Nic *nic = start ();
  uint8_t frame[60];
  const uint8_t *sent;
  size_t length;

  fill (frame, sizeof frame, other_mac);
  nic_poke (nic, TX_DATA, frame, sizeof frame);
  nic_write (nic, REG_CTRL, CTRL_VME);
  put_descriptor (nic, 0, TX_DATA, sizeof frame | (uint32_t) (CMD_EOP | CMD_VLE) << 24, 42 << 16);
  nic_write (nic, REG_TDT, 1);
  sent = nic_sent (nic, 0, &length);
  g_assert_cmpuint (length, ==, 64);
  g_assert_cmphex (e1000_be16 (sent + 12), ==, 0x8100);
  g_assert_cmpuint (e1000_be16 (sent + 14), ==, 42);
  g_assert_cmphex (e1000_be16 (sent + 16), ==, 0x88b5);
  nic_free (nic);
}

/* A ring of the smallest segments does not keep the machine lock until all are out. */
static void
test_send_budget (void)
{
  Nic *nic = start ();
  uint8_t headers[54];
  guint at_once;

  tcp_headers (headers, 0, TRUE);
  nic_poke (nic, TX_DATA, headers, sizeof headers);
  for (uint32_t i = 0; i < 6; i += 2)
    {
      put_tcp_context (nic, i, 16 * 1024, 16, (uint32_t) CMD_TSE << 24);
      put_descriptor (nic, i + 1, TX_DATA, (54 + 16 * 1024) | 1 << 20 | (uint32_t) (CMD_DEXT | CMD_TSE | CMD_EOP) << 24, 3 << 8);
    }
  nic_write (nic, REG_TDT, 6);
  at_once = nic->sent->len;
  g_assert_cmpuint (at_once, ==, 1024);
  board_pass (nic->board, CLOCK_NS_PER_MS, 100 * CLOCK_NS_PER_US);
  g_assert_cmpuint (nic->sent->len, ==, 3 * 1024);
  g_assert_cmpuint (nic_read (nic, REG_TDH), ==, 6);
  nic_free (nic);
}

static void
test_send_hostile (void)
{
  Nic *nic = start ();

  /* Header lengths and offsets that point outside. */
  put_descriptor (nic, 0, 0xffffffffffffffff, 0xfffff | (uint32_t) (CMD_DEXT | CMD_TSE | 3) << 24, 0xffffffff);
  put_descriptor (nic, 1, TX_DATA, 0xfffff | 1 << 20 | (uint32_t) (CMD_DEXT | CMD_TSE | CMD_EOP) << 24, 0xff00);
  put_descriptor (nic, 2, 0xfffffffffffffff0, 0xffff | (uint32_t) (CMD_EOP | CMD_TSE) << 24, 0xffffffff);
  nic_write (nic, REG_TDT, 3);
  for (guint i = 0; i < nic->sent->len; i++)
    g_assert_cmpuint (g_bytes_get_size (g_ptr_array_index (nic->sent, i)), <=, NET_FRAME_MAX);
  /* A head outside the ring. */
  nic_write (nic, REG_TDH, 0xffff);
  nic_write (nic, REG_TDT, 1);
  nic_write (nic, REG_TDLEN, 0);
  nic_write (nic, REG_TDT, 2);
  nic_free (nic);
}

static void
expect_received (Nic *nic, uint32_t n, const uint8_t *frame, size_t length, unsigned status)
{
  uint8_t d[DESCRIPTOR_SIZE], data[RX_BUFFER];

  nic_peek (nic, RX_RING + n * DESCRIPTOR_SIZE, d, sizeof d);
  g_assert_cmpuint (pci_get_word (d + 8), ==, length);
  g_assert_cmphex (d[12] & 3, ==, status);
  g_assert_cmphex (d[13], ==, 0);
  nic_peek (nic, RX_DATA + n * RX_BUFFER, data, length);
  g_assert_cmpmem (data, length, frame, length);
}

static void
test_receive (void)
{
  Nic *nic = start ();
  uint8_t frame[200];

  fill (frame, sizeof frame, nic_mac);
  g_assert_true (nic_arrive (nic, frame, sizeof frame));
  expect_received (nic, 0, frame, sizeof frame, 3);
  g_assert_cmpuint (nic_read (nic, REG_RDH), ==, 1);
  g_assert_cmphex (nic_read (nic, REG_ICR), ==, ICR_RXT0);
  g_assert_cmpuint (nic_read (nic, REG_GPRC), ==, 1);
  g_assert_cmpuint (nic_read (nic, REG_GORCL), ==, 204);
  g_assert_true (nic_arrive (nic, frame, 20)); /* short ones are padded */
  memset (frame + 20, 0, 40);
  expect_received (nic, 1, frame, 60, 3);
  nic_free (nic);
}

static void
test_receive_spans (void)
{
  Nic *nic = start ();
  uint8_t frame[5000];

  fill (frame, sizeof frame, nic_mac);
  g_assert_true (nic_arrive (nic, frame, sizeof frame));
  g_assert_cmpuint (nic_read (nic, REG_RDH), ==, 0); /* too long */
  nic_write (nic, REG_RCTL, RCTL_EN | RCTL_LPE | RCTL_SECRC);
  g_assert_true (nic_arrive (nic, frame, sizeof frame));
  expect_received (nic, 0, frame, 2048, 1);
  expect_received (nic, 1, frame + 2048, 2048, 1);
  expect_received (nic, 2, frame + 4096, 904, 3);
  nic_free (nic);
}

/* With the FCS kept and a frame that fills its buffer, the FCS lands in the next one. */
static void
test_receive_fcs (void)
{
  Nic *nic = start ();
  uint8_t frame[2046], data[4], d[DESCRIPTOR_SIZE];

  fill (frame, sizeof frame, nic_mac);
  nic_write (nic, REG_RCTL, RCTL_EN | RCTL_LPE);
  g_assert_true (nic_arrive (nic, frame, sizeof frame));
  nic_peek (nic, RX_RING + DESCRIPTOR_SIZE, d, sizeof d);
  g_assert_cmpuint (pci_get_word (d + 8), ==, 2);
  g_assert_cmphex (d[12] & 3, ==, 3);
  nic_peek (nic, RX_DATA + 2046, data, 2);
  nic_peek (nic, RX_DATA + RX_BUFFER, data + 2, 2);
  {
    uint32_t crc = 0xffffffff;

    for (size_t i = 0; i < sizeof frame; i++)
      {
        crc ^= frame[i];
        for (int bit = 0; bit < 8; bit++)
          crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
      }
    g_assert_cmphex (pci_get_long (data), ==, ~crc);
  }
  nic_free (nic);
}

static void
test_filters (void)
{
  static const uint8_t multicast[6] = { 0x01, 0x00, 0x5e, 0x00, 0x00, 0xfb };
  unsigned hash = (multicast[4] | multicast[5] << 8) >> 4 & 0xfff;
  Nic *nic = start ();
  uint8_t frame[60];

  fill (frame, sizeof frame, other_mac);
  nic_arrive (nic, frame, sizeof frame);
  g_assert_cmpuint (nic_read (nic, REG_RDH), ==, 0);
  fill (frame, sizeof frame, broadcast);
  nic_arrive (nic, frame, sizeof frame);
  g_assert_cmpuint (nic_read (nic, REG_RDH), ==, 1);
  fill (frame, sizeof frame, multicast);
  nic_arrive (nic, frame, sizeof frame);
  g_assert_cmpuint (nic_read (nic, REG_RDH), ==, 1);
  nic_write (nic, REG_MTA + (hash >> 5) * 4, 1u << (hash & 31));
  nic_arrive (nic, frame, sizeof frame);
  g_assert_cmpuint (nic_read (nic, REG_RDH), ==, 2);
  nic_write (nic, REG_RCTL, RCTL_EN | RCTL_UPE);
  fill (frame, sizeof frame, other_mac);
  nic_arrive (nic, frame, sizeof frame);
  g_assert_cmpuint (nic_read (nic, REG_RDH), ==, 3);
  fill (frame, sizeof frame, broadcast);
  nic_arrive (nic, frame, sizeof frame); /* without BAM */
  g_assert_cmpuint (nic_read (nic, REG_RDH), ==, 3);
  g_assert_cmpuint (nic_read (nic, REG_BPRC), ==, 1);
  g_assert_cmpuint (nic_read (nic, REG_MPRC), ==, 1);
  nic_free (nic);
}

static void
test_vlan_in (void)
{
  Nic *nic = start ();
  uint8_t frame[64], plain[60], d[DESCRIPTOR_SIZE];

  fill (plain, sizeof plain, nic_mac);
  memcpy (frame, plain, 12);
  e1000_put_be16 (frame + 12, 0x8100);
  e1000_put_be16 (frame + 14, 42);
  memcpy (frame + 16, plain + 12, 48);
  nic_write (nic, REG_CTRL, CTRL_VME);
  nic_write (nic, REG_RCTL, RCTL_EN | RCTL_VFE | RCTL_SECRC);
  nic_arrive (nic, frame, sizeof frame);
  g_assert_cmpuint (nic_read (nic, REG_RDH), ==, 0); /* not in the filter table */
  nic_write (nic, REG_VFTA + 4, 1 << 10);
  nic_arrive (nic, frame, sizeof frame);
  expect_received (nic, 0, plain, 60, 3);
  nic_peek (nic, RX_RING, d, sizeof d);
  g_assert_cmphex (d[12] & 8, ==, 8);
  g_assert_cmpuint (pci_get_word (d + 14), ==, 42);
  nic_free (nic);
}

static void
test_receive_checksums (void)
{
  Nic *nic = start ();
  uint8_t frame[54 + 33], d[DESCRIPTOR_SIZE];

  tcp_headers (frame, 33, FALSE);
  memset (frame + 54, 0x5a, 33);
  memcpy (frame, nic_mac, 6);
  e1000_put_be16 (frame + 24, (uint16_t) ~e1000_fold (e1000_sum (0, frame + 14, 20)));
  e1000_put_be16 (frame + 50, (uint16_t) ~e1000_fold (e1000_sum (0, frame + 34, sizeof frame - 34)));
  nic_write (nic, REG_RXCSUM, RXCSUM_IPOFL | RXCSUM_TUOFL);
  nic_arrive (nic, frame, sizeof frame);
  nic_peek (nic, RX_RING, d, sizeof d);
  g_assert_cmphex (d[12], ==, 0x63);
  g_assert_cmphex (d[13], ==, 0);
  frame[60] ^= 1;
  nic_arrive (nic, frame, sizeof frame);
  nic_peek (nic, RX_RING + DESCRIPTOR_SIZE, d, sizeof d);
  g_assert_cmphex (d[13], ==, 0x20);
  nic_free (nic);
}

static void
test_ring_full (void)
{
  Nic *nic = start ();
  uint8_t frame[60];
  unsigned resumed;

  fill (frame, sizeof frame, nic_mac);
  for (int i = 0; i < RING_COUNT - 1; i++)
    g_assert_true (nic_arrive (nic, frame, sizeof frame));
  g_assert_false (nic_arrive (nic, frame, sizeof frame));
  g_assert_cmphex (nic_read (nic, REG_ICR) & (ICR_RXO | ICR_RXDMT0), ==, ICR_RXO | ICR_RXDMT0);
  resumed = nic->resumed;
  nic_write (nic, REG_RDT, 2);
  g_assert_cmpuint (nic->resumed, ==, resumed + 1);
  g_assert_true (nic_arrive (nic, frame, sizeof frame));
  /* A receiver that is off does not hold the network up. */
  nic_write (nic, REG_RCTL, 0);
  for (int i = 0; i < 100; i++)
    g_assert_true (nic_arrive (nic, frame, sizeof frame));
  nic_free (nic);
}

static void
test_receive_delayed (void)
{
  Nic *nic = start ();
  uint8_t frame[60];

  fill (frame, sizeof frame, nic_mac);
  nic_write (nic, REG_RDTR, 10);
  nic_arrive (nic, frame, sizeof frame);
  g_assert_cmphex (nic_read (nic, REG_ICR) & ICR_RXT0, ==, 0);
  board_pass (nic->board, 10 * 1024, 0);
  g_assert_cmphex (nic_read (nic, REG_ICR) & ICR_RXT0, ==, ICR_RXT0);
  nic_arrive (nic, frame, sizeof frame);
  nic_write (nic, REG_RDTR, RDTR_FPD | 10);
  g_assert_cmphex (nic_read (nic, REG_ICR) & ICR_RXT0, ==, ICR_RXT0);
  nic_free (nic);
}

static void
test_loopback (void)
{
  Nic *nic = start ();
  uint8_t frame[60];

  fill (frame, sizeof frame, nic_mac);
  nic_poke (nic, TX_DATA, frame, sizeof frame);
  nic_write (nic, REG_RCTL, RCTL_EN | RCTL_LBM | RCTL_SECRC);
  put_descriptor (nic, 0, TX_DATA, sizeof frame | (uint32_t) CMD_EOP << 24, 0);
  nic_write (nic, REG_TDT, 1);
  g_assert_cmpuint (nic->sent->len, ==, 0);
  expect_received (nic, 0, frame, sizeof frame, 3);
  nic_free (nic);
}

/* Random descriptors, registers and frames. */
static void
test_garbage (void)
{
  Nic *nic = start ();
  uint8_t noise[RING_COUNT * DESCRIPTOR_SIZE], frame[3000];

  for (int round = 0; round < 2000; round++)
    {
      size_t length = (size_t) g_test_rand_int_range (0, sizeof frame);

      for (size_t i = 0; i < sizeof noise; i++)
        noise[i] = (uint8_t) g_test_rand_int ();
      /* Lengths that are mostly small, so that packets get finished. */
      for (size_t i = 0; i < RING_COUNT && round & 1; i++)
        noise[i * DESCRIPTOR_SIZE + 9] = noise[i * DESCRIPTOR_SIZE + 10] &= 0xf0;
      nic_poke (nic, round & 2 ? TX_RING : RX_RING, noise, sizeof noise);
      for (size_t i = 0; i < length; i++)
        frame[i] = (uint8_t) g_test_rand_int ();
      nic_write (nic, REG_RCTL, (uint32_t) g_test_rand_int () | RCTL_EN | RCTL_UPE | RCTL_MPE);
      nic_write (nic, REG_RDT, (uint32_t) g_test_rand_int_range (0, RING_COUNT + 2));
      nic_arrive (nic, frame, length);
      nic_write (nic, REG_TDT, (uint32_t) g_test_rand_int_range (0, RING_COUNT));
      board_pass (nic->board, CLOCK_NS_PER_MS, 0);
      g_ptr_array_set_size (nic->sent, 0);
    }
  nic_free (nic);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/e1000/send/plain", test_send);
  g_test_add_func ("/e1000/send/wraps", test_send_wraps);
  g_test_add_func ("/e1000/send/delayed", test_send_delayed);
  g_test_add_func ("/e1000/send/checksum-offload", test_checksum_offload);
  g_test_add_func ("/e1000/send/segmentation", test_segmentation);
  g_test_add_func ("/e1000/send/vlan", test_vlan_out);
  g_test_add_func ("/e1000/send/budget", test_send_budget);
  g_test_add_func ("/e1000/send/hostile", test_send_hostile);
  g_test_add_func ("/e1000/receive/plain", test_receive);
  g_test_add_func ("/e1000/receive/spans", test_receive_spans);
  g_test_add_func ("/e1000/receive/fcs", test_receive_fcs);
  g_test_add_func ("/e1000/receive/filters", test_filters);
  g_test_add_func ("/e1000/receive/vlan", test_vlan_in);
  g_test_add_func ("/e1000/receive/checksums", test_receive_checksums);
  g_test_add_func ("/e1000/receive/ring-full", test_ring_full);
  g_test_add_func ("/e1000/receive/delayed", test_receive_delayed);
  g_test_add_func ("/e1000/loopback", test_loopback);
  g_test_add_func ("/e1000/garbage", test_garbage);
  return g_test_run ();
}
