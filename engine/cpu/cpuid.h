/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Features and models. A feature is in effect when the model names it and this
 * build can do it; CPUID, decoding and control-register checks all ask
 * x86_has().
 */
#pragma once

#include "engine/cpu/x86-state.h"

typedef enum
{
  X86_FEAT_NONE,
  /* 1.EDX */
  X86_FEAT_FPU, X86_FEAT_VME, X86_FEAT_DE, X86_FEAT_PSE, X86_FEAT_TSC, X86_FEAT_MSR, X86_FEAT_PAE, X86_FEAT_MCE,
  X86_FEAT_CX8, X86_FEAT_APIC, X86_FEAT_SEP, X86_FEAT_MTRR, X86_FEAT_PGE, X86_FEAT_MCA, X86_FEAT_CMOV, X86_FEAT_PAT,
  X86_FEAT_PSE36, X86_FEAT_CLFLUSH, X86_FEAT_MMX, X86_FEAT_FXSR, X86_FEAT_SSE, X86_FEAT_SSE2, X86_FEAT_HTT,
  /* 1.ECX */
  X86_FEAT_SSE3, X86_FEAT_PCLMULQDQ, X86_FEAT_MONITOR, X86_FEAT_SSSE3, X86_FEAT_FMA, X86_FEAT_CX16, X86_FEAT_PCID,
  X86_FEAT_SSE41, X86_FEAT_SSE42, X86_FEAT_MOVBE, X86_FEAT_POPCNT, X86_FEAT_TSC_DEADLINE, X86_FEAT_AES, X86_FEAT_XSAVE,
  X86_FEAT_AVX, X86_FEAT_F16C, X86_FEAT_RDRAND, X86_FEAT_HYPERVISOR,
  /* 7.0.EBX, ECX, EDX */
  X86_FEAT_FSGSBASE, X86_FEAT_TSC_ADJUST, X86_FEAT_BMI1, X86_FEAT_AVX2, X86_FEAT_SMEP, X86_FEAT_BMI2, X86_FEAT_ERMS,
  X86_FEAT_INVPCID, X86_FEAT_RDSEED, X86_FEAT_ADX, X86_FEAT_SMAP, X86_FEAT_CLFLUSHOPT, X86_FEAT_SHA, X86_FEAT_UMIP,
  X86_FEAT_RDPID, X86_FEAT_VAES, X86_FEAT_VPCLMULQDQ, X86_FEAT_FSRM, X86_FEAT_SPEC_CTRL, X86_FEAT_ARCH_CAPABILITIES,
  /* 80000001.EDX, ECX */
  X86_FEAT_SYSCALL, X86_FEAT_NX, X86_FEAT_FFXSR, X86_FEAT_PDPE1GB, X86_FEAT_RDTSCP, X86_FEAT_LM, X86_FEAT_LAHF64,
  X86_FEAT_ABM, X86_FEAT_PREFETCHW, X86_FEAT_SSE4A,
  /* 13.1.EAX */
  X86_FEAT_XSAVEOPT, X86_FEAT_XSAVEC, X86_FEAT_XGETBV1,
  X86_FEAT_COUNT
} X86Feature;
G_STATIC_ASSERT (X86_FEAT_COUNT <= 128);

static inline gboolean
x86_has (const X86Cpu *cpu, X86Feature feature)
{
  return feature == X86_FEAT_NONE || ((cpu->features[feature / 64] >> (feature % 64)) & 1);
}

/* One answer of CPUID. */
typedef struct
{
  uint32_t leaf, subleaf;
  uint32_t out[4]; /* EAX, EBX, ECX, EDX */
} X86CpuidLeaf;

/* The default model of a processor with just these features. */
const X86CpuModel *x86_cpu_model_of (const uint64_t features[2]);
/* Whether they are enough for @model. */
gboolean x86_cpu_model_fits (const X86CpuModel *model, const uint64_t features[2]);
/* The features, as in X86Cpu, that @leaves show. */
void x86_features_of (const X86CpuidLeaf *leaves, unsigned count, uint64_t features[2]);
/* Which of @wanted are not in @offered, for people to read, or NULL. Caller frees. */
GString *x86_features_missing (const uint64_t wanted[2], const uint64_t offered[2]);
/* Sets cpu->features from the model and the board's abilities. */
void x86_cpuid_setup (X86Cpu *cpu);
/* The CPUID instruction: EAX and ECX in, four registers out. */
void x86_cpuid (X86Cpu *cpu, uint32_t leaf, uint32_t subleaf, uint32_t out[4]);
