"""Tables and plots from the results files.

    python benchmarks/report.py [--pages README.md ...] [--images docs/images]

Rewrites what stands between ``<!-- NAME -->`` and ``<!-- end -->`` in README.md and
the documents for each table below whose results are there, and draws the plots
(needs matplotlib). ``<!-- NAME amx -->`` is a table of that folder of the results: speeds
are those of a CPU, and each instruction level has a folder.
"""

from __future__ import annotations

import argparse
import re
import statistics
from collections.abc import Callable
from functools import partial
from pathlib import Path

from accuracy_child import ROWS
from cases import CASES
from machine import FOLDER, RESULTS
from measured import GROUPS, group_ratios, read
from plots import draw_all

from fastlstm.kernels.levels import LEVELS

ROOT = FOLDER.parent
_PAGES = (
    "README.md", "docs/explanation/benchmarks.md", "docs/explanation/attributions.md",
    "docs/explanation/memory.md",
)  # fmt: skip
_NAMES = {
    "fastlstm": "fastlstm", "torch_padded": "PyTorch, padded",
    "torch_packed": "PyTorch, packed", "torch_one_thread": "PyTorch, 1 thread",
    "torch_two_threads": "PyTorch, 2 threads", "onnx": "ONNX Runtime",
    "keras_predict": "Keras, predict", "keras_call": "Keras, call",
    "fastlstm_int8": "fastlstm, 8 bits", "onnx_int8": "ONNX Runtime, 8 bits",
}  # fmt: skip
_COLD_NAMES = {**_NAMES, "torch_one_thread": "PyTorch", "keras_call": "Keras"}


def markdown(header, rows) -> str:
    """A table; ``header`` and each row are sequences of str."""
    lines = ["| " + " | ".join(line) + " |" for line in (header, *rows)]
    lines.insert(1, "|---" * len(header) + "|")
    return "\n".join(lines)


# -- the tables: folder of results -> Markdown, or None without results ---------------


def accuracy_table(folder: Path) -> str | None:
    """Mean test accuracy of each row on each review set."""
    results = read(folder, "accuracy")
    if results is None:
        return None
    rows = [row for row in ROWS if any(row in s["rows"] for s in results["sets"].values())]
    lines = []
    for name, of_set in results["sets"].items():
        cells = [_percent(of_set["rows"].get(row), "accuracy") for row in rows]
        lines.append((name, f"{of_set['n_train']:,}", f"{of_set['n_test']:,}", *cells))
    return markdown(("set", "to train on", "to test on", *(ROWS[r].title for r in rows)), lines)


def accuracy_details_table(folder: Path) -> str | None:
    """All that was measured of each row on each review set."""
    results = read(folder, "accuracy")
    if results is None:
        return None
    lines = []
    for name, of_set in results["sets"].items():
        tests = of_set["mcnemar"] or {"against": "", "p": {}}
        for row, runs in of_set["rows"].items():
            p_values = ", ".join(f"{p:.2g}" for p in tests["p"].get(row, []))
            lines.append((
                name, ROWS[row].title, _percent(runs, "accuracy", spread=True),
                _percent(runs, "accuracy_of_new") if of_set["n_leaked"] else "",
                _percent(runs, "macro_f1"), _percent(runs, "calibration_error"), p_values,
                f"{statistics.median(r['seconds'] for r in runs):.0f}",
                f"{max(r['peak_mib'] for r in runs):,.0f}",
            ))  # fmt: skip
    header = ("set", "", "accuracy", "without repeated texts", "macro-F1", "calibration error",
              "p (McNemar)", "s", "MiB")  # fmt: skip
    return markdown(header, lines)


def small_data_table(folder: Path) -> str | None:
    """Mean macro-F1 of models from few documents, most of them of one class."""
    results = read(folder, "small_data")
    if results is None:
        return None
    rows = [
        (name, str(found["n_classes"]), str(len(found["macro_f1"]["default"])),
         *(f"{100 * statistics.mean(found['macro_f1'][row]):.1f}" for row in ("tfidf", "default")))
        for name, found in results["sets"].items()
    ]  # fmt: skip
    return markdown(("set", "classes", "draws", ROWS["tfidf"].title, ROWS["default"].title), rows)


def side_columns_table(folder: Path) -> str | None:
    """Texts alone, and with columns or vectors beside them."""
    results = read(folder, "side_columns")
    if results is None:
        return None
    rows = [
        (name.replace("_", " with "), row, _mean(found["accuracy"]), _mean(found["macro_f1"]),
         f"{found['mcnemar_p']:.2g}" if "mcnemar_p" in found else "",
         f"{statistics.median(found['seconds']):.0f}" if any(found["seconds"]) else "")
        for name, of_set in results["sets"].items()
        for row, found in of_set["rows"].items()
    ]  # fmt: skip
    return markdown(("set", "", "accuracy", "macro-F1", "p (McNemar)", "s"), rows)


def vectors_alone_table(folder: Path) -> str | None:
    """Vectors of voice and face without the text."""
    results = read(folder, "side_columns")
    if results is None or "mosi" not in results["sets"]:
        return None
    names = {"audio": "voice", "video": "face"}
    rows = [
        (
            names[kind],
            f"{100 * found['training_videos_left_out']:.1f}",
            f"{100 * found['test']:.1f}",
        )
        for kind, found in results["sets"]["mosi"]["vectors_alone"].items()
    ]
    return markdown(("logistic regression on", "training videos left out", "test videos"), rows)


def utterances_table(folder: Path) -> str | None:
    """Utterances alone, and in their videos."""
    results = read(folder, "utterances")
    if results is None:
        return None
    rows = [
        (row, _mean(found["accuracy"]), _mean(found["macro_f1"]),
         f"{found['mcnemar_p']:.2g}" if "mcnemar_p" in found else "")
        for row, found in results["rows"].items()
    ]  # fmt: skip
    return markdown(("", "accuracy", "macro-F1", "p (McNemar)"), rows)


def missing_data_table(folder: Path) -> str | None:
    """Accuracy where 0 to 90 % is missing."""
    results = read(folder, "missing_data")
    if results is None:
        return None
    shown = [n for n, share in enumerate(results["shares"]) if share in (0.0, 0.3, 0.5, 0.7, 0.9)]
    rows = [
        (f"{part} of {name}", row,
         *(f"{100 * statistics.mean(of_seed[n] for of_seed in accuracy):.1f}" for n in shown))
        for part, sets in results["parts"].items()
        for name, found in sets.items()
        for row, accuracy in found.items()
    ]  # fmt: skip
    header = [f"{100 * results['shares'][n]:.0f} %" for n in shown]
    return markdown(("missing", "", *header), rows)


def _mean(shares: list[float]) -> str:
    return f"{100 * statistics.mean(shares):.2f}"


def word_vectors_table(folder: Path) -> str | None:
    """Skip-gram beside gensim's."""
    results = read(folder, "word_vectors")
    if results is None:
        return None
    rows = [
        (name, f"{speed:,.0f}", f"{100 * results['accuracy'][name]:.1f}")
        for name, speed in results["tokens_per_second"].items()
    ]
    return markdown(("", "tokens a second, one core", "accuracy of mean vectors"), rows)


def _percent(runs, key: str, spread: bool = False) -> str:
    """Mean over the runs, in percent; with ``spread`` also from where to where."""
    values = [100 * run[key] for run in runs or [] if key in run]
    if not values:
        return ""
    mean = f"{statistics.mean(values):.2f}"
    if not spread or len(values) == 1:
        return mean
    return f"{mean} ({min(values):.2f} to {max(values):.2f})"


def faithfulness_table(folder: Path) -> str | None:
    """Areas below the curves of each order of tokens."""
    results = read(folder, "explanations")
    if results is None:
        return None
    rows = [
        (
            name, order, f"{f['deletion']:.3f}", f"{f['insertion']:.3f}", f"{f['passes']:.0f}",
            "" if order == "lime" else f"{f['better_than_lime']:.0%}",
        )
        for name, found in results["sets"].items()
        for order, f in found.get("areas", {}).items()
    ]  # fmt: skip
    header = ("set", "order", "deletion", "insertion", "passes", "deletes better than LIME")
    return markdown(header, rows)


def explanation_costs_table(folder: Path) -> str | None:
    """What explaining costs beside predicting."""
    results = read(folder, "explanations")
    if results is None:
        return None
    rows = []
    for name, found in results["sets"].items():
        costs, seconds = found["costs"], found["costs"]["seconds"]
        single = [1e3 * value for value in costs.get("seconds_of_one", [])]
        rows.append((
            name, f"{seconds['integrated_gradients'] / seconds['predict']:.0f}",
            f"{seconds['lrp'] / seconds['predict']:.0f}", f"{costs['passes'] / 3:.1f}",
            f"{costs['largest_gap']:.2%}",
            " / ".join(f"{gap:.1%}" for gap in costs.get("lrp_gaps", ())[:2]),
            f"{statistics.median(single):.0f}" if single else "",
            f"{max(single):.0f}" if single else "",
        ))  # fmt: skip
    header = ("set", "integrated gradients / predict", "LRP / predict", "points a document",
              "largest gap", "gap of LRP, median / 90 %", "ms for one of 200 tokens",
              "slowest of 20")  # fmt: skip
    return markdown(header, rows)


def planted_table(folder: Path) -> str | None:
    """How often the planted token is on top."""
    results = read(folder, "planted")
    if results is None:
        return None
    plants = list(results["shares"])
    methods = list(results["shares"][plants[0]])
    rows = [
        (method, *(f"{results['shares'][plant][method]:.0%}" for plant in plants))
        for method in methods
    ]
    return markdown(("method", *(plant.replace("_", " ") for plant in plants)), rows)


def speed_table(folder: Path) -> str | None:
    """Cost of a token in each case and precision, and the peers' beside it."""
    found = {name: read(folder, name) for name in CASES}
    found = {n: r for n, r in found.items() if r is not None and "us_per_token" in r}
    found.pop("whole_job", None)  # nothing is alike there but the task
    if not found:
        return None
    groups = [g for g in GROUPS if any(g in r["best"] for r in found.values())]
    # Results from before instructions were named keep the table that they had.
    described = all("instructions" in result for result in found.values())
    rows = []
    for name, result in found.items():
        for precision, own in (("float32", "fastlstm"), ("bfloat16", "fastlstm_bf16")):
            ratios = group_ratios(result, precision)
            if own not in result["us_per_token"]:
                continue
            cells = [f"{ratios[g]:.2f} x" if g in ratios else "" for g in groups]
            if described:
                cells.insert(0, _share(result["share_of_peak"].get(own)))
            label = name.replace("_", " ") + (", bfloat16" if precision == "bfloat16" else "")
            rows.append((label, f"{result['us_per_token'][own]:.2f}", *cells))
    shares = ("share of peak",) if described else ()
    return markdown(("case", "fastlstm, us a token", *shares, *groups), rows)


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"


def ways_table(folder: Path) -> str | None:
    """Every library and way of every case."""
    rows = []
    for name in CASES:
        result = read(folder, name)
        if result is None or "us_per_token" not in result:
            continue
        for library, cost in result["us_per_token"].items():
            rows.append((
                name.replace("_", " "), library, f"{cost:.2f}",
                f"{result['times_fastlstm'][library]:.2f} x",
                _share(result.get("share_of_peak", {}).get(library)),
                f"{result['peak_mib'][library]:.0f}",
            ))  # fmt: skip
    header = ("case", "library", "us a token", "beside fastlstm", "share of peak",
              "peak memory, MiB")  # fmt: skip
    return markdown(header, rows) if rows else None


def latency_table(folder: Path) -> str | None:
    """Median and 99th percentile of a call on one text."""
    result = read(folder, "one_document")
    if result is None:
        return None
    lengths = list(result["summary"]["fastlstm"])
    shares = result.get("share_of_one_threads_peak", {})
    rows = []
    for name, v in result["summary"].items():
        cells = [f"{v[n]['p50_us'] / 1e3:.2f} / {v[n]['p99_us'] / 1e3:.2f}" for n in lengths]
        cells += [_share(shares[n].get(name)) for n in lengths if n in shares]
        rows.append((_NAMES.get(name, name), *cells))
    tokens = [f"{n} tokens" for n in lengths]
    further = [f"{n} tokens, share of one thread's peak" for n in lengths if n in shares]
    return markdown(("ms a call, p50 / p99", *tokens, *further), rows)


def cold_start_table(folder: Path) -> str | None:
    """From the start of a process to the first probability."""
    result = read(folder, "cold_start")
    if result is None:
        return None
    rows = [
        (
            _COLD_NAMES.get(name, name), f"{v['seconds']:.2f}", f"{v['import_seconds']:.2f}",
            f"{v['peak_mib']:.0f}",
            "" if v["installed_mib"] is None else f"{v['installed_mib']:.0f}",
        )
        for name, v in result["summary"].items()
    ]  # fmt: skip
    header = ("", "first probability, s", "of it import, s", "peak memory, MiB",
              "installed, MiB")  # fmt: skip
    return markdown(header, rows)


def growth_table(folder: Path) -> str | None:
    """fastlstm's cost of a token along each axis."""
    result = read(folder, "growth")
    if result is None:
        return None
    described = "instructions" in result
    rows = []
    for kind, axes in result["summary"].items():
        for axis, found in axes.items():
            curve = found["us_per_token"]
            costs = ", ".join(f"{int(value):,}: {cost:.2f}" for value, cost in curve.items())
            shares = [
                p["share_of_peak"] or 0.0
                for p in result["points"]
                if described and (p["kind"], p["axis"], p["library"]) == (kind, axis, "fastlstm")
            ]
            cells = [f"{min(shares):.1%} to {max(shares):.1%}"] if shares else []
            rows.append((f"{kind}, {axis}", costs, f"{found['max_over_min']:.2f}", *cells))
    further = ["share of peak"] if described else []
    return markdown(("", "us a token", "largest / smallest", *further), rows)


def mixed_lengths_table(folder: Path) -> str | None:
    """Cost of a token beside the longest document of minibatches with short ones."""
    result = read(folder, "mixed_lengths")
    if result is None:
        return None
    names = list(result["points"][0]["us_per_token"])
    rows = []
    for point in result["points"]:
        costs = point["us_per_token"]
        rows.append((
            f"1 to {point['longest']:,}",
            *(f"{costs[name]:.2f}" for name in names),
            *(f"{costs[name] / costs['fastlstm']:.1f} x" for name in names[1:]),
            _share(point["share_of_peak"].get("fastlstm")),
        ))  # fmt: skip
    titles = [_NAMES.get(name, name) for name in names]
    costs = [f"{title}, us a token" for title in titles]
    ratios = [f"{title} / fastlstm" for title in titles[1:]]
    header = ("tokens of a document", *costs, *ratios, "fastlstm, share of peak")
    return markdown(header, rows)


def long_documents_table(folder: Path) -> str | None:
    """Memory and time of training on one long document."""
    results = read(folder, "long_documents")
    if results is None:
        return None
    names = {"plain": "fastlstm, all states kept", "recompute": "fastlstm, `recompute=True`",
             "torch": "PyTorch"}  # fmt: skip
    rows = [
        (names[way], f"{found['peak_mib']:,.0f}", f"{found['seconds']:.2f}")
        for way, found in results["ways"].items()
    ]
    return markdown((f"{results['n_tokens']:,} tokens", "peak MiB", "s a step"), rows)


def long_accuracy_table(folder: Path) -> str | None:
    """Accuracy on long documents, by what is read of them; means over seeds."""
    result = read(folder, "long_accuracy")
    if result is None:
        return None
    columns = [("imdb", "all"), *(("joined", part) for part in ("start", "middle", "end", "all"))]
    columns = [(name, part) for name, part in columns if name in result["sets"]]
    rows = []
    for row in next(iter(result["sets"].values())):
        cells = []
        for name, part in columns:
            found = [of_seed[part] for of_seed in result["sets"][name][row].values()]
            cells.append(f"{100 * statistics.mean(found):.1f}")
        rows.append((row, *cells))
    titles = [name if name == "imdb" else f"{name}, {part}" for name, part in columns]
    return markdown(("networks read", *titles), rows)


def long_lags_table(folder: Path) -> str | None:
    """Steps until a problem of long lags is solved, of each seed that solves it."""
    result = read(folder, "long_lags")
    if result is None:
        return None
    lags = list(next(iter(next(iter(result["problems"].values())).values())))
    rows = []
    for problem, of_problem in result["problems"].items():
        for network, of_lags in of_problem.items():
            cells = []
            for lag in lags:
                steps = [found["solved_after"] for found in of_lags[lag]]
                solved = [each for each in steps if each is not None]
                said = f"{len(solved)} of {len(steps)}"
                cells.append(f"{said}, {statistics.median(solved):,.0f}" if solved else said)
            rows.append((problem, network, *cells))
    return markdown(("problem", "network", *(f"lag {lag}" for lag in lags)), rows)


def long_prediction_table(folder: Path) -> str | None:
    """Peak memory and time of texts of any length."""
    result = read(folder, "long_prediction")
    if result is None:
        return None
    rows = [
        (f"{found['n_tokens']:,}", state, f"{found['peak_mib']:.0f}",
         f"{found['us_per_token']:.2f}")
        for of_length in zip(*result["results"].values(), strict=True)
        for state, found in zip(result["results"], of_length, strict=True)
    ]  # fmt: skip
    return markdown(("tokens", "segment_state", "peak MiB", "us a token"), rows)


def scaling_table(folder: Path) -> str | None:
    """A simulated schedule of one fit, and what was measured."""
    result = read(folder, "scaling")
    if result is None:
        return None
    measured = result["measured_seconds"]
    rows = [
        (threads, f"{seconds:.1f}", f"{result['simulated_speed_up'][threads]:.2f} x",
         f"{measured[threads]:.1f}" if threads in measured else "",
         f"{measured['1'] / measured[threads]:.2f} x" if threads in measured else "")
        for threads, seconds in result["simulated_seconds"].items()
    ]  # fmt: skip
    has = result["instructions"] or result["processor"]
    header = (f"threads ({result['set']}, {has})", "SIMULATED, s", "SIMULATED speed-up",
              "measured, s", "measured speed-up")  # fmt: skip
    return markdown(header, rows)


def machine_line(folder: Path) -> str | None:
    """Processor, cores and revisions of the speeds in a folder."""
    names = (*CASES, "mixed_lengths", "growth", "cold_start")
    found = [r for r in map(partial(read, folder), names) if r]
    if not found:
        return None
    machines = sorted({_machine(r) for r in found})
    revisions = sorted({(r["revision"] or "unknown")[:7] for r in found})
    return f"{'; '.join(machines)}; revision {', '.join(revisions)}."


def _machine(result: dict) -> str:
    has = f" ({result['instructions']})" if result.get("instructions") else ""
    return f"{result['processor']}{has}, {result['cores']} cores"


TABLES: dict[str, Callable[[Path], str | None]] = {
    "machine": machine_line,
    "accuracy": accuracy_table,
    "accuracy details": accuracy_details_table,
    "small data": small_data_table,
    "side columns": side_columns_table,
    "vectors alone": vectors_alone_table,
    "utterances": utterances_table,
    "missing data": missing_data_table,
    "word vectors": word_vectors_table,
    "faithfulness": faithfulness_table,
    "explanation costs": explanation_costs_table,
    "planted": planted_table,
    "speed": speed_table,
    "all ways": ways_table,
    "latency": latency_table,
    "cold start": cold_start_table,
    "growth": growth_table,
    "mixed lengths": mixed_lengths_table,
    "scaling": scaling_table,
    "long documents": long_documents_table,
    "long prediction": long_prediction_table,
    "long accuracy": long_accuracy_table,
    "long lags": long_lags_table,
}


def fill(text: str, folder: Path) -> str:
    """The text with the tables of the results in ``folder`` between their marks."""
    for name, make in TABLES.items():
        for level in ("", *LEVELS):
            mark = f"<!-- {name} {level} -->" if level else f"<!-- {name} -->"
            marked = re.compile(f"{re.escape(mark)}.*?<!-- end -->", re.DOTALL)
            table = make(folder / level) if marked.search(text) else None
            if table is not None:
                new = f"{mark}\n{table}\n<!-- end -->"
                text = marked.sub(lambda _, new=new: new, text)
    return text


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    pages = [str(ROOT / page) for page in _PAGES]
    parser.add_argument("--pages", nargs="+", default=pages, metavar="FILE")
    parser.add_argument("--results", default=str(RESULTS), help="folder of the results files")
    parser.add_argument("--images", default=str(ROOT / "docs" / "images"))
    arguments = parser.parse_args()
    folder = Path(arguments.results)
    for page in map(Path, arguments.pages):
        page.write_text(fill(page.read_text(encoding="utf-8"), folder), encoding="utf-8")
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        print("no plots: matplotlib is not installed")
        return
    draw_all(folder, Path(arguments.images))


if __name__ == "__main__":
    main()
