/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How many guest instructions a second the interpreter does on loops of integers, memory and calls. */

#include "tests/unit/cpu/guest.h"

static void
measure (const char *name, const uint8_t *code, size_t size, uint64_t rounds)
{
  g_autoptr (Guest) guest = guest_new ();
  X86Counters counters;
  int64_t start;
  double seconds;

  guest_long_mode (guest);
  guest_code (guest, code, size);
  guest->cpu->r[X86_RCX] = rounds;
  guest->cpu->r[X86_RSI] = GUEST_DATA;
  start = g_get_monotonic_time ();
  guest_run (guest);
  seconds = (double) (g_get_monotonic_time () - start) / 1e6;
  x86_cpu_counters (guest->cpu, &counters);
  g_print ("%-10s %8.1f MIPS (%" G_GUINT64_FORMAT " instructions in %.2f s)\n", name, (double) counters.instructions / 1e6 / seconds,
           counters.instructions, seconds);
}

int
main (void)
{
  /* 1: add rax, rcx; xor rdx, rax; shl rdx, 3; lea rbx, [rax + rdx * 4 + 5]; sub rcx, 1; jnz 1b; hlt */
  static const uint8_t integers[] = { 0x48, 0x01, 0xc8, 0x48, 0x31, 0xc2, 0x48, 0xc1, 0xe2, 0x03, 0x48, 0x8d, 0x5c, 0x90,
                                      0x05, 0x48, 0x83, 0xe9, 0x01, 0x75, 0xeb, 0xf4 };
  /* 1: mov rax, [rsi]; add [rsi + 8], rax; mov [rsi + 16], rcx; inc dword [rsi]; dec rcx; jnz 1b; hlt */
  static const uint8_t memory[] = { 0x48, 0x8b, 0x06, 0x48, 0x01, 0x46, 0x08, 0x48, 0x89, 0x4e, 0x10, 0xff, 0x06, 0x48, 0xff,
                                    0xc9, 0x75, 0xee, 0xf4 };
  /* 1: call 2f; dec rcx; jnz 1b; hlt; 2: push rax; cmp rax, 5; jz 3f; pop rax; 3: ret */
  static const uint8_t calls[] = { 0xe8, 0x06, 0x00, 0x00, 0x00, 0x48, 0xff, 0xc9, 0x75, 0xf6, 0xf4, 0x50, 0x48, 0x83, 0xf8,
                                   0x05, 0x74, 0x01, 0x58, 0xc3 };

  measure ("integers", integers, sizeof integers, 100000000);
  measure ("memory", memory, sizeof memory, 50000000);
  measure ("calls", calls, sizeof calls, 30000000);
  return 0;
}
