/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The machine lock: one recursive mutex that guards all device state of one
 * machine. Handlers are entered with it held; threads of the outside (UI, disk
 * completions, network) take it around calls into devices.
 */
#pragma once

#include <glib.h>

typedef struct
{
  GRecMutex mutex;
} MachineLock;

static inline void
machine_lock_init (MachineLock *lock)
{
  g_rec_mutex_init (&lock->mutex);
}

static inline void
machine_lock_clear (MachineLock *lock)
{
  g_rec_mutex_clear (&lock->mutex);
}

static inline void
machine_lock_take (MachineLock *lock)
{
  g_rec_mutex_lock (&lock->mutex);
}

static inline void
machine_lock_release (MachineLock *lock)
{
  g_rec_mutex_unlock (&lock->mutex);
}
