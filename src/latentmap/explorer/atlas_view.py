"""The data of a run for the explorer: its tables in the order of the page, its pictures and its model."""

import base64
import io
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
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
from latentmap.core.errors import ChangedError, DamagedError, LatentmapError, RunError
from latentmap.explorer.columns import ERRORS, TREE, Values, as_json, as_text, as_texts, folder_columns, plain, prepare
from latentmap.explorer.zoom_order import bounding_square, order_for_zoom
from latentmap.images.collection import as_png
from latentmap.run import Run, layout, tables
from latentmap.run.edits import MARKS, Edited, Journal
from latentmap.run.run import nearest_rows, sources_of
from latentmap.run.state import FILE as STATE

# Not shown as columns: pictures and vectors, and what the map itself shows.
NOT_COLUMNS = {"image", "latent", "neighbors", "x", "y", "id"}
N_PATHS = 50  # images of a search whose paths come with it
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


class Explored:
    """A finished run, opened for a page. Rows of all that it gives are in the order of :func:`order_for_zoom`.

    Parameters
    ----------
    path : path
        The folder of the run.

    Raises
    ------
    RunError
        If it is no run, or not finished, or damaged, or its tables do not fit each other, as while it is added to.
    """

    def __init__(self, path: str | Path) -> None:
        self._loading = threading.RLock()
        self._comparing = threading.Lock()
        try:
            self._open(Path(path))
        except LatentmapError:
            raise
        except (*ERRORS, OSError, AttributeError, IndexError) as error:
            raise RunError(f"{path}: cannot be shown: a file of it is damaged or missing ({error})") from error

    def _open(self, path: Path) -> None:
        self.run = Run.open(path)
        self.path = self.run.path
        if not (self.path / layout.ATLAS).exists():
            raise RunError(f"{self.path / layout.ATLAS}: not there yet: finish the run with the command that began it")
        self.version = run_version(self.path)
        self._atlas = _stamp(self.path / layout.ATLAS)
        self.table = self._read_table()  # whole, since an addition replaces the file while it is shown
        self.n = self.table.num_rows
        self.xy = self._places()
        self.order, self.level_ends = order_for_zoom(self.xy)
        self.place = np.empty(self.n, np.int32)  # of each id in the order
        self.place[self.order] = np.arange(self.n, dtype=np.int32)
        self.square = bounding_square(self.xy)
        self.xy = self.xy[self.order]
        self.journal = Journal(self.path)
        self._parts = [self.run.images().images, *self.run.added_images()]
        self._starts = np.cumsum([0, *(len(part) for part in self._parts)])
        n_edited = len(self.journal.edited().group)
        if self.n > self._starts[-1] or n_edited != self.n or run_version(self.path) != self.version:
            raise RunError(
                f"{self.path}: its tables do not fit each other ({self.n} images in {layout.ATLAS}, {self._starts[-1]} "
                f"stored, {n_edited} in groups): wait while it is added to; else give its command again"
            )

    def _read_table(self) -> pa.Table:
        """The columns of the atlas but pictures and vectors; of two with one name the first."""
        file = pq.ParquetFile(self.path / layout.ATLAS)
        names = [name for name in file.schema_arrow.names if name not in NOT_COLUMNS or name in ("x", "y")]
        read = file.read(columns=names)
        first = {name: read.column_names.index(name) for name in dict.fromkeys(names)}
        return pa.table({name: plain(read.column(i)) for name, i in first.items()})

    def _places(self) -> NDArray[np.float32]:
        """x, y in the order of the ids."""
        found = [self.table[name].to_numpy().astype(np.float32) for name in "xy"]
        xy = np.column_stack(found)
        if not len(xy) or not np.isfinite(xy).all() or np.abs(xy).max() > 1e30:
            raise RunError(f"{self.path / layout.ATLAS}: images without a place on the map: give the command again")
        return xy

    @property
    def is_current(self) -> bool:
        """Whether the run is still what was opened."""
        try:
            return run_version(self.path) == self.version
        except OSError:  # a file of it is being replaced
            return False

    @property
    def image_shape(self) -> tuple[int, ...]:
        """(height, width) or (height, width, 3)."""
        return tuple(self.run.state["source"]["image_shape"])

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
    def columns(self) -> dict[str, Values]:
        """The columns that a page can use, by name, in the order of the ids."""
        return {name: prepare(name, values) for name, values in self._shown()}

    def _shown(self) -> Iterator[tuple[str, Any]]:
        """Names and values of columns of the atlas that tell something, and of those that come of the paths."""
        entries = [self.run.state["source"], *self.run.state["added"]]
        sources = [one.name for entry in entries for one in sources_of(entry)]
        taken = set(self.table.column_names) | NOT_COLUMNS
        for name in self.table.column_names:
            values = self.table[name]
            if name == "source":
                if len(sources) > 1:
                    yield name, pa.array(sources, pa.string()).take(values.combine_chunks())
            elif name not in ("x", "y") and not (name == "frame" and values.null_count == self.n):
                yield name, values
        if "path" in self.table.column_names:
            label = self.table["label"] if "label" in self.table.column_names else None
            yield from folder_columns(self.table["path"], taken, label)

    def column(self, name: str) -> bytes:
        """One column as an Arrow stream: float32, codes of categories (-1: none), or text."""
        values = self.columns[name].values
        return as_stream(
            {"values": values.take(pa.array(self.order)) if isinstance(values, pa.Array) else values[self.order]}
        )

    def facts(self, image: int) -> dict[str, Any]:
        """The columns of one image, as JSON can hold them."""
        names = [name for name in self.table.column_names if name not in ("x", "y", TREE)]
        return {name: as_json(self.table[name][image]) for name in names}

    def path_of(self, image: int) -> str:
        """The path of one image."""
        return str(as_text(self.table["path"][image]) or "")

    @once
    def _sought(self) -> list[Any]:
        """The texts that a search looks into."""
        return [
            _folded(as_texts(plain(self.table[name]))) for name in ("path", "label") if name in self.table.column_names
        ]

    def search(self, text: str) -> list[int]:
        """The images in whose path or label a text occurs, whatever its case and its Unicode form: ids."""
        wanted = _folded(pa.array([text]))[0].as_py()
        found = np.zeros(self.n, bool)
        for texts in self._sought:
            found |= pc.match_substring(texts, wanted).fill_null(False).to_numpy(zero_copy_only=False)
        edited = self.journal.edited()
        given = [
            i for i, label in enumerate(_folded(pa.array(edited.labels, pa.string())).to_pylist()) if wanted in label
        ]
        found |= np.isin(edited.label, given)
        ids: list[int] = np.flatnonzero(found).tolist()
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
        """Latent vectors, in the order of the ids.

        Raises
        ------
        ChangedError
            If the run was changed since it was opened.
        """
        try:
            found = tables.read_column(self.path / layout.ATLAS, "latent")
        except RunError as error:
            raise DamagedError(f"{self.path / layout.ATLAS}: latent vectors cannot be read ({error})") from error
        if _stamp(self.path / layout.ATLAS) != self._atlas or len(found) != self.n or found.ndim != 2:
            raise ChangedError("the run has changed on disk: load the page again")
        return found

    @once
    def model(self) -> Autoencoder:
        """The network of the run."""
        return self.run.model()

    @once
    def _on_map(self) -> cKDTree:
        return cKDTree(self.xy)

    def warm(self) -> None:
        """Load what the first questions will need."""
        with suppress(ValueError, OSError):  # the first question will say it
            _ = self.columns
            self.decode(self.xy[:1])

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
        """Images that the decoder draws at places of the map: (m, *image_shape) uint8."""
        return self.draw(self.latents_at(places))

    def draw(self, latents: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Draw latent vectors: (m, *image_shape) uint8."""
        return as_bytes(self.model.inverse_transform(latents))

    def reconstruct(self, image: int) -> NDArray[np.uint8]:
        """The reconstruction of one image."""
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
    return "-".join(_stamp(folder / name) for name in (STATE, layout.ATLAS))


def _stamp(path: Path) -> str:
    """Changes when a file does."""
    return f"{path.stat().st_mtime_ns:x}"


def _folded(texts: Any) -> Any:
    """Texts as a search compares them: composed, as macOS does not write them, and in lower case."""
    return pc.utf8_lower(pc.utf8_normalize(texts, form="NFC"))


def as_base64(data: bytes) -> str:
    """Bytes as text that JSON can hold."""
    return base64.b64encode(data).decode()
