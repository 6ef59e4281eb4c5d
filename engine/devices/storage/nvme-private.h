/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Registers, commands and state of the NVMe controller, shared by its files.
 * Specification: NVM Express Base Specification 1.4, chapters 3 (registers), 4 (data structures), 5 (admin commands),
 * 6 (NVM commands) and 7 (controller architecture).
 */
#pragma once

#include "engine/bus/msix.h"
#include "engine/devices/storage/guest-pieces.h"
#include "engine/devices/storage/nvme.h"

enum
{
  REG_CAP = 0x00,
  REG_VS = 0x08,
  REG_INTMS = 0x0c,
  REG_INTMC = 0x10,
  REG_CC = 0x14,
  REG_CSTS = 0x1c,
  REG_AQA = 0x24,
  REG_ASQ = 0x28,
  REG_ACQ = 0x30,
  REG_DOORBELLS = 0x1000,
  VERSION_1_4 = 0x00010400,

  CC_EN = 1 << 0,
  CC_CSS_SHIFT = 4,
  CC_MPS_SHIFT = 7,
  CC_AMS_SHIFT = 11,
  CC_SHN_SHIFT = 14,
  CC_IOSQES_SHIFT = 16,
  CC_IOCQES_SHIFT = 20,
  CC_WRITABLE = 0x00fffff1,
  CSTS_RDY = 1 << 0,
  CSTS_CFS = 1 << 1,
  CSTS_SHST = 3 << 2,
  CSTS_SHST_BUSY = 1 << 2,
  CSTS_SHST_DONE = 2 << 2,

  NVME_IO_QUEUES = 16,
  NVME_QUEUES = NVME_IO_QUEUES + 1, /* with the admin queues, number 0 */
  QUEUE_ENTRIES_MAX = 1024,
  ADMIN_ENTRIES_MAX = 4096,
  NVME_PAGE = 4096,
  NVME_SECTOR = 512,
  COMMAND_SIZE = 64,
  COMPLETION_SIZE = 16,
  SQ_ENTRY_SHIFT = 6,
  CQ_ENTRY_SHIFT = 4,
  MDTS = 8, /* pages, as a power of two */
  TRANSFER_MAX = NVME_PAGE << MDTS,
  DSM_RANGES_MAX = 256,
  DSM_RANGE_SIZE = 16,
  /* Bounds of what is under way: commands, and bytes of their buffers beyond which no more are begun. */
  REQUESTS_MAX = 256,
  BYTES_MAX = 16 << 20,
  EVENTS_MAX = 4, /* asynchronous event requests that wait */
  FEATURES = 12,

  /* Status: the type in bits 8 to 10, and that a repetition would be no use. */
  DO_NOT_RETRY = 1 << 14,
  STATUS_OK = 0,
  STATUS_INVALID_OPCODE = 0x01 | DO_NOT_RETRY,
  STATUS_INVALID_FIELD = 0x02 | DO_NOT_RETRY,
  STATUS_DATA_TRANSFER = 0x04,
  STATUS_INTERNAL = 0x06,
  STATUS_SQ_DELETED = 0x08,
  STATUS_INVALID_NAMESPACE = 0x0b | DO_NOT_RETRY,
  STATUS_SEQUENCE = 0x0c | DO_NOT_RETRY,
  STATUS_PRP_OFFSET = 0x13 | DO_NOT_RETRY,
  STATUS_LBA_RANGE = 0x80 | DO_NOT_RETRY,
  STATUS_CQ_INVALID = 0x100 | DO_NOT_RETRY,
  STATUS_QUEUE_ID = 0x101 | DO_NOT_RETRY,
  STATUS_QUEUE_SIZE = 0x102 | DO_NOT_RETRY,
  STATUS_EVENT_LIMIT = 0x105 | DO_NOT_RETRY,
  STATUS_VECTOR = 0x108 | DO_NOT_RETRY,
  STATUS_LOG_PAGE = 0x109 | DO_NOT_RETRY,
  STATUS_QUEUE_DELETION = 0x10c | DO_NOT_RETRY,
  STATUS_NOT_SAVEABLE = 0x10d | DO_NOT_RETRY,
  STATUS_READ_ONLY = 0x182 | DO_NOT_RETRY,
  STATUS_WRITE_FAULT = 0x280,
  STATUS_READ_ERROR = 0x281,
  STATUS_COMPARE_FAILED = 0x285 | DO_NOT_RETRY,
  STATUS_LATER = 0xffff, /* ours: the completion follows */

  FEATURE_ARBITRATION = 0x01,
  FEATURE_POWER = 0x02,
  FEATURE_TEMPERATURE = 0x04,
  FEATURE_ERROR_RECOVERY = 0x05,
  FEATURE_WRITE_CACHE = 0x06,
  FEATURE_QUEUES = 0x07,
  FEATURE_COALESCING = 0x08,
  FEATURE_VECTOR = 0x09,
  FEATURE_ATOMICITY = 0x0a,
  FEATURE_EVENTS = 0x0b,
  EVENT_ERROR = 0, /* types of asynchronous events */
  EVENT_SMART = 1,
  EVENT_TYPES = 2,
  TEMPERATURE = 300, /* kelvins, always */
  TEMPERATURE_WARNING = 343
};

typedef struct Nvme Nvme;

/* A submission queue entry. */
typedef struct
{
  uint8_t opcode;
  uint16_t cid;
  gboolean fused, sgl;
  uint32_t nsid, cdw10, cdw11, cdw12, cdw13;
  uint64_t prp1, prp2;
  uint8_t raw[COMMAND_SIZE];
} NvmeCommand;

typedef struct
{
  gboolean exists;
  unsigned cq;
  uint64_t base;
  uint32_t entries, head, tail;
} NvmeSq;

typedef struct
{
  gboolean exists, interrupts;
  uint64_t base;
  uint32_t entries, head, tail;
  gboolean phase;
  unsigned vector;
  uint32_t outstanding; /* commands whose completions will go here: there is room for them */
} NvmeCq;

/* A stretch of guest memory. */
typedef struct
{
  uint64_t address;
  uint32_t length;
} NvmeSegment;

/* A command that the disk works on. */
typedef struct
{
  Nvme *nvme;
  unsigned sq, cq;
  NvmeCommand command;
  Disk *disk;
  uint32_t length;      /* bytes of data */
  NvmeSegment *segments; /* where they are in the guest's memory */
  unsigned segment_count;
  GuestPieces pieces; /* the same, if the disk works on it; none: it has the buffer */
  uint8_t *buffer;
  uint32_t range, ranges; /* DATASET MANAGEMENT */
  gboolean shutdown;      /* no command, but a flush before the shutdown is complete; always in orphans */
  DiskRequest request;
  GList link; /* in requests; or in orphans, with no data: nobody waits for it any more */
} NvmeRequest;

struct Nvme
{
  PciDevice parent;
  PciMsix msix;
  Disk *disks[NVME_NAMESPACES];
  unsigned namespaces; /* the highest number */

  uint32_t intms, cc, csts, aqa;
  uint64_t asq, acq;
  NvmeSq sq[NVME_QUEUES];
  NvmeCq cq[NVME_QUEUES];
  unsigned next_queue; /* whose turn it is when there is room again */

  GQueue requests, orphans; /* NvmeRequest */
  size_t bytes;             /* of their buffers */
  gboolean is_batch;        /* the lock is kept for the next completion */
  unsigned flushing;        /* disks, before the shutdown is complete */

  uint32_t feature[FEATURES], temperature_under;
  uint16_t event_cid[EVENTS_MAX];
  uint32_t event_count;
  uint8_t event_pending[EVENT_TYPES]; /* 1 + what happened; 0: nothing */
  uint8_t event_masked[EVENT_TYPES];  /* until its log page is read */
  uint64_t errors, media_errors, units[2], commands[2]; /* read, written */
  struct
  {
    uint16_t sq, cid, status;
    uint32_t nsid;
    uint64_t lba;
  } last_error;
  DiskCounters counters;

  uint64_t saved_queues[NVME_QUEUES * 8];
  uint32_t saved_count, saved_sq[REQUESTS_MAX];
  uint8_t saved_commands[REQUESTS_MAX * COMMAND_SIZE];
  uint32_t saved_namespaces;
};

/* nvme.c */

/* Posts a completion; @status is shifted past the phase bit by it. */
void nvme_complete (Nvme *nvme, unsigned sq, unsigned cq, uint16_t cid, uint32_t result, uint16_t status);
/* Takes what is in the queues as far as the bounds go. */
void nvme_process (Nvme *nvme);
void nvme_update_irq (Nvme *nvme);
/* The disk of namespace @nsid, or NULL. */
Disk *nvme_disk (const Nvme *nvme, uint32_t nsid);
void nvme_decode (NvmeCommand *command, const uint8_t raw[COMMAND_SIZE]);
/* Something happened that the guest may have asked to be told of. */
void nvme_event (Nvme *nvme, unsigned type, uint8_t information);
/* Answers waiting event requests, if there is room. */
void nvme_send_events (Nvme *nvme);
void nvme_log_error (Nvme *nvme, unsigned sq, const NvmeCommand *command, uint16_t status, uint64_t lba);

/* nvme-data.c */

/* Finds where @length bytes of data are; *@segments is the caller's to free, or NULL. Returns a status. */
uint16_t nvme_map (Nvme *nvme, const NvmeCommand *command, uint32_t length, NvmeSegment **segments, unsigned *count);
gboolean nvme_copy_in (Nvme *nvme, const NvmeSegment *segments, unsigned count, uint8_t *to);
gboolean nvme_copy_out (Nvme *nvme, const NvmeSegment *segments, unsigned count, const uint8_t *from);
/* All at once, for replies: a status. */
uint16_t nvme_reply (Nvme *nvme, const NvmeCommand *command, const uint8_t *data, uint32_t length);

/* nvme-admin.c: a status; *@result is dword 0 of the completion. */
uint16_t nvme_admin (Nvme *nvme, const NvmeCommand *command, uint32_t *result);
void nvme_reset_features (Nvme *nvme);

/* nvme-identify.c, nvme-log.c */
uint16_t nvme_identify (Nvme *nvme, const NvmeCommand *command);
uint16_t nvme_get_log (Nvme *nvme, const NvmeCommand *command);

/* nvme-io.c */
void nvme_io (Nvme *nvme, unsigned sq, const NvmeCommand *command);
/* Nobody waits for what is under way: of queue @sq, or of all. @answer: each is completed as aborted. */
void nvme_cancel (Nvme *nvme, int sq, gboolean answer);
void nvme_free_requests (Nvme *nvme);
/* Flushes the disks, then reports that the shutdown is complete. */
void nvme_begin_shutdown (Nvme *nvme);

/* nvme-state.c */
extern const StateField nvme_state_fields[];
void nvme_before_save (Device *dev);
gboolean nvme_before_load (Device *dev, GError **error);
gboolean nvme_after_load (Device *dev, GError **error);
