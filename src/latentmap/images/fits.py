"""FITS files, by astropy: the images of all extensions, also compressed ones, and the planes of cubes."""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from latentmap.core.errors import DecodingError
from latentmap.images.channel_image import ChannelImage
from latentmap.images.page_options import DEFAULT_PAGES, PageOptions
from latentmap.images.pictures import Picture
from latentmap.images.tiff_stacks import MAX_STACK_BYTES, PageStack, as_image

N_COLORS = 3
MAX_NAME = 68  # characters of the value of a keyword


class FitsPlane(NamedTuple):
    """One plane of an image of a FITS file.

    Attributes
    ----------
    hdu : int
        Number of the header and data unit among those that are images.
    number : int
        Number of the plane in it.
    """

    hdu: int
    number: int


class FitsImages:
    """The images of a FITS file.

    An extension of two dimensions is an image. Each plane of a cube is one, except that three planes are the colours of
    an image. ``axes="channels"`` and ``axes="z"`` make one image of the planes of each cube, or of all extensions if
    none is a cube.

    Parameters
    ----------
    file : file object
        Binary file that can seek. It stays open.
    options : PageOptions, optional
        What the planes are.

    Raises
    ------
    OSError
        If the file is damaged, or has no image.
    PIL.Image.DecompressionBombError
        If an image has too many pixels.
    """

    def __init__(self, file: IO[bytes], options: PageOptions = DEFAULT_PAGES) -> None:
        self._options = options
        with errors_of_astropy():
            self._hdus = _image_hdus(file)
        if not self._hdus:
            raise DecodingError("no image in this FITS file")
        self._items = list(self._group_planes())

    def _group_planes(self) -> Iterator[tuple[FitsPlane, ...]]:
        """The planes of each image."""
        planes = [[FitsPlane(i, k) for k in range(_n_planes(hdu))] for i, hdu in enumerate(self._hdus)]
        axes = self._options.axes
        if axes in ("channels", "z") and all(len(own) == 1 for own in planes):
            yield tuple(own[0] for own in planes)
            return
        for own in planes:
            if axes in ("channels", "z") or (axes == "auto" and len(own) == N_COLORS):
                yield tuple(own)
            else:
                yield from ((plane,) for plane in own)

    def count(self, _: bool) -> int:
        """Count the images."""
        return len(self._items)

    def columns(self) -> dict[str, list[Any]]:
        """Name of the extension of each image, or else its number, if the file has several."""
        if len(self._hdus) == 1:
            return {}
        with errors_of_astropy():
            names = [str(hdu.header.get("EXTNAME", "")).strip()[:MAX_NAME] for hdu in self._hdus]
        return {"extension": [names[item[0].hdu] or str(item[0].hdu) for item in self._items]}

    def size(self, number: int | None) -> tuple[int, int]:
        """Width and height of an image, from its header."""
        height, width = self._hdus[self._items[number or 0][0].hdu].shape[-2:]
        return width, height

    def picture(self, number: int | None) -> Picture:
        """Read an image.

        Raises
        ------
        OSError
            If it is damaged, or of a kind that is not read.
        """
        planes = self._items[number or 0]
        if self._options.axes in ("channels", "z"):
            return PageStack(_Pages(self, planes), self._options).picture(None)
        with errors_of_astropy():
            found = [self._read(plane) for plane in planes]
        values = np.stack([values for values, _ in found], axis=2)
        masks = [masked for _, masked in found if masked is not None]
        return Picture(as_image(values, True, np.logical_or.reduce(masks) if masks else None), 1)

    def plane_of_stack(self, plane: FitsPlane) -> Picture:
        """Read a plane of an image of several; values that are missing are NaN."""
        with errors_of_astropy():
            values, masked = self._read(plane)
        if masked is not None and masked.any():
            values = np.where(masked, np.nan, values)
        return Picture(ChannelImage(values[..., None], are_colors=True), 1)

    def _read(self, plane: FitsPlane) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
        """The values of a plane, the first row being the upper one, and which of them are missing."""
        hdu = self._hdus[plane.hdu]
        position = np.unravel_index(plane.number, hdu.shape[:-2]) if hdu.shape[:-2] else ()
        stored = np.asarray(hdu.section[(*(int(i) for i in position), ...)])
        stored = stored.reshape(hdu.shape[-2:])[::-1]  # the first row of the file is the lowest one
        header = hdu.header
        scale, zero = (float(header.get(name, default)) for name, default in (("BSCALE", 1), ("BZERO", 0)))
        masked = stored == int(header["BLANK"]) if "BLANK" in header and stored.dtype.kind in "iu" else None
        return _apply_scale(stored, scale, zero), masked


class _Pages:
    """Some planes as the pages of one image."""

    def __init__(self, images: FitsImages, planes: tuple[FitsPlane, ...]) -> None:
        self._images, self._planes = images, planes

    def count(self, _: bool) -> int:
        return len(self._planes)

    def picture(self, number: int | None) -> Picture:
        return self._images.plane_of_stack(self._planes[number or 0])


@contextmanager
def errors_of_astropy() -> Iterator[None]:
    """Turn the errors of astropy, which are of any kind for damaged files, into one. Its warnings are dropped.

    Raises
    ------
    DecodingError
        In place of any other error.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (DecodingError, Image.DecompressionBombError, MemoryError):
        raise
    except Exception as error:
        text = " ".join(str(error).split())[:120]
        raise DecodingError(f"a damaged FITS file ({text or type(error).__name__})") from None


def _image_hdus(file: IO[bytes]) -> list[Any]:
    """The header and data units that are images of at least two dimensions."""
    from astropy.io import fits

    n_bytes = file.seek(0, io.SEEK_END)
    file.seek(0)
    # astropy's scaling makes floats of integers that have a BLANK value, and takes no notice of one that is zero
    opened = fits.open(file, mode="readonly", memmap=False, do_not_scale_image_data=True, ignore_missing_end=False)
    found = []
    for hdu in opened:
        if not isinstance(hdu, fits.PrimaryHDU | fits.ImageHDU | fits.CompImageHDU):
            continue
        if len(hdu.shape) >= 2 and prod(hdu.shape):
            _check_size(hdu, isinstance(hdu, fits.CompImageHDU), n_bytes)
            found.append(hdu)
    return found


def _check_size(hdu: Any, is_compressed: bool, n_bytes: int) -> None:
    """Refuse an image that is larger than can be read, or than its file can hold."""
    height, width = hdu.shape[-2:]
    if min(hdu.shape) < 0:
        raise DecodingError(f"damaged: an image of shape {hdu.shape}")
    if height * width > (Image.MAX_IMAGE_PIXELS or height * width):
        raise Image.DecompressionBombError
    plane_bytes = height * width * abs(int(hdu.header["BITPIX"])) // 8
    if is_compressed:
        at_once = plane_bytes * prod(hdu.tile_shape[:-2])
        if at_once > MAX_STACK_BYTES:
            raise DecodingError(f"compressed in pieces that are larger than {MAX_STACK_BYTES >> 30} GiB")
        if _n_planes(hdu) > n_bytes:
            raise DecodingError(f"an image that states {_n_planes(hdu):,} planes in {n_bytes:,} bytes")
    elif int(hdu.fileinfo()["datLoc"]) + plane_bytes * _n_planes(hdu) > n_bytes:
        raise DecodingError(f"image file is truncated ({n_bytes:,} bytes)")


def _n_planes(hdu: Any) -> int:
    return prod(hdu.shape[:-2])


def _apply_scale(stored: NDArray[Any], scale: float, zero: float) -> NDArray[Any]:
    """Compute ``zero + scale * v``, in integers if this is how unsigned integers or signed bytes are stored."""
    if (scale, zero) == (1, 0):
        return stored
    if stored.dtype.kind in "iu" and scale == 1 and zero.is_integer():
        if stored.dtype.itemsize == 8 and zero == 2.0**63:
            return stored.astype(np.int64).view(np.uint64) ^ np.uint64(2**63)
        if stored.dtype.itemsize < 8 and abs(zero) < 2**62:
            return stored.astype(np.int64) + int(zero)
    return stored.astype(np.float64) * scale + zero
