/* x86-64 with AVX2 and FMA. */

#define TARGET "avx2,fma"
#define LEVEL avx2
#define LEVEL_NAME "avx2"
#define VECTOR_BYTES 32
#define LENGTH_F32 8
#define LENGTH_F64 4
#define MICRO_VECTORS 2
#define HAS_VNNI 0
#define HAS_BFLOAT16 0
#define HAS_AMX 0
#include "x86.inc"
