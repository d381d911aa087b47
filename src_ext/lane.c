/* A lane of a minibatch in one call: what does not depend on the element type, and the call. */

#include <math.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include "kernels.h"
#include "names.h"

/* Terms a token from which the distinct rows alone are projected: layers/lstm.py. */
#define TERMS_TRAINING 45

/* Turns the dropout key of the pooled vector into that of the numbers beside it: forward.py. */
#define OF_SIDE 0x5BD1E995u

/* Bytes of half a page: layout.py. */
#define CONFLICT_BYTES 2048

#define ALIGNMENT 64

enum fixed_buffer {
    PACKED_IDS, PACKED_FIRST, PACKED_LENGTHS, PACKED_ORDER, PACKED_ROWS, PACKED_STEPS, OFFSETS,
    PLACES, OWNERS, DISTINCT, INVERSE, MEMBER_IDS, MEMBER_VECTOR, MEMBER_DISTINCT, MEMBER_ROW,
    EMBEDDING_ROWS, EMBEDDING_DROP, EMBEDDING_VECTORS, EMBEDDING_D_DROP, D_ROWS,
    TOKEN_ROWS, PROJECTED, INITIAL, SCRATCH, ZEROS, D_H, D_C, PREVIOUS, SUMMED, D_REVERSE,
    D_VECTORS, D_DROP, WINNER, POOLED, SHARE, COMBINED, D_SEGMENTS, HEAD_DROP, HEAD_D_DROP,
    ATTENTION, SIDE, SIDE_DROP, HEAD_INPUT, DENSE_SCRATCH, LOGITS, D_X, DENSE_ZEROS, D_POOLED, D_OUT,
    FIXED_BUFFERS,
};

/* Those that each layer has; GATES and CELLS one for each direction. */
enum layer_buffer { GATES, CELLS = 2, OUT = 4, DROP, D_TOKENS, D_NARROW, LAYER_BUFFERS };

/* A shard's documents, packed, and its distinct rows of the table. */
typedef struct {
    int64_t n_documents, n_sequences, n_steps, n_tokens;
    int32_t *ids;
    int64_t *n_live, *starts, *lengths, *documents;
    int64_t *places; /* of tokens in the data set; NULL where nothing asks for them */
    int64_t n_labels, *labels; /* rows of logits, and where their targets are */
    int64_t *order, *offsets; /* of segments; NULL without them */
    int64_t *owner; /* of sequences, their document; NULL where nothing asks for it */
    int32_t *inverse;
    int64_t n_vectors, n_rows, n_members;
    int32_t *rows, *member_vector, *member_row;
    void *vectors;
} shard_t;

/* An empty workspace; 0 where there is no memory for it. */
int fastlstm_begin(workspace_t *work, int64_t n_layers, int64_t n_ids)
{
    work->n_buffers = FIXED_BUFFERS + n_layers * LAYER_BUFFERS;
    work->buffers = calloc(work->n_buffers, sizeof(buffer_t));
    work->slots = malloc(n_ids * sizeof(int32_t));
    if (!work->buffers || !work->slots)
        return 0;
    for (int64_t id = 0; id < n_ids; id++)
        work->slots[id] = -1;
    return 1;
}

void fastlstm_end(workspace_t *work)
{
    for (int64_t name = 0; work->buffers && name < work->n_buffers; name++)
        free(work->buffers[name].memory);
    free(work->buffers);
    free(work->slots);
}

int64_t fastlstm_padded_width(const level_t *level, int64_t n, int64_t itemsize)
{
    const int64_t width = level->vector_bytes * level->micro_vectors / itemsize;
    const int64_t padded = (n + width - 1) / width * width;
    return padded * itemsize % CONFLICT_BYTES ? padded : padded + level->vector_bytes / itemsize;
}

/* Memory of at least ``size`` bytes; ``kept`` bytes of it stay as they were. */
static void *sized(workspace_t *work, buffer_t *buffer, int64_t kept, int64_t size)
{
    if (buffer->size < size) {
        /* A quarter more, so that slowly growing minibatches do not reallocate each time. */
        const int64_t wanted = size + size / 4;
        void *const memory = malloc(wanted + ALIGNMENT);
        if (!memory)
            longjmp(*(jmp_buf *)work->out_of_memory, 1);
        void *const data = (char *)memory + ALIGNMENT - (uintptr_t)memory % ALIGNMENT;
        if (kept)
            memcpy(data, buffer->data, kept);
        free(buffer->memory);
        *buffer = (buffer_t){memory, data, wanted};
    }
    return buffer->data;
}

static void *fastlstm_buffer(workspace_t *work, int64_t name, int64_t size)
{
    return sized(work, work->buffers + name, 0, size);
}

static void *fastlstm_longer(workspace_t *work, buffer_t *buffer, int64_t kept, int64_t more)
{
    return sized(work, buffer, kept, kept + more);
}

static int64_t *places(workspace_t *work, int64_t name, int64_t n)
{
    return fastlstm_buffer(work, name, n * sizeof(int64_t));
}

static int32_t *numbers(workspace_t *work, int64_t name, int64_t n)
{
    return fastlstm_buffer(work, name, n * sizeof(int32_t));
}

/* order[:n]: sequences by falling length; equal ones stay in their order. */
static void by_length(const int64_t *lengths, int64_t n, int64_t *order)
{
    for (int64_t p = 0; p < n; p++) {
        int64_t place = p;
        for (; place > 0 && lengths[order[place - 1]] < lengths[p]; place--)
            order[place] = order[place - 1];
        order[place] = p;
    }
}

/* See data/batching.py, pack and _cut. */
static void fastlstm_pack_shard(const lane_t *s, shard_t *shard, int64_t number)
{
    workspace_t *const work = s->work;
    const int64_t *const rows = s->rows + s->shard_offsets[number];
    const int64_t n = s->shard_offsets[number + 1] - s->shard_offsets[number];
    const int64_t most = s->network->cut_length;
    int64_t n_sequences = 0, n_tokens = 0, longest = 0;
    for (int64_t p = 0; p < n; p++) {
        const int64_t length = s->offsets[rows[p] + 1] - s->offsets[rows[p]];
        n_sequences += most ? (length + most - 1) / most : 1;
        n_tokens += length;
        longest = length > longest ? length : longest;
    }
    const int cut = most && longest > most;
    int64_t *const first = places(work, PACKED_FIRST, 2 * n_sequences);
    int64_t *const lengths = places(work, PACKED_LENGTHS, 2 * n_sequences);
    int64_t *const order = places(work, PACKED_ORDER, 2 * n_sequences);
    int64_t *const offsets = places(work, OFFSETS, n + 1);
    shard->documents = places(work, PACKED_ROWS, n);
    int64_t at = 0;
    for (int64_t p = 0; p < n; p++) {
        const int64_t begin = s->offsets[rows[p]], length = s->offsets[rows[p] + 1] - begin;
        const int64_t parts = cut ? (length + most - 1) / most : 1;
        offsets[p] = at;
        for (int64_t part = 0; part < parts; part++, at++) {
            const int64_t from = part * length / parts, to = (part + 1) * length / parts;
            first[n_sequences + at] = begin + from;
            lengths[n_sequences + at] = to - from;
        }
    }
    offsets[n] = at;
    by_length(lengths + n_sequences, n_sequences, order + n_sequences);
    for (int64_t p = 0; p < n_sequences; p++) {
        const int64_t source = order[n_sequences + p];
        first[p] = first[n_sequences + source];
        lengths[p] = lengths[n_sequences + source];
        order[source] = p;
        if (!cut)
            shard->documents[p] = rows[source];
    }
    if (cut)
        memcpy(shard->documents, rows, n * sizeof(int64_t));
    shard->n_documents = n;
    shard->n_sequences = n_sequences;
    shard->n_tokens = n_tokens;
    shard->n_steps = lengths[0];
    shard->lengths = lengths;
    shard->order = cut ? order : NULL;
    shard->offsets = cut ? offsets : NULL;
    shard->n_live = places(work, PACKED_STEPS, 2 * shard->n_steps);
    shard->starts = shard->n_live + shard->n_steps;
    shard->ids = numbers(work, PACKED_IDS, n_tokens);
    pack_tokens_t call = {s->ids, first, lengths, n_sequences, shard->n_steps, shard->n_live,
                          shard->starts, shard->ids};
    fastlstm_pack_tokens(&call);
    const network_t *const net = s->network;
    shard->owner = net->pooling == POOL_ATTENTION ? places(work, OWNERS, n_sequences) : NULL;
    for (int64_t document = 0; shard->owner && document < n; document++)
        for (int64_t q = offsets[document]; q < offsets[document + 1]; q++)
            shard->owner[cut ? order[q] : document] = document;
    shard->places = NULL;
    if (net->by_step || net->n_step_features) {
        shard->places = places(work, PLACES, n_tokens);
        for (int64_t step = 0; step < shard->n_steps; step++)
            for (int64_t p = 0; p < shard->n_live[step]; p++)
                shard->places[shard->starts[step] + p] = first[p] + step;
    }
    shard->n_labels = net->by_step ? n_tokens : n;
    shard->labels = net->by_step ? shard->places : shard->documents;
}

/* The distinct rows of the table that a shard reads: layers/embedding.py, forward. */
static void fastlstm_find_rows(const lane_t *s, shard_t *shard)
{
    workspace_t *const work = s->work;
    const network_t *const net = s->network;
    distinct_tokens_t call = {shard->ids, shard->n_tokens, work->slots,
                              numbers(work, DISTINCT, shard->n_tokens),
                              numbers(work, INVERSE, shard->n_tokens), 0};
    fastlstm_distinct_tokens(&call);
    shard->inverse = call.inverse;
    shard->rows = call.distinct;
    shard->n_vectors = shard->n_rows = call.count;
    int64_t n_members = 0, n_ngrams = 0;
    for (int64_t p = 0; p < call.count; p++) {
        n_members++;
        for (int32_t id = call.distinct[p]; id >= net->n_tokens; n_members++, n_ngrams++)
            id = net->parents[id - net->n_tokens];
    }
    shard->n_members = n_ngrams ? n_members : 0;
    if (!n_ngrams)
        return;
    /* Every id, then the parents of those that have one, then theirs. */
    int32_t *const ids = numbers(work, MEMBER_IDS, n_members);
    shard->member_vector = numbers(work, MEMBER_VECTOR, n_members);
    for (int64_t p = 0; p < call.count; p++) {
        ids[p] = call.distinct[p];
        shard->member_vector[p] = (int32_t)p;
    }
    int64_t low = 0, high = call.count;
    while (low < high) {
        int64_t end = high;
        for (int64_t p = low; p < high; p++)
            if (ids[p] >= net->n_tokens) {
                ids[end] = net->parents[ids[p] - net->n_tokens];
                shard->member_vector[end++] = shard->member_vector[p];
            }
        low = high;
        high = end;
    }
    distinct_tokens_t members = {ids, n_members, work->slots,
                                 numbers(work, MEMBER_DISTINCT, n_members),
                                 numbers(work, MEMBER_ROW, n_members), 0};
    fastlstm_distinct_tokens(&members);
    shard->rows = members.distinct;
    shard->member_row = members.inverse;
    shard->n_rows = members.count;
}

#define REAL float
#define REAL_NAME f32
#include "lane.inc"
#undef REAL_NAME
#undef REAL

#define REAL double
#define REAL_NAME f64
#include "lane.inc"
#undef REAL_NAME
#undef REAL

void fastlstm_lane(void *arguments)
{
    lane_t *const s = arguments;
    const network_t *const net = s->network;
    const int64_t itemsize = s->is_double ? sizeof(double) : sizeof(float);
    jmp_buf out_of_memory;
    s->work->out_of_memory = &out_of_memory;
    s->failed = setjmp(out_of_memory) != 0;
    if (s->failed)
        return;
    if (s->begins) {
        s->n_found = s->n_tokens = 0;
        s->loss = s->correct = 0;
    }
    const int64_t n_directions = net->n_layers * net->n_directions;
    if (s->begins && net->attention_w)
        memset(s->gradients[n_directions + 1].b, 0, s->pooled_width * itemsize);
    for (int64_t number = 0; s->begins && number <= n_directions; number++) {
        const gradient_t *const sums = s->gradients + number;
        memset(sums->w_x.data, 0, sums->w_x.rows * sums->w_x.width * itemsize);
        memset(sums->w_h.data, 0, sums->w_h.rows * sums->w_h.width * itemsize);
        memset(sums->b, 0, sums->w_x.width * itemsize);
    }
    for (int64_t shard = 0; shard < s->n_shards; shard++)
        if (s->is_double)
            shard_f64(s, shard);
        else
            shard_f32(s, shard);
}
