"""A model that onnxruntime runs, with its errors as sentences and a limit on the time of a call."""

import threading
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from latentmap.core.errors import EncoderError
from latentmap.core.memory import shortage
from latentmap.core.progress import counted

MAX_SECONDS = 300.0  # of one batch
FATAL = 4  # level of the log of onnxruntime, which writes to stderr
GPU, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"


class TensorFacts(NamedTuple):
    """An input or output of a model.

    Attributes
    ----------
    name : str
    type : str
        Such as "tensor(float)".
    shape : list of int, str or None
        Length of each axis, or a name where it is free.
    """

    name: str
    type: str
    shape: list[Any]


class Session:
    """A model that onnxruntime runs on a GPU where it can and may, otherwise on the CPU.

    Operations that onnxruntime does not have itself are refused: no library of others is loaded.

    Parameters
    ----------
    path : Path
        ONNX file.
    device : str, default="auto"
        "cuda" or "auto" for a GPU, "cuda:N" for the one with that number; others for the CPU.

    Attributes
    ----------
    inputs, outputs : list of TensorFacts
        The inputs and outputs.

    Raises
    ------
    EncoderError
        If onnxruntime cannot load it.
    """

    def __init__(self, path: Path, device: str = "auto") -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = FATAL
        try:
            self._session = _load(path, options, providers_for(device, onnxruntime.get_available_providers()))
            self.inputs = _facts(self._session.get_inputs())
            self.outputs = _facts(self._session.get_outputs())
        except Exception as error:  # onnxruntime has a class of errors for each of its codes
            raise _in_words(error, path, "cannot be loaded by onnxruntime") from error
        self._path = path

    @property
    def runs_on_gpu(self) -> bool:
        """Whether a GPU is used."""
        return GPU in self._session.get_providers()

    def run(self, output: str, name: str, values: NDArray[Any]) -> NDArray[Any]:
        """Compute an output.

        Raises
        ------
        EncoderError
            If onnxruntime cannot compute it, or it takes longer than five minutes.
        """
        import onnxruntime

        options = onnxruntime.RunOptions()
        options.log_severity_level = FATAL
        timer = threading.Timer(MAX_SECONDS, _terminate, [options])
        timer.daemon = True
        timer.start()
        try:
            found = np.asarray(self._session.run([output], {name: values}, options)[0])
        except Exception as error:  # as above
            if options.terminate:
                raise EncoderError(
                    f"{self._path}: {counted(len(values), 'image')} took over {MAX_SECONDS:g} s: use a smaller encoder"
                ) from error
            raise _in_words(error, self._path, f"fails for images of {values.shape}") from error
        finally:
            timer.cancel()
        return found


def providers_for(device: str, available: Sequence[str]) -> list[Any]:
    """The execution providers of onnxruntime to try on a device, the first that can run an operation first.

    Parameters
    ----------
    device : str
        Name of a device that a run accepts.
    available : sequence of str
        Providers that the installed onnxruntime has.

    Returns
    -------
    list of str or (str, dict)

    Examples
    --------
    >>> providers_for("cuda:1", ["CUDAExecutionProvider", "CPUExecutionProvider"])
    [('CUDAExecutionProvider', {'device_id': 1}), 'CPUExecutionProvider']
    >>> providers_for("cpu", ["CUDAExecutionProvider", "CPUExecutionProvider"])
    ['CPUExecutionProvider']
    """
    kind, _, number = device.partition(":")
    if kind not in ("auto", "cuda") or GPU not in available:
        return [CPU]
    return [(GPU, {"device_id": int(number)}) if number else GPU, CPU]


def _load(path: Path, options: Any, providers: list[Any]) -> Any:
    """Load a model, on the CPU where the GPU that onnxruntime was built for does not work."""
    import onnxruntime

    def start(providers: list[Any]) -> Any:
        # without onnxruntime's own fallback, which prints
        return onnxruntime.InferenceSession(str(path), options, providers=providers, enable_fallback=0)

    if providers == [CPU]:
        return start(providers)
    reason = "its libraries are missing, or of other versions"
    try:
        found = start(providers)
        if GPU in found.get_providers():
            return found
    except Exception as error:  # as above
        reason = _first_line(error)
        found = start([CPU])  # an error that has another cause is raised here
    warnings.warn(
        f"{path.name}: onnxruntime cannot start {GPU} ({reason}): the encoder runs on the CPU, as with --device cpu",
        stacklevel=2,
    )
    return found


def _facts(tensors: Any) -> list[TensorFacts]:
    return [TensorFacts(one.name, one.type, list(one.shape)) for one in tensors]


def _terminate(options: Any) -> None:
    options.terminate = True


def _in_words(error: Exception, path: Path, what: str) -> Exception:
    """An error of onnxruntime as an EncoderError; one about memory as it is."""
    if isinstance(error, MemoryError | OSError | RuntimeError) and shortage(error) is not None:
        return error
    return EncoderError(f"{path}: {what} ({_first_line(error)}): export it again, as the how-to about encoders shows")


def _first_line(error: Exception) -> str:
    lines = str(error).splitlines() or [type(error).__name__]
    return lines[0] if len(lines[0]) <= 300 else f"{lines[0][:299]}…"
