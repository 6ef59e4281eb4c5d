/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The processor's saved state: every architectural register, little-endian, in the order below.
 */

#include "engine/cpu/cpu-private.h"
#include "engine/cpu/fp.h"

#include <gio/gio.h>

enum { STATE_MAGIC = 0x36387562 /* "bu86" */, STATE_VERSION = 2, NAME_SIZE = 32 };

/* What may be outstanding; the rest is of this program's own, and of the moment. */
#define REQUESTS ((uint32_t) (X86_REQ_INTR | X86_REQ_NMI | X86_REQ_INIT | X86_REQ_SIPI))

/* One walk serves both directions, so that they cannot differ. */
typedef struct
{
  GByteArray *out;       /* saving, or NULL */
  const uint8_t *in;
  size_t left;
  gboolean failed;
} Walker;

static void
bytes (Walker *walker, void *data, size_t size)
{
  if (walker->out != NULL)
    g_byte_array_append (walker->out, data, (guint) size);
  else if (walker->left < size)
    walker->failed = TRUE;
  else
    {
      memcpy (data, walker->in, size);
      walker->in += size;
      walker->left -= size;
    }
}

#define FIELD(f) bytes (walker, &(f), sizeof (f))

static void
walk_table (Walker *walker, X86Table *table)
{
  FIELD (table->sel);
  FIELD (table->attr);
  FIELD (table->limit);
  FIELD (table->base);
}

static void
walk (Walker *walker, X86Cpu *cpu, uint32_t *flags, uint32_t *pending)
{
  for (unsigned i = 0; i < X86_REG_COUNT; i++)
    FIELD (cpu->r[i]);
  FIELD (*flags);
  FIELD (cpu->cpl);
  for (unsigned i = 0; i < X86_SEG_COUNT; i++)
    {
      FIELD (cpu->seg[i].sel);
      FIELD (cpu->seg[i].attr);
      FIELD (cpu->seg[i].limit);
    }
  walk_table (walker, &cpu->ldtr);
  walk_table (walker, &cpu->tr);
  walk_table (walker, &cpu->gdtr);
  walk_table (walker, &cpu->idtr);
  FIELD (cpu->cr0);
  FIELD (cpu->cr2);
  FIELD (cpu->cr3);
  FIELD (cpu->cr4);
  FIELD (cpu->cr8);
  FIELD (cpu->xcr0);
  FIELD (cpu->dr);
  FIELD (cpu->msr);
  FIELD (cpu->pdpte);
  FIELD (cpu->a20_mask);
  FIELD (cpu->vec);
  FIELD (cpu->mxcsr);
  for (unsigned i = 0; i < 8; i++)
    {
      FIELD (cpu->fpu.st[i].mant);
      FIELD (cpu->fpu.st[i].se);
    }
  FIELD (cpu->fpu.fcw);
  FIELD (cpu->fpu.fsw);
  FIELD (cpu->fpu.ftag);
  FIELD (cpu->fpu.fop);
  FIELD (cpu->fpu.fip);
  FIELD (cpu->fpu.fdp);
  FIELD (cpu->fpu.fcs);
  FIELD (cpu->fpu.fds);
  FIELD (*pending);
  FIELD (cpu->sipi_vector);
  FIELD (cpu->shadow);
  FIELD (cpu->halted);
  FIELD (cpu->nmi_masked);
  FIELD (cpu->injection.kind);
  FIELD (cpu->injection.vector);
  FIELD (cpu->injection.has_error);
  FIELD (cpu->injection.error);
}

static void
walk_head (Walker *walker, uint32_t *magic, uint32_t *version, char name[NAME_SIZE], uint64_t features[2])
{
  FIELD (*magic);
  FIELD (*version);
  bytes (walker, name, NAME_SIZE);
  bytes (walker, features, 2 * sizeof *features);
}

void
x86_state_changed (X86Cpu *cpu)
{
  x86_fp_update (cpu);
  x86_forget_ram (cpu);
  x86_block_cache_flush (cpu);
  x86_update_mode (cpu);
  x86_attend (cpu);
}

void
x86_cpu_save (X86Cpu *cpu, GByteArray *out)
{
  uint32_t magic = STATE_MAGIC, version = STATE_VERSION, flags = x86_get_eflags (cpu);
  uint32_t pending = __atomic_load_n (&cpu->pending, __ATOMIC_SEQ_CST) & REQUESTS;
  Walker walker = { .out = out };
  char name[NAME_SIZE] = { 0 };

  g_strlcpy (name, x86_cpu_model_name (cpu->model), sizeof name);
  walk_head (&walker, &magic, &version, name, cpu->features);
  walk (&walker, cpu, &flags, &pending);
}

gboolean
x86_cpu_load (X86Cpu *cpu, const uint8_t *data, size_t length, size_t *used, GError **error)
{
  uint32_t magic = 0, version = 0, flags = 0, pending = 0;
  Walker walker = { .in = data, .left = length };
  uint64_t features[2] = { 0 };
  char name[NAME_SIZE] = { 0 };

  walk_head (&walker, &magic, &version, name, features);
  if (walker.failed || magic != STATE_MAGIC || version != STATE_VERSION)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "processor %u: the saved state is damaged or of another version",
                   cpu->index);
      return FALSE;
    }
  if (strncmp (name, x86_cpu_model_name (cpu->model), sizeof name) != 0)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "processor %u: the saved state needs the model “%.31s”, not “%s”",
                   cpu->index, name, x86_cpu_model_name (cpu->model));
      return FALSE;
    }
  /* Of one model, hosts may have more or less. */
  if ((features[0] & ~cpu->features[0]) || (features[1] & ~cpu->features[1]))
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
                   "processor %u: the saved state needs processor features that this host does not have", cpu->index);
      return FALSE;
    }
  walk (&walker, cpu, &flags, &pending);
  if (walker.failed)
    {
      x86_cpu_reset (cpu);
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "processor %u: the saved state is cut short", cpu->index);
      return FALSE;
    }
  /* What no saved state may bend. */
  cpu->r[X86_ZERO] = 0;
  cpu->cpl &= 3;
  cpu->halted = MIN (cpu->halted, X86_HALT_SHUTDOWN);
  cpu->delivering = 0;
  __atomic_and_fetch (&cpu->pending, ~REQUESTS, __ATOMIC_SEQ_CST);
  __atomic_or_fetch (&cpu->pending, pending & REQUESTS, __ATOMIC_SEQ_CST);
  cpu->cr3 &= cpu->phys_mask;
  cpu->eflags = flags & (X86_FLAG_TF | X86_FLAG_IF | X86_FLAG_DF | X86_FLAG_IOPL | X86_FLAG_NT | X86_FLAG_RF | X86_FLAG_VM
                         | X86_FLAG_AC | X86_FLAG_VIF | X86_FLAG_VIP | X86_FLAG_ID);
  x86_set_arith_flags (cpu, flags);
  cpu->mxcsr &= X86_MXCSR_MASK;
  cpu->fpu.fcw = (cpu->fpu.fcw & X86_FCW_MASK) | X86_FCW_ONE;
  x86_state_changed (cpu);
  *used = length - walker.left;
  return TRUE;
}
