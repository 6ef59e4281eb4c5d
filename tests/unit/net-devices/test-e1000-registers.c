/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The 82540EM: identity, EEPROM, PHY, link, interrupts. */

#include "engine/devices/net/e1000-private.h"
#include "tests/unit/net-devices/nic.h"

static uint16_t
eerd (Nic *nic, unsigned word)
{
  uint32_t value;

  nic_write (nic, REG_EERD, word << 8 | EERD_START);
  value = nic_read (nic, REG_EERD);
  g_assert_cmphex (value & EERD_DONE, ==, EERD_DONE);
  return (uint16_t) (value >> 16);
}

static void
test_identity (void)
{
  Nic *nic = nic_new ();

  g_assert_cmphex (pci_config_read (nic->board->pci, 0, 0, PCI_VENDOR_ID, 4), ==, 0x100e8086);
  g_assert_cmphex (pci_config_read (nic->board->pci, 0, 0, PCI_CLASS_DEVICE, 2), ==, 0x0200);
  g_assert_cmphex (nic_read (nic, REG_RA), ==, 0x11270008);
  g_assert_cmphex (nic_read (nic, REG_RA + 4), ==, RAH_AV | 0x3322);
  g_assert_cmphex (nic_read (nic, REG_STATUS) & (STATUS_FD | STATUS_LU), ==, STATUS_FD | STATUS_LU);
  nic_free (nic);
}

static void
test_eeprom (void)
{
  Nic *nic = nic_new ();
  uint16_t sum = 0;

  for (unsigned i = 0; i < EEPROM_WORDS; i++)
    sum = (uint16_t) (sum + eerd (nic, i));
  g_assert_cmphex (sum, ==, 0xbaba);
  g_assert_cmphex (eerd (nic, 0), ==, 0x0008);
  g_assert_cmphex (eerd (nic, 255), ==, 0xffff);
  nic_free (nic);
}

static void
clock_bit (Nic *nic, unsigned bit)
{
  uint32_t base = EECD_CS | EECD_REQ | (bit ? EECD_DI : 0);

  nic_write (nic, REG_EECD, base);
  nic_write (nic, REG_EECD, base | EECD_SK);
  nic_write (nic, REG_EECD, base);
}

/* Three bits of start and opcode and six of address, then the data out. */
static uint16_t
bit_bang (Nic *nic, unsigned word)
{
  uint16_t value = 0;

  nic_write (nic, REG_EECD, EECD_REQ);
  g_assert_cmphex (nic_read (nic, REG_EECD) & EECD_GNT, ==, EECD_GNT);
  nic_write (nic, REG_EECD, EECD_REQ | EECD_CS);
  for (int i = 8; i >= 0; i--)
    clock_bit (nic, (6u << 6 | word) >> i & 1);
  for (int i = 0; i < 16; i++)
    {
      nic_write (nic, REG_EECD, EECD_REQ | EECD_CS | EECD_SK);
      value = (uint16_t) (value << 1 | ((nic_read (nic, REG_EECD) & EECD_DO) != 0));
      nic_write (nic, REG_EECD, EECD_REQ | EECD_CS);
    }
  nic_write (nic, REG_EECD, 0);
  return value;
}

static void
test_eeprom_microwire (void)
{
  Nic *nic = nic_new ();

  for (unsigned i = 0; i < EEPROM_WORDS; i++)
    g_assert_cmphex (bit_bang (nic, i), ==, eerd (nic, i));
  nic_free (nic);
}

static unsigned
phy_read (Nic *nic, unsigned phy, unsigned reg)
{
  uint32_t value;

  nic_write (nic, REG_MDIC, MDIC_OP_READ << 26 | phy << 21 | reg << 16);
  value = nic_read (nic, REG_MDIC);
  g_assert_cmphex (value & MDIC_READY, ==, MDIC_READY);
  return value & MDIC_ERROR ? 0x10000 : value & 0xffff;
}

static void
test_phy (void)
{
  Nic *nic = nic_new ();

  g_assert_cmphex (phy_read (nic, 1, 2), ==, 0x0141);
  g_assert_cmphex (phy_read (nic, 1, 3), ==, 0x0c20);
  g_assert_cmphex (phy_read (nic, 0, 2), ==, 0x10000);
  g_assert_cmphex (phy_read (nic, 1, 1) & 0x24, ==, 0x24);
  nic_write (nic, REG_MDIC, (uint32_t) MDIC_OP_WRITE << 26 | 1 << 21 | 4 << 16 | 0x1234);
  g_assert_cmphex (phy_read (nic, 1, 4), ==, 0x1234);
  nic_write (nic, REG_MDIC, (uint32_t) MDIC_OP_WRITE << 26 | 1 << 21 | 2 << 16 | 0x1234);
  g_assert_cmphex (phy_read (nic, 1, 2), ==, 0x0141);
  nic_free (nic);
}

static void
test_link (void)
{
  Nic *nic = nic_new ();

  nic_read (nic, REG_ICR);
  e1000_set_link (nic->dev, FALSE);
  g_assert_cmphex (nic_read (nic, REG_STATUS) & STATUS_LU, ==, 0);
  g_assert_cmphex (phy_read (nic, 1, 1) & 4, ==, 0);
  g_assert_cmphex (nic_read (nic, REG_ICR) & ICR_LSC, ==, ICR_LSC);
  nic_write (nic, REG_CTRL, CTRL_RST);
  g_assert_cmphex (nic_read (nic, REG_STATUS) & STATUS_LU, ==, 0);
  e1000_set_link (nic->dev, TRUE);
  g_assert_cmphex (nic_read (nic, REG_STATUS) & STATUS_LU, ==, STATUS_LU);
  nic_free (nic);
}

static void
test_interrupts (void)
{
  Nic *nic = nic_new ();

  nic_write (nic, REG_ICS, ICR_RXT0);
  g_assert_cmpint (nic->board->level[11], ==, 0);
  nic_write (nic, REG_IMS, ICR_RXT0 | ICR_LSC);
  g_assert_cmphex (nic_read (nic, REG_IMS), ==, ICR_RXT0 | ICR_LSC);
  g_assert_cmpint (nic->board->level[11], ==, 1);
  g_assert_cmphex (nic_read (nic, REG_ICR), ==, ICR_RXT0);
  g_assert_cmpint (nic->board->level[11], ==, 0);
  nic_write (nic, REG_ICS, ICR_LSC);
  nic_write (nic, REG_IMC, ICR_LSC);
  g_assert_cmpint (nic->board->level[11], ==, 0);
  g_assert_cmphex (nic_read (nic, REG_IMS), ==, ICR_RXT0);
  nic_free (nic);
}

static void
test_throttle (void)
{
  Nic *nic = nic_new ();
  Board *board = nic->board;

  board_pass (board, CLOCK_NS_PER_MS, 0);
  nic_write (nic, REG_ITR, 1000); /* 256 µs */
  nic_write (nic, REG_IMS, ICR_RXT0);
  nic_write (nic, REG_ICS, ICR_RXT0);
  g_assert_cmpint (board->level[11], ==, 1);
  nic_read (nic, REG_ICR);
  nic_write (nic, REG_ICS, ICR_RXT0);
  g_assert_cmpint (board->level[11], ==, 0);
  board_pass (board, 255 * CLOCK_NS_PER_US, 0);
  g_assert_cmpint (board->level[11], ==, 0);
  board_pass (board, CLOCK_NS_PER_US, 0);
  g_assert_cmpint (board->level[11], ==, 1);
  nic_free (nic);
}

static void
test_io_window (void)
{
  Nic *nic = nic_new ();

  bus_pio_write (nic->board->bus, NIC_IO, REG_RA, 4);
  g_assert_cmphex (bus_pio_read (nic->board->bus, NIC_IO + 4, 4), ==, 0x11270008);
  bus_pio_write (nic->board->bus, NIC_IO, 0xfffffffc, 4);
  bus_pio_write (nic->board->bus, NIC_IO + 4, 0xffffffff, 4);
  g_assert_cmphex (bus_pio_read (nic->board->bus, NIC_IO + 4, 4), ==, 0);
  nic_free (nic);
}

static void
test_garbage (void)
{
  Nic *nic = nic_new ();

  for (int i = 0; i < 200000; i++)
    {
      uint32_t reg = (uint32_t) g_test_rand_int_range (0, REG_SPACE) & ~3u;

      /* Half of them where something happens. */
      if (g_test_rand_bit ())
        reg &= 0x3fff;
      nic_write (nic, reg, (uint32_t) g_test_rand_int () >> g_test_rand_int_range (0, 32));
      nic_read (nic, reg);
      if (i % 1000 == 0)
        {
          board_pass (nic->board, CLOCK_NS_PER_MS, 0);
          g_ptr_array_set_size (nic->sent, 0);
        }
    }
  nic_free (nic);
}

static void
test_state (void)
{
  Nic *nic = nic_new (), *copy = nic_new ();

  nic_write (nic, REG_MTA, 0x12345678);
  board_check_state (copy->board, nic->dev, copy->dev, 100);
  g_assert_cmphex (nic_read (copy, REG_MTA), ==, 0x12345678);
  nic_free (nic);
  nic_free (copy);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/e1000/identity", test_identity);
  g_test_add_func ("/e1000/eeprom", test_eeprom);
  g_test_add_func ("/e1000/eeprom-microwire", test_eeprom_microwire);
  g_test_add_func ("/e1000/phy", test_phy);
  g_test_add_func ("/e1000/link", test_link);
  g_test_add_func ("/e1000/interrupts", test_interrupts);
  g_test_add_func ("/e1000/throttle", test_throttle);
  g_test_add_func ("/e1000/io-window", test_io_window);
  g_test_add_func ("/e1000/garbage", test_garbage);
  g_test_add_func ("/e1000/state", test_state);
  return g_test_run ();
}
