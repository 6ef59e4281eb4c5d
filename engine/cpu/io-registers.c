/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Registers of a processor that is at a port, for devices that speak through them. */

#include "engine/cpu/accel.h"
#include "engine/cpu/cpu-private.h"

static const uint8_t order[6] = { X86_RAX, X86_RBX, X86_RCX, X86_RDX, X86_RSI, X86_RDI };

void
x86_cpu_get_io_registers (X86Cpu *cpu, uint32_t regs[6])
{
  if (cpu->system->accel->get_general != NULL)
    cpu->system->accel->get_general (cpu);
  for (int i = 0; i < 6; i++)
    regs[i] = (uint32_t) cpu->r[order[i]];
}

void
x86_cpu_set_io_registers (X86Cpu *cpu, const uint32_t regs[6])
{
  for (int i = 0; i < 6; i++)
    cpu->r[order[i]] = regs[i];
  if (cpu->system->accel->put_general != NULL)
    cpu->system->accel->put_general (cpu);
}
