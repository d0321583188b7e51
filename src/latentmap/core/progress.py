"""Progress of long work: reported from below by callback, shown by whoever is on top.

Library code calls ``callback(Progress(...))`` and prints nothing. A face passes ``shown("training")``, which draws
a bar with the time left on a terminal and writes plain lines into a log.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from typing import TypeAlias


@dataclass(frozen=True)
class Progress:
    """How far a piece of work has come: ``done`` of ``total`` steps, and figures worth showing (a loss, say)."""

    done: int
    total: int
    values: dict[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        return "  ".join(f"{name} {value:.4g}" for name, value in self.values.items())


Callback: TypeAlias = Callable[[Progress], None]
# From what is done to a context with a callback: :func:`shown` with its options filled in, or :func:`silent`.
Show: TypeAlias = Callable[[str], AbstractContextManager[Callback]]

SECONDS_BETWEEN_LINES = 10.0


def silent(_: str) -> AbstractContextManager[Callback]:
    """Show nothing."""
    return nullcontext(lambda _: None)


@contextmanager
def shown(what: str, *, quiet: bool = False) -> Iterator[Callback]:
    """Give a callback that shows progress on stderr: a bar on a terminal, a line now and then in a log, or nothing.

    Until the callback is called, the bar only shows that work goes on.
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
    """Write a line to stderr. Where nobody reads it any more, a closed terminal or pipe, work goes on without it."""
    with suppress(OSError):
        print(line, file=sys.stderr, flush=True)


def counted(n: int, what: str) -> str:
    """A number and what it counts: "1 image", "1,200 images"."""
    return f"{n:,} {what}{'' if n == 1 else 's'}"
