"""The steps of ``normalize``: markup, half-decoded text, look-alikes, addresses, stretching."""

import pickle
import re
import unicodedata
from html.parser import HTMLParser

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import fastlstm
from fastlstm.text.clean import ALL_STEPS, STEPS, check_steps, clean
from fastlstm.text.fold import APOSTROPHES, DROPPED, FOLDED_BLOCKS, folding_table
from fastlstm.text.markup import ELEMENTS
from fastlstm.text.mend import half_decoded_share
from fastlstm.text.plainer import fold, may_be_stretched, plainer_forms, squeezed
from fastlstm.text.social import MARKERS
from fastlstm.text.tokenizers import get_tokenizer


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("so <happy> today", "so <happy> today"),
        ("great <sarcasm>", "great <sarcasm>"),
        ("rating <expected but story> average", "rating <expected but story> average"),
        ("if a <b and c> d", "if a <b and c> d"),
        ("<time flies>", "<time flies>"),
        ("thanks <user> see <url>", "thanks <user> see <url>"),
        ("<image> <unk> <my-own>", "<image> <unk> <my-own>"),
        ("me <me@home.org> <http://x>", "me <me@home.org> <http://x>"),
        ("a <B>bold</B> <br/><BR clear=all>", "a  bold   "),
        ("<input disabled> <hr noshade /> <td nowrap>x", "x"),
        ('<a href="x">y</a>', "y"),
        ("<o:p>Word</o:p><st1:place w:st='on'>x</st1:place>", "Word  x"),
        ("<q:what> <note:this>", "<q:what> <note:this>"),
        ("<!DOCTYPE html><p>x", "x"),
        ('<?xml version="1.0"?>x', "x"),
        ("<![if !IE]>x<![endif]>", "x"),
        ("<![CDATA[fine film]]> a]]>b", "fine film a b"),
        ("x <!-- no --> y <!oops> z", "x y <!oops> z"),
    ],
)
def test_only_what_html_knows_is_markup(text, expected):
    assert clean(text, ("html",)).split() == expected.split()
    assert clean(text, ()) == text


def test_the_table_of_elements_has_those_of_others():
    assert set(HTMLParser.CDATA_CONTENT_ELEMENTS) <= ELEMENTS
    builder = pytest.importorskip("bs4.builder").HTMLTreeBuilder
    known = builder.DEFAULT_BLOCK_ELEMENTS | builder.DEFAULT_EMPTY_ELEMENT_TAGS
    # Neither is in the standard; the one is what people write for a picture left out.
    assert known - ELEMENTS <= {"image", "command"}


def test_old_rule_takes_whatever_has_the_shape_of_a_tag():
    assert clean("so <happy> &amp; <expected but story>", ("tags",)) == "so   &  "
    assert clean("so <happy> <b>", ("tags", "html")) == clean("so <happy> <b>", ("tags",))


@pytest.mark.parametrize(
    "apostrophe", ["\u02bc", "\u2032", "\u00b4", "\u0060", "\uff07", "\u2018", "\u2019", "'"]
)
@pytest.mark.parametrize("name", ["auto", "word", "jieba"])
def test_a_negation_keeps_its_apostrophe(name, apostrophe):
    if name == "jieba":
        pytest.importorskip("rjieba")
    assert get_tokenizer(name)(f"I don{apostrophe}t. 很") == ["i", "don't", ".", "很"]
    assert get_tokenizer(name)(f"DON{apostrophe}T") == ["don't"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("❤\ufe0f", "❤"),
        ("👍🏽", "👍"),
        ("🤷🏽\u200d♀\ufe0f", "🤷"),
        ("1\ufe0f\u20e3", "1\u20e3"),
        ("Ｔｅｒｒｉｂｌｅ ５．５", "terrible 5.5"),
        ("ﾀﾞﾒ", "ダメ"),
        ("ﬁne oﬀer", "fine offer"),
        ("ســيــئ جِدًّا", "سيئ جدا"),
        ("ﻃﻔﻞ", "طفل"),
        ("שָׁלוֹם", "שלום"),
        ("İSTANBUL", "istanbul"),
        ("i\u0307stanbul", "istanbul"),
        ("𝓽𝓮𝓻𝓻𝓲𝓫𝓵𝓮 𝐛𝐚𝐝 ⓑⓐⓓ", "terrible bad bad"),
        ("“good” „bad‟", '"good" "bad"'),
        ("well… no", "well... no"),
        ("half\u2010baked \u22125", "half-baked -5"),
        ("：） ＠ ＃", ":) @ #"),
        ("⼈", "人"),
        ("￥5", "¥5"),
    ],
)
@pytest.mark.parametrize("name", ["auto", "word", "char"])
def test_look_alikes_are_one(name, one, other):
    assert get_tokenizer(name)(one) == get_tokenizer(name)(other)
    without = [step for step in ALL_STEPS if step != "fold"]
    assert get_tokenizer(name, normalize=without)(one) != get_tokenizer(name)(other)


@pytest.mark.parametrize(
    "text", ["5′ tall", "a `code` b", "``so''", "´", "t ´ t", "naïve café ½ Ⅳ ™"]
)
def test_accents_primes_and_quotes_stay(text):
    assert clean(text) == text


def test_dotted_capital_stays_where_nothing_is_lower_cased():
    assert get_tokenizer(lowercase=False)("İyi") == ["İyi"]


def test_the_table_agrees_with_unicode():
    dropped = {chr(c) for a, b in DROPPED.values() for c in range(ord(a), ord(b) + 1)}
    for char, plain in folding_table().items():
        if any(a <= char <= b for a, b in FOLDED_BLOCKS.values()):
            wanted = unicodedata.normalize("NFKC", char)
            assert plain == "".join(c for c in wanted if c not in dropped and c != " ")
        # What comes out is in no need of folding itself.
        assert not set(plain) & folding_table().keys()
        assert fold(char) == unicodedata.normalize("NFC", plain)
    assert not set(APOSTROPHES) & folding_table().keys()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (r"I don\u2019t, I won\u2019t", "I don't, I won't"),
        (r"fun \ud83d\ude02 \U0001f602", "fun 😂 😂"),
        (r"don\xe2\x80\x99t \xf0\x9f\x98\x82", "don't 😂"),
        (r"lone \ud83d, bad \xe2\x80", r"lone \ud83d, bad \xe2\x80"),
        (r"C:\users\new \n", r"C:\users\new \n"),
        ("it #39;s Fool #39;s gold", "it's Fool's gold"),
        ("say #39;hello #39; #8217;", "say 'hello ' '"),
        ("he said quot;no quot; noquot; &quot;", 'he said "no " noquot; "'),
        ("we are #1; they #12; &#39;", "we are #1; they #12; '"),
        ("don&amp;#39;t &amp;amp;quot;x&amp;quot;", 'don\'t "x"'),
        ("R&amp;D; AT&amp;T", "R&D; AT&T"),
        ("x &lt;br /&gt; &amp;lt;b&amp;gt;y &lt;3", "x    y <3"),
        ("donâ€™t â€œgoodâ€\x9d Ã©tÃ©", 'don\'t "good" été'),
        ("donâ\x80\x99t", "don't"),
        ("donÃ¢â‚¬â„¢t", "don't"),
        ("Â£5 ðŸ˜‚ â\x9d¤ï¸\x8f âœ…", "£5 😂 ❤ ✅"),
        ("Ð¿Ñ€Ð¸Ð²ÐµÑ‚", "привет"),
        ("Ø¬ÙŠØ¯", "جيد"),
        ("ï»¿first", "first"),
        ("voilà\u00a0» É” IRMÃ” âge été ÂÃ â", 'voilà\u00a0» É" IRMÃ" âge été ÂÃ â'),
    ],
)
def test_half_decoded_text_is_mended(text, expected):
    assert clean(text).split() == expected.split()


@given(st.text(st.sampled_from("éàèùçêôÉ«»\u00a0’“” .abcABC")))
@example("déjà\u00a0»")
@example("CAFÉ”")
def test_french_is_not_taken_for_mojibake(text):
    assert clean(text, ("decode",)) == clean(text, ())


@given(st.text(st.sampled_from("éàüñ’“”…–€£😂привет ")))
def test_mangled_text_comes_back(text):
    """Of what only cp1252 with Latin-1 for its gaps does to UTF-8."""
    mangled = "".join(bytes([b]).decode("cp1252", "ignore") or chr(b) for b in text.encode("utf-8"))
    mended = clean(mangled, ("decode",))
    # A Cyrillic letter alone, and one behind a capital, may be meant.
    if not re.search("[\u0400-\u04ff]", text):
        assert mended == clean(text, ())


def test_share_of_half_decoded_documents():
    texts = ["plain", r"don\u2019t", "a &amp; b", "it #39;s", "donâ€™t", "&amp;#39;", "été", ""]
    assert half_decoded_share(texts) == (4 / 8, 0)
    assert half_decoded_share([]) == (0, 0)
    doubtful = [r"so\nbad", "salt amp; pepper", "lost \ufffd", "锟斤拷", "an amp for &amp; it", "a"]
    assert half_decoded_share(doubtful) == (0, 4 / 6)
    assert [clean(text) for text in doubtful[:4]] == doubtful[:4]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("see http://x.org/a?b=c&d=%20#e, ok", "see <url> , ok"),
        ("(https://x.org/a_(b)). HTTP://X.ORG", "( <url> )) . <url>"),
        ("http://t.cn/abc这个很好", "<url> 这 个 很 好"),
        ("很好@me这个很好 #很好#", "很 好 <user> 这 个 很 好 很 好 #"),
        ("这个很好#这个#很好", "这 个 很 好 这 个 很 好"),
        ("www.x.org! t.co/abc pic.twitter.com/xyz", "<url> ! <url> <url>"),
        ("http://… and/or 9/10 at.co/mm", "http : // ... and / or 9 / 10 at . co / mm"),
        ("@VirginAmerica thx (@me) RT @you:", "<user> thx ( <user> ) rt <user> :"),
        ("me@home.org @ 5", "me @ home . org @ 5"),
        ("#Great #fun_time #2good", "great fun time 2good"),
        ("#1 C# ## a#b", "# 1 c # ## a # b"),
        ("#أيفون_البروفيسور", "أيفون البروفيسور"),
        ("thx <user> <url> <<user>", "thx <user> <url> << user >"),
        ("<user>!!!!! é<user>", "<user> !!! é <user>"),
    ],
)
@pytest.mark.parametrize("name", ["auto", "jieba"])
def test_addresses_mentions_and_hashtags(name, text, expected):
    if name == "jieba":
        pytest.importorskip("rjieba")
        expected = expected.replace("这 个", "这个")
    assert get_tokenizer(name)(text) == expected.split()


@pytest.mark.parametrize("marker", MARKERS)
def test_markers_of_prepared_tweets_are_one_token(marker):
    assert get_tokenizer("word")(f"so {marker} é{marker}.") == ["so", marker, "é", marker, "."]
    assert get_tokenizer("word", normalize=["html"])(marker) != [marker]


def test_a_callable_and_characters_see_addresses_as_they_are():
    text = "<b>Sooo</b> <happy> ﬁne @me http://x.org don`t"
    assert get_tokenizer(str.split)(text) == [
        "sooo", "<happy>", "fine", "@me", "http://x.org", "don't",
    ]  # fmt: skip
    assert get_tokenizer(str.split, False, None)(text) == text.split()
    assert get_tokenizer("char")("@me <user>") == list("@me<user>")


@pytest.mark.parametrize(
    ("token", "forms"),
    [
        ("terribleeee", ("terriblee", "terrible")),
        ("sooo", ("soo", "so")),
        ("yesss!!!", ("yess!!!", "yes!!!")),
        ("goood", ("good", "god")),
        ("nooowww", ("nooww", "noow", "noww", "now")),
        ("book", ()),
        ("1000", ()),
        ("!!!!", ()),
        ("جدااااا", ("جداا", "جدا")),
    ],
)
def test_squeezed(token, forms):
    assert squeezed(token) == forms


def test_may_be_stretched_finds_all_that_squeezed_shortens():
    tokens = ["so", "sooo", "", "aa", "a", "111", "\U0001f602" * 3, "\ud83dxxx", "yesss"]
    found = may_be_stretched(tokens).tolist()
    assert found == sorted(set(found))
    assert {i for i, token in enumerate(tokens) if squeezed(token)} <= set(found)
    assert not {0, 2, 3} & set(found)
    assert may_be_stretched([]).tolist() == may_be_stretched(["a"]).tolist() == []


@pytest.mark.parametrize(
    ("token", "forms"),
    [
        ("good", ()),
        ("GOOD", ("good",)),
        ("SOOO", ("sooo", "SOO", "soo", "SO", "so")),
        ("Ｔｅｒｒｉｂｌｅ", ("Terrible", "terrible")),
        ("don’t", ("don't",)),
        ("donʼt", ("don't",)),
        ("❤\ufe0f", ("❤",)),
        ("👍🏽", ("👍",)),
        ("🤷🏽\u200d♂\ufe0f", ("🤷",)),
        ("👩\u200d🚀", ("👩",)),
        ("İyi", ("iyi",)),
        ("i\u0307yi", ("iyi",)),
        ("ســيــئ", ("سيئ",)),
        ("\ufe0f", ()),
    ],
)
def test_plainer_forms(token, forms):
    assert plainer_forms(token) == forms


@given(st.text(max_size=20) | st.text(st.sampled_from("aB'ｂ🏽\u200d❤\ufe0fİ"), max_size=20))
def test_plainer_forms_of_anything(token):
    forms = plainer_forms(token)
    assert token not in forms
    assert "" not in forms
    assert len(set(forms)) == len(forms) <= 64


@given(st.text() | st.text(st.sampled_from("aÃ¢€™&amp;#39\\u20<br/>@. `’"), max_size=30))
def test_steps_are_pure(text):
    for steps in (*((step,) for step in STEPS), ALL_STEPS):
        once = clean(text, steps, lowercase=True)
        assert clean(text, steps, lowercase=True) == once
        once.encode("utf-8")


@pytest.mark.parametrize("name", ["auto", "char"])
@pytest.mark.parametrize("steps", [None, ["tags"], ["fold", "html"], "all"])
def test_tokenizers_of_any_steps_can_be_pickled(name, steps):
    tokenize = get_tokenizer(name, normalize=steps)
    text = "<b>don`t</b> <happy> @me Ｔ é"
    assert pickle.loads(pickle.dumps(tokenize))(text) == tokenize(text)


def test_steps_are_checked():
    assert check_steps("all") == check_steps(list(reversed(ALL_STEPS))) == ALL_STEPS
    assert check_steps(None) == check_steps([]) == ()
    assert check_steps({"tags", "html"}) == ("html", "tags")
    with pytest.raises(ValueError, match="normalize names 'htm'; the names are 'html', "):
        check_steps(["htm"])
    with pytest.raises(ValueError, match="normalize must be 'all', None or a list.*got 'html'"):
        check_steps("html")
    with pytest.raises(TypeError, match="normalize must be .* got 3"):
        check_steps(3)


# The estimators

TEXTS = ["a fine film", "great fun @me", "a dull film", "no fun at all"] * 8
LABELS = ["good", "good", "bad", "bad"] * 8
SMALL = {"embedding_dim": 4, "hidden_size": 3, "max_epochs": 1, "n_estimators": 1, "n_jobs": 1}


@pytest.mark.parametrize("steps", ["all", None, ["html", "fold"], ("tags",)])
def test_a_model_keeps_its_steps(tmp_path, steps):
    model = fastlstm.LSTMSentimentClassifier(**SMALL, normalize=steps, random_state=0)
    model.fit(TEXTS, LABELS)
    model.save(tmp_path / "model.fastlstm")
    again = fastlstm.load(tmp_path / "model.fastlstm")
    assert again.encoder_.options.normalize == model.encoder_.options.normalize
    assert check_steps(again.normalize) == check_steps(steps)
    new = ["ａ ｆｉｎｅ film <happy>", "sooo dulllll @you"]
    assert (again.predict_proba(new) == model.predict_proba(new)).all()
    again.set_params(warm_start=True).fit(TEXTS, LABELS)  # the steps are still the same ones
    with pytest.raises(ValueError, match="normalize is now .*, but the fitted model"):
        again.set_params(normalize=["social"]).fit(TEXTS, LABELS)


def test_an_unknown_step_is_refused_by_the_estimators():
    for kind in (fastlstm.LSTMSentimentClassifier, fastlstm.SequenceVectorizer):
        wanted = r"'normalize' parameter .* a list or tuple of names among 'html', .*Got \['htm'\]"
        with pytest.raises(ValueError, match=wanted):
            kind(normalize=["htm"]).fit(TEXTS, LABELS)


def test_explanations_point_at_what_was_written():
    model = fastlstm.LSTMSentimentClassifier(**SMALL, random_state=0).fit(TEXTS, LABELS)
    text = "Ｆｉｎｅ ﬁlm, @you http://x.org donʼt #fun dulllll"
    (found,) = model.explain([text])
    assert found.tokens == ("fine", "film", ",", "<user>", "<url>", "don't", "fun", "dulllll")
    assert [text[a:b] for a, b in found.offsets] == [
        "Ｆｉｎｅ", "ﬁlm", ",", "@you", "http://x.org", "donʼt", "fun", "dulllll",
    ]  # fmt: skip
    assert found.known.tolist() == [True, True, False, True, False, False, True, True]


def test_redacted():
    steps = ("social", "redact")
    assert clean("Call 555-0199 or ١٢ now", steps) == "Call 000-0000 or 00 now"
    assert clean("to ann.lee+x@home-1.example, @me", steps) == "to  email ,  <user> "
    found = clean("请发邮件到john@example.com谢谢" + "好" * 70 + "eve@example.com", ("redact",))
    assert found == "请发邮件到 email 谢谢" + "好" * 70 + " email "
    assert clean("ann@home", ()) == clean("ann@home", ("social",)) == "ann@home"
    assert "redact" not in check_steps("all") and check_steps(["redact"]) == ("redact",)


def test_redacting_very_long_texts():
    for text in ("a" * 10**6 + " @", "@" * 10**6, "a.b-" * 10**5 + "@b"):
        assert clean(text, ("redact",)) == text  # there is no address in them
    assert clean("a@b " * 10**5, ("redact",)) == " email  " * 10**5
