/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * An appliance on its way into the library: what its plan becomes here, and what
 * the user has changed of that. The command line and the window share it.
 */
#pragma once

#include "storage/appliance/appliance.h"
#include "storage/library/library.h"

G_BEGIN_DECLS

/* A disk, disc or floppy that will be brought along. */
typedef struct
{
  gboolean chosen;
  int disk, file; /* index of the plan's disks, or of its files; the other is -1 */
  LibraryMediumKind kind;
  LibraryController controller;
  unsigned unit;
} ImportDrive;

typedef struct
{
  gboolean chosen;
  const ApplianceSystem *system; /* of the plan */
  LibraryMachine *record;        /* all but the disks and what lies in drives */
  GPtrArray *drives;             /* of ImportDrive */
  GPtrArray *macs;               /* of char *, one an adapter, NULL where the appliance has none */
  GPtrArray *notes;              /* of char *: what will differ */
} ImportMachine;

typedef struct
{
  AppliancePlan *plan;
  GPtrArray *machines;  /* of ImportMachine */
  char *disk_format;    /* "vdi" */
  gboolean keep_macs;   /* the appliance's MAC addresses, else new ones */
  ApplianceFlags flags; /* as the plan was read */
} ImportDraft;

/* Takes the plan. @taken: names that machines here have, or NULL. */
ImportDraft *import_draft_new (AppliancePlan *plan, const char *const *taken, ApplianceFlags flags);
void import_draft_free (ImportDraft *draft);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ImportDraft, import_draft_free)
/* What the appliance is called in a sentence: its file, without folders. Caller frees. */
char *import_draft_name (const ImportDraft *draft);
/* "20 GiB" of a disk, from its description; NULL: it does not say. Bytes; 0: unknown. */
uint64_t import_drive_size (const ImportDraft *draft, const ImportDrive *drive);
/* The name of the file it comes from, or NULL: it is made empty. */
const char *import_drive_file (const ImportDraft *draft, const ImportDrive *drive);

G_END_DECLS
