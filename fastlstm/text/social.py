"""Addresses, mentions and hashtags, which would be many tokens each."""

from __future__ import annotations

import re
from functools import cache

from fastlstm.text.rewriting import Rewriting

ADDRESS, MENTION = "<url>", "<user>"
# One token each where a text holds them: those above, and others that prepared tweets and
# word vectors of tweets (GloVe) have.
MARKERS = (
    ADDRESS, MENTION, "<number>", "<hashtag>", "<allcaps>", "<elong>", "<repeat>", "<smile>",
    "<lolface>", "<sadface>", "<neutralface>", "<heart>",
)  # fmt: skip

# ASCII without spaces, quotes and angle brackets: Chinese text may follow an address at
# once. The last character is no mark that ends a sentence or a bracket.
_REST = r"[!#-;=?-~]*[#$%&*+/0-9=@A-Z\\^_a-z|~-]"
# Before a sign, these make it something else; letters of scripts without spaces do not.
_WORD = "A-Za-z0-9_"


def _word(hashtag: re.Match[str]) -> str:
    return " " + hashtag[0][1:].replace("_", " ")


@cache
def social() -> tuple[Rewriting, ...]:
    """Markers for addresses and mentions, their words for hashtags."""
    address = f" {ADDRESS} "
    return (
        Rewriting("/", re.compile(rf"[hH][tT][tT][pP][sS]?://{_REST}"), address, "://"),
        Rewriting("/", re.compile(r"pic\.twitter\.com/[A-Za-z0-9]+"), address, "pic."),
        Rewriting("/", re.compile(rf"t\.co/(?<![{_WORD}.-]t\.co/)[A-Za-z0-9]+"), address, "t.co/"),
        Rewriting("w", re.compile(rf"www\.(?<![{_WORD}.]www\.){_REST}"), address, "www."),
        # An e-mail address is none: a letter stands before its "@".
        Rewriting("@", re.compile(rf"@(?<![{_WORD}@.]@)[{_WORD}]+"), f" {MENTION} "),
        # "#1" is a number, "C#" and "##" are no hashtags.
        Rewriting("#", re.compile(rf"#(?<![{_WORD}&#]#)(?=\d*[^\W\d_])\w+"), _word),
    )
