/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Turns a draft into a machine of the library with its new disk; what fails halfway is undone. */
#pragma once

#include "ui/disk-work.h"
#include "ui/machine-draft.h"

G_BEGIN_DECLS

/* Main thread. @draft is copied. @progress (optional) is called now and then while the disk is made. Cancelling undoes
 * what was done. */
void machine_creator_run_async (Library *library, const MachineDraft *draft,
                                DiskWorkProgress progress, GCancellable *cancellable,
                                GAsyncReadyCallback callback, gpointer data);
/* The new machine's record; caller frees. The error says what could not be made and why. */
LibraryMachine *machine_creator_run_finish (GAsyncResult *result, GError **error);

G_END_DECLS
