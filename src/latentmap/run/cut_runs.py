"""Runs whose images are parts of images: what run.json says of them, and how images that are added are cut."""

import os
from typing import Any

from latentmap.core.errors import SourceError
from latentmap.core.progress import counted
from latentmap.images import ImageCollection
from latentmap.images.crops import Crops, read_crops
from latentmap.images.tiles import Tiles


def is_cut(state: dict[str, Any]) -> bool:
    """Whether the images of a run are tiles or crops, by the content of its run.json."""
    return "cut" in state["source"]


def cut_record(images: ImageCollection) -> dict[str, int]:
    """The number of images that parts were cut from, and of empty tiles that were left out, for run.json."""
    n_images = len(images.table.group_by(["source", "file", "frame"]).aggregate([]))
    return {"images": n_images, "empty": images.n_empty}


def describe_cut(source: dict[str, Any]) -> list[str]:
    """Lines about how the images of a source were cut; none if they were not."""
    if "cut" not in source:
        return []
    decoding, cut = source["decoding"], source["cut"]
    wholes = counted(cut["images"], "image")
    if "tiles" not in decoding:
        return [f"  crops of {wholes}"]
    overlap = f" with an overlap of {decoding['overlap']}" if decoding.get("overlap") else ""
    lines = [f"  tiles of {decoding['tiles']} × {decoding['tiles']} pixels{overlap}, of {wholes}"]
    if cut["empty"]:
        verb = "was" if cut["empty"] == 1 else "were"
        lines.append(
            f"  {counted(cut['empty'], 'tile')} {verb} left out, with more than {100 * decoding['max_empty']:g} % of "
            "nearly one colour (--max-empty)"
        )
    return lines


def cut_for_addition(state: dict[str, Any], crops: Any) -> Tiles | Crops | None:
    """How images that are added to a run are cut: into tiles like those of the run, or by a table of their own.

    Parameters
    ----------
    state : dict
        The content of run.json.
    crops : path, DataFrame or dict, or None
        Table of the boxes of the images that are added.

    Raises
    ------
    SourceError
        If the run was made of crops and there is no table, the run was not and there is one, or it cannot be read.
    InputError
        If run.json has options that no tiles can have.
    """
    decoding = state["source"]["decoding"]
    if "crops" in decoding and is_cut(state):
        if crops is None:
            raise SourceError(
                "the run was made of crops: pass the boxes of the images that are added with --crops (crops=)"
            )
        return read_crops(crops)
    if crops is not None:
        name = crops if isinstance(crops, str | os.PathLike) else "crops"
        raise SourceError(f"{name}: the run was not made of crops: add images without --crops")
    if not is_cut(state):
        return None
    return Tiles(decoding["tiles"], decoding["overlap"], decoding["max_empty"])
