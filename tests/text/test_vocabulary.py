import pickle
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastlstm.core.records import TokenSequences
from fastlstm.text import vocabulary
from fastlstm.text.vocabulary import Vocabulary, document_counts, select_words


def test_ids_follow_the_specials():
    words = Vocabulary(["b", "a"])
    assert words.tokens == ("<pad>", "<unk>", "b", "a")
    assert words.ids == {"b": 2, "a": 3}
    assert len(words) == 4
    assert "a" in words
    assert "c" not in words


def test_encode():
    ids = Vocabulary(["b", "a"]).encode(["a", "c", "b", "a"])
    assert ids.dtype == np.int32
    assert ids.tolist() == [3, 1, 2, 3]
    assert Vocabulary(["a"]).encode([]).shape == (0,)


def test_literal_specials_are_unknown():
    words = Vocabulary(["a"])
    assert words.encode(["<pad>", "<unk>"]).tolist() == [1, 1]
    assert "<pad>" not in words


def test_from_tokens_reverses_tokens():
    words = Vocabulary(["b", "a", "中"])
    again = Vocabulary.from_tokens(list(words.tokens))
    assert again.tokens == words.tokens
    assert again.ids == words.ids
    assert pickle.loads(pickle.dumps(words)).ids == words.ids


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        ([], "first two tokens"),
        (["<pad>"], "first two tokens"),
        (["<unk>", "<pad>", "a"], "first two tokens"),
        (["a", "b"], "first two tokens"),
        (["<pad>", "<unk>", "a", "b", "a"], r"'a' \(index 2\) occurs twice"),
        (["<pad>", "<unk>", "a", "<unk>"], "'<unk>' is reserved"),
        (["<pad>", "<unk>", 3], "token 2 is int"),
        (["<pad>", "<unk>", None], "token 2 is NoneType"),
    ],
)
def test_from_tokens_rejects(tokens, message):
    with pytest.raises(ValueError, match=message):
        Vocabulary.from_tokens(tokens)


DOCUMENTS = st.lists(st.lists(st.integers(0, 6), max_size=8), max_size=12)


@given(documents=DOCUMENTS, at_once=st.integers(1, 20))
def test_document_counts(documents, at_once):
    ids = np.array([i for document in documents for i in document], dtype=np.int32)
    offsets = np.cumsum([0, *map(len, documents)])
    expected = Counter(i for document in documents for i in set(document))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vocabulary, "_PAIRS_AT_ONCE", at_once)
        counts = document_counts(TokenSequences(ids, offsets), 7)
    assert counts.tolist() == [expected[i] for i in range(7)]


def select(words, counts, documents, **options):
    parameters = {"n_documents": 4, "min_df": 1, "max_features": None} | options
    kept = select_words(words, np.array(counts), np.array(documents), **parameters)
    return [words[index] for index in kept]


def test_frequent_words_first_and_ties_by_text():
    words = ["d", "b", "é", "a", "c"]
    assert select(words, [1, 2, 2, 2, 9], [1, 1, 1, 1, 1]) == ["c", "a", "b", "é", "d"]


@pytest.mark.parametrize(
    ("min_df", "kept"),
    [(1, "abcd"), (2, "bcd"), (4, "d"), (0.0, "abcd"), (0.5, "bcd"), (0.51, "cd"), (1.0, "d")],
)
def test_min_df(min_df, kept):
    assert "".join(select("abcd", [5, 5, 5, 5], [1, 2, 3, 4], min_df=min_df)) == kept


def test_max_features_counts_words_only():
    assert select("abc", [1, 3, 2], [1, 1, 1], max_features=2) == ["b", "c"]
    assert select("abc", [1, 3, 2], [1, 1, 1], max_features=9) == ["b", "c", "a"]


def test_specials_are_never_kept():
    assert select(["<pad>", "a", "<unk>"], [9, 1, 9], [4, 1, 4]) == ["a"]


def test_nothing_left():
    with pytest.raises(ValueError, match="min_df=3 of the 4 documents; lower min_df .* in 2"):
        select("ab", [5, 5], [2, 1], min_df=3)
    with pytest.raises(ValueError, match="no document holds a token"):
        select("", [], [])
