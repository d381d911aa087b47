/* Kernels without real numbers. */

#include "kernels.h"

void fastlstm_pack_tokens(void *arguments)
{
    const pack_tokens_t *s = arguments;
    int64_t live = s->n_documents, start = 0;
    for (int64_t t = 0; t < s->n_steps; t++) {
        while (s->lengths[live - 1] <= t)
            live--;
        s->n_live[t] = live;
        s->starts[t] = start;
        for (int64_t row = 0; row < live; row++)
            s->packed[start + row] = s->ids[s->first[row] + t];
        start += live;
    }
}

void fastlstm_distinct_tokens(void *arguments)
{
    distinct_tokens_t *s = arguments;
    int32_t count = 0;
    for (int64_t p = 0; p < s->n; p++) {
        const int32_t token = s->ids[p];
        int32_t slot = s->slots[token];
        if (slot < 0) {
            slot = count;
            s->slots[token] = count;
            s->distinct[count++] = token;
        }
        s->inverse[p] = slot;
    }
    for (int32_t p = 0; p < count; p++)
        s->slots[s->distinct[p]] = -1;
    s->count = count;
}
