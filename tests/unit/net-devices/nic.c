/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The adapter under test: see nic.h. */

#include "tests/unit/net-devices/nic.h"

#include <string.h>

const uint8_t nic_mac[6] = { 0x08, 0x00, 0x27, 0x11, 0x22, 0x33 };

static Nic *
nic_of (NetPort *port)
{
  return (Nic *) ((char *) port - offsetof (Nic, port));
}

static void
fake_send (NetPort *port, const NetFrame *frames, unsigned count)
{
  for (unsigned i = 0; i < count; i++)
    g_ptr_array_add (nic_of (port)->sent, g_bytes_new (frames[i].data, frames[i].length));
}

static void
fake_resume (NetPort *port)
{
  nic_of (port)->resumed++;
}

static const NetPortOps fake_ops = { .name = "fake", .send = fake_send, .resume = fake_resume };

static uint8_t
devfn (Nic *nic)
{
  return ((PciDevice *) nic->dev)->devfn;
}

Nic *
nic_new (void)
{
  Nic *nic = g_new0 (Nic, 1);

  nic->board = board_new ();
  nic->sent = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
  net_port_init (&nic->port, &fake_ops);
  nic->dev = device_new (&e1000_type);
  e1000_set_mac (nic->dev, nic_mac);
  e1000_set_port (nic->dev, &nic->port);
  board_add (nic->board, nic->dev);
  pci_config_write (nic->board->pci, 0, devfn (nic), PCI_BASE_ADDRESS_0, NIC_MMIO, 4);
  pci_config_write (nic->board->pci, 0, devfn (nic), PCI_BASE_ADDRESS_0 + 8, NIC_IO, 4);
  pci_config_write (nic->board->pci, 0, devfn (nic), PCI_COMMAND,
                    PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
  return nic;
}

void
nic_free (Nic *nic)
{
  board_free (nic->board);
  g_ptr_array_unref (nic->sent);
  g_free (nic);
}

uint32_t
nic_read (Nic *nic, uint32_t reg)
{
  return (uint32_t) board_read (nic->board, NIC_MMIO + reg, 4);
}

void
nic_write (Nic *nic, uint32_t reg, uint32_t value)
{
  board_write (nic->board, NIC_MMIO + reg, value, 4);
}

const uint8_t *
nic_sent (Nic *nic, guint n, size_t *length)
{
  g_assert_cmpuint (n, <, nic->sent->len);
  return g_bytes_get_data (g_ptr_array_index (nic->sent, n), length);
}

gboolean
nic_arrive (Nic *nic, const void *data, size_t length)
{
  NetFrame frame = { data, length };

  return net_port_deliver (&nic->port, &frame, 1) == 1;
}

void
nic_poke (Nic *nic, uint64_t address, const void *data, size_t length)
{
  g_assert_true (guest_memory_write (nic->board->memory, address, data, length));
}

void
nic_peek (Nic *nic, uint64_t address, void *data, size_t length)
{
  g_assert_true (guest_memory_read (nic->board->memory, address, data, length));
}
