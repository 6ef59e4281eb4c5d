/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Code that a guest writes over and over: what was decoded and translated of it is renewed, and never outlives a change. */

#include "engine/cpu/jit/jit.h"
#include "tests/unit/cpu/guest.h"

#include <string.h>

enum
{
  SLOT = 64, SLOTS = 4, TABLE = 0x400000, COUNT = 4000, CALLS = 3, MANY = 12000 /* more than there is room for */,
  SHAPES = 6,
  SLOT_BASE = 0x30000, HELPERS = 0x32000, HELPER_SIZE = 16
};

/* rewrite_all copies functions of 64 bytes from TABLE over each other and calls each CALLS times with RDI, the value that the
 * one before returned in RAX. */
extern const uint8_t rewrite_all[], rewrite_all_end[];

/* A function as code at @at that will run at @address, and what it does to *@value; @shape chooses its instructions, @key its
 * constants. */
static void
put_function (uint8_t *at, uint32_t address, unsigned shape, uint64_t key, uint64_t *value)
{
  uint32_t first = (uint32_t) key & (shape == 0 ? 0x7f : 0xfffff), second = (uint32_t) (key >> 32), third = (uint32_t) (key >> 16);
  uint64_t x = *value;

  switch (shape)
    {
    case 0: /* lea rax,[rdi+disp8]; mov rdx,imm64; add rax,rdx; cmp al,imm8; jb 1f; not rax; 1: ret */
      {
        uint8_t code[] = { 0x48, 0x8d, 0x47, (uint8_t) first, 0x48, 0xba, 0, 0, 0, 0, 0, 0, 0, 0, 0x48, 0x01, 0xd0,
                           0x3c, (uint8_t) second, 0x72, 0x03, 0x48, 0xf7, 0xd0, 0xc3 };

        memcpy (code + 6, &key, 8);
        memcpy (at, code, sizeof code);
        x += first + key;
        x = (uint8_t) x < (uint8_t) second ? x : ~x;
        break;
      }
    case 1: /* lea rax,[rdi+rdi*2+disp32]; xor eax,imm32; mov ecx,8; 1: add rax,imm32; rol rax,7; dec ecx; jnz 1b; ret */
    case 2: /* the same with ror */
      {
        uint8_t code[] = { 0x48, 0x8d, 0x84, 0x7f, 0, 0, 0, 0, 0x35, 0, 0, 0, 0, 0xb9, 8, 0, 0, 0, 0x48, 0x05, 0, 0, 0, 0,
                           0x48, 0xc1, shape == 1 ? 0xc0 : 0xc8, 7, 0xff, 0xc9, 0x75, 0xf2, 0xc3 };

        memcpy (code + 4, &first, 4);
        memcpy (code + 9, &second, 4);
        memcpy (code + 20, &third, 4);
        memcpy (at, code, sizeof code);
        x = (uint32_t) (x * 3 + first) ^ second;
        for (unsigned i = 0; i < 8; i++)
          {
            x += (uint64_t) (int64_t) (int32_t) third;
            x = shape == 1 ? x << 7 | x >> 57 : x >> 7 | x << 57;
          }
        break;
      }
    case 3: /* mov rax,rdi; stc; shl rax,imm8; adc rax,imm8; ret: with a count of 0 CF stays */
      {
        unsigned count = key % 5;
        uint8_t code[] = { 0x48, 0x89, 0xf8, 0xf9, 0x48, 0xc1, 0xe0, (uint8_t) count, 0x48, 0x83, 0xd0, (uint8_t) second, 0xc3 };

        memcpy (at, code, sizeof code);
        x = (x << count) + (count == 0 ? 1 : (x >> (64 - count)) & 1) + (uint64_t) (int64_t) (int8_t) second;
        break;
      }
    case 4: /* mov rax,rdi; add rax,imm8; call one of four functions in another page; ret */
      {
        unsigned helper = key % 4;
        int32_t relative = (int32_t) (HELPERS + helper * HELPER_SIZE) - (int32_t) (address + 12);
        uint8_t code[] = { 0x48, 0x89, 0xf8, 0x48, 0x83, 0xc0, (uint8_t) second, 0xe8, 0, 0, 0, 0, 0xc3 };

        memcpy (code + 8, &relative, 4);
        memcpy (at, code, sizeof code);
        x += (uint64_t) (int64_t) (int8_t) second + helper + 1;
        break;
      }
    default: /* mov eax,imm32; add rax,rdi; jmp 1f; nop…; 1: imul rax,rax,imm32; ret, the jump and its target anywhere */
      {
        unsigned skip = key % 16;
        uint8_t code[] = { 0xb8, 0, 0, 0, 0, 0x48, 0x01, 0xf8, 0xeb, (uint8_t) skip };
        uint8_t end[] = { 0x48, 0x69, 0xc0, 0, 0, 0, 0, 0xc3 };

        memcpy (code + 1, &second, 4);
        memcpy (end + 3, &third, 4);
        memset (at, 0x90, SLOT);
        memcpy (at, code, sizeof code);
        memcpy (at + sizeof code + skip, end, sizeof end);
        x = (second + x) * (uint64_t) (int64_t) (int32_t) third;
        break;
      }
    }
  *value = x;
}

/* Each adds a number of its own to RAX. */
static void
put_helpers (Guest *guest)
{
  for (unsigned i = 0; i < 4; i++)
    {
      const uint8_t code[] = { 0x48, 0x83, 0xc0, (uint8_t) (i + 1), 0xc3 };

      memcpy (guest->ram + HELPERS + i * HELPER_SIZE, code, sizeof code);
    }
}

/* @runs: how often, on average, a shape stays in its slot. */
static void
rewrite (Guest *guest, unsigned runs)
{
  uint64_t value = 1, seed = 0x9e3779b97f4a7c15;
  unsigned shape[SLOTS] = { 0 };

  guest_long_mode (guest);
  guest_catch_exceptions (guest);
  put_helpers (guest);
  guest_code (guest, rewrite_all, (size_t) (rewrite_all_end - rewrite_all));
  for (unsigned i = 0; i < COUNT; i++)
    {
      unsigned slot = (COUNT - i) % SLOTS;

      seed ^= seed << 13;
      seed ^= seed >> 7;
      seed ^= seed << 17;
      if ((seed >> 40) % runs == 0)
        shape[slot] = (unsigned) (seed >> 50) % SHAPES;
      for (unsigned call = 0; call < CALLS; call++)
        put_function (guest->ram + TABLE + i * SLOT, SLOT_BASE + slot * SLOT, shape[slot], seed, &value);
    }
  guest->cpu->r[X86_R8] = COUNT;
  guest->cpu->r[X86_RAX] = 1;
  guest_run (guest);
  g_assert_cmpint (guest_exception (guest), ==, -1);
  g_assert_cmphex (guest->cpu->r[X86_RAX], ==, value);
}

static void
test_interpreted (void)
{
  g_autoptr (Guest) guest = guest_new ();

  rewrite (guest, 8);
}

static void
test_translated (gconstpointer data)
{
  unsigned heat = GPOINTER_TO_UINT (data);
  g_autoptr (Guest) guest = guest_new ();
  g_autoptr (GError) error = NULL;
  X86Counters counters;

  x86_system_set_accel (guest->system, x86_accel_find ("jit"), &error);
  g_assert_no_error (error);
  x86_jit_set_heat (guest->cpu, heat);
  rewrite (guest, 8);
  x86_cpu_counters (guest->cpu, &counters);
  g_assert_cmpuint (counters.renewed, >, COUNT / 4);
  g_assert_cmpuint (counters.dropped, >, counters.renewed);
}

/* More code than there is room for: all of it goes, and comes again as it is run. */
static void
test_no_room (void)
{
  extern const uint8_t call_all[], call_all_end[];
  g_autoptr (Guest) guest = guest_new ();
  g_autoptr (GError) error = NULL;
  uint64_t value = 1, seed = 0x9e3779b97f4a7c15;
  X86Counters counters;

  x86_system_set_code_cache (guest->system, 1);
  x86_system_set_accel (guest->system, x86_accel_find ("jit"), &error);
  g_assert_no_error (error);
  x86_jit_set_heat (guest->cpu, 0);
  guest_long_mode (guest);
  guest_catch_exceptions (guest);
  put_helpers (guest);
  guest_code (guest, call_all, (size_t) (call_all_end - call_all));
  for (unsigned pass = 0; pass < 2; pass++)
    for (unsigned i = 0; i < MANY; i++)
      put_function (guest->ram + TABLE + i * SLOT, TABLE + i * SLOT, i % SHAPES, seed * (i + 1), &value);
  guest->cpu->r[X86_R8] = MANY;
  guest->cpu->r[X86_RAX] = 1;
  guest_run (guest);
  g_assert_cmpint (guest_exception (guest), ==, -1);
  g_assert_cmphex (guest->cpu->r[X86_RAX], ==, value);
  x86_cpu_counters (guest->cpu, &counters);
  g_assert_cmpuint (counters.emptied, >=, 2);
  g_assert_cmpuint (counters.code_bytes, <, 4 << 20);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/cpu/rewrite/interpreted", test_interpreted);
  g_test_add_data_func ("/cpu/rewrite/translated", GUINT_TO_POINTER (0), test_translated);
  g_test_add_data_func ("/cpu/rewrite/translated-when-warm", GUINT_TO_POINTER (2), test_translated);
  g_test_add_func ("/cpu/rewrite/no-room", test_no_room);
  return g_test_run ();
}
