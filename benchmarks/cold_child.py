"""A process of the case "cold_start": saves a model, or starts with one.

    python benchmarks/cold_child.py save LIBRARY FOLDER
    python benchmarks/cold_child.py start LIBRARY FOLDER MODULE TEXT

It imports the library first and little else, since the driver times it as a whole.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time


def save(name, folder):
    """Save the model of the case in the library's own way."""
    from cases import CASES, make_data, quick
    from peers import LIBRARIES

    case = quick(CASES["one_document"])
    LIBRARIES[name].load().save_model(case, make_data(case), folder)


def start(name, folder, module, text):
    """Import the library, load the model, classify one text and print a line of JSON."""
    started = time.perf_counter()
    importlib.import_module(module)
    import_seconds = time.perf_counter() - started
    from machine import peak_rss_mib
    from peers import LIBRARIES

    chosen = LIBRARIES[name]
    model = chosen.load().text_model(folder, chosen.options, int(os.environ["OMP_NUM_THREADS"]))
    result = {"probability": model(text), "import_seconds": import_seconds}
    print(json.dumps({**result, "peak_mib": peak_rss_mib()}), flush=True)


if __name__ == "__main__":
    {"save": save, "start": start}[sys.argv[1]](*sys.argv[2:])
