"""A run on disk, opened for reading."""

import base64
import io
import json
from dataclasses import fields
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from latentmap.autoencoder import Autoencoder
from latentmap.groups import LabelSpreading
from latentmap.groups.tree import Dendrogram, check_cut
from latentmap.images import ImageCollection, Shape, Skipped
from latentmap.images.decoding import Failure, Item, decode
from latentmap.images.listing import Source
from latentmap.images.store import PIXELS, open_pixels
from latentmap.neighbors import NeighborGraph
from latentmap.run import files, tables
from latentmap.run.edits import Journal
from latentmap.run.options import RunOptions
from latentmap.run.state import STAGES, RunError, read_state

if TYPE_CHECKING:
    import pandas as pd

    from latentmap.explorer import Explorer


class Run:
    """A run on disk, opened for reading.

    Parameters
    ----------
    path : Path
        The folder.

    Raises
    ------
    RunError
        If the folder is no run, or of another format version.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.state: dict[str, Any] = read_state(self.path)

    @classmethod
    def open(cls, path: str | Path) -> "Run":
        """Open a run that :func:`make_run` or ``latentmap run`` made."""
        return cls(path)

    @property
    def options(self) -> RunOptions:
        """What the run was asked for."""
        known = {field.name for field in fields(RunOptions)}  # an older version may have had others
        return RunOptions(**{name: value for name, value in self.state["options"].items() if name in known})

    @property
    def stages(self) -> dict[str, dict[str, Any]]:
        """State, seconds, peak memory and files of each stage that has begun."""
        found: dict[str, dict[str, Any]] = self.state["stages"]
        return found

    def model(self) -> Autoencoder:
        """The trained autoencoder."""
        return Autoencoder.load(self._file(files.MODEL))

    def precision(self) -> str | None:
        """Type of the factors of products in training, float32 or bfloat16; None before it is done."""
        path = self.path / files.MODEL / "config.json"
        return str(json.loads(path.read_bytes())["precision"]) if path.exists() else None

    def latents(self) -> NDArray[np.float32]:
        """Latent vectors (n, latent_dim)."""
        return tables.read_column(self._file(files.LATENTS), "latent")

    def errors(self) -> NDArray[np.float32]:
        """Reconstruction error of each image (n,)."""
        return tables.read_column(self._file(files.LATENTS), "error")

    def groups(self) -> NDArray[np.int32]:
        """Group of each image (n,)."""
        return tables.read_column(self._file(files.GROUPS), "group")

    def confidence(self) -> NDArray[np.float32]:
        """How sure each image is of its group (n,), in [0, 1]."""
        return tables.read_column(self._file(files.GROUPS), "confidence")

    def tree(self) -> Dendrogram:
        """The tree over the blocks of images that groups are cut from."""
        table = pq.read_table(self._file(files.TREE)).to_pydict()
        return Dendrogram(np.column_stack([table["left"], table["right"]]), np.array(table["association"]))

    def cut(self, n_clusters: int) -> NDArray[np.int32]:
        """Groups of the images (n,), when the tree is cut into another number of them.

        Raises
        ------
        ValueError
            If the tree has fewer blocks.
        """
        tree = self.tree()
        check_cut(tree, n_clusters)
        blocks: NDArray[np.int32] = tables.read_column(self._file(files.GROUPS), "block")
        return tree.cut(n_clusters)[blocks]

    def group_summary(self) -> list[dict[str, Any]]:
        """What there is to say of each group: see :class:`latentmap.groups.Group`, whose fields are the keys."""
        found: list[dict[str, Any]] = json.loads(self._file(files.SUMMARY).read_bytes())["groups"]
        return found

    def neighbors(self) -> NeighborGraph:
        """The neighbours that the groups were found on: of each image, rows and distances, nearest first."""
        path = self._file(files.NEIGHBORS)
        indices, distances = (tables.read_column(path, name) for name in ("neighbors", "distances"))
        return NeighborGraph(indices, distances, np.arange(len(indices)))

    def spread_labels(self, labels: ArrayLike) -> LabelSpreading:
        """Spread a few labels over the graph to all images.

        Parameters
        ----------
        labels : array (n,)
            The label of each image; -1, "", None or NaN where it is not known.

        Returns
        -------
        LabelSpreading
            Fitted: ``transduction_`` has the label of each image and ``confidence_`` how sure it is.

        Raises
        ------
        RunError
            If the groups were not made on the graph.
        ValueError
            If no label is known, or there is not one for each image.
        """
        return LabelSpreading().fit(self.latents(), labels, neighbors=self.neighbors())

    def map(self) -> NDArray[np.float32]:
        """Places on the map (n, 2)."""
        path = self._file(files.MAP)
        return np.column_stack([tables.read_column(path, name) for name in "xy"])

    def metrics(self) -> dict[str, float | None]:
        """What was measured, by name."""
        found: dict[str, float | None] = json.loads(self._file(files.METRICS).read_bytes())
        return found

    def atlas(self) -> pa.Table:
        """All in one table, images that were added later included; see the reference for its columns."""
        return pq.read_table(self._file(files.ATLAS))

    def frame(self) -> "pd.DataFrame":
        """The atlas as a pandas DataFrame, without the pictures and the latent vectors.

        Raises
        ------
        ImportError
            Without pandas.
        """
        names = [name for name in pq.read_schema(self._file(files.ATLAS)).names if name not in ("image", "latent")]
        found: pd.DataFrame = pq.read_table(self._file(files.ATLAS), columns=names).to_pandas()
        return found.set_index("id")

    def images(self) -> ImageCollection:
        """The images that the map was made of, mapped from the cache; from the atlas when the cache is gone."""
        return open_images(self.path, self.state)

    def image(self, number: int) -> Image.Image:
        """One image, by its id in the atlas, as a PIL image; a notebook shows it.

        Raises
        ------
        RunError
            If there is no such id.
        """
        left = number
        for images in (self.images().images, *self.added_images()):
            if 0 <= left < len(images):
                return Image.fromarray(images[left])
            left -= len(images)
        raise RunError(f"{self.path}: no image {number}: ids are 0 to {number - left - 1}")

    def added_images(self) -> list[NDArray[np.uint8]]:
        """The images of each addition, (n, *image_shape) uint8, mapped from their files."""
        folders = [self.path / files.ADDED / f"{i + 1:04d}" for i in range(len(self.state["added"]))]
        shape = self.state["source"]["image_shape"]
        sizes = [one["n"] for one in self.state["added"]]
        return [
            open_pixels(folder / files.CACHE / PIXELS, (n, *shape)) for folder, n in zip(folders, sizes, strict=True)
        ]

    def figure(self, name: str = "map") -> Image.Image:
        """A figure of the report as a PIL image; a notebook shows it.

        Raises
        ------
        RunError
            For a name that the report has no figure of.
        """
        path = self.path / "figures" / f"{name}.png"
        if not path.exists():
            known = ", ".join(sorted(one.stem for one in path.parent.glob("*.png"))) or "none yet"
            raise RunError(f"{self.path}: no figure {name!r}: choose among {known}")
        return Image.open(path)

    def duplicates(self) -> pa.Table:
        """Pairs of images that are the same, or nearly: id, duplicate_of, exact, distance, difference."""
        return pq.read_table(self._file(files.DUPLICATES))

    def outliers(self) -> pa.Table:
        """How far each image stands out: id, isolation, outlier, is_outlier."""
        return pq.read_table(self._file(files.OUTLIERS))

    def shape(self) -> Shape:
        """What images are brought to in this run."""
        source = self.state["source"]
        if source["shape"] is not None:
            return Shape.from_dict(source["shape"])
        height, width, *channels = source["image_shape"]
        limits = source.get("value_range")
        return Shape(
            height,
            width,
            3 if channels else 1,
            color="rgb" if channels else "grey",
            value_range=None if limits is None else tuple(limits),
            float_range=None if limits is None else tuple(limits),
        )

    def similar(self, image: str | Path | ArrayLike | int, n: int = 10) -> pa.Table:
        """The images of the run whose latent vectors are nearest to that of an image.

        Parameters
        ----------
        image : path, array (height, width) or (height, width, 3) uint8, or int
            An image file, brought to the shape of the run; pixels of that shape; or an id of the run, which is then
            not among those found.
        n : int, default=10

        Returns
        -------
        pyarrow.Table
            ``id``, ``path``, ``group`` and ``distance`` of the latent vectors, nearest first.

        Raises
        ------
        RunError
            If the file cannot be decoded, or there is no such id.
        """
        latents = tables.read_column(self._file(files.ATLAS), "latent")
        itself = -1
        if isinstance(image, int | np.integer):
            itself = int(image)
            if not 0 <= image < len(latents):
                raise RunError(f"{self.path}: no image {image}: ids are 0 to {len(latents) - 1}")
            query = latents[itself][None]
        else:
            pixels = self.pixels(image) if isinstance(image, str | Path) else np.asarray(image)
            query = self.model().transform(pixels[None])
        rows, distances = nearest_rows(latents, query[0], n + 1)
        others = rows != itself
        rows, distances = rows[others][:n], distances[others][:n]
        table = pq.read_table(self._file(files.ATLAS), columns=["id", "path", "group"]).take(rows)
        return table.append_column("distance", pa.array(distances))

    def pixels(self, path: str | Path) -> NDArray[np.uint8]:
        """An image file, brought to the shape of the run.

        Raises
        ------
        RunError
            If it cannot be decoded.
        """
        (decoded,) = decode([Item(str(path))], self.shape())
        if isinstance(decoded, Failure):
            raise RunError(f"{path}: cannot be decoded ({decoded.reason}): pass an image file")
        return self.fitted(decoded.pixels)

    def fitted(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """A decoded picture, grey where the run is."""
        if pixels.ndim == 3 and self.shape().channels == 1:
            return np.asarray(Image.fromarray(pixels).convert("L"))
        return pixels

    def edits(self) -> pa.Table:
        """What was done to the run in the explorer.

        Returns
        -------
        pyarrow.Table
            A row an image of the atlas: ``id``, ``group`` after splits and merges, ``group_name``, ``given_label``
            (null where there is none), ``marked_outlier``, ``marked_duplicate``, ``marked_hidden``.
        """
        return Journal(self.path).edited().table()

    def explore(self, height: int = 720) -> "Explorer":
        """Show the map of the run as a page that answers; a notebook shows it in place.

        Parameters
        ----------
        height : int, default=720
            Of the frame in a notebook, in pixels.

        Returns
        -------
        Explorer
            Its ``selection`` has the ids that are selected in the page; ``close()`` ends it.

        Raises
        ------
        RunError
            If the run is not finished.
        """
        from latentmap.explorer import Explorer

        return Explorer(self.path, height=height)

    def _repr_html_(self) -> str:
        """What a notebook shows: the facts, and the map once it is drawn."""
        source = self.state["source"]
        done = [stage for stage in STAGES if self.stages.get(stage, {}).get("state") == "done"]
        shape = " × ".join(map(str, source["image_shape"]))
        line = f"{source['n']:,} images of {shape} from {source['name']}; done: {', '.join(done) or 'nothing yet'}"
        html = f"<p><b>{escape(str(self.path))}</b>: {escape(line)}</p>"
        path = self.path / "figures" / "map.png"
        if path.exists():
            picture = Image.open(path)
            picture.thumbnail((900, 900))
            file = io.BytesIO()
            picture.save(file, "PNG")
            html += f'<img alt="the map" src="data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}">'
        return html

    def skipped(self) -> list[Skipped]:
        """Files that could not be decoded, and why."""
        return _skipped(self.path)

    def _file(self, name: str) -> Path:
        path = self.path / name
        if not path.exists():
            raise RunError(f"{path}: not there yet: finish the run with the command that began it")
        return path


def nearest_rows(
    latents: NDArray[np.float32], query: NDArray[np.float32], n: int
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """The ``n`` rows nearest to one latent vector, and their distances, nearest first."""
    rough = np.einsum("ij,ij->i", latents, latents) - 2 * (latents @ query)
    n_candidates = min(len(latents), 4 * n + 16)  # products lose the last digits, so that the order is made anew
    candidates = np.sort(np.argpartition(rough, n_candidates - 1)[:n_candidates])
    distances = np.sqrt(((latents[candidates] - query) ** 2).sum(axis=1))
    order = np.argsort(distances, kind="stable")[:n]
    return candidates[order], distances[order]


def open_images(folder: Path, state: dict[str, Any]) -> ImageCollection:
    """The collection of a run: pixels from its cache, or from its atlas when that is gone, and its tables."""
    source = state["source"]
    shape = (source["n"], *source["image_shape"])
    path = folder / files.CACHE / PIXELS
    table = pq.read_table(folder / files.IMAGES).drop_columns(["id"])
    return ImageCollection(
        open_pixels(path, shape) if path.exists() else _from_atlas(folder, shape),
        table,
        _skipped(folder),
        source["name"],
        None if source["shape"] is None else Shape.from_dict(source["shape"]),
        source["ignored"],
        sources_of(source),
        value_range=None if source.get("value_range") is None else tuple(source["value_range"]),
    )


def sources_of(entry: dict[str, Any]) -> tuple[Source, ...]:
    """What the images of a run, or of an addition to it, are from, as its entry of run.json says."""
    return tuple(Source(one["name"], one["root"]) for one in entry.get("sources", ()))


def _skipped(folder: Path) -> list[Skipped]:
    path = folder / files.SKIPPED
    return [Skipped(**row) for row in pq.read_table(path).to_pylist()] if path.exists() else []


def _from_atlas(folder: Path, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    path = folder / files.ATLAS
    if not path.exists():
        raise RunError(f"{folder}: neither cache nor atlas: finish the run with the command that began it")
    images, row = np.empty(shape, np.uint8), 0
    for batch in pq.ParquetFile(path).iter_batches(1024, columns=["image"]):
        for png in batch.column(0).field("bytes"):
            if row < len(images):  # those that were added come after
                images[row] = np.asarray(Image.open(io.BytesIO(png.as_py())))
                row += 1
    return images
