"""The MNIST data set, which is part of the package."""

import hashlib
import re
from importlib.resources import as_file, files

import numpy as np
from numpy.typing import NDArray

from latentmap.core.errors import IdxError, InputError
from latentmap.images.idx import read_idx

# SHA-256 of the decompressed files.
MNIST_SHA256 = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
MNIST_SOURCE = re.compile(r"mnist(?::(\d{1,9}))?")
MNIST_SPLITS = {"train": ["train"], "test": ["t10k"], "all": ["train", "t10k"]}


def load_mnist(split: str = "train") -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Load the handwritten digits of MNIST, which are part of the package.

    Parameters
    ----------
    split : {"train", "test", "all"}, default="train"
        The 60,000 training images, the 10,000 test images, or both in this order.

    Returns
    -------
    images : ndarray (n, 28, 28), uint8
        Grey values; the background is 0.
    labels : ndarray (n,), uint8
        Digit of each image.

    Raises
    ------
    InputError
        If ``split`` is not one of these.
    IdxError
        If a file of the package is damaged. Its SHA-256 is verified at every call.

    References
    ----------
    LeCun, Cortes and Burges, The MNIST database of handwritten digits. CC BY-SA 3.0.

    Examples
    --------
    >>> images, labels = load_mnist("test")
    >>> images.shape, images.dtype, int(labels[0])
    ((10000, 28, 28), dtype('uint8'), 7)
    """
    if split not in MNIST_SPLITS:
        raise InputError(f"split={split!r}: choose among {', '.join(map(repr, MNIST_SPLITS))}")
    images = [_read_verified(f"{part}-images-idx3-ubyte") for part in MNIST_SPLITS[split]]
    labels = [_read_verified(f"{part}-labels-idx1-ubyte") for part in MNIST_SPLITS[split]]
    return np.concatenate(images), np.concatenate(labels)


def is_mnist(source: str) -> bool:
    """Return whether a source is MNIST or its beginning.

    Examples
    --------
    >>> is_mnist("mnist"), is_mnist("mnist:10000"), is_mnist("mnist.zip")
    (True, True, False)
    """
    return MNIST_SOURCE.fullmatch(source) is not None


def load_mnist_source(source: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Load the images and labels of ``"mnist"``, or the first of them, such as ``"mnist:10000"``.

    Raises
    ------
    InputError
        If there are not as many.
    """
    found = MNIST_SOURCE.fullmatch(source)
    images, labels = load_mnist("all")
    n = len(images) if found is None or found[1] is None else int(found[1])
    if not 1 <= n <= len(images):
        raise InputError(f"{source}: there are {len(images):,} digits: pass mnist, or mnist:N for the first N of them")
    return images[:n], labels[:n]


def _read_verified(name: str) -> NDArray[np.uint8]:
    with as_file(files("latentmap.images") / "data" / f"{name}.gz") as path:
        values = read_idx(path)
    # the uncompressed file: header, then values
    header = bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">u4").tobytes()
    digest = hashlib.sha256(header)
    digest.update(values)
    if digest.hexdigest() != MNIST_SHA256[name]:
        raise IdxError(
            f"{name}.gz inside the package is not the published file (its SHA-256 differs): reinstall the package"
        )
    return values
