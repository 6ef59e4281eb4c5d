/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * VEX-coded instructions that are one host instruction each, by the shape of their operands: name, mnemonic, and FP if
 * they may raise floating-point exceptions, else INT. avx.S makes code of them, ops-avx.c table entries.
 */
#pragma once

#define AVX_PS_PD(X, name, NAME, unit) X (name##ps, NAME##PS, unit) X (name##pd, NAME##PD, unit)
#define AVX_SS_SD(X, name, NAME, unit) X (name##ss, NAME##SS, unit) X (name##sd, NAME##SD, unit)
#define AVX_B_W_D(X, name, NAME) X (name##b, NAME##B, INT) X (name##w, NAME##W, INT) X (name##d, NAME##D, INT)
#define AVX_W_D_Q(X, name, NAME) X (name##w, NAME##W, INT) X (name##d, NAME##D, INT) X (name##q, NAME##Q, INT)

/* dst = src1 INSN src2, of 128 and 256 bits. */
#define AVX_BINARY(X)                                                                                                   \
  AVX_PS_PD (X, vadd, VADD, FP) AVX_PS_PD (X, vsub, VSUB, FP) AVX_PS_PD (X, vmul, VMUL, FP)                             \
  AVX_PS_PD (X, vdiv, VDIV, FP) AVX_PS_PD (X, vmin, VMIN, FP) AVX_PS_PD (X, vmax, VMAX, FP)                             \
  AVX_PS_PD (X, vaddsub, VADDSUB, FP) AVX_PS_PD (X, vhadd, VHADD, FP) AVX_PS_PD (X, vhsub, VHSUB, FP)                   \
  AVX_PS_PD (X, vand, VAND, INT) AVX_PS_PD (X, vandn, VANDN, INT) AVX_PS_PD (X, vor, VOR, INT)                          \
  AVX_PS_PD (X, vxor, VXOR, INT) AVX_PS_PD (X, vunpckl, VUNPCKL, INT) AVX_PS_PD (X, vunpckh, VUNPCKH, INT)              \
  AVX_PS_PD (X, vpermil, VPERMIL, INT)                                                                                  \
  AVX_B_W_D (X, vpadd, VPADD) X (vpaddq, VPADDQ, INT) AVX_B_W_D (X, vpsub, VPSUB) X (vpsubq, VPSUBQ, INT)               \
  X (vpaddsb, VPADDSB, INT) X (vpaddsw, VPADDSW, INT) X (vpaddusb, VPADDUSB, INT) X (vpaddusw, VPADDUSW, INT)           \
  X (vpsubsb, VPSUBSB, INT) X (vpsubsw, VPSUBSW, INT) X (vpsubusb, VPSUBUSB, INT) X (vpsubusw, VPSUBUSW, INT)           \
  X (vpmullw, VPMULLW, INT) X (vpmulld, VPMULLD, INT) X (vpmulhw, VPMULHW, INT) X (vpmulhuw, VPMULHUW, INT)             \
  X (vpmulhrsw, VPMULHRSW, INT) X (vpmuldq, VPMULDQ, INT) X (vpmuludq, VPMULUDQ, INT)                                   \
  X (vpmaddwd, VPMADDWD, INT) X (vpmaddubsw, VPMADDUBSW, INT) X (vpsadbw, VPSADBW, INT)                                 \
  X (vpavgb, VPAVGB, INT) X (vpavgw, VPAVGW, INT)                                                                       \
  AVX_B_W_D (X, vpmaxs, VPMAXS) AVX_B_W_D (X, vpmaxu, VPMAXU) AVX_B_W_D (X, vpmins, VPMINS) AVX_B_W_D (X, vpminu, VPMINU) \
  AVX_B_W_D (X, vpcmpeq, VPCMPEQ) X (vpcmpeqq, VPCMPEQQ, INT) AVX_B_W_D (X, vpcmpgt, VPCMPGT) X (vpcmpgtq, VPCMPGTQ, INT) \
  X (vpand, VPAND, INT) X (vpandn, VPANDN, INT) X (vpor, VPOR, INT) X (vpxor, VPXOR, INT)                               \
  X (vpacksswb, VPACKSSWB, INT) X (vpackssdw, VPACKSSDW, INT) X (vpackuswb, VPACKUSWB, INT) X (vpackusdw, VPACKUSDW, INT) \
  X (vpunpcklbw, VPUNPCKLBW, INT) X (vpunpcklwd, VPUNPCKLWD, INT) X (vpunpckldq, VPUNPCKLDQ, INT)                       \
  X (vpunpcklqdq, VPUNPCKLQDQ, INT) X (vpunpckhbw, VPUNPCKHBW, INT) X (vpunpckhwd, VPUNPCKHWD, INT)                     \
  X (vpunpckhdq, VPUNPCKHDQ, INT) X (vpunpckhqdq, VPUNPCKHQDQ, INT) X (vpshufb, VPSHUFB, INT)                           \
  X (vphaddw, VPHADDW, INT) X (vphaddd, VPHADDD, INT) X (vphaddsw, VPHADDSW, INT)                                       \
  X (vphsubw, VPHSUBW, INT) X (vphsubd, VPHSUBD, INT) X (vphsubsw, VPHSUBSW, INT) AVX_B_W_D (X, vpsign, VPSIGN)         \
  X (vpsllvd, VPSLLVD, INT) X (vpsllvq, VPSLLVQ, INT) X (vpsrlvd, VPSRLVD, INT) X (vpsrlvq, VPSRLVQ, INT)               \
  X (vpsravd, VPSRAVD, INT)                                                                                             \
  X (vaesenc, VAESENC, INT) X (vaesenclast, VAESENCLAST, INT) X (vaesdec, VAESDEC, INT) X (vaesdeclast, VAESDECLAST, INT)
/* The same; the count of an immediate stands for a second source. */
#define AVX_SHIFT(X)                                                                                                    \
  AVX_W_D_Q (X, vpsll, VPSLL) AVX_W_D_Q (X, vpsrl, VPSRL) X (vpsraw, VPSRAW, INT) X (vpsrad, VPSRAD, INT)
/* Of 128 bits, or their low part. */
#define AVX_BINARY_128(X)                                                                                               \
  AVX_SS_SD (X, vadd, VADD, FP) AVX_SS_SD (X, vsub, VSUB, FP) AVX_SS_SD (X, vmul, VMUL, FP)                             \
  AVX_SS_SD (X, vdiv, VDIV, FP) AVX_SS_SD (X, vmin, VMIN, FP) AVX_SS_SD (X, vmax, VMAX, FP)                             \
  AVX_SS_SD (X, vsqrt, VSQRT, FP) X (vcvtss2sd, VCVTSS2SD, FP) X (vcvtsd2ss, VCVTSD2SS, FP)                             \
  X (vrcpss, VRCPSS, INT) X (vrsqrtss, VRSQRTSS, INT)                                                                   \
  AVX_PS_PD (X, vmovl, VMOVL, INT) AVX_PS_PD (X, vmovh, VMOVH, INT)
#define AVX_BINARY_256(X) X (vpermd, VPERMD, INT) X (vpermps, VPERMPS, INT)

/* With an immediate. */
#define AVX_BINARY_IMM(X)                                                                                               \
  AVX_PS_PD (X, vcmp, VCMP, FP) X (vdpps, VDPPS, FP) AVX_PS_PD (X, vshuf, VSHUF, INT) AVX_PS_PD (X, vblend, VBLEND, INT) \
  X (vpblendw, VPBLENDW, INT) X (vpblendd, VPBLENDD, INT) X (vpalignr, VPALIGNR, INT) X (vmpsadbw, VMPSADBW, INT)       \
  X (vpclmulqdq, VPCLMULQDQ, INT)
#define AVX_BINARY_IMM_128(X)                                                                                           \
  AVX_SS_SD (X, vcmp, VCMP, FP) AVX_SS_SD (X, vround, VROUND, FP) X (vdppd, VDPPD, FP)                                  \
  X (vpinsrb, VPINSRB, INT) X (vpinsrw, VPINSRW, INT) X (vpinsrd, VPINSRD, INT) X (vpinsrq, VPINSRQ, INT)
#define AVX_BINARY_IMM_256(X)                                                                                           \
  X (vperm2f128, VPERM2F128, INT) X (vperm2i128, VPERM2I128, INT) X (vinsertf128, VINSERTF128, INT)                     \
  X (vinserti128, VINSERTI128, INT)

/* dst = INSN src. */
#define AVX_UNARY(X)                                                                                                    \
  AVX_PS_PD (X, vsqrt, VSQRT, FP) X (vcvtps2pd, VCVTPS2PD, FP) X (vcvtdq2ps, VCVTDQ2PS, FP) X (vcvtps2dq, VCVTPS2DQ, FP) \
  X (vcvttps2dq, VCVTTPS2DQ, FP) X (vcvtph2ps, VCVTPH2PS, FP) X (vcvtdq2pd, VCVTDQ2PD, INT)                             \
  X (vrcpps, VRCPPS, INT) X (vrsqrtps, VRSQRTPS, INT)                                                                   \
  X (vmovddup, VMOVDDUP, INT) X (vmovshdup, VMOVSHDUP, INT) X (vmovsldup, VMOVSLDUP, INT)                               \
  AVX_PS_PD (X, vmovu, VMOVU, INT) X (vmovdqu, VMOVDQU, INT) X (vlddqu, VLDDQU, INT)                                    \
  X (vbroadcastss, VBROADCASTSS, INT) AVX_B_W_D (X, vpbroadcast, VPBROADCAST) X (vpbroadcastq, VPBROADCASTQ, INT)       \
  AVX_B_W_D (X, vpabs, VPABS)                                                                                           \
  X (vpmovsxbw, VPMOVSXBW, INT) X (vpmovsxbd, VPMOVSXBD, INT) X (vpmovsxbq, VPMOVSXBQ, INT)                             \
  X (vpmovsxwd, VPMOVSXWD, INT) X (vpmovsxwq, VPMOVSXWQ, INT) X (vpmovsxdq, VPMOVSXDQ, INT)                             \
  X (vpmovzxbw, VPMOVZXBW, INT) X (vpmovzxbd, VPMOVZXBD, INT) X (vpmovzxbq, VPMOVZXBQ, INT)                             \
  X (vpmovzxwd, VPMOVZXWD, INT) X (vpmovzxwq, VPMOVZXWQ, INT) X (vpmovzxdq, VPMOVZXDQ, INT)
/* The operand in memory must be aligned. */
#define AVX_ALIGNED(X)                                                                                                  \
  AVX_PS_PD (X, vmova, VMOVA, INT) X (vmovdqa, VMOVDQA, INT) X (vmovntdqa, VMOVNTDQA, INT)
#define AVX_UNARY_128(X)                                                                                                \
  X (vphminposuw, VPHMINPOSUW, INT) X (vaesimc, VAESIMC, INT) X (vmovd, VMOVD, INT) X (vmovq, VMOVQ, INT)
/* From memory, all else becomes 0. */
#define AVX_LOAD_128(X) X (vmovss, VMOVSS, INT) X (vmovsd, VMOVSD, INT)
#define AVX_UNARY_256(X)                                                                                                \
  X (vbroadcastsd, VBROADCASTSD, INT) X (vbroadcastf128, VBROADCASTF128, INT) X (vbroadcasti128, VBROADCASTI128, INT)
/* The result has 128 bits at most: assemblers want the length of the source. */
#define AVX_NARROW(X) X (vcvtpd2ps, VCVTPD2PS, FP) X (vcvtpd2dq, VCVTPD2DQ, FP) X (vcvttpd2dq, VCVTTPD2DQ, FP)

#define AVX_UNARY_IMM(X)                                                                                                \
  AVX_PS_PD (X, vround, VROUND, FP) X (vpshufd, VPSHUFD, INT) X (vpshufhw, VPSHUFHW, INT) X (vpshuflw, VPSHUFLW, INT)
#define AVX_UNARY_IMM_128(X) X (vaeskeygenassist, VAESKEYGENASSIST, INT)
#define AVX_UNARY_IMM_256(X) X (vpermq, VPERMQ, INT) X (vpermpd, VPERMPD, INT)
/* Names taken by AVX_BINARY and AVX_BINARY_IMM. */
#define AVX_PERMIL_IMM(X) AVX_PS_PD (X, vpermil, VPERMIL, INT)
/* Both sources are registers. */
#define AVX_REGISTERS_128(X)                                                                                            \
  X (vmovhlps, VMOVHLPS, INT) X (vmovlhps, VMOVLHPS, INT)
/* Of whole registers by bytes of the immediate. */
#define AVX_SHIFT_BYTES(X) X (vpslldq, VPSLLDQ, INT) X (vpsrldq, VPSRLDQ, INT)

/* src3 chooses between src1 and src2. */
#define AVX_BLENDV(X) AVX_PS_PD (X, vblendv, VBLENDV, INT) X (vpblendvb, VPBLENDVB, INT)

/* dst is the first source. */
#define AVX_FMA_ORDERS(X, shape, name, NAME)                                                                            \
  shape (X, name##132, NAME##132, FP) shape (X, name##213, NAME##213, FP) shape (X, name##231, NAME##231, FP)
#define AVX_FMA(X)                                                                                                      \
  AVX_FMA_ORDERS (X, AVX_PS_PD, vfmadd, VFMADD) AVX_FMA_ORDERS (X, AVX_PS_PD, vfmsub, VFMSUB)                           \
  AVX_FMA_ORDERS (X, AVX_PS_PD, vfnmadd, VFNMADD) AVX_FMA_ORDERS (X, AVX_PS_PD, vfnmsub, VFNMSUB)                       \
  AVX_FMA_ORDERS (X, AVX_PS_PD, vfmaddsub, VFMADDSUB) AVX_FMA_ORDERS (X, AVX_PS_PD, vfmsubadd, VFMSUBADD)
#define AVX_FMA_128(X)                                                                                                  \
  AVX_FMA_ORDERS (X, AVX_SS_SD, vfmadd, VFMADD) AVX_FMA_ORDERS (X, AVX_SS_SD, vfmsub, VFMSUB)                           \
  AVX_FMA_ORDERS (X, AVX_SS_SD, vfnmadd, VFNMADD) AVX_FMA_ORDERS (X, AVX_SS_SD, vfnmsub, VFNMSUB)

/* Into a general register, and into flags. */
#define AVX_MASK(X) AVX_PS_PD (X, vmovmsk, VMOVMSK, INT) X (vpmovmskb, VPMOVMSKB, INT)
#define AVX_TEST(X) AVX_PS_PD (X, vtest, VTEST, INT) X (vptest, VPTEST, INT)
