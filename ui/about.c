/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The window that says what Bunshin is. */

#include "ui/about.h"

#include "ui/ui.h"

#include <adwaita.h>
#include <glib/gi18n.h>

void
bunshin_about_show (GtkWindow *parent)
{
  adw_show_about_window (parent,
                         "application-name", _("Bunshin"),
                         "application-icon", UI_APP_ID,
                         "version", BUNSHIN_VERSION,
                         "developer-name", _("The Bunshin developers"),
                         "comments", _("Whole computers in windows: create a machine, install an operating system, "
                                       "and use it beside your own. The emulation runs inside Bunshin itself."),
                         "license-type", GTK_LICENSE_GPL_3_0,
                         /* Translators: your names, one a line. */
                         "translator-credits", _("translator-credits"),
                         NULL);
}
