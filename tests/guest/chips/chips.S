/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Test guest: a firmware of its own that counts interrupts, for ever. The whole image is 128 KiB and ends at 4 GiB; its
 * code runs from F0000h on. When the byte at PAINT is not 0 it writes to the VGA (see paint), and clears it. What it counts lies from COUNTS on, a doubleword each:
 *   0  the 8254, through the 8259s, while the byte at WISH is 0
 *   1  the 8254, through the I/O APIC, while it is 1
 *   2  the timer of the bootstrap processor's local APIC
 *   3  interrupts that the second processor got from the first, one at each of those
 *   4  messages with the vector MESSAGE
 *   5  what must not be
 *   6  stores of 0 to the address at DOORBELL, or to the port if it is one, made when the doubleword at RINGS is greater
 *   7  HLT that came to an end, of the bootstrap processor
 *   8  the level-triggered input LEVEL_PIN of the I/O APIC, again and again for as long as it is asserted
 *
 * Specification: Intel 8259A, 8254 and 82093AA data sheets; Intel SDM volume 3A, chapters 9 (multiple processors) and 11.
 */
        .set COUNTS, 0x600
        .set WISH, 0x700
        .set DOORBELL, 0x704
        .set RINGS, 0x708
        .set PAINT, 0x710
        .set SEEN, 0x70c                 /* the wish that the chips were set up for */
        .set STACK, 0x7000
        .set STACK_AP, 0x6000
        .set TRAMPOLINE, 0x8000
        .set IDT, 0x9000
        .set LAPIC, 0xfee00000
        .set IOAPIC, 0xfec00000
        .set VECTOR_PIC, 0x20
        .set VECTOR_PIN, 0x40
        .set VECTOR_TIMER, 0x41
        .set VECTOR_IPI, 0x42
        .set MESSAGE, 0x43
        .set LEVEL_PIN, 20
        .set VECTOR_LEVEL, 0x30          /* gives way to all the others */
        .set VECTOR_SPURIOUS, 0xff
        .set PERIOD, 2000000             /* ns, of the local APIC's timer */
        .set RELOAD, 2386                /* of the 8254: 2 ms */

        .text
        .code16
        .globl _start
_start:                                  /* F000:0000 */
        cli
        lgdtl %cs:(gdt_pointer - _start)
        mov %cr0, %eax
        or $1, %al
        mov %eax, %cr0
        ljmpl $8, $(0xf0000 + protected - _start)

        .balign 8
gdt:    .quad 0
        .quad 0x00cf9b000000ffff         /* 8: flat code; accessed, for it lies in ROM */
        .quad 0x00cf93000000ffff         /* 16: flat data */
gdt_pointer:
        .word 23
        .long 0xf0000 + gdt - _start

        .code32
protected:
        mov $16, %eax
        mov %eax, %ds
        mov %eax, %es
        mov %eax, %ss
        mov $STACK, %esp
        cld
        xor %eax, %eax
        mov $COUNTS, %edi
        mov $(0x800 - COUNTS) / 4, %ecx
        rep stosl
        movb $0xff, SEEN

        /* Every vector that is not expected counts as one that must not be. */
        mov $IDT, %edi
        xor %ecx, %ecx
1:      mov $(0xf0000 + unexpected - _start), %eax
        call set_gate
        inc %ecx
        cmp $256, %ecx
        jne 1b
        mov $VECTOR_PIC, %ecx
        mov $(0xf0000 + pic_interrupt - _start), %eax
        call set_gate
        mov $(VECTOR_PIC + 7), %ecx      /* spurious: the 8259 lost its request while it was set up anew */
        mov $(0xf0000 + nothing - _start), %eax
        call set_gate
        mov $VECTOR_PIN, %ecx
        mov $(0xf0000 + pin_interrupt - _start), %eax
        call set_gate
        mov $VECTOR_TIMER, %ecx
        mov $(0xf0000 + timer_interrupt - _start), %eax
        call set_gate
        mov $VECTOR_IPI, %ecx
        mov $(0xf0000 + ipi - _start), %eax
        call set_gate
        mov $MESSAGE, %ecx
        mov $(0xf0000 + message - _start), %eax
        call set_gate
        mov $VECTOR_LEVEL, %ecx
        mov $(0xf0000 + level - _start), %eax
        call set_gate
        mov $VECTOR_SPURIOUS, %ecx
        mov $(0xf0000 + nothing - _start), %eax
        call set_gate
        lidt 0xf0000 + idt_pointer - _start

        /* The second processor. */
        mov $(0xf0000 + trampoline - _start), %esi
        mov $TRAMPOLINE, %edi
        mov $(trampoline_end - trampoline), %ecx
        rep movsb
        movl $(0x100 | VECTOR_SPURIOUS), LAPIC + 0xf0
        movl $1 << 24, LAPIC + 0x310
        movl $0x4500, LAPIC + 0x300      /* INIT */
        movl $1 << 24, LAPIC + 0x310
        movl $(0x4600 | TRAMPOLINE >> 12), LAPIC + 0x300

        movl $0x11 + 2 * LEVEL_PIN, IOAPIC
        movl $0, IOAPIC + 0x10
        movl $0x10 + 2 * LEVEL_PIN, IOAPIC
        movl $(1 << 15 | VECTOR_LEVEL), IOAPIC + 0x10

        /* The 8254: counter 0 in mode 2; the local APIC's timer: periodic, divided by 1. */
        mov $0x34, %al
        out %al, $0x43
        mov $(RELOAD & 0xff), %al
        out %al, $0x40
        mov $(RELOAD >> 8), %al
        out %al, $0x40
        movl $0xb, LAPIC + 0x3e0
        movl $(1 << 17 | VECTOR_TIMER), LAPIC + 0x320
        movl $PERIOD, LAPIC + 0x380

loop:   cli
        mov WISH, %al
        cmp SEEN, %al
        je 1f
        mov %al, SEEN
        call set_up
1:      mov COUNTS + 6 * 4, %eax
        cmp RINGS, %eax
        je 2f
        incl COUNTS + 6 * 4
        mov DOORBELL, %ebx
        xor %eax, %eax
        cmp $0x10000, %ebx
        jae 3f
        mov %ebx, %edx
        out %ax, %dx
        jmp loop
3:      mov %ax, (%ebx)
        jmp loop
2:      cmpb $0, PAINT
        je 4f
        call paint
        movb $0, PAINT
4:      sti
        hlt
        incl COUNTS + 7 * 4
        jmp loop

/* The 8254 to the one controller, or to the other, as the byte in AL says. */
set_up: mov %al, %bl
        mov $0x11, %al
        out %al, $0x20
        out %al, $0xa0
        mov $VECTOR_PIC, %al
        out %al, $0x21
        mov $(VECTOR_PIC + 8), %al
        out %al, $0xa1
        mov $4, %al
        out %al, $0x21
        mov $2, %al
        out %al, $0xa1
        mov $1, %al
        out %al, $0x21
        out %al, $0xa1
        mov $0xff, %al
        out %al, $0xa1
        test %bl, %bl
        jnz 1f
        movl $0x10 + 2 * 2, IOAPIC
        movl $0x10000, IOAPIC + 0x10     /* masked */
        movl $0x700, LAPIC + 0x350       /* LINT0: as the 8259s say */
        mov $0xfe, %al
        out %al, $0x21
        ret
1:      mov $0xff, %al
        out %al, $0x21
        movl $0x10700, LAPIC + 0x350
        movl $0x11 + 2 * 2, IOAPIC
        movl $0, IOAPIC + 0x10           /* to the bootstrap processor */
        movl $0x10 + 2 * 2, IOAPIC
        movl $VECTOR_PIN, IOAPIC + 0x10
        ret

/* A planar mode: the byte at A0000h + n gets n in plane 0 and not n in plane 1, for n from 0 to 63. */
paint:  mov $0x3c2, %edx
        mov $0x63, %al
        out %al, %dx
        mov $0x3ce, %edx
        mov $0x0506, %ax                 /* graphics, 64 KiB at A0000h */
        out %ax, %dx
        mov $0x0005, %ax                 /* write mode 0 */
        out %ax, %dx
        mov $0x0001, %ax                 /* no set or reset */
        out %ax, %dx
        mov $0x0003, %ax                 /* no rotation, no operation */
        out %ax, %dx
        mov $0xff08, %ax                 /* all bits */
        out %ax, %dx
        mov $0x3c4, %edx
        mov $0x0604, %ax                 /* neither chained nor odd and even */
        out %ax, %dx
        mov $0xa0000, %edi
        xor %ecx, %ecx
1:      mov $0x0102, %ax                 /* plane 0 */
        out %ax, %dx
        mov %cl, (%edi, %ecx)
        mov $0x0202, %ax                 /* plane 1 */
        out %ax, %dx
        not %cl
        movzbl %cl, %ebx
        not %cl
        mov %bl, (%edi, %ecx)
        inc %ecx
        cmp $64, %ecx
        jne 1b
        ret

/* ECX: the vector; EAX: the handler. */
set_gate:
        mov %ax, IDT(, %ecx, 8)
        movw $8, IDT + 2(, %ecx, 8)
        movw $0x8e00, IDT + 4(, %ecx, 8)
        rol $16, %eax
        mov %ax, IDT + 6(, %ecx, 8)
        rol $16, %eax
        ret

pic_interrupt:
        push %eax
        lock incl COUNTS
        mov $0x20, %al
        out %al, $0x20
        pop %eax
        iretl
pin_interrupt:
        lock incl COUNTS + 1 * 4
        movl $0, LAPIC + 0xb0
        iretl
timer_interrupt:
        lock incl COUNTS + 2 * 4
        movl $1 << 24, LAPIC + 0x310
        movl $(0x4000 | VECTOR_IPI), LAPIC + 0x300
        movl $0, LAPIC + 0xb0
        iretl
ipi:    lock incl COUNTS + 3 * 4
        movl $0, LAPIC + 0xb0
        iretl
message:
        lock incl COUNTS + 4 * 4
        movl $0, LAPIC + 0xb0
        iretl
level:  lock incl COUNTS + 8 * 4
        movl $0, LAPIC + 0xb0
        iretl
unexpected:
        lock incl COUNTS + 5 * 4
nothing:
        iretl

        .balign 8
idt_pointer:
        .word 256 * 8 - 1
        .long IDT

/* The second processor begins here, in real mode at TRAMPOLINE. */
        .code16
trampoline:
        cli
        mov $0xf000, %ax
        mov %ax, %ds
        lgdtl gdt_pointer - _start
        mov %cr0, %eax
        or $1, %al
        mov %eax, %cr0
        ljmpl $8, $(0xf0000 + second - _start)
trampoline_end:

        .code32
second: mov $16, %eax
        mov %eax, %ds
        mov %eax, %es
        mov %eax, %ss
        mov $STACK_AP, %esp
        lidt 0xf0000 + idt_pointer - _start
        movl $(0x100 | VECTOR_SPURIOUS), LAPIC + 0xf0
1:      sti
        hlt
        jmp 1b

        .code16
        .org 0xfff0                      /* where processors begin */
        ljmp $0xf000, $0
        .org 0x10000
