import json
import pickle
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_extraction.text import CountVectorizer

from fastlstm.core.records import PAD_ID, UNK_ID, TokenSequences
from fastlstm.text.encoder import TextEncoder, truncate
from fastlstm.text.tokenize import get_tokenizer

TEXTS = ["The film is good, good!", "", "the plot is bad", "  ", "GOOD plot"]


def documents(sequences):
    return [sequences.document(row).tolist() for row in range(sequences.n_documents)]


def assert_invariants(sequences, n_documents):
    assert sequences.ids.dtype == np.int32
    assert sequences.offsets.dtype == np.int64
    assert sequences.offsets.shape == (n_documents + 1,)
    assert sequences.offsets[0] == 0
    assert sequences.offsets[-1] == len(sequences.ids)
    assert (np.diff(sequences.offsets) >= 0).all()
    assert (sequences.ids != PAD_ID).all()


def test_fit_by_hand():
    encoder = TextEncoder()
    sequences = encoder.fit(TEXTS)
    # good 3; is, plot, the 2; the rest 1, by text.
    words = ["good", "is", "plot", "the", "!", ",", "bad", "film"]
    assert encoder.vocabulary_.tokens == ("<pad>", "<unk>", *words)
    assert documents(sequences) == [[5, 9, 3, 2, 7, 2, 6], [], [5, 4, 3, 8], [], [2, 4]]
    assert (encoder.n_truncated_, encoder.tokens_lost_) == (0, 0)
    assert_invariants(sequences, 5)


def test_transform_by_hand():
    encoder = TextEncoder(min_df=2)
    encoder.fit(TEXTS)
    assert encoder.vocabulary_.tokens[2:] == ("good", "is", "plot", "the")
    assert documents(encoder.transform(["the new plot", "", "?"])) == [[5, 1, 4], [], [1]]
    assert documents(encoder.transform([])) == []


WORDS = st.lists(st.sampled_from("abcdefgh")).map(" ".join)


@given(
    texts=st.lists(st.text(), min_size=1),
    max_length=st.none() | st.integers(1, 6),
    truncation=st.sampled_from(["head", "tail", "head_tail"]),
)
def test_fit_equals_transform_and_knows_every_token(texts, max_length, truncation):
    texts = [*texts, "token"]
    encoder = TextEncoder(max_length=max_length, truncation=truncation)
    fitted = encoder.fit(texts)
    lost = encoder.n_truncated_, encoder.tokens_lost_
    transformed = encoder.transform(texts)
    assert_invariants(fitted, len(texts))
    assert (fitted.ids != UNK_ID).all()
    np.testing.assert_array_equal(fitted.ids, transformed.ids)
    np.testing.assert_array_equal(fitted.offsets, transformed.offsets)
    assert (encoder.n_truncated_, encoder.tokens_lost_) == lost


@given(texts=st.lists(st.text(), min_size=1))
def test_ids_stand_for_the_tokens(texts):
    texts = [*texts, "token"]
    encoder = TextEncoder()
    sequences = encoder.fit(texts)
    tokens = encoder.vocabulary_.tokens
    tokenize = get_tokenizer()
    for text, ids in zip(texts, documents(sequences), strict=True):
        assert [tokens[i] for i in ids] == tokenize(text)


@given(texts=st.lists(WORDS, min_size=1), seed=st.integers(0, 99))
def test_vocabulary_does_not_depend_on_the_order_of_documents(texts, seed):
    texts = [*texts, "token"]
    shuffled = random.Random(seed).sample(texts, len(texts))
    first, second = TextEncoder(), TextEncoder()
    first.fit(texts)
    second.fit(shuffled)
    assert first.vocabulary_.tokens == second.vocabulary_.tokens


@given(
    texts=st.lists(WORDS, min_size=1, max_size=12),
    min_df=st.integers(1, 3) | st.floats(0, 1),
    max_features=st.none() | st.integers(1, 8),
)
def test_vocabulary_is_that_of_count_vectorizer(texts, min_df, max_features):
    tokenize = get_tokenizer("word")
    options = {"tokenizer": tokenize, "token_pattern": None, "lowercase": False, "min_df": min_df}
    oracle = CountVectorizer(**options, max_features=max_features)
    encoder = TextEncoder("word", min_df=min_df, max_features=max_features)
    try:
        counts = oracle.fit_transform(texts)
    except ValueError:
        with pytest.raises(ValueError, match="min_df|no document holds a token"):
            encoder.fit(texts)
        return
    encoder.fit(texts)
    words = encoder.vocabulary_.tokens[2:]
    everything = CountVectorizer(**options)
    totals = np.asarray(everything.fit_transform(texts).sum(axis=0)).ravel()
    total = {word: totals[column] for word, column in everything.vocabulary_.items()}
    # Among equally frequent words scikit-learn keeps any; the counts must agree.
    assert [total[word] for word in words] == sorted(counts.sum(axis=0).A1, reverse=True)
    if len(set(totals)) == len(totals) or len(words) == len(totals):
        assert set(words) == set(oracle.vocabulary_)


def cut(document, max_length, truncation):
    if len(document) <= max_length:
        return document
    if truncation == "head":
        return document[:max_length]
    n_head = max_length // 4 if truncation == "head_tail" else 0
    return document[:n_head] + document[len(document) - (max_length - n_head) :]


@given(
    lengths=st.lists(st.integers(0, 12), max_size=8),
    max_length=st.integers(1, 13),
    truncation=st.sampled_from(["head", "tail", "head_tail"]),
)
def test_truncate_equals_slices(lengths, max_length, truncation):
    offsets = np.cumsum([0, *lengths])
    sequences = TokenSequences(np.arange(offsets[-1], dtype=np.int32), offsets)
    shorter = truncate(sequences, max_length, truncation)
    expected = [cut(document, max_length, truncation) for document in documents(sequences)]
    assert documents(shorter) == expected
    assert shorter.ids.dtype == np.int32
    assert shorter.lengths.tolist() == [min(length, max_length) for length in lengths]


@pytest.mark.parametrize(
    ("truncation", "expected"),
    [("head", "abcde"), ("tail", "fghij"), ("head_tail", "aghij")],
)
def test_truncation_and_its_counts(truncation, expected):
    encoder = TextEncoder("char", max_length=5, truncation=truncation)
    sequences = encoder.fit(["abcdefghij", "abc", "", "abcdef", "jihgf"])
    tokens = encoder.vocabulary_.tokens
    assert "".join(tokens[i] for i in sequences.document(0)) == expected
    assert sequences.lengths.tolist() == [5, 3, 0, 5, 5]
    assert (encoder.n_truncated_, encoder.tokens_lost_) == (2, 6)
    encoder.transform(["abc"])
    assert (encoder.n_truncated_, encoder.tokens_lost_) == (0, 0)


def test_take():
    sequences = TextEncoder().fit(["a b", "", "c", "d e f"])
    taken = sequences.take(np.array([3, 1, 0, 3]))
    original = documents(sequences)
    assert documents(taken) == [original[3], [], original[0], original[3]]
    assert_invariants(taken, 4)


def test_max_features_come_on_top_of_the_specials():
    encoder = TextEncoder(max_features=2)
    sequences = encoder.fit(["b b b a a c", "c d"])
    assert encoder.vocabulary_.tokens == ("<pad>", "<unk>", "b", "a")
    assert documents(sequences) == [[2, 2, 2, 3, 3, 1], [1, 1]]


def test_one_as_a_share_means_every_document():
    encoder = TextEncoder(min_df=1.0)
    encoder.fit(["a b", "a c"])
    assert encoder.vocabulary_.tokens[2:] == ("a",)


def test_specials_from_a_callable_tokenizer_are_unknown():
    encoder = TextEncoder(lambda text: text.replace("_", "<pad> <unk>").split())
    sequences = encoder.fit(["a _ b"])
    assert encoder.vocabulary_.tokens == ("<pad>", "<unk>", "a", "b")
    assert documents(sequences) == [[2, 1, 1, 3]]
    assert documents(encoder.transform(["_ b"])) == [[1, 1, 3]]


@pytest.mark.parametrize(
    ("options", "texts", "message"),
    [
        ({"min_df": 2}, ["a b", "c d"], "min_df=2 of the 2 documents; lower min_df"),
        ({"min_df": 0.9}, ["a b", "c d"], "min_df=0.9 of the 2 documents; lower min_df"),
        ({}, ["", "  "], "no document holds a token"),
        ({}, [], "no document holds a token"),
    ],
)
def test_empty_vocabulary(options, texts, message):
    with pytest.raises(ValueError, match=message):
        TextEncoder(**options).fit(texts)


def test_transform_before_fit():
    with pytest.raises(RuntimeError, match="call fit first"):
        TextEncoder().transform(["a"])
    with pytest.raises(RuntimeError, match="call fit first"):
        TextEncoder().state()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"tokenizer": "words"}, ValueError, "tokenizer must be one of"),
        ({"max_features": 0}, ValueError, "max_features must be at least 1"),
        ({"max_features": 2.0}, TypeError, "max_features must be an int or None"),
        ({"max_length": -1}, ValueError, "max_length must be at least 1"),
        ({"max_length": True}, TypeError, "max_length must be an int or None"),
        ({"min_df": 0}, ValueError, "min_df as an int must be at least 1"),
        ({"min_df": 1.5}, ValueError, "min_df as a float must lie between 0 and 1"),
        ({"min_df": float("nan")}, ValueError, "min_df as a float must lie between 0 and 1"),
        ({"min_df": "2"}, TypeError, "min_df must be an int or a float"),
        ({"min_df": True}, TypeError, "min_df must be an int or a float"),
        ({"truncation": "middle"}, ValueError, "'head', 'tail', 'head_tail'"),
    ],
)
def test_wrong_parameters(options, error, message):
    with pytest.raises(error, match=message):
        TextEncoder(**options)


@pytest.mark.parametrize("tokenizer", ["auto", "word", "char", "jieba"])
def test_state_survives_json(tokenizer):
    if tokenizer == "jieba":
        pytest.importorskip("rjieba")
    encoder = TextEncoder(
        tokenizer,
        lowercase=False,
        max_features=np.int64(50),
        min_df=np.float64(0.2),
        max_length=np.int32(7),
        truncation="tail",
    )
    texts = ["We 喜欢 this 电影 \U0001f602", "This was été \ud800", "This 电影"]
    encoder.fit(texts)
    again = TextEncoder.from_state(json.loads(json.dumps(encoder.state())))
    assert again.vocabulary_.tokens == encoder.vocabulary_.tokens
    assert again.state() == encoder.state()
    new = ["this 电影 This was good and long 喜欢 喜欢"]
    assert documents(again.transform(new)) == documents(encoder.transform(new))
    assert documents(pickle.loads(pickle.dumps(encoder)).transform(new)) == documents(
        encoder.transform(new)
    )


def test_state_refuses_a_callable():
    encoder = TextEncoder(str.split)
    encoder.fit(["a"])
    with pytest.raises(ValueError, match="callable tokenizer cannot be stored.*tokenizer='auto'"):
        encoder.state()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"extra": 1}, "missing or unknown keys: extra"),
        ({"tokenizer": ["word"]}, "must name its tokenizer"),
        ({"tokenizer": "os.system"}, "tokenizer must be one of"),
        ({"tokens": "abc"}, "list its tokens"),
        ({"tokens": ["a"]}, "first two tokens"),
        ({"max_length": 0}, "max_length must be at least 1"),
    ],
)
def test_from_state_rejects(change, message):
    encoder = TextEncoder()
    encoder.fit(["a"])
    with pytest.raises(ValueError, match=message):
        TextEncoder.from_state(encoder.state() | change)


def test_from_state_names_missing_keys():
    with pytest.raises(ValueError, match="missing or unknown keys: .*tokens"):
        TextEncoder.from_state({"tokenizer": "auto"})


# Whole documents, with tokens that the network does not know

WHOLE = ["a b c d e", "a b c", "e a b d", "rare e d", "a"]


@pytest.mark.parametrize("max_length", [None, 3])
@pytest.mark.parametrize("max_features", [None, 2, 3])
def test_whole_documents_shorten_to_what_fit_gives(max_length, max_features):
    settings = {"max_length": max_length, "max_features": max_features}
    plain, further = TextEncoder(**settings), TextEncoder(**settings)
    expected = plain.fit(WHOLE)
    whole = further.fit_whole(WHOLE)
    shortened = further.shorten(whole)
    assert shortened.ids.tolist() == expected.ids.tolist()
    assert shortened.offsets.tolist() == expected.offsets.tolist()
    assert further.vocabulary_.tokens[: further.n_known_] == plain.vocabulary_.tokens
    assert whole.lengths.tolist() == [5, 3, 4, 3, 1]
    read = further.read(WHOLE)
    assert read.ids.tolist() == whole.ids.tolist()
    new = ["c unheard d b", ""]
    assert further.transform(new).ids.tolist() == plain.transform(new).ids.tolist()


def test_further_tokens_are_those_of_enough_documents():
    encoder = TextEncoder(max_features=1)
    encoder.fit_whole(WHOLE, further_min_df=3)
    assert encoder.vocabulary_.tokens == ("<pad>", "<unk>", "a", "b", "d", "e")
    assert encoder.n_known_ == 3
    encoder.fit_whole(WHOLE, further_min_df=9)
    assert len(encoder.vocabulary_) == encoder.n_known_ == 3


def test_further_tokens_come_back():
    encoder = TextEncoder(max_features=2, max_length=3)
    whole = encoder.fit_whole(WHOLE)
    again = TextEncoder.from_state(encoder.state())
    assert again.n_known_ == encoder.n_known_ == 4
    assert again.read(WHOLE).ids.tolist() == whole.ids.tolist()
    for wrong in (1, 99, 2.0, "4", None, True):
        with pytest.raises(ValueError, match="no such number"):
            TextEncoder.from_state({**encoder.state(), "n_known": wrong})
