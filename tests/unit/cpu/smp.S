/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Guest code of test-smp.c, cut out between NAME and NAME_end: 64-bit code that several processors run at once. RDI is
 * the number of the processor, RSI how many rounds to run. Every piece ends with HLT; R15 counts what went wrong.
 */
.section .rodata
.code64

.macro snippet name
.globl \name
.balign 16
\name:
.endm
.macro finish name
hlt
.globl \name\()_end
\name\()_end:
.endm

snippet smp_add                       /* R8: a quadword; each round adds 8 */
1:  lock addq $1, (%r8)
    lock incq (%r8)
    lock subq $-1, (%r8)
    stc
    lock adcq $0, (%r8)
    mov $1, %eax
    lock xadd %rax, (%r8)
    mov (%r8), %rax
2:  lea 1(%rax), %rdx
    lock cmpxchg %rdx, (%r8)
    jne 2b
    mov (%r8), %rax
    mov %rax, %rdx
    shr $32, %rdx
3:  mov %eax, %ebx
    mov %edx, %ecx
    add $1, %ebx
    adc $0, %ecx
    lock cmpxchg8b (%r8)
    jne 3b
    clc
    lock sbbq $-1, (%r8)
    dec %rsi
    jnz 1b
    finish smp_add

snippet smp_add_narrow                /* R8: a doubleword, R9: a word, R10: a byte; each round adds 5, 4 and 3 */
1:  lock addl $1, (%r8)
    lock incl (%r8)
    mov $1, %eax
    lock xadd %eax, (%r8)
    mov (%r8), %eax
2:  lea 1(%rax), %edx
    lock cmpxchg %edx, (%r8)
    jne 2b
    lock subl $-1, (%r8)
    lock incw (%r9)
    lock addw $1, (%r9)
    mov $1, %eax
    lock xadd %ax, (%r9)
    mov (%r9), %ax
3:  lea 1(%rax), %edx
    lock cmpxchg %dx, (%r9)
    jne 3b
    lock incb (%r10)
    mov $1, %eax
    lock xadd %al, (%r10)
    mov (%r10), %al
4:  lea 1(%rax), %edx
    lock cmpxchg %dl, (%r10)
    jne 4b
    dec %rsi
    jnz 1b
    finish smp_add_narrow

snippet smp_add16                     /* R8: 16 bytes; each round adds 1 to the lower and 3 to the upper half */
1:  mov (%r8), %rax
    mov 8(%r8), %rdx
2:  lea 1(%rax), %rbx
    lea 3(%rdx), %rcx
    lock cmpxchg16b (%r8)
    jne 2b
    dec %rsi
    jnz 1b
    finish smp_add16

snippet smp_bits                      /* R8: a quadword in which each processor has a bit of its own */
    mov %edi, %ecx
    mov $1, %ebx
    shl %cl, %rbx
    mov %rbx, %r9
    not %r9
1:  lock btsq %rdi, (%r8)
    adc $0, %r15                      /* it was clear */
    test %rbx, (%r8)
    setz %al
    movzbl %al, %eax
    add %rax, %r15
    lock btrq %rdi, (%r8)
    cmc
    adc $0, %r15                      /* it was set */
    lock btcq %rdi, (%r8)
    adc $0, %r15
    lock xorq %rbx, (%r8)
    lock orq %rbx, (%r8)
    test %rbx, (%r8)
    setz %al
    movzbl %al, %eax
    add %rax, %r15
    lock andq %r9, (%r8)
    test %rbx, (%r8)
    setnz %al
    movzbl %al, %eax
    add %rax, %r15
    dec %rsi
    jnz 1b
    finish smp_bits

snippet smp_spin                      /* R8: a doubleword that locks, R9: what it guards; each round adds 2 */
1:  mov $1, %eax
    xchg %eax, (%r8)
    test %eax, %eax
    jz 3f
2:  pause
    cmpl $0, (%r8)
    jne 2b
    jmp 1b
3:  incq (%r9)
    movl $0, (%r8)
4:  lock btsl $0, (%r8)
    jnc 6f
5:  pause
    testl $1, (%r8)
    jnz 5b
    jmp 4b
6:  incq (%r9)
    lock btrl $0, (%r8)
    dec %rsi
    jnz 1b
    finish smp_spin

snippet smp_mixed                     /* even ones: R8, a quadword; odd ones: R9, the doubleword of its upper half */
    test $1, %edi
    jnz 2f
1:  lock incq (%r8)
    mov $1, %eax
    lock xadd %rax, (%r8)
    dec %rsi
    jnz 1b
    hlt
2:  lock incl (%r9)
    mov $1, %eax
    lock xadd %eax, (%r9)
    dec %rsi
    jnz 2b
    finish smp_mixed

snippet smp_messages                  /* 0 writes data at R8, then a flag at R9; others see them in no other order */
    test %edi, %edi
    jnz 2f
    xor %eax, %eax
1:  inc %rax
    mov %rax, (%r8)
    mov %rax, (%r9)
    cmp %rsi, %rax
    jne 1b
    hlt
2:  mov (%r9), %rax
    mov (%r8), %rbx
    cmp %rax, %rbx
    jae 3f
    inc %r15
3:  cmp %rsi, %rax
    je 4f
    pause
    jmp 2b
4:
    finish smp_messages

/* Peterson's lock of two: wrong as soon as a load overtakes a store that a fence or a locked instruction lies between.
 * R8: two flags, R9: whose turn, R10: what is guarded; each round adds 1. */
snippet smp_peterson
    mov %edi, %ebx
    xor $1, %ebx
1:  movl $1, (%r8, %rdi, 4)
    test $1, %esi
    jz 2f
    mov %ebx, (%r9)
    mfence
    jmp 3f
2:  mov %ebx, %eax
    xchg %eax, (%r9)
3:  cmpl $0, (%r8, %rbx, 4)
    je 4f
    cmp %ebx, (%r9)
    jne 4f
    pause
    jmp 3b
4:  incq (%r10)
    movl $0, (%r8, %rdi, 4)
    dec %rsi
    jnz 1b
    finish smp_peterson

/* 0 writes the round into the immediate of MOV EAX at R11, and then at R9; the others wait for it, serialise, call the
 * code, count at R10 and in R15. */
snippet smp_modify
    xor %r12d, %r12d
    test %edi, %edi
    jnz 3f
1:  inc %r12
    mov %r12d, 1(%r11)
    mov %r12, (%r9)
    mov %r12, %rax
    imul %r8, %rax                    /* R8: how many others there are */
2:  pause
    cmp %rax, (%r10)
    jne 2b
    cmp %rsi, %r12
    jne 1b
    hlt
3:  inc %r12
4:  pause
    cmp %r12, (%r9)
    jne 4b
    xor %eax, %eax
    cpuid
    call *%r11
    cmp %r12d, %eax
    je 5f
    inc %r15
5:  lock incq (%r10)
    cmp %rsi, %r12
    jne 3b
    hlt
    .balign 64
    .globl smp_modify_code
smp_modify_code:
    mov $0, %eax
    ret
    finish smp_modify

snippet smp_ping_pong                 /* R8: a counter that the two take turns to count up to RSI */
1:  mov (%r8), %rax
    cmp %rsi, %rax
    jae 3f
    mov %eax, %edx
    and $1, %edx
    cmp %edi, %edx
    je 2f
    pause
    jmp 1b
2:  incq (%r8)
    jmp 1b
3:
    finish smp_ping_pong

snippet smp_sum                       /* RAX: the sum of RSI and what the immediate at + 3 says */
    lea 1(%rsi), %rax
    finish smp_sum
.section .note.GNU-stack, "", @progbits
