"""The images of each epoch in random order, prefetched where they come from a disk."""

import queue
import threading
from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentmap.autoencoder.training.pixels import PixelScale
from latentmap.core.mapped_arrays import is_mapped, release

# Larger memory-mapped collections are not shuffled as a whole, because each image would be a random access to the
# disk: blocks of neighbouring images are put in random order and shuffled within windows.
MAX_SHUFFLED_BYTES = 2**28
SHUFFLE_BLOCK_BYTES = 2**20
SHUFFLE_WINDOW_BYTES = 2**26
# Windows that wait to be used while the next one is read.
N_PREFETCHED = 1


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
        random = np.random.default_rng((self.seed, number))
        if not self.streamed:
            order = random.permutation(self.rows)
            for begin in range(0, len(order), self.batch_size):
                yield self.scale.prepare(self.images[order[begin : begin + self.batch_size]])
            return
        for window in prefetch(self._windows(random)):
            for begin in range(0, len(window), self.batch_size):
                yield self.scale.prepare(window[begin : begin + self.batch_size])

    def _windows(self, random: np.random.Generator) -> Iterator[NDArray[Any]]:
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
            yield window


def prefetch(items: Iterator[NDArray[Any]]) -> Iterator[NDArray[Any]]:
    """Iterate over items that a thread makes while the caller works on the one before.

    Parameters
    ----------
    items : iterator of ndarray
        Items to make. An error that it raises is raised again in the calling thread.

    Yields
    ------
    ndarray
        The same items.
    """
    finished: queue.Queue[tuple[NDArray[Any] | None, BaseException | None]] = queue.Queue(N_PREFETCHED)
    stopped = threading.Event()

    def put(item: NDArray[Any] | None, error: BaseException | None = None) -> None:
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
