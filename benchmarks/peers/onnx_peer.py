"""ONNX Runtime: inference with a graph built from the weights, node by node."""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path

import numpy as np

_BATCH_SIZES = (32, 64, 128, 256)
_OPSET, _IR_VERSION = 17, 8


def build_graph(case, weights):
    """The network as an ONNX model: "ids" int64 (batch, steps) -> "logits" (batch, 1).

    All documents of a batch have the same length.
    """
    from onnx import TensorProto, helper, numpy_helper

    constants, nodes = [], []

    def constant(name, value):
        constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def node(kind, inputs, outputs, **options):
        nodes.append(helper.make_node(kind, inputs, outputs, **options))
        return outputs[-1]

    steps_first = node("Transpose", ["ids"], ["steps_first"], perm=[1, 0])
    x = node("Gather", [constant("table", weights["embedding"]), steps_first], ["vectors"])
    for layer in range(case.layers):
        parts = [_lstm_weights(weights, layer, direction) for direction in case.directions]
        inputs = [x] + [
            constant(f"{name}{layer}", np.stack(value))
            for name, value in zip("WRB", zip(*parts, strict=True), strict=True)
        ]
        direction = "bidirectional" if case.bidirectional else "forward"
        names = [f"out{layer}", f"last{layer}"]
        node("LSTM", inputs, names, hidden_size=case.hidden, direction=direction)
        if layer < case.layers - 1:
            turned = node("Transpose", [names[0]], [f"turned{layer}"], perm=[0, 2, 1, 3])
            shape = constant(f"shape{layer}", np.array([0, 0, -1], np.int64))
            x = node("Reshape", [turned, shape], [f"x{layer + 1}"])
    if case.bidirectional:
        turned = node("Transpose", [names[1]], ["turned"], perm=[1, 0, 2])
        last = node("Reshape", [turned, constant("flat", np.array([0, -1], np.int64))], ["last"])
    else:
        zero = constant("zero", np.array([0], np.int64))
        last = node("Squeeze", [names[1], zero], ["last"])
    node("Gemm", [last, constant("dense.w", weights["dense.w"]),
                  constant("dense.b", weights["dense.b"])], ["logits"])  # fmt: skip
    graph = helper.make_graph(
        nodes, case.name,
        [helper.make_tensor_value_info("ids", TensorProto.INT64, ["batch", "steps"])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 1])],
        constants,
    )  # fmt: skip
    opset = [helper.make_opsetid("", _OPSET)]
    return helper.make_model(graph, opset_imports=opset, ir_version=_IR_VERSION)


def _lstm_weights(weights, layer, direction):
    """W (4 * hidden, inputs), R (4 * hidden, hidden) and B (8 * hidden), gates [i o f g]."""
    w_x, w_h, b = (weights[f"lstm.{layer}.{direction}.{part}"] for part in ("w_x", "w_h", "b"))

    def reorder(w):
        i, f, g, o = np.split(w, 4, axis=-1)
        return np.concatenate([i, o, f, g], axis=-1)

    b = reorder(b)
    return reorder(w_x).T, reorder(w_h).T, np.concatenate([b, 0 * b])


def make_session(model, threads):
    """A session on ``threads`` threads; ``model`` is a path or bytes."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.add_session_config_entry("session.set_denormal_as_zero", "1")
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


class Peer:
    """Predicts in batches."""

    def __init__(self, case, data, library, threads):
        self.case, self.data, self.threads = case, data, threads
        self.dynamic = library.options.get("dynamic", False)

    def prepare(self) -> dict:
        with tempfile.TemporaryDirectory() as folder:
            save_model(self.case, self.data, folder)
            self.session = make_session(graph_file(folder, self.dynamic), self.threads)
        ids = self.data.padded()
        best = None
        for size in _BATCH_SIZES:
            self.batches = [ids[at : at + size] for at in range(0, len(ids), size)]
            self._predict(self.batches[:2])
            started = time.perf_counter()
            self.run()
            seconds = time.perf_counter() - started
            if best is None or seconds < best[0]:
                best = seconds, size, self.batches
        self.batches = best[2]
        return {"batch": best[1]}

    def _predict(self, batches):
        logits = [self.session.run(None, {"ids": ids})[0] for ids in batches]
        return np.concatenate(logits)[:, 0]

    def outputs(self) -> dict:
        logits = self._predict([self.data.padded(self.data.sample)])
        return {"logits": logits.tolist(), "loss": None}

    def run(self) -> dict:
        logits = self._predict(self.batches)
        1 / (1 + np.exp(-logits))
        return {"tokens": self.data.n_tokens}


def save_model(case, data, folder) -> None:
    """An .onnx file, and the vocabulary as JSON."""
    from cases import words

    model = build_graph(case, data.weights).SerializeToString()
    (Path(folder) / "model.onnx").write_bytes(model)
    (Path(folder) / "onnx.json").write_text(json.dumps(words(case)), encoding="utf-8")


def graph_file(folder, dynamic: bool) -> str:
    """The saved graph, or one with weights of 8 bits that is made of it."""
    path = Path(folder) / "model.onnx"
    if not dynamic:
        return str(path)
    from onnxruntime.quantization import QuantType, quantize_dynamic

    small = path.with_name("dynamic.onnx")
    quantize_dynamic(path, small, weight_type=QuantType.QInt8)
    return str(small)


def text_model(folder, options, threads):
    """A function from a text to the probability of label 1, on one thread."""
    vocabulary = json.loads((Path(folder) / "onnx.json").read_text(encoding="utf-8"))
    session = make_session(graph_file(folder, options.get("dynamic", False)), 1)

    def predict(text):
        ids = np.array([[vocabulary.get(word, 1) for word in text.split()]], np.int64)
        logit = session.run(None, {"ids": ids})[0][0, 0]
        return float(1 / (1 + np.exp(-logit)))

    return predict
