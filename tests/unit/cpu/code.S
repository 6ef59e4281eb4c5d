/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Guest code of the processor tests, cut out between NAME and NAME_end. It runs at 0x10000 (GUEST_ENTRY); addresses are
 * absolute numbers from guest.h. Every piece ends with HLT.
 */
.section .rodata

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

/* --- Real mode; CS = 1000, DS = ES = 2000, SS:SP = 8000:fff0 --- */
.code16
snippet real_wrap                     /* 16-bit addresses wrap; a word at ffff faults */
    mov $0xffff, %bx
    movb $0x5a, 1(%bx)                /* offset 0 */
    mov (%bx), %cl
    mov (%bx), %ax                    /* #GP */
    finish real_wrap

snippet real_segment                  /* far call, far return, stack wrap at 0 */
    xor %sp, %sp
    push $0x1234
    mov %sp, %bx
    pop %ax
    lcall $0x1000, $1f - real_segment
    mov $7, %dx
    hlt
1:  mov $9, %cx
    lret
    finish real_segment

snippet real_int                      /* INT n, IRET, flags */
    stc
    sti
    int $0x40
    setc %al
    finish real_int

snippet real_rep                      /* REP with 16-bit counters, backwards */
    std
    mov $0x100, %di
    mov $5, %cx
    mov $0x77, %al
    rep stosb
    cld
    finish real_rep

snippet real_unreal                   /* 32-bit offsets after limits were loaded in protected mode */
    cli
    push %ds
    mov %cr0, %eax
    or $1, %al
    mov %eax, %cr0
    mov $0x10, %bx
    mov %bx, %ds
    and $0xfe, %al
    mov %eax, %cr0
    pop %ds
    mov $0x100000 - 0x20000, %ebx
    movl $0xcafe, (%ebx)
    finish real_unreal

/* --- Protected mode, flat --- */
.code32
snippet prot_limit                    /* the last byte of a segment, then one beyond */
    mov $0x58, %eax
    mov %ax, %es
    mov %es:0xfff, %cl
    mov $1, %edx
    mov %es:0xffe, %eax               /* #GP(0) */
    finish prot_limit

snippet prot_expand_down
    mov $0x58, %eax
    mov %ax, %es
    mov %es:0x1000, %cl
    mov $1, %edx
    mov %es:0xfff, %cl                /* #GP(0) */
    finish prot_expand_down

snippet prot_readonly
    mov $0x58, %eax
    mov %ax, %es
    mov %es:0x10, %ecx
    mov $1, %edx
    mov %ecx, %es:0x10                /* #GP(0) */
    finish prot_readonly

snippet prot_null
    xor %eax, %eax
    mov %ax, %gs
    mov $1, %edx
    mov %gs:0x20000, %ecx             /* #GP(0) */
    finish prot_null

snippet prot_not_present
    mov $0x58, %eax
    mov $1, %edx
    mov %ax, %fs                      /* #NP(58) */
    finish prot_not_present

/* To ring 3 by IRET, system call through a call gate (0x60) with two parameters, back, then a privileged instruction. */
snippet prot_rings
    push $0x3b
    push $0x80000
    pushf
    push $0x33
    push $0x10000 + (1f - prot_rings)
    iret
1:  push $0x1111
    push $0x2222
    lcall $0x63, $0
    mov $5, %ebx
    cli                               /* #GP(0): IOPL is 0 */
    finish prot_rings

snippet gate_target                   /* at 0x18000: parameters are above CS:EIP of the caller */
    mov 8(%esp), %esi
    mov 12(%esp), %edi
    mov %cs, %ecx
    lret $8
    finish gate_target

snippet prot_task                     /* CALL to another TSS; it returns by IRET */
    mov $1, %eax
    lcall $0x58, $0
    mov $3, %ecx
    finish prot_task

snippet task_body
    mov $0x77, %ebx
    mov %ebx, 0x20000
    iret
    finish task_body

snippet prot_vm86                     /* into virtual-8086 mode; IN is refused by the map, then allowed, INT traps */
    push $0                           /* GS FS DS ES */
    push $0
    push $0x2000
    push $0x2000
    push $0x8000                      /* SS ESP */
    push $0x1000
    push $0x23002                     /* EFLAGS: VM, IOPL 3 */
    push $0x1000                      /* CS EIP */
    push $0x800
    iret
    finish prot_vm86

.code16
snippet vm86_code                     /* at 1000:0800 */
    mov $0x55, %al
    out %al, $0x10                    /* allowed */
    mov $0x1234, %bx
    mov %bx, 0x10
    out %al, $0x20                    /* refused: #GP(0) */
    finish vm86_code

.code32
snippet prot_step                     /* TF: a trap after each instruction, none after MOV SS */
    pushf
    orl $0x100, (%esp)
    popf
    inc %eax
    mov %ss, %ecx
    mov %ecx, %ss
    inc %eax
    pushf
    andl $~0x100, (%esp)
    popf
    finish prot_step

snippet count_debug                   /* #DB handler: counts, remembers DR6 */
    incl 0x20100
    push %eax
    mov %dr6, %eax
    mov %eax, 0x20104
    xor %eax, %eax
    mov %eax, %dr6
    pop %eax
    iret
    finish count_debug

snippet prot_data_breakpoint
    mov $0x20204, %eax
    mov %eax, %dr1
    mov $0x00d0000c, %eax             /* L1, G1; write, 4 bytes */
    mov %eax, %dr7
    mov %eax, 0x20200
    movb $1, 0x20207
    mov 0x20204, %ecx
    finish prot_data_breakpoint

snippet prot_code_breakpoint
    mov $0x10000 + (1f - prot_code_breakpoint), %eax
    mov %eax, %dr0
    mov $2, %eax
    mov %eax, %dr7
    xor %ecx, %ecx
1:  inc %ecx
    inc %ecx
    finish prot_code_breakpoint

snippet prot_self_modify              /* the next instruction of the same block, then a loop's body */
    movb $0x42, 1f - prot_self_modify + 0x10000 /* inc eax → inc edx */
    xor %edx, %edx
    xor %eax, %eax
1:  inc %eax
    mov $3, %ecx
2:  add $1, %eax
    addb $1, 2b + 2 - prot_self_modify + 0x10000
    dec %ecx
    jnz 2b
    finish prot_self_modify

/* --- Long mode --- */
.code64
snippet long_arith
    mov $0x123456789abcdef0, %rax
    mov $0xfedcba9876543210, %rbx
    mov %rax, %rcx
    mul %rbx
    mov %rdx, %r8
    mov $10, %r9
    xor %edx, %edx
    div %r9
    movslq %ebx, %r10
    bswap %rbx
    movabs %al, 0x20000
    lea 1f(%rip), %r11
    jmp *%r11
    hlt
1:  mov $-1, %r12d
    finish long_arith

snippet long_noncanonical
    mov $0x800000000000, %rax
    mov $1, %ecx
    mov (%rax), %rbx                  /* #GP(0) */
    finish long_noncanonical

snippet long_stack_noncanonical
    mov $0x800000001000, %rsp
    push %rax                         /* #SS(0) */
    finish long_stack_noncanonical

snippet long_fault_write              /* #PF of a store: registers as before it */
    mov $0x400000, %rdi
    mov $2, %ecx
    mov $0x41, %al
    rep stosb
    finish long_fault_write

snippet long_rep_fault                /* REP MOVS over a missing page stops at its first byte */
    mov $0x20000, %rsi
    mov $0x3fff00, %rdi
    mov $0x200, %ecx
    rep movsb
    finish long_rep_fault

snippet long_cmpxchg16b
    mov $0x20000, %rdi
    mov $1, %rax
    mov $2, %rdx
    mov $3, %rbx
    mov $4, %rcx
    lock cmpxchg16b (%rdi)
    setz %r8b
    lock cmpxchg16b (%rdi)
    setz %r9b
    lock cmpxchg16b 8(%rdi)           /* #GP(0): misaligned */
    finish long_cmpxchg16b

snippet long_syscall                  /* SYSRET to ring 3, SYSCALL back */
    mov $0xc0000081, %ecx
    xor %eax, %eax
    mov $0x00300028, %edx             /* STAR: 30 + 8, + 16; 28, 30 */
    wrmsr
    mov $0xc0000082, %ecx
    mov $0x10000 + (2f - long_syscall), %eax
    xor %edx, %edx
    wrmsr
    mov $0xc0000084, %ecx
    mov $0x200, %eax
    wrmsr
    mov $0x10000 + (1f - long_syscall), %ecx
    mov $0x202, %r11d
    sysretq
1:  mov %cs, %r12d
    syscall
    hlt
2:  mov %cs, %r13d
    pushf
    pop %r14
    finish long_syscall

snippet long_compat                   /* to 32-bit code and back */
    ljmp *3f(%rip)
.code32
1:  mov $0xffffffff, %eax
    inc %eax
    sidt 0x20000
    ljmp $0x28, $0x10000 + (2f - long_compat)
.code64
2:  mov $1, %ecx
    hlt
3:  .long 0x10000 + (1b - long_compat)
    .word 0x08
    finish long_compat

snippet long_ist
    mov $0x7000, %rsp
    ud2
    finish long_ist

snippet long_sti_shadow               /* an interrupt is pending: it comes after the instruction behind STI */
    xor %eax, %eax
    sti
    inc %eax
    inc %eax
    cli
    finish long_sti_shadow

snippet long_page_cross               /* code and data across a page boundary */
    mov $0x20fff, %rdi
    mov $0x1122334455667788, %rax
    mov %rax, (%rdi)
    mov (%rdi), %rbx
    lock incq (%rdi)
    mov (%rdi), %rcx
    mov $0x21ffe, %rdx
    jmp *%rdx
    finish long_page_cross

snippet add_imm32                     /* at 21ffe: six bytes over the boundary */
    add $0x12345, %rax
    finish add_imm32

snippet long_locks                    /* LOCK with a register is #UD */
    mov $1, %ecx
    .byte 0xf0, 0x01, 0xc8
    finish long_locks

snippet long_too_long                 /* sixteen bytes of instruction: #GP(0) */
    .byte 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x90
    finish long_too_long

snippet long_smap                     /* kernel reads a user page: refused, allowed after STAC */
    mov $0x20000, %rdi
    stac
    mov (%rdi), %eax
    clac
    mov $1, %ecx
    mov (%rdi), %eax                  /* #PF */
    finish long_smap

snippet long_pcid                     /* the other address space maps 300000 elsewhere; no flush in between */
    mov 0x300000, %eax
    mov %r8, %cr3
    mov 0x300000, %ebx
    mov %r9, %cr3
    mov 0x300000, %ecx
    finish long_pcid

snippet rewrite_all                   /* R8 functions of 64 bytes at 400000, into four places in turn; each is called three times */
    mov $0x400000, %esi
1:  mov %r8d, %ecx
    and $3, %ecx
    shl $6, %ecx
    lea 0x30000(%rcx), %rdi
    mov %rdi, %r9
    mov $8, %ecx
    rep movsq
    mov $3, %r10d
2:  mov %rax, %rdi
    call *%r9
    dec %r10d
    jnz 2b
    dec %r8d
    jnz 1b
    finish rewrite_all

snippet call_all                      /* R8 functions of 64 bytes at 400000, and again */
    mov %r8d, %r11d
    mov $2, %r10d
1:  mov %r11d, %r8d
    mov $0x400000, %r9d
2:  mov %rax, %rdi
    call *%r9
    add $64, %r9
    dec %r8d
    jnz 2b
    dec %r10d
    jnz 1b
    finish call_all

/* --- AVX --- */
.code64
snippet avx_move                      /* one AVX instruction behind a mark */
    mov $1, %ecx
    vmovdqu %ymm1, %ymm2
    mov $2, %ecx
    finish avx_move

.code32
snippet avx_zero_all                  /* 32-bit code knows eight registers */
    vzeroall
    finish avx_zero_all

.code64
snippet avx_legacy                    /* legacy SSE keeps upper halves, VEX.128 clears them */
    paddd %xmm1, %xmm2
    vpaddd %xmm1, %xmm3, %xmm3
    finish avx_legacy

snippet avx_save                      /* all components to 20000, init, XINUSE, and back */
    mov $7, %eax
    xor %edx, %edx
    xsave64 0x20000
    xsavec64 0x20800
    xrstor64 0x21000                  /* of zeros: initial state */
    mov $1, %ecx
    xgetbv
    mov %eax, %ebx
    vmovdqu %ymm5, 0x21800
    mov $7, %eax
    xor %edx, %edx
    xsaveopt64 0x21c00
    xrstor64 0x20800                  /* compacted */
    vmovdqu %ymm5, 0x21820
    xor %ecx, %ecx
    xgetbv
    mov %eax, %esi
    mov $1, %ecx
    xgetbv
    finish avx_save

snippet avx_save_bad                  /* a component that the compacted area does not have */
    movq $4, 0x20200                  /* XSTATE_BV */
    movabs $0x8000000000000003, %rax
    mov %rax, 0x20208
    mov $7, %eax
    xor %edx, %edx
    xrstor64 0x20000
    finish avx_save_bad

snippet avx_random
    rdrand %rax
    setc %bl
    rdrand %rcx
    setc %bh
    rdseed %rdx
    setc %sil
    finish avx_random

snippet avx_gather                    /* the second element faults; a handler looks at what is there */
    vpcmpeqd %xmm1, %xmm1, %xmm1
    vpxor %xmm3, %xmm3, %xmm3
    mov $0x20000, %rax
    vpgatherqq %xmm1, (%rax,%xmm2,1), %xmm3
    finish avx_gather

.section .note.GNU-stack, "", @progbits
