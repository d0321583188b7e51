"""A model that onnxruntime runs, with its errors as sentences and a limit on the time of a call."""

import threading
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
    """A model that onnxruntime runs on a GPU where it can, otherwise on the CPU.

    Operations that onnxruntime does not have itself are refused: no library of others is loaded.

    Parameters
    ----------
    path : Path
        ONNX file.

    Attributes
    ----------
    inputs, outputs : list of TensorFacts
        The inputs and outputs.

    Raises
    ------
    EncoderError
        If onnxruntime cannot load it.
    """

    def __init__(self, path: Path) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = FATAL
        offered = [provider for provider in (GPU, CPU) if provider in onnxruntime.get_available_providers()]
        try:
            self._session = _load(path, options, offered)
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


def _load(path: Path, options: Any, providers: list[str]) -> Any:
    """Load a model, on the CPU where the GPU that onnxruntime was built for does not work."""
    import onnxruntime

    try:
        # without onnxruntime's own fallback, which prints
        return onnxruntime.InferenceSession(str(path), options, providers=providers, enable_fallback=0)
    except Exception:
        if GPU not in providers:
            raise
        return _load(path, options, [CPU])


def _facts(tensors: Any) -> list[TensorFacts]:
    return [TensorFacts(one.name, one.type, list(one.shape)) for one in tensors]


def _terminate(options: Any) -> None:
    options.terminate = True


def _in_words(error: Exception, path: Path, what: str) -> Exception:
    """An error of onnxruntime as an EncoderError; one about memory as it is."""
    if isinstance(error, MemoryError | OSError | RuntimeError) and shortage(error) is not None:
        return error
    lines = str(error).splitlines() or [type(error).__name__]
    reason = lines[0] if len(lines[0]) <= 300 else f"{lines[0][:299]}…"
    return EncoderError(f"{path}: {what} ({reason}): export it again, as the how-to about encoders shows")
