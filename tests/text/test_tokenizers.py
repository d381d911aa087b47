import pickle
import sys
import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fastlstm.text.clean import clean
from fastlstm.text.tokenizers import get_tokenizer
from fastlstm.text.words import _split_unicode, split_words

# The rules of model files up to version 3. tests/text/test_normalize.py has the others.
BEFORE = ("tags",)

FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466"
GERMANY, FRANCE = "\U0001f1e9\U0001f1ea", "\U0001f1eb\U0001f1f7"
ENGLAND = "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"
THUMB = "\U0001f44d\U0001f3fd"
HEART_ON_FIRE = "\u2764\ufe0f\u200d\U0001f525"
KEYCAP = "1\ufe0f\u20e3"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("one<br />two", "one two"),
        ("one<br/><BR>two", "one  two"),
        ('<a href="x.html" class=y>link</a>', " link "),
        ("<o:p>Word</o:p>", " Word "),
        ("<p\nclass='x'>text", " text"),
        ("before<!-- a > b <i> -->after", "before after"),
        ("a<!-- x --><!-- y -->b", "a  b"),
        ("an <!-- open comment", "an <!-- open comment"),
        ("a < b and c > d", "a < b and c > d"),
        ("I <3 you", "I <3 you"),
        ("1<2>0", "1<2>0"),
        ("mail <me@home.org> now", "mail <me@home.org> now"),
        ("an open <tag", "an open <tag"),
        ("< b >", "< b >"),
        ("</3", "</3"),
    ],
)
def test_clean_drops_tags_and_nothing_else(text, expected):
    assert clean(text) == expected
    assert clean(text, BEFORE) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("fish &amp; chips", "fish & chips"),
        ("it&#39;s &#x27;so&#x27;", "it's 'so'"),
        ("caf&eacute;", "café"),
        ("&lt;b&gt; is a tag", "<b> is a tag"),
        ("AT&T & R&D", "AT&T & R&D"),
        ("&nosuchthing;", "&nosuchthing;"),
        ("a&#0;b&#xD800;c", "a\ufffdb\ufffdc"),
        ("&#" + "9" * 5000 + ";", " "),
        ("&#x" + "f" * 5000 + ";", "\ufffd"),
    ],
)
def test_clean_decodes_entities(text, expected):
    assert clean(text, BEFORE) == expected
    assert clean(text, ("html",)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nul\0bell\x07del\x7f", "nul bell del "),
        ("line\nand\ttab\r\n", "line\nand\ttab\r\n"),
        ("next\x85line", "next line"),
        ("lone \ud800 and \udfff", "lone   and  "),
        ("zero\u200bwidth\ufeff\u2060", "zerowidth"),
        ("co\u00adoperate", "cooperate"),
        ("\u202eright\u202c \u200fto\u200e left", "right to left"),
        ("join\u200der", "joiner"),
        ("می\u200cخواهم", "میخواهم"),
        ("a\ufe0f b\ufe0e", "a b"),
        ("\u845b\U000e0100", "\u845b"),
        ("hidden\U000e0068\U000e0069 text", "hidden text"),
        ("e\u0301te\u0301", "été"),
        ("\u212b", "Å"),
        ("\u1100\u1161\u11a8", "각"),
    ],
)
def test_clean_drops_the_invisible_and_composes(text, expected):
    assert clean(text) == expected


@pytest.mark.parametrize("emoji", [FAMILY, GERMANY, ENGLAND, THUMB, HEART_ON_FIRE, KEYCAP])
def test_clean_keeps_emoji(emoji):
    assert clean(f"a {emoji}b", BEFORE) == f"a {emoji}b"


def test_clean_drops_every_default_ignorable_code_point():
    regex = pytest.importorskip("regex")
    ignorable = regex.findall(
        r"\p{Default_Ignorable_Code_Point}", "".join(map(chr, range(0xF0000)))
    )
    assert len(ignorable) > 300
    assert [c for c in ignorable if clean(f"a{c}b") != "ab"] == []


def test_clean_returns_plain_text_itself():
    text = "Nothing to do here."
    assert clean(text) is text


@given(st.text())
def test_clean_can_be_encoded_and_is_composed(text):
    cleaned = clean(text)
    cleaned.encode("utf-8")
    assert unicodedata.is_normalized("NFC", cleaned)
    assert not any(unicodedata.category(c) == "Cc" and c not in "\t\n\r" for c in cleaned)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" \t\n", []),
        ("The film's good.", ["the", "film's", "good", "."]),
        ("don’t l’été rock'n'roll", ["don't", "l'été", "rock'n'roll"]),
        ("the dogs' 'tis", ["the", "dogs", "'", "'", "tis"]),
        ("pi is 3.14, or 1,000.5.", ["pi", "is", "3.14", ",", "or", "1,000.5", "."]),
        ("2nd 10km 3.5kg", ["2nd", "10km", "3.5", "kg"]),
        ("wait.... what?!!! no---way", ["wait", "...", "what", "?", "!!!", "no", "---", "way"]),
        ("so!!!!!!!!!! ??", ["so", "!!!", "??"]),
        ("a-b_c/d", ["a", "-", "b", "_", "c", "/", "d"]),
        ("@user #tag 50% $5", ["@", "user", "#", "tag", "50", "%", "$", "5"]),
        (
            "http://x.org/a see:/ C:data",
            ["http", ":", "//", "x", ".", "org", "/", "a", "see", ":/", "c", ":", "data"],
        ),
        ("good :) bad :-( :D ;) :'( <3", ["good", ":)", "bad", ":-(", ":d", ";)", ":'(", "<3"]),
        ("nice:) 5<30 <3.5", ["nice", ":)", "5", "<", "30", "<", "3.5"]),
        ("x < y & z > w", ["x", "<", "y", "&", "z", ">", "w"]),
        ("¿Qué tal? «Bien» …", ["¿", "qué", "tal", "?", "«", "bien", "»", "…"]),
        ("Straße ÉTÉ", ["straße", "été"]),
        ("１２ ½ Ⅳ", ["１２", "½", "ⅳ"]),
        ("€ ™ \ue000", ["€", "™", "\ue000"]),
        ("\u0301 \ufe0f \u200d", []),
        (f"{FAMILY}{FRANCE}{GERMANY}", [FAMILY, FRANCE, GERMANY]),
        (f"ok{THUMB}{THUMB} {HEART_ON_FIRE}", ["ok", THUMB, THUMB, HEART_ON_FIRE]),
        (f"{KEYCAP}{KEYCAP} {ENGLAND}!", [KEYCAP, KEYCAP, ENGLAND, "!"]),
        ("\U0001f602\U0001f602\u2764\ufe0f", ["\U0001f602", "\U0001f602", "\u2764\ufe0f"]),
        ("مرحبا، كيف حالك؟", ["مرحبا", "،", "كيف", "حالك", "؟"]),
        ("हिन्दी भाषा।", ["हिन्दी", "भाषा", "।"]),
        ("한국어는 쉽다", ["한국어는", "쉽다"]),
        ("Привет, мир", ["привет", ",", "мир"]),
        ("Tiếng Việt", ["tiếng", "việt"]),
    ],
)
@pytest.mark.parametrize("name", ["auto", "word", "jieba"])
def test_words_of_scripts_with_spaces(name, text, expected):
    if name == "jieba":
        pytest.importorskip("rjieba")
    assert get_tokenizer(name, normalize=BEFORE)(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("我爱你", ["我", "爱", "你"]),
        ("好吃。。。。赞！！", ["好", "吃", "。。。", "赞", "！！"]),
        ("用iPhone 12拍的", ["用", "iphone", "12", "拍", "的"]),
        ("3月5日〇々", ["3", "月", "5", "日", "〇", "々"]),
        ("ラーメンがﾗｰ", ["ラ", "ー", "メ", "ン", "が", "ﾗ", "ｰ"]),
        ("ภาษาน้ำ", ["ภ", "า", "ษ", "า", "น้ำ"]),
        ("ທີ່", ["ທີ່"]),
        ("ភាសា", ["ភា", "សា"]),
        ("မြန်မာ", ["မြ", "န်", "မာ"]),
        ("๑๒", ["๑๒"]),
    ],
)
def test_auto_splits_scripts_without_spaces(text, expected):
    assert get_tokenizer("auto", normalize=BEFORE)(text) == expected


def test_word_leaves_scripts_without_spaces_whole():
    assert get_tokenizer("word")("我爱你 ラーメン。") == ["我爱你", "ラーメン", "。"]


@pytest.mark.parametrize(
    "text",
    [
        "plain text",
        "cafe\u0301 naïve",
        "हिन्दी",
        "ภาษาน้ำ",
        "한국어",
        "我爱你",
        "مَرحَبًا",
        FAMILY + THUMB + GERMANY + FRANCE,
        HEART_ON_FIRE + KEYCAP + ENGLAND + "\U0001f602",
    ],
)
def test_char_gives_grapheme_clusters(text):
    regex = pytest.importorskip("regex")
    # Newer versions of Unicode also join Indic conjuncts, which differ by version.
    clusters = regex.findall(r"\X", unicodedata.normalize("NFC", text))
    expected = [c for c in clusters if not c.isspace()]
    if "\u094d" in text:
        expected = ["हि", "न्", "दी"]
    assert get_tokenizer("char", normalize=BEFORE)(text) == expected


def test_lowercase_is_optional():
    assert get_tokenizer("word", lowercase=False)("It IS :D") == ["It", "IS", ":D"]
    assert get_tokenizer("char", lowercase=False)("Ab É") == ["A", "b", "É"]


@pytest.mark.parametrize("name", ["auto", "word", "char"])
def test_long_tokens_are_cut(name):
    tokenize = get_tokenizer(name)
    marks = "e" + "\u0327\u0308" * 500
    assert max(map(len, tokenize(f"{'a' * 1000} {'é' * 1000} {marks}"))) <= 64
    if name != "char":
        assert tokenize(f"{'a' * 1000} b") == ["a" * 64, "b"]


ASCII_PIECES = st.lists(
    st.sampled_from([*":;=-'^()[]{}|\\*/<>!?.,_dDpPoO3b12 \t\n", "don't", "1,000", "!!!!", ":-)"])
)


@given(st.one_of(st.text(st.characters(max_codepoint=127)), ASCII_PIECES.map("".join)))
@example("====)")
@example(":)))))) ;-DD <33 <3, <3.5 1.1.1.1.1.1.1.1.1.1.1 a'b'c'd'e")
@example("-" * 200)
@settings(max_examples=500)
def test_both_patterns_agree_on_ascii(text):
    text = clean(text)
    tokens = split_words(text, split_scripts=False)
    assert tokens == _split_unicode(text, split_scripts=False)
    assert tokens == _split_unicode(text, split_scripts=True)


@given(st.text(st.sampled_from("aB1.,'’ !:)<3é中ก\n\u0301\U0001f602")))
@settings(max_examples=300)
def test_stretches_give_the_tokens_of_the_whole(text):
    text = clean(text).replace("’", "'")
    for split_scripts in (False, True):
        assert split_words(text, split_scripts) == _split_unicode(text, split_scripts)


def assert_well_formed(tokens):
    for token in tokens:
        assert token
        assert not any(character.isspace() for character in token)
        token.encode("utf-8")


@pytest.mark.parametrize("name", ["auto", "word", "char", "jieba"])
@given(
    text=st.one_of(st.text(), st.text(st.characters(min_codepoint=0x200B, max_codepoint=0x3100)))
)
@example(text="\ud83d\ude00 \udc00<br")
def test_tokens_are_well_formed(name, text):
    if name == "jieba":
        pytest.importorskip("rjieba")
    assert_well_formed(get_tokenizer(name)(text))


@pytest.mark.parametrize("name", ["auto", "word", "char"])
def test_every_code_point_with_all_steps(name):
    everything = " ".join(map(chr, range(sys.maxunicode + 1)))
    tokens = get_tokenizer(name)(everything)
    assert_well_formed(tokens)
    assert clean(" ".join(tokens)) == " ".join(tokens)  # nothing is left to be folded


@pytest.mark.parametrize("name", ["auto", "word", "char"])
def test_every_code_point(name):
    everything = map(chr, range(sys.maxunicode + 1))
    tokens = get_tokenizer(name, lowercase=False, normalize=BEFORE)(" ".join(everything))
    assert_well_formed(tokens)
    # Letters and digits are all there; marks, formats and controls have no token.
    text = "".join(tokens)
    for character in "aZ09éßक中あ한ก€…\U0001f602\U00020000":
        assert character in text


@pytest.mark.parametrize("name", ["auto", "word", "char", "jieba"])
def test_tokenizers_can_be_pickled(name):
    if name == "jieba":
        pytest.importorskip("rjieba")
    text = f"Don't 我爱你 été {FAMILY} ... 3.5"
    tokenize = get_tokenizer(name)
    before = tokenize(text)
    assert pickle.loads(pickle.dumps(tokenize))(text) == before
    assert get_tokenizer(name)(text) == before


def test_callable_sees_cleaned_text():
    seen = []

    def tokenize(text):
        seen.append(text)
        return text.split("|")

    assert get_tokenizer(tokenize)("A&amp;B|<b>C") == ["a&b", " c"]
    assert get_tokenizer(tokenize, lowercase=False)("A") == ["A"]
    assert seen == ["a&b| c", "A"]


def test_callable_may_return_a_tuple_and_be_pickled():
    tokenize = pickle.loads(pickle.dumps(get_tokenizer(str.split)))
    assert tokenize("A B") == ["a", "b"]
    assert get_tokenizer(lambda text: tuple(text))("ab") == ["a", "b"]


@pytest.mark.parametrize("result", ["a string", None, iter(["a"]), {"a"}, ["a", 1], [None]])
def test_callable_with_a_wrong_result(result):
    with pytest.raises(TypeError, match="tokenizer returned .* must"):
        get_tokenizer(lambda text: result)("a")


@pytest.mark.parametrize("name", ["words", None, 3, "", ["word"]])
def test_unknown_name(name):
    with pytest.raises(ValueError, match="'auto', 'word', 'char', 'jieba' or a callable"):
        get_tokenizer(name)
