/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the memo of decoded instructions says is what Zydis says. */

#include "engine/cpu/decode-memo.h"

#include <string.h>

static void
compare (const ZydisDecodedInstruction *a, const ZydisDecodedOperand *oa, const ZydisDecodedInstruction *b,
         const ZydisDecodedOperand *ob)
{
  g_assert_cmpuint (a->mnemonic, ==, b->mnemonic);
  g_assert_cmpuint (a->length, ==, b->length);
  g_assert_cmpuint (a->attributes, ==, b->attributes);
  g_assert_cmpuint (a->operand_width, ==, b->operand_width);
  g_assert_cmpuint (a->address_width, ==, b->address_width);
  g_assert_cmpuint (a->operand_count_visible, ==, b->operand_count_visible);
  g_assert_cmpint (a->raw.disp.value, ==, b->raw.disp.value);
  g_assert_cmpuint (a->raw.imm[0].value.u, ==, b->raw.imm[0].value.u);
  g_assert_cmpuint (a->raw.imm[1].value.u, ==, b->raw.imm[1].value.u);
  g_assert_cmpuint (a->raw.modrm.rm, ==, b->raw.modrm.rm);
  for (unsigned i = 0; i < a->operand_count_visible; i++)
    {
      g_assert_cmpuint (oa[i].type, ==, ob[i].type);
      g_assert_cmpuint (oa[i].size, ==, ob[i].size);
      g_assert_cmpuint (oa[i].actions, ==, ob[i].actions);
      switch (oa[i].type)
        {
        case ZYDIS_OPERAND_TYPE_REGISTER:
          g_assert_cmpuint (oa[i].reg.value, ==, ob[i].reg.value);
          break;
        case ZYDIS_OPERAND_TYPE_MEMORY:
          g_assert_cmpuint (oa[i].mem.base, ==, ob[i].mem.base);
          g_assert_cmpuint (oa[i].mem.index, ==, ob[i].mem.index);
          g_assert_cmpuint (oa[i].mem.scale, ==, ob[i].mem.scale);
          g_assert_cmpint (oa[i].mem.disp.value, ==, ob[i].mem.disp.value);
          break;
        case ZYDIS_OPERAND_TYPE_IMMEDIATE:
          g_assert_cmpuint (oa[i].imm.value.u, ==, ob[i].imm.value.u);
          break;
        default:
          break;
        }
    }
}

/* Random forms, each with several random displacements and immediates, and cut off here and there. */
static void
test_random (gconstpointer data)
{
  unsigned mode = GPOINTER_TO_UINT (data);
  X86DecodeMemo *memo = x86_decode_memo_new ();
  unsigned decoded = 0;
  ZydisDecoder zydis;

  ZydisDecoderInit (&zydis, mode == 2 ? ZYDIS_MACHINE_MODE_LONG_64 : mode == 1 ? ZYDIS_MACHINE_MODE_LEGACY_32 : ZYDIS_MACHINE_MODE_LEGACY_16,
                    mode == 2 ? ZYDIS_STACK_WIDTH_64 : mode == 1 ? ZYDIS_STACK_WIDTH_32 : ZYDIS_STACK_WIDTH_16);
  for (unsigned form = 0; form < 40000; form++)
    {
      uint8_t bytes[15];

      for (unsigned i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t) g_test_rand_int ();
      for (unsigned i = 0; i < 4; i++)
        {
          unsigned available = g_test_rand_int_range (0, 4) == 0 ? (unsigned) g_test_rand_int_range (1, 16) : 15;
          ZydisDecodedInstruction a, b;
          ZydisDecodedOperand oa[ZYDIS_MAX_OPERAND_COUNT], ob[ZYDIS_MAX_OPERAND_COUNT];
          ZydisDecoderContext context;
          ZyanStatus want = ZydisDecoderDecodeInstruction (&zydis, &context, bytes, available, &a);
          ZyanStatus got = x86_decode_memo (memo, &zydis, mode, bytes, available, &b, ob);

          g_assert_cmpuint (got, ==, want);
          if (ZYAN_SUCCESS (want))
            {
              ZydisDecoderDecodeOperands (&zydis, &context, &a, oa, a.operand_count_visible);
              compare (&a, oa, &b, ob);
              decoded++;
              for (unsigned n = a.raw.disp.size ? a.raw.disp.offset : a.raw.imm[0].size ? a.raw.imm[0].offset : 15; n < 15; n++)
                bytes[n] = (uint8_t) g_test_rand_int ();
            }
        }
    }
  g_assert_cmpuint (decoded, >, 20000);
  x86_decode_memo_free (memo);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_data_func ("/decode-memo/16", GUINT_TO_POINTER (0), test_random);
  g_test_add_data_func ("/decode-memo/32", GUINT_TO_POINTER (1), test_random);
  g_test_add_data_func ("/decode-memo/64", GUINT_TO_POINTER (2), test_random);
  return g_test_run ();
}
