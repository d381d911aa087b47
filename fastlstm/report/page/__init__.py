"""Pages that stand alone: one file, no script, nothing fetched from elsewhere."""

from __future__ import annotations

import html

from fastlstm.core.shown import as_html, plain

# Blue speaks for a class and orange against it: the pair that all common forms of colour
# blindness tell apart. Solid and dotted underlines say the same without colour. The
# background is always set with the ink: a notebook may be light where the system is dark.
STYLE = """
.fl { --ink: #1b1b1f; --paper: #ffffff; --faint: #5c5c66; --line: #d5d5dc;
  --for: 33, 102, 172; --against: 200, 90, 0; color: var(--ink); background: var(--paper);
  line-height: 1.7; padding: .25rem .5rem; }
@media (prefers-color-scheme: dark) { .fl { --ink: #ececf1; --paper: #17171b;
  --faint: #a3a3ae; --line: #3c3c46; --for: 92, 160, 230; --against: 240, 150, 60; } }
.fl bdi, .fl p, .fl td, .fl th, .fl mark { overflow-wrap: anywhere; }
.fl .text { white-space: pre-wrap; unicode-bidi: isolate; max-height: 40rem; overflow: auto;
  border: 1px solid var(--line); border-radius: 4px; padding: .6rem .8rem; }
.fl mark { color: inherit; border-radius: 2px; padding: 1px 0; background: none; }
.fl :is(.f1, .f2, .f3, .f4, .f5) { text-decoration: underline solid 1px; color: var(--ink); }
.fl :is(.a1, .a2, .a3, .a4, .a5) { text-decoration: underline dotted 2px; color: var(--ink); }
.fl .f1 { background: rgba(var(--for), .10); } .fl .a1 { background: rgba(var(--against), .10); }
.fl .f2 { background: rgba(var(--for), .20); } .fl .a2 { background: rgba(var(--against), .20); }
.fl .f3 { background: rgba(var(--for), .30); } .fl .a3 { background: rgba(var(--against), .30); }
.fl .f4 { background: rgba(var(--for), .40); } .fl .a4 { background: rgba(var(--against), .40); }
.fl .f5 { background: rgba(var(--for), .52); } .fl .a5 { background: rgba(var(--against), .52); }
.fl .unknown { border-bottom: 1px dashed var(--faint); }
.fl .attended { border-top: 2px solid var(--ink); }
.fl mark:focus { outline: 2px solid var(--ink); }
.fl mark:focus::after { content: " " attr(data-value); font-size: .8em; }
.fl .unseen { font-size: .7em; border: 1px solid var(--faint); color: var(--ink); padding: 0 2px; }
.fl .faint { color: var(--faint); font-size: .9em; }
.fl table { border-collapse: collapse; } .fl caption { text-align: left; color: var(--faint); }
.fl th, .fl td { text-align: left; padding: .15rem .8rem .15rem 0;
  border-bottom: 1px solid var(--line); vertical-align: top; }
.fl td.n, .fl th.n { text-align: right; font-variant-numeric: tabular-nums; }
.fl .wide { overflow-x: auto; }
.fl svg { max-width: 100%; height: auto; color: var(--ink); }
@media print { .fl { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  .fl .text { max-height: none; overflow: visible; }
  .fl details::details-content { content-visibility: visible; display: block; } }
"""

_BODY_STYLE = """
:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, "Noto Sans", "Noto Sans CJK SC", sans-serif; margin: 0 auto;
  max-width: 56rem; padding: 1rem; background: #ffffff; }
@media (prefers-color-scheme: dark) { body { background: #17171b; } }
article, section { margin: 0 0 2rem; break-inside: avoid-page; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.15rem; margin: 1.5rem 0 .5rem; }
"""

# Nothing but styles in the page itself and pictures in it may load or run.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def page(title: str, body: str, language: str = "en") -> str:
    """A whole document around ``body``, which is HTML."""
    return (
        f'<!doctype html>\n<html lang="{language}">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(plain(title))}</title>\n<style>{_BODY_STYLE}{STYLE}</style>\n</head>\n"
        f'<body>\n<main class="fl">\n<h1>{as_html(title)}</h1>\n{body}\n</main>\n</body>\n</html>\n'
    )


def table(header, rows, caption: str = "", numbers: int = 0) -> str:
    """A table; cells are HTML. The last ``numbers`` columns are set as numbers."""
    first = len(header) - numbers

    kinds = [""] * first + [' class="n"'] * numbers

    def line(cells, tag, scope=""):
        pairs = zip(cells, kinds, strict=True)
        return f"<tr>{''.join(f'<{tag}{scope}{k}>{cell}</{tag}>' for cell, k in pairs)}</tr>"

    caption = f"<caption>{caption}</caption>" if caption else ""
    body = "".join(line(row, "td") for row in rows)
    head = line(header, "th", ' scope="col"')
    return (
        f'<div class="wide" tabindex="0"><table>{caption}<thead>{head}</thead>'
        f"<tbody>{body}</tbody></table></div>"
    )
