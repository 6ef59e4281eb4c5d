/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The NVMe controller's log pages. Specification: NVM Express 1.4, section 5.14. */

#include "engine/devices/storage/nvme-private.h"

#include <string.h>

enum
{
  LOG_ERROR = 1,
  LOG_SMART = 2,
  LOG_FIRMWARE = 3,
  LOG_CHANGED_NAMESPACES = 4,
  ERROR_SIZE = 64,
  SMART_SIZE = 512,
  FIRMWARE_SIZE = 512,
  UNIT = 1000, /* what SMART counts data in, in blocks */
  RETAIN_EVENT = 1 << 15
};

static void
put64 (uint8_t *at, uint64_t value)
{
  pci_set_long (at, (uint32_t) value);
  pci_set_long (at + 4, (uint32_t) (value >> 32));
}

/* The last error, the only one that is kept. */
static void
put_error (const Nvme *n, uint8_t *b)
{
  if (n->errors == 0)
    return;
  put64 (b, n->errors);
  pci_set_word (b + 8, n->last_error.sq);
  pci_set_word (b + 10, n->last_error.cid);
  pci_set_word (b + 12, n->last_error.status);
  pci_set_word (b + 14, 0xffff);
  put64 (b + 16, n->last_error.lba);
  pci_set_long (b + 24, n->last_error.nsid);
}

static uint8_t
warnings (const Nvme *n)
{
  return TEMPERATURE > n->feature[FEATURE_TEMPERATURE] || TEMPERATURE < n->temperature_under ? 1 << 1 : 0;
}

static void
put_smart (const Nvme *n, uint8_t *b)
{
  b[0] = warnings (n);
  pci_set_word (b + 1, TEMPERATURE);
  b[3] = 100; /* % of the spare room */
  b[4] = 10;
  put64 (b + 32, (n->units[0] + UNIT - 1) / UNIT);
  put64 (b + 48, (n->units[1] + UNIT - 1) / UNIT);
  put64 (b + 64, n->commands[0]);
  put64 (b + 80, n->commands[1]);
  put64 (b + 160, n->media_errors);
  put64 (b + 176, n->errors);
}

uint16_t
nvme_get_log (Nvme *n, const NvmeCommand *c)
{
  uint8_t b[NVME_PAGE] = { 0 };
  uint32_t size;
  uint64_t offset = c->cdw12 | (uint64_t) c->cdw13 << 32, dwords = (c->cdw10 >> 16) + ((uint64_t) (c->cdw11 & 0xffff) << 16) + 1;
  int type = -1;

  switch (c->cdw10 & 0xff)
    {
    case LOG_ERROR:
      put_error (n, b);
      size = ERROR_SIZE;
      type = EVENT_ERROR;
      break;
    case LOG_SMART:
      put_smart (n, b);
      size = SMART_SIZE;
      type = EVENT_SMART;
      break;
    case LOG_FIRMWARE:
      b[0] = 1; /* the slot in use */
      memcpy (b + 8, "1.0     ", 8);
      size = FIRMWARE_SIZE;
      break;
    case LOG_CHANGED_NAMESPACES:
      size = NVME_PAGE;
      break;
    default:
      return STATUS_LOG_PAGE;
    }
  if (offset % 4 != 0 || offset > size)
    return STATUS_INVALID_FIELD;
  if (type >= 0 && !(c->cdw10 & RETAIN_EVENT))
    n->event_masked[type] = FALSE;
  /* Beyond the page there is nothing. */
  return nvme_reply (n, c, b + offset, (uint32_t) MIN (dwords * 4, size - offset));
}
