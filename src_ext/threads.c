/* Threads that wait for one another, and that do not meet at the interpreter's lock:
   see fastlstm/kernels/numba/turns.py. */

#include "kernels.h"

/* Looks at the turn before a thread goes on without it. */
#define TURN_TRIES 4000

/* In cache lines of their own. */
static struct {
    char before[64];
    int turn;
    char between[64];
    int on;
    char after[64];
} words;

static void wait_a_moment(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

void fastlstm_take_turns(int on)
{
    __atomic_store_n(&words.turn, on, __ATOMIC_RELAXED);
    __atomic_store_n(&words.on, on, __ATOMIC_RELAXED);
}

void fastlstm_leave_python(void)
{
    if (__atomic_load_n(&words.on, __ATOMIC_RELAXED))
        __atomic_store_n(&words.turn, 0, __ATOMIC_RELEASE);
}

void fastlstm_return_to_python(void)
{
    if (!__atomic_load_n(&words.on, __ATOMIC_RELAXED))
        return;
    for (int tries = 0; tries < TURN_TRIES; tries++) {
        int nobody = 0;
        if (__atomic_compare_exchange_n(&words.turn, &nobody, 1, 0, __ATOMIC_ACQUIRE,
                                        __ATOMIC_RELAXED))
            return;
        wait_a_moment();
    }
}

int fastlstm_wait_for_all(const int64_t *counters, const int64_t *least, int64_t n,
                          int64_t tries)
{
    int64_t position = 0;
    while (position < n && tries > 0) {
        if (__atomic_load_n(counters + position, __ATOMIC_ACQUIRE) >= least[position]) {
            position++;
        } else {
            tries--;
            wait_a_moment();
        }
    }
    return position == n;
}
