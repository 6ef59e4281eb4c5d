/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Option ROM of direct boot: a bootstrap entry that fetches a kernel through
 * fw_cfg DMA and starts it. 16-bit code, embedded as data; direct-boot.c
 * completes the checksum.
 *
 * Specifications: BIOS Boot Specification 1.01 (PnP expansion header, BEV);
 * Linux boot protocol (Documentation/x86/boot); Multiboot 0.6.96.
 *
 * Low memory used: 7000h fw_cfg descriptor, 7010h value, 7020h GDT pointer,
 * 7c00h stack; a multiboot information structure at its setup address, its
 * memory map behind it.
 */

#define FW_CFG_KERNEL_ADDR  0x07
#define FW_CFG_KERNEL_SIZE  0x08
#define FW_CFG_INITRD_ADDR  0x0a
#define FW_CFG_INITRD_SIZE  0x0b
#define FW_CFG_KERNEL_ENTRY 0x10
#define FW_CFG_KERNEL_DATA  0x11
#define FW_CFG_INITRD_DATA  0x12
#define FW_CFG_CMDLINE_ADDR 0x13
#define FW_CFG_CMDLINE_SIZE 0x14
#define FW_CFG_CMDLINE_DATA 0x15
#define FW_CFG_SETUP_ADDR   0x16
#define FW_CFG_SETUP_SIZE   0x17
#define FW_CFG_SETUP_DATA   0x18

#define FW_CFG_DMA_PORT     0x518
#define FW_CFG_DMA_ERROR    0x01
#define FW_CFG_DMA_READ     0x02
#define FW_CFG_DMA_SELECT   0x08

#define DESCRIPTOR 0x7000
#define VALUE      0x7010
#define GDT_POINTER 0x7020
#define STACK      0x7c00

#define MULTIBOOT_MEMORY_MAP 0x200  /* offset of the map from the information structure */
#define MULTIBOOT_MAP_ENTRIES 64

        .section .rodata
        .globl boot_rom_start, boot_rom_end
        .balign 16
        .code16
boot_rom_start:
        .byte 0x55, 0xaa
        .byte (boot_rom_end - boot_rom_start) / 512
        jmp init
        .org boot_rom_start + 0x18
        .word 0
        .word pnp - boot_rom_start

        .balign 16
pnp:    .ascii "$PnP"
        .byte 1, 2                      /* revision, length in paragraphs */
        .word 0                         /* no further header */
        .byte 0
        .byte 0                         /* checksum: direct-boot.c */
        .long 0
        .word maker - boot_rom_start
        .word product - boot_rom_start
        .byte 0, 0, 0                   /* device type */
        .byte 0xe4                      /* an initial program load device */
        .word 0, 0
        .word boot - boot_rom_start     /* bootstrap entry vector */
        .word 0, 0

maker:  .asciz "Bunshin"
product: .asciz "Kernel"

init:   mov $0x20, %ax                  /* an IPL device is attached */
        lret

boot:   cli
        cld
        xor %ax, %ax
        mov %ax, %ds
        mov %ax, %es
        mov %ax, %ss
        mov $STACK, %esp

        mov $FW_CFG_SETUP_ADDR, %ax
        call load
        mov $FW_CFG_CMDLINE_ADDR, %ax
        call load
        mov $FW_CFG_INITRD_ADDR, %ax
        call load_far_numbered
        mov $FW_CFG_KERNEL_ADDR, %ax
        call load_far_numbered

        mov $FW_CFG_KERNEL_ENTRY, %ax
        call value
        test %eax, %eax
        jnz multiboot

        /* Linux: setup code at segment + 20h, stack at the top of its heap. */
        mov $FW_CFG_SETUP_ADDR, %ax
        call value
        shr $4, %eax
        mov %ax, %ds
        mov %ax, %es
        mov %ax, %fs
        mov %ax, %gs
        mov %ax, %ss
        mov $0xfdf0, %esp
        add $0x20, %ax
        push %ax
        push $0
        xor %eax, %eax
        xor %ebx, %ebx
        xor %ecx, %ecx
        xor %edx, %edx
        xor %esi, %esi
        xor %edi, %edi
        xor %ebp, %ebp
        lret

/* Fetches an item whose address, size and data keys follow one another: %ax is the address key. */
load:   push %ax
        call value
        mov %eax, %edi
        pop %ax
        push %ax
        inc %ax
        call value
        mov %eax, %ecx
        pop %ax
        add $2, %ax
        jmp fetch

/* Kernel and initrd have their data keys ten and eight above the address keys. */
load_far_numbered:
        push %ax
        call value
        mov %eax, %edi
        pop %ax
        push %ax
        inc %ax
        call value
        mov %eax, %ecx
        pop %ax
        cmp $FW_CFG_KERNEL_ADDR, %ax
        mov $FW_CFG_KERNEL_DATA, %ax
        je fetch
        mov $FW_CFG_INITRD_DATA, %ax

/* Reads %ecx bytes of item %ax to physical address %edi. */
fetch:  test %ecx, %ecx
        jz 2f
        movzwl %ax, %eax
        shl $16, %eax
        or $(FW_CFG_DMA_SELECT | FW_CFG_DMA_READ), %eax
        bswap %eax
        mov %eax, DESCRIPTOR
        bswap %ecx
        mov %ecx, DESCRIPTOR + 4
        movl $0, DESCRIPTOR + 8
        bswap %edi
        mov %edi, DESCRIPTOR + 12
        mov $FW_CFG_DMA_PORT, %dx
        mov $DESCRIPTOR, %eax
        bswap %eax
        out %eax, %dx
1:      mov DESCRIPTOR, %eax
        bswap %eax
        test $FW_CFG_DMA_ERROR, %eax
        jnz failed
        test %eax, %eax
        jnz 1b
2:      ret

/* The 32-bit item %ax, in %eax. */
value:  push %ecx
        push %edi
        mov $4, %ecx
        mov $VALUE, %edi
        call fetch
        pop %edi
        pop %ecx
        mov VALUE, %eax
        ret

failed: mov $(message - boot_rom_start), %si
1:      mov %cs:(%si), %al
        test %al, %al
        jz 2f
        mov $0x0e, %ah
        mov $7, %bx
        int $0x10
        inc %si
        jmp 1b
2:      sti
        int $0x18                       /* on to the next boot device */
message: .asciz "The kernel could not be fetched.\r\n"

/* Multiboot: %eax is the entry. The map of memory comes from the firmware. */
multiboot:
        mov %eax, %ebp
        mov $FW_CFG_SETUP_ADDR, %ax
        call value
        mov %eax, %esi                  /* information structure, below 64 KiB */
        sti
        lea MULTIBOOT_MEMORY_MAP(%si), %di
        xor %ebx, %ebx
        mov $MULTIBOOT_MAP_ENTRIES, %cx
1:      push %cx
        push %esi
        push %ebp
        mov $0xe820, %eax
        mov $0x534d4150, %edx
        mov $20, %ecx
        add $4, %di                     /* the entry's size precedes it */
        int $0x15
        pop %ebp
        pop %esi
        pop %cx
        jc 2f
        cmp $0x534d4150, %eax
        jne 2f
        movl $20, -4(%di)
        add $20, %di
        test %ebx, %ebx
        jz 3f
        loop 1b
        jmp 3f
2:      sub $4, %di
3:      cli
        movzwl %di, %edi
        lea MULTIBOOT_MEMORY_MAP(%esi), %eax
        mov %eax, 48(%esi)              /* mmap_addr */
        sub %eax, %edi
        mov %edi, 44(%esi)              /* mmap_length */
        orl $0x40, (%esi)

        /* Flat protected mode. */
        xor %eax, %eax
        mov %cs, %ax
        shl $4, %eax
        lea (gdt - boot_rom_start)(%eax), %ecx
        movw $(gdt_end - gdt - 1), GDT_POINTER
        mov %ecx, GDT_POINTER + 2
        lgdtl GDT_POINTER
        add $(protected - boot_rom_start), %eax
        mov %cr0, %ecx
        or $1, %cl
        mov %ecx, %cr0
        pushl $8
        push %eax
        lretl

        .code32
protected:
        mov $16, %eax
        mov %eax, %ds
        mov %eax, %es
        mov %eax, %fs
        mov %eax, %gs
        mov %eax, %ss
        mov %esi, %ebx
        mov $0x2badb002, %eax
        jmp *%ebp

        .balign 8
gdt:    .quad 0
        .quad 0x00cf9a000000ffff        /* code, 4 GiB */
        .quad 0x00cf92000000ffff        /* data, 4 GiB */
gdt_end:

        .balign 512
boot_rom_end:

        .section .note.GNU-stack, "", @progbits
