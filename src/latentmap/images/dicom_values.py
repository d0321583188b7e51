"""Values of a frame of a DICOM file as an image: rescale, window, palette, inverted grey and padding."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from latentmap.core.errors import DecodingError
from latentmap.images.high_bit_depth import HighBitDepthImage

# The group of functional groups that states each attribute of a frame in an enhanced file.
GROUP_OF_ATTRIBUTE = {
    "RescaleSlope": "PixelValueTransformationSequence",
    "RescaleIntercept": "PixelValueTransformationSequence",
    "WindowCenter": "FrameVOILUTSequence",
    "WindowWidth": "FrameVOILUTSequence",
    "VOILUTFunction": "FrameVOILUTSequence",
}


class DicomValues:
    """How the stored values of a frame are shown.

    Parameters
    ----------
    header : pydicom.Dataset
    frame : int
        Number of the frame.
    """

    def __init__(self, header: Any, frame: int) -> None:
        self._header, self._frame = header, frame
        self._photometric = str(header.get("PhotometricInterpretation", "")).strip().upper()

    def to_image(self, stored: NDArray[Any]) -> Image.Image | HighBitDepthImage:
        """Convert stored values to an image.

        With a window, grey values become 8 bits as the window says. Without one, they keep their rescaled values.

        Parameters
        ----------
        stored : ndarray (rows, columns) or (rows, columns, samples)

        Returns
        -------
        PIL.Image.Image or HighBitDepthImage
            With the darkest value as black.

        Raises
        ------
        OSError
            If the photometric interpretation is not one of images.
        """
        if self._photometric.startswith("PALETTE"):
            return self._apply_palette(stored)
        if stored.ndim == 3:
            return self._as_colors(stored)
        if not self._photometric.startswith("MONOCHROME"):
            raise DecodingError(f"pixels of photometric interpretation {self._photometric[:16] or 'unknown'}")
        if int(self._header.get("BitsAllocated", 8)) == 1:
            grey = np.where(stored > 0, np.uint8(255), np.uint8(0))
            return Image.fromarray(255 - grey if self._is_inverted else grey)
        padding = self._padding_mask(stored)
        values, limits = self._rescale(stored)
        windowed = self._apply_window(values)
        if windowed is None and values.dtype == np.uint8:
            windowed = values
        if windowed is not None:
            pixels = 255 - windowed if self._is_inverted else windowed
            return Image.fromarray(pixels if padding is None else np.where(padding, np.uint8(0), pixels))
        if self._is_inverted:
            values = (limits[0] + limits[1] - values).astype(values.dtype)
        return HighBitDepthImage(values, masked=padding)

    @property
    def _is_inverted(self) -> bool:
        return self._photometric == "MONOCHROME1"

    def _find(self, name: str) -> Any:
        """The value of an attribute, for this frame if the file states it for each."""
        group = GROUP_OF_ATTRIBUTE[name]
        for kind, item in (("PerFrame", self._frame), ("Shared", 0)):
            groups = self._header.get(f"{kind}FunctionalGroupsSequence") or []
            found = groups[item].get(group) if item < len(groups) else None
            if found and found[0].get(name) is not None:
                return found[0].get(name)
        return self._header.get(name)

    def _number(self, name: str) -> float | None:
        """The first value of an attribute as a finite number."""
        value = self._find(name)
        if value is None or isinstance(value, str):
            return None
        first = value[0] if hasattr(value, "__len__") and len(value) else value
        try:
            number = float(first)
        except (TypeError, ValueError):
            return None
        return number if np.isfinite(number) else None

    def _as_colors(self, stored: NDArray[Any]) -> Image.Image | HighBitDepthImage:
        if stored.shape[2] not in (3, 4):
            raise DecodingError(f"{stored.shape[2]} samples per pixel, which are not colours")
        colors = np.ascontiguousarray(stored[..., :3])
        return Image.fromarray(colors) if colors.dtype == np.uint8 else HighBitDepthImage(colors)

    def _apply_palette(self, stored: NDArray[Any]) -> Image.Image:
        from pydicom.pixels import apply_color_lut

        colors = apply_color_lut(stored, self._header)[..., :3]
        if colors.dtype != np.uint8:
            bits = int(self._header.RedPaletteColorLookupTableDescriptor[2])
            colors = (colors >> max(0, bits - 8)).clip(0, 255).astype(np.uint8)
        return Image.fromarray(np.ascontiguousarray(colors))

    def _padding_mask(self, stored: NDArray[Any]) -> NDArray[np.bool_] | None:
        """Pixels that the file declares as padding; None if there are none."""
        first = self._header.get("PixelPaddingValue")
        if not isinstance(first, int):
            return None
        other = self._header.get("PixelPaddingRangeLimit")
        low, high = sorted((first, other if isinstance(other, int) else first))
        mask: NDArray[np.bool_] = (stored >= low) & (stored <= high)
        return mask if mask.any() else None

    def _rescale(self, stored: NDArray[Any]) -> tuple[NDArray[Any], tuple[float, float]]:
        """Values in the units of the modality, integers if they are whole, and the range that they may have."""
        if self._header.get("ModalityLUTSequence"):
            values, bits = _look_up(stored, self._header.ModalityLUTSequence[0])
            return values, (0.0, 2.0**bits - 1)
        low, high = self._stored_range(stored)
        slope, intercept = self._number("RescaleSlope"), self._number("RescaleIntercept")
        slope, intercept = 1.0 if slope is None else slope, 0.0 if intercept is None else intercept
        if (slope, intercept) == (1, 0):
            return stored, (low, high)
        first, last = sorted((slope * low + intercept, slope * high + intercept))
        is_whole = stored.dtype.kind in "iu" and slope.is_integer() and intercept.is_integer()
        if is_whole and max(abs(first), abs(last)) < 2**31:
            return stored.astype(np.int32) * np.int32(slope) + np.int32(intercept), (first, last)
        return stored.astype(np.float32) * np.float32(slope) + np.float32(intercept), (first, last)

    def _stored_range(self, stored: NDArray[Any]) -> tuple[float, float]:
        """The range of stored values by the number of their bits; that of floats is observed."""
        if stored.dtype.kind == "f":
            finite = stored[np.isfinite(stored)]
            return (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
        bits = int(self._header.get("BitsStored") or 8 * stored.dtype.itemsize)
        bits = min(max(bits, 1), 8 * stored.dtype.itemsize)
        return (-(2.0 ** (bits - 1)), 2.0 ** (bits - 1) - 1) if stored.dtype.kind == "i" else (0.0, 2.0**bits - 1)

    def _apply_window(self, values: NDArray[Any]) -> NDArray[np.uint8] | None:
        """Values as 8 bits by the lookup table or the window of the file; None if it has neither."""
        if self._header.get("VOILUTSequence"):
            looked_up, bits = _look_up(values, self._header.VOILUTSequence[0])
            return _to_bytes(looked_up * np.float32(255 / (2**bits - 1)))
        center, width = self._number("WindowCenter"), self._number("WindowWidth")
        if center is None or width is None:
            return None
        function = str(self._find("VOILUTFunction") or "LINEAR").strip().upper()
        if width < 1 and (function == "LINEAR" or width <= 0):
            return None
        shown = values.astype(np.float32)
        if function == "SIGMOID":
            shown = 1 / (1 + np.exp(np.clip(-4 * (shown - center) / width, -80, 80)))
        elif function == "LINEAR_EXACT":
            shown = (shown - center) / width + 0.5
        else:  # PS3.3 C.11.2.1.2.1; a width of 1 is a threshold
            shown = (shown - (center - 0.5)) / max(width - 1, 1e-6) + 0.5
        return _to_bytes(shown * 255)


def _look_up(values: NDArray[Any], item: Any) -> tuple[NDArray[np.uint16], int]:
    """Replace values by those of a lookup table; returns them and their number of bits."""
    size, first, bits = (int(number) for number in item.LUTDescriptor)
    data = item.LUTData
    if isinstance(data, bytes):
        data = np.frombuffer(data, np.uint8 if len(data) < 2 * (size or 2**16) else "<u2")
    table = np.asarray(data).astype(np.uint16)
    if not table.size:
        raise DecodingError("a lookup table without values")
    positions = np.rint(values).astype(np.int64) - first
    return table[positions.clip(0, len(table) - 1)], min(max(bits, 1), 16)


def _to_bytes(values: NDArray[Any]) -> NDArray[np.uint8]:
    pixels: NDArray[np.uint8] = np.nan_to_num(np.rint(values.clip(0, 255))).astype(np.uint8)
    return pixels
