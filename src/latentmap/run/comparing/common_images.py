"""The images that two runs have in common."""

from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from latentmap.core.errors import RunError
from latentmap.core.progress import counted
from latentmap.run import layout, tables
from latentmap.run.run import Run
from latentmap.run.state import added_folders

N_EXAMPLES = 3  # paths of each run that the message about runs without a common image names

Codes = NDArray[np.int64]


class CommonImages(NamedTuple):
    """Pairs of images, one of each run.

    Attributes
    ----------
    matched_by : {"content", "path", "vector", "id"}
        What is equal in the images of a pair.
    ids_a, ids_b : array (m,), int64
        Ids of the images of a pair, ascending in ``ids_a``.
    """

    matched_by: str
    ids_a: NDArray[np.int64]
    ids_b: NDArray[np.int64]


def find_common(a: Run, b: Run) -> CommonImages:
    """Pair the images of two runs.

    Images with pictures are paired by the SHA-256 of their content, each with one image at most: of two copies in one
    run and three in the other, two pairs are made, of equal paths where there are such. Points without pictures are
    paired by their paths or by the SHA-256 of their vectors, whichever makes more pairs; if neither makes any and both
    runs have as many points, by their ids.

    Parameters
    ----------
    a, b : Run

    Returns
    -------
    CommonImages

    Raises
    ------
    RunError
        If no image is in both, or a table is missing or damaged.
    """
    table_a, table_b = _identities(a), _identities(b)
    paths, contents = _codes(table_a["path"], table_b["path"]), _codes(table_a["sha256"], table_b["sha256"])
    if a.has_pictures and b.has_pictures:
        found = [_pairs("content", contents, paths)]
    else:
        found = [_pairs("path", paths, contents)]
        if not (a.has_pictures or b.has_pictures):
            found.append(_pairs("vector", contents, paths))
    best = max(found, key=lambda one: len(one.ids_a))
    if len(best.ids_a):
        return best
    if not (a.has_pictures or b.has_pictures) and len(table_a) == len(table_b):
        return CommonImages("id", np.arange(len(table_a)), np.arange(len(table_a)))
    raise RunError(_nothing_common(a, b, table_a, table_b))


def _identities(run: Run) -> pa.Table:
    """``path`` and ``sha256`` of all images of a run, in the order of their ids."""
    folders = [run.path, *added_folders(run.path, run.state)]
    parts = [tables.read(folder / layout.IMAGES, ["path", "sha256"]) for folder in folders]
    return pa.concat_tables([part.cast(parts[0].schema) for part in parts])


def _codes(a: pa.ChunkedArray, b: pa.ChunkedArray) -> tuple[Codes, Codes]:
    """Numbers that are equal for equal values of two columns. Each missing value has a number of its own."""
    both = pa.chunked_array([*a.cast(b.type).chunks, *b.chunks], b.type).combine_chunks()
    encoded = both.dictionary_encode()
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    missing = np.flatnonzero(codes < 0)
    codes[missing] = len(encoded.dictionary) + np.arange(len(missing))
    return codes[: len(a)], codes[len(a) :]


def _pairs(matched_by: str, keys: tuple[Codes, Codes], preferred: tuple[Codes, Codes]) -> CommonImages:
    """Pairs of equal keys, each image in one at most; those whose preferred numbers are equal too come first."""
    n_preferred = 1 + max(int(codes.max(initial=0)) for codes in preferred)
    exact = [key * n_preferred + other for key, other in zip(keys, preferred, strict=True)]
    rows_a, rows_b = _match(*exact)
    left_a = np.setdiff1d(np.arange(len(keys[0])), rows_a, assume_unique=True)
    left_b = np.setdiff1d(np.arange(len(keys[1])), rows_b, assume_unique=True)
    more_a, more_b = _match(keys[0][left_a], keys[1][left_b])
    ids_a = np.concatenate([rows_a, left_a[more_a]])
    ids_b = np.concatenate([rows_b, left_b[more_b]])
    order = np.argsort(ids_a)
    return CommonImages(matched_by, ids_a[order], ids_b[order])


def _match(a: Codes, b: Codes) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows of equal codes: the first of a code with the first, the second with the second, and so on."""
    n = max(len(a), len(b)) + 1
    _, small = np.unique(np.concatenate([a, b]), return_inverse=True)  # products of the codes themselves may overflow
    numbered_a, numbered_b = small[: len(a)] * n + _occurrence(a), small[len(a) :] * n + _occurrence(b)
    _, rows_a, rows_b = np.intersect1d(numbered_a, numbered_b, assume_unique=True, return_indices=True)
    return rows_a, rows_b


def _occurrence(codes: Codes) -> Codes:
    """How many earlier rows have the same code."""
    order = np.argsort(codes, kind="stable")
    ordered = codes[order]
    is_first = np.concatenate([[True], ordered[1:] != ordered[:-1]])[: len(codes)]
    starts = np.flatnonzero(is_first)
    found = np.empty(len(codes), np.int64)
    found[order] = np.arange(len(codes)) - np.repeat(starts, np.diff(np.append(starts, len(codes))))
    return found


def _nothing_common(a: Run, b: Run, table_a: pa.Table, table_b: pa.Table) -> str:
    """The message about two runs without a common image."""
    said = []
    for run, table in ((a, table_a), (b, table_b)):
        examples = ", ".join(table["path"].slice(0, N_EXAMPLES).to_pylist())
        more = ", …" if len(table) > N_EXAMPLES else ""
        said.append(f"{run.path} has {counted(len(table), run.noun)} ({examples}{more})")
    if a.has_pictures and b.has_pictures:
        how = "image in common by the SHA-256 of files or pixels"
    elif a.has_pictures or b.has_pictures:
        how = "path in common, and only one of the runs has pictures"
    else:
        how = "point in common by path or vector, and not as many points"
    return f"no {how}: {', '.join(said)}: compare runs of the same images"
