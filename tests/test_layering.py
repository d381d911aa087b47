"""Imports point one way. Every import of the package is read from its source."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

import fastlstm

PACKAGE = Path(fastlstm.__file__).parent
ROOT = "fastlstm"

# What each part may import of the others. Files within a part may import each other, as
# long as no way along imports leads back.
LAYERS = {
    ROOT: set(),
    "core": set(),
    "evaluation": set(),
    "kernels": {"core"},
    "text": {"core"},
    "data": {"core"},
    "side": {"text", "core"},
    "datasets": {"core"},
    "network": {"kernels", "data", "core"},
    "vectors": {"text", "kernels", "core"},
    "training": {"vectors", "network", "kernels", "data", "core"},
    "privacy": {"training", "network", "kernels", "data", "text", "core"},
    "classifier": {
        "privacy", "training", "vectors", "network", "kernels", "side", "text", "core",
    },
    "persist": {"classifier", "privacy", "network", "side", "text", "core"},
    "report.page": {"core"},
    "explain": {"report.page", "classifier", "network", "data", "side", "text", "core"},
    "predictor": {"explain", "persist", "classifier", "network", "side", "text", "core"},
    "estimator": {
        "explain", "persist", "classifier", "privacy", "training", "vectors", "network", "kernels",
        "side", "text", "evaluation", "core",
    },
    "report": {"report.page", "explain", "privacy", "evaluation", "core", ROOT},
    "export": {"classifier", "network", "text", "core"},
    "memory": {"classifier", "network", "kernels", "data", "core"},
    "plotting": {"explain"},
    "cli": {
        "report", "estimator", "predictor", "explain", "export", "persist", "classifier", "privacy",
        "training", "kernels", "datasets", "data", "side", "text", "evaluation", "core",
    },
    "__main__": {"cli"},
}  # fmt: skip

# Installed name of what is imported under another one.
DISTRIBUTIONS = {
    "sklearn": "scikit-learn", "llvmlite": "numba", "dp_accounting": "dp-accounting",
}  # fmt: skip
# Declared for tests and benchmarks, yet never imported by the package.
FOREIGN = {
    "pandas", "polars", "torch", "keras", "tensorflow", "onnxruntime",
    "matplotlib",
}  # fmt: skip

# Modules that start threads or processes -> where they may be imported, and what of them.
CONCURRENCY = {
    "threading": {
        "core/threads.py": None,
        "training/interrupts.py": {"current_thread", "main_thread"},
        "core/versions.py": {"Lock"},
        "data/delimited.py": {"Lock", "RLock"},
        "predictor.py": {"local"},
        "classifier/long.py": {"Lock"},
    },
    "concurrent": {"core/threads.py": None},
    "multiprocessing": {"core/threads.py": {"current_process"}},
    "_thread": {},
    "asyncio": {},
}


class Import(NamedTuple):
    """One imported module or name: where, what, and whether inside a function."""

    file: str
    line: int
    target: str
    inside: bool


def _absolute(node: ast.ImportFrom, package: str) -> str:
    if not node.level:
        return node.module
    parts = package.split(".")
    parts = parts[: len(parts) - node.level + 1]
    return ".".join([*parts, *([node.module] if node.module else [])])


def _targets(node: ast.AST, package: str) -> list[str]:
    """Dotted names that a node imports, or reads from the root by attribute."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [f"{_absolute(node, package)}.{alias.name}" for alias in node.names]
    if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
        called = ast.unparse(node.func).rpartition(".")[2]
        if called in ("import_module", "__import__") and isinstance(node.args[0].value, str):
            return [node.args[0].value]
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return [f"{ROOT}.{node.attr}"] if node.value.id == ROOT else []
    return []


def _inside_functions(tree: ast.AST) -> set[int]:
    functions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
    return {
        id(inner)
        for outer in ast.walk(tree)
        if isinstance(outer, functions)
        for inner in ast.walk(outer)
    }


def imports(folder: Path) -> list[Import]:
    """Every import of every module below ``folder``, those inside functions included."""
    found = []
    for path in sorted(folder.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        file = path.relative_to(folder).as_posix()
        package = ".".join([ROOT, *Path(file).parts[:-1]])
        inside = _inside_functions(tree)
        for node in ast.walk(tree):
            found += [
                Import(file, node.lineno, target, id(node) in inside)
                for target in _targets(node, package)
            ]
    return found


def _public_names(folder: Path) -> dict[str, str]:
    """Lazy names of the root -> the module that has them."""
    for node in ast.parse((folder / "__init__.py").read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "_PUBLIC":
            return ast.literal_eval(node.value)
    return {}


def _unit(module: str) -> str:
    """The part that a module belongs to: the longest name in ``LAYERS`` that it begins with."""
    name = module.removeprefix(f"{ROOT}.")
    while name not in LAYERS and "." in name:
        name = name.rpartition(".")[0]
    return name


def _module(file: str) -> str:
    """Dotted name of a file below the package."""
    parts = [ROOT, *Path(file).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def arrows(folder: Path) -> list[tuple[Import, str, str]]:
    """Each import of a file by a file, as (import, importing module, imported module).

    Names that the root offers stand for the modules they come from.
    """
    public = _public_names(folder)
    modules = {_module(path.relative_to(folder).as_posix()) for path in folder.rglob("*.py")}
    found = []
    for each in imports(folder):
        target = each.target
        if target.split(".")[0] != ROOT:
            continue
        name = (target.split(".") + [""])[1]
        if name in public and target not in modules:
            target = public[name]
        known = target
        while known not in modules and known != ROOT:
            known = known.rpartition(".")[0]
        if known == ROOT and target not in (ROOT, f"{ROOT}.__version__", f"{ROOT}."):
            known = target  # of no file here; the rules of its part hold all the same
        found.append((each, _module(each.file), known))
    return found


def back_arrows(folder: Path) -> list[str]:
    """Imports within the package that ``LAYERS`` does not allow."""
    wrong = []
    for each, importing, imported in arrows(folder):
        unit = _unit(importing)
        if unit not in LAYERS:
            wrong.append(f"{each.file}: {unit!r} has no rule in LAYERS")
        elif _unit(imported) not in LAYERS[unit] | {unit, ROOT}:
            wrong.append(f"{each.file}:{each.line}: {unit} imports {each.target}")
    return wrong


def circles(folder: Path) -> list[list[str]]:
    """Groups of files from each of which imports lead to all the others, and back."""
    below: dict[str, set[str]] = {}
    for _, importing, imported in arrows(folder):
        if ROOT not in (importing, imported) and importing != imported:
            below.setdefault(importing, set()).add(imported)

    def reached(module):
        seen, left = set(), [module]
        while left:
            new = below.get(left.pop(), set()) - seen
            seen |= new
            left += new
        return seen

    everything = {module: reached(module) for module in below}
    groups = {
        tuple(sorted(m for m in found if module in everything.get(m, ())))
        for module, found in everything.items()
        if module in found
    }
    return sorted(map(list, groups))


def strangers(folder: Path, declared: str) -> list[str]:
    """Imports from outside that are not allowed where they stand.

    ``declared`` is the text of pyproject.toml.
    """
    wrong = []
    for file, line, target, inside in imports(folder):
        name = target.split(".")[0]
        if name == ROOT or name in sys.stdlib_module_names:
            continue
        unit = _unit(_module(file))
        allowed = name not in FOREIGN
        if name == "sklearn":
            allowed = unit == "estimator" or file == "classifier/linear_fit.py"
            allowed |= unit in ("cli", "plotting") and inside
            allowed |= file == "side/learning.py" and inside
        elif name == "matplotlib":
            allowed = unit == "plotting" and inside
        elif name in ("dp_accounting", "randomgen"):
            allowed = unit == "privacy" and inside
        elif name == "lime":
            allowed = file == "explain/faithfulness.py" and inside
        elif name in ("numba", "llvmlite"):
            allowed = file.startswith("kernels/numba/")
        distribution = DISTRIBUTIONS.get(name, name)
        if not allowed or not re.search(rf'"{distribution}[<>=]', declared):
            wrong.append(f"{file}:{line}: imports {target}")
    return wrong


def concurrency(folder: Path) -> list[str]:
    """Uses of threads and processes outside the places that may use them."""
    wrong = []
    for file, line, target, _ in imports(folder):
        name, _, member = target.partition(".")
        if name not in CONCURRENCY:
            continue
        places = CONCURRENCY[name]
        if file not in places:
            wrong.append(f"{file}:{line}: imports {target}")
        elif places[file] is not None:
            tree = ast.parse((folder / file).read_text(encoding="utf-8"))
            used = {
                node.attr
                for node in ast.walk(tree)
                if isinstance(node, ast.Attribute) and ast.unparse(node.value) == name
            }
            used |= {member} - {""}
            wrong += [f"{file}: uses {name}.{other}" for other in sorted(used - places[file])]
    return wrong


def test_imports_point_one_way():
    assert back_arrows(PACKAGE) == []


def test_no_circle_of_files():
    assert circles(PACKAGE) == []


def test_all_modules_are_read():
    read = {file for file, *_ in imports(PACKAGE)}
    assert {"network/forward.py", "kernels/numba/jit.py", "estimator/base.py"} <= read
    assert len(imports(PACKAGE)) > 100


def test_foreign_packages_stand_where_they_may():
    declared = (Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8")
    assert strangers(PACKAGE, declared) == []


def test_threads_are_made_in_one_place():
    assert concurrency(PACKAGE) == []


# -- the checks themselves can fail ------------------------------------------------


def _tree(folder: Path, file: str, source: str) -> Path:
    """A small package with one file of interest."""
    path = folder / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(source, encoding="utf-8")
    (folder / "__init__.py").write_text(
        '_PUBLIC = {"load": "fastlstm.estimator"}\n', encoding="utf-8"
    )
    return folder


BACK_ARROWS = [
    ("core/a.py", "from fastlstm.network.predict import Network"),
    ("core/a.py", "import fastlstm.kernels.registry"),
    ("core/a.py", "from fastlstm import load"),
    ("core/a.py", "import fastlstm\nfastlstm.load('x')"),
    ("core/a.py", "from importlib import import_module\nimport_module('fastlstm.text')"),
    ("data/a.py", "def f():\n    from fastlstm.text import tokenize"),
    ("network/layers/a.py", "if True:\n    from ...training import loop"),
    ("kernels/numba/a.py", "from ... import network"),
    ("kernels/numba/a.py", "from ...network.layers import lstm"),
    ("persist/a.py", "class A:\n    def f(self):\n        import fastlstm.estimator.base as b"),
    ("explain/a.py", "from fastlstm.report.training import Run"),
    ("report/page/a.py", "from fastlstm.explain.html import article"),
    ("network/a.py", "from fastlstm import training as t"),
    ("network/a.py", "from ..training.loop import Trainer"),
    ("novel.py", "import fastlstm.core"),
]


@pytest.mark.parametrize(("file", "source"), BACK_ARROWS, ids=str)
def test_back_arrow_is_found(tmp_path, file, source):
    assert len(back_arrows(_tree(tmp_path, file, source))) == 1


FORWARD_ARROWS = [
    ("estimator/a.py", "from fastlstm.training import loop\nfrom fastlstm.core import errors"),
    ("kernels/numba/a.py", "from .jit import jit\nfrom ..contract import KERNELS"),
    ("kernels/a.py", "import fastlstm\nfrom fastlstm import __version__\nfastlstm.__version__"),
    ("cli.py", "def main():\n    import fastlstm\n    fastlstm.load('x')"),
    ("explain/a.py", "from fastlstm.report.page import page"),
    ("report/a.py", "from fastlstm.report.page import page\nfrom fastlstm.explain import html"),
]


@pytest.mark.parametrize(("file", "source"), FORWARD_ARROWS, ids=str)
def test_allowed_import_is_not_reported(tmp_path, file, source):
    assert back_arrows(_tree(tmp_path, file, source)) == []


CIRCLES = [
    ({"core/a.py": "from fastlstm.core import b", "core/b.py": "def f():\n    from . import a"},
     [["fastlstm.core.a", "fastlstm.core.b"]]),
    ({"core/a.py": "from .b import x", "core/b.py": "from . import c",
      "core/c.py": "from .a import y"},
     [["fastlstm.core.a", "fastlstm.core.b", "fastlstm.core.c"]]),
    ({"core/a.py": "from .b import x", "core/b.py": "from .c import y", "core/c.py": ""}, []),
]  # fmt: skip


@pytest.mark.parametrize(("files", "expected"), CIRCLES, ids=["two", "three", "none"])
def test_circle_is_found(tmp_path, files, expected):
    for file, source in files.items():
        _tree(tmp_path, file, source)
    assert circles(tmp_path) == expected


DECLARED = 'dependencies = ["numpy>=1", "numba>=0.6", "scikit-learn>=1.6", "rich>=13"]'
STRANGERS = [
    ("text/a.py", "def f():\n    import sklearn.base", 1),
    ("cli.py", "from sklearn.base import BaseEstimator", 1),
    ("cli.py", "def f():\n    from sklearn.base import clone", 0),
    ("estimator/a.py", "import sklearn", 0),
    ("kernels/registry.py", "import numba", 1),
    ("cli.py", "def f():\n    import llvmlite", 1),
    ("kernels/numba/a.py", "from llvmlite import ir\nimport numba.core", 0),
    ("estimator/a.py", "def f():\n    import pandas as pd", 1),
    ("text/a.py", "import jieba", 1),
    ("text/a.py", "import numpy as np, os, urllib.request", 0),
]


@pytest.mark.parametrize(("file", "source", "count"), STRANGERS, ids=str)
def test_foreign_import_is_found(tmp_path, file, source, count):
    assert len(strangers(_tree(tmp_path, file, source), DECLARED)) == count


THREADS = [
    ("core/threads.py", "from concurrent.futures import ThreadPoolExecutor", 0),
    ("network/a.py", "def f():\n    from concurrent.futures import ThreadPoolExecutor", 1),
    ("network/a.py", "import threading", 1),
    ("training/interrupts.py", "import threading\nthreading.current_thread()", 0),
    ("training/interrupts.py", "import threading\nthreading.Thread(target=print).start()", 1),
    ("data/delimited.py", "from threading import Lock", 0),
    ("data/tables.py", "from threading import Timer", 1),
    ("estimator/base.py", "import multiprocessing.pool", 1),
]


@pytest.mark.parametrize(("file", "source", "count"), THREADS, ids=str)
def test_thread_elsewhere_is_found(tmp_path, file, source, count):
    assert len(concurrency(_tree(tmp_path, file, source))) == count
