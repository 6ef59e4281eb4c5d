/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which accelerator a machine runs under, and why. */

#include "engine/machine/machine-private.h"

#include <gio/gio.h>
#include <string.h>

/* In the order of MachineAccel. */
static const char *const names[] = { NULL, "interp", "jit", "kvm", "lockstep", "kvm-user-irqchip" };

/* Noise of a short measurement. */
#define SLOWDOWN_MAX 1.25

/* --- How fast the hardware is: measured once after the host's start --- */

static char *
boot_id (void)
{
  char *id = NULL;

  if (!g_file_get_contents ("/proc/sys/kernel/random/boot_id", &id, NULL, NULL))
    return NULL;
  return g_strchomp (id);
}

static gboolean
read_cached (const char *path, const char *id, double *slowdown)
{
  g_autofree char *contents = NULL;
  g_auto (GStrv) words = NULL;

  if (id == NULL || !g_file_get_contents (path, &contents, NULL, NULL))
    return FALSE;
  words = g_strsplit (g_strchomp (contents), " ", 2);
  if (g_strv_length (words) != 2 || !g_str_equal (words[0], id))
    return FALSE;
  *slowdown = g_ascii_strtod (words[1], NULL);
  return TRUE;
}

static gboolean
measure (double *slowdown, GError **error)
{
  g_autofree char *folder = g_build_filename (g_get_user_cache_dir (), "bunshin", NULL);
  g_autofree char *path = g_build_filename (folder, "kvm-slowdown", NULL), *id = boot_id (), *contents = NULL;
  char number[G_ASCII_DTOSTR_BUF_SIZE];

  if (read_cached (path, id, slowdown))
    return TRUE;
  if (!x86_hardware_slowdown (slowdown, error))
    return FALSE;
  if (id != NULL && g_mkdir_with_parents (folder, 0700) == 0)
    {
      contents = g_strdup_printf ("%s %s\n", id, g_ascii_formatd (number, sizeof number, "%.3f", *slowdown));
      /* Without it the next machine measures again. */
      g_file_set_contents (path, contents, -1, NULL);
    }
  return TRUE;
}

/* --- The choice --- */

static void
refuse (Machine *m, const GError *error)
{
  m->accel = MACHINE_ACCEL_JIT;
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND))
    m->accel_reason = MACHINE_WHY_NO_KVM;
  else if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED))
    m->accel_reason = MACHINE_WHY_KVM_DENIED;
  else
    {
      m->accel_reason = MACHINE_WHY_KVM_UNFIT;
      m->accel_detail = g_strdup (error->message);
    }
}

static gboolean
is_hardware (MachineAccel accel)
{
  return accel == MACHINE_ACCEL_KVM || accel == MACHINE_ACCEL_KVM_USER_IRQCHIP;
}

void
accel_choose (Machine *m, MachineAccel wanted)
{
  g_autoptr (GError) error = NULL;
  X86Hardware hardware = { .tsc_hz = 0 };

  m->accel = wanted;
  m->accel_reason = MACHINE_WHY_CHOSEN;
  m->tsc_hz = CLOCK_NS_PER_SECOND;
  if (wanted == MACHINE_ACCEL_AUTO)
    {
      m->accel = MACHINE_ACCEL_KVM;
      m->accel_reason = MACHINE_WHY_FASTEST;
      if (!x86_hardware_look (&hardware, &error) || !measure (&m->accel_slowdown, &error))
        refuse (m, error);
      else if (m->accel_slowdown > SLOWDOWN_MAX)
        {
          m->accel = MACHINE_ACCEL_JIT;
          m->accel_reason = MACHINE_WHY_KVM_SLOW;
        }
    }
  else if (is_hardware (wanted))
    x86_hardware_look (&hardware, NULL);
  if (!is_hardware (m->accel))
    return;
  if (hardware.tsc_hz != 0)
    m->tsc_hz = hardware.tsc_hz;
  m->default_model = hardware.model;
}

static gboolean
take (Machine *m, MachineAccel accel, GError **error)
{
  if (!x86_system_set_accel (m->cpu_system, x86_accel_find (names[accel]), error))
    return FALSE;
  doorbells_accel_changed (m);
  return TRUE;
}

gboolean
accel_start (Machine *m, GError **error)
{
  g_autoptr (GError) failure = NULL;

  if (m->accel_reason == MACHINE_WHY_CHOSEN)
    return take (m, m->accel, error);
  if (take (m, m->accel, &failure))
    return TRUE;
  if (m->accel == MACHINE_ACCEL_KVM)
    {
      refuse (m, failure);
      if (take (m, m->accel, NULL))
        return TRUE;
    }
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
