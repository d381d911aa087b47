#!/usr/bin/env bash
# Ray Data hands map_batches a text column as an array of objects, with None where a text is
# missing. Where all texts of a block are missing the same column is a float32 array of NaN, so
# what a function has to expect depends on how the rows fell into blocks.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    "ray[data]==2.60.0" numpy==2.4.6
cd "$folder"
export RAY_USAGE_STATS_ENABLED=0 RAY_DATA_DISABLE_PROGRESS_BARS=1
"$folder/venv/bin/python" - 2>/dev/null <<'PY'
import ray

ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
rows = [{"text": None}, {"text": "warm and clever"}, {"text": "far too long"}]


def kinds(n_blocks):
    def look(batch):
        column = batch["text"]
        return {"dtype": [str(column.dtype)] * len(column), "value": [repr(v) for v in column]}

    data = ray.data.from_items(rows, override_num_blocks=n_blocks)
    found = data.map_batches(look).take_all()
    return sorted((row["value"], row["dtype"]) for row in found)


print("ray", ray.__version__)
one, three = kinds(1), kinds(3)
print("one block:", one)
print("three blocks:", three)
assert {dtype for _, dtype in one} == {"object"}
assert ("None", "object") in one
missing = [(value, dtype) for value, dtype in three if dtype != "object"]
assert len(missing) == 1 and missing[0][1] == "float32" and "nan" in missing[0][0]
PY
