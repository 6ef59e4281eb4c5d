/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Running machines. A machine's process holds an open file description lock on
 * the file “lock” in the machine's folder and writes its state there, so that
 * anybody can read it without waiting for the process. Spec: fcntl(2),
 * F_OFD_SETLK.
 *
 * The file's text is five lines, state, process, control socket, message and
 * whether a question is open, and a closing dot that tells a whole text from
 * one being replaced.
 */

#include "storage/library/library-private.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n-lib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

struct LibraryLock
{
  int fd;
  gboolean asks;
};

enum { LINE_STATE, LINE_PROCESS, LINE_SOCKET, LINE_MESSAGE, LINE_QUESTION, LINE_END, LINES };

static const char *const state_names[] = { "powered-off", "starting", "running", "paused", "stopping",
                                           "saving", "saved" };

const char *
library_state_name (LibraryState state)
{
  return state_names[state];
}

gboolean
library_state_parse (const char *name, LibraryState *state)
{
  for (unsigned i = 0; i < G_N_ELEMENTS (state_names); i++)
    if (g_strcmp0 (name, state_names[i]) == 0)
      {
        *state = i;
        return TRUE;
      }
  return FALSE;
}

static char *
lock_path (const LibraryMachine *machine)
{
  return g_build_filename (machine->folder, "lock", NULL);
}

static LibraryLock *
lock_machine (const LibraryMachine *machine, LibraryState state, GError **error)
{
  g_autofree char *path = lock_path (machine);
  struct flock range = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
  LibraryLock *lock;
  int fd = open (path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

  if (fd < 0)
    {
      g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (errno), _("cannot lock the machine “%s”: “%s”: %s"),
                   machine->name, path, g_strerror (errno));
      return NULL;
    }
  if (fcntl (fd, F_OFD_SETLK, &range) != 0)
    {
      int saved = errno;

      if (saved == EAGAIN || saved == EACCES)
        g_set_error (error, LIBRARY_ERROR, LIBRARY_ERROR_RUNNING, _("the machine “%s” is running"), machine->name);
      else
        g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (saved), _("cannot lock the machine “%s”: “%s”: %s"),
                     machine->name, path, g_strerror (saved));
      close (fd);
      return NULL;
    }
  lock = g_new0 (LibraryLock, 1);
  lock->fd = fd;
  library_lock_publish (lock, state, NULL, NULL);
  return lock;
}

LibraryLock *
library_lock_machine (const LibraryMachine *machine, GError **error)
{
  return lock_machine (machine, LIBRARY_STATE_STARTING, error);
}

void
library_lock_release (LibraryLock *lock)
{
  if (!lock)
    return;
  close (lock->fd);
  g_free (lock);
}

void
library_lock_set_asks (LibraryLock *lock, gboolean asks)
{
  lock->asks = asks;
}

void
library_lock_publish (LibraryLock *lock, LibraryState state, const char *socket, const char *message)
{
  g_autofree char *line = g_strdup (message ? message : "");
  g_autofree char *text = NULL;
  ssize_t written;

  text = g_strdup_printf ("%s\n%ld\n%s\n%s\n%s\n.\n", state_names[state], (long) getpid (), socket ? socket : "",
                          g_strdelimit (line, "\n\r", ' '), lock->asks ? "asks" : "");
  /* A full disk may refuse it: readers then see the previous text, or none. */
  written = pwrite (lock->fd, text, strlen (text), 0);
  if (written < 0 || ftruncate (lock->fd, written) != 0)
    g_debug ("cannot publish the machine's state: %s", g_strerror (errno));
}

/* The lock file's lines, or NULL. */
static char **
read_text (int fd)
{
  char buffer[4096];

  for (int tries = 0; tries < 10; tries++)
    {
      ssize_t length = pread (fd, buffer, sizeof buffer - 1, 0);
      g_auto (GStrv) lines = NULL;

      if (length <= 0)
        return NULL;
      buffer[length] = '\0';
      lines = g_strsplit (buffer, "\n", LINES + 1);
      if (g_strv_length (lines) >= LINES && strcmp (lines[LINE_END], ".") == 0)
        return g_steal_pointer (&lines);
      g_usleep (100);
    }
  return NULL;
}

char *
library_saved_state_path (const LibraryMachine *machine)
{
  return g_build_filename (machine->folder, "saved.state", NULL);
}

/* Of a machine that does not run. */
static LibraryState
resting_state (const LibraryMachine *machine)
{
  g_autofree char *path = library_saved_state_path (machine);

  return access (path, F_OK) == 0 ? LIBRARY_STATE_SAVED : LIBRARY_STATE_POWERED_OFF;
}

gboolean
library_remove_saved_state (const LibraryMachine *machine, GError **error)
{
  g_autofree char *path = library_saved_state_path (machine);

  if (g_unlink (path) == 0)
    return library_sync_folder (machine->folder, error);
  if (errno == ENOENT)
    return TRUE;
  g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (errno), _("cannot delete “%s”: %s"), path,
               g_strerror (errno));
  return FALSE;
}

gboolean
library_discard_saved_state (const LibraryMachine *machine, GError **error)
{
  g_autoptr (LibraryLock) lock = library_lock_machine (machine, error);

  if (!lock)
    return FALSE;
  if (resting_state (machine) == LIBRARY_STATE_SAVED)
    return library_remove_saved_state (machine, error);
  g_set_error (error, LIBRARY_ERROR, LIBRARY_ERROR_NOT_FOUND, _("the machine “%s” has no saved state"), machine->name);
  return FALSE;
}

LibraryLock *
library_lock_resting (const LibraryMachine *machine, GError **error)
{
  return lock_machine (machine, resting_state (machine), error);
}

/* As read_text(); @is_locked: whether somebody has the machine. */
static char **
read_lock_file (const LibraryMachine *machine, gboolean *is_locked)
{
  g_autofree char *path = lock_path (machine);
  struct flock range = { .l_type = F_RDLCK, .l_whence = SEEK_SET };
  int fd = open (path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  char **lines;

  *is_locked = FALSE;
  if (fd < 0)
    return NULL;
  *is_locked = fcntl (fd, F_OFD_GETLK, &range) == 0 && range.l_type != F_UNLCK;
  lines = read_text (fd);
  close (fd);
  return lines;
}

LibraryState
library_machine_state (const LibraryMachine *machine, char **socket, char **message)
{
  gboolean is_locked;
  g_auto (GStrv) lines = read_lock_file (machine, &is_locked);
  LibraryState state = is_locked ? LIBRARY_STATE_STARTING : resting_state (machine);

  if (socket)
    *socket = NULL;
  if (message)
    *message = NULL;
  if (!lines)
    return state;
  if (message && *lines[LINE_MESSAGE] != '\0')
    *message = g_strdup (lines[LINE_MESSAGE]);
  if (!is_locked)
    return state;
  library_state_parse (lines[LINE_STATE], &state);
  if (socket && *lines[LINE_SOCKET] != '\0')
    *socket = g_strdup (lines[LINE_SOCKET]);
  return state;
}

gboolean
library_machine_asks (const LibraryMachine *machine)
{
  gboolean is_locked;
  g_auto (GStrv) lines = read_lock_file (machine, &is_locked);

  return is_locked && lines && *lines[LINE_QUESTION] != '\0';
}

char *
library_socket_path (Library *library, const LibraryMachine *machine, GError **error)
{
  const char *runtime = g_getenv ("XDG_RUNTIME_DIR");
  g_autofree char *file = g_strconcat (machine->uuid, ".sock", NULL);
  g_autofree char *folder = NULL, *path = NULL;
  struct stat info;

  folder = runtime && g_path_is_absolute (runtime) ? g_build_filename (runtime, "bunshin", NULL)
                                                   : g_build_filename (library->home, "run", NULL);
  path = g_build_filename (folder, file, NULL);
  if (strlen (path) >= sizeof ((struct sockaddr_un *) 0)->sun_path)
    {
      g_free (folder);
      g_free (path);
      folder = g_strdup_printf ("/tmp/bunshin-%lu", (unsigned long) getuid ());
      path = g_build_filename (folder, file, NULL);
    }

  /* In a shared place somebody else may have made the folder first: then it is not for us. */
  if (g_mkdir_with_parents (folder, 0700) != 0 || lstat (folder, &info) != 0)
    {
      g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (errno), _("cannot create the runtime folder “%s”: %s"),
                   folder, g_strerror (errno));
      return NULL;
    }
  if (!S_ISDIR (info.st_mode) || info.st_uid != getuid () || (info.st_mode & 0077) != 0)
    {
      g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_ACCES,
                   _("cannot use the runtime folder “%s”: it must be a folder of this user with mode 0700"), folder);
      return NULL;
    }
  return g_steal_pointer (&path);
}
