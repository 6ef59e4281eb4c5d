/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Vector registers under an operating system: processes that hold values in them over system calls, signals and switches
 * to each other, some with whole YMM registers, some with their lower halves, some that clear the upper ones. Prints what
 * all of them computed, which is the same wherever it runs; as the first process it then switches the machine off.
 */

#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/reboot.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORKERS = 6, ROUNDS = 3000, REGISTERS = 16 };

typedef union
{
  uint32_t d[8];
  uint64_t q[4];
} __attribute__ ((aligned (32))) Vector;

#define EACH(X) X (0) X (1) X (2) X (3) X (4) X (5) X (6) X (7) X (8) X (9) X (10) X (11) X (12) X (13) X (14) X (15)
#define LOAD(n) "vmovdqa " #n "*32(%[v]), %%ymm" #n "\n\t"
#define STORE(n) "vmovdqa %%ymm" #n ", " #n "*32(%[v])\n\t"
#define LOAD_XMM(n) "movdqa " #n "*32(%[v]), %%xmm" #n "\n\t"
#define STORE_XMM(n) "movdqa %%xmm" #n ", " #n "*32(%[v])\n\t"
#define YIELD "mov %[yield], %%eax\n\tsyscall\n\t"
#define CLOBBERS                                                                                                        \
  "rax", "rcx", "r11", "cc", "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9",  \
    "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15"
enum { SYSCALL_YIELD = 24 };

#define RUN(code) __asm__ volatile (code : : [v] "r" (v), [yield] "i" (SYSCALL_YIELD) : CLOBBERS)

static void
whole (Vector *v)
{
  RUN (EACH (LOAD) YIELD
       "vpaddd %%ymm1, %%ymm0, %%ymm0\n\t"
       "vpxor %%ymm3, %%ymm2, %%ymm15\n\t"
       "vpermq $0x1b, %%ymm4, %%ymm5\n\t"
       "vpmulld %%ymm6, %%ymm7, %%ymm8\n\t"
       YIELD
       "vpaddq %%ymm15, %%ymm8, %%ymm9\n\t"
       "vperm2i128 $1, %%ymm9, %%ymm10, %%ymm11\n\t"
       YIELD EACH (STORE));
}

/* Legacy SSE between: upper halves stay. */
static void
mixed (Vector *v)
{
  RUN (EACH (LOAD)
       "paddd %%xmm1, %%xmm0\n\t"
       "pxor %%xmm2, %%xmm3\n\t"
       YIELD
       "vpaddd %%ymm0, %%ymm3, %%ymm4\n\t"
       "pmulld %%xmm5, %%xmm6\n\t"
       YIELD EACH (STORE));
}

static void
cleared (Vector *v)
{
  RUN (EACH (LOAD)
       "vpaddd %%ymm1, %%ymm0, %%ymm0\n\t"
       "vextracti128 $1, %%ymm0, %%xmm1\n\t"
       "vzeroupper\n\t"
       YIELD
       "paddd %%xmm0, %%xmm2\n\t"
       YIELD
       "vpaddd %%xmm1, %%xmm2, %%xmm3\n\t"
       EACH (STORE));
}

static void
lower (Vector *v)
{
  RUN (EACH (LOAD_XMM)
       "paddd %%xmm1, %%xmm0\n\t"
       YIELD
       "pxor %%xmm0, %%xmm2\n\t"
       "pmulld %%xmm3, %%xmm4\n\t"
       YIELD EACH (STORE_XMM));
}

/* Gathers and masked moves: piece by piece, from memory that comes as it is touched. */
static void
pieces (Vector *v)
{
  uint32_t *pages = mmap (NULL, 4 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

  for (unsigned i = 0; i < 4; i++)
    pages[i * 1024] = v[i].d[0];
  madvise (pages + 2048, 4096, MADV_DONTNEED);
  for (unsigned i = 0; i < 8; i++)
    v[0].d[i] = (i % 4) * 1024;
  __asm__ volatile ("vmovdqa (%[v]), %%ymm0\n\t"
                    "vpcmpeqd %%ymm1, %%ymm1, %%ymm1\n\t"
                    "vpgatherdd %%ymm1, (%[pages],%%ymm0,4), %%ymm2\n\t"
                    "vmovdqa 32(%[v]), %%ymm3\n\t"
                    "vpmaskmovd %%ymm2, %%ymm3, 12288(%[pages])\n\t"
                    "vpmaskmovd 12288(%[pages]), %%ymm3, %%ymm4\n\t"
                    "vmovdqa %%ymm4, 64(%[v])\n\t"
                    "vmovdqa %%ymm2, 96(%[v])\n\t"
                    "vzeroupper"
                    : : [v] "r" (v), [pages] "r" (pages) : "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4");
  munmap (pages, 4 * 4096);
}

/* A signal may come between any two instructions, and leaves all registers in disorder. */
static void
on_signal (int number)
{
  (void) number;
  __asm__ volatile ("vpcmpeqd %%ymm0, %%ymm0, %%ymm0\n\tvmovdqa %%ymm0, %%ymm7\n\tvmovdqa %%ymm0, %%ymm15" : : : "xmm0", "xmm7",
                    "xmm15");
}

static uint64_t
work (unsigned number)
{
  static void (*const ways[]) (Vector *) = { whole, mixed, cleared, lower, pieces };
  struct itimerval timer = { .it_interval.tv_usec = 700 + number * 100, .it_value.tv_usec = 500 };
  struct sigaction action = { .sa_handler = on_signal };
  Vector v[REGISTERS];
  uint64_t sum = number, seed = number;

  for (unsigned i = 0; i < REGISTERS; i++)
    for (unsigned n = 0; n < 8; n++)
      v[i].d[n] = number * 0x9e3779b9 + i * 0x85ebca6b + n * 0xc2b2ae35;
  sigaction (SIGALRM, &action, NULL);
  setitimer (ITIMER_REAL, &timer, NULL);
  for (unsigned round = 0; round < ROUNDS; round++)
    {
      seed = seed * 6364136223846793005 + 1442695040888963407;
      ways[(seed >> 40) % 5 % (number == 3 ? 4 : 5)] (v);
      for (unsigned i = 0; i < REGISTERS; i++)
        for (unsigned n = 0; n < 4; n++)
          sum = (sum ^ v[i].q[n]) * 0x100000001b3;
      v[round % REGISTERS].q[round % 4] ^= sum;
    }
  return sum;
}

int
main (void)
{
  uint64_t *sums = mmap (NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  unsigned failed = 0;
  int status;

  if (!__builtin_cpu_supports ("avx2"))
    printf ("vectors absent\n");
  else
    {
      for (unsigned i = 0; i < WORKERS; i++)
        if (fork () == 0)
          {
            sums[i] = work (i);
            _exit (0);
          }
      while (wait (&status) > 0)
        failed += status != 0;
      printf ("vectors %u", failed);
      for (unsigned i = 0; i < WORKERS; i++)
        printf (" %016" PRIx64, sums[i]);
      printf ("\n");
    }
  fflush (stdout);
  if (getpid () == 1)
    reboot (RB_POWER_OFF);
  return 0;
}
