"""Live bars and tables on standard error (rich), gone once the work is done."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.progress import Progress


def _on_standard_error() -> dict[str, Any]:
    """Options of everything live."""
    from importlib.util import find_spec

    from rich.console import Console

    console = Console(stderr=True)
    if console.is_jupyter and find_spec("ipywidgets") is None:
        # Each live view would warn that it cannot be shown. Its lines can, as in a pipe; what
        # moves the cursor cannot, though kernels ask for colours as if they were terminals.
        console = Console(stderr=True, force_jupyter=False, force_terminal=False)
    return {
        "console": console,
        "transient": True,
        "redirect_stdout": False,  # else prints of the caller land on standard error
    }


def text_bar(*columns: str) -> Progress:
    """A ``rich.progress.Progress``: description, bar, first column, time left, other columns.

    Parameters
    ----------
    *columns : str
        Formats in which ``task`` is the task, as those of ``rich.progress.TextColumn``.
    """
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    first, *others = [TextColumn(text) for text in ("{task.description}", *columns)]
    return Progress(
        first, BarColumn(), *others[:1], TimeRemainingColumn(), *others[1:], **_on_standard_error()
    )


def print_above(progress: Progress, line: str) -> None:
    """Print a line that stays, above a bar."""
    progress.console.print(line, highlight=False, soft_wrap=True)


Report = Callable[[float], None]
Bar = Callable[[str], AbstractContextManager[Report | None]]


@contextmanager
def task_bars(shown: bool) -> Iterator[Bar]:
    """Live bars of tasks that may run side by side, and a line with the seconds of each.

    Yields
    ------
    bar : callable
        From a title to a context whose value takes the share of work that is done, or is
        None where nothing is ``shown``.
    """
    if not shown:
        yield lambda title: nullcontext()
        return
    with text_bar() as progress:

        @contextmanager
        def bar(title: str) -> Iterator[Report]:
            started = time.perf_counter()
            task = progress.add_task(title, total=1.0)
            yield lambda share: progress.update(task, completed=share)
            progress.remove_task(task)
            print_above(progress, f"{title}: {time.perf_counter() - started:.1f} s")

        yield bar


@contextmanager
def task_bar(title: str, shown: bool) -> Iterator[Report | None]:
    """The bar of a single task."""
    with task_bars(shown) as bar, bar(title) as report:
        yield report


@contextmanager
def download_bar(shown: bool) -> Iterator[Callable[[int, int | None], None] | None]:
    """A live bar of bytes.

    Yields
    ------
    report : callable or None
        Takes the bytes that are there and those in all; None where nothing is ``shown``.
    """
    if not shown:
        yield None
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn

    columns = (BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, **_on_standard_error()) as progress:
        task = progress.add_task("", total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


@contextmanager
def live_view(shown: bool) -> Iterator[Callable[..., None] | None]:
    """Whatever rich renders, in the place of what was there before.

    Yields
    ------
    show : callable or None
        Takes what to show; None where nothing is ``shown``.
    """
    if not shown:
        yield None
        return
    from rich.live import Live

    with Live(**_on_standard_error()) as live:
        yield live.update
