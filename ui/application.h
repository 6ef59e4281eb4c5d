/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The manager's application object: its window and the actions that belong to no window. */
#pragma once

#include "ui/ui.h"

#include <adwaita.h>

G_BEGIN_DECLS

#define BUNSHIN_TYPE_APPLICATION (bunshin_application_get_type ())
G_DECLARE_FINAL_TYPE (BunshinApplication, bunshin_application, BUNSHIN, APPLICATION, AdwApplication)

/* @env is copied; what it points to outlives the application. */
BunshinApplication *bunshin_application_new (const UiManagerEnv *env);

G_END_DECLS
