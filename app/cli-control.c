/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Verbs on a machine that runs, or shall run. */

#include "app/cli.h"
#include "app/client.h"
#include "app/disk-files.h"
#include "app/figures.h"
#include "app/forwards.h"
#include "app/keymap.h"

#include <glib/gi18n.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { POWER_OFF_TIMEOUT_MS = 30000 };

LibraryMachine *
cli_find_machine (char **args, const Option *options, int min, int max, GPtrArray **words, Library **library,
                  GError **error)
{
  g_autoptr (GPtrArray) found = NULL;
  g_autoptr (Library) opened = NULL;
  LibraryMachine *machine;

  if (!options_parse (args, options, min, max, &found, error) || !(opened = library_open (NULL, error)))
    return NULL;
  machine = library_find (opened, g_ptr_array_index (found, 0), error);
  if (machine && words)
    *words = g_steal_pointer (&found);
  if (machine && library)
    *library = g_steal_pointer (&opened);
  return machine;
}

static const Option no_options[] = { { NULL } };

/* A verb without arguments that is one method of the machine's process. */
static int
call_method (char **args, const char *method, LibraryMachine **machine, GError **error)
{
  g_autoptr (LibraryMachine) found = cli_find_machine (args, no_options, 1, 1, NULL, NULL, error);
  g_autoptr (GVariant) reply = found ? client_call_machine (found, method, NULL, error) : NULL;

  if (!reply)
    return 1;
  if (machine)
    *machine = g_steal_pointer (&found);
  return 0;
}

/* The serial port on this terminal: then this process becomes the machine's. */
static int
start_here (const LibraryMachine *machine, const SpawnOptions *options, GError **error)
{
  g_autoptr (GPtrArray) words = client_machine_arguments (machine, options, -1);

  execv (g_ptr_array_index (words, 0), (char **) words->pdata);
  g_set_error (error, LIBRARY_ERROR, LIBRARY_ERROR_FAILED, _("cannot start the machine's process: %s"),
               g_strerror (errno));
  return 1;
}

int
cli_start (char **args, GError **error)
{
  SpawnOptions o = { 0 };
  const Option options[] = {
    { "headless", OPTION_FLAG, &o.headless }, { "serial", OPTION_STRING, &o.serial },
    { "perf-map", OPTION_FLAG, &o.perf_map }, { "discard", OPTION_FLAG, &o.is_drive },
    { "no-network", OPTION_FLAG, &o.no_network }, { "snapshot", OPTION_STRING, &o.snapshot }, { NULL }
  };
  g_autoptr (LibraryMachine) machine = cli_find_machine (args, options, 1, 1, NULL, NULL, error);
  g_autofree char *notice = NULL;
  g_auto (GStrv) did = NULL;

  if (!machine)
    return 1;
  if (o.snapshot && !o.is_drive)
    {
      usage_error (error, _("--snapshot belongs to --discard: “bunshin snapshot restore” goes back to one for good"));
      return 1;
    }
  if (o.no_network && !o.is_drive)
    {
      usage_error (error, _("--no-network belongs to --discard: “bunshin set %s nic1-cable=off” pulls a cable for good"),
                   machine->name);
      return 1;
    }
  if (g_strcmp0 (o.serial, "stdio") == 0)
    return start_here (machine, &o, error);
  /* The machine would, too, but nobody hears what its process says. */
  for (unsigned i = 0; i < machine->attachments->len; i++)
    {
      const LibraryAttachment *drive = g_ptr_array_index (machine->attachments, i);

      if (drive->kind == LIBRARY_MEDIUM_DISK && drive->path)
        disk_file_recover_beside (drive->path);
    }
  if (!client_spawn (machine, &o, &notice, &did, error))
    return 1;
  if (notice)
    g_print ("%s\n", notice);
  for (char **sentence = did; sentence && *sentence; sentence++)
    g_printerr ("%s\n", *sentence);
  return 0;
}

int
cli_pause (char **args, GError **error)
{
  return call_method (args, "Pause", NULL, error);
}

int
cli_resume (char **args, GError **error)
{
  return call_method (args, "Resume", NULL, error);
}

int
cli_reset (char **args, GError **error)
{
  return call_method (args, "Reset", NULL, error);
}

int
cli_power_button (char **args, GError **error)
{
  return call_method (args, "PowerButton", NULL, error);
}

/* What a window asks when the guest is off is the user's to answer, and no script waits for that. */
static void
tell_question (const LibraryMachine *machine)
{
  g_autofree char *text
      = g_strdup_printf (_("“%s” is off; its window asks what becomes of the test drive, which “bunshin drive” can answer, too"),
                         machine->name);

  g_printerr ("%s\n", text);
}

int
cli_power_off (char **args, GError **error)
{
  g_autoptr (LibraryMachine) machine = NULL;
  gboolean asks;

  if (call_method (args, "PowerOff", &machine, error) != 0)
    return 1;
  if (client_wait_off (machine, POWER_OFF_TIMEOUT_MS, &asks))
    {
      if (asks)
        tell_question (machine);
      return 0;
    }
  g_set_error (error, LIBRARY_ERROR, LIBRARY_ERROR_FAILED, _("“%s” is still closing its disks"), machine->name);
  return 1;
}

int
cli_save (char **args, GError **error)
{
  g_autoptr (LibraryMachine) machine = NULL;

  if (call_method (args, "Save", &machine, error) != 0)
    return 1;
  if (client_wait_state (machine, LIBRARY_STATE_SAVED, POWER_OFF_TIMEOUT_MS, NULL))
    return 0;
  g_set_error (error, LIBRARY_ERROR, LIBRARY_ERROR_FAILED, _("“%s” is still closing its disks"), machine->name);
  return 1;
}

int
cli_discard_state (char **args, GError **error)
{
  g_autoptr (LibraryMachine) machine = cli_find_machine (args, no_options, 1, 1, NULL, NULL, error);

  return machine && library_discard_saved_state (machine, error) ? 0 : 1;
}

int
cli_wait (char **args, GError **error)
{
  const char *state_name = NULL, *timeout = NULL;
  const Option options[] = {
    { "state", OPTION_STRING, &state_name }, { "timeout", OPTION_STRING, &timeout }, { NULL }
  };
  g_autoptr (LibraryMachine) machine = NULL;
  gboolean asks = FALSE;
  LibraryState state;
  guint64 seconds = 0;

  if (!options_parse (args, options, 1, 1, NULL, error))
    return 1;
  if (!state_name)
    {
      usage_error (error, _("--state is missing"));
      return 1;
    }
  if (!library_state_parse (state_name, &state))
    {
      usage_error (error, _("--state %s: must be powered-off, starting, running, paused, saving, saved or stopping"), state_name);
      return 1;
    }
  if (timeout && !parse_number ("--timeout", timeout, 0, G_MAXINT32, &seconds, error))
    return 1;
  state_name = timeout = NULL;
  machine = cli_find_machine (args, options, 1, 1, NULL, NULL, error);
  if (!machine)
    return 1;
  if (client_wait_state (machine, state, timeout ? (gint64) seconds * 1000 : -1,
                         state == LIBRARY_STATE_POWERED_OFF ? &asks : NULL))
    {
      if (asks)
        tell_question (machine);
      return 0;
    }
  g_set_error (error, LIBRARY_ERROR, LIBRARY_ERROR_FAILED, _("“%s” is %s, not %s, after %s s"), machine->name,
               library_state_name (library_machine_state (machine, NULL, NULL)), library_state_name (state), timeout);
  return 1;
}

int
cli_screenshot (char **args, GError **error)
{
  g_autoptr (GPtrArray) words = NULL;
  g_autoptr (LibraryMachine) machine = NULL;
  g_autoptr (GVariant) reply = NULL, data = NULL;
  const char *file, *format;
  gsize length;

  if (!options_parse (args, no_options, 2, 2, &words, error))
    return 1;
  file = g_ptr_array_index (words, 1);
  format = g_str_has_suffix (file, ".png") ? "png" : g_str_has_suffix (file, ".txt") ? "text" : NULL;
  if (!format)
    {
      usage_error (error, _("“%s”: the file must end in .png or .txt"), file);
      return 1;
    }
  machine = cli_find_machine (args, no_options, 2, 2, NULL, NULL, error);
  reply = machine ? client_call_machine (machine, "Screenshot", g_variant_new ("(s)", format), error) : NULL;
  if (!reply)
    return 1;
  data = g_variant_get_child_value (reply, 0);
  return g_file_set_contents (file, g_variant_get_fixed_array (data, &length, 1), (gssize) g_variant_get_size (data),
                              error)
             ? 0
             : 1;
}

int
cli_type (char **args, GError **error)
{
  g_autoptr (GPtrArray) words = NULL;
  g_autoptr (LibraryMachine) machine = NULL;
  g_autoptr (GVariant) reply = NULL;
  g_autoptr (GArray) chords = NULL;

  if (!options_parse (args, no_options, 2, 2, &words, error) ||
      !(chords = keymap_parse_text (g_ptr_array_index (words, 1), error)) ||
      !(machine = cli_find_machine (args, no_options, 2, 2, NULL, NULL, error)))
    return 1;
  reply = client_call_machine (machine, "Type", g_variant_new ("(s)", (char *) g_ptr_array_index (words, 1)), error);
  return reply ? 0 : 1;
}

int
cli_key (char **args, GError **error)
{
  g_autoptr (GPtrArray) words = NULL;
  g_autoptr (LibraryMachine) machine = NULL;
  g_autoptr (GVariant) reply = NULL;
  KeyChord chord;

  if (!options_parse (args, no_options, 2, 2, &words, error) ||
      !keymap_parse_chord (g_ptr_array_index (words, 1), &chord, error) ||
      !(machine = cli_find_machine (args, no_options, 2, 2, NULL, NULL, error)))
    return 1;
  reply = client_call_machine (machine, "Key", g_variant_new ("(s)", (char *) g_ptr_array_index (words, 1)), error);
  return reply ? 0 : 1;
}

int
cli_mouse (char **args, GError **error)
{
  g_autoptr (GPtrArray) words = NULL;
  g_autoptr (LibraryMachine) machine = NULL;
  g_autoptr (GVariant) reply = NULL;
  const char *action;
  guint64 x, y;

  if (!options_parse (args, no_options, 3, 4, &words, error) ||
      !parse_number ("X", g_ptr_array_index (words, 1), 0, G_MAXUINT16, &x, error) ||
      !parse_number ("Y", g_ptr_array_index (words, 2), 0, G_MAXUINT16, &y, error))
    return 1;
  action = g_ptr_array_index (words, 3) ? g_ptr_array_index (words, 3) : "";
  if (!g_strv_contains ((const char *const[]) { "", "click", "double", "right", NULL }, action))
    {
      usage_error (error, _("“%s” must be click, double or right"), action);
      return 1;
    }
  machine = cli_find_machine (args, no_options, 3, 4, NULL, NULL, error);
  reply = machine
              ? client_call_machine (machine, "Mouse", g_variant_new ("(uus)", (guint32) x, (guint32) y, action), error)
              : NULL;
  return reply ? 0 : 1;
}

int
cli_info (char **args, GError **error)
{
  gboolean as_json = FALSE;
  const Option options[] = { { "json", OPTION_FLAG, &as_json }, { NULL } };
  g_autoptr (LibraryMachine) machine = cli_find_machine (args, options, 1, 1, NULL, NULL, error);
  g_autoptr (GVariant) reply = machine ? client_call_machine (machine, "Info", NULL, error) : NULL;
  g_autoptr (GVariant) figures = NULL;
  g_autofree char *text = NULL;

  if (!reply)
    return 1;
  figures = g_variant_get_child_value (reply, 0);
  text = as_json ? figures_to_json (figures) : figures_to_text (figures);
  g_print ("%s", text);
  return 0;
}

static void
print_forwards (const LibraryMachine *machine)
{
  for (unsigned i = 0; i < machine->adapters->len; i++)
    {
      const LibraryAdapter *adapter = g_ptr_array_index (machine->adapters, i);

      for (unsigned j = 0; j < adapter->forwards->len; j++)
        {
          const LibraryForward *forward = g_ptr_array_index (adapter->forwards, j);
          g_autofree char *rule = forward_describe (forward);

          g_print ("nic%u  %s\n", adapter->slot + 1, rule);
        }
    }
}

/* The adapter that @nic (1 …) names, or the first that does NAT. */
static LibraryAdapter *
forward_adapter (const LibraryMachine *machine, const char *nic, GError **error)
{
  guint64 number = 0;

  if (nic && !parse_number ("--nic", nic, 1, LIBRARY_MAX_ADAPTERS, &number, error))
    return NULL;
  for (unsigned i = 0; i < machine->adapters->len; i++)
    {
      LibraryAdapter *adapter = g_ptr_array_index (machine->adapters, i);

      if (adapter->kind == LIBRARY_NET_NAT && (!nic || adapter->slot + 1 == number))
        return adapter;
    }
  if (nic)
    g_set_error (error, LIBRARY_ERROR, LIBRARY_ERROR_NOT_FOUND, _("“%s” has no network adapter %s with NAT"),
                 machine->name, nic);
  else
    g_set_error (error, LIBRARY_ERROR, LIBRARY_ERROR_NOT_FOUND, _("“%s” has no network adapter with NAT"),
                 machine->name);
  return NULL;
}

static gboolean
change_forwards (LibraryAdapter *adapter, gboolean add, const char *text, GError **error)
{
  ForwardRule rule, other;
  int index;

  if (!forward_rule_parse (text, &rule, error))
    return FALSE;
  index = forward_find (adapter, &rule);
  if (add && index < 0)
    {
      forward_add_to (adapter, &rule);
      return TRUE;
    }
  if (add)
    {
      g_set_error (error, LIBRARY_ERROR, LIBRARY_ERROR_EXISTS, _("“%s”: this port of the host is forwarded already"),
                   text);
      return FALSE;
    }
  if (index < 0 || !forward_to_rule (g_ptr_array_index (adapter->forwards, index), &other, NULL) ||
      other.guest_port != rule.guest_port)
    {
      g_set_error (error, LIBRARY_ERROR, LIBRARY_ERROR_NOT_FOUND, _("there is no forward “%s”"), text);
      return FALSE;
    }
  g_ptr_array_remove_index (adapter->forwards, index);
  return TRUE;
}

int
cli_forward (char **args, GError **error)
{
  const char *nic = NULL, *action;
  const Option options[] = { { "nic", OPTION_STRING, &nic }, { NULL } };
  g_autoptr (GPtrArray) words = NULL;
  g_autoptr (Library) library = NULL;
  g_autoptr (LibraryMachine) machine = cli_find_machine (args, options, 2, 3, &words, &library, error);
  LibraryAdapter *adapter;
  LibraryState state;
  gboolean add;

  if (!machine)
    return 1;
  action = g_ptr_array_index (words, 1);
  add = strcmp (action, "add") == 0;
  if (strcmp (action, "list") == 0 && words->len == 3)
    {
      print_forwards (machine);
      return 0;
    }
  if ((!add && strcmp (action, "remove") != 0) || words->len != 4)
    {
      usage_error (error, _("what follows the name must be “add RULE”, “remove RULE” or “list”"));
      return 1;
    }
  if (!(adapter = forward_adapter (machine, nic, error)) ||
      !change_forwards (adapter, add, g_ptr_array_index (words, 2), error))
    return 1;

  /* A running machine first: a port that is taken is found out there, and then nothing is stored. */
  state = library_machine_state (machine, NULL, NULL);
  if (state != LIBRARY_STATE_POWERED_OFF && state != LIBRARY_STATE_SAVED)
    {
      g_autoptr (GVariant) reply = client_call_machine (machine, add ? "AddForward" : "RemoveForward",
                                                        g_variant_new ("(us)", adapter->slot,
                                                                       (char *) g_ptr_array_index (words, 2)), error);

      if (!reply)
        return 1;
    }
  return library_set_forwards (library, machine->uuid, adapter->slot, adapter->forwards, error) ? 0 : 1;
}
