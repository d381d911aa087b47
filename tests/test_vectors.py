"""Word vectors: learned, read from files that other tools write, and used by an estimator."""

from __future__ import annotations

import copy
import gzip
from types import SimpleNamespace

import numpy as np
import pytest

import fastlstm
from fastlstm import LSTMClassifier, LSTMSentimentClassifier, WordVectors
from fastlstm.vectors.given import Coverage

TOKENS = ["good", "bad", "好", "of the"]
ROWS = np.array([[1.5, -2.25, 1e-7], [0.1, 3e10, -0.0], [1 / 3, 2, 3], [4, 5, 6]], np.float32)
TEXTS = ["a good film", "a bad film", "fine plot 好", "dull plot"] * 6
LABELS = ["pos", "neg", "pos", "neg"] * 6
SMALL = {"hidden_size": 3, "n_estimators": 1, "wide": None, "max_epochs": 1, "random_state": 0}


@pytest.fixture
def vectors():
    return WordVectors(TOKENS, ROWS)


def same(one, other):
    return one.tokens == other.tokens and np.array_equal(one.vectors, other.vectors)


@pytest.mark.parametrize("name", ["v.npz", "v.vec", "v.txt"])
def test_files_keep_every_bit(tmp_path, name):
    vectors = WordVectors(TOKENS[:3], ROWS[:3])
    vectors.save(tmp_path / name)
    assert same(WordVectors.load(tmp_path / name), vectors)
    part = WordVectors.load(tmp_path / name, tokens={"好", "bad", "other"})
    assert part.tokens == ["bad", "好"]
    assert np.array_equal(part["好"], ROWS[2])


FILES = {
    "fasttext.vec": "2 3\ngood 1 2 3 \nbad 0.5 -1e-2 4 \n",
    "glove.txt": "good 1 2 3\nbad 0.5 -1e-2 4\n",
    "windows.txt": "good 1 2 3\r\nbad 0.5 -1e-2 4\r\n",
    "no_end.txt": "good 1 2 3\nbad 0.5 -1e-2 4",
    "twice.txt": "good 1 2 3\nbad 0.5 -1e-2 4\ngood 7 8 9\n",
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("packed", [False, True])
def test_text_files_of_other_tools(tmp_path, name, packed):
    path = tmp_path / (name + ".gz" * packed)
    content = FILES[name].encode()
    path.write_bytes(gzip.compress(content) if packed else content)
    found = WordVectors.load(path)
    assert found.tokens == ["good", "bad"]
    assert found.vectors.tolist() == np.float32([[1, 2, 3], [0.5, -1e-2, 4]]).tolist()


def test_a_token_may_hold_spaces(tmp_path):
    path = tmp_path / "v.txt"
    path.write_text("of 1 2\n. . . 3 4\n", encoding="utf-8")
    path.write_text("2 2\nof 1 2\n. . . 3 4\n", encoding="utf-8")
    found = WordVectors.load(path)
    assert found.tokens == ["of", ". . ."]
    assert found[". . ."].tolist() == [3, 4]


@pytest.mark.parametrize(
    ("name", "content", "match"),
    [
        ("a.vec", "2 3\ngood 1 2 3\nbad 1 2\n", "line 3 has 3 fields, not a token and 3 numbers"),
        ("a.txt", "good 1 2\nbad 1 x\n", "line 2: could not convert"),
        ("a.txt", "good\n", "line 1 has 1 fields"),
        ("a.txt", "good 1 nan\n", "the vector of 'good' holds NaN"),
        ("a.bin", "", "the suffix is not .vec"),
    ],
)
def test_other_files_are_refused(tmp_path, name, content, match):
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match=match) as caught:
        WordVectors.load(path)
    assert str(path) in str(caught.value)


def test_other_archives_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", tokens=["good"])
    with pytest.raises(ValueError, match='no array "vectors"'):
        WordVectors.load(tmp_path / "a.npz")
    np.savez(tmp_path / "a.npz", tokens=["good"], vectors=np.ones((2, 3)))
    with pytest.raises(ValueError, match="one row for each token"):
        WordVectors.load(tmp_path / "a.npz")


@pytest.mark.parametrize(
    ("tokens", "rows", "match"),
    [
        (["a"], [1.0], "shape"),
        (["a", "a"], [[1.0], [2.0]], "'a' occurs twice"),
        (["a"], [[np.inf]], "'a' holds NaN or infinite"),
    ],
)
def test_vectors_are_checked(tokens, rows, match):
    with pytest.raises(ValueError, match=match):
        WordVectors(tokens, rows)


def test_saving_refuses_what_text_cannot_hold(vectors, tmp_path):
    with pytest.raises(ValueError, match="'of the' holds white space; save to a .npz"):
        vectors.save(tmp_path / "v.vec")
    assert not (tmp_path / "v.vec").exists()
    with pytest.raises(ValueError, match="suffix"):
        vectors.save(tmp_path / "v.bin")


def test_a_mapping(vectors):
    assert len(vectors) == 4 and vectors.width == 3
    assert "bad" in vectors and "worse" not in vectors
    assert copy.deepcopy(vectors) is vectors
    near = WordVectors(["a", "b", "c"], [[1, 0], [2, 0.1], [0, 1]])
    (first, cosine), (second, _) = near.most_similar("a")
    assert (first, second) == ("b", "c")
    assert cosine == pytest.approx(2 / np.hypot(2, 0.1))
    with pytest.raises(KeyError):
        near.most_similar("d")


def test_coverage(vectors):
    rows, found, coverage = vectors.table(["<pad>", "good", "rare", "often"], [0, 4, 1, 5])
    assert rows[1].tolist() == ROWS[0].tolist() and not rows[[0, 2, 3]].any()
    assert found.tolist() == [False, True, False, False]
    assert coverage == Coverage(4, 1, 0.4, ["often", "rare"])
    assert "1 of 4 tokens have a vector, 40.0% of the text" in str(coverage)
    assert "'often', 'rare'" in str(coverage)


def test_learned_vectors_know_what_stands_together():
    """Words of two groups that share no text."""
    rng = np.random.default_rng(0)
    groups = [[f"a{i}" for i in range(8)], [f"b{i}" for i in range(8)]]
    texts = [" ".join(rng.choice(groups[i % 2], 12)) for i in range(600)]
    texts.append("rare")
    options = {"size": 16, "epochs": 8, "subsample": 1e-2}
    found = WordVectors.learn(texts, **options)
    assert sorted(found.tokens) == sorted(groups[0] + groups[1])  # what occurs twice
    for token in found.tokens:
        near = [other for other, _ in found.most_similar(token, 5)]
        assert all(other[0] == token[0] for other in near), token
    assert same(WordVectors.learn(texts, **options), found)
    assert not same(WordVectors.learn(texts, **options, random_state=1), found)
    assert len(WordVectors.learn(texts, **options, max_features=3)) == 3
    with pytest.raises(ValueError, match="min_count=1000000"):
        WordVectors.learn(texts, min_count=1_000_000)


SOURCES = {
    "vectors": lambda vectors, path: vectors,
    "path": lambda vectors, path: path,
    "string": lambda vectors, path: str(path),
    "gensim": lambda vectors, path: SimpleNamespace(
        index_to_key=vectors.tokens, vectors=vectors.vectors, get_vector=vectors.__getitem__
    ),
}


@pytest.mark.parametrize("kind", SOURCES)
def test_an_estimator_begins_with_given_vectors(tmp_path, kind):
    rng = np.random.default_rng(0)
    vectors = WordVectors(["good", "bad", "好", "unread"], rng.normal(size=(4, 5)) * 7)
    vectors.save(tmp_path / "v.npz")
    source = SOURCES[kind](vectors, tmp_path / "v.npz")
    clf = LSTMSentimentClassifier(
        **SMALL, embedding_dim=5, word_vectors=source, learning_rate=1e-30, ngrams=1
    ).fit(TEXTS, LABELS)
    table, ids = clf.networks_[0].embedding, clf.vocabulary_
    given = np.stack([vectors[token] for token in ("good", "bad", "好")])
    own = table[[ids["good"], ids["bad"], ids["好"]]]
    assert own == pytest.approx(given * (0.1 / given.std()), rel=1e-4)
    assert table[ids["film"]].any()
    coverage = clf.vector_coverage_
    assert coverage.n_found == 3
    assert coverage.missing[:3] == ["a", "film", "plot"]
    assert coverage.share_of_text == pytest.approx(18 / 66)
    clf.save(tmp_path / "model.fastlstm")
    loaded = fastlstm.load(tmp_path / "model.fastlstm")
    assert np.array_equal(loaded.predict_proba(TEXTS), clf.predict_proba(TEXTS))
    assert loaded.word_vectors == (str(source) if kind in ("path", "string") else None)


def test_mistakes_with_given_vectors(tmp_path, vectors):
    clf = LSTMSentimentClassifier(**SMALL, word_vectors=vectors)
    with pytest.raises(ValueError, match="have 3 numbers each.*Set embedding_dim=3"):
        clf.fit(TEXTS, LABELS)
    with pytest.raises(ValueError, match="word_vectors='skipgrams' is neither"):
        clf.set_params(word_vectors="skipgrams").fit(TEXTS, LABELS)
    with pytest.raises(TypeError, match="type object|SimpleNamespace"):
        WordVectors.of(SimpleNamespace())
    ids = LSTMClassifier(word_vectors=vectors, embedding_dim=3)
    with pytest.raises(ValueError, match="X holds token ids. Use LSTMSentimentClassifier"):
        ids.fit([[2, 3], [3, 2]] * 5, [0, 1] * 5)


def test_progress_shows_the_coverage(vectors, capsys):
    clf = LSTMSentimentClassifier(**SMALL, word_vectors=vectors, embedding_dim=3, verbose=1)
    clf.fit(TEXTS, LABELS)
    assert "word vectors: 3 of" in capsys.readouterr().err
