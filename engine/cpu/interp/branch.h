/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * How a block leads to the next one. A linked branch stays in its page, so that
 * its target's block can be remembered beside it, whatever linear address the
 * page is mapped at; all others go through the jump entries.
 */
#pragma once

#include "engine/cpu/interp/interp.h"

/* @branch is a branch op with its link after it: imm64 is the target's offset from the block's start; size is 4 when
 * the instruction pointer wraps at 4 GiB. Ends the handler. */
#define X86_BRANCH_LINKED(branch, condition)                                                                            \
  do                                                                                                                   \
    {                                                                                                                  \
      const X86Op *br_ = (branch);                                                                                      \
      const X86Op **link_ = (const X86Op **) (uintptr_t) (br_ + 1);                                                     \
      const X86Op *next_;                                                                                              \
      gboolean taken_ = (condition);                                                                                    \
      uint64_t rip_ = cpu->r[X86_RIP] + (taken_ ? br_->imm64 : br_->next);                                              \
      link_ += taken_ ? 0 : 1;                                                                                          \
      if (br_->size == 4)                                                                                               \
        rip_ = (uint32_t) rip_;                                                                                         \
      cpu->r[X86_RIP] = rip_;                                                                                           \
      cpu->retired += br_->n;                                                                                           \
      if (X86_UNLIKELY (__atomic_load_n (&cpu->attention, __ATOMIC_RELAXED)))                                           \
        X86_LEAVE;                                                                                                     \
      next_ = *link_;                                                                                                   \
      if (X86_UNLIKELY (next_ == NULL))                                                                                 \
        {                                                                                                              \
          next_ = x86_link_slow (cpu, link_);                                                                           \
          if (next_ == NULL)                                                                                            \
            X86_LEAVE;                                                                                                 \
        }                                                                                                              \
      X86_GOTO (next_);                                                                                                 \
    }                                                                                                                  \
  while (0)

/* Goes on at r[X86_RIP], which the handler has set (and checked); @count is op->n. Ends the handler. */
#define X86_BRANCH_ANYWHERE(count)                                                                                      \
  do                                                                                                                   \
    {                                                                                                                  \
      uint64_t lin_ = cpu->r[X86_RIP] + cpu->r[X86_SEGBASE + X86_CS];                                                   \
      const X86Jump *jump_;                                                                                             \
      const X86Op *next_;                                                                                              \
      cpu->retired += (count);                                                                                          \
      if (X86_UNLIKELY (__atomic_load_n (&cpu->attention, __ATOMIC_RELAXED)))                                           \
        X86_LEAVE;                                                                                                     \
      if (!(cpu->mode & X86_MODE_CODE64))                                                                               \
        lin_ = (uint32_t) lin_;                                                                                         \
      jump_ = x86_jump_entry (cpu, lin_);                                                                               \
      if (X86_LIKELY (x86_jump_is_valid (cpu, jump_, lin_)))                                                            \
        next_ = jump_->ops;                                                                                            \
      else                                                                                                             \
        next_ = x86_find_ops (cpu);                                                                                     \
      X86_GOTO (next_);                                                                                                 \
    }                                                                                                                  \
  while (0)
