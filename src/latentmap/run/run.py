"""A run on disk, opened for reading."""

import base64
import io
import time
from dataclasses import replace
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from latentmap.autoencoder import Autoencoder, ImageDecoder
from latentmap.core.addresses import is_address, public_address
from latentmap.core.atomic_files import user_path
from latentmap.core.errors import RunError
from latentmap.core.progress import counted
from latentmap.encoder import ImageEncoder
from latentmap.features import ImageFeatures
from latentmap.groups import Cut, LabelSpreading
from latentmap.groups.tree import Dendrogram, check_cut
from latentmap.images import ImageCollection, Shape, Skipped
from latentmap.images.channels import Channel
from latentmap.images.decoding import Failure, decode_images
from latentmap.images.listing import Source
from latentmap.images.mixing import as_picture
from latentmap.images.pixel_types import as_pixels, pixels_file
from latentmap.images.reading_options import ReadingOptions
from latentmap.images.remote.given_files import local_image
from latentmap.images.store import open_pixels
from latentmap.neighbors import NeighborGraph
from latentmap.run import layout, tables
from latentmap.run.channel_records import channels_of, dtype_of, mixing_of
from latentmap.run.checking import check_cuts, check_summary, check_tables, damaged, read_json, reading
from latentmap.run.edits import Journal
from latentmap.run.encoding.kept_encoder import open_encoder
from latentmap.run.given import unit_vectors
from latentmap.run.options import RunOptions, known_options
from latentmap.run.pending import SWAP, home_of
from latentmap.run.restoring import images_of_atlas
from latentmap.run.state import added_folders, read_state, stages_of

if TYPE_CHECKING:
    import pandas as pd


# While files are swapped for new ones, a reader looks again so many times.
N_TRIES, SECONDS_BETWEEN_TRIES = 20, 0.1


class Run:
    """A run on disk, opened for reading.

    Parameters
    ----------
    path : Path
        The folder.

    Raises
    ------
    RunError
        If the folder is no run, of another format version, or a table in it is damaged.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = user_path(path)
        self.state: dict[str, Any] = _read_whole(self.path)

    @classmethod
    def open(cls, path: str | Path) -> "Run":
        """Open a run that :func:`make_run` or ``latentmap run`` made.

        Parameters
        ----------
        path : path
            The folder.

        Raises
        ------
        RunError
            If the folder is no run, of another format version, or a table in it is damaged.
        """
        return cls(path)

    @property
    def options(self) -> RunOptions:
        """The options of the run."""
        return RunOptions(**known_options(self.state["options"]))

    @property
    def stages(self) -> dict[str, dict[str, Any]]:
        """State, seconds, peak memory and files of each stage that was started."""
        found: dict[str, dict[str, Any]] = self.state["stages"]
        return found

    def model(self) -> Autoencoder:
        """The trained autoencoder.

        Raises
        ------
        RunError
            If the run is not finished, or has given vectors and no decoder.
        ModelFileError
            If a file of the model is damaged.
        """
        self._require_decoder()
        if self.has_vectors:
            raise RunError(f"{self.path}: made from given vectors, it has no autoencoder, but a decoder: ask for that")
        return Autoencoder.load(self._file(layout.MODEL))

    def decoder(self) -> ImageDecoder:
        """The trained decoder of a run of given vectors.

        Raises
        ------
        RunError
            If the run is not finished, or has no such decoder.
        ModelFileError
            If a file of the model is damaged.
        """
        if not self.has_vectors:
            raise RunError(f"{self.path}: has an autoencoder, of which the decoder is a part: ask for its model")
        self._require_decoder()
        return ImageDecoder.load(self._file(layout.MODEL))

    def encoder(self) -> ImageEncoder:
        """The frozen encoder that computed the vectors of the run.

        Raises
        ------
        RunError
            If the run has none, or it is gone or another one.
        MissingPackageError
            If onnx or onnxruntime is not installed.
        """
        if not self.has_frozen_encoder:
            raise RunError(f"{self.path}: made without a frozen encoder")
        return open_encoder(self.path, self.state)

    def precision(self) -> str | None:
        """Precision of matrix products in training, float32 or bfloat16; None before the training."""
        path = self.path / layout.MODEL / "config.json"
        return str(read_json(path).get("precision", "an unknown type")) if path.exists() else None

    def latents(self) -> NDArray[np.float32]:
        """Latent vectors (n, latent_dim): those of the network, or the given ones.

        Raises
        ------
        RunError
            If the run is not finished, or the file is damaged.
        """
        return tables.read_column(self._file(layout.LATENTS), "latent")

    def errors(self) -> NDArray[np.float32]:
        """Reconstruction error of each image (n,).

        Raises
        ------
        RunError
            If the run has given vectors and no decoder, is not finished, or the file is damaged.
        """
        self._require_decoder()
        return tables.read_column(self._file(layout.LATENTS), "error")

    def groups(self) -> NDArray[np.int32]:
        """Group of each image (n,).

        Raises
        ------
        RunError
            If the run is not finished, or the file is damaged.
        """
        return tables.read_column(self._file(layout.GROUPS), "group")

    def confidence(self) -> NDArray[np.float32]:
        """Confidence of each image in its group (n,), in [0, 1]."""
        return tables.read_column(self._file(layout.GROUPS), "confidence")

    def tree(self) -> Dendrogram:
        """The tree of blocks that the groups are cut from.

        Raises
        ------
        RunError
            If the run is not finished, or the file is damaged.
        """
        table = tables.read(self._file(layout.TREE))
        merges = np.column_stack([table[name].to_numpy() for name in ("left", "right")])
        return Dendrogram(merges, table["association"].to_numpy())

    def cut(self, n_clusters: int) -> NDArray[np.int32]:
        """Group of each image (n,) after cutting the tree into another number of groups.

        Parameters
        ----------
        n_clusters : int
            Number of groups, from 1 to the number of blocks of the tree.

        Raises
        ------
        InputError
            If the tree has fewer blocks.
        RunError
            If the groups were not made on the graph, the run is not finished, or a file is damaged.
        """
        tree = self.tree()
        check_cut(tree, n_clusters)
        blocks: NDArray[np.int32] = tables.read_column(self._file(layout.GROUPS), "block")
        return tree.cut(n_clusters)[blocks]

    def cuts(self) -> list[Cut]:
        """Numbers of groups that the images support, with their stability: the one of the run first.

        Pass another of them to :meth:`cut`. The list is empty if the number was given, there is one group, or the
        groups are by K-means.

        Returns
        -------
        list of Cut

        Raises
        ------
        RunError
            If the run is not finished, or the file is damaged.
        """
        if self.options.groups == "kmeans":
            return []
        return check_cuts(self._file(layout.SUMMARY))

    def group_summary(self) -> list[dict[str, Any]]:
        """A description of each group. The keys are the fields of :class:`latentmap.groups.GroupSummary`.

        Raises
        ------
        RunError
            If the run is not finished, or the file is damaged.
        """
        groups = self.groups()
        return check_summary(self._file(layout.SUMMARY), int(groups.max(initial=-1)) + 1)

    def neighbors(self) -> NeighborGraph:
        """The neighbour graph of the groups: rows and distances of the neighbours of each image, nearest first.

        Raises
        ------
        RunError
            If the run is not finished, or the file is damaged.
        """
        path = self._file(layout.NEIGHBORS)
        indices, distances = (tables.read_column(path, name) for name in ("neighbors", "distances"))
        if indices.shape != distances.shape or not len(indices) or indices.min() < 0 or indices.max() >= len(indices):
            raise damaged(path, "neighbors are no rows of it")
        return NeighborGraph(indices, distances, np.arange(len(indices)))

    def spread_labels(self, labels: ArrayLike) -> LabelSpreading:
        """Spread a few labels over the graph to all images. All classes have the same weight, whatever their numbers.

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
            If the groups were not made on the graph, or a file is damaged.
        InputError
            If no label is known, or there is not one for each image.
        """
        return LabelSpreading(class_weight="balanced").fit(self.points(), labels, neighbors=self.neighbors())

    def map(self) -> NDArray[np.float32]:
        """Places on the map (n, 2).

        Raises
        ------
        RunError
            If the run is not finished, or the file is damaged.
        """
        path = self._file(layout.MAP)
        return np.column_stack([tables.read_column(path, name) for name in "xy"])

    def metrics(self) -> dict[str, float | None]:
        """The measured metrics by name.

        Raises
        ------
        RunError
            If the run is not finished, or the file is damaged.
        """
        path = self._file(layout.METRICS)
        found = read_json(path)
        if not all(value is None or isinstance(value, int | float) for value in found.values()):
            raise damaged(path, "a measure is no number")
        return found

    def atlas(self) -> pa.Table:
        """The atlas, including images that were added later; see the reference for its columns.

        Raises
        ------
        RunError
            If the run is not finished, or the file is damaged.
        """
        return tables.read(self._file(layout.ATLAS))

    def paths(self) -> list[str]:
        """Path of each image of the atlas, in the order of the ids.

        Raises
        ------
        RunError
            If the run is not finished, or the file is damaged.
        """
        found: list[str] = tables.read(self._file(layout.ATLAS), ["path"])["path"].to_pylist()
        return found

    def frame(self) -> "pd.DataFrame":
        """The atlas as a pandas DataFrame, without the pictures and the latent vectors.

        Raises
        ------
        RunError
            If the run is not finished, or the file is damaged.
        ImportError
            Without pandas.
        """
        path = self._file(layout.ATLAS)
        names = [name for name in tables.column_names(path) if name not in (*tables.PICTURES, *tables.VECTORS)]
        found: pd.DataFrame = tables.read(path, names).to_pandas()
        return found.set_index("id")

    def images(self) -> ImageCollection:
        """The images that the map was made of, mapped from the cache, or read from the atlas if the cache is gone."""
        return open_run_images(self.path, self.state)

    def image(self, number: int) -> Image.Image:
        """One image, by its id in the atlas, as a PIL image; a notebook shows it.

        Parameters
        ----------
        number : int
            The id.

        Raises
        ------
        RunError
            If there is no such id, or the points have no pictures.
        """
        self._check_id(number)
        if not self.has_pictures:
            raise RunError(f"{self.path}: made from vectors alone: its points have no pictures")
        left = number
        for images in (self.images().images, *self.added_images()):
            if left < len(images):
                break
            left -= len(images)
        return Image.fromarray(self.picture(images[left]))

    @property
    def channels(self) -> tuple[Channel, ...]:
        """The channels of images that are neither grey nor RGB, with their names and ranges; else empty."""
        return channels_of(self.state["source"])

    def picture(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """Pixels as they are shown: channels mixed to RGB, grey and RGB unchanged.

        Parameters
        ----------
        pixels : array (..., *image_shape)
            uint8, uint16, or floats in [0, 1].

        Returns
        -------
        array (..., height, width) or (..., height, width, 3)
            uint8; floats of one channel, grey or RGB stay as they are.
        """
        return as_picture(pixels, mixing_of(self.state["source"]))

    @property
    def pixel_dtype(self) -> np.dtype[Any]:
        """Type of the pixels: uint8, or uint16 for channels of files with more than 8 bits."""
        return dtype_of(self.state["source"])

    def _check_id(self, number: int) -> None:
        """Raise RunError if no image of the atlas has an id."""
        n = self.state["source"]["n"] + sum(one["n"] for one in self.state["added"])
        if not 0 <= number < n:
            raise RunError(f"{self.path}: no image {number}: ids are 0 to {n - 1}")

    def added_images(self) -> list[NDArray[Any]]:
        """The images of each addition, (n, *image_shape), uint8 or uint16, mapped from their files."""
        folders = added_folders(self.path, self.state)
        shape = self.state["source"]["image_shape"]
        sizes = [one["n"] for one in self.state["added"]]
        dtype = self.pixel_dtype
        if all((folder / layout.CACHE / pixels_file(dtype)).exists() for folder in folders):
            return [mapped_pixels(folder, (n, *shape), dtype) for folder, n in zip(folders, sizes, strict=True)]
        first = self.state["source"]["n"]
        every = images_of_atlas(self.path, tuple(shape), first + sum(sizes), dtype)
        for _ in range(first):  # those of the map come before
            next(every)
        return [np.stack([next(every) for _ in range(n)]) for n in sizes]

    def figure(self, name: str = "map") -> Image.Image:
        """A figure of the report as a PIL image; a notebook shows it.

        Parameters
        ----------
        name : str, default="map"
            Name of its file in ``figures/``, without the suffix.

        Raises
        ------
        RunError
            For a name that the report has no figure of.
        """
        path = self.path / "figures" / f"{name}.png"
        if not path.exists():
            known = ", ".join(sorted(one.stem for one in path.parent.glob("*.png"))) or "none yet"
            raise RunError(f"{self.path}: no figure {name!r}: choose among {known}")
        return _open_png(path)

    def duplicates(self) -> pa.Table:
        """Pairs of exact or near duplicates: id, duplicate_of, exact, distance, difference.

        Raises
        ------
        RunError
            If the run is not finished, or the file is damaged.
        """
        return tables.read(self._file(layout.DUPLICATES))

    def outliers(self) -> pa.Table:
        """Isolation and outlier score of each image: id, isolation, outlier, is_outlier."""
        return tables.read(self._file(layout.OUTLIERS))

    def issues(self) -> pa.Table:
        """What the audit found: id, issue, score (0 is the worst), threshold, related, note; the worst first.

        Raises
        ------
        RunError
            If the run is not finished, was made by a version without an audit, or the file is damaged.
        """
        if (self.path / layout.ATLAS).exists() and not (self.path / layout.ISSUES).exists():
            raise RunError(f"{self.path}: not audited yet: give `latentmap audit` with this folder")
        return tables.read(self._file(layout.ISSUES))

    def shape(self) -> Shape:
        """The shape, colour and range of the images of this run."""
        source = self.state["source"]
        if source["shape"] is not None:
            return Shape.from_dict(source["shape"])
        height, width, *channels = source["image_shape"]
        channel_list = self.channels
        limits = source.get("value_range")
        return Shape(
            height,
            width,
            channels[0] if channels else 1,
            color="rgb" if channels else "grey",
            value_range=None if limits is None else tuple(limits),
            float_range=None if limits is None else tuple(limits),
            channel_list=channel_list,
            bits=source.get("bits", 8),
        )

    def shape_for_more(self) -> Shape:
        """The shape, colour and range that new images are converted to: those of this run, grey if it is grey."""
        shape = self.shape()
        return replace(shape, color="grey") if shape.channels == 1 else shape

    @property
    def has_features(self) -> bool:
        """Whether neighbours are found by visual features and not by latent vectors."""
        return self.options.features == "visual"

    @property
    def has_vectors(self) -> bool:
        """Whether the vectors of the images were given, so that the latent vectors are these."""
        return self.state.get("vectors") is not None

    @property
    def has_places(self) -> bool:
        """Whether the places on the map were given, and not made by t-SNE."""
        return self.state.get("places") is not None

    @property
    def has_encoder(self) -> bool:
        """Whether the vectors of other images can be computed."""
        return not self.has_vectors or self.has_frozen_encoder

    @property
    def has_frozen_encoder(self) -> bool:
        """Whether the vectors of the images were computed by a frozen encoder."""
        return self.has_vectors and "encoder" in self.state["vectors"]

    @property
    def has_pictures(self) -> bool:
        """Whether the points have pictures, and not only vectors."""
        return bool(self.state["source"].get("pictures", True))

    @property
    def noun(self) -> str:
        """The word for what is on the map: "image", or "point" without pictures."""
        return "image" if self.has_pictures else "point"

    @property
    def has_decoder(self) -> bool:
        """Whether a network was trained, so that vectors can be decoded and there are reconstruction errors."""
        return bool(self.stages.get("train", {}).get("files"))

    def points(self) -> NDArray[np.float32]:
        """Vectors by which neighbours were found: visual features, or the latent vectors.

        With ``metric="cosine"`` the latent vectors are scaled to unit length.

        Returns
        -------
        array (n, d), float32

        Raises
        ------
        RunError
            If the run is not finished, or the file is damaged.
        """
        if self.has_features:
            return tables.read_column(self._file(layout.FEATURES), "features")
        return self.as_points(self.latents())

    def _require_encoder(self) -> None:
        if not self.has_encoder:
            raise RunError(
                f"{self.path}: its vectors were given, and those of other images are not known: ask for an image of "
                "the run by its id"
            )

    def _require_decoder(self) -> None:
        if self.has_vectors and not self.has_decoder:
            raise RunError(
                f"{self.path}: made from given vectors without a network, so that nothing can be decoded and there are "
                "no reconstruction errors"
            )

    def as_points(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Scale latent vectors as the metric of the run asks: to length 1 for the cosine distance.

        Parameters
        ----------
        vectors : array (m, d), float32

        Returns
        -------
        array (m, d), float32
        """
        return unit_vectors(vectors) if self.options.metric == "cosine" else vectors

    def features(self) -> ImageFeatures:
        """The fitted features, for ``features="visual"``.

        Returns
        -------
        ImageFeatures

        Raises
        ------
        RunError
            If the run was made with latent vectors, or is not finished.
        """
        if not self.has_features:
            raise RunError(f"{self.path}: made without features: make it with features='visual'")
        self._file(layout.FEATURES)
        return ImageFeatures.load(self.path / layout.MODEL)

    def points_of(self, pixels: NDArray[Any]) -> NDArray[np.float32]:
        """Vectors of new images, to compare with :meth:`points`.

        Parameters
        ----------
        pixels : array (m, *image_shape), uint8 or uint16

        Returns
        -------
        array (m, d), float32

        Raises
        ------
        RunError
            If the run is not finished, or has given vectors, which cannot be computed.
        """
        self._require_encoder()
        if self.has_frozen_encoder:
            return self.as_points(self.encoder().transform(as_picture(pixels, None)))
        if pixels.dtype in (np.uint8, np.uint16):
            pixels = as_pixels(pixels, self.pixel_dtype)
        return (self.features() if self.has_features else self.model()).transform(pixels)

    def similar(self, image: str | Path | ArrayLike | int, n: int = 10) -> pa.Table:
        """The images of the run that are nearest to an image, by its latent vector or its features.

        Parameters
        ----------
        image : path, array (height, width) or (height, width, channels), or int
            An image file or its address, brought to the shape of the run; pixels of that shape, uint8 or uint16; or an
            id of the run, which is then not among those found.
        n : int, default=10

        Returns
        -------
        pyarrow.Table
            ``id``, ``path``, ``group`` and ``distance``, nearest first.

        Raises
        ------
        RunError
            If the file cannot be decoded, or there is no such id.
        """
        column = "features" if self.has_features else "latent"
        points = self.as_points(tables.read_column(self._file(layout.ATLAS), column))
        itself = -1
        if isinstance(image, int | np.integer):
            itself = int(image)
            self._check_id(itself)
            query = points[itself][None]
        else:
            self._require_encoder()
            query = (
                self._point_of_file(image) if isinstance(image, str | Path) else self.points_of(np.asarray(image)[None])
            )
        rows, distances = nearest_rows(points, query[0], n + 1)
        others = rows != itself
        rows, distances = rows[others][:n], distances[others][:n]
        table = tables.read(self._file(layout.ATLAS), ["id", "path", "group"]).take(rows)
        return table.append_column("distance", pa.array(distances))

    def _point_of_file(self, path: str | Path) -> NDArray[np.float32]:
        """The vector (1, d) of an image file, which an encoder sees at the size of its own input."""
        if not self.has_frozen_encoder:
            return self.points_of(self.pixels(path)[None])
        encoder = self.encoder()
        return self.as_points(encoder.encode(self._decoded(path, encoder.input_shape(self.shape()))[None]))

    def pixels(self, path: str | Path) -> NDArray[Any]:
        """The pixels of an image file, converted to the shape of the run.

        Parameters
        ----------
        path : path
            The file, or its address as text.

        Raises
        ------
        RunError
            If it cannot be decoded.
        """
        return self.fitted(self._decoded(path, self.shape_for_more()))

    def _decoded(self, path: str | Path, shape: Shape) -> NDArray[Any]:
        with local_image(path) as image:
            (decoded,) = decode_images([image], shape, self.reading())
        if isinstance(decoded, Failure):
            shown = public_address(path) if isinstance(path, str) and is_address(path) else path
            raise RunError(f"{shown}: cannot be decoded ({decoded.reason}): pass an image file")
        return decoded.pixels

    def reading(self) -> ReadingOptions:
        """The options that files of formats that optional packages read were read with."""
        return ReadingOptions.of(self.state["source"].get("decoding") or {})

    def fitted(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """A decoded image, converted to grey or colour like the run, and channels to its bits per pixel.

        Parameters
        ----------
        pixels : array (height, width) or (height, width, channels), uint8 or uint16
        """
        if self.channels:
            return as_pixels(pixels, self.pixel_dtype)
        mode = "L" if self.shape().channels == 1 else "RGB"
        return np.asarray(Image.fromarray(pixels).convert(mode))

    def edits(self) -> pa.Table:
        """The edits made in the explorer.

        Returns
        -------
        pyarrow.Table
            A row an image of the atlas: ``id``, ``group`` after splits and merges, ``group_name``, ``given_label``
            (null where there is none), ``marked_outlier``, ``marked_duplicate``, ``marked_hidden``.
        """
        return Journal(self.path).edited().table()

    def _repr_html_(self) -> str:
        """The run in a notebook: its facts, and the map once it is drawn."""
        source = self.state["source"]
        done = [stage for stage in stages_of(self.state) if self.stages.get(stage, {}).get("state") == "done"]
        shape = f" of {' × '.join(map(str, source['image_shape']))}" if self.has_pictures else ""
        line = (
            f"{counted(source['n'], self.noun)}{shape} from {source['name']}; done: {', '.join(done) or 'nothing yet'}"
        )
        html = f"<p><b>{escape(str(self.path))}</b>: {escape(line)}</p>"
        path = self.path / "figures" / "map.png"
        if path.exists():
            picture = _open_png(path)
            picture.thumbnail((900, 900))
            file = io.BytesIO()
            picture.save(file, "PNG")
            html += f'<img alt="the map" src="data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}">'
            html += "<p>To explore the map, call <code>latentmap.explore(run)</code>.</p>"
        return html

    def skipped(self) -> list[Skipped]:
        """Files that could not be decoded, with the reasons."""
        return _skipped(self.path)

    @property
    def home(self) -> Path:
        """The folder of the run, also while changes are made in a pending folder."""
        return home_of(self.path)

    def _file(self, name: str) -> Path:
        path = self.path / name
        if not path.exists():
            raise RunError(f"{path}: not there yet: finish the run with the command that began it")
        return path


def nearest_rows(
    points: NDArray[np.float32], query: NDArray[np.float32], n: int
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """The ``n`` rows nearest to one vector, and their distances, nearest first."""
    rough = np.einsum("ij,ij->i", points, points) - 2 * (points @ query)
    n_candidates = min(len(points), 4 * n + 16)  # products lose the last digits, so that candidates are sorted again
    candidates = np.sort(np.argpartition(rough, n_candidates - 1)[:n_candidates])
    distances = np.sqrt(((points[candidates] - query) ** 2).sum(axis=1))
    order = np.argsort(distances, kind="stable")[:n]
    return candidates[order], distances[order]


def open_run_images(folder: Path, state: dict[str, Any]) -> ImageCollection:
    """The collection of a run: its tables, and pixels from its cache, or from its atlas if the cache is gone.

    Raises
    ------
    RunError
        If the images are not decoded yet, or a file is damaged.
    """
    source = state["source"]
    if not source.get("n"):
        raise RunError(f"{folder}: no images in it yet: finish the run with the command that began it")
    shape = (source["n"], *source["image_shape"])
    dtype = dtype_of(source)
    table = tables.read(folder / layout.IMAGES).drop_columns(["id"])
    has_pictures = source.get("pictures", True)
    if (folder / layout.CACHE / pixels_file(dtype)).exists():
        pixels = mapped_pixels(folder, shape, dtype)
    elif not has_pictures:
        pixels = np.zeros(shape, np.uint8)
    else:
        pixels = np.stack(list(images_of_atlas(folder, shape[1:], source["n"], dtype)))
    return ImageCollection(
        pixels,
        table,
        _skipped(folder),
        source["name"],
        None if source["shape"] is None else Shape.from_dict(source["shape"]),
        source["ignored"],
        sources_of(source),
        value_range=None if source.get("value_range") is None else tuple(source["value_range"]),
        has_pictures=has_pictures,
        channels=channels_of(source),
    )


def sources_of(entry: dict[str, Any]) -> tuple[Source, ...]:
    """The sources of the images of a run or of an addition, from its entry in run.json."""
    return tuple(Source(one["name"], one["root"]) for one in entry.get("sources", ()))


def mapped_pixels(folder: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Map the file of pixels of a run, or of an addition to one.

    Raises
    ------
    RunError
        If it is missing or too short.
    """
    try:
        return open_pixels(folder / layout.CACHE, shape, dtype)
    except (OSError, ValueError) as error:
        path = folder / layout.CACHE / pixels_file(dtype)
        raise RunError(
            f"{path}: missing or too short for {shape[0]:,} images of {shape[1:]}: the command that made the run "
            "makes it again"
        ) from error


def _skipped(folder: Path) -> list[Skipped]:
    path = folder / layout.SKIPPED
    if not path.exists():
        return []
    rows = tables.read(path, ["path", "reason"])
    with reading(path):
        return [Skipped(str(row["path"]), str(row["reason"])) for row in rows.to_pylist()]


def _open_png(path: Path) -> Image.Image:
    """Open a figure of the report as PNG only, since the file may come from an untrusted source."""
    with reading(path):
        return Image.open(path, formats=("PNG",))


def _read_whole(folder: Path) -> dict[str, Any]:
    """run.json and tables that belong together. If they are being replaced, the read is repeated."""
    for _ in range(N_TRIES):
        state = read_state(folder)
        try:
            check_tables(folder, state)
            return state
        except RunError:
            if not (folder / SWAP).exists() and read_state(folder) == state:
                raise
            time.sleep(SECONDS_BETWEEN_TRIES)
    check_tables(folder, read_state(folder))
    return read_state(folder)
