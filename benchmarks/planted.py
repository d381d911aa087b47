"""How often each method puts the token on top that decides in a generated text.

    python benchmarks/planted.py

The texts and the models are those of ``tests/explain/test_planted.py``. Writes
``benchmarks/results/planted.json``.
"""

from __future__ import annotations

import json
import sys

from machine import FOLDER, RESULTS, description

from fastlstm.explain import METHODS

sys.path.append(str(FOLDER.parent))
from tests.explain.test_planted import PLANTS, share_on_top  # noqa: E402


def main():
    shares = {
        plant.__name__: {method: float(share_on_top(plant, method)[0]) for method in METHODS}
        for plant in PLANTS
    }
    print(json.dumps(shares, indent=1))
    path = RESULTS / "planted.json"
    result = {**description(), "shares": shares}
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
