"""Traditional and Simplified Chinese: conversion, and which of them documents use."""

from __future__ import annotations

import pickle
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastlstm
from fastlstm import LSTMSentimentClassifier, Predictor, SequenceVectorizer, WordVectors, datasets
from fastlstm.text.encoder import TextEncoder, TextOptions
from fastlstm.text.offsets import token_offsets
from fastlstm.text.tokenizers import get_tokenizer
from fastlstm.text.zh_script import (
    ChineseScripts,
    _characters,
    chinese_scripts,
    to_simplified,
)

SIMPLIFIED = [
    "服务态度很差",
    "房间很干净，下次还来",
    "菜太咸了，不会再来",
    "环境很好，价格也便宜",
] * 3
TRADITIONAL = [
    "服務態度很差", "房間很乾淨，下次還來", "菜太鹹了，不會再來", "環境很好，價格也便宜",
] * 3  # fmt: skip
LABELS = [0, 1, 0, 1] * 3
SMALL = {"hidden_size": 3, "embedding_dim": 4, "n_estimators": 1, "max_epochs": 1,
         "random_state": 0, "zh_script": "simplified"}  # fmt: skip


@pytest.fixture
def opencc():
    return pytest.importorskip("opencc")


# -- conversion -------------------------------------------------------------------------------


@pytest.mark.parametrize("tokenizer", ["auto", "word", "char", "jieba"])
def test_both_scripts_have_the_same_tokens(opencc, tokenizer):
    if tokenizer == "jieba":
        pytest.importorskip("rjieba")
    tokenize = get_tokenizer(tokenizer, zh_script="simplified")
    as_written = get_tokenizer(tokenizer)
    for simplified, traditional in zip(SIMPLIFIED, TRADITIONAL, strict=True):
        assert tokenize(traditional) == tokenize(simplified) == as_written(simplified)
        assert as_written(traditional) != as_written(simplified)


def test_a_callable_gets_the_converted_text(opencc):
    assert get_tokenizer(str.split, zh_script="simplified")("服務 OK") == ["服务", "ok"]


def test_a_model_takes_both_scripts_for_one(opencc, tmp_path):
    clf = LSTMSentimentClassifier(**SMALL).fit(SIMPLIFIED, LABELS)
    expected = clf.predict_proba(SIMPLIFIED).tolist()
    assert clf.predict_proba(TRADITIONAL).tolist() == expected
    assert "务" in clf.vocabulary_ and "務" not in clf.vocabulary_
    clf.save(tmp_path / "model.fastlstm")
    loaded = fastlstm.load(tmp_path / "model.fastlstm")
    assert loaded.zh_script == "simplified"
    for model in (loaded, Predictor(tmp_path / "model.fastlstm"), pickle.loads(pickle.dumps(clf))):
        assert model.predict_proba(TRADITIONAL).tolist() == expected


def test_a_vectorizer_and_word_vectors_take_both_scripts_for_one(opencc):
    vectorizer = SequenceVectorizer(zh_script="simplified").fit(SIMPLIFIED)
    assert (vectorizer.transform(TRADITIONAL) == vectorizer.transform(SIMPLIFIED)).all()
    options = {"size": 4, "epochs": 1, "zh_script": "simplified"}
    assert WordVectors.learn(TRADITIONAL, **options).tokens == (
        WordVectors.learn(SIMPLIFIED, **options).tokens
    )


def test_explanations_cut_the_original(opencc):
    clf = LSTMSentimentClassifier(**SMALL).fit(SIMPLIFIED, LABELS)
    (explanation,) = clf.explain(["<b>服務</b>態度 T-shirt"], method="gradient_x_input")
    assert explanation.tokens == ("服", "务", "态", "度", "t", "-", "shirt")
    cut = [explanation.text[start:end] for start, end in explanation.offsets]
    assert cut == ["服", "務", "態", "度", "T", "-", "shirt"]


texts = st.lists(
    st.sampled_from(
        [*TRADITIONAL, "著名的乾隆皇帝看著妳", "頭髮發光", "裡裏后後", "𠮷", "T恤", " "]
    )
    | st.text(st.characters(min_codepoint=0x2E80, max_codepoint=0x9FFF), max_size=8)
    | st.text(max_size=4),
    max_size=8,
).map("".join)


@settings(max_examples=300, deadline=None)
@given(texts)
def test_places_stay_right(text):
    pytest.importorskip("opencc")
    for tokenizer in ("auto", "char"):
        tokens = get_tokenizer(tokenizer, zh_script="simplified")(text)
        offsets = token_offsets(text, tokens, True, tokenizer, zh_script="simplified")
        assert (offsets >= 0).all()
        assert (offsets[1:, 0] >= offsets[:-1, 0]).all()


def test_every_character_becomes_one(opencc):
    everything = [chr(code) for code in range(0x2E80, 0x323B0) if not 0xD800 <= code < 0xE000]
    convert = opencc.OpenCC("t2s").convert
    assert [c for c in everything if len(convert(c)) != 1] == []
    whole = "".join(everything)
    assert len(to_simplified(whole)) == len(whole)


def test_words_of_another_length_are_converted_one_by_one(monkeypatch):
    """As dictionaries may have them that exchange words."""
    from fastlstm.text import zh_script

    words = {"軟體": "软件程序", "軟": "软", "體": "体", "無": ""}

    class Converter:
        convert = staticmethod(lambda text: words.get(text, text))

    monkeypatch.setattr(zh_script, "_converter", Converter)
    assert to_simplified("軟體") == "软体"
    assert to_simplified("無") == "無"


def test_threads_may_convert_beside_each_other(opencc):
    many = [text * (i % 7) for i, text in enumerate(TRADITIONAL * 20)]
    expected = [to_simplified(text) for text in many]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(to_simplified, many)) == expected


def test_missing_package_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "opencc", None)
    with pytest.raises(ImportError, match=r"zh_script='simplified'.*pip install 'fastlstm\[zh\]'"):
        LSTMSentimentClassifier(zh_script="simplified").fit(SIMPLIFIED, LABELS)
    assert get_tokenizer("auto")("服務") == ["服", "務"]


def test_other_scripts_are_refused():
    with pytest.raises(ValueError, match="zh_script must be \"simplified\" or None, got 'trad'"):
        get_tokenizer("auto", zh_script="trad")
    with pytest.raises(ValueError, match="'zh_script' parameter"):
        LSTMSentimentClassifier(zh_script="traditional").fit(SIMPLIFIED, LABELS)


def test_state_keeps_the_script(opencc):
    encoder, _ = TextEncoder.learn(SIMPLIFIED, TextOptions(zh_script="simplified"))
    again = TextEncoder.from_state(encoder.state())
    assert again.options == encoder.options
    assert again.tokenize("服務") == ["服", "务"]
    with pytest.raises(ValueError, match="zh_script must be"):
        TextEncoder.from_state({**encoder.state(), "zh_script": ["simplified"]})


# -- which script -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("documents", "simplified", "traditional", "mixed"),
    [
        (SIMPLIFIED, 1, 0, False),
        (TRADITIONAL, 0, 1, False),
        ([], 0, 0, False),
        (["", "plain English", "好", "\ud800"], 0, 0, False),
        (["服务", "服務", "ok", "好"], 1 / 4, 1 / 4, True),
        (["东京の料理", "東京へ行く", "한국 東"], 0, 0, False),
        # The quotation does not count.
        (["他写道：「愛」是没有心的爱，这话说得对"], 1, 0, False),
        (["服务"] * 400 + ["服務"], 400 / 401, 1 / 401, False),
        (["服务"] * 99 + ["服務"], 0.99, 0.01, True),
        (["hello"] * 900 + ["服务"] * 50 + ["服務"] * 50, 0.05, 0.05, True),
    ],
)
def test_shares_of_documents(documents, simplified, traditional, mixed):
    found = chinese_scripts(iter(documents))
    assert found == pytest.approx((simplified, traditional))
    assert found.mixed is mixed


def test_mixed_needs_both():
    assert not ChineseScripts(1.0, 0.0).mixed
    assert not ChineseScripts(0.0, 0.0).mixed
    assert ChineseScripts(0.0, 0.0) == chinese_scripts(["nothing Chinese"])


def test_characters_are_of_one_script(opencc):
    """Against opencc's tables, which are made from other sources."""
    simplified, traditional = _characters()
    assert simplified.isdisjoint(traditional)
    to_simplified_, to_traditional = opencc.OpenCC("t2s").convert, opencc.OpenCC("s2t").convert
    assert [c for c in sorted(simplified) if to_simplified_(c) != c] == []
    assert [c for c in sorted(simplified) if to_traditional(c) == c] == []
    # Rare ones of Traditional texts, which no Simplified text has either, stay.
    rare = [c for c in traditional if to_simplified_(c) == c]
    assert len(rare) < 0.1 * len(traditional)


def test_real_reviews(opencc):
    texts = datasets.load_reviews(language="zh").texts
    assert chinese_scripts(texts).traditional < 0.01
    assert not chinese_scripts(texts).mixed
    for config in ("s2t", "s2tw", "s2hk"):
        converted = list(map(opencc.OpenCC(config).convert, texts))
        found = chinese_scripts(converted)
        assert found.simplified == 0 and found.traditional > 0.9
        assert chinese_scripts([*texts, *converted[:50]]).mixed
