"""A text in pieces has the tokens of the whole."""

import gzip
import io

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fastlstm import datasets
from fastlstm.text.pieces import PIECE, pieces, texts_of
from fastlstm.text.tokenizers import get_tokenizer

PARTS = [
    "word", "don't", "don #39;t", "3.5", "1,000", "!!!", "...", ":)", "<3", "a < b", "<br />",
    '<a href="x y">', "</a>", "<!-- a comment -->", "&amp;", "&amp;quot;", "&nbsp;", "#good_day",
    "@me", "https://a.b/c?d=e", "caf\u00e9", "\u00e2\u20ac\u2122", "\u8d28\u91cf\u592a\u5dee",
    "\uff0c", "\u3002", "\U0001f602", "\U0001f468\u200d\U0001f469", "e\u0301", "\u00ad", "\\u2019",
    "sooooo", "`", "\u2019s", "\xa0", "\u039f\u03a3",
]  # fmt: skip
SPACES = [" ", "\n", "  ", "\n\n", "\t"]
texts = st.lists(
    st.tuples(st.sampled_from(PARTS), st.sampled_from(SPACES)), min_size=1, max_size=60
).map(lambda parts: "".join(part + space for part, space in parts))


@pytest.mark.parametrize("tokenizer", ["auto", "word", "char", "jieba"])
@pytest.mark.parametrize("normalize", ["all", None])
@settings(max_examples=300, deadline=None)
@example(text="word " * 7 + "<3 &amp;quot; " + "word " * 4 + '<a href="x y"> ', size=40, cuts=6)
@given(text=texts, size=st.integers(40, 90), cuts=st.integers(1, 30))
def test_tokens_are_those_of_the_whole(tokenizer, normalize, text, size, cuts):
    if tokenizer == "jieba":
        pytest.importorskip("rjieba")
    tokenize = get_tokenizer(tokenizer, normalize=normalize)
    given_ = [text[at : at + cuts] for at in range(0, len(text), cuts)]
    found = list(pieces(given_, size))
    assert "".join(found) == text
    assert all(0 < len(piece) <= 2 * size for piece in found)
    assert sum(map(tokenize, found), []) == tokenize(text)


def test_real_reviews():
    """One behind the other, in English and Chinese."""
    reviews = datasets.load_reviews(split="test").texts
    text = "\n".join(reviews)
    for tokenizer in ("auto", "word", "char"):
        tokenize = get_tokenizer(tokenizer)
        found = list(pieces([text], 500))
        assert len(found) > 20
        assert sum(map(tokenize, found), []) == tokenize(text)


def test_a_text_without_spaces_is_cut_at_its_marks():
    sentence = "\u8d28\u91cf\u592a\u5dee\u3002"
    found = list(pieces([sentence * 100], 52))
    assert len(found) > 5 and all(piece.endswith("\u3002") for piece in found)
    assert [len(piece) for piece in pieces(["a" * 300], 100)] == [100, 100, 100]


def test_markup_is_not_cut():
    tag = '<a title="one\ntwo\nthree four">'
    for before in range(20, 90):
        found = list(pieces(["x" * before + " " + tag + " y" * 80], 60))
        assert sum(tag in piece for piece in found) == 1
    comment = "<!-- one\n two -->"
    for before in range(20, 90):
        found = list(pieces(["x" * before + " " + comment + " y" * 80], 60))
        assert sum(comment in piece for piece in found) == 1


@pytest.mark.parametrize("inside", ["rule 3.5 {\n", "<b>bold</b>\n", "no mark\n"])
@pytest.mark.parametrize("n", [1, 10, 100])
def test_long_comments_are_not_cut(inside, n):
    """Of many lines, and across the end of what is looked at."""
    comment = "<!-- " + inside * n + "-->"
    size = len(comment) + 40
    tokenize = get_tokenizer()
    for before in range(0, 2 * size, 7):
        text = "it cost 3.5 " * (before // 12) + "x" * (before % 12) + comment + " y 3.5" * size
        found = list(pieces([text], size))
        assert "".join(found) == text
        assert sum(comment in piece for piece in found) == 1
        assert sum(map(tokenize, found), []) == tokenize(text)


def test_a_comment_longer_than_all_that_is_looked_at():
    """Is the one thing that may be cut, and nothing hangs on it."""
    text = "a b <!--" + " c" * 200 + "--> d"
    found = list(pieces([text], 50))
    assert "".join(found) == text and max(map(len, found)) <= 100


def test_a_sign_that_nothing_closes_is_no_markup():
    found = list(pieces(["a <b " * 100], 60))
    assert "".join(found) == "a <b " * 100 and max(map(len, found)) <= 120


def test_one_large_text_takes_time_linear_in_its_length():
    """And gives the pieces of the same text in small parts."""
    text = "some words in a line\n" * 50_000
    assert list(pieces([text])) == list(pieces(text.splitlines(True)))
    assert list(pieces([])) == list(pieces([""])) == []
    assert len(list(pieces([text]))) == pytest.approx(len(text) / PIECE, abs=1)


def test_sources(tmp_path):
    text = "\ufeffcaf\u00e9\r\nline\n"
    path = tmp_path / "text.txt"
    path.write_text(text, encoding="utf-8", newline="")
    zipped = tmp_path / "text.txt.gz"
    zipped.write_bytes(gzip.compress(path.read_bytes()))
    for source in (path, str(path), zipped, io.StringIO(text[1:]), ["caf\u00e9\r\n", "line\n"]):
        assert "".join(texts_of(source)) == text[1:]
    with open(path, encoding="utf-8-sig", newline="") as stream:
        assert "".join(texts_of(stream)) == text[1:]
    assert list(texts_of([])) == []


def test_what_is_no_text_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"pass \[text\] to read a text itself"):
        list(texts_of("a good film"))
    with pytest.raises(FileNotFoundError, match="there is no such file"):
        list(texts_of(tmp_path / "none.txt"))
    for source in (3, b"good", None, {"text": "good"}):
        with pytest.raises(TypeError, match="pass the path of a text file"):
            list(texts_of(source))
    with pytest.raises(TypeError, match="its item 1, counted from 0, is int"):
        list(texts_of(["good", 3]))
    with pytest.raises(TypeError, match="Open the file in text mode"):
        list(texts_of(io.BytesIO(b"good")))
    path = tmp_path / "latin.txt"
    path.write_bytes("caf\u00e9".encode("latin-1"))
    with pytest.raises(ValueError, match=r"latin.txt: not UTF-8 .* Name its encoding: pass open"):
        list(texts_of(path))
    assert list(texts_of(path, "latin-1")) == ["caf\u00e9"]
    with pytest.raises(ValueError, match="encoding 'nonsense' is not known"):
        list(texts_of(path, "nonsense"))
    with pytest.raises(ValueError, match="is a folder"):
        list(texts_of(tmp_path))
    path.rename(tmp_path / "no.txt.gz")
    with pytest.raises(ValueError, match="not a whole gzip file"):
        list(texts_of(tmp_path / "no.txt.gz"))
