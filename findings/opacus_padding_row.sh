#!/usr/bin/env bash
# nn.Embedding(padding_idx=0) has no gradient in the padding row. Opacus' gradients of single
# documents have one. So its optimizer trains the padding row, and clipping counts padding: the
# longer the padding, the less a document teaches its words.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6 opacus==1.6.0
"$folder/venv/bin/python" -W ignore - <<'PY'
import opacus
import torch
from opacus import GradSampleModule
from opacus.optimizers import DPOptimizer
from torch import nn

print("torch", torch.__version__, "opacus", opacus.__version__)


class BagOfWords(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(3, 4, padding_idx=0)
        self.out = nn.Linear(4, 2)

    def forward(self, ids):
        return self.out(self.words(ids).sum(dim=1))


def moved(padding, private):
    """How far one step moves each row of the table, for a document of one word and padding."""
    torch.manual_seed(0)
    model = BagOfWords()
    before = model.words.weight.detach().clone()
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    trained = model
    if private:
        trained = GradSampleModule(model)
        optimizer = DPOptimizer(
            optimizer, noise_multiplier=0.0, max_grad_norm=0.1, expected_batch_size=1
        )
    ids = torch.tensor([[1] + [0] * padding])
    nn.functional.cross_entropy(trained(ids), torch.tensor([1])).backward()
    optimizer.step()
    return (model.words.weight.detach() - before).norm(dim=1).tolist()


plain = {padding: moved(padding, private=False) for padding in (0, 10, 100)}
private = {padding: moved(padding, private=True) for padding in (0, 10, 100)}
for padding in plain:
    print(
        f"padding {padding}: PyTorch moves padding row {plain[padding][0]:.4f} word "
        f"{plain[padding][1]:.4f}; Opacus {private[padding][0]:.4f} and {private[padding][1]:.4f}"
    )
    assert plain[padding][0] == 0 and abs(plain[padding][1] - plain[0][1]) < 1e-5
assert private[0][0] == 0
assert private[100][0] > private[10][0] > 0.05
assert private[0][1] > 2 * private[10][1] > 4 * private[100][1] > 0
PY
