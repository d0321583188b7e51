"""Where images come from, and how one is decoded."""

from latentmap.images.collection import ImageCollection, Skipped
from latentmap.images.idx import IdxError, read_idx
from latentmap.images.mnist import load_mnist
from latentmap.images.sources import SourceError, load_images

__all__ = ["IdxError", "ImageCollection", "Skipped", "SourceError", "load_images", "load_mnist", "read_idx"]
