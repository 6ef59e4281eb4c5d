/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Every instruction the interpreter knows, file by file. Within a mnemonic the first entry that fits wins. */

#include "engine/cpu/interp/interp.h"

const X86OpEntry *const x86_op_tables[] = {
  x86_ops_alu,
  x86_ops_mov,
  x86_ops_int,
  x86_ops_shift,
  x86_ops_bit,
  x86_ops_flow,
  x86_ops_string,
  x86_ops_io,
  x86_ops_segment,
  x86_ops_descriptor,
  x86_ops_control,
  x86_ops_system,
  x86_ops_x87,
  x86_ops_xsave,
  x86_ops_bmi,
  x86_ops_avx,
  x86_ops_avx_move,
  x86_ops_sse,
  x86_ops_sse_fp,
  x86_ops_sse_int,
  x86_ops_crypto,
  NULL
};
