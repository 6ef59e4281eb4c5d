/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a session shows of its machine: the screen, and figures. */

#include "app/session-private.h"
#include "ui/record-text.h"

#include <glib/gi18n.h>
#include <string.h>

GBytes *
bunshin_session_screenshot (BunshinSession *self, const char *format, GError **error)
{
  Display *display;
  char *text;

  /* Of a machine that has ended, the last picture is still there. */
  if (!self->machine)
    {
      session_fail (error, LIBRARY_ERROR_RUNNING,
                    bunshin_session_has_ended (self) ? _("the machine is powered off")
                                                     : _("the machine is being put back to a snapshot"));
      return NULL;
    }
  display = machine_display (self->machine);
  if (strcmp (format, "png") == 0)
    return display_get_png (display, error);
  if (strcmp (format, "text") != 0)
    {
      g_set_error (error, LIBRARY_ERROR, LIBRARY_ERROR_INVALID, _("“%s” is no format of a screenshot"), format);
      return NULL;
    }
  text = display_get_text (display);
  if (!text)
    {
      session_fail (error, LIBRARY_ERROR_FAILED, _("the screen shows graphics, not text: take a .png"));
      return NULL;
    }
  return g_bytes_new_take (text, strlen (text));
}

static void
add_counters (GVariantBuilder *builder, const MachineInfo *info)
{
  const struct { const char *key; uint64_t value; } counters[] = {
    { "instructions", info->instructions }, { "blocks", info->blocks }, { "translated", info->translated },
    { "code-bytes", info->code_bytes }, { "dropped", info->dropped }, { "renewed", info->renewed }, { "emptied", info->emptied },
    { "longest-emptying", info->longest_emptying },
    { "entered", info->entered }, { "refills", info->refills }, { "tlb-misses", info->tlb_misses },
    { "code-writes", info->code_writes }, { "exceptions", info->exceptions }, { "exits-pio", info->exits_pio }, { "exits-mmio", info->exits_mmio }, { "exits-halt", info->exits_halt },
    { "exits-msr", info->exits_msr }, { "exits-window", info->exits_window }, { "exits-kick", info->exits_kick },
    { "exits-emulated", info->exits_emulated }, { "exits-other", info->exits_other },
    { "kernel-halts", info->halts }, { "posted-writes", info->posted },
    { "doorbells", info->doorbells }, { "interrupts", info->interrupts },
    { "disk-reads", info->disk_reads }, { "disk-writes", info->disk_writes },
    { "disk-read-bytes", info->disk_read_bytes }, { "disk-write-bytes", info->disk_write_bytes },
    { "cd-reads", info->cd_reads }, { "floppy-reads", info->floppy_reads }, { "net-rx-frames", info->net_rx_frames },
    { "net-tx-frames", info->net_tx_frames }, { "net-rx-bytes", info->net_rx_bytes },
    { "net-tx-bytes", info->net_tx_bytes },
  };

  for (unsigned i = 0; i < G_N_ELEMENTS (counters); i++)
    g_variant_builder_add (builder, "{sv}", counters[i].key, g_variant_new_uint64 (counters[i].value));
}

/* Most frequent first. */
static int
compare_counts (gconstpointer a, gconstpointer b, gpointer data)
{
  uint64_t m = *(uint64_t *) g_hash_table_lookup (data, *(const char *const *) a);
  uint64_t n = *(uint64_t *) g_hash_table_lookup (data, *(const char *const *) b);

  return m > n ? -1 : m < n;
}

static void
add_interpreted (GVariantBuilder *builder, Machine *machine)
{
  g_autoptr (GHashTable) counts = machine_interpreted (machine);
  guint length;
  g_autofree gpointer *names = g_hash_table_get_keys_as_array (counts, &length);
  GVariantBuilder dictionary;

  g_qsort_with_data (names, (int) length, sizeof *names, compare_counts, counts);
  g_variant_builder_init (&dictionary, G_VARIANT_TYPE ("a{st}"));
  for (unsigned i = 0; i < length; i++)
    g_variant_builder_add (&dictionary, "{st}", names[i], *(uint64_t *) g_hash_table_lookup (counts, names[i]));
  g_variant_builder_add (builder, "{sv}", "interpreted", g_variant_builder_end (&dictionary));
}

GVariant *
bunshin_session_info (BunshinSession *self)
{
  GVariantBuilder builder;
  MachineInfo info = { 0 };
  int width = 0, height = 0, stride;

  g_variant_builder_init (&builder, G_VARIANT_TYPE_VARDICT);
  g_variant_builder_add (&builder, "{sv}", "name", g_variant_new_string (self->record->name));
  g_variant_builder_add (&builder, "{sv}", "state", g_variant_new_string (library_state_name (self->state)));
  if (self->message)
    g_variant_builder_add (&builder, "{sv}", "message", g_variant_new_string (self->message));
  if (!self->machine)
    return g_variant_builder_end (&builder);

  machine_info (self->machine, &info);
  g_variant_builder_add (&builder, "{sv}", "accel", g_variant_new_string (info.accel ? info.accel : ""));
  g_variant_builder_add (&builder, "{sv}", "irqchip", g_variant_new_string (info.kernel_irqchip ? "kernel" : "user"));
  g_variant_builder_add (&builder, "{sv}", "accel-reason", g_variant_new_take_string (record_text_accel_reason (&info)));
  g_variant_builder_add (&builder, "{sv}", "memory", g_variant_new_uint64 (self->record->memory));
  g_variant_builder_add (&builder, "{sv}", "cpus", g_variant_new_uint64 (self->record->cpus));
  g_variant_builder_add (&builder, "{sv}", "guest-time", g_variant_new_int64 (info.guest_time));
  if (self->last_pause > 0)
    g_variant_builder_add (&builder, "{sv}", "last-snapshot-pause", g_variant_new_int64 (self->last_pause));
  if (self->last_restore > 0)
    g_variant_builder_add (&builder, "{sv}", "last-restore", g_variant_new_int64 (self->last_restore));
  add_counters (&builder, &info);
  if (info.translated > 0)
    add_interpreted (&builder, self->machine);
  display_refresh (machine_display (self->machine));
  display_lock (machine_display (self->machine), &width, &height, &stride);
  display_unlock (machine_display (self->machine));
  g_variant_builder_add (&builder, "{sv}", "screen-width", g_variant_new_uint64 ((guint64) MAX (width, 0)));
  g_variant_builder_add (&builder, "{sv}", "screen-height", g_variant_new_uint64 ((guint64) MAX (height, 0)));
  g_variant_builder_add (&builder, "{sv}", "absolute-pointer",
                         g_variant_new_boolean (input_is_absolute (machine_input (self->machine))));
  if (bunshin_session_get_notice (self))
    g_variant_builder_add (&builder, "{sv}", "serial", g_variant_new_string (bunshin_session_get_notice (self)));
  return g_variant_builder_end (&builder);
}
