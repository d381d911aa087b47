"""Write the golden files of this folder with PyTorch, which the tests do not need.

Run from anywhere: ``python tests/golden/make_golden.py`` (made with PyTorch 2.13.0,
CPU). Documents are stored one after the other without padding; weights keep
PyTorch's names, layouts and gate order (i, f, g, o). Everything is float32.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence

FOLDER = Path(__file__).parent
LENGTHS = [6, 1, 9, 4, 4, 1, 7]
POOLINGS = ["last", "mean", "max"]
OF_STEPS = "steps"  # no pooling: a label for each step, and numbers beside its token
ATTENTION = "attention"  # outputs weighed by a softmax of their scores
RNN = "rnn"  # the tanh network, its outputs' maximum
TRUNCATED = "truncated"  # states are detached every so many steps; the outputs' mean
BORDER = 3


KINDS = [*POOLINGS, OF_STEPS, ATTENTION, RNN, TRUNCATED]


def save(name, arrays):
    plain = {key: np.asarray(value) for key, value in arrays.items()}
    np.savez_compressed(FOLDER / f"{name}.npz", **plain)


def numbers(tensor):
    return tensor.detach().numpy().copy()


def randomise(module, generator, scale=0.5):
    """Weights and biases all different from 0, so that none can be mixed up."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(scale * torch.randn(parameter.shape, generator=generator))


def named_gradients(module):
    return {f"grad.{name}": numbers(p.grad) for name, p in module.named_parameters()}


def run_packed(lstm, rows, lengths, state=None):
    """Outputs of documents stored one after the other, laid out the same way."""
    padded = pad_sequence(torch.split(rows, lengths), batch_first=True)
    packed = pack_padded_sequence(padded, lengths, batch_first=True, enforce_sorted=False)
    out, final = lstm(packed, state)
    out, _ = pad_packed_sequence(out, batch_first=True)
    return [document[:length] for document, length in zip(out, lengths, strict=True)], final


def lstm_file(layers, directions, inputs=5, hidden=7):
    generator = torch.Generator().manual_seed(100 * layers + directions)

    def draw(*shape):
        return torch.randn(*shape, generator=generator)

    lstm = nn.LSTM(inputs, hidden, layers, batch_first=True, bidirectional=directions == 2)
    randomise(lstm, generator)
    states = (layers * directions, len(LENGTHS), hidden)
    x = draw(sum(LENGTHS), inputs).requires_grad_()
    h0, c0 = draw(*states).requires_grad_(), draw(*states).requires_grad_()
    documents, (h_n, c_n) = run_packed(lstm, x, LENGTHS, (h0, c0))
    y = torch.cat(documents)
    d_y, d_h_n, d_c_n = draw(*y.shape), draw(*states), draw(*states)
    ((y * d_y).sum() + (h_n * d_h_n).sum() + (c_n * d_c_n).sum()).backward()
    arrays = {name: numbers(p) for name, p in lstm.named_parameters()}
    arrays.update(named_gradients(lstm))
    arrays.update(
        lengths=np.array(LENGTHS), x=numbers(x), h0=numbers(h0), c0=numbers(c0),
        y=numbers(y), h_n=numbers(h_n), c_n=numbers(c_n), d_y=d_y, d_h_n=d_h_n, d_c_n=d_c_n,
        d_x=x.grad, d_h0=h0.grad, d_c0=c0.grad,
    )  # fmt: skip
    save(f"lstm_{layers}_layers_{directions}_directions", arrays)


def run_truncated(lstm, rows, lengths):
    """As ``run_packed`` of two directions, with states detached where a segment begins."""
    documents = list(torch.split(rows, lengths))
    for layer in range(lstm.num_layers):
        for number, document in enumerate(documents):
            both = []
            for end in ("", "_reverse"):
                w_x, w_h, b_x, b_h = (
                    getattr(lstm, f"{name}_l{layer}{end}")
                    for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
                )
                steps = range(len(document))
                h = c = torch.zeros(lstm.hidden_size)
                out = {}
                for t in reversed(steps) if end else steps:
                    if (t + 1 if end else t) % BORDER == 0:
                        h, c = h.detach(), c.detach()
                    i, f, g, o = (w_x @ document[t] + b_x + w_h @ h + b_h).chunk(4)
                    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
                    h = out[t] = o.sigmoid() * c.tanh()
                both.append(torch.stack([out[t] for t in steps]))
            documents[number] = torch.cat(both, dim=1)
    return documents


def pool(documents, h_n, pooling, attention=None):
    if pooling == OF_STEPS:
        return torch.cat(documents)
    if pooling == ATTENTION:
        return torch.stack([
            torch.softmax(document @ attention[0], dim=0) @ document for document in documents
        ])  # fmt: skip
    if pooling == "last":
        return torch.cat([h_n[-2], h_n[-1]], dim=1)
    if pooling in ("mean", TRUNCATED):
        return torch.stack([document.mean(dim=0) for document in documents])
    return torch.stack([document.max(dim=0).values for document in documents])


def model_file(pooling, n_classes, vocabulary=20, width=6, hidden=5):
    n_features = 4 if pooling == OF_STEPS else 0
    seed = 1000 + 10 * KINDS.index(pooling) + n_classes
    generator = torch.Generator().manual_seed(seed)
    n_outputs = 1 if n_classes == 2 else n_classes
    model = nn.ModuleDict({
        "embedding": nn.Embedding(vocabulary, width),
        "lstm": (nn.RNN if pooling == RNN else nn.LSTM)(
            width + n_features, hidden, 2, batch_first=True, bidirectional=True
        ),
        "dense": nn.Linear(2 * hidden, n_outputs),
    })  # fmt: skip
    if pooling == ATTENTION:
        model["attention"] = nn.Linear(2 * hidden, 1, bias=False)
    randomise(model, generator)
    # Few ids for many tokens: repeats within and across documents, unseen rows too.
    ids = torch.randint(1, vocabulary // 2, (sum(LENGTHS),), generator=generator)
    n_labels = sum(LENGTHS) if pooling == OF_STEPS else len(LENGTHS)
    y = torch.randint(0, n_classes, (n_labels,), generator=generator)
    weight = 0.25 + torch.rand(n_labels, generator=generator)
    rows = model["embedding"](ids)
    features = torch.randn(sum(LENGTHS), n_features, generator=generator) if n_features else None
    if n_features:
        rows = torch.cat([rows, features], dim=1)
    if pooling == TRUNCATED:
        documents, h_n = run_truncated(model["lstm"], rows, LENGTHS), None
    else:
        documents, final = run_packed(model["lstm"], rows, LENGTHS)
        h_n = final if pooling == RNN else final[0]
    attention = model["attention"].weight if pooling == ATTENTION else None
    logits = model["dense"](pool(documents, h_n, pooling, attention))
    if n_outputs == 1:
        each = nn.BCEWithLogitsLoss(reduction="none")(logits[:, 0], y.float())
    else:
        each = nn.CrossEntropyLoss(reduction="none")(logits, y)
    loss = (weight * each).sum() / weight.sum()
    loss.backward()
    arrays = {name: numbers(p) for name, p in model.named_parameters()}
    arrays.update(named_gradients(model))
    arrays.update(
        lengths=np.array(LENGTHS), ids=ids, y=y, weight=weight,
        logits=numbers(logits), loss=numbers(loss),
    )  # fmt: skip
    if n_features:
        arrays["features"] = features
    kind = f"model_{pooling}" if pooling in POOLINGS else pooling
    save(f"{kind}_{n_classes}_classes", arrays)


def optimizer_file(steps=12, size=23):
    """Weights after each step; gradients shrink and change sign on the way."""
    generator = torch.Generator().manual_seed(5)
    start = torch.randn(size, generator=generator)
    gradients = torch.randn(steps, size, generator=generator)
    gradients /= torch.arange(1, steps + 1)[:, None]
    arrays = {"start": start, "gradients": gradients}
    makers = {
        "adam": lambda p: torch.optim.Adam(p, lr=0.01, eps=1e-8),
        "adamw": lambda p: torch.optim.AdamW(p, lr=0.01, eps=1e-8, weight_decay=0.1),
        "sgd": lambda p: torch.optim.SGD(p, lr=0.01),
        "sgd_momentum": lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9),
    }
    for name, make in makers.items():
        weight = start.clone().requires_grad_()
        optimizer = make([weight])
        path = []
        for gradient in gradients:
            weight.grad = gradient.clone()
            optimizer.step()
            path.append(numbers(weight))
        arrays[name] = np.stack(path)
    save("optimizers", arrays)


def sparse_adam_file(steps=8, n_rows=6, width=3, seen=2):
    """A table of which each step sees some rows; once with a large epsilon."""
    generator = torch.Generator().manual_seed(6)
    start = torch.randn(n_rows, width, generator=generator)
    # The last row is never seen.
    rows = torch.stack(
        [torch.randperm(n_rows - 1, generator=generator)[:seen] for _ in range(steps)]
    )
    values = torch.randn(steps, seen, width, generator=generator)
    arrays = {"start": start, "rows": rows, "values": values}
    for name, epsilon in (("small_epsilon", 1e-8), ("large_epsilon", 0.01)):
        table = start.clone().requires_grad_()
        optimizer = torch.optim.SparseAdam([table], lr=0.05, eps=epsilon)
        path = []
        for step in range(steps):
            table.grad = torch.sparse_coo_tensor(
                rows[step][None], values[step], table.shape, check_invariants=True
            )
            optimizer.step()
            path.append(numbers(table))
        arrays[name] = np.stack(path)
    save("sparse_adam", arrays)


def memory_file(vocabulary=12, width=4, hidden=5):
    """Gradients of the logit of each document by every state, of two layers in two directions."""
    generator = torch.Generator().manual_seed(77)
    model = nn.ModuleDict({
        "embedding": nn.Embedding(vocabulary, width),
        "lstm": nn.LSTM(width, hidden, 2, batch_first=True, bidirectional=True),
        "dense": nn.Linear(2 * hidden, 1),
    }).double()  # fmt: skip
    randomise(model, generator)
    ids = torch.randint(1, vocabulary, (sum(LENGTHS),), generator=generator)
    arrays = {name: numbers(p) for name, p in model.named_parameters()}
    found = {f"{kind}_{layer}_{d}": [] for kind in "hc" for layer in (0, 1) for d in (0, 1)}
    found |= {f"x_{d}": [] for d in (0, 1)}
    for document in torch.split(ids, LENGTHS):
        rows = model["embedding"](document).detach()
        kept = {}
        for d in (0, 1):  # each direction of the first layer reads rows of its own
            kept[f"x_{d}"] = rows.clone().requires_grad_()
        below = [kept["x_0"], kept["x_1"]]
        for layer in (0, 1):
            both = []
            for d, end in enumerate(("", "_reverse")):
                w_x, w_h, b_x, b_h = (
                    getattr(model["lstm"], f"{name}_l{layer}{end}")
                    for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
                )
                steps = range(len(document))
                h = c = torch.zeros(hidden, dtype=torch.float64)
                of_h, of_c = {}, {}
                for t in reversed(steps) if d else steps:
                    i, f, g, o = (w_x @ below[d][t] + b_x + w_h @ h + b_h).chunk(4)
                    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
                    c.retain_grad()
                    h = o.sigmoid() * c.tanh()
                    h.retain_grad()
                    of_h[t], of_c[t] = h, c
                kept[f"h_{layer}_{d}"] = [of_h[t] for t in steps]
                kept[f"c_{layer}_{d}"] = [of_c[t] for t in steps]
                both.append(torch.stack([of_h[t] for t in steps]))
            joined = torch.cat(both, dim=1)
            below = [joined, joined]
        model["dense"](joined.mean(dim=0)).sum().backward()
        for name, states in kept.items():
            if name[0] == "x":
                found[name].append(numbers(states.grad))
            else:
                found[name].append(np.stack([numbers(state.grad) for state in states]))
    arrays.update({name: np.concatenate(parts) for name, parts in found.items()})
    save("memory", {**arrays, "ids": ids, "lengths": np.array(LENGTHS)})


if __name__ == "__main__":
    for n_layers in (1, 2):
        for n_directions in (1, 2):
            lstm_file(n_layers, n_directions)
    for kind in KINDS:
        for count in (2, 3):
            model_file(kind, count)
    optimizer_file()
    sparse_adam_file()
    memory_file()
