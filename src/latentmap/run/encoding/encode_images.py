"""Encoding the images of a run, or of an addition, with a frozen encoder."""

from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np

from latentmap.core.errors import EncoderError
from latentmap.core.progress import Callback, Progress, counted
from latentmap.encoder import ImageEncoder
from latentmap.images.shape import Shape
from latentmap.run.encoding.encoded_store import EncodedStore
from latentmap.run.encoding.input_pixels import InputPixels
from latentmap.run.given.vector_files import VectorBlocks, write_vectors
from latentmap.run.layout import CACHE


def encode_images(
    encoder: ImageEncoder,
    images: InputPixels,
    folder: Path,
    key: str,
    like: Shape | None,
    *,
    callback: Callback = lambda _: None,
    say: Callable[[str], None] = lambda _: None,
) -> None:
    """Write the vectors of images: cache/vectors.npy. An interrupted computation with the same key resumes.

    Parameters
    ----------
    encoder : ImageEncoder
    images : InputPixels
    folder : Path
        The folder of the run or of the addition.
    key : str
        Identifies the images and the encoder.
    like : Shape, optional
        Shape of the images of the run, with the ranges of their values.
    callback : callable, optional
        Receives the progress.
    say : callable, optional
        Takes a line about images whose files could not be read again.

    Raises
    ------
    EncoderError
        If a vector is NaN or infinite, or onnxruntime cannot run the encoder.
    """
    n = len(images.table)
    store = EncodedStore(folder / CACHE, key, encoder.n_features_out)
    try:
        pixels = images.read(encoder.input_shape(like), store.n_done)
        while batch := list(islice(pixels, encoder.batch_size)):
            vectors = encoder.encode(np.stack(batch))
            bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
            if len(bad):
                path = images.table["path"][store.n_done + int(bad[0])].as_py()
                raise EncoderError(
                    f"{encoder.path}: NaN or infinite values for {counted(len(bad), 'image')}, the first is {path}: "
                    "export it in float32, or leave these images out"
                )
            store.append(vectors)
            callback(Progress(store.n_done, n))
        store.save()
        write_vectors(folder, VectorBlocks.of(store.vectors()))
        store.remove()
    finally:
        store.close()
    if images.n_small:
        say(
            f"  {counted(images.n_small, 'image')} encoded from the pixels of the run, because the files are gone, "
            "have changed, or cannot be decoded again"
        )
