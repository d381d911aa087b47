/* x86-64 with AVX-512. */

#define TARGET "avx2,fma,avx512f,avx512bw"
#define LEVEL avx512
#define LEVEL_NAME "avx512"
#define VECTOR_BYTES 64
#define LANES_F32 16
#define LANES_F64 8
#define TILE_VECTORS 4
#define HAS_PIECES 0
#define USE_TILES 0
#include "x86.inc"
