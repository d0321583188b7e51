"""A collection of images of one size, in memory or mapped from a file."""

import hashlib
import io
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

from latentmap.core.errors import SourceError
from latentmap.core.mapped_arrays import blocks
from latentmap.images.cells import as_labels
from latentmap.images.listing import IDENTITY, Skipped, Source, make_table, table_stamp
from latentmap.images.named_labels import NamedLabels, Origin, spread_over_images
from latentmap.images.shape import Shape


@dataclass(frozen=True)
class ImageCollection:
    """Images of one size, with where each came from.

    Attributes
    ----------
    images : ndarray (n, height, width) or (n, height, width, 3), uint8
    table : pyarrow.Table
        A row an image: ``path`` (below the folder, in the archive, or ``name[i]`` for the i-th of an array; no two
        images have the same), ``source`` (int16, an index into ``sources``), ``file`` (its name in that source),
        ``frame`` (int32, null for a file that is one picture), ``label`` where there are labels, the other columns of
        the source, and of what was decoded ``sha256`` (of the file, or of a frame's pixels), ``width`` and ``height``.
    skipped : list of Skipped
        Files that could not be decoded.
    name : str
        What the source is called.
    shape : Shape, optional
        What images were brought to, and why; None where they came as an array.
    n_ignored : int
        Files that no one would take for an image.
    sources : tuple of Source
        What the images are from: a name, and the absolute folder of the files where they are files of their own.
    origin : Origin, optional
        Where the images stood in the listing that they were decoded from.
    value_range : (float, float), optional
        Values of an array that became 0 and 255; None for 8 bits, and for files, whose range is in the shape.
    is_clipped : ndarray (n,) of bool, optional
        Which images of an array have values outside the range of the collection that they are to join.
    """

    images: NDArray[np.uint8]
    table: pa.Table
    skipped: list[Skipped] = field(default_factory=list)
    name: str = "images"
    shape: Shape | None = None
    n_ignored: int = 0
    sources: tuple[Source, ...] = ()
    origin: Origin | None = None
    value_range: tuple[float, float] | None = None
    is_clipped: NDArray[np.bool_] | None = None

    @classmethod
    def of(cls, images: NDArray[np.uint8], name: str, labels: Any = None) -> "ImageCollection":
        """Images that are in memory, numbered by their place.

        Parameters
        ----------
        images : array (n, height, width) or (n, height, width, 3), uint8
        name : str
            Name of the collection.
        labels : array (n,), optional
            One label for each image.
        """
        table = make_table((f"{name}[{i}]" for i in range(len(images))), labels=labels)
        return cls(images, table, name=name, sources=(Source(name),))

    def __len__(self) -> int:
        return len(self.images)

    @property
    def image_shape(self) -> tuple[int, ...]:
        """(height, width) or (height, width, 3)."""
        return self.images.shape[1:]

    @property
    def paths(self) -> list[str]:
        """Where each image came from."""
        found: list[str] = self.table["path"].to_pylist()
        return found

    @property
    def labels(self) -> NDArray[Any] | None:
        """ndarray (n,) of integers or strings, or None; "" where a label is missing."""
        if "label" not in self.table.column_names:
            return None
        column = self.table["label"]
        if column.null_count or not (pa.types.is_integer(column.type) or pa.types.is_boolean(column.type)):
            return np.array(["" if value is None else str(value) for value in column.to_pylist()])
        labels: NDArray[Any] = column.to_numpy()
        return labels

    def with_labels(self, labels: "NDArray[Any] | NamedLabels") -> "ImageCollection":
        """The same images with other labels.

        Parameters
        ----------
        labels : ndarray or NamedLabels
            One for each image, or for each picture or file that was listed, those included that could not be decoded;
            or labels by path. None, NaN, NaT, empty text and what a mask hides are missing.

        Raises
        ------
        SourceError
            If there are not as many, or no path is that of an image.
        """
        if isinstance(labels, NamedLabels):
            values = labels.of(self.paths, {path for path, _ in self.skipped})
        else:
            if np.ndim(labels) != 1:
                raise SourceError(
                    f"labels of shape {np.shape(labels)}: pass a one-dimensional array with one label for each image"
                )
            values = spread_over_images(as_labels(labels), len(self), self.origin)
        table = self.table.drop_columns(["label"]) if "label" in self.table.column_names else self.table
        return replace(self, table=table.add_column(len(IDENTITY), "label", values))

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the pixels and their shape."""
        return pixels_fingerprint(self.images)

    @cached_property
    def annotations_fingerprint(self) -> str:
        """SHA-256 of all but the pixels: paths, labels and other columns, skipped files and the name."""
        facts = (self.name, self.skipped, table_stamp(self.table))
        return hashlib.sha256(repr(facts).encode("utf-8", "surrogatepass")).hexdigest()

    def png(self, index: int) -> bytes:
        """Image ``index`` as a PNG file, without loss.

        Parameters
        ----------
        index : int
            Position of the image.
        """
        return as_png(self.images[index])


def pixels_fingerprint(images: NDArray[np.uint8]) -> str:
    """SHA-256 of the pixels of images (n, ...) and of their shape, in hexadecimal."""
    digest = hashlib.sha256(repr(images.shape).encode())
    for rows in blocks(images):
        digest.update(np.ascontiguousarray(rows))
    return digest.hexdigest()


def as_png(pixels: NDArray[np.uint8]) -> bytes:
    """An image (height, width) or (height, width, 3) as a PNG file, without loss."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", compress_level=1)
    return file.getvalue()
