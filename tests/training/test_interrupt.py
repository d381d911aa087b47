"""Ctrl-C in training: the first one ends it in order, the second one raises.

And what a fit makes of it, alone and in loops; processes of their own get real signals.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import fastlstm
from fastlstm import InterruptedFitWarning, LSTMClassifier
from fastlstm.training.interrupts import InterruptGuard, guarded_by, loop_around
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
    state = train(data, valid, batch_size=5, max_epochs=9, callbacks=[recorder],
                  guard=InterruptGuard())  # fmt: skip
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
    train(marked_documents(30), batch_size=5, max_epochs=9, callbacks=[recorder],
          guard=InterruptGuard())  # fmt: skip
    assert handler == [signal.SIGINT]


def test_second_interrupt_raises(handler):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    recorder = Recorder(lambda epoch, step: [interrupt(epoch, step) for _ in range(2)])
    state = fresh_state()
    try:
        with pytest.raises(KeyboardInterrupt):
            train(marked_documents(30), state=state, batch_size=5, callbacks=[recorder],
                  guard=InterruptGuard())  # fmt: skip
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert recorder.calls[-2:] == [("step", 2, 2), ("end",)]
    assert np.isfinite(weights(state)).all()


def test_interrupt_of_one_run_does_not_mark_the_next(handler):
    data = marked_documents(30)
    state = train(data, batch_size=5, callbacks=[Recorder(interrupt)], guard=InterruptGuard())
    assert state.stopped_by == "interrupt"
    train(data, state=state, max_epochs=1, guard=InterruptGuard())
    assert state.stopped_by == "max_epochs"


@pytest.mark.parametrize("ignoring", [signal.SIG_IGN, signal.SIG_DFL], ids=str)
def test_signals_that_python_does_not_handle_stay_so(ignoring):
    """A process in the background ignores Ctrl-C, and must go on doing so."""
    before = signal.signal(signal.SIGINT, ignoring)
    seen = set()
    recorder = Recorder(lambda *_: seen.add(signal.getsignal(signal.SIGINT)))
    try:
        train(marked_documents(10), max_epochs=1, callbacks=[recorder], guard=InterruptGuard())
        assert signal.getsignal(signal.SIGINT) is ignoring
    finally:
        signal.signal(signal.SIGINT, before)
    assert seen == {ignoring}


def test_other_threads_touch_no_handler(monkeypatch, handler):
    touched, states = [], []
    real = signal.signal
    monkeypatch.setattr(signal, "signal", lambda *args: touched.append(args) or real(*args))
    data = marked_documents(20)

    def in_thread():
        states.append(train(data, max_epochs=2, guard=InterruptGuard()))

    thread = threading.Thread(target=in_thread)
    thread.start()
    thread.join()
    assert touched == []
    assert same_weights(states[0], train(data, max_epochs=2, guard=InterruptGuard()))
    assert len(touched) == 2
    monkeypatch.undo()


def test_without_a_guard_the_first_one_raises(handler):
    """So it is in ``partial_fit``, which others call in loops."""
    data = marked_documents(30)
    state = train(data, batch_size=5, max_epochs=9, callbacks=[Recorder(interrupt)])
    assert handler == [signal.SIGINT]
    assert state.stopped_by == "max_epochs"


# What each attempt meets: its third step gets a real signal, once.
ATTEMPTS = """
import json, os, signal, warnings
import numpy as np
from fastlstm import InterruptedFitWarning, LSTMClassifier
from fastlstm.training.loop import Trainer

X = np.random.default_rng(0).integers(1, 9, size=(64, 10))
y = (X == 3).any(axis=1)
found, steps = {}, []
update = Trainer._update

def third_step(self, *arguments):
    update(self, *arguments)
    steps.append(self)
    if len(steps) == 3:
        os.kill(os.getpid(), signal.SIGINT)
    if len(steps) > 1000:
        os._exit(3)

Trainer._update = third_step

def new(**options):
    return LSTMClassifier(
        **{"hidden_size": 4, "max_epochs": 9, "early_stopping": False, "random_state": 0, **options}
    )

def attempt(function):
    steps.clear()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            result = function()
        except KeyboardInterrupt:
            result = "KeyboardInterrupt"
    found[function.__name__] = {
        "result": result,
        "warned": sum(w.category is InterruptedFitWarning for w in told),
        "restored": signal.getsignal(signal.SIGINT) is signal.default_int_handler,
        "steps": len(steps),
    }
"""

ALONE = """
def in_a_function():
    return new().fit(X, y).stopped_by_

def last_in_a_pipeline():
    from sklearn.pipeline import make_pipeline
    return make_pipeline("passthrough", new()).fit(X, y)[-1].stopped_by_

def refit_of_a_search():
    from sklearn.model_selection import GridSearchCV
    steps.extend([None] * 10)
    search = GridSearchCV(new(), {"hidden_size": [3, 4]}, cv=2, refit=renewed)
    search.fit(X, y)
    return [search.best_estimator_.stopped_by_, len(search.cv_results_["params"])]

def renewed(results):
    steps.clear()
    return 0

def behind_a_loop():
    for _ in range(2):
        pass
    return new().fit(X, y).stopped_by_

attempt(in_a_function)
attempt(last_in_a_pipeline)
attempt(refit_of_a_search)
attempt(behind_a_loop)
"""

IN_LOOPS = """
def for_loop():
    for seed in range(3):
        new(random_state=seed).fit(X, y)

def while_loop():
    seeds = [1, 2, 3]
    while seeds:
        new(random_state=seeds.pop()).fit(X, y)

def list_of_scores():
    return [new(random_state=seed).fit(X, y).score(X, y) for seed in range(3)]

def generated():
    return list(new(random_state=seed).fit(X, y).score(X, y) for seed in range(3))

def evaluate(seed):
    return new(random_state=seed).fit(X, y).score(X, y)

def function_in_a_loop():
    scores = []
    for seed in range(3):
        try:
            scores.append(evaluate(seed))
        except ValueError:
            scores.append(0)
    return scores

def cross_validation():
    from sklearn.model_selection import cross_val_score
    return cross_val_score(new(), X, y, cv=3).tolist()

def grid_search():
    from sklearn.model_selection import GridSearchCV
    GridSearchCV(new(), {"hidden_size": [3, 4]}, cv=3).fit(X, y)

def boosting():
    from sklearn.ensemble import AdaBoostClassifier
    AdaBoostClassifier(new(), n_estimators=3).fit(X, y)

def parallel():
    from joblib import Parallel, delayed
    Parallel(n_jobs=1)(delayed(evaluate)(seed) for seed in range(3))

def partial_fits():
    clf = new(batch_size=8)
    for _ in range(3):
        clf.partial_fit(X, y)

attempt(for_loop)
attempt(while_loop)
attempt(list_of_scores)
attempt(generated)
attempt(function_in_a_loop)
attempt(cross_validation)
attempt(grid_search)
attempt(boosting)
attempt(parallel)
attempt(partial_fits)
"""

OPTUNA = """
import optuna

def study():
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    trials = optuna.create_study()
    trials.optimize(lambda trial: new().fit(X, y).score(X, y), n_trials=3)

attempt(study)
"""


def environment():
    return {**os.environ, "PYTHONPATH": str(Path(fastlstm.__file__).parents[1])}


def outcomes(*programs):
    """What a process found in its attempts."""
    source = "\n".join([ATTEMPTS, *programs, "print(json.dumps(found))"])
    command = [sys.executable, "-c", source]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.skipif(os.name != "posix", reason="sends a signal to its process")
def test_a_fit_alone_keeps_its_model_and_warns():
    found = outcomes(ALONE)
    assert len(found) == 4
    for name, outcome in found.items():
        kept = ["interrupt", 2] if name == "refit_of_a_search" else "interrupt"
        assert outcome == {"result": kept, "warned": 1, "restored": True, "steps": 3}, name


@pytest.mark.skipif(os.name != "posix", reason="sends a signal to its process")
def test_a_loop_around_fit_ends():
    found = outcomes(IN_LOOPS)
    assert len(found) == 10
    ended = {"result": "KeyboardInterrupt", "warned": 0, "restored": True, "steps": 3}
    for name, outcome in found.items():
        assert outcome == ended, name


@pytest.mark.skipif(os.name != "posix", reason="sends a signal to its process")
def test_a_study_of_optuna_ends():
    pytest.importorskip("optuna")
    ended = {"result": "KeyboardInterrupt", "warned": 0, "restored": True, "steps": 3}
    assert outcomes(OPTUNA) == {"study": ended}


# Folds in processes of their own: who has trained a step says so, and trains forever.
WORKERS = """
import os
import numpy as np
from sklearn.model_selection import cross_val_score
from fastlstm import LSTMClassifier

class Loud(LSTMClassifier):
    def fit(self, X, y):
        from fastlstm.training.loop import Trainer
        update = Trainer._update

        def loud(self, *arguments):
            update(self, *arguments)
            if self.state.step == 2:
                os.write(1, b"trains\\n")  # in one piece

        Trainer._update = loud
        return super().fit(X, y)

if __name__ == "__main__":
    X = np.random.default_rng(0).integers(1, 9, size=(64, 10))
    y = (X == 3).any(axis=1)
    clf = Loud(hidden_size=4, max_epochs=10**9, early_stopping=False)
    try:
        cross_val_score(clf, X, y, cv=2, n_jobs=2)
        print("scored", flush=True)
    except KeyboardInterrupt:
        print("KeyboardInterrupt", flush=True)
"""


@pytest.mark.skipif(os.name != "posix", reason="sends a signal to other processes")
@pytest.mark.parametrize("to", [os.kill, os.killpg], ids=["the caller", "all, as a terminal does"])
def test_folds_in_other_processes_end(tmp_path, to):
    path = tmp_path / "folds.py"
    path.write_text(WORKERS, encoding="utf-8")
    with subprocess.Popen(
        [sys.executable, str(path)], env=environment(), stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, start_new_session=True,
    ) as process:  # fmt: skip
        try:
            assert [process.stdout.readline() for _ in range(2)] == ["trains\n"] * 2
            to(process.pid, signal.SIGINT)
            out, err = process.communicate(timeout=300)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    assert (out, process.returncode) == ("KeyboardInterrupt\n", 0), err


INTERRUPTED_FIT = """
import warnings
import numpy as np
from fastlstm import InterruptedFitWarning, LSTMClassifier
from fastlstm.training.loop import Trainer

update = Trainer._update

def announce(self, *arguments):
    update(self, *arguments)
    if self.state.step == 3:
        print("running", flush=True)

Trainer._update = announce
X = np.random.default_rng(0).integers(1, 9, size=(64, 10))
y = (X == 3).any(axis=1)
model = LSTMClassifier(hidden_size=4, max_epochs=10**9, early_stopping=False)
try:
    model.fit(X, y)
except InterruptedFitWarning as warning:  # an error here, and the model is there
    print(str(warning).startswith("Ctrl-C ended fit in epoch "))
assert np.isfinite(model.predict_proba(X)).all()
print(model.stopped_by_, model.n_iter_ > 0, flush=True)
"""


@pytest.mark.skipif(os.name != "posix", reason="sends a signal to another process")
def test_interrupted_process_has_a_fitted_model():
    command = [sys.executable, "-W", "error", "-c", INTERRUPTED_FIT]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=environment(), **pipes) as process:
        assert process.stdout.readline() == "running\n", process.stderr.read()
        process.send_signal(signal.SIGINT)
        try:
            out, err = process.communicate(timeout=120)
        finally:
            process.kill()  # not to wait for it where it does not end
    assert (out, err) == ("True\ninterrupt True\n", "")
    assert process.returncode == 0


@pytest.fixture
def signals(monkeypatch):
    """Gives the first ``count`` steps a signal each."""
    from fastlstm.training.loop import Trainer

    update, left = Trainer._update, [0]

    def interrupted(self, *arguments):
        update(self, *arguments)
        while left[0]:
            left[0] -= 1
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Trainer, "_update", interrupted)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield lambda count: left.__setitem__(0, count)
    assert signal.signal(signal.SIGINT, before) is signal.default_int_handler


def ids_and_labels():
    X = np.random.default_rng(0).integers(1, 9, size=(64, 10))
    return X, (X == 3).any(axis=1)


def test_a_second_interrupt_leaves_the_estimator_as_it_was(signals):
    X, y = ids_and_labels()
    clf = LSTMClassifier(hidden_size=4, max_epochs=2, early_stopping=False).fit(X, y)
    before = dict(vars(clf))
    signals(2)
    with guarded_by(InterruptGuard()), pytest.raises(KeyboardInterrupt):
        clf.fit(X[:40], y[:40])
    assert vars(clf).keys() == before.keys()
    assert all(value is before[name] for name, value in vars(clf).items())


def test_in_a_loop_the_model_is_kept_too(signals):
    """Who wants to go on catches KeyboardInterrupt."""
    X, y = ids_and_labels()
    clf = LSTMClassifier(hidden_size=4, max_epochs=2, early_stopping=False)
    for _ in range(1):
        signals(1)
        with pytest.raises(KeyboardInterrupt, match=r"in epoch 1 of network 1 of 1\..* 1 of 1"):
            clf.fit(X, y)
    assert clf.stopped_by_ == "interrupt"
    assert np.isfinite(clf.predict_proba(X)).all()


def test_a_handler_of_the_program_is_told_in_a_loop(signals):
    told = []
    before = signal.signal(signal.SIGINT, lambda number, frame: told.append(number))
    X, y = ids_and_labels()
    clf = LSTMClassifier(hidden_size=4, max_epochs=2, early_stopping=False)
    signals(1)
    for _ in range(1):
        with pytest.warns(InterruptedFitWarning):
            clf.fit(X, y)
    assert told == [signal.SIGINT]
    signal.signal(signal.SIGINT, before)


def test_loops_are_seen():
    def frame():
        return sys._getframe(1)

    def here(found):
        return loop_around(found)

    module = compile("found = frame()", "cell", "exec")
    loop = compile("for _ in [1]:\n    found = frame()\n    seen = here(found)", "cell", "exec")
    names = {"frame": frame, "here": here}
    for _ in range(1):
        exec(module, names)
        assert not loop_around(names["found"])  # what calls a cell is not the program's
    exec(loop, names)
    assert names["seen"]
    assert not loop_around(None)


def test_await_is_no_loop():
    found = []

    async def waits():
        await holds()

    async def holds():
        found.append(loop_around(sys._getframe()))

    def run(coroutine):
        exec(compile("try:\n    c.send(None)\nexcept StopIteration:\n    pass", "cell", "exec"),
             {"c": coroutine})  # fmt: skip

    run(waits())
    assert found == [False]


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
