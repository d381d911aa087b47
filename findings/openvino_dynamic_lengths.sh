#!/usr/bin/env bash
# OpenVINO runs an ONNX LSTM with sequence_lens on the CPU. With fixed shapes it stops each
# document at its length. With any free dimension, which is what a batch of texts has, it reads
# the padding of every document to the end, without a warning.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    numpy==2.4.6 onnx==1.23.2 openvino==2026.4.1
cd "$folder"
"$folder/venv/bin/python" - <<'PY'
import numpy as np
import onnx
import openvino
from onnx import TensorProto, helper, numpy_helper

STEPS, DOCUMENTS, INPUTS, UNITS = 6, 3, 8, 16
rng = np.random.default_rng(0)


def weights(name, *shape):
    return numpy_helper.from_array(rng.normal(scale=0.5, size=shape).astype(np.float32), name)


graph = helper.make_graph(
    [helper.make_node("LSTM", ["x", "w", "r", "b", "lengths"], ["", "last"], hidden_size=UNITS)],
    "lstm",
    [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, ["steps", "documents", INPUTS]),
        helper.make_tensor_value_info("lengths", TensorProto.INT32, ["documents"]),
    ],
    [helper.make_tensor_value_info("last", TensorProto.FLOAT, [1, "documents", UNITS])],
    [
        weights("w", 1, 4 * UNITS, INPUTS),
        weights("r", 1, 4 * UNITS, UNITS),
        weights("b", 1, 8 * UNITS),
    ],
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
onnx.checker.check_model(model)
onnx.save(model, "lstm.onnx")

x = rng.normal(size=(STEPS, DOCUMENTS, INPUTS)).astype(np.float32)
lengths = np.array([6, 4, 3], dtype=np.int32)


def last_states(shape, x, lengths):
    network = openvino.convert_model("lstm.onnx")
    network.reshape(
        {"x": openvino.PartialShape(shape), "lengths": openvino.PartialShape(shape[1:2])}
    )
    # Float32, so that processors with bfloat16 units compute the same.
    compiled = openvino.compile_model(network, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return compiled({"x": x, "lengths": lengths})[0][0]


alone = np.concatenate(
    [
        last_states([n, 1, INPUTS], x[:n, i : i + 1], np.array([n], dtype=np.int32))
        for i, n in enumerate(lengths.tolist())
    ]
)
read_to_the_end = last_states([STEPS, DOCUMENTS, INPUTS], x, np.full(DOCUMENTS, STEPS, np.int32))
print("openvino", openvino.__version__)
for name, shape in {
    "fixed shape": [STEPS, DOCUMENTS, INPUTS],
    "free number of documents": [STEPS, -1, INPUTS],
    "free number of steps": [-1, DOCUMENTS, INPUTS],
    "both free": [-1, -1, INPUTS],
}.items():
    states = last_states(shape, x, lengths)
    off = np.abs(states - alone).max(axis=1)
    print(f"{name}: distance from each document alone {off}")
    if name == "fixed shape":
        assert (off < 1e-5).all()
    else:
        assert off[0] < 1e-5 and (off[1:] > 0.05).all()
        assert np.abs(states - read_to_the_end).max() < 1e-5
PY
