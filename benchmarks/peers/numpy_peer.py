"""An LSTM in plain NumPy: loops over layers and steps, forward, backward, Adam.

Shows what the libraries start from. For documents of one length, in one direction.
A round is two minibatches, since it is slow.
"""

from __future__ import annotations

import numpy as np

_BATCHES = 2


def _sigmoid(z):
    return 1 / (1 + np.exp(-z))


class Peer:
    """Trains; weights and gradients are dicts as in ``cases.Data``."""

    def __init__(self, case, data, library, threads):
        self.case, self.data = case, data

    def prepare(self) -> dict:
        self.w = {name: value.copy() for name, value in self.data.weights.items()}
        self.moments = {name: (0 * v, 0 * v) for name, v in self.w.items()}
        self.step = 0
        return {"minibatches": _BATCHES}

    def outputs(self) -> dict:
        logits, _ = self._forward(self.data.padded(self.data.sample))
        rows = self.data.batches[0]
        z, y = self._forward(self.data.padded(rows))[0], self.data.labels[rows]
        return {"logits": logits.tolist(), "loss": float(np.mean(np.logaddexp(0, z) - z * y))}

    def run(self) -> dict:
        tokens = 0
        for rows in self.data.batches[:_BATCHES]:
            ids = self.data.padded(rows)
            self._train(ids, self.data.labels[rows])
            tokens += ids.size
        return {"tokens": tokens}

    def _forward(self, ids):
        """Logits (n,) of ids (n, steps), and what the backward pass needs."""
        x = self.w["embedding"][ids.T]
        layers = []
        for layer in range(self.case.layers):
            w_x, w_h, b = (self.w[f"lstm.{layer}.forward.{part}"] for part in ("w_x", "w_h", "b"))
            h = c = np.zeros((x.shape[1], self.case.hidden), np.float32)
            outputs, steps = [], []
            for x_t in x:
                i, f, g, o = np.split(x_t @ w_x + h @ w_h + b, 4, axis=1)
                i, f, g, o = _sigmoid(i), _sigmoid(f), np.tanh(g), _sigmoid(o)
                steps.append((i, f, g, o, c, h))
                c = f * c + i * g
                h = o * np.tanh(c)
                outputs.append(h)
            layers.append((x, steps))
            x = np.stack(outputs)
        return (x[-1] @ self.w["dense.w"] + self.w["dense.b"])[:, 0], (layers, x[-1])

    def _train(self, ids, y):
        logits, (layers, last) = self._forward(ids)
        d_logits = ((_sigmoid(logits) - y) / len(y)).astype(np.float32)[:, None]
        d = {"dense.w": last.T @ d_logits, "dense.b": d_logits.sum(0)}
        d_out = np.zeros((ids.shape[1], *last.shape), np.float32)
        d_out[-1] = d_logits @ self.w["dense.w"].T
        for layer in reversed(range(self.case.layers)):
            d_out = self._backward(f"lstm.{layer}.forward", *layers[layer], d_out, d)
        d["embedding"] = np.zeros_like(self.w["embedding"])
        np.add.at(d["embedding"], ids.T, d_out)
        self._adam(d)

    def _backward(self, prefix, x, steps, d_out, d):
        """Gradient of a layer's inputs, shape of ``x``; its weights' go into ``d``."""
        w_x, w_h = self.w[f"{prefix}.w_x"], self.w[f"{prefix}.w_h"]
        d_w_x, d_w_h, d_b = 0 * w_x, 0 * w_h, 0 * self.w[f"{prefix}.b"]
        d_h = d_c = 0 * d_out[0]
        d_x = np.empty_like(x)
        for t in reversed(range(len(steps))):
            i, f, g, o, c_before, h_before = steps[t]
            tanh_c = np.tanh(f * c_before + i * g)
            d_h = d_h + d_out[t]
            d_c = d_c + d_h * o * (1 - tanh_c**2)
            d_z = np.concatenate(
                [d_c * g * i * (1 - i), d_c * c_before * f * (1 - f), d_c * i * (1 - g**2),
                 d_h * tanh_c * o * (1 - o)], axis=1,
            )  # fmt: skip
            d_w_x += x[t].T @ d_z
            d_w_h += h_before.T @ d_z
            d_b += d_z.sum(0)
            d_x[t], d_h, d_c = d_z @ w_x.T, d_z @ w_h.T, d_c * f
        d.update({f"{prefix}.w_x": d_w_x, f"{prefix}.w_h": d_w_h, f"{prefix}.b": d_b})
        return d_x

    def _adam(self, d):
        self.step += 1
        rate = self.case.learning_rate * np.sqrt(1 - 0.999**self.step) / (1 - 0.9**self.step)
        for name, gradient in d.items():
            first, second = self.moments[name]
            first += 0.1 * (gradient - first)
            second += 0.001 * (gradient**2 - second)
            self.w[name] -= np.float32(rate) * first / (np.sqrt(second) + 1e-8)
