/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The hardware accelerator, as far as a host without the hardware has it: state, memory, events, exchange. */

#include "engine/cpu/kvm/kvm-private.h"
#include "tests/cpu/random.h"
#include "tests/unit/cpu/guest.h"

#include <string.h>

#define REG(guest, n) ((guest)->cpu->r[X86_##n])

/* --- State --- */

/* What a guest may have in its registers, at random. */
static void
randomize (Guest *guest, Random *random)
{
  X86Cpu *cpu = guest->cpu;
  const struct { X86Feature feature; uint64_t bit; } bits[] = {
    { X86_FEAT_PGE, X86_CR4_PGE }, { X86_FEAT_FXSR, X86_CR4_OSFXSR }, { X86_FEAT_SSE, X86_CR4_OSXMMEXCPT }, { X86_FEAT_TSC, X86_CR4_TSD }
  };

  guest_long_mode (guest);
  for (unsigned i = 0; i < 16; i++)
    cpu->r[i] = random_next (random);
  cpu->r[X86_RIP] = GUEST_ENTRY + random_below (random, 0x1000);
  x86_set_eflags (cpu, (uint32_t) random_next (random), X86_FLAGS_ARITH | X86_FLAG_DF | X86_FLAG_IF | X86_FLAG_AC | X86_FLAG_ID);
  cpu->r[X86_SEGBASE + X86_FS] = random_next (random) >> 17;
  cpu->r[X86_SEGBASE + X86_GS] = random_next (random) >> 17;
  for (unsigned i = 0; i < G_N_ELEMENTS (bits); i++)
    if (x86_has (cpu, bits[i].feature) && random_below (random, 2))
      cpu->cr4 |= bits[i].bit;
  cpu->cr2 = random_next (random);
  for (unsigned i = 0; i < 4; i++)
    cpu->dr[i] = random_next (random) >> 17;
  cpu->dr[7] = 0x400;
  cpu->msr.star = random_next (random);
  cpu->msr.lstar = random_next (random) >> 17;
  cpu->msr.fmask = random_next (random) & 0x47700;
  cpu->msr.kernel_gs_base = random_next (random) >> 17;
  cpu->msr.sysenter_cs = random_next (random) & 0xfff8;
  cpu->msr.sysenter_esp = random_next (random) >> 17;
  cpu->msr.sysenter_eip = random_next (random) >> 17;
  cpu->msr.pat = 0x0007010600070106;
  for (unsigned i = 0; i < 16; i++)
    for (unsigned j = 0; j < 2; j++)
      cpu->vec[i].q[j] = random_next (random);
  cpu->mxcsr = 0x1f80 | (uint32_t) random_below (random, 0x40);
  cpu->fpu.fcw = 0x37f;
  cpu->fpu.fsw = (uint16_t) (random_below (random, 8) << 11);
  cpu->fpu.ftag = (uint8_t) random_next (random);
  for (unsigned i = 0; i < 8; i++)
    {
      cpu->fpu.st[i].mant = random_next (random) | (uint64_t) 1 << 63;
      cpu->fpu.st[i].se = (uint16_t) (1 + random_below (random, 0x7ffe));
    }
  cpu->nmi_masked = random_below (random, 2) != 0;
  x86_state_changed (cpu);
}

/* What goes into the kernel comes out of it. */
static void
test_state (void)
{
  g_autoptr (Guest) guest = guest_new ();
  Random random = { 42 };

  for (unsigned i = 0; i < 100; i++)
    {
      g_autoptr (GByteArray) before = g_byte_array_new (), after = g_byte_array_new ();

      randomize (guest, &random);
      x86_cpu_save (guest->cpu, before);
      x86_system_put_state (guest->system);
      g_assert_null (x86_system_failure (guest->system));
      /* So that nothing can stay by itself. */
      memset (guest->cpu->r, 0xa5, 16 * sizeof guest->cpu->r[0]);
      memset (guest->cpu->vec, 0xa5, sizeof guest->cpu->vec);
      memset (&guest->cpu->fpu, 0, sizeof guest->cpu->fpu);
      guest->cpu->cr2 = guest->cpu->cr4 = guest->cpu->msr.lstar = 0;
      x86_system_get_state (guest->system);
      guest->cpu->msr.tsc_offset = 0;
      x86_cpu_save (guest->cpu, after);
      g_assert_cmpuint (after->len, ==, before->len);
      for (guint at = 0; at < after->len; at++)
        if (after->data[at] != before->data[at])
          {
            g_autoptr (GString) text = g_string_new (NULL);

            x86_cpu_dump (guest->cpu, text);
            g_error ("round %u: byte %u of the state is %02x, not %02x\n%s", i, at, after->data[at], before->data[at], text->str);
          }
    }
}

/* --- Memory --- */

typedef struct
{
  uint64_t last_write, last_offset;
  unsigned reads, writes;
} Registers;

static uint64_t
register_read (void *opaque, uint64_t offset, unsigned size)
{
  ((Registers *) opaque)->reads++;
  return 0x11223344aabbccdd >> (8 * (offset & 7));
}

static void
register_write (void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
  Registers *registers = opaque;

  registers->writes++;
  registers->last_write = value;
  registers->last_offset = offset;
}

static void
test_mmio (void)
{
  static const MmioOps ops = { .read = register_read, .write = register_write, .max_size = 8 };
  g_autoptr (Guest) guest = guest_new ();
  Registers registers = { 0 };

  address_space_add_mmio (guest->memory, 0x300000, 0x1000, 1, &ops, &registers);
  guest_protected_mode (guest);
  /* mov eax, [300004]; movzx ebx, byte [300001]; mov [300008], ebx; mov word [30000a], 1234; hlt */
  GUEST_CODE (guest, 0xa1, 0x04, 0x00, 0x30, 0x00, 0x0f, 0xb6, 0x1d, 0x01, 0x00, 0x30, 0x00, 0x89, 0x1d, 0x08, 0x00, 0x30, 0x00,
              0x66, 0xc7, 0x05, 0x0a, 0x00, 0x30, 0x00, 0x34, 0x12, 0xf4);
  guest_run (guest);
  g_assert_cmphex (REG (guest, RAX), ==, 0x11223344);
  g_assert_cmphex (REG (guest, RBX), ==, 0xcc);
  g_assert_cmphex (registers.last_offset, ==, 0xa);
  g_assert_cmphex (registers.last_write, ==, 0x1234);
  g_assert_cmpuint (registers.writes, ==, 2);
  g_assert_cmpuint (guest->cpu->counters.mmio, ==, 4);
}

static void
test_rom (void)
{
  g_autoptr (Guest) guest = guest_new ();
  g_autoptr (GError) error = NULL;
  RamBlock *rom = ram_block_new ("rom", 0x2000, &error);

  g_assert_no_error (error);
  memset (ram_block_host (rom), 0x5a, 0x2000);
  address_space_add_rom (guest->memory, 0x300000, 0x2000, 1, rom, 0);
  guest_protected_mode (guest);
  /* mov dword [300ffe], 0; mov eax, [300ffe]; hlt */
  GUEST_CODE (guest, 0xc7, 0x05, 0xfe, 0x0f, 0x30, 0x00, 0, 0, 0, 0, 0xa1, 0xfe, 0x0f, 0x30, 0x00, 0xf4);
  guest_run (guest);
  g_assert_cmphex (REG (guest, RAX), ==, 0x5a5a5a5a);
  g_assert_cmphex (ram_block_host (rom)[0xffe], ==, 0x5a);
  g_clear_pointer (&guest, guest_free);
  ram_block_free (rom);
}

/* A region that ends within a page: the hardware cannot map it, the rest of the page must still be memory. */
static void
test_partial_page (void)
{
  static const MmioOps ops = { .read = register_read, .write = register_write, .max_size = 8 };
  g_autoptr (Guest) guest = guest_new ();
  Registers registers = { 0 };

  address_space_add_mmio (guest->memory, 0x300800, 0x20, 1, &ops, &registers);
  guest_put32 (guest, 0x300100, 0xfeedface);
  guest_protected_mode (guest);
  /* mov eax, [300100]; mov [300200], eax; mov ebx, [300800]; hlt */
  GUEST_CODE (guest, 0xa1, 0x00, 0x01, 0x30, 0x00, 0xa3, 0x00, 0x02, 0x30, 0x00, 0x8b, 0x1d, 0x00, 0x08, 0x30, 0x00, 0xf4);
  guest_run (guest);
  g_assert_cmphex (REG (guest, RAX), ==, 0xfeedface);
  g_assert_cmphex (guest_u32 (guest, 0x300200), ==, 0xfeedface);
  g_assert_cmphex (REG (guest, RBX), ==, 0xaabbccdd);
  g_assert_cmpuint (registers.reads, ==, 1);
}

/* What the guest writes shows up in the log once it is asked for, and only that. */
static void
test_dirty_log (void)
{
  g_autoptr (Guest) guest = guest_new ();
  g_autoptr (GError) error = NULL;
  RamBlock *frame = ram_block_new ("frame", 16 * 0x1000, &error);
  uint8_t pages[16] = { 0 };

  g_assert_no_error (error);
  address_space_add_ram (guest->memory, 0x1000000, 16 * 0x1000, 1, frame, 0);
  ram_block_enable_dirty_log (frame, guest->memory, 1);
  guest_protected_mode (guest);
  /* inc byte [1003000]; inc byte [1007fff]; mov al, [1009000]; hlt */
  GUEST_CODE (guest, 0xfe, 0x05, 0x00, 0x30, 0x00, 0x01, 0xfe, 0x05, 0xff, 0x7f, 0x00, 0x01, 0xa0, 0x00, 0x90, 0x00, 0x01, 0xf4);
  for (unsigned round = 0; round < 3; round++)
    {
      guest->cpu->halted = X86_HALT_NONE;
      REG (guest, RIP) = GUEST_ENTRY;
      guest_run (guest);
      memset (pages, 0, sizeof pages);
      g_assert_true (ram_block_collect_dirty (frame, 0, 16, pages));
      for (unsigned i = 0; i < 16; i++)
        g_assert_cmpuint (pages[i], ==, i == 3 || i == 7);
    }
  /* Reported once more, then no longer. */
  ram_block_collect_dirty (frame, 0, 16, pages);
  memset (pages, 0, sizeof pages);
  g_assert_false (ram_block_collect_dirty (frame, 0, 16, pages));
  g_clear_pointer (&guest, guest_free);
  ram_block_free (frame);
}

static void
test_a20 (void)
{
  g_autoptr (Guest) guest = guest_new ();

  guest_protected_mode (guest);
  guest_put32 (guest, 0x5000, 0x1111);
  guest_put32 (guest, 0x105000, 0x2222);
  /* mov eax, [105000]; hlt */
  GUEST_CODE (guest, 0xa1, 0x00, 0x50, 0x10, 0x00, 0xf4);
  for (unsigned open = 0; open < 3; open++)
    {
      x86_cpu_set_a20 (guest->cpu, open & 1);
      guest->cpu->halted = X86_HALT_NONE;
      REG (guest, RIP) = GUEST_ENTRY;
      guest_run (guest);
      g_assert_cmphex (REG (guest, RAX), ==, open & 1 ? 0x2222 : 0x1111);
    }
}

/* --- Events --- */

static gpointer
run_guest (gpointer data)
{
  Guest *guest = data;

  while (x86_cpu_run (guest->cpu) == X86_EXIT_KICKED && guest->ports[1] == 0)
    continue;
  return NULL;
}

/* A processor that spins is called out, and memory changes under it without its ever seeing a hole. */
static void
test_kick (void)
{
  enum { BLOCKS = 2, CHANGES = 200 };
  g_autoptr (Guest) guest = guest_new ();
  MemoryRegion *region[BLOCKS];
  RamBlock *block[BLOCKS];
  g_autoptr (GError) error = NULL;
  GThread *thread;

  for (unsigned i = 0; i < BLOCKS; i++)
    {
      block[i] = ram_block_new ("block", 0x1000, &error);
      g_assert_no_error (error);
      memset (ram_block_host (block[i]), 0x42, 0x1000);
      /* again: cmp byte [300800], 42; je again; hlt */
      memcpy (ram_block_host (block[i]), "\x80\x3d\x00\x08\x30\x00\x42\x74\xf7\xf4", 10);
      region[i] = address_space_add_ram (guest->memory, 0x300000, 0x1000, 1, block[i], 0);
    }
  guest_protected_mode (guest);
  REG (guest, RIP) = 0x300000;
  x86_system_put_state (guest->system);
  thread = g_thread_new ("guest", run_guest, guest);
  for (unsigned i = 0; i < CHANGES; i++)
    {
      memory_region_set_enabled (region[1], i & 1);
      g_usleep (100);
      x86_cpu_raise (guest->cpu, X86_REQ_EXIT);
    }
  g_assert_cmpint (guest->cpu->halted, ==, X86_HALT_NONE);
  guest->ports[1] = 1;
  x86_cpu_raise (guest->cpu, X86_REQ_EXIT);
  g_thread_join (thread);
  x86_system_get_state (guest->system);
  g_assert_null (x86_system_failure (guest->system));
  g_assert_cmpuint (REG (guest, RIP), <, 0x300009);
  g_clear_pointer (&guest, guest_free);
  for (unsigned i = 0; i < BLOCKS; i++)
    ram_block_free (block[i]);
}

/* An interrupt for a processor that spins; later one that wakes it from HLT, and an NMI that does. */
static void
test_interrupts (void)
{
  g_autoptr (Guest) guest = guest_new ();
  GThread *thread;

  guest_protected_mode (guest);
  guest_set_gate (guest, 0x50, SEL_CODE32, 0x18000, 0x8e, 0);
  guest_set_gate (guest, X86_EXC_NMI, SEL_CODE32, 0x18010, 0x8e, 0);
  memcpy (guest->ram + 0x18000, "\xff\xc3\xcf", 3); /* inc ebx; iret */
  memcpy (guest->ram + 0x18010, "\xff\xc1\xcf", 3); /* inc ecx; iret */
  /* sti; again: test ebx, ebx; je again; hlt; hlt; cli; hlt */
  GUEST_CODE (guest, 0xfb, 0x85, 0xdb, 0x74, 0xfc, 0xf4, 0xf4, 0xfa, 0xf4);
  x86_system_put_state (guest->system);
  thread = g_thread_new ("guest", run_guest, guest);
  g_usleep (2000);
  guest->interrupt = 0x50;
  x86_cpu_raise (guest->cpu, X86_REQ_INTR);
  g_thread_join (thread);
  g_assert_cmpint (guest->cpu->halted, ==, X86_HALT_HLT);
  g_assert_false (x86_cpu_has_work (guest->cpu));
  guest->interrupt = 0x50;
  x86_cpu_raise (guest->cpu, X86_REQ_INTR);
  g_assert_true (x86_cpu_has_work (guest->cpu));
  g_assert_cmpint (x86_cpu_run (guest->cpu), ==, X86_EXIT_HALTED);
  x86_cpu_raise (guest->cpu, X86_REQ_NMI);
  g_assert_true (x86_cpu_has_work (guest->cpu));
  g_assert_cmpint (x86_cpu_run (guest->cpu), ==, X86_EXIT_HALTED);
  x86_system_get_state (guest->system);
  g_assert_cmpuint (REG (guest, RBX), ==, 2);
  g_assert_cmpuint (REG (guest, RCX), ==, 1);
  g_assert_cmphex (REG (guest, RIP), ==, GUEST_ENTRY + 9);
  /* Interrupts are off: this HLT is for good. */
  x86_cpu_raise (guest->cpu, X86_REQ_INTR);
  g_assert_false (x86_cpu_has_work (guest->cpu));
}

/* Registers that only we know, and values that nobody takes. */
static void
test_msrs (void)
{
  g_autoptr (Guest) guest = guest_new ();

  guest_protected_mode (guest);
  guest_catch_exceptions (guest);
  /* mov ecx, c001001f; rdmsr; mov ecx, 1234567; mov ebx, 1; rdmsr; hlt: the first is AMD's, the second nobody's */
  GUEST_CODE (guest, 0xb9, 0x1f, 0x00, 0x01, 0xc0, 0x0f, 0x32, 0xb9, 0x67, 0x45, 0x23, 0x01, 0xbb, 1, 0, 0, 0, 0x0f, 0x32, 0xf4);
  guest_run (guest);
  g_assert_cmphex (REG (guest, RBX), ==, 1);
  g_assert_cmpint (guest_exception (guest), ==, X86_EXC_GP);
}

/* --- What the kernel's emulator leaves to ours --- */

static void
test_emulation (void)
{
  g_autoptr (Guest) guest = guest_new_model ("host");

  if (guest_lacks (guest, X86_FEAT_CX16))
    return;
  guest_long_mode (guest);
  guest_catch_exceptions (guest);
  guest_put64 (guest, GUEST_DATA, 1);
  guest_put64 (guest, GUEST_DATA + 8, 2);
  REG (guest, RAX) = 1;
  REG (guest, RDX) = 2;
  REG (guest, RBX) = 3;
  REG (guest, RCX) = 4;
  /* lock cmpxchg16b [20000]; hlt */
  GUEST_CODE (guest, 0xf0, 0x48, 0x0f, 0xc7, 0x0c, 0x25, 0x00, 0x00, 0x02, 0x00, 0xf4);
  guest_run (guest);
  g_assert_cmpint (guest_exception (guest), ==, -1);
  g_assert_cmphex (guest_u64 (guest, GUEST_DATA), ==, 3);
  g_assert_cmphex (guest_u64 (guest, GUEST_DATA + 8), ==, 4);
}

/* --- Exchange --- */

/* A guest that computes is moved between all three while it does, and comes to the same end. */
static void
test_exchange (void)
{
  static const char *const names[] = { "interp", "kvm", "jit", "kvm" };
  /* mov ecx, 1000000; again: imul eax, eax, 13; add eax, ecx; rol edx, 3; xor edx, eax; push rdx; pop rsi; addss xmm0, xmm1;
   * fld1; faddp; mov [rbx], edx; dec ecx; jnz again; hlt */
  static const uint8_t code[] = { 0xb9, 0x40, 0x42, 0x0f, 0x00, 0x6b, 0xc0, 0x0d, 0x01, 0xc8, 0xc1, 0xc2, 0x03, 0x31, 0xc2, 0x52,
                                  0x5e, 0xf3, 0x0f, 0x58, 0xc1, 0xd9, 0xe8, 0xde, 0xc1, 0x89, 0x13, 0xff, 0xc9, 0x75, 0xe6, 0xf4 };
  uint64_t expected[X86_REG_COUNT] = { 0 };
  X86Vec sum = { .q = { 0 } };
  unsigned exchanges = 0;

  for (unsigned moves = 0; moves < 2; moves++)
    {
      g_autoptr (Guest) guest = guest_new ();
      g_autoptr (GError) error = NULL;
      GThread *thread;

      if (!moves)
        x86_system_set_accel (guest->system, x86_accel_find ("interp"), &error);
      g_assert_no_error (error);
      guest_long_mode (guest);
      guest_code (guest, code, sizeof code);
      guest->cpu->cr4 |= X86_CR4_OSFXSR;
      guest->cpu->vec[1].f[0] = 0.37f;
      guest->cpu->fpu.fcw = 0x37f;
      guest->cpu->fpu.ftag = 1;
      REG (guest, RBX) = GUEST_DATA;
      x86_state_changed (guest->cpu);
      guest->ports[1] = moves; /* come back when kicked */
      while (TRUE)
        {
          x86_system_put_state (guest->system);
          thread = g_thread_new ("guest", run_guest, guest);
          if (moves)
            {
              g_usleep (300);
              x86_cpu_raise (guest->cpu, X86_REQ_EXIT);
            }
          g_thread_join (thread);
          x86_system_get_state (guest->system);
          if (guest->cpu->halted == X86_HALT_HLT)
            break;
          x86_system_set_accel (guest->system, x86_accel_find (names[exchanges++ % G_N_ELEMENTS (names)]), &error);
          g_assert_no_error (error);
        }
      for (unsigned i = 0; i <= X86_RIP; i++)
        if (!moves)
          expected[i] = guest->cpu->r[i];
        else
          g_assert_cmphex (guest->cpu->r[i], ==, expected[i]);
      if (!moves)
        sum = guest->cpu->vec[0];
      else
        g_assert_cmpmem (&guest->cpu->vec[0], 16, &sum, 16);
    }
  g_test_message ("%u exchanges", exchanges);
  g_assert_cmpuint (exchanges, >, 4);
}

/* The probe's verdict is a number, and stays about the same. */
static void
test_slowdown (void)
{
  g_autoptr (GError) error = NULL;
  double first = 0, second = 0;
  gint64 begun = g_get_monotonic_time ();

  g_assert_true (x86_hardware_slowdown (&first, &error));
  g_assert_no_error (error);
  g_assert_true (x86_hardware_slowdown (&second, &error));
  g_assert_cmpfloat (first, >, 0.1);
  g_assert_cmpfloat (MAX (first, second) / MIN (first, second), <, 10);
  g_assert_cmpint (g_get_monotonic_time () - begun, <, 10 * G_USEC_PER_SEC);
  g_test_message ("%.1f and %.1f times slower than translation", first, second);
}

int
main (int argc, char **argv)
{
  g_setenv ("BUNSHIN_TEST_ACCEL", "kvm", TRUE);
  if (guest_skip_all ())
    return 0;
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/kvm/state", test_state);
  g_test_add_func ("/kvm/memory/mmio", test_mmio);
  g_test_add_func ("/kvm/memory/rom", test_rom);
  g_test_add_func ("/kvm/memory/partial-page", test_partial_page);
  g_test_add_func ("/kvm/memory/dirty-log", test_dirty_log);
  g_test_add_func ("/kvm/memory/a20", test_a20);
  g_test_add_func ("/kvm/kick", test_kick);
  g_test_add_func ("/kvm/interrupts", test_interrupts);
  g_test_add_func ("/kvm/msrs", test_msrs);
  g_test_add_func ("/kvm/emulation", test_emulation);
  g_test_add_func ("/kvm/exchange", test_exchange);
  g_test_add_func ("/kvm/slowdown", test_slowdown);
  return g_test_run ();
}
