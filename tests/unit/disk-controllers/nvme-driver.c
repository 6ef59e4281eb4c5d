/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Implementation of the driver of the NVMe tests. */

#include "tests/unit/disk-controllers/nvme-driver.h"

#include <string.h>

enum
{
  CONFIG_BAR0 = 0x10,
  CONFIG_BAR4 = 0x20
};

static void
config (NvmeDriver *g, unsigned offset, uint32_t value, unsigned size)
{
  pci_config_write (g->board->pci, 0, ((PciDevice *) g->dev)->devfn, offset, value, size);
}

static void
message (void *opaque, uint64_t address, uint32_t data)
{
  NvmeDriver *g = opaque;

  g->messages++;
  g->message_data = data;
}

void
driver_add (NvmeDriver *g, Board *board, Device *dev)
{
  *g = (NvmeDriver) { .board = board, .dev = dev };
  pci_bus_set_messages (board->pci, message, g);
  board_add (board, dev);
  config (g, CONFIG_BAR0, DRIVER_BASE, 4);
  config (g, CONFIG_BAR4, DRIVER_MSIX, 4);
  config (g, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
}

uint32_t
driver_get (NvmeDriver *g, uint32_t reg)
{
  return (uint32_t) board_read (g->board, DRIVER_BASE + reg, 4);
}

void
driver_set (NvmeDriver *g, uint32_t reg, uint32_t value)
{
  board_write (g->board, DRIVER_BASE + reg, value, 4);
}

uint8_t *
driver_memory (NvmeDriver *g, uint32_t address)
{
  return (uint8_t *) ram_block_host (g->board->ram) + address;
}

static uint32_t
sq_address (unsigned pair)
{
  return DRIVER_QUEUE_BASE + pair * 4 * NVME_PAGE;
}

static uint32_t
cq_address (unsigned pair)
{
  return sq_address (pair) + 2 * NVME_PAGE;
}

static void
clear (NvmeDriver *g, unsigned pair)
{
  memset (driver_memory (g, sq_address (pair)), 0, 4 * NVME_PAGE);
  g->pairs[pair] = (DriverPair) { .phase = TRUE };
}

void
driver_enable (NvmeDriver *g)
{
  clear (g, ADMIN);
  driver_set (g, REG_AQA, (DRIVER_ENTRIES - 1) << 16 | (DRIVER_ENTRIES - 1));
  driver_set (g, REG_ASQ, sq_address (ADMIN));
  driver_set (g, REG_ASQ + 4, 0);
  driver_set (g, REG_ACQ, cq_address (ADMIN));
  driver_set (g, REG_ACQ + 4, 0);
  driver_set (g, REG_CC, CC_EN | SQ_ENTRY_SHIFT << CC_IOSQES_SHIFT | CQ_ENTRY_SHIFT << CC_IOCQES_SHIFT);
}

void
driver_create (NvmeDriver *g, unsigned pair, unsigned vector)
{
  clear (g, pair);
  g_assert_cmphex (driver_run (g, ADMIN, &(DriverCommand) { .opcode = OP_CREATE_CQ,
                                                            .prp1 = cq_address (pair),
                                                            .cdw10 = (DRIVER_ENTRIES - 1) << 16 | pair,
                                                            .cdw11 = vector << 16 | 3 }, NULL), ==, 0);
  g_assert_cmphex (driver_run (g, ADMIN, &(DriverCommand) { .opcode = OP_CREATE_SQ,
                                                            .prp1 = sq_address (pair),
                                                            .cdw10 = (DRIVER_ENTRIES - 1) << 16 | pair,
                                                            .cdw11 = pair << 16 | 1 }, NULL), ==, 0);
}

uint16_t
driver_put (NvmeDriver *g, unsigned pair, const DriverCommand *c)
{
  uint8_t *at = driver_memory (g, sq_address (pair)) + g->pairs[pair].tail * COMMAND_SIZE;
  uint16_t cid = ++g->next_cid;

  memset (at, 0, COMMAND_SIZE);
  at[0] = c->opcode;
  pci_set_word (at + 2, cid);
  pci_set_long (at + 4, c->nsid);
  memcpy (at + 24, &c->prp1, 8);
  memcpy (at + 32, &c->prp2, 8);
  pci_set_long (at + 40, c->cdw10);
  pci_set_long (at + 44, c->cdw11);
  pci_set_long (at + 48, c->cdw12);
  g->pairs[pair].tail = (g->pairs[pair].tail + 1) % DRIVER_ENTRIES;
  return cid;
}

void
driver_ring (NvmeDriver *g, unsigned pair)
{
  driver_set (g, REG_DOORBELLS + 8 * pair, g->pairs[pair].tail);
}

gboolean
driver_poll (NvmeDriver *g, unsigned pair, DriverAnswer *answer)
{
  DriverPair *p = &g->pairs[pair];
  const uint8_t *at = driver_memory (g, cq_address (pair)) + p->head * COMPLETION_SIZE;

  if ((pci_get_word (at + 14) & 1) != (p->phase ? 1 : 0))
    return FALSE;
  *answer = (DriverAnswer) { .result = pci_get_long (at), .sq_head = pci_get_word (at + 8), .cid = pci_get_word (at + 12),
                             .status = (uint16_t) (pci_get_word (at + 14) >> 1) };
  g_assert_cmpuint (pci_get_word (at + 10), ==, pair);
  if (++p->head == DRIVER_ENTRIES)
    {
      p->head = 0;
      p->phase = !p->phase;
    }
  driver_set (g, REG_DOORBELLS + 8 * pair + 4, p->head);
  return TRUE;
}

DriverAnswer
driver_wait (NvmeDriver *g, unsigned pair)
{
  DriverAnswer answer;

  while (!driver_poll (g, pair, &answer))
    g_main_context_iteration (g->board->context, TRUE);
  return answer;
}

uint16_t
driver_run (NvmeDriver *g, unsigned pair, const DriverCommand *command, uint32_t *result)
{
  uint16_t cid = driver_put (g, pair, command);
  DriverAnswer answer;

  driver_ring (g, pair);
  answer = driver_wait (g, pair);
  g_assert_cmphex (answer.cid, ==, cid);
  if (result != NULL)
    *result = answer.result;
  return answer.status;
}
