/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ATAPI CD/DVD drives. Specification: ATA/ATAPI-6, chapter 9. What packets ask for
 * is mmc.c. */

#include "engine/devices/storage/ata.h"

#include <string.h>

enum
{
  CMD_DEVICE_RESET = 0x08, CMD_DIAGNOSTIC = 0x90, CMD_PACKET = 0xa0, CMD_IDENTIFY_PACKET = 0xa1, CMD_STANDBY_NOW = 0xe0,
  CMD_IDLE_NOW = 0xe1, CMD_CHECK_POWER = 0xe5, CMD_SLEEP = 0xe6, CMD_FLUSH = 0xe7, CMD_IDENTIFY = 0xec,
  CMD_SET_FEATURES = 0xef, FEATURE_DMA = 1 << 0, REASON_COMMAND = 1 << 0, REASON_TO_HOST = 1 << 1,
  BUFFER_CD_SECTORS = BUFFER_SIZE / CD_SECTOR
};

/* Endings */

static void
succeed (AtaDrive *d)
{
  mmc_set_sense (&d->mmc, SENSE_NONE, 0);
  d->count[0] = REASON_TO_HOST | REASON_COMMAND;
  ata_dma_end (d, FALSE);
  ata_complete (d);
}

/* With the drive's sense as it is. */
static void
fail (AtaDrive *d)
{
  uint8_t key = d->mmc.sense_key;

  d->count[0] = REASON_TO_HOST | REASON_COMMAND;
  ata_dma_end (d, FALSE);
  ata_abort (d, (uint8_t) (key << 4 | (key == SENSE_ILLEGAL_REQUEST ? ERROR_ABRT : 0)));
}

static void
check_condition (AtaDrive *d, uint8_t key, uint8_t asc)
{
  mmc_set_sense (&d->mmc, key, asc);
  fail (d);
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

void
atapi_packet (AtaDrive *d)
{
  MmcAnswer answer = mmc_command (&d->mmc, d->disk, d->packet, d->buffer);

  d->status = STATUS_BSY;
  d->phase = PHASE_IDLE;
  d->from_disc = answer.outcome == MMC_READ;
  d->left = 0;
  switch (answer.outcome)
    {
    case MMC_CHECK:
      fail (d);
      break;
    case MMC_REPLY:
      offer (d, answer.length);
      break;
    case MMC_READ:
      d->lba = answer.lba;
      d->left = answer.count;
      next_part (d);
      break;
    case MMC_EJECT:
      g_clear_pointer (&d->disk, disk_unref);
      d->host->ejected (d);
      succeed (d);
      break;
    case MMC_GOOD:
    default:
      succeed (d);
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
