"""The stage "vectors": the vectors of the images of a run that has no network of its own."""

from latentmap.run.given import GivenValues, describe_vectors, match_record, match_values
from latentmap.run.given.vector_files import VectorBlocks, matched_blocks, write_vectors
from latentmap.run.layout import VECTORS
from latentmap.run.state import RUN_FORMAT_VERSION, key_of
from latentmap.run.work import Work


def match_vectors(work: Work, given: GivenValues, path: str | None) -> None:
    """Find the vector of each image, once the images are decoded, and describe them in the state."""
    work.vectors = match_values(given, work.images)
    work.state["vectors"] = match_record(given, path)
    for line in describe_vectors(work.state):
        work.say(line)
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
    with work.show("vectors") as callback:
        write_vectors(work.folder, vectors_of_images(work), callback)
    return [VECTORS]


def vectors_of_images(work: Work) -> VectorBlocks:
    """The vectors of the images of this run, from wherever they come: a file or an array."""
    assert work.vectors is not None
    return matched_blocks(work.vectors)
