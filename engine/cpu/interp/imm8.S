/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Instructions with an immediate operand, once for each of its 256 values,
 * eight bytes each: __m128i f (__m128i dst, __m128i src), see sse.h.
 */
        .text

        .macro  table name, insn
        .globl  x86_imm8_\name
        .hidden x86_imm8_\name
        .type   x86_imm8_\name, @object
        .size   x86_imm8_\name, 2048
        .balign 64
x86_imm8_\name:
        .set    value, 0
        .rept   256
        .balign 8
        \insn   $value, %xmm1, %xmm0
        ret
        .set    value, value + 1
        .endr
        .endm

        table   pshufd, pshufd
        table   pshufhw, pshufhw
        table   pshuflw, pshuflw
        table   shufps, shufps
        table   shufpd, shufpd
        table   cmpps, cmpps
        table   cmppd, cmppd
        table   cmpss, cmpss
        table   cmpsd_x, cmpsd
        table   palignr, palignr
        table   pblendw, pblendw
        table   blendps, blendps
        table   blendpd, blendpd
        table   dpps, dpps
        table   dppd, dppd
        table   roundps, roundps
        table   roundpd, roundpd
        table   roundss, roundss
        table   roundsd, roundsd
        table   insertps, insertps
        table   mpsadbw, mpsadbw
        table   pclmulqdq, pclmulqdq
        table   aeskeygenassist, aeskeygenassist
        table   sha1rnds4, sha1rnds4

/*
 * String comparisons, 32 bytes each, with explicit lengths (EDI, ESI) or not:
 * the masks in XMM0; the indices in the low half of RAX with the flags above.
 */
        .macro  string_table name, insn, lengths, index
        .globl  x86_imm8_\name
        .hidden x86_imm8_\name
        .type   x86_imm8_\name, @object
        .size   x86_imm8_\name, 8192
        .balign 64
x86_imm8_\name:
        .set    value, 0
        .rept   256
        .balign 32
        .if     \lengths
        movl    %edi, %eax
        movl    %esi, %edx
        .endif
        \insn   $value, %xmm1, %xmm0
        .if     \index
        pushfq
        popq    %rax
        shlq    $32, %rax
        orq     %rcx, %rax
        .endif
        ret
        .set    value, value + 1
        .endr
        .endm

        string_table pcmpestrm, pcmpestrm, 1, 0
        string_table pcmpestri, pcmpestri, 1, 1
        string_table pcmpistrm, pcmpistrm, 0, 0
        string_table pcmpistri, pcmpistri, 0, 1

        .section .note.GNU-stack, "", @progbits
