/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the files that make up a machine share: machine.c runs it, pc.c assembles it, vcpu.c drives its processors. */
#pragma once

#include "engine/bus/pci.h"
#include "engine/cpu/cpu.h"
#include "engine/devices/device.h"
#include "engine/devices/platform/apic-bus.h"
#include "engine/machine/machine.h"
#include "storage/disk/disk.h"

#include <pthread.h>

enum { ISA_IRQ_COUNT = 16, MACHINE_MAX_CPUS = 64 };

/* What a guest or a device asked for; carried out on the I/O thread, where no processor waits for us. */
enum { REQUEST_RESET = 1 << 0, REQUEST_POWER_OFF = 1 << 1, REQUEST_PAUSE = 1 << 2, REQUEST_COLLECT = 1 << 3 };

typedef struct
{
  Machine *machine;
  unsigned index;
  X86Cpu *cpu;
  Device *lapic;
  GThread *thread;
  gboolean parked;     /* under run_lock */
  GMutex sleep_lock;
  GCond sleep_cond;
  int is_asleep;       /* atomic: whoever raises a request must wake the thread */
  uint64_t halts;
} Vcpu;

typedef struct
{
  const MachineListener *listener;
  void *opaque;
} RegisteredListener;

typedef struct MachineSource MachineSource;

typedef struct
{
  void (*write) (void *opaque, const uint8_t *data, size_t length);
  void *opaque;
} ByteSink;

struct Machine
{
  char *name;
  MachineLock lock;
  GMainContext *context;
  GMainLoop *loop;
  GThread *io_thread;

  /* The PC. */
  AddressSpace *memory;
  RamBlock *ram, *bios;
  MachineSource *source;       /* where RAM that is still missing comes from, or NULL */
  uint64_t low_memory, high_memory;
  Bus *bus;
  PciBus *pci;
  Clock *clock;
  Display *display;
  Input *input;
  IrqLine isa_irq[ISA_IRQ_COUNT];
  ApicBus *apic_bus;
  GPtrArray *bells;            /* of doorbells.c */
  uint64_t bells_rung;
  gboolean chips_are_lent;     /* the hardware runs the interrupt controllers and the timer */
  uint32_t isa_levels, pin_levels; /* meanwhile: of the 8259s' and the I/O APIC's inputs */
  MemoryRegion *lapic_region;
  GPtrArray *devices;          /* Device, in the order of assembly */
  GPtrArray *writable_disks;   /* Disk; machine lock */
  Device *pic, *pit, *rtc, *ioapic, *i8042, *pm, *fw_cfg, *vga, *ide, *ahci, *nvme, *scsi, *floppy, *serial[MACHINE_MAX_SERIALS], *nics[MACHINE_MAX_NICS];
  Device *virtio_disks[MACHINE_MAX_VIRTIO]; /* NULL: there is none in this place */
  NetPort *net_ports[MACHINE_MAX_NICS];
  MachineAccel accel;          /* the one chosen */
  const X86CpuModel *default_model; /* what the hardware can do; NULL: what the host can */
  MachineAccelReason accel_reason;
  double accel_slowdown;       /* of MACHINE_WHY_KVM_SLOW */
  char *accel_detail;          /* of MACHINE_WHY_KVM_UNFIT */
  char *cpu_model;
  uint64_t tsc_hz;             /* of the guest's time-stamp counters */
  X86System *cpu_system;
  pthread_key_t vcpu_key;      /* the Vcpu whose thread this is */
  Vcpu *vcpus;
  unsigned cpu_count;

  /* Running. run_lock guards what follows down to listeners. */
  GMutex saving;               /* one save at a time; taken before control */
  GMutex control;              /* one start, pause, reset … at a time */
  GMutex run_lock;
  GCond run_cond;
  gboolean run_wanted, quit;
  unsigned parked_count;
  MachineState state;
  MachineOffReason off_reason;
  int exit_status;
  char *message;
  GArray *listeners;           /* RegisteredListener */

  unsigned requests;           /* REQUEST_…, atomic */
  MachineOffReason requested_off;
  GSource *request_source;
};

/* pc.c */
gboolean pc_assemble (Machine *machine, const MachineConfig *config, GError **error);
/* Lets go of the host's things, such as disks and ports; what is left is memory. */
void pc_let_go (Machine *machine);
/* All of it, let go or not. */
void pc_disassemble (Machine *machine);
void pc_reset (Machine *machine);
/* A disk that cannot be written pauses the machine while it is watched. Machine lock held; NULL and read-only disks are
 * passed over. */
void pc_watch_disk (Machine *machine, Disk *disk);
void pc_unwatch_disk (Machine *machine, Disk *disk);

/* chips.c: machine lock held */

/* After x86_system_put_state(), and after x86_system_get_state(). */
void chips_lend (Machine *machine);
void chips_take_back (Machine *machine);
/* Wires of the devices: an ISA line goes to both controllers, the timer's to input 2 of the I/O APIC. */
void chips_isa_line (void *machine, int line, int level);
void chips_pin (Machine *machine, int pin, int level);
void chips_send_message (void *machine, uint64_t address, uint32_t data);
/* The HPET takes the interrupts of the 8254 and of the clock over, or gives them back. */
void chips_set_legacy_timers (void *machine, gboolean enabled);

/* doorbells.c */
extern const DoorbellOps doorbells_ops;
void doorbells_init (Machine *machine);
void doorbells_free (Machine *machine);
void doorbells_accel_changed (Machine *machine);
/* Those that were rung and not yet heard; machine lock held. */
void doorbells_settle (Machine *machine);

/* accel.c */

/* Chooses, and sets the rate of the time-stamp counters and the default model, before there are processors; then has these run so. */
void accel_choose (Machine *machine, MachineAccel wanted);
gboolean accel_start (Machine *machine, GError **error);
/* Another one than AUTO for processors that stand still. */
gboolean accel_switch (Machine *machine, MachineAccel wanted, GError **error);

/* vcpu.c */
gboolean vcpus_create (Machine *machine, const MachineConfig *config, GError **error);
void vcpus_free (Machine *machine);
void vcpus_start_threads (Machine *machine);
/* Makes every processor look at run_wanted and quit. */
void vcpus_kick (Machine *machine);
Vcpu *vcpu_current (Machine *machine);
/* The 8259s' INTR reaches the bootstrap processor through its APIC. */
void vcpus_set_external (void *machine, int line, int level);
void vcpus_set_a20 (void *machine, gboolean enabled);

/* machine.c: with the control lock held. Stops all processors and the clock, which stay where they are; has them go on; what
 * has been halted is paused from now on. */
void machine_halt (Machine *machine);
void machine_go (Machine *machine);
void machine_stay (Machine *machine);

/* machine.c: from any thread, at once; what was asked for happens soon. */
void machine_request (Machine *machine, unsigned request);
/* Pauses with a message that says why. */
void machine_request_pause (Machine *machine, const char *message);
/* The guest has ejected the disc of drive @unit of the controller (“ide”, “ahci”, “scsi”); any thread. */
void machine_announce_ejected (Machine *machine, const char *controller, unsigned unit);
/* Powers off for @reason; the message may be NULL and is copied. */
void machine_request_off (Machine *machine, MachineOffReason reason, const char *message);
