"""What type checkers read of the package: the marker, and the stub of the lazy names."""

from __future__ import annotations

import ast
from pathlib import Path

import fastlstm

PACKAGE = Path(fastlstm.__file__).parent
STUB = ast.parse((PACKAGE / "__init__.pyi").read_text(encoding="utf-8"))


def imported():
    """Names that the stub imports -> the module that it says has them."""
    return {
        alias.asname or alias.name: node.module
        for node in STUB.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def exported():
    """The names of the stub's ``__all__``."""
    for node in STUB.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return ast.literal_eval(node.value)
    return []


def test_package_is_marked_as_typed():
    assert (PACKAGE / "py.typed").is_file()


def test_stub_has_the_public_names():
    assert sorted(exported()) == sorted(fastlstm.__all__)
    assert {*imported(), "__version__"} == set(fastlstm.__all__)


def test_stub_takes_each_name_from_where_it_is_loaded():
    modules = {
        name: f"fastlstm.{name}" if module == "fastlstm" else module
        for name, module in imported().items()
    }
    assert modules == fastlstm._PUBLIC
