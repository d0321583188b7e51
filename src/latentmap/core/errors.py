"""The errors that latentmap raises, in one tree. Each is also the builtin error that fits.

* LatentmapError

  * InputError (ValueError): an argument, a label or a file that cannot be used

    * OptionError: an option of a run
    * SourceError: images or labels

      * IdxError: a file in IDX format

    * ModelFileError: the files of a saved model
    * EncoderError: an ONNX file that is no image encoder

  * InputTypeError (TypeError): an argument of the wrong type
  * UnavailableError (AttributeError): a method that needs another model
  * MissingPackageError (ImportError): an optional package that is not installed
  * TrainingError (ValueError): the loss became NaN or infinite
  * RunError (ValueError): a run that cannot be opened, resumed or exported

    * RunMemoryError (MemoryError): a stage needs more memory than there is
    * EditError: an edit that does not fit the run

      * ConflictError: an edit of something that has changed since its author last looked

    * ChangedError: the run on disk is no longer the one that was opened
    * DamagedError: a file of the run cannot be read

  * ExportError (ValueError): an exported ONNX file that differs from the model in memory
  * PortError (OSError): the port of the explorer is taken

  These are caught inside latentmap and reported in another form, such as a row of ``skipped.parquet`` or a RunError:

  * DecodingError (OSError): a picture that cannot be decoded

    * UnreadTiffError: a page of a TIFF that another reader may read

  * DecompressionLimitError (ValueError): compressed data that unpack to more than is allowed
  * SchemaError (ValueError): a JSON value of the wrong type or range
  * TransferError (OSError): a file that cannot be downloaded
  * NoOriginalError (LookupError): the original file of an image is missing or has changed
  * CancelledError (RuntimeError): an export was cancelled

All errors that latentmap defines are in this file. An exception that controls the flow within one module, or an answer
of the explorer with an HTTP status, is no error in this sense and stays beside its code.

A message says what was passed, what is accepted and what to do. The command line prints a LatentmapError or an OSError
as a sentence; any other exception is a bug and keeps its traceback.
"""

from typing import Any


class LatentmapError(Exception):
    """Base class of all errors that latentmap raises."""


# ---------------------------------------------------------------- what is passed


class InputError(LatentmapError, ValueError):
    """An argument, a label or a file that cannot be used."""


class OptionError(InputError):
    """An option of a run that is out of its range."""


class SourceError(InputError):
    """A source without usable images, or labels that do not fit the images."""


class IdxError(SourceError):
    """A file that is not in IDX format, or is damaged."""


class ModelFileError(InputError):
    """A folder that does not hold a model of latentmap, or a damaged one."""


class EncoderError(InputError):
    """An ONNX file that cannot be used as an image encoder."""


class InputTypeError(LatentmapError, TypeError):
    """An argument of a type that cannot be used."""


class UnavailableError(LatentmapError, AttributeError):
    """A method that this model does not have, such as the evidence lower bound of a network without one."""


class MissingPackageError(LatentmapError, ImportError):
    """An optional package that is not installed. The message names the command that installs it."""


# ---------------------------------------------------------------- training and runs


class TrainingError(LatentmapError, ValueError):
    """The loss became NaN or infinite."""


class RunError(LatentmapError, ValueError):
    """A folder that is not a run that can be opened, resumed or exported."""


class RunMemoryError(RunError, MemoryError):
    """A stage of a run that needs more memory than there is."""


class EditError(RunError):
    """An edit that does not fit the run."""


class ConflictError(EditError):
    """An edit of something that has changed since its author last looked.

    Parameters
    ----------
    message : str
    by : dict, optional
        The edit that changed it.
    """

    def __init__(self, message: str, by: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.by = by


class ChangedError(RunError):
    """The run on disk is no longer the one that was opened."""


class DamagedError(RunError):
    """A file of the run that cannot be read."""


class ExportError(LatentmapError, ValueError):
    """An exported ONNX file that computes something else than the model in memory."""


class PortError(LatentmapError, OSError):
    """A port of the explorer that another program uses."""


# ---------------------------------------------------------------- caught inside latentmap


class DecodingError(LatentmapError, OSError):
    """A picture that cannot be decoded."""


class UnreadTiffError(DecodingError):
    """A page of a TIFF of a kind that the own reader does not read, and another one may."""


class DecompressionLimitError(LatentmapError, ValueError):
    """Compressed data that unpack to more than is allowed."""


class SchemaError(LatentmapError, ValueError):
    """A JSON value that does not have the type or range that the schema requires."""


class TransferError(LatentmapError, OSError):
    """A file that cannot be downloaded.

    Parameters
    ----------
    reason : str
    is_transient : bool, default=False
        Whether another attempt may succeed.
    """

    def __init__(self, reason: str, *, is_transient: bool = False) -> None:
        super().__init__(reason)
        self.is_transient = is_transient


class NoOriginalError(LatentmapError, LookupError):
    """The original file of an image is missing or has changed."""


class CancelledError(LatentmapError, RuntimeError):
    """An export was cancelled."""
