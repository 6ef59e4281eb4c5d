/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The command packets of CD/DVD drives. Specification: see mmc.h. */

#include "engine/devices/storage/mmc.h"
#include "engine/devices/storage/scsi-bytes.h"

#include <string.h>

enum
{
  TEST_UNIT_READY = 0x00, REQUEST_SENSE = 0x03, INQUIRY = 0x12, MODE_SENSE_6 = 0x1a, START_STOP_UNIT = 0x1b,
  PREVENT_ALLOW = 0x1e, READ_FORMAT_CAPACITIES = 0x23, READ_CAPACITY = 0x25, READ_10 = 0x28, SEEK_10 = 0x2b,
  READ_SUBCHANNEL = 0x42, READ_TOC = 0x43, GET_CONFIGURATION = 0x46, GET_EVENT_STATUS = 0x4a,
  READ_DISC_INFORMATION = 0x51, READ_TRACK_INFORMATION = 0x52, MODE_SENSE_10 = 0x5a, READ_12 = 0xa8,
  READ_DVD_STRUCTURE = 0xad, SET_CD_SPEED = 0xbb, MECHANISM_STATUS = 0xbd, READ_CD = 0xbe,
  ASC_INVALID_COMMAND = 0x20, ASC_LBA_RANGE = 0x21, ASC_INVALID_FIELD = 0x24, ASC_MEDIUM_CHANGED = 0x28,
  ASC_RESET = 0x29, ASC_SAVING_UNSUPPORTED = 0x39, ASC_REMOVAL_PREVENTED = 0x53,
  EVENT_NONE = 0, EVENT_NEW_MEDIUM = 2, EVENT_REMOVAL = 3, SENSE_SIZE = 18,
  PROFILE_CD_ROM = 0x0008, PROFILE_DVD_ROM = 0x0010, CD_SECTORS_MAX = 405000
};

/* A command while it is carried out. */
typedef struct
{
  MmcDrive *drive;
  const Disk *disc;
  const uint8_t *packet;
  uint8_t *reply;
  MmcAnswer answer;
} MmcCall;

static uint64_t
total_sectors (const MmcCall *c)
{
  return c->disc != NULL ? disk_size (c->disc) / CD_SECTOR : 0;
}

static gboolean
is_dvd (const MmcCall *c)
{
  return total_sectors (c) > CD_SECTORS_MAX;
}

/* Endings */

void
mmc_set_sense (MmcDrive *drive, uint8_t key, uint8_t asc)
{
  drive->sense_key = key;
  drive->asc = asc;
  drive->ascq = 0;
}

static void
succeed (MmcCall *c)
{
  mmc_set_sense (c->drive, SENSE_NONE, 0);
}

static void
check_condition (MmcCall *c, uint8_t key, uint8_t asc)
{
  mmc_set_sense (c->drive, key, asc);
  c->answer.outcome = MMC_CHECK;
}

/* A reply that was composed in the buffer, cut to what the guest allows for. */
static void
reply (MmcCall *c, uint32_t bytes, uint32_t allocation)
{
  succeed (c);
  c->answer.outcome = MMC_REPLY;
  c->answer.length = MIN (bytes, allocation);
}

static void
read_sectors (MmcCall *c, uint64_t lba, uint32_t count)
{
  uint64_t sectors = total_sectors (c);

  if (lba > sectors || count > sectors - lba)
    {
      check_condition (c, SENSE_ILLEGAL_REQUEST, ASC_LBA_RANGE);
      return;
    }
  succeed (c);
  c->answer = (MmcAnswer) { .outcome = count > 0 ? MMC_READ : MMC_GOOD, .lba = lba, .count = count };
}

/* Commands */

static void
request_sense (MmcCall *c)
{
  uint8_t *b = c->reply;
  uint8_t key = c->drive->sense_key, asc = c->drive->asc;

  if (c->drive->unit_attention)
    {
      key = SENSE_UNIT_ATTENTION;
      asc = c->disc != NULL ? ASC_MEDIUM_CHANGED : ASC_RESET;
      c->drive->unit_attention = FALSE;
    }
  memset (b, 0, SENSE_SIZE);
  b[0] = 0x70;
  b[2] = key;
  b[7] = 10;
  b[12] = asc;
  b[13] = c->drive->ascq;
  reply (c, SENSE_SIZE, c->packet[4]);
}

static void
inquiry (MmcCall *c)
{
  uint8_t *b = c->reply;

  if (c->packet[1] & 1)
    {
      check_condition (c, SENSE_ILLEGAL_REQUEST, ASC_INVALID_FIELD);
      return;
    }
  memset (b, ' ', 36);
  b[0] = 0x05; /* CD/DVD */
  b[1] = 0x80; /* removable */
  b[2] = 0x00;
  b[3] = 0x21;
  b[4] = 31;
  b[5] = b[6] = b[7] = 0;
  memcpy (b + 8, "Bunshin", 7);
  memcpy (b + 16, "DVD-ROM", 7);
  memcpy (b + 32, "1.0", 3);
  reply (c, 36, get16 (c->packet + 3));
}

static uint32_t
mode_pages (MmcCall *c, uint8_t *out, uint8_t page)
{
  uint8_t *p = out;

  if (page == 0x01 || page == 0x3f) /* error recovery */
    {
      memset (p, 0, 12);
      p[0] = 0x01;
      p[1] = 10;
      p[3] = 5;
      p += 12;
    }
  if (page == 0x2a || page == 0x3f) /* capabilities */
    {
      memset (p, 0, 22);
      p[0] = 0x2a;
      p[1] = 20;
      p[2] = 0x3b; /* reads CD-R, CD-RW, DVD-ROM, DVD-R */
      p[4] = 0x71;
      p[5] = 0x60;
      p[6] = (uint8_t) (0x29 | (c->drive->locked ? 2 : 0)); /* tray, eject, lock */
      put16 (p + 8, 706);
      put16 (p + 10, 2);
      put16 (p + 12, 512);
      put16 (p + 14, 706);
      p += 22;
    }
  return (uint32_t) (p - out);
}

static void
mode_sense (MmcCall *c, gboolean ten)
{
  uint8_t page = c->packet[2] & 0x3f, control = c->packet[2] >> 6;
  uint32_t header = ten ? 8 : 4, length;

  if (control == 3)
    {
      check_condition (c, SENSE_ILLEGAL_REQUEST, ASC_SAVING_UNSUPPORTED);
      return;
    }
  memset (c->reply, 0, header);
  length = mode_pages (c, c->reply + header, page);
  if (length == 0)
    {
      check_condition (c, SENSE_ILLEGAL_REQUEST, ASC_INVALID_FIELD);
      return;
    }
  if (ten)
    {
      put16 (c->reply, header + length - 2);
      c->reply[2] = c->disc != NULL ? 0x01 : 0x70;
    }
  else
    {
      c->reply[0] = (uint8_t) (header + length - 1);
      c->reply[1] = c->disc != NULL ? 0x01 : 0x70;
    }
  reply (c, header + length, ten ? get16 (c->packet + 7) : c->packet[4]);
}

static void
put_address (uint8_t *out, uint32_t lba, gboolean msf)
{
  if (!msf)
    {
      put32 (out, lba);
      return;
    }
  lba += 150;
  out[0] = 0;
  out[1] = (uint8_t) (lba / 75 / 60);
  out[2] = (uint8_t) (lba / 75 % 60);
  out[3] = (uint8_t) (lba % 75);
}

static void
read_toc (MmcCall *c)
{
  uint8_t *b = c->reply, format = c->packet[2] & 15, start = c->packet[6];
  gboolean msf = (c->packet[1] & 2) != 0;
  uint32_t length = 4, leadout = (uint32_t) total_sectors (c);

  /* Old drivers ask in the last byte. */
  if (format == 0)
    format = c->packet[9] >> 6;
  memset (b, 0, 64);
  b[2] = b[3] = 1;
  switch (format)
    {
    case 0:
      if (start > 1 && start != 0xaa)
        {
          check_condition (c, SENSE_ILLEGAL_REQUEST, ASC_INVALID_FIELD);
          return;
        }
      if (start <= 1)
        {
          b[length + 1] = 0x14; /* a data track */
          b[length + 2] = 1;
          put_address (b + length + 4, 0, msf);
          length += 8;
        }
      b[length + 1] = 0x14;
      b[length + 2] = 0xaa;
      put_address (b + length + 4, leadout, msf);
      length += 8;
      break;
    case 1:
      b[5] = 0x14;
      b[6] = 1;
      put_address (b + 8, 0, msf);
      length = 12;
      break;
    case 2:
      {
        static const uint8_t points[4] = { 0xa0, 0xa1, 0xa2, 0x01 };

        for (unsigned i = 0; i < 4; i++)
          {
            uint8_t *e = b + length;

            e[0] = 1;
            e[1] = 0x14;
            e[3] = points[i];
            if (points[i] == 0xa0 || points[i] == 0xa1)
              e[8] = 1;
            else
              put_address (e + 7, points[i] == 0xa2 ? leadout : 0, TRUE);
            length += 11;
          }
      }
      break;
    default:
      check_condition (c, SENSE_ILLEGAL_REQUEST, ASC_INVALID_FIELD);
      return;
    }
  put16 (b, length - 2);
  reply (c, length, get16 (c->packet + 7));
}

/* The features: of all, of those from a number on, or of one alone. */
static uint32_t
put_features (uint8_t *out, unsigned profile, unsigned first, gboolean one)
{
  const uint8_t features[][12] = {
    { 0, 0x00, 3, 8, PROFILE_DVD_ROM >> 8, PROFILE_DVD_ROM & 0xff, profile == PROFILE_DVD_ROM, 0, /* profiles */
      PROFILE_CD_ROM >> 8, PROFILE_CD_ROM & 0xff, profile == PROFILE_CD_ROM, 0 },
    { 0, 0x01, 3, 8, 0, 0, 0, 2, 0, 0, 0, 0 }, /* core: ATAPI */
    { 0, 0x03, 3, 4, 0x29, 0, 0, 0 }           /* removable medium */
  };
  uint32_t length = 0;

  for (unsigned i = 0; i < G_N_ELEMENTS (features); i++)
    {
      uint32_t bytes = 4u + features[i][3];

      if (one ? features[i][1] != first : features[i][1] < first)
        continue;
      memcpy (out + length, features[i], bytes);
      length += bytes;
    }
  return length;
}

static void
get_configuration (MmcCall *c)
{
  uint8_t *b = c->reply, which = c->packet[1] & 3;
  unsigned profile = c->disc == NULL ? 0 : is_dvd (c) ? PROFILE_DVD_ROM : PROFILE_CD_ROM;
  uint32_t length = 8;

  if (which == 3)
    {
      check_condition (c, SENSE_ILLEGAL_REQUEST, ASC_INVALID_FIELD);
      return;
    }
  memset (b, 0, 8);
  put16 (b + 6, profile);
  length += put_features (b + length, profile, get16 (c->packet + 2), which == 2);
  put32 (b, length - 4);
  reply (c, length, get16 (c->packet + 7));
}

static void
get_event_status (MmcCall *c)
{
  uint8_t *b = c->reply;

  if (!(c->packet[1] & 1))
    {
      check_condition (c, SENSE_ILLEGAL_REQUEST, ASC_INVALID_FIELD);
      return;
    }
  memset (b, 0, 8);
  b[3] = 1 << 4; /* media events are known here */
  if (c->packet[4] & 1 << 4)
    {
      put16 (b, 6);
      b[2] = 4;
      b[4] = c->drive->media_event;
      b[5] = (uint8_t) ((c->disc != NULL ? 2 : 0) | (c->drive->tray_open ? 1 : 0));
      c->drive->media_event = EVENT_NONE;
      reply (c, 8, get16 (c->packet + 7));
    }
  else
    {
      put16 (b, 2);
      b[2] = 0x80;
      reply (c, 4, get16 (c->packet + 7));
    }
}

static void
start_stop (MmcCall *c)
{
  gboolean load_eject = c->packet[4] & 2, start = c->packet[4] & 1;

  if (load_eject && !start)
    {
      if (c->drive->locked)
        {
          check_condition (c, c->disc != NULL ? SENSE_ILLEGAL_REQUEST : SENSE_NOT_READY, ASC_REMOVAL_PREVENTED);
          return;
        }
      c->drive->tray_open = TRUE;
      if (c->disc != NULL)
        {
          c->drive->media_event = EVENT_REMOVAL;
          c->answer.outcome = MMC_EJECT;
          return;
        }
    }
  else if (load_eject)
    c->drive->tray_open = FALSE;
  succeed (c);
}

static void
read_disc_information (MmcCall *c)
{
  uint8_t *b = c->reply;

  memset (b, 0, 34);
  put16 (b, 32);
  b[2] = 0x0e; /* a finished disc */
  b[3] = b[4] = b[5] = b[6] = 1;
  b[7] = 0x20;
  reply (c, 34, get16 (c->packet + 7));
}

static void
read_track_information (MmcCall *c)
{
  uint8_t *b = c->reply;

  memset (b, 0, 36);
  put16 (b, 34);
  b[2] = b[3] = 1;
  b[5] = 4;
  b[6] = 1;
  put32 (b + 24, (uint32_t) total_sectors (c));
  reply (c, 36, get16 (c->packet + 7));
}

static void
read_dvd_structure (MmcCall *c)
{
  uint8_t *b = c->reply;

  if (!is_dvd (c))
    {
      check_condition (c, SENSE_ILLEGAL_REQUEST, ASC_INVALID_FIELD);
      return;
    }
  memset (b, 0, 2052);
  switch (c->packet[7])
    {
    case 0: /* physical format */
      put16 (b, 2050);
      b[4] = 0x01;
      b[5] = 0x0f;
      b[6] = 0x01;
      put32 (b + 8, 0x30000);
      put32 (b + 12, (uint32_t) (0x30000 + total_sectors (c) - 1));
      reply (c, 2052, get16 (c->packet + 8));
      break;
    case 1: /* copyright: none */
      put16 (b, 6);
      reply (c, 8, get16 (c->packet + 8));
      break;
    default:
      check_condition (c, SENSE_ILLEGAL_REQUEST, ASC_INVALID_FIELD);
      break;
    }
}

static void
read_cd (MmcCall *c)
{
  uint32_t count = (uint32_t) c->packet[6] << 16 | get16 (c->packet + 7);

  switch (c->packet[9] & 0xf8)
    {
    case 0x00:
      succeed (c);
      break;
    case 0x10: /* user data */
      read_sectors (c, get32 (c->packet + 2), count);
      break;
    default:
      check_condition (c, SENSE_ILLEGAL_REQUEST, ASC_INVALID_FIELD);
      break;
    }
}

/* Commands that need a disc. */
static void
with_disc (MmcCall *c)
{
  uint8_t *b = c->reply;

  if (c->disc == NULL)
    {
      check_condition (c, SENSE_NOT_READY, ASC_NO_MEDIUM);
      return;
    }
  switch (c->packet[0])
    {
    case TEST_UNIT_READY:
    case SEEK_10:
      succeed (c);
      break;
    case READ_CAPACITY:
      put32 (b, (uint32_t) total_sectors (c) - 1);
      put32 (b + 4, CD_SECTOR);
      reply (c, 8, 8);
      break;
    case READ_FORMAT_CAPACITIES:
      memset (b, 0, 12);
      b[3] = 8;
      put32 (b + 4, (uint32_t) total_sectors (c));
      put32 (b + 8, 2u << 24 | CD_SECTOR);
      reply (c, 12, get16 (c->packet + 7));
      break;
    case READ_10:
      read_sectors (c, get32 (c->packet + 2), get16 (c->packet + 7));
      break;
    case READ_12:
      read_sectors (c, get32 (c->packet + 2), get32 (c->packet + 6));
      break;
    case READ_CD:
      read_cd (c);
      break;
    case READ_TOC:
      read_toc (c);
      break;
    case READ_SUBCHANNEL:
      memset (b, 0, 4);
      b[1] = 0x15; /* no audio status */
      reply (c, 4, get16 (c->packet + 7));
      break;
    case READ_DISC_INFORMATION:
      read_disc_information (c);
      break;
    case READ_TRACK_INFORMATION:
      read_track_information (c);
      break;
    case READ_DVD_STRUCTURE:
      read_dvd_structure (c);
      break;
    default:
      check_condition (c, SENSE_ILLEGAL_REQUEST, ASC_INVALID_COMMAND);
      break;
    }
}

static gboolean
needs_disc (uint8_t command)
{
  static const uint8_t commands[] = { TEST_UNIT_READY, SEEK_10, READ_CAPACITY, READ_FORMAT_CAPACITIES, READ_10, READ_12,
                                      READ_CD, READ_TOC,
                                      READ_SUBCHANNEL, READ_DISC_INFORMATION, READ_TRACK_INFORMATION,
                                      READ_DVD_STRUCTURE };

  return memchr (commands, command, sizeof commands) != NULL;
}

static void
carry_out (MmcCall *c)
{
  uint8_t command = c->packet[0];

  /* A changed disc is reported once, to the first command that cares. */
  if (c->drive->unit_attention && command != REQUEST_SENSE && command != INQUIRY && command != GET_CONFIGURATION &&
      command != GET_EVENT_STATUS)
    {
      c->drive->unit_attention = FALSE;
      check_condition (c, SENSE_UNIT_ATTENTION, ASC_MEDIUM_CHANGED);
      return;
    }
  if (needs_disc (command))
    {
      with_disc (c);
      return;
    }
  switch (command)
    {
    case REQUEST_SENSE:
      request_sense (c);
      break;
    case INQUIRY:
      inquiry (c);
      break;
    case MODE_SENSE_6:
      mode_sense (c, FALSE);
      break;
    case MODE_SENSE_10:
      mode_sense (c, TRUE);
      break;
    case START_STOP_UNIT:
      start_stop (c);
      break;
    case PREVENT_ALLOW:
      c->drive->locked = c->packet[4] & 1;
      succeed (c);
      break;
    case GET_CONFIGURATION:
      get_configuration (c);
      break;
    case GET_EVENT_STATUS:
      get_event_status (c);
      break;
    case MECHANISM_STATUS:
      memset (c->reply, 0, 8);
      c->reply[1] = c->drive->tray_open ? 0x10 : 0;
      reply (c, 8, get16 (c->packet + 8));
      break;
    case SET_CD_SPEED:
      succeed (c);
      break;
    default:
      check_condition (c, SENSE_ILLEGAL_REQUEST, ASC_INVALID_COMMAND);
      break;
    }
}

MmcAnswer
mmc_command (MmcDrive *drive, const Disk *disc, const uint8_t packet[MMC_PACKET_SIZE], uint8_t *reply)
{
  MmcCall call = { .drive = drive, .disc = disc, .packet = packet, .reply = reply, .answer = { .outcome = MMC_GOOD } };

  carry_out (&call);
  return call.answer;
}

void
mmc_disc_changed (MmcDrive *drive, gboolean present)
{
  drive->tray_open = FALSE;
  drive->unit_attention = present;
  drive->media_event = present ? EVENT_NEW_MEDIUM : EVENT_REMOVAL;
}
