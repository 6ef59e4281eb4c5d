/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A window that tells all about an image.
 *
 * Signal "show-machine" (string uuid).
 */
#pragma once

#include "ui/medium-item.h"

#include <adwaita.h>

G_BEGIN_DECLS

#define BUNSHIN_TYPE_MEDIUM_PROPERTIES (bunshin_medium_properties_get_type ())
G_DECLARE_FINAL_TYPE (BunshinMediumProperties, bunshin_medium_properties, BUNSHIN, MEDIUM_PROPERTIES, AdwWindow)

GtkWindow *bunshin_medium_properties_new (GtkWindow *parent, BunshinMediumItem *item);

G_END_DECLS
