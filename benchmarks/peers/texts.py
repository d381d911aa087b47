"""The case of single documents: text in, probability out, for every library alike."""

from __future__ import annotations

import tempfile
import time

from cases import text_of

LENGTHS = (20, 100, 400)


class OneDocument:
    """Saves the model, loads it as a service would, and times single calls."""

    def __init__(self, case, data, library, threads):
        self.case, self.data, self.library, self.threads = case, data, library, threads

    def prepare(self) -> dict:
        module = self.library.load()
        self.folder = tempfile.TemporaryDirectory()
        module.save_model(self.case, self.data, self.folder.name)
        self.predict = module.text_model(self.folder.name, self.library.options, self.threads)
        for length in LENGTHS:
            for row in range(3):
                self.predict(self._text(row, length))
        return {}

    def _text(self, row, length):
        first = self.data.offsets[row % len(self.data.labels)] % (self.data.n_tokens - length)
        return text_of(self.data.ids[first : first + length])

    def outputs(self) -> dict:
        texts = [self._text(row, length) for length in LENGTHS for row in range(5)]
        return {"probabilities": [self.predict(text) for text in texts], "loss": None}

    def run(self, length, first, calls) -> dict:
        """Seconds of each of some calls on different documents of ``length`` tokens."""
        texts = [self._text(row, length) for row in range(first, first + calls)]
        taken = []
        for text in texts:
            started = time.perf_counter()
            self.predict(text)
            taken.append(time.perf_counter() - started)
        return {"tokens": length * calls, "calls": taken}
