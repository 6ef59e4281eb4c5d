/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Registers and state of the AHCI controller, shared by its files.
 * Specification: Serial ATA AHCI 1.3.1, chapters 3 (registers), 4 (memory
 * structures), 5 (operation), 6 (errors), 7 (hot plug), 10 (resets); Serial
 * ATA 3.0, chapter 10.3 (FISes) and 13.6 (native command queuing); Intel I/O
 * Controller Hub 9 data sheet, chapter 16.
 */
#pragma once

#include "engine/devices/storage/ahci.h"
#include "engine/devices/storage/ata.h"
#include "engine/devices/storage/guest-pieces.h"

enum
{
  /* Generic host control. */
  REG_CAP = 0x00, REG_GHC = 0x04, REG_IS = 0x08, REG_PI = 0x0c, REG_VS = 0x10,
  GHC_HR = 1 << 0, GHC_IE = 1 << 1, REG_PORTS = 0x100, PORT_SIZE = 0x80,
  CAP_NCS_SHIFT = 8, CAP_ISS_6_GBPS = 3 << 20, CAP_SCLO = 1 << 24, CAP_SNCQ = 1 << 30, VERSION_1_3_1 = 0x10301,

  /* Ports. */
  PX_CLB = 0x00, PX_CLBU = 0x04, PX_FB = 0x08, PX_FBU = 0x0c, PX_IS = 0x10, PX_IE = 0x14, PX_CMD = 0x18, PX_TFD = 0x20,
  PX_SIG = 0x24, PX_SSTS = 0x28, PX_SCTL = 0x2c, PX_SERR = 0x30, PX_SACT = 0x34, PX_CI = 0x38,

  IS_DHRS = 1 << 0, IS_PSS = 1 << 1, IS_SDBS = 1 << 3, IS_DPS = 1 << 5, IS_PCS = 1 << 6, IS_PRCS = 1 << 22,
  IS_OFS = 1 << 24, IS_IFS = 1 << 27, IS_HBFS = 1 << 29, IS_TFES = 1 << 30,

  CMD_ST = 1 << 0, CMD_SUD = 1 << 1, CMD_POD = 1 << 2, CMD_CLO = 1 << 3, CMD_FRE = 1 << 4, CMD_CCS_SHIFT = 8,
  CMD_CCS = 31 << CMD_CCS_SHIFT, CMD_FR = 1 << 14, CMD_CR = 1 << 15, CMD_HPCP = 1 << 18, CMD_ATAPI = 1 << 24,
  CMD_DLAE = 1 << 25,

  SSTS_DET = 15, SSTS_NO_DEVICE = 0, SSTS_OFFLINE = 4, SSTS_UP = 0x133, /* active, 6 Gb/s, connected */
  SCTL_DET = 15, SCTL_DET_COMRESET = 1, SCTL_DET_OFFLINE = 4, SERR_DIAG_N = 1 << 16, SERR_DIAG_X = 1 << 26,

  /* The area for received FISes. */
  RX_PIO_SETUP = 0x20, RX_D2H = 0x40, RX_SET_DEVICE_BITS = 0x58,
  FIS_H2D = 0x27, FIS_D2H = 0x34, FIS_PIO_SETUP = 0x5f, FIS_SET_DEVICE_BITS = 0xa1, FIS_IS_COMMAND = 1 << 7,
  FIS_INTERRUPT = 1 << 6, FIS_TO_HOST = 1 << 5, FIS_CONTROL_SRST = 1 << 2,

  /* Command headers and tables. */
  SLOTS = 32, NO_SLOT = 0xff, HEADER_SIZE = 32, TABLE_ACMD = 0x40, TABLE_PRDT = 0x80, CFIS_SIZE = 64, PRD_SIZE = 16,
  PRD_BYTES = 0x3fffff, NCQ_READ = 0x60, NCQ_WRITE = 0x61, READ_LOG_EXT = 0x2f
};
#define GHC_AE          (1u << 31)
#define CAP_S64A        (1u << 31)
#define PRD_INTERRUPT   (1u << 31)

typedef struct AhciPort AhciPort;
typedef struct Ahci Ahci;

/* A command table in the guest's memory, and how far its regions have been used. */
typedef struct
{
  uint64_t address;
  uint32_t entries;        /* PRDTL */
  uint32_t entry, offset;
} AhciTable;

/* A queued command. */
typedef struct
{
  AhciPort *port;
  unsigned number;
  gboolean busy;           /* a request is with the disk */
  gboolean cancelled;      /* its result does not count any more */
  gboolean write, force;
  uint64_t lba;
  uint32_t left, chunk;    /* sectors */
  AhciTable table;
  GuestPieces pieces;      /* of the guest's memory that the disk works on; none: it has the buffer */
  gboolean interrupt;      /* a region that they end wants one */
  uint8_t *buffer;
  DiskRequest request;
} AhciTag;

struct AhciPort
{
  Ahci *ahci;
  unsigned index;
  AtaDrive drive;
  gboolean can_plug;       /* was empty at first */

  uint32_t clb, clbu, fb, fbu, is, ie, cmd, tfd, sig, ssts, sctl, serr, sact, ci;
  uint32_t queued;         /* tags whose commands the disk has accepted */
  uint32_t untold;         /* tags that are done, and the guest is to be told; none while the lock is free */
  gboolean is_batch;       /* the lock is kept for the next completion */
  uint8_t slot;            /* of the command under way that is not queued */
  uint8_t last_slot;       /* the one before */
  uint8_t in_reset;        /* SRST is set */
  uint8_t halted;          /* by an error, until ST is cleared */
  uint8_t signature_due;   /* the drive's first FIS, once there is room for it */
  uint8_t failed_tag;      /* log page 10h: of the last queued command that failed, NO_SLOT: there is none */
  uint8_t failed_error;
  uint64_t failed_lba;
  uint32_t saved_kind;

  /* The command under way. */
  AhciTable table;
  uint32_t moved;          /* PRDBC */
  gboolean attention;      /* the command has not just ended with a block by PIO */
  uint8_t acmd[PACKET_SIZE];
  AhciTag tags[SLOTS];
};

struct Ahci
{
  PciDevice parent;
  unsigned ports;          /* implemented */
  uint32_t saved_ports;
  uint32_t ghc, is;
  AhciPort port[AHCI_PORTS];
  void (*ejected) (void *opaque, unsigned port);
  void *ejected_opaque;
  DiskCounters counters;
};

/* ahci.c */
void ahci_update_irq (Ahci *ahci);
gboolean ahci_link_is_up (const AhciPort *port);
/* Whether requests of the port are still with the disk. */
gboolean ahci_port_is_busy (const AhciPort *port);

/* ahci-command.c */
extern const AtaHost ahci_host;
/* Starts what can be started of the commands that the guest has issued. */
void ahci_process (AhciPort *port);
/* Begins the command of a slot; FALSE: nothing more can begin now. */
gboolean ahci_start (AhciPort *port, unsigned slot);
/* Forgets all commands: their results will not count. */
void ahci_cancel (AhciPort *port);
/* Reads a slot's header and FIS; FALSE: the guest's structures are not in memory. */
gboolean ahci_read_slot (AhciPort *port, unsigned slot, AhciTable *table, uint8_t fis[CFIS_SIZE], uint32_t *flags);
/* Moves bytes between @buffer and the regions; how many: fewer than asked for when the regions end. */
uint32_t ahci_move (AhciPort *port, AhciTable *table, uint8_t *buffer, uint32_t bytes, gboolean to_memory);
/* Finds the memory of the next @bytes in the regions. FALSE: a disk cannot work on it, and @table is as it was.
 * *@interrupt: the guest is to be told at the end of a region among them. */
gboolean ahci_map (AhciPort *port, AhciTable *table, GuestPieces *pieces, uint32_t bytes, gboolean to_memory,
                   gboolean *interrupt);
void ahci_post (AhciPort *port, unsigned where, const uint8_t *fis, unsigned length);
/* A device-to-host register FIS of the drive's task file. */
void ahci_post_registers (AhciPort *port, gboolean interrupt);
/* After a reset, when the guest can receive it. */
void ahci_post_signature (AhciPort *port);
/* An error after which no command runs until the guest has cleared ST. */
void ahci_halt (AhciPort *port, uint32_t cause);

/* ahci-queue.c */
void ahci_queue_start (AhciPort *port, unsigned slot, const AhciTable *table, const uint8_t *fis);
/* After a load: what was accepted before begins again. */
void ahci_queue_restart (AhciPort *port, unsigned slot);
/* What the disk works on does not count any more, and it has let go of the guest's memory. */
void ahci_queue_cancel (AhciPort *port);
/* It has let go of the requests, too, for good. */
void ahci_queue_exit (AhciPort *port);
/* READ LOG EXT, with the drive's registers loaded. */
void ahci_read_log (AhciPort *port);

/* ahci-state.c */
extern const StateField ahci_state_fields[];
void ahci_before_save (Device *dev);
gboolean ahci_before_load (Device *dev, GError **error);
gboolean ahci_after_load (Device *dev, GError **error);
