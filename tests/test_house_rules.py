"""Rules of the house that a script can check: sizes, links, cited equations, versions."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from pathlib import Path

import pytest

import fastlstm

REPOSITORY = Path(__file__).parents[1]
MATHS = REPOSITORY / "docs" / "explanation" / "maths.md"
LONGEST_FILE, LONGEST_FUNCTION = 600, 80
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def sources():
    """Every Python file of the package, its tests and benchmarks."""
    folders = [REPOSITORY / name for name in ("fastlstm", "tests", "benchmarks", "src_ext")]
    return [path for folder in folders for path in sorted(folder.rglob("*.py"))]


def pages():
    """README files and the documentation, as far as they are written."""
    found = [*REPOSITORY.glob("README*.md"), *REPOSITORY.glob("CHANGELOG.md")]
    return [*found, *sorted((REPOSITORY / "docs").rglob("*.md"))]


def relative(path):
    return path.relative_to(REPOSITORY).as_posix()


# -- sizes ---------------------------------------------------------------------------


def lines_of_code(text):
    """Numbers of the lines with code on them: no docstrings, comments or blank lines."""
    skipped = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT,
               tokenize.DEDENT, tokenize.ENDMARKER}  # fmt: skip
    code = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in skipped:
            code.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(text)):
        is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if is_text and isinstance(node.value.value, str):
            code.difference_update(range(node.lineno, node.end_lineno + 1))
    return code


def long_functions(text, most=LONGEST_FUNCTION):
    """Names of the functions with more than ``most`` lines of code behind their signature."""
    code = lines_of_code(text)
    return [
        node.name
        for node in ast.walk(ast.parse(text))
        if isinstance(node, FUNCTIONS)
        and len(code & set(range(node.body[0].lineno, node.end_lineno + 1))) > most
    ]


def test_no_file_is_too_long():
    files = [*sources(), *(REPOSITORY / "src_ext").rglob("*.p[yx][xi]")]
    assert len(files) > 50
    lengths = {relative(path): path.read_text(encoding="utf-8").count("\n") for path in files}
    assert {name: n for name, n in lengths.items() if n > LONGEST_FILE} == {}


def test_no_function_is_too_long():
    found = {relative(path): long_functions(path.read_text("utf-8")) for path in sources()}
    assert {name: functions for name, functions in found.items() if functions} == {}


def test_length_of_a_function_is_that_of_its_code():
    text = 'def f(a):\n    """One.\n\n    Two.\n    """\n    # Why.\n\n'
    text += '    b = """x\n    y"""\n    return b\n'
    assert lines_of_code(text) == {1, 8, 9, 10}
    assert long_functions(text, 2) == ["f"]
    assert long_functions(text, 3) == []


# -- files and links -------------------------------------------------------------------


def test_licence_is_there():
    text = (REPOSITORY / "LICENSE").read_text(encoding="utf-8")
    assert "Redistribution and use in source and binary forms" in text
    assert 'license = "BSD-3-Clause"' in (REPOSITORY / "pyproject.toml").read_text("utf-8")


def anchors(text):
    """Anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#{1,6} +(.+?)\s*$", without_code(text), flags=re.M)
    plain = [re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings]
    return {heading.replace(" ", "-") for heading in plain}


def without_code(text):
    return re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)


def dead_links(page):
    """Relative links of a page that lead nowhere."""
    text = page.read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^()\s]+)(?:\s+\"[^\"]*\")?\)", without_code(text))
    targets += re.findall(r"(?:src|href)=\"([^\"]+)\"", without_code(text))
    targets += re.findall(r"^\[[^\]^]+\]: +(\S+)", without_code(text), flags=re.M)
    dead = []
    for target in targets:
        if re.match(r"[a-z][a-z0-9+.-]*:", target):
            continue
        name, _, anchor = target.partition("#")
        file = page.parent / name if name else page
        there = file.exists()
        if there and anchor and file.suffix == ".md":
            there = anchor in anchors(file.read_text(encoding="utf-8"))
        if not there:
            dead.append(target)
    return dead


def test_links_lead_somewhere():
    found = {relative(page): dead_links(page) for page in pages()}
    assert {name: links for name, links in found.items() if links} == {}


def test_dead_links_are_found(tmp_path):
    (tmp_path / "there.md").write_text("# One, two: `three`\n", encoding="utf-8")
    page = tmp_path / "page.md"
    page.write_text(
        "[a](there.md) [b](gone.md) [c](there.md#one-two-three) [d](there.md#four)\n"
        '[e](https://example.org/gone) <img src="gone.png"> ![h](x.svg "t")\n'
        "[f](#here) [g](#there)\n"
        "[ref]: lost.md\n```\n[in code](nowhere.md)\n```\n## Here\n",
        encoding="utf-8",
    )
    assert sorted(dead_links(page)) == [
        "#there", "gone.md", "gone.png", "lost.md", "there.md#four", "x.svg",
    ]  # fmt: skip


# -- citations of docs/explanation/maths.md ----------------------------------------------


def bad_citations(text, maths):
    """Equations and sections that ``text`` cites and docs/explanation/maths.md does not have."""
    text = re.sub(r"\s*\n\s*(?:# )?", " ", text)
    equations = set(re.findall(r"\\tag\{(\d+)\}", maths))
    sections = set(re.findall(r"^#+ +(?:[\d.]+ +)?(.+?) *$", maths, flags=re.M))
    bad = []
    for cited in re.findall(r"\b[Ee]qs?\.((?:[ ,]|to|and|\(\d+\))*)", text):
        numbers = re.findall(r"\((\d+)\)", cited)
        bad += [number for number in numbers if number not in equations] if numbers else ["none"]
    cited = re.findall(r'maths\.md(?:`+)?, \\?"([^"\\]+)', text)
    return bad + [section for section in cited if section not in sections]


def test_cited_equations_and_sections_exist():
    if not MATHS.exists():
        pytest.skip("the documentation is not part of this tree")
    maths = MATHS.read_text(encoding="utf-8")
    here = Path(__file__).resolve()
    files = [path for path in sources() if path != here]
    texts = {relative(path): path.read_text(encoding="utf-8") for path in files}
    assert sum("maths.md" in text for text in texts.values()) > 5
    found = {name: bad_citations(text, maths) for name, text in texts.items()}
    assert {name: cited for name, cited in found.items() if cited} == {}


def test_equation_numbers_are_unique():
    numbers = re.findall(r"\\tag\{(\d+)\}", MATHS.read_text(encoding="utf-8"))
    assert len(numbers) > 50
    assert len(set(numbers)) == len(numbers)


@pytest.mark.parametrize(
    ("text", "bad"),
    [
        ("docs/explanation/maths.md, eq. (1)", []),
        ("docs/explanation/maths.md, eqs. (1) to (2). Then (9).", []),
        ("docs/explanation/maths.md, eq. (3)", ["3"]),
        ("docs/explanation/maths.md, eqs. (1), (2) and (7)", ["7"]),
        ("docs/explanation/maths.md,\n    # eq. (8)", ["8"]),
        ("x = 1  # eq. (2)\n    y = 2  # eq. (4)", ["4"]),
        ("# Eqs. (1) to (5), on the rows of eq. (6) alone; not (7).", ["5", "6"]),
        ("docs/explanation/maths.md, eqs. BACKWARD", ["none"]),
        ('docs/explanation/maths.md, "Pooling"', []),
        ('docs/explanation/maths.md,\n    "Pools"', ["Pools"]),
    ],
)
def test_bad_citation_is_found(text, bad):
    assert bad_citations(text, "## 1. Pooling\n\\tag{1}\n\\tag{2}\n") == bad


# -- the version -------------------------------------------------------------------------


def test_version_has_an_entry_in_the_changelog():
    assert re.fullmatch(r"\d+\.\d+\.\d+((a|b|rc|\.dev)\d+)?", fastlstm.__version__)
    page = REPOSITORY / "CHANGELOG.md"
    if not page.exists():
        pytest.skip("CHANGELOG.md is not part of this tree")
    headings = re.findall(r"^## +(.+)", page.read_text(encoding="utf-8"), flags=re.M)
    assert any(re.search(rf"(^|[ \[v]){re.escape(fastlstm.__version__)}\b", h) for h in headings)
