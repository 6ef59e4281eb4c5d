/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Page-table walks. Specification: Intel SDM volume 3A, chapter 4 (Paging).
 */

#include "engine/cpu/cpu-private.h"
#include "engine/cpu/cpuid.h"

enum
{
  PTE_P = 1 << 0, PTE_W = 1 << 1, PTE_U = 1 << 2, PTE_A = 1 << 5, PTE_D = 1 << 6, PTE_PS = 1 << 7, PTE_G = 1 << 8,
  PTE_PAT_LARGE = 1 << 12
};
#define PTE_NX ((uint64_t) 1 << 63)
#define PTE_ADDRESS 0x000ffffffffff000u

enum { PF_P = 1 << 0, PF_W = 1 << 1, PF_U = 1 << 2, PF_RSVD = 1 << 3, PF_I = 1 << 4 };

void
x86_forget_ram (X86Cpu *cpu)
{
  cpu->ram_size = 0;
}

uint8_t *
x86_phys_ram (X86Cpu *cpu, uint64_t gpa, gboolean write)
{
  uint64_t offset = gpa - cpu->ram_base;

  if (X86_UNLIKELY (offset >= cpu->ram_size))
    {
      const MemorySection *section = address_space_lookup (cpu->memory, gpa);

      if (section->kind == MEMORY_MMIO || (write && section->kind == MEMORY_ROM))
        return NULL;
      if (section->kind == MEMORY_ROM)
        return section->host + (gpa - section->base);
      cpu->ram_base = section->base;
      cpu->ram_size = section->size;
      cpu->ram_host = section->host;
      cpu->ram_dirty = section->dirty;
      offset = gpa - section->base;
    }
  if (write && cpu->ram_dirty != NULL)
    cpu->ram_dirty[(gpa >> GUEST_PAGE_SHIFT) - (cpu->ram_base >> GUEST_PAGE_SHIFT)] = 1;
  return cpu->ram_host + offset;
}

/* Page tables outside RAM read as not present. */
static uint64_t
entry_read (X86Cpu *cpu, uint64_t gpa, gboolean wide)
{
  const uint8_t *host = x86_phys_ram (cpu, gpa & cpu->a20_mask, FALSE);

  if (host == NULL)
    return 0;
  return wide ? __atomic_load_n ((const uint64_t *) host, __ATOMIC_RELAXED)
              : __atomic_load_n ((const uint32_t *) host, __ATOMIC_RELAXED);
}

/* Or's @bits in if the entry still is @old. */
static gboolean
entry_update (X86Cpu *cpu, uint64_t gpa, uint64_t old, uint64_t bits, gboolean wide)
{
  uint8_t *host = x86_phys_ram (cpu, gpa & cpu->a20_mask, TRUE);
  gboolean done;

  if (host == NULL) /* tables in ROM: nothing to keep the bits in */
    return TRUE;
  if (wide)
    done = __atomic_compare_exchange_n ((uint64_t *) host, &old, old | bits, FALSE, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
  else
    {
      uint32_t old32 = (uint32_t) old;

      done = __atomic_compare_exchange_n ((uint32_t *) host, &old32, (uint32_t) (old | bits), FALSE, __ATOMIC_SEQ_CST,
                                          __ATOMIC_RELAXED);
    }
  if (done && x86_code_page_is_watched (cpu, (const uint8_t *) ((uintptr_t) host & X86_PAGE_MASK)))
    x86_code_stored (cpu, host, wide ? 8 : 4);
  return done;
}

gboolean
x86_load_pdptes (X86Cpu *cpu, uint64_t cr3)
{
  uint64_t entries[4];

  for (unsigned i = 0; i < 4; i++)
    {
      entries[i] = entry_read (cpu, (cr3 & 0xffffffe0u) + i * 8, TRUE);
      if ((entries[i] & PTE_P) && (entries[i] & (~cpu->phys_mask | 0x1e6)))
        return FALSE;
    }
  memcpy (cpu->pdpte, entries, sizeof entries);
  return TRUE;
}

gboolean
x86_walk (X86Cpu *cpu, uint64_t lin, X86Access access, unsigned mmu, gboolean peek, X86Walk *out)
{
  gboolean is_user = mmu == X86_MMU_USER;
  gboolean wide = (cpu->cr4 & X86_CR4_PAE) != 0;
  gboolean nxe = wide && (cpu->msr.efer & X86_EFER_NXE);
  uint64_t reserved = ~cpu->phys_mask & PTE_ADDRESS, all, entry, path_gpa[4], path[4], table;
  unsigned level, shift, top;
  uint32_t code = (access == X86_ACCESS_WRITE ? PF_W : 0) | (is_user ? PF_U : 0)
                  | (access == X86_ACCESS_EXEC && (nxe || (cpu->cr4 & X86_CR4_SMEP)) ? PF_I : 0);

  if (!(cpu->cr0 & X86_CR0_PG))
    {
      out->phys = lin & X86_PAGE_MASK & cpu->a20_mask;
      out->size = GUEST_PAGE_SIZE;
      out->rights = 7;
      out->is_global = FALSE;
      return TRUE;
    }

  if (!nxe)
    reserved |= PTE_NX;
again:
  all = PTE_W | PTE_U;
  if (!wide)
    {
      top = 2;
      table = cpu->cr3 & 0xfffff000u;
    }
  else if (x86_long_mode (cpu))
    {
      top = 4;
      table = cpu->cr3 & PTE_ADDRESS & cpu->phys_mask;
    }
  else
    {
      uint64_t pdpte = cpu->pdpte[(lin >> 30) & 3];

      if (!(pdpte & PTE_P))
        {
          out->error = code;
          return FALSE;
        }
      top = 2;
      table = pdpte & PTE_ADDRESS & cpu->phys_mask;
    }

  for (level = top;; level--)
    {
      shift = wide ? 12 + 9 * (level - 1) : 12 + 10 * (level - 1);
      path_gpa[level - 1] = wide ? table + ((lin >> shift) & 511) * 8 : table + ((lin >> shift) & 1023) * 4;
      path[level - 1] = entry = entry_read (cpu, path_gpa[level - 1], wide);
      if (!(entry & PTE_P))
        {
          out->error = code;
          return FALSE;
        }
      if (wide && (entry & reserved))
        goto reserved_bit;
      all &= entry | ~(uint64_t) (PTE_W | PTE_U);
      if (wide)
        all |= entry & PTE_NX;
      if (level == 1)
        break;
      if (level == 4)
        {
          if (entry & PTE_PS)
            goto reserved_bit;
        }
      else if ((entry & PTE_PS) && (wide || (cpu->cr4 & X86_CR4_PSE)))
        {
          if (level == 3 && !x86_has (cpu, X86_FEAT_PDPE1GB))
            goto reserved_bit;
          if (wide && (entry & (((uint64_t) 1 << shift) - 1) & ~(uint64_t) 0x1fff))
            goto reserved_bit;
          if (!wide && (entry & (1u << 21)))
            goto reserved_bit;
          break;
        }
      table = wide ? entry & PTE_ADDRESS : entry & 0xfffff000u;
    }

  /* Who may do what. */
  {
    gboolean user_page = (all & PTE_U) != 0, writable = (all & PTE_W) != 0;
    uint8_t rights = 1 << X86_ACCESS_READ;

    if (writable || (!is_user && !(cpu->cr0 & X86_CR0_WP)))
      rights |= 1 << X86_ACCESS_WRITE;
    if (!(all & PTE_NX))
      rights |= 1 << X86_ACCESS_EXEC;
    if (is_user)
      {
        if (!user_page)
          rights = 0;
      }
    else if (user_page)
      {
        if (cpu->cr4 & X86_CR4_SMEP)
          rights &= (uint8_t) ~(1 << X86_ACCESS_EXEC);
        if ((cpu->cr4 & X86_CR4_SMAP) && mmu != X86_MMU_KERNEL_AC)
          rights &= 1 << X86_ACCESS_EXEC;
      }
    if (!(rights & (1 << access)))
      {
        out->error = code | PF_P;
        return FALSE;
      }
    if (!peek)
      {
        for (unsigned i = top; i >= level; i--)
          {
            uint64_t bits = PTE_A;

            if (i == level && access == X86_ACCESS_WRITE)
              bits |= PTE_D;
            if ((path[i - 1] & bits) != bits && !entry_update (cpu, path_gpa[i - 1], path[i - 1], bits, wide))
              goto again; /* another processor changed it */
          }
      }
    /* The first store must come here to set D. */
    if (!(entry & PTE_D) && (peek || access != X86_ACCESS_WRITE))
      rights &= (uint8_t) ~(1 << X86_ACCESS_WRITE);
    out->rights = rights;
  }

  out->size = (uint64_t) 1 << shift;
  if (!wide && level == 2) /* PSE-36: bits 13-20 hold address bits 32-39 */
    out->phys = (entry & 0xffc00000u) | ((entry >> 13) & 0xff) << 32;
  else
    out->phys = wide ? entry & PTE_ADDRESS : entry & 0xfffff000u;
  out->phys = ((out->phys & ~(out->size - 1)) | (lin & (out->size - 1))) & X86_PAGE_MASK & cpu->a20_mask;
  out->is_accessed = (entry & PTE_A) != 0;
  out->is_global = (cpu->cr4 & X86_CR4_PGE) && (entry & PTE_G);
  return TRUE;

reserved_bit:
  out->error = code | PF_P | PF_RSVD;
  return FALSE;
}
