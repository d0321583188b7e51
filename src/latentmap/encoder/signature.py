"""The input and the outputs of an ONNX model, as far as they make it an image encoder."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentmap.core.errors import EncoderError
from latentmap.encoder.session import TensorFacts

INPUT_DTYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(uint8)": np.uint8}
FLOAT_OUTPUTS = ("tensor(float)", "tensor(float16)", "tensor(double)")
# Outputs that stand for the whole image, by the names that exporters give them, the best first.
KNOWN_OUTPUTS = ("image_embeds", "pooler_output", "last_hidden_state")
TOKENS = "last_hidden_state"
MAX_VECTOR_LENGTH = 2**16


@dataclass(frozen=True)
class ModelInput:
    """The input of an image encoder.

    Attributes
    ----------
    name : str
    dtype : dtype
        float32, float16 or uint8.
    channels_first : bool or None
        Whether it is (batch, channels, height, width), and not (batch, height, width, channels). None for grey images
        without an axis of channels, (batch, height, width).
    channels : {1, 3}
    height, width : int or None
        Size, where the model fixes it.
    batch : int or None
        Number of images in a batch, where the model fixes it.
    """

    name: str
    dtype: np.dtype[Any]
    channels_first: bool | None
    channels: int
    height: int | None
    width: int | None
    batch: int | None


def read_input(inputs: Sequence[TensorFacts], path: object) -> ModelInput:
    """Read the input of a model.

    Parameters
    ----------
    inputs : sequence of TensorFacts
    path : path
        File of the model, for messages.

    Raises
    ------
    EncoderError
        If there are several inputs, or the input is no batch of grey or RGB images.
    """
    if len(inputs) != 1:
        names = ", ".join(one.name for one in inputs[:6]) or "none"
        raise EncoderError(
            f"{path}: {len(inputs)} inputs ({names}), an image encoder has one: export only its part for images"
        )
    (found,) = inputs
    if found.type not in INPUT_DTYPES:
        raise EncoderError(
            f"{path}: its input {found.name!r} is {found.type}: images can be passed as float, float16 or uint8"
        )
    sides = list(found.shape)
    if len(sides) not in (3, 4):
        raise EncoderError(
            f"{path}: its input {found.name!r} has {len(sides)} axes {sides}: an image encoder takes 4, "
            "(batch, channels, height, width) or (batch, height, width, channels), or 3 for grey images"
        )
    if len(sides) == 3:
        height, width = map(_fixed, sides[1:])
        return ModelInput(found.name, np.dtype(INPUT_DTYPES[found.type]), None, 1, height, width, _fixed(sides[0]))
    channels_first = _has_channels_first(sides)
    channels = sides[1 if channels_first else 3]
    if isinstance(channels, int) and channels not in (1, 3):
        raise EncoderError(f"{path}: its input {found.name!r} is {sides}: an image encoder takes 1 or 3 channels")
    height, width = (_fixed(side) for side in (sides[2:] if channels_first else sides[1:3]))
    return ModelInput(
        found.name,
        np.dtype(INPUT_DTYPES[found.type]),
        channels_first,
        channels if isinstance(channels, int) else 3,
        height,
        width,
        _fixed(sides[0]),
    )


def _fixed(side: Any) -> int | None:
    return side if isinstance(side, int) and side > 0 else None


def _has_channels_first(sides: list[Any]) -> bool:
    """Whether the second axis and not the last one is that of the channels."""
    if sides[1] in (1, 3):
        return sides[3] not in (1, 3) or sides[1] == 3
    named = isinstance(sides[3], str) and "channel" in sides[3].lower()
    return not (sides[3] in (1, 3) or (named and not isinstance(sides[1], int)))


def choose_output(outputs: Sequence[TensorFacts], wanted: str | None, path: object) -> str:
    """Choose the output that becomes the vector of an image.

    Parameters
    ----------
    outputs : sequence of TensorFacts
    wanted : str or None
        Name that was asked for.
    path : path
        File of the model, for messages.

    Returns
    -------
    str
        The output that was asked for; the only one; or the first of ``image_embeds``, ``pooler_output`` and
        ``last_hidden_state``.

    Raises
    ------
    EncoderError
        If there is no such output, no float output, or a choice.
    """
    floats = [one.name for one in outputs if one.type in FLOAT_OUTPUTS]
    names = ", ".join(floats)
    if not floats:
        raise EncoderError(f"{path}: no output of floats: an image encoder has one with a vector for each image")
    if wanted is not None:
        if wanted not in floats:
            raise EncoderError(f"{path}: no output {wanted!r} of floats: choose among {names}")
        return wanted
    if len(floats) == 1:
        return floats[0]
    known = next((name for name in KNOWN_OUTPUTS if name in floats), None)
    if known is None:
        raise EncoderError(f"{path}: {len(floats)} outputs ({names}): name one of them, as in {path}:{floats[0]}")
    return known


def to_vectors(
    found: NDArray[Any], n: int, output: str, path: object, *, channels_first: bool | None
) -> NDArray[np.float32]:
    """Reduce an output to one vector for each image.

    Parameters
    ----------
    found : ndarray (n, d), (n, tokens, d), or (n, d, rows, columns) or (n, rows, columns, d)
    n : int
        Number of images.
    output : str
        Name of the output. Of ``last_hidden_state`` the first token is taken, of others the mean over the tokens.
    path : path
        File of the model, for messages.
    channels_first : bool or None
        Whether a map of features is (n, d, rows, columns), as it also is if the input has no axis of channels.

    Returns
    -------
    ndarray (n, d), float32

    Raises
    ------
    EncoderError
        If the output has another shape.
    """
    if found.ndim not in (2, 3, 4) or len(found) != n or not found.size:
        raise EncoderError(
            f"{path}: its output {output!r} is {found.shape} for {n} images: an image encoder gives (images, length), "
            "(images, tokens, length) or a map of features for each image"
        )
    values = found.astype(np.float32)
    if found.ndim == 3:
        values = values[:, 0] if output == TOKENS else values.mean(axis=1)
    elif found.ndim == 4:
        values = values.mean(axis=(1, 2) if channels_first is False else (2, 3))
    if values.shape[1] > MAX_VECTOR_LENGTH:
        raise EncoderError(
            f"{path}: its output {output!r} has {values.shape[1]:,} values for an image, at most {MAX_VECTOR_LENGTH:,} "
            "can be mapped: choose another output, or export the network without its last layers"
        )
    return np.ascontiguousarray(values)
