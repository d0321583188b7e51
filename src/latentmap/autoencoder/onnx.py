"""Export of a network's encoder or decoder to ONNX."""

import copy
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from latentmap.autoencoder.networks import Network
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
