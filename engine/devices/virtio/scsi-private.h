/* SPDX-License-Identifier: GPL-3.0-or-later */
/* State of the virtio SCSI host, shared by its files. Specification: OASIS virtio 1.2, section 5.6; SAM-4. */
#pragma once

#include "engine/devices/storage/mmc.h"
#include "engine/devices/storage/scsi-disk.h"
#include "engine/devices/virtio/scsi.h"
#include "engine/devices/virtio/take.h"

enum
{
  F_INOUT = 0,
  F_HOTPLUG = 1,
  F_CHANGE = 2,

  CONFIG_QUEUES = 0,
  CONFIG_SEG_MAX = 4,
  CONFIG_MAX_SECTORS = 8,
  CONFIG_CMD_PER_LUN = 12,
  CONFIG_EVENT_INFO_SIZE = 16,
  CONFIG_SENSE_SIZE = 20,
  CONFIG_CDB_SIZE = 24,
  CONFIG_MAX_CHANNEL = 28,
  CONFIG_MAX_TARGET = 30,
  CONFIG_MAX_LUN = 32,
  CONFIG_SIZE = 36,
  SENSE_SIZE_DEFAULT = 96,
  SENSE_SIZE_MAX = 252,
  CDB_SIZE_DEFAULT = 32,
  CDB_SIZE_MAX = 64,
  EVENT_SIZE = 16,

  QUEUE_CONTROL = 0,
  QUEUE_EVENT = 1,
  QUEUE_REQUEST = 2,
  QUEUE_SIZE = 128,

  RESPONSE_OK = 0,
  RESPONSE_OVERRUN = 1,
  RESPONSE_ABORTED = 2,
  RESPONSE_BAD_TARGET = 3,
  RESPONSE_RESET = 4,
  RESPONSE_TRANSPORT_FAILURE = 6,
  RESPONSE_SUCCEEDED = 10,
  RESPONSE_REJECTED = 11,
  RESPONSE_INCORRECT_LUN = 12,

  EVENT_TRANSPORT_RESET = 1,
  EVENT_PARAM_CHANGE = 3,
  REASON_RESCAN = 1,
  REASON_REMOVED = 2,

  LUN_SIZE = 8,
  REQUEST_HEADER = 19, /* before the command descriptor block */
  RESPONSE_HEADER = 12, /* before the sense data */
  PART_MAX = 4 << 20,
  BUFFER_MAX = 1 << 20,
  /* Bounds of what is under way: requests, and bytes of their buffers beyond which no more are begun. */
  REQUESTS_MAX = 256,
  BYTES_MAX = 16 << 20,
  TAKEN_MAX = REQUESTS_MAX + 2 * QUEUE_SIZE,
  EVENTS_MAX = 2 * VIRTIO_SCSI_TARGETS, /* that wait for the driver's buffers */
  TARGET_STATE = 16
};

typedef struct VirtioScsi VirtioScsi;

typedef enum
{
  TARGET_NONE,
  TARGET_DISK,
  TARGET_CDROM
} TargetKind;

typedef struct
{
  TargetKind kind;
  Disk *disk; /* or disc; NULL: an empty drive */
  char serial[21];
  ScsiDisk scsi;
  MmcDrive mmc;
} Target;

typedef struct
{
  VirtioScsi *dev;
  unsigned queue, target;
  VirtChain *chain;
  uint64_t id;
  uint64_t in_length, out_length; /* bytes of data, not of headers */
  ScsiOutcome work;
  gboolean force;
  uint64_t start, length, done; /* bytes of the disk; of UNMAP: how many ranges */
  uint64_t written;             /* bytes of data the guest was given */
  ScsiRange *ranges;
  size_t buffer_size;
  uint8_t *buffer;
  unsigned piece_count, piece_room;
  struct iovec *pieces; /* of the guest's memory that the disk works on; none: it has the buffer */
  DiskRequest request;
  GList link; /* in requests; or in orphans, with no data: nobody waits for it any more */
} ScsiRequest;

typedef struct
{
  uint32_t event, target, reason;
} ScsiEvent;

struct VirtioScsi
{
  VirtioPci parent;
  unsigned queue_count; /* of requests */
  Target targets[VIRTIO_SCSI_TARGETS];
  GQueue requests, orphans; /* ScsiRequest */
  size_t bytes;             /* of their buffers */
  gboolean is_batch;        /* the lock is kept for the next completion */
  gboolean starved;         /* queues may hold more than we took */
  unsigned next_queue;      /* whose turn it is after that */
  ScsiEvent events[EVENTS_MAX];
  uint32_t event_count, events_missed;
  void (*ejected) (void *opaque, unsigned target);
  void *ejected_opaque;
  DiskCounters counters;
  uint32_t saved_count, saved_requests[REQUESTS_MAX]; /* queue << 16 | head */
  uint32_t saved_events[3 * EVENTS_MAX];
  uint8_t saved_targets[VIRTIO_SCSI_TARGETS * TARGET_STATE];
};

/* scsi.c */
uint32_t scsi_cdb_size (const VirtioScsi *dev);
uint32_t scsi_sense_size (const VirtioScsi *dev);
/* The target that an address names, and whether it means its only unit, LUN 0. FALSE: there can be no such target. */
gboolean scsi_parse_lun (const uint8_t lun[LUN_SIZE], unsigned *target, gboolean *is_unit);

/* scsi-request.c: commands. */

/* The chain is the request's from here on. */
void scsi_begin (VirtioScsi *dev, unsigned queue, VirtChain *chain);
/* Takes what is in the queues as far as the bounds go. */
void scsi_feed (VirtioScsi *dev);
void scsi_kicked_request (VirtioScsi *dev, unsigned queue);
/* Nobody waits for the requests of @target any more, or of all (-1); of those with @id, if it is not NULL. Each is
 * answered with @response, unless that is negative. */
void scsi_cancel (VirtioScsi *dev, int target, const uint64_t *id, int response);
/* Whether the disk of @target still works on requests. */
gboolean scsi_target_is_busy (const VirtioScsi *dev, unsigned target);
void scsi_free_requests (VirtioScsi *dev);

/* scsi-control.c: task management, and events. */
void scsi_kicked_control (VirtioScsi *dev);
void scsi_kicked_event (VirtioScsi *dev);
void scsi_event (VirtioScsi *dev, uint32_t event, unsigned target, uint32_t reason);
