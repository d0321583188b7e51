"""Export of a network's encoder or decoder to ONNX."""

import copy
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from latentmap.autoencoder.networks import DecoderNetwork, Network
from latentmap.core.errors import InputError
from latentmap.core.onnx_files import check_onnx_packages, write_onnx

# Largest difference allowed between torch and onnxruntime.
MAX_ONNX_DIFFERENCE = 1e-4
# Images in the batch that checks an exported network.
N_CHECK_IMAGES = 5


def export_onnx(network: Network, path: Path, part: str, image_shape: tuple[int, ...]) -> None:
    """Write the encoder or the decoder of a network; see :meth:`latentmap.Autoencoder.export_onnx`.

    Parameters
    ----------
    network : Network
        Trained network on any device.
    path : Path
        File to write.
    part : {"encoder", "decoder"}
        Half of the network to export.
    image_shape : tuple of int
        Shape of one image in the exported network.

    Raises
    ------
    InputError
        If ``part`` is unknown.
    MissingPackageError
        If onnx, onnxruntime or onnxscript is not installed.
    ExportError
        If onnxruntime and torch differ by more than 1e-4; the file is then not written.
    """
    if part not in ("encoder", "decoder"):
        raise InputError(f"part={part!r}: choose 'encoder' or 'decoder'")
    check_onnx_packages()
    # the original stays on its device
    module = _EncoderOrDecoder(copy.deepcopy(network), part, image_shape).cpu().eval()
    shape = image_shape if part == "encoder" else (network.latent_dim,)
    given, found = ("images", "latents") if part == "encoder" else ("latents", "images")
    inputs = np.random.default_rng(0).random((N_CHECK_IMAGES, *shape), np.float32)
    with torch.inference_mode():
        expected = module(torch.from_numpy(inputs)).numpy()
    write_onnx(path, module, {given: inputs}, found, expected, max_difference=MAX_ONNX_DIFFERENCE, reference="torch")


def export_decoder(
    network: DecoderNetwork,
    path: Path,
    mean: NDArray[np.float32],
    std: NDArray[np.float32],
    components: NDArray[np.float32] | None,
    image_shape: tuple[int, ...],
) -> None:
    """Write a decoder of given vectors; see :meth:`latentmap.ImageDecoder.export_onnx`.

    Parameters
    ----------
    network : DecoderNetwork
        Trained network on any device.
    path : Path
        File to write.
    mean, std : ndarray of shape (d,), float32
        Moments by which vectors are standardised; an infinite standard deviation takes a dimension out.
    components : ndarray of shape (k, d), float32, optional
        What standardised vectors are projected on.
    image_shape : tuple of int
        Shape of one image in the exported network.

    Raises
    ------
    MissingPackageError
        If onnx, onnxruntime or onnxscript is not installed.
    ExportError
        If onnxruntime and torch differ by more than 1e-4; the file is then not written.
    """
    check_onnx_packages()
    module = _VectorDecoder(copy.deepcopy(network), mean, std, components, image_shape).cpu().eval()
    noise = np.random.default_rng(0).standard_normal((N_CHECK_IMAGES, len(mean)), np.float32)
    inputs = (mean + noise * np.where(np.isfinite(std), std, 0)).astype(np.float32)
    with torch.inference_mode():
        expected = module(torch.from_numpy(inputs)).numpy()
    difference = MAX_ONNX_DIFFERENCE
    write_onnx(path, module, {"vectors": inputs}, "images", expected, max_difference=difference, reference="torch")


class _VectorDecoder(nn.Module):
    """A decoder of given vectors as a module, with the standardisation of the vectors."""

    def __init__(
        self,
        network: DecoderNetwork,
        mean: NDArray[np.float32],
        std: NDArray[np.float32],
        components: NDArray[np.float32] | None,
        image_shape: tuple[int, ...],
    ) -> None:
        super().__init__()
        self.network = network
        self.mean = nn.Buffer(torch.from_numpy(mean))
        self.factor = nn.Buffer(torch.from_numpy((1 / std).astype(np.float32)))
        self.components = None if components is None else nn.Buffer(torch.from_numpy(components))
        self.image_shape = image_shape

    def forward(self, x: Tensor) -> Tensor:
        standard = (x - self.mean) * self.factor
        if self.components is not None:
            standard = standard @ self.components.T
        return self.network.decode(standard).reshape(-1, *self.image_shape)


class _EncoderOrDecoder(nn.Module):
    """One half of a network as a module, for images of the shape that was given to ``fit``."""

    def __init__(self, network: Network, part: str, image_shape: tuple[int, ...]) -> None:
        super().__init__()
        self.network = network
        self.part = part
        self.image_shape = image_shape

    def forward(self, x: Tensor) -> Tensor:
        if self.part == "encoder":
            return self.network.encode(x.reshape(-1, *self.network.image_shape))
        return self.network.decode(x).reshape(-1, *self.image_shape)
