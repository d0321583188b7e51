"""Sides that do not bear each other in one process, each in its own, taking turns."""

import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any


class Worker:
    """A process that makes something once, by ``make(*arguments)``, and calls it whenever it is asked.

    ``make`` is a function of a module, so that the new process can import it. While it is not asked, the process waits.
    """

    def __init__(self, make: Callable[..., Callable[[], Any]], *arguments: Any) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, make, arguments), daemon=True)
        self._process.start()

    def __call__(self, _: int = 0) -> Any:
        """Let it work; what it returns."""
        self._connection.send(True)
        done, value = self._connection.recv()
        if not done:
            raise RuntimeError(value)
        return value

    def close(self) -> None:
        """End the process."""
        self._connection.send(False)
        self._process.join()


def _serve(connection: Connection, make: Callable[..., Callable[[], Any]], arguments: tuple[Any, ...]) -> None:
    work = None
    while connection.recv():
        try:
            work = work or make(*arguments)
            connection.send((True, work()))
        except Exception as error:
            connection.send((False, f"{type(error).__name__}: {error}"))
