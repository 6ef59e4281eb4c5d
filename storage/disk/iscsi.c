/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Disks that a target offers by iSCSI, with CHAP where it asks for it.
 * Specifications: RFC 7143 (iSCSI); SCSI Block Commands 3; libiscsi's URL: iscsi://[user%password@]host[:port]/iqn/lun
 */

#include "storage/disk/remote.h"

#include <errno.h>
#include <glib/gi18n-lib.h>
#include <iscsi/iscsi.h>
#include <iscsi/scsi-lowlevel.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#define INITIATOR "iqn.2026-11.org.bunshin:initiator"

enum
{
  REQUEST_MAX = 1 << 20,
  ZERO_MAX = 32 << 20,
  WRITE_PROTECTED = 0x80, /* device-specific parameter of the mode header */
  ALL_PAGES = 0x3f,
  PAGE_PROVISIONING = 0xb2,
  PROVISIONING_WRITE_SAME = 0x40, /* its sixth byte: WRITE SAME (16) may unmap */
  SENSE_SIZE = 255
};

/* What the target says of the disk; fixed once the first connection is there. */
typedef struct
{
  gboolean known;
  uint64_t size;
  gboolean read_only, can_zero;
} Facts;

/* One command, until its callback. */
typedef struct
{
  struct Iscsi *disk;
  RemoteOp *op; /* NULL: connecting waits for it */
  struct scsi_task *task;
  struct scsi_iovec iov;
  gboolean done; /* without @op */
  int status;
} Command;

typedef struct Iscsi
{
  char *url;
  struct iscsi_context *context;
  int lun;
  Facts facts;
  Remote *remote;
  gboolean lost;
  Command step; /* of connecting: the callback may come as late as with disconnect() */
} Iscsi;

static gboolean
iscsi_failed (Iscsi *disk, GIOErrorEnum code, GError **error)
{
  g_autofree char *message = g_strdup (iscsi_get_error (disk->context));

  g_strchomp (message);
  g_set_error_literal (error, G_IO_ERROR, (int) code, *message != '\0' ? message : _("it refused"));
  return FALSE;
}

static void
disconnect (void *state)
{
  Iscsi *disk = state;

  /* Ends what is under way; the callbacks free their commands. */
  if (disk->context != NULL)
    iscsi_destroy_context (disk->context);
  g_clear_pointer (&disk->step.task, scsi_free_scsi_task);
  disk->context = NULL;
  disk->lost = FALSE;
}

/* The other side is gone when there is something to be read, which is nothing. */
static gboolean
is_closed (int fd)
{
  char byte;

  return recv (fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

static gboolean
service (void *state, short revents, GError **error)
{
  Iscsi *disk = state;
  gboolean closed = revents & POLLIN && is_closed (iscsi_get_fd (disk->context));

  if (!closed && iscsi_service (disk->context, revents) != 0)
    return iscsi_failed (disk, G_IO_ERROR_CONNECTION_CLOSED, error);
  if (!closed && !disk->lost)
    return TRUE;
  g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_CONNECTION_CLOSED, _("it closed the connection"));
  return FALSE;
}

static int
get_fd (void *state, short *events)
{
  Iscsi *disk = state;

  *events = (short) iscsi_which_events (disk->context);
  return iscsi_get_fd (disk->context);
}

/* --- Connecting --- */

static void
on_step (struct iscsi_context *context, int status, void *data, void *opaque)
{
  Command *command = opaque;

  command->status = status;
  command->done = TRUE;
}

static Command *
begin_step (Iscsi *disk)
{
  g_clear_pointer (&disk->step.task, scsi_free_scsi_task);
  disk->step = (Command) { .disk = disk };
  return &disk->step;
}

/* Runs the connection until the step is done. */
static gboolean
wait_for (Iscsi *disk, gint64 deadline, GError **error)
{
  const Command *command = &disk->step;

  while (!command->done)
    {
      struct pollfd fd;
      gint64 left = (deadline - g_get_monotonic_time ()) / 1000;

      fd.fd = get_fd (disk, &fd.events);
      fd.revents = 0;
      if (left <= 0)
        {
          g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT, _("it does not answer"));
          return FALSE;
        }
      if (poll (&fd, 1, (int) MIN (left, 1000)) < 0)
        continue;
      if (iscsi_service (disk->context, fd.revents) != 0 && !command->done)
        return iscsi_failed (disk, G_IO_ERROR_CONNECTION_REFUSED, error);
    }
  return TRUE;
}

static gboolean
log_in (Iscsi *disk, gint64 deadline, GError **error)
{
  struct iscsi_url *url = iscsi_parse_full_url (disk->context, disk->url);
  gboolean ok;

  if (url == NULL)
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                           /* xgettext:no-c-format */
                           _("the address must be iscsi://[user%password@]host[:port]/target/number"));
      return FALSE;
    }
  disk->lun = url->lun;
  iscsi_set_noautoreconnect (disk->context, 1);
  ok = iscsi_set_targetname (disk->context, url->target) == 0
       && (url->user[0] == '\0' || iscsi_set_initiator_username_pwd (disk->context, url->user, url->passwd) == 0)
       && (url->target_user[0] == '\0'
           || iscsi_set_target_username_pwd (disk->context, url->target_user, url->target_passwd) == 0)
       && iscsi_set_session_type (disk->context, ISCSI_SESSION_NORMAL) == 0
       && iscsi_set_header_digest (disk->context, ISCSI_HEADER_DIGEST_NONE_CRC32C) == 0
       && iscsi_full_connect_async (disk->context, url->portal, disk->lun, on_step, begin_step (disk)) == 0;
  iscsi_destroy_url (url);
  if (!ok)
    return iscsi_failed (disk, G_IO_ERROR_FAILED, error);
  if (!wait_for (disk, deadline, error))
    return FALSE;
  return disk->step.status == SCSI_STATUS_GOOD || iscsi_failed (disk, G_IO_ERROR_PERMISSION_DENIED, error);
}

/* Waits for the answer to @task, which was just sent. */
static gboolean
ask (Iscsi *disk, struct scsi_task *task, gint64 deadline, GError **error)
{
  disk->step.task = task;
  return task != NULL ? wait_for (disk, deadline, error) : iscsi_failed (disk, G_IO_ERROR_FAILED, error);
}

static gboolean
read_capacity (Iscsi *disk, gint64 deadline, Facts *facts, gboolean *provisioned, GError **error)
{
  Command *command = begin_step (disk);
  struct scsi_readcapacity16 *capacity;
  gboolean ok = FALSE;

  if (!ask (disk, iscsi_readcapacity16_task (disk->context, disk->lun, on_step, command), deadline, error))
    return FALSE;
  capacity = command->status == SCSI_STATUS_GOOD ? scsi_datain_unmarshall (command->task) : NULL;
  if (capacity == NULL)
    iscsi_failed (disk, G_IO_ERROR_FAILED, error);
  else if (capacity->block_length != SECTOR_SIZE)
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED, _("its disk has sectors of %u bytes instead of 512"),
                 capacity->block_length);
  else if (capacity->returned_lba >= IMAGE_SIZE_MAX / SECTOR_SIZE)
    g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, _("its disk is too large"));
  else
    {
      facts->size = (capacity->returned_lba + 1) * SECTOR_SIZE;
      *provisioned = capacity->lbpme && capacity->lbprz;
      ok = TRUE;
    }
  return ok;
}

/* What a target does not tell is taken for no. */
static gboolean
read_mode (Iscsi *disk, gint64 deadline, Facts *facts, GError **error)
{
  Command *command = begin_step (disk);

  if (!ask (disk,
            iscsi_modesense6_task (disk->context, disk->lun, 1, SCSI_MODESENSE_PC_CURRENT, ALL_PAGES, 0, SENSE_SIZE,
                                   on_step, command),
            deadline, error))
    return FALSE;
  facts->read_only = command->status == SCSI_STATUS_GOOD && command->task->datain.size >= 3
                     && (command->task->datain.data[2] & WRITE_PROTECTED) != 0;
  return TRUE;
}

static gboolean
read_provisioning (Iscsi *disk, gint64 deadline, Facts *facts, GError **error)
{
  Command *command = begin_step (disk);

  if (!ask (disk,
            iscsi_inquiry_task (disk->context, disk->lun, 1, PAGE_PROVISIONING, SENSE_SIZE, on_step, command), deadline,
            error))
    return FALSE;
  facts->can_zero = command->status == SCSI_STATUS_GOOD && command->task->datain.size >= 6
                    && (command->task->datain.data[5] & PROVISIONING_WRITE_SAME) != 0;
  return TRUE;
}

static gboolean
connect_target (void *state, gint64 deadline, GError **error)
{
  Iscsi *disk = state;
  Facts facts = { .known = TRUE };
  gboolean provisioned = FALSE;

  disk->context = iscsi_create_context (INITIATOR);
  if (disk->context == NULL)
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_FAILED, g_strerror (ENOMEM));
      return FALSE;
    }
  if (!log_in (disk, deadline, error) || !read_capacity (disk, deadline, &facts, &provisioned, error)
      || !read_mode (disk, deadline, &facts, error)
      || (provisioned && !read_provisioning (disk, deadline, &facts, error)))
    return FALSE;
  if (!disk->facts.known)
    disk->facts = facts;
  /* Another disk under the same address would be ruined by what is written for the first. */
  if (facts.size == disk->facts.size && facts.read_only == disk->facts.read_only)
    return TRUE;
  g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, _("it has another disk now"));
  return FALSE;
}

/* --- Commands --- */

static gboolean submit (void *state, RemoteOp *op, GError **error);

static void
on_answer (struct iscsi_context *context, int status, void *data, void *opaque)
{
  Command *command = opaque;
  Iscsi *disk = command->disk;
  RemoteOp *op = command->op;
  int key = status == SCSI_STATUS_CHECK_CONDITION ? (int) command->task->sense.key : -1;
  GError *error = NULL;

  scsi_free_scsi_task (command->task);
  g_free (command);
  /* A connection that is lost ends with this; service() tells all who wait. */
  if (status == SCSI_STATUS_CANCELLED || status == SCSI_STATUS_ERROR || status == SCSI_STATUS_TIMEOUT)
    {
      disk->lost = TRUE;
      return;
    }
  /* News about the target, in place of an answer: the command is sent again. */
  if (key == SCSI_SENSE_UNIT_ATTENTION)
    {
      if (!submit (disk, op, &error))
        remote_complete (op, error);
      return;
    }
  /* A target without a cache need not know how to flush it. */
  if (status != SCSI_STATUS_GOOD && !(op->verb == REMOTE_FLUSH && key == SCSI_SENSE_ILLEGAL_REQUEST))
    iscsi_failed (disk, G_IO_ERROR_FAILED, &error);
  remote_complete (op, error);
}

static gboolean
submit (void *state, RemoteOp *op, GError **error)
{
  static const unsigned char zeros[SECTOR_SIZE];
  Iscsi *disk = state;
  Command *command = g_new0 (Command, 1);
  uint64_t block = op->offset / SECTOR_SIZE;
  uint32_t length = (uint32_t) op->length;

  command->disk = disk;
  command->op = op;
  switch (op->verb)
    {
    case REMOTE_READ:
      command->iov = (struct scsi_iovec) { .iov_base = op->buffer, .iov_len = length };
      command->task = iscsi_read16_iov_task (disk->context, disk->lun, block, length, SECTOR_SIZE, 0, 0, 0, 0, 0,
                                             on_answer, command, &command->iov, 1);
      break;
    case REMOTE_WRITE:
      command->task = iscsi_write16_task (disk->context, disk->lun, block, op->buffer, length, SECTOR_SIZE, 0, 0, 0, 0,
                                          0, on_answer, command);
      break;
    case REMOTE_ZERO:
      command->task = iscsi_writesame16_task (disk->context, disk->lun, block, (unsigned char *) zeros,
                                              SECTOR_SIZE,
                                              length / SECTOR_SIZE, 0, 1, 0, 0, on_answer, command);
      break;
    default:
      command->task = iscsi_synchronizecache16_task (disk->context, disk->lun, 0, 0, 0, 0, on_answer, command);
      break;
    }
  if (command->task != NULL)
    return TRUE;
  g_free (command);
  return iscsi_failed (disk, G_IO_ERROR_FAILED, error);
}

static const RemoteOps ops = {
  .connect = connect_target,
  .submit = submit,
  .get_fd = get_fd,
  .service = service,
  .disconnect = disconnect,
};

/* --- The format --- */

static void
iscsi_close_image (Image *img)
{
  Iscsi *disk = img->state;

  remote_free (disk->remote);
  g_free (disk->url);
  g_free (disk);
}

static const ImageFormat iscsi_plain_format;

static gboolean
iscsi_open_image (Image *img, GError **error)
{
  Iscsi *disk = g_new0 (Iscsi, 1);

  disk->url = g_strdup (img->address);
  img->state = disk;
  disk->remote = remote_new (img->path, &ops, disk, error);
  if (disk->remote == NULL)
    {
      iscsi_close_image (img);
      return FALSE;
    }
  if (disk->facts.read_only && !img->read_only)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_READ_ONLY, _("cannot open “%s” for writing: the server only lets it be "
                                                               "read"),
                   img->path);
      iscsi_close_image (img);
      return FALSE;
    }
  img->size = disk->facts.size;
  img->variant = "remote";
  if (!disk->facts.can_zero)
    img->format = &iscsi_plain_format;
  return TRUE;
}

static gboolean
run_pieces (Image *img, RemoteVerb verb, uint64_t offset, void *buffer, uint64_t length, uint64_t largest,
            GError **error)
{
  const Iscsi *disk = img->state;

  for (uint64_t done = 0; done < length;)
    {
      RemoteOp op = { .verb = verb,
                      .offset = offset + done,
                      .length = MIN (length - done, largest),
                      .buffer = buffer != NULL ? (uint8_t *) buffer + done : NULL };

      if (!remote_run (disk->remote, &op, error))
        {
          if (error != NULL && !g_error_matches (*error, G_IO_ERROR, G_IO_ERROR_NOT_CONNECTED))
            g_prefix_error (error, "“%s”: ", img->path);
          return FALSE;
        }
      done += op.length;
    }
  return TRUE;
}

static gboolean
iscsi_read (Image *img, uint64_t offset, void *buffer, size_t length, GError **error)
{
  return run_pieces (img, REMOTE_READ, offset, buffer, length, REQUEST_MAX, error);
}

static gboolean
iscsi_write (Image *img, uint64_t offset, const void *buffer, size_t length, GError **error)
{
  return run_pieces (img, REMOTE_WRITE, offset, (void *) buffer, length, REQUEST_MAX, error);
}

static gboolean
iscsi_discard (Image *img, uint64_t offset, uint64_t length, GError **error)
{
  return run_pieces (img, REMOTE_ZERO, offset, NULL, length, ZERO_MAX, error);
}

static gboolean
iscsi_flush (Image *img, GError **error)
{
  return run_pieces (img, REMOTE_FLUSH, 0, NULL, 1, 1, error);
}

static gboolean
iscsi_extent (Image *img, uint64_t offset, uint64_t length, ImageExtent *out, GError **error)
{
  *out = (ImageExtent) { .kind = IMAGE_DATA, .length = MIN (length, img->size - offset), .at = offset };
  return TRUE;
}

const ImageFormat iscsi_format = { .name = "iscsi",
                                   .caps = IMAGE_CAN_DISCARD | IMAGE_REMOTE,
                                   .open = iscsi_open_image,
                                   .close = iscsi_close_image,
                                   .read = iscsi_read,
                                   .write = iscsi_write,
                                   .discard = iscsi_discard,
                                   .flush = iscsi_flush,
                                   .extent = iscsi_extent };

/* Of targets that cannot unmap. */
static const ImageFormat iscsi_plain_format = { .name = "iscsi",
                                                .caps = IMAGE_REMOTE,
                                                .close = iscsi_close_image,
                                                .read = iscsi_read,
                                                .write = iscsi_write,
                                                .flush = iscsi_flush,
                                                .extent = iscsi_extent };
