/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The host's end of a serial port; see the header. */

#include "app/serial.h"

#include <glib/gi18n.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

enum
{
  QUEUE_MAX = 4 << 20,    /* bytes; what nobody reads beyond that is lost, as on a wire */
  READ_SIZE = 4096,
  RETRY_MS = 5,           /* while the guest's receiver is full */
  LINGER_MS = 1000,       /* for the reader of the last bytes, at the end */
  ESCAPE = 0x1d           /* Ctrl-] */
};

struct SerialPort
{
  MachineSerial backend;
  char *notice, *socket_path;
  int in, out, listener;  /* -1: none; a socket's peer is both @in and @out */
  int wake;               /* eventfd: something is queued, or it is time to end */
  gboolean is_stdio, is_terminal;
  struct termios saved;
  GThread *thread;

  GMutex mutex;           /* guards the queue; taken with the machine lock held */
  GByteArray *queue;      /* from the guest */
  gboolean ending;        /* atomic */

  GMutex guest_mutex;     /* guards what follows; the machine lock is taken with it held */
  Machine *machine;
  unsigned number;
  void (*escaped) (void *opaque);
  void *opaque;
};

static void
wake_up (SerialPort *port)
{
  eventfd_write (port->wake, 1);
}

/* On a vCPU thread, with the machine lock held. */
static void
take_output (void *opaque, const uint8_t *data, size_t length)
{
  SerialPort *port = opaque;
  gboolean was_empty;

  g_mutex_lock (&port->mutex);
  was_empty = port->queue->len == 0;
  if (length <= QUEUE_MAX - port->queue->len)
    g_byte_array_append (port->queue, data, (guint) length);
  g_mutex_unlock (&port->mutex);
  if (was_empty)
    wake_up (port);
}

/* The socket's peer is gone: what is queued waits for nobody. */
static void
drop_peer (SerialPort *port)
{
  close (port->in);
  port->in = port->out = -1;
  g_mutex_lock (&port->mutex);
  g_byte_array_set_size (port->queue, 0);
  g_mutex_unlock (&port->mutex);
}

static void
write_queue (SerialPort *port)
{
  uint8_t chunk[READ_SIZE];
  size_t length;
  ssize_t written;

  if (port->out < 0)
    return;
  g_mutex_lock (&port->mutex);
  length = MIN (sizeof chunk, port->queue->len);
  memcpy (chunk, port->queue->data, length);
  g_mutex_unlock (&port->mutex);
  if (length == 0)
    return;
  written = port->listener >= 0 ? send (port->out, chunk, length, MSG_NOSIGNAL | MSG_DONTWAIT)
                                : write (port->out, chunk, length);
  if (written < 0 && (errno == EINTR || errno == EAGAIN))
    return;
  if (written < 0 && port->listener >= 0)
    {
      drop_peer (port);
      return;
    }
  /* What a full disk or a closed pipe does not take is lost; the guest goes on. */
  g_mutex_lock (&port->mutex);
  g_byte_array_remove_range (port->queue, 0, (guint) (written < 0 ? length : (size_t) written));
  g_mutex_unlock (&port->mutex);
}

/* Gives bytes to the guest; the rest waits until its receiver has room. */
static void
give_input (SerialPort *port, const uint8_t *data, size_t length)
{
  gboolean going = TRUE;

  while (length > 0 && going)
    {
      size_t taken = 0;

      g_mutex_lock (&port->guest_mutex);
      going = !g_atomic_int_get (&port->ending) && port->machine;
      if (going)
        taken = machine_serial_input (port->machine, port->number, data, length);
      g_mutex_unlock (&port->guest_mutex);
      data += taken;
      length -= taken;
      if (length > 0 && going)
        {
          struct pollfd wake = { .fd = port->wake, .events = POLLIN };

          /* Output goes on meanwhile: the guest may wait for it to be taken before it reads. */
          write_queue (port);
          poll (&wake, 1, RETRY_MS);
        }
    }
}

static void
read_input (SerialPort *port)
{
  uint8_t data[READ_SIZE];
  ssize_t length = read (port->in, data, sizeof data);

  if (length < 0 && (errno == EINTR || errno == EAGAIN))
    return;
  if (length <= 0 && port->listener >= 0)
    drop_peer (port);
  else if (length == 0 || (length < 0 && errno != EIO))
    port->in = -1;
  else if (length < 0)
    g_usleep (RETRY_MS * 1000); /* a pseudo-terminal that nobody has open */
  else if (port->is_terminal && memchr (data, ESCAPE, (size_t) length))
    {
      g_mutex_lock (&port->guest_mutex);
      if (port->escaped)
        port->escaped (port->opaque);
      g_mutex_unlock (&port->guest_mutex);
    }
  else
    give_input (port, data, (size_t) length);
}

static void
accept_peer (SerialPort *port)
{
  int peer = accept4 (port->listener, NULL, NULL, SOCK_CLOEXEC);

  if (peer < 0)
    return;
  if (port->in >= 0)
    close (peer);
  else
    port->in = port->out = peer;
}

static gpointer
run (gpointer data)
{
  SerialPort *port = data;
  gint64 end = 0;

  for (;;)
    {
      struct pollfd fds[4];
      gboolean queued, ending = g_atomic_int_get (&port->ending);

      g_mutex_lock (&port->mutex);
      queued = port->queue->len > 0;
      g_mutex_unlock (&port->mutex);
      if (ending && end == 0)
        end = g_get_monotonic_time () + LINGER_MS * 1000;
      if (ending && (!queued || port->out < 0 || g_get_monotonic_time () >= end))
        return NULL;

      /* poll() passes over negative descriptors. */
      fds[0] = (struct pollfd) { .fd = port->wake, .events = POLLIN };
      fds[1] = (struct pollfd) { .fd = ending ? -1 : port->in, .events = POLLIN };
      fds[2] = (struct pollfd) { .fd = queued ? port->out : -1, .events = POLLOUT };
      fds[3] = (struct pollfd) { .fd = port->listener, .events = POLLIN };
      if (poll (fds, 4, ending ? LINGER_MS : -1) < 0)
        continue;
      if (fds[0].revents)
        {
          eventfd_t count;

          eventfd_read (port->wake, &count);
        }
      if (fds[2].revents)
        write_queue (port);
      if (fds[1].revents && port->in >= 0)
        read_input (port);
      if (fds[3].revents)
        accept_peer (port);
    }
}

static gboolean
fail (GError **error, const char *what)
{
  int saved = errno;

  g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (saved), _("cannot open “%s”: %s"), what,
               g_strerror (saved));
  return FALSE;
}

static gboolean
open_stdio (SerialPort *port)
{
  struct termios raw;

  port->is_stdio = TRUE;
  port->in = STDIN_FILENO;
  port->out = STDOUT_FILENO;
  if (tcgetattr (STDIN_FILENO, &port->saved) != 0)
    return TRUE;
  port->is_terminal = TRUE;
  raw = port->saved;
  cfmakeraw (&raw);
  raw.c_oflag |= OPOST;
  tcsetattr (STDIN_FILENO, TCSANOW, &raw);
  return TRUE;
}

static gboolean
open_pty (SerialPort *port, GError **error)
{
  struct termios raw;
  char name[128];
  int slave;

  port->in = port->out = posix_openpt (O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (port->in < 0 || grantpt (port->in) != 0 || unlockpt (port->in) != 0
      || ptsname_r (port->in, name, sizeof name) != 0)
    return fail (error, "pty");
  /* The guest's terminal driver is the only one that should interpret the bytes. */
  slave = open (name, O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (slave >= 0)
    {
      if (tcgetattr (slave, &raw) == 0)
        {
          cfmakeraw (&raw);
          tcsetattr (slave, TCSANOW, &raw);
        }
      close (slave);
    }
  port->notice = g_strdup_printf ("serial port: %s", name);
  return TRUE;
}

static gboolean
open_socket (SerialPort *port, const char *path, GError **error)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  struct stat info;

  if (strlen (path) >= sizeof address.sun_path)
    {
      errno = ENAMETOOLONG;
      return fail (error, path);
    }
  strcpy (address.sun_path, path);
  /* A socket of an earlier run may be replaced; nothing else may. */
  if (lstat (path, &info) == 0 && S_ISSOCK (info.st_mode))
    unlink (path);
  port->listener = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (port->listener < 0 || bind (port->listener, (struct sockaddr *) &address, sizeof address) != 0)
    return fail (error, path);
  port->socket_path = g_strdup (path);
  return (chmod (path, 0600) == 0 && listen (port->listener, 1) == 0) || fail (error, path);
}

static gboolean
open_file (SerialPort *port, const char *path, GError **error)
{
  port->out = open (path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0644);
  return port->out >= 0 || fail (error, path);
}

SerialPort *
serial_port_new (const char *spec, GError **error)
{
  g_autoptr (SerialPort) port = g_new0 (SerialPort, 1);
  gboolean ok;

  g_mutex_init (&port->mutex);
  g_mutex_init (&port->guest_mutex);
  port->queue = g_byte_array_new ();
  port->backend = (MachineSerial) { .write = take_output, .opaque = port };
  port->in = port->out = port->listener = -1;
  port->wake = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);

  if (strcmp (spec, "stdio") == 0)
    ok = open_stdio (port);
  else if (strcmp (spec, "pty") == 0)
    ok = open_pty (port, error);
  else if (g_str_has_prefix (spec, "unix:"))
    ok = open_socket (port, spec + strlen ("unix:"), error);
  else
    ok = open_file (port, spec, error);
  if (!ok)
    return NULL;
  port->thread = g_thread_new ("serial", run, port);
  return g_steal_pointer (&port);
}

const MachineSerial *
serial_port_backend (SerialPort *port)
{
  return &port->backend;
}

void
serial_port_set_machine (SerialPort *port, Machine *machine, unsigned number, void (*escaped) (void *opaque),
                         void *opaque)
{
  g_mutex_lock (&port->guest_mutex);
  port->machine = machine;
  port->number = number;
  port->escaped = escaped;
  port->opaque = opaque;
  g_mutex_unlock (&port->guest_mutex);
}

const char *
serial_port_notice (SerialPort *port)
{
  return port->notice;
}

void
serial_port_free (SerialPort *port)
{
  if (!port)
    return;
  g_atomic_int_set (&port->ending, TRUE);
  wake_up (port);
  if (port->thread)
    g_thread_join (port->thread);
  if (port->is_terminal)
    tcsetattr (STDIN_FILENO, TCSANOW, &port->saved);
  if (!port->is_stdio && port->in >= 0)
    close (port->in);
  if (!port->is_stdio && port->out >= 0 && port->out != port->in)
    close (port->out);
  if (port->listener >= 0)
    close (port->listener);
  if (port->socket_path)
    unlink (port->socket_path);
  close (port->wake);
  g_byte_array_unref (port->queue);
  g_free (port->socket_path);
  g_free (port->notice);
  g_mutex_clear (&port->mutex);
  g_mutex_clear (&port->guest_mutex);
  g_free (port);
}
