"""Event files for TensorBoard."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from latentmap.core.errors import MissingPackageError


@contextmanager
def event_files(folder: Path) -> Iterator[Callable[[int, dict[str, float]], None]]:
    """Give a function that writes the figures of an epoch as TensorBoard's scalars into ``folder``.

    Raises
    ------
    MissingPackageError
        Without the package tensorboard.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise MissingPackageError(
            "event files need the package tensorboard: pip install 'latentmap[tensorboard]'"
        ) from error
    writer: Any = SummaryWriter(folder)
    try:

        def write(epoch: int, figures: dict[str, float]) -> None:
            for name, value in figures.items():
                writer.add_scalar(name, value, epoch)
            writer.flush()

        yield write
    finally:
        writer.close()
