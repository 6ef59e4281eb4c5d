/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Start-up steps that the application object and the tests share with ui.c. */
#pragma once

/* Makes the templates, icons and styles known to GLib; may be called again. */
void ui_register_resources (void);
/* Icons and styles for the default display. */
void ui_load_style (void);
