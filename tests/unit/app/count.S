/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Test guest: a boot sector for a floppy that counts in memory and on the first hard disk, where a torn snapshot would show.
 * At its start it says “b” and what sector 1 of the disk holds at the first serial port. With each key it says “m” and what it
 * has in memory, “d” and what is on the disk, two digits each, adds one to the number in memory and writes that to the disk.
 *
 * Spec: BIOS Enhanced Disk Drive 3.0, functions 42h and 43h; interrupt 16h, function 0; National Semiconductor PC16550D, LSR.
 */
        .code16
        .globl _start
_start: xor %ax, %ax
        mov %ax, %ds
        mov %ax, %es
        mov %ax, %ss
        mov $0x7c00, %sp
        call load
        mov sector, %al
        mov %al, count
        mov $'b', %al
        call say
        mov count, %al
        call number
        call line

again:  xor %ax, %ax
        int $0x16
        call load
        mov $'m', %al
        call say
        mov count, %al
        call number
        mov $'d', %al
        call say
        mov sector, %al
        call number
        call line
        incb count
        mov count, %al
        mov %al, sector
        mov $0x4300, %ax
        call disk
        jmp again

load:   mov $0x4200, %ax
disk:   mov $0x80, %dl
        mov $packet, %si
        int $0x13
        jnc 1f
        mov $'e', %al
        call say
1:      ret

/* AL in hexadecimal. */
number: push %ax
        shr $4, %al
        call digit
        pop %ax
        and $15, %al
digit:  add $'0', %al
        cmp $'9', %al
        jbe say
        add $'a' - '9' - 1, %al
/* AL as it is. */
say:    push %ax
        mov $0x3fd, %dx
1:      in %dx, %al
        test $0x20, %al
        jz 1b
        pop %ax
        mov $0x3f8, %dx
        out %al, %dx
        ret

line:   mov $'\n', %al
        jmp say

count:  .byte 0
        .align 4
packet: .byte 16, 0
        .word 1                 /* sectors */
        .word sector, 0         /* offset, segment */
        .long 1, 0
        .org 510
        .word 0xaa55
        .set sector, 0x8000
