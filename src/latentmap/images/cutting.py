"""Cutting of listed images into parts, tiles or crops, which become the items of the collection."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from latentmap.core.errors import SourceError
from latentmap.core.progress import counted
from latentmap.images.boxes import BOX_COLUMNS, WHOLE_COLUMNS, WHOLE_DIGEST_COLUMN, Box, without_frame
from latentmap.images.crops import Crops
from latentmap.images.decoding import EncodedImage, Failure, MeasuredImage
from latentmap.images.image_table import IDENTITY_COLUMNS, replace_columns
from latentmap.images.listing import Listing, Skipped
from latentmap.images.path_matching import match_path_ends
from latentmap.images.text_table import unique_column_names
from latentmap.images.tiles import Tiles

MAX_PARTS = 2**24  # of all images together
# Edges of boxes that are off a whole pixel by less than this are rounded to it, and others outwards.
ROUNDING = 1e-3


class _Parts(NamedTuple):
    """Parts of listed images, in the order of the listing.

    Attributes
    ----------
    rows : ndarray (m,), int
        Number of the image of each part.
    boxes : ndarray (m, 4), int
        Edges in that image; zeros for an image that cannot be measured, which has one part.
    origins : ndarray (m,), int, optional
        Row of the table of crops.
    skipped : tuple of Skipped
        Boxes that are no parts.
    """

    rows: NDArray[np.intp]
    boxes: NDArray[np.int64]
    origins: NDArray[np.intp] | None = None
    skipped: tuple[Skipped, ...] = ()


@dataclass(frozen=True)
class Cutter:
    """A way to cut the images of one listing.

    Parameters
    ----------
    listing : Listing
        Images, one row for each.
    cut : Tiles or Crops
    """

    listing: Listing
    cut: Tiles | Crops
    _matched: NDArray[np.intp] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        matched = np.zeros(0, np.intp) if isinstance(self.cut, Tiles) else _match_images(self.cut, self.listing)
        object.__setattr__(self, "_matched", matched)

    @property
    def rows(self) -> NDArray[np.intp]:
        """Rows of the images that have to be measured, (k,), ascending."""
        if isinstance(self.cut, Tiles):
            return np.arange(len(self.listing))
        return np.unique(self._matched[self._matched >= 0])

    def apply(self, measured: list[MeasuredImage | Failure]) -> Listing:
        """List the parts of the images.

        Parameters
        ----------
        measured : list of MeasuredImage or Failure
            Size of each image in :attr:`rows`.

        Returns
        -------
        Listing
            One row for each part, with the columns ``left``, ``top``, ``right``, ``bottom``, ``image_width`` and
            ``image_height``, the other columns of its image, and those of the table of crops. An image that cannot be
            measured has one row, whose image to decode is its failure.

        Raises
        ------
        SourceError
            If there are too many parts.
        """
        rows = self.rows
        failures = {int(row): one for row, one in zip(rows, measured, strict=True) if isinstance(one, Failure)}
        sizes = np.zeros((len(self.listing), 2), np.int64)
        for row, one in zip(rows, measured, strict=True):
            if isinstance(one, MeasuredImage):
                sizes[row] = one.width, one.height
        if isinstance(self.cut, Tiles):
            parts = _tile_parts(self.cut, rows, sizes, self.listing.table["path"])
        else:
            parts = _crop_parts(self.cut, self._matched, sizes, self.listing)
        return _list_parts(self.listing, self.cut, parts, sizes, failures)


def _tile_parts(tiles: Tiles, rows: NDArray[np.intp], sizes: NDArray[np.int64], names: pa.ChunkedArray) -> _Parts:
    counts = [max(1, tiles.count(*size)) for size in sizes[rows].tolist()]
    if sum(counts) > MAX_PARTS:
        most = int(np.argmax(counts))
        raise SourceError(
            f"tiles={tiles.side}: {sum(counts):,} tiles, the limit is {MAX_PARTS:,}: choose larger tiles, or pass "
            f"fewer images (the largest is {names[int(rows[most])].as_py()!r} with {counts[most]:,} tiles)"
        )
    grids = [tiles.grid(*size) for size in sizes[rows].tolist()]
    return _Parts(np.repeat(rows, counts), np.concatenate(grids) if grids else np.zeros((0, 4), np.int64))


def _crop_parts(crops: Crops, matched: NDArray[np.intp], sizes: NDArray[np.int64], listing: Listing) -> _Parts:
    """The boxes within the images that were measured, and one part for each image that was not."""
    origins = np.argsort(matched, kind="stable")
    origins = origins[matched[origins] >= 0]
    names, table = listing.table["path"], Path(crops.source).name
    _warn_of_sizes(crops, matched, sizes, names)
    rows, boxes, kept, skipped = [], [], [], []
    seen: dict[tuple[int, Box], int] = {}
    for origin in origins.tolist():
        row = int(matched[origin])
        size = sizes[row].tolist()
        box = Box(0, 0, 0, 0) if min(size) == 0 else _whole_pixels(crops.boxes[origin], size)
        first = seen.get((row, box)) if isinstance(box, Box) else None
        if first is not None and min(size) == 0:
            continue
        if first is not None:
            box = f"row {first + 1} of {table} has the same box"
        if isinstance(box, str):
            skipped.append(Skipped(f"{names[row].as_py()} (row {origin + 1} of {table})", box))
            continue
        seen[row, box] = origin
        rows.append(row)
        boxes.append(box)
        kept.append(origin)
    skipped += [
        Skipped(f"row {origin + 1} of {table}", "no path in this row")
        for origin, path in enumerate(crops.paths)
        if path is None or not path.strip()
    ]
    edges = np.array(boxes, np.int64).reshape(-1, 4)
    return _Parts(np.array(rows, np.intp), edges, np.array(kept, np.intp), tuple(skipped))


def _whole_pixels(edges: NDArray[np.float64], size: list[int]) -> Box | str:
    """A box in whole pixels within an image, or the reason why there is none."""
    if np.isnan(edges).any():
        return "no box in this row"
    left, top, right, bottom = edges.tolist()
    if right <= left or bottom <= top:
        return "a box without area"
    limits = np.array([*size, *size])
    outwards = np.concatenate([np.floor(edges[:2] + ROUNDING), np.ceil(edges[2:] - ROUNDING)])
    box = Box(*np.clip(outwards, 0, limits).astype(np.int64).tolist())
    if box.right <= box.left or box.bottom <= box.top:
        return f"a box outside of the image, which has {size[0]} × {size[1]} pixels"
    return box


def _match_images(crops: Crops, listing: Listing) -> NDArray[np.intp]:
    """Row of the image of each box, (n,); -1 if no image has the path."""
    names = listing.table["path"].to_pylist()
    rows = {name: row for row, name in enumerate(names)}
    given = [None if path is None else path.strip().replace("\\", "/").removeprefix("./") for path in crops.paths]
    wanted = dict.fromkeys(path for path in given if path)
    ends = match_path_ends(crops.source, wanted, names, set(names))
    found = {path: rows.get(path, rows.get(ends.get(path, ""), -1)) for path in wanted}
    unknown = [path for path, row in found.items() if row < 0]
    several = {without_frame(name) for name in names} - rows.keys()
    advice = next((f"; {path!r} has several pages: write {path}[0]" for path in unknown if path in several), "")
    if wanted and len(unknown) == len(found):
        raise SourceError(
            f"{crops.source}: none of the {counted(len(found), 'image')} that it names is in the source, "
            f"such as {unknown[0]!r}; images have paths such as {names[0]!r}{advice}"
        )
    if not wanted:
        raise SourceError(f"{crops.source}: no boxes with the path of an image in it")
    if unknown:
        missing = set(unknown)
        n_boxes = sum(path in missing for path in given)
        warnings.warn(
            f"{crops.source}: {n_boxes:,} of its boxes are of {counted(len(unknown), 'image')} that "
            f"{'is' if len(unknown) == 1 else 'are'} not in the source, such as {unknown[0]!r}{advice}",
            stacklevel=2,
        )
    return np.array([found[path] if path else -1 for path in given], np.intp)


def _warn_of_sizes(crops: Crops, matched: NDArray[np.intp], sizes: NDArray[np.int64], names: pa.ChunkedArray) -> None:
    """Warn if images have other sizes than the table states, since its boxes are then those of other pixels."""
    stated = (matched >= 0) & np.isfinite(crops.sizes).all(axis=1)
    own = sizes[matched]
    others = np.flatnonzero(stated & (own.min(axis=1) > 0) & (own != crops.sizes).any(axis=1))
    if len(others):
        first, rows = int(others[0]), np.unique(matched[others])
        width, height = crops.sizes[first].astype(int)
        warnings.warn(
            f"{crops.source}: {counted(len(rows), 'image')} of another size than it states, such as "
            f"{names[int(matched[first])].as_py()!r} with {own[first][0]} × {own[first][1]} upright pixels instead of "
            f"{width} × {height}: its boxes may be those of other pixels",
            stacklevel=2,
        )


def _list_parts(
    listing: Listing, cut: Tiles | Crops, parts: _Parts, sizes: NDArray[np.int64], failures: dict[int, Failure]
) -> Listing:
    rows, boxes = parts.rows, parts.boxes
    is_part = np.array([int(row) not in failures for row in rows], bool)

    def read(wanted: NDArray[np.intp]) -> Iterator[EncodedImage]:
        files, counts = np.unique(rows[wanted], return_counts=True)
        chosen = iter(wanted)
        for image, n_wanted in zip(listing.read(files), counts, strict=True):
            for _ in range(n_wanted):
                i = int(next(chosen))
                failure = failures.get(int(rows[i]))
                if failure is None:
                    yield image._replace(box=Box(*boxes[i].tolist()))
                else:
                    yield EncodedImage(failure)

    table = _part_table(listing.table, parts, is_part, sizes, cut)
    files = rows if listing.files is None else listing.files[rows]
    skipped = [*listing.skipped, *parts.skipped]
    return replace(listing, table=table, read=read, files=files, skipped=skipped, is_cut=True)


def _part_table(
    images: pa.Table, parts: _Parts, is_part: NDArray[np.bool_], sizes: NDArray[np.int64], cut: Tiles | Crops
) -> pa.Table:
    """The table of the images with a row for each part, the columns of the boxes, and those of the table of crops."""
    rows = parts.rows
    table = images.take(rows)
    names = zip(table["path"].to_pylist(), parts.boxes.tolist(), is_part.tolist(), strict=True)
    paths = [name + Box(*box).suffix if cut_out else name for name, box, cut_out in names]
    table = replace_columns(table, path=pa.array(paths, pa.string()))
    own = [name for name in table.column_names if name not in (*IDENTITY_COLUMNS, "label")]
    n_first = table.num_columns - len(own)
    # columns of the source that are called like those of boxes get a number
    free = unique_column_names(own, {*BOX_COLUMNS, *WHOLE_COLUMNS, WHOLE_DIGEST_COLUMN, *table.column_names[:n_first]})
    table = table.rename_columns([*table.column_names[:n_first], *free])
    boxes = np.hstack([parts.boxes, sizes[rows]]).astype(np.int32)
    for offset, name in enumerate((*BOX_COLUMNS, *WHOLE_COLUMNS)):
        values = pa.array(boxes[:, offset], mask=~is_part)
        table = table.add_column(n_first + offset, name, values)
    if isinstance(cut, Tiles) or parts.origins is None:
        return table
    return _with_columns_of_crops(table, cut.columns.take(parts.origins))


def _with_columns_of_crops(table: pa.Table, columns: pa.Table) -> pa.Table:
    """Add the columns of the table of crops, whose labels replace those of the images."""
    if "label" in columns.column_names:
        table = table.drop_columns(["label"]) if "label" in table.column_names else table
        table = table.add_column(len(IDENTITY_COLUMNS), "label", columns["label"])
        columns = columns.drop_columns(["label"])
    free = unique_column_names(columns.column_names, {*table.column_names, WHOLE_DIGEST_COLUMN})
    for name, column in zip(free, columns.columns, strict=True):
        table = table.append_column(name, column)
    return table
