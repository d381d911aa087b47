"""One installed fastlstm in a process of its own; reads commands, one JSON object a line.

    python -I benchmarks/revisions_child.py

Commands have a "do" of "quit" or of ``COMMANDS``; these functions say what else. They call
fastlstm as a user does, since modules and private names are not the same in two revisions.
An answer has "error" if the command failed.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import statistics
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import NamedTuple

import numpy as np

import fastlstm
from fastlstm import LSTMClassifier, LSTMSentimentClassifier, WordVectors, datasets

sys.path.insert(0, str(Path(__file__).parent))  # which -I leaves out
from machine import versions  # noqa: E402

METHODS = ("integrated_gradients", "lrp", "gradient_x_input", "occlusion")
FIXED_TEXTS = (
    "Not bad at all.", "质量太差，用了两天就坏了。", "", "<b>GREAT</b> value 😀😀, works & works!",
    "Neverseenbefore wordsonly", "The sound is good, but the screen is not so good. " * 40,
)  # fmt: skip
# Of the bundled reviews; the rest is for the case "demo" alone.
_N_TEXTS, _N_QUICK = 400, 90


# -- what is compared ----------------------------------------------------------------


def digest(value) -> str:
    """SHA-256 of arrays, with types and shapes, and of what lists and dicts hold."""
    found = hashlib.sha256()
    _feed(found, value)
    return found.hexdigest()


def _feed(found, value):
    if isinstance(value, dict):
        value = [[key, value[key]] for key in sorted(value)]
    if isinstance(value, np.ndarray) and value.dtype == object:
        value = value.tolist()
    if isinstance(value, np.ndarray):
        found.update(f"{value.dtype.str}{value.shape}".encode())
        found.update(np.ascontiguousarray(value).tobytes())
    elif isinstance(value, (list, tuple)):
        found.update(f"{len(value)}:".encode())
        for item in value:
            _feed(found, item)
    else:
        plain = value.item() if isinstance(value, np.generic) else value
        found.update(f"{type(plain).__name__} {plain!r};".encode())


def _either(owner, *names):
    """The first of these attributes that there is: revisions name it differently."""
    for name in names:
        if hasattr(owner, name):
            return getattr(owner, name)
    raise AttributeError(f"{type(owner).__name__} has none of {names}")


def contents(clf, X, explained=()) -> dict[str, str]:
    """Hashes of all that a fit gave and of what it says of ``X``."""
    linear = _either(clf, "wide_", "linear_part_")
    blend = clf.blend_
    untimed = [
        {key: entry[key] for key in entry if key not in ("seconds", "tokens_per_second")}
        for entry in clf.history_
    ]
    parts = {
        "weights": [network.arrays() for network in clf.networks_],
        "ngrams": clf.ngrams_.pairs,
        "linear part": None
        if linear is None
        else [linear.ngrams.pairs, linear.weights, linear.bias],
        "blend": [blend.shares, blend.bias],
        "classes": [clf.classes_, clf.class_prior_],
        "history": [untimed, clf.n_iter_, clf.stopped_by_],
        "vocabulary": getattr(clf, "vocabulary_", None),
        "decision": clf.decision_function(X),
        "decision parts": clf.decision_parts(X),
        "probabilities": clf.predict_proba(X),
    }
    for method in METHODS if explained else ():
        parts[method] = [
            [e.tokens, e.offsets, e.contributions, e.baseline, e.logits, e.gap, e.passes]
            for e in clf.explain(list(explained), method=method)
        ]
    return {name: digest(part) for name, part in parts.items()}


# -- data ----------------------------------------------------------------------------


class Texts(NamedTuple):
    """Bundled reviews: to train on, those of them of two classes, and others to predict."""

    texts: list[str]
    labels: list[str]
    pair: list[str]
    pair_labels: list[str]
    test: list[str]
    test_labels: list[str]


@functools.cache
def reviews(n: int | None) -> Texts:
    """The first ``n`` reviews of either split, None: all."""
    train, test = (datasets.load_reviews(split=split) for split in ("train", "test"))
    texts, labels = train.texts[:n], train.labels[:n]
    rows = [row for row, label in enumerate(labels) if label != "neutral"]
    pair, pair_labels = [texts[row] for row in rows], [labels[row] for row in rows]
    return Texts(texts, labels, pair, pair_labels, test.texts[:n], test.labels[:n])


@functools.cache
def token_ids(n_documents=600, n_tokens=300, longest=60):
    """Documents of token ids that tell their class, padded with 0, and three classes."""
    rng = np.random.default_rng(7)
    y = rng.integers(0, 3, n_documents)
    X = rng.integers(2, n_tokens, (n_documents, longest))
    signal = rng.random(X.shape) < 0.1
    X[signal] = (2 + y[:, None] + np.zeros_like(X))[signal]
    lengths = rng.integers(0, longest + 1, n_documents)
    X[np.arange(longest) >= lengths[:, None]] = 0
    return X, y


def golden(path):
    """Token ids, labels and weights of a file of ``tests/golden``, and its network."""
    with np.load(path) as saved:
        lengths, ids = saved["lengths"], saved["ids"]
        X = np.zeros((len(lengths), lengths.max()), np.int64)
        X[np.arange(X.shape[1]) < lengths[:, None]] = ids
        size, width = saved["embedding.weight"].shape
        network = {
            "vocabulary_size": size, "embedding_dim": width,
            "hidden_size": saved["lstm.weight_hh_l0"].shape[1], "num_layers": 2,
        }  # fmt: skip
        return X, saved["y"], saved["weight"], network


# -- cases of "bits" -----------------------------------------------------------------


def text(**options):
    """A small text classifier, with everything on that is on by default."""
    small = {"embedding_dim": 24, "hidden_size": 20, "n_estimators": 2, "max_epochs": 3}
    return LSTMSentimentClassifier(**{**small, "random_state": 5, **options})


def plain(**options):
    """One network and nothing beside it."""
    alone = {"wide": None, "n_estimators": 1, "ngrams": 1, "word_vectors": None}
    return text(**{**alone, **options})


def ids(**options):
    """A small classifier of token ids."""
    small = {"embedding_dim": 24, "hidden_size": 20, "max_epochs": 3, "early_stopping": False}
    return LSTMClassifier(**{**small, "random_state": 5, **options})


def _random_vectors(texts):
    words = sorted({word for each in texts for word in each.lower().split()})
    rng = np.random.default_rng(3)
    return WordVectors(words, rng.normal(0, 0.3, (len(words), 24)))


def _skewed(labels):
    return np.where(np.array(labels) == labels[0], 2.5, 0.5) + np.arange(len(labels)) % 3


_FACTORS = {"negative": 1.0, "neutral": 0.25, "positive": 3.0}
_HALF = slice(None, None, 2), slice(1, None, 2)

# Name -> a fit to the reviews.
OF_TEXTS = {
    "two classes": lambda d: text().fit(d.pair, d.pair_labels),
    "no linear part": lambda d: plain().fit(d.texts, d.labels),
    "unlabelled": lambda d: text().fit(
        d.pair[_HALF[0]], d.pair_labels[_HALF[0]], X_unlabelled=d.texts
    ),
    "early stopping": lambda d: text(
        early_stopping=True, max_epochs=8, n_iter_no_change=1, average_decay=0
    ).fit(d.texts, d.labels, X_val=d.test, y_val=d.test_labels),
    "class weights": lambda d: text(class_weight=_FACTORS).fit(d.texts, d.labels),
    "sample weights": lambda d: text(class_weight="balanced").fit(
        d.texts, d.labels, sample_weight=_skewed(d.labels)
    ),
    "partial_fit twice": lambda d: text(class_weight=_FACTORS)
    .partial_fit(d.texts[_HALF[0]], d.labels[_HALF[0]], classes=sorted(_FACTORS))
    .partial_fit(d.texts[_HALF[1]], d.labels[_HALF[1]]),
    "partial_fit after fit": lambda d: text()
    .fit(d.texts[_HALF[0]], d.labels[_HALF[0]])
    .partial_fit(d.texts[_HALF[1]], d.labels[_HALF[1]]),
    "warm start": lambda d: text(warm_start=True)
    .fit(d.texts[_HALF[0]], d.labels[_HALF[0]])
    .fit(d.texts[_HALF[1]], d.labels[_HALF[1]]),
    "deep": lambda d: text(ngrams=3, segment_length=12, pooling="mean_max", num_layers=2).fit(
        d.texts, d.labels
    ),
    "word vectors": lambda d: text(word_vectors=_random_vectors(d.texts)).fit(d.texts, d.labels),
    "learned vectors": lambda d: text(
        word_vectors=WordVectors.learn(d.test, size=24, epochs=2)
    ).fit(d.texts, d.labels),
    "sgd": lambda d: text(
        optimizer="sgd", learning_rate=0.05, learning_rate_schedule="cosine"
    ).fit(d.texts, d.labels),
    "adamw": lambda d: text(
        optimizer="adamw", weight_decay=0.1, learning_rate_schedule="constant"
    ).fit(d.texts, d.labels),
    "characters": lambda d: plain(
        tokenizer="char", truncation="tail", max_length=20, min_df=2, max_features=300,
        lowercase=False,
    ).fit(d.texts, d.labels),
    "callable tokenizer": lambda d: text(tokenizer=str.split, missing="empty").fit(
        [None, *d.texts], ["neutral", *d.labels]
    ),
    "bfloat16": lambda d: text(precision="bfloat16").fit(d.texts, d.labels),
    "one thread": lambda d: text(n_jobs=1).fit(d.texts, d.labels),
    "two threads": lambda d: text(n_jobs=2).fit(d.texts, d.labels),
}  # fmt: skip

# Name -> a fit to token ids.
OF_IDS = {
    "ids": lambda X, y: ids().fit(X, y),
    "ids, last, one direction": lambda X, y: ids(
        pooling="last", bidirectional=False, num_layers=2
    ).fit(X, y),
    "ids, mean, early stopping": lambda X, y: ids(
        pooling="mean", early_stopping=True, max_epochs=8, n_iter_no_change=1
    ).fit(X, y),
    "ids, networks, calibrated": lambda X, y: ids(
        n_estimators=2, calibrate=True, ngrams=2, token_dropout=0.1, average_decay=0.9
    ).fit(X, y > 0),
    "ids, unlabelled": lambda X, y: ids(word_vectors="skipgram").fit(
        X[_HALF[0]], y[_HALF[0]], X_unlabelled=X[_HALF[1]]
    ),
    "ids, no dropout, one thread": lambda X, y: ids(
        dropout=0, embedding_dropout=0, max_grad_norm=None, n_jobs=1, hidden_size=33
    ).fit(X, y),
    "ids, no dropout, two threads": lambda X, y: ids(
        dropout=0, embedding_dropout=0, max_grad_norm=None, n_jobs=2, hidden_size=33
    ).fit(X, y),
    "ids, bfloat16": lambda X, y: ids(precision="bfloat16", num_layers=2).fit(X, y),
}

# Those whose explanations are compared, too.
EXPLAINED = ("demo", "two classes", "no linear part", "deep")


def cases(golden_folder) -> dict:
    """Names of all cases of "bits"."""
    files = sorted(path.stem for path in Path(golden_folder).glob("model_*.npz"))
    names = ["demo", "vectorizer", *OF_TEXTS, *OF_IDS, *(f"golden {name}" for name in files)]
    return {"cases": names}


def bits(case, golden_folder, backend, quick) -> dict:
    """Hashes of a case, by what they are of; or why this machine cannot do it."""
    try:
        return {"hashes": _bits(case, golden_folder, backend, quick)}
    except fastlstm.BackendError as error:
        return {"cannot": str(error)}
    except Exception:  # the other cases are worth knowing, too
        return {"failed": traceback.format_exc()}


def _bits(case, golden_folder, backend, quick):
    texts = reviews(_N_QUICK if quick else None if case == "demo" else _N_TEXTS)
    X = texts.test
    if case == "vectorizer":
        made = fastlstm.SequenceVectorizer(max_length=30).fit(texts.texts)
        return {"ids": digest(made.transform(X))}
    if case == "demo":
        few = {"max_epochs": 1} if quick else {}
        clf = LSTMSentimentClassifier(random_state=0, **few).fit(texts.texts, texts.labels)
    elif case in OF_TEXTS:
        clf = OF_TEXTS[case](texts)
    elif case in OF_IDS:
        X, y = token_ids()
        clf = OF_IDS[case](X, y)
    else:
        name = case.removeprefix("golden ")
        X, y, weight, network = golden(Path(golden_folder) / f"{name}.npz")
        clf = ids(**network, pooling=name.split("_")[1], batch_size=3)
        clf.fit(X, y, sample_weight=weight)
    if backend not in ("auto", clf.backend_):
        raise RuntimeError(f"backend {clf.backend_} ran, not {backend}: {clf.backend_reason_}")
    return contents(clf, X, FIXED_TEXTS if case in EXPLAINED else ())


# -- files ---------------------------------------------------------------------------


def _with_names(X, y):
    return ids().fit(X, np.array(["bad", "好", "so-so"])[y])


FILES = {
    "text": lambda d: text(n_estimators=3).fit(d.texts, d.labels),
    "text, int labels": lambda d: text().fit(d.pair, [len(each) % 2 for each in d.pair]),
    "text, bool labels": lambda d: text().fit(d.pair, [each[0] == "p" for each in d.pair_labels]),
    "text, no linear part": lambda d: plain(calibrate=False).fit(d.texts, d.labels),
    "text, calibrated": lambda d: plain(n_estimators=2).fit(d.texts, d.labels),
    "text, partial_fit": lambda d: text().partial_fit(d.texts, d.labels),
    "text, missing": lambda d: text(missing="empty", truncation="head", max_length=10).fit(
        [None, *d.texts], ["neutral", *d.labels]
    ),
    **{name: OF_TEXTS[name] for name in ("deep", "word vectors", "characters", "class weights")},
    "ids": lambda d: ids().fit(*token_ids()),
    "ids, str labels": lambda d: _with_names(*token_ids()),
    "ids, networks, calibrated": lambda d: OF_IDS["ids, networks, calibrated"](*token_ids()),
}  # fmt: skip


def _inputs(clf):
    """What a loaded model predicts: texts, or ids that the smallest vocabulary holds."""
    if isinstance(clf, LSTMSentimentClassifier):
        return list(FIXED_TEXTS)
    if not hasattr(clf, "n_features_in_"):
        from fastlstm import SequenceData

        steps = np.arange(36).reshape(6, 6)[:, : clf.model_.steps.n_features] % 5 - 2.0
        return SequenceData(features=[steps[: n + 1] for n in range(6)])
    return 1 + (np.arange(8)[:, None] * 3 + np.arange(clf.n_features_in_)) % 4


def write(folder, quick) -> dict:
    """Model files of each kind in ``folder``: path, and hash of what the fitted model predicts."""
    texts = reviews(_N_QUICK if quick else _N_TEXTS)
    written = {}
    for number, (name, make) in enumerate(FILES.items()):
        clf = make(texts)
        path = Path(folder) / f"{number}.fastlstm"
        clf.save(path)
        written[name] = [str(path), digest([clf.predict_proba(_inputs(clf)), clf.classes_])]
    return {"files": written}


def refused() -> dict:
    """What ``load`` says of a file that was cut short; None if it takes it."""
    clf = next(iter(FILES.values()))(reviews(_N_QUICK))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "short.fastlstm"
        clf.save(path)
        path.write_bytes(path.read_bytes()[:-1])
        try:
            fastlstm.load(path)
        except Exception as error:
            return {"says": f"{type(error).__name__}: {error}".replace(folder, "")}
    return {"says": None}


def read(path) -> dict:
    """Hashes of what a model file predicts in either way, and of the file written anew.

    ``Predictor`` is for text alone.
    """
    try:
        clf = fastlstm.load(path)
        X = _inputs(clf)
        found = {"load": digest([clf.predict_proba(X), clf.classes_])}
        with tempfile.TemporaryDirectory() as folder:
            clf.save(Path(folder) / "anew.fastlstm")
            anew = (Path(folder) / "anew.fastlstm").read_bytes()
        if isinstance(clf, LSTMSentimentClassifier):
            lean = fastlstm.Predictor(path, backend=clf.backend)
            found["Predictor"] = digest([lean.predict_proba(X), lean.classes_])
        return {"hashes": found, "anew": hashlib.sha256(anew).hexdigest()}
    except Exception:
        return {"failed": traceback.format_exc()}


# -- speed ---------------------------------------------------------------------------


class Training:
    """A short fit, from ids in a file; its first epoch is not counted."""

    def __init__(self, path, options):
        with np.load(path) as saved:
            self.X, self.y = saved["X"], saved["y"]
        self.options = options

    def run(self) -> dict[str, float]:
        started = time.perf_counter()
        clf = LSTMClassifier(**self.options).fit(self.X, self.y)
        fitted = time.perf_counter()
        clf.predict_proba(self.X)
        done = time.perf_counter()
        epoch = statistics.mean(entry["seconds"] for entry in clf.history_[1:])
        return {"epoch": epoch, "fit": fitted - started, "predict": done - fitted}


class Demo:
    """The fit of ``fastlstm demo``."""

    def __init__(self, options, quick):
        self.options, self.data = options, reviews(_N_QUICK if quick else None)

    def run(self) -> dict[str, float]:
        started = time.perf_counter()
        clf = LSTMSentimentClassifier(**self.options).fit(self.data.texts, self.data.labels)
        fitted = time.perf_counter()
        clf.predict_proba(self.data.test)
        return {"fit": fitted - started, "predict": time.perf_counter() - fitted}


class OneDocument:
    """Calls with one text each, of a saved model."""

    def __init__(self, path, texts, threads, calls):
        self.predictor = fastlstm.Predictor(path, n_jobs=threads)
        self.texts, self.calls = texts, calls
        self.run()

    def run(self) -> dict[str, float]:
        """Median seconds of a call, by length."""
        medians = {}
        for length, texts in self.texts.items():
            seconds = []
            for number in range(self.calls):
                started = time.perf_counter()
                self.predictor.predict_proba([texts[number % len(texts)]])
                seconds.append(time.perf_counter() - started)
            medians[length] = statistics.median(seconds)
        return medians


JOBS = {job.__name__: job for job in (Training, Demo, OneDocument)}


def save(path, options, texts=None, labels=None) -> dict:
    """A model file for the other jobs; without texts one of the bundled reviews, and words."""
    data = reviews(None)
    clf = LSTMSentimentClassifier(**options).fit(texts or data.texts, labels or data.labels)
    clf.save(path)
    return {"words": " ".join(datasets.load_reviews("en", "test").texts).split()}


# -- answers -------------------------------------------------------------------------


def about() -> dict:
    """Versions, and a hash of the package's sources that tells two installs apart."""
    folder = Path(fastlstm.__file__).parent
    sources = {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*.py")}
    return {
        "versions": versions(),
        "sources_sha256": digest(sources),
        "lines_of_python": sum(text.count(b"\n") for text in sources.values()),
    }


def prepare(job, **options) -> dict:
    """Make the job that "run" repeats."""
    global _job
    _job = JOBS[job](**options)
    return {}


def run() -> dict:
    """Seconds of what the job measures."""
    return {"seconds": _job.run()}


_job = None
COMMANDS = {
    each.__name__: each for each in (about, cases, bits, write, refused, read, save, prepare, run)
}


def main():
    # Libraries print to standard output, too: answers get a descriptor of their own.
    lines = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    for line in sys.stdin:
        command = json.loads(line)
        if command["do"] == "quit":
            break
        try:
            result = COMMANDS[command.pop("do")](**command)
        except Exception:
            result = {"error": traceback.format_exc()}
        lines.write(json.dumps(result) + "\n")
        lines.flush()


if __name__ == "__main__":
    main()
