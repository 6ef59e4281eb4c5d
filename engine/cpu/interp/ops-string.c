/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * MOVS STOS LODS SCAS CMPS with their repeat prefixes. Specification: Intel SDM volume 2.
 */

#include "engine/cpu/interp/string.h"

uint64_t
x86_string_run_length (X86Cpu *cpu, const X86Op *op, uint64_t lin, unsigned reg, unsigned segno)
{
  uint64_t bytes = GUEST_PAGE_SIZE - (lin & 0xfff), offset = x86_string_truncate (op, cpu->r[reg]);
  const X86Seg *seg = &cpu->seg[segno];

  if (op->asize < 8)
    bytes = MIN (bytes, ((uint64_t) 1 << (op->asize * 8)) - offset);
  if (!x86_code64 (cpu))
    {
      if ((seg->attr & (X86_SEG_CODE | X86_SEG_EXPAND_DOWN)) == X86_SEG_EXPAND_DOWN)
        return 0;
      bytes = MIN (bytes, (uint64_t) seg->limit - offset + 1);
    }
  return bytes / op->size;
}

uint8_t *
x86_string_run_target (X86Cpu *cpu, const X86Op *op, uint64_t lin, gboolean *is_code)
{
  uint8_t *target = x86_host_write (cpu, lin, 1);
  const X86TlbInfo *info;

  *is_code = FALSE;
  if (target != NULL || (cpu->eflags & X86_FLAG_DF))
    return target;
  info = x86_translate (cpu, op, lin, X86_ACCESS_WRITE, cpu->mmu_index);
  if (info->host == NULL || info->is_rom || info->is_watched)
    return NULL;
  if (info->dirty != NULL)
    *info->dirty = 1;
  *is_code = x86_code_page_is_watched (cpu, info->host);
  return info->host + (lin & 0xfff);
}

/* Copies as much as host memory under both pointers allows; returns the elements done. */
static G_GNUC_NO_INLINE uint64_t
copy_run (X86Cpu *cpu, const X86Op *op)
{
  uint64_t from = x86_string_source (cpu, op), to = x86_string_target (cpu, op, X86_ACCESS_WRITE), elements, bytes;
  uint8_t *source = x86_host_read (cpu, from, 1), *target;
  gboolean is_code;

  if (source == NULL || (cpu->eflags & X86_FLAG_DF))
    return 0;
  target = x86_string_run_target (cpu, op, to, &is_code);
  if (target == NULL)
    return 0;
  elements = MIN (x86_string_run_length (cpu, op, from, X86_RSI, op->segno), x86_string_run_length (cpu, op, to, X86_RDI, X86_ES));
  elements = MIN (elements, x86_string_count (cpu, op));
  if (elements == 0) /* over a page's end */
    return 0;
  bytes = elements * op->size;
  /* An overlap ahead repeats what was just written, element by element. */
  if (target > source && target < source + bytes)
    {
      bytes = (uint64_t) (target - source) / op->size * op->size;
      elements = bytes / op->size;
      if (elements == 0)
        return 0;
      memcpy (target, source, bytes);
    }
  else
    memmove (target, source, bytes);
  if (is_code)
    x86_code_stored (cpu, target, bytes);
  x86_string_advance (cpu, op, X86_RSI, bytes);
  x86_string_advance (cpu, op, X86_RDI, bytes);
  return elements;
}

static G_GNUC_NO_INLINE uint64_t
fill_run (X86Cpu *cpu, const X86Op *op)
{
  uint64_t to = x86_string_target (cpu, op, X86_ACCESS_WRITE), elements, value = cpu->r[X86_RAX];
  gboolean is_code;
  uint8_t *target = x86_string_run_target (cpu, op, to, &is_code);

  if (target == NULL || (cpu->eflags & X86_FLAG_DF))
    return 0;
  elements = MIN (x86_string_run_length (cpu, op, to, X86_RDI, X86_ES), x86_string_count (cpu, op));
  if (elements == 0)
    return 0;
  switch (op->size)
    {
    case 1:
      memset (target, (int) (value & 0xff), elements);
      break;
    case 2:
      for (uint64_t i = 0; i < elements; i++)
        memcpy (target + i * 2, &value, 2);
      break;
    case 4:
      for (uint64_t i = 0; i < elements; i++)
        memcpy (target + i * 4, &value, 4);
      break;
    default:
      for (uint64_t i = 0; i < elements; i++)
        memcpy (target + i * 8, &value, 8);
      break;
    }
  if (is_code)
    x86_code_stored (cpu, target, elements * op->size);
  x86_string_advance (cpu, op, X86_RDI, elements * op->size);
  return elements;
}

static inline void
move_one (X86Cpu *cpu, const X86Op *op)
{
  uint64_t from = x86_string_source (cpu, op), to = x86_string_target (cpu, op, X86_ACCESS_WRITE);
  uint64_t value = x86_mem_get (cpu, op, from, op->size);

  x86_mem_set (cpu, op, to, op->size, value);
  x86_string_advance (cpu, op, X86_RSI, op->size);
  x86_string_advance (cpu, op, X86_RDI, op->size);
}

static inline void
store_one (X86Cpu *cpu, const X86Op *op)
{
  x86_mem_set (cpu, op, x86_string_target (cpu, op, X86_ACCESS_WRITE), op->size, cpu->r[X86_RAX]);
  x86_string_advance (cpu, op, X86_RDI, op->size);
}

static inline void
load_one (X86Cpu *cpu, const X86Op *op)
{
  x86_reg_set (cpu, X86_RAX, op->size, x86_mem_get (cpu, op, x86_string_source (cpu, op), op->size));
  x86_string_advance (cpu, op, X86_RSI, op->size);
}

static inline void
scan_one (X86Cpu *cpu, const X86Op *op)
{
  s64 b = x86_sext (x86_mem_get (cpu, op, x86_string_target (cpu, op, X86_ACCESS_READ), op->size), op->size);
  s64 a = x86_sext (cpu->r[X86_RAX], op->size);

  x86_cc_sub (cpu, a, b, x86_sext ((u64) a - (u64) b, op->size));
  x86_string_advance (cpu, op, X86_RDI, op->size);
}

static inline void
compare_one (X86Cpu *cpu, const X86Op *op)
{
  uint64_t from = x86_string_source (cpu, op), to = x86_string_target (cpu, op, X86_ACCESS_READ);
  s64 a = x86_sext (x86_mem_get (cpu, op, from, op->size), op->size);
  s64 b = x86_sext (x86_mem_get (cpu, op, to, op->size), op->size);

  x86_cc_sub (cpu, a, b, x86_sext ((u64) a - (u64) b, op->size));
  x86_string_advance (cpu, op, X86_RSI, op->size);
  x86_string_advance (cpu, op, X86_RDI, op->size);
}

/* How many of @count elements come before the first that equals @value (or, with @differs, does not). */
static uint64_t
find_value (const uint8_t *at, uint64_t count, uint64_t value, unsigned size, gboolean differs)
{
  uint64_t i = 0;

#define FIND(type)                                                                                                      \
  for (type v; i < count; i++)                                                                                         \
    {                                                                                                                  \
      memcpy (&v, at + i * sizeof v, sizeof v);                                                                         \
      if ((v == (type) value) != differs)                                                                               \
        break;                                                                                                         \
    }
  if (size == 1 && !differs)
    {
      const uint8_t *found = memchr (at, (int) (value & 0xff), count);

      return found != NULL ? (uint64_t) (found - at) : count;
    }
  switch (size)
    {
    case 1: FIND (uint8_t); break;
    case 2: FIND (uint16_t); break;
    case 4: FIND (uint32_t); break;
    default: FIND (uint64_t); break;
    }
#undef FIND
  return i;
}

/* How many of @count elements come before the first pair that differs (or, with @equals, does not). */
static uint64_t
find_pair (const uint8_t *a, const uint8_t *b, uint64_t count, unsigned size, gboolean equals)
{
  uint64_t i = 0, bytes = count * size;

  if (!equals)
    {
      uint64_t x, y;

      for (; i + 8 <= bytes; i += 8)
        {
          memcpy (&x, a + i, 8);
          memcpy (&y, b + i, 8);
          if (x != y)
            return (i + (unsigned) __builtin_ctzll (x ^ y) / 8) / size;
        }
      while (i < bytes && a[i] == b[i])
        i++;
      return i / size;
    }
  while (i < bytes && memcmp (a + i, b + i, size) != 0)
    i += size;
  return i / size;
}

/* Both below pass over elements that do not end the instruction, and return how many; at least one is left to look at. */
static G_GNUC_NO_INLINE uint64_t
scan_run (X86Cpu *cpu, const X86Op *op)
{
  uint64_t at = x86_string_target (cpu, op, X86_ACCESS_READ), elements;
  const uint8_t *host = x86_host_read (cpu, at, 1);

  if (host == NULL || (cpu->eflags & X86_FLAG_DF))
    return 0;
  elements = MIN (x86_string_run_length (cpu, op, at, X86_RDI, X86_ES), x86_string_count (cpu, op));
  if (elements < 2)
    return 0;
  elements = find_value (host, elements - 1, cpu->r[X86_RAX], op->size, (op->flags & X86_OPF_REPE) != 0);
  x86_string_advance (cpu, op, X86_RDI, elements * op->size);
  return elements;
}

static G_GNUC_NO_INLINE uint64_t
compare_run (X86Cpu *cpu, const X86Op *op)
{
  uint64_t from = x86_string_source (cpu, op), to = x86_string_target (cpu, op, X86_ACCESS_READ), elements;
  const uint8_t *a = x86_host_read (cpu, from, 1), *b = x86_host_read (cpu, to, 1);

  if (a == NULL || b == NULL || (cpu->eflags & X86_FLAG_DF))
    return 0;
  elements = MIN (x86_string_run_length (cpu, op, from, X86_RSI, op->segno), x86_string_run_length (cpu, op, to, X86_RDI, X86_ES));
  elements = MIN (elements, x86_string_count (cpu, op));
  if (elements < 2)
    return 0;
  elements = find_pair (a, b, elements - 1, op->size, (op->flags & X86_OPF_REPE) == 0);
  x86_string_advance (cpu, op, X86_RSI, elements * op->size);
  x86_string_advance (cpu, op, X86_RDI, elements * op->size);
  return elements;
}

X86_HANDLER (op_movs) { move_one (cpu, op); X86_NEXT; }
X86_HANDLER (op_stos) { store_one (cpu, op); X86_NEXT; }
X86_HANDLER (op_lods) { load_one (cpu, op); X86_NEXT; }
X86_HANDLER (op_scas) { scan_one (cpu, op); X86_NEXT; }
X86_HANDLER (op_cmps) { compare_one (cpu, op); X86_NEXT; }

/* Several elements at once only outside single-stepping. */
#define MAY_RUN (!(cpu->mode & X86_MODE_STEP))

X86_HANDLER (op_rep_movs)
{
  if (x86_string_count (cpu, op) == 0)
    X86_NEXT;
  for (;;)
    {
      u64 done = MAY_RUN ? copy_run (cpu, op) : 0;

      if (done == 0)
        {
          move_one (cpu, op);
          done = 1;
        }
      X86_STRING_STEP (done);
    }
}

X86_HANDLER (op_rep_stos)
{
  if (x86_string_count (cpu, op) == 0)
    X86_NEXT;
  for (;;)
    {
      u64 done = MAY_RUN ? fill_run (cpu, op) : 0;

      if (done == 0)
        {
          store_one (cpu, op);
          done = 1;
        }
      X86_STRING_STEP (done);
    }
}

X86_HANDLER (op_rep_lods)
{
  if (x86_string_count (cpu, op) == 0)
    X86_NEXT;
  for (;;)
    {
      load_one (cpu, op);
      X86_STRING_STEP (1);
    }
}

/* REPE and REPNE also end by the result. */
#define CONDITIONAL_STEP                                                                                                \
  if (x86_get_zf (cpu) != ((op->flags & X86_OPF_REPE) != 0))                                                            \
    {                                                                                                                  \
      x86_reg_set (cpu, X86_RCX, op->asize, x86_string_count (cpu, op) - 1);                                            \
      X86_NEXT;                                                                                                        \
    }                                                                                                                  \
  X86_STRING_STEP (1)

/* Takes @done elements that surely do not end the instruction off the counter. */
static inline void
count_down (X86Cpu *cpu, const X86Op *op, uint64_t done)
{
  if (done != 0) /* a fault at the first element leaves all of the register alone */
    x86_reg_set (cpu, X86_RCX, op->asize, x86_string_count (cpu, op) - done);
}

X86_HANDLER (op_rep_scas)
{
  if (x86_string_count (cpu, op) == 0)
    X86_NEXT;
  for (;;)
    {
      if (MAY_RUN)
        count_down (cpu, op, scan_run (cpu, op));
      scan_one (cpu, op);
      CONDITIONAL_STEP;
    }
}

X86_HANDLER (op_rep_cmps)
{
  if (x86_string_count (cpu, op) == 0)
    X86_NEXT;
  for (;;)
    {
      if (MAY_RUN)
        count_down (cpu, op, compare_run (cpu, op));
      compare_one (cpu, op);
      CONDITIONAL_STEP;
    }
}

gboolean
x86_lower_string (X86Lower *lw, X86Op *op, const X86OpEntry *entry)
{
  switch (lw->insn.opcode & 1)
    {
    case 0: op->size = 1; break;
    default: op->size = lw->insn.operand_width / 8; break;
    }
  x86_lower_segment (lw, op, x86_lower_override (lw));
  if (op->ea == X86_EA_FLAT32)
    op->ea = X86_EA_GENERAL; /* the pointers are checked one by one */
  op->fn = entry->fns[x86_string_repeats (op) ? 1 : 0];
  return TRUE;
}

static const X86OpFn fns_movs[] = { op_movs, op_rep_movs }, fns_stos[] = { op_stos, op_rep_stos },
                     fns_lods[] = { op_lods, op_rep_lods }, fns_scas[] = { op_scas, op_rep_scas },
                     fns_cmps[] = { op_cmps, op_rep_cmps };

/* MOVSD and CMPSD are also SSE2 instructions: those have another opcode map. */
static gboolean
lower_string_not_sse (X86Lower *lw, X86Op *op, const X86OpEntry *entry)
{
  return lw->insn.opcode_map == ZYDIS_OPCODE_MAP_DEFAULT && x86_lower_string (lw, op, entry);
}

const X86OpEntry x86_ops_string[] = {
  { ZYDIS_MNEMONIC_MOVSB, X86_FEAT_NONE, 0, x86_lower_string, fns_movs },
  { ZYDIS_MNEMONIC_MOVSW, X86_FEAT_NONE, 0, x86_lower_string, fns_movs },
  { ZYDIS_MNEMONIC_MOVSD, X86_FEAT_NONE, 0, lower_string_not_sse, fns_movs },
  { ZYDIS_MNEMONIC_MOVSQ, X86_FEAT_NONE, 0, x86_lower_string, fns_movs },
  { ZYDIS_MNEMONIC_STOSB, X86_FEAT_NONE, 0, x86_lower_string, fns_stos },
  { ZYDIS_MNEMONIC_STOSW, X86_FEAT_NONE, 0, x86_lower_string, fns_stos },
  { ZYDIS_MNEMONIC_STOSD, X86_FEAT_NONE, 0, x86_lower_string, fns_stos },
  { ZYDIS_MNEMONIC_STOSQ, X86_FEAT_NONE, 0, x86_lower_string, fns_stos },
  { ZYDIS_MNEMONIC_LODSB, X86_FEAT_NONE, 0, x86_lower_string, fns_lods },
  { ZYDIS_MNEMONIC_LODSW, X86_FEAT_NONE, 0, x86_lower_string, fns_lods },
  { ZYDIS_MNEMONIC_LODSD, X86_FEAT_NONE, 0, x86_lower_string, fns_lods },
  { ZYDIS_MNEMONIC_LODSQ, X86_FEAT_NONE, 0, x86_lower_string, fns_lods },
  { ZYDIS_MNEMONIC_SCASB, X86_FEAT_NONE, 0, x86_lower_string, fns_scas },
  { ZYDIS_MNEMONIC_SCASW, X86_FEAT_NONE, 0, x86_lower_string, fns_scas },
  { ZYDIS_MNEMONIC_SCASD, X86_FEAT_NONE, 0, x86_lower_string, fns_scas },
  { ZYDIS_MNEMONIC_SCASQ, X86_FEAT_NONE, 0, x86_lower_string, fns_scas },
  { ZYDIS_MNEMONIC_CMPSB, X86_FEAT_NONE, 0, x86_lower_string, fns_cmps },
  { ZYDIS_MNEMONIC_CMPSW, X86_FEAT_NONE, 0, x86_lower_string, fns_cmps },
  { ZYDIS_MNEMONIC_CMPSD, X86_FEAT_NONE, 0, lower_string_not_sse, fns_cmps },
  { ZYDIS_MNEMONIC_CMPSQ, X86_FEAT_NONE, 0, x86_lower_string, fns_cmps },
  { 0 }
};
