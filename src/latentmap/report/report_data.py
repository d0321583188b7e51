"""The parts of a run that its report shows, each read once."""

from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from latentmap.audit.issues import count_issues
from latentmap.autoencoder import Autoencoder, ImageDecoder
from latentmap.autoencoder.generation import find_medoid, principal_direction, traverse
from latentmap.core.missing import missing_mask
from latentmap.images import ImageCollection
from latentmap.images.mixing import MixedImages
from latentmap.images.pixel_types import in_unit_interval
from latentmap.run import Run
from latentmap.run.channel_records import mixing_of
from latentmap.run.findings import NAMED_APART
from latentmap.run.layout import ISSUES as ISSUES_FILE

# How many strips of how many steps are shown of what the decoder draws by itself.
N_STRIPS, N_STEPS = 4, 9
# Images on which the detail of reconstructions is measured.
N_DETAIL = 200
# Of given vectors: those that directions are found in, the longest, and the distance to either side along a direction
# in standard deviations.
N_TRAVERSED, MAX_TRAVERSED_LENGTH, SPAN = 5000, 2048, 2.0
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
    def images(self) -> Any:
        """The images as they are shown: those of the collection, or with their channels mixed."""
        images, mixing = self.collection.images, mixing_of(self.run.state["source"])
        return images if mixing is None and images.dtype == np.uint8 else MixedImages(images, mixing)

    @cached_property
    def model(self) -> Autoencoder:
        """The trained autoencoder."""
        return self.run.model()

    @cached_property
    def network(self) -> Autoencoder | ImageDecoder:
        """The network that was trained: the autoencoder, or the decoder of given vectors."""
        return self.run.decoder() if self.run.has_vectors else self.model

    @cached_property
    def latents(self) -> NDArray[np.float32]:
        """The latent vectors, or the given ones."""
        return self.run.latents()

    def reconstruct(self, rows: NDArray[np.intp]) -> NDArray[np.float32]:
        """Reconstructions (m, *image_shape) of some images, in [0, 1]."""
        if isinstance(self.network, ImageDecoder):
            return self.network.predict(self.latents[rows])
        return self.network.reconstruct(self.collection.images[rows])

    def interpolate(self, a: int, b: int) -> NDArray[np.float32]:
        """Pictures (N_STEPS, *image_shape) on the way from one image to another."""
        if isinstance(self.network, ImageDecoder):
            return self.network.interpolate(self.latents[a], self.latents[b], N_STEPS)
        images = self.collection.images
        return self.network.interpolate(images[a], images[b], N_STEPS)

    @property
    def n_traversals(self) -> int:
        """Number of directions in which pictures are drawn; none for very long vectors."""
        if isinstance(self.network, Autoencoder):
            return min(N_STRIPS, self.run.options.latent_dim)
        length = self.network.n_features_in_
        return min(N_STRIPS, length) if length <= MAX_TRAVERSED_LENGTH else 0

    def traversals(self) -> NDArray[np.float32]:
        """Pictures (n_traversals, N_STEPS, *image_shape) along the directions of largest variance."""
        if isinstance(self.network, Autoencoder):
            lines = [self.network.traverse(k, steps=N_STEPS, principal=True) for k in range(self.n_traversals)]
            return np.stack(lines)
        latents = self.latents[:: -(-len(self.latents) // N_TRAVERSED)]
        start, lines = find_medoid(latents), []
        for k in range(self.n_traversals):
            direction = principal_direction(latents, k)
            reach = SPAN * float((latents @ direction).std())
            lines.append(self.network.predict(traverse(start, direction, reach, N_STEPS)))
        return np.stack(lines)

    @property
    def threshold(self) -> float:
        """Reconstruction error above which one image in a hundred lies."""
        if isinstance(self.network, Autoencoder):
            return self.network.outlier_threshold()
        return float(np.quantile(self.run.errors(), 0.99))

    @cached_property
    def detail(self) -> float:
        """Differences of neighbouring pixels in reconstructions, as a fraction of those in the images."""
        images = self.collection.images
        rows = np.arange(0, len(images), -(-len(images) // N_DETAIL))
        kept, whole = (_neighbor_difference(some) for some in (self.reconstruct(rows), in_unit_interval(images[rows])))
        return kept / whole if whole else 1.0

    @property
    def has_decoder(self) -> bool:
        """Whether a network was trained, so that there are reconstructions."""
        return self.run.has_decoder

    @property
    def has_samples(self) -> bool:
        """Whether new pictures drawn from the latent space are worth showing."""
        return self.has_decoder and not self.run.has_vectors and self.detail >= MIN_DETAIL

    @cached_property
    def samples(self) -> NDArray[np.float32] | None:
        """New pictures drawn from the latent space (N_STRIPS, N_STEPS, h, w[, 3]), if they are worth showing."""
        if not self.has_samples:
            return None
        drawn = self.model.sample(N_STRIPS * N_STEPS, self.run.options.seed)
        drawn = self.run.picture(drawn)
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
    def issues(self) -> dict[str, NDArray[np.int64]]:
        """Ids by issue, the worst first, without duplicates and outliers; empty if the run was not audited."""
        if not (self.run.path / ISSUES_FILE).exists():  # made by an earlier version
            return {}
        table = self.run.issues()
        kinds, ids = table["issue"].to_numpy(zero_copy_only=False), table["id"].to_numpy()
        shown = [name for name in count_issues(table) if name not in NAMED_APART]
        return {name.replace("_", " "): ids[kinds == name] for name in shown}

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
