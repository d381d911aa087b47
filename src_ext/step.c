/* What comes after the lanes of a minibatch, as far as it does not depend on the element type. */

#include <stdlib.h>
#include <string.h>

#include "kernels.h"

/* Memory for ``n`` numbers, half as much again where there was too little; what was there is
   lost. */
static int enough(void **memory, int64_t *size, int64_t wanted)
{
    if (*size < wanted) {
        free(*memory);
        *size = wanted + wanted / 2;
        *memory = malloc(*size);
    }
    if (!*memory)
        *size = 0;
    return *memory != NULL;
}

void fastlstm_merge(void *arguments)
{
    merge_t *const s = arguments;
    int64_t total = 0, p = 0;
    for (int64_t part = 0; part < s->n_parts; part++)
        total += s->parts[part].n;
    s->failed = !enough((void **)&s->ids, &s->ids_size, 2 * total * (int64_t)sizeof(int32_t));
    if (s->failed)
        return;
    s->inverse = s->ids + total;
    s->n = 0;
    for (int64_t part = 0; part < s->n_parts; part++)
        for (int64_t row = 0; row < s->parts[part].n; row++, p++) {
            const int32_t id = s->parts[part].ids[row];
            if (s->slots[id] < 0) {
                s->slots[id] = (int32_t)s->n;
                s->ids[s->n++] = id;
            }
            s->inverse[p] = s->slots[id];
        }
    for (int64_t row = 0; row < s->n; row++)
        s->slots[s->ids[row]] = -1;
    s->failed = !enough(&s->values, &s->values_size, s->n * s->width * s->itemsize);
    if (!s->failed)
        s->kernels->merge_rows(s);
}

/* A step of the optimiser for one block of weights, which is then packed and averaged. */
void fastlstm_step(void *arguments)
{
    step_t *const s = arguments;
    s->optimizer(&s->update);
    for (int number = 0; s->packs && number < s->n_packs; number++)
        s->kernels->pack[s->forms[number]](s->pack + number);
    if (s->packs)
        memcpy(s->packed_bias, s->bias, s->bias_bytes);
    if (s->average.average)
        s->kernels->average_rows(&s->average);
}
