/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * An interrupt line: a wire with a level. Sources set it with the machine lock
 * held; the handler belongs to the sink (a PIC pin, a PCI router, a splitter).
 */
#pragma once

#include <stddef.h>

typedef struct
{
  void (*handler) (void *opaque, int line, int level);
  void *opaque;
  int line;
} IrqLine;

static inline void
irq_set (const IrqLine *irq, int level)
{
  if (irq != NULL && irq->handler != NULL)
    irq->handler (irq->opaque, irq->line, level);
}

static inline void
irq_pulse (const IrqLine *irq)
{
  irq_set (irq, 1);
  irq_set (irq, 0);
}
