/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Sizes as people write them: 512M, 20G; powers of 1024. */
#pragma once

#include <glib.h>

/* A whole number and K, M, G or T; without a letter: bytes. FALSE when it is something else or does not fit. */
gboolean cli_size_parse (const char *text, guint64 *bytes);
/* The shortest exact form. Caller frees. */
char *cli_size_format (guint64 bytes);
