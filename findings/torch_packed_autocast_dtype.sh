#!/usr/bin/env bash
# Under torch.autocast("cpu", torch.bfloat16) an LSTM returns bfloat16 for padded input. For packed
# input it returns float32 where lengths differ and bfloat16 where all are equal, so also for one
# document alone. Code that was tried on batches, .numpy() for one, then fails on one document.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6
"$folder/venv/bin/python" -W ignore - <<'PY'
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

print("torch", torch.__version__)
torch.manual_seed(0)
lstm = nn.LSTM(8, 16, num_layers=2, bidirectional=True, batch_first=True)


def last_state(lengths):
    x = torch.randn(len(lengths), max(lengths), 8)
    packed = pack_padded_sequence(x, lengths, batch_first=True)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        _, (padded_state, _) = lstm(x)
        output, (state, cell) = lstm(packed)
    assert padded_state.dtype == torch.bfloat16
    assert output.data.dtype == state.dtype == cell.dtype
    print("lengths", lengths, "padded", padded_state.dtype, "packed", state.dtype)
    return state


assert last_state([6, 4, 2]).numpy().dtype == "float32"
assert last_state([6, 6, 6]).dtype == torch.bfloat16
try:
    last_state([6]).numpy()
except TypeError as error:
    print("one document:", error)
else:
    raise AssertionError("the state of one document is not bfloat16")
PY
