"""Labels that are probably not meant as they stand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastlstm.core.shown import display_order
from fastlstm.data.labels import alike, label_hints, twins


def test_labels_that_differ_in_little_are_listed_with_counts():
    counts = {"positive": 500, "Positive": 30, "negative": 400, "POSITIVE": 1}
    (hint,) = label_hints(counts)
    assert "3 classes" in hint
    assert "'POSITIVE' (1), 'Positive' (30), 'positive' (500)" in hint
    assert "negative" not in hint


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1", "1.0"), ("1", "01"), ("1", "+1"), ("0", "-0"), ("100", "1e2"), (".5", "0.50"),
        ("very good", "very  good"), ("very good", "verygood"), ("good", "good\u200b"),
        ("good", "ｇｏｏｄ"), ("café", "cafe\u0301"), ("straße", "STRASSE"), ("１", "1"),
        ("True", "true"),
    ],
)  # fmt: skip
def test_alike(one, other):
    assert alike(one) == alike(other)
    assert len(label_hints({one: 2, other: 3, "x": 1})) == 1
    assert twins(one, ["x", other, one]) == [other]


@pytest.mark.parametrize(
    ("one", "other"),
    [("1", "10"), ("1", "-1"), ("good", "goods"), ("A+", "A"), ("1.5", "15"), ("nan", "0"),
     ("12345678901234567", "12345678901234568"), ("infinity", "inf"), ("好", "很好"), ("1a", "1")],
)  # fmt: skip
def test_not_alike(one, other):
    assert alike(one) != alike(other)


def test_a_number_of_a_million_digits_is_a_text():
    assert label_hints({"9" * 10**6: 1, "9" * 10**6 + "0": 1}) == []
    assert display_order(["9" * 10**6, "1"]) == [1, 0]


@pytest.mark.parametrize(
    "label", ["N/A", "nan", "NaN", "null", "NULL", "None", "-", "--", "?", "#N/A", "<NA>", '""']
)
def test_placeholders_are_named(label):
    (hint,) = label_hints({label: 4, "pos": 9, "neg": 8})
    assert f"{label!r} (4)" in hint and "no label" in hint


@pytest.mark.parametrize(
    "labels",
    [["pos", "neg"], ["0", "1"], ["-1", "1"], ["积极", "消极", "中性"], ["A", "B", "NAN1"]],
)
def test_nothing_to_say(labels):
    assert label_hints(dict.fromkeys(labels, 3)) == []


def test_many_are_cut():
    counts = {f"{'x' * i}{case}": 1 for i in range(30) for case in ("a", "A")}
    assert len(label_hints(counts)) == 8


@given(st.dictionaries(st.text(), st.integers(1), min_size=1))
def test_any_labels(counts):
    assert all(isinstance(hint, str) for hint in label_hints(counts))


# --- the order of tables -----------------------------------------------------------------


@pytest.mark.parametrize(
    "labels",
    [
        ["1", "2", "10"],
        ["-10", "-2", "0", "3.5", "20"],
        [-1, 0, 1, 2, 10],
        ["1 star", "2 stars", "10 stars"],
        ["class 2", "class 10", "other"],
        ["1.5 stars", "2 stars"],
        ["★", "★★", "★★★"],
        ["neg", "neutral", "pos"],
        ["Zoo", "apple"],
        ["v9", "v10", "v10a"],
        [False, True],
        ["1e2", "200", "1e3"],
    ],
)
def test_display_order(labels):
    for start in (labels, labels[::-1], sorted(labels)):
        assert [start[i] for i in display_order(start)] == labels


@given(st.lists(st.text()))
def test_display_order_is_a_permutation(labels):
    assert sorted(display_order(labels)) == list(range(len(labels)))


@given(st.lists(st.text(st.characters(exclude_characters="0123456789"))))
def test_labels_without_digits_stand_as_ever(labels):
    assert [labels[i] for i in display_order(labels)] == sorted(labels)
