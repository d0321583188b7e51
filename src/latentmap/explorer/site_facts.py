"""The facts about a run in a folder of static files: those of the page, without what is private, and counts."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from latentmap.explorer.atlas_view import AtlasView
from latentmap.explorer.one_file import N_NEIGHBORS
from latentmap.explorer.published_names import published
from latentmap.explorer.site_tables import N_ROWS, N_ROWS_OF_NEIGHBORS, N_ROWS_OF_TEXT
from latentmap.run.edits import MARKS

MAX_LOADED = 2_000_000  # rows up to which the page loads all
MAX_SAMPLE = 1_000_000  # rows of the even sample that is loaded of more
N_TILES = 64  # files of rows in view that are kept besides the sample
N_SPACED = 500  # images whose nearest neighbour on the map is searched


def site_facts(
    data: AtlasView, facts: dict[str, Any], boxes: NDArray[np.float32], decoder: dict[str, Any] | None
) -> dict[str, Any]:
    """The facts that the page asks for first, and the layout of the files, with those of a decoder if there is one."""
    columns = [
        one | ({"categories": [published(name) for name in one["categories"]]} if "categories" in one else {})
        for one in facts["columns"]
    ]
    site = {
        "rows": N_ROWS,
        "textRows": N_ROWS_OF_TEXT,
        "neighborRows": N_ROWS_OF_NEIGHBORS,
        "maxLoaded": MAX_LOADED,
        "maxSample": MAX_SAMPLE,
        "tiles": N_TILES,
        "boxes": [[float(f"{value:.6g}") for value in box] for box in boxes.tolist()],
        "neighbors": min(N_NEIGHBORS, data.n - 1),
        "counts": _counts(data, facts["edits"]),
        "spacing": _spacing(data.xy, data.square[2]),
    }
    if decoder:
        site["decoder"] = decoder
    edits = facts["edits"] | {"canUndo": False, "canRedo": False, "nSetAside": 0}
    own = {"source": published(facts["source"]), "columns": columns, "edits": edits, "site": site}
    return facts | own | {"hasDecoder": decoder is not None, "hasEncoder": False, "weights": {}}


def _counts(data: AtlasView, edits: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Number of images in each category of the columns that derive from the edits."""
    edited = data.journal.edited()
    sizes = [one["size"] for one in edits["groups"]]
    labels = np.bincount(edited.label[edited.label >= 0], minlength=len(edited.labels)).tolist()
    marks, left = [], np.ones(data.n, bool)
    for name in MARKS:
        marks.append(int((left & edited.marks[name]).sum()))
        left &= ~edited.marks[name]
    found = {"group": sizes, "given label": labels, "mark": marks}
    return {name: {"counts": counts, "missing": data.n - sum(counts)} for name, counts in found.items()}


def _spacing(xy: NDArray[np.float32], side: float) -> float:
    """Median distance to the nearest other image; images at the same place are not neighbours of each other."""
    sample = xy[:: max(1, len(xy) // N_SPACED)]
    distances, _ = cKDTree(xy).query(sample, k=min(len(xy), 16))
    distances = np.where(distances > 0, distances, np.inf).reshape(len(sample), -1).min(axis=1)
    apart = np.sort(distances[np.isfinite(distances)])
    return float(apart[len(apart) // 2]) if len(apart) else side
