"""Event files for TensorBoard."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from latentmap.core.errors import MissingPackageError


@contextmanager
def event_files(folder: Path) -> Iterator[Callable[[int, dict[str, float]], None]]:
    """Open TensorBoard's event files for one training.

    Parameters
    ----------
    folder : Path
        Folder to write into.

    Yields
    ------
    callable
        Function of an epoch's number and its metrics by name, which writes each metric as a scalar.

    Raises
    ------
    MissingPackageError
        If the package tensorboard is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise MissingPackageError(
            "event files need the package tensorboard: pip install 'latentmap[tensorboard]'"
        ) from error
    writer: Any = SummaryWriter(folder)
    try:

        def write(epoch: int, metrics: dict[str, float]) -> None:
            for name, value in metrics.items():
                writer.add_scalar(name, value, epoch)
            writer.flush()

        yield write
    finally:
        writer.close()
