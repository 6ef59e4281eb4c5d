/* SPDX-License-Identifier: GPL-3.0-or-later */
/* See guest.h. */

#include "tests/unit/cpu/guest.h"

#include "engine/cpu/jit/jit.h"

enum { STUBS = 0x4000, STUB_SIZE = 16, REPORT = GUEST_DATA + 0xf00 };

static uint32_t
pio_read (void *opaque, uint16_t port, unsigned size)
{
  Guest *guest = opaque;
  uint32_t value = 0;

  for (unsigned i = 0; i < size; i++)
    value |= (uint32_t) guest->ports[(uint16_t) (port + i)] << (8 * i);
  return value;
}

static void
pio_write (void *opaque, uint16_t port, uint32_t value, unsigned size)
{
  Guest *guest = opaque;

  for (unsigned i = 0; i < size; i++)
    guest->ports[(uint16_t) (port + i)] = (uint8_t) (value >> (8 * i));
  guest->last_out = value;
  guest->outs++;
}

static int
interrupt_ack (void *opaque)
{
  Guest *guest = opaque;
  int vector = guest->interrupt;

  guest->interrupt = -1;
  x86_cpu_lower (guest->cpu, X86_REQ_INTR);
  return vector;
}

Guest *
guest_new (void)
{
  return guest_new_model (NULL);
}

Guest *
guest_new_model (const char *model)
{
  static const X86HostOps ops = { .pio_read = pio_read, .pio_write = pio_write, .interrupt_ack = interrupt_ack };
  const char *name = g_getenv ("BUNSHIN_TEST_ACCEL");
  Guest *guest = g_new0 (Guest, 1);
  g_autoptr (GError) error = NULL;
  X86Hardware hardware;

  if (model == NULL && g_strcmp0 (name, "kvm") == 0 && x86_hardware_look (&hardware, NULL))
    model = x86_cpu_model_name (hardware.model);
  guest->interrupt = -1;
  guest->memory = address_space_new ();
  guest->block = ram_block_new ("test", GUEST_RAM, &error);
  g_assert_no_error (error);
  guest->ram = ram_block_host (guest->block);
  address_space_add_ram (guest->memory, 0, GUEST_RAM, 0, guest->block, 0);
  guest->system = x86_system_new (guest->memory);
  guest->cpu = x86_cpu_new (guest->system, x86_cpu_model_find (model, &error), 0, &ops, guest, &error);
  g_assert_no_error (error);
  if (name != NULL)
    x86_system_set_accel (guest->system, x86_accel_find (name), &error);
  g_assert_no_error (error);
  if (g_getenv ("BUNSHIN_TEST_HEAT") != NULL)
    x86_jit_set_heat (guest->cpu, (unsigned) atoi (g_getenv ("BUNSHIN_TEST_HEAT")));
  return guest;
}

gboolean
guest_skip_all (void)
{
  g_autoptr (GError) error = NULL;
  X86Hardware hardware;

  if (g_strcmp0 (g_getenv ("BUNSHIN_TEST_ACCEL"), "kvm") != 0 || x86_hardware_look (&hardware, &error))
    return FALSE;
  g_print ("1..0 # SKIP %s\n", error->message);
  return TRUE;
}

gboolean
guest_lacks_feature (Guest *guest, X86Feature feature, const char *name)
{
  g_autofree char *why = g_strdup_printf ("the processor here lacks %s", name);

  if (x86_has (guest->cpu, feature))
    return FALSE;
  g_test_skip (why);
  return TRUE;
}

gboolean
guest_is_emulated (Guest *guest)
{
  double slowdown = 0;

  if (g_strcmp0 (x86_accel_name (x86_system_accel (guest->system)), "kvm") != 0 || !x86_hardware_slowdown (&slowdown, NULL)
      || slowdown < 2)
    return FALSE;
  g_test_skip ("this host only emulates KVM, and this not right");
  return TRUE;
}

void
guest_free (Guest *guest)
{
  x86_cpu_free (guest->cpu);
  x86_system_free (guest->system);
  address_space_free (guest->memory);
  ram_block_free (guest->block);
  g_free (guest);
}

uint32_t
guest_u32 (Guest *guest, uint64_t address)
{
  uint32_t value;

  memcpy (&value, guest->ram + address, sizeof value);
  return value;
}

uint64_t
guest_u64 (Guest *guest, uint64_t address)
{
  uint64_t value;

  memcpy (&value, guest->ram + address, sizeof value);
  return value;
}

void
guest_put32 (Guest *guest, uint64_t address, uint32_t value)
{
  memcpy (guest->ram + address, &value, sizeof value);
}

void
guest_put64 (Guest *guest, uint64_t address, uint64_t value)
{
  memcpy (guest->ram + address, &value, sizeof value);
}

void
guest_set_desc (Guest *guest, unsigned sel, uint32_t base, uint32_t limit, uint32_t attr)
{
  uint64_t at = GUEST_GDT + (sel & 0xfff8);

  if (limit > 0xfffff)
    {
      limit >>= 12;
      attr |= X86_SEG_G;
    }
  guest_put32 (guest, at, (limit & 0xffff) | base << 16);
  guest_put32 (guest, at + 4, ((base >> 16) & 0xff) | attr << 8 | (limit & 0xf0000) | (base & 0xff000000));
}

static void
set_tables (Guest *guest)
{
  X86Cpu *cpu = guest->cpu;

  guest_set_desc (guest, SEL_CODE32, 0, 0xffffffff, 0x409b);
  guest_set_desc (guest, SEL_DATA, 0, 0xffffffff, 0x4093);
  guest_set_desc (guest, SEL_CODE16, 0, 0xffff, 0x009b);
  guest_set_desc (guest, SEL_DATA16, 0, 0xffff, 0x0093);
  guest_set_desc (guest, SEL_CODE64, 0, 0xffffffff, 0x209b);
  guest_set_desc (guest, SEL_UCODE32, 0, 0xffffffff, 0x40fb);
  guest_set_desc (guest, SEL_UDATA, 0, 0xffffffff, 0x40f3);
  guest_set_desc (guest, SEL_UCODE64, 0, 0xffffffff, 0x20fb);
  guest_set_desc (guest, SEL_TSS, GUEST_TSS, 0x67 + 33, 0x8b);
  cpu->gdtr = (X86Table) { .base = GUEST_GDT, .limit = 0x7ff };
  cpu->idtr = (X86Table) { .base = GUEST_IDT, .limit = 0xfff };
  cpu->tr = (X86Table) { .sel = SEL_TSS, .base = GUEST_TSS, .limit = 0x67 + 33, .attr = 0x8b };
  guest_put32 (guest, GUEST_TSS + 4, GUEST_STACK - 0x8000); /* ESP0, RSP0 */
  guest_put32 (guest, GUEST_TSS + 8, SEL_DATA);
}

static void
set_segment (Guest *guest, unsigned seg, uint16_t sel)
{
  X86Desc desc = { .lo = guest_u32 (guest, GUEST_GDT + (sel & 0xfff8)), .hi = guest_u32 (guest, GUEST_GDT + (sel & 0xfff8) + 4) };

  x86_seg_commit (guest->cpu, seg, sel, &desc);
}

static void
start (Guest *guest, uint16_t code, uint16_t data)
{
  X86Cpu *cpu = guest->cpu;

  for (unsigned seg = 0; seg < X86_SEG_COUNT; seg++)
    set_segment (guest, seg, seg == X86_CS ? code : data);
  cpu->r[X86_RIP] = GUEST_ENTRY;
  cpu->r[X86_RSP] = GUEST_STACK;
  x86_update_mode (cpu);
}

void
guest_real_mode (Guest *guest)
{
  X86Cpu *cpu = guest->cpu;

  x86_cpu_reset (cpu);
  x86_seg_commit_real (cpu, X86_CS, GUEST_ENTRY >> 4);
  x86_seg_commit_real (cpu, X86_DS, GUEST_DATA >> 4);
  x86_seg_commit_real (cpu, X86_ES, GUEST_DATA >> 4);
  x86_seg_commit_real (cpu, X86_SS, (GUEST_STACK - 0x10000) >> 4);
  cpu->idtr.limit = 0x3ff;
  cpu->r[X86_RIP] = 0;
  cpu->r[X86_RSP] = 0xfff0;
  x86_update_mode (cpu);
}

void
guest_protected_mode (Guest *guest)
{
  X86Cpu *cpu = guest->cpu;

  x86_cpu_reset (cpu);
  set_tables (guest);
  cpu->cr0 = X86_CR0_PE | X86_CR0_ET | X86_CR0_NE | X86_CR0_WP;
  start (guest, SEL_CODE32, SEL_DATA);
}

void
guest_long_mode (Guest *guest)
{
  X86Cpu *cpu = guest->cpu;

  x86_cpu_reset (cpu);
  set_tables (guest);
  /* 4 KiB pages for the first 16 MiB, all rights. */
  guest_put64 (guest, GUEST_TABLES, (GUEST_TABLES + 0x1000) | 7);
  guest_put64 (guest, GUEST_TABLES + 0x1000, (GUEST_TABLES + 0x2000) | 7);
  for (unsigned i = 0; i < GUEST_RAM >> 21; i++)
    {
      uint64_t table = GUEST_TABLES + 0x3000 + i * 0x1000;

      guest_put64 (guest, GUEST_TABLES + 0x2000 + i * 8, table | 7);
      for (unsigned n = 0; n < 512; n++)
        guest_put64 (guest, table + n * 8, ((uint64_t) i << 21 | n << 12) | 7);
    }
  cpu->cr3 = GUEST_TABLES;
  cpu->cr4 = X86_CR4_PAE | X86_CR4_PGE;
  cpu->msr.efer = X86_EFER_LME | X86_EFER_LMA | X86_EFER_NXE | X86_EFER_SCE;
  cpu->cr0 = X86_CR0_PE | X86_CR0_PG | X86_CR0_ET | X86_CR0_NE | X86_CR0_WP;
  x86_tlb_flush_all (cpu);
  start (guest, SEL_CODE64, SEL_DATA);
}

void
guest_code (Guest *guest, const void *code, size_t size)
{
  memcpy (guest->ram + GUEST_ENTRY, code, size);
  x86_block_cache_flush (guest->cpu);
}

X86Exit
guest_run (Guest *guest)
{
  X86Exit why;

  x86_system_put_state (guest->system);
  do
    why = x86_cpu_run (guest->cpu);
  while (why == X86_EXIT_KICKED);
  if (why == X86_EXIT_FAILED)
    g_error ("%s", x86_system_failure (guest->system));
  x86_system_get_state (guest->system);
  return why;
}

void
guest_set_gate (Guest *guest, unsigned vector, uint16_t sel, uint64_t offset, uint8_t attr, unsigned ist)
{
  uint32_t lo = (uint32_t) sel << 16 | (uint32_t) (offset & 0xffff), hi = (uint32_t) (offset & 0xffff0000) | (uint32_t) attr << 8 | ist;

  if (x86_long_mode (guest->cpu))
    {
      guest_put32 (guest, GUEST_IDT + vector * 16, lo);
      guest_put32 (guest, GUEST_IDT + vector * 16 + 4, hi);
      guest_put64 (guest, GUEST_IDT + vector * 16 + 8, offset >> 32);
    }
  else
    {
      guest_put32 (guest, GUEST_IDT + vector * 8, lo);
      guest_put32 (guest, GUEST_IDT + vector * 8 + 4, hi);
    }
}

/* mov [REPORT], vector; hlt. The frame is read off the stack afterwards. In real mode DS is set first. */
void
guest_catch_exceptions (Guest *guest)
{
  gboolean real = !x86_protected (guest->cpu), is_long = x86_long_mode (guest->cpu);

  guest_put32 (guest, REPORT, 0xffffffff);
  for (unsigned vector = 0; vector < 32; vector++)
    {
      uint8_t *stub = guest->ram + STUBS + vector * STUB_SIZE;

      if (real)
        {
          static const uint8_t code[] = { 0x2e, 0xc6, 0x06, 0x00, 0x00, 0x00, 0xf4 }; /* mov byte cs:[..], vector; hlt */
          uint16_t offset = (uint16_t) (STUBS + 0x800);

          memcpy (stub, code, sizeof code);
          memcpy (stub + 3, &offset, 2);
          stub[5] = (uint8_t) vector;
          guest->ram[STUBS + 0x800] = 0xff;
          guest_put32 (guest, vector * 4, (uint32_t) (STUBS + vector * STUB_SIZE));
        }
      else
        {
          /* C7 /0 with an absolute address: SIB form in 64-bit code. */
          static const uint8_t code32[] = { 0x36, 0xc7, 0x05, 0, 0, 0, 0, 0, 0, 0, 0, 0xf4 };
          static const uint8_t code64[] = { 0xc7, 0x04, 0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0xf4 };
          uint32_t report = REPORT;

          memcpy (stub, is_long ? code64 : code32, sizeof code32);
          memcpy (stub + 3, &report, 4);
          stub[7] = (uint8_t) vector;
          guest_set_gate (guest, vector, is_long ? SEL_CODE64 : SEL_CODE32, STUBS + vector * STUB_SIZE, 0x8e, 0);
        }
    }
}

int
guest_exception (Guest *guest)
{
  if (!x86_protected (guest->cpu))
    return guest->ram[STUBS + 0x800] == 0xff ? -1 : guest->ram[STUBS + 0x800];
  return (int) guest_u32 (guest, REPORT);
}

uint64_t
guest_frame (Guest *guest, unsigned slot)
{
  X86Cpu *cpu = guest->cpu;
  uint64_t sp = cpu->r[X86_RSP] & (x86_protected (cpu) ? ~(uint64_t) 0 : 0xffff);

  sp += cpu->r[X86_SEGBASE + X86_SS];
  if (x86_long_mode (cpu))
    return guest_u64 (guest, sp + slot * 8);
  if (x86_protected (cpu))
    return guest_u32 (guest, sp + slot * 4);
  return guest_u32 (guest, sp + slot * 2) & 0xffff;
}
