/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The manager's application object; see the header. */

#include "ui/application.h"

#include "ui/about.h"
#include "ui/manager-window.h"
#include "ui/ui-private.h"

#include <glib/gi18n.h>

struct _BunshinApplication
{
  AdwApplication parent_instance;
  UiManagerEnv env;
};

G_DEFINE_FINAL_TYPE (BunshinApplication, bunshin_application, ADW_TYPE_APPLICATION)

static void
on_about (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  bunshin_about_show (gtk_application_get_active_window (data));
}

static void
on_quit (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  GtkWindow *window = gtk_application_get_active_window (data);

  if (window != NULL)
    gtk_window_close (window);
}

static const GActionEntry entries[] = {
  { .name = "about", .activate = on_about },
  { .name = "quit", .activate = on_quit },
};

static const struct
{
  const char *action;
  const char *accels[3];
} accels[] = {
  { "app.quit", { "<Control>q" } },
  { "win.new", { "<Control>n" } },
  { "win.import", { "<Control>i" } },
  { "win.export", { "<Control>e" } },
  { "win.search", { "<Control>f" } },
  { "win.start", { "<Control>Return" } },
  { "win.pause", { "<Control>p" } },
  { "win.resume", { "<Control>p" } },
  { "win.show-window", { "<Control>Return" } },
  { "window.close", { "<Control>w" } },
  { "win.settings", { "<Control>comma" } },
  { "win.delete", { "<Control>Delete" } },
  { "win.menu", { "F10" } },
  { "win.media", { "<Control>m" } },
  { "win.test-drive", { "<Control><Shift>Return" } },
  { "win.snapshots", { "<Control>t" } },
  { "win.take-snapshot", { "<Control><Shift>t" } },
  { "win.clone", { "<Control>d" } },
};

static void
bunshin_application_startup (GApplication *application)
{
  G_APPLICATION_CLASS (bunshin_application_parent_class)->startup (application);
  ui_load_style ();
  g_action_map_add_action_entries (G_ACTION_MAP (application), entries, G_N_ELEMENTS (entries), application);
  for (gsize i = 0; i < G_N_ELEMENTS (accels); i++)
    gtk_application_set_accels_for_action (GTK_APPLICATION (application), accels[i].action,
                                           (const char *const *) accels[i].accels);
}

static void
bunshin_application_activate (GApplication *application)
{
  BunshinApplication *self = BUNSHIN_APPLICATION (application);
  GtkWindow *window = gtk_application_get_active_window (GTK_APPLICATION (self));

  if (window == NULL)
    window = GTK_WINDOW (bunshin_manager_window_new (GTK_APPLICATION (self), &self->env));
  gtk_window_present (window);
}

static void
bunshin_application_class_init (BunshinApplicationClass *klass)
{
  GApplicationClass *application_class = G_APPLICATION_CLASS (klass);

  application_class->startup = bunshin_application_startup;
  application_class->activate = bunshin_application_activate;
}

static void
bunshin_application_init (BunshinApplication *self)
{
}

BunshinApplication *
bunshin_application_new (const UiManagerEnv *env)
{
  /* Another data folder is another library: its manager must not be answered by the one that is open already. */
  GApplicationFlags flags = g_getenv ("BUNSHIN_HOME") != NULL ? G_APPLICATION_NON_UNIQUE : G_APPLICATION_DEFAULT_FLAGS;
  BunshinApplication *self = g_object_new (BUNSHIN_TYPE_APPLICATION, "application-id", UI_APP_ID, "flags", flags,
                                           "resource-base-path", "/org/bunshin/Bunshin", NULL);

  self->env = *env;
  return self;
}
