/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A library in a temporary folder, with a machine whose disks are written to and looked at as the library says. Every
 * function fails the test where it cannot do its work. */
#pragma once

#include "storage/snapshot/snapshot.h"

enum { DISK_SIZE = 3 << 20 }; /* bytes; of some formats rounded up */

typedef struct
{
  char *home;
  Library *library;
  char *uuid;      /* of the machine */
  char *folder;    /* of it */
  char *root;      /* its first disk's image */
  const char *format;
} Fixture;

/* With one disk of @format (NULL: raw). */
void fixture_set_up (Fixture *fixture, gconstpointer format);
void fixture_tear_down (Fixture *fixture, gconstpointer format);
void fixture_remove_folder (const char *path);
/* Closes the library and opens it anew: as another process would. */
void fixture_reopen (Fixture *fixture);
/* A new machine with a disk of @format and an empty CD drive. Caller frees. */
LibraryMachine *fixture_add (Fixture *fixture, const char *name, const char *format);

/* The machine's record as it is stored. Caller frees. */
LibraryMachine *fixture_machine (Fixture *fixture, const char *uuid);
/* Its first disk. */
LibraryAttachment *fixture_drive (LibraryMachine *machine);
/* Opens what a drive holds. */
Disk *fixture_open (const LibraryAttachment *drive, DiskOpenFlags flags);
/* One sector of the machine's first disk, throughout. */
void fixture_put (Fixture *fixture, const char *uuid, uint64_t sector, int byte);
/* What the sector has: of the drive, of the machine, of the snapshot. */
int fixture_get_drive (const LibraryAttachment *drive, uint64_t sector);
int fixture_get (Fixture *fixture, const char *uuid, uint64_t sector);
int fixture_get_then (Fixture *fixture, const char *uuid, const char *snapshot, uint64_t sector);

/* Takes one of the machine, which is off. The UUID; caller frees. */
char *fixture_take (Fixture *fixture, const char *uuid, const char *name);
/* The machine's test drive, if it is on one, was begun by a process that is no more. */
void fixture_kill_drive (Fixture *fixture, const char *uuid);
/* Tidies, which goes well; what it said, or NULL. Caller frees. */
char **fixture_tidy (Fixture *fixture, const char *uuid);
/* The names of the machine's snapshots, “a/b c*”: parents before children, in the list's order, with “*” behind the one
 * that is current; “parent>name” for those that have a parent. Caller frees. */
char *fixture_tree (Fixture *fixture, const char *uuid);
/* How many files with that ending there are in the machine's folder of snapshots. */
unsigned fixture_count (const char *folder, const char *ending);
