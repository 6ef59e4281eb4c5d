/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Writes one JSON document, indented. Spec: RFC 8259. */
#pragma once

#include <glib.h>

typedef struct
{
  GString *text;
  unsigned depth;
  gboolean empty; /* nothing in the innermost array or object yet */
} Json;

void json_begin (Json *json);
/* The document, with a newline at its end. Caller frees. */
char *json_end (Json *json);
/* @key NULL within an array or at the top. */
void json_open (Json *json, const char *key, char bracket);
void json_close (Json *json, char bracket);
/* @value NULL: null. Bytes that are not UTF-8 become U+FFFD. */
void json_string (Json *json, const char *key, const char *value);
void json_uint (Json *json, const char *key, guint64 value);
void json_int (Json *json, const char *key, gint64 value);
void json_bool (Json *json, const char *key, gboolean value);
