"""Draws the maps of the gallery: docs/images/gallery/NAME.png, one for each collection.

Run with ``python -m benchmarks.gallery``. All options have their defaults, and no label is used. The flags
come from a Debian package, fetched by apt-get.
"""

import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

import latentmap as lm
from benchmarks.collections import COLLECTIONS

FOLDER = Path(__file__).parent.parent / "docs" / "images" / "gallery"
# Name of the picture -> name of the collection
PICTURES = {"flags": "flags", "digits": "digits 8×8"}
SIDE_PIXELS = 1000
N_COLORS = 128


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, collection in PICTURES.items():
        print(draw(name, np.concatenate(COLLECTIONS[collection]())), flush=True)


def draw(name: str, images: np.ndarray) -> Path:
    """Map the images and write the map as a picture that is small enough for a page."""
    with tempfile.TemporaryDirectory() as folder:
        run = lm.map_images(images, folder, quiet=True)
        picture = run.figure("map").convert("RGB").resize((SIDE_PIXELS, SIDE_PIXELS), Image.Resampling.LANCZOS)
        print(f"{name}: {len(images):,} images, {run.metrics()['n_groups']:.0f} groups")
    path = FOLDER / f"{name}.png"
    picture.quantize(N_COLORS).save(path, optimize=True)
    return path


if __name__ == "__main__":
    main()
