"""Places of tokens in the text as it was written."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastlstm.text.clean import STEPS, check_steps, clean
from fastlstm.text.offsets import clean_traced, token_offsets
from fastlstm.text.tokenizers import get_tokenizer
from fastlstm.text.words import MAX_TOKEN_LENGTH

# Pieces that cleaning and tokenizers treat each in a way of its own.
PIECES = [
    "good", "Don’t", "NOT", " ", "\n", "<br/>", "<b>", "<!-- no -->", "<3", "&amp;", "&#128512;",
    "&eacute", "&#1234567890123;", "e\u0301", "\u0301" * 40, "\u00ad", "\u200f", "\u202e", "İ",
    "ΟΔΟΣ", "ß", "中文", "很好。", "ไทย", "한글", "\u1112\u1161\u11ab", "\U0001f44d\U0001f3fd",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467", "!!!!!", "...",
    "a" * 70, ":)", "3.14", "\x07", "\ud800", "№", "ﬁ",
    "<happy>", "<a href=x>", "<time flies>", "<user>", "<![CDATA[", "]]>", "<!doctype html>",
    "`", "´", "ʼ", "don", "t", "s", "❤\ufe0f", "\U0001f937\U0001f3fd\u200d♀\ufe0f", "Ｔｅ５", "ﾀﾞ",
    "\u0640", "\u064e", "ﻃ", "…", "𝓫", "\\u2019", "\\ud83d\\ude02", "\\xe2\\x80\\x99", " #39;",
    "quot;", "&amp;amp;lt;", "â€™", "Ã¢â‚¬â„¢", "ðŸ˜‚", "http://x.org/a).", "www.x.org", "@me",
    "#Fun_time", "sooooo",
]  # fmt: skip
# What is read with what stands beside it.
DEPENDS = re.compile("[&<\\\\`´ʼ#@;âÃðÐÑØÙ/\u0301\u0307\u200d]|www")
some_steps = st.sets(st.sampled_from(STEPS)).map(check_steps)
texts = st.lists(st.sampled_from(PIECES) | st.text(max_size=5), max_size=12).map("".join)


@settings(max_examples=400, deadline=None)
@given(texts, some_steps)
def test_traced_text_is_the_cleaned_one(text, steps):
    traced = clean_traced(text, True, steps)
    assert traced.text == clean(text, steps, lowercase=True)
    assert len(traced.start) == len(traced.end) == len(traced.text)
    assert (np.diff(traced.start) >= 0).all()
    assert ((traced.start >= 0) & (traced.start < traced.end)).all()
    assert (traced.end <= len(text)).all()
    assert clean_traced(text, False, steps).text == clean(text, steps)


@settings(max_examples=400, deadline=None)
@given(texts, st.sampled_from(["auto", "word", "char"]), some_steps)
def test_every_token_is_found_where_it_stands(text, name, steps):
    tokens = get_tokenizer(name, normalize=steps)(text)
    offsets = token_offsets(text, tokens, True, name, steps)
    assert (offsets >= 0).all()
    assert (offsets[1:, 0] >= offsets[:-1, 0]).all()
    for token, (start, end) in zip(tokens, offsets, strict=True):
        if DEPENDS.search(text):
            continue  # a part of such a text is cleaned in another way than the whole
        found, wanted = (
            clean(part, steps, lowercase=True).casefold().replace("’", "'")
            for part in (text[start:end], token)
        )
        # A letter of the two in "ﬁ" stands where both do.
        inside = "fold" in steps and wanted in found
        assert found.startswith(wanted) or inside or len(token) == MAX_TOKEN_LENGTH, token


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A <b>fine</b> film", ["A", "fine", "film"]),
        ("caf\u0065\u0301 &amp; bar", ["caf\u0065\u0301", "&amp;", "bar"]),
        ("so good!!!!! yes", ["so", "good", "!!!!!", "yes"]),
        ("Don’t <!-- a film --> a film", ["Don’t", "a", "film"]),
        ("很好。Good", ["很", "好", "。", "Good"]),
        ("x" * 80 + " y", ["x" * 64, "y"]),
        ("ha" * 40 + " ha ha good", ["ha" * 32, "ha", "ha", "good"]),
        ("1" * 80 + " 1 2", ["1" * 64, "1", "2"]),
        ("x" * 80 + "中x x", ["x" * 64, "中", "x", "x"]),
    ],
)
def test_offsets_cut_the_original(text, expected):
    tokens = get_tokenizer("auto")(text)
    offsets = token_offsets(text, tokens, lowercase=True)
    assert [text[start:end] for start, end in offsets] == expected
    assert offsets[-1, 1] == len(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A <happy> <i>film</i>", ["A", "<", "happy", ">", "film"]),
        ("donʼt don`t", ["donʼt", "don`t"]),
        ("ﾀﾞﾒ ﬁne ســيــئ", ["ﾀﾞ", "ﾒ", "ﬁne", "ســيــئ"]),
        ("İyi ❤️!", ["İyi", "❤", "!"]),
        ("don\\u2019t it #39;s", ["don\\u2019t", "it #39;s"]),
        ("so &amp;quot;fine&amp;quot;", ["so", "&amp;quot;", "fine", "&amp;quot;"]),
        ("donâ€™t ðŸ˜‚", ["donâ€™t", "ðŸ˜‚"]),
        ("see http://x.org/a?b=c. (@me)", ["see", "http://x.org/a?b=c", ".", "(", "@me", ")"]),
        ("#Fun_time sooo", ["Fun", "time", "sooo"]),
    ],
)
def test_offsets_of_what_was_normalised(text, expected):
    tokens = get_tokenizer("auto")(text)
    assert [text[start:end] for start, end in token_offsets(text, tokens, True)] == expected


def test_tokens_of_a_callable_may_be_missing():
    offsets = token_offsets("films were good", ["film", "be", "good"], True, str.split)
    assert offsets.tolist() == [[0, 4], [-1, -1], [11, 15]]


def test_a_missing_token_takes_no_place_from_those_behind_it():
    text = "It was good. I believe so."
    tokens = ["it", "be", "good", ".", "i", "believe", "so", "."]
    offsets = token_offsets(text, tokens, True, str.split)
    found = [text[start:end] if start >= 0 else None for start, end in offsets]
    assert found == ["It", None, "good", ".", "I", "believe", "so", "."]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(["a", "b", "ab", "ba", "abc"]), max_size=8), st.data())
def test_no_other_alignment_finds_more_tokens(words, data):
    """Against a plain dynamic programme over all places."""
    text = " ".join(words)
    tokens = data.draw(st.lists(st.sampled_from(["a", "b", "ab", "abc", "c", "x"]), max_size=8))
    offsets = token_offsets(text, tokens, True, str.split)
    found = [span for span in offsets.tolist() if span[0] >= 0]
    assert [text[a:b] for a, b in found] == [
        t for t, (a, _) in zip(tokens, offsets.tolist(), strict=True) if a >= 0
    ]
    assert all(a[1] <= b[0] for a, b in zip(found[:-1], found[1:], strict=True))
    most = {0: 0}  # where the last token ended -> tokens found
    for token in tokens:
        for end, n in list(most.items()):
            for at in range(end, len(text)):
                if text.startswith(token, at):
                    most[at + len(token)] = max(most.get(at + len(token), 0), n + 1)
    assert len(found) == max(most.values())


def test_a_long_document_of_missing_tokens_takes_linear_time():
    text = "abc " * 50_000
    assert (token_offsets(text, ["xyz"] * 50_000, True, str.split) == -1).all()
    assert (token_offsets(text, ["xyz", *["a"] * 50_000], True, str.split)[1:] >= 0).all()
