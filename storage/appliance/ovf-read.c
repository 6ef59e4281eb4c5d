/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * OVF: the envelope, its files and disks, and what it says of its systems beside
 * their hardware. Specification: DSP0243 1.1.0 and 2.1.1; what oVirt and other
 * writers of the older 0.9 form do differently is read as well.
 */

#include "storage/appliance/appliance-private.h"

#include <errno.h>
#include <glib/gi18n-lib.h>
#include <string.h>
#include <sys/stat.h>

typedef struct
{
  AppliancePlan *plan;
  const char *folder;
  GHashTable *files, *disks; /* id → index plus one */
  char *configuration;       /* which of several sets of hardware is meant, or NULL */
  GPtrArray *licences;       /* of the collections around, borrowed */
} Reading;

gboolean
ovf_is (const xmlNode *node, const char *name)
{
  g_autofree char *type = NULL, *wanted = NULL;
  const char *plain;

  if (xml_is (node, name))
    return TRUE;
  if (!xml_is (node, "Section") && !xml_is (node, "Content"))
    return FALSE;
  type = xml_attribute (node, "type");
  wanted = g_strconcat (name, "_Type", NULL);
  plain = type != NULL && strchr (type, ':') != NULL ? strchr (type, ':') + 1 : type;
  return g_strcmp0 (plain, wanted) == 0;
}

/* --- References and disks --- */

static gboolean
find_piece (Reading *r, const char *name, uint64_t *size, char **place, GError **error)
{
  AppliancePlan *plan = r->plan;

  if (plan->archive != NULL)
    {
      const OvaMember *member = ova_find (plan->archive, name);

      if (member == NULL)
        return appliance_error (error, plan->path, _ ("the archive has no member “%s”, which its description names"),
                                name);
      *size = member->size;
      *place = g_strdup (member->name);
      return TRUE;
    }
  else
    {
      gboolean outside = FALSE;
      g_autofree char *found = appliance_locate (r->folder, name, &outside);
      struct stat info;

      if (found == NULL || stat (found, &info) != 0)
        {
          g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, _ ("“%s” names the file “%s”: %s"), plan->path, name,
                       g_strerror (errno));
          return FALSE;
        }
      if (outside)
        {
          g_set_error (error, G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED,
                       _ ("“%s” names the file “%s”, which is not in its folder"), plan->path, name);
          return FALSE;
        }
      *size = (uint64_t) info.st_size;
      *place = g_steal_pointer (&found);
    }
  return TRUE;
}

/* Looks for the file, or for all its pieces. What the description says of its size must not be more than there is. */
static gboolean
resolve (Reading *r, ApplianceFile *file, uint64_t said, GError **error)
{
  g_autofree char *place = NULL, *first = NULL;
  uint64_t size = 0;

  if (r->plan->archive == NULL && r->folder == NULL)
    {
      file->size = said;
      return TRUE;
    }
  if (file->chunk_size == 0)
    {
      if (!find_piece (r, file->href, &size, &place, error))
        return FALSE;
    }
  else
    for (unsigned n = 0; size < said; n++)
      {
        g_autofree char *name = stream_chunk_name (file->href, n), *piece = NULL;
        uint64_t some;

        if (!find_piece (r, name, &some, &piece, error))
          return FALSE;
        if (some > file->chunk_size || some == 0)
          return appliance_error (error, r->plan->path, _ ("“%s” has %llu bytes, and its pieces have %llu"), name,
                                  (unsigned long long) some, (unsigned long long) file->chunk_size);
        size += some;
        if (n == 0)
          place = g_strndup (piece, strlen (piece) - strlen (".000000000"));
      }
  if (size < said)
    return appliance_error (error, r->plan->path, _ ("“%s” is cut off: it has %llu of %llu bytes"), file->href,
                            (unsigned long long) size, (unsigned long long) said);
  file->size = file->chunk_size > 0 ? said : size;
  if (r->plan->archive != NULL)
    file->member = g_steal_pointer (&place);
  else
    file->path = g_steal_pointer (&place);
  return TRUE;
}

/* References are URIs: a blank may be written as %20. */
static char *
plain_href (const Reading *r, const char *href)
{
  char *unescaped = strchr (href, '%') != NULL ? g_uri_unescape_string (href, "/") : NULL;

  if (unescaped != NULL && r->plan->archive != NULL && ova_find (r->plan->archive, href) != NULL)
    g_clear_pointer (&unescaped, g_free);
  return unescaped != NULL ? unescaped : g_strdup (href);
}

static gboolean
read_file (Reading *r, xmlNode *node, GError **error)
{
  g_autofree char *written = xml_attribute (node, "href"), *href = NULL, *id = xml_attribute (node, "id"),
                  *compression = xml_attribute (node, "compression");
  uint64_t said = xml_attribute_number (node, "size", 0);
  ApplianceFile *file;

  if (written == NULL)
    return appliance_error (error, r->plan->path, _ ("a reference of line %ld names no file"), xmlGetLineNo (node));
  if (strstr (written, "://") != NULL)
    return appliance_error (error, r->plan->path, _ ("its file “%s” is somewhere else"), written);
  href = plain_href (r, written);
  if (!ova_name_is_safe (href))
    return appliance_error (error, r->plan->path, _ ("its file “%s” has a name that leads elsewhere"), written);
  if (r->plan->files->len >= APPLIANCE_MAX_FILES)
    return appliance_error (error, r->plan->path, _ ("it names more than %d files"), APPLIANCE_MAX_FILES);
  file = g_new0 (ApplianceFile, 1);
  file->id = g_strdup (id);
  file->href = g_steal_pointer (&href);
  g_ptr_array_add (r->plan->files, file);
  file->chunk_size = xml_attribute_number (node, "chunkSize", 0);
  if (compression != NULL && *compression != '\0' && g_ascii_strcasecmp (compression, "identity") != 0)
    {
      if (g_ascii_strcasecmp (compression, "gzip") != 0)
        return appliance_error (error, r->plan->path, _ ("its file “%s” is compressed with “%s”, which is not known"),
                                file->href, compression);
      file->gzip = TRUE;
    }
  if (file->chunk_size > 0 && (said == 0 || said / file->chunk_size >= APPLIANCE_MAX_FILES))
    return appliance_error (error, r->plan->path, _ ("its file “%s” comes in an impossible number of pieces"),
                            file->href);
  if (id != NULL && !g_hash_table_insert (r->files, g_strdup (id), GINT_TO_POINTER ((int) r->plan->files->len)))
    return appliance_error (error, r->plan->path, _ ("two of its files are called “%s”"), id);
  return resolve (r, file, said, error);
}

static gboolean
read_references (Reading *r, xmlNode *root, GError **error)
{
  for (xmlNode *file = xml_child (xml_child (root, "References"), "File"); file != NULL; file = xml_next (file, "File"))
    if (!read_file (r, file, error))
      return FALSE;
  return TRUE;
}

static gboolean
read_disk (Reading *r, xmlNode *node, GError **error)
{
  g_autofree char *id = xml_attribute (node, "diskId"), *ref = xml_attribute (node, "fileRef"),
                  *units = xml_attribute (node, "capacityAllocationUnits");
  uint64_t unit = units != NULL ? appliance_unit (units) : 1;
  int file = ref != NULL ? GPOINTER_TO_INT (g_hash_table_lookup (r->files, ref)) - 1 : -1;
  ApplianceDisk *disk;
  int index;

  if (id == NULL)
    return appliance_error (error, r->plan->path, _ ("a disk of line %ld has no name"), xmlGetLineNo (node));
  if (ref != NULL && file < 0)
    return appliance_error (error, r->plan->path, _ ("its disk “%s” is in the file “%s”, which it does not name"), id,
                            ref);
  if (r->plan->disks->len >= APPLIANCE_MAX_FILES)
    return appliance_error (error, r->plan->path, _ ("it has more than %d disks"), APPLIANCE_MAX_FILES);
  index = appliance_add_disk (r->plan, file, 0);
  disk = g_ptr_array_index (r->plan->disks, index);
  disk->id = g_strdup (id);
  disk->capacity = appliance_multiply (xml_attribute_number (node, "capacity", 0), unit);
  disk->populated = xml_attribute_number (node, "populatedSize", 0);
  disk->interface = xml_attribute (node, "disk-interface");
  if (file < 0 && disk->capacity == 0)
    return appliance_error (error, r->plan->path, _ ("its disk “%s” has neither a file nor a size"), id);
  if (!g_hash_table_insert (r->disks, g_strdup (id), GINT_TO_POINTER ((int) r->plan->disks->len)))
    return appliance_error (error, r->plan->path, _ ("two of its disks are called “%s”"), id);
  return TRUE;
}

/* After all disks are known: which of them only hold what differs from another. */
static gboolean
read_parents (Reading *r, xmlNode *section, unsigned first, GError **error)
{
  for (xmlNode *node = xml_child (section, "Disk"); node != NULL; node = xml_next (node, "Disk"), first++)
    {
      g_autofree char *ref = xml_attribute (node, "parentRef");
      ApplianceDisk *disk = g_ptr_array_index (r->plan->disks, first);
      int parent;

      if (ref == NULL || *ref == '\0')
        continue;
      parent = GPOINTER_TO_INT (g_hash_table_lookup (r->disks, ref)) - 1;
      if (parent < 0 || parent == (int) first || disk->file < 0
          || ((ApplianceDisk *) g_ptr_array_index (r->plan->disks, parent))->file < 0)
        return appliance_error (error, r->plan->path,
                                _ ("its disk “%s” is based on “%s”, which is no other disk of it"), disk->id, ref);
      disk->parent = parent;
    }
  for (unsigned i = 0; i < r->plan->disks->len; i++)
    {
      const ApplianceDisk *disk = g_ptr_array_index (r->plan->disks, i);

      if (disk->parent >= 0 && ((ApplianceDisk *) g_ptr_array_index (r->plan->disks, disk->parent))->parent >= 0)
        return appliance_error (error, r->plan->path, _ ("its disk “%s” is based on one that is based on another"),
                                disk->id);
    }
  return TRUE;
}

static gboolean
read_disks (Reading *r, xmlNode *root, GError **error)
{
  for (xmlNode *section = xml_child (root, NULL); section != NULL; section = xml_next (section, NULL))
    {
      unsigned first = r->plan->disks->len;

      if (!ovf_is (section, "DiskSection"))
        continue;
      for (xmlNode *disk = xml_child (section, "Disk"); disk != NULL; disk = xml_next (disk, "Disk"))
        if (!read_disk (r, disk, error))
          return FALSE;
      if (!read_parents (r, section, first, error))
        return FALSE;
    }
  return TRUE;
}

/* The default one of several configurations, else the first. */
static char *
find_configuration (xmlNode *root)
{
  char *first = NULL;

  for (xmlNode *section = xml_child (root, NULL); section != NULL; section = xml_next (section, NULL))
    {
      if (!ovf_is (section, "DeploymentOptionSection"))
        continue;
      for (xmlNode *node = xml_child (section, "Configuration"); node != NULL; node = xml_next (node, "Configuration"))
        {
          if (xml_attribute_is (node, "default", "true") || xml_attribute_is (node, "default", "1"))
            {
              g_free (first);
              return xml_attribute (node, "id");
            }
          if (first == NULL)
            first = xml_attribute (node, "id");
        }
    }
  return first;
}

/* --- Systems --- */

static void
read_os (ApplianceSystem *system, xmlNode *section)
{
  g_autofree char *vmware = xml_attribute (section, "osType"), *vbox = xml_text (section, "OSType"),
                  *text = xml_text (section, "Description");
  uint64_t cim = xml_attribute_number (section, "id", 0);
  const char *id = NULL;

  if (vbox != NULL)
    id = appliance_os_from_vbox (vbox);
  if (id == NULL && vmware != NULL)
    id = appliance_os_from_vmware (vmware);
  if (id == NULL && text != NULL)
    id = appliance_os_from_vbox (text);
  if (id == NULL)
    id = appliance_os_from_cim (cim <= 1000 ? (unsigned) cim : 0);
  system->os_id = g_strdup (id);
  system->os_text = g_strdup (text != NULL ? text : vbox != NULL ? vbox : vmware);
}

static void
read_product (ApplianceSystem *system, xmlNode *section)
{
  /* An appliance may list what it is made of; the first is what it is. */
  if (system->product != NULL)
    return;
  system->product = xml_text (section, "Product");
  system->vendor = xml_text (section, "Vendor");
  system->version = xml_text (section, "FullVersion");
  if (system->version == NULL)
    system->version = xml_text (section, "Version");
}

/* What VirtualBox adds: its own settings of the machine. */
static void
read_vbox_machine (ApplianceSystem *system, xmlNode *machine)
{
  xmlNode *hardware = xml_child (machine, "Hardware");
  g_autofree char *firmware = xml_attribute (xml_child (hardware, "Firmware"), "type"),
                  *rtc = xml_attribute (xml_child (hardware, "RTC"), "localOrUTC");

  if (firmware != NULL)
    system->efi = g_ascii_strncasecmp (firmware, "EFI", 3) == 0;
  system->has_rtc = TRUE;
  system->rtc_utc = rtc != NULL && g_ascii_strcasecmp (rtc, "UTC") == 0;
}

static gboolean
is_optional (xmlNode *section)
{
  static const char *const known[] = { "Info",
                                       "Name",
                                       "InstallSection",
                                       "StartupSection",
                                       "ResourceAllocationSection",
                                       "EnvironmentFilesSection",
                                       "NetworkSection",
                                       "ScaleOutSection",
                                       "PlacementSection",
                                       "PlacementGroupSection",
                                       "EncryptionSection",
                                       NULL };

  return g_strv_contains (known, (const char *) section->name) || xml_attribute_is (section, "required", "false")
         || xml_attribute_is (section, "required", "0");
}

static gboolean
is_bunshin (const xmlNode *node)
{
  return xml_is (node, "MachineSection") && node->ns != NULL
         && strcmp ((const char *) node->ns->href, OVF_NS_BUNSHIN) == 0;
}

static char *
system_name (xmlNode *node, xmlNode *hardware)
{
  g_autofree char *name = xml_text (node, "Name"), *id = xml_attribute (node, "id"),
                  *inner = xml_text (xml_child (hardware, "System"), "VirtualSystemIdentifier");

  return appliance_clean_name (name != NULL ? name : inner != NULL ? inner : id, "Imported Machine");
}

/* Of several kinds of hardware, the first that says it is a PC as others emulate it, else the first. */
static xmlNode *
choose_hardware (xmlNode *node)
{
  xmlNode *first = NULL;

  for (xmlNode *section = xml_child (node, NULL); section != NULL; section = xml_next (section, NULL))
    {
      g_autofree char *type = NULL;

      if (!ovf_is (section, "VirtualHardwareSection"))
        continue;
      type = xml_text (xml_child (section, "System"), "VirtualSystemType");
      if (first == NULL)
        first = section;
      if (type != NULL && (g_str_has_prefix (type, "vmx-") || g_str_has_prefix (type, "virtualbox-")))
        return section;
    }
  return first;
}

static gboolean
read_system (Reading *r, xmlNode *node, GError **error)
{
  xmlNode *hardware = choose_hardware (node), *own = NULL;
  g_autofree char *name = system_name (node, hardware);
  ApplianceSystem *system;

  if (r->plan->systems->len >= APPLIANCE_MAX_SYSTEMS)
    return appliance_error (error, r->plan->path, _ ("it has more than %d machines"), APPLIANCE_MAX_SYSTEMS);
  system = appliance_plan_add_system (r->plan, name);
  system->id = xml_attribute (node, "id");
  for (unsigned i = 0; i < r->licences->len; i++)
    g_ptr_array_add (system->licences, g_strdup (g_ptr_array_index (r->licences, i)));
  /* oVirt has the description beside the name. */
  system->description = xml_text (node, "Description");
  for (xmlNode *section = xml_child (node, NULL); section != NULL; section = xml_next (section, NULL))
    if (ovf_is (section, "AnnotationSection"))
      {
        g_free (system->description);
        system->description = xml_text (section, "Annotation");
      }
    else if (ovf_is (section, "ProductSection"))
      read_product (system, section);
    else if (ovf_is (section, "EulaSection"))
      {
        char *licence = xml_text (section, "License");

        if (licence != NULL && system->licences->len < APPLIANCE_MAX_SYSTEMS)
          g_ptr_array_add (system->licences, licence);
        else
          g_free (licence);
      }
    else if (ovf_is (section, "OperatingSystemSection"))
      read_os (system, section);
    else if (is_bunshin (section))
      own = section;
    else if (xml_is (section, "Machine"))
      read_vbox_machine (system, section);
    else if (!ovf_is (section, "VirtualHardwareSection") && !is_optional (section)
             && g_str_has_suffix ((const char *) section->name, "Section"))
      appliance_note (system, _ ("what its “%s” says is not understood, and left out"), (const char *) section->name);
  if (hardware == NULL)
    return appliance_error (error, r->plan->path, _ ("its machine “%s” has no hardware"), system->name);
  if (!ovf_parse_hardware (r->plan, system, hardware, r->disks, r->configuration, error))
    return FALSE;
  if (own != NULL)
    ovf_parse_own (system, own);
  return TRUE;
}

static gboolean
read_content (Reading *r, xmlNode *parent, GError **error)
{
  unsigned licences = r->licences->len;

  for (xmlNode *node = xml_child (parent, NULL); node != NULL; node = xml_next (node, NULL))
    if (ovf_is (node, "EulaSection") && r->licences->len < APPLIANCE_MAX_SYSTEMS)
      {
        char *licence = xml_text (node, "License");

        if (licence != NULL)
          g_ptr_array_add (r->licences, licence);
      }
  for (xmlNode *node = xml_child (parent, NULL); node != NULL; node = xml_next (node, NULL))
    if (ovf_is (node, "VirtualSystem") ? !read_system (r, node, error)
                                       : ovf_is (node, "VirtualSystemCollection") && !read_content (r, node, error))
      return FALSE;
  g_ptr_array_set_size (r->licences, (int) licences);
  return TRUE;
}

gboolean
ovf_parse (AppliancePlan *plan, xmlNode *root, const char *folder, GError **error)
{
  g_autoptr (GHashTable) files = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr (GHashTable) disks = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr (GPtrArray) licences = g_ptr_array_new_with_free_func (g_free);
  g_autofree char *configuration = find_configuration (root);
  Reading r = {
    .plan = plan, .folder = folder, .files = files, .disks = disks, .configuration = configuration, .licences = licences
  };

  if (!xml_is (root, "Envelope"))
    return appliance_error (error, plan->path, _ ("it is no description of an appliance"));
  return read_references (&r, root, error) && read_disks (&r, root, error) && read_content (&r, root, error)
         && (plan->systems->len > 0 || appliance_error (error, plan->path, _ ("it describes no machine")));
}
