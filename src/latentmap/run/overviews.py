"""Pictures of the whole images that tiles or crops were cut from, with each part in the colour of its group."""

import csv
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

from latentmap.core.errors import RunError
from latentmap.core.group_colors import group_colors
from latentmap.core.progress import Callback, Progress
from latentmap.images.boxes import BOX_COLUMNS, WHOLE_COLUMNS, WHOLE_DIGEST_COLUMN, Box, without_box
from latentmap.images.decoding import Decoded, EncodedImage
from latentmap.images.pool import DecodingPool
from latentmap.run import layout, tables
from latentmap.run.checking import damaged
from latentmap.run.cut_runs import is_cut
from latentmap.run.edits import Journal
from latentmap.run.export_names import file_name
from latentmap.run.originals import Missing, Originals
from latentmap.run.run import Run
from latentmap.run.state import added_folders

MAX_SIDE = 2048  # of a picture, in pixels; larger images are reduced
TINT = 0.5  # opacity of the colours of groups
OUTLINE_FRACTION = 1 / 24  # of the shorter side of a part: the width of its outline
GROUND, NO_GROUP = 235, 128  # grey levels where nothing is known of an image, and of parts in no group


@dataclass(frozen=True)
class WholeImage:
    """An image that parts were cut from.

    Attributes
    ----------
    path : str
        Its path, as in those of its parts.
    width, height : int
        Size in pixels, upright.
    sha256 : bytes or None
        SHA-256 of all of its pixels.
    ids : ndarray (k,), int64
        The ids of its parts.
    """

    path: str
    width: int
    height: int
    sha256: bytes | None
    ids: NDArray[np.int64]


class Overviews:
    """Pictures of the whole images of a run of tiles or crops.

    Parameters
    ----------
    run : Run
    groups : array (n,), int
        Group of each image of the run, in the order of their ids, -1 for none; of the first ones if there are fewer.
    decoders : DecodingPool
        Processes that decode the original files.

    Raises
    ------
    RunError
        If the images of the run are no tiles or crops, or a table is missing or damaged.
    """

    def __init__(self, run: Run, groups: NDArray[np.integer], decoders: DecodingPool) -> None:
        if not is_cut(run.state):
            raise RunError(f"{run.path}: made of whole images: overviews are of runs with --tiles or --crops")
        self._run, self._groups, self._decoders = run, groups, decoders
        self._originals = Originals.of(run)
        folders = [run.path, *added_folders(run.path, run.state)]
        parts = pa.concat_tables([_read_parts(folder / layout.IMAGES) for folder in folders])
        parts = parts.slice(0, len(groups))
        self._edges = np.column_stack([parts[name].to_numpy() for name in BOX_COLUMNS])
        self.images = _whole_images(parts)
        self.colors = np.rint(group_colors(int(groups.max(initial=-1)) + 1) * 255).astype(np.uint8)

    def box(self, image: int) -> Box:
        """The place of a part in its whole image."""
        return Box(*self._edges[image].tolist())

    def picture(self, whole: WholeImage, max_side: int = MAX_SIDE) -> NDArray[np.uint8]:
        """Draw a whole image in grey, with each part in the colour of its group.

        The image is that of its original file if this is unchanged, or else put together from the parts.

        Parameters
        ----------
        whole : WholeImage
        max_side : int, default=2048
            Maximum side of the picture, in pixels.

        Returns
        -------
        array (height, width, 3), uint8
        """
        scale = min(1.0, max_side / max(whole.width, whole.height))
        size = max(1, round(whole.width * scale)), max(1, round(whole.height * scale))
        ground = self._original(whole, size)
        if ground is None:
            ground = self._put_together(whole, size, scale)
        return self._tinted(ground, whole, scale)

    def file(self, whole: WholeImage) -> Path | None:
        """The file that holds a whole image and nothing else; None if it is not there or its pixels have changed."""
        if self._originals.frame(int(whole.ids[0])) is not None:
            return None
        found = self._decode(whole, (1, 1))
        return None if found is None else found[0]

    def _original(self, whole: WholeImage, size: tuple[int, int]) -> NDArray[np.uint8] | None:
        """The grey levels of the image in its original file; None if it is not there or has changed."""
        found = self._decode(whole, size)
        return None if found is None else self._grey(found[1])

    def _decode(self, whole: WholeImage, size: tuple[int, int]) -> tuple[Path, NDArray[Any]] | None:
        """The original file and the pixels of the image in it; None if it is not there or has changed."""
        first = int(whole.ids[0])
        file = self._originals.holder(first)
        if isinstance(file, Missing):
            return None
        item = EncodedImage(str(file), self._originals.frame(first), Box(0, 0, whole.width, whole.height))
        shape = replace(self._run.shape_for_more(), width=size[0], height=size[1], fit="stretch", keep_pixels=False)
        (found,) = self._decoders.map("decode", iter([item]), shape, self._run.reading())
        # a run may come from somebody else and name any file, but not the digest of what is in it
        if not isinstance(found, Decoded) or found.content != whole.sha256:
            return None
        return file, found.pixels

    def _put_together(self, whole: WholeImage, size: tuple[int, int], scale: float) -> NDArray[np.uint8]:
        """The grey levels of the parts at their places."""
        shape = self._run.shape()
        ground = np.full((size[1], size[0]), GROUND, np.uint8)
        for image in whole.ids.tolist():
            box = self.box(image)
            pixels = self._grey(shape.without_canvas(self._pixels(image), (box.right - box.left, box.bottom - box.top)))
            rows, columns = _scaled(box, scale, size)
            part = Image.fromarray(pixels).resize((columns.stop - columns.start, rows.stop - rows.start))
            ground[rows, columns] = np.asarray(part)
        return ground

    def _grey(self, pixels: NDArray[Any]) -> NDArray[np.uint8]:
        picture = self._run.picture(pixels)
        return picture if picture.ndim == 2 else np.asarray(Image.fromarray(picture).convert("L"))

    def _pixels(self, image: int) -> NDArray[Any]:
        for images in self._all_pixels:
            if image < len(images):
                break
            image -= len(images)
        found: NDArray[Any] = np.asarray(images[image])
        return found

    @cached_property
    def _all_pixels(self) -> list[NDArray[Any]]:
        return [self._run.images().images, *self._run.added_images()]

    def _tinted(self, ground: NDArray[np.uint8], whole: WholeImage, scale: float) -> NDArray[np.uint8]:
        """Colour the parts; where they overlap, in the mean of their colours."""
        height, width = ground.shape
        sums, counts = np.zeros((height, width, 3), np.float32), np.zeros((height, width, 1), np.float32)
        picture = np.repeat(ground[..., None], 3, axis=2)
        has_outlines = "crops" in self._run.state["source"]["decoding"]
        for image in whole.ids.tolist():
            rows, columns = _scaled(self.box(image), scale, (width, height))
            sums[rows, columns] += self._color(image)
            counts[rows, columns] += 1
        is_part = counts[..., 0] > 0
        picture[is_part] = (1 - TINT) * picture[is_part] + TINT * sums[is_part] / counts[is_part]
        if has_outlines:
            for image in whole.ids.tolist():
                _draw_outline(picture, *_scaled(self.box(image), scale, (width, height)), self._color(image))
        return picture

    def _color(self, image: int) -> NDArray[np.uint8]:
        group = int(self._groups[image])
        found: NDArray[np.uint8] = self.colors[group] if group >= 0 else np.full(3, NO_GROUP, np.uint8)
        return found


def write_overviews(run: Run, folder: Path, callback: Callback = lambda _: None) -> None:
    """Write a PNG file for each whole image, parts.csv with the place and group of each part, and groups.csv.

    Parameters
    ----------
    run : Run
        A run of tiles or crops.
    folder : Path
        An existing folder.
    callback : callable, optional
        Told of progress in images.

    Raises
    ------
    RunError
        If the images of the run are no tiles or crops, or a table is missing or damaged.
    """
    edited = Journal(run.path).edited()
    with (
        DecodingPool(1) as decoders,
        (folder / "parts.csv").open("w", newline="", encoding="utf-8") as file,
    ):
        drawn = Overviews(run, edited.group, decoders)
        writer = csv.writer(file)
        writer.writerow(["id", "picture", "image", *BOX_COLUMNS, "group"])
        for number, whole in enumerate(drawn.images):
            name = file_name(number, whole.path, ".png")
            Image.fromarray(drawn.picture(whole)).save(folder / name)
            for image in whole.ids.tolist():
                writer.writerow([image, name, whole.path, *drawn.box(image), int(edited.group[image])])
            callback(Progress(number + 1, len(drawn.images)))
    with (folder / "groups.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["group", "name", "parts", "color"])
        for one in edited.groups:
            color = "#" + bytes(drawn.colors[one.number]).hex()
            writer.writerow([one.number, one.name, int((edited.group == one.number).sum()), color])


def _read_parts(path: Path) -> pa.Table:
    """Paths of parts, their places, and size and digest of their whole images.

    Raises
    ------
    RunError
        If the table is damaged, or a part does not lie in its image.
    """
    numbers = (*BOX_COLUMNS, *WHOLE_COLUMNS)
    parts = tables.read(path, ["path", *numbers, WHOLE_DIGEST_COLUMN])
    are_whole = all(pa.types.is_integer(parts[name].type) and not parts[name].null_count for name in numbers)
    if not are_whole:
        raise damaged(path, "the place of a part is missing")
    left, top, right, bottom, width, height = (parts[name].to_numpy().astype(np.int64) for name in numbers)
    inside = (0 <= left) & (left < right) & (right <= width) & (0 <= top) & (top < bottom) & (bottom <= height)
    if not inside.all():
        raise damaged(path, "a part does not lie in its image")
    return parts


def _whole_images(parts: pa.Table) -> list[WholeImage]:
    """The images that parts were cut from, in the order of their first parts."""
    ids: dict[str, list[int]] = {}
    for image, path in enumerate(parts["path"].to_pylist()):
        ids.setdefault(without_box(path), []).append(image)
    widths, heights, digests = (parts[name].to_pylist() for name in (*WHOLE_COLUMNS, WHOLE_DIGEST_COLUMN))
    return [
        WholeImage(path, widths[rows[0]], heights[rows[0]], digests[rows[0]], np.array(rows, np.int64))
        for path, rows in ids.items()
    ]


def _scaled(box: Box, scale: float, size: tuple[int, int]) -> tuple[slice, slice]:
    """Rows and columns of a box in a picture of a size, at least one of each."""
    columns, rows = (
        slice(low := min(round(begin * scale), side - 1), max(low + 1, min(side, round(end * scale))))
        for begin, end, side in ((box.left, box.right, size[0]), (box.top, box.bottom, size[1]))
    )
    return rows, columns


def _draw_outline(picture: NDArray[np.uint8], rows: slice, columns: slice, color: NDArray[np.uint8]) -> None:
    part = picture[rows, columns]
    width = max(1, round(min(part.shape[:2]) * OUTLINE_FRACTION))
    for edge in (part[:width], part[-width:], part[:, :width], part[:, -width:]):
        edge[:] = color
