"""N-grams with ids: against a plain count of Python tuples."""

from collections import Counter

import numpy as np
import pytest

from fastlstm.core.records import TokenSequences
from fastlstm.text import ngrams as ngrams_of_texts
from fastlstm.text.ngrams import NGrams


def sequences_of(*documents):
    offsets = np.cumsum([0, *map(len, documents)]).astype(np.int64)
    return TokenSequences(np.array(sum(documents, []), dtype=np.int32), offsets)


def tuples_ending_at(document, place, longest):
    """All runs of 2 to ``longest`` known tokens that end at a place."""
    for n in range(2, longest + 1):
        run = tuple(document[max(0, place - n + 1) : place + 1])
        if len(run) == n and min(run) > 1:
            yield run


def drawn_documents(seed=0, n=60):
    rng = np.random.default_rng(seed)
    return [rng.integers(1, 6, rng.integers(0, 12)).tolist() for _ in range(n)]


def as_tuples(ngrams):
    """The tokens of each id."""
    tokens = {i: (i,) for i in range(ngrams.n_tokens)}
    for number, (left, parent) in enumerate(ngrams.pairs.tolist(), start=ngrams.n_tokens):
        tokens[number] = (left, *tokens[parent])
    return tokens


@pytest.mark.parametrize("longest", [1, 2, 3, 4])
def test_ids_are_those_of_a_plain_count(longest):
    documents = drawn_documents()
    sequences = sequences_of(*documents)
    ngrams = NGrams.learn(sequences, 6, longest, min_count=3)
    counts = Counter()
    for document in documents:
        for place in range(len(document)):
            counts.update(tuples_ending_at(document, place, longest))
    known = {run for run, count in counts.items() if count >= 3}
    tokens = as_tuples(ngrams)
    assert {tokens[i] for i in range(6, 6 + len(ngrams))} == known
    assert len(known) == len(ngrams)
    found = ngrams.longest(sequences)
    at = 0
    for document in documents:
        for place, token in enumerate(document):
            runs = [run for run in tuples_ending_at(document, place, longest) if run in known]
            assert tokens[int(found.ids[at])] == (runs[-1] if runs else (token,))
            at += 1


def test_occurrences_are_all_of_a_length():
    documents = drawn_documents(1)
    sequences = sequences_of(*documents)
    ngrams = NGrams.learn(sequences, 6, 3, min_count=1)
    tokens = as_tuples(ngrams)
    for n, (places, ids) in enumerate(ngrams.occurrences(sequences), start=2):
        found = dict(zip(places.tolist(), (tokens[i] for i in ids.tolist()), strict=True))
        expected, at = {}, 0
        for document in documents:
            for place in range(len(document)):
                runs = [r for r in tuples_ending_at(document, place, n) if len(r) == n]
                if runs:
                    expected[at] = runs[0]
                at += 1
        assert found == expected


def test_the_most_frequent_are_kept():
    sequences = sequences_of([2, 3, 2, 3, 2, 3], [4, 5], [4, 5], [5, 5])
    ngrams = NGrams.learn(sequences, 6, 2, min_count=1, max_features=2)
    assert ngrams.pairs.tolist() == [[2, 3], [3, 2]]
    # Of equally frequent ones those of the smallest tokens, whatever the order of documents.
    again = NGrams.learn(sequences.take([3, 2, 1, 0]), 6, 2, min_count=1, max_features=2)
    assert np.array_equal(again.pairs, ngrams.pairs)
    assert NGrams.learn(sequences, 6, 2, max_features=3).pairs.tolist() == [[2, 3], [3, 2], [4, 5]]


def test_no_ngram_crosses_documents_or_holds_an_unknown_token():
    sequences = sequences_of([2, 3], [3, 2], [2, 1, 3], [], [3, 2])
    ngrams = NGrams.learn(sequences, 4, 3, min_count=1)
    assert ngrams.pairs.tolist() == [[2, 3], [3, 2]]
    assert ngrams.longest(sequences).ids.tolist() == [2, 4, 3, 5, 2, 1, 3, 3, 5]


def test_none():
    sequences = sequences_of([2, 3], [])
    for ngrams in (NGrams.learn(sequences, 4, 1), NGrams.learn(sequences, 4, 3), NGrams(4, [])):
        assert len(ngrams) == len(ngrams.parents) == 0
        assert ngrams.longest(sequences) is sequences


@pytest.mark.parametrize(
    "pairs",
    [
        [[2, 4]],  # an id that is not there yet
        [[2, 5]],
        [[1, 3]],  # unknown
        [[0, 3]],
        [[2, 1]],
        [[4, 3]],  # the first token is an n-gram
        [[3, 3], [2, 3]],  # not rising
        [[2, 3], [2, 3]],
        [[2, 2], [2, 4], [3, 3]],  # a pair behind a triple
        [[2, -1]],
        [[-2, 3]],
    ],
)
def test_pairs_that_are_out_of_order_are_refused(pairs):
    with pytest.raises(ValueError, match="n-grams from number"):
        NGrams(4, np.array(pairs))


def test_pairs_come_back():
    ngrams = NGrams.learn(sequences_of(*drawn_documents(2)), 6, 4)
    again = NGrams(6, ngrams.pairs)
    sequences = sequences_of(*drawn_documents(3))
    assert len(ngrams) > 20
    assert np.array_equal(again.longest(sequences).ids, ngrams.longest(sequences).ids)


@pytest.mark.parametrize("at_once", [1, 7, 100])
def test_calls_that_ctrl_c_waits_for_are_short(monkeypatch, at_once):
    """NumPy gets some keys at a time, and the result is that of all of them at once."""
    documents = sequences_of(*drawn_documents(n=200))
    whole = NGrams.learn(documents, 6, 3, max_features=9)
    ids = whole.longest(documents).ids
    sizes, searchsorted = [], np.searchsorted

    def counted(known, keys):
        sizes.append(len(keys))
        return searchsorted(known, keys)

    monkeypatch.setattr(ngrams_of_texts, "_KEYS_AT_ONCE", at_once)
    monkeypatch.setattr(np, "searchsorted", counted)
    parts = NGrams.learn(documents, 6, 3, max_features=9)
    assert len(whole) and np.array_equal(parts.pairs, whole.pairs)
    assert np.array_equal(parts.longest(documents).ids, ids)
    assert max(sizes) == at_once


def test_keys_are_sorted_for_some_first_tokens_at_a_time(monkeypatch):
    documents = sequences_of(*drawn_documents(n=200))
    n_tokens = len(documents.ids)
    sizes, unique = [], np.unique

    def counted(keys, **options):
        sizes.append(len(keys))
        return unique(keys, **options)

    monkeypatch.setattr(ngrams_of_texts, "_KEYS_AT_ONCE", 50)
    monkeypatch.setattr(np, "unique", counted)
    NGrams.learn(documents, 6, 2)
    frequent = np.bincount(documents.ids).max()
    assert len(sizes) > 1 and max(sizes) <= frequent + 50 < n_tokens
