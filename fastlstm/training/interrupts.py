"""What Ctrl-C does to a fit: the first ends it in order, the second raises as usual."""

from __future__ import annotations

import signal
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import CodeType, FrameType
from typing import Any

from fastlstm.core.errors import InterruptedFitWarning


class Guard:
    """Asked after each step whether training shall stop. This one never says so.

    Under it Ctrl-C raises KeyboardInterrupt wherever it comes, and nothing is kept.

    Attributes
    ----------
    requested : bool
        Whether training shall stop after this step; asking may raise, as ``check`` does.
    in_loop : bool
        Whether what was asked for is to leave a loop around the fit.
    where : str
        Where training was when it stopped.
    """

    requested = False
    in_loop = True
    where = ""

    def __enter__(self) -> Guard:
        return self

    def __exit__(self, *exc_info: object) -> None:
        pass

    def check(self) -> None:
        """Raise where work shall end at once, with nothing kept."""

    def is_first(self) -> bool:
        """Whether a KeyboardInterrupt that was just raised leaves what is whole."""
        return False

    def finish(self, message: str) -> None:
        """Tell the caller, once the estimator holds what was kept."""
        raise KeyboardInterrupt(message)


NO_GUARD = Guard()


class InterruptGuard(Guard):
    """Turns the first Ctrl-C into a wish to stop; a second one raises as usual.

    Signals can be caught in the main thread only; elsewhere, and where Python does
    not handle Ctrl-C (a background process ignores it), the guard changes nothing.

    Parameters
    ----------
    caller : frame or None
        Of the code that called ``fit``. None stands for a caller without a loop.
    """

    def __init__(self, caller: FrameType | None = None) -> None:
        self.requested = False
        self._caller = caller
        self._previous: Any = None
        self._held_back = False  # the handler of the caller has not heard of it

    def __enter__(self) -> InterruptGuard:
        in_main_thread = threading.current_thread() is threading.main_thread()
        handled = in_main_thread and callable(signal.getsignal(signal.SIGINT))
        if handled and not self.requested:
            # Known before the first signal can come.
            self._previous = signal.getsignal(signal.SIGINT)
            signal.signal(signal.SIGINT, self._on_signal)
        return self

    def _on_signal(self, number, frame):
        self.requested = self._held_back = True
        signal.signal(signal.SIGINT, self._previous)

    def __exit__(self, *exc_info: object) -> None:
        if self._previous is not None:
            signal.signal(signal.SIGINT, self._previous)

    @property
    def in_loop(self) -> bool:  # type: ignore[override]
        return loop_around(self._caller)

    def is_first(self) -> bool:
        first, self.requested = not self.requested, True
        return first

    def finish(self, message: str) -> None:
        """Raise KeyboardInterrupt in a loop, warn elsewhere.

        Where the caller handles Ctrl-C in its own way, its handler is called instead.
        """
        if self.in_loop:
            if not self._held_back or self._previous is signal.default_int_handler:
                raise KeyboardInterrupt(message)
            self._held_back = False
            self._previous(signal.SIGINT, self._caller)
        warnings.warn(message, InterruptedFitWarning, stacklevel=3)


class StoppedError(Exception):
    """Something else that ran at the same time has failed."""


class Relay(Guard):
    """Passes on what another guard asks for to tasks that run side by side.

    Parameters
    ----------
    guard : Guard
        Whoever waits for them all has entered it.
    """

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._ended = False

    def end(self) -> None:
        """All shall stop after their current step, since one of them has failed."""
        self._ended = True

    def check(self) -> None:
        """Raise where work shall end at once.

        Raises
        ------
        StoppedError
            One of the tasks has failed.
        """
        self._guard.check()
        if self._ended:
            raise StoppedError

    @property
    def requested(self) -> bool:  # type: ignore[override]
        return self._ended or self._guard.requested


_GIVEN: ContextVar[Guard | None] = ContextVar("guard", default=None)


@contextmanager
def guarded_by(guard: Guard) -> Iterator[Guard]:
    """Have fits in this thread ask ``guard``, whatever calls them."""
    token = _GIVEN.set(guard)
    try:
        yield guard
    finally:
        _GIVEN.reset(token)


def guard_for(caller: FrameType | None) -> Guard:
    """The guard that was given, or one for who called."""
    return _GIVEN.get() or InterruptGuard(caller)


def loop_around(frame: FrameType | None) -> bool:
    """Whether ``frame``, or Python code that called it, is within a loop.

    The code of a module or of a notebook's cell is the last to be asked: what calls that
    is the interpreter or the notebook, which have loops of their own.
    """
    import inspect

    while frame is not None:
        if _within_loop(frame.f_code, frame.f_lasti):
            return True
        if not frame.f_code.co_flags & inspect.CO_OPTIMIZED:
            return False
        frame = frame.f_back
    return False


def _within_loop(code: CodeType, at: int) -> bool:
    """Whether a jump back leads from behind an instruction to before it.

    The jumps of ``await`` and ``yield from`` are no loops of the program.
    """
    import dis

    jumps = {*dis.hasjrel, *dis.hasjabs}
    return any(
        step.opcode in jumps
        and step.argval <= at <= step.offset
        and "NO_INTERRUPT" not in step.opname
        for step in dis.get_instructions(code)
    )
