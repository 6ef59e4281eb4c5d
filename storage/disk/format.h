/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What an image format implements, and the image it works on. Private to storage/disk. */
#pragma once

#include "storage/disk/disk.h"

typedef struct Image Image;
typedef struct ImageFormat ImageFormat;

enum { IMAGE_SAMPLE_SIZE = 4096, SECTOR_SIZE = 512 };

/* The first bytes of a file, for probing. */
typedef struct
{
  const uint8_t *head;
  size_t length;
  uint64_t file_size;
} ImageSample;

struct ImageFormat
{
  const char *name;             /* the word users and errors see */
  gboolean can_create;
  int (*probe) (const ImageSample *sample);            /* 0 = no; raw scores 1 */
  gboolean (*open) (Image *img, GError **error);       /* validates every header field; sets size */
  gboolean (*create) (int fd, const char *path, DiskVariant variant, uint64_t size, GError **error);
  void (*close) (Image *img);
  /* offset <= size && length <= size - offset; one thread at a time. */
  gboolean (*read) (Image *img, uint64_t offset, void *buffer, size_t length, GError **error);
  gboolean (*write) (Image *img, uint64_t offset, const void *buffer, size_t length, GError **error);
  gboolean (*discard) (Image *img, uint64_t offset, uint64_t length, GError **error); /* optional: a hint */
  gboolean (*flush) (Image *img, GError **error);      /* data and metadata durable */
};

struct Image
{
  const ImageFormat *format;
  char *path;
  int fd;
  gboolean read_only, fixed;
  uint64_t size;
  uint64_t file_size;           /* when it was opened */
  void *state;                  /* the format's own */
  Image *base;                  /* what an overlay lies on; owned */
};

extern const ImageFormat raw_format, iso_format, vdi_format, overlay_format;

/* Whether the image can be that of a CD or DVD. */
gboolean image_check_disc (Image *img, GError **error);
Image *image_open (const char *path, gboolean read_only, GError **error);
/* A writable image over @base (taken) whose changes live in an unnamed temporary file. */
Image *overlay_new (Image *base, GError **error);
void image_close (Image *img);

/* File access that completes or fails; reads beyond the end give zeros. Errors name the image. */
gboolean image_pread (Image *img, uint64_t at, void *buffer, size_t length, GError **error);
gboolean image_pwrite (Image *img, uint64_t at, const void *buffer, size_t length, GError **error);
gboolean image_sync (Image *img, GError **error);
void image_punch_hole (Image *img, uint64_t at, uint64_t length);
/* “cannot DO “path”: cause of errno”; FALSE. */
gboolean image_errno (GError **error, const char *path, const char *doing, int cause);
G_GNUC_PRINTF (3, 4) gboolean image_damaged (GError **error, Image *img, const char *format, ...);
