"""The images of each epoch in their order, read ahead where they come from a disk."""

import queue
import threading
from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentmap.autoencoder.training.pixels import PixelScale
from latentmap.core.mapped_arrays import is_mapped, release

# Memory-mapped collections beyond this are not shuffled as a whole, for every image would be a search on the disk: runs
# of neighbours of BLOCK_BYTES are put in random order and shuffled within windows of WINDOW_BYTES.
WHOLE_BYTES = 2**28
BLOCK_BYTES = 2**20
WINDOW_BYTES = 2**26
# Windows waiting to be used while the next is read.
READ_AHEAD = 1


class Batches:
    """Batches of some rows of a collection, each epoch in another order.

    Parameters
    ----------
    images : ndarray (n, *image_shape)
        Stored pixels, in memory or mapped from a file.
    rows : ndarray (m,) of int
        The images to take, ascending.
    scale : PixelScale
    batch_size : int
    seed : int
        With the number of the epoch it gives the order.
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
        self.streamed = is_mapped(images) and len(rows) * self._image_bytes > WHOLE_BYTES

    def __len__(self) -> int:
        return len(range(0, len(self.rows), self.batch_size))

    def random(self, epoch: int) -> np.random.Generator:
        """Where the randomness of an epoch comes from: the same for the same seed and number."""
        return np.random.default_rng((self.seed, epoch))

    def epoch(self, number: int) -> Iterator[NDArray[Any]]:
        """Batches (≤ batch_size, *image_shape) as :meth:`PixelScale.prepare` gives them."""
        random = self.random(number)
        if not self.streamed:
            order = random.permutation(self.rows)
            for begin in range(0, len(order), self.batch_size):
                yield self.scale.prepare(self.images[order[begin : begin + self.batch_size]])
            return
        for window in read_ahead(self._windows(random)):
            for begin in range(0, len(window), self.batch_size):
                yield self.scale.prepare(window[begin : begin + self.batch_size])

    def _windows(self, random: np.random.Generator) -> Iterator[NDArray[Any]]:
        """Images of a whole number of batches, read in ascending order and shuffled in memory."""
        n_block = max(1, BLOCK_BYTES // self._image_bytes)
        blocks = np.array_split(self.rows, max(1, len(self.rows) // n_block))
        order = np.concatenate([blocks[k] for k in random.permutation(len(blocks))])
        n_window = max(1, WINDOW_BYTES // self._image_bytes // self.batch_size) * self.batch_size
        for begin in range(0, len(order), n_window):
            rows = np.sort(order[begin : begin + n_window])
            window = np.empty((len(rows), *self.images.shape[1:]), self.images.dtype)
            place = random.permutation(len(rows))
            for run in np.split(np.arange(len(rows)), np.flatnonzero(np.diff(rows) != 1) + 1):
                window[place[run]] = self.images[rows[run[0]] : rows[run[-1]] + 1]
            release(self.images)
            yield window


def read_ahead(items: Iterator[NDArray[Any]]) -> Iterator[NDArray[Any]]:
    """The same items, the next ones made by a thread while the caller works on one."""
    made: queue.Queue[tuple[NDArray[Any] | None, BaseException | None]] = queue.Queue(READ_AHEAD)
    stopped = threading.Event()

    def offer(item: NDArray[Any] | None, error: BaseException | None = None) -> None:
        while not stopped.is_set():
            try:
                made.put((item, error), timeout=0.1)
            except queue.Full:
                continue
            return

    def make() -> None:
        try:
            for item in items:
                offer(item)
                if stopped.is_set():
                    return
            offer(None)
        except BaseException as error:  # raised again where the item is wanted
            offer(None, error)

    thread = threading.Thread(target=make, daemon=True)
    thread.start()
    try:
        while True:
            item, error = made.get()
            if error is not None:
                raise error
            if item is None:
                return
            yield item
    finally:
        stopped.set()
        thread.join()
