"""Collections of images whose categories are known, to see how well an image's neighbours are of its category.

Run with ``python -m benchmarks.labelled_collections`` to build all; each is kept below benchmarks/data/labelled/.
The pictures come out of Debian, npm and PyPI packages, fetched by their clients, or are drawn here.
"""

from collections.abc import Callable

import numpy as np

from benchmarks.labelled import drawn, glyphs, packaged, speech
from benchmarks.labelled.packages import DATA
from benchmarks.labelled.pictures import LabelledCollection

COLLECTIONS: dict[str, Callable[[], LabelledCollection]] = {
    "emoji by category": packaged.emoji_by_category,
    "emoji across vendors": packaged.emoji_across_vendors,
    "flags across drawings": packaged.flags_across_drawings,
    "playing cards": packaged.playing_cards,
    "chess pieces": packaged.chess_pieces,
    "icons by category": packaged.icons_by_category,
    "icons across themes": packaged.icons_across_themes,
    "clip art by folder": packaged.clip_art_by_folder,
    "lit shapes": drawn.lit_shapes,
    "textures": packaged.textures,
    "spectrograms": speech.spectrograms,
    "cells": drawn.cells,
    "solar cells": packaged.solar_cells,
    "letters": glyphs.letters,
    "scripts": glyphs.scripts,
    "sprites": packaged.sprites,
}


def load(name: str) -> LabelledCollection:
    """The collection of this name, out of its file; built and kept on first use."""
    path = DATA / "labelled" / f"{name}.npz"
    if not path.exists():
        built = COLLECTIONS[name]()
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".unfinished.npz")
        np.savez_compressed(unfinished, images=built.images, labels=built.labels)
        unfinished.rename(path)
    with np.load(path) as kept:
        return LabelledCollection(name, kept["images"], kept["labels"])


def main() -> None:
    print("| collection | images | shape | labels | fewest of a label | median |\n|---|---|---|---|---|---|")
    for name in COLLECTIONS:
        built = load(name)
        counts = np.unique(built.labels, return_counts=True)[1]
        shape = "×".join(map(str, built.images.shape[1:]))
        print(f"| {name} | {len(built.images)} | {shape} | {len(counts)} | {counts.min()} | {np.median(counts):g} |")


if __name__ == "__main__":
    main()
