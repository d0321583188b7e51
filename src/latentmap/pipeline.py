"""The functions of :mod:`latentmap.api`, under the name that this module had first."""

from latentmap.api import add_images, map_images

__all__ = ["add_images", "map_images"]
