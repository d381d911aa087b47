"""Formulas of the site as MathML, made when it is built: browsers draw it without a script.

A formula that cannot be converted ends the build.
"""

import re
from html import unescape

import math_core

_FORMULA = re.compile(
    r'<(span|div) class="arithmatex">(?:\\\((.*?)\\\)|\\\[(.*?)\\\])</\1>', flags=re.DOTALL
)
_TAG = re.compile(r"\\tag\{(\d+)\}")


def on_config(config):
    """A converter without any state of other builds."""
    config["extra"]["converter"] = math_core.LatexToMathML(fancy_error=False)
    return config


def on_page_content(html, page, config, files):
    """MathML in the place of LaTeX; the number of an equation stands to its right."""
    convert = config["extra"]["converter"].convert_with_local_state

    def formula(found):
        latex = unescape(found[2] or found[3])
        number = _TAG.search(latex)
        # "\cr" ends a row as "\\" does, which Markdown on other sites would swallow.
        latex = _TAG.sub("", latex).replace(r"\cr", r"\\")
        drawn = convert(latex, displaystyle=found[1] == "div")
        if found[1] == "span":
            return drawn
        label = f'<a href="#eq-{number[1]}">({number[1]})</a>' if number else ""
        anchor = f' id="eq-{number[1]}"' if number else ""
        return f'<div class="equation"{anchor}><div>{drawn}</div>{label}</div>'

    return _FORMULA.sub(formula, html)
