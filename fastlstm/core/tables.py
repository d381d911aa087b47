"""What files of documents are called, and their columns."""

from __future__ import annotations

TEXT_NAMES = (
    "text", "review", "content", "comment", "sentence", "document", "tweet", "body", "message",
    "文本", "评论", "内容", "评价",
)  # fmt: skip
# "rating" and "stars" are left out: beside a label they give it away.
LABEL_NAMES = (
    "label", "sentiment", "class", "target", "category", "y", "polarity", "标签", "情感", "类别",
)  # fmt: skip

# Suffixes of files that are read, and what is in them.
FORMATS = {
    ".csv": "csv", ".tsv": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "json",
    ".parquet": "parquet", ".txt": "txt",
}  # fmt: skip

# Those of spreadsheets, which are not.
SPREADSHEETS = (".xlsx", ".xls", ".xlsm", ".xlsb", ".ods", ".numbers")


def suffix_of(path: object) -> str:
    """The suffix of a file's name in lower case, that before ``.gz`` if there are two."""
    name = str(path).replace("\\", "/").rpartition("/")[2].lower().removesuffix(".gz")
    start, dot, end = name.rpartition(".")
    return dot + end if start else ""
