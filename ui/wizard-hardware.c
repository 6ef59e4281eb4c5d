/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The wizard's middle pages: memory, processors, network. */

#include "ui/size-format.h"
#include "ui/wizard-private.h"

#include <glib/gi18n.h>

void
wizard_show_hardware (BunshinWizard *self)
{
  BunshinOs *os = bunshin_os_database_find (self->systems, self->draft->os_id);
  const OsFacts *facts = os != NULL ? bunshin_os_get_facts (os) : NULL;

  if (self->draft->memory == 0)
    return;
  self->updating = TRUE;
  if (bunshin_size_row_is_valid (self->memory_row))
    bunshin_size_row_set_value (self->memory_row, self->draft->memory);
  gtk_spin_button_set_value (self->cpus_spin, self->draft->cpus);
  self->updating = FALSE;

  gtk_widget_set_visible (GTK_WIDGET (self->hardware_hint), facts != NULL && facts->memory != 0);
  if (facts != NULL && facts->memory != 0)
    {
      g_autofree char *recommended = size_format (facts->memory);
      /* Translators: an operating system, and an amount of memory. */
      g_autofree char *hint = g_strdup_printf (_("%s recommends %s of memory."), bunshin_os_get_name (os), recommended);

      gtk_label_set_label (self->hardware_hint, hint);
    }
  gtk_widget_set_visible (self->cpus_hint, self->draft->cpus > g_get_num_processors ());
}

gboolean
wizard_hardware_is_complete (BunshinWizard *self)
{
  return bunshin_size_row_is_valid (self->memory_row);
}

static void
on_memory_edited (BunshinWizard *self)
{
  if (bunshin_size_row_is_valid (self->memory_row))
    self->draft->memory = bunshin_size_row_get_value (self->memory_row);
  self->draft->edited |= DRAFT_MEMORY;
  wizard_update (self);
}

static void
on_cpus_changed (BunshinWizard *self)
{
  if (self->updating)
    return;
  self->draft->cpus = gtk_spin_button_get_value_as_int (self->cpus_spin);
  self->draft->edited |= DRAFT_CPUS;
  gtk_widget_set_visible (self->cpus_hint, self->draft->cpus > g_get_num_processors ());
}

static void
on_network_changed (BunshinWizard *self)
{
  self->draft->network = gtk_check_button_get_active (self->network_nat);
}

void
wizard_init_hardware (BunshinWizard *self)
{
  MemoryLimits limits;

  memory_limits (self->host_memory, &limits);
  bunshin_size_row_set_limits (self->memory_row, limits.minimum, limits.maximum, limits.warn_above,
                               _("This leaves little memory for this computer itself. It may become slow."), 1 << 20);
  gtk_spin_button_set_range (self->cpus_spin, 1, cpu_limit (g_get_num_processors ()));
  gtk_text_set_activates_default (GTK_TEXT (gtk_editable_get_delegate (GTK_EDITABLE (self->cpus_spin))), TRUE);

  g_signal_connect_swapped (self->memory_row, "edited", G_CALLBACK (on_memory_edited), self);
  g_signal_connect_swapped (self->cpus_spin, "value-changed", G_CALLBACK (on_cpus_changed), self);
  g_signal_connect_swapped (self->network_nat, "toggled", G_CALLBACK (on_network_changed), self);
}
