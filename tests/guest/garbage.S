/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Test guest: a multiboot 1 kernel that throws random values at the machine.
 * In turn: all of port space, PCI configuration space, the registers behind
 * every memory BAR, the APICs, HPET and VGA. Then it writes “survived” to the
 * serial port and leaves through the debug exit port. SEED chooses the values.
 *
 * With POLITE it keeps away from the ports that end or reset the machine; else
 * anything may happen, but the machine's process has to stand it.
 */
#define MAGIC 0x1badb002
#define ROUNDS 300000

        /* The header has to lie in the file's first 8 KiB. */
        .section .text
        .align 4
        .long MAGIC, 0, -MAGIC

        .globl _start
_start: mov $stack, %esp
        movl $SEED, state
        lidt no_idt
        mov $'G', %al
        call put

        /* Ports. */
        mov $ROUNDS, %ecx
1:      call random
        mov %eax, %edx
        and $0xffff, %edx
        call forbidden
        je 3f
        call random
        test $0x100, %eax
        jz 2f
        call out_sized
        jmp 3f
2:      call in_sized
3:      loop 1b

        mov $'P', %al
        call put

        /* PCI configuration space, registers 04h and up of all functions. */
        mov $ROUNDS / 10, %ecx
1:      call random
        and $0xfffc, %eax
        test $0xfc, %al
        jz 2f
        or $0x80000000, %eax
        mov $0xcf8, %dx
        out %eax, %dx
        call random
        mov $0xcfc, %dx
        out %eax, %dx
        in %dx, %eax
2:      loop 1b

        mov $'C', %al
        call put

        /* Memory BARs, wherever they lie now: place each at e0000000 first, with decoding on. */
        xor %ebx, %ebx                  /* device and function << 8 */
4:      mov %ebx, %eax
        or $0x80000000, %eax
        mov $0xcf8, %dx
        out %eax, %dx
        mov $0xcfc, %dx
        in %dx, %eax
        cmp $0xffffffff, %eax
        je 8f
        mov $0x10, %esi
5:      lea 0x80000000(%ebx, %esi), %eax
        mov $0xcf8, %dx
        out %eax, %dx
        mov $0xcfc, %dx
        in %dx, %eax
        test $1, %al
        jnz 7f
        mov $0xe0000000, %eax
        out %eax, %dx
        lea 0x80000004(%ebx), %eax
        mov $0xcf8, %dx
        out %eax, %dx
        mov $0xcfc, %dx
        mov $7, %eax
        out %eax, %dx
        mov $0xe0000000, %edi
        mov $ROUNDS / 100, %ecx
        call scribble
7:      add $4, %esi
        cmp $0x28, %esi
        jb 5b
8:      add $0x100, %ebx
        cmp $0x10000, %ebx
        jb 4b

        mov $'B', %al
        call put

        mov $0xfec00000, %edi
        mov $ROUNDS / 100, %ecx
        call scribble
        mov $0xfed00000, %edi
        mov $ROUNDS / 100, %ecx
        call scribble
        mov $0xfee00000, %edi
        mov $ROUNDS / 100, %ecx
        call scribble
        mov $0xa0000, %edi
        mov $ROUNDS / 10, %ecx
        call scribble

        mov $message, %esi
1:      lodsb
        test %al, %al
        jz 2f
        call put
        jmp 1b
2:      mov $0x10, %al
        out %al, $0xf4
3:      hlt
        jmp 3b

/* %ecx random accesses in the 128 KiB from %edi. */
scribble:
        call random
        mov %eax, %ebp
        and $0x1ffff, %ebp
        add %edi, %ebp
        call random
        test $0x200, %eax
        jz 1f
        mov %eax, (%ebp)
        jmp 2f
1:      mov (%ebp), %eax
        mov %al, (%ebp)
2:      loop scribble
        ret

put:    push %edx
        mov $0x3f8, %dx
        out %al, %dx
        pop %edx
        ret

/* xorshift */
random: mov state, %eax
        push %edx
        mov %eax, %edx
        shl $13, %edx
        xor %edx, %eax
        mov %eax, %edx
        shr $17, %edx
        xor %edx, %eax
        mov %eax, %edx
        shl $5, %edx
        xor %edx, %eax
        pop %edx
        mov %eax, state
        ret

out_sized:
        test $0x200, %eax
        jz 1f
        out %al, %dx
        ret
1:      test $0x400, %eax
        jz 2f
        out %ax, %dx
        ret
2:      out %eax, %dx
        ret

in_sized:
        test $0x200, %eax
        jz 1f
        in %dx, %al
        ret
1:      test $0x400, %eax
        jz 2f
        in %dx, %ax
        ret
2:      in %dx, %eax
        ret

/* ZF when the port in %dx is to be left alone: always the serial port's, which tells of us. */
forbidden:
        push %eax
        mov %dx, %ax
        and $0xfff8, %ax
        cmp $0x3f8, %ax
        je 1f
        cmp $0xf0, %ax
        je 1f
#ifdef POLITE
        cmp $0x60, %ax
        je 1f
        cmp $0x88, %ax                  /* four bytes from here reach into the next eight ports */
        je 1f
        cmp $0xcf0, %ax
        je 1f
        cmp $0x5f8, %ax
        je 1f
        cmp $0x90, %ax
        je 1f
        cmp $0xb0, %ax
        je 1f
        cmp $0xcf8, %ax
        je 1f
        cmp $0x600, %ax
        je 1f
        cmp $0x500, %ax                 /* fw_cfg's DMA writes over memory */
        je 1f
        cmp $0x510, %ax
        je 1f
        cmp $0x518, %ax
        je 1f
#endif
1:      pop %eax
        ret

        .section .data
        .align 4096                     /* away from the code, which is not to be written */
message: .asciz " survived\n"
no_idt: .word 0
        .long 0
state:  .long 0

        .section .bss
        .align 16
        .skip 4096
stack:
