/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Running a processor in the hardware, and what it leaves the hardware for.
 * The interrupt controllers are the kernel's, which then also waits in HLT, or
 * the board's.
 */

#include "engine/cpu/kvm/kvm-private.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* --- In and out --- */

void
kvm_kick (X86Cpu *cpu)
{
  X86KvmCpu *k = cpu->kvm;

  /* Who is on the way in looks for requests after saying so; who is in has to be called out. */
  if (k == NULL || !__atomic_load_n (&k->inside, __ATOMIC_SEQ_CST))
    return;
  __atomic_store_n (&k->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
  syscall (SYS_tgkill, getpid (), __atomic_load_n (&k->tid, __ATOMIC_RELAXED), KVM_KICK_SIGNAL);
}

void
kvm_close_gate (X86System *system)
{
  X86Kvm *kvm = system->kvm;

  g_mutex_lock (&kvm->gate_lock);
  __atomic_store_n (&kvm->gate, 1, __ATOMIC_SEQ_CST);
  for (unsigned i = 0; i < system->cpu_count; i++)
    {
      X86KvmCpu *k = system->cpus[i]->kvm;

      while (k != NULL && __atomic_load_n (&k->inside, __ATOMIC_SEQ_CST))
        {
          kvm_kick (system->cpus[i]);
          g_cond_wait (&kvm->gate_cond, &kvm->gate_lock);
        }
    }
  g_mutex_unlock (&kvm->gate_lock);
}

void
kvm_open_gate (X86System *system)
{
  X86Kvm *kvm = system->kvm;

  g_mutex_lock (&kvm->gate_lock);
  __atomic_store_n (&kvm->gate, 0, __ATOMIC_SEQ_CST);
  g_cond_broadcast (&kvm->gate_cond);
  g_mutex_unlock (&kvm->gate_lock);
}

static void
step_out (X86Cpu *cpu)
{
  X86Kvm *kvm = cpu->system->kvm;

  __atomic_store_n (&cpu->kvm->inside, 0, __ATOMIC_SEQ_CST);
  if (X86_UNLIKELY (__atomic_load_n (&kvm->gate, __ATOMIC_SEQ_CST)))
    {
      g_mutex_lock (&kvm->gate_lock);
      g_cond_broadcast (&kvm->gate_cond);
      g_mutex_unlock (&kvm->gate_lock);
    }
}

/* From now on whoever wants something of this processor calls it out. */
static void
step_in (X86Cpu *cpu)
{
  X86Kvm *kvm = cpu->system->kvm;

  cpu->kvm->run->immediate_exit = 0;
  for (;;)
    {
      __atomic_store_n (&cpu->kvm->inside, 1, __ATOMIC_SEQ_CST);
      if (X86_LIKELY (!__atomic_load_n (&kvm->gate, __ATOMIC_SEQ_CST)))
        return;
      step_out (cpu);
      g_mutex_lock (&kvm->gate_lock);
      while (kvm->gate)
        g_cond_wait (&kvm->gate_cond, &kvm->gate_lock);
      g_mutex_unlock (&kvm->gate_lock);
    }
}

/* The signal that ends a stay must reach this thread. */
static void
enter_thread (X86KvmCpu *k)
{
  int tid = (int) syscall (SYS_gettid);
  sigset_t set;

  if (k->tid == tid)
    return;
  sigemptyset (&set);
  sigaddset (&set, KVM_KICK_SIGNAL);
  pthread_sigmask (SIG_UNBLOCK, &set, NULL);
  __atomic_store_n (&k->tid, tid, __ATOMIC_RELAXED);
}

/* --- What the guest asked of the board --- */

static void
lock (X86Cpu *cpu)
{
  if (cpu->ops->lock != NULL)
    cpu->ops->lock (cpu->opaque);
}

static void
unlock (X86Cpu *cpu)
{
  if (cpu->ops->unlock != NULL)
    cpu->ops->unlock (cpu->opaque);
}

/* What was asked of devices before. */
static void
flush_posted (X86Cpu *cpu)
{
  if (!kvm_has_posted (cpu->system))
    return;
  lock (cpu);
  x86_system_flush_posted (cpu->system);
  unlock (cpu);
}

static void
access_ports (X86Cpu *cpu)
{
  struct kvm_run *run = cpu->kvm->run;
  uint8_t *data = (uint8_t *) run + run->io.data_offset;

  flush_posted (cpu);
  for (unsigned i = 0; i < run->io.count; i++, data += run->io.size)
    {
      uint32_t value = 0;

      cpu->counters.pio++;
      if (run->io.direction == KVM_EXIT_IO_OUT)
        {
          memcpy (&value, data, run->io.size);
          cpu->ops->pio_write (cpu->opaque, run->io.port, value, run->io.size);
        }
      else
        {
          value = cpu->ops->pio_read (cpu->opaque, run->io.port, run->io.size);
          memcpy (data, &value, run->io.size);
        }
    }
}

/* Bytes of memory that the hardware could not map: a page that is memory in part, or a write to ROM. */
static void
access_bytes (X86Cpu *cpu, uint64_t gpa, uint8_t *data, unsigned length, gboolean is_write)
{
  for (unsigned i = 0; i < length; i++)
    {
      uint8_t *host = x86_phys_ram (cpu, gpa + i, is_write);

      if (!is_write)
        data[i] = host != NULL ? *host : 0xff;
      else if (host != NULL)
        *host = data[i];
    }
}

static void
access_memory (X86Cpu *cpu, uint64_t gpa, uint8_t *data, unsigned length, gboolean is_write)
{
  const MemorySection *section;
  uint64_t value = 0;

  cpu->counters.mmio++;
  lock (cpu);
  x86_system_flush_posted (cpu->system);
  gpa &= cpu->a20_mask;
  section = address_space_lookup (cpu->memory, gpa);
  if (section->kind != MEMORY_MMIO || (length & (length - 1)) != 0)
    access_bytes (cpu, gpa, data, length, is_write);
  else if (is_write)
    {
      memcpy (&value, data, length);
      memory_section_write (section, gpa, value, length);
    }
  else
    {
      value = memory_section_read (section, gpa, length);
      memcpy (data, &value, length);
    }
  unlock (cpu);
}

/* A register that the kernel leaves to us. */
static void
access_msr (X86Cpu *cpu)
{
  struct kvm_run *run = cpu->kvm->run;
  uint64_t value = run->msr.data;

  cpu->counters.msrs++;
  kvm_get_tsc_offset (cpu);
  run->msr.error = 1;
  if (setjmp (cpu->fault_jump) != 0)
    return;
  if (run->exit_reason == KVM_EXIT_X86_WRMSR)
    x86_wrmsr (cpu, NULL, run->msr.index, value);
  else
    {
      x86_rdmsr (cpu, NULL, run->msr.index, &value);
      run->msr.data = value;
    }
  run->msr.error = 0;
}

/* What the kernel's own emulator cannot do, ours does. */
static void
emulate (X86Cpu *cpu)
{
  cpu->counters.emulated++;
  flush_posted (cpu);
  kvm_get_registers (cpu);
  x86_interp_step (cpu);
  kvm_put_registers (cpu);
}

static void
halt (X86Cpu *cpu)
{
  struct kvm_vcpu_events events;

  cpu->halted = X86_HALT_HLT;
  cpu->eflags = (cpu->eflags & ~(uint32_t) X86_FLAG_IF) | (cpu->kvm->run->if_flag ? X86_FLAG_IF : 0);
  if (kvm_ioctl (cpu->kvm->fd, KVM_GET_VCPU_EVENTS, &events) == 0)
    cpu->nmi_masked = events.nmi.masked;
}

static void
handle_exit (X86Cpu *cpu)
{
  X86KvmCpu *k = cpu->kvm;
  struct kvm_run *run = k->run;

  k->needs_completion = FALSE;
  switch (run->exit_reason)
    {
    case KVM_EXIT_IO:
      k->needs_completion = TRUE;
      access_ports (cpu);
      break;
    case KVM_EXIT_MMIO:
      k->needs_completion = TRUE;
      access_memory (cpu, run->mmio.phys_addr, run->mmio.data, run->mmio.len, run->mmio.is_write);
      break;
    case KVM_EXIT_X86_RDMSR:
    case KVM_EXIT_X86_WRMSR:
      k->needs_completion = TRUE;
      access_msr (cpu);
      break;
    case KVM_EXIT_HLT:
      halt (cpu);
      break;
    case KVM_EXIT_IRQ_WINDOW_OPEN:
      cpu->counters.windows++;
      break;
    case KVM_EXIT_INTR:
    case KVM_EXIT_SET_TPR:
    case KVM_EXIT_UNKNOWN:
      cpu->counters.others++;
      break;
    case KVM_EXIT_SHUTDOWN:
      cpu->halted = X86_HALT_SHUTDOWN;
      break;
    case KVM_EXIT_INTERNAL_ERROR:
      if (run->internal.suberror == KVM_INTERNAL_ERROR_EMULATION)
        emulate (cpu);
      else
        kvm_fail (cpu->system, "KVM gave up on processor %u (internal error %u)", cpu->index, run->internal.suberror);
      break;
    case KVM_EXIT_FAIL_ENTRY:
      kvm_fail (cpu->system, "the hardware refuses the state of processor %u (reason %" G_GINT64_MODIFIER "x)", cpu->index,
                (uint64_t) run->fail_entry.hardware_entry_failure_reason);
      break;
    default:
      kvm_fail (cpu->system, "KVM left processor %u for an unknown reason, %u", cpu->index, run->exit_reason);
      break;
    }
}

/* --- The hardware --- */

/* What the guest did to registers that the board keeps. */
static void
after_run (X86Cpu *cpu)
{
  X86KvmCpu *k = cpu->kvm;
  const X86HostOps *ops = cpu->ops;

  if (k->runs_chips)
    return;
  k->ready = k->run->ready_for_interrupt_injection;
  if (ops->tpr_get != NULL && ops->tpr_get (cpu->opaque) != k->run->cr8)
    ops->tpr_set (cpu->opaque, (uint8_t) k->run->cr8);
  if (ops->apic_base_get != NULL && ops->apic_base_get (cpu->opaque) != k->run->apic_base)
    ops->apic_base_set (cpu->opaque, k->run->apic_base);
}

/* One stay. FALSE when it was called out before it got anywhere. */
static gboolean
enter (X86Cpu *cpu)
{
  X86KvmCpu *k = cpu->kvm;
  int result = ioctl (k->fd, KVM_RUN, 0), cause = errno;

  step_out (cpu);
  if (result < 0 && cause != EINTR && cause != EAGAIN)
    {
      kvm_fail (cpu->system, "KVM cannot run processor %u: %s", cpu->index, g_strerror (cause));
      return FALSE;
    }
  after_run (cpu);
  return result == 0;
}

/* The last access to a device takes effect on registers with the next entry only. */
static void
complete (X86Cpu *cpu)
{
  while (cpu->kvm->needs_completion)
    {
      step_in (cpu);
      cpu->kvm->run->immediate_exit = 1;
      if (enter (cpu))
        handle_exit (cpu);
      else
        cpu->kvm->needs_completion = FALSE;
    }
}

/* --- Events --- */

static gboolean
take (X86Cpu *cpu, uint32_t request)
{
  return (__atomic_fetch_and (&cpu->pending, ~request, __ATOMIC_SEQ_CST) & request) != 0;
}

/* INIT and SIPI change the state as the interpreter would. */
static void
take_reset (X86Cpu *cpu, uint32_t pending)
{
  complete (cpu);
  kvm_get_activity (cpu);
  kvm_get_registers (cpu);
  if (pending & X86_REQ_INIT)
    x86_take_init (cpu);
  if (pending & X86_REQ_SIPI)
    x86_take_sipi (cpu);
  kvm_put_registers (cpu);
  kvm_put_activity (cpu);
}

static void
inject (X86Cpu *cpu)
{
  X86KvmCpu *k = cpu->kvm;
  struct kvm_interrupt interrupt;
  int vector;

  k->run->request_interrupt_window = 0;
  if ((__atomic_load_n (&cpu->pending, __ATOMIC_SEQ_CST) & X86_REQ_NMI) && !(cpu->halted == X86_HALT_HLT && cpu->nmi_masked)
      && take (cpu, X86_REQ_NMI))
    {
      kvm_ioctl (k->fd, KVM_NMI, NULL);
      cpu->halted = X86_HALT_NONE;
    }
  /* The kernel's chips ask by themselves. */
  if (k->runs_chips || !(__atomic_load_n (&cpu->pending, __ATOMIC_SEQ_CST) & X86_REQ_INTR))
    return;
  if (k->ready && k->run->if_flag && cpu->ops->interrupt_ack != NULL)
    {
      vector = cpu->ops->interrupt_ack (cpu->opaque);
      if (vector >= 0)
        {
          interrupt.irq = (uint32_t) vector;
          kvm_ioctl (k->fd, KVM_INTERRUPT, &interrupt);
          cpu->counters.interrupts++;
          cpu->halted = X86_HALT_NONE;
          k->ready = FALSE;
        }
    }
  if (__atomic_load_n (&cpu->pending, __ATOMIC_SEQ_CST) & X86_REQ_INTR)
    k->run->request_interrupt_window = 1;
}

/* Deals with everything pending. Returns TRUE when the loop shall leave, with *@why. */
static gboolean
handle_events (X86Cpu *cpu, X86Exit *why)
{
  uint32_t pending;

  __atomic_store_n (&cpu->attention, 0, __ATOMIC_SEQ_CST);
  pending = __atomic_load_n (&cpu->pending, __ATOMIC_SEQ_CST);
  /* The hardware has its own caches. */
  x86_cpu_lower (cpu, X86_REQ_TLB_FLUSH | X86_REQ_CODE | X86_REQ_LOGGED | X86_REQ_CLEANED);
  if (take (cpu, X86_REQ_STOP))
    x86_alone_stop (cpu);

  if (X86_UNLIKELY (__atomic_load_n (&cpu->system->kvm->failure, __ATOMIC_SEQ_CST) != NULL))
    {
      *why = X86_EXIT_FAILED;
      return TRUE;
    }
  if (cpu->halted == X86_HALT_SHUTDOWN)
    {
      *why = X86_EXIT_SHUTDOWN;
      return TRUE;
    }
  if (take (cpu, X86_REQ_EXIT))
    {
      x86_attend (cpu);
      *why = X86_EXIT_KICKED;
      return TRUE;
    }
  if (pending & (X86_REQ_INIT | X86_REQ_SIPI))
    {
      x86_cpu_lower (cpu, pending & (X86_REQ_INIT | X86_REQ_SIPI));
      take_reset (cpu, pending);
    }
  if (cpu->halted != X86_HALT_SIPI)
    inject (cpu);
  if (cpu->halted != X86_HALT_NONE)
    {
      *why = X86_EXIT_HALTED;
      return TRUE;
    }
  return FALSE;
}

X86Exit
kvm_run (X86Cpu *cpu)
{
  struct kvm_run *run = cpu->kvm->run;
  X86Exit why;

  enter_thread (cpu->kvm);
  __atomic_store_n (&cpu->is_running, 1, __ATOMIC_SEQ_CST);
  x86_attend (cpu);
  for (;;)
    {
      if (handle_events (cpu, &why))
        break;
      if (!cpu->kvm->runs_chips && cpu->ops->tpr_get != NULL)
        run->cr8 = cpu->ops->tpr_get (cpu->opaque);
      step_in (cpu);
      /* Also what came since is seen here, or calls the processor out. */
      if (__atomic_load_n (&cpu->attention, __ATOMIC_SEQ_CST))
        {
          step_out (cpu);
          continue;
        }
      if (enter (cpu))
        handle_exit (cpu);
      else
        {
          cpu->kvm->needs_completion = FALSE;
          cpu->counters.kicks++;
        }
    }
  complete (cpu);
  __atomic_store_n (&cpu->is_running, 0, __ATOMIC_SEQ_CST);
  x86_alone_left (cpu);
  return why;
}
