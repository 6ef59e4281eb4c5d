/* SPDX-License-Identifier: GPL-3.0-or-later
 * Compiled and run in the guest and natively, which must print the same: threads, signals, floating point, code made
 * at run time, fork and pipes. Where a length or an order would be up to the clock or the scheduler, it is not printed. */
#define _GNU_SOURCE
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum
{
  THREADS = 4,
  TURNS = 20000,
  WORDS = 200000,
  PAGES = 64
};

static uint64_t
next (uint64_t *state)
{
  *state ^= *state << 13;
  *state ^= *state >> 7;
  return *state ^= *state << 17;
}

static int
compare (const void *a, const void *b)
{
  uint64_t x = *(const uint64_t *) a, y = *(const uint64_t *) b;

  return (x > y) - (x < y);
}

static void
sorting (void)
{
  uint64_t *words = malloc (WORDS * sizeof *words), state = 42, sum = 0;

  for (int i = 0; i < WORDS; i++)
    words[i] = next (&state);
  qsort (words, WORDS, sizeof *words, compare);
  for (int i = 0; i < WORDS; i++)
    sum = sum * 31 + words[i] % (uint64_t) (i + 1);
  free (words);
  printf ("sorted %016lx\n", (unsigned long) sum);
}

static void
floating (void)
{
  double sum = 0;
  long double extended = 0;
  float single = 0;

  for (int i = 1; i <= 20000; i++)
    {
      sum += sin (i) * sqrt (i) + log (i) / i - exp (-i / 1000.0) + fmod (1e6, i) + atan2 (i, 3);
      extended += sinl (i) * sqrtl (i) + powl (i, 0.3L) + cbrtl (i);
      single = single * 0.75f + (float) i / 3;
    }
  printf ("floating %a %La %a %.15g\n", sum, extended, (double) single, sum);
  printf ("special %g %g %g %d %ld\n", -INFINITY / 3, fmin (NAN, 2), ldexp (1, -1074), ilogb (1e-310), lrint (2.5));
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_barrier_t barrier;
static atomic_uint_fast64_t atomic_sum;
static uint64_t locked_sum;

static void *
thread (void *argument)
{
  uint64_t state = 1 + (uintptr_t) argument;

  pthread_barrier_wait (&barrier);
  for (int i = 0; i < TURNS; i++)
    {
      uint64_t word = next (&state);

      atomic_fetch_add (&atomic_sum, word);
      pthread_mutex_lock (&mutex);
      locked_sum += word;
      pthread_mutex_unlock (&mutex);
    }
  return NULL;
}

static void
threading (void)
{
  pthread_t threads[THREADS];

  pthread_barrier_init (&barrier, NULL, THREADS);
  for (uintptr_t i = 0; i < THREADS; i++)
    pthread_create (&threads[i], NULL, thread, (void *) i);
  for (int i = 0; i < THREADS; i++)
    pthread_join (threads[i], NULL);
  printf ("threads %016lx %s\n", (unsigned long) locked_sum, locked_sum == atomic_sum ? "agree" : "differ");
}

static sigjmp_buf back;
static volatile uintptr_t fault_address;

static void
on_fault (int number, siginfo_t *info, void *context)
{
  (void) context;
  fault_address = (uintptr_t) info->si_addr;
  siglongjmp (back, number);
}

/* Faults of every kind a program can have, each taken back to where it came from. */
static void
faulting (void)
{
  struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };
  char *pages = mmap (NULL, PAGES * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  volatile int zero = 0;
  int right = 0, number;

  sigaction (SIGSEGV, &action, NULL);
  sigaction (SIGFPE, &action, NULL);
  sigaction (SIGILL, &action, NULL);
  sigaction (SIGTRAP, &action, NULL);
  memset (pages, 0, PAGES * 4096);
  for (int i = 0; i < PAGES; i++)
    {
      char *at = pages + i * 4096 + i * 37;

      mprotect (pages + i * 4096, 4096, PROT_READ);
      if (sigsetjmp (back, 1) == 0)
        *at = 1;
      else if (fault_address == (uintptr_t) at && *at == 0)
        right++;
      mprotect (pages + i * 4096, 4096, PROT_READ | PROT_WRITE);
      *at = 1;
    }
  printf ("faults %d", right);
  if ((number = sigsetjmp (back, 1)) == 0)
    zero = 7 / zero;
  printf (" %d", number);
  if ((number = sigsetjmp (back, 1)) == 0)
    __asm__ volatile ("ud2");
  printf (" %d", number);
  if ((number = sigsetjmp (back, 1)) == 0)
    __asm__ volatile ("int3");
  printf (" %d", number);
  if ((number = sigsetjmp (back, 1)) == 0)
    ((void (*) (void)) (uintptr_t) pages) ();
  printf (" %d %d\n", number, fault_address == (uintptr_t) pages);
  munmap (pages, PAGES * 4096);
}

/* mov $i, %eax; ret: written and run over and over, in one page and in two views of the same one. */
static void
making_code (void)
{
  int file = memfd_create ("code", 0);
  unsigned char *write_view, *run_view;
  uint64_t sum = 0;

  if (ftruncate (file, 4096) != 0)
    exit (1);
  write_view = mmap (NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  run_view = mmap (NULL, 4096, PROT_READ | PROT_EXEC, MAP_SHARED, file, 0);
  for (uint32_t i = 0; i < 20000; i++)
    {
      unsigned at = i * 16 % 4080;

      write_view[at] = 0xb8;
      memcpy (write_view + at + 1, &i, sizeof i);
      write_view[at + 5] = 0xc3;
      /* The processor wants a serialising instruction before code written through another address. */
      __asm__ volatile ("cpuid" : : "a" (0), "c" (0) : "rbx", "rdx", "memory");
      sum = sum * 3 + ((uint32_t (*) (void)) (uintptr_t) (run_view + at)) ();
    }
  printf ("code %016lx\n", (unsigned long) sum);
}

static void
forking (void)
{
  int right = 0;

  for (int i = 0; i < 100; i++)
    {
      int ends[2], status;
      char word[16] = "";
      pid_t child;

      if (pipe (ends) != 0 || (child = fork ()) < 0)
        exit (1);
      if (child == 0)
        _exit (write (ends[1], &i, sizeof i) == sizeof i ? i : 255);
      close (ends[1]);
      if (read (ends[0], word, sizeof word) == sizeof i && memcmp (word, &i, sizeof i) == 0 && waitpid (child, &status, 0) == child
          && WIFEXITED (status) && WEXITSTATUS (status) == i)
        right++;
      close (ends[0]);
    }
  printf ("forks %d\n", right);
}

int
main (void)
{
  setvbuf (stdout, NULL, _IONBF, 0);
  sorting ();
  floating ();
  threading ();
  faulting ();
  making_code ();
  forking ();
  return 0;
}
