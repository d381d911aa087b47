"""The bundled reviews, and the IMDB archive against a small one of the same layout."""

import functools
import hashlib
import io
import re
import sys
import tarfile
import threading
from collections import Counter
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from fastlstm import datasets
from fastlstm.core.errors import DownloadError
from fastlstm.datasets import fetch_imdb, load_reviews

# --- bundled reviews ---------------------------------------------------------------


def han_share(text):
    letters = [c for c in text if c.isalpha()]
    return sum("\u4e00" <= c <= "\u9fff" for c in letters) / max(len(letters), 1)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_reviews_of_a_language(language):
    reviews = load_reviews(language)
    assert set(reviews.languages) == {language}
    assert len(reviews.texts) >= 300
    assert set(Counter(reviews.labels).values()) == {len(reviews.texts) // 3}
    assert set(reviews.labels) == {"negative", "neutral", "positive"}
    shares = [han_share(text) for text in reviews.texts]
    assert min(shares) > 0.4 if language == "zh" else max(shares) == 0
    assert all(field.strip() for field in reviews.texts + reviews.domains)


def test_no_review_is_on_both_sides_or_there_twice():
    reviews = load_reviews()
    same = [re.sub(r"\W", "", text).casefold() for text in reviews.texts]
    assert len(set(same)) == len(same)
    assert sorted(load_reviews(split="train").texts + load_reviews(split="test").texts) == sorted(
        reviews.texts
    )


def test_every_fourth_review_of_a_class_in_a_file_is_for_testing():
    reviews = load_reviews()
    for name in ("en_a", "en_b", "zh_a", "zh_b"):
        file = Path(datasets.__file__).parent / "reviews" / f"{name}.tsv"
        records = [line.split("\t") for line in file.read_text(encoding="utf-8").splitlines()[1:]]
        for label in ("negative", "neutral", "positive"):
            texts = [text for text, its_label, _ in records if its_label == label]
            splits = [reviews.splits[reviews.texts.index(text)] for text in texts]
            assert splits[:8] == ["train", "train", "train", "test"] * 2
            assert splits.count("test") == len(texts) // 4


def test_files_take_turns_and_fields_stay_together():
    reviews = load_reviews()
    assert reviews.languages[:16] == ([*["en"] * 4, *["zh"] * 4]) * 2
    everything = list(zip(*reviews, strict=True))
    for language in ("en", "zh"):
        for split in ("train", "test"):
            part = list(zip(*load_reviews(language, split), strict=True))
            assert part == [row for row in everything if row[2] == language and row[4] == split]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"language": "de"}, "language must be None or one of 'en', 'zh', got 'de'"),
        ({"split": "dev"}, "split must be None or one of 'train', 'test', got 'dev'"),
    ],
)
def test_unknown_choices(arguments, message):
    with pytest.raises(ValueError, match=message):
        load_reviews(**arguments)


# --- IMDB --------------------------------------------------------------------------

MEMBERS = {
    "aclImdb/test/pos/0_9.txt": "fine",
    "aclImdb/test/neg/0_2.txt": "dull",
    "aclImdb/train/pos/1_8.txt": "Très bien<br />indeed",
    "aclImdb/train/pos/0_10.txt": "superb\nreally",
    "aclImdb/train/neg/0_1.txt": "awful",
    "aclImdb/train/unsup/0_0.txt": "who knows",
    "aclImdb/train/pos/labels.csv": "not a review",
    "aclImdb/train/pos/sub/0_1.txt": "not a review",
    "aclImdb/test/unsure/0_1.txt": "not a review",
    "aclImdb/README": "not a review",
    "other/aclImdb/train/pos/2_8.txt": "not a review",
}


def archive_bytes():
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, text in MEMBERS.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
        link = tarfile.TarInfo("aclImdb/train/pos/9_9.txt")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/hostname"
        archive.addfile(link)
    return buffer.getvalue()


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        self.server.requests.append(self.path)


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    """A server with a small archive, which passes for the published one."""
    content = archive_bytes()
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / "imdb.tar.gz").write_bytes(content)
    monkeypatch.setattr(datasets, "_IMDB_SIZE", len(content))
    monkeypatch.setattr(datasets, "_IMDB_CHECKSUM", ("sha256", hashlib.sha256(content).hexdigest()))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    handler = functools.partial(QuietHandler, directory=folder)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.requests = []
    server.url = f"http://127.0.0.1:{server.server_port}/imdb.tar.gz"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def test_fetches_once_and_reads_each_split(mirror, tmp_path):
    def fetch(split):
        return fetch_imdb(split, data_home=tmp_path / "home", url=mirror.url)

    negative, positive = "negative", "positive"
    train = ["awful", "superb\nreally", "Très bien<br />indeed"]
    assert fetch("train") == (train, [negative, positive, positive])
    assert fetch("test") == (["dull", "fine"], [negative, positive])
    assert fetch("unsup") == (["who knows"], None)
    assert fetch(None).texts == [*train, "dull", "fine"]
    assert fetch(None).labels == [negative, positive, positive, negative, positive]
    assert len(mirror.requests) == 1
    assert [p.name for p in (tmp_path / "home").rglob("*")] == ["aclImdb_v1.tar.gz"]


def test_without_the_network(mirror, tmp_path):
    with pytest.raises(DownloadError, match=f"fetch {mirror.url} by hand.*put it there"):
        fetch_imdb(data_home=tmp_path, url=mirror.url, download_if_missing=False)
    assert mirror.requests == []
    (tmp_path / "aclImdb_v1.tar.gz").write_bytes(archive_bytes()[:-1])
    with pytest.raises(DownloadError, match="not the published file"):
        fetch_imdb(data_home=tmp_path, url=mirror.url, download_if_missing=False)


def test_the_published_archive_is_asked_for_by_default(tmp_path):
    with pytest.raises(
        DownloadError, match="https://ai.stanford.edu/~amaas/data/sentiment/aclImdb"
    ):
        fetch_imdb(data_home=tmp_path, download_if_missing=False)


def test_unknown_split(tmp_path):
    with pytest.raises(ValueError, match="'train', 'test', 'unsup', got 'dev'"):
        fetch_imdb("dev", data_home=tmp_path)


@pytest.mark.parametrize(
    ("platform", "variables", "expected"),
    [
        ("linux", {"FASTLSTM_DATA": "~/data", "XDG_CACHE_HOME": "/x"}, "~/data"),
        ("linux", {"XDG_CACHE_HOME": "/x"}, "/x/fastlstm"),
        ("linux", {}, "~/.cache/fastlstm"),
        ("darwin", {"XDG_CACHE_HOME": "/x"}, "~/Library/Caches/fastlstm"),
        ("win32", {"LOCALAPPDATA": "/local"}, "/local/fastlstm"),
        ("win32", {}, "~/AppData/Local/fastlstm"),
    ],
)
def test_cache_folder(monkeypatch, platform, variables, expected):
    monkeypatch.setattr(sys, "platform", platform)
    for name in ("FASTLSTM_DATA", "FASTLSTM_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    expected = Path(expected).expanduser() / "aclImdb_v1.tar.gz"
    with pytest.raises(DownloadError, match=f"^{re.escape(str(expected))} does not exist"):
        fetch_imdb(download_if_missing=False)


def test_download_shows_its_progress_on_standard_error(mirror, tmp_path, monkeypatch, capsys):
    calls = []
    real = datasets.download

    def listening(*arguments, progress, **options):
        def both(done, total):
            calls.append((done, total))
            progress(done, total)

        return real(*arguments, progress=both, **options)

    monkeypatch.setattr(datasets, "download", listening)
    fetch_imdb("test", data_home=tmp_path, url=mirror.url)
    assert calls[-1] == (datasets._IMDB_SIZE, datasets._IMDB_SIZE)
    assert capsys.readouterr().out == ""
