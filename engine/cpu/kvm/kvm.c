/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The hardware accelerator: what it needs of the kernel, and its machines and processors there. */

#include "engine/cpu/kvm/kvm-private.h"
#include "engine/cpu/msr.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

enum
{
  /* Intel's hardware needs four pages of guest-physical memory for itself: between the APICs, where nothing is. */
  IDENTITY_MAP = 0xfeffc000, TSS = 0xfeffd000, MSRS_MAX = 1024
};

int
kvm_ioctl (int fd, unsigned long request, void *argument)
{
  int result;

  do
    result = ioctl (fd, request, argument);
  while (result < 0 && errno == EINTR);
  return result;
}

static int
check (int fd, long extension)
{
  return MAX (ioctl (fd, KVM_CHECK_EXTENSION, extension), 0);
}

void
kvm_fail (X86System *system, const char *format, ...)
{
  X86Kvm *kvm = system->kvm;
  char *none = NULL, *failure;
  va_list words;

  va_start (words, format);
  failure = g_strdup_vprintf (format, words);
  va_end (words);
  if (!__atomic_compare_exchange_n (&kvm->failure, &none, failure, FALSE, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
    g_free (failure);
  for (unsigned i = 0; i < system->cpu_count; i++)
    x86_cpu_raise (system->cpus[i], X86_REQ_EXIT);
}

static const char *
failure (const X86System *system)
{
  return __atomic_load_n (&system->kvm->failure, __ATOMIC_SEQ_CST);
}

/* --- The kernel's side --- */

static gboolean
open_kernel (X86Kvm *kvm, GError **error)
{
  /* What nothing here works without; all of it is older than Linux 4.12. */
  static const struct { long extension; const char *name; } needs[] = {
    { KVM_CAP_USER_MEMORY, "user memory" }, { KVM_CAP_EXT_CPUID, "CPUID" }, { KVM_CAP_SET_TSS_ADDR, "a task state segment" },
    { KVM_CAP_READONLY_MEM, "read-only memory" }, { KVM_CAP_IMMEDIATE_EXIT, "immediate exits" },
    { KVM_CAP_VCPU_EVENTS, "processor events" }, { KVM_CAP_MP_STATE, "processor states" },
  };

  kvm->kvm = open ("/dev/kvm", O_RDWR | O_CLOEXEC);
  if (kvm->kvm < 0)
    {
      g_set_error (error, G_IO_ERROR, (int) g_io_error_from_errno (errno), "cannot open /dev/kvm: %s", g_strerror (errno));
      return FALSE;
    }
  if (ioctl (kvm->kvm, KVM_GET_API_VERSION, 0) != KVM_API_VERSION)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED, "KVM here speaks another version of its interface");
      return FALSE;
    }
  for (unsigned i = 0; i < G_N_ELEMENTS (needs); i++)
    if (check (kvm->kvm, needs[i].extension) == 0)
      {
        g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED, "KVM here lacks %s", needs[i].name);
        return FALSE;
      }
  kvm->has_xsave = check (kvm->kvm, KVM_CAP_XSAVE) != 0;
  kvm->has_xcrs = check (kvm->kvm, KVM_CAP_XCRS) != 0;
  kvm->has_sregs2 = check (kvm->kvm, KVM_CAP_SREGS2) != 0;
  kvm->has_debugregs = check (kvm->kvm, KVM_CAP_DEBUGREGS) != 0;
  kvm->has_tsc_control = check (kvm->kvm, KVM_CAP_TSC_CONTROL) != 0;
  kvm->has_irqfd = check (kvm->kvm, KVM_CAP_IRQFD) != 0;
  kvm->has_ioeventfd = check (kvm->kvm, KVM_CAP_IOEVENTFD) != 0;
  kvm->ring_page = (unsigned) check (kvm->kvm, KVM_CAP_COALESCED_MMIO);
  kvm->has_posted_ports = check (kvm->kvm, KVM_CAP_COALESCED_PIO) != 0;
  kvm->run_size = (size_t) MAX (ioctl (kvm->kvm, KVM_GET_VCPU_MMAP_SIZE, 0), 0);
  kvm->slot_max = MAX ((guint) check (kvm->kvm, KVM_CAP_NR_MEMSLOTS), 32);
  kvm->slot_used = g_malloc0 (kvm->slot_max);
  return TRUE;
}

static void
read_msr_list (X86Kvm *kvm)
{
  g_autofree struct kvm_msr_list *list = g_malloc0 (sizeof *list + MSRS_MAX * sizeof list->indices[0]);

  list->nmsrs = MSRS_MAX;
  if (kvm_ioctl (kvm->kvm, KVM_GET_MSR_INDEX_LIST, list) < 0)
    return;
  g_array_append_vals (kvm->msrs, list->indices, list->nmsrs);
}

/* MSRs that the kernel does not know come to us, and so does the one that its own local APIC would take, unless it is that
 * one which runs. */
static void
ask_for_msr_exits (X86Kvm *kvm)
{
  uint8_t none = 0;
  struct kvm_enable_cap exits = { .cap = KVM_CAP_X86_USER_SPACE_MSR, .args = { KVM_MSR_EXIT_REASON_UNKNOWN | KVM_MSR_EXIT_REASON_FILTER } };
  struct kvm_msr_filter filter = {
    .flags = KVM_MSR_FILTER_DEFAULT_ALLOW,
    .ranges = { { .flags = KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE, .base = MSR_TSC_DEADLINE, .nmsrs = 1, .bitmap = &none } }
  };

  kvm->has_msr_exits = check (kvm->kvm, KVM_CAP_X86_USER_SPACE_MSR) != 0 && check (kvm->kvm, KVM_CAP_X86_MSR_FILTER) != 0
                       && kvm_ioctl (kvm->vm, KVM_ENABLE_CAP, &exits) == 0
                       && (kvm->has_chips || kvm_ioctl (kvm->vm, KVM_X86_SET_MSR_FILTER, &filter) == 0);
}

static gboolean
open_vm (X86Kvm *kvm, GError **error)
{
  kvm->vm = kvm_ioctl (kvm->kvm, KVM_CREATE_VM, NULL);
  if (kvm->vm >= 0)
    return TRUE;
  g_set_error (error, G_IO_ERROR, (int) g_io_error_from_errno (errno), "KVM refuses a machine: %s", g_strerror (errno));
  return FALSE;
}

static gboolean
create_vm (X86Kvm *kvm, gboolean wants_chips, GError **error)
{
  uint64_t identity_map = IDENTITY_MAP;

  if (!open_vm (kvm, error))
    return FALSE;
  kvm->has_chips = wants_chips && kvm_create_chips (kvm);
  if (wants_chips && !kvm->has_chips)
    {
      /* Where some have been made the board's can do nothing any more. */
      close (kvm->vm);
      if (!open_vm (kvm, error))
        return FALSE;
    }
  if (check (kvm->kvm, KVM_CAP_SET_IDENTITY_MAP_ADDR) != 0)
    kvm_ioctl (kvm->vm, KVM_SET_IDENTITY_MAP_ADDR, &identity_map);
  if (ioctl (kvm->vm, KVM_SET_TSS_ADDR, TSS) < 0)
    {
      g_set_error (error, G_IO_ERROR, (int) g_io_error_from_errno (errno), "KVM refuses its task state segment: %s",
                   g_strerror (errno));
      return FALSE;
    }
  read_msr_list (kvm);
  ask_for_msr_exits (kvm);
  return kvm_read_features (kvm, error);
}

static void
no_action (int number)
{
}

/* A signal without effect, but that it ends a stay in the hardware. */
static void
prepare_signal (void)
{
  /* One may come late, when the stack pointer is the guest's. */
  struct sigaction action = { .sa_handler = no_action, .sa_flags = SA_ONSTACK };

  sigemptyset (&action.sa_mask);
  sigaction (KVM_KICK_SIGNAL, &action, NULL);
}

static void
close_system (X86System *system)
{
  X86Kvm *kvm = g_steal_pointer (&system->kvm);

  if (kvm->vm >= 0)
    close (kvm->vm);
  if (kvm->kvm >= 0)
    close (kvm->kvm);
  kvm_close_events (kvm);
  kvm_close_coalesced (kvm);
  g_array_unref (kvm->msrs);
  g_array_unref (kvm->slots);
  g_free (kvm->slot_used);
  g_free (kvm->failure);
  g_mutex_clear (&kvm->gate_lock);
  g_cond_clear (&kvm->gate_cond);
  g_free (kvm);
}

static gboolean
open_with (X86System *system, gboolean wants_chips, GError **error)
{
  X86Kvm *kvm = g_new0 (X86Kvm, 1);

  kvm->kvm = kvm->vm = -1;
  kvm->msrs = g_array_new (FALSE, FALSE, sizeof (uint32_t));
  kvm->slots = g_array_new (FALSE, FALSE, sizeof (KvmSlot));
  kvm_open_events (kvm);
  kvm_open_coalesced (kvm);
  g_mutex_init (&kvm->gate_lock);
  g_cond_init (&kvm->gate_cond);
  system->kvm = kvm;
  if (!open_kernel (kvm, error) || !create_vm (kvm, wants_chips, error))
    {
      close_system (system);
      return FALSE;
    }
  prepare_signal ();
  return TRUE;
}

static gboolean
open_system (X86System *system, GError **error)
{
  return open_with (system, system->lends_chips, error);
}

static gboolean
open_without_chips (X86System *system, GError **error)
{
  return open_with (system, FALSE, error);
}

/* --- Processors --- */

static void
destroy_cpu (X86Cpu *cpu)
{
  X86KvmCpu *k = cpu->kvm;

  if (k == NULL)
    return;
  /* What has been counted stays counted. */
  x86_kvm_add_counters (cpu, &cpu->counters);
  cpu->kvm = NULL;
  if (k->run != NULL)
    munmap (k->run, cpu->system->kvm->run_size);
  if (k->stats >= 0)
    close (k->stats);
  if (k->fd >= 0)
    close (k->fd);
  g_free (k);
}

/* The guest's time-stamp counter runs at the rate that the board promised. */
static gboolean
set_tsc_rate (X86Cpu *cpu, GError **error)
{
  X86Kvm *kvm = cpu->system->kvm;
  uint64_t hz = cpu->ops->tsc_hz != NULL ? cpu->ops->tsc_hz (cpu->opaque) : 0;
  uint64_t host_hz = (uint64_t) MAX (ioctl (cpu->kvm->fd, KVM_GET_TSC_KHZ, 0), 0) * 1000;

  if (hz == 0 || hz == host_hz)
    return TRUE;
  if (kvm->has_tsc_control && ioctl (cpu->kvm->fd, KVM_SET_TSC_KHZ, (long) (hz / 1000)) == 0)
    return TRUE;
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
               "the time-stamp counter runs at %" G_GUINT64_FORMAT " MHz here, the guest's at %" G_GUINT64_FORMAT
               " MHz, and this host's hardware cannot scale it",
               host_hz / 1000000, hz / 1000000);
  return FALSE;
}

static gboolean
create_cpu (X86Cpu *cpu, GError **error)
{
  X86Kvm *kvm = cpu->system->kvm;
  X86KvmCpu *k;

  if (!kvm_check_features (cpu, error))
    return FALSE;
  k = cpu->kvm = g_new0 (X86KvmCpu, 1);
  k->stats = -1;
  k->fd = ioctl (kvm->vm, KVM_CREATE_VCPU, (long) cpu->index);
  if (k->fd >= 0)
    k->run = mmap (NULL, kvm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, k->fd, 0);
  if (k->fd < 0 || k->run == MAP_FAILED)
    {
      g_set_error (error, G_IO_ERROR, (int) g_io_error_from_errno (errno), "KVM refuses processor %u: %s", cpu->index,
                   g_strerror (errno));
      k->run = NULL;
      destroy_cpu (cpu);
      return FALSE;
    }
  if (!kvm_put_cpuid (cpu, error) || !set_tsc_rate (cpu, error))
    {
      destroy_cpu (cpu);
      return FALSE;
    }
  kvm_open_stats (k);
  /* Blocks that the interpreter keeps would be watched for ever. */
  x86_block_cache_flush (cpu);
  return TRUE;
}

const X86Accel x86_accel_kvm = {
  .name = "kvm", .open = open_system, .close = close_system, .create = create_cpu, .destroy = destroy_cpu, .run = kvm_run,
  .kick = kvm_kick, .put_state = kvm_put_state, .get_state = kvm_get_state, .get_general = kvm_get_general,
  .put_general = kvm_put_general, .memory_changed = kvm_memory_changed, .collect_dirty = kvm_collect_dirty, .failure = failure
};

const X86Accel x86_accel_kvm_user_irqchip = {
  .name = "kvm-user-irqchip", .open = open_without_chips, .close = close_system, .create = create_cpu, .destroy = destroy_cpu,
  .run = kvm_run, .kick = kvm_kick, .put_state = kvm_put_state, .get_state = kvm_get_state, .get_general = kvm_get_general,
  .put_general = kvm_put_general, .memory_changed = kvm_memory_changed, .collect_dirty = kvm_collect_dirty, .failure = failure
};
