/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Remembers what Zydis made of instructions. All that it says but the values of displacement and immediate follows from
 * the bytes before them, so that one result serves every instruction of the same form.
 * Specification: Intel SDM volume 2A, chapter 2 (Instruction Format).
 */
#pragma once

#include <Zydis/Zydis.h>
#include <glib.h>

typedef struct X86DecodeMemo X86DecodeMemo;

X86DecodeMemo *x86_decode_memo_new (void);
void x86_decode_memo_free (X86DecodeMemo *memo);

/* As ZydisDecoderDecodeInstruction() and ZydisDecoderDecodeOperands() for the visible operands. @mode tells decoders of
 * one memo apart, 2 being the 64-bit one. */
ZyanStatus x86_decode_memo (X86DecodeMemo *memo, const ZydisDecoder *zydis, unsigned mode, const uint8_t *bytes,
                            unsigned available, ZydisDecodedInstruction *insn, ZydisDecodedOperand *operands);
