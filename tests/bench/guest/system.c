/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The kernel's work: system calls, switches between processes, processes started, pages given and taken. */

#include "bench.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGE = 4096, FAULT_PAGES = 64 };

static uint64_t
run_getpid (void *state, uint64_t count)
{
  uint64_t same = 0;
  long pid = syscall (SYS_getpid);

  for (uint64_t i = 0; i < count; i++)
    same += syscall (SYS_getpid) == pid;
  return same;
}

static void
transfer (ssize_t (*call) (int, void *, size_t), int fd, uint64_t *word)
{
  ssize_t n;

  do
    n = call (fd, word, sizeof *word);
  while (n < 0 && errno == EINTR);
  if (n != sizeof *word)
    bench_fail ("pipe");
}

static ssize_t
write_bytes (int fd, void *bytes, size_t size)
{
  return write (fd, bytes, size);
}

static void
wait_for (pid_t child, int status)
{
  int got;

  if (waitpid (child, &got, 0) != child || !WIFEXITED (got) || WEXITSTATUS (got) != status)
    bench_fail ("waitpid");
}

static uint64_t
run_pipe (void *state, uint64_t count)
{
  int there[2], back[2];
  uint64_t word = 1;
  pid_t child;

  if (pipe (there) < 0 || pipe (back) < 0)
    bench_fail ("pipe");
  child = fork ();
  if (child < 0)
    bench_fail ("fork");
  if (child == 0)
    {
      for (uint64_t i = 0; i < count; i++)
        {
          transfer (read, there[0], &word);
          word = word * 3 + 1;
          transfer (write_bytes, back[1], &word);
        }
      _exit (0);
    }
  for (uint64_t i = 0; i < count; i++)
    {
      transfer (write_bytes, there[1], &word);
      transfer (read, back[0], &word);
    }
  wait_for (child, 0);
  for (int i = 0; i < 2; i++)
    {
      close (there[i]);
      close (back[i]);
    }
  return word;
}

static uint64_t
run_exec (void *state, uint64_t count)
{
  static char *const words[] = { (char *) "child", (char *) CHILD_WORD, NULL };
  static char *const environment[] = { NULL };

  for (uint64_t i = 0; i < count; i++)
    {
      pid_t child = fork ();

      if (child < 0)
        bench_fail ("fork");
      if (child == 0)
        {
          execve ("/proc/self/exe", words, environment);
          _exit (1);
        }
      wait_for (child, 7);
    }
  return count;
}

static uint64_t
run_fault (void *state, uint64_t count)
{
  uint64_t sum = 0;

  for (uint64_t i = 0; i < count; i++)
    {
      uint8_t *pages = mmap (NULL, FAULT_PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

      if (pages == MAP_FAILED)
        bench_fail ("mmap");
      for (int page = 0; page < FAULT_PAGES; page++)
        pages[page * PAGE + (i & 0xfff)] = (uint8_t) (i + (uint64_t) page);
      for (int page = 0; page < FAULT_PAGES; page++)
        sum = sum * 3 + pages[page * PAGE + (i & 0xfff)] + pages[page * PAGE + (~i & 0xfff)];
      munmap (pages, FAULT_PAGES * PAGE);
    }
  return sum;
}

const Bench system_benches[] = {
  { .name = "getpid", .count = 4000000, .run = run_getpid },
  { .name = "pipe", .count = 90000, .run = run_pipe },
  { .name = "exec", .count = 900, .run = run_exec },
  { .name = "fault", .count = 4500, .run = run_fault },
  { 0 },
};
