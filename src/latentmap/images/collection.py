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
from latentmap.images.channels import Channel
from latentmap.images.image_table import IDENTITY_COLUMNS, hash_table, make_image_table
from latentmap.images.label_columns import to_label_column
from latentmap.images.listing import Skipped, Source
from latentmap.images.named_labels import ListingPositions, NamedLabels, match_labels_to_images
from latentmap.images.shape import Shape


@dataclass(frozen=True)
class ImageCollection:
    """Images of one size, with the origin of each.

    Attributes
    ----------
    images : ndarray (n, height, width) or (n, height, width, channels), uint8, or uint16 for deep channels
    table : pyarrow.Table
        One row per image, with the columns ``path`` (string, unique: relative to the folder, in the archive, or
        ``name[i]`` for item i of an array), ``source`` (int16, an index into ``sources``), ``file`` (string, the name
        in that source), ``frame`` (int32, null for a file with one image), ``label`` if there are labels, and the other
        columns of the source. Decoded images also have ``sha256`` (32 bytes, of the file, or of the pixels of a frame),
        ``pixels_sha256`` (32 bytes, of all pixels in the original size, null where a JPEG was read at a smaller one),
        ``width`` and ``height`` (uint32, the original size in pixels), and of their files ``file_bytes`` (int64, null
        for a frame or a part), ``file_format`` and ``file_mode`` (string). Parts of images also have ``left``, ``top``,
        ``right``, ``bottom`` (int32, edges in pixels of the upright image) and ``image_width``, ``image_height`` and
        ``whole_sha256`` (32 bytes, of all pixels) of the whole image.
    skipped : list of Skipped
        Files that could not be decoded.
    name : str, default="images"
        Name of the source.
    shape : Shape, optional
        Size and colour that the images were converted to. None for an array.
    n_ignored : int, default=0
        Number of files that are not images.
    sources : tuple of Source
        Name and folder of each source.
    origin : ListingPositions, optional
        Positions of the images in the listing that they were decoded from.
    value_range : (float, float), optional
        Values of an array that became 0 and 255. None for 8 bits, and for files, whose range is in ``shape``.
    is_clipped : ndarray (n,), bool, optional
        Which images of an array have values outside the range of the collection that they are added to.
    n_empty : int, default=0
        Number of tiles that were left out because they are nearly of one colour.
    has_pictures : bool, default=True
        False for points that have vectors only; each then has one black pixel.
    channels : tuple of Channel, default=()
        The channels of images whose channels are not colours.

    Examples
    --------
    >>> collection = ImageCollection.of(np.zeros((2, 8, 8), np.uint8), "blank")
    >>> len(collection), collection.image_shape, collection.paths
    (2, (8, 8), ['blank[0]', 'blank[1]'])
    """

    images: NDArray[Any]
    table: pa.Table
    skipped: list[Skipped] = field(default_factory=list)
    name: str = "images"
    shape: Shape | None = None
    n_ignored: int = 0
    sources: tuple[Source, ...] = ()
    origin: ListingPositions | None = None
    value_range: tuple[float, float] | None = None
    is_clipped: NDArray[np.bool_] | None = None
    n_empty: int = 0
    has_pictures: bool = True
    channels: tuple[Channel, ...] = ()

    @classmethod
    def of(cls, images: NDArray[np.uint8], name: str, labels: Any = None) -> "ImageCollection":
        """Make a collection of images in memory, with paths ``name[0]``, ``name[1]`` and so on.

        Parameters
        ----------
        images : ndarray (n, height, width) or (n, height, width, 3), uint8
        name : str
            Name of the collection.
        labels : array-like of shape (n,), optional

        Returns
        -------
        ImageCollection
        """
        table = make_image_table((f"{name}[{i}]" for i in range(len(images))), labels=labels)
        return cls(images, table, name=name, sources=(Source(name),))

    def __len__(self) -> int:
        return len(self.images)

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Shape of an image: (height, width) or (height, width, channels)."""
        return self.images.shape[1:]

    @property
    def paths(self) -> list[str]:
        """Path of each image: list of n strings."""
        found: list[str] = self.table["path"].to_pylist()
        return found

    @property
    def labels(self) -> NDArray[Any] | None:
        """Labels, (n,), integers, booleans or strings ("" for a missing label); None without labels."""
        if "label" not in self.table.column_names:
            return None
        column = self.table["label"]
        if column.null_count or not (pa.types.is_integer(column.type) or pa.types.is_boolean(column.type)):
            return np.array(["" if value is None else str(value) for value in column.to_pylist()])
        labels: NDArray[Any] = column.to_numpy()
        return labels

    def with_labels(self, labels: "NDArray[Any] | NamedLabels") -> "ImageCollection":
        """Replace the labels.

        Parameters
        ----------
        labels : ndarray or NamedLabels
            One label per image, or one per listed image or file, including those that could not be decoded; or labels
            by path. None, NaN, NaT, empty text and masked values are missing labels.

        Returns
        -------
        ImageCollection
            A collection with the same images.

        Raises
        ------
        SourceError
            If the number of labels does not fit, they are not one-dimensional, or no path is that of an image.
        """
        if isinstance(labels, NamedLabels):
            values = labels.match(self.paths, {path for path, _ in self.skipped})
        else:
            if np.ndim(labels) != 1:
                raise SourceError(
                    f"labels of shape {np.shape(labels)}: pass a one-dimensional array with one label for each image"
                )
            values = match_labels_to_images(to_label_column(labels), len(self), self.origin)
        table = self.table.drop_columns(["label"]) if "label" in self.table.column_names else self.table
        return replace(self, table=table.add_column(len(IDENTITY_COLUMNS), "label", values))

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the pixels and their shape, or of the digests of points without pictures, in hexadecimal."""
        if not self.has_pictures:
            return hashlib.sha256(repr(self.table["sha256"].to_pylist()).encode()).hexdigest()
        return pixels_fingerprint(self.images)

    @cached_property
    def annotations_fingerprint(self) -> str:
        """SHA-256 of everything except the pixels: the table, the skipped files and the name, in hexadecimal."""
        facts = (self.name, self.skipped, hash_table(self.table))
        return hashlib.sha256(repr(facts).encode("utf-8", "surrogatepass")).hexdigest()


def pixels_fingerprint(images: NDArray[Any]) -> str:
    """SHA-256 of pixels and their shape.

    Parameters
    ----------
    images : ndarray (n, ...), uint8 or uint16

    Returns
    -------
    str
        In hexadecimal.
    """
    digest = hashlib.sha256(repr(images.shape).encode())
    for rows in blocks(images):
        digest.update(np.ascontiguousarray(rows))
    return digest.hexdigest()


def as_png(pixels: NDArray[Any]) -> bytes:
    """Encode an image as PNG.

    Parameters
    ----------
    pixels : ndarray (height, width) or (height, width, 3), uint8; or (height, width), uint16

    Returns
    -------
    bytes
    """
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", compress_level=1)
    return file.getvalue()
