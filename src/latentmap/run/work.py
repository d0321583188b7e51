"""The work on a run: its folder, state and options, and the data that one stage keeps in memory for the next."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentmap.core.devices import usable_device
from latentmap.core.progress import Show, silent
from latentmap.encoder import ImageEncoder
from latentmap.images import ImageCollection
from latentmap.images.decode_options import DecodeOptions
from latentmap.images.deferred import DeferredSource
from latentmap.images.listing import Listing
from latentmap.images.named_labels import NamedLabels
from latentmap.run import tables
from latentmap.run.given import MatchedValues, unit_vectors
from latentmap.run.layout import FEATURES, LATENTS
from latentmap.run.options import RunOptions
from latentmap.run.pending import begin, home_of
from latentmap.run.run import open_run_images
from latentmap.run.shared_neighbors import SharedNeighbors
from latentmap.run.state import dependents, stages_of


def say_nothing(_: str) -> None:
    """Discard a message."""


@dataclass
class Work:
    """The input of a stage.

    Attributes
    ----------
    folder : Path
        The folder of the run, or the one in which a finished run is made again.
    state : dict
        The content of run.json.
    options : RunOptions
    show : callable
        From the name of a stage to a context with a progress callback.
    say : callable
        Takes a line about what was done.
    is_finished : bool
        Whether the run was finished before, so that what is made again is made beside it.
    found : Listing, ImageCollection or DeferredSource, optional
        The source, until it is decoded.
    decoding : DecodeOptions
    labels : array (n,) or NamedLabels, optional
        Labels instead of those of the source.
    vectors, places : MatchedValues, optional
        Given vectors of the images, and their given places on the map.
    encoder : ImageEncoder, optional
        Encoder that computes the vectors of the images.
    listing : Listing or DeferredSource, optional
        The source while an encoder may read its files again.
    keys : dict
        The key of each stage, as far as it is known.
    device : str
        Name of the torch device that does the work; "auto" on a machine without the one that the run was made on.
    neighbors : SharedNeighbors
        Neighbours of the points.
    """

    folder: Path
    state: dict[str, Any]
    options: RunOptions
    show: Show = silent
    say: Callable[[str], None] = say_nothing
    is_finished: bool = False
    found: Listing | ImageCollection | DeferredSource | None = None
    decoding: DecodeOptions = field(default_factory=DecodeOptions)
    labels: NDArray[Any] | NamedLabels | None = None
    vectors: MatchedValues | None = None
    places: MatchedValues | None = None
    encoder: ImageEncoder | None = None
    listing: Listing | DeferredSource | None = None
    keys: dict[str, str] = field(default_factory=dict)
    device: str = field(init=False)
    neighbors: SharedNeighbors = field(init=False, repr=False)
    _images: ImageCollection | None = field(default=None, init=False, repr=False)
    _pixels: NDArray[Any] | None = field(default=None, init=False, repr=False)
    _latents: NDArray[np.float32] | None = field(default=None, init=False, repr=False)
    _features: NDArray[np.float32] | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        self.device = usable_device(self.options.device)
        self.neighbors = SharedNeighbors(self.device)

    @property
    def images(self) -> ImageCollection:
        """The images, once they are decoded."""
        if self._images is None:
            self._images = open_run_images(self.folder, self.state)
        return self._images

    @images.setter
    def images(self, images: ImageCollection) -> None:
        self._images = images

    @property
    def pixels(self) -> NDArray[Any]:
        """Pixels of the images (n, *image_shape)."""
        if self._pixels is None:
            self._pixels = self.images.images
        return self._pixels

    @property
    def has_vectors(self) -> bool:
        """Whether the vectors of the images were given."""
        return self.state.get("vectors") is not None

    @property
    def has_pictures(self) -> bool:
        """Whether the points have pictures."""
        return bool(self.state["source"].get("pictures", True))

    @property
    def latents(self) -> NDArray[np.float32]:
        """Latent vectors (n, latent_dim), or the given ones, once the images are encoded. Read once and kept."""
        if self._latents is None:
            self._latents = tables.read_column(self.folder / LATENTS, "latent")
        return self._latents

    @latents.setter
    def latents(self, latents: NDArray[np.float32]) -> None:
        self._latents = latents

    @property
    def points(self) -> NDArray[np.float32]:
        """Vectors by which neighbours are found: visual features (n, d), or the latent ones, scaled by the metric."""
        if self.options.metric == "cosine":
            if self._features is None:
                self._features = unit_vectors(self.latents)
                self.forget_latents()
            return self._features
        if self.options.features == "latent":
            return self.latents
        if self._features is None:
            self._features = tables.read_column(self.folder / FEATURES, "features")
        return self._features

    @points.setter
    def points(self, features: NDArray[np.float32]) -> None:
        self._features = features

    def forget_latents(self) -> None:
        """Free the latent vectors, which are read again when they are needed."""
        self._latents = None

    def take_points(self) -> NDArray[np.float32]:
        """Return the points and stop keeping them, so that a stage can free them before it ends."""
        points, self._latents, self._features = self.points, None, None
        return points

    @property
    def home(self) -> Path:
        """The folder of the run, even while changes are made in a pending folder."""
        return home_of(self.folder)

    def set_aside(self, stage: str) -> None:
        """Continue in a pending folder, so that a finished run stays whole while a stage is repeated."""
        if self.is_finished and self.folder == self.home:
            self.folder = begin(self.folder, self.state, {stage, *dependents(stage, stages_of(self.state))})

    def let_go(self) -> None:
        """Close the mapped files of pixels, which some systems cannot rename while they are open."""
        self._pixels = self._images = self._latents = self._features = None

    def keep_pixels_only(self) -> None:
        """Free the tables of the images, which are read again when they are needed."""
        self._pixels = self.pixels
        self._images = None
