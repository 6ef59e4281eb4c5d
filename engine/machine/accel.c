/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which accelerator a machine runs under, and why. */

#include "engine/machine/machine-private.h"

/* In the order of MachineAccel. */
static const char *const names[] = { NULL, "interp", "jit" };

static gboolean
take (Machine *m, MachineAccel accel, GError **error)
{
  return x86_system_set_accel (m->cpu_system, x86_accel_find (names[accel]), error);
}

gboolean
accel_choose (Machine *m, MachineAccel wanted, GError **error)
{
  m->accel_reason = MACHINE_WHY_CHOSEN;
  if (wanted != MACHINE_ACCEL_AUTO)
    return take (m, wanted, error);

  m->accel_reason = MACHINE_WHY_FASTEST;
  if (take (m, MACHINE_ACCEL_JIT, NULL))
    return TRUE;
  m->accel_reason = MACHINE_WHY_NO_CODE_MEMORY;
  return take (m, MACHINE_ACCEL_INTERP, error);
}

gboolean
accel_switch (Machine *m, MachineAccel wanted, GError **error)
{
  if (!take (m, wanted, error))
    return FALSE;
  m->accel_reason = MACHINE_WHY_SWITCHED;
  return TRUE;
}
