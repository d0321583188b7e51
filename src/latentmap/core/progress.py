"""Progress of long computations: reported by callbacks, displayed by the caller.

Library code calls ``callback(Progress(...))`` and prints nothing. The command line passes a callback from
``show_progress("training")``, which draws a bar with the remaining time on a terminal and writes lines to a log.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from typing import TypeAlias


@dataclass(frozen=True)
class Progress:
    """Progress of a computation.

    Attributes
    ----------
    done, total : int
        Number of steps done, and in total.
    values : dict of str to float
        Values to display, such as the loss.
    """

    done: int
    total: int
    values: dict[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        return "  ".join(f"{name} {value:.4g}" for name, value in self.values.items())


Callback: TypeAlias = Callable[[Progress], None]
# Maps the name of a computation to a context manager that yields a callback: :func:`show_progress` or :func:`silent`.
Show: TypeAlias = Callable[[str], AbstractContextManager[Callback]]

SECONDS_BETWEEN_LINES = 10.0


def silent(_: str) -> AbstractContextManager[Callback]:
    """Context manager that yields a callback that shows nothing."""
    return nullcontext(lambda _: None)


@contextmanager
def show_progress(what: str, *, quiet: bool = False) -> Iterator[Callback]:
    """Context manager that yields a callback that shows progress on stderr.

    It draws a bar on a terminal and otherwise writes a line every 10 seconds. Until the first call of the callback, the
    bar shows activity only.

    Parameters
    ----------
    what : str
        Name of the computation.
    quiet : bool, default=False
        Whether to show nothing.
    """
    if quiet:
        yield lambda _: None
    elif sys.stderr is not None and sys.stderr.isatty():
        with _bar(what) as callback:
            yield callback
    else:
        yield _lines(what)


@contextmanager
def _bar(what: str) -> Iterator[Callback]:
    from rich import progress as rich_progress
    from rich.console import Console

    columns = (
        rich_progress.TextColumn("{task.description}"),
        rich_progress.BarColumn(),
        rich_progress.TaskProgressColumn(),
        rich_progress.TimeRemainingColumn(),
        rich_progress.TextColumn("{task.fields[values]}"),
    )
    with rich_progress.Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(what, total=None, values="")

        def callback(progress: Progress) -> None:
            bar.update(task, completed=progress.done, total=progress.total, values=str(progress))

        yield callback


def _lines(what: str) -> Callback:
    begun = last = time.monotonic()

    def callback(progress: Progress) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last < SECONDS_BETWEEN_LINES and progress.done < progress.total:
            return
        last = now
        left = (now - begun) * (progress.total - progress.done) / max(progress.done, 1)
        say(f"{what}: {progress.done}/{progress.total}  {progress}  {left:.0f} s left")

    return callback


def say(line: str) -> None:
    """Write a line to stderr. Errors are ignored, so that a closed terminal or pipe does not stop the computation."""
    with suppress(OSError):
        print(line, file=sys.stderr, flush=True)


def counted(n: int, what: str) -> str:
    """Format a number with its noun: "1 image", "1,200 images"."""
    return f"{n:,} {what}{'' if n == 1 else 's'}"
