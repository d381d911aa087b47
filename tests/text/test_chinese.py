import sys

import pytest

from fastlstm.text.chinese import split_chinese
from fastlstm.text.tokenizers import get_tokenizer


def test_words_of_han_and_the_rest_as_words():
    pytest.importorskip("rjieba")
    tokenize = get_tokenizer("jieba")
    assert tokenize("我爱北京天安门,hello世界！！！！ don't 3.5") == [
        *["我", "爱", "北京", "天安门", ",", "hello", "世界", "!!!", "don't", "3.5"],
    ]


def test_words_are_those_of_rjieba():
    rjieba = pytest.importorskip("rjieba")
    text = "酒店的服务非常好房间也很干净下次还会再来"
    assert get_tokenizer("jieba")(text) == rjieba.cut(text)


def test_long_words_are_cut(monkeypatch):
    rjieba = pytest.importorskip("rjieba")
    monkeypatch.setattr(rjieba, "cut", lambda text: [text])
    assert get_tokenizer("jieba")("我" * 100) == ["我" * 64]


def test_missing_package_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "rjieba", None)
    with pytest.raises(ImportError, match=r"pip install 'fastlstm\[zh\]'"):
        get_tokenizer("jieba")


def test_rjieba_gets_han_alone():
    """It takes "T-shirt" and "node.js" for one word, where jieba cuts them."""
    pytest.importorskip("rjieba")
    assert split_chinese("这件T-shirt不错") == [*split_chinese("这件"), "T", "-", "shirt", "不错"]
