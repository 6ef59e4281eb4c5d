/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The command line: its verbs, and what they share. */
#pragma once

#include "storage/library/library.h"

#include <glib.h>

/* Wrong usage (exit status 2), as against an operation that failed (1). */
#define CLI_USAGE_ERROR (cli_usage_error_quark ())
GQuark cli_usage_error_quark (void);

typedef struct
{
  const char *name;
  /* @args: the words after the verb, NULL-terminated. Returns the exit status; with @error set: 1, or 2 for usage. */
  int (*run) (char **args, GError **error);
  const char *usage;    /* what follows “bunshin ” */
  const char *summary;  /* one line */
  const char *details;  /* paragraphs, then an example */
} CliCommand;

/* Every verb, in the order that help lists them; ends with a NULL name. */
extern const CliCommand cli_commands[];
const CliCommand *cli_find_command (const char *name);
/* Runs the program; returns its exit status. */
int cli_main (int argc, char **argv);
/* The path of the running program. Caller frees. */
char *cli_program_path (void);

int cli_create (char **args, GError **error);
int cli_list (char **args, GError **error);
int cli_show (char **args, GError **error);
int cli_set (char **args, GError **error);
int cli_delete (char **args, GError **error);
int cli_start (char **args, GError **error);
int cli_pause (char **args, GError **error);
int cli_resume (char **args, GError **error);
int cli_reset (char **args, GError **error);
int cli_power_button (char **args, GError **error);
int cli_power_off (char **args, GError **error);
int cli_save (char **args, GError **error);
int cli_discard_state (char **args, GError **error);
int cli_wait (char **args, GError **error);
int cli_screenshot (char **args, GError **error);
int cli_type (char **args, GError **error);
int cli_key (char **args, GError **error);
int cli_mouse (char **args, GError **error);
int cli_info (char **args, GError **error);
int cli_forward (char **args, GError **error);
int cli_snapshot (char **args, GError **error);
/* What follows “snapshot changes” and “snapshot copy-out”. */
int cli_snapshot_changes (char **args, GError **error);
int cli_snapshot_copy_out (char **args, GError **error);
int cli_clone (char **args, GError **error);
int cli_drive (char **args, GError **error);
int cli_disk (char **args, GError **error);
int cli_import (char **args, GError **error);
int cli_export (char **args, GError **error);
int cli_run (char **args, GError **error);
int cli_help (char **args, GError **error);
/* The machine's own process, started by others: not listed. */
int cli_machine (char **args, GError **error);
/* For developers: not listed. */
int cli_debug (char **args, GError **error);

/* Options: “--name value”, “--name=value” or “--name”; “--” ends them. */
typedef enum { OPTION_FLAG, OPTION_STRING, OPTION_LIST } OptionKind;
typedef struct
{
  const char *name;     /* without the dashes; NULL ends the table */
  OptionKind kind;
  void *value;          /* gboolean *, const char **, GPtrArray ** (made when first used; strings borrowed) */
} Option;

/* Sorts @args into @options and the other words (borrowed; between @min and @max of them, max < 0: any number). */
gboolean options_parse (char **args, const Option *options, int min, int max, GPtrArray **words, GError **error);
gboolean G_GNUC_PRINTF (2, 3) usage_error (GError **error, const char *format, ...);
/* The same, and finds the machine that the first word names. @words and @library, both optional, are the caller's then. */
LibraryMachine *cli_find_machine (char **args, const Option *options, int min, int max, GPtrArray **words, Library **library,
                                  GError **error);
/* “--<option> <text>”, a whole number within limits; the error is one of usage. */
gboolean parse_number (const char *option, const char *text, guint64 min, guint64 max, guint64 *value, GError **error);
gboolean parse_size_option (const char *option, const char *text, guint64 *value, GError **error);
/* “nat”, “nat:host-access”, “none”. */
gboolean parse_net (const char *option, const char *text, LibraryNetKind *kind, char **param, GError **error);
const char *net_kind_name (LibraryNetKind kind);
/* The value of --controller: “ide”, “ahci”, “virtio”, “scsi” or “nvme”; NULL is IDE. */
gboolean parse_controller (const char *text, LibraryController *controller, GError **error);

/* Sets one KEY of a record, as in “bunshin set NAME KEY=VALUE”; relative paths are taken from the current folder. */
gboolean setting_apply (LibraryMachine *machine, const char *key, const char *value, GError **error);
/* Whether a change of @key to @value reaches a running machine: its slot is set for media, disks and cables. */
typedef enum { SETTING_OFF_ONLY, SETTING_RECORD_ONLY, SETTING_MEDIUM, SETTING_DISK, SETTING_CABLE } SettingScope;
SettingScope setting_scope (const LibraryMachine *machine, const char *key, const char *value, char **slot);
/* What a record does not say of its machine. */
typedef struct
{
  LibraryState state;
  const char *message;  /* NULL: none */
  const char *snapshot; /* the name of the one that its present state descends from, or NULL */
  gboolean in_drive;    /* it is on a test drive */
} SettingStatus;

/* The record as text: lines of “key: value”, or a JSON document. Caller frees. */
char *setting_describe (const LibraryMachine *machine, const SettingStatus *status);
char *setting_describe_json (const LibraryMachine *machine, const SettingStatus *status);
/* Adds an empty CD drive, on AHCI or SCSI where disks are there, else on IDE. NULL when its place is taken. */
LibraryAttachment *setting_add_cd_drive (LibraryMachine *machine, LibraryController controller);
/* An existing file's absolute path; the error names the file. */
char *existing_file (const char *path, GError **error);
