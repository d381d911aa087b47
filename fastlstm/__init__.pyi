from fastlstm import datasets, explain, export, memory
from fastlstm.core.errors import (
    BackendError,
    DownloadError,
    InterruptedFitWarning,
    ModelFormatError,
    NonFiniteLossWarning,
    SideColumnWarning,
    TruncationWarning,
    VocabularyWarning,
)
from fastlstm.estimator import (
    LSTMClassifier,
    LSTMSentimentClassifier,
    SequenceVectorizer,
    load,
)
from fastlstm.estimator.sequences import SequenceData
from fastlstm.estimator.tuning import tune
from fastlstm.plotting import ExplanationDisplay, LearningHistoryDisplay, MemoryDisplay
from fastlstm.predictor import Predictor
from fastlstm.privacy import Privacy
from fastlstm.training.warmup import warmup
from fastlstm.vectors.given import WordVectors

__version__: str

__all__ = [
    "BackendError",
    "DownloadError",
    "ExplanationDisplay",
    "InterruptedFitWarning",
    "LSTMClassifier",
    "LSTMSentimentClassifier",
    "LearningHistoryDisplay",
    "MemoryDisplay",
    "ModelFormatError",
    "NonFiniteLossWarning",
    "Predictor",
    "Privacy",
    "SequenceData",
    "SequenceVectorizer",
    "SideColumnWarning",
    "TruncationWarning",
    "VocabularyWarning",
    "WordVectors",
    "__version__",
    "datasets",
    "explain",
    "export",
    "load",
    "memory",
    "tune",
    "warmup",
]
