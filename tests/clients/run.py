"""Run libraries that are used beside fastlstm, each in a fresh virtual environment.

usage: python tests/clients/run.py [NAME ...] [--table docs/reference/clients.md]

One wheel of this checkout is built. For each client an environment is made in a temporary folder,
the wheel and the current releases of what the client needs are installed, ``with_NAME.py`` runs,
and the environment is removed. Without names all clients run. ``--table`` writes a row for each
client that ran into the table of a page. The status is 1 where a client does not do what its
script says.

A script says in its head what it needs (inline script metadata), in the first paragraph of its
docstring what it runs, and in further ones what is to be known. ``fails`` in its metadata marks
a script that is right and does not pass for now, and is a part of its error. Another error, or
none, counts as a failure, so that the mark goes.

It needs Linux, Python 3.11 or newer, a compiler and a package index, and is no part of the tests.
"""

from __future__ import annotations

import argparse
import ast
import datetime
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import tomllib

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
BEGIN, END = "<!-- clients -->", "<!-- end -->"
HEADER = "| client | with | what runs | result | to know | run on |\n|---|---|---|---|---|---|\n"
NOT_COPIED = (".git", ".venv", "build", "dist", "*.so", "*.egg-info", "__pycache__", "artifacts")
SECONDS = 900  # for one script
# In the environment of a client, and not shown for each.
ALWAYS = ("fastlstm", "scikit-learn", "numpy")

# Prints versions as JSON.
VERSIONS = """
import json, sys
from importlib.metadata import version
print(json.dumps({name: version(name) for name in sys.argv[1:]}))
"""


class Client:
    """What the head and the docstring of a script say."""

    def __init__(self, path: Path):
        text = path.read_text(encoding="utf-8")
        head = re.match(r"# /// script\n((?:#(?: .*)?\n)+)# ///\n", text)
        if not head:
            raise ValueError(f"{path} does not begin with the metadata of a script")
        data = tomllib.loads(re.sub("^# ?", "", head[1], flags=re.M))
        self.path = path
        self.dependencies: list[str] = data["dependencies"]
        self.packages = [re.match(r"[\w.-]+", needed)[0] for needed in self.dependencies]
        self.name = self.packages[0]
        if path.name != f"with_{self.name.replace('-', '_')}.py":
            raise ValueError(f"{path} needs {self.name} first: name it after that")
        self.fails: str = data.get("tool", {}).get("client", {}).get("fails", "")
        doc = ast.get_docstring(ast.parse(text))
        self.what, *known = [" ".join(part.split()) for part in doc.split("\n\n")]
        self.known = " ".join(known)


def clients() -> dict[str, Client]:
    """All clients by name."""
    return {client.name: client for client in map(Client, sorted(HERE.glob("with_*.py")))}


class CommandError(Exception):
    """A command that did not end well; the message is what it wrote."""


def call(command, environment=None, cwd=None, seconds=SECONDS) -> str:
    """Run a command; gives what it wrote to its standard output."""
    process = subprocess.Popen(
        [str(part) for part in command], env=environment, cwd=cwd, text=True, encoding="utf-8",
        errors="replace", stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    try:
        written, complaints = process.communicate(timeout=seconds)
    except BaseException as error:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        if isinstance(error, subprocess.TimeoutExpired):
            raise CommandError(f"no end after {seconds} seconds") from None
        raise
    if process.returncode:
        raise CommandError(f"{written}\n{complaints}".strip() or f"status {process.returncode}")
    return written


def build_wheel(folder: Path) -> Path:
    """A wheel of the checkout, built from a copy without what other builds left."""
    tree = folder / "tree"
    shutil.copytree(REPOSITORY, tree, ignore=shutil.ignore_patterns(*NOT_COPIED))
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    call([*pip, "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, tree])
    shutil.rmtree(tree)
    return next(folder.glob("fastlstm-*.whl"))


def run(client: Client, wheel: Path) -> dict[str, str]:
    """Install, run and remove; gives the versions that were installed.

    Raises
    ------
    CommandError
        With ``versions`` where the installation went well.
    """
    # A short name: some clients have sockets below it.
    with tempfile.TemporaryDirectory(prefix="c", ignore_cleanup_errors=True) as folder:
        python, work = Path(folder, "venv", "bin", "python"), Path(folder, "w")
        work.mkdir()
        call([sys.executable, "-m", "venv", Path(folder, "venv")])
        pip = [python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
        call([*pip, "--no-compile", wheel, *client.dependencies])
        # Nothing of this checkout, and nothing left in the home of whoever runs this.
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
        environment |= {"HOME": str(work), "TMPDIR": str(work), "FASTLSTM_CACHE": str(work)}
        environment |= {"DO_NOT_TRACK": "1", "RAY_USAGE_STATS_ENABLED": "0"}
        asked = dict.fromkeys([*client.packages, *ALWAYS])
        versions = json.loads(call([python, "-c", VERSIONS, *asked], environment, work))
        try:
            call([python, client.path], environment, work)
        except CommandError as error:
            error.versions = versions
            raise
        return versions


def last_line(text: str) -> str:
    """The line of an error that says what it is, short and fit for a table."""
    lines = [line.strip() for line in text.splitlines() if re.match(r"[\w.]*\w+(Error|:)", line)]
    line = (lines or text.strip().splitlines())[-1]
    return line.replace("|", "\\|")[:160]


def row(client: Client, versions: dict[str, str], error: str) -> str:
    """A row of the table."""
    shown = [f"{name} {version}" for name, version in versions.items() if name != "fastlstm"]
    result = f"fails: `{last_line(error)}`" if error else "works"
    on = f"{datetime.date.today().isoformat()}, Python {platform.python_version()}"
    cells = [client.name, ", ".join(shown) or "not installed", client.what, result, client.known]
    return f"| {' | '.join([*cells, on])} |".replace("|  |", "| |")


def rows_of(table: str) -> dict[str, str]:
    """Rows of a table by the name of the client."""
    return {line.split()[1]: line for line in table.splitlines() if line.startswith("| ")}


def write_table(page: Path, rows: dict[str, str]) -> None:
    """Put rows in the place of those of the same clients, and take out those of none."""
    before, _, rest = page.read_text(encoding="utf-8").partition(f"{BEGIN}\n")
    old, marker, after = rest.partition(END)
    if not marker:
        raise SystemExit(f"{page} has no place for a table: {BEGIN} and {END}")
    known = clients()
    kept = {name: line for name, line in (rows_of(old) | rows).items() if name in known}
    lines = "".join(f"{kept[name]}\n" for name in sorted(kept))
    page.write_text(f"{before}{BEGIN}\n{HEADER}{lines}{END}{after}", encoding="utf-8")


def main() -> int:
    known = clients()
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", metavar="NAME", nargs="*", help=f"of {', '.join(known)}")
    parser.add_argument("--table", type=Path, help="page whose table is written")
    chosen = parser.parse_args()
    if unknown := [name for name in chosen.names if name not in known]:
        parser.error(f"no client {unknown[0]!r}; there are {', '.join(known)}")
    rows, bad = {}, []
    with tempfile.TemporaryDirectory() as folder:
        wheel = build_wheel(Path(folder))
        for client in (known[name] for name in chosen.names or known):
            begin, error, versions = time.perf_counter(), "", {}
            try:
                versions = run(client, wheel)
            except CommandError as failed:
                error, versions = str(failed), getattr(failed, "versions", {})
            expected = (client.fails in error) if client.fails and error else client.fails == error
            result = last_line(error) if error else "works"
            seconds = time.perf_counter() - begin
            shown = ", ".join(f"{name} {version}" for name, version in versions.items())
            print(f"{client.name:18}{seconds:4.0f} s  {result}  ({shown})", flush=True)
            if not expected:
                bad.append(client.name)
                print(error or "it works now: take `fails` out of its metadata", file=sys.stderr)
            rows[client.name] = row(client, versions, error)
    if chosen.table:
        write_table(chosen.table, rows)
    if bad:
        print("not as their scripts say:", ", ".join(bad), file=sys.stderr)
    return int(bool(bad))


if __name__ == "__main__":
    sys.exit(main())
