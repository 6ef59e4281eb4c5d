/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Cases on the host's own processor: their memory is mapped below 4 GiB of this process, native-entry.S jumps in, and a
 * jump or a signal comes back. 16 and 32-bit code runs in compatibility mode.
 */

#include "tests/cpu/case.h"

#include <asm/ldt.h>
#include <cpuid.h>
#include <signal.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <ucontext.h>
#include <unistd.h>

enum { SIGNAL_STACK = 0x20000, HWCAP2_HAS_FSGSBASE = 1 << 1, TICK_US = 500000 };
/* XSAVE: offsets in the area, state components, and Linux' mark of an area in a signal's frame. */
enum { AREA_SIZE = NATIVE_AREA_SIZE, AREA_HEADER = 512, AREA_YMM = 576, XSAVE_SSE = 3, XSAVE_AVX = 4,
       FRAME_MAGIC_AT = 464, FRAME_MAGIC = 0x46505853 };

extern const uint8_t native_blob[], native_blob_end[], native_enter[], native_fault[], native_tick[];

static struct
{
  uint8_t *code, *data; /* writable views */
  sigset_t tick;
  struct sigaction fault;
  uint64_t number;
} native;

#define AT(type, address) ((type *) (uintptr_t) (address))

static void
crashed (int signal_number)
{
  signal (signal_number, SIG_DFL);
  raise (signal_number);
}

/* Maps @size bytes at @address with @rights; returns a writable view. */
static uint8_t *
map_twice (uintptr_t address, size_t size, int rights)
{
  int fd = memfd_create ("case", MFD_CLOEXEC);
  uint8_t *view;

  if (fd < 0)
    return NULL;
  if (ftruncate (fd, (off_t) size) != 0
      || mmap ((void *) address, size, rights, MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0) != (void *) address)
    {
      close (fd);
      return NULL;
    }
  view = mmap (NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close (fd);
  return view == MAP_FAILED ? NULL : view;
}

static void *
blob_address (const uint8_t *label)
{
  return (void *) (uintptr_t) (CASE_EXIT + (label - native_blob));
}

static gboolean
take_signals (void)
{
  static const int faults[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP };
  struct sigaction action = { .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER };
  stack_t stack = { .ss_size = SIGNAL_STACK };
  struct itimerval timer = { .it_interval.tv_usec = TICK_US, .it_value.tv_usec = TICK_US };

  sigemptyset (&native.tick);
  sigaddset (&native.tick, SIGVTALRM);
  stack.ss_sp = mmap (NULL, SIGNAL_STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (stack.ss_sp == MAP_FAILED || sigaltstack (&stack, NULL) != 0)
    return FALSE;
  *(void **) &action.sa_sigaction = blob_address (native_fault);
  sigaddset (&action.sa_mask, SIGVTALRM); /* its frame would lie where this one's does, after the stack is left */
  for (unsigned i = 0; i < G_N_ELEMENTS (faults); i++)
    if (faults[i] != SIGSEGV && faults[i] != SIGBUS && faults[i] != SIGFPE && sigaction (faults[i], &action, NULL) != 0)
      return FALSE;
  native.fault = action;
  *(void **) &action.sa_sigaction = blob_address (native_tick);
  action.sa_flags |= SA_RESTART;
  return sigaction (SIGVTALRM, &action, NULL) == 0 && setitimer (ITIMER_VIRTUAL, &timer, NULL) == 0;
}

/* Components that both system and test know: x87, SSE, and AVX where there is it; 0 without XSAVE. */
static uint32_t
xsave_components (void)
{
  enum { OSXSAVE = 1 << 27 };
  uint32_t eax, ebx, ecx, edx;

  if (!__get_cpuid (1, &eax, &ebx, &ecx, &edx) || !(ecx & OSXSAVE))
    return 0;
  __asm__ ("xgetbv" : "=a" (eax), "=d" (edx) : "c" (0));
  return eax & (XSAVE_SSE | XSAVE_AVX);
}

const char *
native_init (void)
{
  uint8_t *blob, *state;

  if (!(getauxval (AT_HWCAP2) & HWCAP2_HAS_FSGSBASE))
    return "the kernel does not let programs set the FS base";
  if ((xsave_components () & XSAVE_SSE) != XSAVE_SSE)
    return "there is no XSAVE";
  native.code = map_twice (CASE_CODE, CASE_CODE_SIZE, PROT_READ | PROT_EXEC);
  native.data = map_twice (CASE_DATA, CASE_DATA_SIZE, PROT_READ | PROT_WRITE);
  blob = map_twice (CASE_EXIT, 0x1000, PROT_READ | PROT_EXEC);
  state = map_twice (NATIVE_STATE, 0x1000, PROT_READ | PROT_WRITE);
  if (native.code == NULL || native.data == NULL || blob == NULL || state == NULL
      || mprotect ((void *) CASE_READONLY, CASE_DATA + CASE_DATA_SIZE - CASE_READONLY, PROT_READ) != 0)
    return "memory below 4 GiB cannot be mapped";
  memcpy (blob, native_blob, (size_t) (native_blob_end - native_blob));
  memset (native.code, 0xcc, CASE_CODE_SIZE);
  *AT (uintptr_t, NATIVE_CRASHED) = (uintptr_t) crashed;
  *AT (uint32_t, NATIVE_MXCSR) = 0x1f80;
  *AT (uint32_t, NATIVE_XSAVE) = xsave_components ();
  if (!take_signals ())
    return "signals cannot be handled";
  return NULL;
}

static gboolean
set_ldt (unsigned sel, uint32_t base, uint32_t limit, gboolean is_32bit, gboolean is_code)
{
  struct user_desc desc = { .entry_number = sel >> 3, .base_addr = base, .limit = limit, .seg_32bit = is_32bit,
                            .limit_in_pages = limit > 0xffff, .contents = is_code ? 2 : 0, .useable = 1 };

  return syscall (SYS_modify_ldt, 1, &desc, sizeof desc) == 0;
}

/* mov $1, %eax; then to the end. */
static gboolean
can_run (CaseMode mode)
{
  static const uint8_t probe[] = { 0x66, 0xb8, 1, 0, 0, 0, 0x66, 0xea, CASE_EXIT & 0xff, (CASE_EXIT >> 8) & 0xff,
                                   (CASE_EXIT >> 16) & 0xff, CASE_EXIT >> 24, CASE_CS64, 0 };
  static const uint8_t probe32[] = { 0xb8, 1, 0, 0, 0, 0xea, CASE_EXIT & 0xff, (CASE_EXIT >> 8) & 0xff,
                                     (CASE_EXIT >> 16) & 0xff, CASE_EXIT >> 24, CASE_CS64, 0 };
  g_autofree Case *cs = g_new0 (Case, 1);
  Outcome out;

  cs->mode = mode;
  cs->address = CASE_CODE;
  cs->length = mode == CASE_16 ? sizeof probe : sizeof probe32;
  memcpy (cs->code, mode == CASE_16 ? probe : probe32, cs->length);
  cs->in.rflags = 0x202;
  cs->in.r[4] = 0x1000;
  cs->in.fx[FX_FCW] = 0x7f;
  cs->in.fx[FX_FCW + 1] = 0x03;
  cs->in.fx[FX_MXCSR] = 0x80;
  cs->in.fx[FX_MXCSR + 1] = 0x1f;
  native_run (NULL, cs, &out);
  return out.vector == OUTCOME_END && out.state.r[0] == 1;
}

const char *
native_init_mode (CaseMode mode)
{
  if (mode == CASE_64)
    return NULL;
  if (!set_ldt (CASE_LDT_FS, CASE_FS_BASE, 0xfffff, TRUE, FALSE)
      || !set_ldt (CASE_LDT_GS, CASE_GS_BASE, CASE_GS_LIMIT, TRUE, FALSE))
    return "the kernel has no local descriptor tables";
  if (mode == CASE_16
      && (!set_ldt (CASE_LDT_CS16, CASE_CODE, CASE_CODE_SIZE - 1, FALSE, TRUE)
          || !set_ldt (CASE_LDT_DATA16, CASE_DATA16_BASE, 0xffff, FALSE, FALSE)))
    return "the kernel has no 16-bit segments";
  return can_run (mode) ? NULL : "such code cannot be run";
}

/* The state in an area as XSAVE fills it; what is in its initial state need not be there. */
static void
take_area (const uint8_t *area, gboolean is_extended, Outcome *out)
{
  uint64_t present = 0;

  memcpy (out->state.fx, area, FX_SIZE);
  memset (out->state.ymm, 0, sizeof out->state.ymm);
  if (is_extended)
    memcpy (&present, area + AREA_HEADER, sizeof present);
  if (present & XSAVE_AVX)
    memcpy (out->state.ymm, area + AREA_YMM, sizeof out->state.ymm);
}

static gboolean
is_extended_frame (const uint8_t *area)
{
  uint32_t magic;

  memcpy (&magic, area + FRAME_MAGIC_AT, sizeof magic);
  return magic == FRAME_MAGIC;
}

static void
take_context (const ucontext_t *context, Outcome *out)
{
  static const uint8_t numbers[16] = { REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                                       REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15 };
  const greg_t *regs = context->uc_mcontext.gregs;
  const uint8_t *area = (const uint8_t *) context->uc_mcontext.fpregs;

  for (unsigned i = 0; i < 16; i++)
    out->state.r[i] = (uint64_t) regs[numbers[i]];
  out->state.rip = (uint64_t) regs[REG_RIP];
  if ((regs[REG_CSGSFS] & 0xffff) == CASE_LDT_CS16)
    out->state.rip += CASE_CODE;
  out->state.rflags = (uint64_t) regs[REG_EFL];
  take_area (area, is_extended_frame (area), out);
  out->vector = (int) regs[REG_TRAPNO];
  out->error = (uint32_t) regs[REG_ERR];
  out->cr2 = (uint64_t) regs[REG_CR2];
}

static void
put_area (const CpuState *in)
{
  uint8_t *area = AT (uint8_t, NATIVE_IN_FX);
  uint64_t present = *AT (uint32_t, NATIVE_XSAVE);

  memcpy (area, in->fx, FX_SIZE);
  memcpy (area + AREA_HEADER, &present, sizeof present);
  memcpy (area + AREA_YMM, in->ymm, sizeof in->ymm);
}

void
native_run (const Generator *generator, const Case *cs, Outcome *out)
{
  static const uint16_t code_sels[CASE_MODES] = { CASE_CS64, CASE_CS32, CASE_LDT_CS16 },
                        data_sels[CASE_MODES] = { 0, CASE_SS, CASE_LDT_DATA16 };
  unsigned offset = (unsigned) (cs->address - CASE_CODE), length = MIN (cs->length, CASE_CODE_SIZE - offset);
  uint64_t *frame = AT (uint64_t, NATIVE_IN_FRAME);
  uint16_t code_sel = CASE_CS64, stack_sel = 0;
  struct sigaction other, stack, arithmetic;
  void (*enter) (void);

  *(void **) &enter = blob_address (native_enter);
  memcpy (native.code + offset, cs->code, length);
  if (generator != NULL)
    case_fill_data (generator, cs, native.data);
  memcpy (AT (void, NATIVE_IN_REGS), cs->in.r, sizeof cs->in.r);
  put_area (&cs->in);
  frame[0] = cs->mode == CASE_16 ? offset : cs->address;
  frame[1] = code_sels[cs->mode];
  frame[2] = cs->in.rflags;
  frame[3] = cs->in.r[4];
  frame[4] = cs->mode == CASE_16 ? CASE_LDT_DATA16 : CASE_SS;
  *AT (uint32_t, NATIVE_IN_DATA_SEL) = data_sels[cs->mode];
  *AT (uint32_t, NATIVE_IN_FS_SEL) = cs->mode == CASE_64 ? 0 : CASE_LDT_FS;
  *AT (uint32_t, NATIVE_IN_GS_SEL) = cs->mode == CASE_64 ? 0 : CASE_LDT_GS;
  *AT (uint64_t, NATIVE_IN_FS_BASE) = CASE_FS_BASE;
  *AT (uint64_t, NATIVE_IN_GS_BASE) = CASE_GS_BASE;
  *AT (uint64_t, NATIVE_RUNNING) = ++native.number;

  /* The translator has a handler of its own for faults. */
  sigaction (SIGSEGV, &native.fault, &other);
  sigaction (SIGBUS, &native.fault, &stack);
  sigaction (SIGFPE, &native.fault, &arithmetic);
  enter ();
  sigaction (SIGSEGV, &other, NULL);
  sigaction (SIGBUS, &stack, NULL);
  sigaction (SIGFPE, &arithmetic, NULL);

  if (*AT (uint64_t, NATIVE_OUT_CONTEXT) == 0)
    {
      memcpy (out->state.r, AT (void, NATIVE_OUT_REGS), sizeof out->state.r);
      out->state.r[4] = *AT (uint64_t, NATIVE_OUT_RSP);
      out->state.rflags = *AT (uint64_t, NATIVE_OUT_FLAGS);
      out->state.rip = CASE_EXIT;
      take_area (AT (uint8_t, NATIVE_OUT_FX), TRUE, out);
      out->vector = OUTCOME_END;
      out->error = 0;
      out->cr2 = 0;
    }
  else
    {
      const ucontext_t *context = *AT (ucontext_t *, NATIVE_OUT_CONTEXT);

      take_context (context, out);
      code_sel = (uint16_t) context->uc_mcontext.gregs[REG_CSGSFS];
      stack_sel = (uint16_t) (context->uc_mcontext.gregs[REG_CSGSFS] >> 48);
      sigprocmask (SIG_UNBLOCK, &native.tick, NULL);
      if (*AT (uint64_t, NATIVE_OUT_SIGNAL) == SIGVTALRM)
        out->vector = OUTCOME_TIMEOUT;
    }
  memcpy (out->state.sels, AT (void, NATIVE_OUT_ES), sizeof out->state.sels);
  out->state.sels[1] = code_sel;
  if (stack_sel != 0)
    out->state.sels[2] = stack_sel;
  out->data = native.data;
  memset (native.code + offset, 0xcc, length);
}
