"""Keras 3 on TensorFlow: ``fit`` and ``predict``, with XLA or without.

Documents of different lengths are padded behind. Models in one direction run over
the padding and take each document's last real output; models in two directions mask
it, since the second direction would otherwise begin with it.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import numpy as np
import tensorflow as tf

# Both before TensorFlow starts its threads.
_THREADS = int(os.environ.get("OMP_NUM_THREADS", "0"))
tf.config.threading.set_intra_op_parallelism_threads(_THREADS)
tf.config.threading.set_inter_op_parallelism_threads(_THREADS)

_BATCH_SIZES = (32, 64, 128, 256)


def make_model(case, weights):
    """Embedding, LSTM layers, last output, dense: a logit for each document.

    Inputs are ids (batch, steps) and, in one direction with padding, each document's
    last position (batch, 1).
    """
    masked = case.bidirectional
    gathers = not masked and not case.fixed_length and case.kind != "one_document"
    ids = keras.Input((None,), dtype="int32")
    position = keras.Input((1,), dtype="int32")
    x = keras.layers.Embedding(case.vocabulary, case.embedding, mask_zero=masked)(ids)
    for layer in range(case.layers):
        whole = gathers or layer < case.layers - 1
        lstm = keras.layers.LSTM(case.hidden, return_sequences=whole)
        x = keras.layers.Bidirectional(lstm)(x) if case.bidirectional else lstm(x)
    if gathers:
        x = _TakeLast()([x, position])
    inputs = [ids, position] if gathers else ids
    model = keras.Model(inputs, keras.layers.Dense(1)(x))
    values = [weights["embedding"]]
    for layer in range(case.layers):
        for direction in case.directions:
            values += [weights[f"lstm.{layer}.{direction}.{part}"] for part in ("w_x", "w_h", "b")]
    model.set_weights([*values, weights["dense.w"], weights["dense.b"]])
    return model, gathers


class _TakeLast(keras.layers.Layer):
    """Output (batch, width) at one position of each document."""

    def call(self, inputs):
        outputs, position = inputs
        return keras.ops.take_along_axis(outputs, position[:, :, None], axis=1)[:, 0]


class Peer:
    """Trains with Adam or predicts in batches."""

    def __init__(self, case, data, library, threads):
        self.case, self.data = case, data
        self.xla = library.options.get("xla", False)
        keras.utils.set_random_seed(0)

    def prepare(self) -> dict:
        self.model, self.gathers = make_model(self.case, self.data.weights)
        self.model.compile(
            optimizer=keras.optimizers.Adam(self.case.learning_rate),
            loss=keras.losses.BinaryCrossentropy(from_logits=True),
            jit_compile=self.xla,
        )
        if self.case.kind == "inference":
            return {"batch": self._choose_batch()}
        self.fit_arguments = self._fit_arguments()
        return {}

    def _inputs(self, rows):
        ids = self.data.padded(rows, self.case.pad_to).astype(np.int32)
        if not self.gathers:
            return ids
        return [ids, (self.data.lengths[rows] - 1).astype(np.int32)[:, None]]

    def _fit_arguments(self):
        """Whole arrays where all minibatches have one shape; else a data set of batches."""
        batches, labels = self.data.batches, self.data.labels.astype(np.float32)[:, None]
        if self.case.fixed_length or self.case.pad_to:
            rows = np.concatenate(batches)
            return {"x": self._inputs(rows), "y": labels[rows], "batch_size": self.case.batch}
        padded = [(self._inputs(rows), labels[rows]) for rows in batches]
        signature = (tf.TensorSpec((None, None), tf.int32), tf.TensorSpec((None, 1), tf.float32))
        dataset = tf.data.Dataset.from_generator(lambda: iter(padded), output_signature=signature)
        counted = dataset.apply(tf.data.experimental.assert_cardinality(len(padded)))
        return {"x": counted.prefetch(2)}

    def _choose_batch(self):
        """The fastest of the batch sizes on these documents."""
        rows = np.arange(len(self.data.labels))
        self.everything = self._inputs(rows)
        seconds = {}
        for size in _BATCH_SIZES:
            self.model.predict(self.everything, batch_size=size, verbose=0)
            started = time.perf_counter()
            self.model.predict(self.everything, batch_size=size, verbose=0)
            seconds[size] = time.perf_counter() - started
        self.size = min(seconds, key=seconds.get)
        return self.size

    def outputs(self) -> dict:
        data = self.data
        logits = self.model.predict_on_batch(self._inputs(data.sample))[:, 0]
        loss = None
        if self.case.kind == "training":
            rows = data.batches[0]
            z = self.model.predict_on_batch(self._inputs(rows))[:, 0].astype(np.float64)
            loss = float(np.mean(np.logaddexp(0, z) - z * data.labels[rows]))
        return {"logits": logits.tolist(), "loss": loss}

    def run(self) -> dict:
        if self.case.kind == "inference":
            self.model.predict(self.everything, batch_size=self.size, verbose=0)
            return {"tokens": self.data.n_tokens}
        done = self.model.fit(**self.fit_arguments, epochs=1, shuffle=False, verbose=0)
        return {"tokens": self.data.n_tokens, "loss": done.history["loss"][0]}


def save_model(case, data, folder) -> None:
    """A .keras file, and the vocabulary as JSON."""
    from cases import words

    make_model(case, data.weights)[0].save(Path(folder) / "model.keras")
    (Path(folder) / "keras.json").write_text(json.dumps(words(case)), encoding="utf-8")


def text_model(folder, options, threads):
    """A function from a text to the probability of label 1."""
    vocabulary = json.loads((Path(folder) / "keras.json").read_text(encoding="utf-8"))
    model = keras.models.load_model(Path(folder) / "model.keras", compile=False)
    direct = options.get("call") == "direct"

    def predict(text):
        ids = np.array([[vocabulary.get(word, 1) for word in text.split()]], np.int32)
        logits = model(ids, training=False).numpy() if direct else model.predict(ids, verbose=0)
        return float(1 / (1 + np.exp(-logits[0, 0])))

    return predict
