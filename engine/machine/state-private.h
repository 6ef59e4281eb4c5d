/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What saving and loading a machine share: the names of the sections, and the memories. */
#pragma once

#include "engine/machine/machine-private.h"
#include "engine/machine/state-file.h"

/* A dictionary of GVariants: what the machine is, and its clock. */
#define STATE_SECTION_MACHINE "machine"
/* Followed by the processor's number. */
#define STATE_SECTION_PROCESSOR "processor:"
/* Followed by the type's name and the device's number among those of this type. */
#define STATE_SECTION_DEVICE "device:"

enum { STATE_MEMORY_RAM, STATE_MEMORY_VIDEO, STATE_MEMORY_FIRMWARE, STATE_MEMORY_COUNT };

typedef struct
{
  const char *name;
  RamBlock *block;
} StateMemory;

/* The memories of the machine, in the order above. */
void state_memories (Machine *machine, StateMemory memories[STATE_MEMORY_COUNT]);
/* The section of the @index-th of the machine's devices. */
void state_device_section (Machine *machine, guint index, char *name, size_t size);
/* Stops bringing memory in; the machine is going away. */
void state_forget_source (Machine *machine);
