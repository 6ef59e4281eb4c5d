/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A virtual machine: the public interface of the engine. machine_new()
 * assembles a PC from a MachineConfig; the rest drives it and asks about it.
 *
 * Threads: every function may be called from any thread but the machine's own
 * (its I/O thread and vCPU threads), unless it says otherwise. Notifications arrive on the
 * I/O thread without the machine lock; a receiver passes them on to its own thread.
 */
#pragma once

#include "engine/devices/display/display.h"
#include "engine/devices/input/input.h"
#include "network/netport.h"


#include <gio/gio.h>

typedef struct Disk Disk;
typedef struct Machine Machine;

enum
{
  MACHINE_MAX_NICS = 8, MACHINE_MAX_SERIALS = 2, MACHINE_MAX_FLOPPIES = 2, MACHINE_MAX_IDE = 4, MACHINE_MAX_AHCI = 30,
  MACHINE_MAX_VIRTIO = 16, MACHINE_MAX_NVME = 16, MACHINE_MAX_SCSI = 16
};

typedef enum
{
  MACHINE_ACCEL_AUTO,   /* the fastest that works here */
  MACHINE_ACCEL_INTERP, /* our interpreter */
  MACHINE_ACCEL_JIT,    /* our translator */
  MACHINE_ACCEL_KVM,    /* the hardware, through Linux's KVM */
  MACHINE_ACCEL_LOCKSTEP, /* for developers: the translator beside the interpreter, up to the first difference */
  MACHINE_ACCEL_KVM_USER_IRQCHIP /* for developers: KVM with our interrupt controllers instead of the kernel's */
} MachineAccel;

typedef enum
{
  MACHINE_SLOT_EMPTY,   /* no drive */
  MACHINE_SLOT_DISK,
  MACHINE_SLOT_CDROM    /* @disk may be NULL: an empty drive */
} MachineSlotKind;

typedef struct
{
  MachineSlotKind kind;
  Disk *disk;           /* a reference is taken */
} MachineSlot;

typedef struct
{
  const char *model;    /* "e1000"; NULL: no adapter in this slot */
  uint8_t mac[6];
  NetPort *port;        /* ownership passes to the machine when it is made; its context must be the config's @context */
} MachineNic;

/* Where a serial port's bytes go. @write takes what the guest sends (on a vCPU thread, machine lock held: must not block);
 * bytes for the guest are given with machine_serial_input(). */
typedef struct
{
  void (*write) (void *opaque, const uint8_t *data, size_t length);
  void *opaque;
} MachineSerial;

typedef enum { MACHINE_BOOT_NONE, MACHINE_BOOT_FLOPPY, MACHINE_BOOT_DISK, MACHINE_BOOT_CDROM, MACHINE_BOOT_NETWORK } MachineBoot;

/* All strings are copied by machine_new(). Zero-initialised means: a PC with the defaults noted. */
typedef struct
{
  const char *name;            /* shown in errors */
  GMainContext *context;       /* what the I/O thread will run (for NetPorts made beforehand); NULL: a new one */
  const char *uuid;            /* SMBIOS; NULL: all zero */
  uint64_t memory;             /* bytes; multiple of 1 MiB (4 KiB pages at least), at least 1 MiB */
  unsigned cpus;               /* 1 … ; 0 counts as 1 */
  MachineAccel accel;
  const char *cpu_model;       /* NULL: the accelerator's default */
  uint64_t code_cache;         /* bytes that translated code may take; 0: 256 MiB */
  const char *bios;            /* path; NULL: SeaBIOS found at configure time */
  const char *vga_bios;        /* path; NULL: the distribution's */
  MachineBoot boot[4];         /* first NONE ends it; all NONE: disk, CD, floppy, network */
  gboolean boot_menu;          /* offer the firmware's boot menu */
  gboolean rtc_local_time;     /* else UTC */

  MachineSlot ide[MACHINE_MAX_IDE]; /* primary master, primary slave, secondary master, secondary slave */
  MachineSlot ahci[MACHINE_MAX_AHCI];     /* by port; the controller is there when one is filled */
  MachineSlot virtio[MACHINE_MAX_VIRTIO]; /* virtio-blk: disks only */
  MachineSlot nvme[MACHINE_MAX_NVME];     /* by namespace, less one: disks only */
  MachineSlot scsi[MACHINE_MAX_SCSI];     /* by target of a virtio SCSI host, which is there when one is filled */
  gboolean floppy_present[MACHINE_MAX_FLOPPIES];
  Disk *floppy[MACHINE_MAX_FLOPPIES];  /* NULL in a present drive: empty */
  MachineNic nics[MACHINE_MAX_NICS];
  const MachineSerial *serial[MACHINE_MAX_SERIALS]; /* NULL: the port is there, unconnected; copied */

  const char *kernel;          /* direct boot: bzImage or multiboot 1; NULL: firmware boots */
  const char *initrd;
  const char *append;
  const MachineSerial *debugcon; /* port 0x402, and 0x80 as `post XX` lines; copied */
  gboolean debug_exit;         /* exit port 0xf4 */
  gboolean perf_map;           /* names of translated code for the perf tools, in /tmp/perf-PID.map */
} MachineConfig;

typedef enum
{
  MACHINE_STATE_OFF,           /* assembled, or powered off; cannot be started again: make a new one */
  MACHINE_STATE_RUNNING,
  MACHINE_STATE_PAUSED
} MachineState;

typedef enum
{
  MACHINE_OFF_NOT,             /* not off */
  MACHINE_OFF_GUEST,           /* the guest powered off (ACPI S5) */
  MACHINE_OFF_HOST,            /* machine_power_off() */
  MACHINE_OFF_DEBUG_EXIT,      /* through the debug exit port */
  MACHINE_OFF_ERROR            /* see machine_message() */
} MachineOffReason;

typedef struct
{
  /* The state, the off reason or the message changed. */
  void (*changed) (void *opaque, Machine *machine);
  /* The guest asked for this CD or floppy to be ejected (slot as in machine_insert()); the drive is already empty. */
  void (*ejected) (void *opaque, Machine *machine, const char *slot);
} MachineListener;

/* Powered off, nothing runs. The error names what is missing, damaged or impossible. @config is not kept. */
Machine *machine_new (const MachineConfig *config, GError **error);
/* Powers off if need be, waits for the threads, flushes disks. */
void machine_free (Machine *machine);
/* Powers off if need be, waits for the threads, flushes disks: they, ports and files are free then. Only to be freed or retired. */
void machine_end (Machine *machine);
/* As machine_free(), but after machine_end() the rest is done on a thread: to give memory back takes a moment. */
void machine_retire (Machine *machine);
void machine_add_listener (Machine *machine, const MachineListener *listener, void *opaque);
void machine_remove_listener (Machine *machine, void *opaque);

gboolean machine_start (Machine *machine, GError **error);
/* Whether there is a processor model of that name; the error lists those there are. NULL is the default. */
gboolean machine_check_cpu_model (const char *name, GError **error);
void machine_pause (Machine *machine);
/* Also retries disk requests that stopped the machine (full disk, I/O error). */
void machine_resume (Machine *machine);
void machine_reset (Machine *machine);
/* Saving. The guest runs on meanwhile and stands still for a moment at the end, the instant that is saved. */
typedef struct
{
  gboolean stop;             /* the machine stays paused from that instant on, if all goes well; else it runs on */
  GCancellable *cancellable; /* or NULL */
  /* Optional, on the calling thread: from 0 to 1. */
  void (*progress) (double fraction, void *opaque);
  /* Optional, at the instant: the machine stands still, its lock is held, its disks have carried out what was submitted. FALSE
   * fails the save. */
  gboolean (*at_instant) (void *opaque, GError **error);
  void *opaque;
  int64_t *pause;            /* optional: how long the guest stood still at the instant, µs */
} MachineSave;

/* Writes the state of a running or paused machine, all but its disks, to @path, which appears when it is whole and
 * durable. One save at a time; takes seconds, so it wants a thread of its own. */
gboolean machine_save (Machine *machine, const char *path, const MachineSave *options, GError **error);

/* What a saved state is of. */
typedef struct
{
  uint64_t memory;           /* bytes */
  uint32_t cpus;
  char cpu_model[64];
  uint64_t tsc_hz;
  int64_t clock;             /* ns that the machine had run */
  int64_t saved_at;          /* µs since 1970 */
} MachineStateInfo;

/* Errors name the file and why it cannot be used. */
gboolean machine_state_read_info (const char *path, MachineStateInfo *info, GError **error);
/* Gives a machine that was never started the state from @path: machine_start() then goes on from there. The machine has to be
 * made as the saved one was: memory, processors and their model, devices. Memory is read from the file while the machine
 * runs; the file may be renamed or removed. After a failure the machine can only be freed. */
gboolean machine_load (Machine *machine, const char *path, GError **error);

/* For tests and developers: goes on under another accelerator (not AUTO), running or not. On failure under the old one. */
gboolean machine_set_accel (Machine *machine, MachineAccel accel, GError **error);
/* Presses the ACPI power button. */
void machine_power_button (Machine *machine);
void machine_power_off (Machine *machine);

MachineState machine_state (Machine *machine);
MachineOffReason machine_off_reason (Machine *machine);
int machine_debug_exit_status (Machine *machine); /* (value << 1) | 1 */
/* Why the machine stopped by itself, one sentence, or NULL. Caller frees. */
char *machine_message (Machine *machine);

Display *machine_display (Machine *machine);
Input *machine_input (Machine *machine);
/* Bytes for the guest's receiver; takes what fits (a bounded queue) and returns how many. */
size_t machine_serial_input (Machine *machine, unsigned port, const uint8_t *data, size_t length);

/* @slot: "ide0" … "ide3" or "ahci0" … "ahci29" or "scsi0" … "scsi15" (a CD drive), "floppy0" or "floppy1". @disk NULL ejects (even when locked, if @force). */
gboolean machine_insert (Machine *machine, const char *slot, Disk *disk, gboolean force, GError **error);
/* @slot: "ahci0" … "ahci29" or "scsi0" … "scsi15", of a controller that was there when the machine was made. Connects a
 * disk to a place that is free or, with NULL, takes the disk there away; the guest is told. */
gboolean machine_plug (Machine *machine, const char *slot, Disk *disk, GError **error);
/* The disk that the guest can write to and that has @path among its files' names, from disk_layer_path() of any depth; NULL when
 * there is none. The caller unreferences it, as it may be unplugged at any time. */
Disk *machine_find_disk (Machine *machine, const char *path);

/* Why a machine runs under its accelerator. */
typedef enum
{
  MACHINE_WHY_CHOSEN,          /* the settings name it */
  MACHINE_WHY_FASTEST,         /* the hardware */
  MACHINE_WHY_NO_KVM,          /* this host has none */
  MACHINE_WHY_KVM_DENIED,      /* this user may not use it */
  MACHINE_WHY_KVM_SLOW,        /* it is emulated: accel_slowdown times slower than translation */
  MACHINE_WHY_KVM_UNFIT,       /* it lacks something: accel_detail */
  MACHINE_WHY_NO_CODE_MEMORY,  /* the host gives no executable memory for translated code */
  MACHINE_WHY_SWITCHED         /* machine_set_accel() */
} MachineAccelReason;

/* Live figures. */
typedef struct
{
  const char *accel;           /* "interp", "jit" or "kvm" */
  MachineAccelReason accel_reason;
  double accel_slowdown;
  char accel_detail[160];
  int64_t guest_time;          /* ns the virtual clock has run */
  uint64_t instructions;       /* all vCPUs, approximate */
  uint64_t blocks;             /* decoded */
  uint64_t translated;         /* blocks that became host code */
  uint64_t code_bytes;         /* of translations, now */
  uint64_t dropped, renewed;   /* translations that writes made void; that are true again */
  uint64_t emptied;            /* times all were thrown away */
  uint64_t longest_emptying;   /* µs that it took */
  uint64_t entered, refills;   /* see X86Counters */
  uint64_t tlb_misses, code_writes, exceptions;
  uint64_t exits_pio, exits_mmio, exits_halt, interrupts;
  uint64_t exits_msr, exits_window, exits_kick, exits_emulated; /* of the hardware; see X86Counters */
  uint64_t exits_other;
  gboolean kernel_irqchip;     /* the host's kernel runs the interrupt controllers */
  uint64_t halts, posted;      /* likewise: what came to no exit */
  uint64_t doorbells;          /* rung without an exit */
  uint64_t disk_reads, disk_writes, disk_read_bytes, disk_write_bytes;
  uint64_t cd_reads, floppy_reads;
  uint64_t net_rx_frames, net_tx_frames, net_rx_bytes, net_tx_bytes;
} MachineInfo;
void machine_info (Machine *machine, MachineInfo *info);
/* How often translated code left an instruction to the interpreter: mnemonics (const char *) to uint64_t *. To be
 * unreferenced. */
GHashTable *machine_interpreted (Machine *machine);
/* The adapter's port in this slot, or NULL; for forwards. */
NetPort *machine_net_port (Machine *machine, unsigned nic);
/* Plugs the cable of an adapter in, or pulls it: frames pass or do not, and the guest sees its link change. */
void machine_set_cable (Machine *machine, unsigned nic, gboolean connected);
/* The I/O thread's context, for back ends that need to live there (NAT). Valid while the machine is. */
GMainContext *machine_context (Machine *machine);
/* Processor registers of every vCPU as text, for logs and bug reports. Caller frees. */
char *machine_dump_registers (Machine *machine);
