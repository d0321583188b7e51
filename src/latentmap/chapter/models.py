"""The data and models that several rows of the chapter use."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from latentmap.autoencoder import Autoencoder
from latentmap.chapter.published import PERPLEXITIES
from latentmap.core.progress import shown
from latentmap.images import load_mnist
from latentmap.kmeans import KMeans
from latentmap.neighbors import NeighborGraph, nearest_neighbors
from latentmap.tsne import TSNE

SEED = 0


@dataclass(frozen=True)
class Workload:
    """Number of images and epochs.

    Attributes
    ----------
    n_train, n_test : int
        Training and test images.
    epochs : int
        Epochs of the networks that are compared with published losses.
    clustering_epochs : int
        Epochs of the network whose latent vectors are clustered.
    n_map : int
        Latent vectors in a map.
    """

    n_train: int = 60_000
    n_test: int = 10_000
    epochs: int = 10
    clustering_epochs: int = 20
    n_map: int = 5_000


FULL_WORKLOAD = Workload()
QUICK_WORKLOAD = Workload(n_train=6_000, n_test=1_000, epochs=2, clustering_epochs=2, n_map=1_000)


@dataclass
class Timing:
    """Wall time and CPU time of a block of code, in seconds."""

    wall: float = 0.0
    cpu: float = 0.0


@contextmanager
def _timed() -> Iterator[Timing]:
    timing = Timing()
    wall, cpu = time.perf_counter(), time.process_time()
    yield timing
    timing.wall, timing.cpu = time.perf_counter() - wall, time.process_time() - cpu


class ChapterModels:
    """The data and models of the chapter, each made at its first use and kept for further rows.

    Parameters
    ----------
    workload : Workload
        Number of images and epochs.
    quiet : bool
        Whether to hide progress.
    """

    def __init__(self, workload: Workload, quiet: bool) -> None:
        self.workload = workload
        self.quiet = quiet

    @cached_property
    def train(self) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Training images (n_train, 28, 28) uint8 and labels (n_train,) uint8."""
        images, labels = load_mnist("train")
        return images[: self.workload.n_train], labels[: self.workload.n_train]

    @cached_property
    def test(self) -> NDArray[np.uint8]:
        """Test images (n_test, 28, 28) uint8."""
        return load_mnist("test")[0][: self.workload.n_test]

    @cached_property
    def dense(self) -> Autoencoder:
        """The dense network."""
        return self._fit("dense", "relu", self.workload.epochs)

    @cached_property
    def conv_relu(self) -> Autoencoder:
        """The convolutional network with ReLU."""
        return self._fit("conv", "relu", self.workload.epochs)

    @cached_property
    def conv_elu(self) -> Autoencoder:
        """The convolutional network with ELU."""
        return self._fit("conv", "elu", self.workload.epochs)

    @cached_property
    def latents(self) -> NDArray[np.float32]:
        """Latent vectors (n_train, 64) float32 of the training images, from the ELU network trained for longer."""
        return self._fit("conv", "elu", self.workload.clustering_epochs).transform(self.train[0])

    @cached_property
    def kmeans(self) -> tuple[KMeans, Timing]:
        """K-means with 10 clusters of the latent vectors, and its time."""
        latents = self.latents
        with _timed() as timing:
            kmeans = KMeans(n_clusters=10, n_init=10, random_state=42).fit(latents)
        return kmeans, timing

    @cached_property
    def neighbors(self) -> NeighborGraph:
        """Neighbours of the mapped latent vectors, enough for every perplexity of the sweep."""
        return nearest_neighbors(self.latents[: self.workload.n_map], 3 * max(PERPLEXITIES) + 1)

    @cached_property
    def maps(self) -> dict[int, tuple[NDArray[np.float32], float, float]]:
        """Finished maps by perplexity; see :meth:`map`."""
        return {}

    def map(self, perplexity: int) -> tuple[NDArray[np.float32], float, float]:
        """Compute the t-SNE map of the first ``n_map`` latent vectors.

        Parameters
        ----------
        perplexity : int
            Perplexity of the map.

        Returns
        -------
        xy : ndarray of shape (n_map, 2), float32
            Coordinates.
        kl_divergence : float
            Kullback-Leibler divergence of the map.
        seconds : float
            Wall time.
        """
        if perplexity not in self.maps:
            latents = self.latents[: self.workload.n_map]
            tsne = TSNE(learning_rate=100, perplexity=perplexity, random_state=0)
            with _timed() as timing:
                xy = tsne.fit_transform(latents, neighbors=self.neighbors)
            self.maps[perplexity] = np.asarray(xy, np.float32), float(tsne.kl_divergence_), timing.wall
        return self.maps[perplexity]

    def _fit(self, network: str, activation: str, epochs: int) -> Autoencoder:
        with shown(f"{network}, {activation}, {epochs} epochs", quiet=self.quiet) as callback:
            model = Autoencoder(network, activation=activation, epochs=epochs, random_state=SEED, callback=callback)
            model.fit(self.train[0])
        model.callback = None
        return model
