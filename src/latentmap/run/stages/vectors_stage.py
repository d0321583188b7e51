"""The stage "vectors": the vectors of the images of a run that has no network of its own."""

from latentmap.core.errors import RunError
from latentmap.run.given.vector_files import VectorBlocks, matched_blocks, write_vectors
from latentmap.run.layout import VECTORS
from latentmap.run.work import Work


def take_vectors(work: Work) -> list[str]:
    """Write the vectors of the images, in their order, as float32: cache/vectors.npy (n, d)."""
    with work.show("vectors") as callback:
        write_vectors(work.folder, vectors_of_images(work), callback)
    return [VECTORS]


def vectors_of_images(work: Work) -> VectorBlocks:
    """The vectors of the images of this run, from wherever they come: a file or an array."""
    if work.vectors is None:  # nothing is given where images are added
        raise RunError(f"{work.folder / VECTORS}: missing: the command that made the run makes it again")
    return matched_blocks(work.vectors)
