"""--set name=value."""

import click
import pytest

from fastlstm.cli.settings import parse_settings, parse_value

KNOWN = ("hidden_size", "dropout", "tokenizer")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("3e-3", 0.003),
        ("true", True),
        ("True", True),
        ("null", None),
        ("None", None),
        ("none", None),
        ("NONE", None),
        ('"none"', "none"),
        ("TRUE", True),
        ("FALSE", False),
        ("word", "word"),
        ('"word"', "word"),
        ("'word'", "word"),
        ('{"a": 2}', {"a": 2}),
        ("{1: 2.5}", {1: 2.5}),
        ("1_000", 1000),
        ("__import__('os')", "__import__('os')"),
        ("", ""),
    ],
)
def test_values(text, value):
    result = parse_value(text)
    assert result == value
    assert type(result) is type(value)


def test_last_one_counts_and_dashes_are_underscores():
    pairs = ["hidden-size=3", "hidden_size = 4", "tokenizer=a=b"]
    assert parse_settings(pairs, KNOWN) == {"hidden_size": 4, "tokenizer": "a=b"}


def test_unknown_names():
    with pytest.raises(ValueError, match="Did you mean hidden_size") as caught:
        parse_settings(["hiden_size=3"], KNOWN)
    for name in KNOWN:
        assert name in str(caught.value)


def test_without_equals():
    with pytest.raises(click.BadParameter, match="name=value"):
        parse_settings(["hidden_size"], KNOWN)
