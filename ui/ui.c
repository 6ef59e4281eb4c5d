/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Start-up of the interface: translations, display, resources. */

#include "ui/ui.h"

#include "ui/application.h"
#include "ui/ui-private.h"
#include "ui/ui-resources.h"

#include <adwaita.h>
#include <glib/gi18n.h>
#include <libintl.h>
#include <locale.h>

enum { MAX_BUILD_DEPTH = 3 };

/* A build folder keeps its catalogues in po/zh_TW/LC_MESSAGES/bunshin.mo; the program lies some folders below it. */
static char *
build_catalogues (void)
{
  g_autofree char *folder = g_file_read_link ("/proc/self/exe", NULL);

  for (int depth = 0; folder != NULL && depth < MAX_BUILD_DEPTH; depth++)
    {
      g_autofree char *parent = g_path_get_dirname (folder);
      g_autofree char *ninja = g_build_filename (parent, "build.ninja", NULL);

      if (g_file_test (ninja, G_FILE_TEST_EXISTS))
        return g_build_filename (parent, "po", NULL);
      g_free (folder);
      folder = g_steal_pointer (&parent);
    }
  return NULL;
}

void
ui_init_translations (void)
{
  g_autofree char *folder = build_catalogues ();

  setlocale (LC_ALL, "");
  bindtextdomain (GETTEXT_PACKAGE, folder != NULL ? folder : BUNSHIN_LOCALE_DIR);
  bind_textdomain_codeset (GETTEXT_PACKAGE, "UTF-8");
  textdomain (GETTEXT_PACKAGE);
}

void
ui_register_resources (void)
{
  static gsize once = 0;

  if (g_once_init_enter (&once))
    {
      g_resources_register (ui_get_resource ());
      g_once_init_leave (&once, 1);
    }
}

void
ui_load_style (void)
{
  GdkDisplay *display = gdk_display_get_default ();
  g_autoptr (GtkCssProvider) css = gtk_css_provider_new ();

  gtk_icon_theme_add_resource_path (gtk_icon_theme_get_for_display (display), "/org/bunshin/Bunshin/icons");
  gtk_css_provider_load_from_resource (css, "/org/bunshin/Bunshin/style.css");
  gtk_style_context_add_provider_for_display (display, GTK_STYLE_PROVIDER (css),
                                              GTK_STYLE_PROVIDER_PRIORITY_APPLICATION);
  gtk_window_set_default_icon_name (UI_APP_ID);
}

static gboolean
no_display (GError **error)
{
  g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
                       _("there is no display to open a window on; “bunshin start NAME --headless” runs a machine "
                         "without one"));
  return FALSE;
}

gboolean
ui_init (GError **error)
{
  g_set_prgname (UI_APP_ID);
  g_set_application_name (_("Bunshin"));
  if (!gtk_init_check ())
    return no_display (error);
  ui_register_resources ();
  adw_init ();
  ui_load_style ();
  return TRUE;
}

int
ui_run_manager (const UiManagerEnv *env)
{
  g_set_prgname (UI_APP_ID);
  g_set_application_name (_("Bunshin"));
  if (!gtk_init_check ())
    {
      g_autoptr (GError) error = NULL;

      no_display (&error);
      g_printerr ("bunshin: %s: %s\n", _("opening the manager"), error->message);
      return 1;
    }
  ui_register_resources ();

  g_autoptr (BunshinApplication) application = bunshin_application_new (env);

  return g_application_run (G_APPLICATION (application), 0, NULL);
}
