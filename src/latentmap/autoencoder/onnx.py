"""Export of a network's encoder or decoder to ONNX."""

import copy
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from latentmap.autoencoder.networks import Network
from latentmap.core.atomic_files import atomic_write

# Largest difference between torch and onnxruntime in an exported network.
TOLERANCE = 1e-4
# Images in the batches that an exported network is checked with: another number than it was traced with.
N_CHECKED = 5


def export_onnx(network: Network, path: Path, part: str, image_shape: tuple[int, ...]) -> None:
    """Write the encoder or the decoder of ``network``; see :meth:`latentmap.Autoencoder.export_onnx`."""
    if part not in ("encoder", "decoder"):
        raise ValueError(f"part={part!r}: choose 'encoder' or 'decoder'")
    try:
        import onnx  # noqa: F401 - torch's exporter needs it
        import onnxruntime
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise ImportError(f"export needs the package {error.name}: pip install 'latentmap[onnx]'") from error
    half = _Half(copy.deepcopy(network), part, image_shape).cpu().eval()  # the network itself stays on its device
    shape = image_shape if part == "encoder" else (network.latent_dim,)
    names = ("images", "latents") if part == "encoder" else ("latents", "images")
    generator = torch.Generator().manual_seed(0)
    with atomic_write(path) as temporary:
        torch.onnx.export(
            half,
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
        inputs = torch.rand(N_CHECKED, *shape, generator=generator)
        with torch.inference_mode():
            expected = half(inputs).numpy()
        found = session.run(None, {names[0]: inputs.numpy()})[0]
        difference = float(np.abs(found - expected).max())
        if not difference <= TOLERANCE:
            raise ValueError(f"onnxruntime differs from torch by {difference:g}, more than {TOLERANCE:g}: not exported")


class _Half(nn.Module):
    """One half of a network as a module of its own, for images of the shape that the user knows."""

    def __init__(self, network: Network, part: str, image_shape: tuple[int, ...]) -> None:
        super().__init__()
        self.network = network
        self.part = part
        self.image_shape = image_shape

    def forward(self, x: Tensor) -> Tensor:
        if self.part == "encoder":
            return self.network.encode(x.reshape(-1, *self.network.image_shape))
        return self.network.decode(x).reshape(-1, *self.image_shape)
