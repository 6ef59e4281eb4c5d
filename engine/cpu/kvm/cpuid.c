/* SPDX-License-Identifier: GPL-3.0-or-later */
/* CPUID under the hardware: the model's, cut to what the host supports. */

#include "engine/cpu/cpuid.h"
#include "engine/cpu/kvm/kvm-private.h"

#include <errno.h>
#include <gio/gio.h>
#include <string.h>
#include <sys/ioctl.h>

enum { LEAVES_MAX = 256, XSAVE_LEAF = 0xd, XSAVE_SUBLEAVES = 3 };

typedef struct
{
  struct kvm_cpuid2 head;
  struct kvm_cpuid_entry2 entries[LEAVES_MAX];
} Leaves;

gboolean
kvm_read_features (X86Kvm *kvm, GError **error)
{
  /* Of these the kernel's list says nothing: they are the board's, or hold no promise. */
  static const uint8_t always[] = { X86_FEAT_HYPERVISOR, X86_FEAT_HTT, X86_FEAT_APIC };
  g_autofree Leaves *leaves = g_new0 (Leaves, 1);
  g_autofree X86CpuidLeaf *shown = NULL;

  leaves->head.nent = LEAVES_MAX;
  if (kvm_ioctl (kvm->kvm, KVM_GET_SUPPORTED_CPUID, leaves) < 0)
    {
      g_set_error (error, G_IO_ERROR, (int) g_io_error_from_errno (errno), "KVM does not say what it supports: %s", g_strerror (errno));
      return FALSE;
    }
  shown = g_new (X86CpuidLeaf, leaves->head.nent);
  for (unsigned i = 0; i < leaves->head.nent; i++)
    {
      const struct kvm_cpuid_entry2 *e = &leaves->entries[i];

      shown[i] = (X86CpuidLeaf) { e->function, e->index, { e->eax, e->ebx, e->ecx, e->edx } };
    }
  x86_features_of (shown, leaves->head.nent, kvm->features);
  for (unsigned i = 0; i < G_N_ELEMENTS (always); i++)
    kvm->features[always[i] / 64] |= (uint64_t) 1 << (always[i] % 64);
  /* The board's own APIC gets the register by an exit. */
  if (kvm->has_chips ? ioctl (kvm->kvm, KVM_CHECK_EXTENSION, KVM_CAP_TSC_DEADLINE_TIMER) > 0 : kvm->has_msr_exits)
    kvm->features[X86_FEAT_TSC_DEADLINE / 64] |= (uint64_t) 1 << (X86_FEAT_TSC_DEADLINE % 64);
  else
    kvm->features[X86_FEAT_TSC_DEADLINE / 64] &= ~((uint64_t) 1 << (X86_FEAT_TSC_DEADLINE % 64));
  return TRUE;
}

gboolean
kvm_check_features (X86Cpu *cpu, GError **error)
{
  const X86Kvm *kvm = cpu->system->kvm;
  g_autoptr (GString) lacking = NULL;

  if (!cpu->system->is_started)
    {
      if (!x86_cpu_model_fits (cpu->model, kvm->features))
        {
          g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED, "KVM here has not all that processor model “%s” needs",
                       x86_cpu_model_name (cpu->model));
          return FALSE;
        }
      for (unsigned i = 0; i < G_N_ELEMENTS (cpu->features); i++)
        cpu->features[i] &= kvm->features[i];
      return TRUE;
    }
  lacking = x86_features_missing (cpu->features, kvm->features);
  if (lacking == NULL)
    return TRUE;
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED, "the guest has seen features that KVM here lacks: CPUID %s", lacking->str);
  return FALSE;
}

static void
add_leaf (X86Cpu *cpu, Leaves *leaves, uint32_t leaf, uint32_t subleaf, gboolean has_subleaves)
{
  struct kvm_cpuid_entry2 *e = &leaves->entries[leaves->head.nent++];
  uint32_t out[4];

  x86_cpuid (cpu, leaf, subleaf, out);
  *e = (struct kvm_cpuid_entry2) { .function = leaf, .index = subleaf, .flags = has_subleaves ? KVM_CPUID_FLAG_SIGNIFCANT_INDEX : 0,
                                   .eax = out[0], .ebx = out[1], .ecx = out[2], .edx = out[3] };
}

gboolean
kvm_put_cpuid (X86Cpu *cpu, GError **error)
{
  g_autofree Leaves *leaves = g_new0 (Leaves, 1);
  uint32_t out[4];

  x86_cpuid (cpu, 0, 0, out);
  for (uint32_t leaf = 0, last = out[0]; leaf <= last; leaf++)
    for (unsigned i = 0; i < (leaf == XSAVE_LEAF ? XSAVE_SUBLEAVES : 1); i++)
      add_leaf (cpu, leaves, leaf, i, leaf == 7 || leaf == XSAVE_LEAF);
  if (x86_has (cpu, X86_FEAT_HYPERVISOR))
    add_leaf (cpu, leaves, 0x40000000, 0, FALSE);
  x86_cpuid (cpu, 0x80000000, 0, out);
  for (uint32_t leaf = 0x80000000, last = out[0]; leaf <= last; leaf++)
    add_leaf (cpu, leaves, leaf, 0, FALSE);
  if (kvm_ioctl (cpu->kvm->fd, KVM_SET_CPUID2, leaves) == 0)
    return TRUE;
  g_set_error (error, G_IO_ERROR, (int) g_io_error_from_errno (errno), "KVM refuses the processor model “%s”: %s",
               x86_cpu_model_name (cpu->model), g_strerror (errno));
  return FALSE;
}
