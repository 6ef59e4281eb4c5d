/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Short questions and answers: errors, confirmations, choosing files. None of them blocks. */
#pragma once

#include <gtk/gtk.h>

G_BEGIN_DECLS

/* Errors are written to follow "what failed: "; on their own they are sentences. Caller frees. */
char *dialog_as_sentence (const char *text);
/* Says what did not work and why. */
void dialog_error (GtkWindow *parent, const char *heading, const char *body);

/* Asks before something that cannot be undone; @confirm (with mnemonic) is the button that does it. */
typedef void (*DialogConfirmed) (gpointer data);
void dialog_confirm (GtkWindow *parent, const char *heading, const char *body, const char *confirm,
                     DialogConfirmed confirmed, gpointer data, GDestroyNotify data_free);

/* Shows an AdwMessageDialog with the focus on its default response: Enter must not do what cannot be undone. */
void dialog_present_question (GtkWindow *dialog);

typedef enum
{
  DIALOG_FILES_DISC,
  DIALOG_FILES_FLOPPY,
  DIALOG_FILES_DISK,
  DIALOG_FILES_MEDIUM, /* any of the three */
  DIALOG_FILES_FOLDER,
  DIALOG_FILES_APPLIANCE,
  DIALOG_FILES_PLACE, /* of a new file */
  DIALOG_FILES_PNG
} DialogFiles;

/* Lets the user choose a file to open (or, of places and pictures, to save); called with its path when one was chosen. @name: proposed
 * for saving; a whole path of a place. The data lives as long as the dialog. */
typedef void (*DialogFileChosen) (const char *path, gpointer data);
void dialog_choose_file (GtkWindow *parent, const char *title, DialogFiles kind, const char *name,
                         DialogFileChosen chosen, gpointer data, GDestroyNotify data_free);

G_END_DECLS
