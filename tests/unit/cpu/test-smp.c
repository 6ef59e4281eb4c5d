/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Several processors at once: atomics, memory order, code that another processor changes. */

#include "tests/unit/cpu/guest.h"
#include "engine/cpu/jit/jit.h"

#include <sched.h>
#include <time.h>

enum
{
  CPUS_MAX = 4,
  SHARED = 0x400000,         /* operands */
  ALIAS = 0x600000,          /* linear; its second page is another one than the first page's neighbour */
  ALIAS_FIRST = 0x500000, ALIAS_SECOND = 0x510000,
  CODE = 0x700000            /* what is modified */
};

typedef struct
{
  Guest *guest;
  X86Cpu *cpus[CPUS_MAX];
  unsigned count;
  GRecMutex lock;
} Smp;

typedef struct
{
  const char *name;
  uint64_t address;          /* of a quadword operand */
  unsigned rounds;
} Place;

/* A host atomic does all but the last: there the others have to stand still. */
static const Place places[] = {
  { "aligned", SHARED, 20000 }, { "odd", SHARED + 1, 20000 }, { "lines", SHARED + 61, 5000 },
  { "pages", SHARED + 0xffd, 3000 }, { "apart", ALIAS + 0xffd, 150 }
};

static void
lock (void *opaque)
{
  g_rec_mutex_lock (&((Smp *) opaque)->lock);
}

static void
unlock (void *opaque)
{
  g_rec_mutex_unlock (&((Smp *) opaque)->lock);
}

/* Windows are for global pages: all are. */
static void
use_windows (Smp *smp)
{
  Guest *guest = smp->guest;

  for (unsigned i = 0; i < GUEST_RAM >> 12; i++)
    {
      uint64_t entry = GUEST_TABLES + 0x3000 + i * 8;

      guest_put64 (guest, entry, guest_u64 (guest, entry) | 0x100);
    }
  for (unsigned i = 0; i < smp->count; i++)
    {
      x86_jit_set_window_delay (smp->cpus[i], 0);
      x86_update_mode (smp->cpus[i]);
    }
}

/* @count processors in 64-bit mode, running as @accel says: “interp”, “jit”, or “windows”, which are the latter's. */
static Smp *
smp_new (unsigned count, const char *accel)
{
  gboolean has_windows = g_str_equal (accel, "windows");
  static const X86HostOps ops = { .lock = lock, .unlock = unlock };
  Smp *smp = g_new0 (Smp, 1);
  Guest *guest = smp->guest = guest_new ();
  uint64_t table = GUEST_TABLES + 0x3000 + (ALIAS >> 21) * 0x1000;
  g_autoptr (GError) error = NULL;

  g_rec_mutex_init (&smp->lock);
  smp->count = count;
  x86_cpu_free (guest->cpu);
  g_assert_true (x86_system_set_accel (guest->system, x86_accel_find (has_windows ? "jit" : accel), &error));
  g_assert_no_error (error);
  for (unsigned i = 0; i < count; i++)
    {
      smp->cpus[i] = guest->cpu = x86_cpu_new (guest->system, x86_cpu_model_find (NULL, NULL), i, &ops, smp, &error);
      g_assert_no_error (error);
      if (guest->cpu->jit != NULL)
        x86_jit_set_heat (guest->cpu, 0);
      guest_long_mode (guest);
      guest->cpu->halted = X86_HALT_NONE;
      guest->cpu->r[X86_RSP] = GUEST_STACK - i * 0x4000;
      guest->cpu->r[X86_RDI] = i;
    }
  guest_put64 (guest, table + (ALIAS >> 12 & 511) * 8, ALIAS_FIRST | 7);
  guest_put64 (guest, table + ((ALIAS >> 12 & 511) + 1) * 8, ALIAS_SECOND | 7);
  if (has_windows)
    use_windows (smp);
  return smp;
}

static void
smp_free (Smp *smp)
{
  /* guest_free() frees the last one. */
  for (unsigned i = 0; i < smp->count; i++)
    if (smp->cpus[i] != smp->guest->cpu)
      x86_cpu_free (smp->cpus[i]);
  guest_free (smp->guest);
  g_rec_mutex_clear (&smp->lock);
  g_free (smp);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Smp, smp_free)

static gpointer
run_cpu (gpointer data)
{
  X86Cpu *cpu = data;
  X86Exit why;

  do
    why = x86_cpu_run (cpu);
  while (why == X86_EXIT_KICKED);
  return GINT_TO_POINTER (why);
}

static void
set_registers (Smp *smp, unsigned reg, uint64_t value)
{
  for (unsigned i = 0; i < smp->count; i++)
    smp->cpus[i]->r[reg] = value;
}

/* Runs what lies at GUEST_ENTRY on all processors to their HLTs; the sum of their R15s must be 0. */
static void
smp_run (Smp *smp, unsigned rounds)
{
  GThread *threads[CPUS_MAX];

  set_registers (smp, X86_RSI, rounds);
  for (unsigned i = 0; i < smp->count; i++)
    threads[i] = g_thread_new ("cpu", run_cpu, smp->cpus[i]);
  for (unsigned i = 0; i < smp->count; i++)
    {
      g_assert_cmpint (GPOINTER_TO_INT (g_thread_join (threads[i])), ==, X86_EXIT_HALTED);
      g_assert_cmpuint (smp->cpus[i]->r[X86_R15], ==, 0);
    }
}

static uint64_t
to_physical (uint64_t address)
{
  if (address < ALIAS || address >= ALIAS + 0x2000)
    return address;
  return address < ALIAS + 0x1000 ? ALIAS_FIRST + (address & 0xfff) : ALIAS_SECOND + (address & 0xfff);
}

static uint64_t
linear_u64 (Smp *smp, uint64_t address)
{
  uint64_t value = 0;

  for (unsigned i = 0; i < 8; i++)
    value |= (uint64_t) smp->guest->ram[to_physical (address + i)] << (8 * i);
  return value;
}

#define SNIPPET(smp, name) GUEST_SNIPPET ((smp)->guest, name)

static void
test_add (const char *accel, const Place *place)
{
  g_autoptr (Smp) smp = smp_new (4, accel);

  SNIPPET (smp, smp_add);
  set_registers (smp, X86_R8, place->address);
  smp_run (smp, place->rounds);
  g_assert_cmpuint (linear_u64 (smp, place->address), ==, 8ull * 4 * place->rounds);
}

static void
test_add_narrow (const char *accel, const Place *place)
{
  g_autoptr (Smp) smp = smp_new (4, accel);
  uint64_t at = place->address;

  SNIPPET (smp, smp_add_narrow);
  /* The word crosses as the quadword does; the byte beside it is changed all the time. */
  set_registers (smp, X86_R8, at);
  set_registers (smp, X86_R9, place->address + 0x203);
  set_registers (smp, X86_R10, place->address + 0x202);
  smp_run (smp, place->rounds);
  g_assert_cmpuint ((uint32_t) linear_u64 (smp, at), ==, 5 * 4 * place->rounds);
  g_assert_cmpuint ((uint16_t) linear_u64 (smp, at + 0x203), ==, (uint16_t) (4 * 4 * place->rounds));
  g_assert_cmpuint ((uint8_t) linear_u64 (smp, at + 0x202), ==, (uint8_t) (3 * 4 * place->rounds));
}

static void
test_bits (const char *accel, const Place *place)
{
  g_autoptr (Smp) smp = smp_new (4, accel);

  SNIPPET (smp, smp_bits);
  set_registers (smp, X86_R8, place->address);
  smp_run (smp, place->rounds);
  g_assert_cmpuint (linear_u64 (smp, place->address), ==, 0);
}

static void
test_spin (const char *accel, const Place *place)
{
  g_autoptr (Smp) smp = smp_new (4, accel);

  SNIPPET (smp, smp_spin);
  set_registers (smp, X86_R8, place->address);
  set_registers (smp, X86_R9, SHARED + 0x2000);
  smp_run (smp, place->rounds);
  g_assert_cmpuint (guest_u64 (smp->guest, SHARED + 0x2000), ==, 2ull * 4 * place->rounds);
}

static void
test_add16 (const char *accel, const Place *place)
{
  g_autoptr (Smp) smp = smp_new (4, accel);

  SNIPPET (smp, smp_add16);
  set_registers (smp, X86_R8, SHARED);
  smp_run (smp, place->rounds);
  g_assert_cmpuint (guest_u64 (smp->guest, SHARED), ==, 4ull * place->rounds);
  g_assert_cmpuint (guest_u64 (smp->guest, SHARED + 8), ==, 12ull * place->rounds);
}

/* Locked accesses of different widths to the same bytes, one of them in two pieces. */
static void
test_mixed (const char *accel, const Place *place)
{
  g_autoptr (Smp) smp = smp_new (4, accel);
  uint64_t at = (place->address & ~(uint64_t) 0xfff) + 0xffc, value;

  SNIPPET (smp, smp_mixed);
  set_registers (smp, X86_R8, at);
  set_registers (smp, X86_R9, at + 4);
  smp_run (smp, place->rounds);
  value = linear_u64 (smp, at);
  g_assert_cmpuint ((uint32_t) value, ==, 2 * 2 * place->rounds);
  g_assert_cmpuint (value >> 32, ==, 2 * 2 * place->rounds);
}

static void
test_messages (const char *accel, const Place *place)
{
  g_autoptr (Smp) smp = smp_new (3, accel);

  SNIPPET (smp, smp_messages);
  set_registers (smp, X86_R8, place->address);
  set_registers (smp, X86_R9, SHARED + 0x3000);
  smp_run (smp, 100000);
}

static void
test_peterson (const char *accel, const Place *place)
{
  g_autoptr (Smp) smp = smp_new (2, accel);

  SNIPPET (smp, smp_peterson);
  set_registers (smp, X86_R8, SHARED);
  set_registers (smp, X86_R9, SHARED + 0x40);
  set_registers (smp, X86_R10, SHARED + 0x80);
  smp_run (smp, place->rounds);
  g_assert_cmpuint (guest_u64 (smp->guest, SHARED + 0x80), ==, 2ull * place->rounds);
}

static void
modify (const char *accel, uint64_t code)
{
  extern const uint8_t smp_modify_code[], smp_modify[];
  g_autoptr (Smp) smp = smp_new (3, accel);
  uint64_t in_page = GUEST_ENTRY + (uint64_t) (smp_modify_code - smp_modify);

  SNIPPET (smp, smp_modify);
  if (code == 0)
    code = in_page;
  memcpy (smp->guest->ram + code, smp->guest->ram + in_page, 6);
  set_registers (smp, X86_R8, smp->count - 1);
  set_registers (smp, X86_R9, SHARED);
  set_registers (smp, X86_R10, SHARED + 0x40);
  set_registers (smp, X86_R11, code);
  smp_run (smp, 2000);
}

static void
test_modify (const char *accel, const Place *place)
{
  modify (accel, CODE);
}

/* Where the code that waits lies, too. */
static void
test_modify_page (const char *accel, const Place *place)
{
  modify (accel, 0);
}

/* What a processor is told while it sleeps takes no more room than the page has chunks, and is not forgotten. */
static void
test_sleeper (const char *accel, const Place *place)
{
  g_autoptr (Smp) smp = smp_new (2, accel);
  X86Cpu *sleeper = smp->cpus[1], *writer = smp->cpus[0];

  SNIPPET (smp, smp_sum);
  for (unsigned i = 0; i < 3; i++)
    {
      sleeper->r[X86_RSI] = 5;
      sleeper->r[X86_RIP] = GUEST_ENTRY;
      g_assert_cmpint (x86_cpu_run (sleeper), ==, X86_EXIT_HALTED);
      sleeper->halted = X86_HALT_NONE;
      g_assert_cmpuint (sleeper->r[X86_RAX], ==, i == 0 ? 6 : 5 + 63);
      for (unsigned n = 0; n < 1000000; n++)
        x86_st8 (writer, NULL, GUEST_ENTRY + 3, (uint8_t) n);
      g_assert_cmpuint (g_hash_table_size (sleeper->code_stored), ==, 1);
    }
}

/* A store to a page that another processor has begun to decode, from a TLB entry of before. */
static void
test_late_store (const char *accel, const Place *place)
{
  g_autoptr (Smp) smp = smp_new (2, accel);
  X86Cpu *writer = smp->cpus[0], *reader = smp->cpus[1];

  SNIPPET (smp, smp_sum);
  x86_st8 (writer, NULL, GUEST_ENTRY + 0x800, 0);
  g_assert_nonnull (x86_host_write (writer, GUEST_ENTRY, 1));
  /* As if it were between two blocks. */
  writer->is_running = TRUE;
  for (unsigned i = 0; i < 100; i++)
    {
      reader->r[X86_RSI] = i;
      reader->r[X86_RIP] = GUEST_ENTRY;
      reader->halted = X86_HALT_NONE;
      x86_st8 (writer, NULL, GUEST_ENTRY + 3, (uint8_t) (i & 63));
      /* Half way it sees what is pending. */
      if (i == 50)
        {
          g_assert_nonnull (x86_host_write (writer, GUEST_ENTRY, 1));
          x86_code_take_events (writer);
          g_assert_null (x86_host_write (writer, GUEST_ENTRY, 1));
        }
      g_assert_cmpint (x86_cpu_run (reader), ==, X86_EXIT_HALTED);
      g_assert_cmpuint (reader->r[X86_RAX], ==, i + (i & 63));
    }
  writer->is_running = FALSE;
}

typedef struct
{
  X86Cpu *cpu;
  int64_t used;              /* processor time, ns */
} Pinned;

static gpointer
run_pinned (gpointer data)
{
  Pinned *pinned = data;
  struct timespec used;

  run_cpu (pinned->cpu);
  clock_gettime (CLOCK_THREAD_CPUTIME_ID, &used);
  pinned->used = used.tv_sec * 1000000000 + used.tv_nsec;
  return NULL;
}

/* Two processors wait for each other where only one of them can run: each leaves the host's processor to the other, and
 * does not keep it for as long as the host's scheduler allows. */
static void
test_yield (const char *accel, const Place *place)
{
  enum { TURNS = 2000, NS_A_TURN = 500000 /* time slices are some milliseconds */ };
  g_autoptr (Smp) smp = smp_new (2, accel);
  Pinned pinned[2] = { { smp->cpus[0], 0 }, { smp->cpus[1], 0 } };
  cpu_set_t before, one;
  GThread *threads[2];

  SNIPPET (smp, smp_ping_pong);
  set_registers (smp, X86_R8, SHARED);
  set_registers (smp, X86_RSI, TURNS);
  /* Threads inherit it. */
  g_assert_cmpint (sched_getaffinity (0, sizeof before, &before), ==, 0);
  CPU_ZERO (&one);
  CPU_SET (sched_getcpu (), &one);
  g_assert_cmpint (sched_setaffinity (0, sizeof one, &one), ==, 0);
  for (unsigned i = 0; i < 2; i++)
    threads[i] = g_thread_new ("cpu", run_pinned, &pinned[i]);
  for (unsigned i = 0; i < 2; i++)
    g_thread_join (threads[i]);
  g_assert_cmpint (sched_setaffinity (0, sizeof before, &before), ==, 0);
  g_assert_cmpuint (guest_u64 (smp->guest, SHARED), ==, TURNS);
  g_test_message ("%.1f µs a turn", (double) (pinned[0].used + pinned[1].used) / TURNS / 1000);
  g_assert_cmpint ((pinned[0].used + pinned[1].used) / TURNS, <, NS_A_TURN);
}

typedef struct
{
  void (*run) (const char *accel, const Place *place);
  const char *accel;
  const Place *place;
} Case;

static void
run_case (gconstpointer data)
{
  const Case *c = data;

  c->run (c->accel, c->place);
}

static void
add (const char *name, void (*run) (const char *accel, const Place *place), const Place *place)
{
  static const char *const accels[] = { "interp", "jit", "windows" };

  for (unsigned i = 0; i < G_N_ELEMENTS (accels); i++)
    {
      g_autofree char *path = g_strdup_printf ("/cpu/smp/%s/%s", accels[i], name);
      Case *c = g_new (Case, 1);

      *c = (Case) { run, accels[i], place };
      g_test_add_data_func_full (path, c, run_case, g_free);
    }
}

static void
add_places (const char *name, void (*run) (const char *accel, const Place *place))
{
  for (unsigned i = 0; i < G_N_ELEMENTS (places); i++)
    {
      g_autofree char *full = g_strdup_printf ("%s/%s", name, places[i].name);

      add (full, run, &places[i]);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  add_places ("add", test_add);
  add_places ("add-narrow", test_add_narrow);
  add_places ("bits", test_bits);
  add_places ("spin", test_spin);
  add ("add16", test_add16, &places[0]);
  add ("mixed/pages", test_mixed, &places[3]);
  add ("mixed/apart", test_mixed, &places[4]);
  add ("messages", test_messages, &places[0]);
  add ("messages-apart", test_messages, &places[1]);
  add ("peterson", test_peterson, &places[0]);
  add ("modify", test_modify, NULL);
  add ("modify-page", test_modify_page, NULL);
  add ("yield", test_yield, NULL);
  add ("sleeper", test_sleeper, NULL);
  add ("late-store", test_late_store, NULL);
  return g_test_run ();
}
