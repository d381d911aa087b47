"""Ctrl-C in training: the first one ends it in order, the second one raises."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest

from fastlstm.training.callbacks import InterruptGuard
from tests.training.toy import (
    Recorder,
    finite_everywhere,
    fresh_state,
    marked_documents,
    same_weights,
    train,
    weights,
)


def interrupt(epoch, step):
    """The second step of the second epoch gets a SIGINT."""
    if (epoch, step) == (2, 2):
        signal.raise_signal(signal.SIGINT)


@pytest.fixture
def handler():
    """The handler of the caller, which must be in place again after training."""
    received = []

    def mine(number, frame):
        received.append(number)

    before = signal.signal(signal.SIGINT, mine)
    yield received
    assert signal.signal(signal.SIGINT, before) is mine


@pytest.mark.parametrize("validated", [False, True], ids=["", "validated"])
def test_first_interrupt_ends_after_the_step(handler, validated):
    recorder = Recorder(interrupt)
    data = marked_documents(30)
    valid = data if validated else None
    state = train(data, valid, batch_size=5, max_epochs=9, callbacks=[recorder])
    assert recorder.calls[-3:] == [("step", 2, 2), ("epoch", 2), ("end",)]
    assert state.stopped_by == "interrupt"
    assert (state.step, len(state.history)) == (8, 2)
    assert finite_everywhere(state, data)
    assert handler == []


def test_second_interrupt_goes_to_the_caller(handler):
    def twice(epoch, step):
        interrupt(epoch, step)
        interrupt(epoch, step)

    recorder = Recorder(twice)
    train(marked_documents(30), batch_size=5, max_epochs=9, callbacks=[recorder])
    assert handler == [signal.SIGINT]


def test_second_interrupt_raises(handler):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    recorder = Recorder(lambda epoch, step: [interrupt(epoch, step) for _ in range(2)])
    state = fresh_state()
    try:
        with pytest.raises(KeyboardInterrupt):
            train(marked_documents(30), state=state, batch_size=5, callbacks=[recorder])
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert recorder.calls[-2:] == [("step", 2, 2), ("end",)]
    assert np.isfinite(weights(state)).all()


def test_interrupt_of_one_run_does_not_mark_the_next(handler):
    data = marked_documents(30)
    state = train(data, batch_size=5, callbacks=[Recorder(interrupt)])
    train(data, state=state, max_epochs=1)
    assert state.stopped_by == "max_epochs"


@pytest.mark.parametrize("ignoring", [signal.SIG_IGN, signal.SIG_DFL], ids=str)
def test_signals_that_python_does_not_handle_stay_so(ignoring):
    """A process in the background ignores Ctrl-C, and must go on doing so."""
    before = signal.signal(signal.SIGINT, ignoring)
    seen = set()
    recorder = Recorder(lambda *_: seen.add(signal.getsignal(signal.SIGINT)))
    try:
        train(marked_documents(10), max_epochs=1, callbacks=[recorder])
        assert signal.getsignal(signal.SIGINT) is ignoring
    finally:
        signal.signal(signal.SIGINT, before)
    assert seen == {ignoring}


def test_other_threads_touch_no_handler(monkeypatch, handler):
    touched, states = [], []
    real = signal.signal
    monkeypatch.setattr(signal, "signal", lambda *args: touched.append(args) or real(*args))
    data = marked_documents(20)
    thread = threading.Thread(target=lambda: states.append(train(data, max_epochs=2)))
    thread.start()
    thread.join()
    assert touched == []
    assert same_weights(states[0], train(data, max_epochs=2))
    assert len(touched) == 2
    monkeypatch.undo()


INTERRUPTED_FIT = """
import numpy as np
from fastlstm import LSTMClassifier
from fastlstm.classifier import networks
from fastlstm.training.callbacks import Callback

class Announce(Callback):
    def on_step_end(self, epoch, step, loss):
        self.steps = getattr(self, "steps", 0) + 1
        if self.steps == 3:
            print("running", flush=True)

networks.ProgressBar = lambda title: Announce()
X = np.random.default_rng(0).integers(1, 9, size=(64, 10))
y = (X == 3).any(axis=1)
model = LSTMClassifier(hidden_size=4, max_epochs=10**9, early_stopping=False, verbose=1)
model.fit(X, y)
assert np.isfinite(model.predict_proba(X)).all()
print(model.stopped_by_, model.n_iter_ > 0, flush=True)
"""


@pytest.mark.skipif(os.name != "posix", reason="sends a signal to another process")
def test_interrupted_process_has_a_fitted_model():
    command = [sys.executable, "-W", "error", "-c", INTERRUPTED_FIT]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as process:
        assert process.stdout.readline() == "running\n", process.stderr.read()
        process.send_signal(signal.SIGINT)
        try:
            out, err = process.communicate(timeout=120)
        finally:
            process.kill()  # not to wait for it where it does not end
    assert (out, err) == ("interrupt True\n", "")
    assert process.returncode == 0


def test_guard_catches_one_signal_and_restores():
    received = []

    def mine(number, frame):
        received.append(number)

    before = signal.signal(signal.SIGINT, mine)
    try:
        with InterruptGuard() as guard:
            assert not guard.requested
            signal.raise_signal(signal.SIGINT)
            assert guard.requested
            assert received == []
            signal.raise_signal(signal.SIGINT)
            assert received == [signal.SIGINT]
        assert signal.getsignal(signal.SIGINT) is mine
        with pytest.raises(ZeroDivisionError), InterruptGuard():
            raise ZeroDivisionError
        assert signal.getsignal(signal.SIGINT) is mine
    finally:
        signal.signal(signal.SIGINT, before)
