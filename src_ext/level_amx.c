/* x86-64 with matrix tiles of bfloat16 numbers (AMX). */

#define TARGET "avx2,fma,avx512f,avx512bw,avx512bf16"
#define LEVEL amx
#define LEVEL_NAME "amx"
#define VECTOR_BYTES 64
#define LANES_F32 16
#define LANES_F64 8
#define TILE_VECTORS 4
#define HAS_PIECES 1
#define USE_TILES 1
#include "x86.inc"
