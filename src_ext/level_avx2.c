/* x86-64 with AVX2 and FMA. */

#if defined(__x86_64__)

#include <immintrin.h>

#include "kernels.h"

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC target("avx2,fma")
#endif

#define LEVEL avx2
#define LEVEL_NAME "avx2"
#define VECTOR_BYTES 32
#define LANES_F32 8
#define LANES_F64 4
#define TILE_VECTORS 2
#define HAS_PIECES 0
#define USE_TILES 0
#include "level.inc"

#if defined(__clang__)
#pragma clang attribute pop
#endif

#endif
