/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The map's form is that of the perf tools: a line a function, start and size in hexadecimal, and a name. Code
 * memory is used again after it was emptied: a line may tell of what stood there before.
 */

#include "engine/cpu/jit/profile.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <unistd.h>

gboolean
x86_system_open_perf_map (X86System *system, GError **error)
{
  g_autofree char *path = g_strdup_printf ("/tmp/perf-%d.map", (int) getpid ());
  int fd;

  if (system->perf_map != NULL)
    return TRUE;
  /* The name can be foreseen: never write through what somebody else put there. */
  unlink (path);
  fd = open (path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  system->perf_map = fd >= 0 ? fdopen (fd, "w") : NULL;
  if (system->perf_map == NULL)
    {
      int code = errno;

      if (fd >= 0)
        close (fd);
      g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (code), "cannot write “%s”: %s", path, g_strerror (code));
      return FALSE;
    }
  setvbuf (system->perf_map, NULL, _IOLBF, 0);
  return TRUE;
}

void
jit_profile_thunk (X86Cpu *cpu, const uint8_t *code, const uint8_t *end, const char *name)
{
  if (cpu->system->perf_map != NULL)
    fprintf (cpu->system->perf_map, "%" G_GINTPTR_MODIFIER "x %tx jit_%s\n", (uintptr_t) code, end - code, name);
}

void
jit_profile_block (X86Cpu *cpu, const JitBlock *block, const uint8_t *end)
{
  if (cpu->system->perf_map != NULL)
    fprintf (cpu->system->perf_map, "%" G_GINTPTR_MODIFIER "x %tx guest_%" G_GINT64_MODIFIER "x_cpl%u\n",
             (uintptr_t) block->code, end - block->code, block->rip, cpu->cpl);
}

void
x86_cpu_add_interpreted (const X86Cpu *cpu, GHashTable *counts)
{
  if (cpu->jit == NULL)
    return;
  for (unsigned i = 0; i < G_N_ELEMENTS (cpu->jit->interpreted); i++)
    if (cpu->jit->interpreted[i] != 0)
      {
        char *name = (char *) (uintptr_t) ZydisMnemonicGetString ((ZydisMnemonic) i);
        uint64_t *count = g_hash_table_lookup (counts, name);

        if (count == NULL)
          {
            count = g_new0 (uint64_t, 1);
            g_hash_table_insert (counts, name, count);
          }
        *count += cpu->jit->interpreted[i];
      }
}
