/* Numbers below 1e-38, which vanishing gradients become: see
   fastlstm/kernels/numba/subnormals.py. */

#include "kernels.h"

#if defined(__x86_64__)

#include <immintrin.h>

/* Bits of MXCSR: results, and operands, that are subnormal become 0. */
#define FLUSH 0x8040u

static uint64_t read_control(void) { return _mm_getcsr(); }
static void write_control(uint64_t control) { _mm_setcsr((unsigned)control); }

#elif defined(__aarch64__)

/* Bit 24 of FPCR: both become 0. */
#define FLUSH (1u << 24)

static uint64_t read_control(void)
{
    uint64_t control;
    __asm__ volatile("mrs %0, fpcr" : "=r"(control));
    return control;
}

static void write_control(uint64_t control) { __asm__ volatile("msr fpcr, %0" : : "r"(control)); }

#else

#define FLUSH 0u

static uint64_t read_control(void) { return 0; }
static void write_control(uint64_t control) { (void)control; }

#endif

uint64_t fastlstm_flush_subnormals(void)
{
    const uint64_t before = read_control();
    write_control(before | FLUSH);
    return before;
}

void fastlstm_restore_subnormals(uint64_t before) { write_control(before); }
