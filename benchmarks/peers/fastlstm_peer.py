"""fastlstm: a real ``fit``, stopped before each epoch; a real ``predict_proba``."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from pathlib import Path

import numpy as np

from peers import UnavailableError

# Too small to change a weight: for a first fit that only shows the first loss.
_NO_RATE = 1e-30


class Peer:
    """Trains or predicts through ``LSTMClassifier``."""

    def __init__(self, case, data, library, threads):
        self.case, self.data, self.threads = case, data, threads
        self.quantized = library.precision == "int8"
        self.precision = "float32" if self.quantized else library.precision
        self.backend = library.options.get("backend", "auto")
        self.job = None

    def prepare(self) -> dict:
        if self.case.kind == "whole_job":
            from peers.sklearn_peer import review_files

            self.reviews = review_files(self.case.documents)
            return {}
        from fastlstm.core.errors import BackendError

        self.X = self.data.padded()
        self.classifier = self._classifier(max_epochs=1, learning_rate=_NO_RATE)
        with _given(self.data.weights, lambda *_: self.data.batches[:1]):
            try:
                self.classifier.fit(self.X, self.data.labels)
            except BackendError as error:
                raise UnavailableError(str(error)) from error
        if self.quantized:
            self.classifier = self.classifier.quantize()
        return {"backend": self.classifier.backend_}

    def _classifier(self, **options):
        from fastlstm import LSTMClassifier

        case = self.case
        return LSTMClassifier(
            vocabulary_size=case.vocabulary, embedding_dim=case.embedding,
            hidden_size=case.hidden, num_layers=case.layers, bidirectional=case.bidirectional,
            pooling="last", dropout=0, embedding_dropout=0, learning_rate_schedule="constant",
            warmup_fraction=0, max_grad_norm=None, batch_size=case.batch, early_stopping=False,
            random_state=0, n_jobs=self.threads, precision=self.precision,
            backend=self.backend, **options,
        )  # fmt: skip

    def outputs(self) -> dict:
        logits = self.classifier.decision_function(self.X[self.data.sample])
        loss = self.classifier.history_[0]["loss"] if self.case.kind == "training" else None
        return {"logits": logits.tolist(), "loss": loss}

    def run(self) -> dict:
        if self.case.kind == "whole_job":
            return self._whole_job()
        if self.case.kind == "inference":
            size = self.case.documents_in_call or len(self.X)
            for first in range(0, len(self.X), size):
                self.classifier.predict_proba(self.X[first : first + size])
            return {"tokens": self.data.n_tokens}
        if self.job is None:
            self.classifier = None  # others, too, hold one model while they train
            classifier = self._classifier(max_epochs=10**6, learning_rate=self.case.learning_rate)
            self.job = _PausedFit(classifier, self.X, self.data)
        return {"tokens": self.data.n_tokens, "seconds": self.job.epoch()}

    def _whole_job(self):
        from fastlstm import LSTMSentimentClassifier

        train, test = self.reviews
        classifier = LSTMSentimentClassifier(
            random_state=0, n_jobs=self.threads, precision=self.precision
        )
        predicted = classifier.fit(train.texts, train.labels).predict(test.texts)
        accuracy = float(np.mean(predicted == np.asarray(test.labels)))
        return {"tokens": train.n_words + test.n_words, "accuracy": accuracy,
                "epochs": classifier.n_iter_}  # fmt: skip


@contextlib.contextmanager
def _given(weights, minibatches):
    """``fit`` with these first weights and minibatches, and no token made unknown."""
    from fastlstm.classifier import networks
    from fastlstm.network.parameters import Parameters
    from fastlstm.training import sources

    def given_weights(*_arguments, **_options):
        return Parameters.from_arrays({name: w.copy() for name, w in weights.items()})

    wanted = [
        (networks, "init_parameters", given_weights),
        (networks, "_UNKNOWN_SHARE", 0.0),
        (sources, "minibatches", minibatches),
    ]
    before = [(module, name, getattr(module, name)) for module, name, _ in wanted]
    for module, name, value in wanted:
        setattr(module, name, value)
    try:
        yield
    finally:
        for module, name, value in before:
            setattr(module, name, value)


class _PausedFit:
    """A ``fit`` in a thread that waits for ``epoch()`` before each of its epochs.

    So the epochs of one long ``fit`` are timed, as they are in use, while other
    libraries have their turns between them.
    """

    def __init__(self, classifier, X, data):
        self._go, self._reached = queue.SimpleQueue(), queue.SimpleQueue()
        self._batches = data.batches
        arguments = (classifier, X, data)
        threading.Thread(target=self._fit, args=arguments, daemon=True).start()
        self._wait()

    def _fit(self, classifier, X, data):
        try:
            with _given(data.weights, self._minibatches):
                classifier.fit(X, data.labels)
            self._reached.put(RuntimeError("fit ended before it was told to"))
        except BaseException as error:  # for the thread that waits
            self._reached.put(error)

    def _minibatches(self, *_arguments, **_options):
        """What an epoch begins with; the one before is over."""
        self._reached.put(time.perf_counter())
        self._go.get()
        self._started = time.perf_counter()
        return self._batches

    def _wait(self) -> float:
        reached = self._reached.get()
        if isinstance(reached, BaseException):
            raise reached
        return reached

    def epoch(self) -> float:
        """Seconds of one more epoch."""
        self._go.put(None)
        return self._wait() - self._started


def save_model(case, data, folder) -> None:
    """A model file of ``Predictor``."""
    from cases import words

    from fastlstm.classifier.blend import Blend
    from fastlstm.classifier.fitted import FittedModel, TrainingRecord
    from fastlstm.network.config import ModelConfig
    from fastlstm.network.parameters import Parameters
    from fastlstm.persist.model_file import SavedModel, write_model
    from fastlstm.text.encoder import TextEncoder, TextOptions
    from fastlstm.text.ngrams import NGrams
    from fastlstm.text.vocabulary import Vocabulary

    config = ModelConfig(
        vocabulary_size=case.vocabulary, embedding_dim=case.embedding,
        hidden_size=case.hidden, num_layers=case.layers, bidirectional=case.bidirectional,
        pooling="last",
    )  # fmt: skip
    vocabulary = Vocabulary(words(case))
    options = TextOptions(max_features=None, max_length=400)
    model = FittedModel(
        encoder=TextEncoder(options, vocabulary, len(vocabulary)),
        config=config,
        networks=(Parameters.from_arrays(data.weights),),
        ngrams=NGrams(len(vocabulary), []),
        linear=None,
        blend=Blend.of_networks(config.n_outputs),
        classes=np.array([0, 1]),
        class_prior=np.array([0.5, 0.5]),
        record=TrainingRecord((), "max_epochs", np.array([1.0, 1.0])),
    )
    write_model(SavedModel(model), Path(folder) / "model.fastlstm")


def text_model(folder, options, threads):
    """A function from a text to the probability of label 1."""
    from fastlstm import Predictor

    backend = options.get("backend", "auto")
    precision = options.get("precision", "auto")
    path = Path(folder) / "model.fastlstm"
    predictor = Predictor(path, backend=backend, precision=precision, n_jobs=threads)
    return lambda text: float(predictor.predict_proba([text])[0, 1])
