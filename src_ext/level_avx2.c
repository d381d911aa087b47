/* x86-64 with AVX2 and FMA. */

#define TARGET "avx2,fma"
#define LEVEL avx2
#define LEVEL_NAME "avx2"
#define VECTOR_BYTES 32
#define LANES_F32 8
#define LANES_F64 4
#define TILE_VECTORS 2
#define HAS_PIECES 0
#define USE_TILES 0
#include "x86.inc"
