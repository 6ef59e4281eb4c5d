/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Bench guest: a multiboot 1 kernel that runs an integer loop between two
 * marks on the serial port, then leaves through the debug exit port.
 * LOOP_COUNT passes of LOOP_INSTRUCTIONS instructions: see bench.py.
 */
#define MAGIC 0x1badb002
#define COM1 0x3f8

        /* The header has to lie in the file's first 8 KiB. */
        .section .text
        .align 4
        .long MAGIC, 0, -MAGIC

        .globl _start
_start:
        mov $'S', %al
        mov $COM1, %dx
        out %al, %dx
        mov $LOOP_COUNT, %ecx
        mov $1, %eax
        mov $buffer, %esi
        xor %ebx, %ebx
        .align 16
1:      lea 7(%eax, %eax, 2), %eax
        mov %eax, %edi
        shr $5, %edi
        xor %edi, %ebx
        add (%esi), %ebx
        mov %ebx, (%esi)
        test $64, %ebx
        jz 2f
        inc %ebx
2:      dec %ecx
        jnz 1b
        mov $'E', %al
        mov $COM1, %dx
        out %al, %dx
        mov $0x10, %al
        out %al, $0xf4
3:      hlt
        jmp 3b

        /* Not in a page with code: emulators watch those for writes. */
        .section .bss
        .balign 4096
buffer: .skip 4096
