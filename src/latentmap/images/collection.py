"""A collection of images of one size, in memory."""

import hashlib
import io
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image


class Skipped(NamedTuple):
    """A file that is not in the collection, and why."""

    path: str
    reason: str


@dataclass(frozen=True)
class ImageCollection:
    """Images of one size, with where each came from.

    Attributes
    ----------
    images : ndarray (n, height, width) or (n, height, width, 3), uint8
    paths : list of str
        Where each image came from: the path below the folder, or ``name[i]`` for the i-th of an array.
    labels : ndarray (n,) of integers or strings, or None
    skipped : list of Skipped
        Files that could not be decoded.
    name : str
        What the source is called.
    """

    images: NDArray[np.uint8]
    paths: list[str]
    labels: NDArray[Any] | None = None
    skipped: list[Skipped] = field(default_factory=list)
    name: str = "images"

    def __len__(self) -> int:
        return len(self.images)

    @property
    def image_shape(self) -> tuple[int, ...]:
        """(height, width) or (height, width, 3)."""
        return self.images.shape[1:]

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the pixels and their shape."""
        digest = hashlib.sha256(repr(self.images.shape).encode())
        digest.update(np.ascontiguousarray(self.images))
        return digest.hexdigest()

    @cached_property
    def annotations_fingerprint(self) -> str:
        """SHA-256 of all but the pixels: paths, labels, skipped files and the name."""
        labels = None if self.labels is None else self.labels.tolist()
        return hashlib.sha256(repr((self.name, self.paths, labels, self.skipped)).encode()).hexdigest()

    def png(self, index: int) -> bytes:
        """Image ``index`` as a PNG file, without loss."""
        file = io.BytesIO()
        Image.fromarray(self.images[index]).save(file, "PNG", compress_level=1)
        return file.getvalue()
