"""Data sets: the bundled reviews, and the IMDB archive fetched on request."""

from __future__ import annotations

import os
import re
import tarfile
from collections import Counter
from importlib import resources
from pathlib import Path
from typing import NamedTuple

from fastlstm.core.errors import DownloadError
from fastlstm.core.paths import user_cache_dir
from fastlstm.core.progress import download_bar
from fastlstm.core.shown import as_html, isolated
from fastlstm.datasets.http import download

__all__ = ["Imdb", "Reviews", "fetch_imdb", "load_reviews"]

_REVIEW_FILES = {
    language: tuple(f"{language}_{part}.tsv" for part in "abcd") for language in ("en", "zh")
}
_REVIEW_HEADER = "text\tlabel\tdomain"
_TEST_EVERY = 4

_IMDB_URL = "https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz"
# Size and SHA-256 as recorded by TensorFlow Datasets (imdb_reviews/checksums.tsv).
_IMDB_SIZE = 84_125_825
_IMDB_CHECKSUM = ("sha256", "c40f74a18d3b61f90feba1e17730e0d38e8b97c05fde7008942e91923d1658fe")
_IMDB_MEMBER = re.compile(r"aclImdb/(train|test)/(pos|neg|unsup)/[^/]+\.txt")
_IMDB_LABELS = {"neg": "negative", "pos": "positive"}


class Reviews(NamedTuple):
    """Short reviews; all fields are lists of str of one length.

    Attributes
    ----------
    texts : list of str
        The reviews.
    labels : list of str
        "negative", "neutral" or "positive".
    languages : list of str
        "en" or "zh".
    domains : list of str
        What is reviewed.
    splits : list of str
        "train" or "test".
    """

    texts: list[str]
    labels: list[str]
    languages: list[str]
    domains: list[str]
    splits: list[str]

    def __repr__(self) -> str:
        return _summary(self)

    def _repr_html_(self) -> str:
        return _as_table(self)


class Imdb(NamedTuple):
    """Film reviews as published, HTML line breaks included.

    Attributes
    ----------
    texts : list of str
        The reviews, ordered by the names of their files: negative ones first.
    labels : list of str, or None
        "negative" or "positive"; None for the unlabelled reviews.
    """

    texts: list[str]
    labels: list[str] | None

    def __repr__(self) -> str:
        return _summary(self)

    def _repr_html_(self) -> str:
        return _as_table(self)


# Rows that a notebook shows of a data set.
_N_SHOWN = 5


def _summary(data: Reviews | Imdb) -> str:
    """One line: how many texts, how many of each label, and what else there is."""
    counts = Counter(data.labels or [])
    labels = ", ".join(f"{count:,} {label}" for label, count in sorted(counts.items()))
    return (
        f"<{type(data).__name__} of {len(data.texts):,} texts ({labels or 'no labels'}); "
        f"fields: {', '.join(data._fields)}>"
    )


def _as_table(data: Reviews | Imdb) -> str:
    """The same above the first rows, as HTML."""
    columns = {name: values for name, values in data._asdict().items() if values is not None}
    head = "".join(f"<th>{name}</th>" for name in columns)
    rows = zip(*(values[:_N_SHOWN] for values in columns.values()), strict=True)
    body = "".join(f"<tr>{''.join(f'<td>{isolated(v)}</td>' for v in row)}</tr>" for row in rows)
    return f"<p>{as_html(_summary(data))}</p><table><tr>{head}</tr>{body}</table>"


def load_reviews(language: str | None = None, split: str | None = None) -> Reviews:
    """Load the reviews that come with the package.

    They were written for demonstrations and tests, with the three classes equally
    frequent. Accuracy on them says nothing about other data. In each file, every
    fourth review of a class is in the test split. The order is always the same.

    Parameters
    ----------
    language : {None, "en", "zh"}
        None gives both, taking turns.
    split : {None, "train", "test"}
        None gives both.

    Returns
    -------
    Reviews
        Texts, labels, languages, domains and splits.

    Raises
    ------
    ValueError
        If ``language`` or ``split`` is not one of the above.
    """
    _check_choice("language", language, tuple(_REVIEW_FILES))
    _check_choice("split", split, ("train", "test"))
    files = [
        _read_reviews(name, code)
        for code, names in _REVIEW_FILES.items()
        if language in (None, code)
        for name in names
    ]
    turns = zip(*files, strict=True)
    rows = [row for turn in turns for row in turn if split in (None, row[-1])]
    return Reviews(*(list(field) for field in zip(*rows, strict=True)))


def _check_choice(parameter, value, choices):
    if value is not None and value not in choices:
        allowed = ", ".join(repr(choice) for choice in choices)
        raise ValueError(f"{parameter} must be None or one of {allowed}, got {value!r}")


def _read_reviews(name, language):
    """Rows (text, label, language, domain, split) of one bundled file."""
    source = resources.files("fastlstm.datasets").joinpath("reviews", name)
    header, *lines = source.read_text(encoding="utf-8").rstrip("\n").split("\n")
    if header != _REVIEW_HEADER:
        raise ValueError(f"{name}: the header is {header!r}, expected {_REVIEW_HEADER!r}")
    rows = []
    seen = Counter()
    for line in lines:
        text, label, domain = line.split("\t")
        test = seen[label] % _TEST_EVERY == _TEST_EVERY - 1
        seen[label] += 1
        rows.append((text, label, language, domain, "test" if test else "train"))
    return rows


def fetch_imdb(
    split: str | None = None,
    *,
    data_home: str | os.PathLike | None = None,
    download_if_missing: bool = True,
    timeout: float = 30.0,
    url: str | None = None,
    verbose: bool = True,
) -> Imdb:
    """Load the Large Movie Review data set, fetching it (84 MB) the first time.

    The archive stays as it is in the cache folder, and texts are read from it
    without unpacking it.

    Parameters
    ----------
    split : {None, "train", "test", "unsup"}
        25,000 labelled reviews each for "train" and "test", 50,000 unlabelled ones
        for "unsup". None gives train followed by test.
    data_home : path-like, optional
        Cache folder. Without it, the environment variable ``FASTLSTM_DATA``, or
        else ``fastlstm`` in the user's cache folder.
    download_if_missing : bool
        If False, raise instead of using the network.
    timeout : float
        Seconds to wait for the server.
    url : str, optional
        A mirror. Its file must be the published one, byte for byte.
    verbose : bool
        Show a progress bar on standard error while downloading.

    Returns
    -------
    Imdb
        Texts and labels.

    Raises
    ------
    DownloadError
        If the archive cannot be fetched or is not the published one. The message
        says how to put it in place by hand.
    ValueError
        If ``split`` is not one of the above.

    References
    ----------
    Maas et al. (2011). Learning word vectors for sentiment analysis. ACL.
    """
    _check_choice("split", split, ("train", "test", "unsup"))
    url = _IMDB_URL if url is None else url
    path = _data_home(data_home) / "aclImdb_v1.tar.gz"
    if not download_if_missing and not path.exists():
        raise DownloadError(
            f"{path} does not exist. Pass download_if_missing=True, or fetch {url} by hand and "
            "put it there"
        )
    with download_bar(verbose and not path.exists()) as show:
        download(
            url, path, checksum=_IMDB_CHECKSUM, size=_IMDB_SIZE, timeout=timeout, progress=show
        )
    folders = {
        None: ("train/neg", "train/pos", "test/neg", "test/pos"),
        "train": ("train/neg", "train/pos"),
        "test": ("test/neg", "test/pos"),
        "unsup": ("train/unsup",),
    }[split]
    texts, labels = [], []
    for folder, documents in _read_imdb(path, folders).items():
        texts += documents
        labels += [_IMDB_LABELS.get(folder.partition("/")[2], "")] * len(documents)
    return Imdb(texts, None if split == "unsup" else labels)


def _read_imdb(path, folders):
    """Texts of each folder such as "train/neg", sorted by file name."""
    found = {folder: {} for folder in folders}
    with tarfile.open(path, "r:gz") as archive:
        for member in archive:
            match = _IMDB_MEMBER.fullmatch(member.name)
            if match is None or not member.isreg():
                continue
            folder = f"{match[1]}/{match[2]}"
            if folder in found:
                content = archive.extractfile(member).read()
                found[folder][member.name] = content.decode("utf-8")
    return {folder: [texts[name] for name in sorted(texts)] for folder, texts in found.items()}


def _data_home(folder):
    """The folder for fetched files: as given, from the environment, or the user's cache."""
    folder = folder or os.environ.get("FASTLSTM_DATA")
    return Path(folder).expanduser() if folder else user_cache_dir()
