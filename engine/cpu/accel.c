/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The accelerators there are, and going from one to another. */

#include "engine/cpu/accel.h"
#include "engine/cpu/cpu-private.h"
#include "engine/cpu/interp/interp.h"
#include "engine/cpu/jit/jit.h"

const X86Accel x86_accel_interp = { .name = "interp", .run = x86_interp_run };
/* Translated code is entered from the interpreter's blocks and shares its state. */
const X86Accel x86_accel_jit = { .name = "jit", .create = x86_jit_enable, .destroy = x86_jit_free, .run = x86_interp_run };

/* The fastest first; the last two are for developers. */
static const X86Accel *const accels[] = { &x86_accel_kvm, &x86_accel_jit, &x86_accel_interp, &x86_accel_kvm_user_irqchip,
                                          &x86_accel_lockstep };

const X86Accel *
x86_accel_find (const char *name)
{
  for (unsigned i = 0; i < G_N_ELEMENTS (accels); i++)
    if (g_str_equal (accels[i]->name, name))
      return accels[i];
  return NULL;
}

const char *
x86_accel_name (const X86Accel *accel)
{
  return accel->name;
}

const X86Accel *
x86_system_accel (const X86System *system)
{
  return system->accel;
}

/* The first @count processors no longer need @accel. */
static void
leave (X86System *system, const X86Accel *accel, unsigned count)
{
  for (unsigned i = 0; accel->destroy != NULL && i < count; i++)
    accel->destroy (system->cpus[i]);
  if (accel->close != NULL)
    accel->close (system);
}

/* The machine's lock, as far as there is one. */
static void
lock (X86System *system, gboolean take)
{
  const X86Cpu *cpu = system->cpu_count > 0 ? system->cpus[0] : NULL;
  void (*operation) (void *opaque) = cpu == NULL ? NULL : take ? cpu->ops->lock : cpu->ops->unlock;

  if (operation != NULL)
    operation (cpu->opaque);
}

static gboolean
exchange (X86System *system, const X86Accel *accel, GError **error)
{
  if (accel->open != NULL && !accel->open (system, error))
    return FALSE;
  for (unsigned i = 0; accel->create != NULL && i < system->cpu_count; i++)
    if (!accel->create (system->cpus[i], error))
      {
        leave (system, accel, i);
        return FALSE;
      }
  /* Devices on other threads may touch memory, or raise requests. */
  lock (system, TRUE);
  leave (system, system->accel, system->cpu_count);
  system->accel = accel;
  if (accel->memory_changed != NULL)
    accel->memory_changed (system);
  lock (system, FALSE);
  return TRUE;
}

gboolean
x86_system_set_accel (X86System *system, const X86Accel *accel, GError **error)
{
  const X86Accel *old = system->accel;

  if (accel == old)
    return TRUE;
  /* Two kinds of one accelerator keep what they have in the same place. */
  if (accel->close == NULL || accel->close != old->close)
    return exchange (system, accel, error);
  return exchange (system, &x86_accel_interp, error)
         && (exchange (system, accel, error) || (exchange (system, old, NULL), FALSE));
}

gboolean
x86_accel_add_cpu (X86Cpu *cpu, GError **error)
{
  const X86Accel *accel = cpu->system->accel;

  return accel->create == NULL || accel->create (cpu, error);
}

void
x86_accel_remove_cpu (X86Cpu *cpu)
{
  const X86Accel *accel = cpu->system->accel;

  if (accel->destroy != NULL)
    accel->destroy (cpu);
}

void
x86_system_put_state (X86System *system)
{
  system->is_started = TRUE;
  for (unsigned i = 0; system->accel->put_state != NULL && i < system->cpu_count; i++)
    system->accel->put_state (system->cpus[i]);
}

void
x86_system_get_state (X86System *system)
{
  for (unsigned i = 0; system->accel->get_state != NULL && i < system->cpu_count; i++)
    system->accel->get_state (system->cpus[i]);
}

const char *
x86_system_failure (const X86System *system)
{
  return system->accel->failure != NULL ? system->accel->failure (system) : NULL;
}

X86Exit
x86_cpu_run (X86Cpu *cpu)
{
  return cpu->system->accel->run (cpu);
}
