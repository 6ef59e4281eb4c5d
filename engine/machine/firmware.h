/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the firmware is told through fw_cfg and CMOS: memory, tables, boot order, direct boot. */
#pragma once

#include "engine/machine/machine-private.h"

/* The machine's devices are assembled; its fw_cfg and RTC get their contents. */
gboolean firmware_configure (Machine *machine, const MachineConfig *config, GError **error);
