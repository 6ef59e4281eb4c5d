/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The PIIX4's power management: ACPI fixed hardware, power off, the button, and where its registers lie. */

#include "engine/devices/platform/piix4-pm.h"
#include "tests/unit/platform/board.h"

enum
{
  PM = 0x600, SMB = 0x700, STATUS = PM, ENABLE = PM + 2, CONTROL = PM + 4, TIMER = PM + 8, APM = 0xb2, GPE = 0xafe0,
  TIMER_EVENT = 1, BUTTON = 0x100, SCI_ENABLE = 1, SLEEP = 0x2000, TIMER_HZ = 3579545, SCI = 9,
  REG_PMBASE = 0x40, REG_PMREGMISC = 0x80, REG_SMBBASE = 0x90, REG_SMBHSTCFG = 0xd2
};

typedef struct
{
  Board *board;
  Device *pm;
  unsigned offs;
} Fixture;

static void
power_off (void *opaque)
{
  ((Fixture *) opaque)->offs++;
}

static Device *
add (Board *board, Fixture *f)
{
  Device *pm = device_new (&piix4_pm_type);

  piix4_pm_set_outputs (pm, board->isa_irq[SCI], power_off, f);
  return board_add (board, pm);
}

static void
configure (Fixture *f, unsigned offset, uint32_t value, unsigned size)
{
  pci_config_write (f->board->pci, 0, ((PciDevice *) f->pm)->devfn, offset, value, size);
}

static void
setup (Fixture *f, gconstpointer unused)
{
  f->board = board_new ();
  f->offs = 0;
  f->pm = add (f->board, f);
  configure (f, REG_PMBASE, PM, 4);
  configure (f, REG_PMREGMISC, 1, 1);
}

static void
teardown (Fixture *f, gconstpointer unused)
{
  board_free (f->board);
}

static uint32_t
in (Fixture *f, uint16_t port, unsigned size)
{
  return bus_pio_read (f->board->bus, port, size);
}

static void
out (Fixture *f, uint16_t port, uint32_t value, unsigned size)
{
  bus_pio_write (f->board->bus, port, value, size);
}

/* Until the timer has counted to @ticks. */
static void
pass_to (Fixture *f, int64_t ticks)
{
  int64_t ns = (int64_t) (((__int128) ticks * CLOCK_NS_PER_SECOND + TIMER_HZ - 1) / TIMER_HZ);

  board_pass (f->board, ns - f->board->now, 0);
}

static void
test_timer (Fixture *f, gconstpointer unused)
{
  g_assert_cmphex (in (f, TIMER, 4), ==, 0);
  pass_to (f, 0x123456);
  g_assert_cmphex (in (f, TIMER, 4), ==, 0x123456);
  g_assert_cmphex (in (f, TIMER, 2), ==, 0x3456);
  g_assert_cmphex (in (f, TIMER + 2, 2), ==, 0x12);
  g_assert_cmphex (in (f, TIMER + 1, 1), ==, 0x34);
  g_assert_cmphex (in (f, TIMER + 1, 2), ==, 0x1234);
  out (f, TIMER, 0xffffffff, 4);
  g_assert_cmphex (in (f, TIMER, 4), ==, 0x123456);
  pass_to (f, 0x1000005);
  g_assert_cmphex (in (f, TIMER, 4), ==, 5);
}

/* The event is noted at each change of the timer's top bit, enabled or not. */
static void
test_timer_event (Fixture *f, gconstpointer unused)
{
  pass_to (f, 0x7fffff);
  g_assert_cmphex (in (f, STATUS, 2), ==, 0);
  pass_to (f, 0x800000);
  g_assert_cmphex (in (f, STATUS, 2), ==, TIMER_EVENT);
  out (f, STATUS, BUTTON, 2);
  g_assert_cmphex (in (f, STATUS, 2), ==, TIMER_EVENT);
  out (f, STATUS, TIMER_EVENT, 2);
  g_assert_cmphex (in (f, STATUS, 2), ==, 0);

  out (f, CONTROL, SCI_ENABLE, 2);
  out (f, ENABLE, TIMER_EVENT, 2);
  g_assert_cmpint (f->board->level[SCI], ==, 0);
  pass_to (f, 0xffffff);
  g_assert_cmpint (f->board->level[SCI], ==, 0);
  pass_to (f, 0x1000000);
  g_assert_cmpint (f->board->level[SCI], ==, 1);
  out (f, STATUS, TIMER_EVENT, 2);
  g_assert_cmpint (f->board->level[SCI], ==, 0);
  pass_to (f, 0x1800000);
  g_assert_cmpint (f->board->level[SCI], ==, 1);
  out (f, ENABLE, 0, 2);
  g_assert_cmpint (f->board->level[SCI], ==, 0);
  /* Enabling what has happened brings the interrupt at once. */
  out (f, ENABLE, TIMER_EVENT, 2);
  g_assert_cmpint (f->board->level[SCI], ==, 1);
}

static void
test_button (Fixture *f, gconstpointer unused)
{
  piix4_pm_press_power_button (f->pm);
  g_assert_cmphex (in (f, STATUS, 2), ==, BUTTON);
  out (f, ENABLE, BUTTON, 2);
  g_assert_cmpint (f->board->level[SCI], ==, 0); /* no SCI before ACPI is on */
  out (f, APM, 0xf1, 1);
  g_assert_cmphex (in (f, CONTROL, 2), ==, SCI_ENABLE);
  g_assert_cmpint (f->board->level[SCI], ==, 1);
  out (f, APM, 0xf0, 1);
  g_assert_cmphex (in (f, CONTROL, 2), ==, 0);
  g_assert_cmpint (f->board->level[SCI], ==, 0);
  out (f, CONTROL, SCI_ENABLE, 2);
  g_assert_cmpint (f->board->level[SCI], ==, 1);
  out (f, STATUS + 1, BUTTON >> 8, 1);
  g_assert_cmpint (f->board->level[SCI], ==, 0);
  g_assert_cmpuint (f->offs, ==, 0);
}

/* A byte is a byte: what lies beside it stays as it is. */
static void
test_bytes (Fixture *f, gconstpointer unused)
{
  out (f, ENABLE, BUTTON | TIMER_EVENT, 2);
  out (f, ENABLE, 0, 1);
  g_assert_cmphex (in (f, ENABLE, 2), ==, BUTTON);
  out (f, ENABLE, TIMER_EVENT, 1);
  out (f, ENABLE + 1, 0, 1);
  g_assert_cmphex (in (f, ENABLE, 2), ==, TIMER_EVENT);
  out (f, CONTROL, SCI_ENABLE, 2);
  out (f, CONTROL + 1, 0x10, 1);
  g_assert_cmphex (in (f, CONTROL, 2), ==, 0x1001);
  out (f, STATUS, (uint32_t) BUTTON << 16, 4);
  g_assert_cmphex (in (f, STATUS, 4), ==, (uint32_t) BUTTON << 16);
  /* Events that the chip does not have cannot be enabled. */
  out (f, ENABLE, 0xffff, 2);
  g_assert_cmphex (in (f, ENABLE, 2), ==, 0x0521);
}

static void
test_power_off (Fixture *f, gconstpointer unused)
{
  out (f, CONTROL, 0x1c00, 2); /* a type without SLP_EN */
  g_assert_cmpuint (f->offs, ==, 0);
  out (f, CONTROL, SLEEP | 1 << 10, 2); /* another type */
  g_assert_cmpuint (f->offs, ==, 0);
  out (f, CONTROL, SLEEP, 2);
  g_assert_cmpuint (f->offs, ==, 1);
  g_assert_cmphex (in (f, CONTROL, 2) & SLEEP, ==, 0);
  out (f, CONTROL + 1, SLEEP >> 8, 1);
  g_assert_cmpuint (f->offs, ==, 2);
}

static void
test_places (Fixture *f, gconstpointer unused)
{
  out (f, ENABLE, BUTTON, 2);
  configure (f, REG_PMREGMISC, 0, 1);
  g_assert_cmphex (in (f, ENABLE, 2), ==, 0xffff);
  configure (f, REG_PMBASE, 0x8000, 4);
  configure (f, REG_PMREGMISC, 1, 1);
  g_assert_cmphex (in (f, 0x8002, 2), ==, BUTTON);

  /* The SMBus host has no devices. */
  configure (f, REG_SMBBASE, SMB, 4);
  configure (f, REG_SMBHSTCFG, 1, 1);
  out (f, SMB + 2, 0x48, 1);
  g_assert_cmphex (in (f, SMB, 1), ==, 4);
  g_assert_cmphex (in (f, SMB + 2, 1), ==, 8);
  out (f, SMB, 0xff, 1);
  g_assert_cmphex (in (f, SMB, 1), ==, 0);

  /* Power management goes over it, and gives its place back. */
  configure (f, REG_PMBASE, SMB, 4);
  g_assert_cmphex (in (f, SMB + 2, 2), ==, BUTTON);
  configure (f, REG_PMBASE, PM, 4);
  g_assert_cmphex (in (f, ENABLE, 2), ==, BUTTON);
  g_assert_cmphex (in (f, SMB + 2, 1), ==, 8);
  configure (f, REG_SMBHSTCFG, 0, 1);
  g_assert_cmphex (in (f, SMB + 2, 1), ==, 0xff);

  device_reset (f->pm);
  g_assert_cmphex (in (f, ENABLE, 2), ==, 0xffff);
}

static void
test_gpe (Fixture *f, gconstpointer unused)
{
  out (f, GPE + 2, 0x5a, 1);
  g_assert_cmphex (in (f, GPE, 4), ==, 0x5a0000);
  out (f, GPE, 0xff, 1);
  g_assert_cmphex (in (f, GPE, 1), ==, 0);
  out (f, APM + 1, 0x77, 1);
  g_assert_cmphex (in (f, APM + 1, 1), ==, 0x77);
}

static void
test_state (Fixture *f, gconstpointer unused)
{
  Board *other = board_new ();
  Device *copy = add (other, f);

  out (f, CONTROL, SCI_ENABLE, 2);
  out (f, ENABLE, TIMER_EVENT | BUTTON, 2);
  pass_to (f, 0x900000);
  piix4_pm_press_power_button (f->pm);
  board_pass (other, f->board->now, 0);
  board_check_state (other, f->pm, copy, 300);
  g_assert_cmpint (other->level[SCI], ==, 1);
  g_assert_cmphex (bus_pio_read (other->bus, ENABLE, 2), ==, TIMER_EVENT | BUTTON);
  board_free (other);
}

#define ADD(path, function) g_test_add (path, Fixture, NULL, setup, function, teardown)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("/pm/timer", test_timer);
  ADD ("/pm/timer-event", test_timer_event);
  ADD ("/pm/button", test_button);
  ADD ("/pm/bytes", test_bytes);
  ADD ("/pm/power-off", test_power_off);
  ADD ("/pm/places", test_places);
  ADD ("/pm/gpe", test_gpe);
  ADD ("/pm/state", test_state);
  return g_test_run ();
}
