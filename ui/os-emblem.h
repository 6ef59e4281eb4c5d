/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A small tile that stands for an operating system: its initial on the colour
 * of its family. Property "os-id" (string).
 */
#pragma once

#include <gtk/gtk.h>

G_BEGIN_DECLS

#define BUNSHIN_TYPE_OS_EMBLEM (bunshin_os_emblem_get_type ())
G_DECLARE_FINAL_TYPE (BunshinOsEmblem, bunshin_os_emblem, BUNSHIN, OS_EMBLEM, GtkWidget)

void bunshin_os_emblem_set_os_id (BunshinOsEmblem *self, const char *os_id);

G_END_DECLS
