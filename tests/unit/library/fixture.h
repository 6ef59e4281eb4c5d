/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A library in a temporary folder. */
#pragma once

#include "storage/library/library.h"

typedef struct
{
  char *home;
  Library *library;
} Fixture;

void fixture_set_up (Fixture *fixture, gconstpointer data);
void fixture_tear_down (Fixture *fixture, gconstpointer data);
/* Adds a machine with a disk, a CD drive and a network adapter. */
LibraryMachine *fixture_add (Fixture *fixture, const char *name);
void remove_tree (const char *path);
