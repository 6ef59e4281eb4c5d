/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The library: every machine the user has, with its settings, media and
 * adapters, in one SQLite file. Several processes may have it open at once; a
 * change is one transaction. It also hands out the lock that lets a machine run
 * once, and tells what state a machine is in without asking its process.
 *
 * A Library belongs to the thread that opened it.
 */
#pragma once

#include <gio/gio.h>
#include <stdint.h>

typedef struct Library Library;

enum
{
  LIBRARY_MAX_ADAPTERS = 8,
  LIBRARY_MAX_BOOT = 4,
  LIBRARY_IDE_UNITS = 4,
  LIBRARY_AHCI_UNITS = 30,
  LIBRARY_VIRTIO_UNITS = 16,
  LIBRARY_NVME_UNITS = 16,
  LIBRARY_SCSI_UNITS = 16,
  LIBRARY_FLOPPY_UNITS = 2,
  LIBRARY_MAX_CPUS = 64
};
enum { LIBRARY_AUTOMATIC_KEEP = 5, LIBRARY_AUTOMATIC_KEEP_MAX = 100, LIBRARY_AUTOMATIC_EVERY_MAX = 30 * 24 * 60 /* minutes */ };
enum { LIBRARY_NAME_MAX = 255 };               /* bytes of UTF-8 */
#define LIBRARY_CODE_CACHE (UINT64_C (256) << 20)  /* bytes, by default */
#define LIBRARY_AUTOMATIC_SPACE (UINT64_C (10) << 30) /* bytes, by default */
#define LIBRARY_AUTOMATIC_SPACE_MIN (UINT64_C (1) << 20)
#define LIBRARY_AUTOMATIC_SPACE_MAX (UINT64_C (1) << 50)
#define LIBRARY_MIN_MEMORY (UINT64_C (4) << 20) /* bytes */

#define LIBRARY_ERROR (library_error_quark ())
GQuark library_error_quark (void);
typedef enum
{
  LIBRARY_ERROR_FAILED,
  LIBRARY_ERROR_NOT_FOUND,    /* no such machine */
  LIBRARY_ERROR_EXISTS,       /* the name is taken */
  LIBRARY_ERROR_INVALID,      /* a setting is out of range */
  LIBRARY_ERROR_NEWER_SCHEMA, /* written by a newer Bunshin; left untouched */
  LIBRARY_ERROR_RUNNING       /* the machine runs already, or must be powered off for this */
} LibraryError;

typedef enum
{
  LIBRARY_CONTROLLER_IDE, LIBRARY_CONTROLLER_FLOPPY, LIBRARY_CONTROLLER_AHCI, LIBRARY_CONTROLLER_VIRTIO,
  LIBRARY_CONTROLLER_NVME, LIBRARY_CONTROLLER_SCSI
} LibraryController;
typedef enum { LIBRARY_MEDIUM_DISK, LIBRARY_MEDIUM_OPTICAL, LIBRARY_MEDIUM_FLOPPY } LibraryMediumKind;

/* A drive. IDE units: 0 primary master … 3 secondary slave; of the others a unit is a port. */
typedef struct
{
  LibraryController controller;
  unsigned unit;
  LibraryMediumKind kind;
  char *path;   /* absolute; NULL: an empty drive (not for disks) */
  char *format; /* "vdi", "raw", …; NULL: found by looking at the file */
  gboolean no_cache; /* of a disk: past the host's cache where the file system can */
  gboolean trusted;  /* of a disk: files that the image names are followed out of its folder, too */
  /* Of a layer that a snapshot made: the files below it, from the top, for DiskOpenOptions; NULL-terminated. NULL: it is
   * no layer. Filled in by the library, which does not look at it when it stores the record. */
  char **chain;
} LibraryAttachment;

/* A port of the host that leads to one of the guest. */
typedef struct
{
  gboolean udp;
  char *host_address;  /* NULL: 127.0.0.1 */
  uint16_t host_port;
  char *guest_address; /* NULL: the address DHCP gave */
  uint16_t guest_port;
} LibraryForward;

typedef enum { LIBRARY_NET_NONE, LIBRARY_NET_NAT } LibraryNetKind;

typedef struct
{
  unsigned slot;         /* 0 … 7 */
  char *model;           /* "e1000" */
  char mac[18];          /* "08:00:27:xx:xx:xx"; empty when added: the library picks one */
  LibraryNetKind kind;
  char *param;           /* of NAT: "host-access" when the guest may reach the host's loopback; else NULL */
  gboolean cable;        /* connected */
  GPtrArray *forwards;   /* of LibraryForward */
} LibraryAdapter;

typedef enum
{
  LIBRARY_BOOT_NONE, LIBRARY_BOOT_FLOPPY, LIBRARY_BOOT_DISK, LIBRARY_BOOT_CDROM, LIBRARY_BOOT_NETWORK
} LibraryBoot;

/* When snapshots are taken without being asked for, and how many of those there may be. */
typedef struct
{
  gboolean before_disc; /* before a disc is inserted that the machine has not had */
  unsigned every;       /* minutes of running from one to the next; 0: none are taken regularly */
  unsigned keep;        /* at most so many, and */
  uint64_t space;       /* so many bytes of the host's disk: beyond that the oldest go */
} LibraryAutomatic;

/* One machine's record. All of it may be changed freely; library_update_machine() stores it. What is added here is to be
 * added to the settings of a snapshot, too: storage/snapshot/settings.c. */
typedef struct
{
  char *uuid;            /* NULL when added: the library picks one */
  char *name;
  char *folder;          /* absolute; the library picks it when the machine is added */
  char *description;     /* NULL: none */
  char *os_id;           /* libosinfo's short id, "debian12"; NULL: unknown */
  uint64_t memory;       /* bytes */
  unsigned cpus;
  char *cpu_model;       /* NULL: the accelerator's default */
  char *accel;           /* "auto", "interp" */
  uint64_t code_cache;   /* bytes that translated code may take */
  char *firmware;        /* "bios" */
  char *chipset;         /* "piix3" */
  LibraryBoot boot[LIBRARY_MAX_BOOT]; /* first NONE ends it */
  gboolean rtc_utc;      /* the guest's clock shows UTC, else local time */
  LibraryAutomatic automatic; /* snapshots */
  int64_t created;       /* seconds since 1970; 0 when added: now */
  GPtrArray *attachments; /* of LibraryAttachment, ordered by controller and unit */
  GPtrArray *adapters;    /* of LibraryAdapter, ordered by slot */
} LibraryMachine;

typedef enum
{
  LIBRARY_STATE_POWERED_OFF,
  LIBRARY_STATE_STARTING,
  LIBRARY_STATE_RUNNING,
  LIBRARY_STATE_PAUSED,
  LIBRARY_STATE_STOPPING,
  LIBRARY_STATE_SAVING,      /* its state is being written; it will be off then */
  LIBRARY_STATE_SAVED        /* off, with a state that the next start goes on from */
} LibraryState;
enum { LIBRARY_STATE_LAST = LIBRARY_STATE_SAVED };

/* "powered-off", "starting", …: the word scripts see. */
const char *library_state_name (LibraryState state);
/* FALSE when @name names no state. */
gboolean library_state_parse (const char *name, LibraryState *state);

/* @home NULL: $BUNSHIN_HOME, else the user's data folder. Creates what is missing, brings an older schema up to date.
 */
Library *library_open (const char *home, GError **error);
void library_close (Library *library);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Library, library_close)
const char *library_home (Library *library);

/* A record with the defaults: 1 GiB, one processor, BIOS, disk before CD, no drives, no adapters. Free it. */
LibraryMachine *library_machine_new (const char *name);
LibraryMachine *library_machine_copy (const LibraryMachine *machine);
void library_machine_free (LibraryMachine *machine);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (LibraryMachine, library_machine_free)
/* Adds to the record; the result belongs to it. NULL when the unit or slot is taken. @path NULL: an empty drive. */
LibraryAttachment *library_machine_add_attachment (LibraryMachine *machine, LibraryController controller, unsigned unit,
                                                   LibraryMediumKind kind, const char *path, const char *format);
/* To the first free unit of the controller; NULL when all are taken. */
LibraryAttachment *library_machine_add_drive (LibraryMachine *machine, LibraryController controller,
                                              LibraryMediumKind kind, const char *path, const char *format);
LibraryAdapter *library_machine_add_adapter (LibraryMachine *machine, unsigned slot, LibraryNetKind kind);
/* NULL when there is none. */
LibraryAttachment *
library_machine_find_attachment (const LibraryMachine *machine, LibraryController controller, unsigned unit);
LibraryAdapter *library_machine_find_adapter (const LibraryMachine *machine, unsigned slot);
/* The first CD drive or floppy drive, NULL when there is none. */
LibraryAttachment *library_machine_find_drive (const LibraryMachine *machine, LibraryMediumKind kind);
void library_attachment_set_path (LibraryAttachment *attachment, const char *path, const char *format);
/* How many kinds of controllers there are: LibraryController is less than that. */
unsigned library_controller_count (void);
/* The word scripts see: "ide", "floppy", "ahci", "virtio", "nvme", "scsi"; and how many drives one has room for. */
const char *library_controller_name (LibraryController controller);
unsigned library_controller_units (LibraryController controller);
/* FALSE when @name names no controller. */
gboolean library_controller_parse (const char *name, LibraryController *controller);
/* A disk goes with all but the floppy controller, a CD drive with IDE, AHCI and SCSI. */
gboolean library_controller_takes (LibraryController controller, LibraryMediumKind kind);
/* “ahci12” taken apart; FALSE when there is no such place. */
gboolean library_slot_parse (const char *slot, LibraryController *controller, unsigned *unit);
/* The engine's name of the drive, "ide0" … "floppy1". Caller frees. */
char *library_attachment_slot (const LibraryAttachment *attachment);
LibraryForward *library_adapter_add_forward (LibraryAdapter *adapter, gboolean udp, const char *host_address,
                                             uint16_t host_port, const char *guest_address, uint16_t guest_port);
void library_forward_free (LibraryForward *forward);
/* Whether every setting is in range; the error names the one that is not. Memory is checked against the host's. */
gboolean library_machine_validate (const LibraryMachine *machine, GError **error);
/* Not empty, at most LIBRARY_NAME_MAX bytes of UTF-8, no control characters, no space at either end. */
gboolean library_name_validate (const char *name, GError **error);
/* "disk,cdrom" and back. The error quotes the word that is wrong. */
gboolean library_boot_parse (const char *text, LibraryBoot boot[LIBRARY_MAX_BOOT], GError **error);
char *library_boot_format (const LibraryBoot boot[LIBRARY_MAX_BOOT]);
/* The host's memory in bytes. */
uint64_t library_host_memory (void);

/* Every machine, by name. Free with g_ptr_array_unref(). */
GPtrArray *library_list_machines (Library *library, GError **error);
/* By name or UUID. */
LibraryMachine *library_find (Library *library, const char *name_or_uuid, GError **error);
/* Stores @machine and fills in what the library picks: uuid, folder (which is created), MAC addresses, creation time.
 */
gboolean library_add_machine (Library *library, LibraryMachine *machine, GError **error);
/* Picks the uuid and makes the folder of a machine that will be added when its disks are there. Until then the folder is
 * the caller's to remove. */
gboolean library_make_folder (Library *library, LibraryMachine *machine, GError **error);
/* Stores all of @machine's settings over those of the same UUID. MAC addresses left empty are picked. A disk that snapshots
 * of any machine need as it is cannot be attached; where @machine still names one of its own as it was before a snapshot
 * was taken or deleted, it is corrected to what is there now. A layer that is detached stays in the list of media. */
gboolean library_update_machine (Library *library, LibraryMachine *machine, GError **error);
/* Only the drive's medium, in one transaction: @path NULL: ejected. */
gboolean library_set_medium (Library *library, const char *uuid, LibraryController controller, unsigned unit,
                             const char *path, GError **error);
/* Only an adapter's forwards: all of @forwards (of LibraryForward) replace what was there. */
gboolean library_set_forwards (Library *library, const char *uuid, unsigned slot, GPtrArray *forwards, GError **error);
/* Takes the machine out of the library, unless it runs. Its snapshots and their files go, but for what clones need. @disks
 * (optional): the images that its disks are made of, and discs, in its folder, that no other machine uses, for the caller to
 * delete, and then forget with library_forget_medium(), or to keep with library_add_medium() (a NULL-terminated array; free
 * with g_strfreev()). */
gboolean library_delete_machine (Library *library, const char *uuid, char ***disks, GError **error);
/* Deletes @disks, then what the library itself keeps in the folder, then the folder if it is empty. */
gboolean library_delete_files (const LibraryMachine *machine, char *const *disks, GError **error);
/* A path for a new disk of the machine that does not exist yet: "<folder>/<name>.vdi". Caller frees. */
char *library_new_disk_path (const LibraryMachine *machine, const char *extension);
/* The names of machines other than @except_uuid (may be NULL) that have @path attached, or a disk or a snapshot with layers
 * over it; never NULL. */
GStrv library_medium_users (Library *library, const char *path, const char *except_uuid);

/* --- Media --- */

typedef struct
{
  char *uuid, *name;
} LibraryMediumUser;

/* An image that machines have, or that was added by hand. */
typedef struct
{
  char *path;
  LibraryMediumKind kind;
  char *format;     /* or NULL: to be found by looking at the file */
  gboolean kept;    /* stays in the list when no machine has it */
  gboolean trusted; /* of a disk: a machine that has it lets it name files out of its folder */
  GPtrArray *users; /* of LibraryMediumUser: the machines that have it, by name */
} LibraryMedium;

void library_medium_free (LibraryMedium *medium);

/* Every medium, by path; layers that snapshots made are not media of their own. Free with g_ptr_array_unref(). */
GPtrArray *library_list_media (Library *library, GError **error);
/* Adds it to the list, to stay. @path is absolute; @format may be NULL. */
gboolean library_add_medium (Library *library, const char *path, LibraryMediumKind kind, const char *format,
                             GError **error);
/* Takes it off the list; the file stays. Not while a machine or a snapshot has it. */
gboolean library_forget_medium (Library *library, const char *path, GError **error);

/* A drive that a medium was taken out of. */
typedef struct
{
  char *uuid; /* of the machine */
  LibraryController controller;
  unsigned unit;
  LibraryMediumKind kind;
  char *format;
  gboolean no_cache, trusted;
} LibraryRelease;

void library_release_free (LibraryRelease *release);
/* Takes it out of every machine that has it: disks are detached, drives are empty then. It stays in the list. Not while
 * one of them runs. Returns where it was (of LibraryRelease), for library_return_medium(); NULL on error. */
GPtrArray *library_release_medium (Library *library, const char *path, GError **error);
/* Puts it back where it was, in all of the machines or in none. */
gboolean library_return_medium (Library *library, const char *path, GPtrArray *released, GError **error);
/* The list and all machines that have it say @to where they said @from. The files are the caller's business. Not while
 * one of the machines runs. */
gboolean library_move_medium (Library *library, const char *from, const char *to, GError **error);

/* Key/value settings of the application. NULL when unset; caller frees. */
char *library_get_setting (Library *library, const char *key);
gboolean library_set_setting (Library *library, const char *key, const char *value, GError **error);

/* Called on the thread-default main context of the caller of library_watch() when another process or this one changed
 * the library. One callback a Library. */
void library_watch (Library *library, void (*changed) (Library *library, void *opaque), void *opaque);

/* --- Automatic snapshots --- */

/* As it is stored now: it may be changed while the machine runs. */
gboolean library_get_automatic (Library *library, const char *uuid, LibraryAutomatic *automatic, GError **error);
/* Whether the machine has had the disc that @digest tells from others. */
gboolean library_knows_disc (Library *library, const char *uuid, const char *digest, gboolean *known, GError **error);
gboolean library_remember_disc (Library *library, const char *uuid, const char *digest, GError **error);

/* --- Running machines --- */

/* Held while a machine runs; the kernel releases it when the process ends, however it ends. */
typedef struct LibraryLock LibraryLock;

/* LIBRARY_ERROR_RUNNING when it is held already. The state is then “starting”. */
LibraryLock *library_lock_machine (const LibraryMachine *machine, GError **error);
/* Likewise, for work on a machine that is off and stays so: its state is what it was. */
LibraryLock *library_lock_resting (const LibraryMachine *machine, GError **error);
void library_lock_release (LibraryLock *lock);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (LibraryLock, library_lock_release)
/* What library_machine_asks() says from the next publication on. */
void library_lock_set_asks (LibraryLock *lock, gboolean asks);
/* What others read without asking the process. @message (why it stopped by itself) and @socket may be NULL. */
void library_lock_publish (LibraryLock *lock, LibraryState state, const char *socket, const char *message);
/* Never blocks. @socket and @message (each optional) are newly allocated, or NULL where nothing was published. */
LibraryState library_machine_state (const LibraryMachine *machine, char **socket, char **message);
/* The guest is off, but the machine's process waits for the user to say what becomes of a test drive. */
gboolean library_machine_asks (const LibraryMachine *machine);
/* The file of its saved state, whether there is one or not. Caller frees. */
char *library_saved_state_path (const LibraryMachine *machine);
/* Removes that file, durably, if there is one; for who has the machine locked. Once its guest has written to the disks the
 * state must not come back, not by a power cut either. */
gboolean library_remove_saved_state (const LibraryMachine *machine, GError **error);
/* Throws the saved state away; LIBRARY_ERROR_NOT_FOUND when there is none, LIBRARY_ERROR_RUNNING while the machine runs. */
gboolean library_discard_saved_state (const LibraryMachine *machine, GError **error);
/* Where a machine's control socket goes: the runtime folder (created, 0700), and short enough for a socket address. */
char *library_socket_path (Library *library, const LibraryMachine *machine, GError **error);
