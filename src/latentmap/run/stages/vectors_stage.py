"""The stage "vectors": the vectors of the images of a run that has no network of its own."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from latentmap.core.atomic_files import atomic_write
from latentmap.core.progress import Progress
from latentmap.run.given import GivenValues, describe_match, float_blocks, match_values
from latentmap.run.layout import CACHE, VECTORS
from latentmap.run.state import RUN_FORMAT_VERSION, key_of
from latentmap.run.work import Work


@dataclass(frozen=True)
class VectorBlocks:
    """The vectors of the images of a run in blocks.

    Attributes
    ----------
    n, n_dimensions : int
    blocks : iterator of arrays (k, n_dimensions), float32
        In the order of the images.
    """

    n: int
    n_dimensions: int
    blocks: Iterator[NDArray[np.float32]]


def match_vectors(work: Work, given: GivenValues, path: str | None) -> None:
    """Find the vector of each image, once the images are decoded, and describe them in the state."""
    work.vectors = match_values(given, work.images)
    work.state["vectors"] = describe_match(given, path)
    if work.vectors.n_unused:
        work.say(f"  {work.vectors.n_unused:,} of {len(given.values):,} vectors in {given.name} are of no image here")


def vectors_key(work: Work) -> str | None:
    """A hash over the images, the vectors and which of them is whose; None for a run without given vectors."""
    if work.state.get("vectors") is None:
        return None
    if work.vectors is None:  # nothing new is given
        key: str = work.state["stages"]["vectors"]["key"]
        return key
    rows = work.vectors.rows
    order = None if rows is None else rows.tolist()
    return key_of([RUN_FORMAT_VERSION, work.state["source"]["fingerprint"], work.vectors.given.sha256, order])


def take_vectors(work: Work) -> list[str]:
    """Write the vectors of the images, in their order, as float32: cache/vectors.npy (n, d)."""
    (work.folder / CACHE).mkdir(exist_ok=True)
    with work.show("vectors") as callback:
        found = vectors_of_images(work)
        with atomic_write(work.folder / VECTORS) as temporary, temporary.open("wb") as file:
            header = {"descr": "<f4", "fortran_order": False, "shape": (found.n, found.n_dimensions)}
            np.lib.format.write_array_header_1_0(file, header)
            n_done = 0
            for block in found.blocks:
                file.write(block.astype("<f4", copy=False).data)
                n_done += len(block)
                callback(Progress(n_done, found.n))
    return [VECTORS]


def vectors_of_images(work: Work) -> VectorBlocks:
    """The vectors of the images of this run, from wherever they come: a file or an array."""
    matched = work.vectors
    assert matched is not None
    values = matched.given.values
    n = len(values) if matched.rows is None else len(matched.rows)
    return VectorBlocks(n, values.shape[1], float_blocks(values, matched.given.name, matched.rows))
