/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A machine's settings as text: a dictionary, so that what an older or newer Bunshin wrote can be read as far as it is
 * known. Disks' paths are not in it: those are the library's to know; and neither is when automatic snapshots are taken. Spec: GLib, “GVariant Text Format”.
 */

#include "storage/snapshot/snapshot-private.h"

#include <glib/gi18n-lib.h>
#include <string.h>

static void
add_text (GVariantBuilder *builder, const char *key, const char *text)
{
  if (text)
    g_variant_builder_add (builder, "{sv}", key, g_variant_new_string (text));
}

static void
add_bool (GVariantBuilder *builder, const char *key, gboolean value)
{
  g_variant_builder_add (builder, "{sv}", key, g_variant_new_boolean (value != FALSE));
}

static void
add_number (GVariantBuilder *builder, const char *key, uint64_t value)
{
  g_variant_builder_add (builder, "{sv}", key, g_variant_new_uint64 (value));
}

static GVariant *
attachments_to_variant (const LibraryMachine *machine)
{
  GVariantBuilder all;

  g_variant_builder_init (&all, G_VARIANT_TYPE ("aa{sv}"));
  for (unsigned i = 0; i < machine->attachments->len; i++)
    {
      const LibraryAttachment *drive = machine->attachments->pdata[i];

      g_variant_builder_open (&all, G_VARIANT_TYPE_VARDICT);
      add_text (&all, "controller", library_controller_name (drive->controller));
      add_number (&all, "unit", drive->unit);
      add_text (&all, "kind", library_medium_kind_name (drive->kind));
      if (drive->kind != LIBRARY_MEDIUM_DISK)
        {
          add_text (&all, "path", drive->path);
          add_text (&all, "format", drive->format);
        }
      add_bool (&all, "no-cache", drive->no_cache);
      add_bool (&all, "trusted", drive->trusted);
      g_variant_builder_close (&all);
    }
  return g_variant_builder_end (&all);
}

static void
add_forwards (GVariantBuilder *builder, const LibraryAdapter *adapter)
{
  GVariantBuilder all;

  g_variant_builder_init (&all, G_VARIANT_TYPE ("aa{sv}"));
  for (unsigned i = 0; i < adapter->forwards->len; i++)
    {
      const LibraryForward *forward = adapter->forwards->pdata[i];

      g_variant_builder_open (&all, G_VARIANT_TYPE_VARDICT);
      add_bool (&all, "udp", forward->udp);
      add_text (&all, "host-address", forward->host_address);
      add_number (&all, "host-port", forward->host_port);
      add_text (&all, "guest-address", forward->guest_address);
      add_number (&all, "guest-port", forward->guest_port);
      g_variant_builder_close (&all);
    }
  g_variant_builder_add (builder, "{sv}", "forwards", g_variant_builder_end (&all));
}

static GVariant *
adapters_to_variant (const LibraryMachine *machine)
{
  GVariantBuilder all;

  g_variant_builder_init (&all, G_VARIANT_TYPE ("aa{sv}"));
  for (unsigned i = 0; i < machine->adapters->len; i++)
    {
      const LibraryAdapter *adapter = machine->adapters->pdata[i];

      g_variant_builder_open (&all, G_VARIANT_TYPE_VARDICT);
      add_number (&all, "slot", adapter->slot);
      add_text (&all, "model", adapter->model);
      add_text (&all, "mac", adapter->mac);
      add_text (&all, "kind", library_net_kind_name (adapter->kind));
      add_text (&all, "param", adapter->param);
      add_bool (&all, "cable", adapter->cable);
      add_forwards (&all, adapter);
      g_variant_builder_close (&all);
    }
  return g_variant_builder_end (&all);
}

char *
snapshot_settings_format (const LibraryMachine *machine)
{
  g_autofree char *boot = library_boot_format (machine->boot);
  g_autoptr (GVariant) settings = NULL;
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE_VARDICT);
  add_text (&builder, "description", machine->description);
  add_text (&builder, "os-id", machine->os_id);
  add_number (&builder, "memory", machine->memory);
  add_number (&builder, "cpus", machine->cpus);
  add_text (&builder, "cpu-model", machine->cpu_model);
  add_text (&builder, "accel", machine->accel);
  add_number (&builder, "code-cache", machine->code_cache);
  add_text (&builder, "firmware", machine->firmware);
  add_text (&builder, "chipset", machine->chipset);
  add_text (&builder, "boot", boot);
  add_bool (&builder, "rtc-utc", machine->rtc_utc);
  g_variant_builder_add (&builder, "{sv}", "attachments", attachments_to_variant (machine));
  g_variant_builder_add (&builder, "{sv}", "adapters", adapters_to_variant (machine));
  settings = g_variant_ref_sink (g_variant_builder_end (&builder));
  return g_variant_print (settings, TRUE);
}

/* The word or NULL; caller frees. */
static char *
get_text (GVariant *dict, const char *key)
{
  char *text = NULL;

  g_variant_lookup (dict, key, "s", &text);
  return text;
}

static void
take_text (GVariant *dict, const char *key, char **text)
{
  char *found = get_text (dict, key);

  if (!found)
    return;
  g_free (*text);
  *text = found;
}

/* @most: a larger one is as if it were not there. */
static uint64_t
get_number (GVariant *dict, const char *key, uint64_t fallback, uint64_t most)
{
  guint64 number = fallback;

  return g_variant_lookup (dict, key, "t", &number) && number <= most ? number : fallback;
}

static gboolean
get_bool (GVariant *dict, const char *key)
{
  gboolean value = FALSE;

  return g_variant_lookup (dict, key, "b", &value) && value;
}

static gboolean
not_understood (const char *key, GError **error)
{
  g_set_error (error, LIBRARY_ERROR, LIBRARY_ERROR_FAILED,
               _("the snapshot's settings cannot be understood: “%s” is wrong"), key);
  return FALSE;
}

static gboolean
parse_medium_kind (const char *word, LibraryMediumKind *kind)
{
  for (unsigned i = LIBRARY_MEDIUM_DISK; i <= LIBRARY_MEDIUM_FLOPPY; i++)
    if (g_strcmp0 (library_medium_kind_name (i), word) == 0)
      {
        *kind = i;
        return TRUE;
      }
  return FALSE;
}

static gboolean
parse_attachment (GVariant *dict, LibraryMachine *machine, GError **error)
{
  g_autofree char *controller_name = get_text (dict, "controller"), *kind_name = get_text (dict, "kind"),
                  *path = get_text (dict, "path"), *format = get_text (dict, "format");
  uint64_t unit = get_number (dict, "unit", UINT_MAX, UINT_MAX);
  LibraryController controller;
  LibraryMediumKind kind;
  LibraryAttachment *drive;

  if (!library_controller_parse (controller_name, &controller) || unit >= library_controller_units (controller)
      || !parse_medium_kind (kind_name, &kind) || !library_controller_takes (controller, kind)
      || !(drive = library_machine_add_attachment (machine, controller, (unsigned) unit, kind, path, format)))
    return not_understood ("attachments", error);
  drive->no_cache = get_bool (dict, "no-cache");
  drive->trusted = get_bool (dict, "trusted");
  return TRUE;
}

static gboolean
parse_forwards (GVariant *dict, LibraryAdapter *adapter, GError **error)
{
  g_autoptr (GVariant) all = g_variant_lookup_value (dict, "forwards", G_VARIANT_TYPE ("aa{sv}"));
  GVariantIter iter;
  GVariant *one;

  if (!all)
    return TRUE;
  g_variant_iter_init (&iter, all);
  while ((one = g_variant_iter_next_value (&iter)))
    {
      g_autoptr (GVariant) forward = one;
      g_autofree char *host = get_text (forward, "host-address"), *guest = get_text (forward, "guest-address");
      uint64_t host_port = get_number (forward, "host-port", 0, UINT16_MAX),
               guest_port = get_number (forward, "guest-port", 0, UINT16_MAX);

      if (host_port == 0 || guest_port == 0)
        return not_understood ("forwards", error);
      library_adapter_add_forward (adapter, get_bool (forward, "udp"), host, (uint16_t) host_port, guest,
                                   (uint16_t) guest_port);
    }
  return TRUE;
}

static gboolean
parse_adapter (GVariant *dict, LibraryMachine *machine, GError **error)
{
  g_autofree char *kind_name = get_text (dict, "kind"), *mac = get_text (dict, "mac");
  LibraryNetKind kind;
  LibraryAdapter *adapter;

  if (!library_net_kind_parse (kind_name, &kind) || !mac || !library_mac_valid (mac)
      || !(adapter = library_machine_add_adapter (
               machine, (unsigned) get_number (dict, "slot", UINT_MAX, LIBRARY_MAX_ADAPTERS), kind)))
    return not_understood ("adapters", error);
  g_strlcpy (adapter->mac, mac, sizeof adapter->mac);
  take_text (dict, "model", &adapter->model);
  take_text (dict, "param", &adapter->param);
  adapter->cable = get_bool (dict, "cable");
  return parse_forwards (dict, adapter, error);
}

static gboolean
parse_all (GVariant *settings, const char *key, gboolean (*parse) (GVariant *, LibraryMachine *, GError **),
           LibraryMachine *machine, GError **error)
{
  g_autoptr (GVariant) all = g_variant_lookup_value (settings, key, G_VARIANT_TYPE ("aa{sv}"));
  GVariantIter iter;
  GVariant *one;

  if (!all)
    return not_understood (key, error);
  g_variant_iter_init (&iter, all);
  while ((one = g_variant_iter_next_value (&iter)))
    {
      g_autoptr (GVariant) dict = one;

      if (!parse (dict, machine, error))
        return FALSE;
    }
  return TRUE;
}

LibraryMachine *
snapshot_settings_parse (const char *text, const LibraryMachine *now, GError **error)
{
  g_autoptr (LibraryMachine) machine = library_machine_new (now->name);
  g_autoptr (GVariant) settings = NULL;
  g_autofree char *boot = NULL;

  settings = g_variant_parse (G_VARIANT_TYPE_VARDICT, text, NULL, NULL, NULL);
  if (!settings)
    {
      not_understood ("settings", error);
      return NULL;
    }
  machine->uuid = g_strdup (now->uuid);
  machine->folder = g_strdup (now->folder);
  machine->created = now->created;
  /* Going back does not change how the machine is looked after, nor which snapshots there is room for. */
  machine->automatic = now->automatic;
  take_text (settings, "description", &machine->description);
  take_text (settings, "os-id", &machine->os_id);
  machine->memory = get_number (settings, "memory", machine->memory, INT64_MAX);
  machine->cpus = (unsigned) get_number (settings, "cpus", machine->cpus, LIBRARY_MAX_CPUS);
  take_text (settings, "cpu-model", &machine->cpu_model);
  take_text (settings, "accel", &machine->accel);
  machine->code_cache = get_number (settings, "code-cache", machine->code_cache, INT64_MAX);
  take_text (settings, "firmware", &machine->firmware);
  take_text (settings, "chipset", &machine->chipset);
  machine->rtc_utc = get_bool (settings, "rtc-utc");
  boot = get_text (settings, "boot");
  if (machine->memory == 0 || machine->cpus == 0 || machine->code_cache == 0 || !boot
      || !library_boot_parse (boot, machine->boot, NULL))
    {
      not_understood ("boot", error);
      return NULL;
    }
  if (!parse_all (settings, "attachments", parse_attachment, machine, error)
      || !parse_all (settings, "adapters", parse_adapter, machine, error))
    return NULL;
  return g_steal_pointer (&machine);
}
