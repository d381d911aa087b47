"""The libraries of the comparison, one module each, all with the same few functions.

``Peer(case, data, library, threads)`` of a module runs the cases "training",
"inference" and "whole_job":

- ``prepare() -> dict`` builds the model from the first weights and compiles;
  raises ``UnavailableError`` where the library cannot do the case. The dict is recorded.
- ``outputs() -> dict`` has "logits" of the sample documents and "loss" of the first
  minibatch (None in inference), both from the first weights.
- ``run() -> dict`` is one round; it has "tokens", and "seconds" if the library
  measures itself.

For single texts, ``save_model(case, data, folder)`` writes a model and
``text_model(folder, options, threads)`` loads it as a function from a text to the
probability of label 1, importing no more than it needs.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field


class UnavailableError(Exception):
    """The library cannot run this case; the message says why."""


@dataclass(frozen=True)
class Library:
    """A way to run a case: which module, in which precision, with which options.

    ``group`` is the library's name in tables; of a group's ways the fastest counts.
    """

    module: str
    group: str
    precision: str = "float32"
    options: dict = field(default_factory=dict)

    def load(self):
        """The module of this library."""
        return importlib.import_module(f"peers.{self.module}")


def _ours(backend):
    return Library("fastlstm_peer", "fastlstm", options={"backend": backend})


def _torch(precision="float32", **options):
    return Library("torch_peer", "PyTorch", precision, options)


def _keras(**options):
    return Library("keras_peer", "Keras", options=options)


LIBRARIES = {
    "fastlstm": Library("fastlstm_peer", "fastlstm"),
    "fastlstm_bf16": Library("fastlstm_peer", "fastlstm", "bfloat16"),
    "fastlstm_int8": Library("fastlstm_peer", "fastlstm", "int8", {"precision": "int8"}),
    "fastlstm_cython": _ours("cython"),
    "fastlstm_numba": _ours("numba"),
    "torch_padded": _torch(),
    "torch_padded_sparse": _torch(sparse=True),
    "torch_packed": _torch(packed=True),
    "torch_packed_sparse": _torch(packed=True, sparse=True),
    "torch_bf16": _torch("bfloat16"),
    "torch_bf16_sparse": _torch("bfloat16", sparse=True),
    "torch_bf16_weights": _torch("bfloat16", weights=True),
    "torch_one_thread": _torch(threads=1),
    "torch_two_threads": _torch(threads=2),
    "keras": _keras(),
    "keras_xla": _keras(xla=True),
    "keras_predict": _keras(call="predict"),
    "keras_call": _keras(call="direct"),
    "onnx": Library("onnx_peer", "ONNX Runtime"),
    "onnx_int8": Library("onnx_peer", "ONNX Runtime", "int8", {"dynamic": True}),
    "tfidf": Library("sklearn_peer", "TF-IDF + LR"),
    "numpy": Library("numpy_peer", "NumPy"),
}
