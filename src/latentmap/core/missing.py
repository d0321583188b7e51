"""Missing values among labels, found before NumPy converts None and NaN among strings to strings."""

from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray


def missing_mask(values: Any) -> NDArray[np.bool_]:
    """Find missing values: None, NaN, ``pandas.NA``, NaT, masked values, and empty strings.

    Parameters
    ----------
    values : array-like (n,)
        List, NumPy array (masked or not), pandas or Arrow column. Strings such as "nan", "None" and "-1" are not
        missing.

    Returns
    -------
    array (n,), bool

    Examples
    --------
    >>> missing_mask(["cat", None, "", float("nan"), "nan", -1]).tolist()
    [False, True, True, True, False, False]
    """
    if isinstance(values, np.ndarray) and not isinstance(values, np.ma.MaskedArray) and values.ndim == 1:
        if values.dtype.kind in "biu":
            return np.zeros(len(values), bool)
        if values.dtype.kind in "fc":
            return np.asarray(np.isnan(values))
        if values.dtype.kind == "U":
            return np.asarray(values == "")
    return np.array([is_missing(value) for value in as_list(values)], bool)


def is_missing(value: Any) -> bool:
    """Whether one value is missing: see :func:`missing_mask`."""
    if value is None or value is np.ma.masked or type(value).__name__ == "NAType":  # pandas need not be installed
        return True
    if isinstance(value, str | bytes):
        return not value
    differs: Any = value != value  # noqa: PLR0124 - true for NaN of every type and NaT
    return isinstance(differs, bool | np.bool_) and bool(differs)


def as_list(values: Any) -> list[Any]:
    """Convert a list, an array or a column to a list of Python objects, each of its own type."""
    for name in ("to_pylist", "tolist", "to_list"):  # Arrow; NumPy and pandas; Polars
        method = getattr(values, name, None)
        if method is not None:
            found = method()
            return found if isinstance(found, list) else [found]
    return list(values)


def as_classes(values: list[Any]) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """Encode values as classes.

    Parameters
    ----------
    values : list of n numbers and strings

    Returns
    -------
    classes : array (c,)
        Distinct values in ascending order. Mixed numbers and strings keep their types, numbers first.
    codes : array (n,), int
        Number of the class of each value.

    Examples
    --------
    >>> classes, codes = as_classes(["b", "a", "b"])
    >>> classes.tolist(), codes.tolist()
    (['a', 'b'], [1, 0, 1])
    """
    distinct = list(dict.fromkeys(values))
    try:
        distinct = sorted(distinct)
    except TypeError:  # values of several types
        others = [value for value in distinct if not isinstance(value, Real)]
        distinct = sorted(value for value in distinct if isinstance(value, Real))
        distinct += sorted(others, key=lambda value: (type(value).__name__, str(value)))
    one_kind = all(isinstance(value, str) for value in distinct) or not any(
        isinstance(value, str | bytes | tuple) for value in distinct
    )
    classes = np.array(distinct) if one_kind else np.empty(len(distinct), object)
    if not one_kind:
        classes[:] = distinct
    place = {value: i for i, value in enumerate(distinct)}
    return classes, np.array([place[value] for value in values], np.intp)
