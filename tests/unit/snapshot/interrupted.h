/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Verbs that end anywhere, and what must hold then: the tree opens, no snapshot that was there is lost, all disks hold what
 * they should, and the next tidying finishes or undoes the verb, and says so whenever there was something to be done. */
#pragma once

#include "tests/unit/snapshot/fixture.h"

/* How far a verb has come, in memory that its process shares with the test. */
typedef struct
{
  unsigned reached;        /* of its outcomes: what was promised */
  unsigned begun, flushed; /* the guest's writes, by number */
} Progress;

/* A machine with the snapshots a > b and a > c, of which c is current. */
typedef struct
{
  Fixture f;
  char *copy, *a, *b, *c; /* @copy: of all files, as they are before each verb */
  Progress *progress;
} Setting;

typedef struct
{
  const char *name;
  gboolean (*run) (Setting *s, Library *library, const LibraryMachine *machine, GError **error);
  /* The trees and marks that may be there after it was interrupted and tidied; of which the last is that of the end. */
  struct
  {
    const char *tree;
    int now; /* the disk's mark */
    const char *saved;
  } outcomes[3];
} Verb;

/* To the one without a name. */
extern const Verb interrupted_verbs[];

void setting_set_up (Setting *s, gconstpointer format);
void setting_tear_down (Setting *s, gconstpointer format);
/* All files as they were before the verbs; the library is closed. */
void setting_put_back (Setting *s);
/* In a process of its own, forked here, which runs @begin before and @end after the library is opened and closed. Its wait
 * status. */
int setting_run (Setting *s, const Verb *verb, void (*begin) (void), void (*end) (void));
/* Opens the library, tidies, and checks all that must hold. @progress: how far the verb had come. Returns what tidying said,
 * or NULL. Caller frees. */
char **setting_survive (Setting *s, const Verb *verb, const Progress *progress);
