/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the board tells the first processor is logged, and told the second. */

#include "engine/cpu/lockstep/lockstep-private.h"

#include <string.h>
#include <sys/random.h>

static const char *const names[] = {
  [EVENT_PORT_READ] = "reads port", [EVENT_PORT_WRITE] = "writes port", [EVENT_MMIO_READ] = "reads device register",
  [EVENT_MMIO_WRITE] = "writes device register", [EVENT_TSC] = "reads the time-stamp counter", [EVENT_RANDOM] = "takes a random number",
  [EVENT_APIC_BASE_READ] = "reads the APIC base", [EVENT_APIC_BASE_WRITE] = "writes the APIC base", [EVENT_TPR_READ] = "reads CR8",
  [EVENT_TPR_WRITE] = "writes CR8", [EVENT_DEADLINE_READ] = "reads the TSC deadline", [EVENT_DEADLINE_WRITE] = "writes the TSC deadline",
  [EVENT_FPU_ERROR] = "drives FERR#", [EVENT_MEMORY] = "(a device writes memory)",
  [EVENT_VIEW] = "(memory is mapped anew)", [EVENT_REGISTERS] = "(a device changes registers)",
};

const char *
event_describe (const Event *event, char *text, size_t size)
{
  g_snprintf (text, size, "%s %" G_GINT64_MODIFIER "x, %u bytes, %" G_GINT64_MODIFIER "x", names[event->kind], event->address,
              event->size, event->value);
  return text;
}

Event *
log_add (Lockstep *ls, EventKind kind, uint64_t address, unsigned size, uint64_t value)
{
  Event event = { .kind = kind, .address = address, .size = size, .value = value };

  g_array_append_val (ls->log, event);
  return &g_array_index (ls->log, Event, ls->log->len - 1);
}

void
log_clear (Lockstep *ls)
{
  for (guint i = 0; i < ls->log->len; i++)
    {
      Event *event = &g_array_index (ls->log, Event, i);

      switch (event->kind)
        {
        case EVENT_MEMORY:
          g_bytes_unref (event->data);
          break;
        case EVENT_VIEW:
          g_array_unref (event->view);
          break;
        case EVENT_REGISTERS:
          g_free (event->registers);
          break;
        default:
          break;
        }
    }
  g_array_set_size (ls->log, 0);
}

void
log_follow (Side *side)
{
  const GArray *log = side->lockstep->log;

  for (; side->next < log->len; side->next++)
    {
      const Event *event = &g_array_index (log, Event, side->next);

      switch (event->kind)
        {
        case EVENT_MEMORY:
          mirror_written (side, event->address, g_bytes_get_data (event->data, NULL), g_bytes_get_size (event->data));
          break;
        case EVENT_VIEW:
          side_set_view (side, event->view);
          break;
        case EVENT_REGISTERS:
          memcpy (side->cpu->r, event->registers, 16 * sizeof side->cpu->r[0]);
          break;
        default:
          return;
        }
    }
}

/* The answer to what the processor asks, out of the log. */
static uint64_t
replay (Side *side, EventKind kind, uint64_t address, unsigned size, uint64_t value, gboolean is_write)
{
  const GArray *log = side->lockstep->log;
  const Event *event = side->next < log->len ? &g_array_index (log, Event, side->next) : NULL;
  const Event asked = { .kind = kind, .address = address, .size = size, .value = value };
  char text[160], other[160];
  uint64_t answer;

  if (event == NULL)
    lockstep_lost (side, "the %s processor %s, which the other does not", side->name, event_describe (&asked, text, sizeof text));
  if (event->kind != kind || event->address != address || event->size != size || (is_write && event->value != value))
    lockstep_lost (side, "the %s processor %s; the other %s", side->name, event_describe (&asked, text, sizeof text),
                   event_describe (event, other, sizeof other));
  answer = event->value;
  side->next++;
  log_follow (side);
  return answer;
}

static Event *
logged (Side *side, guint at)
{
  return &g_array_index (side->lockstep->log, Event, at);
}

#define FRONT(side) ((side)->lockstep->cpu)

/* The board raises and lowers the front's line; the first processor follows. */
static void
follow_line (Side *side)
{
  if (__atomic_load_n (&FRONT (side)->pending, __ATOMIC_SEQ_CST) & X86_REQ_INTR)
    x86_cpu_raise (side->cpu, X86_REQ_INTR);
  else
    x86_cpu_lower (side->cpu, X86_REQ_INTR);
}

/* --- Ports --- */

/* A device may talk through registers while a port is accessed. */
static void
log_registers (Side *side, const uint64_t before[16])
{
  if (memcmp (before, side->cpu->r, 16 * sizeof before[0]) != 0)
    log_add (side->lockstep, EVENT_REGISTERS, 0, 0, 0)->registers = g_memdup2 (side->cpu->r, 16 * sizeof before[0]);
}

static uint32_t
pio_read (void *opaque, uint16_t port, unsigned size)
{
  Side *side = opaque;
  guint at = side->lockstep->log->len;
  uint64_t before[16];
  uint32_t value;

  if (side->replays)
    return (uint32_t) replay (side, EVENT_PORT_READ, port, size, 0, FALSE);
  memcpy (before, side->cpu->r, sizeof before);
  log_add (side->lockstep, EVENT_PORT_READ, port, size, 0);
  value = FRONT (side)->ops->pio_read (FRONT (side)->opaque, port, size);
  logged (side, at)->value = value;
  log_registers (side, before);
  follow_line (side);
  return value;
}

static void
pio_write (void *opaque, uint16_t port, uint32_t value, unsigned size)
{
  Side *side = opaque;
  uint64_t before[16];

  if (side->replays)
    {
      replay (side, EVENT_PORT_WRITE, port, size, value, TRUE);
      return;
    }
  memcpy (before, side->cpu->r, sizeof before);
  log_add (side->lockstep, EVENT_PORT_WRITE, port, size, value);
  FRONT (side)->ops->pio_write (FRONT (side)->opaque, port, value, size);
  log_registers (side, before);
  follow_line (side);
}

/* --- Registers of devices; the region of a view is the opaque --- */

typedef struct
{
  Side *side;
  MemorySection section;
} Proxy;

static uint64_t
mmio_read (void *opaque, uint64_t offset, unsigned size)
{
  const Proxy *proxy = opaque;
  Side *side = proxy->side;
  uint64_t gpa = proxy->section.base + offset, value;
  guint at = side->lockstep->log->len;

  if (side->replays)
    return replay (side, EVENT_MMIO_READ, gpa, size, 0, FALSE);
  log_add (side->lockstep, EVENT_MMIO_READ, gpa, size, 0);
  value = memory_section_read (&proxy->section, gpa, size);
  logged (side, at)->value = value;
  follow_line (side);
  return value;
}

static void
mmio_write (void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
  const Proxy *proxy = opaque;
  Side *side = proxy->side;
  uint64_t gpa = proxy->section.base + offset;

  if (side->replays)
    {
      replay (side, EVENT_MMIO_WRITE, gpa, size, value, TRUE);
      return;
    }
  log_add (side->lockstep, EVENT_MMIO_WRITE, gpa, size, value);
  side->lockstep->has_vram_changed = TRUE;
  memory_section_write (&proxy->section, gpa, value, size);
  follow_line (side);
}

const MmioOps lockstep_mmio = { .read = mmio_read, .write = mmio_write, .min_size = 1, .max_size = 8 };

/* --- The rest --- */

static void
lock (void *opaque)
{
  Side *side = opaque;

  if (!side->replays && FRONT (side)->ops->lock != NULL)
    FRONT (side)->ops->lock (FRONT (side)->opaque);
}

static void
unlock (void *opaque)
{
  Side *side = opaque;

  if (!side->replays && FRONT (side)->ops->unlock != NULL)
    FRONT (side)->ops->unlock (FRONT (side)->opaque);
}

/* The first could take an interrupt here: the slice ends, and the second gets here, before both do. */
static int
interrupt_ack (void *opaque)
{
  longjmp (((Side *) opaque)->out, 1);
}

/* A question without an address. */
#define ASK(kind, type, expression)                                                                                    \
  Side *side = opaque;                                                                                                 \
  type value_;                                                                                                         \
                                                                                                                       \
  if (side->replays)                                                                                                   \
    return (type) replay (side, kind, 0, 0, 0, FALSE);                                                                 \
  value_ = (expression);                                                                                               \
  log_add (side->lockstep, kind, 0, 0, (uint64_t) value_);                                                             \
  return value_

static uint64_t
tsc (void *opaque)
{
  ASK (EVENT_TSC, uint64_t, FRONT (side)->ops->tsc (FRONT (side)->opaque));
}

static uint64_t
random_number (Side *side)
{
  uint64_t value = 0;

  if (FRONT (side)->ops->random != NULL)
    return FRONT (side)->ops->random (FRONT (side)->opaque);
  if (getrandom (&value, sizeof value, 0) != sizeof value)
    value = 0;
  return value;
}

static uint64_t
random_op (void *opaque)
{
  ASK (EVENT_RANDOM, uint64_t, random_number (side));
}

static uint64_t
tsc_hz (void *opaque)
{
  Side *side = opaque;

  return FRONT (side)->ops->tsc_hz != NULL ? FRONT (side)->ops->tsc_hz (FRONT (side)->opaque) : 0;
}

static uint64_t
apic_base_get (void *opaque)
{
  ASK (EVENT_APIC_BASE_READ, uint64_t, FRONT (side)->ops->apic_base_get (FRONT (side)->opaque));
}

static gboolean
apic_base_set (void *opaque, uint64_t value)
{
  Side *side = opaque;
  guint at = side->lockstep->log->len;
  gboolean ok;

  if (side->replays)
    return (gboolean) replay (side, EVENT_APIC_BASE_WRITE, value, 0, 0, FALSE);
  log_add (side->lockstep, EVENT_APIC_BASE_WRITE, value, 0, 0);
  ok = FRONT (side)->ops->apic_base_set (FRONT (side)->opaque, value);
  logged (side, at)->value = (uint64_t) ok;
  follow_line (side);
  return ok;
}

static uint8_t
tpr_get (void *opaque)
{
  ASK (EVENT_TPR_READ, uint8_t, FRONT (side)->ops->tpr_get (FRONT (side)->opaque));
}

/* An order without an answer. */
#define TELL(kind, value, statement)                                                                                   \
  Side *side = opaque;                                                                                                 \
                                                                                                                       \
  if (side->replays)                                                                                                   \
    {                                                                                                                  \
      replay (side, kind, 0, 0, value, TRUE);                                                                          \
      return;                                                                                                          \
    }                                                                                                                  \
  log_add (side->lockstep, kind, 0, 0, value);                                                                         \
  statement;                                                                                                           \
  follow_line (side)

static void
tpr_set (void *opaque, uint8_t priority_class)
{
  TELL (EVENT_TPR_WRITE, priority_class, FRONT (side)->ops->tpr_set (FRONT (side)->opaque, priority_class));
}

static uint64_t
tsc_deadline_get (void *opaque)
{
  ASK (EVENT_DEADLINE_READ, uint64_t, FRONT (side)->ops->tsc_deadline_get (FRONT (side)->opaque));
}

static void
tsc_deadline_set (void *opaque, uint64_t value)
{
  TELL (EVENT_DEADLINE_WRITE, value, FRONT (side)->ops->tsc_deadline_set (FRONT (side)->opaque, value));
}

static void
fpu_error (void *opaque, gboolean level)
{
  TELL (EVENT_FPU_ERROR, (uint64_t) level, FRONT (side)->ops->fpu_error (FRONT (side)->opaque, level));
}

const X86HostOps lockstep_ops = {
  .pio_read = pio_read, .pio_write = pio_write, .lock = lock, .unlock = unlock, .interrupt_ack = interrupt_ack, .tsc = tsc,
  .tsc_hz = tsc_hz, .random = random_op, .apic_base_get = apic_base_get, .apic_base_set = apic_base_set, .tpr_get = tpr_get,
  .tpr_set = tpr_set, .tsc_deadline_get = tsc_deadline_get, .tsc_deadline_set = tsc_deadline_set, .fpu_error = fpu_error
};

/* --- Views --- */

void
side_set_view (Side *side, const GArray *view)
{
  address_space_begin (side->memory);
  for (guint i = 0; i < side->regions->len; i++)
    memory_region_remove (g_ptr_array_index (side->regions, i));
  g_ptr_array_set_size (side->regions, 0);
  g_ptr_array_set_size (side->proxies, 0);
  for (guint i = 0; i < view->len; i++)
    {
      const MemorySection *section = &g_array_index (view, MemorySection, i);
      MemoryRegion *region;

      if (section->kind == MEMORY_MMIO)
        {
          Proxy *proxy = g_new (Proxy, 1);

          *proxy = (Proxy) { side, *section };
          g_ptr_array_add (side->proxies, proxy);
          region = address_space_add_mmio (side->memory, section->base, section->size, 0, &lockstep_mmio, proxy);
        }
      else
        {
          RamBlock *block = mirror_block (side, section);
          uint64_t offset = (uint64_t) (section->host - ram_block_host (section->block));

          region = section->kind == MEMORY_ROM ? address_space_add_rom (side->memory, section->base, section->size, 0, block, offset)
                                               : address_space_add_ram (side->memory, section->base, section->size, 0, block, offset);
        }
      g_ptr_array_add (side->regions, region);
    }
  address_space_commit (side->memory);
  address_space_collect (side->memory);
}
