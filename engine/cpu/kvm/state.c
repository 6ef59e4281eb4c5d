/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The processor's state between X86Cpu and the kernel. */

#include "engine/cpu/cpuid.h"
#include "engine/cpu/fp.h"
#include "engine/cpu/kvm/kvm-private.h"
#include "engine/cpu/msr.h"

#include <errno.h>
#include <string.h>

/* --- General registers --- */

void
kvm_put_general (X86Cpu *cpu)
{
  const uint64_t *r = cpu->r;
  struct kvm_regs regs = {
    .rax = r[X86_RAX], .rbx = r[X86_RBX], .rcx = r[X86_RCX], .rdx = r[X86_RDX], .rsi = r[X86_RSI], .rdi = r[X86_RDI],
    .rsp = r[X86_RSP], .rbp = r[X86_RBP], .r8 = r[X86_R8], .r9 = r[X86_R9], .r10 = r[X86_R10], .r11 = r[X86_R11],
    .r12 = r[X86_R12], .r13 = r[X86_R13], .r14 = r[X86_R14], .r15 = r[X86_R15], .rip = r[X86_RIP], .rflags = x86_get_eflags (cpu)
  };

  if (kvm_ioctl (cpu->kvm->fd, KVM_SET_REGS, &regs) < 0)
    kvm_fail (cpu->system, "KVM refuses the registers of processor %u: %s", cpu->index, g_strerror (errno));
}

void
kvm_get_general (X86Cpu *cpu)
{
  uint64_t *r = cpu->r;
  struct kvm_regs regs;

  if (kvm_ioctl (cpu->kvm->fd, KVM_GET_REGS, &regs) < 0)
    return;
  r[X86_RAX] = regs.rax;
  r[X86_RBX] = regs.rbx;
  r[X86_RCX] = regs.rcx;
  r[X86_RDX] = regs.rdx;
  r[X86_RSI] = regs.rsi;
  r[X86_RDI] = regs.rdi;
  r[X86_RSP] = regs.rsp;
  r[X86_RBP] = regs.rbp;
  r[X86_R8] = regs.r8;
  r[X86_R9] = regs.r9;
  r[X86_R10] = regs.r10;
  r[X86_R11] = regs.r11;
  r[X86_R12] = regs.r12;
  r[X86_R13] = regs.r13;
  r[X86_R14] = regs.r14;
  r[X86_R15] = regs.r15;
  r[X86_RIP] = regs.rip;
  x86_set_eflags (cpu, (uint32_t) regs.rflags, ~(uint32_t) 0);
}

/* --- Segments and control registers --- */

static struct kvm_segment
to_segment (uint16_t sel, uint64_t base, uint32_t limit, uint32_t attr)
{
  return (struct kvm_segment) {
    .base = base, .limit = limit, .selector = sel, .type = attr & X86_SEG_TYPE, .present = (attr & X86_SEG_P) != 0,
    .dpl = (attr & X86_SEG_DPL) >> X86_SEG_DPL_SHIFT, .db = (attr & X86_SEG_DB) != 0, .s = (attr & X86_SEG_S) != 0,
    .l = (attr & X86_SEG_L) != 0, .g = (attr & X86_SEG_G) != 0, .avl = (attr & X86_SEG_AVL) != 0,
    .unusable = (attr & X86_SEG_UNUSABLE) != 0
  };
}

static uint32_t
attributes (const struct kvm_segment *s)
{
  if (s->unusable)
    return X86_SEG_UNUSABLE | (uint32_t) s->dpl << X86_SEG_DPL_SHIFT;
  return s->type | (s->s ? X86_SEG_S : 0) | (uint32_t) s->dpl << X86_SEG_DPL_SHIFT | (s->present ? X86_SEG_P : 0)
         | (s->avl ? X86_SEG_AVL : 0) | (s->l ? X86_SEG_L : 0) | (s->db ? X86_SEG_DB : 0) | (s->g ? X86_SEG_G : 0);
}

static struct kvm_segment
put_segment (const X86Cpu *cpu, unsigned n)
{
  return to_segment (cpu->seg[n].sel, cpu->r[X86_SEGBASE + n], cpu->seg[n].limit, cpu->seg[n].attr);
}

static void
get_segment (X86Cpu *cpu, unsigned n, const struct kvm_segment *s)
{
  cpu->seg[n] = (X86Seg) { .sel = s->selector, .attr = attributes (s), .limit = s->limit };
  cpu->r[X86_SEGBASE + n] = s->base;
}

static struct kvm_segment
put_table (const X86Table *table)
{
  return to_segment (table->sel, table->base, table->limit, table->attr);
}

static void
get_table (X86Table *table, const struct kvm_segment *s)
{
  *table = (X86Table) { .sel = s->selector, .attr = attributes (s), .limit = s->limit, .base = s->base };
}

static void
put_control (X86Cpu *cpu)
{
  const X86HostOps *ops = cpu->ops;
  gboolean is_inside = cpu->kvm->runs_chips;
  uint64_t apic_base = is_inside ? cpu->kvm->apic_base
                       : ops->apic_base_get != NULL ? ops->apic_base_get (cpu->opaque) : cpu->msr.apic_base;
  struct kvm_sregs2 s = {
    .cs = put_segment (cpu, X86_CS), .ds = put_segment (cpu, X86_DS), .es = put_segment (cpu, X86_ES),
    .fs = put_segment (cpu, X86_FS), .gs = put_segment (cpu, X86_GS), .ss = put_segment (cpu, X86_SS),
    .tr = put_table (&cpu->tr), .ldt = put_table (&cpu->ldtr), .gdt = { .base = cpu->gdtr.base, .limit = (uint16_t) cpu->gdtr.limit },
    .idt = { .base = cpu->idtr.base, .limit = (uint16_t) cpu->idtr.limit }, .cr0 = cpu->cr0, .cr2 = cpu->cr2, .cr3 = cpu->cr3,
    .cr4 = cpu->cr4, .cr8 = !is_inside && ops->tpr_get != NULL ? ops->tpr_get (cpu->opaque) : cpu->cr8, .efer = cpu->msr.efer,
    .apic_base = apic_base
  };
  int result;

  /* The hardware takes the privilege from SS. */
  s.ss.dpl = cpu->cpl;
  if (cpu->system->kvm->has_sregs2)
    {
      if ((cpu->cr0 & X86_CR0_PG) && (cpu->cr4 & X86_CR4_PAE) && !x86_long_mode (cpu))
        {
          s.flags = KVM_SREGS2_FLAGS_PDPTRS_VALID;
          memcpy (s.pdptrs, cpu->pdpte, sizeof s.pdptrs);
        }
      result = kvm_ioctl (cpu->kvm->fd, KVM_SET_SREGS2, &s);
    }
  else
    {
      struct kvm_sregs old;

      /* The older structure begins like the newer one. */
      memset (&old, 0, sizeof old);
      memcpy (&old, &s, G_STRUCT_OFFSET (struct kvm_sregs, interrupt_bitmap));
      result = kvm_ioctl (cpu->kvm->fd, KVM_SET_SREGS, &old);
    }
  if (result < 0)
    kvm_fail (cpu->system, "KVM refuses the control registers of processor %u: %s", cpu->index, g_strerror (errno));
  cpu->kvm->run->apic_base = cpu->kvm->apic_base = apic_base;
  cpu->kvm->run->cr8 = s.cr8;
}

static void
get_control (X86Cpu *cpu)
{
  struct kvm_sregs2 s = { .flags = 0 };
  struct kvm_sregs old;

  if (cpu->system->kvm->has_sregs2)
    {
      if (kvm_ioctl (cpu->kvm->fd, KVM_GET_SREGS2, &s) < 0)
        return;
    }
  else
    {
      if (kvm_ioctl (cpu->kvm->fd, KVM_GET_SREGS, &old) < 0)
        return;
      memcpy (&s, &old, G_STRUCT_OFFSET (struct kvm_sregs, interrupt_bitmap));
    }
  get_segment (cpu, X86_CS, &s.cs);
  get_segment (cpu, X86_DS, &s.ds);
  get_segment (cpu, X86_ES, &s.es);
  get_segment (cpu, X86_FS, &s.fs);
  get_segment (cpu, X86_GS, &s.gs);
  get_segment (cpu, X86_SS, &s.ss);
  get_table (&cpu->tr, &s.tr);
  get_table (&cpu->ldtr, &s.ldt);
  cpu->gdtr = (X86Table) { .base = s.gdt.base, .limit = s.gdt.limit };
  cpu->idtr = (X86Table) { .base = s.idt.base, .limit = s.idt.limit };
  cpu->cr0 = s.cr0;
  cpu->cr2 = s.cr2;
  cpu->cr3 = s.cr3;
  cpu->cr4 = s.cr4;
  cpu->cr8 = s.cr8;
  cpu->msr.efer = s.efer;
  cpu->kvm->apic_base = s.apic_base;
  cpu->cpl = !(s.cr0 & X86_CR0_PE) ? 0 : x86_vm86 (cpu) ? 3 : s.ss.dpl;
  if (s.flags & KVM_SREGS2_FLAGS_PDPTRS_VALID)
    memcpy (cpu->pdpte, s.pdptrs, sizeof cpu->pdpte);
  else if ((s.cr0 & X86_CR0_PG) && (s.cr4 & X86_CR4_PAE) && !x86_long_mode (cpu))
    x86_load_pdptes (cpu, s.cr3);
}

static void
put_debug (X86Cpu *cpu)
{
  struct kvm_debugregs d = { .db = { cpu->dr[0], cpu->dr[1], cpu->dr[2], cpu->dr[3] }, .dr6 = cpu->dr[6], .dr7 = cpu->dr[7] };

  if (cpu->system->kvm->has_debugregs)
    kvm_ioctl (cpu->kvm->fd, KVM_SET_DEBUGREGS, &d);
}

static void
get_debug (X86Cpu *cpu)
{
  struct kvm_debugregs d;

  if (!cpu->system->kvm->has_debugregs || kvm_ioctl (cpu->kvm->fd, KVM_GET_DEBUGREGS, &d) < 0)
    return;
  for (unsigned i = 0; i < 4; i++)
    cpu->dr[i] = d.db[i];
  cpu->dr[6] = d.dr6;
  cpu->dr[7] = d.dr7;
}

/* --- Floating point and vectors: the XSAVE image in its standard form --- */

enum
{
  IMAGE_FCW = 0, IMAGE_FSW = 2, IMAGE_FTW = 4, IMAGE_FOP = 6, IMAGE_FIP = 8, IMAGE_FDP = 16, IMAGE_MXCSR = 24, IMAGE_ST = 32,
  IMAGE_XMM = 160, IMAGE_HEADER = 512, IMAGE_YMM = 576,
  COMPONENT_X87 = 1, COMPONENT_SSE = 2, COMPONENT_AVX = 4
};

static void
put_units (X86Cpu *cpu)
{
  struct kvm_xsave xsave = { .region = { 0 } };
  uint8_t *image = (uint8_t *) xsave.region;
  uint64_t components = COMPONENT_X87 | COMPONENT_SSE;
  struct kvm_fpu fpu = { .fcw = cpu->fpu.fcw, .fsw = cpu->fpu.fsw, .ftwx = cpu->fpu.ftag, .last_opcode = cpu->fpu.fop,
                         .last_ip = cpu->fpu.fip, .last_dp = cpu->fpu.fdp, .mxcsr = cpu->mxcsr };

  for (unsigned i = 0; i < 8; i++)
    memcpy (fpu.fpr[i], &cpu->fpu.st[((cpu->fpu.fsw >> X86_FSW_TOP_SHIFT) + i) & 7], 10);
  for (unsigned i = 0; i < 16; i++)
    memcpy (fpu.xmm[i], &cpu->vec[i], 16);
  if (!cpu->system->kvm->has_xsave)
    {
      kvm_ioctl (cpu->kvm->fd, KVM_SET_FPU, &fpu);
      return;
    }
  memcpy (image + IMAGE_FCW, &fpu.fcw, 2);
  memcpy (image + IMAGE_FSW, &fpu.fsw, 2);
  image[IMAGE_FTW] = fpu.ftwx;
  memcpy (image + IMAGE_FOP, &fpu.last_opcode, 2);
  memcpy (image + IMAGE_FIP, &fpu.last_ip, 8);
  memcpy (image + IMAGE_FDP, &fpu.last_dp, 8);
  memcpy (image + IMAGE_MXCSR, &fpu.mxcsr, 4);
  memcpy (image + IMAGE_ST, fpu.fpr, sizeof fpu.fpr);
  memcpy (image + IMAGE_XMM, fpu.xmm, sizeof fpu.xmm);
  if (x86_has (cpu, X86_FEAT_AVX))
    {
      components |= COMPONENT_AVX;
      for (unsigned i = 0; i < 16; i++)
        memcpy (image + IMAGE_YMM + i * 16, &cpu->vec[i].q[2], 16);
    }
  memcpy (image + IMAGE_HEADER, &components, sizeof components);
  if (kvm_ioctl (cpu->kvm->fd, KVM_SET_XSAVE, &xsave) < 0)
    kvm_fail (cpu->system, "KVM refuses the vector registers of processor %u: %s", cpu->index, g_strerror (errno));
}

static void
get_units (X86Cpu *cpu)
{
  struct kvm_xsave xsave;
  const uint8_t *image = (const uint8_t *) xsave.region;
  uint64_t components;
  struct kvm_fpu fpu = { .fcw = 0x37f, .mxcsr = 0x1f80 };

  if (!cpu->system->kvm->has_xsave)
    {
      if (kvm_ioctl (cpu->kvm->fd, KVM_GET_FPU, &fpu) < 0)
        return;
      components = COMPONENT_X87 | COMPONENT_SSE;
    }
  else
    {
      if (kvm_ioctl (cpu->kvm->fd, KVM_GET_XSAVE, &xsave) < 0)
        return;
      /* What is not among the components is as after a reset, whatever lies there. */
      memcpy (&components, image + IMAGE_HEADER, sizeof components);
      if (components & COMPONENT_X87)
        {
          memcpy (&fpu.fcw, image + IMAGE_FCW, 2);
          memcpy (&fpu.fsw, image + IMAGE_FSW, 2);
          fpu.ftwx = image[IMAGE_FTW];
          memcpy (&fpu.last_opcode, image + IMAGE_FOP, 2);
          memcpy (&fpu.last_ip, image + IMAGE_FIP, 8);
          memcpy (&fpu.last_dp, image + IMAGE_FDP, 8);
          memcpy (fpu.fpr, image + IMAGE_ST, sizeof fpu.fpr);
        }
      if (components & (COMPONENT_SSE | COMPONENT_AVX))
        memcpy (&fpu.mxcsr, image + IMAGE_MXCSR, 4);
      if (components & COMPONENT_SSE)
        memcpy (fpu.xmm, image + IMAGE_XMM, sizeof fpu.xmm);
      for (unsigned i = 0; i < 16; i++)
        if (components & COMPONENT_AVX)
          memcpy (&cpu->vec[i].q[2], image + IMAGE_YMM + i * 16, 16);
        else
          memset (&cpu->vec[i].q[2], 0, 16);
    }
  cpu->fpu.fcw = fpu.fcw;
  cpu->fpu.fsw = fpu.fsw;
  cpu->fpu.ftag = fpu.ftwx;
  cpu->fpu.fop = fpu.last_opcode;
  cpu->fpu.fip = fpu.last_ip;
  cpu->fpu.fdp = fpu.last_dp;
  cpu->mxcsr = fpu.mxcsr;
  for (unsigned i = 0; i < 8; i++)
    memcpy (&cpu->fpu.st[((fpu.fsw >> X86_FSW_TOP_SHIFT) + i) & 7], fpu.fpr[i], 10);
  for (unsigned i = 0; i < 16; i++)
    memcpy (&cpu->vec[i], fpu.xmm[i], 16);
}

static void
put_xcr0 (X86Cpu *cpu)
{
  struct kvm_xcrs xcrs = { .nr_xcrs = 1, .xcrs = { { .xcr = 0, .value = cpu->xcr0 } } };

  if (cpu->system->kvm->has_xcrs && x86_has (cpu, X86_FEAT_XSAVE))
    kvm_ioctl (cpu->kvm->fd, KVM_SET_XCRS, &xcrs);
}

static void
get_xcr0 (X86Cpu *cpu)
{
  struct kvm_xcrs xcrs;

  if (!cpu->system->kvm->has_xcrs || !x86_has (cpu, X86_FEAT_XSAVE) || kvm_ioctl (cpu->kvm->fd, KVM_GET_XCRS, &xcrs) < 0)
    return;
  for (unsigned i = 0; i < xcrs.nr_xcrs; i++)
    if (xcrs.xcrs[i].xcr == 0)
      cpu->xcr0 = xcrs.xcrs[i].value;
}

/* --- Model-specific registers --- */

enum { MSRS_MAX = 64 };

typedef struct
{
  struct kvm_msrs head;
  struct kvm_msr_entry entries[MSRS_MAX];
} Msrs;

/* A register, and where X86Cpu has it. */
typedef struct
{
  uint32_t index;
  uint64_t *value;
} Place;

static gboolean
is_listed (const X86Kvm *kvm, uint32_t index)
{
  for (guint i = 0; i < kvm->msrs->len; i++)
    if (g_array_index (kvm->msrs, uint32_t, i) == index)
      return TRUE;
  return FALSE;
}

/* All but those of time; returns how many. */
static unsigned
list_msrs (X86Cpu *cpu, Place places[MSRS_MAX])
{
  X86Msrs *m = &cpu->msr;
  const Place listed[] = {
    { MSR_SYSENTER_CS, &m->sysenter_cs }, { MSR_SYSENTER_ESP, &m->sysenter_esp }, { MSR_SYSENTER_EIP, &m->sysenter_eip },
    { MSR_PAT, &m->pat }, { MSR_MISC_ENABLE, &m->misc_enable }, { MSR_MCG_STATUS, &m->mcg_status }, { MSR_STAR, &m->star },
    { MSR_LSTAR, &m->lstar }, { MSR_CSTAR, &m->cstar }, { MSR_FMASK, &m->fmask }, { MSR_KERNEL_GS_BASE, &m->kernel_gs_base },
    { MSR_TSC_AUX, &m->tsc_aux }, { MSR_HWCR, &m->hwcr },
  };
  unsigned n = 0;

  for (unsigned i = 0; i < G_N_ELEMENTS (listed); i++)
    if (is_listed (cpu->system->kvm, listed[i].index))
      places[n++] = listed[i];
  /* The kernel takes the MTRRs without listing them. */
  places[n++] = (Place) { MSR_MTRR_DEF_TYPE, &m->mtrr_def_type };
  places[n++] = (Place) { MSR_MTRR_FIX64K, &m->mtrr_fixed[0] };
  for (unsigned i = 0; i < 2; i++)
    places[n++] = (Place) { MSR_MTRR_FIX16K_8 + i, &m->mtrr_fixed[1 + i] };
  for (unsigned i = 0; i < 8; i++)
    places[n++] = (Place) { MSR_MTRR_FIX4K + i, &m->mtrr_fixed[3 + i] };
  for (unsigned i = 0; i < X86_MTRR_VARIABLE; i++)
    {
      places[n++] = (Place) { MSR_MTRR_PHYSBASE0 + 2 * i, &m->mtrr_base[i] };
      places[n++] = (Place) { MSR_MTRR_PHYSBASE0 + 2 * i + 1, &m->mtrr_mask[i] };
    }
  return n;
}

static void
put_msrs (X86Cpu *cpu)
{
  Place places[MSRS_MAX];
  unsigned count = list_msrs (cpu, places), done = 0;

  while (done < count)
    {
      Msrs msrs = { .head = { .nmsrs = count - done } };
      int set;

      for (unsigned i = done; i < count; i++)
        msrs.entries[i - done] = (struct kvm_msr_entry) { .index = places[i].index, .data = *places[i].value };
      set = kvm_ioctl (cpu->kvm->fd, KVM_SET_MSRS, &msrs);
      if (set < 0)
        break;
      done += (unsigned) set;
      /* The kernel stops at one that it does not take; the rest is tried without it. */
      if (done < count)
        g_debug ("KVM does not take MSR %x", places[done++].index);
    }
}

static void
get_msrs (X86Cpu *cpu)
{
  Place places[MSRS_MAX];
  unsigned count = list_msrs (cpu, places), done = 0;

  while (done < count)
    {
      Msrs msrs = { .head = { .nmsrs = count - done } };
      int got;

      for (unsigned i = done; i < count; i++)
        msrs.entries[i - done].index = places[i].index;
      got = kvm_ioctl (cpu->kvm->fd, KVM_GET_MSRS, &msrs);
      if (got < 0)
        break;
      for (unsigned i = 0; i < (unsigned) got; i++)
        *places[done + i].value = msrs.entries[i].data;
      done += (unsigned) got + 1;
    }
}

gboolean
kvm_get_msr (X86Cpu *cpu, uint32_t index, uint64_t *value)
{
  Msrs msrs = { .head = { .nmsrs = 1 }, .entries = { { .index = index } } };

  if (kvm_ioctl (cpu->kvm->fd, KVM_GET_MSRS, &msrs) != 1)
    return FALSE;
  *value = msrs.entries[0].data;
  return TRUE;
}

void
kvm_put_msr (X86Cpu *cpu, uint32_t index, uint64_t value)
{
  Msrs msrs = { .head = { .nmsrs = 1 }, .entries = { { .index = index, .data = value } } };

  if (kvm_ioctl (cpu->kvm->fd, KVM_SET_MSRS, &msrs) != 1)
    g_debug ("KVM does not take MSR %x", index);
}

/* --- Time --- */

void
kvm_get_tsc_offset (X86Cpu *cpu)
{
  uint64_t tsc;

  if (kvm_get_msr (cpu, MSR_TSC, &tsc))
    cpu->msr.tsc_offset += tsc - x86_tsc (cpu);
  if (x86_has (cpu, X86_FEAT_TSC_ADJUST))
    kvm_get_msr (cpu, MSR_TSC_ADJUST, &cpu->msr.tsc_adjust);
}

static void
put_time (X86Cpu *cpu)
{
  if (x86_has (cpu, X86_FEAT_TSC_ADJUST))
    kvm_put_msr (cpu, MSR_TSC_ADJUST, cpu->msr.tsc_adjust);
  kvm_put_msr (cpu, MSR_TSC, x86_tsc (cpu));
}

/* --- Events --- */

static void
put_events (X86Cpu *cpu)
{
  X86KvmCpu *k = cpu->kvm;
  const X86Injection *injection = &cpu->injection;
  struct kvm_vcpu_events events = {
    .flags = KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SHADOW,
    .interrupt = { .shadow = cpu->shadow == X86_SHADOW_STI ? KVM_X86_SHADOW_INT_STI
                             : cpu->shadow == X86_SHADOW_MOV_SS ? KVM_X86_SHADOW_INT_MOV_SS : 0 },
    .nmi = { .masked = cpu->nmi_masked }
  };

  switch (injection->kind)
    {
    case X86_INJECT_INTERRUPT:
      events.interrupt.injected = 1;
      events.interrupt.nr = injection->vector;
      break;
    case X86_INJECT_NMI:
      events.nmi.injected = 1;
      break;
    case X86_INJECT_EXCEPTION:
      events.exception.injected = 1;
      events.exception.nr = injection->vector;
      events.exception.has_error_code = injection->has_error;
      events.exception.error_code = injection->error;
      break;
    case X86_INJECT_NONE:
    default:
      break;
    }
  if (kvm_ioctl (k->fd, KVM_SET_VCPU_EVENTS, &events) < 0)
    kvm_fail (cpu->system, "KVM refuses the events of processor %u: %s", cpu->index, g_strerror (errno));
  k->run->if_flag = (cpu->eflags & X86_FLAG_IF) != 0;
  k->ready = (cpu->eflags & X86_FLAG_IF) && cpu->shadow == X86_SHADOW_NONE && injection->kind == X86_INJECT_NONE;
}

/* What the hardware had begun to deliver goes on where the processor goes on. A software interrupt is
 * not there any more when its instruction is executed again. */
static void
get_events (X86Cpu *cpu)
{
  struct kvm_vcpu_events events;
  X86Injection *injection = &cpu->injection;

  *injection = (X86Injection) { .kind = X86_INJECT_NONE };
  if (kvm_ioctl (cpu->kvm->fd, KVM_GET_VCPU_EVENTS, &events) < 0)
    return;
  cpu->shadow = events.interrupt.shadow & KVM_X86_SHADOW_INT_MOV_SS ? X86_SHADOW_MOV_SS
                : events.interrupt.shadow & KVM_X86_SHADOW_INT_STI ? X86_SHADOW_STI : X86_SHADOW_NONE;
  cpu->nmi_masked = events.nmi.masked;
  if (events.nmi.pending)
    x86_cpu_raise (cpu, X86_REQ_NMI);
  if ((events.exception.injected || events.exception.pending) && events.exception.nr != X86_EXC_BP && events.exception.nr != X86_EXC_OF)
    *injection = (X86Injection) { X86_INJECT_EXCEPTION, events.exception.nr, events.exception.has_error_code, events.exception.error_code };
  else if (events.nmi.injected)
    injection->kind = X86_INJECT_NMI;
  else if (events.interrupt.injected && !events.interrupt.soft)
    *injection = (X86Injection) { X86_INJECT_INTERRUPT, events.interrupt.nr, 0, 0 };
}

/* --- Activity, which the kernel's local APIC decides about --- */

void
kvm_put_activity (X86Cpu *cpu)
{
  struct kvm_mp_state state = { .mp_state = KVM_MP_STATE_RUNNABLE };

  if (!cpu->system->kvm->has_chips || cpu->halted == X86_HALT_SHUTDOWN)
    return;
  if (cpu->halted == X86_HALT_HLT)
    state.mp_state = KVM_MP_STATE_HALTED;
  else if (cpu->halted == X86_HALT_SIPI)
    state.mp_state = KVM_MP_STATE_INIT_RECEIVED;
  if (kvm_ioctl (cpu->kvm->fd, KVM_SET_MP_STATE, &state) < 0)
    kvm_fail (cpu->system, "KVM refuses the activity of processor %u: %s", cpu->index, g_strerror (errno));
  cpu->halted = X86_HALT_NONE;
}

void
kvm_get_activity (X86Cpu *cpu)
{
  struct kvm_mp_state state;

  if (!cpu->system->kvm->has_chips || cpu->halted == X86_HALT_SHUTDOWN
      || kvm_ioctl (cpu->kvm->fd, KVM_GET_MP_STATE, &state) < 0)
    return;
  switch (state.mp_state)
    {
    case KVM_MP_STATE_HALTED:
      cpu->halted = X86_HALT_HLT;
      break;
    case KVM_MP_STATE_UNINITIALIZED:
    case KVM_MP_STATE_INIT_RECEIVED:
      cpu->halted = X86_HALT_SIPI;
      break;
    default:
      cpu->halted = X86_HALT_NONE;
      break;
    }
}

/* --- All of it --- */

void
kvm_put_registers (X86Cpu *cpu)
{
  put_control (cpu);
  kvm_put_general (cpu);
  put_xcr0 (cpu);
  put_units (cpu);
  put_debug (cpu);
  put_msrs (cpu);
  put_events (cpu);
}

void
kvm_get_registers (X86Cpu *cpu)
{
  kvm_get_general (cpu);
  get_control (cpu);
  get_xcr0 (cpu);
  get_units (cpu);
  get_debug (cpu);
  get_msrs (cpu);
  get_events (cpu);
  x86_state_changed (cpu);
}

void
kvm_put_state (X86Cpu *cpu)
{
  kvm_put_registers (cpu);
  put_time (cpu);
  kvm_put_activity (cpu);
  cpu->kvm->runs_chips = cpu->system->kvm->has_chips;
}

void
kvm_get_state (X86Cpu *cpu)
{
  kvm_get_tsc_offset (cpu);
  /* First: it may be a start that is due, which changes registers. */
  kvm_get_activity (cpu);
  kvm_get_registers (cpu);
  cpu->kvm->runs_chips = FALSE;
}
