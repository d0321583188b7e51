"""Sprite sheets: thumbnails side by side in one picture, as many as a texture of the map holds.

Sheet s has images s·m to (s + 1)·m - 1 in zoom order. A sheet is made at the first request for it and kept in the run,
in a folder that is named by a hash of its content, so that it is made once.
"""

import io
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from latentmap.core.atomic_files import write_bytes
from latentmap.explorer.atlas_view import AtlasView
from latentmap.images.mixing import Mixing, as_picture
from latentmap.run.state import key_of

FOLDER = "explorer"
SHEET_SIDE = 1024  # pixels
MAX_THUMBNAIL_SIDE = 64  # pixels


@dataclass(frozen=True)
class SheetLayout:
    """The grid of thumbnails on a sheet.

    Attributes
    ----------
    width, height : int
        Size of a thumbnail in pixels.
    n_images : int
        Number of images on all sheets.
    """

    width: int
    height: int
    n_images: int

    @classmethod
    def of(cls, image_shape: tuple[int, ...], n_images: int, max_side: int = MAX_THUMBNAIL_SIDE) -> "SheetLayout":
        """The grid for images of one shape, which are made smaller if a side is longer than ``max_side`` pixels."""
        height, width = image_shape[:2]
        scale = min(1.0, max_side / max(height, width))
        return cls(max(1, round(width * scale)), max(1, round(height * scale)), n_images)

    @property
    def columns(self) -> int:
        """Number of thumbnails in a row of a sheet."""
        return SHEET_SIDE // self.width

    @property
    def per_sheet(self) -> int:
        """Number of thumbnails on a sheet."""
        return self.columns * (SHEET_SIDE // self.height)

    @property
    def n_sheets(self) -> int:
        """Number of sheets for all images."""
        return -(-self.n_images // self.per_sheet)

    def as_dict(self) -> dict[str, int]:
        """The grid as the page takes it."""
        found = {"width": self.width, "height": self.height, "columns": self.columns}
        return found | {"perPage": self.per_sheet, "n": self.n_sheets}


class SpriteSheets:
    """The sprite sheets of a run.

    Parameters
    ----------
    data : AtlasView
        The run.
    max_side : int, default=64
        Longest side of a thumbnail in pixels.

    Attributes
    ----------
    layout : SheetLayout
        The grid of thumbnails.
    folder : Path
        Where the sheets are kept.
    """

    def __init__(self, data: AtlasView, max_side: int = MAX_THUMBNAIL_SIDE) -> None:
        self._data = data
        self.layout = SheetLayout.of(data.image_shape, data.n, max_side)
        source = data.run.state["source"]
        facts = [source["fingerprint"], data.order[:: max(1, data.n // 1000)].tolist(), SHEET_SIDE, max_side]
        order = key_of(facts if data.mixing is None else [*facts, data.mixing.as_list()])
        added = [one["fingerprint"] for one in data.run.state["added"]]
        self._making = threading.Lock()
        self.folder: Path = data.path / FOLDER / f"pages-{key_of([order, added])[:12]}"

    def png(self, sheet: int, mixing: Mixing | None = None) -> bytes:
        """One sheet as a PNG file, with channels mixed by the given colours. Those of the run are kept on disk.

        Raises
        ------
        IndexError
            If there is no such sheet.
        """
        if not 0 <= sheet < self.layout.n_sheets:
            raise IndexError(sheet)
        path, is_own = self.folder / f"{sheet:05d}.png", mixing == self._data.mixing
        if is_own:
            with suppress(FileNotFoundError):
                return path.read_bytes()
        file = io.BytesIO()
        # other colours are looked at for a moment while they are chosen
        Image.fromarray(self.pixels(sheet, mixing)).save(file, "PNG", compress_level=3 if is_own else 1)
        if not is_own:
            return file.getvalue()
        with self._making, suppress(OSError):  # a sheet that cannot be kept is still shown
            self.folder.mkdir(parents=True, exist_ok=True)
            write_bytes(path, file.getvalue())
        return file.getvalue()

    def pixels(self, sheet: int, mixing: Mixing | None = None) -> NDArray[np.uint8]:
        """One sheet as an array (height, width) or (height, width, 3), black where it is empty."""
        layout, data = self.layout, self._data
        ids = data.order[sheet * layout.per_sheet : (sheet + 1) * layout.per_sheet]
        rows = -(-len(ids) // layout.columns)
        shape = (rows * layout.height, layout.columns * layout.width, *(data.image_shape[2:] and (3,)))
        found = np.zeros(shape, np.uint8)
        for number, image in enumerate(ids):
            top = number // layout.columns * layout.height
            left = number % layout.columns * layout.width
            picture = as_picture(np.asarray(data.pixels(int(image))), mixing)
            found[top : top + layout.height, left : left + layout.width] = self._thumbnail(picture)
        return found

    def _thumbnail(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        size = (self.layout.width, self.layout.height)
        if pixels.shape[:2] == (size[1], size[0]):
            return pixels
        return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BOX, reducing_gap=2.0))
