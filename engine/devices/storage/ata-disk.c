/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ATA disks. Specification: ATA/ATAPI-6 (T13 1410D), chapter 8 (commands). */

#include "engine/devices/storage/ata.h"

#include <string.h>

enum
{
  CMD_DSM = 0x06, CMD_RECALIBRATE = 0x10, CMD_READ = 0x20, CMD_READ_NORETRY = 0x21,
  CMD_READ_EXT = 0x24, CMD_READ_DMA_EXT = 0x25, CMD_READ_NATIVE_MAX_EXT = 0x27, CMD_READ_MULTIPLE_EXT = 0x29,
  CMD_WRITE = 0x30, CMD_WRITE_NORETRY = 0x31, CMD_WRITE_EXT = 0x34, CMD_WRITE_DMA_EXT = 0x35,
  CMD_WRITE_MULTIPLE_EXT = 0x39, CMD_VERIFY = 0x40, CMD_VERIFY_NORETRY = 0x41, CMD_VERIFY_EXT = 0x42, CMD_SEEK = 0x70,
  CMD_DIAGNOSTIC = 0x90, CMD_INIT_PARAMETERS = 0x91, CMD_STANDBY_NOW_OLD = 0x94, CMD_IDLE_NOW_OLD = 0x95,
  CMD_CHECK_POWER_OLD = 0x98, CMD_READ_MULTIPLE = 0xc4, CMD_WRITE_MULTIPLE = 0xc5, CMD_SET_MULTIPLE = 0xc6,
  CMD_READ_DMA = 0xc8, CMD_READ_DMA_NORETRY = 0xc9, CMD_WRITE_DMA = 0xca, CMD_WRITE_DMA_NORETRY = 0xcb,
  CMD_STANDBY_NOW = 0xe0, CMD_IDLE_NOW = 0xe1, CMD_STANDBY = 0xe2, CMD_IDLE = 0xe3, CMD_CHECK_POWER = 0xe5,
  CMD_SLEEP = 0xe6, CMD_FLUSH = 0xe7, CMD_FLUSH_EXT = 0xea, CMD_IDENTIFY = 0xec, CMD_SET_FEATURES = 0xef,
  CMD_READ_NATIVE_MAX = 0xf8, FEATURE_WRITE_CACHE_ON = 0x02, FEATURE_TRANSFER_MODE = 0x03,
  FEATURE_LOOK_AHEAD_OFF = 0x55, FEATURE_WRITE_CACHE_OFF = 0x82, FEATURE_LOOK_AHEAD_ON = 0xaa,
  DSM_TRIM = 1, CYLINDERS_MAX = 16383
};

static uint64_t
total_sectors (const AtaDrive *d)
{
  return disk_size (d->disk) / ATA_SECTOR;
}

static unsigned
cylinders (const AtaDrive *d)
{
  return (unsigned) MIN (total_sectors (d) / (16 * 63), CYLINDERS_MAX);
}

static void
put_word (uint8_t *out, unsigned word, unsigned value)
{
  out[2 * word] = (uint8_t) value;
  out[2 * word + 1] = (uint8_t) (value >> 8);
}

static void
identify (AtaDrive *d)
{
  uint8_t *b = d->buffer;
  uint64_t sectors = total_sectors (d);
  uint32_t lba28 = (uint32_t) MIN (sectors, 0x0fffffff), chs = cylinders (d) * d->heads * d->sectors;

  memset (b, 0, ATA_SECTOR);
  put_word (b, 0, 0x0040);
  put_word (b, 1, cylinders (d));
  put_word (b, 3, 16);
  put_word (b, 6, 63);
  ata_put_string (b + 20, d->serial, 20);
  ata_put_string (b + 46, "1.0", 8);
  ata_put_string (b + 54, "Bunshin hard disk", 40);
  put_word (b, 47, 0x8000 | MULTIPLE_MAX);
  put_word (b, 48, 1);
  put_word (b, 49, 0x0b00); /* IORDY, LBA, DMA */
  put_word (b, 50, 0x4000);
  put_word (b, 51, 0x0200);
  put_word (b, 52, 0x0200);
  put_word (b, 53, 7);
  put_word (b, 54, cylinders (d));
  put_word (b, 55, d->heads);
  put_word (b, 56, d->sectors);
  put_word (b, 57, chs & 0xffff);
  put_word (b, 58, chs >> 16);
  put_word (b, 59, d->multiple != 0 ? 0x100u | d->multiple : 0);
  put_word (b, 60, lba28 & 0xffff);
  put_word (b, 61, lba28 >> 16);
  put_word (b, 63, 0x0007 | (d->dma_mode >> 3 == 4 ? 0x100u << (d->dma_mode & 7) : 0));
  put_word (b, 64, 0x0003);
  for (unsigned word = 65; word <= 68; word++)
    put_word (b, word, 120);
  put_word (b, 69, 1 << 5); /* trimmed sectors read as zeros */
  put_word (b, 80, 0x007e);
  put_word (b, 82, 0x4020 | 1 << 6); /* NOP, write cache, look-ahead */
  put_word (b, 83, 0x7400);          /* FLUSH CACHE (EXT), 48-bit addresses */
  put_word (b, 84, 0x4000);
  put_word (b, 85, 0x4000 | (d->write_cache ? 1u << 5 : 0) | 1 << 6);
  put_word (b, 86, 0x3400);
  put_word (b, 87, 0x4000);
  put_word (b, 88, 0x003f | (d->dma_mode >> 3 == 8 ? 0x100u << (d->dma_mode & 7) : 0));
  if (d->is_serial)
    {
      put_word (b, 75, ATA_QUEUE - 1);
      put_word (b, 76, 0x010e); /* NCQ; up to 6 Gb/s */
      put_word (b, 77, 3 << 1); /* at 6 Gb/s now */
      put_word (b, 80, 0x01fe); /* ATA8-ACS */
      put_word (b, 84, 0x4020); /* log pages */
      put_word (b, 87, 0x4020);
      put_word (b, 222, 0x107f);
    }
  else
    put_word (b, 93, 0x400b | (d->is_slave ? 0x0400 : 0));
  for (unsigned i = 0; i < 4; i++)
    put_word (b, 100 + i, (unsigned) (sectors >> (16 * i)) & 0xffff);
  put_word (b, 105, 1);
  put_word (b, 106, 0x4000);
  put_word (b, 169, 1);     /* TRIM */
  put_word (b, 217, 1);     /* does not turn */
  d->left = 0;
  d->chunk = 0;
  ata_pio (d, PHASE_PIO_IN, ATA_SECTOR);
  ata_attention (d);
}

/* Decodes address and count of the command; FALSE (aborted) when the range is not on the disk. */
static gboolean
decode_range (AtaDrive *d, gboolean lba48)
{
  uint64_t sectors = total_sectors (d);

  d->lba48 = lba48;
  if (lba48)
    {
      d->lba = (uint64_t) d->lba_low[0] | (uint64_t) d->lba_mid[0] << 8 | (uint64_t) d->lba_high[0] << 16 |
               (uint64_t) d->lba_low[1] << 24 | (uint64_t) d->lba_mid[1] << 32 | (uint64_t) d->lba_high[1] << 40;
      d->left = (uint32_t) (d->count[1] << 8 | d->count[0]);
      if (d->left == 0)
        d->left = 65536;
    }
  else
    {
      if (d->device & DEVICE_LBA)
        d->lba = (uint64_t) (d->device & 15) << 24 | (uint64_t) d->lba_high[0] << 16 | (uint64_t) d->lba_mid[0] << 8 |
                 d->lba_low[0];
      else
        {
          uint64_t cylinder = (uint64_t) d->lba_high[0] << 8 | d->lba_mid[0];

          if (d->lba_low[0] == 0)
            {
              ata_abort (d, ERROR_IDNF);
              return FALSE;
            }
          d->lba = (cylinder * d->heads + (d->device & 15)) * d->sectors + d->lba_low[0] - 1;
        }
      d->left = d->count[0] != 0 ? d->count[0] : 256;
    }
  if (d->lba >= sectors || d->left > sectors - d->lba)
    {
      ata_abort (d, ERROR_IDNF);
      return FALSE;
    }
  return TRUE;
}

/* The registers show how far a command came. */
static void
store_address (AtaDrive *d)
{
  if (d->lba48)
    {
      d->lba_low[0] = (uint8_t) d->lba;
      d->lba_mid[0] = (uint8_t) (d->lba >> 8);
      d->lba_high[0] = (uint8_t) (d->lba >> 16);
      d->lba_low[1] = (uint8_t) (d->lba >> 24);
      d->lba_mid[1] = (uint8_t) (d->lba >> 32);
      d->lba_high[1] = (uint8_t) (d->lba >> 40);
    }
  else if (d->device & DEVICE_LBA)
    {
      d->lba_low[0] = (uint8_t) d->lba;
      d->lba_mid[0] = (uint8_t) (d->lba >> 8);
      d->lba_high[0] = (uint8_t) (d->lba >> 16);
      d->device = (uint8_t) ((d->device & 0xf0) | (d->lba >> 24 & 15));
    }
  else
    {
      uint64_t cylinder = d->lba / (d->heads * d->sectors), rest = d->lba % (d->heads * d->sectors);

      d->lba_mid[0] = (uint8_t) cylinder;
      d->lba_high[0] = (uint8_t) (cylinder >> 8);
      d->device = (uint8_t) ((d->device & 0xf0) | (rest / d->sectors & 15));
      d->lba_low[0] = (uint8_t) (rest % d->sectors + 1);
    }
  d->count[0] = (uint8_t) d->left;
  d->count[1] = (uint8_t) (d->left >> 8);
}

static void
failed (AtaDrive *d, const GError *error)
{
  g_debug ("%s", error->message);
  ata_dma_end (d, FALSE);
  store_address (d);
  ata_abort (d, ERROR_UNC);
}

/* Reading */

static void
pio_chunk_read (AtaDrive *d, const GError *error)
{
  if (error != NULL)
    {
      failed (d, error);
      return;
    }
  ata_pio (d, PHASE_PIO_IN, d->chunk * ATA_SECTOR);
  ata_attention (d);
}

static void dma_read_next (AtaDrive *d);

static void
dma_chunk_read (AtaDrive *d, const GError *error)
{
  if (error != NULL)
    {
      failed (d, error);
      return;
    }
  if (!ata_dma_ready (d) || !ata_dma_transfer (d, d->chunk * ATA_SECTOR, TRUE))
    {
      ata_dma_end (d, TRUE);
      ata_abort (d, ERROR_ABRT);
      return;
    }
  d->lba += d->chunk;
  d->left -= d->chunk;
  dma_read_next (d);
}

static void
dma_read_next (AtaDrive *d)
{
  if (d->left == 0)
    {
      store_address (d);
      ata_dma_end (d, FALSE);
      ata_complete (d);
      return;
    }
  d->chunk = MIN (d->left, BUFFER_SECTORS);
  ata_submit (d, DISK_READ, d->lba * ATA_SECTOR, d->chunk * ATA_SECTOR, ATA_THEN_DMA_READ);
}

static void
read_next_block (AtaDrive *d)
{
  d->chunk = MIN (d->left, d->pio_block);
  ata_submit (d, DISK_READ, d->lba * ATA_SECTOR, d->chunk * ATA_SECTOR, ATA_THEN_PIO_READ);
}

/* Writing */

static void
expect_block (AtaDrive *d)
{
  d->chunk = MIN (d->left, d->pio_block);
  ata_pio (d, PHASE_PIO_OUT, d->chunk * ATA_SECTOR);
}

static void
write_through (AtaDrive *d, const GError *error)
{
  if (error != NULL)
    failed (d, error);
  else
    ata_complete (d);
}

static void
finish_write (AtaDrive *d)
{
  store_address (d);
  ata_dma_end (d, FALSE);
  if (d->write_cache)
    ata_complete (d);
  else
    ata_submit (d, DISK_FLUSH, 0, 0, ATA_THEN_COMPLETE);
}

static void
pio_chunk_written (AtaDrive *d, const GError *error)
{
  if (error != NULL)
    {
      failed (d, error);
      return;
    }
  d->lba += d->chunk;
  d->left -= d->chunk;
  if (d->left == 0)
    {
      finish_write (d);
      return;
    }
  expect_block (d);
  ata_attention (d);
}

static void dma_write_next (AtaDrive *d);

static void
dma_chunk_written (AtaDrive *d, const GError *error)
{
  if (error != NULL)
    {
      failed (d, error);
      return;
    }
  d->lba += d->chunk;
  d->left -= d->chunk;
  dma_write_next (d);
}

static void
dma_write_next (AtaDrive *d)
{
  if (d->left == 0)
    {
      finish_write (d);
      return;
    }
  d->chunk = MIN (d->left, BUFFER_SECTORS);
  if (!ata_dma_ready (d) || !ata_dma_transfer (d, d->chunk * ATA_SECTOR, FALSE))
    {
      ata_dma_end (d, TRUE);
      ata_abort (d, ERROR_ABRT);
      return;
    }
  ata_submit (d, DISK_WRITE, d->lba * ATA_SECTOR, d->chunk * ATA_SECTOR, ATA_THEN_DMA_WRITTEN);
}

/* TRIM: a list of 48-bit addresses and 16-bit counts. */
static void
trim_next (AtaDrive *d, const GError *error)
{
  if (error != NULL)
    {
      failed (d, error);
      return;
    }
  while (d->at < d->end)
    {
      const uint8_t *entry = d->buffer + d->at;
      uint64_t lba = (uint64_t) pci_get_long (entry) | (uint64_t) pci_get_word (entry + 4) << 32;
      uint32_t count = pci_get_word (entry + 6);

      d->at += 8;
      if (count == 0)
        continue;
      if (lba >= total_sectors (d) || count > total_sectors (d) - lba)
        {
          ata_abort (d, ERROR_ABRT);
          return;
        }
      ata_submit (d, DISK_DISCARD, lba * ATA_SECTOR, count * ATA_SECTOR, ATA_THEN_TRIM);
      return;
    }
  ata_complete (d);
}

static void
trim_start (AtaDrive *d)
{
  if (!ata_dma_ready (d) || !ata_dma_transfer (d, d->chunk * ATA_SECTOR, FALSE))
    {
      ata_dma_end (d, FALSE);
      ata_abort (d, ERROR_ABRT);
      return;
    }
  ata_dma_end (d, FALSE);
  d->at = 0;
  d->end = d->chunk * ATA_SECTOR;
  trim_next (d, NULL);
}

void
ata_disk_done (AtaDrive *d, const GError *error)
{
  switch (d->then)
    {
    case ATA_THEN_PIO_READ:
      pio_chunk_read (d, error);
      break;
    case ATA_THEN_DMA_READ:
      dma_chunk_read (d, error);
      break;
    case ATA_THEN_PIO_WRITTEN:
      pio_chunk_written (d, error);
      break;
    case ATA_THEN_DMA_WRITTEN:
      dma_chunk_written (d, error);
      break;
    case ATA_THEN_TRIM:
      trim_next (d, error);
      break;
    default:
      write_through (d, error);
      break;
    }
}

void
ata_dma_started (AtaDrive *d)
{
  if (d->busy)
    return;
  if (d->command == CMD_DSM)
    trim_start (d);
  else if (d->phase == PHASE_DMA_IN)
    dma_read_next (d);
  else
    dma_write_next (d);
}

void
ata_pio_done (AtaDrive *d)
{
  if (d->phase == PHASE_PIO_OUT)
    {
      ata_submit (d, DISK_WRITE, d->lba * ATA_SECTOR, d->chunk * ATA_SECTOR, ATA_THEN_PIO_WRITTEN);
      return;
    }
  d->lba += d->chunk;
  d->left -= d->chunk;
  if (d->left > 0)
    {
      read_next_block (d);
      return;
    }
  if (d->chunk > 0)
    store_address (d);
  d->phase = PHASE_IDLE;
  d->status = STATUS_DRDY | STATUS_DSC;
}

static void
start_pio (AtaDrive *d, gboolean lba48, gboolean write, gboolean multiple)
{
  if (multiple && d->multiple == 0)
    {
      ata_abort (d, ERROR_ABRT);
      return;
    }
  if (!decode_range (d, lba48))
    return;
  d->pio_block = multiple ? d->multiple : 1;
  if (write)
    expect_block (d); /* the first block is asked for without an interrupt */
  else
    read_next_block (d);
}

static void
start_dma (AtaDrive *d, gboolean lba48, gboolean write)
{
  if (!decode_range (d, lba48))
    return;
  d->phase = write ? PHASE_DMA_OUT : PHASE_DMA_IN;
  d->status = STATUS_DRDY | STATUS_DSC | STATUS_DRQ;
  if (ata_dma_ready (d))
    ata_dma_started (d);
}

static void
set_features (AtaDrive *d)
{
  switch (d->feature[0])
    {
    case FEATURE_WRITE_CACHE_ON:
      d->write_cache = TRUE;
      break;
    case FEATURE_WRITE_CACHE_OFF:
      d->write_cache = FALSE;
      ata_submit (d, DISK_FLUSH, 0, 0, ATA_THEN_COMPLETE);
      return;
    case FEATURE_TRANSFER_MODE:
      if (d->count[0] >> 3 == 4 || d->count[0] >> 3 == 8)
        {
          if ((d->count[0] & 7) > (d->count[0] >> 3 == 4 ? 2 : 5))
            {
              ata_abort (d, ERROR_ABRT);
              return;
            }
          d->dma_mode = d->count[0];
        }
      break;
    case FEATURE_LOOK_AHEAD_ON:
    case FEATURE_LOOK_AHEAD_OFF:
      break;
    default:
      ata_abort (d, ERROR_ABRT);
      return;
    }
  ata_complete (d);
}

static void
read_native_max (AtaDrive *d, gboolean ext)
{
  uint64_t last = total_sectors (d) - 1;

  if (!ext)
    last = MIN (last, 0x0fffffff);
  d->lba_low[0] = (uint8_t) last;
  d->lba_mid[0] = (uint8_t) (last >> 8);
  d->lba_high[0] = (uint8_t) (last >> 16);
  if (ext)
    {
      d->lba_low[1] = (uint8_t) (last >> 24);
      d->lba_mid[1] = (uint8_t) (last >> 32);
      d->lba_high[1] = (uint8_t) (last >> 40);
    }
  else
    d->device = (uint8_t) ((d->device & 0xf0) | (last >> 24 & 15));
  ata_complete (d);
}

void
ata_command (AtaDrive *d, uint8_t command)
{
  switch (command)
    {
    case CMD_IDENTIFY:
      identify (d);
      break;
    case CMD_READ:
    case CMD_READ_NORETRY:
    case CMD_READ_EXT:
      start_pio (d, command == CMD_READ_EXT, FALSE, FALSE);
      break;
    case CMD_READ_MULTIPLE:
    case CMD_READ_MULTIPLE_EXT:
      start_pio (d, command == CMD_READ_MULTIPLE_EXT, FALSE, TRUE);
      break;
    case CMD_WRITE:
    case CMD_WRITE_NORETRY:
    case CMD_WRITE_EXT:
      start_pio (d, command == CMD_WRITE_EXT, TRUE, FALSE);
      break;
    case CMD_WRITE_MULTIPLE:
    case CMD_WRITE_MULTIPLE_EXT:
      start_pio (d, command == CMD_WRITE_MULTIPLE_EXT, TRUE, TRUE);
      break;
    case CMD_READ_DMA:
    case CMD_READ_DMA_NORETRY:
    case CMD_READ_DMA_EXT:
      start_dma (d, command == CMD_READ_DMA_EXT, FALSE);
      break;
    case CMD_WRITE_DMA:
    case CMD_WRITE_DMA_NORETRY:
    case CMD_WRITE_DMA_EXT:
      start_dma (d, command == CMD_WRITE_DMA_EXT, TRUE);
      break;
    case CMD_DSM:
      d->chunk = d->count[0];
      if (!(d->feature[0] & DSM_TRIM) || d->chunk == 0)
        {
          ata_abort (d, ERROR_ABRT);
          break;
        }
      d->phase = PHASE_DMA_OUT;
      d->status = STATUS_DRDY | STATUS_DSC | STATUS_DRQ;
      if (ata_dma_ready (d))
        trim_start (d);
      break;
    case CMD_VERIFY:
    case CMD_VERIFY_NORETRY:
    case CMD_VERIFY_EXT:
      if (decode_range (d, command == CMD_VERIFY_EXT))
        ata_complete (d);
      break;
    case CMD_FLUSH:
    case CMD_FLUSH_EXT:
      ata_submit (d, DISK_FLUSH, 0, 0, ATA_THEN_COMPLETE);
      break;
    case CMD_SET_MULTIPLE:
      if (d->count[0] > MULTIPLE_MAX || (d->count[0] & (d->count[0] - 1)) != 0)
        {
          ata_abort (d, ERROR_ABRT);
          break;
        }
      d->multiple = d->count[0];
      ata_complete (d);
      break;
    case CMD_SET_FEATURES:
      set_features (d);
      break;
    case CMD_INIT_PARAMETERS:
      if (d->count[0] == 0)
        {
          ata_abort (d, ERROR_ABRT);
          break;
        }
      d->heads = (d->device & 15) + 1u;
      d->sectors = d->count[0];
      ata_complete (d);
      break;
    case CMD_DIAGNOSTIC:
      d->host->diagnostic (d);
      ata_attention (d);
      break;
    case CMD_READ_NATIVE_MAX:
    case CMD_READ_NATIVE_MAX_EXT:
      read_native_max (d, command == CMD_READ_NATIVE_MAX_EXT);
      break;
    case CMD_CHECK_POWER:
    case CMD_CHECK_POWER_OLD:
      d->count[0] = 0xff; /* active or idle */
      ata_complete (d);
      break;
    case CMD_RECALIBRATE ... CMD_RECALIBRATE + 15:
    case CMD_SEEK:
    case CMD_STANDBY:
    case CMD_STANDBY_NOW:
    case CMD_STANDBY_NOW_OLD:
    case CMD_IDLE:
    case CMD_IDLE_NOW:
    case CMD_IDLE_NOW_OLD:
    case CMD_SLEEP:
      ata_complete (d);
      break;
    default:
      ata_abort (d, ERROR_ABRT);
      break;
    }
}
