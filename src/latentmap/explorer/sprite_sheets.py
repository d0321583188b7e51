"""Picture pages: thumbnails side by side in one picture, as many as a texture of the page's map holds.

Page p has images p·m to (p + 1)·m - 1 in the order of the page. Each is made when it is first asked for and kept in
the run, under the name of what it shows, so that it is made once.
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
from latentmap.explorer.atlas_view import Explored
from latentmap.run.state import key_of

FOLDER = "explorer"
SIDE = 1024  # of a page, in pixels
LARGEST = 64  # side of a thumbnail


@dataclass(frozen=True)
class Layout:
    """How thumbnails lie on a page."""

    width: int  # of a thumbnail
    height: int
    n_images: int

    @classmethod
    def of(cls, image_shape: tuple[int, ...], n_images: int, largest: int = LARGEST) -> "Layout":
        """Images as they are, or smaller where they are larger than a thumbnail."""
        height, width = image_shape[:2]
        scale = min(1.0, largest / max(height, width))
        return cls(max(1, round(width * scale)), max(1, round(height * scale)), n_images)

    @property
    def columns(self) -> int:
        """Thumbnails in a row of a page."""
        return SIDE // self.width

    @property
    def per_page(self) -> int:
        """Thumbnails on a page."""
        return self.columns * (SIDE // self.height)

    @property
    def n_pages(self) -> int:
        """Pages for all images."""
        return -(-self.n_images // self.per_page)

    def as_dict(self) -> dict[str, int]:
        """As a page takes it."""
        found = {"width": self.width, "height": self.height, "columns": self.columns}
        return found | {"perPage": self.per_page, "n": self.n_pages}


class Pages:
    """The picture pages of a run."""

    def __init__(self, data: Explored, largest: int = LARGEST) -> None:
        self._data = data
        self.layout = Layout.of(data.image_shape, data.n, largest)
        source = data.run.state["source"]
        order = key_of([source["fingerprint"], data.order[:: max(1, data.n // 1000)].tolist(), SIDE, largest])
        added = [one["fingerprint"] for one in data.run.state["added"]]
        self._making = threading.Lock()
        self.folder: Path = data.path / FOLDER / f"pages-{key_of([order, added])[:12]}"

    def png(self, page: int) -> bytes:
        """One page as a PNG file.

        Raises
        ------
        IndexError
            If there is no such page.
        """
        if not 0 <= page < self.layout.n_pages:
            raise IndexError(page)
        path = self.folder / f"{page:05d}.png"
        with suppress(FileNotFoundError):
            return path.read_bytes()
        file = io.BytesIO()
        Image.fromarray(self.pixels(page)).save(file, "PNG", compress_level=3)
        with self._making, suppress(OSError):  # a full disk or a run that cannot be written to is no reason not to show
            self.folder.mkdir(parents=True, exist_ok=True)
            write_bytes(path, file.getvalue())
        return file.getvalue()

    def pixels(self, page: int) -> NDArray[np.uint8]:
        """One page as an array, black where it is empty."""
        layout, data = self.layout, self._data
        ids = data.order[page * layout.per_page : (page + 1) * layout.per_page]
        rows = -(-len(ids) // layout.columns)
        shape = (rows * layout.height, layout.columns * layout.width, *data.image_shape[2:])
        sheet = np.zeros(shape, np.uint8)
        for number, image in enumerate(ids):
            top = number // layout.columns * layout.height
            left = number % layout.columns * layout.width
            sheet[top : top + layout.height, left : left + layout.width] = self._thumbnail(data.pixels(int(image)))
        return sheet

    def _thumbnail(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        size = (self.layout.width, self.layout.height)
        if pixels.shape[:2] == (size[1], size[0]):
            return pixels
        return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BOX, reducing_gap=2.0))
