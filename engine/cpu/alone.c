/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One processor alone: the others stand still between two blocks. For the rare locked access that no host atomic can
 * do.
 *
 * Who wants to be alone, or waits for another to be done, stands still too, so that two of them never wait for each
 * other. The machine lock must not be held: a processor may need it to get to where it can stop.
 */

#include "engine/cpu/cpu-private.h"

/* alone_lock is held. */
static void
wait_for_owner (X86Cpu *cpu)
{
  X86System *system = cpu->system;

  cpu->stands_still = TRUE;
  g_cond_broadcast (&system->alone_cond);
  while (system->alone_owner != NULL)
    g_cond_wait (&system->alone_cond, &system->alone_lock);
  cpu->stands_still = FALSE;
}

void
x86_alone_begin (X86Cpu *cpu)
{
  X86System *system = cpu->system;

  if (system->cpu_count == 1)
    return;
  g_mutex_lock (&system->alone_lock);
  wait_for_owner (cpu);
  __atomic_store_n (&system->alone_owner, cpu, __ATOMIC_SEQ_CST);
  for (unsigned i = 0; i < system->cpu_count; i++)
    if (system->cpus[i] != cpu)
      x86_cpu_raise (system->cpus[i], X86_REQ_STOP);
  for (unsigned i = 0; i < system->cpu_count; i++)
    {
      X86Cpu *other = system->cpus[i];

      while (other != cpu && !other->stands_still && __atomic_load_n (&other->is_running, __ATOMIC_SEQ_CST))
        g_cond_wait (&system->alone_cond, &system->alone_lock);
    }
  g_mutex_unlock (&system->alone_lock);
}

void
x86_alone_end (X86Cpu *cpu)
{
  X86System *system = cpu->system;

  if (system->cpu_count == 1)
    return;
  g_mutex_lock (&system->alone_lock);
  __atomic_store_n (&system->alone_owner, NULL, __ATOMIC_SEQ_CST);
  g_cond_broadcast (&system->alone_cond);
  g_mutex_unlock (&system->alone_lock);
}

void
x86_alone_stop (X86Cpu *cpu)
{
  g_mutex_lock (&cpu->system->alone_lock);
  wait_for_owner (cpu);
  g_mutex_unlock (&cpu->system->alone_lock);
}

void
x86_alone_left (X86Cpu *cpu)
{
  X86System *system = cpu->system;

  if (__atomic_load_n (&system->alone_owner, __ATOMIC_SEQ_CST) == NULL)
    return;
  g_mutex_lock (&system->alone_lock);
  g_cond_broadcast (&system->alone_cond);
  g_mutex_unlock (&system->alone_lock);
}
