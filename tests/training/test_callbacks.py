"""Callbacks as a family, and the manners of the progress bar."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import signal
import sys
from contextlib import contextmanager

import pytest

import fastlstm.training
from fastlstm.core.errors import NonFiniteLossWarning
from fastlstm.training.callbacks import Callback, ProgressBar, progress_bars
from fastlstm.training.engine import GradientEngine
from fastlstm.training.history import EpochRecord, describe
from tests.training.toy import marked_documents, train

DATA = marked_documents(12)

HOOKS = ("on_train_begin", "on_step_end", "on_epoch_end", "on_train_end")


def all_callbacks():
    """Callback and every subclass of it in the package."""
    for module in pkgutil.iter_modules(fastlstm.training.__path__, "fastlstm.training."):
        importlib.import_module(module.name)
    found, waiting = [], [Callback]
    while waiting:
        kind = waiting.pop()
        waiting += kind.__subclasses__()
        if kind.__module__.startswith("fastlstm."):
            found.append(kind)
    return found


each_callback = pytest.mark.parametrize("kind", all_callbacks())


def record(epoch, **more):
    return EpochRecord(epoch=epoch, loss=0.5, accuracy=0.75, learning_rate=0.01, seconds=1.25,
                       tokens_per_second=12345.6, **more)  # fmt: skip


@contextmanager
def made(kind):
    """A callback of that kind, while it may be shown."""
    if kind is not ProgressBar:
        yield kind()
        return
    with progress_bars(True) as bar:
        (callback,) = bar("")
        yield callback


def play(callback, n_epochs=2, n_steps=3, after_step=lambda: None, **more):
    """The calls of a whole training run."""
    callback.on_train_begin(n_epochs, n_steps)
    for epoch in range(1, n_epochs + 1):
        for step in range(1, n_steps + 1):
            callback.on_step_end(epoch, step, 0.7)
            after_step()
        callback.on_epoch_end(record(epoch, **more))
    callback.on_train_end()


# -- every callback ------------------------------------------------------------------


def test_the_family_is_found():
    assert {Callback, ProgressBar} <= set(all_callbacks())


@each_callback
def test_hooks_have_the_parameters_of_the_base(kind):
    for hook in HOOKS:
        mine = list(inspect.signature(getattr(kind, hook)).parameters)
        assert mine == list(inspect.signature(getattr(Callback, hook)).parameters)
    own = {name for name in vars(kind) if name.startswith("on_")}
    assert own <= set(HOOKS)


@each_callback
@pytest.mark.parametrize("more", [{}, {"val_loss": 0.4, "val_accuracy": 0.8}], ids=["", "valid"])
def test_whole_run(kind, more, capfd):
    with made(kind) as callback:
        assert play(callback, **more) is None
    assert capfd.readouterr().out == ""


@each_callback
@pytest.mark.parametrize(("n_epochs", "n_steps"), [(0, 0), (0, 4), (2, 0), (1, 1)])
def test_short_runs(kind, n_epochs, n_steps, capfd):
    with made(kind) as callback:
        play(callback, n_epochs, n_steps)
    assert capfd.readouterr().out == ""


@each_callback
def test_run_that_ends_within_an_epoch(kind, capfd):
    with made(kind) as callback:
        callback.on_train_begin(5, 10)
        callback.on_step_end(1, 1, float("nan"))
        callback.on_train_end()
    assert capfd.readouterr().out == ""


@each_callback
def test_one_callback_serves_several_runs(kind, capfd):
    with made(kind) as callback:
        play(callback)
        once = capfd.readouterr()
        play(callback)
        again = capfd.readouterr()
    assert (once.out, again.out) == ("", "")
    assert once.err.count("epoch") == again.err.count("epoch")


# -- within the loop -----------------------------------------------------------------


@each_callback
def test_in_training(kind, capfd):
    with made(kind) as callback:
        train(DATA, DATA, callbacks=[Callback(), callback], batch_size=4, max_epochs=3)
    assert capfd.readouterr().out == ""


class Ended(Callback):
    """Counts its ends, and raises ``error`` at a chosen hook."""

    def __init__(self, hook=None, error=None):
        self.ends = 0
        if hook is not None:
            setattr(self, hook, self._fail)
        self.error = error

    def _fail(self, *args):
        raise self.error

    def on_train_end(self):
        self.ends += 1


@pytest.mark.parametrize("error", [RuntimeError("no"), KeyboardInterrupt(), SystemExit(3)])
@pytest.mark.parametrize("hook", ["on_step_end", "on_epoch_end"])
def test_end_is_told_when_a_hook_raises(hook, error):
    others = [Ended(), Ended()]
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(type(error)):
        train(DATA, callbacks=[others[0], Ended(hook, error), others[1]])
    assert [other.ends for other in others] == [1, 1]
    assert signal.getsignal(signal.SIGINT) is handler


def test_end_is_told_when_a_step_raises(monkeypatch):
    def fail(self, *args):
        raise MemoryError("full")

    monkeypatch.setattr(GradientEngine, "__call__", fail)
    ended = Ended()
    with pytest.raises(MemoryError, match="full"):
        train(DATA, callbacks=[ended])
    assert ended.ends == 1


def test_end_is_told_once_however_training_ends():
    for options in ({"max_epochs": 2}, {"n_iter_no_change": 1, "learning_rate": 1e-30}):
        ended = Ended()
        train(DATA, DATA, callbacks=[ended], **options)
        assert ended.ends == 1
    ended = Ended()
    with pytest.warns(NonFiniteLossWarning):
        train(DATA, callbacks=[ended], learning_rate=1e38, max_grad_norm=None)
    assert ended.ends == 1


# -- the progress bar ----------------------------------------------------------------


def test_without_a_terminal_there_are_plain_lines(capfd, monkeypatch):
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    with made(ProgressBar) as bar:
        play(bar, val_loss=0.4, val_accuracy=0.8)
    out, err = capfd.readouterr()
    assert out == ""
    assert "\x1b" not in err
    assert "\r" not in err
    expected = "loss 0.5000, acc 0.750, val loss 0.4000, val acc 0.800, 1.2 s, 12,346 tokens/s"
    lines = [line for line in err.splitlines() if line]  # rich leaves an empty one at the end
    assert lines == [f"epoch 1: {expected}", f"epoch 2: {expected}"]


@pytest.fixture
def terminal(monkeypatch):
    """Standard error as rich sees a terminal."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("COLUMNS", "120")


def test_bar_on_a_terminal(capfd, terminal):
    with made(ProgressBar) as bar:
        play(bar)
    out, err = capfd.readouterr()
    assert out == ""
    assert "\x1b[" in err
    assert "epoch 1: loss 0.5000, acc 0.750" in err
    assert "0/3" in err
    assert err.count("\x1b[?25l") == err.count("\x1b[?25h") == 1  # cursor hidden, shown again


def test_standard_output_of_others_is_left_alone(capfd, terminal):
    stdout = sys.stdout
    with made(ProgressBar) as bar:
        play(bar, 1, 3, after_step=lambda: print("mine"))
    assert sys.stdout is stdout
    out, err = capfd.readouterr()
    assert out == "mine\n" * 3
    assert "mine" not in err


def test_bar_is_gone_after_an_error(capfd, terminal):
    def fail(*arguments):
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"), made(ProgressBar) as bar:
        bar.on_epoch_end = fail
        train(DATA, callbacks=[bar])
    assert not bar.progress.live.is_started
    assert capfd.readouterr().err.count("\x1b[?25h") == 1  # the cursor is shown again


def test_describe():
    plain = "epoch 7: loss 0.5000, acc 0.750, 1.2 s, 12,346 tokens/s"
    assert describe(record(7)) == plain
    assert "val loss 0.4000, val acc 0.800" in describe(record(7, val_loss=0.4, val_accuracy=0.8))
