/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The creation wizard: its pages and the way through them. */

#include "ui/wizard-private.h"

#include "ui/accessible.h"
#include <glib/gi18n.h>

enum { CREATED, N_SIGNALS };

static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (BunshinWizard, bunshin_wizard, ADW_TYPE_WINDOW)

static const char *const page_names[] = { "source", "system", "hardware", "disk", "network", "summary", "creating" };

static gboolean
page_is_complete (BunshinWizard *self)
{
  switch (self->page)
    {
    case WIZARD_SOURCE:
      return wizard_source_is_complete (self);
    case WIZARD_SYSTEM:
      return self->draft->os_id != NULL;
    case WIZARD_HARDWARE:
      return wizard_hardware_is_complete (self);
    case WIZARD_DISK:
      return wizard_disk_is_complete (self);
    case WIZARD_NETWORK:
    case WIZARD_SUMMARY:
      return TRUE;
    case WIZARD_CREATING:
      return FALSE;
    }
  g_assert_not_reached ();
}

void
wizard_update (BunshinWizard *self)
{
  gboolean is_first = self->page == WIZARD_SOURCE, is_creating = self->page == WIZARD_CREATING;
  GtkStackPage *page = gtk_stack_get_page (self->pages, gtk_stack_get_child_by_name (self->pages,
                                                                                     page_names[self->page]));
  /* Translators: of a wizard, "Step 2 of 6". */
  g_autofree char *step = g_strdup_printf (_("Step %d of %d"), self->page + 1, WIZARD_SUMMARY + 1);
  /* Translators: a window's title: one of the wizard's pages, and the wizard. */
  g_autofree char *title = g_strdup_printf (_("%s — Create a Machine"), gtk_stack_page_get_title (page));

  gtk_window_set_title (GTK_WINDOW (self), title);
  adw_window_title_set_title (self->title, gtk_stack_page_get_title (page));
  adw_window_title_set_subtitle (self->title, is_creating ? "" : step);
  gtk_widget_set_visible (self->cancel_button, is_first || is_creating);
  gtk_widget_set_visible (self->back_button, !is_first && !is_creating);
  gtk_widget_set_visible (self->next_button, !is_creating);
  gtk_button_set_label (GTK_BUTTON (self->next_button), self->page == WIZARD_SUMMARY ? _("_Create") : _("_Next"));
  gtk_widget_action_set_enabled (GTK_WIDGET (self), "wizard.next", page_is_complete (self));
  gtk_widget_action_set_enabled (GTK_WIDGET (self), "wizard.back", !is_first && !is_creating);
}

static void
go_to (BunshinWizard *self, WizardPage page)
{
  self->page = page;
  gtk_stack_set_visible_child_name (self->pages, page_names[page]);
  wizard_update (self);
  switch (page)
    {
    case WIZARD_SOURCE:
      gtk_widget_grab_focus (self->name_row);
      break;
    case WIZARD_SYSTEM:
      bunshin_os_chooser_focus_search (self->chooser);
      break;
    case WIZARD_HARDWARE:
      wizard_show_hardware (self);
      gtk_widget_child_focus (gtk_stack_get_visible_child (self->pages), GTK_DIR_TAB_FORWARD);
      break;
    case WIZARD_DISK:
      wizard_show_disk (self);
      gtk_widget_child_focus (gtk_stack_get_visible_child (self->pages), GTK_DIR_TAB_FORWARD);
      break;
    case WIZARD_SUMMARY:
      wizard_show_summary (self);
      gtk_widget_grab_focus (self->next_button);
      break;
    default:
      gtk_widget_child_focus (gtk_stack_get_visible_child (self->pages), GTK_DIR_TAB_FORWARD);
      break;
    }
}

static void
on_next (GtkWidget *widget, const char *action, GVariant *parameter)
{
  BunshinWizard *self = BUNSHIN_WIZARD (widget);

  if (!page_is_complete (self))
    return;
  if (self->page == WIZARD_SUMMARY)
    {
      go_to (self, WIZARD_CREATING);
      wizard_create (self);
    }
  else
    go_to (self, self->page + 1);
}

static void
on_back (GtkWidget *widget, const char *action, GVariant *parameter)
{
  BunshinWizard *self = BUNSHIN_WIZARD (widget);

  if (self->page != WIZARD_SOURCE && self->page != WIZARD_CREATING)
    go_to (self, self->page - 1);
}

/* Enter goes on from a choice, too, which Space and the arrows make. */
static gboolean
on_key_pressed (BunshinWizard *self, guint keyval)
{
  GtkWidget *focus = gtk_window_get_focus (GTK_WINDOW (self));

  if (keyval != GDK_KEY_Return && keyval != GDK_KEY_KP_Enter && keyval != GDK_KEY_ISO_Enter)
    return FALSE;
  if (!GTK_IS_CHECK_BUTTON (focus))
    return FALSE;
  on_next (GTK_WIDGET (self), NULL, NULL);
  return TRUE;
}

/* The machine could not be made: back to where it can be changed. */
static void
on_back_to_summary (GtkWidget *widget, const char *action, GVariant *parameter)
{
  go_to (BUNSHIN_WIZARD (widget), WIZARD_SUMMARY);
}

static gboolean
bunshin_wizard_close_request (GtkWindow *window)
{
  BunshinWizard *self = BUNSHIN_WIZARD (window);

  /* While the machine is made, closing cancels; the window goes when all is undone. */
  if (self->create_cancellable != NULL)
    {
      g_cancellable_cancel (self->create_cancellable);
      return TRUE;
    }
  return GTK_WINDOW_CLASS (bunshin_wizard_parent_class)->close_request (window);
}

static void
bunshin_wizard_dispose (GObject *object)
{
  BunshinWizard *self = BUNSHIN_WIZARD (object);

  g_cancellable_cancel (self->identify_cancellable);
  G_OBJECT_CLASS (bunshin_wizard_parent_class)->dispose (object);
}

static void
bunshin_wizard_finalize (GObject *object)
{
  BunshinWizard *self = BUNSHIN_WIZARD (object);

  machine_draft_free (self->draft);
  g_strfreev (self->taken);
  g_clear_object (&self->identify_cancellable);
  g_clear_object (&self->create_cancellable);
  G_OBJECT_CLASS (bunshin_wizard_parent_class)->finalize (object);
}

static void
bunshin_wizard_class_init (BunshinWizardClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);

  object_class->dispose = bunshin_wizard_dispose;
  object_class->finalize = bunshin_wizard_finalize;
  GTK_WINDOW_CLASS (klass)->close_request = bunshin_wizard_close_request;
  signals[CREATED] = g_signal_new ("created", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                                   G_TYPE_NONE, 2, G_TYPE_STRING, G_TYPE_BOOLEAN);

  g_type_ensure (BUNSHIN_TYPE_OS_CHOOSER);
  g_type_ensure (BUNSHIN_TYPE_OS_EMBLEM);
  g_type_ensure (BUNSHIN_TYPE_SIZE_ROW);
  gtk_widget_class_install_action (widget_class, "wizard.next", NULL, on_next);
  gtk_widget_class_install_action (widget_class, "wizard.back", NULL, on_back);
  gtk_widget_class_install_action (widget_class, "wizard.failed", NULL, on_back_to_summary);
  gtk_widget_class_add_binding_action (widget_class, GDK_KEY_Escape, 0, "window.close", NULL);
  gtk_widget_class_add_binding_action (widget_class, GDK_KEY_Left, GDK_ALT_MASK, "wizard.back", NULL);
  gtk_widget_class_set_template_from_resource (widget_class, "/org/bunshin/Bunshin/wizard.ui");
#define BIND(name) gtk_widget_class_bind_template_child (widget_class, BunshinWizard, name)
  BIND (title);
  BIND (pages);
  BIND (cancel_button);
  BIND (back_button);
  BIND (next_button);
  BIND (name_row);
  BIND (name_error);
  BIND (disc_row);
  BIND (disc_clear);
  BIND (disc_spinner);
  BIND (disc_result);
  BIND (disc_emblem);
  BIND (disc_result_label);
  BIND (chooser);
  BIND (memory_row);
  BIND (hardware_hint);
  BIND (cpus_spin);
  BIND (cpus_hint);
  BIND (disk_new);
  BIND (disk_existing);
  BIND (disk_none);
  BIND (disk_new_group);
  BIND (disk_existing_group);
  BIND (disk_file_row);
  BIND (disk_size_row);
  BIND (disk_details_group);
  BIND (disk_details);
  BIND (disk_fixed_row);
  BIND (disk_folder_row);
  BIND (disk_folder_clear);
  BIND (disk_controller_row);
  BIND (network_nat);
  BIND (network_none);
  BIND (summary_name);
  BIND (summary_system);
  BIND (summary_emblem);
  BIND (summary_disc);
  BIND (summary_memory);
  BIND (summary_cpus);
  BIND (summary_disk);
  BIND (summary_network);
  BIND (start_switch);
  BIND (progress);
#undef BIND
#define BIND(name)                                                                                                     \
  gtk_widget_class_bind_template_child_full (widget_class, "disk_" #name, FALSE,                                       \
                                             G_STRUCT_OFFSET (BunshinWizard, disk_formats.name))
  BIND (format_row);
  BIND (fixed_switch);
  BIND (split_row);
  BIND (split_switch);
#undef BIND
}

static void
bunshin_wizard_init (BunshinWizard *self)
{
  GtkEventController *keys = gtk_event_controller_key_new ();

  self->draft = machine_draft_new ();
  self->host_memory = library_host_memory ();
  gtk_widget_init_template (GTK_WIDGET (self));
  accessible_use_tooltips (GTK_WIDGET (self));
  gtk_event_controller_set_propagation_phase (keys, GTK_PHASE_CAPTURE);
  g_signal_connect_swapped (keys, "key-pressed", G_CALLBACK (on_key_pressed), self);
  gtk_widget_add_controller (GTK_WIDGET (self), keys);
}

static GStrv
read_names (Library *library)
{
  g_autoptr (GPtrArray) machines = library_list_machines (library, NULL);
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();

  for (guint i = 0; machines != NULL && i < machines->len; i++)
    g_strv_builder_add (builder, ((LibraryMachine *) machines->pdata[i])->name);
  return g_strv_builder_end (builder);
}

BunshinWizard *
bunshin_wizard_new (GtkWindow *parent, Library *library, BunshinOsDatabase *systems)
{
  BunshinWizard *self = g_object_new (BUNSHIN_TYPE_WIZARD, "transient-for", parent, NULL);

  self->library = library;
  self->systems = systems;
  self->taken = read_names (library);
  bunshin_os_chooser_set_database (self->chooser, systems);
  wizard_init_source (self);
  wizard_init_hardware (self);
  wizard_init_disk (self);
  go_to (self, WIZARD_SOURCE);
  return self;
}
