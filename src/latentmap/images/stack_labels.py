"""Labels that lie beside an array of images in HDF5 and Zarr."""

from typing import Any

import numpy as np

MAX_LABEL_CHARACTERS = 1000


def plain_labels(values: Any) -> list[Any] | None:
    """Convert labels to integers and text.

    Parameters
    ----------
    values : array-like of shape (n,) or (n, 1)

    Returns
    -------
    list or None
        None if they are neither numbers nor text.
    """
    flat = np.asarray(values).reshape(-1)
    if flat.dtype.kind in "biu":
        return [int(one) for one in flat]
    if flat.dtype.kind == "f":
        return [int(one) if float(one).is_integer() else float(one) for one in flat]
    if flat.dtype.kind in "SUO":
        return [_as_text(one)[:MAX_LABEL_CHARACTERS] for one in flat]
    return None


def _as_text(value: Any) -> str:
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
