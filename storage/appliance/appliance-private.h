/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the parts of storage/appliance share. */
#pragma once

#include "storage/appliance/appliance.h"

#include <libxml/tree.h>

/* xml.c */

/* A document of at most APPLIANCE_MAX_TEXT bytes, without a DTD; nothing else is loaded for it. @name is for errors.
 * Free with xmlFreeDoc(). */
xmlDoc *xml_parse (const char *name, const char *text, size_t length, GError **error);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (xmlDoc, xmlFreeDoc)
/* All by local names: whoever writes these files disagrees about name spaces. */
gboolean xml_is (const xmlNode *node, const char *name);
/* The first element child of that name (NULL: of any), or NULL; and the next one after @node. */
xmlNode *xml_child (const xmlNode *node, const char *name);
xmlNode *xml_next (const xmlNode *node, const char *name);
/* The child's text without blanks around it, or NULL when there is no such child or it is empty. Caller frees. */
char *xml_text (const xmlNode *node, const char *name);
/* The node's own; or NULL. */
char *xml_content (const xmlNode *node);
/* NULL when there is none. Caller frees. */
char *xml_attribute (const xmlNode *node, const char *name);
/* Numbers in decimal; @otherwise when it is absent or no number. */
uint64_t xml_number (const xmlNode *node, const char *name, uint64_t otherwise);
uint64_t xml_attribute_number (const xmlNode *node, const char *name, uint64_t otherwise);
gboolean xml_attribute_is (const xmlNode *node, const char *name, const char *value);

/* plan.c */

gboolean appliance_error (GError **error, const char *name, const char *format, ...) G_GNUC_PRINTF (3, 4);
void appliance_note (ApplianceSystem *system, const char *format, ...) G_GNUC_PRINTF (2, 3);
ApplianceSystem *appliance_system_new (const char *name);
void appliance_system_free (ApplianceSystem *system);
/* The name without what a name cannot have; @otherwise when nothing is left. Caller frees. */
char *appliance_clean_name (const char *name, const char *otherwise);
/* Twelve hexadecimal digits, with or without separators, as "aa:bb:cc:dd:ee:ff"; NULL: it is no address. Caller frees.
 */
char *appliance_clean_mac (const char *text);
/* @count of @unit bytes, or 0 when that is too much to be meant. */
uint64_t appliance_multiply (uint64_t count, uint64_t unit);
/* "byte * 2^20", "MegaBytes", "KB": bytes of one unit; 0 when it is not understood. */
uint64_t appliance_unit (const char *text);
/* Where @href leads from @folder; symbolic links count for what they point at. NULL: nowhere, and errno says why.
 * Caller frees. */
char *appliance_locate (const char *folder, const char *href, gboolean *outside);
/* Adds a file that the description names; the index, or -1 with @error set. */
int appliance_add_reference (AppliancePlan *plan, const char *name, const char *id, const char *href,
                             const char *folder, ApplianceFlags flags, GError **error);
/* Its index. @file -1: an empty disk. */
int appliance_add_disk (AppliancePlan *plan, int file, uint64_t capacity);
/* A disk image that the description names; disks named twice are one. The index, or -1 with @error set. */
int appliance_add_image (AppliancePlan *plan, const char *name, const char *href, const char *folder,
                         ApplianceFlags flags, GError **error);
/* A disc or floppy image: one that is not there, or not to be read, leaves an empty drive with a note. */
int appliance_add_medium (AppliancePlan *plan, ApplianceSystem *system, const char *name, const char *href,
                          const char *folder, ApplianceFlags flags);

/* The parsers: each adds its systems to the plan. */
gboolean ovf_parse (AppliancePlan *plan, xmlNode *root, const char *folder, GError **error);
gboolean vbox_parse (AppliancePlan *plan, xmlNode *root, const char *folder, ApplianceFlags flags, GError **error);
gboolean pvs_parse (AppliancePlan *plan, xmlNode *root, const char *folder, ApplianceFlags flags, GError **error);
gboolean vmx_parse (AppliancePlan *plan, const char *text, size_t length, const char *folder, ApplianceFlags flags,
                    GError **error);
/* ovf-hardware.c: the hardware of one system. @disks: id → index of the plan's disks, plus one. */
gboolean ovf_parse_hardware (AppliancePlan *plan, ApplianceSystem *system, xmlNode *section, GHashTable *disks,
                             const char *configuration, GError **error);
/* What only Bunshin writes, which is more exact. */
void ovf_parse_own (ApplianceSystem *system, xmlNode *section);
/* Whether a node is this section: by its name, or, as OVF 0.9 and oVirt have it, by its type. */
gboolean ovf_is (const xmlNode *node, const char *name);

/* ova.c */

typedef struct
{
  char *name;
  uint64_t size;
} OvaMember;

/* A tar archive whose members are plain files with harmless names, each once. */
Ova *ova_open (const char *path, GError **error);
void ova_close (Ova *archive);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Ova, ova_close)
const GPtrArray *ova_members (const Ova *archive); /* of OvaMember */
const OvaMember *ova_find (const Ova *archive, const char *name);
/* A small member as text, with a NUL after it. Caller frees. */
char *ova_read_text (const Ova *archive, const OvaMember *member, size_t *length, GError **error);
/* A harmless name has no “..”, no empty component, is relative and UTF-8. */
gboolean ova_name_is_safe (const char *name);

/* stream.c: the bytes of a file of an appliance, in order. */

typedef struct Stream Stream;
Stream *stream_open_member (const AppliancePlan *plan, const char *member, GError **error);
Stream *stream_open_path (const char *path, GError **error);
/* As the description means it: chunks one after the other, unpacked. */
Stream *stream_open_file (const AppliancePlan *plan, const ApplianceFile *file, GError **error);
/* Bytes read; 0 at the end, -1 on errors. */
gssize stream_read (Stream *stream, void *buffer, size_t length, GError **error);
void stream_close (Stream *stream);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Stream, stream_close)
/* The name of chunk @number of a file in pieces. Caller frees. */
char *stream_chunk_name (const char *name, unsigned number);

/* task.c */

gboolean appliance_is_cancelled (const DiskTask *task, GError **error);

/* manifest.c */

/* Lines of “SHA256(name)= digest”. */
char *manifest_format (ApplianceManifest kind, const char *name, const char *digest);
GChecksumType manifest_checksum (ApplianceManifest kind);

/* ovf-write.c */

typedef struct
{
  char *name;    /* of the file in the appliance */
  uint64_t size; /* bytes */
} WrittenFile;

/* The description. @files: WrittenFile, by the plan's indices. */
char *ovf_write (const AppliancePlan *plan, unsigned version, const GPtrArray *files);

/* Words that are the same for reading and writing. */
#define OVF_NS_1       "http://schemas.dmtf.org/ovf/envelope/1"
#define OVF_NS_2       "http://schemas.dmtf.org/ovf/envelope/2"
#define OVF_NS_BUNSHIN "https://bunshin.org/ovf/1"
