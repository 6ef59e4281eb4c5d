/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Long mode: paging, system calls, interrupts, atomics, limits of instructions. */

#include "engine/cpu/jit/jit.h"
#include "tests/unit/cpu/guest.h"

#define REG(guest, n) ((guest)->cpu->r[X86_##n])
#define assert_reg(guest, n, value) g_assert_cmphex (REG (guest, n), ==, (uint64_t) (value))

static Guest *
long_guest (void)
{
  Guest *guest = guest_new ();

  guest_long_mode (guest);
  guest_catch_exceptions (guest);
  return guest;
}

/* Address of the page-table entry that maps @address. */
static uint64_t
entry_of (uint64_t address)
{
  return GUEST_TABLES + 0x3000 + (address >> 12) * 8;
}

static void
test_arithmetic (void)
{
  g_autoptr (Guest) guest = long_guest ();
  unsigned __int128 product = (unsigned __int128) 0x123456789abcdef0 * 0xfedcba9876543210;

  GUEST_SNIPPET (guest, long_arith);
  guest_run (guest);
  assert_reg (guest, R8, (uint64_t) (product >> 64));
  assert_reg (guest, RAX, (uint64_t) product / 10);
  assert_reg (guest, RDX, (uint64_t) product % 10);
  assert_reg (guest, R10, 0x76543210);
  assert_reg (guest, RBX, 0x1032547698badcfe);
  assert_reg (guest, R12, 0xffffffff);
  g_assert_cmphex (guest->ram[GUEST_DATA], ==, (uint8_t) ((uint64_t) product / 10));
}

static void
test_noncanonical (void)
{
  g_autoptr (Guest) guest = long_guest ();

  GUEST_SNIPPET (guest, long_noncanonical);
  guest_run (guest);
  g_assert_cmpint (guest_exception (guest), ==, X86_EXC_GP);
  assert_reg (guest, RCX, 1);
}

static void
test_stack_noncanonical (void)
{
  g_autoptr (Guest) guest = long_guest ();

  guest_put64 (guest, GUEST_TSS + 36, 0x88000); /* IST 1 */
  guest_set_gate (guest, X86_EXC_SS, SEL_CODE64, 0x4000 + X86_EXC_SS * 16, 0x8e, 1);
  GUEST_SNIPPET (guest, long_stack_noncanonical);
  guest_run (guest);
  g_assert_cmpint (guest_exception (guest), ==, X86_EXC_SS);
  assert_reg (guest, RSP, 0x88000 - 48);
  g_assert_cmphex (guest_frame (guest, 4), ==, 0x800000001000);
}

/* Present, write and user bits of the error code; nothing changed before the fault. */
static void
test_page_fault (void)
{
  g_autoptr (Guest) guest = long_guest ();

  guest_put64 (guest, entry_of (0x400000), 0x400000 | 1); /* read-only, supervisor */
  GUEST_SNIPPET (guest, long_fault_write);
  guest_run (guest);
  g_assert_cmpint (guest_exception (guest), ==, X86_EXC_PF);
  g_assert_cmphex (guest_frame (guest, 0), ==, 3);
  g_assert_cmphex (guest->cpu->cr2, ==, 0x400000);
  assert_reg (guest, RCX, 2);
  assert_reg (guest, RDI, 0x400000);
}

static void
test_rep_fault (void)
{
  g_autoptr (Guest) guest = long_guest ();

  guest_put64 (guest, entry_of (0x400000), 0);
  memset (guest->ram + GUEST_DATA, 0x33, 0x200);
  GUEST_SNIPPET (guest, long_rep_fault);
  guest_run (guest);
  g_assert_cmpint (guest_exception (guest), ==, X86_EXC_PF);
  g_assert_cmphex (guest_frame (guest, 0), ==, 2);
  g_assert_cmphex (guest->cpu->cr2, ==, 0x400000);
  assert_reg (guest, RCX, 0x100);
  assert_reg (guest, RSI, 0x20100);
  assert_reg (guest, RDI, 0x400000);
  g_assert_cmphex (guest->ram[0x3fffff], ==, 0x33);
}

static void
test_accessed_dirty (void)
{
  g_autoptr (Guest) guest = long_guest ();

  GUEST_CODE (guest, 0x8b, 0x07, 0x89, 0x06, 0xf4); /* mov eax, [rdi]; mov [rsi], eax; hlt */
  REG (guest, RDI) = 0x500000;
  REG (guest, RSI) = 0x501000;
  guest_run (guest);
  g_assert_cmphex (guest_u64 (guest, entry_of (0x500000)) & 0x60, ==, 0x20);
  g_assert_cmphex (guest_u64 (guest, entry_of (0x501000)) & 0x60, ==, 0x60);
  g_assert_cmphex (guest_u64 (guest, entry_of (0x502000)) & 0x60, ==, 0);
}

/* A read fills the TLB; the first write must still set D. */
static void
test_read_then_write (void)
{
  g_autoptr (Guest) guest = long_guest ();

  GUEST_CODE (guest, 0x8b, 0x07, 0x89, 0x07, 0xf4); /* mov eax, [rdi]; mov [rdi], eax; hlt */
  REG (guest, RDI) = 0x500000;
  guest_run (guest);
  g_assert_cmphex (guest_u64 (guest, entry_of (0x500000)) & 0x60, ==, 0x60);
}

static void
test_reserved_and_nx (void)
{
  g_autoptr (Guest) guest = long_guest ();

  guest_put64 (guest, entry_of (0x500000), 0x500007 | (uint64_t) 1 << 51);
  GUEST_CODE (guest, 0x8b, 0x07, 0xf4); /* mov eax, [rdi]; hlt */
  REG (guest, RDI) = 0x500000;
  guest_run (guest);
  g_assert_cmpint (guest_exception (guest), ==, X86_EXC_PF);
  g_assert_cmphex (guest_frame (guest, 0), ==, 9);

  guest_long_mode (guest);
  guest_catch_exceptions (guest);
  guest_put64 (guest, entry_of (0x500000), 0x500007 | (uint64_t) 1 << 63);
  GUEST_CODE (guest, 0xff, 0xe7); /* jmp rdi */
  REG (guest, RDI) = 0x500000;
  guest_run (guest);
  g_assert_cmpint (guest_exception (guest), ==, X86_EXC_PF);
  g_assert_cmphex (guest_frame (guest, 0), ==, 0x11);
  g_assert_cmphex (guest_frame (guest, 1), ==, 0x500000);
}

static void
test_cmpxchg16b (void)
{
  g_autoptr (Guest) guest = long_guest ();

  if (guest_lacks (guest, X86_FEAT_CX16))
    return;
  guest_put64 (guest, GUEST_DATA, 1);
  guest_put64 (guest, GUEST_DATA + 8, 2);
  GUEST_SNIPPET (guest, long_cmpxchg16b);
  guest_run (guest);
  g_assert_cmphex (REG (guest, R8) & 0xff, ==, 1);
  g_assert_cmphex (REG (guest, R9) & 0xff, ==, 0);
  assert_reg (guest, RAX, 3);
  assert_reg (guest, RDX, 4);
  g_assert_cmphex (guest_u64 (guest, GUEST_DATA), ==, 3);
  g_assert_cmphex (guest_u64 (guest, GUEST_DATA + 8), ==, 4);
  g_assert_cmpint (guest_exception (guest), ==, X86_EXC_GP);
}

static void
test_syscall (void)
{
  g_autoptr (Guest) guest = long_guest ();

  if (guest_is_emulated (guest))
    return;
  GUEST_SNIPPET (guest, long_syscall);
  guest_run (guest);
  g_assert_cmpint (guest_exception (guest), ==, -1);
  assert_reg (guest, R12, 0x43);
  assert_reg (guest, R13, 0x28);
  g_assert_cmphex (REG (guest, R14) & X86_FLAG_IF, ==, 0);
  g_assert_cmphex (REG (guest, R11) & X86_FLAG_IF, ==, X86_FLAG_IF);
}

static void
test_compatibility (void)
{
  g_autoptr (Guest) guest = long_guest ();

  GUEST_SNIPPET (guest, long_compat);
  guest_run (guest);
  g_assert_cmpint (guest_exception (guest), ==, -1);
  assert_reg (guest, RAX, 0);
  assert_reg (guest, RCX, 1);
  g_assert_cmphex (guest_u32 (guest, GUEST_DATA + 2), ==, GUEST_IDT);
}

static void
test_ist (void)
{
  g_autoptr (Guest) guest = long_guest ();

  guest_put64 (guest, GUEST_TSS + 36 + 8, 0x89008); /* IST 2, unaligned on purpose */
  guest_set_gate (guest, X86_EXC_UD, SEL_CODE64, 0x4000 + X86_EXC_UD * 16, 0x8e, 2);
  GUEST_SNIPPET (guest, long_ist);
  guest_run (guest);
  g_assert_cmpint (guest_exception (guest), ==, X86_EXC_UD);
  assert_reg (guest, RSP, 0x89000 - 40);
  g_assert_cmphex (guest_frame (guest, 3), ==, 0x7000);
}

static void
test_sti_shadow (void)
{
  g_autoptr (Guest) guest = long_guest ();

  if (guest_is_emulated (guest))
    return;
  guest_set_gate (guest, 0x50, SEL_CODE64, 0x18000, 0x8e, 0);
  memcpy (guest->ram + 0x18000, "\x89\xc1\xf4", 3); /* mov ecx, eax; hlt */
  guest->interrupt = 0x50;
  x86_cpu_raise (guest->cpu, X86_REQ_INTR);
  GUEST_SNIPPET (guest, long_sti_shadow);
  guest_run (guest);
  assert_reg (guest, RCX, 1);
  g_assert_cmphex (guest_frame (guest, 2) & X86_FLAG_IF, ==, X86_FLAG_IF);
}

static void
test_page_cross (void)
{
  g_autoptr (Guest) guest = long_guest ();
  extern const uint8_t add_imm32[], add_imm32_end[];

  memcpy (guest->ram + 0x21ffe, add_imm32, (size_t) (add_imm32_end - add_imm32));
  GUEST_SNIPPET (guest, long_page_cross);
  guest_run (guest);
  assert_reg (guest, RBX, 0x1122334455667788);
  assert_reg (guest, RCX, 0x1122334455667789);
  assert_reg (guest, RAX, 0x1122334455667788 + 0x12345);
  /* The bytes changed behind the decoder's back in the second page: they are decoded anew. */
  guest->ram[0x22002] = 1;
  guest->cpu->halted = X86_HALT_NONE;
  REG (guest, RIP) = 0x21ffe;
  REG (guest, RAX) = 0;
  guest_run (guest);
  assert_reg (guest, RAX, guest_u32 (guest, 0x22000));
}

static void
test_lock_register (void)
{
  g_autoptr (Guest) guest = long_guest ();

  GUEST_SNIPPET (guest, long_locks);
  guest_run (guest);
  g_assert_cmpint (guest_exception (guest), ==, X86_EXC_UD);
  assert_reg (guest, RCX, 1);
}

static void
test_too_long (void)
{
  g_autoptr (Guest) guest = long_guest ();

  GUEST_SNIPPET (guest, long_too_long);
  guest_run (guest);
  g_assert_cmpint (guest_exception (guest), ==, X86_EXC_GP);
}

static void
test_smap (void)
{
  g_autoptr (Guest) guest = long_guest ();

  if (guest_lacks (guest, X86_FEAT_SMAP))
    return;
  /* Only the data page stays a user page. */
  for (uint64_t address = 0; address < GUEST_RAM; address += 0x1000)
    if (address != GUEST_DATA)
      guest_put64 (guest, entry_of (address), address | 3);
  guest->cpu->cr4 |= X86_CR4_SMAP | X86_CR4_SMEP;
  /* The stubs report into the data page: give them one of their own through an alias of it. */
  guest_catch_exceptions (guest);
  for (unsigned vector = 0; vector < 32; vector++)
    guest_put32 (guest, 0x4000 + vector * 16 + 3, 0x23f00);
  guest_put64 (guest, entry_of (0x23000), GUEST_DATA | 3);
  GUEST_SNIPPET (guest, long_smap);
  guest_run (guest);
  g_assert_cmpint (guest_exception (guest), ==, X86_EXC_PF);
  g_assert_cmphex (guest_frame (guest, 0), ==, 1);
  assert_reg (guest, RCX, 1);
}

static void
test_pcid (void)
{
  g_autoptr (Guest) guest = long_guest ();
  uint64_t second = 0x700000; /* a second set of tables that shares all but one leaf table */

  if (guest_lacks (guest, X86_FEAT_PCID))
    return;
  memcpy (guest->ram + second, guest->ram + GUEST_TABLES, 0x3000);
  memcpy (guest->ram + second + 0x3000, guest->ram + GUEST_TABLES + 0x3000 + 0x1000, 0x1000);
  guest_put64 (guest, second, (second + 0x1000) | 7);
  guest_put64 (guest, second + 0x1000, (second + 0x2000) | 7);
  guest_put64 (guest, second + 0x2000 + 8, (second + 0x3000) | 7);
  guest_put64 (guest, second + 0x3000 + 0x100 * 8, 0x310007); /* 300000 → 310000 */
  guest_put32 (guest, 0x300000, 0x1111);
  guest_put32 (guest, 0x310000, 0x2222);
  guest->cpu->cr4 |= X86_CR4_PCIDE;
  REG (guest, R8) = second | 5 | (uint64_t) 1 << 63;
  REG (guest, R9) = GUEST_TABLES | (uint64_t) 1 << 63;
  GUEST_SNIPPET (guest, long_pcid);
  guest_run (guest);
  assert_reg (guest, RAX, 0x1111);
  assert_reg (guest, RBX, 0x2222);
  assert_reg (guest, RCX, 0x1111);
}

/* Lazy flags against the definition, for every pair of small operands. */
static void
test_flags (void)
{
  g_autoptr (Guest) guest = long_guest ();

  /* add al, bl; pushf; pop r8; sub cl, bl; pushf; pop r9; hlt */
  GUEST_CODE (guest, 0x00, 0xd8, 0x9c, 0x41, 0x58, 0x28, 0xd9, 0x9c, 0x41, 0x59, 0xf4);
  for (unsigned a = 0; a < 256; a += 5)
    for (unsigned b = 0; b < 256; b += 3)
      {
        unsigned sum = a + b, difference = a - b, expected;

        REG (guest, RAX) = REG (guest, RCX) = a;
        REG (guest, RBX) = b;
        REG (guest, RIP) = GUEST_ENTRY;
        guest->cpu->halted = X86_HALT_NONE;
        guest_run (guest);
        expected = (sum > 255 ? X86_FLAG_CF : 0) | ((uint8_t) sum == 0 ? X86_FLAG_ZF : 0) | (sum & 0x80 ? X86_FLAG_SF : 0)
                   | (((a & 15) + (b & 15)) > 15 ? X86_FLAG_AF : 0)
                   | ((~(a ^ b) & (a ^ sum) & 0x80) ? X86_FLAG_OF : 0)
                   | (__builtin_parity (sum & 0xff) ? 0 : X86_FLAG_PF);
        g_assert_cmphex (REG (guest, R8) & X86_FLAGS_ARITH, ==, expected);
        expected = (a < b ? X86_FLAG_CF : 0) | (a == b ? X86_FLAG_ZF : 0) | (difference & 0x80 ? X86_FLAG_SF : 0)
                   | ((a & 15) < (b & 15) ? X86_FLAG_AF : 0) | (((a ^ b) & (a ^ difference) & 0x80) ? X86_FLAG_OF : 0)
                   | (__builtin_parity (difference & 0xff) ? 0 : X86_FLAG_PF);
        g_assert_cmphex (REG (guest, R9) & X86_FLAGS_ARITH, ==, expected);
      }
}

/* Interpreted, or all translated when @data says so. */
static Guest *
long_guest_for (gconstpointer data)
{
  Guest *guest = guest_new ();
  g_autoptr (GError) error = NULL;

  if (data != NULL)
    {
      x86_system_set_accel (guest->system, x86_accel_find ("jit"), &error);
      g_assert_no_error (error);
      x86_jit_set_heat (guest->cpu, 0);
    }
  guest_long_mode (guest);
  guest_catch_exceptions (guest);
  return guest;
}

/* Runs the code from @offset on. */
static int
run_again (Guest *guest, unsigned offset)
{
  X86Cpu *cpu = guest->cpu;

  guest_put32 (guest, GUEST_DATA + 0xf00, 0xffffffff);
  cpu->r[X86_RIP] = GUEST_ENTRY + offset;
  cpu->r[X86_RSP] = GUEST_STACK;
  cpu->halted = X86_HALT_NONE;
  guest_run (guest);
  return guest_exception (guest);
}

/* At 2 GiB all bits change that choose a page's place in the TLB. */
static void
test_straddle (gconstpointer data)
{
  g_autoptr (Guest) guest = long_guest_for (data);

  guest_put64 (guest, GUEST_TABLES + 0x1000 + 2 * 8, (GUEST_TABLES + 0x2000) | 7);
  GUEST_CODE (guest, 0x8b, 0x06, 0x8b, 0x1f, 0xf4); /* mov eax,[rsi]; mov ebx,[rdi]; hlt */
  for (unsigned i = 1; i < 4; i++)
    {
      REG (guest, RSI) = 0x80000000;
      REG (guest, RDI) = 0x80000000 - i;
      g_assert_cmpint (run_again (guest, 0), ==, X86_EXC_PF);
      g_assert_cmphex (guest->cpu->cr2, ==, 0x80000000 - i);
    }
  /* The last bytes of the address space lead to the first. */
  REG (guest, RSI) = 0;
  REG (guest, RDI) = ~(uint64_t) 1;
  g_assert_cmpint (run_again (guest, 0), !=, -1);
}

/* Addresses that look like a page of another address space, or like an empty entry, but for some bits. */
static void
test_alias (gconstpointer data)
{
  static const uint64_t pages[] = { 0x555000, 0xfffffffffffff000 };
  g_autoptr (Guest) guest = long_guest_for (data);

  /* mov ebx,[rsi]; mov cr3,rax; hlt; mov ebx,[rdi]; hlt */
  GUEST_CODE (guest, 0x8b, 0x1e, 0x0f, 0x22, 0xd8, 0xf4, 0x8b, 0x1f, 0xf4);
  REG (guest, RSI) = pages[0];
  REG (guest, RAX) = GUEST_TABLES;
  g_assert_cmpint (run_again (guest, 0), ==, -1);

  for (unsigned i = 0; i < G_N_ELEMENTS (pages); i++)
    {
      for (uint64_t difference = 1; difference < 0x1000; difference++)
        {
          REG (guest, RDI) = pages[i] ^ difference << 52;
          g_assert_cmpint (run_again (guest, 6), ==, X86_EXC_GP);
        }
    }
}

/* A page that lies beside one that is written has been read only: the first store to it must set D as ever. */
static void
test_clean_neighbour (void)
{
  g_autoptr (Guest) guest = long_guest_for (GUINT_TO_POINTER (1));

  x86_jit_set_window_delay (guest->cpu, 0);
  x86_update_mode (guest->cpu);
  guest_put64 (guest, entry_of (0x500000), 0x500000 | 0x107);
  guest_put64 (guest, entry_of (0x501000), 0x501000 | 0x127);
  /* 1: mov [rdi],ecx; dec ecx; jnz 1b; hlt */
  GUEST_CODE (guest, 0x89, 0x0f, 0xff, 0xc9, 0x75, 0xfa, 0xf4);
  REG (guest, RDI) = 0x500000;
  REG (guest, RCX) = 1000;
  g_assert_cmpint (run_again (guest, 0), ==, -1);
  g_assert_cmphex (guest_u64 (guest, entry_of (0x500000)) & 0x60, ==, 0x60);
  g_assert_cmphex (guest_u64 (guest, entry_of (0x501000)) & 0x60, ==, 0x20);
  REG (guest, RDI) = 0x501000;
  REG (guest, RCX) = 1000;
  g_assert_cmpint (run_again (guest, 0), ==, -1);
  g_assert_cmphex (guest_u64 (guest, entry_of (0x501000)) & 0x60, ==, 0x60);
}

/* A string instruction that repeats no times reaches no memory, and one that faults has done all before. */
static void
test_rep_none (void)
{
  g_autoptr (Guest) guest = long_guest_for (GUINT_TO_POINTER (1));

  x86_jit_set_window_delay (guest->cpu, 0);
  x86_update_mode (guest->cpu);
  /* 1: xor ecx,ecx; rep movsb; rep stosb; dec edx; jnz 1b; hlt */
  GUEST_CODE (guest, 0x31, 0xc9, 0xf3, 0xa4, 0xf3, 0xaa, 0xff, 0xca, 0x75, 0xf6, 0xf4);
  for (unsigned i = 0; i < 2; i++)
    {
      REG (guest, RSI) = i == 0 ? 0 : (uint64_t) 0xffffa00000000000u;
      REG (guest, RDI) = i == 0 ? (uint64_t) 0xffffa00000000000u : 0;
      REG (guest, RDX) = 1000;
      g_assert_cmpint (run_again (guest, 0), ==, -1);
    }
  /* The last bytes below a missing page, over and over, and then into it. */
  guest_put64 (guest, entry_of (0x400000), 0);
  /* 1: mov ecx,256; lea rdi,[rbx]; rep stosb; dec edx; jnz 1b; lea rdi,[rbx+1]; mov ecx,256; rep stosb; hlt */
  GUEST_CODE (guest, 0xb9, 0x00, 0x01, 0x00, 0x00, 0x48, 0x8d, 0x3b, 0xf3, 0xaa, 0xff, 0xca, 0x75, 0xf2, 0x48, 0x8d, 0x7b, 0x01,
              0xb9, 0x00, 0x01, 0x00, 0x00, 0xf3, 0xaa, 0xf4);
  REG (guest, RBX) = 0x3fff00;
  REG (guest, RDX) = 1000;
  REG (guest, RAX) = 0x5a;
  x86_block_cache_flush (guest->cpu);
  g_assert_cmpint (run_again (guest, 0), ==, X86_EXC_PF);
  g_assert_cmphex (guest->cpu->cr2, ==, 0x400000);
  assert_reg (guest, RCX, 1);
  assert_reg (guest, RDI, 0x400000);
  g_assert_cmphex (guest->ram[0x3fff00], ==, 0x5a);
  g_assert_cmphex (guest->ram[0x3fffff], ==, 0x5a);
}

/* The same through a window, where it is the host that notices. */
static void
test_stack_noncanonical_translated (void)
{
  g_autoptr (Guest) guest = long_guest_for (GUINT_TO_POINTER (1));

  guest_put64 (guest, GUEST_TSS + 36, 0x88000); /* IST 1 */
  guest_set_gate (guest, X86_EXC_SS, SEL_CODE64, 0x4000 + X86_EXC_SS * 16, 0x8e, 1);
  x86_jit_set_window_delay (guest->cpu, 0);
  x86_update_mode (guest->cpu);
  /* 1: mov rsp,rbx; push rax; mov rdx,[rsp]; dec ecx; jnz 1b; hlt */
  GUEST_CODE (guest, 0x48, 0x89, 0xdc, 0x50, 0x48, 0x8b, 0x14, 0x24, 0xff, 0xc9, 0x75, 0xf4, 0xf4);
  guest_put64 (guest, entry_of (0x500000), 0x500000 | 0x163);
  REG (guest, RBX) = 0x500800;
  REG (guest, RCX) = 1000;
  g_assert_cmpint (run_again (guest, 0), ==, -1);
  REG (guest, RBX) = 0x2000000000500800; /* of the region's number, the table sees 29 bits */
  REG (guest, RCX) = 1;
  g_assert_cmpint (run_again (guest, 0), ==, X86_EXC_SS);
}

enum { LOG_FIRST = 0x500000 >> GUEST_PAGE_SHIFT, LOG_PAGES = 0x300, LOG_GRAIN = 16 };

/* Has the guest store to pages, each @step after the one before. */
static void
store_to_pages (Guest *guest, unsigned first, unsigned step, unsigned count)
{
  REG (guest, RDI) = (uint64_t) (LOG_FIRST + first) << GUEST_PAGE_SHIFT;
  REG (guest, RDX) = (uint64_t) step << GUEST_PAGE_SHIFT;
  REG (guest, RCX) = count;
  g_assert_cmpint (run_again (guest, 0), ==, -1);
}

/* What the log tells is what was stored to, and pages near it. */
static void
assert_logged (Guest *guest, unsigned first, unsigned step, unsigned count)
{
  uint8_t pages[LOG_PAGES] = { 0 }, groups[LOG_PAGES / LOG_GRAIN] = { 0 };

  ram_block_collect_dirty (guest->block, LOG_FIRST, LOG_PAGES, pages);
  for (unsigned i = 0; i < count; i++)
    {
      g_assert_cmpuint (pages[first + i * step], ==, 1);
      groups[(first + i * step) / LOG_GRAIN] = 1;
    }
  for (unsigned i = 0; i < LOG_PAGES; i++)
    g_assert_cmpuint (pages[i], <=, groups[i / LOG_GRAIN]);
}

/* A log that comes and goes notices each store, to small pages and to a large one, although they have been stored to before. */
static void
test_log (gconstpointer data)
{
  static const struct { unsigned first, step, count; } stores[] = {
    { 0, 1, LOG_PAGES }, { 5, 1, 1 }, { 5, 1, 1 }, { 3, 37, 20 }, { 0x2ff, 1, 1 }, { 0x105, 2, 30 }, { 5, 16, 47 }, { 0, 1, LOG_PAGES },
  };
  g_autoptr (Guest) guest = long_guest_for (data);

  if (data != NULL)
    x86_jit_set_window_delay (guest->cpu, 0);
  x86_update_mode (guest->cpu);
  for (unsigned i = 0; i < 0x100; i++)
    guest_put64 (guest, entry_of (0x500000 + i * GUEST_PAGE_SIZE), (0x500000 + i * GUEST_PAGE_SIZE) | 0x163);
  guest_put64 (guest, GUEST_TABLES + 0x2000 + 3 * 8, 0x600000 | 0x1e3);
  /* 1: mov [rdi],ecx; add rdi,rdx; dec ecx; jnz 1b; hlt */
  GUEST_CODE (guest, 0x89, 0x0f, 0x48, 0x01, 0xd7, 0xff, 0xc9, 0x75, 0xf7, 0xf4);
  for (unsigned round = 0; round < 3; round++)
    {
      store_to_pages (guest, 0, 1, LOG_PAGES);
      store_to_pages (guest, 0, 1, LOG_PAGES);
      ram_block_enable_dirty_log (guest->block, guest->memory, LOG_GRAIN);
      assert_logged (guest, 0, 1, 0);
      for (unsigned i = 0; i < G_N_ELEMENTS (stores); i++)
        {
          store_to_pages (guest, stores[i].first, stores[i].step, stores[i].count);
          assert_logged (guest, stores[i].first, stores[i].step, stores[i].count);
          /* Once more, for stores that raced with the first look. */
          g_assert_cmpint (run_again (guest, 9), ==, -1);
          assert_logged (guest, stores[i].first, stores[i].step, stores[i].count);
          assert_logged (guest, 0, 1, 0);
        }
      ram_block_disable_dirty_log (guest->block);
    }
}

int
main (int argc, char **argv)
{
  if (guest_skip_all ())
    return 0;
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/cpu/long/arithmetic", test_arithmetic);
  g_test_add_func ("/cpu/long/flags", test_flags);
  g_test_add_func ("/cpu/long/noncanonical", test_noncanonical);
  g_test_add_func ("/cpu/long/stack-noncanonical", test_stack_noncanonical);
  g_test_add_func ("/cpu/long/page-fault", test_page_fault);
  g_test_add_func ("/cpu/long/rep-fault", test_rep_fault);
  g_test_add_func ("/cpu/long/accessed-dirty", test_accessed_dirty);
  g_test_add_func ("/cpu/long/read-then-write", test_read_then_write);
  g_test_add_func ("/cpu/long/reserved-nx", test_reserved_and_nx);
  g_test_add_func ("/cpu/long/smap", test_smap);
  g_test_add_func ("/cpu/long/pcid", test_pcid);
  g_test_add_func ("/cpu/long/cmpxchg16b", test_cmpxchg16b);
  g_test_add_func ("/cpu/long/syscall", test_syscall);
  g_test_add_func ("/cpu/long/compatibility", test_compatibility);
  g_test_add_func ("/cpu/long/ist", test_ist);
  g_test_add_func ("/cpu/long/sti-shadow", test_sti_shadow);
  g_test_add_func ("/cpu/long/page-cross", test_page_cross);
  g_test_add_func ("/cpu/long/lock-register", test_lock_register);
  g_test_add_func ("/cpu/long/too-long", test_too_long);
  g_test_add_data_func ("/cpu/long/straddle", NULL, test_straddle);
  g_test_add_data_func ("/cpu/long/straddle/translated", GUINT_TO_POINTER (1), test_straddle);
  g_test_add_func ("/cpu/long/clean-neighbour", test_clean_neighbour);
  g_test_add_func ("/cpu/long/rep-none", test_rep_none);
  g_test_add_func ("/cpu/long/stack-noncanonical/translated", test_stack_noncanonical_translated);
  g_test_add_data_func ("/cpu/long/log", NULL, test_log);
  g_test_add_data_func ("/cpu/long/log/translated", GUINT_TO_POINTER (1), test_log);
  g_test_add_data_func ("/cpu/long/alias", NULL, test_alias);
  g_test_add_data_func ("/cpu/long/alias/translated", GUINT_TO_POINTER (1), test_alias);
  return g_test_run ();
}
