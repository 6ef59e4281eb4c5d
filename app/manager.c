/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Opens the manager, on this user's library and the machines' control sockets. */

#include "app/manager.h"
#include "app/cli.h"
#include "app/remote.h"
#include "ui/import-run.h"
#include "ui/ui.h"

static BunshinMachineControl *
control_for (gpointer opaque, const LibraryMachine *machine)
{
  return bunshin_remote_new (machine);
}

/* The script that makes the demo's disc image: beside the sources, when the program runs from its build folder, or
 * installed. NULL when there is none. */
static char *
find_demo_script (void)
{
  g_autofree char *program = cli_program_path ();
  g_autofree char *folder = program ? g_path_get_dirname (program) : NULL;
  const char *const places[] = { "../../app/demo-image.sh", "../share/bunshin/demo-image.sh" };

  for (unsigned i = 0; folder && i < G_N_ELEMENTS (places); i++)
    {
      g_autofree char *path = g_canonicalize_filename (places[i], folder);

      if (g_file_test (path, G_FILE_TEST_IS_REGULAR))
        return g_steal_pointer (&path);
    }
  return NULL;
}

int
manager_run (GError **error)
{
  static const BunshinMachineHost host = { .control_for = control_for };
  g_autofree char *demo_script = NULL, *program = cli_program_path ();
  g_autoptr (Library) library = NULL;
  g_auto (GStrv) sentences = NULL;
  UiManagerEnv env;

  if (!(library = library_open (NULL, error)))
    return 1;
  sentences = import_recover (library);
  demo_script = find_demo_script ();
  env = (UiManagerEnv) { .library = library, .host = &host, .demo_script = demo_script, .program = program,
                         .notices = (const char *const *) sentences };
  return ui_run_manager (&env);
}
