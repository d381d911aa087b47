/* x86-64 with AVX-512. */

#if defined(__x86_64__)

#include <immintrin.h>

#include "kernels.h"

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma,avx512f,avx512bw"))), apply_to = function)
#else
#pragma GCC target("avx2,fma,avx512f,avx512bw")
#endif

#define LEVEL avx512
#define LEVEL_NAME "avx512"
#define VECTOR_BYTES 64
#define LANES_F32 16
#define LANES_F64 8
#define TILE_VECTORS 4
#define HAS_PIECES 0
#define USE_TILES 0
#include "level.inc"

#if defined(__clang__)
#pragma clang attribute pop
#endif

#endif
