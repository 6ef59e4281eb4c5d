/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The board's interrupt controllers and timer, and who runs them: our models, or hardware that has such chips itself.
 * While processors stand still the models have everything; see engine/cpu/chips.h.
 */

#include "engine/machine/machine-private.h"

#include "engine/cpu/chips.h"
#include "engine/devices/platform/ioapic.h"
#include "engine/devices/platform/lapic.h"
#include "engine/devices/platform/pic.h"
#include "engine/devices/platform/pit.h"
#include "engine/devices/platform/rtc.h"

enum { CASCADE = 2, TIMER_LINE = 0, TIMER_PIN = 2 };

/* --- Going over --- */

void
chips_lend (Machine *m)
{
  LapicRegisters lapics[MACHINE_MAX_CPUS];
  ChipRegisters chips;

  if (!x86_system_has_chips (m->cpu_system))
    return;
  /* Lets go of its line, which the hardware's timer pulses then. */
  pit_lend_registers (m->pit, &chips.pit);
  pic_get_registers (m->pic, chips.pic);
  ioapic_get_registers (m->ioapic, &chips.ioapic);
  for (unsigned i = 0; i < m->cpu_count; i++)
    lapic_lend_registers (m->vcpus[i].lapic, &lapics[i]);
  m->isa_levels = (uint32_t) (chips.pic[0].lines & ~(1 << CASCADE)) | (uint32_t) chips.pic[1].lines << 8;
  m->pin_levels = chips.ioapic.lines;
  x86_chips_put (m->cpu_system, &chips, lapics);
  m->chips_are_lent = TRUE;
}

void
chips_take_back (Machine *m)
{
  LapicRegisters lapics[MACHINE_MAX_CPUS];
  ChipRegisters chips = { .ioapic = { .lines = m->pin_levels } };

  if (!m->chips_are_lent)
    return;
  chips.pic[0].lines = (uint8_t) m->isa_levels;
  chips.pic[1].lines = (uint8_t) (m->isa_levels >> 8);
  x86_chips_get (m->cpu_system, &chips, lapics);
  m->chips_are_lent = FALSE;
  /* Ours has its line high between pulses: that it comes back is no edge. */
  if (!chips.pit.irq_disabled)
    {
      chips.pic[0].lines |= 1 << TIMER_LINE;
      chips.ioapic.lines |= 1 << TIMER_PIN;
    }
  /* Local APICs first: what the others send on must find them. */
  for (unsigned i = 0; i < m->cpu_count; i++)
    lapic_set_registers (m->vcpus[i].lapic, &lapics[i]);
  ioapic_set_registers (m->ioapic, &chips.ioapic);
  pic_set_registers (m->pic, chips.pic);
  pit_set_registers (m->pit, &chips.pit);
}

/* --- Interrupts of devices --- */

static void
note (uint32_t *levels, int line, int level)
{
  *levels = (*levels & ~(1u << line)) | (uint32_t) (level != 0) << line;
}

void
chips_isa_line (void *opaque, int line, int level)
{
  Machine *m = opaque;
  int pin = line == TIMER_LINE ? TIMER_PIN : line;

  if (!m->chips_are_lent)
    {
      pic_input (m->pic, line, level);
      ioapic_input (m->ioapic, pin, level);
      return;
    }
  note (&m->isa_levels, line, level);
  note (&m->pin_levels, pin, level);
  x86_chips_set_line (m->cpu_system, (unsigned) line, level);
}

void
chips_pin (Machine *m, int pin, int level)
{
  if (pin < ISA_IRQ_COUNT && pin != CASCADE)
    chips_isa_line (m, pin, level);
  else if (!m->chips_are_lent)
    ioapic_input (m->ioapic, pin, level);
  else if (pin < X86_CHIPS_LINES)
    {
      note (&m->pin_levels, pin, level);
      x86_chips_set_line (m->cpu_system, (unsigned) pin, level);
    }
}

void
chips_send_message (void *opaque, uint64_t address, uint32_t data)
{
  Machine *m = opaque;

  if (m->chips_are_lent)
    x86_chips_send_message (m->cpu_system, address, data);
  else
    apic_bus_send_msi (m->apic_bus, address, data);
}

void
chips_set_legacy_timers (void *opaque, gboolean enabled)
{
  Machine *m = opaque;

  if (m->chips_are_lent)
    x86_chips_set_timer_output (m->cpu_system, enabled);
  else
    pit_set_irq_enabled (m->pit, enabled);
  rtc_set_irq_enabled (m->rtc, enabled);
}
