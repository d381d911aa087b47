"""Word vectors: learned, read from files that other tools write, and used by an estimator."""

from __future__ import annotations

import copy
import gzip
import sys
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
    "mark.vec": "\ufeff2 3\ngood 1 2 3\nbad 0.5 -1e-2 4\n",
    "mark.txt": "\ufeffgood 1 2 3\nbad 0.5 -1e-2 4\n",
    "tab.txt": "good\t1 2 3\nbad\t0.5 -1e-2 4\n",
    "tabs.vec": "2\t3\ngood\t1\t2\t3\nbad\t0.5\t-1e-2\t4\n",
    "several_spaces.txt": "good  1 2   3 \nbad 0.5 -1e-2 4\n",
    "empty_lines.txt": "good 1 2 3\n\nbad 0.5 -1e-2 4\n\n\n",
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


@pytest.mark.parametrize("name", ["GOOD.VEC.GZ", "unpacked.vec.gz", "packed.vec"])
def test_what_is_packed_shows_in_the_content(tmp_path, name):
    content = FILES["fasttext.vec"].encode()
    packed = gzip.compress(content)
    (tmp_path / name).write_bytes(content if name.startswith("unpacked") else packed)
    assert WordVectors.load(tmp_path / name).tokens == ["good", "bad"]


@pytest.mark.parametrize(
    ("content", "tokens"),
    [
        ("of 1 2\n. . . 3 4\n", ["of", ". . ."]),
        ("2 2\nof 1 2\n. . . 3 4\n", ["of", ". . ."]),
        # The first line has no header and a token with a space: most lines count.
        ("at home 1 2\n, 3 4\n2010 5 6\n", ["at home", ",", "2010"]),
        ("at 7 1 2\na 3 4\n1.5 5 6\nb 7 8\n", ["at 7", "a", "1.5", "b"]),
        # Spaces of other widths, and next line, belong to a token.
        ("a\u00a0b 1 2\n\u0085 3 4\n\u3000 5 6\n", ["a\u00a0b", "\u0085", "\u3000"]),
        ("2 2\n  1 2\na 3 4\n", [" ", "a"]),
    ],
)
def test_a_token_may_hold_spaces(tmp_path, content, tokens):
    path = tmp_path / "v.txt"
    path.write_text(content, encoding="utf-8", newline="\n")
    found = WordVectors.load(path)
    assert found.tokens == tokens
    assert found.width == 2
    assert found[tokens[1]].tolist() == [3, 4]


def test_an_entry_of_broken_utf_8_is_left_out_and_counted(tmp_path):
    path = tmp_path / "v.txt"
    path.write_bytes(b"good 1 2\nb\xffd 3 4\n\xe5\xa5\xbd 5 6\n\xba\xc3 7 8\nfine 9 1\n")
    with pytest.warns(UserWarning, match="2 vectors are left out.*first stands in line 2"):
        found = WordVectors.load(path)
    assert found.tokens == ["good", "好", "fine"]
    assert found["好"].tolist() == [5, 6]


DAMAGED = {
    "in_a_line": b"3 3\ngood 1 2 3\nbad 1 2 3\nfine 1",
    "in_a_token": b"3 3\ngood 1 2 3\nbad 1 2 3\nfi",
    "without_header": b"good 1 2 3\nbad 1 2 3\nso fine 1 2",
    "without_header_unwanted": b"good 1 2 3\nbad 1 2 3\nfine 1 2",
    "in_a_number": b"good 1 2 3\nbad 1 2 3\nfine 1 2 -",
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_cut_off_last_line_is_named(tmp_path, name):
    path = tmp_path / "v.vec"
    path.write_bytes(DAMAGED[name])
    wanted = {"good"} if "unwanted" in name else None
    line = DAMAGED[name].count(b"\n") + 1
    with pytest.raises(ValueError, match=rf"v\.vec: line {line}( has|: could not convert)"):
        WordVectors.load(path, wanted)


def test_damaged_archives_are_refused(tmp_path):
    rng = np.random.default_rng(0)
    lines = "".join(f"w{i} {' '.join(map(str, rng.normal(size=5)))}\n" for i in range(500))
    packed = gzip.compress(lines.encode())
    (tmp_path / "v.vec.gz").write_bytes(packed[: len(packed) // 2])
    with pytest.raises(ValueError, match=r"v\.vec\.gz: line \d+: the file is damaged or cut off"):
        WordVectors.load(tmp_path / "v.vec.gz")
    WordVectors(TOKENS, ROWS).save(tmp_path / "v.npz")
    content = (tmp_path / "v.npz").read_bytes()
    (tmp_path / "v.npz").write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=r"v\.npz: the archive is damaged"):
        WordVectors.load(tmp_path / "v.npz")
    np.savez(tmp_path / "v.npz", tokens=np.array([b"a"]), vectors=np.ones((1, 2)))
    with pytest.raises(ValueError, match=r"v\.npz: token 0 is b'a'; every token must be a str"):
        WordVectors.load(tmp_path / "v.npz")


@pytest.mark.parametrize(
    ("name", "content", "match"),
    [
        ("a.vec", "2 3\ngood 1 2 3\nbad 1 2\n", "line 3 has 3 fields, not a token and 3 numbers"),
        ("a.txt", "good 1 2\nbad 1 x\n", "line 2: could not convert"),
        ("a.txt", "good\n", "line 1 has 1 fields"),
        ("a.txt", "good 1 nan\n", "the vector of 'good' holds NaN"),
        ("a.zip", "", "the suffix is not .vec"),
        ("a.vec", "\ufeffgood 1 2", "UTF-16; save it as UTF-8"),
    ],
)
def test_other_files_are_refused(tmp_path, name, content, match):
    path = tmp_path / name
    path.write_text(content, encoding="utf-16-le" if "UTF-16" in match else "utf-8")
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


@pytest.mark.parametrize("token", [None, float("nan"), b"a", 1.5])
def test_a_missing_token_is_no_word(token):
    with pytest.raises(TypeError, match=r"token 1 is .*; every token must be a str"):
        WordVectors(["a", token], np.ones((2, 1)))


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
    assert coverage == Coverage(3, 1, 0.4, ["often", "rare"])
    assert "1 of 3 tokens have a vector, 40.0% of the text" in str(coverage)
    assert "'often', 'rare'" in str(coverage)


def test_padding_and_the_unknown_token_are_not_counted():
    vectors = WordVectors(["<unk>", "good", "<pad>"], np.ones((3, 2)))
    rows, found, coverage = vectors.table(["<pad>", "<unk>", "good", "bad"], [9, 90, 3, 1])
    assert found.tolist() == [False, False, True, False]
    assert not rows[:2].any()
    assert coverage == Coverage(2, 1, 0.75, ["bad"])


def test_a_token_is_looked_up_in_its_plainer_forms():
    vectors = WordVectors(["Paris", "good", "Good", "usa"], np.arange(4.0)[:, None] + 1)
    rows, found, coverage = vectors.table(["paris", "Good", "GOOD", "USA", "rome"], [1] * 5)
    assert rows[:, 0].tolist() == [1, 3, 2, 4, 0]
    assert found.tolist() == [True, True, True, True, False]
    assert (coverage.n_found, coverage.missing) == (4, ["rome"])


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


@pytest.mark.parametrize("kind", SOURCES)
def test_plainer_forms_are_found_in_every_source(tmp_path, kind):
    vectors = WordVectors(["Good", "Bad", "<unk>"], [[1.0, 2.0], [3.0, 5.0], [9.0, 9.0]])
    vectors.save(tmp_path / "v.npz")
    source = SOURCES[kind](vectors, tmp_path / "v.npz")
    clf = LSTMSentimentClassifier(**SMALL, embedding_dim=2, word_vectors=source)
    assert clf.fit(TEXTS, LABELS).vector_coverage_.n_found == 2


@pytest.mark.parametrize("verbose", [0, 1])
def test_no_common_token_warns(verbose):
    vectors = WordVectors(["anders", "ganz"], [[1.0, 2.0], [3.0, 5.0]])
    clf = LSTMSentimentClassifier(**SMALL, embedding_dim=2, word_vectors=vectors, verbose=verbose)
    with pytest.warns(UserWarning, match=r"none of the \d+ tokens has a vector.*'a', 'film'"):
        clf.fit(TEXTS, LABELS)


# -- gensim ------------------------------------------------------------------------------------


def test_a_key_that_is_none_is_no_token():
    """As gensim leaves a repeated token of a file."""
    keyed = SimpleNamespace(index_to_key=["a", "b", None], vectors=np.float32([[1], [2], [0]]))
    found = WordVectors.of(keyed)
    assert found.tokens == ["a", "b"]
    assert found.vectors.tolist() == [[1], [2]]


def test_gensim_repeats_no_token(tmp_path):
    keyed_vectors = pytest.importorskip("gensim.models").KeyedVectors
    path = tmp_path / "v.txt"
    path.write_text("4 2\na 1 2\nb 3 4\na 5 6\nc 7 8\n", encoding="utf-8")
    found = WordVectors.of(keyed_vectors.load_word2vec_format(str(path)))
    assert same(found, WordVectors.load(path))
    assert "None" not in found


@pytest.fixture
def keyed():
    """Tokens and vectors in gensim."""
    keyed = pytest.importorskip("gensim.models").KeyedVectors(3)
    keyed.add_vectors(TOKENS[:3], ROWS[:3])
    return keyed


@pytest.mark.parametrize("packed", [False, True])
def test_binary_files_of_word2vec(tmp_path, keyed, packed):
    path = str(tmp_path / ("v.bin" + ".gz" * packed))
    keyed.save_word2vec_format(path, binary=True)
    assert same(WordVectors.load(path), WordVectors(TOKENS[:3], ROWS[:3]))
    part = WordVectors.load(path, {"好", "other"})
    assert part.tokens == ["好"]
    assert np.array_equal(part["好"], ROWS[2])


def test_binary_files_of_fasttext(tmp_path):
    fasttext = pytest.importorskip("gensim.models.fasttext")
    model = fasttext.FastText(
        [["good", "film"], ["bad", "film"]] * 5, vector_size=4, min_count=1, epochs=1, bucket=50
    )
    fasttext.save_facebook_model(model, str(tmp_path / "v.bin"))
    found = WordVectors.load(tmp_path / "v.bin")
    assert sorted(found.tokens) == ["bad", "film", "good"]
    for token in found.tokens:
        assert found[token] == pytest.approx(model.wv[token], abs=1e-6)


def test_binary_files_with_spaces_in_tokens_are_told(tmp_path):
    """gensim writes them and reads garbage, most of which shows."""
    keyed = pytest.importorskip("gensim.models").KeyedVectors(8)
    phrases = [f"of {letter}" for letter in "abcdefghij"]
    tokens = [token for phrase in phrases for token in (phrase, f"behind_{phrase[-1]}")]
    rows = np.random.default_rng(0).normal(size=(22, 8)).astype(np.float32)
    keyed.add_vectors(["first", *tokens, "last"], rows)
    path = tmp_path / "v.bin"
    keyed.save_word2vec_format(str(path), binary=True)
    with pytest.warns(UserWarning, match="word vectors are left out.*hold spaces"):
        found = WordVectors.load(path)
    assert np.array_equal(found["first"], rows[0])
    assert np.array_equal(found["last"], rows[-1])
    assert not any(token.startswith("behind") for token in found.tokens)


def test_damaged_binary_files(tmp_path, keyed):
    path = tmp_path / "v.bin"
    keyed.save_word2vec_format(str(path), binary=True)
    content = path.read_bytes()
    for damaged in (content[:-4], b"", b"no header at all\n", b"\xba\x16O/" + b"\0" * 9):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"v\.bin: gensim cannot read it: .+"):
            WordVectors.load(path)
    path.write_bytes(content.replace("好".encode(), b"\xff\xba\xc3"))
    with pytest.warns(UserWarning, match="1 word vectors are left out.*unreadable"):
        assert WordVectors.load(path).tokens == ["good", "bad"]


def test_a_binary_file_without_gensim(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "gensim", None)
    monkeypatch.setitem(sys.modules, "gensim.models", None)
    (tmp_path / "v.bin").write_bytes(b"1 1\na \0\0\0\0")
    with pytest.raises(ImportError, match=r"v\.bin: .*'fastlstm\[vectors\]'.*save_word2vec_format"):
        WordVectors.load(tmp_path / "v.bin")
