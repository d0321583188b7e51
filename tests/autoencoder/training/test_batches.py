"""Batches: every image once an epoch, in another order each time, from memory or from a larger file."""

import threading

import numpy as np
import pytest

from latentmap.autoencoder.training import batches as module
from latentmap.autoencoder.training.batches import Batches, is_mapped, prefetch
from latentmap.autoencoder.training.pixels import PixelScale

BYTES = PixelScale(0, 255)


def numbered(n: int) -> np.ndarray:
    return np.arange(n, dtype=np.uint8).repeat(6).reshape(n, 3, 2)


@pytest.fixture
def mapped(tmp_path, monkeypatch):
    """200 images in a file, of which two fit into a block and fewer than a hundred into a window."""
    monkeypatch.setattr(module, "MAX_SHUFFLED_BYTES", 100)
    monkeypatch.setattr(module, "SHUFFLE_BLOCK_BYTES", 12)
    monkeypatch.setattr(module, "SHUFFLE_WINDOW_BYTES", 360)
    np.save(tmp_path / "images.npy", numbered(200))
    return np.load(tmp_path / "images.npy", mmap_mode="r")


def order(batches: Batches, epoch: int) -> list[int]:
    found = list(batches.epoch(epoch))
    assert len(found) == len(batches)
    assert all(len(batch) == batches.batch_size for batch in found[:-1])
    for batch in found:
        assert (batch == batch[:, :1, :1]).all()
        assert batch.flags.c_contiguous
    return [int(image[0, 0]) for batch in found for image in batch]


@pytest.mark.parametrize("streamed", [False, True])
def test_every_image_once_an_epoch_and_never_in_the_same_order(streamed, mapped):
    rows = np.flatnonzero(np.arange(200) % 7)
    batches = Batches(mapped if streamed else numbered(200), rows, BYTES, 16, seed=3)
    assert batches.streamed is streamed
    first, second = order(batches, 0), order(batches, 1)
    assert sorted(first) == sorted(second) == rows.tolist()
    assert first != second != sorted(first)
    assert order(batches, 0) == first
    assert order(Batches(batches.images, rows, BYTES, 16, seed=4), 0) != first


def test_a_streamed_epoch_mixes_images_from_all_over_the_file(mapped):
    found = order(Batches(mapped, np.arange(200), BYTES, 50, seed=0), 0)
    assert np.ptp(found[:50]) > 150
    assert abs(np.corrcoef(found, range(200))[0, 1]) < 0.5


def test_small_mapped_files_are_shuffled_as_arrays_are(tmp_path):
    np.save(tmp_path / "images.npy", numbered(50))
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    whole = [Batches(images, np.arange(50), BYTES, 8, seed=0) for images in (mapped, numbered(50))]
    assert order(whole[0], 0) == order(whole[1], 0)


def test_views_of_a_mapped_file_are_recognised(mapped):
    assert is_mapped(mapped)
    assert is_mapped(np.asarray(mapped)[3:].reshape(-1, 6))
    assert not is_mapped(np.array(mapped))


def test_a_disk_error_is_raised_in_the_calling_thread():
    def fail():
        yield np.zeros(2)
        raise OSError("the disk is gone")

    items = prefetch(fail())
    assert len(next(items)) == 2
    with pytest.raises(OSError, match="the disk is gone"):
        next(items)


def test_prefetching_ends_with_its_consumer():
    made = []

    def count():
        for number in range(1000):
            made.append(number)
            yield np.array([number])

    before = threading.active_count()
    items = prefetch(count())
    next(items)
    items.close()
    assert threading.active_count() == before
    assert len(made) < 10
