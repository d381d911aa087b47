/* x86-64 with AVX-512. */

#define TARGET "avx2,fma,avx512f,avx512bw"
#define LEVEL avx512
#define LEVEL_NAME "avx512"
#define VECTOR_BYTES 64
#define LENGTH_F32 16
#define LENGTH_F64 8
#define MICRO_VECTORS 4
#define HAS_VNNI 0
#define HAS_BFLOAT16 0
#define HAS_AMX 0
#include "x86.inc"
