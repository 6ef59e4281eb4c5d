/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The life of a machine: its I/O thread, and starting, pausing, resetting and
 * ending it.
 *
 * A device or a processor that wants the machine reset or off cannot wait for
 * the processors to stop (it may be called by one): it leaves a request, and
 * the I/O thread carries it out.
 */

#include "engine/machine/machine-private.h"

#include "engine/cpu/chips.h"
#include "engine/cpu/posted.h"
#include "engine/devices/net/e1000.h"
#include "engine/devices/platform/piix4-pm.h"
#include "engine/devices/platform/uart16550.h"
#include "engine/devices/storage/ahci.h"
#include "engine/devices/storage/floppy.h"
#include "engine/devices/storage/ide.h"
#include "engine/devices/storage/nvme.h"
#include "engine/devices/virtio/blk.h"
#include "engine/devices/virtio/scsi.h"

#include <gio/gio.h>
#include <glib/gi18n-lib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { RETIRED_NICE = 19 };

static void
notify_changed (Machine *m)
{
  g_autoptr (GArray) listeners = NULL;

  g_mutex_lock (&m->run_lock);
  listeners = g_array_copy (m->listeners);
  g_mutex_unlock (&m->run_lock);
  for (guint i = 0; i < listeners->len; i++)
    {
      const RegisteredListener *r = &g_array_index (listeners, RegisteredListener, i);

      if (r->listener->changed != NULL)
        r->listener->changed (r->opaque, m);
    }
}

static gboolean
notify_on_io_thread (gpointer data)
{
  notify_changed (data);
  return G_SOURCE_REMOVE;
}

/* Listeners are told on the I/O thread, whoever changed the state. */
static void
announce (Machine *m)
{
  g_autoptr (GSource) source = g_idle_source_new ();

  g_source_set_priority (source, G_PRIORITY_DEFAULT);
  g_source_set_callback (source, notify_on_io_thread, m, NULL);
  g_source_attach (source, m->context);
}

void
machine_halt (Machine *m)
{
  g_mutex_lock (&m->run_lock);
  m->run_wanted = FALSE;
  g_mutex_unlock (&m->run_lock);
  vcpus_kick (m);
  g_mutex_lock (&m->run_lock);
  while (m->parked_count < m->cpu_count)
    g_cond_wait (&m->run_cond, &m->run_lock);
  g_mutex_unlock (&m->run_lock);
  /* The time-stamp counters' distance from the clock is known only while both run. */
  x86_system_get_state (m->cpu_system);
  machine_lock_take (&m->lock);
  x86_system_flush_posted (m->cpu_system);
  doorbells_settle (m);
  chips_take_back (m);
  machine_lock_release (&m->lock);
  clock_stop (m->clock);
  address_space_collect (m->memory);
}

void
machine_go (Machine *m)
{
  clock_start (m->clock);
  x86_system_put_state (m->cpu_system);
  machine_lock_take (&m->lock);
  chips_lend (m);
  machine_lock_release (&m->lock);
  g_mutex_lock (&m->run_lock);
  m->run_wanted = TRUE;
  g_cond_broadcast (&m->run_cond);
  g_mutex_unlock (&m->run_lock);
}

static void
set_state (Machine *m, MachineState state, MachineOffReason reason)
{
  g_mutex_lock (&m->run_lock);
  m->state = state;
  m->off_reason = reason;
  g_mutex_unlock (&m->run_lock);
  announce (m);
}

void
machine_stay (Machine *m)
{
  set_state (m, MACHINE_STATE_PAUSED, MACHINE_OFF_NOT);
}

static void
set_message (Machine *m, const char *message)
{
  g_mutex_lock (&m->run_lock);
  g_free (m->message);
  m->message = g_strdup (message);
  g_mutex_unlock (&m->run_lock);
}

static void
power_off_for (Machine *m, MachineOffReason reason)
{
  g_mutex_lock (&m->control);
  if (m->state != MACHINE_STATE_OFF)
    {
      machine_halt (m);
      set_state (m, MACHINE_STATE_OFF, reason);
    }
  g_mutex_unlock (&m->control);
}

/* Replaced views of memory may be freed only while no processor looks at them. */
static void
collect_views (Machine *m)
{
  g_mutex_lock (&m->control);
  if (m->state == MACHINE_STATE_RUNNING)
    {
      machine_halt (m);
      machine_go (m);
    }
  g_mutex_unlock (&m->control);
}

static gboolean
carry_out_requests (gpointer data)
{
  Machine *m = data;
  unsigned requests = __atomic_exchange_n (&m->requests, 0, __ATOMIC_ACQ_REL);

  if (requests & REQUEST_POWER_OFF)
    power_off_for (m, m->requested_off);
  else
    {
      if (requests & REQUEST_RESET)
        machine_reset (m);
      if (requests & REQUEST_PAUSE)
        machine_pause (m);
      if (requests & REQUEST_COLLECT)
        collect_views (m);
    }
  return G_SOURCE_CONTINUE;
}

/* A source that runs when its ready time is set. */
static gboolean
request_dispatch (GSource *source, GSourceFunc callback, gpointer data)
{
  g_source_set_ready_time (source, -1);
  return callback (data);
}

static GSourceFuncs request_funcs = { .dispatch = request_dispatch };

void
machine_request (Machine *m, unsigned request)
{
  __atomic_fetch_or (&m->requests, request, __ATOMIC_ACQ_REL);
  g_source_set_ready_time (m->request_source, 0);
}

void
machine_request_pause (Machine *m, const char *message)
{
  set_message (m, message);
  machine_request (m, REQUEST_PAUSE);
}

typedef struct
{
  Machine *machine;
  char slot[16];
} EjectNotice;

static gboolean
tell_ejected (gpointer data)
{
  EjectNotice *notice = data;
  g_autoptr (GArray) listeners = NULL;

  g_mutex_lock (&notice->machine->run_lock);
  listeners = g_array_copy (notice->machine->listeners);
  g_mutex_unlock (&notice->machine->run_lock);
  for (guint i = 0; i < listeners->len; i++)
    {
      const RegisteredListener *r = &g_array_index (listeners, RegisteredListener, i);

      if (r->listener->ejected != NULL)
        r->listener->ejected (r->opaque, notice->machine, notice->slot);
    }
  return G_SOURCE_REMOVE;
}

void
machine_announce_ejected (Machine *m, const char *controller, unsigned unit)
{
  g_autoptr (GSource) source = g_idle_source_new ();
  EjectNotice *notice = g_new0 (EjectNotice, 1);

  notice->machine = m;
  g_snprintf (notice->slot, sizeof notice->slot, "%s%u", controller, unit);
  g_source_set_priority (source, G_PRIORITY_DEFAULT);
  g_source_set_callback (source, tell_ejected, notice, g_free);
  g_source_attach (source, m->context);
}

void
machine_request_off (Machine *m, MachineOffReason reason, const char *message)
{
  if (message != NULL)
    set_message (m, message);
  m->requested_off = reason;
  machine_request (m, REQUEST_POWER_OFF);
}

static gpointer
io_thread (gpointer data)
{
  Machine *m = data;

  g_main_context_push_thread_default (m->context);
  g_main_loop_run (m->loop);
  g_main_context_pop_thread_default (m->context);
  return NULL;
}

static gboolean
check_config (const MachineConfig *config, GError **error)
{
  const char *cause = NULL;

  if (config->memory < (1 << 20) || config->memory % GUEST_PAGE_SIZE != 0)
    cause = N_("its memory must be at least 1 MiB, and whole pages");
  else if (config->cpus > MACHINE_MAX_CPUS)
    cause = N_("it may have at most 64 processors");
  if (cause == NULL)
    return TRUE;
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, _("cannot make machine “%s”: %s"),
               config->name != NULL ? config->name : "", _(cause));
  return FALSE;
}

gboolean
machine_check_cpu_model (const char *name, GError **error)
{
  return x86_cpu_model_find (name, error) != NULL;
}

Machine *
machine_new (const MachineConfig *config, GError **error)
{
  Machine *m;

  if (!check_config (config, error))
    return NULL;
  m = g_new0 (Machine, 1);
  m->name = g_strdup (config->name != NULL ? config->name : "machine");
  machine_lock_init (&m->lock);
  g_mutex_init (&m->saving);
  g_mutex_init (&m->control);
  g_mutex_init (&m->run_lock);
  g_cond_init (&m->run_cond);
  m->listeners = g_array_new (FALSE, FALSE, sizeof (RegisteredListener));
  m->context = config->context != NULL ? g_main_context_ref (config->context) : g_main_context_new ();
  m->loop = g_main_loop_new (m->context, FALSE);
  m->cpu_count = MAX (config->cpus, 1);
  m->state = MACHINE_STATE_OFF;
  m->request_source = g_source_new (&request_funcs, sizeof (GSource));
  g_source_set_callback (m->request_source, carry_out_requests, m, NULL);
  g_source_set_ready_time (m->request_source, -1);
  g_source_attach (m->request_source, m->context);

  if (!pc_assemble (m, config, error))
    {
      /* The ports stay the caller's. */
      memset (m->net_ports, 0, sizeof m->net_ports);
      machine_free (m);
      return NULL;
    }
  m->io_thread = g_thread_new ("machine I/O", io_thread, m);
  vcpus_start_threads (m);
  return m;
}

static gboolean
quit_loop (gpointer data)
{
  g_main_loop_quit (data);
  return G_SOURCE_REMOVE;
}

/* Ends the threads. */
static void
stop (Machine *m)
{
  if (m->io_thread != NULL)
    {
      g_autoptr (GSource) source = g_idle_source_new ();

      machine_power_off (m);
      g_mutex_lock (&m->run_lock);
      m->quit = TRUE;
      g_mutex_unlock (&m->run_lock);
      vcpus_kick (m);
      for (unsigned i = 0; i < m->cpu_count; i++)
        g_thread_join (g_steal_pointer (&m->vcpus[i].thread));
      /* After the notices that are still in the queue, and not after a network source that is always ready. */
      g_source_set_priority (source, G_PRIORITY_DEFAULT);
      g_source_set_callback (source, quit_loop, m->loop, NULL);
      g_source_attach (source, m->context);
      g_thread_join (g_steal_pointer (&m->io_thread));
    }
}

/* Of a machine without threads. */
static gpointer
destroy (gpointer data)
{
  Machine *m = data;

  pc_disassemble (m);
  g_source_destroy (m->request_source);
  g_source_unref (m->request_source);
  g_main_loop_unref (m->loop);
  g_main_context_unref (m->context);
  g_array_unref (m->listeners);
  g_free (m->accel_detail);
  g_free (m->message);
  g_free (m->cpu_model);
  g_free (m->name);
  g_cond_clear (&m->run_cond);
  g_mutex_clear (&m->run_lock);
  g_mutex_clear (&m->control);
  g_mutex_clear (&m->saving);
  machine_lock_clear (&m->lock);
  g_free (m);
  return NULL;
}

void
machine_free (Machine *m)
{
  if (m == NULL)
    return;
  stop (m);
  destroy (m);
}

void
machine_end (Machine *m)
{
  stop (m);
  if (m->devices != NULL)
    pc_let_go (m);
}

/* Memory goes first, and behind the mappings: while a large one is taken down, no thread of the process can map anything.
 * All others come before this one, which then is not one to hold them up. */
static gpointer
retire (gpointer data)
{
  Machine *m = data;

  setpriority (PRIO_PROCESS, (id_t) syscall (SYS_gettid), RETIRED_NICE);
  ram_block_discard (m->ram);
  g_thread_unref (g_thread_new ("retired machine", destroy, m));
  return NULL;
}

void
machine_retire (Machine *m)
{
  machine_end (m);
  g_thread_unref (g_thread_new ("retired memory", retire, m));
}

void
machine_add_listener (Machine *m, const MachineListener *listener, void *opaque)
{
  RegisteredListener registered = { listener, opaque };

  g_mutex_lock (&m->run_lock);
  g_array_append_val (m->listeners, registered);
  g_mutex_unlock (&m->run_lock);
}

void
machine_remove_listener (Machine *m, void *opaque)
{
  g_mutex_lock (&m->run_lock);
  for (guint i = m->listeners->len; i-- > 0;)
    {
      if (g_array_index (m->listeners, RegisteredListener, i).opaque == opaque)
        g_array_remove_index (m->listeners, i);
    }
  g_mutex_unlock (&m->run_lock);
}

gboolean
machine_start (Machine *m, GError **error)
{
  gboolean ok = FALSE;

  g_mutex_lock (&m->control);
  if (m->state != MACHINE_STATE_OFF || m->off_reason != MACHINE_OFF_NOT)
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_EXISTS, _("machine “%s” has been started before"), m->name);
  else
    {
      set_state (m, MACHINE_STATE_RUNNING, MACHINE_OFF_NOT);
      machine_go (m);
      ok = TRUE;
    }
  g_mutex_unlock (&m->control);
  return ok;
}

void
machine_pause (Machine *m)
{
  g_mutex_lock (&m->control);
  if (m->state == MACHINE_STATE_RUNNING)
    {
      machine_halt (m);
      set_state (m, MACHINE_STATE_PAUSED, MACHINE_OFF_NOT);
    }
  g_mutex_unlock (&m->control);
}

void
machine_resume (Machine *m)
{
  g_mutex_lock (&m->control);
  if (m->state == MACHINE_STATE_PAUSED)
    {
      set_message (m, NULL);
      set_state (m, MACHINE_STATE_RUNNING, MACHINE_OFF_NOT);
      machine_go (m);
      machine_lock_take (&m->lock);
      for (guint i = 0; i < m->writable_disks->len; i++)
        disk_retry (g_ptr_array_index (m->writable_disks, i));
      machine_lock_release (&m->lock);
    }
  g_mutex_unlock (&m->control);
}

void
machine_reset (Machine *m)
{
  g_mutex_lock (&m->control);
  if (m->state != MACHINE_STATE_OFF)
    {
      machine_halt (m);
      machine_lock_take (&m->lock);
      pc_reset (m);
      machine_lock_release (&m->lock);
      if (m->state == MACHINE_STATE_RUNNING)
        machine_go (m);
    }
  g_mutex_unlock (&m->control);
}

gboolean
machine_set_accel (Machine *m, MachineAccel accel, GError **error)
{
  gboolean ok, is_running;

  g_mutex_lock (&m->control);
  is_running = m->state == MACHINE_STATE_RUNNING;
  if (is_running)
    machine_halt (m);
  ok = accel_switch (m, accel, error);
  if (is_running)
    machine_go (m);
  g_mutex_unlock (&m->control);
  return ok;
}

void
machine_power_button (Machine *m)
{
  machine_lock_take (&m->lock);
  piix4_pm_press_power_button (m->pm);
  machine_lock_release (&m->lock);
}

void
machine_power_off (Machine *m)
{
  power_off_for (m, MACHINE_OFF_HOST);
}

MachineState
machine_state (Machine *m)
{
  MachineState state;

  g_mutex_lock (&m->run_lock);
  state = m->state;
  g_mutex_unlock (&m->run_lock);
  return state;
}

MachineOffReason
machine_off_reason (Machine *m)
{
  MachineOffReason reason;

  g_mutex_lock (&m->run_lock);
  reason = m->off_reason;
  g_mutex_unlock (&m->run_lock);
  return reason;
}

int
machine_debug_exit_status (Machine *m)
{
  return m->exit_status;
}

char *
machine_message (Machine *m)
{
  char *message;

  g_mutex_lock (&m->run_lock);
  message = g_strdup (m->message);
  g_mutex_unlock (&m->run_lock);
  return message;
}

Display *
machine_display (Machine *m)
{
  return m->display;
}

Input *
machine_input (Machine *m)
{
  return m->input;
}

size_t
machine_serial_input (Machine *m, unsigned port, const uint8_t *data, size_t length)
{
  size_t taken;

  g_assert (port < MACHINE_MAX_SERIALS);
  machine_lock_take (&m->lock);
  taken = uart16550_input (m->serial[port], data, length);
  machine_lock_release (&m->lock);
  return taken;
}

NetPort *
machine_net_port (Machine *m, unsigned nic)
{
  return nic < MACHINE_MAX_NICS ? m->net_ports[nic] : NULL;
}

void
machine_set_cable (Machine *m, unsigned nic, gboolean connected)
{
  if (nic >= MACHINE_MAX_NICS || m->nics[nic] == NULL)
    return;
  machine_lock_take (&m->lock);
  e1000_set_link (m->nics[nic], connected);
  machine_lock_release (&m->lock);
}

GMainContext *
machine_context (Machine *m)
{
  return m->context;
}

void
machine_info (Machine *m, MachineInfo *info)
{
  DiskCounters ide, ahci = { 0 }, nvme = { 0 }, scsi = { 0 };
  FloppyCounters floppy;

  *info = (MachineInfo) { .accel = x86_accel_name (x86_system_accel (m->cpu_system)), .accel_reason = m->accel_reason,
                          .accel_slowdown = m->accel_slowdown };
  if (m->accel_detail != NULL)
    g_strlcpy (info->accel_detail, m->accel_detail, sizeof info->accel_detail);
  info->guest_time = clock_now (m->clock);
  machine_lock_take (&m->lock);
  info->doorbells = m->bells_rung;
  info->kernel_irqchip = x86_system_has_chips (m->cpu_system);
  for (unsigned i = 0; i < m->cpu_count; i++)
    {
      X86Counters counters;

      x86_cpu_counters (m->vcpus[i].cpu, &counters);
      info->instructions += counters.instructions;
      info->blocks += counters.blocks;
      info->translated += counters.translated;
      info->code_bytes += counters.code_bytes;
      info->dropped += counters.dropped;
      info->renewed += counters.renewed;
      info->emptied += counters.emptied;
      info->longest_emptying = MAX (info->longest_emptying, counters.longest_emptying);
      info->entered += counters.entered;
      info->refills += counters.refills;
      info->tlb_misses += counters.tlb_misses;
      info->code_writes += counters.code_writes;
      info->exceptions += counters.exceptions;
      info->exits_pio += counters.pio;
      info->exits_mmio += counters.mmio;
      info->interrupts += counters.interrupts;
      info->exits_halt += m->vcpus[i].halts;
      info->exits_other += counters.others;
      info->halts += counters.halts;
      info->posted += counters.posted;
      info->exits_msr += counters.msrs;
      info->exits_window += counters.windows;
      info->exits_kick += counters.kicks;
      info->exits_emulated += counters.emulated;
    }
  piix3_ide_counters (m->ide, &ide);
  if (m->ahci != NULL)
    ahci_counters (m->ahci, &ahci);
  if (m->nvme != NULL)
    nvme_counters (m->nvme, &nvme);
  if (m->scsi != NULL)
    virtio_scsi_counters (m->scsi, &scsi);
  floppy_counters (m->floppy, &floppy);
  for (unsigned i = 0; i < MACHINE_MAX_VIRTIO; i++)
    {
      VirtioBlkCounters blk;

      if (m->virtio_disks[i] == NULL)
        continue;
      virtio_blk_counters (m->virtio_disks[i], &blk);
      info->disk_reads += blk.reads;
      info->disk_writes += blk.writes;
      info->disk_read_bytes += blk.read_bytes;
      info->disk_write_bytes += blk.write_bytes;
    }
  machine_lock_release (&m->lock);
  info->floppy_reads = floppy.reads + floppy.writes;
  info->disk_reads += ide.reads + ahci.reads + nvme.reads + scsi.reads;
  info->disk_writes += ide.writes + ahci.writes + nvme.writes + scsi.writes;
  info->disk_read_bytes += ide.read_bytes + ahci.read_bytes + nvme.read_bytes + scsi.read_bytes;
  info->disk_write_bytes += ide.write_bytes + ahci.write_bytes + nvme.write_bytes + scsi.write_bytes;
  info->cd_reads = ide.cd_reads + ahci.cd_reads + scsi.cd_reads;
  for (unsigned i = 0; i < MACHINE_MAX_NICS; i++)
    {
      const NetPort *port = m->net_ports[i];

      if (port == NULL)
        continue;
      info->net_rx_frames += port->rx_frames;
      info->net_tx_frames += port->tx_frames;
      info->net_rx_bytes += port->rx_bytes;
      info->net_tx_bytes += port->tx_bytes;
    }
}

GHashTable *
machine_interpreted (Machine *m)
{
  GHashTable *counts = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, g_free);

  for (unsigned i = 0; i < m->cpu_count; i++)
    x86_cpu_add_interpreted (m->vcpus[i].cpu, counts);
  return counts;
}

char *
machine_dump_registers (Machine *m)
{
  GString *text = g_string_new (NULL);

  for (unsigned i = 0; i < m->cpu_count; i++)
    x86_cpu_dump (m->vcpus[i].cpu, text);
  return g_string_free (text, FALSE);
}
