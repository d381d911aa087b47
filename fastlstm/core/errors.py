"""Exceptions and warnings that users may want to catch by name."""


class ModelFormatError(ValueError):
    """A model file is damaged, inconsistent, or of an unknown version."""


class DownloadError(OSError):
    """A data set could not be fetched; the message says what to do instead."""


class BackendError(RuntimeError):
    """The requested kernel backend cannot run on this machine."""


class TruncationWarning(UserWarning):
    """Some documents were longer than ``max_length`` and lost tokens."""


class InterruptedFitWarning(UserWarning):
    """Ctrl-C ended ``fit``, which keeps what was trained by then; the message says what."""


class VocabularyWarning(UserWarning):
    """The vocabulary may lack tokens of documents to come, or hold some that never occur."""


class SideColumnWarning(UserWarning):
    """A column beside the text tells nothing, or gives the label away."""


class NonFiniteLossWarning(RuntimeWarning):
    """Training met a NaN or infinite loss and stopped at the last good weights."""
