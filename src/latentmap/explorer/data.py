"""What the explorer knows of a run: its tables in the order of the page, its pictures, its model."""

import io
import math
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image
from scipy.spatial import cKDTree

from latentmap.autoencoder import Autoencoder
from latentmap.explorer.ordering import bounding_square, order_for_zoom
from latentmap.images.collection import as_png
from latentmap.run import Run, files, tables
from latentmap.run.edits import MARKS, Edited, Journal
from latentmap.run.run import nearest_rows
from latentmap.run.state import FILE as STATE

MOST_CATEGORIES = 200
# Not shown as columns: pictures and vectors, and what the map itself shows.
NOT_COLUMNS = {"image", "latent", "x", "y", "id"}
MILLISECONDS = 80  # of a frame of an animation
T = TypeVar("T")
N_INTERPOLATED = 6  # neighbours on the map whose latent vectors make that of an empty place


class once(Generic[T]):  # noqa: N801, as functools.cached_property
    """A property that is computed when it is first asked for, by one thread however many ask."""

    def __init__(self, make: Callable[[Any], T]) -> None:
        self._make = make

    def __set_name__(self, _: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: Any, _: type | None = None) -> T:
        values = instance.__dict__  # from where it comes the next time
        with instance._loading:
            if self._name not in values:
                values[self._name] = self._make(instance)
            found: T = values[self._name]
            return found


@dataclass(frozen=True)
class Column:
    """A column that a page can colour and filter by. ``kind`` is number, category or text."""

    name: str
    kind: str
    low: float = 0.0
    high: float = 0.0
    categories: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """As JSON can hold it."""
        if self.kind == "number":
            return {"name": self.name, "kind": self.kind, "low": self.low, "high": self.high}
        return {"name": self.name, "kind": self.kind, "categories": list(self.categories)}


class Explored:
    """A finished run, opened for a page. Rows of all that it gives are in the order of :func:`order_for_zoom`.

    Parameters
    ----------
    path : path
        The folder of the run.

    Raises
    ------
    RunError
        If it is no run, or not finished.
    """

    def __init__(self, path: str | Path) -> None:
        self.run = Run.open(path)
        self.path = self.run.path
        self.journal = Journal(self.path)
        self.version = run_version(self.path)
        schema = pq.read_schema(self.path / files.ATLAS)
        self.names = [name for name in schema.names if name not in NOT_COLUMNS]
        xy = np.column_stack([self._read(name) for name in "xy"])
        self.n = len(xy)
        self.order, self.level_ends = order_for_zoom(xy)
        self.place = np.empty(self.n, np.int32)  # of each id in the order
        self.place[self.order] = np.arange(self.n, dtype=np.int32)
        self.xy = xy[self.order]
        self.square = bounding_square(xy)
        self._parts = [self.run.images().images, *self.run.added_images()]
        self._starts = np.cumsum([0, *(len(part) for part in self._parts)])
        self._loading = threading.RLock()
        self._comparing = threading.Lock()

    @property
    def is_current(self) -> bool:
        """Whether the run is still what was opened."""
        return run_version(self.path) == self.version

    @property
    def image_shape(self) -> tuple[int, ...]:
        """(height, width) or (height, width, 3)."""
        return tuple(self.run.state["source"]["image_shape"])

    def _read(self, name: str) -> NDArray[Any]:
        return tables.read_column(self.path / files.ATLAS, name)

    # ---------------------------------------------------------------- tables

    def points(self) -> bytes:
        """id, x, y as an Arrow stream."""
        return as_stream({"id": self.order.astype(np.int32), "x": self.xy[:, 0], "y": self.xy[:, 1]})

    def edited_columns(self, edited: Edited) -> bytes:
        """group, label (-1: none) and marks, a bit each, of each image as an Arrow stream."""
        marks = np.zeros(self.n, np.uint8)
        for bit, name in enumerate(MARKS):
            marks |= edited.marks[name].astype(np.uint8) << bit
        columns: dict[str, NDArray[Any]] = {"group": edited.group, "label": edited.label, "marks": marks}
        return as_stream({name: values[self.order] for name, values in columns.items()})

    @once
    def columns(self) -> dict[str, Column]:
        """The columns of the atlas that a page can use."""
        return {name: self._describe(name) for name in self.names}

    def _describe(self, name: str) -> Column:
        values = self._column(name)
        if pa.types.is_dictionary(values.type):
            return Column(name, "category", categories=tuple(values.dictionary.to_pylist()))
        if pa.types.is_floating(values.type):
            finite = values.to_numpy(zero_copy_only=False)
            finite = finite[np.isfinite(finite)]
            ends = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 0.0)
            return Column(name, "number", *ends)
        return Column(name, "text")

    def column(self, name: str) -> bytes:
        """One column as an Arrow stream: float32, codes of categories (-1: none), or text."""
        values = self._column(name).take(pa.array(self.order))
        if pa.types.is_dictionary(values.type):
            values = values.indices.fill_null(-1)
        return as_stream({"values": values})

    def _column(self, name: str) -> Any:
        """Numbers as float32, few different texts as a dictionary, many as text; in the order of the ids."""
        values = pq.read_table(self.path / files.ATLAS, columns=[name])[name].combine_chunks()
        kind = values.type
        if name == "tree":  # as many ways as there are blocks; null for images that were added later
            return values.dictionary_encode()
        if pa.types.is_floating(kind) or pa.types.is_integer(kind):
            whole = pa.types.is_integer(kind) and pc.count_distinct(values).as_py() <= 20
            if not whole:
                return values.cast(pa.float32(), safe=False)
        if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
            values = _as_strings(values)
        if pc.count_distinct(values).as_py() > MOST_CATEGORIES:
            return values.fill_null("")
        ordered = pa.array(_sorted(values.unique().drop_null().to_pylist()), pa.string())
        codes = pc.index_in(values, ordered).cast(pa.int16())
        return pa.DictionaryArray.from_arrays(codes, ordered)

    def facts(self, image: int) -> dict[str, Any]:
        """The columns of one image, as JSON can hold them."""
        row = self._facts.slice(image, 1).to_pylist()[0]
        return {name: _plain(value) for name, value in row.items()}

    @once
    def _facts(self) -> pa.Table:
        return pq.read_table(self.path / files.ATLAS, columns=[name for name in self.names if name != "tree"])

    def search(self, text: str, most: int) -> list[int]:
        """The images whose path holds a text, whatever its case: ids."""
        found = pc.match_substring(self._facts["path"], text, ignore_case=True)
        ids: list[int] = np.flatnonzero(found.to_numpy())[:most].tolist()
        return ids

    # ---------------------------------------------------------------- pictures

    def pixels(self, image: int) -> NDArray[np.uint8]:
        """One image by its id."""
        part = int(np.searchsorted(self._starts, image, side="right")) - 1
        pixels: NDArray[np.uint8] = self._parts[part][image - self._starts[part]]
        return pixels

    def png(self, image: int) -> bytes:
        """One image as a PNG file."""
        return as_png(np.asarray(self.pixels(image)))

    # ---------------------------------------------------------------- latent space

    @once
    def latents(self) -> NDArray[np.float32]:
        """Latent vectors, in the order of the ids."""
        return self._read("latent")

    @once
    def model(self) -> Autoencoder:
        """The network of the run."""
        return self.run.model()

    @once
    def _on_map(self) -> cKDTree:
        return cKDTree(self.xy)

    def warm(self) -> None:
        """Load what the first questions will need."""
        self.decode(self.xy[:1])
        _ = self.columns, self._facts

    def neighbors(self, image: int, n: int) -> list[dict[str, Any]]:
        """The images with the nearest latent vectors, itself left out."""
        return [one for one in self.like(self.latents[image], n + 1) if one["id"] != image][:n]

    def like(self, latent: NDArray[np.float32], n: int) -> list[dict[str, Any]]:
        """The images nearest to a latent vector."""
        with self._comparing:  # each has all cores; many at once would only wait for each other
            rows, distances = nearest_rows(self.latents, latent, n)
        return [{"id": int(row), "distance": float(d)} for row, d in zip(rows, distances, strict=True)]

    def latents_at(self, places: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
        """Latent vectors of places of the map: means of those of the nearest points, the nearer the more."""
        k = min(N_INTERPOLATED, self.n)
        distances, rows = self._on_map.query(places, k=k)
        distances, rows = distances.reshape(len(places), k), rows.reshape(len(places), k)
        near = distances[:, :1] / 2 + 1e-9 * self.square[2]
        weights = 1 / (distances**2 + near**2)
        weights /= weights.sum(axis=1, keepdims=True)
        found: NDArray[np.float32] = np.einsum("ij,ijk->ik", weights, self.latents[self.order[rows]]).astype(np.float32)
        return found

    def decode(self, places: NDArray[np.floating[Any]]) -> NDArray[np.uint8]:
        """What the decoder draws at places of the map: (m, *image_shape) uint8."""
        return self.draw(self.latents_at(places))

    def draw(self, latents: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Draw latent vectors: (m, *image_shape) uint8."""
        return as_bytes(self.model.inverse_transform(latents))

    def reconstruct(self, image: int) -> NDArray[np.uint8]:
        """What the network makes of one image."""
        (drawn,) = as_bytes(self.model.reconstruct(np.asarray(self.pixels(image))[None]))
        return np.asarray(drawn)


def as_bytes(images: NDArray[np.floating[Any]]) -> NDArray[np.uint8]:
    """[0, 1] → uint8."""
    pixels: NDArray[np.uint8] = np.clip(images * 255 + 0.5, 0, 255).astype(np.uint8)
    return pixels


def as_stream(columns: dict[str, Any]) -> bytes:
    """Columns as an Arrow IPC stream."""
    table = pa.table(columns).combine_chunks()
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def strip(images: NDArray[np.uint8]) -> bytes:
    """Images side by side as a PNG file."""
    return as_png(np.concatenate(list(images), axis=1))


def animation(images: NDArray[np.uint8]) -> bytes:
    """Images one after the other, there and back, as a GIF file."""
    frames = [Image.fromarray(image) for image in (*images, *images[-2:0:-1])]
    file = io.BytesIO()
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:], duration=MILLISECONDS, loop=0)
    return file.getvalue()


def run_version(folder: Path) -> str:
    """Changes when the run does."""
    stamps = [(folder / name).stat() for name in (STATE, files.ATLAS)]
    return "-".join(f"{stamp.st_mtime_ns:x}" for stamp in stamps)


def _as_strings(values: Any) -> Any:
    try:
        return values.cast(pa.string())
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
        return pa.array([_text(value) for value in values.to_pylist()], pa.string())


def _plain(value: Any) -> Any:
    """A value as JSON can hold it."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, int | float) else _text(value)


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _sorted(names: list[str]) -> list[str]:
    """Numbers by their size, before words."""
    return sorted(names, key=lambda name: (0, float(name), "") if _is_number(name) else (1, 0.0, name))


def _is_number(name: str) -> bool:
    try:
        return float(name) == float(name)
    except ValueError:
        return False
