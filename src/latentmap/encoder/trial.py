"""A trial of an encoder: whether it gives each image a vector of its own."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentmap.core.errors import EncoderError
from latentmap.encoder.preprocessing import Preprocessing

# Largest difference of two vectors of one image, relative to their length.
MAX_DIFFERENCE, MAX_HALF_DIFFERENCE = 1e-3, 2e-2

Encode = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


def try_encoder(
    encode: Encode, preprocessing: Preprocessing, dtype: np.dtype[Any], batch: int | None, path: object
) -> bool:
    """Encode two images alone and together.

    Parameters
    ----------
    encode : callable
        From images (m, height, width[, 3]), uint8, to vectors (m, d).
    preprocessing : Preprocessing
        Preprocessing of the encoder.
    dtype : dtype
        Type of its input.
    batch : int or None
        Number of images in a batch, where the model fixes it.
    path : path
        File of the model, for messages.

    Returns
    -------
    bool
        Whether the vector of an image does not depend on the others in its batch.

    Raises
    ------
    EncoderError
        If a value is NaN or infinite, differs from call to call, or depends on the batch and the model fixes its size.
    """
    images = _trial_images(preprocessing)
    limit = MAX_HALF_DIFFERENCE if dtype == np.float16 else MAX_DIFFERENCE
    alone = np.concatenate([encode(images[:1]), encode(images[1:])])
    if not np.isfinite(alone).all():
        raise EncoderError(
            f"{path}: NaN or infinite values for ordinary images: export it in float32, and check mean and std"
        )
    if not _is_same(encode(images[:1]), alone[:1], limit):
        raise EncoderError(f"{path}: another vector for the same image at each call: export it in evaluation mode")
    if batch == 1:
        return False
    try:
        is_independent = _is_same(encode(images), alone, limit)
    except EncoderError:  # exported with the size of the batch in it, which its input does not say
        is_independent = False
    if not is_independent and batch is not None:
        raise EncoderError(
            f"{path}: the vector of an image depends on the others in its batch of {batch}: export it in evaluation "
            "mode and with a batch of 1"
        )
    return is_independent


def _trial_images(preprocessing: Preprocessing) -> NDArray[np.uint8]:
    """A smooth and a noisy image (2, height, width[, 3])."""
    height, width = preprocessing.height, preprocessing.width
    colors = [] if preprocessing.channels == 1 else [3]
    smooth = np.linspace(0, 255, height)[:, None] * np.linspace(0, 1, width)[None]
    noise = np.random.default_rng(0).integers(0, 256, (height, width, *colors))
    first = np.broadcast_to(smooth[..., None], noise.shape) if colors else smooth
    return np.stack([first, noise]).astype(np.uint8)


def _is_same(a: NDArray[np.float32], b: NDArray[np.float32], limit: float) -> bool:
    """Whether vectors (m, d) are the same but for rounding."""
    if a.shape != b.shape:
        return False
    lengths = np.maximum(np.linalg.norm(b.astype(np.float64), axis=1), 1e-6)
    return bool((np.linalg.norm((a - b).astype(np.float64), axis=1) <= limit * lengths).all())
