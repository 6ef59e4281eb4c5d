/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Handlers of faults, one behind another: each has what was there before it. */
#pragma once

#include <signal.h>

/* A fault that is not ours goes to @outer, the handler before us; where there was none the instruction faults again, for
 * good. Within a signal handler. */
static inline void
fault_pass_on (const struct sigaction *outer, int signal_number, siginfo_t *info, void *context)
{
  if (outer->sa_flags & SA_SIGINFO)
    outer->sa_sigaction (signal_number, info, context);
  else if (outer->sa_handler != SIG_DFL && outer->sa_handler != SIG_IGN)
    outer->sa_handler (signal_number);
  else
    signal (signal_number, SIG_DFL);
}
