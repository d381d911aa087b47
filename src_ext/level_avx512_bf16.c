/* x86-64 with AVX-512 and dot products of 8-bit integers and of bfloat16 numbers. */

#define TARGET "avx2,fma,avx512f,avx512bw,avx512vnni,avx512bf16"
#define LEVEL avx512_bf16
#define LEVEL_NAME "avx512"
#define VECTOR_BYTES 64
#define LENGTH_F32 16
#define LENGTH_F64 8
#define MICRO_VECTORS 4
#define HAS_VNNI 1
#define HAS_BFLOAT16 1
#define HAS_AMX 0
#include "x86.inc"
