/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What an image format implements, and the image it works on. Private to
 * storage/disk.
 *
 * A format's core is its map: where each part of the disk lies. With extent()
 * (where is it?), reserve() (give it a place) and commit() (it is there now) it
 * takes image_map_read() and image_map_write() as its read and write: they do the
 * input and output without a lock, in parallel, fill up units from the base image,
 * and leave zeros unwritten.
 */
#pragma once

#include "storage/disk/disk.h"

typedef struct Image Image;
typedef struct ImageFile ImageFile;
typedef struct ImageFormat ImageFormat;
typedef struct ImageBlanks ImageBlanks;

enum
{
  IMAGE_HEAD_SIZE = 17 * 2048,
  IMAGE_TAIL_SIZE = 4096,
  SECTOR_SIZE = 512,
  IMAGE_CHAIN_MAX = 256
};

/* The largest disk there is: 64 TiB. */
#define IMAGE_SIZE_MAX ((uint64_t) 64 << 40)

/* The first and last bytes of a file, for probing. */
typedef struct
{
  const uint8_t *head, *tail;
  size_t head_length, tail_length; /* up to IMAGE_HEAD_SIZE and IMAGE_TAIL_SIZE; they overlap in a small file */
  uint64_t file_size;
  const char *name; /* of the file, without its folder */
} ImageSample;

typedef enum
{
  IMAGE_CAN_CREATE = 1 << 0,
  IMAGE_CAN_RESIZE = 1 << 1,
  IMAGE_CAN_DISCARD = 1 << 2,
  IMAGE_CAN_BACK = 1 << 3,   /* can lie over a base image */
  IMAGE_MANY_FILES = 1 << 4, /* may consist of several files */
  IMAGE_REMOTE = 1 << 6,     /* on a server: there is no file */
  IMAGE_IN_ORDER = 1 << 5,   /* a new one is written once, from its beginning to its end, by one thread */
} ImageCaps;

/* One open and locked file of an image. */
struct ImageFile
{
  char *path;
  int fd;
  int direct_fd; /* the same file past the host's cache, or -1 */
  gboolean read_only;
  uint64_t size; /* when it was opened */
};

typedef enum
{
  IMAGE_DATA, /* the bytes lie in @file from @at, as they are */
  IMAGE_ZERO,
  IMAGE_UNALLOCATED, /* this layer has nothing: the base's, or zeros without one */
  IMAGE_PACKED,      /* compressed: for the format's unpack() */
} ImageExtentKind;

typedef struct
{
  ImageExtentKind kind;
  uint64_t length; /* bytes from the offset asked for, > 0; may reach beyond the disk's end */
  ImageFile *file; /* DATA, PACKED; borrowed */
  uint64_t at;
  uint64_t detail; /* the format's own, for unpack() */
  gboolean shared; /* DATA that something else uses too: what is written goes to a new place */
} ImageExtent;

/* Room for some units of the disk that had none, in a row on the disk and in the file. */
typedef struct
{
  uint64_t start, length; /* of the disk; whole units (the last may reach beyond the disk's end) */
  ImageFile *file;
  uint64_t at;     /* where @start goes */
  gboolean fresh;  /* the room reads as zeros: it lies beyond anything ever written, or is a hole */
  uint64_t detail; /* the format's own, for commit() */
} ImagePlace;

/* What tells an image from others, for differencing images; zeros where the format has none. */
typedef struct
{
  uint8_t uuid[16];  /* of the image, in the byte order of its file */
  uint8_t state[16]; /* changes when its contents do: VDI's modification UUID, VMDK's CID in the first four */
} ImageIdentity;

/* What an image that is being opened says of its base. Strings are owned by the image. */
typedef struct
{
  gboolean wanted;
  char *name;   /* as the image has it; NULL: to be found by its UUID in the image's folder */
  char *format; /* forced, or NULL: found by content */
  gboolean check_uuid, check_state;
  ImageIdentity identity; /* what the base must have, where checked */
} ImageParent;

typedef struct
{
  uint64_t size;         /* bytes, a multiple of 512; <= max_size */
  const char *variant;   /* one of the format's */
  Image *base;           /* open, read-only, or NULL; only with IMAGE_CAN_BACK */
  const char *base_format; /* of a base that is not open, of which only this and the name are needed; else NULL */
  const char *base_name; /* what the image is to call it: relative to its folder where it lies beneath, else absolute */
  const ImageIdentity *identity; /* to be taken over, or NULL for a new one */
} ImageCreate;

typedef struct
{
  uint64_t errors;     /* what makes data wrong or will */
  uint64_t leaks;      /* space that nothing uses */
  uint64_t repaired;   /* of both, when told to repair */
  uint64_t allocated;  /* bytes of the disk that this layer holds */
  GPtrArray *messages; /* char *, the first IMAGE_REPORT_MAX faults */
} ImageReport;

enum
{
  IMAGE_REPORT_MAX = 100
};

struct ImageFormat
{
  const char *name; /* the word users and errors see */
  ImageCaps caps;
  const char *const *variants; /* of new images, NULL-terminated; the first is the default. With IMAGE_CAN_CREATE */
  const char *const *endings;  /* of file names, NULL-terminated; the first is given to new ones */
  uint64_t max_size;           /* bytes, of new images */

  int (*probe) (const ImageSample *sample); /* 0 = no; raw scores 1; a magic number 100 */

  /* Validates every header field; sets size, variant, unit, identity and parent. The base is not open yet. After FALSE
   * nothing is left to be closed. */
  gboolean (*open) (Image *img, GError **error);
  /* Writes a new image into img->file (empty, of size 0) and siblings made with image_create_sibling(). The file is
   * synced and gets its name afterwards. */
  gboolean (*create) (Image *img, const ImageCreate *options, GError **error);
  void (*close) (Image *img);

  /* offset <= size && length <= size - offset. Several threads at a time, though never over the same bytes while one of
   * them changes these; resize and check come alone. */
  gboolean (*read) (Image *img, uint64_t offset, void *buffer, size_t length, GError **error);
  gboolean (*write) (Image *img, uint64_t offset, const void *buffer, size_t length, GError **error);
  /* Makes whole units read as zeros and gives their room back: offset is a multiple of img->unit, length too or it ends
   * with the disk. What lies in a base must not show through. */
  gboolean (*discard) (Image *img, uint64_t offset, uint64_t length, GError **error);
  /* What was written before is durable: data first, then what points at it. */
  gboolean (*flush) (Image *img, GError **error);

  /* After a flush, when nothing is going to be written for now: leaves the files as close() does. What is written later
   * is as the first after open(). Optional. */
  gboolean (*rest) (Image *img, GError **error);

  /* With img->map_lock held: what lies at @offset (< size), and how far that goes; nobody asks beyond @length bytes. */
  gboolean (*extent) (Image *img, uint64_t offset, uint64_t length, ImageExtent *out, GError **error);
  /* With img->map_lock held: room for the unit of @offset and, if convenient, for those after it that hold some of the
   * @length bytes. None of them is DATA and none is being written. The map does not change yet. */
  gboolean (*reserve) (Image *img, uint64_t offset, uint64_t length, ImagePlace *out, GError **error);
  /* With img->map_lock held: what @place holds is in the file, and the map says so from now on (the file's map, with
   * the next flush). */
  gboolean (*commit) (Image *img, const ImagePlace *place, GError **error);
  /* With img->map_lock held: the room was not filled. Optional. */
  void (*release) (Image *img, const ImagePlace *place);
  /* Without a lock: bytes of one PACKED extent. */
  gboolean (*unpack) (Image *img, const ImageExtent *extent, uint64_t offset, void *buffer, size_t length,
                      GError **error);

  /* @size as in ImageCreate. What is cut off is lost; what is added reads as zeros. Durable when it returns. */
  gboolean (*resize) (Image *img, uint64_t size, GError **error);
  /* The whole image, base aside. Faults are told with image_report(). @repair: puts right what it can (on a copy,
   * opened with img->checking). */
  gboolean (*check) (Image *img, gboolean repair, ImageReport *report, GError **error);
};

struct Image
{
  const ImageFormat *format;
  char *path;          /* what errors call it */
  char *address;       /* of a server's disk: the URL, with what nobody is to see; else NULL */
  char *folder;        /* in which siblings and relative bases are looked for */
  ImageFile *file;     /* the one that was opened; NULL only in layers without one */
  GPtrArray *siblings; /* ImageFile, the others; owned */
  gboolean read_only;
  gboolean checking;   /* open() lets pass what check() will tell */
  gboolean trusted;    /* names in it may lead anywhere */
  gboolean same;       /* what is written changes nothing of the disk: the identity stays */
  gboolean holds_more; /* more than this disk, such as snapshots inside: it must not be made anew */
  gboolean direct;     /* files are opened past the host's cache too */
  gboolean looking;    /* files are not locked */
  const char *variant; /* as found: one of the format's, or another word */
  uint64_t size;
  uint32_t unit; /* bytes that get their room together; a power of two; 512 where there is no such thing */
  ImageIdentity identity;
  ImageParent parent;
  Image *base; /* the layer below; owned */
  const Image *instead_of; /* while it is being opened: see image_reopen() */
  void *state; /* the format's own */

  /* Of an image that another has been laid over while it was written to. Atomic. */
  int unflushed; /* a flush of the disk has to cover it, too */
  int unsettled; /* its files are locked for writing, and not at rest */

  int crowded; /* much is to be remembered until the next flush: see image_relieve(); atomic */

  GMutex map_lock;
  GCond map_cond;
  struct ImageWrite *writes; /* places being filled; with map_lock */
  ImageBlanks *blanks; /* of an image with a base; atomic, set with map_lock; or NULL */
};

extern const ImageFormat raw_format, iso_format, overlay_format;
extern const ImageFormat vdi_format;
extern const ImageFormat vhd_format;
extern const ImageFormat vhdx_format;
extern const ImageFormat hdd_format;
extern const ImageFormat vmdk_format;
extern const ImageFormat qcow2_format;
/* Every format, in the order they are asked; NULL-terminated. */
extern const ImageFormat *const image_formats[];
const ImageFormat *image_format_find (const char *name); /* NULL: none */

/* Images */

typedef enum
{
  IMAGE_OPEN_READ_ONLY = 1 << 0,
  IMAGE_OPEN_CHECKING = 1 << 1, /* open faults that check() reports */
  IMAGE_OPEN_NO_BASE = 1 << 2,  /* this layer alone */
  IMAGE_OPEN_TRUSTED = 1 << 3,  /* names within the image may lead out of its folder */
  IMAGE_OPEN_DIRECT = 1 << 4,
  IMAGE_OPEN_SAME = 1 << 5, /* for moving the same contents about: Image.same */
  IMAGE_OPEN_LOOK = 1 << 6, /* without locks; with READ_ONLY */
  IMAGE_OPEN_MEND = 1 << 7, /* bases that were not closed properly are, where that takes writing to them */
} ImageOpenFlags;

/* @format NULL: by content. @base NULL: what the image says, if it may say so. */
Image *image_open (const char *path, ImageOpenFlags flags, const char *format, const char *base, GError **error);
/* As DiskOpenOptions.chain; NULL: what the image says. */
Image *image_open_chain (const char *path, ImageOpenFlags flags, const char *format, const char *const *chain,
                         GError **error);
void image_close (Image *img);
/* The image that @img, which is at rest, has open for reading, anew and for writing, without its base: all locks go over
 * to it. On failure @img has them still. Nobody may use @img any more once the new one is written to. */
Image *image_reopen (Image *img, GError **error);
/* Whether the image can be that of a CD or DVD. */
gboolean image_check_disc (Image *img, GError **error);
/* A writable image over @base (taken) whose changes live in an unnamed temporary file. */
Image *overlay_new (Image *base, GError **error);

/* What this layer and those below hold within @length bytes from @offset: DATA or PACKED of one of them (*@layer), or
 * ZERO; never UNALLOCATED. All layers' maps are searched that far, so who goes on from there should not ask for much
 * more than he needs. @layer (optional) is NULL when none of them knows of the range. */
gboolean image_resolve (Image *img, uint64_t offset, uint64_t length, ImageExtent *out, Image **layer, GError **error);
void image_blanks_free (ImageBlanks *blanks);
/* Bytes of the layer below; zeros beyond its end or without one. */
gboolean image_read_base (Image *img, uint64_t offset, void *buffer, size_t length, GError **error);
/* Changes the size in place, as the format's resize(), which must exist; a base that is longer does not show through in
 * what is added. */
gboolean image_resize (Image *img, uint64_t size, GError **error);
/* Makes a range read as zeros, without room for them where the format can. */
gboolean image_zero (Image *img, uint64_t offset, uint64_t length, GError **error);

/* Before each change, without map_lock: keeps within bounds what has to be remembered until the next flush. */
gboolean image_relieve (Image *img, GError **error);
/* Whole units, as the format's discard(); in parts. */
gboolean image_discard (Image *img, uint64_t offset, uint64_t length, GError **error);

/* For the formats' tables; see above. */
gboolean image_map_read (Image *img, uint64_t offset, void *buffer, size_t length, GError **error);
gboolean image_map_write (Image *img, uint64_t offset, const void *buffer, size_t length, GError **error);

/* Other files of the image. @name is relative to the image's folder; one that leads out of it is refused unless the
 * image is trusted. Locked like the image itself. Owned by the image. */
ImageFile *image_open_sibling (Image *img, const char *name, GError **error);
ImageFile *image_create_sibling (Image *img, const char *name, GError **error);
/* The path that @name means for the image, when it may be followed. Caller frees. */
char *image_follow (Image *img, const char *name, GError **error);

/* A fault found by check(): counted among @count (the report's errors or leaks). */
G_GNUC_PRINTF (3, 4) void image_report (ImageReport *report, uint64_t *count, const char *format, ...);
void image_report_clear (ImageReport *report);

/* Files */

ImageFile *image_file_open (const char *path, gboolean read_only, gboolean direct, GError **error);
ImageFile *image_file_look (const char *path, GError **error);   /* read-only and not locked */
ImageFile *image_file_create (const char *path, GError **error); /* new, empty, locked */
void image_file_close (ImageFile *file);
/* The same file as @old, which is locked for reading, opened and locked for writing in its place: @old has no lock then. An
 * error when somebody else has it open, too; @old is as before. */
ImageFile *image_file_take_over (ImageFile *old, gboolean direct, GError **error);
/* The other way round, before @file is closed. */
void image_file_hand_back (ImageFile *file, ImageFile *old);
/* The same file as @file once more, for writing and without a lock of its own. */
ImageFile *image_file_again (const ImageFile *file, GError **error);
/* Whether both are openings of one file. */
gboolean image_file_is_same (const ImageFile *a, const ImageFile *b);
/* Others may read it, too, from now on; who has it open goes on as before, but is not to write. */
gboolean image_file_share (ImageFile *file, GError **error);
/* They complete or fail; reads beyond the end give zeros. Errors name the file. */
gboolean image_file_read (ImageFile *file, uint64_t at, void *buffer, size_t length, GError **error);
gboolean image_file_write (ImageFile *file, uint64_t at, const void *buffer, size_t length, GError **error);
gboolean image_file_sync (ImageFile *file, GError **error);
gboolean image_file_truncate (ImageFile *file, uint64_t size, GError **error);
/* It has @size bytes or more, and keeps what others write behind its end at the same time. */
gboolean image_file_grow (ImageFile *file, uint64_t size, GError **error);
/* Takes the space now, so that writing there does not fail for want of it. */
gboolean image_file_allocate (ImageFile *file, uint64_t at, uint64_t length, GError **error);
/* From one place to another in the same file, which do not overlap; with little memory, however long it is. */
gboolean image_file_copy (ImageFile *file, uint64_t from, uint64_t to, uint64_t length, GError **error);
/* The range reads as zeros afterwards; a hole where that is possible. May make the file longer. */
gboolean image_file_zero (ImageFile *file, uint64_t at, uint64_t length, GError **error);
/* A hint: what was written may go to the disk now, so that a sync has less to wait for. */
void image_file_start_sync (ImageFile *file);
/* A hint: the data may stay. */
void image_file_punch (ImageFile *file, uint64_t at, uint64_t length);
/* What is known of @length bytes at @at of a file that has the disk as it is: DATA, or ZERO where there is a hole. */
void image_file_extent (ImageFile *file, uint64_t at, uint64_t length, ImageExtent *out);
/* Of @parts, which lie one after the other and begin with the disk's first byte, the one that holds @offset; each has the
 * uint64_t where it begins at @start_at in it. */
gpointer image_find_part (const GArray *parts, size_t start_at, uint64_t offset);
/* Bytes now, also of a block device. */
gboolean image_file_length (ImageFile *file, uint64_t *length, GError **error);

/* The same of img->file. */
gboolean image_pread (Image *img, uint64_t at, void *buffer, size_t length, GError **error);
gboolean image_pwrite (Image *img, uint64_t at, const void *buffer, size_t length, GError **error);
/* All files of the image. */
gboolean image_sync (Image *img, GError **error);
gboolean image_share (Image *img, GError **error);
/* The one of @img's files that @file is another opening of, or NULL. */
ImageFile *image_find_file (const Image *img, const ImageFile *file);

/* “cannot DO “path”: cause of errno”; FALSE. */
gboolean image_errno (GError **error, const char *path, const char *doing, int cause);
/* “the vdi image “path” is damaged: …”; FALSE. */
G_GNUC_PRINTF (3, 4) gboolean image_damaged (GError **error, Image *img, const char *format, ...);
/* “cannot open “path”: …”, of something sound that Bunshin does not do; FALSE. */
G_GNUC_PRINTF (3, 4) gboolean image_unsupported (GError **error, Image *img, const char *format, ...);
gboolean image_is_zero (const void *data, size_t length);
/* For data on its way from file to file: aligned to pages, which the kernel copies to and from several times as fast as
 * what is not, and which goes past the host's cache where that is asked for. Freed with g_autoptr. */
typedef uint8_t ImageBuffer;
ImageBuffer *image_buffer_new (size_t length);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ImageBuffer, g_aligned_free)
void image_new_uuid (uint8_t uuid[16]); /* random; version 4, in Microsoft's byte order */
