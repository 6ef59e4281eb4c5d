/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A guest that looks at clocks: how late timers interrupt, whether the clocks agree, whether the processors' time-stamp
 * counters are in step, and how long a gap in time there was. It prints lines to port 0x402 and leaves through port
 * 0xf4; the kernel's command line says what to do (see the table at the end).
 *
 * The time-stamp counter and the local APIC's timer are taken to run at 1 GHz.
 */

#include <stdint.h>

enum
{
  DEBUGCON = 0x402, DEBUG_EXIT = 0xf4, PM_TIMER = 0x608 /* where the firmware puts it */, PIC1_DATA = 0x21, PIC2_DATA = 0xa1, RTC_INDEX = 0x70, RTC_DATA = 0x71,
  VECTOR_TIMER = 0x40, VECTOR_HPET = 0x41, VECTOR_SPURIOUS = 0xff, HPET_PIN = 20,
  MSR_TSC_DEADLINE = 0x6e0, SAMPLES = 500, PERIODS = 200
};

#define LAPIC(offset) (*(volatile uint32_t *) (0xfee00000u + (offset)))
#define IOAPIC(offset) (*(volatile uint32_t *) (0xfec00000u + (offset)))
#define HPET(offset) (*(volatile uint32_t *) (0xfed00000u + (offset)))

enum
{
  LAPIC_SVR = 0xf0, LAPIC_ICR = 0x300, LAPIC_ICR_HIGH = 0x310, LAPIC_TIMER = 0x320, LAPIC_INITIAL = 0x380, LAPIC_CURRENT = 0x390,
  LAPIC_DIVIDE = 0x3e0,
  TIMER_PERIODIC = 1 << 17, TIMER_DEADLINE = 2 << 17, TIMER_MASKED = 1 << 16, DIVIDE_BY_1 = 0xb,
  HPET_CONFIG = 0x10, HPET_COUNTER = 0xf0, HPET_T0_CONFIG = 0x100, HPET_T0_COMPARATOR = 0x108, HPET_PERIOD_NS = 10
};

volatile uint64_t fired_at;
volatile uint32_t fired, fired_vector, ap_count;
extern const uint8_t trampoline[], trampoline_end[];
void timer_interrupt (void);
void hpet_interrupt (void);
void spurious_interrupt (void);
void clocks_main (const uint32_t *info);
void ap_main (uint32_t number);

/* --- The machine --- */

static void outb (uint16_t port, uint8_t value) { __asm__ volatile ("outb %0, %1" : : "a"(value), "Nd"(port)); }
static uint8_t
inb (uint16_t port)
{
  uint8_t value;

  __asm__ volatile ("inb %1, %0" : "=a"(value) : "Nd"(port));
  return value;
}
static uint32_t
inl (uint16_t port)
{
  uint32_t value;

  __asm__ volatile ("inl %1, %0" : "=a"(value) : "Nd"(port));
  return value;
}
static uint64_t
rdtsc (void)
{
  uint64_t value;

  __asm__ volatile ("rdtsc" : "=A"(value) : : "memory");
  return value;
}
static void
wrmsr (uint32_t msr, uint64_t value)
{
  __asm__ volatile ("wrmsr" : : "c"(msr), "A"(value));
}
static void cli (void) { __asm__ volatile ("cli" : : : "memory"); }
static void sti (void) { __asm__ volatile ("sti" : : : "memory"); }
static void sti_hlt (void) { __asm__ volatile ("sti\n\thlt" : : : "memory"); }
static void pause (void) { __asm__ volatile ("pause" : : : "memory"); }

/* Both halves of one moment. */
static uint64_t
hpet_counter (void)
{
  uint32_t high, low;

  do
    {
      high = HPET (HPET_COUNTER + 4);
      low = HPET (HPET_COUNTER);
    }
  while (high != HPET (HPET_COUNTER + 4));
  return (uint64_t) high << 32 | low;
}

/* --- Printing --- */

static void
put (const char *text)
{
  while (*text != '\0')
    outb (DEBUGCON, (uint8_t) *text++);
}

static void
put_hex (uint64_t value)
{
  for (int shift = 60; shift >= 0; shift -= 4)
    outb (DEBUGCON, (uint8_t) "0123456789abcdef"[value >> shift & 15]);
}

static void
put_number (int32_t value)
{
  char text[12], *at = text + 11;
  uint32_t rest = value < 0 ? -(uint32_t) value : (uint32_t) value;

  *at = '\0';
  do
    *--at = (char) ('0' + rest % 10);
  while ((rest /= 10) != 0);
  if (value < 0)
    *--at = '-';
  put (at);
}

static void
put_word (int32_t value)
{
  put (" ");
  put_number (value);
}

/* --- Interrupts --- */

static void
set_gate (uint32_t *idt, unsigned vector, void (*handler) (void))
{
  uint32_t address = (uint32_t) (uintptr_t) handler;

  idt[vector * 2] = 8 << 16 | (address & 0xffff);
  idt[vector * 2 + 1] = (address & 0xffff0000) | 0x8e00;
}

static void
start_interrupts (void)
{
  static uint32_t idt[512];
  struct { uint16_t limit; uint32_t base; } __attribute__ ((packed)) pointer = { sizeof idt - 1, (uint32_t) (uintptr_t) idt };

  outb (PIC1_DATA, 0xff);
  outb (PIC2_DATA, 0xff);
  set_gate (idt, VECTOR_TIMER, timer_interrupt);
  set_gate (idt, VECTOR_HPET, hpet_interrupt);
  set_gate (idt, VECTOR_SPURIOUS, spurious_interrupt);
  __asm__ volatile ("lidt %0" : : "m"(pointer));
  LAPIC (LAPIC_SVR) = 0x100 | VECTOR_SPURIOUS;
  LAPIC (LAPIC_DIVIDE) = DIVIDE_BY_1;
  LAPIC (LAPIC_TIMER) = TIMER_MASKED;
  IOAPIC (0) = 0x10 + 2 * HPET_PIN + 1;
  IOAPIC (0x10) = 0;
  IOAPIC (0) = 0x10 + 2 * HPET_PIN;
  IOAPIC (0x10) = VECTOR_HPET;
  HPET (HPET_CONFIG) = 1;
}

static void
wait_for_interrupt (int is_busy)
{
  if (is_busy)
    {
      sti ();
      while (fired == 0)
        ;
    }
  else
    while (fired == 0)
      {
        sti_hlt ();
        cli ();
      }
  cli ();
}

/* --- How late timers are --- */

enum { SOURCE_LAPIC, SOURCE_DEADLINE, SOURCE_HPET, SOURCES };
static const char *const source_names[SOURCES] = { "lapic", "deadline", "hpet" };

/* Sets the timer to @ns from now; returns that moment. */
static uint64_t
set_timer (int source, uint32_t ns)
{
  uint64_t target;

  switch (source)
    {
    case SOURCE_LAPIC:
      LAPIC (LAPIC_TIMER) = VECTOR_TIMER;
      target = rdtsc () + ns;
      LAPIC (LAPIC_INITIAL) = ns;
      return target;
    case SOURCE_DEADLINE:
      LAPIC (LAPIC_TIMER) = TIMER_DEADLINE | VECTOR_TIMER;
      target = rdtsc () + ns;
      wrmsr (MSR_TSC_DEADLINE, target);
      return target;
    default:
      HPET (HPET_T0_CONFIG) = HPET_PIN << 9 | 1 << 8 | 1 << 2; /* 32 bits, on */
      target = rdtsc () + ns;
      HPET (HPET_T0_COMPARATOR) = HPET (HPET_COUNTER) + ns / HPET_PERIOD_NS;
      return target;
    }
}

static void
stop_timer (int source)
{
  if (source == SOURCE_HPET)
    HPET (HPET_T0_CONFIG) = 0;
  else
    LAPIC (LAPIC_TIMER) = TIMER_MASKED;
}

static void
sort (int32_t *values, int count)
{
  for (int i = 1; i < count; i++)
    for (int k = i; k > 0 && values[k - 1] > values[k]; k--)
      {
        int32_t swap = values[k];

        values[k] = values[k - 1];
        values[k - 1] = swap;
      }
}

static int samples = SAMPLES;

/* “late SOURCE halted|busy DELAY: MIN MEDIAN P90 P99 MAX”, all in ns. */
static void
measure_lateness (int source, uint32_t delay, int is_busy)
{
  static int32_t late[SAMPLES];

  for (int i = 0; i < samples; i++)
    {
      uint64_t target;

      fired = 0;
      /* Not always as far from whatever else is periodic. */
      target = set_timer (source, delay + (uint32_t) i * 977);
      wait_for_interrupt (is_busy);
      late[i] = (int32_t) (fired_at - target);
    }
  stop_timer (source);
  sort (late, samples);
  put ("late ");
  put (source_names[source]);
  put (is_busy ? " busy" : " halted");
  put_word ((int32_t) delay);
  put (":");
  put_word (late[0]);
  put_word (late[samples / 2]);
  put_word (late[samples * 9 / 10]);
  put_word (late[samples * 99 / 100]);
  put_word (late[samples - 1]);
  put ("\n");
}

static void
do_late (void)
{
  for (int source = 0; source < SOURCES; source++)
    for (int is_busy = 0; is_busy < 2; is_busy++)
      {
        measure_lateness (source, 100000, is_busy);
        measure_lateness (source, 3000000, is_busy);
      }
}

/* --- Periodic timers: as many interrupts as there was time for --- */

/* “periodic SOURCE PERIOD: COUNT ELAPSED” */
static void
measure_periodic (int source, uint32_t period)
{
  uint64_t first, last;

  fired = 0;
  if (source == SOURCE_LAPIC)
    {
      LAPIC (LAPIC_TIMER) = TIMER_PERIODIC | VECTOR_TIMER;
      LAPIC (LAPIC_INITIAL) = period;
    }
  else
    {
      HPET (HPET_T0_CONFIG) = HPET_PIN << 9 | 1 << 8 | 1 << 6 | 1 << 3 | 1 << 2;
      HPET (HPET_T0_COMPARATOR) = HPET (HPET_COUNTER) + period / HPET_PERIOD_NS;
      HPET (HPET_T0_COMPARATOR) = period / HPET_PERIOD_NS;
    }
  while (fired == 0)
    {
      sti_hlt ();
      cli ();
    }
  first = fired_at;
  while (fired <= PERIODS)
    {
      sti_hlt ();
      cli ();
    }
  last = fired_at;
  put ("periodic ");
  put (source_names[source]);
  put_word ((int32_t) period);
  put (":");
  put_word ((int32_t) fired - 1);
  put_word ((int32_t) (last - first));
  put ("\n");
  if (source == SOURCE_LAPIC)
    LAPIC (LAPIC_INITIAL) = 0;
  stop_timer (source);
}

static void
do_brief (void)
{
  samples = SAMPLES / 10;
}

static void
do_periodic (void)
{
  measure_periodic (SOURCE_LAPIC, 2000000);
  measure_periodic (SOURCE_HPET, 2000000);
}

/* --- Whether the clocks agree --- */

static uint8_t
rtc (uint8_t index)
{
  outb (RTC_INDEX, index);
  return inb (RTC_DATA);
}

static uint64_t pm_high;
static uint32_t pm_last, lapic_last;
static uint64_t lapic_total;

/* “sample TSC-BEFORE TSC-AFTER HPET PM LAPIC RTC”: hexadecimal, the counters extended to 64 bits. */
static void
sample (void)
{
  uint64_t before, after, hpet;
  uint32_t pm, lapic;

  before = rdtsc ();
  hpet = hpet_counter ();
  pm = inl (PM_TIMER) & 0xffffff;
  lapic = LAPIC (LAPIC_CURRENT);
  after = rdtsc ();
  if (pm < pm_last)
    pm_high += 1 << 24;
  pm_last = pm;
  lapic_total += lapic_last - lapic;
  lapic_last = lapic;
  put ("sample ");
  put_hex (before);
  put (" ");
  put_hex (after);
  put (" ");
  put_hex (hpet);
  put (" ");
  put_hex (pm_high + pm);
  put (" ");
  put_hex (lapic_total);
  put (" ");
  put_hex ((uint64_t) rtc (4) << 16 | rtc (2) << 8 | rtc (0));
  put ("\n");
}

/* One sample a second, until the machine is switched off; the processor works in between. */
static void
do_clocks (void)
{
  uint64_t next = rdtsc (), ns = 1000000000;

  LAPIC (LAPIC_TIMER) = TIMER_PERIODIC | TIMER_MASKED | VECTOR_TIMER;
  LAPIC (LAPIC_INITIAL) = 0xffffffff;
  lapic_last = LAPIC (LAPIC_CURRENT);
  pm_last = inl (PM_TIMER) & 0xffffff;
  for (unsigned n = 0;; n++)
    {
      sample ();
      next += ns;
      while ((int64_t) (rdtsc () - next) < 0)
        ;
    }
}

/* --- Gaps --- */

/* “gap NS” every 100 ms: the longest between two looks at the counter since the last line, printing it included. */
static void
do_gap (void)
{
  uint64_t last = rdtsc (), told = last;
  uint32_t longest = 0;

  put ("started\n");
  for (;;)
    {
      uint64_t now = rdtsc (), gap = now - last;

      last = now;
      if (gap > longest)
        longest = gap > 0x7fffffff ? 0x7fffffff : (uint32_t) gap;
      if (now - told > 100000000)
        {
          put ("gap");
          put_word ((int32_t) longest);
          put ("\n");
          longest = 0;
          told = now;
        }
    }
}

/* --- Time-stamp counters in step --- */

static volatile uint32_t warp_lock, warp_stop, warps, warp_looks, aps_ready;
static volatile uint64_t warp_last;

/* Whoever reads after another must not read less. */
static void
look_for_warp (void)
{
  uint64_t now;

  while (__atomic_exchange_n (&warp_lock, 1, __ATOMIC_SEQ_CST))
    pause ();
  now = rdtsc ();
  if (now < warp_last)
    warps++;
  warp_last = now;
  warp_looks++;
  __atomic_store_n (&warp_lock, 0, __ATOMIC_SEQ_CST);
  for (int i = 0; i < 10; i++)
    pause ();
}

void
ap_main (uint32_t number)
{
  (void) number;
  __atomic_fetch_add (&aps_ready, 1, __ATOMIC_SEQ_CST);
  while (!warp_stop)
    look_for_warp ();
  __atomic_fetch_sub (&aps_ready, 1, __ATOMIC_SEQ_CST);
}

static void
delay (uint32_t ns)
{
  uint64_t end = rdtsc () + ns;

  while ((int64_t) (rdtsc () - end) < 0)
    pause ();
}

/* “started”, and after 0.3 s “warps COUNT LOOKS APS” */
static void
do_warps (void)
{
  uint8_t *page = (uint8_t *) 0x8000;
  uint64_t end;

  for (const uint8_t *p = trampoline; p < trampoline_end; p++)
    *page++ = *p;
  LAPIC (LAPIC_ICR_HIGH) = 0;
  LAPIC (LAPIC_ICR) = 0xc4500; /* INIT, all but us */
  delay (10000000);
  LAPIC (LAPIC_ICR) = 0xc4608; /* start-up at 8000 */
  delay (200000);
  LAPIC (LAPIC_ICR) = 0xc4608;
  put ("started\n");
  end = rdtsc () + 300000000;
  while ((int64_t) (rdtsc () - end) < 0)
    look_for_warp ();
  put ("warps");
  put_word ((int32_t) warps);
  put_word ((int32_t) warp_looks);
  put_word ((int32_t) aps_ready);
  warp_stop = 1;
  while (aps_ready != 0)
    pause ();
  put ("\n");
}

/* --- Main --- */

static const struct { const char *word; void (*run) (void); } tasks[] = {
  { "brief", do_brief }, { "late", do_late }, { "periodic", do_periodic }, { "warps", do_warps }, { "clocks", do_clocks }, { "gap", do_gap },
};

static int
has_word (const char *line, const char *word)
{
  for (; *line != '\0'; line++)
    {
      const char *a = line, *b = word;

      while (*b != '\0' && *a == *b)
        a++, b++;
      if (*b == '\0')
        return 1;
    }
  return 0;
}

void
clocks_main (const uint32_t *info)
{
  const char *line = (const char *) (uintptr_t) info[4];

  start_interrupts ();
  /* After the kernel's name. */
  while (*line != '\0' && *line != ' ')
    line++;
  for (unsigned i = 0; i < sizeof tasks / sizeof *tasks; i++)
    if (has_word (line, tasks[i].word))
      tasks[i].run ();
  put ("end\n");
  outb (DEBUG_EXIT, 0x10);
}
