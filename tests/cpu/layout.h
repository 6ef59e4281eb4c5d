/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Addresses of a case, the same on the host's processor and in the interpreter; plain numbers, for assembler too. */
#pragma once

#define CASE_CODE 0x500000      /* two pages that can be read and run, nothing around them */
#define CASE_CODE_SIZE 0x2000
#define CASE_DATA 0x600000      /* three pages of data and stack, a read-only one, nothing around them */
#define CASE_DATA_SIZE 0x4000
#define CASE_READONLY 0x603000
/* Where every case jumps in the end, in 64-bit mode. No operand comes near it by accident. */
#define CASE_EXIT 0x1d3a5000

/* Selectors as Linux gives them to programs; those of the local table are set up by the tests. */
#define CASE_CS32 0x23
#define CASE_SS 0x2b
#define CASE_CS64 0x33
#define CASE_LDT_FS 0x07
#define CASE_LDT_GS 0x0f
#define CASE_LDT_CS16 0x17
#define CASE_LDT_DATA16 0x1f    /* DS, ES and SS of 16-bit code */
/* FS and DATA16 cover the data window with 16-bit offsets; GS ends inside it. */
#define CASE_FS_BASE 0x5ff000
#define CASE_DATA16_BASE 0x5ff000
#define CASE_GS_BASE 0x5f8000
#define CASE_GS_LIMIT 0x9fff    /* 0x601fff */

/* What native-entry.S works with, in a page of its own. */
#define NATIVE_STATE 0x1d3a7000
#define NATIVE_IN_REGS (NATIVE_STATE + 0x000)
#define NATIVE_IN_FRAME (NATIVE_STATE + 0x080)  /* RIP, CS, RFLAGS, RSP, SS */
#define NATIVE_IN_DATA_SEL (NATIVE_STATE + 0x0b0) /* DS, ES */
#define NATIVE_IN_FS_SEL (NATIVE_STATE + 0x0b4)
#define NATIVE_IN_GS_SEL (NATIVE_STATE + 0x0b8)
#define NATIVE_IN_FS_BASE (NATIVE_STATE + 0x0c0)
#define NATIVE_IN_GS_BASE (NATIVE_STATE + 0x0c8)
#define NATIVE_HOST_RSP (NATIVE_STATE + 0x0d0)
#define NATIVE_HOST_FS (NATIVE_STATE + 0x0d8)
#define NATIVE_OUT_CONTEXT (NATIVE_STATE + 0x0e0) /* of the signal, 0 when the case came to its end */
#define NATIVE_OUT_SIGNAL (NATIVE_STATE + 0x0e8)
#define NATIVE_RUNNING (NATIVE_STATE + 0x0f0)     /* number of the case, 0 between cases */
#define NATIVE_TICKED (NATIVE_STATE + 0x0f8)      /* NATIVE_RUNNING at the last tick */
#define NATIVE_OUT_RSP (NATIVE_STATE + 0x100)
#define NATIVE_CRASHED (NATIVE_STATE + 0x108)     /* handler of signals that are not a case's */
#define NATIVE_MXCSR (NATIVE_STATE + 0x110)
#define NATIVE_OUT_ES (NATIVE_STATE + 0x120)
#define NATIVE_OUT_SS (NATIVE_STATE + 0x124)
#define NATIVE_OUT_DS (NATIVE_STATE + 0x126)
#define NATIVE_OUT_FS (NATIVE_STATE + 0x128)
#define NATIVE_OUT_GS (NATIVE_STATE + 0x12a)
#define NATIVE_OUT_REGS (NATIVE_STATE + 0x180)
#define NATIVE_OUT_FLAGS (NATIVE_STATE + 0x200)
#define NATIVE_XSAVE (NATIVE_STATE + 0x208)       /* components that XSAVE keeps */
/* XSAVE areas: what FXSAVE stores, a header, and the upper halves of YMM registers. */
#define NATIVE_IN_FX (NATIVE_STATE + 0x400)
#define NATIVE_OUT_FX (NATIVE_STATE + 0x800)
#define NATIVE_AREA_SIZE 0x340
