"""Export of a network's encoder or decoder to ONNX."""

import copy
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from latentmap.autoencoder.networks import Network
from latentmap.core.atomic_files import whole
from latentmap.core.errors import ExportError, InputError, MissingPackageError

# Largest difference allowed between torch and onnxruntime.
MAX_ONNX_DIFFERENCE = 1e-4
# Images in the batch that checks an exported network: not the number that it was traced with.
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
    try:
        import onnx  # noqa: F401 - torch's exporter needs it
        import onnxruntime
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise MissingPackageError(
            f"ONNX export needs the package {error.name}: pip install 'latentmap[onnx]'"
        ) from error
    module = (
        _EncoderOrDecoder(copy.deepcopy(network), part, image_shape).cpu().eval()
    )  # the original stays on its device
    shape = image_shape if part == "encoder" else (network.latent_dim,)
    names = ("images", "latents") if part == "encoder" else ("latents", "images")
    generator = torch.Generator().manual_seed(0)
    with whole(path) as temporary:
        torch.onnx.export(
            module,
            (torch.rand(2, *shape, generator=generator),),
            temporary,
            input_names=[names[0]],
            output_names=[names[1]],
            dynamic_shapes=({0: torch.export.Dim("n")},),
            dynamo=True,
            external_data=False,
            verbose=False,
        )
        session = onnxruntime.InferenceSession(temporary.read_bytes(), providers=["CPUExecutionProvider"])
        inputs = torch.rand(N_CHECK_IMAGES, *shape, generator=generator)
        with torch.inference_mode():
            expected = module(inputs).numpy()
        found = session.run(None, {names[0]: inputs.numpy()})[0]
        difference = float(np.abs(found - expected).max())
        if not difference <= MAX_ONNX_DIFFERENCE:
            raise ExportError(
                f"onnxruntime differs from torch by {difference:g}, more than {MAX_ONNX_DIFFERENCE:g}: "
                "the file is not written"
            )


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
