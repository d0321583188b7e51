"""The files of rows of a folder of static files: gzip-compressed Arrow streams of points, columns and neighbours."""

import gzip
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from latentmap.core.atomic_files import write_bytes
from latentmap.core.errors import RunError
from latentmap.explorer.atlas_view import AtlasView, as_stream
from latentmap.explorer.channel_mixing import current_mixing
from latentmap.explorer.one_file import N_NEIGHBORS, as_webp, nearest_others
from latentmap.explorer.published_names import published_texts
from latentmap.explorer.sprite_sheets import SpriteSheets
from latentmap.run.edits import MARKS

N_ROWS = 16_384  # in a file of points or of a column
N_ROWS_OF_TEXT = 4096
N_ROWS_OF_NEIGHBORS = 2048
GZIP_LEVEL = 6
N_COMPARED = 64  # rows whose distances tell whether the neighbours of the run are those of the vectors
TOLERANCE = 1e-3


class SiteTables:
    """The rows of a run, in zoom order and in files of a fixed number of rows.

    Parameters
    ----------
    data : AtlasView
        The run.
    """

    def __init__(self, data: AtlasView) -> None:
        self._data = data

    @property
    def n_files(self) -> int:
        """Number of files that ``write`` makes."""
        n, values = self._data.n, self._data.columns.values()
        columns: int = sum(_n_files(n, _rows_of(one.column.kind)) for one in values)
        neighbors = _n_files(n, N_ROWS_OF_NEIGHBORS) if n > 1 else 0
        return 2 * _n_files(n, N_ROWS) + columns + neighbors

    def boxes(self) -> NDArray[np.float32]:
        """Left, bottom, right and top of the points of each file, (m, 4)."""
        xy = self._data.xy
        parts = [xy[first : first + N_ROWS] for first in range(0, len(xy), N_ROWS)]
        return np.array([[*part.min(axis=0), *part.max(axis=0)] for part in parts], np.float32)

    def write(self, folder: Path) -> Iterator[Path]:
        """Write the files that are not in a folder yet, and yield each."""
        data = self._data
        yield from write_rows(folder / "points", data.n, N_ROWS, self._points)
        yield from write_rows(folder / "places", data.n, N_ROWS, lambda: {"place": data.place})
        for number, one in enumerate(data.columns.values()):
            values, rows = partial(self._column, one.values), _rows_of(one.column.kind)
            yield from write_rows(folder / "columns" / str(number), data.n, rows, values)
        if data.n > 1:
            yield from write_rows(folder / "neighbors", data.n, N_ROWS_OF_NEIGHBORS, self._neighbors)

    def write_sheets(self, sheets: SpriteSheets, folder: Path, n_sheets: int) -> Iterator[Path]:
        """Write the sprite sheets that are not there yet as WebP files, and yield each."""
        mixing = current_mixing(self._data)

        def make(sheet: int) -> Path:
            path = folder / f"{sheet:05d}.webp"
            if not path.exists():
                write_bytes(path, as_webp(sheets, sheet, mixing))
            return path

        folder.mkdir(parents=True, exist_ok=True)
        n_threads = os.cpu_count() or 1
        with ThreadPoolExecutor(n_threads) as threads:  # the encoder runs without the lock of the interpreter
            for first in range(0, n_sheets, 4 * n_threads):  # so that an interrupt ends it soon
                yield from threads.map(make, range(first, min(n_sheets, first + 4 * n_threads)))

    def _points(self) -> dict[str, NDArray[Any]]:
        data, edited = self._data, self._data.journal.edited()
        marks = np.zeros(data.n, np.uint8)
        for bit, name in enumerate(MARKS):
            marks |= edited.marks[name].astype(np.uint8) << bit
        rows = {"id": np.arange(data.n, dtype=np.int32), "group": edited.group, "label": edited.label, "marks": marks}
        return {"x": data.xy[:, 0], "y": data.xy[:, 1]} | {name: one[data.order] for name, one in rows.items()}

    def _column(self, values: Any) -> dict[str, Any]:
        order = self._data.order
        is_text = isinstance(values, pa.Array)
        return {"values": published_texts(values).take(pa.array(order)) if is_text else values[order]}

    def _neighbors(self) -> dict[str, NDArray[Any]]:
        """Places in the zoom order and distances of the nearest images of each, (n, k), nearest first."""
        ids, distances = nearest_images(self._data, min(N_NEIGHBORS, self._data.n - 1))
        order = self._data.order
        return {"places": self._data.place[ids[order]], "distances": distances[order].astype(np.float32)}


def nearest_images(data: AtlasView, k: int) -> tuple[NDArray[np.integer[Any]], NDArray[np.floating[Any]]]:
    """The nearest other images of each image by id, and their distances: those that the run has, or else searched."""
    vectors = data.vectors
    try:
        graph = data.run.neighbors()
    except RunError:  # of groups by K-means, or damaged
        return nearest_others(vectors, k)
    indices, distances = graph.indices, graph.distances
    if len(indices) == data.n and indices.shape[1] >= k:
        rows = np.linspace(0, data.n - 1, min(N_COMPARED, data.n)).astype(int)
        own = np.linalg.norm(vectors[rows, None] - vectors[indices[rows, :k]], axis=2)
        # other distances, as those along tangents, are not those by which the explorer finds neighbours
        if np.allclose(own, distances[rows, :k], rtol=TOLERANCE, atol=TOLERANCE * float(own.max(initial=0))):
            return indices[:, :k], distances[:, :k]
    return nearest_others(vectors, k)


def _rows_of(kind: str) -> int:
    return N_ROWS_OF_TEXT if kind == "text" else N_ROWS


def _n_files(n: int, rows: int) -> int:
    return -(-n // rows)


def write_rows(folder: Path, n: int, rows: int, read: Callable[[], dict[str, Any]]) -> Iterator[Path]:
    """Write the ranges of rows that are not in a folder yet, and yield each.

    Parameters
    ----------
    folder : Path
    n : int
        Number of rows.
    rows : int
        Number of rows in a file.
    read : callable
        Returns columns of n rows by name; called once if a file is missing. A column of k values a row is written row
        after row.
    """
    folder.mkdir(parents=True, exist_ok=True)
    columns: dict[str, Any] = {}
    for number, first in enumerate(range(0, n, rows)):
        path = folder / f"{number:05d}.bin"
        if not path.exists():
            columns = columns or read()
            parts = {name: values[first : first + rows] for name, values in columns.items()}
            flat = {name: part if isinstance(part, pa.Array) else part.ravel() for name, part in parts.items()}
            write_bytes(path, compressed(as_stream(flat)))
        yield path


def compressed(data: bytes) -> bytes:
    """Bytes as those of a gzip file, which are the same each time."""
    return gzip.compress(data, GZIP_LEVEL, mtime=0)
