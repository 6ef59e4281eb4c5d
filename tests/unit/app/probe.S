/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Test guest: a boot sector for a floppy that shows that each of the program's ways into a machine leads there.
 * It writes a line on the screen, at the serial port and at the debug console, 5a to the port of POST codes and a sector
 * of the first hard disk; what is typed up to Enter goes to the serial port; then it leaves through
 * the debug exit port with VALUE.
 *
 * Spec: IBM PS/2 BIOS Interface Technical Reference, interrupts 10h, 13h and 16h.
 */
        .code16
        .globl _start
_start: xor %ax, %ax
        mov %ax, %ds
        mov %ax, %es
        mov %ax, %ss
        mov $0x7c00, %sp

        mov $0x5a, %al
        out %al, $0x80
        mov $screen, %si
1:      lodsb
        test %al, %al
        jz 2f
        mov $0x0e, %ah
        xor %bx, %bx
        int $0x10
        jmp 1b
2:      mov $debug, %si
3:      lodsb
        test %al, %al
        jz 4f
        mov $0x402, %dx
        out %al, %dx
        jmp 3b

4:      mov $0x0301, %ax        /* write one sector */
        mov $0x0001, %cx        /* cylinder 0, sector 1 */
        mov $0x0080, %dx        /* head 0, first hard disk */
        mov $sector, %bx
        int $0x13

        mov $serial, %si
5:      lodsb
        test %al, %al
        jz 6f
        call send
        jmp 5b
6:      xor %ax, %ax
        int $0x16
        call send
        cmp $13, %al
        jne 6b
7:      mov $0x3fd, %dx         /* the last byte has left, too */
        in %dx, %al
        test $0x40, %al
        jz 7b
        mov $VALUE, %al
        out %al, $0xf4
8:      hlt
        jmp 8b

send:   push %ax
        mov $0x3fd, %dx
9:      in %dx, %al
        test $0x20, %al
        jz 9b
        pop %ax
        mov $0x3f8, %dx
        out %al, %dx
        ret

screen: .asciz "words on the screen\r\n"
debug:  .asciz "words for the debugger\n"
serial: .asciz "words on the line\r\n"
sector: .ascii "words on the disk"
        .org 510
        .word 0xaa55
