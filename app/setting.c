/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A machine's settings as KEY=VALUE: reading them into a record, and writing a record out again. */

#include "app/cli.h"
#include "app/forwards.h"
#include "app/json.h"
#include "app/sizes.h"
#include "storage/disk/disk.h"

#include <glib/gi18n.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const kind_names[] = { "disk", "cdrom", "floppy" };

char *
existing_file (const char *path, GError **error)
{
  g_autofree char *absolute = g_canonicalize_filename (path, NULL);
  struct stat info;
  int failed = 0;

  /* Whether the server has it is found when it is opened. */
  if (disk_is_remote (path))
    return g_strdup (path);
  if (stat (absolute, &info) != 0 || access (absolute, R_OK) != 0)
    failed = errno;
  else if (S_ISDIR (info.st_mode))
    failed = EISDIR;
  else if (!S_ISREG (info.st_mode) && !S_ISBLK (info.st_mode))
    {
      g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL, _("“%s”: it is not a file"), absolute);
      return NULL;
    }
  if (!failed)
    return g_steal_pointer (&absolute);
  g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (failed), _("“%s”: %s"), absolute, g_strerror (failed));
  return NULL;
}

static gboolean
set_text (char **field, const char *value)
{
  g_free (*field);
  *field = *value != '\0' ? g_strdup (value) : NULL;
  return TRUE;
}

static gboolean
set_os (LibraryMachine *machine, const char *value, GError **error)
{
  for (const char *p = value; *p != '\0'; p++)
    if (!g_ascii_isalnum (*p) && !strchr (".-_", *p))
      return usage_error (error, _("os %s: must be an operating system's short name such as debian12"), value);
  return set_text (&machine->os_id, value);
}

static gboolean
set_memory (LibraryMachine *machine, const char *value, GError **error)
{
  guint64 bytes;

  if (!parse_size_option ("memory", value, &bytes, error))
    return FALSE;
  machine->memory = bytes;
  return TRUE;
}

static gboolean
set_code_cache (LibraryMachine *machine, const char *value, GError **error)
{
  guint64 bytes;

  if (!parse_size_option ("code-cache", value, &bytes, error))
    return FALSE;
  machine->code_cache = bytes;
  return TRUE;
}

static gboolean
set_cpus (LibraryMachine *machine, const char *value, GError **error)
{
  guint64 cpus;

  if (!parse_number ("cpus", value, 1, LIBRARY_MAX_CPUS, &cpus, error))
    return FALSE;
  machine->cpus = (unsigned) cpus;
  return TRUE;
}

static gboolean
set_clock (LibraryMachine *machine, const char *value, GError **error)
{
  if (strcmp (value, "utc") != 0 && strcmp (value, "local") != 0)
    return usage_error (error, _("clock %s: must be utc or local"), value);
  machine->rtc_utc = strcmp (value, "utc") == 0;
  return TRUE;
}

/* “every:30m”, “every:2h”, “every:1d”: whole minutes, hours or days. */
static gboolean
parse_every (const char *word, unsigned *minutes)
{
  static const struct { char unit; unsigned minutes; } units[] = { { 'm', 1 }, { 'h', 60 }, { 'd', 24 * 60 } };
  const char *text = word + strlen ("every:");
  char *end = NULL;
  guint64 number;

  if (!g_str_has_prefix (word, "every:") || !g_ascii_isdigit (*text))
    return FALSE;
  number = g_ascii_strtoull (text, &end, 10);
  for (unsigned i = 0; i < G_N_ELEMENTS (units); i++)
    if (end[0] == units[i].unit && end[1] == '\0' && number >= 1 && number <= LIBRARY_AUTOMATIC_EVERY_MAX / units[i].minutes)
      {
        *minutes = (unsigned) number * units[i].minutes;
        return TRUE;
      }
  return FALSE;
}

/* “off”, or of “before-disc” and “every:TIME” one or both. */
static gboolean
set_automatic (LibraryMachine *machine, const char *value, GError **error)
{
  g_auto (GStrv) words = g_strsplit (value, ",", -1);
  gboolean before_disc = FALSE;
  unsigned every = 0;

  if (*value == '\0')
    return usage_error (error, _("auto-snapshots: must be off, before-disc, every:TIME or before-disc,every:TIME"));
  for (char **word = words; *word; word++)
    if (strcmp (*word, "before-disc") == 0)
      before_disc = TRUE;
    else if ((strcmp (*word, "off") != 0 || words[1] != NULL) && (every != 0 || !parse_every (*word, &every)))
      return usage_error (error, _("auto-snapshots %s: must be off, before-disc, every:TIME or before-disc,every:TIME, "
                                   "with TIME as in 30m, 2h or 1d, at most %dd"),
                          value, LIBRARY_AUTOMATIC_EVERY_MAX / (24 * 60));
  machine->automatic.before_disc = before_disc;
  machine->automatic.every = every;
  return TRUE;
}

static gboolean
set_automatic_keep (LibraryMachine *machine, const char *value, GError **error)
{
  guint64 keep;

  if (!parse_number ("auto-snapshots-keep", value, 1, LIBRARY_AUTOMATIC_KEEP_MAX, &keep, error))
    return FALSE;
  machine->automatic.keep = (unsigned) keep;
  return TRUE;
}

static gboolean
set_automatic_space (LibraryMachine *machine, const char *value, GError **error)
{
  guint64 bytes;

  if (!parse_size_option ("auto-snapshots-space", value, &bytes, error))
    return FALSE;
  machine->automatic.space = bytes;
  return TRUE;
}

/* As set_automatic() takes it. Caller frees. */
static char *
format_automatic (const LibraryAutomatic *automatic)
{
  static const struct { char unit; unsigned minutes; } units[] = { { 'd', 24 * 60 }, { 'h', 60 }, { 'm', 1 } };
  GString *text = g_string_new (automatic->before_disc ? "before-disc" : NULL);
  unsigned i = 0;

  if (automatic->every != 0)
    {
      while (automatic->every % units[i].minutes != 0)
        i++;
      g_string_append_printf (text, "%severy:%u%c", text->len > 0 ? "," : "", automatic->every / units[i].minutes,
                              units[i].unit);
    }
  if (text->len == 0)
    g_string_append (text, "off");
  return g_string_free (text, FALSE);
}

LibraryAttachment *
setting_add_cd_drive (LibraryMachine *machine, LibraryController controller)
{
  if (controller == LIBRARY_CONTROLLER_AHCI || controller == LIBRARY_CONTROLLER_SCSI)
    return library_machine_add_attachment (machine, controller, 1, LIBRARY_MEDIUM_OPTICAL, NULL, NULL);
  /* CDs prefer the secondary channel, so that disks keep the primary one to themselves. */
  return library_machine_add_attachment (machine, LIBRARY_CONTROLLER_IDE, 2, LIBRARY_MEDIUM_OPTICAL, NULL, NULL);
}

/* @value: a file, or “none” for an empty drive. */
static gboolean
set_medium (LibraryMachine *machine, LibraryMediumKind kind, const char *value, GError **error)
{
  LibraryAttachment *drive = library_machine_find_drive (machine, kind);
  gboolean empty = strcmp (value, "none") == 0;
  g_autofree char *path = empty ? NULL : existing_file (value, error);

  if (!empty && !path)
    return FALSE;
  if (!drive && kind == LIBRARY_MEDIUM_OPTICAL)
    drive = setting_add_cd_drive (machine, LIBRARY_CONTROLLER_IDE);
  if (!drive)
    drive = library_machine_add_drive (machine, kind == LIBRARY_MEDIUM_FLOPPY ? LIBRARY_CONTROLLER_FLOPPY
                                                                              : LIBRARY_CONTROLLER_IDE,
                                       kind, NULL, NULL);
  if (!drive)
    {
      g_set_error_literal (error, LIBRARY_ERROR, LIBRARY_ERROR_INVALID, _("no place is left for another drive"));
      return FALSE;
    }
  library_attachment_set_path (drive, path, NULL);
  return TRUE;
}

static gboolean
is_disc (const char *value)
{
  return strcmp (value, "cdrom") == 0 || g_str_has_prefix (value, "cdrom:");
}

/* “none”, “cdrom”, “cdrom:FILE” or a disk's file. */
static gboolean
set_drive (LibraryMachine *machine, LibraryController controller, unsigned unit, const char *value, GError **error)
{
  LibraryAttachment *old = library_machine_find_attachment (machine, controller, unit);
  gboolean cdrom = is_disc (value);
  const char *file = cdrom ? (value[5] == ':' ? value + 6 : NULL) : strcmp (value, "none") != 0 ? value : NULL;
  g_autofree char *path = NULL;

  if (file && !(path = existing_file (file, error)))
    return FALSE;
  if (old)
    g_ptr_array_remove (machine->attachments, old);
  if (cdrom || file)
    library_machine_add_attachment (machine, controller, unit,
                                    cdrom ? LIBRARY_MEDIUM_OPTICAL : LIBRARY_MEDIUM_DISK, path, NULL);
  return TRUE;
}

/* “ide0-cache”, “virtio3-trust”: of a disk that is there. */
static gboolean
parse_disk_key (const char *key, LibraryController *controller, unsigned *unit, const char **detail)
{
  const char *dash = strchr (key, '-');
  g_autofree char *slot = dash ? g_strndup (key, dash - key) : NULL;

  *detail = dash ? dash + 1 : NULL;
  return dash && (strcmp (*detail, "cache") == 0 || strcmp (*detail, "trust") == 0) &&
         library_slot_parse (slot, controller, unit) && *controller != LIBRARY_CONTROLLER_FLOPPY;
}

static gboolean
set_disk_detail (LibraryMachine *machine, const char *key, LibraryController controller, unsigned unit,
                 const char *detail, const char *value, GError **error)
{
  LibraryAttachment *drive = library_machine_find_attachment (machine, controller, unit);
  gboolean is_cache = strcmp (detail, "cache") == 0;
  const char *off = is_cache ? "writeback" : "off", *on = is_cache ? "none" : "on";

  if (!drive || drive->kind != LIBRARY_MEDIUM_DISK)
    {
      g_set_error (error, LIBRARY_ERROR, LIBRARY_ERROR_INVALID, _("%s: there is no disk"), key);
      return FALSE;
    }
  if (strcmp (value, off) != 0 && strcmp (value, on) != 0)
    return usage_error (error, _("%s %s: must be %s or %s"), key, value, off, on);
  *(is_cache ? &drive->no_cache : &drive->trusted) = strcmp (value, on) == 0;
  return TRUE;
}

static gboolean
set_nic (LibraryMachine *machine, unsigned slot, const char *value, GError **error)
{
  LibraryAdapter *adapter = library_machine_find_adapter (machine, slot);
  LibraryNetKind kind;
  g_autofree char *param = NULL, *name = g_strdup_printf ("nic%u", slot + 1);

  if (!parse_net (name, value, &kind, &param, error))
    return FALSE;
  if (kind == LIBRARY_NET_NONE)
    {
      if (adapter)
        g_ptr_array_remove (machine->adapters, adapter);
      return TRUE;
    }
  if (!adapter)
    adapter = library_machine_add_adapter (machine, slot, kind);
  adapter->kind = kind;
  g_free (adapter->param);
  adapter->param = g_steal_pointer (&param);
  return TRUE;
}

static gboolean
set_nic_detail (LibraryMachine *machine, unsigned slot, const char *detail, const char *value, GError **error)
{
  LibraryAdapter *adapter = library_machine_find_adapter (machine, slot);

  if (!adapter)
    {
      g_set_error (error, LIBRARY_ERROR, LIBRARY_ERROR_INVALID, _("there is no network adapter %u"), slot + 1);
      return FALSE;
    }
  if (strcmp (detail, "model") == 0)
    return set_text (&adapter->model, *value ? value : "e1000");
  if (strcmp (detail, "mac") == 0)
    {
      if (strlen (value) >= sizeof adapter->mac)
        return usage_error (error, _("nic%u-mac %s: must be six bytes such as 08:00:27:12:34:56"), slot + 1, value);
      g_strlcpy (adapter->mac, value, sizeof adapter->mac);
      return TRUE;
    }
  if (strcmp (value, "on") != 0 && strcmp (value, "off") != 0)
    return usage_error (error, _("nic%u-cable %s: must be on or off"), slot + 1, value);
  adapter->cable = strcmp (value, "on") == 0;
  return TRUE;
}

/* “nic1” … “nic8” and what follows a dash, NULL when nothing does. */
static gboolean
parse_nic_key (const char *key, unsigned *slot, const char **detail)
{
  if (!g_str_has_prefix (key, "nic") || key[3] < '1' || key[3] > '0' + LIBRARY_MAX_ADAPTERS)
    return FALSE;
  *slot = (unsigned) (key[3] - '1');
  *detail = key[4] == '-' ? key + 5 : NULL;
  return key[4] == '\0' || g_strv_contains ((const char *const[]) { "model", "mac", "cable", NULL }, key + 5);
}

gboolean
setting_apply (LibraryMachine *machine, const char *key, const char *value, GError **error)
{
  LibraryController controller;
  unsigned slot;
  const char *detail;

  if (strcmp (key, "name") == 0)
    {
      g_free (machine->name);
      machine->name = g_strdup (value);
      return TRUE;
    }
  if (strcmp (key, "description") == 0)
    return set_text (&machine->description, value);
  if (strcmp (key, "os") == 0)
    return set_os (machine, value, error);
  if (strcmp (key, "memory") == 0)
    return set_memory (machine, value, error);
  if (strcmp (key, "cpus") == 0)
    return set_cpus (machine, value, error);
  if (strcmp (key, "cpu-model") == 0)
    return set_text (&machine->cpu_model, strcmp (value, "default") == 0 ? "" : value);
  if (strcmp (key, "code-cache") == 0)
    return set_code_cache (machine, value, error);
  if (strcmp (key, "accel") == 0)
    return set_text (&machine->accel, value);
  if (strcmp (key, "firmware") == 0)
    return set_text (&machine->firmware, value);
  if (strcmp (key, "chipset") == 0)
    return set_text (&machine->chipset, value);
  if (strcmp (key, "boot") == 0)
    return library_boot_parse (value, machine->boot, error);
  if (strcmp (key, "clock") == 0)
    return set_clock (machine, value, error);
  if (strcmp (key, "auto-snapshots") == 0)
    return set_automatic (machine, value, error);
  if (strcmp (key, "auto-snapshots-keep") == 0)
    return set_automatic_keep (machine, value, error);
  if (strcmp (key, "auto-snapshots-space") == 0)
    return set_automatic_space (machine, value, error);
  if (strcmp (key, "iso") == 0)
    return set_medium (machine, LIBRARY_MEDIUM_OPTICAL, value, error);
  if (strcmp (key, "floppy") == 0)
    return set_medium (machine, LIBRARY_MEDIUM_FLOPPY, value, error);
  if (library_slot_parse (key, &controller, &slot) && controller != LIBRARY_CONTROLLER_FLOPPY)
    return set_drive (machine, controller, slot, value, error);
  if (parse_disk_key (key, &controller, &slot, &detail))
    return set_disk_detail (machine, key, controller, slot, detail, value, error);
  if (parse_nic_key (key, &slot, &detail))
    return detail ? set_nic_detail (machine, slot, detail, value, error) : set_nic (machine, slot, value, error);
  return usage_error (error, _("there is no setting “%s”"), key);
}

/* Of “ahci3=FILE” and its like: discs change, and disks come and go where the controller can tell the guest. */
static SettingScope
drive_scope (const LibraryMachine *machine, LibraryController controller, unsigned unit, const char *value)
{
  const LibraryAttachment *drive = library_machine_find_attachment (machine, controller, unit);
  gboolean is_optical = drive && drive->kind == LIBRARY_MEDIUM_OPTICAL;

  if (is_optical && is_disc (value))
    return SETTING_MEDIUM;
  if (is_optical || is_disc (value))
    return SETTING_OFF_ONLY;
  return controller == LIBRARY_CONTROLLER_AHCI || controller == LIBRARY_CONTROLLER_SCSI ? SETTING_DISK : SETTING_OFF_ONLY;
}

SettingScope
setting_scope (const LibraryMachine *machine, const char *key, const char *value, char **slot)
{
  LibraryMediumKind kind = strcmp (key, "floppy") == 0 ? LIBRARY_MEDIUM_FLOPPY : LIBRARY_MEDIUM_OPTICAL;
  LibraryAttachment *drive;
  LibraryController controller;
  unsigned nic, unit;
  const char *detail;

  if (g_strv_contains ((const char *const[]) { "name", "description", "os", "auto-snapshots", "auto-snapshots-keep",
                                               "auto-snapshots-space", NULL }, key))
    return SETTING_RECORD_ONLY;
  if (parse_nic_key (key, &nic, &detail) && g_strcmp0 (detail, "cable") == 0)
    {
      *slot = g_strdup_printf ("%u", nic);
      return SETTING_CABLE;
    }
  if (library_slot_parse (key, &controller, &unit) && controller != LIBRARY_CONTROLLER_FLOPPY)
    {
      *slot = g_strdup (key);
      return drive_scope (machine, controller, unit, value);
    }
  if (strcmp (key, "iso") != 0 && strcmp (key, "floppy") != 0)
    return SETTING_OFF_ONLY;
  drive = library_machine_find_drive (machine, kind);
  if (!drive)
    return SETTING_OFF_ONLY;
  *slot = library_attachment_slot (drive);
  return SETTING_MEDIUM;
}

static char *
format_created (const LibraryMachine *machine)
{
  g_autoptr (GDateTime) time = g_date_time_new_from_unix_utc (machine->created);

  return time ? g_date_time_format_iso8601 (time) : NULL;
}

static void
describe_drive (GString *text, const LibraryAttachment *drive)
{
  g_autofree char *slot = library_attachment_slot (drive);
  g_autofree char *path = drive->path ? disk_shown_path (drive->path) : NULL;

  g_string_append_printf (text, "%s: %s %s", slot, kind_names[drive->kind], path ? path : "(empty)");
  if (drive->path && drive->format)
    g_string_append_printf (text, " (%s)", drive->format);
  if (drive->no_cache)
    g_string_append (text, ", cache none");
  if (drive->trusted)
    g_string_append (text, ", trusted");
  g_string_append_c (text, '\n');
}

static void
describe_adapter (GString *text, const LibraryAdapter *adapter)
{
  g_string_append_printf (text, "nic%u: %s%s%s, %s, %s, cable %s\n", adapter->slot + 1, net_kind_name (adapter->kind),
                          adapter->param ? ":" : "", adapter->param ? adapter->param : "", adapter->model, adapter->mac,
                          adapter->cable ? "on" : "off");
  for (unsigned i = 0; i < adapter->forwards->len; i++)
    {
      g_autofree char *rule = forward_describe (g_ptr_array_index (adapter->forwards, i));

      g_string_append_printf (text, "nic%u forward: %s\n", adapter->slot + 1, rule);
    }
}

char *
setting_describe (const LibraryMachine *machine, const SettingStatus *status)
{
  GString *text = g_string_new (NULL);
  g_autofree char *memory = cli_size_format (machine->memory), *boot = library_boot_format (machine->boot);
  g_autofree char *created = format_created (machine), *code_cache = cli_size_format (machine->code_cache);
  g_autofree char *automatic = format_automatic (&machine->automatic),
                  *keep = g_strdup_printf ("%u", machine->automatic.keep),
                  *space = cli_size_format (machine->automatic.space);
  const struct { const char *key, *value; } lines[] = {
    { "name", machine->name }, { "uuid", machine->uuid }, { "state", library_state_name (status->state) },
    { "message", status->message },
    { "snapshot", status->snapshot }, { "test-drive", status->in_drive ? "yes" : NULL }, { "description", machine->description }, { "os", machine->os_id }, { "memory", memory },
  }, more[] = {
    { "cpu-model", machine->cpu_model ? machine->cpu_model : "default" }, { "accel", machine->accel },
    { "code-cache", code_cache }, { "firmware", machine->firmware }, { "chipset", machine->chipset }, { "boot", boot },
    { "clock", machine->rtc_utc ? "utc" : "local" }, { "auto-snapshots", automatic }, { "auto-snapshots-keep", keep },
    { "auto-snapshots-space", space }, { "folder", machine->folder }, { "created", created },
  };

  for (unsigned i = 0; i < G_N_ELEMENTS (lines); i++)
    if (lines[i].value)
      g_string_append_printf (text, "%s: %s\n", lines[i].key, lines[i].value);
  g_string_append_printf (text, "cpus: %u\n", machine->cpus);
  for (unsigned i = 0; i < G_N_ELEMENTS (more); i++)
    if (more[i].value)
      g_string_append_printf (text, "%s: %s\n", more[i].key, more[i].value);
  for (unsigned i = 0; i < machine->attachments->len; i++)
    describe_drive (text, g_ptr_array_index (machine->attachments, i));
  for (unsigned i = 0; i < machine->adapters->len; i++)
    describe_adapter (text, g_ptr_array_index (machine->adapters, i));
  return g_string_free (text, FALSE);
}

static void
describe_drives_json (Json *json, const LibraryMachine *machine)
{
  json_open (json, "drives", '[');
  for (unsigned i = 0; i < machine->attachments->len; i++)
    {
      const LibraryAttachment *drive = g_ptr_array_index (machine->attachments, i);
      g_autofree char *slot = library_attachment_slot (drive);
      g_autofree char *path = drive->path ? disk_shown_path (drive->path) : NULL;

      json_open (json, NULL, '{');
      json_string (json, "slot", slot);
      json_string (json, "kind", kind_names[drive->kind]);
      json_string (json, "path", path);
      json_string (json, "format", drive->format);
      if (drive->kind == LIBRARY_MEDIUM_DISK)
        {
          json_string (json, "cache", drive->no_cache ? "none" : "writeback");
          json_bool (json, "trust", drive->trusted);
        }
      json_close (json, '}');
    }
  json_close (json, ']');
}

static void
describe_adapters_json (Json *json, const LibraryMachine *machine)
{
  json_open (json, "adapters", '[');
  for (unsigned i = 0; i < machine->adapters->len; i++)
    {
      const LibraryAdapter *adapter = g_ptr_array_index (machine->adapters, i);

      json_open (json, NULL, '{');
      json_uint (json, "nic", adapter->slot + 1);
      json_string (json, "attachment", net_kind_name (adapter->kind));
      json_string (json, "param", adapter->param);
      json_string (json, "model", adapter->model);
      json_string (json, "mac", adapter->mac);
      json_bool (json, "cable", adapter->cable);
      json_open (json, "forwards", '[');
      for (unsigned j = 0; j < adapter->forwards->len; j++)
        {
          g_autofree char *rule = forward_describe (g_ptr_array_index (adapter->forwards, j));

          json_string (json, NULL, rule);
        }
      json_close (json, ']');
      json_close (json, '}');
    }
  json_close (json, ']');
}

char *
setting_describe_json (const LibraryMachine *machine, const SettingStatus *status)
{
  g_autofree char *boot = library_boot_format (machine->boot), *created = format_created (machine);
  g_autofree char *automatic = format_automatic (&machine->automatic);
  Json json;

  json_begin (&json);
  json_open (&json, NULL, '{');
  json_string (&json, "name", machine->name);
  json_string (&json, "uuid", machine->uuid);
  json_string (&json, "state", library_state_name (status->state));
  json_string (&json, "message", status->message);
  json_string (&json, "snapshot", status->snapshot);
  json_bool (&json, "test-drive", status->in_drive);
  json_string (&json, "description", machine->description);
  json_string (&json, "os", machine->os_id);
  json_uint (&json, "memory", machine->memory);
  json_uint (&json, "cpus", machine->cpus);
  json_string (&json, "cpu-model", machine->cpu_model);
  json_string (&json, "accel", machine->accel);
  json_uint (&json, "code-cache", machine->code_cache);
  json_string (&json, "firmware", machine->firmware);
  json_string (&json, "chipset", machine->chipset);
  json_string (&json, "boot", boot);
  json_string (&json, "clock", machine->rtc_utc ? "utc" : "local");
  json_string (&json, "auto-snapshots", automatic);
  json_uint (&json, "auto-snapshots-keep", machine->automatic.keep);
  json_uint (&json, "auto-snapshots-space", machine->automatic.space);
  json_string (&json, "folder", machine->folder);
  json_string (&json, "created", created);
  describe_drives_json (&json, machine);
  describe_adapters_json (&json, machine);
  json_close (&json, '}');
  return json_end (&json);
}
