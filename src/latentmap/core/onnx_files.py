"""ONNX files: writing a PyTorch module as one, and comparing it with what it stands for."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from latentmap.core.atomic_files import atomic_write
from latentmap.core.errors import ExportError, MissingPackageError

if TYPE_CHECKING:
    from torch import nn

N_TRACED = 2  # rows of the inputs that a module is traced with; another number than that of the comparison


def check_onnx_packages() -> None:
    """Raise MissingPackageError if onnx, onnxruntime or onnxscript is not installed."""
    try:
        import onnx  # noqa: F401 - torch's exporter needs it
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise MissingPackageError(
            f"ONNX export needs the package {error.name}: pip install 'latentmap[onnx]'"
        ) from error


def write_onnx(
    path: Path,
    module: "nn.Module",
    inputs: Mapping[str, NDArray[np.float32]],
    output: str,
    expected: NDArray[np.float32],
    *,
    max_difference: float,
    reference: str,
) -> None:
    """Write a module as an ONNX file for any number of rows, if onnxruntime computes what is expected from the file.

    Parameters
    ----------
    path : Path
        File to write.
    module : Module
        Module on the CPU, in evaluation mode, with one argument for each input and one result.
    inputs : dict of array (n, ...), float32
        Inputs to compare for, by name, in the order of the module's arguments. The number of rows n is above 2.
    output : str
        Name of the result.
    expected : array (n, ...), float32
        Result for the inputs.
    max_difference : float
        Largest absolute difference from ``expected`` that is allowed.
    reference : str
        What computed ``expected``, for the message.

    Raises
    ------
    MissingPackageError
        If onnx, onnxruntime or onnxscript is not installed.
    ExportError
        If a value differs by more than ``max_difference``; the file is then not written.
    """
    check_onnx_packages()
    with atomic_write(path) as temporary:
        _trace(temporary, module, inputs, output)
        difference = float(np.abs(_run(temporary, inputs) - expected).max())
        if not difference <= max_difference:
            raise ExportError(
                f"onnxruntime differs from {reference} by {difference:g}, more than {max_difference:g}: "
                "the file is not written"
            )


def _trace(path: Path, module: "nn.Module", inputs: Mapping[str, NDArray[np.float32]], output: str) -> None:
    import torch

    n = torch.export.Dim("n")
    torch.onnx.export(
        module,
        tuple(torch.from_numpy(values[:N_TRACED]) for values in inputs.values()),
        path,
        input_names=list(inputs),
        output_names=[output],
        dynamic_shapes=tuple({0: n} for _ in inputs),
        dynamo=True,
        external_data=False,
        verbose=False,
    )
    _remove_notes(path)


def _remove_notes(path: Path) -> None:
    """Remove the notes that torch adds to the network: lines of its code, with the paths of their files."""
    import onnx

    model = onnx.load(path)
    graph = model.graph
    for one in (model, graph, *graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        one.ClearField("metadata_props")
        one.ClearField("doc_string")
    onnx.save(model, path)


def _run(path: Path, inputs: Mapping[str, NDArray[np.float32]]) -> NDArray[np.float32]:
    import onnxruntime

    session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    found: Any = session.run(None, dict(inputs))[0]
    result: NDArray[np.float32] = found
    return result
