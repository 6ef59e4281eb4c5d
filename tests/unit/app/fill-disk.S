/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Test guest: a boot sector for a floppy that waits for a key, then writes the first hard disk full,
 * 64 KiB every 64 KiB, with the sector's number in each write. It says what it
 * did at the debug console: “w” a write that went well, “e” one that failed,
 * “done” at the end. Then it leaves through the debug exit port.
 *
 * Spec: BIOS Enhanced Disk Drive 3.0, functions 43h and 48h; interrupt 16h, function 0.
 */
        .code16
        .globl _start
_start: xor %ax, %ax
        mov %ax, %ds
        mov %ax, %ss
        mov $0x7c00, %sp
        xor %ax, %ax
        int $0x16

again:  mov lba, %eax
        mov $0x1000, %bx        /* the buffer is at 10000h */
        mov %bx, %es
        mov %eax, %es:0
        mov $0x43, %ah
        xor %al, %al
        mov $0x80, %dl
        mov $packet, %si
        int $0x13
        mov $'e', %al
        jc 1f
        mov $'w', %al
1:      mov $0x402, %dx
        out %al, %dx
        addl $127, lba
        cmpl $127 * WRITES, lba
        jb again

        mov $message, %si
2:      lodsb
        test %al, %al
        jz 3f
        out %al, %dx
        jmp 2b
3:      mov $0xf4, %dx
        xor %al, %al
        out %al, %dx
4:      hlt
        jmp 4b

message: .asciz "done"
        .align 4
packet: .byte 16, 0
        .word 127               /* sectors: the most that one request takes */
        .word 0, 0x1000         /* offset, segment */
lba:    .long 0, 0
        .org 510
        .word 0xaa55
