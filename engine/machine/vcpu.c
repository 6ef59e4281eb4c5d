/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Processor threads, and the board as a processor sees it. */

#include "engine/machine/machine-private.h"

#include "engine/cpu/chips.h"
#include "engine/devices/platform/lapic.h"
#include "engine/devices/platform/pic.h"

#include <signal.h>

/* The processor's side: ports, interrupts, time */

static uint32_t
pio_read (void *opaque, uint16_t port, unsigned size)
{
  Machine *m = ((Vcpu *) opaque)->machine;
  uint32_t value;

  machine_lock_take (&m->lock);
  value = bus_pio_read (m->bus, port, size);
  machine_lock_release (&m->lock);
  return value;
}

static void
pio_write (void *opaque, uint16_t port, uint32_t value, unsigned size)
{
  Machine *m = ((Vcpu *) opaque)->machine;

  machine_lock_take (&m->lock);
  bus_pio_write (m->bus, port, value, size);
  machine_lock_release (&m->lock);
}

static void
lock (void *opaque)
{
  machine_lock_take (&((Vcpu *) opaque)->machine->lock);
}

static void
unlock (void *opaque)
{
  machine_lock_release (&((Vcpu *) opaque)->machine->lock);
}

static int
interrupt_ack (void *opaque)
{
  Vcpu *v = opaque;
  int vector;

  machine_lock_take (&v->machine->lock);
  vector = lapic_acknowledge (v->lapic);
  machine_lock_release (&v->machine->lock);
  return vector;
}

static uint64_t
tsc (void *opaque)
{
  const Machine *m = ((Vcpu *) opaque)->machine;

  return (uint64_t) ((unsigned __int128) clock_now (m->clock) * m->tsc_hz / CLOCK_NS_PER_SECOND);
}

static uint64_t
tsc_hz (void *opaque)
{
  return ((Vcpu *) opaque)->machine->tsc_hz;
}

static uint64_t
apic_base_get (void *opaque)
{
  return lapic_base (((Vcpu *) opaque)->lapic);
}

static gboolean
apic_base_set (void *opaque, uint64_t value)
{
  Vcpu *v = opaque;
  gboolean ok;

  machine_lock_take (&v->machine->lock);
  ok = lapic_set_base (v->lapic, value);
  machine_lock_release (&v->machine->lock);
  return ok;
}

static uint8_t
tpr_get (void *opaque)
{
  return lapic_task_priority (((Vcpu *) opaque)->lapic);
}

static void
tpr_set (void *opaque, uint8_t priority_class)
{
  Vcpu *v = opaque;

  machine_lock_take (&v->machine->lock);
  lapic_set_task_priority (v->lapic, priority_class);
  machine_lock_release (&v->machine->lock);
}

static uint64_t
tsc_deadline_get (void *opaque)
{
  return lapic_tsc_deadline (((Vcpu *) opaque)->lapic);
}

static void
tsc_deadline_set (void *opaque, uint64_t deadline)
{
  Vcpu *v = opaque;

  machine_lock_take (&v->machine->lock);
  lapic_set_tsc_deadline (v->lapic, deadline);
  machine_lock_release (&v->machine->lock);
}

static void
fpu_error (void *opaque, gboolean level)
{
  Vcpu *v = opaque;

  machine_lock_take (&v->machine->lock);
  irq_set (&v->machine->isa_irq[13], level);
  machine_lock_release (&v->machine->lock);
}

static const X86HostOps host_ops = {
  .pio_read = pio_read, .pio_write = pio_write, .lock = lock, .unlock = unlock, .interrupt_ack = interrupt_ack, .tsc = tsc,
  .tsc_hz = tsc_hz, .apic_base_get = apic_base_get, .apic_base_set = apic_base_set, .tpr_get = tpr_get, .tpr_set = tpr_set,
  .tsc_deadline_get = tsc_deadline_get, .tsc_deadline_set = tsc_deadline_set, .fpu_error = fpu_error
};

/* The APIC's side */

/* A halted processor sleeps on its condition: whoever gives it work wakes it. The request is there before is_asleep is
 * read, and sleep_until_work() looks the other way round. */
static void
raise_and_wake (Vcpu *v, uint32_t requests)
{
  x86_cpu_raise (v->cpu, requests);
  if (!__atomic_load_n (&v->is_asleep, __ATOMIC_SEQ_CST))
    return;
  g_mutex_lock (&v->sleep_lock);
  g_cond_signal (&v->sleep_cond);
  g_mutex_unlock (&v->sleep_lock);
}

static void
lapic_interrupt (void *opaque, gboolean pending)
{
  Vcpu *v = opaque;

  if (pending)
    raise_and_wake (v, X86_REQ_INTR);
  else
    x86_cpu_lower (v->cpu, X86_REQ_INTR);
}

static void
lapic_nmi (void *opaque)
{
  raise_and_wake (opaque, X86_REQ_NMI);
}

static void
lapic_init_signal (void *opaque)
{
  Vcpu *v = opaque;

  lapic_init (v->lapic);
  x86_cpu_init (v->cpu);
  raise_and_wake (v, 0);
}

static void
lapic_startup (void *opaque, uint8_t vector)
{
  Vcpu *v = opaque;

  x86_cpu_sipi (v->cpu, vector);
  raise_and_wake (v, 0);
}

static int
lapic_external_acknowledge (void *opaque)
{
  return pic_acknowledge (((Vcpu *) opaque)->machine->pic);
}

static int64_t
lapic_time_of_tsc (void *opaque, uint64_t value)
{
  const Machine *m = ((Vcpu *) opaque)->machine;
  /* Rounded up: at that time the counter has the value. */
  unsigned __int128 ns = ((unsigned __int128) value * CLOCK_NS_PER_SECOND + m->tsc_hz - 1) / m->tsc_hz;

  return (int64_t) MIN (ns, (unsigned __int128) G_MAXINT64 / 2);
}

static const LapicCpuOps lapic_ops = {
  .interrupt = lapic_interrupt, .nmi = lapic_nmi, .init = lapic_init_signal, .startup = lapic_startup,
  .external_acknowledge = lapic_external_acknowledge, .time_of_tsc = lapic_time_of_tsc
};

void
vcpus_set_external (void *opaque, int line, int level)
{
  Machine *m = opaque;

  lapic_set_external (m->vcpus[0].lapic, level);
}

void
vcpus_set_a20 (void *opaque, gboolean enabled)
{
  Machine *m = opaque;

  for (unsigned i = 0; i < m->cpu_count; i++)
    x86_cpu_set_a20 (m->vcpus[i].cpu, enabled);
}

Vcpu *
vcpu_current (Machine *machine)
{
  return pthread_getspecific (machine->vcpu_key);
}

/* Local APICs of all processors lie at one address: each sees its own. */

static uint64_t
lapic_region_read (void *opaque, uint64_t offset, unsigned size)
{
  Vcpu *v = vcpu_current (opaque);

  /* With the APIC off, what is left of it in the hardware does not answer. */
  return v != NULL && !v->machine->chips_are_lent ? lapic_read (v->lapic, (unsigned) offset) : 0xffffffff;
}

static void
lapic_region_write (void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
  Vcpu *v = vcpu_current (opaque);

  if (v != NULL && !v->machine->chips_are_lent)
    lapic_write (v->lapic, (unsigned) offset, (uint32_t) value);
}

static const MmioOps lapic_region_ops = { .read = lapic_region_read, .write = lapic_region_write, .min_size = 4, .max_size = 4 };

/* Creation */

gboolean
vcpus_create (Machine *m, const MachineConfig *config, GError **error)
{
  const X86CpuModel *model;

  accel_choose (m, config->accel);
  model = config->cpu_model == NULL && m->default_model != NULL ? m->default_model
                                                                : x86_cpu_model_find (config->cpu_model, error);
  if (model == NULL)
    return FALSE;
  m->cpu_model = g_strdup (x86_cpu_model_name (model));
  if (pthread_key_create (&m->vcpu_key, NULL) != 0)
    {
      g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_AGAIN, "too many machines in one process");
      return FALSE;
    }
  m->cpu_system = x86_system_new (m->memory);
  if (config->perf_map && !x86_system_open_perf_map (m->cpu_system, error))
    return FALSE;
  m->vcpus = g_new0 (Vcpu, m->cpu_count);
  x86_system_set_count (m->cpu_system, m->cpu_count);
  x86_system_lend_chips (m->cpu_system);
  if (config->code_cache != 0)
    x86_system_set_code_cache (m->cpu_system, config->code_cache);
  for (unsigned i = 0; i < m->cpu_count; i++)
    {
      Vcpu *v = &m->vcpus[i];

      v->machine = m;
      v->index = i;
      g_mutex_init (&v->sleep_lock);
      g_cond_init (&v->sleep_cond);
      v->lapic = device_new (&lapic_type);
      lapic_set_cpu (v->lapic, i, m->apic_bus, &lapic_ops, v);
      g_ptr_array_add (m->devices, v->lapic);
      v->cpu = x86_cpu_new (m->cpu_system, model, i, &host_ops, v, error);
      if (v->cpu == NULL)
        return FALSE;
    }
  m->lapic_region = address_space_add_mmio (m->memory, LAPIC_BASE, LAPIC_SIZE, 20, &lapic_region_ops, m);
  return accel_start (m, error);
}

void
vcpus_free (Machine *m)
{
  if (m->cpu_system == NULL)
    return;
  for (unsigned i = 0; i < m->cpu_count; i++)
    {
      if (m->vcpus[i].thread != NULL)
        g_thread_join (m->vcpus[i].thread);
      if (m->vcpus[i].cpu != NULL)
        x86_cpu_free (m->vcpus[i].cpu);
      g_cond_clear (&m->vcpus[i].sleep_cond);
      g_mutex_clear (&m->vcpus[i].sleep_lock);
    }
  g_free (m->vcpus);
  x86_system_free (m->cpu_system);
  pthread_key_delete (m->vcpu_key);
}

/* Threads */

/* Returns when the processor may run, or FALSE at the end. */
static gboolean
wait_for_run (Vcpu *v)
{
  Machine *m = v->machine;
  gboolean go;

  g_mutex_lock (&m->run_lock);
  while (!m->run_wanted && !m->quit)
    {
      if (!v->parked)
        {
          v->parked = TRUE;
          m->parked_count++;
          g_cond_broadcast (&m->run_cond);
        }
      g_cond_wait (&m->run_cond, &m->run_lock);
    }
  if (v->parked)
    {
      v->parked = FALSE;
      m->parked_count--;
    }
  go = !m->quit;
  g_mutex_unlock (&m->run_lock);
  return go;
}

static void
sleep_until_work (Vcpu *v)
{
  v->halts++;
  g_mutex_lock (&v->sleep_lock);
  __atomic_store_n (&v->is_asleep, TRUE, __ATOMIC_SEQ_CST);
  while (!x86_cpu_has_work (v->cpu))
    g_cond_wait (&v->sleep_cond, &v->sleep_lock);
  __atomic_store_n (&v->is_asleep, FALSE, __ATOMIC_SEQ_CST);
  g_mutex_unlock (&v->sleep_lock);
}

static void
sleep_until_stopped (Vcpu *v)
{
  Machine *m = v->machine;

  g_mutex_lock (&m->run_lock);
  while (m->run_wanted && !m->quit)
    g_cond_wait (&m->run_cond, &m->run_lock);
  g_mutex_unlock (&m->run_lock);
}

/* Other threads take what is sent to the process: this one's stack pointer may be the guest's. */
static void
block_signals (void)
{
  static const int own[] = { SIGSEGV, SIGFPE, SIGBUS, SIGILL, SIGTRAP, SIGABRT };
  sigset_t set;

  sigfillset (&set);
  for (unsigned i = 0; i < G_N_ELEMENTS (own); i++)
    sigdelset (&set, own[i]);
  pthread_sigmask (SIG_BLOCK, &set, NULL);
}

static gpointer
vcpu_thread (gpointer data)
{
  Vcpu *v = data;
  Machine *m = v->machine;

  block_signals ();
  pthread_setspecific (m->vcpu_key, v);
  while (wait_for_run (v))
    {
      switch (x86_cpu_run (v->cpu))
        {
        case X86_EXIT_KICKED:
          break;
        case X86_EXIT_HALTED:
          sleep_until_work (v);
          break;
        case X86_EXIT_SHUTDOWN:
          /* What a board's logic does with a triple fault. */
          machine_request (m, REQUEST_RESET);
          sleep_until_work (v);
          break;
        case X86_EXIT_FAILED:
          machine_request_off (m, MACHINE_OFF_ERROR, x86_system_failure (m->cpu_system));
          sleep_until_stopped (v);
          break;
        default:
          g_assert_not_reached ();
        }
    }
  return NULL;
}

void
vcpus_start_threads (Machine *m)
{
  for (unsigned i = 0; i < m->cpu_count; i++)
    {
      g_autofree char *name = g_strdup_printf ("vcpu %u", i);

      m->vcpus[i].thread = g_thread_new (name, vcpu_thread, &m->vcpus[i]);
    }
}

void
vcpus_kick (Machine *m)
{
  for (unsigned i = 0; i < m->cpu_count; i++)
    raise_and_wake (&m->vcpus[i], X86_REQ_EXIT);
  g_mutex_lock (&m->run_lock);
  g_cond_broadcast (&m->run_cond);
  g_mutex_unlock (&m->run_lock);
}
