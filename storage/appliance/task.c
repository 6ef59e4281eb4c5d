/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Parts of longer work, which tell of their progress as one. */

#include "storage/appliance/appliance-private.h"

static void
on_progress (uint64_t done, uint64_t total, void *opaque)
{
  const ApplianceStep *step = opaque;
  double part = total > 0 ? MIN ((double) done / (double) total, 1) : 1;

  if (step->outer != NULL && step->outer->progress != NULL)
    step->outer->progress (step->base + (uint64_t) ((double) step->span * part), step->total, step->outer->opaque);
}

void
appliance_step (ApplianceStep *step, const DiskTask *outer, uint64_t base, uint64_t span, uint64_t total)
{
  *step = (ApplianceStep) { .outer = outer, .base = base, .span = span, .total = total };
  step->task = (DiskTask) { .cancellable = outer != NULL ? outer->cancellable : NULL,
                            .progress = on_progress,
                            .opaque = step };
}

gboolean
appliance_is_cancelled (const DiskTask *task, GError **error)
{
  return task != NULL && g_cancellable_set_error_if_cancelled (task->cancellable, error);
}
