/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a machine's settings may be, and their words. */

#include "storage/library/library-private.h"

#include <glib/gi18n-lib.h>
#include <string.h>
#include <unistd.h>

static const char *const boot_names[] = { NULL, "floppy", "disk", "cdrom", "network" };

static gboolean G_GNUC_PRINTF (2, 3)
invalid (GError **error, const char *format, ...)
{
  va_list args;
  g_autofree char *message = NULL;

  va_start (args, format);
  message = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error_literal (error, LIBRARY_ERROR, LIBRARY_ERROR_INVALID, message);
  return FALSE;
}

uint64_t
library_host_memory (void)
{
  return (uint64_t) sysconf (_SC_PHYS_PAGES) * (uint64_t) sysconf (_SC_PAGESIZE);
}

gboolean
library_name_validate (const char *name, GError **error)
{
  if (name == NULL || *name == '\0')
    return invalid (error, _("a machine's name must not be empty"));
  if (strlen (name) > LIBRARY_NAME_MAX)
    return invalid (error, _("a machine's name must have at most %d bytes; this one has %zu"), LIBRARY_NAME_MAX,
                    strlen (name));
  if (!g_utf8_validate (name, -1, NULL))
    return invalid (error, _("a machine's name must be UTF-8"));

  for (const char *p = name; *p != '\0'; p = g_utf8_next_char (p))
    {
      gunichar c = g_utf8_get_char (p);
      gboolean at_end = p == name || *g_utf8_next_char (p) == '\0';

      if (g_unichar_iscntrl (c) || c == 0x2028 || c == 0x2029)
        return invalid (error, _("a machine's name must not have control characters"));
      if (at_end && g_unichar_isspace (c))
        return invalid (error, _("a machine's name must not begin or end with a space"));
    }
  return TRUE;
}

char *
library_safe_name (const char *name)
{
  const size_t longest = 60;
  GString *safe = g_string_new (NULL);

  for (const char *p = name; *p != '\0'; p = g_utf8_next_char (p))
    {
      gunichar c = g_utf8_get_char (p);
      gboolean plain = g_unichar_isalnum (c) || c == '_' || (safe->len > 0 && (c == '-' || c == '.' || c == ' '));

      if (safe->len + 6 > longest)
        break;
      g_string_append_unichar (safe, plain ? c : '_');
    }
  while (safe->len > 0 && strchr (" .", safe->str[safe->len - 1]))
    g_string_truncate (safe, safe->len - 1);
  return g_string_free (safe, FALSE);
}

gboolean
library_mac_valid (const char *mac)
{
  if (strlen (mac) != 17)
    return FALSE;
  for (int i = 0; i < 17; i++)
    if (i % 3 == 2 ? mac[i] != ':' : !g_ascii_isxdigit (mac[i]))
      return FALSE;
  return (g_ascii_xdigit_value (mac[1]) & 1) == 0;
}

gboolean
library_boot_parse (const char *text, LibraryBoot boot[LIBRARY_MAX_BOOT], GError **error)
{
  g_auto (GStrv) words = g_strsplit (text, ",", -1);
  LibraryBoot order[LIBRARY_MAX_BOOT] = { LIBRARY_BOOT_NONE };
  unsigned count = 0;

  for (unsigned i = 0; words[i] != NULL; i++)
    {
      LibraryBoot device = LIBRARY_BOOT_NONE;

      for (unsigned j = 1; j < G_N_ELEMENTS (boot_names); j++)
        if (strcmp (words[i], boot_names[j]) == 0)
          device = j;
      if (device == LIBRARY_BOOT_NONE)
        return invalid (error, _("boot order “%s”: “%s” is none of floppy, disk, cdrom, network"), text, words[i]);
      for (unsigned j = 0; j < count; j++)
        if (order[j] == device)
          return invalid (error, _("boot order “%s”: %s is named twice"), text, words[i]);
      order[count++] = device;
    }
  if (count == 0)
    return invalid (error, _("the boot order must name at least one of floppy, disk, cdrom, network"));
  memcpy (boot, order, sizeof order);
  return TRUE;
}

char *
library_boot_format (const LibraryBoot boot[LIBRARY_MAX_BOOT])
{
  GString *text = g_string_new (NULL);

  for (unsigned i = 0; i < LIBRARY_MAX_BOOT && boot[i] != LIBRARY_BOOT_NONE; i++)
    g_string_append_printf (text, "%s%s", i > 0 ? "," : "", boot_names[boot[i]]);
  return g_string_free (text, FALSE);
}

static gboolean
attachment_validate (const LibraryMachine *machine, const LibraryAttachment *attachment, GError **error)
{
  g_autofree char *slot = library_attachment_slot (attachment);

  if (attachment->unit >= library_controller_units (attachment->controller))
    return invalid (error, _("%s: there is no such drive"), slot);
  if (!library_controller_takes (attachment->controller, attachment->kind))
    return invalid (error, _("%s: this kind of drive does not fit its controller"), slot);
  if (attachment->path == NULL)
    return attachment->kind != LIBRARY_MEDIUM_DISK || invalid (error, _("%s: a disk needs an image"), slot);
  /* An address of a disk on a server is one for whoever opens it. */
  if (!g_path_is_absolute (attachment->path) && g_uri_peek_scheme (attachment->path) == NULL)
    return invalid (error, _("%s: “%s” is not an absolute path"), slot, attachment->path);

  for (unsigned i = 0; i < machine->attachments->len; i++)
    {
      const LibraryAttachment *other = g_ptr_array_index (machine->attachments, i);

      if (other == attachment)
        break;
      if (other->path && strcmp (other->path, attachment->path) == 0 && attachment->kind != LIBRARY_MEDIUM_OPTICAL)
        {
          g_autofree char *place = library_attachment_slot (other);

          /* Not the path: an address may have a password in it. */
          return invalid (error, _("%s: its image is attached as %s already"), slot, place);
        }
    }
  return TRUE;
}

static gboolean
adapter_validate (const LibraryAdapter *adapter, GError **error)
{
  if (adapter->slot >= LIBRARY_MAX_ADAPTERS)
    return invalid (error, _("there are at most %d network adapters"), LIBRARY_MAX_ADAPTERS);
  if (strcmp (adapter->model, "e1000") != 0)
    return invalid (error, _("network adapter %u: “%s” is no known model: e1000 is"), adapter->slot + 1,
                    adapter->model);
  if (adapter->mac[0] != '\0' && !library_mac_valid (adapter->mac))
    return invalid (error, _("network adapter %u: “%s” is no adapter's MAC address"), adapter->slot + 1, adapter->mac);

  for (unsigned i = 0; i < adapter->forwards->len; i++)
    {
      const LibraryForward *forward = g_ptr_array_index (adapter->forwards, i);

      if (adapter->kind != LIBRARY_NET_NAT)
        return invalid (error, _("network adapter %u: ports are forwarded by NAT only"), adapter->slot + 1);
      if (forward->host_port == 0 || forward->guest_port == 0)
        return invalid (error, _("network adapter %u: a port is 1 to 65535"), adapter->slot + 1);
    }
  return TRUE;
}

static gboolean
one_of (GError **error, const char *what, const char *value, const char *const *words)
{
  g_autofree char *list = NULL;

  if (value != NULL && g_strv_contains (words, value))
    return TRUE;
  list = g_strjoinv (_(" or "), (char **) words);
  return invalid (error, _("%s “%s”: must be %s"), _(what), value ? value : "", list);
}

#define CODE_CACHE_MIN (UINT64_C (16) << 20)
#define CODE_CACHE_MAX (UINT64_C (4) << 30)

static gboolean
automatic_validate (const LibraryAutomatic *automatic, GError **error)
{
  if (automatic->every > LIBRARY_AUTOMATIC_EVERY_MAX)
    return invalid (error, _("automatic snapshots are at most %d days apart"), LIBRARY_AUTOMATIC_EVERY_MAX / (24 * 60));
  if (automatic->keep < 1 || automatic->keep > LIBRARY_AUTOMATIC_KEEP_MAX)
    return invalid (error, _("1 to %d automatic snapshots are kept, not %u"), LIBRARY_AUTOMATIC_KEEP_MAX, automatic->keep);
  if (automatic->space < LIBRARY_AUTOMATIC_SPACE_MIN || automatic->space > LIBRARY_AUTOMATIC_SPACE_MAX)
    return invalid (error, _("the space for automatic snapshots is 1 MiB to 1024 TiB"));
  return TRUE;
}

gboolean
library_machine_validate (const LibraryMachine *machine, GError **error)
{
  uint64_t host = library_host_memory ();

  if (!library_name_validate (machine->name, error))
    return FALSE;
  if (machine->memory < LIBRARY_MIN_MEMORY || machine->memory % (1 << 20) != 0)
    return invalid (error, _("memory must be whole MiB, at least %u"), (unsigned) (LIBRARY_MIN_MEMORY >> 20));
  if (machine->memory > host)
    return invalid (error,
                    _("%llu MiB of memory are more than this computer's %llu MiB"),
                    (unsigned long long) machine->memory >> 20, (unsigned long long) host >> 20);
  if (machine->cpus < 1 || machine->cpus > LIBRARY_MAX_CPUS)
    return invalid (error, _("a machine has 1 to %d processors, not %u"), LIBRARY_MAX_CPUS, machine->cpus);
  if (machine->code_cache < CODE_CACHE_MIN || machine->code_cache > CODE_CACHE_MAX)
    return invalid (error, _("the cache of translated code has %u to %u MiB"), (unsigned) (CODE_CACHE_MIN >> 20),
                    (unsigned) (CODE_CACHE_MAX >> 20));
  if (!automatic_validate (&machine->automatic, error))
    return FALSE;
  if (machine->boot[0] == LIBRARY_BOOT_NONE)
    return invalid (error, _("the boot order must name at least one of floppy, disk, cdrom, network"));
  /* These two are for developers, who know. */
  if ((strcmp (machine->accel, "lockstep") != 0 && strcmp (machine->accel, "kvm-user-irqchip") != 0 &&
       !one_of (error, N_("accelerator"), machine->accel,
                (const char *const[]) { "auto", "kvm", "jit", "interp", NULL })) ||
      !one_of (error, N_("firmware"), machine->firmware, (const char *const[]) { "bios", NULL }) ||
      !one_of (error, N_("chipset"), machine->chipset, (const char *const[]) { "piix3", NULL }))
    return FALSE;

  for (unsigned i = 0; i < machine->attachments->len; i++)
    if (!attachment_validate (machine, g_ptr_array_index (machine->attachments, i), error))
      return FALSE;
  for (unsigned i = 0; i < machine->adapters->len; i++)
    if (!adapter_validate (g_ptr_array_index (machine->adapters, i), error))
      return FALSE;
  return TRUE;
}
