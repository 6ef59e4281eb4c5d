/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Appliances: descriptions of machines that other programs wrote, with their
 * disks. Reading one yields a plan; nothing is made until its disks are fetched.
 *
 * Read: OVF 1.0, 1.1 and 2.0, alone or as an OVA archive; .vbox of VirtualBox,
 * .vmx of VMware, .pvs of Parallels. Written: OVF 1.0 and 2.0, OVA.
 *
 * All of it is hostile: names lead nowhere but to the appliance's own files,
 * counts and sizes are bounded.
 */
#pragma once

#include "storage/disk/disk.h"

#include <gio/gio.h>
#include <stdint.h>

enum
{
  APPLIANCE_MAX_SYSTEMS = 64,
  APPLIANCE_MAX_FILES = 4096, /* members of an archive, references of a description */
  APPLIANCE_MAX_DRIVES = 128, /* of one system */
  APPLIANCE_MAX_ADAPTERS = 32,
  APPLIANCE_MAX_TEXT = 8 << 20 /* bytes of a description or a manifest */
};

typedef enum
{
  APPLIANCE_KIND_OVF,
  APPLIANCE_KIND_OVA,
  APPLIANCE_KIND_VBOX,
  APPLIANCE_KIND_VMX,
  APPLIANCE_KIND_PVS
} ApplianceKind;

typedef enum
{
  APPLIANCE_BUS_IDE,
  APPLIANCE_BUS_SATA,
  APPLIANCE_BUS_SCSI,
  APPLIANCE_BUS_NVME,
  APPLIANCE_BUS_VIRTIO_BLK,
  APPLIANCE_BUS_VIRTIO_SCSI,
  APPLIANCE_BUS_FLOPPY,
  APPLIANCE_BUS_USB
} ApplianceBus;

typedef enum
{
  APPLIANCE_DRIVE_DISK,
  APPLIANCE_DRIVE_OPTICAL,
  APPLIANCE_DRIVE_FLOPPY
} ApplianceDriveKind;

typedef enum
{
  APPLIANCE_NETWORK_NONE, /* not attached to anything */
  APPLIANCE_NETWORK_NAT,
  APPLIANCE_NETWORK_BRIDGED,
  APPLIANCE_NETWORK_INTERNAL,
  APPLIANCE_NETWORK_HOST_ONLY,
  APPLIANCE_NETWORK_NAMED /* a name that whoever deploys it gives a meaning */
} ApplianceNetwork;

typedef enum
{
  APPLIANCE_BOOT_NONE,
  APPLIANCE_BOOT_FLOPPY,
  APPLIANCE_BOOT_DISK,
  APPLIANCE_BOOT_OPTICAL,
  APPLIANCE_BOOT_NETWORK
} ApplianceBoot;

/* A file that the appliance brings along, or names. */
typedef struct
{
  char *id;            /* of the description, or NULL */
  char *href;          /* as it is named there */
  char *path;          /* a file of the host; NULL: a member of the archive */
  char *member;        /* of the archive */
  uint64_t size;       /* bytes of the file or member, of all chunks together */
  uint64_t chunk_size; /* 0: in one piece; else href.000000000 and so on */
  gboolean gzip;       /* compressed as a whole */
  gboolean outside;    /* it lies elsewhere than the description: only for those who trust it */
  /* Of a disk that is written, see DiskOpenOptions: its format and the files below it, each NULL: as it says itself. */
  char *format, **chain;
} ApplianceFile;

typedef struct
{
  char *id;
  int file;           /* index of the plan's files; -1: an empty disk is to be made */
  uint64_t capacity;  /* bytes; 0: as the image says */
  uint64_t populated; /* bytes that the disk is said to hold, 0: not said */
  int parent;         /* index of the disk that this one only differs from, or -1 */
  char *interface;    /* what oVirt says it hangs on, or NULL */
} ApplianceDisk;

typedef struct
{
  ApplianceBus bus;
  char *controller; /* its model as the description has it, or NULL */
  unsigned channel; /* which controller of that bus */
  unsigned unit;    /* place on it */
  ApplianceDriveKind kind;
  int disk; /* of a disk: index of the plan's disks */
  int file; /* of a disc or floppy: index of the plan's files; -1: an empty drive */
} ApplianceDrive;

typedef struct
{
  char *model; /* "e1000", "vmxnet3", "pcnet", "virtio", "e1000e", …; NULL: not said */
  char *mac;   /* "08:00:27:12:34:56", or NULL */
  ApplianceNetwork network;
  char *name; /* of the network, or NULL */
  gboolean connected;
} ApplianceAdapter;

/* One machine. */
typedef struct
{
  char *id, *name;   /* @name: what people call it; never NULL */
  char *description; /* or NULL, as all below */
  char *product, *vendor, *version;
  GPtrArray *licences; /* of char *: texts to be accepted */
  char *os_id;         /* libosinfo's short id; NULL: unknown */
  char *os_text;       /* what the description calls it */
  uint64_t memory;     /* bytes; 0: not said */
  unsigned cpus;       /* 0: not said */
  gboolean efi;
  gboolean rtc_utc, has_rtc; /* @has_rtc: the description says how the clock runs */
  ApplianceBoot boot[4];     /* NONE: not said */
  GPtrArray *drives;         /* of ApplianceDrive */
  GPtrArray *adapters;       /* of ApplianceAdapter */
  GPtrArray *notes;          /* of char *: what is left out or will differ */
} ApplianceSystem;

typedef struct Ova Ova;

typedef struct
{
  ApplianceKind kind;
  char *path;           /* of the file that was read */
  char *description;    /* its own name, of the archive's member where it is one */
  GPtrArray *systems;   /* of ApplianceSystem; at least one */
  GPtrArray *disks;     /* of ApplianceDisk */
  GPtrArray *files;     /* of ApplianceFile */
  char *manifest;       /* the manifest's name, or NULL */
  gboolean certificate; /* it is signed; signatures are not checked */
  Ova *archive;         /* private */
  char *text;           /* private: the manifest */
  GBytes *source;       /* private: the description, as it was read */
} AppliancePlan;

typedef enum
{
  APPLIANCE_TRUST = 1 << 0 /* files elsewhere than beside the description may be read */
} ApplianceFlags;

/* Whether a file's name is one of an appliance. */
gboolean appliance_is_name (const char *path);
/* Reads a description, or the one in an archive. Without APPLIANCE_TRUST a file that lies elsewhere is an error. */
AppliancePlan *appliance_read (const char *path, ApplianceFlags flags, GError **error);
/* The parsers alone, for what is in memory; @kind is not OVA. @folder: where its files are looked for; NULL: nowhere,
 * they have no path then. */
AppliancePlan *appliance_parse (ApplianceKind kind, const char *text, size_t length, const char *folder,
                                ApplianceFlags flags, GError **error);
void appliance_plan_free (AppliancePlan *plan);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AppliancePlan, appliance_plan_free)

/* A part of a longer piece of work, which tells of its progress as one. */

typedef struct
{
  DiskTask task; /* to hand on */
  const DiskTask *outer;
  uint64_t base, span, total;
} ApplianceStep;

/* The part from @base on that is @span of @total. @outer may be NULL. */
void appliance_step (ApplianceStep *step, const DiskTask *outer, uint64_t base, uint64_t span, uint64_t total);
/* What appliance_verify() will read, in bytes. */
uint64_t appliance_verify_bytes (const AppliancePlan *plan);
/* Checks every digest of the manifest, where there is one; the error names the file. */
gboolean appliance_verify (const AppliancePlan *plan, const DiskTask *task, GError **error);

/* Bytes that are needed for a while in the folder where a file is unpacked; 0: it is used where it lies. */
uint64_t appliance_unpacked_size (const AppliancePlan *plan, int file);
/* Makes the disk as a new image. What has to be unpacked for it lies beside @path meanwhile, as “.unpacked”. */
gboolean appliance_fetch_disk (const AppliancePlan *plan, int disk, const char *path, const DiskCreateOptions *options,
                               ApplianceFlags flags, const DiskTask *task, GError **error);
/* Copies a file, unpacked, to @path, which must not exist. */
gboolean
appliance_fetch_file (const AppliancePlan *plan, int file, const char *path, const DiskTask *task, GError **error);

typedef enum
{
  APPLIANCE_MANIFEST_NONE,
  APPLIANCE_MANIFEST_SHA1,
  APPLIANCE_MANIFEST_SHA256
} ApplianceManifest;

typedef struct
{
  unsigned version; /* of OVF: 1 or 2 */
  ApplianceManifest manifest;
  gboolean replace; /* a file that has the name; of a description, not the files beside it */
} ApplianceWriteOptions;

/* A plan to fill for writing. */
AppliancePlan *appliance_plan_new (ApplianceKind kind);
ApplianceSystem *appliance_plan_add_system (AppliancePlan *plan, const char *name);
/* A disk image of the host, opened by @options (NULL: none; its format and chain are copied); the index of the disk.
 * @capacity: bytes. */
int appliance_plan_add_disk (AppliancePlan *plan, const char *path, const DiskOpenOptions *options, uint64_t capacity);
/* Any file of the host; the index of the file. */
int appliance_plan_add_file (AppliancePlan *plan, const char *path, uint64_t size);
ApplianceDrive *appliance_system_add_drive (ApplianceSystem *system, ApplianceBus bus, unsigned channel, unsigned unit,
                                            ApplianceDriveKind kind, int disk, int file);
ApplianceAdapter *appliance_system_add_adapter (ApplianceSystem *system);
/* Writes @path: an archive where the name ends in .ova, else the description with its disks beside it. Never over
 * existing files; all of it appears at the end. */
gboolean appliance_write (const AppliancePlan *plan, const char *path, const ApplianceWriteOptions *options,
                          const DiskTask *task, GError **error);

/* The words of other programs for an operating system; NULL: no idea. @cim 0: unknown. */
const char *appliance_os_from_cim (unsigned cim);
const char *appliance_os_from_vbox (const char *type);
const char *appliance_os_from_vmware (const char *type);
const char *appliance_os_from_parallels (unsigned type, unsigned number);
/* For libosinfo's id; what is not known is called Other. The strings are static. */
void appliance_os_to_others (const char *os_id, unsigned *cim, const char **vbox, const char **vmware);
