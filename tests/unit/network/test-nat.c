/* SPDX-License-Identifier: GPL-3.0-or-later */
/* NAT seen from the adapter: DHCP, ARP, ping, UDP out to the host's loopback, forwards in; all by raw frames. */

#include "network/nat.h"

#include <arpa/inet.h>
#include <gio/gio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const uint8_t guest_mac[6] = { 0x08, 0x00, 0x27, 1, 2, 3 };
static const uint8_t broadcast_mac[6] = { 255, 255, 255, 255, 255, 255 };

typedef struct
{
  GMainContext *context;
  GMainLoop *loop;
  GThread *thread;
  NetPort *port;
  GMutex lock;
  GCond cond;
  GQueue received;      /* GBytes */
  unsigned accept;      /* frames the adapter has room for */
  uint8_t gateway_mac[6];
} Fixture;

static unsigned
receive (void *opaque, const NetFrame *frames, unsigned count)
{
  Fixture *f = opaque;
  unsigned taken = 0;

  g_mutex_lock (&f->lock);
  while (taken < count && f->accept > 0)
    {
      g_queue_push_tail (&f->received, g_bytes_new (frames[taken].data, frames[taken].length));
      taken++;
      f->accept--;
    }
  g_cond_broadcast (&f->cond);
  g_mutex_unlock (&f->lock);
  return taken;
}

static gpointer
run_loop (gpointer data)
{
  g_main_loop_run (((Fixture *) data)->loop);
  return NULL;
}

static void
setup (Fixture *f, gconstpointer allow_host_access)
{
  NatConfig config = { .allow_host_access = allow_host_access != NULL };
  g_autoptr (GError) error = NULL;

  g_mutex_init (&f->lock);
  g_cond_init (&f->cond);
  g_queue_init (&f->received);
  f->accept = G_MAXUINT;
  f->context = g_main_context_new ();
  f->loop = g_main_loop_new (f->context, FALSE);
  f->port = nat_new (&config, f->context, &error);
  g_assert_no_error (error);
  g_assert_true (net_port_is_nat (f->port));
  net_port_set_receiver (f->port, receive, f);
  f->thread = g_thread_new ("io", run_loop, f);
}

static void
teardown (Fixture *f, gconstpointer unused)
{
  net_port_free (f->port);
  g_main_loop_quit (f->loop);
  g_thread_join (f->thread);
  g_main_loop_unref (f->loop);
  g_main_context_unref (f->context);
  g_queue_clear_full (&f->received, (GDestroyNotify) g_bytes_unref);
  g_mutex_clear (&f->lock);
  g_cond_clear (&f->cond);
}

/* Waits for a frame that @match accepts; the frame's bytes are copied to @out. */
static size_t
expect (Fixture *f, gboolean (*match) (const uint8_t *frame, size_t length), uint8_t out[2048])
{
  gint64 end = g_get_monotonic_time () + 10 * G_TIME_SPAN_SECOND;
  size_t found = 0;

  g_mutex_lock (&f->lock);
  while (found == 0)
    {
      GBytes *frame = g_queue_pop_head (&f->received);

      if (frame == NULL)
        {
          g_assert_true (g_cond_wait_until (&f->cond, &f->lock, end));
          continue;
        }
      if (g_bytes_get_size (frame) <= 2048 && match (g_bytes_get_data (frame, NULL), g_bytes_get_size (frame)))
        {
          found = g_bytes_get_size (frame);
          memcpy (out, g_bytes_get_data (frame, NULL), found);
        }
      g_bytes_unref (frame);
    }
  g_mutex_unlock (&f->lock);
  return found;
}

static void
send_frame (Fixture *f, const uint8_t *data, size_t length)
{
  NetFrame frame = { data, length };

  net_port_send (f->port, &frame, 1);
}

static void put16 (uint8_t *p, unsigned v) { p[0] = (uint8_t) (v >> 8); p[1] = (uint8_t) v; }
static void put32 (uint8_t *p, uint32_t v) { put16 (p, v >> 16); put16 (p + 2, v & 0xffff); }
static unsigned get16 (const uint8_t *p) { return (unsigned) p[0] << 8 | p[1]; }

static uint16_t
checksum (const uint8_t *data, size_t length)
{
  uint32_t sum = 0;

  for (size_t i = 0; i + 1 < length; i += 2)
    sum += get16 (data + i);
  if (length & 1)
    sum += (uint32_t) data[length - 1] << 8;
  while (sum >> 16)
    sum = (sum & 0xffff) + (sum >> 16);
  return (uint16_t) ~sum;
}

/* Ethernet and IPv4 headers around @length bytes that are already at frame + 34. */
static size_t
ip_frame (uint8_t *frame, const uint8_t *to, uint8_t protocol, uint32_t source, uint32_t destination, size_t length)
{
  memcpy (frame, to, 6);
  memcpy (frame + 6, guest_mac, 6);
  put16 (frame + 12, 0x0800);
  memset (frame + 14, 0, 20);
  frame[14] = 0x45;
  put16 (frame + 16, (unsigned) (20 + length));
  frame[22] = 64;
  frame[23] = protocol;
  put32 (frame + 26, source);
  put32 (frame + 30, destination);
  put16 (frame + 24, checksum (frame + 14, 20));
  return 34 + length;
}

static size_t
udp_frame (uint8_t *frame, const uint8_t *to, uint32_t source, uint16_t source_port, uint32_t destination,
           uint16_t destination_port, const void *payload, size_t length)
{
  put16 (frame + 34, source_port);
  put16 (frame + 36, destination_port);
  put16 (frame + 38, (unsigned) (8 + length));
  put16 (frame + 40, 0); /* no checksum */
  memmove (frame + 42, payload, length);
  return ip_frame (frame, to, IPPROTO_UDP, source, destination, 8 + length);
}

static gboolean
is_udp (const uint8_t *frame, size_t length)
{
  return length >= 42 && get16 (frame + 12) == 0x0800 && frame[23] == IPPROTO_UDP;
}

static gboolean
is_dhcp (const uint8_t *frame, size_t length)
{
  return is_udp (frame, length) && get16 (frame + 36) == 68 && length >= 42 + 240;
}

static gboolean
is_arp_reply (const uint8_t *frame, size_t length)
{
  return length >= 42 && get16 (frame + 12) == 0x0806 && get16 (frame + 20) == 2;
}

static gboolean
is_arp_request_for_guest (const uint8_t *frame, size_t length)
{
  static const uint8_t guest[4] = { 10, 0, 2, 15 };

  return length >= 42 && get16 (frame + 12) == 0x0806 && get16 (frame + 20) == 1 && memcmp (frame + 38, guest, 4) == 0;
}

static gboolean
is_ping_reply (const uint8_t *frame, size_t length)
{
  return length >= 42 && get16 (frame + 12) == 0x0800 && frame[23] == IPPROTO_ICMP && frame[34] == 0;
}

static gboolean
is_unreachable (const uint8_t *frame, size_t length)
{
  return length >= 42 && get16 (frame + 12) == 0x0800 && frame[23] == IPPROTO_ICMP && frame[34] == 3;
}

static gboolean
is_payload (const uint8_t *frame, size_t length)
{
  return is_udp (frame, length) && length >= 42 + 4 && memcmp (frame + 42, "pong", 4) == 0;
}

static void
arp (Fixture *f, unsigned operation, const uint8_t *to, uint32_t target)
{
  uint8_t frame[60] = { 0 }, reply[2048];

  memcpy (frame, to, 6);
  memcpy (frame + 6, guest_mac, 6);
  put16 (frame + 12, 0x0806);
  put16 (frame + 14, 1);
  put16 (frame + 16, 0x0800);
  frame[18] = 6;
  frame[19] = 4;
  put16 (frame + 20, operation);
  memcpy (frame + 22, guest_mac, 6);
  put32 (frame + 28, 0x0a00020f);
  memcpy (frame + 32, to, 6);
  put32 (frame + 38, target);
  send_frame (f, frame, sizeof frame);
  if (operation == 1)
    {
      expect (f, is_arp_reply, reply);
      memcpy (f->gateway_mac, reply + 22, 6);
    }
}

static void
test_dhcp (Fixture *f, gconstpointer unused)
{
  uint8_t frame[600] = { 0 }, reply[2048], *dhcp = frame + 42;
  size_t length;

  dhcp[0] = 1;
  dhcp[1] = 1;
  dhcp[2] = 6;
  put32 (dhcp + 4, 0x12345678);
  memcpy (dhcp + 28, guest_mac, 6);
  put32 (dhcp + 236, 0x63825363);
  memcpy (dhcp + 240, "\x35\x01\x01\xff", 4); /* DISCOVER */
  length = udp_frame (frame, broadcast_mac, 0, 68, 0xffffffff, 67, dhcp, 300);
  send_frame (f, frame, length);
  expect (f, is_dhcp, reply);
  g_assert_cmpmem (reply + 42 + 16, 4, ((uint8_t[]) { 10, 0, 2, 15 }), 4);
  g_assert_cmpmem (reply + 42 + 240, 3, "\x35\x01\x02", 3); /* OFFER */
  g_assert_cmpuint (f->port->tx_frames, ==, 1);
}

static void
test_ping (Fixture *f, gconstpointer unused)
{
  uint8_t frame[128] = { 0 }, reply[2048];

  arp (f, 1, broadcast_mac, 0x0a000202);
  frame[34] = 8;
  put16 (frame + 38, 0x4242);
  put16 (frame + 36, checksum (frame + 34, 40));
  send_frame (f, frame, ip_frame (frame, f->gateway_mac, IPPROTO_ICMP, 0x0a00020f, 0x0a000202, 40));
  expect (f, is_ping_reply, reply);
  g_assert_cmpuint (get16 (reply + 38), ==, 0x4242);
}

static int
loopback_socket (uint16_t *port)
{
  int fd = socket (AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
  socklen_t length = sizeof address;
  struct timeval limit = { .tv_sec = 10 };

  g_assert_cmpint (fd, >=, 0);
  g_assert_cmpint (bind (fd, (struct sockaddr *) &address, sizeof address), ==, 0);
  g_assert_cmpint (getsockname (fd, (struct sockaddr *) &address, &length), ==, 0);
  g_assert_cmpint (setsockopt (fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit), ==, 0);
  *port = ntohs (address.sin_port);
  return fd;
}

static void
test_host_access (Fixture *f, gconstpointer unused)
{
  uint16_t port;
  int fd = loopback_socket (&port);
  struct sockaddr_in from;
  socklen_t from_length = sizeof from;
  uint8_t frame[128], reply[2048];
  char buffer[16];

  arp (f, 1, broadcast_mac, 0x0a000202);
  send_frame (f, frame, udp_frame (frame, f->gateway_mac, 0x0a00020f, 4000, 0x0a000202, port, "ping", 4));
  g_assert_cmpint (recvfrom (fd, buffer, sizeof buffer, 0, (struct sockaddr *) &from, &from_length), ==, 4);
  g_assert_cmpmem (buffer, 4, "ping", 4);
  g_assert_cmpint (sendto (fd, "pong", 4, 0, (struct sockaddr *) &from, from_length), ==, 4);
  expect (f, is_payload, reply);
  g_assert_cmpuint (get16 (reply + 36), ==, 4000);
  close (fd);
}

static void
test_host_access_refused (Fixture *f, gconstpointer unused)
{
  uint16_t port;
  int fd = loopback_socket (&port);
  uint8_t frame[128], reply[2048];
  char buffer[16];

  arp (f, 1, broadcast_mac, 0x0a000202);
  send_frame (f, frame, udp_frame (frame, f->gateway_mac, 0x0a00020f, 4000, 0x0a000202, port, "ping", 4));
  expect (f, is_unreachable, reply);
  g_assert_cmpint (recv (fd, buffer, sizeof buffer, MSG_DONTWAIT), ==, -1);
  close (fd);
}

static void
test_forward (Fixture *f, gconstpointer unused)
{
  uint16_t free_port;
  int fd = loopback_socket (&free_port), client;
  uint16_t client_port;
  struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
  g_autofree char *text = g_strdup_printf ("udp:%u:7000", free_port);
  ForwardRule rule;
  uint8_t reply[2048];
  g_autoptr (GError) error = NULL;
  g_autoptr (GArray) list = NULL;

  g_assert_true (forward_rule_parse (text, &rule, NULL));
  g_assert_false (nat_add_forward (f->port, &rule, &error)); /* taken by our socket */
  g_assert_nonnull (strstr (error->message, "UDP port"));
  g_clear_error (&error);
  close (fd);
  g_assert_true (nat_add_forward (f->port, &rule, &error));
  g_assert_no_error (error);
  g_assert_false (nat_add_forward (f->port, &rule, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_EXISTS);
  g_clear_error (&error);
  list = nat_list_forwards (f->port);
  g_assert_cmpuint (list->len, ==, 1);

  client = loopback_socket (&client_port);
  address.sin_port = htons (free_port);
  g_assert_cmpint (sendto (client, "pong", 4, 0, (struct sockaddr *) &address, sizeof address), ==, 4);
  expect (f, is_arp_request_for_guest, reply);
  arp (f, 2, reply + 6, 0x0a000202);
  expect (f, is_payload, reply);
  g_assert_cmpuint (get16 (reply + 36), ==, 7000);
  close (client);

  g_assert_true (nat_remove_forward (f->port, &rule, &error));
  g_assert_false (nat_remove_forward (f->port, &rule, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND);
}

static void
test_backpressure (Fixture *f, gconstpointer unused)
{
  uint8_t reply[2048];

  g_mutex_lock (&f->lock);
  f->accept = 0;
  g_mutex_unlock (&f->lock);
  {
    uint8_t frame[60] = { 0 };

    memcpy (frame, broadcast_mac, 6);
    memcpy (frame + 6, guest_mac, 6);
    put16 (frame + 12, 0x0806);
    memcpy (frame + 14, "\0\1\10\0\6\4\0\1", 8);
    memcpy (frame + 22, guest_mac, 6);
    put32 (frame + 28, 0x0a00020f);
    put32 (frame + 38, 0x0a000202);
    send_frame (f, frame, sizeof frame);
  }
  g_mutex_lock (&f->lock);
  f->accept = G_MAXUINT;
  g_mutex_unlock (&f->lock);
  net_port_resume (f->port);
  expect (f, is_arp_reply, reply);
}

static void
test_cable (Fixture *f, gconstpointer unused)
{
  uint8_t frame[60] = { 0 };

  net_port_set_connected (f->port, FALSE);
  send_frame (f, frame, sizeof frame);
  g_assert_cmpuint (f->port->dropped, ==, 1);
  g_assert_cmpuint (f->port->tx_frames, ==, 0);
  net_port_set_connected (f->port, TRUE);
  arp (f, 1, broadcast_mac, 0x0a000202);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(path, data, function) g_test_add (path, Fixture, data, setup, function, teardown)
  ADD ("/nat/dhcp", NULL, test_dhcp);
  ADD ("/nat/ping-gateway", NULL, test_ping);
  ADD ("/nat/host-access", "allowed", test_host_access);
  ADD ("/nat/host-access-refused", NULL, test_host_access_refused);
  ADD ("/nat/forward", NULL, test_forward);
  ADD ("/nat/backpressure", NULL, test_backpressure);
  ADD ("/nat/cable", NULL, test_cable);
  return g_test_run ();
}
