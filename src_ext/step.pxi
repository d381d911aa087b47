# What comes after the lanes of a minibatch, see fastlstm/kernels/whole_lanes.py.


cdef class Sums:
    """See ``whole_lanes.LaneKernels``."""

    cdef sums_t record
    cdef kernel_t kernel
    cdef int kind
    cdef list held

    def __cinit__(self, sums):
        self.kind = _kind(sums)
        self.kernel = _kernels(self.kind).sum_lanes
        self.held = [sums]
        self.record.out = _data(sums, self.kind)

    def add_lane(self, gradients, widths):
        cdef sums_t *s = &self.record
        cdef int64_t number, lane = len(self.held) - 1
        if lane == MOST_LANES:
            raise ValueError("too many lanes")
        if len(gradients) > 3 or len(gradients) != len(widths):
            raise ValueError("a block has up to three arrays, each with its width")
        s.n_arrays = len(gradients)
        for number in range(s.n_arrays):
            array = gradients[number]
            s.arrays[number].lanes[lane] = _data(array, self.kind)
            s.arrays[number].width = widths[number]
            s.arrays[number].padded = cnp.PyArray_DIM(
                <cnp.ndarray> array, cnp.PyArray_NDIM(<cnp.ndarray> array) - 1
            )
            s.arrays[number].rows = _length(array) // s.arrays[number].padded
        self.held.append(gradients)

    def __call__(self, n_lanes):
        if not 0 < n_lanes < len(self.held):
            raise ValueError(f"{n_lanes} lanes of {len(self.held) - 1}")
        self.record.n_lanes = n_lanes
        _run(self.kernel, &self.record)
        return self.record.squared_norm


cdef class MergedRows:
    """See ``whole_lanes.LaneKernels``."""

    cdef merge_t record
    cdef int64_t most
    cdef object slots
    cdef int kind

    def __cinit__(self, table):
        cdef merge_t *s = &self.record
        self.kind = _kind(table)
        self.slots = np.full(cnp.PyArray_DIM(<cnp.ndarray> table, 0), -1, np.int32)
        s.slots = <int32_t *> _ids(self.slots)
        s.kernels, s.width = _kernels(self.kind), cnp.PyArray_DIM(<cnp.ndarray> table, 1)
        s.itemsize = cnp.PyArray_ITEMSIZE(<cnp.ndarray> table)

    def __dealloc__(self):
        free(self.record.ids)
        free(self.record.values)
        free(self.record.parts)

    def __call__(self, list lanes, n_shards):
        cdef merge_t *s = &self.record
        cdef int64_t number, n_lanes = len(lanes), first, last
        cdef Lane lane
        cdef cnp.npy_intp shape[2]
        s.n_parts = n_shards
        if not 0 < n_lanes <= s.n_parts:
            raise ValueError(f"{n_lanes} lanes of {n_shards} shards")
        if s.n_parts > self.most:
            free(s.parts)
            self.most = 2 * s.n_parts
            s.parts = <rows_part_t *> malloc(self.most * sizeof(rows_part_t))
            if s.parts == NULL:
                self.most = 0
                raise MemoryError
        for number in range(s.n_parts):
            lane = lanes[number % n_lanes]
            if lane.kind != self.kind or number // n_lanes >= len(lane.ends):
                raise ValueError("a lane has not found these shards")
            first = lane.ends[number // n_lanes - 1] if number >= n_lanes else 0
            last = lane.ends[number // n_lanes]
            s.parts[number].n = last - first
            s.parts[number].ids = <int32_t *> lane.record.found[0].data + first
            s.parts[number].values = (
                <char *> lane.record.found[1].data + first * s.width * s.itemsize
            )
        _run(fastlstm_merge, s)
        if s.failed:
            raise MemoryError("no memory for the gradients of a minibatch; lower batch_size")
        shape[0], shape[1] = s.n, s.width
        ids = cnp.PyArray_SimpleNewFromData(1, shape, cnp.NPY_INT32, s.ids)
        values = cnp.PyArray_SimpleNewFromData(2, shape, self.kind, s.values)
        cnp.set_array_base(ids, self)
        cnp.set_array_base(values, self)
        return ids, values, s.squared_norm


cdef class Block:
    """See ``whole_lanes.LaneKernels``."""

    cdef step_t record
    cdef int kind
    cdef bint is_adam
    cdef object held, share

    def __cinit__(self, optimizer, weights, arrays, packed, gradient, slots, average):
        cdef step_t *s = &self.record
        cdef int number
        cdef matrix_t whole
        self.kind = _kind(weights)
        self.share = np.zeros(1, dtype=weights.dtype)
        self.held = (weights, arrays, packed, gradient, slots, average, _ONE_ROW)
        s.kernels = _kernels(self.kind)
        self.is_adam = optimizer == "adam_update"
        if not self.is_adam and optimizer != "sgd_update":
            raise ValueError(optimizer)
        s.optimizer = s.kernels.adam_update if self.is_adam else s.kernels.sgd_update
        whole.data, whole.rows, whole.width = _data(weights, self.kind), 1, _length(weights)
        s.update.table = s.update.gradient = s.average.table = whole
        s.update.gradient.data = _data(gradient, self.kind)
        s.update.rows = s.average.rows = _ids(_ONE_ROW)
        s.update.n = s.average.n = 1
        s.update.first = _data(slots[0], self.kind)
        s.update.second = _data(slots[1], self.kind) if self.is_adam else NULL
        *matrices, bias = arrays
        s.n_packs = 2 * len(matrices)
        for number in range(s.n_packs):
            s.forms[number] = <form_t> _form(packed[number], self.kind, True)
            s.pack[number].w = _matrix(matrices[number // 2], self.kind)
            s.pack[number].transpose = number % 2
            s.pack[number].out = _packed(packed[number], self.kind, s.forms[number])
        s.bias, s.packed_bias = _data(bias, self.kind), _data(packed[s.n_packs], self.kind)
        s.bias_bytes = _length(bias) * cnp.PyArray_ITEMSIZE(<cnp.ndarray> bias)
        s.average.average = NULL if average is None else _data(average, self.kind)
        s.average.share = _data(self.share, self.kind)

    def __call__(self, factors, packs, share):
        cdef step_t *s = &self.record
        cdef update_t *u = &s.update
        if self.is_adam:
            (u.scale, u.rate, u.decay, u.beta1, u.beta2, u.correction1, u.correction2,
             u.epsilon) = factors
        else:
            u.scale, u.rate, u.decay, u.momentum = factors
        s.packs = packs
        self.share[0] = share
        _run(fastlstm_step, s)
