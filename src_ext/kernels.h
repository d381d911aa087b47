/* What the Cython module and the instruction levels share.

   Every level is one table of functions, compiled from the same sources. A kernel takes a
   record of its arguments, which are those of fastlstm/kernels/contract.py. */

#ifndef FASTLSTM_KERNELS_H
#define FASTLSTM_KERNELS_H

#include <stdint.h>

/* Sizes that fastlstm/kernels/layout.py knows, too; a test compares them. */
enum {
    MICRO_ROWS = 6,      /* rows of a micro-kernel */
    BLOCK_TOKENS = 128,  /* tokens of a sweep's block */
    TOKENS_OF_ONE = 16,  /* the same where one document is predicted */
    ROWS_AT_ONCE = 128,  /* rows of one product or gradient */
    GRADIENT_BLOCK = 96, /* tokens of a gradient of floats at a time */
    TERMS = 32,          /* summed index of a block of bfloat16 numbers */
    COLUMNS = 16,
    PANEL = 4, /* blocks side by side */
    MOST_LANES = 16,
};

/* Codes of contract.POOLING, and attention, which has kernels of its own. */
enum { POOL_LAST, POOL_MEAN, POOL_MAX, POOL_MEAN_MAX, POOL_ATTENTION };

/* Gates of arguments.CELLS. */
enum { PLAIN_RNN = 1, LSTM = 4 };

/* Element types of packed weights and scratch memory. */
typedef enum { FLOATS, BFLOAT16, SPLIT_FLOATS, INT8, FORMS } form_t;

/* A 2-D array of real numbers, row after row. */
typedef struct {
    void *data;
    int64_t rows, width;
} matrix_t;

typedef struct {
    matrix_t w;
    int transpose;
    void *out;
} pack_t;

typedef struct {
    matrix_t a;
    int64_t depth, columns;
    const void *packed, *bias;
    void *scratch;
    matrix_t out;
} matmul_t;

typedef struct {
    matrix_t a, d;
    int64_t columns;
    void *scratch;
    matrix_t d_weights;
    void *d_bias; /* NULL where it is not wanted */
} weight_gradient_t;

typedef struct {
    const int64_t *n_live, *starts;
    int64_t n_steps;
    int reverse;
    int64_t column;
    int64_t border, first;
} steps_t;

typedef struct {
    const void *w_x, *w_x_t, *w_h, *w_h_t, *b;
    int64_t n_inputs, hidden, n_gates;
} direction_t;

/* Arguments of a sweep: those that both directions of time share, and those of one. */
typedef struct {
    matrix_t inputs;
    const int32_t *index; /* NULL where each token has a row of its own */
    direction_t weights;
    steps_t steps;
    matrix_t initial_h, initial_c, gates, h, c;
    void *scratch;
    /* forward */
    int initial_given, keep;
    const int64_t *ready;
    int64_t *done;
    /* backward */
    int accumulate;
    matrix_t d_out, d_state_h, d_state_c;
    matrix_t d_inputs;                   /* without data where it is not wanted */
    matrix_t gradient_w_x, gradient_w_h; /* those of weights: */
    void *gradient_b, *previous;         /* gradient_b is NULL where they are not wanted */
    const void *zeros;
} sweep_t;

typedef struct {
    const int32_t *ids;
    const int64_t *first, *lengths;
    int64_t n_documents, n_steps;
    int64_t *n_live, *starts;
    int32_t *packed;
} pack_tokens_t;

typedef struct {
    const int32_t *ids;
    int64_t n;
    int32_t *slots, *distinct, *inverse;
    int64_t count;
} distinct_tokens_t;

typedef struct {
    const int64_t *indptr;
    const int32_t *indices;
    const int64_t *order;
    int64_t n_visited, n_features;
    const double *sign, *cost, *norms;
    double least, *margins;
    double (*weights)[2];
    double worst;
} dual_descent_t;

/* Rows of one matrix to or from those of another. */
typedef struct {
    matrix_t from;
    const int32_t *index;
    int64_t n;
    matrix_t out;
} rows_t;

typedef struct {
    const int64_t *n_live, *starts, *lengths;
    int64_t n_documents, n_steps, hidden;
    int mode;
    matrix_t tokens, pooled; /* outputs of tokens and vectors of documents, or their gradients */
    int32_t *winner;
} pooling_t;

/* Of attention; gradients beside what they are of. */
typedef struct {
    const int64_t *n_live, *starts, *owner;
    int64_t n_steps;
    matrix_t tokens, d_tokens, sums, d_pooled;
    const void *w;
    void *most, *total, *scores, *d_scores;
    void *d_w; /* NULL where it is not wanted */
} attention_t;

typedef struct {
    matrix_t x;
    double rate;
    uint32_t key;
    int64_t first; /* row of the whole matrix that ``x`` begins with */
    void *out;
} dropout_t;

typedef struct {
    const void *x;
    int64_t n;
    double sum;
} squared_norm_t;

/* A step of an optimiser; ``first`` and ``second`` are its moments. */
typedef struct {
    matrix_t table, gradient;
    const int32_t *rows;
    int64_t n;
    void *first, *second;
    double scale, rate, decay, beta1, beta2, correction1, correction2, epsilon, momentum;
} update_t;

/* Rows of ``average`` move by a share of the way to those of ``table``. */
typedef struct {
    matrix_t table;
    const int32_t *rows;
    int64_t n;
    const void *share;
    void *average;
} average_t;

typedef struct {
    const int32_t *ids, *windows, *negatives;
    const int64_t *offsets;
    int64_t n_documents, n_negatives, width;
    double rate;
    void *inputs, *outputs, *scratch;
} skip_gram_t;

/* Memory that lanes use one after the other. */
typedef struct {
    void *memory, *data; /* what malloc gave, and the first cache line in it */
    int64_t size;
} buffer_t;

typedef struct {
    buffer_t *buffers;
    int64_t n_buffers;
    int32_t *slots; /* of distinct_tokens */
    void *out_of_memory; /* a jmp_buf */
} workspace_t;

/* A network in training: shapes, and weights as they are now. */
typedef struct {
    int64_t n_layers, n_directions, embedding_dim, hidden, n_gates, n_outputs;
    int64_t cut_length, border;
    int64_t n_side;          /* numbers beside a document */
    int64_t n_step_features; /* numbers beside a token */
    int64_t n_ids, n_tokens; /* ids from ``n_tokens`` on are n-grams */
    int64_t gate_width;      /* of rows with all gates */
    int pooling, form;
    int by_step; /* each token is classified, and not the document */
    double dropout, embedding_dropout, side_dropout;
    const void *table;
    const int32_t *parents;
    const direction_t *directions; /* layer by layer */
    const void *dense_w, *dense_w_t, *dense_b, *attention_w;
} network_t;

/* Sums of the gradients of a direction; of the dense layer ``w_x`` and ``b`` alone, of attention
   ``b``. */
typedef struct {
    matrix_t w_x, w_h;
    void *b;
} gradient_t;

struct level;
struct kernels;

/* The shards of a minibatch that add to one accumulator. */
typedef struct {
    const struct level *level;
    const struct kernels *kernels;
    const network_t *network;
    workspace_t *work;
    int is_double;
    int64_t pooled_width, scratch_bytes;
    const int32_t *ids; /* the data set: documents, targets, weights */
    const int64_t *offsets, *classes;
    const double *soft, *weight;
    const float *side, *features;
    int is_soft;
    double total;
    int begins; /* else it goes on from the results of the call before */
    int64_t n_shards;
    const int64_t *rows, *shard_offsets; /* documents of each shard */
    const uint32_t *keys;                /* of each shard's dropout masks, or NULL */
    const gradient_t *gradients;         /* of directions; then the dense layer and attention */
    /* results */
    buffer_t found[2]; /* ids, and the gradients of their rows */
    int64_t *counts; /* rows found up to the end of each shard */
    int64_t n_found, n_tokens;
    double loss, correct;
    int failed; /* no memory */
} lane_t;

/* One array of a block: a lane's rows are padded. */
typedef struct {
    int64_t rows, width, padded;
    const void *lanes[MOST_LANES];
} summed_t;

typedef struct {
    int64_t n_arrays, n_lanes;
    summed_t arrays[3];
    void *out; /* the arrays' sums, one behind the other */
    double squared_norm;
} sums_t;

/* Rows of the table that a shard has found, and their gradients. */
typedef struct {
    int64_t n;
    const int32_t *ids;
    const void *values;
} rows_part_t;

typedef struct {
    const struct kernels *kernels;
    int64_t width, itemsize, n_parts;
    int32_t *slots; /* of distinct_tokens */
    rows_part_t *parts;
    /* results */
    int64_t n, ids_size, values_size;
    int32_t *ids, *inverse;
    void *values;
    double squared_norm;
    int failed; /* no memory */
} merge_t;

/* A step of an optimiser for one block of weights. */
typedef struct {
    const struct kernels *kernels;
    void (*optimizer)(void *update);
    update_t update;
    int packs, n_packs;
    form_t forms[4];
    pack_t pack[4];
    const void *bias;
    void *packed_bias;
    int64_t bias_bytes;
    average_t average; /* of NULL where there is none */
} step_t;

typedef struct {
    const int64_t *counters, *least;
    int64_t n, tries;
    int reached;
} wait_t;

typedef void (*kernel_t)(void *arguments);

/* Kernels of one element type of the float arrays. Entries that a level lacks are NULL. */
typedef struct kernels {
    kernel_t pack[FORMS], matmul[FORMS], weight_gradient[FORMS];
    kernel_t lstm_forward[FORMS], lstm_backward[FORMS];
    kernel_t gather_rows, scatter_add_rows, pool_forward, pool_backward, dropout, squared_norm;
    kernel_t attend_forward, attend_backward, attend_spread;
    kernel_t adam_update, sgd_update, average_rows, skip_gram, sum_lanes, merge_rows;
} kernels_t;

typedef struct level {
    const char *name;
    int vector_bytes, micro_vectors, has_amx, has_dot_products;
    kernels_t f32, f64;
} level_t;

/* levels.c */
int fastlstm_highest_level(void);
const level_t *fastlstm_level(int number);

/* tokens.c: kernels without real numbers */
void fastlstm_pack_tokens(void *arguments);
void fastlstm_distinct_tokens(void *arguments);

/* dual.c */
void fastlstm_dual_descent(void *arguments);

/* lane.c */
void fastlstm_lane(void *arguments);
int fastlstm_begin(workspace_t *work, int64_t n_layers, int64_t n_ids);
void fastlstm_end(workspace_t *work);
int64_t fastlstm_padded_width(const level_t *level, int64_t n, int64_t itemsize);

/* step.c */
void fastlstm_merge(void *arguments);
void fastlstm_step(void *arguments);

/* threads.c */
void fastlstm_hand_over(int on);
void fastlstm_leave_python(void);
void fastlstm_return_to_python(void);
void fastlstm_wait_for_all(void *arguments);

/* subnormals.c */
uint64_t fastlstm_flush_subnormals(void);
void fastlstm_restore_subnormals(uint64_t before);

#endif
