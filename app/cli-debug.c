/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The verb for developers of Bunshin. What it says is for them, so it is not translated. */

#include "app/cli.h"
#include "app/client.h"

#include <string.h>

/* “bunshin debug NAME accel jit”: the running guest goes on under another accelerator. */
int
cli_debug (char **args, GError **error)
{
  const Option options[] = { { NULL } };
  g_autoptr (GPtrArray) words = NULL;
  g_autoptr (LibraryMachine) machine = cli_find_machine (args, options, 3, 3, &words, NULL, error);
  g_autoptr (GVariant) reply = NULL;

  if (!machine)
    return 1;
  if (strcmp (g_ptr_array_index (words, 1), "accel") != 0)
    {
      usage_error (error, "what follows the name must be “accel NAME”");
      return 1;
    }
  reply = client_call_machine (machine, "SetAccelerator", g_variant_new ("(s)", (char *) g_ptr_array_index (words, 2)), error);
  return reply ? 0 : 1;
}
