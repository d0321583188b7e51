"""DICOM files, by pydicom: rescaled, windowed and upright in brightness, without any value that names a patient.

Of the data elements of a file, only those that describe its pixels are read, and those that the user asks for.
"""

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from latentmap.core.errors import DecodingError
from latentmap.images.damage import errors_as_damage
from latentmap.images.dicom_values import DicomValues
from latentmap.images.pictures import Picture
from latentmap.images.reading_options import ReadingOptions

PIXEL_KEYWORDS = (
    "Rows",
    "Columns",
    "SamplesPerPixel",
    "NumberOfFrames",
    "BitsAllocated",
    "BitsStored",
    "PixelRepresentation",
    "PhotometricInterpretation",
    "PixelPaddingValue",
    "PixelPaddingRangeLimit",
    "RescaleSlope",
    "RescaleIntercept",
    "ModalityLUTSequence",
    "WindowCenter",
    "WindowWidth",
    "VOILUTFunction",
    "VOILUTSequence",
    "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
    "RedPaletteColorLookupTableDescriptor",
    "GreenPaletteColorLookupTableDescriptor",
    "BluePaletteColorLookupTableDescriptor",
    "RedPaletteColorLookupTableData",
    "GreenPaletteColorLookupTableData",
    "BluePaletteColorLookupTableData",
    "SegmentedRedPaletteColorLookupTableData",
    "SegmentedGreenPaletteColorLookupTableData",
    "SegmentedBluePaletteColorLookupTableData",
)
DEFLATED = "1.2.840.10008.1.2.1.99"
MAX_DEFLATE_RATIO = 1032
MIN_ENCAPSULATED_FRAME_BYTES = 16
MAX_TEXT = 1000  # characters of a value in the table


class DicomFrames:
    """The frames of a DICOM file.

    Parameters
    ----------
    file : file object
    reading : ReadingOptions
        ``metadata`` names the attributes that become columns.

    Raises
    ------
    OSError
        If the file is damaged or has no pixels.
    """

    def __init__(self, file: IO[bytes], reading: ReadingOptions) -> None:
        self._file, self._keywords = file, reading.metadata
        with _errors_without_values():
            self._header = _read_header(file, reading.metadata)
            self._syntax = self._header.file_meta.get("TransferSyntaxUID")
            rows, columns = self._header.get("Rows"), self._header.get("Columns")
        if not rows or not columns:
            raise DecodingError("a DICOM file without an image")
        if rows * columns > (Image.MAX_IMAGE_PIXELS or rows * columns):
            raise Image.DecompressionBombError
        if self._syntax is None:
            raise DecodingError("a DICOM file that does not state its transfer syntax")

    def count(self, _: bool) -> int:
        """Count the frames, at most as many as the file has room for."""
        with _errors_without_values():
            stated = int(self._header.get("NumberOfFrames") or 1)
            n_bytes = self._file.seek(0, io.SEEK_END)
            if self._syntax.is_compressed and self._syntax != DEFLATED:
                room = n_bytes // MIN_ENCAPSULATED_FRAME_BYTES
            else:
                sizes = (self._header.get(name, 1) for name in ("Rows", "Columns", "SamplesPerPixel", "BitsAllocated"))
                bits = int(np.prod([int(size) for size in sizes], dtype=np.float64))
                n_bytes *= MAX_DEFLATE_RATIO if self._syntax == DEFLATED else 1
                room = -(-n_bytes * 8 // max(1, bits * 2 // 3))  # as small as with subsampled colours
            return max(1, min(stated, room))

    def columns(self) -> dict[str, list[Any]]:
        """The attributes that were asked for, each once per frame."""
        with _errors_without_values():
            return {name: [_plain_value(self._header.get(name))] * self.count(True) for name in self._keywords}

    def picture(self, number: int | None) -> Picture:
        """Decode a frame.

        Raises
        ------
        OSError
            If it is damaged, or no decoder of its compression is installed.
        """
        with _errors_without_values():
            self._require_decoder()
            values = self._decode(number or 0)
            return Picture(DicomValues(self._header, number or 0).to_image(values), 1)

    def _require_decoder(self) -> None:
        from pydicom.pixels import get_decoder

        name = self._syntax.name
        try:
            is_available = get_decoder(self._syntax).is_available
        except NotImplementedError:
            is_available = False
        if not is_available:
            raise DecodingError(f"compressed as {name[:80]}, which is not read")

    def _decode(self, number: int) -> NDArray[Any]:
        from pydicom import dcmread
        from pydicom.pixels import pixel_array

        self._file.seek(0)
        try:
            if self._syntax != DEFLATED:
                found: NDArray[Any] = pixel_array(self._file, index=number)
            else:
                whole = dcmread(self._file, specific_tags=[*PIXEL_KEYWORDS, "PixelData"])
                found = pixel_array(whole, index=number)
            return found
        except RuntimeError:  # of the decoders of compressed pixels
            raise DecodingError(f"compressed as {self._syntax.name[:80]}, and damaged or of a kind not read") from None


def _read_header(file: IO[bytes], keywords: tuple[str, ...]) -> Any:
    from pydicom import dcmread

    file.seek(0)
    return dcmread(file, stop_before_pixels=True, specific_tags=[*PIXEL_KEYWORDS, *keywords])


@contextmanager
def _errors_without_values() -> Iterator[None]:
    """Replace errors of pydicom, whose messages may quote the file, by their kind. Its warnings are dropped as well."""
    logger = logging.getLogger("pydicom")
    was_disabled, logger.disabled = logger.disabled, True
    try:
        with errors_as_damage("a damaged DICOM file", quoted=False):
            yield
    finally:
        logger.disabled = was_disabled


def _plain_value(value: Any) -> int | float | str | None:
    """A value of an attribute as a number or text; several are joined as they are in the file."""
    if value is None or value == "":
        return None
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, list | tuple) or type(value).__name__ == "MultiValue":
        return "\\".join(str(one) for one in value)[:MAX_TEXT]
    return str(value)[:MAX_TEXT]
