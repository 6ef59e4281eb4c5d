/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Disks that a server exports by NBD.
 * Specifications: NBD protocol and NBD URIs, the NetworkBlockDevice project; libnbd(3).
 */

#include "storage/disk/remote.h"

#include <errno.h>
#include <glib/gi18n-lib.h>
#include <libnbd.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

enum
{
  CONNECTIONS_MAX = 4,
  REQUEST_MAX = 32 << 20 /* as much as servers take unasked */
};

#define STATUS_MAX (UINT64_C (1) << 30)

/* One connection; used by its thread alone. */
typedef struct
{
  struct Nbd *disk;
  struct nbd_handle *handle;
  Remote *remote;
  gboolean lost; /* found while something else was done */
} Connection;

/* What the server says of the export; fixed once the first connection is there. */
typedef struct
{
  gboolean known;
  uint64_t size;
  gboolean read_only, can_flush, can_zero, can_status, can_multi;
  uint64_t request_max;
} Facts;

typedef struct Nbd
{
  char *uri;
  Facts facts;
  Connection connections[CONNECTIONS_MAX];
  unsigned count;
  int next; /* atomic */
} Nbd;

static gboolean
client_failed (GError **error)
{
  int code = nbd_get_errno ();
  const char *message = nbd_get_error ();

  g_set_error_literal (error, G_IO_ERROR, (int) (code != 0 ? g_io_error_from_errno (code) : G_IO_ERROR_FAILED),
                       message != NULL ? message : g_strerror (code));
  return FALSE;
}

static void
disconnect (void *state)
{
  Connection *c = state;

  /* Ends what is under way without another look at its buffers. */
  g_clear_pointer (&c->handle, nbd_close);
  c->lost = FALSE;
}

static short
wanted_events (struct nbd_handle *handle)
{
  unsigned direction = nbd_aio_get_direction (handle);

  return (short) ((direction & LIBNBD_AIO_DIRECTION_READ ? POLLIN : 0)
                  | (direction & LIBNBD_AIO_DIRECTION_WRITE ? POLLOUT : 0));
}

static gboolean
notify (struct nbd_handle *handle, short revents, GError **error)
{
  short events = wanted_events (handle);
  int result = 0;

  if (revents & (POLLIN | POLLHUP | POLLERR) && events & POLLIN)
    result = nbd_aio_notify_read (handle);
  else if (revents & (POLLOUT | POLLHUP | POLLERR) && events & POLLOUT)
    result = nbd_aio_notify_write (handle);
  return result == 0 || client_failed (error);
}

static gboolean
read_facts (struct nbd_handle *handle, Facts *facts, GError **error)
{
  int64_t size = nbd_get_size (handle), smallest = nbd_get_block_size (handle, LIBNBD_SIZE_MINIMUM),
          largest = nbd_get_block_size (handle, LIBNBD_SIZE_MAXIMUM);

  if (size < 0)
    return client_failed (error);
  if (smallest > SECTOR_SIZE)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED, _("it wants requests of at least %lld bytes"),
                   (long long) smallest);
      return FALSE;
    }
  *facts = (Facts) { .known = TRUE,
                     .size = (uint64_t) size & ~(uint64_t) (SECTOR_SIZE - 1),
                     .read_only = nbd_is_read_only (handle) != 0,
                     .can_flush = nbd_can_flush (handle) > 0,
                     .can_zero = nbd_can_zero (handle) > 0,
                     .can_status = nbd_can_meta_context (handle, LIBNBD_CONTEXT_BASE_ALLOCATION) > 0,
                     .can_multi = nbd_can_multi_conn (handle) > 0,
                     .request_max = largest > 0 ? (uint64_t) largest & ~(uint64_t) (SECTOR_SIZE - 1) : REQUEST_MAX };
  facts->request_max = CLAMP (facts->request_max, SECTOR_SIZE, REQUEST_MAX);
  if (facts->size > 0)
    return TRUE;
  g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, _("its disk is empty"));
  return FALSE;
}

/* Another disk under the same address would be ruined by what is written for the first. */
static gboolean
check_facts (Nbd *nbd, const Facts *facts, GError **error)
{
  if (!nbd->facts.known)
    nbd->facts = *facts;
  else if (facts->size != nbd->facts.size || facts->read_only != nbd->facts.read_only)
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, _("it has another disk now"));
      return FALSE;
    }
  return TRUE;
}

/* Where libnbd looks for certificates by itself: nbd_set_tls_certificates(3). */
static gboolean
has_own_authorities (void)
{
  static const char *const folders[] = { ".pki/libnbd", ".config/pki/libnbd" };

  if (geteuid () == 0)
    return g_file_test ("/etc/pki/libnbd/ca-cert.pem", G_FILE_TEST_EXISTS);
  for (size_t i = 0; i < G_N_ELEMENTS (folders); i++)
    {
      g_autofree char *path = g_build_filename (g_get_home_dir (), folders[i], "ca-cert.pem", NULL);

      if (g_file_test (path, G_FILE_TEST_EXISTS))
        return TRUE;
    }
  return FALSE;
}

/* The authorities that the system trusts, or those that OpenSSL's variable names; NULL: there are none. Caller frees. */
static char *
find_authorities (void)
{
  static const char *const places[] = { "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt" };
  const char *named = g_getenv ("SSL_CERT_FILE");

  if (named != NULL && *named != '\0')
    return g_canonicalize_filename (named, NULL);
  for (size_t i = 0; i < G_N_ELEMENTS (places); i++)
    if (g_file_test (places[i], G_FILE_TEST_EXISTS))
      return g_strdup (places[i]);
  return NULL;
}

static void
remove_trust (const char *folder)
{
  g_autofree char *link = g_build_filename (folder, "ca-cert.pem", NULL);

  unlink (link);
  rmdir (folder);
}

/* Without certificates of its own libnbd encrypts, but takes anybody for the server: it gets the system's authorities as
 * if they were its own. @folder holds them while the connection is made. */
static gboolean
trust_authorities (struct nbd_handle *handle, char **folder, GError **error)
{
  g_autofree char *authorities = NULL, *link = NULL;

  if (has_own_authorities ())
    return TRUE;
  authorities = find_authorities ();
  if (authorities == NULL)
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND,
                           _("this computer has no list of authorities to check the server's certificate by"));
      return FALSE;
    }
  *folder = g_dir_make_tmp ("bunshin-nbd-XXXXXX", error);
  if (*folder == NULL)
    return FALSE;
  link = g_build_filename (*folder, "ca-cert.pem", NULL);
  if (symlink (authorities, link) != 0)
    {
      g_set_error_literal (error, G_IO_ERROR, (int) g_io_error_from_errno (errno), g_strerror (errno));
      return FALSE;
    }
  return nbd_set_tls_certificates (handle, *folder) == 0 || client_failed (error);
}

static gboolean
shake_hands (struct nbd_handle *handle, const char *uri, gint64 deadline, GError **error)
{
  /* Addresses may come from others: no files of this computer, no sockets of machines. */
  if (nbd_set_uri_allow_transports (handle, LIBNBD_ALLOW_TRANSPORT_TCP | LIBNBD_ALLOW_TRANSPORT_UNIX) != 0
      || nbd_add_meta_context (handle, LIBNBD_CONTEXT_BASE_ALLOCATION) != 0
      || nbd_aio_connect_uri (handle, uri) != 0)
    return client_failed (error);
  while (nbd_aio_is_connecting (handle) > 0)
    {
      struct pollfd fd = { .fd = nbd_aio_get_fd (handle), .events = wanted_events (handle) };
      gint64 left = (deadline - g_get_monotonic_time ()) / 1000;

      if (left <= 0)
        {
          g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT, _("it does not answer"));
          return FALSE;
        }
      if (poll (&fd, 1, (int) left) > 0 && !notify (handle, fd.revents, error))
        return FALSE;
    }
  return nbd_aio_is_ready (handle) > 0 || client_failed (error);
}

static gboolean
connect_handle (struct nbd_handle *handle, const char *uri, gint64 deadline, GError **error)
{
  g_autofree char *trust = NULL;
  gboolean ok = (!g_str_has_prefix (uri, "nbds:") || trust_authorities (handle, &trust, error))
                && shake_hands (handle, uri, deadline, error);

  if (trust != NULL)
    remove_trust (trust);
  return ok;
}

static gboolean
connect_server (void *state, gint64 deadline, GError **error)
{
  Connection *c = state;
  Facts facts;

  c->handle = nbd_create ();
  return c->handle != NULL ? connect_handle (c->handle, c->disk->uri, deadline, error)
                                 && read_facts (c->handle, &facts, error) && check_facts (c->disk, &facts, error)
                           : client_failed (error);
}

/* What a callback gets; freed by libnbd. */
typedef struct
{
  Connection *connection;
  RemoteOp *op;
} Request;

static int
on_complete (void *user_data, int *code)
{
  Request *request = user_data;
  RemoteOp *op = request->op;
  GError *error = NULL;

  /* A connection that is lost ends with this; service() tells all who wait. */
  if (*code == ENOTCONN || *code == ESHUTDOWN)
    {
      request->connection->lost = TRUE;
      return 1;
    }
  if (*code != 0)
    g_set_error_literal (&error, G_IO_ERROR, (int) g_io_error_from_errno (*code), g_strerror (*code));
  remote_complete (op, error);
  return 1;
}

static int
on_extents (void *user_data, const char *context, uint64_t offset, uint32_t *entries, size_t count, int *code)
{
  RemoteOp *op = user_data;
  uint64_t length = 0;
  gboolean zero = FALSE;

  if (strcmp (context, LIBNBD_CONTEXT_BASE_ALLOCATION) != 0)
    return 0;
  /* Pairs of length and state; those of a kind go together. */
  for (size_t i = 0; i + 1 < count; i += 2)
    {
      gboolean is_zero = (entries[i + 1] & LIBNBD_STATE_ZERO) != 0;

      if (length > 0 && is_zero != zero)
        break;
      zero = is_zero;
      length += entries[i];
    }
  if (length > 0)
    *op->extent = (ImageExtent) { .kind = zero ? IMAGE_ZERO : IMAGE_DATA, .length = length, .at = op->offset };
  return 0;
}

static gboolean
submit (void *state, RemoteOp *op, GError **error)
{
  Connection *c = state;
  Request *request = g_new (Request, 1);
  nbd_completion_callback done = { .callback = on_complete, .user_data = request, .free = g_free };
  nbd_extent_callback extents = { .callback = on_extents, .user_data = op };
  int64_t cookie;

  *request = (Request) { .connection = c, .op = op };
  switch (op->verb)
    {
    case REMOTE_READ:
      cookie = nbd_aio_pread (c->handle, op->buffer, op->length, op->offset, done, 0);
      break;
    case REMOTE_WRITE:
      cookie = nbd_aio_pwrite (c->handle, op->buffer, op->length, op->offset, done, 0);
      break;
    case REMOTE_ZERO:
      cookie = nbd_aio_zero (c->handle, op->length, op->offset, done, 0);
      break;
    case REMOTE_STATUS:
      cookie = nbd_aio_block_status (c->handle, op->length, op->offset, extents, done, 0);
      break;
    default:
      cookie = nbd_aio_flush (c->handle, done, 0);
      break;
    }
  if (cookie >= 0)
    return TRUE;
  if (nbd_aio_is_dead (c->handle) <= 0 && nbd_aio_is_closed (c->handle) <= 0)
    return client_failed (error);
  c->lost = TRUE;
  return TRUE;
}

static int
get_fd (void *state, short *events)
{
  Connection *c = state;

  *events = wanted_events (c->handle);
  return nbd_aio_get_fd (c->handle);
}

static gboolean
service (void *state, short revents, GError **error)
{
  Connection *c = state;

  if (!notify (c->handle, revents, error))
    return FALSE;
  if (!c->lost && nbd_aio_is_dead (c->handle) <= 0 && nbd_aio_is_closed (c->handle) <= 0)
    return TRUE;
  g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_CONNECTION_CLOSED, _("it closed the connection"));
  return FALSE;
}

static const RemoteOps ops = {
  .connect = connect_server,
  .submit = submit,
  .get_fd = get_fd,
  .service = service,
  .disconnect = disconnect,
};

/* --- The format --- */

static void
close_image (Image *img)
{
  Nbd *nbd = img->state;

  for (unsigned i = 0; i < nbd->count; i++)
    remote_free (nbd->connections[i].remote);
  g_free (nbd->uri);
  g_free (nbd);
}

static const ImageFormat nbd_plain_format;

static gboolean
open_image (Image *img, GError **error)
{
  Nbd *nbd = g_new0 (Nbd, 1);
  unsigned wanted = 1;

  nbd->uri = g_strdup (img->address);
  img->state = nbd;
  /* More than one connection only where a flush on one covers what was written on all. */
  for (; nbd->count < wanted; nbd->count++)
    {
      Connection *c = &nbd->connections[nbd->count];

      c->disk = nbd;
      c->remote = remote_new (img->path, &ops, c, error);
      if (c->remote == NULL)
        {
          close_image (img);
          return FALSE;
        }
      wanted = nbd->facts.can_multi ? CONNECTIONS_MAX : 1;
    }
  if (nbd->facts.read_only && !img->read_only)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_READ_ONLY, _("cannot open “%s” for writing: the server only lets it be "
                                                               "read"),
                   img->path);
      close_image (img);
      return FALSE;
    }
  img->size = nbd->facts.size;
  img->variant = "remote";
  if (!nbd->facts.can_zero)
    img->format = &nbd_plain_format;
  return TRUE;
}

static gboolean
run (Image *img, RemoteOp *op, GError **error)
{
  Nbd *nbd = img->state;
  unsigned i = (unsigned) g_atomic_int_add (&nbd->next, 1) % nbd->count;

  if (remote_run (nbd->connections[i].remote, op, error))
    return TRUE;
  if (error != NULL && !g_error_matches (*error, G_IO_ERROR, G_IO_ERROR_NOT_CONNECTED))
    g_prefix_error (error, "“%s”: ", img->path);
  return FALSE;
}

/* As many requests as the server wants it in. */
static gboolean
run_pieces (Image *img, RemoteVerb verb, uint64_t offset, void *buffer, uint64_t length, GError **error)
{
  const Nbd *nbd = img->state;

  for (uint64_t done = 0; done < length;)
    {
      RemoteOp op = { .verb = verb,
                      .offset = offset + done,
                      .length = MIN (length - done, nbd->facts.request_max),
                      .buffer = buffer != NULL ? (uint8_t *) buffer + done : NULL };

      if (!run (img, &op, error))
        return FALSE;
      done += op.length;
    }
  return TRUE;
}

static gboolean
read_image (Image *img, uint64_t offset, void *buffer, size_t length, GError **error)
{
  return run_pieces (img, REMOTE_READ, offset, buffer, length, error);
}

static gboolean
write_image (Image *img, uint64_t offset, const void *buffer, size_t length, GError **error)
{
  return run_pieces (img, REMOTE_WRITE, offset, (void *) buffer, length, error);
}

static gboolean
discard_image (Image *img, uint64_t offset, uint64_t length, GError **error)
{
  return run_pieces (img, REMOTE_ZERO, offset, NULL, length, error);
}

static gboolean
flush_image (Image *img, GError **error)
{
  const Nbd *nbd = img->state;
  RemoteOp op = { .verb = REMOTE_FLUSH };

  /* What a server that cannot flush has answered to is where it will be. */
  return !nbd->facts.can_flush || run (img, &op, error);
}

static gboolean
extent_image (Image *img, uint64_t offset, uint64_t length, ImageExtent *out, GError **error)
{
  const Nbd *nbd = img->state;
  RemoteOp op = {
    .verb = REMOTE_STATUS, .offset = offset, .length = MIN (MIN (length, img->size - offset), STATUS_MAX), .extent = out
  };

  *out = (ImageExtent) { .kind = IMAGE_DATA, .length = op.length, .at = offset };
  return !nbd->facts.can_status || run (img, &op, error);
}

const ImageFormat nbd_format = { .name = "nbd",
                                 .caps = IMAGE_CAN_DISCARD | IMAGE_REMOTE,
                                 .open = open_image,
                                 .close = close_image,
                                 .read = read_image,
                                 .write = write_image,
                                 .discard = discard_image,
                                 .flush = flush_image,
                                 .extent = extent_image };

/* Of servers that cannot write zeros by themselves: then nothing is discarded. */
static const ImageFormat nbd_plain_format = { .name = "nbd",
                                              .caps = IMAGE_REMOTE,
                                              .close = close_image,
                                              .read = read_image,
                                              .write = write_image,
                                              .flush = flush_image,
                                              .extent = extent_image };
