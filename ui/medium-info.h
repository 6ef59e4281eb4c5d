/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What an image file says of itself, and what may be done with it. */
#pragma once

#include "storage/library/library.h"

G_BEGIN_DECLS

typedef struct
{
  gboolean is_missing;
  gboolean is_remote;    /* on a server, which is not asked */
  gboolean is_trusted;   /* files that it names were followed out of its folder, too */
  char *problem;         /* why it cannot be used as it is, or NULL */
  char *format;          /* "vdi"; NULL when it could not be read */
  char *variant;
  guint64 size;          /* bytes, of the disk */
  guint64 space;         /* bytes that its files take */
  char *base;            /* the file that it is based on, or NULL */
} MediumInfo;

/* Takes as long as opening the file and those it is based on does; on any thread. @is_trusted: files that it names are
 * followed wherever they are. */
MediumInfo *medium_info_read (const char *path, gboolean is_trusted);
void medium_info_free (MediumInfo *info);
/* What kind of medium a file is, by what it holds. FALSE when it is none. */
gboolean medium_info_find_kind (const char *path, LibraryMediumKind *kind, char **format, GError **error);

/* "VDI, grows as needed"; NULL when nothing is known. Caller frees. */
char *medium_info_describe (const MediumInfo *info, LibraryMediumKind kind);
/* "20 GiB, 1.2 GiB on disk"; NULL where it is not known. Caller frees. */
char *medium_info_describe_size (const MediumInfo *info, LibraryMediumKind kind);

typedef enum
{
  MEDIUM_COPY = 1 << 0,
  MEDIUM_MOVE = 1 << 1,
  MEDIUM_RESIZE = 1 << 2,
  MEDIUM_COMPACT = 1 << 3,
  MEDIUM_CHECK = 1 << 4,
  MEDIUM_RELEASE = 1 << 5,
  MEDIUM_REMOVE = 1 << 6,
  MEDIUM_DELETE = 1 << 7
} MediumVerbs;

typedef struct
{
  LibraryMediumKind kind;
  gboolean is_listed;    /* in the library's list, not just the base of one that is */
  gboolean is_used;      /* a machine has it */
  gboolean is_running;   /* a machine that has it, or one based on it, runs */
  gboolean is_busy;      /* something is being done with it */
  gboolean has_children; /* others are based on it */
  const MediumInfo *info; /* NULL: not read yet */
  gboolean has_layers;    /* of snapshots: their size is the one that a machine sees */
} MediumFacts;

/* What may be done with it. */
MediumVerbs medium_verbs (const MediumFacts *facts);

G_END_DECLS
