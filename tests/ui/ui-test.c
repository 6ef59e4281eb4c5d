/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the interface's tests share; see the header. */

#include "tests/ui/ui-test.h"

#include "tests/ui/window-id.h"
#include "ui/ui-private.h"

#include <glib/gi18n.h>
#include <glib/gstdio.h>

/* --- The stage --- */

void
test_ui_init (int *argc, char ***argv)
{
  const char *language = g_getenv ("BUNSHIN_TEST_LANGUAGE");

  g_setenv ("GSETTINGS_BACKEND", "memory", TRUE);
  g_setenv ("GTK_A11Y", "test", TRUE);
  g_setenv ("LC_ALL", language != NULL ? language : "C.UTF-8", TRUE);
  g_test_init (argc, argv, NULL);
  ui_init_translations ();
  if (!ui_init (NULL))
    {
      g_test_message ("no display");
      exit (77);
    }
  /* A cursor that blinks in a window without the focus is complained of. */
  g_object_set (gtk_settings_get_default (), "gtk-enable-animations", FALSE, "gtk-cursor-blink", FALSE, NULL);
  if (g_getenv ("BUNSHIN_TEST_DARK") != NULL)
    adw_style_manager_set_color_scheme (adw_style_manager_get_default (), ADW_COLOR_SCHEME_FORCE_DARK);
}

static BunshinMachineControl *
control_for (gpointer opaque, const LibraryMachine *machine)
{
  TestStage *stage = opaque;
  TestControl *control = g_hash_table_lookup (stage->controls, machine->uuid);

  if (control == NULL)
    {
      control = test_control_new (machine->uuid);
      g_hash_table_insert (stage->controls, g_strdup (machine->uuid), control);
    }
  return BUNSHIN_MACHINE_CONTROL (g_object_ref (control));
}

TestStage *
test_stage_new (void)
{
  TestStage *stage = g_new0 (TestStage, 1);
  g_autoptr (GError) error = NULL;

  stage->home = g_dir_make_tmp ("bunshin-ui-XXXXXX", &error);
  g_assert_no_error (error);
  stage->library = library_open (stage->home, &error);
  g_assert_no_error (error);
  stage->controls = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_object_unref);
  stage->host.control_for = control_for;
  stage->host.opaque = stage;
  return stage;
}

static void
remove_tree (const char *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *child = g_build_filename (path, name, NULL);

      remove_tree (child);
    }
  g_remove (path);
}

void
test_destroy_windows (void)
{
  GListModel *windows = gtk_window_get_toplevels ();
  guint count = g_list_model_get_n_items (windows);
  g_autofree gpointer *alive = g_new0 (gpointer, count);
  g_autofree const char **names = g_new0 (const char *, count);

  for (guint i = 0; i < count; i++)
    {
      g_autoptr (GtkWindow) window = g_list_model_get_item (windows, i);

      alive[i] = window;
      names[i] = G_OBJECT_TYPE_NAME (window);
      g_object_add_weak_pointer (G_OBJECT (window), &alive[i]);
    }
  for (guint i = 0; i < count; i++)
    if (alive[i] != NULL)
      gtk_window_destroy (alive[i]);
  test_settle ();
  for (guint i = 0; i < count; i++)
    if (alive[i] != NULL)
      g_error ("a %s was not freed", names[i]);
}

void
test_stage_free (TestStage *stage)
{
  test_destroy_windows ();
  g_hash_table_unref (stage->controls);
  library_close (stage->library);
  remove_tree (stage->home);
  g_free (stage->home);
  g_free (stage);
}

LibraryMachine *
test_stage_add_machine (TestStage *stage, const char *name, const char *os_id)
{
  LibraryMachine *record = library_machine_new (name);
  g_autoptr (GError) error = NULL;

  record->os_id = g_strdup (os_id);
  library_machine_add_attachment (record, LIBRARY_CONTROLLER_IDE, 2, LIBRARY_MEDIUM_OPTICAL, NULL, NULL);
  library_machine_add_adapter (record, 0, LIBRARY_NET_NAT);
  library_add_machine (stage->library, record, &error);
  g_assert_no_error (error);
  return record;
}

TestControl *
test_stage_control (TestStage *stage, const char *uuid)
{
  TestControl *control = g_hash_table_lookup (stage->controls, uuid);

  g_assert_nonnull (control);
  return control;
}

/* --- Hands --- */

enum { SETTLE_FRAMES = 3 };

static gboolean
on_frame (GtkWidget *widget, GdkFrameClock *clock, gpointer data)
{
  guint *frames = data;

  return ++*frames < SETTLE_FRAMES ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

static gboolean
is_drawn (gpointer item)
{
  /* Without a content nothing is drawn, and hidden ones are not either. */
  return GTK_IS_WINDOW (item) && gtk_widget_get_mapped (item);
}

void
test_settle (void)
{
  GListModel *windows = gtk_window_get_toplevels ();

  for (guint i = 0; i < g_list_model_get_n_items (windows); i++)
    {
      g_autoptr (GtkWidget) window = g_list_model_get_item (windows, i);
      guint frames = 0, tick;

      if (!is_drawn (window))
        continue;
      tick = gtk_widget_add_tick_callback (window, on_frame, &frames, NULL);
      test_wait_until (frames >= SETTLE_FRAMES || !gtk_widget_get_mapped (window));
      if (frames < SETTLE_FRAMES)
        gtk_widget_remove_tick_callback (window, tick);
    }
  while (g_main_context_iteration (NULL, FALSE))
    ;
}

static gboolean
on_time_passed (gpointer data)
{
  *(gboolean *) data = TRUE;
  return G_SOURCE_REMOVE;
}

void
test_pass_time (guint milliseconds)
{
  gboolean passed = FALSE;

  g_timeout_add (milliseconds, on_time_passed, &passed);
  while (!passed)
    g_main_context_iteration (NULL, TRUE);
}

static GtkWidget *
search (GtkWidget *widget, gboolean (*matches) (GtkWidget *widget, const char *text), const char *text)
{
  if (matches (widget, text))
    return widget;
  for (GtkWidget *child = gtk_widget_get_first_child (widget); child != NULL;
       child = gtk_widget_get_next_sibling (child))
    {
      GtkWidget *found = search (child, matches, text);

      if (found != NULL)
        return found;
    }
  return NULL;
}

static gboolean
has_id (GtkWidget *widget, const char *id)
{
  return g_strcmp0 (gtk_buildable_get_buildable_id (GTK_BUILDABLE (widget)), id) == 0
         || g_str_equal (gtk_widget_get_name (widget), id);
}

static gboolean
has_label (GtkWidget *widget, const char *label)
{
  if (!gtk_widget_get_visible (widget))
    return FALSE;
  if (GTK_IS_BUTTON (widget))
    return g_strcmp0 (gtk_button_get_label (GTK_BUTTON (widget)), label) == 0
           || g_strcmp0 (gtk_widget_get_tooltip_text (widget), label) == 0;
  if (GTK_IS_CHECK_BUTTON (widget))
    return g_strcmp0 (gtk_check_button_get_label (GTK_CHECK_BUTTON (widget)), label) == 0;
  if (ADW_IS_PREFERENCES_ROW (widget))
    return g_strcmp0 (adw_preferences_row_get_title (ADW_PREFERENCES_ROW (widget)), label) == 0;
  return FALSE;
}

GtkWidget *
test_find (gpointer root, const char *id)
{
  GtkWidget *found = search (root, has_id, id);

  if (found == NULL)
    g_error ("there is no widget “%s”", id);
  return found;
}

GtkWidget *
test_find_label (gpointer root, const char *label)
{
  GtkWidget *found = search (root, has_label, _(label));

  if (found == NULL)
    g_error ("there is no button or row “%s”", label);
  return found;
}

void
test_click (GtkWidget *button)
{
  g_assert_true (gtk_widget_is_sensitive (button));
  g_assert_true (gtk_widget_get_mapped (button));
  g_signal_emit_by_name (button, "clicked");
  while (g_main_context_iteration (NULL, FALSE))
    ;
}

void
test_activate_row (GtkWidget *row)
{
  g_assert_true (gtk_widget_is_sensitive (row));
  g_assert_true (gtk_widget_get_mapped (row));
  gtk_widget_activate (row);
  while (g_main_context_iteration (NULL, FALSE))
    ;
}

void
test_type (GtkWidget *editable, const char *text)
{
  gtk_editable_set_text (GTK_EDITABLE (editable), text);
  while (g_main_context_iteration (NULL, FALSE))
    ;
}

GtkWindow *
test_find_window (GType type)
{
  GListModel *windows = gtk_window_get_toplevels ();

  for (guint i = 0; i < g_list_model_get_n_items (windows); i++)
    {
      g_autoptr (GtkWindow) window = g_list_model_get_item (windows, i);

      if (g_type_is_a (G_OBJECT_TYPE (window), type) && gtk_widget_get_visible (GTK_WIDGET (window)))
        return window; /* GTK keeps it */
    }
  return NULL;
}

AdwMessageDialog *
test_wait_for_dialog (void)
{
  GtkWindow *dialog = NULL;

  test_wait_until ((dialog = test_find_window (ADW_TYPE_MESSAGE_DIALOG)) != NULL);
  test_settle ();
  return ADW_MESSAGE_DIALOG (dialog);
}

void
test_respond (const char *response)
{
  AdwMessageDialog *dialog = g_object_ref (test_wait_for_dialog ());

  g_assert_true (adw_message_dialog_get_response_enabled (dialog, response));
  adw_message_dialog_response (dialog, response);
  gtk_window_destroy (GTK_WINDOW (dialog));
  g_object_unref (dialog);
  while (g_main_context_iteration (NULL, FALSE))
    ;
}

/* --- Hands that press real keys and buttons --- */

gboolean
test_has_hands (void)
{
  g_autofree char *path = g_find_program_in_path ("xdotool");

  if (path == NULL)
    g_test_skip ("xdotool is not installed");
  return path != NULL;
}

static void
on_exited (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GError) error = NULL;

  g_subprocess_wait_check_finish (G_SUBPROCESS (source), result, &error);
  g_assert_no_error (error);
  *(gboolean *) data = TRUE;
}

static void
run_xdotool (const char *const *argv)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GSubprocess) process = g_subprocess_newv (argv, G_SUBPROCESS_FLAGS_STDOUT_SILENCE, &error);
  gboolean exited = FALSE;

  g_assert_no_error (error);
  g_subprocess_wait_check_async (process, NULL, on_exited, &exited);
  test_wait_until (exited);
}

void
test_xdotool (const char *first, ...)
{
  g_autoptr (GPtrArray) argv = g_ptr_array_new ();
  va_list args;

  g_ptr_array_add (argv, (char *) "xdotool");
  va_start (args, first);
  for (const char *arg = first; arg != NULL; arg = va_arg (args, const char *))
    g_ptr_array_add (argv, (char *) arg);
  va_end (args);
  g_ptr_array_add (argv, NULL);
  run_xdotool ((const char *const *) argv->pdata);
}

void
test_focus_window (gpointer window)
{
  g_autofree char *id = g_strdup_printf ("%lu", window_id (GTK_NATIVE (window)));

  test_xdotool ("windowfocus", "--sync", id, NULL);
  test_wait_until (gtk_window_is_active (GTK_WINDOW (window)));
}

/* --- Names for screen readers --- */

static gboolean
has_name (GtkWidget *widget)
{
  GtkAccessible *accessible = GTK_ACCESSIBLE (widget);

  if (GTK_IS_BUTTON (widget) && gtk_button_get_label (GTK_BUTTON (widget)) != NULL)
    return TRUE;
  return gtk_test_accessible_has_property (accessible, GTK_ACCESSIBLE_PROPERTY_LABEL)
         || gtk_test_accessible_has_relation (accessible, GTK_ACCESSIBLE_RELATION_LABELLED_BY);
}

static gboolean
wants_name (GtkWidget *widget)
{
  return GTK_IS_BUTTON (widget) || GTK_IS_ENTRY (widget) || GTK_IS_SEARCH_ENTRY (widget) || GTK_IS_SPIN_BUTTON (widget)
         || GTK_IS_SCALE (widget) || GTK_IS_SWITCH (widget) || GTK_IS_CHECK_BUTTON (widget) || GTK_IS_TEXT_VIEW (widget)
         || GTK_IS_LIST_VIEW (widget) || GTK_IS_PROGRESS_BAR (widget);
}

/* What GTK and libadwaita make up of parts is theirs to name. */
static gboolean
is_made_of_parts (GtkWidget *widget)
{
  return GTK_IS_WINDOW_CONTROLS (widget) || GTK_IS_SPIN_BUTTON (widget) || ADW_IS_ENTRY_ROW (widget)
         || ADW_IS_COMBO_ROW (widget) || GTK_IS_SHORTCUTS_WINDOW (widget) || ADW_IS_VIEW_SWITCHER_TITLE (widget)
         || ADW_IS_ABOUT_WINDOW (widget);
}

static void
check_names (GtkWidget *widget)
{
  if (!gtk_widget_get_mapped (widget))
    return;
  if (wants_name (widget) && !has_name (widget))
    {
      GtkWidget *row = gtk_widget_get_ancestor (widget, ADW_TYPE_PREFERENCES_ROW);

      g_error ("a %s “%s” in “%s” has no name for screen readers", G_OBJECT_TYPE_NAME (widget),
               gtk_buildable_get_buildable_id (GTK_BUILDABLE (widget)),
               row != NULL ? adw_preferences_row_get_title (ADW_PREFERENCES_ROW (row))
                           : G_OBJECT_TYPE_NAME (gtk_widget_get_parent (widget)));
    }
  if (is_made_of_parts (widget))
    return;
  for (GtkWidget *child = gtk_widget_get_first_child (widget); child != NULL;
       child = gtk_widget_get_next_sibling (child))
    check_names (child);
}

/* Every key leads to one thing within a window or a menu, or it only moves the focus about. @seen: keyval → text. */
static void
check_mnemonics (GtkWidget *widget, GHashTable *seen)
{
  g_autoptr (GHashTable) own = NULL;
  guint key = GTK_IS_LABEL (widget) ? gtk_label_get_mnemonic_keyval (GTK_LABEL (widget)) : GDK_KEY_VoidSymbol;

  if (!gtk_widget_get_mapped (widget))
    return;
  if (GTK_IS_NATIVE (widget))
    seen = own = g_hash_table_new (NULL, NULL);
  if (key != GDK_KEY_VoidSymbol && key != 0)
    {
      const char *text = gtk_label_get_label (GTK_LABEL (widget));
      const char *other = g_hash_table_lookup (seen, GUINT_TO_POINTER (key));

      if (other != NULL)
        g_error ("“%s” and “%s” have the same key", other, text);
      g_hash_table_insert (seen, GUINT_TO_POINTER (key), (char *) text);
    }
  for (GtkWidget *child = gtk_widget_get_first_child (widget); child != NULL;
       child = gtk_widget_get_next_sibling (child))
    check_mnemonics (child, seen);
}

static void
check_all_names (void)
{
  GListModel *windows = gtk_window_get_toplevels ();

  for (guint i = 0; i < g_list_model_get_n_items (windows); i++)
    {
      g_autoptr (GtkWidget) window = g_list_model_get_item (windows, i);

      check_names (window);
      check_mnemonics (window, NULL);
    }
}

GSubprocess *
test_start_window_manager (void)
{
  g_autofree char *path = g_find_program_in_path ("openbox");
  GSubprocess *manager;
  g_autoptr (GError) error = NULL;

  if (path == NULL)
    {
      g_test_skip ("openbox is not installed");
      return NULL;
    }
  manager = g_subprocess_new (G_SUBPROCESS_FLAGS_STDOUT_SILENCE | G_SUBPROCESS_FLAGS_STDERR_SILENCE, &error, path,
                              "--sm-disable", NULL);
  g_assert_no_error (error);
  test_wait_until (window_manager_runs (gdk_display_get_default ()));
  return manager;
}

void
test_stop_window_manager (GSubprocess *manager)
{
  g_subprocess_force_exit (manager);
  g_subprocess_wait (manager, NULL, NULL);
  test_wait_until (!window_manager_runs (gdk_display_get_default ()));
  g_object_unref (manager);
}

void
test_screenshot (const char *name)
{
  const char *build = g_getenv ("G_TEST_BUILDDIR");
  const char *suffix = g_getenv ("BUNSHIN_TEST_SUFFIX");
  g_autofree char *folder = g_build_filename (build != NULL ? build : ".", "ui-screenshots", NULL);
  g_autofree char *file = g_strdup_printf ("%s/%s%s.png", folder, name, suffix != NULL ? suffix : "");
  const char *argv[] = { "import", "-silent", "-window", "root", file, NULL };

  test_settle ();
  check_all_names ();
  g_mkdir_with_parents (folder, 0755);
  /* A missing ImageMagick only costs the pictures. */
  g_spawn_sync (NULL, (char **) argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, NULL, NULL);
}
