"""Pages in a real browser: nothing runs, nothing is fetched, hostile texts are legible."""

import re

import numpy as np
import pytest

from fastlstm import LSTMSentimentClassifier, datasets
from fastlstm.core.shown import as_html, isolated, plain
from fastlstm.explain import explanation_page
from fastlstm.explain.html import fragment
from fastlstm.report.page import page
from fastlstm.report.page.charts import Line, bar_chart, line_chart
from tests.browser import needs_chromium, visit

HOSTILE = [
    "<script>document.title = 'taken'; console.error('ran')</script> great film",
    "awful </style></bdi></mark></div></article><h1 onclick=alert(1)>Break out</h1>",
    "good \u202edrawkcab si siht\u202c and \u2067isolated\u2069 bad \u200f words \x07\x1b[31m",
    "<img src=http://127.0.0.1:9/pixel.png onerror=alert(1)> <link rel=stylesheet href=//x/y> fine",
    "👍🏽 great 👨‍👩‍👧 film 🏳️‍🌈 :) ‏שלום great مرحبا awful",
    "&lt;b&gt; \" ' ` great {{7*7}} ]]> <!-- bad",
    "fine\ud800 surrogate",
    "wonderful " * 9_000 + "x" * 10_000,
]


@pytest.fixture(scope="module")
def clf():
    reviews = datasets.load_reviews(split="train")
    return LSTMSentimentClassifier(
        embedding_dim=16, hidden_size=8, n_estimators=1, max_epochs=2, random_state=0,
    ).fit(reviews.texts, reviews.labels)  # fmt: skip


@needs_chromium
def test_the_checks_can_fail(tmp_path):
    raw = (
        "<html><body><script>console.error('seen'); document.title = 'taken'</script>"
        "<img src='http://127.0.0.1:9/pixel.png'></body></html>"
    )
    found = visit(raw, tmp_path, "control")
    assert any("seen" in line for line in found.console)
    assert "http://127.0.0.1:9/pixel.png" in found.requests
    assert found.elements("script") == 1 and "<title>taken</title>" in found.dom


@needs_chromium
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_hostile_texts_are_inert_and_legible(clf, tmp_path, scheme):
    explanations = clf.explain(HOSTILE, method="gradient_x_input")
    options = ["--window-size=900,3000", *(["--force-dark-mode"] if scheme == "dark" else [])]
    found = visit(
        explanation_page(explanations, "Why </title><script>1</script>"), tmp_path,
        f"explanations-{scheme}", *options,
    )  # fmt: skip
    assert found.console == [] and found.requests == []
    parsed = found.parsed()
    assert not {"script", "img", "link", "iframe", "object"} & set(parsed.tags)
    assert parsed.handlers == []
    assert parsed.tags.count("article") == len(HOSTILE)
    assert parsed.tags.count("h1") == 1
    for shown in ("<script>document.title", "</style></bdi>", "drawkcab", "U+202E", "U+001B",
                  "👨‍👩‍👧", "שלום", "{{7*7}}", "U+D800", "x" * 10_000):  # fmt: skip
        assert shown in parsed.text, shown
    assert parsed.text.count("wonderful") >= 9_000


def contrast(one: str, other: str) -> float:
    """Of two colours as browsers name them; WCAG 2.2, "contrast ratio"."""

    def luminance(colour):
        parts = np.array([float(x) for x in re.findall(r"[0-9.]+", colour)[:3]]) / 255
        parts = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
        return parts @ [0.2126, 0.7152, 0.0722]

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@needs_chromium
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_notebook_of_the_other_scheme_is_legible(clf, tmp_path, scheme):
    """The cell around the fragment is dark where the system is light, and the other way round."""
    around = "#111" if scheme == "light" else "#fff"
    script = (
        "const s = e => getComputedStyle(document.querySelector(e)); document.title = "
        "[s('.fl').color, s('.fl').backgroundColor, s('.faint').color, "
        "matchMedia('(prefers-color-scheme: dark)').matches].join(';')"
    )
    (found,) = clf.explain(["great film"], method="gradient_x_input")
    shown = f"<body style='background: {around}'>{fragment(found)}<script>{script}</script></body>"
    options = ["--force-dark-mode"] if scheme == "dark" else []
    title = visit(shown, tmp_path, f"notebook-{scheme}", *options).dom.split("<title>")[1]
    ink, paper, faint, dark = title.split("<")[0].split(";")
    assert dark == str(scheme == "dark").lower()
    assert contrast(ink, paper) > 7 and contrast(faint, paper) > 4.5


@needs_chromium
def test_long_words_do_not_widen_a_phone(clf, tmp_path):
    explanations = clf.explain(["y" * 500 + " great " * 50], method="gradient_x_input")
    wide = explanation_page(explanations).replace(
        "</body>", "<script>document.title = document.documentElement.scrollWidth</script></body>"
    )
    wide = wide.replace("default-src 'none';", "default-src 'none'; script-src 'unsafe-inline';")
    found = visit(wide, tmp_path, "phone", "--window-size=500,900")
    title = found.dom.split("<title>")[1].split("<")[0]
    assert int(title) <= 500


def test_every_character_is_escaped_or_named():
    assert as_html("<a href='x'>&\"") == "&lt;a href=&#x27;x&#x27;&gt;&amp;&quot;"
    assert "\u202e" not in as_html("a\u202eb") and "U+202E" in as_html("a\u202eb")
    assert as_html("a\nb\tc") == "a\nb\tc"
    assert isolated("x").startswith("<bdi") and isolated("x").endswith("</bdi>")
    assert plain("a\x1b[31m\u202eb\udcff") == "a [31m b "
    as_html("".join(map(chr, range(0x11000)))).encode("utf-8")


def test_a_page_allows_nothing_from_outside():
    assert "default-src 'none'" in page("a title", "<p>text</p>")


def test_a_file_name_that_is_not_utf8_makes_a_page():
    assert "<title>Training on rev .csv</title>" in page("Training on rev\udcff.csv", "")
    page("Training on rev\udcff.csv", "").encode("utf-8")


def test_a_page_of_many_texts_has_few_stops_for_the_keyboard(clf):
    texts = [f"great film number {n}, awful sound, good plot" for n in range(60)]
    shown = explanation_page(clf.explain(texts, method="gradient_x_input"))
    assert shown.count("<h2>Text ") == 60
    assert 0 < shown.count('role="note"') <= 100
    one = explanation_page(clf.explain(texts[:1], method="gradient_x_input"))
    assert re.search(r'aria-label="great [+-]0\.\d{3}"', one)


def test_lines_lie_where_their_values_say():
    svg = line_chart([Line("a", [0, 1], [0.0, 1.0]), Line("b", [0], [np.nan])], "x", "y")
    points = svg.split("points='")[1].split("'")[0].split()
    (x0, y0), (x1, y1) = (map(float, point.split(",")) for point in points)
    assert x0 < x1 and y0 > y1
    assert svg.count("<polyline") == 1  # a line without a finite point is left out
    assert line_chart([Line("b", [], [])], "x", "y") == ""


def test_bars_are_as_high_as_their_values():
    svg = bar_chart(["a", "b"], [0.5, 1.0], "x", "y", top=1.0)
    heights = [float(part.split("'")[0]) for part in svg.split(" height='")[2:]]
    assert heights[1] == pytest.approx(2 * heights[0], abs=0.2)
