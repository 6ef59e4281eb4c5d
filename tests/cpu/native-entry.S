/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Into a case and out of it. This code is copied to CASE_EXIT, below 4 GiB, and uses nothing but absolute addresses of
 * layout.h. FS and GS of the case are not those of the C library: no C code may run before they are put back.
 */
#include "tests/cpu/layout.h"

.section .rodata
.code64
.globl native_blob, native_blob_end, native_enter, native_fault, native_tick

native_blob:                          /* the end of a case: all its registers are live */
    mov %rsp, NATIVE_OUT_RSP
    mov $NATIVE_OUT_FLAGS + 8, %rsp
    pushfq
    push %r15
    push %r14
    push %r13
    push %r12
    push %r11
    push %r10
    push %r9
    push %r8
    push %rdi
    push %rsi
    push %rbp
    push %rsp
    push %rbx
    push %rdx
    push %rcx
    push %rax
    mov NATIVE_XSAVE, %eax
    xor %edx, %edx
    xsave64 NATIVE_OUT_FX
    movq $0, NATIVE_OUT_CONTEXT
leave_case:
    mov NATIVE_HOST_RSP, %rsp
    mov %es, NATIVE_OUT_ES
    mov %ss, NATIVE_OUT_SS
    mov %ds, NATIVE_OUT_DS
    mov %fs, NATIVE_OUT_FS
    mov %gs, NATIVE_OUT_GS
    push $0x202
    popfq
    mov $CASE_SS, %eax
    mov %eax, %ss
    xor %eax, %eax
    mov %eax, %fs
    mov %eax, %gs
    mov %eax, %ds
    mov %eax, %es
    mov NATIVE_HOST_FS, %rcx
    wrfsbase %rcx
    wrgsbase %rax
    fninit
    ldmxcsr NATIVE_MXCSR
    testl $4, NATIVE_XSAVE
    jz 1f
    vzeroupper
1:
    movq $0, NATIVE_RUNNING
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
    ret

native_enter:                         /* void (void) */
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
    mov %rsp, NATIVE_HOST_RSP
    rdfsbase %rax
    mov %rax, NATIVE_HOST_FS
    mov NATIVE_XSAVE, %eax
    xor %edx, %edx
    xrstor64 NATIVE_IN_FX
    mov NATIVE_IN_DATA_SEL, %eax
    mov %eax, %ds
    mov %eax, %es
    mov NATIVE_IN_FS_SEL, %eax
    mov %eax, %fs
    test %eax, %eax
    jnz 1f
    mov NATIVE_IN_FS_BASE, %rdx
    wrfsbase %rdx
1:  mov NATIVE_IN_GS_SEL, %eax
    mov %eax, %gs
    test %eax, %eax
    jnz 1f
    mov NATIVE_IN_GS_BASE, %rdx
    wrgsbase %rdx
1:  mov $NATIVE_IN_REGS, %rsp
    pop %rax
    pop %rcx
    pop %rdx
    pop %rbx
    lea 8(%rsp), %rsp
    pop %rbp
    pop %rsi
    pop %rdi
    pop %r8
    pop %r9
    pop %r10
    pop %r11
    pop %r12
    pop %r13
    pop %r14
    pop %r15
    iretq

native_fault:                         /* a signal's handler, on the stack for signals */
    cmpq $0, NATIVE_RUNNING
    je 1f
    mov %rdx, NATIVE_OUT_CONTEXT
    mov %rdi, NATIVE_OUT_SIGNAL
    jmp leave_case
1:  jmp *NATIVE_CRASHED

native_tick:                          /* the timer's handler: a case that lasts two ticks is given up */
    mov NATIVE_RUNNING, %rax
    test %rax, %rax
    jz 1f
    cmp NATIVE_TICKED, %rax
    mov %rax, NATIVE_TICKED
    je native_fault
1:  ret
native_blob_end:

.section .note.GNU-stack, "", @progbits
