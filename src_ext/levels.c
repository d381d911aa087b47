/* The instruction levels of this build, and the highest one that this CPU has. */

#include "kernels.h"

extern const level_t fastlstm_baseline;

#if defined(__x86_64__)

#include <cpuid.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

extern const level_t fastlstm_avx2, fastlstm_avx512, fastlstm_avx512_vnni, fastlstm_avx512_bf16,
    fastlstm_amx;

/* Bits of CPUID leaf 7: AMX-BF16 and AMX-TILE in EDX; AVX512-BF16 in EAX of its first
   subleaf. Older compilers do not know them by name. */
static int has_amx(void)
{
    unsigned a, b, c, d;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d))
        return 0;
    return (d >> 22 & 1) && (d >> 24 & 1);
}

static int has_avx512_bf16(void)
{
    unsigned a, b, c, d;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || a < 1)
        return 0;
    __cpuid_count(7, 1, a, b, c, d);
    return a >> 5 & 1;
}

/* Linux hands the tile registers out on demand. */
static int may_use_amx(void)
{
#if defined(__linux__)
    enum { REQUEST = 0x1023, TILE_DATA = 18 };
    return syscall(SYS_arch_prctl, REQUEST, TILE_DATA) == 0;
#else
    return 0;
#endif
}

static const level_t *const levels[] = {
    &fastlstm_baseline,    &fastlstm_avx2,        &fastlstm_avx512,
    &fastlstm_avx512_vnni, &fastlstm_avx512_bf16, &fastlstm_amx,
};

int fastlstm_highest_level(void)
{
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma"))
        return 0;
    if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw"))
        return 1;
    if (!__builtin_cpu_supports("avx512vnni"))
        return 2;
    if (!has_avx512_bf16())
        return 3;
    return has_amx() && may_use_amx() ? 5 : 4;
}

#else

static const level_t *const levels[] = {&fastlstm_baseline};

int fastlstm_highest_level(void) { return 0; }

#endif

const level_t *fastlstm_level(int number) { return levels[number]; }
