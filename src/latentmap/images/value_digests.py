"""SHA-256 of the values of an image, whose rows are added from the top to the bottom."""

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentmap.images.value_range import value_range

N_BYTES_CONVERTED = 2**23  # of values that are converted in one step
FLOATS, SMALL, SIGNED_64, UNSIGNED_64 = "<f8", "<u2", "<i8", "<u8"


def digest_types(dtype: np.dtype[Any]) -> tuple[str, ...]:
    """The types that values may be hashed as, in order of preference: the first that all values fit in is taken.

    Parameters
    ----------
    dtype : numpy.dtype
        Type of the values of an image.

    Returns
    -------
    tuple of str

    Examples
    --------
    >>> digest_types(np.dtype(np.uint16)), digest_types(np.dtype(np.int32))
    (('<u2',), ('<u2', '<i8'))
    """
    if dtype.kind not in "iu":
        return (FLOATS,)
    if dtype.kind == "u" and dtype.itemsize <= 2:
        return (SMALL,)
    return (SMALL, SIGNED_64, UNSIGNED_64) if dtype.kind == "u" and dtype.itemsize == 8 else (SMALL, SIGNED_64)


def digest_type(values: NDArray[Any]) -> str:
    """The type that values are hashed as, so that it depends neither on the type of the file nor on its byte order.

    Parameters
    ----------
    values : ndarray of integers or floats

    Returns
    -------
    str
    """
    types = digest_types(values.dtype)
    if len(types) == 1:
        return types[0]
    return next(one for one in types if _fits(one, *(value_range(values) or (0, 0))))


class ValuesDigest:
    """SHA-256 of an image with more than 8 bits per channel, independent of the type and byte order of its values.

    Parameters
    ----------
    shape : tuple of int
        Shape of the values of the whole image.
    types : sequence of str
        Types that the values may be hashed as; see :func:`digest_types`.
    premultiplied : bool
        Whether the colours are already multiplied by alpha.
    """

    def __init__(self, shape: tuple[int, ...], types: tuple[str, ...], premultiplied: bool) -> None:
        self._open = {one: hashlib.sha256(f"{one} {shape} {premultiplied}".encode()) for one in types}
        self._extras: tuple[list[NDArray[Any]], list[NDArray[Any]]] = ([], [])

    def add(self, values: NDArray[Any], *extras: NDArray[Any] | None) -> None:
        """Add rows.

        Parameters
        ----------
        values : ndarray (rows, width) or (rows, width, channels)
        *extras : ndarray (rows, width), uint8 or bool, or None
            The opacity and the mask, which are kept, since they are hashed after all values.
        """
        step = max(1, N_BYTES_CONVERTED // max(1, values[:1].nbytes))
        for begin in range(0, len(values), step):
            self._add_values(values[begin : begin + step])
        for kept, extra in zip(self._extras, extras, strict=False):
            if extra is not None:
                kept.append(extra)

    def _add_values(self, values: NDArray[Any]) -> None:
        if len(self._open) > 1:
            limits = value_range(values) or (0, 0)
            self._open = {one: digest for one, digest in self._open.items() if _fits(one, *limits)}
        for one, digest in self._open.items():
            digest.update(np.ascontiguousarray(values, one).data)

    def digest(self) -> bytes:
        """The digest, after which no more rows may be added."""
        found = next(iter(self._open.values()))
        for kept in self._extras:
            for part in kept:
                found.update(np.ascontiguousarray(part).data)
        return found.digest()


def _fits(name: str, low: float, high: float) -> bool:
    if name == FLOATS:
        return True
    limits = np.iinfo(name)
    return bool(limits.min <= low and high <= limits.max)
