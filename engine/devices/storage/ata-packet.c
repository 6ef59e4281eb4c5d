/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ATAPI CD/DVD drives. Specification: ATA/ATAPI-6, chapter 9; MMC-3 (T10 1363D) and SPC-2 (T10 1236D). */

#include "engine/devices/storage/ata.h"

#include <string.h>

enum
{
  CMD_DEVICE_RESET = 0x08, CMD_DIAGNOSTIC = 0x90, CMD_PACKET = 0xa0, CMD_IDENTIFY_PACKET = 0xa1, CMD_STANDBY_NOW = 0xe0,
  CMD_IDLE_NOW = 0xe1, CMD_CHECK_POWER = 0xe5, CMD_SLEEP = 0xe6, CMD_FLUSH = 0xe7, CMD_IDENTIFY = 0xec,
  CMD_SET_FEATURES = 0xef, FEATURE_DMA = 1 << 0, REASON_COMMAND = 1 << 0, REASON_TO_HOST = 1 << 1,
  TEST_UNIT_READY = 0x00, REQUEST_SENSE = 0x03, INQUIRY = 0x12, MODE_SENSE_6 = 0x1a, START_STOP_UNIT = 0x1b,
  PREVENT_ALLOW = 0x1e, READ_FORMAT_CAPACITIES = 0x23, READ_CAPACITY = 0x25, READ_10 = 0x28, SEEK_10 = 0x2b,
  READ_SUBCHANNEL = 0x42, READ_TOC = 0x43, GET_CONFIGURATION = 0x46, GET_EVENT_STATUS = 0x4a,
  READ_DISC_INFORMATION = 0x51, READ_TRACK_INFORMATION = 0x52, MODE_SENSE_10 = 0x5a, READ_12 = 0xa8,
  READ_DVD_STRUCTURE = 0xad, SET_CD_SPEED = 0xbb, MECHANISM_STATUS = 0xbd, READ_CD = 0xbe,
  SENSE_NONE = 0, SENSE_NOT_READY = 2, SENSE_MEDIUM_ERROR = 3, SENSE_ILLEGAL_REQUEST = 5, SENSE_UNIT_ATTENTION = 6,
  ASC_INVALID_COMMAND = 0x20, ASC_LBA_RANGE = 0x21, ASC_INVALID_FIELD = 0x24, ASC_MEDIUM_CHANGED = 0x28,
  ASC_RESET = 0x29, ASC_SAVING_UNSUPPORTED = 0x39, ASC_NO_MEDIUM = 0x3a, ASC_REMOVAL_PREVENTED = 0x53,
  ASC_READ_ERROR = 0x11, EVENT_NONE = 0, EVENT_NEW_MEDIUM = 2, EVENT_REMOVAL = 3,
  BUFFER_CD_SECTORS = BUFFER_SIZE / CD_SECTOR, PROFILE_CD_ROM = 0x0008, PROFILE_DVD_ROM = 0x0010,
  CD_SECTORS_MAX = 405000
};

static uint64_t
total_sectors (const AtaDrive *d)
{
  return d->disk != NULL ? disk_size (d->disk) / CD_SECTOR : 0;
}

static gboolean
is_dvd (const AtaDrive *d)
{
  return total_sectors (d) > CD_SECTORS_MAX;
}

static void
put16 (uint8_t *p, unsigned v)
{
  p[0] = (uint8_t) (v >> 8);
  p[1] = (uint8_t) v;
}

static void
put32 (uint8_t *p, uint32_t v)
{
  put16 (p, v >> 16);
  put16 (p + 2, v & 0xffff);
}

static uint32_t
get16 (const uint8_t *p)
{
  return (uint32_t) p[0] << 8 | p[1];
}

static uint32_t
get32 (const uint8_t *p)
{
  return get16 (p) << 16 | get16 (p + 2);
}

/* Endings */

static void
succeed (AtaDrive *d)
{
  d->sense_key = SENSE_NONE;
  d->asc = d->ascq = 0;
  d->count[0] = REASON_TO_HOST | REASON_COMMAND;
  ata_dma_end (d, FALSE);
  ata_complete (d);
}

static void
check_condition (AtaDrive *d, uint8_t key, uint8_t asc)
{
  d->sense_key = key;
  d->asc = asc;
  d->ascq = 0;
  d->count[0] = REASON_TO_HOST | REASON_COMMAND;
  ata_dma_end (d, FALSE);
  ata_abort (d, (uint8_t) (key << 4 | (key == SENSE_ILLEGAL_REQUEST ? ERROR_ABRT : 0)));
}

/* Data to the guest: the buffer holds d->chunk bytes (not sectors here), of which the guest takes blocks of at most the
 * byte count limit by PIO, or all by DMA. */

static void read_next (AtaDrive *d);

static void
offer_block (AtaDrive *d)
{
  uint32_t limit = d->byte_limit, left = d->chunk - d->at;

  if (limit == 0 || limit == 0xffff)
    limit = 0xfffe;
  if (left > limit)
    left = MAX (limit & ~1u, 2);
  d->lba_mid[0] = (uint8_t) left;
  d->lba_high[0] = (uint8_t) (left >> 8);
  d->count[0] = REASON_TO_HOST;
  d->end = d->at + left;
  d->phase = PHASE_PIO_IN;
  d->status = STATUS_DRDY | STATUS_DSC | STATUS_DRQ;
  ata_attention (d);
}

static void
next_part (AtaDrive *d)
{
  if (d->from_disc && d->left > 0)
    read_next (d);
  else
    succeed (d);
}

static void
move_by_dma (AtaDrive *d)
{
  if (!ata_dma_transfer (d, d->chunk, TRUE))
    {
      ata_dma_end (d, TRUE);
      check_condition (d, SENSE_MEDIUM_ERROR, ASC_READ_ERROR);
      return;
    }
  next_part (d);
}

/* The buffer is full: to the guest with it. */
static void
offer (AtaDrive *d, uint32_t bytes)
{
  d->chunk = bytes;
  d->at = 0;
  if (bytes == 0)
    next_part (d);
  else if (!d->dma)
    offer_block (d);
  else
    {
      d->phase = PHASE_DMA_IN;
      d->status = STATUS_DRDY | STATUS_DSC | STATUS_DRQ;
      if (ata_dma_ready (d))
        move_by_dma (d);
    }
}

void
atapi_dma_started (AtaDrive *d)
{
  if (!d->busy)
    move_by_dma (d);
}

void
atapi_pio_done (AtaDrive *d)
{
  if (d->command == CMD_IDENTIFY_PACKET)
    {
      d->phase = PHASE_IDLE;
      d->status = STATUS_DRDY | STATUS_DSC;
      return;
    }
  if (d->at < d->chunk)
    offer_block (d);
  else
    next_part (d);
}

/* A reply that was composed in the buffer, cut to what the guest allows for. */
static void
reply (AtaDrive *d, uint32_t bytes, uint32_t allocation)
{
  d->from_disc = FALSE;
  d->left = 0;
  offer (d, MIN (bytes, allocation));
}

void
atapi_disk_done (AtaDrive *d, const GError *error)
{
  if (error != NULL)
    {
      g_debug ("%s", error->message);
      check_condition (d, SENSE_MEDIUM_ERROR, ASC_READ_ERROR);
      return;
    }
  d->lba += d->reply;
  d->left -= d->reply;
  offer (d, d->reply * CD_SECTOR);
}

static void
read_next (AtaDrive *d)
{
  /* The user may have taken the disc out by force. */
  if (d->disk == NULL)
    {
      check_condition (d, SENSE_NOT_READY, ASC_NO_MEDIUM);
      return;
    }
  d->reply = MIN (d->left, BUFFER_CD_SECTORS);
  ata_submit (d, DISK_READ, d->lba * CD_SECTOR, d->reply * CD_SECTOR, ATA_THEN_PACKET_DATA);
}

static void
read_sectors (AtaDrive *d, uint64_t lba, uint32_t count)
{
  uint64_t sectors = total_sectors (d);

  if (lba > sectors || count > sectors - lba)
    {
      check_condition (d, SENSE_ILLEGAL_REQUEST, ASC_LBA_RANGE);
      return;
    }
  d->from_disc = TRUE;
  d->lba = lba;
  d->left = count;
  next_part (d);
}

/* Commands */

static void
request_sense (AtaDrive *d)
{
  uint8_t *b = d->buffer;
  uint8_t key = d->sense_key, asc = d->asc;

  if (d->unit_attention)
    {
      key = SENSE_UNIT_ATTENTION;
      asc = d->disk != NULL ? ASC_MEDIUM_CHANGED : ASC_RESET;
      d->unit_attention = FALSE;
    }
  memset (b, 0, SENSE_SIZE);
  b[0] = 0x70;
  b[2] = key;
  b[7] = 10;
  b[12] = asc;
  b[13] = d->ascq;
  reply (d, SENSE_SIZE, d->packet[4]);
}

static void
inquiry (AtaDrive *d)
{
  uint8_t *b = d->buffer;

  if (d->packet[1] & 1)
    {
      check_condition (d, SENSE_ILLEGAL_REQUEST, ASC_INVALID_FIELD);
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
  reply (d, 36, get16 (d->packet + 3));
}

static uint32_t
mode_pages (AtaDrive *d, uint8_t *out, uint8_t page)
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
      p[6] = (uint8_t) (0x29 | (d->locked ? 2 : 0)); /* tray, eject, lock */
      put16 (p + 8, 706);
      put16 (p + 10, 2);
      put16 (p + 12, 512);
      put16 (p + 14, 706);
      p += 22;
    }
  return (uint32_t) (p - out);
}

static void
mode_sense (AtaDrive *d, gboolean ten)
{
  uint8_t page = d->packet[2] & 0x3f, control = d->packet[2] >> 6;
  uint32_t header = ten ? 8 : 4, length;

  if (control == 3)
    {
      check_condition (d, SENSE_ILLEGAL_REQUEST, ASC_SAVING_UNSUPPORTED);
      return;
    }
  memset (d->buffer, 0, header);
  length = mode_pages (d, d->buffer + header, page);
  if (length == 0)
    {
      check_condition (d, SENSE_ILLEGAL_REQUEST, ASC_INVALID_FIELD);
      return;
    }
  if (ten)
    {
      put16 (d->buffer, header + length - 2);
      d->buffer[2] = d->disk != NULL ? 0x01 : 0x70;
    }
  else
    {
      d->buffer[0] = (uint8_t) (header + length - 1);
      d->buffer[1] = d->disk != NULL ? 0x01 : 0x70;
    }
  reply (d, header + length, ten ? get16 (d->packet + 7) : d->packet[4]);
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
read_toc (AtaDrive *d)
{
  uint8_t *b = d->buffer, format = d->packet[2] & 15, start = d->packet[6];
  gboolean msf = (d->packet[1] & 2) != 0;
  uint32_t length = 4, leadout = (uint32_t) total_sectors (d);

  /* Old drivers ask in the last byte. */
  if (format == 0)
    format = d->packet[9] >> 6;
  memset (b, 0, 64);
  b[2] = b[3] = 1;
  switch (format)
    {
    case 0:
      if (start > 1 && start != 0xaa)
        {
          check_condition (d, SENSE_ILLEGAL_REQUEST, ASC_INVALID_FIELD);
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
      check_condition (d, SENSE_ILLEGAL_REQUEST, ASC_INVALID_FIELD);
      return;
    }
  put16 (b, length - 2);
  reply (d, length, get16 (d->packet + 7));
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
get_configuration (AtaDrive *d)
{
  uint8_t *b = d->buffer, which = d->packet[1] & 3;
  unsigned profile = d->disk == NULL ? 0 : is_dvd (d) ? PROFILE_DVD_ROM : PROFILE_CD_ROM;
  uint32_t length = 8;

  if (which == 3)
    {
      check_condition (d, SENSE_ILLEGAL_REQUEST, ASC_INVALID_FIELD);
      return;
    }
  memset (b, 0, 8);
  put16 (b + 6, profile);
  length += put_features (b + length, profile, get16 (d->packet + 2), which == 2);
  put32 (b, length - 4);
  reply (d, length, get16 (d->packet + 7));
}

static void
get_event_status (AtaDrive *d)
{
  uint8_t *b = d->buffer;

  if (!(d->packet[1] & 1))
    {
      check_condition (d, SENSE_ILLEGAL_REQUEST, ASC_INVALID_FIELD);
      return;
    }
  memset (b, 0, 8);
  b[3] = 1 << 4; /* media events are known here */
  if (d->packet[4] & 1 << 4)
    {
      put16 (b, 6);
      b[2] = 4;
      b[4] = d->media_event;
      b[5] = (uint8_t) ((d->disk != NULL ? 2 : 0) | (d->tray_open ? 1 : 0));
      d->media_event = EVENT_NONE;
      reply (d, 8, get16 (d->packet + 7));
    }
  else
    {
      put16 (b, 2);
      b[2] = 0x80;
      reply (d, 4, get16 (d->packet + 7));
    }
}

static void
start_stop (AtaDrive *d)
{
  gboolean load_eject = d->packet[4] & 2, start = d->packet[4] & 1;

  if (load_eject && !start)
    {
      if (d->locked)
        {
          check_condition (d, d->disk != NULL ? SENSE_ILLEGAL_REQUEST : SENSE_NOT_READY, ASC_REMOVAL_PREVENTED);
          return;
        }
      d->tray_open = TRUE;
      if (d->disk != NULL)
        {
          g_clear_pointer (&d->disk, disk_unref);
          d->media_event = EVENT_REMOVAL;
          d->host->ejected (d);
        }
    }
  else if (load_eject)
    d->tray_open = FALSE;
  succeed (d);
}

static void
read_disc_information (AtaDrive *d)
{
  uint8_t *b = d->buffer;

  memset (b, 0, 34);
  put16 (b, 32);
  b[2] = 0x0e; /* a finished disc */
  b[3] = b[4] = b[5] = b[6] = 1;
  b[7] = 0x20;
  reply (d, 34, get16 (d->packet + 7));
}

static void
read_track_information (AtaDrive *d)
{
  uint8_t *b = d->buffer;

  memset (b, 0, 36);
  put16 (b, 34);
  b[2] = b[3] = 1;
  b[5] = 4;
  b[6] = 1;
  put32 (b + 24, (uint32_t) total_sectors (d));
  reply (d, 36, get16 (d->packet + 7));
}

static void
read_dvd_structure (AtaDrive *d)
{
  uint8_t *b = d->buffer;

  if (!is_dvd (d))
    {
      check_condition (d, SENSE_ILLEGAL_REQUEST, ASC_INVALID_FIELD);
      return;
    }
  memset (b, 0, 2052);
  switch (d->packet[7])
    {
    case 0: /* physical format */
      put16 (b, 2050);
      b[4] = 0x01;
      b[5] = 0x0f;
      b[6] = 0x01;
      put32 (b + 8, 0x30000);
      put32 (b + 12, (uint32_t) (0x30000 + total_sectors (d) - 1));
      reply (d, 2052, get16 (d->packet + 8));
      break;
    case 1: /* copyright: none */
      put16 (b, 6);
      reply (d, 8, get16 (d->packet + 8));
      break;
    default:
      check_condition (d, SENSE_ILLEGAL_REQUEST, ASC_INVALID_FIELD);
      break;
    }
}

static void
read_cd (AtaDrive *d)
{
  uint32_t count = (uint32_t) d->packet[6] << 16 | get16 (d->packet + 7);

  switch (d->packet[9] & 0xf8)
    {
    case 0x00:
      succeed (d);
      break;
    case 0x10: /* user data */
      read_sectors (d, get32 (d->packet + 2), count);
      break;
    default:
      check_condition (d, SENSE_ILLEGAL_REQUEST, ASC_INVALID_FIELD);
      break;
    }
}

/* Commands that need a disc. */
static void
with_disc (AtaDrive *d)
{
  uint8_t *b = d->buffer;

  if (d->disk == NULL)
    {
      check_condition (d, SENSE_NOT_READY, ASC_NO_MEDIUM);
      return;
    }
  switch (d->packet[0])
    {
    case TEST_UNIT_READY:
    case SEEK_10:
      succeed (d);
      break;
    case READ_CAPACITY:
      put32 (b, (uint32_t) total_sectors (d) - 1);
      put32 (b + 4, CD_SECTOR);
      reply (d, 8, 8);
      break;
    case READ_FORMAT_CAPACITIES:
      memset (b, 0, 12);
      b[3] = 8;
      put32 (b + 4, (uint32_t) total_sectors (d));
      put32 (b + 8, 2u << 24 | CD_SECTOR);
      reply (d, 12, get16 (d->packet + 7));
      break;
    case READ_10:
      read_sectors (d, get32 (d->packet + 2), get16 (d->packet + 7));
      break;
    case READ_12:
      read_sectors (d, get32 (d->packet + 2), get32 (d->packet + 6));
      break;
    case READ_CD:
      read_cd (d);
      break;
    case READ_TOC:
      read_toc (d);
      break;
    case READ_SUBCHANNEL:
      memset (b, 0, 4);
      b[1] = 0x15; /* no audio status */
      reply (d, 4, get16 (d->packet + 7));
      break;
    case READ_DISC_INFORMATION:
      read_disc_information (d);
      break;
    case READ_TRACK_INFORMATION:
      read_track_information (d);
      break;
    case READ_DVD_STRUCTURE:
      read_dvd_structure (d);
      break;
    default:
      check_condition (d, SENSE_ILLEGAL_REQUEST, ASC_INVALID_COMMAND);
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

void
atapi_packet (AtaDrive *d)
{
  uint8_t command = d->packet[0];

  d->status = STATUS_BSY;
  d->phase = PHASE_IDLE;
  /* A changed disc is reported once, to the first command that cares. */
  if (d->unit_attention && command != REQUEST_SENSE && command != INQUIRY && command != GET_CONFIGURATION &&
      command != GET_EVENT_STATUS)
    {
      d->unit_attention = FALSE;
      check_condition (d, SENSE_UNIT_ATTENTION, ASC_MEDIUM_CHANGED);
      return;
    }
  if (needs_disc (command))
    {
      with_disc (d);
      return;
    }
  switch (command)
    {
    case REQUEST_SENSE:
      request_sense (d);
      break;
    case INQUIRY:
      inquiry (d);
      break;
    case MODE_SENSE_6:
      mode_sense (d, FALSE);
      break;
    case MODE_SENSE_10:
      mode_sense (d, TRUE);
      break;
    case START_STOP_UNIT:
      start_stop (d);
      break;
    case PREVENT_ALLOW:
      d->locked = d->packet[4] & 1;
      succeed (d);
      break;
    case GET_CONFIGURATION:
      get_configuration (d);
      break;
    case GET_EVENT_STATUS:
      get_event_status (d);
      break;
    case MECHANISM_STATUS:
      memset (d->buffer, 0, 8);
      d->buffer[1] = d->tray_open ? 0x10 : 0;
      reply (d, 8, get16 (d->packet + 8));
      break;
    case SET_CD_SPEED:
      succeed (d);
      break;
    default:
      check_condition (d, SENSE_ILLEGAL_REQUEST, ASC_INVALID_COMMAND);
      break;
    }
}

void
atapi_identify (AtaDrive *d, uint8_t b[512])
{
  memset (b, 0, 512);
  pci_set_word (b, 0x85c0); /* ATAPI, CD-ROM, removable, 12-byte packets, DRQ within 50 µs */
  ata_put_string (b + 20, d->serial, 20);
  ata_put_string (b + 46, "1.0", 8);
  ata_put_string (b + 54, "Bunshin DVD-ROM", 40);
  pci_set_word (b + 2 * 49, 0x0b00);
  pci_set_word (b + 2 * 51, 0x0200);
  pci_set_word (b + 2 * 53, 6);
  pci_set_word (b + 2 * 63, (uint16_t) (0x0007 | (d->dma_mode >> 3 == 4 ? 0x100u << (d->dma_mode & 7) : 0)));
  pci_set_word (b + 2 * 64, 3);
  for (unsigned word = 65; word <= 68; word++)
    pci_set_word (b + 2 * word, 120);
  pci_set_word (b + 2 * 80, 0x007e);
  pci_set_word (b + 2 * 82, 0x4210);
  pci_set_word (b + 2 * 83, 0x4000);
  pci_set_word (b + 2 * 84, 0x4000);
  pci_set_word (b + 2 * 85, 0x4210);
  pci_set_word (b + 2 * 87, 0x4000);
  pci_set_word (b + 2 * 88, (uint16_t) (0x003f | (d->dma_mode >> 3 == 8 ? 0x100u << (d->dma_mode & 7) : 0)));
  if (d->is_serial)
    pci_set_word (b + 2 * 76, 0x000e); /* up to 6 Gb/s */
  else
    pci_set_word (b + 2 * 93, 0x400b);
}

void
atapi_disc_changed (AtaDrive *d)
{
  d->tray_open = FALSE;
  d->unit_attention = d->disk != NULL;
  d->media_event = d->disk != NULL ? EVENT_NEW_MEDIUM : EVENT_REMOVAL;
}

void
atapi_command (AtaDrive *d, uint8_t command)
{
  switch (command)
    {
    case CMD_PACKET:
      d->dma = d->feature[0] & FEATURE_DMA;
      d->byte_limit = (uint16_t) (d->lba_high[0] << 8 | d->lba_mid[0]);
      d->from_disc = FALSE;
      d->left = 0;
      d->count[0] = REASON_COMMAND;
      ata_pio (d, PHASE_PACKET, PACKET_SIZE);
      break;
    case CMD_IDENTIFY_PACKET:
      d->from_disc = FALSE;
      d->left = 0;
      atapi_identify (d, d->buffer);
      d->chunk = 512;
      ata_pio (d, PHASE_PIO_IN, 512);
      ata_attention (d);
      break;
    case CMD_IDENTIFY:
      /* The way to tell that this is no disk. */
      ata_set_signature (d);
      ata_abort (d, ERROR_ABRT);
      break;
    case CMD_DEVICE_RESET:
      ata_reset_drive (d);
      break;
    case CMD_DIAGNOSTIC:
      d->host->diagnostic (d);
      ata_attention (d);
      break;
    case CMD_SET_FEATURES:
      if (d->feature[0] == 3 && (d->count[0] >> 3 == 4 || d->count[0] >> 3 == 8))
        d->dma_mode = d->count[0] & 0x67;
      ata_complete (d);
      break;
    case CMD_CHECK_POWER:
      d->count[0] = 0xff;
      ata_complete (d);
      break;
    case CMD_STANDBY_NOW:
    case CMD_IDLE_NOW:
    case CMD_SLEEP:
    case CMD_FLUSH:
      ata_complete (d);
      break;
    default:
      ata_abort (d, ERROR_ABRT);
      break;
    }
}
