/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The commands of SCSI disks. Specification: see scsi-disk.h. */

#include "engine/devices/storage/scsi-disk.h"
#include "engine/devices/storage/scsi-bytes.h"

#include "engine/devices/storage/mmc.h"

#include <string.h>

enum
{
  READ_6 = 0x08,
  WRITE_6 = 0x0a,
  MODE_SENSE_6 = 0x1a,
  START_STOP_UNIT = 0x1b,
  PREVENT_ALLOW = 0x1e,
  READ_CAPACITY_10 = 0x25,
  READ_10 = 0x28,
  WRITE_10 = 0x2a,
  VERIFY_10 = 0x2f,
  SYNCHRONIZE_CACHE_10 = 0x35,
  WRITE_SAME_10 = 0x41,
  UNMAP = 0x42,
  MODE_SENSE_10 = 0x5a,
  READ_16 = 0x88,
  WRITE_16 = 0x8a,
  VERIFY_16 = 0x8f,
  SYNCHRONIZE_CACHE_16 = 0x91,
  WRITE_SAME_16 = 0x93,
  SERVICE_ACTION_IN_16 = 0x9e,
  READ_12 = 0xa8,
  WRITE_12 = 0xaa,
  READ_CAPACITY_16 = 0x10, /* a service action */
  FUA = 1 << 3,
  BYTE_CHECK = 3 << 1,
  SAME_UNMAP = 1 << 3,
  SAME_NO_DATA = 1 << 0,
  ASC_PARAMETER_LENGTH = 0x1a,
  ASC_INVALID_COMMAND = 0x20,
  ASC_LBA_RANGE = 0x21,
  ASC_INVALID_FIELD = 0x24,
  ASC_INVALID_PARAMETER = 0x26,
  ASC_WRITE_PROTECTED = 0x27,
  ASC_SAVING_UNSUPPORTED = 0x39,
  SENSE_DATA_PROTECT = 7,
  /* Writes and discards of this many sectors, at such places, suit the images. */
  PHYSICAL_EXPONENT = 3,
  TRANSFER_SECTORS_MAX = 1 << 16,
  SAME_SECTORS_MAX = 1 << 22
};

/* A command while it is carried out. */
typedef struct
{
  ScsiDisk *scsi;
  const Disk *disk;
  const char *serial;
  const uint8_t *cdb;
  uint8_t *reply;
  ScsiAnswer answer;
} Call;

static uint64_t
sectors (const Disk *disk)
{
  return disk_size (disk) / SCSI_SECTOR;
}

/* Endings */

void
scsi_disk_set_sense (ScsiDisk *s, uint8_t key, uint8_t asc)
{
  s->sense_key = key;
  s->asc = asc;
  s->ascq = 0;
}

void
scsi_put_sense (uint8_t out[SCSI_SENSE_SIZE], uint8_t key, uint8_t asc, uint8_t ascq)
{
  memset (out, 0, SCSI_SENSE_SIZE);
  out[0] = 0x70;
  out[2] = key;
  out[7] = SCSI_SENSE_SIZE - 8;
  out[12] = asc;
  out[13] = ascq;
}

static void
check (Call *c, uint8_t key, uint8_t asc)
{
  scsi_disk_set_sense (c->scsi, key, asc);
  c->answer = (ScsiAnswer) { .outcome = SCSI_CHECK };
}

static void
refuse (Call *c, uint8_t asc)
{
  check (c, SENSE_ILLEGAL_REQUEST, asc);
}

static void
reply (Call *c, uint32_t length, uint32_t allocation)
{
  c->answer = (ScsiAnswer) { .outcome = SCSI_REPLY, .length = MIN (length, allocation) };
}

/* What it says of itself */

static void
put_text (uint8_t *at, const char *text, size_t size)
{
  memset (at, ' ', size);
  memcpy (at, text, MIN (strlen (text), size));
}

static void
standard_inquiry (Call *c)
{
  uint8_t *b = c->reply;

  memset (b, 0, 36);
  b[2] = 5;      /* SPC-3 */
  b[3] = 2;      /* the format of this */
  b[4] = 36 - 5;
  b[7] = 1 << 1; /* many commands at a time */
  put_text (b + 8, "Bunshin", 8);
  put_text (b + 16, "Disk", 16);
  put_text (b + 32, "1.0", 4);
  reply (c, 36, get16 (c->cdb + 3));
}

static uint32_t
put_identification (const Call *c, uint8_t *b)
{
  uint32_t length = (uint32_t) strlen (c->serial);

  /* Vendor's identification: unique together with the vendor's name. */
  b[0] = 2;
  b[1] = 1;
  b[3] = (uint8_t) (8 + length);
  put_text (b + 4, "Bunshin", 8);
  memcpy (b + 12, c->serial, length);
  return 12 + length;
}

static void
vital_product_data (Call *c)
{
  static const uint8_t pages[] = { 0x00, 0x80, 0x83, 0xb0, 0xb1, 0xb2 };
  uint8_t *b = c->reply, *p = b + 4;
  uint32_t length;

  memset (b, 0, SCSI_REPLY_MAX);
  b[1] = c->cdb[2];
  switch (c->cdb[2])
    {
    case 0x00:
      memcpy (p, pages, sizeof pages);
      length = sizeof pages;
      break;
    case 0x80:
      length = (uint32_t) strlen (c->serial);
      memcpy (p, c->serial, length);
      break;
    case 0x83:
      length = put_identification (c, p);
      break;
    case 0xb0: /* block limits */
      b[4] = 1; /* WRITE SAME has to say how many */
      put16 (b + 6, 1 << PHYSICAL_EXPONENT);
      put32 (b + 8, TRANSFER_SECTORS_MAX);
      put32 (b + 20, SAME_SECTORS_MAX);
      put32 (b + 24, SCSI_UNMAP_RANGES_MAX);
      put32 (b + 28, 1 << PHYSICAL_EXPONENT);
      put64 (b + 36, SAME_SECTORS_MAX);
      length = 0x3c;
      break;
    case 0xb1: /* characteristics: nothing rotates */
      put16 (b + 4, 1);
      length = 0x3c;
      break;
    case 0xb2: /* provisioning: UNMAP and both WRITE SAMEs, thin */
      b[5] = 1 << 7 | 1 << 6 | 1 << 5;
      b[6] = 2;
      length = 4;
      break;
    default:
      refuse (c, ASC_INVALID_FIELD);
      return;
    }
  put16 (b + 2, length);
  reply (c, 4 + length, get16 (c->cdb + 3));
}

static void
inquiry (Call *c)
{
  if (c->cdb[1] & 1)
    vital_product_data (c);
  else if (c->cdb[2] != 0)
    refuse (c, ASC_INVALID_FIELD);
  else
    standard_inquiry (c);
}

static void
request_sense (Call *c)
{
  ScsiDisk *s = c->scsi;

  if (s->attention)
    {
      scsi_disk_set_sense (s, SENSE_UNIT_ATTENTION, s->attention);
      s->attention = 0;
    }
  scsi_put_sense (c->reply, s->sense_key, s->asc, s->ascq);
  scsi_disk_set_sense (s, SENSE_NONE, 0);
  reply (c, SCSI_SENSE_SIZE, c->cdb[4]);
}

static uint32_t
mode_pages (uint8_t page, gboolean changeable, uint8_t *out)
{
  uint8_t *p = out;

  if (page == 0x01 || page == 0x3f) /* error recovery */
    {
      memset (p, 0, 12);
      p[0] = 0x01;
      p[1] = 10;
      p[2] = changeable ? 0 : 0x80; /* writes are reallocated */
      p += 12;
    }
  if (page == 0x08 || page == 0x3f) /* caching */
    {
      memset (p, 0, 20);
      p[0] = 0x08;
      p[1] = 18;
      p[2] = changeable ? 0 : 1 << 2; /* of writes */
      p += 20;
    }
  if (page == 0x0a || page == 0x3f) /* control */
    {
      memset (p, 0, 12);
      p[0] = 0x0a;
      p[1] = 10;
      p[3] = changeable ? 0 : 0x10; /* commands in any order */
      p += 12;
    }
  return (uint32_t) (p - out);
}

static void
mode_sense (Call *c, gboolean ten)
{
  uint8_t *b = c->reply, page = c->cdb[2] & 0x3f, control = c->cdb[2] >> 6;
  uint8_t specific = (uint8_t) (0x10 | (disk_is_read_only (c->disk) ? 0x80 : 0)); /* FUA is known; write-protected */
  uint32_t header = ten ? 8 : 4, descriptor = c->cdb[1] & 8 ? 0 : 8, length;

  if (control == 3)
    {
      refuse (c, ASC_SAVING_UNSUPPORTED);
      return;
    }
  memset (b, 0, header + descriptor);
  if (descriptor > 0)
    {
      put32 (b + header, (uint32_t) MIN (sectors (c->disk), G_MAXUINT32));
      put32 (b + header + 4, SCSI_SECTOR);
    }
  length = mode_pages (page, control == 1, b + header + descriptor);
  if (length == 0)
    {
      refuse (c, ASC_INVALID_FIELD);
      return;
    }
  length += header + descriptor;
  if (ten)
    {
      put16 (b, length - 2);
      b[3] = specific;
      put16 (b + 6, descriptor);
    }
  else
    {
      b[0] = (uint8_t) (length - 1);
      b[2] = specific;
      b[3] = (uint8_t) descriptor;
    }
  reply (c, length, ten ? get16 (c->cdb + 7) : c->cdb[4]);
}

static void
read_capacity_16 (Call *c)
{
  uint8_t *b = c->reply;

  if ((c->cdb[1] & 31) != READ_CAPACITY_16)
    {
      refuse (c, ASC_INVALID_FIELD);
      return;
    }
  memset (b, 0, 32);
  put64 (b, sectors (c->disk) - 1);
  put32 (b + 8, SCSI_SECTOR);
  b[13] = PHYSICAL_EXPONENT;
  b[14] = 1 << 7; /* thin */
  reply (c, 32, get32 (c->cdb + 10));
}

static void
read_capacity_10 (Call *c)
{
  put32 (c->reply, (uint32_t) MIN (sectors (c->disk) - 1, G_MAXUINT32));
  put32 (c->reply + 4, SCSI_SECTOR);
  reply (c, 8, 8);
}

/* Sectors */

/* The range of a command of 6, 10, 12 or 16 bytes. */
static void
get_range (const uint8_t *cdb, uint64_t *lba, uint64_t *count)
{
  switch (cdb[0] >> 5)
    {
    case 0:
      *lba = get32 (cdb) & 0x1fffff;
      *count = cdb[4] != 0 ? cdb[4] : 256;
      break;
    case 1:
    case 2:
      *lba = get32 (cdb + 2);
      *count = get16 (cdb + 7);
      break;
    case 5:
      *lba = get32 (cdb + 2);
      *count = get32 (cdb + 6);
      break;
    default:
      *lba = get64 (cdb + 2);
      *count = get32 (cdb + 10);
      break;
    }
}

static gboolean
is_on_disk (const Disk *disk, uint64_t lba, uint64_t count)
{
  return lba <= sectors (disk) && count <= sectors (disk) - lba;
}

/* FALSE: it has been refused. */
static gboolean
take_range (Call *c, ScsiOutcome outcome, uint64_t most)
{
  uint64_t lba, count;

  get_range (c->cdb, &lba, &count);
  if (!is_on_disk (c->disk, lba, count))
    refuse (c, ASC_LBA_RANGE);
  else if (count > most)
    refuse (c, ASC_INVALID_FIELD);
  else if ((outcome == SCSI_WRITE || outcome == SCSI_SAME) && disk_is_read_only (c->disk))
    check (c, SENSE_DATA_PROTECT, ASC_WRITE_PROTECTED);
  else
    {
      c->answer = (ScsiAnswer) { .outcome = count > 0 ? outcome : SCSI_GOOD, .lba = lba, .count = count };
      return TRUE;
    }
  return FALSE;
}

static void
write_sectors (Call *c)
{
  if (take_range (c, SCSI_WRITE, TRANSFER_SECTORS_MAX))
    c->answer.force = c->cdb[0] != WRITE_6 && c->cdb[1] & FUA;
}

static void
write_same (Call *c)
{
  gboolean sixteen = c->cdb[0] == WRITE_SAME_16, data = !(sixteen && c->cdb[1] & SAME_NO_DATA);
  uint64_t lba, count;

  get_range (c->cdb, &lba, &count);
  if (c->cdb[1] & ~(SAME_UNMAP | (sixteen ? SAME_NO_DATA : 0)) || count == 0)
    refuse (c, ASC_INVALID_FIELD);
  else if (take_range (c, SCSI_SAME, SAME_SECTORS_MAX))
    c->answer.length = data ? SCSI_SECTOR : 0;
}

static void
verify (Call *c)
{
  /* Against data of the guest's: that it can do by itself. */
  if (c->cdb[1] & BYTE_CHECK)
    refuse (c, ASC_INVALID_FIELD);
  else if (take_range (c, SCSI_GOOD, G_MAXUINT64))
    c->answer = (ScsiAnswer) { .outcome = SCSI_GOOD };
}

static void
unmap (Call *c)
{
  uint32_t length = get16 (c->cdb + 7);

  if (c->cdb[1] & 1)
    refuse (c, ASC_INVALID_FIELD);
  else if (length > SCSI_UNMAP_SIZE_MAX)
    refuse (c, ASC_PARAMETER_LENGTH);
  else if (disk_is_read_only (c->disk))
    check (c, SENSE_DATA_PROTECT, ASC_WRITE_PROTECTED);
  else if (length > 0)
    c->answer = (ScsiAnswer) { .outcome = SCSI_UNMAP, .length = length };
}

gboolean
scsi_disk_ranges (ScsiDisk *s, const Disk *disk, const uint8_t *parameters, uint32_t length,
                  ScsiRange ranges[SCSI_UNMAP_RANGES_MAX], unsigned *count)
{
  uint32_t bytes = length >= 8 ? MIN (get16 (parameters + 2), length - 8) : 0;

  *count = 0;
  if (length < 8)
    {
      scsi_disk_set_sense (s, SENSE_ILLEGAL_REQUEST, ASC_PARAMETER_LENGTH);
      return FALSE;
    }
  for (uint32_t at = 8; at + 16 <= 8 + bytes; at += 16)
    {
      ScsiRange range = { get64 (parameters + at), get32 (parameters + at + 8) };

      if (!is_on_disk (disk, range.lba, range.count))
        {
          scsi_disk_set_sense (s, SENSE_ILLEGAL_REQUEST, ASC_LBA_RANGE);
          return FALSE;
        }
      if (*count == SCSI_UNMAP_RANGES_MAX)
        {
          scsi_disk_set_sense (s, SENSE_ILLEGAL_REQUEST, ASC_INVALID_PARAMETER);
          return FALSE;
        }
      if (range.count > 0)
        ranges[(*count)++] = range;
    }
  return TRUE;
}

static void
carry_out (Call *c)
{
  switch (c->cdb[0])
    {
    case SCSI_TEST_UNIT_READY:
    case START_STOP_UNIT:
    case PREVENT_ALLOW:
      break;
    case SCSI_REQUEST_SENSE:
      request_sense (c);
      break;
    case SCSI_INQUIRY:
      inquiry (c);
      break;
    case MODE_SENSE_6:
    case MODE_SENSE_10:
      mode_sense (c, c->cdb[0] == MODE_SENSE_10);
      break;
    case READ_CAPACITY_10:
      read_capacity_10 (c);
      break;
    case SERVICE_ACTION_IN_16:
      read_capacity_16 (c);
      break;
    case READ_6:
    case READ_10:
    case READ_12:
    case READ_16:
      take_range (c, SCSI_READ, TRANSFER_SECTORS_MAX);
      break;
    case WRITE_6:
    case WRITE_10:
    case WRITE_12:
    case WRITE_16:
      write_sectors (c);
      break;
    case WRITE_SAME_10:
    case WRITE_SAME_16:
      write_same (c);
      break;
    case VERIFY_10:
    case VERIFY_16:
      verify (c);
      break;
    case SYNCHRONIZE_CACHE_10:
    case SYNCHRONIZE_CACHE_16:
      /* The whole disk, whatever part is asked for. */
      c->answer.outcome = SCSI_FLUSH;
      break;
    case UNMAP:
      unmap (c);
      break;
    default:
      refuse (c, ASC_INVALID_COMMAND);
      break;
    }
}

ScsiAnswer
scsi_disk_command (ScsiDisk *scsi, const Disk *disk, const char *serial, const uint8_t cdb[SCSI_CDB_SIZE], uint8_t *reply)
{
  Call call = { .scsi = scsi, .disk = disk, .serial = serial, .cdb = cdb, .reply = reply, .answer = { .outcome = SCSI_GOOD } };

  /* What happened is reported once, to the first command that cares. */
  if (scsi->attention && cdb[0] != SCSI_INQUIRY && cdb[0] != SCSI_REQUEST_SENSE)
    {
      check (&call, SENSE_UNIT_ATTENTION, scsi->attention);
      scsi->attention = 0;
      return call.answer;
    }
  if (cdb[0] != SCSI_REQUEST_SENSE)
    scsi_disk_set_sense (scsi, SENSE_NONE, 0);
  carry_out (&call);
  return call.answer;
}
