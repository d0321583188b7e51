"""An image encoder from an ONNX file: images in, vectors out."""

import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from itertools import islice
from math import prod
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from latentmap.core.atomic_files import user_path
from latentmap.core.devices import ACCEPTED_NAMES, is_device_name
from latentmap.core.errors import EncoderError, InputError
from latentmap.encoder.input_shape import InputShape
from latentmap.encoder.onnx_file import check_encoder_packages, digest_of, files_of, split_output
from latentmap.encoder.preprocessing import IMAGENET_MEAN, IMAGENET_STD, Preprocessing
from latentmap.encoder.preprocessor_config import CONFIG_FILE, read_preprocessor_config
from latentmap.encoder.session import Session
from latentmap.encoder.signature import ModelInput, choose_output, read_input, to_vectors
from latentmap.encoder.trial import try_encoder
from latentmap.images.decoding import EncodedImage, Failure, decode_images
from latentmap.images.shape import Shape

# Changes when the same file and preprocessing give other vectors.
ENCODER_VERSION = 1
MAX_BATCH_SIZE, MAX_BATCH_VALUES = 64, 2**22


class ImageEncoder:
    """Frozen image encoder from an ONNX file.

    The file is run by onnxruntime, on a GPU where onnxruntime has one and ``device`` allows it. No code of the file's
    author is run: operations that onnxruntime does not have itself are refused.

    Parameters
    ----------
    path : path
        ONNX file with one input, a batch of images, and a vector for each image among its outputs. Without
        ``:name`` behind it, the output is the only one, or the first of ``image_embeds``, ``pooler_output`` and
        ``last_hidden_state``, of which the first token is taken. Of other tokens, and of maps of features, the mean is
        taken.
    size : int or (int, int), optional
        Side of the square input, or its height and width, in pixels, where neither the file nor a
        ``preprocessor_config.json`` beside it says it.
    mean, std : sequence of float, optional
        Mean and standard deviation of each channel, for pixels in [0, 1]. By default those of the
        ``preprocessor_config.json``; without one, those of ImageNet for RGB, and 0 and 1 for grey.
    device : str, default="auto"
        "auto" or "cuda" for a GPU where onnxruntime has one, "cuda:N" for the one with that number, "cpu" or "mps" for
        the CPU. A GPU that does not start is done without, with a warning.

    Attributes
    ----------
    preprocessing : Preprocessing
        How images become the input.
    output : str
        Name of the output.
    n_features_out : int
        Length of the vectors.
    digest : str
        SHA-256 of the file and of its external weights.
    key : str
        Hash of everything that the vectors depend on.
    files : list of Path
        The ONNX file and its external weights.
    settings : dict
        What was passed besides the path: output, size, mean and std.
    runs_on_gpu : bool
        Whether onnxruntime uses a GPU.
    assumes_imagenet : bool
        Whether mean and standard deviation are those of ImageNet because nothing else was said.

    Raises
    ------
    MissingPackageError
        If onnx or onnxruntime is not installed.
    EncoderError
        If the file is damaged or no image encoder, or its size is not known.
    InputError
        If there is no such device.

    Examples
    --------
    >>> encoder = ImageEncoder("dinov2.onnx")  # doctest: +SKIP
    >>> encoder.transform(["cat.jpg", "dog.png"]).shape  # doctest: +SKIP
    (2, 384)
    """

    n_features_out = 0  # until it is known

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        size: int | tuple[int, int] | None = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        device: str = "auto",
    ) -> None:
        if not is_device_name(device):
            raise InputError(f"device={device[:40]!r}: choose {ACCEPTED_NAMES}")
        name, wanted = split_output(os.fspath(path))
        self._open(user_path(name), wanted, device)
        size = (size, size) if isinstance(size, int) else size
        settings: dict[str, Any] = {"output": wanted, "size": size, "mean": mean, "std": std}
        self.settings = {name: value for name, value in settings.items() if value is not None}
        given = {
            name: tuple(map(float, values)) for name, values in (("mean", mean), ("std", std)) if values is not None
        }
        self.preprocessing, self.assumes_imagenet = _choose_preprocessing(self.path, self._input, size, given)
        self.batch_size = self._input.batch or self._free_batch_size()
        is_independent = try_encoder(self.encode, self.preprocessing, self._input.dtype, self._input.batch, self.path)
        if self._input.batch is None and not is_independent:
            self.batch_size = 1
        self.n_features_out = int(self.encode(np.zeros((1, *self.image_shape), np.uint8)).shape[1])

    @classmethod
    def from_facts(cls, path: Path, facts: dict[str, Any], device: str = "auto") -> Self:
        """Open an encoder as it was used before.

        Parameters
        ----------
        path : Path
            ONNX file.
        facts : dict
            What :meth:`facts` returned then.
        device : str, default="auto"
            See :class:`ImageEncoder`.

        Returns
        -------
        ImageEncoder

        Raises
        ------
        EncoderError
            If the file is missing or another one, or the facts are none that an encoder has.
        """
        encoder = cls.__new__(cls)
        encoder._open(path, str(facts["output"]), device)
        encoder.settings = {}
        if encoder.digest != facts["digest"]:
            raise EncoderError(f"{path}: another file than the one that was used before (its SHA-256 differs)")
        encoder.preprocessing, encoder.assumes_imagenet = Preprocessing.from_dict(facts["preprocessing"]), False
        encoder.batch_size = encoder._input.batch or max(1, min(MAX_BATCH_SIZE, int(facts["batch_size"])))
        encoder.n_features_out = int(facts["n_features_out"])
        return encoder

    def facts(self) -> dict[str, Any]:
        """The facts from which :meth:`from_facts` opens the encoder again, as JSON values."""
        return {
            "digest": self.digest,
            "output": self.output,
            "preprocessing": self.preprocessing.as_dict(),
            "batch_size": self.batch_size,
            "n_features_out": self.n_features_out,
        }

    @property
    def runs_on_gpu(self) -> bool:
        """Whether onnxruntime uses a GPU."""
        return self._session.runs_on_gpu

    @property
    def key(self) -> str:
        """Hash of everything that the vectors depend on."""
        facts = [ENCODER_VERSION, self.digest, self.output, self.preprocessing.as_dict(), self.batch_size]
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Shape of the images that :meth:`encode` takes: (height, width) or (height, width, 3)."""
        return self.preprocessing.shape().image_shape

    def input_shape(self, like: Shape | None = None) -> InputShape:
        """The shape that images are decoded to for :meth:`encode`.

        Parameters
        ----------
        like : Shape, optional
            Shape of a collection, with the ranges of values of more than 8 bits and the colour behind transparency.
        """
        return self.preprocessing.shape(like)

    def encode(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Encode images that have the size of the input.

        Parameters
        ----------
        pixels : ndarray (m, *image_shape), uint8

        Returns
        -------
        ndarray (m, n_features_out), float32
            Vectors. They are not checked: a network in half precision may overflow to NaN.

        Raises
        ------
        EncoderError
            If onnxruntime cannot run the encoder.
        """
        return np.concatenate(
            [
                self._encode_batch(pixels[begin : begin + self.batch_size])
                for begin in range(0, len(pixels), self.batch_size)
            ]
        )

    def transform(self, images: Iterable[Any]) -> NDArray[np.float32]:
        """Encode images of any size.

        Parameters
        ----------
        images : iterable of path, PIL.Image.Image or ndarray
            Image files, PIL images, or arrays (height, width) or (height, width, 3), uint8.

        Returns
        -------
        ndarray (n, n_features_out), float32

        Raises
        ------
        InputError
            If an image cannot be decoded.
        EncoderError
            If a vector is NaN or infinite.
        """
        vectors = [np.zeros((0, self.n_features_out), np.float32)]
        pixels = (self.to_input(image) for image in images)
        while batch := list(islice(pixels, self.batch_size)):
            vectors.append(self.encode(np.stack(batch)))
            if not np.isfinite(vectors[-1]).all():
                raise EncoderError(f"{self.path}: NaN or infinite values for an image: export it in float32")
        return np.concatenate(vectors)

    def to_input(self, image: Any) -> NDArray[np.uint8]:
        """Bring one image to the size of the input.

        Parameters
        ----------
        image : path, PIL.Image.Image or ndarray
            See :meth:`transform`.

        Returns
        -------
        ndarray (*image_shape), uint8

        Raises
        ------
        InputError
            If the file cannot be decoded.
        """
        shape = self.input_shape()
        if isinstance(image, str | os.PathLike):
            (decoded,) = decode_images([EncodedImage(str(user_path(image)))], shape)
            if isinstance(decoded, Failure):
                raise InputError(f"{image}: cannot be decoded ({decoded.reason}): pass an image file")
            return decoded.pixels
        picture = image if isinstance(image, Image.Image) else Image.fromarray(np.asarray(image))
        return shape.apply(picture.convert("L" if shape.channels == 1 else "RGB"))

    def describe(self) -> str:
        """The input and the output in words, such as "224 × 224, RGB, to 384 values of pooler_output"."""
        one = self.preprocessing
        kind = "grey" if one.channels == 1 else "BGR" if one.reverses_channels else "RGB"
        return f"{one.width} × {one.height}, {kind}, to {self.n_features_out:,} values of {self.output}"

    def _open(self, path: Path, wanted: str | None, device: str) -> None:
        check_encoder_packages()
        self.path = path
        self.files = files_of(path)
        self.digest = digest_of(self.files)
        self._session = Session(path, device)
        self._input = read_input(self._session.inputs, path)
        self.output = choose_output(self._session.outputs, wanted, path)

    def _encode_batch(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Encode at most a batch; one of a fixed size is filled up with its last image."""
        n = len(pixels)
        if self._input.batch is not None and n < self._input.batch:
            pixels = np.concatenate([pixels, np.repeat(pixels[-1:], self._input.batch - n, axis=0)])
        values = self.preprocessing.values(pixels, self._input.dtype, channels_first=self._input.channels_first)
        found = self._session.run(self.output, self._input.name, values)
        channels_first = self._input.channels_first
        vectors = to_vectors(found, len(pixels), self.output, self.path, channels_first=channels_first)[:n]
        if vectors.shape[1] != self.n_features_out and self.n_features_out:
            raise EncoderError(
                f"{self.path}: vectors of {vectors.shape[1]:,} numbers, where others have {self.n_features_out:,}: "
                "export it with vectors of one length"
            )
        return vectors

    def _free_batch_size(self) -> int:
        values = prod(self.image_shape)
        return max(1, min(MAX_BATCH_SIZE, MAX_BATCH_VALUES // values))


def _choose_preprocessing(
    path: Path, taken: ModelInput, size: tuple[int, int] | None, given: dict[str, tuple[float, ...]]
) -> tuple[Preprocessing, bool]:
    """The preprocessing by what is given, by the file beside the model, and by the model; and whether it is a guess."""
    if taken.dtype == np.uint8 and given:
        raise EncoderError(f"{path}: takes pixels as they are (uint8): pass no encoder_{next(iter(given))}")
    config_path = path.parent / CONFIG_FILE
    config = read_preprocessor_config(config_path) if config_path.is_file() else {}
    said = config.pop("size", None)
    if size is not None:
        config = {name: value for name, value in config.items() if name not in ("edge", "fit")}
        said = size
    fixed = (taken.height or (said[0] if said else None), taken.width or (said[1] if said else None))
    if fixed[0] is None or fixed[1] is None:
        raise EncoderError(
            f"{path}: takes images of any size, and no {CONFIG_FILE} beside it says which: pass the size that it was "
            "trained with, as in encoder_size=224"
        )
    if said is not None and said != fixed:
        source = "encoder_size" if size is not None else CONFIG_FILE
        raise EncoderError(
            f"{path}: takes images of {fixed[0]} × {fixed[1]} pixels, and {source} says {said[0]} × {said[1]}: "
            "correct it or leave it out"
        )
    if taken.dtype == np.uint8:
        config = {name: value for name, value in config.items() if name not in ("mean", "std", "factor")}
    assumes = taken.channels == 3 and taken.dtype != np.uint8 and not ({"mean", "std"} & {*config, *given})
    imagenet: dict[str, Any] = {"mean": IMAGENET_MEAN, "std": IMAGENET_STD} if assumes else {}
    try:
        return Preprocessing(fixed[0], fixed[1], taken.channels, **imagenet | config | given), assumes
    except EncoderError as error:
        raise EncoderError(f"{path}: {error}") from error
