"""One library in a process of its own; reads commands, answers, one JSON object a line.

    python benchmarks/worker.py LIBRARY CASE.npz THREADS

Commands have a "do" of "prepare", "outputs", "run", "peak" or "quit". A run is repeated
until it has taken "at_least" so many seconds, where they are given. An answer has
"error" if the command failed, or "unavailable" if the library cannot do the case.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
import traceback
from pathlib import Path

from cases import load_data
from machine import peak_rss_mib
from peers import LIBRARIES, UnavailableError
from peers.texts import OneDocument


def answer(peer, command) -> dict:
    """Carry out one command."""
    todo = command.pop("do")
    if todo == "peak":
        return {"peak_mib": peak_rss_mib()}
    if todo in ("prepare", "outputs"):
        return getattr(peer, todo)()
    if todo != "run":
        raise ValueError(f"do={todo!r} is not known")
    at_least = command.pop("at_least", 0.0)
    result = _timed(peer, command)
    while at_least and result["seconds"] < at_least:
        again = _timed(peer, command)
        result = {name: result[name] + again[name] for name in ("seconds", "tokens")}
    return result


def _timed(peer, command) -> dict:
    started = time.perf_counter()
    result = peer.run(**command)
    return {"seconds": time.perf_counter() - started, **result}


def main():
    library, path, threads = sys.argv[1], sys.argv[2], int(sys.argv[3])
    tempfile.tempdir = str(Path(path).parent)  # the driver removes it
    # Libraries print to standard output, too: answers get a descriptor of their own.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    peer = None
    for line in sys.stdin:
        command = json.loads(line)
        if command["do"] == "quit":
            break
        try:
            if peer is None:
                case, data = load_data(path)
                chosen = LIBRARIES[library]
                kind = OneDocument if case.kind == "one_document" else chosen.load().Peer
                peer = kind(case, data, chosen, threads)
            result = answer(peer, command)
        except (UnavailableError, ImportError) as reason:
            result = {"unavailable": str(reason)}
        except Exception:
            result = {"error": traceback.format_exc()}
        answers.write(json.dumps(result) + "\n")
        answers.flush()
    # A fit that waits for its next epoch does not hold the process back.
    os._exit(0)


if __name__ == "__main__":
    main()
