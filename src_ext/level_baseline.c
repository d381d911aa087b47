/* What every CPU of the platform has: SSE2 on x86-64, NEON on arm64. */

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "kernels.h"

#define LEVEL baseline
#define LEVEL_NAME "baseline"
#define VECTOR_BYTES 16
#define LENGTH_F32 4
#define LENGTH_F64 2
#if defined(__aarch64__)
#define MICRO_VECTORS 4
#else
#define MICRO_VECTORS 2
#endif
#define HAS_VNNI 0
#define HAS_BFLOAT16 0
#define HAS_AMX 0
#include "level.inc"
