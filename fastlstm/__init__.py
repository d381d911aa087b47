"""LSTM text classification on CPUs behind a scikit-learn estimator.

Importing the package imports nothing heavy and compiles nothing: public names
are loaded when they are first used (PEP 562). ``__init__.pyi`` tells them to type checkers.
"""

from importlib import import_module as _import_module

__version__ = "0.1.0"

_PUBLIC = {
    "LSTMClassifier": "fastlstm.estimator",
    "LSTMSentimentClassifier": "fastlstm.estimator",
    "SequenceData": "fastlstm.estimator.sequences",
    "SequenceVectorizer": "fastlstm.estimator",
    "Predictor": "fastlstm.predictor",
    "Privacy": "fastlstm.privacy",
    "WordVectors": "fastlstm.vectors.given",
    "LearningHistoryDisplay": "fastlstm.plotting",
    "MemoryDisplay": "fastlstm.plotting",
    "ExplanationDisplay": "fastlstm.plotting",
    "load": "fastlstm.estimator",
    "tune": "fastlstm.estimator.tuning",
    "warmup": "fastlstm.training.warmup",
    "datasets": "fastlstm.datasets",
    "explain": "fastlstm.explain",
    "export": "fastlstm.export",
    "memory": "fastlstm.memory",
    "BackendError": "fastlstm.core.errors",
    "DownloadError": "fastlstm.core.errors",
    "InterruptedFitWarning": "fastlstm.core.errors",
    "ModelFormatError": "fastlstm.core.errors",
    "NonFiniteLossWarning": "fastlstm.core.errors",
    "SideColumnWarning": "fastlstm.core.errors",
    "TruncationWarning": "fastlstm.core.errors",
    "VocabularyWarning": "fastlstm.core.errors",
}

__all__ = ["__version__", *_PUBLIC]


def __getattr__(name):
    if name not in _PUBLIC:
        raise AttributeError(f"module 'fastlstm' has no attribute {name!r}")
    module = _import_module(_PUBLIC[name])
    value = module if module.__name__ == f"fastlstm.{name}" else getattr(module, name)
    globals()[name] = value
    return value


def __dir__():
    return sorted(__all__)
