/* x86-64 with tiles of bfloat16 numbers (AMX). */

#define TARGET "avx2,fma,avx512f,avx512bw,avx512vnni,avx512bf16"
#define LEVEL amx
#define LEVEL_NAME "amx"
#define VECTOR_BYTES 64
#define LENGTH_F32 16
#define LENGTH_F64 8
#define MICRO_VECTORS 4
#define HAS_VNNI 1
#define HAS_BFLOAT16 1
#define HAS_AMX 1
#include "x86.inc"
