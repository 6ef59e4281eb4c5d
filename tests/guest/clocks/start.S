/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The start of the clocks guest: a multiboot 1 kernel in flat 32-bit mode, its interrupts, and how other processors
 * get into it.
 */
#define MAGIC 0x1badb002
#define LAPIC_EOI 0xfee000b0

        .section .text.start, "ax"
        .align 4
        .long MAGIC, 0, -MAGIC

        .globl _start
_start: mov $boot_stack, %esp
        lgdt gdt_pointer
        ljmp $0x08, $1f
1:      mov $0x10, %eax
        mov %eax, %ds
        mov %eax, %es
        mov %eax, %ss
        push %ebx                 /* multiboot information */
        call clocks_main
2:      cli
        hlt
        jmp 2b

/* The time stamp first; then which it was. */
        .macro interrupt name, vector
        .globl \name
\name:  push %eax
        push %edx
        rdtsc
        mov %eax, fired_at
        mov %edx, fired_at + 4
        incl fired
        movl $\vector, fired_vector
        movl $0, LAPIC_EOI
        pop %edx
        pop %eax
        iret
        .endm
        interrupt timer_interrupt, 0x40
        interrupt hpet_interrupt, 0x41
        .globl spurious_interrupt
spurious_interrupt:
        iret

/* Copied to the page that the start-up IPI names. */
        .globl trampoline, trampoline_end
        .code16
trampoline:
        cli
        xor %ax, %ax
        mov %ax, %ds
        lgdtl trampoline_pointer - trampoline + 0x8000
        mov $1, %eax
        mov %eax, %cr0
        ljmpl $0x08, $ap_start
        .align 4
trampoline_pointer:
        .word gdt_end - gdt - 1
        .long gdt
trampoline_end:
        .code32
ap_start:
        mov $0x10, %eax
        mov %eax, %ds
        mov %eax, %es
        mov %eax, %ss
        mov $1, %eax
        lock xadd %eax, ap_count
        inc %eax
        mov %eax, %edx
        shl $12, %edx
        lea ap_stacks(%edx), %esp
        push %eax
        call ap_main
3:      cli
        hlt
        jmp 3b

        .section .rodata
        .align 8
gdt:    .quad 0, 0x00cf9b000000ffff, 0x00cf93000000ffff
gdt_end:
gdt_pointer:
        .word gdt_end - gdt - 1
        .long gdt

        .section .bss
        .align 16
        .skip 16384
boot_stack:
ap_stacks:
        .skip 65 * 4096
        .section .note.GNU-stack, "", @progbits
