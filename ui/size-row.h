/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A size on a slider, with an entry for the exact number.
 *
 * Signal "edited": the user chose another value (not the program).
 */
#pragma once

#include <adwaita.h>

G_BEGIN_DECLS

#define BUNSHIN_TYPE_SIZE_ROW (bunshin_size_row_get_type ())
G_DECLARE_FINAL_TYPE (BunshinSizeRow, bunshin_size_row, BUNSHIN, SIZE_ROW, AdwPreferencesRow)

/* All in bytes. Above @warn_above (0: never) @warning is shown. @unit: what a bare number in the entry counts. */
void bunshin_size_row_set_limits (BunshinSizeRow *self, guint64 minimum, guint64 maximum, guint64 warn_above,
                                  const char *warning, guint64 unit);
void bunshin_size_row_set_value (BunshinSizeRow *self, guint64 value);
guint64 bunshin_size_row_get_value (BunshinSizeRow *self);
/* FALSE while the entry holds what is no size, or one beyond the limits. */
gboolean bunshin_size_row_is_valid (BunshinSizeRow *self);

G_END_DECLS
