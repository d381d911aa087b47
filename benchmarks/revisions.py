"""Two installs of fastlstm side by side: whether they do the same, and how fast.

    python benchmarks/revisions.py OLD_PYTHON NEW_PYTHON [--only bits files speed]

Each is given as the Python that it is installed for. Both run from a folder of their own
with ``-I``, so that the installed package is imported and no source tree.

bits: hashes of weights, probabilities, explanations and more of many small fits.
files: the old one writes model files; the new one must read the same probabilities from
them, and from the old files of ``tests/persist``.
speed: fits, predictions and cold starts in turn. A ratio is old over new in one turn, so
above 1 the new one is faster.

The exit status is 1 if bits or files differ. Results go to
``benchmarks/results/revisions.json``; parts that did not run keep their results there.
``--quick`` runs little of everything, to see whether it works; its results go to a
temporary folder unless ``--out`` names a file.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from cases import CASES, make_data, quick, text_of
from driver import Worker, take_turns
from machine import FOLDER, RESULTS, processor_name, thread_environment, usable_cores

TESTS = FOLDER.parent / "tests"
TRAINING = ("seed", "reviews", "tweets")
LENGTHS = (20, 100, 400)
# From the start of a process to the first probability.
_COLD_START = (
    "import sys; from fastlstm import Predictor; "
    "print(Predictor(sys.argv[1]).predict_proba([sys.argv[2]])[0, 1])"
)


class Side(Worker):
    """A process of one of the two installs, which answers as ``revisions_child.py`` says."""

    def __init__(self, name, python, arguments):
        self.library, self.python = name, os.path.abspath(python)
        self.reason, self.info = None, {}
        self._folder = tempfile.TemporaryDirectory()
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115
        self.environment = {**os.environ, **thread_environment(arguments.threads)}
        if arguments.backend != "auto":
            self.environment["FASTLSTM_BACKEND"] = arguments.backend
        child = str(FOLDER / "revisions_child.py")
        self._process = self.start([child], stdin=subprocess.PIPE, stderr=self._errors)

    def start(self, command, **pipes):
        """A process of this install."""
        return subprocess.Popen(
            [self.python, "-I", *command], stdout=subprocess.PIPE, text=True,
            cwd=self._folder.name, env=self.environment, **pipes,
        )  # fmt: skip

    def about(self) -> dict:
        """Versions, level of the kernels and backend, and which sources are installed."""
        process = self.start(["-m", "fastlstm", "info", "--json"])
        told = json.loads(process.communicate()[0])
        return {**self.ask("about"), "level": told["level"], "backend": told["auto_backend"]}

    def close(self):
        super().close()
        self._folder.cleanup()


class ColdStart:
    """A turn is a fresh process of a side."""

    def __init__(self, side, path, text):
        self.library, self._side = side.library, side
        self._command = ["-c", _COLD_START, str(path), text]

    def ask(self, _todo) -> dict:
        started = time.perf_counter()
        process = self._side.start(self._command, stderr=subprocess.PIPE)
        line = process.stdout.readline()
        seconds = time.perf_counter() - started
        errors = process.communicate()[1]
        if not line:
            raise SystemExit(f"{self.library}: the start failed\n{errors}")
        return {"seconds": {"first probability": seconds}}


@contextlib.contextmanager
def both_sides(arguments):
    """Fresh processes of the old and of the new install."""
    sides = []
    try:
        for name in ("old", "new"):
            sides.append(Side(name, getattr(arguments, f"{name}_python"), arguments))
        yield sides
    finally:
        for side in sides:
            side.close()


def chosen(names, arguments) -> list[str]:
    """Those that ``--case`` leaves; the program ends if it leaves none."""
    found = [name for name in names if not arguments.case or name in arguments.case]
    if not found:
        raise SystemExit(f"--case leaves nothing of: {'; '.join(names)}")
    return found


# -- bits and files ------------------------------------------------------------------


def run_bits(arguments) -> dict:
    """All cases of "bits" by both, in turn."""
    found = {}
    print(f"{'case':34} {'old':14} {'new':14} equal")
    with both_sides(arguments) as sides:
        names = sides[0].ask("cases", golden_folder=str(TESTS / "golden"))["cases"]
        for name in chosen(names, arguments):
            old, new = (
                side.ask(
                    "bits", case=name, golden_folder=str(TESTS / "golden"),
                    backend=arguments.backend, quick=arguments.quick,
                )
                for side in sides
            )  # fmt: skip
            found[name] = compared(old, new)
            print(f"{name:34} {_short(old):14} {_short(new):14} {found[name]['says']}", flush=True)
    return {"equal": all(case["equal"] for case in found.values()), "cases": found}


def compared(old: dict, new: dict) -> dict:
    """Whether two answers are the same; "says" is that in words, with what differs.

    An answer has "hashes", or "cannot" where the machine lacks something, or "failed". Two
    that failed alike are not equal: nothing was compared.
    """
    failures = [answer["failed"] for answer in (old, new) if "failed" in answer]
    if failures:
        print(*failures, sep="\n", file=sys.stderr)
        return {"equal": False, "says": f"FAILED: {failures[-1].splitlines()[-1]}"}
    if old == new:
        return {"equal": True, "says": "not here" if "cannot" in old else "yes", **old}
    hashes = [answer.get("hashes", {}) for answer in (old, new)]
    parts = [n for n in {**hashes[0], **hashes[1]} if hashes[0].get(n) != hashes[1].get(n)]
    return {"equal": False, "says": "NO: " + ", ".join(parts), "old": old, "new": new}


def _short(answer) -> str:
    """The first digits of a hash of all hashes."""
    if "hashes" not in answer:
        return next(iter(answer))
    return hashlib.sha256(json.dumps(answer["hashes"], sort_keys=True).encode()).hexdigest()[:12]


def run_files(arguments) -> dict:
    """Files that the old one writes, and those of ``tests/persist``, read by both."""
    found = {}
    print(f"{'file':34} {'old':14} {'new':14} equal")
    with tempfile.TemporaryDirectory() as folder, both_sides(arguments) as sides:
        files = sides[0].ask("write", folder=folder, quick=arguments.quick)["files"]
        for path in sorted((TESTS / "persist").glob("*_version_*.fastlstm")):
            files[path.stem] = [str(path), None]
        for name, (path, fitted) in files.items():
            old, new = (side.ask("read", path=path) for side in sides)
            found[name] = case = compared_reading(old, new, fitted)
            anew = "" if case["same_written_anew"] else "; written anew it is another file"
            print(f"{name:34} {_short(old):14} {_short(new):14} {case['says']}{anew}", flush=True)
        refusals = [side.ask("refused")["says"] for side in sides]
    same = refusals[0] is not None and refusals[0] == refusals[1]
    print(f"a file that was cut short is refused alike: {'yes' if same else refusals}")
    equal = same and all(case["equal"] for case in found.values())
    return {"equal": equal, "files": found, "refusals": refusals}


def compared_reading(old: dict, new: dict, fitted: str | None) -> dict:
    """As ``compared``; besides, each way of reading must give what the fitted model gave.

    Whether both write the same bytes anew is told and not judged: a new version of the
    format may be meant.
    """
    hashes = [{"hashes": o["hashes"]} if "hashes" in o else o for o in (old, new)]
    case = compared(*hashes)
    ways = {*new.get("hashes", {}).values(), fitted or new.get("hashes", {}).get("load")}
    if case["equal"] and len(ways) > 1:
        case |= {"equal": False, "says": "NO: fitted, load and Predictor", "fitted": fitted}
    return {**case, "same_written_anew": old.get("anew") == new.get("anew")}


# -- speed ---------------------------------------------------------------------------


def run_speed(arguments) -> dict:
    """Medians and quartiles of the ratios within a turn, and the seconds of all turns."""
    found = {}
    print(f"{'case':24} {'measured':18} {'old, ms':>10} {'new, ms':>10} {'old/new':>8}  quartiles")
    with tempfile.TemporaryDirectory() as folder:
        for name in chosen(SPEED, arguments):
            with both_sides(arguments) as sides:
                workers = SPEED[name](name, sides, Path(folder), arguments)
                take_turns(workers, 1)
                rounds = take_turns(workers, arguments.turns)
            turns = [{side: answer["seconds"] for side, answer in r.items()} for r in rounds]
            found[name] = {"summary": ratios(turns), "turns": turns}
            for measured, s in found[name]["summary"].items():
                print(
                    f"{name:24} {measured:18} {s['old_ms']:10.2f} {s['new_ms']:10.2f} "
                    f"{s['old_over_new']:8.3f}  {s['quartiles'][0]:.3f} to {s['quartiles'][1]:.3f}",
                    flush=True,
                )
    return {"turns": arguments.turns, "threads": arguments.threads, "cases": found}


def ratios(turns: list[dict]) -> dict[str, dict]:
    """Medians of each measure, ms, and median and quartiles of old over new."""
    summary = {}
    for measured in turns[0]["old"]:
        old, new = (np.array([turn[side][measured] for turn in turns]) for side in ("old", "new"))
        low, middle, high = np.quantile(old / new, [0.25, 0.5, 0.75])
        summary[measured] = {
            "old_ms": float(1e3 * np.median(old)), "new_ms": float(1e3 * np.median(new)),
            "old_over_new": float(middle), "quartiles": [float(low), float(high)],
        }  # fmt: skip
    return summary


def training(name, sides, folder, arguments):
    """A case of ``cases.py``: its documents and network."""
    case = quick(CASES[name]) if arguments.quick else CASES[name]
    data = make_data(case)
    path = folder / "ids.npz"
    np.savez(path, X=data.padded(), y=data.labels)
    options = {
        "vocabulary_size": case.vocabulary, "embedding_dim": case.embedding,
        "hidden_size": case.hidden, "num_layers": case.layers, "batch_size": case.batch,
        "bidirectional": case.bidirectional, "pooling": "last", "early_stopping": False,
        "max_epochs": 3, "random_state": 0, "n_jobs": arguments.threads,
    }  # fmt: skip
    return prepared(sides, job="Training", path=str(path), options=options)


def demo(_name, sides, _folder, arguments):
    """The fit of ``fastlstm demo``."""
    return prepared(sides, job="Demo", options=_options(arguments), quick=arguments.quick)


def one_document(name, sides, folder, arguments):
    """Calls with documents of 20, 100 and 400 words."""
    path, texts = saved_model(name, sides[0], folder, arguments)
    calls = 5 if arguments.quick else 200
    return prepared(sides, job="OneDocument", path=path, texts=texts, threads=arguments.threads,
                    calls=calls)  # fmt: skip


def cold_start(name, sides, folder, arguments):
    """Fresh processes that classify one document of 100 words."""
    path, texts = saved_model(name, sides[0], folder, arguments)
    return [ColdStart(side, path, texts["100"][0]) for side in sides]


def prepared(sides, **job):
    """The sides, with a job to repeat."""
    for side in sides:
        side.ask("prepare", **job)
    return sides


def _options(arguments) -> dict:
    few = {"max_epochs": 1} if arguments.quick else {}
    return {"random_state": 0, "n_jobs": arguments.threads, **few}


def saved_model(name, side, folder, arguments):
    """A model file that ``side`` writes, and texts by their number of words.

    Names that end with "small" have the network of the case "one_document" and nothing
    beside it; others have the defaults of the text classifier, fitted on bundled reviews.
    """
    path, options, documents = str(folder / f"{name}.fastlstm"), _options(arguments), {}
    if name.endswith("small"):
        case = CASES["one_document"]
        data = make_data(case)
        options |= {
            "wide": None, "n_estimators": 1, "ngrams": 1, "word_vectors": None, "max_epochs": 1,
            "embedding_dim": case.embedding, "hidden_size": case.hidden,
            "num_layers": case.layers, "bidirectional": False, "segment_length": None,
        }  # fmt: skip
        texts = [text_of(ids) for ids in np.split(data.ids, data.offsets[1:-1])]
        documents = {"texts": texts, "labels": data.labels.tolist()}
    words = side.ask("save", path=path, options=options, **documents)["words"]
    if documents:
        words = " ".join(documents["texts"]).split()
    starts = np.linspace(0, len(words) - max(LENGTHS), 50).astype(int)
    return path, {str(n): [" ".join(words[at : at + n]) for at in starts] for n in LENGTHS}


SPEED = {
    **{name: training for name in TRAINING},
    "demo": demo,
    "one document": one_document,
    "one document, small": one_document,
    "cold start": cold_start,
    "cold start, small": cold_start,
}


# -- the program ---------------------------------------------------------------------

PARTS = {"bits": run_bits, "files": run_files, "speed": run_speed}


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("old_python", help="the Python that the old revision is installed for")
    parser.add_argument("new_python")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART",
                        help=", ".join(PARTS))  # fmt: skip
    parser.add_argument("--case", nargs="+", metavar="NAME",
                        help="only these of bits and speed")  # fmt: skip
    parser.add_argument("--backend", choices=("cython", "numba", "reference", "auto"),
                        default="cython")  # fmt: skip
    parser.add_argument("--old-revision", help="to be told in the results")
    parser.add_argument("--new-revision")
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--threads", type=int, default=min(2, usable_cores()))
    parser.add_argument("--quick", action="store_true", help="little data, two turns")
    parser.add_argument("--out", help="file, default benchmarks/results/revisions.json")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.turns = 2
        folder = None if arguments.out else tempfile.mkdtemp(prefix="revisions-")
        arguments.out = arguments.out or f"{folder}/revisions.json"
    return arguments


def heading(arguments) -> dict:
    """What each part of the results begins with: the machine and the two installs."""
    with both_sides(arguments) as sides:
        told = {side.library: side.about() for side in sides}
    told["old"]["revision"], told["new"]["revision"] = (
        arguments.old_revision, arguments.new_revision,
    )  # fmt: skip
    old, new = ({**each, **each["versions"]} for each in told.values())
    for name in ("level", "backend", "python", "fastlstm", "numpy", "scipy", "scikit-learn"):
        if old[name] != new[name]:
            print(f"the two have different {name}: {old[name]} and {new[name]}")
    if old["sources_sha256"] == new["sources_sha256"]:
        print("the Python sources of the two installs are the same")
    return {
        "processor": processor_name(),
        "cores": usable_cores(),
        "quick": arguments.quick,
        **told,
    }


def main():
    arguments = parse_arguments()
    path = Path(arguments.out or RESULTS / "revisions.json")
    results = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    begins = heading(arguments)
    equal = True
    for part in arguments.only:
        results[part] = {**begins, **PARTS[part](arguments)}
        equal &= results[part].get("equal", True)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    print(f"written: {path}")
    sys.exit(0 if equal else 1)


if __name__ == "__main__":
    main()
