/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Doorbells that the accelerator answers without the processor's leaving guest code. Machine lock held. */
#pragma once

#include "engine/bus/doorbell.h"
#include "engine/cpu/cpu.h"

/* From now on, and until the accelerator is exchanged, the guest's writes to @bell add 1 to the eventfd @fd and do nothing
 * else. FALSE: the accelerator cannot do that. */
gboolean x86_system_add_doorbell (X86System *system, const Doorbell *bell, int fd);
void x86_system_remove_doorbell (X86System *system, const Doorbell *bell, int fd);
