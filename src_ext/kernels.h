/* What the Cython module and the instruction levels share.

   Every level is one table of functions, compiled from the same sources. Meanings and
   shapes are those of fastlstm/kernels/contract.py and are documented at the kernels
   in fastlstm/kernels/numba. */

#ifndef FASTLSTM_KERNELS_H
#define FASTLSTM_KERNELS_H

#include <stdint.h>

/* Sizes that fastlstm/kernels/layout.py knows, too; a test compares them. */
enum {
    TILE_ROWS = 6,       /* rows of an accumulator tile of floats */
    BLOCK_TOKENS = 128,  /* tokens of a sweep's block */
    TOKENS_OF_ONE = 16,  /* the same where one document is predicted */
    ROWS_AT_ONCE = 128,  /* rows of one product or gradient */
    GRADIENT_BLOCK = 96, /* tokens of a gradient of floats at a time */
    TERMS = 32,          /* summed index of a block of 16-bit pieces */
    COLUMNS = 16,
    PANEL = 4, /* blocks side by side */
};

/* Codes of contract.POOLING. */
enum { POOL_LAST, POOL_MEAN, POOL_MAX, POOL_MEAN_MAX };

/* Element types of packed weights and scratch memory: floats, or float32 in pieces. */
typedef enum { FLOATS, ONE_PIECE, THREE_PIECES, FORMS } form_t;

typedef struct {
    const int64_t *n_live, *starts;
    int64_t n_steps;
    int reverse;
    int64_t column;
} steps_t;

typedef struct {
    const void *w_x, *w_x_t, *w_h, *w_h_t, *b;
    int64_t n_inputs, hidden;
} direction_t;

/* A 2-D array of real numbers, row after row. */
typedef struct {
    void *data;
    int64_t rows, width;
} matrix_t;

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
    matrix_t d_out, d_state_h, d_state_c, d_inputs, gradient_w_x, gradient_w_h;
    void *previous, *gradient_b;
    const void *zeros;
} sweep_t;

typedef struct {
    double scale, rate, decay, beta1, beta2, correction1, correction2, epsilon;
} adam_t;

typedef struct {
    const int32_t *ids, *windows, *negatives;
    const int64_t *offsets;
    int64_t n_documents, n_negatives, width;
    double rate;
} skip_gram_t;

typedef struct {
    int64_t n_documents, n_steps, hidden, width, pooled_width;
    const int64_t *n_live, *starts, *lengths;
    int mode;
} pooling_t;

/* Kernels of one element type of the float arrays. Entries that a level lacks are NULL. */
typedef struct {
    void (*pack[FORMS])(const void *w, int64_t rows, int64_t columns, int transpose, void *out);
    void (*matmul[FORMS])(matrix_t a, int64_t depth, const void *packed, int64_t columns,
                          const void *bias, void *scratch, matrix_t out);
    void (*weight_gradient[FORMS])(matrix_t a, matrix_t d, int64_t columns, void *scratch,
                                   matrix_t d_weights, void *d_bias);
    void (*lstm_forward[FORMS])(const sweep_t *sweep);
    void (*lstm_backward[FORMS])(const sweep_t *sweep);
    void (*gather_rows)(matrix_t table, const int32_t *index, matrix_t out);
    void (*scatter_add_rows)(matrix_t rows, const int32_t *index, int64_t n, matrix_t out);
    void (*pool_forward)(const pooling_t *pooling, const void *h, void *out, int32_t *winner);
    void (*pool_backward)(const pooling_t *pooling, const void *d_pooled, const int32_t *winner,
                          matrix_t d_h);
    void (*dropout)(matrix_t x, double rate, uint32_t key, void *out);
    double (*squared_norm)(const void *x, int64_t n);
    void (*adam_update)(matrix_t table, const int32_t *rows, int64_t n, matrix_t gradient,
                        void *m, void *v, const adam_t *settings);
    void (*sgd_update)(matrix_t table, const int32_t *rows, int64_t n, matrix_t gradient,
                       void *velocity, double scale, double rate, double decay, double momentum);
    void (*skip_gram)(const skip_gram_t *arguments, void *inputs, void *outputs, void *scratch);
} kernels_t;

typedef struct {
    const char *name;
    int vector_bytes, tile_vectors, has_tiles, has_dot_products;
    kernels_t f32, f64;
} level_t;

/* levels.c */
int fastlstm_highest_level(void);
const level_t *fastlstm_level(int number);

/* threads.c */
void fastlstm_take_turns(int on);
void fastlstm_leave_python(void);
void fastlstm_return_to_python(void);
int fastlstm_wait_for_all(const int64_t *counters, const int64_t *least, int64_t n,
                          int64_t tries);

/* subnormals.c */
uint64_t fastlstm_flush_subnormals(void);
void fastlstm_restore_subnormals(uint64_t before);

#endif
