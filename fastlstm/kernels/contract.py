"""What a backend is: a module with these names, alike in signature and effect.

Conventions that hold for every kernel:

- serial, releases the GIL where it is compiled, starts no threads;
- results go to the arrays named last, which the caller allocates;
- arrays are C-contiguous; inputs are only read;
- float arrays of one call share one dtype, float32 or float64;
- token ids and row indices are int32, step and length arrays int64;
- packed time-major sequences, longest document first, no padding.

Two functions describe memory instead of computing. ``packed_shape(k, n, dtype)``
is the shape of a (k, n) matrix after ``pack``, whose layout is the backend's own
affair. ``padded_width(n, dtype)`` is the row length of an array that ``matmul``
writes ``n`` columns into; the columns beyond ``n`` hold no meaning.
"""

KERNELS = (
    "padded_width",
    "packed_shape",
    "pack",
    "matmul",
    "weight_gradient",
    "bias_gradient",
    "lstm_forward",
    "lstm_backward",
    "previous_states",
    "distinct_tokens",
    "gather_rows",
    "scatter_add_rows",
    "pool_forward",
    "pool_backward",
    "dropout",
    "squared_norm",
    "adam_update",
    "sgd_update",
)

# Codes of the pooling kernels.
POOLING = {"last": 0, "mean": 1, "max": 2, "mean_max": 3}
