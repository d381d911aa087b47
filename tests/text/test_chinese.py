import os
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastlstm
from fastlstm.text import chinese
from fastlstm.text.chinese import HAN_ALONE, split_chinese
from fastlstm.text.encoder import TextEncoder, TextOptions
from fastlstm.text.offsets import token_offsets
from fastlstm.text.tokenizers import get_tokenizer

TEXT = "这家餐厅的云朵麻辣小锅真好吃"

# Words of jieba's dictionary that hold Latin letters or digits.
MIXED = [
    "T恤", "AA制", "B超", "阿Q", "4S店", "1号店", "U盘", "SIM卡", "IP地址", "K歌之王", "RSS订阅",
    "小S", "X射线",
]  # fmt: skip


def test_words_of_han_and_the_rest_as_words():
    pytest.importorskip("rjieba")
    tokenize = get_tokenizer("jieba")
    assert tokenize("我爱北京天安门,hello世界！！！！ don't 3.5") == [
        *["我", "爱", "北京", "天安门", ",", "hello", "世界", "!!!", "don't", "3.5"],
    ]


def test_words_are_those_of_rjieba():
    rjieba = pytest.importorskip("rjieba")
    text = "酒店的服务非常好房间也很干净下次还会再来"
    assert get_tokenizer("jieba")(text) == rjieba.Jieba().cut(text)


def test_long_words_are_cut(monkeypatch):
    pytest.importorskip("rjieba")
    monkeypatch.setattr(chinese, "_cut", lambda text: [text])
    assert get_tokenizer("jieba")("我" * 100) == ["我" * 64]
    assert get_tokenizer("jieba")("T" + "我" * 100) == ["t" + "我" * 63]


def test_missing_package_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "rjieba", None)
    with pytest.raises(ImportError, match=r"pip install 'fastlstm\[zh\]'"):
        get_tokenizer("jieba")


# -- Latin letters and digits beside Han ------------------------------------------------------


@pytest.mark.parametrize("word", MIXED)
@pytest.mark.parametrize("spelling", [str, str.lower, str.upper])
def test_a_word_of_both_scripts_stays_whole(word, spelling):
    pytest.importorskip("rjieba")
    text = spelling(word)
    assert get_tokenizer("jieba", lowercase=False)(text) == [text]
    assert get_tokenizer("jieba")(text) == [text.lower()]
    assert get_tokenizer("jieba")(f"买了 {text}，") == ["买", "了", text.lower(), ","]


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("这件T恤不错", ["这件", "t恤", "不错"]),
        ("A股B股都跌", ["a股", "b股", "都", "跌"]),
        ("做B超 T 恤", ["做", "b超", "t", "恤"]),
        ("3D电影和5G网络", ["3d", "电影", "和", "5g", "网络"]),
        # Words and numbers are those of a text without Han, whatever stands beside them.
        ("well-known品牌", ["well", "-", "known", "品牌"]),
        ("住2-3天", ["住", "2", "-", "3", "天"]),
        ("用ctrip.com订", ["用", "ctrip", ".", "com", "订"]),
        ("这件T-shirt不错", ["这件", "t", "-", "shirt", "不错"]),
        ("打3.5折", ["打", "3.5", "折"]),
        ("3.1号店", ["3.1", "号店"]),
        ("don't恤", ["don't", "恤"]),
        ("MyT恤", ["myt", "恤"]),
        ("recall机，CALL机", ["recall", "机", ",", "call机"]),
        ("江南Style和江南style", ["江南style", "和", "江南style"]),
        ("小AT恤T恤", ["小", "at", "恤", "t恤"]),
        ("\U0001f602T恤:D座", ["\U0001f602", "t恤", ":d", "座"]),
    ],
)
def test_words_beside_han(text, tokens):
    pytest.importorskip("rjieba")
    assert get_tokenizer("jieba")(text) == tokens


def test_old_rules_cut_at_every_border():
    pytest.importorskip("rjieba")
    tokenize = get_tokenizer("jieba", jieba_rules=HAN_ALONE)
    assert tokenize("这件T恤不错 阿Q AA制") == ["这件", "t", "恤", "不错", "阿", "q", "aa", "制"]


PIECES = [*MIXED, "t恤", "call机", "中文", "很好。", "don't", "x.y", "3.5", "abc", "é", " ", "!!!!",
          "\U0001f602", "ไทย", "1", "a" * 70, "店", "型台", "1\ufe0f\u20e3", "’"]  # fmt: skip
mixtures = st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=12).map("".join)


@settings(max_examples=300, deadline=None)
@given(mixtures)
def test_other_words_do_not_change_beside_han(text):
    """Of what is not Han, every token is one of the old rules, or ends in one that is whole."""
    pytest.importorskip("rjieba")
    new, old = split_chinese(text), split_chinese(text, HAN_ALONE)
    if max(map(len, old), default=0) < 64:  # what is longer is cut
        assert "".join(new) == "".join(old)
    ends = set(accumulate(map(len, new)))
    for token, end in zip(old, accumulate(map(len, old)), strict=True):
        if chinese.next_han(token, 0, len(token)) == len(token):
            assert ends.isdisjoint(range(end - len(token) + 1, end)), token


@settings(max_examples=200, deadline=None)
@given(mixtures, st.sampled_from([1, 2]), st.booleans())
def test_offsets_of_every_token(text, rules, lowercase):
    pytest.importorskip("rjieba")
    tokens = get_tokenizer("jieba", lowercase, jieba_rules=rules)(text)
    offsets = token_offsets(text, tokens, lowercase, "jieba")
    assert (offsets >= 0).all()
    assert (offsets[1:, 0] >= offsets[:-1, 0]).all()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("这件<b>T</b>恤 T恤&amp;AA制", ["这件", "T", "恤", "T恤", "&amp;", "AA制"]),
        ("T恤 t恤 T 恤", ["T恤", "t恤", "T", "恤"]),
        ("ก" * 80 + " ก 阿Q", ["ก" * 64, "ก", "阿Q"]),
        ("x" * 80 + "恤x x", ["x" * 64, "恤", "x", "x"]),
    ],
)
def test_offsets_cut_the_original(text, expected):
    pytest.importorskip("rjieba")
    tokens = get_tokenizer("jieba")(text)
    offsets = token_offsets(text, tokens, True, "jieba")
    assert [text[start:end] for start, end in offsets] == expected
    assert offsets[-1, 1] == len(text)


# -- a dictionary of our own ------------------------------------------------------------------


def run(script):
    """Run Python in a process of its own, whose dictionaries it may spoil."""
    package = str(Path(fastlstm.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-X", "utf8", "-c", script], capture_output=True, text=True,
        encoding="utf-8", env={**os.environ, "PYTHONPATH": package},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


ADD_WORD = """
import rjieba
from fastlstm.text.tokenizers import get_tokenizer
text = "这家餐厅的云朵麻辣小锅真好吃"
tokenize = get_tokenizer("jieba")
if {first}:
    before = tokenize(text)
rjieba.add_word("麻辣小锅", 100_000, "n")
rjieba.Jieba().add_word("真好吃", 100_000, "n")
assert "麻辣小锅" in rjieba.cut(text)
if not {first}:
    before = tokenize(text)
assert "麻辣小锅" not in before and "好吃" in before
for rules in (1, 2):
    assert tokenize(text) == get_tokenizer("jieba", jieba_rules=rules)(text) == before
rjieba.clear()
assert tokenize(text) == before
"""


@pytest.mark.parametrize("first", [True, False])
def test_words_added_elsewhere_change_nothing(first):
    rjieba = pytest.importorskip("rjieba")
    if not hasattr(rjieba, "add_word"):
        pytest.skip("this rjieba cannot add words")
    run(ADD_WORD.format(first=first))


FORK = """
import os
import threading
from fastlstm.text.tokenizers import get_tokenizer
tokenize = get_tokenizer("jieba")
texts = [f"第{i}次来，T恤不错，服务态度也很好" + "好吃" * (i % 50) for i in range(500)]
expected = [get_tokenizer("jieba")(text) for text in texts]
wrong = []


def cut():
    wrong.extend(t for t, tokens in zip(texts, expected) if tokenize(t) != tokens)


threads = [threading.Thread(target=cut) for _ in range(4)]
for thread in threads:
    thread.start()
for i in range(10):
    child = os.fork()
    if not child:
        os._exit(tokenize(texts[i]) != expected[i])
    assert os.waitpid(child, 0)[1] == 0
for thread in threads:
    thread.join()
assert not wrong
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_threads_and_forked_processes_may_cut_beside_each_other():
    pytest.importorskip("rjieba")
    run(FORK)


def test_the_first_cuts_may_come_from_several_threads():
    pytest.importorskip("rjieba")
    expected = get_tokenizer("jieba")(TEXT)
    chinese._jieba.cache_clear()
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(get_tokenizer("jieba"), [TEXT] * 8)) == [expected] * 8


def test_an_encoder_can_be_pickled():
    pytest.importorskip("rjieba")
    encoder, _ = TextEncoder.learn([TEXT, "T恤不错"], TextOptions(tokenizer="jieba"))
    again = pickle.loads(pickle.dumps(encoder))
    assert again.tokenize(TEXT) == encoder.tokenize(TEXT)
    assert again.options == encoder.options
    assert len(pickle.dumps(encoder)) < 5000  # without a dictionary


def test_what_an_older_version_pickled_keeps_its_rules():
    pytest.importorskip("rjieba")
    encoder, _ = TextEncoder.learn(["T恤不错"], TextOptions(tokenizer="jieba"))
    del vars(encoder.options)["jieba_rules"], vars(encoder.options)["zh_script"]
    again = pickle.loads(pickle.dumps(encoder))
    assert again.tokenize("T恤不错") == ["t", "恤", "不错"]
    assert again.state()["jieba_rules"] == HAN_ALONE
    assert again.state()["zh_script"] is None
