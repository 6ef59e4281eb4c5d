/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The kernel's own interrupt controllers and timer: 8259 ×2, I/O APIC, local APICs, 8254. They take the place of the
 * board's while processors run. KVM_CAP_SPLIT_IRQCHIP, local APICs alone, is not used: old guests live from the 8259s
 * and the 8254, which would then leave the hardware for each interrupt.
 */

#include "engine/cpu/chips.h"
#include "engine/cpu/cpuid.h"
#include "engine/cpu/kvm/kvm-private.h"
#include "engine/cpu/msr.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

enum
{
  ISA_LINES = 16, CASCADE = 2, TIMER_LINE = 0, TIMER_PIN = 2,
  RED_LEVEL = 1 << 15, RED_MASKED = 1 << 16,
  PIT_HZ = 1193182, NS_PER_SECOND = 1000000000,
  PIT_LOW = 1, PIT_HIGH = 2, PIT_BOTH = 3, PIT_BOTH_SECOND = 4, PIT_NO_MODE = 0xff,
  PORT_B_GATE2 = 1 << 0, PORT_B_SPEAKER = 1 << 1
};

/* --- Creation --- */

static void
add_route (GArray *routes, unsigned line, unsigned chip, unsigned pin)
{
  struct kvm_irq_routing_entry entry = { .gsi = line, .type = KVM_IRQ_ROUTING_IRQCHIP, .u.irqchip = { chip, pin } };

  g_array_append_val (routes, entry);
}

/* The board's wires: an ISA line goes to both controllers, the timer's to pin 2 of the I/O APIC. */
static void
add_wires (GArray *routes)
{
  for (unsigned line = 0; line < ISA_LINES; line++)
    if (line != CASCADE)
      add_route (routes, line, line < 8 ? KVM_IRQCHIP_PIC_MASTER : KVM_IRQCHIP_PIC_SLAVE, line & 7);
  for (unsigned line = 1; line < X86_CHIPS_LINES; line++)
    add_route (routes, line, KVM_IRQCHIP_IOAPIC, line);
  /* The last one to a pin is the one that hears of its end. */
  add_route (routes, TIMER_LINE, KVM_IRQCHIP_IOAPIC, TIMER_PIN);
}

gboolean
kvm_set_routes (const X86Kvm *kvm)
{
  g_autoptr (GArray) routes = g_array_new (FALSE, TRUE, sizeof (struct kvm_irq_routing_entry));
  g_autofree struct kvm_irq_routing *table = NULL;

  add_wires (routes);
  kvm_add_message_routes (kvm, routes);
  table = g_malloc0 (sizeof *table + routes->len * sizeof table->entries[0]);
  table->nr = routes->len;
  memcpy (table->entries, routes->data, routes->len * sizeof table->entries[0]);
  return kvm_ioctl (kvm->vm, KVM_SET_GSI_ROUTING, table) == 0;
}

gboolean
kvm_create_chips (X86Kvm *kvm)
{
  static const long needs[] = { KVM_CAP_IRQCHIP, KVM_CAP_PIT2, KVM_CAP_PIT_STATE2, KVM_CAP_IRQ_ROUTING, KVM_CAP_SIGNAL_MSI,
                                KVM_CAP_IMMEDIATE_EXIT };
  /* Port B is the timer's gate and output, and goes with it. Interrupts that a guest was too late for the kernel makes up
   * for, unless told otherwise, as ours does. */
  struct kvm_pit_config pit = { .flags = KVM_PIT_SPEAKER_DUMMY };

  for (unsigned i = 0; i < G_N_ELEMENTS (needs); i++)
    if (ioctl (kvm->kvm, KVM_CHECK_EXTENSION, needs[i]) <= 0)
      return FALSE;
  if (kvm_ioctl (kvm->vm, KVM_CREATE_IRQCHIP, NULL) < 0)
    return FALSE;
  /* Half of the chips is worse than none, and what has been made cannot be unmade. */
  return kvm_ioctl (kvm->vm, KVM_CREATE_PIT2, &pit) == 0 && kvm_set_routes (kvm);
}

void
x86_system_lend_chips (X86System *system)
{
  system->lends_chips = TRUE;
}

gboolean
x86_system_has_chips (const X86System *system)
{
  return system->kvm != NULL && system->kvm->has_chips;
}

static void
failed (X86System *system, const char *what)
{
  kvm_fail (system, "KVM refuses the state of its %s: %s", what, g_strerror (errno));
}

/* --- Lines --- */

void
x86_chips_set_line (X86System *system, unsigned line, gboolean level)
{
  struct kvm_irq_level state = { .irq = line, .level = level != 0 };

  if (kvm_ioctl (system->kvm->vm, KVM_IRQ_LINE, &state) < 0)
    kvm_fail (system, "KVM refuses interrupt line %u: %s", line, g_strerror (errno));
}

/* --- The 8259s --- */

static void
put_pic (X86System *system, unsigned which, const PicRegisters *in)
{
  struct kvm_irqchip chip = { .chip_id = which };

  /* The kernel counts the initialization words from 0. */
  chip.chip.pic = (struct kvm_pic_state) {
    .last_irr = in->lines, .irr = in->irr, .imr = in->imr, .isr = in->isr, .priority_add = in->priority_add,
    .irq_base = in->vector, .read_reg_select = in->read_isr, .poll = in->poll, .special_mask = in->special_mask,
    .init_state = in->init_state > 1 ? in->init_state - 1 : 0, .auto_eoi = in->auto_eoi,
    .rotate_on_auto_eoi = in->rotate_on_auto_eoi, .special_fully_nested_mode = in->special_fully_nested,
    .init4 = in->needs_icw4, .elcr = in->elcr
  };
  chip.chip.pic.elcr_mask = which == KVM_IRQCHIP_PIC_MASTER ? 0xf8 : 0xde;
  if (kvm_ioctl (system->kvm->vm, KVM_SET_IRQCHIP, &chip) < 0)
    failed (system, "8259");
}

static void
get_pic (X86System *system, unsigned which, uint8_t lines, PicRegisters *out)
{
  struct kvm_irqchip chip = { .chip_id = which };
  const struct kvm_pic_state *s = &chip.chip.pic;

  if (kvm_ioctl (system->kvm->vm, KVM_GET_IRQCHIP, &chip) < 0)
    failed (system, "8259");
  *out = (PicRegisters) {
    .lines = lines, .irr = s->irr, .imr = s->imr, .isr = s->isr, .priority_add = s->priority_add & 7, .vector = s->irq_base,
    .read_isr = s->read_reg_select, .poll = s->poll, .special_mask = s->special_mask,
    .init_state = s->init_state > 0 ? MIN (s->init_state, 3) + 1 : 0, .auto_eoi = s->auto_eoi,
    .rotate_on_auto_eoi = s->rotate_on_auto_eoi, .special_fully_nested = s->special_fully_nested_mode,
    .needs_icw4 = s->init4, .elcr = s->elcr
  };
}

/* --- The I/O APIC --- */

static void
put_ioapic (X86System *system, const IoApicRegisters *in)
{
  struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };
  struct kvm_ioapic_state *s = &chip.chip.ioapic;

  *s = (struct kvm_ioapic_state) { .base_address = 0xfec00000, .ioregsel = in->select, .id = in->id, .irr = in->irr };
  for (unsigned pin = 0; pin < CHIPS_IOAPIC_PINS; pin++)
    {
      s->redirtbl[pin].bits = in->table[pin];
      if (in->table[pin] & RED_LEVEL)
        s->irr |= in->lines & 1u << pin;
    }
  if (kvm_ioctl (system->kvm->vm, KVM_SET_IRQCHIP, &chip) < 0)
    failed (system, "I/O APIC");
}

static void
get_ioapic (X86System *system, uint32_t lines, IoApicRegisters *out)
{
  struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };
  const struct kvm_ioapic_state *s = &chip.chip.ioapic;

  if (kvm_ioctl (system->kvm->vm, KVM_GET_IRQCHIP, &chip) < 0)
    failed (system, "I/O APIC");
  *out = (IoApicRegisters) { .select = (uint8_t) s->ioregsel, .id = (uint8_t) s->id, .lines = lines, .irr = s->irr };
  for (unsigned pin = 0; pin < CHIPS_IOAPIC_PINS; pin++)
    out->table[pin] = s->redirtbl[pin].bits;
}

/* --- The 8254 --- */

static int64_t
host_time (void)
{
  struct timespec now;

  clock_gettime (CLOCK_MONOTONIC, &now);
  return (int64_t) now.tv_sec * NS_PER_SECOND + now.tv_nsec;
}

/* The kernel starts counter 0 anew: of a count that runs once, only what is left. */
static uint32_t
count_left (const PitRegisters *in)
{
  uint32_t count = in->counter[0].count;
  int64_t ticks = (int64_t) ((__int128) in->counter[0].elapsed * PIT_HZ / NS_PER_SECOND);

  if (in->counter[0].mode != 0 && in->counter[0].mode != 4)
    return count;
  return ticks < count ? count - (uint32_t) ticks : count;
}

static void
put_pit (X86System *system, const PitRegisters *in)
{
  struct kvm_pit_state2 state = {
    .flags = (in->irq_disabled ? KVM_PIT_FLAGS_HPET_LEGACY : 0) | (in->port_b & PORT_B_SPEAKER ? KVM_PIT_FLAGS_SPEAKER_DATA_ON : 0)
  };
  int64_t now = host_time ();

  for (unsigned i = 0; i < CHIPS_PIT_COUNTERS; i++)
    {
      uint8_t access = in->counter[i].access;

      state.channels[i] = (struct kvm_pit_channel_state) {
        .count = i == 0 ? count_left (in) : in->counter[i].count, .latched_count = in->counter[i].latched,
        .count_latched = in->counter[i].latch_bytes == 2 ? PIT_BOTH : in->counter[i].latch_bytes == 1 ? PIT_LOW : 0,
        .status_latched = in->counter[i].status_latched, .status = in->counter[i].status,
        .read_state = access == PIT_BOTH && in->counter[i].read_high ? PIT_BOTH_SECOND : access,
        .write_state = access == PIT_BOTH && in->counter[i].write_high ? PIT_BOTH_SECOND : access,
        .write_latch = in->counter[i].low_byte, .rw_mode = access, .mode = in->counter[i].mode, .bcd = in->counter[i].bcd,
        .gate = in->counter[i].gate, .count_load_time = now - in->counter[i].elapsed
      };
    }
  if (kvm_ioctl (system->kvm->vm, KVM_SET_PIT2, &state) < 0)
    failed (system, "8254");
}

/* How far counter 0 has come the kernel keeps to itself: it begins anew. An interrupt may so come late, or twice when it
 * was to come once; it is never lost. */
static void
get_pit (X86System *system, PitRegisters *out)
{
  struct kvm_pit_state2 state = { .flags = 0 };
  int64_t now = host_time ();

  if (kvm_ioctl (system->kvm->vm, KVM_GET_PIT2, &state) < 0)
    failed (system, "8254");
  *out = (PitRegisters) { .irq_disabled = (state.flags & KVM_PIT_FLAGS_HPET_LEGACY) != 0 };
  for (unsigned i = 0; i < CHIPS_PIT_COUNTERS; i++)
    {
      const struct kvm_pit_channel_state *s = &state.channels[i];

      out->counter[i].count = s->count;
      out->counter[i].elapsed = i == 0 ? 0 : MAX (now - s->count_load_time, 0);
      out->counter[i].latch_bytes = s->count_latched == PIT_BOTH ? 2 : s->count_latched != 0;
      out->counter[i].latched = s->count_latched == PIT_HIGH ? s->latched_count >> 8 : s->latched_count;
      out->counter[i].status_latched = s->status_latched;
      out->counter[i].status = s->status;
      out->counter[i].access = s->rw_mode;
      out->counter[i].mode = s->mode == PIT_NO_MODE ? 3 : s->mode;
      out->counter[i].bcd = s->bcd;
      out->counter[i].gate = s->gate;
      out->counter[i].read_high = s->read_state == PIT_BOTH_SECOND;
      out->counter[i].write_high = s->write_state == PIT_BOTH_SECOND;
      out->counter[i].low_byte = s->write_latch;
      out->counter[i].loaded = s->mode != PIT_NO_MODE;
    }
  out->port_b = (state.channels[2].gate ? PORT_B_GATE2 : 0) | (state.flags & KVM_PIT_FLAGS_SPEAKER_DATA_ON ? PORT_B_SPEAKER : 0);
}

void
x86_chips_set_timer_output (X86System *system, gboolean enabled)
{
  struct kvm_pit_state2 state;

  if (kvm_ioctl (system->kvm->vm, KVM_GET_PIT2, &state) < 0)
    return;
  state.flags = (state.flags & ~(uint32_t) KVM_PIT_FLAGS_HPET_LEGACY) | (enabled ? 0 : KVM_PIT_FLAGS_HPET_LEGACY);
  if (kvm_ioctl (system->kvm->vm, KVM_SET_PIT2, &state) < 0)
    failed (system, "8254");
}

/* --- The local APICs --- */

static void
put_lapic (X86Cpu *cpu, const LapicRegisters *in)
{
  struct kvm_lapic_state state = { .regs = { 0 } };

  for (unsigned i = 0; i < CHIPS_LAPIC_REGISTERS; i++)
    memcpy (state.regs + 0x10 * i, &in->page[i], sizeof in->page[i]);
  if (kvm_ioctl (cpu->kvm->fd, KVM_SET_LAPIC, &state) < 0)
    failed (cpu->system, "local APIC");
  if (x86_has (cpu, X86_FEAT_TSC_DEADLINE))
    kvm_put_msr (cpu, MSR_TSC_DEADLINE, in->tsc_deadline == 0 ? 0 : in->tsc_deadline + cpu->msr.tsc_offset);
  /* What the board's APIC asked for the kernel's does now. */
  x86_cpu_lower (cpu, X86_REQ_INTR);
}

static void
get_lapic (X86Cpu *cpu, LapicRegisters *out)
{
  struct kvm_lapic_state state = { .regs = { 0 } };
  uint64_t deadline = 0;

  if (kvm_ioctl (cpu->kvm->fd, KVM_GET_LAPIC, &state) < 0)
    failed (cpu->system, "local APIC");
  for (unsigned i = 0; i < CHIPS_LAPIC_REGISTERS; i++)
    memcpy (&out->page[i], state.regs + 0x10 * i, sizeof out->page[i]);
  out->base = cpu->kvm->apic_base;
  if (x86_has (cpu, X86_FEAT_TSC_DEADLINE))
    kvm_get_msr (cpu, MSR_TSC_DEADLINE, &deadline);
  /* One before the board's counter began is over. */
  out->tsc_deadline = deadline == 0 ? 0 : (int64_t) (deadline - cpu->msr.tsc_offset) > 0 ? deadline - cpu->msr.tsc_offset : 1;
}

/* --- All of it --- */

/* Levels are the one thing that the kernel's chips do not show and that stays in them: they are told while nothing
 * comes of it. */
static void
put_lines (X86System *system, const ChipRegisters *chips)
{
  PicRegisters deaf = { .imr = 0xff };
  IoApicRegisters none = { 0 };

  for (unsigned pin = 0; pin < CHIPS_IOAPIC_PINS; pin++)
    none.table[pin] = RED_MASKED;
  put_ioapic (system, &none);
  put_pic (system, KVM_IRQCHIP_PIC_MASTER, &deaf);
  put_pic (system, KVM_IRQCHIP_PIC_SLAVE, &deaf);
  for (unsigned line = 0; line < X86_CHIPS_LINES; line++)
    {
      uint32_t isa = chips->pic[0].lines | (uint32_t) chips->pic[1].lines << 8;
      unsigned pin = line == TIMER_LINE ? TIMER_PIN : line;

      if (line != CASCADE)
        x86_chips_set_line (system, line, (line < ISA_LINES && isa >> line & 1) || chips->ioapic.lines >> pin & 1);
    }
}

void
x86_chips_put (X86System *system, const ChipRegisters *chips, const LapicRegisters *lapics)
{
  put_lines (system, chips);
  for (unsigned i = 0; i < system->cpu_count; i++)
    put_lapic (system->cpus[i], &lapics[i]);
  put_pic (system, KVM_IRQCHIP_PIC_MASTER, &chips->pic[0]);
  put_pic (system, KVM_IRQCHIP_PIC_SLAVE, &chips->pic[1]);
  put_ioapic (system, &chips->ioapic);
  put_pit (system, &chips->pit);
}

void
x86_chips_get (X86System *system, ChipRegisters *chips, LapicRegisters *lapics)
{
  uint32_t pins = chips->ioapic.lines;

  get_pit (system, &chips->pit);
  get_pic (system, KVM_IRQCHIP_PIC_MASTER, chips->pic[0].lines, &chips->pic[0]);
  get_pic (system, KVM_IRQCHIP_PIC_SLAVE, chips->pic[1].lines, &chips->pic[1]);
  get_ioapic (system, pins, &chips->ioapic);
  for (unsigned i = 0; i < system->cpu_count; i++)
    get_lapic (system->cpus[i], &lapics[i]);
}
