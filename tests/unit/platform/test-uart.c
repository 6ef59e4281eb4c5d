/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The 16550A. */

#include "tests/unit/platform/board.h"

#include "engine/devices/platform/uart16550.h"

enum { DATA = 0x3f8, IER, IIR, LCR, MCR, LSR, MSR, SCR, FCR = IIR };

typedef struct
{
  Board *board;
  Device *uart;
  GString *out;
} Fixture;

static void
written (void *opaque, const uint8_t *data, size_t length)
{
  g_string_append_len (((Fixture *) opaque)->out, (const char *) data, (gssize) length);
}

static void
setup (Fixture *f, gconstpointer unused)
{
  f->board = board_new ();
  f->out = g_string_new (NULL);
  f->uart = device_new (&uart16550_type);
  uart16550_set_port (f->uart, DATA, f->board->isa_irq[4]);
  uart16550_set_output (f->uart, written, f);
  board_add (f->board, f->uart);
  board_out (f->board, MCR, 0x0b);
}

static void
teardown (Fixture *f, gconstpointer unused)
{
  board_free (f->board);
  g_string_free (f->out, TRUE);
}

static void
test_transmit (Fixture *f, gconstpointer unused)
{
  g_assert_cmphex (board_in (f->board, LSR), ==, 0x60);
  board_out (f->board, DATA, 'h');
  board_out (f->board, DATA, 'i');
  g_assert_cmpstr (f->out->str, ==, "hi");
}

static void
test_divisor (Fixture *f, gconstpointer unused)
{
  board_out (f->board, LCR, 0x83);
  board_out (f->board, DATA, 1);
  board_out (f->board, IER, 2);
  g_assert_cmphex (board_in (f->board, DATA), ==, 1);
  g_assert_cmphex (board_in (f->board, IER), ==, 2);
  board_out (f->board, LCR, 3);
  g_assert_cmphex (board_in (f->board, IER), ==, 0);
  g_assert_cmpuint (f->out->len, ==, 0);
}

/* How drivers tell a 16550A. */
static void
test_fifo_detection (Fixture *f, gconstpointer unused)
{
  board_out (f->board, FCR, 0);
  g_assert_cmphex (board_in (f->board, IIR), ==, 0x01);
  board_out (f->board, FCR, 1);
  g_assert_cmphex (board_in (f->board, IIR), ==, 0xc1);
  board_out (f->board, SCR, 0xa5);
  g_assert_cmphex (board_in (f->board, SCR), ==, 0xa5);
}

static void
test_transmit_interrupt (Fixture *f, gconstpointer unused)
{
  board_out (f->board, IER, 2);
  g_assert_cmpint (f->board->level[4], ==, 1);
  g_assert_cmphex (board_in (f->board, IIR), ==, 0x02);
  g_assert_cmpint (f->board->level[4], ==, 0); /* reading acknowledges */
  g_assert_cmphex (board_in (f->board, IIR), ==, 0x01);
  board_out (f->board, DATA, 'x');
  g_assert_cmpint (f->board->level[4], ==, 1);
  board_out (f->board, MCR, 0x03); /* without OUT2 the line is cut */
  g_assert_cmpint (f->board->level[4], ==, 0);
}

static void
test_receive (Fixture *f, gconstpointer unused)
{
  board_out (f->board, IER, 1);
  g_assert_cmpuint (uart16550_input (f->uart, (const uint8_t *) "ab", 2), ==, 2);
  g_assert_cmpint (f->board->level[4], ==, 1);
  g_assert_cmphex (board_in (f->board, IIR), ==, 0x04);
  g_assert_cmphex (board_in (f->board, LSR), ==, 0x61);
  g_assert_cmphex (board_in (f->board, DATA), ==, 'a');
  g_assert_cmphex (board_in (f->board, DATA), ==, 'b');
  g_assert_cmphex (board_in (f->board, LSR), ==, 0x60);
  g_assert_cmpint (f->board->level[4], ==, 0);
}

static void
test_trigger_level (Fixture *f, gconstpointer unused)
{
  board_out (f->board, FCR, 0x81); /* 8 bytes */
  board_out (f->board, IER, 1);
  uart16550_input (f->uart, (const uint8_t *) "1234567", 7);
  g_assert_cmpint (f->board->level[4], ==, 0);
  uart16550_input (f->uart, (const uint8_t *) "8", 1);
  g_assert_cmphex (board_in (f->board, IIR), ==, 0xc4);
  board_in (f->board, DATA);
  g_assert_cmpint (f->board->level[4], ==, 0);
  board_pass (f->board, 100 * CLOCK_NS_PER_MS, 0); /* four characters' time */
  g_assert_cmphex (board_in (f->board, IIR), ==, 0xcc);
  for (int i = 0; i < 7; i++)
    board_in (f->board, DATA);
  g_assert_cmpint (f->board->level[4], ==, 0);
}

/* A paste is not overrun, however slow the guest. */
static void
test_queue (Fixture *f, gconstpointer unused)
{
  g_autofree uint8_t *paste = g_malloc (100000);
  size_t taken, seen = 0;

  for (size_t i = 0; i < 100000; i++)
    paste[i] = (uint8_t) (i * 7);
  board_out (f->board, FCR, 0xc1);
  taken = uart16550_input (f->uart, paste, 100000);
  g_assert_cmpuint (taken, >, 1000);
  g_assert_cmpuint (taken, <, 100000);
  while (board_in (f->board, LSR) & 1)
    g_assert_cmphex (board_in (f->board, DATA), ==, paste[seen++]);
  g_assert_cmpuint (seen, ==, taken);
}

static void
test_loop (Fixture *f, gconstpointer unused)
{
  board_out (f->board, MCR, 0x1f);
  g_assert_cmphex (board_in (f->board, MSR) & 0xf0, ==, 0xf0);
  board_out (f->board, MCR, 0x10);
  g_assert_cmphex (board_in (f->board, MSR), ==, 0x0f); /* all fell */
  g_assert_cmphex (board_in (f->board, MSR), ==, 0x00);
  board_out (f->board, DATA, 0x42);
  g_assert_cmpuint (f->out->len, ==, 0);
  g_assert_cmphex (board_in (f->board, DATA), ==, 0x42);
  /* Without FIFO a second byte overruns. */
  board_out (f->board, DATA, 1);
  board_out (f->board, DATA, 2);
  g_assert_cmphex (board_in (f->board, LSR), ==, 0x63);
  g_assert_cmphex (board_in (f->board, LSR), ==, 0x61);
  g_assert_cmphex (board_in (f->board, DATA), ==, 1);
}

/* The most urgent first: line errors, data, empty transmitter, modem. */
static void
test_identification (Fixture *f, gconstpointer unused)
{
  board_out (f->board, MCR, 0x1b);
  board_in (f->board, MSR);
  board_out (f->board, IER, 0x0f);
  board_out (f->board, MCR, 0x18); /* RTS and DTR fall */
  board_out (f->board, DATA, 1);
  board_out (f->board, DATA, 2);
  g_assert_cmphex (board_in (f->board, IIR), ==, 0x06);
  g_assert_cmphex (board_in (f->board, LSR), ==, 0x63);
  g_assert_cmphex (board_in (f->board, IIR), ==, 0x04);
  board_in (f->board, DATA);
  g_assert_cmphex (board_in (f->board, IIR), ==, 0x02);
  g_assert_cmphex (board_in (f->board, IIR), ==, 0x00);
  g_assert_cmpint (f->board->level[4], ==, 1);
  g_assert_cmphex (board_in (f->board, MSR) & 0x3f, ==, 0x03);
  g_assert_cmphex (board_in (f->board, IIR), ==, 0x01);
  g_assert_cmpint (f->board->level[4], ==, 0);
  board_out (f->board, LCR, 0x1b);
  g_assert_cmphex (board_in (f->board, LCR), ==, 0x1b);
  g_assert_cmphex (board_in (f->board, MCR), ==, 0x18);
  board_out (f->board, MCR, 0xff);
  g_assert_cmphex (board_in (f->board, MCR), ==, 0x1f);
}

static void
test_fifo_clear (Fixture *f, gconstpointer unused)
{
  board_out (f->board, FCR, 0xc1);
  uart16550_input (f->uart, (const uint8_t *) "abc", 3);
  board_out (f->board, FCR, 0xc3);
  g_assert_cmphex (board_in (f->board, LSR), ==, 0x60);
  uart16550_input (f->uart, (const uint8_t *) "d", 1);
  g_assert_cmphex (board_in (f->board, DATA), ==, 'd');
  /* Switching the FIFOs on or off clears them too. */
  uart16550_input (f->uart, (const uint8_t *) "e", 1);
  board_out (f->board, FCR, 0);
  g_assert_cmphex (board_in (f->board, LSR), ==, 0x60);
}

/* A timeout that has been reported is still there after a load. */
static void
test_state_timeout (Fixture *f, gconstpointer unused)
{
  Fixture other = { 0 };

  setup (&other, NULL);
  board_out (f->board, FCR, 0x81);
  board_out (f->board, IER, 1);
  uart16550_input (f->uart, (const uint8_t *) "abc", 3);
  board_pass (f->board, 100 * CLOCK_NS_PER_MS, 0);
  g_assert_cmphex (board_in (f->board, IIR), ==, 0xcc);
  board_check_state (other.board, f->uart, other.uart, 20);
  g_assert_cmpint (other.board->level[4], ==, 1);
  g_assert_cmphex (board_in (other.board, IIR), ==, 0xcc);
  teardown (&other, NULL);
}

static void
test_state (Fixture *f, gconstpointer unused)
{
  Fixture other = { 0 };

  setup (&other, NULL);
  board_out (f->board, FCR, 1);
  uart16550_input (f->uart, (const uint8_t *) "0123456789abcdefghij", 20);
  board_check_state (other.board, f->uart, other.uart, 100);
  for (int i = 0; i < 20; i++)
    g_assert_cmphex (board_in (other.board, DATA), ==, "0123456789abcdefghij"[i]);
  teardown (&other, NULL);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(path, function) g_test_add (path, Fixture, NULL, setup, function, teardown)
  ADD ("/uart/transmit", test_transmit);
  ADD ("/uart/divisor", test_divisor);
  ADD ("/uart/fifo-detection", test_fifo_detection);
  ADD ("/uart/transmit-interrupt", test_transmit_interrupt);
  ADD ("/uart/receive", test_receive);
  ADD ("/uart/trigger-level", test_trigger_level);
  ADD ("/uart/queue", test_queue);
  ADD ("/uart/loop", test_loop);
  ADD ("/uart/identification", test_identification);
  ADD ("/uart/fifo-clear", test_fifo_clear);
  ADD ("/uart/state-timeout", test_state_timeout);
  ADD ("/uart/state", test_state);
  return g_test_run ();
}
