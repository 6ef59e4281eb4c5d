/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The eight basic operations as macros over the operand width, for the plain
 * and the fused handlers. Specification: Intel SDM volume 1, section 3.4.3.
 */
#pragma once

#include "engine/cpu/interp/interp.h"

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int8_t s8;
typedef int16_t s16;
typedef int32_t s32;
typedef int64_t s64;

/* Registers by width; 8-bit ones by byte offset. */
#define GET_8(n)     (*x86_r8 (cpu, (n)))
#define GET_16(n)    (*x86_r16 (cpu, (n)))
#define GET_32(n)    ((u32) cpu->r[n])
#define GET_64(n)    (cpu->r[n])
#define SET_8(n, v)  (*x86_r8 (cpu, (n)) = (u8) (v))
#define SET_16(n, v) (*x86_r16 (cpu, (n)) = (u16) (v))
#define SET_32(n, v) (cpu->r[n] = (u32) (v))
#define SET_64(n, v) (cpu->r[n] = (u64) (v))

/* Result of an operation on a and b with carry-in c, and its flags. */
#define RESULT_add(a, b, c) ((a) + (b))
#define RESULT_or(a, b, c)  ((a) | (b))
#define RESULT_adc(a, b, c) ((a) + (b) + (c))
#define RESULT_sbb(a, b, c) ((a) - (b) - (c))
#define RESULT_and(a, b, c) ((a) & (b))
#define RESULT_sub(a, b, c) ((a) - (b))
#define RESULT_xor(a, b, c) ((a) ^ (b))
#define CARRY_add 0
#define CARRY_or  0
#define CARRY_adc x86_get_cf (cpu)
#define CARRY_sbb x86_get_cf (cpu)
#define CARRY_and 0
#define CARRY_sub 0
#define CARRY_xor 0
#define FLAGS_add(bits, a, b, r) x86_cc_add (cpu, (s##bits) (a), (s##bits) (b), (s##bits) (r))
#define FLAGS_adc(bits, a, b, r) x86_cc_add (cpu, (s##bits) (a), (s##bits) (b), (s##bits) (r))
#define FLAGS_sub(bits, a, b, r) x86_cc_sub (cpu, (s##bits) (a), (s##bits) (b), (s##bits) (r))
#define FLAGS_sbb(bits, a, b, r) x86_cc_sub (cpu, (s##bits) (a), (s##bits) (b), (s##bits) (r))
#define FLAGS_or(bits, a, b, r)  x86_cc_result (cpu, (s##bits) (r), 0)
#define FLAGS_and(bits, a, b, r) x86_cc_result (cpu, (s##bits) (r), 0)
#define FLAGS_xor(bits, a, b, r) x86_cc_result (cpu, (s##bits) (r), 0)
