# A lane of a minibatch in one call, see fastlstm/kernels/whole_lanes.py.


cdef class TrainedNetwork:
    """See ``whole_lanes.LaneKernels``."""

    cdef network_t record
    cdef direction_t *directions
    cdef int kind
    cdef object held, scratch_sizes

    def __cinit__(self, config, table, parents, packed):
        cdef int64_t n_directions = 2 if config.bidirectional else 1
        cdef int64_t number = 0
        cdef network_t *net = &self.record
        cdef matrix_t rows
        layers, dense, attention = packed
        self.kind = _kind(table)
        self.held = (table, parents, packed)
        self.scratch_sizes = {}
        rows = _matrix(table, self.kind)
        net.n_layers, net.n_directions = config.num_layers, n_directions
        net.hidden, net.n_outputs = config.hidden_size, config.n_outputs
        net.n_gates = layers[0][0].n_gates
        net.cut_length, net.border = config.cut_length, config.border
        net.pooling = POOLING.get(config.pooling, POOL_ATTENTION)
        net.attention_w = NULL if attention is None else _data(attention.w, self.kind)
        net.dropout, net.embedding_dropout = config.dropout, config.embedding_dropout
        net.n_side, net.side_dropout = config.n_side, config.side_dropout
        net.n_step_features, net.by_step = config.n_step_features, config.by_step
        net.table, net.n_ids, net.embedding_dim = rows.data, rows.rows, rows.width
        net.parents, net.n_tokens = _ids(parents), rows.rows - _length(parents)
        net.gate_width = _length(layers[0][0][4])
        net.form = _form(layers[0][0][0], self.kind, True)
        net.dense_w = _data(dense[0], self.kind)
        net.dense_w_t = _data(dense[1], self.kind)
        net.dense_b = _data(dense[2], self.kind)
        self.directions = <direction_t *> PyMem_Malloc(
            net.n_layers * n_directions * sizeof(direction_t)
        )
        if self.directions == NULL:
            raise MemoryError
        for directions in layers:
            for weights in directions:
                self.directions[number] = _direction(weights, self.kind, <form_t> net.form)
                number += 1
        net.directions = self.directions

    def __dealloc__(self):
        PyMem_Free(self.directions)

    cdef int64_t scratch_bytes(self, n_sequences) except -1:
        """Bytes of scratch memory of any of its products with so many rows a step."""
        n = max(ROWS_AT_ONCE, n_sequences)
        if n not in self.scratch_sizes:
            dtype = self.held[2][0][0][0][0].dtype
            first = self.record.embedding_dim + self.record.n_step_features
            widths = {first, self.record.n_directions * self.record.hidden}
            sizes = [scratch_size(width, self.record.hidden, n, dtype) for width in widths]
            self.scratch_sizes[n] = max(sizes) * dtype.itemsize
        return self.scratch_sizes[n]


cdef class LaneMemory:
    """See ``whole_lanes.LaneKernels``."""

    cdef workspace_t work

    def __cinit__(self, config):
        if not fastlstm_begin(&self.work, config.num_layers, config.vocabulary_size):
            raise MemoryError

    def __dealloc__(self):
        fastlstm_end(&self.work)

    @property
    def n_bytes(self):
        cdef int64_t total = 0, name
        for name in range(self.work.n_buffers):
            total += self.work.buffers[name].size
        return total


cdef class Lane:
    """See ``whole_lanes.LaneKernels``."""

    cdef lane_t record
    cdef gradient_t *gradients
    cdef int kind
    cdef object held
    cdef list ends

    def __cinit__(self, config, gradients):
        cdef int64_t number = 0
        self.gradients = <gradient_t *> PyMem_Malloc(len(gradients) * sizeof(gradient_t))
        if self.gradients == NULL:
            raise MemoryError
        self.held = gradients
        self.kind = _kind(gradients[0][0])
        for sums in gradients:
            *matrices, last = sums
            self.gradients[number].b = _data(last, self.kind)
            if matrices:  # attention has none
                self.gradients[number].w_x = _matrix(matrices[0], self.kind)
                # The dense layer has no second one.
                self.gradients[number].w_h = _matrix(matrices[len(matrices) - 1], self.kind)
            number += 1
        self.record.gradients = self.gradients
        self.record.level, self.record.kernels = _level, _kernels(self.kind)
        self.record.is_double = self.kind == cnp.NPY_FLOAT64
        self.record.pooled_width = config.pooled_width

    def __dealloc__(self):
        free(self.record.found[0].memory)
        free(self.record.found[1].memory)
        PyMem_Free(self.gradients)

    def __call__(
        self, TrainedNetwork network, LaneMemory memory, ids, offsets, y, weight, total, rows,
        shards, keys, side, features, n_sequences, begins,
    ):
        cdef lane_t *s = &self.record
        if network.kind != self.kind:
            raise TypeError("network and gradients are of different types")
        s.network, s.work = &network.record, &memory.work
        s.scratch_bytes = network.scratch_bytes(n_sequences)
        s.ids, s.offsets = _ids(ids), _places(offsets)
        s.is_soft = cnp.PyArray_TYPE(<cnp.ndarray?> y) == cnp.NPY_FLOAT64
        s.soft = <const double *> _data(y, cnp.NPY_FLOAT64) if s.is_soft else NULL
        s.classes = NULL if s.is_soft else _places(y)
        s.weight, s.total = <const double *> _data(weight, cnp.NPY_FLOAT64), total
        s.rows, s.shard_offsets, s.n_shards = _places(rows), _places(shards), _length(shards) - 1
        s.keys = NULL if keys is None else <const uint32_t *> _data(keys, cnp.NPY_UINT32)
        if s.network.n_side:
            if _matrix(side, cnp.NPY_FLOAT32).width != s.network.n_side:
                raise ValueError(f"side has {side.shape[1]} columns, not {s.network.n_side}")
            if cnp.PyArray_DIM(<cnp.ndarray> side, 0) != _length(offsets) - 1:
                raise ValueError(f"side has {side.shape[0]} rows for {len(offsets) - 1} documents")
            s.side = <const float *> _data(side, cnp.NPY_FLOAT32)
        if s.network.n_step_features:
            if _matrix(features, cnp.NPY_FLOAT32).width != s.network.n_step_features:
                raise ValueError(
                    f"features have {features.shape[1]} columns, not {s.network.n_step_features}"
                )
            if cnp.PyArray_DIM(<cnp.ndarray> features, 0) != _length(ids):
                raise ValueError(f"features have {features.shape[0]} rows for {len(ids)} tokens")
            s.features = <const float *> _data(features, cnp.NPY_FLOAT32)
        n_labels = _length(ids) if s.network.by_step else _length(offsets) - 1
        if cnp.PyArray_DIM(<cnp.ndarray> y, 0) != n_labels or _length(weight) != n_labels:
            raise ValueError(f"y and weight have {len(y)} and {len(weight)} rows, not {n_labels}")
        s.begins = begins
        counts = np.empty(s.n_shards, dtype=np.int64)
        s.counts = <int64_t *> _places(counts)
        _run(fastlstm_lane, s)
        self.ends = counts.tolist() if begins else self.ends + counts.tolist()
        if s.failed:
            raise MemoryError("no memory for the states of a minibatch; lower batch_size")
        return s.loss, s.correct, s.n_tokens

    def found(self):
        cdef cnp.npy_intp shape[2]
        cdef buffer_t *found
        shape[0] = self.record.n_found
        shape[1] = self.record.network.embedding_dim
        found = self.record.found
        ids = cnp.PyArray_SimpleNewFromData(1, shape, cnp.NPY_INT32, found[0].data)
        values = cnp.PyArray_SimpleNewFromData(2, shape, self.kind, found[1].data)
        cnp.set_array_base(ids, self)
        cnp.set_array_base(values, self)
        return [
            (ids[first:last], values[first:last])
            for first, last in zip([0, *self.ends], self.ends)
        ]
