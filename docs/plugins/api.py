"""The package as its users see it: public names, and types as the docstrings say them.

Griffe reads sources and so does not see names that the package loads when they are first
used. It takes the first of ``{"a", "b"}`` for the default whatever the docstring says, reads
a type such as ``array, shape (n,)`` as code, and does not know roles such as
``:class:`Name```.
"""

import ast
import re

import griffe

_TYPED = re.compile(r"^(\w[\w, *]*|\*+\w+) : (.+)$", flags=re.MULTILINE)


def _as_written(found):
    names, kind = found.groups()
    kind = re.sub(r"\{([^}]*)\}", lambda choices: choices[1].replace(", ", " | "), kind)
    # A space that Python does not know: what it cannot parse stays text.
    return f"{names} : {kind.replace('``', '').replace(' ', chr(0xA0), 1)}"


class PublicApi(griffe.Extension):
    """Adds the names that are loaded lazily, and changes docstrings before they are parsed."""

    def on_package(self, *, pkg, **kwargs):
        """``fastlstm.NAME`` for each name in its table."""
        if "_PUBLIC" not in pkg.members:
            return
        for name, module in ast.literal_eval(str(pkg["_PUBLIC"].value)).items():
            if name not in pkg.members:
                pkg.set_member(name, griffe.Alias(name, f"{module}.{name}"))

    def on_object(self, *, obj, **kwargs):
        """Called with each module, class, function and attribute."""
        if obj.docstring is not None:
            text = re.sub(r":\w+:(`[^`]+`)", r"\1", obj.docstring.value)
            obj.docstring.value = _TYPED.sub(_as_written, text)
