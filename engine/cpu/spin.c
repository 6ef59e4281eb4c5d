/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Guests that wait in loops of PAUSE for another processor: when the host has fewer processors than the guest, that one
 * may need the host's that waits.
 */

#include "engine/cpu/cpu-private.h"

#include <sched.h>

/* So many in so short a time are a loop that does nothing else; there a round takes some tens of nanoseconds. */
enum { SPIN_PAUSES = 64, SPIN_US = 100 };

void
x86_pause (X86Cpu *cpu)
{
  int64_t now;

#if defined(__x86_64__)
  __builtin_ia32_pause ();
#endif
  if (X86_LIKELY (++cpu->spin_pauses < SPIN_PAUSES))
    return;
  now = g_get_monotonic_time ();
  if (now - cpu->spin_since < SPIN_US)
    {
      sched_yield ();
      now = g_get_monotonic_time ();
    }
  cpu->spin_pauses = 0;
  cpu->spin_since = now;
}
