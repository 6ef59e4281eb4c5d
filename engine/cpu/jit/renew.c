/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Translations that nobody may enter for a while, and constants in them that change. */

#include "engine/cpu/jit/translation.h"

void
jit_note_constant (Translation *t, const JitInsn *insn, unsigned offset, unsigned size, const uint8_t *at, unsigned host_size)
{
  JitConstant *constant = &t->constants[t->constant_count];

  if (t->constant_count == G_N_ELEMENTS (t->constants))
    return;
  *constant = (JitConstant) { .at = (uint32_t) (at - t->jit->write), .size = (uint8_t) size, .host_size = (uint8_t) host_size,
                              .offset = (uint16_t) (insn->bytes - x86_block_bytes (t->block) + offset) };
  t->constant_count++;
}

void
jit_note_peek (Translation *t, const uint8_t *host, const uint8_t *bytes, unsigned length)
{
  JitPeek *peek = &t->peeks[t->peek_count];

  /* A change of its own bytes is the end of the block anyway. */
  if (host >= t->block->host && host + length <= t->block->host + t->block->length)
    return;
  x86_block_peeked (t->cpu, t->block, host, length);
  if (t->peek_count == G_N_ELEMENTS (t->peeks))
    {
      t->has_peeked_far = TRUE;
      return;
    }
  t->peek_count++;
  *peek = (JitPeek) { .offset = (uint16_t) ((uintptr_t) host & 0xfff), .length = (uint8_t) length };
  memcpy (peek->bytes, bytes, length);
}

gboolean
jit_keep_notes (Translation *t, JitBlock *to)
{
  to->constant_count = (uint8_t) t->constant_count;
  to->peek_count = (uint8_t) t->peek_count;
  to->is_renewable = !t->has_peeked_far;
  to->constants = jit_alloc (t->jit, t->constant_count * sizeof *t->constants);
  to->peeks = jit_alloc (t->jit, t->peek_count * sizeof *t->peeks);
  if (to->constants == NULL || to->peeks == NULL)
    return FALSE;
  memcpy (to->constants, t->constants, t->constant_count * sizeof *t->constants);
  memcpy (to->peeks, t->peeks, t->peek_count * sizeof *t->peeks);
  return TRUE;
}

static void
close_way (struct X86Jit *jit, const uint8_t *code, const uint8_t *leave, uint8_t *saved)
{
  Emit patch = { .at = jit_write (jit, code), .end = jit->emit.end };

  memcpy (saved, patch.at, JIT_ENTRY_SIZE);
  emit_jump_to (&patch, jit_write (jit, leave));
}

void
x86_jit_disable (X86Cpu *cpu, X86Block *block)
{
  struct X86Jit *jit = cpu->jit;

  for (JitBlock *old = block->translations; old != NULL; old = old->next)
    {
      close_way (jit, old->code, old->leave, old->entry);
      if (old->host_code != NULL)
        close_way (jit, old->host_code, old->host_leave, old->host_entry);
      cpu->counters.dropped++;
    }
  if (block->translations != NULL)
    jit->is_dropped = TRUE;
}

void
x86_jit_drop (X86Cpu *cpu, X86Block *block)
{
  x86_jit_disable (cpu, block);
  block->translations = NULL;
}

/* Whether a change of the block's byte at @offset is one of a constant. */
static gboolean
is_constant (const JitBlock *to, unsigned offset)
{
  for (unsigned i = 0; i < to->constant_count; i++)
    if (offset - to->constants[i].offset < to->constants[i].size)
      return TRUE;
  return FALSE;
}

static gboolean
fits (const JitBlock *to, const X86Block *block, const uint8_t *old, const uint8_t *bytes)
{
  const uint8_t *page = (const uint8_t *) ((uintptr_t) block->host & X86_PAGE_MASK);

  if (!to->is_renewable)
    return FALSE;
  for (unsigned i = 0; i < block->length; i++)
    if (old[i] != bytes[i] && !is_constant (to, i))
      return FALSE;
  for (unsigned i = 0; i < to->peek_count; i++)
    if (memcmp (page + to->peeks[i].offset, to->peeks[i].bytes, to->peeks[i].length) != 0)
      return FALSE;
  for (unsigned i = 0; i < to->constant_count; i++)
    if (to->constants[i].host_size < to->constants[i].size)
      {
        int32_t value;

        memcpy (&value, bytes + to->constants[i].offset, sizeof value);
        if (value != (int8_t) value)
          return FALSE;
      }
  return TRUE;
}

void
x86_jit_renew (X86Cpu *cpu, X86Block *block, const uint8_t *bytes)
{
  struct X86Jit *jit = cpu->jit;
  JitBlock **link = &block->translations;

  while (*link != NULL)
    {
      JitBlock *to = *link;

      if (!fits (to, block, x86_block_bytes (block), bytes))
        {
          *link = to->next;
          continue;
        }
      for (unsigned i = 0; i < to->constant_count; i++)
        memcpy (jit->write + to->constants[i].at, bytes + to->constants[i].offset, to->constants[i].host_size);
      memcpy (jit_write (jit, to->code), to->entry, JIT_ENTRY_SIZE);
      if (to->host_code != NULL)
        memcpy (jit_write (jit, to->host_code), to->host_entry, JIT_ENTRY_SIZE);
      cpu->counters.renewed++;
      link = &to->next;
    }
}
