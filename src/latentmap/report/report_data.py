"""The parts of a run that its report shows, each read once."""

from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from latentmap.autoencoder import Autoencoder
from latentmap.core.missing import missing_mask
from latentmap.images import ImageCollection
from latentmap.run import Run

# How many strips of how many steps are shown of what the decoder draws by itself.
N_STRIPS, N_STEPS = 4, 9
# Images on which the detail of reconstructions is measured.
N_DETAIL = 200
# Detail below which decoded pictures are smears.
MIN_DETAIL = 0.75


class ReportData:
    """The parts of a run that both the figures and the page of its report show.

    Parameters
    ----------
    run : Run
        A run whose stages before the report are done.
    points : array (n, d), float32, optional
        Its points, where they are in memory.
    """

    def __init__(self, run: Run, points: NDArray[np.float32] | None = None) -> None:
        self.run = run
        self._points = points

    @cached_property
    def points(self) -> NDArray[np.float32]:
        """The vectors by which neighbours are found."""
        return self.run.points() if self._points is None else self._points

    @cached_property
    def collection(self) -> ImageCollection:
        """The images that the map was made of."""
        return self.run.images()

    @cached_property
    def model(self) -> Autoencoder:
        """The trained autoencoder."""
        return self.run.model()

    @cached_property
    def detail(self) -> float:
        """Differences of neighbouring pixels in reconstructions, as a fraction of those in the images."""
        images = self.collection.images
        some = images[:: -(-len(images) // N_DETAIL)]
        kept, whole = _neighbor_difference(self.model.reconstruct(some)), _neighbor_difference(some / np.float32(255))
        return kept / whole if whole else 1.0

    @property
    def has_decoder(self) -> bool:
        """Whether a network was trained, so that there are reconstructions."""
        return self.run.has_decoder

    @property
    def has_samples(self) -> bool:
        """Whether new pictures drawn from the latent space are worth showing."""
        return self.detail >= MIN_DETAIL

    @cached_property
    def samples(self) -> NDArray[np.float32] | None:
        """New pictures drawn from the latent space (N_STRIPS, N_STEPS, *image_shape), if they are worth showing."""
        if not self.has_samples:
            return None
        drawn = self.model.sample(N_STRIPS * N_STEPS, self.run.options.seed)
        return drawn.reshape(N_STRIPS, N_STEPS, *drawn.shape[1:])

    @cached_property
    def groups(self) -> NDArray[np.int32]:
        """Group of each image (n,), -1 for none."""
        return self.run.groups()

    @cached_property
    def summary(self) -> list[dict[str, Any]]:
        """A description of each group; empty for groups by K-means."""
        return [] if self.run.options.groups == "kmeans" else self.run.group_summary()

    @cached_property
    def duplicates(self) -> pa.Table:
        """Pairs of images that are equal, or nearly."""
        return self.run.duplicates()

    @cached_property
    def outliers(self) -> pa.Table:
        """Isolation and outlier score of each image."""
        return self.run.outliers()

    @cached_property
    def label_counts(self) -> dict[Any, int]:
        """Labels with the number of images that have them, the most frequent first; missing ones are left out."""
        labels = self.collection.labels
        if labels is None:
            return {}
        names, counts = np.unique(labels[~missing_mask(labels)], return_counts=True)
        order = np.argsort(-counts, kind="stable")
        return dict(zip(names[order].tolist(), counts[order].tolist(), strict=True))


def _neighbor_difference(images: NDArray[Any]) -> float:
    """Mean absolute difference between pixels that are neighbours in a row or a column."""
    return float(sum(np.abs(np.diff(images, axis=axis)).mean() for axis in (1, 2) if images.shape[axis] > 1))
