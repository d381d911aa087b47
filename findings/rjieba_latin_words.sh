#!/usr/bin/env bash
# rjieba cuts Chinese as jieba does, with the same dictionary. Runs of ASCII letters and digits
# it cuts elsewhere: a hyphen, a full stop or an underscore inside joins them to one word.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    setuptools==80.9.0 jieba==0.42.1 rjieba==0.2.2
"$folder/venv/bin/python" -W ignore - <<'PY'
import logging
from importlib.metadata import version

import jieba
import rjieba

jieba.setLogLevel(logging.WARNING)
print("jieba", version("jieba"), "rjieba", version("rjieba"))

SAME = [
    "质量太差，用了两天就坏了。",
    "iPhone13很好用，打了3.5折",
    "他来到了网易杭研大厦",
    "100%满意",
    "C++和C#",
]
DIFFERENT = {
    "这件T-shirt不错": ["这件", "T-shirt", "不错"],
    "wi-fi信号差": ["wi-fi", "信号", "差"],
    "用node.js写的": ["用", "node.js", "写", "的"],
    "2024-05-01到货": ["2024-05-01", "到货"],
    "foo_bar": ["foo_bar"],
    "U.S.A.": ["U.S.A", "."],
}
for text in SAME:
    assert jieba.lcut(text) == list(rjieba.cut(text)), text
for text, words in DIFFERENT.items():
    print(text, jieba.lcut(text), list(rjieba.cut(text)))
    assert list(rjieba.cut(text)) == words
    assert len(jieba.lcut(text)) > len(words)
    assert "".join(jieba.lcut(text)) == text
PY
