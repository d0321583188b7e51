"""Images of a run that can be selected, and those that are labelled and count as selected."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from latentmap.core.errors import RunError
from latentmap.images.column_types import to_text_column
from latentmap.run import layout, tables
from latentmap.run.edits import EditedRun
from latentmap.run.labels import LABELS_FILE
from latentmap.run.run import Run


@dataclass(frozen=True)
class Candidates:
    """Images that can be selected, and those that count as selected.

    Attributes
    ----------
    ids : array (m,), int64
        Images that can be selected, ascending: one of each set of exact copies.
    chosen : array (c,), int64
        Labelled images, which count as selected, ascending: one of each set of exact copies.
    n_labelled, n_marked, n_copies : int
        Numbers of images that cannot be selected because they or copies of them are labelled, because they are marked
        in the explorer, and because a copy of them can be selected.
    """

    ids: NDArray[np.int64]
    chosen: NDArray[np.int64]
    n_labelled: int
    n_marked: int
    n_copies: int


def find_candidates(
    run: Run, edited: EditedRun, members: NDArray[np.bool_], labels: pa.ChunkedArray | None
) -> Candidates:
    """Find the images that can be selected.

    Parameters
    ----------
    run : Run
    edited : EditedRun
        The run after its edits.
    members : array (n,), bool
        Images to select among.
    labels : pyarrow.ChunkedArray, optional
        Label of each image, or null; see :func:`known_labels`. Without it labels are ignored.
    """
    firsts = _first_copies(run, len(members))
    labelled = np.zeros(len(members), bool)
    chosen = np.empty(0, np.int64)
    if labels is not None:
        is_labelled = labels.is_valid().to_numpy().astype(bool)
        labelled = np.bincount(firsts[is_labelled], minlength=len(members))[firsts] > 0
        chosen = _one_of_each(np.flatnonzero(is_labelled & members), firsts)
    marked = np.any([*edited.marks.values()], axis=0) & ~labelled
    free = np.flatnonzero(members & ~labelled & ~marked)
    ids = _one_of_each(free, firsts)
    n_labelled, n_marked = (int((members & part).sum()) for part in (labelled, marked))
    return Candidates(ids, chosen, n_labelled, n_marked, len(free) - len(ids))


def known_labels(run: Run, edited: EditedRun) -> pa.ChunkedArray:
    """The label of each image that somebody gave it, or null: text.

    Labels given in the explorer come first, then those of the table that ``latentmap label`` spread, and then those
    given with the run. Labels that were spread are not known.

    Raises
    ------
    RunError
        If a table is damaged.
    """
    n = len(edited.group)
    found = edited.table()["given_label"].combine_chunks()
    path = run.path / LABELS_FILE
    if path.is_file():
        given = tables.read(path, ["given"])["given"]
        if len(given) != n:
            raise RunError(
                f"{path}: has {len(given):,} rows for {n:,} images: give `latentmap label` again, or remove it"
            )
        found = pc.coalesce(found, given.combine_chunks())
    if "label" in tables.column_names(run.path / layout.ATLAS):
        texts = to_text_column(tables.read(run.path / layout.ATLAS, ["label"])["label"]).combine_chunks()
        found = pc.coalesce(found, texts)
    is_empty = pc.equal(pc.utf8_trim_whitespace(found), "")
    return pa.chunked_array([pc.if_else(is_empty, pa.scalar(None, pa.string()), found)])


def doubts_of(run: Run) -> NDArray[np.float32]:
    """How unsure each image is (n,), from 0 to 1: 1 minus its confidence.

    The confidence is that of the labels if ``latentmap label`` or the explorer has spread some, else that in its group.

    Raises
    ------
    RunError
        If a table is damaged.
    """
    path = run.path / LABELS_FILE
    path = path if path.is_file() else run.path / layout.ATLAS
    confidence = tables.read_column(path, "confidence").astype(np.float32)
    return 1 - np.nan_to_num(confidence, nan=0.0)


def _first_copies(run: Run, n: int) -> NDArray[np.int64]:
    """The first of the exact copies of each image; the image itself if there are none.

    Of images that were added later it is known of which images of the map they are copies.
    """
    firsts = np.arange(n)
    pairs = run.duplicates()
    exact = pairs["exact"].to_numpy().astype(bool)
    firsts[pairs["id"].to_numpy()[exact]] = pairs["duplicate_of"].to_numpy()[exact]
    if run.state["added"]:
        later = tables.read(run.path / layout.ATLAS, ["added", "duplicate_of"])
        originals = later["duplicate_of"].fill_null(-1).to_numpy()
        rows = np.flatnonzero((later["added"].to_numpy() > 0) & (originals >= 0))
        firsts[rows] = firsts[originals[rows]]
    return firsts


def _one_of_each(ids: NDArray[np.intp], firsts: NDArray[np.int64]) -> NDArray[np.int64]:
    """The first of some images of each set of copies, ascending."""
    found: NDArray[np.int64] = np.sort(ids[np.unique(firsts[ids], return_index=True)[1]]).astype(np.int64)
    return found
