"""TF-IDF + logistic regression, from text to predictions, as ``fastlstm train`` runs it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from peers import UnavailableError


class Reviews(NamedTuple):
    """Texts, their labels, and how many words they have in all."""

    texts: list[str]
    labels: list[str]
    n_words: int


def review_files(documents: int = 0) -> tuple[Reviews, Reviews]:
    """Training and test documents of ``$FASTLSTM_REVIEW_SETS/imdb``.

    Parameters
    ----------
    documents : int
        Take so many of each, evenly spread; 0 takes all.

    Raises
    ------
    UnavailableError
        Where the variable is not set or the folder lacks the files.
    """
    root = os.environ.get("FASTLSTM_REVIEW_SETS")
    if not root:
        raise UnavailableError("FASTLSTM_REVIEW_SETS is not set")
    found = []
    for split in ("train", "test"):
        path = Path(root) / "imdb" / f"{split}.tsv.gz"
        if not path.exists():
            raise UnavailableError(f"{path.name} is missing in the folder imdb")
        found.append(_read(path, documents))
    return tuple(found)


def _read(path, documents):
    from fastlstm.data.tables import read_table

    table = read_table(path)
    step = max(1, len(table.texts) // documents) if documents else 1
    texts, labels = list(table.texts)[::step], list(table.labels)[::step]
    return Reviews(texts, labels, sum(len(text.split()) for text in texts))


class Peer:
    """Fits on the training documents and scores the test documents."""

    def __init__(self, case, data, library, threads):
        self.case = case

    def prepare(self) -> dict:
        self.train, self.test = review_files(self.case.documents)
        return {}

    def run(self) -> dict:
        from fastlstm.estimator.baselines import tfidf_baseline

        train, test = self.train, self.test
        score = tfidf_baseline(train.texts, train.labels, test.texts, test.labels)
        return {"tokens": train.n_words + test.n_words, "accuracy": score.accuracy}
