"""Draws the maps of the gallery: docs/images/gallery/NAME.png, one for each collection.

Run with ``python -m benchmarks.gallery``. No label is used. All options have their defaults, except that some
collections are also mapped by latent vectors, as NAME-latent.png. The pictures come out of packages that are fetched.
"""

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import latentmap as lm
from benchmarks import labelled_collections
from benchmarks.collections import COLLECTIONS

FOLDER = Path(__file__).parent.parent / "docs" / "images" / "gallery"
# Name of the picture -> the images, and whether they are mapped by latent vectors, too
PICTURES: dict[str, tuple[Callable[[], np.ndarray], bool]] = {
    "flags": (lambda: np.concatenate(COLLECTIONS["flags"]()), False),
    "digits": (lambda: np.concatenate(COLLECTIONS["digits 8×8"]()), False),
    "icons": (lambda: labelled_collections.load("icons by category").images, True),
    "clip-art": (lambda: labelled_collections.load("clip art by folder").images, True),
}
SIDE_PIXELS = 1000
N_COLORS = 128


def main() -> None:
    """Draw all maps, or those whose names are given."""
    FOLDER.mkdir(exist_ok=True)
    for name in sys.argv[1:] or PICTURES:
        read, has_latent_map = PICTURES[name]
        images = read()
        print(draw(name, images), flush=True)
        if has_latent_map:
            print(draw(f"{name}-latent", images, features="latent"), flush=True)


def draw(name: str, images: np.ndarray, **options: Any) -> Path:
    """Map the images and write the map as a picture that is small enough for a page."""
    with tempfile.TemporaryDirectory() as folder:
        run = lm.map_images(images, folder, quiet=True, **options)
        picture = run.figure("map").convert("RGB").resize((SIDE_PIXELS, SIDE_PIXELS), Image.Resampling.LANCZOS)
        print(f"{name}: {len(images):,} images, {run.metrics()['n_groups']:.0f} groups")
    path = FOLDER / f"{name}.png"
    picture.quantize(N_COLORS).save(path, optimize=True)
    return path


if __name__ == "__main__":
    main()
