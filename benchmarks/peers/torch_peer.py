"""PyTorch: padded or packed, dense or row-sparse Adam, float32 or autocast to bfloat16.

Minibatches are padded or packed to tensors before the clock starts. Subnormal numbers
are flushed to zero, which is not PyTorch's default: over long documents gradients fade
into them, and arithmetic on them would make PyTorch several times slower.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

import torch
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

# Threads that PyTorch starts later take this over from the one that starts them.
torch.set_flush_denormal(True)

_BATCH_SIZES = (32, 64, 128, 256)


class Model(torch.nn.Module):
    """Embedding, LSTM, last output, dense; a logit for each document.

    In padded batches a second direction is an LSTM of its own on documents turned
    around within their lengths, so that padding comes last for it, too.
    """

    def __init__(self, case, packed=False, sparse=False):
        super().__init__()
        self.packed = packed
        self.two_lstms = case.bidirectional and not packed
        if self.two_lstms and case.layers > 1:
            raise ValueError("padded bidirectional models have one layer here")
        both = case.bidirectional and packed
        sizes = {"hidden_size": case.hidden, "num_layers": case.layers, "batch_first": True}
        self.embed = torch.nn.Embedding(case.vocabulary, case.embedding, sparse=sparse)
        self.lstm = torch.nn.LSTM(case.embedding, bidirectional=both, **sizes)
        if self.two_lstms:
            self.reverse = torch.nn.LSTM(case.embedding, **sizes)
        self.dense = torch.nn.Linear(case.hidden * len(case.directions), 1)

    def load(self, case, weights):
        """Take the weights of ``cases.Data``."""
        values = {"embed.weight": weights["embedding"]}
        for layer in range(case.layers):
            for direction in case.directions:
                turned = direction == "reverse"
                module = "reverse" if turned and self.two_lstms else "lstm"
                end = f"_l{layer}" + ("_reverse" if turned and not self.two_lstms else "")
                prefix = f"lstm.{layer}.{direction}"
                values[f"{module}.weight_ih{end}"] = weights[f"{prefix}.w_x"].T
                values[f"{module}.weight_hh{end}"] = weights[f"{prefix}.w_h"].T
                values[f"{module}.bias_ih{end}"] = weights[f"{prefix}.b"]
                values[f"{module}.bias_hh{end}"] = 0 * weights[f"{prefix}.b"]
        values["dense.weight"], values["dense.bias"] = weights["dense.w"].T, weights["dense.b"]
        self.load_state_dict({name: torch.tensor(w) for name, w in values.items()})
        return self

    def forward(self, batch):
        if self.packed:
            vectors = self.embed(batch.data)
            state = self.lstm(PackedSequence(vectors, batch.batch_sizes))[1][0]
            last = torch.cat([state[-2], state[-1]], 1) if self.lstm.bidirectional else state[-1]
            return self.dense(last)[:, 0]
        ids, lengths = batch
        vectors = self.embed(ids)
        if not self.two_lstms:
            return self.dense(_last(self.lstm(vectors), lengths))[:, 0]
        ahead, back = vectors.chunk(2)
        parts = [_last(self.lstm(ahead), lengths), _last(self.reverse(back), lengths)]
        return self.dense(torch.cat(parts, 1))[:, 0]


def _last(result, lengths):
    """Output after each document's last token; ``lengths`` None if all are full."""
    output, (state, _) = result
    if lengths is None:
        return state[-1]
    return output[torch.arange(len(output)), lengths - 1]


def make_batch(case, data, rows, packed):
    """A minibatch as the model takes it, ``rows`` longest document first."""
    ids, lengths = torch.from_numpy(data.padded(rows, case.pad_to)), data.lengths[rows]
    if packed:
        return pack_padded_sequence(ids, torch.from_numpy(lengths), batch_first=True)
    if case.bidirectional:
        back = torch.zeros_like(ids)
        for line, source, n in zip(back, ids, lengths.tolist(), strict=True):
            line[:n] = source[:n].flip(0)
        ids = torch.cat([ids, back])
    full = bool((lengths == ids.shape[1]).all())
    return ids, None if full else torch.from_numpy(lengths)


class Peer:
    """Trains with Adam or predicts in batches."""

    def __init__(self, case, data, library, threads):
        self.case, self.data, self.options = case, data, library.options
        self.bfloat16 = library.precision == "bfloat16"
        self.packed = self.options.get("packed", False)
        torch.set_num_threads(threads)
        torch.manual_seed(0)

    def prepare(self) -> dict:
        model = Model(self.case, self.packed, self.options.get("sparse", False))
        self.model = model.load(self.case, self.data.weights)
        if self.options.get("weights"):
            self.model.to(torch.bfloat16)
        if self.case.kind == "inference":
            return {"batch": self._choose_batch()}
        self.optimizers = self._make_optimizers()
        labels = torch.from_numpy(self.data.labels).float()
        self.batches = [
            (
                make_batch(self.case, self.data, rows, self.packed),
                labels[rows],
                int(self.data.lengths[rows].sum()),
            )
            for rows in self.data.batches
        ]
        self.at, self.total_loss = 0, 0.0
        return {}

    def _make_optimizers(self):
        rate, model = self.case.learning_rate, self.model
        if not self.options.get("sparse"):
            return [torch.optim.Adam(model.parameters(), lr=rate, fused=True)]
        rest = [w for name, w in model.named_parameters() if name != "embed.weight"]
        return [
            torch.optim.SparseAdam(model.embed.parameters(), lr=rate),
            torch.optim.Adam(rest, lr=rate, fused=True),
        ]

    def _choose_batch(self):
        """The fastest of the batch sizes on these documents; its batches are kept."""
        best, wanted = None, self.case.documents_in_call
        rows = self.data.lengths.argsort(kind="stable")[::-1].copy()
        for size in (wanted,) if wanted else _BATCH_SIZES:
            batches = [
                make_batch(self.case, self.data, rows[at : at + size], self.packed)
                for at in range(0, len(rows), size)
            ]
            self._predict(batches[:2])
            started = time.perf_counter()
            self._predict(batches)
            seconds = time.perf_counter() - started
            if best is None or seconds < best[0]:
                best = seconds, size, batches
        self.batches = best[2]
        return best[1]

    def _autocast(self):
        wanted = self.bfloat16 and not self.options.get("weights")
        return torch.autocast("cpu", dtype=torch.bfloat16, enabled=wanted)

    def _predict(self, batches):
        with torch.inference_mode(), self._autocast():
            return torch.cat([self.model(batch).float().sigmoid() for batch in batches])

    def _loss(self, batch, labels):
        with self._autocast():
            logits = self.model(batch)
        return torch.nn.functional.binary_cross_entropy_with_logits(logits.float(), labels)

    def outputs(self) -> dict:
        with torch.inference_mode(), self._autocast():
            sample = make_batch(self.case, self.data, self.data.sample, self.packed)
            logits = self.model(sample).float().tolist()
            training = self.case.kind == "training"
            loss = self._loss(*self.batches[0][:2]).item() if training else None
        return {"logits": logits, "loss": loss}

    def run(self) -> dict:
        if self.case.kind == "inference":
            self._predict(self.batches)
            return {"tokens": self.data.n_tokens}
        started, tokens = time.perf_counter(), 0
        for _ in self.batches:
            tokens += self._step()
            if time.perf_counter() - started > self.case.most_seconds:
                break
        return {"tokens": tokens}

    def _step(self) -> int:
        """Train on the next minibatch; its number of tokens."""
        batch, labels, tokens = self.batches[self.at]
        self.at = (self.at + 1) % len(self.batches)
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)
        loss = self._loss(batch, labels)
        loss.backward()
        for optimizer in self.optimizers:
            optimizer.step()
        self.total_loss += loss.item() * len(labels)
        return tokens


def save_model(case, data, folder) -> None:
    """A state dict, and the vocabulary and sizes as JSON."""
    from dataclasses import asdict

    from cases import words

    torch.save(Model(case).load(case, data.weights).state_dict(), Path(folder) / "torch.pt")
    description = {"case": asdict(case), "words": words(case)}
    (Path(folder) / "torch.json").write_text(json.dumps(description), encoding="utf-8")


def text_model(folder, options, threads):
    """A function from a text to the probability of label 1."""
    from cases import Case

    torch.set_num_threads(options.get("threads", threads))
    description = json.loads((Path(folder) / "torch.json").read_text(encoding="utf-8"))
    vocabulary = description["words"]
    model = Model(Case(**description["case"]))
    model.load_state_dict(torch.load(Path(folder) / "torch.pt", weights_only=True))
    model.eval()

    def predict(text):
        ids = torch.tensor([[vocabulary.get(word, 1) for word in text.split()]])
        with torch.inference_mode():
            return model((ids, None)).sigmoid().item()

    return predict
