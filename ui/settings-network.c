/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The settings' network page: a group an adapter, with its port forwards. */

#include "network/forward.h"
#include "ui/dialogs.h"
#include "ui/accessible.h"
#include "ui/forward-dialog.h"
#include "ui/record-text.h"
#include "ui/settings-window-private.h"

#include <arpa/inet.h>
#include <glib/gi18n.h>

#define HOST_ACCESS "host-access"

/* In the order of LibraryNetKind. */
static const char *const kinds[] = { N_ ("Not connected"), N_ ("NAT"), NULL };

static LibraryAdapter *
adapter_of (BunshinSettingsWindow *self, gpointer widget)
{
  return library_machine_find_adapter (self->record, GPOINTER_TO_UINT (g_object_get_data (widget, "slot")));
}

/* Rebuilding a row within its own signal would pull it from under GTK. */
static gboolean
show_network_idle (gpointer data)
{
  BunshinSettingsWindow *self = data;

  settings_show_network (self);
  return G_SOURCE_REMOVE;
}

static void
store_and_show (BunshinSettingsWindow *self)
{
  if (settings_store (self))
    g_idle_add_full (G_PRIORITY_DEFAULT_IDLE, show_network_idle, g_object_ref (self), g_object_unref);
}

static void
on_kind_changed (AdwComboRow *row, GParamSpec *pspec, gpointer data)
{
  BunshinSettingsWindow *self = data;
  LibraryAdapter *adapter = adapter_of (self, row);

  if (self->updating || adapter == NULL)
    return;
  adapter->kind = adw_combo_row_get_selected (row);
  store_and_show (self);
}

static void
on_host_access_changed (GtkSwitch *toggle, GParamSpec *pspec, gpointer data)
{
  BunshinSettingsWindow *self = data;
  LibraryAdapter *adapter = adapter_of (self, toggle);

  if (self->updating || adapter == NULL)
    return;
  g_free (adapter->param);
  adapter->param = gtk_switch_get_active (toggle) ? g_strdup (HOST_ACCESS) : NULL;
  settings_store (self);
}

static void
on_cable_changed (GtkSwitch *toggle, GParamSpec *pspec, gpointer data)
{
  BunshinSettingsWindow *self = data;
  LibraryAdapter *adapter = adapter_of (self, toggle);

  if (self->updating || adapter == NULL)
    return;
  adapter->cable = gtk_switch_get_active (toggle);
  settings_store (self);
}

static void
on_remove_adapter (GtkButton *button, gpointer data)
{
  BunshinSettingsWindow *self = data;
  LibraryAdapter *adapter = adapter_of (self, button);

  if (adapter == NULL)
    return;
  g_ptr_array_remove (self->record->adapters, adapter);
  store_and_show (self);
}

/* --- Forwards --- */

static void
on_forward_done (BunshinForwardDialog *dialog, const char *text, gpointer data)
{
  BunshinSettingsWindow *self = data;
  LibraryAdapter *adapter = adapter_of (self, dialog);
  g_autoptr (GError) error = NULL;
  ForwardRule rule;
  char address[INET_ADDRSTRLEN];
  gboolean is_loopback;

  if (adapter == NULL)
    return;
  if (!forward_rule_parse (text, &rule, &error))
    {
      dialog_error (GTK_WINDOW (self), _("The port could not be forwarded"), error->message);
      return;
    }
  for (guint i = 0; i < adapter->forwards->len; i++)
    {
      const LibraryForward *other = adapter->forwards->pdata[i];

      if (other->udp == (rule.protocol == FORWARD_UDP) && other->host_port == rule.host_port)
        {
          settings_toast (self, _("This host port is forwarded already"));
          return;
        }
    }
  is_loopback = rule.host_address.s_addr == htonl (INADDR_LOOPBACK);
  inet_ntop (AF_INET, &rule.host_address, address, sizeof address);
  library_adapter_add_forward (adapter, rule.protocol == FORWARD_UDP, is_loopback ? NULL : address, rule.host_port,
                               NULL, rule.guest_port);
  store_and_show (self);
}

static void
on_add_forward (AdwActionRow *row, gpointer data)
{
  BunshinForwardDialog *dialog = bunshin_forward_dialog_new (data);

  g_object_set_data (G_OBJECT (dialog), "slot", g_object_get_data (G_OBJECT (row), "slot"));
  g_signal_connect_object (dialog, "done", G_CALLBACK (on_forward_done), data, 0);
  gtk_window_present (GTK_WINDOW (dialog));
}

static void
on_remove_forward (GtkButton *button, gpointer data)
{
  BunshinSettingsWindow *self = data;
  LibraryAdapter *adapter = adapter_of (self, button);
  guint index = GPOINTER_TO_UINT (g_object_get_data (G_OBJECT (button), "index"));

  if (adapter == NULL || index >= adapter->forwards->len)
    return;
  g_ptr_array_remove_index (adapter->forwards, index);
  store_and_show (self);
}

static GtkWidget *
remove_button (const char *tooltip)
{
  GtkWidget *button = gtk_button_new_from_icon_name ("list-remove-symbolic");

  gtk_widget_set_valign (button, GTK_ALIGN_CENTER);
  accessible_set_tooltip (button, tooltip);
  gtk_widget_add_css_class (button, "flat");
  return button;
}

static GtkWidget *
switch_row (BunshinSettingsWindow *self, const LibraryAdapter *adapter, const char *title, const char *subtitle,
            gboolean active, GCallback changed)
{
  GtkWidget *row = adw_action_row_new (), *toggle = gtk_switch_new ();

  adw_preferences_row_set_title (ADW_PREFERENCES_ROW (row), title);
  adw_action_row_set_subtitle (ADW_ACTION_ROW (row), subtitle);
  gtk_widget_set_valign (toggle, GTK_ALIGN_CENTER);
  gtk_switch_set_active (GTK_SWITCH (toggle), active);
  adw_action_row_add_suffix (ADW_ACTION_ROW (row), toggle);
  adw_action_row_set_activatable_widget (ADW_ACTION_ROW (row), toggle);
  g_object_set_data (G_OBJECT (toggle), "slot", GUINT_TO_POINTER (adapter->slot));
  g_signal_connect (toggle, "notify::active", changed, self);
  return row;
}

static void
add_forwards (BunshinSettingsWindow *self, AdwPreferencesGroup *group, const LibraryAdapter *adapter)
{
  GtkWidget *add = adw_action_row_new ();

  for (guint i = 0; i < adapter->forwards->len; i++)
    {
      GtkWidget *row = adw_action_row_new (), *remove = remove_button (_("Remove"));
      g_autofree char *text = record_text_forward (adapter->forwards->pdata[i]);

      adw_preferences_row_set_title (ADW_PREFERENCES_ROW (row), text);
      g_object_set_data (G_OBJECT (remove), "slot", GUINT_TO_POINTER (adapter->slot));
      g_object_set_data (G_OBJECT (remove), "index", GUINT_TO_POINTER (i));
      g_signal_connect (remove, "clicked", G_CALLBACK (on_remove_forward), self);
      adw_action_row_add_suffix (ADW_ACTION_ROW (row), remove);
      adw_preferences_group_add (group, row);
    }
  adw_preferences_row_set_title (ADW_PREFERENCES_ROW (add), _("Forward a Port…"));
  gtk_list_box_row_set_activatable (GTK_LIST_BOX_ROW (add), TRUE);
  adw_action_row_add_prefix (ADW_ACTION_ROW (add), gtk_image_new_from_icon_name ("list-add-symbolic"));
  g_object_set_data (G_OBJECT (add), "slot", GUINT_TO_POINTER (adapter->slot));
  g_signal_connect (add, "activated", G_CALLBACK (on_add_forward), self);
  adw_preferences_group_add (group, add);
}

static GtkWidget *
adapter_group (BunshinSettingsWindow *self, const LibraryAdapter *adapter)
{
  GtkWidget *group = adw_preferences_group_new (), *kind = adw_combo_row_new (), *remove = remove_button (_("Remove"));
  g_autoptr (GtkStringList) model = gtk_string_list_new (NULL);
  g_autofree char *title = record_text_adapter (adapter);
  /* Translators: a model of network adapter, and its hardware address. */
  g_autofree char *description = g_strdup_printf (_("%s, address %s"), record_text_adapter_model (adapter->model),
                                                  adapter->mac);

  for (gsize i = 0; kinds[i] != NULL; i++)
    gtk_string_list_append (model, _(kinds[i]));
  adw_preferences_group_set_title (ADW_PREFERENCES_GROUP (group), title);
  adw_preferences_group_set_description (ADW_PREFERENCES_GROUP (group), description);
  g_object_set_data (G_OBJECT (remove), "slot", GUINT_TO_POINTER (adapter->slot));
  g_signal_connect (remove, "clicked", G_CALLBACK (on_remove_adapter), self);
  adw_preferences_group_set_header_suffix (ADW_PREFERENCES_GROUP (group), remove);

  adw_preferences_row_set_title (ADW_PREFERENCES_ROW (kind), _("Attached To"));
  adw_combo_row_set_model (ADW_COMBO_ROW (kind), G_LIST_MODEL (model));
  adw_combo_row_set_selected (ADW_COMBO_ROW (kind), adapter->kind);
  g_object_set_data (G_OBJECT (kind), "slot", GUINT_TO_POINTER (adapter->slot));
  g_signal_connect (kind, "notify::selected", G_CALLBACK (on_kind_changed), self);
  adw_preferences_group_add (ADW_PREFERENCES_GROUP (group), kind);
  adw_preferences_group_add (ADW_PREFERENCES_GROUP (group),
                             switch_row (self, adapter, _("Cable Connected"), NULL, adapter->cable,
                                         G_CALLBACK (on_cable_changed)));
  if (adapter->kind == LIBRARY_NET_NAT)
    {
      adw_preferences_group_add (ADW_PREFERENCES_GROUP (group),
                                 switch_row (self, adapter, _("Reach This Computer"),
                                             _("The guest can use servers that listen on this computer only"),
                                             g_strcmp0 (adapter->param, HOST_ACCESS) == 0,
                                             G_CALLBACK (on_host_access_changed)));
      add_forwards (self, ADW_PREFERENCES_GROUP (group), adapter);
    }
  return group;
}

void
settings_show_network (BunshinSettingsWindow *self)
{
  gboolean is_off = settings_is_off (self);

  self->updating = TRUE;
  for (guint i = 0; i < self->adapter_groups->len; i++)
    adw_preferences_page_remove (self->network_page, self->adapter_groups->pdata[i]);
  g_ptr_array_set_size (self->adapter_groups, 0);
  for (guint i = 0; i < self->record->adapters->len; i++)
    {
      GtkWidget *group = adapter_group (self, self->record->adapters->pdata[i]);

      gtk_widget_set_sensitive (group, is_off);
      adw_preferences_page_add (self->network_page, ADW_PREFERENCES_GROUP (group));
      g_ptr_array_add (self->adapter_groups, group);
    }
  /* New ones are added after the last. */
  g_object_ref (self->add_adapter_group);
  adw_preferences_page_remove (self->network_page, ADW_PREFERENCES_GROUP (self->add_adapter_group));
  adw_preferences_page_add (self->network_page, ADW_PREFERENCES_GROUP (self->add_adapter_group));
  g_object_unref (self->add_adapter_group);
  gtk_widget_set_sensitive (self->add_adapter, is_off && self->record->adapters->len < LIBRARY_MAX_ADAPTERS);
  self->updating = FALSE;
}

static void
on_add_adapter (BunshinSettingsWindow *self)
{
  for (unsigned slot = 0; slot < LIBRARY_MAX_ADAPTERS; slot++)
    if (library_machine_find_adapter (self->record, slot) == NULL)
      {
        library_machine_add_adapter (self->record, slot, LIBRARY_NET_NAT);
        store_and_show (self);
        return;
      }
}

void
settings_init_network (BunshinSettingsWindow *self)
{
  g_signal_connect_swapped (self->add_adapter, "activated", G_CALLBACK (on_add_adapter), self);
}
