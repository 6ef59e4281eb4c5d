/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Registers and state of the 82540EM, shared by its files.
 * Specification: Intel PCI/PCI-X Family of Gigabit Ethernet Controllers
 * Software Developer's Manual (317453), chapters 3, 5 and 13.
 */
#pragma once

#include "engine/bus/pci.h"
#include "engine/devices/net/e1000.h"

enum
{
  REG_CTRL = 0x0000, REG_STATUS = 0x0008, REG_EECD = 0x0010, REG_EERD = 0x0014, REG_CTRL_EXT = 0x0018,
  REG_MDIC = 0x0020, REG_FCAL = 0x0028, REG_FCAH = 0x002c, REG_FCT = 0x0030, REG_VET = 0x0038,
  REG_ICR = 0x00c0, REG_ITR = 0x00c4, REG_ICS = 0x00c8, REG_IMS = 0x00d0, REG_IMC = 0x00d8,
  REG_RCTL = 0x0100, REG_FCTTV = 0x0170, REG_TXCW = 0x0178, REG_RXCW = 0x0180, REG_TCTL = 0x0400,
  REG_TIPG = 0x0410, REG_AIT = 0x0458, REG_LEDCTL = 0x0e00, REG_PBA = 0x1000,
  REG_FCRTL = 0x2160, REG_FCRTH = 0x2168,
  REG_RDBAL = 0x2800, REG_RDBAH = 0x2804, REG_RDLEN = 0x2808, REG_RDH = 0x2810, REG_RDT = 0x2818, REG_RDTR = 0x2820,
  REG_RXDCTL = 0x2828, REG_RADV = 0x282c, REG_RSRPD = 0x2c00,
  REG_TDBAL = 0x3800, REG_TDBAH = 0x3804, REG_TDLEN = 0x3808, REG_TDH = 0x3810, REG_TDT = 0x3818, REG_TIDV = 0x3820,
  REG_TXDCTL = 0x3828, REG_TADV = 0x382c, REG_TSPMT = 0x3830,
  REG_STATS_FIRST = 0x4000, REG_MPC = 0x4010, REG_PRC64 = 0x405c, REG_GPRC = 0x4074, REG_BPRC = 0x4078,
  REG_MPRC = 0x407c, REG_GPTC = 0x4080, REG_GORCL = 0x4088, REG_GOTCL = 0x4090, REG_RUC = 0x40a4, REG_ROC = 0x40ac,
  REG_TORL = 0x40c0, REG_TOTL = 0x40c8, REG_TPR = 0x40d0, REG_TPT = 0x40d4, REG_PTC64 = 0x40d8, REG_MPTC = 0x40f0,
  REG_BPTC = 0x40f4, REG_TSCTC = 0x40f8, REG_STATS_LAST = 0x40fc,
  REG_RXCSUM = 0x5000, REG_MTA = 0x5200, REG_RA = 0x5400, REG_RA_LAST = 0x547c, REG_VFTA = 0x5600,
  REG_WUC = 0x5800, REG_WUFC = 0x5808, REG_WUS = 0x5810, REG_MANC = 0x5820, REG_FFVT_LAST = 0x9ffc,
  REG_SPACE = 0x20000, REG_KEPT = 0x8000
};

enum
{
  CTRL_FD = 1 << 0, CTRL_SLU = 1 << 6, CTRL_SPEED_1000 = 2 << 8, CTRL_RST = 1 << 26, CTRL_VME = 1 << 30,
  STATUS_FD = 1 << 0, STATUS_LU = 1 << 1, STATUS_SPEED_1000 = 2 << 6, STATUS_ASDV_1000 = 2 << 8,
  EECD_SK = 1 << 0, EECD_CS = 1 << 1, EECD_DI = 1 << 2, EECD_DO = 1 << 3, EECD_REQ = 1 << 6, EECD_GNT = 1 << 7,
  EECD_PRES = 1 << 8,
  EERD_START = 1 << 0, EERD_DONE = 1 << 4,
  MDIC_OP_WRITE = 1, MDIC_OP_READ = 2, MDIC_READY = 1 << 28, MDIC_INTERRUPT = 1 << 29, MDIC_ERROR = 1 << 30,
  ICR_TXDW = 1 << 0, ICR_TXQE = 1 << 1, ICR_LSC = 1 << 2, ICR_RXDMT0 = 1 << 4, ICR_RXO = 1 << 6, ICR_RXT0 = 1 << 7,
  ICR_MDAC = 1 << 9, ICR_TXD_LOW = 1 << 15, ICR_ALL = 0x1ffff,
  RCTL_EN = 1 << 1, RCTL_SBP = 1 << 2, RCTL_UPE = 1 << 3, RCTL_MPE = 1 << 4, RCTL_LPE = 1 << 5, RCTL_LBM = 3 << 6,
  RCTL_BAM = 1 << 15, RCTL_VFE = 1 << 18, RCTL_BSEX = 1 << 25, RCTL_SECRC = 1 << 26,
  RXCSUM_IPOFL = 1 << 8, RXCSUM_TUOFL = 1 << 9,
  TCTL_EN = 1 << 1,
  RDTR_FPD = 1u << 31, RAH_AV = 1u << 31
};

enum { PHY_COUNT = 32, EEPROM_WORDS = 64, DESCRIPTOR_SIZE = 16 };

/* The largest frame or segment the transmitter assembles, and what a TCP segmentation context may carry. */
enum { TX_FRAME_MAX = 16288, TX_HEADER_MAX = 256 };

typedef struct
{
  uint8_t ipcss, ipcso, tucss, tucso, header_length, is_ip, is_tcp, pad;
  uint16_t ipcse, tucse, mss, pad2;
  uint32_t payload_length;
} E1000TxContext;

/* A ring's interrupt that may wait for more packets. */
typedef struct
{
  uint32_t cause;
  ClockTimer *timer;
  int64_t limit;         /* of the absolute timer */
} E1000Delay;

typedef struct
{
  PciDevice parent;
  NetPort *port;
  uint8_t mac[6];
  char *rom;

  uint32_t reg[REG_KEPT / 4];
  uint16_t phy[PHY_COUNT];
  uint16_t eeprom[EEPROM_WORDS];
  uint32_t io_address;

  /* Serial EEPROM: bits clocked in after chip select. */
  uint32_t eeprom_in, eeprom_in_bits;
  uint32_t eeprom_out, eeprom_out_bits;
  uint8_t eeprom_write_enabled;

  /* The frame being assembled from descriptors, and its offloads. */
  E1000TxContext context, tso_context;
  uint32_t tx_length;
  uint8_t tx_options, tx_tso, tx_vlan, tx_bad;
  uint16_t tx_tag;
  uint32_t tso_sequence, tso_sent;
  uint16_t tso_ip_id;
  uint8_t tx_frame[TX_FRAME_MAX + 4];

  int64_t next_interrupt;
  ClockTimer *interrupt_timer;
  E1000Delay rx_delay, tx_delay;
  ClockTimer *tx_timer;
  int tx_budget;         /* while transmitting: what may still be done at once */
} E1000;

#define REG(d, r) ((d)->reg[(r) / 4])

void e1000_interrupt_init (E1000 *d);
void e1000_interrupt_exit (E1000 *d);
void e1000_interrupt_reset (E1000 *d);
/* Raises what the delay timers still hold back. */
void e1000_interrupt_flush (E1000 *d);
void e1000_update_interrupt (E1000 *d);
void e1000_raise (E1000 *d, uint32_t causes);
/* Raises the ring's cause when the delays in the two registers say so. */
void e1000_raise_later (E1000 *d, E1000Delay *delay, unsigned packet_reg, unsigned absolute_reg);
void e1000_raise_now (E1000 *d, E1000Delay *delay);
void e1000_count64 (E1000 *d, unsigned low, uint64_t bytes);

void e1000_eeprom_init (E1000 *d);
uint32_t e1000_eecd_read (E1000 *d);
void e1000_eecd_write (E1000 *d, uint32_t value);
uint32_t e1000_eerd_read (E1000 *d);
void e1000_phy_reset (E1000 *d);
void e1000_phy_set_link (E1000 *d, gboolean up);
void e1000_mdic_write (E1000 *d, uint32_t value);

void e1000_transmit (E1000 *d);
unsigned e1000_receive (void *opaque, const NetFrame *frames, unsigned count);
/* Puts one frame into the receive ring; FALSE when the ring has no room for it. */
gboolean e1000_receive_frame (E1000 *d, const uint8_t *frame, size_t length);

/* The ones' complement sum of big-endian words, not folded: start with 0 or a pseudo-header's sum. */
uint32_t e1000_sum (uint32_t sum, const uint8_t *data, size_t length);
uint16_t e1000_fold (uint32_t sum);

static inline uint16_t e1000_be16 (const uint8_t *p) { return (uint16_t) (p[0] << 8 | p[1]); }
static inline void e1000_put_be16 (uint8_t *p, uint16_t v) { p[0] = (uint8_t) (v >> 8); p[1] = (uint8_t) v; }
static inline uint64_t e1000_le64 (const uint8_t *p)
{ return (uint64_t) pci_get_long (p + 4) << 32 | pci_get_long (p); }
