/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Processor models, features and the CPUID instruction.
 * Specification: AMD64 Architecture Programmer's Manual, volume 3, appendix E; Intel SDM volume 2A (CPUID).
 */

#include "engine/cpu/cpu-private.h"
#include "engine/cpu/cpuid.h"

#include <gio/gio.h>
#include <string.h>

enum { EAX, EBX, ECX, EDX };

/* Where CPUID shows a feature. */
typedef struct
{
  X86Feature feature;
  uint32_t leaf, subleaf;
  uint8_t reg, bit;
} FeatureBit;

static const FeatureBit feature_bits[] = {
  { X86_FEAT_FPU, 1, 0, EDX, 0 }, { X86_FEAT_VME, 1, 0, EDX, 1 }, { X86_FEAT_DE, 1, 0, EDX, 2 },
  { X86_FEAT_PSE, 1, 0, EDX, 3 }, { X86_FEAT_TSC, 1, 0, EDX, 4 }, { X86_FEAT_MSR, 1, 0, EDX, 5 },
  { X86_FEAT_PAE, 1, 0, EDX, 6 }, { X86_FEAT_MCE, 1, 0, EDX, 7 }, { X86_FEAT_CX8, 1, 0, EDX, 8 },
  { X86_FEAT_APIC, 1, 0, EDX, 9 }, { X86_FEAT_SEP, 1, 0, EDX, 11 }, { X86_FEAT_MTRR, 1, 0, EDX, 12 },
  { X86_FEAT_PGE, 1, 0, EDX, 13 }, { X86_FEAT_MCA, 1, 0, EDX, 14 }, { X86_FEAT_CMOV, 1, 0, EDX, 15 },
  { X86_FEAT_PAT, 1, 0, EDX, 16 }, { X86_FEAT_PSE36, 1, 0, EDX, 17 }, { X86_FEAT_CLFLUSH, 1, 0, EDX, 19 },
  { X86_FEAT_MMX, 1, 0, EDX, 23 }, { X86_FEAT_FXSR, 1, 0, EDX, 24 }, { X86_FEAT_SSE, 1, 0, EDX, 25 },
  { X86_FEAT_SSE2, 1, 0, EDX, 26 }, { X86_FEAT_HTT, 1, 0, EDX, 28 },
  { X86_FEAT_SSE3, 1, 0, ECX, 0 }, { X86_FEAT_PCLMULQDQ, 1, 0, ECX, 1 }, { X86_FEAT_MONITOR, 1, 0, ECX, 3 },
  { X86_FEAT_SSSE3, 1, 0, ECX, 9 }, { X86_FEAT_FMA, 1, 0, ECX, 12 }, { X86_FEAT_CX16, 1, 0, ECX, 13 },
  { X86_FEAT_PCID, 1, 0, ECX, 17 }, { X86_FEAT_SSE41, 1, 0, ECX, 19 }, { X86_FEAT_SSE42, 1, 0, ECX, 20 },
  { X86_FEAT_MOVBE, 1, 0, ECX, 22 }, { X86_FEAT_POPCNT, 1, 0, ECX, 23 }, { X86_FEAT_TSC_DEADLINE, 1, 0, ECX, 24 },
  { X86_FEAT_AES, 1, 0, ECX, 25 }, { X86_FEAT_XSAVE, 1, 0, ECX, 26 }, { X86_FEAT_AVX, 1, 0, ECX, 28 },
  { X86_FEAT_F16C, 1, 0, ECX, 29 }, { X86_FEAT_RDRAND, 1, 0, ECX, 30 }, { X86_FEAT_HYPERVISOR, 1, 0, ECX, 31 },
  { X86_FEAT_FSGSBASE, 7, 0, EBX, 0 }, { X86_FEAT_TSC_ADJUST, 7, 0, EBX, 1 }, { X86_FEAT_BMI1, 7, 0, EBX, 3 },
  { X86_FEAT_AVX2, 7, 0, EBX, 5 }, { X86_FEAT_SMEP, 7, 0, EBX, 7 }, { X86_FEAT_BMI2, 7, 0, EBX, 8 },
  { X86_FEAT_ERMS, 7, 0, EBX, 9 }, { X86_FEAT_INVPCID, 7, 0, EBX, 10 }, { X86_FEAT_RDSEED, 7, 0, EBX, 18 },
  { X86_FEAT_ADX, 7, 0, EBX, 19 }, { X86_FEAT_SMAP, 7, 0, EBX, 20 }, { X86_FEAT_CLFLUSHOPT, 7, 0, EBX, 23 },
  { X86_FEAT_SHA, 7, 0, EBX, 29 }, { X86_FEAT_UMIP, 7, 0, ECX, 2 }, { X86_FEAT_VAES, 7, 0, ECX, 9 },
  { X86_FEAT_VPCLMULQDQ, 7, 0, ECX, 10 }, { X86_FEAT_RDPID, 7, 0, ECX, 22 },
  { X86_FEAT_FSRM, 7, 0, EDX, 4 }, { X86_FEAT_SPEC_CTRL, 7, 0, EDX, 26 }, { X86_FEAT_ARCH_CAPABILITIES, 7, 0, EDX, 29 },
  { X86_FEAT_SYSCALL, 0x80000001, 0, EDX, 11 }, { X86_FEAT_NX, 0x80000001, 0, EDX, 20 },
  { X86_FEAT_FFXSR, 0x80000001, 0, EDX, 25 }, { X86_FEAT_PDPE1GB, 0x80000001, 0, EDX, 26 },
  { X86_FEAT_RDTSCP, 0x80000001, 0, EDX, 27 }, { X86_FEAT_LM, 0x80000001, 0, EDX, 29 },
  { X86_FEAT_LAHF64, 0x80000001, 0, ECX, 0 }, { X86_FEAT_ABM, 0x80000001, 0, ECX, 5 },
  { X86_FEAT_SSE4A, 0x80000001, 0, ECX, 6 }, { X86_FEAT_PREFETCHW, 0x80000001, 0, ECX, 8 },
  { X86_FEAT_XSAVEOPT, 13, 1, EAX, 0 }, { X86_FEAT_XSAVEC, 13, 1, EAX, 1 }, { X86_FEAT_XGETBV1, 13, 1, EAX, 2 },
};

#define FEATURES_BASE                                                                                                   \
  X86_FEAT_FPU, X86_FEAT_DE, X86_FEAT_PSE, X86_FEAT_TSC, X86_FEAT_MSR, X86_FEAT_PAE, X86_FEAT_MCE, X86_FEAT_CX8, X86_FEAT_APIC, \
    X86_FEAT_SEP, X86_FEAT_MTRR, X86_FEAT_PGE, X86_FEAT_MCA, X86_FEAT_CMOV, X86_FEAT_PAT, X86_FEAT_PSE36,               \
    X86_FEAT_CLFLUSH, X86_FEAT_MMX, X86_FEAT_FXSR, X86_FEAT_SSE, X86_FEAT_SSE2, X86_FEAT_HTT,                         \
    X86_FEAT_HYPERVISOR, X86_FEAT_TSC_DEADLINE

#define FEATURES_LONG                                                                                                   \
  X86_FEAT_SYSCALL, X86_FEAT_NX, X86_FEAT_RDTSCP, X86_FEAT_LM, X86_FEAT_LAHF64, X86_FEAT_CX16, X86_FEAT_POPCNT,         \
    X86_FEAT_PDPE1GB, X86_FEAT_PREFETCHW

#define FEATURES_SYSTEM                                                                                                 \
  X86_FEAT_PCID, X86_FEAT_INVPCID, X86_FEAT_SMEP, X86_FEAT_SMAP, X86_FEAT_UMIP, X86_FEAT_FSGSBASE, X86_FEAT_TSC_ADJUST, \
    X86_FEAT_RDRAND, X86_FEAT_RDSEED, X86_FEAT_ERMS, X86_FEAT_FSRM, X86_FEAT_CLFLUSHOPT, X86_FEAT_RDPID,             \
    X86_FEAT_SPEC_CTRL, X86_FEAT_ARCH_CAPABILITIES

/* What the levels of the x86-64 psABI add. */
#define FEATURES_V2 X86_FEAT_SSE3, X86_FEAT_SSSE3, X86_FEAT_SSE41, X86_FEAT_SSE42
#define FEATURES_V3                                                                                                     \
  X86_FEAT_AVX, X86_FEAT_AVX2, X86_FEAT_BMI1, X86_FEAT_BMI2, X86_FEAT_F16C, X86_FEAT_FMA, X86_FEAT_ABM, X86_FEAT_MOVBE

/* What a model has besides, on hosts that have it; and what only the model of the host's own has. */
#define FEATURES_CRYPTO X86_FEAT_PCLMULQDQ, X86_FEAT_AES, X86_FEAT_SHA
#define FEATURES_SAVE X86_FEAT_XSAVE, X86_FEAT_XSAVEOPT, X86_FEAT_XSAVEC, X86_FEAT_XGETBV1
#define FEATURES_HOST X86_FEAT_ADX, X86_FEAT_VAES, X86_FEAT_VPCLMULQDQ

struct X86CpuModel
{
  const char *name;
  const char *vendor;        /* twelve characters */
  const char *brand;
  uint32_t signature;        /* 1.EAX: family, model, stepping */
  const uint8_t *required;   /* the host must have these; all lists end with X86_FEAT_NONE */
  const uint8_t *features;   /* @required and more, as far as the host has it */
};

static const uint8_t features_host[] = { FEATURES_BASE, FEATURES_LONG, FEATURES_SYSTEM, FEATURES_V2, FEATURES_CRYPTO,
                                         FEATURES_SAVE, FEATURES_V3, FEATURES_HOST, X86_FEAT_NONE };
static const uint8_t features_v3[] = { FEATURES_BASE, FEATURES_LONG, FEATURES_SYSTEM, FEATURES_V2, FEATURES_CRYPTO,
                                       FEATURES_SAVE, FEATURES_V3, X86_FEAT_NONE };
static const uint8_t features_v2[] = { FEATURES_BASE, FEATURES_LONG, FEATURES_SYSTEM, FEATURES_V2, FEATURES_CRYPTO,
                                       FEATURES_SAVE, X86_FEAT_NONE };
/* AMD has had PREFETCHW wherever it had long mode, and systems count on that. */
static const uint8_t features_v1[] = { FEATURES_BASE, X86_FEAT_SYSCALL, X86_FEAT_NX, X86_FEAT_LM, X86_FEAT_PREFETCHW,
                                       X86_FEAT_NONE };
static const uint8_t features_i686[] = { FEATURES_BASE, X86_FEAT_NONE };
static const uint8_t required_v3[] = { FEATURES_V2, X86_FEAT_POPCNT, FEATURES_V3, X86_FEAT_NONE };
static const uint8_t required_v2[] = { FEATURES_V2, X86_FEAT_POPCNT, X86_FEAT_NONE };
static const uint8_t required_v1[] = { X86_FEAT_NONE };

/* The first that the host can do is the default. AMD's family 15 needs no work-arounds that systems would apply to later
 * ones. */
static const X86CpuModel models[] = {
  { "x86-64-v3", "AuthenticAMD", "Bunshin x86-64-v3 processor", 0x00060fb1, required_v3, features_v3 },
  { "x86-64-v2", "AuthenticAMD", "Bunshin x86-64-v2 processor", 0x00060fb1, required_v2, features_v2 },
  { "x86-64-v1", "AuthenticAMD", "Bunshin x86-64 processor", 0x00060fb1, required_v1, features_v1 },
  { "i686", "AuthenticAMD", "Bunshin i686 processor", 0x00000662, required_v1, features_i686 },
  { "host", "AuthenticAMD", "Bunshin processor", 0x00060fb1, required_v1, features_host },
};

/* --- What the host can do --- */

static gboolean
host_leaf (uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
  uint32_t max_leaf = leaf & 0x80000000;

  __asm__ ("cpuid" : "+a" (max_leaf), "=b" (out[EBX]), "=c" (out[ECX]), "=d" (out[EDX]));
  if (leaf > max_leaf)
    return FALSE;
  __asm__ ("cpuid" : "=a" (out[EAX]), "=b" (out[EBX]), "=c" (out[ECX]), "=d" (out[EDX]) : "a" (leaf), "c" (subleaf));
  return TRUE;
}

/* Whether the system keeps the upper halves of vector registers. */
static gboolean
host_saves_ymm (void)
{
  enum { OSXSAVE = 1 << 27, XCR0_SSE_AVX = 6 };
  uint32_t out[4], low, high;

  if (!host_leaf (1, 0, out) || !(out[ECX] & OSXSAVE))
    return FALSE;
  __asm__ ("xgetbv" : "=a" (low), "=d" (high) : "c" (0));
  return (low & XCR0_SSE_AVX) == XCR0_SSE_AVX;
}

/* What runs on the host's units, under the interpreter or the translator; everything else we do ourselves. */
static const struct { X86Feature feature; const char *name; gboolean needs_ymm; } host_features[] = {
  { X86_FEAT_SSE3, "SSE3", FALSE }, { X86_FEAT_SSSE3, "SSSE3", FALSE }, { X86_FEAT_SSE41, "SSE4.1", FALSE },
  { X86_FEAT_SSE42, "SSE4.2", FALSE }, { X86_FEAT_POPCNT, "POPCNT", FALSE }, { X86_FEAT_PCLMULQDQ, "PCLMULQDQ", FALSE },
  { X86_FEAT_AES, "AES", FALSE }, { X86_FEAT_SHA, "SHA", FALSE }, { X86_FEAT_AVX, "AVX", TRUE },
  { X86_FEAT_AVX2, "AVX2", TRUE }, { X86_FEAT_FMA, "FMA", TRUE }, { X86_FEAT_F16C, "F16C", TRUE },
  { X86_FEAT_VAES, "VAES", TRUE }, { X86_FEAT_VPCLMULQDQ, "VPCLMULQDQ", TRUE }, { X86_FEAT_BMI1, "BMI1", FALSE },
  { X86_FEAT_BMI2, "BMI2", FALSE }, { X86_FEAT_ABM, "LZCNT", FALSE }, { X86_FEAT_MOVBE, "MOVBE", FALSE },
  { X86_FEAT_ADX, "ADX", FALSE },
};

static gboolean
host_can (X86Feature feature)
{
  unsigned n = 0;

  while (n < G_N_ELEMENTS (host_features) && host_features[n].feature != feature)
    n++;
  if (n == G_N_ELEMENTS (host_features))
    return TRUE;
  if (host_features[n].needs_ymm && !host_saves_ymm ())
    return FALSE;
  for (unsigned i = 0; i < G_N_ELEMENTS (feature_bits); i++)
    if (feature_bits[i].feature == feature)
      {
        uint32_t out[4];

        return host_leaf (feature_bits[i].leaf, feature_bits[i].subleaf, out)
               && ((out[feature_bits[i].reg] >> feature_bits[i].bit) & 1);
      }
  return FALSE;
}

/* What of the model's needs the host lacks, by name; NULL: nothing. */
static char *
host_lacks (const X86CpuModel *model)
{
  GString *lacks = g_string_new (NULL);

  for (const uint8_t *feature = model->required; *feature != X86_FEAT_NONE; feature++)
    if (!host_can (*feature))
      for (unsigned i = 0; i < G_N_ELEMENTS (host_features); i++)
        if (host_features[i].feature == *feature)
          g_string_append_printf (lacks, "%s%s", lacks->len > 0 ? ", " : "", host_features[i].name);
  return g_string_free (lacks, lacks->len == 0);
}

static const X86CpuModel *
default_model (void)
{
  unsigned i = 0;

  for (; i < G_N_ELEMENTS (models); i++)
    {
      g_autofree char *lacks = host_lacks (&models[i]);

      if (lacks == NULL)
        break;
    }
  return &models[i];
}

static gboolean
has_all (const uint8_t *wanted, const uint64_t features[2])
{
  for (; *wanted != X86_FEAT_NONE; wanted++)
    if (!(features[*wanted / 64] >> (*wanted % 64) & 1))
      return FALSE;
  return TRUE;
}

const X86CpuModel *
x86_cpu_model_of (const uint64_t features[2])
{
  unsigned i = 0;

  while (!has_all (models[i].required, features))
    i++;
  return &models[i];
}

gboolean
x86_cpu_model_fits (const X86CpuModel *model, const uint64_t features[2])
{
  return has_all (model->required, features);
}

const X86CpuModel *
x86_cpu_model_find (const char *name, GError **error)
{
  g_autoptr (GString) known = NULL;

  if (name == NULL)
    return default_model ();
  for (unsigned i = 0; i < G_N_ELEMENTS (models); i++)
    if (strcmp (models[i].name, name) == 0)
      {
        g_autofree char *lacks = host_lacks (&models[i]);

        if (lacks == NULL)
          return &models[i];
        g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
                     "processor model “%s” needs what this host does not have: %s", name, lacks);
        return NULL;
      }
  known = g_string_new (models[0].name);
  for (unsigned i = 1; i < G_N_ELEMENTS (models); i++)
    g_string_append_printf (known, ", %s", models[i].name);
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "processor model “%s” is not one of %s", name, known->str);
  return NULL;
}

const char *
x86_cpu_model_name (const X86CpuModel *model)
{
  return model->name;
}

static void
set_feature (X86Cpu *cpu, X86Feature feature, gboolean on)
{
  uint64_t bit = (uint64_t) 1 << (feature % 64);

  if (on)
    cpu->features[feature / 64] |= bit;
  else
    cpu->features[feature / 64] &= ~bit;
}

void
x86_features_of (const X86CpuidLeaf *leaves, unsigned count, uint64_t features[2])
{
  features[0] = features[1] = 0;
  for (unsigned i = 0; i < count; i++)
    for (unsigned j = 0; j < G_N_ELEMENTS (feature_bits); j++)
      {
        const FeatureBit *bit = &feature_bits[j];

        if (bit->leaf == leaves[i].leaf && bit->subleaf == leaves[i].subleaf && (leaves[i].out[bit->reg] >> bit->bit & 1))
          features[bit->feature / 64] |= (uint64_t) 1 << (bit->feature % 64);
      }
}

GString *
x86_features_missing (const uint64_t wanted[2], const uint64_t offered[2])
{
  static const char *const regs[] = { "EAX", "EBX", "ECX", "EDX" };
  GString *missing = NULL;

  for (unsigned j = 0; j < G_N_ELEMENTS (feature_bits); j++)
    {
      const FeatureBit *bit = &feature_bits[j];

      if (!((wanted[bit->feature / 64] & ~offered[bit->feature / 64]) >> (bit->feature % 64) & 1))
        continue;
      if (missing == NULL)
        missing = g_string_new (NULL);
      g_string_append_printf (missing, "%s%x.%x.%s.%u", missing->len > 0 ? ", " : "", bit->leaf, bit->subleaf, regs[bit->reg], bit->bit);
    }
  return missing;
}

void
x86_cpuid_setup (X86Cpu *cpu)
{
  unsigned phys_bits;

  cpu->features[0] = cpu->features[1] = 0;
  for (const uint8_t *feature = cpu->model->features; *feature != X86_FEAT_NONE; feature++)
    set_feature (cpu, *feature, host_can (*feature));
  if (cpu->ops->apic_base_get == NULL)
    set_feature (cpu, X86_FEAT_APIC, FALSE);
  if (cpu->ops->tsc_deadline_get == NULL || cpu->ops->tsc_deadline_set == NULL || cpu->ops->apic_base_get == NULL)
    set_feature (cpu, X86_FEAT_TSC_DEADLINE, FALSE);
  phys_bits = x86_has (cpu, X86_FEAT_LM) ? 40 : 36;
  cpu->phys_mask = ((uint64_t) 1 << phys_bits) - 1;
}

/* Sizes of the XSAVE area: legacy region and header, then the upper halves of YMM. */
static void
cpuid_xsave (X86Cpu *cpu, uint32_t subleaf, uint32_t out[4])
{
  gboolean has_avx = x86_has (cpu, X86_FEAT_AVX);

  if (!x86_has (cpu, X86_FEAT_XSAVE))
    return;
  if (subleaf == 0)
    {
      out[EAX] = has_avx ? 7 : 3;
      out[EBX] = cpu->xcr0 & 4 ? 832 : 576;
      out[ECX] = has_avx ? 832 : 576;
    }
  else if (subleaf == 1)
    out[EBX] = cpu->xcr0 & 4 ? 832 : 576;
  else if (subleaf == 2 && has_avx)
    {
      out[EAX] = 256;
      out[EBX] = 576;
    }
}

static void
copy_text (uint32_t *out, const char *text, size_t offset, size_t count)
{
  char buffer[64] = { 0 };

  g_strlcpy (buffer, text, sizeof buffer);
  memcpy (out, buffer + offset, count);
}

void
x86_cpuid (X86Cpu *cpu, uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
  unsigned count = MAX (cpu->system->told_count, 1);
  uint32_t max_basic = x86_has (cpu, X86_FEAT_XSAVE) ? 0xd : 7, max_extended = 0x80000008;

  memset (out, 0, 4 * sizeof *out);
  /* Beyond the last leaf AMD's processors return zeros. */
  if (leaf < 0x40000000 ? leaf > max_basic : leaf >= 0x80000000 && leaf > max_extended)
    return;

  for (unsigned i = 0; i < G_N_ELEMENTS (feature_bits); i++)
    {
      const FeatureBit *bit = &feature_bits[i];

      if (bit->leaf == leaf && (leaf < 7 || leaf >= 0x80000000 || bit->subleaf == subleaf) && x86_has (cpu, bit->feature))
        out[bit->reg] |= 1u << bit->bit;
    }

  switch (leaf)
    {
    case 0:
    case 0x80000000:
      {
        uint32_t vendor[3];

        out[EAX] = leaf == 0 ? max_basic : max_extended;
        memcpy (vendor, cpu->model->vendor, sizeof vendor);
        out[EBX] = vendor[0];
        out[EDX] = vendor[1];
        out[ECX] = vendor[2];
      }
      break;
    case 1:
      out[EAX] = cpu->model->signature;
      out[EBX] = 8 << 8 | MIN (count, 255) << 16 | cpu->index << 24; /* CLFLUSH line of 64 bytes */
      if (count == 1)
        out[EDX] &= ~(1u << 28);
      if (cpu->cr4 & X86_CR4_OSXSAVE)
        out[ECX] |= 1u << 27;
      if (x86_has (cpu, X86_FEAT_APIC) && !(cpu->ops->apic_base_get (cpu->opaque) & (1 << 11)))
        out[EDX] &= ~(1u << 9);
      break;
    case 7:
      if (subleaf != 0)
        memset (out, 0, 4 * sizeof *out);
      break;
    case 0xd:
      cpuid_xsave (cpu, subleaf, out);
      break;
    case 0x40000000:
      if (x86_has (cpu, X86_FEAT_HYPERVISOR))
        {
          out[EAX] = 0x40000000;
          copy_text (&out[EBX], "BunshinVMM", 0, 12);
        }
      break;
    case 0x80000001:
      out[EAX] = cpu->model->signature;
      if (count > 1)
        out[ECX] |= 1 << 1; /* CmpLegacy */
      /* AMD repeats what leaf 1 has in these bits. */
      {
        uint32_t first[4];

        x86_cpuid (cpu, 1, 0, first);
        out[EDX] |= first[EDX] & 0x0183f3ff;
      }
      break;
    case 0x80000002:
    case 0x80000003:
    case 0x80000004:
      copy_text (out, cpu->model->brand, (leaf - 0x80000002) * 16, 16);
      break;
    case 0x80000005: /* level 1: 64 KiB, two ways, 64-byte lines; TLBs */
      out[EAX] = 0x01ff01ff;
      out[EBX] = 0x01ff01ff;
      out[ECX] = 0x40020140;
      out[EDX] = 0x40020140;
      break;
    case 0x80000006: /* level 2: 512 KiB, 16 ways */
      out[EBX] = 0x42004200;
      out[ECX] = 0x02008140;
      break;
    case 0x80000007:
      out[EDX] = 1 << 8; /* the TSC is invariant */
      break;
    case 0x80000008:
      out[EAX] = (x86_has (cpu, X86_FEAT_LM) ? 48u << 8 : 32u << 8) | (unsigned) __builtin_popcountll (cpu->phys_mask);
      out[ECX] = count - 1;
      break;
    default:
      break;
    }
}
