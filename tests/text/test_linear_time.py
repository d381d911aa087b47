"""Documents on which a careless pattern would run for hours.

At a million characters quadratic work never ends, so finishing is the test.
"""

import pytest

from fastlstm.text.fold import folding_table
from fastlstm.text.tokenizers import get_tokenizer

SIZE = 1_000_000

REPEATED = {
    "open brackets": "<",
    "open tags": "<a",
    "open tags with attributes": "<a ",
    "tags with prefixes": "<a:b",
    "open comments": "<!--",
    "ampersands": "&",
    "references": "&#1",
    "entities without an end": "&amp",
    "names that are no entity": "&" + "a" * 40,
    "one word": "a",
    "one word with accents": "é",
    "apostrophes": "a'",
    "apostrophes and accents": "é'",
    "digits": "1",
    "separators": "1,",
    "wide digits and separators": "１.",
    "one mark": "!",
    "one wide mark": "。",
    "two marks": "!?",
    "eyes": ":-",
    "tears": ":'",
    "hearts": "<3",
    "spaces": " ",
    "controls": "\0",
    "surrogates": "\ud800",
    "flags": "\U0001f1e6",
    "joiners": "\u200d",
    "joined emoji": "\U0001f600\u200d",
    "skin tones": "\U0001f600\U0001f3fd",
    "keycaps": "1\ufe0f\u20e3",
    "variation selectors": "\ufe0f",
    "tags of flags": "\U0001f3f4\U000e0067",
    "marks": "\u0300",
    "marks out of order": "\u0300\u0316",
    "marks to be composed": "\u0344",
    "Han": "中",
    "Han and letters": "中a",
    "Thai": "ก่",
    "Thai vowels": "\u0e33",
    "viramas": "\u0915\u094d",
    "sigmas": "Σ'",
    "dotted capitals": "İ",
    "words with and without accents": "a é ",
    "brackets with equal signs": "<a =",
    "tags without brackets": "<br",
    "declarations": "<!doctype ",
    "conditions": "<![if ",
    "sections": "<![CDATA[",
    "sections that close": "<![CDATA[]]>",
    "backslashes": "\\",
    "escapes": "\\u2019",
    "half of a pair written out": "\\ud83d",
    "bytes written out": "\\xe2",
    "references without ampersand": " #39;",
    "words of references": "quot;",
    "ampersands encoded twice": "&amp;amp;",
    "mojibake": "â€",
    "mojibake of mojibake": "Ã¢â‚¬â„¢",
    "mojibake without an end": "Ð",
    "Cyrillic mojibake": "Ð¿",
    "grave accents": "`",
    "grave accents in words": "a`",
    "modifier apostrophes": "ʼ",
    "wide letters": "Ａ",
    "ellipses": "…",
    "hearts with presentation": "❤\ufe0f",
    "shrugs": "\U0001f937\U0001f3fd\u200d\u2640\ufe0f",
    "tatweel": "\u0640",
    "vowels of Arabic": "\u064e",
    "lower-cased dotted capitals": "i\u0307",
    "addresses": "http://a",
    "addresses without an end": "http://",
    "addresses of marks": "http://!",
    "more addresses": "www.",
    "at signs": "@",
    "mentions": "@a",
    "mentions of two": "a@a",
    "number signs": "#",
    "hashtags": "#a_",
    "hashtags of digits": "#1",
    "markers": "<user>",
    "stretched words": "aaab ",
}
WHOLE = {
    "one long reference": "&#" + "1" * SIZE,
    "one long hexadecimal reference": "&#x" + "f" * SIZE,
    "one long tag name": "<" + "a" * SIZE,
    "one long tag": "<a " + "x" * SIZE,
    "one long tag of prefixes": "<a" + " a:" * (SIZE // 3),
    "one long name with hyphens": "<" + "a-" * (SIZE // 2) + "é",
    "a letter and marks": "a" + "\u0300" * SIZE,
    "a letter and marks out of order": "a" + "\u0300\u0316" * (SIZE // 2) + "\u0344",
    "digits and an accent": "1" * SIZE + "é",
    "one tag of equal signs": "<p " + "= " * (SIZE // 2),
    "one ampersand encoded often": "&" + "amp;" * (SIZE // 4),
    "one address of marks": "http://" + "!" * (SIZE - 7),
    "one mention": "@" + "a" * SIZE,
    "one hashtag": "#" + "a" * SIZE,
    "one hashtag of digits": "#" + "1" * SIZE,
    "one word of all that is folded": "".join(folding_table()) * (SIZE // len(folding_table())),
    "one flag of tags": "\U0001f3f4" + "\U000e0067" * SIZE,
}
NASTY = {name: piece * (SIZE // len(piece)) for name, piece in REPEATED.items()} | WHOLE


def assert_bounded(tokens):
    assert len(tokens) <= 3 * SIZE + 3  # an ellipsis is three full stops
    assert max(map(len, tokens), default=0) <= 64


@pytest.mark.parametrize("name", ["auto", "char"])
@pytest.mark.parametrize("document", NASTY)
def test_nasty_documents_finish(name, document):
    assert_bounded(get_tokenizer(name)(NASTY[document]))


@pytest.mark.parametrize("document", ["Han", "Han and letters", "flags", "one mark"])
def test_nasty_documents_finish_with_jieba(document):
    pytest.importorskip("rjieba")
    assert_bounded(get_tokenizer("jieba")(NASTY[document]))


@pytest.mark.parametrize(
    ("piece", "first", "n_tokens"),
    [
        ("a", "a" * 64, 1),
        ("é", "é" * 64, 1),
        ("<", "<<<", 10_000_000 // 64),
        ("<a", "<", 10_000_000),
        ("中", "中", 10_000_000 // 3),
    ],
)
def test_ten_megabytes_finish(piece, first, n_tokens):
    tokens = get_tokenizer("auto")(piece * (10_000_000 // len(piece.encode())))
    assert tokens[0] == first
    assert len(tokens) == n_tokens


class Counted(str):
    """A text that counts the characters copied out of it."""

    copied = 0

    def __getitem__(self, key):
        part = super().__getitem__(key)
        Counted.copied += len(part)
        return part


@pytest.mark.parametrize("piece", ["!!! ", "\N{LATIN SMALL LETTER A WITH ACUTE}" * 70 + " "])
def test_places_of_cut_tokens_are_found_without_copies_under_jieba(piece):
    from fastlstm.text.offsets import _of_named

    text = Counted(piece * 3000)
    tokens = [piece.strip()[:64]] * 3000
    Counted.copied = 0
    spans = _of_named(text, tokens, "jieba")
    assert None not in spans and len(spans) == 3000
    assert Counted.copied <= len(text)
