/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Making image files so that they appear under their name only when whole. Private to storage/disk. */
#pragma once

#include "storage/disk/format.h"

/* A place beside the final one in which the files of one image are made, under the names they will have. */
typedef struct Stage Stage;

/* An error when @path exists, unless it is to be replaced, or is being made by somebody else. What a killed run left of
 * it goes. */
Stage *stage_new (const char *path, gboolean replace, GError **error);
/* Where the image itself is to be made. Caller frees. */
char *stage_file (const Stage *stage);
/* Both free the stage. Files are to be synced and closed before. */
gboolean stage_commit (Stage *stage, GError **error);
void stage_abort (Stage *stage);

/* The format for a new image: @name, or by the ending of @path, or VDI. */
const ImageFormat *image_format_to_create (const char *name, const char *path, GError **error);
/* Whether the format can do that. */
gboolean image_check_create (const char *path, const ImageFormat *format, const ImageCreate *create, GError **error);
/* A new image, made as @file_path and its siblings there, synced, closed again; errors call it @path. */
gboolean image_create (const char *file_path, const char *path, const ImageFormat *format, const ImageCreate *options,
                       GError **error);
/* What an image in @folder calls @base: by the way from there when it lies beneath. Caller frees. */
char *image_base_name (const char *folder, const char *base);
/* An image without file, format and state. */
Image *image_new (const char *path);
