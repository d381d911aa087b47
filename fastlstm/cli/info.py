"""``fastlstm info``: this installation, or what a model file holds."""

from __future__ import annotations

import math
import os
import platform
from collections.abc import Sequence

import click

from fastlstm.cli.errors import plain_errors
from fastlstm.cli.output import human_size, listed, print_json, print_pairs
from fastlstm.core.shown import brief
from fastlstm.training.history import EpochRecord

_PACKAGES = ("numpy", "numba", "scikit-learn", "safetensors")


@click.command("info", short_help="Describe this installation, or a model file.")
@click.argument("model", type=click.Path(), required=False)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@plain_errors
def info_command(model, as_json):
    """Describe MODEL, or without it the versions, processor and backends in use."""
    if model is None:
        result = environment()
        show = _print_environment
    else:
        result = describe_model(model)
        show = _print_model
    if as_json:
        print_json(result)
    else:
        show(result)


def environment() -> dict:
    """Versions, processor, backends, and the folder of compiled kernels."""
    import fastlstm
    from fastlstm.core.cores import find_cores
    from fastlstm.kernels.instructions import cpu_instructions
    from fastlstm.kernels.registry import available_backends, load_backend, why

    states = available_backends()
    chosen = load_backend("auto")
    cores = find_cores()
    layout = getattr(chosen, "LAYOUT", None)  # the reference has none
    return {
        "fastlstm": fastlstm.__version__,
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in _PACKAGES},
        "platform": platform.platform(),
        "cores": cores.number,
        "cores_reason": cores.reason,
        "level": getattr(chosen, "LEVEL", None),
        "cpu_instructions": cpu_instructions(),
        "vector_bits": 8 * layout.vector_bytes if layout else None,
        "backends": states,
        "auto_backend": chosen.NAME,
        "auto_reason": why("auto"),
        "kernel_cache": _kernel_cache() if states.get("numba") == "ok" else None,
    }


def _version(package) -> str | None:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _kernel_cache() -> str | None:
    from fastlstm.kernels.numba.jit import kernel_cache_dir

    try:
        return str(kernel_cache_dir())
    except RuntimeError:  # the user has no home
        return None


def _print_environment(result: dict) -> None:
    instructions = "NumPy's"
    if result["level"] is not None:
        instructions = f"{result['level']}, vectors of {result['vector_bits']} bits"
    print_pairs(
        {
            "fastlstm": result["fastlstm"],
            "Python": result["python"],
            **{name: version or "not installed" for name, version in result["packages"].items()},
            "platform": result["platform"],
            "usable cores": f"{result['cores']} ({result['cores_reason']})",
            "CPU": result["cpu_instructions"] or "unknown",
            "instructions": instructions,
            **{f"backend {name}": state for name, state in result["backends"].items()},
            'backend="auto"': f"{result['auto_backend']}: {result['auto_reason']}",
            "kernel cache": result["kernel_cache"] or "none",
        }
    )


def describe_model(path) -> dict:
    """What a model file holds, without the weights and the vocabulary themselves."""
    from fastlstm.classifier.fitted import predicting_precision
    from fastlstm.persist.model_file import read_model, unread

    saved = read_model(path, unread)
    model = saved.model
    shapes = model.config.dense_shapes().values()
    embedding = model.config.vocabulary_size * model.config.embedding_dim
    return {
        "path": os.fspath(path),
        "file_bytes": os.path.getsize(path),
        "format_version": _format_version(path),
        "input": "token ids" if model.encoder is None else "text",
        "max_length": None if model.encoder is None else model.encoder.options.max_length,
        "classes": model.classes.tolist(),
        "class_prior": model.class_prior.tolist(),
        "network": model.config._asdict(),
        "n_networks": len(model.networks),
        "quantized": model.quantized,
        "precision": predicting_precision(model, "auto"),
        "n_weights": len(model.networks) * (embedding + sum(math.prod(s) for s in shapes)),
        "linear_part": None if model.linear is None else {"n_weights": model.linear.weights.size},
        "shares": dict(zip(model.components, model.blend.shares.tolist(), strict=True)),
        "columns": None if model.reader is None else model.reader.state(),
        "vocabulary_size": model.config.vocabulary_size,
        "privacy": None if model.record.privacy is None else model.record.privacy.state(),
        "callable_tokenizer": saved.callable_tokenizer,
        "settings": saved.settings,
        "training": _training(model.record, saved.settings),
    }


def _format_version(path) -> int:
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        return int(file.metadata()["format_version"])


def _training(record, settings) -> dict:
    """The history in a few numbers; the best epoch is the one whose weights were kept."""
    history = record.history
    summary = {
        "epochs": max((epoch["epoch"] for epoch in history), default=0),
        "stopped_by": record.stopped_by or None,
        "seconds": sum(epoch.get("seconds", 0.0) for epoch in history),
        "truncated_share": record.truncated_share,
    }
    if history:
        summary["last_epoch"] = history[-1]
    best = best_epoch(history, settings)
    if best is not None:
        summary["best_epoch"] = best
    return summary


def best_epoch(history: Sequence[EpochRecord], settings: dict) -> EpochRecord | None:
    """The epoch whose weights early stopping kept; None without, or with several networks."""
    validated = [record for record in history if "val_accuracy" in record]
    several = len({record.get("network", 1) for record in history}) > 1
    if not validated or several or not settings.get("early_stopping"):
        return None
    return max(validated, key=lambda record: (record["val_accuracy"], -record["val_loss"]))


def _print_model(result: dict) -> None:
    shares = zip(result["classes"], result["class_prior"], strict=True)
    print_pairs(
        {
            "file": f"{result['path']} ({human_size(result['file_bytes'])}, "
            f"format version {result['format_version']})",
            "input": result["input"] + _length(result),
            "classes": listed([f"{label} ({share:.1%})" for label, share in shares], 50),
            "network": _network(result["network"], result["n_networks"]),
            "linear part": _linear_part(result),
            "columns": _columns(result),
            "weights": f"{result['n_weights']:,}{_precision(result)}",
            "vocabulary": f"{result['vocabulary_size']:,} tokens{_made_by(result)}",
            "training": _training_line(result["training"]),
            "privacy": _privacy(result["privacy"]),
            "settings": ", ".join(f"{k}={brief(v)}" for k, v in result["settings"].items()),
        }
    )


def _precision(result: dict) -> str:
    weights = "8 bits" if result["quantized"] else "float32"
    return f", {weights}; predicts in {result['precision']} here"


def _privacy(state: dict | None) -> str:
    if state is None:
        return "nothing is promised"
    from fastlstm.privacy.record import PrivacyRecord

    return str(PrivacyRecord.from_state(state))


def _length(result: dict) -> str:
    if result["input"] != "text":
        return ""
    most = result["max_length"]
    return ", of any length" if most is None else f", of which networks read {most:,} tokens"


def _made_by(result: dict) -> str:
    name = result["callable_tokenizer"]
    return "" if name is None else f", by the callable {name}, which is not in the file"


def _linear_part(result: dict) -> str:
    if result["linear_part"] is None:
        return "none"
    shares = result["shares"]
    return (
        f"{result['linear_part']['n_weights']:,} weights of n-grams; its logits count "
        f"{shares['linear_part']:.2f}, the networks' {shares['networks']:.2f}"
    )


def _columns(result: dict) -> str:
    state = result["columns"]
    if state is None or not state["columns"]:
        return "none"
    relevance = state["relevance"] or [1.0] * len(state["columns"])
    pairs = zip(state["columns"], relevance, strict=True)
    listed = ", ".join(f"{column['name']} ({value:.2f})" for column, value in pairs)
    share = result["shares"].get("side_columns", 0.0)
    return f"{listed}, with relevance; the part that reads them alone counts {share:.2f}"


def _network(config: dict, count: int) -> str:
    several = f"{count} times " if count > 1 else ""
    kind = "bidirectional " if config["bidirectional"] else ""
    n = config["num_layers"]
    return (
        f"{several}embedding {config['embedding_dim']}, {n} {kind}{config['cell'].upper()} "
        f"layer{'s' if n > 1 else ''} of {config['hidden_size']}, {config['pooling']} pooling, "
        f"dense {config['n_outputs']}"
    )


def _training_line(training: dict) -> str:
    parts = [f"{training['epochs']} epochs"]
    if training["seconds"]:
        parts[0] += f" in {training['seconds']:.1f} s"
    if training["stopped_by"] is not None:
        parts.append(f"ended by {training['stopped_by']}")
    if "best_epoch" in training:
        best = training["best_epoch"]
        parts.append(
            f"weights of epoch {best['epoch']} (validation accuracy {best['val_accuracy']:.3f}, "
            f"loss {best['val_loss']:.4f})"
        )
    elif "loss" in training.get("last_epoch", ()):
        parts.append(f"last training loss {training['last_epoch']['loss']:.4f}")
    if training["truncated_share"]:
        parts.append(f"{training['truncated_share']:.1%} of the documents cut")
    return ", ".join(parts)
