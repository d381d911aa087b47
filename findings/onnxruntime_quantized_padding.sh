#!/usr/bin/env bash
# ONNX Runtime's quantize_dynamic turns an LSTM into DynamicQuantizeLSTM. That one takes a single
# scale for the whole input, steps past sequence_lens included. What stands in the padding then
# moves the result of every document in the batch, and a later step moves the output of the first.
# The float32 LSTM gives the same bits whatever stands there.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    numpy==2.4.6 onnx==1.23.2 onnxruntime==1.32.0
cd "$folder"
"$folder/venv/bin/python" - <<'PY'
import logging

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import quantize_dynamic

logging.getLogger().setLevel(logging.ERROR)
INPUTS, UNITS = 8, 16
rng = np.random.default_rng(0)


def weights(name, *shape):
    return numpy_helper.from_array(rng.normal(scale=0.5, size=shape).astype(np.float32), name)


graph = helper.make_graph(
    [helper.make_node("LSTM", ["x", "w", "r", "b", "lengths"], ["y", "last"], hidden_size=UNITS)],
    "lstm",
    [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, ["steps", "documents", INPUTS]),
        helper.make_tensor_value_info("lengths", TensorProto.INT32, ["documents"]),
    ],
    [
        helper.make_tensor_value_info("y", TensorProto.FLOAT, ["steps", 1, "documents", UNITS]),
        helper.make_tensor_value_info("last", TensorProto.FLOAT, [1, "documents", UNITS]),
    ],
    [
        weights("w", 1, 4 * UNITS, INPUTS),
        weights("r", 1, 4 * UNITS, UNITS),
        weights("b", 1, 8 * UNITS),
    ],
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
onnx.checker.check_model(model)
onnx.save(model, "float.onnx")
quantize_dynamic("float.onnx", "quantized.onnx")
operators = [node.op_type for node in onnx.load("quantized.onnx").graph.node]
print("onnxruntime", onnxruntime.__version__, operators)
assert operators == ["DynamicQuantizeLSTM"]

x = rng.normal(size=(6, 2, INPUTS)).astype(np.float32)
lengths = np.array([6, 3], dtype=np.int32)
x[3:, 1] = 0
padded_otherwise = x.copy()
padded_otherwise[3:, 1] = 12
other_end = x.copy()
other_end[5, 0] = 12

for name in ("float", "quantized"):
    session = onnxruntime.InferenceSession(f"{name}.onnx", providers=["CPUExecutionProvider"])

    def run(values, session=session):
        return session.run(None, {"x": values, "lengths": lengths})

    steps, last = run(x)
    by_padding = np.abs(run(padded_otherwise)[1] - last).max(axis=(0, 2))
    by_future = np.abs(run(other_end)[0][0] - steps[0]).max()
    print(
        f"{name}: last states moved by the padding {by_padding}, first step by the last {by_future}"
    )
    if name == "float":
        assert (by_padding == 0).all() and by_future == 0
    else:
        assert (by_padding > 1e-3).all() and by_future > 1e-3
PY
