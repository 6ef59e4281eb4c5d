/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A machine that is being thought up: what the creation wizard has so far. What
 * the user changed by hand stays when another operating system is chosen; the
 * rest follows the system.
 */
#pragma once

#include "storage/library/library.h"
#include "ui/os-defaults.h"

G_BEGIN_DECLS

typedef enum { DRAFT_DISK_NEW, DRAFT_DISK_EXISTING, DRAFT_DISK_NONE } DraftDisk;

/* Fields a user can have edited. */
typedef enum
{
  DRAFT_NAME = 1 << 0,
  DRAFT_OS = 1 << 1,
  DRAFT_MEMORY = 1 << 2,
  DRAFT_CPUS = 1 << 3,
  DRAFT_DISK_SIZE = 1 << 4,
  DRAFT_CONTROLLER = 1 << 5
} DraftField;

typedef struct
{
  char *name;
  char *disc;                   /* path of an installation disc, or NULL */
  char *os_id;                  /* NULL: not chosen */
  uint64_t memory;              /* bytes */
  unsigned cpus;
  DraftDisk disk;
  char *disk_format;            /* of a new one: "vdi" */
  char *disk_variant;           /* "dynamic" */
  uint64_t disk_size;           /* bytes */
  char *disk_folder;            /* of a new one; NULL: the machine's */
  char *disk_path;              /* of an existing one, or NULL */
  LibraryController controller; /* of the disk */
  gboolean network;             /* NAT, else none */
  gboolean rtc_utc, floppy;
  unsigned edited;              /* DraftField */
} MachineDraft;

MachineDraft *machine_draft_new (void);
void machine_draft_free (MachineDraft *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MachineDraft, machine_draft_free)

/* Takes the defaults of a system for whatever the user did not edit. @name: proposed, or NULL. */
void machine_draft_set_os (MachineDraft *self, const OsFacts *facts, const char *name, uint64_t host_memory);
/* @name, or "name 2", "name 3", … whichever @taken does not have. Caller frees. */
char *machine_draft_free_name (const char *name, const char *const *taken);
/* Whether @name may be used; else the reason to show. @taken: the names that are in use. */
gboolean machine_draft_check_name (const char *name, const char *const *taken, GError **error);
/* The record to add. A new disk is not attached yet: it needs the machine's folder first. */
LibraryMachine *machine_draft_to_record (const MachineDraft *self);
/* Where the new disk goes; the record has been added. Caller frees. */
char *machine_draft_disk_path (const MachineDraft *self, const LibraryMachine *record);

/* The sizes a new disk may have. */
#define DRAFT_MIN_DISK (UINT64_C (4) << 20)
#define DRAFT_MAX_DISK (UINT64_C (2) << 40)

G_END_DECLS
