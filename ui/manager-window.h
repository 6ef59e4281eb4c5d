/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The manager: the library's machines on the left, the selected one on the right. */
#pragma once

#include "ui/ui.h"

#include <adwaita.h>

G_BEGIN_DECLS

#define BUNSHIN_TYPE_MANAGER_WINDOW (bunshin_manager_window_get_type ())
G_DECLARE_FINAL_TYPE (BunshinManagerWindow, bunshin_manager_window, BUNSHIN, MANAGER_WINDOW, AdwApplicationWindow)

/* @env is copied; what it points to outlives the window. @application may be NULL (tests). */
BunshinManagerWindow *bunshin_manager_window_new (GtkApplication *application, const UiManagerEnv *env);

G_END_DECLS
