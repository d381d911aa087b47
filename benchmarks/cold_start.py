"""The case "cold_start": from the start of a process to the first probability.

A model of the tutorial's size is saved in each library's own way. Then fresh processes
load it and classify one text, in turn. fastlstm's kernels are in its cache, since a
process before has used them. Also measured: the import, the memory, and the installed
size of the library with all it needs.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import PackageNotFoundError, distribution, packages_distributions

from cases import CASES, make_data, quick, text_of
from driver import PAUSE_SECONDS, heading
from machine import FOLDER, thread_environment

# Library -> the module that is imported first, and the distributions installed for it.
WAYS = {
    "fastlstm": ("fastlstm.predictor", ("fastlstm",)),
    "torch_one_thread": ("torch", ("torch",)),
    "onnx": ("onnxruntime", ("onnxruntime",)),
    "keras_call": ("keras", ("keras", "tensorflow-cpu")),
}


def run(arguments, peak) -> dict:
    """Contents of the results file."""
    case = quick(CASES["one_document"])
    rounds = []
    left_out, names = {}, []
    with tempfile.TemporaryDirectory() as folder:
        text = text_of(make_data(case).ids[:100])
        for name in WAYS:
            reason = _save(name, folder, arguments.threads)
            if reason:
                left_out[name] = reason
            else:
                names.append(name)
                _start(name, folder, text, arguments.threads)  # files and kernels get warm
        for number in range(arguments.rounds):
            shift = number % len(names)
            answers = {}
            for name in names[shift:] + names[:shift]:
                time.sleep(PAUSE_SECONDS)
                answers[name] = _start(name, folder, text, arguments.threads)
            rounds.append(answers)
    for name, answer in rounds[0].items():
        if abs(answer["probability"] - rounds[0][names[0]]["probability"]) > 1e-4:
            raise SystemExit(f"{name} gives another probability than {names[0]}: {rounds[0]}")
    measured = ("seconds", "import_seconds", "peak_mib")
    return {
        **heading(case, arguments.threads, peak),
        "summary": {
            name: {
                **{key: statistics.median(r[name][key] for r in rounds) for key in measured},
                "installed_mib": installed_mib(WAYS[name][1]),
            }
            for name in names
        },
        "left_out": left_out,
        "rounds": rounds,
    }


def _command(*arguments, threads):
    return subprocess.Popen(
        [sys.executable, str(FOLDER / "cold_child.py"), *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, env={**os.environ, **thread_environment(threads)},
    )  # fmt: skip


def _save(name, folder, threads) -> str | None:
    """Save the model for a library; the reason if it is not installed."""
    process = _command("save", name, folder, threads=threads)
    _, errors = process.communicate()
    if process.returncode == 0:
        return None
    last = errors.strip().splitlines()[-1:]
    if last and last[0].startswith(("ImportError", "ModuleNotFoundError")):
        return last[0]
    raise SystemExit(f"{name}: saving the model failed\n{errors}")


def _start(name, folder, text, threads) -> dict:
    """One fresh process; "seconds" until its probability is there."""
    started = time.perf_counter()
    process = _command("start", name, folder, WAYS[name][0], text, threads=threads)
    line = process.stdout.readline()
    seconds = time.perf_counter() - started
    _, errors = process.communicate()
    if not line:
        raise SystemExit(f"{name}: the start failed\n{errors}")
    return {"seconds": seconds, **json.loads(line)}


def installed_mib(names) -> float | None:
    """Files of distributions and of all that they require, MiB; None if one is missing."""
    total, waiting, seen = 0, list(names), set()
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if name in seen:
            continue
        seen.add(name)
        try:
            found = distribution(name)
        except PackageNotFoundError:
            if name in names:
                return None
            continue  # required on other machines only
        total += _size(name, found)
        for requirement in found.requires or ():
            wanted, _, condition = requirement.partition(";")
            if "extra" not in condition:
                waiting.append(re.match(r"[\w.-]+", wanted.strip())[0])
    return total / 2**20


def _size(name, found) -> int:
    paths = [file.locate() for file in found.files or ()]
    if (found.read_text("direct_url.json") or "").find('"editable": true') >= 0:
        # Installed in place: the package's folder is what an installation would copy.
        modules = [m for m, owners in packages_distributions().items() if name in owners]
        for module in modules or [name]:
            for folder in getattr(importlib.import_module(module), "__path__", ()):
                for where, _, files in os.walk(folder):
                    if "__pycache__" not in where:
                        paths += [os.path.join(where, file) for file in files]
    return sum(os.path.getsize(path) for path in set(map(str, paths)) if os.path.isfile(path))
