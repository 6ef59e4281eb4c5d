/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Executable memory, the code around translated code, and how blocks get there and away. */

#include "engine/cpu/fp.h"
#include "engine/cpu/jit/jit-private.h"
#include "engine/cpu/jit/profile.h"

#include <errno.h>
#include <gio/gio.h>
#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

enum
{
  CODE_SIZE = 64 << 20, ARENA_SIZE = 64 << 20, /* of address space; memory comes as it fills */
  HOT = 24,                                    /* runs after which a block is translated */
  MISSES = 8,                                  /* of an instruction's memory in a window before it is looked up instead */
  CODE_RESERVE = 64 << 10                      /* room that one translation surely fits into */
};

/* --- Flags --- */

/* EFLAGS' SF ZF AF PF CF are AH's after LAHF. */
enum { LAHF_MASK = X86_FLAG_SF | X86_FLAG_ZF | X86_FLAG_AF | X86_FLAG_PF | X86_FLAG_CF };

static inline void
flags_to_host (X86Cpu *cpu)
{
  uint32_t flags = x86_get_arith_flags (cpu);

  cpu->jit_flags = (uint16_t) ((flags & LAHF_MASK) << 8 | (flags & X86_FLAG_OF ? 1 : 0));
}

static inline void
flags_from_host (X86Cpu *cpu)
{
  x86_set_arith_flags (cpu, ((cpu->jit_flags >> 8) & LAHF_MASK) | (cpu->jit_flags & 1 ? X86_FLAG_OF : 0));
}

/* @op is its block's first. */
static inline X86Block *
block_of (const X86Op *op)
{
  return (X86Block *) (uintptr_t) ((const uint8_t *) op - G_STRUCT_OFFSET (X86Block, ops));
}

/* --- Called by translated code, everything saved --- */

static const X86Op *
returned (X86Cpu *cpu, const X86Op *op)
{
  return op;
}

void
x86_jit_site_init (JitSite *site)
{
  site->ops[1] = (X86Op) { .fn = returned };
}

/* The unit's settings for translated code. FALSE: exceptions are unmasked, which only the interpreter sees to. */
static gboolean
prepare_sse (X86Cpu *cpu)
{
  if (cpu->sse_guard)
    x86_sse_prepare (cpu);
  return cpu->sse_guard == 0;
}

/* --- x87: the guest's registers in the host's unit, as FNSAVE and FRSTOR move them --- */

/* With an exception unmasked or pending the interpreter keeps the unit. */
static gboolean
x87_may_be_native (const X86Cpu *cpu)
{
  return (cpu->fpu.fcw & X86_FSW_FLAGS) == X86_FSW_FLAGS && !(cpu->fpu.fsw & X86_FSW_ES);
}

static void
x87_to_image (X86Cpu *cpu)
{
  uint32_t head[7] = { 0xffff0000 | cpu->fpu.fcw, 0xffff0000 | cpu->fpu.fsw, 0xffff0000 | x86_fpu_full_tags (cpu) };

  memcpy (cpu->jit_x87_image, head, sizeof head);
  for (unsigned i = 0; i < 8; i++)
    memcpy (cpu->jit_x87_image + sizeof head + i * 10, &cpu->fpu.st[(x86_fpu_top (cpu) + i) & 7], 10);
  cpu->jit_x87_rip = cpu->fpu.fip;
  cpu->jit_x87_rdp = cpu->fpu.fdp;
  cpu->jit_x87_op = cpu->fpu.fop;
  cpu->jit_x87_seg = X86_DS;
  cpu->jit_x87_parked = TRUE;
}

static void
x87_from_image (X86Cpu *cpu)
{
  uint32_t head[7];

  memcpy (head, cpu->jit_x87_image, sizeof head);
  cpu->fpu.fcw = (uint16_t) head[0];
  cpu->fpu.fsw = (uint16_t) head[1];
  cpu->fpu.ftag = x86_fpu_abridged_tags ((uint16_t) head[2]);
  cpu->fpu.fop = cpu->jit_x87_op;
  if (cpu->fpu.fip != cpu->jit_x87_rip)
    {
      cpu->fpu.fip = cpu->jit_x87_rip;
      cpu->fpu.fcs = cpu->seg[X86_CS].sel;
    }
  if (cpu->fpu.fdp != cpu->jit_x87_rdp)
    {
      cpu->fpu.fdp = cpu->jit_x87_rdp;
      cpu->fpu.fds = cpu->seg[cpu->jit_x87_seg].sel;
    }
  for (unsigned i = 0; i < 8; i++)
    memcpy (&cpu->fpu.st[(x86_fpu_top (cpu) + i) & 7], cpu->jit_x87_image + sizeof head + i * 10, 10);
  cpu->jit_x87_parked = FALSE;
}

static gboolean
prepare_x87 (X86Cpu *cpu)
{
  x86_fpu_release (cpu);
  if (!x87_may_be_native (cpu))
    return FALSE;
  x87_to_image (cpu);
  return TRUE;
}

/* A fault in the window: lays in what is missing. FALSE: the instruction has to do without. */
static gboolean
fill_window (X86Cpu *cpu, JitSite *site, uint64_t lin)
{
  struct X86Jit *jit = cpu->jit;
  uint64_t second = (lin & X86_PAGE_MASK) + GUEST_PAGE_SIZE;
  gboolean done, crosses = lin + site->size > second && (x86_code64 (cpu) || second == (uint32_t) second);
  const X86TlbInfo *info;

  /* What the instruction would raise before it looks for pages. */
  if ((lin & site->aligned) || (crosses && !x86_is_canonical (second)))
    return FALSE;
  info = x86_translate (cpu, &site->ops[0], lin, (X86Access) site->access, cpu->mmu_index);
  done = jit_windows_fill (jit->windows, lin, info);
  if (crosses)
    {
      info = x86_translate (cpu, &site->ops[0], second, (X86Access) site->access, cpu->mmu_index);
      done |= jit_windows_fill (jit->windows, second, info);
    }
  if (!done && ++site->misses >= MISSES)
    {
      site->window->looked_up |= (uint64_t) 1 << site->number;
      x86_jit_drop (cpu, site->window);
    }
  return done;
}

/* After an instruction that may have written the state's vector registers. */
static void
look_at_uppers (X86Cpu *cpu)
{
  uint64_t any = 0;

  if (cpu->jit_parked != JIT_VECTORS_ZERO)
    return;
  for (unsigned i = 0; i < G_N_ELEMENTS (cpu->vec); i++)
    any |= cpu->vec[i].q[2] | cpu->vec[i].q[3];
  if (any != 0)
    cpu->jit_parked = JIT_VECTORS_FULL;
}

static uint32_t
run_alone (X86Cpu *cpu, JitSite *site, uint64_t lin, uint32_t has_sse)
{
  struct X86Jit *jit = cpu->jit;
  const X86Op *next;

  flags_from_host (cpu);
  cpu->r[X86_RIP] = site->rip;
  if (site->window != NULL && fill_window (cpu, site, lin))
    return JIT_RETRY;
  if (site->window == NULL && site->size > 0 && (lin & 0xfff) + site->size <= GUEST_PAGE_SIZE && !(lin & site->aligned))
    {
      const X86TlbEntry *entry = x86_tlb_entry (cpu, lin);

      x86_translate (cpu, &site->ops[0], lin, (X86Access) site->access, cpu->mmu_index);
      if ((site->access == X86_ACCESS_READ ? entry->tag_read : entry->tag_write) == ((lin & X86_PAGE_MASK) ^ cpu->tlb_key))
        {
          cpu->counters.refills++;
          return JIT_RETRY;
        }
    }
  jit_profile_site (jit, site);
  if (site->tail != NULL)
    {
      /* The op knows its place from the block's start. */
      cpu->r[X86_RIP] = site->rip - (site->tail->next - site->tail->len);
      if (site->tail->next == site->tail->len)
        jit->skip = block_of (site->tail);
      cpu->jit_next = site->tail;
      return JIT_LEAVE;
    }
  next = site->ops[0].fn (cpu, &site->ops[0]);
  flags_to_host (cpu);
  cpu->jit_next = NULL;
  if (next != &site->ops[1])
    {
      cpu->jit_next = next;
      return JIT_LEAVE;
    }
  cpu->r[X86_RIP] = site->next_rip;
  look_at_uppers (cpu);
  if (jit->is_dropped || (has_sse && !prepare_sse (cpu)))
    return JIT_LEAVE;
  return JIT_DONE;
}

static uint32_t
run_site (X86Cpu *cpu, JitSite *site, uint64_t lin, uint32_t has_sse)
{
  gboolean has_x87 = cpu->jit_x87_parked;
  uint32_t result;

  cpu->jit->is_dropped = FALSE;
  if (has_x87)
    x87_from_image (cpu);
  result = run_alone (cpu, site, lin, has_sse);
  if (has_x87 && result != JIT_LEAVE && !prepare_x87 (cpu))
    {
      cpu->jit_next = NULL;
      return JIT_LEAVE;
    }
  return result;
}

/* Where a direct jump leads; NULL: to the interpreter. */
static const uint8_t *
link_edge (X86Cpu *cpu, JitEdge *edge)
{
  X86Block *block = x86_block_find (cpu, edge->host, edge->mode);

  cpu->r[X86_RIP] = edge->rip;
  if (block == NULL)
    return NULL;
  for (JitBlock *to = block->translations; to != NULL; to = to->next)
    if (to->rip == edge->rip)
      {
        if (edge->host_jump != NULL && to->host_code != NULL)
          emit_patch (edge->host_jump, jit_write (cpu->jit, to->host_code));
        emit_patch (edge->jump, jit_write (cpu->jit, to->code));
        return to->code;
      }
  return NULL;
}

static uint32_t
enter_sse (X86Cpu *cpu)
{
  return prepare_sse (cpu);
}

static uint32_t
enter_x87 (X86Cpu *cpu)
{
  return prepare_x87 (cpu);
}

/* --- Thunks --- */

static void
save_registers (Emit *e)
{
  for (unsigned i = 0; i < 12; i++)
    emit_store (e, jit_guest_mem (i), jit_host_reg (i));
}

static void
load_registers (Emit *e)
{
  for (unsigned i = 0; i < 12; i++)
    emit_load (e, jit_host_reg (i), jit_guest_mem (i));
}

static EmitMem
vector_mem (unsigned n)
{
  return MEM (STATE, (int32_t) (G_STRUCT_OFFSET (X86Cpu, vec) + n * sizeof (X86Vec)) - STATE_BIAS);
}

static void
save_xmm (Emit *e)
{
  for (unsigned i = 0; i < 16; i++)
    emit_rm (e, 0, FALSE, MAP_0F, 0x29, i, vector_mem (i)); /* MOVAPS */
}

static void
load_xmm (Emit *e)
{
  for (unsigned i = 0; i < 16; i++)
    emit_rm (e, 0, FALSE, MAP_0F, 0x28, i, vector_mem (i));
}

static void
save_ymm (Emit *e)
{
  for (unsigned i = 0; i < 16; i++)
    emit_vex_rm (e, VEX_NONE, MAP_0F, TRUE, 0x29, i, vector_mem (i)); /* VMOVAPS */
}

static void
load_ymm (Emit *e)
{
  for (unsigned i = 0; i < 16; i++)
    emit_vex_rm (e, VEX_NONE, MAP_0F, TRUE, 0x28, i, vector_mem (i));
}

static void
emit_vzeroupper (Emit *e)
{
  emit_vex (e, VEX_NONE, MAP_0F, FALSE, FALSE, 0, NO_REG, NO_REG, NO_REG);
  emit8 (e, 0x77);
}

static void
store_byte (Emit *e, EmitMem m, unsigned value)
{
  emit_rm (e, 0, FALSE, MAP_1, 0xc6, 0, m);
  emit8 (e, value);
}

/* Saves vectors when they are the guest's; RBX and jit_parked remember. All general registers are saved. What is compiled
 * uses no upper halves, and shall find them clear. */
static void
park_vectors (const struct X86Jit *jit, Emit *e)
{
  uint8_t *skip, *narrow = NULL, *saved = NULL;

  emit_rm (e, 0, FALSE, MAP_0F, 0xb6, RBX, STATE_FIELD (jit_sse)); /* MOVZX */
  emit_rm (e, 0, FALSE, MAP_1, 0x88, RBX, STATE_FIELD (jit_parked));
  emit_rr (e, 0, FALSE, MAP_1, 0x85, RBX, RBX);
  skip = emit_jcc (e, CC_Z);
  if (jit->has_avx)
    {
      emit_rm (e, 0, FALSE, MAP_1, 0xf6, 0, STATE_FIELD (jit_sse)); /* TEST */
      emit8 (e, JIT_VECTORS_UPPER);
      narrow = emit_jcc (e, CC_Z);
      save_ymm (e);
      emit_vzeroupper (e);
      saved = emit_jump (e);
      emit_patch (narrow, e->at);
    }
  save_xmm (e);
  if (saved != NULL)
    emit_patch (saved, e->at);
  store_byte (e, STATE_FIELD (jit_sse), JIT_VECTORS_NONE);
  emit_patch (skip, e->at);
}

static void
unpark_vectors (const struct X86Jit *jit, Emit *e)
{
  uint8_t *skip, *narrow = NULL, *loaded = NULL;

  emit_rm (e, 0, FALSE, MAP_0F, 0xb6, RBX, STATE_FIELD (jit_parked));
  emit_rr (e, 0, FALSE, MAP_1, 0x85, RBX, RBX);
  skip = emit_jcc (e, CC_Z);
  if (jit->has_avx)
    {
      emit_alu_imm (e, FALSE, 7, RBX, JIT_VECTORS_FULL);
      narrow = emit_jcc (e, CC_NZ);
      load_ymm (e);
      loaded = emit_jump (e);
      emit_patch (narrow, e->at);
      emit_vzeroupper (e);
    }
  load_xmm (e);
  if (loaded != NULL)
    emit_patch (loaded, e->at);
  emit_rm (e, 0, FALSE, MAP_1, 0x88, RBX, STATE_FIELD (jit_sse));
  emit_patch (skip, e->at);
}

static void
compare_byte (Emit *e, EmitMem m)
{
  emit_rm (e, 0, FALSE, MAP_1, 0x80, 7, m);
  emit8 (e, 0);
}

static void
park_x87 (Emit *e)
{
  uint8_t *skip;

  compare_byte (e, STATE_FIELD (jit_x87));
  skip = emit_jcc (e, CC_Z);
  emit_rm (e, 0, FALSE, MAP_1, 0xdd, 6, STATE_FIELD (jit_x87_image)); /* FNSAVE */
  store_byte (e, STATE_FIELD (jit_x87), 0);
  store_byte (e, STATE_FIELD (jit_x87_parked), 1);
  emit_patch (skip, e->at);
}

static void
unpark_x87 (Emit *e)
{
  uint8_t *skip;

  compare_byte (e, STATE_FIELD (jit_x87_parked));
  skip = emit_jcc (e, CC_Z);
  emit_rm (e, 0, FALSE, MAP_1, 0xdd, 4, STATE_FIELD (jit_x87_image)); /* FRSTOR */
  store_byte (e, STATE_FIELD (jit_x87), 1);
  store_byte (e, STATE_FIELD (jit_x87_parked), 0);
  emit_patch (skip, e->at);
}

static void
call_c (Emit *e, const void *function)
{
  emit_constant (e, RAX, (uint64_t) (uintptr_t) function);
  emit8 (e, 0xff);
  emit8 (e, 0xd0);
}

/* RDI = the X86Cpu. */
static void
load_cpu (Emit *e)
{
  emit_lea (e, TRUE, RDI, MEM (STATE, -STATE_BIAS));
}

/* CALL leaves the stack 8 bytes off what the C side wants. */
static void
align (Emit *e, gboolean before)
{
  emit_alu_imm (e, TRUE, before ? 5 : 0, RSP, 8);
}

static const uint8_t *
make_prepare_vectors (struct X86Jit *jit, gboolean with_uppers)
{
  Emit *e = &jit->emit;
  const uint8_t *start = jit_exec (jit, e->at);
  uint8_t *failed;

  save_registers (e);
  if (with_uppers)
    park_vectors (jit, e);
  load_cpu (e);
  align (e, TRUE);
  call_c (e, enter_sse);
  align (e, FALSE);
  emit_rr (e, 0, FALSE, MAP_1, 0x89, RAX, S1);
  emit_rr (e, 0, FALSE, MAP_1, 0x85, RAX, RAX);
  failed = emit_jcc (e, CC_Z);
  if (with_uppers)
    load_ymm (e);
  else
    load_xmm (e);
  store_byte (e, STATE_FIELD (jit_sse), with_uppers ? JIT_VECTORS_FULL : JIT_VECTORS_XMM);
  emit_patch (failed, e->at);
  load_registers (e);
  emit8 (e, 0xc3);
  return start;
}

static void
make_thunks (struct X86Jit *jit)
{
  static const uint8_t saved[] = { RBX, RBP, R12, R13, R14, R15 };
  Emit *e = &jit->emit;
  uint8_t *epilogue, *to, *leave_saved, *without;

  /* The way in: const X86Op *enter (cpu, code). */
  jit->enter = (const X86Op *(*) (X86Cpu *, const uint8_t *)) (uintptr_t) jit_exec (jit, e->at);
  for (unsigned i = 0; i < G_N_ELEMENTS (saved); i++)
    emit_push (e, saved[i]);
  align (e, TRUE);
  emit_lea (e, TRUE, STATE, MEM (RDI, STATE_BIAS));
  emit_move (e, S2, RSI);
  load_registers (e);
  emit_jump_reg (e, S2);

  /* RAX is the result; everything has been saved. */
  epilogue = e->at;
  align (e, FALSE);
  for (unsigned i = G_N_ELEMENTS (saved); i-- > 0;)
    emit_pop (e, saved[i]);
  emit8 (e, 0xc3);

  /* Ways out: to the run loop, RIP is set; to the op in S2. */
  jit->leave = jit_exec (jit, e->at);
  emit_constant (e, S2, 0);
  jit->leave_to_op = jit_exec (jit, e->at);
  save_registers (e);
  park_vectors (jit, e);
  park_x87 (e);
  emit_move (e, RAX, S2);
  emit_jump_to (e, epilogue);

  /* To the instruction pointer in S1, if it is known (see x86_jump_entry()). */
  jit->indirect = jit_exec (jit, e->at);
  emit_store (e, jit_guest_mem (X86_RIP), S1);
  emit_push (e, RAX);
  emit_move (e, RAX, S1);
  emit_shift (e, TRUE, FALSE, RAX, 12);
  emit_move (e, S2, S1);
  emit_shift (e, TRUE, FALSE, S2, 18);
  emit_rr (e, 0, FALSE, MAP_1, 0x31, S2, RAX);
  emit_alu_imm (e, FALSE, 4, RAX, X86_JUMP_SIZE / X86_JUMP_GROUP - 1);
  emit_shift (e, FALSE, TRUE, RAX, X86_JUMP_GROUP_BITS);
  emit_move (e, S2, S1);
  emit_shift (e, TRUE, FALSE, S2, 6);
  emit_rr (e, 0, FALSE, MAP_1, 0x31, S1, S2);
  emit_alu_imm (e, FALSE, 4, S2, X86_JUMP_GROUP - 1);
  emit_rr (e, 0, FALSE, MAP_1, 0x01, S2, RAX);
  emit_shift (e, FALSE, TRUE, RAX, 5);
  emit_rm (e, 0, TRUE, MAP_1, 0x03, RAX, STATE_FIELD (jumps));
  emit_rm (e, 0, TRUE, MAP_1, 0x39, S1, MEM (RAX, G_STRUCT_OFFSET (X86Jump, lin)));
  to = emit_jcc (e, CC_NZ);
  emit_load (e, S2, MEM (RAX, G_STRUCT_OFFSET (X86Jump, key)));
  emit_rm (e, 0, TRUE, MAP_1, 0x39, S2, STATE_FIELD (code_key));
  leave_saved = emit_jcc (e, CC_NZ);
  emit_load (e, S2, MEM (RAX, G_STRUCT_OFFSET (X86Jump, native)));
  emit_pop (e, RAX);
  emit_jump_reg (e, S2);
  emit_patch (to, e->at);
  emit_patch (leave_saved, e->at);
  emit_pop (e, RAX);
  emit_jump_to (e, jit_write (jit, jit->leave));

  /* Called with a site in S2 and a linear address in S1; returns with JIT_RETRY or JIT_DONE in S1. */
  jit->site = jit_exec (jit, e->at);
  save_registers (e);
  park_vectors (jit, e);
  park_x87 (e);
  load_cpu (e);
  emit_move (e, RSI, S2);
  emit_move (e, RDX, S1);
  emit_rr (e, 0, FALSE, MAP_1, 0x89, RBX, RCX);
  align (e, TRUE);
  call_c (e, run_site);
  align (e, FALSE);
  emit_rr (e, 0, FALSE, MAP_1, 0x89, RAX, S1);
  emit_alu_imm (e, FALSE, 7, RAX, JIT_LEAVE);
  to = emit_jcc (e, CC_Z);
  /* Blocks that come after ask for them. */
  compare_byte (e, MEM (S2, G_STRUCT_OFFSET (JitSite, uses_sse)));
  without = emit_jcc (e, CC_Z);
  unpark_vectors (jit, e);
  emit_patch (without, e->at);
  unpark_x87 (e);
  load_registers (e);
  emit8 (e, 0xc3);
  emit_patch (to, e->at);
  emit_load (e, RAX, STATE_FIELD (jit_next));
  align (e, FALSE); /* the return address */
  emit_jump_to (e, epilogue);

  /* With an edge in S2: goes there and remembers the way. What it calls does not compute in x87 registers. */
  jit->link = jit_exec (jit, e->at);
  save_registers (e);
  park_vectors (jit, e);
  load_cpu (e);
  emit_move (e, RSI, S2);
  call_c (e, link_edge);
  emit_rr (e, 0, TRUE, MAP_1, 0x85, RAX, RAX);
  to = emit_jcc (e, CC_Z);
  emit_move (e, S2, RAX);
  unpark_vectors (jit, e);
  load_registers (e);
  emit_jump_reg (e, S2);
  emit_patch (to, e->at);
  park_x87 (e);
  emit_rr (e, 0, FALSE, MAP_1, 0x31, RAX, RAX);
  emit_jump_to (e, epilogue);

  /* Called at the start of a block that uses XMM registers; returns with 0 in S1 when it must be interpreted. */
  jit->prepare_sse = make_prepare_vectors (jit, FALSE);
  /* The same for YMM registers. */
  jit->prepare_avx = jit->has_avx ? make_prepare_vectors (jit, TRUE) : NULL;

  /* The same for x87 registers. */
  jit->prepare_x87 = jit_exec (jit, e->at);
  save_registers (e);
  park_vectors (jit, e);
  load_cpu (e);
  align (e, TRUE);
  call_c (e, enter_x87);
  align (e, FALSE);
  emit_rr (e, 0, FALSE, MAP_1, 0x89, RAX, S1);
  unpark_vectors (jit, e);
  unpark_x87 (e);
  load_registers (e);
  emit8 (e, 0xc3);
  jit->thunks_end = e->at;
}

static void
name_thunks (X86Cpu *cpu, const struct X86Jit *jit)
{
  const struct { const uint8_t *code; const char *name; } thunks[] = {
    { jit->exec, "enter" }, { jit->leave, "leave" }, { jit->indirect, "indirect" }, { jit->site, "site" },
    { jit->link, "link" }, { jit->prepare_sse, "prepare_sse" }, { jit->prepare_x87, "prepare_x87" },
    { jit_exec (jit, jit->thunks_end), NULL }
  };

  for (unsigned i = 0; thunks[i].name != NULL; i++)
    jit_profile_thunk (cpu, thunks[i].code, thunks[i + 1].code, thunks[i].name);
}

/* --- Memory --- */

/* Shared memory without a file can be had a second time from mremap(), and perf takes it for a compiler's. */
static gboolean
map_code (struct X86Jit *jit, GError **error)
{
  void *write = mmap (NULL, jit->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  void *exec = write != MAP_FAILED ? mremap (write, 0, jit->size, MREMAP_MAYMOVE) : MAP_FAILED;

  if (exec == MAP_FAILED || mprotect (exec, jit->size, PROT_READ | PROT_EXEC) < 0)
    {
      g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (errno), "cannot get executable memory for translated code: %s",
                   g_strerror (errno));
      if (exec != MAP_FAILED)
        munmap (exec, jit->size);
      if (write != MAP_FAILED)
        munmap (write, jit->size);
      return FALSE;
    }
  jit->write = write;
  jit->exec = exec;
  return TRUE;
}

/* --- Faults in windows --- */

static __thread struct X86Jit *running;
static struct sigaction outer_fault;

/* Runs on the thread that executes translated code, which waits: everything it reads stands still. */
static void
on_fault (int signal_number, siginfo_t *info, void *context)
{
  greg_t *rip = &((ucontext_t *) context)->uc_mcontext.gregs[REG_RIP];
  const struct X86Jit *jit = running;

  if (jit != NULL && (uint64_t) *rip - (uintptr_t) jit->exec < jit->size)
    {
      uint32_t at = (uint32_t) ((uint64_t) *rip - (uintptr_t) jit->exec);
      guint low = 0, high = jit->accesses->len;

      while (low < high)
        {
          guint middle = (low + high) / 2;
          const JitAccess *access = &g_array_index (jit->accesses, JitAccess, middle);

          if (at < access->start)
            high = middle;
          else if (at >= access->end)
            low = middle + 1;
          else
            {
              *rip = (greg_t) (uintptr_t) (jit->exec + access->slow);
              return;
            }
        }
    }
  if (outer_fault.sa_flags & SA_SIGINFO)
    outer_fault.sa_sigaction (signal_number, info, context);
  else if (outer_fault.sa_handler != SIG_DFL && outer_fault.sa_handler != SIG_IGN)
    outer_fault.sa_handler (signal_number);
  else
    signal (signal_number, SIG_DFL); /* the instruction faults again, for good */
}

/* One handler serves all processors of the process. */
static gboolean
catch_faults (void)
{
  static gsize once;

  if (g_once_init_enter (&once))
    {
      struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER };

      sigemptyset (&action.sa_mask);
      g_once_init_leave (&once, sigaction (SIGSEGV, &action, &outer_fault) == 0 ? 1 : 2);
    }
  return once == 1;
}

void
x86_jit_begin (X86Cpu *cpu)
{
  running = cpu->jit;
  if (cpu->jit != NULL)
    cpu->jit->is_fresh = TRUE;
}

/* --- Windows --- */

static inline JitWindows *
windows_of (X86Cpu *cpu)
{
  return cpu->jit != NULL ? cpu->jit->windows : NULL;
}

void
x86_jit_set_window_delay (X86Cpu *cpu, int64_t delay)
{
  if (windows_of (cpu) != NULL)
    jit_windows_set_delay (windows_of (cpu), delay);
}

uint32_t
x86_jit_window_mode (X86Cpu *cpu)
{
  return windows_of (cpu) != NULL ? jit_windows_mode (windows_of (cpu)) : 0;
}

void
x86_jit_tlb_flushed (X86Cpu *cpu, gboolean user_only)
{
  if (windows_of (cpu) != NULL)
    jit_windows_flush_all (windows_of (cpu), user_only);
}

void
x86_jit_new_key (X86Cpu *cpu, unsigned key)
{
  if (windows_of (cpu) != NULL)
    jit_windows_new_key (windows_of (cpu), key);
}

void
x86_jit_key_flushed (X86Cpu *cpu, unsigned key)
{
  if (windows_of (cpu) != NULL)
    jit_windows_flush_key (windows_of (cpu), key);
}

void
x86_jit_page_flushed (X86Cpu *cpu, uint64_t lin)
{
  if (windows_of (cpu) != NULL)
    jit_windows_flush_page (windows_of (cpu), lin);
}

void
x86_jit_page_protected (X86Cpu *cpu, const uint8_t *host_page)
{
  if (windows_of (cpu) != NULL)
    jit_windows_protect (windows_of (cpu), host_page);
}

void
x86_jit_set_heat (X86Cpu *cpu, unsigned runs)
{
  cpu->jit->heat = (uint8_t) MIN (runs, 255);
}

void *
jit_alloc (struct X86Jit *jit, size_t size)
{
  void *result = jit->arena + jit->arena_used;

  size = (size + 15) & ~(size_t) 15;
  if (jit->arena_used + size > ARENA_SIZE)
    return NULL;
  jit->arena_used += size;
  return result;
}

gboolean
x86_jit_enable (X86Cpu *cpu, GError **error)
{
  struct X86Jit *jit;

  if (cpu->jit != NULL)
    return TRUE;
  jit = g_new0 (struct X86Jit, 1);
  jit->size = CODE_SIZE;
  jit->heat = HOT;
  if (!map_code (jit, error))
    {
      g_free (jit);
      return FALSE;
    }
  jit->arena = mmap (NULL, ARENA_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (jit->arena == MAP_FAILED)
    g_error ("no address space for translated code");
  jit->emit = (Emit) { jit->write, jit->write + jit->size, FALSE };
  jit->has_avx = x86_has (cpu, X86_FEAT_AVX);
  make_thunks (jit);
  name_thunks (cpu, jit);
  cpu->jit = jit;
  cpu->jit_leave = jit->leave;
  jit->scratch = jit_scratch_new ();
  jit->accesses = g_array_new (FALSE, FALSE, sizeof (JitAccess));
  jit->windows = catch_faults () ? jit_windows_new (cpu) : NULL;
  x86_block_cache_flush (cpu);
  return TRUE;
}

void
x86_jit_free (X86Cpu *cpu)
{
  struct X86Jit *jit = cpu->jit;

  if (jit == NULL)
    return;
  munmap (jit->write, jit->size);
  munmap (jit->exec, jit->size);
  munmap (jit->arena, ARENA_SIZE);
  jit_windows_free (jit->windows);
  g_free (jit->scratch);
  g_array_unref (jit->accesses);
  g_free (jit);
  cpu->jit = NULL;
  cpu->jit_leave = NULL;
  /* Blocks count and enter what is gone now. */
  x86_block_cache_flush (cpu);
}

void
x86_jit_flush (X86Cpu *cpu)
{
  struct X86Jit *jit = cpu->jit;

  if (jit == NULL)
    return;
  cpu->counters.emptied += jit->emit.at != jit->thunks_end;
  jit->emit.at = jit->thunks_end;
  jit->emit.is_full = FALSE;
  jit->arena_used = 0;
  g_array_set_size (jit->accesses, 0);
  jit->skip = NULL;
}

size_t
x86_jit_code_bytes (const X86Cpu *cpu)
{
  return cpu->jit == NULL ? 0 : (size_t) (cpu->jit->emit.at - cpu->jit->thunks_end);
}

/* --- Blocks --- */

static gboolean
is_eligible (const X86Cpu *cpu, uint32_t mode)
{
  if (mode & (X86_MODE_STEP | X86_MODE_ALIGN | X86_MODE_VM86))
    return FALSE;
  if (mode & X86_MODE_CODE64)
    return TRUE;
  return (mode & X86_MODE_CODE_MASK) == X86_MODE_CODE32
         && (mode & (X86_MODE_PE | X86_MODE_FLAT | X86_MODE_CSFLAT | X86_MODE_STACK32))
              == (X86_MODE_PE | X86_MODE_FLAT | X86_MODE_CSFLAT | X86_MODE_STACK32);
}

/* A block's translation at @rip, made now if it is hot. NULL: it is to be interpreted, or there is no room
 * (is_flushed). */
static G_GNUC_NO_INLINE JitBlock *
translation_of (X86Cpu *cpu, X86Block *block, uint64_t rip)
{
  struct X86Jit *jit = cpu->jit;
  gboolean useless = FALSE;
  JitBlock *to;

  if (block->heat < jit->heat)
    {
      block->heat++;
      return NULL;
    }
  /* Where the code segment has a base, instruction pointers are not addresses. */
  if (cpu->r[X86_SEGBASE + X86_CS] != 0 && !(block->mode & X86_MODE_CODE64))
    return NULL;
  to = jit->emit.at + CODE_RESERVE > jit->emit.end ? NULL : jit_translate (cpu, block, rip, &useless);
  if (to == NULL)
    {
      if (useless)
        block->ops[0].fn = block->first;
      else
        jit->is_flushed = TRUE;
      return NULL;
    }
  to->next = block->translations;
  block->translations = to;
  cpu->counters.translated++;
  jit_profile_block (cpu, to, jit_exec (jit, jit->emit.at));
  return to;
}

static G_GNUC_NO_INLINE const X86Op *
run_translation (X86Cpu *cpu, const X86Op *op, const JitBlock *to)
{
  X86Jump *jump = x86_jump_entry (cpu, to->rip);
  const X86Op *next;

  if (jump->lin == to->rip && jump->ops == op)
    jump->native = to->code;
  cpu->counters.entered++;
  flags_to_host (cpu);
  /* Whoever raises sets attention first; looking again loses nothing. */
  if (X86_UNLIKELY (__atomic_load_n (&cpu->guard, __ATOMIC_RELAXED) == NULL))
    {
      __atomic_store_n (&cpu->guard, &cpu->attention, __ATOMIC_SEQ_CST);
      if (__atomic_load_n (&cpu->attention, __ATOMIC_SEQ_CST))
        __atomic_store_n (&cpu->guard, NULL, __ATOMIC_SEQ_CST);
    }
  if (cpu->mode & X86_MODE_WINDOW)
    {
      jit_windows_enter (cpu->jit->windows, cpu->jit->is_fresh);
      cpu->jit->is_fresh = FALSE;
    }
  next = cpu->jit->enter (cpu, to->code);
  if (cpu->jit_x87_parked)
    x87_from_image (cpu);
  flags_from_host (cpu);
  return next;
}

/* The first op of blocks that may be translated. */
X86_HANDLER (op_translated)
{
  struct X86Jit *jit = cpu->jit;
  X86Block *block = block_of (op);
  JitBlock *to = block->translations;

  while (to != NULL && to->rip != cpu->r[X86_RIP])
    to = to->next;
  if (to == NULL)
    to = translation_of (cpu, block, cpu->r[X86_RIP]);
  if (X86_UNLIKELY (jit->is_flushed))
    {
      jit->is_flushed = FALSE;
      x86_block_cache_flush (cpu);
      X86_LEAVE;
    }
  if (to == NULL || jit->skip == block)
    {
      jit->skip = NULL;
      return block->first (cpu, op);
    }
  return run_translation (cpu, op, to);
}

void
x86_jit_watch (X86Cpu *cpu, X86Block *block)
{
  if (cpu->jit == NULL || !is_eligible (cpu, block->mode))
    return;
  block->first = block->ops[0].fn;
  block->ops[0].fn = op_translated;
}

void
x86_jit_drop (X86Cpu *cpu, X86Block *block)
{
  struct X86Jit *jit = cpu->jit;

  for (JitBlock *old = block->translations; old != NULL; old = old->next)
    {
      Emit patch = { jit_write (jit, old->code), jit->emit.end, FALSE };

      emit_jump_to (&patch, jit_write (jit, old->leave));
      if (old->host_code != NULL)
        {
          patch.at = jit_write (jit, old->host_code);
          emit_jump_to (&patch, jit_write (jit, old->host_leave));
        }
      cpu->counters.dropped++;
    }
  if (block->translations != NULL)
    jit->is_dropped = TRUE;
  block->translations = NULL;
}
