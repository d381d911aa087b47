import json
import pickle
import random
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_extraction.text import CountVectorizer

from fastlstm.core.records import PAD_ID, UNK_ID, TokenSequences
from fastlstm.text.encoder import TextEncoder, TextOptions, needed_tokenizer, truncate
from fastlstm.text.tokenizers import get_tokenizer

TEXTS = ["The film is good, good!", "", "the plot is bad", "  ", "GOOD plot"]


def learn(texts, further_min_df=None, **options):
    """An encoder, of all tokens where ``options`` say nothing else, and what it encoded."""
    options = TextOptions(**{"max_features": None, "max_length": None, **options})
    return TextEncoder.learn(texts, options, further_min_df)


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
    encoder, encoded = learn(TEXTS)
    sequences = encoded.sequences
    # good 3; is, plot, the 2; the rest 1, by text.
    words = ["good", "is", "plot", "the", "!", ",", "bad", "film"]
    assert encoder.vocabulary.tokens == ("<pad>", "<unk>", *words)
    assert documents(sequences) == [[5, 9, 3, 2, 7, 2, 6], [], [5, 4, 3, 8], [], [2, 4]]
    assert (encoded.n_truncated, encoded.tokens_lost) == (0, 0)
    assert encoded.n_unknown.tolist() == [0] * 5
    assert_invariants(sequences, 5)


def test_transform_by_hand():
    encoder, _ = learn(TEXTS, min_df=2)
    assert encoder.vocabulary.tokens[2:] == ("good", "is", "plot", "the")
    encoded = encoder.encode(["the new plot", "", "?"])
    assert documents(encoded.sequences) == [[5, 1, 4], [], [1]]
    assert encoded.n_unknown.tolist() == [1, 0, 1]
    assert documents(encoder.encode([]).sequences) == []


WORDS = st.lists(st.sampled_from("abcdefgh")).map(" ".join)


@given(
    texts=st.lists(st.text(), min_size=1),
    max_length=st.none() | st.integers(1, 6),
    truncation=st.sampled_from(["head", "tail", "head_tail"]),
)
def test_fit_equals_transform_and_knows_every_token(texts, max_length, truncation):
    texts = [*texts, "token"]
    encoder, learned = learn(texts, max_length=max_length, truncation=truncation)
    encoded = encoder.encode(texts)
    assert_invariants(learned.sequences, len(texts))
    assert (learned.sequences.ids != UNK_ID).all()
    for first, second in zip(learned, encoded, strict=True):
        np.testing.assert_array_equal(first.ids, second.ids)
        np.testing.assert_array_equal(first.offsets, second.offsets)


@given(texts=st.lists(st.text(), min_size=1))
def test_ids_stand_for_the_tokens(texts):
    texts = [*texts, "token"]
    encoder, encoded = learn(texts)
    sequences = encoded.sequences
    tokens = encoder.vocabulary.tokens
    tokenize = get_tokenizer()
    for text, ids in zip(texts, documents(sequences), strict=True):
        assert [tokens[i] for i in ids] == tokenize(text)


@given(texts=st.lists(WORDS, min_size=1), seed=st.integers(0, 99))
def test_vocabulary_does_not_depend_on_the_order_of_documents(texts, seed):
    texts = [*texts, "token"]
    shuffled = random.Random(seed).sample(texts, len(texts))
    (first, _), (second, _) = learn(texts), learn(shuffled)
    assert first.vocabulary.tokens == second.vocabulary.tokens


@given(
    texts=st.lists(WORDS, min_size=1, max_size=12),
    min_df=st.integers(1, 3) | st.floats(0, 1),
    max_features=st.none() | st.integers(1, 8),
)
def test_vocabulary_is_that_of_count_vectorizer(texts, min_df, max_features):
    tokenize = get_tokenizer("word")
    options = {"tokenizer": tokenize, "token_pattern": None, "lowercase": False, "min_df": min_df}
    oracle = CountVectorizer(**options, max_features=max_features)
    settings = {"tokenizer": "word", "min_df": min_df, "max_features": max_features}
    try:
        counts = oracle.fit_transform(texts)
    except ValueError:
        with pytest.raises(ValueError, match="min_df|no document holds a token"):
            learn(texts, **settings)
        return
    encoder, _ = learn(texts, **settings)
    words = encoder.vocabulary.tokens[2:]
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
    texts = ["abcdefghij", "abc", "", "abcdef", "jihgf"]
    encoder, encoded = learn(texts, tokenizer="char", max_length=5, truncation=truncation)
    sequences = encoded.sequences
    tokens = encoder.vocabulary.tokens
    assert "".join(tokens[i] for i in sequences.document(0)) == expected
    assert sequences.lengths.tolist() == [5, 3, 0, 5, 5]
    assert (encoded.n_truncated, encoded.tokens_lost) == (2, 6)
    shorter = encoder.encode(["abc"])
    assert (shorter.n_truncated, shorter.tokens_lost) == (0, 0)
    assert (encoded.n_truncated, encoded.tokens_lost) == (2, 6)


def test_take():
    sequences = learn(["a b", "", "c", "d e f"])[1].sequences
    taken = sequences.take(np.array([3, 1, 0, 3]))
    original = documents(sequences)
    assert documents(taken) == [original[3], [], original[0], original[3]]
    assert_invariants(taken, 4)


def test_max_features_come_on_top_of_the_specials():
    encoder, encoded = learn(["b b b a a c", "c d"], max_features=2)
    sequences = encoded.sequences
    assert encoder.vocabulary.tokens == ("<pad>", "<unk>", "b", "a")
    assert documents(sequences) == [[2, 2, 2, 3, 3, 1], [1, 1]]


def test_one_as_a_share_means_every_document():
    encoder, _ = learn(["a b", "a c"], min_df=1.0)
    assert encoder.vocabulary.tokens[2:] == ("a",)


def test_specials_from_a_callable_tokenizer_are_unknown():
    encoder, encoded = learn(
        ["a _ b"], tokenizer=lambda text: text.replace("_", "<pad> <unk>").split()
    )
    sequences = encoded.sequences
    assert encoder.vocabulary.tokens == ("<pad>", "<unk>", "a", "b")
    assert documents(sequences) == [[2, 1, 1, 3]]
    assert documents(encoder.encode(["_ b"]).sequences) == [[1, 1, 3]]


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
        learn(texts, **options)


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
        learn(["a"], **options)


@pytest.mark.parametrize("tokenizer", ["auto", "word", "char", "jieba"])
def test_state_survives_json(tokenizer):
    if tokenizer == "jieba":
        pytest.importorskip("rjieba")
    options = {
        "tokenizer": tokenizer, "lowercase": False, "max_features": np.int64(50),
        "min_df": np.float64(0.2), "max_length": np.int32(7), "truncation": "tail",
    }  # fmt: skip
    texts = ["We 喜欢 this 电影 \U0001f602", "This was été \ud800", "This 电影"]
    encoder, _ = learn(texts, **options)
    again = TextEncoder.from_state(json.loads(json.dumps(encoder.state())))
    assert again.vocabulary.tokens == encoder.vocabulary.tokens
    assert again.state() == encoder.state()
    new = ["this 电影 This was good and long 喜欢 喜欢"]
    expected = documents(encoder.encode(new).sequences)
    for copy in (again, pickle.loads(pickle.dumps(encoder))):
        assert documents(copy.encode(new).sequences) == expected


class Splitter:
    def __call__(self, text):
        return text.split()


@pytest.mark.parametrize(
    ("tokenizer", "name"),
    [
        (str.split, "builtins.str.split"),
        (Splitter(), f"{__name__}.Splitter"),
        (partial(str.split, sep=" "), "functools.partial"),
        (lambda text: text.split(), f"{__name__}.<lambda>"),
    ],
    ids=["method", "object", "partial", "lambda"],
)
def test_state_names_a_callable_and_takes_it_back(tokenizer, name):
    encoder, _ = learn(["a b c", "b-c"], tokenizer=tokenizer)
    state = json.loads(json.dumps(encoder.state()))
    assert state["tokenizer"] == {"callable": name}
    assert needed_tokenizer(state) == name
    again = TextEncoder.from_state(state, tokenizer)
    new = ["b-c b unknown"]
    assert documents(again.encode(new).sequences) == documents(encoder.encode(new).sequences)
    with pytest.raises(ValueError, match="tokenizer must be one of"):
        TextEncoder.from_state(state)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"extra": 1}, "missing or unknown keys: extra"),
        ({"tokenizer": ["word"]}, "must name its tokenizer"),
        ({"jieba_rules": 3}, "jieba_rules must be 1 or 2, got 3"),
        ({"jieba_rules": True}, "jieba_rules must be 1 or 2, got True"),
        ({"zh_script": "other"}, "zh_script must be"),
        ({"tokenizer": "os.system"}, "tokenizer must be one of"),
        ({"tokens": "abc"}, "list its tokens"),
        ({"tokens": ["a"]}, "first two tokens"),
        ({"max_length": 0}, "max_length must be at least 1"),
    ],
)
def test_from_state_rejects(change, message):
    encoder, _ = learn(["a"])
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
    plain, expected = learn(WHOLE, **settings)
    further, encoded = learn(WHOLE, 2, **settings)
    whole, shortened, expected = encoded.whole, encoded.sequences, expected.sequences
    assert shortened.ids.tolist() == expected.ids.tolist()
    assert shortened.offsets.tolist() == expected.offsets.tolist()
    assert further.vocabulary.tokens[: further.n_known] == plain.vocabulary.tokens
    assert further.known() == plain.known()
    assert whole.lengths.tolist() == [5, 3, 4, 3, 1]
    read = further.read(WHOLE)
    assert read.ids.tolist() == whole.ids.tolist()
    new = ["c unheard d b", ""]
    assert further.encode(new).sequences.ids.tolist() == plain.encode(new).sequences.ids.tolist()


def test_further_tokens_are_those_of_enough_documents():
    encoder, _ = learn(WHOLE, 3, max_features=1)
    assert encoder.vocabulary.tokens == ("<pad>", "<unk>", "a", "b", "d", "e")
    assert encoder.n_known == 3
    encoder, _ = learn(WHOLE, 9, max_features=1)
    assert len(encoder.vocabulary) == encoder.n_known == 3


def test_further_tokens_come_back():
    encoder, encoded = learn(WHOLE, 2, max_features=2, max_length=3)
    whole = encoded.whole
    again = TextEncoder.from_state(encoder.state())
    assert again.n_known == encoder.n_known == 4
    assert again.read(WHOLE).ids.tolist() == whole.ids.tolist()
    for wrong in (1, 99, 2.0, "4", None, True):
        with pytest.raises(ValueError, match="is no number of tokens"):
            TextEncoder.from_state({**encoder.state(), "n_known": wrong})


def test_options_do_not_change():
    options = TextOptions()
    with pytest.raises(AttributeError):
        options.max_length = 3
