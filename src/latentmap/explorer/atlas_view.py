"""The data of a run for the explorer: its tables in zoom order, its pictures and its model."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from latentmap.audit.issues import SCHEMA
from latentmap.autoencoder import Autoencoder, ImageDecoder
from latentmap.core.errors import ChangedError, DamagedError, LatentmapError, RunError
from latentmap.encoder import ImageEncoder
from latentmap.explorer.columns import (
    ERRORS,
    TREE_COLUMN,
    Values,
    as_json,
    folder_columns,
    plain,
    prepare,
    to_text,
    to_texts,
)
from latentmap.explorer.issue_queues import IssueQueues
from latentmap.explorer.locked_property import locked_cached_property
from latentmap.explorer.zoom_order import bounding_square, order_for_zoom
from latentmap.features import ImageFeatures
from latentmap.features.reweighting import distances_by_factors, weighted_kinds
from latentmap.images.collection import as_png
from latentmap.images.mixing import Mixing, as_picture
from latentmap.images.pixel_types import as_pixels
from latentmap.run import Run, layout, tables
from latentmap.run.auditing import FILE_FACTS
from latentmap.run.channel_records import mixing_of
from latentmap.run.edits import MARKS, EditedRun, Journal, current_user
from latentmap.run.run import nearest_rows, sources_of
from latentmap.run.state import STATE_FILE as STATE

# Not columns of the page: pictures, vectors, and what the map itself shows.
NOT_COLUMNS = {*tables.PICTURES, *tables.VECTORS, "neighbors", "x", "y", "id"}
N_INTERPOLATED = 6  # nearest points whose latent vectors give that of a place on the map
MAX_COORDINATE = 1e30


class AtlasView:
    """A finished run, opened for the page.

    Parameters
    ----------
    path : path
        Folder of the run.
    user : str, optional
        Name by which edits are recorded; by default that of this user on the system.

    Attributes
    ----------
    run : Run
        The run.
    version : str
        Changes when the run does.
    n : int
        Number of images.
    order : ndarray (n,), int
        Ids of the images in the order of :func:`order_for_zoom`, in which points and columns are sent.
    place : ndarray (n,), int32
        Position of each id in ``order``.
    xy : ndarray (n, 2), float32
        Places on the map, in the order of ``order``.
    square : (float, float, float)
        Left, bottom and side of the bounding square of the map.
    level_ends : list of int
        Number of images that make up each level of detail.
    journal : Journal
        Edits of the run.

    Raises
    ------
    RunError
        If the folder is not a finished run, or is damaged, or its tables do not fit each other, as during an addition.
    """

    def __init__(self, path: str | Path, user: str | None = None) -> None:
        self._loading = threading.RLock()
        self._comparing = threading.Lock()
        try:
            self._open(Path(path), user)
        except LatentmapError:
            raise
        except (*ERRORS, OSError, AttributeError, IndexError) as error:
            raise RunError(f"{path}: cannot be shown: a file of it is damaged or missing ({error})") from error

    def _open(self, path: Path, user: str | None) -> None:
        self.run = Run.open(path)
        self.path = self.run.path
        if not (self.path / layout.ATLAS).exists():
            raise RunError(f"{self.path / layout.ATLAS}: not there yet: finish the run with the command that began it")
        self.version = run_version(self.path)
        self._atlas = _stamp(self.path / layout.ATLAS)
        self.table = self._read_table()  # read whole: an addition replaces the file while the run is open
        self.n = self.table.num_rows
        self.xy = self._places()
        self.order, self.level_ends = order_for_zoom(self.xy)
        self.place = np.empty(self.n, np.int32)
        self.place[self.order] = np.arange(self.n, dtype=np.int32)
        self.square = bounding_square(self.xy)
        self.xy = self.xy[self.order]
        self.journal = Journal(self.path, user or current_user())
        self._parts = [self.run.images().images, *self.run.added_images()]
        self._starts = np.cumsum([0, *(len(part) for part in self._parts)])
        n_edited = len(self.journal.edited().group)
        if self.n > self._starts[-1] or n_edited != self.n or run_version(self.path) != self.version:
            raise RunError(
                f"{self.path}: its tables do not fit each other ({self.n} images in {layout.ATLAS}, {self._starts[-1]} "
                f"stored, {n_edited} in groups): wait while it is added to; else give its command again"
            )

    def _read_table(self) -> pa.Table:
        """The columns of the atlas without pictures and vectors; the first of two with the same name."""
        file = pq.ParquetFile(self.path / layout.ATLAS)
        names = [name for name in file.schema_arrow.names if name not in NOT_COLUMNS or name in ("x", "y")]
        read = file.read(columns=names)
        first = {name: read.column_names.index(name) for name in dict.fromkeys(names)}
        return pa.table({name: plain(read.column(i)) for name, i in first.items()})

    def _places(self) -> NDArray[np.float32]:
        """x, y in the order of the ids."""
        found = [self.table[name].to_numpy().astype(np.float32) for name in "xy"]
        xy = np.column_stack(found)
        if not len(xy) or not np.isfinite(xy).all() or np.abs(xy).max() > MAX_COORDINATE:
            raise RunError(f"{self.path / layout.ATLAS}: images without a place on the map: give the command again")
        return xy

    @property
    def is_current(self) -> bool:
        """Whether the run on disk is still the version that was opened."""
        try:
            return run_version(self.path) == self.version
        except OSError:  # a file of it is being replaced
            return False

    @property
    def image_shape(self) -> tuple[int, ...]:
        """(height, width) or (height, width, channels)."""
        return tuple(self.run.state["source"]["image_shape"])

    # ---------------------------------------------------------------- tables

    def points(self) -> bytes:
        """id, x, y as an Arrow stream."""
        return as_stream({"id": self.order.astype(np.int32), "x": self.xy[:, 0], "y": self.xy[:, 1]})

    def edited_columns(self, edited: EditedRun) -> bytes:
        """group, label (-1: none) and marks (a bit each) of each image as an Arrow stream."""
        marks = np.zeros(self.n, np.uint8)
        for bit, name in enumerate(MARKS):
            marks |= edited.marks[name].astype(np.uint8) << bit
        columns: dict[str, NDArray[Any]] = {"group": edited.group, "label": edited.label, "marks": marks}
        return self.in_point_order(columns)

    def in_point_order(self, columns: dict[str, NDArray[Any]]) -> bytes:
        """Columns in the order of the ids as an Arrow stream in the order of the points."""
        return as_stream({name: values[self.order] for name, values in columns.items()})

    @locked_cached_property
    def issues(self) -> IssueQueues:
        """The issues that the audit found; none in a run of a version without an audit."""
        return IssueQueues(self.run.issues() if (self.path / layout.ISSUES).exists() else SCHEMA.empty_table())

    @locked_cached_property
    def columns(self) -> dict[str, Values]:
        """The columns of the page by name, in the order of the ids; each is read and classified once."""
        return {name: prepare(name, values) for name, values in self._informative()}

    def _informative(self) -> Iterator[tuple[str, Any]]:
        """Names and values of the informative columns of the atlas, and of those derived from the paths."""
        entries = [self.run.state["source"], *self.run.state["added"]]
        sources = [one.name for entry in entries for one in sources_of(entry)]
        taken = set(self.table.column_names) | NOT_COLUMNS
        for name in self.table.column_names:
            values = self.table[name]
            if name == "source":
                if len(sources) > 1:
                    yield name, pa.array(sources, pa.string()).take(values.combine_chunks())
            elif name not in ("x", "y") and not (name == "frame" and values.null_count == self.n):
                is_of_file = name in FILE_FACTS.values()
                if not (is_of_file and pc.count_distinct(values, mode="all").as_py() == 1):
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
        names = [name for name in self.table.column_names if name not in ("x", "y", TREE_COLUMN)]
        return {name: as_json(self.table[name][image]) for name in names}

    def path_of(self, image: int) -> str:
        """The path of one image."""
        return str(to_text(self.table["path"][image]) or "")

    @locked_cached_property
    def _searched(self) -> list[Any]:
        """The texts that a search looks into."""
        return [
            _folded(to_texts(plain(self.table[name]))) for name in ("path", "label") if name in self.table.column_names
        ]

    def search(self, text: str) -> list[int]:
        """Ids of the images whose path or label contains a text, whatever its case and Unicode form."""
        wanted = _folded(pa.array([text]))[0].as_py()
        found = np.zeros(self.n, bool)
        for texts in self._searched:
            found |= pc.match_substring(texts, wanted).fill_null(False).to_numpy(zero_copy_only=False)
        edited = self.journal.edited()
        given = [
            i for i, label in enumerate(_folded(pa.array(edited.labels, pa.string())).to_pylist()) if wanted in label
        ]
        found |= np.isin(edited.label, given)
        ids: list[int] = np.flatnonzero(found).tolist()
        return ids

    # ---------------------------------------------------------------- pictures

    def pixels(self, image: int) -> NDArray[Any]:
        """One image by its id, uint8 or uint16."""
        part = int(np.searchsorted(self._starts, image, side="right")) - 1
        pixels: NDArray[Any] = self._parts[part][image - self._starts[part]]
        return pixels

    @locked_cached_property
    def mixing(self) -> Mixing | None:
        """The colours of the channels that the run has recorded; None for grey and RGB."""
        return mixing_of(self.run.state["source"])

    def png(self, image: int, mixing: Mixing | None = None) -> bytes:
        """One image as a PNG file, with its channels mixed by the given colours."""
        return as_png(as_picture(np.asarray(self.pixels(image)), mixing))

    # ---------------------------------------------------------------- latent space

    @locked_cached_property
    def latents(self) -> NDArray[np.float32]:
        """Latent vectors, in the order of the ids.

        Raises
        ------
        ChangedError
            If the run was changed since it was opened.
        """
        return self._read_vectors("latent")

    @locked_cached_property
    def vectors(self) -> NDArray[np.float32]:
        """Vectors by which neighbours are found, in the order of the ids: features, or scaled latent vectors.

        Raises
        ------
        ChangedError
            If the run was changed since it was opened.
        """
        return self._read_vectors("features") if self.run.has_features else self.run.as_points(self.latents)

    def _read_vectors(self, name: str) -> NDArray[np.float32]:
        try:
            found = tables.read_column(self.path / layout.ATLAS, name)
        except RunError as error:
            raise DamagedError(f"{self.path / layout.ATLAS}: vectors cannot be read ({error})") from error
        if _stamp(self.path / layout.ATLAS) != self._atlas or len(found) != self.n or found.ndim != 2:
            raise ChangedError("the run has changed on disk: load the page again")
        return found

    @locked_cached_property
    def model(self) -> Autoencoder:
        """The network of the run."""
        return self.run.model()

    def vectors_of(self, pixels: NDArray[Any]) -> NDArray[np.float32]:
        """Vectors of new images, by which their neighbours are found."""
        if self.run.has_features:
            return self._features.transform(pixels)
        return self.run.points_of(pixels) if self.run.has_vectors else self.model.transform(pixels)

    @locked_cached_property
    def encoder(self) -> ImageEncoder:
        """The frozen encoder of the run."""
        return self.run.encoder()

    @locked_cached_property
    def _decoder(self) -> ImageDecoder:
        return self.run.decoder()

    @locked_cached_property
    def _features(self) -> ImageFeatures:
        return self.run.features()

    @locked_cached_property
    def _on_map(self) -> cKDTree:
        return cKDTree(self.xy)

    def warm(self) -> None:
        """Load what the first requests need."""
        with suppress(ValueError, OSError):  # the first request reports it
            _ = self.columns
            if self.run.has_decoder:
                self.decode(self.xy[:1])

    @locked_cached_property
    def weights(self) -> dict[str, float]:
        """The kinds of features that can be weighted, with the weights that the data chose; none without features."""
        return weighted_kinds(self._features.weights_) if self.run.has_features else {}

    def reweighted(self, rows: NDArray[np.intp], weights: Mapping[str, float]) -> NDArray[np.float32]:
        """Features of some images by other weights of the kinds."""
        return self._features.reweighted(self.vectors[rows], weights)

    def neighbors(self, image: int, n: int, weights: Mapping[str, float] | None = None) -> list[dict[str, Any]]:
        """The images nearest to one image, without the image itself."""
        return [one for one in self.nearest(self.vectors[image], n + 1, weights) if one["id"] != image][:n]

    def distances(self, image: int, weights: Mapping[str, float] | None = None) -> NDArray[np.float32]:
        """Distances of all images to one, in the order of the ids.

        Raises
        ------
        InputError
            If the weights are none of these features.
        """
        vectors = self.vectors
        with self._comparing:
            if weights is not None:
                return self._features.distances(vectors, vectors[image], weights)
            return distances_by_factors(vectors, vectors[image], np.ones(vectors.shape[1], np.float32))

    def nearest(
        self, vector: NDArray[np.float32], n: int, weights: Mapping[str, float] | None = None
    ) -> list[dict[str, Any]]:
        """The images nearest to a latent vector, or to features where the run has them.

        Parameters
        ----------
        vector : array (d,), float32
        n : int
        weights : mapping of str to float, optional
            Weight of each kind of feature; by default those that the data chose.

        Raises
        ------
        InputError
            If the weights are none of these features.
        """
        with self._comparing:  # one search uses all cores
            rows, distances = (
                nearest_rows(self.vectors, vector, n)
                if weights is None
                else self._features.nearest(self.vectors, vector, weights, n)
            )
        found: list[dict[str, Any]] = [
            {"id": int(row), "distance": float(d)} for row, d in zip(rows, distances, strict=True)
        ]
        if self.run.has_features:
            for one, fractions in zip(found, self._fractions(vector, rows, weights), strict=True):
                one["fractions"] = fractions
        return found

    def _fractions(
        self, vector: NDArray[np.float32], rows: NDArray[np.intp], weights: Mapping[str, float] | None
    ) -> list[dict[str, float]]:
        """Fraction of each kind of feature in the squared distance of a vector to some images."""
        one, others = vector[None], self.vectors[rows]
        if weights is not None:
            one, others = self._features.reweighted(one, weights), self._features.reweighted(others, weights)
        found = self._features.distance_fractions(np.repeat(one, len(rows), axis=0), others)
        return [{kind: round(float(fraction[i]), 4) for kind, fraction in found.items()} for i in range(len(rows))]

    def latents_at(self, places: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
        """Latent vectors of places of the map: means over the nearest points, weighted by inverse square distance."""
        k = min(N_INTERPOLATED, self.n)
        distances, rows = self._on_map.query(places, k=k)
        distances, rows = distances.reshape(len(places), k), rows.reshape(len(places), k)
        near = distances[:, :1] / 2 + 1e-9 * self.square[2]
        weights = 1 / (distances**2 + near**2)
        weights /= weights.sum(axis=1, keepdims=True)
        found: NDArray[np.float32] = np.einsum("ij,ijk->ik", weights, self.latents[self.order[rows]]).astype(np.float32)
        return found

    def decode(self, places: NDArray[np.floating[Any]]) -> NDArray[Any]:
        """Decode places of the map, (m, 2): (m, *image_shape), of the type of the run's pixels."""
        return self.draw(self.latents_at(places))

    def draw(self, latents: NDArray[np.float32]) -> NDArray[Any]:
        """Decode latent vectors, (m, d): (m, *image_shape), of the type of the run's pixels."""
        drawn = self._decoder.predict(latents) if self.run.has_vectors else self.model.inverse_transform(latents)
        return as_pixels(drawn, self.run.pixel_dtype)

    def reconstruct(self, image: int) -> NDArray[Any]:
        """The reconstruction of one image."""
        if self.run.has_vectors:
            (drawn,) = self.draw(self.latents[image][None])
        else:
            unit = self.model.reconstruct(np.asarray(self.pixels(image))[None])
            (drawn,) = as_pixels(unit, self.run.pixel_dtype)
        return np.asarray(drawn)


def as_stream(columns: dict[str, Any]) -> bytes:
    """Columns as an Arrow IPC stream."""
    table = pa.table(columns).combine_chunks()
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def run_version(folder: Path) -> str:
    """Changes when the run does."""
    return "-".join(_stamp(folder / name) for name in (STATE, layout.ATLAS))


def _stamp(path: Path) -> str:
    """Changes when a file does."""
    return f"{path.stat().st_mtime_ns:x}"


def _folded(texts: Any) -> Any:
    """Texts as a search compares them: in lower case, and composed, since macOS decomposes file names."""
    return pc.utf8_lower(pc.utf8_normalize(texts, form="NFC"))
