/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The rows that choose what kind of file a new disk is, wherever they are. */
#pragma once

#include <adwaita.h>

G_BEGIN_DECLS

/* Widgets of a template; borrowed. */
typedef struct
{
  AdwComboRow *format_row;
  GtkSwitch *fixed_switch;
  GtkWidget *split_row; /* hidden where there is no such thing */
  GtkSwitch *split_switch;
} FormatRows;

/* @rows lives as long as the widgets. */
void format_rows_init (FormatRows *rows);
/* The block layer's words. */
const char *format_rows_get_format (const FormatRows *rows);
const char *format_rows_get_variant (const FormatRows *rows);
void format_rows_set_format (const FormatRows *rows, const char *format);

G_END_DECLS
