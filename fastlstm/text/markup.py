"""What of a document is HTML: tags, comments, declarations and character references."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache

from fastlstm.text.rewriting import Rewriting

# Elements of the HTML standard (html.spec.whatwg.org): its index of elements, and those
# that it calls obsolete, which old pages have. "svg" and "math" stand for their contents.
_ELEMENTS = """
    a abbr address area article aside audio b base bdi bdo blockquote body br button canvas
    caption cite code col colgroup data datalist dd del details dfn dialog div dl dt em embed
    fieldset figcaption figure footer form h1 h2 h3 h4 h5 h6 head header hgroup hr html i iframe
    img input ins kbd label legend li link main map mark math menu meta meter nav noscript object
    ol optgroup option output p param picture pre progress q rp rt ruby s samp script search
    section select selectedcontent slot small source span strong style sub summary sup svg table
    tbody td template textarea tfoot th thead time title tr track u ul var video wbr

    acronym applet basefont bgsound big blink center dir font frame frameset isindex keygen
    listing marquee menuitem multicol nextid nobr noembed noframes plaintext rb rtc spacer strike
    tt xmp
"""
ELEMENTS = frozenset(_ELEMENTS.split())
# Attributes that may stand without a value. "<time flies>" has none of them: it is text.
_BOOLEAN = """
    allowfullscreen async autofocus autoplay checked compact controls default defer disabled
    formnovalidate hidden inert ismap itemscope loop multiple muted nohref nomodule noshade
    novalidate nowrap open playsinline readonly required reversed selected
"""
BOOLEAN_ATTRIBUTES = frozenset(_BOOLEAN.split())
# Of elements that office programs and feeds write: <o:p>, <st1:place>, <media:title>.
PREFIXES = ("o", "v", "w", "x", "m", "st1", "st2", "fb", "svg", "xsl", "media", "dc", "content")

# What has the shape of a tag, with its prefix, name and attributes. A name must end in a
# space, "/" or ">": <br/> is a tag, <me@home.org> is not.
_TAG = r"</?(?:([A-Za-z][A-Za-z0-9-]*):)?([A-Za-z0-9-]+)([\s/][^<>]*)?>"
# <!DOCTYPE html>, <![if !IE]>, <?xml version="1.0"?>, and what opens a CDATA section, whose
# content is text.
_DECLARATION = r"<[!?](?:doctype\s[^<>]*>|\[CDATA\[|\[(?:if\s[^<>\]]*|endif)\]>|xml[\s:][^<>]*>)"
# The rule of model files up to version 3.
_ANY_TAG = r"</?[A-Za-z][A-Za-z0-9-]*(?::[A-Za-z0-9-]+)?(?:[\s/][^<>]*)?>"

# What html.unescape takes for a reference; it fails on decimal ones longer than Python's
# limit for integers.
_LONG_REFERENCE = r"&#[0-9]{9,};?"
_REFERENCE = r"&(?:#[0-9]+;?|#[xX][0-9a-fA-F]+;?|[^\t\n\f <&#;]{1,32};?)"


_ALL = re.compile(r".+", re.DOTALL)


class _Comments:
    """HTML comments, found by two searches that only move forward.

    A lazy pattern would be quadratic where many comments open and none closes.
    """

    def finditer(self, text: str) -> Iterator[re.Match[str]]:
        start = 0
        while (opened := text.find("<!--", start)) >= 0:
            closed = text.find("-->", opened + 4)
            if closed < 0:
                return
            start = closed + 3
            yield from _ALL.finditer(text, opened, start)

    def sub(self, by: str | Callable[[re.Match[str]], str], text: str) -> str:
        pieces, start = [], 0
        for found in self.finditer(text):
            pieces += [text[start : found.start()], by if isinstance(by, str) else by(found)]
            start = found.end()
        return "".join([*pieces, text[start:]])


def _space_if_known(tag: re.Match[str]) -> str:
    """A space for a tag whose name is known and whose attributes can be such."""
    prefix, name, attributes = tag.groups("")
    known = prefix.lower() in PREFIXES if prefix else name.lower() in ELEMENTS
    if known and (
        "=" in attributes or BOOLEAN_ATTRIBUTES.issuperset(attributes.lower().rstrip("/").split())
    ):
        return " "
    return tag[0]


def _unescape(reference: re.Match[str]) -> str:
    import html  # its table of names takes a millisecond to load

    return html.unescape(reference[0])


@cache
def tags() -> tuple[Rewriting, ...]:
    """A space for comments, declarations, and tags of elements that HTML knows."""
    return (
        Rewriting("<", re.compile(r"<br ?/?>"), " "),  # a short way for the most frequent one
        Rewriting("<", _Comments(), " "),
        Rewriting("<", re.compile(_DECLARATION, re.I), " "),
        Rewriting("<", re.compile(r"\]\]>"), " ", "]]>"),
        Rewriting("<", re.compile(_TAG), _space_if_known),
    )


@cache
def references() -> tuple[Rewriting, ...]:
    """Their character for references such as ``&amp;``."""
    return (
        Rewriting("&", re.compile(_LONG_REFERENCE), " "),
        Rewriting("&", re.compile(_REFERENCE), _unescape),
    )


@cache
def any_tags() -> tuple[Rewriting, ...]:
    """A space for comments and for whatever has the shape of a tag."""
    return (Rewriting("<", _Comments(), " "), Rewriting("<", re.compile(_ANY_TAG), " "))
