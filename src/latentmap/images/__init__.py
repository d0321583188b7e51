"""Where images come from, and how they are decoded."""

from latentmap.core.errors import IdxError, SourceError
from latentmap.images.collection import ImageCollection
from latentmap.images.idx import read_idx
from latentmap.images.listing import Skipped
from latentmap.images.mnist import load_mnist
from latentmap.images.shape import Shape, ShapeOptions
from latentmap.images.sources import open_images

__all__ = [
    "IdxError",
    "ImageCollection",
    "Shape",
    "ShapeOptions",
    "Skipped",
    "SourceError",
    "load_mnist",
    "open_images",
    "read_idx",
]
