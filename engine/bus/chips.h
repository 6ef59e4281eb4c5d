/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The registers of the PC's interrupt controllers and of its timer, as they go between our models of the chips and
 * hardware that runs the chips itself.
 */
#pragma once

#include <glib.h>
#include <stdint.h>

enum
{
  CHIPS_IOAPIC_PINS = 24,
  CHIPS_PIT_COUNTERS = 3,
  CHIPS_LAPIC_REGISTERS = 64 /* one each 16 bytes */
};

/* One of the two 8259As. */
typedef struct
{
  uint8_t lines; /* levels as last driven */
  uint8_t irr, isr, imr;
  uint8_t vector;
  uint8_t elcr;
  uint8_t priority_add; /* the line of highest priority */
  uint8_t init_state;   /* number of the next ICW expected, or 0 */
  uint8_t needs_icw4, single;
  uint8_t auto_eoi, rotate_on_auto_eoi, special_mask, special_fully_nested;
  uint8_t read_isr, poll;
} PicRegisters;

/* The 82093AA. */
typedef struct
{
  uint8_t select, id;
  uint32_t lines; /* pins that are asserted */
  uint32_t irr;   /* edges that were seen and not yet sent */
  uint64_t table[CHIPS_IOAPIC_PINS];
} IoApicRegisters;

/* A local APIC: its page, which has the timer's present count, and the two MSRs. */
typedef struct
{
  uint32_t page[CHIPS_LAPIC_REGISTERS];
  uint64_t base;
  uint64_t tsc_deadline; /* by the board's counter; 0: none */
} LapicRegisters;

/* The 8254 with port B. */
typedef struct
{
  struct
  {
    uint32_t count;      /* 1-65536 (10000 in BCD) */
    int64_t elapsed;     /* ns since it was loaded or triggered */
    uint16_t latched;
    uint8_t latch_bytes; /* still to be read of a latched count */
    uint8_t status_latched, status;
    uint8_t access, mode, bcd, gate;
    uint8_t read_high, write_high, low_byte;
    uint8_t loaded; /* a count has been written since the mode was set */
  } counter[CHIPS_PIT_COUNTERS];
  uint8_t port_b;
  uint8_t irq_disabled; /* counter 0 drives no line */
} PitRegisters;

typedef struct
{
  PicRegisters pic[2]; /* master, slave */
  IoApicRegisters ioapic;
  PitRegisters pit;
} ChipRegisters;
