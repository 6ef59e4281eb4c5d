/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * .vmx: VMware's settings of one machine, lines of “key = "value"”. Keys are of any
 * case; |XX in a value stands for the byte XX.
 */

#include "storage/appliance/appliance-private.h"

#include <glib/gi18n-lib.h>
#include <string.h>

enum
{
  KEYS_MAX = 20000
};

typedef struct
{
  AppliancePlan *plan;
  ApplianceSystem *system;
  const char *folder;
  ApplianceFlags flags;
  GHashTable *values; /* lower-case key → value */
} Reading;

static const char *value (const Reading *r, const char *format, ...) G_GNUC_PRINTF (2, 3);

static const char *
value (const Reading *r, const char *format, ...)
{
  va_list args;
  g_autofree char *key = NULL;

  va_start (args, format);
  key = g_strdup_vprintf (format, args);
  va_end (args);
  return g_hash_table_lookup (r->values, key);
}

static gboolean
is_true (const char *text, gboolean otherwise)
{
  return text != NULL ? g_ascii_strcasecmp (text, "TRUE") == 0 || strcmp (text, "1") == 0 : otherwise;
}

/* |22 is a quote, |7C a bar, |0A a new line. */
static char *
unescape (const char *text, size_t length)
{
  GString *plain = g_string_sized_new (length);

  for (size_t i = 0; i < length; i++)
    if (text[i] == '|' && length - i > 2 && g_ascii_isxdigit (text[i + 1]) && g_ascii_isxdigit (text[i + 2]))
      {
        int byte = g_ascii_xdigit_value (text[i + 1]) * 16 + g_ascii_xdigit_value (text[i + 2]);

        if (byte != 0)
          g_string_append_c (plain, (char) byte);
        i += 2;
      }
    else
      g_string_append_c (plain, text[i]);
  return g_string_free (plain, FALSE);
}

/* In the encoding that the file names, else UTF-8; what is neither is taken byte by byte. */
static char *
to_utf8 (const char *text, const char *encoding)
{
  char *converted = NULL;

  if (g_utf8_validate (text, -1, NULL))
    return g_strdup (text);
  if (encoding != NULL && g_ascii_strcasecmp (encoding, "UTF-8") != 0)
    converted = g_convert (text, -1, "UTF-8", encoding, NULL, NULL, NULL);
  if (converted == NULL)
    converted = g_convert (text, -1, "UTF-8", "ISO-8859-1", NULL, NULL, NULL);
  return converted != NULL ? converted : g_utf8_make_valid (text, -1);
}

static gboolean
read_lines (Reading *r, const char *text, size_t length, GError **error)
{
  const char *end = text + length;

  while (text < end)
    {
      const char *newline = memchr (text, '\n', (size_t) (end - text));
      const char *stop = newline != NULL ? newline : end, *equals = memchr (text, '=', (size_t) (stop - text));
      g_autofree char *key = NULL;

      if (equals != NULL && *text != '#')
        {
          const char *open = memchr (equals, '"', (size_t) (stop - equals)), *close = NULL;

          for (const char *p = stop; open != NULL && p > open + 1 && close == NULL; p--)
            if (p[-1] == '"')
              close = p - 1;
          key = g_ascii_strdown (text, equals - text);
          g_strstrip (key);
          if (*key != '\0' && g_utf8_validate (key, -1, NULL))
            {
              char *plain = close != NULL ? unescape (open + 1, (size_t) (close - open - 1))
                                          : g_strstrip (unescape (equals + 1, (size_t) (stop - equals - 1)));

              g_hash_table_replace (r->values, g_steal_pointer (&key), plain);
            }
          if (g_hash_table_size (r->values) > KEYS_MAX)
            return appliance_error (error, r->plan->path, _ ("it has more than %d settings"), KEYS_MAX);
        }
      text = newline != NULL ? newline + 1 : end;
    }
  return TRUE;
}

static gboolean
add_drive (Reading *r, ApplianceBus bus, const char *controller, unsigned channel, unsigned unit, const char *place,
           GError **error)
{
  const char *name = value (r, "%s.filename", place), *type = value (r, "%s.devicetype", place);
  gboolean optical = type != NULL && strstr (type, "cdrom") != NULL;
  gboolean image = type == NULL || strcmp (type, "cdrom-image") == 0;
  ApplianceDrive *drive;
  int index = -1;

  if (r->system->drives->len >= APPLIANCE_MAX_DRIVES)
    return appliance_error (error, r->plan->path, _ ("“%s” has more than %d drives"), r->system->name,
                            APPLIANCE_MAX_DRIVES);
  if (type != NULL && g_ascii_strcasecmp (type, "rawDisk") == 0)
    return appliance_error (error, r->plan->path, _ ("a disk of “%s” is a device of the computer it ran on"),
                            r->system->name);
  if (!optical)
    {
      if (name == NULL || *name == '\0')
        return TRUE;
      index = appliance_add_image (r->plan, r->plan->path, name, r->folder, r->flags, error);
      if (index < 0)
        return FALSE;
    }
  else if (image && name != NULL && *name != '\0' && g_ascii_strcasecmp (name, "auto detect") != 0)
    index = appliance_add_medium (r->plan, r->system, r->plan->path, name, r->folder, r->flags);
  drive = appliance_system_add_drive (r->system, bus, channel, unit,
                                      optical ? APPLIANCE_DRIVE_OPTICAL : APPLIANCE_DRIVE_DISK, optical ? -1 : index,
                                      optical ? index : -1);
  drive->controller = g_strdup (controller);
  return TRUE;
}

static gboolean
read_drives (Reading *r, GError **error)
{
  static const struct
  {
    const char *name;
    ApplianceBus bus;
    unsigned controllers, units;
  } buses[] = { { "ide", APPLIANCE_BUS_IDE, 2, 2 },
                { "sata", APPLIANCE_BUS_SATA, 4, 30 },
                { "scsi", APPLIANCE_BUS_SCSI, 4, 16 },
                { "nvme", APPLIANCE_BUS_NVME, 4, 15 } };

  for (unsigned b = 0; b < G_N_ELEMENTS (buses); b++)
    for (unsigned c = 0; c < buses[b].controllers; c++)
      {
        const char *model = value (r, "%s%u.virtualdev", buses[b].name, c);

        /* IDE is always there. */
        if (buses[b].bus != APPLIANCE_BUS_IDE && !is_true (value (r, "%s%u.present", buses[b].name, c), FALSE))
          continue;
        for (unsigned u = 0; u < buses[b].units; u++)
          {
            g_autofree char *place = g_strdup_printf ("%s%u:%u", buses[b].name, c, u);

            if (is_true (value (r, "%s.present", place), FALSE)
                && !add_drive (r, buses[b].bus, model, c, u, place, error))
              return FALSE;
          }
      }
  return TRUE;
}

static void
read_floppies (Reading *r)
{
  for (unsigned i = 0; i < 2; i++)
    {
      const char *name = value (r, "floppy%u.filename", i), *type = value (r, "floppy%u.filetype", i);
      int file = -1;

      /* The first is there unless it is said not to be. */
      if (!is_true (value (r, "floppy%u.present", i), i == 0 && name != NULL))
        continue;
      if (name != NULL && *name != '\0' && g_strcmp0 (type, "file") == 0)
        file = appliance_add_medium (r->plan, r->system, r->plan->path, name, r->folder, r->flags);
      appliance_system_add_drive (r->system, APPLIANCE_BUS_FLOPPY, 0, i, APPLIANCE_DRIVE_FLOPPY, -1, file);
    }
}

static void
read_adapters (Reading *r)
{
  for (unsigned i = 0; i < 10; i++)
    {
      const char *model = value (r, "ethernet%u.virtualdev", i), *kind = value (r, "ethernet%u.connectiontype", i),
                 *mac = value (r, "ethernet%u.address", i);
      ApplianceAdapter *adapter;

      if (!is_true (value (r, "ethernet%u.present", i), FALSE))
        continue;
      adapter = appliance_system_add_adapter (r->system);
      adapter->model = model == NULL || g_ascii_strcasecmp (model, "vlance") == 0 ? g_strdup ("pcnet")
                                                                                  : g_ascii_strdown (model, -1);
      adapter->mac = appliance_clean_mac (mac != NULL ? mac : value (r, "ethernet%u.generatedaddress", i));
      adapter->connected = is_true (value (r, "ethernet%u.startconnected", i), TRUE);
      adapter->name = g_strdup (value (r, "ethernet%u.networkname", i));
      if (adapter->name == NULL)
        adapter->name = g_strdup (value (r, "ethernet%u.vnet", i));
      if (kind == NULL || g_ascii_strcasecmp (kind, "bridged") == 0)
        adapter->network = adapter->name != NULL ? APPLIANCE_NETWORK_NAMED : APPLIANCE_NETWORK_BRIDGED;
      else if (g_ascii_strcasecmp (kind, "nat") == 0)
        adapter->network = APPLIANCE_NETWORK_NAT;
      else if (g_ascii_strcasecmp (kind, "hostonly") == 0)
        adapter->network = APPLIANCE_NETWORK_HOST_ONLY;
      else
        adapter->network = APPLIANCE_NETWORK_NAMED;
    }
}

static uint64_t
number (const char *text, uint64_t otherwise)
{
  guint64 parsed;

  return text != NULL && g_ascii_string_to_unsigned (text, 10, 0, G_MAXUINT64, &parsed, NULL) ? parsed : otherwise;
}

static void
convert_values (Reading *r)
{
  g_autofree char *encoding = g_strdup (value (r, ".encoding"));
  GHashTableIter iter;
  gpointer text;

  g_hash_table_iter_init (&iter, r->values);
  while (g_hash_table_iter_next (&iter, NULL, &text))
    g_hash_table_iter_replace (&iter, to_utf8 (text, encoding));
}

gboolean
vmx_parse (AppliancePlan *plan, const char *text, size_t length, const char *folder, ApplianceFlags flags,
           GError **error)
{
  g_autoptr (GHashTable) values = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  g_autofree char *name = NULL;
  Reading r = { .plan = plan, .folder = folder, .flags = flags, .values = values };
  const char *type, *firmware, *saved;

  if (length > APPLIANCE_MAX_TEXT)
    return appliance_error (error, plan->path, _ ("a description of %zu bytes is too long"), length);
  if (!read_lines (&r, text, length, error))
    return FALSE;
  convert_values (&r);
  if (value (&r, "encryption.keysafe") != NULL || value (&r, "encryption.data") != NULL)
    return appliance_error (error, plan->path, _ ("the machine is encrypted; let VMware decrypt it first"));
  type = value (&r, "guestos");
  if (value (&r, "displayname") == NULL && type == NULL && value (&r, "config.version") == NULL)
    return appliance_error (error, plan->path, _ ("it describes no machine"));
  name = appliance_clean_name (value (&r, "displayname"), "Imported Machine");
  r.system = appliance_plan_add_system (plan, name);
  r.system->description = g_strdup (value (&r, "annotation"));
  r.system->os_text = g_strdup (type);
  r.system->os_id = type != NULL ? g_strdup (appliance_os_from_vmware (type)) : NULL;
  r.system->memory = appliance_multiply (number (value (&r, "memsize"), 32), UINT64_C (1) << 20);
  r.system->cpus = (unsigned) MIN (number (value (&r, "numvcpus"), 1), G_MAXINT);
  firmware = value (&r, "firmware");
  r.system->efi = firmware != NULL && g_ascii_strcasecmp (firmware, "efi") == 0;
  saved = value (&r, "checkpoint.vmstate");
  if (saved != NULL && *saved != '\0')
    appliance_note (r.system, _ ("its saved state stays behind: it starts as if its power had been cut"));
  read_adapters (&r);
  if (!read_drives (&r, error))
    return FALSE;
  read_floppies (&r);
  return TRUE;
}
