/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The import window's summary: what would be made, as rows that change the draft. */

#include "ui/import-window-private.h"

#include "ui/disk-formats.h"
#include "ui/machine-draft.h"
#include "ui/os-defaults.h"
#include "ui/record-text.h"
#include "ui/size-format.h"
#include "ui/size-row.h"

#include <glib/gi18n.h>

static void
add_group (BunshinImportWindow *self, GtkWidget *group)
{
  g_ptr_array_add (self->groups, group);
  adw_preferences_page_add (self->summary, ADW_PREFERENCES_GROUP (group));
}

/* A row that only tells; text of others is never markup. */
static GtkWidget *
text_row (const char *title, const char *subtitle)
{
  GtkWidget *row = adw_action_row_new ();

  adw_preferences_row_set_use_markup (ADW_PREFERENCES_ROW (row), FALSE);
  adw_preferences_row_set_title (ADW_PREFERENCES_ROW (row), title);
  adw_action_row_set_subtitle (ADW_ACTION_ROW (row), subtitle != NULL ? subtitle : "");
  adw_action_row_set_subtitle_lines (ADW_ACTION_ROW (row), 0);
  return row;
}

static GtkWidget *
icon_row (const char *icon, const char *title, const char *subtitle)
{
  GtkWidget *row = text_row (title, subtitle);

  adw_action_row_add_prefix (ADW_ACTION_ROW (row), gtk_image_new_from_icon_name (icon));
  return row;
}

/* What a row is about. */
static void
remember (gpointer widget, gpointer about)
{
  g_object_set_data (G_OBJECT (widget), "about", about);
}

static gpointer
recall (gpointer widget)
{
  return g_object_get_data (G_OBJECT (widget), "about");
}

/* --- Name, memory, processors --- */

static gboolean
check_name (ImportRows *rows)
{
  BunshinImportWindow *self = rows->window;
  const char *name = rows->machine->record->name;
  g_autoptr (GError) error = NULL;
  gboolean ok = machine_draft_check_name (name, (const char *const *) self->taken, &error);

  for (unsigned i = 0; ok && i < self->draft->machines->len; i++)
    {
      const ImportMachine *other = g_ptr_array_index (self->draft->machines, i);

      if (other != rows->machine && other->chosen && g_str_equal (other->record->name, name))
        ok = machine_draft_check_name (name, (const char *const[]) { name, NULL }, &error);
    }
  gtk_label_set_label (GTK_LABEL (rows->name_error), error != NULL ? error->message : "");
  gtk_widget_set_visible (rows->name_error, !ok);
  if (ok)
    gtk_widget_remove_css_class (rows->name_row, "error");
  else
    gtk_widget_add_css_class (rows->name_row, "error");
  return ok;
}

static void
on_name_changed (GtkEditable *editable, gpointer data)
{
  ImportRows *rows = data;

  g_free (rows->machine->record->name);
  rows->machine->record->name = g_strdup (gtk_editable_get_text (editable));
  import_window_update (rows->window);
}

static void
on_memory_edited (BunshinSizeRow *row, gpointer data)
{
  ImportRows *rows = data;

  if (bunshin_size_row_is_valid (row))
    rows->machine->record->memory = bunshin_size_row_get_value (row);
  import_window_update (rows->window);
}

static void
on_cpus_changed (GtkSpinButton *spin, gpointer data)
{
  ((ImportRows *) data)->machine->record->cpus = (unsigned) gtk_spin_button_get_value_as_int (spin);
}

static void
on_chosen_changed (GtkSwitch *toggle, GParamSpec *pspec, gpointer data)
{
  ImportRows *rows = data;

  rows->machine->chosen = gtk_switch_get_active (toggle);
  import_window_update (rows->window);
}

static GtkWidget *
memory_row_new (ImportRows *rows)
{
  GtkWidget *row = g_object_new (BUNSHIN_TYPE_SIZE_ROW, "title", _ ("Memory"), NULL);
  MemoryLimits limits;

  memory_limits (library_host_memory (), &limits);
  bunshin_size_row_set_limits (BUNSHIN_SIZE_ROW (row), MIN (limits.minimum, rows->machine->record->memory),
                               limits.maximum, limits.warn_above,
                               _ ("This leaves little memory for this computer itself. It may become slow."), 1 << 20);
  bunshin_size_row_set_value (BUNSHIN_SIZE_ROW (row), rows->machine->record->memory);
  g_signal_connect (row, "edited", G_CALLBACK (on_memory_edited), rows);
  return row;
}

static GtkWidget *
cpus_row_new (ImportRows *rows)
{
  GtkWidget *row = text_row (_ ("Processors"), NULL), *spin;
  unsigned cpus = rows->machine->record->cpus;

  spin = gtk_spin_button_new_with_range (1, MAX (cpu_limit (g_get_num_processors ()), cpus), 1);
  gtk_spin_button_set_value (GTK_SPIN_BUTTON (spin), cpus);
  gtk_widget_set_valign (spin, GTK_ALIGN_CENTER);
  gtk_accessible_update_property (GTK_ACCESSIBLE (spin), GTK_ACCESSIBLE_PROPERTY_LABEL, _ ("Processors"), -1);
  adw_action_row_add_suffix (ADW_ACTION_ROW (row), spin);
  adw_action_row_set_activatable_widget (ADW_ACTION_ROW (row), spin);
  g_signal_connect (spin, "value-changed", G_CALLBACK (on_cpus_changed), rows);
  return row;
}

/* --- Firmware --- */

static void
on_firmware_changed (AdwComboRow *row, GParamSpec *pspec, gpointer data)
{
  LibraryMachine *record = ((ImportRows *) data)->machine->record;

  g_free (record->firmware);
  record->firmware = g_strdup (adw_combo_row_get_selected (row) == 0 ? "bios" : "efi");
}

/* A choice only where machines here can have both. */
static GtkWidget *
firmware_row_new (ImportRows *rows)
{
  g_autoptr (LibraryMachine) probe = library_machine_copy (rows->machine->record);
  g_autoptr (GtkStringList) names = NULL;
  GtkWidget *row;

  g_free (probe->firmware);
  probe->firmware = g_strdup ("efi");
  if (!library_machine_validate (probe, NULL))
    return text_row (_ ("Firmware"), _ ("BIOS"));
  names = gtk_string_list_new ((const char *const[]) { _ ("BIOS"), _ ("EFI"), NULL });
  row = g_object_new (ADW_TYPE_COMBO_ROW, "title", _ ("Firmware"), "model", names, NULL);
  adw_combo_row_set_selected (ADW_COMBO_ROW (row), g_str_equal (rows->machine->record->firmware, "efi") ? 1 : 0);
  g_signal_connect (row, "notify::selected", G_CALLBACK (on_firmware_changed), rows);
  return row;
}

/* --- Drives and adapters --- */

static void
on_drive_toggled (GtkCheckButton *check, gpointer data)
{
  ((ImportDrive *) recall (check))->chosen = gtk_check_button_get_active (check);
  import_window_update (data);
}

static GtkWidget *
drive_row_new (BunshinImportWindow *self, ImportDrive *drive)
{
  static const char *const icons[] = { "drive-harddisk-symbolic", "media-optical-symbolic", "media-floppy-symbolic" };
  const char *file = import_drive_file (self->draft, drive);
  uint64_t bytes = import_drive_size (self->draft, drive);
  g_autofree char *size = bytes > 0 ? size_format (bytes) : NULL, *shown = NULL;
  g_autofree char *place = record_text_place (drive->controller, drive->unit);
  g_autofree char *subtitle = size != NULL ? g_strdup_printf ("%s · %s", size, place) : g_strdup (place);
  GtkWidget *row, *check = gtk_check_button_new ();

  shown = file != NULL ? g_path_get_basename (file) : g_strdup (_ ("New Disk"));
  row = icon_row (icons[drive->kind], shown, subtitle);
  gtk_check_button_set_active (GTK_CHECK_BUTTON (check), drive->chosen);
  gtk_widget_set_valign (check, GTK_ALIGN_CENTER);
  gtk_accessible_update_property (GTK_ACCESSIBLE (check), GTK_ACCESSIBLE_PROPERTY_LABEL, shown, -1);
  adw_action_row_add_suffix (ADW_ACTION_ROW (row), check);
  adw_action_row_set_activatable_widget (ADW_ACTION_ROW (row), check);
  remember (check, drive);
  g_signal_connect (check, "toggled", G_CALLBACK (on_drive_toggled), self);
  return row;
}

static void
on_network_changed (AdwComboRow *row, GParamSpec *pspec, gpointer data)
{
  ((LibraryAdapter *) recall (row))->kind = adw_combo_row_get_selected (row) == 0 ? LIBRARY_NET_NAT : LIBRARY_NET_NONE;
}

static GtkWidget *
adapter_row_new (LibraryAdapter *adapter)
{
  g_autoptr (GtkStringList) names
      = gtk_string_list_new ((const char *const[]) { _ ("NAT"), _ ("Not connected"), NULL });
  g_autofree char *title = g_strdup_printf (_ ("Network Adapter %u"), adapter->slot + 1);
  GtkWidget *row = g_object_new (ADW_TYPE_COMBO_ROW, "title", title, "subtitle", adapter->model, "model", names, NULL);

  adw_combo_row_set_selected (ADW_COMBO_ROW (row), adapter->kind == LIBRARY_NET_NAT ? 0 : 1);
  remember (row, adapter);
  g_signal_connect (row, "notify::selected", G_CALLBACK (on_network_changed), NULL);
  return row;
}

/* --- Texts --- */

static GtkWidget *
long_text_new (const char *text)
{
  GtkWidget *label = gtk_label_new (text);

  gtk_label_set_wrap (GTK_LABEL (label), TRUE);
  gtk_label_set_wrap_mode (GTK_LABEL (label), PANGO_WRAP_WORD_CHAR);
  gtk_label_set_xalign (GTK_LABEL (label), 0);
  gtk_label_set_selectable (GTK_LABEL (label), TRUE);
  gtk_widget_set_margin_top (label, 12);
  gtk_widget_set_margin_bottom (label, 12);
  gtk_widget_set_margin_start (label, 12);
  gtk_widget_set_margin_end (label, 12);
  return label;
}

static void
add_notes (BunshinImportWindow *self, const ImportMachine *machine)
{
  GtkWidget *group, *row;

  if (machine->notes->len == 0)
    return;
  group = adw_preferences_group_new ();
  row = adw_expander_row_new ();
  adw_preferences_row_set_title (ADW_PREFERENCES_ROW (row), _ ("What Will Be Different"));
  adw_expander_row_add_prefix (ADW_EXPANDER_ROW (row), gtk_image_new_from_icon_name ("dialog-information-symbolic"));
  for (unsigned i = 0; i < machine->notes->len; i++)
    {
      const char *text = g_ptr_array_index (machine->notes, i);
      /* At the command line they follow a name; here they are sentences. */
      g_autofree char *first = g_utf8_substring (text, 0, 1), *capital = g_utf8_strup (first, -1),
                      *sentence = g_strconcat (capital, g_utf8_next_char (text), ".", NULL);

      adw_expander_row_add_row (ADW_EXPANDER_ROW (row), text_row (sentence, NULL));
    }
  adw_preferences_group_add (ADW_PREFERENCES_GROUP (group), row);
  add_group (self, group);
}

static void
on_accepted (BunshinImportWindow *self)
{
  import_window_update (self);
}

/* All licences of the machines, each once. */
static void
add_licences (BunshinImportWindow *self)
{
  g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);
  GtkWidget *group = adw_preferences_group_new (), *row, *check;

  for (unsigned i = 0; i < self->draft->plan->systems->len; i++)
    {
      const ApplianceSystem *system = g_ptr_array_index (self->draft->plan->systems, i);

      for (unsigned j = 0; j < system->licences->len; j++)
        {
          const char *text = g_ptr_array_index (system->licences, j);

          if (!g_hash_table_add (seen, (char *) text))
            continue;
          row = adw_expander_row_new ();
          adw_preferences_row_set_title (ADW_PREFERENCES_ROW (row), _ ("Licence"));
          adw_expander_row_set_subtitle (ADW_EXPANDER_ROW (row), system->name);
          adw_preferences_row_set_use_markup (ADW_PREFERENCES_ROW (row), FALSE);
          adw_expander_row_add_row (ADW_EXPANDER_ROW (row), long_text_new (text));
          adw_preferences_group_add (ADW_PREFERENCES_GROUP (group), row);
        }
    }
  if (g_hash_table_size (seen) == 0)
    {
      g_object_ref_sink (group);
      g_object_unref (group);
      return;
    }
  row = text_row (_ ("I Accept the Licence"), NULL);
  check = gtk_check_button_new ();
  gtk_widget_set_valign (check, GTK_ALIGN_CENTER);
  adw_action_row_add_prefix (ADW_ACTION_ROW (row), check);
  adw_action_row_set_activatable_widget (ADW_ACTION_ROW (row), check);
  adw_preferences_group_add (ADW_PREFERENCES_GROUP (group), row);
  self->accepted = GTK_CHECK_BUTTON (check);
  g_signal_connect_swapped (check, "toggled", G_CALLBACK (on_accepted), self);
  add_group (self, group);
}

/* --- Groups --- */

static void
add_appliance (BunshinImportWindow *self)
{
  static const char *const kinds[] = { N_ ("Appliance (OVF)"), N_ ("Appliance (OVA)"), N_ ("VirtualBox machine"),
                                       N_ ("VMware machine"), N_ ("Parallels machine") };
  const AppliancePlan *plan = self->draft->plan;
  const ApplianceSystem *system = g_ptr_array_index (plan->systems, 0);
  g_autofree char *name = import_draft_name (self->draft);
  GtkWidget *group = adw_preferences_group_new ();

  adw_preferences_group_add (ADW_PREFERENCES_GROUP (group),
                             icon_row ("package-x-generic-symbolic", name, _ (kinds[plan->kind])));
  if (system->product != NULL)
    {
      g_autofree char *product = g_strjoin (" ", system->product, system->version, NULL);

      adw_preferences_group_add (ADW_PREFERENCES_GROUP (group), text_row (product, system->vendor));
    }
  if (plan->manifest != NULL)
    adw_preferences_group_add (ADW_PREFERENCES_GROUP (group),
                               text_row (_ ("Checked by Its Manifest"),
                                         plan->certificate
                                             ? _ ("It is also signed, but signatures are not checked")
                                             : _ ("Damaged or changed files will be noticed before anything is made")));
  add_group (self, group);
}

static void
add_machine (BunshinImportWindow *self, ImportMachine *machine)
{
  GtkWidget *group = adw_preferences_group_new (), *drives = NULL;
  LibraryMachine *record = machine->record;
  ImportRows *rows = g_new0 (ImportRows, 1);

  rows->window = self;
  rows->machine = machine;
  g_ptr_array_add (self->rows, rows);
  if (self->draft->machines->len > 1)
    {
      GtkWidget *toggle = gtk_switch_new ();

      adw_preferences_group_set_title (ADW_PREFERENCES_GROUP (group), _ ("Machine"));
      gtk_switch_set_active (GTK_SWITCH (toggle), machine->chosen);
      gtk_widget_set_valign (toggle, GTK_ALIGN_CENTER);
      gtk_accessible_update_property (GTK_ACCESSIBLE (toggle), GTK_ACCESSIBLE_PROPERTY_LABEL, _ ("Import This Machine"),
                                      -1);
      gtk_widget_set_tooltip_text (toggle, _ ("Import This Machine"));
      adw_preferences_group_set_header_suffix (ADW_PREFERENCES_GROUP (group), toggle);
      g_signal_connect (toggle, "notify::active", G_CALLBACK (on_chosen_changed), rows);
    }
  rows->name_row = adw_entry_row_new ();
  adw_preferences_row_set_title (ADW_PREFERENCES_ROW (rows->name_row), _ ("Name"));
  gtk_editable_set_text (GTK_EDITABLE (rows->name_row), record->name);
  adw_entry_row_set_activates_default (ADW_ENTRY_ROW (rows->name_row), TRUE);
  g_signal_connect (rows->name_row, "changed", G_CALLBACK (on_name_changed), rows);
  rows->name_error = gtk_label_new (NULL);
  gtk_label_set_xalign (GTK_LABEL (rows->name_error), 0);
  gtk_label_set_wrap (GTK_LABEL (rows->name_error), TRUE);
  gtk_widget_set_margin_start (rows->name_error, 12);
  gtk_widget_set_margin_top (rows->name_error, 6);
  gtk_widget_add_css_class (rows->name_error, "caption");
  gtk_widget_add_css_class (rows->name_error, "error");
  gtk_widget_set_visible (rows->name_error, FALSE);
  adw_preferences_group_add (ADW_PREFERENCES_GROUP (group), rows->name_row);
  adw_preferences_group_add (
      ADW_PREFERENCES_GROUP (group),
      text_row (_ ("Operating System"), bunshin_os_database_get_name (self->systems, record->os_id)));
  rows->memory_row = memory_row_new (rows);
  adw_preferences_group_add (ADW_PREFERENCES_GROUP (group), rows->memory_row);
  adw_preferences_group_add (ADW_PREFERENCES_GROUP (group), cpus_row_new (rows));
  adw_preferences_group_add (ADW_PREFERENCES_GROUP (group), firmware_row_new (rows));
  adw_preferences_group_add (ADW_PREFERENCES_GROUP (group), rows->name_error);
  add_group (self, group);
  if (machine->drives->len > 0)
    {
      drives = adw_preferences_group_new ();
      adw_preferences_group_set_title (ADW_PREFERENCES_GROUP (drives), _ ("Disks"));
      for (unsigned i = 0; i < machine->drives->len; i++)
        adw_preferences_group_add (ADW_PREFERENCES_GROUP (drives),
                                   drive_row_new (self, g_ptr_array_index (machine->drives, i)));
      add_group (self, drives);
    }
  if (record->adapters->len > 0)
    {
      GtkWidget *adapters = adw_preferences_group_new ();

      adw_preferences_group_set_title (ADW_PREFERENCES_GROUP (adapters), _ ("Network"));
      for (unsigned i = 0; i < record->adapters->len; i++)
        adw_preferences_group_add (ADW_PREFERENCES_GROUP (adapters),
                                   adapter_row_new (g_ptr_array_index (record->adapters, i)));
      add_group (self, adapters);
    }
  add_notes (self, machine);
}

static void
on_format_changed (AdwComboRow *row, GParamSpec *pspec, gpointer data)
{
  ImportDraft *draft = ((BunshinImportWindow *) data)->draft;

  g_free (draft->disk_format);
  draft->disk_format = g_strdup (disk_formats ()[adw_combo_row_get_selected (row)]);
}

static void
on_keep_changed (GtkSwitch *toggle, GParamSpec *pspec, gpointer data)
{
  ((BunshinImportWindow *) data)->draft->keep_macs = gtk_switch_get_active (toggle);
}

static void
add_options (BunshinImportWindow *self)
{
  GtkWidget *group = adw_preferences_group_new (), *row, *toggle;
  g_autoptr (GtkStringList) names = gtk_string_list_new (NULL);

  for (const char *const *format = disk_formats (); *format != NULL; format++)
    gtk_string_list_append (names, disk_format_title (*format));
  row = g_object_new (ADW_TYPE_COMBO_ROW, "title", _ ("Disk Format"), "model", names, NULL);
  for (guint i = 0; disk_formats ()[i] != NULL; i++)
    if (g_str_equal (disk_formats ()[i], self->draft->disk_format))
      adw_combo_row_set_selected (ADW_COMBO_ROW (row), i);
  g_signal_connect (row, "notify::selected", G_CALLBACK (on_format_changed), self);
  adw_preferences_group_add (ADW_PREFERENCES_GROUP (group), row);
  row = text_row (_ ("Keep MAC Addresses"),
                  _ ("Otherwise the network adapters get new ones, which no other machine has"));
  toggle = gtk_switch_new ();
  gtk_widget_set_valign (toggle, GTK_ALIGN_CENTER);
  adw_action_row_add_suffix (ADW_ACTION_ROW (row), toggle);
  adw_action_row_set_activatable_widget (ADW_ACTION_ROW (row), toggle);
  g_signal_connect (toggle, "notify::active", G_CALLBACK (on_keep_changed), self);
  adw_preferences_group_add (ADW_PREFERENCES_GROUP (group), row);
  add_group (self, group);
}

void
import_summary_clear (BunshinImportWindow *self)
{
  for (unsigned i = 0; i < self->groups->len; i++)
    adw_preferences_page_remove (self->summary, g_ptr_array_index (self->groups, i));
  g_ptr_array_set_size (self->groups, 0);
  g_ptr_array_set_size (self->rows, 0);
  self->accepted = NULL;
}

void
import_summary_show (BunshinImportWindow *self)
{
  import_summary_clear (self);
  add_appliance (self);
  for (unsigned i = 0; i < self->draft->machines->len; i++)
    add_machine (self, g_ptr_array_index (self->draft->machines, i));
  add_options (self);
  add_licences (self);
}

gboolean
import_summary_check (BunshinImportWindow *self)
{
  gboolean ok = self->accepted == NULL || gtk_check_button_get_active (self->accepted), any = FALSE;

  for (unsigned i = 0; i < self->rows->len; i++)
    {
      ImportRows *rows = g_ptr_array_index (self->rows, i);

      gtk_widget_set_sensitive (rows->name_row, rows->machine->chosen);
      gtk_widget_set_sensitive (rows->memory_row, rows->machine->chosen);
      if (!rows->machine->chosen)
        continue;
      any = TRUE;
      ok &= check_name (rows) & bunshin_size_row_is_valid (BUNSHIN_SIZE_ROW (rows->memory_row));
    }
  return ok && any;
}
