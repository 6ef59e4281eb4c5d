/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Disks on servers. A connection has a thread of its own, which alone talks to the
 * server; the block layer's workers hand it operations and wait. A connection that
 * is lost is made anew when something is wanted of it; for some seconds operations
 * are tried again, then they fail with G_IO_ERROR_NOT_CONNECTED. Private to
 * storage/disk.
 */
#pragma once

#include "storage/disk/format.h"

typedef struct Remote Remote;

typedef enum
{
  REMOTE_CONNECT, /* nothing but a connection */
  REMOTE_READ,
  REMOTE_WRITE,
  REMOTE_ZERO,
  REMOTE_FLUSH,
  REMOTE_STATUS /* what lies there, into @extent */
} RemoteVerb;

typedef struct
{
  RemoteVerb verb;
  uint64_t offset, length; /* bytes */
  void *buffer;
  ImageExtent *extent;

  /* the connection's own */
  Remote *remote;
  gint64 deadline; /* µs, monotonic */
  gboolean done, lost;
  GError *error;
  GList link;
} RemoteOp;

/* All on the connection's thread. */
typedef struct
{
  /* A new connection, before @deadline (µs, monotonic). Fills what @state knows of the server; a server that has become
   * another since the first time is refused. */
  gboolean (*connect) (void *state, gint64 deadline, GError **error);
  /* Begins @op, which ends with remote_complete(). */
  gboolean (*submit) (void *state, RemoteOp *op, GError **error);
  /* The socket, and what to wait for. */
  int (*get_fd) (void *state, short *events);
  /* @revents: what there is, may be 0. FALSE: the connection is lost. */
  gboolean (*service) (void *state, short revents, GError **error);
  /* After it nothing is written into buffers any more. May be called without a connection. */
  void (*disconnect) (void *state);
} RemoteOps;

/* @name: what errors call the server. @state is borrowed. Connects; NULL on error. */
Remote *remote_new (const char *name, const RemoteOps *ops, void *state, GError **error);
void remote_free (Remote *remote);
/* Carries out one operation; on any thread. */
gboolean remote_run (Remote *remote, RemoteOp *op, GError **error);
/* From service(), submit() or disconnect(). @error is taken; NULL: it went well. */
void remote_complete (RemoteOp *op, GError *error);

/* Formats by the scheme of URLs. NULL: @path is a file's. */
const ImageFormat *image_remote_format (const char *path);
/* The address of @path without the password in it. Caller frees. */
char *image_remote_name (const char *path);

extern const ImageFormat nbd_format, iscsi_format;
