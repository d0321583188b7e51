"""cache/vectors.npy of a run or of an addition: written in blocks, mapped, and restored from the tables."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentmap.core.atomic_files import atomic_write, sha256
from latentmap.core.errors import RunError
from latentmap.core.progress import Callback, Progress
from latentmap.images.array_files import NUMPY_FILE_ERRORS
from latentmap.run import tables
from latentmap.run.checking import damaged
from latentmap.run.given.floats import float_blocks
from latentmap.run.given.matching import MatchedValues
from latentmap.run.layout import LATENTS, PLACED, VECTORS


@dataclass(frozen=True)
class VectorBlocks:
    """Vectors of images in blocks, in the order of the images.

    Attributes
    ----------
    n, n_dimensions : int
    blocks : iterator of arrays (k, n_dimensions), float32
    """

    n: int
    n_dimensions: int
    blocks: Iterator[NDArray[np.float32]]

    @classmethod
    def of(cls, vectors: NDArray[np.float32]) -> "VectorBlocks":
        """The blocks of an array (n, d)."""
        return cls(len(vectors), vectors.shape[1], float_blocks(vectors, "vectors"))


def matched_blocks(matched: MatchedValues) -> VectorBlocks:
    """Given vectors in the order of the images that they are matched to."""
    values, rows = matched.given.values, matched.rows
    n = len(values) if rows is None else len(rows)
    return VectorBlocks(n, values.shape[1], float_blocks(values, matched.given.name, rows))


def write_vectors(folder: Path, vectors: VectorBlocks, callback: Callback = lambda _: None) -> None:
    """Write cache/vectors.npy into the folder of a run or of an addition. Equal vectors give equal bytes."""
    path = folder / VECTORS
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as temporary, temporary.open("wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": (vectors.n, vectors.n_dimensions)}
        np.lib.format.write_array_header_1_0(file, header)
        n_done = 0
        for block in vectors.blocks:
            file.write(block.astype("<f4", copy=False).data)
            n_done += len(block)
            callback(Progress(n_done, vectors.n))


def open_vectors(folder: Path) -> NDArray[np.float32]:
    """Map cache/vectors.npy of a run or of an addition.

    Returns
    -------
    array (n, d), float32

    Raises
    ------
    RunError
        If the file is missing or damaged.
    """
    path = folder / VECTORS
    try:
        found: NDArray[np.float32] = np.load(path, mmap_mode="r", allow_pickle=False)
    except NUMPY_FILE_ERRORS as error:
        raise damaged(path, error) from error
    if found.ndim != 2 or found.dtype != np.float32:
        raise damaged(path, f"{found.dtype} of shape {found.shape}")
    return found


def restore_vectors(folder: Path, state: dict[str, Any], *, thorough: bool = True) -> None:
    """Restore cache/vectors.npy from the tables if it was deleted or is damaged.

    Parameters
    ----------
    folder : Path
        A run that is locked.
    state : dict
        Its run.json.
    thorough : bool, default=True
        Read the file that is there, and compare it with what run.json says of it.
    """
    record = state["stages"].get("vectors", {}).get("files", {}).get(VECTORS)
    path = folder / VECTORS
    if record is None or not (folder / LATENTS).exists():
        return
    is_intact = path.is_file() and path.stat().st_size == record["bytes"]
    if is_intact and not (thorough and sha256(path) != record["sha256"]):
        return
    write_vectors(folder, VectorBlocks.of(tables.read_column(folder / LATENTS, "latent")))


def vectors_of_addition(part: Path) -> NDArray[np.float32]:
    """The given vectors (n, d) of images that were added, from the cache or from the table of their places."""
    try:
        return np.array(open_vectors(part))
    except RunError:
        if not (part / PLACED).exists():
            raise
        return tables.read_column(part / PLACED, "latent")
