# What src_ext/kernels.h declares.

cdef extern from "kernels.h" nogil:
    enum:
        BLOCK_TOKENS
        TOKENS_OF_ONE
        ROWS_AT_ONCE
        GRADIENT_BLOCK
        TERMS
        COLUMNS
        PANEL
        MOST_LANES
        POOL_LAST
        POOL_MEAN
        POOL_MAX
        POOL_MEAN_MAX
        POOL_ATTENTION

    ctypedef enum form_t:
        FLOATS
        BFLOAT16
        SPLIT_FLOATS
        INT8

    ctypedef struct matrix_t:
        void *data
        int64_t rows, width

    ctypedef struct pack_t:
        matrix_t w
        int transpose
        void *out

    ctypedef struct matmul_t:
        matrix_t a
        int64_t depth, columns
        const void *packed
        const void *bias
        void *scratch
        matrix_t out

    ctypedef struct weight_gradient_t:
        matrix_t a, d
        int64_t columns
        void *scratch
        matrix_t d_weights
        void *d_bias

    ctypedef struct steps_t:
        const int64_t *n_live
        const int64_t *starts
        int64_t n_steps
        int reverse
        int64_t column, border, first

    ctypedef struct direction_t:
        const void *w_x
        const void *w_x_t
        const void *w_h
        const void *w_h_t
        const void *b
        int64_t n_inputs, hidden, n_gates

    ctypedef struct sweep_t:
        matrix_t inputs
        const int32_t *index
        direction_t weights
        steps_t steps
        matrix_t initial_h, initial_c, gates, h, c
        void *scratch
        int initial_given, keep
        const int64_t *ready
        int64_t *done
        int accumulate
        matrix_t d_out, d_state_h, d_state_c, d_inputs, gradient_w_x, gradient_w_h
        void *gradient_b
        void *previous
        const void *zeros

    ctypedef struct pack_tokens_t:
        const int32_t *ids
        const int64_t *first
        const int64_t *lengths
        int64_t n_documents, n_steps
        int64_t *n_live
        int64_t *starts
        int32_t *packed

    ctypedef struct distinct_tokens_t:
        const int32_t *ids
        int64_t n
        int32_t *slots
        int32_t *distinct
        int32_t *inverse
        int64_t count

    ctypedef struct dual_descent_t:
        const int64_t *indptr
        const int32_t *indices
        const int64_t *order
        int64_t n_visited, n_features
        const double *sign
        const double *cost
        const double *norms
        double least
        double *margins
        double (*weights)[2]
        double worst

    ctypedef struct rows_t:
        matrix_t from_ "from"
        const int32_t *index
        int64_t n
        matrix_t out

    ctypedef struct pooling_t:
        const int64_t *n_live
        const int64_t *starts
        const int64_t *lengths
        int64_t n_documents, n_steps, hidden
        int mode
        matrix_t tokens, pooled
        int32_t *winner

    ctypedef struct attention_t:
        const int64_t *n_live
        const int64_t *starts
        const int64_t *owner
        int64_t n_steps
        matrix_t tokens, d_tokens, sums, d_pooled
        const void *w
        void *most
        void *total
        void *scores
        void *d_scores
        void *d_w

    ctypedef struct dropout_t:
        matrix_t x
        double rate
        uint32_t key
        int64_t first
        void *out

    ctypedef struct squared_norm_t:
        const void *x
        int64_t n
        double sum

    ctypedef struct update_t:
        matrix_t table, gradient
        const int32_t *rows
        int64_t n
        void *first
        void *second
        double scale, rate, decay, beta1, beta2, correction1, correction2, epsilon, momentum

    ctypedef struct average_t:
        matrix_t table
        const int32_t *rows
        int64_t n
        const void *share
        void *average

    ctypedef struct skip_gram_t:
        const int32_t *ids
        const int32_t *windows
        const int32_t *negatives
        const int64_t *offsets
        int64_t n_documents, n_negatives, width
        double rate
        void *inputs
        void *outputs
        void *scratch

    ctypedef struct buffer_t:
        void *memory
        void *data
        int64_t size

    ctypedef struct workspace_t:
        buffer_t *buffers
        int64_t n_buffers

    ctypedef struct network_t:
        int64_t n_layers, n_directions, embedding_dim, hidden, n_gates, n_outputs
        int64_t cut_length, border
        int64_t n_side, n_step_features, n_ids, n_tokens, gate_width
        int pooling, form, by_step
        double dropout, embedding_dropout, side_dropout
        const void *table
        const int32_t *parents
        const direction_t *directions
        const void *dense_w
        const void *dense_w_t
        const void *dense_b
        const void *attention_w

    ctypedef struct gradient_t:
        matrix_t w_x, w_h
        void *b

    ctypedef struct lane_t:
        const level_t *level
        const kernels_t *kernels
        const network_t *network
        workspace_t *work
        int is_double
        int64_t pooled_width, scratch_bytes
        const int32_t *ids
        const int64_t *offsets
        const int64_t *classes
        const double *soft
        const double *weight
        const float *side
        const float *features
        int is_soft
        double total
        int begins
        int64_t n_shards
        const int64_t *rows
        const int64_t *shard_offsets
        const uint32_t *keys
        const gradient_t *gradients
        buffer_t found[2]
        int64_t *counts
        int64_t n_found, n_tokens
        double loss, correct
        int failed

    ctypedef void (*kernel_t)(void *) noexcept nogil

    ctypedef struct kernels_t:
        kernel_t pack[4]
        kernel_t matmul[4]
        kernel_t weight_gradient[4]
        kernel_t lstm_forward[4]
        kernel_t lstm_backward[4]
        kernel_t gather_rows, scatter_add_rows, pool_forward, pool_backward, dropout
        kernel_t attend_forward, attend_backward, attend_spread
        kernel_t squared_norm, adam_update, sgd_update, average_rows, skip_gram
        kernel_t sum_lanes, merge_rows

    ctypedef struct summed_t:
        int64_t rows, width, padded
        const void *lanes[16]

    ctypedef struct sums_t:
        int64_t n_arrays, n_lanes
        summed_t arrays[3]
        void *out
        double squared_norm

    ctypedef struct rows_part_t:
        int64_t n
        const int32_t *ids
        const void *values

    ctypedef struct merge_t:
        const kernels_t *kernels
        int64_t width, itemsize, n_parts
        int32_t *slots
        rows_part_t *parts
        int64_t n
        int32_t *ids
        void *values
        double squared_norm
        int failed

    ctypedef struct step_t:
        const kernels_t *kernels
        kernel_t optimizer
        update_t update
        int packs, n_packs
        form_t forms[4]
        pack_t pack[4]
        const void *bias
        void *packed_bias
        int64_t bias_bytes
        average_t average

    ctypedef struct wait_t:
        const int64_t *counters
        const int64_t *least
        int64_t n, tries
        int reached

    ctypedef struct level_t:
        const char *name
        int vector_bytes, micro_vectors, has_amx, has_dot_products
        kernels_t f32
        kernels_t f64

    int fastlstm_highest_level()
    const level_t *fastlstm_level(int)
    void fastlstm_pack_tokens(void *)
    void fastlstm_distinct_tokens(void *)
    void fastlstm_dual_descent(void *)
    void fastlstm_hand_over(int)
    void fastlstm_leave_python()
    void fastlstm_return_to_python()
    void fastlstm_wait_for_all(void *)
    void fastlstm_lane(void *)
    int fastlstm_begin(workspace_t *, int64_t, int64_t)
    void fastlstm_end(workspace_t *)
    void fastlstm_merge(void *)
    void fastlstm_step(void *)
