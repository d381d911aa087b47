/* Threads that wait for one another, and that hand over the interpreter's lock. */

#include "kernels.h"

/* Looks at ``busy`` before a thread goes on without it. */
#define TRIES 4000

/* In cache lines of their own: whether a thread is in Python, and whether the lock is handed
   over at all. */
static struct {
    char before[64];
    int busy;
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

void fastlstm_hand_over(int on)
{
    __atomic_store_n(&words.busy, on, __ATOMIC_RELAXED);
    __atomic_store_n(&words.on, on, __ATOMIC_RELAXED);
}

void fastlstm_leave_python(void)
{
    if (__atomic_load_n(&words.on, __ATOMIC_RELAXED))
        __atomic_store_n(&words.busy, 0, __ATOMIC_RELEASE);
}

void fastlstm_return_to_python(void)
{
    if (!__atomic_load_n(&words.on, __ATOMIC_RELAXED))
        return;
    for (int tries = 0; tries < TRIES; tries++) {
        int nobody = 0;
        if (__atomic_compare_exchange_n(&words.busy, &nobody, 1, 0, __ATOMIC_ACQUIRE,
                                        __ATOMIC_RELAXED))
            return;
        wait_a_moment();
    }
}

void fastlstm_wait_for_all(void *arguments)
{
    wait_t *s = arguments;
    s->reached = 0;
    for (int64_t position = 0; position < s->n; position++) {
        /* Read once: what lies in its cache line may belong to a busy thread. */
        const int64_t least = s->least[position];
        while (__atomic_load_n(s->counters + position, __ATOMIC_ACQUIRE) < least) {
            if (s->tries-- <= 0)
                return;
            wait_a_moment();
        }
    }
    s->reached = 1;
}
