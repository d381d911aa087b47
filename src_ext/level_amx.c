/* x86-64 with matrix tiles of bfloat16 numbers (AMX). */

#if defined(__x86_64__)

#include <immintrin.h>

#include "kernels.h"

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma,avx512f,avx512bw,avx512bf16"))), apply_to = function)
#else
#pragma GCC target("avx2,fma,avx512f,avx512bw,avx512bf16")
#endif

#define LEVEL amx
#define LEVEL_NAME "amx"
#define VECTOR_BYTES 64
#define LANES_F32 16
#define LANES_F64 8
#define TILE_VECTORS 4
#define HAS_PIECES 1
#define USE_TILES 1
#include "level.inc"

#if defined(__clang__)
#pragma clang attribute pop
#endif

#endif
