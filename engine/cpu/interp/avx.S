/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * VEX-coded instructions, eight bytes each: the first source in YMM0, the second at RDX, the third in YMM1, the result in
 * YMM0. At x86_avx_NAME is the 128-bit form, behind it that of 256 bits; with an immediate each is a table by its value.
 * The code has no frame of its own: x86_avx_run() and its like call it.
 */
#include "engine/cpu/interp/avx-list.h"

        .text
        .balign 64
        .globl  x86_avx_base
        .hidden x86_avx_base
x86_avx_base:

        .macro  label name, offset = 0
        .balign 8
        .globl  x86_avx_\name
        .hidden x86_avx_\name
        .set    x86_avx_\name, . - \offset
        .endm

/* Between the forms of 128 and 256 bits. */
        .macro  then
        ret
        .balign 8
        .endm

        .macro  table insn, operands:vararg
        .set    value, 0
        .rept   256
        .balign 8
        \insn   $value, \operands
        ret
        .set    value, value + 1
        .endr
        .endm

#define BINARY(name, mnemonic, unit) label name; name (%rdx), %xmm0, %xmm0; then; name (%rdx), %ymm0, %ymm0; ret;
#define BINARY_128(name, mnemonic, unit) label name; name (%rdx), %xmm0, %xmm0; ret;
#define BINARY_256(name, mnemonic, unit) label name, 8; name (%rdx), %ymm0, %ymm0; ret;
#define UNARY(name, mnemonic, unit) label name; name (%rdx), %xmm0; then; name (%rdx), %ymm0; ret;
#define UNARY_128(name, mnemonic, unit) label name; name (%rdx), %xmm0; ret;
#define UNARY_256(name, mnemonic, unit) label name, 8; name (%rdx), %ymm0; ret;
#define NARROW(name, mnemonic, unit) label name; name##x (%rdx), %xmm0; then; name##y (%rdx), %xmm0; ret;
#define REGISTERS_128(name, mnemonic, unit) label name; name %xmm1, %xmm0, %xmm0; ret;
#define MERGE_128(name, mnemonic, unit) label name##_merge; name %xmm1, %xmm0, %xmm0; ret;
#define BLENDV(name, mnemonic, unit)                                                                                    \
  label name; name %xmm1, (%rdx), %xmm0, %xmm0; then; name %ymm1, (%rdx), %ymm0, %ymm0; ret;
#define FMA(name, mnemonic, unit) label name; name (%rdx), %xmm1, %xmm0; then; name (%rdx), %ymm1, %ymm0; ret;
#define FMA_128(name, mnemonic, unit) label name; name (%rdx), %xmm1, %xmm0; ret;
#define MASK(name, mnemonic, unit) label name; name %xmm0, %eax; then; name %ymm0, %eax; ret;
#define FROM_INTEGER(name) label name; name##l (%rdx), %xmm0, %xmm0; then; name##q (%rdx), %xmm0, %xmm0; ret;

        AVX_BINARY (BINARY)
        AVX_SHIFT (BINARY)
        AVX_BINARY_128 (BINARY_128)
        AVX_BINARY_256 (BINARY_256)
        AVX_UNARY (UNARY)
        AVX_ALIGNED (UNARY)
        AVX_UNARY_128 (UNARY_128)
        AVX_LOAD_128 (UNARY_128)
        AVX_UNARY_256 (UNARY_256)
        AVX_NARROW (NARROW)
        AVX_REGISTERS_128 (REGISTERS_128)
        AVX_LOAD_128 (MERGE_128)
        AVX_BLENDV (BLENDV)
        AVX_FMA (FMA)
        AVX_FMA_128 (FMA_128)
        AVX_MASK (MASK)
        AVX_TEST (UNARY)
        FROM_INTEGER (vcvtsi2ss)
        FROM_INTEGER (vcvtsi2sd)

#define BINARY_IMM(name, mnemonic, unit) BINARY_IMM_128 (name, mnemonic, unit) table name, (%rdx), %ymm0, %ymm0;
#define BINARY_IMM_128(name, mnemonic, unit) label name; table name, (%rdx), %xmm0, %xmm0;
#define BINARY_IMM_256(name, mnemonic, unit) label name, 2048; table name, (%rdx), %ymm0, %ymm0;
#define UNARY_IMM(name, mnemonic, unit) UNARY_IMM_128 (name, mnemonic, unit) table name, (%rdx), %ymm0;
#define UNARY_IMM_128(name, mnemonic, unit) label name; table name, (%rdx), %xmm0;
#define UNARY_IMM_256(name, mnemonic, unit) label name, 2048; table name, (%rdx), %ymm0;
#define PERMIL_IMM(name, mnemonic, unit) label name##_imm; table name, (%rdx), %xmm0; table name, (%rdx), %ymm0;
#define SHIFT_BYTES(name, mnemonic, unit) label name; table name, %xmm0, %xmm0; table name, %ymm0, %ymm0;

        AVX_BINARY_IMM (BINARY_IMM)
        AVX_BINARY_IMM_128 (BINARY_IMM_128)
        AVX_BINARY_IMM_256 (BINARY_IMM_256)
        AVX_UNARY_IMM (UNARY_IMM)
        AVX_UNARY_IMM_128 (UNARY_IMM_128)
        AVX_UNARY_IMM_256 (UNARY_IMM_256)
        AVX_PERMIL_IMM (PERMIL_IMM)
        AVX_SHIFT_BYTES (SHIFT_BYTES)
        label   vinsertps
        table   vinsertps, (%rdx), %xmm0, %xmm0
        label   vinsertps_registers
        table   vinsertps, %xmm1, %xmm0, %xmm0
        label   vcvtps2ph
        table   vcvtps2ph, %xmm0, %xmm0
        table   vcvtps2ph, %ymm0, %xmm0

        .macro  function name
        .balign 16
        .globl  x86_avx_\name
        .hidden x86_avx_\name
        .type   x86_avx_\name, @function
x86_avx_\name:
        .endm

/* void x86_avx_run (X86Vec *dst, const X86Vec *src1, const void *src2, const X86Vec *src3, const uint8_t *code) */
        function run
        vmovdqu (%rsi), %ymm0
        vmovdqu (%rcx), %ymm1
        call    *%r8
        vmovdqu %ymm0, (%rdi)
        vzeroupper
        ret
        .size   x86_avx_run, . - x86_avx_run

/* uint32_t x86_avx_mask (const X86Vec *src, const uint8_t *code) */
        function mask
        vmovdqu (%rdi), %ymm0
        call    *%rsi
        vzeroupper
        ret
        .size   x86_avx_mask, . - x86_avx_mask

/* uint32_t x86_avx_flags (const X86Vec *src1, const uint8_t *code, const void *src2): EFLAGS */
        function flags
        vmovdqu (%rdi), %ymm0
        call    *%rsi
        pushfq
        popq    %rax
        vzeroupper
        ret
        .size   x86_avx_flags, . - x86_avx_flags

/* void x86_avx_copy (void *dst, const void *src): 32 bytes */
        function copy
        vmovdqu (%rsi), %ymm0
        vmovdqu %ymm0, (%rdi)
        vzeroupper
        ret
        .size   x86_avx_copy, . - x86_avx_copy

        .section .note.GNU-stack, "", @progbits
