/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A machine's settings in words. All results are translated and newly allocated, unless they are const. */
#pragma once

#include "engine/machine/machine.h"
#include "storage/library/library.h"

G_BEGIN_DECLS

/* "Disk", "CD/DVD drive", "Floppy drive". */
const char *record_text_medium_kind (LibraryMediumKind kind);
const char *record_text_medium_icon (LibraryMediumKind kind);
/* "SATA (AHCI)"; and the drive's place there, "SATA port 0". */
const char *record_text_controller (LibraryController controller);
char *record_text_place (LibraryController controller, unsigned unit);
/* The file that the user attached: of a disk with snapshots it lies below the layers that these made. Borrowed; NULL of
 * an empty drive. */
const char *record_text_file (const LibraryAttachment *attachment);
/* "debian.vdi", or "Empty". */
char *record_text_medium (const LibraryAttachment *attachment);
/* "Disk, CD/DVD". */
char *record_text_boot (const LibraryBoot boot[LIBRARY_MAX_BOOT]);
const char *record_text_boot_device (LibraryBoot device);
/* "NAT", "Not connected". */
const char *record_text_network (LibraryNetKind kind);
/* "TCP 127.0.0.1:2222 → 22". */
char *record_text_forward (const LibraryForward *forward);
/* "Adapter 1". */
char *record_text_adapter (const LibraryAdapter *adapter);
/* "Interpreter" of "interp", "Translator" of "jit", "Hardware (KVM)" of "kvm". */
const char *record_text_accel (const char *accel);
/* Why the machine runs under it, a clause. */
char *record_text_accel_reason (const MachineInfo *info);
/* "Intel 82540EM" of "e1000", or the model itself. */
const char *record_text_adapter_model (const char *model);

G_END_DECLS
