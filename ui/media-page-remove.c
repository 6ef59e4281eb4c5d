/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Taking images out of machines, of the list, and away. What is deleted leaves
 * the page at once, and the disk when its toast has gone without “Undo”.
 */

#include "ui/dialogs.h"
#include "ui/disk-work.h"
#include "ui/media-page-private.h"

#include <glib/gi18n.h>

enum
{
  UNDO_SECONDS = 8
};

/* @title is markup. */
static AdwToast *
undo_toast (const char *title)
{
  AdwToast *toast = adw_toast_new (title);

  adw_toast_set_button_label (toast, _("_Undo"));
  adw_toast_set_timeout (toast, UNDO_SECONDS);
  return toast;
}

static char *
escaped_name (BunshinMediumItem *item)
{
  return g_markup_escape_text (bunshin_medium_item_get_name (item), -1);
}

/* --- Out of machines --- */

typedef struct
{
  BunshinMediaPage *page; /* borrowed: its toast lies in it */
  char *path;
  GPtrArray *released; /* of LibraryRelease */
} Release;

static void
release_free (gpointer data, GClosure *closure)
{
  Release *release = data;

  g_free (release->path);
  g_ptr_array_unref (release->released);
  g_free (release);
}

static void
on_undo_release (AdwToast *toast, gpointer data)
{
  Release *release = data;
  g_autoptr (GError) error = NULL;

  if (!library_return_medium (release->page->library, release->path, release->released, &error))
    dialog_error (media_page_window (release->page), _("The medium could not be returned"), error->message);
  bunshin_media_list_reload (release->page->media);
}

void
media_page_release (BunshinMediaPage *self, BunshinMediumItem *item)
{
  g_autofree char *name = escaped_name (item), *title = g_strdup_printf (_("“%s” released"), name);
  g_autoptr (GError) error = NULL;
  Release *release = g_new0 (Release, 1);
  AdwToast *toast;

  release->page = self;
  release->path = g_strdup (bunshin_medium_item_get_path (item));
  release->released = library_release_medium (self->library, release->path, &error);
  if (release->released == NULL)
    {
      dialog_error (media_page_window (self), _("The medium could not be released"), error->message);
      g_free (release->path);
      g_free (release);
      return;
    }
  toast = undo_toast (title);
  g_signal_connect_data (toast, "button-clicked", G_CALLBACK (on_undo_release), release, release_free, 0);
  adw_toast_overlay_add_toast (self->toasts, toast);
  bunshin_media_list_reload (self->media);
}

/* --- Out of the list --- */

typedef struct
{
  BunshinMediaPage *page; /* borrowed */
  char *path, *format;
  LibraryMediumKind kind;
} Removal;

static void
removal_free (gpointer data, GClosure *closure)
{
  Removal *removal = data;

  g_free (removal->path);
  g_free (removal->format);
  g_free (removal);
}

static void
on_undo_remove (AdwToast *toast, gpointer data)
{
  Removal *removal = data;
  g_autoptr (GError) error = NULL;

  if (!library_add_medium (removal->page->library, removal->path, removal->kind, removal->format, &error))
    dialog_error (media_page_window (removal->page), _("The medium could not be added"), error->message);
  bunshin_media_list_reload (removal->page->media);
}

void
media_page_remove (BunshinMediaPage *self, BunshinMediumItem *item)
{
  const LibraryMedium *medium = bunshin_medium_item_get_medium (item);
  g_autofree char *name = escaped_name (item), *title = g_strdup_printf (_("“%s” removed from the list"), name);
  g_autoptr (GError) error = NULL;
  Removal *removal;
  AdwToast *toast;

  if (!library_forget_medium (self->library, medium->path, &error))
    {
      dialog_error (media_page_window (self), _("The medium could not be removed"), error->message);
      return;
    }
  removal = g_new0 (Removal, 1);
  removal->page = self;
  removal->path = g_strdup (medium->path);
  removal->format = g_strdup (medium->format);
  removal->kind = medium->kind;
  toast = undo_toast (title);
  g_signal_connect_data (toast, "button-clicked", G_CALLBACK (on_undo_remove), removal, removal_free, 0);
  adw_toast_overlay_add_toast (self->toasts, toast);
  bunshin_media_list_reload (self->media);
}

/* --- Away --- */

typedef struct
{
  BunshinMediaPage *page; /* borrowed: it owns the table this lies in */
  char *path;
  LibraryMediumKind kind;
  AdwToast *toast;
} Deletion;

static void
deletion_free (gpointer data)
{
  Deletion *deletion = data;

  g_signal_handlers_disconnect_by_data (deletion->toast, deletion);
  g_object_unref (deletion->toast);
  g_free (deletion->path);
  g_free (deletion);
}

void
media_page_init_deletions (BunshinMediaPage *self)
{
  self->deletions = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, deletion_free);
}

gboolean
media_page_is_being_deleted (BunshinMediaPage *self, const char *path)
{
  return g_hash_table_contains (self->deletions, path);
}

static gboolean
delete_work (const DiskTask *task, gpointer data, GError **error)
{
  return disk_delete (data, error);
}

typedef struct
{
  BunshinMediaPage *page;
  LibraryMediumKind kind;
  char *path;
} Deleting;

static void
on_deleted (GObject *source, GAsyncResult *result, gpointer data)
{
  Deleting *deleting = data;
  g_autoptr (GError) error = NULL;

  /* What could not be deleted is listed again: it is still there. */
  if (!disk_work_run_finish (result, &error))
    {
      library_add_medium (deleting->page->library, deleting->path, deleting->kind, NULL, NULL);
      if (media_page_window (deleting->page) != NULL)
        dialog_error (media_page_window (deleting->page), _("The file could not be deleted"), error->message);
    }
  if (deleting->page->media != NULL)
    bunshin_media_list_reload (deleting->page->media);
  g_object_unref (deleting->page);
  g_free (deleting->path);
  g_free (deleting);
}

/* The library goes first: it says whether a machine has got the medium meanwhile. */
static void
carry_out (Deletion *deletion)
{
  BunshinMediaPage *page = deletion->page;
  g_autoptr (GError) error = NULL;
  Deleting *deleting;

  if (!library_forget_medium (page->library, deletion->path, &error))
    {
      if (media_page_window (page) != NULL)
        dialog_error (media_page_window (page), _("The file could not be deleted"), error->message);
      return;
    }
  deleting = g_new0 (Deleting, 1);
  deleting->page = g_object_ref (page);
  deleting->kind = deletion->kind;
  deleting->path = g_strdup (deletion->path);
  disk_work_run_async (delete_work, deleting->path, NULL, NULL, on_deleted, deleting);
}

static void
on_undo_delete (AdwToast *toast, gpointer data)
{
  Deletion *deletion = data;
  BunshinMediaPage *page = deletion->page;

  g_hash_table_remove (page->deletions, deletion->path);
  media_page_refilter (page);
}

static void
on_toast_dismissed (AdwToast *toast, gpointer data)
{
  Deletion *deletion = data;
  BunshinMediaPage *page = deletion->page;

  carry_out (deletion);
  g_hash_table_remove (page->deletions, deletion->path);
  bunshin_media_list_reload (page->media);
  media_page_refilter (page);
}

void
media_page_delete (BunshinMediaPage *self, BunshinMediumItem *item)
{
  g_autofree char *name = escaped_name (item), *title = g_strdup_printf (_("“%s” deleted"), name);
  Deletion *deletion = g_new0 (Deletion, 1);

  deletion->page = self;
  deletion->path = g_strdup (bunshin_medium_item_get_path (item));
  deletion->kind = bunshin_medium_item_get_medium (item)->kind;
  deletion->toast = g_object_ref (undo_toast (title));
  g_signal_connect (deletion->toast, "button-clicked", G_CALLBACK (on_undo_delete), deletion);
  g_signal_connect (deletion->toast, "dismissed", G_CALLBACK (on_toast_dismissed), deletion);
  g_hash_table_insert (self->deletions, deletion->path, deletion);
  media_page_refilter (self);
  adw_toast_overlay_add_toast (self->toasts, g_object_ref (deletion->toast));
}

void
bunshin_media_page_finish (BunshinMediaPage *self)
{
  GHashTableIter iter;
  gpointer data;

  g_hash_table_iter_init (&iter, self->deletions);
  while (g_hash_table_iter_next (&iter, NULL, &data))
    {
      carry_out (data);
      g_hash_table_iter_remove (&iter);
    }
}
