/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reading the words of the command line, strictly: what is not understood is an error, not ignored. */

#include "app/cli.h"
#include "app/sizes.h"

#include <glib/gi18n.h>
#include <string.h>

G_DEFINE_QUARK (cli-usage-error-quark, cli_usage_error)

gboolean
usage_error (GError **error, const char *format, ...)
{
  va_list args;
  g_autofree char *message = NULL;

  va_start (args, format);
  message = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error_literal (error, CLI_USAGE_ERROR, 0, message);
  return FALSE;
}

static gboolean
take_option (const Option *options, const char *word, const char *next, gboolean *used_next, GError **error)
{
  const char *equals = strchr (word, '=');
  size_t length = equals ? (size_t) (equals - word) : strlen (word);
  const Option *option = options;
  const char *value = equals ? equals + 1 : next;

  *used_next = FALSE;
  while (option->name && (strlen (option->name) != length || strncmp (option->name, word, length) != 0))
    option++;
  if (!option->name)
    return usage_error (error, _("there is no option --%.*s"), (int) length, word);

  if (option->kind == OPTION_FLAG)
    {
      if (equals)
        return usage_error (error, _("--%s takes no value"), option->name);
      *(gboolean *) option->value = TRUE;
      return TRUE;
    }
  if (!value)
    return usage_error (error, _("--%s needs a value"), option->name);
  *used_next = !equals;
  if (option->kind == OPTION_LIST)
    {
      GPtrArray **list = option->value;

      if (!*list)
        *list = g_ptr_array_new ();
      g_ptr_array_add (*list, (char *) value);
      return TRUE;
    }
  if (*(const char **) option->value)
    return usage_error (error, _("--%s is given twice"), option->name);
  *(const char **) option->value = value;
  return TRUE;
}

gboolean
options_parse (char **args, const Option *options, int min, int max, GPtrArray **words, GError **error)
{
  g_autoptr (GPtrArray) found = g_ptr_array_new ();
  gboolean only_words = FALSE;

  for (unsigned i = 0; args[i] != NULL; i++)
    {
      gboolean used_next;

      if (only_words || !g_str_has_prefix (args[i], "--"))
        g_ptr_array_add (found, args[i]);
      else if (args[i][2] == '\0')
        only_words = TRUE;
      else if (!take_option (options, args[i] + 2, args[i + 1], &used_next, error))
        return FALSE;
      else if (used_next)
        i++;
    }
  if ((int) found->len < min)
    return usage_error (error, _("something is missing"));
  if (max >= 0 && (int) found->len > max)
    return usage_error (error, _("“%s” is one word too many"), (char *) g_ptr_array_index (found, max));
  g_ptr_array_add (found, NULL);
  if (words)
    *words = g_steal_pointer (&found);
  return TRUE;
}

gboolean
parse_number (const char *option, const char *text, guint64 min, guint64 max, guint64 *value, GError **error)
{
  if (g_ascii_string_to_unsigned (text, 10, min, max, value, NULL))
    return TRUE;
  return usage_error (error, _("%s %s: must be a number from %lu to %lu"), option, text, (unsigned long) min,
                      (unsigned long) max);
}

gboolean
parse_size_option (const char *option, const char *text, guint64 *value, GError **error)
{
  if (cli_size_parse (text, value))
    return TRUE;
  return usage_error (error, _("%s %s: must be a size such as 512M or 20G"), option, text);
}

gboolean
parse_controller (const char *text, LibraryController *controller, GError **error)
{
  *controller = LIBRARY_CONTROLLER_IDE;
  if (text == NULL || (library_controller_parse (text, controller) &&
                       library_controller_takes (*controller, LIBRARY_MEDIUM_DISK)))
    return TRUE;
  return usage_error (error, _("--controller %s: must be ide, ahci, virtio, scsi or nvme"), text);
}

const char *
net_kind_name (LibraryNetKind kind)
{
  return kind == LIBRARY_NET_NAT ? "nat" : "none";
}

gboolean
parse_net (const char *option, const char *text, LibraryNetKind *kind, char **param, GError **error)
{
  *param = NULL;
  if (strcmp (text, "none") == 0)
    *kind = LIBRARY_NET_NONE;
  else if (strcmp (text, "nat") == 0)
    *kind = LIBRARY_NET_NAT;
  else if (strcmp (text, "nat:host-access") == 0)
    {
      *kind = LIBRARY_NET_NAT;
      *param = g_strdup ("host-access");
    }
  else
    return usage_error (error, _("%s %s: must be nat, nat:host-access or none"), option, text);
  return TRUE;
}
