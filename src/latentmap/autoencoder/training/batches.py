"""The images of each epoch in random order, prefetched where they come from a disk."""

import queue
import threading
from collections.abc import Callable, Iterator
from math import prod
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from latentmap.autoencoder.training.augmentation import mix_pairs
from latentmap.autoencoder.training.pixels import PixelScale
from latentmap.core.mapped_arrays import is_mapped, release

# Larger memory-mapped collections are not shuffled as a whole, because each image would be a random access to the
# disk: blocks of neighbouring images are put in random order and shuffled within windows.
MAX_SHUFFLED_BYTES = 2**28
SHUFFLE_BLOCK_BYTES = 2**20
SHUFFLE_WINDOW_BYTES = 2**26
# Windows that wait to be used while the next one is read.
N_PREFETCHED = 1

Item = TypeVar("Item")


class Batches:
    """Batches of the training images, in another order in each epoch.

    Parameters
    ----------
    images : ndarray of shape (n, *image_shape)
        Stored pixels, in memory or memory-mapped.
    rows : ndarray of shape (m,), intp
        Rows of the training images in ascending order.
    scale : PixelScale
        Map from stored pixels to [0, 1].
    batch_size : int
        Images in a batch; the last one of an epoch may have fewer.
    seed : int
        Seed of the order, together with the number of the epoch.

    Attributes
    ----------
    streamed : bool
        Whether the images are shuffled in windows.
    """

    def __init__(
        self, images: NDArray[Any], rows: NDArray[np.intp], scale: PixelScale, batch_size: int, seed: int
    ) -> None:
        self.images = images
        self.rows = rows
        self.scale = scale
        self.batch_size = batch_size
        self.seed = seed
        self._image_bytes = max(1, prod(images.shape[1:]) * images.itemsize)
        self.streamed = is_mapped(images) and len(rows) * self._image_bytes > MAX_SHUFFLED_BYTES

    def __len__(self) -> int:
        return len(range(0, len(self.rows), self.batch_size))

    def epoch(self, number: int) -> Iterator[NDArray[Any]]:
        """Iterate over the batches of an epoch.

        Parameters
        ----------
        number : int
            Number of the epoch, from 0.

        Yields
        ------
        ndarray of shape (m, *image_shape), uint8 or float32
            At most ``batch_size`` images, as :meth:`PixelScale.prepare` returns them.
        """
        for _, batch in self.numbered_epoch(number):
            yield batch

    def numbered_epoch(self, number: int) -> Iterator[tuple[NDArray[np.intp], NDArray[Any]]]:
        """Iterate over the batches of an epoch, together with the rows of their images.

        Parameters
        ----------
        number : int
            Number of the epoch, from 0.

        Yields
        ------
        rows : ndarray of shape (m,), intp
        images : ndarray of shape (m, *image_shape), uint8 or float32
            See :meth:`epoch`.
        """
        random = np.random.default_rng((self.seed, number))
        if not self.streamed:
            order = random.permutation(self.rows)
            for begin in range(0, len(order), self.batch_size):
                rows = order[begin : begin + self.batch_size]
                yield rows, self.scale.prepare(self.images[rows])
            return
        for rows, window in prefetch(self._windows(random)):
            for begin in range(0, len(window), self.batch_size):
                part = slice(begin, begin + self.batch_size)
                yield rows[part], self.scale.prepare(window[part])

    def _windows(self, random: np.random.Generator) -> Iterator[tuple[NDArray[np.intp], NDArray[Any]]]:
        """Read the images of a whole number of batches in ascending order and shuffle them in memory."""
        n_block = max(1, SHUFFLE_BLOCK_BYTES // self._image_bytes)
        blocks = np.array_split(self.rows, max(1, len(self.rows) // n_block))
        order = np.concatenate([blocks[k] for k in random.permutation(len(blocks))])
        n_window = max(1, SHUFFLE_WINDOW_BYTES // self._image_bytes // self.batch_size) * self.batch_size
        for begin in range(0, len(order), n_window):
            rows = np.sort(order[begin : begin + n_window])
            window = np.empty((len(rows), *self.images.shape[1:]), self.images.dtype)
            target = random.permutation(len(rows))
            for run in np.split(np.arange(len(rows)), np.flatnonzero(np.diff(rows) != 1) + 1):
                window[target[run]] = self.images[rows[run[0]] : rows[run[-1]] + 1]
            release(self.images)
            shuffled = np.empty_like(rows)
            shuffled[target] = rows
            yield shuffled, window


def prefetch(items: Iterator[Item]) -> Iterator[Item]:
    """Iterate over items that a thread makes while the caller works on the one before.

    Parameters
    ----------
    items : iterator
        Items to make. An error that it raises is raised again in the calling thread.

    Yields
    ------
    object
        The same items.
    """
    finished: queue.Queue[tuple[Item | None, BaseException | None]] = queue.Queue(N_PREFETCHED)
    stopped = threading.Event()

    def put(item: Item | None, error: BaseException | None = None) -> None:
        while not stopped.is_set():
            try:
                finished.put((item, error), timeout=0.1)
            except queue.Full:
                continue
            return

    def run() -> None:
        try:
            for item in items:
                put(item)
                if stopped.is_set():
                    return
            put(None)
        except BaseException as error:  # raised again in the calling thread
            put(None, error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        while True:
            item, error = finished.get()
            if error is not None:
                raise error
            if item is None:
                return
            yield item
    finally:
        stopped.set()
        thread.join()


class VectorBatches(Batches):
    """Batches of images together with the vectors that a decoder draws them from.

    Parameters
    ----------
    vectors : ndarray of shape (n, d), float32
        Vectors of the images, in memory or memory-mapped.
    images, rows, scale, batch_size, seed
        See :class:`Batches`.
    standardize : callable
        From vectors (m, d) to what the decoder takes, (m, d) float32.
    """

    def __init__(
        self,
        vectors: NDArray[Any],
        images: NDArray[Any],
        rows: NDArray[np.intp],
        scale: PixelScale,
        batch_size: int,
        seed: int,
        standardize: Callable[[NDArray[Any]], NDArray[np.float32]],
    ) -> None:
        super().__init__(images, rows, scale, batch_size, seed)
        self._vectors = vectors
        self._standardize = standardize

    def pairs(
        self, number: int, mixing: np.random.Generator | None = None
    ) -> Iterator[tuple[NDArray[np.float32], NDArray[Any]]]:
        """Iterate over the batches of an epoch.

        Parameters
        ----------
        number : int
            Number of the epoch, from 0.
        mixing : Generator, optional
            Source of randomness for mixup of the pairs; by default they are not mixed.

        Yields
        ------
        vectors : ndarray of shape (m, d), float32
        images : ndarray of shape (m, *image_shape), uint8 or float32
        """
        for rows, images in self.numbered_epoch(number):
            vectors = self._standardize(self._vectors[rows])
            yield (vectors, images) if mixing is None else mix_pairs(vectors, images, mixing)
